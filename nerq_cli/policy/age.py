"""Minimum ages of releases: durations in the spellings of package managers and update bots."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from nerq_cli.patterns import compile_late
from nerq_cli.units import DAY, HOUR, MINUTE

#: The unit of a bare number: Bun counts seconds, pnpm and Yarn minutes, npm and Dependabot days.
Unit: TypeAlias = Literal["seconds", "minutes", "hours", "days"]

_SECONDS_OF_UNIT: Final[dict[Unit, int]] = {"seconds": 1, "minutes": MINUTE, "hours": HOUR, "days": DAY}
_WEEK: Final = 7 * DAY
#: The longest duration, about 1,000 years: the moment before a release stays a date that can be printed.
MAX_DURATION: Final = 365_000 * DAY
#: The longest text that is read.
_MAX_LENGTH: Final = 100

#: Seconds of each word; ``m`` is a minute. A month or a year has no fixed length.
_SECONDS_OF_WORD: Final = {
    **dict.fromkeys(("w", "wk", "wks", "week", "weeks"), _WEEK),
    **dict.fromkeys(("d", "day", "days"), DAY),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), HOUR),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), MINUTE),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1),
}
_ISO: Final = compile_late(
    r"P(?=[\dT])(?:(?P<w>\d+(?:[.,]\d+)?)W)?(?:(?P<d>\d+(?:[.,]\d+)?)D)?"
    r"(?:T(?=\d)(?:(?P<h>\d+(?:[.,]\d+)?)H)?(?:(?P<m>\d+(?:[.,]\d+)?)M)?(?:(?P<s>\d+(?:[.,]\d+)?)S)?)?"
)
_NUMBER: Final = compile_late(r"\d+(?:\.\d+)?")
_TERM: Final = compile_late(r"(\d+(?:\.\d+)?)\s*([a-z]+)(?:\s*,\s*|\s+and\s+|\s*)")


def parse_duration(value: str | float, unit: Unit | None = None) -> int:
    """Return a duration in seconds, rounded down.

    Text may be in words (``7d``, ``7 days``, ``168h``, ``1 week 12 hours``) or in ISO 8601 (``P7D``, ``P1W``,
    ``PT168H``). A bare number, also as text, is in ``unit``.

    Raises:
        ValueError: it is no duration, is negative or longer than ``MAX_DURATION``, counts months or years, which have
            no fixed length, or is a bare number without a ``unit``; the message says which.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        message = f"{value!r} is not a duration"
        raise ValueError(message)  # noqa: TRY004 - one kind of error for every wrong value of a settings file
    seconds = _parse_text(value, unit) if isinstance(value, str) else _count_units(value, str(value), unit)
    if not 0 <= seconds <= MAX_DURATION:  # a NaN is not between them either
        message = f"{_quote(value)} is not a duration of 0 to {MAX_DURATION // DAY:,} days"
        raise ValueError(message)
    return int(seconds)


def _parse_text(text: str, unit: Unit | None) -> float:
    words = text.strip().lower()
    if 0 < len(words) <= _MAX_LENGTH and words.isascii():
        if _NUMBER.fullmatch(words):
            return _count_units(float(words), text, unit)
        if match := _ISO.fullmatch(words.upper()):
            return sum(
                float(count.replace(",", ".")) * _SECONDS_OF_WORD[word]
                for word, count in match.groupdict().items()
                if count is not None
            )
        if (seconds := _sum_terms(words)) is not None:
            return seconds
        if words.startswith("p") or any(word in words for word in ("mo", "year")):
            message = f"{_quote(text)}: write it in weeks, days or hours: months and years have no fixed length"
            raise ValueError(message)
    message = f'{_quote(text)} is not a duration: write it like "7d", "7 days", "168h" or "P7D"'
    raise ValueError(message)


def _sum_terms(words: str) -> float | None:
    """Return the sum of terms such as ``1 week 12 hours`` in seconds, or None for another text."""
    seconds, position = 0.0, 0
    while position < len(words):
        match = _TERM.match(words, position)
        if match is None:
            return None
        count, word = match.groups()
        factor = _SECONDS_OF_WORD.get(word)
        if factor is None:
            return None
        seconds += float(count) * factor
        position = match.end()
    return seconds


def _count_units(number: float, text: str, unit: Unit | None) -> float:
    if unit is None:
        message = f'{_quote(text)} has no unit: write it like "7d", "7 days", "168h" or "P7D"'
        raise ValueError(message)
    return number * _SECONDS_OF_UNIT[unit]


def _quote(value: object) -> str:
    text = str(value)
    return repr(text if len(text) <= _MAX_LENGTH else f"{text[:_MAX_LENGTH]}…")
