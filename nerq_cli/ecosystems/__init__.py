"""What differs between package ecosystems: names, purl, versions, ranges."""

from __future__ import annotations

from typing import Final, get_args

from nerq_cli.ecosystems.listed import CondaEcosystem, CratesEcosystem, GenericEcosystem, OtherEcosystem
from nerq_cli.ecosystems.npm import NpmEcosystem
from nerq_cli.ecosystems.protocol import CONDA, CRATES, GENERIC, NPM, OTHER, PYPI, Ecosystem, EcosystemId, VersionChoice
from nerq_cli.ecosystems.pypi import PypiEcosystem

__all__ = [
    "CONDA",
    "CRATES",
    "ECOSYSTEMS",
    "GENERIC",
    "NPM",
    "OTHER",
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
_CRATES: Final = CratesEcosystem()
_CONDA: Final = CondaEcosystem()
_GENERIC: Final = GenericEcosystem()
_OTHER: Final = OtherEcosystem()


def get_ecosystem(ecosystem_id: EcosystemId) -> Ecosystem:
    """Return the ecosystem with this id. mypy reports a missing return for an id without an object."""
    match ecosystem_id:
        case "PyPI":
            return _PYPI
        case "npm":
            return _NPM
        case "conda":
            return _CONDA
        case "generic":
            return _GENERIC
        case "crates.io":
            return _CRATES
        case "other":  # pragma: no branch - the last id
            return _OTHER


#: Every ecosystem whose packages are scored.
ECOSYSTEMS: Final[tuple[Ecosystem, ...]] = tuple(
    ecosystem for ecosystem in map(get_ecosystem, get_args(EcosystemId)) if ecosystem.registry_api
)
_ADVISORY_ECOSYSTEMS: Final[dict[str, Ecosystem]] = {
    ecosystem.id: ecosystem for ecosystem in map(get_ecosystem, get_args(EcosystemId)) if ecosystem.has_advisories
}


def find_ecosystem(name: str) -> Ecosystem | None:
    """Return the ecosystem that OSV spells so; None if its advisories are not read."""
    return _ADVISORY_ECOSYSTEMS.get(name)


def normalise_name(ecosystem_id: EcosystemId, name: str) -> str:
    """Return the name under which the registry lists the package: PEP 503 for PyPI, as written for npm."""
    return get_ecosystem(ecosystem_id).normalise_name(name)
