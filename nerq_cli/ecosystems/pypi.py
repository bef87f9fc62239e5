"""PyPI: names of PEP 503, versions and specifiers of PEP 440, the choice of pip."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal

from nerq_cli.ecosystems.protocol import PYPI, Ecosystem, EcosystemId, RegistryApi, Requirement, VersionChoice
from nerq_cli.patterns import compile_late

if TYPE_CHECKING:
    from types import ModuleType

    from nerq_cli.facts import PackageInfo

_NAME: Final = compile_late(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?", re.ASCII)
_TARGET: Final = compile_late(
    r"(?P<name>[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?)(?P<extras>\s*\[[\w\s,.-]*\])?(?P<range>\s*(?:===?|~=|!=|<=?|>=?).*)?",
    re.ASCII,
)
#: A server for files only.
_ARCHIVE_SERVER = compile_late(r"https://files\.[a-z]+\.org")
_NAME_SEPARATORS = compile_late(r"[-_.]+")


@cache
def _load_pep440() -> ModuleType:
    """Import the module late, once: an import statement takes as long as finding a version that was parsed before."""
    from nerq_cli.ecosystems import pep440

    return pep440


class PypiEcosystem(Ecosystem):
    """The Python Package Index. ``packaging`` is imported by the first call that parses a version."""

    id: EcosystemId = PYPI
    registry_name = "PyPI"
    registry_api: RegistryApi = "pypi"
    has_advisories = True
    purl_type = "pypi"
    target_prefixes = ("pypi", "pip", "python")
    target_pattern = _TARGET
    version_separator = "=="
    install_code: Literal["build", "scripts"] = "build"
    uses_python = True
    has_local_builds = True
    has_extra_indexes = True
    index_suffix = "/simple"
    credential_key: Literal["host", "path"] = "host"
    name_prefixes = ("python3", "python", "py")
    name_suffixes = ("python3", "python", "cli", "py")

    def accepts_requirement(self, requirement: str) -> bool:
        from nerq_cli.ecosystems import pep440

        return pep440.is_specifier_set(requirement)

    def find_name_error(self, name: str) -> str:
        return "" if _NAME.fullmatch(name) else "PyPI has no such names"

    def get_artefact_url(self) -> str:
        from packageurl.contrib.purl2url import get_repo_url

        return str(get_repo_url("pkg:pypi/x"))  # type: ignore[no-untyped-call]

    def is_registry_url(self, url: str) -> bool:
        # The server of the public index's archives, which lock files name without the index. url2purl knows its name,
        # by a pattern that fits others as well: so its shape is checked too.
        if not _ARCHIVE_SERVER.fullmatch(url):
            return False
        from packageurl.contrib.url2purl import url2purl

        purl = url2purl(f"{url}/packages/x-1.0.tar.gz")  # type: ignore[no-untyped-call]
        return purl is not None and purl.type == self.purl_type

    def normalise_name(self, name: str) -> str:
        normalised_name = _NAME_SEPARATORS.sub("-", name).lower()
        return name if normalised_name == name else normalised_name  # one text in memory where both are equal

    def split_name(self, name: str) -> tuple[str, str]:
        return "", name

    def parse_version(self, version: str) -> Any | None:  # noqa: ANN401
        return _load_pep440().parse_version(version)

    def is_prerelease(self, version: str) -> bool:
        parsed = self.parse_version(version)
        return parsed is None or bool(parsed.is_prerelease)

    def parse_requirement(self, requirement: str) -> Requirement | None:
        from nerq_cli.ecosystems import pep440

        return pep440.parse_specifiers(requirement)

    def parse_pin(self, requirement: str) -> str | None:
        from nerq_cli.ecosystems import pep440

        return pep440.parse_pin(requirement)

    def format_pin(self, version: str) -> str:
        return f"=={version}" if self.parse_version(version) else f"==={version}"

    def join_requirements(self, requirement: str, constraints: Sequence[str]) -> str:
        """Return the requirement with the clauses of the constraints added to each of its alternatives."""
        if not constraints:
            return requirement
        alternatives = [[text] for text in requirement.split("||")]
        for constraint in constraints:
            alternatives = [[*texts, text] for texts in alternatives for text in constraint.split("||")]
        return " || ".join(",".join(text.strip() for text in texts if text.strip(" *")) for texts in alternatives)

    def supports_interpreter(self, required: str, interpreter: str) -> bool:
        """Return whether ``requires-python`` allows this Python; as in pip, a text that cannot be parsed does."""
        from nerq_cli.ecosystems import pep440

        return not required or pep440.supports_python(required, interpreter)

    def choose_version(
        self, requirement: str, package_info: PackageInfo, *, interpreter: str | None = None
    ) -> VersionChoice:
        """Choose as pip does.

        pip takes the newest final release that is not yanked, has files and allows this Python; a pre-release only if
        the requirement names one or no final release satisfies it.
        """
        from nerq_cli.ecosystems.listing import Listing
        from nerq_cli.facts import EMPTY, YANKED

        listing = Listing(self, package_info, interpreter)
        pin = self.parse_pin(requirement)
        if pin is not None:
            return listing.choose_pinned(pin)
        parsed = self.parse_requirement(requirement)
        if parsed is None:
            return listing.refuse_requirement(requirement)
        index = listing.find_newest(parsed, avoided_flags=YANKED | EMPTY)
        if index is None and listing.find_newest(parsed, avoided_flags=EMPTY) is None:
            index = listing.find_newest(parsed, avoided_flags=YANKED | EMPTY, prereleases=True)
        return listing.choose(requirement, parsed, index)

    def parse_advisory_version(self, version: str) -> Any | None:  # noqa: ANN401
        return self.parse_version(version)

    def get_public_version(self, version: str) -> str:
        """Return the version without its local part: advisories for 1.0 also concern 1.0+cu118."""
        return version.partition("+")[0] or version
