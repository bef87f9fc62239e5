"""Write the table of scores that others are compared with: nerq_cli/insight/data/peers.json.

    python docs/benchmarks/make_peers.py --date 2026-11-29 --names 300
    python docs/benchmarks/make_peers.py --date 2026-11-29 --pypi names.txt --npm names.txt --pause 1

It scores packages with nerq-cli itself, one after the other, with a pause between them: by default the first names of
the shipped lists of popular packages, or those of files with one name a line. What is asked is what ``nerq check``
asks, and the page of each release for its classifiers and keywords. Ask the operators of the registries first if you
raise the numbers, or use a mirror (``NERQ_PYPI_URL``, ``NERQ_NPM_URL``).

A group is a classifier about a topic, or a keyword, with 30 scored members or more; the classifiers above one are
groups, too. The table has the sorted scores of each group and no names. It states its date, the methodology, the
sources that answered, and the coverage that nine of ten of its scores lie between: without OSV, deps.dev or Scorecard
they are made from less than those of a user, and that is shown beside the comparison. A table of another methodology
is not used: make it anew with each.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path

import msgspec

from nerq_cli.application.check import run_check
from nerq_cli.application.session import Session
from nerq_cli.application.settings import Settings
from nerq_cli.ecosystems import NPM, PYPI, EcosystemId, get_prefix
from nerq_cli.errors import NerqError
from nerq_cli.facts import Found
from nerq_cli.insight.peers import MIN_MEMBERS, PeerTable, list_categories
from nerq_cli.methodology.packages import PACKAGES
from nerq_cli.report.model import Assessment, Report
from nerq_cli.sources.popularity.ranks import load_list

FILE = Path(__file__).parents[2] / "nerq_cli" / "insight" / "data" / "peers.json"
#: Bytes of the shipped file.
MAX_SIZE = 1_000_000
TOPIC = "Topic :: "


def list_popular(ecosystem: EcosystemId, count: int) -> list[str]:
    return [name for name in load_list(ecosystem).names if name][:count]


def read_names(path: Path) -> list[str]:
    return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def score_packages(
    names: Mapping[EcosystemId, Iterable[str]], session: Session, pause: float
) -> Iterator[tuple[EcosystemId, Assessment, tuple[str, ...], Report]]:
    """Yield each package that has a score, with the groups it belongs to."""
    for ecosystem, listed in names.items():
        for name in listed:
            time.sleep(pause)
            try:
                report = run_check([f"{get_prefix(ecosystem)}:{name}"], session).report
            except NerqError as error:
                print(f"{name}: {error}", file=sys.stderr)
                continue
            for assessment in report.dependencies:
                release = assessment.dependency.release
                if release is None or assessment.score is None or assessment.score.value is None:
                    continue
                profile = session.open_run().find_profile(release)
                stated = profile.value if isinstance(profile, Found) else None
                topics = [item for item in stated.topics if item.startswith(TOPIC)] if stated else []
                yield ecosystem, assessment, list_categories([*topics, *(stated.keywords if stated else ())]), report


def build_table(names: Mapping[EcosystemId, Iterable[str]], session: Session, pause: float, day: str) -> PeerTable:
    """Return the table of these packages."""
    groups: dict[str, dict[str, list[float]]] = {}
    coverages: list[float] = []
    sources: set[str] = set()
    for ecosystem, assessment, categories, report in score_packages(names, session, pause):
        score = assessment.score
        assert score is not None
        assert score.value is not None
        coverages.append(score.coverage)
        sources |= {source.name for source in report.sources if source.answered_subjects}
        for category in categories:
            groups.setdefault(ecosystem, {}).setdefault(category, []).append(score.value)
    coverages.sort()
    last = len(coverages) - 1
    return PeerTable(
        date=day,
        methodology=f"{PACKAGES.target} {PACKAGES.version}",
        source=f"scores of {len(coverages)} much used packages, from {', '.join(sorted(sources)) or 'no source'} alone",
        coverage=(round(coverages[last // 20], 2), round(coverages[last - last // 20], 2)) if coverages else (0.0, 0.0),
        groups={
            ecosystem: {
                category: tuple(sorted(scores))
                for category, scores in sorted(by_category.items())
                if len(scores) >= MIN_MEMBERS
            }
            for ecosystem, by_category in sorted(groups.items())
        },
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--date", type=date.fromisoformat, required=True, help="today, which the table states")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "nerq-peers")
    parser.add_argument("--names", type=int, default=300, help="names of each list of popular packages")
    parser.add_argument("--pypi", type=Path, help="file with names in place of the list")
    parser.add_argument("--npm", type=Path)
    parser.add_argument("--pause", type=float, default=0.5, help="seconds between two packages")
    options = parser.parse_args()
    files: dict[EcosystemId, Path | None] = {PYPI: options.pypi, NPM: options.npm}
    names = {key: read_names(path) if path else list_popular(key, options.names) for key, path in files.items()}
    with Session.open(Settings(no_config=True, cache_dir=options.cache), Path()) as session:
        table = build_table(names, session, options.pause, options.date.isoformat())
    content = msgspec.json.encode(table)
    assert len(content) <= MAX_SIZE, f"{len(content)} bytes: take fewer names"
    FILE.write_bytes(content + b"\n")
    print(f"{FILE.name}: {sum(map(len, table.groups.values()))} groups, {len(content)} bytes, {table.source}")


if __name__ == "__main__":
    main()
