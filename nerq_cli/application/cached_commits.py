"""The versions in use of repositories of the Hugging Face Hub that the cache of its client on this machine has."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from nerq_cli.ecosystems import get_ecosystem, get_hub_ecosystem, is_hub
from nerq_cli.inventory import Declaration, DependencyFile
from nerq_cli.sources.huggingface.local_cache import find_cached_revision


class CachedCommits:
    """Looks for commits in one cache, each reference once."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._commits: dict[tuple[str, str, str], str] = {}

    def add_to(self, dependency_file: DependencyFile) -> DependencyFile:
        """Return a file whose references without a commit have the cached one as their locked version."""
        declarations = tuple(map(self._add_commit, dependency_file.declarations))
        if declarations == dependency_file.declarations:
            return dependency_file
        return replace(dependency_file, declarations=declarations)

    def _add_commit(self, declaration: Declaration) -> Declaration:
        ecosystem, name, revision = declaration.ecosystem, declaration.name, declaration.requirement
        if not is_hub(ecosystem) or declaration.skip_reason or get_ecosystem(ecosystem).parse_pin(revision):
            return declaration
        key = (ecosystem, name, revision)
        if key not in self._commits:
            kind = get_hub_ecosystem(ecosystem).kind
            self._commits[key] = find_cached_revision(kind, name, revision, self._cache)
        commit = self._commits[key]
        return replace(declaration, locked_version=commit) if commit else declaration
