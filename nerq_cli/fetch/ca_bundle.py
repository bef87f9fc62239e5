"""Certificates of authorities that a setting of the user names."""

from __future__ import annotations

import msgspec


class CaBundle(msgspec.Struct, frozen=True, kw_only=True):
    """Certificates of authorities that the user trusts, from one setting."""

    #: The setting, for users ("PIP_CERT", "pip.conf (~/.config/pip/pip.conf)").
    origin: str
    #: A file in PEM, or a directory of such files with the names that OpenSSL looks for.
    path: str = ""
    #: The certificates themselves in PEM, if the setting holds them.
    pem: str = ""
