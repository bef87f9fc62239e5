"""Reads the text of a file, bounded in size. Pipes and devices are refused."""

from __future__ import annotations

import codecs
import os
import stat
from pathlib import Path
from typing import Final

from nerq_cli.patterns import compile_late
from nerq_cli.problem import ProblemLevel

#: Largest dependency file read, in bytes (20 MiB). Real ones are below 1 MiB.
MAX_BYTES: Final = 20 * 1024 * 1024

#: Byte order marks. UTF-32 comes first: its little-endian mark begins with that of UTF-16.
_BYTE_ORDER_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
#: A comment with an encoding in the first two lines (PEP 263, which pip follows).
_ENCODING_COMMENT: Final = compile_late(rb"(?:[^\n]*\n)?[ \t\f]*#[^\n]*?coding[:=][ \t]*([-\w.]+)")
#: Codecs that are not text encodings, are slow or print warnings.
_REFUSED_CODECS: Final = frozenset({"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined"})

#: O_NONBLOCK: opening a pipe without a writer must not block. Systems without the flag have no such pipes.
_FLAGS: Final = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


class CannotReadError(Exception):
    """A file cannot be read as text. The message is for the user; ``line`` 0 means the whole file."""

    def __init__(self, message: str, *, hint: str = "", line: int = 0, level: ProblemLevel = "error") -> None:
        super().__init__(message)
        self.hint = hint
        self.line = line
        self.level = level


def read_bytes(file: Path) -> bytes:
    """Return the bytes of a regular file.

    Raises:
        CannotReadError: it is not a regular file, is too large, or is not readable.
    """
    try:
        _check_regular_file(file.stat())  # before opening: opening a device can have effects
        descriptor = os.open(file, _FLAGS)
        with os.fdopen(descriptor, "rb") as stream:
            _check_regular_file(os.fstat(descriptor))  # the path may lead to another file by now
            return require_within_limit(stream.read(MAX_BYTES + 1))
    except FileNotFoundError as error:
        level: ProblemLevel = "incomplete" if os.path.islink(file) else "error"  # noqa: PTH114 - never raises
        raise CannotReadError(f"cannot be read: {os_error_reason(error)}", level=level) from error
    except OSError as error:
        raise CannotReadError(f"cannot be read: {os_error_reason(error)}") from error


def is_directory(path: Path) -> bool:
    """Whether a path is a directory; False if it cannot be determined."""
    try:
        return path.is_dir()
    except OSError:
        return False


def require_within_limit(data: bytes) -> bytes:
    """Return the data unchanged.

    Raises:
        CannotReadError: it is longer than `MAX_BYTES`.
    """
    _check_size(len(data))
    return data


def decode_text(data: bytes, *, suggest_comment: bool = False) -> str:
    """Return the text of a file: by its byte order mark, else by the encoding in its first lines, else as UTF-8.

    With ``suggest_comment``, the hint of an error names the comment that states an encoding.

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
        hint = "save it as UTF-8"
        if suggest_comment:
            hint += ", or name its encoding in the first line: # -*- coding: latin-1 -*-"
        raise CannotReadError(f"is not {encoding.upper()} text", hint=hint, line=line) from error


def os_error_reason(error: OSError) -> str:
    """Return the reason of the operating system in lower case."""
    return (error.strerror or str(error)).lower()


def _declared_encoding(data: bytes) -> str:
    match = _ENCODING_COMMENT.match(data)
    if match is None:
        return "utf-8"
    name = match[1].decode("ascii")
    if not _is_encoding(name):
        raise CannotReadError(f"names an unknown encoding: {name}", hint="save it as UTF-8", line=1)
    return name


def _is_encoding(name: str) -> bool:
    try:
        is_refused = codecs.lookup(name).name.replace("-", "_") in _REFUSED_CODECS
        if not is_refused:
            b"x".decode(name)
    except UnicodeError:  # one byte may be too short
        return True
    except LookupError:  # unknown, or not a text encoding
        return False
    return not is_refused


def _check_regular_file(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = "a directory" if stat.S_ISDIR(status.st_mode) else "not a regular file"
        raise CannotReadError(f"is {kind}", hint="to read the output of a program: … | nerq scan -")
    _check_size(status.st_size)


def _check_size(size: int) -> None:
    if size > MAX_BYTES:
        raise CannotReadError(f"too large: dependency files of more than {MAX_BYTES >> 20} MiB are not read")
