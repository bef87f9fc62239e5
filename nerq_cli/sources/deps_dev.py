"""deps.dev: what it knows of versions, and of the projects on code hosts behind them. Its data is CC-BY 4.0.

The batch endpoints are in ``v3alpha``, which may change without notice (google/deps.dev, api/v3alpha). Everything about
them is in this module, and where they do not answer as described the stable ``v3`` is asked one by one. Its JSON
leaves out what is empty, false or zero (protobuf-JSON). What deps.dev does not know is unknown, not absent: it lags.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Generic, Literal, TypeAlias, TypeVar
from urllib.parse import quote

import msgspec
from msgspec import UNSET

from nerq_cli.errors import AnswerError, EndpointMissingError
from nerq_cli.facts import Absent, Fact, Scorecard, Unknown
from nerq_cli.inventory import PURL_TYPES, Package, Release, RepositoryId, Subject
from nerq_cli.sources.gather import Gatherer
from nerq_cli.sources.question import Answer, Endpoint, Question, Source
from nerq_cli.sources.services import RESTS, repository_id, service
from nerq_cli.sources.text import (
    LICENCE,
    REASON,
    SUMMARY,
    clean,
    every,
    instant,
    is_version,
    members,
    mended,
    part,
    web_address,
)

S = TypeVar("S", bound=Subject)
T = TypeVar("T")

LABEL: Final = "deps.dev"
URL: Final = "https://api.deps.dev"
VARIABLE: Final = "NERQ_DEPS_DEV_URL"
#: For ``nerq --about`` and the documentation; the licence asks for it.
ATTRIBUTION: Final = "Contains data from deps.dev, licensed under CC-BY 4.0."

#: Requests in one batch (google/deps.dev, api/v3alpha/apiv3alpha.proto).
BATCH: Final = 5_000
#: Hosts of the projects it has (docs.deps.dev, GetProject).
HOSTS: Final = frozenset({"github.com", "gitlab.com", "bitbucket.org"})
_FRESH: Final = 24 * 3600
#: New versions lag some hours.
_ABSENT_FRESH: Final = 3600
_LIMIT_ONE: Final = 5_000_000
#: A version takes about 2 kB, a project with its Scorecard about 10 kB.
_LIMIT_BATCH: Final = 100_000_000
_NOT_HERE: Final = frozenset({404, 405, 410})
#: Lists are read up to this length; no honest one comes near.
_MOST: Final = 200
_NO_BATCH: Final = "does not answer batches as documented"
#: Ends of the reasons for which the stable endpoint may still have an answer, on the network or in the store.
_ASK_ONE_BY_ONE: Final = (_NO_BATCH, "HTTP 400", "offline: not in the cache")
_UNPROVEN: Final = frozenset({"", "UNVERIFIED_METADATA"})
_SOURCE: Final = "SOURCE_REPO"
_MALICIOUS: Final = "MALICIOUS"
NOT_INDEXED: Final = Unknown("not indexed by deps.dev", LABEL)
_UNWATCHED: Final = Unknown("on a host that deps.dev does not watch", LABEL)


class Attestation(msgspec.Struct, frozen=True, omit_defaults=True):
    """A statement on how a version was built. ``repository`` is what it was built from, "" where it does not say."""

    verified: bool = False
    repository: str = ""


class Related(msgspec.Struct, frozen=True, omit_defaults=True):
    """A project that a version is linked to. ``kind`` is ``SOURCE_REPO`` or ``ISSUE_TRACKER``."""

    repository: str
    provenance: str = ""
    kind: str = ""

    @property
    def proven(self) -> bool:
        """Whether more than the package's own word stands for the link."""
        return self.kind == _SOURCE and self.provenance not in _UNPROVEN


