"""Which repository is behind a package, how sure that is, and what is known of it. Values in, values out.

A link from package to repository is the package's own word. It counts as attested where provenance proves that the
repository built the version, and as confirmed where the repository's own manifest names the package. A link that
contradicts the provenance is dropped for the proven one. Beyond that nobody can prove that a repository belongs to
another package: many a package comes from a folder of a repository whose root is another one. So ``foreign`` is not
said here.
"""

from __future__ import annotations

from typing import Final, Literal

from nerq_cli.facts import Fact, Found, Metadata, Repository, Scorecard, Unknown
from nerq_cli.inventory import Package, RepositoryId
from nerq_cli.sources import github
from nerq_cli.sources.deps_dev import HostedProject, Version
from nerq_cli.sources.github import Hosted
from nerq_cli.sources.services import repository_id

NONE_NAMED: Final = Unknown("no source repository is named")


def proven(metadata: Fact[Metadata], version: Fact[Version]) -> RepositoryId | None:
    """Return the repository that built the version, as the registry or deps.dev verified; None where nobody did."""
    stated = metadata.value.attested_repository if isinstance(metadata, Found) else None
    return repository_id(stated) or repository_id(version.value.proven if isinstance(version, Found) else "")


def source(metadata: Fact[Metadata], version: Fact[Version]) -> RepositoryId | None:
    """Return the repository to ask about: the proven one, else the one that the package names; None without either."""
    stated = metadata.value.repository if isinstance(metadata, Found) else None
    named = version.value.declared if isinstance(version, Found) else ""
    return proven(metadata, version) or repository_id(stated) or repository_id(named)


def repository(
    package: Package,
    metadata: Fact[Metadata],
    version: Fact[Version],
    project: Fact[HostedProject],
    hosted: Fact[Hosted],
    *,
    as_of: int,
) -> Fact[Repository]:
    """Return what is known of the repository behind a package.

    ``project`` and ``hosted`` are what deps.dev and GitHub say of the repository that :func:`source` names. GitHub
    goes first, deps.dev fills in. ``as_of`` is in epoch seconds (UTC).
    """
    named = source(metadata, version)
    if named is None:
        return NONE_NAMED
    link = _link(package, proven=proven(metadata, version) is not None, hosted=hosted)
    if link == "dead":
        return Found(Repository(named.id, link), github.LABEL, hosted.seen if isinstance(hosted, Found) else as_of)
    fallback = project.value if isinstance(project, Found) else None
    if isinstance(hosted, Found):
        return Found(_from_host(hosted.value, link, fallback, as_of), hosted.source, hosted.seen)
    if isinstance(project, Found):
        said = project.value
        value = Repository(named.id, link, stars=said.stars, open_issues=said.open_issues, unread=_why_unread(hosted))
        return Found(value, project.source, project.seen)
    if link == "attested":
        by = version if isinstance(version, Found) and version.value.proven else metadata
        value = Repository(named.id, link, unread=_why_unread(hosted))
        return Found(value, by.source, by.seen if isinstance(by, Found) else as_of)
    return _reason(hosted, project)


def _why_unread(hosted: Fact[Hosted]) -> str:
    return f"{github.LABEL}: {hosted.reason}" if isinstance(hosted, Unknown) else ""


def _link(
    package: Package, *, proven: bool, hosted: Fact[Hosted]
) -> Literal["attested", "confirmed", "declared", "dead"]:
    if proven:
        return "attested"
    if hosted == github.GONE or (isinstance(hosted, Found) and hosted.value.taken_down):
        return "dead"
    return "confirmed" if isinstance(hosted, Found) and package.key in hosted.value.packages else "declared"


def _from_host(hosted: Hosted, link: str, project: HostedProject | None, as_of: int) -> Repository:
    stars = hosted.stars if hosted.stars is not None or project is None else project.stars
    issues = hosted.open_issues if hosted.open_issues is not None or project is None else project.open_issues
    return Repository(
        name=hosted.name,
        link=link,
        archived=hosted.archived,
        stars=stars,
        commits_90d=github.commits_before(hosted, as_of),
        last_commit=hosted.last_commit,
        open_items=hosted.open_items,
        closed_items=hosted.closed_items,
        open_issues=issues,
        security_policy=hosted.security_policy,
    )


def _reason(hosted: Fact[Hosted], project: Fact[HostedProject]) -> Unknown:
    """Return why nothing is known: what deps.dev and GitHub say, each with its own reason."""
    silent = [fact for fact in (project, hosted) if isinstance(fact, Unknown)]
    reasons = dict.fromkeys(fact.reason for fact in silent)
    labels = dict.fromkeys(fact.source for fact in silent if fact.source)
    return Unknown("; ".join(reasons) or "nobody was asked", ", ".join(labels))


def scorecard(project: Fact[HostedProject], own: Fact[Scorecard]) -> Fact[Scorecard]:
    """Return the newer of Scorecard's results: as deps.dev passes them on, and from Scorecard itself."""
    if not isinstance(project, Found) or project.value.scorecard is None:
        return own
    passed_on = Found(project.value.scorecard, project.source, project.seen)
    return own if isinstance(own, Found) and own.value.date > passed_on.value.date else passed_on


def lacks_scorecard(project: Fact[HostedProject]) -> bool:
    """Whether Scorecard itself is worth a request."""
    return not (isinstance(project, Found) and project.value.scorecard is not None)
