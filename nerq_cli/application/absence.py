"""Which named targets are known not to exist: the one rule of all commands that take targets.

Such a target is an error of whoever named it (exit status 2). What could not be read (a private repository, an outage)
is not known not to exist.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nerq_cli.ecosystems import is_repository
from nerq_cli.facts import Absent, Fact

if TYPE_CHECKING:
    from nerq_cli.report.model import Assessment


def list_repository_facts(assessment: Assessment) -> list[Fact[Any]]:
    """Return the facts that decide whether a repository exists; none for a package."""
    if assessment.github is not None:
        return [assessment.github.hosted, assessment.github.revision]
    return [assessment.hub.repository] if assessment.hub is not None else []


def explain_absence(assessment: Assessment) -> str:
    """Return why a target does not exist; empty if it does, or if that is not known.

    A package or version with advisories existed: registries remove malware.
    """
    dependency = assessment.dependency
    if dependency.skip_reason or assessment.advisories:
        return ""
    absent = next((fact for fact in list_repository_facts(assessment) if isinstance(fact, Absent)), None)
    if absent is not None:
        return absent.reason or "there is no such repository"
    if assessment.in_registry is False:
        return f"there is no such package on {dependency.package.ecosystem}"
    if assessment.is_missing_version:
        return next(iter(assessment.reasons), "there is no such version")
    return ""


def describe_absence(assessment: Assessment) -> str:
    """Return why a target does not exist, with its name; empty if it does, or if that is not known."""
    reason = explain_absence(assessment)
    if not reason:
        return ""
    dependency = assessment.dependency
    version = (
        dependency.requirement if assessment.in_registry and not is_repository(dependency.package.ecosystem) else ""
    )
    return f"{dependency.package.name}{version}: {reason}"
