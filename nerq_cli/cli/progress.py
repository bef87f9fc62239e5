"""A progress bar on stderr, for people at a terminal who have waited long enough to wonder."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Final

#: Seconds before anything is shown; a run on a warm cache is over by then.
PROGRESS_DELAY: Final = 0.3
_REDRAW_INTERVAL: Final = 0.1
_BAR_WIDTH: Final = 24


class ProgressBar:
    """Draws one line and wipes it away. Not Rich's: that costs more start-up than most runs take."""

    def __init__(self, label: str = "asking the registries") -> None:
        self._label = label
        self._started_at = time.monotonic()
        self._drawn_at = 0.0
        self._filled_character, self._empty_character = ("━", "─") if _is_encodable("━─") else ("#", "-")

    def __call__(self, completed: int, total: int) -> None:
        """Show how many of the questions are answered; at the end, leave nothing behind."""
        now = time.monotonic()
        if completed >= total:
            self.clear()
        elif now - self._started_at >= PROGRESS_DELAY and now - self._drawn_at >= _REDRAW_INTERVAL:
            self._drawn_at = now
            filled_width = _BAR_WIDTH * completed // max(total, 1)
            bar = self._filled_character * filled_width + self._empty_character * (_BAR_WIDTH - filled_width)
            sys.stderr.write(f"\r\x1b[K{self._label} {bar} {completed}/{total}")
            sys.stderr.flush()

    def clear(self) -> None:
        """Wipe the line."""
        if self._drawn_at:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._drawn_at = 0.0


def create_progress(label: str = "asking the registries") -> Callable[[int, int], None] | None:
    """Return something that shows how far what is being done has come, or None where nobody is watching."""
    if not sys.stderr.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        return None
    return ProgressBar(label)


def _is_encodable(text: str) -> bool:
    try:
        text.encode(sys.stderr.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
