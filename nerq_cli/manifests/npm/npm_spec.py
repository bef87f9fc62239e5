"""npm dependency specifiers: registry, repository, URL, directory, workspace.

The forms are those of npm (npm-package-arg), Yarn (``patch:``, ``portal:``), pnpm and Bun (``workspace:``,
``catalog:``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias
from urllib.parse import unquote, urlsplit

import msgspec

from nerq_cli.ecosystems.npm import find_name_error
from nerq_cli.inventory import LOCAL_ARCHIVE
from nerq_cli.manifests.package_source import WORKSPACE, local_reason, repository_reason, url_reason
from nerq_cli.patterns import compile_late

_PROTOCOL_PATTERN = compile_late(r"([A-Za-z][A-Za-z0-9+.-]*):.*", re.DOTALL)
_LOCAL_PATH = compile_late(r"[./\\]|~[/\\]|[A-Za-z]:")
_ARCHIVE_SUFFIX = compile_late(r"\.(?:tgz|tar\.gz|tar)$", re.IGNORECASE)
#: An exact version, as tags have it.
_VERSION_TAG = compile_late(r"[vV]?(\d+\.\d+\.\d+(?:[-+][\w.+-]{1,100})?)", re.ASCII)
#: Name and file name in the URL of an archive of a registry.
_REGISTRY_ARCHIVE = compile_late(r"/((?:@[^/@]+(?:/|%2[fF]))?[^/@]+)/-/(?:@[^/]+/)?([^/]+)\.tgz$")
_PACKED_VERSION = compile_late(r"-(\d+\.\d+\.\d+(?:[-+][\w.+-]+?)?)\.(?:tgz|tar\.gz|tar)$", re.ASCII)
_SCP_ADDRESS = compile_late(r"[^@/\s]+@[^:/\s]+:.+")
_GITHUB_SHORTHAND = compile_late(r"[^\s/@:#.~][^\s/@:#]*/[^\s/@:#]+(?:#.*)?")
# ssh://git@host:owner/name, where what follows the colon is no port; never where it may be a password.
_COLON_PATH = compile_late(r"^(ssh://(?:[^:/@]+@)?[^:/@]+):(?!\d+(?:/|$))(?!.*@)")
# Characters of versions, ranges and dist-tags, up to a length beyond real ones.
_REGISTRY_SPECIFIER = compile_late(r"[\w.+*^~<>=|!'() \t-]{0,1000}", re.ASCII)
_BARE_RANGE = compile_late(r"[\^~<>=*][^@]*|v?\d+(?:\.[\dxX*]+)*(?:[-+][\w.+-]+)?(?:\s[^@]*)?|[xX]|latest|", re.ASCII)

_REPOSITORY_HOSTS: Final = frozenset({"github.com", "gitlab.com", "bitbucket.org", "gist.github.com", "git.sr.ht"})
#: Most specifiers nested in one another (``catalog:`` to ``patch:`` to ``npm:``).
_MAX_INDIRECTIONS: Final = 4
#: Longest piece of a text repeated in a reason, in characters.
_MAX_VALUE_LENGTH: Final = 60

#: Skip reason of a specifier whose catalog is in another file.
_CATALOG_PREFIX: Final = "catalog "
_MISSING_SUFFIX: Final = ": not listed here"

#: Specifiers by catalog name, then by package name.
Catalogs: TypeAlias = Mapping[str, Mapping[str, str]]


class NpmSpec(msgspec.Struct, frozen=True):
    """A parsed specifier."""

    name: str
    #: Version, range or dist-tag.
    requirement: str = ""
    #: Reason why the package is not from the registry; empty if it is.
    skip: str = ""
    #: Reason why the specifier is invalid; empty if it is valid.
    error: str = ""


def parse_spec(name: str, specifier: str, catalogs: Catalogs) -> NpmSpec:
    """Return the package and versions that a dependency requires. Never raises."""
    for _ in range(_MAX_INDIRECTIONS):
        specifier = specifier.strip()
        if specifier.startswith("patch:"):  # Yarn: patch:name@range#file, the range percent-encoded
            name, specifier = split_name(unquote(specifier.removeprefix("patch:").partition("#")[0]))
        elif specifier.startswith("catalog:"):
            catalog = specifier.removeprefix("catalog:").strip() or "default"
            catalog_specifier = catalogs.get(catalog, {}).get(name)
            if catalog_specifier is None:
                return NpmSpec(name, skip=f"{_CATALOG_PREFIX}{catalog[:_MAX_VALUE_LENGTH]}{_MISSING_SUFFIX}")
            specifier = catalog_specifier
        else:
            return _parse_form(name, specifier)
    return NpmSpec(name, error="one form leads to another without end")


def is_catalog_missing(skip_reason: str) -> bool:
    """Whether a skip reason is that the catalog is in another file."""
    return skip_reason.startswith(_CATALOG_PREFIX) and skip_reason.endswith(_MISSING_SUFFIX)


def _parse_form(name: str, specifier: str) -> NpmSpec:
    if _LOCAL_PATH.match(specifier):
        return _parse_directory(name, specifier)
    protocol = _PROTOCOL_PATTERN.fullmatch(specifier)
    if protocol is not None:
        return _PROTOCOL_PARSERS.get(protocol[1].lower(), _parse_unsupported)(name, specifier)
    if _SCP_ADDRESS.fullmatch(specifier):
        return _parse_repository(name, specifier)
    if _GITHUB_SHORTHAND.fullmatch(specifier):
        return _parse_repository(name, f"github:{specifier}")
    if "/" in specifier or "\\" in specifier or _ARCHIVE_SUFFIX.search(specifier):
        return _parse_directory(name, specifier)
    return _parse_registry(name, specifier, "it is neither a version, a range, a dist-tag nor an address")


def split_name(specifier: str) -> tuple[str, str]:
    """Return the two parts of ``name@range``; the at sign of a scope does not separate."""
    at = specifier.find("@", 1)
    return (specifier, "") if at < 0 else (specifier[:at], specifier[at + 1 :])


def _parse_registry(name: str, specifier: str, error: str) -> NpmSpec:
    return NpmSpec(name, specifier.strip()) if _REGISTRY_SPECIFIER.fullmatch(specifier) else NpmSpec(name, error=error)


def _parse_directory(name: str, specifier: str) -> NpmSpec:
    skip = local_reason(specifier)
    return NpmSpec(name, guess_archive_version(name, specifier) if skip == LOCAL_ARCHIVE else "", skip=skip)


def guess_archive_version(name: str, path: str) -> str:
    """Return the version in the file name that ``npm pack`` gives an archive of a package; empty for another name."""
    file_name = re.split(r"[/\\]", re.split(r"[?#]", path, maxsplit=1)[0])[-1]
    match = _PACKED_VERSION.search(file_name)
    known_names = (name.lstrip("@").replace("/", "-"), name.rpartition("/")[2])
    return match[1] if match and file_name[: match.start()] in known_names else ""


def _parse_workspace(name: str, specifier: str) -> NpmSpec:
    member_specifier = specifier.partition(":")[2].strip()
    member, requirement = split_name(member_specifier)
    if requirement:  # workspace:member@range, under another name
        return NpmSpec(member, requirement, skip=WORKSPACE)
    return NpmSpec(name, "" if "/" in member_specifier else member_specifier, skip=WORKSPACE)


def _parse_alias(name: str, specifier: str) -> NpmSpec:
    alias_target = specifier.partition(":")[2].strip()
    real_name, requirement = (name, alias_target) if _BARE_RANGE.fullmatch(alias_target) else split_name(alias_target)
    return _parse_registry(real_name, requirement, "an alias has to name a package in the registry")


def _parse_url(name: str, specifier: str) -> NpmSpec:
    if _is_repository(specifier):
        return _parse_repository(name, specifier)
    name, version = _split_archive_url(name, specifier)
    return NpmSpec(name, version, skip=url_reason(specifier))


def _split_archive_url(name: str, url: str) -> tuple[str, str]:
    """Return the package and version of the archive at a URL: of a registry, of ``npm pack``, or of a tag.

    Without a version, the name is the given one and the version empty.
    """
    address = re.split(r"[?#]", url, maxsplit=1)[0]
    match = _REGISTRY_ARCHIVE.search(address)
    if match is not None:
        served_name = unquote(match[1])
        base_name = f"{served_name.rpartition('/')[2]}-"
        version = match[2].removeprefix(base_name)
        if match[2].startswith(base_name) and _VERSION_TAG.fullmatch(version) and not find_name_error(served_name):
            return served_name, version
    tag = _VERSION_TAG.fullmatch(_ARCHIVE_SUFFIX.sub("", address.rpartition("/")[2]))
    return name, guess_archive_version(name, address) or (tag[1] if tag else "")


def _is_repository(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    has_owner_and_name = parts.path.strip("/").count("/") == 1
    return parts.path.endswith(".git") or (parts.hostname in _REPOSITORY_HOSTS and has_owner_and_name)


def _parse_repository(name: str, specifier: str) -> NpmSpec:
    address, _, fragment = specifier.partition("#")
    revision, requirement = "", ""
    for part in fragment.split("::"):
        key, colon, value = part.partition(":")
        if not colon:
            revision = part
        elif key == "semver":
            requirement = unquote(value)
    repository_url = _COLON_PATH.sub(r"\1/", re.sub(r"^git\+", "", address, flags=re.IGNORECASE))
    requirement = requirement if _REGISTRY_SPECIFIER.fullmatch(requirement) else ""
    tag = _VERSION_TAG.fullmatch(revision.removeprefix(f"{name}@"))
    reason = repository_reason(repository_url, revision or requirement)
    return NpmSpec(name, requirement or (tag[1] if tag else ""), skip=reason)


def _parse_unsupported(name: str, specifier: str) -> NpmSpec:
    return NpmSpec(name, skip=f"{specifier.partition(':')[0][:_MAX_VALUE_LENGTH]}: not from the npm registry")


_PROTOCOL_PARSERS: Final[Mapping[str, Callable[[str, str], NpmSpec]]] = {
    **dict.fromkeys(("file", "link", "portal"), _parse_directory),
    **dict.fromkeys(("http", "https"), _parse_url),
    **dict.fromkeys(("github", "gitlab", "bitbucket", "gist"), _parse_repository),
    **dict.fromkeys(
        ("git", "ssh", "git+ssh", "git+http", "git+https", "git+file", "git+rsync", "git+ftp"), _parse_repository
    ),
    "npm": _parse_alias,
    "workspace": _parse_workspace,
}
