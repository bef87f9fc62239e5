"""Dependency scanning of GitLab: the advisories of each dependency file, by version 15.0 of the report schema."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import msgspec

from nerq_cli.facts import AffectingAdvisory
from nerq_cli.inventory import Dependency
from nerq_cli.policy.fix import find_newer_fixes
from nerq_cli.report.advisory import deduplicate_advisories
from nerq_cli.report.changes import describe_changes, describe_comparison
from nerq_cli.report.gaps import is_fully_checked, list_gaps
from nerq_cli.report.identifiers import build_uuid
from nerq_cli.report.json_lists import write_document
from nerq_cli.report.model import Assessment, Report
from nerq_cli.report.sanitize import TEXT_LIMIT, sanitize_text
from nerq_cli.report.uris import clean_link, name_place
from nerq_cli.report.wording import format_timestamp

if TYPE_CHECKING:
    from nerq_cli.report import RenderOptions

#: GitLab checks a report by the newest patch release of 15.0 that it has.
VERSION: Final = "15.0.6"
#: Longest name of a vulnerability in the schema, in characters.
_NAME_LIMIT: Final = 255
_SEVERITIES: Final = {"critical": "Critical", "high": "High", "medium": "Medium", "low": "Low"}
_LEVELS: Final = {"error": "fatal", "warning": "warn", "note": "info"}
#: Types of identifiers, by the prefix of the id; their names are those of GitLab's own scanners.
_IDENTIFIERS: Final = {"CVE": "cve", "GHSA": "ghsa", "PYSEC": "pysec", "MAL": "osv"}
#: Names that GitLab has for package managers, by the format of a dependency file.
_PACKAGE_MANAGERS: Final = {
    "package.json": "npm",
    "package-lock.json": "npm",
    "yarn.lock": "yarn",
    "pnpm-lock.yaml": "pnpm",
    "bun.lock": "bun",
    "poetry.lock": "poetry",
    "Pipfile": "pipenv",
    "Pipfile.lock": "pipenv",
    "uv.lock": "uv",
    "pdm.lock": "pdm",
}
_ECOSYSTEM_MANAGERS: Final = {"PyPI": "pip", "npm": "npm"}
_NOT_KNOWN: Final = "not known"


def render(report: Report, options: RenderOptions) -> bytes:
    """Return the advisories of all dependencies, also of those that pass."""
    return b"".join(render_parts(report, options))


def render_parts(report: Report, options: RenderOptions) -> Iterator[bytes]:
    """Yield the parts of the same, an element at a time."""
    moment = (format_timestamp(report.as_of) or "1970-01-01T00:00:00Z").removesuffix("Z")
    tool = {"id": "nerq-cli", "name": "nerq-cli", "version": report.version, "vendor": {"name": "nerq-cli"}}
    document = {
        "version": VERSION,
        "scan": {
            "analyzer": tool,
            "scanner": tool,
            "type": "dependency_scanning",
            "start_time": moment,
            "end_time": moment,
            "status": "success" if is_fully_checked(report) else "failure",
            "messages": [
                {"level": _LEVELS[gap.level], "value": sanitize_text(gap.text, TEXT_LIMIT) or _NOT_KNOWN}
                for gap in list_gaps(report)
            ]
            + _describe_run(report),
        },
        "vulnerabilities": [],
        "dependency_files": [],
    }
    lists = {
        "vulnerabilities": map(msgspec.json.encode, _build_vulnerabilities(report)),
        "dependency_files": map(msgspec.json.encode, _build_files(report)),
    }
    yield from write_document(document, lists, compact=options.compact)


def _describe_run(report: Report) -> list[dict[str, str]]:
    text = sanitize_text(describe_comparison(report), TEXT_LIMIT)
    return [{"level": "info", "value": text}] if text else []


def _build_vulnerabilities(report: Report) -> Iterator[dict[str, Any]]:
    waivers = {
        (finding.purl, finding.advisory): finding.waiver for finding in report.findings if finding.waiver is not None
    }
    changes = describe_changes(report)
    states = {(finding.purl, finding.advisory): finding.change for finding in report.findings if finding.change}
    for assessment in report.dependencies:
        dependency = assessment.dependency
        paths = _list_paths(dependency)
        change = changes.get(dependency.purl, "")
        for advisory in deduplicate_advisories(assessment.advisories) if assessment.advisories else ():
            ids = (advisory.id, *advisory.aliases)
            waiver = next((waivers[dependency.purl, id_] for id_ in ids if (dependency.purl, id_) in waivers), None)
            state = next((states[dependency.purl, id_] for id_ in ids if (dependency.purl, id_) in states), "")
            details = _build_details(report, _FINDINGS.get(state, ""), change)
            for path in paths:
                vulnerability = {**_build_vulnerability(assessment, advisory, path), **details}
                if waiver is not None:
                    text = f"Waived until {waiver.until}: {waiver.reason}" if waiver.until else waiver.reason
                    description = vulnerability["description"]
                    vulnerability["description"] = f"{description} ({sanitize_text(text, TEXT_LIMIT)})"
                yield vulnerability


#: What became of a finding, in words.
_FINDINGS: Final = {"new": "new", "worse": "worse", "unchanged": "as before"}


def _build_details(report: Report, finding: str, change: str) -> dict[str, Any]:
    """Return the named fields with what differs from the earlier run; empty without a difference."""
    if report.comparison is None or not (finding or change):
        return {}
    name = sanitize_text(f"Compared with {report.comparison.label}", _NAME_LIMIT)
    text = "; ".join(filter(None, (f"finding {finding}" if finding else "", f"package {change}" if change else "")))
    return {"details": {"comparison": {"name": name, "type": "text", "value": sanitize_text(text, TEXT_LIMIT)}}}


def _list_paths(dependency: Dependency) -> list[str]:
    """Return the files of a dependency; a file is required, so that a package without one has a name in its place."""
    return list(dict.fromkeys(place.path for place in dependency.locations)) or [""]


def _build_vulnerability(assessment: Assessment, advisory: AffectingAdvisory, path: str) -> dict[str, Any]:
    dependency = assessment.dependency
    advisory_id = sanitize_text(advisory.id)
    name = f"{advisory_id}: {sanitize_text(advisory.summary)}" if advisory.summary else advisory_id
    description = sanitize_text(advisory.summary, TEXT_LIMIT) or f"{advisory_id} affects the version in use."
    if advisory.exploited:
        description += " Exploited in the wild (CISA KEV)."
    identity = f"{dependency.purl}\n{advisory.id}\n{path}".encode("utf-8", "surrogatepass")
    vulnerability: dict[str, Any] = {
        "id": build_uuid(identity),
        "name": sanitize_text(name, _NAME_LIMIT),
        "description": description,
        "severity": "Critical" if advisory.malware else _SEVERITIES.get(advisory.severity, "Unknown"),
        "identifiers": [_build_identifier(id_, advisory) for id_ in dict.fromkeys((advisory.id, *advisory.aliases))],
        "links": [
            {"url": link}
            for link in dict.fromkeys(clean_link(link) for link in (advisory.link, *advisory.links))
            if link
        ],
        "location": {
            "file": name_place(path),
            "dependency": {
                "package": {"name": sanitize_text(dependency.package.name)},
                "version": sanitize_text(dependency.version or ""),
                "direct": dependency.direct,
            },
        },
    }
    fixes = find_newer_fixes(dependency.package.ecosystem, dependency.version or "", advisory)
    if advisory.malware:
        vulnerability["solution"] = "Remove it, and treat every machine that installed it as compromised."
    elif fixes:
        vulnerability["solution"] = f"Upgrade to {sanitize_text(fixes[0])} or a later fixed version."
    return vulnerability


def _build_identifier(advisory_id: str, advisory: AffectingAdvisory) -> dict[str, str]:
    value = sanitize_text(advisory_id)
    identifier = {"type": _IDENTIFIERS.get(value.partition("-")[0], "osv"), "name": value, "value": value}
    link = clean_link(advisory.link) if advisory_id == advisory.id else ""
    return {**identifier, "url": link} if link else identifier


def _build_files(report: Report) -> list[dict[str, Any]]:
    formats = {file.path: file.format for file in report.dependency_files}
    entries: dict[str, dict[str, Any]] = {}
    for assessment in report.dependencies:
        dependency = assessment.dependency
        # as text: a list of objects would be several times as large in memory
        encoded = msgspec.Raw(
            msgspec.json.encode(
                {
                    "package": {"name": sanitize_text(dependency.package.name)},
                    "version": sanitize_text(dependency.version or ""),
                    "direct": dependency.direct,
                }
            )
        )
        for path in _list_paths(dependency):
            manager = _PACKAGE_MANAGERS.get(formats.get(path, ""), "")
            ecosystem = dependency.package.ecosystem
            entry = entries.setdefault(
                path,
                {
                    "path": name_place(path),
                    "package_manager": manager or _ECOSYSTEM_MANAGERS.get(ecosystem, ecosystem.lower()),
                    "dependencies": [],
                },
            )
            entry["dependencies"].append(encoded)
    return list(entries.values())
