"""The report card in words of a dependency of a report: the same in every format."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from nerq_cli.facts import Found
from nerq_cli.hub_facts import HubRepository
from nerq_cli.insight.guidance import Check, Guidance, Subject, build_guidance
from nerq_cli.insight.provenance import list_known_concerns
from nerq_cli.insight.purpose import Purpose
from nerq_cli.insight.restrictions import find_package_restrictions, find_repository_restrictions
from nerq_cli.policy.rules.mcp import MCP_DELETED
from nerq_cli.report import wording
from nerq_cli.report.model import Assessment, Report
from nerq_cli.report.sanitize import TEXT_LIMIT, sanitize_text


def explain_assessment(assessment: Assessment, report: Report, purpose: Purpose, *, label: str = "") -> Guidance:
    """Return the report card for a purpose. Findings that fail the run rule out production and critical systems.

    That an MCP server was deleted rules out every use: the registry does so with spam and malware. What was not scored
    has no commands: they would send a private name, or fail for one that does not exist. ``label`` is what it is
    called, if that is not the name of the dependency.
    """
    findings = wording.select_findings(wording.group_findings(report), assessment.dependency)
    hub = assessment.hub
    exclusion = next((finding.text for finding in findings if finding.fails and finding.id == MCP_DELETED.id), "")
    return build_guidance(
        replace(_describe_subject(assessment), label=label, exclusion=exclusion),
        assessment.score,
        purpose,
        threshold=wording.find_threshold(assessment, report),
        objections=tuple(finding.text for finding in findings if finding.fails),
        restrictions=find_package_restrictions(assessment.score) if hub is None else find_repository_restrictions(hub),
        reasons=assessment.reasons,
        warnings=tuple(finding.text for finding in findings if not finding.fails),
    )


def _describe_subject(assessment: Assessment) -> Subject:
    dependency = assessment.dependency
    subject = Subject(
        ecosystem=dependency.package.ecosystem,
        name=dependency.package.name,
        version=dependency.release.version if dependency.release is not None else dependency.version or "",
        is_available=assessment.score is not None and assessment.in_registry is not False,
        concerns=() if assessment.provenance is None else list_known_concerns(assessment.provenance),
    )
    if assessment.github is not None:
        hosted = assessment.github.hosted
        is_available = isinstance(hosted, Found) and not (hosted.value.disabled or hosted.value.taken_down)
        return replace(subject, is_available=subject.is_available and is_available)
    if assessment.hub is None:
        return subject
    fact = assessment.hub.repository
    if not isinstance(fact, Found):
        # A repository that is missing or private is the same to the Hub.
        return replace(subject, is_available=False)
    return replace(
        subject,
        is_available=subject.is_available and not fact.value.disabled,
        is_gated=bool(fact.value.gated),
        has_pickle=_has_pickle(fact.value),
    )


def _has_pickle(repository: HubRepository) -> bool | None:
    """Return whether a repository has pickle files of weights or data; None if not all files are listed."""
    from nerq_cli.signals.models.files import find_data, find_weights  # only reports about models need it

    if repository.files is None:
        return None
    if repository.kind == "model":
        weights = find_weights(repository.files, (repository.library, *repository.tags))
    else:
        weights = find_data(repository.files)
    if weights.chosen_pickles or weights.other_pickles:
        return True
    return None if repository.more_files else False


def sanitize_guidance(guidance: Guidance) -> Guidance:
    """Return the report card with texts that are safe to export."""
    return Guidance(
        purpose=guidance.purpose,
        answer=guidance.answer,
        verdict=_sanitize(guidance.verdict),
        findings=_sanitize_all(guidance.findings),
        suits=_sanitize_all(guidance.suits),
        avoid=_sanitize_all(guidance.avoid),
        checks=tuple(Check(_sanitize(check.command), _sanitize(check.shows)) for check in guidance.checks),
        licence=_sanitize(guidance.licence),
    )


def _sanitize(text: str) -> str:
    return sanitize_text(text, TEXT_LIMIT)


def _sanitize_all(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(map(_sanitize, texts))
