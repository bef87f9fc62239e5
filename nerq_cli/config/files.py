"""Find the settings file of a scan, and read it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from nerq_cli.config.document import (
    KeyPath,
    ProblemCollector,
    TomlFile,
    build_error,
    display_path,
    iter_directories,
    list_lines,
    parse_toml,
    read_toml_file,
)
from nerq_cli.config.model import Config, Value
from nerq_cli.errors import ConfigError
from nerq_cli.inventory import Location
from nerq_cli.patterns import compile_late
from nerq_cli.policy.waivers import Waiver
from nerq_cli.problem import Problem

#: Files of settings alone, the first one outweighs the second.
_NAMES: Final = ("nerq.toml", ".nerq.toml")
_PYPROJECT: Final = "pyproject.toml"


def read_config_file(path: Path) -> Config:
    """Return the settings of a file that the user named: settings alone, or a pyproject.toml.

    Raises:
        ConfigError: the file does not exist, is not TOML, or has unknown settings or invalid values.
    """
    file = read_toml_file(path, is_named=True)
    if file is None:
        raise ConfigError(f"{display_path(path)} cannot be used: there is no such settings file")
    table = _read_tool_table(file) if file.is_pyproject else parse_toml(file)
    return _build_config(file, table or {})


def read_config(start: Path, *, home: Path | None = None) -> Config:
    """Return the settings for a scan of ``start`` (a file or a directory); the defaults without a file.

    Settings in the home directory (``home``) or above it apply only if it is itself scanned.

    Raises:
        ConfigError: the file is not TOML, or has unknown settings or invalid values; it lists all of them.
    """
    directories = iter_directories(start, home or Path(os.path.expanduser("~")))  # noqa: PTH111 - Path.home() may raise
    for directory in directories:
        config = read_directory_config(directory)
        if config is not None:
            warning = _compare_with_outer(config, directories)
            return replace(config, warnings=(*config.warnings, warning)) if warning else config
    return Config()


def _compare_with_outer(config: Config, outer_directories: Iterable[Path]) -> str:
    """Return a warning about the next settings file around the one that applies; empty if there is none."""
    for directory in outer_directories:
        try:
            outer = read_directory_config(directory)
        except ConfigError as error:
            return f"{config.path} applies; settings around it do not, and cannot be compared: {error}"
        if outer is not None:
            from nerq_cli.config.weaker import find_weaker

            differences = [*find_weaker(outer, config)]
            if dropped := [pattern for pattern in outer.private if pattern not in config.private]:
                differences.append(f"private - {', '.join(dropped)}")
            more = f", and it accepts more than that: {'; '.join(differences)}" if differences else ""
            return f"{config.path} applies; {outer.path} around it does not{more}"
    return ""


def read_directory_config(directory: Path) -> Config | None:
    """Return the settings in one directory; None if it has none.

    Raises:
        ConfigError: the file is not TOML, or has unknown settings or invalid values; it lists all of them.
    """
    files = [file for name in _NAMES if (file := read_toml_file(directory / name)) is not None]
    pyproject_file = read_toml_file(directory / _PYPROJECT)
    if files:
        warnings = tuple(_warn_ignored(files, pyproject_file))
        return _build_config(files[0], parse_toml(files[0]), warnings=warnings)
    if pyproject_file is not None and (table := _read_tool_table(pyproject_file)) is not None:
        return _build_config(pyproject_file, table)
    return None


def find_private_strings(start: Path, *, home: Path | None = None) -> tuple[str, ...]:
    """Return the strings that settings which cannot be used have under ``private``, as far as they can be read.

    The nearest directory with a settings file counts, as for ``read_config``. The file need not be TOML.
    """
    for directory in iter_directories(start, home or Path(os.path.expanduser("~"))):  # noqa: PTH111 - as above
        if not any(find_nested([directory])):
            continue
        strings: dict[str, None] = {}
        for name in (*_NAMES, _PYPROJECT):
            with suppress(ConfigError):
                file = read_toml_file(directory / name)
                for match in _PRIVATE.finditer(file.text) if file is not None else ():
                    strings.update(dict.fromkeys(text[1:-1] for text in _STRING.findall(match["items"])))
        return tuple(filter(None, strings))
    return ()


#: A list of strings named ``private``, and one of its strings. Each character can match in one way only.
_PRIVATE = compile_late(
    r"""^[^\n#]*?\bprivate\b["']?[ \t]*=[ \t]*\[?(?P<items>(?:[\s,]|\#[^\n]*|"[^"\n]*"|'[^'\n]*')*)""", re.MULTILINE
)
_STRING = compile_late(r"""(?m)"[^"\n]*"|'[^'\n]*'""")


