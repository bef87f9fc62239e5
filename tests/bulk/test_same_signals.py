"""Each signal of a batch of rows is the one that ``nerq_cli.signals`` measures for a row on its own.

The conditions are written a second time as expressions of columns. Here each signal is compared by itself, with its
state, value, share and caps, so that a difference is found even where it changes no score.
"""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any, Final

import msgspec
import pytest

pl = pytest.importorskip("polars")

from nerq_cli import signals
from nerq_cli.bulk.fact_columns import build_row
from nerq_cli.bulk.measure import MeasuredColumns, Moment, measure
from nerq_cli.bulk.score import build_schema, derive_columns
from nerq_cli.methodology.packages import PACKAGES
from nerq_cli.signals.signal import Measurement
from tests.bulk.conftest import NOW, draw_evidence

ROWS: Final = 5_000


class Measured(msgspec.Struct, frozen=True):
    """One signal of one row, of whatever origin."""

    #: None = unknown or not applicable.
    value: float | None
    is_applicable: bool
    #: Of a known signal.
    share: float | None
    #: Of a signal without advisories: caps in force, and those that may be.
    caps: tuple[str, ...]
    possible: tuple[str, ...]


def select_columns(columns: MeasuredColumns) -> Any:
    """Return one column with everything about a signal."""
    caps = [
        pl.when(condition & ~earlier).then(pl.lit(id_))
        for cases in columns.caps
        for (id_, condition), earlier in zip(cases, exclude_earlier(cases), strict=True)
    ]
    possible = [pl.when(condition).then(pl.lit(id_)) for id_, condition in columns.possible]
    is_not = pl.lit(value=False) if columns.not_applicable is None else columns.not_applicable
    return pl.struct(
        value=columns.value.cast(pl.Float64),
        is_applicable=~is_not.fill_null(value=False),
        share=pl.lit(1.0) if columns.share is None else columns.share,
        caps=pl.concat_list(caps).list.drop_nulls() if caps else pl.lit([], dtype=pl.List(pl.String)),
        possible=pl.concat_list(possible).list.drop_nulls() if possible else pl.lit([], dtype=pl.List(pl.String)),
    )


def exclude_earlier(cases: Any) -> list[Any]:
    """Return, for each case, whether an earlier one holds."""
    earlier = [pl.lit(value=False)]
    for _, condition in cases[:-1]:
        earlier.append(earlier[-1] | condition.fill_null(value=False))
    return earlier


def read_columns(row: dict[str, Any]) -> Measured:
    is_known = row["value"] is not None
    return Measured(
        value=row["value"],
        is_applicable=row["is_applicable"],
        share=row["share"] if is_known else None,
        caps=tuple(sorted(row["caps"])),
        possible=tuple(sorted(row["possible"])),
    )


def read_measurement(measurement: Measurement, id_: str) -> Measured:
    [signal] = [signal for signal in measurement.signals if signal.id == id_]
    # The caps of advisories depend on all of them: the test of scores compares those.
    flags = [flag for flag in measurement.flags if PACKAGES.caps[flag.cap].signal == id_ != "known_advisories"]
    return Measured(
        value=signal.value,
        is_applicable=signal.state != "not_applicable",
        share=signal.share if signal.state == "known" else None,
        caps=tuple(sorted(flag.cap for flag in flags if not flag.possible)),
        possible=tuple(sorted(flag.cap for flag in flags if flag.possible)),
    )


@pytest.fixture(scope="module")
def measurements() -> tuple[list[Measurement], list[dict[str, Any]]]:
    """What each row measures on its own, and what the table of all rows does."""
    random = Random(11)
    items = [draw_evidence(random) for _ in range(ROWS)]
    rows = [build_row(ecosystem, "demo", version, evidence) for ecosystem, version, evidence in items]
    moment = Moment(PACKAGES, NOW)
    table = derive_columns(pl.DataFrame(rows, schema=build_schema()).lazy(), moment)
    columns = [select_columns(measured).alias(id_) for id_, measured in measure(moment).items()]
    alone = [signals.measure_package(PACKAGES, *item, NOW) for item in items]
    return alone, table.select(columns).collect().to_dicts()


@pytest.mark.parametrize("id_", PACKAGES.signals)
def test_a_signal_is_the_same_as_on_its_own(
    measurements: tuple[list[Measurement], list[dict[str, Any]]], id_: str
) -> None:
    alone, together = measurements
    for number, (measurement, row) in enumerate(zip(alone, together, strict=True)):
        together_, alone_ = read_columns(row[id_]), read_measurement(measurement, id_)
        if id_ == "adoption" and together_.value is not None:
            # Polars divides natural logarithms: the last bit may differ from log10 of the C library.
            assert together_.value == pytest.approx(alone_.value, rel=1e-14), number
            together_ = msgspec.structs.replace(together_, value=alone_.value)
        assert together_ == alone_, number


def test_the_evidence_that_is_drawn_meets_every_cap(
    measurements: tuple[list[Measurement], list[dict[str, Any]]],
) -> None:
    alone, _ = measurements
    counts = Counter(flag.cap for measurement in alone for flag in measurement.flags)
    assert min(counts[cap] for cap in PACKAGES.caps) >= 10, counts
