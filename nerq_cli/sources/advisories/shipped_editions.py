"""What is shipped with nerq-cli of published advisories: whose they are, how many, and of which day.

Imports neither the records nor the database, so that ``nerq --about`` stays small.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from nerq_cli.ecosystems import NPM, PYPI
from nerq_cli.sources import Credit

LABEL: Final = "shipped advisories"
DATA_DIRECTORY: Final = Path(__file__).with_name("data")
EDITIONS_NAME: Final = "editions.json"


class Edition(NamedTuple):
    """The number of records of one ecosystem, and the latest change among them (epoch seconds UTC)."""

    ecosystem: str
    records: int
    newest: int
    #: The packages with records about malicious releases.
    malware: frozenset[str] = frozenset()

    @property
    def date(self) -> str:
        """The day of the latest change, ``YYYY-MM-DD``."""
        return datetime.fromtimestamp(self.newest, timezone.utc).date().isoformat()


class ShippedDatabase(NamedTuple):
    """A database whose records are shipped: the beginning of their ids, their ecosystem, and whose data they are."""

    id_prefix: str
    ecosystem: str
    credit: Credit


DATABASES: Final = (
    ShippedDatabase(
        "PYSEC-",
        PYPI,
        Credit(
            "PyPA Advisory Database (shipped)",
            "advisories PYSEC-..., reduced to what is matched and shown",
            "CC-BY-4.0",
            "https://github.com/pypa/advisory-database",
            "The shipped advisories for PyPI are from the PyPA Advisory Database, licensed under CC-BY 4.0.",
        ),
    ),
    ShippedDatabase(
        "NSWG-",
        NPM,
        Credit(
            "Node.js Security Working Group (shipped)",
            "advisories NSWG-..., reduced to what is matched and shown",
            "MIT",
            "https://github.com/nodejs/security-wg",
            "The shipped advisories for npm are those of the Node.js Security Working Group, copyright (c) 2018 "
            "Node.js Foundation; the NOTICE file has their licence.",
        ),
    ),
)


@lru_cache(maxsize=4)
def read_editions(directory: Path = DATA_DIRECTORY) -> Mapping[str, Edition]:
    """Return what is shipped, by ecosystem."""
    rows = msgspec.json.decode((directory / EDITIONS_NAME).read_bytes())
    return {
        ecosystem: Edition(ecosystem, row["records"], row["newest"], frozenset(row["malware"]))
        for ecosystem, row in sorted(rows.items())
    }
