"""The table for packages is complete and consistent with itself and with the code."""

from __future__ import annotations

from pathlib import Path

import nerq_cli
from nerq_cli.methodology.packages import PACKAGES
from nerq_cli.signals import PACKAGE_FUNCTIONS, community, compliance, documentation, maintenance, security

MODULES = {
    "security": security,
    "maintenance": maintenance,
    "documentation": documentation,
    "compliance": compliance,
    "community": community,
}


def test_every_signal_has_a_function_in_the_module_of_its_dimension_and_the_reverse() -> None:
    assert list(MODULES) == list(PACKAGES.dimensions)
    for dimension, module in MODULES.items():
        assert list(module.FUNCTIONS) == [spec.id for spec in PACKAGES.signals_of(dimension)]
    assert set(PACKAGE_FUNCTIONS) == set(PACKAGES.signals)


def test_every_signal_belongs_to_a_dimension_and_has_a_label_of_its_own() -> None:
    specs = PACKAGES.signals.values()
    assert {spec.dimension for spec in specs} == set(PACKAGES.dimensions)
    assert len({spec.label for spec in specs}) == len(specs)
    assert all(id_ == spec.id and id_.isidentifier() and id_.islower() for id_, spec in PACKAGES.signals.items())


def test_weights_add_up_to_a_hundred() -> None:
    assert sum(PACKAGES.dimensions.values()) == 100
    for dimension in PACKAGES.dimensions:
        assert sum(spec.weight for spec in PACKAGES.signals_of(dimension)) == 100


def test_every_cap_names_a_signal_and_its_floor_is_below_its_limit() -> None:
    for cap in PACKAGES.caps.values():
        assert cap.signal in PACKAGES.signals
        assert cap.floor <= cap.limit
    assert PACKAGES.required_signal in PACKAGES.signals


def test_every_cap_and_limit_is_used_by_a_signal() -> None:
    folder = Path(nerq_cli.__file__).parent / "signals"
    code = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    assert [id_ for id_ in PACKAGES.limits if f'limit("{id_}")' not in code] == []
    without_fix = {"critical-no-fix": '-no-fix"', "high-no-fix": '-no-fix"'}  # composed of the severity
    assert [id_ for id_ in PACKAGES.caps if without_fix.get(id_, f'"{id_}"') not in code] == []


def test_points_of_a_curve_ascend() -> None:
    for spec in PACKAGES.signals.values():
        for curve in spec.curves.values():
            assert [x for x, _ in curve.points] == sorted({x for x, _ in curve.points})
            assert all(curve.value_at(x) == y for x, y in curve.points)
