"""Compare a run with an earlier one: what was added, removed or moved, and which findings are new or worse. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

import msgspec
from msgspec.structs import replace

from nerq_cli.ecosystems import EcosystemId, get_ecosystem
from nerq_cli.inventory import Location, Package, strip_purl_version
from nerq_cli.patterns import compile_late
from nerq_cli.policy.assessment import Assessment
from nerq_cli.policy.findings import Change, Finding, Level
from nerq_cli.policy.settings import LEVELS
from nerq_cli.scoring.score import Score
from nerq_cli.signals.advisories import SEVERITIES, merge_advisories

#: ``replaced``: another version, and the order of the two is not known; ``rescored``: the same version, another score.
ChangeKind: TypeAlias = Literal["added", "removed", "upgraded", "downgraded", "replaced", "rescored"]

#: What the directory of a run is relative to; empty if that is not known.
DirectoryOf: TypeAlias = Literal["repository", "file", ""]

#: Points from which a lower score of a dependency below its threshold is worse. Scores move a little as time passes.
MIN_FALL: Final = 1.0
#: Points from which the part of a signal in a score is listed among what moved it.
_MIN_POINTS: Final = 0.05
#: Rules about one version: a finding about another version of the package is a new one.
_VERSION_RULES: Final = frozenset(
    {"malicious", "vanished", "yanked", "too-new", "provenance-lost", "publisher-changed"}
)
#: Rules whose text has the address, commit or requirement that a finding is about.
TEXT_RULES: Final = frozenset({"not-judged", "foreign-origin", "lock-drift"})
#: Rules about a score, which is worse if it fell or a new advisory lowers it.
_SCORE_RULES: Final = frozenset({"score-below-threshold"})
#: Begins the path from the directory above.
_ABOVE: Final = "../"
_UNCHECKED_STATES: Final = frozenset({"unknown", "not-judged"})
#: The line in ``(requirements.txt:3)``.
_LINE: Final = compile_late(r":[0-9]+\)", re.ASCII)


class RecordedScore(msgspec.Struct, frozen=True, gc=False):
    """The parts of a score, as an earlier report has them."""

    #: Value (0 to 100; None if not known) and points of each signal, by its id.
    signals: Mapping[str, tuple[float | None, float]] = {}
    #: Limit of each cap in force, by its id.
    caps: Mapping[str, float] = {}


class RecordedAdvisory(msgspec.Struct, frozen=True, gc=False):
    """An advisory that affects a dependency."""

    #: Its id and aliases, sorted.
    ids: tuple[str, ...]
    exploited: bool = False


class RecordedDependency(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One package at one version, with what a comparison needs."""

    ecosystem: EcosystemId
    #: Normalised.
    name: str
    #: Empty if not known.
    version: str = ""
    #: Directories of the projects that have it, relative to the scanned directory; empty for that itself.
    projects: tuple[str, ...] = ("",)
    #: Empty if it was only listed.
    state: str = ""
    #: None if there is none.
    score: float | None = None
    parts: Score | RecordedScore | None = None
    advisories: tuple[RecordedAdvisory, ...] = ()
    #: Methodology of its score if it is not that of the run: ``models 1.0``.
    methodology: str = ""

    @property
    def purl(self) -> str:
        """Return the package URL without a version."""
        return Package(ecosystem=self.ecosystem, name=self.name).purl

    @property
    def ceiling(self) -> float | None:
        """Return the score, else the lowest cap; None without either."""
        return self.score if self.score is not None else min(_read_caps(self.parts).values(), default=None)


