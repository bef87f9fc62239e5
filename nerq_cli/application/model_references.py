"""The repositories of the Hugging Face Hub and the hosted models that the files of a project refer to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from nerq_cli.application.session import read_clock
from nerq_cli.inventory import DependencyFile
from nerq_cli.manifests.formats import REFERENCES
from nerq_cli.manifests.references.reference_format import declare_references
from nerq_cli.manifests.references.search import ReferenceSearch, search_references
from nerq_cli.store import Row
from nerq_cli.units import DAY

if TYPE_CHECKING:
    from collections.abc import Callable

    from nerq_cli.manifests.discovery.find import InputFile
    from nerq_cli.store import Cache

#: Name of what was found in files in the cache.
SOURCE: Final = "references"
#: Seconds that it is kept: files that nobody scans any more are forgotten.
_MAX_AGE: Final = 30 * DAY
#: Number of files below which reading them takes no longer than opening the cache.
MIN_CACHED_FILES: Final = 30


class FoundReferences(msgspec.Struct, frozen=True):
    """What the files of a project refer to."""

    #: One for each file with references.
    dependency_files: tuple[DependencyFile, ...]
    #: Sentences about files that were not searched.
    notes: tuple[str, ...]


def find_references(
    source_files: Sequence[InputFile], root: Path, open_cache: Callable[[], Cache | None], *, possible: bool
) -> FoundReferences:
    """Search files for references.

    Args:
        source_files: the files.
        root: directory of the project: an id that is a path in it is none of the Hub.
        open_cache: opens the cache, which is closed again.
        possible: whether to list the references that are only possible as well; they are not looked up.
    """
    files = [(file.path, file.file) for file in source_files]
    store = open_cache() if len(files) >= MIN_CACHED_FILES else None
    if store is None:
        search = search_references(files, root=root)
    else:
        kept = _KeptReferences(store, read_clock())
        search = search_references(files, kept, root)
        kept.close()
    references = [item for item in search.references if possible or item.certainty != "possible"]
    by_path = groupby(references, key=lambda item: item.location.path)
    dependency_files = tuple(
        DependencyFile(path=path, format=REFERENCES, declarations=tuple(declare_references(group)))
        for path, group in by_path
    )
    return FoundReferences(
        tuple(file for file in dependency_files if file.declarations), tuple(_describe_skipped(search))
    )


class _KeptReferences:
    """A ``ReferenceCache`` in the store of answers. New entries are written at the end, at once."""

    def __init__(self, store: Cache, now: int) -> None:
        self._store = store
        self._now = now
        self._new: dict[str, Row] = {}

    def get(self, digest: str) -> bytes | None:
        row = self._store.get_many(SOURCE, "", [digest]).get(digest)
        return None if row is None else row.value

    def put(self, digest: str, packed: bytes) -> None:
        self._new[digest] = Row(packed, self._now, self._now + _MAX_AGE)

    def close(self) -> None:
        if self._new:
            self._store.drop_expired(SOURCE, self._now)
            self._store.put_many(SOURCE, "", self._new)
        self._store.close()


def _describe_skipped(search: ReferenceSearch) -> Iterator[str]:
    """Yield a sentence about the files that were not searched, if there are any."""
    if search.skipped_count:
        first = search.skipped[0]
        files = "1 file was" if search.skipped_count == 1 else f"{search.skipped_count:,} files were"
        others = "" if search.skipped_count == 1 else ", and others"
        yield f"{files} not searched for models, or not all of it: {first.path}: {first.reason}{others}"
    if search.is_truncated:
        yield f"more than {len(search.references):,} references to models: the rest is left out"
