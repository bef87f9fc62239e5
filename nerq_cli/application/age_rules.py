"""Find the age rules that apply to a project: in its own files, in those of the user, and the defaults of the tools.

The rules of the project and those of the user all apply: a project cannot make a rule of the user weaker. Of the
environment and the files of the user, the first that has a rule counts, as for the tools.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from msgspec.structs import replace

from nerq_cli.ecosystems import NPM, PYPI
from nerq_cli.inventory import Location
from nerq_cli.manifests.age_rules import npm_tools, python_tools, update_bots
from nerq_cli.manifests.age_rules.values import Age, make_rule
from nerq_cli.manifests.formats import FORMATS
from nerq_cli.patterns import compile_late
from nerq_cli.policy.age import AgeRule
from nerq_cli.sources.registries.config.config_files import ConfigFiles, find_project_folders
from nerq_cli.sources.registries.config.pip_uv import find_pip_files, find_uv_files
from nerq_cli.units import DAY, MINUTE

if TYPE_CHECKING:
    from nerq_cli.inventory import DependencyFile

Reader: TypeAlias = "Callable[[str, str], Iterator[AgeRule]]"

#: Readers of the files in a directory of the project.
_PROJECT_FILES: Final[Mapping[str, Reader]] = {
    "uv.toml": python_tools.read_uv,
    "pyproject.toml": python_tools.read_pyproject,
    "poetry.toml": python_tools.read_poetry,
    "pdm.toml": python_tools.read_pdm,
    "Pipfile": python_tools.read_pipfile,
    "pixi.toml": python_tools.read_pixi,
    ".npmrc": npm_tools.read_npmrc,
    "pnpm-workspace.yaml": npm_tools.read_pnpm_workspace,
    ".yarnrc.yml": npm_tools.read_yarnrc,
    "bunfig.toml": npm_tools.read_bunfig,
    "deno.json": npm_tools.read_deno,
    "deno.jsonc": npm_tools.read_deno,
}
#: Files that show which tool installs the packages of a directory; of the npm tools the first one counts.
_PYTHON_TOOLS: Final[Mapping[str, tuple[str, ...]]] = {
    "uv": ("uv.lock", "uv.toml"),
    "Poetry": ("poetry.lock", "poetry.toml"),
    "PDM": ("pdm.lock", "pdm.toml"),
    "Pipenv": ("Pipfile", "Pipfile.lock"),
    "pixi": ("pixi.lock", "pixi.toml"),
}
_NPM_TOOLS: Final[Mapping[str, tuple[str, ...]]] = {
    "pnpm": ("pnpm-lock.yaml", "pnpm-workspace.yaml"),
    "Yarn": ("yarn.lock", ".yarnrc.yml"),
    "Bun": ("bun.lock", "bun.lockb", "bunfig.toml"),
    "npm": ("package-lock.json", "npm-shrinkwrap.json"),
    "Deno": ("deno.lock", "deno.json", "deno.jsonc"),
}
#: Tools that take the settings of a project from its own directory only; the others also from those around it.
_LOCAL_TOOLS: Final = frozenset({"npm", "Bun", "Poetry", "PDM", "Pipenv"})
_PACKAGE_MANAGER: Final = compile_late(r'"packageManager"\s*:\s*"(pnpm|yarn|bun|npm)@(\d{1,4})(?:\.(\d{1,4}))?')
_ECOSYSTEM_OF_TOOL: Final = {**dict.fromkeys((*_PYTHON_TOOLS, "pip"), PYPI), **dict.fromkeys(_NPM_TOOLS, NPM)}
_TOOL_NAMES: Final = {"pnpm": "pnpm", "yarn": "Yarn", "bun": "Bun", "npm": "npm"}
#: ``__metadata`` of a yarn.lock.
_YARN_LOCK_VERSION: Final = compile_late(r"^__metadata:\r?\n[ ]+version: (\d{1,4})", 8)  # re.MULTILINE
#: pnpm: ``minimumReleaseAge`` since 11, in minutes. Yarn: ``npmMinimalAgeGate`` since 4.15, whose lock files have
#: version 10. Deno: ``minimumDependencyAge`` since 2.9.
_PNPM_DEFAULT: Final = 1_440 * MINUTE
_PNPM_DEFAULT_SINCE: Final = 11
_YARN_DEFAULT: Final = 1 * DAY
_DENO_DEFAULT: Final = 1 * DAY
_YARN_DEFAULT_SINCE: Final = (4, 15)
_YARN_LOCK_SINCE: Final = 10
#: Most directories whose files are read; a repository of 1,000 packages has some more.
_MAX_FOLDERS: Final = 5_000
#: Most presets that are named.
_MAX_PRESETS: Final = 10


class _Folder(NamedTuple):
    """A directory of the project."""

    path: Path
    #: As in the locations of dependencies; empty if it contains all.
    directory: str
    names: frozenset[str]
    #: Whether it is the outermost directory of the project, where update bots and Corepack look for their settings.
    is_top: bool = False


class _Tool(NamedTuple):
    """A tool that installs packages, and the directory with the file that shows it."""

    name: str
    folder: _Folder
    #: Major and minor version of the tool, if the project states it.
    version: tuple[int, int] | None = None


def read_age_rules(
    dependency_files: Sequence[DependencyFile],
    root: Path,
    *,
    environ: Mapping[str, str],
    home: Path | None = None,
    system_root: Path = Path("/"),
) -> tuple[tuple[AgeRule, ...], tuple[str, ...]]:
    """Return the age rules, and what could not be read.

    Args:
        dependency_files: the files of the project.
        root: the directory that is scanned.
        environ: the environment variables.
        home: the home directory; by default that of the environment.
        system_root: the root directory of the system configuration.
    """
    home_path = home or environ.get("HOME") or environ.get("USERPROFILE") or os.path.expanduser("~")  # noqa: PTH111 - home() raises
    home_folder, project = (Path(os.path.abspath(path)) for path in (home_path, root))  # noqa: PTH100 - resolve() changes the name
    parents = find_project_folders(project, home_folder)
    files = ConfigFiles(environ, home_folder, system_root, [], project, parents[-1] if parents else None)
    chains = {
        folder: _list_chain(folder, parents, home_folder)
        for folder in sorted({PurePosixPath(file.path).parent for file in dependency_files if not _is_pseudo(file)})
    }
    folders: dict[Path, _Folder] = {}
    for chain in chains.values():
        for path, directory in chain:
            if path not in folders and len(folders) < _MAX_FOLDERS:
                folders[path] = _Folder(path, directory, _list_names(path), is_top=path == chain[-1][0])
    python_tool_by_folder = {path: list(_list_python_tools(files, folder)) for path, folder in folders.items()}
    npm_tool_by_folder = {path: _find_npm_tool(files, folder) for path, folder in folders.items()}
    tools: dict[tuple[str, str], _Tool] = {}
    formats: dict[PurePosixPath, set[str]] = {}
    for file in dependency_files:
        formats.setdefault(PurePosixPath(file.path).parent, set()).add(file.format)
    tools_by_folder: dict[str, list[_Tool]] = {}
    for folder, chain in chains.items():
        own = [folders[path] for path, _ in chain if path in folders]
        found = list(_find_tools(own, formats[folder], python_tool_by_folder, npm_tool_by_folder))
        if chain[0][1]:
            tools_by_folder[chain[0][1]] = found
        for tool in found:
            tools.setdefault((tool.name, tool.folder.directory), tool)
    project_rules = [rule for folder in folders.values() for rule in _read_project_folder(files, folder)]
    user_rules = _read_user_rules(files, {tool.name for tool in tools.values()})
    rules = [
        *project_rules,
        *_make_defaults(tools.values(), project_rules),
        *(
            replace(rule, directory=tool.folder.directory)
            for tool in tools.values()
            for rule in user_rules
            if rule.tool == tool.name
        ),
    ]
    bound = (_exclude_other_projects(rule, tools_by_folder) for rule in rules)
    return tuple(dict.fromkeys(bound)), tuple(files.warnings)


def _exclude_other_projects(rule: AgeRule, tools_by_folder: Mapping[str, Sequence[_Tool]]) -> AgeRule:
    """Return a rule without the directories below its own that are projects of their own.

    That is a directory with the files of another tool, or of one that takes no settings from the directories around.
    """
    if rule.is_bot:
        return rule
    excluded = {
        f"{tool.folder.directory}/"
        for folder, tools in tools_by_folder.items()
        if _is_inside(folder, rule.directory) and not any(_is_bound(tool, rule) for tool in tools)
        for tool in tools
        if tool.name != "pip" and _ECOSYSTEM_OF_TOOL[tool.name] == rule.ecosystem
    }
    return replace(rule, excluded=tuple(sorted(excluded))) if excluded else rule


def _is_bound(tool: _Tool, rule: AgeRule) -> bool:
    """Return whether a tool reads a rule: one whose files are beside the rule, or around it, does."""
    if _ECOSYSTEM_OF_TOOL[tool.name] != rule.ecosystem or tool.name == "pip":
        return tool.name == rule.tool
    if not _is_inside(tool.folder.directory, rule.directory):
        return True
    return tool.name == rule.tool and tool.name not in _LOCAL_TOOLS


def _is_inside(folder: str, directory: str) -> bool:
    """Return whether a directory is below another one; empty stands for the one that contains all."""
    return bool(folder) and folder != directory and (not directory or folder.startswith(f"{directory}/"))


def _is_pseudo(file: DependencyFile) -> bool:
    """Return whether a file is no file in a directory: standard input."""
    return file.path.startswith("<")


def _list_chain(folder: PurePosixPath, parents: Sequence[Path], home: Path) -> list[tuple[Path, str]]:
    """Return a directory and those around it in the project, the nearest first, each with its display path."""
    path = Path(os.path.abspath(folder))  # noqa: PTH100 - resolve() would lead out of the project
    boundary = parents[-1] if parents and path.is_relative_to(parents[-1]) else None
    if boundary is None:
        boundary = (find_project_folders(path, home) or (path,))[-1]
    chain = []
    directory = folder
    while True:
        name = directory.as_posix()
        chain.append((path, "" if name == "." or name.endswith("..") or name == "/" else name))
        if path in (boundary, path.parent):
            return chain
        path, directory = path.parent, directory.parent if chain[-1][1] else PurePosixPath()


def _list_names(path: Path) -> frozenset[str]:
    try:
        return frozenset(os.listdir(path))  # noqa: PTH208 - names are wanted, not paths
    except OSError:
        return frozenset()


# --- files of the project


def _read_project_folder(files: ConfigFiles, folder: _Folder) -> Iterator[AgeRule]:
    for name, reader in _PROJECT_FILES.items():
        if name in folder.names:
            for rule in _read_rules(files, folder, name, reader):
                yield replace(rule, directory=folder.directory)
    if folder.is_top:
        yield from _read_bots(files, folder)


def _read_bots(files: ConfigFiles, folder: _Folder) -> Iterator[AgeRule]:
    for name in update_bots.RENOVATE_FILES:
        rules = [*_read_rules(files, folder, name, update_bots.read_renovate)]
        _warn_unread_presets(files, folder, name)
        yield from (replace(rule, directory=folder.directory) for rule in rules)
        if rules:
            break
    for name in update_bots.DEPENDABOT_FILES:
        for rule in _read_rules(files, folder, name, update_bots.read_dependabot):
            yield replace(rule, directory="/".join(filter(None, (folder.directory, rule.directory))))


def _warn_unread_presets(files: ConfigFiles, folder: _Folder, name: str) -> None:
    if name.partition("/")[0] not in folder.names or not (text := files.read_text(folder.path / name)):
        return
    for preset, line in islice(update_bots.list_unread_presets(text, name), _MAX_PRESETS):
        path = _display(folder.path / name)
        files.warnings.append(
            f"{path}:{line}: the preset {preset} of Renovate is not read: it may have a minimumReleaseAge"
        )


def _read_rules(files: ConfigFiles, folder: _Folder, name: str, reader: Reader) -> Iterator[AgeRule]:
    if name.partition("/")[0] in folder.names and (text := files.read_text(folder.path / name)):
        yield from reader(text, f"{folder.directory}/{name}" if folder.directory else _display(folder.path / name))


def _display(path: Path) -> str:
    try:
        return Path(os.path.relpath(path)).as_posix()
    except ValueError:  # on another drive
        return path.as_posix()


# --- tools and their defaults


def _find_tools(
    chain: Sequence[_Folder],
    formats: Collection[str],
    python_tool_by_folder: Mapping[Path, Sequence[_Tool]],
    npm_tool_by_folder: Mapping[Path, _Tool | None],
) -> Iterator[_Tool]:
    """Yield the tools that install the packages of a directory.

    Args:
        chain: the directory and those around it.
        formats: the formats of the dependency files in it.
        python_tool_by_folder: the tools of Python packages that each directory shows.
        npm_tool_by_folder: the tool of npm packages that each directory shows.
    """
    ecosystems = {ecosystem for name in formats if name in FORMATS for ecosystem in FORMATS[name].ecosystems}
    if PYPI in ecosystems and chain:
        python = next((tool for folder in chain for tool in python_tool_by_folder.get(folder.path, ())), None)
        if python is not None:
            yield python
        if "requirements" in formats or python is None:
            yield _Tool("pip", chain[0])
    if NPM in ecosystems and chain:
        yield next(filter(None, (npm_tool_by_folder.get(folder.path) for folder in chain)), _Tool("npm", chain[0]))


def _list_python_tools(files: ConfigFiles, folder: _Folder) -> Iterator[_Tool]:
    """Yield the tools whose files are in a directory, then those with a table in its pyproject.toml."""
    for name, markers in _PYTHON_TOOLS.items():
        if folder.names.intersection(markers):
            yield _Tool(name, folder)
    if "pyproject.toml" in folder.names:
        text = files.read_text(folder.path / "pyproject.toml")
        for name, table in (
            ("uv", "[tool.uv"),
            ("Poetry", "[tool.poetry"),
            ("PDM", "[tool.pdm"),
            ("pixi", "[tool.pixi"),
        ):
            if table in text:
                yield _Tool(name, folder)


def _find_npm_tool(files: ConfigFiles, folder: _Folder) -> _Tool | None:
    marked = next((name for name, markers in _NPM_TOOLS.items() if folder.names.intersection(markers)), "")
    if "package.json" in folder.names and (marked or folder.is_top):
        match = _PACKAGE_MANAGER.search(files.read_text(folder.path / "package.json"))
        if match is not None:
            return _Tool(_TOOL_NAMES[match[1]], folder, (int(match[2]), int(match[3] or 0)))
    return _Tool(marked, folder) if marked else None


def _make_defaults(tools: Iterable[_Tool], rules: Sequence[AgeRule]) -> Iterator[AgeRule]:
    """Yield the rules of tools that have one by default, unless the project sets its own."""
    for tool in tools:
        has_own = any(
            rule.tool == tool.name and f"{tool.folder.directory}/".startswith(f"{rule.directory}/".lstrip("/"))
            for rule in rules
        )
        if has_own:
            continue
        if tool.name == "pnpm" and (tool.version is None or tool.version[0] >= _PNPM_DEFAULT_SINCE):
            yield _make_default(tool, "minimumReleaseAge", "pnpm-workspace.yaml", _PNPM_DEFAULT, MINUTE)
        if tool.name == "Yarn" and _has_yarn_default(tool):
            yield _make_default(tool, "npmMinimalAgeGate", ".yarnrc.yml", _YARN_DEFAULT, MINUTE)
        if tool.name == "Deno":
            yield _make_default(tool, "minimumDependencyAge", "deno.json", _DENO_DEFAULT, MINUTE)


def _has_yarn_default(tool: _Tool) -> bool:
    if tool.version is not None:
        return tool.version >= _YARN_DEFAULT_SINCE
    try:
        with (tool.folder.path / "yarn.lock").open("rb") as file:
            match = _YARN_LOCK_VERSION.search(file.read(2_000).decode("utf-8", "replace"))
    except OSError:
        return False
    return match is not None and int(match[1]) >= _YARN_LOCK_SINCE


def _make_default(tool: _Tool, setting: str, name: str, seconds: int, unit: int) -> AgeRule:
    path = f"{tool.folder.directory}/{name}" if tool.folder.directory else name
    rule = make_rule(tool.name, NPM, setting, seconds // unit, Age(seconds=seconds), Location(path=path, line=0))
    return replace(rule, directory=tool.folder.directory, is_default=True)


# --- settings of the user


def _read_user_rules(files: ConfigFiles, tools: set[str]) -> list[AgeRule]:
    """Return the first rule of the user for each tool: of the environment, then of the files."""
    rules: dict[str, AgeRule] = {}
    for tool, find in _USER_RULES.items():
        if tool in tools and (rule := next(find(files), None)) is not None:
            rules[tool] = replace(rule, is_user=True)
    return list(rules.values())


def _read_user_files(files: ConfigFiles, paths: Iterable[Path], reader: Reader) -> Iterator[AgeRule]:
    for path in paths:
        if text := files.read_text(path):
            yield from reader(text, files.shorten_path(path))


def _find_uv_rules(files: ConfigFiles) -> Iterator[AgeRule]:
    if value := files.environ.get("UV_EXCLUDE_NEWER"):
        age = python_tools.parse_uv_value(value)
        yield make_rule("uv", PYPI, "UV_EXCLUDE_NEWER", value, age, _ENVIRONMENT)
    yield from _read_user_files(
        files, find_uv_files(files.environ, home=files.home, root=files.root), python_tools.read_uv
    )


def _find_pip_rules(files: ConfigFiles) -> Iterator[AgeRule]:
    if value := files.environ.get("PIP_UPLOADED_PRIOR_TO"):
        age = python_tools.parse_pip_value(value)
        yield make_rule("pip", PYPI, "PIP_UPLOADED_PRIOR_TO", value, age, _ENVIRONMENT)
    paths = find_pip_files(files.environ, home=files.home, root=files.root)
    yield from _read_user_files(files, paths, python_tools.read_pip)


def _find_poetry_rules(files: ConfigFiles) -> Iterator[AgeRule]:
    from nerq_cli.manifests.age_rules.values import parse_number

    if value := files.environ.get("POETRY_SOLVER_MIN_RELEASE_AGE"):
        age = parse_number(value, "days")
        yield make_rule("Poetry", PYPI, "POETRY_SOLVER_MIN_RELEASE_AGE", value, age, _ENVIRONMENT)
    path = _find_config_home(files) / "pypoetry" / "config.toml"
    yield from _read_user_files(files, (path,), python_tools.read_poetry)


def _find_pdm_rules(files: ConfigFiles) -> Iterator[AgeRule]:
    yield from _read_user_files(files, (_find_config_home(files) / "pdm" / "config.toml",), python_tools.read_pdm)


def _find_npm_rules(files: ConfigFiles) -> Iterator[AgeRule]:
    variables = {name.lower().replace("_", "-"): value for name, value in files.environ.items() if value}
    for key in ("before", "min-release-age"):
        if value := variables.get(f"npm-config-{key}"):
            age = npm_tools.parse_npm(key, value)
            yield make_rule("npm", NPM, f"npm_config_{key.replace('-', '_')}", value, age, _ENVIRONMENT)
    path = Path(variables.get("npm-config-userconfig") or files.home / ".npmrc")
    for rule in _read_user_files(files, (path,), npm_tools.read_npmrc):
        if rule.tool == "npm":
            yield rule


def _find_pnpm_rules(files: ConfigFiles) -> Iterator[AgeRule]:
    variables = {name.lower(): value for name, value in files.environ.items() if value}
    for name in ("pnpm_config_minimum_release_age", "npm_config_minimum_release_age"):
        if value := variables.get(name):
            yield make_rule("pnpm", NPM, name, value, npm_tools.parse_pnpm(value), _ENVIRONMENT)
    path = _find_config_home(files) / "pnpm" / "config.yaml"
    yield from _read_user_files(files, (path,), npm_tools.read_pnpm_workspace)


def _find_yarn_rules(files: ConfigFiles) -> Iterator[AgeRule]:
    if value := files.environ.get("YARN_NPM_MINIMAL_AGE_GATE"):
        yield make_rule("Yarn", NPM, "YARN_NPM_MINIMAL_AGE_GATE", value, npm_tools.parse_yarn(value), _ENVIRONMENT)
    yield from _read_user_files(files, (files.home / ".yarnrc.yml",), npm_tools.read_yarnrc)


def _find_bun_rules(files: ConfigFiles) -> Iterator[AgeRule]:
    config_home = files.environ.get("XDG_CONFIG_HOME", "")
    folders = (*((Path(config_home),) if config_home.startswith("/") else ()), files.home)
    yield from _read_user_files(files, (folder / ".bunfig.toml" for folder in folders), npm_tools.read_bunfig)


def _find_config_home(files: ConfigFiles) -> Path:
    directory = files.environ.get("XDG_CONFIG_HOME", "")
    return Path(directory) if directory.startswith("/") else files.home / ".config"


_ENVIRONMENT: Final = Location(path="environment", line=0)
_USER_RULES: Final[Mapping[str, Callable[[ConfigFiles], Iterator[AgeRule]]]] = {
    "uv": _find_uv_rules,
    "pip": _find_pip_rules,
    "Poetry": _find_poetry_rules,
    "PDM": _find_pdm_rules,
    "npm": _find_npm_rules,
    "pnpm": _find_pnpm_rules,
    "Yarn": _find_yarn_rules,
    "Bun": _find_bun_rules,
}
