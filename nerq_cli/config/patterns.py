"""Patterns of package names: which packages the settings make private or public."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable
from functools import lru_cache

from nerq_cli.config.model import Config
from nerq_cli.ecosystems import NPM, EcosystemId, is_hub, is_repository, normalise_name
from nerq_cli.inventory import Package
from nerq_cli.policy.settings import PREFIXES

#: Prefixes that cover every kind of repository of the Hub: a name of an owner is as private in a dataset as in a model.
_HUB_PREFIXES = frozenset({"hf", "huggingface"})


def find_private_pattern(config: Config, package: Package) -> str:
    """Return the pattern that makes this package private, or "" if there is none.

    Names and patterns are compared in normalised form (PEP 503 on PyPI; npm names as written; those of the Hub, which
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
    matches_any, matchers = _compile_patterns(patterns, package.ecosystem)
    name = package.name.lower() if is_hub(package.ecosystem) else package.name
    if matches_any is None or not matches_any(name):
        return ""
    return next(pattern for pattern, matches in matchers if matches(name))


_Matcher = Callable[[str], object]


@lru_cache(maxsize=8)
def _compile_patterns(
    patterns: tuple[str, ...], ecosystem: EcosystemId
) -> tuple[_Matcher | None, tuple[tuple[str, _Matcher], ...]]:
    """Return a matcher of all patterns together, because most names match none, and one of each pattern.

    The first is None if no pattern covers the ecosystem.
    """
    regexes: dict[str, str] = {}
    for pattern in patterns:
        prefix, name = split_pattern(pattern)
        if _covers(prefix, ecosystem):
            normalised = normalise_name(ecosystem, name)
            normalised = normalised.lower() if is_hub(ecosystem) else normalised
            regexes[pattern] = fnmatch.translate(normalised)
            if _may_be_owner(prefix, normalised, ecosystem):
                regexes[pattern] += f"|{fnmatch.translate(f'{normalised}/*')}"
    if not regexes:
        return None, ()
    matchers = tuple((pattern, re.compile(regex).match) for pattern, regex in regexes.items())
    return re.compile("|".join(regexes.values())).match, matchers


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
