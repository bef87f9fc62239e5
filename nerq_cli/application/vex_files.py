"""Read the VEX documents that the user names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nerq_cli.errors import UsageError
from nerq_cli.policy.vex import MAX_BYTES, merge_documents, read_vex
from nerq_cli.policy.waivers import Waiver


def read_vex_files(paths: Sequence[Path]) -> tuple[tuple[Waiver, ...], tuple[str, ...]]:
    """Return the statements of VEX documents in the order of their time, and a warning for each that has no effect.

    Raises:
        UsageError: a file cannot be read, or is too large.
        ConfigError: a document is malformed.
    """
    documents, warnings = [], []
    for path in dict.fromkeys(paths):
        document = read_vex(_read_file(path), path.as_posix())
        documents.append(document)
        if not document.waivers:
            warnings.append(
                f"{path.as_posix()} has no effect: no statement of it is about a package that can be scanned"
            )
    return merge_documents(documents), tuple(warnings)


def _read_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"--vex {path}: cannot be read: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise UsageError(f"--vex {path}: is larger than {MAX_BYTES // 1024**2} MB", hint="leave out what is not in use")
    return content
