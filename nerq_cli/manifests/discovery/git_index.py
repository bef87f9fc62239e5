"""The files that git tracks in a work tree, by its index: an ignore rule does not apply to them."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterable
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Final, NamedTuple

from nerq_cli.manifests.discovery.gitignore import find_git_directory

#: Largest index that is read, in bytes; that of 1,000,000 files has about 100 MB.
_MAX_BYTES: Final = 256 * 1024 * 1024
_SIGNATURE: Final = b"DIRC"
_HEADER_LENGTH: Final = 12
#: Versions of the format (gitformat-index): 3 has longer entries, 4 shortens paths by their common beginning.
_VERSIONS: Final = frozenset({2, 3, 4})
_COMPRESSED_VERSION: Final = 4
#: Bytes of an entry before the id of its object; flags of two bytes follow the id.
_STATUS_LENGTH: Final = 40
_MODE_OFFSET: Final = 24
#: Lengths of ids: SHA-1 and SHA-256. The index does not state which one it has.
_ID_LENGTHS: Final = (20, 32)
#: Searches of the content that take about as long as reading its entries.
_MAX_SEARCHES: Final = 8
_FLAGS_LENGTH: Final = 2
#: The flags have the length of the path, up to this one.
_MAX_NAME_LENGTH: Final = 0xFFF
#: In the first byte of the flags: two further bytes of flags follow.
_EXTENDED_FLAG: Final = 0x40
#: Entries of versions 2 and 3 are padded to a multiple of this length, in bytes.
_ALIGNMENT: Final = 8
#: Types of an entry, in the upper bits of its mode: a directory of a sparse index, a submodule.
_TYPE_SHIFT: Final = 12
_DIRECTORY_TYPE: Final = 0o04
_SUBMODULE_TYPE: Final = 0o16
_EXTENSION_HEADER: Final = 8
#: The extension with the id of a shared index, which has most entries.
_LINK: Final = b"link"
#: The extension that states that directories may stand for their files.
_SPARSE: Final = b"sdir"


class GitIndexError(ValueError):
    """The index cannot be read; the message is the reason."""


class TrackedFiles:
    """What git tracks in one work tree. The index is read when it is asked for the first time."""

    def __init__(self, top: Path) -> None:
        """Take the top directory of the work tree, without symbolic links."""
        self._prefix = os.path.join(str(top), "")  # noqa: PTH118 - keeps the separator
        self._git = top / ".git"
        #: Why the index cannot be read; empty as long as it can. Nothing counts as tracked then.
        self.problem = ""
        self._search_count = 0

    @property
    def path(self) -> str:
        """Return the path of the index, for messages."""
        return str(self._git / "index")

    def has_file(self, path: str) -> bool:
        """Return whether a file is tracked, by its absolute path."""
        name = self._relate(path)
        entries = self._find_entries(name)
        return name in entries.files or any(name.startswith(folder) for folder in entries.sparse)

    def has_files_below(self, path: str) -> bool:
        """Return whether a file below a directory, or the directory as a submodule, is tracked."""
        name = self._relate(path)
        entries = self._find_entries(name)
        prefix = name + b"/"
        position = bisect_left(entries.sorted_files, prefix)
        return (
            name in entries.submodules
            or any(file.startswith(prefix) for file in entries.sorted_files[position : position + 1])
            or any(prefix.startswith(folder) or folder.startswith(prefix) for folder in entries.sparse)
        )

    def is_submodule(self, path: str) -> bool:
        """Return whether a directory is a submodule of the work tree."""
        name = self._relate(path)
        return name in self._find_entries(name).submodules

    def _relate(self, path: str) -> bytes:
        return os.fsencode(path.removeprefix(self._prefix).replace(os.sep, "/"))

    def _find_entries(self, name: bytes) -> _Entries:
        """Return the entries, or none if no path begins with this one.

        The first questions are answered by a search of the content, which takes less time than reading all entries.
        """
        if self.problem:
            return _NOTHING
        self._search_count += 1
        try:
            if self._search_count > _MAX_SEARCHES or any(part.may_have(name) for part in self._parts):
                return self._entries
        except GitIndexError as error:
            self.problem = str(error)
        return _NOTHING

    @cached_property
    def _parts(self) -> tuple[_Part, ...]:
        """The index, and the shared index that it is based on."""
        directory = find_git_directory(self._git)
        content = _read_file(directory / "index")
        if not content:  # nothing was ever added
            return ()
        part = _Part.read(content)
        if _LINK not in content or not (shared := part.parse()[1]):
            return (part,)
        return part, _Part.read(_read_file(directory / f"sharedindex.{shared}", is_required=True))

    @cached_property
    def _entries(self) -> _Entries:
        rows = [row for part in self._parts for row in part.parse()[0] if row[1]]
        types = {name: mode >> _TYPE_SHIFT for mode, name in rows}
        files = sorted(name for name, type_ in types.items() if type_ not in (_SUBMODULE_TYPE, _DIRECTORY_TYPE))
        return _Entries(
            frozenset(files),
            files,
            frozenset(name for name, type_ in types.items() if type_ == _SUBMODULE_TYPE),
            tuple(name for name, type_ in types.items() if type_ == _DIRECTORY_TYPE),
        )


class _Entries(NamedTuple):
    files: frozenset[bytes]
    sorted_files: list[bytes]
    submodules: frozenset[bytes]
    #: Directories of a sparse index, with a slash at the end: all below is tracked.
    sparse: tuple[bytes, ...]


_NOTHING: Final = _Entries(frozenset(), [], frozenset(), ())


class _Part(NamedTuple):
    """One file of entries."""

    content: bytes
    version: int
    entry_count: int

    @classmethod
    def read(cls, content: bytes) -> _Part:
        """Return the content with what its header states.

        Raises:
            GitIndexError: it is none of a version that is read.
        """
        version, count = int.from_bytes(content[4:8], "big"), int.from_bytes(content[8:_HEADER_LENGTH], "big")
        if content[:4] != _SIGNATURE or len(content) < _HEADER_LENGTH + _ID_LENGTHS[0]:
            raise GitIndexError("it is damaged")
        if version not in _VERSIONS:
            raise GitIndexError(f"its version {version} is not known")
        return cls(content, version, count)

    def may_have(self, name: bytes) -> bool:
        """Return False if no entry begins with a path."""
        return self.version == _COMPRESSED_VERSION or name in self.content or _SPARSE in self.content

    def parse(self) -> tuple[list[tuple[int, bytes]], str]:
        """Return mode and path of each entry, and the id of the shared index in hexadecimal digits; empty without one.

        The entries that replace those of a shared index have no path.

        Raises:
            GitIndexError: the index is damaged.
        """
        for id_length in _ID_LENGTHS:
            with suppress(IndexError, ValueError):
                rows, end = _read_entries(self, id_length)
                return rows, _read_extensions(self.content, end, id_length)
        raise GitIndexError("it is damaged")


def build_index(paths: Iterable[str]) -> bytes:
    """Return an index with these paths, relative to the top of the work tree, and nothing else about the files."""
    names = sorted(map(os.fsencode, paths))
    entries = []
    for name in names:
        entry = bytearray(_STATUS_LENGTH + _ID_LENGTHS[0] + _FLAGS_LENGTH)
        entry[_MODE_OFFSET : _MODE_OFFSET + 4] = (0o100644).to_bytes(4, "big")
        entry[-_FLAGS_LENGTH:] = min(len(name), _MAX_NAME_LENGTH).to_bytes(_FLAGS_LENGTH, "big")
        entries.append(bytes(entry) + name + bytes(_ALIGNMENT - (len(entry) + len(name)) % _ALIGNMENT))
    header = _SIGNATURE + (2).to_bytes(4, "big") + len(names).to_bytes(4, "big")
    return header + b"".join(entries) + bytes(_ID_LENGTHS[0])


def _read_file(path: Path, *, is_required: bool = False) -> bytes:
    try:
        if not path.is_file():
            if is_required:
                raise GitIndexError(f"it needs {path.name}, which is not there")
            return b""
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # the path may contain a NUL
        raise GitIndexError(f"it cannot be read: {getattr(error, 'strerror', None) or 'not a path'}") from error
    if len(content) > _MAX_BYTES:
        raise GitIndexError(f"it is larger than {_MAX_BYTES >> 20} MB")
    return content


def _read_entries(part: _Part, id_length: int) -> tuple[list[tuple[int, bytes]], int]:
    """Return mode and path of each entry, and where the last one ends.

    Raises:
        ValueError: the content has another structure.
        IndexError: it ends early.
    """
    content, position, name = part.content, _HEADER_LENGTH, b""
    rows: list[tuple[int, bytes]] = []
    for _ in range(part.entry_count):
        start = position
        mode = (content[start + _MODE_OFFSET + 2] << 8) | content[start + _MODE_OFFSET + 3]
        position += _STATUS_LENGTH + id_length + _FLAGS_LENGTH
        if content[position - _FLAGS_LENGTH] & _EXTENDED_FLAG:
            position += _FLAGS_LENGTH
        if part.version == _COMPRESSED_VERSION:
            dropped, position = _read_number(content, position)
            end = content.index(0, position)
            if dropped > len(name):
                raise ValueError("a path is shortened by more than the one before it has")
            name = name[: len(name) - dropped] + content[position:end]
            position = end + 1
        else:
            end = content.index(0, position)
            name = content[position:end]
            position = start + (end - start + _ALIGNMENT) // _ALIGNMENT * _ALIGNMENT
            if content.count(0, end, position) != position - end:
                raise ValueError("an entry is not padded with zeros")
        rows.append((mode, name))
    return rows, position


def _read_number(content: bytes, position: int) -> tuple[int, int]:
    """Return a number of the encoding of offsets in pack files, and where it ends."""
    byte = content[position]
    value = byte & 0x7F
    while byte & 0x80:
        position += 1
        byte = content[position]
        value = ((value + 1) << 7) | (byte & 0x7F)
        if value > _MAX_BYTES:
            raise ValueError("a number is too large")
    return value, position + 1


def _read_extensions(content: bytes, position: int, id_length: int) -> str:
    """Return the id of the shared index; empty without one.

    Raises:
        ValueError: what follows the entries is neither an extension nor the checksum.
    """
    shared = ""
    while position + id_length < len(content):
        name = content[position : position + 4]
        length = int.from_bytes(content[position + 4 : position + _EXTENSION_HEADER], "big")
        position += _EXTENSION_HEADER
        if not name.isalpha() or position + length + id_length > len(content):
            raise ValueError("no extension follows the entries")
        if name == _LINK:
            id_ = content[position : position + id_length]
            shared = id_.hex() if any(id_) else ""
        position += length
    if position + id_length != len(content):
        raise ValueError("the checksum is missing")
    return shared
