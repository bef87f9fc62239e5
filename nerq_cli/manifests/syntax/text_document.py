"""A text file that is read line by line, with the problems found in it."""

from __future__ import annotations

from typing import Final

from nerq_cli.manifests.package_source import mask_secrets
from nerq_cli.manifests.syntax.quote import excerpt_line
from nerq_cli.patterns import compile_late
from nerq_cli.problem import Problem, ProblemLevel

#: Number of problems after which reading stops: such a file has another format.
MAX_PROBLEMS: Final = 100
#: Longest message or reason with a part of the file, in characters.
MAX_SHOWN_LENGTH: Final = 300
#: Characters that no text has, and the replacement of bytes that are not UTF-8: a set of a regular expression.
CONTROL_CHARACTERS: Final = r"\x00-\x08\x0e-\x1f\x7f\ufffd"

_LINE_END: Final = compile_late(r"\r\n|\r|\n")


class TextDocument:
    """The lines of a file, with the problems and notes collected while it is read."""

    def __init__(self, text: str, path: str) -> None:
        self.text = text.removeprefix("\ufeff")
        self.path = path
        self.lines = _LINE_END.split(self.text)
        self._problems: dict[Problem, None] = {}
        self._notes: dict[str, None] = {}

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Return the distinct problems, sorted by line and column."""
        return tuple(sorted(self._problems, key=lambda problem: (problem.line, problem.column)))

    @property
    def notes(self) -> tuple[str, ...]:
        """Return the distinct notes, in the order they were added."""
        return tuple(self._notes)

    @property
    def too_many_problems(self) -> bool:
        """Return whether reading should stop."""
        return len(self._problems) > MAX_PROBLEMS

    def add_note(self, sentence: str) -> None:
        """Add a note for the user about what cannot be read from the file."""
        self._notes[sentence] = None

    def add_problem(
        self, message: str, line: int, *, column: int = 0, hint: str = "", level: ProblemLevel = "error"
    ) -> None:
        """Add a problem at a line, counted from 1; 0 means the whole file."""
        if len(self._problems) >= MAX_PROBLEMS:
            message, column, hint = f"more than {MAX_PROBLEMS} problems: the rest is not read", 0, ""
        if self.too_many_problems:
            return
        text = excerpt_line(self.lines[line - 1]) if 0 < line <= len(self.lines) else ""
        problem = Problem(
            path=self.path,
            line=line,
            column=column,
            message=mask_secrets(message),
            text=text,
            hint=hint,
            level=level,
        )
        self._problems[problem] = None
