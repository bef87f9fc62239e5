"""TOML files of a project that state what a run may accept: how they are found and read, and their errors."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

from nerq_cli.errors import ConfigError
from nerq_cli.patterns import compile_late
from nerq_cli.problem import Problem

KeyPath: TypeAlias = tuple[str, ...]
#: The file of reviews.
REVIEW_FILE: Final = "nerq-reviews.toml"
#: Largest settings file, in bytes; a pyproject.toml has other tables too.
_MAX_BYTES: Final = 64 * 1024
_MAX_PYPROJECT_BYTES: Final = 1024 * 1024
#: Unknown settings of one table that are reported one by one. The nearest name is searched for each of them.
_MAX_UNKNOWN: Final = 50
#: A key in TOML, as far as keys of rules go.
_WORD: Final = compile_late(r"[a-z][a-z-]*")


def iter_directories(start: Path, home: Path) -> Iterator[Path]:
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


def find_review_file(start: Path, *, home: Path | None = None) -> Path | None:
    """Return the file of reviews for a scan of ``start``: the nearest one, looked for where settings are."""
    for directory in iter_directories(start, home or Path(os.path.expanduser("~"))):  # noqa: PTH111 - Path.home() may raise
        path = directory / REVIEW_FILE
        if os.path.lexists(path):
            return path
    return None


class TomlFile(NamedTuple):
    """The text of a file; invalid UTF-8 is kept as surrogate escapes."""

    path: Path
    text: str

    @property
    def is_pyproject(self) -> bool:
        """Return whether the settings are in the table ``tool.nerq``."""
        return self.path.name == "pyproject.toml"


def read_toml_file(path: Path, *, is_named: bool = False, max_bytes: int = _MAX_BYTES) -> TomlFile | None:
    """Return the file; None if it does not exist, or cannot be read and is a pyproject.toml.

    Only a regular file of at most ``max_bytes`` is read. A link that leads out of its directory is not followed,
    unless the user named the file: a scanned project could show files of the machine in messages.

    Raises:
        ConfigError: it is no such file, or cannot be read.
    """
    if not os.path.lexists(path):
        return None
    try:
        status = os.stat(path)  # noqa: PTH116 - is_file() raises without permission to search the directory
        problem = _find_file_problem(path, status, max_bytes, is_named=is_named)
        content = b"" if problem else path.read_bytes()
    except OSError as error:
        content, problem = b"", f"cannot be read: {error.strerror}"
    if not problem:
        return TomlFile(path, content.decode("utf-8-sig", "surrogateescape"))
    if path.name == "pyproject.toml":  # it need not have settings for this program
        return None
    raise build_error(Problem(path=display_path(path), message=problem))


def _find_file_problem(path: Path, status: os.stat_result, max_bytes: int, *, is_named: bool) -> str:
    if not stat.S_ISREG(status.st_mode):
        return "is not a regular file"
    if not is_named and os.path.islink(path) and not _stays_inside(path):  # noqa: PTH114
        return "is a link out of its directory, which is not followed"
    if path.name == "pyproject.toml":
        max_bytes = _MAX_PYPROJECT_BYTES
    return f"is larger than {max_bytes // 1024:,} KB" if status.st_size > max_bytes else ""


def _stays_inside(path: Path) -> bool:
    target, directory = os.path.realpath(path), os.path.realpath(path.parent)
    return target.startswith(directory + os.sep)


def parse_toml(file: TomlFile) -> Mapping[str, object]:
    """Return the content of a file.

    Raises:
        ConfigError: it is not TOML.
    """
    import tomli

    try:
        file.text.encode()
        return tomli.loads(file.text)
    except UnicodeEncodeError as error:
        line = file.text.count("\n", 0, error.start) + 1
        raise build_error(Problem(path=display_path(file.path), line=line, message="is not UTF-8 text")) from error
    except tomli.TOMLDecodeError as error:
        raise build_error(_build_syntax_problem(file, error.msg, error.lineno, error.colno)) from error
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits, lists in lists in lists
        raise build_error(Problem(path=display_path(file.path), message=f"is not TOML: {error}")) from error


def display_path(path: Path) -> str:
    """Return the path relative to the working directory if it is below it."""
    try:
        return path.relative_to(Path.cwd()).as_posix()
    except (ValueError, OSError):
        return str(path)


class ProblemCollector:
    """Collects what is wrong in a file, each problem with its line."""

    def __init__(self, file: TomlFile, root: KeyPath = ()) -> None:
        """Take the file, and the table of it that paths are relative to."""
        self._file = file
        self._root = root
        self._lines: dict[KeyPath, int] | None = None
        self.problems: list[Problem] = []

    def check_keys(self, table: Mapping[str, object], known: tuple[str, ...], parents: KeyPath, noun: str) -> None:
        """Add a problem for each key of a table that is not known; ``noun`` names the known ones."""
        from nerq_cli.config.values import suggest

        singular = {"settings": "setting", "rules": "rule", "dimensions": "dimension"}.get(noun, "key")
        unknown = [key for key in table if key not in known]
        for key in unknown[:_MAX_UNKNOWN]:
            shown = [part for part in (*parents, key) if not part.isdecimal()] or [key]
            message = f"there is no {singular} {'.'.join(shown) if singular == 'key' else key!r}"
            self.add_problem((*parents, key), message, suggest(key, known, noun))
        if hidden_count := len(unknown[_MAX_UNKNOWN:]):
            self.add_problem(parents, f"has {hidden_count:,} more keys that are not known")

    def add_problem(self, path: KeyPath, message: str, hint: str = "") -> None:
        """Add a problem at the line of a key."""
        # The value is not quoted: it may be a secret, and the file may be another one than the user thinks.
        line = self.find_line(path)
        text = path[-1] if line else ""
        self.problems.append(
            Problem(path=display_path(self._file.path), line=line, message=message, text=text, hint=hint)
        )

    def find_line(self, path: KeyPath) -> int:
        """Return the line that sets a key, or the nearest table around it; 0 if not found."""
        if self._lines is None:
            self._lines = list_lines(self._file)
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


def list_lines(file: TomlFile) -> dict[KeyPath, int]:
    """Return the line of each key and table: the TOML library keeps no positions.

    The number of a table of an array is part of its path: ``waivers``, ``0``.
    Keys with escape sequences are left out, and so are most of what a text over several lines contains.
    """
    lines: dict[KeyPath, int] = {}
    counts: dict[KeyPath, int] = {}
    table: KeyPath = ()
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


def _split_keys(text: str) -> KeyPath:
    return tuple(key.strip("\"'") for key in _SINGLE_KEY.findall(text))


def _build_syntax_problem(file: TomlFile, message: str, line: int, column: int) -> Problem:
    hint = ""
    lines = file.text.split("\n")
    if 0 < line <= len(lines) and "overwrite" in message:
        from nerq_cli.policy.rules import RULES

        ids = {rule.id for rule in RULES}
        if rule := next((word for word in _WORD.findall(lines[line - 1]) if word in ids), ""):
            hint = f'{rule} has options: write its level beside them, level = "…", in place of {rule} = "…"'
    path = display_path(file.path)
    return Problem(path=path, line=line, column=column, message=f"is not TOML: {message}", hint=hint)


def build_error(*problems: Problem, noun: str = "settings") -> ConfigError:
    """Return the error that states the problems of a file; ``noun`` names several of its parts."""
    subject = "it" if len(problems) == 1 else f"{len(problems)} {noun} in it"
    return ConfigError(f"{problems[0].path}: {subject} cannot be used", problems=problems)
