"""From a file on disk, or whatever stands in its place, to its text; never waiting for a pipe or a device."""

from __future__ import annotations

import codecs
import os
import re
import stat
from pathlib import Path
from typing import Final

#: Largest dependency file read, in bytes (20 MiB): far above real ones, which stay below one.
MAX_BYTES: Final = 20 * 1024 * 1024

#: Byte order marks. UTF-32's come first: the little-endian one begins with UTF-16's.
_BYTE_ORDER_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
#: A comment that names an encoding, as PEP 263 defines it and pip honours it, among a file's first two lines.
_ENCODING_COMMENT: Final = re.compile(rb"(?:[^\n]*\n)?[ \t\f]*#[^\n]*?coding[:=][ \t]*([-\w.]+)")
#: Codecs that no text file is in; slow, or given to printing warnings.
_REFUSED_CODECS: Final = frozenset({"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined"})

#: Opening a pipe that nobody writes to must not wait; systems without such a flag have no such pipes.
_FLAGS: Final = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


class CannotReadError(Exception):
    """A file cannot be read as text. The message is for the user, ``hint`` what to do; ``line`` where, 0 all of it."""

    def __init__(self, message: str, *, hint: str = "", line: int = 0) -> None:
        super().__init__(message)
        self.hint = hint
        self.line = line


def read_bytes(file: Path) -> bytes:
    """Return the bytes of a regular file.

    Raises:
        CannotReadError: it is not one, is too large, or may not be read.
    """
    try:
        _check_regular_file(file.stat())  # before it is opened: opening a device can do things
        descriptor = os.open(file, _FLAGS)
        with os.fdopen(descriptor, "rb") as stream:
            _check_regular_file(os.fstat(descriptor))  # it may be another file by now
            return require_within_limit(stream.read(MAX_BYTES + 1))
    except OSError as error:
        raise CannotReadError(f"cannot be read: {os_error_reason(error)}") from error


def is_directory(path: Path) -> bool:
    """Whether a path leads to a directory, as far as can be told."""
    try:
        return path.is_dir()
    except OSError:
        return False


def require_within_limit(data: bytes) -> bytes:
    """Return the data.

    Raises:
        CannotReadError: there is too much of it.
    """
    _check_size(len(data))
    return data


def decode_text(data: bytes) -> str:
    """Decode a dependency file: by its byte order mark, else by the encoding its first lines name, else as UTF-8.

    Raises:
        CannotReadError: the bytes are not in that encoding, or there is no such encoding.
    """
    mark, encoding = next(
        (pair for pair in _BYTE_ORDER_MARKS if data.startswith(pair[0])), (b"", _declared_encoding(data))
    )
    try:
        return data[len(mark) :].decode(encoding)
    except UnicodeError as error:
        line = data.count(b"\n", 0, getattr(error, "start", 0)) + 1
        hint = "save it as UTF-8, or name its encoding in the first line: # -*- coding: latin-1 -*-"
        raise CannotReadError(f"is not {encoding.upper()} text", hint=hint, line=line) from error


def os_error_reason(error: OSError) -> str:
    """Return the operating system's reason as a phrase."""
    return (error.strerror or str(error)).lower()


def _declared_encoding(data: bytes) -> str:
    match = _ENCODING_COMMENT.match(data)
    if match is None:
        return "utf-8"
    name = match[1].decode("ascii")
    if not _is_encoding(name):
        raise CannotReadError(f"names an encoding that is none: {name}", hint="save it as UTF-8", line=1)
    return name


def _is_encoding(name: str) -> bool:
    try:
        is_refused = codecs.lookup(name).name.replace("-", "_") in _REFUSED_CODECS
        if not is_refused:
            b"x".decode(name)
    except UnicodeError:  # one letter may be too little
        return True
    except LookupError:  # unknown, or not from bytes to text
        return False
    return not is_refused


def _check_regular_file(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = "a directory" if stat.S_ISDIR(status.st_mode) else "not a regular file"
        raise CannotReadError(f"is {kind}", hint="what comes out of a program can be read with a dash: … | nerq scan -")
    _check_size(status.st_size)


def _check_size(size: int) -> None:
    if size > MAX_BYTES:
        raise CannotReadError(f"too large: dependency files of more than {MAX_BYTES >> 20} MiB are not read")
