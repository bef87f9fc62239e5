"""The projects of a run: what each of them leans on. A dependency of two projects is counted in both."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

from nerq_cli.report.model import Assessed, ManifestLine, Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """One project: the directory of its lock file, else of its manifest (``.`` for the one everything lies in)."""

    path: str
    manifests: tuple[str, ...]
    dependencies: tuple[Assessed, ...]


def projects(report: Report) -> tuple[Project, ...]:
    """Return the projects that the dependency files belong to, by path."""
    homes = {manifest.path: _home(manifest) for manifest in report.manifests}
    files: dict[str, list[str]] = {}
    for path, home in homes.items():
        files.setdefault(home, []).append(path)
    found: dict[str, list[Assessed]] = {home: [] for home in files}

    @cache
    def home_of(path: str) -> str | None:
        """Return the project of a place: that of its file, or of the environment it lies in."""
        if path in homes:
            return homes[path]
        return next((home for file, home in homes.items() if path.startswith(f"{file}/")), None)

    for one in report.dependencies:
        for place in dict.fromkeys(home_of(place.path) for place in one.dependency.locations):
            if place is not None:
                found[place].append(one)
    return tuple(
        Project(path=home, manifests=tuple(files[home]), dependencies=tuple(found[home])) for home in sorted(files)
    )


def part(report: Report, project: Project) -> Report:
    """Return the report as if it were about one project alone, for counting."""
    return replace(report, dependencies=project.dependencies)


def _home(manifest: ManifestLine) -> str:
    return (manifest.settled_by or manifest.path).rpartition("/")[0] or "."
