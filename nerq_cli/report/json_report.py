"""The JSON report, schema 1. Later versions of it only add keys; what is here keeps its name, type and meaning."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from nerq_cli.errors import Problem
from nerq_cli.facts import Vulnerability
from nerq_cli.inventory import Ecosystem, Location
from nerq_cli.methodology import DIMENSIONS, SIGNALS, coverage_label
from nerq_cli.policy import STATES, State
from nerq_cli.policy.finding import Finding
from nerq_cli.policy.remedy import fixes_above
from nerq_cli.policy.way_out import Alternative
from nerq_cli.report.advisory import distinct
from nerq_cli.report.clean import TEXT_LIMIT, plain
from nerq_cli.report.model import Assessed, ManifestLine, Report, SourceLine
from nerq_cli.report.phrases import moment
from nerq_cli.report.points import adding_up
from nerq_cli.report.projects import part, projects
from nerq_cli.scoring.score import Cap, Score

#: Version of the schema; the file :func:`schema` returns describes it.
SCHEMA_VERSION: Final = 1


class _Struct(msgspec.Struct, frozen=True, gc=False):
    """Every key below is a key of the document, in this order; the schema says what each means."""


class _Tool(_Struct, frozen=True):
    name: str
    version: str
    methodology: str


class _Exit(_Struct, frozen=True):
    code: int
    reason: str


class _Summary(_Struct, frozen=True):
    total: int
    skipped: int
    ok: int | UnsetType = UNSET
    below: int | UnsetType = UNSET
    waived: int | UnsetType = UNSET
    unknown: int | UnsetType = UNSET


class _Error(_Struct, frozen=True):
    path: str
    line: int
    column: int
    message: str
    hint: str | None
    text: str | None


class _Manifest(_Struct, frozen=True):
    path: str
    format: str
    dependencies: int
    settled_by: str | None
    errors: list[_Error]
    notes: list[str]


class _Location(_Struct, frozen=True):
    path: str
    line: int


class _Cap(_Struct, frozen=True):
    id: str
    limit: float
    reason: str
    source: str | None
    as_of: str | None


class _Signal(_Struct, frozen=True):
    id: str
    name: str
    dimension: str
    state: str
    value: float | None
    weight: float
    contribution: float | None
    reason: str
    source: str | None
    as_of: str | None


class _Advisory(_Struct, frozen=True):
    id: str
    aliases: list[str]
    severity: str
    severity_from: str | None
    summary: str | None
    affected: str | None
    fixed_in: list[str]
    fix: str | None
    newest_fix: str | None
    link: str | None
    links: list[str]
    malware: bool
    exploited: bool | None
    epss: float | None


class _Alternative(_Struct, frozen=True):
    version: str
    score: float | None
    grade: str | None
    provisional: bool
    in_range: bool
    clears: bool
    fixes: list[str]


class _Finding(_Struct, frozen=True):
    id: str
    text: str
    name: str | None
    purl: str | None
    locations: list[_Location]


class _Dependency(_Struct, frozen=True, kw_only=True):
    ecosystem: str
    name: str
    version: str | None
    requirement: str
    purl: str
    how: str
    direct: bool
    via: list[str]
    groups: list[str]
    locations: list[_Location]
    markers: list[str]
    extras: list[str]
    aliases: list[str]
    skip: str | None
    state: str | UnsetType = UNSET
    found: bool | UnsetType | None = UNSET
    score: float | UnsetType | None = UNSET
    grade: str | UnsetType | None = UNSET
    provisional: bool | UnsetType | None = UNSET
    verified: bool | UnsetType | None = UNSET
    coverage: float | UnsetType | None = UNSET
    coverage_label: str | UnsetType | None = UNSET
    range: list[float] | UnsetType | None = UNSET
    total: float | UnsetType | None = UNSET
    verdict: str | UnsetType | None = UNSET
    dimensions: dict[str, float | None] | UnsetType = UNSET
    caps: list[_Cap] | UnsetType = UNSET
    signals: list[_Signal] | UnsetType = UNSET
    reasons: list[str] | UnsetType = UNSET
    fix: str | UnsetType | None = UNSET
    way_out: _Alternative | UnsetType | None = UNSET
    latest: str | UnsetType | None = UNSET
    latest_scored: _Alternative | UnsetType | None = UNSET
    behind: int | UnsetType | None = UNSET
    released: str | UnsetType | None = UNSET
    advisories: list[_Advisory] | UnsetType = UNSET


class _Project(_Struct, frozen=True):
    path: str
    manifests: list[str]
    summary: _Summary


class _Source(_Struct, frozen=True):
    name: str
    state: str
    asked: int
    answered: int
    from_cache: int
    requests: int
    oldest: str | None
    reason: str | None
    essential: bool
    stands_in: str | None


class _Document(_Struct, frozen=True, kw_only=True):
    schema_version: int
    tool: _Tool
    as_of: str
    threshold: float
    python: str | None
    listed: bool
    complete: bool
    exit: _Exit
    summary: _Summary
    projects: list[_Project]
    manifests: list[_Manifest]
    dependencies: list[_Dependency]
    findings: list[_Finding]
    sources: list[_Source]
    warnings: list[str]
    errors: list[_Error]


def render(report: Report) -> bytes:
    """Return the report as indented UTF-8 JSON. The same report gives the same bytes."""
    document = _Document(
        schema_version=SCHEMA_VERSION,
        tool=_Tool(name="nerq-cli", version=report.version, methodology=report.methodology),
        as_of=moment(report.as_of),
        threshold=float(report.threshold),
        python=report.python or None,
        listed=report.listed,
        complete=report.complete,
        exit=_Exit(report.exit.value, _text(report.exit_reason)),
        summary=_summary(report),
        projects=[
            _Project(plain(one.path), _words(one.manifests), _summary(part(report, one))) for one in projects(report)
        ],
        manifests=[_manifest(manifest) for manifest in report.manifests],
        dependencies=[_dependency(one, listed=report.listed) for one in report.dependencies],
        findings=[_finding(finding) for finding in report.findings],
        sources=[_source(source) for source in report.sources],
        warnings=[_text(warning) for warning in report.warnings],
        errors=[_error(problem) for problem in report.errors],
    )
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def schema() -> str:
    """Return the JSON Schema (2020-12) that every report follows."""
    from importlib.resources import files

    return files("nerq_cli.report").joinpath(f"schema-{SCHEMA_VERSION}.json").read_text(encoding="utf-8")


def _text(text: str) -> str:
    return plain(text, TEXT_LIMIT)


def _texts(texts: Iterable[str]) -> list[str]:
    return [plain(text, TEXT_LIMIT) for text in texts]


def _words(texts: Iterable[str]) -> list[str]:
    return [plain(text) for text in texts]


def _summary(report: Report) -> _Summary:
    skipped = sum(1 for one in report.dependencies if one.dependency.skip)
    if report.listed:
        return _Summary(total=len(report.dependencies), skipped=skipped)
    counts: dict[State, int] = {state: report.count(state) for state in STATES}
    return _Summary(total=len(report.dependencies), **counts)


def _error(problem: Problem) -> _Error:
    return _Error(
        path=plain(problem.path),
        line=problem.line,
        column=problem.column,
        message=_text(problem.message),
        hint=_text(problem.hint) or None,
        text=_text(problem.text) or None,
    )


def _manifest(manifest: ManifestLine) -> _Manifest:
    return _Manifest(
        path=plain(manifest.path),
        format=plain(manifest.format),
        dependencies=manifest.dependencies,
        settled_by=plain(manifest.settled_by) or None,
        errors=[_error(problem) for problem in manifest.problems],
        notes=_texts(manifest.notes),
    )


def _source(source: SourceLine) -> _Source:
    return _Source(
        name=plain(source.name),
        state=source.state,
        asked=source.asked,
        answered=source.answered,
        from_cache=source.from_cache,
        requests=source.requests,
        oldest=moment(source.oldest) or None,
        reason=_text(source.reason) or None,
        essential=source.essential,
        stands_in=source.stands_in or None,
    )


def _dependency(one: Assessed, *, listed: bool) -> _Dependency:
    it = one.dependency
    declared = _Dependency(
        ecosystem=it.package.ecosystem,
        name=plain(it.package.name),
        version=None if it.version is None else plain(it.version),
        requirement=plain(it.requirement),
        purl=plain(it.purl),
        how=it.how,
        direct=it.direct,
        via=_words(it.via),
        groups=_words(it.groups),
        locations=_locations(it.locations),
        markers=_words(it.markers),
        extras=_words(it.extras),
        aliases=_words(it.aliases),
        skip=_text(it.skip) or None,
    )
    return declared if listed else _judged(declared, one)


def _locations(locations: Iterable[Location]) -> list[_Location]:
    return [_Location(plain(location.path), location.line) for location in locations]


def _finding(one: Finding) -> _Finding:
    return _Finding(
        id=one.id,
        text=_text(one.text),
        name=plain(one.name) or None,
        purl=plain(one.purl) or None,
        locations=_locations(one.locations),
    )


def _judged(declared: _Dependency, one: Assessed) -> _Dependency:
    return msgspec.structs.replace(
        declared,
        **(_scored(one.score) if one.score is not None else _UNSCORED),
        state=one.state or UNSET,
        found=one.found,
        reasons=_texts(one.reasons),
        fix=_text(one.fix) or None,
        way_out=_alternative(one.way_out),
        latest=plain(one.latest) or None,
        latest_scored=_alternative(one.latest_scored),
        behind=one.behind,
        released=moment(one.released) or None,
        advisories=[
            _advisory(advisory, one.dependency.package.ecosystem, one.dependency.version or "")
            for advisory in distinct(one.advisories)
        ],
    )


def _alternative(one: Alternative | None) -> _Alternative | None:
    if one is None:
        return None
    return _Alternative(
        version=plain(one.version),
        score=one.value,
        grade=one.grade,
        provisional=one.provisional,
        in_range=one.in_range,
        clears=one.clears,
        fixes=_words(one.fixes),
    )


_UNSCORED: Final[dict[str, object]] = {
    **dict.fromkeys(
        ("score", "grade", "provisional", "verified", "coverage", "coverage_label", "range", "total", "verdict")
    ),
    "dimensions": dict.fromkeys(DIMENSIONS),
    "caps": [],
    "signals": [],
}


def _scored(score: Score) -> dict[str, object]:
    return {
        "score": score.value,
        "grade": score.grade,
        "provisional": score.provisional,
        "verified": score.verified,
        "coverage": round(score.coverage, 4),
        "coverage_label": coverage_label(score.coverage),
        "range": None if score.low is None or score.high is None else [score.low, score.high],
        "total": None if score.total is None else round(score.total, 2),
        "verdict": _text(score.verdict) or None,
        "dimensions": {name: score.dimensions.get(name) for name in DIMENSIONS},
        "caps": [_cap(cap) for cap in score.caps],
        "signals": list(_signals(score)),
    }


def _cap(cap: Cap) -> _Cap:
    return _Cap(cap.id, float(cap.limit), _text(cap.reason), plain(cap.source) or None, moment(cap.seen) or None)


def _signals(score: Score) -> Iterable[_Signal]:
    """Yield the signals; their contributions are rounded so that they still add up to the total."""
    specs = [SIGNALS[signal.id] for signal in score.signals]
    weights = [spec.weight * signal.share for spec, signal in zip(specs, score.signals, strict=True)]
    exact = (
        score.points[spec.dimension] * weight * (signal.value or 0.0)
        for spec, weight, signal in zip(specs, weights, score.signals, strict=True)
    )
    for signal, spec, weight, contribution in zip(score.signals, specs, weights, adding_up(exact, 2), strict=True):
        yield _Signal(
            signal.id,
            spec.name,
            spec.dimension,
            signal.state,
            None if signal.value is None else round(float(signal.value), 1),
            round(weight, 2),
            None if score.total is None else contribution,
            plain(signal.reason, TEXT_LIMIT),
            plain(signal.source) or None,
            moment(signal.seen) or None,
        )


@lru_cache(maxsize=1024)
def _advisory(one: Vulnerability, ecosystem: Ecosystem, version: str) -> _Advisory:
    above = fixes_above(ecosystem, version, one)
    return _Advisory(
        id=plain(one.id),
        aliases=_words(one.aliases),
        severity=one.severity,
        severity_from=plain(one.severity_from) or None,
        summary=_text(one.summary) or None,
        affected=_text(one.affected) or None,
        fixed_in=_words(one.fixed_in),
        fix=plain(above[0]) if above else None,
        newest_fix=plain(above[-1]) if above else None,
        link=plain(one.link) or None,
        links=_words(one.links),
        malware=one.malware,
        exploited=one.exploited,
        epss=one.epss,
    )
