"""The Hugging Face Hub: repositories, cards, files and publishers. Data of the Hub and of those who published it.

A model takes at most four requests: the repository (with files, configuration and scans), its card at the commit that
it answers with, the organisation that owns it, and the user if there is no such organisation. The Hub states the scans
of a whole repository for models alone. For datasets, Spaces and kernels one more request has the scan results of the
files that may hold code, and for kernels another one the list of files.

What a commit contains never changes, so cards and trees are kept for good. What the Hub states about a repository
changes also for one commit (scans, gates, downloads), so that is requested again after a while.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Any, Final, Literal
from urllib.parse import quote

import msgspec
from msgspec.structs import replace

from nerq_cli.ecosystems import get_hub_ecosystem
from nerq_cli.errors import EndpointMissingError, ResponseError
from nerq_cli.fetch.concurrency import INITIAL_CONCURRENCY
from nerq_cli.fetch.source import Endpoint, Request, Response, Source
from nerq_cli.hub_facts import CardMetadata, HubCard, HubFile, HubOwner, HubRepository
from nerq_cli.inventory import AccountId, HubPaths, Package, Release
from nerq_cli.patterns import compile_late
from nerq_cli.sources import SOURCES
from nerq_cli.sources.huggingface import answers
from nerq_cli.sources.huggingface.answers import FileScans
from nerq_cli.sources.huggingface.card import (
    MAX_TEXT,
    HeaderError,
    build_metadata,
    clean_card_text,
    parse_header,
    split_card,
)
from nerq_cli.units import DAY, HOUR

_INFO: Final = SOURCES["huggingface"]
LABEL: Final = _INFO.label
#: Variable of the token that the Hub asks for.
TOKEN_VARIABLE: Final = _INFO.token_variables[0]
#: Seconds for which what never changes is kept.
_FOR_GOOD: Final = 3_650 * DAY
#: Reason of a refusal that no token ends.
LEGAL_REFUSAL: Final = "the Hub refuses it for legal reasons, or in this region (451)"
#: Statuses with which the Hub refuses access, each with an error code in a header.
_REFUSALS: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.UNAVAILABLE_FOR_LEGAL_REASONS})
#: Pages of a tree that are requested: 1,000 files each.
_MAX_PAGES: Final = 3
#: Files whose scan results one request asks for: huggingface_hub sends as many paths, the Hub takes 1,000 at most
#: (huggingface_hub, _commit_api.py).
MAX_SCANNED: Final = 500
#: Fields of a repository whose list of files is too large for one answer. ``expand`` excludes ``blobs``.
_FIELDS_WITHOUT_FILES: Final = (
    "author", "cardData", "config", "createdAt", "disabled", "downloads", "gated", "lastModified", "library_name",
    "likes", "pipeline_tag", "safetensors", "sha", "tags",
)  # fmt: skip
_NEXT_LINK = compile_late(r'<[^<>]*?(/api/[^<>\s]+)>\s*;\s*rel="?next"?')

#: ``hidden``: missing or private; the Hub does not distinguish them without a token. ``refused``: it exists, and may
#: not be read with these credentials. ``forbidden``: it is refused for another reason. ``restricted``: it is refused
#: for legal reasons, as a rule in some regions.
AnswerState = Literal["found", "no revision", "hidden", "refused", "forbidden", "restricted"]


class HubAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the Hub answers about a repository at a revision."""

    state: AnswerState = "found"
    #: None unless it was found.
    repository: HubRepository | None = None


class ReferencesAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """The tags and branches of a repository."""

    state: AnswerState = "found"
    #: The commit of each, by name.
    tags: dict[str, str] = {}
    branches: dict[str, str] = {}


class CardAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """A card with the metadata of its header."""

    #: None if it may not be read.
    card: HubCard | None = None
    #: None = it has no header, or one that cannot be read.
    metadata: CardMetadata | None = None
    #: Why the header cannot be read; empty if it can, or if there is none.
    problem: str = ""
    #: Why the card may not be read.
    refusal: str = ""


