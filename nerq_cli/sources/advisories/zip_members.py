"""Read the members of a zip archive in the order of its table of contents, each with one read of the file.

``zipfile`` opens a stream for each member, which takes longer than the decompression of a small one. It still reads
the table of contents, and each member that is damaged or unusual.
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

#: Errors of reading a member of a zip: damage, an unsupported compression method, a password.
ZIP_ERRORS: Final = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    NotImplementedError,
    RuntimeError,
    ValueError,
)

#: The local file header (PKWARE, APPNOTE.TXT 4.3.7): its length in bytes, its signature, and where it states the
#: lengths of the name and of the extra field that follow it.
_HEADER_BYTES: Final = 30
_SIGNATURE: Final = b"PK\x03\x04"
_NAME_LENGTH: Final = slice(26, 28)
_EXTRA_LENGTH: Final = slice(28, 30)
_BUFFER_BYTES: Final = 1 << 18
#: Flags of members that are encrypted or hold patches (APPNOTE.TXT 4.4.4).
_UNUSUAL_FLAGS: Final = 0x1 | 0x20 | 0x40


class ZipMember(NamedTuple):
    """One member, as the table of contents describes it. Offsets and sizes are in bytes."""

    #: Its place in the table of contents.
    position: int
    name: str
    #: Where its header begins, and the space up to the next header; no space is that of two members.
    offset: int
    space: int
    compressed_size: int
    size: int
    crc: int
    is_compressed: bool
    #: Whether ``zipfile`` must read it.
    is_unusual: bool


def list_members(archive: zipfile.ZipFile, suffixes: tuple[str, ...]) -> list[ZipMember]:
    """Return the members whose names end so, in any case."""
    ends = _find_ends(archive)
    return [
        ZipMember(
            index,
            member.filename,
            member.header_offset,
            ends[member.header_offset] - member.header_offset,
            member.compress_size,
            member.file_size,
            member.CRC,
            member.compress_type == zipfile.ZIP_DEFLATED,
            bool(member.flag_bits & _UNUSUAL_FLAGS)
            or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
            or member.orig_filename != member.filename,
        )
        for index, member in enumerate(archive.filelist)
        if member.filename.lower().endswith(suffixes)
    ]


def _find_ends(archive: zipfile.ZipFile) -> dict[int, int]:
    """Return where the space of each member ends, by where its header begins; there is none where two begin."""
    offsets = sorted((member.header_offset for member in archive.filelist), reverse=True)
    return dict(zip(offsets, [archive.start_dir, *offsets], strict=False))


class MemberReader:
    """An archive that is open for reading; a context manager."""

    def __init__(self, path: Path, *, max_bytes: int) -> None:
        """Open an archive. Of a member at most ``max_bytes`` and one more are decompressed."""
        self._path = path
        self._max_bytes = max_bytes
        self._stream: BinaryIO = path.open("rb", buffering=_BUFFER_BYTES)
        self._archive: zipfile.ZipFile | None = None

    def __enter__(self) -> MemberReader:  # noqa: PYI034 - Python 3.10 has no Self
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        if self._archive is not None:
            self._archive.close()

    def read(self, member: ZipMember) -> bytes:
        """Return the content of a member; more than ``max_bytes`` if it has more.

        Raises one of ``ZIP_ERRORS`` where it is damaged.
        """
        content = None if member.is_unusual else self._read_directly(member)
        return self._read_with_library(member) if content is None else content

    def _read_directly(self, member: ZipMember) -> bytes | None:
        """Return the content of a member that is exactly what the table of contents states, else None."""
        if member.size > self._max_bytes or not _HEADER_BYTES <= member.space <= 2 * self._max_bytes:
            return None
        self._stream.seek(member.offset)
        block = self._stream.read(member.space)
        name_end = _HEADER_BYTES + int.from_bytes(block[_NAME_LENGTH], "little")
        start = name_end + int.from_bytes(block[_EXTRA_LENGTH], "little")
        compressed = block[start : start + member.compressed_size]
        if (
            not block.startswith(_SIGNATURE)
            or block[_HEADER_BYTES:name_end] != member.name.encode()
            or len(compressed) != member.compressed_size
        ):
            return None
        content = _decompress(compressed, member.size) if member.is_compressed else compressed
        return content if len(content) == member.size and zlib.crc32(content) == member.crc else None

    def _read_with_library(self, member: ZipMember) -> bytes:
        if self._archive is None:
            self._archive = zipfile.ZipFile(self._path)
        with self._archive.open(self._archive.filelist[member.position]) as stream:
            return stream.read(self._max_bytes + 1)


def _decompress(compressed: bytes, size: int) -> bytes:
    """Return the content, at most one byte more than ``size``; empty where it is damaged."""
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(compressed, size + 1)
    except zlib.error:
        return b""
