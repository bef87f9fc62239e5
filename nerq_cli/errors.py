"""The failures that are expected, and where in a file they happened.

Everything the program can foresee going wrong is a :class:`NerqError`; the command line turns one into a message, a
hint and an exit status. Anything else that escapes is a bug.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar


class ExitStatus(IntEnum):
    """What the exit status says. The numbers are a promise: scripts depend on them."""

    PASSED = 0
    BELOW = 1
    USAGE = 2
    INCOMPLETE = 3
    EMPTY = 4
    INTERRUPTED = 130


#: One line about each status, for ``--help``, the README and the reference page.
EXIT_MEANINGS: dict[ExitStatus, str] = {
    ExitStatus.PASSED: "passed",
    ExitStatus.BELOW: "something is below the threshold, or a finding",
    ExitStatus.USAGE: "usage, configuration or manifest error",
    ExitStatus.INCOMPLETE: "not everything could be checked (with --strict, and by default when CI is set)",
    ExitStatus.EMPTY: "nothing to scan (--allow-empty makes it 0)",
    ExitStatus.INTERRUPTED: "interrupted",
}


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Problem:
    """One thing wrong in one file: where, what, and what to do about it.

    ``line`` and ``column`` count from 1; 0 means the file as a whole (or the line as a whole). ``text`` is the
    offending line as it stands in the file, for the caret underneath it.
    """

    path: str
    line: int = 0
    column: int = 0
    message: str
    text: str = ""
    hint: str = ""


class NerqError(Exception):
    """The root of every expected failure. ``hint`` says what the user can try."""

    exit: ClassVar[ExitStatus] = ExitStatus.USAGE

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(NerqError):
    """The command line asks for something that cannot be done."""


class ConfigError(NerqError):
    """A configuration file cannot be obeyed; ``problems`` names every place at once."""

    def __init__(self, message: str, *, problems: tuple[Problem, ...] = (), hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.problems = problems


class DependencyFileError(NerqError):
    """One or more dependency files cannot be read as what they claim to be; never raised for a network failure."""

    def __init__(self, problems: tuple[Problem, ...], *, hint: str = "") -> None:
        super().__init__("; ".join(f"{p.path}:{p.line}: {p.message}" for p in problems), hint=hint)
        self.problems = problems


class NothingToScanError(NerqError):
    """No dependency file was found where the user pointed."""

    exit = ExitStatus.EMPTY


class StaleDataError(NerqError):
    """What is kept on this disk is older than the user accepts."""

    exit = ExitStatus.INCOMPLETE


class ResponseError(NerqError):
    """A source answered, but not with what its documentation promises."""


class RateLimitError(NerqError):
    """The service says that it answers nothing more for now (a rate limit); asking again in this run is useless."""


class EndpointMissingError(NerqError):
    """This server does not offer the endpoint at all (many mirrors lack some); asking again in this run is useless."""
