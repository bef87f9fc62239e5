"""Options that commands share are declared once."""

from __future__ import annotations

import pytest
from msgspec.structs import fields

from nerq_cli.application.settings import Settings
from nerq_cli.cli.app import load_command
from nerq_cli.cli.options import ReportOptions


def test_every_setting_of_a_run_is_an_option() -> None:
    assert {field.name for field in fields(Settings)} <= set(ReportOptions.__annotations__)


@pytest.mark.parametrize("command", ["scan", "check"])
def test_a_command_that_prints_a_report_has_all_shared_options(command: str) -> None:
    assert {field.name for field in fields(ReportOptions)} <= {param.name for param in load_command(command).params}


def test_scan_and_check_describe_their_shared_options_alike() -> None:
    scan, check = ({param.name: param for param in load_command(name).params} for name in ("scan", "check"))
    for field in fields(ReportOptions):
        assert (scan[field.name].opts, scan[field.name].default) == (check[field.name].opts, check[field.name].default)