class RecordedFinding(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One finding, with what a comparison needs."""

    rule: str
    level: Level = "deny"
    undecided: bool = False
    #: Package URL without a version; empty if it concerns no single package.
    package: str = ""
    #: Empty if not known.
    version: str = ""
    advisory: str = ""
    severity: str = ""
    projects: tuple[str, ...] = ()
    #: Only where it is part of the identity.
    text: str = ""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A run, as far as another one is compared with it."""

    #: Version of the methodology of its scores; empty if nothing was scored.
    methodology: str
    dependencies: tuple[RecordedDependency, ...] = ()
    findings: tuple[RecordedFinding, ...] = ()
    #: What it is, for people: ``nerq-baseline.json``, ``main (1a2b3c4)``.
    label: str = ""
    #: Sentences about what it does not have.
    notes: tuple[str, ...] = ()
    #: Paths of its dependency files, relative to ``directory``.
    files: tuple[str, ...] = ()
    #: The scanned directory: relative to the root of the repository, else to the file that records the run.
    directory: str = "."
    directory_of: DirectoryOf = ""
    #: Directories of projects of which the other run leaves files out: it shows nothing as removed or resolved there.
    unscanned: frozenset[str] = frozenset()


class SignalChange(msgspec.Struct, frozen=True, gc=False):
    """One signal that moved a score."""

    id: str
    #: 0 to 100; None if not known or not applicable.
    value_before: float | None
    value_after: float | None
    #: Points of the score before caps.
    points_before: float
    points_after: float

    @property
    def points(self) -> float:
        """Return the points that the score gained."""
        return self.points_after - self.points_before


class CapChange(msgspec.Struct, frozen=True, gc=False):
    """One cap that appeared, went or has another limit."""

    id: str
    #: 0 to 100; None if it is not in force.
    limit_before: float | None
    limit_after: float | None


class DependencyChange(msgspec.Struct, frozen=True, kw_only=True):
    """One difference in the dependencies."""

    kind: ChangeKind
    ecosystem: EcosystemId
    name: str
    #: None if it was not there, or its version is not known.
    version_before: str | None = None
    version_after: str | None = None
    #: Directories of the projects in which it changed, relative to the scanned directory.
    projects: tuple[str, ...] = ()
    #: None if it was not there.
    state_before: str | None = None
    state_after: str | None = None
    #: None if there is none, or if scores cannot be compared.
    score_before: float | None = None
    score_after: float | None = None
    #: The signals that moved the score, those with most points first.
    signals: tuple[SignalChange, ...] = ()
    caps: tuple[CapChange, ...] = ()


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """A run beside the one that it is compared with."""

    label: str
    #: Whether both runs score by the same methodology.
    has_scores: bool = True
    #: By kind, then by name.
    changes: tuple[DependencyChange, ...] = ()
    #: Number of dependencies with the same version and score.
    unchanged: int = 0
    #: Number of findings of the earlier run that this one does not have, and whose packages it could check.
    resolved: int = 0
    #: Number of those that it could not check again.
    unchecked: int = 0
    notes: tuple[str, ...] = ()

    def count(self, kind: ChangeKind) -> int:
        """Return the number of changes of a kind."""
        return sum(change.kind == kind for change in self.changes)


#: The kinds of change in the order of a report.
KINDS: Final[tuple[ChangeKind, ...]] = ("added", "upgraded", "downgraded", "replaced", "rescored", "removed")


# --- Record


def record_run(
    assessments: Iterable[Assessment],
    findings: Iterable[Finding],
    methodology: str,
    *,
    base: str = "",
    label: str = "",
    notes: tuple[str, ...] = (),
) -> Record:
    """Return the record of a run.

    Args:
        assessments: its dependencies.
        findings: what its rules found. Waived findings are left out: a waiver that ended must count again.
        methodology: version of the methodology of the scores.
        base: the scanned directory, as in the locations; projects are recorded relative to it.
        label: what it is, for people.
        notes: sentences about what it does not have.
    """
    return Record(
        methodology=methodology,
        dependencies=tuple(_record_dependency(assessment, base) for assessment in assessments),
        findings=tuple(record_finding(finding, base) for finding in findings if finding.waiver is None),
        label=label,
        notes=notes,
    )


def _record_dependency(assessment: Assessment, base: str) -> RecordedDependency:
    dependency, score = assessment.dependency, assessment.score
    return RecordedDependency(
        ecosystem=dependency.package.ecosystem,
        name=dependency.package.name,
        version=dependency.version or "",
        projects=find_projects(dependency.locations, base) or ("",),
        state=assessment.state or "",
        score=None if score is None or score.value is None else round(float(score.value), 1),
        parts=score,
        advisories=tuple(
            RecordedAdvisory(tuple(sorted({advisory.id, *advisory.aliases})), bool(advisory.exploited))
            for advisory in merge_advisories(assessment.advisories)
        )
        if assessment.advisories
        else (),
        methodology=_name_methodology(score),
    )


def _name_methodology(score: Score | None) -> str:
    methodology = None if score is None else score.methodology
    is_usual = methodology is None or methodology.target == "packages"
    return "" if methodology is None or is_usual else f"{methodology.target} {methodology.version}"


def record_finding(finding: Finding, base: str = "") -> RecordedFinding:
    """Return what a comparison needs of a finding."""
    package = strip_purl_version(finding.purl)
    return RecordedFinding(
        rule=finding.id,
        level=finding.level,
        undecided=finding.undecided,
        package=package,
        version=finding.version,
        advisory=finding.advisory,
        severity=finding.severity,
        projects=find_projects(finding.locations, base),
        text=_LINE.sub(")", finding.text) if not package or finding.id in TEXT_RULES else "",
    )


def find_projects(locations: Iterable[Location], base: str = "") -> tuple[str, ...]:
    """Return the directories of the projects of some locations, sorted, relative to ``base``."""
    return tuple(sorted({_find_project(location.path, base) for location in locations}))


def _find_project(path: str, base: str) -> str:
    directory = path.rpartition("/")[0]
    parent, _, name = directory.rpartition("/")
    directory = parent if name == "requirements" else directory
    if directory == base:
        return ""
    return directory.removeprefix(f"{base}/") if base else directory


def _read_caps(parts: Score | RecordedScore | None) -> Mapping[str, float]:
    if parts is None:
        return MappingProxyType({})
    return parts.caps if isinstance(parts, RecordedScore) else {cap.id: float(cap.limit) for cap in parts.caps}


@lru_cache(maxsize=4096)  # the values of signals are few, and rounding to digits takes a microsecond
def _round_value(value: float) -> float:
    return round(value, 1)


def read_signals(parts: Score | RecordedScore | None) -> Mapping[str, tuple[float | None, float]]:
    """Return the value and the points of each signal that applies; points are 0 without a score."""
    if parts is None:
        return MappingProxyType({})
    if isinstance(parts, RecordedScore):
        return parts.signals
    return {
        part.signal.id: (
            None if part.signal.value is None else _round_value(float(part.signal.value)),
            0.0 if parts.total is None else round(part.contribution, 2),
        )
        for part in parts.parts
        if part.signal.state != "not_applicable"
    }


def freeze_parts(parts: Score | RecordedScore | None) -> RecordedScore:
    """Return the parts of a score as they are recorded."""
    return RecordedScore(read_signals(parts), _read_caps(parts))


def relocate(record: Record, prefix: str) -> Record:
    """Return a record with paths relative to a directory below the scanned one: what is outside of it is left out.

    ``prefix`` is that directory; ``../sub`` is the scanned one, as seen from the directory above it.
    """

    def place(directories: Iterable[str]) -> tuple[str, ...]:
        if prefix.startswith(_ABOVE):
            return tuple("/".join(filter(None, (prefix[len(_ABOVE) :], directory))) for directory in directories)
        inside = (directory for directory in directories if f"{directory}/".startswith(f"{prefix}/"))
        return tuple(directory[len(prefix) + 1 :] for directory in inside)

    return replace(
        record,
        dependencies=tuple(
            replace(dependency, projects=projects)
            for dependency in record.dependencies
            if (projects := place(dependency.projects))
        ),
        findings=tuple(
            replace(finding, projects=place(finding.projects))
            for finding in record.findings
            if not finding.projects or place(finding.projects)
        ),
        unscanned=frozenset(place(record.unscanned)),
    )


# --- Dependencies


def compare(before: Record, after: Record) -> Comparison:
    """Return the differences between the dependencies of two runs. Their findings are `mark_findings`' part.

    Dependencies are the same by ecosystem, name, directory of the project and version. Among those that remain of a
    package, first the versions of one directory are pairs, then equal versions of different ones (a file that was
    moved), then what is left, the newest versions first.
    """
    has_scores = before.methodology == after.methodology or not (before.methodology and after.methodology)
    old_entries, new_entries = _group_entries(before), _group_entries(after)
    changes: list[DependencyChange] = []
    unchanged = 0
    differing: set[tuple[str, str]] = set()
    nothing: dict[_Entry, RecordedDependency] = {}
    for key in sorted(old_entries.keys() | new_entries.keys()):
        rows: dict[tuple[str | None, str | None], list[_Pair]] = defaultdict(list)
        for pair in _pair_entries(key[0], old_entries.get(key, nothing), new_entries.get(key, nothing)):
            old, new = pair.old, pair.new
            if new is None and pair.project in before.unscanned:
                continue
            rows[None if old is None else old.version, None if new is None else new.version].append(pair)
            if old is not None and new is not None and _differ_in_methodology(old, new):
                differing.add((old.methodology, new.methodology))
        for pairs in rows.values():
            if change := _describe_change(pairs, has_scores=has_scores):
                changes.append(change)
            else:
                unchanged += 1
    notes = before.notes
    if not has_scores:
        note = (
            f"scores are not compared: those of {before.label or 'the earlier run'} are by methodology "
            f"{before.methodology}, those of this run by {after.methodology}"
        )
        notes = (*notes, note)
    for old_name, new_name in sorted(differing):
        label = before.label or "the earlier run"
        names = new_name or after.methodology, old_name or "another one"
        notes = (*notes, f"scores by methodology {names[0]} are not compared: {label} has those by {names[1]}")
    return Comparison(
        label=before.label,
        has_scores=has_scores,
        changes=tuple(sorted(changes, key=_change_key)),
        unchanged=unchanged,
        notes=notes,
    )


#: Directory of a project, and version.
_Entry: TypeAlias = tuple[str, str]


class _Pair(msgspec.Struct, frozen=True, gc=False):
    """What one entry was, and what it is now."""

    old: RecordedDependency | None
    new: RecordedDependency | None
    project: str


def _group_entries(record: Record) -> dict[tuple[EcosystemId, str], dict[_Entry, RecordedDependency]]:
    grouped: dict[tuple[EcosystemId, str], dict[_Entry, RecordedDependency]] = {}
    for dependency in record.dependencies:
        entries = grouped.setdefault((dependency.ecosystem, dependency.name), {})
        for project in dependency.projects:
            known = entries.get((project, dependency.version))
            if known is None or known.state == "skipped":
                entries[project, dependency.version] = dependency
    return grouped


def _pair_entries(
    ecosystem: EcosystemId, old: Mapping[_Entry, RecordedDependency], new: Mapping[_Entry, RecordedDependency]
) -> Iterator[_Pair]:
    """Yield each entry of either run once, with its counterpart where it has one."""
    for entry in sorted(old.keys() & new.keys()):
        yield _Pair(old[entry], new[entry], entry[0])
    old_rest, new_rest = sorted(old.keys() - new.keys()), sorted(new.keys() - old.keys())
    if old_rest and new_rest:
        ranks = {
            version: rank
            for rank, version in enumerate(
                get_ecosystem(ecosystem).sort_newest_first({version for _, version in (*old_rest, *new_rest)})
            )
        }
        old_rest.sort(key=lambda entry: (ranks[entry[1]], entry[0]))
        new_rest.sort(key=lambda entry: (ranks[entry[1]], entry[0]))
        for position in (0, 1, None):  # the same directory, the same version, any
            for old_entry, new_entry in _match_entries(old_rest, new_rest, position):
                old_rest.remove(old_entry)
                new_rest.remove(new_entry)
                yield _Pair(old[old_entry], new[new_entry], new_entry[0])
    for entry in old_rest:
        yield _Pair(old[entry], None, entry[0])
    for entry in new_rest:
        yield _Pair(None, new[entry], entry[0])


def _match_entries(old: Sequence[_Entry], new: Sequence[_Entry], position: int | None) -> list[tuple[_Entry, _Entry]]:
    """Return pairs of entries that have the same value at a position, in the order of each list."""
    if position is None:
        return list(zip(old, new, strict=False))
    groups: dict[str, tuple[list[_Entry], list[_Entry]]] = {}
    for side, entries in enumerate((old, new)):
        for entry in entries:
            groups.setdefault(entry[position], ([], []))[side].append(entry)
    return [pair for group in groups.values() for pair in zip(*group, strict=False)]


def _describe_change(pairs: Sequence[_Pair], *, has_scores: bool) -> DependencyChange | None:
    """Return the change of an entry in one or several projects; None if there is none."""
    old, new = pairs[0].old, pairs[0].new
    has_scores = _has_comparable_scores(old, new, has_scores=has_scores)
    known = new or old
    if known is None:  # no pair is empty
        return None
    kind = _find_kind(old, new, has_scores=has_scores)
    if kind is None:
        return None
    is_comparable = has_scores and old is not None and new is not None
    parts_before = old.parts if is_comparable and old is not None else None
    parts_after = new.parts if is_comparable and new is not None else None
    return DependencyChange(
        kind=kind,
        ecosystem=known.ecosystem,
        name=known.name,
        version_before=old.version or None if old is not None else None,
        version_after=new.version or None if new is not None else None,
        projects=tuple(sorted({pair.project for pair in pairs})),
        state_before=None if old is None else old.state,
        state_after=None if new is None else new.state,
        score_before=old.score if old is not None and has_scores else None,
        score_after=None if new is None else new.score,
        signals=_compare_signals(parts_before, parts_after) if is_comparable else (),
        caps=_compare_caps(parts_before, parts_after) if is_comparable else (),
    )


def _differ_in_methodology(old: RecordedDependency, new: RecordedDependency) -> bool:
    """Return whether both are scored, and one of them not by the methodology of its run, or of another version."""
    return old.parts is not None and new.parts is not None and old.methodology != new.methodology


def _has_comparable_scores(old: RecordedDependency | None, new: RecordedDependency | None, *, has_scores: bool) -> bool:
    """Return whether two scores are by the same methodology; ``has_scores`` is whether those of the runs are."""
    if old is None or new is None or old.parts is None or new.parts is None:
        return has_scores
    return old.methodology == new.methodology if old.methodology or new.methodology else has_scores


def _find_kind(
    old: RecordedDependency | None, new: RecordedDependency | None, *, has_scores: bool
) -> ChangeKind | None:
    if old is None or new is None:
        return "added" if old is None else "removed"
    if old.version == new.version:
        return "rescored" if has_scores and _is_rescored(old, new) else None
    if not old.version or not new.version:
        return "replaced"
    ecosystem = get_ecosystem(old.ecosystem)
    if ecosystem.parse_version(old.version) is None or ecosystem.parse_version(new.version) is None:
        return "replaced"
    if ecosystem.is_same_version(old.version, new.version):
        return "replaced"
    return "upgraded" if ecosystem.is_at_least(new.version, old.version) else "downgraded"


def _is_rescored(old: RecordedDependency, new: RecordedDependency) -> bool:
    """Whether the score moved, and not only what it is judged by: a threshold or a group."""
    if old.score != new.score:
        return True
    if old.state == new.state:
        return False
    return old.score is None or bool(_compare_signals(old.parts, new.parts) or _compare_caps(old.parts, new.parts))


def _compare_signals(
    before: Score | RecordedScore | None, after: Score | RecordedScore | None
) -> tuple[SignalChange, ...]:
    """Return the signals whose value or points differ, those that moved most points first."""
    old, new = read_signals(before), read_signals(after)
    missing: tuple[float | None, float] = (None, 0.0)
    changes = [
        SignalChange(id_, value_before, value_after, points_before, points_after)
        for id_ in sorted(old.keys() | new.keys())
        for (value_before, points_before), (value_after, points_after) in [
            (old.get(id_, missing), new.get(id_, missing))
        ]
        if value_before != value_after or abs(points_after - points_before) >= _MIN_POINTS
    ]
    return tuple(sorted(changes, key=lambda change: (-round(abs(change.points), 2), change.id)))


def _compare_caps(before: Score | RecordedScore | None, after: Score | RecordedScore | None) -> tuple[CapChange, ...]:
    old, new = _read_caps(before), _read_caps(after)
    return tuple(
        CapChange(id_, old.get(id_), new.get(id_))
        for id_ in sorted(old.keys() | new.keys())
        if old.get(id_) != new.get(id_)
    )


def _change_key(change: DependencyChange) -> tuple[int, str, str, str, str]:
    versions = change.version_before or "", change.version_after or ""
    return KINDS.index(change.kind), change.name, change.ecosystem, *versions


# --- Findings


def mark_findings(
    before: Record, after: Record, findings: Sequence[Finding], comparison: Comparison, *, base: str = ""
) -> tuple[tuple[Finding, ...], Comparison]:
    """Return the findings with their change, and the comparison with the counts of those that are gone.

    A finding has a counterpart by rule, package and advisory (any alias); the lines do not matter, nor does the version
    unless the rule is about one. What could not be checked has one only for the same version: another version that
    could not be checked is new.

    Args:
        before: the earlier run.
        after: this run, with the records of its dependencies.
        findings: the findings of this run.
        comparison: that of the two runs.
        base: as in `record_run`.
    """
    records = [record_finding(finding, base) for finding in findings]
    old_dependencies = _index_dependencies(before, before.findings)
    new_dependencies = _index_dependencies(after, records)
    candidates: dict[_Identity, list[RecordedFinding]] = defaultdict(list)
    for old in before.findings:
        candidates[_identify(old)].append(old)
    counterparts: dict[int, RecordedFinding] = {}
    for same_version in (True, False):
        for number, record in enumerate(records):
            if number in counterparts or not (same_version or _may_change_version(record)):
                continue
            others = candidates.get(_identify(record), [])
            ids = _list_ids(record, new_dependencies)
            for other in others:
                if (not same_version or other.version == record.version) and (
                    ids == _NONE == _list_ids(other, old_dependencies) or ids & _list_ids(other, old_dependencies)
                ):
                    counterparts[number] = other
                    others.remove(other)
                    break
    marked = tuple(
        replace(
            finding,
            change=_choose_change(record, counterparts.get(number), old_dependencies, new_dependencies, comparison),
        )
        for number, (finding, record) in enumerate(zip(findings, records, strict=True))
    )
    gone = [
        old
        for group in candidates.values()
        for old in group
        if not old.undecided and not (before.unscanned and before.unscanned.issuperset(old.projects))
    ]
    unchecked_packages = {
        dependency.purl for dependency in after.dependencies if dependency.state in _UNCHECKED_STATES
    } | {record.package for record in records if record.undecided}
    unchecked = sum(old.package in unchecked_packages for old in gone if old.package)
    return marked, replace(comparison, resolved=len(gone) - unchecked, unchecked=unchecked)


#: Rule, package, text and whether something could not be checked.
_Identity: TypeAlias = tuple[str, str, str, bool]
#: Package URL without a version, and version.
_Index: TypeAlias = Mapping[tuple[str, str], RecordedDependency]
_NONE: Final[frozenset[str]] = frozenset()


def _identify(finding: RecordedFinding) -> _Identity:
    return finding.rule, finding.package, finding.text, finding.undecided


def _may_change_version(finding: RecordedFinding) -> bool:
    return not finding.undecided and finding.rule not in _VERSION_RULES


def _index_dependencies(
    record: Record, findings: Iterable[RecordedFinding]
) -> dict[tuple[str, str], RecordedDependency]:
    """Return the dependencies that these findings are about."""
    wanted = {(finding.package, finding.version) for finding in findings}
    return {
        key: dependency
        for dependency in record.dependencies
        if (key := (dependency.purl, dependency.version)) in wanted
    }


def _list_ids(finding: RecordedFinding, dependencies: _Index) -> frozenset[str]:
    """Return the id of the advisory of a finding, and its aliases; empty without one."""
    if not finding.advisory:
        return _NONE
    dependency = dependencies.get((finding.package, finding.version))
    advisories = () if dependency is None else dependency.advisories
    ids = (advisory.ids for advisory in advisories if finding.advisory in advisory.ids)
    return frozenset(next(ids, ())) | {finding.advisory}


def _choose_change(
    finding: RecordedFinding,
    counterpart: RecordedFinding | None,
    old_dependencies: _Index,
    new_dependencies: _Index,
    comparison: Comparison,
) -> Change:
    if counterpart is None:
        return "new"
    old = old_dependencies.get((counterpart.package, counterpart.version))
    new = new_dependencies.get((finding.package, finding.version))
    is_worse = (
        LEVELS.index(finding.level) > LEVELS.index(counterpart.level)
        or _rank_severity(finding.severity) > _rank_severity(counterpart.severity)
        or len(finding.projects) > len(counterpart.projects)
        or (old is not None and new is not None and _is_worse(finding, old, new, has_scores=comparison.has_scores))
    )
    return "worse" if is_worse else "unchanged"


def _rank_severity(severity: str) -> int:
    return SEVERITIES.index(severity) if severity in SEVERITIES else -1


def _is_worse(finding: RecordedFinding, old: RecordedDependency, new: RecordedDependency, *, has_scores: bool) -> bool:
    """Whether the dependency of a finding got worse in what the finding is about."""
    is_about_score = finding.rule in _SCORE_RULES
    old_ids = {id_ for advisory in old.advisories for id_ in advisory.ids}
    exploited_ids = {id_ for advisory in old.advisories if advisory.exploited for id_ in advisory.ids}
    for advisory in new.advisories:
        if is_about_score and old_ids.isdisjoint(advisory.ids):
            return True
        is_about_it = is_about_score or finding.advisory in advisory.ids
        if is_about_it and advisory.exploited and exploited_ids.isdisjoint(advisory.ids):
            return True
    if not is_about_score or old.ceiling is None or new.ceiling is None:
        return False
    if not _has_comparable_scores(old, new, has_scores=has_scores):
        return False
    return round(old.ceiling - new.ceiling, 1) >= MIN_FALL
