"""Scan the repositories of a fleet: read all, ask about each package once, judge each by its own settings."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
from msgspec.structs import replace

from nerq_cli import __version__
from nerq_cli.application.fleet_projects import (
    NameUse,
    ReadProject,
    Shared,
    Withheld,
    explain_withheld,
    judge_project,
    list_withheld_names,
    read_fleet_settings,
    read_project,
    show_text,
)
from nerq_cli.application.fleet_workers import MIN_SHARED, ResultFile, run_tasks, wait_for_threads
from nerq_cli.application.known_assessments import ENCODER
from nerq_cli.application.scores import describe_code
from nerq_cli.application.session import hide_progress, read_clock
from nerq_cli.application.settings import parse_as_of, parse_python, resolve_strict
from nerq_cli.application.snapshots import name_release, record_scores
from nerq_cli.errors import ExitStatus
from nerq_cli.insight.fleet import (
    FleetProject,
    Portfolio,
    ProjectResult,
    count_states,
    judge_trend,
)
from nerq_cli.insight.snapshots import unpack_summary
from nerq_cli.inventory import Declaration, Location, Package
from nerq_cli.report.pages.fleet_document import FleetReport
from nerq_cli.signals.signal import format_count
from nerq_cli.store import MemoryCache
from nerq_cli.store.history import HistoryFile, ProjectRow
from nerq_cli.units import DAY

if TYPE_CHECKING:
    from nerq_cli.application.fleet_sources import FleetSource
    from nerq_cli.application.session import ProgressFactory
    from nerq_cli.application.settings import Settings
    from nerq_cli.config import Config
    from nerq_cli.report.model import SourceStatus
    from nerq_cli.scoring import Score

#: Folder of interrupted runs in the cache directory, and the file with the moment of one.
_FOLDER: Final = "fleet"
_RUN_FILE: Final = "run.json"
_LOCK_FILE: Final = "lock"
_READING: Final = "reading-"
#: Seconds after which an interrupted run is not taken up again: prices of the day would be mixed with older ones.
_MAX_AGE: Final = DAY
#: Scores that are written to the history at a time.
_HISTORY_BATCH: Final = 2_000
_SEPARATOR: Final = "\n"
_DIGEST_SIZE: Final = 16
#: The worst first.
_EXITS: Final = (ExitStatus.BELOW, ExitStatus.USAGE, ExitStatus.INCOMPLETE, ExitStatus.PASSED)


class _Stored(msgspec.Struct, frozen=True, array_like=True):
    """The judgement of one project in the file of a run."""

    #: Digest of what it rests on.
    digest: bytes
    result: ProjectResult


class _StoredDigest(msgspec.Struct, frozen=True, array_like=True):
    """The same without its result."""

    digest: bytes


class _Gathered(NamedTuple):
    """What the run knows once every package was asked about."""

    sources: tuple[SourceStatus, ...] = ()
    warnings: tuple[str, ...] = ()


class _Read(NamedTuple):
    """What the run knows once every project was read."""

    #: Of each project, without what it declares.
    outlines: list[ReadProject]
    #: Of each project the digest of what its judgement rests on; empty if it cannot be used again.
    digests: list[bytes]
    #: Returns of each project why a name must not be sent; empty if no other project withholds it.
    explain: list[Callable[[Package], str]]
    #: What is asked about, each once.
    union: dict[NameUse, None]
    #: Returns why a name must not be sent for any project.
    explain_all: Callable[[Package], str]


def run_fleet(
    sources: Sequence[FleetSource],
    settings: Settings,
    create_progress: ProgressFactory = hide_progress,
    *,
    fresh: bool = False,
) -> FleetReport:
    """Scan the repositories, and return the report on all of them.

    Args:
        sources: the repositories.
        settings: as the user gave them.
        create_progress: where progress is shown.
        fresh: judge every repository anew, also those that an interrupted run judged.

    Raises:
        ConfigError: a variable, or the file that NERQ_CONFIG names, is not valid.
        UsageError: an option is not valid.
    """
    started_at = time.monotonic()
    config = read_fleet_settings(settings)
    now = read_clock()
    with _open_folder(sources, settings, now, fresh=fresh) as (folder, as_of):
        history = _FleetHistory(settings, now, as_of)
        reading = Path(tempfile.mkdtemp(prefix=_READING, dir=folder))
        read = _read_all(sources, settings, config, reading, as_of, create_progress)
        done = _find_done(folder, read.digests)
        deadline = None if config.timeout is None else time.monotonic() + config.timeout
        shared = Shared(
            settings,
            now=now,
            as_of=as_of,
            store=MemoryCache() if settings.no_cache else None,
            failures={},
            deadline=deadline,
        )
        gathered = _Gathered()
        if len(done) < len(sources):
            gathered = _gather(read, shared, config, history, create_progress)
        read.union.clear()
        portfolio = Portfolio(config.threshold)
        projects: dict[int, FleetProject] = {}
        progress = create_progress("judging repositories")
        for index, result in _judge_all(sources, read, shared, config, folder, reading, done):
            portfolio.add(index, result.uses)
            projects[index] = history.add(sources[index], result)
            if progress is not None:
                progress(len(projects), len(sources))
        history.close()
        report = _build_report(projects, portfolio, config, gathered, as_of=as_of)
    return replace(report, elapsed=time.monotonic() - started_at)


# --- Reading


def _read_all(
    sources: Sequence[FleetSource],
    settings: Settings,
    config: Config,
    reading: Path,
    as_of: int,
    create_progress: ProgressFactory,
) -> _Read:
    """Read all projects before the first request: what one of them withholds is asked about for none."""
    progress = create_progress("reading repositories")
    names = [source.name for source in sources]
    tasks = run_tasks(
        range(len(sources)),
        lambda index: _encode(read_project(sources[index], settings, reading / f"{index}")),
        reading,
    )
    for count, _ in enumerate(tasks, 1):
        if progress is not None:
            progress(count, len(sources))
    withheld = Withheld(_iter_read(reading), _make_known_check(config))
    explain = [explain_withheld(index, withheld, names) for index in range(len(sources))]
    read = _Read(
        [ReadProject(digest=b"")] * len(sources),
        [b""] * len(sources),
        explain,
        {},
        explain_withheld(None, withheld, names),
    )
    for index, project in _iter_read(reading):
        hidden = list_withheld_names(project.uses, explain[index]) if withheld else []
        read.digests[index] = _complete_digest(project.digest, [*hidden, "", *withheld.patterns], as_of)
        read.outlines[index] = replace(project, uses=(), withheld=(), private=())
        read.union.update((use, None) for use in project.uses if not hidden or not _is_hidden(use, withheld))
    return read


def _is_hidden(use: NameUse, withheld: Withheld) -> bool:
    return bool(withheld.find_projects(Package(ecosystem=use.ecosystem, name=use.name)))


def _iter_read(folder: Path) -> Iterator[tuple[int, ReadProject]]:
    """Yield what was read of each project, from the disk: together it may be larger than what else is in memory."""
    decoder = msgspec.msgpack.Decoder(ReadProject)
    for index, content in _read_results(folder):
        yield index, decoder.decode(content)


def _read_results(folder: Path) -> Iterator[tuple[int, bytes]]:
    for path in sorted(folder.glob("results-*.bin")):
        file = ResultFile(path)
        try:
            yield from file.read_new()
        finally:
            file.close()


def _complete_digest(digest: bytes, hidden: Sequence[str], as_of: int) -> bytes:
    """Return the digest of a project with what the others decide about it, and the day; empty without one."""
    if not digest:
        return b""
    content = _SEPARATOR.join((*hidden, str(as_of // DAY))).encode(errors="surrogateescape")
    return blake2b(digest + content, digest_size=_DIGEST_SIZE).digest()


def _make_known_check(config: Config) -> Callable[[Package], bool]:
    """Return whether a name is known to be public: by the list of popular packages, or the settings of the user."""
    from nerq_cli.config import find_public_pattern
    from nerq_cli.sources.popularity import ranks

    return lambda package: ranks.is_listed(package) or bool(find_public_pattern(config, package))


# --- Asking once


def _gather(
    read: _Read,
    shared: Shared,
    config: Config,
    history: _FleetHistory,
    create_progress: ProgressFactory,
) -> _Gathered:
    """Ask about every package of the fleet once, so that the cache has the answers; keep the scores in the history."""
    from nerq_cli.application.assess import ScanOptions
    from nerq_cli.application.scan import assess_declarations

    settings = shared.settings
    declarations = [_declare(use, number) for number, use in enumerate(read.union)]
    if not declarations:
        return _Gathered()
    options = ScanOptions(
        as_of=shared.as_of, threshold=config.threshold, python=parse_python(settings.python), policy=config.policy
    )
    with shared.open_gathering(config, create_progress, read.explain_all) as session:
        session.build_rules(())
        run = session.open_run()
        run.expected_count = len(declarations)
        scores: dict[str, Score] = {}
        for assessment in assess_declarations(declarations, options, run, session.scorer):
            release = assessment.dependency.release
            if assessment.score is not None and release is not None:
                scores[name_release(release)] = assessment.score
            if len(scores) >= _HISTORY_BATCH:
                history.put_scores(scores)
                scores = {}
        history.put_scores(scores)
        sources = run.describe_sources()
        shared.known.finish_run(sources)
        return _Gathered(sources, run.warnings)


def _declare(use: NameUse, number: int) -> Declaration:
    # Each range is in a directory of its own: it must not be resolved by what another project pins.
    location = Location(path="" if use.locked_version else f"{number}/", line=0)
    return Declaration(
        ecosystem=use.ecosystem,
        name=use.name,
        requirement=use.requirement,
        locked_version=use.locked_version,
        group="main",
        location=location,
    )


# --- Judging


def _judge_all(
    sources: Sequence[FleetSource],
    read: _Read,
    shared: Shared,
    config: Config,
    folder: Path,
    reading: Path,
    done: AbstractSet[int],
) -> Iterator[tuple[int, ProjectResult]]:
    """Yield the judgement of each project with its index, those of an interrupted run first."""
    judging = shared.without_refresh()

    def judge(index: int) -> bytes:
        path = reading / f"{index}"
        result = judge_project(sources[index], read.outlines[index], judging, read.explain[index], config, path)
        path.unlink(missing_ok=True)
        return _encode(_Stored(read.digests[index], result))

    decoder = msgspec.msgpack.Decoder(_Stored)
    seen: set[int] = set()
    for index, content in _read_results(folder):
        stored = decoder.decode(content) if index in done and index not in seen else None
        if stored is not None and stored.digest == read.digests[index]:
            seen.add(index)
            yield index, stored.result
    left = [index for index in range(len(sources)) if index not in done]
    if len(left) >= MIN_SHARED:
        wait_for_threads()
    try:
        for index, content in run_tasks(left, judge, folder):
            yield index, decoder.decode(content).result
    finally:
        judging.close()


def _encode(value: msgspec.Struct) -> bytes:
    """Return a value as bytes; bytes of a name that are not UTF-8 are replaced."""
    try:
        return ENCODER.encode(value)
    except UnicodeEncodeError:
        return ENCODER.encode(_replace_surrogates(msgspec.to_builtins(value, builtin_types=(bytes,))))


def _replace_surrogates(value: Any) -> Any:  # noqa: ANN401 - any part of a result
    """Return a value whose texts have no lone surrogates."""
    if isinstance(value, str):
        return show_text(value)
    if isinstance(value, dict):
        return {key: _replace_surrogates(item) for key, item in value.items()}
    return [*map(_replace_surrogates, value)] if isinstance(value, (list, tuple)) else value


def _find_done(folder: Path, digests: Sequence[bytes]) -> frozenset[int]:
    """Return the indexes of the projects that an interrupted run judged, and that are as they were."""
    decoder = msgspec.msgpack.Decoder(_StoredDigest)
    done: set[int] = set()
    for index, content in _read_results(folder):
        with suppress(msgspec.DecodeError):
            if index < len(digests) and digests[index] and decoder.decode(content).digest == digests[index]:
                done.add(index)
    return frozenset(done)


# --- The folder of a run


@contextmanager
def _open_folder(
    sources: Sequence[FleetSource], settings: Settings, now: int, *, fresh: bool
) -> Iterator[tuple[Path, int]]:
    """Give the folder of a run and its moment (epoch seconds UTC): those of an interrupted one, if there is one.

    A run that comes to its end removes the folder.
    """
    as_of = parse_as_of(settings.as_of)
    folder = None if settings.no_cache else _create_folder(sources, settings)
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="nerq-fleet-") as directory:
            yield Path(directory), as_of
        return
    with _lock(folder) as is_locked:
        if not is_locked:  # another run over the same repositories is under way
            with tempfile.TemporaryDirectory(prefix="nerq-fleet-") as directory:
                yield Path(directory), as_of
            return
        for left in folder.glob(f"{_READING}*"):
            shutil.rmtree(left, ignore_errors=True)
        earlier = None if fresh else _read_moment(folder, now)
        if earlier is None:
            for path in folder.glob("results-*.bin"):
                path.unlink()
            (folder / _RUN_FILE).write_text(json.dumps({"started": now, "as_of": as_of, "code": describe_code()}))
        elif settings.as_of is None:
            as_of = earlier
        yield folder, as_of
        shutil.rmtree(folder, ignore_errors=True)


def forget_runs(directory: Path) -> None:
    """Delete what interrupted runs left in a cache directory."""
    shutil.rmtree(directory / _FOLDER, ignore_errors=True)


def _create_folder(sources: Sequence[FleetSource], settings: Settings) -> Path | None:
    """Return the folder of a run over these repositories in the cache; None if there can be none."""
    from nerq_cli.store import get_default_directory

    content = _SEPARATOR.join((settings.as_of or "", *(source.key for source in sources)))
    name = blake2b(content.encode(errors="surrogateescape"), digest_size=_DIGEST_SIZE).hexdigest()
    parent = (settings.cache_dir or get_default_directory()) / _FOLDER
    try:
        (parent / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        for other in parent.iterdir():
            if other.name != name and other.stat().st_mtime < read_clock() - 2 * _MAX_AGE:
                shutil.rmtree(other, ignore_errors=True)
        (parent / name / _LOCK_FILE).touch()
    except OSError:
        return None
    return parent / name


@contextmanager
def _lock(folder: Path) -> Iterator[bool]:
    """Give whether this run has the folder for itself, until the end."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield True
        return
    with (folder / _LOCK_FILE).open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True


