"""The table of dependency file formats: one row per format, with its ecosystems and the module that reads it.

To add a format, write its module and add one row to `FORMATS`. A module has `NAME`, `matches` and `read`; both
functions are pure. `discovery` finds the files, opens them and follows their includes.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import PurePosixPath
from typing import Final, Protocol, cast

import msgspec

from nerq_cli.ecosystems import ECOSYSTEMS, NPM, PYPI, EcosystemId
from nerq_cli.inventory import SOURCE_FORMAT, DependencyFile


class Reader(Protocol):
    """What the module of a format provides."""

    #: Name of the format: its key in `FORMATS`, and its name on the command line.
    NAME: str

    def matches(self, path: PurePosixPath) -> bool:
        """Whether a file is of this format, by its name and the name of its directory."""
        ...

    def read(self, text: str, path: str, *, constraint: bool = False, group: str = "") -> DependencyFile:
        """Return the content of a file. Errors in the text are in ``problems``; nothing is raised."""
        ...


class FileFormat(msgspec.Struct, frozen=True, kw_only=True):
    """One format: its ecosystems, its module, and the files that it applies to."""

    #: Ecosystems of the names in the file. The local names of the file stay private in each of them.
    ecosystems: tuple[EcosystemId, ...]
    #: Full name of the module that reads it, imported when a file needs it.
    module: str
    #: File names, as shown to users.
    file_patterns: str
    #: Endings, in lower case, of all file names that the module may match. Empty: a search does not find the format.
    name_endings: tuple[str, ...] = ()
    #: Endings that select the format for a file named on the command line, if no format matches its name.
    explicit_endings: tuple[str, ...] = ()
    #: Tool that writes the file, for lock files.
    tool: str = ""
    #: Whether files of other programs have such names, so that one that a search finds may have nothing of the format.
    may_have_other_content: bool = False
    #: Whether the declarations depend on the workspace around the file.
    uses_workspace: bool = False
    #: Whether a lock file of the tool may lack a package that one of its entries requires.
    may_lack_packages: bool = False

    @property
    def reader(self) -> Reader:
        """The module that reads the format."""
        return cast("Reader", import_module(self.module))


_PYTHON: Final = "nerq_cli.manifests.python"
_NPM: Final = "nerq_cli.manifests.npm"

#: Names of the formats of configurations of MCP clients, and of agent skills.
MCP: Final = "mcp"
SKILL: Final = "skill"
#: Name of source files that are read for references to models.
REFERENCES: Final = SOURCE_FORMAT
#: All formats by name, in the order in which files are read: a file that gives others a group or role comes first.
FORMATS: Final[dict[str, FileFormat]] = {
    "pyproject": FileFormat(
        ecosystems=(PYPI,),
        module=f"{_PYTHON}.pyproject",
        name_endings=("pyproject.toml",),
        file_patterns="pyproject.toml",
        uses_workspace=True,
    ),
    "package.json": FileFormat(
        ecosystems=(NPM,),
        module=f"{_NPM}.package_json",
        name_endings=("package.json",),
        file_patterns="package.json",
        uses_workspace=True,
    ),
    "deno.json": FileFormat(
        ecosystems=(NPM,),
        module=f"{_NPM}.deno_json",
        name_endings=("deno.json", "deno.jsonc"),
        file_patterns="deno.json",
    ),
    "requirements": FileFormat(
        ecosystems=(PYPI,),
        module=f"{_PYTHON}.requirements",
        name_endings=(".txt", ".in", ".lock"),
        explicit_endings=(".in",),
        file_patterns="requirements*.txt, *.in, constraints*.txt",
    ),
    "setup.cfg": FileFormat(
        ecosystems=(PYPI,),
        module=f"{_PYTHON}.setup_cfg",
        name_endings=("setup.cfg",),
        file_patterns="setup.cfg",
    ),
    "setup.py": FileFormat(
        ecosystems=(PYPI,),
        module=f"{_PYTHON}.setup_py",
        name_endings=("setup.py",),
        file_patterns="setup.py",
    ),
    "environment.yml": FileFormat(
        ecosystems=(PYPI,),
        module=f"{_PYTHON}.environment_yml",
        name_endings=(".yml", ".yaml"),
        file_patterns="environment*.yml",
    ),
    "pixi.toml": FileFormat(
        ecosystems=(PYPI,),
        module=f"{_PYTHON}.pixi",
        name_endings=("pixi.toml",),
        file_patterns="pixi.toml",
    ),
    "Pipfile": FileFormat(
        ecosystems=(PYPI,),
        module=f"{_PYTHON}.pipfile",
        name_endings=("pipfile",),
        file_patterns="Pipfile",
    ),
    "poetry.lock": FileFormat(
        ecosystems=(PYPI,),
        module=f"{_PYTHON}.poetry_lock",
        name_endings=("poetry.lock",),
        file_patterns="poetry.lock",
        tool="Poetry",
        may_lack_packages=True,
    ),
    "uv.lock": FileFormat(
        ecosystems=(PYPI,),
        module=f"{_PYTHON}.uv_lock",
        name_endings=("uv.lock", ".py.lock"),
        file_patterns="uv.lock, *.py.lock (scripts)",
        tool="uv",
    ),
    "pdm.lock": FileFormat(
        ecosystems=(PYPI,),
        module=f"{_PYTHON}.pdm_lock",
        name_endings=("pdm.lock",),
        file_patterns="pdm.lock",
        tool="PDM",
        may_lack_packages=True,
    ),
    "pylock.toml": FileFormat(
        ecosystems=(PYPI,),
        module=f"{_PYTHON}.pylock",
        name_endings=(".toml",),
        file_patterns="pylock.toml, pylock.*.toml",
        tool="pip",
    ),
    "Pipfile.lock": FileFormat(
        ecosystems=(PYPI,),
        module=f"{_PYTHON}.pipfile_lock",
        name_endings=("pipfile.lock",),
        file_patterns="Pipfile.lock",
        tool="Pipenv",
    ),
    "pixi.lock": FileFormat(
        ecosystems=(PYPI,),
        module=f"{_PYTHON}.pixi_lock",
        name_endings=("pixi.lock",),
        file_patterns="pixi.lock",
        tool="pixi",
    ),
    "conda-lock.yml": FileFormat(
        ecosystems=(PYPI,),
        module=f"{_PYTHON}.conda_lock",
        name_endings=("conda-lock.yml", "conda-lock.yaml"),
        file_patterns="conda-lock.yml",
        tool="conda-lock",
    ),
    "package-lock.json": FileFormat(
        ecosystems=(NPM,),
        module=f"{_NPM}.package_lock",
        name_endings=("package-lock.json", "npm-shrinkwrap.json"),
        file_patterns="package-lock.json, npm-shrinkwrap.json",
        tool="npm",
    ),
    "yarn.lock": FileFormat(
        ecosystems=(NPM,),
        module=f"{_NPM}.yarn_lock",
        name_endings=("yarn.lock",),
        file_patterns="yarn.lock",
        tool="Yarn",
    ),
    "pnpm-lock.yaml": FileFormat(
        ecosystems=(NPM,),
        module=f"{_NPM}.pnpm_lock",
        name_endings=(".yaml",),
        file_patterns="pnpm-lock.yaml, pnpm-lock.BRANCH.yaml",
        tool="pnpm",
    ),
    "bun.lock": FileFormat(
        ecosystems=(NPM,),
        module=f"{_NPM}.bun_lock",
        name_endings=("bun.lock",),
        file_patterns="bun.lock",
        tool="Bun",
    ),
    "deno.lock": FileFormat(
        ecosystems=(NPM,),
        module=f"{_NPM}.deno_lock",
        name_endings=("deno.lock",),
        file_patterns="deno.lock",
        tool="Deno",
    ),
    MCP: FileFormat(
        ecosystems=(PYPI, NPM),
        module="nerq_cli.manifests.mcp.mcp_format",
        name_endings=(".json", ".jsonc", ".code-workspace", "config.toml", ".yaml", ".yml"),
        file_patterns="MCP configurations",
        may_have_other_content=True,
    ),
    SKILL: FileFormat(
        ecosystems=(PYPI, NPM),
        module="nerq_cli.manifests.mcp.skills",
        name_endings=("skill.md",),
        file_patterns="SKILL.md",
    ),
    # A search finds source files apart from dependency files (``nerq_cli.application.model_references``).
    REFERENCES: FileFormat(
        ecosystems=(PYPI, NPM),
        module="nerq_cli.manifests.references.reference_format",
        file_patterns="source files that name models",
    ),
    # A search does not find the two below: lock files hold what an SBOM repeats, and any script may have metadata.
    "sbom": FileFormat(
        ecosystems=(PYPI, NPM),
        module="nerq_cli.manifests.sbom.sbom",
        explicit_endings=(".json", ".xml"),
        file_patterns="SBOMs (CycloneDX, SPDX)",
    ),
    "script": FileFormat(
        ecosystems=(PYPI,),
        module=f"{_PYTHON}.script_metadata",
        explicit_endings=(".py",),
        file_patterns="scripts with inline metadata",
    ),
}

#: Format names of installed packages: a Python environment, and a ``node_modules`` directory.
ENVIRONMENT: Final = "environment"
NODE_MODULES: Final = "node_modules"
_DIRECTORY_ECOSYSTEMS: Final[dict[str, tuple[EcosystemId, ...]]] = {ENVIRONMENT: (PYPI,), NODE_MODULES: (NPM,)}


def format_ecosystems(name: str) -> tuple[EcosystemId, ...]:
    """Return the ecosystems of the names in files of a format; all ecosystems for a format that is in no table."""
    if name in FORMATS:
        return FORMATS[name].ecosystems
    return _DIRECTORY_ECOSYSTEMS.get(name, tuple(ecosystem.id for ecosystem in ECOSYSTEMS))


def detect_format(path: PurePosixPath) -> str:
    """Return the name of the format that matches a file by its name and directory; empty if none does."""
    file_name = path.name.lower()
    return next(
        (
            name
            for name, file_format in FORMATS.items()
            if file_name.endswith(file_format.name_endings) and file_format.reader.matches(path)
        ),
        "",
    )


def is_sbom_name(path: PurePosixPath) -> bool:
    """Whether a file has a name by which SBOMs are known. A search does not find them."""
    return path.name.lower().endswith((".json", ".xml")) and FORMATS["sbom"].reader.matches(path)


def detect_explicit_format(path: PurePosixPath) -> str:
    """Return the format of a file named on the command line: as `detect_format`, else by its ending."""
    file_name = path.name.lower()
    by_ending = (name for name, file_format in FORMATS.items() if file_name.endswith(file_format.explicit_endings))
    return detect_format(path) or next(by_ending, "")


def describe_searched_files() -> str:
    """Return the files that a search finds, for a message; lock files by the tools that write them."""
    searched_formats = [file_format for file_format in FORMATS.values() if file_format.name_endings]
    tools = ", ".join(file_format.tool for file_format in searched_formats if file_format.tool)
    patterns = (file_format.file_patterns for file_format in searched_formats if not file_format.tool)
    return ", ".join((*patterns, f"the lock files of {tools}"))


def describe_known_files() -> str:
    """Return all files that can be read, for a message."""
    unsearched = (
        file_format.file_patterns
        for name, file_format in FORMATS.items()
        if not file_format.name_endings and name != REFERENCES
    )
    return "; ".join((describe_searched_files(), *unsearched))
