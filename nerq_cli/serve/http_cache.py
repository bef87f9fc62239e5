"""Responses that clients may keep: ETag, If-None-Match, Cache-Control and gzip."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from starlette.responses import Response

if TYPE_CHECKING:
    from starlette.requests import Request

#: Bytes below which compressing saves less than a packet.
_MIN_COMPRESSED: Final = 1_024
#: Bytes above which compressing takes long enough (10 ms) to be done in another thread.
_MAX_INLINE: Final = 200_000
#: Level 1 takes a third of the time of level 6, for a tenth more bytes.
_LEVEL: Final = 1
#: Window bits of zlib for the gzip format.
_GZIP_FORMAT: Final = 31
JSON: Final = "application/json"


def compress(content: bytes) -> bytes:
    """Return content in the gzip format, without a time in its header: equal content has equal bytes."""
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP_FORMAT)
    return compressor.compress(content) + compressor.flush()


def accepts_gzip(header: str) -> bool:
    """Return whether an Accept-Encoding header allows gzip (RFC 9110, 12.5.3)."""
    if not header:
        return False
    weights: dict[str, float] = {}
    for item in header.lower().split(","):
        coding, _, parameter = item.partition(";")
        name, _, value = parameter.partition("=")
        try:
            weights[coding.strip()] = float(value) if name.strip() == "q" else 1.0
        except ValueError:
            weights[coding.strip()] = 0.0
    return weights.get("gzip", weights.get("*", 0.0)) > 0


def matches(header: str, etag: str) -> bool:
    """Return whether an If-None-Match header names an entity tag, by the weak comparison (RFC 9110, 13.1.2)."""
    if header.strip() == "*":
        return True
    opaque = etag.removeprefix("W/")
    return any(item.strip().removeprefix("W/") == opaque for item in header.split(","))


def find_etag(parts: Iterable[str]) -> str:
    """Return the entity tag of what these parts determine.

    It is weak: the compressed and the plain form of a document have the same one.
    """
    return f'W/"{".".join(parts)}"'


async def respond(
    request: Request,
    content: bytes,
    *,
    etag: str = "",
    max_age: int | None = None,
    status: int = 200,
    media_type: str = JSON,
    retry_after: int = 0,
    compressed: Callable[[], bytes] | None = None,
) -> Response:
    """Return a response: 304 if the client has this content, compressed if it is long and the client allows it.

    Args:
        request: What is answered.
        content: The body.
        etag: Entity tag; empty = none, and the client may not keep the response.
        max_age: Seconds that the client may keep the response without asking again; None = it may not.
        status: Of the response.
        media_type: Of the body.
        retry_after: Seconds; 0 = not stated.
        compressed: Returns the content in the gzip format, if there is a better way than compressing it.
    """
    headers = {"vary": "accept-encoding", "x-content-type-options": "nosniff"}
    headers["cache-control"] = "no-store" if max_age is None else f"max-age={max_age}"
    if retry_after:
        headers["retry-after"] = str(retry_after)
    fields = request.headers
    if etag:
        headers["etag"] = etag
        known = fields.get("if-none-match")
        if known is not None and status < 300 and matches(known, etag):  # noqa: PLR2004 - of successful requests
            return Response(status_code=304, headers=headers)
    if len(content) >= _MIN_COMPRESSED and accepts_gzip(fields.get("accept-encoding", "")):
        if compressed is not None:
            content = compressed()
        else:
            is_large = len(content) > _MAX_INLINE
            content = await asyncio.to_thread(compress, content) if is_large else compress(content)
        headers["content-encoding"] = "gzip"
    return Response(content, status, headers, media_type)
