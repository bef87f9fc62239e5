"""Write reports to stdout and to files, and everything else to stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final, NamedTuple

from nerq_cli.cli.stdout import write_stdout_parts
from nerq_cli.errors import ExitStatus, UsageError
from nerq_cli.garbage import pause_garbage_collection

if TYPE_CHECKING:
    from nerq_cli.report import RenderOptions
    from nerq_cli.report.model import Report


class Output(NamedTuple):
    """A file that a report is written to."""

    #: Name of the format.
    format: str
    path: Path


def parse_output(text: str) -> Output:
    """Return what ``--output`` states: ``report.sarif``, or ``FORMAT=FILE`` for another name or a format without one.

    Raises:
        UsageError: no format has this suffix, or the file is one that no report may overwrite.
    """
    from nerq_cli.report import FORMATS, find_format_by_suffix

    for separator in "=:":
        name, found, file_name = text.partition(separator)
        if found and name in FORMATS:
            if not file_name:
                raise UsageError(f"{text}: no file is named", hint=f"write {name}{separator}FILE")
            return _check_output(Output(name, Path(file_name)))
    if text == _STDOUT:
        check_target(Path(text))
    report_format = find_format_by_suffix(Path(text).name)
    if report_format is None:
        suffixes = sorted(suffix for known_format in FORMATS.values() for suffix in known_format.suffixes)
        raise UsageError(
            f"{text}: no report format has the suffix {Path(text).suffix!r}",
            hint=f"known suffixes: {', '.join(suffixes)}; or name the format: -o FORMAT=FILE",
        )
    return _check_output(Output(report_format.name, Path(text)))


def _check_output(output: Output) -> Output:
    """Return the output if its file may be written."""
    check_target(output.path)
    return output


def check_target(path: Path) -> None:
    """Check that no file of a project would be overwritten which is not nerq-cli's own, by the name of the file.

    Raises:
        UsageError: it is ``-``, a dependency file, an SBOM of another program, a file of settings, or one of git.
    """
    from nerq_cli.application.settings_files import is_settings_file
    from nerq_cli.manifests.formats import detect_format, is_sbom_name

    if str(path) == _STDOUT:
        raise UsageError(f"{_STDOUT} is no name of a file", hint="without a file, --format FORMAT prints on stdout")
    real_path = PurePosixPath(path.resolve().as_posix())
    if detect_format(real_path) or (is_sbom_name(real_path) and _is_foreign(path)):
        what = "a dependency file"
    elif is_settings_file(real_path):
        what = "a file of settings"
    elif any(part.lower() == _GIT_DIRECTORY for part in real_path.parts):
        what = "a file of git"
    else:
        return
    raise UsageError(f"{path}: this would overwrite {what}", hint="choose another name")


def check_unread(paths: Iterable[Path], inputs: Iterable[Path | str]) -> None:
    """Check that no file is written which the run reads.

    Raises:
        UsageError: one is.
    """
    real_inputs = {os.path.realpath(path) for path in inputs}
    for path in paths:
        if os.path.realpath(path) in real_inputs:
            raise UsageError(f"{path}: this would overwrite a file that the run reads", hint="choose another name")


_STDOUT: Final = "-"
_GIT_DIRECTORY: Final = ".git"
#: Bytes at the start of a report that name the program that wrote it.
_HEAD_LENGTH: Final = 1_000


def _is_foreign(path: Path) -> bool:
    """Whether a file exists that nerq-cli did not write."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_LENGTH)
    except OSError:  # there is none, or it will not be written either
        return False
    return bool(head.strip()) and b"nerq-cli" not in head


def check_outputs(outputs: Sequence[Output], inputs: Iterable[Path | str] = ()) -> None:
    """Check that each report has a file of its own which can be written, and that no input is overwritten.

    Raises:
        UsageError: two outputs are one file, or a file cannot be written.
    """
    check_unread((output.path for output in outputs), inputs)
    seen: dict[str, Output] = {}
    for output in outputs:
        path = output.path
        real_path = Path(os.path.realpath(path))
        if (other := seen.setdefault(str(real_path), output)) is not output:
            raise UsageError(
                f"two reports would be written to {path}: {other.format} and {output.format}",
                hint="give each its own file",
            )
        reason = _find_obstacle(real_path)
        if reason:
            raise UsageError(f"{path}: cannot be written: {reason}")


