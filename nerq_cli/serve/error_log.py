"""Errors of the service itself, in the log: where they came from, without what they were about."""

from __future__ import annotations

import logging
import traceback
from typing import Final

#: Name of the logger of the service.
LOGGER: Final = "nerq_cli.serve"


def log_error(error: BaseException) -> None:
    """Log the type of an error and where it was raised. Its message may hold the name of a private package."""
    places = "".join(traceback.format_tb(error.__traceback__))
    logging.getLogger(LOGGER).error("%s\n%s", type(error).__name__, places)
