"""The versions that a registry lists of a package: search, suggestions, and the reason why none can be installed."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

import msgspec

from nerq_cli.ecosystems.protocol import Ecosystem, Requirement, VersionChoice
from nerq_cli.facts import EMPTY, PRERELEASE, YANKED, PackageInfo

#: Number of versions suggested if the requested one does not exist.
_MAX_SUGGESTIONS: Final = 3
#: Longest part of a requirement quoted in a reason, in characters.
_MAX_QUOTED_LENGTH: Final = 80
#: Flags of versions that are never suggested.
_NOT_FINAL: Final = YANKED | PRERELEASE | EMPTY


def count_newer(package_info: PackageInfo, version: str) -> int | None:
    """Count the final releases, not yanked, that are newer than this one; None if not all are listed."""
    if package_info.partial or version not in package_info.versions:
        return None
    index = package_info.versions.index(version)
    return index - len([flags for flags in package_info.flags[:index] if flags & _NOT_FINAL])


class Listing(msgspec.Struct, frozen=True):
    """The listed versions of a package, newest first, and the interpreter that has to run them."""

    ecosystem: Ecosystem
    package_info: PackageInfo
    #: Full version (``3.12.4``); None ignores interpreter requirements.
    interpreter: str | None = None

    def get_flags(self, index: int) -> int:
        """Return the flags of the version at an index; 0 if none are listed."""
        return self.package_info.flags[index] if index < len(self.package_info.flags) else 0

    def get_required_interpreter(self, index: int) -> str:
        """Return the interpreter versions that a release requires; empty if it states none."""
        indexes, interpreters = self.package_info.interpreter_indexes, self.package_info.interpreters
        interpreter_index = indexes[index] if index < len(indexes) else -1
        return interpreters[interpreter_index] if 0 <= interpreter_index < len(interpreters) else ""

    def supports_interpreter(self, index: int) -> bool:
        """Return whether the release at an index runs on the interpreter."""
        return self.interpreter is None or self.ecosystem.supports_interpreter(
            self.get_required_interpreter(index), self.interpreter
        )

    def find_newest(self, requirement: Requirement, *, avoided_flags: int, prereleases: bool = False) -> int | None:
        """Return the index of the newest version that satisfies the requirement, has no avoided flag and can run."""
        versions = self.package_info.versions
        for index in range(_find_start(requirement, versions), len(versions)):
            if (
                not self.get_flags(index) & avoided_flags
                and requirement.allows(versions[index], prereleases=prereleases)
                and self.supports_interpreter(index)
            ):
                return index
        return None

    def choose_pinned(self, version: str) -> VersionChoice:
        """Return the listed version that a pin names, in the spelling of the registry."""
        versions = self.package_info.versions
        if version in versions:
            return VersionChoice(version)
        parsed = self.ecosystem.parse_requirement(self.ecosystem.format_pin(version))
        any_interpreter = Listing(self.ecosystem, self.package_info)
        index = None if parsed is None else any_interpreter.find_newest(parsed, avoided_flags=0, prereleases=True)
        if index is not None:
            return VersionChoice(versions[index])
        return VersionChoice(
            None,
            any_interpreter.suggest_versions(version),
            f"no version {_shorten_text(version)} of {self.package_info.name} exists",
            is_missing=True,
        )

    def choose(self, requirement: str, parsed: Requirement, index: int | None) -> VersionChoice:
        """Return the version at an index; for None the reason and suggestions."""
        if index is not None:
            return VersionChoice(self.package_info.versions[index])
        return VersionChoice(
            None,
            self.suggest_versions(parsed.reference_version),
            self._explain_no_match(requirement, parsed),
            is_missing=bool(self.package_info.versions)
            and not any(parsed.allows(version, prereleases=True) for version in self.package_info.versions),
        )

    def refuse_requirement(self, requirement: str) -> VersionChoice:
        """Return no version, because the requirement cannot be parsed."""
        return VersionChoice(None, (), f"{_shorten_text(requirement)} is not a version range")

    def suggest_versions(self, reference_version: str) -> tuple[str, ...]:
        """Return installable versions around the reference, newest first: one above, the others below."""
        parse = self.ecosystem.parse_version
        reference = parse(reference_version)
        newer_versions: list[str] = []
        older_versions: list[str] = []
        for index, version in enumerate(self.package_info.versions):
            if self.get_flags(index) & _NOT_FINAL or self.ecosystem.is_prerelease(version):
                continue
            if self.supports_interpreter(index):
                is_newer = reference is not None and parse(version) > reference
                (newer_versions if is_newer else older_versions).append(version)
        older_count = min(len(older_versions), _MAX_SUGGESTIONS - min(len(newer_versions), 1))
        newer_start = max(0, len(newer_versions) - _MAX_SUGGESTIONS + older_count)
        return (*newer_versions[newer_start:], *older_versions[:older_count])

    def _explain_no_match(self, requirement: str, parsed: Requirement) -> str:
        versions = self.package_info.versions
        quoted_requirement = _shorten_text(requirement) or "*"
        listed_indexes = [index for index in range(len(versions)) if not self.get_flags(index) & EMPTY]
        if not listed_indexes:
            return f"no version of {self.package_info.name} can be installed"
        satisfying_indexes = [index for index in listed_indexes if parsed.allows(versions[index], prereleases=True)]
        if not satisfying_indexes:
            newest = versions[self._find_best(listed_indexes)]
            return f"no version satisfies {quoted_requirement}; newest is {newest}"
        usable_indexes = [index for index in satisfying_indexes if not self.get_flags(index) & YANKED]
        if not usable_indexes:
            return f"every version that satisfies {quoted_requirement} is yanked"
        best_index = self._find_best(usable_indexes)
        if not self.supports_interpreter(best_index):
            required = self.get_required_interpreter(best_index)
            return f"{versions[best_index]} satisfies {quoted_requirement}, but needs Python {required}"
        return f"only a pre-release satisfies {quoted_requirement}: {versions[best_index]}"

    def _find_best(self, indexes: Sequence[int]) -> int:
        """Return the index of the newest final version that is not yanked, else of the newest."""
        return min(
            indexes,
            key=lambda index: (
                bool(self.get_flags(index) & YANKED),
                self.ecosystem.is_prerelease(self.package_info.versions[index]),
                index,
            ),
        )


def _find_start(requirement: Requirement, versions: Sequence[str]) -> int:
    """Return the index of the first version that is not above the upper bound of a requirement."""
    if not versions or not requirement.is_above(versions[0]):
        return 0
    return bisect_left(versions, True, key=lambda version: not requirement.is_above(version))  # noqa: FBT003 - the value searched for


def _shorten_text(text: str) -> str:
    return text if len(text) <= _MAX_QUOTED_LENGTH else f"{text[:_MAX_QUOTED_LENGTH]}…"
