"""Facts → Signals: what each fact is worth on the 0-100 scale, one module per dimension."""

from __future__ import annotations

from nerq_cli.ecosystems import EcosystemId
from nerq_cli.facts import Absent, Evidence, Found
from nerq_cli.signals import community, compliance, documentation, maintenance, security
from nerq_cli.signals.context import Context
from nerq_cli.signals.signal import Flag, Measurement, Signal

DIMENSIONS = (security, maintenance, documentation, compliance, community)

__all__ = ["Flag", "Measurement", "Signal", "measure_signals"]


def measure_signals(ecosystem: EcosystemId, version: str, evidence: Evidence, as_of: int) -> Measurement:
    """Measure every signal of one version from the evidence, as of a moment (epoch seconds UTC).

    Pure: the same evidence and moment give the same result. Never raises for anything the evidence says.
    """
    context = Context(ecosystem, version, evidence, as_of)
    signals: list[Signal] = []
    flags: list[Flag] = []
    for dimension in DIMENSIONS:
        for item in dimension.measure(context):
            signals.append(item) if isinstance(item, Signal) else flags.append(item)
    flags.extend(maintenance.flag_unsupported_python(context))
    return Measurement(tuple(signals), tuple(flags), _explain_no_score(evidence))


def _explain_no_score(evidence: Evidence) -> str:
    """Say why there can be no score at all; empty when there can."""
    package_info = evidence.package_info
    if isinstance(package_info, Absent):
        return "not found in the registry: a typing error, a private package, or an open door for somebody else's"
    if isinstance(package_info, Found) and package_info.value.status == "unpublished":
        return "unpublished from the registry"
    return ""
