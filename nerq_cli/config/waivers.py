"""Read the waivers of a settings file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from nerq_cli.config.values import PACKAGES, PATHS, SettingError, suggest
from nerq_cli.ecosystems import ECOSYSTEMS, NPM, PYPI, Ecosystem, EcosystemId, get_ecosystem
from nerq_cli.inventory import Location
from nerq_cli.patterns import compile_late
from nerq_cli.policy.rules import MALICIOUS, RULES, WAIVABLE_RULES
from nerq_cli.policy.settings import PREFIXES, has_wildcards
from nerq_cli.policy.vex import JUSTIFICATIONS, STATUSES
from nerq_cli.policy.waivers import Waiver

#: Letters and digits that a pattern of packages with wildcards has at least.
_MIN_NAME_CHARACTERS: Final = 2
#: Longest text, in characters.
_MAX_LENGTH: Final = 1_000
#: Statuses that a project may state of what it waives; ``fixed`` is no waiver.
WAIVER_STATUSES: Final = tuple(status for status in STATUSES if status != "fixed")
#: Ranges of each ecosystem, for messages.
_RANGE_EXAMPLES: Final[Mapping[EcosystemId, str]] = MappingProxyType(
    {PYPI: '"==1.24.*" or ">=1.24,<2"', NPM: '"^1.24.0" or ">=1.24.0 <2.0.0"'}
)
_VULNERABILITY: Final = "vulnerability"
_ID: Final = compile_late(r"[A-Za-z][A-Za-z0-9]*(?:[-:._][A-Za-z0-9]+)+")
_DAY: Final = compile_late(r"\d{4}-\d\d-\d\d", re.ASCII)


class WaiverProblem(NamedTuple):
    """A mistake in a waiver."""

    #: Key that is wrong, or that is missing.
    key: str
    message: str
    hint: str = ""


class WaiverResult(NamedTuple):
    """A waiver, or what is wrong with it."""

    waiver: Waiver | None
    problems: tuple[WaiverProblem, ...] = ()


class WaiverKey(NamedTuple):
    """One key of a waiver."""

    #: Returns the value, or raises SettingError.
    read: Callable[[object], object]
    #: For people, without a full stop.
    summary: str
    schema: Mapping[str, Any]
    is_required: bool = False


def _read_text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise SettingError("must be a text that is not empty")
    if len(value) > _MAX_LENGTH:
        raise SettingError(f"must have at most {_MAX_LENGTH:,} characters")
    return " ".join(value.split())


def read_package(value: object) -> str:
    """Return the pattern of the packages of a waiver.

    Raises:
        SettingError: it is no pattern of names, or its ecosystem is not known.
    """
    pattern = _read_text(value)
    PACKAGES.read([pattern])
    prefix, colon, name = pattern.partition(":")
    name = name if colon else pattern
    is_listed = colon and prefix in PREFIXES and not get_ecosystem(PREFIXES[prefix]).target_prefixes
    if not is_listed and (any(sign in name for sign in ("==", "<", ">")) or "@" in name[1:]):
        raise SettingError("names a version, which no name of a package matches", 'write it as version = "…"')
    if colon and prefix not in PREFIXES:
        raise SettingError("begins with an ecosystem that is not known", suggest(prefix, tuple(PREFIXES), "ecosystems"))
    fixed_text = re.sub(r"\[[^\]]*\]?", "", pattern.partition(":")[2] if colon else pattern)
    characters = sum(character.isalnum() for character in fixed_text)
    if not characters or (has_wildcards(pattern) and characters < _MIN_NAME_CHARACTERS):
        raise SettingError("matches almost every package: everything would be waived")
    return pattern


def read_path(value: object) -> str:
    """Return the pattern of the files of a waiver.

    Raises:
        SettingError: it is no pattern of paths below the settings file, or matches almost every file.
    """
    pattern = _read_text(value)
    PATHS.read([pattern])
    if pattern.startswith(("!", "#")) or ".." in pattern.split("/") or "\\" in pattern:
        raise SettingError('must be a path below the settings file, with slashes, such as "web/package.json"')
    return pattern


def read_range(value: object) -> str:
    """Return the range of versions of a waiver.

    Raises:
        SettingError: no ecosystem reads it as a range or a version.
    """
    text = _read_text(value)
    if not _list_readers(text, ECOSYSTEMS):
        raise SettingError('must be a version or a range of versions, such as "<2.0" or ">=1.2,<1.3"')
    return text


def _list_readers(text: str, ecosystems: Iterable[Ecosystem]) -> list[Ecosystem]:
    """Return the ecosystems that read a text as a version or a range of versions."""
    return [
        ecosystem
        for ecosystem in ecosystems
        if ecosystem.parse_version(text) is not None or ecosystem.parse_requirement(text) is not None
    ]


def _check_range(package: str, text: str) -> Iterator[WaiverProblem]:
    """Yield each ecosystem that a package may be of and that does not read the range, which matches nothing there."""
    prefix, colon, _ = package.partition(":")
    if colon:
        ecosystems = [get_ecosystem(PREFIXES[prefix])]
        if not ecosystems[0].registry_api:  # has no ranges that are read
            return
    else:
        ecosystems = [ecosystem for ecosystem in ECOSYSTEMS if not package.startswith("@") or ecosystem.id == NPM]
    readers = _list_readers(text, ecosystems)
    for ecosystem in ecosystems:
        if ecosystem in readers:
            continue
        example = _RANGE_EXAMPLES.get(ecosystem.id, "")
        hint = f"write {example}" if example else ""
        if readers:
            hint = f"begin the package with {readers[0].purl_type}: if it is of {readers[0].id}, else {hint}"
        yield WaiverProblem("version", f"waivers.version is neither a version nor a range of {ecosystem.id}", hint)


def read_rule(value: object) -> str:
    """Return the id of the rule of a waiver.

    Raises:
        SettingError: there is no such rule, or its findings cannot be waived.
    """
    text = _read_text(value)
    if text in WAIVABLE_RULES:
        return text
    if any(text == rule.id for rule in RULES):
        raise SettingError(f"names {text}, which is about waivers: it cannot be waived")
    raise SettingError("names no rule", suggest(text, WAIVABLE_RULES, "rules"))


def read_advisory(value: object) -> str:
    """Return the id of the advisory of a waiver.

    Raises:
        SettingError: it is no id.
    """
    text = _read_text(value)
    if not _ID.fullmatch(text):
        raise SettingError('must be the id of an advisory, such as "GHSA-35jh-r3h4-6jhm" or "CVE-2021-23337"')
    return text


def read_day(value: object) -> str:
    """Return the last day of a waiver (ISO 8601).

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
    raise SettingError("must be the last day that the waiver applies, such as 2027-01-31")