def _read_moment(folder: Path, now: int) -> int | None:
    """Return the moment of an interrupted run that can be taken up; None if there is none."""
    try:
        run: Any = json.loads((folder / _RUN_FILE).read_text())
        started, as_of, code = int(run["started"]), int(run["as_of"]), run["code"]
    except (OSError, ValueError, TypeError, KeyError):
        return None
    is_recent = 0 <= now - started < _MAX_AGE and started // DAY == now // DAY
    return as_of if is_recent and code == describe_code() else None


# --- The history


class _FleetHistory:
    """The snapshots of the projects of a fleet: those of earlier runs, and those that this run leaves."""

    def __init__(self, settings: Settings, now: int, as_of: int) -> None:
        self._file: HistoryFile | None = None
        self._day = as_of // DAY
        #: A run about another day than today leaves none: its evidence is that of today.
        self._is_kept = settings.as_of is None
        if not settings.no_cache:
            from nerq_cli.store import get_default_directory

            self._file = HistoryFile.open(settings.cache_dir or get_default_directory(), now=now)

    def put_scores(self, scores: dict[str, Score]) -> None:
        """Keep the scores of releases, by their names in the history."""
        if self._file is not None and self._is_kept:
            record_scores(self._file, scores, self._day)

    def add(self, source: FleetSource, result: ProjectResult) -> FleetProject:
        """Return the row of a project with its trend, and keep the project as it is now."""
        if self._file is None:
            return result.project
        project = self._add_trend(source, result.project)
        if self._is_kept and result.summary:
            names = _SEPARATOR.join(result.members).encode(errors="surrogatepass")
            mark = zlib.crc32(names, zlib.crc32(result.summary))
            if self._file.read_project_mark(source.key, self._day) != mark:
                self._file.put_project(source.key, ProjectRow(self._day, mark, result.summary, result.members))
        return project

    def _add_trend(self, source: FleetSource, project: FleetProject) -> FleetProject:
        assert self._file is not None  # noqa: S101 - for the type check
        row = self._file.read_last_summary(source.key, self._day)
        summary = None if row is None else unpack_summary(row[1])
        if row is None or summary is None:
            return project
        is_comparable = summary.methodology == project.methodology and summary.complete == project.complete
        trend = judge_trend(
            project,
            day=row[0],
            below=summary.below,
            lowest=summary.lowest,
            median=summary.median,
            dependencies=summary.dependencies,
            is_comparable=is_comparable and summary.threshold == project.threshold,
        )
        return replace(project, trend=trend)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


