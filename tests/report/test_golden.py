"""Whole screens and documents, compared with files in tests/data/golden.

``NERQ_UPDATE_GOLDEN=1 pytest tests/report/test_golden.py`` writes them anew; read the difference before committing it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from msgspec.structs import replace

from nerq_cli.insight.purpose import Purpose
from nerq_cli.methodology.packages import PACKAGES
from nerq_cli.report import RenderOptions
from nerq_cli.report.formats import json
from nerq_cli.report.model import Report
from nerq_cli.report.terminal import detail, methodology_page, summary

Screen = Callable[..., str]
Golden = Callable[[str, bytes], None]


@pytest.mark.parametrize("width", [80, 120, 200])
def test_the_scan_screen_looks_as_agreed(findings: Report, screen: Screen, golden: Golden, width: int) -> None:
    golden(f"scan-{width}.txt", screen(summary.render_text, findings, width=width).encode())


@pytest.mark.parametrize("width", [80, 120, 200])
def test_the_screen_of_a_comparison_looks_as_agreed(
    compared: Report, screen: Screen, golden: Golden, width: int
) -> None:
    text = screen(summary.render_text, compared, width=width)
    assert max(map(len, text.splitlines())) <= width
    golden(f"compared-{width}.txt", text.encode())


def test_the_scan_screen_looks_as_agreed_in_ascii(findings: Report, screen: Screen, golden: Golden) -> None:
    golden("scan-ascii.txt", screen(summary.render_text, findings, encoding="ascii").encode("ascii"))


def test_the_screen_of_a_run_without_advisories_looks_as_agreed(
    provisional: Report, screen: Screen, golden: Golden
) -> None:
    golden("scan-provisional.txt", screen(summary.render_text, provisional).encode())


def test_the_list_screen_looks_as_agreed(listed: Report, screen: Screen, golden: Golden) -> None:
    golden("list-80.txt", screen(summary.render_text, listed).encode())


@pytest.mark.parametrize("width", [80, 120])
def test_the_card_looks_as_agreed(everything: Report, screen: Screen, golden: Golden, width: int) -> None:
    golden(
        f"card-{width}.txt", screen(detail.render_text, everything.dependencies[0], everything, width=width).encode()
    )


def test_the_card_of_a_failing_package_looks_as_agreed(findings: Report, screen: Screen, golden: Golden) -> None:
    one = next(one for one in findings.dependencies if one.dependency.package.name == "requests")
    golden("card-below.txt", screen(detail.render_text, one, findings).encode())


def test_the_methodology_tree_looks_as_agreed(screen: Screen, golden: Golden) -> None:
    golden("methodology.txt", screen(partial(methodology_page.render_tree, PACKAGES)).encode())


@pytest.mark.parametrize("name", ["mixed", "calm", "doubtful", "broken", "listed", "empty", "hostile", "compared"])
def test_the_json_report_reads_as_agreed(request: pytest.FixtureRequest, golden: Golden, name: str) -> None:
    golden(f"report-{name}.json", json.render(request.getfixturevalue(name), RenderOptions()))


@pytest.mark.parametrize("width", [80, 120, 200])
@pytest.mark.parametrize("purpose", ["research", "critical"])
def test_the_card_in_words_looks_as_agreed(
    findings: Report, screen: Screen, golden: Golden, width: int, purpose: Purpose
) -> None:
    report = replace(findings, purpose=purpose)
    one = next(one for one in report.dependencies if one.dependency.package.name == "requests")
    text = screen(detail.render_text, one, report, width=width)
    assert max(map(len, text.splitlines())) <= width
    golden(f"card-{purpose}-{width}.txt", text.encode())


@pytest.mark.parametrize("name", ["mixed", "hostile", "doubtful"])
def test_the_json_report_has_the_card_in_words_as_agreed(
    request: pytest.FixtureRequest, golden: Golden, name: str
) -> None:
    report = replace(request.getfixturevalue(name), purpose="production")
    golden(f"guidance-{name}.json", json.render(report, RenderOptions(compact=True)))


@pytest.mark.parametrize("width", [80, 120, 200])
def test_the_screen_with_models_looks_as_agreed(models: Report, screen: Screen, golden: Golden, width: int) -> None:
    text = screen(summary.render_text, models, width=width)
    assert max(map(len, text.splitlines())) <= width
    golden(f"models-{width}.txt", text.encode())


def test_the_card_of_a_model_looks_as_agreed(models: Report, screen: Screen, golden: Golden) -> None:
    one = next(one for one in models.dependencies if one.dependency.package.name == "acme/tagged")
    golden("card-model.txt", screen(detail.render_text, one, models).encode())
