"""A methodology for another kind of target is a table and its functions: signals, score and page follow from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest

from nerq_cli import scoring, signals
from nerq_cli.facts import Fact, Found, Unknown
from nerq_cli.methodology.packages import PACKAGES
from nerq_cli.methodology.types import CapSpec, Curve, Limit, Methodology, SignalSpec
from nerq_cli.report import RenderOptions
from nerq_cli.report.terminal import methodology_page
from nerq_cli.signals.signal import (
    Flag,
    MeasureFunction,
    Signal,
    build_flag,
    build_from_level,
    build_known,
    build_missing,
)

ROBOTS = Methodology(
    version="0.1",
    dimensions={"safety": 60.0, "stamina": 40.0},
    signals={
        "brakes": SignalSpec(
            id="brakes",
            label="B1",
            dimension="safety",
            weight=100,
            name="brakes",
            description="whether the brakes hold",
            levels={"hold": 100, "slip": 20},
            unknown_when="not inspected",
        ),
        "battery": SignalSpec(
            id="battery",
            label="E1",
            dimension="stamina",
            weight=100,
            name="battery",
            description="hours on one charge",
            curves={"hours": Curve(((0, 0), (10, 100)))},
            unknown_when="not measured",
        ),
    },
    caps={
        "slips": CapSpec(
            id="slips", limit=40, condition="the brakes slip on a slope", signal="brakes", step=5, floor=30
        )
    },
    limits={"slope": Limit("slope", 7, "degrees", "from here on a slope is steep")},
    grades=((50.0, "fit"), (0.0, "unfit")),
    coverage_labels=((0.9, "full"), (0.0, "partial")),
    threshold=50.0,
    dimension_floor=0.5,
    coverage_floor=0.3,
    low_coverage=0.5,
    range_low=10.0,
    range_high=80.0,
    required_signal="brakes",
)


@dataclass(frozen=True)
class Inspection:
    """What is known of one robot."""

    brakes: Fact[str]
    battery: Fact[float]
    slope: float = 0.0


def measure_brakes(inspection: Inspection, spec: SignalSpec) -> Iterator[Signal | Flag]:
    fact = inspection.brakes
    if not isinstance(fact, Found):
        yield build_missing(spec, fact)
        return
    yield build_from_level(spec, fact.value, f"brakes {fact.value}", fact)
    if fact.value == "slip" and inspection.slope >= ROBOTS.limits["slope"].value:
        yield build_flag("slips", "brakes slip", fact, further_count=1)


def measure_battery(inspection: Inspection, spec: SignalSpec) -> Signal:
    fact = inspection.battery
    if not isinstance(fact, Found):
        return build_missing(spec, fact)
    return build_known(spec, spec.curves["hours"].value_at(fact.value), f"{fact.value:g} hours", fact)


FUNCTIONS: Mapping[str, MeasureFunction[Inspection]] = {"brakes": measure_brakes, "battery": measure_battery}


def score(inspection: Inspection) -> scoring.Score:
    return scoring.compute_score(ROBOTS, signals.measure_signals(ROBOTS, FUNCTIONS, inspection))


def test_another_methodology_is_measured_and_scored_by_its_own_numbers() -> None:
    result = score(Inspection(Found("hold", "garage", 1), Found(5.0, "bench", 2)))
    assert result.dimensions == {"safety": 100.0, "stamina": 50.0}
    assert (result.value, result.grade, result.provisional) == (80.0, "fit", False)
    assert [(part.spec.label, part.contribution) for part in result.parts] == [("B1", 60.0), ("E1", 20.0)]
    assert [(reason.text, reason.damage) for reason in result.reasons] == [("5 hours", 20.0)]
    assert result.is_verified
    assert result.methodology.find_coverage_label(result.coverage) == "full"


def test_its_caps_limits_and_floors_hold() -> None:
    result = score(Inspection(Found("slip", "garage", 1), Found(10.0, "bench", 2), slope=7))
    assert (result.total, result.value, result.grade) == (52.0, 35.0, "unfit")
    assert [(cap.id, cap.limit) for cap in result.caps] == [("slips", 35.0)]
    assert score(Inspection(Found("slip", "garage", 1), Found(10.0, "bench", 2))).caps == ()


def test_its_required_signal_makes_a_score_provisional() -> None:
    result = score(Inspection(Unknown("garage closed"), Found(10.0, "bench", 2)))
    assert (result.value, result.coverage, result.grade, result.provisional) == (100.0, 0.4, None, True)
    assert (result.low, result.high) == (46.0, 100.0)


def test_a_signal_without_a_function_is_an_error() -> None:
    with pytest.raises(KeyError, match="battery"):
        signals.measure_signals(
            ROBOTS, {"brakes": measure_brakes}, Inspection(Found("hold", "garage", 1), Unknown("not measured"))
        )


def test_its_pages_show_its_own_rows_and_no_others() -> None:
    tree = methodology_page.render_tree(ROBOTS, RenderOptions(width=200))
    page = methodology_page.render_markdown(ROBOTS)
    assert page.startswith("# Methodology 0.1\n")
    for text in ("B1 brakes", "E1 battery", "hours: 0 → 0, 10 → 100", "hold 100, slip 20", "7 degrees", "fit"):
        assert text in tree
        assert text in page
    assert '<a id="brakes"></a>B1 brakes | `brakes` | 100 | whether the brakes hold' in page
    assert '<a id="cap-slips"></a>`slips` | 40 | the brakes slip on a slope | `brakes` | -5, not below 30' in page
    assert not any(spec.name in page or spec.name in tree for spec in PACKAGES.signals.values() if spec.id != "links")
    assert "Python" not in page
    assert "attestation" not in page


def test_pages_leave_out_what_a_methodology_does_not_have() -> None:
    from msgspec.structs import replace

    bare = replace(ROBOTS, caps={}, limits={}, required_signal="")
    page = methodology_page.render_markdown(bare)
    tree = methodology_page.render_tree(bare, RenderOptions())
    assert not any(word in text for text in (page, tree) for word in ("## Caps", "Caps:", "Limits", "provisional"))
