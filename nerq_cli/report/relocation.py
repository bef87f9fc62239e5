"""Paths from the root of the repository, for formats whose readers look files up there."""

from __future__ import annotations

import posixpath

from msgspec.structs import replace

from nerq_cli.inventory import Location
from nerq_cli.policy.findings import Finding
from nerq_cli.problem import Problem
from nerq_cli.report.model import Assessment, DependencyFileSummary, Report
from nerq_cli.report.uris import is_absolute_path, is_file_path


def relocate_report(report: Report) -> Report:
    """Return a report whose places are relative to the root of its repository, not to the directory of the run.

    Absolute paths stay, and so does what is no file. A path in a text stays as well: people read it where they ran it.
    """
    if not report.directory:
        return report
    relocator = _Relocator(report.directory)
    return replace(
        report,
        directory="",
        dependencies=tuple(map(relocator.move_assessment, report.dependencies)),
        findings=tuple(map(relocator.move_finding, report.findings)),
        dependency_files=tuple(map(relocator.move_file, report.dependency_files)),
        errors=tuple(map(relocator.move_problem, report.errors)),
    )


class _Relocator:
    """Moves each path once: thousands of locations are in a few files."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._moved: dict[str, str] = {}

    def move_path(self, path: str) -> str:
        moved = self._moved.get(path)
        if moved is None:
            is_relative = is_file_path(path) and not is_absolute_path(path)
            text = path.replace("\\", "/")
            moved = self._moved[path] = posixpath.normpath(f"{self._directory}/{text}") if is_relative else path
        return moved

    def move_location(self, location: Location) -> Location:
        return Location(path=self.move_path(location.path), line=location.line)

    def move_assessment(self, assessment: Assessment) -> Assessment:
        dependency = assessment.dependency
        return replace(
            assessment, dependency=replace(dependency, locations=tuple(map(self.move_location, dependency.locations)))
        )

    def move_finding(self, finding: Finding) -> Finding:
        waiver = finding.waiver
        if waiver is not None and waiver.location is not None:
            waiver = replace(waiver, location=self.move_location(waiver.location))
        return replace(finding, waiver=waiver, locations=tuple(map(self.move_location, finding.locations)))

    def move_file(self, file: DependencyFileSummary) -> DependencyFileSummary:
        return replace(
            file,
            path=self.move_path(file.path),
            lockfile=self.move_path(file.lockfile),
            problems=tuple(map(self.move_problem, file.problems)),
        )

    def move_problem(self, problem: Problem) -> Problem:
        return replace(problem, path=self.move_path(problem.path))
