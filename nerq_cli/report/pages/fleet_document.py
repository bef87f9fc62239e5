"""A fleet as data, JSON and its schema, and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from nerq_cli.errors import ExitStatus
from nerq_cli.insight.fleet import (
    Direction,
    FleetPackage,
    FleetProject,
    FleetVersion,
    ProjectState,
    Trend,
    count_directions,
    count_states,
)
from nerq_cli.report.model import SourceStatus
from nerq_cli.report.pages.document import ExitDocument, build_schema_of, clean, encode_document
from nerq_cli.report.wording import format_date, format_timestamp
from nerq_cli.units import DAY

#: Version of the schema of the document.
SCHEMA_VERSION: Final = 1
_DIGITS: Final = 1


class FleetReport(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one run over many projects."""

    #: Version of nerq-cli.
    version: str
    #: Moment that ages are counted to (epoch seconds UTC).
    as_of: int
    #: Score that a dependency must reach, by the settings of the run (0 to 100).
    threshold: float
    #: Whether incomplete projects fail, by the settings of the run.
    strict: bool
    exit: ExitStatus
    exit_reason: str
    #: Whether every project could be read, and everything in it be checked.
    complete: bool
    #: In the order in which they were given.
    projects: tuple[FleetProject, ...]
    #: All packages of third parties, the worst first.
    packages: tuple[FleetPackage, ...]
    #: Sum of the dependencies of all projects, and number of different versions among them.
    dependencies: int
    versions: int
    sources: tuple[SourceStatus, ...] = ()
    warnings: tuple[str, ...] = ()
    #: Seconds that the run took. Machine formats leave it out.
    elapsed: float = 0.0


# --- JSON

_Points = Annotated[float, Meta(ge=0, le=100)]
_Count = Annotated[int, Meta(ge=0)]


class TrendDocument(msgspec.Struct, frozen=True):
    """How a project moved since its last run, and what it was then."""

    direction: Annotated[
        Direction, Meta(description="unclear: by other rules, or one of the two could check less. new: no earlier run.")
    ]
    since: Annotated[str | None, Meta(description="Day of the last run.")]
    below: _Count | None
    lowest: _Points | None
    median: _Points | None
    dependencies: _Count | None


class RuleDocument(msgspec.Struct, frozen=True):
    """Findings of one rule that count."""

    rule: str
    level: str
    count: _Count


class ProjectDocument(msgspec.Struct, frozen=True):
    """One project."""

    name: str
    path: str
    ref: Annotated[str | None, Meta(description="Branch, tag or commit that was read; null for a checkout.")]
    commit: str | None
    state: Annotated[
        ProjectState,
        Meta(
            description="unreadable: the project, or a dependency file of it, cannot be read. incomplete: nothing "
            "fails, and not everything could be checked. empty: nothing to scan."
        ),
    ]
    exit: Annotated[ExitDocument, Meta(description="That of nerq scan about the project.")]
    complete: bool
    dependency_files: _Count
    dependencies: Annotated[_Count, Meta(description="Of third parties, scored or not.")]
    scored: _Count
    below: Annotated[_Count, Meta(description="Below the threshold of the project.")]
    below_fleet: Annotated[_Count, Meta(description="Below the threshold of the run, whatever the project's settings.")]
    threshold: _Points | None
    lowest: _Points | None
    lowest_name: str | None
    median: _Points | None
    findings: list[RuleDocument]
    waived: _Count
    weaker: Annotated[list[str], Meta(description="What the settings of the project accept or leave out.")]
    withheld: Annotated[
        _Count, Meta(description="Dependencies that are not looked up because another project withholds their names.")
    ]
    withheld_by: Annotated[list[str], Meta(description="Names of these projects.")]
    withheld_from: Annotated[list[str], Meta(description="Projects whose dependencies it keeps from being looked up.")]
    problems: list[str]
    trend: TrendDocument


