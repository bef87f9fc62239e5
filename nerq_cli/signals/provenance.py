"""Whether a version is attested, and whether it was published as the versions before it. None = not known.

The signal, the caps, the policy rules and the pages all read provenance here.
"""

from __future__ import annotations

from collections.abc import Iterator

from nerq_cli.facts import ATTESTED, NEW_PUBLISHER, Metadata, PackageInfo


def find_row(info: PackageInfo | None, version: str) -> int | None:
    """Return the index of a version in the table of its package; None if it is not listed."""
    if info is None or version not in info.versions:
        return None
    return info.versions.index(version)


def is_attested(info: PackageInfo | None, metadata: Metadata | None, version: str) -> bool | None:
    """Return whether a version carries an attestation that its registry verified, on any of its files.

    Args:
        info: Package of the version.
        metadata: Of this version; asked where the registry does not list attestations.
        version: As listed.
    """
    row = find_row(info, version)
    if info is None or row is None or not info.has_attestation_data:
        return metadata.attested if metadata is not None else None
    return bool(info.flags[row] & ATTESTED)


def has_lost_provenance(info: PackageInfo | None, metadata: Metadata | None, version: str) -> bool | None:
    """Return whether a version is not attested although an earlier one is."""
    attested = is_attested(info, metadata, version)
    if attested is not False:
        return None if attested is None else False
    row = find_row(info, version)
    if info is None or row is None or not info.has_attestation_data:
        return None
    if any(flags & ATTESTED for flags in info.flags[row + 1 :]):
        return True
    return None if info.partial else False


def has_new_publisher(info: PackageInfo | None, metadata: Metadata | None, version: str) -> bool | None:
    """Return whether another account or repository published a version than those before it, whenever that was."""
    row = find_row(info, version)
    if info is None or row is None:
        return None
    if info.has_publisher_data and info.flags[row] & NEW_PUBLISHER:
        return True
    attested, previous = (metadata.attested_repository, metadata.previous_repository) if metadata else (None, None)
    if attested is not None and previous is not None:
        return bool(attested and previous and attested.lower() != previous.lower())
    return False if info.has_publisher_data else None


def find_mismatch(metadata: Metadata | None, repository: str | None = None) -> str:
    """Return that a version was attested by another repository than its package states; empty if it was not.

    Args:
        metadata: Of the version.
        repository: That attested it, by whatever source; None = as the metadata state.
    """
    if repository is None:
        repository = metadata.attested_repository if metadata is not None else None
    declared = find_declared(metadata)
    if not repository or not declared or repository.lower() == declared:
        return ""
    return f"attested by {repository}, while the package names {declared}"


def find_declared(metadata: Metadata | None) -> str:
    """Return the repository that the package names, as ``github.com/owner/name`` in lower case; empty without one."""
    address = (metadata.repository or "").lower() if metadata is not None else ""
    place = address.partition("://")[2].partition("#")[0].partition("?")[0].removeprefix("www.")
    host, _, path = place.rpartition("@")[2].partition("/")
    owner, _, rest = path.partition("/")
    name = rest.partition("/")[0].removesuffix(".git")
    # other hosts have paths of another depth, or attest nothing
    return f"{host}/{owner}/{name}" if host == "github.com" and owner and name else ""


def list_concerns(
    info: PackageInfo | None, metadata: Metadata | None, version: str, repository: str | None = None
) -> Iterator[str]:
    """Yield what the provenance of a version holds against it, as phrases, whatever its age."""
    mismatch = find_mismatch(metadata, repository)
    if mismatch:
        yield mismatch
    if has_lost_provenance(info, metadata, version):
        yield "earlier versions were attested, this one is not"
    if has_new_publisher(info, metadata, version):
        yield describe_new_publisher(info, metadata, version)


def describe_new_publisher(info: PackageInfo | None, metadata: Metadata | None, version: str) -> str:
    """Return who published a version of a new publisher."""
    row = find_row(info, version)
    if metadata is None or (info is not None and row is not None and info.flags[row] & NEW_PUBLISHER):
        return "first version that this account published"
    return f"published from {metadata.attested_repository}, the version before from {metadata.previous_repository}"
