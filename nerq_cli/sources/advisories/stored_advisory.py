"""Advisories as the database keeps them."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from nerq_cli.decoders import build_msgpack_decoder_late
from nerq_cli.facts import Advisory

_ENCODER = msgspec.msgpack.Encoder()
_DECODER = build_msgpack_decoder_late(Advisory)


def encode_advisory(advisory: Advisory) -> bytes:
    """Return a record as it is stored."""
    return _ENCODER.encode(advisory)


def decode_advisories(encoded_advisories: Iterable[bytes]) -> tuple[Advisory, ...]:
    """Decode stored records; damaged ones are skipped."""
    return tuple(
        advisory
        for encoded_advisory in encoded_advisories
        if (advisory := _decode_advisory(encoded_advisory)) is not None
    )


def _decode_advisory(encoded_advisory: bytes) -> Advisory | None:
    try:
        return _DECODER.decode(encoded_advisory)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
