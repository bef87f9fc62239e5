"""Units of time, in seconds."""

from __future__ import annotations

from typing import Final

MINUTE: Final = 60
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
#: Moment in epoch seconds until which everything is known, in a report about now.
NO_LIMIT: Final = 2**62
