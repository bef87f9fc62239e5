"""The order of the stages: read, ask, settle versions, ask about those, score, judge, look for a way out, report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final, Protocol, TypeAlias

from nerq_cli import __version__, methodology, policy, scoring, signals, versions
from nerq_cli.errors import Exit, UsageError
from nerq_cli.facts import Evidence, Fact, Found, Project, Unknown
from nerq_cli.inventory import Declared, Dependency, Manifest, Package, Release
from nerq_cli.policy import finding, way_out
from nerq_cli.policy.remedy import remedy
from nerq_cli.policy.way_out import Alternative
from nerq_cli.privacy import ELSEWHERE, PERHAPS_ELSEWHERE, Rules, withheld
from nerq_cli.report.model import Assessed, ManifestLine, Report, SourceLine
from nerq_cli.report.phrases import ceiling
from nerq_cli.resolution import CONSTRAINT, Declarations, Inventory, Unsatisfied, unite
from nerq_cli.sources.registries import Projects

#: How many packages are held in memory at a time; what is known of them is dropped once they are scored.
BATCH: Final = 1_000
_DEV: Final = "dev"

#: The answers to each name that more than one ecosystem has.
Ambiguous: TypeAlias = tuple[tuple[Assessed, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a run is asked to do. ``as_of`` is the moment it judges from (epoch seconds UTC).

    ``groups`` are the dependency groups to keep (empty = all), by full name (``extra:socks``), kind (``extra``) or
    name alone (``socks``). ``python`` is the Python version that would install. ``strict`` makes a run that could not
    check everything fail. ``beside_latest`` scores the newest version of each package as well.
    """

    as_of: int
    threshold: float = methodology.DEFAULT_THRESHOLD
    groups: tuple[str, ...] = ()
    no_dev: bool = False
    python: str = ""
    strict: bool = False
    list_only: bool = False
    keep_going: bool = False
    allow_empty: bool = False
    beside_latest: bool = False


class Asks(Protocol):
    """The part of the world that can be asked about packages. Tests hand in one made of dictionaries."""

    def projects(self, packages: Sequence[Package], pinned: Sequence[Release] = ()) -> Projects:
        """Ask about packages; of some of them no other versions matter than those ``pinned``."""
        ...

    def evidence(self, releases: Sequence[Release], projects: Projects) -> Mapping[Release, Evidence]:
        """Ask about the versions in use, and about those that might take their place."""
        ...

    def sources(self) -> tuple[SourceLine, ...]:
        """Say how each source did."""
        ...


def scan(manifests: Sequence[Manifest], rules: Rules, options: Options, asks: Asks) -> Report:
    """Score everything the dependency files declare, and report on it.

    Problems in the files end the run before anything is asked, unless the options say to keep going. Never raises for
    what a file, a registry or the network says.

    Raises:
        UsageError: a group was asked for that no file has.
    """
    problems = [problem for manifest in manifests for problem in manifest.problems]
    _require_groups(manifests, options)
    declared = list(withheld(selected(_items(manifests), options), rules))
    if options.list_only or (problems and not options.keep_going):
        listed = unite(declared, {}, python=options.python or None)
        assessed = [Assessed(dependency=one, state=None) for one in listed.dependencies]
        return _report(manifests, assessed, options, sources=(), listed=True)
    assessed = list(assess(declared, options, asks))
    return _report(manifests, assessed, options, sources=asks.sources())


def check(
    targets: Sequence[Sequence[Declared]], rules: Rules, options: Options, asks: Asks
) -> tuple[Report, Ambiguous]:
    """Score single packages that a person named, and report on them.

    Each target is the package it names, or one package per ecosystem where the name could be of either; the second
    result holds those of which more than one exists, or which could not all be asked about. They are in the report
    all the same.
    """
    declared = list(withheld((item for target in targets for item in target), rules))
    by_package: dict[Package, list[Assessed]] = {}
    for one in assess(declared, replace(options, beside_latest=True), asks):
        by_package.setdefault(one.dependency.package, []).append(one)
    chosen: list[Assessed] = []
    ambiguous: list[tuple[Assessed, ...]] = []
    for target in targets:
        answers = [one for item in target for one in by_package[item.package]]
        known = [one for one in answers if one.found is not False and one.state != "skipped"]
        meant = [one for one in known if not (one.found and one.score is None)] or known or answers[:1]
        chosen += [one for one in meant if one not in chosen]
        if len({one.dependency.package for one in meant}) > 1:
            ambiguous.append(tuple(meant))
    return _report((), chosen, options, sources=asks.sources()), tuple(ambiguous)


