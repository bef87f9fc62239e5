"""Problem documents (RFC 9457): what a request that cannot be answered gets."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from nerq_cli.report.pages.document import build_schema_of, clean

MEDIA_TYPE: Final = "application/problem+json"

#: What went wrong. Ids do not change: clients decide by them.
ProblemId: TypeAlias = Literal[
    "ambiguous-target",
    "batch-too-large",
    "busy",
    "internal-error",
    "invalid-body",
    "invalid-parameter",
    "invalid-target",
    "method-not-allowed",
    "no-answer",
    "no-such-path",
    "no-such-target",
    "not-comparable",
    "not-looked-up",
    "not-ready",
    "not-received",
    "too-large",
    "unauthorized",
    "unsupported-media-type",
    "too-many-requests",
    "timeout",
    "misdirected",
    "bad-request",
    "headers-too-large",
    "uri-too-long",
]
#: Status and title of each problem.
PROBLEMS: Final[Mapping[ProblemId, tuple[int, str]]] = MappingProxyType(
    {
        "ambiguous-target": (300, "The name may be several targets"),
        "batch-too-large": (413, "The batch has too many targets"),
        "busy": (503, "The service has too much to do"),
        "internal-error": (500, "The request failed by an error of the service"),
        "invalid-body": (400, "The body of the request is not valid"),
        "invalid-parameter": (400, "A parameter of the request is not valid"),
        "invalid-target": (400, "The target names no package, model or server"),
        "method-not-allowed": (405, "The path does not take this method"),
        "no-answer": (503, "No source answered about the target"),
        "no-such-path": (404, "There is no such path"),
        "no-such-target": (404, "There is no such target"),
        "not-comparable": (400, "The targets cannot be compared"),
        "not-looked-up": (422, "The name of the target may not leave this machine"),
        "not-ready": (503, "The service takes no requests"),
        "not-received": (408, "The request was not received in time"),
        "too-large": (413, "The request is too large"),
        "unauthorized": (401, "The request needs a valid token"),
        "unsupported-media-type": (415, "The body of the request is of another type"),
        "too-many-requests": (429, "The client sends too many requests"),
        "timeout": (504, "The answer took too long"),
        "misdirected": (421, "The service does not answer for this host"),
        "bad-request": (400, "The request is not valid"),
        "headers-too-large": (431, "The headers of the request are too large"),
        "uri-too-long": (414, "The address of the request is too long"),
    }
)


class ProblemCandidate(msgspec.Struct, frozen=True):
    """What an ambiguous name may be."""

    target: Annotated[str, Meta(description="What to ask for.")]
    purl: Annotated[str | None, Meta(description="Null for an MCP server.")]
    href: Annotated[str, Meta(description="Path of the same request about this candidate.")]
    exists: Annotated[bool | None, Meta(description="Null if its registry did not answer.")]


class ProblemDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Why a request has no answer (RFC 9457)."""

    type: Annotated[str, Meta(description="urn:nerq:problem: and the id of the problem.")]
    title: str
    status: Annotated[int, Meta(ge=300, le=599)]
    detail: str
    hint: Annotated[str | UnsetType, Meta(description="What the client can try.")] = UNSET
    target: Annotated[str | UnsetType, Meta(description="The target that the problem is about.")] = UNSET
    candidates: Annotated[list[ProblemCandidate] | UnsetType, Meta(description="Of an ambiguous name.")] = UNSET


class RequestError(Exception):
    """A request that gets a problem document."""

    def __init__(self, id_: ProblemId, detail: str, *, hint: str = "", retry_after: int = 0) -> None:
        super().__init__(detail)
        self.id = id_
        self.detail = detail
        self.hint = hint
        #: Seconds after which the client may try again; 0 = not stated.
        self.retry_after = retry_after

    @property
    def status(self) -> int:
        """The status of the response."""
        return PROBLEMS[self.id][0]


def build_problem(
    id_: ProblemId,
    detail: str,
    *,
    hint: str = "",
    target: str = "",
    candidates: list[ProblemCandidate] | None = None,
) -> ProblemDocument:
    """Return a problem document. Texts are cut and freed of control characters."""
    status, title = PROBLEMS[id_]
    return ProblemDocument(
        type=f"urn:nerq:problem:{id_}",
        title=title,
        status=status,
        detail=clean(detail),
        hint=clean(hint) or UNSET,
        target=clean(target) or UNSET,
        candidates=candidates or UNSET,
    )


def encode_problem(id_: ProblemId, detail: str, *, hint: str = "", target: str = "") -> bytes:
    """Return a problem document as UTF-8 JSON."""
    return msgspec.json.encode(build_problem(id_, detail, hint=hint, target=target))


def find_problem_id(status: int) -> ProblemId:
    """Return the problem that stands for an HTTP status that a library chose."""
    by_status: dict[int, ProblemId] = {404: "no-such-path", 405: "method-not-allowed", 413: "too-large"}
    if status in by_status:
        return by_status[status]
    return "bad-request" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "internal-error"


def build_schema() -> dict[str, object]:
    """Return the JSON Schema (2020-12) of the document."""
    return build_schema_of(ProblemDocument)
