"""What several formats of one run make of its report, made once."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar

from nerq_cli.report.model import Report

_Value = TypeVar("_Value")


class _Identity:
    """A report as a key: the same one only, whose content is not compared."""

    __slots__ = ("report",)

    def __init__(self, report: Report) -> None:
        self.report = report

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and self.report is other.report

    def __hash__(self) -> int:
        return id(self.report)


def keep_for_report(function: Callable[[Report], _Value]) -> Callable[[Report], _Value]:
    """Return a function that keeps its value for the last report, which no caller may change."""

    @lru_cache(maxsize=1)
    def find(identity: _Identity) -> _Value:
        return function(identity.report)

    @wraps(function)
    def call(report: Report) -> _Value:
        return find(_Identity(report))

    return call