def check_recording(path: Path, outputs: Sequence[Output]) -> None:
    """Check that a recording has a file of its own which can be written, and is no dependency file.

    Raises:
        UsageError: it is also the file of a report, or cannot be written.
    """
    check_outputs([*outputs, _check_output(Output("recording", path))])


def _find_obstacle(path: Path) -> str:
    """Return why a file cannot be written; empty if nothing is in the way."""
    if path.is_dir():
        return "it is a directory"
    if path.exists() and not path.is_file():  # a pipe, /dev/stdout
        return ""
    if not path.parent.is_dir():
        return "its directory does not exist"
    return "" if os.access(path.parent, os.W_OK | os.X_OK) else "no permission to write in its directory"


def check_format(name: str) -> None:
    """Check the name of a format.

    Raises:
        UsageError: there is no such format.
    """
    from nerq_cli.report import FORMATS

    if name not in FORMATS:
        raise UsageError(f"{name!r} is not a report format", hint=f"known formats: {', '.join(sorted(FORMATS))}")


def check_lists(names: Iterable[str]) -> None:
    """Check that formats have a use for dependencies without scores.

    Raises:
        UsageError: one has none.
    """
    from nerq_cli.report import FORMATS

    for name in names:
        if not FORMATS[name].has_lists:
            lists = ", ".join(sorted(other for other, report_format in FORMATS.items() if report_format.has_lists))
            raise UsageError(
                f"--list scores nothing, so that {name} would have nothing to report", hint=f"formats of lists: {lists}"
            )


def write_report(report: Report, format_name: str, outputs: Iterable[Output], options: RenderOptions) -> None:
    """Write a report to each file in its format, and to stdout in the given format.

    A file is written as a whole or not at all. One that cannot be written keeps no other from being written. The
    options' width, colour and encoding are set here.

    Raises:
        UsageError: a file cannot be written.
    """
    from nerq_cli.report import FORMATS
    from nerq_cli.report.terminal.console import file_options, stream_options

    errors: list[UsageError] = []
    with pause_garbage_collection():  # a quarter of the time of all formats
        for output in outputs:
            parts = FORMATS[output.format].render_parts(report, file_options(options))
            try:
                check_unread([output.path], list_read_files(report))
                write_file(output.path, parts)
            except UsageError as error:
                errors.append(error)
        write_stdout_parts(FORMATS[format_name].render_parts(report, stream_options(sys.stdout, options)))
        if format_name == _GITHUB:
            _add_job_summary(report, file_options(options))
    for other in errors[1:]:
        write_message("error", str(other))
    if errors:
        raise errors[0]


def list_read_files(report: Report) -> list[str]:
    """Return the files that the report is about, whatever their names."""
    return [file.path for file in report.dependency_files]


_GITHUB: Final = "github"
#: Variable with the file of the summary of a step in GitHub Actions, and bytes that it may have: a larger one is lost.
_SUMMARY_VARIABLE: Final = "GITHUB_STEP_SUMMARY"
_SUMMARY_LIMIT: Final = 1_048_576
#: Least room for a summary, in bytes.
_SUMMARY_ROOM: Final = 4_096


def _add_job_summary(report: Report, options: RenderOptions) -> None:
    """Add the report to the summary of the step, if GitHub Actions has one and it has room."""
    from nerq_cli.report import FORMATS

    path = os.environ.get(_SUMMARY_VARIABLE, "")
    if not path:
        return
    try:
        with Path(path).open("ab") as file:
            room = _SUMMARY_LIMIT - 1 - file.tell()
            if room >= _SUMMARY_ROOM:
                file.write(FORMATS["markdown"].render(report, options._replace(size_limit=room)))
            else:
                write_message("warning", f"the job summary has no room left for the report: {path}")
    except OSError as error:
        write_message("warning", f"the job summary cannot be written: {path}: {error.strerror}")


def write_file(path: Path, parts: Iterable[bytes]) -> None:
    """Write a file as a whole or not at all; a link stays one, and a file that is there keeps its mode.

    Raises:
        UsageError: it cannot be written.
    """
    import tempfile

    path = Path(os.path.realpath(path))
    try:
        if path.exists() and not path.is_file():  # a pipe, /dev/stdout
            with path.open("wb") as file:
                file.writelines(parts)
            return
        descriptor, temporary_name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.writelines(parts)
            Path(temporary_name).chmod(path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_read_umask())
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
