"""The routes of the HTTP API."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Route

from nerq_cli.application.session import read_clock
from nerq_cli.insight.purpose import DEFAULT_PURPOSE, PURPOSES, Purpose
from nerq_cli.serve import problems
from nerq_cli.serve.answers import Answer
from nerq_cli.serve.http_cache import find_etag, respond
from nerq_cli.serve.problems import RequestError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from nerq_cli.serve.service import Service

#: Values of the parameter ``include``.
INCLUDES: Final = ("history",)


async def preflight(request: Request) -> Response:
    """Answer whether to use a target for a purpose."""
    _check_parameters(request, ("target", "for", "include"))
    service = _get_service(request)
    lookup = service.parse(_get_one(request, "target"))
    purpose = _get_purpose(request)
    answer = await service.find_answer(lookup)
    return await _send_answer(request, answer, purpose)


async def _send_answer(request: Request, answer: Answer, purpose: Purpose) -> Response:
    is_preflight = answer.is_preflight
    retry_after = answer.expires_at - answer.as_of if answer.status == 503 else 0  # noqa: PLR2004 - Unavailable
    return await respond(
        request,
        answer.get_body(purpose),
        etag=find_etag((answer.digest, purpose)) if is_preflight else "",
        max_age=max(0, answer.expires_at - read_clock()) if answer.complete else None,
        status=answer.status,
        media_type="application/json" if is_preflight else problems.MEDIA_TYPE,
        retry_after=max(0, retry_after),
    )


def _get_service(request: Request) -> Service:
    return cast("Service", request.app.state.service)


def _check_parameters(request: Request, allowed: Collection[str]) -> None:
    """Raise RequestError for a parameter that the path does not have: a misspelt one would change nothing unseen."""
    for name in request.query_params:
        if name not in allowed:
            hint = f"parameters: {', '.join(allowed)}" if allowed else "the path takes none"
            raise RequestError("invalid-parameter", f"there is no parameter {name!r}", hint=hint)


def _get_one(request: Request, name: str) -> str:
    values = request.query_params.getlist(name)
    if len(values) != 1:
        detail = f"the parameter {name} is missing" if not values else f"the parameter {name} is there more than once"
        raise RequestError("invalid-parameter", detail)
    return values[0]


def _get_purpose(request: Request) -> Purpose:
    if "for" not in request.query_params:
        return DEFAULT_PURPOSE
    return parse_purpose(_get_one(request, "for"))


def parse_purpose(text: str) -> Purpose:
    """Return a purpose by its name.

    Raises:
        RequestError: there is none.
    """
    if text not in PURPOSES:
        detail = f"there is no purpose {text!r}"
        raise RequestError("invalid-parameter", detail, hint=f"purposes: {', '.join(PURPOSES)}")
    return text


#: The routes of the API.
ROUTES: Final = (Route("/v1/preflight", preflight, methods=["GET"]),)


def create_app(service: Service) -> Starlette:
    """Return the application of a service, which starts and closes the service with itself."""

    @asynccontextmanager
    async def run_service(_app: Starlette) -> AsyncIterator[None]:
        service.start()
        try:
            yield
        finally:
            await service.close()

    app = Starlette(
        routes=list(ROUTES),
        lifespan=run_service,
        exception_handlers={
            RequestError: _answer_request_error,
            HTTPException: _answer_http_error,
            Exception: _answer_bug,
        },
    )
    app.state.service = service
    return app


async def _answer_request_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)  # noqa: S101 - registered for it
    content = problems.encode_problem(error.id, error.detail, hint=error.hint)
    return await respond(
        request, content, status=error.status, media_type=problems.MEDIA_TYPE, retry_after=error.retry_after
    )


async def _answer_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
    id_ = problems.find_problem_id(error.status_code)
    response = await respond(
        request,
        problems.encode_problem(id_, error.detail),
        status=error.status_code,
        media_type=problems.MEDIA_TYPE,
    )
    response.headers.update(error.headers or {})
    return response


async def _answer_bug(request: Request, error: Exception) -> Response:
    content = problems.encode_problem("internal-error", f"{type(error).__name__} in the service")
    return await respond(request, content, status=500, media_type=problems.MEDIA_TYPE)
