"""What it takes to be a source: say what to ask, and read what comes back. Two pure functions and a few facts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar, runtime_checkable

from nerq_cli.inventory import Subject

S = TypeVar("S", bound=Subject)
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A base address of a service, and who we are there.

    ``url`` has no trailing slash. ``headers`` carry credentials and are sent to this host only; ``identity`` tells
    apart what different credentials were answered (empty for anonymous) without containing any of them.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    identity: str = ""

    @property
    def scope(self) -> str:
        """What cached answers are filed under: the address and the identity, never a secret."""
        return f"{self.url}#{self.identity}" if self.identity else self.url


@dataclass(frozen=True, slots=True, kw_only=True)
class Request(Generic[S]):
    """One HTTP request, and the subjects its answer will speak about."""

    url: str
    subjects: tuple[S, ...]
    method: str = "GET"
    accept: str = "application/json"
    body: bytes | None = None
    endpoint: Endpoint
    #: Validator (ETag) of an answer already held, for a conditional request.
    validator: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A response that arrived whole: status 200-299, 304, 404, 405 or 410. Other statuses never reach a source."""

    status: int
    body: bytes
    content_type: str = ""
    validator: str = ""


class Source(Protocol[S, T]):
    """One thing that can be asked of one service. A module-level constant in the module that knows the service.

    A source may also be :class:`Paged` or :class:`Divisible`, and may have more attributes. Two are frozensets of HTTP
    statuses: ``stops`` (after one of these nothing more is asked there in this run) and ``reads`` (handed to ``parse``
    with an empty body, beside those that every source reads). ``cooldown`` says that a program can do without it: for so
    many seconds after it gave no answer that makes sense it is left alone, and no question takes most of the time.
    """

    #: Stable identifier, part of the cache key: ``pypi-json``.
    name: str
    #: What people read: ``PyPI``.
    label: str
    #: The type of the facts, as the store keeps them.
    kind: type[T]
    #: Seconds an answer, and an absence, stay fresh.
    fresh: int
    absent_fresh: int
    #: Largest body read, in bytes.
    limit: int
    #: Whether servers are known to lack this endpoint: then the first question is asked alone.
    probe: bool

    def requests(self, subjects: Sequence[S], endpoint: Endpoint) -> Iterable[Request[S]]:
        """Say what to ask about these subjects."""
        ...

    def parse(self, request: Request[S], response: Response) -> Iterable[tuple[S, T | None]]:
        """Pair each subject with what was said of it; None says the source knows no such thing.

        Raises:
            AnswerError: the body is not what the service documents.
            EndpointMissingError: this server does not offer the endpoint.
        """
        ...


def is_optional(source: object) -> bool:
    """Whether a run can do without what this source says."""
    return bool(getattr(source, "cooldown", 0))


@runtime_checkable
class Paged(Protocol):
    """A source whose answers may stop in the middle."""

    def more(self, request: Request[S], response: Response) -> Iterable[Request[S]]:
        """Say what to ask for the rest, about subjects that this answer leaves out. Called after ``read``."""
        ...


@runtime_checkable
class Divisible(Protocol):
    """A source whose questions can be put in smaller pieces when a server does not manage them as a whole."""

    def divide(self, request: Request[S], status: int) -> Sequence[Request[S]]:
        """Return smaller questions to put at once in place of this one; none where that is no remedy for the status."""
        ...