class FleetVersionDocument(msgspec.Struct, frozen=True):
    """One version of a package in use."""

    version: str | None
    purl: str
    score: _Points | None
    grade: str | None
    provisional: bool
    below: Annotated[bool, Meta(description="Below the threshold of the run, or malware.")]
    reason: Annotated[str | None, Meta(description="First reason; null if it passes.")]
    advisories: Annotated[list[str], Meta(description="Ids, the worst first.")]
    malware: bool
    exploited: Annotated[bool, Meta(description="Whether an advisory is known to be exploited.")]
    fix: Annotated[str | None, Meta(description="Version to move to, or an instruction.")]
    direct: Annotated[_Count, Meta(description="Projects that depend on it directly.")]
    projects: Annotated[list[_Count], Meta(description="Indexes in projects.")]


class FleetPackageDocument(msgspec.Struct, frozen=True):
    """One package, with the versions in use, the worst first."""

    ecosystem: str
    name: str
    latest: str | None
    projects: Annotated[_Count, Meta(description="Number of projects that use it.")]
    versions: list[FleetVersionDocument]


class FleetTrendDocument(msgspec.Struct, frozen=True):
    """How many projects moved in which direction since their last runs."""

    worse: _Count
    better: _Count
    same: _Count
    unclear: _Count
    new: _Count


class FleetSourceDocument(msgspec.Struct, frozen=True):
    """A source of evidence."""

    name: str
    state: str
    reason: str | None
    requests: _Count


class FleetDocument(msgspec.Struct, frozen=True):
    """A fleet: its projects, and the packages that they use."""

    schema: Annotated[int, Meta(ge=SCHEMA_VERSION, le=SCHEMA_VERSION)]
    version: str
    as_of: str
    complete: Annotated[bool, Meta(description="Whether every project was read, and everything in it checked.")]
    exit: ExitDocument
    threshold: Annotated[_Points, Meta(description="By the settings of the run.")]
    projects_by_state: dict[ProjectState, _Count]
    trend: FleetTrendDocument
    dependencies: Annotated[_Count, Meta(description="Sum over all projects.")]
    versions: Annotated[_Count, Meta(description="Different versions among them, of those that are known.")]
    projects: list[ProjectDocument]
    packages: Annotated[list[FleetPackageDocument], Meta(description="The worst first.")]
    sources: list[FleetSourceDocument]
    warnings: list[str]


def render_json(report: FleetReport) -> bytes:
    """Return the document of a run as UTF-8 JSON. The same report gives the same bytes."""
    directions = count_directions(report.projects)
    return encode_document(
        FleetDocument(
            schema=SCHEMA_VERSION,
            version=report.version,
            as_of=format_timestamp(report.as_of),
            complete=report.complete,
            exit=ExitDocument(code=report.exit.value, reason=clean(report.exit_reason)),
            threshold=report.threshold,
            projects_by_state=count_states(report.projects),
            trend=msgspec.convert(directions, FleetTrendDocument),
            dependencies=report.dependencies,
            versions=report.versions,
            projects=list(map(_build_project, report.projects)),
            packages=list(map(_build_package, report.packages)),
            sources=[
                FleetSourceDocument(
                    name=clean(source.name),
                    state=source.state,
                    reason=clean(source.reason) or None,
                    requests=source.requests,
                )
                for source in report.sources
            ],
            warnings=list(map(clean, report.warnings)),
        )
    )


def build_schema() -> dict[str, object]:
    """Return the JSON Schema (2020-12) of the document."""
    return build_schema_of(FleetDocument)


