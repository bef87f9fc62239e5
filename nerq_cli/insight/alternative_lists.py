"""The shipped lists of alternatives: pairs of a package and what does the same job."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import Final, Literal

import msgspec

from nerq_cli.decoders import build_json_decoder_late
from nerq_cli.ecosystems import NPM, PYPI, EcosystemId


class _Meta(msgspec.Struct, frozen=True):
    """Where a list comes from."""

    name: str
    licence: str
    #: ISO date.
    date: str
    version: str
    url: str


class _Entry(msgspec.Struct, frozen=True, array_like=True):
    """What may take the place of a package."""

    kind: Literal["package", "builtin", "expression", "removal"]
    use: str
    #: First version of the language or of the runtime that has it; empty = not stated.
    since: str
    #: Empty: the list states none.
    reason: str
    source: str


class Table(msgspec.Struct, frozen=True):
    """A shipped list of pairs."""

    meta: _Meta
    pairs: dict[str, list[_Entry]]


_DECODER: Final = build_json_decoder_late(Table)
_FILES: Final[dict[str, str]] = {PYPI: "python.json", NPM: "npm.json"}
#: What a version in an entry is a version of.
RUNTIMES: Final[dict[str, str]] = {PYPI: "Python", NPM: "Node.js"}


@lru_cache(maxsize=2)
def load_table(ecosystem: EcosystemId) -> Table | None:
    """Return the shipped list of an ecosystem; None if there is none."""
    name = _FILES.get(ecosystem)
    return None if name is None else _DECODER.decode((files("nerq_cli.insight") / "data" / name).read_bytes())
