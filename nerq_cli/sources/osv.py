"""OSV: which advisories affect a version, which were ever recorded for a package, and what each of them says.

The batch endpoint names advisories only by id; a record is fetched once for each id, and kept for as long as OSV says
that it was not modified since. What is answered is documented in google/osv.dev (docs/api).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final, Generic, NamedTuple, TypeVar
from urllib.parse import quote

import msgspec

from nerq_cli.advisories import affects
from nerq_cli.errors import AnswerError
from nerq_cli.facts import Absent, Advisory, Affected, Fact, Found, Unknown
from nerq_cli.inventory import NPM, PYPI, AdvisoryId, Package, Release
from nerq_cli.sources.gather import Gatherer
from nerq_cli.sources.osv_record import read
from nerq_cli.sources.question import Answer, Endpoint, Question
from nerq_cli.sources.services import RESTS, service
from nerq_cli.sources.text import SUMMARY, clean, decoded, instant, part

S = TypeVar("S", Package, Release)

LABEL: Final = "OSV"
URL: Final = "https://api.osv.dev"
VARIABLE: Final = "NERQ_OSV_URL"

#: Queries in one batch; more are refused (google/osv.dev, docs/api/post-v1-querybatch.md).
BATCH: Final = 1_000
#: Pages read of one list. A page holds up to 1,000 advisories, so this is far beyond any honest list.
PAGES: Final = 50
#: Batches halved in one run in search of the queries that the server refuses. One such takes ten.
HALVED: Final = 100
_HOUR: Final = 3600
#: Ten years: a record is filed under the time of its last change.
_FOR_EVER: Final = 10 * 365 * 24 * _HOUR
#: Largest answer read; over HTTP/1.1 the service sends no more than 32 MiB.
_LIMIT: Final = 33_554_432
_LONGEST_TOKEN: Final = 10_000
_OK: Final = 200
_BAD_REQUEST: Final = 400
#: What an id of an advisory can look like; the service refuses longer ones.
_ID = re.compile(r"[A-Za-z0-9][\w.:-]{0,99}", re.ASCII)
_MALWARE: Final = "MAL-"
_GITHUB: Final = "GHSA-"


class Hits(msgspec.Struct, frozen=True):
    """The advisories OSV lists for a subject: id, and time of the last change (epoch seconds UTC, 0 = not stated)."""

    ids: tuple[tuple[str, int], ...] = ()


def endpoint(environ: Mapping[str, str]) -> Endpoint:
    """Return where OSV is asked."""
    return service(environ, VARIABLE, URL)


# --- lists of ids --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch(Question[S]):
    """A question about many subjects. ``tokens`` and ``so_far``, beside ``about``, are where the lists go on."""

    page: int
    tokens: tuple[str, ...]
    so_far: tuple[tuple[tuple[str, int], ...], ...]


class _Lookup(NamedTuple):
    """A list that is being read: whose it is, the token of its next page, and what the pages before it hold."""

    subject: Any
    token: str = ""
    so_far: tuple[tuple[str, int], ...] = ()


class _Results(msgspec.Struct):
    results: list[msgspec.Raw]


class _Hit(msgspec.Struct):
    id: str
    modified: Any = None


class _Result(msgspec.Struct):
    vulns: list[_Hit] | None = None
    next_page_token: str | None = None


_RESULTS: Final = msgspec.json.Decoder(_Results)
_RESULT: Final = msgspec.json.Decoder(_Result)


@dataclass(slots=True)
class Listed(Generic[S]):
    """The ids of the advisories of a release, or of all there ever were of a package. One for each run.

    A list may come in pages: then only its query is put again, with the token it was given. A batch that is refused is
    halved until what is refused stands alone.
    """

    name: str
    label: str = LABEL
    kind: type[Hits] = Hits
    fresh: int = _HOUR
    absent_fresh: int = _HOUR
    limit: int = _LIMIT
    probe: bool = False
    rests: int = RESTS
    _halved: Iterator[int] = field(default_factory=count, compare=False, repr=False)

    def ask(self, about: Sequence[S], at: Endpoint) -> Iterator[Question[S]]:
        """Ask about up to 1,000 at a time; what cannot be a name or a version is left out."""
        lookups = [_Lookup(subject) for subject in about if _can_be_asked(subject)]
        for start in range(0, len(lookups), BATCH):
            yield _batch(lookups[start : start + BATCH], at)

    def read(self, question: Question[S], answer: Answer) -> Iterator[tuple[S, Hits | None]]:
        """Pair each subject whose list ends here with the list.

        Raises:
            AnswerError: the answer is not what OSV documents, or no list ever ends.
        """
        states = _read(question, answer)
        ended = [one for one in states if not one.token]
        if states and not ended and _page(question) == PAGES:
            raise AnswerError(f"a list of advisories has no end after {PAGES} pages")
        for one in ended:
            yield one.subject, Hits(tuple(dict.fromkeys(one.so_far)))

    def more(self, question: Question[S], answer: Answer) -> Iterator[Question[S]]:
        """Ask for the next page of the lists that go on."""
        going_on = [one for one in _read(question, answer) if one.token]
        if going_on and _page(question) < PAGES:
            yield _batch(going_on, question.endpoint, page=_page(question) + 1)

    def divide(self, question: Question[S], status: int) -> Sequence[Question[S]]:
        """Return the two halves of a batch that was refused: one bad query has the server refuse them all."""
        lookups = _lookups(question)
        if status != _BAD_REQUEST or len(lookups) == 1 or next(self._halved) >= HALVED:
            return ()
        middle = len(lookups) // 2
        return [_batch(half, question.endpoint, page=_page(question)) for half in (lookups[:middle], lookups[middle:])]


def affecting() -> Listed[Release]:
    """Return the source of the advisories that affect releases."""
    return Listed("osv-affecting")


def ever() -> Listed[Package]:
    """Return the source of the advisories that were ever recorded for packages, whatever version they affect."""
    return Listed("osv-ever")


def _can_be_asked(subject: Package | Release) -> bool:
    """Whether OSV can take the query. One without a version would be answered for all versions."""
    package = subject.package if isinstance(subject, Release) else subject
    words = (package.name, subject.version) if isinstance(subject, Release) else (package.name,)
    return package.ecosystem in (PYPI, NPM) and all(word.strip() and word.isprintable() for word in words)


def _batch(lookups: Sequence[_Lookup], at: Endpoint, *, page: int = 1) -> _Batch[Any]:
    return _Batch(
        url=f"{at.url}/v1/querybatch",
        method="POST",
        body=msgspec.json.encode({"queries": [_query(one) for one in lookups]}),
        about=tuple(one.subject for one in lookups),
        endpoint=at,
        page=page,
        tokens=tuple(one.token for one in lookups),
        so_far=tuple(one.so_far for one in lookups),
    )


def _query(lookup: _Lookup) -> dict[str, object]:
    subject = lookup.subject
    package = subject.package if isinstance(subject, Release) else subject
    query: dict[str, object] = {"package": {"name": package.name, "ecosystem": package.ecosystem}}
    if isinstance(subject, Release):
        query["version"] = _public(subject)
    return query | ({"page_token": lookup.token} if lookup.token else {})


def _public(release: Release) -> str:
    """Return the version advisories speak of: on PyPI a local build (1.0+cu118) is one of the version before the +."""
    version = release.version
    return version.partition("+")[0] or version if release.package.ecosystem == PYPI else version


def _page(question: Question[Any]) -> int:
    return question.page if isinstance(question, _Batch) else 1


def _lookups(question: Question[Any]) -> list[_Lookup]:
    if isinstance(question, _Batch):
        return [_Lookup(*one) for one in zip(question.about, question.tokens, question.so_far, strict=True)]
    return [_Lookup(subject) for subject in question.about]


def _read(question: Question[Any], answer: Answer) -> list[_Lookup]:
    """Return how far each list has come; one whose result makes no sense is left out.

    Raises:
        AnswerError: there is not one result for each query; they have nothing but their order to tell them by.
    """
    if answer.status != _OK:
        raise AnswerError(f"does not answer batches (HTTP {answer.status})")
    results = decoded(_RESULTS, answer.body).results
    lookups = _lookups(question)
    if len(results) != len(lookups):
        raise AnswerError(f"{len(results)} results for {len(lookups)} queries")
    states = (_continued(lookup, raw) for lookup, raw in zip(lookups, results, strict=True))
    return [state for state in states if state is not None]


def _continued(lookup: _Lookup, raw: msgspec.Raw) -> _Lookup | None:
    result = part(_RESULT, raw)
    if result is None:
        return None
    hits, token = result.vulns or (), result.next_page_token or ""
    if len(token) > _LONGEST_TOKEN or not all(_ID.fullmatch(hit.id) for hit in hits):
        return None
    return _Lookup(lookup.subject, token, (*lookup.so_far, *((hit.id, instant(hit.modified)) for hit in hits)))


# --- records -------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Records:
    """What an advisory says."""

    name: str
    fresh: int
    label: str = LABEL
    kind: type[Advisory] = Advisory
    absent_fresh: int = _HOUR
    limit: int = _LIMIT
    probe: bool = False
    rests: int = RESTS

    def ask(self, about: Sequence[AdvisoryId], at: Endpoint) -> Iterator[Question[AdvisoryId]]:
        """Ask for one record at a time."""
        for subject in about:
            yield Question(url=f"{at.url}/v1/vulns/{quote(subject.id, safe='')}", about=(subject,), endpoint=at)

    def read(self, question: Question[AdvisoryId], answer: Answer) -> Iterator[tuple[AdvisoryId, Advisory | None]]:
        """Pair the id with its record. One that is listed and not given out is unknown, not absent.

        Raises:
            AnswerError: the answer is no OSV record, or that of another advisory.
        """
        [subject] = question.about
        if answer.status != _OK:
            raise AnswerError(f"does not give out the record (HTTP {answer.status})")
        advisory = read(answer.body)
        if advisory.id != subject.id:
            raise AnswerError(f"another record than {subject.id}")
        yield subject, advisory


#: Records whose last change is known: they are good until the next.
RECORD: Final = _Records("osv-record", fresh=_FOR_EVER)
#: Records of which nobody knows whether they are the newest.
LATEST: Final = _Records("osv-latest", fresh=_HOUR)


def records(gatherer: Gatherer, ids: Iterable[tuple[str, int]], at: Endpoint) -> dict[str, Fact[Advisory]]:
    """Return the record of each id; the newest where lists disagree on when it was changed.

    A record that is older than its list says is asked for once more, and then again every hour.
    """
    newest: dict[str, int] = {}
    for identifier, modified in ids:
        newest[identifier] = max(modified, newest.get(identifier, 0))
    subjects = [AdvisoryId(id=identifier, modified=modified) for identifier, modified in sorted(newest.items())]
    kept = gatherer.gather(RECORD, [one for one in subjects if one.modified], at)
    doubtful = [AdvisoryId(id=one.id) for one in subjects if _may_be_old(one, kept.get(one))]
    latest = gatherer.gather(LATEST, doubtful, at) if doubtful else {}
    told = {one.id: fact for one, fact in kept.items()}
    return told | {one.id: fact for one, fact in latest.items() if isinstance(fact, Found) or one.id not in told}


def _may_be_old(subject: AdvisoryId, fact: Fact[Advisory] | None) -> bool:
    return fact is None or (isinstance(fact, Found) and fact.value.modified < subject.modified)


# --- together ------------------------------------------------------------------------------------------------------


class Known(NamedTuple):
    """What OSV knows: what affects each release, and what is recorded of each package, whatever version it affects.

    ``unread`` are the packages of which more is recorded than was read.
    """

    affecting: dict[Release, Fact[tuple[Advisory, ...]]]
    recorded: dict[Package, Fact[tuple[Advisory, ...]]]
    unread: frozenset[Package] = frozenset()


def known(
    gatherer: Gatherer,
    releases: Sequence[Release],
    packages: Sequence[Package],
    at: Endpoint,
    *,
    every_record: bool = False,
) -> Known:
    """Return the advisories of releases, and the malware ever recorded of packages, whatever the version.

    An advisory whose record cannot be had is kept by its id, of unknown severity, as one of that version. Of packages
    only the records of malware are read, beside those that affect a release; all of them if ``every_record`` says so.
    A package of which a wanted record cannot be had is unknown.

    It takes a request for each 1,000 releases, for each 1,000 packages, and for each record not held yet.

    Raises:
        ConfigError: the proxy or the certificates that the environment names cannot be used.
    """
    hits, past = gatherer.gather_all([(affecting(), releases, at), (ever(), packages, at)])

    def wanted(identifier: str) -> bool:
        return every_record or identifier.startswith(_MALWARE)

    bodies = records(gatherer, [*_ids(hits), *(one for one in _ids(past) if wanted(one[0]))], at)
    bodies |= records(gatherer, _reviewed(bodies), at)
    return Known(
        {release: _of_release(release, fact, bodies) for release, fact in hits.items()},
        {package: _of_package(fact, bodies, wanted) for package, fact in past.items()},
        frozenset(
            package
            for package, fact in past.items()
            if any(not isinstance(bodies.get(one), Found) for one, _ in _ids({package: fact}))
        ),
    )


def _reviewed(bodies: Mapping[str, Fact[Advisory]]) -> Iterator[tuple[str, int]]:
    """Yield the reviewed advisories that are aliases of records without a severity, where the lists left them out."""
    for fact in bodies.values():
        if isinstance(fact, Found) and fact.value.severity == "unknown" and not fact.value.malware:
            yield from ((alias, 0) for alias in fact.value.aliases if alias.startswith(_GITHUB) and alias not in bodies)


def _ids(facts: Mapping[Any, Fact[Hits]]) -> Iterator[tuple[str, int]]:
    for fact in facts.values():
        if isinstance(fact, Found):
            yield from fact.value.ids


def _of_release(release: Release, fact: Fact[Hits], bodies: Mapping[str, Fact[Advisory]]) -> Fact[tuple[Advisory, ...]]:
    if not isinstance(fact, Found):
        return fact
    listed = _names(fact)
    told = [_affecting(release, identifier, bodies[identifier]) for identifier in listed]
    aliases = (alias for one in told for alias in one.aliases if alias in bodies and alias not in listed)
    reviewed = (bodies[alias] for alias in dict.fromkeys(aliases))
    told += [body.value for body in reviewed if isinstance(body, Found)]
    return Found(tuple(told), fact.source, fact.seen)


def _affecting(release: Release, identifier: str, fact: Fact[Advisory]) -> Advisory:
    """Return a record that affects a release. That it does is OSV's to say, even where the record reads otherwise."""
    one = fact.value if isinstance(fact, Found) else _unread(identifier, fact)
    package = release.package
    spoken_of = (part for part in one.affected if (part.ecosystem, part.name) == (package.ecosystem, package.name))
    if one.withdrawn or any(affects(part, release.version) for part in spoken_of):
        return one
    here = Affected(package.ecosystem, package.name, (release.version,))
    return msgspec.structs.replace(one, affected=(*one.affected, here))


def _unread(identifier: str, fact: Absent | Unknown) -> Advisory:
    """Return what is known of an advisory whose record cannot be had: its id, and why there is no more."""
    why = fact.reason if isinstance(fact, Unknown) else "OSV lists it, and does not have it"
    return Advisory(
        identifier,
        summary=clean(f"its record could not be read ({why})", SUMMARY),
        malware=identifier.startswith(_MALWARE),
    )


def _of_package(
    fact: Fact[Hits], bodies: Mapping[str, Fact[Advisory]], wanted: Callable[[str], bool]
) -> Fact[tuple[Advisory, ...]]:
    if not isinstance(fact, Found):
        return fact
    told: list[Advisory] = []
    for identifier in _names(fact):
        body = bodies.get(identifier)
        if isinstance(body, Found):
            told.append(body.value)
        elif wanted(identifier):
            return Unknown(f"the record of {identifier} cannot be had", LABEL)
    return Found(tuple(told), fact.source, fact.seen)


def _names(fact: Found[Hits]) -> list[str]:
    return list(dict.fromkeys(identifier for identifier, _ in fact.value.ids))
