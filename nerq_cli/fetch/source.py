"""The protocol of sources: two pure functions, ``requests`` and ``parse``, and a few attributes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, Protocol, TypeVar, runtime_checkable

import msgspec

from nerq_cli.fetch.concurrency import INITIAL_CONCURRENCY, MAX_CONCURRENCY
from nerq_cli.inventory import Subject

if TYPE_CHECKING:
    from nerq_cli.fetch.rate_limits import RateLimit

S = TypeVar("S", bound=Subject)
T = TypeVar("T")


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A base URL of a service, and the credentials for it."""

    #: Without a trailing slash.
    url: str
    #: Credentials; sent to the host of ``url`` only.
    headers: Mapping[str, str] = {}
    #: Distinguishes the answers to different credentials without containing them; empty if anonymous.
    identity: str = ""
    #: Whether ``url`` is itself a simple index (PEP 503), with the packages below it, and not the root of a registry.
    is_simple_index: bool = False

    def __hash__(self) -> int:
        """Return a hash; headers have none."""
        return hash((self.url, self.identity))

    def __repr__(self) -> str:
        """Return the values without the credentials."""
        return f"Endpoint(url={self.url!r}, identity={self.identity!r})"

    @property
    def simple_url(self) -> str:
        """The address below which each Python package has its page (PEP 503)."""
        return self.url if self.is_simple_index else f"{self.url}/simple"

    @property
    def scope(self) -> str:
        """Key of stored answers: URL and identity; contains no secret."""
        address = f"{self.url}/" if self.is_simple_index else self.url
        return f"{address}#{self.identity}" if self.identity else address


def hash_credential(url: str, secret: str) -> str:
    """Return the ``identity`` of an endpoint: 48 bits of a keyed hash tell credentials apart and do not reveal them."""
    import hashlib  # takes 2 ms

    return hashlib.blake2b(secret.encode(), key=url.encode()[: hashlib.blake2b.MAX_KEY_SIZE], digest_size=6).hexdigest()


class Request(msgspec.Struct, Generic[S], frozen=True, kw_only=True):
    """One HTTP request, and the subjects that its response is about."""

    url: str
    subjects: tuple[S, ...]
    method: str = "GET"
    accept: str = "application/json"
    body: bytes | None = None
    endpoint: Endpoint
    #: Validator (ETag) of the stored answer, for a conditional request.
    validator: str = ""
    #: Whether a redirect within the host is followed.
    follows_redirects: bool = True


class ResponseNotes(NamedTuple):
    """What the headers of a response state, each shortened."""

    #: The error beside the status: headers ``X-Error-Code`` and ``X-Error-Message``.
    error_code: str = ""
    error_message: str = ""
    #: Header ``Link``, which may name the next page.
    link: str = ""
    rate_limit: RateLimit | None = None


NO_NOTES: Final = ResponseNotes()


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """A complete response with status 200-299, 304, 404, 405 or 410; a source gets no other status."""

    status: int
    body: bytes
    content_type: str = ""
    validator: str = ""
    #: URL on another host that a redirect refers to; only for a source with this status among its ``extra_statuses``.
    location: str = ""
    notes: ResponseNotes = NO_NOTES


class Source(Protocol[S, T]):
    """One kind of answer of one service. Usually a module-level constant.

    A source may also be :class:`Paged` or :class:`Divisible`, and may have these attributes:

    - ``stop_statuses``: HTTP statuses after which the run sends no more requests to it.
    - ``extra_statuses``: further HTTP statuses that ``parse`` gets, with an empty body.
    - ``time_limits``: how long a run waits for it (``TimeLimits``); by default as for a registry.
    - ``get_max_age(value)``: seconds that an answer with this value is fresh, where they differ from ``max_age``.
    - ``cooldown``: seconds without requests after it gave no usable answer. A request to such a source may take only
      part of the remaining time.
    - ``max_concurrency``: requests of this source that its host receives at a time, if it is to be asked more gently
      than ``MAX_CONCURRENCY`` allows.
    - ``initial_concurrency``: requests that its host receives at a time to begin with, if this is its first source.
    """

    #: Stable identifier, part of the cache key: ``pypi-json``.
    name: str
    #: Name that users read: ``PyPI``.
    label: str
    #: Type of the facts.
    kind: type[T]
    #: Seconds that an answer is fresh.
    max_age: int
    #: Seconds that the answer "does not exist" is fresh.
    absent_max_age: int
    #: Largest body in bytes.
    limit: int
    #: Whether some servers lack the endpoint: the first request is then sent alone.
    probe: bool

    def requests(self, subjects: Sequence[S], endpoint: Endpoint) -> Iterable[Request[S]]:
        """Yield the requests for these subjects."""
        ...

    def parse(self, request: Request[S], response: Response) -> Iterable[tuple[S, T | None]]:
        """Yield each subject and its value; None if it does not exist.

        Raises:
            ResponseError: the body is not what the service documents.
            EndpointMissingError: this server does not offer the endpoint.
        """
        ...


def has_cooldown(source: object) -> bool:
    """Whether no requests are sent to this source for a time after it gave no answer."""
    return bool(getattr(source, "cooldown", 0))


def get_max_age(source: Source[Any, T], value: T | None) -> int:
    """Return the seconds for which an answer is fresh; ``value`` None stands for "does not exist"."""
    if value is None:
        return source.absent_max_age
    compute: Callable[[T], int] | None = getattr(source, "get_max_age", None)
    return source.max_age if compute is None else compute(value)


def get_max_concurrency(source: object) -> int:
    """Return how many requests the host of this source may receive from it at a time."""
    limit: int = getattr(source, "max_concurrency", MAX_CONCURRENCY)
    return limit


def get_initial_concurrency(source: object) -> int:
    """Return how many requests the host of this source receives at a time to begin with."""
    limit: int = getattr(source, "initial_concurrency", INITIAL_CONCURRENCY)
    return limit


@runtime_checkable
class Paged(Protocol):
    """A source whose responses may be incomplete."""

    def request_more(self, request: Request[S], response: Response) -> Iterable[Request[S]]:
        """Yield the requests for the rest, about subjects that this response leaves out. Called after ``parse``."""
        ...


@runtime_checkable
class Divisible(Protocol):
    """A source whose requests can be divided if the server cannot process them."""

    def divide(self, request: Request[S], status: int) -> Sequence[Request[S]]:
        """Return smaller requests to send in place of this one; none if that does not help with the status."""
        ...
