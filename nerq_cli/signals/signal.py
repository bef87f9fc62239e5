"""One fact about one dependency on the 0-100 scale, and who stands behind it."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

from nerq_cli.facts import Absent, Fact, Found, T, Unknown
from nerq_cli.methodology import SIGNALS

SignalState: TypeAlias = Literal["known", "unknown", "not_applicable"]

DAY_SECONDS: Final = 86_400


class Signal(msgspec.Struct, frozen=True, gc=False):
    """One measured signal.

    ``value`` is 0-100 when ``state`` is ``known`` and None otherwise. ``retrieved_at`` is when the source was read (epoch
    seconds UTC, 0 = never). ``share`` is the part of its weight it keeps (repository signals behind an unproven link
    keep half).
    """

    id: str
    state: SignalState
    value: float | None
    reason: str
    source: str = ""
    retrieved_at: int = 0
    share: float = 1.0


class Flag(msgspec.Struct, frozen=True, gc=False):
    """A condition that caps the score: a key of the cap table, the evidence in words, and its source.

    ``further_count`` counts the further advisories that lower an advisory cap. ``fix`` is the version that clears it.
    """

    cap: str
    reason: str
    source: str = ""
    retrieved_at: int = 0
    further_count: int = 0


class Measurement(msgspec.Struct, frozen=True):
    """All signals of one dependency, in the order of the table, and the flags raised on the way.

    ``no_score_reason`` says why there can be no score at all ("not found in the registry"); empty otherwise.
    """

    signals: tuple[Signal, ...]
    flags: tuple[Flag, ...] = ()
    no_score_reason: str = ""


def build_known(id_: str, value: float, reason: str, fact: Found[T] | Absent, *, share: float = 1.0) -> Signal:
    """Return a known signal that rests on ``fact``."""
    return Signal(id_, "known", value, reason, fact.source, fact.retrieved_at, share)


def build_from_level(id_: str, level_name: str, reason: str, fact: Found[T] | Absent, *, share: float = 1.0) -> Signal:
    """Return a known signal whose value is one of the table's named levels."""
    return Signal(id_, "known", SIGNALS[id_].levels[level_name], reason, fact.source, fact.retrieved_at, share)


def build_unknown(id_: str, reason: str, source: str = "") -> Signal:
    """Return a signal nobody could measure."""
    return Signal(id_, "unknown", None, reason, source)


def build_not_applicable(id_: str, reason: str) -> Signal:
    """Return a signal that does not apply to this dependency."""
    return Signal(id_, "not_applicable", None, reason)


def build_missing(id_: str, fact: Fact[T]) -> Signal:
    """Return the unknown signal for a fact that was not found, or was found without what the signal needs."""
    if isinstance(fact, Unknown):
        return build_unknown(id_, fact.reason, fact.source)
    if isinstance(fact, Absent):
        return build_unknown(id_, fact.reason or "nothing recorded", fact.source)
    return build_unknown(id_, "not stated", fact.source)


def days_between(earlier: int, later: int) -> int:
    """Return whole UTC days from one moment to a later one (epoch seconds); never negative."""
    return max(0, later // DAY_SECONDS - earlier // DAY_SECONDS)


def format_age(days: int) -> str:
    """Return an age in words: ``45 days``, ``14 months``, ``8 years``."""
    if days < 2 * 30:
        return f"{days} day" if days == 1 else f"{days} days"
    if days < 2 * 365:
        return f"{round(days / 30.44)} months"
    return f"{days / 365.25:.0f} years"


def format_count(number: int, noun: str) -> str:
    """Return a number with its noun: ``1 account``, ``3 accounts``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
