"""Scores of the past from evidence that has dates: release dates, advisories, and what a release itself states. Pure.

What has no date is not known in them: today's value is no evidence about the past.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from nerq_cli import scoring, signals
from nerq_cli.facts import DEPRECATED, YANKED, AffectingAdvisory, Evidence, Fact, Found, PackageInfo, Unknown
from nerq_cli.insight.history import Step
from nerq_cli.insight.snapshots import Snapshot, pack_score, unpack_row
from nerq_cli.inventory import Release
from nerq_cli.methodology.packages import PACKAGES
from nerq_cli.signals.signal import Signal, build_possible_flag, build_unknown
from nerq_cli.units import DAY

T = TypeVar("T", bound=msgspec.Struct)

#: Months that are reconstructed.
MONTHS: Final = 24
#: Signals whose sources have no dates, each with what is not known of the past.
UNDATED_SIGNALS: Final[Mapping[str, str]] = {
    "fix_record": "when advisories got their fixes",
    "name_confusion": "which names were popular",
    "repository_hygiene": "the Scorecard result",
    "status": "whether it was deprecated, archived or yanked",
    "commits": "the commits",
    "closed_issues": "the number of issues",
    "disclosure_policy": "whether there was a security policy",
    "publishers": "who could publish",
    "adoption": "the downloads, dependents and stars",
}
#: Cap that the signal ``status`` raises.
_STATUS_CAPS: Final = frozenset({"deprecated", "deprecated-version", "inactive", "yanked"})
_NOT_DATED: Final = "not known for that day: the source has no dates"
_EPOCH: Final = date(1970, 1, 1)


class MonthGap(NamedTuple):
    """A month end without a score."""

    #: Days since 1970-01-01 UTC.
    day: int
    reason: str


class Reconstruction(msgspec.Struct, frozen=True, kw_only=True):
    """The month ends of a package."""

    #: Oldest first; each has the origin ``reconstructed``.
    snapshots: tuple[Snapshot, ...]
    steps: tuple[Step, ...]
    #: Oldest first.
    gaps: tuple[MonthGap, ...] = ()
    #: Sentences about the choice of versions.
    notes: tuple[str, ...] = ()


class Choice(NamedTuple):
    """The version that was newest at a moment."""

    #: Empty if there was none.
    version: str
    #: Why there is none, or what is doubtful about it; empty if nothing is.
    note: str = ""


def list_month_ends(today: int, count: int = MONTHS) -> list[int]:
    """Return the last days of the ``count`` months before the one of a day, oldest first (days since 1970-01-01)."""
    first = (_EPOCH + timedelta(days=today)).replace(day=1)
    ends: list[int] = []
    for _ in range(count):
        end = first - timedelta(days=1)
        ends.append((end - _EPOCH).days)
        first = end.replace(day=1)
    return ends[::-1]


def find_end(day: int) -> int:
    """Return the last second of a day, in epoch seconds UTC."""
    return (day + 1) * DAY - 1


def choose_version(fact: Fact[PackageInfo], moment: int) -> Choice:
    """Return the highest stable version that was published by a moment (epoch seconds UTC).

    A version that is yanked today is passed over: yanks have no dates, and most follow their release within days.
    """
    if not isinstance(fact, Found):
        return Choice("", fact.reason or "the registry has no such package")
    info = fact.value
    if info.date_problem:
        return Choice("", info.date_problem)
    if info.partial:
        return Choice("", "not all versions are known")
    passed_over = ""
    for version, published, flags in zip(info.versions, info.published, info.flags, strict=True):
        if published > moment or not _is_stable(flags):
            continue
        if not published:
            return Choice("", f"the publication date of {version} is not known")
        if flags & YANKED:
            passed_over = passed_over or f"{version} is passed over: it is yanked today, and since when is not known"
            continue
        return Choice(version, passed_over)
    return Choice("", passed_over or "no stable version had been published")


def _is_stable(flags: int) -> bool:
    """Whether a version is final and has files, yanked or not."""
    return bool(PackageInfo(name="", flags=(flags & ~YANKED,)).stable_rows)


def reconstruct_snapshot(release: Release, evidence: Evidence, day: int) -> Snapshot | None:
    """Return the score that a release would have had at the end of a day.

    Args:
        release: The release.
        evidence: As it was known at the end of the day, as far as its sources have dates.
        day: Days since 1970-01-01 UTC.
    """
    moment = find_end(day)
    limited = _limit_evidence(evidence, moment)
    measurement = signals.measure_package(PACKAGES, release.package.ecosystem, release.version, limited, moment)
    measured = tuple(_limit_signal(signal) for signal in measurement.signals)
    flags = [flag for flag in measurement.flags if flag.cap not in _STATUS_CAPS]
    flags.append(build_possible_flag("deprecated", "not known whether it was deprecated then", Unknown(_NOT_DATED)))
    score = scoring.compute_score(PACKAGES, msgspec.structs.replace(measurement, signals=measured, flags=tuple(flags)))
    snapshot = unpack_row(pack_score(score, day, 0), release.version)
    return None if snapshot is None else msgspec.structs.replace(snapshot, origin="reconstructed")


def _limit_signal(signal: Signal) -> Signal:
    what = UNDATED_SIGNALS.get(signal.id)
    if what is None or signal.state == "not_applicable":
        return signal
    return build_unknown(PACKAGES.signals[signal.id], f"{what}: {_NOT_DATED}")


def _limit_evidence(evidence: Evidence, moment: int) -> Evidence:
    """Return the evidence without what is known of today alone."""
    unknown = Unknown(_NOT_DATED)
    return msgspec.structs.replace(
        evidence,
        package_info=_limit_package(evidence.package_info, moment),
        metadata=_replace(evidence.metadata, yanked=None, yanked_reason="", deprecated=None, advisories=None),
        advisories=_limit_advisories(evidence, moment),
        popularity=unknown,
        similar_name=unknown,
        similar_package=unknown,
        scorecard=unknown,
        repository=unknown,
        adoption=unknown,
    )


def _replace(fact: Fact[T], **changes: Any) -> Fact[T]:  # noqa: ANN401 - values of any fields
    """Return a fact whose value has other fields."""
    if not isinstance(fact, Found):
        return fact
    return msgspec.structs.replace(fact, value=msgspec.structs.replace(fact.value, **changes))


def _limit_package(fact: Fact[PackageInfo], moment: int) -> Fact[PackageInfo]:
    """Return a package with what its versions have dates for."""
    if not isinstance(fact, Found):
        return fact
    info = fact.value
    rows = [row for row, published in enumerate(info.published) if published <= moment]
    return _replace(
        fact,
        versions=tuple(info.versions[row] for row in rows),
        published=tuple(info.published[row] for row in rows),
        flags=tuple(info.flags[row] & ~DEPRECATED for row in rows),
        interpreter_indexes=tuple(info.interpreter_indexes[row] for row in rows),
        tags={},
        status=None,
        publishers=None,
        publisher_tags=(),
        organisation=None,
        inactive=None,
        removed=(),
    )


def _limit_advisories(evidence: Evidence, moment: int) -> Fact[tuple[AffectingAdvisory, ...]]:
    """Return the advisories with the fixes that had been published; exploit probabilities have no dates."""
    fact, package = evidence.advisories, evidence.package_info
    if not isinstance(fact, Found):
        return fact
    published = (
        {
            version
            for version, date_ in zip(package.value.versions, package.value.published, strict=True)
            if date_ <= moment
        }
        if isinstance(package, Found)
        else set()
    )
    advisories = tuple(
        msgspec.structs.replace(
            advisory, fixed_in=tuple(version for version in advisory.fixed_in if version in published), epss=None
        )
        for advisory in fact.value
    )
    return msgspec.structs.replace(fact, value=advisories)
