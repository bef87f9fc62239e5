"""``nerq scan --explain``, and the options that ``scan`` and ``check`` share for advisories and downloads."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from nerq_cli.application.select_dependencies import select_dependencies
from nerq_cli.application.session import Session
from nerq_cli.application.settings import Settings
from nerq_cli.cli import options
from nerq_cli.ecosystems import NPM, PYPI, EcosystemId
from nerq_cli.errors import UsageError
from nerq_cli.inventory import Dependency, Package
from nerq_cli.report.model import Assessment

AS_OF = ("--as-of", "2026-11-21")
Nerq = Callable[..., Any]


def dependency(name: str, ecosystem: EcosystemId = PYPI, *aliases: str) -> Assessment:
    package = Package(ecosystem=ecosystem, name=name)
    found = Dependency(
        package=package,
        requirement="",
        version="1.0",
        resolution="pinned",
        direct=True,
        groups=(),
        locations=(),
        aliases=aliases,
    )
    return Assessment(dependency=found, state="ok")


DEMO, LEFT, TWIN = dependency("demo-lib"), dependency("@acme/left", NPM, "left"), dependency("demo-lib", NPM)
ALL = (DEMO, LEFT, TWIN)


@pytest.fixture
def two(registry: Any, project: Path) -> Any:
    """A project with one dependency on each registry."""
    advisory = {
        "id": "PYSEC-2026-1",
        "aliases": ["CVE-2026-0001"],
        "summary": "it breaks [bold]badly[/bold] \x1b[31m",
        "details": "",
        "fixed_in": ["2.0"],
        "link": "https://osv.example/PYSEC-2026-1",
    }
    registry.pypi("demo-lib", "1.0", "2.0", vulnerabilities={"1.0": [advisory]})
    registry.npm("left", "1.0.0")
    (project / "requirements.txt").write_text("demo-lib==1.0\n")
    (project / "package.json").write_text('{"dependencies": {"left": "1.0.0"}}')
    return registry


# --- names


@pytest.mark.parametrize(
    ("names", "meant"),
    [
        (["demo-lib"], [DEMO, TWIN]),
        (["Demo_Lib"], [DEMO]),
        (["pypi:demo.lib"], [DEMO]),
        (["npm:demo-lib"], [TWIN]),
        (["pkg:npm/demo-lib"], [TWIN]),
        (["@acme/left"], [LEFT]),
        (["left"], [LEFT]),
        (["left", "npm:demo-lib", "demo-lib"], [LEFT, TWIN, DEMO]),
        ([], []),
    ],
)
def test_a_name_means_every_dependency_that_goes_by_it(names: list[str], meant: list[Assessment]) -> None:
    assert list(map(id, select_dependencies(names, ALL))) == list(map(id, meant))


def test_a_name_that_is_not_there_brings_the_nearest_ones() -> None:
    with pytest.raises(UsageError, match="'demo-lbi' is not among the dependencies") as refused:
        select_dependencies(["demo-lbi"], ALL)
    assert refused.value.hint == "did you mean demo-lib?"


def test_a_name_like_no_other_brings_the_way_to_all_names() -> None:
    with pytest.raises(UsageError) as refused:
        select_dependencies(["pypi:zzz"], ALL)
    assert "nerq scan --list" in refused.value.hint


def test_a_version_is_not_part_of_a_name() -> None:
    with pytest.raises(UsageError, match="names a version") as refused:
        select_dependencies(["demo-lib==2.0"], ALL)
    assert "demo-lib" in refused.value.hint


def test_what_is_no_name_at_all_is_refused() -> None:
    with pytest.raises(UsageError, match="names no package"):
        select_dependencies(["two words"], ALL)


# --- the command


def test_a_scan_explains_a_dependency_with_the_card_of_check(nerq: Nerq, two: Any) -> None:
    card = nerq("check", "demo-lib==1.0", *AS_OF, "--quiet").out
    explained = nerq("scan", "--explain", "Demo_Lib", *AS_OF, "--quiet").out
    assert "PYSEC-2026-1 · CVE-2026-0001" in explained
    assert "affected  not stated" in explained

    def rest(text: str) -> str:  # check asks about the newest version as well, and may so know a little more
        return text.partition("Advisories")[2].partition("Signals")[0]

    assert rest(explained) == rest(card)
    assert re.findall(r"(?m)^  ?\w\d .*", explained) == re.findall(r"(?m)^  ?\w\d .*", card)


def test_what_a_stranger_wrote_is_shown_as_written(nerq: Nerq, two: Any) -> None:
    out = nerq("scan", "--explain", "demo-lib", *AS_OF).out
    assert "it breaks [bold]badly[/bold]" in out
    assert "\x1b" not in out


@pytest.mark.parametrize("columns", ["80", "200"])
def test_a_card_keeps_to_the_screen(nerq: Nerq, two: Any, monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    out = nerq("scan", "--explain", "demo-lib", *AS_OF).out
    assert max(map(len, out.splitlines())) <= int(columns)


def test_several_are_explained_and_the_table_is_left_out(nerq: Nerq, two: Any) -> None:
    out = nerq("scan", "--explain", "npm:left", "--explain", "demo-lib", *AS_OF).out
    assert out.index("pkg:npm/left@1.0.0") < out.index("pkg:pypi/demo-lib@1.0")
    assert "exit 0" not in out


def test_the_exit_status_is_that_of_the_whole_scan_and_said_on_stderr(nerq: Nerq, two: Any) -> None:
    result = nerq("scan", "--explain", "npm:left", *AS_OF, "--threshold", "99")
    assert result.status == 1
    assert re.search(r"(?m)^exit 1: .*below 99", result.err)
    assert nerq("scan", "--explain", "npm:left", *AS_OF, "--threshold", "99", "--quiet").err == ""


def test_a_slip_of_the_pen_is_told_before_anything_is_asked(nerq: Nerq, two: Any) -> None:
    result = nerq("scan", "--explain", "demo-lbi", *AS_OF)
    assert result.status == 2
    assert "'demo-lbi' is not among the dependencies" in result.err
    assert "did you mean demo-lib?" in result.err
    assert two.paths == []


def test_a_dependency_of_another_group_is_not_there(nerq: Nerq, registry: Any, project: Path) -> None:
    (project / "package.json").write_text('{"dependencies": {"left": "1"}, "devDependencies": {"right": "1"}}')
    assert nerq("scan", "--no-dev", "--explain", "right", *AS_OF).status == 2


def test_a_report_in_a_file_holds_the_cards_too_and_json_holds_everything(nerq: Nerq, two: Any, project: Path) -> None:
    nerq("scan", "--explain", "demo-lib", *AS_OF, "-o", "cards.txt", "-o", "all.json")
    assert "PYSEC-2026-1" in (project / "cards.txt").read_text()
    report = nerq("scan", "--explain", "demo-lib", *AS_OF, "--format", "json").json
    assert {one["name"] for one in report["dependencies"]} == {"demo-lib", "left"}


def test_files_with_problems_are_reported_first(nerq: Nerq, two: Any, project: Path) -> None:
    (project / "requirements.txt").write_text("demo-lib==1.0\nthis is none\n")
    result = nerq("scan", "--explain", "nowhere", "--stop-on-problem", *AS_OF)
    assert result.status == 2
    assert "this …" in result.err
    assert "nothing was scored" in result.err
    kept = nerq("scan", "--explain", "demo-lib", *AS_OF)
    assert kept.status == 2
    assert "PYSEC-2026-1" in kept.out


def test_where_there_is_nothing_to_scan_there_is_nothing_to_explain(nerq: Nerq) -> None:
    assert nerq("scan", "--explain", "demo").status == 4


def test_a_list_explains_nothing(nerq: Nerq) -> None:
    result = nerq("scan", "--list", "--explain", "demo")
    assert result.status == 2
    assert "contradict" in result.err


# --- options that are handed on


@pytest.mark.parametrize(("text", "days"), [("7", 7.0), ("7d", 7.0), ("0", 0.0), (" 0.5 d", 0.5), ("90d", 90.0)])
def test_days_are_a_number_with_or_without_their_unit(text: str, days: float) -> None:
    assert options.parse_days(text) == days


@pytest.mark.parametrize("text", ["", "d", "-1", "7w", "nan", "inf", "1e3", "٣", "7 days"])
def test_anything_else_is_no_number_of_days(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="not a number of days"):
        options.parse_days(text)


@pytest.mark.parametrize("command", [("scan",), ("check", "pypi:demo-lib")])
def test_what_is_asked_for_reaches_the_settings(
    nerq: Nerq, two: Any, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    seen: list[Settings] = []
    opened = Session.open

    def watched(settings: Settings, *others: Any) -> Session:
        seen.append(settings)
        return opened(settings, *others)

    monkeypatch.setattr(Session, "open", watched)
    nerq(*command, *AS_OF, "--offline")
    nerq(*command, *AS_OF, "--offline", "--with", "downloads", "--with", "downloads", "--max-db-age", "7d")
    assert [(one.downloads, one.max_db_age) for one in seen] == [(False, None), (True, 7.0)]


@pytest.mark.parametrize("command", [("scan",), ("check", "pypi:demo-lib")])
@pytest.mark.parametrize("wrong", [("--with", "magic"), ("--max-db-age", "soon"), ("--max-db-age", "-1")])
def test_what_cannot_be_asked_for_is_a_usage_error(
    nerq: Nerq, command: tuple[str, ...], wrong: tuple[str, str]
) -> None:
    result = nerq(*command, *wrong)
    assert result.status == 2
    assert wrong[0] in result.err
