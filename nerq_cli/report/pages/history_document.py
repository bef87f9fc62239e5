"""The past of scores as data, JSON and its schema."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from nerq_cli.errors import ExitStatus
from nerq_cli.insight.history import Cause, Direction, History, Move, MoveKind, Step, Trend
from nerq_cli.insight.peers import Standing
from nerq_cli.insight.reconstruction import UNDATED_SIGNALS, Reconstruction
from nerq_cli.insight.snapshots import ProjectSummary, Snapshot
from nerq_cli.report.pages.document import ExitDocument, build_schema_of, clean, encode_document
from nerq_cli.report.pages.peers import PeersDocument, build_standing
from nerq_cli.report.wording import format_date, format_timestamp
from nerq_cli.units import DAY

#: Version of the schema of the document.
SCHEMA_VERSION: Final = 1


class RecordedVersion(msgspec.Struct, frozen=True):
    """A version with snapshots."""

    version: str
    #: Days since 1970-01-01 UTC, and so are all days here.
    first_day: int
    last_day: int
    snapshots: int


class TargetHistory(msgspec.Struct, frozen=True, kw_only=True):
    """The past of one target."""

    #: As the user wrote it.
    target: str
    #: With the version of the newest snapshot.
    purl: str
    #: Newest first.
    versions: tuple[RecordedVersion, ...]
    history: History
    #: Scores of past month ends; None unless they were asked for.
    reconstruction: Reconstruction | None = None
    #: How the newest score stands; None without a snapshot.
    standing: Standing | None = None


class ProjectDay(msgspec.Struct, frozen=True):
    """A project on one day."""

    day: int
    summary: ProjectSummary


class DependencyHistory(msgspec.Struct, frozen=True, kw_only=True):
    """A dependency of a project whose score moved."""

    name: str
    history: History


class ProjectHistory(msgspec.Struct, frozen=True, kw_only=True):
    """The past of a project."""

    path: str
    #: Oldest first.
    days: tuple[ProjectDay, ...]
    #: Trend of the median score.
    trend: Trend
    #: Those whose score moved by a point or more in 90 days, the deepest fall first.
    dependencies: tuple[DependencyHistory, ...]


class HistoryReport(msgspec.Struct, frozen=True, kw_only=True):
    """What ``nerq history`` shows: targets, or a project."""

    #: Version of nerq-cli.
    version: str
    #: Moment that trends end at (epoch seconds UTC).
    as_of: int
    #: Score (0-100) that a dependency must reach.
    threshold: float
    targets: tuple[TargetHistory, ...] = ()
    project: ProjectHistory | None = None
    exit: ExitStatus = ExitStatus.PASSED
    exit_reason: str = "read"
    #: Whether everything that was to be read could be read.
    complete: bool = True
    warnings: tuple[str, ...] = ()


#: 0 to 100, one decimal.
_Value = Annotated[float, Meta(ge=0, le=100)]
_Date = Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")]


class HistoryTrend(msgspec.Struct, frozen=True):
    """The direction of a value over 90 days."""

    direction: Direction
    change: Annotated[
        float | None, Meta(description="Points between the medians of the first and the last third of the weeks.")
    ]
    step: Annotated[
        float | None, Meta(description="Points of the largest step between two snapshots, if 3 or more of it last.")
    ]
    weeks: Annotated[int, Meta(description="Weeks with a snapshot that was judged.")]
    first: _Date | None
    last: _Date | None
    left_out: Annotated[
        int, Meta(description="Snapshots that cannot be compared: another methodology, or other signals unknown.")
    ]


class HistoryMove(msgspec.Struct, frozen=True):
    """What one signal, or the hard limits (``cap``), added to a step."""

    id: str
    name: str
    kind: MoveKind
    points: float
    before: _Value | None
    after: _Value | None
    reason_before: str
    reason_after: str


class HistoryStep(msgspec.Struct, frozen=True):
    """A change of a score between two snapshots."""

    first: _Date
    last: _Date
    version_before: str
    version_after: str
    methodology_before: str
    methodology_after: str
    before: _Value | None
    after: _Value | None
    grade_before: str | None
    grade_after: str | None
    change: float | None
    causes: list[Cause]
    is_trend: Annotated[
        bool, Meta(description="False where the methodology, or what could be read, changed: that is no trend.")
    ]
    moves: list[HistoryMove]
    other_points: Annotated[float, Meta(description="Points of moves too small to be listed, and of rounding.")]


class HistoryCap(msgspec.Struct, frozen=True):
    """A hard limit that was in force."""

    id: str
    limit: _Value
    reason: str


class HistorySnapshot(msgspec.Struct, frozen=True):
    """A score on one day."""

    date: _Date
    version: str
    methodology: str
    score: _Value | None
    low: _Value | None
    high: _Value | None
    grade: str | None
    coverage: Annotated[float, Meta(ge=0, le=1)]
    provisional: bool
    origin: Literal["recorded", "reconstructed"]
    dimensions: dict[str, _Value | None]
    signals: Annotated[dict[str, _Value], Meta(description="Values of the known signals.")]
    unknown: Annotated[list[str], Meta(description="Ids of the signals that were not known.")]
    caps: list[HistoryCap]
    verdict: Annotated[str | None, Meta(description="Why there is no score.")]


class HistoryVersion(msgspec.Struct, frozen=True):
    """A version with snapshots."""

    version: str
    first: _Date
    last: _Date
    snapshots: int


class HistoryGap(msgspec.Struct, frozen=True):
    """A month end without a score."""

    date: _Date
    reason: str


class HistoryReconstruction(msgspec.Struct, frozen=True):
    """Scores of the versions that were newest at past month ends, computed from evidence that has dates."""

    snapshots: list[HistorySnapshot]
    steps: list[HistoryStep]
    gaps: list[HistoryGap]
    not_dated: Annotated[
        dict[str, str], Meta(description="Signals that are not known in it, with what has no dates in their sources.")
    ]
    notes: list[str]


class HistoryTarget(msgspec.Struct, frozen=True):
    """The past of a target, or of a dependency of a project."""

    target: str
    purl: str | None
    versions: list[HistoryVersion]
    trend: HistoryTrend
    dimensions: dict[str, HistoryTrend]
    steps: list[HistoryStep]
    snapshots: list[HistorySnapshot]
    reconstruction: Annotated[
        HistoryReconstruction | None, Meta(description="Null without --reconstruct; it is no part of trends.")
    ]
    standing: Annotated[
        PeersDocument | None, Meta(description="How the newest score stands; null without one, and for dependencies.")
    ]


class HistoryProjectDay(msgspec.Struct, frozen=True):
    """A project on one day."""

    date: _Date
    dependencies: int
    scored: int
    below: int
    lowest: _Value | None
    lowest_name: str | None
    median: _Value | None
    threshold: _Value
    complete: bool
    methodology: str


class HistoryProject(msgspec.Struct, frozen=True):
    """The past of a project."""

    path: str
    trend: Annotated[HistoryTrend, Meta(description="Trend of the median score.")]
    days: list[HistoryProjectDay]
    moved: Annotated[
        list[HistoryTarget], Meta(description="Dependencies whose score moved by a point or more in 90 days.")
    ]


class HistoryDocument(msgspec.Struct, frozen=True):
    """The past of targets, or of a project."""

    schema: Annotated[int, Meta(ge=SCHEMA_VERSION, le=SCHEMA_VERSION)]
    version: str
    as_of: str
    threshold: _Value
    complete: Annotated[bool, Meta(description="Whether everything that was to be read could be read.")]
    exit: ExitDocument
    targets: list[HistoryTarget]
    project: HistoryProject | None
    warnings: list[str]


def render_json(report: HistoryReport) -> bytes:
    """Return the document of a report as UTF-8 JSON. The same report gives the same bytes."""
    return encode_document(
        HistoryDocument(
            schema=SCHEMA_VERSION,
            version=report.version,
            as_of=format_timestamp(report.as_of),
            threshold=report.threshold,
            complete=report.complete,
            exit=ExitDocument(code=report.exit.value, reason=clean(report.exit_reason)),
            targets=[
                build_target(
                    target.target,
                    target.purl,
                    target.versions,
                    target.history,
                    target.reconstruction,
                    target.standing,
                )
                for target in report.targets
            ],
            project=None if report.project is None else _build_project(report.project),
            warnings=list(map(clean, report.warnings)),
        )
    )


def build_schema() -> dict[str, object]:
    """Return the JSON Schema (2020-12) of the document."""
    return build_schema_of(HistoryDocument)


def format_day(day: int) -> str:
    """Return a day (days since 1970-01-01 UTC) as an ISO date."""
    return format_date(day * DAY) if day else "1970-01-01"


def build_target(
    name: str,
    purl: str | None,
    versions: Sequence[RecordedVersion],
    history: History,
    reconstruction: Reconstruction | None = None,
    standing: Standing | None = None,
) -> HistoryTarget:
    """Return the object of one target."""
    return HistoryTarget(
        target=clean(name),
        purl=purl and clean(purl),
        versions=[
            HistoryVersion(clean(item.version), format_day(item.first_day), format_day(item.last_day), item.snapshots)
            for item in versions
        ],
        trend=_build_trend(history.trend),
        dimensions={name: _build_trend(trend) for name, trend in history.dimensions.items()},
        steps=list(map(_build_step, history.steps)),
        snapshots=list(map(_build_snapshot, history.snapshots)),
        reconstruction=None if reconstruction is None else _build_reconstruction(reconstruction),
        standing=None if standing is None else build_standing(standing),
    )


def _build_reconstruction(reconstruction: Reconstruction) -> HistoryReconstruction:
    return HistoryReconstruction(
        snapshots=list(map(_build_snapshot, reconstruction.snapshots)),
        steps=list(map(_build_step, reconstruction.steps)),
        gaps=[HistoryGap(format_day(gap.day), clean(gap.reason)) for gap in reconstruction.gaps],
        not_dated=dict(UNDATED_SIGNALS),
        notes=list(map(clean, reconstruction.notes)),
    )


def _build_project(project: ProjectHistory) -> HistoryProject:
    return HistoryProject(
        path=clean(project.path),
        trend=_build_trend(project.trend),
        days=[
            HistoryProjectDay(
                date=format_day(day.day),
                dependencies=day.summary.dependencies,
                scored=day.summary.scored,
                below=day.summary.below,
                lowest=day.summary.lowest,
                lowest_name=clean(day.summary.lowest_name) or None,
                median=day.summary.median,
                threshold=day.summary.threshold,
                complete=day.summary.complete,
                methodology=day.summary.methodology,
            )
            for day in project.days
        ],
        moved=[build_target(item.name, None, (), item.history) for item in project.dependencies],
    )


def _build_trend(trend: Trend) -> HistoryTrend:
    return HistoryTrend(
        direction=trend.direction,
        step=trend.step,
        change=trend.change,
        weeks=trend.weeks,
        first=None if trend.first_day is None else format_day(trend.first_day),
        last=None if trend.last_day is None else format_day(trend.last_day),
        left_out=trend.left_out,
    )


def _build_step(step: Step) -> HistoryStep:
    return HistoryStep(
        first=format_day(step.first_day),
        last=format_day(step.last_day),
        version_before=clean(step.version_before),
        version_after=clean(step.version_after),
        methodology_before=step.methodology_before,
        methodology_after=step.methodology_after,
        before=step.before,
        after=step.after,
        grade_before=step.grade_before,
        grade_after=step.grade_after,
        change=step.change,
        causes=list(step.causes),
        is_trend=step.is_trend,
        moves=list(map(_build_move, step.moves)),
        other_points=step.other_points,
    )


def _build_move(move: Move) -> HistoryMove:
    return HistoryMove(
        id=move.id,
        name=clean(move.name),
        kind=move.kind,
        points=move.points,
        before=move.before,
        after=move.after,
        reason_before=clean(move.reason_before),
        reason_after=clean(move.reason_after),
    )


def _build_snapshot(snapshot: Snapshot) -> HistorySnapshot:
    return HistorySnapshot(
        date=format_day(snapshot.day),
        version=clean(snapshot.version),
        methodology=snapshot.methodology,
        score=snapshot.value,
        low=snapshot.low,
        high=snapshot.high,
        grade=snapshot.grade,
        coverage=snapshot.coverage,
        provisional=snapshot.provisional,
        origin=snapshot.origin,
        dimensions=dict(snapshot.dimensions),
        signals={signal.id: signal.value for signal in snapshot.signals if signal.value is not None},
        unknown=[signal.id for signal in snapshot.signals if signal.state == "unknown"],
        caps=[HistoryCap(cap.id, cap.limit, clean(cap.reason)) for cap in snapshot.caps],
        verdict=clean(snapshot.verdict) or None,
    )
