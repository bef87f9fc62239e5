"""Documentation signals of a repository: README, description, guides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from nerq_cli.facts import Found
from nerq_cli.methodology.types import SignalSpec
from nerq_cli.signals.repositories.context import GithubContext
from nerq_cli.signals.signal import MeasureFunction, Signal, build_known, build_missing, build_unknown


def measure_readme(context: GithubContext, spec: SignalSpec) -> Signal:
    """Measure the size of the README at the root."""
    fact = context.github.files
    if not isinstance(fact, Found):
        return build_missing(spec, fact)
    file, curve = context.find_file("readme"), spec.curves["bytes"]
    if file is None:
        if context.has_file("readme") is None:
            return build_unknown(spec, "no README at the root; .github and docs were not read", fact.source)
        return build_known(spec, curve.value_at(0), "no README", fact)
    if file.size is None:
        return build_unknown(spec, f"size of {file.name} not stated", fact.source)
    return build_known(spec, curve.value_at(file.size), f"{file.name} of {file.size:,} bytes", fact)


def measure_guides(context: GithubContext, spec: SignalSpec) -> Signal:
    """Measure what tells users and contributors about the repository, over what is known of it."""
    fact, hosted = context.github.hosted, context.hosted
    if hosted is None or not isinstance(fact, Found):
        return build_missing(spec, fact)
    if context.files is None:
        return build_missing(spec, context.github.files)
    parts = {
        "description": None if hosted.description is None else bool(hosted.description),
        "homepage": None if hosted.homepage is None else bool(hosted.homepage),
        "contributing": context.has_file("contributing"),
        "changelog": context.has_file("changelog", "changes", "history", "news", "release"),
    }
    known = {name: is_present for name, is_present in parts.items() if is_present is not None}
    if not known:
        return build_unknown(spec, "not in the answer", fact.source)
    present = sum(spec.levels[name] for name, is_present in known.items() if is_present)
    missing = [name for name, is_present in known.items() if not is_present]
    reason = f"no {', '.join(missing)}" if missing else f"{', '.join(known)} given"
    return build_known(spec, 100.0 * present / sum(spec.levels[name] for name in known), reason, fact)


#: The function of each signal, by id.
FUNCTIONS: Final[Mapping[str, MeasureFunction[GithubContext]]] = {
    "readme": measure_readme,
    "guides": measure_guides,
}
