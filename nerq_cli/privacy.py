"""Which package names may be sent to a registry or service: not those that are local, private or from another index."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

import msgspec
from msgspec.structs import replace

from nerq_cli.config import Config, find_private_pattern, find_public_pattern
from nerq_cli.ecosystems import GITHUB, PYPI, EcosystemId, get_ecosystem, normalise_name
from nerq_cli.inventory import (
    ADVISORIES_ONLY,
    EMBEDDED_REASON,
    MCP_GROUP,
    NOT_CHECKABLE,
    PRIVATE_REASON,
    PROVIDED_REASON,
    Declaration,
    DependencyFile,
    Location,
    Origin,
    Package,
)
from nerq_cli.manifests.formats import format_ecosystems

#: Prefixes of reasons that come from the files of the scanned project alone. Packages skipped for these leave a run
#: incomplete: a project must not be able to exempt its own dependencies.
OTHER_INDEX_REASON: Final = "from the index"
EXTRA_INDEX_REASON: Final = "may come from the extra index"


#: Reason of a name that the project has, required at a version that it does not have: it is sent nowhere either.
_SAME_NAME_REASON: Final = "named like this project, at another version"
#: Starts of the skip reasons of packages that are at an address of their own, or replaced by another.
_ADDRESS_REASONS: Final = ("URL: ", "git: ", "hg: ", "svn: ", "bzr: ", "replaced by ")


class PrivacyRules(msgspec.Struct, frozen=True, kw_only=True):
    """The conditions under which a name may be sent."""

    config: Config
    #: Names that the scanned project provides itself.
    local_names: Collection[tuple[EcosystemId, str]] = frozenset()
    #: The versions that the scanned project states for such names.
    local_versions: Mapping[tuple[EcosystemId, str], Collection[str]] = {}
    #: Whether an index in a file of the project is the one used by default.
    is_default_index: Callable[[str, Package], bool] = lambda _, __: False
    #: Whether a name is among the most downloaded public ones, and so not a secret.
    is_popular: Callable[[Package], bool] = bool
    #: Registry that the configuration of the project assigns a package to; empty if none.
    assigned_index: Callable[[Package], str] = lambda _: ""
    #: Further indexes that the configuration of the project names.
    project_indexes: Sequence[str] = ()
    #: Pages and directories of the user that a package may come from; they are not requested.
    user_indexes: Callable[[Package], Sequence[str]] = lambda _: ()
    #: Whether the configuration of the user names an index.
    is_user_index: Callable[[str], bool] = lambda _: False
    #: Whether an index in a file of the project is requested, because the configuration of the user names it.
    is_requested: Callable[[str], bool] = lambda _: False
    #: Whether indexes of the user are requested for a package beside its registry.
    is_searched: Callable[[Package], bool] = lambda _: False
    #: Where the configuration of the project, and not that of the user, lets a package come from.
    project_origins: Callable[[Package], Sequence[Origin]] = lambda _: ()
    #: Why another project of the same run keeps a name from being sent; empty if none does.
    withheld_elsewhere: Callable[[Package], str] = lambda _: ""


def collect_local_names(dependency_files: Iterable[DependencyFile]) -> frozenset[tuple[EcosystemId, str]]:
    """Return the names that the scanned projects provide themselves, in each ecosystem of the file's format."""
    return frozenset(
        (ecosystem, normalise_name(ecosystem, name))
        for dependency_file in dependency_files
        for ecosystem in format_ecosystems(dependency_file.format)
        for name in dependency_file.local_names
    )


def collect_local_versions(dependency_files: Iterable[DependencyFile]) -> dict[tuple[EcosystemId, str], set[str]]:
    """Return the versions of the names that the scanned projects provide; none of a name whose version is not stated.

    A name that several projects provide has none if one of them does not state its version.
    """
    versions: dict[tuple[EcosystemId, str], set[str]] = {}
    unstated: set[tuple[EcosystemId, str]] = set()
    for dependency_file in dependency_files:
        stated = dict(dependency_file.local_versions)
        for ecosystem in format_ecosystems(dependency_file.format):
            for name in dependency_file.local_names:
                key = (ecosystem, normalise_name(ecosystem, name))
                if name in stated:
                    versions.setdefault(key, set()).add(stated[name])
                elif not dependency_file.locked_packages:  # a lock file lists names that manifests have as well
                    unstated.add(key)
    return {key: found for key, found in versions.items() if key not in unstated}


def mark_withheld(declarations: Iterable[Declaration], rules: PrivacyRules) -> Iterator[Declaration]:
    """Yield every declaration, with a skip reason if its name must not be sent."""
    for declaration in declarations:
        if declaration.skip_reason:
            yield _withhold_embedded(declaration, rules)
        else:
            reason = find_withheld_reason(declaration, rules)
            yield replace(declaration, skip_reason=reason) if reason else declaration