class Version(msgspec.Struct, frozen=True, omit_defaults=True):
    """What deps.dev says of one version.

    ``licences`` are SPDX expressions or ``non-standard``; none means unknown, not "no licence". ``published`` is in
    epoch seconds UTC, 0 where not stated. ``links`` pair labels (``HOMEPAGE``, ``SOURCE_REPO``...) with addresses.
    """

    licences: tuple[str, ...] = ()
    published: int = 0
    deprecated: bool = False
    deprecated_reason: str = ""
    links: tuple[tuple[str, str], ...] = ()
    attestations: tuple[Attestation, ...] = ()
    related: tuple[Related, ...] = ()
    #: PyPI: the status of the project (PEP 792), in lower case; empty where none is passed on.
    status: str = ""

    @property
    def attested(self) -> bool:
        """Whether it carries a statement on how it was built that was verified."""
        return any(one.verified for one in self.attestations)

    @property
    def proven(self) -> str:
        """The repository that provably built it, empty when none is known."""
        attested = (one.repository for one in self.attestations if one.verified)
        related = (one.repository for one in self.related if one.proven)
        return next(filter(None, (*attested, *related)), "")

    @property
    def declared(self) -> str:
        """The source repository it merely names, empty when it names none."""
        related = (one.repository for one in self.related if one.kind == _SOURCE)
        linked = (found.spelling for label, url in self.links if label == _SOURCE and (found := repository_id(url)))
        return next(filter(None, (*related, *linked)), "")


class Findings(msgspec.Struct, frozen=True, omit_defaults=True):
    """What deps.dev concludes about a version: whether it is malicious, and which version installers take today."""

    default: str = ""
    malicious: bool = False


class HostedProject(msgspec.Struct, frozen=True, omit_defaults=True):
    """What deps.dev says of a project on a code host. ``scorecard`` is None where Scorecard has not looked."""

    stars: int = 0
    forks: int = 0
    open_issues: int = 0
    licence: str = ""
    scorecard: Scorecard | None = None


def endpoint(environ: Mapping[str, str]) -> Endpoint:
    """Return where deps.dev is asked."""
    return service(environ, VARIABLE, URL)


#: How the service names a subject: system, name and version, or the id of a project.
_Name: TypeAlias = tuple[str, str, str, str]

# --- reading -------------------------------------------------------------------------------------------------------


class _Key(msgspec.Struct):
    system: str = ""
    name: str = ""
    version: str = ""
    id: str = ""


class _Asked(msgspec.Struct):
    versionKey: _Key = msgspec.field(default_factory=_Key)  # noqa: N815 - the service's spelling
    projectKey: _Key = msgspec.field(default_factory=_Key)  # noqa: N815 - the service's spelling


class _Response(msgspec.Struct):
    request: _Asked
    version: msgspec.Raw = msgspec.Raw()
    project: msgspec.Raw = msgspec.Raw()
    findings: msgspec.Raw = msgspec.Raw()

    @property
    def key(self) -> _Name:
        """What was asked about, as the service repeats it."""
        version = self.request.versionKey
        return version.system, version.name, version.version, self.request.projectKey.id


class _Batch(msgspec.Struct):
    responses: msgspec.Raw
    nextPageToken: Any = ""  # noqa: N815 - the service's spelling


class _Body(msgspec.Struct, omit_defaults=True):
    """What a batch is asked with; the requests stay the same from page to page, byte for byte."""

    requests: msgspec.Raw
    pageToken: str = ""  # noqa: N815 - the service's spelling


class _Version(msgspec.Struct):
    licenses: Any = None
    publishedAt: Any = None  # noqa: N815 - the service's spelling
    isDeprecated: Any = None  # noqa: N815 - the service's spelling
    deprecatedReason: Any = None  # noqa: N815 - the service's spelling
    links: Any = None
    slsaProvenances: Any = None  # noqa: N815 - the service's spelling
    attestations: Any = None
    relatedProjects: Any = None  # noqa: N815 - the service's spelling
    projectStatus: Any = None  # noqa: N815 - the service's spelling
    versionKey: Any = UNSET  # noqa: N815 - the service's spelling


class _Findings(msgspec.Struct):
    requestedVersion: Any = None  # noqa: N815 - the service's spelling
    defaultVersion: Any = None  # noqa: N815 - the service's spelling
    packageFindings: Any = None  # noqa: N815 - the service's spelling


class _Project(msgspec.Struct):
    projectKey: Any = UNSET  # noqa: N815 - the service's spelling
    starsCount: Any = 0  # noqa: N815 - the service's spelling
    forksCount: Any = 0  # noqa: N815 - the service's spelling
    openIssuesCount: Any = 0  # noqa: N815 - the service's spelling
    license: Any = ""
    scorecard: Any = None


