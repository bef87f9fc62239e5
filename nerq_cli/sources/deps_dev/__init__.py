"""deps.dev: facts about versions, and about the source repositories behind them. Its data is CC-BY 4.0.

The batch endpoints are in ``v3alpha``, which may change without notice (google/deps.dev, api/v3alpha). All knowledge
of them is in this module; when they do not answer as described, the stable ``v3`` is used, one request per subject. The
JSON leaves out empty, false and zero values (protobuf-JSON). A missing version is unknown, not absent: the index lags.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, Generic, Literal, TypeAlias, TypeVar
from urllib.parse import quote

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from nerq_cli.decoders import build_json_decoder_late
from nerq_cli.ecosystems import get_ecosystem
from nerq_cli.errors import EndpointMissingError, ResponseError
from nerq_cli.facts import Absent, Fact, Found, Scorecard, Unknown
from nerq_cli.fetch.run import FetchRun
from nerq_cli.fetch.source import Endpoint, Request, Response, Source
from nerq_cli.inventory import Package, Release, RepositoryId, Subject
from nerq_cli.sources import SOURCES
from nerq_cli.sources.repository_url import parse_repository_id
from nerq_cli.sources.scorecard_results import parse_scorecard
from nerq_cli.sources.text import (
    MAX_LICENCE,
    MAX_REASON,
    MAX_SUMMARY,
    clean_text,
    clean_url,
    decode_list,
    decode_optional,
    is_version,
    parse_count,
    parse_timestamp,
    repair_unicode,
    split_list,
)

S = TypeVar("S", bound=Subject)
T = TypeVar("T")

_INFO: Final = SOURCES["deps-dev"]
LABEL: Final = _INFO.label

#: Requests in one batch (google/deps.dev, api/v3alpha/apiv3alpha.proto).
MAX_BATCH_REQUESTS: Final = 5_000
#: Code hosts of its projects (docs.deps.dev, GetProject).
HOSTS: Final = frozenset({"github.com", "gitlab.com", "bitbucket.org"})
_MAX_BYTES_SINGLE: Final = 5_000_000
#: A version takes about 2 kB, a project with its Scorecard about 10 kB.
_MAX_BYTES_BATCH: Final = 100_000_000
_MISSING_STATUSES: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.GONE})
#: Lists are read up to this length, far more than any real one has.
_MAX_ITEMS: Final = 200
_NO_BATCH: Final = "does not answer batches as documented"
#: Subjects to try at the stable endpoint before all others are requested there.
_TRIED_SUBJECTS: Final = 8
#: Ends of the reasons after which the stable endpoint may still have an answer, on the network or in the store.
_SINGLE_REQUEST_REASONS: Final = (_NO_BATCH, "HTTP 400", "offline: not in the cache")
_UNVERIFIED_PROVENANCE: Final = frozenset({"", "UNVERIFIED_METADATA"})
_SOURCE_REPO: Final = "SOURCE_REPO"
_MALICIOUS_TYPE: Final = "MALICIOUS"
#: Dependencies of one version that are kept: few servers and programs have more.
MAX_NODES: Final = 500
NOT_INDEXED: Final = Unknown("not indexed by deps.dev", LABEL)
_HOST_NOT_COVERED: Final = Unknown("on a host that deps.dev does not watch", LABEL)


class Attestation(msgspec.Struct, frozen=True, omit_defaults=True):
    """A statement on how a version was built. ``repository`` is its source, "" when not stated."""

    verified: bool = False
    repository: str = ""


class RelatedRepository(msgspec.Struct, frozen=True, omit_defaults=True):
    """A repository linked to a version. ``kind`` is ``SOURCE_REPO`` or ``ISSUE_TRACKER``."""

    repository: str
    provenance: str = ""
    kind: str = ""

    @property
    def is_verified(self) -> bool:
        """Whether the link is verified, not only declared by the package."""
        return self.kind == _SOURCE_REPO and self.provenance not in _UNVERIFIED_PROVENANCE


class VersionInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """One version on deps.dev.

    ``licences`` are SPDX expressions or ``non-standard``; an empty list means unknown, not "no licence". ``published``
    is in epoch seconds UTC, 0 when not stated. ``links`` pair labels (``HOMEPAGE``, ``SOURCE_REPO``...) with addresses.
    """

    licences: tuple[str, ...] = ()
    published: int = 0
    deprecated: bool = False
    deprecated_reason: str = ""
    links: tuple[tuple[str, str], ...] = ()
    attestations: tuple[Attestation, ...] = ()
    related: tuple[RelatedRepository, ...] = ()
    #: PyPI: the status of the project (PEP 792), in lower case; empty when not given.
    status: str = ""

    @property
    def is_attested(self) -> bool:
        """Whether it has a verified statement on how it was built."""
        return bool(self.attestations) and any(attestation.verified for attestation in self.attestations)

    @property
    def verified_repository(self) -> str:
        """The repository that provably built it; empty when unknown."""
        for attestation in self.attestations:
            if attestation.verified and attestation.repository:
                return attestation.repository
        for related in self.related:
            if related.is_verified and related.repository:
                return related.repository
        return ""

    @property
    def declared_repository(self) -> str:
        """The source repository that it declares; empty when it declares none."""
        for related in self.related:
            if related.kind == _SOURCE_REPO and related.repository:
                return related.repository
        for label, url in self.links:
            if label == _SOURCE_REPO and (repository := parse_repository_id(url)) and repository.spelling:
                return repository.spelling
        return ""


class VersionFindings(msgspec.Struct, frozen=True, omit_defaults=True):
    """Conclusions of deps.dev about a version: whether it is malicious, and which version is the default today.

    Both are stored always: a row without one of them is damaged, and does not mean that nothing was found.
    """

    default: str
    malicious: bool


class RepositoryInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """A source repository on deps.dev. ``scorecard`` is None without a Scorecard result."""

    stars: int = 0
    forks: int = 0
    open_issues: int = 0
    licence: str = ""
    scorecard: Scorecard | None = None


class DependencyNode(msgspec.Struct, frozen=True, omit_defaults=True, array_like=True):
    """A version in the resolved dependencies of another one."""

    name: str
    version: str
    #: Edges from that other one, at least 1.
    distance: int = 1
    #: Names of the packages that require it.
    parents: tuple[str, ...] = ()


class DependencyTree(msgspec.Struct, frozen=True, omit_defaults=True):
    """The dependencies of a version as deps.dev resolves them, for a platform that it chooses."""

    #: Sorted by name and version, without the version itself. At most ``MAX_NODES``.
    nodes: tuple[DependencyNode, ...] = ()
    #: Whether some are missing: too many, not resolved, or with a name that no package can have.
    is_partial: bool = False


#: The service's key of a subject: system, name and version, or the id of a project.
_SubjectKey: TypeAlias = tuple[str, str, str, str]

# --- reading -------------------------------------------------------------------------------------------------------


class _Key(msgspec.Struct):
    system: str = ""
    name: str = ""
    version: str = ""
    id: str = ""


class _RequestEcho(msgspec.Struct):
    versionKey: _Key = msgspec.field(default_factory=_Key)  # noqa: N815 - the service's spelling
    projectKey: _Key = msgspec.field(default_factory=_Key)  # noqa: N815 - the service's spelling


class _BatchItem(msgspec.Struct):
    request: _RequestEcho
    version: msgspec.Raw = msgspec.Raw()
    project: msgspec.Raw = msgspec.Raw()
    findings: msgspec.Raw = msgspec.Raw()

    @property
    def key(self) -> _SubjectKey:
        """The requested key, which the service repeats."""
        version = self.request.versionKey
        return version.system, version.name, version.version, self.request.projectKey.id


class _BatchPage(msgspec.Struct):
    responses: msgspec.Raw
    nextPageToken: Any = ""  # noqa: N815 - the service's spelling


class _BatchBody(msgspec.Struct, omit_defaults=True):
    """The body of a batch request; the requests stay the same from page to page, byte for byte."""

    requests: msgspec.Raw
    pageToken: str = ""  # noqa: N815 - the service's spelling


class _VersionDocument(msgspec.Struct):
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


class _NodeDocument(msgspec.Struct):
    versionKey: _Key = msgspec.field(default_factory=_Key)  # noqa: N815 - the service's spelling
    errors: list[Any] = []


class _EdgeDocument(msgspec.Struct):
    """An edge between two nodes by their numbers, of which 0 is left out."""

    fromNode: int = 0  # noqa: N815 - the service's spelling
    toNode: int = 0  # noqa: N815 - the service's spelling


class _TreeDocument(msgspec.Struct):
    nodes: list[_NodeDocument]
    edges: list[_EdgeDocument] = []
    error: str = ""


class _FindingsDocument(msgspec.Struct):
    requestedVersion: Any = None  # noqa: N815 - the service's spelling
    defaultVersion: Any = None  # noqa: N815 - the service's spelling
    packageFindings: Any = None  # noqa: N815 - the service's spelling


class _ProjectDocument(msgspec.Struct):
    projectKey: Any = UNSET  # noqa: N815 - the service's spelling
    starsCount: Any = 0  # noqa: N815 - the service's spelling
    forksCount: Any = 0  # noqa: N815 - the service's spelling
    openIssuesCount: Any = 0  # noqa: N815 - the service's spelling
    license: Any = ""
    scorecard: Any = None


_ITEM_DECODER = build_json_decoder_late(_BatchItem)
_PAGE_DECODER = build_json_decoder_late(_BatchPage)
_BODY_DECODER = build_json_decoder_late(_BatchBody)
_VERSION_DECODER = build_json_decoder_late(_VersionDocument)
_PROJECT_DECODER = build_json_decoder_late(_ProjectDocument)
_TREE_DECODER = build_json_decoder_late(_TreeDocument)
_FINDINGS_DECODER = build_json_decoder_late(_FindingsDocument)


def _build_version_info(document: _VersionDocument) -> VersionInfo:
    statements = [*_as_objects(document.attestations), *_as_objects(document.slsaProvenances)]
    return VersionInfo(
        licences=tuple(filter(None, (clean_text(item, MAX_LICENCE) for item in _as_list(document.licenses)))),
        published=parse_timestamp(document.publishedAt),
        deprecated=document.isDeprecated is True,
        deprecated_reason=clean_text(document.deprecatedReason, MAX_REASON),
        links=tuple(
            (clean_text(item.get("label"), MAX_SUMMARY), url)
            for item in _as_objects(document.links)
            if (url := clean_url(item.get("url")))
        ),
        attestations=tuple(
            Attestation(item.get("verified") is True, _normalise_repository(item.get("sourceRepository")))
            for item in statements
        ),
        related=tuple(
            item for raw in _as_objects(document.relatedProjects) if (item := _build_related(raw)).repository
        ),
        status=clean_text(_as_object(document.projectStatus).get("status"), MAX_SUMMARY).lower(),
    )


def _build_findings(document: _FindingsDocument) -> VersionFindings:
    """Read the conclusions. Those about the whole package are repeated for each version, so one is enough."""
    requested_version, default_version = _as_object(document.requestedVersion), _as_object(document.defaultVersion)
    version = _as_object(default_version.get("versionKey")).get("version")
    return VersionFindings(
        default=version if isinstance(version, str) and is_version(version) else "",
        malicious=any(item.get("type") == _MALICIOUS_TYPE for item in _as_objects(requested_version.get("findings"))),
    )


def _build_tree(release: Release, document: _TreeDocument) -> DependencyTree:
    """Read the resolved dependencies. Node 0 is the version itself; distances are counted breadth first."""
    ecosystem = get_ecosystem(release.package.ecosystem)
    targets: dict[int, list[int]] = {}
    parents: dict[int, set[str]] = {}
    for edge in document.edges:
        if 0 <= edge.fromNode < len(document.nodes) and 0 < edge.toNode < len(document.nodes):
            targets.setdefault(edge.fromNode, []).append(edge.toNode)
            parents.setdefault(edge.toNode, set()).add(document.nodes[edge.fromNode].versionKey.name)
    distances, level = {0: 0}, [0]
    while level:
        found = (target for number in level for target in targets.get(number, ()))
        level = list(dict.fromkeys(target for target in found if target not in distances))
        distances.update(dict.fromkeys(level, max(distances.values()) + 1))
    nodes: list[DependencyNode] = []
    is_partial = bool(document.error) or any(node.errors for node in document.nodes)
    for number, node in enumerate(document.nodes[1:], 1):
        key = node.versionKey
        if (
            key.system != _get_system(release.package)
            or ecosystem.find_name_error(key.name)
            or not is_version(key.version)
        ):
            is_partial = True
            continue
        names = sorted(name for name in parents.get(number, ()) if not ecosystem.find_name_error(name))
        nodes.append(DependencyNode(key.name, key.version, distances.get(number, 1), tuple(names[:_MAX_ITEMS])))
    nodes.sort(key=lambda node: (node.distance, node.name, node.version))
    return DependencyTree(
        tuple(sorted(nodes[:MAX_NODES], key=lambda node: (node.name, node.version))),
        is_partial or len(nodes) > MAX_NODES,
    )


def _as_object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _build_related(document: Mapping[str, Any]) -> RelatedRepository:
    key = document.get("projectKey")
    return RelatedRepository(
        repository=_normalise_repository(key.get("id") if isinstance(key, dict) else None),
        provenance=clean_text(document.get("relationProvenance"), MAX_SUMMARY),
        kind=clean_text(document.get("relationType"), MAX_SUMMARY),
    )


def _normalise_repository(value: object) -> str:
    repository = parse_repository_id(value)
    return repository.spelling if repository else ""


def _as_list(value: object) -> list[Any]:
    return value[:_MAX_ITEMS] if isinstance(value, list) else []


def _as_objects(value: object) -> list[dict[str, Any]]:
    return [item for item in _as_list(value) if isinstance(item, dict)]


def _build_repository_info(repository: RepositoryId, document: _ProjectDocument) -> RepositoryInfo:
    return RepositoryInfo(
        stars=parse_count(document.starsCount) or 0,
        forks=parse_count(document.forksCount) or 0,
        open_issues=parse_count(document.openIssuesCount) or 0,
        licence=clean_text(document.license, MAX_LICENCE),
        scorecard=parse_scorecard(repository, document.scorecard, omits_zero=True),
    )


# --- asking --------------------------------------------------------------------------------------------------------


class _BatchSource(Generic[S, T]):
    """A batch endpoint: many subjects in a request, the response in pages.

    ``field`` is the part of a response that holds the value; ``names`` lists the service's possible keys of a subject,
    ``request`` builds the request for such a key, and ``value`` reads the response.
    """

    label = LABEL
    max_age = _INFO.max_age
    absent_max_age = _INFO.absent_max_age
    limit = _MAX_BYTES_BATCH
    probe = False  # a batch holds more than most runs need: waiting for the first one would cost more than it saves
    cooldown = _INFO.cooldown
    time_limits = _INFO.time_limits

    def __init__(
        self,
        name: str,
        kind: type[T],
        field: Literal["version", "project", "findings"],
        build_keys: Callable[[S], Sequence[_SubjectKey]],
        parse_value: Callable[[S, msgspec.Raw], T | None],
    ) -> None:
        self.name = name
        self.kind = kind
        self._field = field
        self._build_keys = build_keys
        self._parse_value = parse_value

    def requests(self, subjects: Sequence[S], endpoint: Endpoint) -> Iterator[Request[S]]:
        """Request as many subjects at once as the service accepts."""
        for portion in self._split_subjects(subjects):
            requests = [_build_request(key) for subject in portion for key in self._build_keys(subject)]
            body = msgspec.json.encode({"requests": requests})
            url = f"{endpoint.url}/v3alpha/{self._field}batch"
            yield Request(url=url, subjects=portion, method="POST", body=body, endpoint=endpoint)

    def _split_subjects(self, subjects: Sequence[S]) -> Iterator[tuple[S, ...]]:
        portion: list[S] = []
        free_slots = MAX_BATCH_REQUESTS
        for subject in subjects:
            key_count = len(self._build_keys(subject))
            if key_count > free_slots:
                yield tuple(portion)
                portion, free_slots = [], MAX_BATCH_REQUESTS
            portion.append(subject)
            free_slots -= key_count
        if portion:
            yield tuple(portion)

    def parse(self, request: Request[S], response: Response) -> Iterator[tuple[S, T | None]]:
        """Pair each response with the subject of its request; they come in any order, and in pages."""
        for subject, raw in self._match_responses(request, response).items():
            yield subject, self._parse_value(subject, raw) if raw else None

    def request_more(self, request: Request[S], response: Response) -> Iterator[Request[S]]:
        """Request the next page, as long as each page has new responses."""
        token = _read_page(response).nextPageToken
        if not token or not isinstance(token, str):
            return
        raw_by_subject = self._match_responses(request, response)
        remaining_subjects = tuple(subject for subject in request.subjects if subject not in raw_by_subject)
        if raw_by_subject and remaining_subjects:
            requests = _BODY_DECODER.decode(request.body or b"{}").requests
            yield replace(request, subjects=remaining_subjects, body=msgspec.json.encode(_BatchBody(requests, token)))

    def _match_responses(self, request: Request[S], response: Response) -> dict[S, msgspec.Raw]:
        """Return the values of the subjects that this page settles; nothing for a subject found under none of its keys.

        A page of another shape is ignored as a whole, so a batch without one of the requested subjects is no answer.
        """
        subjects_by_key = {key: subject for subject in request.subjects for key in self._build_keys(subject)}
        pending_keys = Counter(subjects_by_key.values())
        raw_by_subject: dict[S, msgspec.Raw] = {}
        for item in decode_list(_ITEM_DECODER, _read_page(response).responses):
            subject = subjects_by_key.pop(item.key, None)
            if subject is None:
                continue
            pending_keys[subject] -= 1
            raw: msgspec.Raw = getattr(item, self._field)
            if raw or not pending_keys[subject]:
                raw_by_subject[subject] = raw_by_subject.get(subject) or raw
        return raw_by_subject


def _read_page(response: Response) -> _BatchPage:
    page = (
        None if response.status in _MISSING_STATUSES else decode_optional(_PAGE_DECODER, repair_unicode(response.body))
    )
    if page is None or split_list(page.responses) is None:
        raise EndpointMissingError(_NO_BATCH)
    return page


def _build_request(key: _SubjectKey) -> dict[str, dict[str, str]]:
    system, package, version, project = key
    if project:
        return {"projectKey": {"id": project}}
    return {"versionKey": {"system": system, "name": package, "version": version}}


class _SingleSource(Generic[S, T]):
    """The stable endpoint: one subject in a request. ``address`` is its path below the base URL."""

    label = LABEL
    max_age = _INFO.max_age
    absent_max_age = _INFO.absent_max_age
    limit = _MAX_BYTES_SINGLE
    probe = False
    cooldown = _INFO.cooldown
    time_limits = _INFO.time_limits

    def __init__(
        self,
        name: str,
        kind: type[T],
        build_path: Callable[[S], str],
        parse_value: Callable[[S, msgspec.Raw], T | None],
    ) -> None:
        self.name = name
        self.kind = kind
        self._build_path = build_path
        self._parse_value = parse_value

    def requests(self, subjects: Sequence[S], endpoint: Endpoint) -> Iterator[Request[S]]:
        """Request one subject at a time."""
        for subject in subjects:
            yield Request(url=f"{endpoint.url}/v3/{self._build_path(subject)}", subjects=(subject,), endpoint=endpoint)

    def parse(self, request: Request[S], response: Response) -> Iterator[tuple[S, T | None]]:
        """Read one answer."""
        [subject] = request.subjects
        if response.status in _MISSING_STATUSES:
            yield subject, None
            return
        value = self._parse_value(subject, msgspec.Raw(repair_unicode(response.body)))
        if value is None:
            raise ResponseError("the answer is not the JSON that the service documents")
        yield subject, value


def _build_release_keys(release: Release) -> tuple[_SubjectKey, ...]:
    return ((_get_system(release.package), release.package.name, release.version, ""),)


def _build_repository_keys(repository: RepositoryId) -> tuple[_SubjectKey, ...]:
    spellings = dict.fromkeys((repository.spelling or repository.id, repository.id))
    return tuple(("", "", "", spelling) for spelling in spellings)


def _build_release_path(release: Release) -> str:
    package, version = release.package, quote(release.version, safe="")
    return f"systems/{get_ecosystem(package.ecosystem).purl_type}/packages/{package.url_segment}/versions/{version}"


def _build_repository_path(repository: RepositoryId) -> str:
    return f"projects/{quote(repository.spelling or repository.id, safe='')}"


def _get_system(package: Package) -> str:
    return get_ecosystem(package.ecosystem).purl_type.upper()


def _read_version(_: Release, raw: msgspec.Raw) -> VersionInfo | None:
    document = decode_optional(_VERSION_DECODER, raw)
    return _build_version_info(document) if document and isinstance(document.versionKey, dict) else None


def _read_findings(_: Release, raw: msgspec.Raw) -> VersionFindings | None:
    document = decode_optional(_FINDINGS_DECODER, raw)
    return _build_findings(document) if document else None


def _read_tree(release: Release, raw: msgspec.Raw) -> DependencyTree | None:
    document = decode_optional(_TREE_DECODER, raw)
    return _build_tree(release, document) if document and document.nodes else None


def _read_repository(repository: RepositoryId, raw: msgspec.Raw) -> RepositoryInfo | None:
    document = decode_optional(_PROJECT_DECODER, raw)
    return _build_repository_info(repository, document) if document and isinstance(document.projectKey, dict) else None


VERSIONS: Final[Source[Release, VersionInfo]] = _BatchSource(
    "deps-dev-versions", VersionInfo, "version", _build_release_keys, _read_version
)
VERSION: Final[Source[Release, VersionInfo]] = _SingleSource(
    "deps-dev-version", VersionInfo, _build_release_path, _read_version
)
FINDINGS: Final[Source[Release, VersionFindings]] = _BatchSource(
    "deps-dev-findings", VersionFindings, "findings", _build_release_keys, _read_findings
)
REPOSITORIES: Final[Source[RepositoryId, RepositoryInfo]] = _BatchSource(
    "deps-dev-projects", RepositoryInfo, "project", _build_repository_keys, _read_repository
)
REPOSITORY: Final[Source[RepositoryId, RepositoryInfo]] = _SingleSource(
    "deps-dev-project", RepositoryInfo, _build_repository_path, _read_repository
)
#: One version at a time: there is no batch endpoint.
DEPENDENCIES: Final[Source[Release, DependencyTree]] = _SingleSource(
    "deps-dev-dependencies",
    DependencyTree,
    lambda release: f"{_build_release_path(release)}:dependencies",
    _read_tree,
)


def collect_dependencies(
    run: FetchRun, releases: Sequence[Release], endpoint: Endpoint
) -> dict[Release, Fact[DependencyTree]]:
    """Return the resolved dependencies of versions."""
    facts = run.fetch(DEPENDENCIES, releases, endpoint) if releases else {}
    return {release: NOT_INDEXED if isinstance(fact, Absent) else fact for release, fact in facts.items()}


def collect_versions(
    run: FetchRun, releases: Sequence[Release], endpoint: Endpoint
) -> dict[Release, Fact[VersionInfo]]:
    """Return the facts of deps.dev about versions."""
    return _collect_facts(run, releases, endpoint, VERSIONS, VERSION)


def collect_findings(
    run: FetchRun, releases: Sequence[Release], endpoint: Endpoint
) -> dict[Release, Fact[VersionFindings]]:
    """Return the conclusions of deps.dev about versions, from the batch endpoint only."""
    facts = run.fetch(FINDINGS, releases, endpoint) if releases else {}
    return {release: NOT_INDEXED if isinstance(fact, Absent) else fact for release, fact in facts.items()}


def collect_repositories(
    run: FetchRun, repositories: Sequence[RepositoryId], endpoint: Endpoint
) -> dict[RepositoryId, Fact[RepositoryInfo]]:
    """Return the facts of deps.dev about repositories; those on other code hosts are left out."""
    covered_repositories = [repository for repository in repositories if repository.id.partition("/")[0] in HOSTS]
    facts = _collect_facts(run, covered_repositories, endpoint, REPOSITORIES, REPOSITORY)
    return {repository: facts.get(repository, _HOST_NOT_COVERED) for repository in repositories}


def _collect_facts(
    run: FetchRun, subjects: Sequence[S], endpoint: Endpoint, batch_source: Source[S, T], single_source: Source[S, T]
) -> dict[S, Fact[T]]:
    facts = run.fetch(batch_source, subjects, endpoint) if subjects else {}
    remaining_subjects = [subject for subject, fact in facts.items() if needs_single_request(fact)]
    if remaining_subjects:
        facts |= _fetch_single_facts(run, remaining_subjects, endpoint, single_source)
    return {subject: NOT_INDEXED if isinstance(fact, Absent) else fact for subject, fact in facts.items()}


def _fetch_single_facts(
    run: FetchRun, subjects: Sequence[S], endpoint: Endpoint, source: Source[S, T]
) -> dict[S, Fact[T]]:
    """Return the facts of the stable endpoint; nothing about absent subjects if it has had no subject so far.

    A server that has neither batches nor a subject is not deps.dev, but a proxy that answers 404 to everything: why
    the batch failed stays the reason then.
    """
    facts = run.fetch(source, subjects[:_TRIED_SUBJECTS], endpoint)
    is_absent = all(isinstance(fact, Absent) for fact in facts.values())
    if len(subjects) > len(facts) and (not is_absent or run.has_other_answers(source, len(facts))):
        facts |= run.fetch(source, subjects[_TRIED_SUBJECTS:], endpoint)
    absent_count = sum(isinstance(fact, Absent) for fact in facts.values())
    if any(isinstance(fact, Found) for fact in facts.values()) or run.has_other_answers(source, absent_count):
        return facts
    run.withdraw_answers(source, absent_count)
    return {subject: fact for subject, fact in facts.items() if not isinstance(fact, Absent)}


def needs_single_request(fact: Fact[Any]) -> bool:
    """Whether the stable endpoint may have an answer where the batch endpoint has none."""
    return isinstance(fact, Unknown) and fact.reason.endswith(_SINGLE_REQUEST_REASONS)
