from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from pathlib import PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nerq_cli.inventory import NOT_UNDERSTOOD, Declaration, DependencyFile, Include, Location
from nerq_cli.manifests.python import requirements
from nerq_cli.manifests.python.requirements import MAX_INCLUDES, matches, read
from nerq_cli.manifests.syntax.text_document import MAX_PROBLEMS, MAX_SHOWN_LENGTH
from nerq_cli.problem import Problem

WHEEL = "tool-1.2.3-py3-none-any.whl"


def only(text: str, path: str = "requirements.txt") -> Declaration:
    manifest = read(text, path)
    assert manifest.problems == ()
    [declared] = manifest.declarations
    return declared


def wrong(text: str) -> Problem:
    manifest = read(text, "requirements.txt")
    assert all(item.skip_reason == NOT_UNDERSTOOD for item in manifest.declarations)
    [problem] = manifest.problems
    return problem


# --- Which files -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "requirements.txt",
        "requirements-dev.txt",
        "requirements_test.txt",
        "requirements37.txt",
        "Requirements.TXT",
        "dev-requirements.txt",
        "dev_requirements.in",
        "test-requirements-py3.txt",
        "requirements.in",
        "requirements/anything.txt",
        "requirements/anything.in",
        "constraints.txt",
        "constraints-3.12.txt",
        "pip-constraints.txt",
        "dev.in",
        "lint.in",
        "docs-test.in",
        "requirements.lock",
        "requirements-dev.lock",
    ],
)
def test_files_for_pip_are_wanted(name: str) -> None:
    assert matches(PurePosixPath("somewhere") / name)


@pytest.mark.parametrize(
    "name",
    [
        "notes.txt",
        "requirements.md",
        "requirements",
        "requirements/README.txt",
        "myrequirementslist.txt",
        "MANIFEST.in",
        "Makefile.in",
        "config.h.in",
        "input.in",
        "_.in",
        "pyproject.toml",
        "poetry.lock",
        "requirements/yarn.lock",
    ],
)
def test_other_files_are_not_wanted(name: str) -> None:
    assert not matches(PurePosixPath("somewhere") / name)


@pytest.mark.parametrize(
    ("path", "group"),
    [
        ("requirements.txt", "main"),
        ("requirements-prod.txt", "main"),
        ("service/requirements/base.txt", "main"),
        ("requirements-dev.txt", "dev"),
        ("dev-requirements.txt", "dev"),
        ("requirements/development.txt", "dev"),
        ("requirements-test.txt", "dev:test"),
        ("requirements/tests.txt", "dev:tests"),
        ("requirements/dev-lint.txt", "dev:lint"),
        ("requirements_docs.in", "dev:docs"),
        ("ci.in", "dev:ci"),
        ("docs/requirements.txt", "dev:docs"),
        ("docs/requirements-prod.txt", "main"),
        ("constraints.txt", "constraint"),
        ("requirements/dev-constraints.txt", "constraint"),
        ("<stdin>", "main"),
    ],
)
def test_the_name_of_a_file_tells_the_group(path: str, group: str) -> None:
    manifest = read("requests", path)
    assert [item.group for item in manifest.declarations] == [group]
    assert manifest.constraint == (group == "constraint")


def test_a_group_that_is_given_wins_over_the_name_of_the_file() -> None:
    manifest = read("requests", "constraints-dev.txt", group="extra:socks")
    assert [item.group for item in manifest.declarations] == ["extra:socks"]
    assert not manifest.constraint


def test_what_is_read_as_constraints_is_in_their_group_whatever_the_file_is_called() -> None:
    manifest = read("requests<3", "requirements-dev.txt", constraint=True, group="main")
    assert [item.group for item in manifest.declarations] == ["constraint"]
    assert manifest.constraint


# --- Plain lines -----------------------------------------------------------------------------------------------------


def test_a_pin_is_read_with_its_place() -> None:
    assert read("# ours\n\nrequests==2.31.0  # http\n", "app/requirements.txt") == DependencyFile(
        path="app/requirements.txt",
        format="requirements",
        declarations=(
            Declaration(
                ecosystem="PyPI",
                name="requests",
                requirement="==2.31.0",
                group="main",
                location=Location(path="app/requirements.txt", line=3),
            ),
        ),
    )


