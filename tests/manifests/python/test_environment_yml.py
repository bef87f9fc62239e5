from __future__ import annotations

from pathlib import PurePosixPath

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from nerq_cli.inventory import DependencyFile, Include
from nerq_cli.manifests.python.conda_packages import CONDA_REASON
from nerq_cli.manifests.python.environment_yml import matches, read

ENVIRONMENT = """\
name: acme
channels: [conda-forge]
dependencies:
  - python=3.11
  - conda-forge::numpy >=1.26,<2
  - _libgcc_mutex=0.1=conda_forge   # a build
  - xz[version='>=5']
  - https://conda.example/noarch/tool-1.2-py_0.conda
  - pip
  - pip:
      - requests[socks]>=2.31
      - "rich==13.7.0 ; python_version >= '3.8'"
      - -r requirements/base.txt
      - --extra-index-url https://user:secret@pypi.example/simple
      - git+https://git.example/acme.git@v1
      - -e .
variables:
  X: y
"""


def items(manifest: DependencyFile) -> list[tuple[str, str, int]]:
    return [(one.name, one.requirement, one.location.line) for one in manifest.declarations]


def test_packages_of_conda_are_listed_and_never_looked_up() -> None:
    manifest = read(ENVIRONMENT, "environment.yml")
    conda = [one for one in manifest.declarations if one.skip_reason == CONDA_REASON]
    assert [(one.name, one.requirement, one.location.line) for one in conda] == [
        ("python", "=3.11", 4),
        ("numpy", ">=1.26,<2", 5),
        ("_libgcc_mutex", "==0.1", 6),
        ("xz", "[version='>=5']", 7),
        ("tool", "==1.2", 8),
        ("pip", "", 9),
    ]
    assert (manifest.problems, manifest.notes) == ((), ())


@pytest.mark.parametrize(
    ("text", "requirement"),
    [
        ("a=0.1=main", "==0.1"),
        ("a 1.26.4 py311h64a7726_0", "==1.26.4"),
        ("a 1.2.13", "==1.2.13"),
        ("a==1.11.4", "==1.11.4"),
        ("a[version='1.2',build=x]", "==1.2"),
        ("a[build=x, version=1.2]", "==1.2"),
        ("a=3.11", "=3.11"),
        ("a 3.11.*", "3.11.*"),
        ("a 1.2|1.3", "1.2|1.3"),
        ("a >=1.2,<3 py_0", ">=1.2,<3 py_0"),
    ],
)
def test_a_name_with_a_version_and_perhaps_a_build_is_exact(text: str, requirement: str) -> None:
    [declaration] = read(f'dependencies: ["{text}"]', "environment.yml").declarations
    assert (declaration.package.purl, declaration.requirement) == ("pkg:conda/a", requirement)


def test_env_yml_is_read_if_it_is_one_of_condas() -> None:
    assert matches(PurePosixPath("a/env.yml"))
    assert matches(PurePosixPath("env.yaml"))
    assert not matches(PurePosixPath("prod.env.yml"))
    assert items(read("dependencies: [a]", "a/env.yml")) == [("a", "", 1)]
    for text in ("", "- {{ .Values.env }}\n- [", "PORT: 80\n"):
        manifest = read(text, "env.yml")
        assert (manifest.declarations, manifest.problems) == ((), ())
        assert manifest.notes == ("not a conda environment: it has no dependencies",)


def test_the_section_for_pip_is_read_as_pip_would() -> None:
    manifest = read(ENVIRONMENT, "environment.yml")
    by_pip = [one for one in manifest.declarations if one.skip_reason != CONDA_REASON]
    assert [(one.name, one.requirement, one.location.line, bool(one.skip_reason)) for one in by_pip] == [
        ("requests", ">=2.31", 11, False),
        ("rich", "==13.7.0", 12, False),
        ("acme", "", 15, True),
        ("local-project", "", 16, True),
    ]
    assert manifest.includes == (Include(pattern="requirements/base.txt", line=13, format="requirements"),)
    assert manifest.extra_indexes == ("https://pypi.example/simple",)
    assert by_pip[1].marker == "python_version >= '3.8'"
    assert manifest.format == "environment.yml"


def test_items_on_one_line_and_in_blocks_keep_their_lines() -> None:
    manifest = read("dependencies: [a, {pip: [b, c]}]\n", "environment.yml")
    assert items(manifest) == [("a", "", 1), ("b", "", 1), ("c", "", 1)]
    manifest = read("dependencies:\n- pip:\n  - |\n    b\n    c\n  - d\n    ; python_version > '3'\n", "e.yml")
    assert items(manifest) == [("b", "", 4), ("c", "", 5), ("d", "", 6)]


def test_a_backslash_joins_no_two_items() -> None:
    manifest = read("dependencies:\n- pip:\n  - 'a \\'\n  - b\n", "environment.yml")
    assert items(manifest) == [("a", "", 3), ("b", "", 4)]