class FileList(msgspec.Struct, frozen=True, omit_defaults=True):
    """The files of a repository at a commit."""

    files: tuple[HubFile, ...] = ()
    #: Number of files left out, as far as they were listed, and of entries that cannot be read.
    more_files: int = 0
    #: Whether further pages were not requested.
    is_cut: bool = False


class _HubSource:
    """What the sources of the Hub have in common."""

    label = LABEL
    max_age = _INFO.max_age
    absent_max_age = _INFO.absent_max_age
    probe = False
    cooldown = _INFO.cooldown
    max_concurrency = INITIAL_CONCURRENCY
    time_limits = _INFO.time_limits
    extra_statuses = _REFUSALS


class _RepositorySource(_HubSource):
    """A repository at a revision."""

    name = "hub-repository"
    kind = HubAnswer
    limit = 16_000_000

    def get_max_age(self, value: HubAnswer) -> int:
        """Return how long an answer is kept: what cannot be found or read is tried again sooner."""
        return self.max_age if value.state == "found" else self.absent_max_age

    def requests(self, subjects: Sequence[Release], endpoint: Endpoint) -> Iterator[Request[Release]]:
        """Request one repository at a time; releases have the revision as their version."""
        for release in subjects:
            url = f"{_build_api_url(endpoint, release.package)}/revision/{quote(release.version, safe='')}"
            kind = get_hub_ecosystem(release.package.ecosystem).kind
            query = {"model": "?blobs=true&securityStatus=true", "kernel": ""}.get(kind, "?blobs=true")
            yield Request(url=f"{url}{query}", subjects=(release,), endpoint=endpoint)

    def divide(self, request: Request[Release], status: int) -> Sequence[Request[Release]]:
        """Request a repository without its files if the answer with them is too large."""
        base_url, _, query = request.url.partition("?")
        if status != HTTPStatus.REQUEST_ENTITY_TOO_LARGE or not query or "expand=" in query:
            return ()
        fields = [name for name in _FIELDS_WITHOUT_FILES if name not in _get_missing_fields(request.subjects[0])]
        return [replace(request, url=f"{base_url}?{'&'.join(f'expand={name}' for name in fields)}")]

    def parse(self, request: Request[Release], response: Response) -> Iterator[tuple[Release, HubAnswer | None]]:
        """Read a repository, or why it cannot be read."""
        [release] = request.subjects
        kind = get_hub_ecosystem(release.package.ecosystem).kind
        if response.status < HTTPStatus.BAD_REQUEST:
            yield release, HubAnswer(repository=answers.parse_repository(kind, response.body))
        elif _is_disabled(response):
            yield release, HubAnswer(repository=HubRepository(kind=kind, id=release.package.name, disabled=True))
        elif response.notes.error_code == "RevisionNotFound":
            yield release, HubAnswer(state="no revision")
        else:
            state = _read_refusal(request, response)
            yield release, None if state is None else HubAnswer(state=state)


class _ReferencesSource(_HubSource):
    """The tags and branches of a repository."""

    name = "hub-references"
    kind = ReferencesAnswer
    limit = 4_000_000

    def get_max_age(self, value: ReferencesAnswer) -> int:
        """Return how long an answer is kept: what cannot be read is tried again sooner."""
        return self.max_age if value.state == "found" else self.absent_max_age

    def requests(self, subjects: Sequence[Package], endpoint: Endpoint) -> Iterator[Request[Package]]:
        """Request one repository at a time."""
        for package in subjects:
            yield Request(url=f"{_build_api_url(endpoint, package)}/refs", subjects=(package,), endpoint=endpoint)

    def parse(self, request: Request[Package], response: Response) -> Iterator[tuple[Package, ReferencesAnswer | None]]:
        """Read tags and branches, or why they cannot be read."""
        [package] = request.subjects
        if response.status < HTTPStatus.BAD_REQUEST:
            tags, branches = answers.parse_references(response.body)
            yield package, ReferencesAnswer(tags=tags, branches=branches)
        else:
            state = _read_refusal(request, response)
            yield package, None if state is None else ReferencesAnswer(state=state)


