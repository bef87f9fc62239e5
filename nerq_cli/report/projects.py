"""The projects of a run. A dependency of two projects is counted in both."""

from __future__ import annotations

from functools import cache

import msgspec
from msgspec.structs import replace

from nerq_cli.report.model import Assessment, DependencyFileSummary, Report


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """One project with its dependencies."""

    #: Directory of its lock file, else of its dependency file; ``.`` for the scanned directory.
    path: str
    #: Paths.
    dependency_files: tuple[str, ...]
    dependencies: tuple[Assessment, ...]


def group_by_project(report: Report) -> tuple[Project, ...]:
    """Return the projects of the dependency files, sorted by path."""
    project_paths = {
        dependency_file.path: _project_directory(dependency_file) for dependency_file in report.dependency_files
    }
    files: dict[str, list[str]] = {}
    for path, project_path in project_paths.items():
        files.setdefault(project_path, []).append(path)
    assessments: dict[str, list[Assessment]] = {project_path: [] for project_path in files}

    @cache
    def project_of(path: str) -> str | None:
        """Return the project of a path: a dependency file, or a file in an environment."""
        if path in project_paths:
            return project_paths[path]
        return next((project_path for file, project_path in project_paths.items() if path.startswith(f"{file}/")), None)

    for assessment in report.dependencies:
        for location in dict.fromkeys(project_of(location.path) for location in assessment.dependency.locations):
            if location is not None:
                assessments[location].append(assessment)
    return tuple(
        Project(
            path=project_path,
            dependency_files=tuple(files[project_path]),
            dependencies=tuple(assessments[project_path]),
        )
        for project_path in sorted(files)
    )


def report_for_project(report: Report, project: Project) -> Report:
    """Return the report with the dependencies of one project only."""
    return replace(report, dependencies=project.dependencies)


def _project_directory(dependency_file: DependencyFileSummary) -> str:
    return (dependency_file.lockfile or dependency_file.path).rpartition("/")[0] or "."
