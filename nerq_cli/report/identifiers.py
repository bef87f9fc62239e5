"""Identifiers that depend on content alone: the same report gives the same ones."""

from __future__ import annotations

from hashlib import sha1, sha256
from typing import Final

#: Namespace of the UUIDs, itself random (RFC 9562).
_NAMESPACE: Final = bytes.fromhex("5e1f0f5b9d5c4c0e9b0f6a7f3d2c8e41")
_VERSION_5: Final = 0x50
_VARIANT: Final = 0x80


def hash_parts(*parts: str) -> str:
    """Return 32 hexadecimal digits of the SHA-256 of some texts. Their borders count."""
    return sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def build_uuid(*contents: bytes) -> str:
    """Return the UUID of a content in parts (version 5, RFC 9562): ``9c1e8e6c-…``."""
    hashed = sha1(_NAMESPACE, usedforsecurity=False)
    for content in contents:
        hashed.update(content)
    digest = bytearray(hashed.digest()[:16])
    digest[6] = digest[6] & 0x0F | _VERSION_5
    digest[8] = digest[8] & 0x3F | _VARIANT
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
