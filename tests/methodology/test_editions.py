"""What moved between two editions of the methodology."""

from __future__ import annotations

import pytest

from nerq_cli.cli.app import run_command_line
from nerq_cli.methodology.editions import compare, flatten, list_editions, read_edition
from nerq_cli.methodology.packages import PACKAGES


def test_nothing_moved_between_an_edition_and_itself() -> None:
    assert compare(flatten(PACKAGES), flatten(PACKAGES)) == ()


def test_the_present_edition_is_not_among_the_earlier_ones() -> None:
    assert list_editions() == ("1.0",)
    assert PACKAGES.version not in list_editions()


def test_signals_caps_and_limits_that_came_went_and_changed_are_listed() -> None:
    changes = {change.key: change for change in compare(read_edition("1.0"), flatten(PACKAGES))}
    assert changes["signals.version_lag.weight"].before == ""
    assert changes["signals.contributors.weight"].after == ""
    assert changes["signals.provenance.weight"][1:] == ("12 of security", "8 of security")
    assert changes["limits.fresh_days"][1:] == ("3 days", "7 days")
    assert changes["caps.new-publisher"].after.startswith("60: ")


def test_the_command_prints_a_line_for_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["methodology", "--diff", "1.0"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"methodology 1.0 to {PACKAGES.version}"
    assert "~ limits.fresh_days: 3 days -> 7 days" in lines
    assert len(lines) == 1 + len(compare(read_edition("1.0"), flatten(PACKAGES)))
    assert run_command_line(["methodology", "--diff", "0.1"]) == 2
