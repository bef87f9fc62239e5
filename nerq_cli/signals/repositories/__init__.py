"""GithubEvidence → Signals: what is known of a source repository on GitHub on the 0-100 scale.

As for packages, a signal is a row of the methodology and a function of the same id in the module of its dimension.
Signals of a package that are about its repository are measured by the same functions.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from nerq_cli.facts import Absent, Unknown
from nerq_cli.github_facts import GithubEvidence
from nerq_cli.methodology.types import Methodology
from nerq_cli.signals import measure_signals
from nerq_cli.signals.repositories import community, compliance, documentation, maintenance, security
from nerq_cli.signals.repositories.context import GithubContext
from nerq_cli.signals.signal import MeasureFunction, Measurement

__all__ = ["REPOSITORY_FUNCTIONS", "measure_github_repository"]

#: The function of each signal of a repository.
REPOSITORY_FUNCTIONS: Final[Mapping[str, MeasureFunction[GithubContext]]] = MappingProxyType(
    {
        **security.FUNCTIONS,
        **maintenance.FUNCTIONS,
        **documentation.FUNCTIONS,
        **compliance.FUNCTIONS,
        **community.FUNCTIONS,
    }
)


def measure_github_repository(methodology: Methodology, evidence: GithubEvidence, as_of: int) -> Measurement:
    """Measure every signal of one repository as of a moment (epoch seconds UTC).

    Pure: the same evidence and moment give the same result. No evidence makes it raise.
    """
    context = GithubContext(methodology, evidence, as_of)
    return measure_signals(methodology, REPOSITORY_FUNCTIONS, context, _explain_no_score(context), context.days)


def _explain_no_score(context: GithubContext) -> str:
    """Return why there can be no score; empty when there can be one."""
    hosted, revision = context.github.hosted, context.github.revision
    if isinstance(hosted, Absent | Unknown):
        return hosted.reason
    if hosted.value.taken_down:
        return "taken down from GitHub for legal reasons"
    if hosted.value.disabled:
        return "disabled on GitHub"
    return revision.reason if isinstance(revision, Absent) else ""