def test_extras_versions_and_markers_are_kept_as_written() -> None:
    declared = only('Requests[socks,http2] >= 2.0, <3 ; python_version < "3.8"')
    assert declared.name == "Requests"
    assert declared.extras == ("http2", "socks")
    assert declared.requirement == ">= 2.0, <3"
    assert declared.marker == 'python_version < "3.8"'


@pytest.mark.parametrize(
    "text", ["requests", "  requests\t", "requests # ==1", "requests;", "\ufeffrequests", "requests\r\n"]
)
def test_a_name_alone_asks_for_no_version(text: str) -> None:
    declared = read(text, "r.txt").declarations or read(text.rstrip(";"), "r.txt").declarations
    assert [(item.name, item.requirement) for item in declared] == [("requests", "")]


def test_parentheses_around_versions_are_left_out() -> None:
    assert only("requests (>=2.0)").requirement == ">=2.0"


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_lines_may_end_in_any_way(ending: str) -> None:
    manifest = read(f"a==1{ending}{ending}b==2{ending}", "requirements.txt")
    assert [(item.name, item.location.line) for item in manifest.declarations] == [("a", 1), ("b", 3)]


def test_a_joined_line_is_at_its_first_physical_line() -> None:
    text = "a==1\n\nrequests \\\n  >=2, \\\n  <3\nb==2"
    manifest = read(text, "requirements.txt")
    assert [(item.name, item.location.line) for item in manifest.declarations] == [("a", 1), ("requests", 3), ("b", 6)]
    assert manifest.declarations[1].requirement.replace(" ", "") == ">=2,<3"


def test_a_comment_ends_a_joined_line_even_with_a_backslash_at_its_end() -> None:
    manifest = read("requests \\\n# note \\\nflask\n", "requirements.txt")
    assert [item.name for item in manifest.declarations] == ["requests", "flask"]


def test_a_backslash_at_the_end_of_the_file_joins_nothing() -> None:
    assert only("\nrequests==1 \\").location.line == 2


def test_a_hash_sign_within_a_word_begins_no_comment() -> None:
    assert only("https://files.example/a.zip#egg=tool").name == "tool"


def test_a_variable_in_a_version_is_left_as_it_is() -> None:
    declared = only("requests[socks]==${REQUESTS} ; os_name == 'nt'")
    assert (declared.name, declared.requirement, declared.extras) == ("requests", "==${REQUESTS}", ("socks",))
    assert declared.marker == "os_name == 'nt'"


# --- Hashes and options of one requirement ---------------------------------------------------------------------------


def test_hashes_are_noticed_over_joined_lines() -> None:
    text = """\
        requests==2.31.0 \\
            --hash=sha256:58cd2187 \\
            --hash sha512:942c5a75
        flask==2.3.2
        """
    manifest = read(textwrap.dedent(text), "requirements.txt")
    assert [(item.name, item.has_hash) for item in manifest.declarations] == [("requests", True), ("flask", False)]


def test_other_options_of_a_requirement_are_accepted() -> None:
    declared = only('requests==1 --global-option="--quiet" -C key=value --hash=md5:00')
    assert (declared.requirement, declared.has_hash) == ("==1", True)
    assert not only('requests==1 --install-option="--x"').has_hash


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("requests==1 --hash=sha256:xyz", "not a hash"),
        ("requests==1 --hash=58cd2187", "not a hash"),
        ("requests==1 -e .", "--editable cannot follow a requirement"),
        ("requests==1 --no-such", "no such option: --no-such"),
        ('requests==1 --global-option="', "a quotation mark is missing"),
    ],
)
def test_options_that_do_not_belong_to_a_requirement_are_a_problem(text: str, message: str) -> None:
    problem = wrong(text)
    assert problem.message == message
    assert problem.column == 13


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("requests==1 --hash=sha256:00 and words", ["requests"]),
        ("requests==1 --hash=sha256:00 flask==2", ["requests"]),
        ("requests==1 --index-url https://registry.example/simple", ["requests"]),
        ("requests==1 --pre", ["requests"]),
        ("requests==1 -r base.txt", ["requests"]),
        ("--index-url https://registry.example/simple words", []),
        ("--pre flask", []),
        ("--hash=sha256:00", []),
        ("-", []),
    ],
)
def test_what_pip_ignores_after_an_option_is_a_note_and_the_requirement_is_kept(text: str, names: list[str]) -> None:
    manifest = read(f"{text}\nsix\n--pre six\n", "requirements.txt")
    assert [item.name for item in manifest.declarations] == [*names, "six"]
    assert (manifest.problems, manifest.includes) == ((), ())
    assert manifest.notes == ("pip ignores what follows the options on line 1 and 1 more lines",)


