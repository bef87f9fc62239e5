"""Decoders are built on first use, and all of them can be built."""

from __future__ import annotations

import importlib

import msgspec
import pytest

from nerq_cli.decoders import LateDecoder, build_json_decoder_late, build_msgpack_decoder_late
from tests.test_patterns import MODULES


def test_a_late_decoder_does_what_a_decoder_does() -> None:
    decoder = build_json_decoder_late(dict[str, int])
    assert decoder.decode(b'{"a": 1}') == {"a": 1}
    with pytest.raises(msgspec.ValidationError):
        decoder.decode(b'{"a": "b"}')
    assert build_msgpack_decoder_late(list[int]).decode(msgspec.msgpack.encode([1, 2])) == [1, 2]


@pytest.mark.parametrize("name", [name for name in MODULES if not name.endswith("__main__")])
def test_the_decoders_of_each_module_can_be_built(name: str) -> None:
    for value in vars(importlib.import_module(name)).values():
        if isinstance(value, LateDecoder):
            assert callable(value.decode)
