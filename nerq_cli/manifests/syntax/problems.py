"""The problems of one file: where in the text each one is, with the name or key of its line."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from functools import cached_property
from typing import Final

from nerq_cli.manifests.package_source import mask_secrets
from nerq_cli.manifests.syntax.quote import excerpt_line
from nerq_cli.problem import Problem, ProblemLevel

#: Number of problems listed; further ones are counted.
MAX_PROBLEMS: Final = 1_000


class LineIndex:
    """The lines of a text: from an offset to its line and column, both counted from 1."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def line_number(self, offset: int) -> int:
        """Return the line of an offset."""
        return bisect_right(self._starts, offset)

    def column_number(self, offset: int) -> int:
        """Return the column of an offset."""
        return offset - self._starts[self.line_number(offset) - 1] + 1

    def line_text(self, number: int) -> str:
        """Return a line without its end; empty if there is no such line."""
        if not 0 < number <= len(self._starts):
            return ""
        end = self._starts[number] if number < len(self._starts) else len(self._text)
        return self._text[self._starts[number - 1] : end].rstrip("\r\n")


class ProblemList:
    """Collects the problems of one file, each once."""

    def __init__(self, path: str, text: str) -> None:
        self._path = path
        self._text = text
        self._problems: dict[Problem, None] = {}
        self._omitted = 0

    @cached_property
    def line_index(self) -> LineIndex:
        """The lines of the file."""
        return LineIndex(self._text)

    def add_problem(self, message: str, offset: int, *, hint: str = "", level: ProblemLevel = "error") -> None:
        """Add a problem at an offset."""
        line, column = self.line_index.line_number(offset), self.line_index.column_number(offset)
        self.add_line_problem(message, line, column=column, hint=hint, level=level)

    def add_line_problem(
        self, message: str, line: int = 0, *, column: int = 0, hint: str = "", level: ProblemLevel = "error"
    ) -> None:
        """Add a problem at a line; 0 means the whole file."""
        problem = self.make_line_problem(message, line, column=column, hint=hint, level=level)
        if len(self._problems) < MAX_PROBLEMS:
            self._problems[problem] = None
        else:
            self._omitted += 1

    def make_line_problem(
        self, message: str, line: int, *, column: int = 0, hint: str = "", level: ProblemLevel = "error"
    ) -> Problem:
        """Return a problem at a line without adding it."""
        return Problem(
            path=self._path,
            line=line,
            column=column,
            message=mask_secrets(message),
            text=excerpt_line(self.line_index.line_text(line)),
            hint=hint,
            level=level,
        )

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The problems, sorted by line and column, and a last one with the number of those left out."""
        problems = sorted(self._problems, key=lambda problem: (problem.line, problem.column))
        if self._omitted:
            problems.append(Problem(path=self._path, message=f"and {self._omitted} more problems in this file"))
        return tuple(problems)


def list_examples(names: Sequence[str], limit: int = 3) -> str:
    """Return the first names for a note, and the number of the others: ``a, b, c and 2 more``."""
    suffix = f" and {len(names) - limit} more" if len(names) > limit else ""
    return f"{', '.join(names[:limit])}{suffix}"
