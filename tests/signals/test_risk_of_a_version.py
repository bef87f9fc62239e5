"""The age of a version, who published it, and how far it is behind."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from nerq_cli import scoring, signals
from nerq_cli.ecosystems import NPM, PYPI, EcosystemId
from nerq_cli.facts import (
    ATTESTED,
    NEW_PUBLISHER,
    SDIST,
    WHEEL,
    Adoption,
    AffectingAdvisory,
    Evidence,
    Found,
    History,
    Metadata,
    PackageInfo,
    Popularity,
    Repository,
    Scorecard,
    SimilarName,
    Unknown,
)
from nerq_cli.methodology.packages import PACKAGES
from nerq_cli.signals.signal import Measurement, Signal
from nerq_cli.units import DAY

NOW = 1_790_000_000  # 2026-09-21
UNLISTED = Popularity(snapshot_date=NOW, list_size=15_000, min_downloads=7_000)
LISTED = msgspec.structs.replace(UNLISTED, rank=9, downloads=1e6)


def build_evidence(versions: dict[str, float], *, hooks: tuple[str, ...] = (), **changes: Any) -> Evidence:
    """Return evidence about versions by their age in days, newest first."""
    info: dict[str, Any] = {"flags": (WHEEL,) * len(versions), "has_publisher_data": True, "status": "active"}
    fields: dict[str, Any] = {
        "popularity": Found(UNLISTED, "list", NOW),
        "similar_name": Found(SimilarName(), "list", NOW),
    }
    for name, value in changes.items():
        (fields if name in Evidence.__struct_fields__ else info)[name] = value
    package_info = PackageInfo(
        name="demo",
        versions=tuple(versions),
        published=tuple(int(NOW - age * DAY) for age in versions.values()),
        **info,
    )
    metadata = Metadata(version=next(iter(versions)), hooks=hooks, readme=900, repository="https://code.example/a/demo")
    return Evidence(
        package_info=Found(package_info, "registry", NOW),
        metadata=Found(metadata, "registry", NOW),
        advisories=fields.pop("advisories", Found((), "advisories", NOW)),
        **fields,
    )


def measure(evidence: Evidence, version: str, ecosystem: EcosystemId = NPM) -> Measurement:
    return signals.measure_package(PACKAGES, ecosystem, version, evidence, NOW)


def signal(measured: Measurement, id_: str) -> Signal:
    [found] = [one for one in measured.signals if one.id == id_]
    return found


def caps(measured: Measurement) -> set[str]:
    return {flag.cap for flag in measured.flags if not flag.possible}


# --- newness


@pytest.mark.parametrize(("days", "is_fresh"), [(0, True), (3, True), (6, True), (7, False), (30, False)])
def test_a_version_under_seven_days_old_is_capped_unless_it_is_a_security_fix(days: int, *, is_fresh: bool) -> None:
    evidence = build_evidence({"2.0.0": days, "1.0.0": 900})
    assert ("fresh" in caps(measure(evidence, "2.0.0"))) is is_fresh
    history = Found(History(fixes_predecessor=True), "advisories", NOW)
    assert "fresh" not in caps(measure(msgspec.structs.replace(evidence, history=history), "2.0.0"))


def test_a_young_package_with_an_install_script_and_no_known_use_scores_at_most_sixty() -> None:
    measured = measure(build_evidence({"1.0.0": 3}, hooks=("postinstall",)), "1.0.0")
    assert {"fresh", "young-installer"} <= caps(measured)
    score = scoring.compute_score(PACKAGES, measured)
    assert score.value is not None
    assert score.value <= 60
    assert not score.is_verified


@pytest.mark.parametrize(
    ("versions", "changes"),
    [
        ({"1.0.0": 90}, {}),
        ({"1.0.0": 20}, {"popularity": Found(LISTED, "list", NOW)}),
        ({"1.0.0": 20}, {"adoption": Found(Adoption(dependents=3), "deps.dev", NOW)}),
        ({"1.0.0": 20}, {"hooks": ()}),
    ],
)
def test_an_older_or_used_package_or_one_without_install_code_is_not(
    versions: dict[str, float], changes: dict[str, Any]
) -> None:
    evidence = build_evidence(versions, **{"hooks": ("install",), **changes})
    assert "young-installer" not in caps(measure(evidence, "1.0.0"))


def test_a_young_source_archive_runs_code_at_installation_too() -> None:
    evidence = build_evidence({"1.0": 20}, flags=(SDIST,))
    assert "young-installer" in caps(measure(evidence, "1.0", PYPI))


def test_the_age_of_a_package_with_unread_versions_is_unknown_and_not_good() -> None:
    measured = signal(measure(build_evidence({"1.0.0": 40}, partial=True), "1.0.0"), "newness")
    assert measured.state == "unknown"


def test_verified_needs_ninety_days_of_age() -> None:
    def is_verified(days: int | None) -> bool:
        known = tuple(Signal(id_, "known", 100.0, "good") for id_ in PACKAGES.signals)
        return scoring.compute_score(PACKAGES, Measurement(known, age_days=days)).is_verified

    assert [is_verified(days) for days in (None, 0, 89, 90, 4000)] == [False, False, False, True, True]


# --- who published it


def test_the_first_version_by_an_account_in_an_old_package_is_capped_while_young() -> None:
    def judge(age: float, first: float, flag: int = NEW_PUBLISHER) -> set[str]:
        return caps(measure(build_evidence({"2.0.0": age, "1.0.0": first}, flags=(WHEEL | flag, WHEEL)), "2.0.0"))

    assert "new-publisher" in judge(10, 900)
    assert "new-publisher" not in judge(31, 900)
    assert "new-publisher" not in judge(10, 300)
    assert "new-publisher" not in judge(10, 900, flag=0)


def test_a_new_publisher_after_a_silence_is_reported_with_its_length() -> None:
    evidence = build_evidence({"2.0.0": 10, "1.0.0": 1200}, flags=(WHEEL | NEW_PUBLISHER, WHEEL))
    [flag] = [flag for flag in measure(evidence, "2.0.0").flags if flag.cap == "new-publisher"]
    assert flag.reason == "first version that this account published, 10 days ago, after 3 years without a release"


def test_a_change_of_the_attested_repository_is_a_new_publisher() -> None:
    def judge(repository: str, previous: str | None) -> set[str]:
        evidence = build_evidence({"2.0": 10, "1.0": 900}, flags=(WHEEL | ATTESTED, WHEEL | ATTESTED))
        metadata = Metadata(version="2.0", attested_repository=repository, previous_repository=previous)
        return caps(measure(msgspec.structs.replace(evidence, metadata=Found(metadata, "r", NOW)), "2.0", PYPI))

    assert "new-publisher" in judge("https://code.example/evil/demo", "https://code.example/a/demo")
    assert "new-publisher" not in judge("https://code.example/a/demo", "https://code.example/A/demo")
    assert "new-publisher" not in judge("https://code.example/a/demo", None)
    assert "new-publisher" not in judge("https://code.example/a/demo", "")


# --- provenance that others confirm


def test_an_attestation_is_confirmed_where_metadata_and_scorecard_name_its_repository() -> None:
    evidence = build_evidence({"1.0.0": 100}, flags=(WHEEL | ATTESTED,), has_attestation_data=True)
    assert signal(measure(evidence, "1.0.0"), "provenance").value == 80
    confirmed = msgspec.structs.replace(
        evidence,
        repository=Found(Repository("code.example/a/demo", link_status="attested"), "deps.dev", NOW),
        scorecard=Found(Scorecard("code.example/a/demo", NOW), "Scorecard", NOW),
    )
    assert signal(measure(confirmed, "1.0.0"), "provenance").value == 100
    other = Found(Repository("code.example/b/other", link_status="attested"), "deps.dev", NOW)
    assert signal(measure(msgspec.structs.replace(confirmed, repository=other), "1.0.0"), "provenance").value == 80


# --- how far behind


@pytest.mark.parametrize(
    ("version", "versions", "value"),
    [
        ("5.0.0", {"5.0.0": 10, "4.0.0": 900}, 100),
        ("5.1.0b1", {"5.1.0b1": 1, "5.0.0": 10}, 100),
        ("4.9.0", {"5.0.0": 10, "4.9.0": 10 + 365}, 85),
        ("5.0.0", {"5.9.0": 10, "5.0.0": 10 + 1825}, 20),
        ("3.0.0", {"5.0.0": 10, "4.0.0": 15, "3.0.1": 19, "3.0.0": 20}, 60),
        ("1.0.0", {"5.0.0": 10, "4.0.0": 5000, "1.0.0": 6000}, 0),
        ("1.0.0", {"2026.1": 10, "1.0.0": 40}, 85),
    ],
)
def test_the_lag_is_the_worse_of_days_and_major_versions(
    version: str, versions: dict[str, float], value: float
) -> None:
    measured = signal(measure(build_evidence(versions, flags=(WHEEL,) * len(versions)), version, PYPI), "version_lag")
    assert measured.value == pytest.approx(value, abs=1)


def test_the_newest_version_of_a_maintained_line_is_hardly_behind() -> None:
    versions = {"5.0.0": 10.0, "2.2.9": 100.0, "2.2.0": 4000.0}
    measured = measure(build_evidence(versions), "2.2.9")
    assert signal(measured, "version_lag").value == 80
    assert signal(measured, "release_line").value == 90
    assert signal(measure(build_evidence(versions), "2.2.0"), "version_lag").value == 0


def test_a_line_without_a_release_for_two_years_has_ended() -> None:
    measured = measure(build_evidence({"5.0.0": 10, "2.2.9": 800}), "2.2.9")
    assert signal(measured, "release_line").value == 30
    partial = measure(build_evidence({"5.0.0": 10, "2.2.9": 800}, partial=True, tags={"latest": "5.0.0"}), "2.2.9")
    assert signal(partial, "release_line").state == "unknown"


def test_a_version_years_behind_is_capped_and_lower_with_an_advisory_that_is_fixed() -> None:
    evidence = build_evidence({"5.0.0": 10, "5.0.0-rc1": 20, "2.0.0": 2000})
    assert "behind" in caps(measure(evidence, "2.0.0"))
    advisory = AffectingAdvisory(id="A-1", severity="medium", fixed_in=("3.0.0",))
    known = msgspec.structs.replace(evidence, advisories=Found((advisory,), "advisories", NOW))
    assert {"outdated", "medium"} <= caps(measure(known, "2.0.0"))
    unfixed = msgspec.structs.replace(advisory, fixed_in=())
    unfixed_evidence = msgspec.structs.replace(known, advisories=Found((unfixed,), "advisories", NOW))
    assert "outdated" not in caps(measure(unfixed_evidence, "2.0.0"))
    assert not {"behind", "outdated"} & caps(measure(build_evidence({"5.0.0": 10, "2.0.0": 900}), "2.0.0"))


def test_without_dates_the_lag_is_unknown() -> None:
    evidence = build_evidence({"5.0.0": 10, "2.0.0": 900}, date_problem="dates are wrong")
    assert signal(measure(evidence, "2.0.0"), "version_lag").state == "unknown"
    assert signal(measure(evidence, "2.0.0"), "track_record").state == "unknown"
    down = msgspec.structs.replace(evidence, package_info=Unknown("down", "registry"))
    assert signal(measure(down, "2.0.0"), "version_lag").state == "unknown"


def test_the_track_record_counts_years_with_stable_releases() -> None:
    def record(*ages: float) -> float | None:
        versions = {f"1.{number}.0": age for number, age in enumerate(ages)}
        return signal(measure(build_evidence(dict(reversed(versions.items()))), "1.0.0"), "track_record").value

    assert record(100) == 40
    assert record(100, 90, 80) == 40
    assert record(500, 100) == 60
    assert record(*(365 * year + 100 for year in range(9))) == 100
