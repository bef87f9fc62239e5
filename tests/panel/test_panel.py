"""The panel: healthy and finished packages score above abandoned, vulnerable and malicious ones."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import pytest

from . import panel
from .panel import Result, judge_panel, read_panel

ECOSYSTEMS = ("PyPI", "npm")
CLASSES = ("healthy", "finished", "abandoned", "vulnerable")
#: Lowest chance that a good row scores more than a bad one.
MIN_AUC = 0.95


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


@pytest.mark.parametrize("half", ["", "first", "second"])
@pytest.mark.parametrize("ecosystem", ["", *ECOSYSTEMS])
def test_good_packages_score_above_bad_ones(ecosystem: str, half: str) -> None:
    assert panel.compute_auc(select(judge_panel(), ecosystem=ecosystem, half=half)) >= MIN_AUC


@pytest.mark.parametrize("ecosystem", ["", *ECOSYSTEMS])
def test_healthy_packages_have_a_high_median(ecosystem: str) -> None:
    assert median(values(select(judge_panel(), "healthy", ecosystem=ecosystem))) >= 85


def test_every_malicious_version_scores_0_and_fails() -> None:
    malicious = [result for result in judge_panel() if result.row.is_malicious]
    assert len(malicious) >= 15
    assert {(result.value, result.state) for result in malicious} == {(0.0, "below")}


def test_deprecated_and_archived_packages_score_55_at_most() -> None:
    given_up = [result for result in judge_panel() if result.row.entered["status"] in ("deprecated", "archived")]
    assert len(given_up) >= 30
    assert max(values(given_up)) <= 55
