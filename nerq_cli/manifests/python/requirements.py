"""Requirements and constraints files of pip."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Final

from nerq_cli.errors import Problem
from nerq_cli.inventory import Declaration, DependencyFile, Include, Location
from nerq_cli.manifests.package_source import mask_secrets, strip_credentials
from nerq_cli.manifests.python.declarations import make_declaration
from nerq_cli.manifests.python.pep508 import NotASpecifierError, Specifier
from nerq_cli.manifests.python.pip_items import (
    LOCAL_PREFIX,
    parse_editable_option,
    parse_file_options,
    parse_requirement,
    split_marker,
)
from nerq_cli.manifests.python.pip_lines import LogicalLine, is_transitive, locate_offset, split_logical_lines
from nerq_cli.manifests.syntax.text_document import quote_line

NAME: Final = "requirements"

#: Number of malformed lines after which reading stops: such a file has another format.
MAX_PROBLEMS: Final = 100
#: Most files that one file may include.
MAX_INCLUDES: Final = 1_000

_SUFFIXES: Final = frozenset({".txt", ".in"})
_FOLDER_NAME: Final = "requirements"
_KIND_WORD: Final = re.compile(r"^(?:requirements?|constraints?)|[-_.](?:requirements?|constraints?)(?=[-_.]|$)")
_CONSTRAINTS_WORD: Final = re.compile(r"^constraints?|[-_.]constraints?(?=[-_.]|$)", re.IGNORECASE)
#: Text files in a folder called requirements that are not requirements files.
_PROSE_NAMES: Final = frozenset({"readme", "license", "licence", "changelog", "copying", "notes"})

_DEVELOPMENT_WORDS: Final = frozenset({"dev", "devel", "develop", "development"})
#: Words in file names that name a development group: ``dev:docs``.
_GROUP_WORDS: Final = frozenset(
    {"bench", "benchmark", "benchmarks", "ci", "coverage", "doc", "docs", "format", "lint", "linters", "linting"}
    | {"local", "mypy", "qa", "style", "test", "testing", "tests", "types", "typing"}
)
#: Words in the names of files for pip-compile that are not called requirements.
_SOURCE_WORDS: Final = (
    _DEVELOPMENT_WORDS | _GROUP_WORDS | {"all", "app", "base", "common", "core", "dependencies", "deps", "main", "prod"}
)

_HTML_PAGE: Final = re.compile(r"\s*(?:<!doctype|<html|<head|<\?xml)", re.IGNORECASE)
_EDITABLE_OPTION: Final = re.compile(r"-e\b|--editable\b")


def matches(path: PurePosixPath) -> bool:
    """Return whether a file is for pip or pip-compile, by its name and the name of its folder."""
    name, suffix = path.stem.lower(), path.suffix.lower()
    if suffix not in _SUFFIXES or name in _PROSE_NAMES:
        return False
    if path.parent.name.lower() == _FOLDER_NAME or _KIND_WORD.search(name):
        return True
    words = _split_words(name) if suffix == ".in" else []
    return bool(words) and _SOURCE_WORDS.issuperset(words)


def read(text: str, path: str, *, constraint: bool = False, group: str = "") -> DependencyFile:
    """Return what a requirements file declares. Never raises.

    Without ``group``, the name of the file gives the group, and whether it is a constraints file.
    """
    file = PurePosixPath(path)
    constraint = constraint or bool(not group and _CONSTRAINTS_WORD.search(file.stem))
    reader = _RequirementsReader(
        path, "constraint" if constraint else group or _guess_group(file), text.removeprefix("\ufeff")
    )
    if _HTML_PAGE.match(text):
        reader.add_problem(1, "a web page, not a requirements file", hint="download the raw file")
    else:
        reader.read_lines()
    return reader.build_result(constraint=constraint)


def set_indexes(
    declarations: Iterable[Declaration], index: str, extra_indexes: tuple[str, ...]
) -> tuple[Declaration, ...]:
    """Return the declarations with their indexes set; those that are skipped come from none and stay unchanged."""
    if not index and not extra_indexes:
        return tuple(declarations)
    return tuple(
        declaration if declaration.skip_reason else replace(declaration, index=index, extra_indexes=extra_indexes)
        for declaration in declarations
    )


def _choose_include_group(group: str) -> str:
    """Return the group of the files that a file of this group includes with ``-r``."""
    return "main" if group == "constraint" else group


def _split_words(stem: str) -> list[str]:
    return [word for word in re.split(r"[^a-z0-9]+", _KIND_WORD.sub(" ", stem.lower())) if word]


def _guess_group(file: PurePosixPath) -> str:
    """Return the group in the name of a file, or of its folder (``docs/requirements.txt``)."""
    words = _split_words(file.stem) or [file.parent.name.lower()]
    group_word = next((word for word in words if word in _GROUP_WORDS), "")
    if group_word:
        return f"dev:{group_word}"
    return "main" if _DEVELOPMENT_WORDS.isdisjoint(words) else "dev"


def _strip_url_credentials(value: str) -> str:
    """Return a path as it is, or an address without credentials."""
    return strip_credentials(value) if "://" in value else value


class _RequirementsReader:
    """Reads one file line by line."""

    def __init__(self, path: str, group: str, text: str) -> None:
        self.path = path
        self.group = group
        self.lines = text.splitlines()
        self.declarations: list[Declaration] = []
        self.includes: list[Include] = []
        self.problems: list[Problem] = []
        self.local_names: set[str] = set()
        self.index = ""
        self.extra_indexes: list[str] = []
        self.find_links: list[str] = []
        self.no_index = False

    def read_lines(self) -> None:
        """Read all lines; a malformed line adds a problem and nothing else."""
        for line in split_logical_lines(self.lines):
            if len(self.problems) == MAX_PROBLEMS:
                self.add_problem(line.start_line, f"more than {MAX_PROBLEMS} malformed lines: the rest was not read")
                return
            try:
                self._read_line(line)
            except ValueError as error:  # also of Python and its libraries, about characters they do not support
                number, column = locate_offset(self.lines, line, getattr(error, "offset", 0))
                self.add_problem(number, str(error), column=column, hint=getattr(error, "hint", ""))

    def add_problem(self, line: int, message: str, *, column: int = 0, hint: str = "") -> None:
        """Add a problem at a physical line, from 1."""
        text = quote_line(self.lines[line - 1], column)
        self.problems.append(
            Problem(path=self.path, line=line, column=column, message=mask_secrets(message), text=text, hint=hint)
        )

    def build_result(self, *, constraint: bool) -> DependencyFile:
        """Return what was read, with the options of the whole file applied."""
        index = next(iter(self.find_links), "--no-index") if self.no_index else self.index
        extra_indexes = () if self.no_index else tuple(dict.fromkeys(self.extra_indexes))
        return DependencyFile(
            path=self.path,
            format=NAME,
            declarations=set_indexes(self.declarations, index, extra_indexes),
            includes=tuple(self.includes),
            constraint=constraint,
            local_names=tuple(sorted(self.local_names)),
            index=index,
            extra_indexes=extra_indexes,
            problems=tuple(self.problems),
        )

    def _read_line(self, line: LogicalLine) -> None:
        if line.text.startswith("-"):
            self._read_options(line)
        else:
            self._add_declaration(parse_requirement(line.text), line)

    def _add_declaration(self, specifier: Specifier, line: LogicalLine) -> None:
        declaration = make_declaration(specifier, self.group, Location(path=self.path, line=line.start_line))
        if line.comments and is_transitive(line.comments):
            declaration = replace(declaration, indirect=True)
        self.declarations.append(declaration)
        # A wheel or source archive (it has a version) may be a copy of a public package.
        if specifier.is_named and specifier.skip_reason.startswith(LOCAL_PREFIX) and not specifier.version:
            self.local_names.add(declaration.package.name)

    def _read_options(self, line: LogicalLine) -> None:
        text, marker = split_marker(line.text) if _EDITABLE_OPTION.match(line.text) else (line.text, "")
        values_by_option = parse_file_options(text)
        for value in values_by_option.get("editables", ()):
            self._add_declaration(parse_editable_option(value, marker), line)
        for value in values_by_option.get("requirements", ()):
            group = _choose_include_group(self.group) if _CONSTRAINTS_WORD.search(PurePosixPath(value).stem) else ""
            self._add_include(value, line, group=group)
        for value in values_by_option.get("constraints", ()):
            self._add_include(value, line, constraint=True)
        self.index = _strip_url_credentials(values_by_option.get("index_url", [self.index])[-1])
        self.extra_indexes += map(_strip_url_credentials, values_by_option.get("extra_index_urls", ()))
        self.find_links += map(_strip_url_credentials, values_by_option.get("find_links", ()))
        self.no_index = self.no_index or "no_index" in values_by_option

    def _add_include(self, file_name: str, line: LogicalLine, *, group: str = "", constraint: bool = False) -> None:
        if len(self.includes) == MAX_INCLUDES:
            raise NotASpecifierError(f"more than {MAX_INCLUDES:,} files are included")
        include = Include(
            pattern=_strip_url_credentials(file_name),
            line=line.start_line,
            format=NAME,
            group=group,
            constraint=constraint,
        )
        self.includes.append(include)
