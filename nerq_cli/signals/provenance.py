"""Whether a version is attested, and whether it was published as the versions before it. None = not known.

The signal, the caps, the policy rules and the pages all read provenance here.
"""

from __future__ import annotations

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
