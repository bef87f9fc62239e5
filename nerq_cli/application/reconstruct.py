"""Computes scores of past month ends from the evidence that has dates."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from nerq_cli.application.named_targets import describe_missing_sources
from nerq_cli.errors import UsageError
from nerq_cli.facts import Absent
from nerq_cli.insight.history import find_steps
from nerq_cli.insight.reconstruction import (
    MonthGap,
    Reconstruction,
    choose_version,
    find_end,
    list_month_ends,
    reconstruct_snapshot,
)
from nerq_cli.inventory import Release
from nerq_cli.report.wording import format_timestamp

if TYPE_CHECKING:
    from nerq_cli.application.session import Session
    from nerq_cli.insight.snapshots import Snapshot
    from nerq_cli.inventory import Package


class ReconstructionRun(NamedTuple):
    """What was reconstructed, and what could not be read for it."""

    reconstruction: Reconstruction
    #: Phrases; empty if everything was read.
    missing: tuple[str, ...]
    warnings: tuple[str, ...]


def reconstruct_package(package: Package, session: Session, today: int) -> ReconstructionRun:
    """Return the scores of a package at the ends of the last 24 months, each of the version that was newest then.

    ``today`` is a day (days since 1970-01-01 UTC). Evidence is collected as a run with ``--as-of`` does.

    Raises:
        UsageError: there is no such package.
    """
    # The sessions of the months share connections and files, which are opened, and so closed, by this one.
    _ = session.fetcher, session.store, session.database
    snapshots: list[Snapshot] = []
    gaps: list[MonthGap] = []
    notes: list[str] = []
    missing: dict[str, str] = {}
    warnings: list[str] = []
    is_first = True
    for day in list_month_ends(today):
        run = _open_month(session, day, refresh=session.settings.refresh and is_first).open_run()
        is_first = False
        package_facts = run.collect_packages([package])
        if isinstance(package_facts.package_info[package], Absent):
            raise UsageError(f"{package.ecosystem} has no {package.name}")
        choice = choose_version(package_facts.package_info[package], find_end(day))
        if not choice.version:
            gaps.append(MonthGap(day, choice.note))
        else:
            notes += [choice.note] if choice.note else []
            release = Release(package=package, version=choice.version)
            snapshot = reconstruct_snapshot(release, run.collect_evidence([release], package_facts)[release], day)
            if snapshot is None:
                gaps.append(MonthGap(day, "it cannot be scored"))
            else:
                snapshots.append(snapshot)
        for phrase in describe_missing_sources(run):
            missing.setdefault(phrase.partition(":")[0], phrase)
        warnings += run.warnings
    return ReconstructionRun(
        Reconstruction(
            snapshots=tuple(snapshots),
            steps=tuple(find_steps(snapshots)),
            gaps=tuple(gaps),
            notes=tuple(dict.fromkeys(notes)),
        ),
        tuple(missing.values()),
        tuple(dict.fromkeys(warnings)),
    )


def _open_month(session: Session, day: int, *, refresh: bool) -> Session:
    """Return a session about the end of a day, with the files and connections of another one."""
    settings = msgspec.structs.replace(session.settings, as_of=format_timestamp(find_end(day)), refresh=refresh)
    return msgspec.structs.replace(session, settings=settings)
