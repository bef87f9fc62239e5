"""Which of the shipped advisories count beside an answer of OSV about the package."""

from __future__ import annotations

from collections.abc import Mapping

from nerq_cli.ecosystems import PYPI
from nerq_cli.evidence.advisory_lookup import Position, ShippedFindings, find_shipped_advisories
from nerq_cli.facts import Fact, Found, LowerBound, Unknown
from nerq_cli.inventory import Package, Release
from nerq_cli.sources.advisories.osv import OsvAdvisories
from nerq_cli.sources.advisories.shipped_advisories import ShippedAdvisories
from nerq_cli.units import NO_LIMIT

NOW = 1_790_000_000
PACKAGE = Package(ecosystem=PYPI, name="jinja2")
RELEASE = Release(package=PACKAGE, version="2.10")
SILENT = Unknown("no answer", "OSV")


def find(affecting: Fact[tuple[()]], recorded: Fact[tuple[()]], *listed: str) -> ShippedFindings:
    listed_ids: Mapping[Package, frozenset[str]] = {PACKAGE: frozenset(listed)}
    osv_advisories = OsvAdvisories({RELEASE: affecting}, {PACKAGE: recorded}, listed_ids=listed_ids)
    return find_shipped_advisories(
        ShippedAdvisories(), None, NOW, NO_LIMIT, {RELEASE: Position(0, None)}, osv_advisories
    )


def ids(findings: ShippedFindings) -> set[str]:
    fact = findings.findings[RELEASE].advisories
    return {advisory.id for advisory in fact.value} if isinstance(fact, LowerBound) else set()


def test_a_release_that_osv_answered_is_not_looked_up() -> None:
    findings = find(Found((), "OSV", NOW), SILENT)
    assert (dict(findings.findings), sum(findings.looked_up.values())) == ({}, 0)


def test_all_count_where_osv_has_no_answer_about_the_package() -> None:
    findings = find(SILENT, SILENT)
    assert {"PYSEC-2019-217", "PYSEC-2021-66"} <= ids(findings)
    assert findings.looked_up == {PYPI: 1}


def test_a_record_that_osv_does_not_list_any_more_for_the_package_is_dropped() -> None:
    assert ids(find(SILENT, Found((), "OSV", NOW), "PYSEC-2021-66")) == {"PYSEC-2021-66"}
    assert ids(find(SILENT, Found((), "OSV", NOW), "GHSA-462w-v97r-4m45")) == {"PYSEC-2019-217"}  # by its alias
    assert ids(find(SILENT, Found((), "OSV", NOW))) == set()
