"""Update, fill and describe the local advisory database."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nerq_cli.errors import NerqError, ResponseError, UsageError
from nerq_cli.sources.advisories.local_database import read_snapshots
from nerq_cli.sources.advisories.osv_files import ReadStats, build_entries, read_advisories
from nerq_cli.store import get_default_directory
from nerq_cli.store.advisory_db import NO_ECOSYSTEM, AdvisoryDatabase, AdvisoryEntry, ImportInfo

if TYPE_CHECKING:
    from nerq_cli.application.session import ProgressFactory
    from nerq_cli.sources.advisories.osv_dump import UpdateResult

#: Characters kept of the file names that an import records as its source.
_MAX_SOURCE_LENGTH = 200


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


@dataclass(slots=True)
class ImportResult:
    """What an import read and wrote."""

    #: Advisories written, by ecosystem.
    counts: dict[str, int]
    #: Number of those that name no version or range.
    unevaluable: int
    #: Number of records kept for their severity alone.
    ratings: int
    #: What was read, and what could not be.
    stats: ReadStats


def import_advisories(
    database: AdvisoryDatabase, paths: Sequence[Path], ecosystems: Sequence[str], *, add: bool = False
) -> ImportResult:
    """Write the advisories of OSV files to the database.

    Args:
        database: where to write.
        paths: JSON and YAML files, zip archives and directories.
        ecosystems: the ecosystems to read; empty reads all.
        add: keep the records of these ecosystems; by default they are replaced.

    Records without a package of an ecosystem are kept for the severity that they give to their aliases; alone they can
    only be added.

    Raises:
        ResponseError: there is no advisory in the files; nothing is written.
        UsageError: the database cannot be written.
    """
    result = ImportResult({}, 0, 0, ReadStats())

    def count_entries() -> Iterator[AdvisoryEntry]:
        for entry in build_entries(read_advisories(paths, result.stats), ecosystems):
            if entry.ecosystem == NO_ECOSYSTEM:
                result.ratings += 1
            else:
                result.counts[entry.ecosystem] = result.counts.get(entry.ecosystem, 0) + 1
                result.unevaluable += not entry.evaluable
            yield entry
        if not result.counts and not (add and result.ratings):
            raise ResponseError(
                _describe_empty_import(paths, result.stats),
                hint="give records in the OSV format that concern PyPI or npm",
            )

    import_info = ImportInfo(_name_source(paths), int(time.time()))
    is_written = (
        database.add_records(count_entries(), None) if add else database.replace_records(count_entries(), import_info)
    )
    if not is_written:
        raise UsageError(database.problem or "the advisory database could not be written")
    return result


def _name_source(paths: Sequence[Path]) -> str:
    """Return the names of files; those of one name are told apart by their folder (``PyPI/all.zip``)."""
    counts = Counter(path.name for path in paths)
    names = (path.name if counts[path.name] == 1 else "/".join(path.absolute().parts[-2:]) for path in paths)
    return ", ".join(names)[:_MAX_SOURCE_LENGTH]


def _describe_empty_import(paths: Sequence[Path], stats: ReadStats) -> str:
    path_list = ", ".join(map(str, paths))
    if stats.problems:
        return f"{path_list}: no advisory can be read ({stats.problems[0]})"
    return f"{path_list}: no advisory in it"


@dataclass(frozen=True, slots=True, kw_only=True)
class EcosystemAdvisories:
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
