"""KEV: CISA's catalogue of vulnerabilities that are exploited. One file, read once a day."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec

from nerq_cli.decoders import build_json_decoder_late
from nerq_cli.errors import ResponseError
from nerq_cli.facts import Fact
from nerq_cli.fetch.run import FetchRun
from nerq_cli.fetch.source import Endpoint, Request, Response
from nerq_cli.fetch.time_budget import TimeLimits
from nerq_cli.inventory import AdvisoryId
from nerq_cli.sources import SOURCES
from nerq_cli.sources.text import clean_text, decode_json, decode_list, parse_timestamp, split_list

_INFO: Final = SOURCES["kev"]
LABEL: Final = _INFO.label

CATALOGUE_ID: Final = AdvisoryId(id="catalogue")
_MAX_VERSION_LENGTH: Final = 40


class Catalogue(msgspec.Struct, frozen=True):
    """The CVEs known to be exploited, and the version of the list."""

    cves: frozenset[str]
    version: str = ""
    #: When each CVE was added, in epoch seconds UTC; without those that state no date.
    added_at: dict[str, int] = {}


class _Entry(msgspec.Struct):
    cveID: str  # noqa: N815 - the file's spelling
    dateAdded: Any = None  # noqa: N815 - the file's spelling


class _File(msgspec.Struct):
    vulnerabilities: msgspec.Raw
    catalogVersion: Any = None  # noqa: N815 - the file's spelling
    count: Any = None


_ENTRY_DECODER: Final = build_json_decoder_late(_Entry)
_FILE_DECODER: Final = build_json_decoder_late(_File)


class CatalogueSource(msgspec.Struct):
    """The catalogue, from the endpoint or else from the first mirror that serves it. Cached under the endpoint."""

    mirrors: tuple[Endpoint, ...] = ()
    name: str = "kev"
    label: str = LABEL
    kind: type[Catalogue] = Catalogue
    max_age: int = _INFO.max_age
    absent_max_age: int = _INFO.absent_max_age
    limit: int = 20_000_000
    probe: bool = False
    cooldown: int = _INFO.cooldown
    time_limits: TimeLimits = _INFO.time_limits

    def requests(self, subjects: Sequence[AdvisoryId], endpoint: Endpoint) -> Iterator[Request[AdvisoryId]]:
        """Request the whole file."""
        yield Request(url=endpoint.url, subjects=tuple(subjects), endpoint=endpoint)

    def parse(self, request: Request[AdvisoryId], response: Response) -> Iterator[tuple[AdvisoryId, Catalogue | None]]:
        """Pair the catalogue with its content; with nothing when it is invalid and there is a mirror.

        Raises:
            AnswerError: the file is missing, is not the catalogue, or is incomplete.
        """
        try:
            catalogue = _parse_catalogue(response)
        except ResponseError:
            if self._build_mirror_request(request):
                return
            raise
        [subject] = request.subjects
        yield subject, catalogue

    def request_more(self, request: Request[AdvisoryId], response: Response) -> Sequence[Request[AdvisoryId]]:
        """Request the next mirror after an invalid answer."""
        mirror_requests = self._build_mirror_request(request)
        return mirror_requests if mirror_requests and not _is_catalogue(response) else ()

    def divide(self, request: Request[AdvisoryId], status: int) -> Sequence[Request[AdvisoryId]]:  # noqa: ARG002 - any failure will do
        """Request the next mirror after a failed request."""
        return self._build_mirror_request(request)

    def _build_mirror_request(self, request: Request[AdvisoryId]) -> tuple[Request[AdvisoryId], ...]:
        next_index = self.mirrors.index(request.endpoint) + 1 if request.endpoint in self.mirrors else 0
        return tuple(
            Request(url=mirror.url, subjects=request.subjects, endpoint=mirror)
            for mirror in self.mirrors[next_index:][:1]
        )


def fetch_catalogue(run: FetchRun, endpoints: Sequence[Endpoint]) -> Fact[Catalogue]:
    """Return the catalogue from the first mirror that serves it. While it is unknown, a missing CVE proves nothing.

    Raises:
        ConfigError: the proxy or the certificates that the environment names cannot be used.
    """
    endpoint, *mirrors = endpoints
    return run.fetch(CatalogueSource(tuple(mirrors)), [CATALOGUE_ID], endpoint)[CATALOGUE_ID]


def _parse_catalogue(response: Response) -> Catalogue:
    if response.status != HTTPStatus.OK:
        raise ResponseError(f"no catalogue there (HTTP {response.status})")
    document = decode_json(_FILE_DECODER, response.body)
    raw_entries = split_list(document.vulnerabilities) or []
    entries = decode_list(_ENTRY_DECODER, document.vulnerabilities)
    if not raw_entries or len(entries) != len(raw_entries) or document.count not in (None, len(raw_entries)):
        raise ResponseError("the catalogue is not complete")
    return Catalogue(
        frozenset(entry.cveID for entry in entries),
        clean_text(document.catalogVersion, _MAX_VERSION_LENGTH),
        {entry.cveID: added_at for entry in entries if (added_at := parse_timestamp(f"{entry.dateAdded}T00:00:00Z"))},
    )


def _is_catalogue(response: Response) -> bool:
    try:
        _parse_catalogue(response)
    except ResponseError:
        return False
    return True
