"""Documents about one or several targets beside preflights: made by a worker thread, and kept for a while."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec

from nerq_cli.application.session import read_clock
from nerq_cli.errors import NerqError, UsageError
from nerq_cli.serve.assess import Lifetimes
from nerq_cli.serve.engine import Lane, read_error
from nerq_cli.serve.error_log import explain_error
from nerq_cli.serve.problems import RequestError

if TYPE_CHECKING:
    from nerq_cli.application.session import Session
    from nerq_cli.serve.engine import Engine

_DIGEST_SIZE: Final = 12
#: Bytes of objects beside the text of a document, about.
_OVERHEAD: Final = 4_000


class Made(msgspec.Struct, frozen=True):
    """What a worker thread makes."""

    #: The document as UTF-8 JSON.
    content: bytes
    #: Whether all sources answered.
    complete: bool
    #: What the document was made from, for pages.
    report: Any = None


class KeptDocument(msgspec.Struct, frozen=True):
    """A document that is ready to be sent."""

    content: bytes
    #: Identifies the content.
    digest: str
    #: Until when it may be used (epoch seconds UTC).
    expires_at: int
    complete: bool
    report: Any = None


class Documents:
    """The documents that were used last. Equal ones are made once. For one thread: the event loop."""

    def __init__(self, engine: Engine, lifetimes: Lifetimes, max_bytes: int) -> None:
        self._engine = engine
        self._lifetimes = lifetimes
        self._max_bytes = max_bytes
        self._bytes = 0
        self._kept: OrderedDict[str, KeptDocument] = OrderedDict()
        self._futures: dict[str, asyncio.Future[KeptDocument]] = {}

    async def find(self, key: str, make: Callable[[Session], Made], *, lane: Lane = "slow") -> KeptDocument:
        """Return a document: the one that is kept under a key, else what a function makes in a worker thread.

        Raises:
            RequestError: it cannot be made.
        """
        kept = self._kept.get(key)
        if kept is not None and kept.expires_at > read_clock():
            self._kept.move_to_end(key)
            return kept
        future = self._futures.get(key)
        if future is None:
            future = self._futures[key] = asyncio.ensure_future(self._make(key, make, lane))
            future.add_done_callback(read_error)
        return await asyncio.shield(future)

    async def _make(self, key: str, make: Callable[[Session], Made], lane: Lane) -> KeptDocument:
        from hashlib import blake2b

        try:
            made = await self._engine.run(make, lane=lane)
        except UsageError as error:
            raise RequestError("not-comparable", str(error), hint=error.hint) from error
        except NerqError as error:
            retry_after = self._lifetimes.incomplete
            raise RequestError("no-answer", explain_error(error), retry_after=retry_after) from error
        finally:
            del self._futures[key]
        kept = KeptDocument(
            made.content,
            blake2b(made.content, digest_size=_DIGEST_SIZE).hexdigest(),
            self._lifetimes.find_end(read_clock(), is_whole=made.complete),
            made.complete,
            made.report,
        )
        self._put(key, kept)
        return kept

    def _put(self, key: str, kept: KeptDocument) -> None:
        self._remove(key)
        self._kept[key] = kept
        self._bytes += _OVERHEAD + len(kept.content)
        while self._bytes > self._max_bytes and len(self._kept) > 1:
            self._remove(next(iter(self._kept)))

    def _remove(self, key: str) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self._bytes -= _OVERHEAD + len(kept.content)
