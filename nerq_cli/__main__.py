"""Entry point of ``nerq``, ``nerq-cli`` and ``python -m nerq_cli``."""

from __future__ import annotations

import gc
import sys

# ``-m`` puts the current directory first: a scanned project could replace any module with a file of its name.
if __name__ == "__main__" and sys.path and not getattr(sys.flags, "safe_path", False):
    del sys.path[0]


def main() -> None:
    """Run the command line, and exit with its status."""
    try:
        sys.exit(_run(sys.argv[1:]))
    except KeyboardInterrupt:  # while modules are imported; a command handles it itself
        sys.stderr.write("\ninterrupted\n")
        sys.exit(130)


def _run(arguments: list[str]) -> int:
    """Run a command line, and return its exit status."""
    if arguments in (["--version"], ["-V"]):  # without Typer, which takes several times as long
        from nerq_cli.cli.version import print_version

        return print_version()
    from nerq_cli.cli.app import run_command_line

    status = run_command_line(arguments)
    gc.freeze()  # no search for cycles among all objects as the process ends: a fifth of the time of a short scan
    return status


if __name__ == "__main__":
    main()
