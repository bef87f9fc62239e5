"""An advisory known for the version in use is on every screen and in every format, also when the dependency passes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nerq_cli.report import FORMATS

AS_OF = ("--as-of", "2026-11-21")
#: As long as identifiers are.
IDENTIFIER = "GHSA-x84v-xcm2-53pg"
LONG_NAME = "a-package-with-a-long-name-as-some-of-them-have"
LONG_PATH = "services/payments/backend/requirements/production.txt"

Nerq = Callable[..., Any]


@pytest.fixture(params=["demo", LONG_NAME])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def passing(registry: Any, services: Any, project: Path, name: str) -> Path:
    """A project with a dependency that passes although one advisory of low severity affects it."""
    registry.pypi(name, "1.0", "2.0")
    services.advisory(name, "2.0", identifier=IDENTIFIER, database_specific={"severity": "LOW"})
    file = project / LONG_PATH
    file.parent.mkdir(parents=True)
    file.write_text(f"{name}==2.0\n")
    return project


@pytest.fixture
def among_many(passing: Path, registry: Any) -> Path:
    """The same project with more dependencies than the table has rows for."""
    names = [f"other{number}" for number in range(42)]
    for other in names:
        registry.pypi(other, "1.0", "2.0")
    (passing / "requirements.txt").write_text("".join(f"{other}==2.0\n" for other in names))
    return passing


@pytest.mark.parametrize("columns", [40, 60, 80, 99, 100, 110, 120, 140, 200])
@pytest.mark.parametrize("options", [(), ("--all",), ("--verbose",), ("--quiet",), ("--threshold", "0"), ("--strict",)])
def test_the_table_has_its_id_at_every_width(
    nerq: Nerq, passing: Path, monkeypatch: pytest.MonkeyPatch, columns: int, options: tuple[str, ...]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    result = nerq("scan", *AS_OF, *options)
    assert result.status == 0
    assert "1 ok" in result.out
    assert IDENTIFIER in result.out
    assert max(map(len, result.out.splitlines())) <= columns


@pytest.mark.parametrize("options", [(), ("--all",), ("--top", "1"), ("--top", "1", "--quiet"), ("--verbose",)])
def test_a_long_table_has_its_id(nerq: Nerq, among_many: Path, options: tuple[str, ...]) -> None:
    result = nerq("scan", *AS_OF, *options)
    assert result.status == 0
    assert IDENTIFIER in result.out


@pytest.mark.parametrize("columns", [40, 80, 120, 200])
def test_the_report_cards_have_its_id(
    nerq: Nerq, passing: Path, name: str, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    for command in (("check", f"pypi:{name}==2.0"), ("check", f"pypi:{name}"), ("scan", "--explain", name)):
        for option in ("--no-strict", "--quiet"):
            result = nerq(*command, *AS_OF, option)
            assert result.status == 0
            assert IDENTIFIER in result.out


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_has_its_id(nerq: Nerq, among_many: Path, name: str, form: str) -> None:
    for command in (("scan",), ("scan", "--top", "1"), ("check", f"pypi:{name}==2.0")):
        result = nerq(*command, *AS_OF, "-f", form, "-o", f"{form}=report.out")
        assert IDENTIFIER in result.out
        assert IDENTIFIER in Path("report.out").read_text()


def test_the_second_of_two_is_in_the_verbose_table_and_on_the_card(
    nerq: Nerq, passing: Path, name: str, services: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    services.advisory(name, "2.0", identifier="GHSA-2222-2222-2222", database_specific={"severity": "LOW"})
    assert "+1" in nerq("scan", *AS_OF).out
    for command in (("scan", "--verbose"), ("check", f"pypi:{name}==2.0"), ("scan", "-f", "json")):
        result = nerq(*command, *AS_OF)
        assert IDENTIFIER in result.out
        assert "GHSA-2222-2222-2222" in result.out
