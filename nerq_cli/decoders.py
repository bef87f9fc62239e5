"""Decoders that are built on first use: most commands read few of the documents that modules define.

One thread builds a decoder at a time. While msgspec collects the types of the fields of a struct, another thread that
builds a decoder of the same struct gets one in which some are still missing, and ends the process when it decodes.
"""

from __future__ import annotations

from threading import RLock
from typing import TYPE_CHECKING, Final, Generic, TypeVar, cast

if TYPE_CHECKING:
    import msgspec

T = TypeVar("T")

_BUILD_LOCK: Final = RLock()


class LateDecoder(Generic[T]):
    """Stands for a decoder of a type and has its attributes."""

    def __init__(self, codec: str, type_: type[T]) -> None:
        self._codec = codec
        self._type = type_

    def __getattr__(self, name: str) -> object:
        """Return an attribute of the decoder, and keep it, so that this is called once for each."""
        import msgspec

        with _BUILD_LOCK:
            value: object = getattr(getattr(msgspec, self._codec).Decoder(self._type), name)
        setattr(self, name, value)
        return value


def build_json_decoder(type_: type[T]) -> msgspec.json.Decoder[T]:
    """Return what ``msgspec.json.Decoder`` returns, also while other threads build decoders."""
    import msgspec

    with _BUILD_LOCK:
        return msgspec.json.Decoder(type_)


def build_json_decoder_late(type_: type[T]) -> msgspec.json.Decoder[T]:
    """Return what ``msgspec.json.Decoder`` returns, built when it is first used."""
    return cast("msgspec.json.Decoder[T]", LateDecoder("json", type_))


def build_msgpack_decoder_late(type_: type[T]) -> msgspec.msgpack.Decoder[T]:
    """Return what ``msgspec.msgpack.Decoder`` returns, built when it is first used."""
    return cast("msgspec.msgpack.Decoder[T]", LateDecoder("msgpack", type_))
