"""The answers as objects: what the structured content of each tool holds, and its schema."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta

from nerq_cli.insight.purpose import Purpose

_Points = Annotated[float, Meta(ge=0, le=100)]
Status = Annotated[
    Literal["checked", "not-checked", "does-not-exist", "ambiguous", "invalid"],
    Meta(
        description="not-checked: it is private or could not be read, which does not speak for it. ambiguous: name one "
        "of candidates. invalid: the text names no package."
    ),
]
Verdict: TypeAlias = Literal["no-objection", "avoid", "unsettled"]


Outcome: TypeAlias = Literal["passed", "failed", "error", "incomplete", "empty"]


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """What every answer begins with."""

    notice: Annotated[str, Meta(description="How to read the texts.")]
    complete: Annotated[bool, Meta(description="Whether everything that is needed could be read.")]
    missing: Annotated[list[str], Meta(description="What could not be read, or not be settled.")]
    warnings: Annotated[list[str], Meta(description="What else is to be known, such as settings that weaken results.")]


class Advisory(msgspec.Struct, frozen=True, kw_only=True):
    """A known vulnerability, or a record of malware, that affects the version."""

    id: str
    severity: Annotated[str, Meta(description="low, medium, high, critical or unknown.")]
    malware: bool
    exploited: Annotated[bool | None, Meta(description="Whether it is known to be exploited; null if not known.")]
    fixed_in: list[str]
    description: Annotated[
        str,
        Meta(description="Severity, exploitation and fixed versions in words; a record may name no fixed version."),
    ]
    title: Annotated[str, Meta(description="As its author wrote it.")]


class UpgradeAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The version to move to."""

    version: str
    score: Annotated[_Points | None, Meta(description="Null if it is not known.")]
    passes: Annotated[bool, Meta(description="Whether it reaches what is asked for.")]
    fixes: Annotated[list[str], Meta(description="Advisories of the version in use that do not affect it.")]


class AlternativeAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Something that does the same job."""

    name: Annotated[str, Meta(description="A target, or what to use where nothing is installed.")]
    installed: Annotated[bool, Meta(description="Whether it is a package or a repository.")]
    score: Annotated[_Points | None, Meta(description="Null if it is not known, or if there is nothing to score.")]
    reason: str
    source: str


class CandidateAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What an ambiguous name may stand for."""

    target: Annotated[str, Meta(description="To be asked instead.")]
    score: Annotated[_Points | None, Meta(description="Null if it is not known.")]
    headline: str


class TargetAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one target."""

    target: Annotated[str, Meta(description="As it was asked for.")]
    status: Status
    verdict: Annotated[
        Verdict, Meta(description="unsettled: facts that are not known decide. Nothing is ever called safe.")
    ]
    purpose: Purpose
    headline: Annotated[str, Meta(description="The verdict in a sentence.")]
    name: str | None = None
    version: str | None = None
    purl: str | None = None
    score: Annotated[_Points | None, Meta(description="Null if too little is known: never read it as a number.")] = None
    grade: str | None = None
    low: Annotated[_Points | None, Meta(description="Lowest score that unknown facts allow.")] = None
    high: _Points | None = None
    provisional: Annotated[bool, Meta(description="Whether facts that may lower the score were not read.")] = False
    latest: str | None = None
    reasons: list[str] = []
    advisories: list[Advisory] = []
    further_advisories: Annotated[int, Meta(ge=0, description="Number of those left out.")] = 0
    actions: Annotated[list[str], Meta(description="What to do.")] = []
    upgrade: UpgradeAnswer | None = None
    alternatives: list[AlternativeAnswer] = []
    candidates: list[CandidateAnswer] = []


class CheckAnswer(Notice, frozen=True, kw_only=True):
    """Answer of check_package."""

    result: TargetAnswer


class CheckManyAnswer(Notice, frozen=True, kw_only=True):
    """Answer of check_many."""

    headline: str
    results: Annotated[list[TargetAnswer], Meta(description="In the order of the targets.")]


class ComparedTarget(msgspec.Struct, frozen=True, kw_only=True):
    """One target of a comparison."""

    target: str
    label: str
    purl: str
    score: Annotated[_Points | None, Meta(description="Null if too little is known.")]
    grade: str | None
    reason: Annotated[str | None, Meta(description="Why there is no score.")]
    latest: str | None
    advisories: list[str]
    knows_advisories: Annotated[bool, Meta(description="Whether advisories has all of them.")]


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """A signal in which targets differ."""

    name: str
    points: Annotated[_Points, Meta(description="Points of the score that it is worth.")]
    values: Annotated[list[str], Meta(description="In the order of targets.")]


class CompareAnswer(Notice, frozen=True, kw_only=True):
    """Answer of compare."""

    headline: str
    best: Annotated[str | None, Meta(description="Target with the highest score; null if that is not known.")]
    certain: Annotated[bool, Meta(description="Whether no unknown fact can change that.")]
    targets: list[ComparedTarget]
    differences: Annotated[list[Difference], Meta(description="Those that decide, first the one worth most.")]
    changes: Annotated[list[str], Meta(description="What another version of the same package brings.")]
    not_known: Annotated[list[str], Meta(description="Signals that could not be compared.")]


class AlternativesAnswer(Notice, frozen=True, kw_only=True):
    """Answer of alternatives."""

    target: str
    headline: str
    score: Annotated[_Points | None, Meta(description="Of the target; null if it is not known.")]
    alternatives: list[AlternativeAnswer]
    further: Annotated[int, Meta(ge=0, description="Number of those left out.")]
    excluded: Annotated[list[str], Meta(description="Names that are no alternative after all, and why.")]


class ExplainedSignal(msgspec.Struct, frozen=True, kw_only=True):
    """One signal behind a score."""

    id: str
    name: str
    state: Literal["known", "unknown"]
    value: Annotated[_Points | None, Meta(description="Null unless it is known.")]
    lost_points: Annotated[_Points | None, Meta(description="Points that it takes from the score; null if unknown.")]
    reason: str
    source: str


class ExplainAnswer(CheckAnswer, frozen=True, kw_only=True):
    """Answer of explain."""

    dimensions: Annotated[dict[str, _Points | None], Meta(description="Null if too little of it is known.")]
    caps: Annotated[list[str], Meta(description="Hard limits in force.")]
    signals: Annotated[list[ExplainedSignal], Meta(description="What costs most first, then what is not known.")]
    suits: list[str]
    avoid: Annotated[list[str], Meta(description="When to avoid it.")]
    verify: Annotated[list[str], Meta(description="Commands that show the facts, for a person to decide on.")]
    methodology: str | None
    as_of: str


class ScannedDependency(msgspec.Struct, frozen=True, kw_only=True):
    """A dependency that needs attention."""

    name: str
    version: str | None
    purl: str
    state: Literal["below", "unknown", "not-judged", "ok", "skipped"] | None
    score: Annotated[_Points | None, Meta(description="Null if too little is known.")]
    direct: bool
    reasons: list[str]
    fix: Annotated[str | None, Meta(description="Version to move to, or what to do.")]
    location: str | None


class ScannedFinding(msgspec.Struct, frozen=True, kw_only=True):
    """A finding of a policy rule."""

    rule: str
    text: str
    fails: bool
    package: str | None


class ScanAnswer(Notice, frozen=True, kw_only=True):
    """Answer of scan_project."""

    headline: str
    outcome: Annotated[
        Outcome,
        Meta(description="As the exit status of nerq scan: error for files that could not be read."),
    ]
    directory: str
    threshold: Annotated[_Points, Meta(description="Score that a dependency must reach.")]
    accepted: Annotated[int, Meta(ge=0, description="Findings that the settings of the project accept (waivers).")]
    files: Annotated[int, Meta(ge=0, description="Dependency files that were read.")]
    dependencies: Annotated[int, Meta(ge=0)]
    states: Annotated[dict[str, int], Meta(description="Number of dependencies in each state.")]
    worst: list[ScannedDependency]
    further: Annotated[int, Meta(ge=0, description="Dependencies that need attention and were left out.")]
    findings: list[ScannedFinding]
    further_findings: Annotated[int, Meta(ge=0)]


def build_schema(type_: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the JSON Schema of an input or an answer, with an object at its root as the protocol wants it."""
    ((reference,), definitions) = msgspec.json.schema_components([type_], ref_template="#/$defs/{name}")
    root = definitions.pop(reference["$ref"].rpartition("/")[2])
    return {**root, "$defs": definitions} if definitions else root
