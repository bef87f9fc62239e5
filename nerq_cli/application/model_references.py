"""The repositories of the Hugging Face Hub and the hosted models that the files of a project refer to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nerq_cli.application.session import read_clock
from nerq_cli.inventory import DependencyFile
from nerq_cli.manifests.formats import REFERENCES
from nerq_cli.manifests.references.reference_format import declare_references
from nerq_cli.manifests.references.search import ReferenceSearch, search_references
from nerq_cli.problem import Problem
from nerq_cli.store import Row
from nerq_cli.units import DAY

if TYPE_CHECKING:
    from collections.abc import Callable

    from nerq_cli.manifests.discovery.find import InputFile
    from nerq_cli.store import Cache

#: Name of what was found in files in the cache.
SOURCE: Final = "references"
#: Seconds that it is kept: files that are no longer scanned are dropped.
_MAX_AGE: Final = 30 * DAY
#: What to do about a file that was not searched.
_HINT: Final = "correct it, or leave it out with --exclude"
#: Number of files below which reading them takes no longer than opening the cache.
MIN_CACHED_FILES: Final = 30


def find_references(
    source_files: Sequence[InputFile], root: Path, open_cache: Callable[[], Cache | None], *, possible: bool
) -> tuple[DependencyFile, ...]:
    """Return each file with references, and each that was not searched, or not all of it, with the reason.

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
    declarations = {
        path: tuple(declare_references(group))
        for path, group in groupby(references, key=lambda item: item.location.path)
    }
    problems = {problem.path: problem for problem in _report_skipped(search)}
    return tuple(
        DependencyFile(
            path=path,
            format=REFERENCES,
            declarations=declarations.get(path, ()),
            problems=(problems[path],) if path in problems else (),
        )
        for path in sorted({*(path for path, items in declarations.items() if items), *problems})
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


def _report_skipped(search: ReferenceSearch) -> Iterator[Problem]:
    """Yield a problem for each file that was not searched, or not all of it; the last ones stand for all others."""
    if search.is_truncated:
        message = f"more than {len(search.references):,} references to models: the rest is left out"
        yield Problem(path=search.references[-1].location.path, message=message, level="incomplete")
    unlisted_count = search.skipped_count - len(search.skipped)
    for number, file in enumerate(search.skipped, 1):
        message = f"not searched for models, or not all of it: {file.reason}"
        if unlisted_count and number == len(search.skipped):
            yield Problem(
                path=file.path,
                message=f"{message}; so are {unlisted_count:,} more files",
                hint=_HINT,
                level="incomplete",
            )
        elif file.is_gap:
            yield Problem(path=file.path, message=message, hint=_HINT, level="incomplete")
        else:
            yield Problem(path=file.path, message=message, level="note")