class _CardSource(_HubSource):
    """The card of a repository at a commit."""

    name = "hub-card"
    kind = CardAnswer
    absent_max_age = _FOR_GOOD
    limit = 5_000_000

    def get_max_age(self, value: CardAnswer) -> int:
        """Return how long a card is kept: for good, because it is that of a commit; a refusal may end."""
        return _INFO.absent_max_age if value.refusal else _FOR_GOOD

    def requests(self, subjects: Sequence[Release], endpoint: Endpoint) -> Iterator[Request[Release]]:
        """Request one card at a time; releases have the commit as their version."""
        for release in subjects:
            path = get_hub_ecosystem(release.package.ecosystem).path
            name = quote("/".join(filter(None, (path, release.package.name))))
            url = f"{endpoint.url}/{name}/resolve/{quote(release.version, safe='')}/README.md"
            yield Request(url=url, subjects=(release,), accept="*/*", endpoint=endpoint)

    def parse(self, request: Request[Release], response: Response) -> Iterator[tuple[Release, CardAnswer | None]]:
        """Read a card, or why it may not be read."""
        [release] = request.subjects
        if response.status in _REFUSALS:
            _check_token(request, response)
            yield release, CardAnswer(refusal=_explain_refusal(response))
            return
        if response.status >= HTTPStatus.BAD_REQUEST:
            if response.notes.error_code not in ("", "EntryNotFound"):
                raise ResponseError("the repository or its commit is not there any more")
            yield release, None
            return
        yield release, parse_card(response.body)


class _FilesSource(_HubSource):
    """The files of a repository at a commit, where the answer about it has none."""

    name = "hub-files"
    kind = FileList
    max_age = _FOR_GOOD
    limit = 8_000_000

    def requests(self, subjects: Sequence[Release], endpoint: Endpoint) -> Iterator[Request[Release]]:
        """Request the first page of each tree; releases have the commit as their version."""
        for release in subjects:
            yield _FilesRequest(url=_build_tree_url(endpoint, release), subjects=(release,), endpoint=endpoint)

    def parse(self, request: Request[Release], response: Response) -> Iterator[tuple[Release, FileList | None]]:
        """Read the last page, after all others."""
        [release] = request.subjects
        if response.status in _REFUSALS:
            raise ResponseError(_explain_refusal(response))
        if response.status >= HTTPStatus.BAD_REQUEST:
            yield release, None
            return
        page_files, unreadable_count = answers.parse_files(response.body)
        files = [*_get_files(request), *page_files]
        is_last = _get_page(request) >= _MAX_PAGES
        next_url = _find_next_url(request.endpoint, response)
        if next_url and not is_last:
            return
        kept, more_files = answers.select_files(files)
        more_files += unreadable_count + _get_unreadable_count(request)
        yield release, FileList(kept, more_files, is_cut=bool(next_url))

    def request_more(self, request: Request[Release], response: Response) -> Iterator[Request[Release]]:
        """Request the next page, with the files so far."""
        next_url = _find_next_url(request.endpoint, response)
        if response.status >= HTTPStatus.BAD_REQUEST or not next_url or _get_page(request) >= _MAX_PAGES:
            return
        page_files, unreadable_count = answers.parse_files(response.body)
        files = (*_get_files(request), *page_files)
        yield _FilesRequest(
            url=next_url,
            subjects=request.subjects,
            endpoint=request.endpoint,
            files=files,
            unreadable_count=unreadable_count + _get_unreadable_count(request),
            page=_get_page(request) + 1,
        )


