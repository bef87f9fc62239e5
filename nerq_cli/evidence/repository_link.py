"""Choose the repository of a package, rate the link to it, and merge what is known of it. Pure functions.

A package declares its repository itself. The link is attested when provenance proves that the repository built the
version, and confirmed when the repository's own manifest contains the package's name. A proven repository replaces a
declared one that contradicts it. A repository with another name at its root may still hold the package in a folder, so
the status ``foreign`` is not set here.
"""

from __future__ import annotations

from typing import Final, Literal

from nerq_cli.facts import Fact, Found, Metadata, Repository, Scorecard, Unknown
from nerq_cli.inventory import Package, RepositoryId
from nerq_cli.sources.deps_dev import RepositoryInfo, VersionInfo
from nerq_cli.sources.repositories import github
from nerq_cli.sources.repositories.github import HostedRepository
from nerq_cli.sources.repository_url import parse_repository_id

NO_REPOSITORY: Final = Unknown("no source repository is named")


def find_proven_repository(metadata: Fact[Metadata], version: Fact[VersionInfo]) -> RepositoryId | None:
    """Return the repository that built the version, as verified by the registry or deps.dev; None without proof."""
    attested_url = metadata.value.attested_repository if isinstance(metadata, Found) else None
    return parse_repository_id(attested_url) or parse_repository_id(
        version.value.verified_repository if isinstance(version, Found) else ""
    )


def choose_repository(metadata: Fact[Metadata], version: Fact[VersionInfo]) -> RepositoryId | None:
    """Return the proven repository, else the declared one; None without either."""
    registry_url = metadata.value.repository if isinstance(metadata, Found) else None
    deps_dev_url = version.value.declared_repository if isinstance(version, Found) else ""
    return (
        find_proven_repository(metadata, version)
        or parse_repository_id(registry_url)
        or parse_repository_id(deps_dev_url)
    )


def build_repository(
    package: Package,
    metadata: Fact[Metadata],
    version: Fact[VersionInfo],
    repository_info: Fact[RepositoryInfo],
    hosted: Fact[HostedRepository],
    *,
    as_of: int,
) -> Fact[Repository]:
    """Return the facts about the repository of a package.

    ``repository_info`` (deps.dev) and ``hosted`` (GitHub) are about the repository that :func:`choose_repository`
    returns. GitHub's values come first, those of deps.dev fill gaps. ``as_of`` is in epoch seconds (UTC).
    """
    repository_id = choose_repository(metadata, version)
    if repository_id is None:
        return NO_REPOSITORY
    link = _classify_link(package, is_proven=find_proven_repository(metadata, version) is not None, hosted=hosted)
    if link == "dead":
        return Found(
            Repository(repository_id.id, link),
            github.LABEL,
            hosted.retrieved_at if isinstance(hosted, Found) else as_of,
        )
    fallback = repository_info.value if isinstance(repository_info, Found) else None
    if isinstance(hosted, Found):
        return Found(_merge_repository(hosted.value, link, fallback, as_of), hosted.source, hosted.retrieved_at)
    if isinstance(repository_info, Found):
        info = repository_info.value
        value = Repository(
            repository_id.id,
            link,
            stars=info.stars,
            open_issues=info.open_issues,
            unread_reason=_explain_unread(hosted),
        )
        return Found(value, repository_info.source, repository_info.retrieved_at)
    if link == "attested":
        source_fact = version if isinstance(version, Found) and version.value.verified_repository else metadata
        value = Repository(repository_id.id, link, unread_reason=_explain_unread(hosted))
        return Found(value, source_fact.source, source_fact.retrieved_at if isinstance(source_fact, Found) else as_of)
    return _explain_unknown(hosted, repository_info)


def _explain_unread(hosted: Fact[HostedRepository]) -> str:
    return f"{github.LABEL}: {hosted.reason}" if isinstance(hosted, Unknown) else ""


def _classify_link(
    package: Package, *, is_proven: bool, hosted: Fact[HostedRepository]
) -> Literal["attested", "confirmed", "declared", "dead"]:
    if is_proven:
        return "attested"
    if hosted == github.NOT_REACHABLE or (isinstance(hosted, Found) and hosted.value.taken_down):
        return "dead"
    return "confirmed" if isinstance(hosted, Found) and package.key in hosted.value.packages else "declared"


def _merge_repository(
    hosted: HostedRepository, link: str, repository_info: RepositoryInfo | None, as_of: int
) -> Repository:
    stars = hosted.stars if hosted.stars is not None or repository_info is None else repository_info.stars
    issues = (
        hosted.open_issues if hosted.open_issues is not None or repository_info is None else repository_info.open_issues
    )
    return Repository(
        name=hosted.name,
        link_status=link,
        archived=hosted.archived,
        stars=stars,
        commits_90d=github.get_recent_commits(hosted, as_of),
        last_commit=hosted.last_commit,
        open_items=hosted.open_items,
        closed_items=hosted.closed_items,
        open_issues=issues,
        security_policy=hosted.security_policy,
    )


def _explain_unknown(hosted: Fact[HostedRepository], repository_info: Fact[RepositoryInfo]) -> Unknown:
    """Return Unknown with the reasons of deps.dev and GitHub."""
    unknown_facts = [fact for fact in (repository_info, hosted) if isinstance(fact, Unknown)]
    reasons = dict.fromkeys(fact.reason for fact in unknown_facts)
    labels = dict.fromkeys(fact.source for fact in unknown_facts if fact.source)
    return Unknown("; ".join(reasons) or "nobody was asked", ", ".join(labels))


def choose_scorecard(repository_info: Fact[RepositoryInfo], scorecard_fact: Fact[Scorecard]) -> Fact[Scorecard]:
    """Return the newer of two Scorecard results: the copy of deps.dev, and Scorecard's own."""
    if not isinstance(repository_info, Found) or repository_info.value.scorecard is None:
        return scorecard_fact
    deps_dev_fact = Found(repository_info.value.scorecard, repository_info.source, repository_info.retrieved_at)
    return (
        scorecard_fact
        if isinstance(scorecard_fact, Found) and scorecard_fact.value.date > deps_dev_fact.value.date
        else deps_dev_fact
    )


def lacks_scorecard(repository_info: Fact[RepositoryInfo]) -> bool:
    """Whether a request to Scorecard itself is needed."""
    return not (isinstance(repository_info, Found) and repository_info.value.scorecard is not None)
