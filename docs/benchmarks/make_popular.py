"""Turn lists of popular packages into the form that is shipped in nerq_cli/sources/popularity/data.

    python docs/benchmarks/make_popular.py --edition 2026-11-01 --pypi pypi.tsv --npm npm.tsv

Both files are tab-separated with a heading: ``rank name`` for PyPI, ``downloads_last_month name`` for npm, the most
popular first. nerq_cli/sources/popularity/data/README.md describes what is written.
"""

from __future__ import annotations

import argparse
import zlib
from datetime import date
from itertools import pairwise
from pathlib import Path

DATA = Path(__file__).parents[2] / "nerq_cli" / "sources" / "data"


def rows(path: Path) -> list[tuple[int, str]]:
    lines = path.read_text(encoding="utf-8").splitlines()[1:]
    return [(int(number), name) for number, _, name in (line.partition("\t") for line in lines)]


def of_ranks(listed: list[tuple[int, str]]) -> tuple[str, list[str]]:
    """Ranks the list leaves out keep their place as an empty line."""
    names = dict(listed)
    return "", [names.get(rank, "") for rank in range(1, max(names) + 1)]


def of_downloads(listed: list[tuple[int, str]]) -> tuple[str, list[str]]:
    thousands = [round(downloads / 1000) for downloads, _ in listed]
    falls = [before - after for before, after in pairwise(thousands)]
    assert min(falls) >= 0, "the list is not ordered by downloads"
    return " ".join(map(str, [thousands[0], *falls])), [name for _, name in listed]


def write(name: str, edition: date, falls: str, names: list[str]) -> None:
    text = "\n".join([edition.isoformat(), falls, *names])
    path = DATA / f"{name}.z"
    path.write_bytes(zlib.compress(text.encode(), 9))
    print(f"{path.name}: {len(names)} ranks, {path.stat().st_size} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edition", type=date.fromisoformat, required=True)
    parser.add_argument("--pypi", type=Path, required=True)
    parser.add_argument("--npm", type=Path, required=True)
    options = parser.parse_args()
    write("pypi", options.edition, *of_ranks(rows(options.pypi)))
    write("npm", options.edition, *of_downloads(rows(options.npm)))


if __name__ == "__main__":
    main()
