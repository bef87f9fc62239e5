"""The documents of a service in the cache of this machine: a repeated scan sends nothing while they are fresh."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

import msgspec

from nerq_cli.application.service_source import FORMAT, MAX_AGE, TargetDocument
from nerq_cli.decoders import build_json_decoder_late
from nerq_cli.methodology.packages import PACKAGES
from nerq_cli.store import Row

if TYPE_CHECKING:
    from nerq_cli.application.service_source import ReceivedDocument, Target
    from nerq_cli.fetch.source import Endpoint
    from nerq_cli.store import Cache

#: Name of the documents in the cache.
SOURCE: Final = "service"
_DOCUMENT: Final = build_json_decoder_late(TargetDocument)


def encode_document(document: TargetDocument) -> bytes:
    """Return what is kept of a document."""
    return msgspec.json.encode(document)


class DocumentCache:
    """The documents of one service, as one token gets them, for queries of one kind."""

    def __init__(
        self, cache: Cache, endpoint: Endpoint, *, as_of: int | None, downloads: bool, trees: bool, now: int
    ) -> None:
        """Choose the documents.

        Args:
            cache: has them.
            endpoint: the service, with the token.
            as_of: moment that the queries state (epoch seconds UTC); None for the present.
            downloads: whether they ask for downloads.
            trees: whether they ask for dependencies.
            now: the present, in epoch seconds UTC.
        """
        self._cache = cache
        self._scope = f"{endpoint.scope} {FORMAT}/{PACKAGES.version}/{as_of}/{downloads}/{trees}"
        self._now = now

    def read(self, targets: Iterable[Target]) -> dict[Target, TargetDocument]:
        """Return those documents that are kept and whose time is not over."""
        by_key = {target.purl: target for target in targets}
        documents: dict[Target, TargetDocument] = {}
        for key, row in self._cache.get_many(SOURCE, self._scope, [*by_key]).items():
            document = self._decode(key, row)
            if document is not None:
                documents[by_key[key]] = document
        return documents

    def _decode(self, key: str, row: Row) -> TargetDocument | None:
        is_fresh = row.fetched_at <= self._now < min(row.expires_at, row.fetched_at + MAX_AGE)
        if row.value is None or not is_fresh:
            return None
        try:
            document = _DOCUMENT.decode(row.value)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        return document if document.target == key else None

    def write(self, documents: Mapping[Target, ReceivedDocument]) -> None:
        """Keep documents for as long as the service states, and drop those whose time is over."""
        rows = {
            target.purl: Row(encode_document(received.document), self._now, self._now + received.seconds_left)
            for target, received in documents.items()
            if received.seconds_left > 0
        }
        if rows:
            self._cache.drop_expired(SOURCE, self._now)
            self._cache.put_many(SOURCE, self._scope, rows)
