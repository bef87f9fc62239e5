"""Regular expressions that are compiled on first use: most commands need few of the many that modules define."""

from __future__ import annotations

import re
from typing import AnyStr, Generic, cast


class LatePattern(Generic[AnyStr]):
    """Stands for a compiled pattern and has its attributes.

    The functions of ``re`` do not take it: call its methods.
    """

    def __init__(self, pattern: AnyStr, flags: int) -> None:
        self._source: AnyStr = pattern
        self._flags = flags

    def __getattr__(self, name: str) -> object:
        """Return an attribute of the compiled pattern, and keep it, so that this is called once for each."""
        value: object = getattr(re.compile(self._source, self._flags), name)
        setattr(self, name, value)
        return value


def compile_late(pattern: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """Return what ``re.compile`` returns, compiled when it is first used.

    A mistake in the pattern raises ``re.error`` then; a test compiles the patterns of all modules.
    """
    return cast("re.Pattern[AnyStr]", LatePattern(pattern, flags))
