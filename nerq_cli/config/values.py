"""The kinds of values that settings have: how each is read, and its JSON Schema."""

from __future__ import annotations

import fnmatch
import re
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from nerq_cli.config.patterns import split_pattern
from nerq_cli.policy.age import MAX_DURATION, parse_duration
from nerq_cli.policy.licence_lists import find_unknown
from nerq_cli.policy.settings import LEVELS, PREFIXES, PRESETS
from nerq_cli.signals.advisories import SEVERITIES
from nerq_cli.units import DAY, HOUR, MINUTE

#: Letters and digits that a pattern of names with wildcards has at least.
_MIN_NAME_CHARACTERS: Final = 2
#: Longest timeout, in seconds.
_MAX_TIMEOUT: Final = DAY
_MAX_POINTS: Final = 100
_TRUE: Final = frozenset({"1", "true", "yes", "on"})
_FALSE: Final = frozenset({"0", "false", "no", "off"})


class SettingError(ValueError):
    """A value is invalid; the message describes a valid one, and ``hint`` what may have been meant."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class Kind(NamedTuple):
    """A kind of value."""

    #: For the page of documentation.
    name: str
    #: Returns the value of a setting, or raises SettingError.
    read: Callable[[object], object]
    #: JSON Schema.
    schema: Mapping[str, Any]
    #: Returns what ``read`` takes from the text of an environment variable.
    parse: Callable[[str], object] = str
    #: Returns a value as a settings file has it.
    format: Callable[[Any], object] = lambda value: value


def _parse_number(text: str) -> object:
    try:
        return float(text)
    except ValueError:
        return text


def _parse_boolean(text: str) -> object:
    word = text.lower()
    return True if word in _TRUE else False if word in _FALSE else text


def _parse_list(text: str) -> object:
    return [item.strip() for item in re.split(r"[,\n]", text) if item.strip()]


def _read_points(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= _MAX_POINTS:
        raise SettingError("must be a number from 0 to 100")
    return float(value)


def _read_seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= _MAX_TIMEOUT:
        raise SettingError(f"must be a number of seconds, above 0 and at most {_MAX_TIMEOUT} (a day)")
    return float(value)


def _read_boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise SettingError("must be true or false")
    return value


def _read_nested(value: object) -> bool | str:
    if value != "waivers" and not isinstance(value, bool):
        raise SettingError('must be true, false or "waivers"')
    return value if isinstance(value, bool) else "waivers"


def _read_file(value: object) -> str:
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise SettingError('must be the path of a file, such as "nerq-baseline.json"')
    return value.strip()


def _read_url(value: object) -> str:
    from urllib.parse import urlsplit

    text = value.strip() if isinstance(value, str) else ""
    try:
        parts = urlsplit(text)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address or not (text.isascii() and text.isprintable()) or " " in text or parts.query or parts.fragment:
        raise SettingError('must be an address, such as "https://nerq.example"')
    if "@" in parts.netloc:
        raise SettingError("must have no user or password", "the variable NERQ_SERVICE_TOKEN has the token")
    return text.rstrip("/")


def _read_strings(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise SettingError('must be a list of strings, such as ["one", "two"]')
    if not all(text.strip() for text in value):
        raise SettingError("has an empty string, which could mean everything or nothing")
    return tuple(text.strip() for text in value)


def _read_patterns(value: object, compile_pattern: Callable[[str], object]) -> tuple[str, ...]:
    def check_pattern(pattern: str) -> str:
        try:
            with warnings.catch_warnings():  # future meaning of bracket expressions in Python
                warnings.simplefilter("ignore")
                compile_pattern(pattern)
        except (ValueError, re.error) as error:
            raise SettingError("has a text that is not a pattern") from error
        return pattern

    return tuple(check_pattern(pattern) for pattern in _read_strings(value))


def _read_name_patterns(value: object) -> tuple[str, ...]:
    return _read_patterns(value, lambda pattern: re.compile(fnmatch.translate(pattern)))


def _read_prefixed_patterns(value: object, consequence: str) -> tuple[str, ...]:
    """Return patterns of names, each with or without the ecosystem that it covers: ``acme-*``, ``hf:acme/*``."""
    patterns = _read_name_patterns(value)
    for pattern in patterns:
        prefix, name = split_pattern(pattern)
        if prefix is not None and prefix not in PREFIXES:
            hint = suggest(prefix, tuple(PREFIXES), "ecosystems")
            raise SettingError("has a pattern that begins with an ecosystem that is not known", hint)
        if not name or (_is_unspecific(name, _MIN_NAME_CHARACTERS) and not names_owner(name)):
            raise SettingError(f"has a pattern that matches almost every package: {consequence}")
    return patterns


def _read_private_patterns(value: object) -> tuple[str, ...]:
    return _read_prefixed_patterns(value, "nothing would be looked up")


def _read_public_patterns(value: object) -> tuple[str, ...]:
    return _read_prefixed_patterns(value, "private names would be sent")


def names_owner(pattern: str) -> bool:
    """Whether a pattern covers one owner or scope alone, which may have a single letter: ``w/*``, ``@w/*``."""
    owner, slash, _ = pattern.removeprefix("@").partition("/")
    return bool(slash) and any(map(str.isalnum, owner)) and not any(sign in owner for sign in "*?[")


def _is_unspecific(pattern: str, min_characters: int) -> bool:
    """Whether a pattern with wildcards fixes fewer letters and digits than this."""
    has_wildcards = any(character in pattern for character in "*?[")
    fixed_text = re.sub(r"\[[^\]]*\]?", "", pattern)
    return has_wildcards and sum(character.isalnum() for character in fixed_text) < min_characters


def _read_path_patterns(value: object) -> tuple[str, ...]:
    from pathspec import GitIgnoreSpec

    patterns = _read_patterns(value, lambda pattern: GitIgnoreSpec.from_lines([pattern]))
    if any(not pattern.strip("*/") or _is_unspecific(pattern, 1) for pattern in patterns):
        raise SettingError("has a pattern that matches almost every file: nothing would be scanned")
    return patterns