@pytest.mark.parametrize(
    "address", ["https://git.example/o/r.git", "https://git.example/o/r.git#egg=r", "ssh://git@git.example/o/r"]
)
def test_an_address_that_is_no_repository_cannot_be_editable(address: str) -> None:
    assert wrong(f"-e {address}").message == "only a directory or a repository can be editable"


@pytest.mark.parametrize(
    ("text", "purl"),
    [
        ("https://files.example/o/shop/tarball/master", "pkg:generic/master"),
        ("git+https://git.example/o/shop.git", "pkg:generic/shop"),
        ("./libs/shop", "pkg:generic/shop"),
        ("-e .", "pkg:generic/local-project"),
        ("https://files.example/tool-1.2.3.tar.gz", "pkg:pypi/tool"),
        ("https://files.example/main.zip#egg=tool", "pkg:pypi/tool"),
        ("shop @ https://files.example/main.zip", "pkg:pypi/shop"),
    ],
)
def test_a_name_that_is_guessed_from_an_address_is_no_package_of_pypi(text: str, purl: str) -> None:
    assert only(text).package.purl == purl


# --- Rye -------------------------------------------------------------------------------------------------------------


def test_the_lock_file_of_rye_is_read() -> None:
    text = """\
# generated by rye
# use `rye lock` or `rye sync` to update this lockfile
#   features: []

-e file:.
-e file:packages/a
certifi==2024.2.2
    # via requests
requests==2.31.0
    # via acme
"""
    manifest = read(text, "requirements-dev.lock")
    assert (manifest.problems, manifest.notes) == ((), ())
    assert [(d.name, d.requirement, d.group, d.skip_reason) for d in manifest.declarations] == [
        ("local-project", "", "dev", "local path ."),
        ("a", "", "dev", "local path packages/a"),
        ("certifi", "==2024.2.2", "dev", ""),
        ("requests", "==2.31.0", "dev", ""),
    ]


# --- pip-compile -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("comments", "indirect"),
    [
        ("# via flask", True),
        ("# via\n    #   flask\n    #   requests", True),
        ("# via flask, requests", True),
        ("# via\n    #   -c constraints.txt\n    #   flask", True),
        ("# via -r requirements.in", False),
        ("# via -r -", False),
        ("# via\n    #   -r requirements.in\n    #   flask", False),
        ("# via flask, -r requirements.in", False),
        ("# via shop (pyproject.toml)", False),
        ("# via shop (setup.py)", False),
        ("# via -c constraints.txt", False),
        ("# via", False),
        ("# via the proxy", False),
        ("# viable", False),
        ("# pinned", False),
    ],
)
@pytest.mark.parametrize("place", ["\n    ", "  "])
def test_what_only_other_packages_ask_for_is_indirect(comments: str, place: str, *, indirect: bool) -> None:
    manifest = read(f"click==8.1.3{place}{comments}\nidna==3.4\n# via nobody\n", "requirements.txt")
    assert [item.indirect for item in manifest.declarations] == [indirect, False]


def test_via_is_found_behind_hashes_and_other_remarks() -> None:
    manifest = read("a==1 \\\n    --hash=md5:00  # pinned\n    # via b\n", "requirements.txt")
    assert [(item.indirect, item.has_hash) for item in manifest.declarations] == [(True, True)]


