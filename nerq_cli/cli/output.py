"""Where reports go: stdout, and the files that ``--output`` names. Everything else goes to stderr."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from nerq_cli.errors import UsageError

if TYPE_CHECKING:
    from nerq_cli.report import RenderOptions
    from nerq_cli.report.model import Report


def find_format(path: Path) -> str:
    """Return the format that a file name's suffix asks for.

    Raises:
        UsageError: no format has that suffix, or the name is that of a dependency file.
    """
    from nerq_cli.manifests.formats import detect_format as reader_of
    from nerq_cli.report import FORMATS

    if reader_of(PurePosixPath(path.resolve().as_posix())):
        raise UsageError(f"{path}: a report would take the place of a dependency file", hint="choose another name")
    for name, report_format in FORMATS.items():
        if path.suffix.lower() == report_format.suffix:
            return name
    known_suffixes = ", ".join(sorted(report_format.suffix for report_format in FORMATS.values()))
    raise UsageError(
        f"{path}: no report format has the suffix {path.suffix!r}", hint=f"known suffixes: {known_suffixes}"
    )


def check_format(name: str) -> str:
    """Return the format's name if there is one.

    Raises:
        UsageError: there is none.
    """
    from nerq_cli.report import FORMATS

    if name not in FORMATS:
        raise UsageError(f"{name!r} is not a report format", hint=f"known formats: {', '.join(sorted(FORMATS))}")
    return name


def write_report(report: Report, format_name: str, paths: Iterable[Path], options: RenderOptions) -> None:
    """Write a report to each path in the format of its suffix, and to stdout in the format named.

    A file is written as a whole or not at all. The options' width, colour and encoding are set here.

    Raises:
        UsageError: a file cannot be written.
    """
    from nerq_cli.report import FORMATS
    from nerq_cli.report.terminal.console import file_options, stream_options

    for path in paths:
        content = FORMATS[find_format(path)].render(report, file_options(options))
        _write_file(Path(os.path.realpath(path)), content)
    content = FORMATS[format_name].render(report, stream_options(sys.stdout, options))
    sys.stdout.flush()
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def _write_file(path: Path, content: bytes) -> None:
    try:
        if path.exists() and not path.is_file():  # a pipe, /dev/stdout
            path.write_bytes(content)
            return
        descriptor, temporary_name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(temporary_name).chmod(0o666 & ~_read_umask())
        Path(temporary_name).replace(path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from error


def _read_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def format_time(timestamp: int) -> str:
    """Return a time in epoch seconds as ISO 8601 in UTC."""
    from datetime import datetime, timezone

    return datetime.fromtimestamp(timestamp, timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")


def write_message(kind: str, text: str) -> None:
    """Write one line to stderr: ``warning: …``."""
    sys.stderr.write(f"{kind}: {text}\n")


def write_warnings(messages: Iterable[str]) -> None:
    """Say each of these on stderr, once."""
    for message in dict.fromkeys(messages):
        if message:
            write_message("warning", message)
