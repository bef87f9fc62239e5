"""Facts → Signals: the value of each fact on the 0-100 scale, one module per dimension.

A signal is a row of the methodology and a function of the same id in the module of its dimension.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from types import MappingProxyType
from typing import Final

from nerq_cli.ecosystems import EcosystemId
from nerq_cli.facts import Absent, Evidence, Found
from nerq_cli.methodology.types import Methodology
from nerq_cli.signals import community, compliance, documentation, maintenance, security
from nerq_cli.signals.context import Context
from nerq_cli.signals.signal import ContextT, Flag, MeasureFunction, Measurement, Signal

__all__ = ["Flag", "Measurement", "Signal", "measure_package", "measure_signals"]

#: The function of each signal of a package.
PACKAGE_FUNCTIONS: Final[Mapping[str, MeasureFunction[Context]]] = MappingProxyType(
    {
        **security.FUNCTIONS,
        **maintenance.FUNCTIONS,
        **documentation.FUNCTIONS,
        **compliance.FUNCTIONS,
        **community.FUNCTIONS,
    }
)


def measure_signals(
    methodology: Methodology,
    functions: Mapping[str, MeasureFunction[ContextT]],
    context: ContextT,
    no_score_reason: str = "",
    age_days: int | None = None,
) -> Measurement:
    """Measure every signal of a methodology, each with the function of its id.

    Raises:
        KeyError: A signal has no function.

    """
    signals: list[Signal] = []
    flags: list[Flag] = []
    for spec in methodology.signals.values():
        measured = functions[spec.id](context, spec)
        for item in (measured,) if isinstance(measured, Signal) else measured:
            signals.append(item) if isinstance(item, Signal) else flags.append(item)
    return Measurement(tuple(signals), tuple(flags), no_score_reason, age_days)


def measure_package(
    methodology: Methodology, ecosystem: EcosystemId, version: str, evidence: Evidence, as_of: int
) -> Measurement:
    """Measure every signal of one version of a package as of a moment (epoch seconds UTC).

    Pure: the same evidence and moment give the same result. No evidence makes it raise.
    """
    context = Context(methodology, ecosystem, version, evidence, as_of)
    no_score_reason = _explain_no_score(context)
    return measure_signals(methodology, PACKAGE_FUNCTIONS, context, no_score_reason, context.package_days)


def _explain_no_score(context: Context) -> str:
    """Return why there can be no score; empty when there can be one."""
    package_info = context.evidence.package_info
    if isinstance(package_info, Absent):
        return "not found in the registry: misspelt, or a private name that anyone could register"
    if isinstance(package_info, Found) and package_info.value.status == "unpublished":
        return "unpublished from the registry"
    if isinstance(package_info, Found) and context.version and context.row is None and not package_info.value.partial:
        if context.version in package_info.value.removed:
            return f"version {context.version} was removed from the registry"
        return f"version {context.version} is not listed by the registry: removed, or not there yet"
    if context.is_released_later:
        moment, released = _format_day(context.as_of), _format_day(context.published_at)
        return f"version {context.version} was not released by {moment}: it is of {released}"
    return ""


def _format_day(seconds: int) -> str:
    """Return the UTC date of epoch seconds; empty for a year out of range."""
    try:
        return datetime.fromtimestamp(seconds, timezone.utc).date().isoformat()
    except (OverflowError, OSError, ValueError):
        return ""
