"""What deps.dev says of versions, put in the words of the registries: for what those were not asked, or did not say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from nerq_cli.facts import ATTESTED, DEPRECATED, PRERELEASE, Fact, Found, Metadata, Project
from nerq_cli.inventory import NPM, Package
from nerq_cli.sources.deps_dev import LABEL, Version
from nerq_cli.sources.services import repository_id
from nerq_cli.versions import is_prerelease, newest_first

#: What deps.dev calls a licence that is none of SPDX's (google/deps.dev, api/v3/api.proto).
_NON_STANDARD: Final = "non-standard"
#: States of a project that count (PEP 792); everything else is left to the registry.
_STATES: Final = frozenset({"active", "archived", "deprecated", "quarantined"})
_LATEST: Final = "latest"


def partial(package: Package, versions: Mapping[str, Version], newest: str, seen: int) -> Found[Project]:
    """Return an npm project of which only some versions are known: those in use, and the newest ("" = not known)."""
    order = tuple(newest_first(package.ecosystem, versions))
    latest = versions.get(newest)
    project = Project(
        name=package.name,
        versions=order,
        published=tuple(versions[version].published for version in order),
        flags=tuple(_flags(version, versions[version]) for version in order),
        needs=(0,) * len(order),
        interpreters=("",),
        tags={_LATEST: newest} if latest is not None else {},
        status=None if latest is None else "deprecated" if latest.deprecated else "active",
        attestations_stated=True,
        partial=True,
    )
    return Found(project, LABEL, seen)


def _flags(version: str, said: Version) -> int:
    return (
        (PRERELEASE if is_prerelease(NPM, version) else 0)
        | (DEPRECATED if said.deprecated else 0)
        | (ATTESTED if said.attested else 0)
    )


def vouched(project: Project, versions: Mapping[str, Version]) -> Project:
    """Return a PyPI project with what deps.dev says of its state, and of the attestations of some versions.

    Of the versions it was not asked about nothing is said; so whether one lost its attestation is seen only if the
    one before it is among them.
    """
    flags = tuple(
        flags | (ATTESTED if version in versions and versions[version].attested else 0)
        for version, flags in zip(project.versions, project.flags, strict=True)
    )
    stated = next((one.status for one in versions.values() if one.status in _STATES), "active")
    return msgspec.structs.replace(
        project, flags=flags, attestations_stated=True, status=stated if project.status is None else project.status
    )


def filled(metadata: Fact[Metadata], version: Fact[Version]) -> Fact[Metadata]:
    """Return what the registry says of a version, and where it does not say, what deps.dev does."""
    if not isinstance(metadata, Found) or not isinstance(version, Found):
        return metadata
    said = metadata.value
    told = {field: value for field, value in _stated(version.value).items() if getattr(said, field) is None}
    licence = _licence(version.value)
    if licence and not (said.licence_expression or said.licence_classifiers or said.licence_text):
        told["licence_expression"] = licence
    return Found(msgspec.structs.replace(said, **told), metadata.source, metadata.seen) if told else metadata


def _licence(version: Version) -> str:
    """Return the licence as one SPDX expression: of several that were found, all hold."""
    return " AND ".join(f"({one})" if " " in one else one for one in version.licences if one != _NON_STANDARD)


def _stated(version: Version) -> dict[str, str]:
    """Return the fields that deps.dev has something to say about."""
    links: dict[str, str] = {}
    for label, url in version.links:
        links.setdefault(label, url)
    found = repository_id(version.declared)
    told = {
        "repository": f"https://{found.spelling}" if found else "",
        "homepage": links.get("HOMEPAGE", ""),
        "documentation": links.get("DOCUMENTATION", ""),
        "deprecated": (version.deprecated_reason or "no reason given") if version.deprecated else "",
    }
    return {field: value for field, value in told.items() if value}
