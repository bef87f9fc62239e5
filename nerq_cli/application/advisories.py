"""Update, fill and describe the local advisory database."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from nerq_cli.errors import NerqError, ResponseError, UsageError
from nerq_cli.sources.advisories.local_database import find_valid_until, read_snapshots
from nerq_cli.store import get_default_directory
from nerq_cli.store.advisory_db import NO_ECOSYSTEM, AdvisoryDatabase, AdvisoryEntry, ImportInfo

if TYPE_CHECKING:
    from nerq_cli.application.session import ProgressFactory
    from nerq_cli.sources.advisories.exported_database import ExportedDatabase, ExportedEdition
    from nerq_cli.sources.advisories.osv_dump import UpdateResult
    from nerq_cli.sources.advisories.osv_files import ReadStats
    from nerq_cli.sources.registries.config.indexes import IndexConfig
    from nerq_cli.sources.registries.wheel_index import Index

#: Characters kept of the file names that an import records as its source.
_MAX_SOURCE_LENGTH = 200
#: Seconds that a request to a package index may take.
_INDEX_TIMEOUT = 30.0


def open_database(cache_dir: Path | None) -> AdvisoryDatabase:
    """Return the advisory database of a directory, by default the user's."""
    return AdvisoryDatabase.open(cache_dir or get_default_directory(), now=int(time.time()))


def update_ecosystem(
    database: AdvisoryDatabase, ecosystem: str, create_progress: ProgressFactory, *, full: bool = False
) -> UpdateResult | NerqError:
    """Fetch the advisories of an ecosystem; return a failure as a value, so that others can still be updated.

    Raises:
        ConfigError: the variable of the endpoint holds no URL for HTTP.
    """
    from nerq_cli.sources import SOURCES
    from nerq_cli.sources.advisories.osv_dump import DumpClient
    from nerq_cli.sources.endpoints import read_endpoint
    from nerq_cli.sources.registries.config.indexes import read_index_config

    source_id = "osv-dumps"
    endpoint_url = read_endpoint(source_id, os.environ).url
    url = os.environ.get(SOURCES[source_id].variable, "").strip() or endpoint_url  # with its credentials
    show_progress = create_progress(f"fetching {ecosystem} advisories (MB)")
    ca_bundles = read_index_config(os.environ, cwd=Path()).ca_bundles
    client = DumpClient(url, database.path.parent, ca_bundles=ca_bundles, progress=show_progress)
    with closing(client):
        try:
            return client.update_database(database, ecosystem, now=int(time.time()), full=full)
        except NerqError as error:
            return error
        finally:
            if show_progress:
                show_progress(1, 1)


class ImportResult(msgspec.Struct):
    """What an import read and wrote."""

    #: Advisories written, by ecosystem.
    counts: dict[str, int]
    #: Number of those that name no version or range.
    unevaluable: int
    #: Number of records kept for their severity alone.
    ratings: int
    #: What was read.
    stats: ReadStats


def import_advisories(
    database: AdvisoryDatabase, paths: Sequence[Path], ecosystems: Sequence[str], *, add: bool = False
) -> ImportResult:
    """Write the advisories of OSV files to the database.

    Args:
        database: where to write.
        paths: JSON and YAML files, zip archives and directories; or one exported database, with its dates.
        ecosystems: the ecosystems to read; empty reads all.
        add: keep the records of these ecosystems; by default they are replaced.

    Records without a package of an ecosystem are kept for the severity that they give to their aliases; alone they can
    only be added.

    Raises:
        ResponseError: there is no advisory in the files, or one that cannot be read; nothing is written.
        UsageError: the database cannot be written.
    """
    from nerq_cli.sources.advisories.entry_reader import read_entries
    from nerq_cli.sources.advisories.exported_database import ExportedDatabase, is_exported
    from nerq_cli.sources.advisories.osv_files import ReadStats

    result = ImportResult({}, 0, 0, ReadStats())
    if exported_paths := [path for path in paths if is_exported(path)]:
        if add or len(paths) > 1:
            raise UsageError(
                f"{exported_paths[0]} is an exported database, which replaces the one on disk",
                hint="import it alone and without --add",
            )
        with ExportedDatabase(exported_paths[0], now=int(time.time())) as exported:
            _import_exported(database, exported, exported.editions, ecosystems, result)
        return result

    def count_entries() -> Iterator[AdvisoryEntry]:
        for entry in read_entries(paths, result.stats, ecosystems):
            if entry.ecosystem == NO_ECOSYSTEM:
                result.ratings += 1
            else:
                result.counts[entry.ecosystem] = result.counts.get(entry.ecosystem, 0) + 1
                result.unevaluable += not entry.evaluable
            yield entry
        result.stats.require_complete()
        if not result.counts and not (add and result.ratings):
            raise ResponseError(
                f"{', '.join(map(str, paths))}: no advisory in it",
                hint="give records in the OSV format that concern PyPI or npm",
            )

    import_info = ImportInfo(_name_source(paths), int(time.time()))
    is_written = (
        database.add_records(count_entries(), None) if add else database.replace_records(count_entries(), import_info)
    )
    if not is_written:
        raise UsageError(database.problem or "the advisory database could not be written")
    return result


