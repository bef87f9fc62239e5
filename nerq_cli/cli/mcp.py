"""``nerq mcp``: an MCP server for coding agents."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from nerq_cli.cli import options
from nerq_cli.cli.command import create_app
from nerq_cli.cli.extras import require_extra

app = create_app()


@app.command()
@options.with_source_options
def mcp(
    context: typer.Context,
    *,
    root: Annotated[
        list[Path] | None,
        typer.Option(
            "--root",
            metavar="DIRECTORY",
            help="Directory whose projects may be scanned (repeatable).  [default: those that the client names]",
            show_default=False,
        ),
    ] = None,
    print_config: Annotated[
        str | None,
        typer.Option("--print-config", metavar="CLIENT", help="Print the configuration of a client, and exit."),
    ] = None,
    shared: options.ReportOptions,
) -> None:
    """Serve coding agents over MCP: they ask before they install.

    Tools, on stdin and stdout: check_package, check_many, compare, alternatives, explain and scan_project. They read,
    and change nothing. A client starts this command; --print-config shows how to set that up.
    """
    from nerq_cli.agent_tools.roots import resolve_roots

    roots = resolve_roots(root or ())
    if print_config is not None:
        from nerq_cli.agent_tools.client_configuration import get_client, render_configuration

        client = get_client(print_config)
        text = render_configuration(
            client,
            list(map(str, roots)),
            os.getcwd(),  # noqa: PTH109 - as it is called
            options.list_given(context, left_out={"root", "print_config"}),
        )
        typer.echo(text, nl=False)
        typer.echo(f"belongs in {client.place}", err=True)
        return
    require_extra("mcp")
    from nerq_cli.agent_tools.server import serve
    from nerq_cli.application.session import read_settings

    directory = roots[0] if roots else Path()
    read_settings(shared, directory)  # an invalid one is an error now, not in every answer
    if sys.stdin.isatty():
        sys.stderr.write(
            "nerq mcp: waiting for an MCP client on stdin; --print-config CLIENT shows how to set one up\n"
        )
    serve(shared, roots, Path(os.path.realpath(directory)))
