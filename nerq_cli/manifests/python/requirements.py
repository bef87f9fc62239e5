"""Requirements and constraints files of pip."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Final

from msgspec.structs import replace

from nerq_cli.inventory import Declaration, DependencyFile, Include, Location
from nerq_cli.manifests.package_source import NO_INDEX, strip_credentials
from nerq_cli.manifests.python.declarations import LOCAL_REASONS, make_declaration, make_unreadable
from nerq_cli.manifests.python.pep508 import NotASpecifierError, Specifier
from nerq_cli.manifests.python.pip_items import (
    parse_editable_option,
    parse_file_options,
    parse_requirement,
    split_marker,
)
from nerq_cli.manifests.python.pip_lines import LogicalLine, is_transitive, locate_offset, split_logical_lines
from nerq_cli.manifests.syntax.text_document import TextDocument
from nerq_cli.patterns import compile_late

NAME: Final = "requirements"

#: Most files that one file may include.
MAX_INCLUDES: Final = 1_000

_SUFFIXES: Final = frozenset({".txt", ".in"})
#: Suffix of the files that Rye writes, and uv for some: ``requirements.lock``, ``requirements-dev.lock``.
_LOCK_SUFFIX: Final = ".lock"
_FOLDER_NAME: Final = "requirements"
_KIND_WORD: Final = compile_late(r"^(?:requirements?|constraints?)|[-_.](?:requirements?|constraints?)(?=[-_.]|$)")
_CONSTRAINTS_WORD: Final = compile_late(r"^constraints?|[-_.]constraints?(?=[-_.]|$)", re.IGNORECASE)
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

_HTML_PAGE: Final = compile_late(r"\s*(?:<!doctype|<html|<head|<\?xml)", re.IGNORECASE)
_EDITABLE_OPTION: Final = compile_late(r"-e\b|--editable\b")


def matches(path: PurePosixPath) -> bool:
    """Return whether a file is for pip or pip-compile, by its name and the name of its folder."""
    name, suffix = path.stem.lower(), path.suffix.lower()
    if suffix == _LOCK_SUFFIX:
        return _KIND_WORD.search(name) is not None
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
    constraint = constraint or (not group and is_constraints_name(file))
    reader = _RequirementsReader(path, "constraint" if constraint else group or _guess_group(file), text)
    if _HTML_PAGE.match(text):
        reader.document.add_problem("a web page, not a requirements file", 1, hint="download the raw file")
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


def _split_words(stem: str) -> list[str]:
    return [word for word in re.split(r"[^a-z0-9]+", _KIND_WORD.sub(" ", stem.lower())) if word]


def is_constraints_name(path: PurePosixPath) -> bool:
    """Return whether a file is a constraints file by its name."""
    return _CONSTRAINTS_WORD.search(path.stem) is not None


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
        self.document = TextDocument(text, path)
        self.document.lines = self.document.text.splitlines()  # as pip does
        self.group = group
        self.declarations: list[Declaration] = []
        self.includes: list[Include] = []
        self.local_names: set[str] = set()
        self.index = ""
        self.extra_indexes: list[str] = []
        self.find_links: list[str] = []
        self.no_index = False
        self.ignored_lines: list[int] = []

    def read_lines(self) -> None:
        """Read all lines; a malformed line adds a problem and nothing else."""
        for line in split_logical_lines(self.document.lines):
            if self.document.too_many_problems:
                return
            try:
                if line.text.startswith("-"):
                    self._read_options(line)
                else:
                    self._add_declaration(parse_requirement(line.text), line)
            except ValueError as error:  # also of Python and its libraries, about characters they do not support
                number, column = locate_offset(self.document.lines, line, getattr(error, "offset", 0))
                self.document.add_problem(str(error), number, column=column, hint=getattr(error, "hint", ""))
                location = Location(path=self.document.path, line=line.start_line)
                if (unreadable := make_unreadable(line.text, self.group, location)) is not None:
                    self.declarations.append(unreadable)

    def build_result(self, *, constraint: bool) -> DependencyFile:
        """Return what was read, with the options of the whole file applied."""
        index = next(iter(self.find_links), NO_INDEX) if self.no_index else self.index
        extra_indexes = self.find_links if self.no_index else (*self.extra_indexes, *self.find_links)
        if self.ignored_lines:
            more = f" and {len(self.ignored_lines) - 1:,} more lines" if len(self.ignored_lines) > 1 else ""
            self.document.add_note(f"pip ignores what follows the options on line {self.ignored_lines[0]}{more}")
        return DependencyFile(
            path=self.document.path,
            format=NAME,
            declarations=set_indexes(self.declarations, index, tuple(dict.fromkeys(extra_indexes))),
            includes=tuple(self.includes),
            constraint=constraint,
            local_names=tuple(sorted(self.local_names)),
            index=index,
            extra_indexes=tuple(dict.fromkeys(extra_indexes)),
            problems=self.document.problems,
            notes=self.document.notes,
        )

    def _add_declaration(self, specifier: Specifier, line: LogicalLine) -> None:
        if specifier.has_ignored_text:
            self.ignored_lines.append(line.start_line)
        declaration = make_declaration(specifier, self.group, Location(path=self.document.path, line=line.start_line))
        if line.comments and is_transitive(line.comments):
            declaration = replace(declaration, indirect=True)
        self.declarations.append(declaration)
        # A wheel or source archive (it has a version) may be a copy of a public package.
        if specifier.is_named and specifier.skip_reason.startswith(LOCAL_REASONS) and not specifier.version:
            self.local_names.add(declaration.package.name)

    def _read_options(self, line: LogicalLine) -> None:
        text, marker = split_marker(line.text) if _EDITABLE_OPTION.match(line.text) else (line.text, "")
        values_by_option, has_ignored_text = parse_file_options(text)
        if has_ignored_text:
            self.ignored_lines.append(line.start_line)
        for value in values_by_option.get("editables", ()):
            self._add_declaration(parse_editable_option(value, marker), line)
        for value in values_by_option.get("requirements", ()):
            # A file called constraints.txt that is included with -r declares dependencies.
            group = "main" if self.group == "constraint" else self.group
            self._add_include(value, line, group=group if is_constraints_name(PurePosixPath(value)) else "")
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
