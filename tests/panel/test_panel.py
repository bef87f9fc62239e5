"""The panel: healthy and finished packages score above abandoned, vulnerable and malicious ones."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import pytest
from panel import panel, report
from panel.panel import ABLATIONS, Result, judge_panel, read_panel

from nerq_cli.methodology.packages import PACKAGES

ECOSYSTEMS = ("PyPI", "npm")
CLASSES = ("healthy", "finished", "abandoned", "vulnerable")
#: Lowest chance that a good row scores more than a bad one.
MIN_AUC = 0.97
#: The same for half an ecosystem: a single pair of 20 finished and 25 bad rows counts more.
MIN_HALF_AUC = 0.96

each_ecosystem = pytest.mark.parametrize("ecosystem", ["", *ECOSYSTEMS])
each_source = pytest.mark.parametrize("source", ABLATIONS)


def select(results: Sequence[Result], *classes: str, ecosystem: str = "", half: str = "") -> list[Result]:
    """Return the results of rows of these classes; without classes of all rows."""
    return [
        result
        for result in results
        if result.row.kind in (classes or CLASSES)
        and ecosystem in ("", result.row.package.ecosystem)
        and half in ("", result.row.half)
    ]


def values(results: Sequence[Result]) -> list[float]:
    return [result.value for result in results if result.value is not None]


def describe(results: Sequence[Result]) -> list[str]:
    return [f"{result.row} {result.value} {result.state}" for result in results]


@pytest.mark.parametrize("ecosystem", ECOSYSTEMS)
def test_the_panel_is_large_enough(ecosystem: str) -> None:
    rows = [row for row in read_panel() if row.package.ecosystem == ecosystem]
    assert len(rows) >= 65
    for kind in CLASSES:
        assert sum(row.kind == kind for row in rows) >= 15
    assert {row.half for row in rows} == {"first", "second"}


def test_each_row_is_entered_once_and_recorded_once() -> None:
    rows = [str(row) for row in read_panel()]
    recorded = [(item.ecosystem, item.name, item.version) for item in panel.read_recorded()]
    assert len(rows) == len(set(rows))
    assert recorded == [(row.package.ecosystem, row.package.name, row.version) for row in read_panel()]


# --- everything known ------------------------------------------------------------------------------------------------


@each_ecosystem
def test_good_packages_score_above_bad_ones(ecosystem: str) -> None:
    assert panel.compute_auc(select(judge_panel(), ecosystem=ecosystem)) >= MIN_AUC


@pytest.mark.parametrize("half", ["first", "second"])
@each_ecosystem
def test_good_packages_score_above_bad_ones_in_each_half(ecosystem: str, half: str) -> None:
    assert panel.compute_auc(select(judge_panel(), ecosystem=ecosystem, half=half)) >= MIN_HALF_AUC


@each_ecosystem
def test_healthy_packages_have_a_high_median(ecosystem: str) -> None:
    assert median(values(select(judge_panel(), "healthy", ecosystem=ecosystem))) >= 85


@each_ecosystem
def test_at_most_a_tenth_of_the_finished_packages_scores_below_70(ecosystem: str) -> None:
    finished = select(judge_panel(), "finished", ecosystem=ecosystem)
    low = [result for result in finished if result.value is None or result.value < 70]
    assert len(low) <= len(finished) / 10, describe(low)


@each_ecosystem
def test_at_most_a_twentieth_of_the_bad_packages_scores_70_or_more(ecosystem: str) -> None:
    bad = select(judge_panel(), "abandoned", "vulnerable", ecosystem=ecosystem)
    high = [result for result in bad if result.value is not None and result.value >= 70]
    assert len(high) <= len(bad) / 20, describe(high)


def test_every_malicious_version_scores_0_and_fails() -> None:
    malicious = [result for result in judge_panel() if result.row.is_malicious]
    assert len(malicious) >= 15
    assert {(result.value, result.state) for result in malicious} == {(0.0, "below")}


def test_deprecated_and_archived_packages_score_55_at_most() -> None:
    given_up = [result for result in judge_panel() if result.row.entered["status"] in ("deprecated", "archived")]
    assert len(given_up) >= 30
    assert max(values(given_up)) <= 55


def test_the_score_of_a_healthy_package_does_not_follow_its_downloads() -> None:
    assert abs(report.correlate_downloads(select(judge_panel(), "healthy"))) < 0.5


@pytest.mark.parametrize("seed", range(5))
def test_errors_in_what_was_entered_change_little(seed: int) -> None:
    results = panel.judge_disturbed_panel(seed)
    assert panel.compute_auc(results) >= MIN_AUC
    assert median(values(select(results, "healthy"))) >= 85


# --- less known ------------------------------------------------------------------------------------------------------


def test_no_bad_version_passes_by_what_was_recorded_and_hardly_a_good_one_fails() -> None:
    results = judge_panel("recorded")
    assert not describe([r for r in select(results, "abandoned", "vulnerable") if r.state == "ok"])
    good = select(results, "healthy", "finished")
    assert len([result for result in good if result.state == "below"]) <= len(good) / 20


@each_source
def test_losing_a_source_makes_nothing_pass(source: str) -> None:
    pairs = zip(judge_panel(), judge_panel(without=source), strict=True)
    assert not describe([after for before, after in pairs if before.state == "below" and after.state == "ok"])


@each_source
def test_losing_a_source_moves_few_scores_that_still_give_a_verdict(source: str) -> None:
    pairs = list(zip(judge_panel(), judge_panel(without=source), strict=True))
    moved = [after for before, after in pairs if report.has_moved(before, after)]
    assert len(moved) <= len(pairs) / 20, describe(moved)


@each_source
def test_losing_a_source_makes_few_good_packages_fail(source: str) -> None:
    pairs = [pair for pair in zip(judge_panel(), judge_panel(without=source), strict=True) if pair[0].row.is_good]
    failed = [after for before, after in pairs if before.state == "ok" and after.state == "below"]
    assert len(failed) <= len(pairs) / 20, describe(failed)


@pytest.mark.parametrize("source", [source for source in ABLATIONS if source not in ("registry", "advisories")])
def test_healthy_packages_pass_without_any_one_of_the_helpful_services(source: str) -> None:
    healthy = select(judge_panel(without=source), "healthy")
    assert sum(result.state == "ok" for result in healthy) >= 0.95 * len(healthy)


def lowest_cap(result: Result) -> float:
    return min((cap.limit for cap in result.score.caps), default=100.0)


@each_source
def test_losing_a_source_activates_no_cap(source: str) -> None:
    pairs = zip(judge_panel(), judge_panel(without=source), strict=True)
    assert not describe([after for before, after in pairs if lowest_cap(after) < lowest_cap(before)])


def test_the_page_has_the_results_of_the_present_methodology() -> None:
    page = (panel.DATA.parents[2] / "docs" / "decisions" / "0007-panel.md").read_text(encoding="utf-8")
    assert f"Methodology {PACKAGES.version}," in page
