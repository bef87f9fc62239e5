"""Turn dumps of OSV into the advisories that are shipped in nerq_cli/sources/advisories/data.

    python docs/benchmarks/make_advisories.py PyPI=PyPI/all.zip npm=npm/all.zip

Each dump is a zip of OSV records. Equal dumps give equal files. nerq_cli/sources/advisories/data/README.md describes
what is written, and how large it may be.
"""

from __future__ import annotations

import argparse
import sys
import zlib
from pathlib import Path

from nerq_cli.ecosystems import Ecosystem
from nerq_cli.facts import Advisory
from nerq_cli.sources.advisories.osv_files import ReadStats, read_advisories
from nerq_cli.sources.advisories.shipped_advisories import write_edition

DATA = Path(__file__).parents[2] / "nerq_cli" / "sources" / "advisories" / "data"
#: Bytes that all files together may take in the wheel, which compresses them.
MAX_BYTES = 1_500_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dumps", nargs="+", metavar="ECOSYSTEM=ZIP")
    parser.add_argument("--output", type=Path, default=DATA)
    parser.add_argument("--leave-out", action="append", default=[], metavar="PREFIX", help="such as MAL-")
    options = parser.parse_args()
    dumps = {ecosystem: Path(path) for ecosystem, _, path in (dump.partition("=") for dump in options.dumps)}

    def read_dump(ecosystem: Ecosystem) -> list[Advisory]:
        stats = ReadStats()
        advisories = list(read_advisories([dumps[ecosystem.id]], stats))
        print(
            f"{ecosystem.id}: {stats.withdrawn_count} withdrawn, {stats.unreadable_count} unreadable records left out"
        )
        return advisories

    options.output.mkdir(parents=True, exist_ok=True)
    for edition in write_edition(options.output, read_dump, left_out=options.leave_out):
        content = (options.output / f"{edition.ecosystem}.msgpack").read_bytes()
        print(f"{edition.ecosystem}: {edition.records} records up to {edition.date}, {len(content)} bytes")
    packed_size = sum(len(zlib.compress(path.read_bytes(), 9)) for path in options.output.glob("*.msgpack"))
    print(f"{packed_size} bytes in the wheel")
    if packed_size > MAX_BYTES:
        sys.exit(f"more than {MAX_BYTES} bytes in the wheel; --leave-out leaves records out by the prefix of their ids")


if __name__ == "__main__":
    main()
