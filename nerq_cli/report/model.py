"""The Report: one document, built once; every format only prints it."""

from __future__ import annotations

from dataclasses import dataclass

from nerq_cli.errors import Exit, Problem
from nerq_cli.facts import Vulnerability
from nerq_cli.inventory import Dependency
from nerq_cli.policy import State
from nerq_cli.policy.finding import Finding
from nerq_cli.policy.way_out import Alternative
from nerq_cli.scoring.score import Score


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessed:
    """One dependency, judged.

    ``score`` is None when it was not scored (listed only, skipped, or nothing could be asked). ``reasons`` are
    sentences, worst first; they always say why a dependency is not ``ok``. ``fix`` says what to do about it, empty
    when nothing is known. ``latest`` is the newest stable version and ``behind`` how many stable releases lie
    between; ``released`` when the version in use was published (epoch seconds UTC, 0 = not known). ``found`` tells
    whether the registry knows the package at all (None = could not be asked). ``way_out`` is the version that lifts
    one below the threshold above it, or else helps most; ``latest_scored`` is ``latest``, where it was scored as well.
    """

    dependency: Dependency
    state: State | None
    score: Score | None = None
    reasons: tuple[str, ...] = ()
    fix: str = ""
    latest: str = ""
    behind: int | None = None
    released: int = 0
    advisories: tuple[Vulnerability, ...] = ()
    found: bool | None = None
    way_out: Alternative | None = None
    latest_scored: Alternative | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestLine:
    """One dependency file in the report: its reader, how many dependencies it declares, and what is wrong with it."""

    path: str
    format: str
    dependencies: int
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    #: The lock file that settles its versions.
    settled_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceLine:
    """How one source did in this run.

    ``state`` is ``ok``, ``partial``, ``unavailable``, ``not offered`` or ``not asked``; ``asked`` and ``answered``
    count subjects, ``from_cache`` those answered without the network, ``requests`` what was sent. ``oldest`` is the
    age of the oldest answer used, as epoch seconds UTC (0 = none). ``essential`` says that no run is complete without
    it; ``stands_in`` names who answered in its place everything it left open. ``note`` is what the verdict must not
    leave unsaid of it.
    """

    name: str
    state: str
    asked: int = 0
    answered: int = 0
    from_cache: int = 0
    requests: int = 0
    oldest: int = 0
    reason: str = ""
    essential: bool = True
    stands_in: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything a run found out. ``as_of`` is the moment it judges from (epoch seconds UTC).

    ``complete`` is False whenever something could not be checked, ``strictly`` where ``--strict`` fails for it.
    ``listed`` says that dependencies were listed only, not scored. ``elapsed`` (seconds) is for people and left out
    of machine formats, which stay byte-identical for the same evidence and ``as_of``.
    """

    version: str
    methodology: str
    as_of: int
    threshold: float
    python: str
    complete: bool
    exit: Exit
    exit_reason: str
    manifests: tuple[ManifestLine, ...]
    dependencies: tuple[Assessed, ...]
    findings: tuple[Finding, ...] = ()
    sources: tuple[SourceLine, ...] = ()
    warnings: tuple[str, ...] = ()
    errors: tuple[Problem, ...] = ()
    listed: bool = False
    strictly: bool = True
    elapsed: float = 0.0

    def count(self, state: State) -> int:
        """Return how many dependencies are in a state."""
        return sum(one.state == state for one in self.dependencies)