def find_nested(directories: Iterable[Path]) -> Iterator[Path]:
    """Yield the settings files in these directories, which do not apply."""
    for directory in directories:
        yield from (path for name in _NAMES if os.path.lexists(path := directory / name))
        file = read_toml_file(directory / _PYPROJECT)  # raises nothing for a pyproject.toml
        if file is not None and "nerq" in file.text and _TABLE_HEADER.search(file.text):
            yield file.path


#: A header of the table ``tool.nerq``, also in a file that is not valid TOML.
#: Each run of white space can match in one way only: a line of 100,000 spaces takes no time.
_TABLE_HEADER = compile_late(r"""^[ \t]*(?:\[{1,2}[ \t]*)?["']?tool["']?[ \t]*\.[ \t]*["']?nerq\b""", re.MULTILINE)


def _read_tool_table(file: TomlFile) -> Mapping[str, object] | None:
    """Return ``[tool.nerq]`` of a pyproject.toml; None without that table, also if the file is not valid TOML."""
    if "nerq" not in file.text:
        return None
    try:
        document = parse_toml(file)
    except ConfigError:
        if _TABLE_HEADER.search(file.text):
            raise
        return None
    tool = document.get("tool")
    if not isinstance(tool, dict) or "nerq" not in tool:
        return None
    table = tool["nerq"]
    if not isinstance(table, dict):
        message = "[tool.nerq] is a table of settings, not a single value"
        line = list_lines(file).get(("tool", "nerq"), 0)
        hint = "write [tool.nerq] and the settings below it"
        path = display_path(file.path)
        raise build_error(Problem(path=path, line=line, message=message, text="nerq" if line else "", hint=hint))
    return table


def _warn_ignored(files: Sequence[TomlFile], pyproject_file: TomlFile | None) -> Iterator[str]:
    """Yield a warning about each settings file, and each [tool.nerq], that has no effect."""
    applied = display_path(files[0].path)
    for file in files[1:]:
        yield f"{applied} applies; {file.path.name} beside it does not"
    if pyproject_file is not None and _TABLE_HEADER.search(pyproject_file.text):
        yield f"{applied} applies; [tool.nerq] in the pyproject.toml beside it does not"


def _build_config(file: TomlFile, table: Mapping[str, object], *, warnings: tuple[str, ...] = ()) -> Config:
    from nerq_cli.config.layers import build_config

    reader = _TableReader(file)
    reader.read(table)
    if reader.problems:
        raise build_error(*sorted(reader.problems))
    return build_config(reader.values, path=display_path(file.path), warnings=warnings, waivers=tuple(reader.waivers))


