"""The decisions of a run as an OpenVEX 0.2 document (openvex/spec, OPENVEX-SPEC.md).

A waiver accepts a vulnerability for a time; it does not state that the project is not affected. ``not_affected`` is
written only where the waiver, or the VEX document that it came from, states that with its justification. What nobody
decided about is ``under_investigation``.

A run without advisories is a document without statements, which the schema of OpenVEX does not allow: it wants one at
least. No statement would be true, and a file that is not written would leave that of an earlier run in its place.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

import msgspec

from nerq_cli.policy.findings import AppliedWaiver, Finding
from nerq_cli.policy.fix import find_newer_fixes
from nerq_cli.report.advisory import deduplicate_advisories
from nerq_cli.report.sanitize import TEXT_LIMIT, sanitize_text
from nerq_cli.report.wording import describe_waiver, format_timestamp
from nerq_cli.signals.advisories import describe_missing_fix

if TYPE_CHECKING:
    from nerq_cli.facts import AffectingAdvisory
    from nerq_cli.inventory import Dependency
    from nerq_cli.report import RenderOptions
    from nerq_cli.report.model import Report

_CONTEXT: Final = "https://openvex.dev/ns/v0.2.0"
#: Start of the ids; a digest of the content follows, so that the same decisions have the same id.
_ID_PREFIX: Final = "urn:nerq-cli:openvex:"
#: Author of a document if no waiver has an owner.
_UNKNOWN_AUTHOR: Final = "unknown"


def render(report: Report, options: RenderOptions) -> bytes:  # noqa: ARG001 - the signature of a format
    """Return the document as UTF-8 JSON, one statement for each advisory on each version in use."""
    timestamp = format_timestamp(report.as_of)
    statements = sorted(_list_statements(report), key=msgspec.json.encode)
    document = {
        "@context": _CONTEXT,
        "@id": "",
        "author": _find_author(report),
        "timestamp": timestamp,
        "version": 1,
        "tooling": f"nerq-cli {report.version}",
        "statements": statements,
    }
    document["@id"] = _ID_PREFIX + sha256(msgspec.json.encode(document)).hexdigest()
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def _find_author(report: Report) -> str:
    owners = {finding.waiver.owner for finding in report.findings if finding.waiver is not None}
    return sanitize_text(", ".join(sorted(filter(None, owners))), TEXT_LIMIT) or _UNKNOWN_AUTHOR


def _list_statements(report: Report) -> Iterator[dict[str, Any]]:
    """Yield a statement for each advisory on each version; dependencies that share a package URL share it."""
    waived = {
        (finding.purl, id_): finding
        for finding in report.findings
        if finding.advisory and finding.waiver is not None
        for id_ in (finding.advisory, *finding.advisory_ids)
    }
    seen: set[tuple[str, str]] = set()
    for assessment in report.dependencies:
        dependency = assessment.dependency
        for advisory in deduplicate_advisories(assessment.advisories) if assessment.advisories else ():
            if (key := (dependency.purl, advisory.id)) in seen:
                continue
            seen.add(key)
            ids = (advisory.id, *advisory.aliases)
            finding = next((waived[dependency.purl, id_] for id_ in ids if (dependency.purl, id_) in waived), None)
            yield _build_statement(dependency, advisory, finding, report)


def _build_statement(
    dependency: Dependency, advisory: AffectingAdvisory, finding: Finding | None, report: Report
) -> dict[str, Any]:
    vulnerability: dict[str, Any] = {"name": sanitize_text(advisory.id)}
    aliases = list(dict.fromkeys(map(sanitize_text, advisory.aliases)))
    if aliases:
        vulnerability["aliases"] = aliases
    fix = next(iter(find_newer_fixes(dependency.package.ecosystem, dependency.version or "", advisory)), "")
    waiver = None if finding is None else finding.waiver
    purl = sanitize_text(dependency.purl)
    return {
        "vulnerability": vulnerability,
        "timestamp": format_timestamp(report.as_of),
        "products": [{"@id": purl, "identifiers": {"purl": purl}}],
        **(_describe_undecided(advisory, fix) if waiver is None else _describe_decision(waiver, fix)),
    }


def _describe_undecided(advisory: AffectingAdvisory, fix: str) -> dict[str, str]:
    notes = f"no decision; {f'fixed in {sanitize_text(fix)}' if fix else describe_missing_fix(advisory)}"
    return {"status": "under_investigation", "status_notes": notes}


def _describe_decision(waiver: AppliedWaiver, fix: str) -> dict[str, str]:
    """Return the status that a waiver states, with what OpenVEX requires beside it; ``affected`` if it states none."""
    notes = sanitize_text(describe_waiver(waiver), TEXT_LIMIT)
    reason = sanitize_text(waiver.reason, TEXT_LIMIT)
    if waiver.status == "not_affected":
        why = {"justification": waiver.justification} if waiver.justification else {"impact_statement": reason}
        return {"status": "not_affected", "status_notes": notes, **why}
    if waiver.status in ("fixed", "under_investigation"):
        return {"status": waiver.status, "status_notes": notes}
    action = f"accepted until {sanitize_text(waiver.until)}: {reason}" if waiver.until else reason
    if fix:
        action = f"update to {sanitize_text(fix)}; {action}"
    return {"status": "affected", "status_notes": notes, "action_statement": sanitize_text(action, TEXT_LIMIT)}
