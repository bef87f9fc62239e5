"""The rows of the history, and what stores them. The content of a snapshot is opaque here."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple, Protocol

#: Level of compression of texts: 6 takes three times as long, and saves a tenth.
_LEVEL: Final = 1
#: Age in days up to which every snapshot is kept, and up to which one a week is; after that one a month is.
DAILY_DAYS: Final = 90
WEEKLY_DAYS: Final = 365
#: Days between two times that old snapshots are thinned out.
THINNING_DAYS: Final = 7


class SnapshotRow(NamedTuple):
    """One stored snapshot of a release."""

    #: Days since 1970-01-01 UTC.
    day: int
    #: Known share of the weight, in thousandths: a run that knows less does not replace one of the same day.
    coverage: int
    #: Checksum of what it was made from.
    mark: int
    #: What the numbers stand for.
    legend: bytes
    #: Number of the texts, equal for equal texts of one legend, and the texts. They are stored once, compressed with
    #: the legend as dictionary: what it has makes them smaller.
    texts: tuple[int, bytes]
    numbers: bytes


class Marks(NamedTuple):
    """Coverage and mark of two snapshots of a release; None without one."""

    #: Of the day.
    today: tuple[int, int] | None
    #: Of that which was written last, of whatever day.
    last: tuple[int, int] | None


class ProjectRow(NamedTuple):
    """One stored snapshot of a project."""

    day: int
    mark: int
    summary: bytes
    #: Names of the releases it depended on.
    members: tuple[str, ...]


class HistoryStore(Protocol):
    """Snapshots of earlier runs. Failures are not raised: reads return nothing, writes are dropped."""

    @property
    def problem(self) -> str:
        """Sentences for the user about failures; empty without one."""
        ...

    @property
    def read_problem(self) -> str:
        """The failures that concern those who only read as well."""
        ...

    @property
    def is_writable(self) -> bool:
        """Whether snapshots can be kept, as far as it is known."""
        ...

    def read_marks(self, day: int, names: Sequence[str]) -> dict[str, Marks]:
        """Return coverage and mark of the snapshots of these releases: that of a day, and the newest one."""
        ...

    def put_snapshots(self, rows: Mapping[str, SnapshotRow], repeated: Sequence[str] = (), day: int = 0) -> None:
        """Store a snapshot of each release, in place of an earlier one of the same day; thin out old ones.

        ``repeated`` are releases that are on ``day`` as in the snapshot that was written last.
        """
        ...

    def list_versions(self, package: str) -> list[str]:
        """Return the names of all releases whose name begins with that of a package and ``@``."""
        ...

    def read_snapshots(self, name: str) -> list[SnapshotRow]:
        """Return the snapshots of a release, oldest first."""
        ...

    def read_numbers(self, names: AbstractSet[str], since: int) -> Iterator[tuple[str, int, bytes]]:
        """Yield name, day and numbers of the snapshots of these releases from a day on, in the order of the days."""
        ...

    def read_project_mark(self, path: str, day: int) -> int | None:
        """Return the mark of the snapshot of a project on a day; None without one."""
        ...

    def put_project(self, path: str, row: ProjectRow) -> None:
        """Store a snapshot of a project, in place of an earlier one of the same day."""
        ...

    def read_projects(self, path: str, newest: int | None = None) -> list[ProjectRow]:
        """Return the snapshots of a project, oldest first; with ``newest`` the last one up to that day alone."""
        ...

    def close(self) -> None:
        """Close files and connections. No method may be called afterwards."""
        ...


def compress(text: bytes, dictionary: bytes) -> bytes:
    """Return a text, compressed with a dictionary."""
    compressor = zlib.compressobj(_LEVEL, zdict=dictionary)
    return compressor.compress(text) + compressor.flush()


def decompress(content: bytes, dictionary: bytes) -> bytes:
    """Return a text; empty, which is none, if it is damaged."""
    try:
        return zlib.decompressobj(zdict=dictionary).decompress(content)
    except (zlib.error, TypeError):
        return b""


def pack_numbers(numbers: Sequence[int]) -> bytes:
    """Return ascending numbers as the compressed differences between them."""
    import msgspec

    differences = [number - previous for previous, number in zip((0, *numbers), numbers, strict=False)]
    return zlib.compress(msgspec.msgpack.encode(differences))


def unpack_numbers(content: bytes) -> list[int]:
    """Return what was packed; nothing if it is damaged."""
    from itertools import accumulate

    import msgspec

    try:
        return [*accumulate(msgspec.msgpack.decode(zlib.decompress(content), type=list[int]))]
    except (zlib.error, msgspec.DecodeError):
        return []
