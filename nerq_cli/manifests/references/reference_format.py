"""Source files as dependency files: each repository of the Hub and each hosted model that they refer to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from nerq_cli.ecosystems import GENERIC, HF_DATASET, HF_KERNEL, HF_MODEL, HF_SPACE, get_ecosystem
from nerq_cli.inventory import HOSTED_GROUP, HOSTED_MODEL, POSSIBLE_MODEL, Declaration, DependencyFile
from nerq_cli.manifests.references.find import find_references, has_reader
from nerq_cli.manifests.references.model import Reference
from nerq_cli.problem import Problem

if TYPE_CHECKING:
    from nerq_cli.ecosystems import EcosystemId

#: Name in the table of formats.
NAME: Final = "references"
#: The groups by certainty: ``--group models`` selects all of them.
_GROUPS: Final[Mapping[str, str]] = MappingProxyType(
    {"certain": "models", "likely": "models:likely", "possible": "models:possible"}
)
_ECOSYSTEMS: Final[Mapping[str, EcosystemId]] = MappingProxyType(
    {"model": HF_MODEL, "dataset": HF_DATASET, "space": HF_SPACE, "kernel": HF_KERNEL}
)


def matches(path: PurePosixPath) -> bool:
    """Whether a file is searched for references, by its name."""
    return has_reader(path.as_posix())


def read(text: str, path: str, *, constraint: bool = False, group: str = "") -> DependencyFile:  # noqa: ARG001 - as all readers
    """Return what one file refers to, without references that are only possible."""
    found = find_references(path, text.encode())
    references = [reference for reference in found.references if reference.certainty != "possible"]
    problems = (Problem(path=path, message=found.note, level="note"),) if found.note else ()
    return DependencyFile(path=path, format=NAME, declarations=tuple(declare_references(references)), problems=problems)


def declare_references(references: Iterable[Reference]) -> Iterator[Declaration]:
    """Yield the declarations of the references of a file, each name and revision of a line once."""
    known: set[tuple[EcosystemId, str, str, int, bool | None, bool]] = set()
    for reference in references:
        declaration = _declare_reference(reference)
        if declaration is not None:
            key = (
                declaration.ecosystem,
                declaration.name,
                declaration.requirement,
                declaration.location.line,
                declaration.trusts_remote_code,
                declaration.refuses_safetensors,
            )
            if key not in known:
                known.add(key)
                yield declaration


def _declare_reference(reference: Reference) -> Declaration | None:
    """Return the declaration of a reference; None if no repository can have its name."""
    if reference.kind == "hosted-model":
        ecosystem: EcosystemId = GENERIC
        requirement, skip_reason = "", HOSTED_MODEL
    else:
        ecosystem = _ECOSYSTEMS[reference.kind]
        if get_ecosystem(ecosystem).find_name_error(reference.name):
            return None
        is_revision = get_ecosystem(ecosystem).accepts_requirement(reference.revision)
        requirement = reference.revision if is_revision else ""
        skip_reason = POSSIBLE_MODEL if reference.certainty == "possible" else ""
    return Declaration(
        ecosystem=ecosystem,
        name=reference.name,
        requirement=requirement,
        group=HOSTED_GROUP if reference.kind == "hosted-model" else _GROUPS[reference.certainty],
        location=reference.location,
        skip_reason=skip_reason,
        refuses_safetensors=reference.refuses_safetensors,
        trusts_remote_code=bool(reference.trust_remote_code) if reference.kind == "model" else None,
    )
