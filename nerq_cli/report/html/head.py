"""The head of the page: verdict, what could not be checked, and the number of dependencies in each state."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from nerq_cli.errors import ExitStatus
from nerq_cli.policy import STATES
from nerq_cli.policy.findings import Finding
from nerq_cli.policy.rules import RULES, describe_counts
from nerq_cli.report import wording
from nerq_cli.report.glyphs import UNICODE_GLYPHS
from nerq_cli.report.html.markup import Markup, element, join
from nerq_cli.report.model import Report, SourceStatus
from nerq_cli.signals.signal import format_count

#: Rules about the states ``unknown`` and ``not-judged``, which are counted anyway.
_STATE_RULES: Final = ("score-unknown", "not-judged")
#: Dependency files named in the line of facts, and problems of files in the list of what could not be checked.
_MAX_FILES: Final = 3
_MAX_PROBLEMS: Final = 5
_GLYPHS: Final = {"FAIL": UNICODE_GLYPHS.below, "INCOMPLETE": UNICODE_GLYPHS.unknown, "PASS": UNICODE_GLYPHS.ok}


def find_verdict(report: Report) -> str:
    """Return ``FAIL``, ``INCOMPLETE``, ``PASS``, or ``LISTED`` for a report without scores."""
    if report.list_only:
        return "LISTED" if report.exit is ExitStatus.PASSED else "FAIL"
    return wording.overall_verdict(report)[0]


def label_state(state: str, below: str) -> str:
    """Return a state in words: ``not judged``; ``below`` has those of that state."""
    return below if state == "below" else state.replace("-", " ")


def build_state(state: str, below: str) -> Markup:
    """Return the sign and the words of a state (see `label_state`): its colour is one of three signs of it."""
    return element(
        "span",
        element("span", getattr(UNICODE_GLYPHS, state.replace("-", "_")), class_="glyph", aria_hidden="true"),
        " ",
        label_state(state, below),
        class_=f"state state-{state}",
    )


def build_head(report: Report) -> Markup:
    """Return the head: what the run found, what it could not check, and from what."""
    verdict = find_verdict(report)
    glyph = element("span", _GLYPHS.get(verdict, UNICODE_GLYPHS.dot), class_="glyph", aria_hidden="true")
    return element(
        "header",
        element("p", element("strong", "nerq"), " dependency report", class_="brand"),
        element(
            "h1",
            element("span", glyph, " ", verdict, class_=f"verdict verdict-{verdict.lower()}"),
            " ",
            element("span", report.exit_reason, class_="reason"),
        ),
        element("ul", *(element("li", fact) for fact in _list_facts(report)), class_="facts"),
        _build_unchecked(report),
        _build_counts(report),
        class_="masthead",
    )


def _list_facts(report: Report) -> Iterator[str]:
    yield wording.count_assessments(report.dependencies)
    for file in report.dependency_files[:_MAX_FILES]:
        yield f"{file.path} ({file.dependencies})"
    if (hidden_count := len(report.dependency_files) - _MAX_FILES) > 0:
        yield f"{hidden_count} more {'file' if hidden_count == 1 else 'files'}"
    if not report.list_only:
        yield f"threshold {report.threshold:g}{' and others' * wording.has_own_thresholds(report)}"
    yield f"as of {wording.format_timestamp(report.as_of)[:16].replace('T', ' ')} UTC"
    yield f"exit status {report.exit.value}"


def _build_unchecked(report: Report) -> Markup | None:
    """Return what could not be checked; None where everything was, or nothing was to be."""
    items = list(_list_unchecked(report))
    if not items and (report.complete or report.list_only):
        return None
    return element(
        "section",
        element("h2", "Not everything could be checked", id="unchecked"),
        element("ul", *(element("li", item) for item in items or [Markup(element("span", report.exit_reason))])),
        class_="unchecked",
        aria_labelledby="unchecked",
    )


def _list_unchecked(report: Report) -> Iterator[Markup]:
    for problem in report.errors[:_MAX_PROBLEMS]:
        position = f"{problem.path}:{problem.line}" if problem.line else problem.path
        yield join(element("code", position), f" {problem.message}")
    if (hidden_count := len(report.errors) - _MAX_PROBLEMS) > 0:
        yield join(f"{format_count(hidden_count, 'more problem')} in dependency files")
    if report.list_only:
        return
    if report.count_state("unknown"):
        yield join(f"{wording.count_state(report, 'unknown')} could not be judged: too little is known")
    if report.count_state("not-judged"):
        yield join(f"{wording.count_state(report, 'not-judged')} not judged: of a third party, and not looked up")
    for phrase in describe_counts(filter(_leaves_incomplete, report.findings)):
        yield join(phrase)
    for source in report.sources:
        if is_missing(source):
            yield join(element("strong", source.name), f": {_describe_missing(source)}")


def _leaves_incomplete(finding: Finding) -> bool:
    """Whether a finding leaves something open that the states of the dependencies do not have."""
    rule = next(rule for rule in RULES if rule.id == finding.id)
    return finding.is_open and rule.id not in _STATE_RULES and (finding.undecided or rule.leaves_incomplete)


def is_missing(source: SourceStatus) -> bool:
    """Whether a source left something unanswered that no other source answered."""
    return source.state in ("partial", "unavailable") and not source.fallback


def _describe_missing(source: SourceStatus) -> str:
    unanswered_count = source.subjects - source.answered_subjects
    parts = [source.reason] if source.reason else []
    if unanswered_count > 0:
        parts.append(f"{unanswered_count:,} of {source.subjects:,} lookups not answered")
    if source.outdated:
        parts.append(f"{source.outdated:,} of {source.subjects:,} answered from the cache, not refreshed")
    return "; ".join(parts) or source.state


def _build_counts(report: Report) -> Markup | None:
    if report.list_only:
        return None
    if not report.dependencies:
        return element("p", wording.describe_empty(report), class_="empty")
    below = wording.count_below(report)
    counts = {state: report.count_state(state) for state in STATES} | {"below": below.open}
    tiles = [
        element(
            "li",
            element(
                "span",
                element("span", f"{counts[state]:,}", class_="number"),
                " ",
                build_state(state, f"{wording.label_below(report)}{below.remark}"),
                class_="tile",
                data_state=state,
            ),
        )
        for state in STATES
        if counts[state] or state == "ok" or (state == "below" and below.remark)
    ]
    if affected_count := sum(bool(assessment.advisories) for assessment in report.dependencies):
        number = element("span", f"{affected_count:,}", class_="number")
        label = element("span", "with known advisories", class_="state")
        tiles.append(element("li", element("span", number, " ", label, class_="tile", data_affected="yes")))
    return element("ul", *tiles, class_="counts", aria_label="Dependencies by state")
