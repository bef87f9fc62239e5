"""What differs from the run that a report is compared with, as texts for every format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from nerq_cli.ecosystems import GITHUB, EcosystemId, get_prefix, is_hub
from nerq_cli.inventory import Package, Release
from nerq_cli.methodology.types import Methodology
from nerq_cli.policy.baseline import KINDS, CapChange, Comparison, DependencyChange, SignalChange
from nerq_cli.report.glyphs import UNICODE_GLYPHS
from nerq_cli.report.identity import keep_for_report
from nerq_cli.report.model import Report
from nerq_cli.report.wording import shorten_version
from nerq_cli.signals.signal import format_count

#: Signals that a text names.
_MAX_SIGNALS: Final = 3
_UNKNOWN_VERSION: Final = "(version not known)"


@keep_for_report
def find_changes(report: Report) -> Mapping[str, Sequence[DependencyChange]]:
    """Return the changes of each dependency that this run has, by its package URL; empty without a comparison.

    One version may be added in one project and upgraded to in another.
    """
    if report.comparison is None:
        return {}
    found: dict[str, list[DependencyChange]] = {}
    for change in report.comparison.changes:
        if change.kind != "removed":
            package = Package(ecosystem=change.ecosystem, name=change.name)
            version = change.version_after
            purl = Release(package=package, version=version).purl if version else package.purl
            found.setdefault(purl, []).append(change)
    return found


def list_removed(report: Report) -> list[DependencyChange]:
    """Return the dependencies that this run lacks."""
    changes = () if report.comparison is None else report.comparison.changes
    return [change for change in changes if change.kind == "removed"]


def name_removed(change: DependencyChange) -> str:
    """Return ``pypi:idna 2.31.0``."""
    return f"{get_prefix(change.ecosystem)}:{change.name} {shorten_version(change.version_before or '')}".strip()


def describe_summary(comparison: Comparison) -> str:
    """Return the number of changes of each kind: ``2 added, 1 downgraded, 8 unchanged``."""
    counts = [f"{count:,} {kind}" for kind in KINDS if (count := comparison.count(kind))]
    return ", ".join([*counts, f"{comparison.unchanged:,} unchanged"])


def describe_findings(report: Report, comparison: Comparison) -> Iterator[str]:
    """Yield the number of findings by what became of them."""
    changes = Counter(finding.change for finding in report.findings)
    for count, text in (
        (changes["new"], "new"),
        (changes["worse"], "worse"),
        (changes["unchanged"], "known, as before"),
        (comparison.resolved, "resolved"),
        (comparison.unchecked, "not resolved for certain: could not be checked"),
    ):
        if count:
            yield f"{count:,} {text}"


def describe_comparison(report: Report) -> str:
    """Return both in one sentence: ``compared with main: 2 added, 8 unchanged; findings: 1 new``; empty without one."""
    comparison = report.comparison
    if comparison is None:
        return ""
    text = f"compared with {comparison.label}: {describe_summary(comparison)}"
    findings = ", ".join(describe_findings(report, comparison))
    return f"{text}; findings: {findings}" if findings else text


@keep_for_report
def describe_changes(report: Report) -> Mapping[str, str]:
    """Return what changed of each dependency that this run has, by its package URL.

    As text: ``upgraded from 5.0, score 83.1 → 45.0 because known advisories 100 → 42.5 (-8.5)``.
    """
    return {
        purl: "; ".join(dict.fromkeys(describe_change(report, change) for change in changes))
        for purl, changes in find_changes(report).items()
    }


def describe_change(report: Report, change: DependencyChange) -> str:
    """Return one change as text."""
    text: str = change.kind
    if change.kind in ("upgraded", "downgraded", "replaced"):
        text += f" from {shorten_version(change.version_before or '') or _UNKNOWN_VERSION}"
    score = describe_score(change)
    if score and change.kind != "added":  # its score stands beside it
        text += f", scored {score}" if change.kind == "removed" else f", {score}"
    causes = ", ".join(describe_causes(report, change))
    return f"{text} because {causes}" if causes else text


def describe_versions(change: DependencyChange) -> str:
    """Return the version before and after: ``5.0 → 3.2.19``; one where there is one only."""
    before, after = (version and shorten_version(version) for version in (change.version_before, change.version_after))
    if change.kind in ("added", "rescored"):
        return after or _UNKNOWN_VERSION
    if change.kind == "removed":
        return before or _UNKNOWN_VERSION
    return f"{before or '(not known)'} {UNICODE_GLYPHS.arrow} {after or '(not known)'}"


def describe_score(change: DependencyChange) -> str:
    """Return ``score 94.4 → 65.0``, or the one score of what was added or removed; empty if it did not move."""
    before = _format_score(change.score_before, change.state_before)
    after = _format_score(change.score_after, change.state_after)
    if change.kind == "added":
        return after
    if change.kind == "removed":
        return before
    return f"score {before} {UNICODE_GLYPHS.arrow} {after}" if before != after else ""


def _format_score(score: float | None, state: str | None) -> str:
    return f"{score:.1f}" if score is not None else f"no score ({state})" if state else "no score"


def describe_causes(report: Report, change: DependencyChange) -> Iterator[str]:
    """Yield what moved a score most, caps first: ``known vulnerabilities 20 → 100 (+15.2)``."""
    if change.score_before == change.score_after and change.kind != "rescored":
        return
    yield from map(_describe_cap, change.caps)
    for signal in change.signals[:_MAX_SIGNALS]:
        yield _describe_signal(find_methodology(change.ecosystem, report), signal)
    if len(change.signals) > _MAX_SIGNALS:
        yield format_count(len(change.signals) - _MAX_SIGNALS, "further signal")


def _describe_cap(cap: CapChange) -> str:
    before, after = (f"{limit:g}" if limit is not None else "none" for limit in (cap.limit_before, cap.limit_after))
    return f"cap {cap.id} {before} {UNICODE_GLYPHS.arrow} {after}"


def find_methodology(ecosystem_id: EcosystemId, report: Report) -> Methodology:
    """Return the methodology that scores the packages or repositories of an ecosystem."""
    if ecosystem_id == GITHUB:
        from nerq_cli.methodology.repositories import REPOSITORIES

        return REPOSITORIES
    if not is_hub(ecosystem_id):
        return report.methodology
    from nerq_cli.methodology.models import MODELS

    return MODELS


def _describe_signal(methodology: Methodology, signal: SignalChange) -> str:
    spec = methodology.signals.get(signal.id)
    name = signal.id if spec is None else spec.name
    before, after = (
        f"{value:g}" if value is not None else "not known" for value in (signal.value_before, signal.value_after)
    )
    values = f" {before} {UNICODE_GLYPHS.arrow} {after}" if before != after else f" {after}"
    return f"{name}{values} ({signal.points:+.1f})"
