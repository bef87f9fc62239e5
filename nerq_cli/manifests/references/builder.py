"""Collects the references of one file."""

from __future__ import annotations

from typing import Final, NamedTuple

from msgspec.structs import replace

from nerq_cli.inventory import Location
from nerq_cli.manifests.references.ids import HubId
from nerq_cli.manifests.references.model import (
    CERTAINTIES,
    MAX_IMPORTED,
    Certainty,
    FileReferences,
    ImportedReference,
    Reference,
)

#: Ids of the rows for texts that are no call or setting which loads.
TEXT_PATTERNS: Final = frozenset({"hub-url", "model-constant", "near-model-word"})
#: Most references kept of one file.
MAX_REFERENCES: Final = 1_000


class UnreadableError(Exception):
    """A file cannot be read; the message is the reason."""


class ReferenceBuilder:
    """Collects references; of several with the same kind and name in one line the most certain one is kept."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.note = ""
        self._imported: dict[ImportedReference, None] = {}
        self._found: dict[_Key, Reference] = {}

    def add(  # noqa: PLR0913 - the fields of a reference
        self,
        hub_id: HubId,
        line: int,
        pattern: str,
        certainty: Certainty,
        *,
        loader: str = "",
        revision: str = "",
        is_revision_known: bool = True,
        trust_remote_code: bool | None = None,
        refuses_safetensors: bool = False,
        filename: str = "",
    ) -> None:
        """Add a reference; what its address states goes before ``revision`` and ``filename``.

        A revision with characters that git does not allow counts as computed.
        """
        revision = hub_id.revision or revision
        is_readable = revision.isprintable()
        reference = Reference(
            location=Location(path=self.path, line=line),
            kind=hub_id.kind,
            name=hub_id.name,
            revision=revision if is_readable else "",
            is_revision_known=is_readable and (is_revision_known or bool(hub_id.revision)),
            certainty=certainty,
            pattern=pattern,
            loader=loader,
            trust_remote_code=trust_remote_code,
            refuses_safetensors=refuses_safetensors,
            filename=hub_id.filename or filename,
        )
        self._keep(reference)

    def _keep(self, reference: Reference) -> None:
        key = _Key(_identify(reference), reference.location.line, reference.filename)
        old = self._found.get(key)
        if old is None:
            if len(self._found) >= MAX_REFERENCES:
                self.note = f"more than {MAX_REFERENCES:,} references: the rest is not listed"
                return
        elif _rank(old) <= _rank(reference):
            return
        self._found[key] = reference

    def add_imported(self, target: str, reference: Reference) -> None:
        """Add a reference without its name, which is a value of another module of the project."""
        if len(self._imported) < MAX_IMPORTED:
            self._imported[ImportedReference(target=target, reference=reference)] = None

    def has(self, name: str) -> bool:
        """Whether there is a reference with a name, of any kind."""
        return any(key.load.name == name for key in self._found)

    def add_reference(self, reference: Reference, line: int) -> None:
        """Add a reference of a part of the file, with its line in the file."""
        self._keep(replace(reference, location=Location(path=self.path, line=line)))

    def finish(self) -> FileReferences:
        """Return the references by line, without those that repeat a more certain one.

        One of another revision, or that runs code of the repository, is no repetition, unless no call loads it.
        """
        best: dict[tuple[object, ...], int] = {}
        for reference in self._found.values():
            for key in (_identify(reference), (reference.kind, reference.name)):
                best[key] = min(best.get(key, len(CERTAINTIES)), _rank(reference))
        kept = (
            reference
            for reference in self._found.values()
            if reference.certainty == "certain"
            or _rank(reference)
            <= best[(reference.kind, reference.name) if reference.pattern in TEXT_PATTERNS else _identify(reference)]
        )
        return FileReferences(
            path=self.path,
            references=tuple(sorted(kept)),
            imported=tuple(sorted(self._imported)),
            note=self.note,
        )


class _Key(NamedTuple):
    """What makes a reference of a file another one than the rest."""

    load: _Load
    line: int
    filename: str


class _Load(NamedTuple):
    """What is loaded: the name alone leaves open which content, and whether its code is run."""

    kind: str
    name: str
    revision: str
    is_revision_known: bool
    trusts_remote_code: bool
    refuses_safetensors: bool


def _identify(reference: Reference) -> _Load:
    return _Load(
        reference.kind,
        reference.name,
        reference.revision,
        reference.is_revision_known,
        bool(reference.trust_remote_code),
        reference.refuses_safetensors,
    )


def _rank(reference: Reference) -> int:
    return CERTAINTIES.index(reference.certainty)
