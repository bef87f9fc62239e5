"""One OSV record, read into what is scored and shown.

The format is documented in ossf/osv-schema (docs/schema.md). Any record of its version 1 is read, and keys that are
not known are passed over. Only what concerns PyPI and npm is kept of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final, TypeGuard

import msgspec

from nerq_cli.advisories import GHSA_LABEL
from nerq_cli.errors import AnswerError
from nerq_cli.facts import Advisory, Affected, Event, Range
from nerq_cli.inventory import NPM, PYPI, Ecosystem, normalise
from nerq_cli.sources.text import SUMMARY, clean, decoded, instant, web_address

#: An id: what every database of OSV uses, at most as long as its API takes (100 characters).
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+-]{0,99}", re.ASCII)
_SCHEMA = re.compile(r"1(?:\.|$)")
#: Longest name of a package (npm's limit) and longest version kept, in characters.
_NAME: Final = 214
_VERSION: Final = 128
#: How much of each list is read; no honest record comes near.
_MOST: Final = 1_000
_MOST_VERSIONS: Final = 20_000
_LINKS: Final = 5
#: What a version number consists of wherever versions are numbered, rather than commits.
_NUMBERED: Final = frozenset({"ECOSYSTEM", "SEMVER"})
_EVENTS: Final = ("introduced", "fixed", "last_affected", "limit")
#: Types of references, most useful first; the others follow as they come.
_LINK_ORDER: Final = {"ADVISORY": 0, "FIX": 1, "REPORT": 2}
#: The weakness "embedded malicious code" (MITRE CWE), by which GitHub marks advisories about malware.
_MALICIOUS_CODE: Final = "CWE-506"
_ORIGINS: Final = "malicious-packages-origins"
#: Deepest nesting of a YAML document that is read; a record has seven levels.
_DEPTH: Final = 50
#: Ways to say nothing in a YAML document that is read without types (YAML 1.2, core schema).
_NOTHING: Final = frozenset({"", "~", "null", "Null", "NULL"})

_UNKNOWN: Final = ("unknown", "")
_LABELS: Final = {"LOW": "low", "MODERATE": "medium", "MEDIUM": "medium", "HIGH": "high", "CRITICAL": "critical"}
_RANK: Final = {"low": 1, "medium": 2, "high": 3, "critical": 4}
#: Lowest score of each band (the qualitative scale of CVSS 3 and 4, used for CVSS 2 as OSV does).
_BANDS: Final = ((9.0, "critical"), (7.0, "high"), (4.0, "medium"), (0.0, "low"))
_HIGHEST: Final = 10.0
#: Scales that a score may be on; records that leave it out state vectors, which tell.
_SCALES: Final = frozenset({"", "CVSS_V2", "CVSS_V3", "CVSS_V4"})
#: Longest vector computed, in characters; one with every metric of CVSS 4 stays below 200.
_VECTOR: Final = 400


class _Record(msgspec.Struct):
    """A record as it is written; what is of another type than documented counts as not stated."""

    id: Any = None
    schema_version: Any = None
    modified: Any = None
    published: Any = None
    withdrawn: Any = None
    aliases: Any = None
    summary: Any = None
    details: Any = None
    severity: Any = None
    affected: Any = None
    references: Any = None
    database_specific: Any = None


_RECORD = msgspec.json.Decoder(_Record)


def read(record: bytes | Mapping[str, Any]) -> Advisory:
    """Read one record, from JSON or from a document already parsed.

    Raises:
        AnswerError: it is not an OSV record.
    """
    stated = _stated(record)
    identifier = stated.id if isinstance(stated.id, str) and _ID.fullmatch(stated.id) else ""
    if not identifier or not isinstance(stated.affected, list | None):
        raise AnswerError("this is no OSV record: it has no id, or no list of what is affected")
    if isinstance(stated.schema_version, str) and stated.schema_version and not _SCHEMA.match(stated.schema_version):
        raise AnswerError(f"{identifier} is of a version of the OSV schema that is not known")
    severity, origin = _severity(stated, identifier)
    return Advisory(
        id=identifier,
        modified=instant(stated.modified),
        published=instant(stated.published),
        withdrawn=_is_said(stated.withdrawn),
        aliases=_aliases(stated.aliases, identifier),
        summary=clean(stated.summary, SUMMARY) or clean(stated.details, SUMMARY),
        severity=severity,
        severity_from=origin,
        affected=tuple(_affected(stated.affected)),
        links=_links(stated.references),
        malware=_is_malware(stated, identifier),
    )


def read_yaml(document: bytes) -> Advisory:
    """Read one record from YAML.

    Every scalar is taken as the text it is written as, so that 1.10 stays a version and a time stays one too.

    Raises:
        AnswerError: it is no YAML document, or not an OSV record.
    """
    parsed = _parsed(document)
    if not isinstance(parsed, dict):
        raise AnswerError("this is no OSV record: it is no mapping")
    return read(parsed)


def _parsed(document: bytes) -> object:
    """Return the first document: text, lists and maps.

    Built from PyYAML's events, which come from C where it has libyaml: its own builder there crashes the process on
    brackets nested some ten thousand deep. Aliases, which can blow a small file up, are refused.
    """
    import yaml

    loader: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    outermost: list[Any] = []
    inside: list[list[Any]] = [outermost]
    try:
        for event in yaml.parse(document, Loader=loader):
            if isinstance(event, yaml.ScalarEvent):
                inside[-1].append(event.value)
            elif isinstance(event, yaml.CollectionStartEvent):
                inside.append([])
            elif isinstance(event, yaml.CollectionEndEvent):
                filled = inside.pop()
                inside[-1].append(filled if isinstance(event, yaml.SequenceEndEvent) else _mapping(filled))
            elif isinstance(event, yaml.AliasEvent):
                raise AnswerError("this YAML document has aliases, which are not followed")
            if len(inside) > _DEPTH:
                raise AnswerError("this YAML document is nested too deep")
    except (yaml.YAMLError, ValueError) as problem:
        raise AnswerError("this is no YAML document") from problem
    return next(iter(outermost), None)


def _mapping(filled: list[Any]) -> dict[str, Any]:
    """Return keys and values, as they come one after the other, as a map; a key that is no text is left out."""
    return {key: value for key, value in zip(filled[::2], filled[1::2], strict=True) if isinstance(key, str)}


def _stated(record: bytes | Mapping[str, Any]) -> _Record:
    if isinstance(record, bytes):
        return decoded(_RECORD, record)
    known = {name: record[name] for name in _Record.__struct_fields__ if name in record}
    return _Record(**known)


def _items(value: object, most: int = _MOST) -> list[Any]:
    return value[:most] if isinstance(value, list) else []


def _maps(value: object) -> Iterator[dict[str, Any]]:
    return (item for item in _items(value) if isinstance(item, dict))


def _map(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _is_said(value: object) -> bool:
    return isinstance(value, str) and value.strip() not in _NOTHING


def _aliases(value: object, identifier: str) -> tuple[str, ...]:
    named = (name for name in _items(value) if isinstance(name, str) and _ID.fullmatch(name) and name != identifier)
    return tuple(dict.fromkeys(named))


def _links(value: object) -> tuple[str, ...]:
    """Return at most five addresses, the advisory and the fix first."""
    stated = sorted(_maps(value), key=lambda one: _LINK_ORDER.get(str(one.get("type")), len(_LINK_ORDER)))
    addresses = (address for one in stated if (address := web_address(one.get("url"))))
    return tuple(dict.fromkeys(addresses))[:_LINKS]


def _is_malware(stated: _Record, identifier: str) -> bool:
    """Whether the record itself is about malicious code; an alias that is makes it none."""
    database = _map(stated.database_specific)
    weakness = identifier.startswith("GHSA-") and _MALICIOUS_CODE in _items(database.get("cwe_ids"))
    return identifier.startswith("MAL-") or _ORIGINS in database or weakness


# --- what is affected ------------------------------------------------------------------------------------------------


def _affected(value: object) -> Iterator[Affected]:
    """Yield what is said of packages of PyPI and npm; other indexes of theirs (``PyPI:https://…``) are others."""
    for stated in _maps(value):
        package = _map(stated.get("package"))
        ecosystem, name = package.get("ecosystem"), package.get("name")
        if isinstance(name, str) and 0 < len(name) <= _NAME and name.isprintable():
            if ecosystem == PYPI:
                yield _of_package(PYPI, name, stated)
            elif ecosystem == NPM:
                yield _of_package(NPM, name, stated)


def _of_package(ecosystem: Ecosystem, name: str, stated: dict[str, Any]) -> Affected:
    versions = filter(_is_version, _items(stated.get("versions"), _MOST_VERSIONS))
    ranges = (_range(one) for one in _maps(stated.get("ranges")) if one.get("type") in _NUMBERED)
    return Affected(
        ecosystem,
        normalise(ecosystem, name),
        tuple(dict.fromkeys(versions)),
        tuple(one for one in ranges if one.events),
    )


def _range(stated: dict[str, Any]) -> Range:
    events = (event for one in _maps(stated.get("events")) for event in _events(one))
    return Range(stated["type"], tuple(events))


def _events(stated: dict[str, Any]) -> Iterator[Event]:
    """Yield the events of one object: one, though old records have been seen to put two into it."""
    for kind in _EVENTS:
        if _is_version(version := stated.get(kind)):
            yield Event(**{kind: version})


def _is_version(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= _VERSION and value.isprintable()


# --- how bad it is ---------------------------------------------------------------------------------------------------


def _severity(stated: _Record, identifier: str) -> tuple[str, str]:
    """Return the band and where it is from: the label that the database gives, else what the vectors come to."""
    label = _map(stated.database_specific).get("severity")
    band = _LABELS.get(label.strip().upper()) if isinstance(label, str) else None
    if band:
        return band, GHSA_LABEL if identifier.startswith("GHSA-") else "label of its database"
    computed = _computed(stated.severity)
    if computed != _UNKNOWN:
        return computed
    each = [_computed(one.get("severity")) for one in _maps(stated.affected) if one.get("severity")]
    return max(each, key=lambda one: (_RANK.get(one[0], 0), one[1]), default=_UNKNOWN)


def _computed(value: object) -> tuple[str, str]:
    """Return the band of the newest version of CVSS that a score is stated in."""
    known = (one for one in _maps(value) if one.get("type", "") in _SCALES)
    texts = [one["score"].strip() for one in known if isinstance(one.get("score"), str)]
    scored = ((text, score) for text in sorted(texts, key=_edition) if (score := _score(text)) is not None)
    for text, score in scored:
        return _band(score), f"{_title(text)} score {score:.1f}"
    return _UNKNOWN


def _band(score: float) -> str:
    return next(band for lowest, band in _BANDS if score >= lowest)


def _edition(text: str) -> tuple[int, str]:
    """Sort the newest version of CVSS first, and a bare number last."""
    order = ("CVSS:4.", "CVSS:3.1/", "CVSS:3.0/", "AV:", "(AV:")
    return next((place for place, start in enumerate(order) if text.startswith(start)), len(order)), text


def _title(text: str) -> str:
    if text.startswith("CVSS:"):
        return f"CVSS {text[5:8]}"
    return "CVSS" if _number(text) is not None else "CVSS 2.0"


def _number(text: str) -> float | None:
    """Return a score written as a number, which the format does not have but some records do."""
    return float(text) if re.fullmatch(r"10(?:\.0)?|\d(?:\.\d)?", text, re.ASCII) else None


@lru_cache(maxsize=4_096)
def _score(text: str) -> float | None:
    """Return the score, 0-10, of a vector; None for what is none."""
    if (number := _number(text)) is not None:
        return number
    if len(text) > _VECTOR or not text.isascii():
        return None
    from cvss import CVSS2, CVSS3, CVSS4, CVSSError

    calculators: dict[str, Callable[[str], Any]] = {"CVSS:4": CVSS4, "CVSS:3": CVSS3}
    try:
        calculator = calculators.get(text[:6], CVSS2)
        score = calculator(text.strip("()") if calculator is CVSS2 else text).base_score
    except (CVSSError, ArithmeticError, KeyError, ValueError):
        return None
    return float(score) if score is not None and 0 <= score <= _HIGHEST else None


def concerning(advisory: Advisory, ecosystem: str) -> Advisory:
    """Return the record with what it says of one ecosystem."""
    mine = tuple(one for one in advisory.affected if one.ecosystem == ecosystem)
    return advisory if mine == advisory.affected else msgspec.structs.replace(advisory, affected=mine)


def packages(advisory: Advisory) -> Iterable[tuple[str, str]]:
    """Return ecosystem and name of every package the record is about, each once."""
    return dict.fromkeys((one.ecosystem, one.name) for one in advisory.affected)
