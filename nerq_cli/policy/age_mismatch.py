"""The rule ``age-policy-mismatch``: age rules of a project that contradict each other."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING, Final

from nerq_cli.policy.age import MAX_DURATION, AgeRule, format_duration
from nerq_cli.policy.findings import Finding
from nerq_cli.units import DAY, HOUR, MINUTE

if TYPE_CHECKING:
    from nerq_cli.policy.rules.rule import RuleInput

#: Ages that no policy has: shorter or longer ones are in another unit than meant.
_SHORTEST_AGE: Final = HOUR
_LONGEST_AGE: Final = 365 * DAY
#: The factors by which the units of the tools differ, and the units.
_UNITS: Final = ((DAY, "days"), (HOUR, "hours"), (MINUTE, "minutes"), (1, "seconds"))


def find_age_mismatches(rule_input: RuleInput) -> Iterator[Finding]:
    """Yield a finding for each two age rules of a project that contradict each other, and for each wrong value.

    Rules of the user are no part of the project.
    """
    rules = sorted((rule for rule in rule_input.age_rules if not rule.is_user), key=lambda rule: not rule.is_bot)
    for rule in rules:
        if text := rule.problem or _find_unit_mistake(rule):
            yield Finding(text=f"{rule.place}: {text}", level="warn", locations=(rule.location,))
    found: dict[str, Finding] = {}
    for first, second in combinations(rules, 2):
        if text := _find_contradiction(first, second):
            locations = dict.fromkeys(rule.location for rule in (first, second) if not rule.is_default)
            found.setdefault(text, Finding(text=text, level="warn", locations=tuple(locations)))
    yield from found.values()


def _find_unit_mistake(rule: AgeRule) -> str:
    """Return why a number seems to be in another unit; empty if it does not."""
    if rule.is_default or not rule.seconds or not (number := _read_number(rule.value)):
        return ""
    is_round_in_minutes = rule.tool == "Bun" and number % (DAY // MINUTE) == 0 and rule.seconds % HOUR
    if _SHORTEST_AGE <= rule.seconds <= _LONGEST_AGE and not is_round_in_minutes:
        return ""
    factor = rule.seconds // number
    meant = [
        f"{format_duration(number * size)} would be {number * size // factor:,}"
        for size, _ in _UNITS
        if size != factor and _SHORTEST_AGE <= number * size <= _LONGEST_AGE and number * size % factor == 0
    ]
    unit = next((name for size, name in _UNITS if size == factor), "seconds")
    text = f"{rule.tool} counts in {unit}, so this is {format_duration(rule.seconds)}"
    return f"{text}; {meant[0]}" if meant else text


def _read_number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(MAX_DURATION)) else 0


def _find_contradiction(first: AgeRule, second: AgeRule) -> str:
    """Return how two rules contradict each other; empty if they do not. A rule of an update bot comes first."""
    if not _are_comparable(first, second):
        return ""
    wait = format_duration(second.seconds or 0)
    if not first.is_bot:
        return f"{first.tool} installs {_describe_age(first)}, {second.tool} {_describe_age(second)}: " + _join(
            first, second
        )
    if (first.seconds or 0) > (second.seconds or 0):
        return ""
    refused = f"{second.tool} leaves out until {wait} after the release"
    return f"{first.tool} proposes {_describe_age(first)} what {refused}: " + _join(first, second)


def _are_comparable(first: AgeRule, second: AgeRule) -> bool:
    """Return whether two rules have different ages for the same packages. Two update bots do not depend on another."""
    return (
        first.ecosystem == second.ecosystem
        and _overlap(first, second)
        and None not in (first.seconds, second.seconds)
        and first.seconds != second.seconds
        and not second.is_bot
        and not first.is_default
        and (first.is_bot or not second.is_default)
    )


def _join(first: AgeRule, second: AgeRule) -> str:
    return f"{first.place}, {second.place}"


def _describe_age(rule: AgeRule) -> str:
    return f"after {format_duration(rule.seconds)}" if rule.seconds else "at once"


def _overlap(first: AgeRule, second: AgeRule) -> bool:
    """Return whether one directory is the other, or inside of it and bound by both rules."""
    one, other = f"{first.directory}/".lstrip("/"), f"{second.directory}/".lstrip("/")
    if one.startswith(second.excluded) or other.startswith(first.excluded):
        return False
    return one.startswith(other) or other.startswith(one)
