"""What the entries of waivers and of reviews have in common: keys, texts, days and ranges of versions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from nerq_cli.config.values import SettingError, suggest
from nerq_cli.ecosystems import ECOSYSTEMS, NPM, PYPI, Ecosystem, EcosystemId, get_ecosystem
from nerq_cli.patterns import compile_late
from nerq_cli.policy.settings import PREFIXES

#: Longest text, in characters.
MAX_LENGTH: Final = 1_000
#: Ranges of each ecosystem, for messages.
_RANGE_EXAMPLES: Final[Mapping[EcosystemId, str]] = MappingProxyType(
    {PYPI: '"==1.24.*" or ">=1.24,<2"', NPM: '"^1.24.0" or ">=1.24.0 <2.0.0"'}
)
_DAY: Final = compile_late(r"\d{4}-\d\d-\d\d", re.ASCII)
TEXT_SCHEMA: Final = {"type": "string", "pattern": "\\S"}


class EntryProblem(NamedTuple):
    """A mistake in an entry."""

    #: Key that is wrong, or that is missing.
    key: str
    message: str
    hint: str = ""


class EntryKey(NamedTuple):
    """One key of an entry."""

    #: Returns the value, or raises SettingError.
    read: Callable[[object], object]
    #: For people, without a full stop.
    summary: str
    schema: Mapping[str, Any]
    is_required: bool = False
    #: A value, for the hint of a required key that is missing; empty for a text.
    example: str = ""


class EntryValues(NamedTuple):
    """The values of an entry, and what is wrong with others."""

    values: dict[str, Any]
    problems: list[EntryProblem]


def read_entry(entry: Mapping[str, object], keys: Mapping[str, EntryKey], noun: str) -> EntryValues:
    """Return the values of an entry by key; unknown keys are ignored.

    Args:
        entry: a table.
        keys: the keys that it may have.
        noun: the name of such an entry; its array has the plural.
    """
    values: dict[str, Any] = {}
    problems: list[EntryProblem] = []
    for key, spec in keys.items():
        if key in entry:
            try:
                values[key] = spec.read(entry[key])
            except SettingError as error:
                problems.append(EntryProblem(key, f"{noun}s.{key} {error}", error.hint))
        elif spec.is_required:
            hint = f"add {key} = {spec.example or chr(34) + '…' + chr(34)}: {spec.summary}"
            problems.append(EntryProblem(key, f"the {noun} has no {key}", hint))
    return EntryValues(values, problems)


def read_text(value: object) -> str:
    """Return a text on one line.

    Raises:
        SettingError: it is none, is empty or too long.
    """
    if not isinstance(value, str) or not value.strip():
        raise SettingError("must be a text that is not empty")
    if len(value) > MAX_LENGTH:
        raise SettingError(f"must have at most {MAX_LENGTH:,} characters")
    return " ".join(value.split())


def read_range(value: object) -> str:
    """Return a version or a range of versions.

    Raises:
        SettingError: no ecosystem reads it as a range or a version.
    """
    text = read_text(value)
    if not list_range_readers(text, ECOSYSTEMS):
        raise SettingError('must be a version or a range of versions, such as "<2.0" or ">=1.2,<1.3"')
    return text


def list_range_readers(text: str, ecosystems: Iterable[Ecosystem]) -> list[Ecosystem]:
    """Return the ecosystems that read a text as a version or a range of versions."""
    return [
        ecosystem
        for ecosystem in ecosystems
        if ecosystem.parse_version(text) is not None or ecosystem.parse_requirement(text) is not None
    ]


def check_range(key: str, package: str, text: str) -> Iterator[EntryProblem]:
    """Yield a problem of a key for each ecosystem that a package may be of and that does not read its range."""
    prefix, colon, _ = package.partition(":")
    if colon:
        ecosystems = [get_ecosystem(PREFIXES[prefix])]
        if ecosystems[0] not in ECOSYSTEMS:  # has no ranges that are read
            return
    else:
        ecosystems = [ecosystem for ecosystem in ECOSYSTEMS if not package.startswith("@") or ecosystem.id == NPM]
    readers = list_range_readers(text, ecosystems)
    for ecosystem in ecosystems:
        if ecosystem in readers:
            continue
        example = _RANGE_EXAMPLES.get(ecosystem.id, "")
        hint = f"write {example}" if example else ""
        if readers:
            hint = f"begin the package with {readers[0].purl_type}: if it is of {readers[0].id}, else {hint}"
        yield EntryProblem(key.rpartition(".")[2], f"{key} is neither a version nor a range of {ecosystem.id}", hint)


def read_day(value: object) -> str:
    """Return a day (ISO 8601).

    Raises:
        SettingError: it is no date.
    """
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str) and _DAY.fullmatch(value.strip()):
        try:
            return date.fromisoformat(value.strip()).isoformat()
        except ValueError:
            pass
    raise SettingError("must be a day, such as 2027-01-31")


def read_word(words: tuple[str, ...], noun: str) -> Callable[[object], str]:
    """Return the reader of a key that is one of these words."""

    def read(value: object) -> str:
        if isinstance(value, str) and value in words:
            return value
        hint = suggest(value, words, noun) if isinstance(value, str) else ""
        raise SettingError(f"must be one of {', '.join(words)}", "" if hint.startswith("the ") else hint)

    return read
