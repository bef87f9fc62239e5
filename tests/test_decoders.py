"""Decoders are built on first use, and all of them can be built."""

from __future__ import annotations

import pkgutil
import threading
import time
from typing import Any

import msgspec
import pytest

import nerq_cli
from nerq_cli.decoders import LateDecoder, build_json_decoder, build_json_decoder_late, build_msgpack_decoder_late
from tests.conftest import import_or_skip

MODULES = [module.name for module in pkgutil.walk_packages(nerq_cli.__path__, "nerq_cli.")]


def test_a_late_decoder_does_what_a_decoder_does() -> None:
    decoder = build_json_decoder_late(dict[str, int])
    assert decoder.decode(b'{"a": 1}') == {"a": 1}
    with pytest.raises(msgspec.ValidationError):
        decoder.decode(b'{"a": "b"}')
    assert build_msgpack_decoder_late(list[int]).decode(msgspec.msgpack.encode([1, 2])) == [1, 2]


@pytest.mark.parametrize("name", [name for name in MODULES if not name.endswith("__main__")])
def test_the_decoders_of_each_module_can_be_built(name: str) -> None:
    for value in vars(import_or_skip(name)).values():
        if isinstance(value, LateDecoder):
            assert callable(value.decode)


def test_one_thread_builds_a_decoder_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two that build one of the same struct make msgspec decode with a type that is not there yet, and crash."""
    building: list[int] = []
    together: list[int] = []

    class SlowDecoder:
        def __init__(self, _: Any) -> None:
            building.append(1)
            time.sleep(0.01)
            together.append(len(building))
            building.pop()

        def decode(self, text: bytes) -> bytes:
            return text

    monkeypatch.setattr(msgspec.json, "Decoder", SlowDecoder)
    monkeypatch.setattr(msgspec.msgpack, "Decoder", SlowDecoder)
    late: list[Any] = [build_json_decoder_late(list[int]) for _ in range(4)]
    late += [build_msgpack_decoder_late(list[int]) for _ in range(4)]
    threads = [threading.Thread(target=getattr, args=(decoder, "decode")) for decoder in late]
    threads += [threading.Thread(target=build_json_decoder, args=(list[int],)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == [1] * 12
