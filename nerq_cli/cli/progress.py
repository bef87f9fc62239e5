"""A progress bar on stderr, for people at a terminal who have waited long enough to wonder."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Final

#: Seconds before anything is shown; a run on a warm cache is over by then.
PATIENCE: Final = 0.3
_EVERY: Final = 0.1
_WIDTH: Final = 24


class Progress:
    """Draws one line and wipes it away. Not Rich's: that costs more start-up than most runs take."""

    def __init__(self, doing: str = "asking the registries") -> None:
        self._doing = doing
        self._started = time.monotonic()
        self._drawn = 0.0
        self._filled, self._empty = ("━", "─") if _encodable("━─") else ("#", "-")

    def __call__(self, done: int, total: int) -> None:
        """Show how many of the questions are answered; at the end, leave nothing behind."""
        now = time.monotonic()
        if done >= total:
            self.clear()
        elif now - self._started >= PATIENCE and now - self._drawn >= _EVERY:
            self._drawn = now
            filled = _WIDTH * done // max(total, 1)
            bar = self._filled * filled + self._empty * (_WIDTH - filled)
            sys.stderr.write(f"\r\x1b[K{self._doing} {bar} {done}/{total}")
            sys.stderr.flush()

    def clear(self) -> None:
        """Wipe the line."""
        if self._drawn:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._drawn = 0.0


def progress(doing: str = "asking the registries") -> Callable[[int, int], None] | None:
    """Return something that shows how far what is being done has come, or None where nobody is watching."""
    if not sys.stderr.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        return None
    return Progress(doing)


def _encodable(text: str) -> bool:
    try:
        text.encode(sys.stderr.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
