"""Requirements and constraints files, as pip reads them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Final

from nerq_cli.errors import Problem
from nerq_cli.inventory import PYPI, Declared, Include, Location, Manifest
from nerq_cli.manifests.origins import masked, without_credentials
from nerq_cli.manifests.pep508 import NotASpecifierError
from nerq_cli.manifests.pip_items import LOCAL, Item, editable, file_options, item, split_marker
from nerq_cli.manifests.pip_lines import Line, brought_in, logical, place
from nerq_cli.manifests.pip_mistakes import shown

NAME: Final = "requirements"

#: After so many malformed lines it is some other kind of file, and reading stops.
MOST_PROBLEMS: Final = 100
#: Most files that one file may include.
MOST_INCLUDES: Final = 1_000

_ENDINGS: Final = frozenset({".txt", ".in"})
_FOLDER: Final = "requirements"
_KIND: Final = re.compile(r"^(?:requirements?|constraints?)|[-_.](?:requirements?|constraints?)(?=[-_.]|$)")
_CONSTRAINTS: Final = re.compile(r"^constraints?|[-_.]constraints?(?=[-_.]|$)", re.IGNORECASE)
#: What else lies in a folder called requirements.
_PROSE: Final = frozenset({"readme", "license", "licence", "changelog", "copying", "notes"})

_DEVELOPMENT: Final = frozenset({"dev", "devel", "develop", "development"})
#: Development groups that people name files after; each is a group of its own, ``dev:docs``.
_NAMED: Final = frozenset(
    {"bench", "benchmark", "benchmarks", "ci", "coverage", "doc", "docs", "format", "lint", "linters", "linting"}
    | {"local", "mypy", "qa", "style", "test", "testing", "tests", "types", "typing"}
)
#: What a file for pip-compile may be called when neither it nor its folder says "requirements".
_SOURCES: Final = (
    _DEVELOPMENT | _NAMED | {"all", "app", "base", "common", "core", "dependencies", "deps", "main", "prod"}
)

_PAGE: Final = re.compile(r"\s*(?:<!doctype|<html|<head|<\?xml)", re.IGNORECASE)
_EDITABLE: Final = re.compile(r"-e\b|--editable\b")


def wants(path: PurePosixPath) -> bool:
    """Say whether a file is one for pip, or for pip-compile, by its name and the name of its folder."""
    name, ending = path.stem.lower(), path.suffix.lower()
    if ending not in _ENDINGS or name in _PROSE:
        return False
    if path.parent.name.lower() == _FOLDER or _KIND.search(name):
        return True
    words = _words(name) if ending == ".in" else []
    return bool(words) and _SOURCES.issuperset(words)


def read(text: str, path: str, *, constraint: bool = False, group: str = "") -> Manifest:
    """Read what a requirements file declares. What is wrong with it is in ``problems``; nothing is raised.

    Without a ``group`` the file's name says which it is, and whether it is a constraints file.
    """
    file = PurePosixPath(path)
    constraint = constraint or bool(not group and _CONSTRAINTS.search(file.stem))
    reading = _Reading(path, "constraint" if constraint else group or _group(file), text.removeprefix("\ufeff"))
    if _PAGE.match(text):
        reading.report(1, "a web page, not a requirements file", hint="download the file itself, often called 'raw'")
    else:
        reading.go_through()
    return reading.result(constraint=constraint)


def coming_from(items: Iterable[Declared], index: str, extra_indexes: tuple[str, ...]) -> tuple[Declared, ...]:
    """Return the items as coming from these indexes; those that come from none stay as they are."""
    if not index and not extra_indexes:
        return tuple(items)
    return tuple(one if one.skip else replace(one, index=index, extra_indexes=extra_indexes) for one in items)


def _plain_group(group: str) -> str:
    """Return the group of what is asked for in a file of this group: a constraints file may name further files."""
    return "main" if group == "constraint" else group


def _words(stem: str) -> list[str]:
    return [word for word in re.split(r"[^a-z0-9]+", _KIND.sub(" ", stem.lower())) if word]


def _group(file: PurePosixPath) -> str:
    """Return the group a file's name tells; ``docs/requirements.txt`` has it from its folder."""
    words = _words(file.stem) or [file.parent.name.lower()]
    named = next((word for word in words if word in _NAMED), "")
    if named:
        return f"dev:{named}"
    return "main" if _DEVELOPMENT.isdisjoint(words) else "dev"


