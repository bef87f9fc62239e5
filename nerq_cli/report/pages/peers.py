"""How a score stands among others, in words and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import msgspec
from msgspec import Meta

from nerq_cli.insight.peers import OutsideStanding, PastStanding, ProjectStanding, Standing, describe_place
from nerq_cli.report.pages.document import clean
from nerq_cli.report.sanitize import sanitize_text
from nerq_cli.report.wording import format_date, shorten_version
from nerq_cli.units import DAY

_Percent = Annotated[int, Meta(ge=0, le=100)]
_Points = Annotated[float, Meta(ge=0, le=100)]
_Share = Annotated[float, Meta(ge=0, le=1)]


class PeersVersion(msgspec.Struct, frozen=True):
    """A version of the package that the project uses."""

    version: str
    score: Annotated[_Points | None, Meta(description="On the day of the scan; null without one.")]


class PeersProject(msgspec.Struct, frozen=True):
    """The place of the score among the dependencies of a project."""

    name: Annotated[str, Meta(description="Name of its directory.")]
    date: Annotated[str, Meta(description="Of the newest scan of the project.")]
    member: Annotated[bool, Meta(description="Whether the project depends on the package, in whatever version.")]
    used: Annotated[list[PeersVersion], Meta(description="The versions of the package that the project uses.")]
    count: Annotated[int, Meta(ge=2, description="Packages with a score, the target included.")]
    lower: Annotated[int, Meta(ge=0, description="Others with a lower score.")]
    equal: Annotated[int, Meta(ge=0, description="Others with the same score.")]
    place: Annotated[str, Meta(description="In words: third lowest of 214.")]


class PeersPast(msgspec.Struct, frozen=True):
    """The score among its earlier ones, of the same methodology."""

    first: str
    last: str
    count: Annotated[int, Meta(ge=1)]
    lowest: _Points
    highest: _Points


class PeersOutside(msgspec.Struct, frozen=True):
    """The place of the score among popular packages that state the same purpose."""

    category: str
    count: Annotated[int, Meta(ge=30, description="Packages of the group with a score.")]
    above: Annotated[_Percent, Meta(description="Percent of them below the lowest possible score of the target.")]
    up_to: Annotated[_Percent, Meta(description="Percent of them at or below its highest possible score.")]
    table_date: str
    table_source: str
    table_coverage: Annotated[list[_Share], Meta(description="Nine of ten scores of the table lie between these.")]


class PeersDocument(msgspec.Struct, frozen=True):
    """How the score stands among others. Null = there is nothing to compare with."""

    project: PeersProject | None
    past: PeersPast | None
    outside: PeersOutside | None
    outside_reason: str | None


def build_standing(standing: Standing) -> PeersDocument:
    """Return a standing as a part of a document."""
    project, past, outside = standing.project, standing.past, standing.outside
    return PeersDocument(
        project=None
        if project is None
        else PeersProject(
            name=clean(project.name),
            date=format_date(project.day * DAY),
            member=project.is_member,
            used=[PeersVersion(clean(version), score) for version, score in project.used],
            count=project.count,
            lower=project.lower,
            equal=project.equal,
            place=describe_place(project),
        ),
        past=None
        if past is None
        else PeersPast(
            first=format_date(past.first_day * DAY),
            last=format_date(past.last_day * DAY),
            count=past.count,
            lowest=past.lowest,
            highest=past.highest,
        ),
        outside=None
        if outside is None
        else PeersOutside(
            category=clean(outside.category),
            count=outside.count,
            above=outside.above,
            up_to=outside.up_to,
            table_date=clean(outside.date),
            table_source=clean(outside.source),
            table_coverage=list(outside.coverage),
        ),
        outside_reason=clean(standing.outside_reason) or None,
    )


def list_standings(standing: Standing) -> Iterator[tuple[str, str]]:
    """Yield what the score is compared with, and the result in words."""
    if standing.project is not None:
        yield "in your project", describe_project(standing.project)
    if standing.past is not None:
        yield "against its own past", describe_past(standing.past)
    if standing.outside is not None:
        yield "among other packages", describe_outside(standing.outside)
    elif standing.outside_reason:
        yield "among other packages", f"not compared: {standing.outside_reason}"


def describe_project(standing: ProjectStanding) -> str:
    """Return the place in a project: ``third lowest of 214 in app, scanned on 2026-11-29``."""
    verb = ""
    if not standing.is_member:
        verb = "not a dependency; it would be the "
    elif not standing.is_used:
        used = " and ".join(
            f"{shorten_version(version)} ({'no score' if score is None else f'{score:.1f}'})"
            for version, score in standing.used
        )
        verb = sanitize_text(f"the project uses {used}; {shorten_version(standing.version)} would be the ")
    return f"{verb}{describe_place(standing)} in {standing.name}, scanned on {format_date(standing.day * DAY)}"


def describe_past(standing: PastStanding) -> str:
    """Return the place among earlier scores: ``above all 12 earlier scores (70.1 to 81.0, ...)``."""
    noun = "the one earlier score" if standing.count == 1 else f"all {standing.count} earlier scores"
    if standing.value > standing.highest:
        relation = "above"
    elif standing.value < standing.lowest:
        relation = "below"
    elif standing.lowest == standing.highest:
        relation = "equal to"
    elif standing.value in (standing.lowest, standing.highest):
        end = "lowest" if standing.value == standing.lowest else "highest"
        relation, noun = "equal to", f"the {end} of {standing.count} earlier scores"
    else:
        relation, noun = "within", f"the range of {standing.count} earlier scores"
    days = f"{format_date(standing.first_day * DAY)} to {format_date(standing.last_day * DAY)}"
    return f"{standing.value:.1f} is {relation} {noun} ({standing.lowest:.1f} to {standing.highest:.1f}, {days})"


def describe_outside(standing: OutsideStanding) -> str:
    """Return the place among other packages as a band of percentiles."""
    low, high = (f"{share:.0%}" for share in standing.coverage)
    return (
        f"between the percentiles {standing.above} and {standing.up_to} of {standing.count} packages with "
        f"{standing.category!r} (table of {standing.date}, {standing.source}; coverage {low} to {high})"
    )
