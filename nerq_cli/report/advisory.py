"""Advisories on a report card: all that is known of each, and where it is from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from nerq_cli.facts import AffectingAdvisory
from nerq_cli.report import wording
from nerq_cli.signals.advisories import SEVERITIES, merge_advisories

if TYPE_CHECKING:
    from nerq_cli.inventory import Dependency
    from nerq_cli.report.terminal.layout import Page

_NOT_STATED: Final = "not stated"
#: Probabilities below this one are told as being below it, as the rounded number would be nothing.
_MIN_PROBABILITY: Final = 0.001
_INDENT: Final = 4
_LABEL_WIDTH: Final = 10


def deduplicate_advisories(advisories: Iterable[AffectingAdvisory]) -> tuple[AffectingAdvisory, ...]:
    """Return each vulnerability once, malware first and then the worst.

    Records that share an id or an alias are one: the fullest of them speaks, and the others fill in what it leaves
    open. Severity, exploitation and probability are the worst stated, as they are for the score.
    """
    records = tuple(advisories)
    combined = (
        _combine_records(advisory, [record for record in records if record.id in {advisory.id, *advisory.aliases}])
        for advisory in merge_advisories(records)
    )
    return tuple(sorted(combined, key=lambda advisory: not advisory.malware))


def _combine_records(advisory: AffectingAdvisory, records: Sequence[AffectingAdvisory]) -> AffectingAdvisory:
    """Return what the records of one vulnerability say together."""
    ordered = sorted(sorted(records, key=repr), key=_completeness_key, reverse=True)
    return msgspec.structs.replace(
        advisory,
        summary=next((record.summary for record in ordered if record.summary), ""),
        severity_from=next(
            (
                record.severity_from
                for record in ordered
                if record.severity == advisory.severity and record.severity_from
            ),
            "",
        ),
        fixed_in=ordered[0].fixed_in or advisory.fixed_in,
        link=next((record.link for record in ordered if record.link), ""),
        affected=next((record.affected for record in ordered if record.affected), ""),
        links=tuple(dict.fromkeys(link for record in ordered for link in record.links)),
    )


def _completeness_key(record: AffectingAdvisory) -> tuple[int, int]:
    """Return how much a record says: the range it affects, then how many of its fields."""
    fields = (
        record.summary,
        record.severity in SEVERITIES and record.severity != "unknown",
        record.fixed_in,
        record.link,
        record.links,
    )
    return bool(record.affected), sum(map(bool, fields))


def add_advisory_details(page: Page, advisories: Sequence[AffectingAdvisory], dependency: Dependency) -> None:
    """Add each advisory with what is known of it; what nobody states is said not to be stated."""
    for number, advisory in enumerate(advisories):
        if number:
            page.add_gap()
        page.add_paragraph(page.safe_text(" · ".join([advisory.id, *advisory.aliases])), "strong")
        if advisory.summary:
            page.add_paragraph(page.safe_text(advisory.summary), indent=_INDENT)
        for label, text, style in _fact_rows(advisory, dependency):
            page.add_paragraph(
                page.safe_text(text),
                style,
                indent=_INDENT + _LABEL_WIDTH,
                prefix=" " * _INDENT + label,
                prefix_style="dim",
            )


def _fact_rows(advisory: AffectingAdvisory, dependency: Dependency) -> Iterator[tuple[str, str, str]]:
    """Yield each fact: its name, its words, its style."""
    if advisory.malware:
        yield "malware", "recorded as malicious code", "bad"
    if not advisory.malware or advisory.severity != "unknown":
        origin = f" ({advisory.severity_from})" if advisory.severity_from else ""
        yield "severity", f"{advisory.severity}{origin}", "bad" if advisory.severity in SEVERITIES[-2:] else "doubt"
    if not advisory.malware or advisory.epss is not None:
        yield "EPSS", _format_probability(advisory.epss), ""
    if advisory.exploited:
        yield "KEV", "yes: known to be exploited in the wild", "bad"
    elif advisory.exploited is False:
        yield "KEV", "no: not in the catalogue of exploited vulnerabilities", ""
    yield "affected", advisory.affected or _NOT_STATED, ""
    yield (
        "fixed in",
        wording.describe_fixed_versions(dependency, advisory).removeprefix("fixed in "),
        "action" if advisory.fixed_in else "",
    )
    for number, link in enumerate(dict.fromkeys(filter(None, (advisory.link, *advisory.links)))):
        yield "" if number else "links", link, "dim"


def _format_probability(epss: float | None) -> str:
    if epss is None:
        return _NOT_STATED
    percentage = f"under {_MIN_PROBABILITY:.1%}" if 0 < epss < _MIN_PROBABILITY else f"{epss:.1%}"
    return f"{percentage} probable to be exploited within 30 days"
