"""The table of a scan: a row per dependency, worst first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from nerq_cli.policy import STATES
from nerq_cli.policy.assessment import UNEVALUABLE
from nerq_cli.report import wording
from nerq_cli.report.advisory import deduplicate_advisories
from nerq_cli.report.terminal.layout import WIDE_TABLE_WIDTH, Column, Page, Span, add_cut_row, cell_width, fit_widths
from nerq_cli.signals.advisories import describe_advisories

if TYPE_CHECKING:
    from nerq_cli.facts import AffectingAdvisory
    from nerq_cli.policy.findings import Finding
    from nerq_cli.report import RenderOptions
    from nerq_cli.report.model import Assessment, Report
    from nerq_cli.scoring.score import Score

#: Dependencies up to which the table has a row for each.
MAX_FULL_TABLE: Final = 40
#: Packages from which on those that are unknown for one shared reason share a row of a long table.
MIN_GROUP_SIZE: Final = 4
#: Dependencies with advisories that are named below a table cut with ``--top``.
_MAX_HIDDEN_AFFECTED: Final = 20
#: States whose rows stand before the groups; each dependency in one of them has a row or is in a group.
_STATES_BEFORE_GROUPS: Final = ("below", "unknown", "not-judged")
#: Reasons in a row.
MAX_REASONS: Final = 3
#: From this width on columns are two cells apart, and a version to move to has its score beside it.
_SPACIOUS_WIDTH: Final = 140
#: Cells.
_MAX_VERSION_WIDTH: Final = 16
#: The id of an advisory and an ellipsis, in cells: ids have up to 19 characters (GHSA-xxxx-xxxx-xxxx).
_MIN_REASON_WIDTH: Final = 20
#: Indent of the second line of a row on a narrow page, in cells.
_INDENT: Final = 12
#: The signal of each methodology that needs nothing but the answer about the package or repository itself.
_REGISTRY_SIGNALS: Final = ("last_release", "age")
#: Headings of dimensions whose first three letters are those of another, or hard to guess.
_DIMENSION_LABELS: Final = {"maintenance": "Mnt", "compliance": "Cpl"}
#: End of the reason that a dimension is below its threshold.
_POINTS: Final = " points"
_GRADE_STYLES: Final = {"A+": "good", "A": "good", "B": "fair", "C": "doubt", "D": "bad", "E": "bad", "F": "bad"}


class _Row(NamedTuple):
    """The cells of a row, in the order of the columns."""

    score: Span
    package: Span
    version: Span
    ecosystem: Span
    #: Empty in a report about packages alone.
    kind: Span
    dimensions: Span
    reason: Span
    upgrade: Span
    location: Span


#: Position of the column of kinds.
_KIND: Final = _Row._fields.index("kind")
#: Mark of a dependency all of whose failures the earlier run has.
_KNOWN: Final = "known"
#: Most lines about versions that are too new, unless all are wanted.
_MAX_AGE_LINES: Final = 5


def add_dependencies(page: Page, report: Report, options: RenderOptions) -> None:
    """Add the table.

    Up to 40 dependencies each has a row. Beyond that those that pass or are skipped have none unless they carry an
    advisory, and many that are unknown for one shared reason share a row.
    """
    findings, waived = wording.group_findings(report), wording.group_waived(report)
    failing = {purl for purl, group in findings.items() if any(finding.fails for finding in group)}
    known = _find_known_failures(report)

    accepted = wording.find_accepted(report)

    def rank(assessment: Assessment) -> int:
        if id(assessment) in accepted:
            return 1
        return 0 if assessment.state == "below" or assessment.dependency.purl in failing else 2

    assessments = sorted(report.dependencies, key=lambda entry: (rank(entry), *sort_key(entry)))
    visible = assessments
    groups: dict[str, list[Assessment]] = {}
    if options.top is not None:
        visible = assessments[: options.top]
    elif len(assessments) > MAX_FULL_TABLE and not options.show_all:
        visible = [
            entry
            for entry in assessments
            if entry.state in _STATES_BEFORE_GROUPS
            or entry.advisories
            or entry.dependency.purl in findings
            or wording.select_waived(waived, entry.dependency)
        ]
        groups = _group_unknown(entry for entry in visible if not wording.select_waived(waived, entry.dependency))
    with_kind = wording.has_several_kinds(report.dependencies)
    grouped_ids = {id(assessment) for members in groups.values() for assessment in members}
    rows = [
        (
            _build_row(
                page,
                assessment,
                report,
                findings.get(assessment.dependency.purl, ()),
                wording.select_waived(waived, assessment.dependency),
                known_rules=known.get(id(assessment), ""),
                is_accepted=id(assessment) in accepted,
                with_kind=with_kind,
            ),
            assessment,
        )
        for assessment in visible
        if id(assessment) not in grouped_ids
    ]
    labels = [_DIMENSION_LABELS.get(name, name[:3].title()) for name in report.methodology.dimensions]
    group_texts = [_describe_group(reason, members, report.threshold) for reason, members in groups.items()]
    _add_rows(page, rows, group_texts, " ".join(labels), verbose=options.verbose)
    visible_ids = {id(assessment) for assessment in visible}
    _add_legend(page, [row for row, _ in rows], report, labels)
    if any(id(assessment) in known for _, assessment in rows):
        page.add_paragraph(
            f"{_KNOWN}: failed in the same way in the run that this one is compared with", "dim", indent=1
        )
    _add_availability(page, [assessment for _, assessment in rows], report, show_all=options.verbose)
    if reviews := wording.describe_reviews(report.dependencies):
        page.add_paragraph(reviews, "dim", indent=1)
    hidden = [assessment for assessment in assessments if id(assessment) not in visible_ids]
    _add_rest(page, hidden, "--all" if options.top is None else f"--top {options.top}")


def _find_known_failures(report: Report) -> dict[int, str]:
    """Return, by the id of an assessment, the rules that fail as in the earlier run, where nothing new fails."""
    denied: dict[str, list[Finding]] = {}
    for finding in report.findings if report.comparison is not None else ():
        if finding.purl and finding.level == "deny" and finding.waiver is None:
            denied.setdefault(finding.purl, []).append(finding)
    known = {}
    for assessment in report.dependencies if denied else ():
        dependency = assessment.dependency
        purls = dict.fromkeys((dependency.purl, dependency.package.purl))
        group = [finding for purl in purls for finding in denied.get(purl, ())]
        if group and all(finding.change == "unchanged" for finding in group):
            known[id(assessment)] = ", ".join(dict.fromkeys(finding.id for finding in group))
    return known


def sort_key(assessment: Assessment) -> tuple[int, float, float, str, str, str]:
    """Order by state, then the lowest score, then the lowest total before caps, then name and version."""
    total = assessment.score.total if assessment.score else None
    ceiling = wording.score_ceiling(assessment)
    package = assessment.dependency.package
    return (
        STATES.index(assessment.state) if assessment.state else len(STATES),
        -1.0 if ceiling is None else ceiling,
        -1.0 if total is None else total,
        package.name,
        package.ecosystem,
        assessment.dependency.version or "",
    )


# --- rows


def _build_row(
    page: Page,
    assessment: Assessment,
    report: Report,
    findings: Sequence[Finding],
    waived: Sequence[Finding],
    *,
    known_rules: str,
    is_accepted: bool,
    with_kind: bool,
) -> _Row:
    dependency, score = assessment.dependency, assessment.score
    failed_rules = list(dict.fromkeys(finding.id for finding in findings if finding.fails))
    fails_otherwise = bool(failed_rules) and assessment.state != "below"
    grade = (score.grade if score is not None else None) or ""
    mark = wording.state_glyph(assessment, page.glyphs)
    style = _GRADE_STYLES.get(grade) or wording.STATE_STYLES[assessment.state]
    if assessment.state == "below" or fails_otherwise:
        style = "bad"
    waived_ids = {id_ for finding in waived if finding.advisory for id_ in finding.advisory_ids or (finding.advisory,)}
    advisories = [advisory for advisory in assessment.advisories if advisory.id not in waived_ids]
    listed = _list_reasons(assessment, assessment.advisories if is_accepted else advisories)
    if failing := _explain_dimensions(assessment, report):  # the score itself does not fail
        listed = [*failing, *(reason for reason in listed if reason not in failing)]
    reasons = _shorten_reasons(assessment, listed)
    if fails_otherwise:  # the score alone would not show it
        mark = page.glyphs.below
        is_shown = bool(advisories) and any(finding.advisory for finding in findings if finding.fails)
        reasons.insert(is_shown, f"fails {', '.join(failed_rules)}")
    waivers = list(dict.fromkeys(wording.describe_waiver(finding.waiver) for finding in waived if finding.waiver))
    if is_accepted or not (failed_rules or assessment.state == "below"):  # nothing but the waivers explains the row
        reasons[:0] = waivers
    else:
        reasons += waivers
    if is_accepted:
        style = "doubt"
    if known_rules:
        reasons.insert(0, _KNOWN if assessment.state == "below" else f"{_KNOWN} ({known_rules})")
    return _Row(
        (f"{mark} {wording.format_score(assessment, page.glyphs):>5} {grade}", style),
        (page.safe_text(wording.describe_name(dependency)), "strong"),
        (page.safe_text(wording.shorten_version(dependency.version or dependency.requirement)), ""),
        (wording.label_ecosystem(dependency), "dim"),
        (wording.KIND_NAMES[dependency.kind][0] if with_kind else "", "dim"),
        (_format_dimensions(page, score), ""),
        (page.safe_text(" · ").join(map(page.safe_text, reasons)), ""),
        (page.safe_text(_format_upgrade(page, assessment, wording.find_threshold(assessment, report))), "action"),
        (page.safe_text(wording.format_locations(dependency.locations)), "dim"),
    )


def _format_dimensions(page: Page, score: Score | None) -> str:
    values = [] if score is None else score.dimensions.values()
    if not any(values):
        return ""
    return " ".join(f"{page.glyphs.unknown:>3}" if value is None else f"{value:3.0f}" for value in values)


def _explain_dimensions(assessment: Assessment, report: Report) -> list[str]:
    """Return the reasons of a dependency whose score reaches the threshold while a dimension is below its own."""
    ceiling = wording.score_ceiling(assessment)
    if assessment.state != "below" or not report.has_own_thresholds or ceiling is None:
        return []
    if ceiling < wording.find_threshold(assessment, report):
        return []
    dimensions = report.methodology.dimensions
    return [
        reason for reason in assessment.reasons if reason.endswith(_POINTS) and reason.partition(" ")[0] in dimensions
    ]


def _list_reasons(assessment: Assessment, unwaived: Sequence[AffectingAdvisory]) -> list[str]:
    """Return the worst advisory, then the other reasons; first of an unknown state the reason why it is unknown.

    The worst advisory is one of those that no waiver names, ``unwaived``. Without any, what else there is comes first.
    """
    reasons = list(assessment.reasons or filter(None, [assessment.dependency.skip_reason]))
    score = assessment.score
    if assessment.state == "unknown" and score is not None and score.value is None:
        minor_reasons = {reason.text for reason in score.reasons if reason.origin in score.methodology.signals}
        reasons = [reason for reason in reasons if reason not in minor_reasons]
    elif assessment.state == "unknown" and score is not None and not score.has_required_signal:
        unchecked = wording.name_unchecked(score.methodology)
        other_reasons = [reason for reason in reasons if not reason.startswith(unchecked)]
        records = [reason for reason in other_reasons if reason.endswith(UNEVALUABLE)]
        reasons = [*records, unchecked, *(reason for reason in other_reasons if reason not in records)]
    if not assessment.advisories:
        return reasons
    advisories = deduplicate_advisories(assessment.advisories)
    count = describe_advisories(advisories)
    others = [reason for reason in reasons if not reason.startswith(count)]
    if not unwaived:
        return [*others[:1], _format_worst(advisories), *others[1:]]
    worst = deduplicate_advisories(unwaived)
    hidden_count = len(advisories) - len(worst)
    return [_format_worst(worst, f", {hidden_count} waived" if hidden_count > 0 else ""), *others]


def _format_worst(advisories: Sequence[AffectingAdvisory], remark: str = "") -> str:
    """Return ``GHSA-x84v-xcm2-53pg +2 (high)``: the worst advisory, the number of the others, its severity."""
    worst, *further = advisories
    labels = ["malware" if worst.malware else worst.severity, *(["exploited"] if worst.exploited else [])]
    return f"{worst.id}{f' +{len(further)}' if further else ''} ({', '.join(labels)}{remark})"


def _shorten_reasons(assessment: Assessment, reasons: Sequence[str]) -> list[str]:
    """Return the first few reasons, a count of the rest, and what to do where that is no version."""
    hidden_count = len(reasons) - MAX_REASONS
    return [
        *reasons[:MAX_REASONS],
        *([f"+{hidden_count} more"] if hidden_count > 0 else []),
        *([assessment.fix] if _is_instruction(assessment.fix) else []),
    ]


def _is_instruction(fix: str) -> bool:
    return " " in fix


def _format_upgrade(page: Page, assessment: Assessment, threshold: float) -> str:
    """Return ``2.34.2 (93.1)``: the version to move to, with its score where there is room.

    ``*`` marks a version outside the declared range, ``!`` one that is still below the threshold, ``+`` one that is too
    new for an age rule.
    """
    upgrade = assessment.upgrade
    age_mark = wording.format_availability(assessment.availability)
    if upgrade is None:
        return "" if _is_instruction(assessment.fix) else f"{assessment.fix}{age_mark}"
    mark = "*" * bool(upgrade.excluding_ranges) + "!" * (upgrade.value is not None and upgrade.value < threshold)
    mark += age_mark
    if upgrade.value is None or WIDE_TABLE_WIDTH <= page.width < _SPACIOUS_WIDTH:
        return f"{upgrade.version}{mark}"
    return f"{upgrade.version}{mark} ({wording.format_upgrade_score(upgrade)})"


def _add_rows(
    page: Page,
    rows: Sequence[tuple[_Row, Assessment]],
    group_texts: Sequence[str],
    dimensions: str,
    *,
    verbose: bool,
) -> None:
    """Add a line per row on a wide page, two on a narrow one; ``verbose`` adds every reason below.

    The groups of unknown packages follow the last row of an unknown one, before those that pass.
    """
    all_columns = (
        Column("  Score", min_width=10),
        Column(wording.name_column(assessment.dependency for _, assessment in rows), 40, 10),
        Column("Version", _MAX_VERSION_WIDTH, 7),
        Column("Eco", min_width=4),
        Column("Kind", min_width=5),
        Column(dimensions, min_width=len(dimensions)),
        Column("Why (worst first)", 160, _MIN_REASON_WIDTH),
        Column("Move to" if any(row.upgrade[0] for row, _ in rows) else "", 24, 8),
        Column("Where", 44, 11, keep_end=True),
    )
    gap = 1 if page.width < _SPACIOUS_WIDTH else 2
    is_wide = bool(rows) and page.width >= WIDE_TABLE_WIDTH
    shown = [number for number in range(len(all_columns)) if number != _KIND or any(row.kind[0] for row, _ in rows)]
    columns = [all_columns[number] for number in shown]
    cells = [[row[number] for number in shown] for row, _ in rows] if is_wide else []
    widths = fit_widths(columns, cells, page.width - 1, gap) if is_wide else []
    if is_wide:
        add_cut_row(page, columns, widths, [(column.heading, "dim") for column in columns], gap)
    group_position = sum(assessment.state in _STATES_BEFORE_GROUPS for _, assessment in rows)
    for position, (row, assessment) in enumerate(rows):
        if position == group_position:
            _add_groups(page, group_texts)
        if is_wide:
            add_cut_row(page, columns, widths, cells[position], gap)
        else:
            _add_stacked_row(page, row)
        if verbose and assessment.reasons:
            ids = [advisory.id for advisory in deduplicate_advisories(assessment.advisories)]
            reasons = page.safe_text(" · ").join(map(page.safe_text, [*ids, *assessment.reasons]))
            page.add_paragraph(reasons, "dim", indent=_INDENT)
    if group_position == len(rows):
        _add_groups(page, group_texts)


def _add_groups(page: Page, group_texts: Iterable[str]) -> None:
    for text in group_texts:
        page.add_paragraph(page.safe_text(text), "doubt", indent=_INDENT, prefix=f" {page.glyphs.unknown}")


def _add_stacked_row(page: Page, row: _Row) -> None:
    kind = "" if row.kind[0] == wording.KIND_NAMES["package"][0] else row.kind[0]
    ecosystem = (f"{row.ecosystem[0]} {kind}".rstrip(), row.ecosystem[1])
    ecosystem_width = cell_width(ecosystem[0])
    upgrade = f"{page.glyphs.arrow} {row.upgrade[0]}" if row.upgrade[0] else ""
    upgrade = page.cut_text(upgrade, (page.width - _INDENT) // 2)
    version = page.cut_text(row.version[0], _MAX_VERSION_WIDTH)
    package_width = page.width - _INDENT - cell_width(version) - ecosystem_width - cell_width(upgrade) - 5
    score, style = row.score
    page.add_justified(
        [
            (f" {score}".ljust(_INDENT), style),
            (page.cut_text(row.package[0], package_width), row.package[1]),
            (f" {version}  " if version else "  ", ""),
            ecosystem,
        ],
        (upgrade, row.upgrade[1]),
    )
    room = page.width - _INDENT - 2 - min(cell_width(row.reason[0]), _MIN_REASON_WIDTH)
    location = page.cut_text(row.location[0], min((page.width - _INDENT) // 2, room), keep_end=True)
    reason = page.cut_text(row.reason[0], page.width - _INDENT - cell_width(location) - 2)
    page.add_justified([(" " * _INDENT, ""), (reason, "")], (location, row.location[1]))


def _add_legend(page: Page, rows: Sequence[_Row], report: Report, labels: Sequence[str]) -> None:
    """Add what the abbreviations and signs of the rows mean."""
    page.add_gap()
    if rows and page.width >= WIDE_TABLE_WIDTH:
        names = map(" ".join, zip(labels, report.methodology.dimensions, strict=True))
        page.add_paragraph(page.safe_text(" · ".join(names)), "dim", indent=1)
    if any("~" in row.score[0] or "(~" in row.upgrade[0] for row in rows):
        scores = [entry.score for entry in report.dependencies if entry.score is not None]
        unchecked = " or ".join(dict.fromkeys(wording.name_unchecked(score.methodology) for score in scores))
        page.add_paragraph(f"~ provisional: {unchecked}, or unknown facts may lower the score", "dim", indent=1)
    if any("*" in row.upgrade[0] for row in rows):
        page.add_paragraph("* outside the declared range", "dim", indent=1)
    if any("!" in row.upgrade[0] for row in rows):
        has_own = any(entry.threshold is not None for entry in report.dependencies)
        threshold = "the threshold" if has_own else f"{report.threshold:g}"
        page.add_paragraph(f"! still below {threshold}", "dim", indent=1)


def _add_availability(page: Page, assessments: Sequence[Assessment], report: Report, *, show_all: bool) -> None:
    """Add when each version that is too new for an age rule can be installed, and how today."""
    marked = [assessment for assessment in assessments if wording.format_availability(assessment.availability)]
    for assessment in marked if show_all else marked[:_MAX_AGE_LINES]:
        text = wording.describe_availability(assessment, report.as_of)
        mark = wording.format_availability(assessment.availability)
        page.add_paragraph(
            page.safe_text(f"{mark} {assessment.dependency.package.name} {assessment.fix}: {text}", 0), indent=3
        )
    if len(marked) > _MAX_AGE_LINES and not show_all:
        page.add_paragraph(
            f"+ {len(marked) - _MAX_AGE_LINES:,} more are too new (--verbose shows them)", "dim", indent=1
        )


def _add_rest(page: Page, hidden: Sequence[Assessment], option: str) -> None:
    """Add the number of dependencies without a row, and the option that shows or hides them."""
    if not hidden:
        return
    states = [assessment.state for assessment in hidden]
    counts = ", ".join(f"{states.count(state):,} {state}" for state in STATES if state in states)
    page.add_paragraph(f"{wording.count_assessments(hidden)} not shown: {counts} ({option})", "dim", indent=1)
    affected = [assessment for assessment in hidden if assessment.advisories]
    if affected:
        names = [
            f"{wording.describe_name(entry.dependency)} {_format_worst(deduplicate_advisories(entry.advisories))}"
            for entry in affected[:_MAX_HIDDEN_AFFECTED]
        ]
        further = len(affected) - len(names)
        suffix = f" and {further:,} more" if further else ""
        page.add_paragraph(page.safe_text(f"with advisories: {', '.join(names)}{suffix}", 0), "doubt", indent=1)


# --- groups


def _group_unknown(assessments: Iterable[Assessment]) -> dict[str, list[Assessment]]:
    """Return the unknown packages without advisories by shared reason, where several have it."""
    groups: dict[str, list[Assessment]] = {}
    for assessment in assessments:
        if assessment.state == "unknown" and not assessment.advisories and (reason := _shared_reason(assessment)):
            groups.setdefault(reason, []).append(assessment)
    return {reason: members for reason, members in groups.items() if len(members) >= MIN_GROUP_SIZE}


def _shared_reason(assessment: Assessment) -> str:
    """Return why a package could not be checked where the reason is not the package itself; else empty.

    A leading ``~`` marks a package with a score, which is provisional until its advisories are known.
    """
    score = assessment.score
    if score is not None and not score.has_required_signal and score.value is not None:
        return f"~{_unknown_reason(score, score.methodology.required_signal)}"
    if assessment.in_registry and score is not None and score.verdict.startswith("insufficient data"):
        return f"{score.verdict}, {_unknown_dimensions(score)}"
    if assessment.in_registry is not None or not assessment.reasons:
        return ""
    return _unknown_reason(score) if score is not None else assessment.reasons[0]


def _unknown_dimensions(score: Score) -> str:
    """Return the dimensions without a value: ``too little on security, maintenance``."""
    inapplicable = score.inapplicable_dimensions
    names = [name for name, mean in score.dimensions.items() if mean is None and name not in inapplicable]
    return f"too little on {', '.join(names)}" if names else "too little on every dimension"


def _unknown_reason(score: Score, id_: str = "") -> str:
    """Return why a signal is unknown, without its id that about the registry: ``PyPI: connection refused``."""
    ids = (id_,) if id_ else _REGISTRY_SIGNALS
    signal = next(signal for signal in score.signals if signal.id in ids)
    return f"{signal.source}: {signal.reason}" if signal.source else signal.reason


def _describe_group(reason: str, members: Sequence[Assessment], threshold: float) -> str:
    if not reason.startswith("~"):
        return f"{wording.count_assessments(members)} could not be judged: {reason} (--all lists them)"
    unchecked = next(wording.name_unchecked(entry.score.methodology) for entry in members if entry.score is not None)
    values = [
        assessment.score.value
        for assessment in members
        if assessment.score is not None and assessment.score.value is not None
    ]
    numbers = f"~{min(values):.1f} to ~{max(values):.1f} (--all lists them)"
    if min(values) < threshold:
        return f"{wording.count_assessments(members)} could not be judged: {unchecked} ({reason[1:]}): {numbers}"
    return (
        f"{wording.count_assessments(members)} score {threshold:g} or above, but {unchecked} ({reason[1:]}): {numbers}"
    )
