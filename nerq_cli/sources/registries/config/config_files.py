"""Files and URLs, as configuration has them: read with care, and shown without secrets."""

from __future__ import annotations

import os
from collections.abc import Mapping
from itertools import takewhile
from pathlib import Path
from typing import Final, NamedTuple

from nerq_cli.ecosystems import EcosystemId, get_ecosystem
from nerq_cli.sources.endpoints import UNPRINTABLE, split_url

#: Bytes read of any configuration file; real ones have a few hundred.
_MAX_BYTES: Final = 1_000_000

#: Characters shown of something that is no URL.
_MAX_SHOWN_LENGTH: Final = 200


class ConfigFiles(NamedTuple):
    """The places configuration is read from, and what was wrong there."""

    environ: Mapping[str, str]
    home: Path
    root: Path
    warnings: list[str]

    def read_text(self, path: Path) -> str:
        """Return the text of a regular file (a pipe could hang), empty when it is not there."""
        try:
            if not os.path.isfile(path):  # noqa: PTH113 - is_file() raises where a folder may not be searched
                return ""
            with path.open("rb") as file:
                return file.read(_MAX_BYTES).decode("utf-8-sig", "replace")
        except (OSError, ValueError) as error:
            self.warnings.append(f"{self.shorten_path(path)} cannot be read ({type(error).__name__})")
            return ""

    def shorten_path(self, path: Path) -> str:
        """Return the path, short where it lies in the home directory."""
        return f"~/{path.relative_to(self.home).as_posix()}" if path.is_relative_to(self.home) else str(path)

    def describe_origin(self, path: Path) -> str:
        """Return what to say of a setting that stands in this file."""
        return f"{path.name} ({self.shorten_path(path)})"

    def warn_about_lines(self, path: Path, lines: list[int], syntax: str) -> None:
        """Warn about lines, once for a file and without what they say: it may be a secret."""
        suffix = f" (nor are {len(lines) - 1} more)" if len(lines) > 1 else ""
        self.warnings.append(f"{self.shorten_path(path)} line {lines[0]} is not {syntax}{suffix}")


class RegistrySetting(NamedTuple):
    """A registry as one place names it; ``name`` is uv's name of the index."""

    url: str
    origin: str
    name: str = ""


def find_project_folders(cwd: Path, home: Path) -> tuple[Path, ...]:
    """Return the scanned directory and those around it in the same repository; the home directory is never one."""
    start = Path(os.path.abspath(cwd))  # noqa: PTH100 - resolve() would lead out of the project
    folders = tuple(takewhile(lambda folder: folder != home, (start, *start.parents)))
    depth = next((depth for depth, folder in enumerate(folders) if os.path.lexists(folder / ".git")), 0)
    return folders[: depth + 1]


def normalise_index_url(ecosystem: EcosystemId, index_url: str) -> str:
    """Return the address to ask, as Endpoint wants it; empty when it cannot be asked over HTTP."""
    url, _ = split_url(index_url)
    return url.removesuffix(get_ecosystem(ecosystem).index_suffix)


def redact_url(url: str) -> str:
    """Return a URL for people: without credentials, and without what a terminal would obey."""
    scheme, slashes, remainder = url.rpartition("://")
    bare_url = f"{scheme}{slashes}{remainder.rpartition('@')[2]}"
    return split_url(url)[0] or UNPRINTABLE.sub("", bare_url)[:_MAX_SHOWN_LENGTH]