def _items(manifests: Iterable[Manifest]) -> Iterator[Declared]:
    return (item for manifest in manifests for item in manifest.declared)


def _require_groups(manifests: Sequence[Manifest], options: Options) -> None:
    """Refuse a group that no file has: a slip of the pen must not scan nothing and pass."""
    groups = {item.group for item in _items(manifests)}
    known = {name for group in groups for name in (group, *group.split(":", 1))}
    for group in options.groups:
        if groups and group not in known:
            raise UsageError(f"no group is called {group!r}", hint=f"the groups here: {', '.join(sorted(groups))}")
    if options.no_dev and options.groups and not any(selected(_items(manifests), options)):
        raise UsageError("--no-dev leaves nothing of the groups asked for", hint="leave one of the two out")


def selected(declared: Iterable[Declared], options: Options) -> Iterator[Declared]:
    """Yield the declarations of the groups that were asked for. Constraints stay: they narrow versions."""
    for item in declared:
        kind, _, name = item.group.partition(":")
        if item.group == CONSTRAINT:
            yield item
        elif options.no_dev and kind == _DEV:
            continue
        elif not options.groups or {item.group, kind, name} & set(options.groups):
            yield item


def assess(declared: Sequence[Declared], options: Options, asks: Asks) -> Iterator[Assessed]:
    """Yield every dependency with its score and state, a batch of packages at a time."""
    declarations = Declarations(declared, python=options.python or None)
    for packages in _batches(declarations.packages, BATCH):
        asked = declarations.asked(packages)
        projects = asks.projects(asked, declarations.pins(asked))
        inventory = declarations.settle(packages, projects.facts)
        yield from _assess_batch(inventory, projects, options, asks)


def _batches(packages: Iterable[Package], size: int) -> Iterator[list[Package]]:
    rest = iter(packages)
    while batch := list(islice(rest, size)):
        yield batch


def _assess_batch(inventory: Inventory, projects: Projects, options: Options, asks: Asks) -> Iterator[Assessed]:
    unsatisfied = {(one.package, place): one for one in inventory.unsatisfied for place in one.locations}
    releases = [one.release for one in inventory.dependencies if one.release is not None and not one.skip]
    evidence = asks.evidence(releases, projects)
    assessed: list[Assessed] = []
    for dependency in inventory.dependencies:
        missing = next((m for p in dependency.locations if (m := unsatisfied.get((dependency.package, p)))), None)
        if dependency.skip:
            assessed.append(Assessed(dependency=dependency, state="skipped", reasons=(dependency.skip,)))
        elif missing is not None and (dependency.release is None or not _listed(dependency, projects)):
            assessed.append(_unsatisfied(dependency, missing))
        elif dependency.release is None:
            assessed.append(_unresolved(dependency, projects.facts.get(dependency.package)))
        else:
            assessed.append(_scored(dependency, evidence[dependency.release], options))
    return _with_ways_out(assessed, evidence, projects, options, asks)


def _with_ways_out(
    assessed: Sequence[Assessed],
    known: Mapping[Release, Evidence],
    projects: Projects,
    options: Options,
    asks: Asks,
) -> Iterator[Assessed]:
    """Yield the dependencies again, those below the threshold with the version to move to.

    All versions that might serve are asked about at once; where nothing needs one, nothing is asked.
    """
    ways = [_ways(one, known, options) for one in assessed]
    releases = [Release(package=some.package, version=version) for some in ways for version in some.versions]
    unasked = [release for release in dict.fromkeys(releases) if release not in known]
    evidence = {**known, **asks.evidence(unasked, projects)} if unasked else known
    for one, some in zip(assessed, ways, strict=True):
        yield _with_way_out(one, some, evidence, options) if some.versions else one


