"""Patterns of package names: which packages the settings make private or public."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable
from functools import lru_cache

from nerq_cli.config.model import Config
from nerq_cli.ecosystems import EcosystemId, normalise_name
from nerq_cli.inventory import Package


def find_private_pattern(config: Config, package: Package) -> str:
    """Return the pattern that makes this package private, or "" if there is none.

    Names and patterns are compared in normalised form (PEP 503 on PyPI; npm names as written).
    """
    return _find_pattern(config.private, package)


def find_public_pattern(config: Config, package: Package) -> str:
    """Return the pattern that makes this package public, or "" if there is none."""
    return _find_pattern(config.public, package)


def _find_pattern(patterns: tuple[str, ...], package: Package) -> str:
    if not patterns:
        return ""
    matches_any, matchers = _compile_patterns(patterns, package.ecosystem)
    if not matches_any(package.name):
        return ""
    return next(pattern for pattern, matches in matchers if matches(package.name))


_Matcher = Callable[[str], object]


@lru_cache(maxsize=8)
def _compile_patterns(
    patterns: tuple[str, ...], ecosystem: EcosystemId
) -> tuple[_Matcher, tuple[tuple[str, _Matcher], ...]]:
    """Return a matcher of all patterns together, because most names match none, and one of each pattern."""
    regexes = [fnmatch.translate(normalise_name(ecosystem, pattern)) for pattern in patterns]
    matchers = tuple((pattern, re.compile(regex).match) for pattern, regex in zip(patterns, regexes, strict=True))
    return re.compile("|".join(regexes)).match, matchers
