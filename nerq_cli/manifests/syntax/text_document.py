"""A text as its author sees it, line by line: what each line declares, and what is wrong with it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from nerq_cli.errors import Problem
from nerq_cli.inventory import PYPI, Declaration, Include, Location
from nerq_cli.manifests.package_source import LOCAL, join_markers, mask_secrets, url_reason
from nerq_cli.manifests.python import pep508
from nerq_cli.manifests.python.pip_mistakes import quote_line
from nerq_cli.manifests.syntax.toml_document import quote_text

#: After so many problems a file is of some other kind, and reading stops.
MAX_PROBLEMS: Final = 100

_LINE_END: Final = re.compile(r"\r\n|\r|\n")


class TextDocument:
    """A file that is read, and what was found wrong with it so far."""

    def __init__(self, text: str, path: str) -> None:
        self.text = text.removeprefix("\ufeff")
        self.path = path
        self.lines = _LINE_END.split(self.text)
        self._problems: dict[Problem, None] = {}
        self._notes: dict[str, None] = {}

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong, each thing once, from top to bottom."""
        return tuple(sorted(self._problems, key=lambda problem: (problem.line, problem.column)))

    @property
    def notes(self) -> tuple[str, ...]:
        """What the file leaves open, each thing once."""
        return tuple(self._notes)

    @property
    def too_many_problems(self) -> bool:
        """Whether so much is wrong that going on would help nobody."""
        return len(self._problems) > MAX_PROBLEMS

    def add_note(self, sentence: str) -> None:
        """Note something the file cannot tell."""
        self._notes[sentence] = None

    def add_problem(self, message: str, line: int, *, column: int = 0, hint: str = "") -> None:
        """Note what is wrong with a line (0: with the file as a whole)."""
        if len(self._problems) >= MAX_PROBLEMS:
            message, column, hint = f"more than {MAX_PROBLEMS} problems: the rest is not read", 0, ""
        if self.too_many_problems:
            return
        text = quote_line(self.lines[line - 1], column) if 0 < line <= len(self.lines) else ""
        problem = Problem(path=self.path, line=line, column=column, message=mask_secrets(message), text=text, hint=hint)
        self._problems[problem] = None

    def parse_declaration(self, text: str, line: int, group: str, *, marker: str = "") -> Declaration | None:
        """Read one dependency specifier that stands on a line; ``marker`` must hold for it as well."""
        try:
            parsed = pep508.parse_specifier(text)
            conditions = join_markers(parsed.marker, pep508.validate_marker(marker) if marker else "")
        except ValueError as error:
            start = self.lines[line - 1].find(text) if 0 < line <= len(self.lines) else -1
            column = start + 1 + getattr(error, "offset", 0) if start >= 0 else 0
            message = f"{quote_text(text)} is no dependency: {error}"
            self.add_problem(message, line, column=column, hint=getattr(error, "hint", ""))
            return None
        return Declaration(
            ecosystem=PYPI,
            name=parsed.name,
            requirement=parsed.version,
            group=group,
            location=Location(path=self.path, line=line),
            marker=conditions,
            extras=parsed.extras,
            skip_reason=url_reason(parsed.url) if parsed.url else "",
        )


def regroup_item(item: Declaration, group: str, *, constraint: bool) -> Declaration:
    """Return an item as the including file wants it: as a constraint, or in a group that takes the place of main."""
    if constraint:
        return replace(item, group="constraint")
    return replace(item, group=group) if group and item.group == "main" else item


def regroup_include(include: Include, group: str, *, constraint: bool) -> Include:
    """Return an include as the file that includes this one wants it."""
    if constraint:
        return replace(include, constraint=True)
    return replace(include, group=group) if group and include.group == "main" else include


def local_names(items: tuple[Declaration, ...]) -> set[str]:
    """Return the names of the items that lie on this disk."""
    return {item.package.name for item in items if item.skip_reason == LOCAL}