@dataclass(frozen=True, slots=True)
class _Ways:
    """Other versions of a package that are worth scoring: what may be a way out, the smallest step first; the newest.

    ``latest`` is empty where nobody wants to see it.
    """

    package: Package
    out: tuple[str, ...] = ()
    latest: str = ""

    @property
    def versions(self) -> tuple[str, ...]:
        return (*self.out, self.latest) if self.latest and self.latest not in self.out else self.out


def _ways(one: Assessed, known: Mapping[Release, Evidence], options: Options) -> _Ways:
    package, release = one.dependency.package, one.dependency.release
    fact = known[release].project if one.score is not None and release is not None else None
    if not isinstance(fact, Found):
        return _Ways(package)
    below = one.state == "below"
    out = way_out.candidates(one.dependency, fact.value, one.advisories, python=options.python) if below else ()
    shown = one.latest in out or (options.beside_latest and one.latest != one.dependency.version)
    return _Ways(package, out, one.latest if shown else "")


def _with_way_out(one: Assessed, ways: _Ways, known: Mapping[Release, Evidence], options: Options) -> Assessed:
    evidence = {version: known[Release(package=ways.package, version=version)] for version in ways.versions}
    scored = {version: _alternative(one, version, some, options) for version, some in evidence.items()}
    ranked = [scored[version] for version in ways.out if not _yanked(evidence[version])]
    chosen = way_out.choose(ceiling(one), ranked, options.threshold)
    fix = one.fix if chosen is None else chosen.version
    return replace(one, fix=fix, way_out=chosen, latest_scored=scored.get(ways.latest))


def _alternative(one: Assessed, version: str, evidence: Evidence, options: Options) -> Alternative:
    """Score another version exactly as if it were the one in use."""
    there = _scored(replace(one.dependency, version=version), evidence, options)
    return way_out.alternative(
        one.dependency,
        version,
        score=there.score,
        clears=there.state == "ok",
        advisories=one.advisories,
        evidence=evidence,
    )


def _yanked(evidence: Evidence) -> bool:
    """Whether a version turns out to be yanked: where not all versions are listed, only its own page tells."""
    return isinstance(evidence.metadata, Found) and bool(evidence.metadata.value.yanked)


def _listed(dependency: Dependency, projects: Projects) -> bool:
    fact = projects.facts.get(dependency.package)
    return isinstance(fact, Found) and dependency.version in fact.value.versions


def _unsatisfied(dependency: Dependency, missing: Unsatisfied) -> Assessed:
    nearest = ", ".join(missing.nearest)
    return Assessed(
        dependency=dependency,
        state="unknown",
        reasons=(missing.reason,),
        fix=f"nearest: {nearest}" if nearest else "",
        found=True,
    )


def _unresolved(dependency: Dependency, fact: Fact[Project] | None) -> Assessed:
    """A range whose package could not be read: score nothing, and say why."""
    measured = signals.measure(
        dependency.package.ecosystem, "", Evidence() if fact is None else Evidence(project=fact), as_of=0
    )
    reason = measured.verdict or (fact.reason if fact is not None and not isinstance(fact, Found) else "no version")
    return Assessed(
        dependency=dependency,
        state="unknown",
        reasons=(measured.verdict or f"version in use not known: {reason}",),
        found=_found(fact),
    )


def _found(fact: Fact[Project] | None) -> bool | None:
    return None if fact is None or isinstance(fact, Unknown) else isinstance(fact, Found)


def _scored(dependency: Dependency, evidence: Evidence, options: Options) -> Assessed:
    measured = signals.measure(dependency.package.ecosystem, dependency.version or "", evidence, options.as_of)
    score = scoring.score(measured)
    project = evidence.project.value if isinstance(evidence.project, Found) else None
    advisories = evidence.advisories.value if isinstance(evidence.advisories, Found) else ()
    return Assessed(
        dependency=dependency,
        state=policy.judge(dependency, score, options.threshold),
        score=score,
        reasons=_reasons(score, evidence),
        fix=remedy(dependency, score, project, advisories),
        latest=project.newest_stable if project else "",
        behind=None if project is None else versions.behind(project, dependency.version or ""),
        released=_released(project, dependency.version or ""),
        advisories=advisories,
        found=_found(evidence.project),
    )


