"""Compliance signals of a repository: those of packages, about the repository's own licence and policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from nerq_cli.facts import Found
from nerq_cli.methodology.types import SignalSpec
from nerq_cli.signals.compliance import measure_disclosure, measure_licence, measure_licence_terms
from nerq_cli.signals.repositories.context import GithubContext
from nerq_cli.signals.signal import MeasureFunction, Signal, build_from_level


def measure_policy(context: GithubContext, spec: SignalSpec) -> Signal:
    """Measure whether the repository describes how to report a vulnerability; its own file is enough."""
    files = context.github.files
    if isinstance(files, Found) and context.find_file("security.") is not None:
        return build_from_level(spec, "yes", "security policy published", files)
    return measure_disclosure(context, spec)


#: The function of each signal, by id.
FUNCTIONS: Final[Mapping[str, MeasureFunction[GithubContext]]] = {
    "licence": measure_licence,
    "licence_terms": measure_licence_terms,
    "disclosure_policy": measure_policy,
}
