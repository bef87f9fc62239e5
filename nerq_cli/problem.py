"""Problems of dependency files and settings, with their place."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

#: ``error``: a dependency file or a line that counts could not be read; ``incomplete``: what it refers to is not
#: there; ``note``: it has no effect.
ProblemLevel: TypeAlias = Literal["error", "incomplete", "note"]


class Problem(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """One problem in one file."""

    path: str
    #: Counted from 1; 0 is the whole file.
    line: int = 0
    #: Counted from 1; 0 is the whole line.
    column: int = 0
    message: str
    #: The line up to its first name or key, as written, and ``…`` for what follows. Never a value.
    text: str = ""
    #: What to do.
    hint: str = ""
    level: ProblemLevel = "error"
