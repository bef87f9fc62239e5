"""A real PostgreSQL on a loopback port, with files in a directory of its own.

It uses the programs that Debian's ``postgresql`` installs, or those on the path. PostgreSQL refuses to run as root, and
runs as the user ``postgres`` or ``nobody`` then.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any, Final

import pytest

with suppress(ImportError):  # without the extra, or its library, the tests are skipped
    import psycopg

#: Seconds to wait for the server to start or stop.
_TIMEOUT: Final = 30.0
#: The cluster is thrown away: nothing has to survive the machine.
_SETTINGS: Final = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "shared_buffers": "16MB",
    "max_connections": "60",
    "autovacuum": "off",
}


def _find_programs() -> Path | None:
    found = shutil.which("initdb")
    folders = [Path(found).parent] if found else []
    folders += map(Path, sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True))
    return next((folder for folder in folders if (folder / "postgres").exists()), None)


def _find_user() -> str | None:
    """Return the user that the server runs as; None for the present one."""
    if os.geteuid() != 0:
        return None
    import pwd  # POSIX only

    users = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in users)


class PostgresServer:
    """A server that can be killed, frozen and started again on the same port."""

    def __init__(self, programs: Path, directory: Path, user: str | None) -> None:
        self._programs = programs
        self._directory = directory
        self._user = user
        self._process: subprocess.Popen[bytes] | None = None
        self._frozen: list[int] = []
        self._numbers = count(1)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port: int = probe.getsockname()[1]

    def create(self) -> None:
        """Create the files of the server."""
        options = ["-D", "data", "-U", "tester", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"]
        subprocess.run(  # noqa: S603 - the test's own command
            [str(self._programs / "initdb"), *options],
            cwd=self._directory,
            user=self._user,
            env=self._environment,
            check=True,
            capture_output=True,
        )

    def start(self) -> None:
        """Start the server, and wait until it accepts connections."""
        options = [text for name, value in _SETTINGS.items() for text in ("-c", f"{name}={value}")]
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - the test's own command
                [self._programs / "postgres", "-D", "data", "-p", str(self.port), *options],
                cwd=self._directory,
                user=self._user,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
            )
        deadline = time.monotonic() + _TIMEOUT
        while not self._is_ready():
            if time.monotonic() > deadline or self._process.poll() is not None:
                pytest.fail((self._directory / "log").read_text(encoding="utf-8", errors="replace")[-2000:])
            time.sleep(0.05)

    def stop(self) -> None:
        """Cut all connections at once, as a crash does."""
        assert self._process is not None
        self.thaw()
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(_TIMEOUT)

    def freeze(self) -> None:
        """Stop the server and its children in their tracks: connections stay open, and nothing responds."""
        assert self._process is not None
        children = self.execute("postgres", "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        self._frozen = [self._process.pid, *(pid for (pid,) in children)]
        self._signal_frozen(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let the server go on."""
        self._signal_frozen(signal.SIGCONT)
        self._frozen = []

    def url(self, database: str) -> str:
        """Return the address of a database."""
        return f"postgresql://tester@127.0.0.1:{self.port}/{database}"

    def create_database(self) -> str:
        """Create an empty database; return its address."""
        name = f"store_{next(self._numbers)}"
        self.execute("postgres", f"CREATE DATABASE {name}")
        return self.url(name)

    def execute(self, database: str, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run one statement; return its rows."""
        url = database if "://" in database else self.url(database)
        with psycopg.connect(url, autocommit=True) as connection:
            cursor = connection.execute(query, values)
            return cursor.fetchall() if cursor.description else []

    @property
    def _environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "LC_ALL": "C", "TZ": "UTC"}

    def _signal_frozen(self, number: int) -> None:
        for pid in self._frozen:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _is_ready(self) -> bool:
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


@pytest.fixture(scope="session")
def shared_server() -> Iterator[PostgresServer]:
    programs = _find_programs()
    if programs is None:
        pytest.skip("no PostgreSQL: install Debian's postgresql")
    user = _find_user()
    directory = Path(tempfile.mkdtemp(prefix="nerq-postgres-"))
    try:
        if user is not None:
            shutil.chown(directory, user)
        server = PostgresServer(programs, directory, user)
        server.create()
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(directory)


@pytest.fixture
def server(shared_server: PostgresServer) -> PostgresServer:
    """The server, running."""
    return shared_server


@pytest.fixture
def url(server: PostgresServer) -> Iterator[str]:
    """The address of a database that is empty at first."""
    created = server.create_database()
    yield created
    server.execute("postgres", f"DROP DATABASE {created.rpartition('/')[2]} WITH (FORCE)")
