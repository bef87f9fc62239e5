"""The page of ``nerq watch``: Markdown of hostile names within its limit, and every format of one report."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nerq_cli.ecosystems import NPM
from nerq_cli.errors import ExitStatus
from nerq_cli.insight.watch import WatchChange, WatchedWaiver
from nerq_cli.inventory import Location
from nerq_cli.report import RenderOptions
from nerq_cli.report.pages.watch import (
    MARKDOWN_LIMIT,
    MARKER,
    OpenFinding,
    WatchReport,
    render_html,
    render_json,
    render_markdown,
    render_text,
)

HOSTILE = (
    "x](https://evil.example) @everyone #1 <img src=x onerror=alert(1)> `code` | **bold** \x1b[31m\n::error::pwned"
)


def build_finding(**fields: Any) -> OpenFinding:
    defaults: dict[str, Any] = {
        "rule": "vulnerability",
        "text": "a text",
        "purl": "pkg:npm/demo@1.0",
        "name": "demo",
        "version": "1.0",
        "advisory": "",
        "severity": "",
        "fix": "",
        "locations": (),
        "change": "new",
    }
    return OpenFinding(**defaults | fields)


def build_report(**fields: Any) -> WatchReport:
    defaults: dict[str, Any] = {
        "version": "0.1.0",
        "as_of": 1_795_000_000,
        "last_pass": 1_794_900_000,
        "threshold": 70.0,
        "dependencies": 3,
        "complete": True,
        "strict": True,
        "clean": False,
        "exit": ExitStatus.BELOW,
        "exit_reason": "worse since the last pass: 1 below 70",
    }
    return WatchReport(**defaults | fields)


def build_hostile() -> WatchReport:
    return build_report(
        changes=(
            WatchChange(kind="added", effect="neutral", ecosystem=NPM, name=HOSTILE, version_after=HOSTILE),
            WatchChange(kind="mcp-added", effect="neutral", name=HOSTILE, text=HOSTILE),
            WatchChange(kind="advisory-new", effect="worse", ecosystem=NPM, name="a", advisory=HOSTILE, text=HOSTILE),
        ),
        findings=(
            build_finding(text=HOSTILE, name=HOSTILE, locations=(Location(path=HOSTILE, line=1),)),
            build_finding(text=HOSTILE, name=HOSTILE, change="unchanged"),
        ),
        waivers=(WatchedWaiver(label=HOSTILE, reason=HOSTILE, until="2026-12-01", days_left=3),),
        exit_reason=HOSTILE,
    )


def test_hostile_names_are_text_in_markdown() -> None:
    text = render_markdown(build_hostile())
    for part in ("](", "<img", "@everyone", "`", "**bold**", "\x1b", "\n::error", "https://evil"):
        assert part not in text, part
    assert text.startswith(f"{MARKER}\n## ")
    lines = [line for line in text.splitlines() if line.startswith("- ")]
    assert len(lines) == 6


def test_hostile_names_are_text_elsewhere() -> None:
    report = build_hostile()
    html = render_html(report)
    assert "<img" not in html
    assert "\n::error" not in html
    text = render_text(report, RenderOptions(width=80))
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 80
    assert json.loads(render_json(report))["exit"]["code"] == 1


@pytest.mark.parametrize("limit", [600, 2_000, 4_096, 65_536])
@pytest.mark.parametrize("name", ["demo", HOSTILE, "é" * 200])
def test_markdown_keeps_to_its_limit_and_states_what_it_leaves_out(limit: int, name: str) -> None:
    changes = tuple(
        WatchChange(kind="advisory-new", effect="worse", ecosystem=NPM, name=f"{name}{number}", text=name)
        for number in range(2_000)
    )
    report = build_report(changes=changes, exit_reason=name * 20)
    text = render_markdown(report, limit)
    assert len(text.encode()) <= limit
    shown = sum(line.startswith("- ") for line in text.splitlines())
    assert f"Left out to fit the size: {2_000 - shown:,} lines." in text
    assert "nerq-cli 0.1.0" in text


def test_the_default_limit_is_that_of_an_issue() -> None:
    changes = tuple(
        WatchChange(kind="added", effect="neutral", ecosystem=NPM, name=f"package-{number}") for number in range(5_000)
    )
    assert len(render_markdown(build_report(changes=changes)).encode()) <= MARKDOWN_LIMIT == 65_536


def test_an_incomplete_pass_does_not_read_as_clean() -> None:
    report = build_report(complete=False, strict=False, exit=ExitStatus.INCOMPLETE, exit_reason="not all")
    for text in (render_markdown(report), render_text(report, RenderOptions(width=120)), render_html(report)):
        assert "Not everything could be checked" in text
        assert "not everything was checked" in text
        assert ": clean" not in text


def test_a_clean_pass() -> None:
    report = build_report(clean=True, exit=ExitStatus.PASSED, exit_reason="nothing got worse past the policy")
    text = render_text(report, RenderOptions(width=80))
    assert "3 dependencies, threshold 70: clean" in text
    assert "nothing changed" in text