def _safe(value: str) -> str:
    """Return a path or an address, the latter without credentials."""
    return without_credentials(value) if "://" in value else value


class _Reading:
    """One file while it is read, line by line."""

    def __init__(self, path: str, group: str, text: str) -> None:
        self.path = path
        self.group = group
        self.lines = text.splitlines()
        self.declared: list[Declared] = []
        self.includes: list[Include] = []
        self.problems: list[Problem] = []
        self.locals: set[str] = set()
        self.index = ""
        self.extra_indexes: list[str] = []
        self.find_links: list[str] = []
        self.no_index = False

    def go_through(self) -> None:
        """Read every line; of one that is malformed nothing is kept but the problem."""
        for line in logical(self.lines):
            if len(self.problems) == MOST_PROBLEMS:
                self.report(line.first, f"more than {MOST_PROBLEMS} malformed lines: the rest was not read")
                return
            try:
                self._take(line)
            except ValueError as error:  # not always ours: Python and its libraries differ about odd characters
                number, column = place(self.lines, line, getattr(error, "offset", 0))
                self.report(number, str(error), column=column, hint=getattr(error, "hint", ""))

    def report(self, line: int, message: str, *, column: int = 0, hint: str = "") -> None:
        """Note what is wrong with a physical line."""
        text = shown(self.lines[line - 1], column)
        self.problems.append(
            Problem(path=self.path, line=line, column=column, message=masked(message), text=text, hint=hint)
        )

    def result(self, *, constraint: bool) -> Manifest:
        """Return what was read, now that every option is known."""
        index = next(iter(self.find_links), "--no-index") if self.no_index else self.index
        extra = () if self.no_index else tuple(dict.fromkeys(self.extra_indexes))
        return Manifest(
            path=self.path,
            format=NAME,
            declared=coming_from(self.declared, index, extra),
            includes=tuple(self.includes),
            constraint=constraint,
            locals=tuple(sorted(self.locals)),
            index=index,
            extra_indexes=extra,
            problems=tuple(self.problems),
        )

    def _take(self, line: Line) -> None:
        if line.text.startswith("-"):
            self._take_options(line)
        else:
            self._declare(item(line.text), line)

    def _declare(self, asked: Item, line: Line) -> None:
        what = asked.what
        declared = Declared(
            ecosystem=PYPI,
            name=what.name,
            requirement=what.version,
            group=self.group,
            location=Location(path=self.path, line=line.first),
            marker=what.marker,
            extras=what.extras,
            skip=asked.skip,
            hashed=asked.hashed,
            indirect=bool(line.remarks) and brought_in(line.remarks),
        )
        self.declared.append(declared)
        if asked.stated and asked.skip.startswith(LOCAL) and not what.version:  # a built file may be anybody's
            self.locals.add(declared.package.name)

    def _take_options(self, line: Line) -> None:
        text, marker = split_marker(line.text) if _EDITABLE.match(line.text) else (line.text, "")
        found = file_options(text)
        for value in found.get("editables", ()):
            self._declare(editable(value, marker), line)
        for value in found.get("requirements", ()):
            group = _plain_group(self.group) if _CONSTRAINTS.search(PurePosixPath(value).stem) else ""
            self._include(value, line, group=group)
        for value in found.get("constraints", ()):
            self._include(value, line, constraint=True)
        self.index = _safe(found.get("index_url", [self.index])[-1])
        self.extra_indexes += map(_safe, found.get("extra_index_urls", ()))
        self.find_links += map(_safe, found.get("find_links", ()))
        self.no_index = self.no_index or "no_index" in found

    def _include(self, file: str, line: Line, *, group: str = "", constraint: bool = False) -> None:
        if len(self.includes) == MOST_INCLUDES:
            raise NotASpecifierError(f"more than {MOST_INCLUDES:,} files are included")
        include = Include(pattern=_safe(file), line=line.first, format=NAME, group=group, constraint=constraint)
        self.includes.append(include)
