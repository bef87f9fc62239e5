"""Minimum ages of releases: the rules of package managers and update bots, and when they let a version be installed."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final, Literal, TypeAlias

import msgspec

from nerq_cli.ecosystems import EcosystemId, get_ecosystem
from nerq_cli.inventory import Dependency, Location, Package
from nerq_cli.patterns import compile_late
from nerq_cli.units import DAY, HOUR, MINUTE

#: The unit of a bare number: Bun counts seconds, pnpm and Yarn minutes, npm and Dependabot days.
Unit: TypeAlias = Literal["seconds", "minutes", "hours", "days"]

_SECONDS_OF_UNIT: Final[dict[Unit, int]] = {"seconds": 1, "minutes": MINUTE, "hours": HOUR, "days": DAY}
_WEEK: Final = 7 * DAY
#: The longest duration, about 1,000 years: the moment before a release stays a date that can be printed.
MAX_DURATION: Final = 365_000 * DAY
#: The longest text, or pattern of names, that is read.
_MAX_LENGTH: Final = 100
#: The longest list of versions of an exception, in characters.
_MAX_REQUIREMENT_LENGTH: Final = 1_000

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
#: Stars, or what stands between them.
_GLOB_PIECE: Final = compile_late(r"\*+|[^*]+")
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


class AgeException(msgspec.Struct, frozen=True, kw_only=True):
    """Packages for which a rule has another age, or none."""

    #: A name, or a pattern with ``*``.
    pattern: str
    #: Whether ``*`` also stands for ``/``, which separates an npm scope from a name.
    crosses_scopes: bool = False
    #: The versions, as a range of the ecosystem; empty means all.
    requirement: str = ""
    #: The age in seconds in place of that of the rule; 0 exempts.
    seconds: int | None = 0
    #: The moment in place of that of the rule.
    before: int | None = None


class AgeRule(msgspec.Struct, frozen=True, kw_only=True):
    """One setting by which a tool leaves out releases that are too new."""

    #: Its name in a sentence.
    tool: str
    ecosystem: EcosystemId
    #: The key, as it is written.
    setting: str
    #: The value, as it is written.
    value: str
    location: Location
    #: Directory that it applies to, as POSIX path; empty means all.
    directory: str = ""
    #: Directories in it, with a slash at their end, whose packages another project or tool installs.
    excluded: tuple[str, ...] = ()
    #: Endings of the files that it applies to; empty means all.
    endings: tuple[str, ...] = ()
    #: Minimum age in seconds; None if the rule has none.
    seconds: int | None = None
    #: Releases from this moment on are left out (epoch seconds UTC); None if the rule has none.
    before: int | None = None
    #: The first one that matches applies.
    exceptions: tuple[AgeException, ...] = ()
    #: Whether the tool proposes updates, and installs nothing. Security fixes are exempt from such a rule.
    is_bot: bool = False
    #: Whether it is the default of the tool, which no file states.
    is_default: bool = False
    #: Whether it is a setting of the user, not of the project.
    is_user: bool = False
    #: Why the value cannot be used; empty if it can.
    problem: str = ""

    @property
    def place(self) -> str:
        """Return the rule with its place: ``minimumReleaseAge: 10080 (pnpm-workspace.yaml:3)``."""
        if self.is_default:
            return f"the default of {self.tool}"
        line = f":{self.location.line}" if self.location.line else ""
        return f"{self.setting} = {self.value} ({self.location.path}{line})"

    def covers(self, location: Location) -> bool:
        """Return whether the rule applies to dependencies that are declared at a place."""
        path = location.path
        if self.directory and not path.startswith(f"{self.directory}/"):
            return False
        return not path.startswith(self.excluded) and (not self.endings or path.endswith(self.endings))

    def find_age(self, package: Package, version: str) -> tuple[int | None, int | None]:
        """Return the minimum age in seconds and the moment for one version; None each if there is none."""
        for exception in self.exceptions:
            if _matches(exception, package, version):
                return exception.seconds, exception.before
        return self.seconds, self.before


#: ``now``: the rules let it be installed; ``later``: from a moment on; ``never``: a rule has a fixed date; ``unknown``:
#: the release date or a rule is not known.
AvailabilityState: TypeAlias = Literal["now", "later", "never", "unknown"]


class Availability(msgspec.Struct, frozen=True, kw_only=True):
    """Whether age rules let tools install a version."""

    state: AvailabilityState
    #: When it can be installed (epoch seconds UTC); 0 if that is now, never or not known.
    installable_at: int = 0
    #: The rules that leave it out, the one that lasts longest first; those that are undecided if that is not known.
    rules: tuple[AgeRule, ...] = ()
    #: What to add to let it be installed now, one line for each of the rules.
    overrides: tuple[str, ...] = ()


def select_rules(rules: Iterable[AgeRule], dependency: Dependency) -> tuple[AgeRule, ...]:
    """Return the rules that apply to a dependency."""
    return tuple(
        rule
        for rule in rules
        if rule.ecosystem == dependency.package.ecosystem and any(map(rule.covers, dependency.locations))
    )


def check_availability(
    package: Package, version: str, released_at: int, as_of: int, rules: Iterable[AgeRule], *, is_fix: bool = False
) -> Availability | None:
    """Return whether rules let a version be installed; None without rules.

    Args:
        package: the package.
        version: the version.
        released_at: when it was released (epoch seconds UTC; 0 = not known).
        as_of: the present (epoch seconds UTC).
        rules: the rules that apply to the package.
        is_fix: whether the version fixes an advisory, which exempts it from the rules of update bots.
    """
    applicable = [rule for rule in rules if not (is_fix and rule.is_bot)]
    if not applicable:
        return None
    moments = [(_find_moment(rule, package, version, released_at), rule) for rule in applicable]
    blocking = sorted(
        ((moment, rule) for moment, rule in moments if moment is not None and moment > as_of),
        key=lambda pair: -pair[0],
    )
    undecided = tuple(rule for moment, rule in moments if moment is None)
    blocking_rules = tuple(rule for _, rule in blocking)
    overrides = tuple(suggest_override(rule, package, version, as_of) for rule in blocking_rules)
    if blocking and blocking[0][0] >= _NEVER:
        return Availability(state="never", rules=blocking_rules, overrides=overrides)
    if undecided:
        return Availability(state="unknown", rules=undecided)
    if blocking:
        return Availability(state="later", installable_at=blocking[0][0], rules=blocking_rules, overrides=overrides)
    return Availability(state="now")


#: Stands for a moment that does not come.
_NEVER: Final = 2**62


def _find_moment(rule: AgeRule, package: Package, version: str, released_at: int) -> int | None:
    """Return when a rule lets a version be installed; 0 if it always did, None if that is not known."""
    if rule.problem:
        return None
    seconds, before = rule.find_age(package, version)
    if not seconds and before is None:
        return 0
    if not released_at:
        return None
    if before is not None and released_at >= before:
        return _NEVER
    return released_at + (seconds or 0)


#: What lets one version be installed in spite of a rule, by tool: a line and where it stands, or a command.
_OVERRIDES: Final = {
    "uv": 'exclude-newer-package = {{ {name} = "{moment}" }}{table} in {path}',
    "pip": "pip install --uploaded-prior-to P0D {name}=={version}",
    "Poetry": "poetry config --local solver.min-release-age-exclude {name}",
    "PDM": "exclude-newer-override = {{ {name} = false }} under [tool.pdm.resolution] in pyproject.toml",
    "Pipenv": "pip install --uploaded-prior-to P0D {name}=={version}",
    "Deno": '"exclude": ["npm:{name}"] under minimumDependencyAge in {path}',
    "pixi": "pixi workspace exclude-newer exempt --pypi {name}",
    "npm": "min-release-age-exclude[]={name} in {path}",
    "pnpm": 'minimumReleaseAgeExclude: ["{name}@{version}"] in {path}',
    "Yarn": 'npmPreapprovedPackages: ["{name}@{version}"] in {path}',
    "Bun": 'minimumReleaseAgeExcludes = ["{name}@{version}"] under [install] in {path}',
    "Dependabot": 'exclude: ["{name}"] under cooldown in {path}',
    "Renovate": '{{"matchPackageNames": ["{name}"], "minimumReleaseAge": null}} in packageRules in {path}',
}


def suggest_override(rule: AgeRule, package: Package, version: str, as_of: int) -> str:
    """Return what lets a version be installed in spite of a rule: a line with its file, or a command."""
    path = rule.location.path
    return _OVERRIDES[rule.tool].format(
        name=package.name,
        version=version,
        path=path,
        table=" under [tool.uv]" if path.endswith("pyproject.toml") else "",
        moment=_format_moment(as_of),
    )


def _format_moment(moment: int) -> str:
    from datetime import datetime, timezone

    return datetime.fromtimestamp(moment, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _matches(exception: AgeException, package: Package, version: str) -> bool:
    pattern = exception.pattern
    if pattern != package.name and not (
        "*" in pattern
        and len(pattern) <= _MAX_LENGTH
        and _matches_name(pattern, package.name, crosses_scopes=exception.crosses_scopes)
    ):
        return False
    if not exception.requirement:
        return True
    if len(exception.requirement) > _MAX_REQUIREMENT_LENGTH:
        return False
    requirement = get_ecosystem(package.ecosystem).parse_requirement(exception.requirement)
    return requirement is not None and requirement.allows(version, prereleases=True)


@lru_cache(maxsize=4_096)
def _matches_name(pattern: str, name: str, *, crosses_scopes: bool) -> bool:
    """Return whether a name matches a pattern, in time proportional to the product of their lengths."""
    ends = {0}
    for piece in _GLOB_PIECE.findall(pattern):
        if piece[0] == "*":
            is_wide = crosses_scopes or len(piece) > 1
            ends = {
                end for start in ends for end in range(start, len(name) + 1) if is_wide or "/" not in name[start:end]
            }
        else:
            ends = {start + len(piece) for start in ends if name.startswith(piece, start)}
    return len(name) in ends


def format_duration(seconds: int) -> str:
    """Return a duration in the largest unit that measures it: ``7 days``, ``36 hours``, ``7 minutes``."""
    for size, noun in ((DAY, "day"), (HOUR, "hour"), (MINUTE, "minute")):
        if seconds >= size and seconds % size == 0:
            return _format_count(seconds // size, noun)
    for size, noun in ((DAY, "day"), (HOUR, "hour"), (MINUTE, "minute")):
        if seconds >= size:
            return f"{seconds / size:.1f} {noun}s"
    return _format_count(seconds, "second")


def format_wait(seconds: int) -> str:
    """Return how long to wait, rounded up: ``3 days``, ``5 hours``, ``1 hour``."""
    size, noun = (DAY, "day") if seconds > 2 * DAY else (HOUR, "hour")
    return _format_count(max(1, -(-seconds // size)), noun)


def _format_count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"
