"""Entry point of ``nerq``, ``nerq-cli`` and ``python -m nerq_cli``."""

from __future__ import annotations

import gc
import sys

# ``-m`` puts the current directory first: a scanned project could replace any module with a file of its name.
if __name__ == "__main__" and sys.path and not getattr(sys.flags, "safe_path", False):
    del sys.path[0]


def main() -> None:
    """Run the command line, and exit with its status."""
    if sys.argv[1:] in (["--version"], ["-V"]):  # without Typer, which takes several times as long
        from nerq_cli.cli.version import print_version

        sys.exit(print_version())
    from nerq_cli.cli.app import run_command_line

    status = run_command_line(sys.argv[1:])
    gc.freeze()  # no search for cycles among all objects as the process ends: a fifth of the time of a short scan
    sys.exit(status)


if __name__ == "__main__":
    main()
