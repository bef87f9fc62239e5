"""Bearer tokens: a file with the hash of each, which is read again when it changes.

A line has a name, the hash and, if wanted, a number of requests a minute. The tokens themselves are stored nowhere.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import stat
import time
from collections.abc import Callable
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path
from secrets import token_urlsafe
from typing import Final, NamedTuple

from starlette.types import ASGIApp, Receive, Scope, Send

from nerq_cli.errors import ConfigError, UsageError
from nerq_cli.patterns import compile_late
from nerq_cli.serve.buckets import Buckets, find_client
from nerq_cli.serve.logs import TOKEN_NAME
from nerq_cli.serve.refusals import find_header, refuse

#: Key of a scope: the entry of the token that a request came with.
TOKEN: Final = "nerq.token_entry"  # noqa: S105 - the name of a key
#: Beginning of each token, by which scanners for secrets find it.
_PREFIX: Final = "nerq_"
_HASH_PREFIX: Final = "sha256:"
#: Random bytes of a token.
_TOKEN_BYTES: Final = 32
#: Longest token that is hashed, in characters.
_MAX_TOKEN_LENGTH: Final = 512
#: Largest file of tokens, in bytes.
_MAX_FILE_BYTES: Final = 1 << 20
#: Seconds between two looks at the file.
_RECHECK_SECONDS: Final = 1.0
#: Requests with a wrong token that one address may send in a minute.
_FAILURES_PER_MINUTE: Final = 60

_NAME: Final = compile_late(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_HASH: Final = compile_late(r"sha256:[0-9a-f]{64}", re.ASCII)
_RATE: Final = compile_late(r"[1-9][0-9]{0,8}", re.ASCII)


class Token(NamedTuple):
    """One line of the file."""

    name: str
    #: SHA-256 of the token.
    digest: bytes
    #: Requests a minute; None: the limit of the service.
    rate: int | None = None


def create_token(name: str) -> tuple[str, str]:
    """Return a new token and its line for the file.

    Raises:
        UsageError: the name cannot stand in the file.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be the name of a token",
            hint="write up to 64 letters, digits, dots, hyphens and underscores",
        )
    token = _PREFIX + token_urlsafe(_TOKEN_BYTES)
    return token, f"{name} {_HASH_PREFIX}{sha256(token.encode()).hexdigest()}"


def append_token(path: Path, line: str) -> None:
    """Append a line to the file of tokens. A new file can be read by its owner only.

    Raises:
        ConfigError: the file cannot be used, or has a token of this name.
    """
    name = line.partition(" ")[0]
    try:
        content = path.read_text(encoding="utf-8") if path.exists() else ""
        if any(token.name == name for token in parse_tokens(content, path)):
            raise ConfigError(f"{path}: there is a token named {name} already", hint="choose another name")
        separator = "" if not content or content.endswith("\n") else "\n"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(f"{separator}{line}\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be changed: {_get_reason(error)}") from error


def read_tokens(path: Path) -> tuple[tuple[Token, ...], tuple[int, ...]]:
    """Return the tokens of a file, and what identifies its state.

    Raises:
        ConfigError: the file cannot be read, others can change it, or a line is no token.
    """
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            content = file.read(_MAX_FILE_BYTES + 1)
        if len(content) > _MAX_FILE_BYTES:
            raise ConfigError(f"{path}: more than {_MAX_FILE_BYTES:,} bytes")
        text = content.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {_get_reason(error)}") from error
    _check_permissions(path, status)
    return parse_tokens(text, path), _identify(status)


def _check_permissions(path: Path, status: os.stat_result) -> None:
    """Refuse a file that another user could add a token to."""
    if os.name != "posix":
        return
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ConfigError(f"{path}: other users can change this file", hint=f"chmod 600 {path}")
    if status.st_uid not in {0, os.geteuid()}:
        raise ConfigError(f"{path}: belongs to another user", hint="the owner must be root or the user of the service")


def is_readable_by_others(path: Path) -> bool:
    """Return whether users other than owner and group can read a file."""
    return os.name == "posix" and bool(path.stat().st_mode & stat.S_IROTH)


