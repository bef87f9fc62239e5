"""Validators (ETag) of stored answers, for conditional requests."""

from __future__ import annotations

from typing import Final

from nerq_cli import __version__

#: The store keeps what was read in a body, not the body. Another version may read more in it, so "not modified" would
#: say too much: a validator is only sent by the version that stored it.
_PREFIX: Final = f"{__version__} "


def pack_validator(etag: str) -> str:
    """Return what the store keeps of an ETag; empty without one."""
    return f"{_PREFIX}{etag}" if etag else ""


def unpack_validator(validator: str) -> str:
    """Return the ETag to send; empty if there is none, or if another version stored it."""
    return validator.removeprefix(_PREFIX) if validator.startswith(_PREFIX) else ""
