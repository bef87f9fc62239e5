"""Expected errors, and the exit statuses.

The command line prints a :class:`NerqError` as message and hint and exits with its status. Other exceptions are bugs.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from nerq_cli.problem import Problem


class ExitStatus(IntEnum):
    """Exit statuses of the commands. The numbers do not change: scripts depend on them."""

    PASSED = 0
    BELOW = 1
    USAGE = 2
    INCOMPLETE = 3
    EMPTY = 4
    INTERRUPTED = 130


#: One line for each status, used by ``--help``, the README and the reference page.
EXIT_MEANINGS: dict[ExitStatus, str] = {
    ExitStatus.PASSED: "passed",
    ExitStatus.BELOW: "something is below the threshold, or a finding",
    ExitStatus.USAGE: "usage, configuration or manifest error",
    ExitStatus.INCOMPLETE: "not everything could be checked (with --strict, and by default when CI is set)",
    ExitStatus.EMPTY: "nothing to scan (--allow-empty makes it 0)",
    ExitStatus.INTERRUPTED: "interrupted",
}


class NerqError(Exception):
    """Base class of expected errors."""

    exit: ClassVar[ExitStatus] = ExitStatus.USAGE

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        #: What the user can try.
        self.hint = hint


class UsageError(NerqError):
    """An argument or option is invalid."""


class ConfigError(NerqError):
    """A configuration file is invalid; ``problems`` has every place."""

    def __init__(self, message: str, *, problems: tuple[Problem, ...] = (), hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.problems = problems


class NothingToScanError(NerqError):
    """No dependency file was found in the given paths."""

    exit = ExitStatus.EMPTY


class StaleDataError(NerqError):
    """Stored data is older than the user accepts."""

    exit = ExitStatus.INCOMPLETE


class ResponseError(NerqError):
    """A response is not as the source documents it."""


class RateLimitError(NerqError):
    """The service rejects requests because of a rate limit; the run sends it no more."""


class EndpointMissingError(NerqError):
    """The server does not have the endpoint (many mirrors lack some); the run sends it no more."""
