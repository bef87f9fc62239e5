"""The text of a scan: verdict, findings, table, projects, next command, notes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from nerq_cli.errors import ExitStatus
from nerq_cli.patterns import compile_late
from nerq_cli.policy import STATES
from nerq_cli.policy.findings import Finding
from nerq_cli.policy.rules import PolicyRule, describe_counts, group_by_rule
from nerq_cli.policy.rules.scores import SCORE_BELOW_THRESHOLD
from nerq_cli.policy.verdict import count_known
from nerq_cli.report import wording
from nerq_cli.report.alternatives import describe_briefly, list_top_alternatives
from nerq_cli.report.model import Report, SourceStatus
from nerq_cli.report.projects import group_by_project, report_for_project
from nerq_cli.report.terminal import listing, table
from nerq_cli.report.terminal.layout import Page, Span, cell_width, wrap_text
from nerq_cli.report.terminal.problems import format_position
from nerq_cli.signals.signal import format_count

if TYPE_CHECKING:
    from nerq_cli.report import RenderOptions

_MAX_FILES: Final = 3
_MAX_NOTES: Final = 20
_MAX_FINDINGS: Final = 20
#: Number of findings with the same text from which they share it.
_MIN_GROUP: Final = 3
_MAX_PROJECTS: Final = 10
_MAX_ALTERNATIVES: Final = 5
#: Number of projects from which each has a line.
_MIN_PROJECTS: Final = 2
#: Number of sources without any answer from which they share a line, and causes that it names.
_MIN_UNANSWERED: Final = 2
_MAX_CAUSES: Final = 2
#: What the reason of a failed lookup ends with: the number of attempts, and when it failed in an earlier run.
_ATTEMPTS = compile_late(r"(?: after [0-9]+ attempts)?(?: \(requested at [^()]*\))?$")
_RETRY_HINT: Final = "--refresh retries"


def render_text(report: Report, options: RenderOptions) -> str:
    """Return the list of a report without scores, else the table."""
    page = Page(options)
    is_long = options.show_all or options.verbose
    _add_header(page, report)
    page.add_gap()
    if not report.list_only:
        _add_verdict(page, report)
    elif report.exit != ExitStatus.PASSED:
        page.add_paragraph("FAIL  not every dependency file could be read", "bad")
    page.add_gap()
    if report.comparison is not None:
        from nerq_cli.report.terminal import comparison

        comparison.add_comparison(page, report, limit=None if is_long else comparison.MAX_CHANGES)
    counted = [finding for finding in report.findings if finding.waiver is None]
    for rule, findings in group_by_rule(counted).items():
        limit = len(findings) if is_long else _MAX_FINDINGS
        broken = [finding for finding in findings if rule.leaves_incomplete or not finding.undecided]
        if broken and not rule.is_in_table:
            _add_findings(page, rule, broken, limit=limit)
        if len(broken) < len(findings):
            undecided = [finding for finding in findings if finding.undecided]
            _add_undecided(page, rule, undecided, report, limit=limit)
    waived = [finding for finding in report.findings if finding.waiver is not None]
    _add_waived(page, waived, limit=len(waived) if is_long else _MAX_FINDINGS)
    if report.list_only:
        listing.add_dependencies(page, report, limit=options.top)
    else:
        table.add_dependencies(page, report, options)
        _add_alternatives(page, report, limit=None if is_long else _MAX_ALTERNATIVES)
        _add_projects(page, report, limit=None if is_long else _MAX_PROJECTS)
        _add_next_command(page, report)
    _add_notes(page, report, verbose=options.verbose)
    page.add_gap()
    page.add_paragraph(page.safe_text(f"exit {report.exit.value} ({report.exit_reason})", 0), "dim", indent=0)
    return page.to_text()


# --- alternatives


def _add_alternatives(page: Page, report: Report, *, limit: int | None) -> None:
    """Add a line for each dependency below the threshold of which an alternative is known."""
    accepted = wording.find_accepted(report)
    rows = [row for row in list_top_alternatives(report) if id(row.assessment) not in accepted]
    if not rows:
        return
    page.add_gap()
    page.add_line(("  alternatives: what does the same job", "dim"))
    for row in rows[:limit]:
        page.add_paragraph(page.safe_text(describe_briefly(row), 0), indent=4)
    if hidden_count := len(rows) - len(rows[:limit]):
        page.add_line((f"    +{hidden_count:,} more (--all)", "dim"))
    target = wording.check_target(rows[0].assessment.dependency)
    page.add_paragraph(page.safe_text(f"reasons, sources and scores: nerq alternatives {target}"), "dim", indent=4)


# --- projects


def _add_projects(page: Page, report: Report, *, limit: int | None) -> None:
    """Add a line per project, worst first, where there are several."""
    project_list = group_by_project(report)
    if len(project_list) < _MIN_PROJECTS:
        return
    reports = {project.path: report_for_project(report, project) for project in project_list}
    sort_keys = {
        path: (-subreport.count_state("below"), -subreport.count_state("unknown"), path)
        for path, subreport in reports.items()
    }
    accepted = wording.find_accepted_below(report)
    worst_first = sorted(project_list, key=lambda project: sort_keys[project.path])
    page.add_gap()
    page.add_line((f"  {len(project_list):,} projects", "dim"))
    for project in worst_first[:limit]:
        spans = [
            span
            for count_span in _state_counts(page, reports[project.path], accepted)
            for span in (count_span, ("  ", ""))
        ]
        page.add_paragraph(page.safe_text(project.path), indent=4)
        page.add_line(("      ", ""), *spans, (f"of {wording.count_assessments(project.dependencies)}", "dim"))
    if limit is not None and len(worst_first) > limit:
        page.add_line((f"    +{len(worst_first) - limit:,} more (--all)", "dim"))


# --- head


def _add_header(page: Page, report: Report) -> None:
    parts = [f"nerq {report.version}", wording.count_assessments(report.dependencies), *_describe_files(report)]
    if not report.list_only:
        parts += _describe_data_age(report)
    unbroken_parts = [page.safe_text(part, 0).replace(" ", "\xa0") for part in parts]
    summary_text = f" {page.glyphs.dot} ".join(unbroken_parts)
    elapsed = f"{report.elapsed:.1f} s" if report.elapsed else ""
    *lines, last_line = wrap_text(summary_text, page.width)
    for line in lines:
        page.add_line((line, "dim"))
    page.add_justified([(last_line, "dim")], (elapsed, "dim"))


def _describe_files(report: Report) -> Iterable[str]:
    shown_files = report.dependency_files[:_MAX_FILES]
    yield from (f"{dependency_file.path} ({dependency_file.dependencies})" for dependency_file in shown_files)
    if hidden_count := len(report.dependency_files) - len(shown_files):
        yield f"{hidden_count} more {'file' if hidden_count == 1 else 'files'}"


def _describe_data_age(report: Report) -> Iterable[str]:
    """Yield the age of the oldest answer, and those of the advisories on this machine."""
    answer_count = sum(source.answered_subjects for source in report.sources)
    cached_count = sum(source.from_cache for source in report.sources)
    age = _describe_oldest(report, [source for source in report.sources if source.answered_subjects])
    if not answer_count:
        yield "no data"
    elif not cached_count:
        yield f"data {age}"
    else:
        is_all_cached = cached_count >= answer_count
        # An age below a minute is no bound to name.
        bound = "" if is_all_cached or age == wording.JUST_FETCHED else "up to "
        yield f"data {bound}{age} ({'cache' if is_all_cached else 'partly cache'})"
    databases: dict[str, list[SourceStatus]] = {}
    for source in report.sources:
        if not source.subjects and source.oldest_response:
            databases.setdefault(source.name.partition(" (")[0], []).append(source)  # one of each ecosystem
    for name, statuses in databases.items():
        yield f"{name} {_describe_oldest(report, statuses)}"


def _describe_oldest(report: Report, sources: Iterable[SourceStatus]) -> str:
    oldest = min((source.oldest_response for source in sources if source.oldest_response), default=0)
    return wording.format_age(max(0, report.as_of - oldest)) if oldest else "of unknown age"


# --- verdict


def _add_verdict(page: Page, report: Report) -> None:
    word, style = wording.overall_verdict(report)
    items = [(f" {word} " if style == "alarm" else word, style), *_state_counts(page, report)]
    items += _rule_counts(page, report)
    others = " and others" * wording.has_own_thresholds(report)
    threshold = (f"threshold {report.threshold:g}{others}", "dim")
    lines: list[list[Span]] = [[("  ", "")]]
    for item in items:
        if sum(cell_width(text) for text, _ in lines[-1]) + cell_width(item[0]) > page.width:
            lines.append([("    ", "")])
        lines[-1] += [item, ("  ", "")]
    for line in lines[:-1]:
        page.add_line(*line)
    page.add_justified(lines[-1][:-1], threshold)


def _state_counts(page: Page, report: Report, accepted: Mapping[int, str] | None = None) -> Iterable[Span]:
    """Yield the number of packages in each state with its sign; zero for ``ok`` only."""
    if not report.dependencies:
        yield wording.describe_empty(report), ""
        return
    below = wording.count_below(report, accepted)
    labels = {"below": f"{wording.label_below(report)}{below.remark}", "not-judged": "not judged"}
    for state in sorted(STATES, key=lambda state: state != "ok"):
        n = below.open if state == "below" else report.count_state(state)
        if n or state == "ok" or (state == "below" and below.remark):
            style = wording.STATE_STYLES[state] if n else "dim"
            yield f"{getattr(page.glyphs, state.replace('-', '_'))} {n:,} {labels.get(state, state)}", style


def _rule_counts(page: Page, report: Report) -> Iterator[Span]:
    """Yield the number of findings that fail the run and that only the table shows, then that of the warnings."""
    for rule, findings in group_by_rule(finding for finding in report.findings if finding.fails).items():
        if rule.is_in_table and not rule.leaves_incomplete and rule is not SCORE_BELOW_THRESHOLD:
            yield f"{page.glyphs.below} {describe_counts(findings)[0]}", "bad"
    warning_count = sum(
        finding.level == "warn" and finding.is_open and not finding.undecided for finding in report.findings
    )
    if warning_count:
        yield format_count(warning_count, "warning"), "doubt"
    if known := count_known(report.findings):
        yield f"{known:,} known", "dim"
    waived_count = sum(finding.waiver is not None for finding in report.findings)
    if waived_count:
        yield f"{waived_count:,} waived", "doubt"
    if report.report_only:
        yield "report only", "dim"


# --- findings


def _add_findings(page: Page, rule: PolicyRule, findings: Sequence[Finding], *, limit: int) -> None:
    """Add the findings of one rule: heading, each with its location, hint. Grouped ones share their text."""
    is_warning = not rule.leaves_incomplete and not any(finding.level == "deny" for finding in findings)
    style, suffix = ("doubt", " (warning)") if is_warning else ("bad", "")
    page.add_paragraph(page.safe_text(f"{len(findings):,} {rule.headings[len(findings) > 1]}{suffix}"), style)
    same_text: dict[str, list[Finding]] = {}
    for finding in findings:
        same_text.setdefault(finding.text if rule.is_grouped else "", []).append(finding)
    shown_count = 0
    for text, group in same_text.items():
        if text and len(group) >= _MIN_GROUP:
            names = [finding.name for finding in group[:limit]]
            more = f" and {len(group) - len(names):,} more (--all)" if len(group) > len(names) else ""
            all_names = page.safe_text(", ".join(names) + more, 0)
            page.add_wrapped((f"  {page.glyphs.below} ", style), (all_names, "strong"), ("", ""))
            page.add_paragraph(page.safe_text(text), indent=4)
            shown_count += len(group)
            continue
        for finding in group[: max(0, limit - shown_count)]:
            _add_finding(page, finding, style)
            shown_count += 1
    if (hidden_count := len(findings) - shown_count) > 0:
        page.add_paragraph(f"+{hidden_count:,} more (--all)", "dim", indent=4)
    page.add_paragraph(page.safe_text(f"→ {rule.hint}"), "action", indent=4)
    page.add_gap()


def _add_undecided(page: Page, rule: PolicyRule, findings: Sequence[Finding], report: Report, *, limit: int) -> None:
    """Add the dependencies that could not be checked by a rule, by reason."""
    page.add_paragraph(
        page.safe_text(f"{rule.id} could not be decided for {wording.count_subjects(findings, report)}"), "doubt"
    )
    by_text: dict[str, list[str]] = {}
    for finding in findings:
        by_text.setdefault(finding.text, []).append(finding.name)
    for text, names in by_text.items():
        more = f" and {len(names) - limit:,} more (--all)" if len(names) > limit else ""
        all_names = page.safe_text(", ".join(names[:limit]) + more, 0)
        page.add_wrapped((f"  {page.glyphs.unknown} ", "doubt"), (all_names, "strong"), ("", ""))
        page.add_paragraph(page.safe_text(text), indent=4)
    page.add_gap()


def _add_waived(page: Page, findings: Sequence[Finding], *, limit: int) -> None:
    """Add the waived findings, each with what it is, why and until when it is waived, and where that is written."""
    if not findings:
        return
    page.add_paragraph(format_count(len(findings), "waived finding"), "doubt")
    for finding in findings[:limit]:
        waiver = finding.waiver
        location = "" if waiver is None or waiver.location is None else wording.format_location(waiver.location)
        name = page.safe_text(f"{finding.name} {wording.shorten_version(finding.version)}".strip())
        page.add_wrapped(("  - ", "doubt"), (name, "strong"), (page.safe_text(location), "dim"))
        page.add_paragraph(page.safe_text(f"{finding.id}: {finding.text}"), indent=4)
        if waiver is not None:
            page.add_paragraph(page.safe_text(wording.describe_waiver(waiver)), "doubt", indent=4)
    if len(findings) > limit:
        page.add_paragraph(f"+{len(findings) - limit:,} more (--all)", "dim", indent=4)
    page.add_gap()


def _add_finding(page: Page, finding: Finding, style: str) -> None:
    name, location = (
        page.safe_text(finding.name or finding.text),
        page.safe_text(wording.format_locations(finding.locations)),
    )
    if finding.change == "unchanged":
        name, style = f"{name} (as before)", "dim"
    page.add_wrapped((f"  {page.glyphs.below} ", style), (name, "strong"), (location, "dim"))
    if finding.name:
        page.add_paragraph(page.safe_text(finding.text), indent=4)


# --- foot


def _add_next_command(page: Page, report: Report) -> None:
    failing = {finding.purl for finding in report.findings if finding.fails}
    worst_assessment = min(
        (
            assessment
            for assessment in report.dependencies
            if assessment.state in ("below", "unknown") or (failing and assessment.dependency.purl in failing)
        ),
        key=table.sort_key,
        default=None,
    )
    if worst_assessment is not None:
        page.add_gap()
        page.add_paragraph(
            page.safe_text(f"nerq check {wording.check_target(worst_assessment.dependency)}"),
            "action",
            indent=9,
            prefix="  next:",
        )


def _add_notes(page: Page, report: Report, *, verbose: bool) -> None:
    """Add problems, sources that did not answer, warnings and notes."""
    notes = list(_problem_notes(report))
    notes += [("doubt", text) for text in _describe_missing(report.sources, verbose=verbose)]
    notes += [
        ("dim", f"note: {_describe_partial(source)}")
        for source in report.sources
        if source.reason and not _is_unavailable(source) and not source.address  # which has a warning
    ]
    notes += [("dim", f"note: {text}") for text in wording.describe_lookups(report)]
    notes += [("action", hint) for hint in report.hints]
    warnings = dict.fromkeys(report.warnings)
    notes += [("doubt", f"warning: {warning}") for warning in warnings]
    file_notes = [
        f"{dependency_file.path}: {note}"
        for dependency_file in report.dependency_files
        for note in dependency_file.notes
    ]
    notes += [("dim", f"note: {note}") for note in file_notes if note not in warnings]
    builds = [item.dependency for item in report.dependencies if item.dependency.local_build and item.score is not None]
    if builds:
        labels = ", ".join(wording.package_label(dependency) for dependency in builds[:_MAX_FILES])
        suffix = f" and {len(builds) - _MAX_FILES} more" if len(builds) > _MAX_FILES else ""
        notes.append(("dim", f"note: judged as the public versions that they are built from: {labels}{suffix}"))
    limit = len(notes) if verbose else _MAX_NOTES
    page.add_gap()
    for style, note in notes[:limit]:
        page.add_paragraph(page.safe_text(note), style)
    if hidden_count := len(notes[limit:]):
        page.add_line((f"  +{hidden_count} more (--verbose)", "dim"))
    if verbose and report.sources:
        page.add_gap()
        _add_sources(page, report)


def _problem_notes(report: Report) -> Iterable[tuple[str, str]]:
    if report.errors:
        n = len(report.errors)
        positions = ", ".join(format_position(problem) for problem in report.errors[:_MAX_FILES])
        suffix = f" and {n - _MAX_FILES} more" if n > _MAX_FILES else ""
        style = "bad" if any(problem.level == "error" for problem in report.errors) else "doubt"
        yield style, f"{n} {'problem' if n == 1 else 'problems'} in dependency files: {positions}{suffix}"


def _is_unavailable(source: SourceStatus) -> bool:
    return source.state in ("partial", "unavailable") and not source.fallback


def _describe_missing(sources: Iterable[SourceStatus], *, verbose: bool) -> Iterator[str]:
    """Yield what was not checked, or not refreshed where everything is answered from the cache.

    Sources without any answer share a line, unless ``verbose`` is set; each of the others has its own.
    """
    missing = [source for source in sources if _is_unavailable(source)]
    unanswered = [source for source in missing if source.state == "unavailable" and not source.answered_subjects]
    if len(unanswered) >= _MIN_UNANSWERED and not verbose:
        names = ", ".join(source.name for source in unanswered)
        causes = list(dict.fromkeys(filter(None, (_find_cause(source.reason) for source in unanswered))))
        listed_causes = [*causes[:_MAX_CAUSES], *(["other reasons"] if len(causes) > _MAX_CAUSES else [])]
        if any(_RETRY_HINT in source.reason for source in unanswered):
            listed_causes.append(_RETRY_HINT)
        yield f"not checked ({'; '.join(listed_causes)}): {names}" if listed_causes else f"not checked: {names}"
        missing = [source for source in missing if source not in unanswered]
    for source in missing:
        is_complete = source.outdated and source.answered_subjects == source.subjects
        yield f"{'not refreshed' if is_complete else 'not checked'}: {_describe_unavailable(source)}"


def _find_cause(reason: str) -> str:
    """Return a reason without the host, the attempts and the time, which differ from source to source."""
    return _ATTEMPTS.sub("", reason.rpartition(": ")[2], count=1)


def _describe_unavailable(source: SourceStatus) -> str:
    reason = f": {source.reason}" if source.reason else ""
    unanswered_count = source.subjects - source.answered_subjects
    lookups = [f"{unanswered_count:,} of {source.subjects:,} lookups"] if unanswered_count > 0 else []
    if source.outdated:
        lookups.append(f"{source.outdated:,} of {source.subjects:,} answered from the cache")
    details = f" ({', '.join(lookups)})" if lookups else ""
    return f"{source.name}{reason}{details}"


def _describe_partial(source: SourceStatus) -> str:
    """Return what a working source does not offer, or the source that answered in place of another."""
    if source.fallback:
        return f"{source.name} did not answer ({source.reason}); {source.fallback} was used"
    return f"{source.name} answered {source.answered_subjects:,} of {source.subjects:,}: {source.reason}"


def _add_sources(page: Page, report: Report) -> None:
    page.add_line(("  Sources", "strong"))
    for source in report.sources:
        counts = (
            f"{source.answered_subjects:,} of {source.subjects:,} answered, {source.from_cache:,} from the cache, "
            f"{format_count(source.requests, 'request')}"
        )
        reason = f" ({source.reason})" if source.reason else ""
        page.add_paragraph(page.safe_text(f"{source.name}: {source.state}, {counts}{reason}"), "dim", indent=4)
