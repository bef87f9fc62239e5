"""The service as a process: sockets, the two servers in it, signals and the end."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import math
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from ipaddress import ip_address, ip_network
from pathlib import Path
from types import FrameType
from typing import Any, Final

import msgspec
import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nerq_cli.errors import UsageError
from nerq_cli.serve.error_log import LOGGER
from nerq_cli.serve.limits import BodyLimit, ConcurrencyLimit, HostCheck, Limits, RateLimit, TimeLimit
from nerq_cli.serve.logs import EventLog, LogHandler, RequestLog
from nerq_cli.serve.metrics import Metrics
from nerq_cli.serve.operations import Operations, Paths, ServiceState, send_not_found
from nerq_cli.serve.protocol import make_protocol
from nerq_cli.serve.tokens import Authentication, TokenFile, is_readable_by_others

#: Names of a service on the loopback interface, as they stand in a Host header.
_LOOPBACK_NAMES: Final = ("localhost", "127.0.0.1", "[::1]")
#: Connections that the kernel holds until the service accepts them.
_BACKLOG: Final = 512
#: File descriptors for other things than connections of clients: the store, requests to registries.
_OTHER_DESCRIPTORS: Final = 256
#: Seconds for the end of the application, after those for its requests.
_CLOSE_SECONDS: Final = 5.0
#: Seconds for the end of threads, after that of the application.
_THREAD_SECONDS: Final = 1.0
#: Seconds in which the last responses are written.
_FLUSH_SECONDS: Final = 0.1


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the service listens, and for whom."""

    host: str = "127.0.0.1"
    #: 0: the system chooses one.
    port: int = 8320
    management_host: str = "127.0.0.1"
    #: Port of ``/metrics``; 0: the system chooses one; None: there is none.
    management_port: int | None = 8321
    #: File of the hashes of tokens.
    tokens: Path | None = None
    #: Names of the service in addition to those of the loopback interface.
    allowed_hosts: tuple[str, ...] = ()
    #: Addresses or networks of reverse proxies whose X-Forwarded-For is believed.
    trusted_proxies: tuple[str, ...] = ()
    limits: Limits = Limits()
    #: Directory of the advisory database that ``/version`` describes; None: the user's.
    cache_dir: Path | None = None
    #: No log line for each request.
    is_quiet: bool = False


class Addresses(msgspec.Struct, frozen=True):
    """URLs at which a service listens."""

    url: str
    management_url: str | None


