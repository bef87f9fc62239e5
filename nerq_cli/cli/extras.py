"""Commands whose dependencies are installed on request only."""

from __future__ import annotations

from importlib.util import find_spec

from nerq_cli.errors import UsageError


def require_extra(extra: str, command: str, *modules: str) -> None:
    """Check that the modules of an extra are installed, without importing them.

    Raises:
        UsageError: one is not.
    """
    if missing := [module for module in modules if find_spec(module) is None]:
        raise UsageError(f"{command} needs {', '.join(missing)}", hint=f'pip install "nerq-cli[{extra}]"')
