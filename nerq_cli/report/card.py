"""The report card of ``nerq check``: one package, and where every one of its points comes from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import msgspec

from nerq_cli import methodology, scoring
from nerq_cli.methodology import DIMENSIONS, SIGNALS
from nerq_cli.report import phrases
from nerq_cli.report.advisory import block, distinct
from nerq_cli.report.layout import SHOWN_LIMIT, WIDE, Column, Page, Span, add_row, cells, fitting, pad, table
from nerq_cli.report.model import Assessed, Report
from nerq_cli.scoring.score import Part, Score
from nerq_cli.signals.signal import Measured, ago, count, days_between

if TYPE_CHECKING:
    from rich.console import Console

_BAR: Final = 30
_MOST_HINTS: Final = 5
#: Points below which a hint is not worth a line.
_LEAST_HINT: Final = 0.1


def render(assessed: Assessed, report: Report, *, console: Console) -> None:
    """Print everything known about one dependency: score, dimensions, signals, caps, gaps and advisories."""
    page = Page(console)
    _head(page, assessed, report)
    score = assessed.score
    measured = score is not None and any(signal.state == "known" for signal in score.signals)
    if score is not None and measured:
        _dimensions(page, score)
    _version(page, assessed, report)
    if score is not None and measured:
        _caps(page, score)
    _advisories(page, assessed)
    if score is not None and measured:
        _signals(page, score)
    if score is not None:
        _gaps(page, score)
    if score is not None and measured:
        _hints(page, assessed, score)
    _next(page, assessed)
    page.gap()
    moment = phrases.moment(report.as_of)
    page.paragraph(f"nerq {report.version}, methodology {report.methodology}, as of {moment}", "dim", indent=0)
    page.gap()
    page.print()


def _heading(page: Page, text: str, note: str = "") -> None:
    page.gap()
    page.paragraph(page.words(note), "dim", indent=len(text) + 2, first=text, first_style="strong")


# --- verdict, score, dimensions


def _head(page: Page, assessed: Assessed, report: Report) -> None:
    label = page.words(phrases.label(assessed.dependency, mixed=False))
    purl = page.words(assessed.dependency.purl)
    if cells(label) + cells(purl) < page.width:
        page.apart([(label, "strong")], (purl, "dim"))
    else:
        page.paragraph(label, "strong", indent=0)
        page.paragraph(purl, "dim", indent=0)
    page.gap()
    score, style = assessed.score, phrases.STATE_STYLES[assessed.state]
    number = phrases.number(assessed, page.marks) or page.marks.unknown
    # No letter beside a score that stands under reserve: an A is remembered, a tilde is not.
    grade = score.grade if score is not None and score.grade and not score.provisional else ""
    big = f"  {number}  {grade}".rstrip()
    page.paragraph(page.words(_sentence(assessed, report.threshold), 2 * SHOWN_LIMIT), "strong", indent=2)
    for reason in assessed.reasons[1:] if score is None else ():
        page.paragraph(page.words(reason))
    if fix := _fix(page, assessed, report.threshold):
        page.paragraph(page.words(f"fix: {fix}"), "action")
    page.gap()
    standing = page.words(" · ".join(_standing(score)))
    page.paragraph(standing, "dim", indent=cells(big) + 2, first=big, first_style=style)


def _fix(page: Page, assessed: Assessed, threshold: float) -> str:
    """Return what to do, what that does to the score, and what speaks against it."""
    what, *more = phrases.fix(assessed, page.marks, threshold) or [""]
    if more and more[0].startswith("("):
        what, *more = f"{what} {more[0]}", *more[1:]
    return ", ".join([what, *more])


def _sentence(assessed: Assessed, threshold: float) -> str:
    """Return the verdict in one sentence."""
    label = phrases.label(assessed.dependency, mixed=False)
    why = f": {assessed.reasons[0]}" if assessed.reasons else ""
    if assessed.state == "ok":
        return f"{label} reaches {threshold:g}."
    sentences = {
        "below": f"{label} is below {threshold:g}{why}",
        "waived": f"{label} is excused{why}",
        "skipped": f"{label} is left out on purpose{why}",
    }
    score = assessed.score
    if score is not None and score.provisional and score.value is not None and assessed.state == "unknown":
        return f"{label} would reach {threshold:g}, but no advisory source answered: not enough for a pass"
    return sentences.get(assessed.state or "", f"{label} could not be judged{why}")


def _standing(score: Score | None) -> Iterable[str]:
    """Yield how firm the score is, in a few words each."""
    if score is None:
        yield "not scored"
        return
    if score.caps and score.total is not None:
        yield f"{score.total:.1f} before caps"
    if score.provisional and score.value is not None:
        yield "provisional"
    elif score.verified:
        yield "verified"
    yield f"coverage {score.coverage:.0%} ({methodology.coverage_label(score.coverage)})"
    if score.low is not None and score.high is not None and score.low < score.high:
        yield f"range {score.low:.1f} to {score.high:.1f}"


def _dimensions(page: Page, score: Score) -> None:
    page.gap()
    longest = max(map(len, DIMENSIONS))
    for name in DIMENSIONS:
        value = score.dimensions.get(name)
        full = 0 if value is None else round(value / 100.0 * _BAR)
        bar = page.marks.full * full + page.marks.empty * (_BAR - full)
        shown = "not known" if value is None else f"{value:5.1f}"
        page.line((f"  {pad(name, longest)}  ", ""), (bar, _heat(value)), (f"  {shown}", "" if value else "dim"))


def _heat(value: float | None) -> str:
    if value is None:
        return "dim"
    return "good" if value >= methodology.DEFAULT_THRESHOLD else "bad"


def _version(page: Page, assessed: Assessed, report: Report) -> None:
    """Add the version in use, and the newest one with its score where that is known."""
    parts = []
    if assessed.behind and assessed.latest:
        parts.append(f"{count(assessed.behind, 'release')} behind {assessed.latest}")
    elif assessed.latest:
        newest = assessed.latest == assessed.dependency.version
        parts.append("the newest release" if newest else f"newest stable release: {assessed.latest}")
    if assessed.released:
        age = ago(days_between(assessed.released, report.as_of))
        parts.append(f"released {age} ago ({phrases.day(assessed.released)})")
    if parts:
        page.gap()
        version = assessed.dependency.version or "no version in use"
        page.paragraph(page.words(", ".join([version, *parts]), 0), indent=12, first="  in use")
    if scored := phrases.latest(assessed):
        page.paragraph(page.words(scored), indent=12, first="  latest")


# --- caps and advisories


def _caps(page: Page, score: Score) -> None:
    if not score.caps:
        return
    _heading(page, "Caps in force", "the score is at most the lowest")
    rows = [
        (
            (f"{page.marks.at_most} {cap.limit:.1f}", "bad"),
            (cap.id, ""),
            (page.words(_sourced(cap.reason, cap.source, cap.seen)), ""),
        )
        for cap in score.caps
    ]
    table(page, (Column("Limit", right=True), Column("Cap"), Column("Because", least=20)), rows)


def _sourced(reason: str, source: str, seen: int) -> str:
    origin = f"{source} {phrases.day(seen)}".strip()
    return f"{reason} · {origin}" if origin else reason


def _advisories(page: Page, assessed: Assessed) -> None:
    advisories = distinct(assessed.advisories)
    if advisories:
        _heading(page, "Advisories", f"{len(advisories)} for this version")
        block(page, advisories, assessed.dependency)


# --- signals


def _signals(page: Page, score: Score) -> None:
    _heading(page, "Signals", "each 0-100, with its weight in the dimension and its points")
    rows: list[tuple[Span, ...]] = []
    for name, weight in DIMENSIONS.items():
        value = score.dimensions.get(name)
        shown = page.marks.unknown if value is None else f"{value:.1f}"
        rows.append((("", ""), (name, "strong"), (shown, "strong"), (f"{weight:g}", "strong"), ("", ""), ("", "")))
        members = (part for part in score.parts if SIGNALS[part.signal.id].dimension == name)
        rows += [_signal(page, part, counted=score.total is not None) for part in members]
    if score.total is not None:
        total = (f"{score.total:.2f}         ", "strong")
        rows.append((("", ""), ("total before caps", "strong"), ("", ""), ("", ""), total, ("", "")))
    if page.width >= WIDE:
        table(page, _COLUMNS, rows)
        return
    columns = _COLUMNS[:-1]
    widths = fitting(columns, [row[:-1] for row in rows], page.width)
    add_row(page, columns, widths, [(column.head, "dim") for column in columns])
    for row in rows:
        add_row(page, columns, widths, row[:-1])
        if row[-1][0]:
            page.paragraph(*row[-1], indent=6)


_COLUMNS: Final = (
    Column("", least=2),
    Column("Signal"),
    Column("Value", right=True),
    Column("Weight", right=True),
    Column("Points", right=True),
    Column("Why, and who says so", 110, 24),
)


def _signal(page: Page, part: Part, *, counted: bool) -> tuple[Span, ...]:
    signal = part.signal
    value = {"known": f"{signal.value or 0.0:.1f}", "unknown": page.marks.unknown}.get(signal.state, "n/a")
    most = part.contribution + part.lost
    return (
        (signal.id, "dim"),
        (_name(part), ""),
        (value, "" if signal.state == "known" else "dim"),
        (f"{part.weight:g}", "dim"),
        (f"{part.contribution:.2f} of {most:5.2f}" if most and counted else "", ""),
        (page.words(_sourced(signal.reason, signal.source, signal.seen)), "dim"),
    )


def _gaps(page: Page, score: Score) -> None:
    """Add what is not known, by the reason why."""
    unknown: dict[str, list[str]] = {}
    for part in score.parts:
        if part.signal.state == "unknown":
            unknown.setdefault(_sourced(part.signal.reason, part.signal.source, 0), []).append(_name(part))
    if unknown:
        _heading(page, "Not known", f"{1 - score.coverage:.0%} of the evidence; left out of every number above")
        for reason, names in unknown.items():
            page.paragraph(page.words(f"{', '.join(names)}: {reason}"), indent=4, first=f"  {page.marks.unknown}")


def _name(part: Part) -> str:
    return SIGNALS[part.signal.id].name


# --- what would raise it


def _hints(page: Page, assessed: Assessed, score: Score) -> None:
    if score.total is None:
        _heading(page, "What is needed for a score", f"coverage of {methodology.COVERAGE_FLOOR:.0%}")
        for _, hint in list(_learnt(score))[:_MOST_HINTS]:
            page.paragraph(hint, indent=4, first=f"  {page.marks.unknown}")
        return
    learnt = [(gain, hint) for gain, hint in _learnt(score) if gain >= _LEAST_HINT]
    hints = [*_lifted(assessed, score), *_lost(score), *learnt[:_MOST_HINTS]]
    if hints:
        _heading(page, "What would raise it", "points each")
    for gain, hint in hints:
        page.paragraph(page.words(hint), indent=10, first=f"{f'+{gain:.1f}':>8}")


def _next(page: Page, assessed: Assessed) -> None:
    """Add the command that looks at the version to move to."""
    way = assessed.way_out
    version = way.version if way is not None else assessed.latest if assessed.behind else ""
    if version:
        newer = phrases.target(replace(assessed.dependency, version=version))
        page.gap()
        page.paragraph(page.words(f"nerq check {newer}"), "action", indent=9, first="  next:")


def _lifted(assessed: Assessed, score: Score) -> Iterable[tuple[float, str]]:
    """Yield what lifting the caps would give, and how."""
    gain = (score.total or 0.0) - (score.value or 0.0)
    if score.caps and gain >= _LEAST_HINT:
        how = f"; fix: {assessed.fix}" if assessed.fix else ""
        yield gain, f"no cap in force (now: {', '.join(dict.fromkeys(cap.id for cap in score.caps))}){how}"


def _lost(score: Score) -> Iterable[tuple[float, str]]:
    """Yield the known signals that cost most."""
    costly = sorted((part for part in score.parts if part.lost >= _LEAST_HINT), key=lambda p: (-p.lost, p.signal.id))
    for part in costly[:_MOST_HINTS]:
        yield part.lost, f"{part.signal.id} {_name(part)}: {part.signal.reason}"


def _learnt(score: Score) -> Iterable[tuple[float, str]]:
    """Yield the unknown signals by what they would add if they were known and good, the most first."""
    gains = {part.signal.id: _gain(score, part) for part in score.parts if part.signal.state == "unknown"}
    for id_ in sorted(gains, key=lambda id_: (-gains[id_][0], -gains[id_][1], id_)):
        points, coverage = gains[id_]
        yield points, f"{id_} {SIGNALS[id_].name}, if known and good (coverage +{coverage:.0%})"


def _gain(score: Score, wanted: Part) -> tuple[float, float]:
    """Return the points before caps and the coverage that one unknown signal would add if it turned out good."""
    good = methodology.RANGE_HIGH
    signals = tuple(
        msgspec.structs.replace(part.signal, state="known", value=good)
        if part.signal.id == wanted.signal.id
        else part.signal
        for part in score.parts
    )
    then = scoring.score(Measured(signals))
    gained = 0.0 if then.total is None or score.total is None else then.total - score.total
    return gained, then.coverage - score.coverage