def _identify(status: os.stat_result) -> tuple[int, ...]:
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def parse_tokens(text: str, path: Path) -> tuple[Token, ...]:
    """Return the tokens of the lines of a file; empty lines and those that begin with ``#`` are left out.

    Raises:
        ConfigError: a line is no token, or a name or a hash comes twice.
    """
    tokens: list[Token] = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if not (2 <= len(words) <= 3 and _NAME.fullmatch(words[0]) and _HASH.fullmatch(words[1])):  # noqa: PLR2004
            raise ConfigError(
                f"{path}:{number}: not a token: expected NAME sha256:HASH [REQUESTS_PER_MINUTE]",
                hint="nerq serve --create-token NAME writes a line",
            )
        if len(words) == 3 and not _RATE.fullmatch(words[2]):  # noqa: PLR2004 - the third word
            raise ConfigError(f"{path}:{number}: not a number of requests a minute: write 1 or more")
        rate = int(words[2]) if len(words) == 3 else None  # noqa: PLR2004 - as above
        token = Token(words[0], bytes.fromhex(words[1].removeprefix(_HASH_PREFIX)), rate)
        if any(token.name == other.name or token.digest == other.digest for other in tokens):
            raise ConfigError(f"{path}:{number}: name or hash of an earlier line")
        tokens.append(token)
    return tuple(tokens)


class TokenFile:
    """The tokens of a file as it is now. A file that became unusable changes nothing: the tokens before it stay."""

    def __init__(self, path: Path, report: Callable[[str], None]) -> None:
        """Read the file.

        ``report`` is called with a message when the file has changed, and when what it holds cannot be used.

        Raises:
            ConfigError: see :func:`read_tokens`; or there is no token in it.
        """
        self._path = path
        self._report = report
        self._tokens, self._state = read_tokens(path)
        if not self._tokens:
            raise ConfigError(f"{path}: there is no token in it", hint="nerq serve --create-token NAME writes a line")
        self._next_check = time.monotonic() + _RECHECK_SECONDS

    def find(self, text: str) -> Token | None:
        """Return the entry of a token, or None. All entries are compared, each in constant time."""
        self._read_changes()
        digest = sha256(text.encode("utf-8", "surrogatepass")).digest()
        match = None
        for token in self._tokens:
            if compare_digest(token.digest, digest):
                match = token
        return match

    def _read_changes(self) -> None:
        now = time.monotonic()
        if now < self._next_check:
            return
        self._next_check = now + _RECHECK_SECONDS
        try:
            state = _identify(self._path.stat())
        except OSError as error:
            state = (-1, error.errno or 0)
        if state == self._state:
            return
        self._state = state  # before reading: an unusable file is reported once
        try:
            self._tokens, self._state = read_tokens(self._path)
        except ConfigError as error:
            self._report(f"{error}; the tokens read before stay valid")
            return
        self._report(f"tokens read again: {len(self._tokens)}")


class Authentication:
    """A layer that requires a token: ``Authorization: Bearer``, or the password of ``Basic`` for browsers."""

    def __init__(self, app: ASGIApp, tokens: TokenFile) -> None:
        self._app = app
        self._tokens = tokens
        self._failures = Buckets()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on a request with a token, and refuse others."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        text = read_credentials(find_header(scope, b"authorization"))
        token = self._tokens.find(text) if text else None
        if token is not None:
            scope[TOKEN] = token
            scope[TOKEN_NAME] = token.name
            await self._app(scope, receive, send)
            return
        if text is not None and (wait := self._failures.take(find_client(scope), _FAILURES_PER_MINUTE)):
            await refuse(
                scope,
                send,
                "failures",
                "too-many-requests",
                "too many requests with a wrong token from this address",
                {"Retry-After": str(wait)},
            )
            return
        challenge = 'Bearer realm="nerq"'
        if text is not None:
            challenge += ', error="invalid_token"'
        if "text/html" in (find_header(scope, b"accept") or ""):
            challenge += ', Basic realm="nerq: the token is the password", charset="UTF-8"'
        await refuse(
            scope,
            send,
            "token",
            "unauthorized",
            "this service needs a token" if text is None else "the token is not valid",
            {"WWW-Authenticate": challenge},
        )


def read_credentials(header: str | None) -> str | None:
    """Return the token of an Authorization header, or None without one; "" when it cannot be a token."""
    if header is None:
        return None
    scheme, _, value = header.partition(" ")
    value = value.strip()
    if scheme.lower() == "basic":
        try:
            value = base64.b64decode(value, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    elif scheme.lower() != "bearer":
        return ""
    return value if len(value) <= _MAX_TOKEN_LENGTH else ""


def _get_reason(error: OSError | UnicodeDecodeError) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else "not UTF-8"
