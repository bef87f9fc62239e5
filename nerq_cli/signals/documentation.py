"""Documentation signals: whether the package describes itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from nerq_cli.ecosystems import get_ecosystem
from nerq_cli.facts import Found, Metadata
from nerq_cli.methodology.types import SignalSpec
from nerq_cli.signals.context import Context, allows_python
from nerq_cli.signals.signal import (
    Flag,
    MeasureFunction,
    Signal,
    build_flag,
    build_known,
    build_missing,
    build_unknown,
    format_count,
)


def measure_readme(context: Context, spec: SignalSpec) -> Signal:
    """Measure the length of the README."""
    fact = context.evidence.metadata
    if not isinstance(fact, Found):
        return build_missing(spec, fact)
    length = fact.value.readme
    if length is None:
        return build_unknown(spec, "README not in the registry's answer", fact.source)
    reason = f"README of {format_count(length, 'character')}" if length else "no README"
    return build_known(spec, spec.curves["characters"].value_at(length), reason, fact)


def measure_links(context: Context, spec: SignalSpec) -> Signal:
    """Measure the links to documentation, changelog and homepage."""
    fact = context.evidence.metadata
    if not isinstance(fact, Found):
        return build_missing(spec, fact)
    metadata = fact.value
    urls = {"documentation": metadata.documentation, "changelog": metadata.changelog, "homepage": metadata.homepage}
    fields = {name: None if url is None else bool(url) for name, url in urls.items()}
    return _measure_presence(spec, fields, fact, "links")


def measure_basics(context: Context, spec: SignalSpec) -> Iterator[Signal | Flag]:
    """Measure the basic metadata that every package can state."""
    fact = context.evidence.metadata
    if not isinstance(fact, Found):
        yield build_missing(spec, fact)
        return
    metadata = fact.value
    interpreter = metadata.required_interpreter
    fields = {
        "summary": metadata.summary,
        "keywords": metadata.keywords,
        "interpreter": None if interpreter is None else bool(interpreter),
        "types": metadata.typed,
    }
    yield _measure_presence(spec, fields, fact, "basics")
    if not interpreter or not get_ecosystem(context.ecosystem).uses_python:
        return
    if not allows_python(interpreter, context.maintained_pythons):
        yield build_flag("python-eol", f"needs Python {interpreter}: no maintained Python fits", fact)


def _measure_presence(
    spec: SignalSpec, fields: Mapping[str, bool | None], fact: Found[Metadata], field_noun: str
) -> Signal:
    """Sum the levels of the fields that are present, scaled to the fields that are known (not None)."""
    known_fields = {name: is_present for name, is_present in fields.items() if is_present is not None}
    if not known_fields:
        return build_unknown(spec, "metadata not read", fact.source)
    maximum = sum(spec.levels[name] for name in known_fields)
    value = 100.0 * sum(spec.levels[name] for name, is_present in known_fields.items() if is_present) / maximum
    missing_names = [name for name, is_present in known_fields.items() if not is_present]
    reason = f"no {', '.join(missing_names)}" if missing_names else f"all {field_noun} given"
    return build_known(spec, value, reason, fact)


#: The function of each signal, by id.
FUNCTIONS: Final[Mapping[str, MeasureFunction[Context]]] = {
    "readme": measure_readme,
    "links": measure_links,
    "basics": measure_basics,
}
