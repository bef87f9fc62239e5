"""TLS contexts: the certificates of the operating system, and those that the user names beside them."""

from __future__ import annotations

import os
import ssl
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Final

from nerq_cli.errors import ConfigError
from nerq_cli.fetch.ca_bundle import CaBundle
from nerq_cli.patterns import compile_late

#: Variables that name certificates: those of OpenSSL, requests, curl, pip and Node.js.
CERTIFICATE_VARIABLES: Final = (
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "PIP_CERT",
    "NODE_EXTRA_CA_CERTS",
)
#: The only variable that may name several places.
_DIRECTORIES_VARIABLE: Final = "SSL_CERT_DIR"
#: Names by which OpenSSL finds certificates in a directory: the hash of the subject and a number (``openssl rehash``).
_HASHED_NAME: Final = compile_late(r"[0-9a-f]{8}\.\d+")

_CERTIFICATE_SUFFIXES: Final = frozenset({".pem", ".crt", ".cer"})


def list_bundles(bundles: Sequence[CaBundle] = ()) -> tuple[CaBundle, ...]:
    """Return the bundles that the environment names, and these."""
    named = tuple(
        CaBundle(origin=variable, path=path)
        for variable in CERTIFICATE_VARIABLES
        if (value := os.environ.get(variable, ""))
        for path in (value.split(os.pathsep) if variable == _DIRECTORIES_VARIABLE else (value,))
        if path
    )
    return tuple(dict.fromkeys((*named, *bundles)))


def create_ssl_context(bundles: Sequence[CaBundle] = ()) -> ssl.SSLContext:
    """Return a context that trusts the certificates of the operating system, of the environment, and these.

    Raises:
        ConfigError: a bundle does not exist, or holds no certificates.
    """
    return _load_openssl_context(list_bundles(bundles)) or _create_truststore_context(list_bundles(bundles))


@lru_cache(maxsize=8)
def _load_openssl_context(bundles: tuple[CaBundle, ...]) -> ssl.SSLContext | None:
    """Return a context with the certificates that OpenSSL finds by itself; None if it finds none.

    With them, truststore is not used: it would read the same file again for each connection (22 ms for 144
    certificates) and run one handshake at a time.
    """
    if sys.platform in ("darwin", "win32"):
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Not load_default_certs(): SSL_CERT_FILE and SSL_CERT_DIR would replace the certificates of the system.
    default_paths = ssl.get_default_verify_paths()
    loaded_path = os.path.realpath(default_paths.openssl_cafile)
    if not os.path.isfile(loaded_path):  # noqa: PTH113 - is_file() raises where a folder may not be searched
        return None
    try:
        context.load_verify_locations(cafile=loaded_path)
        if os.path.isdir(default_paths.openssl_capath):  # noqa: PTH112 - as above
            context.load_verify_locations(capath=default_paths.openssl_capath)
    except OSError:  # ssl.SSLError is one
        return None
    for bundle in bundles:
        if not bundle.path or os.path.realpath(bundle.path) != loaded_path:
            _add_bundle(context, bundle)
    return context if context.cert_store_stats()["x509_ca"] else None


def _create_truststore_context(bundles: Sequence[CaBundle]) -> ssl.SSLContext:
    import truststore

    context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for bundle in bundles:
        _add_bundle(context, bundle)
    return context


def _add_bundle(context: ssl.SSLContext, bundle: CaBundle) -> None:
    path = Path(bundle.path)
    try:
        if bundle.pem:
            context.load_verify_locations(cadata=bundle.pem)
        elif path.is_dir():
            _add_directory(context, path)
        else:
            context.load_verify_locations(cafile=path)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        place = bundle.path or "the text of a setting"
        raise ConfigError(f"no certificates can be read from {place}", hint=f"{bundle.origin} names it") from error


def _add_directory(context: ssl.SSLContext, directory: Path) -> None:
    """Add the certificates of a directory, with the names that OpenSSL looks for or others.

    Raises:
        ValueError: no file of it holds a certificate.
    """
    paths = sorted(directory.iterdir())
    if any(_HASHED_NAME.fullmatch(path.name) for path in paths):
        context.load_verify_locations(capath=directory)
        return
    added = 0
    for path in paths:
        if path.suffix in _CERTIFICATE_SUFFIXES and path.is_file():
            with suppress(OSError):  # a key, a certificate in another encoding
                context.load_verify_locations(cafile=path)
                added += 1
    if not added:
        raise ValueError("no certificate")


def describe_trust(bundles: Sequence[CaBundle] = ()) -> str:
    """Return what was trusted, or the settings that can name further certificates, for an error message."""
    origins = dict.fromkeys(bundle.origin for bundle in list_bundles(bundles))
    if origins:
        return f"neither the system's certificates vouch for it nor those that {', '.join(origins)} names"
    variables = ", ".join(variable for variable in CERTIFICATE_VARIABLES if variable != _DIRECTORIES_VARIABLE)
    return f"{variables}, pip's cert or npm's cafile can name the certificates of your network"