# --- Paths, addresses, repositories ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name", "requirement", "skip"),
    [
        (".", "local-project", "", "local path ."),
        ("./libs/shop", "shop", "", "local path ./libs/shop"),
        ("../shop[extra]", "shop", "", "local path ../shop"),
        ("libs/shop/", "shop", "", "local path libs/shop/"),
        ("/srv/shop", "shop", "", "local path /srv/shop"),
        ("~/shop", "shop", "", "local path ~/shop"),
        (r"C:\work\shop", "shop", "", r"local path C:\work\shop"),
        (r"..\shop", "shop", "", r"local path ..\shop"),
        ("${HOME}/shop", "shop", "", "local path ${HOME}/shop"),
        ("file:./libs/shop", "shop", "", "local path ./libs/shop"),
        ("file:///srv/shop", "shop", "", "local file: /srv/shop"),
        (f"./wheels/{WHEEL}", "tool", "==1.2.3", f"local archive ./wheels/{WHEEL}"),
        (WHEEL, "tool", "==1.2.3", f"local archive {WHEEL}"),
        ("tool-1.2.3.tar.gz", "tool", "==1.2.3", "local archive tool-1.2.3.tar.gz"),
        (f"https://u:p@files.example/{WHEEL}?t=1#sha256=00", "tool", "==1.2.3", f"URL: https://files.example/{WHEEL}"),
        ("https://files.example/tool-1.2.3.zip", "tool", "==1.2.3", "URL: https://files.example/tool-1.2.3.zip"),
        ("https://files.example/main.zip", "main.zip", "", "URL: https://files.example/main.zip"),
        ("https://files.example/main.zip#egg=tool==1", "tool", "==1", "URL: https://files.example/main.zip"),
        ("https://files.example", "files.example", "", "URL: https://files.example"),
        ("git+https://git.example/o/shop.git@1a2b3c", "shop", "", "git: https://git.example/o/shop.git @ 1a2b3c"),
        ("git+https://git.example/o/shop.git", "shop", "", "git: https://git.example/o/shop.git"),
        ("git+https://git.example/o/shop.git@fix/it", "shop", "", "git: https://git.example/o/shop.git @ fix/it"),
        ("git+ssh://git@git.example/o/r.git@v1#egg=shop", "shop", "", "git: ssh://git.example/o/r.git @ v1"),
        ("hg+https://hg.example/shop@tip", "shop", "", "hg: https://hg.example/shop @ tip"),
        ("git+https://${TOKEN}@git.example/o/shop.git", "shop", "", "git: https://git.example/o/shop.git"),
        ("shop @ https://files.example/x.zip", "shop", "", "URL: https://files.example/x.zip"),
        (f"shop @ https://files.example/{WHEEL}", "shop", "==1.2.3", f"URL: https://files.example/{WHEEL}"),
        ("shop@git+https://git.example/o/r.git@abc", "shop", "", "git: https://git.example/o/r.git @ abc"),
        ("shop @ file:///srv/shop", "shop", "", "local file: /srv/shop"),
        ("shop @ ./libs/shop", "shop", "", "local path ./libs/shop"),
        ("-e .", "local-project", "", "local path ."),
        ("-e ./libs/shop", "shop", "", "local path ./libs/shop"),
        ("--editable=./libs/shop", "shop", "", "local path ./libs/shop"),
        ("-e libs#egg=shop", "shop", "", "local path libs"),
        ("-e git+https://git.example/o/r.git@ab#egg=shop", "shop", "", "git: https://git.example/o/r.git @ ab"),
        ("-e git+https://git.example/o/r.git#egg=s&subdirectory=x", "s", "", "git: https://git.example/o/r.git"),
        ('-e "shop @ git+https://git.example/o/r.git"', "shop", "", "git: https://git.example/o/r.git"),
    ],
)
def test_what_comes_from_no_index_is_skipped_with_the_reason(text: str, name: str, requirement: str, skip: str) -> None:
    declared = only(text)
    assert (declared.name, declared.requirement, declared.skip_reason) == (name, requirement, skip)


@pytest.mark.parametrize(
    "text",
    [
        './libs/shop ; python_version < "3.8"',
        'https://files.example/a.zip ; python_version < "3.8"',
        'shop @ https://files.example/a.zip ; python_version < "3.8"',
        '-e ./libs/shop ; python_version < "3.8"',
        '-e "shop @ https://files.example/a.zip" ; python_version < "3.8"',
    ],
)
def test_a_marker_behind_a_place_is_kept(text: str) -> None:
    assert only(text).marker == 'python_version < "3.8"'


def test_a_semicolon_without_a_space_belongs_to_the_address() -> None:
    declared = only("https://files.example/a;b/tool.zip")
    assert (declared.marker, declared.skip_reason) == ("", "URL: https://files.example/a;b/tool.zip")


