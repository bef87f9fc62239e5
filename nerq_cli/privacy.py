"""Which names may leave this machine. What is local, private or from another index is never asked about."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

from nerq_cli.config import Config, is_private, is_public
from nerq_cli.inventory import NPM, PYPI, Declared, Ecosystem, Manifest, Package, normalise

#: How the reasons begin that only the scanned project's own files give. What is judged must not be able to excuse
#: itself: what is skipped for these leaves a run incomplete.
ELSEWHERE: Final = "from the index"
PERHAPS_ELSEWHERE: Final = "may come from the extra index"
#: The formats whose own names are npm's.
_NPM_FORMATS: Final = frozenset(
    {
        "package.json",
        "package-lock.json",
        "npm-shrinkwrap.json",
        "bun.lock",
        "yarn.lock",
        "pnpm-lock.yaml",
        "node_modules",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What decides whether a name may be asked about.

    ``own`` are the names the scanned project itself provides. ``is_default`` tells whether an index written in a
    project's file is the one that would be asked anyway; ``is_listed`` whether a name is among the most downloaded
    public ones, and so no secret. ``elsewhere`` names the registry that the project's own configuration assigns a
    package to, ``extra`` the further indexes it names, ``further`` those of the user's own that a package may come
    from.
    """

    config: Config
    own: Collection[tuple[Ecosystem, str]] = frozenset()
    is_default: Callable[[str, Package], bool] = lambda _, __: False
    is_listed: Callable[[Package], bool] = bool
    elsewhere: Callable[[Package], str] = lambda _: ""
    extra: Sequence[str] = ()
    further: Callable[[Package], Sequence[str]] = lambda _: ()


def own_names(manifests: Iterable[Manifest]) -> frozenset[tuple[Ecosystem, str]]:
    """Return the names that the scanned projects provide themselves."""
    return frozenset(
        (ecosystem, normalise(ecosystem, name))
        for manifest in manifests
        for ecosystem in _ecosystems(manifest)
        for name in manifest.locals
    )


def _ecosystems(manifest: Manifest) -> tuple[Ecosystem, ...]:
    """Return whose names a file's own names are; an SBOM may be of both."""
    if manifest.format == "sbom":
        return (PYPI, NPM)
    return (NPM,) if manifest.format in _NPM_FORMATS else (PYPI,)


def withheld(declared: Iterable[Declared], rules: Rules) -> Iterator[Declared]:
    """Yield every declaration, with the reason written in where it is not to be asked about."""
    for item in declared:
        reason = item.skip or why_withheld(item, rules)
        yield replace(item, skip=reason) if reason and not item.skip else item


def why_withheld(item: Declared, rules: Rules) -> str:
    """Return why a name stays here, in words; empty when it may be asked about."""
    package = item.package
    pattern = is_private(rules.config, package)
    if pattern:
        return f"private name (matches {pattern})"
    if (package.ecosystem, package.name) in rules.own:
        return "provided by this project"
    index = rules.elsewhere(package) if not item.index else "" if rules.is_default(item.index, package) else item.index
    if index:
        return f"{ELSEWHERE} {_host(index)}"
    if package.ecosystem == PYPI and "+" in item.requirement:
        return "local version: not on a public index"
    return _why_elsewhere(item, package, rules) if package.ecosystem == PYPI else ""


def _why_elsewhere(item: Declared, package: Package, rules: Rules) -> str:
    """A further index may be where the name comes from; only names known to be public are asked about then."""
    further = [
        index
        for index in (*item.extra_indexes, *rules.extra, *rules.further(package))
        if not rules.is_default(index, package)
    ]
    if not further or rules.is_listed(package) or is_public(rules.config, package):
        return ""
    return f"{PERHAPS_ELSEWHERE} {_host(further[0])} (list the name under public in [tool.nerq] if it does not)"


def _host(index: str) -> str:
    return urlsplit(index).hostname or index
