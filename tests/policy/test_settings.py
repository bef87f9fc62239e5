"""Which threshold a dependency has."""

from __future__ import annotations

import pytest

from nerq_cli.ecosystems import NPM, PYPI, EcosystemId
from nerq_cli.inventory import Dependency, Package
from nerq_cli.policy.settings import PRESETS, PolicySettings, find_package_pattern


def dependency(name: str = "x", *groups: str, ecosystem: EcosystemId = PYPI) -> Dependency:
    return Dependency(
        package=Package(ecosystem=ecosystem, name=name),
        requirement="",
        version="1.0",
        resolution="pinned",
        direct=True,
        groups=groups or ("main",),
        locations=(),
    )


@pytest.mark.parametrize(
    ("groups", "threshold"),
    [
        (("main",), 70.0),
        (("dev",), 50.0),
        (("dev:docs",), 30.0),
        (("dev:test",), 50.0),
        (("extra:socks",), 80.0),
        (("dev", "main"), 70.0),
        (("dev", "dev:docs"), 50.0),
        (("dev", "extra:socks"), 80.0),
    ],
)
def test_of_several_groups_the_highest_threshold_counts(groups: tuple[str, ...], threshold: float) -> None:
    settings = PolicySettings(group_thresholds={"dev": 50.0, "dev:docs": 30.0, "socks": 80.0})
    assert settings.find_threshold(dependency("x", *groups), 70.0) == threshold
    assert PolicySettings().find_threshold(dependency("x", *groups), 65.0) == 65.0


def test_a_threshold_of_a_package_outweighs_those_of_its_groups() -> None:
    settings = PolicySettings(group_thresholds={"dev": 90.0}, package_thresholds={"npm:x": 40.0, "y*": 60.0})
    assert settings.find_threshold(dependency("x", "dev", ecosystem=NPM), 70.0) == 40.0
    assert settings.find_threshold(dependency("x", "dev"), 70.0) == 90.0
    assert settings.find_threshold(dependency("yy", "dev"), 70.0) == 60.0


@pytest.mark.parametrize(
    ("patterns", "name", "ecosystem", "found"),
    [
        (("Left_Pad",), "left-pad", PYPI, "Left_Pad"),
        (("Left_Pad",), "left-pad", NPM, ""),
        (("@acme/*",), "@acme/web", NPM, "@acme/*"),
        (("*", "web"), "web", NPM, "web"),
        (("pypi:web",), "web", NPM, ""),
        (("npm:@acme/web",), "@acme/web", NPM, "npm:@acme/web"),
    ],
)
def test_a_package_matches_the_most_exact_pattern_of_its_name(
    patterns: tuple[str, ...], name: str, ecosystem: EcosystemId, found: str
) -> None:
    assert find_package_pattern(patterns, Package(ecosystem=ecosystem, name=name)) == found


def test_the_presets_are_those_that_are_documented() -> None:
    assert PRESETS == {"research": 30, "sandbox": 50, "production": 70, "critical": 80}