def _import_exported(
    database: AdvisoryDatabase,
    exported: ExportedDatabase,
    editions: Iterable[ExportedEdition],
    ecosystems: Sequence[str],
    result: ImportResult,
) -> None:
    """Write the editions of an exported database, limited to ``ecosystems`` unless that is empty.

    Raises:
        ResponseError: it is damaged, or has none of the ecosystems; nothing is written.
        UsageError: the database cannot be written.
    """
    chosen_editions = [edition for edition in editions if not ecosystems or edition.ecosystem in ecosystems]
    if not any(edition.records for edition in chosen_editions):
        raise ResponseError("no advisory of these ecosystems is in the exported database")
    exported.check([*(edition.ecosystem for edition in chosen_editions), NO_ECOSYSTEM])

    def count_entries(ecosystem: str) -> Iterator[AdvisoryEntry]:
        for entry in exported.iter_entries(ecosystem):
            if ecosystem == NO_ECOSYSTEM:
                result.ratings += 1
            else:
                result.counts[ecosystem] = result.counts.get(ecosystem, 0) + 1
                result.unevaluable += not entry.evaluable
            yield entry

    is_written = all(
        database.replace_records(count_entries(edition.ecosystem), edition.import_info, ecosystems=[edition.ecosystem])
        for edition in chosen_editions
    ) and database.add_records(count_entries(NO_ECOSYSTEM), None)
    if not is_written:
        raise UsageError(database.problem or "the advisory database could not be written")


class IndexUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """The result of an update from a package index."""

    #: The wheel, and the host of the index.
    label: str
    #: Advisories written, by ecosystem.
    counts: dict[str, int]
    #: Ecosystems whose records on disk are at least as new.
    unchanged: tuple[str, ...]


def update_from_index(
    database: AdvisoryDatabase,
    name: str,
    ecosystems: Sequence[str],
    create_progress: ProgressFactory,
    *,
    full: bool = False,
) -> IndexUpdate:
    """Fetch the newest wheel of a package on the user's indexes, an exported database, and write what is newer in it.

    Further indexes of the user come before the default one, and only the first that has the package is used. Of the
    project's configuration only what names a server of the user's counts. ``full`` writes all of it. No code of the
    wheel is executed.

    Raises:
        UsageError: the name is none of a distribution, the user's configuration names no index, or the database
            cannot be written.
        UpdateError: the wheel cannot be had, or is not the file that the index states.
        ResponseError: the wheel is no exported database; nothing is written.
    """
    from nerq_cli import __version__
    from nerq_cli.fetch.http_client import HttpClient, parse_host
    from nerq_cli.fetch.request_error import RequestError
    from nerq_cli.sources.advisories.exported_database import ExportedDatabase, check_distribution_name
    from nerq_cli.sources.advisories.osv_dump import UpdateError
    from nerq_cli.sources.registries.config.indexes import read_index_config
    from nerq_cli.sources.registries.wheel_index import download_wheel, find_newest_wheel

    check_distribution_name(name)
    index_config = read_index_config(os.environ, cwd=Path.cwd())
    show_progress = create_progress(f"fetching {name}")
    directory = database.path.parent
    wheel_path = directory / f"from-index.{os.getpid()}.part.whl"
    http_client = HttpClient(
        user_agent=f"nerq-cli/{__version__}", timeout=_INDEX_TIMEOUT, ca_bundles=index_config.ca_bundles
    )
    with closing(http_client):
        try:
            wheel = find_newest_wheel(http_client, _list_indexes(index_config, name), name)
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            download_wheel(http_client, wheel, wheel_path)
            label = f"{wheel.filename} of {parse_host(wheel.package_index.url)}"
            with ExportedDatabase(wheel_path, now=int(time.time()), label=label) as exported:
                return _import_newer(database, exported, ecosystems, label, full=full)
        except RequestError as error:
            raise UpdateError(str(error), hint="the advisories on disk are unchanged") from error
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise UsageError(f"cannot keep the download in {directory}: {reason}") from error
        finally:
            with suppress(OSError):
                wheel_path.unlink(missing_ok=True)
            if show_progress:
                show_progress(1, 1)