class _ScansSource(_HubSource):
    """The scan results of files at a commit: ``POST .../paths-info``, which has no pages.

    Where that is refused because the repository is gated, one page of its tree has those of 50 files.
    """

    name = "hub-scans"
    kind = FileScans
    limit = 8_000_000

    def get_max_age(self, value: FileScans) -> int:
        """Return how long results are kept: shorter while one is pending. A file may be found to be unsafe later."""
        return self.max_age if value.is_final else HOUR

    def requests(self, subjects: Sequence[HubPaths], endpoint: Endpoint) -> Iterator[Request[HubPaths]]:
        """Request the files of one repository at a time."""
        for subject in subjects:
            release = subject.release
            url = f"{_build_api_url(endpoint, release.package)}/paths-info/{quote(release.version, safe='')}"
            body = msgspec.json.encode({"paths": subject.paths, "expand": True})
            yield Request(url=url, subjects=(subject,), method="POST", body=body, endpoint=endpoint)

    def parse(self, request: Request[HubPaths], response: Response) -> Iterator[tuple[HubPaths, FileScans | None]]:
        """Read the results."""
        [subject] = request.subjects
        if self._is_gated(request, response):
            return
        if response.status in _REFUSALS:
            _check_token(request, response)
            raise ResponseError(_explain_refusal(response))
        if response.status >= HTTPStatus.BAD_REQUEST:
            if response.notes.error_code:
                raise ResponseError("the repository or its commit is not there any more")
            raise EndpointMissingError("does not state scan results of files")
        yield subject, answers.parse_scans(subject.paths, response.body)

    def request_more(self, request: Request[HubPaths], response: Response) -> Iterator[Request[HubPaths]]:
        """Request the tree of a gated repository, which is public."""
        if self._is_gated(request, response):
            [subject] = request.subjects
            url = f"{_build_tree_url(request.endpoint, subject.release)}&expand=true"
            yield Request(url=url, subjects=request.subjects, endpoint=request.endpoint)

    @staticmethod
    def _is_gated(request: Request[HubPaths], response: Response) -> bool:
        is_refused = response.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
        return request.method == "POST" and is_refused and response.notes.error_code == "GatedRepo"


class _FilesRequest(Request[Release], frozen=True, kw_only=True):
    """A request for one page, with what the earlier ones had."""

    files: tuple[HubFile, ...] = ()
    unreadable_count: int = 0
    page: int = 1


class _OwnerSource(_HubSource):
    """An organisation, or else a user: the same name may not be both."""

    name = "hub-owner"
    kind = HubOwner
    max_age = DAY
    limit = 1_000_000

    def requests(self, subjects: Sequence[AccountId], endpoint: Endpoint) -> Iterator[Request[AccountId]]:
        """Request one organisation at a time."""
        for account in subjects:
            url = f"{endpoint.url}/api/organizations/{quote(account.name, safe='')}/overview"
            yield Request(url=url, subjects=(account,), endpoint=endpoint)

    def parse(self, request: Request[AccountId], response: Response) -> Iterator[tuple[AccountId, HubOwner | None]]:
        """Read an organisation or a user."""
        [account] = request.subjects
        is_user = request.url == _build_user_url(request)
        if response.status in _REFUSALS:
            raise ResponseError(_explain_refusal(response))
        if response.status < HTTPStatus.BAD_REQUEST:
            yield account, (answers.parse_user if is_user else answers.parse_organisation)(response.body)
        elif is_user:
            yield account, None

    def request_more(self, request: Request[AccountId], response: Response) -> Iterator[Request[AccountId]]:
        """Request the user where there is no such organisation."""
        url = _build_user_url(request)
        if response.status >= HTTPStatus.BAD_REQUEST and request.url != url:
            yield replace(request, url=url)


REPOSITORIES: Final[Source[Release, HubAnswer]] = _RepositorySource()
REFERENCES: Final[Source[Package, ReferencesAnswer]] = _ReferencesSource()
CARDS: Final[Source[Release, CardAnswer]] = _CardSource()
FILES: Final[Source[Release, FileList]] = _FilesSource()
SCANS: Final[Source[HubPaths, FileScans]] = _ScansSource()
OWNERS: Final[Source[AccountId, HubOwner]] = _OwnerSource()


