"""Packed breakdowns have the parts of those they were made from."""

from __future__ import annotations

import zlib

import msgspec
from msgspec.structs import replace

from nerq_cli.methodology.packages import PACKAGES
from nerq_cli.scoring import Breakdown, Reason
from nerq_cli.scoring.breakdown import TYPICAL_SIGNALS, PackedBreakdown, pack_breakdown
from nerq_cli.signals.signal import Signal

BREAKDOWN = Breakdown(
    signals=(
        Signal("malware", "known", 100, "no malware record for this version", "OSV", 1_795_262_400),
        Signal("commits", "unknown", None, "GitHub: rate limited", "GitHub", token="GITHUB_TOKEN"),  # noqa: S106 - its name
        Signal("readme", "known", 12.5, "README of 80 characters", "PyPI", 1_795_262_400, 0.5),
    ),
    dimensions={"security": 100.0, "community": None},
    points_per_weight={"security": 0.35, "community": 0.0},
    reasons=(Reason(damage=3.5, text="README of 80 characters", origin="readme"),),
)


def test_what_is_packed_is_read_as_it_was() -> None:
    packed = PackedBreakdown(pack_breakdown(BREAKDOWN))
    for part in Breakdown.__struct_fields__:
        assert getattr(packed, part) == getattr(BREAKDOWN, part)
    assert [type(signal.value) for signal in packed.signals] == [int, type(None), float]


def test_equal_breakdowns_are_equal_in_either_form() -> None:
    packed = PackedBreakdown(pack_breakdown(BREAKDOWN))
    other = replace(BREAKDOWN, dimensions={"security": 99.0})
    assert packed == BREAKDOWN
    assert packed == PackedBreakdown(pack_breakdown(BREAKDOWN))
    assert packed not in (other, PackedBreakdown(pack_breakdown(other)), "text")


def test_the_typical_signals_are_those_of_the_methodology() -> None:
    """The texts of a signal that is missing here take more memory."""
    assert [id_ for id_, _, _ in TYPICAL_SIGNALS] == list(PACKAGES.signals)


def test_a_usual_breakdown_takes_a_third_of_what_zlib_makes_of_it_alone() -> None:
    signals = tuple(
        Signal(id_, "known", 90.0, reason, source, 1_795_262_400) for id_, reason, source in TYPICAL_SIGNALS
    )
    usual = replace(BREAKDOWN, signals=signals)
    assert 3 * len(pack_breakdown(usual)) < len(zlib.compress(msgspec.msgpack.encode(usual), 1))