class ServiceServer:
    """A service that listens, and serves an application once it is run.

    Other parts of the service use ``state`` (readiness checks), ``metrics`` and ``log``.
    """

    def __init__(self, settings: ServerSettings, log: EventLog | None = None) -> None:
        """Read the tokens and open the sockets.

        Raises:
            UsageError: an address cannot be used, may not be used without tokens, or is none.
            ConfigError: the file of tokens cannot be used.
        """
        for proxy in settings.trusted_proxies:
            _check_network(proxy)
        self.settings = settings
        self.state = ServiceState()
        self.metrics = Metrics()
        self.log = log or EventLog(is_quiet=settings.is_quiet)
        self._operations = Operations(self.state, self.metrics, settings.cache_dir)
        self._tokens = self._open_tokens()
        self._sockets: list[socket.socket] = []
        self._servers: list[_Server] = []
        for host, port, option in (
            (settings.host, settings.port, "--port"),
            (settings.management_host, settings.management_port, "--management-port"),
        ):
            if port is not None:
                try:
                    self._sockets.append(open_socket(host, port, option, is_protected=self._tokens is not None))
                except UsageError:
                    self.close()
                    raise
        urls = [_build_url(listening) for listening in self._sockets]
        self.addresses = Addresses(urls[0], urls[1] if len(urls) > 1 else None)

    def _open_tokens(self) -> TokenFile | None:
        path = self.settings.tokens
        if path is None:
            return None
        tokens = TokenFile(path, lambda message: self.log.write("tokens", "warning", message=message))
        if is_readable_by_others(path):
            self.log.write("tokens", "warning", message=f"{path}: every user can read this file; chmod 600 {path}")
        return tokens

    def close(self) -> None:
        """Close the sockets."""
        for listening in self._sockets:
            listening.close()

    def run(
        self,
        app: ASGIApp,
        routes: Sequence[Any] = (),
        on_start: Callable[[Addresses], None] | None = None,
    ) -> None:
        """Serve an application until a signal or :meth:`stop` ends it.

        ``routes`` are those of the application, whose templates stand in logs and metrics. ``on_start`` is called when
        the service takes requests.

        Raises:
            BaseException: what ended the start of the application.
        """
        try:
            with self._capture_logs(), self._handle_signals():
                _run_in_loop(self._serve(app, {route.endpoint: route.path for route in routes}, on_start))
        finally:
            self.close()
        if self.state.start_error is not None:
            raise self.state.start_error

    def stop(self) -> None:
        """Stop taking requests, and end when those in flight are answered; at once when called again."""
        is_repeated, self.state.is_stopping = self.state.is_stopping, True
        for server in self._servers[:1]:
            server.should_exit = True
            server.force_exit = is_repeated

    async def _serve(
        self, app: ASGIApp, routes: Mapping[Any, str], on_start: Callable[[Addresses], None] | None
    ) -> None:
        apps = [self._protect(app, routes), self._build_management_app()]
        self._servers = [
            _Server(self._configure(served, is_main=index == 0), self.state)
            for index, (served, _) in enumerate(zip(apps, self._sockets, strict=False))
        ]
        main, *management = [
            asyncio.create_task(server.serve(sockets=[listening]))
            for server, listening in zip(self._servers, self._sockets, strict=True)
        ]
        if self.state.is_stopping:  # a signal came before
            self._servers[0].should_exit = True
        await self._servers[0].is_ready.wait()
        if self._servers[0].started:
            self.state.is_started = True
            self.log.write(
                "started", url=self.addresses.url, management_url=self.addresses.management_url, pid=os.getpid()
            )
            if on_start is not None:
                on_start(self.addresses)
        await self._wait(main)
        await asyncio.sleep(_FLUSH_SECONDS)
        for server in self._servers[1:]:
            server.should_exit = True
        await asyncio.gather(*management)
        self.log.write("stopped")

    async def _wait(self, main: asyncio.Task[None]) -> None:
        """Wait for the end of the service; after a request to stop, no longer than the settings allow."""
        while not main.done() and not self.state.is_stopping:
            await asyncio.wait({main}, timeout=0.1)
        if not main.done():
            self.log.write("stopping")
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.settings.limits.stop_seconds + _CLOSE_SECONDS
        while not main.done() and loop.time() < deadline:
            await asyncio.wait({main}, timeout=0.1)
            if self._servers[0].force_exit:  # since Python 3.12 a server waits for its connections
                self._servers[0].abort_connections()
        if not main.done():
            self.log.write("server", "error", message="the application did not end in time")
            main.cancel()
            await asyncio.wait({main}, timeout=_FLUSH_SECONDS)
        elif not main.cancelled() and (error := main.exception()) is not None:
            raise error

    def _configure(self, app: ASGIApp, *, is_main: bool) -> uvicorn.Config:
        settings, limits = self.settings, self.settings.limits
        proxies = settings.trusted_proxies if is_main else ()
        return uvicorn.Config(
            app,
            http=make_protocol(
                receive_timeout=limits.receive_seconds,
                write_timeout=limits.write_seconds,
                max_connections=find_max_connections(limits.connections),
                on_refusal=self._count_refusal,
            ),
            ws="none",
            loop="asyncio",
            lifespan="on" if is_main else "off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=bool(proxies),
            forwarded_allow_ips=list(proxies),
            backlog=_BACKLOG,
            timeout_keep_alive=limits.idle_seconds,
            timeout_graceful_shutdown=math.ceil(limits.stop_seconds) if is_main else 1,
        )

    def _count_refusal(self, reason: str, request_id: str) -> None:
        self.metrics.count_refusal(reason)
        self.log.write("connection", id=request_id or None, refused=reason)

    def _protect(self, app: ASGIApp, routes: Mapping[Any, str]) -> ASGIApp:
        """Return an application with the layers around it."""
        limits, operations = self.settings.limits, self._operations
        layers: ASGIApp = TimeLimit(app, limits.request_seconds, self.state)
        layers = ConcurrencyLimit(layers, limits.concurrency, self.metrics)
        layers = BodyLimit(layers, limits.body_bytes, limits.receive_seconds)
        layers = RateLimit(layers, limits.rate)
        layers = Paths(layers, {"/version": operations.send_version})
        layers = self._restrict(layers, self.settings.host, is_open=False)
        # Those who watch a service have no token, and know it by its address.
        layers = Paths(layers, {"/healthz": operations.send_health, "/readyz": operations.send_readiness})
        layers = RequestLog(layers, self.log, self.metrics.observe, routes)
        return _Lifespan(layers, self.state)

    def _build_management_app(self) -> ASGIApp:
        operations = self._operations
        layers: ASGIApp = Paths(
            send_not_found, {"/metrics": operations.send_metrics, "/version": operations.send_version}
        )
        layers = self._restrict(
            layers, self.settings.management_host, is_open=is_loopback(self.settings.management_host)
        )
        layers = Paths(layers, {"/healthz": operations.send_health, "/readyz": operations.send_readiness})
        return RequestLog(layers, self.log, _ignore_request, {}, is_logged=False)

    def _restrict(self, app: ASGIApp, host: str, *, is_open: bool) -> ASGIApp:
        """Return an application that asks for a token, unless it is open, and checks the name it is called by."""
        if self._tokens is not None and not is_open:
            app = Authentication(app, self._tokens)
        # A page with another name cannot send a token.
        if self._tokens is None or is_open or self.settings.allowed_hosts:
            app = HostCheck(app, (*_LOOPBACK_NAMES, _bracket(host), *self.settings.allowed_hosts))
        return app

    @contextlib.contextmanager
    def _capture_logs(self) -> Iterator[None]:
        """Write the warnings of the server and of asyncio as events."""
        handler = LogHandler(self.log)
        loggers = [logging.getLogger(name) for name in ("uvicorn", "asyncio", LOGGER)]
        before = [(logger.level, logger.propagate) for logger in loggers]
        for logger in loggers:
            logger.addHandler(handler)
            logger.setLevel(logging.WARNING)
            logger.propagate = False
        try:
            yield
        finally:
            for logger, (level, propagate) in zip(loggers, before, strict=True):
                logger.removeHandler(handler)
                logger.setLevel(level)
                logger.propagate = propagate

    @contextlib.contextmanager
    def _handle_signals(self) -> Iterator[None]:
        """Stop on SIGINT and SIGTERM; at once on the second one."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def handle(_number: int, _frame: FrameType | None) -> None:
            self.stop()

        numbers = (getattr(signal, name, None) for name in ("SIGINT", "SIGTERM", "SIGBREAK"))  # the last on Windows
        before = {number: signal.signal(number, handle) for number in numbers if number is not None}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class _Server(uvicorn.Server):
    """One of the servers of a process. Signals are handled for both of them in one place."""

    def __init__(self, config: uvicorn.Config, state: ServiceState) -> None:
        config.load()
        super().__init__(config)
        self._state = state
        #: Set when the application is started, or did not start.
        self.is_ready = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals as they are."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application; a failure ends this server, not the process."""
        try:
            await super().startup(sockets)
        except SystemExit:
            self._state.start_error = self._state.start_error or RuntimeError("the application did not start")
            self.should_exit = True
        finally:
            self.is_ready.set()

    def abort_connections(self) -> None:
        """Close all connections, whatever is under way on them."""
        for connection in list(self.server_state.connections):
            connection.transport.abort()


