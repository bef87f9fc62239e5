"""The one place that merges facts of several sources. Each field of the result remembers its source."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec

from nerq_cli.ecosystems import NPM, get_ecosystem
from nerq_cli.evidence import registry_lookup, repository_link
from nerq_cli.evidence.plan import ByRelease
from nerq_cli.evidence.registry_lookup import PackageFacts
from nerq_cli.evidence.replay import hide_later_versions
from nerq_cli.evidence.service_lookup import NOT_SENT, find_previous_version
from nerq_cli.facts import (
    ATTESTED,
    DEPRECATED,
    NOT_REQUESTED,
    PRERELEASE,
    Fact,
    Found,
    Merged,
    Metadata,
    Origin,
    PackageInfo,
    Repository,
    Unknown,
)
from nerq_cli.github_facts import HostedRepository
from nerq_cli.inventory import Package, Release, RepositoryId
from nerq_cli.sources.deps_dev import LABEL, RepositoryInfo, VersionInfo
from nerq_cli.sources.registries import pypi
from nerq_cli.sources.registries.provenance import Provenance
from nerq_cli.sources.repositories import github
from nerq_cli.sources.repository_url import parse_repository_id

T = TypeVar("T", bound=msgspec.Struct)

#: What deps.dev calls a licence that SPDX does not list (google/deps.dev, api/v3/api.proto).
_NON_STANDARD: Final = "non-standard"
#: States of a PyPI project (PEP 792) that deps.dev may contribute.
_KNOWN_STATES: Final = frozenset({"active", "archived", "deprecated", "quarantined"})
_LATEST_TAG: Final = "latest"
_LICENCE_FIELDS: Final = ("licence_expression", "licence_classifiers", "licence_text")


def merge_fields(fact: Found[T], additions: Iterable[tuple[Found[Any], Mapping[str, Any]]]) -> Found[T]:
    """Return a record with the fields that other sources add; an earlier addition is not replaced by a later one."""
    changes: dict[str, Any] = {}
    origins: dict[str, Origin] = {}
    for source_fact, fields in additions:
        for name, value in fields.items():
            if name not in changes:
                changes[name] = value
                origins[name] = Origin(source_fact.source, source_fact.retrieved_at)
    if not changes:
        return fact
    known_origins = fact.origins if isinstance(fact, Merged) else {}
    return Merged(
        msgspec.structs.replace(fact.value, **changes), fact.source, fact.retrieved_at, {**known_origins, **origins}
    )


def _select_missing(record: msgspec.Struct, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that the record lacks."""
    return {name: value for name, value in fields.items() if value is not None and getattr(record, name) is None}


# --- metadata of versions --------------------------------------------------------------------------------------------


def merge_registry_metadata(
    releases: Sequence[Release],
    complete_facts: PackageFacts,
    listed_releases: frozenset[Release],
    release_pages: ByRelease[Metadata],
    version_manifests: ByRelease[Metadata],
) -> ByRelease[Metadata]:
    """Return the metadata of each version as its registry has it."""
    metadata: dict[Release, Fact[Metadata]] = {}
    for release in releases:
        package = release.package
        if package.registry_api == "npm":
            metadata[release] = registry_lookup.read_npm_metadata(
                release, complete_facts, version_manifests, is_listed=release in listed_releases
            )
        else:
            listing = registry_lookup.select_listing(release, complete_facts, listed_releases)
            project_page = complete_facts.project_pages.get(package, NOT_REQUESTED)
            release_page = release_pages.get(release, NOT_REQUESTED)
            metadata[release] = merge_pypi_metadata(release.version, listing, project_page, release_page)
    return metadata


