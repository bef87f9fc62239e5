"""Gather the facts of listed packages into a table, part by part: a run that broke off goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Final

import msgspec

from nerq_cli import __version__, targets
from nerq_cli.ecosystems import ECOSYSTEMS
from nerq_cli.errors import ExitStatus, UsageError
from nerq_cli.facts import Evidence
from nerq_cli.inventory import Declaration, Package, Release
from nerq_cli.privacy import mark_withheld
from nerq_cli.resolve.resolver import Declarations

if TYPE_CHECKING:
    from nerq_cli.application.evidence_run import EvidenceRun
    from nerq_cli.application.session import Session
    from nerq_cli.report.model import SourceStatus
    from nerq_cli.store.advisory_db import AdvisoryDatabase

#: Lines of a part: with the pages of their packages they take some 200 MB.
PART_LINES: Final = 1_000
#: Seconds that a part may take: one that is cut off is gathered again.
PART_DEADLINE: Final = 600.0
#: Seconds after which a later part asks a source again that did not answer. The first part of a run asks at once.
RETRY_SECONDS: Final = 60
_SCORED: Final = frozenset(ecosystem.id for ecosystem in ECOSYSTEMS)


class GatherResult(msgspec.Struct, frozen=True):
    """What a run gathered."""

    rows: int
    #: Rows whose package or advisories are unknown.
    incomplete: int
    exit: ExitStatus
    warnings: tuple[str, ...]
    #: Rows of packages that their registry does not have.
    absent: int = 0
    #: Rows of versions that the registry does not list.
    unlisted: int = 0
    #: For each source that did not answer everything: ``OSV: 8 of 9 not answered: HTTP 503``.
    unanswered: tuple[str, ...] = ()


def gather_index(
    list_file: Path,
    output: Path,
    session: Session,
    *,
    strict: bool,
    osv: Sequence[Path] = (),
    report: Callable[[int], None] = lambda _: None,
    part_lines: int = PART_LINES,
) -> GatherResult:
    """Write the facts of the packages in a list, one target a line, through the ordinary sources and their cache.

    The parts of a run are in a folder beside the output until it is whole. Parts whose package or advisories could
    not all be read are gathered again: by a run that goes on, and at the end of the run where a source was silent.

    Args:
        list_file: ``pypi:NAME==VERSION``, ``npm:NAME@VERSION`` or a package URL in each line; ``#`` begins a comment.
        output: The Parquet file.
        session: Has the settings and connections.
        strict: Whether an incomplete run fails.
        osv: Dumps of OSV: advisories of their ecosystems come from them alone, and OSV is not asked.
        report: Called with the number of lines that are done.
        part_lines: Lines of a part.

    Raises:
        UsageError: the list or a dump cannot be read, a line names no package, or the table cannot be written.
        ResponseError: a dump has no advisory, or one that cannot be read.
    """
    from nerq_cli.bulk.files import count_absent, count_incomplete, join_files
    from nerq_cli.bulk.parts import compute_digest, open_parts, remove_parts

    if session.config.service_only:
        raise UsageError(
            "a service has scores and no facts, and service-only forbids to ask the sources",
            hint="run nerq index gather without service-only",
        )
    if not output.parent.is_dir():
        raise UsageError(f"{output.parent} is no folder", hint="make it first")
    files = [list_file, *(file for path in osv for file in _list_files(path))]
    origin = f"{compute_digest(files)} {part_lines} {__version__}"
    _check_lines(list_file, session)
    with open_parts(output, origin) as folder:
        database = _open_advisories(osv, folder) if osv else None
        if database is not None:
            session.use_advisories(database)
        parts, sources, warnings = _gather_parts(list_file, folder, session, part_lines, report)
        join_files(parts, output)
        rows, incomplete = count_incomplete(output)
        absent, unlisted = count_absent(output)
        if database is not None:
            database.close()
        remove_parts(folder)
        is_failed = bool(incomplete) and strict
        return GatherResult(
            rows,
            incomplete,
            ExitStatus.INCOMPLETE if is_failed else ExitStatus.PASSED,
            tuple(dict.fromkeys(warnings)),
            absent,
            unlisted,
            _describe_silences(sources),
        )


def _gather_parts(
    list_file: Path, folder: Path, session: Session, part_lines: int, report: Callable[[int], None]
) -> tuple[list[Path], list[Sequence[SourceStatus]], list[str]]:
    """Write the parts that are missing or incomplete.

    Returns:
        All parts; the sources of each part that was gathered; sentences for the user.
    """
    from nerq_cli.application.evidence_run import EvidenceRun
    from nerq_cli.bulk.files import write_facts

    statuses: dict[int, Sequence[SourceStatus]] = {}
    warnings: list[str] = []
    parts: list[Path] = []
    done = 0

    def gather(number: int, lines: Sequence[tuple[int, str]]) -> None:
        declarations = [_parse_line(list_file, line_number, text, session) for line_number, text in lines]
        run = EvidenceRun(session)
        run.default_deadline = PART_DEADLINE
        write_facts(_gather_rows(declarations, run, session), parts[number])
        statuses[number] = run.describe_sources()
        warnings.extend(run.warnings)
        session.retry_seconds = RETRY_SECONDS

    started = monotonic()
    # What did not answer an earlier run is asked at once: this one may take days.
    session.retry_seconds = 0
    for number, lines in enumerate(_read_parts(list_file, part_lines)):
        parts.append(folder / f"part-{number:06}.parquet")
        if not _is_complete(parts[number]):
            gather(number, lines)
        done += len(lines)
        report(done)
    if monotonic() - started >= RETRY_SECONDS and not (session.settings.offline or session.settings.refresh):
        # A source that was silent for a while may have answered the later parts.
        silent = {number for number, sources in statuses.items() if any(map(_is_silent, sources))}
        for number, lines in enumerate(_read_parts(list_file, part_lines) if silent else ()):
            if number in silent and not _is_complete(parts[number]):
                gather(number, lines)
    return parts, [*statuses.values()], warnings


def _is_silent(source: SourceStatus) -> bool:
    """Return whether a source did not answer everything, and no other one answered in its place."""
    return source.state in {"partial", "unavailable"} and not source.fallback


def _describe_silences(parts: Iterable[Iterable[SourceStatus]]) -> tuple[str, ...]:
    """Return a line for each source that was silent in a part, with what it did not answer in all parts together."""
    by_source: dict[str, list[SourceStatus]] = {}
    for sources in parts:
        for source in sources:
            by_source.setdefault(source.name, []).append(source)
    lines = []
    for name, sources in by_source.items():
        silent = [source for source in sources if _is_silent(source)]
        if not silent:
            continue
        first, *others = dict.fromkeys(source.reason or "no usable answer" for source in silent)
        more = f" (and {len(others)} other {'reason' if len(others) == 1 else 'reasons'})" if others else ""
        counts = {
            "not answered": sum(source.subjects - source.answered_subjects for source in silent),
            "not refreshed": sum(source.outdated for source in silent),
        }
        subjects = sum(source.subjects for source in sources)
        stated = [f"{count:,} of {subjects:,} {what}" for what, count in counts.items() if count]
        lines.append(f"{name}: {', '.join(stated) or 'not asked again'}: {first}{more}")
    return tuple(lines)


def _list_files(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]


def _is_complete(part: Path) -> bool:
    """Return whether a part is there and whole, and has no row that is to be gathered again."""
    from nerq_cli.bulk.files import count_incomplete

    try:
        return part.exists() and not count_incomplete(part)[1]
    except UsageError:
        return False


def _open_advisories(osv: Sequence[Path], folder: Path) -> AdvisoryDatabase:
    """Return a database of the advisories in dumps, in the folder of the parts. It is kept until the table is whole."""
    from nerq_cli.application.advisories import import_advisories, open_database

    directory = folder / "osv"
    marker = directory / "imported"
    database = open_database(directory)
    if not marker.exists():
        import_advisories(database, osv, ())
        marker.touch()
    return database


def _check_lines(list_file: Path, session: Session) -> None:
    """Raise UsageError for the first line that names no package, before anything is gathered."""
    for lines in _read_parts(list_file, PART_LINES):
        for number, text in lines:
            _parse_line(list_file, number, text, session)


def _read_parts(list_file: Path, part_lines: int) -> Iterator[list[tuple[int, str]]]:
    """Yield the lines with a target, each with its number from 1 on."""
    try:
        with list_file.open(encoding="utf-8") as file:
            lines = (
                (number, text)
                for number, line in enumerate(file, start=1)
                if (text := line.partition(" #")[0].strip()) and not text.startswith("#")
            )
            while part := list(islice(lines, part_lines)):
                yield part
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{list_file} cannot be read: {error}", hint="name a file of UTF-8 text") from error


def _parse_line(list_file: Path, number: int, text: str, session: Session) -> Declaration:
    try:
        found = targets.parse_target(text, hub_url=session.endpoints["huggingface"].url)
    except UsageError as error:
        raise UsageError(f"{list_file}:{number}: {error}", hint=error.hint) from error
    if any(declaration.ecosystem not in _SCORED for declaration in found):
        names = " and ".join(ecosystem.id for ecosystem in ECOSYSTEMS)
        raise UsageError(
            f"{list_file}:{number}: {text!r} is no package of {names}, and a table of facts has no other rows",
            hint="leave the line out: nerq check looks it up",
        )
    if len(found) != 1:
        raise UsageError(f"{list_file}:{number}: {text!r} is not one package", hint=f"write pypi:{text} or npm:{text}")
    return found[0]


def _gather_rows(declarations: Sequence[Declaration], run: EvidenceRun, session: Session) -> list[dict[str, object]]:
    """Return the facts of each declaration, in their order. Versions of one package are resolved apart."""
    from nerq_cli.bulk.fact_columns import build_row

    rows: dict[int, dict[str, object]] = {}
    pending = list(enumerate(mark_withheld(declarations, session.build_rules(()))))
    while pending:
        batch: dict[Package, tuple[int, Declaration]] = {}
        later = []
        for index, declaration in pending:
            if declaration.package in batch:
                later.append((index, declaration))
            else:
                batch[declaration.package] = index, declaration
        found = _collect([declaration for _, declaration in batch.values()], run)
        for package, (index, _) in batch.items():
            version, evidence = found[package]
            rows[index] = build_row(package.ecosystem, package.name, version, evidence)
        pending = later
    return [rows[index] for index in range(len(rows))]


def _collect(declarations: Sequence[Declaration], run: EvidenceRun) -> dict[Package, tuple[str, Evidence]]:
    """Return the version and the evidence of each package, as a check of it has them."""
    resolver = Declarations(declarations)
    public = resolver.filter_queryable(resolver.packages)
    package_facts = run.collect_packages(public, resolver.find_pinned_releases(public))
    dependencies = resolver.resolve_packages(resolver.packages, package_facts.package_info).dependencies
    releases = [item.release for item in dependencies if item.release and not item.skip_reason]
    withheld = [item.release for item in dependencies if item.release and item.skip_reason]
    evidence: dict[Release, Evidence] = dict(run.collect_evidence(releases, package_facts))
    if withheld:
        evidence.update(run.find_local_evidence(withheld))
    result = {}
    for item in dependencies:
        package_info = package_facts.package_info.get(item.package)
        without_version = Evidence() if package_info is None else Evidence(package_info=package_info)
        result[item.package] = (
            item.version or "",
            evidence.get(item.release, without_version) if item.release else without_version,
        )
    return result
