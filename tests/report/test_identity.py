from __future__ import annotations

from msgspec.structs import replace

from nerq_cli.report.identity import keep_for_report
from nerq_cli.report.model import Report


def test_a_value_is_made_once_for_the_last_report_and_again_for_an_equal_one(calm: Report, mixed: Report) -> None:
    calls: list[Report] = []

    @keep_for_report
    def count(report: Report) -> int:
        calls.append(report)
        return len(calls)

    assert [count(calm), count(calm)] == [1, 1]
    assert count(replace(calm)) == 2  # equal, and another one
    assert [count(mixed), count(calm)] == [3, 4]