def _build_project(project: FleetProject) -> ProjectDocument:
    return ProjectDocument(
        name=clean(project.name),
        path=clean(project.path),
        ref=clean(project.ref) or None,
        commit=project.commit or None,
        state=project.state,
        exit=ExitDocument(code=project.exit, reason=clean(project.reason)),
        complete=project.complete,
        dependency_files=project.dependency_files,
        dependencies=project.dependencies,
        scored=project.scored,
        below=project.below,
        below_fleet=project.below_fleet,
        threshold=project.threshold,
        lowest=_round(project.lowest),
        lowest_name=clean(project.lowest_name) or None,
        median=_round(project.median),
        findings=[RuleDocument(rule=item.rule, level=item.level, count=item.count) for item in project.findings],
        waived=project.waived,
        weaker=list(map(clean, project.weaker)),
        withheld=project.withheld,
        withheld_by=list(map(clean, project.withheld_by)),
        withheld_from=list(map(clean, project.withheld_from)),
        problems=list(map(clean, project.problems)),
        trend=_build_trend(project.trend),
    )


def _build_trend(trend: Trend | None) -> TrendDocument:
    if trend is None:
        return TrendDocument(direction="new", since=None, below=None, lowest=None, median=None, dependencies=None)
    return TrendDocument(
        direction=trend.direction,
        since=None if trend.day is None else format_date(trend.day * DAY),
        below=trend.below,
        lowest=_round(trend.lowest),
        median=_round(trend.median),
        dependencies=trend.dependencies,
    )


def _build_package(package: FleetPackage) -> FleetPackageDocument:
    latest = next((version.use.latest for version in package.versions if version.use.latest), "")
    return FleetPackageDocument(
        ecosystem=package.ecosystem,
        name=clean(package.name),
        latest=clean(latest) or None,
        projects=package.projects,
        versions=list(map(_build_version, package.versions)),
    )


def _build_version(version: FleetVersion) -> FleetVersionDocument:
    use = version.use
    return FleetVersionDocument(
        version=clean(use.version) or None,
        purl=clean(use.purl),
        score=_round(use.score),
        grade=use.grade or None,
        provisional=use.provisional,
        below=version.is_below,
        reason=clean(use.reason) or None,
        advisories=list(map(clean, use.advisories)),
        malware=use.malware,
        exploited=use.exploited,
        fix=clean(use.fix) or None,
        direct=version.direct,
        projects=list(version.projects),
    )


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, _DIGITS)


# --- CSV

_COLUMNS: Final = (
    *("project", "ref", "commit", "project_state", "project_exit", "ecosystem", "name", "version", "purl", "score"),
    *("grade", "below", "malware", "exploited", "advisories", "fix", "reason"),
)
#: Starts of cells that spreadsheet programs run as formulas.
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")


def render_csv(report: FleetReport) -> bytes:
    """Return one line for each version that a project uses, and one for each project without any, as UTF-8 CSV."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerow(_COLUMNS)
    for row in _iter_csv(report):
        writer.writerow([_defuse(cell) for cell in row])
    return stream.getvalue().encode("utf-8", "backslashreplace")


def _iter_csv(report: FleetReport) -> Iterator[Sequence[str]]:
    by_project: list[list[FleetVersion]] = [[] for _ in report.projects]
    for package in report.packages:
        for version in package.versions:
            for index in version.projects:
                by_project[index].append(version)
    for project, versions in zip(report.projects, by_project, strict=True):
        head = (project.name, project.ref, project.commit, project.state, str(project.exit))
        if not versions:
            yield (*head, *([""] * (len(_COLUMNS) - len(head) - 1)), project.reason)
        for version in versions:
            use = version.use
            score = "" if use.score is None else f"{use.score:.{_DIGITS}f}"
            yield (
                *head,
                use.ecosystem,
                use.name,
                use.version,
                use.purl,
                score,
                use.grade,
                *(_format_bool(value) for value in (version.is_below, use.malware, use.exploited)),
                " ".join(use.advisories),
                use.fix,
                use.reason,
            )


def _format_bool(value: bool) -> str:  # noqa: FBT001 - a fact
    return "true" if value else "false"


def _defuse(cell: str) -> str:
    """Return a cell that no program takes for a formula."""
    text = clean(cell)
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def iter_users(version: FleetVersion, projects: Sequence[FleetProject]) -> Iterable[str]:
    """Return the names of the projects that use a version."""
    return (projects[index].name for index in version.projects)
