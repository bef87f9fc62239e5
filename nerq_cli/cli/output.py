"""Write reports to stdout and to files, and everything else to stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from nerq_cli.errors import ExitStatus, UsageError

if TYPE_CHECKING:
    from nerq_cli.report import RenderOptions
    from nerq_cli.report.model import Report


def find_format(path: Path) -> str:
    """Return the name of the format with the suffix of a file.

    Raises:
        UsageError: no format has this suffix, or the file name is that of a dependency file.
    """
    from nerq_cli.manifests.formats import detect_format
    from nerq_cli.report import FORMATS

    if detect_format(PurePosixPath(path.resolve().as_posix())):
        raise UsageError(f"{path}: the report would overwrite a dependency file", hint="choose another name")
    for name, report_format in FORMATS.items():
        if path.suffix.lower() == report_format.suffix:
            return name
    known_suffixes = ", ".join(sorted(report_format.suffix for report_format in FORMATS.values()))
    raise UsageError(
        f"{path}: no report format has the suffix {path.suffix!r}", hint=f"known suffixes: {known_suffixes}"
    )


def check_format(name: str) -> None:
    """Check the name of a format.

    Raises:
        UsageError: there is no such format.
    """
    from nerq_cli.report import FORMATS

    if name not in FORMATS:
        raise UsageError(f"{name!r} is not a report format", hint=f"known formats: {', '.join(sorted(FORMATS))}")


def write_report(report: Report, format_name: str, paths: Iterable[Path], options: RenderOptions) -> None:
    """Write a report to each path in the format of its suffix, and to stdout in the given format.

    A file is written as a whole or not at all. The options' width, colour and encoding are set here.

    Raises:
        UsageError: a file cannot be written.
    """
    from nerq_cli.report import FORMATS
    from nerq_cli.report.terminal.console import file_options, stream_options

    for path in paths:
        parts = FORMATS[find_format(path)].render_parts(report, file_options(options))
        _write_file(Path(os.path.realpath(path)), parts)
    sys.stdout.flush()
    for part in FORMATS[format_name].render_parts(report, stream_options(sys.stdout, options)):
        sys.stdout.buffer.write(part)
    sys.stdout.buffer.flush()


def _write_file(path: Path, parts: Iterable[bytes]) -> None:
    import tempfile

    try:
        if path.exists() and not path.is_file():  # a pipe, /dev/stdout
            with path.open("wb") as file:
                file.writelines(parts)
            return
        descriptor, temporary_name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.writelines(parts)
            Path(temporary_name).chmod(0o666 & ~_read_umask())
            Path(temporary_name).replace(path)
        finally:
            Path(temporary_name).unlink(missing_ok=True)
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
    """Write one line to stderr: ``warning: ...``."""
    from nerq_cli.report.sanitize import sanitize_text

    sys.stderr.write(f"{kind}: {sanitize_text(text)}\n")


def write_warnings(messages: Iterable[str]) -> None:
    """Write each message to stderr once; empty ones are left out."""
    for message in dict.fromkeys(messages):
        if message:
            write_message("warning", message)


def write_exit_reason(report: Report) -> None:
    """Write to stderr why the exit status is not 0."""
    if report.exit is not ExitStatus.PASSED:
        write_message(f"exit {report.exit.value}", report.exit_reason)


def write_incomplete(report: Report) -> None:
    """Write a warning to stderr if a run passed although not everything could be checked."""
    if report.exit is ExitStatus.PASSED and not report.complete and not report.list_only:
        advice = "" if report.strict else f"; --strict makes this exit {ExitStatus.INCOMPLETE.value}"
        write_message("warning", f"{report.exit_reason}{advice}")
