"""Advisories on a report card: all that is known of each, and where it is from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from nerq_cli.facts import Vulnerability
from nerq_cli.report import phrases
from nerq_cli.signals.security import BANDS, merged

if TYPE_CHECKING:
    from nerq_cli.inventory import Dependency
    from nerq_cli.report.layout import Page

_NOT_STATED: Final = "not stated"
#: Probabilities below this one are told as being below it, as the rounded number would be nothing.
_LEAST_SHOWN: Final = 0.001
_INDENT: Final = 4
_LABELS: Final = 10


def distinct(advisories: Iterable[Vulnerability]) -> tuple[Vulnerability, ...]:
    """Return each vulnerability once, malware first and then the worst.

    Records that share an id or an alias are one: the fullest of them speaks, and the others fill in what it leaves
    open. Severity, exploitation and probability are the worst stated, as they are for the score.
    """
    records = tuple(advisories)
    whole = (_whole(one, [v for v in records if v.id in {one.id, *one.aliases}]) for one in merged(records))
    return tuple(sorted(whole, key=lambda one: not one.malware))


def _whole(one: Vulnerability, records: Sequence[Vulnerability]) -> Vulnerability:
    """Return what the records of one vulnerability say together."""
    ordered = sorted(sorted(records, key=repr), key=_stated, reverse=True)
    return msgspec.structs.replace(
        one,
        summary=next((v.summary for v in ordered if v.summary), ""),
        severity_from=next((v.severity_from for v in ordered if v.severity == one.severity and v.severity_from), ""),
        fixed_in=ordered[0].fixed_in or one.fixed_in,
        link=next((v.link for v in ordered if v.link), ""),
        affected=next((v.affected for v in ordered if v.affected), ""),
        links=tuple(dict.fromkeys(link for v in ordered for link in v.links)),
    )


def _stated(one: Vulnerability) -> tuple[int, int]:
    """Return how much a record says: the range it affects, then how many of its fields."""
    said = (one.summary, one.severity in BANDS and one.severity != "unknown", one.fixed_in, one.link, one.links)
    return bool(one.affected), sum(map(bool, said))


def block(page: Page, advisories: Sequence[Vulnerability], dependency: Dependency) -> None:
    """Add each advisory with what is known of it; what nobody states is said not to be stated."""
    for number, one in enumerate(advisories):
        if number:
            page.gap()
        page.paragraph(page.words(" · ".join([one.id, *one.aliases])), "strong")
        if one.summary:
            page.paragraph(page.words(one.summary), indent=_INDENT)
        for label, text, style in _facts(one, dependency):
            page.paragraph(
                page.words(text), style, indent=_INDENT + _LABELS, first=" " * _INDENT + label, first_style="dim"
            )


def _facts(one: Vulnerability, dependency: Dependency) -> Iterator[tuple[str, str, str]]:
    """Yield each fact: its name, its words, its style."""
    if one.malware:
        yield "malware", "recorded as malicious code", "bad"
    if not one.malware or one.severity != "unknown":
        origin = f" ({one.severity_from})" if one.severity_from else ""
        yield "severity", f"{one.severity}{origin}", "bad" if one.severity in BANDS[-2:] else "doubt"
    if not one.malware or one.epss is not None:
        yield "EPSS", _probability(one.epss), ""
    if one.exploited:
        yield "KEV", "yes: known to be exploited in the wild", "bad"
    elif one.exploited is False:
        yield "KEV", "no: not in the catalogue of exploited vulnerabilities", ""
    yield "affected", one.affected or _NOT_STATED, ""
    yield "fixed in", phrases.fixed(dependency, one).removeprefix("fixed in "), "action" if one.fixed_in else ""
    for number, link in enumerate(dict.fromkeys(filter(None, (one.link, *one.links)))):
        yield "" if number else "links", link, "dim"


def _probability(epss: float | None) -> str:
    if epss is None:
        return _NOT_STATED
    shown = f"under {_LEAST_SHOWN:.1%}" if 0 < epss < _LEAST_SHOWN else f"{epss:.1%}"
    return f"{shown} probable to be exploited within 30 days"