def _read_flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise SettingError("must be true or false")
    return value


def _read_word(words: tuple[str, ...], noun: str) -> Callable[[object], str]:
    def read(value: object) -> str:
        if isinstance(value, str) and value in words:
            return value
        hint = suggest(value, words, noun) if isinstance(value, str) else ""
        raise SettingError(f"must be one of {', '.join(words)}", "" if hint.startswith("the ") else hint)

    return read


_TEXT_SCHEMA: Final = {"type": "string", "pattern": "\\S"}
#: The keys of a waiver, in the order in which they are written.
WAIVER_KEYS: Final[Mapping[str, WaiverKey]] = MappingProxyType(
    {
        "package": WaiverKey(
            read_package,
            "name or pattern of the package: `lodash`, `npm:lodash`, `@acme/*`",
            _TEXT_SCHEMA,
        ),
        "path": WaiverKey(
            read_path,
            "file, or pattern in .gitignore syntax, relative to the settings file. Without `package`: waives findings "
            "that are about no package",
            _TEXT_SCHEMA,
        ),
        "version": WaiverKey(read_range, "range of versions, or one version; without it every one", _TEXT_SCHEMA),
        "rule": WaiverKey(read_rule, "rule whose findings are waived", {"enum": list(WAIVABLE_RULES)}),
        "advisory": WaiverKey(read_advisory, "id or alias of the advisory that is waived", _TEXT_SCHEMA),
        "reason": WaiverKey(_read_text, "why", _TEXT_SCHEMA, is_required=True),
        "until": WaiverKey(
            read_day,
            "last day that it applies",
            {"type": "string", "pattern": "^\\d{4}-\\d\\d-\\d\\d$"},
            is_required=True,
        ),
        "until-fixed": WaiverKey(
            _read_flag, "end it as soon as a version that can be installed fixes the advisory", {"type": "boolean"}
        ),
        "owner": WaiverKey(_read_text, "who answers for it", _TEXT_SCHEMA),
        "openvex-status": WaiverKey(
            _read_word(WAIVER_STATUSES, "statuses"),
            "status of the advisory in an OpenVEX document",
            {"enum": list(WAIVER_STATUSES)},
        ),
        "openvex-justification": WaiverKey(
            _read_word(JUSTIFICATIONS, "justifications"),
            "why the project is not affected, as OpenVEX words it",
            {"enum": list(JUSTIFICATIONS)},
        ),
    }
)


