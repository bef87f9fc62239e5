"""Which names may leave this machine. What is local, private or from another index is never asked about."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

from nerq_cli.config import Config, find_private_pattern, find_public_pattern
from nerq_cli.ecosystems import EcosystemId, get_ecosystem, normalise_name
from nerq_cli.inventory import Declaration, DependencyFile, Package
from nerq_cli.manifests.formats import format_ecosystems

#: How the reasons begin that only the scanned project's own files give. What is judged must not be able to excuse
#: itself: what is skipped for these leaves a run incomplete.
OTHER_INDEX_REASON: Final = "from the index"
EXTRA_INDEX_REASON: Final = "may come from the extra index"


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacyRules:
    """What decides whether a name may be asked about.

    ``local_names`` are the names the scanned project itself provides. ``is_default_index`` tells whether an index written in a
    project's file is the one that would be asked anyway; ``is_popular`` whether a name is among the most downloaded
    public ones, and so no secret. ``assigned_index`` names the registry that the project's own configuration assigns a
    package to, ``project_indexes`` the further indexes it names, ``user_indexes`` those of the user's own that a package may come
    from.
    """

    config: Config
    local_names: Collection[tuple[EcosystemId, str]] = frozenset()
    is_default_index: Callable[[str, Package], bool] = lambda _, __: False
    is_popular: Callable[[Package], bool] = bool
    assigned_index: Callable[[Package], str] = lambda _: ""
    project_indexes: Sequence[str] = ()
    user_indexes: Callable[[Package], Sequence[str]] = lambda _: ()


def collect_local_names(dependency_files: Iterable[DependencyFile]) -> frozenset[tuple[EcosystemId, str]]:
    """Return the names that the scanned projects provide themselves, in each ecosystem of the file's format."""
    return frozenset(
        (ecosystem, normalise_name(ecosystem, name))
        for dependency_file in dependency_files
        for ecosystem in format_ecosystems(dependency_file.format)
        for name in dependency_file.local_names
    )


def mark_withheld(declarations: Iterable[Declaration], rules: PrivacyRules) -> Iterator[Declaration]:
    """Yield every declaration, with the reason written in where it is not to be asked about."""
    for declaration in declarations:
        reason = declaration.skip_reason or find_withheld_reason(declaration, rules)
        yield replace(declaration, skip_reason=reason) if reason and not declaration.skip_reason else declaration


def find_withheld_reason(declaration: Declaration, rules: PrivacyRules) -> str:
    """Return why a name stays here, in words; empty when it may be asked about."""
    package = declaration.package
    ecosystem = get_ecosystem(package.ecosystem)
    pattern = find_private_pattern(rules.config, package)
    if pattern:
        return f"private name (matches {pattern})"
    if (package.ecosystem, package.name) in rules.local_names:
        return "provided by this project"
    index = (
        rules.assigned_index(package)
        if not declaration.index
        else ""
        if rules.is_default_index(declaration.index, package)
        else declaration.index
    )
    if index:
        return f"{OTHER_INDEX_REASON} {_parse_host(index)}"
    if ecosystem.has_local_builds and "+" in declaration.requirement:
        return "local version: not on a public index"
    return _find_extra_index_reason(declaration, package, rules) if ecosystem.has_extra_indexes else ""


def _find_extra_index_reason(declaration: Declaration, package: Package, rules: PrivacyRules) -> str:
    """A further index may be where the name comes from; only names known to be public are asked about then."""
    extra_indexes = [
        index
        for index in (*declaration.extra_indexes, *rules.project_indexes, *rules.user_indexes(package))
        if not rules.is_default_index(index, package)
    ]
    if not extra_indexes or rules.is_popular(package) or find_public_pattern(rules.config, package):
        return ""
    return f"{EXTRA_INDEX_REASON} {_parse_host(extra_indexes[0])} (list the name under public in [tool.nerq] if it does not)"


def _parse_host(index: str) -> str:
    return urlsplit(index).hostname or index
