from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerq_cli.ecosystems.npm import find_name_error
from nerq_cli.manifests.npm.npm_spec import NpmSpec, is_catalog_missing, parse_spec


@pytest.mark.parametrize(
    "name", ["a", "lodash", "JSONStream", "a.b", "a~", "(a)", "@s/a", "@S/.a"[:3] + "a", "@a/-b", "x" * 214]
)
def test_names_old_and_new_are_names(name: str) -> None:
    assert find_name_error(name) == ""


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "it is empty"),
        ("x" * 215, "it is longer than 214 characters"),
        ("node_modules", "it is reserved"),
        ("Favicon.ico", "it is reserved"),
        (".a", "no name begins like this"),
        ("_a", "no name begins like this"),
        ("-a", "no name begins like this"),
        ("../a", "no name begins like this"),
        ("a/b", "it has characters that no name has"),
        ("@a", "it has characters that no name has"),
        ("@a/b/c", "it has characters that no name has"),
        ("@a/../b", "it has characters that no name has"),
        ("@a/.b", "it has characters that no name has"),
        ("@../b", "it has characters that no name has"),
        ("@/b", "it has characters that no name has"),
        ("a b", "it has characters that no name has"),
        ("a\n", "it has characters that no name has"),
        ("a\\b", "it has characters that no name has"),
        ("a%2fb", "it has characters that no name has"),
        ("caf\N{LATIN SMALL LETTER E WITH ACUTE}", "it has characters that no name has"),
    ],
)
def test_what_is_no_name_is_refused(name: str, why: str) -> None:
    assert find_name_error(name) == why


@given(st.text(max_size=12))
def test_no_name_leaves_its_place_in_an_address(name: str) -> None:
    if not find_name_error(name):
        assert ".." not in name.split("/")
        assert not set(name) & set("\\%?#: \n")
        assert name.count("/") == name.startswith("@")


@pytest.mark.parametrize(
    "text",
    ["", "*", "1.2.3", "=1.2.3", "v1.2.3", "^1", "~1.2", "1.x || >=2.5.0 <3", "1 - 2", "latest", "next", "1.0.0+b"],
)
def test_versions_ranges_and_tags_are_taken_as_written(text: str) -> None:
    assert parse_spec("demo", f" {text} ", {}) == NpmSpec("demo", text)


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("npm:real@^1", NpmSpec("real", "^1")),
        ("npm:@scope/real@1.2.3", NpmSpec("@scope/real", "1.2.3")),
        ("npm:real", NpmSpec("real")),
        ("npm:3d-view@1", NpmSpec("3d-view", "1")),
        ("npm:^1.2.3", NpmSpec("demo", "^1.2.3")),  # Yarn
        ("npm:1.2.3", NpmSpec("demo", "1.2.3")),
        ("npm:latest", NpmSpec("demo", "latest")),
        ("npm:*", NpmSpec("demo", "*")),
        ("patch:real@npm%3A4.17.21#~/.yarn/patches/real.patch", NpmSpec("real", "4.17.21")),
        ("patch:@s/real@^4#./p.patch", NpmSpec("@s/real", "^4")),
        ("patch:typescript@^4#builtin<compat/typescript>", NpmSpec("typescript", "^4")),
        ("patch:real@patch%3Areal@npm%253A4%23a#b", NpmSpec("real", "4")),
    ],
)
def test_aliases_and_patches_name_the_real_package(text: str, asked: NpmSpec) -> None:
    assert parse_spec("demo", text, {}) == asked


@pytest.mark.parametrize(
    ("text", "reason", "requirement"),
    [
        ("owner/repo", "git: github:owner/repo", ""),
        ("owner/repo#1a2b3c", "git: github:owner/repo @ 1a2b3c", ""),
        ("owner/repo#feature/x", "git: github:owner/repo @ feature/x", ""),
        ("owner/repo#semver:^1.0", "git: github:owner/repo @ ^1.0", "^1.0"),
        ("github:owner/repo#1a2b3c::path:packages/x", "git: github:owner/repo @ 1a2b3c", ""),
        ("gitlab:owner/repo", "git: gitlab:owner/repo", ""),
        ("bitbucket:owner/repo", "git: bitbucket:owner/repo", ""),
        ("gist:11081aaa281", "git: gist:11081aaa281", ""),
        ("git+ssh://git@host.example/owner/repo.git#semver:%5E1", "git: ssh://host.example/owner/repo.git @ ^1", "^1"),
        ("git+ssh://git@host.example:owner/repo.git#v1", "git: ssh://host.example/owner/repo.git @ v1", ""),
        ("git+ssh://git@host.example:22/owner/repo.git", "git: ssh://host.example:22/owner/repo.git", ""),
        ("GIT+https://host.example/owner/repo.git", "git: https://host.example/owner/repo.git", ""),
        ("git://host.example/owner/repo", "git: git://host.example/owner/repo", ""),
        ("git@host.example:owner/repo.git#v1", "git: host.example:owner/repo.git @ v1", ""),
        ("https://github.com/owner/repo", "git: https://github.com/owner/repo", ""),
        ("https://host.example/owner/repo.git#main", "git: https://host.example/owner/repo.git @ main", ""),
        ("owner/repo#semver:^1\x1b[0m", "git: github:owner/repo", ""),
        (
            "https://github.com/owner/repo/archive/main.tar.gz",
            "URL: https://github.com/owner/repo/archive/main.tar.gz",
            "",
        ),
        ("https://host.example/x.tgz", "URL: https://host.example/x.tgz", ""),
        ("http://[broken/x.tgz", "URL: http://…", ""),
        ("file:../x", "local path", ""),
        ("link:../x", "local path", ""),
        ("portal:../x", "local path", ""),
        ("./x", "local path", ""),
        ("..", "local path", ""),
        ("/opt/x", "local path", ""),
        ("~/x", "local path", ""),
        (r"C:\x", "local path", ""),
        (r"packages\x", "local path", ""),
        ("packages/x/y", "local path", ""),
        ("x.tgz", "local archive", ""),
        ("workspace:*", "workspace member", "*"),
        ("workspace:^1.2.3", "workspace member", "^1.2.3"),
        ("workspace:./packages/x", "workspace member", ""),
        ("jsr:@std/path@^1", "jsr: not from the npm registry", ""),
        ("exec:./make.js", "exec: not from the npm registry", ""),
    ],
)
def test_what_is_not_in_the_registry_says_where_it_is(text: str, reason: str, requirement: str) -> None:
    assert parse_spec("demo", text, {}) == NpmSpec("demo", requirement, skip=reason)


