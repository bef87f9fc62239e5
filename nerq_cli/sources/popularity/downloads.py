"""Weekly downloads, requested only on demand: both services soon answer HTTP 429, and then requests end.

npm counts up to 128 names at once, but each scoped one alone (npm/registry, docs/download-counts.md). pypistats counts
one at a time and forbids crawling (pypistats.org/api).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from nerq_cli.decoders import build_json_decoder_late
from nerq_cli.ecosystems import NPM, PYPI
from nerq_cli.errors import ResponseError
from nerq_cli.facts import Absent, Adoption, Fact, Unknown
from nerq_cli.fetch.concurrency import INITIAL_CONCURRENCY
from nerq_cli.fetch.run import FetchRun
from nerq_cli.fetch.source import Endpoint, Request, Response, Source
from nerq_cli.inventory import Package
from nerq_cli.sources import SOURCES
from nerq_cli.sources.text import decode_json, parse_count

_NPM_INFO: Final = SOURCES["npm-downloads"]
_PYPISTATS_INFO: Final = SOURCES["pypistats"]
#: Unscoped names in one question (npm/registry, docs/download-counts.md).
MAX_BULK_NAMES: Final = 128
_TOO_MANY_REQUESTS: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS})
_NO_COUNT: Final = "no downloads are counted for this name"
_JSON_DECODER = build_json_decoder_late(dict[str, Any])


class _NpmDownloadsSource:
    """Downloads of the last week from npm."""

    name = "npm-downloads"
    label = _NPM_INFO.label
    kind = Adoption
    max_age = _NPM_INFO.max_age
    absent_max_age = _NPM_INFO.absent_max_age
    limit = 1_000_000
    probe = True
    cooldown = _NPM_INFO.cooldown
    time_limits = _NPM_INFO.time_limits
    stop_statuses = _TOO_MANY_REQUESTS
    max_concurrency = INITIAL_CONCURRENCY

    def requests(self, subjects: Sequence[Package], endpoint: Endpoint) -> Iterator[Request[Package]]:
        """Request in bulk first, since later requests may be refused."""
        unscoped = [package for package in subjects if not package.name.startswith("@")]
        scoped = [(package,) for package in subjects if package.name.startswith("@")]
        for batch in (
            *(tuple(unscoped[start : start + MAX_BULK_NAMES]) for start in range(0, len(unscoped), MAX_BULK_NAMES)),
            *scoped,
        ):
            names = ",".join(quote(package.name, safe="@/") for package in batch)
            yield Request(url=f"{endpoint.url}/point/last-week/{names}", subjects=batch, endpoint=endpoint)

    def parse(self, request: Request[Package], response: Response) -> Iterator[tuple[Package, Adoption | None]]:
        """Read an object of counts by name, or a single count."""
        is_single = len(request.subjects) == 1
        if response.status >= HTTPStatus.BAD_REQUEST:
            yield from ((package, None) for package in request.subjects if is_single)
            return
        document = decode_json(_JSON_DECODER, response.body)
        for package in request.subjects:
            if is_single and "downloads" in document:
                yield package, _read_adoption(document)
            elif package.name in document:
                yield package, _read_adoption(document[package.name])


class _PypistatsSource:
    """Downloads of the last week from PyPI, as pypistats counts them (without mirrors)."""

    name = "pypistats"
    label = _PYPISTATS_INFO.label
    kind = Adoption
    max_age = _PYPISTATS_INFO.max_age
    absent_max_age = _PYPISTATS_INFO.absent_max_age
    limit = 100_000
    probe = True
    cooldown = _PYPISTATS_INFO.cooldown
    time_limits = _PYPISTATS_INFO.time_limits
    stop_statuses = _TOO_MANY_REQUESTS
    max_concurrency = INITIAL_CONCURRENCY

    def requests(self, subjects: Sequence[Package], endpoint: Endpoint) -> Iterator[Request[Package]]:
        """Request one package at a time."""
        for package in subjects:
            url = f"{endpoint.url}/packages/{package.url_segment}/recent?period=week"
            yield Request(url=url, subjects=(package,), endpoint=endpoint)

    def parse(self, request: Request[Package], response: Response) -> Iterator[tuple[Package, Adoption | None]]:
        """Read one count."""
        [package] = request.subjects
        if response.status >= HTTPStatus.BAD_REQUEST:
            yield package, None
            return
        data = decode_json(_JSON_DECODER, response.body).get("data")
        downloads = parse_count(data.get("last_week")) if isinstance(data, dict) else None
        if downloads is None:
            raise ResponseError("the answer holds no count")
        yield package, Adoption(downloads=float(downloads))


def _read_adoption(value: object) -> Adoption | None:
    """Read a count; null means that there is none under this name."""
    if value is None:
        return None
    downloads = parse_count(value.get("downloads")) if isinstance(value, dict) else None
    if downloads is None:
        raise ResponseError("the answer holds no count")
    return Adoption(downloads=float(downloads))


NPM_DOWNLOADS: Final[Source[Package, Adoption]] = _NpmDownloadsSource()
PYPISTATS: Final[Source[Package, Adoption]] = _PypistatsSource()
_SOURCES_BY_ECOSYSTEM: Final = {NPM: NPM_DOWNLOADS, PYPI: PYPISTATS}


def covers_package(source: Source[Package, Adoption], package: Package) -> bool:
    """Whether the service counts downloads of this package's registry."""
    return _SOURCES_BY_ECOSYSTEM.get(package.ecosystem) is source


def collect_downloads(
    run: FetchRun, packages: Sequence[Package], *, npm: Endpoint, pypistats: Endpoint
) -> dict[Package, Fact[Adoption]]:
    """Return the weekly downloads of packages; unknown without a count, or after a refusal."""
    plan = [
        (source, [package for package in packages if covers_package(source, package)], endpoint)
        for source, endpoint in ((NPM_DOWNLOADS, npm), (PYPISTATS, pypistats))
    ]
    results = run.fetch_all(plan)
    return {
        package: Unknown(_NO_COUNT, fact.source) if isinstance(fact, Absent) else fact
        for facts in results
        for package, fact in facts.items()
    }