def _list_indexes(index_config: IndexConfig, name: str) -> list[Index]:
    """Return the indexes of the user that may have a package, further ones first."""
    from nerq_cli.ecosystems import PYPI
    from nerq_cli.inventory import Package
    from nerq_cli.sources.registries.wheel_index import Index

    search = index_config.find_search(Package(ecosystem=PYPI, name=name))
    endpoints = (*search.first, *search.merged, index_config.pypi)
    indexes = [Index(endpoint.simple_url, endpoint) for endpoint in endpoints if endpoint.url]
    if not indexes:
        raise UsageError(
            "your configuration names no package index that is a URL for HTTP",
            hint="download the wheel in another way, and read it with nerq db import",
        )
    return indexes


def _import_newer(
    database: AdvisoryDatabase, exported: ExportedDatabase, ecosystems: Sequence[str], label: str, *, full: bool
) -> IndexUpdate:
    from nerq_cli.sources.advisories.osv_files import ReadStats

    snapshots = read_snapshots(database)

    def is_newer(edition: ExportedEdition) -> bool:
        snapshot = snapshots.get(edition.ecosystem)
        return full or snapshot is None or find_valid_until(edition.import_info) > snapshot.valid_until

    editions = [edition for edition in exported.editions if not ecosystems or edition.ecosystem in ecosystems]
    newer_editions = list(filter(is_newer, editions))
    result = ImportResult({}, 0, 0, ReadStats())
    if newer_editions or not editions:
        _import_exported(database, exported, newer_editions, ecosystems, result)
    unchanged = (edition.ecosystem for edition in editions if edition not in newer_editions)
    return IndexUpdate(label=label, counts=result.counts, unchanged=tuple(unchanged))


class ExportResult(msgspec.Struct, frozen=True, kw_only=True):
    """The file that an export wrote, and the number of advisories in it by ecosystem."""

    path: Path
    counts: dict[str, int]


def export_database(database: AdvisoryDatabase, path: Path) -> ExportResult:
    """Write the database to a file that another machine imports.

    Raises:
        UsageError: the database is empty or cannot be read, or the file cannot be written.
    """
    from nerq_cli.sources.advisories.exported_database import write_file

    return ExportResult(path=path, counts={row.ecosystem: row.records for row in write_file(database, path)})


def export_wheel(database: AdvisoryDatabase, directory: Path, name: str) -> ExportResult:
    """Write the database as a wheel, whose version is the day up to which its newest records are complete.

    Raises:
        UsageError: the database is empty or cannot be read, the name is none of a package, or the wheel cannot be
            written.
    """
    from datetime import datetime, timezone

    from nerq_cli.sources.advisories.exported_database import write_wheel

    newest = max((snapshot.valid_until for snapshot in read_snapshots(database).values()), default=0)
    day = datetime.fromtimestamp(newest or int(time.time()), timezone.utc)
    path, rows = write_wheel(database, directory, name=name, version=f"{day.year}.{day.month}.{day.day}")
    return ExportResult(path=path, counts={row.ecosystem: row.records for row in rows})


def _name_source(paths: Sequence[Path]) -> str:
    """Return the names of files; those of one name are told apart by their folder (``PyPI/all.zip``)."""
    counts = Counter(path.name for path in paths)
    names = (path.name if counts[path.name] == 1 else "/".join(path.absolute().parts[-2:]) for path in paths)
    return ", ".join(names)[:_MAX_SOURCE_LENGTH]


class EcosystemAdvisories(msgspec.Struct, frozen=True, kw_only=True):
    """The advisories of one ecosystem in the database."""

    #: Id of the ecosystem.
    ecosystem: str
    #: Number of advisories.
    records: int
    #: Number of those that name no version or range: they leave the versions of their packages unknown.
    unevaluable: int
    #: Seconds since they were complete; None when they never were.
    age: int | None
    #: Where they come from, and when (epoch seconds UTC).
    import_info: ImportInfo


def read_status(database: AdvisoryDatabase) -> tuple[EcosystemAdvisories, ...]:
    """Return what the database holds, one entry per ecosystem."""
    now, snapshots = int(time.time()), read_snapshots(database)
    return tuple(
        EcosystemAdvisories(
            ecosystem=row.ecosystem,
            records=row.records,
            unevaluable=row.unevaluable,
            age=now - valid_until if (valid_until := snapshots[row.ecosystem].valid_until) else None,
            import_info=row.import_info,
        )
        for row in database.get_status()
    )
