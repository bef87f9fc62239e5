"""Signals in little memory: those of most dependencies are never shown."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import overload

import msgspec

from nerq_cli.signals.signal import Signal


class PackedSignals(Sequence[Signal]):
    """A sequence of signals that is decoded each time it is read. A fifth of the memory; 20 microseconds to read 25."""

    __slots__ = ("content",)

    def __init__(self, content: bytes) -> None:
        #: What :func:`pack_signals` returns.
        self.content = content

    def __iter__(self) -> Iterator[Signal]:
        return iter(_unpack(self.content))

    def __len__(self) -> int:
        return len(_unpack(self.content))

    @overload
    def __getitem__(self, index: int) -> Signal: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Signal]: ...
    def __getitem__(self, index: int | slice) -> Signal | Sequence[Signal]:
        return _unpack(self.content)[index]

    def __eq__(self, other: object) -> bool:
        return tuple(self) == tuple(other) if isinstance(other, Sequence) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self))


def pack_signals(signals: Iterable[Signal]) -> bytes:
    """Return the signals as the content of :class:`PackedSignals`."""
    return zlib.compress(msgspec.msgpack.encode(tuple(signals)), 1)


# A report reads the signals of one dependency several times before it turns to the next.
@lru_cache(maxsize=1)
def _unpack(content: bytes) -> tuple[Signal, ...]:
    return _build_decoder().decode(zlib.decompress(content))


@lru_cache(maxsize=1)
def _build_decoder() -> msgspec.msgpack.Decoder[tuple[Signal, ...]]:
    return msgspec.msgpack.Decoder(tuple[Signal, ...])
