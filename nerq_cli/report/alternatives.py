"""Alternatives to a dependency, as JSON and in words: what the page about them and the reports have in common."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Final, Literal, NamedTuple

import msgspec
from msgspec import Meta

from nerq_cli.ecosystems import get_prefix
from nerq_cli.report.sanitize import TEXT_LIMIT, sanitize_text
from nerq_cli.report.wording import shorten_version

if TYPE_CHECKING:
    from nerq_cli.insight.alternatives import Option
    from nerq_cli.report.model import Assessment, Report

_DIGITS: Final = 1
#: What stands before the name of what is not installed.
_FEATURES: Final = {"builtin": "built in", "expression": "expression", "removal": "removal", "load-safely": "safe file"}
_Points = Annotated[float, Meta(ge=0, le=100)]


class Alternative(msgspec.Struct, frozen=True):
    """One alternative."""

    relation: Annotated[
        Literal["maintainer", "builtin", "expression", "removal", "load-safely", "base-model", "listed"],
        Meta(description="How it is known."),
    ]
    name: Annotated[str | None, Meta(description="Package or repository; null if there is none to install.")]
    feature: Annotated[str | None, Meta(description="What to use where nothing is installed.")]
    version: Annotated[str | None, Meta(description="The version that one would take.")]
    reason: Annotated[str, Meta(description="Why it does the same job.")]
    source: Annotated[str, Meta(description="Where that is stated.")]
    score: Annotated[_Points | None, Meta(description="Null if it is not scored.")]
    grade: str | None
    low: _Points | None
    high: _Points | None
    provisional: bool
    not_scored: Annotated[str | None, Meta(description="Why it has no score.")]
    in_project: Annotated[bool | None, Meta(description="Null if no project was read.")]


class AlternativeRow(NamedTuple):
    """A dependency and one of its alternatives."""

    assessment: Assessment
    option: Option
    #: Number of further ones.
    further: int


def build_alternative(option: Option) -> Alternative:
    """Return an alternative as an object of a document."""
    candidate, score = option.candidate, option.score
    return Alternative(
        relation=candidate.relation,
        name=_clean(candidate.name) or None,
        feature=_clean(candidate.feature) or None,
        version=_clean(option.version) or None,
        reason=_clean(candidate.reason),
        source=_clean(candidate.source),
        score=_round(option.value),
        grade=score.grade if score is not None else None,
        low=_round(score.low if score is not None else None),
        high=_round(score.high if score is not None else None),
        provisional=score is not None and score.provisional,
        not_scored=_clean(option.reason)
        or (None if option.value is not None or not candidate.name else "not computed"),
        in_project=option.in_project,
    )


def _clean(text: str) -> str:
    return sanitize_text(text, TEXT_LIMIT)


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, _DIGITS)


def describe_option(option: Option) -> str:
    """Return an alternative as a heading: ``pypi:httpx 0.28.1``, ``built in: zoneinfo``."""
    candidate = option.candidate
    if not candidate.name:
        return f"{_FEATURES[candidate.relation]}: {candidate.feature}"
    return f"{get_prefix(candidate.ecosystem)}:{candidate.name} {shorten_version(option.version)}".rstrip()


def list_top_alternatives(report: Report) -> list[AlternativeRow]:
    """Return the first alternative of each dependency that has one, in the order of the report."""
    rows = []
    for assessment in report.dependencies if report.alternatives else ():
        choice = report.alternatives.get(assessment.dependency.purl)
        if choice is not None and choice.options:
            rows.append(AlternativeRow(assessment, choice.options[0], len(choice.options) - 1 + choice.further))
    return rows


def summarise_score(option: Option) -> str:
    """Return the score of an alternative in two words; empty if there is nothing to install."""
    if not option.candidate.name:
        return ""
    if option.score is None or option.value is None:
        return "not scored"
    return f"score {option.score.sign}{option.value:.1f}"


def describe_briefly(row: AlternativeRow) -> str:
    """Return a dependency and its first alternative in a line: ``nose 1.3.7: pypi:pytest 9.2.0, score 97.3``."""
    dependency = row.assessment.dependency
    name = f"{dependency.package.name} {shorten_version(dependency.version or '')}".rstrip()
    score = summarise_score(row.option)
    more = f" (+{row.further} more)" if row.further else ""
    return f"{name}: {describe_option(row.option)}{f', {score}' if score else ''}{more}"


def list_details(option: Option, assessment: Assessment) -> Iterator[str]:
    """Yield the sentences about an alternative to a dependency, without its source."""
    from nerq_cli.insight.alternatives import describe_score

    yield option.candidate.reason
    yield describe_score(option, assessment.score)
    if option.in_project:
        yield "your project depends on it already"
