"""Documentation: can a person who meets the package learn what it is?"""

from __future__ import annotations

from collections.abc import Iterator

from nerq_cli.facts import Found, Metadata
from nerq_cli.methodology import SIGNALS
from nerq_cli.signals.context import Context
from nerq_cli.signals.signal import Flag, Signal, build_known, build_missing, build_unknown


def measure(context: Context) -> Iterator[Signal | Flag]:
    """Yield the documentation signals D1-D3."""
    fact = context.evidence.metadata
    if not isinstance(fact, Found):
        yield from (build_missing(id_, fact) for id_ in ("D1", "D2", "D3"))
        return
    yield measure_readme(fact)
    yield measure_links(fact)
    yield measure_basics(fact)


def measure_readme(fact: Found[Metadata]) -> Signal:
    """D1: how much README text there is."""
    length = fact.value.readme
    if length is None:
        return build_unknown("D1", "README not in the registry's answer", fact.source)
    reason = f"README of {length:,} characters" if length else "no README"
    return build_known("D1", SIGNALS["D1"].curves["characters"].value_at(length), reason, fact)


def measure_links(fact: Found[Metadata]) -> Signal:
    """D2: links to documentation, changelog, homepage."""
    metadata = fact.value
    urls = {"documentation": metadata.documentation, "changelog": metadata.changelog, "homepage": metadata.homepage}
    return _measure_presence(
        "D2", {name: None if url is None else bool(url) for name, url in urls.items()}, fact, "links"
    )


def measure_basics(fact: Found[Metadata]) -> Signal:
    """D3: the basics every package can state."""
    metadata = fact.value
    fields = {
        "summary": metadata.summary,
        "keywords": metadata.keywords,
        "interpreter": None if metadata.required_interpreter is None else bool(metadata.required_interpreter),
        "types": metadata.typed,
    }
    return _measure_presence("D3", fields, fact, "basics")


def _measure_presence(id_: str, fields: dict[str, bool | None], fact: Found[Metadata], field_noun: str) -> Signal:
    """Sum the table's levels over what is there, scaled to what the source told about at all."""
    levels = SIGNALS[id_].levels
    known_fields = {name: is_present for name, is_present in fields.items() if is_present is not None}
    if not known_fields:
        return build_unknown(id_, "metadata not read", fact.source)
    value = (
        100.0
        * sum(levels[name] for name, is_present in known_fields.items() if is_present)
        / sum(levels[name] for name in known_fields)
    )
    missing_names = [name for name, is_present in known_fields.items() if not is_present]
    return build_known(
        id_, value, f"no {', '.join(missing_names)}" if missing_names else f"all {field_noun} given", fact
    )
