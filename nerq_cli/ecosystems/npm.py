"""npm: names with scopes, Semantic Versioning, ranges of node-semver, the choice of npm."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

from nerq_cli.ecosystems import semver
from nerq_cli.ecosystems.protocol import NPM, Ecosystem, EcosystemId, RegistryApi, Requirement, VersionChoice
from nerq_cli.patterns import compile_late

if TYPE_CHECKING:
    from nerq_cli.ecosystems.listing import Listing
    from nerq_cli.facts import PackageInfo

#: The dist-tag that npm installs if none is given.
_LATEST_TAG: Final = "latest"
#: Longest name of a package, in characters (validate-npm-package-name).
MAX_NAME_LENGTH: Final = 214

# The characters that encodeURIComponent does not escape.
_URL_SAFE: Final = r"[A-Za-z0-9_.!~*'()-]+"
_NAME_PATTERN = compile_late(rf"(?![._-]){_URL_SAFE}|@(?!\.){_URL_SAFE}/(?!\.){_URL_SAFE}")
_RESERVED_NAMES: Final = frozenset({"node_modules", "favicon.ico"})
#: A dist-tag (npm-package-arg).
_DIST_TAG = compile_late(_URL_SAFE)
_TARGET: Final = compile_late(r"(?P<name>(?:@[^@/\s]+/)?[^@/\s:]+)(?:@(?P<range>.*))?")
#: Versions in advisories that leave out the minor or patch number; OSV reads the missing numbers as zeros.
_SHORT_VERSION = compile_late(r"v?(\d+)(?:\.(\d+))?([-+].*)?", re.ASCII | re.DOTALL)


def find_name_error(name: str) -> str:
    """Return why no package can have this name; empty if one can.

    The rules are those of validate-npm-package-name for existing packages, which may have capital letters. A scope
    must not begin with a dot either.
    """
    if not name:
        return "it is empty"
    if len(name) > MAX_NAME_LENGTH:
        return f"it is longer than {MAX_NAME_LENGTH} characters"
    if name.lower() in _RESERVED_NAMES:
        return "it is reserved"
    if _NAME_PATTERN.fullmatch(name):
        return ""
    return "no name begins like this" if name[0] in "._-" else "it has characters that no name has"


class NpmEcosystem(Ecosystem):
    """The npm registry. ``nodesemver`` is imported by the first call that parses a range."""

    id: EcosystemId = NPM
    registry_name = "the npm registry"
    registry_api: RegistryApi = "npm"
    has_advisories = True
    purl_type = "npm"
    target_prefixes = ("npm", "node")
    target_pattern = _TARGET
    version_separator = "@"
    install_code: Literal["build", "scripts"] = "scripts"
    uses_python = False
    has_local_builds = False
    has_extra_indexes = False
    index_suffix = ""
    credential_key: Literal["host", "path"] = "path"
    name_prefixes = ("node", "js")
    name_suffixes = ("node", "cli", "js")

    def accepts_requirement(self, requirement: str) -> bool:  # noqa: ARG002 - it may be any dist-tag
        return True

    def find_name_error(self, name: str) -> str:
        return find_name_error(name)

    def get_artefact_url(self) -> str:
        from packageurl.contrib.purl2url import get_download_url

        return str(get_download_url("pkg:npm/x@1"))  # type: ignore[no-untyped-call]

    def is_registry_url(self, url: str) -> bool:
        from packageurl.contrib.url2purl import url2purl

        purl = url2purl(f"{url}/x/-/x-1.0.0.tgz")  # type: ignore[no-untyped-call]
        return purl is not None and purl.type == self.purl_type

    def normalise_name(self, name: str) -> str:
        return name

    def split_name(self, name: str) -> tuple[str, str]:
        namespace, _, base_name = name.rpartition("/")
        return namespace, base_name

    def parse_version(self, version: str) -> Any | None:  # noqa: ANN401
        return semver.parse_version(version)

    def is_prerelease(self, version: str) -> bool:
        parsed = semver.parse_version(version)
        return parsed is None or not parsed.is_final

    def parse_requirement(self, requirement: str) -> Requirement | None:
        return semver.parse_range(requirement)

    def parse_pin(self, requirement: str) -> str | None:
        parsed = semver.parse_version(requirement)
        return None if parsed is None else semver.format_version(parsed)

    def format_pin(self, version: str) -> str:
        return version

    def join_requirements(self, requirement: str, constraints: Sequence[str]) -> str:  # noqa: ARG002
        return requirement

    def supports_interpreter(self, required: str, interpreter: str) -> bool:  # noqa: ARG002
        """Return True: npm only warns if ``engines`` excludes the Node version in use."""
        return True

    def choose_version(
        self, requirement: str, package_info: PackageInfo, *, interpreter: str | None = None
    ) -> VersionChoice:
        """Choose as npm does.

        npm takes the version tagged ``latest`` if it satisfies the requirement, else the newest that does, and a
        deprecated one only if there is no other.
        """
        from nerq_cli.ecosystems.listing import Listing

        listing = Listing(self, package_info, interpreter)
        pin = self.parse_pin(requirement)
        if pin is not None:
            return listing.choose_pinned(pin)
        text = requirement.strip()
        parsed = self.parse_requirement(requirement)
        return self._choose_tagged(text, listing) if parsed is None else self._choose_in_range(text, parsed, listing)

    def _choose_in_range(self, requirement: str, parsed: Requirement, listing: Listing) -> VersionChoice:
        from nerq_cli.facts import DEPRECATED, EMPTY, YANKED

        package_info = listing.package_info
        latest = package_info.tags.get(_LATEST_TAG, "")
        if latest in package_info.versions and (requirement in {"", "*"} or parsed.allows(latest)):
            flags = listing.get_flags(package_info.versions.index(latest))
            if not flags & (YANKED | EMPTY | DEPRECATED):
                return VersionChoice(latest)
        index = listing.find_newest(parsed, avoided_flags=YANKED | EMPTY | DEPRECATED)
        if index is None:
            index = listing.find_newest(parsed, avoided_flags=YANKED | EMPTY)
        return listing.choose(requirement, parsed, index)

    def _choose_tagged(self, tag: str, listing: Listing) -> VersionChoice:
        package_info = listing.package_info
        version = package_info.tags.get(tag)
        if version in package_info.versions:
            return VersionChoice(version)
        any_version = self.parse_requirement("")
        if tag == _LATEST_TAG and version is None and any_version is not None:  # some mirrors omit the dist-tags
            return self._choose_in_range("", any_version, listing)
        if version is not None:
            return VersionChoice(
                None, (), f"the dist-tag {tag} of {package_info.name} is {version}, which is not listed"
            )
        refusal = listing.refuse_requirement(tag)
        if not _DIST_TAG.fullmatch(tag):
            return refusal
        reason = f"{refusal.reason}, and {package_info.name} has no such dist-tag"
        return VersionChoice(None, (), reason, is_missing=True)

    def parse_advisory_version(self, version: str) -> Any | None:  # noqa: ANN401
        if not semver.parse_version(version) and (match := _SHORT_VERSION.fullmatch(version)):
            return semver.parse_version(f"{match[1]}.{match[2] or 0}.0{match[3] or ''}")
        return semver.parse_version(version)

    def get_public_version(self, version: str) -> str:
        return version
