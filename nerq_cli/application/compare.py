"""Compare targets that a user named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from nerq_cli import __version__
from nerq_cli.application.named_targets import NamedTarget, assess_targets, explain_missing, explain_no_score
from nerq_cli.application.registered_servers import describe_status, label_server
from nerq_cli.ecosystems import get_prefix
from nerq_cli.errors import ExitStatus, UsageError
from nerq_cli.facts import McpRegistration
from nerq_cli.insight.compare import Side, compare_sides
from nerq_cli.report.pages.compare import CompareReport, SideFacts
from nerq_cli.report.wording import KIND_NAMES, shorten_version
from nerq_cli.signals.signal import format_count

if TYPE_CHECKING:
    from nerq_cli.application.session import Session
    from nerq_cli.report.model import Assessment

#: Targets of one comparison.
MIN_TARGETS: Final = 2
MAX_TARGETS: Final = 8


def run_compare(names: Sequence[str], session: Session) -> CompareReport:
    """Score targets, and return them side by side.

    Raises:
        UsageError: there are too few or too many, one is no target, two are the same, or their kinds differ.
    """
    if not MIN_TARGETS <= len(names) <= MAX_TARGETS:
        raise UsageError(
            f"{format_count(len(names), 'target')} to compare: {MIN_TARGETS} to {MAX_TARGETS} are needed",
            hint=_suggest_targets(names),
        )
    options = replace(session.build_scan_options(), find_upgrades=False, keep_provenance=True)
    run = session.open_run()
    targets, notes = assess_targets(names, session, run, options, command="compare")
    assessments = [target.assessment for target in targets]
    _check_kinds(names, targets)
    _check_distinct(targets)
    has_prefixes = len({item.dependency.package.ecosystem for item in assessments}) > 1
    comparison = compare_sides([_build_side(item, has_prefixes=has_prefixes) for item in targets])
    missing = explain_missing(assessments, run)
    if missing:
        status = ExitStatus.INCOMPLETE if options.strict else ExitStatus.PASSED
        reason = f"not everything could be read: {'; '.join(missing)}"
    else:
        status, reason = ExitStatus.PASSED, "compared"
    return CompareReport(
        version=__version__,
        as_of=options.as_of,
        kind=assessments[0].dependency.kind,
        comparison=comparison,
        facts=tuple(_build_facts(target.text, target.assessment) for target in targets),
        complete=not missing and not comparison.has_unknown,
        strict=not missing,
        exit=status,
        exit_reason=reason,
        warnings=tuple(dict.fromkeys((*run.warnings, *notes))),
    )


def _suggest_targets(names: Sequence[str]) -> str:
    if len(names) > MAX_TARGETS:
        return f"leave out {len(names) - MAX_TARGETS}"
    if names:
        return "name another one, or another version: nerq compare requests==2.31.0 requests"
    return "name two: nerq compare pypi:requests pypi:httpx"


def _check_kinds(names: Sequence[str], targets: Sequence[NamedTarget]) -> None:
    kinds = [KIND_NAMES[target.assessment.dependency.kind][0] for target in targets]
    if len(set(kinds)) > 1:
        described = ", ".join(
            f"{name} is {'an' if kind.startswith('MCP') else 'a'} {kind}"
            for name, kind in zip(names, kinds, strict=True)
        )
        raise UsageError(
            f"targets of different kinds cannot be compared: {described}",
            hint="their scores come from different signals; compare targets of one kind",
        )


def _check_distinct(targets: Sequence[NamedTarget]) -> None:
    seen: dict[str, str] = {}
    for target in targets:
        name, item = target.text, target.assessment
        key = item.dependency.purl if target.server is None else label_server(target.server)
        if key in seen:
            pair = f"{name} is named twice" if seen[key] == name else f"{seen[key]} and {name} are the same"
            raise UsageError(f"{pair}: {label_target(item)}", hint="name two versions")
        seen[key] = name


def label_target(assessment: Assessment, *, has_prefix: bool = False) -> str:
    """Return the name and the version of a target: ``requests 2.34.2``, with the ecosystem ``pypi:requests 2.34.2``."""
    dependency = assessment.dependency
    prefix = f"{get_prefix(dependency.package.ecosystem)}:" if has_prefix else ""
    return f"{prefix}{dependency.package.name} {shorten_version(dependency.version or '')}".rstrip()


def _build_side(target: NamedTarget, *, has_prefixes: bool) -> Side:
    assessment, server = target.assessment, target.server
    signals = assessment.score.signals if assessment.score is not None else ()
    is_known = any(signal.id == "known_advisories" and signal.state == "known" for signal in signals)
    package = assessment.dependency.package
    return Side(
        label=label_target(assessment, has_prefix=has_prefixes) if server is None else _label_server(server),
        package=f"{get_prefix(package.ecosystem)}:{package.name}" if server is None else f"mcp:{server.name}",
        objection="was deleted from the MCP registry" if server is not None and server.status == "deleted" else "",
        score=assessment.score,
        reason=explain_no_score(assessment),
        advisories=assessment.advisories,
        knows_advisories=is_known,
        provenance=assessment.provenance,
    )


def _label_server(server: McpRegistration) -> str:
    """Return name and version of a server, with its status if it is not active."""
    status = describe_status(server)
    return f"{label_server(server)}{f' ({status})' if status else ''}"


def _build_facts(text: str, assessment: Assessment) -> SideFacts:
    return SideFacts(
        target=text,
        purl=assessment.dependency.purl,
        version=assessment.dependency.version or "",
        latest=assessment.latest,
        released_at=assessment.released_at,
        releases_behind=assessment.releases_behind,
    )
