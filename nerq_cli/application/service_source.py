"""The evidence of a nerq service as a source: what is sent, and what its answers have to be.

The documents of both sides are here: ``nerq serve`` writes what a scan with ``--service`` reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from http import HTTPStatus
from typing import Annotated, Final, TypeAlias

import msgspec

from nerq_cli.application.recording_file import Answer, Moment
from nerq_cli.decoders import build_json_decoder_late
from nerq_cli.errors import ResponseError
from nerq_cli.fetch.source import Endpoint, Request, Response
from nerq_cli.fetch.time_budget import TimeLimits
from nerq_cli.inventory import Package, Release
from nerq_cli.methodology.packages import PACKAGES
from nerq_cli.patterns import compile_late
from nerq_cli.units import HOUR

#: What evidence is asked for: a version, or a package of which no version is pinned.
Target: TypeAlias = "Package | Release"

#: Edition of the documents. Another one is not read.
FORMAT: Final = 1
#: Path of the resource below the address of a service.
PATH: Final = "/v1/evidence:batch"
#: Most targets of one request.
MAX_TARGETS: Final = 1_000
#: Most bytes of a response.
MAX_BYTES: Final = 64 << 20
#: Most seconds that the evidence about a target is used, at the service and here.
MAX_AGE: Final = HOUR
#: Name of the source in a report.
LABEL: Final = "nerq service"
#: Longest text of a problem that is shown, in characters.
_MAX_DETAIL: Final = 200
#: A number in JSON without white space that is below 0, or so large that it is no moment with a date.
_UNUSABLE_NUMBER = compile_late(rb"[:,\[]-\d|[:,\[]\d{12,}[],}.]")


class EvidenceQuery(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The body of a request."""

    #: Package URLs, with a version or without one.
    targets: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=MAX_TARGETS)]
    #: Moment of the report, in epoch seconds UTC: what became known later is left out. None for now.
    as_of: Moment | None = None
    #: Whether downloads are to be among the evidence.
    downloads: bool = False
    #: Whether the dependencies of each version, as a service resolves them, are to be among the answers.
    trees: bool = False


class TargetProblem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why there is no evidence about one target (RFC 9457)."""

    type: str = "about:blank"
    title: str = ""
    status: int = 0
    detail: str = ""


class TargetDocument(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The evidence about one target."""

    #: As it was asked for.
    target: str
    #: When the evidence was collected, and the oldest answer of it (epoch seconds UTC; 0 = none).
    as_of: Moment = 0
    oldest_answer: Moment = 0
    #: Until when it may be kept, by the clock of the service (epoch seconds UTC; 0 = not at all).
    expires_at: Moment = 0
    #: What a run asked about the target; see ``recorded_facts``.
    answers: tuple[Answer, ...] = ()
    #: JSON values by the digests that the answers state.
    values: dict[str, msgspec.Raw] = {}
    #: None if there is evidence. Of a package that its registry does not have there may be answers as well.
    problem: TargetProblem | None = None


class EvidenceDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a response."""

    format: int
    #: Version of nerq-cli at the service.
    version: str
    #: Versions of the methodologies there, by kind of target.
    methodologies: dict[str, str]
    #: When the service answered, and the oldest answer of all targets (epoch seconds UTC; 0 = none).
    as_of: Moment
    oldest_answer: Moment
    targets: tuple[TargetDocument, ...]


class ReceivedDocument(msgspec.Struct, frozen=True):
    """The evidence about one target as a service sent it."""

    document: TargetDocument
    #: Seconds that it may be kept, whatever the clock of the service shows.
    seconds_left: int = 0


class _Head(msgspec.Struct, frozen=True):
    format: int
    methodologies: dict[str, str] = {}


_HEAD = build_json_decoder_late(_Head)
_DOCUMENT = build_json_decoder_late(EvidenceDocument)


class _WholeTime(TimeLimits):
    """Lets one request take all of the time that a run has for the service."""

    @property
    def request(self) -> float:
        """For one HTTP request."""
        return 1.0


class EvidenceSource:
    """The source of ``FetchRun``, which keeps nothing itself: each document states how long it may be kept."""

    name = "nerq-evidence"
    label = LABEL
    kind = ReceivedDocument
    max_age = 0
    absent_max_age = 0
    limit = MAX_BYTES
    probe = False
    time_limits = _WholeTime(total=1.0)

    def __init__(self, *, as_of: int | None, downloads: bool, trees: bool = False) -> None:
        self._as_of = as_of
        self._downloads = downloads
        self._trees = trees

    def requests(self, subjects: Sequence[Target], endpoint: Endpoint) -> Iterator[Request[Target]]:
        """Yield one request about all of these targets, at most ``MAX_TARGETS`` of them each."""
        for start in range(0, len(subjects), MAX_TARGETS):
            targets = tuple(subjects[start : start + MAX_TARGETS])
            query = EvidenceQuery(
                targets=tuple(target.purl for target in targets),
                as_of=self._as_of,
                downloads=self._downloads,
                trees=self._trees,
            )
            yield Request(
                url=f"{endpoint.url}{PATH}",
                subjects=targets,
                method="POST",
                body=msgspec.json.encode(query),
                endpoint=endpoint,
                follows_redirects=False,
            )

    def parse(self, request: Request[Target], response: Response) -> Iterable[tuple[Target, ReceivedDocument | None]]:
        """Yield each target and the document about it.

        Raises:
            ResponseError: the response is not one of a service, or of one with other documents or scores.
        """
        if response.status != HTTPStatus.OK:
            raise ResponseError(f"HTTP {response.status}: this is no nerq service")
        try:
            head = _HEAD.decode(response.body)
            check_head(head.format, head.methodologies)
            document = _DOCUMENT.decode(response.body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise ResponseError("the answer is not one of a nerq service") from error
        documents = {
            entry.target: ReceivedDocument(entry, min(entry.expires_at - document.as_of, MAX_AGE))
            for entry in document.targets
        }
        return [(target, documents[target.purl]) for target in request.subjects if target.purl in documents]


def check_head(format_: int, methodologies: dict[str, str]) -> None:
    """Check that the evidence of a service gives the scores of this version.

    Raises:
        ResponseError: it does not.
    """
    if format_ != FORMAT:
        raise ResponseError(f"its evidence has the format {format_}, and this version reads {FORMAT}")
    methodology = methodologies.get(PACKAGES.target, "")
    if methodology != PACKAGES.version:
        shown = methodology[:_MAX_DETAIL] or "another one"
        raise ResponseError(f"its methodology is {shown}, and this version has {PACKAGES.version}")


def describe_problem(problem: TargetProblem) -> str:
    """Return why a service has no evidence about a target."""
    return (problem.detail or problem.title or f"HTTP {problem.status}")[:_MAX_DETAIL]


def has_unusable_number(value: bytes) -> bool:
    """Whether a value has a number that no fact has: below 0, or a moment after all dates."""
    return bool(_UNUSABLE_NUMBER.search(value))
