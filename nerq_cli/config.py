"""Settings of nerq: ``nerq.toml``, or ``[tool.nerq]`` in pyproject.toml, at the root of the scan.

One file applies: the nearest one at or above the start of the scan, within the repository and below the home directory.
Files in subdirectories are part of the scanned project and do not apply.
"""

from __future__ import annotations

import fnmatch
import os
import re
import stat
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
from msgspec.structs import replace

from nerq_cli.ecosystems import EcosystemId, normalise_name
from nerq_cli.errors import ConfigError
from nerq_cli.inventory import Package
from nerq_cli.methodology.packages import PACKAGES
from nerq_cli.patterns import compile_late
from nerq_cli.problem import Problem
from nerq_cli.units import DAY


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of a project."""

    #: Lowest passing score, 0 to 100.
    threshold: float = PACKAGES.threshold
    #: Glob patterns of package names (``acme-*``, ``@acme/*``) that no service receives.
    private: tuple[str, ...] = ()
    #: Glob patterns of package names that services may receive although an extra index may have the package.
    public: tuple[str, ...] = ()
    #: Path patterns in .gitignore syntax.
    exclude: tuple[str, ...] = ()
    #: Seconds, above 0; None if not set.
    timeout: float | None = None
    #: None if not set.
    strict: bool | None = None
    #: Dependency groups to scan; empty for all.
    groups: tuple[str, ...] = ()
    #: Whether to leave out development groups; None if not set.
    no_dev: bool | None = None
    #: The file of the settings; empty if there is none.
    path: str = ""
    #: Each setting that makes the run accept or see less than the defaults, as text.
    weakenings: tuple[str, ...] = ()
    #: Sentences for the user.
    warnings: tuple[str, ...] = ()


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
    for directory in _iter_directories(start, home or Path(os.path.expanduser("~"))):  # noqa: PTH111 - Path.home() may raise
        nerq_file, pyproject_file = _read_file(directory / "nerq.toml"), _read_file(directory / "pyproject.toml")
        if nerq_file is not None:
            return _build_config(
                nerq_file, _parse_toml(nerq_file), warnings=_warn_ignored_table(nerq_file, pyproject_file)
            )
        if pyproject_file is not None and (table := _read_tool_table(pyproject_file)) is not None:
            return _build_config(pyproject_file, table)
    return Config()


def find_private_pattern(config: Config, package: Package) -> str:
    """Return the pattern that makes this package private, or "" if there is none.

    Names and patterns are compared in normalised form (PEP 503 on PyPI; npm names as written).
    """
    return _find_pattern(config.private, package)


def find_public_pattern(config: Config, package: Package) -> str:
    """Return the pattern that makes this package public, or "" if there is none."""
    return _find_pattern(config.public, package)


def _find_pattern(patterns: tuple[str, ...], package: Package) -> str:
    if not patterns:
        return ""
    matches_any, matchers = _compile_patterns(patterns, package.ecosystem)
    if not matches_any(package.name):
        return ""
    return next(pattern for pattern, matches in matchers if matches(package.name))


_Matcher = Callable[[str], object]


@lru_cache(maxsize=8)
def _compile_patterns(
    patterns: tuple[str, ...], ecosystem: EcosystemId
) -> tuple[_Matcher, tuple[tuple[str, _Matcher], ...]]:
    """Return a matcher of all patterns together, because most names match none, and one of each pattern."""
    regexes = [fnmatch.translate(normalise_name(ecosystem, pattern)) for pattern in patterns]
    matchers = tuple((pattern, re.compile(regex).match) for pattern, regex in zip(patterns, regexes, strict=True))
    return re.compile("|".join(regexes)).match, matchers


# Finding and reading the file.

#: Largest settings file, in bytes; a pyproject.toml has other tables too.
_MAX_BYTES: Final = 64 * 1024
_MAX_PYPROJECT_BYTES: Final = 1024 * 1024
#: Letters and digits that a pattern of names with wildcards has at least.
_MIN_NAME_CHARACTERS: Final = 2
#: Unknown settings that are reported. The file is searched for each of them.
_MAX_UNKNOWN: Final = 50
#: Patterns of one setting that a warning shows.
_MAX_SHOWN: Final = 5

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
        raise _build_error(_build_problem(file, "nerq", message, "write [tool.nerq] and the settings below it"))
    return table


def _warn_ignored_table(nerq_file: _ConfigFile, pyproject_file: _ConfigFile | None) -> tuple[str, ...]:
    """Return a warning about a [tool.nerq] that has no effect."""
    if pyproject_file is None or not _TABLE_HEADER.search(pyproject_file.text):
        return ()
    return (f"{_display_path(nerq_file.path)} applies; [tool.nerq] in the pyproject.toml beside it does not",)


def _display_path(path: Path) -> str:
    """Return the path relative to the working directory if it is below it."""
    try:
        return path.relative_to(Path.cwd()).as_posix()
    except (ValueError, OSError):
        return str(path)


# Reading the values.


class _SettingError(ValueError):
    """A value is invalid; the message describes a valid one."""


#: Longest timeout, in seconds.
_MAX_TIMEOUT: Final = DAY


def _read_points(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 100:  # noqa: PLR2004 - points
        raise _SettingError("must be a number from 0 to 100")
    return float(value)


def _read_seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= _MAX_TIMEOUT:
        raise _SettingError(f"must be a number of seconds, above 0 and at most {_MAX_TIMEOUT} (a day)")
    return float(value)


def _read_boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise _SettingError("must be true or false")
    return value


def _read_strings(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise _SettingError('must be a list of strings, such as ["one", "two"]')
    if not all(text.strip() for text in value):
        raise _SettingError("has an empty string, which could mean everything or nothing")
    return tuple(text.strip() for text in value)


def _read_patterns(value: object, compile_pattern: Callable[[str], object]) -> tuple[str, ...]:
    def check_pattern(pattern: str) -> str:
        try:
            with warnings.catch_warnings():  # future meaning of bracket expressions in Python
                warnings.simplefilter("ignore")
                compile_pattern(pattern)
        except (ValueError, re.error) as error:
            raise _SettingError("has a text that is not a pattern") from error
        return pattern

    return tuple(check_pattern(pattern) for pattern in _read_strings(value))


def _read_name_patterns(value: object) -> tuple[str, ...]:
    return _read_patterns(value, lambda pattern: re.compile(fnmatch.translate(pattern)))


def _read_private_patterns(value: object) -> tuple[str, ...]:
    patterns = _read_name_patterns(value)
    if any(_is_unspecific(pattern, _MIN_NAME_CHARACTERS) for pattern in patterns):
        raise _SettingError("has a pattern that matches almost every package: nothing would be looked up")
    return patterns


def _read_public_patterns(value: object) -> tuple[str, ...]:
    patterns = _read_name_patterns(value)
    if any(_is_unspecific(pattern, _MIN_NAME_CHARACTERS) for pattern in patterns):
        raise _SettingError("has a pattern that matches almost every package: private names would be sent")
    return patterns


def _is_unspecific(pattern: str, min_characters: int) -> bool:
    """Whether a pattern with wildcards fixes fewer letters and digits than this."""
    has_wildcards = any(character in pattern for character in "*?[")
    fixed_text = re.sub(r"\[[^\]]*\]?", "", pattern)
    return has_wildcards and sum(character.isalnum() for character in fixed_text) < min_characters


def _read_path_patterns(value: object) -> tuple[str, ...]:
    from pathspec import GitIgnoreSpec

    patterns = _read_patterns(value, lambda pattern: GitIgnoreSpec.from_lines([pattern]))
    if any(not pattern.strip("*/") or _is_unspecific(pattern, 1) for pattern in patterns):
        raise _SettingError("has a pattern that matches almost every file: nothing would be scanned")
    return patterns


class _Setting(NamedTuple):
    """The field of Config that a key sets, and the function that reads its value."""

    field: str
    read_value: Callable[[object], object]


#: The settings by key.
_SETTINGS: Final[Mapping[str, _Setting]] = {
    "threshold": _Setting("threshold", _read_points),
    "private": _Setting("private", _read_private_patterns),
    "public": _Setting("public", _read_public_patterns),
    "exclude": _Setting("exclude", _read_path_patterns),
    "timeout": _Setting("timeout", _read_seconds),
    "strict": _Setting("strict", _read_boolean),
    "groups": _Setting("groups", _read_strings),
    "no-dev": _Setting("no_dev", _read_boolean),
}


def _build_config(file: _ConfigFile, table: Mapping[str, object], *, warnings: tuple[str, ...] = ()) -> Config:
    problems = [
        _build_problem(file, key, f"there is no setting {key!r}", _suggest_setting(key))
        for key in islice((key for key in table if key not in _SETTINGS), _MAX_UNKNOWN)
    ]
    values: dict[str, Any] = {}
    for key, setting in _SETTINGS.items():
        if key in table:
            try:
                values[setting.field] = setting.read_value(table[key])
            except _SettingError as error:
                problems.append(_build_problem(file, key, f"{key} {error}"))
    if problems:
        raise _build_error(*sorted(problems))
    config = Config(**values, path=_display_path(file.path), warnings=warnings)
    weakenings = tuple(_find_weakenings(config))
    if weakenings:
        warning = f"{config.path} weakens the check: {'; '.join(weakenings)}"
        config = replace(config, weakenings=weakenings, warnings=(*warnings, warning))
    return config


def _find_weakenings(config: Config) -> Iterator[str]:
    """Yield each setting with which a run accepts more, or looks at less, than without settings."""
    if config.threshold < PACKAGES.threshold:
        yield f"threshold = {config.threshold:g} (default {PACKAGES.threshold:g})"
    if config.strict is False:
        yield "strict = false"
    if config.no_dev:
        yield "no-dev = true"
    for key, patterns in (
        ("private", config.private),
        ("public", config.public),
        ("exclude", config.exclude),
        ("groups", config.groups),
    ):
        if patterns:
            yield f"{key} = {', '.join(patterns[:_MAX_SHOWN])}{', …' * (len(patterns) > _MAX_SHOWN)}"


def _suggest_setting(key: str) -> str:
    import difflib

    matches = difflib.get_close_matches(key.replace("_", "-").lower(), _SETTINGS, n=1)
    return f"did you mean {matches[0]!r}?" if matches else f"the settings are {', '.join(_SETTINGS)}"


# Errors with their place in the file.


def _build_problem(file: _ConfigFile, key: str, message: str, hint: str = "") -> Problem:
    # The value is not quoted: it may be a secret, and the file may be another one than the user thinks.
    line_number = _find_line(file, key)
    return Problem(
        path=_display_path(file.path), line=line_number, message=message, text=key if line_number else "", hint=hint
    )


def _split_lines(file: _ConfigFile) -> list[str]:
    return [line.rstrip("\r") for line in file.text.split("\n")]


def _find_line(file: _ConfigFile, key: str) -> int:
    """Return the line that sets a key, 0 if not found: the TOML library keeps no positions."""
    key_pattern = re.compile(rf"""(?:.*[.{{,\[\s"'])?{re.escape(key)}["']?\s*[]=.]""")
    in_table = not file.is_pyproject
    for line_number, line in enumerate(_split_lines(file), start=1):
        if file.is_pyproject and line.lstrip().startswith("["):
            in_table = line.strip() == "[tool]"
        short_line = " ".join(line.split())  # the pattern would try every part of a run of white space
        if (in_table or _TABLE_HEADER.match(line)) and key_pattern.match(short_line):
            return line_number
        in_table = in_table or bool(_TABLE_HEADER.match(line))
    return 0


def _build_syntax_problem(file: _ConfigFile, message: str, line: int, column: int) -> Problem:
    return Problem(path=_display_path(file.path), line=line, column=column, message=f"is not TOML: {message}")


def _build_error(*problems: Problem) -> ConfigError:
    subject = "it" if len(problems) == 1 else f"{len(problems)} settings in it"
    return ConfigError(f"{problems[0].path}: {subject} cannot be used", problems=problems)