_RESPONSE = msgspec.json.Decoder(_Response)
_BATCH = msgspec.json.Decoder(_Batch)
_BODY = msgspec.json.Decoder(_Body)
_VERSION = msgspec.json.Decoder(_Version)
_PROJECT = msgspec.json.Decoder(_Project)
_FINDINGS = msgspec.json.Decoder(_Findings)


def _version(said: _Version) -> Version:
    built = [*_objects(said.attestations), *_objects(said.slsaProvenances)]
    return Version(
        licences=tuple(filter(None, (clean(one, LICENCE) for one in _list(said.licenses)))),
        published=instant(said.publishedAt),
        deprecated=said.isDeprecated is True,
        deprecated_reason=clean(said.deprecatedReason, REASON),
        links=tuple(
            (clean(one.get("label"), SUMMARY), url)
            for one in _objects(said.links)
            if (url := web_address(one.get("url")))
        ),
        attestations=tuple(
            Attestation(one.get("verified") is True, _spelling(one.get("sourceRepository"))) for one in built
        ),
        related=tuple(one for raw in _objects(said.relatedProjects) if (one := _related(raw)).repository),
        status=clean(_object(said.projectStatus).get("status"), SUMMARY).lower(),
    )


def _findings(said: _Findings) -> Findings:
    """Read the conclusions; one about the package as a whole is repeated for each version, so those are enough."""
    requested, default = _object(said.requestedVersion), _object(said.defaultVersion)
    version = _object(default.get("versionKey")).get("version")
    return Findings(
        default=version if isinstance(version, str) and is_version(version) else "",
        malicious=any(one.get("type") == _MALICIOUS for one in _objects(requested.get("findings"))),
    )


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _related(said: Mapping[str, Any]) -> Related:
    key = said.get("projectKey")
    return Related(
        repository=_spelling(key.get("id") if isinstance(key, dict) else None),
        provenance=clean(said.get("relationProvenance"), SUMMARY),
        kind=clean(said.get("relationType"), SUMMARY),
    )


def _spelling(value: object) -> str:
    found = repository_id(value)
    return found.spelling if found else ""


def _list(value: object) -> list[Any]:
    return value[:_MOST] if isinstance(value, list) else []


def _objects(value: object) -> list[dict[str, Any]]:
    return [one for one in _list(value) if isinstance(one, dict)]


def _project(subject: RepositoryId, said: _Project) -> HostedProject:
    return HostedProject(
        stars=count(said.starsCount) or 0,
        forks=count(said.forksCount) or 0,
        open_issues=count(said.openIssuesCount) or 0,
        licence=clean(said.license, LICENCE),
        scorecard=scorecard(subject, said.scorecard, zero_is_left_out=True),
    )


