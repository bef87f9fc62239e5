"""The document of a preflight: whether to use a target for a purpose, and what that rests on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from nerq_cli import __version__
from nerq_cli.application.named_targets import explain_no_score
from nerq_cli.facts import AffectingAdvisory
from nerq_cli.insight.guidance import Guidance
from nerq_cli.insight.purpose import PURPOSES, Purpose
from nerq_cli.inventory import Dependency
from nerq_cli.policy.fix import find_newer_fixes
from nerq_cli.policy.upgrade import Upgrade
from nerq_cli.report.advisory import deduplicate_advisories
from nerq_cli.report.guidance import explain_assessment
from nerq_cli.report.model import Assessment, Report
from nerq_cli.report.pages.document import build_schema_of, clean
from nerq_cli.report.pages.history_document import HistoryTarget
from nerq_cli.report.rounding import round_number
from nerq_cli.report.wording import (
    find_malware_reason,
    find_threshold,
    format_timestamp,
    group_findings,
    label_methodology,
    select_findings,
)
from nerq_cli.scoring import Score

#: Version of the schema of the document.
SCHEMA_VERSION: Final = 1
#: Reasons that are listed: those that cost most.
_MAX_REASONS: Final = 5
_DIGITS: Final = 1
_SHARE_DIGITS: Final = 4

_Points = Annotated[float, Meta(ge=0, le=100)]
_Share = Annotated[float, Meta(ge=0, le=1)]


class PreflightTool(msgspec.Struct, frozen=True):
    """The program that made the document."""

    name: Literal["nerq-cli"]
    version: str


class PreflightVerdict(msgspec.Struct, frozen=True):
    """Whether the target suits the purpose that was asked about."""

    purpose: Purpose
    answer: Annotated[
        Literal["no-objection", "avoid", "unsettled"], Meta(description="unsettled: what is not known decides.")
    ]
    text: str


class PreflightCap(msgspec.Struct, frozen=True):
    """The lowest limit of the score that is in force."""

    id: str
    limit: _Points
    reason: str


class PreflightReason(msgspec.Struct, frozen=True):
    """What keeps the score down."""

    id: Annotated[str | None, Meta(description="Of the signal or the cap; null if the target was not scored.")]
    points: Annotated[_Points | None, Meta(description="What it costs; null if that is no number.")]
    text: str


class PreflightAdvisory(msgspec.Struct, frozen=True):
    """A vulnerability, or malware, that affects this version."""

    id: str
    aliases: list[str]
    severity: Literal["low", "medium", "high", "critical", "unknown"]
    summary: str | None
    fixed_versions: list[str]
    nearest_fix: Annotated[str | None, Meta(description="Lowest newer version that is not affected by it.")]
    malware: bool
    known_exploited: Annotated[bool | None, Meta(description="Null if the catalogue was not read.")]
    epss: Annotated[_Share | None, Meta(description="Probability of exploitation within 30 days.")]
    link: str | None


class PreflightUpgrade(msgspec.Struct, frozen=True):
    """Another version of the same package, scored at the same moment."""

    version: str
    score: _Points | None
    grade: str | None
    provisional: bool
    passes: Annotated[bool, Meta(description="Whether it reaches the threshold of the service.")]
    fixed_advisories: list[str]
    released_at: str | None


class PreflightFinding(msgspec.Struct, frozen=True):
    """What a policy rule of the service has against the target."""

    rule: str
    text: str
    fails: bool


class PreflightSource(msgspec.Struct, frozen=True):
    """A source of the evidence."""

    name: str
    retrieved_at: Annotated[str | None, Meta(description="Of its oldest response; null if it gave none.")]
    unknown: Annotated[list[str], Meta(description="Ids of signals that it did not make known.")]


class PreflightDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The answer about one target. Within a schema version keys are only added."""

    schema_version: Literal[1]
    tool: PreflightTool
    target: Annotated[str, Meta(description="What was asked for, in its canonical spelling.")]
    purl: Annotated[str, Meta(description="Of the version that the answer is about.")]
    ecosystem: str
    kind: str
    name: str
    version: Annotated[str | None, Meta(description="Version or commit; null if it is not known.")]
    server: Annotated[str | None, Meta(description="MCP server that was named; the rest is about its package.")]
    verdict: PreflightVerdict
    score: Annotated[_Points | None, Meta(description="Null if too little is known: see score_reason.")]
    score_reason: Annotated[str | None, Meta(description="Why there is no score.")]
    grade: Annotated[str | None, Meta(description="Null where what is not known could change it.")]
    score_range: Annotated[list[_Points] | None, Meta(description="Lowest and highest score by what is not known.")]
    provisional: Annotated[bool, Meta(description="Whether a fact that a firm score requires is not known.")]
    threshold: Annotated[_Points, Meta(description="Score that the settings of the service ask for.")]
    coverage: Annotated[_Share | None, Meta(description="Known share of the evidence.")]
    dimensions: dict[str, _Points | None]
    cap: PreflightCap | None
    reasons: Annotated[list[PreflightReason], Meta(max_length=_MAX_REASONS, description="What costs most, first.")]
    malware: Annotated[str | None, Meta(description="Why it counts as malicious.")]
    advisories: list[PreflightAdvisory]
    knows_advisories: Annotated[bool, Meta(description="Whether advisories has all that the sources have.")]
    findings: list[PreflightFinding]
    upgrade: Annotated[PreflightUpgrade | None, Meta(description="The version to move to.")]
    latest_version: str | None
    latest_released_at: str | None
    released_at: str | None
    releases_behind: int | None
    sources: list[PreflightSource]
    as_of: str
    methodology: str | None
    complete: Annotated[bool, Meta(description="False if a source that was asked did not answer.")]
    warnings: list[str]
    history: Annotated[
        HistoryTarget | UnsetType | None,
        Meta(description="Only with include=history; null if there is none, or it was not read."),
    ] = UNSET
    history_reason: Annotated[
        str | UnsetType, Meta(description="Only with include=history: why the history was not read.")
    ] = UNSET


