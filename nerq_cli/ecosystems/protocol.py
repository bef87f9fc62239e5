"""The protocol of a package ecosystem: what differs between one and another, as one object."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeAlias

import msgspec

if TYPE_CHECKING:
    from nerq_cli.facts import PackageInfo

#: Id of an ecosystem, spelled as OSV spells it (ossf/osv-schema, "Defined ecosystems"); else the type of its purls.
EcosystemId: TypeAlias = Literal[
    "PyPI",
    "npm",
    "crates.io",
    "conda",
    "generic",
    "other",
    "github",
    "huggingface",
    "huggingface-dataset",
    "huggingface-space",
    "huggingface-kernel",
]
#: What a dependency is. A hosted model is one behind a service, of which nothing is downloaded.
Kind: TypeAlias = Literal["package", "repository", "model", "dataset", "space", "kernel", "mcp-server", "hosted-model"]
#: API of a registry: that of packages in ``sources/registries``, that of the Hub in ``sources/huggingface``.
RegistryApi: TypeAlias = Literal["pypi", "npm", "huggingface", ""]
PYPI: Final = "PyPI"
NPM: Final = "npm"
CRATES: Final = "crates.io"
CONDA: Final = "conda"
GENERIC: Final = "generic"
OTHER: Final = "other"
GITHUB: Final = "github"
#: Models, datasets, Spaces and kernels of the Hugging Face Hub.
HF_MODEL: Final = "huggingface"
HF_DATASET: Final = "huggingface-dataset"
HF_SPACE: Final = "huggingface-space"
HF_KERNEL: Final = "huggingface-kernel"


class VersionChoice(msgspec.Struct, frozen=True):
    """The version that would be installed, or the reason why there is none."""

    #: None if no listed version can be installed.
    version: str | None
    #: The nearest listed versions, newest first, if ``version`` is None.
    suggestions: tuple[str, ...] = ()
    #: Empty if ``version`` is set.
    reason: str = ""
    #: Whether the registry lists none that the requirement allows, installable or not.
    is_missing: bool = False


class Requirement(Protocol):
    """A parsed requirement."""

    @property
    def reference_version(self) -> str:
        """Return a version that the requirement names, the centre of the suggestions; empty if it names none."""
        ...

    def allows(self, version: str, *, prereleases: bool = False) -> bool:
        """Return whether the version satisfies the requirement; ``prereleases`` also allows those it does not name."""
        ...

    def is_above(self, version: str) -> bool:
        """Return whether this version and every newer one are above the upper bound."""
        ...


class Ecosystem(Protocol):
    """Names, purl, versions and ranges of one package ecosystem.

    No method raises for a text that is not a version or a requirement.
    """

    id: EcosystemId
    #: Name of the registry in a sentence.
    registry_name: str
    #: API of the registry; empty if packages are listed and not scored.
    registry_api: RegistryApi
    #: Whether OSV has advisories about its packages.
    has_advisories: bool
    #: purl type (package-url/purl-spec, PURL-TYPES); where several ecosystems share one, a text of its own.
    purl_type: str
    #: Names that select the ecosystem in a target such as ``pypi:requests``.
    target_prefixes: tuple[str, ...]
    #: A target without prefix, with the groups ``name`` and ``range``.
    target_pattern: re.Pattern[str]
    #: Separator between name and version in a target: ``requests==2.31.0``, ``lodash@4.17.21``.
    version_separator: str
    #: What runs when a package is installed: the build of a source archive, or scripts named in the manifest.
    install_code: Literal["build", "scripts"]
    #: Whether releases depend on the Python version: markers, ``requires-python``, and age that makes them unusable.
    uses_python: bool
    #: Whether ``+`` in a requirement names a local build, which no public index has.
    has_local_builds: bool
    #: Whether the client also installs from extra indexes, whichever has the higher version.
    has_extra_indexes: bool
    #: End of an index URL that is not part of the registry's base URL.
    index_suffix: str
    #: How the client looks up credentials: by host (netrc) or by host and path (npmrc).
    credential_key: Literal["host", "path"]
    #: Usual prefixes and suffixes of names, without separators: a name that differs only in them is similar.
    name_prefixes: tuple[str, ...]
    name_suffixes: tuple[str, ...]

    def __hash__(self) -> int:
        return hash(self.id)

    def accepts_requirement(self, requirement: str) -> bool:
        """Return whether a requirement may be written in a target."""
        ...

    def find_name_error(self, name: str) -> str:
        """Return why no package can have this name; empty if one can."""
        ...

    def get_artefact_url(self) -> str:
        """Return the URL of a package or file on the public registry, whose host is the registry's."""
        ...

    def is_registry_url(self, url: str) -> bool:
        """Return whether a base URL is another address of the public registry."""
        ...

    def normalise_name(self, name: str) -> str:
        """Return the name under which the registry lists the package."""
        ...

    def split_name(self, name: str) -> tuple[str, str]:
        """Return the namespace (empty if none) and the rest of a name, as a purl separates them."""
        ...

    def split_purl(self, name: str) -> tuple[str, str, str]:
        """Return the type, the namespace (empty if none) and the rest of a name in a purl."""
        return self.purl_type, *self.split_name(name)

    def list_purl_qualifiers(self, name: str) -> dict[str, str]:  # noqa: ARG002 - few ecosystems need it
        """Return the qualifiers of a purl: where the package is, if that is not the default of its type."""
        return {}

    def parse_version(self, version: str) -> Any | None:  # noqa: ANN401 - comparable within its ecosystem only
        """Return a value that orders the version within its ecosystem; None if the text is not a version."""
        ...

    def is_prerelease(self, version: str) -> bool:
        """Return whether this is a pre-release (or a development release), or not a version."""
        ...

    def parse_requirement(self, requirement: str) -> Requirement | None:
        """Return the parsed requirement; None if the text is not one."""
        ...

    def parse_pin(self, requirement: str) -> str | None:
        """Return the version of an exact requirement (``==1.2`` or ``===x`` on PyPI, ``1.2.3`` on npm), else None."""
        ...

    def format_pin(self, version: str) -> str:
        """Return the requirement that only this version satisfies, in any spelling."""
        ...

    def join_requirements(self, requirement: str, constraints: Sequence[str]) -> str:
        """Return the requirement narrowed by constraints; unchanged if the ecosystem has no constraints."""
        ...

    def supports_interpreter(self, required: str, interpreter: str) -> bool:
        """Return whether a release with this interpreter requirement can be installed on this interpreter version."""
        ...

    def choose_version(
        self, requirement: str, package_info: PackageInfo, *, interpreter: str | None = None
    ) -> VersionChoice:
        """Choose the version that the package manager would install today. A pin is chosen even if it is yanked.

        Args:
            requirement: as written; on npm also a dist-tag. Empty allows any version.
            package_info: what the registry lists, newest first.
            interpreter: full version of the interpreter in use (``3.12.4``); None ignores interpreter requirements.
        """
        ...

    def parse_advisory_version(self, version: str) -> Any | None:  # noqa: ANN401 - as in parse_version
        """Return the order of a version in an advisory record, where npm versions may leave out numbers."""
        ...

    def get_public_version(self, version: str) -> str:
        """Return the version that advisories name: for a local build the version it is built from."""
        ...

    def satisfies(self, requirement: str, version: str, *, prereleases: bool = False) -> bool:
        """Return whether a version satisfies a requirement; False if either is not valid.

        A pre-release satisfies a requirement that names one (PyPI: any pre-release; npm: one of the same
        major.minor.patch), and with ``prereleases`` any requirement whose bounds allow it.
        """
        parsed = self.parse_requirement(requirement)
        return parsed is not None and parsed.allows(version, prereleases=prereleases)

    def is_same_version(self, a: str, b: str) -> bool:
        """Return whether two spellings mean the same version (1.0 and 1.0.0 on PyPI; npm ignores build metadata)."""
        if a == b:
            return True
        parsed = self.parse_version(a)
        return parsed is not None and bool(parsed == self.parse_version(b))

    def sort_newest_first(self, versions: Iterable[str]) -> list[str]:
        """Sort versions, newest first; texts that are not versions come last, in text order."""
        parsed = [(self.parse_version(version), version) for version in versions]
        ordered = sorted((entry for entry in parsed if entry[0] is not None), reverse=True)
        return [version for _, version in ordered] + sorted(version for value, version in parsed if value is None)

    def is_at_least(self, version: str, minimum: str) -> bool:
        """Return whether a version is the minimum or a newer one."""
        parsed, parsed_minimum = self.parse_version(version), self.parse_version(minimum)
        if parsed is not None and parsed_minimum is not None:
            return bool(parsed >= parsed_minimum)
        return self.sort_newest_first([version, minimum])[0] == version
