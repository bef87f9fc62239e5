"""Find the repository behind a package, and classify the link to it. Values in, values out.

The link from package to repository is declared by the package. It is attested if provenance proves that the repository
built the version, and confirmed if the repository's own manifest names the package. A proven repository replaces a
declared one. That a repository belongs to another package cannot be proven: many packages are in a folder of a
repository whose root is another package. So ``foreign`` is never set here.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from nerq_cli.facts import Fact, Found, Metadata, Scorecard, Unknown
from nerq_cli.github_facts import HostedRepository
from nerq_cli.inventory import Package, RepositoryId
from nerq_cli.sources.deps_dev import NOT_INDEXED, RepositoryInfo, VersionInfo
from nerq_cli.sources.repositories import github
from nerq_cli.sources.repository_url import parse_repository_id

LinkStatus: TypeAlias = Literal["attested", "confirmed", "declared", "dead"]

NO_REPOSITORY: Final = Unknown("no source repository is named")


def find_proven_repository(metadata: Fact[Metadata], version: Fact[VersionInfo]) -> RepositoryId | None:
    """Return the repository that built the version, as verified by the registry or by deps.dev; None if unverified."""
    attested_url = metadata.value.attested_repository if isinstance(metadata, Found) else None
    return parse_repository_id(attested_url) or parse_repository_id(
        version.value.verified_repository if isinstance(version, Found) else ""
    )


def choose_repository(metadata: Fact[Metadata], version: Fact[VersionInfo]) -> RepositoryId | None:
    """Return the proven repository, else the one that the package names; None without either."""
    registry_url = metadata.value.repository if isinstance(metadata, Found) else None
    deps_dev_url = version.value.declared_repository if isinstance(version, Found) else ""
    return (
        find_proven_repository(metadata, version)
        or parse_repository_id(registry_url)
        or parse_repository_id(deps_dev_url)
    )


def explain_no_repository(version: Fact[VersionInfo]) -> Unknown:
    """Return why no repository is known; ``version`` is the answer of deps.dev, which may name one."""
    if not isinstance(version, Unknown) or not version.source or version == NOT_INDEXED:
        return NO_REPOSITORY
    return Unknown(f"{NO_REPOSITORY.reason} by the registry, and {version.source} was not read", version.source)


def classify_link(package: Package, *, is_proven: bool, hosted: Fact[HostedRepository]) -> LinkStatus:
    """Return how certain the link to a repository is."""
    if is_proven:
        return "attested"
    if hosted == github.NOT_REACHABLE or (isinstance(hosted, Found) and hosted.value.taken_down):
        return "dead"
    return "confirmed" if isinstance(hosted, Found) and package.key in hosted.value.packages else "declared"


def choose_scorecard(repository_info: Fact[RepositoryInfo], scorecard_fact: Fact[Scorecard]) -> Fact[Scorecard]:
    """Return the newer Scorecard results: those that deps.dev passes on, or those of Scorecard itself."""
    if not isinstance(repository_info, Found) or repository_info.value.scorecard is None:
        return scorecard_fact
    deps_dev_fact = Found(repository_info.value.scorecard, repository_info.source, repository_info.retrieved_at)
    return (
        scorecard_fact
        if isinstance(scorecard_fact, Found) and scorecard_fact.value.date > deps_dev_fact.value.date
        else deps_dev_fact
    )
