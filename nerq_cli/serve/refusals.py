"""Responses of the layers around the application: requests that it never sees, as problem documents (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.types import Scope, Send

from nerq_cli.serve.problems import MEDIA_TYPE, PROBLEMS, ProblemId, encode_problem

#: Key of a scope: why a request was refused, for the metrics.
REFUSAL: Final = "nerq.refusal"


async def refuse(
    scope: Scope,
    send: Send,
    reason: str,
    id_: ProblemId,
    detail: str,
    headers: Mapping[str, str] | None = None,
) -> None:
    """Send a problem document in place of the response of the application.

    ``reason`` is one word: the label of the metric ``nerq_http_refused_total``.
    """
    scope[REFUSAL] = reason
    lines = {"Cache-Control": "no-store", **(headers or {})}
    await send_response(send, PROBLEMS[id_][0], encode_problem(id_, detail), MEDIA_TYPE, lines)


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
