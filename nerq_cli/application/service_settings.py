"""Which service a run looks evidence up at, and with which token."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import msgspec

from nerq_cli.errors import UsageError
from nerq_cli.fetch.source import Endpoint, hash_credential

if TYPE_CHECKING:
    from nerq_cli.application.session import Session

TOKEN_VARIABLE: Final = "NERQ_SERVICE_TOKEN"  # noqa: S105 - the name of a variable
ALLOW_HTTP_VARIABLE: Final = "NERQ_SERVICE_ALLOW_HTTP"
_FALSE: Final = frozenset({"", "0", "false", "no", "off"})
#: What begins the origin of a setting that is of the user: an option, or a variable.
_USER_ORIGINS: Final = ("--", "NERQ_")


class ServiceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The service of a run."""

    endpoint: Endpoint
    #: Whether nothing is computed that the service does not have.
    is_only: bool = False


def find_service(session: Session) -> ServiceSettings | None:
    """Return the service of a run; None without one, and where the user wants no answers but those of the sources.

    Raises:
        UsageError: there is none, and nothing is to be computed; or its address is one without encryption.
    """
    config, settings = session.config, session.settings
    if not session.uses_service:
        return None
    if not config.service:
        if config.service_only:
            raise UsageError(
                f"{config.values['service-only'].origin} needs the address of a service",
                hint="--service URL or NERQ_SERVICE has it",
            )
        _drop_project_service(session)
        return None
    is_of_user = not session.obeys_project or config.values["service"].origin.startswith(_USER_ORIGINS)
    # Where nothing may be computed, what the service answers is the only thing that can be requested again.
    is_asked = not settings.offline and (config.service_only or not settings.refresh)
    if is_of_user or not is_asked:
        _drop_project_service(session)
    if not is_asked:
        return None
    _check_encryption(config.service, os.environ, is_of_user=is_of_user)
    token = _find_token(config.service, session, os.environ) if is_of_user else ""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    identity = hash_credential(config.service, token) if token else ""
    return ServiceSettings(
        endpoint=Endpoint(url=config.service, headers=headers, identity=identity),
        is_only=bool(config.service_only),
    )


def _drop_project_service(session: Session) -> None:
    """Let the settings of a session lose the warning about a service that it does not use."""
    if session.obeys_project and session.config.weakenings:
        from nerq_cli.config.layers import drop_weakening

        session.config = drop_weakening(session.config, "service")


def _check_encryption(address: str, environ: Mapping[str, str], *, is_of_user: bool) -> None:
    """Raise UsageError for an address without encryption: but for the loopback interface, which is of the user alone.

    A project must not let a scan send requests to other programs on the machine.
    """
    parts = urlsplit(address)
    is_allowed = environ.get(ALLOW_HTTP_VARIABLE, "").strip().lower() not in _FALSE
    if parts.scheme == "https" or is_allowed or (is_of_user and _is_loopback(parts.hostname or "")):
        return
    raise UsageError(
        f"the service {address} has no encryption: names and the token could be read, and answers changed, on the way",
        hint=f"use https://, or set {ALLOW_HTTP_VARIABLE}=1",
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    from ipaddress import ip_address

    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _find_token(address: str, session: Session, environ: Mapping[str, str]) -> str:
    """Return the token for a service: of the variable, else the password for its host in the netrc file.

    Raises:
        UsageError: it has characters that no HTTP header may have.
    """
    token, origin = environ.get(TOKEN_VARIABLE, "").strip(), TOKEN_VARIABLE
    if not token:
        from nerq_cli.sources.registries.config.config_files import ConfigFiles
        from nerq_cli.sources.registries.config.credentials import read_netrc_entries

        try:
            home = Path.home()
        except RuntimeError:  # no home
            return ""
        files = ConfigFiles(environ, home, Path("/"), [], project=session.root)
        host = urlsplit(address).hostname or ""
        origin = f"the password for {host} in the netrc file"
        _, token = read_netrc_entries(files).get(host, ("", ""))
    if not (token.isascii() and token.isprintable()):
        raise UsageError(
            f"{origin} cannot be sent as a token: it has characters that are not printable ASCII",
            hint="set it to the token as nerq serve --create-token printed it",
        )
    return token
