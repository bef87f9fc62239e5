"""Read the waivers of a settings file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from nerq_cli.config.entries import (
    TEXT_SCHEMA,
    EntryKey,
    EntryProblem,
    check_range,
    read_day,
    read_entry,
    read_range,
    read_text,
    read_word,
)
from nerq_cli.config.values import PACKAGES, PATHS, SettingError, names_owner, suggest
from nerq_cli.ecosystems import get_ecosystem
from nerq_cli.inventory import Location
from nerq_cli.patterns import compile_late
from nerq_cli.policy.rules import MALICIOUS, RULES, WAIVABLE_RULES
from nerq_cli.policy.settings import PREFIXES, has_wildcards
from nerq_cli.policy.vex import JUSTIFICATIONS, STATUSES
from nerq_cli.policy.waivers import Waiver

#: Letters and digits that a pattern of packages with wildcards has at least.
_MIN_NAME_CHARACTERS: Final = 2
#: Statuses that a project may state of what it waives; ``fixed`` is no waiver.
WAIVER_STATUSES: Final = tuple(status for status in STATUSES if status != "fixed")
_VULNERABILITY: Final = "vulnerability"
_ID: Final = compile_late(r"[A-Za-z][A-Za-z0-9]*(?:[-:._][A-Za-z0-9]+)+")


class WaiverResult(NamedTuple):
    """A waiver, or what is wrong with it."""

    waiver: Waiver | None
    problems: tuple[EntryProblem, ...] = ()


def read_package(value: object) -> str:
    """Return the pattern of the packages of a waiver.

    Raises:
        SettingError: it is no pattern of names, or its ecosystem is not known.
    """
    pattern = read_text(value)
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
    is_short = has_wildcards(pattern) and characters < _MIN_NAME_CHARACTERS
    if not characters or (is_short and not names_owner(name)):
        raise SettingError("matches almost every package: everything would be waived")
    return pattern


def read_path(value: object) -> str:
    """Return the pattern of the files of a waiver.

    Raises:
        SettingError: it is no pattern of paths below the settings file, or matches almost every file.
    """
    pattern = read_text(value)
    PATHS.read([pattern])
    if pattern.startswith(("!", "#")) or ".." in pattern.split("/") or "\\" in pattern:
        raise SettingError('must be a path below the settings file, with slashes, such as "web/package.json"')
    return pattern


def read_rule(value: object) -> str:
    """Return the id of the rule of a waiver.

    Raises:
        SettingError: there is no such rule, or its findings cannot be waived.
    """
    text = read_text(value)
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
    text = read_text(value)
    if not _ID.fullmatch(text):
        raise SettingError('must be the id of an advisory, such as "GHSA-35jh-r3h4-6jhm" or "CVE-2021-23337"')
    return text


def _read_flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise SettingError("must be true or false")
    return value


#: The keys of a waiver, in the order in which they are written.
WAIVER_KEYS: Final[Mapping[str, EntryKey]] = MappingProxyType(
    {
        "package": EntryKey(
            read_package,
            "name or pattern of the package: `lodash`, `npm:lodash`, `@acme/*`",
            TEXT_SCHEMA,
        ),
        "path": EntryKey(
            read_path,
            "file, or pattern in .gitignore syntax, relative to the settings file. Without `package`: waives findings "
            "that are about no package",
            TEXT_SCHEMA,
        ),
        "version": EntryKey(read_range, "range of versions, or one version; without it every one", TEXT_SCHEMA),
        "rule": EntryKey(read_rule, "rule whose findings are waived", {"enum": list(WAIVABLE_RULES)}),
        "advisory": EntryKey(read_advisory, "id or alias of the advisory that is waived", TEXT_SCHEMA),
        "reason": EntryKey(read_text, "why", TEXT_SCHEMA, is_required=True),
        "until": EntryKey(
            read_day,
            "last day that it applies",
            {"type": "string", "pattern": "^\\d{4}-\\d\\d-\\d\\d$"},
            is_required=True,
            example="2027-01-31",
        ),
        "until-fixed": EntryKey(
            _read_flag, "end it as soon as a version that can be installed fixes the advisory", {"type": "boolean"}
        ),
        "owner": EntryKey(read_text, "who answers for it", TEXT_SCHEMA),
        "openvex-status": EntryKey(
            read_word(WAIVER_STATUSES, "statuses"),
            "status of the advisory in an OpenVEX document",
            {"enum": list(WAIVER_STATUSES)},
        ),
        "openvex-justification": EntryKey(
            read_word(JUSTIFICATIONS, "justifications"),
            "why the project is not affected, as OpenVEX words it",
            {"enum": list(JUSTIFICATIONS)},
        ),
    }
)


def read_waiver(entry: Mapping[str, object], location: Location) -> WaiverResult:
    """Return the waiver that a table states, or everything that is wrong with it; unknown keys are ignored."""
    values, problems = read_entry(entry, WAIVER_KEYS, "waiver")
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


def _check_subject(entry: Mapping[str, object], values: Mapping[str, Any]) -> Iterator[EntryProblem]:
    """Yield what is wrong with the keys that state what the waiver is about."""
    if "package" in entry:
        if "package" in values and "version" in values:
            yield from check_range("waivers.version", values["package"], values["version"])
        return
    if "path" not in entry:
        yield EntryProblem("package", "the waiver has no package", 'add package = "…", or path = "…" for a file')
        return
    for key in ("advisory", "version"):
        if key in entry:
            yield EntryProblem(key, f"waivers.{key} needs a package", 'add package = "…"')


def _check_combination(entry: Mapping[str, object], values: Mapping[str, Any]) -> Iterator[EntryProblem]:
    """Yield what is wrong with the keys beside each other."""
    yield from _check_subject(entry, values)
    if "rule" in entry and "advisory" in entry:
        yield EntryProblem("advisory", "the waiver names a rule and an advisory", "write a waiver for each of them")
    elif "rule" not in entry and "advisory" not in entry:
        yield EntryProblem(
            "rule", "the waiver names neither a rule nor an advisory", 'add rule = "…" or advisory = "…"'
        )
    if values.get("rule") == MALICIOUS.id and has_wildcards(values.get("package", "")):
        yield EntryProblem(
            "package", "waivers.package must name one package, without wildcards, to waive malicious versions"
        )
    if values.get("until-fixed") and "advisory" not in entry and values.get("rule") != _VULNERABILITY:
        yield EntryProblem("until-fixed", f"waivers.until-fixed needs an advisory, or the rule {_VULNERABILITY}")
    status, justification = values.get("openvex-status", ""), values.get("openvex-justification", "")
    for key in ("openvex-status", "openvex-justification"):
        if key in entry and "advisory" not in entry:
            yield EntryProblem(key, f"waivers.{key} needs an advisory: it states how that affects the project")
    if status == "not_affected" and "openvex-justification" not in entry:
        hint = f"add openvex-justification: {', '.join(JUSTIFICATIONS)}"
        yield EntryProblem("openvex-status", "waivers.openvex-status not_affected needs a justification", hint)
    if justification and status not in ("", "not_affected"):
        yield EntryProblem("openvex-justification", f"waivers.openvex-justification contradicts the status {status}")
    if justification and values.get("until-fixed"):
        yield EntryProblem(
            "until-fixed",
            "waivers.until-fixed contradicts openvex-justification: what does not affect the project needs no fix",
        )