@pytest.mark.parametrize("text", ["./libs/shop[b,a]", "-e ./libs/shop[b,a]", "git+https://git.example/r#egg=s[b,a]"])
def test_extras_of_a_place_are_kept(text: str) -> None:
    assert only(text).extras == ("a", "b")


def test_a_directory_with_a_stated_name_is_part_of_the_project() -> None:
    text = (
        f"-e ./libs/x#egg=Shop_Core\ntill @ file:///srv/till\n./libs/guess\n./{WHEEL}\nlamp @ https://files.example/l\n"
    )
    assert read(text, "requirements.txt").local_names == ("shop-core", "till")


@pytest.mark.parametrize(
    "text",
    [
        "https://user:secret@files.example/a.zip",
        "git+https://user:secret@git.example/o/r.git@main#egg=x",
        "-e git+https://secret@git.example/o/r.git#egg=x",
        "x @ https://user:secret@files.example/a.zip?token=secret",
        "https://user:se/secret@files.example/a.zip",
        "https://secret@files.example",
        "--index-url https://user:secret@registry.example/simple/\nx",
        "--extra-index-url https://user:secret@registry.example/simple/\nx",
        "--no-index --find-links https://user:secret@registry.example/simple/\nx",
        "-r https://user:secret@files.example/requirements.txt",
        "x == https://user:secret@files.example/a.zip nonsense",
        "--no-such https://user:secret@files.example/a.zip",
        "x==1 --hash=md5:00 https://user:secret@files.example/a.zip",
        "-e . https://user:secret@files.example/a.zip",
        "https://user:secret@files.example/not-a-wheel.whl",
    ],
)
def test_a_secret_in_an_address_goes_nowhere(text: str) -> None:
    assert "secret" not in repr(read(text, "requirements.txt"))


# --- Options of the file ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "constraint"),
    [
        ("-r base.txt", False),
        ("-rbase.txt", False),
        ("-r=base.txt", False),
        ("--requirement base.txt", False),
        ("--requirement=base.txt", False),
        ("-c base.txt", True),
        ("--constraint 'base.txt'", True),
        ("--constraint=base.txt  # why", True),
    ],
)
def test_a_file_that_is_named_is_an_include(line: str, *, constraint: bool) -> None:
    [include] = read(f"requests\n{line}", "requirements.txt").includes
    assert include == Include(pattern="base.txt", line=2, format="requirements", constraint=constraint)


def test_constraints_that_are_asked_for_as_requirements_are_requirements() -> None:
    [include] = read("-r constraints.txt", "requirements-dev.txt").includes
    assert (include.group, include.constraint) == ("dev", False)
    [include] = read("-r more-constraints.txt", "constraints.txt").includes
    assert (include.group, include.constraint) == ("main", False)


def test_several_files_may_stand_on_one_line() -> None:
    manifest = read("-r a.txt -c b.txt -r c.txt", "requirements.txt")
    assert [include.pattern for include in manifest.includes] == ["a.txt", "c.txt", "b.txt"]


def test_an_index_holds_for_every_item_of_the_file() -> None:
    text = "before\n-i https://one.example\n--index-url=https://me:pw@two.example/simple/\nafter\n-e .\n"
    manifest = read(text, "requirements.txt")
    assert manifest.index == "https://two.example/simple/"
    assert [item.index for item in manifest.declarations] == ["https://two.example/simple/"] * 2 + [""]


def test_extra_indexes_are_gathered_each_once() -> None:
    text = "a\n" + "--extra-index-url https://one.example\n--extra-index-url https://two.example\n" * 2
    manifest = read(text, "requirements.txt")
    assert manifest.extra_indexes == ("https://one.example", "https://two.example")
    assert [item.extra_indexes for item in manifest.declarations] == [manifest.extra_indexes]


def test_without_an_index_items_come_from_where_the_links_lead() -> None:
    assert only("a\n--no-index --find-links ./wheels -i https://registry.example").index == "./wheels"
    assert only("a\n--no-index\n--extra-index-url https://registry.example").index == "--no-index"
    assert only("a\n--find-links ./wheels").index == ""


