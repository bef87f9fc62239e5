"""Facts about source repositories on GitHub."""

from __future__ import annotations

from typing import Final

import msgspec

from nerq_cli.facts import NOT_REQUESTED, AffectingAdvisory, Fact, Metadata, Repository, Scorecard

#: Start of the reason of a repository that exists and lacks the revision that was asked for.
NO_REVISION: Final = "the repository has no branch, tag or commit"


class HostedRepository(msgspec.Struct, frozen=True, omit_defaults=True):
    """A repository on GitHub. Times are epoch seconds UTC; None = not read.

    ``name`` is the current name, also after a request for an old one. ``packages`` are the names in its own manifests
    (``npm/demo``). ``since`` is the start of the 90 days in which ``commits`` were counted.
    """

    name: str
    archived: bool | None = None
    disabled: bool | None = None
    fork: bool | None = None
    stars: int | None = None
    forks: int | None = None
    licence: str = ""
    security_policy: bool | None = None
    open_issues: int | None = None
    open_items: int | None = None
    closed_items: int | None = None
    last_commit: int | None = None
    commits: int | None = None
    since: int = 0
    readme: int | None = None
    packages: tuple[str, ...] = ()
    taken_down: bool = False
    #: Whether it can be read with the token in use only.
    private: bool | None = None
    created_at: int | None = None
    #: Whether an organisation owns it.
    is_organisation: bool | None = None
    #: As its owner states them; "" = none.
    description: str | None = None
    homepage: str | None = None


class GithubRevision(msgspec.Struct, frozen=True, omit_defaults=True):
    """The commit that a revision of a repository leads to."""

    #: 40 hexadecimal digits; empty = the repository has no such revision, or no commit at all.
    commit: str = ""
    #: When it was committed, in epoch seconds UTC; 0 = not stated.
    committed_at: int = 0
    #: Times of the newest commits of the branch, newest first; at most ``MAX_COMMITS`` of them.
    newest: tuple[int, ...] = ()


#: Commits that one request lists: more than the number from which their number makes no difference.
MAX_COMMITS: Final = 20


class GithubFile(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A file or directory at the root of a repository."""

    name: str
    #: In bytes; None = not stated.
    size: int | None = None
    is_directory: bool = False


class GithubFiles(msgspec.Struct, frozen=True, omit_defaults=True):
    """The files at the root of a repository at one commit; at most 1,000."""

    files: tuple[GithubFile, ...] = ()


class GithubReference(msgspec.Struct, frozen=True, omit_defaults=True):
    """How the scanned project refers to a repository."""

    #: Whether it was named on the command line: no project refers to it.
    is_target: bool = False
    #: Branch, tag or commit as written; empty = none.
    revision: str = ""


class GithubEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """All facts about one repository at one revision, before scoring."""

    #: GitHub's own answer.
    hosted: Fact[HostedRepository] = NOT_REQUESTED
    #: The same, with what deps.dev adds.
    repository: Fact[Repository] = NOT_REQUESTED
    revision: Fact[GithubRevision] = NOT_REQUESTED
    files: Fact[GithubFiles] = NOT_REQUESTED
    scorecard: Fact[Scorecard] = NOT_REQUESTED
    #: Its licence, in the form of the metadata of a package.
    metadata: Fact[Metadata] = NOT_REQUESTED
    #: Advisories that name the commit.
    advisories: Fact[tuple[AffectingAdvisory, ...]] = NOT_REQUESTED
    reference: GithubReference = GithubReference()
