"""OSV: the advisories that affect a version, all advisories of a package, and their records.

The batch endpoint returns ids only. A record is fetched once for each id and kept until OSV lists a newer change.
The endpoints are documented in google/osv.dev (docs/api).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from itertools import count
from types import MappingProxyType
from typing import Any, Final, Generic, NamedTuple, TypeVar
from urllib.parse import quote

import msgspec

from nerq_cli.decoders import build_json_decoder_late
from nerq_cli.ecosystems import GITHUB, find_ecosystem, get_ecosystem, is_commit
from nerq_cli.errors import ResponseError
from nerq_cli.facts import Absent, Advisory, AffectedPackage, Fact, Found, Unknown
from nerq_cli.fetch.run import FetchRun
from nerq_cli.fetch.source import Endpoint, Request, Response
from nerq_cli.fetch.time_budget import TimeLimits
from nerq_cli.inventory import AdvisoryId, Package, Release
from nerq_cli.patterns import compile_late
from nerq_cli.sources import SOURCES
from nerq_cli.sources.advisories.osv_record import parse_record
from nerq_cli.sources.text import MAX_SUMMARY, clean_text, decode_json, decode_optional, parse_timestamp
from nerq_cli.units import DAY, NO_LIMIT
from nerq_cli.vulnerabilities.matching import affects_version, select_known_advisories
from nerq_cli.vulnerabilities.severity import (
    RecordLookup,
    find_missing_aliases,
    is_rated,
    list_reviewed_aliases,
    rate_by_aliases,
)

S = TypeVar("S", Package, Release)

_INFO: Final = SOURCES["osv"]
LABEL: Final = _INFO.label

#: Queries in one batch; larger batches are refused (google/osv.dev, docs/api/post-v1-querybatch.md).
MAX_QUERIES: Final = 1_000
#: Pages read of one list. A page holds up to 1,000 advisories, far more than any real list has.
MAX_PAGES: Final = 50
#: Batches halved in one run to find the queries that the server refuses. One such query takes ten.
MAX_HALVINGS: Final = 100
#: Ten years: a record is filed under the time of its last change.
_TEN_YEARS: Final = 10 * 365 * DAY
#: Largest response read; over HTTP/1.1 the service sends at most 32 MiB.
_MAX_BYTES: Final = 33_554_432
_MAX_TOKEN_LENGTH: Final = 10_000
#: Form of an advisory id; the service refuses longer ones.
_ID_PATTERN = compile_late(r"[A-Za-z0-9][\w.:-]{0,99}", re.ASCII)
_MALWARE_PREFIX: Final = "MAL-"
_GHSA_PREFIX: Final = "GHSA-"


class AdvisoryHits(msgspec.Struct, frozen=True):
    """The advisories OSV lists for a subject: id, and time of the last change (epoch seconds UTC, 0 = not stated)."""

    #: Without a default: a stored list without it is no empty list.
    ids: tuple[tuple[str, int], ...]


# --- lists of ids --------------------------------------------------------------------------------------------------


class _BatchRequest(Request[S], frozen=True, kw_only=True):
    """A request about many subjects. ``tokens`` and ``previous_hits``, beside ``subjects``, continue their lists."""

    page: int
    tokens: tuple[str, ...]
    previous_hits: tuple[tuple[tuple[str, int], ...], ...]


class _Lookup(NamedTuple):
    """A list that is being read: its subject, the token of its next page, and the hits of its earlier pages."""

    subject: Any
    token: str = ""
    previous_hits: tuple[tuple[str, int], ...] = ()


class _Results(msgspec.Struct):
    results: list[msgspec.Raw]


class _Hit(msgspec.Struct):
    id: str
    modified: Any = None


class _Result(msgspec.Struct):
    vulns: list[_Hit] | None = None
    next_page_token: str | None = None


_RESULTS_DECODER: Final = build_json_decoder_late(_Results)
_RESULT_DECODER: Final = build_json_decoder_late(_Result)


class AdvisoryListSource(msgspec.Struct, Generic[S], eq=False):
    """The ids of the advisories of a release, of a commit, or of all advisories of a package. One source per run.

    A list may come in pages: then only its query is sent again, with its token. A refused batch is halved until the
    refused query stands alone.
    """

    name: str
    label: str = LABEL
    kind: type[AdvisoryHits] = AdvisoryHits
    max_age: int = _INFO.max_age
    absent_max_age: int = _INFO.absent_max_age
    limit: int = _MAX_BYTES
    probe: bool = False
    cooldown: int = _INFO.cooldown
    time_limits: TimeLimits = _INFO.time_limits
    _halvings: Iterator[int] = msgspec.field(default_factory=count)

    def requests(self, subjects: Sequence[S], endpoint: Endpoint) -> Iterator[Request[S]]:
        """Request up to 1,000 subjects at a time; invalid names and versions are left out."""
        lookups = [_Lookup(subject) for subject in subjects if _is_queryable(subject)]
        for start in range(0, len(lookups), MAX_QUERIES):
            yield _build_batch(lookups[start : start + MAX_QUERIES], endpoint)

    def parse(self, request: Request[S], response: Response) -> Iterator[tuple[S, AdvisoryHits | None]]:
        """Pair each subject whose list ends here with the list.

        Raises:
            AnswerError: the response is not what OSV documents, or a list does not end.
        """
        lookups = _parse_batch(request, response)
        complete_lookups = [lookup for lookup in lookups if not lookup.token]
        if lookups and not complete_lookups and _get_page(request) == MAX_PAGES:
            raise ResponseError(f"a list of advisories has no end after {MAX_PAGES} pages")
        for lookup in complete_lookups:
            yield lookup.subject, AdvisoryHits(tuple(dict.fromkeys(lookup.previous_hits)))

    def request_more(self, request: Request[S], response: Response) -> Iterator[Request[S]]:
        """Request the next page of the lists that continue."""
        incomplete_lookups = [lookup for lookup in _parse_batch(request, response) if lookup.token]
        if incomplete_lookups and _get_page(request) < MAX_PAGES:
            yield _build_batch(incomplete_lookups, request.endpoint, page=_get_page(request) + 1)

    def divide(self, request: Request[S], status: int) -> Sequence[Request[S]]:
        """Return the two halves of a refused batch: the server refuses a batch for one bad query."""
        lookups = _get_lookups(request)
        if status != HTTPStatus.BAD_REQUEST or len(lookups) == 1 or next(self._halvings) >= MAX_HALVINGS:
            return ()
        middle = len(lookups) // 2
        return [
            _build_batch(half, request.endpoint, page=_get_page(request))
            for half in (lookups[:middle], lookups[middle:])
        ]


def create_affecting_source() -> AdvisoryListSource[Release]:
    """Return the source of advisories that affect releases."""
    return AdvisoryListSource("osv-affecting")


def create_recorded_source() -> AdvisoryListSource[Package]:
    """Return the source of all advisories of packages, whatever version they affect."""
    return AdvisoryListSource("osv-ever")


def _is_queryable(subject: Package | Release) -> bool:
    """Whether OSV accepts the query. A query without a version would return the advisories of all versions."""
    package = subject.package if isinstance(subject, Release) else subject
    if package.ecosystem == GITHUB:
        return isinstance(subject, Release) and is_commit(subject.version)
    fields = (package.name, subject.version) if isinstance(subject, Release) else (package.name,)
    is_known = find_ecosystem(package.ecosystem) is not None
    return is_known and all(text.strip() and text.isprintable() for text in fields)


def _build_batch(lookups: Sequence[_Lookup], endpoint: Endpoint, *, page: int = 1) -> _BatchRequest[Any]:
    return _BatchRequest(
        url=f"{endpoint.url}/v1/querybatch",
        method="POST",
        body=msgspec.json.encode({"queries": [_build_query(lookup) for lookup in lookups]}),
        subjects=tuple(lookup.subject for lookup in lookups),
        endpoint=endpoint,
        page=page,
        tokens=tuple(lookup.token for lookup in lookups),
        previous_hits=tuple(lookup.previous_hits for lookup in lookups),
    )


def _build_query(lookup: _Lookup) -> dict[str, object]:
    subject = lookup.subject
    package = subject.package if isinstance(subject, Release) else subject
    if package.ecosystem == GITHUB:  # a commit is the same whatever repository has it
        return {"commit": subject.version} | ({"page_token": lookup.token} if lookup.token else {})
    query: dict[str, object] = {"package": {"name": package.name, "ecosystem": package.ecosystem}}
    if isinstance(subject, Release):
        query["version"] = get_ecosystem(package.ecosystem).get_public_version(subject.version)
    return query | ({"page_token": lookup.token} if lookup.token else {})


def _get_page(request: Request[Any]) -> int:
    return request.page if isinstance(request, _BatchRequest) else 1


def _get_lookups(request: Request[Any]) -> list[_Lookup]:
    if isinstance(request, _BatchRequest):
        return [
            _Lookup(*fields) for fields in zip(request.subjects, request.tokens, request.previous_hits, strict=True)
        ]
    return [_Lookup(subject) for subject in request.subjects]


def _parse_batch(request: Request[Any], response: Response) -> list[_Lookup]:
    """Return the state of each list; invalid results are left out.

    Raises:
        AnswerError: the number of results differs from the number of queries; only their order connects them.
    """
    if response.status != HTTPStatus.OK:
        raise ResponseError(f"does not answer batches (HTTP {response.status})")
    results = decode_json(_RESULTS_DECODER, response.body).results
    lookups = _get_lookups(request)
    if len(results) != len(lookups):
        raise ResponseError(f"{len(results)} results for {len(lookups)} queries")
    extended_lookups = (_extend_lookup(lookup, raw) for lookup, raw in zip(lookups, results, strict=True))
    return [extended_lookup for extended_lookup in extended_lookups if extended_lookup is not None]


def _extend_lookup(lookup: _Lookup, raw: msgspec.Raw) -> _Lookup | None:
    result = decode_optional(_RESULT_DECODER, raw)
    if result is None:
        return None
    hits, token = result.vulns or (), result.next_page_token or ""
    if len(token) > _MAX_TOKEN_LENGTH or not all(_ID_PATTERN.fullmatch(hit.id) for hit in hits):
        return None
    return _Lookup(
        lookup.subject, token, (*lookup.previous_hits, *((hit.id, parse_timestamp(hit.modified)) for hit in hits))
    )


# --- records -------------------------------------------------------------------------------------------------------


class _RecordSource(msgspec.Struct):
    """The record of an advisory."""

    name: str
    max_age: int
    label: str = LABEL
    kind: type[Advisory] = Advisory
    absent_max_age: int = _INFO.absent_max_age
    limit: int = _MAX_BYTES
    probe: bool = False
    cooldown: int = _INFO.cooldown
    time_limits: TimeLimits = _INFO.time_limits
    #: Whether OSV may lack the record: it has those of few of the databases that aliases name.
    may_be_absent: bool = False

    def requests(self, subjects: Sequence[AdvisoryId], endpoint: Endpoint) -> Iterator[Request[AdvisoryId]]:
        """Request one record at a time."""
        for subject in subjects:
            yield Request(
                url=f"{endpoint.url}/v1/vulns/{quote(subject.id, safe='')}", subjects=(subject,), endpoint=endpoint
            )

    def parse(self, request: Request[AdvisoryId], response: Response) -> Iterator[tuple[AdvisoryId, Advisory | None]]:
        """Pair the id with its record. A listed record that is not served is unknown, not absent; an alias is absent.

        Raises:
            AnswerError: the response is no OSV record, or the record of another advisory.
        """
        [subject] = request.subjects
        if response.status == HTTPStatus.NOT_FOUND and self.may_be_absent:
            yield subject, None
            return
        if response.status != HTTPStatus.OK:
            raise ResponseError(f"does not give out the record (HTTP {response.status})")
        advisory = parse_record(response.body)
        if advisory.id != subject.id:
            raise ResponseError(f"another record than {subject.id}")
        yield subject, advisory


#: Records whose last change is known: valid until the next change.
RECORD_SOURCE: Final = _RecordSource("osv-record", max_age=_TEN_YEARS)
#: Records whose last change is not known.
LATEST_SOURCE: Final = _RecordSource("osv-latest", max_age=_INFO.max_age)
#: Records that no list names: those of aliases, and those that only the advisory database has.
ALIAS_SOURCE: Final = _RecordSource("osv-alias", max_age=_INFO.max_age, may_be_absent=True)


def fetch_records(run: FetchRun, ids: Iterable[tuple[str, int]], endpoint: Endpoint) -> dict[str, Fact[Advisory]]:
    """Return the record of each id; the newest one when lists disagree on its last change.

    A record older than its list states is requested once more, and again every hour.
    """
    modified_by_id: dict[str, int] = {}
    for identifier, modified in ids:
        modified_by_id[identifier] = max(modified, modified_by_id.get(identifier, 0))
    subjects = [AdvisoryId(id=identifier, modified=modified) for identifier, modified in sorted(modified_by_id.items())]
    record_facts = run.fetch(RECORD_SOURCE, [subject for subject in subjects if subject.modified], endpoint)
    outdated_subjects = [
        AdvisoryId(id=subject.id) for subject in subjects if _may_be_outdated(subject, record_facts.get(subject))
    ]
    latest_facts = run.fetch(LATEST_SOURCE, outdated_subjects, endpoint) if outdated_subjects else {}
    facts_by_id = {subject.id: fact for subject, fact in record_facts.items()}
    return facts_by_id | {
        subject.id: fact
        for subject, fact in latest_facts.items()
        if isinstance(fact, Found) or subject.id not in facts_by_id
    }


def fetch_by_ids(run: FetchRun, ids: Sequence[str], endpoint: Endpoint) -> dict[str, Fact[Advisory]]:
    """Return the record of each id that no list names; Absent where OSV does not have it."""
    if not ids:
        return {}
    facts = run.fetch(ALIAS_SOURCE, [AdvisoryId(id=identifier) for identifier in ids], endpoint)
    return {subject.id: fact for subject, fact in facts.items()}


def is_malware(identifier: str) -> bool:
    """Whether this is the id of a malware record."""
    return identifier.startswith(_MALWARE_PREFIX)


def _may_be_outdated(subject: AdvisoryId, fact: Fact[Advisory] | None) -> bool:
    return fact is None or (isinstance(fact, Found) and fact.value.modified < subject.modified)


# --- together ------------------------------------------------------------------------------------------------------


class OsvAdvisories(NamedTuple):
    """The advisories that affect each release, and the advisories of each package, whatever version they affect.

    ``incomplete`` are the packages with records that were not read, ``listed_ids`` all that OSV lists for a package.
    """

    affecting: dict[Release, Fact[tuple[Advisory, ...]]]
    recorded: dict[Package, Fact[tuple[Advisory, ...]]]
    incomplete: frozenset[Package] = frozenset()
    listed_ids: Mapping[Package, frozenset[str]] = MappingProxyType({})


def fetch_advisories(
    run: FetchRun,
    releases: Sequence[Release],
    packages: Sequence[Package],
    endpoint: Endpoint,
    *,
    all_records: bool = False,
    known_until: int = NO_LIMIT,
) -> OsvAdvisories:
    """Return the advisories of releases, and the malware records of packages, whatever the version.

    An advisory whose record is not available is kept by its id, with unknown severity, for that version. Of packages
    only the malware records are read, beside those that affect a release; with ``all_records`` all of them. A package
    is unknown when a record that is needed is not available. No record published after ``known_until`` (epoch seconds
    UTC) gives another one its severity.

    It takes a request for each 1,000 releases, for each 1,000 packages, and for each record that is not cached, those
    of aliases included.

    Raises:
        ConfigError: the proxy or the certificates that the environment names cannot be used.
    """
    affecting_hits, recorded_hits = run.fetch_all(
        [(create_affecting_source(), releases, endpoint), (create_recorded_source(), packages, endpoint)]
    )

    def is_required(identifier: str) -> bool:
        return all_records or identifier.startswith(_MALWARE_PREFIX)

    record_facts = fetch_records(
        run,
        [*_iter_ids(affecting_hits), *(hit for hit in _iter_ids(recorded_hits) if is_required(hit[0]))],
        endpoint,
    )
    record_facts = _rate_records(record_facts, fetch_aliases(run, record_facts, endpoint), known_until)
    return OsvAdvisories(
        {release: _build_release_advisories(release, fact, record_facts) for release, fact in affecting_hits.items()},
        {
            package: _build_package_advisories(fact, record_facts, is_required)
            for package, fact in recorded_hits.items()
        },
        frozenset(
            package
            for package, fact in recorded_hits.items()
            if any(not isinstance(record_facts.get(hit), Found) for hit, _ in _iter_ids({package: fact}))
        ),
        {package: frozenset(hit for hit, _ in _iter_ids({package: fact})) for package, fact in recorded_hits.items()},
    )


def fetch_commit_advisories(
    run: FetchRun, commits: Sequence[Release], endpoint: Endpoint, *, known_until: int = NO_LIMIT
) -> dict[Release, Fact[tuple[Advisory, ...]]]:
    """Return the advisories whose ranges of commits hold the commits of repositories on GitHub.

    Only records with such ranges are found: those of a package that is published from the repository may have none.

    Raises:
        ConfigError: the proxy or the certificates that the environment names cannot be used.
    """
    hits = run.fetch(create_affecting_source(), commits, endpoint)
    record_facts = fetch_records(run, _iter_ids(hits), endpoint)
    record_facts = _rate_records(record_facts, fetch_aliases(run, record_facts, endpoint), known_until)
    return {commit: _build_release_advisories(commit, fact, record_facts) for commit, fact in hits.items()}


def fetch_aliases(
    run: FetchRun, record_facts: Mapping[str, Fact[Advisory]], endpoint: Endpoint
) -> dict[str, Fact[Advisory]]:
    """Return the records of the aliases that the severity of records depends on, and that are none of them.

    Those that GitHub may have reviewed are always requested, all others only for records without a severity.
    """
    alias_facts: dict[str, Fact[Advisory]] = {}
    while missing_ids := list_missing_aliases(record_facts, alias_facts):
        alias_facts |= fetch_by_ids(run, missing_ids, endpoint)
    return alias_facts


def list_missing_aliases(
    record_facts: Mapping[str, Fact[Advisory]], alias_facts: Mapping[str, Fact[Advisory]]
) -> list[str]:
    """Return the aliases to request next for the severities of records, beside those that were requested."""
    lookup = _create_lookup(record_facts, alias_facts)
    records = [fact.value for fact in record_facts.values() if isinstance(fact, Found)]
    return sorted({alias for record in records for alias in find_missing_aliases(record, lookup)})


def _create_lookup(*fact_maps: Mapping[str, Fact[Advisory]], known_until: int = NO_LIMIT) -> RecordLookup:
    """Return a lookup of records by id, without those published after ``known_until`` (epoch seconds UTC)."""

    def find_records(identifier: str) -> tuple[Advisory, ...] | None:
        facts = [fact_map[identifier] for fact_map in fact_maps if identifier in fact_map]
        records = (fact.value for fact in facts if isinstance(fact, Found))
        return select_known_advisories(records, known_until) if facts else None

    return find_records


def _rate_records(
    record_facts: Mapping[str, Fact[Advisory]], alias_facts: Mapping[str, Fact[Advisory]], known_until: int
) -> dict[str, Fact[Advisory]]:
    """Return the records with the severities of their aliases, and those of reviewed aliases."""
    lookup = _create_lookup(record_facts, alias_facts, known_until=known_until)
    reviewed_facts = {alias: fact for alias, fact in alias_facts.items() if alias.startswith(_GHSA_PREFIX)}
    all_facts = {**alias_facts, **record_facts}
    return {
        identifier: msgspec.structs.replace(fact, value=_note_unread(rate_by_aliases(fact.value, lookup), all_facts))
        if isinstance(fact, Found)
        else fact
        for identifier, fact in (reviewed_facts | {**record_facts}).items()
    }


def _note_unread(advisory: Advisory, record_facts: Mapping[str, Fact[Advisory]]) -> Advisory:
    """Return a record without a severity with the ids of the aliases that may have one, and could not be read."""
    if advisory.malware or advisory.withdrawn or is_rated(advisory):
        return advisory
    unread = tuple(sorted(alias for alias in advisory.aliases if isinstance(record_facts.get(alias), Unknown)))
    return msgspec.structs.replace(advisory, unread=unread) if unread else advisory


def _iter_ids(facts: Mapping[Any, Fact[AdvisoryHits]]) -> Iterator[tuple[str, int]]:
    for fact in facts.values():
        if isinstance(fact, Found):
            yield from fact.value.ids


def _build_release_advisories(
    release: Release, fact: Fact[AdvisoryHits], record_facts: Mapping[str, Fact[Advisory]]
) -> Fact[tuple[Advisory, ...]]:
    if not isinstance(fact, Found):
        return fact
    ids = _list_ids(fact)
    if not ids:
        return Found((), fact.source, fact.retrieved_at)
    advisories = [_build_affecting(release, identifier, record_facts[identifier]) for identifier in ids]
    aliases = (
        alias
        for advisory in advisories
        for alias in list_reviewed_aliases(advisory)
        if alias in record_facts and alias not in ids
    )
    reviewed_facts = (record_facts[alias] for alias in dict.fromkeys(aliases))
    advisories += [reviewed_fact.value for reviewed_fact in reviewed_facts if isinstance(reviewed_fact, Found)]
    return Found(tuple(advisories), fact.source, fact.retrieved_at)


def _build_affecting(release: Release, identifier: str, fact: Fact[Advisory]) -> Advisory:
    """Return a record that affects a release. OSV's list decides this, even when the record itself differs."""
    advisory = fact.value if isinstance(fact, Found) else _build_unread(identifier, fact)
    package = release.package
    package_entries = (
        entry for entry in advisory.affected if (entry.ecosystem, entry.name) == (package.ecosystem, package.name)
    )
    if advisory.withdrawn or any(affects_version(entry, release.version) for entry in package_entries):
        return advisory
    affected_package = AffectedPackage(package.ecosystem, package.name, (release.version,))
    summary = advisory.summary
    if isinstance(fact, Found) and package.ecosystem != GITHUB:  # ranges of commits are not kept
        summary = clean_text(f"contradictory: OSV lists this version, its record does not. {summary}", MAX_SUMMARY)
    return msgspec.structs.replace(advisory, summary=summary, affected=(*advisory.affected, affected_package))


def _build_unread(identifier: str, fact: Absent | Unknown) -> Advisory:
    """Return an advisory whose record is not available: its id, and the reason."""
    reason = fact.reason if isinstance(fact, Unknown) else "OSV lists it, and does not have it"
    return Advisory(
        identifier,
        summary=clean_text(f"its record could not be read ({reason})", MAX_SUMMARY),
        malware=identifier.startswith(_MALWARE_PREFIX),
        unread=(identifier,),
    )


def _build_package_advisories(
    fact: Fact[AdvisoryHits], record_facts: Mapping[str, Fact[Advisory]], is_required: Callable[[str], bool]
) -> Fact[tuple[Advisory, ...]]:
    if not isinstance(fact, Found):
        return fact
    advisories: list[Advisory] = []
    for identifier in _list_ids(fact):
        record_fact = record_facts.get(identifier)
        if isinstance(record_fact, Found):
            advisories.append(record_fact.value)
        elif is_required(identifier):
            return Unknown(f"the record of {identifier} cannot be had", LABEL)
    return Found(tuple(advisories), fact.source, fact.retrieved_at)


def _list_ids(fact: Found[AdvisoryHits]) -> list[str]:
    return list(dict.fromkeys(identifier for identifier, _ in fact.value.ids))