@pytest.mark.parametrize(
    "line",
    [
        "--pre",
        "--prefer-binary",
        "--require-hashes",
        "--no-require-hashes",
        "--trusted-host registry.example",
        "--no-binary :all:",
        "--only-binary=:none:",
        "--use-feature fast-deps",
        "--all-releases :all:",
        "--only-final=:all:",
        "--no-use-wheel",
    ],
)
def test_options_that_pip_knows_are_accepted(line: str) -> None:
    assert read(line, "requirements.txt") == DependencyFile(path="requirements.txt", format="requirements")


@pytest.mark.parametrize(
    ("line", "column", "message", "hint"),
    [
        ("--indx-url https://x.example", 1, "no such option: --indx-url", "did you mean --index-url?"),
        ("--zzzzzz", 1, "no such option: --zzzzzz", "pip does not read this option in a requirements file"),
        ("--pre --quux", 7, "no such option: --quux", "pip does not read this option in a requirements file"),
        ("-i", 1, "-i option requires 1 argument", ""),
        ("-r 'base.txt", 1, "a quotation mark is missing", ""),
        (
            "-e . ; nonsense",
            7,
            "the marker cannot be read: expected a marker operator, one of <=, <, !=, ==, >=, >, ~=, ===, in, not in",
            "",
        ),
    ],
)
def test_options_that_make_no_sense_are_a_problem(line: str, column: int, message: str, hint: str) -> None:
    problem = wrong(line)
    assert (problem.column, problem.hint) == (column, hint)
    assert problem.message.lower().startswith(message[:40].lower())


def test_more_files_than_anybody_includes_are_a_problem() -> None:
    manifest = read("-r a.txt\n" * (MAX_INCLUDES + 1), "requirements.txt")
    assert len(manifest.includes) == MAX_INCLUDES
    assert [problem.line for problem in manifest.problems] == [MAX_INCLUDES + 1]


# --- Malformed lines -------------------------------------------------------------------------------------------------


def test_words_are_no_package() -> None:
    manifest = read("flask==2.3.2\nthis is not a requirement\nrequests\n", "requirements.txt")
    assert [item.name for item in manifest.declarations] == ["flask", "requests"]
    assert manifest.problems == (
        Problem(
            path="requirements.txt",
            line=2,
            column=6,
            message="only a version or a marker may follow here",
            text="this …",
            hint="write one requirement a line, and # before a comment",
        ),
    )


@pytest.mark.parametrize(
    ("text", "column", "message", "hint"),
    [
        ("requests=2.0", 9, "'=' is not an operator", "did you mean ==?"),
        ("requests[a] = 2.0", 13, "'=' is not an operator", "did you mean ==?"),
        ("requests=>2.0", 9, "'=>' is not an operator", "did you mean >=?"),
        ("requests =< 2.0", 10, "'=<' is not an operator", "did you mean <=?"),
        ("requests^2.0", 9, "'^' is not an operator here", "write >=1.2,<2 for ^1.2"),
        ("requests~2.0", 9, "'~' is not an operator", "did you mean ~=?"),
        ("requests 2.0", 10, "an operator is missing before the version", "did you mean ==?"),
        ("requests==", 11, "a version is missing here", "write name==version"),
        ("requests>=,<3", 11, "a version is missing here", "write name==version"),
        ("==2.0", 1, "the package name is missing before the version", "write name==version"),
        ("requests flask", 10, "only a version", "write one requirement a line"),
        ("requests==2.0 flask==1.0", 15, "only a version", "write one requirement a line"),
        ("requests>=2, flask", 14, "only a version", "write one requirement a line"),
        ("requests, flask", 9, "a comma is only allowed between versions", "write one requirement a line"),
        ("requests[socks", 9, "this bracket is not closed", "write name[extra]==version"),
        ("requests==2[socks]", 12, "extras come before the version", "write name[extra]==version"),
        ("'requests'", 1, "quotes around a requirement", "remove them"),
        ("@scope/name", 1, "a name does not begin with @", "npm packages belong in package.json"),
        ("${NAME}==1", 1, "the package name is in an environment variable", "write the name itself"),
        ("acme-${NAME}", 6, "the package name is in an environment variable", "write the name itself"),
        ("pip install requests", 1, "a command, not a requirement", "write only what follows 'pip install'"),
        ("requests==1 \\ ", 13, "a backslash joins lines only", "remove what follows it"),
        ("git@git.example:o/r.git", 4, "an address without a scheme", "write git+ssh://git@host/path"),
        ("me@mail.example", 4, "no address", "write name @ https://…"),
        ("git://git.example/r", 1, "not an address that pip supports", "write it as git+"),
        ("https://files.example/a b.zip", 24, "a space in an address", "write %20 for it"),
        ("https://[", 1, "invalid ipv6", ""),
        ("./not-a-wheel.whl", 1, "not-a-wheel.whl is not a valid wheel filename", ""),
        ("requests==2.0/3", 9, "expected", "write name, extras"),
        ("requests>=2.*", 9, ".* suffix can only be used with", "write name, extras"),
        ("requests ; python_version <", 28, "expected a marker variable", "write name, extras"),
        ("./shop ; python_version <", 9, "the marker cannot be read", ""),
        ("<<<<<<< HEAD", 1, "a merge conflict marker", "resolve the conflict"),
        ("=======", 1, "a merge conflict marker", "resolve the conflict"),
        (">>>>>>> branch", 1, "a merge conflict marker", "resolve the conflict"),
        ("a\x00b", 2, "binary data, not text", "save it as plain text in UTF-8"),
        ('x ; os_name == "\x00"', 17, "binary data, not text", "save it as plain text in UTF-8"),
        ("\x7fELF\x02\x01", 1, "binary data, not text", "save it as plain text in UTF-8"),
        ("{", 1, "a requirement begins with the package name", ""),
        ("naïve==1", 3, "this letter is not allowed in a package name", "use ASCII letters"),
    ],
)
def test_a_malformed_line_is_a_problem_where_it_goes_wrong(text: str, column: int, message: str, hint: str) -> None:
    problem = wrong(text)
    assert problem.message.lower().startswith(message)
    assert problem.hint.startswith(hint)
    assert (problem.line, problem.column) == (1, column)


