"""One connection to PostgreSQL that comes back after the server was away.

All tables are in the schema ``nerq``, which the first process creates. Statements are not prepared on the server, and
nothing is set for the session but time limits.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeVar

import psycopg
from psycopg import conninfo, waiting

from nerq_cli.errors import UsageError
from nerq_cli.store.breaker import Breaker

if TYPE_CHECKING:
    from typing_extensions import LiteralString

T = TypeVar("T")

#: Version of the tables. A store of a newer version is left alone.
FORMAT_VERSION: Final = 1
#: Seconds for the attempt to connect, unless the address sets ``connect_timeout``.
_CONNECT_TIMEOUT: Final = 3
#: Seconds for one statement on the server.
_STATEMENT_TIMEOUT: Final = 8.0
#: Seconds without a sign of the server while a response is awaited: it may be frozen. By the kind of operation.
_RESPONSE_TIMEOUTS: Final[Mapping[str, float]] = MappingProxyType({"read": 4.0, "write": 10.0})
#: Seconds after which a failed attempt to connect was one of a server that hangs; others cost next to nothing.
_LONG_ATTEMPT: Final = 1.0
#: Seconds between two looks at the clock while there is no response.
_POLL_INTERVAL: Final = 0.1
#: Seconds without attempts to connect after a failed one: the first and the longest, doubled from one to the next.
_FIRST_DELAY: Final = 0.25
_MAX_DELAY: Final = 15.0
#: Find out within seconds that a host does not exist any more (seconds, seconds, count, milliseconds).
_KEEPALIVE: Final = {
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
#: What is set for a session, where the server has the setting: it ends soon after its client vanished, and not before.
#: Durations are in seconds but for those with a unit.
_SESSION_SETTINGS: Final = {
    "statement_timeout": f"{_STATEMENT_TIMEOUT:g}s",
    "idle_session_timeout": "0",
    "idle_in_transaction_session_timeout": f"{_STATEMENT_TIMEOUT:g}s",  # a frozen client holds up the others
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "3",
    "tcp_keepalives_count": "3",
}
#: Held while tables are created. Any number: no other advisory lock of one number is taken.
_CREATION_LOCK: Final = 7_306_114_001

#: Waits where reads or writes of rows would wait, and changes nothing.
_PROBE: Final = "LOCK TABLE nerq.fact IN ROW EXCLUSIVE MODE"
_FIND_TABLES: Final = "SELECT 1 FROM pg_tables WHERE schemaname = 'nerq' AND tablename = 'format'"
_TABLES: Final = """
CREATE SCHEMA IF NOT EXISTS nerq;
CREATE TABLE nerq.format (version integer NOT NULL);
CREATE TABLE nerq.fact (
    digest bytea PRIMARY KEY, source text NOT NULL, value bytea, fetched_at bigint NOT NULL,
    expires_at bigint NOT NULL, validator bytea NOT NULL
);
CREATE INDEX fact_expiry ON nerq.fact (source, expires_at);
CREATE TABLE nerq.legend (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, content bytea NOT NULL);
CREATE TABLE nerq.texts (id bigint PRIMARY KEY, content bytea NOT NULL);
CREATE TABLE nerq.state (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, coverage bigint NOT NULL, mark bigint NOT NULL,
    legend bigint NOT NULL, texts bigint NOT NULL, numbers bytea NOT NULL
);
CREATE TABLE nerq.subject (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text COLLATE "C" NOT NULL UNIQUE, state bigint
);
CREATE TABLE nerq.snapshot (
    day bigint NOT NULL, subject bigint NOT NULL, state bigint NOT NULL, PRIMARY KEY (subject, day)
);
CREATE INDEX snapshot_day ON nerq.snapshot (day);
CREATE TABLE nerq.project (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, path text COLLATE "C" NOT NULL UNIQUE
);
CREATE TABLE nerq.project_snapshot (
    project bigint NOT NULL, day bigint NOT NULL, mark bigint NOT NULL, summary bytea NOT NULL,
    members bytea NOT NULL, PRIMARY KEY (project, day)
);
CREATE TABLE nerq.thinned (day bigint NOT NULL);
"""


class PostgresConnection:
    """A connection for one or several threads, one operation at a time.

    Failures are not raised: an operation returns its default, and ``problem`` has the reason until one of its kind
    succeeds. A failed attempt to connect is repeated after some time, and until then a server that is away costs none.
    One that does not respond costs some seconds once: the breaker is open then, for all connections that share it.
    """

    def __init__(
        self, url: str, report: Callable[[str], None] = lambda _: None, breaker: Breaker | None = None
    ) -> None:
        """Use an address. ``report`` is called with each new ``problem``, the empty one included.

        Connections to one server share a breaker; without one the connection has its own.
        """
        #: Address without password.
        self.label = describe_address(url)
        self._url = url
        self._breaker = breaker or make_breaker(url)
        self._is_alone = breaker is None
        self._connection: _LimitedConnection | None = None
        self._lock = threading.Lock()
        self._is_closed = False
        self._next_attempt = 0.0
        self._delay = _FIRST_DELAY
        self._problems: dict[str, str] = {}
        self._report = report
        self._reported = ""
        self._is_readable = True
        #: Counts the connections so far: what belongs to a session of the server is gone after a new one.
        self.generation = 0

    @classmethod
    def open(
        cls, url: str, report: Callable[[str], None] = lambda _: None, breaker: Breaker | None = None
    ) -> PostgresConnection:
        """Return a connection that is open.

        Raises:
            UsageError: the server does not accept the connection, or the store there cannot be used.
        """
        connection = cls(url, report, breaker)
        try:
            connection.connect()
        except psycopg.Error as error:
            raise UsageError(
                f"cannot use the store {connection.label}: {_describe_error(error)}",
                hint="start PostgreSQL there, or name another store with --store",
            ) from None
        return connection

    @property
    def problem(self) -> str:
        """Sentences for the user about failures; empty without one."""
        return self._breaker.problem or "; ".join(dict.fromkeys(self._problems.values()))

    @property
    def is_readable(self) -> bool:
        """Whether the last read succeeded: else its result is a default, not what the store has."""
        return self._is_readable

    def connect(self) -> None:
        """Connect, unless there is a connection.

        Raises:
            psycopg.Error: the server does not accept the connection.
            UsageError: the store there is of a newer version.
        """
        with self._lock:
            self._connect()

    def run(self, kind: str, operation: Callable[[psycopg.Connection[tuple[Any, ...]]], T], default: T) -> T:
        """Return the result of an operation that may be repeated; the default after a failure.

        ``kind`` names what fails, in messages: ``read`` or ``write``.
        """
        with self._lock:
            if kind == "read":
                self._is_readable = False
            try:
                return self._run(kind, operation, default)
            finally:
                if self.problem != self._reported:
                    self._reported = self.problem
                    self._report(self._reported)

    def _run(self, kind: str, operation: Callable[[psycopg.Connection[tuple[Any, ...]]], T], default: T) -> T:
        is_hanging = bool(self._breaker.problem)
        if is_hanging:
            self._disconnect()  # so that the server frees the locks of this session, which cannot be given up now
        if is_hanging or self._is_closed or (self._connection is None and time.monotonic() < self._next_attempt):
            return default
        # A second attempt: the connection may have been cut since the last one, or another process was in the way.
        for is_last in (False, True):
            started = time.monotonic()
            try:
                connection = self._connect()
            except (psycopg.Error, UsageError) as error:
                self._note_failed_attempt(error, time.monotonic() - started)
                return default
            connection.response_timeout = _RESPONSE_TIMEOUTS[kind]
            try:
                result = operation(connection)
            except (_NoResponseError, psycopg.errors.QueryCanceled) as error:
                self._disconnect()
                self._breaker.open(f"cannot {kind} the store {self.label}: {_describe_error(error)}")
                return default
            except (psycopg.Error, ValueError, OverflowError) as error:
                self._disconnect()
                if is_last or not isinstance(error, psycopg.Error) or isinstance(error, psycopg.DataError):
                    self._problems[kind] = f"cannot {kind} the store {self.label}: {_describe_error(error)}"
                    return default
            except BaseException:  # Ctrl-C in the middle of a response
                self._disconnect()
                raise
            else:
                self._problems.pop(kind, None)
                self._is_readable = self._is_readable or kind == "read"
                return result
        return default

    def select(self, query: LiteralString, values: Sequence[object]) -> list[tuple[Any, ...]]:
        """Return the rows that a query finds; none after a failure."""
        nothing: list[tuple[Any, ...]] = []
        return self.run("read", lambda connection: connection.execute(query, values).fetchall(), nothing)

    def close(self) -> None:
        """Close the connection. Operations return their default from now on."""
        with self._lock:
            self._is_closed = True
            self._disconnect()
            if self._is_alone:
                self._breaker.end()

    def _connect(self) -> _LimitedConnection:
        if self._connection is None:
            connection = _open_connection(self._url)
            try:
                _prepare(connection, self.label)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
            self.generation += 1
            self._delay, self._next_attempt = _FIRST_DELAY, 0.0
            self._problems.pop("connect to", None)
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _note_failed_attempt(self, error: Exception, seconds: float) -> None:
        problem = f"cannot connect to the store {self.label}: {_describe_error(error)}"
        if seconds > _LONG_ATTEMPT:
            self._breaker.open(problem)
            return
        self._next_attempt = time.monotonic() + self._delay
        self._delay = min(2 * self._delay, _MAX_DELAY)
        self._problems["connect to"] = problem


class _NoResponseError(psycopg.OperationalError):
    """The server did not respond in time."""


class _LimitedConnection(psycopg.Connection[tuple[Any, ...]]):
    """A connection whose statements end in an error when no response arrives in time."""

    #: Seconds without a sign of the server.
    response_timeout = _RESPONSE_TIMEOUTS["read"]

    def wait(self, gen: Any, *_: Any, **__: Any) -> Any:  # noqa: ANN401 - as psycopg has it, in any release
        # The compiled function of releases before 3.3 does not resume the generator without a response.
        limited = _limit(gen, self.response_timeout)
        try:
            return waiting.wait_selector(limited, self.pgconn.socket, interval=_POLL_INTERVAL)
        except _NoResponseError:
            self.pgconn.finish()  # the end of a transaction would wait once more
            raise


def _limit(generator: Any, seconds: float) -> Any:  # noqa: ANN401 - psycopg's own protocol of states
    """Pass the states of a generator on until the server gives no sign for some seconds."""
    try:
        state = next(generator)
        deadline = time.monotonic() + seconds
        while True:
            ready = yield state
            if ready:
                deadline = time.monotonic() + seconds
            elif time.monotonic() > deadline:
                raise _NoResponseError(f"no response within {seconds:g} s")
            state = generator.send(ready)
    except StopIteration as stop:
        return stop.value


def make_breaker(url: str, on_close: Callable[[], None] = lambda: None) -> Breaker:
    """Return the breaker of the connections to an address; ``on_close`` is called when the server responds again."""
    label = describe_address(url)

    def probe() -> str:
        try:
            with closing(_open_connection(url)) as connection:
                _limit_session(connection)
                with connection.transaction(force_rollback=True):
                    connection.execute(_PROBE)
        except psycopg.Error as error:
            if error.sqlstate is None or isinstance(error, psycopg.errors.QueryCanceled):
                return f"cannot use the store {label}: {_describe_error(error)}"
            # It responds; what is wrong its users will see.
        return ""

    return Breaker(probe, on_close)


def _open_connection(url: str) -> _LimitedConnection:
    return _LimitedConnection.connect(
        url,
        autocommit=True,
        prepare_threshold=None,
        **{"connect_timeout": _CONNECT_TIMEOUT, "application_name": "nerq", **_KEEPALIVE, **_read_options(url)},
    )


def _limit_session(connection: psycopg.Connection[tuple[Any, ...]]) -> None:
    """Set the time limits of the server for a session."""
    connection.execute(
        "SELECT set_config(name, value, false) FROM unnest(%s::text[], %s::text[]) AS new (name, value) "
        "WHERE name IN (SELECT name FROM pg_settings)",
        ([*_SESSION_SETTINGS], [*_SESSION_SETTINGS.values()]),
    )


def _prepare(connection: psycopg.Connection[tuple[Any, ...]], label: str) -> None:
    """Set the time limits, and create the tables unless they exist.

    Raises:
        UsageError: the store is of a newer version.
    """
    _limit_session(connection)
    if not connection.execute(_FIND_TABLES).fetchall():
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_CREATION_LOCK,))
            if not connection.execute(_FIND_TABLES).fetchall():  # no other process was faster
                connection.execute(_TABLES)
                connection.execute("INSERT INTO nerq.format (version) VALUES (%s)", (FORMAT_VERSION,))
    versions = [version for (version,) in connection.execute("SELECT version FROM nerq.format").fetchall()]
    if versions != [FORMAT_VERSION]:
        is_newer = bool(versions) and max(versions) > FORMAT_VERSION
        found = ", ".join(map(str, versions)) or "none"
        reason = "was written by a newer version of nerq-cli" if is_newer else "is of another format"
        raise UsageError(
            f"the store {label} {reason} (format {found}, this one has {FORMAT_VERSION}): it is left as it is",
            hint="update nerq-cli, or name another database with --store",
        )


def describe_address(url: str) -> str:
    """Return an address of PostgreSQL for messages: without user, password and options.

    Raises:
        UsageError: it is none.
    """
    options = _read_options(url)
    host = str(options.get("host") or options.get("hostaddr") or "")
    port = f":{options['port']}" if options.get("port") else ""
    return f"postgresql://{host}{port}/{options.get('dbname') or ''}"


def _read_options(url: str) -> dict[str, Any]:
    try:
        return {key: value for key, value in conninfo.conninfo_to_dict(url).items() if value is not None}
    except psycopg.ProgrammingError:  # its message may have the password
        raise UsageError(
            "the address of the store cannot be read",
            hint="postgresql://USER@HOST:PORT/DATABASE, with special characters percent-encoded",
        ) from None


def _describe_error(error: Exception) -> str:
    """Return the first line of a message: the others are advice for administrators, or the statement."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