def suggest(word: str, known: tuple[str, ...], noun: str) -> str:
    """Return the nearest of the known words as a hint, else all of them."""
    import difflib

    matches = difflib.get_close_matches(word.replace("_", "-").lower(), known, n=1)
    return f"did you mean {matches[0]!r}?" if matches else f"the {noun} are {', '.join(known)}"


def _read_word(value: object, words: tuple[str, ...], noun: str) -> str:
    if value in words:
        return str(value)
    hint = suggest(value, words, noun) if isinstance(value, str) else ""
    raise SettingError(f"must be one of {', '.join(words)}", "" if hint.startswith("the ") else hint)


def _read_level(value: object) -> str:
    return _read_word(value, LEVELS, "levels")


def _read_preset(value: object) -> str:
    return _read_word(value, tuple(PRESETS), "presets")


def _read_duration(value: object) -> int:
    try:
        return parse_duration(value, "minutes")  # type: ignore[arg-type]
    except ValueError:
        days = f"{MAX_DURATION // DAY:,}"
        message = f'must be a duration such as "7d", "P7D" or "168h", or a number of minutes, up to {days} days'
        raise SettingError(message) from None


def format_duration(seconds: int) -> str:
    """Return a duration in the largest unit that divides it: ``7d``, ``36h``, ``90m``, ``45s``."""
    units = (("d", DAY), ("h", HOUR), ("m", MINUTE))
    return next((f"{seconds // size}{unit}" for unit, size in units if seconds % size == 0), f"{seconds}s")