def test_the_place_in_a_joined_line_is_a_physical_one() -> None:
    problem = wrong("\n  requests \\\n   >=1, \\\n   flask\n")
    assert (problem.line, problem.column, problem.text) == (4, 4, "   flask")
    problem = wrong("\n  requests=1 \\\n  --hash=md5:00\n")
    assert (problem.line, problem.column, problem.text) == (2, 11, "  requests=…")


def test_a_web_page_is_one_problem() -> None:
    page = "\n<!DOCTYPE html>\n<html>\n<body>\nrequests\n</body>\n</html>\n"
    problem = wrong(page)
    assert problem.message == "a web page, not a requirements file"


def test_a_file_of_another_kind_is_given_up_after_a_while() -> None:
    manifest = read("what is this\n" * 5_000 + "requests\n", "requirements.txt")
    assert manifest.declarations == ()
    assert len(manifest.problems) == MAX_PROBLEMS + 1
    assert manifest.problems[-1].message == f"more than {MAX_PROBLEMS} problems: the rest is not read"


@pytest.mark.parametrize(
    "line",
    [
        "x" * 1_000_000,
        "x==1 " * 200_000,
        "./" + "[" * 1_000_000,
        "-r " + "x" * 1_000_000,
        "-e " + "[" * 1_000_000,
        "x ; " + "(" * 1_000_000,
        "x==1 --hash=" + "0" * 1_000_000,
        " " * 1_000_000 + "a b",
        "https://" + "x" * 1_000_000,
        "x ;" * 300_000,
    ],
)
def test_a_line_of_a_megabyte_is_a_problem_and_not_repeated(line: str) -> None:
    problem = wrong(line)
    assert len(problem.text) <= MAX_SHOWN_LENGTH
    assert len(problem.message) <= MAX_SHOWN_LENGTH


@pytest.mark.parametrize("text", ["x ; " + "(" * 1_500, "./x ; " + "(" * 1_500, "-e . ; " + "(" * 1_500])
def test_brackets_too_deep_for_a_parser_are_a_problem(text: str) -> None:
    assert wrong(text).line == 1


def test_a_line_is_quoted_up_to_a_name_of_at_most_forty_characters() -> None:
    assert wrong("x" * 40 + "=1" + " " * 500 + "y").text == "x" * 40 + "=…"
    assert wrong("x" * 41 + "=1").text == ""


# --- Laws ------------------------------------------------------------------------------------------------------------

