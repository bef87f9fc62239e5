"""Ecosystems without a registry that is asked: crates, conda, repositories, and whatever else has a package URL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

from nerq_cli.ecosystems import semver
from nerq_cli.ecosystems.protocol import (
    CONDA,
    CRATES,
    GENERIC,
    GITHUB,
    OTHER,
    Ecosystem,
    EcosystemId,
    RegistryApi,
    Requirement,
    VersionChoice,
)
from nerq_cli.patterns import compile_late

if TYPE_CHECKING:
    from nerq_cli.facts import PackageInfo

#: An exact requirement: ``==1.2``.
_PIN: Final = compile_late(r"==\s*([^\s,|*<>=!~]+)")
#: Names of git references (git-check-ref-format), and commits.
_REVISION: Final = compile_late(
    r"(?!/)(?!.*(?:\.\.|//|@\{|/\.|\.lock(?:/|$)))[^\x00-\x20\x7f~^:?*\[\\]{1,255}(?<![/.])"
)
_COMMIT: Final = compile_late(r"[0-9a-fA-F]{40}")
#: Owner and name of a repository. Owners: github.com/shinnn/github-username-regex; names as GitHub states them.
_GITHUB_NAME: Final = compile_late(r"[A-Za-z0-9](?:-?[A-Za-z0-9]){0,38}(?:_[A-Za-z0-9]+)?/[A-Za-z0-9._-]{1,100}")


#: Hosts of the default registry of images.
_DOCKER_HUB: Final = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})


class ListedEcosystem(Ecosystem):
    """Packages that are on no registry that is asked. Versions have no order: only equal texts are the same one."""

    registry_api: RegistryApi = ""
    has_advisories = False
    target_prefixes: tuple[str, ...] = ()
    target_pattern = compile_late(r"(?!)")  # no target names them
    version_separator = "="
    install_code: Literal["build", "scripts"] = "scripts"
    uses_python = False
    has_local_builds = False
    has_extra_indexes = False
    index_suffix = ""
    credential_key: Literal["host", "path"] = "host"
    name_prefixes = ()
    name_suffixes = ()

    def accepts_requirement(self, requirement: str) -> bool:  # noqa: ARG002 - no target names them
        return False

    def find_name_error(self, name: str) -> str:
        return "" if name.strip() and name.isprintable() else "it is empty or has characters that no name has"

    def get_artefact_url(self) -> str:
        return ""

    def is_registry_url(self, url: str) -> bool:  # noqa: ARG002 - there is no registry
        return False

    def normalise_name(self, name: str) -> str:
        return name

    def split_name(self, name: str) -> tuple[str, str]:
        namespace, _, base_name = name.rpartition("/")
        return namespace, base_name

    def parse_version(self, version: str) -> Any | None:  # noqa: ANN401, ARG002 - no order is known
        return None

    def is_prerelease(self, version: str) -> bool:  # noqa: ARG002 - no order is known
        return True

    def parse_requirement(self, requirement: str) -> Requirement | None:  # noqa: ARG002 - no order is known
        return None

    def parse_pin(self, requirement: str) -> str | None:
        match = _PIN.fullmatch(requirement.strip())
        return match[1] if match else None

    def format_pin(self, version: str) -> str:
        return f"=={version}"

    def join_requirements(self, requirement: str, constraints: Sequence[str]) -> str:  # noqa: ARG002 - none apply
        return requirement

    def supports_interpreter(self, required: str, interpreter: str) -> bool:  # noqa: ARG002 - nothing is required
        return True

    def choose_version(
        self,
        requirement: str,
        package_info: PackageInfo,  # noqa: ARG002 - there is no registry
        *,
        interpreter: str | None = None,  # noqa: ARG002
    ) -> VersionChoice:
        pin = self.parse_pin(requirement)
        return VersionChoice(pin) if pin else VersionChoice(None, reason="no exact version is stated")

    def parse_advisory_version(self, version: str) -> Any | None:  # noqa: ANN401
        return self.parse_version(version)

    def get_public_version(self, version: str) -> str:
        return version


class CondaEcosystem(ListedEcosystem):
    """Packages of conda channels: their names are not those of PyPI."""

    id: EcosystemId = CONDA
    registry_name = "a conda channel"
    purl_type = "conda"

    def normalise_name(self, name: str) -> str:
        return name.lower()  # CEP 26


class GenericEcosystem(ListedEcosystem):
    """What is on no registry, such as an archive at a URL that states no name."""

    id: EcosystemId = GENERIC
    registry_name = "no registry"
    purl_type = "generic"


class OtherEcosystem(ListedEcosystem):
    """Everything else that has a package URL. A name begins with its type: ``rpm/almalinux/openssl-libs``."""

    id: EcosystemId = OTHER
    registry_name = "another registry"
    purl_type = "other"

    def split_purl(self, name: str) -> tuple[str, str, str]:
        purl_type, _, rest = name.partition("/")
        if purl_type == "docker":
            _, rest = _split_image(rest)
        return purl_type, *self.split_name(rest)

    def list_purl_qualifiers(self, name: str) -> dict[str, str]:
        purl_type, _, rest = name.partition("/")
        host = _split_image(rest)[0] if purl_type == "docker" else ""
        return {"repository_url": host} if host else {}


def _split_image(name: str) -> tuple[str, str]:
    """Return the registry of an image, empty for Docker Hub, and the rest of its name.

    The first part is a registry if it has a dot or a port, or is ``localhost`` (distribution/reference). A purl of the
    type docker has it as a qualifier (package-url/purl-spec, types/docker).
    """
    host, separator, rest = name.partition("/")
    if not separator or not (host == "localhost" or "." in host or ":" in host):
        return "", name
    return "" if host in _DOCKER_HUB else host, rest


class CratesEcosystem(ListedEcosystem):
    """Crates of Rust, which SBOMs inside of wheels name: only their advisories are looked up."""

    id: EcosystemId = CRATES
    registry_name = "crates.io"
    purl_type = "cargo"
    has_advisories = True

    def parse_version(self, version: str) -> Any | None:  # noqa: ANN401
        return semver.parse_version(version)

    def is_prerelease(self, version: str) -> bool:
        parsed = semver.parse_version(version)
        return parsed is None or not parsed.is_final


class GithubEcosystem(ListedEcosystem):
    """Source repositories on GitHub, as ``owner/name``. A requirement is a branch, a tag or a commit.

    A version is a commit, because only a commit never changes its content.
    """

    id: EcosystemId = GITHUB
    registry_name = "GitHub"
    purl_type = "github"
    target_prefixes = ("github", "gh")
    target_pattern = compile_late(r"(?P<name>[^@\s]+?)(?:\.git)?(?:@(?P<range>\S+))?")
    version_separator = "@"

    def accepts_requirement(self, requirement: str) -> bool:
        return not requirement or bool(_REVISION.fullmatch(requirement))

    def find_name_error(self, name: str) -> str:
        is_name = _GITHUB_NAME.fullmatch(name) and name.rpartition("/")[2] not in (".", "..")
        return "" if is_name else "it is not OWNER/NAME"

    def normalise_name(self, name: str) -> str:
        return name.lower()  # package-url/purl-spec, types/github

    def parse_pin(self, requirement: str) -> str | None:
        return requirement.lower() if _COMMIT.fullmatch(requirement) else None

    def format_pin(self, version: str) -> str:
        return version

    def is_same_version(self, a: str, b: str) -> bool:
        return a.lower() == b.lower()
