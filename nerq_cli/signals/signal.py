"""The Signal: one fact about one dependency on the 0-100 scale, with its source."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal, TypeAlias, TypeVar

import msgspec

from nerq_cli.facts import Absent, Fact, Found, T, Unknown
from nerq_cli.methodology.types import SignalSpec
from nerq_cli.units import DAY

#: A number that stays as it was computed, 55 or 55.0, when it is stored and read: msgspec makes a float of a stored
#: whole number where only ``float`` is allowed.
Number: TypeAlias = int | float
SignalState: TypeAlias = Literal["known", "unknown", "not_applicable"]


class Signal(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One measured signal."""

    #: Id of the signal in the methodology.
    id: str
    state: SignalState
    #: 0-100 when ``state`` is ``known``, otherwise None. Both types: a stored whole number is read as one.
    value: int | float | None
    reason: str
    source: str = ""
    #: When the source was read (epoch seconds UTC, 0 = never).
    retrieved_at: int = 0
    #: Part of its weight the signal keeps (0-1); below 1 for a repository behind an unverified link.
    share: float = 1.0
    #: Environment variable of the token without which some of its facts were not read; empty if a token would change
    #: nothing.
    token: str = ""
    #: Whether a fact that could change it, though it is known, was not read.
    may_change: bool = False


class Flag(msgspec.Struct, frozen=True, gc=False):
    """A condition that caps the score."""

    #: Id of the cap in the methodology.
    cap: str
    reason: str
    source: str = ""
    #: When the source was read (epoch seconds UTC, 0 = never).
    retrieved_at: int = 0
    #: Further advisories that lower an advisory cap.
    further_count: int = 0
    #: Whether the fact was not read: the cap may apply. It limits the low end of the range only.
    possible: bool = False


class Measurement(msgspec.Struct, frozen=True):
    """All signals and flags of one dependency."""

    #: In the order of the methodology.
    signals: tuple[Signal, ...]
    flags: tuple[Flag, ...] = ()
    #: Why there can be no score, such as "not found in the registry"; empty when there can be one.
    no_score_reason: str = ""
    #: Age of the target in whole UTC days; None = not known.
    age_days: int | None = None


#: What a function measures from: the evidence about one target.
ContextT = TypeVar("ContextT")
#: Measures one signal, given its row of the methodology, and raises the flags that go with it.
MeasureFunction: TypeAlias = Callable[[ContextT, SignalSpec], Signal | Iterable[Signal | Flag]]


def build_known(spec: SignalSpec, value: float, reason: str, fact: Found[T] | Absent, *, share: float = 1.0) -> Signal:
    """Return a known signal based on ``fact``."""
    return Signal(spec.id, "known", value, reason, fact.source, fact.retrieved_at, share)


def build_from_level(
    spec: SignalSpec, level: str, reason: str, fact: Found[T] | Absent, *, share: float = 1.0
) -> Signal:
    """Return a known signal with the value of one of the levels of ``spec``."""
    return build_known(spec, spec.levels[level], reason, fact, share=share)


def build_unknown(spec: SignalSpec, reason: str, source: str = "", token: str = "") -> Signal:
    """Return an unknown signal; ``token`` is the environment variable of the token that would make it known."""
    return Signal(spec.id, "unknown", None, reason, source, token=token)


def build_not_applicable(spec: SignalSpec, reason: str) -> Signal:
    """Return a signal that does not apply to this dependency."""
    return Signal(spec.id, "not_applicable", None, reason)


def build_missing(spec: SignalSpec, fact: Fact[T]) -> Signal:
    """Return the unknown signal for a fact that was not found, or that lacks what the signal needs."""
    reason = "" if isinstance(fact, Found) else fact.reason
    token = fact.token if isinstance(fact, Unknown) else ""
    return build_unknown(spec, reason or "nothing recorded", fact.source, token)


def build_flag(cap: str, reason: str, fact: Found[T] | Absent, *, further_count: int = 0) -> Flag:
    """Return a flag based on ``fact``."""
    return Flag(cap, reason, fact.source, fact.retrieved_at, further_count)


def build_possible_flag(cap: str, reason: str, fact: Fact[T]) -> Flag:
    """Return the flag of a cap that may apply, because the fact that decides it was not read."""
    return Flag(cap, reason, fact.source, possible=True)


def days_between(earlier: int, later: int) -> int:
    """Return whole UTC days from one moment to a later one (epoch seconds); never negative."""
    return max(0, later // DAY - earlier // DAY)


def format_age(days: int) -> str:
    """Return an age as text: ``45 days``, ``14 months``, ``8 years``."""
    if days < 2 * 30:
        return f"{days} day" if days == 1 else f"{days} days"
    if days < 2 * 365:
        return f"{round(days / 30.44)} months"
    return f"{days / 365.25:.0f} years"


def format_count(number: int, noun: str) -> str:
    """Return a number with its noun: ``1 account``, ``3 accounts``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