def merge_pypi_metadata(
    version: str, listing: Fact[pypi.SimpleListing], project_page: Fact[pypi.ProjectJson], release_page: Fact[Metadata]
) -> Fact[Metadata]:
    """Return the metadata of one version on PyPI: of its own page, or of the project's page if it shows this version.

    Many mirrors lack the pages of single releases. Then the project's page is used for what seldom differs between
    releases (README, links, licence), and the source names the version that it shows. What belongs to one version
    alone (yanked, required Python) comes from the tables of versions, or stays unknown.
    """
    page: Found[Metadata] | None = None
    if isinstance(release_page, Found):
        page = release_page
    elif isinstance(project_page, Found) and project_page.value.metadata.version == version:
        page = Found(project_page.value.metadata, project_page.source, project_page.retrieved_at)
    if page is not None and page.value.yanked is not None:
        return page
    row = pypi.read_row_metadata(version, listing) or pypi.read_row_metadata(version, project_page)
    if row is None:
        return page or pypi.explain_absence(version, listing, project_page)
    if page is None and isinstance(project_page, Found):
        shown = project_page.value.metadata
        metadata = msgspec.structs.replace(
            shown, version=version, required_interpreter=None, attested_repository=None, advisories=None
        )
        page = Found(metadata, f"{project_page.source} (as of {shown.version})", project_page.retrieved_at)
    if page is None:
        return row
    fields = {
        "yanked": row.value.yanked,
        "yanked_reason": row.value.yanked_reason,
        **_select_missing(page.value, {"required_interpreter": row.value.required_interpreter}),
    }
    merged = merge_fields(page, [(row, fields)])
    return msgspec.structs.replace(merged, retrieved_at=min(page.retrieved_at, row.retrieved_at))


def merge_package_metadata(
    registry_metadata: ByRelease[Metadata],
    versions: ByRelease[VersionInfo],
    publishers: ByRelease[Provenance],
    predecessors: Mapping[Release, Release],
    previous_publishers: ByRelease[Provenance],
    related_versions: ByRelease[VersionInfo],
) -> ByRelease[Metadata]:
    """Return the registries' metadata, with what deps.dev and verified provenance add."""
    metadata: dict[Release, Fact[Metadata]] = {}
    for release, fact in registry_metadata.items():
        metadata[release] = merge_metadata(fact, versions[release], publishers.get(release, NOT_REQUESTED))
        predecessor = predecessors.get(release)
        if predecessor is not None and release.package.registry_api == "pypi":
            metadata[release] = add_previous_repository(
                metadata[release],
                previous_publishers.get(predecessor, NOT_REQUESTED),
                related_versions.get(predecessor, NOT_REQUESTED),
            )
    return metadata


def add_previous_repository(
    metadata: Fact[Metadata], publisher: Fact[Provenance], version: Fact[VersionInfo]
) -> Fact[Metadata]:
    """Return metadata with the repository that verifiably published the version before.

    ``publisher`` is what the registry verified of that version, ``version`` what deps.dev has about it.
    """
    if not isinstance(metadata, Found):
        return metadata
    if isinstance(publisher, Found):
        return merge_fields(metadata, [(publisher, {"previous_repository": publisher.value.repository})])
    if isinstance(version, Found):
        return merge_fields(metadata, [(version, {"previous_repository": version.value.verified_repository})])
    return metadata


def merge_metadata(
    metadata: Fact[Metadata], version: Fact[VersionInfo], publisher: Fact[Provenance] = NOT_REQUESTED
) -> Fact[Metadata]:
    """Return the registry's metadata of one version; its own fields are never replaced."""
    if not isinstance(metadata, Found):
        return metadata
    additions: list[tuple[Found[Any], Mapping[str, Any]]] = []
    if isinstance(version, Found):
        fields: dict[str, Any] = _select_missing(metadata.value, _read_version_fields(version.value))
        licence = _join_licences(version.value)
        if licence and not any(getattr(metadata.value, name) for name in _LICENCE_FIELDS):
            fields["licence_expression"] = licence
        additions.append((version, fields))
    if isinstance(publisher, Found):
        additions.append((publisher, {"attested_repository": publisher.value.repository}))
    return merge_fields(metadata, additions)


def add_readme_sizes(
    package_metadata: ByRelease[Metadata],
    repository_ids: Mapping[Release, RepositoryId | None],
    hosted_repositories: Mapping[RepositoryId, Fact[HostedRepository]],
) -> ByRelease[Metadata]:
    """Return the metadata with the size of the repository's README, where the registry has no README."""
    metadata = dict(package_metadata)
    for release, fact in package_metadata.items():
        repository_id = repository_ids[release]
        hosted = hosted_repositories.get(repository_id) if repository_id is not None else None
        if isinstance(fact, Found) and isinstance(hosted, Found) and hosted.value.readme:
            metadata[release] = merge_fields(
                fact, [(hosted, _select_missing(fact.value, {"readme": hosted.value.readme}))]
            )
    return metadata


