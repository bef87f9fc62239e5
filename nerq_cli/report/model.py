"""The report as data: built once per run, printed by every format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import msgspec

from nerq_cli.errors import ExitStatus
from nerq_cli.insight.purpose import Purpose
from nerq_cli.inventory import SOURCE_FORMAT
from nerq_cli.methodology.types import Methodology
from nerq_cli.policy import State
from nerq_cli.policy.assessment import Assessment
from nerq_cli.policy.baseline import Comparison
from nerq_cli.policy.findings import Finding
from nerq_cli.problem import Problem

if TYPE_CHECKING:
    from nerq_cli.insight.alternatives import Choice

__all__ = ["Assessment", "Comparison", "DependencyFileSummary", "Report", "SourceStatus"]


class DependencyFileSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One dependency file of a run."""

    path: str
    #: Name of the format in the table of formats.
    format: str
    #: Number of dependencies that it declares.
    dependencies: int
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    #: Path of the lock file that pins its versions; empty when there is none.
    lockfile: str = ""


class SourceStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one source in a run."""

    #: Display name.
    name: str
    #: ``ok``, ``partial``, ``unavailable``, ``not offered`` or ``not requested``.
    state: str
    #: Number of packages or versions requested.
    subjects: int = 0
    #: Number of those that the source answered.
    answered_subjects: int = 0
    #: Number of those answered from the cache.
    from_cache: int = 0
    #: Number of those whose answer in the cache is used because no new one arrived.
    outdated: int = 0
    #: Number of requests sent.
    requests: int = 0
    #: When the oldest response in use was retrieved (epoch seconds UTC; 0 = none).
    oldest_response: int = 0
    #: Why subjects are unanswered.
    reason: str = ""
    #: Whether a run is incomplete without the source.
    required: bool = True
    #: Source that answered everything this one did not; empty when there is none.
    fallback: str = ""
    #: Text added to the reason of the exit status, such as the age of the advisory database.
    note: str = ""
    #: Address of a service that scores were looked up at; empty for sources of single facts.
    address: str = ""
    #: Version of the methodology of that service.
    methodology: str = ""
    #: Number of packages that the service was not asked about, because their names are not known to be public.
    unsent_packages: int = 0


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one run."""

    #: Version of nerq-cli.
    version: str
    methodology: Methodology
    #: Moment that ages are counted to (epoch seconds UTC).
    as_of: int
    #: Score that a dependency must reach (0-100).
    threshold: float
    #: Whether some dependencies, or the dimensions of their scores, have thresholds of their own.
    has_own_thresholds: bool = False
    #: Python version that the scan assumes; empty when not known.
    python: str
    #: Whether everything could be checked.
    complete: bool
    exit: ExitStatus
    exit_reason: str
    #: Exit status of a run that does not only report; None if nothing was judged.
    judged_exit: ExitStatus | None = None
    #: Whether the run passes whatever it found.
    report_only: bool = False
    dependency_files: tuple[DependencyFileSummary, ...]
    dependencies: tuple[Assessment, ...]
    findings: tuple[Finding, ...] = ()
    sources: tuple[SourceStatus, ...] = ()
    warnings: tuple[str, ...] = ()
    #: What the user can do to learn what is unknown.
    hints: tuple[str, ...] = ()
    errors: tuple[Problem, ...] = ()
    #: Whether dependencies were listed only, not scored.
    list_only: bool = False
    #: Whether no request was sent: no token would help.
    offline: bool = False
    #: Whether the exit status is the same with ``--strict``.
    strict: bool = True
    #: Whether an incomplete run fails (``--strict``).
    fails_incomplete: bool = False
    #: The run beside an earlier one; None if it was compared with none.
    comparison: Comparison | None = None
    #: Directory of the run relative to the root of its git repository, with slashes; empty at the root or outside of
    #: one. Places in the report are relative to the directory of the run.
    directory: str = ""
    #: What does the same job as dependencies below the threshold, by the purl of each.
    alternatives: Mapping[str, Choice] = {}
    #: What the dependencies are to be used for, which the report card in words is about; empty without that card.
    purpose: Purpose | Literal[""] = ""
    #: Seconds that the run took. Machine formats leave it out: the same evidence and ``as_of`` give the same bytes.
    elapsed: float = 0.0

    @property
    def dependency_problems(self) -> tuple[Problem, ...]:
        """Return the problems of dependency files, without those of source files that were searched for models."""
        return tuple(
            problem for file in self.dependency_files if file.format != SOURCE_FORMAT for problem in file.problems
        )

    def count_state(self, state: State) -> int:
        """Return how many dependencies are in a state."""
        return sum(assessment.state == state for assessment in self.dependencies)
