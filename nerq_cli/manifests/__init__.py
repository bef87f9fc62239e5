"""Dependency files: which there are, who reads them, and what they say.

A format is one module with a name and two pure functions; the core finds the files, opens them and follows what they
include. Nothing that a file describes is executed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import PurePosixPath
from typing import Final, Protocol, cast

from nerq_cli.inventory import Manifest


class Reader(Protocol):
    """What the module of a format offers."""

    #: What the format is called, on the command line too.
    NAME: str

    def wants(self, path: PurePosixPath) -> bool:
        """Say whether a file is of this format, by its name and the name of its folder."""
        ...

    def read(self, text: str, path: str, *, constraint: bool = False, group: str = "") -> Manifest:
        """Read the text of a file; whatever is wrong with it is in the result."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """Where a format's reader is, and which files to trouble it with.

    ``endings`` are those of all file names it may want: it is imported when one turns up. A file that somebody names
    and that ends in one of ``surely`` is of this format, whatever else it is called. ``files`` is for people, and so
    is ``tool``: whose lock file it is.
    """

    module: str
    endings: tuple[str, ...]
    surely: tuple[str, ...] = ()
    files: str
    tool: str = ""


#: Every format. Files that say what others are for come before those.
FORMATS: Final[Mapping[str, Format]] = {
    "pyproject": Format(module="pyproject", endings=("pyproject.toml",), files="pyproject.toml"),
    "package.json": Format(module="package_json", endings=("package.json",), files="package.json"),
    "requirements": Format(
        module="requirements",
        endings=(".txt", ".in"),
        surely=(".in",),
        files="requirements*.txt, *.in, constraints*.txt",
    ),
    "setup.cfg": Format(module="setup_cfg", endings=("setup.cfg",), files="setup.cfg"),
    "setup.py": Format(module="setup_py", endings=("setup.py",), files="setup.py"),
    "environment.yml": Format(module="environment_yml", endings=(".yml", ".yaml"), files="environment*.yml"),
    "Pipfile": Format(module="pipfile", endings=("pipfile",), files="Pipfile"),
    "poetry.lock": Format(module="poetry_lock", endings=("poetry.lock",), files="poetry.lock", tool="Poetry"),
    "uv.lock": Format(
        module="uv_lock", endings=("uv.lock", ".py.lock"), files="uv.lock, *.py.lock (scripts)", tool="uv"
    ),
    "pdm.lock": Format(module="pdm_lock", endings=("pdm.lock",), files="pdm.lock", tool="PDM"),
    "pylock.toml": Format(module="pylock", endings=(".toml",), files="pylock.toml, pylock.*.toml", tool="pip"),
    "Pipfile.lock": Format(module="pipfile_lock", endings=("pipfile.lock",), files="Pipfile.lock", tool="Pipenv"),
    "package-lock.json": Format(
        module="package_lock",
        endings=("package-lock.json", "npm-shrinkwrap.json"),
        files="package-lock.json, npm-shrinkwrap.json",
        tool="npm",
    ),
    "yarn.lock": Format(module="yarn_lock", endings=("yarn.lock",), files="yarn.lock", tool="Yarn"),
    "pnpm-lock.yaml": Format(module="pnpm_lock", endings=("pnpm-lock.yaml",), files="pnpm-lock.yaml", tool="pnpm"),
    "bun.lock": Format(module="bun_lock", endings=("bun.lock",), files="bun.lock", tool="Bun"),
    # Those below are read when somebody names them: a search would find what lock files say already, or any script.
    "sbom": Format(module="sbom", endings=(), surely=(".json", ".xml"), files="SBOMs (CycloneDX, SPDX)"),
    "script": Format(module="script_metadata", endings=(), surely=(".py",), files="scripts with inline metadata"),
}


class _Readers(Mapping[str, Reader]):
    """The formats' modules, each imported when it is first asked for."""

    def __getitem__(self, name: str) -> Reader:
        return cast("Reader", import_module(f"{__name__}.{FORMATS[name].module}"))

    def __iter__(self) -> Iterator[str]:
        return iter(FORMATS)

    def __len__(self) -> int:
        return len(FORMATS)


#: The reader of each format, by its name.
READERS: Final[Mapping[str, Reader]] = _Readers()


def format_of(path: PurePosixPath) -> str:
    """Return the name of the format a file is in, by its name and its folder's; empty when nobody wants it."""
    return next((name for name, one in FORMATS.items() if _may_end(path, one) and READERS[name].wants(path)), "")


def _may_end(path: PurePosixPath, one: Format) -> bool:
    return path.name.lower().endswith(one.endings)


from nerq_cli.manifests.discover import FoundFile, find, load  # noqa: E402 - it reads the tables above

__all__ = ["FORMATS", "READERS", "Format", "FoundFile", "Reader", "find", "format_of", "load"]
