"""Settings that lock files repeat or show."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerq_cli.ecosystems import NPM, get_ecosystem
from nerq_cli.inventory import DependencyFile, Edge, Importer, Location, LockedPackage
from nerq_cli.resolve.settings import NPM_OVERRIDES, dump_mapping, find_changed_settings

NUMBERS = st.integers(0, 3)
RELEASES = st.tuples(NUMBERS, NUMBERS, NUMBERS).map(lambda parts: ".".join(map(str, parts)))
VERSIONS = st.builds(lambda release, end: release + end, RELEASES, st.sampled_from(["", "", "-rc.1"]))
RANGES = st.builds(lambda sign, version: sign + version, st.sampled_from(["", "^", "~", ">=", "<", "="]), VERSIONS)


def is_refused(requirement: str, version: str) -> bool:
    location = Location(path="package-lock.json", line=1)
    package = LockedPackage(key="k", ecosystem=NPM, name="a", version=version, location=location)
    lockfile = DependencyFile(
        path="package-lock.json",
        format="package-lock.json",
        locked_packages=(package,),
        importers=(Importer(),),
        settings=((NPM_OVERRIDES, ""),),
    )
    manifest = DependencyFile(path="package.json", format="package.json")
    return bool(list(find_changed_settings(lockfile, manifest, [("", Edge(target="k", requirement=requirement))])))


@given(RANGES, VERSIONS)
def test_simple_ranges_allow_what_all_ranges_allow(requirement: str, version: str) -> None:
    assert is_refused(requirement, version) is not get_ecosystem(NPM).satisfies(requirement, version)


@pytest.mark.parametrize(
    ("requirement", "version", "refused"),
    [
        ("^0.0.3", "0.0.3", False),
        ("^0.0.3", "0.0.4", True),
        ("^0.2.3", "0.2.9", False),
        ("^0.2.3", "0.3.0", True),
        ("^0.0.0", "0.0.1", True),
        ("~1.2.3", "1.3.0", True),
        (">=1.2.3", "9.0.0", False),
        ("1.x", "2.0.0", True),
        ("latest", "2.0.0", False),
        ("", "2.0.0", False),
    ],
)
def test_a_version_that_does_not_satisfy_its_requirement_is_refused(
    requirement: str, version: str, *, refused: bool
) -> None:
    assert is_refused(requirement, version) is refused


def test_equal_mappings_have_one_text() -> None:
    assert dump_mapping({"b": 1, "a": "é"}) == dump_mapping({"a": "é", "b": 1}) == '{"a":"é","b":1}'
