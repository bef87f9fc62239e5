"""What a table, its heading and a Markdown report state of dependencies that are waived or fail by a dimension."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

AS_OF = ("--as-of", "2026-11-21", "--no-strict")
Nerq = Callable[..., Any]
HIGH: dict[str, Any] = {"database_specific": {"severity": "HIGH"}}


@pytest.fixture(autouse=True)
def two(registry: Any, services: Any, project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with two dependencies, each with two advisories of high severity."""
    registry.most_used()
    for name in ("demo", "other"):
        registry.pypi(name, "1.0", "2.0")
        for number in (1, 2):
            services.advisory(name, "1.0", identifier=f"GHSA-{name}-{number}", **HIGH)
    (project / "requirements.txt").write_text("demo==1.0\nother==1.0\n")
    monkeypatch.setenv("COLUMNS", "240")
    return project


def waive(project: Path, package: str, *targets: str, more: str = "") -> None:
    waivers = "".join(
        f'[[waivers]]\npackage = "{package}"\nreason = "not reachable"\nuntil = 2027-01-31\n{target}\n'
        for target in targets
    )
    (project / "nerq.toml").write_text(more + waivers)


def find_row(text: str, name: str) -> str:
    return next(line for line in text.splitlines() if f" {name} " in line and "1.0" in line and " pypi " in line)


def test_the_heading_counts_waived_dependencies_apart(nerq: Nerq, project: Path) -> None:
    waive(project, "demo", 'rule = "score-below-threshold"', 'rule = "vulnerability"')
    result = nerq("scan", *AS_OF)
    assert result.status == 1
    assert "1 below 70 (and 1 waived)" in result.out
    assert "exit 1 (1 below 70, 2 vulnerabilities; 3 waived by nerq.toml" in result.out
    markdown = nerq("scan", *AS_OF, "-f", "markdown").out
    assert "2 packages: 1 below (and 1 waived)." in markdown
    (project / "requirements.txt").write_text("demo==1.0\n")
    result = nerq("scan", *AS_OF)
    assert result.status == 0
    assert "0 below 70 (and 1 waived)" in result.out


def test_a_row_that_fails_has_its_reason_before_its_waiver(nerq: Nerq, project: Path) -> None:
    waive(project, "demo", 'advisory = "GHSA-demo-1"')
    result = nerq("scan", *AS_OF)
    row = find_row(result.out, "demo")
    assert "GHSA-demo-2 (high, 1 waived)" in row
    assert row.index("GHSA-demo-2") < row.index("waived until 2027-01-31")
    assert "GHSA-demo-1" not in row


def test_a_row_that_only_a_waiver_lets_pass_begins_with_it_and_comes_last(nerq: Nerq, project: Path) -> None:
    waive(project, "demo", 'rule = "score-below-threshold"', 'rule = "vulnerability"')
    lines = nerq("scan", *AS_OF).out
    row = find_row(lines, "demo")
    assert row.index("waived until 2027-01-31") < row.index("GHSA-demo-")
    assert lines.index(find_row(lines, "other")) < lines.index(row)


def test_a_dependency_below_the_threshold_of_a_dimension_is_explained_by_that(nerq: Nerq, project: Path) -> None:
    (project / "nerq.toml").write_text(
        "threshold = 10\n[rules]\nvulnerability = 'allow'\n[thresholds.dimensions]\nsecurity = 99\n"
    )
    result = nerq("scan", *AS_OF)
    assert result.status == 1
    assert "2 below their thresholds" in result.out
    assert "threshold 10 and others" in result.out
    assert "below 10" not in result.out
    row = find_row(result.out, "demo")
    assert row.index("of 99 points") < row.index("GHSA-demo-")
    card = nerq("scan", *AS_OF, "--explain", "demo").out
    assert "is below the threshold of a dimension: security" in " ".join(card.split())
    page = nerq("scan", *AS_OF, "-f", "html").out
    assert "below 10" not in page
    assert "below their thresholds" in page
    assert "Threshold 10 and others." in nerq("scan", *AS_OF, "-f", "markdown").out


def test_the_reason_of_the_exit_status_is_printed_with_its_counts(nerq: Nerq, project: Path) -> None:
    waive(project, "demo", 'rule = "vulnerability"', more="threshold = 10\n")
    (project / "requirements.txt").write_text("demo==1.0\n")
    for number in range(12):
        (project / f"part{number}").mkdir()
        text = f'[project]\nname = "part{number}"\nversion = "1"\ndynamic = ["dependencies"]\n'
        (project / f"part{number}" / "pyproject.toml").write_text(text)
    result = nerq("scan", *AS_OF)
    end = " ".join(result.out.rpartition("\nexit ")[2].split())
    assert result.status == 0
    assert 0 <= end.find("waived by nerq.toml") < end.index("not everything could be checked")
    assert "part9/pyproject.toml: dependencies are dynamic" in end
    assert end.endswith(")")


@pytest.mark.parametrize(
    ("options", "heading"),
    [
        ((), "## nerq: exit 1"),
        (("--report-only",), "## nerq: report only, would fail (exit 1)"),
        (("--report-only", "--threshold", "10", "--allow", "vulnerability"), "## nerq: passed"),
        (("--threshold", "10", "--allow", "vulnerability"), "## nerq: passed"),
        (("--list",), "## nerq: listed, not scored"),
    ],
)
def test_the_heading_of_markdown_has_the_result(nerq: Nerq, options: tuple[str, ...], heading: str) -> None:
    assert f"\n{heading}\n" in nerq("scan", *AS_OF, "-f", "markdown", *options).out


def test_markdown_never_states_that_an_incomplete_run_passed(nerq: Nerq, services: Any) -> None:
    services.silent()
    out = nerq("scan", *AS_OF, "-f", "markdown", "--threshold", "1").out
    assert "## nerq: passed\n" not in out
    assert "## nerq: passed, but not everything was checked\n" in out