def build_schema() -> dict[str, object]:
    """Return the JSON Schema (2020-12) of the document."""
    return build_schema_of(PreflightDocument)


def build_preflight(
    assessment: Assessment,
    report: Report,
    *,
    target: str,
    server: str = "",
    complete: bool,
    warnings: Sequence[str] = (),
) -> tuple[PreflightDocument, list[PreflightVerdict]]:
    """Return the answer about an assessment, and its verdict for each purpose, in their order.

    Args:
        assessment: With what reviews come to.
        report: Of this assessment alone: what is beside it in a batch changes nothing.
        target: What was asked for, in its canonical spelling.
        server: The MCP server that was named; empty if none was.
        complete: Whether all sources answered.
        warnings: Sentences for the user.
    """
    dependency, score = assessment.dependency, assessment.score
    label = f"{server} ({dependency.package.name} {dependency.version or ''})" if server else ""
    verdicts = [_build_verdict(explain_assessment(assessment, report, item, label=label)) for item in PURPOSES]
    document = PreflightDocument(
        schema_version=SCHEMA_VERSION,
        tool=PreflightTool("nerq-cli", __version__),
        target=clean(target),
        purl=clean(dependency.purl),
        ecosystem=dependency.package.ecosystem,
        kind=dependency.kind,
        name=clean(dependency.package.name),
        version=clean(dependency.version or "") or None,
        server=clean(server) or None,
        verdict=verdicts[0],
        score=_round(score.value) if score is not None else None,
        score_reason=clean(explain_no_score(assessment)) or None,
        grade=score.grade if score is not None else None,
        score_range=_build_range(score),
        provisional=score is not None and score.provisional,
        threshold=float(find_threshold(assessment, report)),
        coverage=round_number(score.coverage, _SHARE_DIGITS) if score is not None else None,
        dimensions={id_: _round(value) for id_, value in score.dimensions.items()} if score is not None else {},
        cap=_build_cap(score),
        reasons=list(_list_reasons(assessment)),
        malware=clean(find_malware_reason(assessment)) or None,
        advisories=[
            _build_advisory(advisory, dependency) for advisory in deduplicate_advisories(assessment.advisories)
        ],
        knows_advisories=_knows_advisories(score),
        findings=[
            PreflightFinding(finding.id, clean(finding.text), finding.fails)
            for finding in select_findings(group_findings(report), dependency)
        ],
        upgrade=_build_upgrade(assessment.upgrade),
        latest_version=clean(assessment.latest) or None,
        latest_released_at=format_timestamp(assessment.latest_released_at) or None,
        released_at=format_timestamp(assessment.released_at) or None,
        releases_behind=assessment.releases_behind,
        sources=list(_list_sources(score)),
        as_of=format_timestamp(report.as_of),
        methodology=label_methodology(score.methodology) if score is not None else None,
        complete=complete,
        warnings=list(map(clean, dict.fromkeys(warnings))),
    )
    return document, verdicts


