"""A progress bar on stderr."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from nerq_cli.application.session import ProgressFactory

#: Seconds before anything is shown. A run that only reads the cache is shorter.
PROGRESS_DELAY: Final = 0.3
#: Seconds between two drawings.
_REDRAW_INTERVAL: Final = 0.1
#: Columns.
_BAR_WIDTH: Final = 24


class ProgressBar:
    """A line on stderr, removed at the end. Rich's bar takes longer to import than most runs take."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._started_at = time.monotonic()
        self._drawn_at = 0.0
        self._filled_character, self._empty_character = ("━", "─") if _is_encodable("━─") else ("#", "-")

    def __call__(self, completed: int, total: int) -> None:
        """Show how much is done; remove the line at the end."""
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
        """Remove the line."""
        if self._drawn_at:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._drawn_at = 0.0


def create_progress(label: str) -> Callable[[int, int], None] | None:
    """Return a progress callback, or None when stderr is not a terminal."""
    if not sys.stderr.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        return None
    return ProgressBar(label)


def get_progress_factory(*, quiet: bool) -> ProgressFactory:
    """Return what shows progress on stderr; with ``--quiet`` nothing does."""
    from nerq_cli.application.session import hide_progress

    return hide_progress if quiet else create_progress


def _is_encodable(text: str) -> bool:
    try:
        text.encode(sys.stderr.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
