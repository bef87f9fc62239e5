"""Patterns of package names: which packages the settings make private or public."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from nerq_cli.config.model import Config
from nerq_cli.ecosystems import NPM, EcosystemId, is_hub, is_repository, normalise_name
from nerq_cli.inventory import Package
from nerq_cli.policy.settings import PREFIXES

#: Prefixes that cover every kind of repository of the Hub: a name of an owner is as private in a dataset as in a model.
_HUB_PREFIXES = frozenset({"hf", "huggingface"})


def find_private_pattern(config: Config, package: Package) -> str:
    """Return the pattern that makes this package private, or "" if there is none.

    Names and patterns are compared in normalised form (PEP 503 on PyPI; those of npm, and those of the Hub, which
    redirects other spellings, without case). A pattern with a prefix (``npm:acme-*``) covers that ecosystem only.
    An owner on the Hub or on GitHub (``hf:acme``), or a scope of npm (``@acme``), alone covers all that it has.
    """
    return _find_pattern(config.private, package)


def find_public_pattern(config: Config, package: Package) -> str:
    """Return the pattern that makes this package public, or "" if there is none."""
    return _find_pattern(config.public, package)


def split_pattern(pattern: str) -> tuple[str | None, str]:
    """Return the prefix of a pattern in lower case, None if it has none, and the pattern of the name.

    No ecosystem has names with a colon; one in brackets belongs to a set of characters.
    """
    prefix, colon, name = pattern.partition(":")
    return (prefix.strip().lower(), name.strip()) if colon and "[" not in prefix else (None, pattern)


def _find_pattern(patterns: tuple[str, ...], package: Package) -> str:
    if not patterns:
        return ""
    return next(_compile_patterns(patterns, package.ecosystem).find(package), "")


class CompiledPatterns(NamedTuple):
    """The patterns that cover one ecosystem."""

    #: Matches what one of them matches, because most names match none; None if no pattern covers the ecosystem.
    matches_any: Callable[[str], object] | None
    #: Each pattern with what matches it.
    matchers: tuple[tuple[str, Callable[[str], object]], ...]

    def find(self, package: Package) -> Iterator[str]:
        """Yield the patterns that match a package of the ecosystem."""
        name = _fold_name(package.ecosystem, package.name)
        if self.matches_any is not None and self.matches_any(name):
            yield from (pattern for pattern, matches in self.matchers if matches(name))


def compile_patterns(patterns: Iterable[str], ecosystem: EcosystemId) -> CompiledPatterns:
    """Return what finds the patterns that match a package of an ecosystem."""
    regexes: dict[str, str] = {}
    for pattern in patterns:
        prefix, name = split_pattern(pattern)
        if _covers(prefix, ecosystem):
            normalised = _fold_name(ecosystem, normalise_name(ecosystem, name))
            regexes[pattern] = fnmatch.translate(normalised)
            if _may_be_owner(prefix, normalised, ecosystem):
                regexes[pattern] += f"|{fnmatch.translate(f'{normalised}/*')}"
    if not regexes:
        return CompiledPatterns(None, ())
    matchers = tuple((pattern, re.compile(regex).match) for pattern, regex in regexes.items())
    return CompiledPatterns(re.compile("|".join(regexes.values())).match, matchers)


@lru_cache(maxsize=8)
def _compile_patterns(patterns: tuple[str, ...], ecosystem: EcosystemId) -> CompiledPatterns:
    return compile_patterns(patterns, ecosystem)


def _fold_name(ecosystem: EcosystemId, name: str) -> str:
    """Return a normalised name as it is compared: new names of npm have no capitals, so that others are mistyped."""
    return name.lower() if ecosystem == NPM or is_hub(ecosystem) else name


def _may_be_owner(prefix: str | None, name: str, ecosystem: EcosystemId) -> bool:
    """Whether a pattern may be an owner or a scope alone, whose names are ``OWNER/NAME``."""
    if "/" in name:
        return False
    if ecosystem == NPM:
        return name.startswith("@")
    return prefix is not None and is_repository(ecosystem)


def _covers(prefix: str | None, ecosystem: EcosystemId) -> bool:
    if prefix is None or PREFIXES.get(prefix) == ecosystem:
        return True
    return prefix in _HUB_PREFIXES and is_hub(ecosystem)