def test_a_workspace_member_may_have_another_name() -> None:
    assert parse_spec("demo", "workspace:real@*", {}) == NpmSpec("real", "*", skip="workspace member")


def test_a_catalog_settles_the_version() -> None:
    catalogs = {"default": {"demo": "^1"}, "old": {"demo": "npm:real@0.9.0"}}
    assert parse_spec("demo", "catalog:", catalogs) == NpmSpec("demo", "^1")
    assert parse_spec("demo", "catalog:default", catalogs) == NpmSpec("demo", "^1")
    assert parse_spec("demo", "catalog:old", catalogs) == NpmSpec("real", "0.9.0")


def test_a_catalog_kept_elsewhere_is_not_listed_here() -> None:
    assert parse_spec("demo", "catalog:", {}).skip == "catalog default: not listed here"
    assert parse_spec("demo", "catalog:old", {"default": {"demo": "1"}}).skip == "catalog old: not listed here"


def test_a_catalog_that_names_itself_ends() -> None:
    assert parse_spec("demo", "catalog:", {"default": {"demo": "catalog:"}}).error
    assert parse_spec("demo", "patch:a@" * 10_000, {}).error


@pytest.mark.parametrize(
    "text", ["1.0, 2", "$demo", "caf\N{LATIN SMALL LETTER E WITH ACUTE}", "1" * 1001, "npm:a@./b", "npm:a@b:c"]
)
def test_what_nothing_can_be_is_wrong(text: str) -> None:
    assert parse_spec("demo", text, {}).error


@pytest.mark.parametrize(
    "text",
    [
        "https://user:hunter2@host.example/x.tgz",
        "https://host.example/x.tgz?token=hunter2",
        "https://host.example/x.tgz#hunter2",
        "https://user:hun/hunter2@host.example/x.tgz",
        "git+https://hunter2@host.example/o/r.git#main",
        "git+ssh://user:hunter2@host.example/o/r.git",
        "git+ssh://user:hunter2@host.example:o/r.git",
        "git+ssh://user:x/hunter2@host.example/o/r.git",
        "https://user:hunter2@github.com/o/r",
        "github:user:hunter2@owner/repo",
        "user:hunter2@host.example:o/r.git",
        "jsr://user:hunter2@host.example/x",
    ],
)
def test_credentials_are_never_repeated(text: str) -> None:
    assert "hunter2" not in repr(parse_spec("demo", text, {}))


@given(st.text(max_size=40), st.text(max_size=10))
def test_any_text_is_answered(text: str, name: str) -> None:
    asked = parse_spec(name, text, {"default": {name: text}})
    assert not asked.skip or not asked.error


@given(st.text(alphabet="gitnpm:/@#.+~ab1^%\\ ", max_size=30))
def test_what_is_left_for_the_registry_is_no_address(text: str) -> None:
    asked = parse_spec("demo", text, {})
    if not asked.skip and not asked.error:
        assert not set(asked.requirement) & set("/:@#\\%")


def test_a_version_in_a_catalog_that_is_kept_elsewhere_is_awaited() -> None:
    assert is_catalog_missing(parse_spec("a", "catalog:old", {}).skip)
    assert not is_catalog_missing(parse_spec("a", "workspace:*", {}).skip)
    assert not is_catalog_missing("")


@pytest.mark.parametrize(
    ("specifier", "name", "requirement"),
    [
        ("https://registry.example/eslint-scope/-/eslint-scope-3.7.2.tgz", "eslint-scope", "3.7.2"),
        ("https://registry.example/@s%2fb/-/b-3.7.2-rc.1.tgz#abc", "@s/b", "3.7.2-rc.1"),
        ("https://registry.example/b/-/c-3.7.2.tgz", "good", ""),
        ("https://files.example/good-3.7.2.tgz", "good", "3.7.2"),
        ("https://files.example/bad-3.7.2.tgz", "good", ""),
        ("https://code.example/o/r/tar.gz/v3.3.6", "good", "3.3.6"),
        ("https://code.example/o/r/tar.gz/main", "good", ""),
        ("git+https://code.example/o/r.git#v3.7.2", "good", "3.7.2"),
        ("o/r#good@3.7.2", "good", "3.7.2"),
        ("o/r#semver:3.7.2", "good", "3.7.2"),
        ("o/r#0123456789abcdef", "good", ""),
        ("o/r#v3", "good", ""),
    ],
)
def test_an_address_with_an_exact_version_states_it(specifier: str, name: str, requirement: str) -> None:
    spec = parse_spec("good", specifier, {})
    assert (spec.name, spec.requirement, bool(spec.skip)) == (name, requirement, True)
