"""Errors of the service itself, in the log: where they came from, without what they were about."""

from __future__ import annotations

import logging
import traceback
from pathlib import PurePath
from typing import Final

from nerq_cli.errors import NerqError, StaleDataError

#: Name of the logger of the service.
LOGGER: Final = "nerq_cli.serve"
#: Frames of the innermost calls that a line has.
_MAX_FRAMES: Final = 8


def explain_error(error: NerqError) -> str:
    """Return what clients read of an error that ended a run; what may have paths is logged instead."""
    if isinstance(error, StaleDataError):
        return str(error)
    logging.getLogger(LOGGER).error("%s", error)
    return "the settings of the service cannot be used; its log has the reason"


def log_error(error: BaseException) -> None:
    """Log the type of an error and where it was raised. Its message may hold the name of a private package."""
    frames = traceback.extract_tb(error.__traceback__)[-_MAX_FRAMES:]
    places = " < ".join(f"{PurePath(frame.filename).name}:{frame.lineno} {frame.name}" for frame in reversed(frames))
    logging.getLogger(LOGGER).error("%s at %s", type(error).__name__, places)
