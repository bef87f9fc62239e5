"""The table for models is complete and consistent with itself and with the code."""

from __future__ import annotations

from pathlib import Path

import pytest

import nerq_cli
from nerq_cli.cli.app import run_command_line
from nerq_cli.methodology.editions import flatten, list_editions
from nerq_cli.methodology.models import MODELS
from nerq_cli.signals.models import MODEL_FUNCTIONS, community, compliance, documentation, maintenance, security

MODULES = (security, maintenance, documentation, compliance, community)


def test_every_signal_has_a_function_in_the_module_of_its_dimension_and_the_reverse() -> None:
    for dimension, module in zip(MODELS.dimensions, MODULES, strict=True):
        assert list(module.FUNCTIONS) == [spec.id for spec in MODELS.signals_of(dimension)]
    assert set(MODEL_FUNCTIONS) == set(MODELS.signals)


def test_weights_add_up_to_a_hundred_and_labels_are_unique() -> None:
    assert sum(MODELS.dimensions.values()) == 100
    for dimension in MODELS.dimensions:
        assert sum(spec.weight for spec in MODELS.signals_of(dimension)) == 100
    assert [spec.label for spec in MODELS.signals.values()] == [f"H{number}" for number in range(1, 13)]


def test_every_cap_and_limit_is_used_by_a_signal() -> None:
    folder = Path(nerq_cli.__file__).parent / "signals" / "models"
    code = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    assert [id_ for id_ in MODELS.limits if f'limit("{id_}")' not in code] == []
    assert [id_ for id_ in MODELS.caps if f'"{id_}"' not in code] == []
    assert all(cap.signal in MODELS.signals for cap in MODELS.caps.values())
    assert MODELS.required_signal in MODELS.signals


def test_it_is_the_first_edition_for_models() -> None:
    assert (MODELS.target, MODELS.version, list_editions("models")) == ("models", "1.0", ())
    assert flatten(MODELS)["caps.pickle-loader"].startswith("69: ")


def test_the_command_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["methodology", "models", "--markdown"]) == 0
    assert capsys.readouterr().out.startswith("# Methodology 1.0 for models\n")
    assert run_command_line(["methodology", "models"]) == 0
    assert capsys.readouterr().out.startswith("nerq methodology 1.0 for models\n")
    assert run_command_line(["methodology", "models", "--diff", "0.9"]) == 2
