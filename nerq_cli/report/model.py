"""The Report: one document, built once; every format only prints it."""

from __future__ import annotations

from dataclasses import dataclass

from nerq_cli.errors import ExitStatus, Problem
from nerq_cli.facts import AffectingAdvisory, Found, Metadata
from nerq_cli.inventory import Dependency
from nerq_cli.methodology.types import Methodology
from nerq_cli.policy import State
from nerq_cli.policy.findings import Finding
from nerq_cli.policy.upgrade import Upgrade
from nerq_cli.scoring.score import Score


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """One dependency, judged.

    ``score`` is None when it was not scored (listed only, skipped, or nothing could be asked). ``reasons`` are
    sentences, worst first; they always say why a dependency is not ``ok``. ``fix`` says what to do about it, empty
    when nothing is known. ``latest`` is the newest stable version and ``releases_behind`` how many stable releases lie
    between; ``released_at`` when the version in use was published (epoch seconds UTC, 0 = not known). ``in_registry`` tells
    whether the registry knows the package at all (None = could not be asked). ``upgrade`` is the version that lifts
    one below the threshold above it, or else helps most; ``latest_upgrade`` is ``latest``, where it was scored as well.
    """

    dependency: Dependency
    state: State | None
    score: Score | None = None
    reasons: tuple[str, ...] = ()
    fix: str = ""
    latest: str = ""
    releases_behind: int | None = None
    released_at: int = 0
    advisories: tuple[AffectingAdvisory, ...] = ()
    in_registry: bool | None = None
    upgrade: Upgrade | None = None
    latest_upgrade: Upgrade | None = None
    #: Metadata of the version in use, each field with its source; None if no registry has any.
    metadata: Found[Metadata] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DependencyFileSummary:
    """One dependency file in the report: its reader, how many dependencies it declares, and what is wrong with it."""

    path: str
    format: str
    dependencies: int
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    #: The lock file that settles its versions.
    lockfile: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceStatus:
    """How one source did in this run.

    ``state`` is ``ok``, ``partial``, ``unavailable``, ``not offered`` or ``not asked``; ``subjects`` and ``answered_subjects``
    count subjects, ``from_cache`` those answered without the network, ``requests`` what was sent. ``oldest_response`` is the
    age of the oldest answer used, as epoch seconds UTC (0 = none). ``required`` says that no run is complete without
    it; ``fallback`` names who answered in its place everything it left open. ``note`` is what the verdict must not
    leave unsaid of it.
    """

    name: str
    state: str
    subjects: int = 0
    answered_subjects: int = 0
    from_cache: int = 0
    requests: int = 0
    oldest_response: int = 0
    reason: str = ""
    required: bool = True
    fallback: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything a run found out. ``as_of`` is the moment it judges from (epoch seconds UTC).

    ``complete`` is False whenever something could not be checked, ``strict`` where ``--strict`` fails for it.
    ``list_only`` says that dependencies were listed only, not scored. ``elapsed`` (seconds) is for people and left out
    of machine formats, which stay byte-identical for the same evidence and ``as_of``.
    """

    version: str
    methodology: Methodology
    as_of: int
    threshold: float
    python: str
    complete: bool
    exit: ExitStatus
    exit_reason: str
    dependency_files: tuple[DependencyFileSummary, ...]
    dependencies: tuple[Assessment, ...]
    findings: tuple[Finding, ...] = ()
    sources: tuple[SourceStatus, ...] = ()
    warnings: tuple[str, ...] = ()
    errors: tuple[Problem, ...] = ()
    list_only: bool = False
    strict: bool = True
    elapsed: float = 0.0

    def count_state(self, state: State) -> int:
        """Return how many dependencies are in a state."""
        return sum(assessment.state == state for assessment in self.dependencies)
