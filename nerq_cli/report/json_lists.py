"""JSON documents with long lists, written element by element: the whole would be several times as large in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec


def write_document(
    document: Mapping[str, Any], lists: Mapping[str, Iterable[bytes]], *, compact: bool
) -> Iterator[bytes]:
    """Yield a document with these encoded elements in the place of its empty lists, which are named in its order.

    No text within the document equals a key with its quotes, because those would be escaped.
    """
    text = msgspec.json.encode(document)
    if not compact:
        text = msgspec.json.format(text, indent=2)
    for key, elements in lists.items():
        start = f',"{key}":[' if compact else f'\n  "{key}": ['
        position = text.index(f"{start}]".encode()) + len(start)
        yield text[:position]
        text = text[position:]
        separator = b""
        for element in elements:
            if compact:
                yield separator + element
            else:
                yield separator + b"\n    " + msgspec.json.format(element, indent=2).replace(b"\n", b"\n    ")
            separator = b","
        if separator and not compact:
            yield b"\n  "
    yield text + b"\n"
