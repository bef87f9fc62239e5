"""What deps.dev says of versions, put in the words of the registries: for what those were not asked, or did not say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from nerq_cli.ecosystems import NPM, get_ecosystem
from nerq_cli.facts import ATTESTED, DEPRECATED, PRERELEASE, Fact, Found, Metadata, PackageInfo
from nerq_cli.inventory import Package
from nerq_cli.sources.deps_dev import LABEL, VersionInfo
from nerq_cli.sources.repository_url import parse_repository_id

#: What deps.dev calls a licence that is none of SPDX's (google/deps.dev, api/v3/api.proto).
_NON_STANDARD: Final = "non-standard"
#: States of a project that count (PEP 792); everything else is left to the registry.
_KNOWN_STATES: Final = frozenset({"active", "archived", "deprecated", "quarantined"})
_LATEST_TAG: Final = "latest"


def build_partial_info(
    package: Package, versions: Mapping[str, VersionInfo], latest_version: str, retrieved_at: int
) -> Found[PackageInfo]:
    """Return an npm project of which only some versions are known: those in use, and the newest ("" = not known)."""
    ordered_versions = tuple(get_ecosystem(package.ecosystem).sort_newest_first(versions))
    latest = versions.get(latest_version)
    package_info = PackageInfo(
        name=package.name,
        versions=ordered_versions,
        published=tuple(versions[version].published for version in ordered_versions),
        flags=tuple(_build_flags(version, versions[version]) for version in ordered_versions),
        interpreter_indexes=(0,) * len(ordered_versions),
        interpreters=("",),
        tags={_LATEST_TAG: latest_version} if latest is not None else {},
        status=None if latest is None else "deprecated" if latest.deprecated else "active",
        has_attestation_data=True,
        partial=True,
    )
    return Found(package_info, LABEL, retrieved_at)


def _build_flags(version: str, version_info: VersionInfo) -> int:
    return (
        (PRERELEASE if get_ecosystem(NPM).is_prerelease(version) else 0)
        | (DEPRECATED if version_info.deprecated else 0)
        | (ATTESTED if version_info.is_attested else 0)
    )


def add_attestations(package_info: PackageInfo, versions: Mapping[str, VersionInfo]) -> PackageInfo:
    """Return a PyPI project with what deps.dev says of its state, and of the attestations of some versions.

    Of the versions it was not asked about nothing is said; so whether one lost its attestation is seen only if the
    one before it is among them.
    """
    flags = tuple(
        flags | (ATTESTED if version in versions and versions[version].is_attested else 0)
        for version, flags in zip(package_info.versions, package_info.flags, strict=True)
    )
    state = next(
        (version_info.status for version_info in versions.values() if version_info.status in _KNOWN_STATES), "active"
    )
    return msgspec.structs.replace(
        package_info,
        flags=flags,
        has_attestation_data=True,
        status=state if package_info.status is None else package_info.status,
    )


def fill_metadata(metadata: Fact[Metadata], version: Fact[VersionInfo]) -> Fact[Metadata]:
    """Return what the registry says of a version, and where it does not say, what deps.dev does."""
    if not isinstance(metadata, Found) or not isinstance(version, Found):
        return metadata
    registry_metadata = metadata.value
    changes = {
        field: value
        for field, value in _read_fields(version.value).items()
        if getattr(registry_metadata, field) is None
    }
    licence = _join_licences(version.value)
    if licence and not (
        registry_metadata.licence_expression or registry_metadata.licence_classifiers or registry_metadata.licence_text
    ):
        changes["licence_expression"] = licence
    return (
        Found(msgspec.structs.replace(registry_metadata, **changes), metadata.source, metadata.retrieved_at)
        if changes
        else metadata
    )


def _join_licences(version: VersionInfo) -> str:
    """Return the licence as one SPDX expression: of several that were found, all hold."""
    return " AND ".join(
        f"({licence})" if " " in licence else licence for licence in version.licences if licence != _NON_STANDARD
    )


def _read_fields(version: VersionInfo) -> dict[str, str]:
    """Return the fields that deps.dev has something to say about."""
    links: dict[str, str] = {}
    for label, url in version.links:
        links.setdefault(label, url)
    repository = parse_repository_id(version.declared_repository)
    fields = {
        "repository": f"https://{repository.spelling}" if repository else "",
        "homepage": links.get("HOMEPAGE", ""),
        "documentation": links.get("DOCUMENTATION", ""),
        "deprecated": (version.deprecated_reason or "no reason given") if version.deprecated else "",
    }
    return {field: value for field, value in fields.items() if value}