class _Lifespan:
    """Keeps the exception that ended the start of the application: the server only logs it."""

    def __init__(self, app: ASGIApp, state: ServiceState) -> None:
        self._app = app
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            return
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return

        async def send_without_traceback(message: Message) -> None:
            if message["type"] == "lifespan.startup.failed":
                message = {"type": message["type"], "message": ""}
            await send(message)

        try:
            await self._app(scope, receive, send_without_traceback)
        except Exception as error:
            if not self._state.is_started:
                self._state.start_error = error
            raise


def _run_in_loop(serving: Coroutine[Any, Any, None]) -> None:
    """Run the service in an event loop of its own. ``asyncio.run`` would wait for jobs in threads without a limit."""
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(serving)
    finally:
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        if tasks:
            loop.run_until_complete(asyncio.wait(tasks, timeout=_FLUSH_SECONDS))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


def _ignore_request(_method: str, _route: str, _status: int, _seconds: float, _refusal: str) -> None:
    """Count nothing: the metrics are about the service, not about those who watch it."""


def open_socket(host: str, port: int, option: str, *, is_protected: bool) -> socket.socket:
    """Return a listening socket.

    ``option`` names the port in messages. ``is_protected``: requests need a token.

    Raises:
        UsageError: the address is unknown or in use, or others could reach it without a token.
    """
    family, address = _resolve(host, port)
    if not ip_address(address).is_loopback and not is_protected:
        raise UsageError(
            f"{host}: other machines could reach this address, and requests need no token",
            hint="give --tokens FILE (nerq serve --create-token NAME makes a token), or keep to 127.0.0.1",
        )
    is_dual = address == "::" and socket.has_dualstack_ipv6()
    try:
        listening = socket.create_server((address, port), family=family, backlog=_BACKLOG, dualstack_ipv6=is_dual)
        # Connections inherit it. Else the body of a response waits up to 40 ms for the acknowledgement of its head:
        # asyncio sets it for sockets only that name their protocol, which this one does not.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise UsageError(
                f"port {port} of {host} is in use by another process",
                hint=f"choose another one with {option}, or 0 for any",
            ) from error
        if error.errno == errno.EACCES:
            raise UsageError(
                f"port {port} of {host} may not be used by this user", hint=f"{option} 1024 or above needs no rights"
            ) from error
        raise UsageError(f"{host}: cannot be listened on: {error.strerror or error}") from error
    return listening