def _build_verdict(guidance: Guidance) -> PreflightVerdict:
    return PreflightVerdict(guidance.purpose, guidance.answer, clean(guidance.verdict))


def _round(value: float | None) -> float | None:
    return None if value is None else round_number(value, _DIGITS)


def _build_range(score: Score | None) -> list[float] | None:
    if score is None or score.low is None or score.high is None:
        return None
    return [round_number(score.low, _DIGITS), round_number(score.high, _DIGITS)]


def _build_cap(score: Score | None) -> PreflightCap | None:
    if score is None or not score.caps:
        return None
    lowest = min(score.caps, key=lambda cap: cap.limit)
    return PreflightCap(lowest.id, float(lowest.limit), clean(lowest.reason))


def _list_reasons(assessment: Assessment) -> Iterator[PreflightReason]:
    if assessment.score is None:
        for text in assessment.reasons[:_MAX_REASONS]:
            yield PreflightReason(None, None, clean(text))
        return
    for reason in assessment.score.reasons[:_MAX_REASONS]:
        points = round_number(min(100.0, max(0.0, reason.damage)), _DIGITS)
        yield PreflightReason(reason.origin, points, clean(reason.text))


def _build_advisory(advisory: AffectingAdvisory, dependency: Dependency) -> PreflightAdvisory:
    fixes = find_newer_fixes(dependency.package.ecosystem, dependency.version or "", advisory)
    severity = advisory.severity
    return PreflightAdvisory(
        id=clean(advisory.id),
        aliases=_clean_all(advisory.aliases),
        severity=severity if severity in ("low", "medium", "high", "critical") else "unknown",  # type: ignore[arg-type]
        summary=clean(advisory.summary) or None,
        fixed_versions=_clean_all(advisory.fixed_in),
        nearest_fix=clean(fixes[0]) if fixes else None,
        malware=advisory.malware,
        known_exploited=advisory.exploited,
        epss=advisory.epss,
        link=clean(advisory.link) or None,
    )


def _knows_advisories(score: Score | None) -> bool:
    signals = score.signals if score is not None else ()
    return any(signal.id == "known_advisories" and signal.state == "known" for signal in signals)


def _build_upgrade(upgrade: Upgrade | None) -> PreflightUpgrade | None:
    if upgrade is None:
        return None
    return PreflightUpgrade(
        version=clean(upgrade.version),
        score=_round(upgrade.value),
        grade=upgrade.grade,
        provisional=upgrade.provisional,
        passes=upgrade.passes,
        fixed_advisories=_clean_all(upgrade.fixed_advisories),
        released_at=format_timestamp(upgrade.released_at) or None,
    )


def _list_sources(score: Score | None) -> Iterator[PreflightSource]:
    """Yield the sources of the signals, by name: what they gave, and what they did not."""
    oldest: dict[str, int] = {}
    unknown: dict[str, list[str]] = {}
    for signal in score.signals if score is not None else ():
        if not signal.source:
            continue
        unknown.setdefault(signal.source, [])
        if signal.state == "unknown":
            unknown[signal.source].append(signal.id)
        elif signal.retrieved_at:
            oldest[signal.source] = min(oldest.get(signal.source, signal.retrieved_at), signal.retrieved_at)
    for name in sorted(unknown):
        yield PreflightSource(clean(name), format_timestamp(oldest.get(name, 0)) or None, unknown[name])


def _clean_all(texts: Iterable[str]) -> list[str]:
    return list(map(clean, texts))
