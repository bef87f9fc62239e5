"""The requirements of one release on PyPI, or on an index with its JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

import msgspec

from nerq_cli.decoders import build_json_decoder_late
from nerq_cli.ecosystems import PYPI, get_ecosystem, normalise_name
from nerq_cli.errors import EndpointMissingError, ResponseError
from nerq_cli.facts import ReleaseRequirements
from nerq_cli.fetch.source import Endpoint, Request, Response, Source
from nerq_cli.inventory import Release
from nerq_cli.sources import SOURCES
from nerq_cli.sources.text import clean_text, decode_json

_INFO: Final = SOURCES["pypi"]
#: Largest body in bytes.
_MAX_BYTES: Final = 25_000_000
#: Requirements of a release that are read, and characters of one; both far above real ones.
_MAX_ITEMS: Final = 2_000
_MAX_LENGTH: Final = 1_000


class _ReleaseInfo(msgspec.Struct):
    name: Any = None
    version: Any = None
    requires_dist: Any = None


class _Document(msgspec.Struct):
    info: _ReleaseInfo


_DECODER = build_json_decoder_late(_Document)


class _RequirementsSource:
    """The requirements of a release. Its metadata do without them: only ``nerq fix`` has a use for these."""

    name = "pypi-requirements"
    label = _INFO.label
    kind = ReleaseRequirements
    max_age = _INFO.max_age
    absent_max_age = _INFO.absent_max_age
    limit = _MAX_BYTES
    probe = True
    time_limits = _INFO.time_limits

    def requests(self, subjects: Sequence[Release], endpoint: Endpoint) -> Iterator[Request[Release]]:
        """Yield one request for each release."""
        for release in subjects:
            url = f"{endpoint.url}/pypi/{release.package.url_segment}/{quote(release.version, safe='')}/json"
            yield Request(url=url, subjects=(release,), endpoint=endpoint)

    def parse(
        self, request: Request[Release], response: Response
    ) -> Iterator[tuple[Release, ReleaseRequirements | None]]:
        """Parse one release. The release exists, so a server with status 404 does not offer the endpoint."""
        [release] = request.subjects
        if response.status in {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.GONE}:
            raise EndpointMissingError("this index has no JSON for single releases")
        info = decode_json(_DECODER, response.body).info
        if (
            not isinstance(info.name, str)
            or normalise_name(PYPI, info.name) != release.package.name
            or not isinstance(info.version, str)
            or not get_ecosystem(PYPI).is_same_version(info.version, release.version)
        ):
            raise ResponseError("the release JSON describes another release")
        texts = info.requires_dist if isinstance(info.requires_dist, list) else []
        requirements = [clean_text(text, _MAX_LENGTH) for text in texts[:_MAX_ITEMS]]
        yield release, ReleaseRequirements(requirements=tuple(filter(None, requirements)))


RELEASE_REQUIREMENTS: Final[Source[Release, ReleaseRequirements]] = _RequirementsSource()
