"""nerq's own settings: ``nerq.toml``, or ``[tool.nerq]`` in pyproject.toml, at the root of what is scanned.

One file is obeyed: the nearest one at or above the place the scan starts from, not beyond the repository or the home
directory. Files further down belong to what is being judged and get no say in the judgement.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from nerq_cli.errors import ConfigError, Problem
from nerq_cli.inventory import Ecosystem, Package, normalise
from nerq_cli.methodology import DEFAULT_THRESHOLD


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What a project wants of its scan. ``None`` means that it does not say.

    ``threshold`` is in points, 0-100; ``timeout`` in seconds, above 0. ``private`` and ``public`` are glob patterns on
    package names (``acme-*``, ``@acme/*``): the first are never asked about, the second may be asked about even though
    they could come from a further index. ``exclude`` are path patterns in .gitignore syntax. ``groups`` are the
    dependency groups to scan (empty = all of them), ``no_dev`` leaves the development groups out. ``path`` is the file
    all this was read from, empty when there is none; ``warnings`` are sentences for the user.
    """

    threshold: float = DEFAULT_THRESHOLD
    private: tuple[str, ...] = ()
    public: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    timeout: float | None = None
    strict: bool | None = None
    groups: tuple[str, ...] = ()
    no_dev: bool | None = None
    path: str = ""
    warnings: tuple[str, ...] = ()


def read_config(start: Path, *, home: Path | None = None) -> Config:
    """Read the settings that a scan of ``start`` (a file or a directory) obeys; all defaults when there are none.

    ``home`` is the user's home directory: settings in it or above it are nobody's in particular, and are obeyed only
    when it is itself what is scanned.

    Raises:
        ConfigError: the file is not TOML, or settings in it are unknown or impossible; every one of them is named.
    """
    for folder in _folders(start, home or Path(os.path.expanduser("~"))):  # noqa: PTH111 - Path.home() may raise
        own, shared = _open(folder / "nerq.toml"), _open(folder / "pyproject.toml")
        if own is not None:
            return _config(own, _parse(own), warnings=_beside(own, shared))
        if shared is not None and (table := _tool_table(shared)) is not None:
            return _config(shared, table)
    return Config()


def is_private(config: Config, package: Package) -> str:
    """Return the pattern that makes this package private, or "" when none does.

    PyPI names and the patterns meant for them are compared normalised (PEP 503), npm names exactly as written.
    """
    return _matching(config.private, package)


def is_public(config: Config, package: Package) -> str:
    """Return the pattern that says this package is public, or "" when none does."""
    return _matching(config.public, package)


def _matching(patterns: tuple[str, ...], package: Package) -> str:
    if not patterns:
        return ""
    some, each = _compiled(patterns, package.ecosystem)
    if not some(package.name):
        return ""
    return next(pattern for pattern, matches in each if matches(package.name))


_Match = Callable[[str], object]


@lru_cache(maxsize=8)
def _compiled(patterns: tuple[str, ...], ecosystem: Ecosystem) -> tuple[_Match, tuple[tuple[str, _Match], ...]]:
    """Compile the patterns, once all together (most names match none) and once each (to tell which)."""
    translated = [fnmatch.translate(normalise(ecosystem, pattern)) for pattern in patterns]
    each = tuple((pattern, re.compile(one).match) for pattern, one in zip(patterns, translated, strict=True))
    return re.compile("|".join(translated)).match, each


# Finding and reading the file.

#: A line by which a text speaks of nerq's table, broken or not.
_HEADER = re.compile(r"""^[ \t]*\[{0,2}[ \t]*["']?tool["']?[ \t]*\.[ \t]*["']?nerq\b""", re.MULTILINE)


def _folders(start: Path, home: Path) -> Iterator[Path]:
    """The directory scanned and those around it, up to the repository's root; the home directory is out of bounds."""
    absolute = Path(os.path.abspath(start))  # noqa: PTH100 - resolve() would leave the path the user knows
    first = absolute.parent if absolute.is_file() else absolute
    yield first
    inner = first
    for folder in first.parents:
        if home in (inner, folder) or os.path.lexists(inner / ".git"):
            return
        yield folder
        inner = folder


