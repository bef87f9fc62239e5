"""Find the settings file of a scan, and read it."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

from msgspec.structs import replace

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
    file = _read_file(path, is_named=True)
    if file is None:
        raise ConfigError(f"{_display_path(path)} cannot be used: there is no such settings file")
    table = _read_tool_table(file) if file.is_pyproject else _parse_toml(file)
    return _build_config(file, table or {})


def read_config(start: Path, *, home: Path | None = None) -> Config:
    """Return the settings for a scan of ``start`` (a file or a directory); the defaults without a file.

    Settings in the home directory (``home``) or above it apply only if it is itself scanned.

    Raises:
        ConfigError: the file is not TOML, or has unknown settings or invalid values; it lists all of them.
    """
    directories = _iter_directories(start, home or Path(os.path.expanduser("~")))  # noqa: PTH111 - Path.home() may raise
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
    files = [file for name in _NAMES if (file := _read_file(directory / name)) is not None]
    pyproject_file = _read_file(directory / _PYPROJECT)
    if files:
        warnings = tuple(_warn_ignored(files, pyproject_file))
        return _build_config(files[0], _parse_toml(files[0]), warnings=warnings)
    if pyproject_file is not None and (table := _read_tool_table(pyproject_file)) is not None:
        return _build_config(pyproject_file, table)
    return None


def find_nested(directories: Iterable[Path]) -> Iterator[Path]:
    """Yield the settings files in these directories, which do not apply."""
    for directory in directories:
        yield from (path for name in _NAMES if os.path.lexists(path := directory / name))
        file = _read_file(directory / _PYPROJECT)  # raises nothing for a pyproject.toml
        if file is not None and "nerq" in file.text and _TABLE_HEADER.search(file.text):
            yield file.path


#: Largest settings file, in bytes; a pyproject.toml has other tables too.
_MAX_BYTES: Final = 64 * 1024
_MAX_PYPROJECT_BYTES: Final = 1024 * 1024
#: Unknown settings that are reported. The file is searched for each of them.
_MAX_UNKNOWN: Final = 50
#: A header of the table ``tool.nerq``, also in a file that is not valid TOML.
#: Each run of white space can match in one way only: a line of 100,000 spaces takes no time.
_TABLE_HEADER = compile_late(r"""^[ \t]*(?:\[{1,2}[ \t]*)?["']?tool["']?[ \t]*\.[ \t]*["']?nerq\b""", re.MULTILINE)


def _iter_directories(start: Path, home: Path) -> Iterator[Path]:
    """Yield the scanned directory and its parents, up to the root of the repository and below the home directory."""
    absolute = Path(os.path.abspath(start))  # noqa: PTH100 - resolve() would leave the path the user knows
    start_directory = absolute.parent if absolute.is_file() else absolute
    yield start_directory
    child = start_directory
    for directory in start_directory.parents:
        if home in (child, directory) or os.path.lexists(child / ".git"):
            return
        yield directory
        child = directory


class _ConfigFile(NamedTuple):
    """The text of a file; invalid UTF-8 is kept as surrogate escapes."""

    path: Path
    text: str

    @property
    def is_pyproject(self) -> bool:
        """Return whether the settings are in the table ``tool.nerq``."""
        return self.path.name == "pyproject.toml"


def _read_file(path: Path, *, is_named: bool = False) -> _ConfigFile | None:
    """Return the file; None if it does not exist, or cannot be read and is a pyproject.toml.

    Only a regular file of at most ``_MAX_BYTES`` is read. A link that leads out of its directory is not followed,
    unless the user named the file: a scanned project could show files of the machine in messages.
    """
    if not os.path.lexists(path):
        return None
    try:
        status = os.stat(path)  # noqa: PTH116 - is_file() raises without permission to search the directory
        problem = _find_file_problem(path, status, is_named=is_named)
        content = b"" if problem else path.read_bytes()
    except OSError as error:
        content, problem = b"", f"cannot be read: {error.strerror}"
    if not problem:
        return _ConfigFile(path, content.decode("utf-8-sig", "surrogateescape"))
    if path.name == "pyproject.toml":  # it need not have settings for this program
        return None
    raise _build_error(Problem(path=_display_path(path), message=problem))


def _find_file_problem(path: Path, status: os.stat_result, *, is_named: bool) -> str:
    if not stat.S_ISREG(status.st_mode):
        return "is not a regular file"
    if not is_named and os.path.islink(path) and not _stays_inside(path):  # noqa: PTH114
        return "is a link out of its directory, which is not followed"
    max_bytes = _MAX_PYPROJECT_BYTES if path.name == "pyproject.toml" else _MAX_BYTES
    return f"is larger than {max_bytes // 1024:,} KB" if status.st_size > max_bytes else ""


def _stays_inside(path: Path) -> bool:
    target, directory = os.path.realpath(path), os.path.realpath(path.parent)
    return target.startswith(directory + os.sep)


def _parse_toml(file: _ConfigFile) -> Mapping[str, object]:
    import tomli

    try:
        file.text.encode()
        return tomli.loads(file.text)
    except UnicodeEncodeError as error:
        line = file.text.count("\n", 0, error.start) + 1
        raise _build_error(Problem(path=_display_path(file.path), line=line, message="is not UTF-8 text")) from error
    except tomli.TOMLDecodeError as error:
        raise _build_error(_build_syntax_problem(file, error.msg, error.lineno, error.colno)) from error
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits, lists in lists in lists
        raise _build_error(Problem(path=_display_path(file.path), message=f"is not TOML: {error}")) from error


def _read_tool_table(file: _ConfigFile) -> Mapping[str, object] | None:
    """Return ``[tool.nerq]`` of a pyproject.toml; None without that table, also if the file is not valid TOML."""
    if "nerq" not in file.text:
        return None
    try:
        document = _parse_toml(file)
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
        line = _list_lines(file).get(("tool", "nerq"), 0)
        hint = "write [tool.nerq] and the settings below it"
        path = _display_path(file.path)
        raise _build_error(Problem(path=path, line=line, message=message, text="nerq" if line else "", hint=hint))
    return table


def _warn_ignored(files: Sequence[_ConfigFile], pyproject_file: _ConfigFile | None) -> Iterator[str]:
    """Yield a warning about each settings file, and each [tool.nerq], that has no effect."""
    applied = _display_path(files[0].path)
    for file in files[1:]:
        yield f"{applied} applies; {file.path.name} beside it does not"
    if pyproject_file is not None and _TABLE_HEADER.search(pyproject_file.text):
        yield f"{applied} applies; [tool.nerq] in the pyproject.toml beside it does not"


def _display_path(path: Path) -> str:
    """Return the path relative to the working directory if it is below it."""
    try:
        return path.relative_to(Path.cwd()).as_posix()
    except (ValueError, OSError):
        return str(path)


_Path: TypeAlias = tuple[str, ...]


def _build_config(file: _ConfigFile, table: Mapping[str, object], *, warnings: tuple[str, ...] = ()) -> Config:
    from nerq_cli.config.layers import build_config

    reader = _TableReader(file)
    reader.read(table)
    if reader.problems:
        raise _build_error(*sorted(reader.problems))
    return build_config(reader.values, path=_display_path(file.path), warnings=warnings, waivers=tuple(reader.waivers))


class _TableReader:
    """Reads the values of a table, and collects every problem."""

    def __init__(self, file: _ConfigFile) -> None:
        self._file = file
        self._root: _Path = ("tool", "nerq") if file.is_pyproject else ()
        self._lines: dict[_Path, int] | None = None
        self.values: dict[str, Value] = {}
        self.waivers: list[Waiver] = []
        self.problems: list[Problem] = []

    def read(self, table: Mapping[str, object]) -> None:
        """Read the settings at the top."""
        from nerq_cli.config.table import SETTINGS, TOP_KEYS

        self._check_keys(table, TOP_KEYS, (), "settings")
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
            self._add_problem(("waivers",), "waivers must be an array of tables", f"{hint} above the keys of each")
            return
        for number, entry in enumerate(entries):
            parents = ("waivers", str(number))
            count = len(self.problems)
            self._check_keys(entry, tuple(WAIVER_KEYS), parents, "keys of a waiver")
            location = Location(path=_display_path(self._file.path), line=self._find_line(parents))
            result = read_waiver(entry, location)
            for problem in result.problems:
                self._add_problem((*parents, problem.key), problem.message, problem.hint)
            if result.waiver is not None and len(self.problems) == count:
                self.waivers.append(result.waiver)

    def _read_thresholds(self, table: Mapping[str, object]) -> None:
        from nerq_cli.config.table import THRESHOLD_TABLES
        from nerq_cli.config.values import POINTS, SettingError
        from nerq_cli.methodology.packages import PACKAGES

        self._check_keys(table, tuple(THRESHOLD_TABLES), ("thresholds",), "tables of thresholds")
        for name in THRESHOLD_TABLES:
            entries = self._read_table(table, name, ("thresholds",)) or {}
            if name == "dimensions":
                self._check_keys(entries, tuple(PACKAGES.dimensions), ("thresholds", name), "dimensions")
            for key, value in entries.items():
                path = ("thresholds", name, key)
                try:
                    self.values[".".join(path)] = Value(POINTS.read(value), self._describe_origin(path))
                except SettingError as error:
                    self._add_problem(path, f"{'.'.join(path)} {error}")

    def _read_rules(self, table: Mapping[str, object]) -> None:
        from nerq_cli.config.table import SETTINGS
        from nerq_cli.policy.rules import RULES

        ids = tuple(rule.id for rule in RULES)
        self._check_keys(table, ids, ("rules",), "rules")
        for id_ in ids:
            if id_ not in table:
                continue
            prefix = f"rules.{id_}."
            options = tuple(key.removeprefix(prefix) for key in SETTINGS if key.startswith(prefix))
            value = table[id_]
            if not isinstance(value, dict):
                self._read_value(f"{prefix}level", ("rules", id_), value, f"rules.{id_}")
                continue
            self._check_keys(value, options, ("rules", id_), f"options of {id_}")
            for option in options:
                if option in value:
                    self._read_value(prefix + option, ("rules", id_, option), value[option])

    def _read_table(self, table: Mapping[str, object], key: str, parents: _Path) -> Mapping[str, object] | None:
        value = table.get(key, {})
        if isinstance(value, dict):
            return value
        self._add_problem((*parents, key), f"{'.'.join((*parents, key))} must be a table")
        return None

    def _read_value(self, key: str, path: _Path, value: object, name: str = "") -> None:
        from nerq_cli.config.table import SETTINGS
        from nerq_cli.config.values import SettingError

        try:
            self.values[key] = Value(SETTINGS[key].kind.read(value), self._describe_origin(path))
        except SettingError as error:
            self._add_problem(path, f"{name or '.'.join(path)} {error}", error.hint)

    def _check_keys(self, table: Mapping[str, object], known: tuple[str, ...], parents: _Path, noun: str) -> None:
        from nerq_cli.config.values import suggest

        singular = {"settings": "setting", "rules": "rule", "dimensions": "dimension"}.get(noun, "key")
        for key in islice((key for key in table if key not in known), _MAX_UNKNOWN):
            shown = [part for part in (*parents, key) if not part.isdecimal()] or [key]
            message = f"there is no {singular} {'.'.join(shown) if singular == 'key' else key!r}"
            self._add_problem((*parents, key), message, suggest(key, known, noun))

    def _add_problem(self, path: _Path, message: str, hint: str = "") -> None:
        # The value is not quoted: it may be a secret, and the file may be another one than the user thinks.
        line = self._find_line(path)
        text = path[-1] if line else ""
        self.problems.append(
            Problem(path=_display_path(self._file.path), line=line, message=message, text=text, hint=hint)
        )

    def _describe_origin(self, path: _Path) -> str:
        line = self._find_line(path)
        return f"{_display_path(self._file.path)}:{line}" if line else _display_path(self._file.path)

    def _find_line(self, path: _Path) -> int:
        """Return the line that sets a key, or the nearest table around it; 0 if not found."""
        if self._lines is None:
            self._lines = _list_lines(self._file)
        full_path = (*self._root, *path)
        ends = range(len(full_path), len(self._root), -1)
        return next((line for end in ends if (line := self._lines.get(full_path[:end]))), 0)


# Errors with their place in the file.

_KEY: Final = r"""(?:"[^"\\]*"|'[^']*'|[A-Za-z0-9_-]+)"""
_KEYS: Final = rf"(?P<keys>{_KEY}(?: ?\. ?{_KEY})*)"
_HEADER: Final = compile_late(rf"\[{{1,2}} ?{_KEYS} ?\]")
_ASSIGNMENT: Final = compile_late(rf"{_KEYS} ?=")
_INLINE: Final = compile_late(rf"[{{,] ?{_KEYS} ?=")
_SINGLE_KEY: Final = compile_late(_KEY)


def _list_lines(file: _ConfigFile) -> dict[_Path, int]:
    """Return the line of each key and table: the TOML library keeps no positions.

    The number of a table of an array is part of its path: ``waivers``, ``0``.
    Keys with escape sequences are left out, and so are most of what a text over several lines contains.
    """
    lines: dict[_Path, int] = {}
    counts: dict[_Path, int] = {}
    table: _Path = ()
    for number, line in enumerate(file.text.split("\n"), start=1):
        text = " ".join(line.split())  # a pattern would try every part of a run of white space
        if header := _HEADER.match(text):
            table = _split_keys(header["keys"])
            lines.setdefault(table, number)
            if text.startswith("[["):
                counts[table] = counts.get(table, -1) + 1
                table = (*table, str(counts[table]))
                lines[table] = number
        elif assignment := _ASSIGNMENT.match(text):
            path = (*table, *_split_keys(assignment["keys"]))
            lines.setdefault(path, number)
            for match in _INLINE.finditer(text, assignment.end()):
                lines.setdefault((*path, *_split_keys(match["keys"])), number)
    return lines


def _split_keys(text: str) -> _Path:
    return tuple(key.strip("\"'") for key in _SINGLE_KEY.findall(text))


def _build_syntax_problem(file: _ConfigFile, message: str, line: int, column: int) -> Problem:
    return Problem(path=_display_path(file.path), line=line, column=column, message=f"is not TOML: {message}")


def _build_error(*problems: Problem) -> ConfigError:
    subject = "it" if len(problems) == 1 else f"{len(problems)} settings in it"
    return ConfigError(f"{problems[0].path}: {subject} cannot be used", problems=problems)
