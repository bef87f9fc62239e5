from __future__ import annotations

import time
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerq_cli.manifests.python.script_metadata import matches, read

SCRIPT = """\
#!/usr/bin/env python3
# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "requests<3",
#
#   "acme",
#   "rich ; python_version >= '3.8'",
# ]
# [tool.uv.sources]
# acme = { path = "../acme" }
# [tool.uv]
# constraint-dependencies = ["idna>=3"]
# ///
import requests
"""


def test_the_dependencies_of_a_block_are_read_with_their_lines() -> None:
    manifest = read(SCRIPT, "tool.py")
    assert [
        (one.name, one.requirement, one.group, one.location.line, one.skip_reason) for one in manifest.declarations
    ] == [
        ("requests", "<3", "main", 5, ""),
        ("acme", "", "main", 7, "local path"),
        ("rich", "", "main", 8, ""),
        ("idna", ">=3", "constraint", 13, ""),
    ]
    assert (manifest.problems, manifest.notes, manifest.local_names) == ((), (), ("acme",))


def test_windows_line_ends_change_nothing() -> None:
    assert read(SCRIPT.replace("\n", "\r\n"), "tool.py") == read(SCRIPT, "tool.py")


def test_a_script_without_a_block_is_noted() -> None:
    manifest = read("print()\n# /// pyproject\n# a = 1\n# ///\n", "tool.py")
    assert manifest.notes == ("no inline script metadata",)
    assert (manifest.problems, manifest.declarations) == ((), ())


def test_a_block_that_is_never_closed_is_a_problem() -> None:
    [problem] = read("# /// script\n# dependencies = ['a']\nimport a\n", "tool.py").problems
    assert (problem.line, problem.message) == (1, "this block is not closed")


def test_two_blocks_are_a_problem_and_the_first_is_read() -> None:
    block = "# /// script\n# dependencies = ['{}']\n# ///\n\n"
    manifest = read(block.format("a") + block.format("b"), "tool.py")
    assert [one.name for one in manifest.declarations] == ["a"]
    [problem] = manifest.problems
    assert (problem.line, problem.message) == (5, "a second block of script metadata: only one is allowed")


def test_a_block_ends_at_the_last_line_that_may_close_it() -> None:
    text = "# /// script\n# x = '''\n# ///\n# '''\n# dependencies = ['a']\n# ///\n"
    assert [one.name for one in read(text, "tool.py").declarations] == ["a"]


@pytest.mark.parametrize(
    ("content", "line", "column", "text"),
    [
        ("dependencies = ['a b']", 2, 22, "dependencies = ['…"),
        ("dependencies = [", 2, 19, "dependencies = ["),
        ("dependencies = 'a'", 2, 3, "dependencies = '…"),
    ],
)
def test_a_mistake_is_shown_where_it_stands(content: str, line: int, column: int, text: str) -> None:
    manifest = read(f"# /// script\n# {content}\n# ///\n", "tool.py")
    [problem] = manifest.problems
    assert (problem.line, problem.column) == (line, column)
    assert problem.text == f"# {text}"


def test_the_including_file_says_what_the_items_are() -> None:
    assert [one.group for one in read(SCRIPT, "tool.py", group="dev").declarations] == [
        "dev",
        "dev",
        "dev",
        "constraint",
    ]
    assert {one.group for one in read(SCRIPT, "tool.py", constraint=True).declarations} == {"constraint"}


def test_no_script_is_wanted_unless_somebody_names_it() -> None:
    assert not matches(PurePosixPath("tool.py"))


@given(st.text() | st.integers(0, len(SCRIPT)).map(lambda end: SCRIPT[:end]))
def test_nothing_is_ever_raised(text: str) -> None:
    read(text, "tool.py")


@given(st.integers(0, len(SCRIPT) - 1), st.sampled_from("#[]{}'\"=\n \t/x"))
def test_a_damaged_file_loses_nothing_in_silence(at: int, mark: str) -> None:
    manifest = read(f"{SCRIPT[:at]}{mark}{SCRIPT[at + 1 :]}", "tool.py")
    assert manifest.declarations or manifest.problems or manifest.notes


def test_thousands_of_blocks_that_are_not_closed_take_no_time() -> None:
    begun = time.process_time()
    script = read("# /// script\n# requir\n" * 6_000, "tool.py")
    assert time.process_time() - begun < 2
    assert script.problems[0].message == "this block is not closed"
