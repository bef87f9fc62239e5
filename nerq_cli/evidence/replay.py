"""Evidence as it was known at an earlier moment: what was published or recorded later is left out.

Sources give no date for deprecations, archived repositories, Scorecard results and exploit probabilities: these are as
of today in a report about the past.
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import compress
from typing import Final

import msgspec

from nerq_cli.facts import Fact, Found, PackageInfo
from nerq_cli.sources.advisories.kev import Catalogue
from nerq_cli.units import NO_LIMIT

_LATEST_TAG: Final = "latest"


def hide_later_versions(
    fact: Fact[PackageInfo], known_until: int, kept_versions: Collection[str] = ()
) -> Fact[PackageInfo]:
    """Return a package without the versions that were published later; those in use are kept.

    A tag of a later version is dropped; ``latest`` then names the newest stable version that is left.
    """
    if known_until == NO_LIMIT or not isinstance(fact, Found):
        return fact
    if fact.value.date_problem or max(fact.value.published, default=0) <= known_until:
        return fact
    info = fact.value
    is_kept = [
        published <= known_until or version in kept_versions
        for version, published in zip(info.versions, info.published, strict=True)
    ]
    later_versions = {
        version for version, published in zip(info.versions, info.published, strict=True) if published > known_until
    }
    restricted = msgspec.structs.replace(
        info,
        versions=tuple(compress(info.versions, is_kept)),
        published=tuple(compress(info.published, is_kept)),
        flags=tuple(compress(info.flags, is_kept)),
        interpreter_indexes=tuple(compress(info.interpreter_indexes, is_kept)),
        tags={tag: version for tag, version in info.tags.items() if version not in later_versions},
    )
    if info.tags.get(_LATEST_TAG) in later_versions:
        newest = next(
            (
                restricted.versions[row]
                for row in restricted.stable_rows
                if restricted.versions[row] not in later_versions
            ),
            "",
        )
        tags = {**restricted.tags, _LATEST_TAG: newest} if newest and not info.partial else restricted.tags
        restricted = msgspec.structs.replace(restricted, tags=tags)
    return msgspec.structs.replace(fact, value=restricted)


def select_exploited(fact: Fact[Catalogue], known_until: int) -> Fact[Catalogue]:
    """Return the catalogue of exploited vulnerabilities with the entries that were added by then."""
    if not isinstance(fact, Found) or known_until == NO_LIMIT:
        return fact
    cves = frozenset(cve for cve in fact.value.cves if fact.value.added_at.get(cve, 0) <= known_until)
    return msgspec.structs.replace(fact, value=msgspec.structs.replace(fact.value, cves=cves))
