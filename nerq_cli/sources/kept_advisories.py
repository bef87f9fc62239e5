"""What the advisory database on this disk says: no request, and no name leaves the machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from nerq_cli.advisories import history, vulnerabilities
from nerq_cli.facts import Advisory, Fact, Found, History, Unknown, Vulnerability
from nerq_cli.inventory import Package, Release
from nerq_cli.sources.advisory_files import kept
from nerq_cli.store.advisory_db import AdvisoryDatabase, Status

LABEL: Final = "advisory database"
#: A database whose newest record is older than this many seconds is used, and its age is said (7 days).
STALE: Final = 7 * 86_400
#: The silence of a database older than this says nothing any more (90 days, as for Scorecard results).
_DEAF: Final = 90 * 86_400


class Said(NamedTuple):
    """What the database says of one version, and of its package's past."""

    advisories: Fact[tuple[Vulnerability, ...]]
    history: Fact[History]


class Edition(NamedTuple):
    """What is kept of one ecosystem, and the moment up to which it speaks (epoch seconds UTC)."""

    ecosystem: str
    records: int
    until: int


def editions(database: AdvisoryDatabase) -> dict[str, Edition]:
    """Return what the database keeps, by ecosystem.

    Records taken from a file speak up to the newest change among them, whenever they were imported; those fetched
    from the published dumps speak up to the day they were last compared with them.
    """
    return {status.ecosystem: Edition(status.ecosystem, status.records, _until(status)) for status in database.status()}


def _until(status: Status) -> int:
    """Return the moment; 0 where there were only ever single records, which tell nothing of what else there is."""
    fetched = status.stamp.validator
    return status.stamp.imported_at if fetched or not status.stamp.newest else status.stamp.newest


def ask(
    database: AdvisoryDatabase, releases: Mapping[Release, tuple[int, str | None]], *, as_of: int
) -> dict[Release, Said]:
    """Return what is kept about these releases; ecosystems that are not kept are left out.

    ``releases`` gives for each when it was published (epoch seconds, 0 = not known) and the version before it. A
    version that appeared after the database was made is one it has never heard of, and an old database has not heard
    of what was found since: their silence is not a clean answer, but unknown. What they do know counts.
    """
    speaking = editions(database)
    wanted = [release for release in releases if release.package.ecosystem in speaking]
    keys = sorted({(one.package.ecosystem, one.package.name) for one in wanted})
    records = {key: kept(values) for key, values in database.lookup_many(keys).items()}
    said = {}
    for release in wanted:
        published, before = releases[release]
        some = records.get((release.package.ecosystem, release.package.name), ())
        said[release] = _said(release, some, published, before, speaking[release.package.ecosystem], as_of)
    return said


def _said(
    release: Release, records: tuple[Advisory, ...], published: int, before: str | None, edition: Edition, as_of: int
) -> Said:
    package: Package = release.package
    found = vulnerabilities(records, package, release.version)
    past = Found(history(records, package, release.version, before, as_of), LABEL, edition.until)
    if not found and not edition.until:
        return Said(Unknown("only single advisories are kept", LABEL), past)
    if not found and published > edition.until:
        return Said(Unknown("published after the advisory database was made", LABEL), past)
    if not found and as_of - edition.until > _DEAF:
        return Said(Unknown(f"the advisories kept are {(as_of - edition.until) // 86_400:,} days old", LABEL), past)
    return Said(Found(found, LABEL, edition.until), past)
