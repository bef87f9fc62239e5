"""The JSON report. Within a schema version keys are only added: none changes its name, type or meaning."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Final, get_args, get_type_hints
from typing import get_origin as get_origin_type

import msgspec
from msgspec import UNSET, UnsetType

from nerq_cli.ecosystems import EcosystemId
from nerq_cli.facts import AffectingAdvisory, Found, Metadata, get_origin
from nerq_cli.insight.guidance import Guidance
from nerq_cli.inventory import Location
from nerq_cli.methodology.types import Methodology
from nerq_cli.policy import STATES
from nerq_cli.policy.age import Availability
from nerq_cli.policy.baseline import DependencyChange
from nerq_cli.policy.findings import AppliedWaiver, Finding
from nerq_cli.policy.fix import find_newer_fixes
from nerq_cli.policy.reviews import ReviewResult
from nerq_cli.policy.upgrade import Upgrade
from nerq_cli.problem import Problem
from nerq_cli.report.advisory import deduplicate_advisories
from nerq_cli.report.alternatives import Alternative, build_alternative
from nerq_cli.report.columns import pack_rows
from nerq_cli.report.guidance import explain_assessment, sanitize_guidance
from nerq_cli.report.identity import keep_for_report
from nerq_cli.report.model import Assessment, DependencyFileSummary, Report, SourceStatus
from nerq_cli.report.projects import group_by_project, report_for_project
from nerq_cli.report.reviews import ReviewDocument, build_review
from nerq_cli.report.rounding import round_number, round_to_sum
from nerq_cli.report.sanitize import TEXT_LIMIT, sanitize_text
from nerq_cli.report.wording import format_timestamp, label_methodology
from nerq_cli.scoring.score import Cap, Score

if TYPE_CHECKING:
    from nerq_cli.insight.alternatives import Choice
    from nerq_cli.report import RenderOptions

#: Rows of a block of columns in a packed report.
_BLOCK_ROWS: Final = 2_000
#: Version of the schema that :func:`read_schema` returns.
SCHEMA_VERSION: Final = 1


#: Keys of ``metadata``, and the fields of the record that hold the value, the best one first.
_METADATA_FIELDS: Final = {
    "licence": ("licence_expression", "licence_classifiers", "licence_text"),
    "repository": ("repository",),
    "attested_repository": ("attested_repository",),
    "homepage": ("homepage",),
    "documentation": ("documentation",),
    "changelog": ("changelog",),
    "required_interpreter": ("required_interpreter",),
    "deprecated": ("deprecated",),
    "readme_length": ("readme",),
}


class _Struct(msgspec.Struct, frozen=True, gc=False):
    """An object of the document: its fields are the keys, in this order. The schema describes each."""


class _Tool(_Struct, frozen=True):
    name: str
    version: str
    methodology: str


class _Exit(_Struct, frozen=True):
    code: int
    reason: str
    report_only: bool
    judged_code: int | None


class _Summary(_Struct, frozen=True):
    total: int
    skipped: int
    waived: int
    ok: int | UnsetType = UNSET
    below: int | UnsetType = UNSET
    unknown: int | UnsetType = UNSET
    not_judged: int | UnsetType = UNSET


class _Error(_Struct, frozen=True):
    path: str
    line: int
    column: int
    message: str
    hint: str | None
    text: str | None
    level: str


class _DependencyFile(_Struct, frozen=True):
    path: str
    format: str
    dependency_count: int
    lockfile: str | None
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
    retrieved_at: str | None


class _Signal(_Struct, frozen=True):
    id: str
    label: str
    name: str
    dimension: str
    state: str
    value: float | None
    weight: float
    contribution: float | None
    reason: str
    source: str | None
    retrieved_at: str | None


class _Advisory(_Struct, frozen=True):
    id: str
    aliases: list[str]
    severity: str
    severity_source: str | None
    summary: str | None
    affected_range: str | None
    fixed_versions: list[str]
    nearest_fix: str | None
    newest_fix: str | None
    link: str | None
    links: list[str]
    malware: bool
    known_exploited: bool | None
    epss: float | None


class _Upgrade(_Struct, frozen=True):
    version: str
    score: float | None
    grade: str | None
    provisional: bool
    in_range: bool
    passes: bool
    fixed_advisories: list[str]
    released_at: str | None


class _AgeRule(_Struct, frozen=True):
    tool: str
    setting: str
    value: str
    location: _Location
    #: What lets the version be installed today in spite of the rule; null if the rule does not leave it out.
    override: str | None


class _Waiver(_Struct, frozen=True):
    reason: str
    until: str | None
    owner: str | None
    location: _Location | None
    status: str | None
    justification: str | None
    author: str | None


class _Finding(_Struct, frozen=True):
    id: str
    text: str
    level: str
    undecided: bool
    name: str | None
    purl: str | None
    version: str | None
    advisory: str | None
    severity: str | None
    locations: list[_Location]
    waiver: _Waiver | None
    change: str | None


class _Field(_Struct, frozen=True):
    value: str | int
    source: str
    retrieved_at: str


class _Dependency(_Struct, frozen=True, kw_only=True):
    ecosystem: str
    kind: str
    name: str
    version: str | None
    requirement: str
    purl: str
    resolution: str
    direct: bool
    via: list[str]
    parents: list[str]
    groups: list[str]
    locations: list[_Location]
    markers: list[str]
    extras: list[str]
    aliases: list[str]
    skip_reason: str | None
    state: str | UnsetType = UNSET
    threshold: float | UnsetType | None = UNSET
    in_registry: bool | UnsetType | None = UNSET
    methodology: str | UnsetType | None = UNSET
    score: float | UnsetType | None = UNSET
    grade: str | UnsetType | None = UNSET
    provisional: bool | UnsetType | None = UNSET
    verified: bool | UnsetType | None = UNSET
    coverage: float | UnsetType | None = UNSET
    coverage_label: str | UnsetType | None = UNSET
    score_range: list[float] | UnsetType | None = UNSET
    uncapped_score: float | UnsetType | None = UNSET
    verdict: str | UnsetType | None = UNSET
    dimensions: dict[str, float | None] | UnsetType = UNSET
    caps: list[_Cap] | UnsetType = UNSET
    signals: list[_Signal] | UnsetType = UNSET
    reasons: list[str] | UnsetType = UNSET
    fix: str | UnsetType | None = UNSET
    installable: str | UnsetType | None = UNSET
    installable_at: str | UnsetType | None = UNSET
    age_rules: list[_AgeRule] | UnsetType = UNSET
    upgrade: _Upgrade | UnsetType | None = UNSET
    latest_version: str | UnsetType | None = UNSET
    latest_released_at: str | UnsetType | None = UNSET
    latest_upgrade: _Upgrade | UnsetType | None = UNSET
    releases_behind: int | UnsetType | None = UNSET
    released_at: str | UnsetType | None = UNSET
    advisories: list[_Advisory] | UnsetType = UNSET
    metadata: dict[str, _Field] | UnsetType = UNSET
    alternatives: list[Alternative] | UnsetType = UNSET
    guidance: Guidance | UnsetType = UNSET
    review: str | UnsetType | None = UNSET
    reviews: list[ReviewDocument] | UnsetType = UNSET


class _Project(_Struct, frozen=True):
    path: str
    dependency_files: list[str]
    summary: _Summary


class _Source(_Struct, frozen=True):
    name: str
    state: str
    subjects: int
    answered_subjects: int
    cached_subjects: int
    requests: int
    oldest_response: str | None
    reason: str | None
    required: bool
    fallback: str | None
    address: str | UnsetType | None = UNSET
    methodology: str | UnsetType | None = UNSET
    unsent_packages: int | UnsetType = UNSET


class _SignalChange(_Struct, frozen=True):
    id: str
    value_before: float | None
    value_after: float | None
    points_before: float
    points_after: float


class _CapChange(_Struct, frozen=True):
    id: str
    limit_before: float | None
    limit_after: float | None


class _Change(_Struct, frozen=True):
    kind: str
    ecosystem: str
    name: str
    version_before: str | None
    version_after: str | None
    projects: list[str]
    state_before: str | None
    state_after: str | None
    score_before: float | None
    score_after: float | None
    signals: list[_SignalChange]
    caps: list[_CapChange]


class _FindingCounts(_Struct, frozen=True):
    new: int
    worse: int
    unchanged: int
    resolved: int
    unchecked: int


class _Comparison(_Struct, frozen=True):
    baseline: str
    scores_compared: bool
    unchanged: int
    findings: _FindingCounts
    notes: list[str]
    changes: list[_Change]


class _Document(_Struct, frozen=True, kw_only=True):
    schema_version: int
    tool: _Tool
    as_of: str
    threshold: float
    python: str | None
    list_only: bool
    complete: bool
    exit: _Exit
    summary: _Summary
    projects: list[_Project]
    dependency_files: list[_DependencyFile]
    dependencies: list[_Dependency]
    findings: list[_Finding]
    comparison: _Comparison | None
    sources: list[_Source]
    warnings: list[str]
    hints: list[str]
    errors: list[_Error]


def render(report: Report, options: RenderOptions) -> bytes:
    """Return the report as UTF-8 JSON. The same report gives the same bytes."""
    return b"".join(render_parts(report, options))


def render_parts(report: Report, options: RenderOptions) -> Iterator[bytes]:
    """Yield the parts of the report, one dependency at a time: the whole would be several times as large in memory."""
    document = _build_document(report)
    is_small = len(report.dependencies) <= _MAX_KEPT
    lists: dict[str, Iterator[_Struct]] = {
        "dependencies": iter(_keep_dependencies(report)) if is_small else _iter_dependencies(report),
        "findings": map(_build_finding, report.findings),
    }
    if options.packed:
        yield from _write_packed(document, lists)
    elif options.compact:
        yield from _write_compact(document, lists)
    else:
        yield from _write_indented(document, lists)


#: Dependencies up to which the objects about them are kept for the HTML report of the same run, which has them as well.
#: They take 6 kB each.
_MAX_KEPT: Final = 2_000


@keep_for_report
def _keep_dependencies(report: Report) -> tuple[_Dependency, ...]:
    return tuple(_iter_dependencies(report))


def _iter_dependencies(report: Report) -> Iterator[_Dependency]:
    rows = (_build_dependency(entry, report.methodology, list_only=report.list_only) for entry in report.dependencies)
    if report.alternatives:
        choices = (report.alternatives.get(entry.dependency.purl) for entry in report.dependencies)
        rows = (
            row if choice is None else msgspec.structs.replace(row, alternatives=_build_alternatives(choice))
            for row, choice in zip(rows, choices, strict=True)
        )
    purpose = report.purpose
    if not purpose:
        return rows
    return (
        msgspec.structs.replace(row, guidance=sanitize_guidance(explain_assessment(entry, report, purpose)))
        for row, entry in zip(rows, report.dependencies, strict=True)
    )


def _build_alternatives(choice: Choice) -> list[Alternative]:
    return list(map(build_alternative, choice.options))


def _write_packed(document: _Document, lists: Mapping[str, Iterable[_Struct]]) -> Iterator[bytes]:
    """Yield the document, and these lists as blocks of columns; ``embedded.extract_report`` puts them together."""
    yield b'{"document":' + msgspec.json.encode(document) + b',"lists":{'
    for number, (key, items) in enumerate(lists.items()):
        yield b"," * bool(number) + f'"{key}":['.encode()
        yield from _pack_blocks(items)
        yield b"]"
    yield b"}}\n"


def _pack_blocks(rows: Iterable[object]) -> Iterator[bytes]:
    """Yield the rows in blocks, so that they need not all be in memory."""
    iterator, separator = iter(rows), b""
    while block := list(islice(iterator, _BLOCK_ROWS)):
        yield separator + msgspec.json.encode({"count": len(block), "column": pack_rows(block)})
        separator = b","


def _write_indented(document: _Document, lists: Mapping[str, Iterable[_Struct]]) -> Iterator[bytes]:
    """Yield the document with these items in place of its empty lists."""
    end = msgspec.json.format(msgspec.json.encode(document), indent=2)
    for key, items in lists.items():
        start, end = _split_document(end, f'\n  "{key}": '.encode())
        yield start
        separator = b""
        for item in items:
            part = msgspec.json.format(msgspec.json.encode(item), indent=2)
            yield separator + b"\n    " + part.replace(b"\n", b"\n    ")  # text in JSON has no line ends of its own
            separator = b","
        end = (b"\n  " if separator else b"") + end
    yield end + b"\n"


def _write_compact(document: _Document, lists: Mapping[str, Iterable[_Struct]]) -> Iterator[bytes]:
    """Yield the document with a line for each of these items, without keys that have their default value."""
    values = {
        field: _drop_defaults(value) if isinstance(value := getattr(document, field), list) else value
        for field in document.__struct_fields__
    }
    end = msgspec.json.encode(values)
    for key, items in lists.items():
        start, end = _split_document(end, f',"{key}":'.encode())
        yield start
        separator = b""
        for item in items:
            yield separator + b"\n" + msgspec.json.encode(_drop_defaults(item))
            separator = b","
        end = (b"\n" if separator else b"") + end
    yield end + b"\n"


def _split_document(text: bytes, key: bytes) -> tuple[bytes, bytes]:
    """Return the text up to the opening bracket of the empty list of a key, and from its closing bracket on.

    No text within the document equals the key, because its quotes would be escaped.
    """
    start = text.index(key + b"[]") + len(key) + 1
    return text[:start], text[start:]


def _drop_defaults(value: object) -> object:
    """Return a value without the keys of its objects that have their default."""
    if isinstance(value, list):
        return [_drop_defaults(item) for item in value]
    if isinstance(value, dict):
        return {key: _drop_defaults(item) for key, item in value.items()}
    if not isinstance(value, _Struct):
        return value
    defaults = find_defaults(type(value))
    items = ((field, getattr(value, field)) for field in value.__struct_fields__)
    return {
        field: _drop_defaults(item)
        for field, item in items
        if item is not UNSET and not (field in defaults and item == defaults[field])
    }


@lru_cache(maxsize=64)
def find_defaults(struct: type[_Struct]) -> dict[str, object]:
    """Return the default of each key of an object that has one: null, false or an empty list, the first that it may be.

    False is no default where null means that something is not known.
    """
    defaults: dict[str, object] = {}
    for field, type_ in get_type_hints(struct).items():
        options = get_args(type_) or (type_,)
        if type(None) in options:
            defaults[field] = None
        elif bool in options:
            defaults[field] = False
        elif list in (get_origin_type(type_), *map(get_origin_type, options)):
            defaults[field] = []
    return defaults


def _build_document(report: Report) -> _Document:
    """Return the document without its dependencies and findings."""
    return _Document(
        schema_version=SCHEMA_VERSION,
        tool=_Tool(name="nerq-cli", version=report.version, methodology=report.methodology.version),
        as_of=format_timestamp(report.as_of),
        threshold=float(report.threshold),
        python=report.python or None,
        list_only=report.list_only,
        complete=report.complete,
        exit=_Exit(
            report.exit.value,
            _sanitize_long(report.exit_reason),
            report.report_only,
            None if report.judged_exit is None else report.judged_exit.value,
        ),
        summary=_build_summary(report),
        projects=[
            _Project(
                sanitize_text(entry.path),
                _sanitize_texts(entry.dependency_files),
                _build_summary(report_for_project(report, entry)),
            )
            for entry in group_by_project(report)
        ],
        dependency_files=[_build_dependency_file(dependency_file) for dependency_file in report.dependency_files],
        dependencies=[],
        findings=[],
        comparison=_build_comparison(report),
        sources=[_build_source(source) for source in report.sources],
        warnings=[_sanitize_long(warning) for warning in report.warnings],
        hints=_sanitize_long_texts(report.hints),
        errors=[_build_error(problem) for problem in report.errors],
    )


def _build_comparison(report: Report) -> _Comparison | None:
    comparison = report.comparison
    if comparison is None:
        return None
    changes = Counter(finding.change for finding in report.findings)
    return _Comparison(
        baseline=sanitize_text(comparison.label),
        scores_compared=comparison.has_scores,
        unchanged=comparison.unchanged,
        findings=_FindingCounts(
            new=changes["new"],
            worse=changes["worse"],
            unchanged=changes["unchanged"],
            resolved=comparison.resolved,
            unchecked=comparison.unchecked,
        ),
        notes=_sanitize_long_texts(comparison.notes),
        changes=list(map(_build_change, comparison.changes)),
    )


def _build_change(change: DependencyChange) -> _Change:
    return _Change(
        kind=change.kind,
        ecosystem=change.ecosystem,
        name=sanitize_text(change.name),
        version_before=None if change.version_before is None else sanitize_text(change.version_before),
        version_after=None if change.version_after is None else sanitize_text(change.version_after),
        projects=[sanitize_text(project) or "." for project in change.projects],
        state_before=change.state_before and sanitize_text(change.state_before),
        state_after=change.state_after,
        score_before=change.score_before,
        score_after=change.score_after,
        signals=[
            _SignalChange(
                sanitize_text(signal.id),
                signal.value_before,
                signal.value_after,
                round(signal.points_before, 2),
                round(signal.points_after, 2),
            )
            for signal in change.signals
        ],
        caps=[_CapChange(sanitize_text(cap.id), cap.limit_before, cap.limit_after) for cap in change.caps],
    )


def read_schema(*, compact: bool = False) -> str:
    """Return the JSON Schema (2020-12) of the report; of a compact one, in which keys with a default may be absent."""
    from importlib.resources import files

    text = files("nerq_cli.report").joinpath(f"schema-{SCHEMA_VERSION}.json").read_text(encoding="utf-8")
    if not compact:
        return text
    schema = msgspec.json.decode(text)
    definitions = schema["$defs"]
    objects = [(definition, definition.get("properties", {})) for definition in definitions.values()]
    # What a report that scores has beside one that only lists.
    branches = [schema[word]["properties"]["dependencies"]["items"] for word in ("then", "else") if word in schema]
    objects += [(branch, definitions["dependency"]["properties"]) for branch in branches if "required" in branch]
    for definition, properties in objects:
        required = definition.get("required", ())
        definition["required"] = [key for key in required if "default" not in properties[key]]
    return msgspec.json.format(msgspec.json.encode(schema).decode(), indent=2) + "\n"


def _sanitize_long(text: str) -> str:
    return sanitize_text(text, TEXT_LIMIT)


def _sanitize_long_texts(texts: Iterable[str]) -> list[str]:
    return [sanitize_text(text, TEXT_LIMIT) for text in texts]


def _sanitize_texts(texts: Iterable[str]) -> list[str]:
    return [sanitize_text(text) for text in texts]


def _build_summary(report: Report) -> _Summary:
    skipped = sum(1 for assessment in report.dependencies if assessment.dependency.skip_reason)
    if report.list_only:
        return _Summary(total=len(report.dependencies), skipped=skipped, waived=0)
    counts = {state.replace("-", "_"): report.count_state(state) for state in STATES}
    return _Summary(total=len(report.dependencies), waived=_count_waived(report), **counts)


def _count_waived(report: Report) -> int:
    """Return the number of waived findings about the dependencies of the report."""
    waived_purls = [finding.purl for finding in report.findings if finding.waiver is not None]
    if not waived_purls:
        return 0
    packages = {purl for item in report.dependencies for purl in (item.dependency.purl, item.dependency.package.purl)}
    return sum(purl in packages for purl in waived_purls)


def _build_error(problem: Problem) -> _Error:
    return _Error(
        path=sanitize_text(problem.path),
        line=problem.line,
        column=problem.column,
        message=_sanitize_long(problem.message),
        hint=_sanitize_long(problem.hint) or None,
        text=_sanitize_long(problem.text) or None,
        level=problem.level,
    )


def _build_dependency_file(dependency_file: DependencyFileSummary) -> _DependencyFile:
    return _DependencyFile(
        path=sanitize_text(dependency_file.path),
        format=sanitize_text(dependency_file.format),
        dependency_count=dependency_file.dependencies,
        lockfile=sanitize_text(dependency_file.lockfile) or None,
        errors=[_build_error(problem) for problem in dependency_file.problems],
        notes=_sanitize_long_texts(dependency_file.notes),
    )


def _build_source(source: SourceStatus) -> _Source:
    return _Source(
        name=sanitize_text(source.name),
        state=source.state,
        subjects=source.subjects,
        answered_subjects=source.answered_subjects,
        cached_subjects=source.from_cache,
        requests=source.requests,
        oldest_response=format_timestamp(source.oldest_response) or None,
        reason=_sanitize_long(source.reason) or None,
        required=source.required,
        fallback=source.fallback or None,
        address=sanitize_text(source.address) or UNSET,
        methodology=(sanitize_text(source.methodology) or None) if source.address else UNSET,
        unsent_packages=source.unsent_packages if source.address else UNSET,
    )


def _build_dependency(assessment: Assessment, methodology: Methodology, *, list_only: bool) -> _Dependency:
    dependency = assessment.dependency
    declaration = _Dependency(
        ecosystem=dependency.package.ecosystem,
        kind=dependency.kind,
        name=sanitize_text(dependency.package.name),
        version=None if dependency.version is None else sanitize_text(dependency.version),
        requirement=sanitize_text(dependency.requirement),
        purl=sanitize_text(dependency.purl),
        resolution=dependency.resolution,
        direct=dependency.direct,
        via=_sanitize_texts(dependency.via),
        parents=_sanitize_texts(dependency.parents),
        groups=_sanitize_texts(dependency.groups),
        locations=_build_locations(dependency.locations),
        markers=_sanitize_texts(dependency.markers),
        extras=_sanitize_texts(dependency.extras),
        aliases=_sanitize_texts(dependency.aliases),
        skip_reason=_sanitize_long(dependency.skip_reason) or None,
    )
    return declaration if list_only else _add_assessment(declaration, assessment, methodology)


def _build_locations(locations: Iterable[Location]) -> list[_Location]:
    return [_Location(sanitize_text(location.path), location.line) for location in locations]


def _build_finding(finding: Finding) -> _Finding:
    return _Finding(
        id=finding.id,
        text=_sanitize_long(finding.text),
        level=finding.level,
        undecided=finding.undecided,
        name=sanitize_text(finding.name) or None,
        purl=sanitize_text(finding.purl) or None,
        version=sanitize_text(finding.version) or None,
        advisory=sanitize_text(finding.advisory) or None,
        severity=finding.severity or None,
        locations=_build_locations(finding.locations),
        waiver=None if finding.waiver is None else _build_waiver(finding.waiver),
        change=finding.change or None,
    )


def _build_waiver(waiver: AppliedWaiver) -> _Waiver:
    return _Waiver(
        reason=_sanitize_long(waiver.reason),
        until=sanitize_text(waiver.until) or None,
        owner=sanitize_text(waiver.owner) or None,
        location=None if waiver.location is None else _build_locations([waiver.location])[0],
        status=waiver.status or None,
        justification=waiver.justification or None,
        author=_sanitize_long(waiver.author) or None,
    )


def _name_methodology(assessment: Assessment, methodology: Methodology) -> str | None:
    """Return the methodology of a score where it is another one than that of the tool."""
    score = assessment.score
    return None if score is None or score.methodology == methodology else label_methodology(score.methodology)


def _add_assessment(declaration: _Dependency, assessment: Assessment, methodology: Methodology) -> _Dependency:
    return msgspec.structs.replace(
        declaration,
        **(_no_score_fields(methodology) if assessment.score is None else _score_fields(assessment.score)),
        state=assessment.state or UNSET,
        threshold=None if assessment.threshold is None else float(assessment.threshold),
        in_registry=assessment.in_registry,
        methodology=_name_methodology(assessment, methodology),
        reasons=_sanitize_long_texts(assessment.reasons),
        fix=_sanitize_long(assessment.fix) or None,
        **({} if assessment.availability is None else _availability_fields(assessment.availability)),
        upgrade=_build_upgrade(assessment.upgrade),
        latest_version=sanitize_text(assessment.latest) or None,
        latest_released_at=format_timestamp(assessment.latest_released_at) or None,
        latest_upgrade=_build_upgrade(assessment.latest_upgrade),
        releases_behind=assessment.releases_behind,
        released_at=format_timestamp(assessment.released_at) or None,
        advisories=[
            _build_advisory(advisory, assessment.dependency.package.ecosystem, assessment.dependency.version or "")
            for advisory in deduplicate_advisories(assessment.advisories)
        ],
        metadata=UNSET if assessment.metadata is None else _build_metadata(assessment.metadata),
        **({} if assessment.review is None else _review_fields(assessment.review)),
    )


def _review_fields(review: ReviewResult) -> dict[str, object]:
    return {"review": review.verdict or None, "reviews": list(map(build_review, review.reviews))}


def _build_metadata(metadata: Found[Metadata]) -> dict[str, _Field]:
    """Return the fields that a source has, each with that source."""
    fields: dict[str, _Field] = {}
    for key, names in _METADATA_FIELDS.items():
        for name in names:
            value = getattr(metadata.value, name)
            if value and key not in fields:
                origin = get_origin(metadata, name)
                text = ", ".join(value) if isinstance(value, tuple) else value
                fields[key] = _Field(
                    text if isinstance(text, int) else _sanitize_long(text),
                    sanitize_text(origin.source),
                    format_timestamp(origin.retrieved_at),
                )
    return fields


def _build_upgrade(upgrade: Upgrade | None) -> _Upgrade | None:
    if upgrade is None:
        return None
    return _Upgrade(
        version=sanitize_text(upgrade.version),
        score=upgrade.value,
        grade=upgrade.grade,
        provisional=upgrade.provisional,
        in_range=upgrade.in_range,
        passes=upgrade.passes,
        fixed_advisories=_sanitize_texts(upgrade.fixed_advisories),
        released_at=format_timestamp(upgrade.released_at) or None,
    )


def _availability_fields(availability: Availability) -> dict[str, object]:
    """Return whether age rules let the version of ``fix`` be installed."""
    overrides: tuple[str, ...] = availability.overrides
    return {
        "installable": availability.state,
        "installable_at": format_timestamp(availability.installable_at) or None,
        "age_rules": [
            _AgeRule(
                rule.tool,
                sanitize_text(rule.setting),
                sanitize_text(rule.value),
                _build_locations([rule.location])[0],
                _sanitize_long(overrides[index]) if index < len(overrides) else None,
            )
            for index, rule in enumerate(availability.rules)
        ],
    }


def _no_score_fields(methodology: Methodology) -> dict[str, object]:
    names = (
        "score",
        "grade",
        "provisional",
        "verified",
        "coverage",
        "coverage_label",
        "score_range",
        "uncapped_score",
        "verdict",
    )
    return {
        **dict.fromkeys(names),
        "dimensions": dict.fromkeys(methodology.dimensions),
        "caps": [],
        "signals": [],
    }


def _score_fields(score: Score) -> dict[str, object]:
    return {
        "score": score.value,
        "grade": score.grade,
        "provisional": score.provisional,
        "verified": score.is_verified,
        "coverage": round(score.coverage, 4),
        "coverage_label": score.methodology.find_coverage_label(score.coverage),
        "score_range": None if score.low is None or score.high is None else [score.low, score.high],
        "uncapped_score": None if score.total is None else round(score.total, 2),
        "verdict": _sanitize_long(score.verdict) or None,
        "dimensions": dict(score.dimensions),
        "caps": [_build_cap(cap) for cap in score.caps],
        "signals": list(_build_signals(score)),
    }


def _build_cap(cap: Cap) -> _Cap:
    return _Cap(
        cap.id,
        float(cap.limit),
        _sanitize_long(cap.reason),
        sanitize_text(cap.source) or None,
        format_timestamp(cap.retrieved_at) or None,
    )


def _build_signals(score: Score) -> Iterable[_Signal]:
    """Yield the signals, with contributions rounded so that they add up to the total."""
    signals = tuple(score.signals)
    specs = [score.methodology.signals[signal.id] for signal in signals]
    weights = [spec.weight * signal.share for spec, signal in zip(specs, signals, strict=True)]
    contributions = (
        score.points_per_weight[spec.dimension] * weight * (signal.value or 0.0)
        for spec, weight, signal in zip(specs, weights, signals, strict=True)
    )
    for signal, spec, weight, contribution in zip(signals, specs, weights, round_to_sum(contributions, 2), strict=True):
        yield _Signal(
            signal.id,
            spec.label,
            spec.name,
            spec.dimension,
            signal.state,
            None if signal.value is None else round_number(float(signal.value), 1),
            round_number(weight, 2),
            None if score.total is None else contribution,
            sanitize_text(signal.reason, TEXT_LIMIT),
            sanitize_text(signal.source) or None,
            format_timestamp(signal.retrieved_at) or None,
        )


@lru_cache(maxsize=1024)
def _build_advisory(advisory: AffectingAdvisory, ecosystem: EcosystemId, version: str) -> _Advisory:
    fixes = find_newer_fixes(ecosystem, version, advisory)
    return _Advisory(
        id=sanitize_text(advisory.id),
        aliases=_sanitize_texts(advisory.aliases),
        severity=advisory.severity,
        severity_source=sanitize_text(advisory.severity_from) or None,
        summary=_sanitize_long(advisory.summary) or None,
        affected_range=_sanitize_long(advisory.affected) or None,
        fixed_versions=_sanitize_texts(advisory.fixed_in),
        nearest_fix=sanitize_text(fixes[0]) if fixes else None,
        newest_fix=sanitize_text(fixes[-1]) if fixes else None,
        link=sanitize_text(advisory.link) or None,
        links=_sanitize_texts(advisory.links),
        malware=advisory.malware,
        known_exploited=advisory.exploited,
        epss=advisory.epss,
    )
