"""JUnit XML: a test case for each dependency. What is not known never passes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from nerq_cli.patterns import compile_late
from nerq_cli.report.changes import (
    describe_changes,
    describe_findings,
    describe_summary,
    list_removed,
    name_removed,
)
from nerq_cli.report.gaps import is_fully_checked, list_gaps
from nerq_cli.report.issues import Issue, group_by_purl, list_issues, list_purls, select_issues
from nerq_cli.report.model import Assessment, Report
from nerq_cli.report.projects import group_by_project
from nerq_cli.report.sanitize import TEXT_LIMIT, sanitize_text
from nerq_cli.report.uris import is_file_path
from nerq_cli.report.wording import format_timestamp, package_label

if TYPE_CHECKING:
    from nerq_cli.report import RenderOptions

#: Characters that XML 1.0 does not allow (2.2), beside the control characters that no text has.
_NOT_XML: Final = compile_late("[\ufffe\uffff]")
_ESCAPES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})
#: Name of the suite of what belongs to no dependency.
_RUN_SUITE: Final = "nerq"
#: Most dependencies that are named as removed.
_MAX_REMOVED: Final = 1_000


class _Case(msgspec.Struct, frozen=True, kw_only=True):
    """One test case."""

    name: str
    #: ``failure``, ``error``, ``skipped``; empty if it passed.
    result: str = ""
    #: Type of the failure or error: a rule.
    kind: str = ""
    #: Texts, the most important first.
    texts: Sequence[str] = ()
    file: str = ""


def render(report: Report, options: RenderOptions) -> bytes:
    """Return the report as XML. The same report gives the same bytes."""
    return b"".join(render_parts(report, options))


def render_parts(report: Report, options: RenderOptions) -> Iterator[bytes]:  # noqa: ARG001 - Renderer protocol
    """Yield the document, one suite at a time: one for each project, and one for the run."""
    issues = list_issues(report)
    by_purl = group_by_purl(issues)
    suites: dict[str, list[_Case]] = {}
    projects = group_by_project(report)
    in_project = {id(assessment) for project in projects for assessment in project.dependencies}
    attached: set[str] = set()
    changes = describe_changes(report)
    for name, assessments in [
        *((project.path, project.dependencies) for project in projects),
        ("packages", [assessment for assessment in report.dependencies if id(assessment) not in in_project]),
    ]:
        cases = []
        for assessment in assessments:
            attached.update(list_purls(assessment.dependency))
            own_issues = select_issues(by_purl, assessment.dependency)
            change = changes.get(assessment.dependency.purl, "")
            cases.append(_build_case(assessment, own_issues, report, change))
        if cases:
            suites[name] = cases
    others = [issue for issue in issues if issue.purl not in attached]
    suites[_RUN_SUITE] = [*_list_run_cases(report), *(_build_issue_case(issue, report) for issue in others)]
    cases = [case for suite in suites.values() for case in suite]
    yield f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="nerq"{_count(cases)}>\n'.encode()
    moment = format_timestamp(report.as_of).removesuffix("Z")
    for name, suite in suites.items():
        properties = _list_properties(report) if name == _RUN_SUITE else ()
        yield "".join(_format_suite(name, suite, moment, properties)).encode()
    yield b"</testsuites>\n"


def _list_properties(report: Report) -> Iterator[tuple[str, str]]:
    """Yield what a comparison found, as names and values."""
    comparison = report.comparison
    if comparison is None:
        return
    yield "comparison.baseline", comparison.label
    yield "comparison.dependencies", describe_summary(comparison)
    yield "comparison.findings", ", ".join(describe_findings(report, comparison))
    removed = list_removed(report)
    yield from (("comparison.removed", name_removed(change)) for change in removed[:_MAX_REMOVED])
    if len(removed) > _MAX_REMOVED:
        yield "comparison.removed", f"{len(removed) - _MAX_REMOVED:,} more"


def _build_case(assessment: Assessment, issues: Sequence[Issue], report: Report, change: str) -> _Case:
    """Return the case of a dependency; ``change`` is what differs from the earlier run."""
    dependency = assessment.dependency
    result, kind, texts = _judge(assessment, issues, report)
    if change:
        texts = [*texts, f"Change: {change}"]
    file = next((place.path for place in dependency.locations if is_file_path(place.path)), "")
    return _Case(name=package_label(dependency), result=result, kind=kind, texts=texts, file=file)


def _judge(assessment: Assessment, issues: Sequence[Issue], report: Report) -> tuple[str, str, Sequence[str]]:
    """Return the result of a dependency, its type and its texts."""
    state = assessment.state
    reasons = assessment.reasons or (assessment.dependency.skip_reason or "no reason is known",)
    open_issues = [issue for issue in issues if issue.is_open]
    failing = [issue for issue in open_issues if issue.level == "error"]
    undecided = [issue for issue in open_issues if issue.undecided]
    closed = [issue for issue in issues if issue.level == "error" and not issue.is_open]
    texts = [f"{issue.rule}: {issue.text}" for issue in open_issues]
    result = ("", "", texts)
    if failing:
        fixes = [f"Fix: {issue.fix}" for issue in failing if issue.fix]
        result = ("failure", failing[0].rule, [*texts, *dict.fromkeys(fixes)])
    elif state is None:
        result = ("skipped", "", ["listed, not scored"])
    elif state == "skipped":
        result = ("skipped", "", [*reasons])
    elif closed:
        result = ("skipped", "", [*(f"{issue.rule}: {issue.text} ({issue.remark})" for issue in closed), *texts])
    elif state == "below":  # no rule reports it
        result = ("failure", "below", [*reasons, *texts])
    elif state in ("unknown", "not-judged"):
        result = (_fail_incomplete(report), state, texts or [*reasons])
    elif undecided:
        result = (_fail_incomplete(report), undecided[0].rule, texts)
    return result


def _fail_incomplete(report: Report) -> str:
    """Return the result of what could not be checked."""
    return "error" if report.fails_incomplete else "skipped"


def _build_issue_case(issue: Issue, report: Report) -> _Case:
    """Return the case of an issue that belongs to no dependency of the report."""
    file = next((place.path for place in issue.locations if is_file_path(place.path)), "")
    remark = f" ({issue.remark})" if issue.remark else ""
    result = "skipped"
    if issue.is_open:
        result = "failure" if issue.level == "error" else _fail_incomplete(report)
    name = f"{issue.rule} {issue.label}".strip()
    return _Case(name=name, result=result, kind=issue.rule, texts=[f"{issue.text}{remark}"], file=file)


def _list_run_cases(report: Report) -> Iterator[_Case]:
    """Yield the case of the run itself, and one for each problem of a file."""
    gaps = list_gaps(report)
    name = "everything could be checked"
    if is_fully_checked(report):
        yield _Case(name=name, texts=[gap.text for gap in gaps])
    else:
        is_error = any(gap.level == "error" for gap in gaps)
        texts = [gap.text for gap in gaps]
        yield _Case(name=name, result="error" if is_error else "skipped", kind="incomplete", texts=texts)
    for gap in gaps:
        if gap.location is not None:
            place = f"{gap.location.path}:{gap.location.line}" if gap.location.line else gap.location.path
            result = "error" if gap.level == "error" or report.fails_incomplete else "skipped"
            yield _Case(name=f"read {place}", result=result, kind="file", texts=[gap.text], file=gap.location.path)


def _format_suite(
    name: str, cases: Sequence[_Case], moment: str, properties: Iterable[tuple[str, str]]
) -> Iterator[str]:
    yield f'  <testsuite name="{_escape(name)}"{_count(cases)} timestamp="{_escape(moment)}">\n'
    if lines := [f'      <property name="{_escape(key)}" value="{_escape(value)}"/>\n' for key, value in properties]:
        yield "".join(("    <properties>\n", *lines, "    </properties>\n"))
    for case in cases:
        file = f' file="{_escape(case.file)}"' if case.file else ""
        start = f'    <testcase classname="{_escape(name)}" name="{_escape(case.name)}"{file} time="0"'
        if case.result:
            kind = f' type="{_escape(case.kind)}"' if case.kind and case.result != "skipped" else ""
            message = _escape(case.texts[0]) if case.texts else ""
            texts = "\n".join(map(_escape, case.texts))
            yield f'{start}>\n      <{case.result} message="{message}"{kind}>{texts}</{case.result}>\n    </testcase>\n'
        elif case.texts:
            texts = "\n".join(map(_escape, case.texts))
            yield f"{start}>\n      <system-out>{texts}</system-out>\n    </testcase>\n"
        else:
            yield f"{start}/>\n"
    yield "  </testsuite>\n"


def _count(cases: Iterable[_Case]) -> str:
    results = [case.result for case in cases]
    counts = {"tests": len(results), "failures": results.count("failure"), "errors": results.count("error")}
    counts["skipped"] = results.count("skipped")
    return "".join(f' {name}="{count}"' for name, count in counts.items()) + ' time="0"'


def _escape(text: str) -> str:
    """Return a text as content or attribute of XML."""
    return _NOT_XML.sub("", sanitize_text(text, 2 * TEXT_LIMIT)).translate(_ESCAPES)
