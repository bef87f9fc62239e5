"""``nerq serve``: scores over HTTP."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from nerq_cli.cli import options
from nerq_cli.cli.command import create_app
from nerq_cli.cli.extras import require_extra

if TYPE_CHECKING:
    from nerq_cli.serve.run import Addresses, ServiceServer
    from nerq_cli.store.service_store import ServiceStore

_STATUSES: Final = (
    "Exit status: 0 stopped by a signal · 2 usage or configuration error: an address in use, tokens or a store that "
    "cannot be used, an extra that is not installed."
)

app = create_app()


@app.command(epilog=_STATUSES)
def serve(
    *,
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", help="Address to listen on. All but loopback need --tokens.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65_535, help="Port; 0: a free one, which is printed.")
    ] = 8320,
    management_host: Annotated[
        str, typer.Option("--management-host", metavar="ADDRESS", help="Address of the management port.")
    ] = "127.0.0.1",
    management_port: Annotated[
        int,
        typer.Option(
            "--management-port",
            min=-1,
            max=65_535,
            help="Port of /metrics, /healthz, /readyz and /version; 0: a free one; -1: none.",
        ),
    ] = 8321,
    tokens: Annotated[
        Path | None,
        typer.Option(
            "--tokens",
            metavar="FILE",
            help="Require a token of this file; it is read again when it changes.",
            dir_okay=False,
        ),
    ] = None,
    new_token: Annotated[
        str | None,
        typer.Option(
            "--create-token",
            metavar="NAME",
            help="Print a new token and its line for --tokens, and exit; with --tokens FILE the line is added to it.",
        ),
    ] = None,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option("--allowed-host", metavar="NAME", help="A name that clients call this service by (repeatable)."),
    ] = None,
    trusted_proxy: Annotated[
        list[str] | None,
        typer.Option(
            "--trusted-proxy",
            metavar="ADDRESS",
            help="A reverse proxy whose X-Forwarded-For is used for limits by address (repeatable).",
        ),
    ] = None,
    rate_limit: Annotated[
        int | None,
        typer.Option(
            "--rate-limit",
            metavar="N",
            min=1,
            help="Requests a minute of each token, or each address without tokens.  [default: no limit]",
        ),
    ] = None,
    concurrency: Annotated[
        int, typer.Option("--concurrency", metavar="N", min=1, help="Requests that are worked on at a time.")
    ] = 100,
    request_timeout: Annotated[
        float, typer.Option("--request-timeout", metavar="SECONDS", min=1, help="Time in which a request is answered.")
    ] = 60.0,
    stop_timeout: Annotated[
        float,
        typer.Option("--stop-timeout", metavar="SECONDS", min=0, help="Time for open requests when it is stopped."),
    ] = 30.0,
    workers: Annotated[
        int, typer.Option("--workers", metavar="N", min=1, max=64, help="Threads that ask sources and score.")
    ] = 2,
    offline: Annotated[
        bool, typer.Option("--offline", help="Answer from the cache and the advisory database; send no request.")
    ] = False,
    no_config: Annotated[
        bool, typer.Option("--no-config", help="Apply no settings file of the current directory.")
    ] = False,
    timeout: Annotated[
        float | None,
        typer.Option("--timeout", metavar="SECONDS", help="Time for gathering the evidence of one run.  [default: 30]"),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(
            "--store",
            envvar="NERQ_STORE",
            metavar="URL|DIR",
            help="Where responses and history are: a directory for one service, or postgresql://USER@HOST/DATABASE for "
            "several.  [default: the cache directory]",
            show_envvar=True,
        ),
    ] = None,
    cache_dir: options.CacheDir = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Log problems only, not each request.")] = False,
) -> None:
    """Serve scores over HTTP, for CI jobs, agents and people.

    It listens on this machine only, unless --host names another address, and logs JSON lines to stderr. SIGTERM or
    Ctrl+C stop it when open requests are answered.
    """
    if store is not None:  # first: it brings the other extra as well
        from nerq_cli.store.service_store import is_postgres

        if is_postgres(store):
            require_extra("postgres", "a store in PostgreSQL")
    require_extra("serve")
    if new_token is not None:
        _print_token(new_token, tokens)
        return
    from nerq_cli.application.settings import Settings
    from nerq_cli.serve.limits import Limits
    from nerq_cli.serve.run import ServerSettings, ServiceServer, end_process

    limits = Limits(
        rate=rate_limit, concurrency=concurrency, request_seconds=request_timeout, stop_seconds=stop_timeout
    )
    settings = ServerSettings(
        host=host,
        port=port,
        management_host=management_host,
        management_port=None if management_port < 0 else management_port,
        tokens=tokens,
        allowed_hosts=tuple(allowed_host or ()),
        trusted_proxies=tuple(trusted_proxy or ()),
        limits=limits,
        cache_dir=cache_dir,
        is_quiet=quiet,
    )
    # A service that looked up at a service, maybe at itself, would have no end.
    run = Settings(offline=offline, no_config=no_config, timeout=timeout, cache_dir=cache_dir, service="")
    with closing(ServiceServer(settings)) as server:  # before the rest: it takes a second
        from nerq_cli.serve.app import create_app as create_application
        from nerq_cli.serve.service import Service, ServiceSettings
        from nerq_cli.store import get_default_directory

        opened_store = _open_store(store or str(cache_dir or get_default_directory()), server)
        service = Service(ServiceSettings(run=run, workers=workers), opened_store)
        if service.settings_path:
            server.log.write("settings", message=f"the settings of {service.settings_path} apply")
        for warning in service.warnings:
            server.log.write("settings", "warning", message=warning)
        server.state.checks.append(lambda: "" if service.is_ready else "its threads are not running")
        server.metrics.watch("nerq_answers", "Answers that are kept in memory.", lambda: len(service.answers))
        server.metrics.watch("nerq_answer_bytes", "Bytes of these answers, about.", lambda: service.answers.size)
        application = create_application(service)
        server.run(application, application.routes, _print_addresses)
    end_process(server.log)


def _open_store(address: str, server: ServiceServer) -> ServiceStore:
    """Open a store whose problems are logged and measured; the service goes on without it.

    Raises:
        UsageError: it cannot be used.
    """
    from prometheus_client import Gauge

    from nerq_cli.application.session import read_clock
    from nerq_cli.store.service_store import open_service_store

    usable = Gauge("nerq_store_up", "1 if the store can be used, 0 if not.", registry=server.metrics.registry)
    usable.set(1)

    def report(problem: str) -> None:
        usable.set(0 if problem else 1)
        if problem:
            server.log.write("store", "warning", message=problem)
        else:
            server.log.write("store", message="the store is used again")

    return open_service_store(address, now=read_clock(), report=report)


def _print_addresses(addresses: Addresses) -> None:
    """Print where the service listens, for scripts that let the system choose the port."""
    lines = [f"serving on {addresses.url}"]
    if addresses.management_url is not None:
        lines.append(f"management on {addresses.management_url}")
    from nerq_cli.cli.stdout import write_stdout

    write_stdout("".join(f"{line}\n" for line in lines))


def _print_token(name: str, path: Path | None) -> None:
    from nerq_cli.serve.tokens import append_token, create_token

    token, line = create_token(name)
    if path is not None:
        append_token(path, line)
    typer.echo(f"token: {token}")
    typer.echo(f"line:  {line}")
    if path is None:
        typer.echo(
            "The token is not stored: give it to its user now, and add the line to the file of --tokens.", err=True
        )
    else:
        typer.echo(f"The token is not stored: give it to its user now. The line was added to {path}.", err=True)
