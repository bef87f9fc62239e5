"""Show the HTML report in a browser."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nerq_cli.application.settings import is_ci
from nerq_cli.errors import UsageError

if TYPE_CHECKING:
    from nerq_cli.report import RenderOptions
    from nerq_cli.report.model import Report

#: Platforms on which every session can show a window.
_WINDOWED_PLATFORMS: Final = ("darwin", "win32", "cygwin")
#: Variables of which one is set where a browser can be shown: a display, a browser that the user chose, or WSL.
_DISPLAY_VARIABLES: Final = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "WSL_DISTRO_NAME")
_HINT: Final = "write the report with -o report.html, and open that file where a browser is"


def check_browser() -> None:
    """Check that a browser can be shown: before the run, not after it.

    Raises:
        UsageError: it runs in CI, or there is no display.
    """
    if is_ci():
        raise UsageError("--open shows a browser, and this is a CI run (CI is set)", hint=_HINT)
    if sys.platform not in _WINDOWED_PLATFORMS and not any(map(os.environ.get, _DISPLAY_VARIABLES)):
        raise UsageError("--open shows a browser, and there is no display", hint=_HINT)


def open_report(report: Report, paths: Sequence[Path], options: RenderOptions) -> None:
    """Open the first of the HTML reports that were written; without one write it to a temporary file, and print where.

    A browser that cannot be started is a warning: the report is written.
    """
    import webbrowser

    from nerq_cli.cli.output import write_message

    path = paths[0].resolve() if paths else _write_temporary_report(report, options)
    if not paths:
        write_message("report", str(path))
    try:
        is_open = webbrowser.open(path.as_uri())
    except (webbrowser.Error, OSError):
        is_open = False
    if not is_open:
        write_message("warning", f"no browser could be started; the report is {path}")


def _write_temporary_report(report: Report, options: RenderOptions) -> Path:
    import tempfile

    from nerq_cli.report import FORMATS

    descriptor, name = tempfile.mkstemp(prefix="nerq-", suffix=".html")
    with os.fdopen(descriptor, "wb") as file:
        file.writelines(FORMATS["html"].render_parts(report, options))
    return Path(name)
