"""A batch of rows gets the scores that each version gets on its own."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timezone
from random import Random
from typing import Any, Final

import msgspec
import pytest

pl = pytest.importorskip("polars")

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nerq_cli import scoring, signals
from nerq_cli.bulk.fact_columns import FACT_COLUMNS, RECENT_RELEASES, build_row
from nerq_cli.bulk.measure import FUNCTIONS
from nerq_cli.bulk.score import build_schema, score
from nerq_cli.bulk.score_columns import REASON_COUNT, SCORE_COLUMNS
from nerq_cli.ecosystems import EcosystemId
from nerq_cli.facts import Evidence, Found
from nerq_cli.methodology.packages import PACKAGES
from nerq_cli.methodology.types import Curve, Methodology
from nerq_cli.units import DAY
from tests.bulk.conftest import NOW, draw_evidence

#: Start of the reason of a row scorer, by verdict.
_VERDICTS: Final = {
    "not found in": "not found",
    "unpublished": "unpublished",
    "version": "not listed",  # or not released yet, see below
    "insufficient": "insufficient data",
}
#: Rows of the large test; the environment ``index`` of tox sets 100,000.
_ROWS: Final = int(os.environ.get("NERQ_TEST_ROWS", "2000"))

Item = tuple[EcosystemId, str, Evidence]


def score_rows(items: Iterable[Item], as_of: int = NOW, methodology: Methodology = PACKAGES) -> list[dict[str, Any]]:
    rows = [build_row(ecosystem, "demo", version, evidence) for ecosystem, version, evidence in items]
    table = pl.DataFrame(rows, schema=build_schema())
    scores: list[dict[str, Any]] = score(table.lazy(), methodology, as_of).collect().to_dicts()
    return scores


def score_alone(item: Item, as_of: int = NOW, methodology: Methodology = PACKAGES) -> dict[str, Any]:
    """Return the score of one version by the row scorer, rounded as reports do, in the columns of a batch."""
    ecosystem, version, evidence = item
    measurement = signals.measure_package(methodology, ecosystem, version, evidence, as_of)
    result = scoring.compute_score(methodology, measurement)
    row: dict[str, Any] = {
        "ecosystem": ecosystem,
        "name": "demo",
        "version": version,
        "score": result.value,
        "grade": result.grade,
        "coverage": result.coverage,
        "low": result.low,
        "high": result.high,
        "provisional": result.provisional,
        "verified": result.is_verified,
        "methodology": f"packages {methodology.version}",
        "as_of": datetime.fromtimestamp(as_of, timezone.utc).date(),
        "verdict": "not released yet"
        if "was not released by" in result.verdict
        else next((code for start, code in _VERDICTS.items() if result.verdict.startswith(start)), None),
        **result.dimensions,
        "cap": result.caps[0].id if result.caps else None,
        "cap_limit": result.caps[0].limit if result.caps else None,
    }
    reasons = [*result.reasons[:REASON_COUNT], *[None] * REASON_COUNT][:REASON_COUNT]
    for number, reason in enumerate(reasons, start=1):
        row[f"reason_{number}"] = reason and reason.origin
        row[f"reason_{number}_points"] = reason and scoring.round_half_up(reason.damage)
    return row


def check(items: Sequence[Item], as_of: int = NOW, methodology: Methodology = PACKAGES) -> None:
    for item, row in zip(items, score_rows(items, as_of, methodology), strict=True):
        assert row == score_alone(item, as_of, methodology), item


def test_every_signal_has_its_columns() -> None:
    assert [*FUNCTIONS] == [*PACKAGES.signals]


def test_every_column_of_the_scores_is_documented() -> None:
    table = pl.DataFrame([], schema=build_schema())
    assert score(table.lazy(), PACKAGES, NOW).collect_schema().names() == [*SCORE_COLUMNS]


def test_days_decide_as_moments_do() -> None:
    assert all(moment % DAY == 0 for moment in PACKAGES.attestations_since.values())


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None)
@given(st.randoms(use_true_random=False), st.integers(0, 4000))
def test_any_evidence_gets_the_same_score_on_its_own(random: Random, days: int) -> None:
    check([draw_evidence(random)], NOW + days * DAY)


def test_many_rows_get_the_same_scores() -> None:
    random = Random(20260921)
    for _ in range(0, _ROWS, 2000):
        check([draw_evidence(random) for _ in range(2000)])


def test_the_evidence_that_is_drawn_meets_every_cap_grade_and_verdict() -> None:
    random = Random(1)
    measurements = [signals.measure_package(PACKAGES, *draw_evidence(random), NOW) for _ in range(6000)]
    scores = [scoring.compute_score(PACKAGES, measurement) for measurement in measurements]
    assert {cap.id for result in scores for cap in result.caps} == {*PACKAGES.caps}
    assert {result.grade for result in scores} | {"A+"} == {None, *(letter for _, letter in PACKAGES.grades)}
    assert {result.is_verified for result in scores} == {True, False}
    for state in ("known", "unknown"):
        assert {
            signal.id for measurement in measurements for signal in measurement.signals if signal.state == state
        } == {*PACKAGES.signals}


def change_numbers(random: Random) -> Methodology:
    """Return the methodology with other numbers everywhere: none of them is written a second time."""

    def change(value: float, most: float = 100.0) -> float:
        return min(most, round(value * random.uniform(0.7, 1.3), 3))

    def change_curve(curve: Curve) -> Curve:
        points = [(x if x < 20 else round(x * 1.1), change(y)) for x, y in curve.points]
        return Curve(tuple(points))

    replace = msgspec.structs.replace
    return replace(
        PACKAGES,
        version="0.0",
        dimensions={name: change(weight) for name, weight in PACKAGES.dimensions.items()},
        signals={
            id_: replace(
                spec,
                weight=change(spec.weight),
                levels={name: change(level) for name, level in spec.levels.items()},
                curves={name: change_curve(curve) for name, curve in spec.curves.items()},
            )
            for id_, spec in PACKAGES.signals.items()
        },
        caps={
            id_: replace(cap, limit=change(cap.limit), step=change(cap.step), floor=change(cap.floor))
            for id_, cap in PACKAGES.caps.items()
        },
        limits={
            id_: replace(limit, value=limit.value if limit.value < 1 else round(limit.value * random.uniform(0.8, 1.2)))
            for id_, limit in PACKAGES.limits.items()
        },
        grades=tuple((change(minimum), letter) for minimum, letter in PACKAGES.grades[:-1]) + PACKAGES.grades[-1:],
        threshold=change(PACKAGES.threshold),
        dimension_floor=change(PACKAGES.dimension_floor),
        coverage_floor=change(PACKAGES.coverage_floor),
        low_coverage=change(PACKAGES.low_coverage),
        range_low=change(PACKAGES.range_low),
        range_high=change(PACKAGES.range_high),
        verified_days=round(change(PACKAGES.verified_days, 1000)),
        required_signal=random.choice([*PACKAGES.signals]),
        attestations_since=dict.fromkeys(PACKAGES.attestations_since, NOW // DAY * DAY - 900 * DAY),
        python_support={
            python: random.choice((("2026-01-01", "2026-09-21"), ("2026-09-21", "2027-01-01")))
            for python in random.sample([*PACKAGES.python_support], 3)
        },
    )


@pytest.mark.parametrize("seed", range(4))
def test_every_number_is_read_from_the_methodology(seed: int) -> None:
    random = Random(seed)
    check([draw_evidence(random) for _ in range(400)], methodology=change_numbers(random))


def test_a_value_at_a_limit_is_on_the_same_side() -> None:
    """The limits are those values that rows have."""
    random = Random(12)
    items = [draw_evidence(random) for _ in range(600)]
    measurements = [signals.measure_package(PACKAGES, *item, NOW) for item in items]
    scores = [scoring.compute_score(PACKAGES, measurement) for measurement in measurements]
    verified = [number for number, result in enumerate(scores) if result.is_verified]
    assert len(verified) > 3
    for number in verified[:4]:
        result, age = scores[number], measurements[number].age_days
        assert result.low
        assert age
        check(
            items,
            methodology=msgspec.structs.replace(
                PACKAGES,
                threshold=result.low,
                low_coverage=result.coverage,
                coverage_floor=result.coverage,
                verified_days=age,
                grades=((result.value, "A"), (0.0, "F")),
            ),
        )


def test_a_row_gets_the_same_score_whatever_is_beside_it() -> None:
    random = Random(2)
    items = [draw_evidence(random) for _ in range(15)]
    together = score_rows(items)
    assert [score_rows([item])[0] for item in items] == together
    assert [score_rows([item] * 3)[2] for item in items] == together


def test_facts_do_not_depend_on_the_moment() -> None:
    random = Random(3)
    items = [draw_evidence(random) for _ in range(200)]
    for days in (1, 100, 2000):
        check(items, NOW + days * DAY)


def test_what_was_published_later_had_not_been_released() -> None:
    random = Random(8)
    items = [
        item
        for item in (draw_evidence(random) for _ in range(400))
        if isinstance(item[2].package_info, Found) and len(item[2].package_info.value.stable_rows) <= RECENT_RELEASES
    ]
    as_of = NOW - 20 * DAY
    check(items, as_of)
    assert "not released yet" in {row["verdict"] for row in score_rows(items, as_of)}


def test_the_state_of_a_record_wins_over_its_values() -> None:
    random = Random(4)
    [row] = [
        build_row(ecosystem, "demo", version, evidence) for ecosystem, version, evidence in [draw_evidence(random)]
    ]
    states = {name: "unknown" for name in row if name.endswith("_state")}
    empty = build_row("PyPI", "demo", "1.0", Evidence())
    for name in ("ecosystem", "version", "repository_unread"):
        empty[name] = row[name]
    table = pl.DataFrame([{**row, **states}, {**empty, **states}], schema=build_schema())
    with_values, without = score(table.lazy(), PACKAGES, NOW).collect().to_dicts()
    assert with_values == without
    assert with_values["score"] is None


def score_table(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    table = pl.DataFrame(rows, schema=build_schema())
    scores: list[dict[str, Any]] = score(table.lazy(), PACKAGES, NOW).collect().to_dicts()
    return scores


def test_a_number_outside_of_its_range_is_not_read() -> None:
    random = Random(14)
    row = build_row("PyPI", "demo", "4.1.0", Evidence())
    row |= {name: "found" for name in row if name.endswith("_state")}
    for column in FACT_COLUMNS:
        if column.kind in {"count", "number"}:
            row[column.name] = min(column.maximum, random.choice((1, 9, 2000)))
    bad: dict[str, tuple[float, ...]] = {
        "count": (-1, -(2**63), 2**53 + 1, 2**63 - 1),
        "number": (-1.0, float("nan"), float("inf"), float("-inf")),
    }
    rows, without = [], []
    for column in FACT_COLUMNS:
        values = bad.get(column.kind, ())
        rows += [{**row, column.name: value} for value in values]
        without += [{**row, column.name: None} for _ in values]
    assert score_table(rows) == score_table(without)
    checks = [column.name for column in FACT_COLUMNS if column.name.startswith("scorecard_") and column.maximum == 10]
    assert len(checks) > 5
    assert score_table([{**row, name: 11} for name in checks]) == score_table([{**row, name: None} for name in checks])


def test_an_advisory_without_details_counts() -> None:
    row = build_row("PyPI", "demo", "4.1.0", Evidence())
    row |= {name: "found" for name in row if name.endswith("_state")}
    unknown = {"id": "", "severity": "unknown", "exploited": None, "epss": None, "fixed": None, "unread": None}
    lists = [[unknown], [dict.fromkeys(unknown)], [None], [unknown, unknown], [None, {**unknown, "id": None}]]
    one, *others = score_table([{**row, "advisories": advisories} for advisories in lists])
    assert one["cap"] == "advisory"
    assert others[:2] == [one, one]
    assert others[2] == others[3]
    assert others[2]["cap_limit"] < one["cap_limit"]


def test_any_dates_have_a_score() -> None:
    row = build_row("PyPI", "demo", "4.1.0", Evidence())
    row |= {name: "found" for name in row if name.endswith("_state")}
    row["version_listed"] = True
    dates = [name for name, data_type in build_schema().items() if data_type == pl.Date]
    days = (date(1, 1, 1), date(1970, 1, 1), date(9999, 12, 31))
    rows = [{**row, **dict.fromkeys(dates, day)} for day in days]
    rows += [{**row, name: day} for name in dates for day in days]
    for result in score_table(rows):
        assert result["score"] is None or 0 <= result["low"] <= result["score"] <= result["high"] <= 100
