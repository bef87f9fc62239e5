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

from nerq_cli.inventory import DependencyFile


class Reader(Protocol):
    """What the module of a format offers."""

    #: What the format is called, on the command line too.
    NAME: str

    def wants(self, path: PurePosixPath) -> bool:
        """Say whether a file is of this format, by its name and the name of its folder."""
        ...

    def read(self, text: str, path: str, *, constraint: bool = False, group: str = "") -> DependencyFile:
        """Read the text of a file; whatever is wrong with it is in the result."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFormat:
    """Where a format's reader is, and which files to trouble it with.

    ``name_endings`` are those of all file names it may want: it is imported when one turns up. A file that somebody names
    and that ends in one of ``certain_endings`` is of this format, whatever else it is called. ``file_patterns`` is for people, and so
    is ``tool``: whose lock file it is.
    """

    module: str
    name_endings: tuple[str, ...]
    certain_endings: tuple[str, ...] = ()
    file_patterns: str
    tool: str = ""


#: Every format. Files that say what others are for come before those.
FORMATS: Final[Mapping[str, FileFormat]] = {
    "pyproject": FileFormat(
        module="python.pyproject", name_endings=("pyproject.toml",), file_patterns="pyproject.toml"
    ),
    "package.json": FileFormat(module="npm.package_json", name_endings=("package.json",), file_patterns="package.json"),
    "requirements": FileFormat(
        module="python.requirements",
        name_endings=(".txt", ".in"),
        certain_endings=(".in",),
        file_patterns="requirements*.txt, *.in, constraints*.txt",
    ),
    "setup.cfg": FileFormat(module="python.setup_cfg", name_endings=("setup.cfg",), file_patterns="setup.cfg"),
    "setup.py": FileFormat(module="python.setup_py", name_endings=("setup.py",), file_patterns="setup.py"),
    "environment.yml": FileFormat(
        module="python.environment_yml", name_endings=(".yml", ".yaml"), file_patterns="environment*.yml"
    ),
    "Pipfile": FileFormat(module="python.pipfile", name_endings=("pipfile",), file_patterns="Pipfile"),
    "poetry.lock": FileFormat(
        module="python.poetry_lock", name_endings=("poetry.lock",), file_patterns="poetry.lock", tool="Poetry"
    ),
    "uv.lock": FileFormat(
        module="python.uv_lock",
        name_endings=("uv.lock", ".py.lock"),
        file_patterns="uv.lock, *.py.lock (scripts)",
        tool="uv",
    ),
    "pdm.lock": FileFormat(module="python.pdm_lock", name_endings=("pdm.lock",), file_patterns="pdm.lock", tool="PDM"),
    "pylock.toml": FileFormat(
        module="python.pylock", name_endings=(".toml",), file_patterns="pylock.toml, pylock.*.toml", tool="pip"
    ),
    "Pipfile.lock": FileFormat(
        module="python.pipfile_lock", name_endings=("pipfile.lock",), file_patterns="Pipfile.lock", tool="Pipenv"
    ),
    "package-lock.json": FileFormat(
        module="npm.package_lock",
        name_endings=("package-lock.json", "npm-shrinkwrap.json"),
        file_patterns="package-lock.json, npm-shrinkwrap.json",
        tool="npm",
    ),
    "yarn.lock": FileFormat(
        module="npm.yarn_lock", name_endings=("yarn.lock",), file_patterns="yarn.lock", tool="Yarn"
    ),
    "pnpm-lock.yaml": FileFormat(
        module="npm.pnpm_lock", name_endings=("pnpm-lock.yaml",), file_patterns="pnpm-lock.yaml", tool="pnpm"
    ),
    "bun.lock": FileFormat(module="npm.bun_lock", name_endings=("bun.lock",), file_patterns="bun.lock", tool="Bun"),
    # Those below are read when somebody names them: a search would find what lock files say already, or any script.
    "sbom": FileFormat(
        module="sbom.sbom", name_endings=(), certain_endings=(".json", ".xml"), file_patterns="SBOMs (CycloneDX, SPDX)"
    ),
    "script": FileFormat(
        module="python.script_metadata",
        name_endings=(),
        certain_endings=(".py",),
        file_patterns="scripts with inline metadata",
    ),
}


class _ReaderMap(Mapping[str, Reader]):
    """The formats' modules, each imported when it is first asked for."""

    def __getitem__(self, name: str) -> Reader:
        return cast("Reader", import_module(f"nerq_cli.manifests.{FORMATS[name].module}"))

    def __iter__(self) -> Iterator[str]:
        return iter(FORMATS)

    def __len__(self) -> int:
        return len(FORMATS)


#: The reader of each format, by its name.
READERS: Final[Mapping[str, Reader]] = _ReaderMap()


def detect_format(path: PurePosixPath) -> str:
    """Return the name of the format a file is in, by its name and its folder's; empty when nobody wants it."""
    return next(
        (
            name
            for name, file_format in FORMATS.items()
            if _has_name_ending(path, file_format) and READERS[name].wants(path)
        ),
        "",
    )


def _has_name_ending(path: PurePosixPath, file_format: FileFormat) -> bool:
    return path.name.lower().endswith(file_format.name_endings)


from nerq_cli.manifests.discovery.load import InputFile, find_dependency_files, load_dependency_files  # noqa: E402 - it reads the tables above

__all__ = [
    "FORMATS",
    "READERS",
    "FileFormat",
    "InputFile",
    "Reader",
    "find_dependency_files",
    "detect_format",
    "load_dependency_files",
]
