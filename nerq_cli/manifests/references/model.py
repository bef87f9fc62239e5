"""What a file refers to: the result of a reader."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

from nerq_cli.inventory import Location

#: ``hosted-model``: a model behind a service, by the id of a router (``openai/gpt-4o``), no repository of the Hub.
ReferenceKind: TypeAlias = Literal["model", "dataset", "space", "kernel", "hosted-model"]

#: ``certain``: a known loader with a literal, with a name that is bound to one literal only, with each item of a loop
#: over literals, or with what calls in the file pass; and settings of known programs. ``likely``: a default that can
#: be overridden, one of several values, or a setting whose name and value fit. ``possible``: a text of the form of an
#: id near a word about models; listed on request, never scored.
Certainty: TypeAlias = Literal["certain", "likely", "possible"]

#: The certainties, the highest first.
CERTAINTIES: tuple[Certainty, ...] = ("certain", "likely", "possible")

#: Most references of a file that other files complete.
MAX_IMPORTED: Final = 100
#: Note of a YAML file that is a template: the values that it is filled with are in files that are read.
TEMPLATE_NOTE: Final = "is a template: only plain lines of it were read"


class Reference(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """One reference to a repository of the Hub or to a hosted model."""

    location: Location
    kind: ReferenceKind
    #: Repository id (``Qwen/Qwen3-4B``, ``gpt2``), without the prefix or URL around it, and with the namespace that the
    #: loader adds (``sentence-transformers/all-MiniLM-L6-v2`` for ``all-MiniLM-L6-v2``).
    name: str
    #: Commit, tag or branch as written; empty if there is none. ``v1`` for version 1 of a kernel.
    revision: str = ""
    #: Whether ``revision`` is all that the place states: False if it names a revision that is computed.
    is_revision_known: bool = True
    certainty: Certainty
    #: Id of the row of `table` that found it.
    pattern: str
    #: Library or program that loads it (``transformers``); empty if not known.
    loader: str = ""
    #: Value of the argument; None if it is absent or computed.
    trust_remote_code: bool | None = None
    #: Whether the call refuses safetensors (``use_safetensors=False``), so that the loader reads pickle files.
    refuses_safetensors: bool = False
    #: File of the repository that is loaded (GGUF, LoRA); empty if the whole repository is.
    filename: str = ""


class ImportedReference(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """A reference whose id is a value of another module of the project (``from config import MODEL_ID``)."""

    #: Full name of the value as the file imports it (``app.config.MODEL_ID``, ``.config.settings.model``).
    target: str
    #: The reference without its name.
    reference: Reference


class FileReferences(msgspec.Struct, frozen=True, kw_only=True):
    """The references of one file."""

    path: str
    references: tuple[Reference, ...] = ()
    #: Those that another file completes; at most `MAX_IMPORTED`.
    imported: tuple[ImportedReference, ...] = ()
    #: Why the file, or a part of it, was not read; empty if all of it was.
    note: str = ""