def test_a_mistake_in_the_section_for_pip_is_shown_where_it_stands() -> None:
    [problem] = read("dependencies:\n- pip:\n  - a\n  - 'b ^1'\n", "environment.yml").problems
    assert (problem.line, problem.column, problem.text) == (4, 8, "  - 'b ^…")


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 0, "the file is empty"),
        ("- a\n", 1, "not a conda environment: it has no keys"),
        ("dependencies:\n  a: b\n", 2, "dependencies must be a list"),
        ("dependencies:\n- - a\n", 2, "a list in the list of dependencies"),
        ("dependencies:\n- npm: [a]\n", 2, 'not a section of dependencies: "npm"'),
        ("dependencies:\n- pip: a\n", 2, "pip must be a list"),
        ("dependencies:\n- pip:\n  - [a]\n", 3, "an item for pip must be one line"),
        ("dependencies:\n- '!'\n", 2, '"…" is not a conda package'),
        ("dependencies: []\ndependencies: []\n", 2, '"dependencies" is here twice'),
        ("a: [b\n", 2, "not valid YAML: did not find expected ',' or ']'"),
        ("a: b\n---\nc: d\n", 2, "not valid YAML: but found another document"),
        ("a: \x01\n", 0, "not valid YAML: "),
        ("[" * 60 + "]" * 60, 0, "not valid YAML: nested more than 50 levels deep"),
        ("- " * 100_000, 0, "not valid YAML: nested more than 50 levels deep"),
    ],
)
def test_what_is_no_conda_environment_is_a_problem(text: str, line: int, message: str) -> None:
    [problem] = read(text, "environment.yml").problems
    assert problem.line == line
    assert problem.message.startswith(message)


@pytest.mark.parametrize("text", ["name: x\n", "dependencies:\n", "dependencies: ~\n"])
def test_an_environment_of_nothing_is_noted(text: str) -> None:
    manifest = read(text, "environment.yml")
    assert (manifest.declarations, manifest.problems, manifest.notes) == ((), (), ("lists no dependencies",))


def test_an_empty_section_for_pip_adds_nothing() -> None:
    assert items(read("dependencies:\n- a\n- pip:\n", "environment.yml")) == [("a", "", 2)]


def test_an_alias_of_a_list_adds_nothing_to_it() -> None:
    text = "x: &x [a, b]\ndependencies: [{pip: *x}, {pip: *x}, {pip: *x}]\n"
    assert items(read(text, "environment.yml")) == [("a", "", 1), ("b", "", 1)]


def test_after_too_many_problems_reading_stops() -> None:
    assert len(read("dependencies:\n" + "- '!'\n" * 1_000, "environment.yml").problems) == 101


def test_a_specification_of_absurd_length_is_a_problem() -> None:
    assert read(f"dependencies:\n- {'a' * 5_000}\n", "environment.yml").problems


@pytest.mark.parametrize(
    ("path", "group"),
    [("environment.yml", "main"), ("environment-dev.yml", "dev"), ("environment_docs.yaml", "dev:docs")],
)
def test_the_name_of_the_file_tells_the_group(path: str, group: str) -> None:
    assert {one.group for one in read(ENVIRONMENT, path).declarations} == {group}


def test_the_including_file_says_what_the_items_are() -> None:
    assert {one.group for one in read(ENVIRONMENT, "environment.yml", group="dev:x").declarations} == {"dev:x"}
    assert {one.group for one in read(ENVIRONMENT, "environment.yml", constraint=True).declarations} == {"constraint"}


def test_without_the_fast_yaml_reader_the_result_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    fast = read(ENVIRONMENT, "environment.yml")
    monkeypatch.delattr(yaml, "CSafeLoader")
    assert read(ENVIRONMENT, "environment.yml") == fast


@pytest.mark.parametrize("name", ["environment.yml", "Environment.yaml", "conda.yml", "environment-dev.yml"])
def test_files_of_conda_are_wanted(name: str) -> None:
    assert matches(PurePosixPath("a") / name)


@pytest.mark.parametrize("name", ["conda-lock.yml", "my-environment.yml", "environments.yml", "environment.json"])
def test_other_files_are_not_wanted(name: str) -> None:
    assert not matches(PurePosixPath("a") / name)


@given(st.text() | st.integers(0, len(ENVIRONMENT)).map(lambda end: ENVIRONMENT[:end]))
def test_nothing_is_ever_raised(text: str) -> None:
    read(text, "environment.yml")


@given(st.integers(0, len(ENVIRONMENT) - 1), st.sampled_from("[]{}'\"&*:-#\n \t"))
def test_a_damaged_file_loses_nothing_in_silence(at: int, mark: str) -> None:
    manifest = read(f"{ENVIRONMENT[:at]}{mark}{ENVIRONMENT[at + 1 :]}", "environment.yml")
    assert manifest.declarations or manifest.problems or manifest.notes
