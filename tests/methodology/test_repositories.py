"""The table for repositories is complete and consistent with itself and with the code."""

from __future__ import annotations

import pytest

from nerq_cli.cli.app import run_command_line
from nerq_cli.methodology.editions import flatten, list_editions
from nerq_cli.methodology.repositories import REPOSITORIES
from nerq_cli.signals.repositories import (
    REPOSITORY_FUNCTIONS,
    community,
    compliance,
    documentation,
    maintenance,
    security,
)

MODULES = (security, maintenance, documentation, compliance, community)


def test_every_signal_has_a_function_in_the_module_of_its_dimension_and_the_reverse() -> None:
    for dimension, module in zip(REPOSITORIES.dimensions, MODULES, strict=True):
        assert list(module.FUNCTIONS) == [spec.id for spec in REPOSITORIES.signals_of(dimension)]
    assert set(REPOSITORY_FUNCTIONS) == set(REPOSITORIES.signals)


def test_weights_add_up_to_a_hundred_and_labels_are_unique() -> None:
    assert sum(REPOSITORIES.dimensions.values()) == 100
    for dimension in REPOSITORIES.dimensions:
        assert sum(spec.weight for spec in REPOSITORIES.signals_of(dimension)) == 100
    assert [spec.label for spec in REPOSITORIES.signals.values()] == [f"R{number}" for number in range(1, 17)]


def test_every_cap_is_about_a_signal() -> None:
    assert all(cap.signal in REPOSITORIES.signals for cap in REPOSITORIES.caps.values())
    assert REPOSITORIES.required_signal in REPOSITORIES.signals


def test_it_is_the_first_edition_for_repositories() -> None:
    assert (REPOSITORIES.target, REPOSITORIES.version, list_editions("repositories")) == ("repositories", "1.0", ())
    assert flatten(REPOSITORIES)["caps.archived"] == "55: the repository is archived"


def test_the_command_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["methodology", "repositories", "--markdown"]) == 0
    assert capsys.readouterr().out.startswith("# Methodology 1.0 for repositories\n")
    assert run_command_line(["methodology", "repositories"]) == 0
    assert capsys.readouterr().out.startswith("nerq methodology 1.0 for repositories\n")
