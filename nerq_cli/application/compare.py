"""Compare targets that a user named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from nerq_cli import __version__
from nerq_cli.application.named_targets import assess_targets, explain_missing, explain_no_score
from nerq_cli.ecosystems import get_prefix
from nerq_cli.errors import ExitStatus, UsageError
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
    _check_kinds(names, assessments)
    _check_distinct(names, assessments)
    has_prefixes = len({item.dependency.package.ecosystem for item in assessments}) > 1
    comparison = compare_sides([_build_side(item, has_prefixes=has_prefixes) for item in assessments])
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


def _check_kinds(names: Sequence[str], assessments: Sequence[Assessment]) -> None:
    kinds = [KIND_NAMES[item.dependency.kind][0] for item in assessments]
    if len(set(kinds)) > 1:
        described = ", ".join(f"{name} is a {kind}" for name, kind in zip(names, kinds, strict=True))
        raise UsageError(
            f"targets of different kinds cannot be compared: {described}",
            hint="their scores come from different signals; compare targets of one kind",
        )


def _check_distinct(names: Sequence[str], assessments: Sequence[Assessment]) -> None:
    seen: dict[str, str] = {}
    for name, item in zip(names, assessments, strict=True):
        purl = item.dependency.purl
        if purl in seen:
            pair = f"{name} is named twice" if seen[purl] == name else f"{seen[purl]} and {name} are the same"
            raise UsageError(f"{pair}: {label_target(item)}", hint="name two versions")
        seen[purl] = name


def label_target(assessment: Assessment, *, has_prefix: bool = False) -> str:
    """Return the name and the version of a target: ``requests 2.34.2``, with the ecosystem ``pypi:requests 2.34.2``."""
    dependency = assessment.dependency
    prefix = f"{get_prefix(dependency.package.ecosystem)}:" if has_prefix else ""
    return f"{prefix}{dependency.package.name} {shorten_version(dependency.version or '')}".rstrip()


def _build_side(assessment: Assessment, *, has_prefixes: bool) -> Side:
    signals = assessment.score.signals if assessment.score is not None else ()
    is_known = any(signal.id == "known_advisories" and signal.state == "known" for signal in signals)
    package = assessment.dependency.package
    return Side(
        label=label_target(assessment, has_prefix=has_prefixes),
        package=f"{get_prefix(package.ecosystem)}:{package.name}",
        score=assessment.score,
        reason=explain_no_score(assessment),
        advisories=assessment.advisories,
        knows_advisories=is_known,
        provenance=assessment.provenance,
    )


def _build_facts(text: str, assessment: Assessment) -> SideFacts:
    return SideFacts(
        target=text,
        purl=assessment.dependency.purl,
        version=assessment.dependency.version or "",
        latest=assessment.latest,
        released_at=assessment.released_at,
        releases_behind=assessment.releases_behind,
    )
