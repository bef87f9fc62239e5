"""Trust scores for the packages a project depends on."""

from __future__ import annotations

from typing import Final

#: The version of the distribution. Written here so that asking for it costs no look-up among installed packages.
__version__: Final = "0.1.0"