CORPUS = [
    f"flask==2.3.2 \\\n    --hash=sha256:{'7f' * 32} \\\n    --hash=sha256:{'8c' * 32}\n    # via -r requirements.in\n",
    "-r base.txt\n-c constraints.txt\n--index-url https://user:secret@registry.example/simple\npytest>=7,<8\n",
    'typing-extensions>=4.0 ; python_version < "3.8" and sys_platform != "win32"\nrequests[socks,security]~=2.31.0\n',
    "-e git+https://git.example/org/lib.git@1a2b3c4d#egg=lib[extra]&subdirectory=src\n-e ./libs/shop[dev]\n",
    "lib @ git+ssh://git@git.example/org/lib.git@v1.0\n./wheels/tool-1.0-py3-none-any.whl\n",
    "<<<<<<< HEAD\nrequests==2.30\n=======\nrequests==2.31\n>>>>>>> main\n",
    "# -*- coding: utf-8 -*-\nüñí==1\n\ttabs\t==\t1\t# note\nname = value\n[section]\nkey: value\n",
]


@st.composite
def mutilated(draw: st.DrawFn) -> str:
    """Return a file as people write them, damaged in a few places."""
    text = "".join(draw(st.lists(st.sampled_from(CORPUS), min_size=1, max_size=3)))
    for _ in range(draw(st.integers(0, 6))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 12)))
        piece = draw(
            st.text(max_size=4) | st.sampled_from(["\\\n", "\n", "--", " -e ", ";", "@", "[", "]", "${X}", "\x00"])
        )
        text = text[:start] + piece + text[end:]
    return text


def whole(manifest: DependencyFile, text: str) -> None:
    """Check what holds of any file that was read."""
    lines = text.splitlines()
    for item in manifest.declarations:
        assert item.name
        assert 1 <= item.location.line <= len(lines)
    for problem in manifest.problems:
        assert problem.message
        assert 1 <= problem.line <= len(lines)
        assert 0 <= problem.column <= len(lines[problem.line - 1]) + 1
    for include in manifest.includes:
        assert 1 <= include.line <= len(lines)


@given(st.text(max_size=300) | st.text(alphabet="ab=<>!~;,.[]@-#\\/\"'$ {}:\n", max_size=60))
@settings(max_examples=500, deadline=None)
def test_any_text_can_be_read(text: str) -> None:
    manifest = read(text, "requirements.txt")
    whole(manifest, text.removeprefix("\ufeff"))


@given(mutilated())
@settings(max_examples=500, deadline=None)
def test_a_damaged_file_can_be_read(text: str) -> None:
    manifest = read(text, "requirements-dev.txt", constraint=len(text) % 2 == 0)
    whole(manifest, text.removeprefix("\ufeff"))


@given(st.lists(st.sampled_from("abc"), max_size=8), st.integers(0, 8))
def test_a_malformed_line_changes_nothing_around_it(names: list[str], place: int) -> None:
    lines = [f"{name}==1" for name in names]
    without = read("\n".join([*lines[:place], "", *lines[place:]]), "requirements.txt")
    with_it = read("\n".join([*lines[:place], "not a requirement", *lines[place:]]), "requirements.txt")
    assert with_it.declarations == without.declarations
    assert len(with_it.problems) == 1


def test_plain_files_are_read_without_the_library_for_the_others() -> None:
    script = textwrap.dedent("""\
        import sys
        from nerq_cli.manifests.python.requirements import read
        read("requests==2 \\\\\\n  --hash=sha256:00\\nflask[x]>=2 ; os_name == 'nt'\\nbad line\\n", "r.txt")
        print("pip_requirements_parser" in sys.modules, "optparse" in sys.modules)
        """)
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)  # noqa: S603 - ours
    assert done.stdout.split() == ["False", "False"]


def test_the_reader_is_called_requirements() -> None:
    assert requirements.NAME == "requirements"


@pytest.mark.parametrize(
    "line",
    [
        "demo=={}1.0",
        "demo {}; python_version{}<'3'",
        "demo==1.0{}--hash={}sha256:x",
        "-r{}b.txt{}# via{}a",
        "-e{}./x{}#egg=a",
    ],
)
def test_a_line_of_spaces_takes_no_time(line: str) -> None:
    started_at = time.monotonic()
    read(line.replace("{}", " " * 80_000), "requirements.txt")
    assert time.monotonic() - started_at < 2
