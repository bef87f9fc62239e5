"""SARIF 2.1.0, within the limits of GitHub's code scanning."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from nerq_cli.ecosystems import get_prefix
from nerq_cli.inventory import Location
from nerq_cli.patterns import compile_late
from nerq_cli.policy.rules import WAIVABLE_RULES, PolicyRule
from nerq_cli.report.changes import describe_change, describe_changes, describe_findings, describe_summary
from nerq_cli.report.gaps import Gap, is_fully_checked, list_gaps
from nerq_cli.report.issues import ADVISORY_SEVERITIES, RULE_SEVERITIES, Issue, find_rules, list_issues
from nerq_cli.report.model import Report
from nerq_cli.report.sanitize import TEXT_LIMIT, sanitize_text
from nerq_cli.report.uris import encode_path, is_below_root, is_file_path
from nerq_cli.report.wording import describe_methodologies, format_timestamp

if TYPE_CHECKING:
    from nerq_cli.report import RenderOptions

#: Limits of GitHub's code scanning (About code scanning limits on SARIF results): results of one run, locations of one
#: result that it shows, and bytes of the file compressed with gzip.
MAX_RESULTS: Final = 25_000
MAX_LOCATIONS: Final = 100
MAX_COMPRESSED: Final = 10_000_000
#: Most notifications; files with many problems repeat them.
_MAX_NOTIFICATIONS: Final = 1_000
#: Most changes of dependencies that the properties of the run list.
_MAX_CHANGES: Final = 1_000
#: Part of the limit that a shortened file aims at: its compression is estimated.
_SHORTENING: Final = 0.9

#: Address of the documentation on the web, without a slash at its end; empty as long as there is none. The help of a
#: rule is in the log in either case.
ADDRESS: Final = ""
_SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_ROOT: Final = "%SRCROOT%"
_ROOT_TEXT: Final = "The root of the git repository; outside of one the directory that nerq was run in."
_VULNERABILITY: Final = "vulnerability"
_BASELINE_STATES: Final = {"new": "new", "worse": "updated", "unchanged": "unchanged"}
_NOT_CHECKED: Final = "not-checked"
_LEFT_OUT: Final = "left-out"
_NOTIFICATIONS: Final = {
    _NOT_CHECKED: "Something could not be checked.",
    _LEFT_OUT: "Results are left out, as the file has a limit.",
}
#: What a viewer takes for a link to a URI or a location, and for an argument (SARIF 2.1.0, 3.11.5 and 3.11.6).
_LINK: Final = compile_late(r"\](?=\()")
_PLACEHOLDER: Final = compile_late(r"\{(?=\d+\})")


def render(report: Report, options: RenderOptions) -> bytes:
    """Return the report as SARIF. The same report gives the same bytes."""
    return b"".join(render_parts(report, options))


def render_parts(report: Report, options: RenderOptions) -> Iterator[bytes]:  # noqa: ARG001 - Renderer protocol
    """Yield the log with one line for each result."""
    issues = list_issues(report)
    rules = find_rules(issues)
    descriptors = {_descriptor_id(issue): issue for issue in issues}
    indexes = {descriptor_id: index for index, descriptor_id in enumerate(descriptors)}
    has_waivers = any(issue.waiver is not None for issue in issues)
    changes = describe_changes(report)
    results = [
        msgspec.json.encode(
            _build_result(
                issue,
                indexes,
                change=changes.get(issue.purl, ""),
                has_suppressions=has_waivers,
            )
        )
        for issue in issues[:MAX_RESULTS]
    ]
    kept = _fit_results(results)
    notifications = [(_NOT_CHECKED, gap) for gap in list_gaps(report)]
    if left_out := len(issues) - kept:
        gap = Gap("warning", f"{left_out:,} of {len(issues):,} results are left out, the mildest ones")
        notifications.insert(0, (_LEFT_OUT, gap))
    run = _build_run(
        report, notifications, [_build_descriptor(rules[issue.rule], issue) for issue in descriptors.values()]
    )
    log = msgspec.json.encode({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]})
    start, end = log[: -len(_END)], _END
    yield start
    yield b",\n".join(results[:kept])
    yield end + b"\n"


#: End of the log: the empty list of results is the last key of the run.
_END: Final = b"]}]}"


def _fit_results(results: Sequence[bytes]) -> int:
    """Return how many of the results fit into a compressed file."""
    import zlib

    count = len(results)
    while count and sum(map(len, results[:count])) > MAX_COMPRESSED:
        compressor = zlib.compressobj(1)  # the weakest: any other one makes it smaller
        size = sum(len(compressor.compress(result)) for result in results[:count]) + len(compressor.flush())
        if size <= MAX_COMPRESSED * _SHORTENING:
            break
        count = int(count * min(_SHORTENING, _SHORTENING * MAX_COMPRESSED / size))
    return count


def _descriptor_id(issue: Issue) -> str:
    """Return the rule, for a vulnerability with its severity: code scanning reads the severity of a rule only."""
    return f"{issue.rule}-{issue.severity}" if issue.rule == _VULNERABILITY and issue.severity else issue.rule


def _build_run(
    report: Report, notifications: Sequence[tuple[str, Gap]], descriptors: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "tool": {
            "driver": {
                "name": "nerq-cli",
                "version": report.version,
                **({"informationUri": ADDRESS} if ADDRESS else {}),
                "rules": descriptors,
                "notifications": [
                    {
                        "id": name,
                        "name": _pascal_case(name),
                        "shortDescription": {"text": text},
                        "fullDescription": {"text": text},
                        "help": {"text": text},
                    }
                    for name, text in _NOTIFICATIONS.items()
                ],
            }
        },
        "invocations": [
            {
                "executionSuccessful": is_fully_checked(report),
                "exitCode": int(report.exit),
                "exitCodeDescription": _clean(report.exit_reason),
                "toolExecutionNotifications": [
                    _build_notification(name, gap) for name, gap in notifications[:_MAX_NOTIFICATIONS]
                ],
            }
        ],
        "originalUriBaseIds": {_ROOT: {"description": {"text": _ROOT_TEXT}}},
        "columnKind": "unicodeCodePoints",
        "properties": {
            "asOf": format_timestamp(report.as_of),
            "complete": report.complete,
            "methodology": describe_methodologies(report),
            "threshold": report.threshold,
            "dependencies": len(report.dependencies),
            **_describe_comparison(report),
        },
        "results": [],
    }


def _describe_comparison(report: Report) -> dict[str, Any]:
    """Return the comparison with an earlier run as a property of the run; empty without one."""
    comparison = report.comparison
    if comparison is None:
        return {}
    content: dict[str, Any] = {
        "baseline": _clean(comparison.label),
        "dependencies": _clean(describe_summary(comparison)),
        "findings": ", ".join(describe_findings(report, comparison)),
        "changes": [
            {
                "name": _clean(f"{get_prefix(change.ecosystem)}:{change.name}"),
                "version": _clean(change.version_after or ""),
                "change": _clean(describe_change(report, change)),
                **({"versionBefore": _clean(change.version_before)} if change.version_before else {}),
            }
            for change in comparison.changes[:_MAX_CHANGES]
        ],
    }
    if len(comparison.changes) > _MAX_CHANGES:
        content["changesLeftOut"] = len(comparison.changes) - _MAX_CHANGES
    return {"comparison": content}


def _build_notification(name: str, gap: Gap) -> dict[str, Any]:
    notification: dict[str, Any] = {
        "descriptor": {"id": name},
        "level": gap.level,
        "message": {"text": _clean(gap.text)},
    }
    if gap.location is not None and is_file_path(gap.location.path):
        notification["locations"] = [{"physicalLocation": _build_physical(gap.location)}]
    return notification


def _build_descriptor(rule: PolicyRule, issue: Issue) -> dict[str, Any]:
    """Return the descriptor of a rule. An issue that has it provides the severity."""
    explanation = f"{rule.summary} {rule.explanation}".strip()
    severity = (
        ADVISORY_SEVERITIES.get(issue.severity, 0.0)
        if issue.rule == _VULNERABILITY and issue.severity
        else RULE_SEVERITIES.get(issue.rule, 0.0)
    )
    tags = ["dependencies", "supply-chain", *(["security"] if severity else [])]
    properties: dict[str, Any] = {"tags": tags, "precision": "high"}
    if severity:
        properties["security-severity"] = f"{severity:.1f}"
    return {
        "id": _descriptor_id(issue),
        "name": _pascal_case(_descriptor_id(issue)),
        **({"helpUri": f"{ADDRESS}/rules#{rule.id}"} if ADDRESS else {}),
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": explanation},
        "help": _build_help(rule, explanation),
        "defaultConfiguration": {"level": issue.level},
        "properties": properties,
    }


def _build_help(rule: PolicyRule, explanation: str) -> dict[str, str]:
    """Return the help of a rule: what it means, what to do, and how its level is set or a finding is waived."""
    hint = f"{rule.hint[:1].upper()}{rule.hint[1:]}." if rule.hint else "See the message of the result."
    level = f"Its level is {rule.level} unless the settings have another one"
    setting = f'{rule.id} = "{"warn" if rule.level == "deny" else "deny"}"'
    target = "--advisory ID" if rule.id == _VULNERABILITY else f"--rule {rule.id}"
    waive = f"nerq waive NAME {target} --until YYYY-MM-DD --reason TEXT"
    text = f"{explanation} What to do: {hint} {level} ([tool.nerq.rules] {setting})."
    markdown = f"{explanation}\n\n**What to do:** {hint}\n\n{level}:\n\n```toml\n[tool.nerq.rules]\n{setting}\n```\n"
    if rule.id in WAIVABLE_RULES:
        text += f" To accept a finding for a time: {waive}"
        markdown += f"\nTo accept a finding for a time:\n\n```sh\n{waive}\n```\n"
    return {"text": text, "markdown": markdown}


def _pascal_case(text: str) -> str:
    return "".join(word.capitalize() for word in text.split("-"))


def _build_result(issue: Issue, indexes: dict[str, int], *, change: str, has_suppressions: bool) -> dict[str, Any]:
    """Return a result; ``change`` is what differs from the earlier run in the dependency that it is about."""
    descriptor_id = _descriptor_id(issue)
    parts = [f"{issue.label}: {issue.text}" if issue.name else issue.text]
    parts += [f"Fix: {issue.fix}"] * bool(issue.fix) + [issue.remark] * bool(issue.remark)
    files = [location for location in issue.locations if is_file_path(location.path)]
    where = (
        {"name": issue.name, "fullyQualifiedName": issue.purl, "kind": issue.kind or "package"} if issue.name else None
    )
    location: dict[str, Any] = {"physicalLocation": _build_physical(files[0])} if files else {}
    if where:
        location["logicalLocations"] = [where]
    result: dict[str, Any] = {
        "ruleId": descriptor_id,
        "ruleIndex": indexes[descriptor_id],
        "level": issue.level,
        "message": {"text": _clean(" ".join(f"{part.removesuffix('.')}." for part in parts))},
        "locations": [location] if location else [],
        "partialFingerprints": {
            # The only one that code scanning compares. Its action computes one of the line where this one is missing.
            "primaryLocationLineHash": f"{issue.fingerprint}:1",
            "nerqIssue/v1": issue.fingerprint,
        },
    }
    if len(files) > 1:
        result["relatedLocations"] = [
            {"id": number, "physicalLocation": _build_physical(other)}
            for number, other in enumerate(files[1:MAX_LOCATIONS], 1)
        ]
    if issue.change:
        result["baselineState"] = _BASELINE_STATES[issue.change]
    if has_suppressions:  # an empty list: not suppressed (3.27.23)
        result["suppressions"] = [_build_suppression(issue)] if issue.waiver is not None else []
    properties = {
        "purl": issue.purl,
        "version": issue.version,
        "kind": "" if issue.kind == "package" else issue.kind,
        "advisory": issue.advisory,
        "severity": issue.severity,
        "fix": issue.fix,
        "change": _clean(change),
    }
    result["properties"] = {name: value for name, value in properties.items() if value}
    return result


def _build_suppression(issue: Issue) -> dict[str, Any]:
    suppression: dict[str, Any] = {
        "kind": "external",
        "status": "accepted",
        "justification": _clean(issue.remark),
    }
    location = None if issue.waiver is None else issue.waiver.location
    if location is not None and is_file_path(location.path):
        suppression["location"] = {"physicalLocation": _build_physical(location)}
    return suppression


def _build_physical(location: Location) -> dict[str, Any]:
    """Return a place. Code scanning requires a line: a finding about a whole file is at its first one."""
    artifact: dict[str, Any] = {"uri": encode_path(location.path)}
    if is_below_root(location.path):
        artifact["uriBaseId"] = _ROOT
    return {"artifactLocation": artifact, "region": {"startLine": location.line or 1}}


def _clean(text: str) -> str:
    """Return a text in which no viewer finds a link or an argument."""
    clean = sanitize_text(text, 2 * TEXT_LIMIT)
    return _PLACEHOLDER.sub("{ ", _LINK.sub("] ", clean))