def _join_licences(version: VersionInfo) -> str:
    """Return the licences as one SPDX expression: all of them apply."""
    return " AND ".join(
        f"({licence})" if " " in licence else licence for licence in version.licences if licence != _NON_STANDARD
    )


def _read_version_fields(version: VersionInfo) -> dict[str, str]:
    """Return the metadata that deps.dev has about a version, the licence apart."""
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
    return {name: value for name, value in fields.items() if value}


# --- packages --------------------------------------------------------------------------------------------------------


def merge_packages(
    releases: Sequence[Release],
    complete_facts: PackageFacts,
    listed_releases: frozenset[Release],
    versions: ByRelease[VersionInfo],
    related_versions: ByRelease[VersionInfo],
    latest_versions: Mapping[Release, str],
    known_until: int,
) -> ByRelease[PackageInfo]:
    """Return what the registry has about the package of each release, with what deps.dev adds, or else deps.dev alone.

    Other releases of the package that are in use change nothing.
    """
    version_facts = {**related_versions, **versions}
    package_info: dict[Release, Fact[PackageInfo]] = {}
    for release in releases:
        registry_fact = registry_lookup.select_package_info(release, complete_facts, listed_releases, known_until)
        if registry_fact is None:
            latest_version = latest_versions.get(release, "")
            facts = _select_versions(version_facts, release, latest_version)
            partial_info = build_partial_info(release.package, facts, latest_version) if facts else NOT_REQUESTED
            package_info[release] = hide_later_versions(partial_info, known_until, {release.version})
        elif (
            release.package.registry_api == "pypi"
            and registry_lookup.select_listing(release, complete_facts, listed_releases) is NOT_REQUESTED
            and isinstance(versions[release], Found)
        ):
            previous_version = find_previous_version(release, registry_fact) or ""
            package_info[release] = add_attestations(
                registry_fact, _select_versions(version_facts, release, previous_version)
            )
        else:
            package_info[release] = registry_fact
    return package_info


def _select_versions(
    version_facts: ByRelease[VersionInfo], release: Release, other_version: str
) -> dict[str, Found[VersionInfo]]:
    """Return what deps.dev has about a release, and about another version of its package."""
    facts: dict[str, Found[VersionInfo]] = {}
    if release.version and isinstance(fact := version_facts.get(release), Found):
        facts[release.version] = fact
    if other_version:
        other_fact = version_facts.get(Release(package=release.package, version=other_version))
        if isinstance(other_fact, Found):
            facts[other_version] = other_fact
    return facts


def build_partial_info(
    package: Package, version_facts: Mapping[str, Found[VersionInfo]], latest_version: str
) -> Found[PackageInfo]:
    """Return an npm package with only some of its versions: those in use, and the latest ("" = unknown)."""
    versions = {version: fact.value for version, fact in version_facts.items()}
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
    return Found(package_info, LABEL, min(fact.retrieved_at for fact in version_facts.values()))


def _build_flags(version: str, version_info: VersionInfo) -> int:
    return (
        (PRERELEASE if get_ecosystem(NPM).is_prerelease(version) else 0)
        | (DEPRECATED if version_info.deprecated else 0)
        | (ATTESTED if version_info.is_attested else 0)
    )


def add_attestations(fact: Fact[PackageInfo], version_facts: Mapping[str, Found[VersionInfo]]) -> Fact[PackageInfo]:
    """Return a PyPI project with its state and the attestations of some versions, as deps.dev has them.

    Attestations of versions that are not in ``version_facts`` are unknown: a lost attestation is found only if the
    version before is among them.
    """
    if not isinstance(fact, Found):
        return fact
    package_info, state = fact.value, ""
    flags = package_info.flags
    for version, version_fact in version_facts.items():
        version_info = version_fact.value
        if version_info.is_attested and version in package_info.versions:
            row = package_info.versions.index(version)
            flags = (*flags[:row], flags[row] | ATTESTED, *flags[row + 1 :])
        if not state and version_info.status in _KNOWN_STATES:
            state = version_info.status
    fields: dict[str, Any] = {"flags": flags, "has_attestation_data": True}
    if package_info.status is None:
        fields["status"] = state or "active"
    return merge_fields(fact, [(next(iter(version_facts.values())), fields)])


