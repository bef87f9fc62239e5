from __future__ import annotations

import configparser
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerq_cli.inventory import DependencyFile, Include
from nerq_cli.manifests.python.setup_cfg import matches, read
from nerq_cli.manifests.syntax.text_document import MAX_PROBLEMS

CONFIG = """\
[metadata]
name = Acme_App

[options]
packages = find:
install_requires =
    requests>=2.31 ; python_version >= "3.8"
    # the next one is for colours
    rich[jupyter] >=13,<14

    acme @ git+https://git.example/acme.git@v1
setup-requires = setuptools_scm; wheel
tests_require =
    pytest  # the runner

[options.extras_require]
Speed_Ups =
    orjson
docs = file: docs/requirements.txt
"""


def items(manifest: DependencyFile) -> list[tuple[str, str, str, int]]:
    return [(one.name, one.requirement, one.group, one.location.line) for one in manifest.declarations]


def test_every_list_is_read_with_its_group_and_its_lines() -> None:
    manifest = read(CONFIG, "setup.cfg")
    assert items(manifest) == [
        ("requests", ">=2.31", "main", 7),
        ("rich", ">=13,<14", "main", 9),
        ("acme", "", "main", 11),
        ("setuptools_scm", "", "build", 12),
        ("wheel", "", "build", 12),
        ("pytest", "", "dev", 14),
        ("orjson", "", "extra:speed-ups", 18),
    ]
    assert (manifest.problems, manifest.notes) == ((), ())
    assert manifest.local_names == ("acme-app",)
    first, second, third, *_ = manifest.declarations
    assert first.marker == 'python_version >= "3.8"'
    assert second.extras == ("jupyter",)
    assert third.skip_reason == "git: https://git.example/acme.git @ v1"


def test_files_that_take_the_place_of_a_list_are_included() -> None:
    manifest = read(
        "[options]\ninstall_requires = file: a.txt,\n  b.txt\n[options.extras_require]\nx = file:c.txt", "s"
    )
    assert manifest.includes == (
        Include(pattern="a.txt", line=2, format="requirements", group="main"),
        Include(pattern="b.txt", line=3, format="requirements", group="main"),
        Include(pattern="c.txt", line=5, format="requirements", group="extra:x"),
    )
    assert manifest.declarations == ()


@pytest.mark.parametrize("text", ["", "[flake8]\nmax-line-length = 120\n[metadata]\nname = acme\n", "# nothing\n"])
def test_a_file_without_options_declares_nothing_and_is_no_problem(text: str) -> None:
    manifest = read(text, "setup.cfg")
    assert (manifest.declarations, manifest.problems, manifest.notes) == ((), (), ())


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("name = x\n", 1, "this stands before the first [section]"),
        ("[a]\nwhat is this\n", 2, "neither a [section] nor a key with a value"),
        ("[a]\n= 1\n", 2, "neither a [section] nor a key with a value"),
        ("[a]\n[b]\n[a]\n", 3, "section [a] is here twice"),
        ("[options]\nx = 1\nx = 2\n", 3, '"x" is here twice'),
    ],
)
def test_what_setuptools_would_not_read_is_a_problem_at_its_line(text: str, line: int, message: str) -> None:
    [problem] = read(text, "setup.cfg").problems
    assert (problem.line, problem.message) == (line, message)


def test_a_requirement_that_is_none_is_a_problem_and_the_others_stay() -> None:
    manifest = read("[options]\ninstall_requires =\n  good\n  bad ^1\n  fine\n", "setup.cfg")
    assert [name for name, *_ in items(manifest)] == ["good", "fine"]
    [problem] = manifest.problems
    assert (problem.line, problem.column, problem.text) == (4, 7, "  bad ^…")


def test_keys_that_are_given_twice_lose_no_requirement() -> None:
    manifest = read("[options]\ninstall_requires = a\ninstall_requires = b\n", "setup.cfg")
    assert [name for name, *_ in items(manifest)] == ["a", "b"]
    assert len(manifest.problems) == 1


def test_what_is_filled_in_from_elsewhere_is_noted() -> None:
    manifest = read("[options]\ninstall_requires =\n  %(base)s\n  b\n", "setup.cfg")
    assert [name for name, *_ in items(manifest)] == ["b"]
    assert manifest.notes == ("interpolated values are not listed here (line 3)",)


def test_after_too_many_problems_reading_stops() -> None:
    manifest = read("[options]\ninstall_requires =\n" + "  !\n" * 1_000, "setup.cfg")
    assert len(manifest.problems) == MAX_PROBLEMS + 1
    assert manifest.problems[-1].message == f"more than {MAX_PROBLEMS} problems: the rest is not read"


def test_the_including_file_says_what_the_items_are() -> None:
    text = "[options]\ninstall_requires = a\n[options.extras_require]\nx = file: b.txt\ny = c\n"
    grouped = read(text, "setup.cfg", group="dev")
    assert [one.group for one in grouped.declarations] == ["dev", "extra:y"]
    narrowed = read(text, "setup.cfg", constraint=True)
    assert {one.group for one in narrowed.declarations} == {"constraint"}
    assert [one.constraint for one in narrowed.includes] == [True]


def test_only_a_setup_cfg_is_wanted() -> None:
    assert matches(PurePosixPath("a/setup.cfg"))
    assert not matches(PurePosixPath("setup.cfg.in"))


lines = st.lists(
    st.sampled_from(
        [
            "[options]",
            "[a]",
            "install_requires =",
            "  b>=1",
            "c: d",
            "# e",
            "",
            "  ; f",
            "x = y",
            " [z]",
            "tests_require=q",
        ]
    ),
    max_size=12,
).map("\n".join)


@given(lines)
def test_lists_are_taken_apart_as_configparser_does(text: str) -> None:
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(text)
    except configparser.Error:
        assert read(text, "setup.cfg").problems
        return
    value = parser.get("options", "install_requires", fallback="")
    wanted = [line.strip() for line in (value.splitlines() if "\n" in value else value.split(";")) if line.strip()]
    manifest = read(text, "setup.cfg")
    found = [f"{one.name}{one.requirement}" for one in manifest.declarations if one.group == "main"]
    assert len(found) + len(manifest.problems) >= len([line for line in wanted if not line.startswith("#")])


@given(st.text() | lines | st.integers(0, len(CONFIG)).map(lambda end: CONFIG[:end]))
def test_nothing_is_ever_raised(text: str) -> None:
    read(text, "setup.cfg")
