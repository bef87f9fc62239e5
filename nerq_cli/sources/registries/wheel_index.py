"""Find and download a wheel of data from a package index (simple API, PEPs 503 and 691). Nothing is installed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urldefrag, urljoin, urlsplit

import msgspec
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import Version

from nerq_cli.decoders import build_json_decoder_late
from nerq_cli.errors import ResponseError
from nerq_cli.fetch.http_client import HttpClient, parse_host
from nerq_cli.fetch.request_error import RequestError
from nerq_cli.fetch.source import Endpoint, Request, Response
from nerq_cli.inventory import Package
from nerq_cli.patterns import compile_late
from nerq_cli.sources.endpoints import get_server
from nerq_cli.sources.text import decode_json

_ACCEPT: Final = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
#: Largest page of an index and largest wheel, in bytes. All advisories of PyPI and npm took 60 MB in 2026.
_MAX_PAGE_BYTES: Final = 20_000_000
_MAX_WHEEL_BYTES: Final = 1_000_000_000
#: Algorithms that a hash of a file may be of, the strongest first.
_ALGORITHMS: Final = ("sha512", "sha384", "sha256")
_DIGEST = compile_late(r"[0-9a-f]{64,128}")
#: Seconds that one request for a page may take, and seconds without data that end a download.
_PAGE_TIMEOUT: Final = 30.0
_IDLE_TIMEOUT: Final = 30.0


class Index(NamedTuple):
    """A package index: the address below which each package has its page, and the credentials for it."""

    url: str
    endpoint: Endpoint


class Wheel(NamedTuple):
    """A wheel on an index; ``digest`` is its hash, in hexadecimal."""

    filename: str
    version: str
    url: str
    algorithm: str
    digest: str
    package_index: Index


class _File(msgspec.Struct, rename="kebab"):
    """A file of the JSON form."""

    filename: Any = None
    url: Any = None
    hashes: Any = None
    yanked: Any = None


class _Page(msgspec.Struct):
    """The JSON form of a page."""

    files: Any = None


_PAGE_DECODER: Final = build_json_decoder_late(_Page)


def find_newest_wheel(http_client: HttpClient, indexes: Sequence[Index], name: str) -> Wheel:
    """Return the newest wheel of the first index that has the package: a name of one index may be another's elsewhere.

    Raises:
        RequestError: an index gives no answer, or none of them has the package.
        ResponseError: the index has no wheel of it for every platform, or states no hash of that.
        ConfigError: the proxy or the certificates that the environment names cannot be used.
    """
    for index in indexes:
        response = _request_page(http_client, index, name)
        if response.status == HTTPStatus.OK:
            return _choose_wheel(index, name, response)
    hosts = ", ".join(dict.fromkeys(parse_host(index.url) for index in indexes))
    raise RequestError(f"{hosts}: no package {name}")


def _request_page(http_client: HttpClient, index: Index, name: str) -> Response:
    url = f"{index.url}/{canonicalize_name(name)}/"
    request: Request[Package] = Request(url=url, subjects=(), endpoint=index.endpoint, accept=_ACCEPT)
    http_client.open_host(url)
    return http_client.send_bounded(request, limit=_MAX_PAGE_BYTES, seconds=_PAGE_TIMEOUT)


def _choose_wheel(index: Index, name: str, response: Response) -> Wheel:
    host = parse_host(index.url)
    base_url = f"{index.url}/{canonicalize_name(name)}/"
    wheels = [
        wheel for file in _iter_files(response) if (wheel := _build_wheel(file, name, base_url, index)) is not None
    ]
    if not wheels:
        raise ResponseError(f"{host} has no wheel of {name} for every platform")
    newest = max(wheels, key=lambda wheel: Version(wheel.version))
    if not newest.digest:
        raise ResponseError(
            f"{host} states no SHA-256 of {newest.filename}, so that it cannot be checked",
            hint="download the file in another way, and read it with nerq db import",
        )
    return newest


def _iter_files(response: Response) -> Iterator[_File]:
    if "json" in response.content_type.lower():
        files = decode_json(_PAGE_DECODER, response.body).files
        for file in files if isinstance(files, list) else ():
            if isinstance(file, dict):
                yield _File(**{key: file.get(key) for key in _File.__struct_fields__})
        return
    from nerq_cli.sources.registries.simple_html import read_page

    for anchor in read_page(response.body.decode(errors="replace")).anchors:
        url, fragment = urldefrag(anchor.href)
        algorithm, _, digest = fragment.partition("=")
        yield _File(anchor.filename, url, {algorithm: digest}, anchor.yanked is not None)


def _build_wheel(file: _File, name: str, base_url: str, index: Index) -> Wheel | None:
    """Return a wheel without compiled code that the index offers and has not yanked; None for any other file."""
    if not isinstance(file.filename, str) or not isinstance(file.url, str) or file.yanked not in (None, False):
        return None
    try:
        wheel_name, version, _, tags = parse_wheel_filename(file.filename)
    except (InvalidWheelFilename, ValueError):
        return None
    url = urljoin(base_url, file.url)
    if wheel_name != canonicalize_name(name) or {tag.platform for tag in tags} != {"any"}:
        return None
    if urlsplit(url).scheme not in ("http", "https"):
        return None
    hashes = file.hashes if isinstance(file.hashes, dict) else {}
    algorithm = next((key for key in _ALGORITHMS if isinstance(hashes.get(key), str)), "")
    digest = hashes[algorithm].lower() if algorithm else ""
    return Wheel(file.filename, str(version), url, algorithm, digest if _DIGEST.fullmatch(digest) else "", index)


def download_wheel(http_client: HttpClient, wheel: Wheel, path: Path) -> None:
    """Write a wheel to a file, and compare it with the hash that the index states.

    Raises:
        RequestError: it does not arrive whole, is too large, or is not the file that the index states.
        ConfigError: the proxy or the certificates that the environment names cannot be used.
    """
    http_client.open_host(wheel.url)
    is_on_index = get_server(wheel.url) == get_server(wheel.package_index.endpoint.url)
    headers = {"Accept-Encoding": "identity", **(wheel.package_index.endpoint.headers if is_on_index else {})}
    endpoint = Endpoint(url=wheel.url, headers=headers)
    request: Request[Package] = Request(url=wheel.url, subjects=(), endpoint=endpoint, accept="*/*")
    host = parse_host(wheel.url)
    digest, received_bytes = hashlib.new(wheel.algorithm), 0
    with http_client.stream(request, idle_timeout=_IDLE_TIMEOUT) as stream, path.open("wb") as file:
        if stream.status != HTTPStatus.OK:
            raise RequestError(f"{host}: HTTP {stream.status} for {wheel.filename}")
        if stream.headers.get("Content-Encoding", "identity") != "identity":
            raise RequestError(f"{host}: {wheel.filename} arrives in another encoding than was asked for")
        for chunk in stream.chunks:
            received_bytes += len(chunk)
            if received_bytes > _MAX_WHEEL_BYTES:
                raise RequestError(f"{host}: {wheel.filename} is larger than {_MAX_WHEEL_BYTES / 1e9:g} GB")
            digest.update(chunk)
            file.write(chunk)
    if digest.hexdigest() != wheel.digest:
        raise RequestError(
            f"{host}: {wheel.filename} is not the file that the index states (another {wheel.algorithm})"
        )
