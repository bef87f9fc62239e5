"""The names of files that decide how a project is searched, read and judged, and that are no dependency files."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Final

#: Settings of nerq-cli, of git, and of package managers.
SETTINGS_FILES: Final = frozenset(
    {".gitignore", ".nerq.toml", ".npmrc", ".yarnrc.yml", "bunfig.toml", "lerna.json", "nerq.toml"}
    | {"nerq-reviews.toml", "pip.conf"}
    | {"pnpm-workspace.yaml", "pyproject.toml", "pyvenv.cfg", "uv.toml"}
)


def is_settings_file(path: PurePosixPath) -> bool:
    """Return whether a path has the name of such a file; those of update bots are named with their directory."""
    from nerq_cli.application.age_rules import BOT_FILES, PROJECT_FILES

    names = {path.name, f"{path.parent.name}/{path.name}"}
    return not names.isdisjoint(SETTINGS_FILES) or not names.isdisjoint({*PROJECT_FILES, *BOT_FILES})
