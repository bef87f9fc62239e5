"""Values of age rules: durations, moments and excepted packages, with what is wrong about them."""

from __future__ import annotations

from typing import Final, NamedTuple

from nerq_cli.ecosystems import EcosystemId
from nerq_cli.inventory import Location
from nerq_cli.patterns import compile_late
from nerq_cli.policy.age import AgeException, AgeRule, Unit, parse_duration
from nerq_cli.units import DAY

#: Most packages that one setting may except; real ones name some dozens.
MAX_EXCEPTIONS: Final = 1_000
#: Longest value that is shown, in characters.
_MAX_SHOWN_LENGTH: Final = 60
_NUMBER: Final = compile_late(r"\d{1,15}(?:\.\d{1,9})?")
_DATE: Final = compile_late(r"\d{4}-\d{2}-\d{2}")


class Age(NamedTuple):
    """The value of a setting."""

    #: Minimum age in seconds; None if it is a moment, or wrong.
    seconds: int | None = None
    #: Epoch seconds UTC; None if it is an age, or wrong.
    before: int | None = None
    #: Why it is wrong; empty if it is not.
    problem: str = ""


def parse_number(value: object, unit: Unit) -> Age:
    """Return an age that is a bare number, as of the tools that accept nothing else."""
    text = _to_text(value)
    if _NUMBER.fullmatch(text) is None:
        return Age(problem=f"not a number of {unit}")
    return parse_age(text, unit)


def parse_age(value: object, unit: Unit | None = None) -> Age:
    """Return an age that is a duration; a bare number is in ``unit``."""
    try:
        return Age(seconds=parse_duration(_to_text(value), unit))
    except ValueError as error:
        return Age(problem=str(error))


def parse_age_or_moment(value: object, unit: Unit | None = None) -> Age:
    """Return an age, or a date or time (ISO 8601; UTC if it states no time zone)."""
    text = _to_text(value)
    moment = parse_moment(text)
    return parse_age(text, unit) if moment is None else Age(before=moment)


def parse_moment(text: str) -> int | None:
    """Return a date or time in epoch seconds UTC, of a date that of its end; None for another text."""
    from datetime import datetime, timezone

    try:
        moment = datetime.fromisoformat(text.strip().replace("Z", "+00:00").replace("z", "+00:00"))
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return int(moment.timestamp()) + (DAY if _DATE.fullmatch(text.strip()) else 0)


def make_rule(
    tool: str,
    ecosystem: EcosystemId,
    setting: str,
    value: object,
    age: Age,
    location: Location,
    exceptions: tuple[AgeException, ...] = (),
) -> AgeRule:
    """Return the rule of one setting."""
    text = _to_text(value)
    return AgeRule(
        tool=tool,
        ecosystem=ecosystem,
        setting=setting,
        value=text if len(text) <= _MAX_SHOWN_LENGTH else f"{text[:_MAX_SHOWN_LENGTH]}…",
        location=location,
        seconds=age.seconds,
        before=age.before,
        exceptions=exceptions[:MAX_EXCEPTIONS],
        problem=age.problem,
    )


def _to_text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value).strip() if isinstance(value, (str, int, float)) else f"{type(value).__name__} value"