def parse_card(body: bytes) -> CardAnswer:
    """Return a card, with as much of its text as is kept."""
    header, text, lines_before = split_card(body.decode(errors="replace"))
    text = clean_card_text(text)
    metadata, problem = None, ""
    if header.strip():
        try:
            metadata = build_metadata(parse_header(header))
        except HeaderError as error:
            problem = str(error)
    return CardAnswer(
        HubCard(text[:MAX_TEXT], is_cut=len(text) > MAX_TEXT, lines_before=lines_before), metadata, problem
    )


def _build_api_url(endpoint: Endpoint, package: Package) -> str:
    ecosystem = get_hub_ecosystem(package.ecosystem)
    return f"{endpoint.url}/api/{ecosystem.path or 'models'}/{quote(package.name)}"


def _build_tree_url(endpoint: Endpoint, release: Release) -> str:
    return f"{_build_api_url(endpoint, release.package)}/tree/{quote(release.version, safe='')}?recursive=true"


def _build_user_url(request: Request[AccountId]) -> str:
    return f"{request.endpoint.url}/api/users/{quote(request.subjects[0].name, safe='')}/overview"


def _get_missing_fields(release: Release) -> frozenset[str]:
    """Return fields that the Hub refuses to ``expand`` for a kind of repository (huggingface_hub, hf_api.py)."""
    kind = get_hub_ecosystem(release.package.ecosystem).kind
    if kind == "model":
        return frozenset()
    missing = {"config", "library_name", "pipeline_tag", "safetensors"}
    return frozenset(missing | {"downloads", "gated"} if kind == "space" else missing)


def _get_files(request: Request[Release]) -> tuple[HubFile, ...]:
    return request.files if isinstance(request, _FilesRequest) else ()


def _get_unreadable_count(request: Request[Release]) -> int:
    return request.unreadable_count if isinstance(request, _FilesRequest) else 0


def _get_page(request: Request[Release]) -> int:
    return request.page if isinstance(request, _FilesRequest) else 1


def _find_next_url(endpoint: Endpoint, response: Response) -> str:
    """Return the URL of the next page, always at the endpoint in use: a mirror passes on links to the Hub itself."""
    match = _NEXT_LINK.search(response.notes.link)
    return f"{endpoint.url}{match[1]}" if match else ""


def _is_disabled(response: Response) -> bool:
    """Whether the Hub took the repository down (huggingface_hub, utils/_http.py)."""
    return response.status == HTTPStatus.FORBIDDEN and "is disabled" in response.notes.error_message.lower()


def _read_refusal(
    request: Request[Any], response: Response
) -> Literal["hidden", "refused", "forbidden", "restricted"] | None:
    """Return why a repository cannot be read; None if it does not exist.

    Raises:
        ResponseError: the token is refused, or the server does not offer the request.
    """
    if response.status == HTTPStatus.UNAVAILABLE_FOR_LEGAL_REASONS:
        return "restricted"
    if response.status in _REFUSALS and response.notes.error_code == "GatedRepo":
        return "refused"
    if response.status == HTTPStatus.FORBIDDEN:
        return "forbidden"
    if response.status == HTTPStatus.METHOD_NOT_ALLOWED:
        raise ResponseError("does not offer this")
    _check_token(request, response)
    return None if request.endpoint.identity else "hidden"


def _check_token(request: Request[Any], response: Response) -> None:
    """Raise ``ResponseError`` if the Hub refuses the token: what the token may not see is a 404, or gated."""
    is_refused = response.status == HTTPStatus.UNAUTHORIZED and response.notes.error_code != "GatedRepo"
    if is_refused and request.endpoint.identity:
        raise ResponseError(f"refused the token in {TOKEN_VARIABLE}")


def _explain_refusal(response: Response) -> str:
    if response.notes.error_code == "GatedRepo":
        return "gated: the Hub asks for a token whose account has access"
    if response.status == HTTPStatus.UNAVAILABLE_FOR_LEGAL_REASONS:
        return LEGAL_REFUSAL
    if response.status == HTTPStatus.FORBIDDEN:
        return "the Hub refuses it to you (403)"
    return f"the Hub refuses it ({response.status})"
