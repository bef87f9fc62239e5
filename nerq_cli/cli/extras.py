"""The extras of the distribution: which modules each brings, and the error for one that is not installed."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final

from nerq_cli.errors import UsageError

#: Each extra in ``pyproject.toml``, with the modules that the code imports of it.
EXTRAS: Final[dict[str, tuple[str, ...]]] = {
    "serve": ("starlette", "uvicorn", "prometheus_client"),
    "postgres": ("psycopg",),
    "mcp": ("mcp",),
    "index": ("polars",),
    "cluster": ("polars", "distributed"),
}


def require_extra(extra: str, needed_by: str = "") -> None:
    """Check that the modules of an extra are installed, without importing them.

    ``needed_by`` is the command or option that needs them; by default the command of the same name.

    Raises:
        UsageError: a module is not installed.
    """
    missing = [module for module in EXTRAS[extra] if find_spec(module) is None]
    if missing:
        raise missing_extra_error(extra, needed_by or f"nerq {extra}", missing)


def missing_extra_error(extra: str, needed_by: str, missing: list[str]) -> UsageError:
    """Return the error for an extra that is not installed, with the command that installs it."""
    return UsageError(
        f"{needed_by} needs {', '.join(missing)}",
        hint=f'pip install "nerq-cli[{extra}]"',
    )


def explain_missing_module(error: ImportError) -> UsageError | None:
    """Return the error for a module of an extra that could not be found, or None for any other module."""
    if not isinstance(error, ModuleNotFoundError):
        return None
    module = (error.name or "").partition(".")[0]
    extra = next((extra for extra, modules in EXTRAS.items() if module in modules), None)
    return None if extra is None else missing_extra_error(extra, "the command", [module])
