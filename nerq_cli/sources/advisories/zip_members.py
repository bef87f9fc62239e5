"""Read the members of a zip archive in the order of its table of contents, each with one read of the file.

``zipfile`` opens a stream for each member, which takes longer than the decompression of a small one, and takes a second
for a table of contents with 200,000 members. It still reads a table of contents that is damaged or unusual, and such
members.
"""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

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

#: What follows the table of contents (APPNOTE.TXT 4.3.14 to 4.3.16): with Zip64 two records, and always the last one.
#: Of these the signature, and size and offset of the table; of the last one also the length of the comment after it.
_ZIP64_END: Final = struct.Struct("<4s36xQQ")
_ZIP64_END_SIGNATURE: Final = b"PK\x06\x06"
_LOCATOR: Final = struct.Struct("<4s16x")
_LOCATOR_SIGNATURE: Final = b"PK\x06\x07"
_END: Final = struct.Struct("<4s8xLLH")
_END_SIGNATURE: Final = b"PK\x05\x06"
#: Where the last of them states the number of members, and the value of a number that only Zip64 can state; the longest
#: comment after it, in bytes.
_COUNT: Final = slice(10, 12)
_IN_ZIP64_RECORD: Final = 0xFFFF
_MAX_COMMENT_BYTES: Final = 0xFFFF
#: An entry of the table of contents (4.3.12): signature, version needed, flags, method, CRC, both sizes, the lengths of
#: name, extra field and comment, and the offset of the member.
_ENTRY: Final = struct.Struct("<4s2xBxHH4xLLLHHH8xL")
_ENTRY_SIGNATURE: Final = b"PK\x01\x02"
#: Newest version of the format that is read, as ``zipfile`` has it, and the value of what is in a Zip64 extra field.
_MAX_VERSION: Final = 63
_IN_ZIP64_FIELD: Final = 0xFFFFFFFF
#: The extra field that holds one time and nothing else (Info-ZIP, extended timestamp).
_TIME_FIELD: Final = b"UT\x05\x00"
_TIME_FIELD_BYTES: Final = 9


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


def list_members(path: Path, suffixes: tuple[str, ...]) -> list[ZipMember]:
    """Return the members whose names end so, in any case.

    A name is in the table of contents and before the content. Where only the second one ends so, the first one is
    damaged: the member is among those returned, and reading it fails.

    Raises one of ``ZIP_ERRORS`` where the file is no archive, or its table of contents lacks members.
    """
    members = _parse_directory(*_read_directory(path)) or _list_with_library(path)
    with path.open("rb") as stream:
        _check_count(stream, len(members))
        return [
            member
            for member in members
            if member.name.lower().endswith(suffixes) or _read_name(stream, member).lower().endswith(suffixes)
        ]


def _check_count(stream: BinaryIO, count: int) -> None:
    """Compare the number of members with the one that the archive states, of which it has the last 16 bits."""
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(size - _END.size - _MAX_COMMENT_BYTES, 0))
    end = stream.read()
    stated_count = int.from_bytes(end[end.rfind(_END_SIGNATURE) :][_COUNT], "little")
    if stated_count not in (count & 0xFFFF, _IN_ZIP64_RECORD):
        raise zipfile.BadZipFile(f"{count} members of {stated_count} are in the table of contents")


def _read_name(stream: BinaryIO, member: ZipMember) -> str:
    """Return the name before the content of a member; empty where the file ends earlier."""
    stream.seek(member.offset)
    header = stream.read(_HEADER_BYTES)
    return stream.read(int.from_bytes(header[_NAME_LENGTH], "little")).decode("latin-1")


def _read_directory(path: Path) -> tuple[bytes, int]:
    """Return the table of contents and its offset; an empty one unless it is right before the end of the archive."""
    file_size = path.stat().st_size
    tail_size = _ZIP64_END.size + _LOCATOR.size + _END.size
    with path.open("rb") as stream:
        stream.seek(-min(tail_size, file_size), os.SEEK_END)
        tail = stream.read(tail_size).rjust(tail_size, b"\0")
        signature, size, start, comment_length = _END.unpack_from(tail, tail_size - _END.size)
        end = file_size - _END.size
        if tail.startswith(_LOCATOR_SIGNATURE, _ZIP64_END.size):
            zip64_signature, size, start = _ZIP64_END.unpack_from(tail)
            end = file_size - tail_size if zip64_signature == _ZIP64_END_SIGNATURE else 0
        if signature != _END_SIGNATURE or comment_length or start + size != end:
            return b"", 0
        stream.seek(start)
        return stream.read(size), start


def _parse_directory(directory: bytes, start: int) -> list[ZipMember]:
    """Return the members of a table of contents; none where it is damaged, or has anything unusual.

    Usual are members in the order of their content, with names in ASCII and no extra field but a time.
    """
    text = directory.decode("latin-1")
    names, rows = [], []
    position = 0
    try:
        while position < len(directory):
            row = _ENTRY.unpack_from(directory, position)
            *_, name_length, extra_length, comment_length, _ = row
            name_end = position + _ENTRY.size + name_length
            if extra_length and (extra_length != _TIME_FIELD_BYTES or not directory.startswith(_TIME_FIELD, name_end)):
                return []
            names.append(text[name_end - name_length : name_end])
            rows.append(row)
            position = name_end + extra_length + comment_length
    except struct.error:
        return []
    return _build_members(names, rows, start) if position == len(directory) else []


def _build_members(names: list[str], rows: list[tuple[Any, ...]], start: int) -> list[ZipMember]:
    """Return the members of a table of contents that begins at ``start``; none where one of them is unusual."""
    if not rows:
        return []
    signatures, versions, flags, methods, crcs, compressed_sizes, sizes, _, _, _, offsets = zip(*rows, strict=True)
    spaces = [end - offset for offset, end in zip(offsets, (*offsets[1:], start), strict=True)]
    all_names = "".join(names)
    if (
        set(signatures) != {_ENTRY_SIGNATURE}
        or max(versions) > _MAX_VERSION
        or max(map(max, (compressed_sizes, sizes, offsets))) == _IN_ZIP64_FIELD
        or min(spaces) <= 0
        or not all_names.isascii()
        or not all_names.isprintable()
        or "\\" in all_names
    ):
        return []
    is_compressed = [method == zipfile.ZIP_DEFLATED for method in methods]
    is_unusual = [_is_unusual(*features) for features in zip(flags, methods, strict=True)]
    columns = (names, offsets, spaces, compressed_sizes, sizes, crcs, is_compressed, is_unusual)
    return list(map(ZipMember, range(len(names)), *columns))


def _is_unusual(flags: int, method: int) -> bool:
    """Whether ``zipfile`` must read a member with these flags, compressed so."""
    return bool(flags & _UNUSUAL_FLAGS) or method not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def _list_with_library(path: Path) -> list[ZipMember]:
    with zipfile.ZipFile(path) as archive:
        ends = _find_ends(archive)
        return [
            ZipMember(
                position,
                member.filename,
                member.header_offset,
                ends[member.header_offset] - member.header_offset,
                member.compress_size,
                member.file_size,
                member.CRC,
                member.compress_type == zipfile.ZIP_DEFLATED,
                _is_unusual(member.flag_bits, member.compress_type) or member.orig_filename != member.filename,
            )
            for position, member in enumerate(archive.filelist)
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
