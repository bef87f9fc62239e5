"""What differs between package ecosystems: names, purl, versions, ranges."""

from __future__ import annotations

from typing import Final, get_args

from nerq_cli.ecosystems.listed import CondaEcosystem, GenericEcosystem
from nerq_cli.ecosystems.npm import NpmEcosystem
from nerq_cli.ecosystems.protocol import CONDA, GENERIC, NPM, PYPI, Ecosystem, EcosystemId, VersionChoice
from nerq_cli.ecosystems.pypi import PypiEcosystem

__all__ = [
    "CONDA",
    "ECOSYSTEMS",
    "GENERIC",
    "NPM",
    "PYPI",
    "Ecosystem",
    "EcosystemId",
    "VersionChoice",
    "find_ecosystem",
    "get_ecosystem",
    "normalise_name",
]

_PYPI: Final = PypiEcosystem()
_NPM: Final = NpmEcosystem()
_CONDA: Final = CondaEcosystem()
_GENERIC: Final = GenericEcosystem()


def get_ecosystem(ecosystem_id: EcosystemId) -> Ecosystem:
    """Return the ecosystem with this id. mypy reports a missing return for an id without an object."""
    match ecosystem_id:
        case "PyPI":
            return _PYPI
        case "npm":
            return _NPM
        case "conda":
            return _CONDA
        case "generic":  # pragma: no branch - the last id
            return _GENERIC


#: Every ecosystem whose packages are scored.
ECOSYSTEMS: Final[tuple[Ecosystem, ...]] = tuple(
    ecosystem for ecosystem in map(get_ecosystem, get_args(EcosystemId)) if ecosystem.registry_api
)
_ECOSYSTEMS_BY_ID: Final[dict[str, Ecosystem]] = {ecosystem.id: ecosystem for ecosystem in ECOSYSTEMS}


def find_ecosystem(name: str) -> Ecosystem | None:
    """Return the scored ecosystem with this id, as OSV spells it; None if there is no such ecosystem."""
    return _ECOSYSTEMS_BY_ID.get(name)


def normalise_name(ecosystem_id: EcosystemId, name: str) -> str:
    """Return the name under which the registry lists the package: PEP 503 for PyPI, as written for npm."""
    return get_ecosystem(ecosystem_id).normalise_name(name)
