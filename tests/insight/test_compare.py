"""Targets side by side."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from nerq_cli.facts import AffectingAdvisory, Found
from nerq_cli.hub_facts import HubCard, HubFile, HubScan
from nerq_cli.insight.compare import DOUBTS, GROUPS, Comparison, Row, Side, compare_sides
from nerq_cli.scoring import Score
from tests.signals.models.conftest import CARD, HEALTHY, NOW, PICKLE, change, score


def side(label: str, result: Score | None, **fields: Any) -> Side:
    return Side(label=label, package=fields.pop("package", label), score=result, **fields)


def find_row(comparison: Comparison, id_: str) -> Row:
    return next(row for row in comparison.rows if row.id == id_)


GOOD = score(HEALTHY)
PICKLED = score(change(files=PICKLE))
SHORT = score(replace(HEALTHY, card=Found(HubCard(CARD[:300]), "Hub", NOW)))


def test_what_decides_comes_first_and_most_points_first() -> None:
    comparison = compare_sides([side("good", GOOD), side("pickled", PICKLED)])
    groups = [GROUPS.index(row.group) for row in comparison.rows]
    assert groups == sorted(groups)
    deciding = [row for row in comparison.rows if row.group == "decides"]
    signals = [row.points for row in deciding if row.dimension != "caps"]
    assert signals == sorted(signals, reverse=True)
    assert "weight_format" in {row.id for row in deciding}
    assert all(row.points > 0 for row in deciding if row.dimension != "caps")
    assert all(row.points == 0 for row in comparison.rows if row.group != "decides")


def test_every_signal_has_one_row_with_a_cell_for_each_target() -> None:
    comparison = compare_sides([side("a", GOOD), side("b", PICKLED), side("c", SHORT)])
    ids = [row.id for row in comparison.rows if row.dimension != "caps"]
    assert sorted(ids) == sorted(GOOD.methodology.signals)
    assert {len(row.cells) for row in comparison.rows} == {3}


def test_equal_targets_have_no_winner_and_nothing_that_decides() -> None:
    comparison = compare_sides([side("a", GOOD), side("b", GOOD)])
    assert comparison.outcome.best is None
    numbers = f"a {GOOD.value:.1f}, b {GOOD.value:.1f}"
    expected = f"a and b have the same score ({numbers}). No signal that is known of all differs."
    assert comparison.outcome.text == expected
    assert not [row for row in comparison.rows if row.group == "decides"]


def test_equal_targets_above_others_have_the_highest_score() -> None:
    text = compare_sides([side("a", GOOD), side("b", PICKLED), side("c", GOOD), side("d", GOOD)]).outcome.text
    assert text.startswith(f"a, c and d have the highest score (a {GOOD.value:.1f}, b ")


def test_of_equal_targets_nothing_decides() -> None:
    capped = replace(GOOD, value=30.0)
    outcome = compare_sides([side("a", capped), side("b", replace(PICKLED, value=30.0))]).outcome
    assert outcome.text.startswith("a and b have the same score (a 30.0, b 30.0). What differs: ")
    assert "decides" not in outcome.text


def test_the_higher_score_is_named_whatever_the_order() -> None:
    for sides, best in (([side("a", GOOD), side("b", PICKLED)], 0), ([side("b", PICKLED), side("a", GOOD)], 1)):
        outcome = compare_sides(sides).outcome
        assert outcome.best == best
        assert outcome.text.startswith("a has the higher score (")
        assert "weight format" in outcome.text or "cap:" in outcome.text


def test_what_is_unknown_on_one_side_is_last_and_makes_the_outcome_uncertain() -> None:
    unknown = score(change(scans_done=False))
    comparison = compare_sides([side("a", GOOD), side("b", unknown)])
    row = find_row(comparison, "file_scan")
    assert (row.group, row.points) == ("unknown", 0)
    assert [cell.state for cell in row.cells] == ["known", "unknown"]
    assert comparison.rows[-1].group == "unknown"
    assert comparison.has_unknown
    assert not comparison.outcome.certain


def test_a_target_without_a_score_is_not_ranked() -> None:
    comparison = compare_sides([side("a", GOOD), side("b", None, reason="private name")])
    assert comparison.outcome.best is None
    assert comparison.outcome.text == "Not settled, because a score is missing. b: private name."
    assert {row.group for row in comparison.rows} == {"unknown"}
    assert all(row.cells[1].reason == "private name" for row in comparison.rows)


def test_a_cap_precedes_the_signals() -> None:
    files = (*PICKLE, HubFile("model.safetensors"))
    capped = score(change(files=files, scans=(HubScan("pytorch_model.bin", "unsafe"),)))
    comparison = compare_sides([side("a", GOOD), side("b", capped)])
    first = comparison.rows[0]
    assert first.dimension == "caps"
    assert [cell.state for cell in first.cells] == ["none", "known"]
    assert first.cells[1].value == 60
    assert first.points == pytest.approx((capped.total or 0) - 60)


def test_a_cap_whose_signal_is_unknown_is_not_called_absent() -> None:
    files = (*PICKLE, HubFile("model.safetensors"))
    capped = score(change(files=files, scans=(HubScan("pytorch_model.bin", "unsafe"),)))
    unknown = score(change(scans_done=False))
    comparison = compare_sides([side("a", capped), side("b", unknown)])
    for row in (item for item in comparison.rows if item.dimension == "caps" and item.id != DOUBTS):
        spec = capped.methodology.caps[row.id]
        if spec.signal == "file_scan":
            assert (row.group, row.cells[1].state) == ("unknown", "unknown")


def test_the_order_is_certain_only_without_overlap() -> None:
    assert compare_sides([side("a", GOOD), side("b", PICKLED)]).outcome.certain == bool(
        GOOD.low is not None
        and PICKLED.high is not None
        and GOOD.low > PICKLED.high
        and not any(item.provisional or item.doubts or item.may_change for item in (GOOD, PICKLED))
    )


# --- versions of one package

OLD = AffectingAdvisory("GHSA-old", aliases=("CVE-1",))
SAME = AffectingAdvisory("GHSA-same")
NEW = AffectingAdvisory("GHSA-new")


def version(label: str, *advisories: AffectingAdvisory, known: bool = True, result: Score | None = GOOD) -> Side:
    return side(label, result, package="pypi:x", advisories=advisories, knows_advisories=known)


def test_versions_of_one_package_show_what_an_upgrade_gains() -> None:
    comparison = compare_sides([version("x 1", OLD, SAME, result=PICKLED), version("x 2", SAME, NEW)])
    (entry,) = comparison.changes
    assert (entry.fixed, entry.introduced, entry.remaining) == (("GHSA-old",), ("GHSA-new",), ("GHSA-same",))
    assert entry.points == pytest.approx((GOOD.value or 0) - (PICKLED.value or 0), abs=0.05)
    assert "weight_format" in entry.better
    assert entry.worse == ()
    assert "is not affected by GHSA-old, newly affected by GHSA-new, still affected by GHSA-same." in entry.text


def test_a_downgrade_is_worse_by_the_same_rows() -> None:
    up = compare_sides([version("x 1", result=PICKLED), version("x 2")]).changes[0]
    down = compare_sides([version("x 2"), version("x 1", result=PICKLED)]).changes[0]
    assert (up.better, up.worse) == (down.worse, down.better)
    assert up.points == -(down.points or 0)


def test_the_same_vulnerability_under_another_id_is_no_change() -> None:
    renamed = AffectingAdvisory("PYSEC-1", aliases=("CVE-1",))
    (entry,) = compare_sides([version("x 1", OLD), version("x 2", renamed)]).changes
    assert (entry.fixed, entry.introduced, len(entry.remaining)) == ((), (), 1)


def test_without_all_advisories_of_the_later_version_nothing_counts_as_fixed() -> None:
    (entry,) = compare_sides([version("x 1", OLD), version("x 2", known=False)]).changes
    assert (entry.fixed, entry.introduced) == (None, ())
    assert "which advisories no longer affect it is not known" in entry.text
    (entry,) = compare_sides([version("x 1", known=False), version("x 2", NEW)]).changes
    assert (entry.fixed, entry.introduced) == ((), None)
    assert "whether new ones affect it is not known" in entry.text


def test_other_packages_have_no_changes() -> None:
    assert compare_sides([side("a", GOOD), side("b", GOOD)]).changes == ()
