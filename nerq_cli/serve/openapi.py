"""The description of the HTTP API (OpenAPI 3.1), made from the operations that the application serves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import msgspec

from nerq_cli.insight.purpose import DEFAULT_PURPOSE, PURPOSES
from nerq_cli.serve.problems import MEDIA_TYPE, PROBLEMS, ProblemDocument, ProblemId

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    #: Answers a request.
    Handler: TypeAlias = Callable[[Request], Awaitable[Response]]

#: Version of the API, in its paths. Within it, documents and operations are only added to.
API_VERSION: Final = "1"
_REFERENCE: Final = "#/components/schemas/{name}"
#: Problems that every operation may have: of the limits of the service.
_COMMON_PROBLEMS: Final[tuple[ProblemId, ...]] = (
    "unauthorized",
    "too-many-requests",
    "internal-error",
    "busy",
    "not-ready",
    "not-received",
    "misdirected",
    "timeout",
)
#: Problems of paths that need no token.
_OPEN_PROBLEMS: Final[tuple[ProblemId, ...]] = ("not-ready",)
#: Headers of responses that clients may keep.
_CACHE_HEADERS: Final = ("ETag", "Cache-Control", "Vary")
_HEADERS: Final[Mapping[str, str]] = {
    "ETag": "Weak entity tag of evidence, methodology and moment.",
    "Cache-Control": "How long the response may be used.",
    "Vary": "Always accept-encoding.",
    "Retry-After": "Seconds after which to try again.",
}


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """A parameter of an operation."""

    name: str
    description: str
    place: Literal["query", "path"] = "query"
    required: bool = False
    #: Values it may have; empty = any text.
    values: Sequence[str] = ()
    default: str = ""
    #: Fewest and most values, of one that may be repeated; None = it may not.
    counts: tuple[int, int] | None = None
    example: str = ""


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """What a path does."""

    id: str
    method: Literal["GET", "POST"]
    #: As in OpenAPI: ``/v1/packages/{purl}``.
    path: str
    summary: str
    description: str = ""
    #: None = a layer around the application answers.
    handler: Handler | None
    parameters: tuple[Parameter, ...] = ()
    #: Type of the body; None = it has none.
    body: type[msgspec.Struct] | None = None
    #: Type of the response; None = it is no JSON of ours.
    response: type[msgspec.Struct] | None = None
    media_type: str = "application/json"
    #: Problems beside those that every operation may have.
    problems: tuple[ProblemId, ...] = ()
    #: Whether clients may keep the response.
    is_kept: bool = True
    #: Whether it needs no token and has no limits.
    is_open: bool = False

    @property
    def route_path(self) -> str:
        """The path as the router takes it: a package URL has slashes."""
        return self.path.replace("{purl}", "{purl:path}")

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """The names of the parameters in the query."""
        return tuple(item.name for item in self.parameters if item.place == "query")


TARGET: Final = Parameter(
    name="target",
    description="A package URL, or a target of nerq check: requests==2.31.0, npm:lodash, hf:owner/model, mcp:server. "
    "Without a version it is the one that would be installed today.",
    required=True,
    example="pkg:pypi/requests@2.31.0",
)
PURPOSE: Final = Parameter(
    name="for", description="What the target is to be used for.", values=PURPOSES, default=DEFAULT_PURPOSE
)
PURL: Final = Parameter(
    name="purl",
    description="A package URL. Its characters ? and # are percent-encoded once more.",
    place="path",
    required=True,
    example="pkg:npm/%40babel/core@7.24.0",
)


def build_openapi(operations: Sequence[Operation]) -> dict[str, Any]:
    """Return the description of an API. Nothing in it depends on where the service runs."""
    documents = (document for operation in operations for document in (operation.body, operation.response))
    types = dict.fromkeys((*filter(None, documents), ProblemDocument))
    _, components = msgspec.json.schema_components(types, ref_template=_REFERENCE)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _build_operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "nerq",
            "version": API_VERSION,
            "summary": "Trust scores for packages, models and MCP servers.",
            "description": "Looks scores up. Documents only gain keys within a version of their schema.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{}, {"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "headers": {name: {"description": text, "schema": {"type": "string"}} for name, text in _HEADERS.items()},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "A token of the token file."}
            },
        },
    }


def _build_operation(operation: Operation) -> dict[str, Any]:
    built: dict[str, Any] = {"operationId": operation.id, "summary": operation.summary}
    if operation.description:
        built["description"] = operation.description
    if operation.parameters:
        built["parameters"] = list(map(_build_parameter, operation.parameters))
    if operation.body is not None:
        schema = {"$ref": _REFERENCE.format(name=operation.body.__name__)}
        built["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    if operation.is_open:
        built["security"] = []
    built["responses"] = dict(_iter_responses(operation))
    return built


def _build_parameter(parameter: Parameter) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    if parameter.values:
        schema["enum"] = list(parameter.values)
    if parameter.default:
        schema["default"] = parameter.default
    if parameter.counts is not None:
        low, high = parameter.counts
        schema = {"type": "array", "items": schema, "minItems": low, "maxItems": high}
    built = {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.required,
        "description": parameter.description,
        "schema": schema,
    }
    if parameter.example:
        built["example"] = [parameter.example] if parameter.counts is not None else parameter.example
    return built


def _iter_responses(operation: Operation) -> Iterator[tuple[str, Any]]:
    schema: dict[str, Any] = (
        {"type": "string" if operation.media_type.startswith("image/") else "object"}
        if operation.response is None
        else {"$ref": _REFERENCE.format(name=operation.response.__name__)}
    )
    built: dict[str, Any] = {"description": operation.summary, "content": {operation.media_type: {"schema": schema}}}
    if operation.is_kept:
        built["headers"] = _refer_to_headers(*_CACHE_HEADERS)
    yield "200", built
    if operation.is_kept:
        yield (
            "304",
            {
                "description": "The client has the present response.",
                "headers": _refer_to_headers(*_CACHE_HEADERS),
            },
        )
    by_status: dict[int, list[ProblemId]] = {}
    common = _OPEN_PROBLEMS if operation.is_open else _COMMON_PROBLEMS
    for id_ in (*operation.problems, *common, *(("too-large",) if operation.body is not None else ())):
        by_status.setdefault(PROBLEMS[id_][0], []).append(id_)
    for status, ids in sorted(by_status.items()):
        problem: dict[str, Any] = {
            "description": "; ".join(f"{PROBLEMS[id_][1]} (urn:nerq:problem:{id_})" for id_ in dict.fromkeys(ids)),
            "content": {MEDIA_TYPE: {"schema": {"$ref": _REFERENCE.format(name=ProblemDocument.__name__)}}},
        }
        if status in (429, 503):
            problem["headers"] = _refer_to_headers("Retry-After")
        yield str(status), problem


def _refer_to_headers(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
