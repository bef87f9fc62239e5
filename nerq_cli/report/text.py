"""The scan screen: a verdict, then findings and what needs looking at, worst first, then what to do next."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

from nerq_cli.errors import Exit
from nerq_cli.methodology import SIGNALS
from nerq_cli.policy import STATES
from nerq_cli.policy.finding import KINDS, Finding, FindingId, by_kind
from nerq_cli.report import listing, phrases
from nerq_cli.report.layout import WIDE, Column, Page, Span, cells, fitting, table, wrap
from nerq_cli.report.model import Assessed, Report, SourceLine
from nerq_cli.report.problems import place
from nerq_cli.report.projects import part, projects
from nerq_cli.scoring.score import Score
from nerq_cli.signals.signal import count

if TYPE_CHECKING:
    from rich.console import Console

#: Reasons shown for one package unless everything is asked for.
MOST_REASONS: Final = 3
#: From this many on, packages that cannot be judged for one and the same reason share a line.
TOGETHER: Final = 4
_MOST_FILES: Final = 3
_MOST_NOTES: Final = 20
_MOST_FINDINGS: Final = 20
_MOST_PROJECTS: Final = 10
#: From this many projects on each has a line of its own.
_SEVERAL: Final = 2
_INDENT: Final = 12

#: Score, package, reasons, fix, place.
Row: TypeAlias = tuple[Span, Span, Span, Span, Span]


def render(report: Report, *, console: Console, show_all: bool = False, verbose: bool = False) -> None:
    """Print a report for people to a console.

    ``show_all`` shows every package, also those at or above the threshold and those left out on purpose; ``verbose``
    gives all reasons, warnings and sources instead of the first few.
    """
    page = Page(console)
    _header(page, report)
    page.gap()
    if report.listed:
        if report.exit != Exit.PASSED:
            page.paragraph("FAIL  nothing was scored", "bad")
            page.gap()
        for id_, found in by_kind(report.findings).items():
            _findings(page, id_, found, most=len(found) if show_all or verbose else _MOST_FINDINGS)
        listing.body(page, report)
    else:
        _verdict(page, report)
        page.gap()
        for id_, found in by_kind(report.findings).items():
            _findings(page, id_, found, most=len(found) if show_all or verbose else _MOST_FINDINGS)
        _assessments(page, report, show_all=show_all, verbose=verbose)
        _projects(page, report, most=None if show_all or verbose else _MOST_PROJECTS)
        _next(page, report)
    _notes(page, report, verbose=verbose)
    page.gap()
    page.paragraph(page.words(f"exit {report.exit.value} ({report.exit_reason})"), "dim", indent=0)
    page.print()


# --- projects


def _projects(page: Page, report: Report, *, most: int | None) -> None:
    """Add a line for each project, the worst first, where there are several."""
    found = projects(report)
    if len(found) < _SEVERAL:
        return
    parts = {one.path: part(report, one) for one in found}
    bad = {path: (-some.count("below"), -some.count("unknown"), path) for path, some in parts.items()}
    worst = sorted(found, key=lambda one: bad[one.path])
    page.gap()
    page.line((f"  {len(found):,} projects", "dim"))
    for one in worst[:most]:
        spans = [span for each in _counts(page, parts[one.path]) for span in (each, ("  ", ""))]
        page.paragraph(page.words(one.path), indent=4)
        page.line(("      ", ""), *spans, (f"of {phrases.packages(len(one.dependencies))}", "dim"))
    if most is not None and len(worst) > most:
        page.line((f"    +{len(worst) - most:,} more (--all)", "dim"))


# --- head


def _header(page: Page, report: Report) -> None:
    parts = [f"nerq {report.version}", phrases.packages(len(report.dependencies)), *_files(report)]
    if not report.listed:
        parts.append(_data(report))
    unbroken = [page.words(part, 0).replace(" ", "\xa0") for part in parts]
    left = f" {page.marks.dot} ".join(unbroken)
    elapsed = f"{report.elapsed:.1f} s" if report.elapsed else ""
    *lines, last = wrap(left, page.width)
    for line in lines:
        page.line((line, "dim"))
    page.apart([(last, "dim")], (elapsed, "dim"))


def _files(report: Report) -> Iterable[str]:
    shown = report.manifests[:_MOST_FILES]
    yield from (f"{manifest.path} ({manifest.dependencies})" for manifest in shown)
    if more := len(report.manifests) - len(shown):
        yield f"{more} more {'file' if more == 1 else 'files'}"


def _data(report: Report) -> str:
    answered = sum(source.answered for source in report.sources)
    cached = sum(source.from_cache for source in report.sources)
    oldest = min((source.oldest for source in report.sources if source.oldest), default=0)
    if not answered:
        return "no data"
    age = phrases.age(max(0, report.as_of - oldest)) if oldest else "of unknown age"
    if not cached:
        return f"data {age}"
    return f"data {age} (cache)" if cached >= answered else f"data up to {age} (partly cache)"


# --- verdict


def _verdict(page: Page, report: Report) -> None:
    word, style = verdict(report)
    items = [(f" {word} " if style == "alarm" else word, style), *_counts(page, report)]
    threshold = (f"threshold {report.threshold:g}", "dim")
    lines: list[list[Span]] = [[("  ", "")]]
    for item in items:
        if sum(cells(text) for text, _ in lines[-1]) + cells(item[0]) > page.width:
            lines.append([("    ", "")])
        lines[-1] += [item, ("  ", "")]
    for line in lines[:-1]:
        page.line(*line)
    page.apart(lines[-1][:-1], threshold)


def _counts(page: Page, report: Report) -> Iterable[Span]:
    """Yield how many packages are in each state, with the sign that marks it below; of zeros only that of ``ok``."""
    if not report.dependencies:
        yield ("nothing could be read" if report.errors else "no dependencies declared"), ""
        return
    words = {"below": f"below {report.threshold:g}"}
    for state in sorted(STATES, key=lambda state: state != "ok"):
        n = report.count(state)
        if n or state == "ok":
            style = phrases.STATE_STYLES[state] if n else "dim"
            yield f"{getattr(page.marks, state)} {n:,} {words.get(state, state)}", style


def verdict(report: Report) -> tuple[str, str]:
    """Return the word a run ends with, and its style. Whatever could not be judged keeps it from being a PASS."""
    if report.exit in (Exit.BELOW, Exit.USAGE, Exit.EMPTY) or report.count("below"):
        return "FAIL", "bad"
    if report.exit != Exit.PASSED or not report.complete or report.count("unknown"):
        return "INCOMPLETE", "alarm"
    return "PASS", "good"


# --- findings


def _findings(page: Page, id_: FindingId, found: Sequence[Finding], *, most: int) -> None:
    """Add the findings of one kind: what they have in common, where each of them is, what to do."""
    kind = KINDS[id_]
    page.paragraph(page.words(f"{len(found):,} {kind.heads[len(found) > 1]}"), "bad")
    for one in found[:most]:
        name, place = page.words(one.name or one.text), page.words(phrases.where(one.locations))
        page.split((f"{page.marks.below:>10}  ", "bad"), (name, "strong"), (place, "dim"))
        if one.name:
            page.paragraph(page.words(one.text), indent=_INDENT)
    if (more := len(found) - most) > 0:
        page.paragraph(f"+{more:,} more (--all)", "dim", indent=_INDENT)
    page.paragraph(page.words(f"→ {kind.remedy}"), "action", indent=_INDENT)
    page.gap()


# --- packages


def _assessments(page: Page, report: Report, *, show_all: bool, verbose: bool) -> None:
    ranked = sorted(report.dependencies, key=_rank)
    told = {one.purl for one in report.findings if one.id == "not-in-registry"}
    shown = [
        one
        for one in ranked
        if show_all or (one.state in ("below", "unknown", "waived") and one.dependency.package.purl not in told)
    ]
    groups = {} if show_all else _together(shown)
    grouped = {id(one) for members in groups.values() for one in members}
    mixed = len({one.dependency.package.ecosystem for one in ranked}) > 1
    most = len(ranked) if verbose else MOST_REASONS
    rows = [
        _row(page, one, report.threshold, mixed=mixed, most=1 if one.state == "ok" and not verbose else most)
        for one in shown
        if id(one) not in grouped
    ]
    if rows:
        _table(page, rows)
    for reason, members in groups.items():
        page.paragraph(
            page.words(_group(reason, members, report.threshold)),
            "doubt",
            indent=_INDENT,
            first=f"{page.marks.unknown:>10}",
        )
    page.gap()
    _footer(page, report, provisional=any("~" in row[0][0] or "\xa0~" in row[3][0] for row in rows), show_all=show_all)


def _rank(one: Assessed) -> tuple[int, float, float, str, str, str]:
    """Order by state, then the lowest score, then the lowest total before caps, then name and version."""
    total = one.score.total if one.score else None
    most = phrases.ceiling(one)
    package = one.dependency.package
    return (
        STATES.index(one.state) if one.state else len(STATES),
        -1.0 if most is None else most,
        -1.0 if total is None else total,
        package.name,
        package.ecosystem,
        one.dependency.version or "",
    )


def _together(shown: Iterable[Assessed]) -> dict[str, list[Assessed]]:
    """Return the packages that cannot be judged for one shared reason, by reason, where there are many of them."""
    groups: dict[str, list[Assessed]] = {}
    for one in shown:
        if one.state == "unknown" and (reason := _shared_reason(one)):
            groups.setdefault(reason, []).append(one)
    return {reason: members for reason, members in groups.items() if len(members) >= TOGETHER}


def _shared_reason(one: Assessed) -> str:
    """Return why a package cannot be judged where that is nothing about the package itself; empty otherwise.

    A leading ``~`` says that it would pass, were it not for its advisories.
    """
    score = one.score
    if score is not None and score.provisional and score.value is not None:
        return f"~{_why_unknown(score, 'S2')}"
    if one.found and score is not None and score.verdict.startswith("insufficient data"):
        return f"{score.verdict}, {_unknown_signals(score)}"
    if one.found is not None or not one.reasons:
        return ""
    return _why_unknown(score, "M2") if score is not None else one.reasons[0]


def _unknown_signals(score: Score) -> str:
    """Name the dimensions that too little is known about: ``too little on security, maintenance``."""
    silent = [name for name, mean in score.dimensions.items() if mean is None]
    return f"too little on {', '.join(silent)}" if silent else "too little on every dimension"


def _why_unknown(score: Score, id_: str) -> str:
    """Return why a signal is unknown: ``PyPI: connection refused``."""
    signal = next(signal for signal in score.signals if signal.id == id_)
    return f"{signal.source}: {signal.reason}" if signal.source else signal.reason


def _group(reason: str, members: Sequence[Assessed], threshold: float) -> str:
    if not reason.startswith("~"):
        return f"{phrases.packages(len(members))} could not be judged: {reason} (--all lists them)"
    values = [one.score.value for one in members if one.score is not None and one.score.value is not None]
    unanswered = "no advisory source answered"
    why = unanswered if reason[1:] == unanswered else f"{unanswered} ({reason[1:]})"
    return (
        f"{phrases.packages(len(members))} score {threshold:g} or above, but {why}: "
        f"~{min(values):.1f} to ~{max(values):.1f} (--all lists them)"
    )


def _row(page: Page, one: Assessed, threshold: float, *, mixed: bool, most: int) -> Row:
    style = phrases.STATE_STYLES[one.state]
    told = _telling(one)
    reasons = [page.words(reason) for reason in told[:most]] or [page.words(one.dependency.skip)]
    if len(told) > most > 1:
        reasons.append(f"+{len(told) - most} more")
    return (
        (f"{phrases.number(one, page.marks):>6} {phrases.mark(one, page.marks)}", style),
        (page.words(phrases.label(one.dependency, mixed=mixed)), "strong"),
        (page.words(" · ").join(reasons), ""),
        (_fix(page, one, threshold), "action"),
        (page.words(phrases.where(one.dependency.locations)), "dim"),
    )


def _fix(page: Page, one: Assessed, threshold: float) -> str:
    """Return what to do; the two scores of a way out stay on one line."""
    version, *more = [page.words(piece) for piece in phrases.fix(one, page.marks, threshold)] or [""]
    if more and more[0].startswith("("):
        version, *more = f"{version} {more[0].replace(' ', chr(160))}", *more[1:]
    return ", ".join([version, *more])


def _telling(one: Assessed) -> Sequence[str]:
    """Return the reasons; without a score only those why there is none, not what else would have kept it down."""
    if one.state != "unknown" or one.score is None or one.score.value is not None:
        return one.reasons
    minor = {reason.text for reason in one.score.reasons if reason.origin in SIGNALS}
    return [reason for reason in one.reasons if reason not in minor]


_COLUMNS: Final = (
    Column(" Score"),
    Column("Package", 40, 18),
    Column("Why (worst first)", 110, 44),
    Column("Fix", 48, 16),
    Column("Where", 44, 44),
)


def _table(page: Page, rows: Sequence[Row]) -> None:
    """Add the packages: a line each where the page is wide enough, otherwise two or three."""
    widths = fitting(_COLUMNS, rows, page.width - 2)
    if page.width >= WIDE and sum(widths) + 2 * len(widths) <= page.width:
        table(page, _COLUMNS, rows, widths)
        return
    for row in rows:
        _stacked(page, *row)


def _stacked(page: Page, score: Span, package: Span, why: Span, fix: Span, place: Span) -> None:
    page.split((f"  {score[0]}  ", score[1]), package, place)
    arrow = f"{page.marks.arrow} {fix[0]}" if fix[0] else ""
    if fix[0] and cells(why[0]) + 2 + cells(arrow) <= page.width - _INDENT:
        page.line((" " * _INDENT, ""), why, ("  ", ""), (arrow.replace("\xa0", " "), fix[1]))
        return
    if why[0]:
        page.paragraph(*why, indent=_INDENT)
    if arrow:
        page.paragraph(arrow, fix[1], indent=_INDENT)


def _footer(page: Page, report: Report, *, provisional: bool, show_all: bool) -> None:
    if provisional:
        page.paragraph("~ provisional: no advisory source answered", "dim")
    ok, skipped = report.count("ok"), report.count("skipped")
    if ok and not show_all:
        page.line((f"  {phrases.packages(ok)} at {report.threshold:g} or above not shown (--all)", "dim"))
    if skipped and not show_all:
        page.line((f"  {skipped:,} skipped on purpose (--all)", "dim"))


# --- foot


def _next(page: Page, report: Report) -> None:
    worst = min((one for one in report.dependencies if one.state in ("below", "unknown")), key=_rank, default=None)
    if worst is not None:
        page.gap()
        page.paragraph(
            page.words(f"nerq check {phrases.target(worst.dependency)}"), "action", indent=9, first="  next:"
        )


def _notes(page: Page, report: Report, *, verbose: bool) -> None:
    """Add what was not read, not asked and not answered: what a reader must know before trusting the rest."""
    notes = list(_broken(report))
    notes += [("doubt", f"not checked: {_silence(source)}") for source in report.sources if _silent(source)]
    notes += [("dim", f"note: {_partly(source)}") for source in report.sources if source.reason and not _silent(source)]
    warnings = dict.fromkeys(report.warnings)
    notes += [("doubt", f"warning: {warning}") for warning in warnings]
    said = [f"{manifest.path}: {note}" for manifest in report.manifests for note in manifest.notes]
    notes += [("dim", f"note: {note}") for note in said if note not in warnings]
    most = len(notes) if verbose else _MOST_NOTES
    page.gap()
    for style, note in notes[:most]:
        page.paragraph(page.words(note), style)
    if more := len(notes[most:]):
        page.line((f"  +{more} more (--verbose)", "dim"))
    if verbose and report.sources:
        page.gap()
        _sources(page, report)


def _broken(report: Report) -> Iterable[tuple[str, str]]:
    if report.errors:
        n = len(report.errors)
        shown = ", ".join(place(problem) for problem in report.errors[:_MOST_FILES])
        more = f" and {n - _MOST_FILES} more" if n > _MOST_FILES else ""
        yield "bad", f"{n} {'problem' if n == 1 else 'problems'} in dependency files: {shown}{more}"


def _silent(source: SourceLine) -> bool:
    return source.state in ("partial", "unavailable") and not source.stands_in


def _silence(source: SourceLine) -> str:
    reason = f": {source.reason}" if source.reason else ""
    missing = source.asked - source.answered
    return f"{source.name}{reason}" + (f" ({missing:,} of {source.asked:,} questions)" if missing > 0 else "")


def _partly(source: SourceLine) -> str:
    """Say what a source that works as well as it can does not offer, and who stood in for one that is away."""
    if source.stands_in:
        return f"{source.name} did not answer ({source.reason}); {source.stands_in} did in its place"
    return f"{source.name} answered {source.answered:,} of {source.asked:,}: {source.reason}"


def _sources(page: Page, report: Report) -> None:
    page.line(("  Sources", "strong"))
    for source in report.sources:
        counts = (
            f"{source.answered:,} of {source.asked:,} answered, {source.from_cache:,} from the cache, "
            f"{count(source.requests, 'request')}"
        )
        reason = f" ({source.reason})" if source.reason else ""
        page.paragraph(page.words(f"{source.name}: {source.state}, {counts}{reason}"), "dim", indent=4)