def _released(project: Project | None, version: str) -> int:
    if project is None or project.dates_doubt or version not in project.versions:
        return 0
    return project.published[project.versions.index(version)]


def _reasons(score: scoring.Score, evidence: Evidence) -> tuple[str, ...]:
    reasons = tuple(reason.text for reason in score.reasons)
    if score.verdict and not any(score.verdict == reason for reason in reasons):
        reasons = (score.verdict, *reasons)
    if score.provisional:
        why = evidence.advisories.reason if not isinstance(evidence.advisories, Found) else ""
        reasons = (*reasons, f"advisories not checked: {why}")
    return reasons


def _report(
    manifests: Sequence[Manifest],
    assessed: Sequence[Assessed],
    options: Options,
    *,
    sources: tuple[SourceLine, ...],
    listed: bool = False,
) -> Report:
    problems = tuple(problem for manifest in manifests for problem in manifest.problems)
    states = [one.state for one in assessed if one.state is not None]
    notes = (f"{manifest.path}: {note}" for manifest in manifests for note in manifest.notes)
    silent = [source for source in sources if source.state in ("partial", "unavailable") and not source.stands_in]
    findings = (
        *finding.unregistered(one.dependency for one in assessed if one.found is False),
        *finding.drifted(drift for manifest in manifests for drift in manifest.drift),
    )
    incomplete = [
        *(_silence(source) for source in silent if source.essential),
        *finding.counted(findings, failing=False),
        *notes,
        *_excused(assessed),
    ]
    lesser = [_silence(source) for source in silent if not source.essential]
    status, reason = policy.verdict(
        states,
        threshold=options.threshold,
        broken=len(problems),
        findings=finding.counted(findings),
        incomplete=incomplete,
        lesser=lesser,
        strict=options.strict,
    )
    reason = "; ".join((reason, *(source.note for source in sources if source.note)))
    if listed and not problems:
        status, reason = Exit.PASSED, "listed, not scored"
    return Report(
        version=__version__,
        methodology=methodology.VERSION,
        as_of=options.as_of,
        threshold=options.threshold,
        python=options.python,
        complete=not (listed or problems or incomplete or lesser or "unknown" in states),
        strictly=not (incomplete or "unknown" in states),
        exit=status,
        exit_reason=reason,
        manifests=tuple(
            ManifestLine(
                path=m.path,
                format=m.format,
                dependencies=len(m.locked) or len(m.declared) + m.settled,
                problems=m.problems,
                notes=m.notes,
                settled_by=m.settled_by,
            )
            for m in manifests
        ),
        dependencies=tuple(assessed),
        findings=findings,
        sources=sources,
        warnings=tuple(f"{m.path}: {note}" for m in manifests for note in m.notes),
        errors=problems,
        listed=listed,
    )


def _excused(assessed: Sequence[Assessed]) -> Iterator[str]:
    """Say what was left out on the word of the scanned files alone, and when that leaves nothing to judge."""
    elsewhere = sum(one.dependency.skip.startswith((ELSEWHERE, PERHAPS_ELSEWHERE)) for one in assessed)
    if elsewhere:
        yield f"{elsewhere} from an index that only the scanned files name"
    if assessed and all(one.state == "skipped" for one in assessed):
        yield "everything was skipped, nothing was judged"


def _silence(source: SourceLine) -> str:
    """Say of a source that it did not answer everything it was asked."""
    answered = f"{source.name}: {source.answered} of {source.asked} answered"
    return answered + (f" ({source.reason})" if source.reason else "")


def empty(options: Options, reason: str) -> Report:
    """Return the report of a run that found no dependency file at all."""
    return Report(
        version=__version__,
        methodology=methodology.VERSION,
        as_of=options.as_of,
        threshold=options.threshold,
        python=options.python,
        complete=options.allow_empty,
        exit=Exit.PASSED if options.allow_empty else Exit.EMPTY,
        exit_reason=reason,
        manifests=(),
        dependencies=(),
    )
