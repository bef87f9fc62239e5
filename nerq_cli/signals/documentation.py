"""Documentation: can a person who meets the package learn what it is?"""

from __future__ import annotations

from collections.abc import Iterator

from nerq_cli.facts import Found, Metadata
from nerq_cli.methodology import SIGNALS
from nerq_cli.signals.context import Context
from nerq_cli.signals.signal import Flag, Signal, known, missing, unknown


def measure(context: Context) -> Iterator[Signal | Flag]:
    """Yield the documentation signals D1-D3."""
    fact = context.evidence.metadata
    if not isinstance(fact, Found):
        yield from (missing(id_, fact) for id_ in ("D1", "D2", "D3"))
        return
    yield readme(fact)
    yield links(fact)
    yield basics(fact)


def readme(fact: Found[Metadata]) -> Signal:
    """D1: how much README text there is."""
    length = fact.value.readme
    if length is None:
        return unknown("D1", "README not in the registry's answer", fact.source)
    reason = f"README of {length:,} characters" if length else "no README"
    return known("D1", SIGNALS["D1"].curves["characters"].at(length), reason, fact)


def links(fact: Found[Metadata]) -> Signal:
    """D2: links to documentation, changelog, homepage."""
    metadata = fact.value
    said = {"documentation": metadata.documentation, "changelog": metadata.changelog, "homepage": metadata.homepage}
    return _share_of("D2", {name: None if url is None else bool(url) for name, url in said.items()}, fact, "links")


def basics(fact: Found[Metadata]) -> Signal:
    """D3: the basics every package can state."""
    metadata = fact.value
    said = {
        "summary": metadata.summary,
        "keywords": metadata.keywords,
        "interpreter": None if metadata.interpreter is None else bool(metadata.interpreter),
        "types": metadata.typed,
    }
    return _share_of("D3", said, fact, "basics")


def _share_of(id_: str, said: dict[str, bool | None], fact: Found[Metadata], noun: str) -> Signal:
    """Sum the table's levels over what is there, scaled to what the source told about at all."""
    levels = SIGNALS[id_].levels
    told = {name: answer for name, answer in said.items() if answer is not None}
    if not told:
        return unknown(id_, "metadata not read", fact.source)
    value = 100.0 * sum(levels[name] for name, answer in told.items() if answer) / sum(levels[name] for name in told)
    lacking = [name for name, answer in told.items() if not answer]
    return known(id_, value, f"no {', '.join(lacking)}" if lacking else f"all {noun} given", fact)
