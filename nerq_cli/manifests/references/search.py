"""The references of many files: one file at a time in memory, with what was found before kept by digest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import msgspec
from msgspec.structs import replace

from nerq_cli import __version__
from nerq_cli.decoders import build_msgpack_decoder_late
from nerq_cli.inventory import Location
from nerq_cli.manifests.read_file import CannotReadError, read_bytes
from nerq_cli.manifests.references.find import ReaderRow, describe_size, find_reader, find_references, is_gap
from nerq_cli.manifests.references.model import FileReferences, ImportedReference, Reference

if TYPE_CHECKING:
    from nerq_cli.manifests.references.project_modules import ProjectModules

#: Version of what the readers find: a change makes what was kept before unused.
FINDER_VERSION: Final = 7
#: Most references of a search.
MAX_REFERENCES: Final = 100_000
#: Most files that are named with the reason why they were not read; further ones are counted.
MAX_SKIPPED: Final = 1_000


class _KeptFile(msgspec.Struct, frozen=True, array_like=True):
    """What a file of some content refers to, under any name."""

    references: tuple[Reference, ...]
    imported: tuple[ImportedReference, ...]
    note: str


_DECODER: Final = build_msgpack_decoder_late(_KeptFile)


class ReferenceCache(Protocol):
    """Keeps what was found in a file, by the digest of its content."""

    def get(self, digest: str) -> bytes | None:
        """Return what was kept under a digest; None if nothing was."""
        ...

    def put(self, digest: str, packed: bytes) -> None:
        """Keep what was found in a file."""
        ...


class SkippedFile(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """A file that was not read, or not all of it."""

    path: str
    reason: str
    #: Whether it may have references that were not found.
    is_gap: bool = True


class ReferenceSearch(msgspec.Struct, frozen=True, kw_only=True):
    """What the files of a project refer to."""

    references: tuple[Reference, ...] = ()
    #: Files that were not read, or not all of them; at most `MAX_SKIPPED`.
    skipped: tuple[SkippedFile, ...] = ()
    #: Number of files whose content was examined.
    file_count: int = 0
    #: Number of files that were not read, or not all of them.
    skipped_count: int = 0
    #: Number of files whose references the cache had.
    cached_count: int = 0
    #: Whether there are more than `MAX_REFERENCES`.
    is_truncated: bool = False


def search_references(
    files: Iterable[tuple[str, Path]], cache: ReferenceCache | None = None, root: Path | None = None
) -> ReferenceSearch:
    """Return what files refer to.

    Args:
        files: the path to show, and the file.
        cache: keeps what is found by the digest of a file.
        root: directory of the project. An id that is a path in it, or beside its file, is no repository of the Hub.
    """
    references: list[Reference] = []
    skipped: list[SkippedFile] = []
    counts: Counter[str] = Counter()
    modules: ProjectModules | None = None
    for path, file in files:
        reader = find_reader(path)
        if reader is None:
            continue
        found, is_cached = _read_file(path, file, reader, cache)
        counts["files"] += 1
        counts["cached"] += is_cached
        if found.note:
            counts["skipped"] += 1
            if len(skipped) < MAX_SKIPPED:
                skipped.append(SkippedFile(path=path, reason=found.note, is_gap=is_gap(reader, found.note)))
        if found.imported and root is not None:
            if modules is None:
                from nerq_cli.manifests.references.project_modules import ProjectModules

                modules = ProjectModules(root)
            completed = [item for imported in found.imported for item in modules.complete(imported, file)]
            references += _without_local(completed, file, root)
        if found.references:
            references += _without_local(found.references, file, root) if root is not None else found.references
    return ReferenceSearch(
        references=tuple(sorted(references)[:MAX_REFERENCES]),
        skipped=tuple(sorted(skipped)),
        file_count=counts["files"],
        skipped_count=counts["skipped"],
        cached_count=counts["cached"],
        is_truncated=len(references) > MAX_REFERENCES,
    )


def _read_file(path: str, file: Path, reader: ReaderRow, cache: ReferenceCache | None) -> tuple[FileReferences, bool]:
    """Return the references of one file, and whether the cache had them."""
    try:
        data = read_bytes(file)
    except CannotReadError as error:
        reason = describe_size(reader) if "too large" in str(error) else str(error)
        return FileReferences(path=path, note=reason), False
    if cache is None:
        return find_references(path, data), False
    digest = compute_digest(reader.id, data)
    packed = cache.get(digest)
    if packed is not None:
        try:
            kept = _DECODER.decode(packed)
        except msgspec.DecodeError:
            pass
        else:
            return _place_all(kept, path), True
    found = find_references(path, data)
    without_path = _place_all(found, "")
    kept = _KeptFile(without_path.references, without_path.imported, found.note)
    cache.put(digest, msgspec.msgpack.encode(kept))
    return found, False


def compute_digest(reader_id: str, data: bytes) -> str:
    """Return the key under which the references of a content are kept, for a reader of this version."""
    import hashlib  # takes 8 ms to import

    digest = hashlib.sha256(f"{__version__}/{FINDER_VERSION}/{reader_id}\0".encode())
    digest.update(data)
    return digest.hexdigest()


def _place_all(found: FileReferences | _KeptFile, path: str) -> FileReferences:
    """Return what was found with the path of the file."""
    references = _place((item.reference for item in found.imported), path)
    imported = zip((item.target for item in found.imported), references, strict=True)
    return FileReferences(
        path=path,
        references=tuple(_place(found.references, path)),
        imported=tuple(ImportedReference(target=target, reference=reference) for target, reference in imported),
        note=found.note,
    )


def _place(references: Iterable[Reference], path: str) -> Iterator[Reference]:
    for reference in references:
        yield replace(reference, location=Location(path=path, line=reference.location.line))


def _without_local(references: Iterable[Reference], file: Path, root: Path) -> Iterator[Reference]:
    """Yield the references whose id is no path of the project."""
    for reference in references:
        if reference.kind == "hosted-model" or not any(
            _exists(directory / reference.name) for directory in (root, file.parent)
        ):
            yield reference


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False
