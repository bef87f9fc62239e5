"""A JSON report inside of an HTML page.

It is the content of a script element whose type no browser runs: the report with its long lists as columns, compressed
by gzip, in Base64. So it has no character that HTML could take for markup, and 2,000 dependencies take a third of a MB.
"""

from __future__ import annotations

import binascii
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterable
from typing import Final

import msgspec

from nerq_cli.decoders import build_json_decoder
from nerq_cli.patterns import compile_late
from nerq_cli.report.columns import Column, unpack_rows

#: Value of the attribute ``id`` of the element.
ELEMENT_ID: Final = "nerq-report"
#: Bytes of the largest packed report that is read: one of 100,000 dependencies has 150 MB.
SIZE_LIMIT: Final = 512 * 1024 * 1024
_START: Final = f'<script type="application/gzip" id="{ELEMENT_ID}">'
_END: Final = "</script>"
_ELEMENT: Final = compile_late(f"{_START}([^<]*){_END}".encode())
#: Level of compression: 6 takes 2.4 times as long for 13 % less.
_LEVEL: Final = 3
#: Window of zlib with the header and the checksum of gzip.
_GZIP: Final = 16 + zlib.MAX_WBITS


class _Block(msgspec.Struct, frozen=True):
    #: Number of rows.
    count: int
    column: Column


class _PackedReport(msgspec.Struct, frozen=True):
    #: Without what is in ``lists``.
    document: dict[str, object]
    #: By key of the document.
    lists: dict[str, list[_Block]]


_DECODER: Final = build_json_decoder(_PackedReport)


def embed_report(parts: Iterable[bytes]) -> str:
    """Return the element that holds a packed JSON report, given its parts.

    The header of gzip has no time: the same report gives the same element.
    """
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    compressed = b"".join([*map(compressor.compress, parts), compressor.flush()])
    return f"{_START}{b64encode(compressed).decode()}{_END}"


def extract_report(page: bytes) -> bytes:
    """Return the JSON report that an HTML page of nerq-cli holds: the value that ``--format json`` writes.

    Raises:
        ValueError: the page holds no report, or one that is damaged or larger than ``SIZE_LIMIT``.
    """
    element = _ELEMENT.search(page)
    if element is None:
        raise ValueError("it holds no report of nerq-cli")
    decompressor = zlib.decompressobj(_GZIP)
    try:
        packed_report = decompressor.decompress(b64decode(element[1], validate=True), SIZE_LIMIT)
        if len(packed_report) == SIZE_LIMIT:
            raise ValueError("the report that it holds is too large")
        if not decompressor.eof:
            raise ValueError("the report that it holds is not complete")
        packed = _DECODER.decode(packed_report)
        lists = {
            key: [row for block in blocks for row in unpack_rows(block.column, block.count)]
            for key, blocks in packed.lists.items()
        }
    except (binascii.Error, zlib.error, msgspec.DecodeError, RecursionError) as error:
        raise ValueError("the report that it holds is damaged") from error
    return msgspec.json.encode({**packed.document, **lists})
