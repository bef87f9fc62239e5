"""Facts → Signals: what each fact is worth on the 0-100 scale, one module per dimension."""

from __future__ import annotations

from nerq_cli.facts import Absent, Evidence, Found
from nerq_cli.inventory import Ecosystem
from nerq_cli.signals import community, compliance, documentation, maintenance, security
from nerq_cli.signals.context import Context
from nerq_cli.signals.signal import Flag, Measured, Signal

DIMENSIONS = (security, maintenance, documentation, compliance, community)

__all__ = ["Flag", "Measured", "Signal", "measure"]


def measure(ecosystem: Ecosystem, version: str, evidence: Evidence, as_of: int) -> Measured:
    """Measure every signal of one version from the evidence, as of a moment (epoch seconds UTC).

    Pure: the same evidence and moment give the same result. Never raises for anything the evidence says.
    """
    context = Context(ecosystem, version, evidence, as_of)
    signals: list[Signal] = []
    flags: list[Flag] = []
    for dimension in DIMENSIONS:
        for result in dimension.measure(context):
            signals.append(result) if isinstance(result, Signal) else flags.append(result)
    flags.extend(maintenance.unsupported_python(context))
    return Measured(tuple(signals), tuple(flags), _verdict(evidence))


def _verdict(evidence: Evidence) -> str:
    """Say why there can be no score at all; empty when there can."""
    project = evidence.project
    if isinstance(project, Absent):
        return "not found in the registry: a typing error, a private package, or an open door for somebody else's"
    if isinstance(project, Found) and project.value.status == "unpublished":
        return "unpublished from the registry"
    return ""
