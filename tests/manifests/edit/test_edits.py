"""Edits of whole files: the versions move, and every other character stays."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from types import ModuleType

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st

from nerq_cli.inventory import DependencyFile
from nerq_cli.manifests.edit import package_json as edit_package_json
from nerq_cli.manifests.edit import pyproject as edit_pyproject
from nerq_cli.manifests.edit import requirements as edit_requirements
from nerq_cli.manifests.edit.edits import Change, Edit, Refusal, apply_edits
from nerq_cli.manifests.npm import package_json
from nerq_cli.manifests.python import pyproject, requirements


def edit(editor: ModuleType, text: str, *changes: Change) -> tuple[str, list[str]]:
    find_edits: Callable[[str, Iterable[Change]], Iterator[Edit | Refusal]] = editor.find_edits
    results = list(find_edits(text, changes))
    edits = [result for result in results if isinstance(result, Edit)]
    return apply_edits(text, edits), [result.reason for result in results if isinstance(result, Refusal)]


def change(name: str, line: int, version: str = "2.0") -> Change:
    return Change(name=name, version=version, line=line)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("demo==1.0", "demo==2.0"),
        ("  Demo [a, b] >= 1 ,<3 ; python_version > '3' # x", "  Demo [a, b] >= 2.0 ,<3 ; python_version > '3' # x"),
        ("demo (==1.0)", "demo (==2.0)"),
        ("demo", "demo>=2.0"),
        ("demo # any", "demo>=2.0 # any"),
        ("demo==1.0 --config-settings=a=b", "demo==2.0 --config-settings=a=b"),
        ("demo==1.0 \\\n    ; python_version > '3'", "demo==2.0 \\\n    ; python_version > '3'"),
    ],
)
def test_lines_of_requirements(old: str, new: str) -> None:
    for ending in ("", "\n", "\r\n", "\nother==1\n"):
        assert edit(edit_requirements, f"x\n{old}{ending}", change("demo", 2)) == (f"x\n{new}{ending}", [])


@pytest.mark.parametrize("line", ["demo @ https://x.example/d.whl", "./demo", "-e .", "other==1", "demo==$V", ""])
def test_lines_that_are_left(line: str) -> None:
    text = f"{line}\n"
    new, [_] = edit(edit_requirements, text, change("demo", 1))
    assert new == text


TOML = '''# head
[project]
name = "app"
version = "1"
dependencies = ["demo>=1", 'other[x] >=1 ; python_version > "3"', """multi>=1""",
  "demo~=1.0; sys_platform == 'win32'", # tail
]
[tool.poetry.dependencies]
"quoted" = "^1"
table = {version = "~1.0", optional = true}
several = [{version = "1.0", python = "<3.10"}, {version = ">=1,<2", python = ">=3.10"}]
dotted.version = '1.0'
'''


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_pyproject(ending: str) -> None:
    text = TOML.replace("\n", ending)
    changes = [
        *(change(name, 5) for name in ("demo", "other", "multi")),
        *(change("demo", 6), change("quoted", 9), change("table", 10), change("several", 11), change("dotted", 12)),
    ]
    new, reasons = edit(edit_pyproject, text, *changes)
    expected = (
        text.replace('"demo>=1"', '"demo>=2.0"')
        .replace("other[x] >=1", "other[x] >=2.0")
        .replace("demo~=1.0", "demo~=2.0")
        .replace('"^1"', '"^2.0"')
        .replace("~1.0", "~2.0")
        .replace('{version = "1.0"', '{version = "2.0"')
        .replace('">=1,<2"', '">=2.0,<3"')
        .replace("'1.0'", "'2.0'")
    )
    assert new == expected
    assert reasons == ["it is not in a table that is written"]  # a string of several lines
    assert tomli.loads(new)


def test_package_json_in_one_line_and_with_escapes() -> None:
    text = '{"dependencies":{"a":"^1.0.0","b":"\\u005e1.0.0","@s/c":"npm:a@1.0.0"},"devDependencies":{"a":"~1.0.0"}}'
    new, reasons = edit(edit_package_json, text, change("a", 1, "2.0.0"), change("b", 1, "2.0.0"))
    assert json.loads(new)["dependencies"] == {"a": "^2.0.0", "b": "^1.0.0", "@s/c": "npm:a@2.0.0"}
    assert json.loads(new)["devDependencies"] == {"a": "~2.0.0"}
    assert reasons == ["its version is written with escapes"]


NAMES = st.from_regex(r"[a-z][a-z0-9]{1,6}(-[a-z0-9]{1,4})?", fullmatch=True)
VERSIONS = st.lists(st.integers(0, 30), min_size=3, max_size=3).map(lambda numbers: ".".join(map(str, numbers)))
SPACE = st.sampled_from(["", " ", "  "])


def check_declarations(before: DependencyFile, after: DependencyFile, name: str, requirement: str) -> None:
    assert len(before.declarations) == len(after.declarations)
    for old, new in zip(before.declarations, after.declarations, strict=True):
        if old.package.name != name:
            assert old == new
        else:
            assert new.requirement.replace(" ", "") == requirement


@given(st.lists(st.tuples(NAMES, VERSIONS, SPACE), min_size=1, max_size=6, unique_by=lambda item: item[0]), VERSIONS)
def test_only_one_requirement_of_a_requirements_file_changes(rows: list[tuple[str, str, str]], version: str) -> None:
    text = "".join(f"{name}{space}=={space}{old}{space}\n# {name}\n" for name, old, space in rows)
    name = rows[-1][0]
    line = 2 * len(rows) - 1
    new, reasons = edit(edit_requirements, text, change(name, line, version))
    assert not reasons
    old_lines, new_lines = text.splitlines(keepends=True), new.splitlines(keepends=True)
    assert [*old_lines[: line - 1], *old_lines[line:]] == [*new_lines[: line - 1], *new_lines[line:]]
    check_declarations(requirements.read(text, "r.txt"), requirements.read(new, "r.txt"), name, f"=={version}")


@given(st.lists(st.tuples(NAMES, VERSIONS, SPACE), min_size=1, max_size=6, unique_by=lambda item: item[0]), VERSIONS)
def test_only_one_requirement_of_a_pyproject_changes(rows: list[tuple[str, str, str]], version: str) -> None:
    items = ",\n".join(f'{space}"{name}{space}=={old}"{space}# {name}\n' for name, old, space in rows)
    text = f'[project]\nname = "own-app"\nversion = "1"\ndependencies = [\n{items}]\n'
    line = text.splitlines().index(next(row for row in text.splitlines() if f'"{rows[0][0]}' in row)) + 1
    name = rows[0][0]
    new, reasons = edit(edit_pyproject, text, change(name, line, version))
    assert not reasons
    assert new == text.replace(f"=={rows[0][1]}", f"=={version}", 1)
    check_declarations(pyproject.read(text, "p"), pyproject.read(new, "p"), name, f"=={version}")


@given(
    st.dictionaries(NAMES, VERSIONS, min_size=1, max_size=6), VERSIONS, st.sampled_from([None, 2, "\t"]), st.booleans()
)
def test_only_one_requirement_of_a_package_json_changes(
    rows: dict[str, str],
    version: str,
    indent: int | str | None,
    sort_keys: bool,  # noqa: FBT001 - drawn by Hypothesis
) -> None:
    document = {"name": "own", "dependencies": {name: f"^{old}" for name, old in rows.items()}, "scripts": {"a": "^1"}}
    text = json.dumps(document, indent=indent, sort_keys=sort_keys)
    name = next(iter(rows))
    [declaration] = [item for item in package_json.read(text, "p").declarations if item.name == name]
    new, reasons = edit(edit_package_json, text, change(name, declaration.location.line, version))
    assert not reasons
    document["dependencies"] = {**{key: f"^{old}" for key, old in rows.items()}, name: f"^{version}"}
    assert new == json.dumps(document, indent=indent, sort_keys=sort_keys)
    check_declarations(package_json.read(text, "p"), package_json.read(new, "p"), name, f"^{version}")


@given(st.text(max_size=200), st.sampled_from([edit_requirements, edit_pyproject, edit_package_json]))
def test_any_text_gives_edits_or_reasons(text: str, editor: ModuleType) -> None:
    new, _ = edit(editor, text, change("demo", 1))
    assert new == text or "2.0" in new
