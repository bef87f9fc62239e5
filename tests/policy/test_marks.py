"""What the evidence of a release states: yes, no, or not known."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerq_cli.ecosystems import NPM, PYPI, EcosystemId
from nerq_cli.facts import (
    ATTESTED,
    DEPRECATED,
    NEW_PUBLISHER,
    SDIST,
    WHEEL,
    YANKED,
    Adoption,
    Evidence,
    Found,
    History,
    Metadata,
    PackageInfo,
    Popularity,
    Repository,
    SimilarName,
    Unknown,
)
from nerq_cli.policy.marks import MARKED_RULES, collect_marks, read_mark

DAY = 86_400
AS_OF = 1_800_000_000
SILENT = Unknown("no answer")


def info(*flags: int, days: int = 10, **more: Any) -> Found[PackageInfo]:
    """Return a package with versions 1.0, 2.0, ..., of which the newest is ``days`` old; flags are newest first."""
    count = len(flags)
    fields: dict[str, Any] = {
        "name": "x",
        "versions": tuple(f"{count - row}.0" for row in range(count)),
        "published": tuple(AS_OF - (days + 100 * row) * DAY for row in range(count)),
        "flags": flags,
    }
    return Found(PackageInfo(**fields | more), "registry", AS_OF)


def about(**fields: Any) -> Found[Metadata]:
    return Found(Metadata(version="2.0", **fields), "registry", AS_OF)


def read(rule: str, evidence: Evidence, *, ecosystem: EcosystemId = PYPI, version: str = "2.0") -> bool | None:
    return read_mark(collect_marks(ecosystem, version, evidence, AS_OF, [rule]), rule)


@pytest.mark.parametrize("rule", sorted(MARKED_RULES))
def test_without_evidence_nothing_is_known(rule: str) -> None:
    assert read(rule, Evidence()) is None
    assert read_mark(None, rule) is None


@given(st.sets(st.sampled_from(sorted(MARKED_RULES))))
def test_marks_do_not_change_each_other(rules: set[str]) -> None:
    evidence = Evidence(package_info=info(WHEEL, WHEEL, status="deprecated"), metadata=about(yanked=True))
    marks = collect_marks(PYPI, "2.0", evidence, AS_OF, rules)
    assert {rule: read_mark(marks, rule) for rule in rules} == {rule: read(rule, evidence) for rule in rules}


@pytest.mark.parametrize(
    ("rule", "facts", "value"),
    [
        ("yanked", {"metadata": about(yanked=True)}, True),
        ("yanked", {"metadata": about(yanked=False), "package_info": info(WHEEL | YANKED, WHEEL)}, False),
        ("yanked", {"package_info": info(WHEEL | YANKED, WHEEL)}, True),
        ("yanked", {"package_info": info(WHEEL, WHEEL)}, False),
        ("yanked", {"package_info": info(WHEEL)}, None),
        ("deprecated", {"package_info": info(WHEEL, WHEEL, status="deprecated")}, True),
        ("deprecated", {"package_info": info(DEPRECATED, WHEEL)}, True),
        ("deprecated", {"package_info": info(WHEEL, WHEEL), "metadata": about(deprecated="use y")}, True),
        ("deprecated", {"package_info": info(WHEEL, WHEEL), "metadata": about(deprecated="")}, False),
        ("deprecated", {"package_info": info(WHEEL, WHEEL, status="active")}, False),
        ("deprecated", {"package_info": info(WHEEL, WHEEL)}, None),
        ("archived", {"package_info": info(WHEEL, WHEEL, status="archived")}, True),
        (
            "archived",
            {
                "package_info": info(WHEEL, WHEEL, days=2000),
                "repository": Found(Repository("a/b", archived=True), "GitHub", 0),
            },
            True,
        ),
        (
            "archived",
            {
                "package_info": info(WHEEL, WHEEL, days=2000),
                "repository": Found(Repository("a/b", archived=False), "GitHub", 0),
            },
            False,
        ),
        ("archived", {"package_info": info(WHEEL, WHEEL, days=10), "metadata": about(repository="a/b")}, False),
        ("archived", {"package_info": info(WHEEL, WHEEL, days=2000), "metadata": about(repository="a/b")}, None),
        ("inactive", {"package_info": info(WHEEL, WHEEL, inactive=True)}, True),
        ("inactive", {"package_info": info(WHEEL, WHEEL, inactive=False)}, False),
        ("inactive", {"package_info": info(WHEEL, WHEEL), "metadata": about(inactive=True)}, True),
        ("inactive", {"package_info": info(WHEEL, WHEEL)}, None),
        ("inactive", {"package_info": info(WHEEL, WHEEL, days=4000, inactive=False)}, None),
        (
            "inactive",
            {
                "package_info": info(WHEEL, WHEEL, days=4000, inactive=False),
                "repository": Found(Repository("a/b", last_commit=AS_OF - 4000 * DAY, commits_90d=0), "GitHub", 0),
                "popularity": Found(Popularity(0, 1, 1.0), "list", 0),
                "adoption": Found(Adoption(dependents=0), "deps.dev", 0),
            },
            True,
        ),
        ("vanished", {"package_info": info(WHEEL)}, True),
        ("vanished", {"package_info": info(WHEEL, WHEEL)}, False),
        ("vanished", {"package_info": info(WHEEL, partial=True)}, None),
        ("vanished", {"package_info": info(WHEEL, partial=True, removed=("2.0",))}, True),
        ("provenance-lost", {"package_info": info(WHEEL, WHEEL | ATTESTED, has_attestation_data=True)}, True),
        ("provenance-lost", {"package_info": info(WHEEL | ATTESTED, WHEEL, has_attestation_data=True)}, False),
        ("provenance-lost", {"package_info": info(WHEEL, WHEEL, has_attestation_data=True)}, False),
        ("provenance-lost", {"package_info": info(WHEEL, WHEEL, has_attestation_data=True, partial=True)}, None),
        ("provenance-lost", {"package_info": info(WHEEL, WHEEL)}, None),
        ("provenance-lost", {"package_info": info(WHEEL, WHEEL), "metadata": about(attested=True)}, False),
        ("publisher-changed", {"package_info": info(NEW_PUBLISHER, 0, has_publisher_data=True)}, True),
        ("publisher-changed", {"package_info": info(NEW_PUBLISHER, 0, has_publisher_data=True, days=31)}, False),
        ("publisher-changed", {"package_info": info(0, 0, has_publisher_data=True)}, False),
        ("publisher-changed", {"package_info": info(0, 0)}, None),
        (
            "publisher-changed",
            {
                "package_info": info(0, 0),
                "metadata": about(attested_repository="evil/x", previous_repository="good/x"),
            },
            True,
        ),
        (
            "publisher-changed",
            {"package_info": info(0, 0), "metadata": about(attested_repository="A/x", previous_repository="a/X")},
            False,
        ),
        ("install-script", {"package_info": info(SDIST, WHEEL)}, True),
        ("install-script", {"package_info": info(SDIST | WHEEL, WHEEL)}, False),
        ("install-script", {"package_info": info(0, WHEEL)}, None),
        ("too-new", {"history": Found(History(fixes_predecessor=True), "OSV", 0)}, True),
        ("too-new", {"history": Found(History(), "OSV", 0)}, False),
        ("lookalike", {"similar_name": Found(SimilarName(), "list", 0)}, False),
    ],
)
def test_evidence_decides_a_mark(rule: str, facts: dict[str, Any], value: bool | None) -> None:  # noqa: FBT001
    assert read(rule, Evidence(**facts)) is value


@pytest.mark.parametrize(
    ("hooks", "value"), [(("postinstall",), True), (("node-gyp",), True), ((), False), (None, None)]
)
def test_a_script_of_npm_is_read_from_the_manifest(hooks: tuple[str, ...] | None, value: bool | None) -> None:  # noqa: FBT001
    assert read("install-script", Evidence(metadata=about(hooks=hooks)), ecosystem=NPM) is value


def test_a_registry_that_gave_no_answer_leaves_everything_about_it_open() -> None:
    evidence = Evidence(package_info=SILENT, metadata=SILENT, repository=SILENT)
    for rule in MARKED_RULES - {"too-new", "lookalike"}:
        assert read(rule, evidence) is None
