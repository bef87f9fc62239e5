"""``nerq --about``: whose data this is."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

from nerq_cli import __version__
from nerq_cli.cli import about
from nerq_cli.sources import SOURCES

Nerq = Callable[..., Any]


def flat(printed: str) -> str:
    return " ".join(printed.split())


def test_about_says_the_version_and_every_source_with_its_terms(nerq: Nerq) -> None:
    result = nerq("--about")
    assert result.status == 0
    assert result.err == ""
    assert result.out.startswith(f"nerq-cli {__version__}\n")
    for one in about.list_credits():
        assert all(flat(text) in flat(result.out) for text in one)


def test_the_attributions_are_those_the_sources_ask_for(nerq: Nerq) -> None:
    printed = flat(nerq("--about").out)
    attributions = [row.credit.attribution for row in SOURCES.values() if row.credit.attribution]
    assert "Contains data from deps.dev, licensed under CC-BY 4.0." in attributions
    assert "Contains data from OpenSSF Scorecard, licensed under CDLA-Permissive-2.0." in attributions
    for attribution in attributions:
        assert attribution in printed
        assert attribution in about.render_markdown()


def test_no_service_that_is_asked_goes_unnamed() -> None:
    labels = {one.label for one in about.list_credits()}
    assert {row.label for row in SOURCES.values()} <= labels


def test_every_licence_named_can_be_looked_up(nerq: Nerq) -> None:
    named = {one.terms for one in about.list_credits() if one.terms[-1].isdigit()}
    assert named == {"CC-BY-4.0", "CC0-1.0", "CDLA-Permissive-2.0", "Apache-2.0"}
    assert all(f"{name}: https://" in nerq("--about").out for name in named)


def test_the_lists_that_are_shipped_say_how_many_names_and_of_when(nerq: Nerq) -> None:
    printed = flat(nerq("--about").out)
    assert "List of popular PyPI packages 14,985 names" in printed
    assert "edition of 2026-11-01" in printed


def test_about_fits_a_small_terminal_and_needs_no_signs(nerq: Nerq) -> None:
    printed = nerq("--about").out
    assert max(map(len, printed.splitlines())) <= 80
    assert printed.isascii()


def test_about_imports_nothing_of_the_network_or_the_screen() -> None:
    heavy = ["httpx", "rich", "rapidfuzz", "pip_requirements_parser", "packageurl", "sqlite3", "packaging", "ssl"]
    watch = (
        "import sys\n"
        "from nerq_cli.cli.app import run_command_line\n"
        "run_command_line(['--about'])\n"
        f"sys.exit(repr([name for name in {heavy} if name in sys.modules]))\n"
    )
    done = subprocess.run([sys.executable, "-c", watch], capture_output=True, text=True, check=False)  # noqa: S603
    assert done.stderr.strip() == "[]"