def _withhold_embedded(declaration: Declaration, rules: PrivacyRules) -> Declaration:
    """Return a skipped declaration; a component whose own name, or that of its distribution, is private is not sent."""
    reason = declaration.skip_reason
    if not (reason.startswith(EMBEDDED_REASON) and reason.endswith(ADVISORIES_ONLY)):
        return declaration
    carrier = reason.removeprefix(EMBEDDED_REASON).partition(" ")[0]
    if (
        not find_private_pattern(rules.config, declaration.package)
        and not rules.withheld_elsewhere(declaration.package)
        and not find_withheld_reason(
            replace(declaration, ecosystem=PYPI, name=carrier, locked_version="", skip_reason=""), rules
        )
    ):
        return declaration
    return replace(declaration, skip_reason=f"{reason.removesuffix(ADVISORIES_ONLY)}{NOT_CHECKABLE}")


def find_withheld_reason(declaration: Declaration, rules: PrivacyRules) -> str:
    """Return why a name must not be sent; empty if it may."""
    return _find_own_reason(declaration, rules) or rules.withheld_elsewhere(declaration.package)


def _find_own_reason(declaration: Declaration, rules: PrivacyRules) -> str:
    """Return why the project itself, or the user, keeps a name from being sent; empty if neither does."""
    package = declaration.package
    ecosystem = get_ecosystem(package.ecosystem)
    pattern = find_private_pattern(rules.config, package)
    if pattern:
        return f"{PRIVATE_REASON} (matches {pattern})"
    if (package.ecosystem, package.name) in rules.local_names and not declaration.has_stated_index:
        return PROVIDED_REASON if _is_provided(declaration, rules) else _SAME_NAME_REASON
    index = (
        rules.assigned_index(package)
        if not declaration.index
        else ""
        if rules.is_default_index(declaration.index, package)
        or (ecosystem.has_extra_indexes and rules.is_requested(declaration.index))
        else declaration.index
    )
    if index:
        return f"{OTHER_INDEX_REASON} {_parse_host(index)}"
    version = declaration.locked_version or declaration.requirement
    is_local_build = ecosystem.has_local_builds and "+" in version
    may_be_listed = rules.is_searched(package) or rules.is_popular(package)
    if is_local_build and not (may_be_listed or find_public_pattern(rules.config, package)):
        return "local version: not on a public index"
    return _find_extra_index_reason(declaration, package, rules) if ecosystem.has_extra_indexes else ""


def _is_provided(declaration: Declaration, rules: PrivacyRules) -> bool:
    """Whether a dependency with the name of the project is the project: its version is in the range, or not stated."""
    if declaration.alias:  # npm: another name for a package of the registry
        return False
    package = declaration.package
    versions = rules.local_versions.get((package.ecosystem, package.name), ())
    requirement = declaration.locked_version or declaration.requirement
    ecosystem = get_ecosystem(package.ecosystem)
    return (
        not versions
        or not requirement
        or any(ecosystem.satisfies(requirement, version, prereleases=True) for version in versions)
        or (declaration.locked_version or ecosystem.parse_pin(requirement)) in versions
    )


def find_foreign_origins(declaration: Declaration, rules: PrivacyRules) -> Iterator[tuple[str, Location | None]]:
    """Yield where a declared package may come from that neither the user nor the registry in use stands for.

    Each is the address, or the repository or URL, with the line of a configuration file that names it; None if the
    dependency files do. The project's own packages and those that the user declares private have none.
    """
    package = declaration.package
    if declaration.skip_reason.startswith(_ADDRESS_REASONS):
        yield declaration.skip_reason, None
        return
    if declaration.skip_reason or find_private_pattern(rules.config, package):
        return
    if package.ecosystem == GITHUB and declaration.group == MCP_GROUP:  # what a server installs from it
        revision = f" @ {declaration.requirement}" if declaration.requirement else ""
        yield f"git: https://github.com/{package.name}{revision}", None
        return
    if (package.ecosystem, package.name) in rules.local_names and not declaration.has_stated_index:
        return
    for index in dict.fromkeys(filter(None, (declaration.index, *declaration.extra_indexes))):
        if not rules.is_default_index(index, package) and not rules.is_user_index(index):
            yield index, None
    if not declaration.has_stated_index:
        for origin in rules.project_origins(package):
            yield origin.url, origin.location


def _find_extra_index_reason(declaration: Declaration, package: Package, rules: PrivacyRules) -> str:
    """Return a reason if the package may come from an extra index and its name is not known to be public."""
    declared = (index for index in declaration.extra_indexes if not rules.is_requested(index))
    configured = () if declaration.has_stated_index else (*rules.project_indexes, *rules.user_indexes(package))
    extra_indexes = [index for index in (*declared, *configured) if not rules.is_default_index(index, package)]
    if not extra_indexes or rules.is_popular(package) or find_public_pattern(rules.config, package):
        return ""
    hint = "list the name under public in [tool.nerq] if it does not"
    return f"{EXTRA_INDEX_REASON} {_parse_host(extra_indexes[0])} ({hint})"


def _parse_host(index: str) -> str:
    try:
        return urlsplit(index).hostname or index
    except ValueError:  # a host in brackets that is no address
        return index
