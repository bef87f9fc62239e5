"""Read configuration files, and format their paths and URLs without secrets."""

from __future__ import annotations

import os
from collections.abc import Mapping
from itertools import takewhile
from pathlib import Path
from typing import Final, NamedTuple

from nerq_cli.ecosystems import EcosystemId, get_ecosystem
from nerq_cli.inventory import Location, locate_url
from nerq_cli.sources.endpoints import UNPRINTABLE, split_url

#: Bytes read of one configuration file; usual ones have a few hundred.
_MAX_BYTES: Final = 1_000_000

#: Characters shown of a text that is no URL.
_MAX_SHOWN_LENGTH: Final = 200


class ConfigFiles(NamedTuple):
    """Access to the environment and to configuration files."""

    environ: Mapping[str, str]
    #: Home directory of the user.
    home: Path
    #: Directory that absolute paths of the system configuration are relative to.
    root: Path
    #: Collects what could not be read.
    warnings: list[str]
    #: The scanned directory.
    project: Path = Path()
    #: The root of its repository; links in it that lead out are not followed. None in the home directory.
    boundary: Path | None = None

    def read_text(self, path: Path) -> str:
        """Return the text of a regular file (a pipe could block); empty if there is none."""
        try:
            if self._leads_out(path):
                self.warnings.append(f"{self.shorten_path(path)} is a link that leads out of the project: not read")
                return ""
            if not os.path.isfile(path):  # noqa: PTH113 - is_file() raises where a folder may not be searched
                return ""
            with path.open("rb") as file:
                return file.read(_MAX_BYTES).decode("utf-8-sig", "replace")
        except (OSError, ValueError) as error:
            self.warnings.append(f"{self.shorten_path(path)} cannot be read ({type(error).__name__})")
            return ""

    def _leads_out(self, path: Path) -> bool:
        if self.boundary is None or not path.is_relative_to(self.boundary) or not os.path.lexists(path):
            return False
        return not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(self.boundary))

    def shorten_path(self, path: Path) -> str:
        """Return the path, with ``~`` for the home directory."""
        return f"~/{path.relative_to(self.home).as_posix()}" if path.is_relative_to(self.home) else str(path)

    def expand_home(self, text: str) -> str:
        """Return a path of a setting, with ``~`` replaced by the home directory."""
        return str(self.home / text[2:]) if text.startswith(("~/", "~\\")) else text

    def describe_origin(self, path: Path) -> str:
        """Return the origin of a setting in this file, for users."""
        return f"{path.name} ({self.shorten_path(path)})"

    def locate(self, path: Path, text: str, url: str) -> Location:
        """Return where a file of the project names a URL; its path is relative to the scanned directory."""
        return locate_url(text, Path(os.path.relpath(path, self.project)).as_posix(), redact_url(url))

    def warn_about_lines(self, path: Path, lines: list[int], syntax: str) -> None:
        """Add one warning about lines of a file, without their text: it may contain a secret."""
        suffix = f" (nor are {len(lines) - 1} more)" if len(lines) > 1 else ""
        self.warnings.append(f"{self.shorten_path(path)} line {lines[0]} is not {syntax}{suffix}")


class RegistrySetting(NamedTuple):
    """A registry named by one setting."""

    url: str
    #: Where the setting is, for users.
    origin: str
    #: Name that uv gives the index.
    name: str = ""
    #: The line of a file of the project.
    location: Location | None = None
    #: Whether it is a page or directory of archives (``find-links``), not an index.
    is_page: bool = False
    #: Whether the search ends at it if it has a package, as in uv; pip takes the best version of all indexes.
    ends_search: bool = False


class ProjectOrigin(NamedTuple):
    """A registry that a configuration file of the project names and the configuration of the user does not."""

    ecosystem: EcosystemId
    #: Without credentials.
    url: str
    location: Location
    #: The npm scope ("@acme") that it is for; empty for all packages.
    scope: str = ""


def find_project_folders(cwd: Path, home: Path) -> tuple[Path, ...]:
    """Return the scanned directory and its parents in the same repository, without the home directory."""
    start = Path(os.path.abspath(cwd))  # noqa: PTH100 - resolve() would lead out of the project
    folders = tuple(takewhile(lambda folder: folder != home, (start, *start.parents)))
    depth = next((depth for depth, folder in enumerate(folders) if os.path.lexists(folder / ".git")), 0)
    return folders[: depth + 1]


def normalise_index_url(ecosystem: EcosystemId, index_url: str) -> str:
    """Return the base URL of an index, without ``/simple``; empty if it is not a URL for HTTP."""
    url, _ = split_url(index_url)
    return url.removesuffix(get_ecosystem(ecosystem).index_suffix)


def is_simple_index(ecosystem: EcosystemId, index_url: str) -> bool:
    """Whether the packages of an index are below its URL as it is; false where it ends in ``/simple``."""
    suffix = get_ecosystem(ecosystem).index_suffix
    return bool(suffix) and not split_url(index_url)[0].endswith(suffix)


def redact_url(url: str) -> str:
    """Return a URL to print: without credentials and terminal control characters."""
    scheme, slashes, remainder = url.rpartition("://")
    bare_url = f"{scheme}{slashes}{remainder.rpartition('@')[2]}"
    return split_url(url)[0] or UNPRINTABLE.sub("", bare_url)[:_MAX_SHOWN_LENGTH]
