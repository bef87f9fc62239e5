"""Record what this project's own readers find about rows of the panel, and write it to ``data/recorded.jsonl``.

    PYTHONPATH=tests python -m panel.record --cache-dir DIRECTORY [--list FILE] [--online NAME...]

Run it with the cache directory of a run, whose advisory database ``nerq db import`` filled. Without ``--online``
nothing is sent: facts come from that cache. With it the registries that pip and npm are configured for are asked about
the named packages only: name a few, never the whole panel. ``docs/contributing/add-a-panel-row.md`` has the steps.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec
from panel import panel

from nerq_cli.application.session import Session
from nerq_cli.application.settings import Settings
from nerq_cli.facts import AffectingAdvisory, Fact, Found, PackageInfo, T
from nerq_cli.inventory import Release
from nerq_cli.sources.advisories.shipped_editions import LABEL as SHIPPED

#: Most packages that one run may ask the registries about.
MAX_ONLINE = 5
#: Newest versions that are kept of a package.
MAX_VERSIONS = 40


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="packages to record (default: all rows)")
    parser.add_argument("--cache-dir", type=Path, required=True)
    parser.add_argument("--list", type=Path, help="ecosystem, name, newest version, month, downloads, tab-separated")
    parser.add_argument("--online", action="store_true")
    options = parser.parse_args()
    rows = [row for row in panel.read_panel() if not options.names or row.package.name in options.names]
    if options.online and not 0 < len({row.package for row in rows}) <= MAX_ONLINE:
        parser.error(f"--online takes 1 to {MAX_ONLINE} packages by name")
    settings = Settings(offline=not options.online, cache_dir=options.cache_dir, as_of="2026-11-28")
    with Session.open(settings, Path(__file__).parent) as session:
        recorded = {
            str(row): item for row, item in zip(rows, record(session, rows, read_list(options.list)), strict=True)
        }
    lines = [msgspec.json.encode(recorded.get(str(row), row.recorded)) for row in panel.read_panel()]
    (panel.DATA / "recorded.jsonl").write_bytes(b"\n".join(lines) + b"\n")


def record(session: Session, rows: list[panel.Row], listed: dict[tuple[str, str], list[str]]) -> list[panel.Recorded]:
    """Return what the sources of a session have about rows."""
    run = session.open_run()
    package_facts = run.collect_packages([row.package for row in rows])
    evidence = run.collect_evidence([Release(package=row.package, version=row.version) for row in rows], package_facts)
    items = []
    for row in rows:
        facts = evidence[Release(package=row.package, version=row.version)]
        newest, month, downloads = listed.get((row.package.ecosystem, row.package.name), ["", "", ""])
        items.append(
            panel.Recorded(
                row.package.ecosystem,
                row.package.name,
                row.version,
                newest or row.recorded.newest,
                month or row.recorded.newest_month,
                int(downloads) if downloads else row.recorded.downloads,
                _trim(facts.package_info, row.version) or row.recorded.package_info,
                _keep(facts.metadata) or row.recorded.metadata,
                _shorten(facts.advisories) or row.recorded.advisories,
                _keep(facts.history) or row.recorded.history,
            )
        )
    return items


def read_list(path: Path | None) -> dict[tuple[str, str], list[str]]:
    """Return newest version, month and downloads by ecosystem and name."""
    lines = path.read_text(encoding="utf-8").splitlines() if path else []
    cells = [line.split("\t") for line in lines if not line.startswith("#")]
    return {(ecosystem, name): rest for ecosystem, name, *rest in cells}


def _trim(fact: Fact[PackageInfo], version: str) -> Found[PackageInfo] | None:
    """Return a package with its newest versions, its oldest one and the one in use: no more can be told apart."""
    if not isinstance(fact, Found):
        return None
    info = fact.value
    kept = [
        row
        for row, other in enumerate(info.versions)
        if row < MAX_VERSIONS or other == version or row == len(info.versions) - 1
    ]
    names = ("versions", "published", "flags", "interpreter_indexes")
    tables = {name: getattr(info, name) for name in names}
    trimmed = {name: tuple(table[row] for row in kept) if table else () for name, table in tables.items()}
    return Found(msgspec.structs.replace(info, publisher_tags=(), **trimmed), fact.source, fact.retrieved_at)


def _shorten(fact: Fact[tuple[AffectingAdvisory, ...]]) -> Found[tuple[AffectingAdvisory, ...]] | None:
    """Return advisories without texts and links; those that are shipped are no answer of a source."""
    if not isinstance(fact, Found) or fact.source == SHIPPED:
        return None
    changes = {"summary": "", "link": "", "links": (), "affected": ""}
    return Found(tuple(msgspec.structs.replace(a, **changes) for a in fact.value), fact.source, fact.retrieved_at)


def _keep(fact: Fact[T]) -> Found[T] | None:
    """Return a found fact without the sources of its single fields."""
    return Found(fact.value, fact.source, fact.retrieved_at) if isinstance(fact, Found) else None


if __name__ == "__main__":
    main()
