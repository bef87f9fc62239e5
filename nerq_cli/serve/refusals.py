"""Responses of the layers around the application: requests that it never sees, as problem documents (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import msgspec
from starlette.types import Scope, Send

#: Key of a scope: why a request was refused, for the metrics.
REFUSAL: Final = "nerq.refusal"


class RefusalDocument(msgspec.Struct, frozen=True, omit_defaults=True):
    """A problem document; ``about:blank`` means that the status has the whole meaning."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str = ""


async def refuse(
    scope: Scope,
    send: Send,
    reason: str,
    status: HTTPStatus,
    detail: str,
    headers: Mapping[str, str] | None = None,
) -> None:
    """Send a problem document in place of the response of the application.

    ``reason`` is one word: the label of the metric ``nerq_http_refused_total``.
    """
    scope[REFUSAL] = reason
    document = RefusalDocument("about:blank", status.phrase, status, detail, scope.get("nerq.request_id", ""))
    await send_response(
        send,
        status,
        msgspec.json.encode(document),
        "application/problem+json",
        {"Cache-Control": "no-store"} | dict(headers or {}),
    )


async def send_response(
    send: Send, status: int, body: bytes, media_type: str, headers: Mapping[str, str] | None = None
) -> None:
    """Send a whole response."""
    lines = {"Content-Type": media_type, "Content-Length": str(len(body)), **(headers or {})}
    pairs = [(name.lower().encode("ascii"), value.encode("latin-1")) for name, value in lines.items()]
    await send({"type": "http.response.start", "status": int(status), "headers": pairs})
    await send({"type": "http.response.body", "body": body})


def find_header(scope: Scope, name: bytes) -> str | None:
    """Return the first header of this name (in lower case), or None."""
    for key, value in scope["headers"]:
        if key == name:
            text: str = value.decode("latin-1")
            return text
    return None