def _read_probability(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise SettingError("must be a probability from 0 to 1")
    return float(value)


def _read_severities(value: object) -> frozenset[str]:
    if isinstance(value, bool):
        return frozenset(SEVERITIES if value else ())
    if not isinstance(value, list):
        raise SettingError('must be true, false or a list of severities, such as ["medium", "low"]')
    return frozenset(_read_word(word, SEVERITIES, "severities") for word in value)


def _read_licences(value: object) -> tuple[str, ...]:
    licences = _read_strings(value)
    for entry in find_unknown(licences):
        raise SettingError(
            "has a text that is no SPDX identifier, no pattern of one and no kind of licence", _suggest_licence(entry)
        )
    return licences


def _read_allowed_licences(value: object) -> tuple[str, ...]:
    licences = _read_licences(value)
    if not licences:
        raise SettingError("must not be empty: nothing would be accepted", "leave it out to accept every licence")
    return licences


def _suggest_licence(entry: str) -> str:
    import difflib

    from nerq_cli.signals.licences import TERMS
    from nerq_cli.signals.spdx import KINDS

    family = entry.rstrip("-*").lower()
    if family and any(name.startswith(f"{family}-") for name in KINDS):
        return f"did you mean '{entry.rstrip('-*')}-*'?"
    matches = difflib.get_close_matches(entry.lower(), (*TERMS, *KINDS), n=1)
    return f"did you mean {matches[0]!r}?" if matches else f"kinds of licence are {', '.join(TERMS)}"


_STRINGS_SCHEMA: Final = {"type": "array", "items": {"type": "string", "pattern": "\\S"}}
POINTS: Final = Kind("0 to 100", _read_points, {"type": "number", "minimum": 0, "maximum": _MAX_POINTS}, _parse_number)
SECONDS: Final = Kind(
    "seconds", _read_seconds, {"type": "number", "exclusiveMinimum": 0, "maximum": _MAX_TIMEOUT}, _parse_number
)
BOOLEAN: Final = Kind("true/false", _read_boolean, {"type": "boolean"}, _parse_boolean)
NESTED: Final = Kind("true/false or `waivers`", _read_nested, {"enum": [True, False, "waivers"]}, _parse_boolean)
NAMES: Final = Kind("names", _read_strings, _STRINGS_SCHEMA, _parse_list)
PACKAGES: Final = Kind("patterns", _read_name_patterns, _STRINGS_SCHEMA, _parse_list)
PRIVATE_NAMES: Final = Kind("patterns", _read_private_patterns, _STRINGS_SCHEMA, _parse_list)
PUBLIC_NAMES: Final = Kind("patterns", _read_public_patterns, _STRINGS_SCHEMA, _parse_list)
PATHS: Final = Kind("paths", _read_path_patterns, _STRINGS_SCHEMA, _parse_list)
FILE: Final = Kind("file", _read_file, {"type": "string", "pattern": "\\S"})
URL: Final = Kind("address", _read_url, {"type": "string", "pattern": "^https?://"})
PRESET: Final = Kind("word", _read_preset, {"enum": list(PRESETS)})
LEVEL: Final = Kind("level", _read_level, {"enum": list(LEVELS)})
DURATION: Final = Kind(
    "duration",
    _read_duration,
    {"type": ["string", "number"], "minimum": 0, "pattern": "^[0-9Pp]"},
    str,
    format_duration,
)
PROBABILITY: Final = Kind("0 to 1", _read_probability, {"type": "number", "minimum": 0, "maximum": 1}, _parse_number)
SEVERITY_SET: Final = Kind(
    "true/false or severities",
    _read_severities,
    {"anyOf": [{"type": "boolean"}, {"type": "array", "items": {"enum": list(SEVERITIES)}}]},
)
LICENCES: Final = Kind("licences", _read_licences, _STRINGS_SCHEMA, _parse_list)
ALLOWED_LICENCES: Final = Kind("licences", _read_allowed_licences, {**_STRINGS_SCHEMA, "minItems": 1}, _parse_list)