class _TableReader(ProblemCollector):
    """Reads the values of a table, and collects every problem."""

    def __init__(self, file: TomlFile) -> None:
        super().__init__(file, ("tool", "nerq") if file.is_pyproject else ())
        self.values: dict[str, Value] = {}
        self.waivers: list[Waiver] = []

    def read(self, table: Mapping[str, object]) -> None:
        """Read the settings at the top."""
        from nerq_cli.config.table import SETTINGS, TOP_KEYS

        self.check_keys(table, TOP_KEYS, (), "settings")
        for key in TOP_KEYS:
            if key in SETTINGS and key in table:
                self._read_value(key, (key,), table[key])
        if (thresholds := self._read_table(table, "thresholds", ())) is not None:
            self._read_thresholds(thresholds)
        if (rules := self._read_table(table, "rules", ())) is not None:
            self._read_rules(rules)
        if "waivers" in table:
            self._read_waivers(table["waivers"])

    def _read_waivers(self, entries: object) -> None:
        from nerq_cli.config.waivers import WAIVER_KEYS, read_waiver

        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            hint = "write [[tool.nerq.waivers]]" if self._file.is_pyproject else "write [[waivers]]"
            self.add_problem(("waivers",), "waivers must be an array of tables", f"{hint} above the keys of each")
            return
        for number, entry in enumerate(entries):
            parents = ("waivers", str(number))
            count = len(self.problems)
            self.check_keys(entry, tuple(WAIVER_KEYS), parents, "keys of a waiver")
            location = Location(path=display_path(self._file.path), line=self.find_line(parents))
            result = read_waiver(entry, location)
            for problem in result.problems:
                self.add_problem((*parents, problem.key), problem.message, problem.hint)
            if result.waiver is not None and len(self.problems) == count:
                self.waivers.append(result.waiver)

    def _read_thresholds(self, table: Mapping[str, object]) -> None:
        from nerq_cli.config.table import THRESHOLD_TABLES
        from nerq_cli.config.values import POINTS, SettingError
        from nerq_cli.methodology.packages import PACKAGES

        self.check_keys(table, tuple(THRESHOLD_TABLES), ("thresholds",), "tables of thresholds")
        for name in THRESHOLD_TABLES:
            entries = self._read_table(table, name, ("thresholds",)) or {}
            if name == "dimensions":
                self.check_keys(entries, tuple(PACKAGES.dimensions), ("thresholds", name), "dimensions")
            for key, value in entries.items():
                path = ("thresholds", name, key)
                try:
                    self.values[".".join(path)] = Value(POINTS.read(value), self._describe_origin(path))
                except SettingError as error:
                    self.add_problem(path, f"{'.'.join(path)} {error}")

    def _read_rules(self, table: Mapping[str, object]) -> None:
        from nerq_cli.config.table import SETTINGS
        from nerq_cli.policy.rules import RULES

        ids = tuple(rule.id for rule in RULES)
        self.check_keys(table, ids, ("rules",), "rules")
        for id_ in ids:
            if id_ not in table:
                continue
            prefix = f"rules.{id_}."
            options = tuple(key.removeprefix(prefix) for key in SETTINGS if key.startswith(prefix))
            value = table[id_]
            if not isinstance(value, dict):
                self._read_value(f"{prefix}level", ("rules", id_), value, f"rules.{id_}")
                continue
            self.check_keys(value, options, ("rules", id_), f"options of {id_}")
            for option in options:
                if option in value:
                    self._read_value(prefix + option, ("rules", id_, option), value[option])

    def _read_table(self, table: Mapping[str, object], key: str, parents: KeyPath) -> Mapping[str, object] | None:
        value = table.get(key, {})
        if isinstance(value, dict):
            return value
        self.add_problem((*parents, key), f"{'.'.join((*parents, key))} must be a table")
        return None

    def _read_value(self, key: str, path: KeyPath, value: object, name: str = "") -> None:
        from nerq_cli.config.table import SETTINGS
        from nerq_cli.config.values import SettingError

        try:
            self.values[key] = Value(SETTINGS[key].kind.read(value), self._describe_origin(path))
        except SettingError as error:
            self.add_problem(path, f"{name or '.'.join(path)} {error}", error.hint)

    def _describe_origin(self, path: KeyPath) -> str:
        line = self.find_line(path)
        return f"{display_path(self._file.path)}:{line}" if line else display_path(self._file.path)
