"""The report card of one dependency: score, dimensions, caps, advisories, signals, hints."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import replace

from nerq_cli import scoring
from nerq_cli.ecosystems import HF_KERNEL, is_repository
from nerq_cli.insight.malware import advise_about_malware, describe_malware
from nerq_cli.insight.purpose import PURPOSES
from nerq_cli.policy.rules import group_by_rule
from nerq_cli.policy.rules.vulnerabilities import MALICIOUS
from nerq_cli.report import wording
from nerq_cli.report.advisory import deduplicate_advisories
from nerq_cli.report.alternatives import describe_option, list_details
from nerq_cli.report.model import Assessment, Report
from nerq_cli.report.terminal.advisory_details import add_advisories
from nerq_cli.report.terminal.layout import (
    MAX_SHOWN_LENGTH,
    WIDE_TABLE_WIDTH,
    Column,
    Page,
    Span,
    add_row,
    add_table,
    cell_width,
    fit_widths,
    pad_text,
)
from nerq_cli.scoring.score import Score, ScorePart
from nerq_cli.signals.signal import Measurement, days_between, format_age, format_count

if TYPE_CHECKING:
    from nerq_cli.report import RenderOptions

_BAR_WIDTH: Final = 30
_MAX_HINTS: Final = 5
#: Smallest gain of a hint, in points.
_MIN_HINT_POINTS: Final = 0.1
#: Signals that are what they are for all targets of an ecosystem: a kernel is code.
_FIXED_SIGNALS: Final[Mapping[str, tuple[str, ...]]] = {HF_KERNEL: ("remote_code",)}


def render_text(assessment: Assessment, report: Report, options: RenderOptions) -> str:
    """Return the report card of one dependency: score, dimensions, version, caps, advisories, signals, hints."""
    page = Page(options)
    _add_header(page, assessment, report)
    if report.purpose:
        from nerq_cli.report.guidance import explain_assessment
        from nerq_cli.report.terminal.guidance_page import add_guidance

        add_guidance(page, explain_assessment(assessment, report, report.purpose))
    score = assessment.score
    has_measurements = score is not None and any(signal.state == "known" for signal in score.signals)
    if score is not None and has_measurements:
        _add_dimensions(page, score)
    _add_version(page, assessment, report)
    if score is not None and has_measurements:
        _add_caps(page, score)
    _add_advisories(page, assessment, report)
    if score is not None and has_measurements:
        _add_signals(page, score)
    if score is not None:
        _add_unknown_signals(page, score, report)
    if score is not None and has_measurements:
        _add_hints(page, assessment, score)
    _add_alternatives(page, assessment, report)
    _add_next_command(page, assessment)
    if score is not None and not report.purpose:
        page.add_gap()
        page.add_paragraph(f"--for {'|'.join(PURPOSES)} adds the verdict in words", "dim", indent=2)
    page.add_gap()
    as_of = wording.format_timestamp(report.as_of)
    methodology = wording.label_methodology(report.methodology if score is None else score.methodology)
    page.add_paragraph(f"nerq {report.version}, methodology {methodology}, as of {as_of}", "dim", indent=0)
    page.add_gap()
    return page.to_text()


def _add_heading(page: Page, text: str, note: str = "") -> None:
    page.add_gap()
    page.add_paragraph(page.safe_text(note), "dim", indent=len(text) + 2, prefix=text, prefix_style="strong")


# --- verdict, score, dimensions


def _add_header(page: Page, assessment: Assessment, report: Report) -> None:
    label = page.safe_text(wording.package_label(assessment.dependency))
    purl = page.safe_text(assessment.dependency.purl)
    if cell_width(label) + cell_width(purl) < page.width:
        page.add_justified([(label, "strong")], (purl, "dim"))
    else:
        page.add_paragraph(label, "strong", indent=0)
        page.add_paragraph(purl, "dim", indent=0)
    page.add_gap()
    score, style = assessment.score, wording.STATE_STYLES[assessment.state]
    threshold = wording.find_threshold(assessment, report)
    score_text = wording.format_score(assessment, page.glyphs) or page.glyphs.unknown
    # An uncertain score has no grade: readers would remember the letter and not the tilde.
    grade = (score.grade if score is not None else None) or ""
    headline = f"  {score_text}  {grade}".rstrip()
    page.add_paragraph(
        page.safe_text(
            _verdict_sentence(assessment, threshold, wording.label_below_of(assessment, report)), 2 * MAX_SHOWN_LENGTH
        ),
        "strong",
        indent=2,
    )
    about = wording.select_findings(wording.group_findings(report), assessment.dependency)
    for rule, findings in group_by_rule(about).items():
        # The card has the advisories and the reasons of the score already.
        shown = [
            finding for finding in findings if not rule.is_in_table or (finding.fails and assessment.state == "ok")
        ]
        for finding in shown if rule is not MALICIOUS else ():
            verb, style_of_level = ("fails", "bad") if finding.fails else ("warns", "doubt")
            page.add_paragraph(page.safe_text(f"{verb} {rule.id}: {finding.text}"), style_of_level)
    for finding in wording.select_waived(wording.group_waived(report), assessment.dependency):
        if finding.waiver is not None:
            waiver_text = wording.describe_waiver(finding.waiver)
            page.add_paragraph(page.safe_text(f"{finding.id}: {finding.text}: {waiver_text}"), "doubt")
    for reason in assessment.reasons[1:] if score is None else ():
        page.add_paragraph(page.safe_text(reason))
    is_malicious = bool(wording.find_malware_reason(assessment))
    if is_malicious:
        page.add_paragraph(advise_about_malware(assessment.dependency.kind), "action")
    if fix := _fix_text(page, assessment, threshold):
        page.add_paragraph(page.safe_text(f"{'another version' if is_malicious else 'fix'}: {fix}"), "action")
    availability = wording.describe_availability(assessment, report.as_of)
    reviews = [f"review: {text}" for text in wording.list_reviews(assessment)]
    for text in filter(None, (availability, *reviews)):
        page.add_paragraph(page.safe_text(text, 0))
    page.add_gap()
    qualifiers = page.safe_text(" · ".join(_score_qualifiers(score)))
    page.add_paragraph(qualifiers, "dim", indent=cell_width(headline) + 2, prefix=headline, prefix_style=style)


def _fix_text(page: Page, assessment: Assessment, threshold: float) -> str:
    """Return the fix: version, change of the score, restrictions."""
    action, *details = wording.describe_fix(assessment, page.glyphs, threshold) or [""]
    if details and details[0].startswith("("):
        action, *details = f"{action} {details[0]}", *details[1:]
    return ", ".join([action, *details])


def _verdict_sentence(assessment: Assessment, threshold: float, below: str) -> str:
    """Return the verdict in one sentence; ``below`` has the words of that state."""
    label = wording.package_label(assessment.dependency)
    malware_reason = wording.find_malware_reason(assessment)
    if malware_reason:
        return describe_malware(label, assessment.dependency.kind, malware_reason)
    suffix = f": {assessment.reasons[0]}" if assessment.reasons else ""
    if assessment.state == "ok":
        return f"{label} reaches {threshold:g}."
    sentences = {
        "below": f"{label} is {below}{suffix}",
        "not-judged": f"{label} was not judged{suffix}",
        "skipped": f"{label} is skipped{suffix}",
    }
    score = assessment.score
    if (
        score is not None
        and score.value is not None
        and not score.has_required_signal
        and assessment.state == "unknown"
    ):
        unchecked = wording.explain_unchecked(score.methodology)
        if score.value >= threshold:
            return f"{label} would reach {threshold:g}, but {unchecked}: not enough for a pass"
        return f"{label} may score {score.low or 0.0:.1f} to {score.high or score.value:.1f}, because {unchecked}"
    return sentences.get(assessment.state or "", f"{label} could not be judged{suffix}")


def _score_qualifiers(score: Score | None) -> Iterable[str]:
    """Yield what qualifies the score: total before caps, provisional or verified, coverage, range."""
    if score is None:
        yield "not scored"
        return
    if score.caps and score.total is not None:
        yield f"{score.total:.1f} before caps"
    if score.provisional and score.value is not None:
        yield "provisional"
    elif score.is_verified:
        yield "verified"
    yield f"coverage {score.coverage:.0%} ({score.methodology.find_coverage_label(score.coverage)})"
    if score.low is not None and score.high is not None and score.low < score.high:
        yield f"range {score.low:.1f} to {score.high:.1f}"


def _add_dimensions(page: Page, score: Score) -> None:
    page.add_gap()
    name_width = max(map(len, score.dimensions))
    inapplicable = score.inapplicable_dimensions
    for name, value in score.dimensions.items():
        bar_length = 0 if value is None else round(value / 100.0 * _BAR_WIDTH)
        bar = page.glyphs.bar_full * bar_length + page.glyphs.bar_empty * (_BAR_WIDTH - bar_length)
        value_text = "unknown" if value is None else f"{value:5.1f}"
        if name in inapplicable:
            bar, value_text = " " * _BAR_WIDTH, "n/a"
        page.add_line(
            (f"  {pad_text(name, name_width)}  ", ""),
            (bar, _value_style(value, score.methodology.threshold)),
            (f"  {value_text}", "" if value else "dim"),
        )


def _value_style(value: float | None, threshold: float) -> str:
    if value is None:
        return "dim"
    return "good" if value >= threshold else "bad"


def _add_version(page: Page, assessment: Assessment, report: Report) -> None:
    """Add the version in use, and the newest version with its score."""
    parts = []
    if assessment.releases_behind and assessment.latest:
        parts.append(f"{format_count(assessment.releases_behind, 'release')} behind {assessment.latest}")
    elif assessment.latest:
        is_newest = assessment.latest == assessment.dependency.version
        parts.append("the newest release" if is_newest else f"newest stable release: {assessment.latest}")
    if assessment.released_at:
        age = format_age(days_between(assessment.released_at, report.as_of))
        verb = "last changed" if is_repository(assessment.dependency.package.ecosystem) else "released"
        parts.append(f"{verb} {age} ago ({wording.format_date(assessment.released_at)})")
    if assessment.dependency.local_build and assessment.dependency.release is not None:
        build, version = assessment.dependency.local_build, assessment.dependency.release.version
        parts.append(f"judged as {version}, what the build {build} changes is not known")
    if parts:
        page.add_gap()
        version = wording.shorten_version(assessment.dependency.version or "no version in use")
        page.add_paragraph(page.safe_text(", ".join([version, *parts]), 0), indent=12, prefix="  in use")
    if latest_text := wording.describe_latest(assessment):
        page.add_paragraph(page.safe_text(latest_text), indent=12, prefix="  latest")


# --- caps and advisories


def _add_caps(page: Page, score: Score) -> None:
    if not score.caps:
        return
    _add_heading(page, "Caps in force", "the score is at most the lowest")
    rows = [
        (
            (f"{page.glyphs.at_most} {cap.limit:.1f}", "bad"),
            (cap.id, ""),
            (page.safe_text(_with_source(cap.reason, cap.source, cap.retrieved_at)), ""),
        )
        for cap in score.caps
    ]
    add_table(page, (Column("Limit", align_right=True), Column("Cap"), Column("Because", min_width=20)), rows)


def _with_source(reason: str, source: str, timestamp: int) -> str:
    origin = f"{source} {wording.format_date(timestamp)}".strip()
    return f"{reason} · {origin}" if origin else reason


def _add_advisories(page: Page, assessment: Assessment, report: Report) -> None:
    advisories = deduplicate_advisories(assessment.advisories)
    if advisories:
        _add_heading(page, "Advisories", f"{len(advisories)} for this version")
        source_states = {source.name: source.state for source in report.sources}
        add_advisories(page, advisories, assessment.dependency, source_states)


# --- signals


def _add_signals(page: Page, score: Score) -> None:
    _add_heading(page, "Signals", "each 0-100, with its weight in the dimension and its points")
    rows: list[tuple[Span, ...]] = []
    inapplicable = score.inapplicable_dimensions
    for name, weight in score.methodology.dimensions.items():
        value = score.dimensions.get(name)
        missing = "n/a" if name in inapplicable else page.glyphs.unknown
        value_text = missing if value is None else f"{value:.1f}"
        rows.append((("", ""), (name, "strong"), (value_text, "strong"), (f"{weight:g}", "strong"), ("", ""), ("", "")))
        dimension_parts = (part for part in score.parts if part.spec.dimension == name)
        rows += [_signal_row(page, part, with_points=score.total is not None) for part in dimension_parts]
    if score.total is not None:
        total = (f"{score.total:.2f}         ", "strong")
        rows.append((("", ""), ("total before caps", "strong"), ("", ""), ("", ""), total, ("", "")))
    if page.width >= WIDE_TABLE_WIDTH:
        add_table(page, _SIGNAL_COLUMNS, rows)
        return
    columns = _SIGNAL_COLUMNS[:-1]
    widths = fit_widths(columns, [row[:-1] for row in rows], page.width)
    add_row(page, columns, widths, [(column.heading, "dim") for column in columns])
    for row in rows:
        add_row(page, columns, widths, row[:-1])
        if row[-1][0]:
            page.add_paragraph(*row[-1], indent=6)


_SIGNAL_COLUMNS: Final = (
    Column("", min_width=2),
    Column("Signal"),
    Column("Value", align_right=True),
    Column("Weight", align_right=True),
    Column("Points", align_right=True),
    Column("Reason · source", 110, 24),
)


def _signal_row(page: Page, part: ScorePart, *, with_points: bool) -> tuple[Span, ...]:
    signal = part.signal
    value = {"known": f"{signal.value or 0.0:.1f}", "unknown": page.glyphs.unknown}.get(signal.state, "n/a")
    maximum = part.contribution + part.lost_points
    # The reason of an unknown signal is printed once for all signals that share it.
    reason = "" if signal.state == "unknown" else _with_source(signal.reason, signal.source, signal.retrieved_at)
    return (
        (part.spec.label, "dim"),
        (part.spec.name, ""),
        (value, "" if signal.state == "known" else "dim"),
        (f"{part.weight:g}", "dim"),
        (f"{part.contribution:.2f} of {maximum:5.2f}" if maximum and with_points else "", ""),
        (page.safe_text(reason), "dim"),
    )


def _add_unknown_signals(page: Page, score: Score, report: Report) -> None:
    """Add each reason for unknown signals once, with its sources and its share of the evidence."""
    unreachable_names = {source.name for source in report.sources if source.state == "unavailable"}
    parts_by_reason: dict[str, list[ScorePart]] = {}
    unanswered: list[ScorePart] = []
    for part in score.parts:
        if part.signal.state == "unknown" and unreachable_names.issuperset(_split_sources(part) or [""]):
            unanswered.append(part)
        elif part.signal.state == "unknown":
            parts_by_reason.setdefault(part.signal.reason, []).append(part)
    if unanswered:
        reasons = {part.signal.reason for part in unanswered}
        parts_by_reason = {reasons.pop() if len(reasons) == 1 else "no usable answer": unanswered, **parts_by_reason}
    if not parts_by_reason:
        return
    _add_heading(page, "Not known", f"{1 - score.coverage:.0%} of the evidence; left out of every number above")
    for reason, parts in parts_by_reason.items():
        sources = ", ".join(dict.fromkeys(name for part in parts for name in _split_sources(part)))
        _, share = _potential_gain(score, {part.signal.id for part in parts})
        text = f"{reason}: {format_count(len(parts), 'signal')} unknown, {share:.0%} of the evidence"
        prefix = f"  {page.glyphs.unknown}"
        page.add_paragraph(page.safe_text(f"{sources}: {text}" if sources else text), indent=4, prefix=prefix)
        page.add_paragraph(", ".join(part.spec.name for part in parts), "dim", indent=4)
    token_count = sum(bool(part.signal.token) for parts in parts_by_reason.values() for part in parts)
    if token_count and not report.offline:
        suggestion = wording.suggest_token(score.token, f"{token_count} of these signals")
        page.add_paragraph(page.safe_text(suggestion), "action", indent=4)


def _split_sources(part: ScorePart) -> list[str]:
    return part.signal.source.split(", ") if part.signal.source else []


# --- what would raise it


def _add_hints(page: Page, assessment: Assessment, score: Score) -> None:
    if score.total is None:
        _add_heading(page, "What is needed for a score", f"coverage of {score.methodology.coverage_floor:.0%}")
        for _, hint in list(_unknown_signal_hints(score))[:_MAX_HINTS]:
            page.add_paragraph(hint, indent=4, prefix=f"  {page.glyphs.unknown}")
        return
    unknown_hints = [(gain, hint) for gain, hint in _unknown_signal_hints(score) if gain >= _MIN_HINT_POINTS]
    hints = [*_cap_hints(assessment, score), *_lost_point_hints(assessment, score), *unknown_hints[:_MAX_HINTS]]
    if hints:
        _add_heading(page, "What would raise it", "points each")
    for gain, hint in hints:
        page.add_paragraph(page.safe_text(hint), indent=10, prefix=f"{f'+{gain:.1f}':>8}")


def _add_alternatives(page: Page, assessment: Assessment, report: Report) -> None:
    """Add what does the same job as a dependency below the threshold."""
    choice = report.alternatives.get(assessment.dependency.purl)
    if choice is None or not choice.options:
        return
    _add_heading(page, "Alternatives", "what does the same job; nothing was requested for it")
    for option in choice.options:
        page.add_paragraph(page.safe_text(describe_option(option)), "strong", indent=4, prefix=f"  {page.glyphs.dot}")
        for line in list_details(option, assessment):
            page.add_paragraph(page.safe_text(line, 0), indent=4)
        page.add_paragraph(page.safe_text(option.candidate.source), "dim", indent=4)
    target = wording.check_target(assessment.dependency)
    if any(option.candidate.name and option.value is None for option in choice.options):
        page.add_paragraph(page.safe_text(f"nerq alternatives {target} scores them"), "dim", indent=4)


def _add_next_command(page: Page, assessment: Assessment) -> None:
    """Add the command that checks the version to move to."""
    upgrade = assessment.upgrade
    version = upgrade.version if upgrade is not None else assessment.latest if assessment.releases_behind else ""
    if version:
        target = wording.check_target(replace(assessment.dependency, version=version))
        page.add_gap()
        page.add_paragraph(page.safe_text(f"nerq check {target}"), "action", indent=9, prefix="  next:")


def _cap_hints(assessment: Assessment, score: Score) -> Iterable[tuple[float, str]]:
    """Yield the gain without caps, and the fix."""
    gain = (score.total or 0.0) - (score.value or 0.0)
    if score.caps and gain >= _MIN_HINT_POINTS and not wording.find_malware_reason(assessment):
        fix_text = f"; fix: {assessment.fix}" if assessment.fix else ""
        yield gain, f"no cap in force (now: {', '.join(dict.fromkeys(cap.id for cap in score.caps))}){fix_text}"


def _lost_point_hints(assessment: Assessment, score: Score) -> Iterable[tuple[float, str]]:
    """Yield the known signals that lose most points, but for those that nothing can raise."""
    fixed = _FIXED_SIGNALS.get(assessment.dependency.package.ecosystem, ())
    costly_parts = sorted(
        (part for part in score.parts if part.lost_points >= _MIN_HINT_POINTS and part.signal.id not in fixed),
        key=lambda part: -part.lost_points,
    )
    for part in costly_parts[:_MAX_HINTS]:
        yield part.lost_points, f"{part.spec.label} {part.spec.name}: {part.signal.reason}"


def _unknown_signal_hints(score: Score) -> Iterable[tuple[float, str]]:
    """Yield the unknown signals by the points they would add if they were known and good, most first."""
    gains = {
        part.signal.id: _potential_gain(score, {part.signal.id})
        for part in score.parts
        if part.signal.state == "unknown"
    }
    for id_ in sorted(gains, key=lambda id_: (-gains[id_][0], -gains[id_][1])):
        (points, coverage), spec = gains[id_], score.methodology.signals[id_]
        yield points, f"{spec.label} {spec.name}, if known and good (coverage +{coverage:.0%})"


def _potential_gain(score: Score, signal_ids: Collection[str]) -> tuple[float, float]:
    """Return the points before caps and the coverage that unknown signals would add if they were known and good."""
    assumed_value = score.methodology.range_high
    signals = tuple(
        msgspec.structs.replace(signal, state="known", value=assumed_value) if signal.id in signal_ids else signal
        for signal in score.signals
    )
    potential_score = scoring.compute_score(score.methodology, Measurement(signals))
    points = 0.0 if potential_score.total is None or score.total is None else potential_score.total - score.total
    return points, potential_score.coverage - score.coverage
