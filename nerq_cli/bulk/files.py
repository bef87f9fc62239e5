"""Tables of facts and scores as Parquet files."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec
import polars as pl

from nerq_cli.bulk.score import build_schema, score
from nerq_cli.errors import UsageError
from nerq_cli.methodology.types import Methodology
from nerq_cli.patterns import compile_late

#: Rows that are computed at once; 50,000 rows of facts and what is derived from them take about 100 MB.
_BATCH_ROWS: Final = 50_000
#: End of the name of a file that is being written.
TEMPORARY_SUFFIX: Final = ".tmp"
#: What Polars writes about an error of the operating system.
_OS_ERROR = compile_late(r"([^:]+) \(os error \d+\)")
#: Names in a message.
_MAX_NAMES: Final = 5
_COLUMNS_HINT: Final = "docs/reference/index-tables.md lists the columns"


class ScoreCounts(msgspec.Struct, frozen=True):
    """The number of rows in a table of scores."""

    rows: int
    #: Rows with a score.
    scored: int
    #: Scored rows that lack a fact which may lower the score.
    provisional: int


def scan_facts(path: Path) -> pl.LazyFrame:
    """Return a table of facts (a file, or a folder of them) with the types of its columns checked. Nothing is read yet.

    Columns of other types are converted, so that a file of another program may have texts for categories.

    Raises:
        UsageError: there is no such file, it is no Parquet file, or it lacks columns.
    """
    if not path.exists():
        raise UsageError(f"{path} does not exist", hint="nerq index gather writes a table of facts")
    if not list_files(path):
        raise UsageError(f"{path} has no Parquet file", hint="nerq index gather writes a table of facts")
    files = list_files(path)
    schemas = [_read_schema(file, build_schema()) for file in files]
    if all(schema == schemas[0] for schema in schemas):
        return _select_facts(scan_files(path), schemas[0])
    tables = [
        _select_facts(pl.scan_parquet(file, glob=False), schema) for file, schema in zip(files, schemas, strict=True)
    ]
    return pl.concat(tables)


def check_columns(path: Path, names: Iterable[str]) -> None:
    """Check that a table (a file, or a folder of them) has some columns, in each file.

    Raises:
        UsageError: there is no such file, it is no Parquet file, or it lacks columns.
    """
    files = list_files(path)
    if not path.exists() or not files:
        raise UsageError(f"{path} {'has no Parquet file' if path.exists() else 'does not exist'}", hint=_COLUMNS_HINT)
    for file in files:
        _read_schema(file, names)


def _read_schema(file: Path, names: Iterable[str]) -> pl.Schema:
    """Return the columns of a file, which has these among them.

    Raises:
        UsageError: it is no Parquet file, or lacks columns.
    """
    with convert_errors(file):
        present = pl.scan_parquet(file, glob=False).collect_schema()
    if missing := [name for name in names if name not in present]:
        texts = ", ".join(missing[:_MAX_NAMES]) + (
            f" and {len(missing) - _MAX_NAMES} more" if missing[_MAX_NAMES:] else ""
        )
        raise UsageError(f"{file} lacks columns: {texts}", hint=_COLUMNS_HINT)
    return present


def _select_facts(table: pl.LazyFrame, present: pl.Schema) -> pl.LazyFrame:
    """Return a table with the columns of facts alone, in their types."""
    columns = []
    for name, data_type in build_schema().items():
        column = pl.col(name) if present[name] == data_type else pl.col(name).cast(data_type)
        if name.endswith("_state"):
            # with a plain text the streaming engine of Polars 2.1 mistakes the type where files differ
            column = column.fill_null(pl.lit("unknown", data_type))
        columns.append(column)
    return table.select(columns)


def count_rows(path: Path) -> int:
    """Return the number of rows of a table of facts.

    Raises:
        UsageError: as of :func:`scan_facts`.
    """
    table = scan_facts(path)
    with convert_errors(path):
        return int(table.select(pl.len()).collect().item())


def score_file(facts: Path, output: Path, methodology: Methodology, as_of: int) -> None:
    """Score a table of facts and write the scores, as a whole or not at all. Memory does not grow with the rows.

    Raises:
        UsageError: the facts cannot be read, or the scores cannot be written.
    """
    write_scores(scan_facts(facts), facts, output, methodology, as_of)


def write_scores(table: pl.LazyFrame, facts: Path, output: Path, methodology: Methodology, as_of: int) -> None:
    """Score rows of a table of facts, and write them.

    Raises:
        UsageError: as of :func:`score_file`.
    """
    with convert_errors(facts, output), pl.Config(streaming_chunk_size=_BATCH_ROWS):
        _write(score(table, methodology, as_of), output)


def _write(table: pl.LazyFrame, output: Path) -> None:
    """Write a file as a whole or not at all; a link stays one, and a file that is there keeps its mode."""
    output = Path(os.path.realpath(output))
    if output.exists() and not output.is_file():
        raise UsageError(f"{output} is no file", hint="choose another name")
    # Another process may write the same part at the same time: each writes a file of its own, and the last one stays.
    try:
        handle, temporary_name = tempfile.mkstemp(dir=output.parent, prefix=f".{output.name}.", suffix=TEMPORARY_SUFFIX)
    except OSError as error:
        raise UsageError(f"{output} cannot be written: {error.strerror}") from error
    os.close(handle)
    temporary = Path(temporary_name)
    try:
        table.sink_parquet(temporary)
        temporary.chmod(output.stat().st_mode & 0o777 if output.exists() else 0o666 & ~_read_umask())
        temporary.replace(output)
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def _read_umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


def has_rows(path: Path, count: int) -> bool:
    """Return whether a file is there, whole, and has this number of rows. Its footer alone is read."""
    try:
        return path.is_file() and int(pl.scan_parquet(path, glob=False).select(pl.len()).collect().item()) == count
    except (pl.exceptions.PolarsError, OSError):
        return False


def remove_temporary(folder: Path) -> None:
    """Remove the files that killed processes left in a folder of parts."""
    for path in folder.glob(f".part-*{TEMPORARY_SUFFIX}"):
        with suppress(OSError):
            path.unlink()


def write_facts(rows: Sequence[Mapping[str, object]], output: Path) -> None:
    """Write rows of facts as a file, as a whole or not at all.

    Raises:
        UsageError: it cannot be written.
    """
    with convert_errors(output):
        table = pl.DataFrame(rows, schema=build_schema())
        _write(table.lazy(), output)


def join_files(parts: Sequence[Path], output: Path) -> None:
    """Write the rows of several files as one file, as a whole or not at all.

    Raises:
        UsageError: it cannot be written.
    """
    with convert_errors(output):
        table = pl.scan_parquet(list(parts), glob=False) if parts else pl.LazyFrame(schema=build_schema())
        _write(table, output)


def count_incomplete(path: Path) -> tuple[int, int]:
    """Return the number of rows of a table of facts, and of those whose package or advisories are unknown.

    Raises:
        UsageError: it cannot be read.
    """
    is_unknown = (pl.col("package_state") == "unknown") | (pl.col("advisories_state") == "unknown")
    is_absent = pl.col("package_state") == "absent"
    with convert_errors(path):
        table = pl.scan_parquet(path, glob=False)
        counts = table.select(rows=pl.len(), unknown=(is_unknown & ~is_absent).sum()).collect()
    return int(counts["rows"].item()), int(counts["unknown"].item())


def count_absent(path: Path) -> tuple[int, int]:
    """Return the number of rows of a table of facts whose package its registry does not have, or whose version.

    Raises:
        UsageError: it cannot be read.
    """
    is_unlisted = (
        (pl.col("package_state") == "found")
        & (pl.col("version") != "")
        & ~pl.col("version_listed").fill_null(value=False)
        & ~pl.col("partial").fill_null(value=False)
    )
    with convert_errors(path):
        table = pl.scan_parquet(path, glob=False)
        counts = table.select(package=(pl.col("package_state") == "absent").sum(), version=is_unlisted.sum()).collect()
    return int(counts["package"].item()), int(counts["version"].item())


def count_scores(path: Path) -> ScoreCounts:
    """Return the number of rows in a table of scores: a file, or a folder of parts.

    Raises:
        UsageError: it cannot be read.
    """
    with convert_errors(path):
        row = (
            scan_files(path)
            .select(
                rows=pl.len(),
                scored=pl.col("score").is_not_null().sum(),
                provisional=(pl.col("provisional") & pl.col("score").is_not_null()).sum(),
            )
            .collect()
        )
    return ScoreCounts(**{name: int(row[name].item()) for name in ScoreCounts.__struct_fields__})


def list_files(path: Path) -> list[Path]:
    """Return the files of a table: itself, or the Parquet files in the folder, sorted by name."""
    return sorted(path.glob("[!.]*.parquet")) if path.is_dir() else [path]


def scan_files(path: Path) -> pl.LazyFrame:
    """Return a table in a file, or in the files of a folder. Nothing is read yet."""
    return pl.scan_parquet(list_files(path), glob=False)


@contextmanager
def convert_errors(path: Path, output: Path | None = None) -> Iterator[None]:
    """Raise the errors of Polars about a file as errors for the user.

    Args:
        path: The file that is read or written.
        output: The file that is written from it; None = the first one alone is concerned.
    """
    try:
        yield
    except (pl.exceptions.PolarsError, OSError) as error:
        text = f"{error}".strip()
        reason = text.splitlines()[0] if text else type(error).__name__
        if output is not None and (match := _OS_ERROR.search(reason)):
            # Polars does not state whether it was reading or writing.
            raise UsageError(f"{output} cannot be written from {path}: {match[1]}") from error
        raise UsageError(f"{path}: {reason}", hint="docs/reference/index-tables.md lists its columns") from error
