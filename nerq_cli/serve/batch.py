"""The documents of a batch of preflights: the request, and the response."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from nerq_cli.decoders import build_json_decoder_late
from nerq_cli.insight.purpose import DEFAULT_PURPOSE, Purpose
from nerq_cli.report.pages.document import build_schema_of
from nerq_cli.serve.answers import Answer
from nerq_cli.serve.engine import MAX_BATCH
from nerq_cli.serve.preflight import PreflightDocument
from nerq_cli.serve.problems import ProblemDocument, RequestError

#: Version of the schema of the response.
SCHEMA_VERSION: Final = 1


class BatchRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"purpose": "for"}):
    """What is asked about many targets at once."""

    targets: Annotated[list[str], Meta(min_length=1, description=f"As in a preflight; up to {MAX_BATCH:,}.")]
    purpose: Annotated[Purpose, Meta(description="What they are to be used for.")] = DEFAULT_PURPOSE


class BatchEntry(msgspec.Struct, frozen=True):
    """The answer about one target: it has either a preflight or a problem."""

    target: Annotated[str, Meta(description="As it was sent.")]
    status: Annotated[int, Meta(description="Status that the target alone would have.")]
    preflight: PreflightDocument | UnsetType = UNSET
    problem: ProblemDocument | UnsetType = UNSET


class BatchDocument(msgspec.Struct, frozen=True):
    """The answers about many targets. Within a schema version keys are only added."""

    schema_version: Literal[1]
    purpose: Purpose
    complete: Annotated[bool, Meta(description="Whether all sources answered about all targets.")]
    results: Annotated[list[BatchEntry], Meta(description="In the order of the request.")]


_DECODER: Final = build_json_decoder_late(BatchRequest)


def parse_request(content: bytes) -> BatchRequest:
    """Return the request of a batch.

    Raises:
        RequestError: it is not valid, or has too many targets.
    """
    try:
        request = _DECODER.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        hint = '{"targets": ["pkg:pypi/requests@2.31.0"], "for": "production"}'
        raise RequestError("invalid-body", f"the body is no batch: {error}", hint=f"send {hint}") from error
    if len(request.targets) > MAX_BATCH:
        detail = f"the batch has {len(request.targets):,} targets, and {MAX_BATCH:,} are allowed"
        raise RequestError("batch-too-large", detail, hint="send several batches")
    return request


def encode_batch(texts: Sequence[str], answers: Sequence[Answer], purpose: Purpose) -> bytes:
    """Return the response to a batch as UTF-8 JSON.

    Args:
        texts: The targets as they were sent.
        answers: Of each its answer.
        purpose: What was asked about.
    """
    head = b'{"schema_version":1,"purpose":"%b","complete":%b,"results":[' % (
        purpose.encode(),
        b"true" if all(answer.complete for answer in answers) else b"false",
    )
    return b"".join((head, b",".join(_encode_entries(texts, answers, purpose)), b"]}"))


def _encode_entries(texts: Sequence[str], answers: Sequence[Answer], purpose: Purpose) -> Iterator[bytes]:
    for text, answer in zip(texts, answers, strict=True):
        name = b"preflight" if answer.is_preflight else b"problem"
        target = msgspec.json.encode(text)
        yield b'{"target":%b,"status":%d,"%b":%b}' % (target, answer.status, name, answer.get_body(purpose))


def build_schema() -> dict[str, object]:
    """Return the JSON Schema (2020-12) of the response."""
    return build_schema_of(BatchDocument)
