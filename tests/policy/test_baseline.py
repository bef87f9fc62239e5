"""The comparison of two runs: dependencies, scores with what moved them, findings."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from nerq_cli.inventory import Location
from nerq_cli.policy.baseline import (
    CapChange,
    Comparison,
    Record,
    RecordedAdvisory,
    RecordedDependency,
    RecordedFinding,
    RecordedScore,
    SignalChange,
    compare,
    find_projects,
    mark_findings,
    record_finding,
)
from nerq_cli.policy.findings import Change, Finding


def one(name: str, version: str = "1.0", *projects: str, **fields: Any) -> RecordedDependency:
    values: dict[str, Any] = {"state": "ok", "ecosystem": "PyPI", **fields}
    return RecordedDependency(name=name, version=version, projects=projects or ("",), **values)


def record(*dependencies: RecordedDependency, methodology: str = "2", findings: Any = (), **fields: Any) -> Record:
    return Record(methodology=methodology, dependencies=dependencies, findings=tuple(findings), **fields)


def kinds(comparison: Comparison) -> list[tuple[str, str, str | None, str | None]]:
    return [(one.kind, one.name, one.version_before, one.version_after) for one in comparison.changes]


def test_each_kind_of_change_is_found() -> None:
    before = record(one("a"), one("b"), one("c", "2.0"), one("d"), one("e", "main"), one("f", score=82.0))
    after = record(one("b", "1.1"), one("c", "1.5"), one("d"), one("e", "dev"), one("f", score=61.0), one("g"))
    comparison = compare(before, after)
    assert kinds(comparison) == [
        ("added", "g", None, "1.0"),
        ("upgraded", "b", "1.0", "1.1"),
        ("downgraded", "c", "2.0", "1.5"),
        ("replaced", "e", "main", "dev"),
        ("rescored", "f", "1.0", "1.0"),
        ("removed", "a", "1.0", None),
    ]
    assert comparison.unchanged == 1


def test_versions_are_ordered_as_their_ecosystem_orders_them() -> None:
    assert kinds(compare(record(one("a", "1.9")), record(one("a", "1.10")))) == [("upgraded", "a", "1.9", "1.10")]
    assert kinds(compare(record(one("a", "2.0rc1")), record(one("a", "2.0")))) == [("upgraded", "a", "2.0rc1", "2.0")]
    npm = {"ecosystem": "npm"}
    before, after = record(one("a", "2.0.0-rc.1", **npm)), record(one("a", "2.0.0", **npm))
    assert kinds(compare(before, after)) == [("upgraded", "a", "2.0.0-rc.1", "2.0.0")]


def test_the_same_name_in_two_ecosystems_is_two_packages() -> None:
    comparison = compare(record(one("a")), record(one("a", ecosystem="npm")))
    assert [(change.kind, change.ecosystem) for change in comparison.changes] == [("added", "npm"), ("removed", "PyPI")]


def test_versions_side_by_side_are_each_compared_with_their_own() -> None:
    comparison = compare(record(one("a", "1.0"), one("a", "2.0")), record(one("a", "1.0"), one("a", "2.1")))
    assert kinds(comparison) == [("upgraded", "a", "2.0", "2.1")]
    comparison = compare(record(one("a", "1.0"), one("a", "2.0")), record(one("a", "2.0")))
    assert kinds(comparison) == [("removed", "a", "1.0", None)]


def test_a_change_in_several_projects_is_one_row_and_one_in_a_single_project_names_it() -> None:
    before = record(one("a", "1.0", "", "web"), one("b", "1.0", "", "web"))
    after = record(one("a", "1.1", "", "web"), one("b", "1.0", ""), one("b", "1.1", "web"))
    comparison = compare(before, after)
    assert [(one.name, one.projects) for one in comparison.changes] == [("a", ("", "web")), ("b", ("web",))]


def test_a_moved_file_changes_nothing() -> None:
    before = record(one("a", "1.0", "old"), one("b", "2.0", "old"))
    after = record(one("a", "1.0", "new/place"), one("b", "2.0", "new/place"))
    assert kinds(compare(before, after)) == []
    assert kinds(compare(before, record(one("a", "1.1", "new/place"), one("b", "2.0", "new/place")))) == [
        ("upgraded", "a", "1.0", "1.1")
    ]


def test_a_further_project_is_an_addition() -> None:
    comparison = compare(record(one("a", "1.0", "")), record(one("a", "1.0", "", "web")))
    [change] = comparison.changes
    assert (change.kind, change.projects) == ("added", ("web",))


def test_a_moved_score_has_the_signals_and_caps_that_moved_it() -> None:
    old = RecordedScore({"vulnerabilities": (100.0, 20.0), "licence": (80.0, 4.0), "age": (50.0, 3.0)}, {"young": 60.0})
    new = RecordedScore({"vulnerabilities": (20.0, 4.0), "licence": (100.0, 5.0), "age": (50.0, 3.0)}, {"high": 45.0})
    [change] = compare(record(one("a", score=82.0, parts=old)), record(one("a", score=61.0, parts=new))).changes
    assert (change.kind, change.score_before, change.score_after) == ("rescored", 82.0, 61.0)
    assert change.signals == (
        SignalChange("vulnerabilities", 100.0, 20.0, 20.0, 4.0),
        SignalChange("licence", 80.0, 100.0, 4.0, 5.0),
    )
    assert change.caps == (CapChange("high", None, 45.0), CapChange("young", 60.0, None))


def test_a_signal_that_is_not_known_any_more_is_none_and_not_zero() -> None:
    old, new = RecordedScore({"s": (100.0, 20.0)}), RecordedScore({"s": (None, 0.0)})
    [change] = compare(record(one("a", score=82.0, parts=old)), record(one("a", score=80.0, parts=new))).changes
    assert change.signals == (SignalChange("s", 100.0, None, 20.0, 0.0),)


def test_scores_of_two_methodologies_are_not_compared_and_that_is_stated() -> None:
    before = record(one("a", score=82.0), one("b"), methodology="1", label="old.json")
    comparison = compare(before, record(one("a", score=61.0), one("b", "1.1", score=50.0)))
    assert kinds(comparison) == [("upgraded", "b", "1.0", "1.1")]
    assert comparison.changes[0].score_before is None
    assert not comparison.has_scores
    assert "scores are not compared: those of old.json are by methodology 1, those of this run by 2" in comparison.notes


def test_scores_are_compared_by_the_methodology_of_each() -> None:
    parts = RecordedScore({"s": (50.0, 10.0)})
    model: dict[str, Any] = {"ecosystem": "huggingface", "parts": parts, "score": 80.0}
    old = record(one("a/b", methodology="models 1.0", **model), one("p", score=80.0, parts=parts))
    same = record(one("a/b", methodology="models 1.0", **model | {"score": 70.0}), one("p", score=70.0, parts=parts))
    assert [change.name for change in compare(old, same).changes] == ["a/b", "p"]
    newer = replace(same, dependencies=(replace(same.dependencies[0], methodology="models 1.1"), same.dependencies[1]))
    comparison = compare(old, newer)
    assert [change.name for change in comparison.changes] == ["p"]
    assert comparison.has_scores
    text = "scores by methodology models 1.1 are not compared: the earlier run has those by models 1.0"
    assert comparison.notes == (text,)
    others = replace(same, methodology="3")
    assert [change.name for change in compare(old, others).changes] == ["a/b"]


names = st.sampled_from(["a", "b", "c"])
versions = st.sampled_from(["", "1.0", "1.0.0", "1.1", "2.0rc1", "2.0", "main"])
dependencies = st.builds(
    lambda name, version, projects, ecosystem, score: one(
        name, version, *sorted(projects), ecosystem=ecosystem, score=score
    ),
    names,
    versions,
    st.sets(st.sampled_from(["", "web", "api"]), min_size=1),
    st.sampled_from(["PyPI", "npm"]),
    st.sampled_from([None, 10.0, 82.5]),
)
records = st.lists(dependencies, max_size=8).map(lambda items: record(*items))
_MIRRORED = {"added": "removed", "removed": "added", "upgraded": "downgraded", "downgraded": "upgraded"}


@given(records)
def test_a_run_does_not_differ_from_itself(run: Record) -> None:
    comparison = compare(run, run)
    assert comparison.changes == ()
    keys = {(one.ecosystem, one.name, one.version) for one in run.dependencies}
    assert comparison.unchanged == len(keys)


@given(records, records)
def test_the_reverse_comparison_is_the_mirror_image(before: Record, after: Record) -> None:
    forward, backward = compare(before, after), compare(after, before)
    assert forward.unchanged == backward.unchanged
    mirrored = sorted(
        (_MIRRORED.get(one.kind, one.kind), one.ecosystem, one.name, str(one.version_after), str(one.version_before))
        for one in backward.changes
    )
    assert mirrored == sorted(
        (one.kind, one.ecosystem, one.name, str(one.version_before), str(one.version_after)) for one in forward.changes
    )
    assert sorted(str((one.score_after, one.score_before)) for one in backward.changes) == sorted(
        str((one.score_before, one.score_after)) for one in forward.changes
    )


@given(records, records)
def test_every_dependency_of_either_run_is_counted(before: Record, after: Record) -> None:
    comparison = compare(before, after)
    for name in ("a", "b", "c"):
        gone = {change.version_before or "" for change in comparison.changes if change.name == name}
        new = {change.version_after or "" for change in comparison.changes if change.name == name}
        old_versions = {one.version for one in before.dependencies if one.name == name}
        new_versions = {one.version for one in after.dependencies if one.name == name}
        assert old_versions - new_versions <= gone
        assert new_versions - old_versions <= new


# --- findings

PURL = "pkg:pypi/a"


def finding(rule: str = "vulnerability", version: str = "1.0", **fields: Any) -> Finding:
    values: dict[str, Any] = {"text": "text", "name": "a", "purl": f"{PURL}@{version}", "version": version, **fields}
    values.setdefault("locations", (Location(path="requirements.txt", line=1),))
    return Finding(id=rule, **values)


def mark(old: list[Finding], new: list[Finding], before: Any = (), after: Any = (), **fields: Any) -> list[Change]:
    earlier = record(*before, findings=map(record_finding, old), **fields)
    run = record(*after)
    return [one.change for one in mark_findings(earlier, run, new, compare(earlier, run))[0]]


def test_a_finding_is_new_without_a_counterpart_and_unchanged_with_one() -> None:
    assert mark([], [finding()]) == ["new"]
    assert mark([finding()], [finding()]) == ["unchanged"]
    assert mark([finding("licence")], [finding()]) == ["new"]
    assert mark([finding(purl="pkg:pypi/b@1.0")], [finding()]) == ["new"]


def test_neither_the_line_nor_the_version_nor_the_words_matter() -> None:
    moved = finding(version="1.1", text="other words", locations=(Location(path="requirements.txt", line=99),))
    assert mark([finding()], [moved]) == ["unchanged"]


def test_what_is_about_one_version_is_new_for_another() -> None:
    assert mark([finding("malicious")], [finding("malicious", version="1.1")]) == ["new"]
    assert mark([finding("yanked")], [finding("yanked", version="1.1")]) == ["new"]
    assert mark([finding("malicious")], [finding("malicious")]) == ["unchanged"]


def test_an_advisory_is_the_same_by_any_of_its_ids() -> None:
    ids = ("CVE-1", "GHSA-1", "PYSEC-1")
    after = [one("a", advisories=(RecordedAdvisory(ids),))]
    old, new = finding(advisory="CVE-1"), finding(advisory="GHSA-1")
    assert mark([old], [new]) == ["new"]
    assert mark([old], [new], after=after) == ["unchanged"]
    assert mark([old], [new], before=after) == ["unchanged"]
    assert mark([old], [finding(advisory="GHSA-2")], after=after) == ["new"]


def test_one_known_finding_covers_one_of_two_versions() -> None:
    old, new = (
        [finding("score-below-threshold")],
        [finding("score-below-threshold", "0.9"), finding("score-below-threshold")],
    )
    assert mark(old, new) == ["new", "unchanged"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"level": "warn"}, {"level": "deny"}),
        ({"severity": "medium"}, {"severity": "high"}),
        ({"severity": "low"}, {"severity": "unknown"}),
        ({}, {"locations": (Location(path="requirements.txt", line=1), Location(path="web/requirements.txt", line=1))}),
    ],
)
def test_a_finding_that_got_worse_is_worse_and_the_reverse_is_not(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert mark([finding(**old)], [finding(**new)]) == ["worse"]
    assert mark([finding(**new)], [finding(**old)]) == ["unchanged"]


@pytest.mark.parametrize(
    ("before", "after", "change"), [(60, 59, "worse"), (60, 59.1, "unchanged"), (60, 65, "unchanged")]
)
def test_a_score_below_the_threshold_is_worse_if_it_fell_by_a_point(before: float, after: float, change: str) -> None:
    below = [finding("score-below-threshold")]
    old, new = one("a", score=before, state="below"), one("a", score=after, state="below")
    assert mark(below, below, [old], [new]) == [change]
    assert mark(below, below, [old], [new], methodology="1") == ["unchanged"]


def test_a_cap_alone_is_compared_as_a_score() -> None:
    below = [finding("score-below-threshold")]
    old = one("a", state="below", parts=RecordedScore({}, {"high": 45.0}))
    assert mark(below, below, [old], [replace(old, parts=RecordedScore({}, {"critical": 20.0}))]) == ["worse"]


def test_a_new_advisory_makes_a_failing_dependency_worse() -> None:
    below = [finding("score-below-threshold")]
    old = one("a", advisories=(RecordedAdvisory(("CVE-1", "GHSA-1")),))
    assert mark(below, below, [old], [replace(old, advisories=(RecordedAdvisory(("GHSA-1",)),))]) == ["unchanged"]
    assert mark(below, below, [old], [replace(old, advisories=(RecordedAdvisory(("GHSA-2",)),))]) == ["worse"]


def test_an_advisory_that_is_exploited_now_is_worse() -> None:
    known = [finding(advisory="GHSA-1")]
    old = one("a", advisories=(RecordedAdvisory(("GHSA-1",)),))
    new = replace(old, advisories=(RecordedAdvisory(("GHSA-1",), exploited=True),))
    assert mark(known, known, [old], [new]) == ["worse"]
    assert mark(known, known, [new], [new]) == ["unchanged"]


def test_unknown_before_and_failing_now_is_new_and_so_is_the_reverse() -> None:
    unknown = finding("score-unknown", level="warn", undecided=True)
    assert mark([unknown], [finding("score-below-threshold")]) == ["new"]
    assert mark([finding("score-below-threshold")], [unknown]) == ["new"]
    assert mark([finding("licence", undecided=True, level="warn")], [finding("licence")]) == ["new"]


def test_what_could_not_be_checked_is_known_for_the_same_version_only() -> None:
    unknown: dict[str, Any] = {"undecided": True, "level": "warn"}
    assert mark([finding("score-unknown", **unknown)], [finding("score-unknown", **unknown)]) == ["unchanged"]
    assert mark([finding("score-unknown", **unknown)], [finding("score-unknown", version="1.1", **unknown)]) == ["new"]
    old = finding("not-judged", text="git: https://git.example/a @ 1a2b3c4", **unknown)
    assert mark([old], [replace(old, text="git: https://git.example/a @ 5d6e7f8")]) == ["new"]


def test_a_foreign_origin_is_known_by_its_address_and_not_by_its_line() -> None:
    old = finding("foreign-origin", text="may come from https://x.example (requirements.txt:3)", undecided=True)
    assert mark([old], [replace(old, text="may come from https://x.example (requirements.txt:8)")]) == ["unchanged"]
    assert mark([old], [replace(old, text="may come from https://y.example (requirements.txt:3)")]) == ["new"]


def test_what_is_gone_is_resolved_unless_the_package_could_not_be_checked() -> None:
    earlier = record(findings=[RecordedFinding(rule="vulnerability", package=PURL, version="1.0")])
    for state, counts in (("ok", (1, 0)), ("unknown", (0, 1)), ("not-judged", (0, 1))):
        run = record(one("a", state=state))
        _, comparison = mark_findings(earlier, run, [], compare(earlier, run))
        assert (comparison.resolved, comparison.unchecked) == counts


def test_projects_are_directories_relative_to_the_scanned_one() -> None:
    paths = ["requirements.txt", "requirements/dev.txt", "web/package.json"]
    locations = [Location(path=path, line=3) for path in paths]
    assert find_projects(locations) == ("", "web")
    below = [Location(path=f"repo/app/{path}", line=3) for path in paths]
    assert find_projects(below, "repo/app") == ("", "web")