def read_waiver(entry: Mapping[str, object], location: Location) -> WaiverResult:
    """Return the waiver that a table states, or everything that is wrong with it; unknown keys are ignored."""
    values: dict[str, Any] = {}
    problems: list[WaiverProblem] = []
    for key, spec in WAIVER_KEYS.items():
        if key in entry:
            try:
                values[key] = spec.read(entry[key])
            except SettingError as error:
                problems.append(WaiverProblem(key, f"waivers.{key} {error}", error.hint))
        elif spec.is_required:
            hint = f"add {key} = {'2027-01-31' if key == 'until' else chr(34) + '…' + chr(34)}: {spec.summary}"
            problems.append(WaiverProblem(key, f"the waiver has no {key}", hint))
    problems += _check_combination(entry, values)
    if problems:
        return WaiverResult(None, tuple(problems))
    justification = values.get("openvex-justification", "")
    return WaiverResult(
        Waiver(
            package=values.get("package", ""),
            path=values.get("path", ""),
            version=values.get("version", ""),
            rule=values.get("rule", ""),
            advisories=(values["advisory"],) if "advisory" in values else (),
            reason=values["reason"],
            until=values["until"],
            owner=values.get("owner", ""),
            until_fixed=values.get("until-fixed", False),
            status=values.get("openvex-status", "not_affected" if justification else ""),
            justification=justification,
            location=location,
        )
    )


def _check_subject(entry: Mapping[str, object], values: Mapping[str, Any]) -> Iterator[WaiverProblem]:
    """Yield what is wrong with the keys that state what the waiver is about."""
    if "package" in entry:
        if "package" in values and "version" in values:
            yield from _check_range(values["package"], values["version"])
        return
    if "path" not in entry:
        yield WaiverProblem("package", "the waiver has no package", 'add package = "…", or path = "…" for a file')
        return
    for key in ("advisory", "version"):
        if key in entry:
            yield WaiverProblem(key, f"waivers.{key} needs a package", 'add package = "…"')


def _check_combination(entry: Mapping[str, object], values: Mapping[str, Any]) -> Iterator[WaiverProblem]:
    """Yield what is wrong with the keys beside each other."""
    yield from _check_subject(entry, values)
    if "rule" in entry and "advisory" in entry:
        yield WaiverProblem("advisory", "the waiver names a rule and an advisory", "write a waiver for each of them")
    elif "rule" not in entry and "advisory" not in entry:
        yield WaiverProblem(
            "rule", "the waiver names neither a rule nor an advisory", 'add rule = "…" or advisory = "…"'
        )
    if values.get("rule") == MALICIOUS.id and has_wildcards(values.get("package", "")):
        yield WaiverProblem(
            "package", "waivers.package must name one package, without wildcards, to waive malicious versions"
        )
    if values.get("until-fixed") and "advisory" not in entry and values.get("rule") != _VULNERABILITY:
        yield WaiverProblem("until-fixed", f"waivers.until-fixed needs an advisory, or the rule {_VULNERABILITY}")
    status, justification = values.get("openvex-status", ""), values.get("openvex-justification", "")
    for key in ("openvex-status", "openvex-justification"):
        if key in entry and "advisory" not in entry:
            yield WaiverProblem(key, f"waivers.{key} needs an advisory: it states how that affects the project")
    if status == "not_affected" and "openvex-justification" not in entry:
        hint = f"add openvex-justification: {', '.join(JUSTIFICATIONS)}"
        yield WaiverProblem("openvex-status", "waivers.openvex-status not_affected needs a justification", hint)
    if justification and status not in ("", "not_affected"):
        yield WaiverProblem("openvex-justification", f"waivers.openvex-justification contradicts the status {status}")
    if justification and values.get("until-fixed"):
        yield WaiverProblem(
            "until-fixed",
            "waivers.until-fixed contradicts openvex-justification: what does not affect the project needs no fix",
        )
