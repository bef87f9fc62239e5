"""The report card in words of a dependency of a report: the same in every format."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from nerq_cli.insight.guidance import Check, Guidance, Subject, build_guidance
from nerq_cli.insight.purpose import Purpose
from nerq_cli.report import wording
from nerq_cli.report.model import Assessment, Report
from nerq_cli.report.sanitize import TEXT_LIMIT, sanitize_text


def explain_assessment(assessment: Assessment, report: Report, purpose: Purpose) -> Guidance:
    """Return the report card for a purpose. Findings that fail the run rule out production and critical systems.

    What was not scored has no commands: they would send a private name, or fail for one that does not exist.
    """
    dependency = assessment.dependency
    version = dependency.release.version if dependency.release is not None else dependency.version or ""
    findings = wording.group_findings(report).get(dependency.purl, ())
    guidance = build_guidance(
        Subject(ecosystem=dependency.package.ecosystem, name=dependency.package.name, version=version),
        assessment.score,
        purpose,
        threshold=wording.find_threshold(assessment, report),
        objections=tuple(finding.text for finding in findings if finding.fails),
        reasons=assessment.reasons,
    )
    return guidance if assessment.score is not None else replace(guidance, checks=())


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
