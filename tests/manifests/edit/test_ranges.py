"""New requirements in the style of the old ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerq_cli.ecosystems import NPM, PYPI, get_ecosystem
from nerq_cli.manifests.edit.edits import CannotEditError
from nerq_cli.manifests.edit.ranges import rewrite_npm, rewrite_pep440, rewrite_poetry
from nerq_cli.manifests.python.poetry import translate_constraint


@pytest.mark.parametrize(
    ("old", "version", "new"),
    [
        ("", "2.31.0", ">=2.31.0"),
        ("==1.0", "2.31.0", "==2.31.0"),
        ("===1.0", "2.31.0", "===2.31.0"),
        (">= 2 , <3", "2.31.0", ">= 2.31.0 , <3"),
        (">=2,<3", "3.1.0", ">=3.1.0,<4"),
        (">=2,<3.0", "3.1.0", ">=3.1.0,<4.0"),
        ("<2.5", "2.7.1", ">=2.7.1,<2.8"),
        (">1,!=1.5", "2.0", ">=2.0,!=1.5"),
        ("~=2.1", "3.1", "~=3.1"),
        ("~=2.1", "3.1.4", "~=3.1,>=3.1.4"),
        ("==2.*", "3.0", "==3.*"),
        ("==2.*", "3.1", "==3.*,>=3.1"),
    ],
)
def test_pep_440(old: str, version: str, new: str) -> None:
    assert rewrite_pep440(old, version) == new


@pytest.mark.parametrize(
    ("old", "version"),
    [("<=2.5", "2.7"), ("==1.0+cpu", "2.0"), (">=1,!=2.0", "2.0"), ("^1.0", "2.0"), (">=1", "not a version")],
)
def test_what_is_left_to_its_author(old: str, version: str) -> None:
    with pytest.raises(CannotEditError):
        rewrite_pep440(old, version)


@pytest.mark.parametrize(
    ("old", "version", "new"),
    [
        ("^1.2", "1.3.4", "^1.3.4"),
        ("~1", "2.0", "~2.0"),
        ("1.2.3", "2.0", "2.0"),
        ("*", "2.0", ">=2.0"),
        (">=1,<2", "2.1", ">=2.1,<3"),
    ],
)
def test_poetry(old: str, version: str, new: str) -> None:
    assert rewrite_poetry(old, version) == new


@pytest.mark.parametrize("old", ["^1 || ^2", "1.2.*"])
def test_constraints_of_poetry_that_are_left(old: str) -> None:
    with pytest.raises(CannotEditError):
        rewrite_poetry(old, "3.0")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("^1.0.0", "^2.1.0"),
        ("~1", "~2.1.0"),
        ("1.0.0", "2.1.0"),
        ("=v1.0.0", "=v2.1.0"),
        (">= 1.0.0", ">= 2.1.0"),
        (">1.0.0 <3.0.0", ">=2.1.0 <3.0.0"),
    ],
)
def test_npm(old: str, new: str) -> None:
    assert rewrite_npm(old, "2.1.0") == new


@pytest.mark.parametrize("old", ["1", "1.x", "*", "latest", "^1 || ^2", "1.0.0 - 2.0.0", ">=1 <2", ""])
def test_ranges_of_npm_that_are_left(old: str) -> None:
    with pytest.raises(CannotEditError):
        rewrite_npm(old, "2.1.0")


NUMBERS = st.lists(st.integers(0, 40), min_size=1, max_size=4).map(lambda numbers: ".".join(map(str, numbers)))
CLAUSES = st.lists(
    st.tuples(st.sampled_from([">=", ">", "<", "<=", "==", "!=", "~="]), NUMBERS).map("".join), min_size=0, max_size=4
)


@given(CLAUSES, NUMBERS, st.sampled_from([",", " , ", ", "]))
def test_what_is_written_for_pep_440_allows_the_version_and_nothing_older(
    clauses: list[str], version: str, separator: str
) -> None:
    try:
        new = rewrite_pep440(separator.join(clauses), version)
    except CannotEditError:
        return
    ecosystem = get_ecosystem(PYPI)
    assert ecosystem.satisfies(new, version)
    older = ".".join([*version.split(".")[:-1], str(int(version.rpartition(".")[2]) - 1)])
    assert older.endswith("-1") or not ecosystem.satisfies(new, older)


@given(st.sampled_from(["^", "~", "", ">="]), NUMBERS, NUMBERS)
def test_what_is_written_for_poetry_allows_the_version(operator: str, old: str, version: str) -> None:
    try:
        new = rewrite_poetry(f"{operator}{old}", version)
    except CannotEditError:
        return
    assert new.startswith(operator)
    assert get_ecosystem(PYPI).satisfies(translate_constraint(new), version)


@given(st.sampled_from(["^", "~", "", ">=", "="]), st.lists(st.integers(0, 40), min_size=3, max_size=3))
def test_what_is_written_for_npm_allows_the_version(operator: str, numbers: list[int]) -> None:
    version = ".".join(map(str, numbers))
    new = rewrite_npm(f"{operator}1.2.3", version)
    assert new == f"{operator}{version}"
    assert get_ecosystem(NPM).satisfies(new, version)
