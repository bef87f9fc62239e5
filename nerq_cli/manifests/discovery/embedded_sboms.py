"""SBOMs inside of installed distributions (PEP 770): what is compiled or copied into their files.

A component is listed under the distribution that carries it. OSV has advisories about crates and about packages of PyPI
and npm; of other components nothing can be looked up.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from nerq_cli.ecosystems import CONDA, CRATES, GENERIC, NPM, OTHER, PYPI, EcosystemId, get_ecosystem, normalise_name
from nerq_cli.inventory import (
    ADVISORIES_ONLY,
    EMBEDDED_REASON,
    NOT_CHECKABLE,
    DependencyFile,
    Edge,
    Location,
    LockedPackage,
)
from nerq_cli.manifests.read_file import CannotReadError, decode_text, read_bytes
from nerq_cli.manifests.sbom.components import Component
from nerq_cli.manifests.sbom.sbom import read_sbom
from nerq_cli.manifests.syntax.text_document import TextDocument
from nerq_cli.problem import Problem

#: Most SBOMs read from one distribution, and most components listed of it.
MAX_SBOMS: Final = 20
MAX_COMPONENTS: Final = 2_000
_FOLDER_NAME: Final = "sboms"
_SUFFIXES: Final = (".json", ".xml")
#: Ecosystems by the type of a purl; all others are listed under the type itself.
_ECOSYSTEMS: Final[dict[str, EcosystemId]] = {
    get_ecosystem(ecosystem_id).purl_type: ecosystem_id for ecosystem_id in (PYPI, NPM, CRATES, CONDA)
}
#: Qualifiers of a purl that is on no public registry: a repository, or a path (cargo-cyclonedx).
_FOREIGN_QUALIFIERS: Final = ("vcs_url", "repository_url", "download_url")


def add_embedded_components(environment: DependencyFile) -> DependencyFile:
    """Return an environment with the components of its distributions, each with an edge to it."""
    packages: list[LockedPackage] = []
    components: list[LockedPackage] = []
    problems = list(environment.problems)
    for package in environment.locked_packages:
        embedded = list(_read_distribution(package, problems)) if ".dist-info/" in package.location.path else []
        components += embedded
        edges = tuple(Edge(target=component.key) for component in embedded)
        packages.append(replace(package, edges=(*(package.edges or ()), *edges)) if embedded else package)
    if not components and len(problems) == len(environment.problems):
        return environment
    return replace(environment, locked_packages=(*packages, *components), problems=tuple(problems))


def _read_distribution(package: LockedPackage, problems: list[Problem]) -> Iterator[LockedPackage]:
    """Yield the distinct components of one distribution; a file that cannot be read is a problem."""
    known_keys: set[str] = set()
    for file in _list_sboms(Path(package.location.path).parent / _FOLDER_NAME)[:MAX_SBOMS]:
        path = os.fsencode(file.as_posix()).decode(errors="replace")
        try:
            text_document = TextDocument(decode_text(read_bytes(file)), path)
        except CannotReadError as error:
            problem = Problem(path=path, line=error.line, message=str(error), hint=error.hint, level="incomplete")
            problems.append(problem)
            continue
        sbom = read_sbom(text_document)
        problems += (replace(problem, level="incomplete") for problem in text_document.problems)
        for component in sbom.components:
            embedded = None if component.ref in sbom.root_refs else _make_component(package, component, path)
            if embedded is not None and embedded.key not in known_keys and len(known_keys) < MAX_COMPONENTS:
                known_keys.add(embedded.key)
                yield embedded


def _list_sboms(folder: Path) -> list[Path]:
    """Return the files of a directory and those below it that may be SBOMs, sorted; links are not followed."""
    files = [
        Path(directory, name)
        for directory, _, names in os.walk(folder)
        for name in names
        if name.lower().endswith(_SUFFIXES)
    ]
    return sorted(file for file in files if not file.is_symlink())


def _make_component(package: LockedPackage, component: Component, path: str) -> LockedPackage | None:
    """Return a component, by its name if it has no package URL; None if it is part of the distribution itself."""
    from packageurl import PackageURL

    ecosystem: EcosystemId = GENERIC
    name, version, is_foreign = component.name, component.version, True
    if component.purl:
        try:
            purl = PackageURL.from_string(component.purl)
        except (ValueError, UnicodeError):
            return None
        ecosystem = _ECOSYSTEMS.get(purl.type, OTHER)
        name = f"{purl.namespace}/{purl.name}" if purl.namespace else purl.name
        name = f"{purl.type}/{name}" if ecosystem == OTHER else normalise_name(ecosystem, name)
        version = purl.version or version
        qualifiers = purl.qualifiers if isinstance(purl.qualifiers, dict) else {}
        is_foreign = not qualifiers.keys().isdisjoint(_FOREIGN_QUALIFIERS)
    if get_ecosystem(ecosystem).find_name_error(name) or (ecosystem, name) == (PYPI, package.package.name):
        return None
    is_checkable = get_ecosystem(ecosystem).has_advisories and version and not is_foreign and not package.skip_reason
    return LockedPackage(
        key=f"{package.key} {get_ecosystem(ecosystem).purl_type}:{name}@{version}",
        ecosystem=ecosystem,
        name=name,
        version=version,
        location=Location(path=path, line=component.line),
        edges=(),
        skip_reason=f"{EMBEDDED_REASON}{package.package.name} {package.version}"
        f"{ADVISORIES_ONLY if is_checkable else NOT_CHECKABLE}",
    )