def count(value: object) -> int | None:
    """Return a number of things, also where it is written as a string (protobuf-JSON does, for 64 bits)."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:18])
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def scorecard(subject: RepositoryId, said: object, *, zero_is_left_out: bool = False) -> Scorecard | None:
    """Return Scorecard's results with the checks that came to a conclusion; None when there are none.

    A negative score means that a check came to none. Where zeros are left out, a check without a score has 0.
    """
    if not isinstance(said, dict):
        return None
    date = instant(said.get("date")) or instant(f"{said.get('date')}T00:00:00Z")
    checks: dict[str, int] = {}
    for one in _objects(said.get("checks")):
        name, score = clean(one.get("name"), SUMMARY), one.get("score", 0 if zero_is_left_out else None)
        if name and (points := count(score)) is not None and points <= 10:  # noqa: PLR2004 - the scale's end
            checks[name] = points
    return Scorecard(repository=subject.id, date=date, checks=checks) if date and checks else None


# --- asking --------------------------------------------------------------------------------------------------------


class _Batched(Generic[S, T]):
    """A batch endpoint: many subjects to a question, the answer in pages.

    ``field`` is the part of a response that says something; ``names`` says how the service may name a subject and
    ``request`` how to ask for such a name; ``value`` reads what is said.
    """

    label = LABEL
    fresh = _FRESH
    absent_fresh = _ABSENT_FRESH
    limit = _LIMIT_BATCH
    probe = True
    rests = RESTS

    def __init__(
        self,
        name: str,
        kind: type[T],
        field: Literal["version", "project", "findings"],
        names: Callable[[S], Sequence[_Name]],
        value: Callable[[S, msgspec.Raw], T | None],
    ) -> None:
        self.name = name
        self.kind = kind
        self._field = field
        self._names = names
        self._value = value

    def ask(self, about: Sequence[S], at: Endpoint) -> Iterator[Question[S]]:
        """Ask about as many at once as the service takes."""
        for some in self._portions(about):
            requests = [_request(name) for one in some for name in self._names(one)]
            body = msgspec.json.encode({"requests": requests})
            url = f"{at.url}/v3alpha/{self._field}batch"
            yield Question(url=url, about=some, method="POST", body=body, endpoint=at)

    def _portions(self, about: Sequence[S]) -> Iterator[tuple[S, ...]]:
        portion: list[S] = []
        room = BATCH
        for subject in about:
            needed = len(self._names(subject))
            if needed > room:
                yield tuple(portion)
                portion, room = [], BATCH
            portion.append(subject)
            room -= needed
        if portion:
            yield tuple(portion)

    def read(self, question: Question[S], answer: Answer) -> Iterator[tuple[S, T | None]]:
        """Pair each response with the subject that its request named; they come in any order, and in pages."""
        for subject, raw in self._said(question, answer).items():
            yield subject, self._value(subject, raw) if raw else None

    def more(self, question: Question[S], answer: Answer) -> Iterator[Question[S]]:
        """Ask for the next page, as long as each page says something new."""
        token = _page(answer).nextPageToken
        if not token or not isinstance(token, str):
            return
        said = self._said(question, answer)
        left = tuple(subject for subject in question.about if subject not in said)
        if said and left:
            requests = _BODY.decode(question.body or b"{}").requests
            yield replace(question, about=left, body=msgspec.json.encode(_Body(requests, token)))

    def _said(self, question: Question[S], answer: Answer) -> dict[S, msgspec.Raw]:
        """Return what this page says of the subjects it settles; nothing where one is indexed under none of its names.

        Nothing is believed from a page of another shape, so a batch of responses without one that was asked for is
        no answer.
        """
        subjects = {name: subject for subject in question.about for name in self._names(subject)}
        waiting = Counter(subjects.values())
        said: dict[S, msgspec.Raw] = {}
        for response in every(_RESPONSE, _page(answer).responses):
            subject = subjects.pop(response.key, None)
            if subject is None:
                continue
            waiting[subject] -= 1
            raw: msgspec.Raw = getattr(response, self._field)
            if raw or not waiting[subject]:
                said[subject] = said.get(subject) or raw
        return said


def _page(answer: Answer) -> _Batch:
    page = None if answer.status in _NOT_HERE else part(_BATCH, mended(answer.body))
    if page is None or members(page.responses) is None:
        raise EndpointMissingError(_NO_BATCH)
    return page


def _request(name: _Name) -> dict[str, dict[str, str]]:
    system, package, version, project = name
    if project:
        return {"projectKey": {"id": project}}
    return {"versionKey": {"system": system, "name": package, "version": version}}


class _OneByOne(Generic[S, T]):
    """The stable endpoint: one subject to a question. ``address`` is where, below the service's own address."""

    label = LABEL
    fresh = _FRESH
    absent_fresh = _ABSENT_FRESH
    limit = _LIMIT_ONE
    probe = False
    rests = RESTS

    def __init__(
        self,
        name: str,
        kind: type[T],
        address: Callable[[S], str],
        value: Callable[[S, msgspec.Raw], T | None],
    ) -> None:
        self.name = name
        self.kind = kind
        self._address = address
        self._value = value

    def ask(self, about: Sequence[S], at: Endpoint) -> Iterator[Question[S]]:
        """Ask about one at a time."""
        for subject in about:
            yield Question(url=f"{at.url}/v3/{self._address(subject)}", about=(subject,), endpoint=at)

    def read(self, question: Question[S], answer: Answer) -> Iterator[tuple[S, T | None]]:
        """Read one answer."""
        [subject] = question.about
        if answer.status in _NOT_HERE:
            yield subject, None
            return
        value = self._value(subject, msgspec.Raw(mended(answer.body)))
        if value is None:
            raise AnswerError("the answer is not the JSON that the service documents")
        yield subject, value


