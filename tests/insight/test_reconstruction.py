"""Scores of the past: which version was the newest, and what is not known of that day."""

from __future__ import annotations

import pytest

from nerq_cli.facts import (
    DEPRECATED,
    PRERELEASE,
    WHEEL,
    YANKED,
    Adoption,
    AffectingAdvisory,
    Evidence,
    Found,
    Metadata,
    PackageInfo,
    Repository,
    Unknown,
)
from nerq_cli.insight.reconstruction import (
    UNDATED_SIGNALS,
    choose_version,
    find_end,
    list_month_ends,
    reconstruct_snapshot,
)
from nerq_cli.inventory import Package, Release
from nerq_cli.methodology.packages import PACKAGES
from nerq_cli.report.pages.history_document import format_day
from nerq_cli.units import DAY

#: 2026-03-31.
TODAY = 20_543
OLD = TODAY * DAY - 400 * DAY


def package(*rows: tuple[str, int, int], **fields: object) -> Found[PackageInfo]:
    """Return a package with versions (newest first), their moments and flags."""
    versions, published, flags = zip(*rows, strict=True)
    info = PackageInfo(
        name="demo",
        versions=versions,
        published=published,
        flags=flags,
        interpreter_indexes=(0,) * len(rows),
        interpreters=("",),
        **fields,  # type: ignore[arg-type]
    )
    return Found(info, "PyPI", TODAY * DAY)


def test_month_ends_are_those_before_the_month_of_the_day() -> None:
    ends = [format_day(day) for day in list_month_ends(TODAY)]
    assert len(ends) == 24
    assert (ends[0], ends[-2], ends[-1]) == ("2024-03-31", "2026-01-31", "2026-02-28")
    assert "2024-11-30" in ends


@pytest.mark.parametrize(
    ("fact", "version", "note"),
    [
        (package(("2.0", OLD + DAY, 0), ("1.0", OLD, 0)), "1.0", ""),
        (package(("2.0", OLD - DAY, 0), ("1.0", OLD, 0)), "2.0", ""),
        (package(("2.0", OLD, PRERELEASE), ("1.0", OLD, 0)), "1.0", ""),
        (package(("2.0", OLD, YANKED), ("1.0", OLD, 0)), "1.0", "2.0 is passed over: it is yanked today"),
        (package(("2.0", 0, 0), ("1.0", OLD, 0)), "", "the publication date of 2.0 is not known"),
        (package(("1.0", OLD + DAY, 0)), "", "no stable version had been published"),
        (package(("1.0", OLD, 0), partial=True), "", "not all versions are known"),
        (package(("1.0", OLD, 0), date_problem="its dates are wrong"), "", "its dates are wrong"),
        (Unknown("no answer"), "", "no answer"),
    ],
)
def test_the_newest_version_of_a_moment(fact: Found[PackageInfo], version: str, note: str) -> None:
    choice = choose_version(fact, OLD)
    assert choice.version == version
    assert choice.note.startswith(note)
    assert bool(choice.note) == bool(note)


def build_evidence() -> Evidence:
    """Return today's evidence about a package of which everything is known, also what has no date."""
    return Evidence(
        package_info=package(
            ("3.0", TODAY * DAY - DAY, WHEEL),
            ("2.0", OLD - DAY, WHEEL | DEPRECATED),
            ("1.0", OLD - 900 * DAY, WHEEL),
            status="deprecated",
            publishers=5,
        ),
        metadata=Found(
            Metadata(version="2.0", summary=True, licence_expression="MIT", yanked=True, deprecated="use other"),
            "PyPI",
            TODAY * DAY,
        ),
        advisories=Found(
            (AffectingAdvisory(id="GHSA-1", severity="high", fixed_in=("3.0",), epss=0.9),), "OSV", TODAY * DAY
        ),
        repository=Found(Repository(name="acme/demo", archived=True, stars=9, commits_90d=99), "GitHub", TODAY * DAY),
        adoption=Found(Adoption(downloads=1e9, dependents=9), "npm", TODAY * DAY),
    )


def test_what_has_no_date_is_not_known_and_the_rest_is_that_of_the_day() -> None:
    release = Release(package=Package(ecosystem="PyPI", name="demo"), version="2.0")
    day = OLD // DAY
    snapshot = reconstruct_snapshot(release, build_evidence(), day)
    assert snapshot is not None
    assert (snapshot.origin, snapshot.day, snapshot.version) == ("reconstructed", day, "2.0")
    states = {signal.id: signal.state for signal in snapshot.signals}
    reasons = {signal.id: signal.reason for signal in snapshot.signals}
    assert {id_ for id_ in UNDATED_SIGNALS if states[id_] == "known"} == set()
    assert "not known for that day" in reasons["adoption"]
    assert {"newness", "version_lag", "licence", "known_advisories", "last_release"} <= {
        id_ for id_, state in states.items() if state == "known"
    }
    assert reasons["newness"] == "version is 1 day old"
    assert reasons["version_lag"] == "the newest stable version, or a newer one"
    caps = {cap.id for cap in snapshot.caps}
    assert "high-no-fix" in caps, "the fix was published later"
    assert caps.isdisjoint({"deprecated", "deprecated-version", "yanked", "archived"})
    assert snapshot.low is not None
    assert snapshot.low <= PACKAGES.caps["deprecated"].limit


def test_evidence_of_today_alone_changes_nothing() -> None:
    release = Release(package=Package(ecosystem="PyPI", name="demo"), version="2.0")
    full = build_evidence()
    bare = Evidence(package_info=full.package_info, metadata=full.metadata, advisories=full.advisories)
    assert reconstruct_snapshot(release, full, OLD // DAY) == reconstruct_snapshot(release, bare, OLD // DAY)


def test_every_signal_without_dates_is_one_of_the_methodology() -> None:
    assert set(UNDATED_SIGNALS) <= set(PACKAGES.signals)
    assert find_end(0) == DAY - 1
