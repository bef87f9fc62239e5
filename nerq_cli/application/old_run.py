"""Assess an earlier state of a project with the evidence of the run that it is compared with."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from nerq_cli.application.build_report import check_rules
from nerq_cli.application.foreign_origins import list_foreign_origins
from nerq_cli.application.scan import assess_declarations, select_groups
from nerq_cli.application.server_dependencies import ServerDependencies
from nerq_cli.application.since import OldProject, count_common_end, drop_place, read_old_project
from nerq_cli.inventory import Declaration, DependencyFile, Location, Package
from nerq_cli.methodology.packages import PACKAGES
from nerq_cli.policy.baseline import TEXT_RULES, Record, record_run
from nerq_cli.privacy import PrivacyRules, mark_withheld
from nerq_cli.report.model import Assessment
from nerq_cli.resolve.resolver import CONSTRAINT_GROUP

if TYPE_CHECKING:
    from nerq_cli.application.assess import ScanOptions
    from nerq_cli.application.evidence_run import EvidenceProvider
    from nerq_cli.application.read_dependencies import Inputs
    from nerq_cli.application.scores import Scorer
    from nerq_cli.application.session import Session
    from nerq_cli.policy.age import AgeRule
    from nerq_cli.policy.findings import Finding
    from nerq_cli.policy.waivers import Waiver

#: Begins the ids of the rules about waivers.
_WAIVER_RULES = "waiver-"
_NOWHERE = Location(path="", line=0)


class OldRun(msgspec.Struct, frozen=True, kw_only=True):
    """An earlier state of the project, not yet assessed."""

    project: OldProject
    rules: PrivacyRules
    #: Paths of files that were moved or renamed since then, each with the path of now.
    moved: Mapping[str, str] = {}

    def assess(
        self,
        declarations: Sequence[Declaration],
        assessments: Sequence[Assessment],
        options: ScanOptions,
        provider: EvidenceProvider,
        scorer: Scorer,
    ) -> Record:
        """Return the record of the earlier state, judged by the evidence and the settings of this run.

        Packages that are declared as before have the assessments of this run: only those that changed are resolved and
        scored, with the evidence that this run has, and requests for what it lacks.

        Args:
            declarations: those of this run.
            assessments: the dependencies of this run.
            options: as of this run.
            provider: as of this run.
            scorer: as of this run.
        """
        files = self.project.dependency_files
        selected = list(select_groups((declaration for file in files for declaration in file.declarations), options))
        origins = list_foreign_origins(selected, files, self.rules)
        servers = ServerDependencies(provider, python=options.python)
        old_declarations = list(servers.add(mark_withheld(selected, self.rules)))
        changed = _find_changed(old_declarations, declarations)
        old_packages = {declaration.package for declaration in old_declarations}
        old_assessments = [
            assessment
            for assessment in assessments
            if assessment.dependency.package in old_packages and assessment.dependency.package not in changed
        ]
        if changed_declarations := _select_packages(old_declarations, changed):
            old_options = replace(options, find_upgrades=False)
            changed_assessments = assess_declarations(changed_declarations, old_options, provider, scorer)
            old_assessments += servers.mark_unknown(changed_assessments)
        old_rules = tuple(rule for rule in options.age_rules if self._applied(rule))
        problems = tuple(item for item in options.registration_problems if item.package in old_packages)
        old_options = replace(options, age_rules=old_rules, registration_problems=problems)
        findings = check_rules(files, old_assessments, origins, old_options)
        findings = tuple(finding for finding in findings if not self._is_about_new_waiver(finding, options.waivers))
        if self.moved:
            findings = tuple(map(self._move, findings))
        return record_run(
            old_assessments,
            findings,
            PACKAGES.version,
            base=self.project.base,
            label=self.project.label,
            notes=self.project.notes,
        )

    def _move(self, finding: Finding) -> Finding:
        """Return a finding whose text names files as they are named now; one about files has their places of now."""
        if finding.purl and finding.id not in TEXT_RULES:
            return finding
        text = finding.text
        for old_path, path in self.moved.items():
            text = text.replace(old_path, path)
        if finding.purl:
            return replace(finding, text=text)
        locations = (replace(place, path=self.moved.get(place.path, place.path)) for place in finding.locations)
        return replace(finding, text=text, locations=tuple(locations))

    def _is_about_new_waiver(self, finding: Finding, waivers: Iterable[Waiver]) -> bool:
        """Whether a finding is about a waiver that the settings did not have: the earlier run has no such finding."""
        known = self.project.waivers
        if known is None or not finding.id.startswith(_WAIVER_RULES):
            return False
        locations = {waiver.location for waiver in waivers if drop_place(waiver) in known}
        return locations.isdisjoint(finding.locations)

    def _applied(self, rule: AgeRule) -> bool:
        """Whether an age rule was in force: it is a default or of the user, or its file is the same."""
        return rule.is_default or rule.is_user or rule.location.path in self.project.same_files


def open_old_run(
    inputs: Inputs,
    ref: str,
    session: Session,
    dependency_files: Sequence[DependencyFile],
    age_rules: Sequence[AgeRule] = (),
) -> OldRun:
    """Read the state of the project where HEAD left a branch, tag or commit.

    Args:
        inputs: what is scanned.
        ref: the branch, tag or commit.
        session: that of the run; it must not have collected evidence.
        dependency_files: those of the run.
        age_rules: those of the run.

    Raises:
        UsageError: the state cannot be read.
    """
    paths = {rule.location.path for rule in age_rules if not (rule.is_default or rule.is_user)}
    project = read_old_project(
        inputs,
        ref,
        reads_settings=session.obeys_project,
        settings_files=paths,
        open_cache=session.open_second_cache,
    )
    old_files = session.add_cached_commits(session.name_indexes(project.dependency_files))
    # Of packages that are still declared, the files of the run decide which index is requested.
    current = {declaration.package for file in dependency_files for declaration in file.declarations}
    only_old = [
        replace(file, declarations=tuple(entry for entry in file.declarations if entry.package not in current))
        for file in old_files
    ]
    privacy_rules = session.build_rules([*dependency_files, *only_old])
    moved = find_moved([file.path for file in old_files], [file.path for file in dependency_files])
    return OldRun(project=replace(project, dependency_files=old_files), rules=privacy_rules, moved=moved)


def find_moved(old_paths: Sequence[str], new_paths: Sequence[str]) -> dict[str, str]:
    """Return the paths that are gone, each with the new one that it was moved to: that with the longest equal end.

    A file whose name changed is one that was moved if nothing else in its directory is gone or new.
    """
    old_set, new_set = set(old_paths), set(new_paths)
    gone = [path for path in old_paths if path not in new_set]
    added: dict[str, list[str]] = defaultdict(list)
    neighbours: dict[str, list[str]] = defaultdict(list)
    for path in new_paths:
        if path not in old_set:
            added[path.rpartition("/")[2]].append(path)
            neighbours[path.rpartition("/")[0]].append(path)
    moved: dict[str, str] = {}
    for path in gone:
        candidates = added[path.rpartition("/")[2]]
        best = max(candidates, key=lambda candidate: count_common_end(path, candidate), default="")
        if best:
            moved[path] = best
            candidates.remove(best)
    taken = set(moved.values())
    gone_neighbours = Counter(path.rpartition("/")[0] for path in gone)
    for path in gone:
        directory = path.rpartition("/")[0]
        others = neighbours[directory]
        if path not in moved and gone_neighbours[directory] == len(others) == 1 and others[0] not in taken:
            moved[path] = others[0]
    return dict(sorted(moved.items(), key=lambda pair: -len(pair[0])))


def _find_changed(old: Iterable[Declaration], new: Iterable[Declaration]) -> set[Package]:
    """Return the packages whose declarations differ in more than their lines."""
    old_keys, new_keys = _group_keys(old), _group_keys(new)
    return {package for package, keys in old_keys.items() if new_keys.get(package) != keys}


def _group_keys(declarations: Iterable[Declaration]) -> dict[Package, set[tuple[str, Declaration]]]:
    keys: dict[Package, set[tuple[str, Declaration]]] = defaultdict(set)
    for item in declarations:
        # What requires a package decides neither its version nor its score.
        key = replace(item, location=_NOWHERE, via="", via_distance=0, parents=())
        keys[item.package].add((item.location.path, key))
    return keys


def _select_packages(declarations: Sequence[Declaration], packages: set[Package]) -> list[Declaration]:
    """Return the declarations of packages that have one beside constraints, which add no dependency."""
    declared = {item.package for item in declarations if item.group != CONSTRAINT_GROUP} or packages
    return [item for item in declarations if item.package in packages and item.package in declared]