# --- repositories ----------------------------------------------------------------------------------------------------


def merge_repositories(
    as_of: int,
    package_metadata: ByRelease[Metadata],
    versions: ByRelease[VersionInfo],
    repository_ids: Mapping[Release, RepositoryId | None],
    repository_info: Mapping[RepositoryId, Fact[RepositoryInfo]],
    hosted_repositories: Mapping[RepositoryId, Fact[HostedRepository]],
) -> ByRelease[Repository]:
    """Return the repository behind each version: GitHub's facts, with what deps.dev adds."""
    return {
        release: repository_link.explain_no_repository(versions[release])
        if repository_id is None
        else merge_repository(
            repository_id,
            release.package,
            package_metadata[release],
            versions[release],
            repository_info.get(repository_id, NOT_SENT),
            hosted_repositories.get(repository_id, NOT_SENT),
            as_of=as_of,
        )
        for release, repository_id in repository_ids.items()
    }


def merge_repository(
    repository_id: RepositoryId,
    package: Package,
    metadata: Fact[Metadata],
    version: Fact[VersionInfo],
    repository_info: Fact[RepositoryInfo],
    hosted: Fact[HostedRepository],
    *,
    as_of: int,
) -> Fact[Repository]:
    """Return one repository. ``repository_info`` is deps.dev's record of it, ``hosted`` GitHub's.

    ``as_of`` is in epoch seconds (UTC).
    """
    is_proven = repository_link.find_proven_repository(metadata, version) is not None
    link_status = repository_link.classify_link(package, is_proven=is_proven, hosted=hosted)
    if link_status == "dead":
        retrieved_at = hosted.retrieved_at if isinstance(hosted, Found) else as_of
        return Found(Repository(repository_id.id, link_status), github.LABEL, retrieved_at)
    if isinstance(hosted, Found):
        fact = Found(_build_hosted(hosted.value, link_status, as_of), hosted.source, hosted.retrieved_at)
        if not isinstance(repository_info, Found):
            return fact
        fields = {"stars": repository_info.value.stars, "open_issues": repository_info.value.open_issues}
        return merge_fields(fact, [(repository_info, _select_missing(fact.value, fields))])
    unread_reason = f"{github.LABEL}: {hosted.reason}" if isinstance(hosted, Unknown) else ""
    unread_token = hosted.token if isinstance(hosted, Unknown) else ""
    repository = Repository(
        repository_id.id,
        link_status,
        unread_reason=unread_reason,
        unread_token=unread_token,
        is_unread=repository_id.id.startswith(github.HOST_PREFIX) and hosted != github.NOT_REACHABLE,
    )
    if isinstance(repository_info, Found):
        info = repository_info.value
        repository = msgspec.structs.replace(repository, stars=info.stars, open_issues=info.open_issues)
        return Found(repository, repository_info.source, repository_info.retrieved_at)
    if link_status == "attested":
        proof = version if isinstance(version, Found) and version.value.verified_repository else metadata
        return Found(repository, proof.source, proof.retrieved_at if isinstance(proof, Found) else as_of)
    unknown_facts = [fact for fact in (repository_info, hosted) if isinstance(fact, Unknown)]
    reasons = dict.fromkeys(fact.reason for fact in unknown_facts)
    labels = dict.fromkeys(fact.source for fact in unknown_facts if fact.source)
    return Unknown("; ".join(reasons) or "no code host was requested", ", ".join(labels), unread_token)


def _build_hosted(hosted: HostedRepository, link_status: repository_link.LinkStatus, as_of: int) -> Repository:
    is_anonymous = github.is_anonymous_answer(hosted)
    return Repository(
        name=hosted.name,
        link_status=link_status,
        archived=hosted.archived,
        stars=hosted.stars,
        commits_90d=github.get_recent_commits(hosted, as_of),
        last_commit=hosted.last_commit,
        open_items=hosted.open_items,
        closed_items=hosted.closed_items,
        open_issues=hosted.open_issues,
        security_policy=hosted.security_policy,
        unread_reason=f"{github.LABEL}: {github.NEEDS_TOKEN.reason}" if is_anonymous else "",
        unread_token=github.NEEDS_TOKEN.token if is_anonymous else "",
        is_unread=hosted.archived is None,
    )
