"""A table of facts in parts, each scored on its own: by this process, or by the workers of a cluster."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from typing import Final

import msgspec

from nerq_cli import __version__
from nerq_cli.bulk.files import has_rows, list_files, scan_facts, write_scores
from nerq_cli.errors import UsageError
from nerq_cli.methodology.packages import PACKAGES
from nerq_cli.units import DAY

#: Rows of a part: a task of about two seconds.
PART_ROWS: Final = 300_000
_MANIFEST: Final = "_nerq.json"
_ORIGIN_FILE: Final = "origin"
_LOCK_FILE: Final = "lock"
#: Bytes of a digest, and bytes that are read at once for it.
_DIGEST_SIZE: Final = 16
_BLOCK_SIZE: Final = 2**20


class Part(msgspec.Struct, frozen=True):
    """A range of rows of a table of facts, and where its scores go. It is sent to workers."""

    #: A path that every worker can read.
    facts: str
    first_row: int
    row_count: int
    #: A path that every worker can write.
    output: str
    #: Moment of the ages, in epoch seconds UTC.
    as_of: int


class Manifest(msgspec.Struct, frozen=True):
    """What a folder of parts was computed from: parts of anything else are not taken for done."""

    version: str
    methodology: str
    #: Digest of the content: a copy of the same facts is the same.
    facts: str
    rows: int
    part_rows: int
    #: UTC day (days since 1970): scores depend on no more of the moment.
    day: int


def plan_parts(facts: Path, output: Path, rows: int, as_of: int, part_rows: int = PART_ROWS) -> list[Part]:
    """Return the parts of a table of facts. The folder for them is made; what it has of the same run is kept.

    A folder that another run left without a part is taken for this one.

    Raises:
        UsageError: the folder holds something else, or cannot be made.
    """
    manifest = Manifest(
        version=__version__,
        methodology=PACKAGES.version,
        facts=compute_digest(list_files(facts)),
        rows=rows,
        part_rows=part_rows,
        day=as_of // DAY,
    )
    _open_directory(output, manifest)
    return [
        Part(
            facts=str(facts.resolve()),
            first_row=first_row,
            row_count=min(part_rows, rows - first_row),
            output=str((output / f"part-{number:05}.parquet").resolve()),
            as_of=as_of,
        )
        for number, first_row in enumerate(range(0, max(rows, 1), part_rows))
    ]


def _open_directory(output: Path, manifest: Manifest) -> None:
    hint = "choose another name, or remove it"
    if output.exists() and not output.is_dir():
        raise UsageError(f"{output} is a file; with --scheduler the scores are a folder of parts", hint=hint)
    try:
        content: Manifest | None = msgspec.json.decode((output / _MANIFEST).read_bytes(), type=Manifest)
    except FileNotFoundError:
        content = None
    except (msgspec.DecodeError, OSError) as error:
        raise UsageError(f"{output / _MANIFEST} cannot be read: {error}", hint=hint) from error
    if content == manifest:
        return
    if output.is_dir() and any(path.name != _MANIFEST or content is None for path in output.iterdir()):
        raise UsageError(f"{output} holds something else than parts of this run", hint=hint)
    try:
        output.mkdir(parents=True, exist_ok=True)
        (output / _MANIFEST).write_bytes(msgspec.json.encode(manifest))
    except OSError as error:
        raise UsageError(f"{output} cannot be written: {error.strerror}") from error


def compute_digest(files: Iterable[Path]) -> str:
    """Return a digest of the contents of files in this order, whatever their names and times are.

    Raises:
        UsageError: one cannot be read, or is no file.
    """
    digests = []
    for path in files:
        if path.exists() and not path.is_file():
            raise UsageError(f"{path} is no file", hint="name a file: it is read more than once")
        digest = blake2b(digest_size=_DIGEST_SIZE)
        try:
            with path.open("rb") as file:
                while block := file.read(_BLOCK_SIZE):
                    digest.update(block)
        except OSError as error:
            raise UsageError(f"{path} cannot be read: {error.strerror}", hint="name a file that is there") from error
        digests.append(digest.hexdigest())
    return blake2b("\n".join(digests).encode(), digest_size=_DIGEST_SIZE).hexdigest()


def name_parts(output: Path) -> Path:
    """Return the path of the folder for the parts of a file.

    Raises:
        UsageError: there is a folder in the place of the file.
    """
    if output.is_dir():
        raise UsageError(f"{output} is a folder", hint="choose another name")
    return output.with_name(f"{output.name}.parts")


@contextmanager
def open_parts(output: Path, origin: str) -> Iterator[Path]:
    """Give the folder beside a file for its parts; it is made, or has parts of the same origin.

    One that a run of another origin left without a part is made anew. No other run can have it until the end.

    Raises:
        UsageError: it has something else, another run has it, or it cannot be made.
    """
    folder = name_parts(output)
    try:
        folder.mkdir(exist_ok=True)
        names = {path.name for path in folder.iterdir()}
    except OSError as error:
        hint = f"remove {folder}" if folder.exists() else "make the folder of the output first"
        raise UsageError(f"{folder} cannot be used: {error.strerror}", hint=hint) from error
    if names and names.isdisjoint({_LOCK_FILE, _ORIGIN_FILE}):
        raise UsageError(f"{folder} has something else than parts", hint=f"remove {folder}")
    with _lock(folder) as is_alone:
        if not is_alone:
            raise UsageError(
                f"another run gathers into {output}", hint="wait for its end, or choose another name for the output"
            )
        _check_origin(folder, origin)
        yield folder


def _check_origin(folder: Path, origin: str) -> None:
    hint = f"remove {folder}"
    try:
        marker = folder / _ORIGIN_FILE
        is_foreign = marker.exists() and marker.read_text(encoding="utf-8") != origin
        if is_foreign and not any(folder.glob("part-*.parquet")):
            _remove_content(folder)
        if not marker.exists() and not any(path.name != _LOCK_FILE for path in folder.iterdir()):
            marker.write_text(origin, encoding="utf-8")
        if not marker.exists() or marker.read_text(encoding="utf-8") != origin:
            raise UsageError(f"{folder} has parts of another list", hint=hint)
    except OSError as error:
        raise UsageError(f"{folder} cannot be used: {error.strerror}", hint=hint) from error


@contextmanager
def _lock(folder: Path) -> Iterator[bool]:
    """Give whether this run has the folder for itself, until the end."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield True
        return
    try:
        file = (folder / _LOCK_FILE).open("ab")
    except OSError as error:
        raise UsageError(f"{folder} cannot be used: {error.strerror}", hint=f"remove {folder}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        except OSError:  # some file systems of a network have no locks
            yield True
            return
        # The run that had it may have removed it in the meantime.
        try:
            status = (folder / _LOCK_FILE).stat()
        except OSError:
            yield False
            return
        yield os.path.samestat(status, os.fstat(file.fileno()))


def remove_parts(folder: Path) -> None:
    """Remove the folder of :func:`open_parts` with what was made in it; what is of another origin stays."""
    with suppress(OSError):
        _remove_content(folder)
        (folder / _LOCK_FILE).unlink(missing_ok=True)
        folder.rmdir()


def _remove_content(folder: Path) -> None:
    paths = (*folder.glob("part-*.parquet"), *folder.glob(".part-*.tmp"), *folder.glob("osv/*"), folder / _ORIGIN_FILE)
    for path in paths:
        path.unlink(missing_ok=True)
    if (folder / "osv").exists():
        (folder / "osv").rmdir()


def score_part(part: Part) -> int:
    """Write the scores of a part, and return the number of its rows. Doing it twice gives the same file.

    A file that is there is kept, unless it is only a part of one.

    Raises:
        UsageError: the facts cannot be read, or the scores cannot be written.
    """
    output = Path(part.output)
    if not has_rows(output, part.row_count):
        facts = Path(part.facts)
        write_scores(scan_facts(facts).slice(part.first_row, part.row_count), facts, output, PACKAGES, part.as_of)
    return part.row_count
