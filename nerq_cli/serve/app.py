"""The routes of the HTTP API."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import unquote

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Route

from nerq_cli.application.compare import MAX_TARGETS, MIN_TARGETS
from nerq_cli.application.service_source import EvidenceDocument, EvidenceQuery
from nerq_cli.application.session import read_clock
from nerq_cli.insight.purpose import DEFAULT_PURPOSE, PURPOSES, Purpose
from nerq_cli.report.badge import render_svg
from nerq_cli.report.pages import alternatives as alternatives_page
from nerq_cli.report.pages import compare as compare_page
from nerq_cli.report.pages import report as report_page
from nerq_cli.report.pages.alternatives import AlternativesDocument
from nerq_cli.report.pages.compare import CompareDocument
from nerq_cli.report.pages.report import PageDocument
from nerq_cli.serve import batch, evidence, pages, preflight, problems
from nerq_cli.serve.answers import Answer, build_problem_answer
from nerq_cli.serve.batch import BatchDocument, BatchRequest
from nerq_cli.serve.documents import KeptDocument
from nerq_cli.serve.error_log import log_error
from nerq_cli.serve.http_cache import JSON, find_etag, respond
from nerq_cli.serve.lookup import Lookup
from nerq_cli.serve.openapi import PURL, PURPOSE, TARGET, Operation, Parameter, build_openapi
from nerq_cli.serve.operations import VersionDocument
from nerq_cli.serve.parameters import check_parameters, find_only
from nerq_cli.serve.preflight import PreflightDocument
from nerq_cli.serve.problems import ProblemId, RequestError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from nerq_cli.serve.service import Service

#: Values of the parameter ``include``.
INCLUDES: Final = ("history",)
#: Problems of a request that names a target.
_TARGET_PROBLEMS: Final[tuple[ProblemId, ...]] = (
    "ambiguous-target",
    "invalid-parameter",
    "invalid-target",
    "no-such-target",
    "not-looked-up",
    "no-answer",
)
_UNAVAILABLE: Final = 503
#: Documents whose schema the API has, by name.
_SCHEMAS: Final[dict[str, Callable[[], dict[str, object]]]] = {
    "preflight": preflight.build_schema,
    "batch": batch.build_schema,
    "page": report_page.build_schema,
    "compare": compare_page.build_schema,
    "alternatives": alternatives_page.build_schema,
    "problem": problems.build_schema,
}
#: A badge loads nothing, wherever it is opened.
_BADGE_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"


# --- handlers


async def get_preflight(request: Request) -> Response:
    """Answer whether to use a target for a purpose."""
    purpose = _get_purpose(request)
    includes = _get_all(request, "include")
    unknown = [text for text in includes if text not in INCLUDES]
    if unknown:
        raise RequestError(
            "invalid-parameter", f"there is no include {unknown[0]!r}", hint=f"values: {', '.join(INCLUDES)}"
        )
    service = _get_service(request)
    answer = await service.find_answer(service.parse(_get_one(request, "target")))
    if not includes or not answer.is_preflight:
        return await _send_answer(request, answer, purpose)
    history = await service.find_history(answer)
    return await respond(
        request,
        b"%b,%b" % (answer.get_body(purpose)[:-1], history.content[1:]),
        etag=find_etag((answer.digest, purpose, history.digest)),
        max_age=_find_max_age(min(answer.expires_at, history.expires_at)),
    )


async def post_batch(request: Request) -> Response:
    """Answer the same about many targets."""
    _check_media_type(request)
    asked = batch.parse_request(await request.body())
    service = _get_service(request)
    lookups: dict[str, Lookup] = {}
    answers: dict[str, Answer] = {}
    for text in asked.targets:
        if text not in lookups and text not in answers:
            try:
                lookups[text] = service.parse(text)
            except RequestError as error:
                answers[text] = _refuse_text(text, error)
    found = await service.find_answers([*lookups.values()])
    answers.update((text, found[lookup.key]) for text, lookup in lookups.items())
    content = batch.encode_batch(asked.targets, [answers[text] for text in asked.targets], asked.purpose)
    return await respond(request, content)


async def post_evidence(request: Request) -> Response:
    """Send the evidence about many targets, which the client scores."""
    _check_media_type(request)
    query = evidence.parse_query(await request.body())
    return await respond(request, await _get_service(request).evidence.find(query))


def _check_media_type(request: Request) -> None:
    media_type = request.headers.get("content-type", JSON).partition(";")[0].strip().lower()
    if media_type != JSON:
        raise RequestError("unsupported-media-type", f"the body is {media_type}", hint=f"send {JSON}")


def _refuse_text(text: str, error: RequestError) -> Answer:
    """Return the answer about a text that is no target."""
    now = read_clock()
    problem = problems.build_problem(error.id, error.detail, hint=error.hint, target=text)
    return build_problem_answer(text, problem, as_of=now, expires_at=now, complete=True)


async def get_package(request: Request) -> Response:
    """Send the page about a target."""
    purpose = _get_purpose(request)
    service = _get_service(request)
    lookup = service.parse(_get_purl(request))
    answer = await service.find_answer(lookup)
    if not answer.is_preflight:
        return await _send_answer(request, answer, purpose)
    return await _send_document(request, await service.find_page(lookup, purpose))


async def get_comparison(request: Request) -> Response:
    """Send targets side by side."""
    service = _get_service(request)
    texts = _get_all(request, "target")
    if not MIN_TARGETS <= len(texts) <= MAX_TARGETS:
        detail = f"{len(texts)} targets to compare: {MIN_TARGETS} to {MAX_TARGETS} are needed"
        raise RequestError("invalid-parameter", detail, hint="repeat the parameter target")
    lookups = list(map(service.parse, texts))
    answers = await service.find_answers(lookups)
    refused = _find_refused([answers[lookup.key] for lookup in lookups])
    if refused is not None:
        return await _send_answer(request, refused, DEFAULT_PURPOSE)
    return await _send_document(request, await service.find_comparison(lookups))


def _find_refused(answers: Collection[Answer]) -> Answer | None:
    """Return the first answer that lets no comparison be made: an ambiguous name may be settled by another target."""
    others = [answer for answer in answers if not answer.is_preflight]
    unsettled = [answer for answer in others if answer.status != problems.PROBLEMS["ambiguous-target"][0]]
    return next(iter(unsettled or (others if len(others) == len(answers) else ())), None)


async def get_alternatives(request: Request) -> Response:
    """Send what does the same job as a target."""
    service = _get_service(request)
    lookup = service.parse(_get_one(request, "target"))
    answer = await service.find_answer(lookup)
    if not answer.is_preflight:
        return await _send_answer(request, answer, DEFAULT_PURPOSE)
    return await _send_document(request, await service.find_alternatives(lookup))


async def get_badge(request: Request) -> Response:
    """Send the badge of a target."""
    service = _get_service(request)
    answer = await service.find_answer(service.parse(_get_purl(request, ".svg")))
    if answer.badge is None:
        return await _send_answer(request, answer, DEFAULT_PURPOSE)
    response = await respond(
        request,
        render_svg(answer.badge),
        etag=find_etag((answer.digest, "badge")),
        max_age=_find_max_age(answer.expires_at),
        media_type="image/svg+xml",
    )
    response.headers["content-security-policy"] = _BADGE_POLICY
    return response


async def get_schema(request: Request) -> Response:
    """Send the JSON Schema of a document."""
    name = _get_one(request, "document") if "document" in request.query_params else "preflight"
    if name not in _SCHEMAS:
        detail = f"there is no document {name!r}"
        raise RequestError("invalid-parameter", detail, hint=f"documents: {', '.join(_SCHEMAS)}")
    return await _send_static(request, encode_schemas()[name], "application/schema+json")


async def get_openapi(request: Request) -> Response:
    """Send the description of the API."""
    return await _send_static(request, encode_openapi(), JSON)


# --- responses


def _find_max_age(expires_at: int) -> int:
    return max(0, expires_at - read_clock())


async def _send_answer(request: Request, answer: Answer, purpose: Purpose) -> Response:
    """Send an answer: the same bytes as long as it lives."""
    is_preflight = answer.is_preflight
    max_age = _find_max_age(answer.expires_at)
    service = _get_service(request)
    return await respond(
        request,
        answer.get_body(purpose),
        etag=find_etag((answer.digest, purpose)) if is_preflight else "",
        max_age=max_age if is_preflight or answer.complete else None,
        status=answer.status,
        media_type=JSON if is_preflight else problems.MEDIA_TYPE,
        retry_after=max(1, max_age) if answer.status == _UNAVAILABLE else 0,
        compressed=partial(service.answers.compress, answer, purpose),
    )


async def _send_document(request: Request, document: KeptDocument) -> Response:
    return await respond(
        request, document.content, etag=find_etag((document.digest,)), max_age=_find_max_age(document.expires_at)
    )


async def _send_static(request: Request, content: bytes, media_type: str) -> Response:
    """Send what changes with the version of the program only."""
    from hashlib import blake2b

    digest = blake2b(content, digest_size=12).hexdigest()
    return await respond(request, content, etag=find_etag((digest,)), max_age=_STATIC_AGE, media_type=media_type)


#: Seconds that clients may keep schemas.
_STATIC_AGE: Final = 3_600


# --- requests


def _get_service(request: Request) -> Service:
    return cast("Service", request.app.state.service)


def _get_all(request: Request, name: str) -> list[str]:
    return request.query_params.getlist(name)


def _get_one(request: Request, name: str) -> str:
    value = find_only(request.query_params, name)
    if value is None:
        raise RequestError("invalid-parameter", f"the parameter {name} is missing")
    return value


def _get_purpose(request: Request) -> Purpose:
    if "for" not in request.query_params:
        return DEFAULT_PURPOSE
    text = _get_one(request, "for")
    if text not in PURPOSES:
        detail = f"there is no purpose {text!r}"
        raise RequestError("invalid-parameter", detail, hint=f"purposes: {', '.join(PURPOSES)}")
    return text


def _get_purl(request: Request, suffix: str = "") -> str:
    """Return the package URL at the end of the path, as it was sent: decoding it once more would change names.

    A client may have encoded all of it, so that it is one segment of the path.
    """
    decoded = str(request.path_params["purl"])
    raw_path = request.scope.get("raw_path")
    if raw_path is None:
        return decoded
    prefix = request.scope["path"].removesuffix(decoded + suffix)
    raw = raw_path.decode("ascii", "replace").removesuffix(suffix)
    text = raw[len(prefix) :]  # no path of the API has a character that is encoded
    return text if text.lower().startswith("pkg:") else unquote(text)


# --- the table


#: The operations of the API.
ROUTES: Final = (
    Operation(
        id="getPreflight",
        method="GET",
        path="/v1/preflight",
        summary="Whether to use a target for a purpose, and what that rests on",
        handler=get_preflight,
        parameters=(
            TARGET,
            PURPOSE,
            Parameter(name="include", description="history: add the past of the target.", values=INCLUDES),
        ),
        response=PreflightDocument,
        problems=_TARGET_PROBLEMS,
    ),
    Operation(
        id="postPreflightBatch",
        method="POST",
        path="/v1/preflight:batch",
        summary="The same about up to 1,000 targets",
        description="A target that has no answer fails alone: its entry has the problem.",
        handler=post_batch,
        body=BatchRequest,
        response=BatchDocument,
        problems=("invalid-body", "invalid-parameter", "batch-too-large", "unsupported-media-type"),
        is_kept=False,
    ),
    Operation(
        id="postEvidenceBatch",
        method="POST",
        path=evidence.PATH,
        summary="The evidence about up to 1,000 packages on PyPI and npm, which nerq scan --service scores",
        description="A target that has no answer fails alone: its entry has the problem.",
        handler=post_evidence,
        body=EvidenceQuery,
        response=EvidenceDocument,
        problems=("invalid-body", "invalid-parameter", "unsupported-media-type"),
        is_kept=False,
    ),
    Operation(
        id="getPackage",
        method="GET",
        path="/v1/packages/{purl}",
        summary="The page about a target: verdict, evidence, history, alternatives",
        description="What nerq report -f json prints.",
        handler=get_package,
        parameters=(PURL, PURPOSE),
        response=PageDocument,
        problems=_TARGET_PROBLEMS,
    ),
    Operation(
        id="getComparison",
        method="GET",
        path="/v1/compare",
        summary="Targets of one kind side by side",
        description="What nerq compare -f json prints.",
        handler=get_comparison,
        parameters=(msgspec.structs.replace(TARGET, counts=(MIN_TARGETS, MAX_TARGETS)),),
        response=CompareDocument,
        problems=(*_TARGET_PROBLEMS, "not-comparable"),
    ),
    Operation(
        id="getAlternatives",
        method="GET",
        path="/v1/alternatives",
        summary="What does the same job as a target, with scores",
        description="What nerq alternatives -f json prints.",
        handler=get_alternatives,
        parameters=(TARGET,),
        response=AlternativesDocument,
        problems=_TARGET_PROBLEMS,
    ),
    Operation(
        id="getBadge",
        method="GET",
        path="/badge/{purl}.svg",
        summary="The badge of a target, with score, grade and date",
        handler=get_badge,
        parameters=(PURL,),
        media_type="image/svg+xml",
        problems=_TARGET_PROBLEMS,
    ),
    Operation(
        id="getSchema",
        method="GET",
        path="/v1/schema",
        summary="The JSON Schema (2020-12) of a document",
        handler=get_schema,
        parameters=(
            Parameter(name="document", description="Name of the document.", values=(*_SCHEMAS,), default="preflight"),
        ),
        media_type="application/schema+json",
        problems=("invalid-parameter",),
    ),
    Operation(
        id="getOpenapi",
        method="GET",
        path="/openapi.json",
        summary="This description",
        handler=get_openapi,
        problems=("invalid-parameter",),
    ),
)
#: What the layers around the application answer.
LAYERS: Final = (
    Operation(
        id="getVersion",
        method="GET",
        path="/version",
        summary="Versions of the program and its methodologies, and the dates of its data",
        handler=None,
        response=VersionDocument,
        problems=("invalid-parameter",),
        is_kept=False,
    ),
    Operation(
        id="getHealth",
        method="GET",
        path="/healthz",
        summary="Whether the process runs; it takes no token",
        handler=None,
        is_kept=False,
        is_open=True,
    ),
    Operation(
        id="getReadiness",
        method="GET",
        path="/readyz",
        summary="Whether the service can answer: 503 while it starts or stops; it takes no token",
        handler=None,
        is_kept=False,
        is_open=True,
    ),
)


@lru_cache(maxsize=1)
def encode_openapi() -> bytes:
    """Return the description of the API as UTF-8 JSON."""
    return msgspec.json.format(msgspec.json.encode(build_openapi((*ROUTES, *LAYERS))), indent=2) + b"\n"


@lru_cache(maxsize=1)
def encode_schemas() -> dict[str, bytes]:
    """Return the schema of each document as UTF-8 JSON."""
    return {
        name: msgspec.json.format(msgspec.json.encode(build()), indent=2) + b"\n" for name, build in _SCHEMAS.items()
    }


# --- the application


def create_app(service: Service) -> Starlette:
    """Return the application of a service, which starts and closes the service with itself."""
    # before any thread builds a decoder: see nerq_cli.decoders
    encode_openapi()
    encode_schemas()

    @asynccontextmanager
    async def run_service(_app: Starlette) -> AsyncIterator[None]:
        service.start()
        try:
            yield
        finally:
            await service.close()

    app = Starlette(
        routes=[*map(_build_route, ROUTES), *pages.ROUTES],
        lifespan=run_service,
        exception_handlers={
            RequestError: _answer_request_error,
            HTTPException: _answer_http_error,
            Exception: _answer_bug,
        },
    )
    app.router.redirect_slashes = False  # a redirect would hide a wrong path, at a host that the client names
    app.state.service = service
    return app


def _build_route(operation: Operation) -> Route:
    allowed, handler = operation.parameter_names, operation.handler
    assert handler is not None  # noqa: S101 - those of layers are no routes

    async def handle(request: Request) -> Response:
        if request.scope["query_string"]:
            check_parameters(request.query_params, allowed)
        return await handler(request)

    return Route(operation.route_path, handle, methods=[operation.method], name=operation.id)


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
    log_error(error)
    content = problems.encode_problem("internal-error", f"{type(error).__name__} in the service")
    return await respond(request, content, status=500, media_type=problems.MEDIA_TYPE)