def _release_names(release: Release) -> tuple[_Name, ...]:
    return ((_system(release.package), release.package.name, release.version, ""),)


def _repository_names(repository: RepositoryId) -> tuple[_Name, ...]:
    spellings = dict.fromkeys((repository.spelling or repository.id, repository.id))
    return tuple(("", "", "", spelling) for spelling in spellings)


def _release_address(release: Release) -> str:
    package, version = release.package, quote(release.version, safe="")
    return f"systems/{PURL_TYPES[package.ecosystem]}/packages/{package.path}/versions/{version}"


def _repository_address(repository: RepositoryId) -> str:
    return f"projects/{quote(repository.spelling or repository.id, safe='')}"


def _system(package: Package) -> str:
    return PURL_TYPES[package.ecosystem].upper()


def _read_version(_: Release, raw: msgspec.Raw) -> Version | None:
    said = part(_VERSION, raw)
    return _version(said) if said and isinstance(said.versionKey, dict) else None


def _read_findings(_: Release, raw: msgspec.Raw) -> Findings | None:
    said = part(_FINDINGS, raw)
    return _findings(said) if said else None


def _read_project(repository: RepositoryId, raw: msgspec.Raw) -> HostedProject | None:
    said = part(_PROJECT, raw)
    return _project(repository, said) if said and isinstance(said.projectKey, dict) else None


VERSIONS: Final[Source[Release, Version]] = _Batched(
    "deps-dev-versions", Version, "version", _release_names, _read_version
)
VERSION: Final[Source[Release, Version]] = _OneByOne("deps-dev-version", Version, _release_address, _read_version)
FINDINGS: Final[Source[Release, Findings]] = _Batched(
    "deps-dev-findings", Findings, "findings", _release_names, _read_findings
)
PROJECTS: Final[Source[RepositoryId, HostedProject]] = _Batched(
    "deps-dev-projects", HostedProject, "project", _repository_names, _read_project
)
PROJECT: Final[Source[RepositoryId, HostedProject]] = _OneByOne(
    "deps-dev-project", HostedProject, _repository_address, _read_project
)


def versions(gatherer: Gatherer, releases: Sequence[Release], at: Endpoint) -> dict[Release, Fact[Version]]:
    """Return what deps.dev says of versions."""
    return _gathered(gatherer, releases, at, VERSIONS, VERSION)


def findings(gatherer: Gatherer, releases: Sequence[Release], at: Endpoint) -> dict[Release, Fact[Findings]]:
    """Return what deps.dev concludes about versions; only the batch endpoint is asked."""
    facts = gatherer.gather(FINDINGS, releases, at) if releases else {}
    return {release: NOT_INDEXED if isinstance(fact, Absent) else fact for release, fact in facts.items()}


def projects(
    gatherer: Gatherer, repositories: Sequence[RepositoryId], at: Endpoint
) -> dict[RepositoryId, Fact[HostedProject]]:
    """Return what deps.dev says of repositories; those on hosts it does not watch are not asked about."""
    watched = [repository for repository in repositories if repository.id.partition("/")[0] in HOSTS]
    facts = _gathered(gatherer, watched, at, PROJECTS, PROJECT)
    return {repository: facts.get(repository, _UNWATCHED) for repository in repositories}


def _gathered(
    gatherer: Gatherer, about: Sequence[S], at: Endpoint, batched: Source[S, T], one_by_one: Source[S, T]
) -> dict[S, Fact[T]]:
    facts = gatherer.gather(batched, about, at) if about else {}
    left = [subject for subject, fact in facts.items() if _may_know(fact)]
    if left:
        facts |= gatherer.gather(one_by_one, left, at)
    return {subject: NOT_INDEXED if isinstance(fact, Absent) else fact for subject, fact in facts.items()}


def _may_know(fact: Fact[Any]) -> bool:
    return isinstance(fact, Unknown) and fact.reason.endswith(_ASK_ONE_BY_ONE)