def _resolve(host: str, port: int) -> tuple[int, str]:
    """Return address family and address of a host."""
    try:
        found = socket.getaddrinfo(
            "127.0.0.1" if host == "localhost" else host.strip("[]"),
            port,
            type=socket.SOCK_STREAM,
            flags=socket.AI_PASSIVE,
        )
    except (OSError, UnicodeError) as error:
        raise UsageError(f"{host}: not an address of this machine") from error
    family, _, _, _, address = found[0]
    return family, str(address[0]).partition("%")[0]


def _check_network(text: str) -> None:
    try:
        ip_network(text)
    except ValueError as error:
        raise UsageError(
            f"--trusted-proxy {text}: not an address", hint="write 192.0.2.1, or a network: 192.0.2.0/24"
        ) from error


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches an address."""
    return ip_address(_resolve(host, 0)[1]).is_loopback


def _build_url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://{_bracket(host)}:{port}"


def _bracket(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def find_max_connections(wanted: int) -> int:
    """Return the number of connections that the limit of open files allows; the limit is raised where it can be."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return wanted
    needed = wanted + _OTHER_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return wanted
    raised = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
        soft = raised
    return max(8, min(wanted, soft - _OTHER_DESCRIPTORS))


def end_process(log: EventLog) -> None:
    """End the process when a thread is left that does not end in time: the interpreter would wait for it."""
    deadline = time.monotonic() + _THREAD_SECONDS
    threads = [
        thread for thread in threading.enumerate() if not thread.daemon and thread is not threading.main_thread()
    ]
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    if left := sum(thread.is_alive() for thread in threads):
        log.write("server", "warning", message=f"ended with unfinished work; threads: {left}")
        sys.stdout.flush()
        os._exit(0)
