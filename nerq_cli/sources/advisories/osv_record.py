"""Read one OSV record into the fields that are scored and shown.

The format is documented in ossf/osv-schema (docs/schema.md). Every record of version 1 is read; unknown keys are
ignored. Only the parts about PyPI and npm are kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, Final

import msgspec

from nerq_cli.decoders import build_json_decoder_late
from nerq_cli.ecosystems import find_ecosystem
from nerq_cli.errors import ResponseError
from nerq_cli.facts import Advisory, AffectedPackage, Event, Range
from nerq_cli.patterns import compile_late
from nerq_cli.sources.text import (
    MAX_SUMMARY,
    clean_text,
    clean_url,
    decode_json,
    parse_time,
    parse_timestamp,
    to_epoch_seconds,
)
from nerq_cli.vulnerabilities.malware import describes_malware
from nerq_cli.vulnerabilities.severity import GHSA_LABEL

#: Form of an id: the character set of the OSV databases, at most as long as the API accepts (100 characters).
_ID_PATTERN = compile_late(r"[A-Za-z0-9][A-Za-z0-9._:+-]{0,99}", re.ASCII)
_SUPPORTED_SCHEMA = compile_late(r"1(?:\.|$)")
#: Longest name of a package (npm's limit) and longest version kept, in characters.
_MAX_NAME_LENGTH: Final = 214
_MAX_VERSION_LENGTH: Final = 128
#: Entries read of each list, far more than any real record has.
_MAX_ITEMS: Final = 1_000
_MAX_VERSIONS: Final = 20_000
_MAX_LINKS: Final = 5
#: 2100-01-01 in epoch seconds UTC.
_MAX_TIME: Final = 4_102_444_800
#: Types of version ranges that hold version numbers, not commits.
_VERSION_RANGE_TYPES: Final = frozenset({"ECOSYSTEM", "SEMVER"})
_EVENT_KINDS: Final = ("introduced", "fixed", "last_affected", "limit")
_NO_EVENT: Final = Event()
#: Types of references, most useful first; the others follow as they come.
_LINK_ORDER: Final = {"ADVISORY": 0, "FIX": 1, "REPORT": 2}
#: The weakness "embedded malicious code" (MITRE CWE), which GitHub assigns to advisories about malware.
_MALICIOUS_CODE_CWE: Final = "CWE-506"
_MALWARE_ORIGINS_KEY: Final = "malicious-packages-origins"
#: Deepest nesting of a YAML document that is read; a record has seven levels.
_MAX_DEPTH: Final = 50
#: Spellings of null in a YAML document read without types (YAML 1.2, core schema).
_YAML_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})

_UNKNOWN_SEVERITY: Final = ("unknown", "")
_LABEL_BANDS: Final = {"LOW": "low", "MODERATE": "medium", "MEDIUM": "medium", "HIGH": "high", "CRITICAL": "critical"}
_RANK: Final = {"low": 1, "medium": 2, "high": 3, "critical": 4}
#: Lowest score of each band (the qualitative scale of CVSS 3 and 4, used for CVSS 2 as OSV does).
_SCORE_BANDS: Final = ((9.0, "critical"), (7.0, "high"), (4.0, "medium"), (0.0, "low"))
_MAX_SCORE: Final = 10.0
#: Possible CVSS versions of a score; records without one state vectors, which name theirs.
_CVSS_TYPES: Final = frozenset({"", "CVSS_V2", "CVSS_V3", "CVSS_V4"})
#: Longest vector computed, in characters; one with every metric of CVSS 4 stays below 200.
_MAX_VECTOR_LENGTH: Final = 400


class NoRecordError(ResponseError):
    """A document without anything of an OSV record: no id, no version of the schema, nothing affected."""


class _Package(msgspec.Struct, frozen=True):
    ecosystem: str = ""
    name: str = ""


class _Range(msgspec.Struct, frozen=True):
    type: str = ""
    events: tuple[Event, ...] = ()


class _Score(msgspec.Struct, frozen=True):
    type: str = ""
    score: str = ""


class _Affected(msgspec.Struct, frozen=True):
    package: _Package = _Package()
    versions: tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=_MAX_VERSION_LENGTH)], ...] = ()
    ranges: tuple[_Range, ...] = ()
    severity: tuple[_Score, ...] = ()


class _Reference(msgspec.Struct, frozen=True):
    type: str = ""
    url: str = ""


class _DatabaseFields(msgspec.Struct, frozen=True):
    severity: str = ""
    cwe_ids: tuple[str, ...] = ()
    #: Only whether it is there counts.
    malware_origins: msgspec.Raw = msgspec.field(default=msgspec.Raw(), name="malicious-packages-origins")


class _Record(msgspec.Struct, frozen=True):
    """A record, with the types that are documented."""

    id: str = ""
    schema_version: str = ""
    modified: datetime | None = None
    published: datetime | None = None
    withdrawn: str = ""
    aliases: tuple[str, ...] = ()
    summary: str = ""
    details: str = ""
    severity: tuple[_Score, ...] = ()
    affected: tuple[_Affected, ...] = ()
    references: tuple[_Reference, ...] = ()
    database_specific: _DatabaseFields = _DatabaseFields()


class _UntypedRecord(msgspec.Struct, frozen=True):
    """A record as written, whatever its types are."""

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


_DECODER = build_json_decoder_late(_Record)
_UNTYPED_DECODER = build_json_decoder_late(_UntypedRecord)


def parse_record(record: bytes | Mapping[str, Any]) -> Advisory:
    """Read one record, from JSON or from a document already parsed.

    Raises:
        NoRecordError: it has nothing of an OSV record.
        ResponseError: it is not an OSV record, or of a version that is not known.
    """
    raw_record = _decode_record(record)
    identifier = raw_record.id
    if not _ID_PATTERN.fullmatch(identifier):
        if not raw_record.schema_version and not raw_record.affected:
            raise NoRecordError("this is no OSV record: it has no id and nothing that is affected")
        raise ResponseError("this is no OSV record: it has no id")
    if raw_record.schema_version and not _SUPPORTED_SCHEMA.match(raw_record.schema_version):
        raise ResponseError(f"{identifier} is of a version of the OSV schema that is not known")
    severity, severity_source = _choose_severity(raw_record)
    affected = _build_affected(raw_record.affected[:_MAX_ITEMS])
    return Advisory(
        id=identifier,
        modified=to_epoch_seconds(raw_record.modified),
        published=to_epoch_seconds(raw_record.published),
        withdrawn=bool(raw_record.withdrawn) and raw_record.withdrawn.strip() not in _YAML_NULLS,
        withdrawn_at=parse_timestamp(raw_record.withdrawn) if raw_record.withdrawn else 0,
        aliases=_select_aliases(raw_record),
        summary=clean_text(raw_record.summary, MAX_SUMMARY) or clean_text(raw_record.details, MAX_SUMMARY),
        severity=severity,
        severity_from=severity_source,
        affected=affected,
        links=_select_links(raw_record.references[:_MAX_ITEMS]),
        malware=_is_malware(raw_record, affected),
    )


def parse_yaml_record(document: bytes) -> Advisory:
    """Read one record from YAML.

    Every scalar is read as text, so that 1.10 stays a version and a time stays text.

    Raises:
        AnswerError: the text is no YAML document, or not an OSV record.
    """
    parsed_document = _parse_yaml(document)
    if not isinstance(parsed_document, dict):
        raise ResponseError("this is no OSV record: it is no mapping")
    return parse_record(parsed_document)


def _parse_yaml(document: bytes) -> object:
    """Return the first document: text, lists and maps.

    Built from PyYAML's events, which libyaml produces where it is installed: its own builder crashes the process on
    brackets nested some ten thousand deep. Aliases, which can expand a small file without limit, are refused.
    """
    import yaml

    loader: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    documents: list[Any] = []
    stack: list[list[Any]] = [documents]
    try:
        for event in yaml.parse(document, Loader=loader):
            if isinstance(event, yaml.ScalarEvent):
                stack[-1].append(event.value)
            elif isinstance(event, yaml.CollectionStartEvent):
                stack.append([])
            elif isinstance(event, yaml.CollectionEndEvent):
                items = stack.pop()
                stack[-1].append(items if isinstance(event, yaml.SequenceEndEvent) else _build_mapping(items))
            elif isinstance(event, yaml.AliasEvent):
                raise ResponseError("this YAML document has aliases, which are not followed")
            if len(stack) > _MAX_DEPTH:
                raise ResponseError("this YAML document is nested too deep")
    except (yaml.YAMLError, ValueError) as error:
        raise ResponseError("this is no YAML document") from error
    return next(iter(documents), None)


def _build_mapping(items: list[Any]) -> dict[str, Any]:
    """Return alternating keys and values as a map; keys that are not text are left out."""
    return {key: value for key, value in zip(items[::2], items[1::2], strict=True) if isinstance(key, str)}


# --- records whose values are not of the documented types ------------------------------------------------------------


def _decode_record(record: bytes | Mapping[str, Any]) -> _Record:
    """Return a record with the documented types; a value of another type counts as not stated.

    Nearly every record has no such value, and is decoded in one step.

    Raises:
        ResponseError: it is no JSON object, or what is affected is no list.
    """
    if isinstance(record, bytes):
        try:
            return _DECODER.decode(record)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return _convert_record(decode_json(_UNTYPED_DECODER, record))
    fields = {name: record[name] for name in _UntypedRecord.__struct_fields__ if name in record}
    return _convert_record(_UntypedRecord(**fields))


def _convert_record(record: _UntypedRecord) -> _Record:
    if not isinstance(record.affected, list | None):
        raise ResponseError("this is no OSV record: it has no list of what is affected")
    database_fields = _as_object(record.database_specific)
    return _Record(
        id=_as_text(record.id),
        schema_version=_as_text(record.schema_version),
        modified=parse_time(record.modified),
        published=parse_time(record.published),
        withdrawn=_as_text(record.withdrawn),
        aliases=_convert_texts(record.aliases),
        summary=_as_text(record.summary),
        details=_as_text(record.details),
        severity=_convert_scores(record.severity),
        affected=tuple(map(_convert_affected, _iter_objects(record.affected))),
        references=tuple(
            _Reference(str(reference.get("type")), _as_text(reference.get("url")))
            for reference in _iter_objects(record.references)
        ),
        database_specific=_DatabaseFields(
            _as_text(database_fields.get("severity")),
            _convert_texts(database_fields.get("cwe_ids")),
            msgspec.Raw(b"null" if _MALWARE_ORIGINS_KEY in database_fields else b""),
        ),
    )


def _convert_affected(affected: dict[str, Any]) -> _Affected:
    package = _as_object(affected.get("package"))
    return _Affected(
        package=_Package(_as_text(package.get("ecosystem")), _as_text(package.get("name"))),
        versions=tuple(filter(_is_version, _convert_texts(affected.get("versions"), _MAX_VERSIONS))),
        ranges=tuple(
            _Range(
                _as_text(version_range.get("type")),
                tuple(map(_convert_event, _iter_objects(version_range.get("events")))),
            )
            for version_range in _iter_objects(affected.get("ranges"))
        ),
        severity=_convert_scores(affected.get("severity")),
    )


def _convert_event(event: dict[str, Any]) -> Event:
    return Event(**{kind: _as_text(event.get(kind)) for kind in _EVENT_KINDS})


def _convert_scores(value: object) -> tuple[_Score, ...]:
    return tuple(
        _Score(kind, _as_text(entry.get("score")))
        for entry in _iter_objects(value)
        if isinstance(kind := entry.get("type", ""), str)
    )


def _convert_texts(value: object, limit: int = _MAX_ITEMS) -> tuple[str, ...]:
    return tuple(item for item in _as_list(value, limit) if isinstance(item, str))


def _as_list(value: object, limit: int = _MAX_ITEMS) -> list[Any]:
    return value[:limit] if isinstance(value, list) else []


def _iter_objects(value: object) -> Iterator[dict[str, Any]]:
    return (item for item in _as_list(value) if isinstance(item, dict))


def _as_object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else ""


# --- ids, links, malware ---------------------------------------------------------------------------------------------


def _select_aliases(record: _Record) -> tuple[str, ...]:
    if not record.aliases:
        return ()
    alias_ids = [alias for alias in record.aliases[:_MAX_ITEMS] if _ID_PATTERN.fullmatch(alias) and alias != record.id]
    return tuple(dict.fromkeys(alias_ids))


def _select_links(references: Sequence[_Reference]) -> tuple[str, ...]:
    """Return at most five addresses, the advisory and the fix first."""
    urls: dict[str, None] = {}
    for reference in sorted(references, key=_get_link_order):
        if url := clean_url(reference.url):
            urls[url] = None
            if len(urls) == _MAX_LINKS:
                break
    return tuple(urls)


def _get_link_order(reference: _Reference) -> int:
    return _LINK_ORDER.get(reference.type, len(_LINK_ORDER))


def _is_malware(record: _Record, affected: Sequence[AffectedPackage]) -> bool:
    """Whether the record itself is about malicious code; an alias about malware does not count."""
    fields = record.database_specific
    return (
        record.id.startswith("MAL-")
        or bool(fields.malware_origins)
        or (_MALICIOUS_CODE_CWE in fields.cwe_ids[:_MAX_ITEMS] and record.id.startswith("GHSA-"))
        or describes_malware(record.id, record.summary, record.details, affected)
    )


# --- what is affected ------------------------------------------------------------------------------------------------


def _build_affected(entries: Iterable[_Affected]) -> tuple[AffectedPackage, ...]:
    """Return the affected packages of known ecosystems; another index (``PyPI:https://…``) is another ecosystem."""
    affected = []
    for entry in entries:
        ecosystem, name = find_ecosystem(entry.package.ecosystem), entry.package.name
        if ecosystem and 0 < len(name) <= _MAX_NAME_LENGTH and name.isprintable():
            ranges = [
                Range(version_range.type, events)
                for version_range in entry.ranges[:_MAX_ITEMS]
                if version_range.type in _VERSION_RANGE_TYPES
                and (events := _select_events(version_range.events[:_MAX_ITEMS]))
            ]
            name, versions = ecosystem.normalise_name(name), _select_versions(entry.versions[:_MAX_VERSIONS])
            affected.append(AffectedPackage(ecosystem.id, name, versions, tuple(ranges)))
    return tuple(affected)


def _select_versions(versions: tuple[str, ...]) -> tuple[str, ...]:
    """Return the versions that are printable, each once."""
    if not "".join(versions).isprintable():
        versions = tuple(filter(str.isprintable, versions))
    return versions if len(set(versions)) == len(versions) else tuple(dict.fromkeys(versions))


def _select_events(events: tuple[Event, ...]) -> tuple[Event, ...]:
    """Return events with one valid version each: usually these; in some old records one object holds two."""
    versions = [
        version
        for event in events
        for version in (event.introduced, event.fixed, event.last_affected, event.limit)
        if version
    ]
    are_valid = max(map(len, versions), default=0) <= _MAX_VERSION_LENGTH and "".join(versions).isprintable()
    if are_valid and len(versions) == len(events) and _NO_EVENT not in events:
        return events
    return tuple(
        Event(**{kind: version})
        for event in events
        for kind in _EVENT_KINDS
        if _is_version(version := getattr(event, kind))
    )


def _is_version(value: str) -> bool:
    return 0 < len(value) <= _MAX_VERSION_LENGTH and value.isprintable()


# --- how bad it is ---------------------------------------------------------------------------------------------------


def _choose_severity(record: _Record) -> tuple[str, str]:
    """Return the severity band and its origin: the label of the database, else the band of the CVSS vectors."""
    band = _LABEL_BANDS.get(record.database_specific.severity.strip().upper())
    if band:
        return band, GHSA_LABEL if record.id.startswith("GHSA-") else "label of its database"
    if record.severity:
        record_severity = _compute_severity(record.severity[:_MAX_ITEMS])
        if record_severity != _UNKNOWN_SEVERITY:
            return record_severity
    package_severities = [
        _compute_severity(entry.severity[:_MAX_ITEMS]) for entry in record.affected[:_MAX_ITEMS] if entry.severity
    ]
    return max(package_severities, key=lambda entry: (_RANK.get(entry[0], 0), entry[1]), default=_UNKNOWN_SEVERITY)


@lru_cache(maxsize=4_096)
def _compute_severity(scores: tuple[_Score, ...]) -> tuple[str, str]:
    """Return the band of the newest version of CVSS that a score is stated in."""
    vectors = [entry.score.strip() for entry in scores if entry.type in _CVSS_TYPES]
    scored_vectors = (
        (vector, score)
        for vector in sorted(vectors, key=_cvss_sort_key)
        if (score := _compute_score(vector)) is not None
    )
    for vector, score in scored_vectors:
        return _find_band(score), f"{_format_cvss_title(vector)} score {score:.1f}"
    return _UNKNOWN_SEVERITY


def _find_band(score: float) -> str:
    return next(band for minimum, band in _SCORE_BANDS if score >= minimum)


def _cvss_sort_key(vector: str) -> tuple[int, str]:
    """Sort the newest version of CVSS first, and a bare number last."""
    prefixes = ("CVSS:4.", "CVSS:3.1/", "CVSS:3.0/", "AV:", "(AV:")
    return next(
        (position for position, prefix in enumerate(prefixes) if vector.startswith(prefix)), len(prefixes)
    ), vector


def _format_cvss_title(vector: str) -> str:
    if vector.startswith("CVSS:"):
        return f"CVSS {vector[5:8]}"
    return "CVSS" if _parse_number(vector) is not None else "CVSS 2.0"


def _parse_number(text: str) -> float | None:
    """Return a score written as a number, which the format does not define but some records contain."""
    return float(text) if re.fullmatch(r"10(?:\.0)?|\d(?:\.\d)?", text, re.ASCII) else None


def _compute_score(vector: str) -> float | None:
    """Return the score, 0-10, of a vector; None when it is not one."""
    if (number := _parse_number(vector)) is not None:
        return number
    if len(vector) > _MAX_VECTOR_LENGTH or not vector.isascii():
        return None
    from cvss import CVSS2, CVSS3, CVSS4, CVSSError

    calculators: dict[str, Callable[[str], Any]] = {"CVSS:4": CVSS4, "CVSS:3": CVSS3}
    try:
        calculator = calculators.get(vector[:6], CVSS2)
        score = calculator(vector.strip("()") if calculator is CVSS2 else vector).base_score
    except (CVSSError, ArithmeticError, KeyError, ValueError):
        return None
    return float(score) if score is not None and 0 <= score <= _MAX_SCORE else None


def check_advisory(advisory: Advisory) -> Advisory:
    """Return a record of an untrusted file that holds records already read, with its texts cleaned.

    Raises:
        ResponseError: it is none that ``parse_record`` returns.
    """
    is_valid = (
        _ID_PATTERN.fullmatch(advisory.id) is not None
        and all(map(_ID_PATTERN.fullmatch, advisory.aliases))
        and (advisory.severity in _RANK or advisory.severity == _UNKNOWN_SEVERITY[0])
        and all(0 <= time <= _MAX_TIME for time in (advisory.modified, advisory.published, advisory.withdrawn_at))
        and all(map(_is_valid_affected, advisory.affected))
    )
    if not is_valid:
        raise ResponseError(f"{clean_text(advisory.id, MAX_SUMMARY)} is no record of an advisory")
    return msgspec.structs.replace(
        advisory,
        summary=clean_text(advisory.summary, MAX_SUMMARY),
        severity_from=clean_text(advisory.severity_from, MAX_SUMMARY),
        links=tuple(filter(None, map(clean_url, advisory.links)))[:_MAX_LINKS],
    )


def _is_valid_affected(affected: AffectedPackage) -> bool:
    ecosystem = find_ecosystem(affected.ecosystem)
    events = [event for version_range in affected.ranges for event in version_range.events]
    versions = [version for event in events for version in msgspec.structs.astuple(event) if version]
    return (
        ecosystem is not None
        and affected.name.isprintable()
        and 0 < len(affected.name) <= _MAX_NAME_LENGTH
        and affected.name == ecosystem.normalise_name(affected.name)
        and all(version_range.kind in _VERSION_RANGE_TYPES for version_range in affected.ranges)
        and len(affected.versions) <= _MAX_VERSIONS
        and all(map(_is_version, (*affected.versions, *versions)))
    )


def filter_ecosystem(advisory: Advisory, ecosystem: str) -> Advisory:
    """Return the record with the affected packages of one ecosystem only."""
    affected_packages = tuple(entry for entry in advisory.affected if entry.ecosystem == ecosystem)
    return (
        advisory
        if affected_packages == advisory.affected
        else msgspec.structs.replace(advisory, affected=affected_packages)
    )
