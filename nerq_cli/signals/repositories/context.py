"""What the signals of one repository on GitHub have in common."""

from __future__ import annotations

from nerq_cli.ecosystems import GITHUB, is_commit
from nerq_cli.facts import Evidence, Found
from nerq_cli.github_facts import GithubEvidence, GithubFile, HostedRepository
from nerq_cli.methodology.types import Methodology
from nerq_cli.signals.context import Context
from nerq_cli.signals.signal import days_between
from nerq_cli.units import DAY


class GithubContext(Context):
    """The evidence about one repository, with what several signals derive from it.

    It is that of a package too, without a registry, so that the signals of packages about their repository apply.
    """

    def __init__(self, methodology: Methodology, evidence: GithubEvidence, as_of: int) -> None:
        revision = evidence.revision
        super().__init__(
            methodology,
            GITHUB,
            revision.value.commit if isinstance(revision, Found) else "",
            Evidence(
                metadata=evidence.metadata,
                advisories=evidence.advisories,
                scorecard=evidence.scorecard,
                repository=evidence.repository,
            ),
            as_of,
        )
        self.github = evidence
        hosted = evidence.hosted
        #: None if it was not read.
        self.hosted: HostedRepository | None = hosted.value if isinstance(hosted, Found) else None

    @property
    def days(self) -> int | None:
        """Whole UTC days since it was created; None = not stated."""
        created_at = self.hosted.created_at if self.hosted is not None else None
        if created_at is None or created_at > self.as_of + DAY:  # more than clocks differ
            return None
        return days_between(created_at, self.as_of)

    @property
    def is_pinned(self) -> bool:
        """Whether the project refers to a commit."""
        return is_commit(self.github.reference.revision)

    @property
    def files(self) -> tuple[GithubFile, ...] | None:
        """What is at its root; None if that was not listed."""
        files = self.github.files
        return files.value.files if isinstance(files, Found) else None

    def find_file(self, *stems: str) -> GithubFile | None:
        """Return the file at its root whose name begins with one of these words, in lower case."""
        return next((file for file in self.files or () if file.name.lower().startswith(stems)), None)

    def has_file(self, *stems: str) -> bool | None:
        """Return whether there is such a file; None if that is not known: some are in a directory instead."""
        if self.find_file(*stems) is not None:
            return True
        if self.files is None or any(file.is_directory and file.name.lower() in _DIRECTORIES for file in self.files):
            return None
        return False


#: Directories where GitHub looks for the documents of a repository as well.
_DIRECTORIES = frozenset({".github", "docs"})
