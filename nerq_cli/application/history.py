"""The past of targets and of a project, from the snapshots that earlier runs left."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from nerq_cli import __version__, targets
from nerq_cli.application.check import MCP_PREFIX
from nerq_cli.application.peers import describe_present, find_standing
from nerq_cli.application.settings import parse_as_of, resolve_strict
from nerq_cli.application.snapshots import name_project
from nerq_cli.ecosystems import get_ecosystem, is_repository
from nerq_cli.errors import ExitStatus, UsageError
from nerq_cli.insight.history import TREND_DAYS, History, Trend, build_history, judge_values
from nerq_cli.insight.snapshots import Snapshot, read_value, unpack_row, unpack_summary
from nerq_cli.inventory import Release
from nerq_cli.privacy import mark_withheld
from nerq_cli.report.pages.history_document import (
    DependencyHistory,
    HistoryReport,
    ProjectDay,
    ProjectHistory,
    RecordedVersion,
    TargetHistory,
)
from nerq_cli.units import DAY

if TYPE_CHECKING:
    from nerq_cli.application.session import Session
    from nerq_cli.insight.reconstruction import Reconstruction
    from nerq_cli.inventory import Declaration, Package
    from nerq_cli.store.history_rows import HistoryStore, ProjectRow

#: Dependencies of a project whose past is read in full, those that moved most.
_MAX_DEPENDENCIES: Final = 100
#: Points that a dependency moved by to be among them.
_MOVED: Final = 1.0
_HINT: Final = "every nerq check and nerq scan leaves a snapshot of the day; --no-cache leaves none"


def read_histories(names: Sequence[str], session: Session) -> HistoryReport:
    """Return the past of the named targets.

    Raises:
        UsageError: a name is no target or may be several, there is no snapshot of it, or the history cannot be used.
    """
    moment = parse_as_of(session.settings.as_of)
    file = _open_history(session)
    hub_url = session.endpoints["huggingface"].url
    histories = tuple(_read_target(name, file, moment // DAY, hub_url, session.root) for name in dict.fromkeys(names))
    _check_problem(file)
    return HistoryReport(version=__version__, as_of=moment, threshold=session.config.threshold, targets=histories)


def reconstruct_histories(names: Sequence[str], session: Session) -> HistoryReport:
    """Return the past of the named packages, with scores of the last 24 month ends computed from dated evidence.

    Raises:
        UsageError: a name is no package, may be several, or may not be sent; there is no such package.
    """
    from nerq_cli.application.reconstruct import reconstruct_package

    moment = parse_as_of(session.settings.as_of)
    file = session.history
    hub_url = session.endpoints["huggingface"].url
    rules = session.build_rules(())
    histories: list[TargetHistory] = []
    missing: list[str] = []
    warnings: list[str] = []
    for name in dict.fromkeys(names):
        declaration = _find_package(name, file, hub_url)
        [marked] = mark_withheld([declaration], rules)
        if marked.skip_reason:
            raise UsageError(f"{name} is not looked up: {marked.skip_reason}")
        run = reconstruct_package(declaration.package, session, moment // DAY)
        histories.append(_add_reconstruction(name, declaration, file, moment // DAY, session.root, run.reconstruction))
        missing += [f"{name}: {phrase}" for phrase in run.missing]
        warnings += run.warnings
    strict = resolve_strict(session.config)
    is_failed = bool(missing) and strict
    return HistoryReport(
        version=__version__,
        as_of=moment,
        threshold=session.config.threshold,
        targets=tuple(histories),
        exit=ExitStatus.INCOMPLETE if is_failed else ExitStatus.PASSED,
        exit_reason=f"not everything could be read: {'; '.join(missing)}" if missing else "read",
        complete=not missing,
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _find_package(text: str, file: HistoryStore | None, hub_url: str) -> Declaration:
    """Return the package that a name stands for; of several the only one that has snapshots."""
    _check_target(text)
    declarations = targets.parse_target(text, hub_url=hub_url)
    package = declarations[0].package
    if get_ecosystem(package.ecosystem).registry_api not in ("pypi", "npm"):
        raise UsageError(f"{text}: the past of {package.ecosystem} has no dates", hint="--reconstruct takes packages")
    if declarations[0].requirement:
        raise UsageError(
            f"{text}: --reconstruct scores the version that was newest at each month end", hint="leave the version out"
        )
    if len(declarations) > 1 and file is not None:
        recorded = tuple(item for item in declarations if _find_names(item, file))
        declarations = recorded if len(recorded) == 1 else declarations
    if len(declarations) > 1:
        raise _explain_several(declarations, "nerq history --reconstruct")
    return declarations[0]


def _add_reconstruction(
    text: str,
    declaration: Declaration,
    file: HistoryStore | None,
    today: int,
    root: Path,
    reconstruction: Reconstruction,
) -> TargetHistory:
    """Return the past of a package that needs no snapshots, with the reconstructed one."""
    if file is not None and _has_snapshots(declaration, file, today):
        return replace(_read_versions(text, declaration, file, today, root), reconstruction=reconstruction)
    newest = reconstruction.snapshots[-1].version if reconstruction.snapshots else ""
    return TargetHistory(
        target=text,
        purl=Release(package=declaration.package, version=newest).purl,
        versions=(),
        history=build_history((), today),
        reconstruction=reconstruction,
    )


def read_project_history(root: Path, session: Session) -> HistoryReport:
    """Return the past of the project in a directory.

    Raises:
        UsageError: there is no snapshot of it, or the history cannot be used.
    """
    moment = parse_as_of(session.settings.as_of)
    file, today = _open_history(session), moment // DAY
    path = name_project(root)
    all_rows = file.read_projects(path)
    rows = [row for row in all_rows if row.day <= today]
    _check_problem(file)
    if all_rows and not rows:
        raise _explain_early(f"the project {path}", min(row.day for row in all_rows), today)
    summaries = [(row, summary) for row in rows if (summary := unpack_summary(row.summary)) is not None]
    if not summaries:
        raise UsageError(f"there is no history of the project {path}", hint=f"scan it: nerq scan {root}; {_HINT}")
    days = tuple(ProjectDay(row.day, summary) for row, summary in summaries)
    project = ProjectHistory(
        path=path,
        days=days,
        trend=_judge_project(days, today),
        dependencies=tuple(_iter_moved(file, [row for row, _ in summaries], today)),
    )
    return HistoryReport(version=__version__, as_of=moment, threshold=session.config.threshold, project=project)


def _open_history(session: Session) -> HistoryStore:
    file = session.history
    if file is None:
        raise UsageError("--no-cache leaves no history to read", hint="leave it out")
    _check_problem(file)
    return file


def _check_problem(file: HistoryStore) -> None:
    if file.read_problem:
        raise UsageError(file.read_problem)


# --- targets


def _read_target(text: str, file: HistoryStore, today: int, hub_url: str, root: Path) -> TargetHistory:
    _check_target(text)
    declarations = targets.parse_target(text, hub_url=hub_url)
    candidates = [item for item in declarations if _find_names(item, file)]
    if len(candidates) > 1:
        raise _explain_several(candidates, "nerq history")
    if not candidates:
        _check_problem(file)
        raise UsageError(f"there is no history of {text}", hint=_HINT)
    return _read_versions(text, candidates[0], file, today, root)


def _check_target(text: str) -> None:
    if text.strip().lower().startswith(MCP_PREFIX):
        raise UsageError(f"{text!r} stands for packages", hint="name the package that nerq check shows for it")


def _explain_several(declarations: Sequence[Declaration], command: str) -> UsageError:
    packages = [item.package for item in declarations]
    commands = "   ".join(f"{command} {package.ecosystem.lower()}:{package.name}" for package in packages)
    ecosystems = " and ".join(package.ecosystem for package in packages)
    return UsageError(f"{packages[0].name} may be the package on {ecosystems}", hint=f"name one: {commands}")


def _read_versions(text: str, declaration: Declaration, file: HistoryStore, today: int, root: Path) -> TargetHistory:
    recorded = [
        snapshot
        for version, name in _find_names(declaration, file).items()
        for snapshot in _iter_snapshots(file, name, version)
        if snapshot.day <= today
    ]
    if not recorded:
        raise _explain_none(text, declaration, file, today)
    versions = [
        RecordedVersion(version, min(days), max(days), len(days))
        for version, days in _group_days(recorded, declaration.package)
    ]
    series = choose_series(recorded, declaration.package)
    return TargetHistory(
        target=text,
        purl=Release(package=declaration.package, version=series[-1].version).purl,
        versions=tuple(versions),
        history=build_history(series, today),
        standing=find_standing(
            declaration.package, series[-1].version, describe_present(series[-1]), series, file, root, today
        ),
    )


def _has_snapshots(declaration: Declaration, file: HistoryStore, today: int) -> bool:
    """Return whether there is a snapshot up to a day that can be read."""
    return any(
        snapshot.day <= today
        for version, name in _find_names(declaration, file).items()
        for snapshot in _iter_snapshots(file, name, version)
    )


def _explain_none(text: str, declaration: Declaration, file: HistoryStore, today: int) -> UsageError:
    days = [
        snapshot.day
        for version, name in _find_names(declaration, file).items()
        for snapshot in _iter_snapshots(file, name, version)
    ]
    if not days:
        return UsageError(f"there is no history of {text} that can be read", hint=_HINT)
    return _explain_early(text, min(days), today)


def _explain_early(text: str, first_day: int, today: int) -> UsageError:
    from nerq_cli.report.wording import format_date

    return UsageError(
        f"there is no history of {text} up to {format_date(today * DAY)}: its first snapshot is of "
        f"{format_date(first_day * DAY)}",
        hint="leave --as-of out, or name a later day",
    )


def read_package_history(package: Package, file: HistoryStore, today: int) -> History | None:
    """Return the past of all versions of a package up to a day; None without a snapshot that can be read."""
    prefix = f"{package.ecosystem}/{package.name}"
    recorded = [
        snapshot
        for name in file.list_versions(prefix)
        for snapshot in _iter_snapshots(file, name, name.rpartition("@")[2])
        if snapshot.day <= today
    ]
    return build_history(choose_series(recorded, package), today) if recorded else None


def _find_names(declaration: Declaration, file: HistoryStore) -> dict[str, str]:
    """Return the recorded versions that a declaration names, all of them if it names none, with their names."""
    ecosystem = get_ecosystem(declaration.ecosystem)
    package = declaration.package
    names = {name.rpartition("@")[2]: name for name in file.list_versions(f"{package.ecosystem}/{package.name}")}
    if not declaration.requirement:
        return names
    pin = ecosystem.parse_pin(declaration.requirement) or declaration.requirement
    return {
        version: name
        for version, name in names.items()
        if ecosystem.is_same_version(version, pin)
        or ecosystem.satisfies(declaration.requirement, version, prereleases=True)
    }


def _iter_snapshots(file: HistoryStore, name: str, version: str) -> Iterator[Snapshot]:
    for row in file.read_snapshots(name):
        snapshot = unpack_row(row, version)
        if snapshot is not None:
            yield snapshot


def _group_days(recorded: Iterable[Snapshot], package: Package) -> Iterator[tuple[str, list[int]]]:
    """Yield each version, newest first, with the days of its snapshots."""
    days: dict[str, list[int]] = {}
    for snapshot in recorded:
        days.setdefault(snapshot.version, []).append(snapshot.day)
    for version in get_ecosystem(package.ecosystem).sort_newest_first(days):
        yield version, days[version]


def choose_series(snapshots: Sequence[Snapshot], package: Package) -> list[Snapshot]:
    """Return one snapshot for each day, oldest first: that of the highest version that was seen up to the day.

    Two projects may use two versions: the score of their package does not go up and down with the one that was
    scanned last. The revisions of a repository have no order: all count.
    """
    versions = {snapshot.version for snapshot in snapshots}
    ranks = dict.fromkeys(versions, 0)
    if not is_repository(package.ecosystem):
        ordered = get_ecosystem(package.ecosystem).sort_newest_first(versions)
        ranks = {version: -index for index, version in enumerate(ordered)}
    series: list[Snapshot] = []
    for snapshot in sorted(snapshots, key=lambda snapshot: (snapshot.day, -ranks[snapshot.version], snapshot.version)):
        if series and ranks[snapshot.version] < ranks[series[-1].version]:
            continue
        if not series or series[-1].day != snapshot.day:
            series.append(snapshot)
    return series


# --- projects


def _judge_project(days: Sequence[ProjectDay], today: int) -> Trend:
    """Return the trend of the median score, over the days of the newest methodology that are equally complete."""
    recent = [day for day in days if today - TREND_DAYS < day.day]
    groups: dict[bool, list[tuple[int, float]]] = {}
    for day in recent:
        if day.summary.methodology == days[-1].summary.methodology and day.summary.median is not None:
            groups.setdefault(day.summary.complete, []).append((day.day, day.summary.median))
    trends = [judge_values(group, today) for group in groups.values()]
    return max(trends, key=lambda trend: trend.weeks, default=Trend(direction="too little history"))


def _iter_moved(file: HistoryStore, rows: Sequence[ProjectRow], today: int) -> Iterator[DependencyHistory]:
    """Yield the dependencies of today whose scores moved in the last 90 days, those that fell most first."""
    days = [row.day for row in rows]
    members = {row.day: frozenset(row.members) for row in rows}
    series: dict[str, dict[int, tuple[float, str]]] = {}
    for name, day, numbers in file.read_numbers(frozenset().union(*members.values()), today - TREND_DAYS + 1):
        value = read_value(numbers)
        scan_day = _find_last(days, day)
        if value is None or scan_day is None or day > today or name not in members[scan_day]:
            continue
        values = series.setdefault(name.rpartition("@")[0], {})
        values[day] = min(values.get(day, (value, name)), (value, name))
    current = {name.rpartition("@")[0] for name in rows[-1].members}
    moved = [
        (values[max(values)][0] - values[min(values)][0], package, values)
        for package, values in series.items()
        if package in current
    ]
    moved = [entry for entry in moved if abs(entry[0]) >= _MOVED]
    for _, package, values in sorted(moved, key=lambda entry: entry[:2])[:_MAX_DEPENDENCIES]:
        chosen = sorted((name, day) for day, (_, name) in values.items())
        snapshots: list[Snapshot] = []
        for name, entries in groupby(chosen, key=lambda entry: entry[0]):
            wanted = {day for _, day in entries}
            version = name.rpartition("@")[2]
            snapshots += [item for item in _iter_snapshots(file, name, version) if item.day in wanted]
        if snapshots:
            yield DependencyHistory(name=package.partition("/")[2], history=build_history(snapshots, today))


def _find_last(days: Sequence[int], day: int) -> int | None:
    from bisect import bisect_right

    index = bisect_right(days, day)
    return days[index - 1] if index else None
