"""CycloneDX 1.6 and 1.7 in JSON: components, licences, relations, vulnerabilities, and scores as properties."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import msgspec

from nerq_cli.ecosystems import NPM, Kind
from nerq_cli.facts import AffectingAdvisory
from nerq_cli.inventory import Dependency
from nerq_cli.policy.findings import AppliedWaiver, Finding
from nerq_cli.policy.fix import find_newer_fixes
from nerq_cli.report.advisory import deduplicate_advisories
from nerq_cli.report.changes import (
    describe_changes,
    describe_findings,
    describe_summary,
    list_removed,
    name_removed,
)
from nerq_cli.report.gaps import is_fully_checked, list_gaps
from nerq_cli.report.identifiers import build_uuid
from nerq_cli.report.json_lists import write_document
from nerq_cli.report.licences import find_licence
from nerq_cli.report.model import Assessment, Report
from nerq_cli.report.model_cards import ModelCard, read_model_card
from nerq_cli.report.relations import Relations, find_relations
from nerq_cli.report.sanitize import TEXT_LIMIT, sanitize_text
from nerq_cli.report.uris import clean_link, is_file_path
from nerq_cli.report.wording import describe_methodologies, format_timestamp, label_methodology

if TYPE_CHECKING:
    from nerq_cli.report import RenderOptions

#: Version of the specification where the format has no variant.
DEFAULT_VERSION: Final = "1.6"
#: Bom-ref of the project, whose name and version no dependency file has to state.
ROOT_REF: Final = "nerq:project"
#: Publishers of advisories, by the prefix of their ids.
_PUBLISHERS: Final = {
    "CVE": ("NVD", "https://nvd.nist.gov/"),
    "GHSA": ("GitHub Advisories", "https://github.com/advisories"),
    "PYSEC": ("PyPA Advisory Database", "https://github.com/pypa/advisory-database"),
    "MAL": ("OpenSSF Malicious Packages", "https://github.com/ossf/malicious-packages"),
}
_OTHER_PUBLISHER: Final = ("OSV", "https://osv.dev/")
#: Kinds of groups of a dependency that no installation for use needs, and those that one may omit as well.
_DEV_KINDS: Final = frozenset({"dev", "build"})
_OPTIONAL_KINDS: Final = frozenset({"optional", "extra", "peer", *_DEV_KINDS})
#: Property of cyclonedx-npm for development dependencies.
_NPM_DEVELOPMENT: Final = "cdx:npm:package:development"
#: Type of a component by the kind of the dependency; all others are libraries.
_COMPONENT_TYPES: Final[Mapping[Kind, str]] = {
    "model": "machine-learning-model",
    "hosted-model": "machine-learning-model",
    "dataset": "data",
    "space": "application",
    "mcp-server": "application",
}
#: Most base models, datasets and metrics of one component.
_MAX_RELATED: Final = 50
#: Most reasons of a dependency, and most texts on what was not checked.
_MAX_TEXTS: Final = 10
#: Most dependencies that are named as removed.
_MAX_REMOVED: Final = 1_000


def render(report: Report, options: RenderOptions) -> bytes:
    """Return the report as a bill of materials, with the moment of the report in place of the clock."""
    return b"".join(render_parts(report, options))


def render_parts(report: Report, options: RenderOptions) -> Iterator[bytes]:
    """Yield the parts of the same, an element at a time."""
    refs, changes = _build_refs(report), describe_changes(report)
    relations = find_relations([assessment.dependency for assessment in report.dependencies])
    encode = msgspec.json.Encoder().encode
    lists = {
        "components": [
            encode(_build_component(assessment, ref, changes.get(assessment.dependency.purl, "")))
            for assessment, ref in zip(report.dependencies, refs, strict=True)
        ],
        "dependencies": list(map(encode, _list_edges(refs, relations))),
        "vulnerabilities": list(map(encode, _build_vulnerabilities(report, refs))),
    }
    document = _build_document(report, options.variant or DEFAULT_VERSION, is_clear=not relations.unclear)
    content = chain([encode(document)], *lists.values())
    document["serialNumber"] = f"urn:uuid:{build_uuid(*content)}"
    yield from write_document(document, lists, compact=options.compact)


def _list_edges(refs: list[str], relations: Relations) -> Iterator[dict[str, Any]]:
    yield {"ref": ROOT_REF, "dependsOn": _unique(refs[number] for number in relations.direct)}
    for number, ref in enumerate(refs):
        yield {"ref": ref, "dependsOn": _unique(refs[child] for child in relations.children.get(number, ()))}


def _build_document(report: Report, version: str, *, is_clear: bool) -> dict[str, Any]:
    """Return the document without its long lists."""
    return {
        "$schema": f"http://cyclonedx.org/schema/bom-{version}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": version,
        "serialNumber": "",
        "version": 1,
        "metadata": _build_metadata(report),
        "components": [],
        "dependencies": [],
        "compositions": [
            {
                "aggregate": _describe_completeness(report, is_clear=is_clear),
                "assemblies": [ROOT_REF],
                "dependencies": [ROOT_REF],
            }
        ],
        "vulnerabilities": [],
    }


def _build_refs(report: Report) -> list[str]:
    """Return a unique reference for each dependency: its package URL, with a number if another one has it."""
    counts: dict[str, int] = {}
    refs = []
    for assessment in report.dependencies:
        ref = sanitize_text(assessment.dependency.purl)
        count = counts[ref] = counts.get(ref, 0) + 1
        refs.append(ref if count == 1 else f"{ref}#{count}")
    return refs


def _unique(refs: Iterator[str]) -> list[str]:
    return list(dict.fromkeys(refs))


def _describe_completeness(report: Report, *, is_clear: bool) -> str:
    """Return how complete the list is: only lock files, read without a problem, have all that is installed."""
    is_incomplete = (
        bool(report.errors or report.warnings)
        or any(not assessment.dependency.version for assessment in report.dependencies)
        or not (report.list_only or is_fully_checked(report))
        or not is_clear
    )
    if is_incomplete:
        return "incomplete"
    is_locked = bool(report.dependency_files) and all(file.lockfile for file in report.dependency_files)
    return "complete" if is_locked else "unknown"


def _build_metadata(report: Report) -> dict[str, Any]:
    gaps = [_property("not-checked", f"{gap.level}: {gap.text}") for gap in list_gaps(report)]
    return {
        "timestamp": format_timestamp(report.as_of) or "1970-01-01T00:00:00Z",
        "tools": {"components": [{"type": "application", "name": "nerq-cli", "version": report.version}]},
        "component": {"type": "application", "bom-ref": ROOT_REF, "name": "project"},
        "properties": [
            _property("methodology", describe_methodologies(report)),
            _property("threshold", f"{report.threshold:g}"),
            _property("scored", _word(not report.list_only)),
            _property("complete", _word(report.complete)),
            _property("exit", f"{report.exit.value}"),
            _property("exit-reason", report.exit_reason),
            *gaps[:_MAX_TEXTS],
            *_list_comparison(report),
        ],
    }


def _list_comparison(report: Report) -> Iterator[dict[str, str]]:
    """Yield what a comparison found; CycloneDX has no other place for what a project lacks."""
    comparison = report.comparison
    if comparison is None:
        return
    yield _property("comparison:baseline", comparison.label)
    yield _property("comparison:dependencies", describe_summary(comparison))
    yield _property("comparison:findings", ", ".join(describe_findings(report, comparison)))
    removed = list_removed(report)
    yield from (_property("comparison:removed", name_removed(change)) for change in removed[:_MAX_REMOVED])
    if len(removed) > _MAX_REMOVED:
        yield _property("comparison:removed", f"{len(removed) - _MAX_REMOVED:,} more")


def _property(name: str, value: str) -> dict[str, str]:
    return {"name": f"nerq:{name}", "value": sanitize_text(value, TEXT_LIMIT)}


def _word(value: bool) -> str:  # noqa: FBT001 - the value itself
    return "true" if value else "false"


def _build_component(assessment: Assessment, ref: str, change: str) -> dict[str, Any]:
    """Return a component; ``change`` is what differs from the earlier run."""
    dependency = assessment.dependency
    name = sanitize_text(dependency.package.name)
    group, _, base_name = name.rpartition("/")
    component: dict[str, Any] = {"type": _COMPONENT_TYPES.get(dependency.kind, "library"), "bom-ref": ref}
    card = read_model_card(assessment)
    if card is not None and card.owner is not None:
        component["supplier"] = {"name": sanitize_text(card.owner.name)}
    if group:
        component["group"] = group
    component["name"] = base_name or name
    if dependency.version:
        component["version"] = sanitize_text(dependency.version)
    component["scope"] = _describe_scope(dependency)
    if licences := _build_licences(assessment):
        component["licenses"] = licences
    component["purl"] = sanitize_text(dependency.purl)
    if links := _build_links(assessment):
        component["externalReferences"] = links
    component["properties"] = [*_list_properties(assessment)]
    if card is not None:
        component["properties"] += [_property(name, text) for name, text in _list_card_properties(card) if text]
        component |= _build_model_card(card)
    if change:
        component["properties"].append(_property("change", change))
    if occurrences := _build_occurrences(dependency):
        component["evidence"] = {"occurrences": occurrences}
    return component


def _build_model_card(card: ModelCard) -> dict[str, Any]:
    """Return ``modelCard`` of a model, ``data`` of a dataset; empty for what has neither. Absent facts have no key."""
    if card.repository.kind == "dataset":
        return {"data": [_build_data(card)]}
    if card.repository.kind != "model":
        return {}
    content = {
        "modelParameters": _build_model_parameters(card),
        "quantitativeAnalysis": _build_metrics(card),
        "considerations": _build_considerations(card),
    }
    return {"modelCard": {key: value for key, value in content.items() if value}}


def _build_model_parameters(card: ModelCard) -> dict[str, Any]:
    repository = card.repository
    parameters: dict[str, Any] = {}
    for key, text in (
        ("task", repository.pipeline_tag),
        ("architectureFamily", repository.model_type),
        ("modelArchitecture", ", ".join(repository.architectures)),
    ):
        if text:
            parameters[key] = sanitize_text(text)
    datasets = [{"type": "dataset", "name": sanitize_text(name)} for name in card.datasets[:_MAX_RELATED]]
    training = card.statements.get("training_data_summary")
    if training is not None and not datasets:
        datasets = [{"type": "dataset", "description": sanitize_text(training.text, TEXT_LIMIT)}]
    if datasets:
        parameters["datasets"] = datasets
    return parameters


def _build_metrics(card: ModelCard) -> dict[str, Any]:
    """Return the metrics by name, or where the results stand. The results themselves are not read."""
    metrics = card.repository.card.metrics if card.repository.card is not None else ()
    found = [{"type": sanitize_text(name)} for name in metrics[:_MAX_RELATED]]
    results = card.statements.get("evaluation_results")
    if not found and results is not None:
        found = [{"type": sanitize_text(results.text, TEXT_LIMIT)}]
    return {"performanceMetrics": found} if found else {}


def _build_considerations(card: ModelCard) -> dict[str, Any]:
    considerations: dict[str, Any] = {}
    statements = {key: sanitize_text(statement.text, TEXT_LIMIT) for key, statement in card.statements.items()}
    if text := statements.get("intended_use"):
        considerations["useCases"] = [text]
    limits = [statements[key] for key in ("limitations", "out_of_scope_use") if key in statements]
    if limits:
        considerations["technicalLimitations"] = limits
    if text := statements.get("bias_assessment"):
        considerations["ethicalConsiderations"] = [{"name": text}]
    return considerations


def _build_data(card: ModelCard) -> dict[str, Any]:
    data: dict[str, Any] = {"type": "dataset", "name": sanitize_text(card.repository.id)}
    if statement := card.statements.get("intended_use") or card.statements.get("training_data_summary"):
        data["description"] = sanitize_text(statement.text, TEXT_LIMIT)
    if statement := card.statements.get("personal_data_statement"):
        data["sensitiveData"] = [sanitize_text(statement.text, TEXT_LIMIT)]
    if card.owner is not None:
        owner = sanitize_text(card.owner.name)
        party = {"organization": {"name": owner}} if card.owner.is_organisation else {"contact": {"name": owner}}
        data["governance"] = {"owners": [party]}
    return data


def _list_card_properties(card: ModelCard) -> Iterator[tuple[str, str]]:
    """Yield what CycloneDX has no field for."""
    repository = card.repository
    yield from (("base-model", name) for name in card.base_models[:_MAX_RELATED])
    if repository.kind != "model":
        yield from (("dataset", name) for name in card.datasets[:_MAX_RELATED])
    yield "base-model-relation", repository.base_model_relation
    if repository.card is not None:
        yield "languages", ", ".join(repository.card.languages)
    yield "library", repository.library
    yield "parameters", "" if repository.parameters is None else f"{repository.parameters}"
    yield "gated", repository.gated or ""
    yield "sdk", repository.sdk
    yield "stage", repository.stage


def _describe_scope(dependency: Dependency) -> str:
    kinds = {group.partition(":")[0] for group in dependency.groups}
    return "optional" if kinds and kinds <= _OPTIONAL_KINDS else "required"


def _build_licences(assessment: Assessment) -> list[dict[str, Any]]:
    licence = find_licence(assessment)
    if licence.kind == "expression":
        return [{"expression": licence.value, "acknowledgement": "declared"}]
    if licence.kind == "text":
        return [{"license": {"name": licence.value, "acknowledgement": "declared"}}]
    return []


def _build_links(assessment: Assessment) -> list[dict[str, str]]:
    metadata = assessment.metadata.value if assessment.metadata is not None else None
    if metadata is None:
        return []
    links = {
        "vcs": metadata.repository,
        "website": metadata.homepage,
        "documentation": metadata.documentation,
        "release-notes": metadata.changelog,
    }
    return [{"type": kind, "url": url} for kind, text in links.items() if text and (url := clean_link(text))]


def _build_occurrences(dependency: Dependency) -> list[dict[str, Any]]:
    return [
        {"location": sanitize_text(location.path), **({"line": location.line} if location.line else {})}
        for location in dict.fromkeys(dependency.locations)
        if is_file_path(location.path)
    ]


def _list_properties(assessment: Assessment) -> Iterator[dict[str, str]]:
    """Yield what nerq knows of a dependency: a value that is not known has no property."""
    dependency = assessment.dependency
    texts = (
        ("kind", "" if dependency.kind == "package" else dependency.kind),
        ("state", assessment.state or ""),
        ("direct", _word(dependency.direct)),
        ("resolution", dependency.resolution),
        ("requirement", dependency.requirement),
        ("skip-reason", dependency.skip_reason),
        *(("group", group) for group in dependency.groups),
        *(("parent", parent) for parent in dependency.parents),
        *(("via", via) for via in dependency.via),
        *_list_score(assessment),
        *(("reason", reason) for reason in assessment.reasons[:_MAX_TEXTS]),
        ("fix", assessment.fix),
        ("latest-version", assessment.latest),
        ("released", format_timestamp(assessment.released_at)),
    )
    for name, text in texts:
        if text:
            yield _property(name, text)
    if dependency.package.ecosystem == NPM and _is_development(dependency):
        yield {"name": _NPM_DEVELOPMENT, "value": "true"}


def _list_score(assessment: Assessment) -> Iterator[tuple[str, str]]:
    score = assessment.score
    if score is None:
        return
    if score.value is not None:
        yield "score", f"{score.value:.1f}"
        yield "provisional", _word(score.provisional)
    if score.methodology.target != "packages":
        yield "methodology", label_methodology(score.methodology)
    yield "grade", score.grade or ""
    yield "coverage", f"{score.coverage:.4f}"
    for dimension, mean in score.dimensions.items():
        yield f"dimension:{dimension}", "" if mean is None else f"{mean:.1f}"
    for cap in score.caps:
        yield f"cap:{cap.id}", f"{cap.limit:g}"


def _is_development(dependency: Dependency) -> bool:
    kinds = {group.partition(":")[0] for group in dependency.groups}
    return bool(kinds) and kinds <= _DEV_KINDS


def _build_vulnerabilities(report: Report, refs: list[str]) -> list[dict[str, Any]]:
    """Return each vulnerability once for all components with the same fix, and once for each that has a waiver."""
    waived = {
        (finding.purl, id_): finding
        for finding in report.findings
        if finding.advisory and finding.waiver is not None
        for id_ in (finding.advisory, *finding.advisory_ids)
    }
    vulnerabilities: dict[tuple[str, str, str], dict[str, Any]] = {}
    for assessment, ref in zip(report.dependencies, refs, strict=True):
        for advisory in deduplicate_advisories(assessment.advisories) if assessment.advisories else ():
            ids = (advisory.id, *advisory.aliases)
            purl = assessment.dependency.purl
            finding = next((waived[purl, id_] for id_ in ids if (purl, id_) in waived), None)
            fix = _find_fix(assessment.dependency, advisory)
            key = (advisory.id, ref if finding is not None else "", fix)
            vulnerability = vulnerabilities.get(key)
            if vulnerability is None:
                vulnerability = vulnerabilities[key] = _build_vulnerability(advisory, fix, finding)
                vulnerability["bom-ref"] = f"nerq:vulnerability:{len(vulnerabilities)}"
            affected: dict[str, Any] = {"ref": ref}
            if assessment.dependency.version:
                version = sanitize_text(assessment.dependency.version)
                has_fix = finding is not None and finding.waiver is not None and finding.waiver.status == "fixed"
                affected["versions"] = [{"version": version, "status": "unaffected" if has_fix else "affected"}]
            vulnerability["affects"].append(affected)
    return list(vulnerabilities.values())


def _find_fix(dependency: Dependency, advisory: AffectingAdvisory) -> str:
    """Return the smallest newer version that fixes an advisory; empty if none does."""
    return next(iter(find_newer_fixes(dependency.package.ecosystem, dependency.version or "", advisory)), "")


def _build_vulnerability(advisory: AffectingAdvisory, fix: str, finding: Finding | None) -> dict[str, Any]:
    rating: dict[str, Any] = {"severity": advisory.severity, "method": "other"}
    if advisory.severity_from:
        rating["justification"] = sanitize_text(advisory.severity_from, TEXT_LIMIT)
    vulnerability: dict[str, Any] = {
        "bom-ref": "",
        "id": sanitize_text(advisory.id),
        "source": _find_publisher(advisory.id),
        "references": [
            {"id": sanitize_text(alias), "source": _find_publisher(alias)} for alias in dict.fromkeys(advisory.aliases)
        ],
        "ratings": [rating],
    }
    if advisory.summary:
        vulnerability["description"] = sanitize_text(advisory.summary, TEXT_LIMIT)
    if fix:
        vulnerability["recommendation"] = f"upgrade to {sanitize_text(fix)} or a later fixed version"
    links = dict.fromkeys(clean_link(link) for link in (advisory.link, *advisory.links))
    vulnerability["advisories"] = [{"url": link} for link in links if link]
    if finding is not None:
        vulnerability["analysis"] = _build_analysis(finding.waiver)
    vulnerability["affects"] = []
    properties = []
    if advisory.malware:
        properties.append(_property("malware", "true"))
    if advisory.exploited is not None:
        properties.append(_property("known-exploited", _word(advisory.exploited)))
    if advisory.epss is not None:
        properties.append(_property("epss", f"{advisory.epss:g}"))
    if properties:
        vulnerability["properties"] = properties
    return vulnerability


def _find_publisher(advisory_id: str) -> dict[str, str]:
    name, url = _PUBLISHERS.get(advisory_id.partition("-")[0], _OTHER_PUBLISHER)
    return {"name": name, "url": url}


#: State of an analysis for each status of OpenVEX. A waiver without one accepts the vulnerability for a time, and the
#: version in use has it.
_STATES: Final = {
    "": "exploitable",
    "affected": "exploitable",
    "not_affected": "not_affected",
    "fixed": "resolved",
    "under_investigation": "in_triage",
}
#: Justification for those of OpenVEX that mean the same; the others are in the detail.
_JUSTIFICATIONS: Final = {
    "component_not_present": "code_not_present",
    "vulnerable_code_not_present": "code_not_present",
    "vulnerable_code_not_in_execute_path": "code_not_reachable",
    "inline_mitigations_already_exist": "protected_by_mitigating_control",
}


def _build_analysis(waiver: AppliedWaiver | None) -> dict[str, Any]:
    """Return the analysis of a waived vulnerability: what the waiver, or the VEX document that it is of, states.

    Nothing else makes a vulnerability ``not_affected``: neither the waiver itself nor a fix that does not exist.
    """
    if waiver is None:
        return {}
    details = [waiver.reason]
    if waiver.until:
        details.append(f"accepted until {waiver.until}")
    if waiver.owner or waiver.author:
        details.append(f"by {waiver.owner or waiver.author}")
    analysis: dict[str, Any] = {"state": _STATES[waiver.status]}
    if waiver.status == "not_affected" and waiver.justification in _JUSTIFICATIONS:
        analysis["justification"] = _JUSTIFICATIONS[waiver.justification]
    elif waiver.justification and waiver.justification not in waiver.reason:
        details.insert(0, waiver.justification)
    return {**analysis, "detail": sanitize_text("; ".join(filter(None, details)), TEXT_LIMIT)}