# --- The report


def _build_report(
    projects: Mapping[int, FleetProject], portfolio: Portfolio, config: Config, gathered: _Gathered, *, as_of: int
) -> FleetReport:
    rows = _add_withheld_from([projects[index] for index in sorted(projects)])
    status, reason = decide_fleet_exit(rows)
    return FleetReport(
        version=__version__,
        as_of=as_of,
        threshold=config.threshold,
        strict=resolve_strict(config),
        exit=status,
        exit_reason=reason,
        complete=all(row.complete or row.state == "empty" for row in rows),
        projects=rows,
        packages=tuple(portfolio.list_packages()),
        dependencies=portfolio.dependency_count,
        versions=portfolio.version_count,
        sources=gathered.sources,
        warnings=gathered.warnings,
    )


def _add_withheld_from(projects: Sequence[FleetProject]) -> tuple[FleetProject, ...]:
    """Return the projects, each with those whose dependencies are not looked up because of it."""
    users: dict[str, list[str]] = {}
    for project in projects:
        for name in project.withheld_by:
            users.setdefault(name, []).append(project.name)
    return tuple(
        replace(project, withheld_from=tuple(sorted(users[project.name]))) if project.name in users else project
        for project in projects
    )


def decide_fleet_exit(projects: Sequence[FleetProject]) -> tuple[ExitStatus, str]:
    """Return the exit status of a fleet and the reason: that of the worst project.

    A project that fails outweighs one that cannot be read, and that one which was not checked as a whole. Projects
    without anything to scan matter only if there is no other.
    """
    statuses = {ExitStatus(project.exit) for project in projects}
    if statuses != {ExitStatus.EMPTY}:
        statuses.discard(ExitStatus.EMPTY)
    status = next((candidate for candidate in _EXITS if candidate in statuses), ExitStatus.EMPTY)
    counts = count_states(projects)
    phrases = {
        "failing": "fails" if counts["failing"] == 1 else "fail",
        "unreadable": "could not be read",
        "incomplete": "could not be checked completely",
        "empty": "has nothing to scan" if counts["empty"] == 1 else "have nothing to scan",
        "passed": "passed",
    }
    parts = [f"{counts[state]:,} {phrase}" for state, phrase in phrases.items() if counts[state]]  # type: ignore[index]
    return status, f"{format_count(len(projects), 'project')}: {', '.join(parts)}"
