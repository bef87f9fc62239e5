"""HubEvidence → Signals: what is known of a model, dataset, Space or kernel on the 0-100 scale.

As for packages, a signal is a row of the methodology and a function of the same id in the module of its dimension.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from nerq_cli.facts import Absent
from nerq_cli.hub_facts import HubEvidence
from nerq_cli.methodology.types import Methodology
from nerq_cli.signals import measure_signals
from nerq_cli.signals.models import community, compliance, documentation, maintenance, security
from nerq_cli.signals.models.context import RepositoryContext
from nerq_cli.signals.signal import MeasureFunction, Measurement

__all__ = ["MODEL_FUNCTIONS", "measure_repository"]

#: The function of each signal of a repository.
MODEL_FUNCTIONS: Final[Mapping[str, MeasureFunction[RepositoryContext]]] = MappingProxyType(
    {
        **security.FUNCTIONS,
        **maintenance.FUNCTIONS,
        **documentation.FUNCTIONS,
        **compliance.FUNCTIONS,
        **community.FUNCTIONS,
    }
)


def measure_repository(methodology: Methodology, evidence: HubEvidence, as_of: int) -> Measurement:
    """Measure every signal of one repository of the Hub as of a moment (epoch seconds UTC).

    Pure: the same evidence and moment give the same result. No evidence makes it raise.
    """
    context = RepositoryContext(methodology, evidence, as_of)
    return measure_signals(methodology, MODEL_FUNCTIONS, context, _explain_no_score(context), context.days)


def _explain_no_score(context: RepositoryContext) -> str:
    """Return why there can be no score; empty when there can be one."""
    if isinstance(context.fact, Absent):
        return context.fact.reason or "not found on the Hub: misspelt, private, or a name that anyone could register"
    if context.repository is not None and context.repository.disabled:
        return "disabled on the Hub"
    return ""
