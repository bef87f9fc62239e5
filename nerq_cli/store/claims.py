"""Who works on what, so that several workers never do the same work at once."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable
from typing import Protocol


class Claims(Protocol):
    """Keys that workers hold while they work on them. Safe for threads. Failures are not raised.

    A worker claims keys, works on those it got, stores the results and releases them; then it waits for the others, and
    looks their results up. While it holds keys it waits for none: so no two workers wait for each other.
    """

    @property
    def problem(self) -> str:
        """A sentence for the user after a failure; empty without one."""
        ...

    def claim(self, keys: Iterable[str]) -> set[str]:
        """Claim these keys; return those that are now the caller's alone. Another worker has, or had, the others."""
        ...

    def release(self, keys: Iterable[str]) -> None:
        """Give up keys that the caller claimed."""
        ...

    def wait(self, keys: Collection[str], timeout: float) -> bool:
        """Wait until another worker has released one of these keys, at most ``timeout`` seconds; return whether it has.

        It returns at once if one of them is free.
        """
        ...

    def close(self) -> None:
        """Release everything. No method may be called afterwards."""
        ...


class LocalClaims:
    """Claims of the threads of one process."""

    def __init__(self) -> None:
        self.problem = ""
        self._held: set[str] = set()
        self._released = threading.Condition()

    def claim(self, keys: Iterable[str]) -> set[str]:
        """Claim these keys; return those that are now the caller's alone."""
        with self._released:
            claimed = {key for key in keys if key not in self._held}
            self._held |= claimed
        return claimed

    def release(self, keys: Iterable[str]) -> None:
        """Give up keys that the caller claimed."""
        with self._released:
            self._held.difference_update(keys)
            self._released.notify_all()

    def wait(self, keys: Collection[str], timeout: float) -> bool:
        """Wait until one of these keys is free, at most ``timeout`` seconds; return whether one is."""
        with self._released:
            return self._released.wait_for(lambda: not self._held.issuperset(keys), timeout)

    def close(self) -> None:
        """Release everything."""
        with self._released:
            self._held.clear()
            self._released.notify_all()
