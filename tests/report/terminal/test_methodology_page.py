from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

import pytest

from nerq_cli.methodology.packages import PACKAGES
from nerq_cli.report.terminal import methodology_page
from nerq_cli.report.terminal.layout import cell_width

Screen = Callable[..., str]


def flat(printed: str) -> str:
    return " ".join(re.sub(r"[├└│─]", " ", printed).split())


@pytest.mark.parametrize("width", [80, 200])
def test_the_tree_names_everything_that_moves_a_score(screen: Screen, width: int) -> None:
    printed = flat(screen(partial(methodology_page.render_tree, PACKAGES), width=width))
    assert all(f"{name} weight {weight:g}" in printed for name, weight in PACKAGES.dimensions.items())
    for spec in PACKAGES.signals.values():
        assert f"{spec.label} {spec.name} weight {spec.weight:g} {spec.description}" in printed
        assert f"unknown when: {spec.unknown_when}" in printed
        assert not spec.not_applicable_when or f"does not apply when: {spec.not_applicable_when}" in printed
        assert all(f"{name}: {curve}" in printed for name, curve in spec.curves.items())
        assert all(f"{name} {value:g}" in printed for name, value in spec.levels.items())
    assert all(f"at most {cap.limit:g} {cap.id}: {cap.condition}" in printed for cap in PACKAGES.caps.values())
    assert all(re.search(rf"{re.escape(grade)} {least:g} ", printed) for least, grade in PACKAGES.grades)


@pytest.mark.parametrize(("width", "encoding"), [(40, "utf-8"), (80, "utf-8"), (80, "ascii"), (200, "utf-8")])
def test_the_tree_fits_the_screen(screen: Screen, width: int, encoding: str) -> None:
    printed = screen(partial(methodology_page.render_tree, PACKAGES), width=width, encoding=encoding)
    assert max(map(cell_width, printed.splitlines())) <= width
    assert encoding == "utf-8" or printed.isascii()


def test_the_page_has_an_anchor_and_a_row_for_each_signal_and_cap() -> None:
    page = methodology_page.render_markdown(PACKAGES)
    rows = {line.partition("</a>")[0]: line.split(" | ") for line in page.splitlines() if "<a id=" in line}
    assert len(rows) == len(PACKAGES.signals) + len(PACKAGES.caps)
    for spec in PACKAGES.signals.values():
        row = rows[f'| <a id="{spec.id}">']
        assert row[1:4] == [f"`{spec.id}`", f"{spec.weight:g}", spec.description]
        assert row[5:7] == [spec.unknown_when or " ", spec.not_applicable_when or " "]
        assert row[7] == f"{spec.reference} |"
    for cap in PACKAGES.caps.values():
        assert rows[f'| <a id="cap-{cap.id}">'][1:3] == [f"{cap.limit:g}", cap.condition]


def test_every_row_of_a_table_has_as_many_cells_as_its_heading() -> None:
    for table in re.findall(r"(?:^\|.*\|\n)+", methodology_page.render_markdown(PACKAGES), re.MULTILINE):
        assert len({line.count(" | ") for line in table.splitlines()}) == 1


def test_the_page_is_stable_and_ends_in_one_newline() -> None:
    page = methodology_page.render_markdown(PACKAGES)
    assert page == methodology_page.render_markdown(PACKAGES)
    assert page.endswith("|\n")
    assert page.startswith(f"# Methodology {PACKAGES.version}\n")


def test_a_bar_inside_a_cell_does_not_end_it() -> None:
    assert methodology_page._escape_cell("a|b") == "a\\|b"  # noqa: SLF001 - no text of the table has one today


def test_the_page_needs_no_terminal_library() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from nerq_cli.methodology.packages import PACKAGES; "
        "from nerq_cli.report.terminal import methodology_page; "
        "methodology_page.render_markdown(PACKAGES); print('rich' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)  # noqa: S603 - this very Python
    assert run.stdout == b"False\n"
