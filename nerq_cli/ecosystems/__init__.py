"""What differs between package ecosystems: names, purl, versions, ranges."""

from __future__ import annotations

from typing import Final, get_args

from nerq_cli.ecosystems import huggingface
from nerq_cli.ecosystems.huggingface import HUB_ECOSYSTEMS, HubEcosystem, is_commit
from nerq_cli.ecosystems.listed import (
    CondaEcosystem,
    CratesEcosystem,
    GenericEcosystem,
    GithubEcosystem,
    OtherEcosystem,
)
from nerq_cli.ecosystems.npm import NpmEcosystem
from nerq_cli.ecosystems.protocol import (
    CONDA,
    CRATES,
    GENERIC,
    GITHUB,
    HF_DATASET,
    HF_KERNEL,
    HF_MODEL,
    HF_SPACE,
    NPM,
    OTHER,
    PYPI,
    Ecosystem,
    EcosystemId,
    Kind,
    RegistryApi,
    VersionChoice,
)
from nerq_cli.ecosystems.pypi import PypiEcosystem

__all__ = [
    "CONDA",
    "CRATES",
    "ECOSYSTEMS",
    "GENERIC",
    "GITHUB",
    "HF_DATASET",
    "HF_KERNEL",
    "HF_MODEL",
    "HF_SPACE",
    "NPM",
    "OTHER",
    "PYPI",
    "Ecosystem",
    "EcosystemId",
    "HubEcosystem",
    "Kind",
    "RegistryApi",
    "VersionChoice",
    "find_ecosystem",
    "find_purl_package",
    "get_ecosystem",
    "get_hub_ecosystem",
    "get_prefix",
    "is_commit",
    "is_hub",
    "is_repository",
    "normalise_name",
]

_PYPI: Final = PypiEcosystem()
_NPM: Final = NpmEcosystem()
_CRATES: Final = CratesEcosystem()
_CONDA: Final = CondaEcosystem()
_GENERIC: Final = GenericEcosystem()
_OTHER: Final = OtherEcosystem()
_GITHUB: Final = GithubEcosystem()
_MODELS, _DATASETS, _SPACES, _KERNELS = HUB_ECOSYSTEMS


def get_ecosystem(ecosystem_id: EcosystemId) -> Ecosystem:  # noqa: C901, PLR0911 - one case for each id
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
        case "other":
            return _OTHER
        case "github":
            return _GITHUB
        case "huggingface":
            return _MODELS
        case "huggingface-dataset":
            return _DATASETS
        case "huggingface-space":
            return _SPACES
        case "huggingface-kernel":  # pragma: no branch - the last id
            return _KERNELS


#: Every ecosystem of a package registry, whose packages are scored.
ECOSYSTEMS: Final[tuple[Ecosystem, ...]] = tuple(
    ecosystem for ecosystem in map(get_ecosystem, get_args(EcosystemId)) if ecosystem.registry_api in ("pypi", "npm")
)
#: By id. A test with isinstance would read each attribute of the protocol, and compile patterns.
_HUB: Final[dict[str, HubEcosystem]] = {ecosystem.id: ecosystem for ecosystem in HUB_ECOSYSTEMS}
_ADVISORY_ECOSYSTEMS: Final[dict[str, Ecosystem]] = {
    ecosystem.id: ecosystem for ecosystem in map(get_ecosystem, get_args(EcosystemId)) if ecosystem.has_advisories
}


def find_ecosystem(name: str) -> Ecosystem | None:
    """Return the ecosystem that OSV spells so; None if its advisories are not read."""
    return _ADVISORY_ECOSYSTEMS.get(name)


def normalise_name(ecosystem_id: EcosystemId, name: str) -> str:
    """Return the name under which the registry lists the package: PEP 503 for PyPI, as written for npm."""
    return get_ecosystem(ecosystem_id).normalise_name(name)


def is_hub(ecosystem_id: EcosystemId) -> bool:
    """Return whether an ecosystem is a kind of repository of the Hugging Face Hub."""
    return ecosystem_id in _HUB


def is_repository(ecosystem_id: EcosystemId) -> bool:
    """Return whether a dependency of an ecosystem is a repository by itself: of the Hub, or on GitHub."""
    return ecosystem_id == GITHUB or ecosystem_id in _HUB


def get_hub_ecosystem(ecosystem_id: EcosystemId) -> HubEcosystem:
    """Return a kind of repository of the Hugging Face Hub.

    Raises:
        ValueError: it is another ecosystem.
    """
    if ecosystem_id not in _HUB:
        raise ValueError(f"{ecosystem_id} is not on the Hub")
    return _HUB[ecosystem_id]


def get_prefix(ecosystem_id: EcosystemId) -> str:
    """Return the word before the name of a package in reports and patterns: ``pypi``, ``npm``, ``hf``."""
    ecosystem = get_ecosystem(ecosystem_id)
    return ecosystem.target_prefixes[0] if ecosystem.target_prefixes else ecosystem.purl_type


def find_purl_package(purl_type: str, namespace: str | None, name: str) -> tuple[EcosystemId, str] | None:
    """Return the ecosystem and the name of a package URL's package; None if no ecosystem has its type."""
    if purl_type == huggingface.PURL_TYPE:
        link = huggingface.parse_purl_name(namespace or "", name)
        return link.ecosystem, link.name
    for ecosystem_id in get_args(EcosystemId):
        if get_ecosystem(ecosystem_id).purl_type == purl_type:
            return ecosystem_id, f"{namespace}/{name}" if namespace else name
    return None