class _File(NamedTuple):
    """A file as it was read; bytes that are not UTF-8 stay recognisable (surrogateescape)."""

    path: Path
    text: str

    @property
    def nested(self) -> bool:
        """Whether the settings stand in a table of their own among those of other tools."""
        return self.path.name == "pyproject.toml"


def _open(path: Path) -> _File | None:
    """Read a file; None when there is none, or none of ours."""
    if not os.path.isfile(path):  # noqa: PTH113 - is_file() raises where a folder may not be searched
        return None
    try:
        return _File(path, path.read_bytes().decode("utf-8-sig", "surrogateescape"))
    except OSError as problem:
        if path.name == "nerq.toml":
            raise _error(Problem(path=_shown(path), message=f"cannot be read: {problem.strerror}")) from problem
        return None


def _parse(file: _File) -> Mapping[str, object]:
    import tomli

    try:
        file.text.encode()
        return tomli.loads(file.text)
    except UnicodeEncodeError as problem:
        line = file.text.count("\n", 0, problem.start) + 1
        raise _error(Problem(path=_shown(file.path), line=line, message="is not UTF-8 text")) from problem
    except tomli.TOMLDecodeError as problem:
        raise _error(_syntax(file, problem.msg, problem.lineno, problem.colno)) from problem
    except (ValueError, RecursionError) as problem:  # a number of 5,000 digits, lists in lists in lists
        raise _error(Problem(path=_shown(file.path), message=f"is not TOML: {problem}")) from problem


def _tool_table(file: _File) -> Mapping[str, object] | None:
    """``[tool.nerq]`` of a pyproject.toml; None when it has no such table, or is broken and never speaks of one."""
    if "nerq" not in file.text:
        return None
    try:
        document = _parse(file)
    except ConfigError:
        if _HEADER.search(file.text):
            raise
        return None
    tool = document.get("tool")
    if not isinstance(tool, dict) or "nerq" not in tool:
        return None
    table = tool["nerq"]
    if not isinstance(table, dict):
        wrong = "[tool.nerq] is a table of settings, not a single value"
        raise _error(_problem(file, "nerq", wrong, "write [tool.nerq] and the settings below it"))
    return table


def _beside(own: _File, shared: _File | None) -> tuple[str, ...]:
    """What to tell the user about a [tool.nerq] that has no effect."""
    if shared is None or not _HEADER.search(shared.text):
        return ()
    return (f"{_shown(own.path)} is obeyed; [tool.nerq] in the pyproject.toml beside it is not",)


def _shown(path: Path) -> str:
    """The path as the user would type it: relative where it is below the working directory."""
    try:
        return path.relative_to(Path.cwd()).as_posix()
    except (ValueError, OSError):
        return str(path)


# Making sense of the table.


class _SettingError(ValueError):
    """A value cannot be used; the message says what should stand there."""


#: Seconds in a day: nobody waits longer for a scan, and a number beyond any clock is a mistake.
_DAY: Final = 86_400


