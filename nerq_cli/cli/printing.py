"""Where reports go: stdout, and the files that ``--output`` names. Everything else goes to stderr."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

from nerq_cli.errors import UsageError


def format_of(path: Path) -> str:
    """Return the format that a file name's suffix asks for.

    Raises:
        UsageError: no format has that suffix, or the name is that of a dependency file.
    """
    from nerq_cli.manifests import format_of as reader_of
    from nerq_cli.report import FORMATS

    if reader_of(PurePosixPath(path.resolve().as_posix())):
        raise UsageError(f"{path}: a report would take the place of a dependency file", hint="choose another name")
    for name, form in FORMATS.items():
        if path.suffix.lower() == form.suffix:
            return name
    known = ", ".join(sorted(form.suffix for form in FORMATS.values()))
    raise UsageError(f"{path}: no report format has the suffix {path.suffix!r}", hint=f"known suffixes: {known}")


def known_format(name: str) -> str:
    """Return the format's name if there is one.

    Raises:
        UsageError: there is none.
    """
    from nerq_cli.report import FORMATS

    if name not in FORMATS:
        raise UsageError(f"{name!r} is not a report format", hint=f"known formats: {', '.join(sorted(FORMATS))}")
    return name


def write_files(paths: Iterable[Path], render: Callable[[str], bytes]) -> None:
    """Write a report to each path in the format of its suffix, each as a whole or not at all.

    Raises:
        UsageError: a file cannot be written.
    """
    for path in paths:
        _replace(Path(os.path.realpath(path)), render(format_of(path)))


def _replace(path: Path, content: bytes) -> None:
    try:
        if path.exists() and not path.is_file():  # a pipe, /dev/stdout
            path.write_bytes(content)
            return
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(name).chmod(0o666 & ~_umask())
        Path(name).replace(path)
    except OSError as problem:
        raise UsageError(f"{path}: cannot be written: {problem.strerror}") from problem


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def say(kind: str, text: str) -> None:
    """Write one line to stderr: ``warning: …``."""
    sys.stderr.write(f"{kind}: {text}\n")


def warn(texts: Iterable[str]) -> None:
    """Say each of these on stderr, once."""
    for text in dict.fromkeys(texts):
        if text:
            say("warning", text)
