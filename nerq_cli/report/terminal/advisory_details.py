"""Advisories on a report card."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from nerq_cli.report import wording
from nerq_cli.signals.advisories import SEVERITIES, describe_unread

if TYPE_CHECKING:
    from nerq_cli.facts import AffectingAdvisory
    from nerq_cli.inventory import Dependency
    from nerq_cli.report.terminal.layout import Page

_NOT_STATED: Final = "not stated"
#: What is printed for a value that a source could have: by the state of that source.
_MISSING_WORDS: Final = {"ok": _NOT_STATED, "partial": "not stated, or not checked"}
_NOT_CHECKED: Final = "not checked"
#: Smallest EPSS probability (0-1) that is printed as a number.
_MIN_PROBABILITY: Final = 0.001
#: Cells.
_INDENT: Final = 4
#: Cells.
_LABEL_WIDTH: Final = 10


def add_advisories(
    page: Page, advisories: Sequence[AffectingAdvisory], dependency: Dependency, source_states: Mapping[str, str]
) -> None:
    """Add each advisory: ids, summary, severity, probability of exploitation, affected and fixed versions, links.

    ``source_states`` has the state of each source of the run by name.
    """
    for number, advisory in enumerate(advisories):
        if number:
            page.add_gap()
        page.add_paragraph(page.safe_text(" · ".join([advisory.id, *advisory.aliases])), "strong")
        if advisory.summary:
            page.add_paragraph(page.safe_text(advisory.summary), indent=_INDENT)
        for label, text, style in _fact_rows(advisory, dependency, source_states):
            page.add_paragraph(
                page.safe_text(text),
                style,
                indent=_INDENT + _LABEL_WIDTH,
                prefix=" " * _INDENT + label,
                prefix_style="dim",
            )


def _fact_rows(
    advisory: AffectingAdvisory, dependency: Dependency, source_states: Mapping[str, str]
) -> Iterator[tuple[str, str, str]]:
    """Yield each fact: label, text, style."""
    if advisory.malware:
        yield "malware", "recorded as malicious code", "bad"
    if not advisory.malware or advisory.severity != "unknown":
        origin = f" ({advisory.severity_from})" if advisory.severity_from else ""
        severity = f"not known: {describe_unread(advisory)}" if advisory.unread else advisory.severity
        yield "severity", f"{severity}{origin}", "bad" if advisory.severity in SEVERITIES[-2:] else "doubt"
    if not advisory.malware or advisory.epss is not None:
        missing_words = _describe_missing(advisory, source_states.get("EPSS", ""))
        yield "EPSS", missing_words if advisory.epss is None else _format_probability(advisory.epss), ""
    if advisory.exploited:
        yield "KEV", "yes: known to be exploited in the wild", "bad"
    elif advisory.exploited is False:
        yield "KEV", "no: not in the catalogue of exploited vulnerabilities", ""
    elif _has_cve(advisory) and source_states.get("CISA KEV") != "ok":
        yield "KEV", _NOT_CHECKED, ""
    yield "affected", advisory.affected or _NOT_STATED, ""
    yield (
        "fixed in",
        wording.describe_fixed_versions(dependency, advisory).removeprefix("fixed in "),
        "action" if advisory.fixed_in else "",
    )
    for number, link in enumerate(dict.fromkeys(filter(None, (advisory.link, *advisory.links)))):
        yield "" if number else "links", link, "dim"


def _has_cve(advisory: AffectingAdvisory) -> bool:
    """Whether EPSS and KEV can have the advisory: they name CVEs only."""
    return any(id_.startswith("CVE-") for id_ in (advisory.id, *advisory.aliases))


def _describe_missing(advisory: AffectingAdvisory, state: str) -> str:
    """Return why EPSS has no number: it states none, or it did not answer."""
    return _MISSING_WORDS.get(state, _NOT_CHECKED) if _has_cve(advisory) else _NOT_STATED


def _format_probability(epss: float) -> str:
    percentage = f"under {_MIN_PROBABILITY:.1%}" if 0 < epss < _MIN_PROBABILITY else f"{epss:.1%}"
    return f"{percentage} probable to be exploited within 30 days"