def _points(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 100:  # noqa: PLR2004 - points
        raise _SettingError("must be a number from 0 to 100")
    return float(value)


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= _DAY:
        raise _SettingError(f"must be a number of seconds, above 0 and at most {_DAY} (a day)")
    return float(value)


def _yes_or_no(value: object) -> bool:
    if not isinstance(value, bool):
        raise _SettingError("must be true or false")
    return value


def _words(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise _SettingError('must be a list of strings, such as ["one", "two"]')
    if not all(one.strip() for one in value):
        raise _SettingError("holds an empty string, which could mean everything or nothing")
    return tuple(one.strip() for one in value)


def _patterns(value: object, compiles: Callable[[str], object]) -> tuple[str, ...]:
    def checked(pattern: str) -> str:
        try:
            compiles(pattern)
        except (ValueError, re.error) as problem:
            raise _SettingError(f"holds {pattern!r}, which is not a pattern: {problem}") from problem
        return pattern

    return tuple(checked(pattern) for pattern in _words(value))


def _names(value: object) -> tuple[str, ...]:
    return _patterns(value, lambda pattern: re.compile(fnmatch.translate(pattern)))


def _some_names(value: object) -> tuple[str, ...]:
    patterns = _names(value)
    if any(not pattern.strip("*") for pattern in patterns):
        raise _SettingError("holds a pattern that matches every package: nothing would be looked up")
    return patterns


def _paths(value: object) -> tuple[str, ...]:
    from pathspec import GitIgnoreSpec

    patterns = _patterns(value, lambda pattern: GitIgnoreSpec.from_lines([pattern]))
    if any(not pattern.strip("*/") for pattern in patterns):
        raise _SettingError("holds a pattern that matches every file: nothing would be scanned")
    return patterns


class _Setting(NamedTuple):
    """The field of Config that a key sets, and how its value is read."""

    field: str
    read: Callable[[object], object]


#: Every key there is.
_SETTINGS: Final[Mapping[str, _Setting]] = {
    "threshold": _Setting("threshold", _points),
    "private": _Setting("private", _some_names),
    "public": _Setting("public", _names),
    "exclude": _Setting("exclude", _paths),
    "timeout": _Setting("timeout", _seconds),
    "strict": _Setting("strict", _yes_or_no),
    "groups": _Setting("groups", _words),
    "no-dev": _Setting("no_dev", _yes_or_no),
}


def _config(file: _File, table: Mapping[str, object], *, warnings: tuple[str, ...] = ()) -> Config:
    problems = [
        _problem(file, key, f"there is no setting {key!r}", _nearest(key)) for key in table if key not in _SETTINGS
    ]
    values: dict[str, Any] = {}
    for key, setting in _SETTINGS.items():
        if key in table:
            try:
                values[setting.field] = setting.read(table[key])
            except _SettingError as wrong:
                problems.append(_problem(file, key, f"{key} {wrong}"))
    if problems:
        raise _error(*sorted(problems))
    return Config(**values, path=_shown(file.path), warnings=warnings)


def _nearest(key: str) -> str:
    import difflib

    near = difflib.get_close_matches(key.replace("_", "-").lower(), _SETTINGS, n=1)
    return f"did you mean {near[0]!r}?" if near else f"the settings are {', '.join(_SETTINGS)}"


# Saying where it went wrong.


def _problem(file: _File, key: str, message: str, hint: str = "") -> Problem:
    number = _line_of(file, key)
    written = _lines(file)[number - 1] if number else ""
    return Problem(path=_shown(file.path), line=number, message=message, text=written, hint=hint)


def _lines(file: _File) -> list[str]:
    return [line.rstrip("\r") for line in file.text.split("\n")]


def _line_of(file: _File, key: str) -> int:
    """Find the line that sets a key, 0 when it cannot be told: the TOML library does not keep positions."""
    sets = re.compile(rf"""(?:.*[.{{,\[\s"'])?{re.escape(key)}["']?\s*[]=.]""")
    inside = not file.nested
    for number, line in enumerate(_lines(file), start=1):
        if file.nested and line.lstrip().startswith("["):
            inside = line.strip() == "[tool]"
        if (inside or _HEADER.match(line)) and sets.match(line):
            return number
        inside = inside or bool(_HEADER.match(line))
    return 0


def _syntax(file: _File, message: str, line: int, column: int) -> Problem:
    written = _lines(file)[line - 1]
    return Problem(path=_shown(file.path), line=line, column=column, message=f"is not TOML: {message}", text=written)


def _error(*problems: Problem) -> ConfigError:
    what = "it" if len(problems) == 1 else f"{len(problems)} settings in it"
    return ConfigError(f"{problems[0].path}: {what} cannot be obeyed", problems=problems)
