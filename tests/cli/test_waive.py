"""``nerq waive`` as a whole command."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tomli

Nerq = Callable[..., Any]
TODAY = 1_795_262_400  # 2026-11-21T12:00:00Z
NEEDED = ("--until", "2027-01-31", "--reason", "not reachable")


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nerq_cli.application.session.read_clock", lambda: TODAY)


def waivers(path: Path) -> Any:
    return tomli.loads(path.read_text())["waivers"]


def test_without_settings_a_file_is_written(nerq: Nerq, project: Path) -> None:
    result = nerq(
        "waive", "npm:lodash", "--advisory", "CVE-2021-23337", *NEEDED, "--owner", "ann", "--version", "<4.17.21"
    )
    assert (result.status, result.err) == (0, "")
    assert result.out == "wrote to nerq.toml: npm:lodash <4.17.21, CVE-2021-23337, until 2027-01-31\n"
    assert (project / "nerq.toml").read_text() == (
        '[[waivers]]\npackage = "npm:lodash"\nversion = "<4.17.21"\nadvisory = "CVE-2021-23337"\n'
        'reason = "not reachable"\nuntil = 2027-01-31\nowner = "ann"\n'
    )
    assert list(project.iterdir()) == [project / "nerq.toml"]
    assert "npm:lodash <4.17.21, CVE-2021-23337, until 2027-01-31" in nerq("config", "show").out


@pytest.mark.parametrize("name", ["nerq.toml", ".nerq.toml", "pyproject.toml"])
def test_the_settings_that_apply_get_the_waiver(nerq: Nerq, project: Path, name: str) -> None:
    table = "[tool.nerq]\n" if name == "pyproject.toml" else ""
    text = f"# head\n{table}threshold   = 70 # why\n"
    (project / name).write_text(text)
    (project / name).chmod(0o640)
    assert nerq("waive", "demo", "--rule", "yanked", *NEEDED).status == 0
    assert (project / name).read_text().startswith(text)
    assert stat.S_IMODE((project / name).stat().st_mode) == 0o640
    assert [path.name for path in project.iterdir()] == [name]


def test_settings_above_get_the_waiver(nerq: Nerq, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "nerq.toml").write_text("threshold = 70\n")
    (project / "below").mkdir()
    monkeypatch.chdir(project / "below")
    assert nerq("waive", "demo", "--rule", "yanked", *NEEDED).status == 0
    assert len(waivers(project / "nerq.toml")) == 1


@pytest.mark.parametrize(
    ("name", "package", "version"),
    [
        ("requests==2.31.0", "pypi:requests", "==2.31.0"),
        ("npm:@acme/x", "npm:@acme/x", None),
        ("pkg:npm/lodash@4.17.20", "npm:lodash", "4.17.20"),
        ("demo", "demo", None),
        ("@acme/*", "@acme/*", None),
    ],
)
def test_names_as_other_commands_take_them(
    nerq: Nerq, project: Path, name: str, package: str, version: str | None
) -> None:
    assert nerq("waive", name, "--rule", "yanked", *NEEDED).status == 0
    [entry] = waivers(project / "nerq.toml")
    assert (entry["package"], entry.get("version")) == (package, version)


@pytest.mark.parametrize(
    ("until", "expected"),
    [("30d", "2026-12-21"), ("30", "2026-12-21"), ("2 weeks", "2026-12-05"), ("2026-11-21", "2026-11-21")],
)
def test_until_is_a_date_or_a_time_from_today_on(nerq: Nerq, project: Path, until: str, expected: str) -> None:
    assert nerq("waive", "demo", "--rule", "yanked", "--until", until, "--reason", "r").status == 0
    assert str(waivers(project / "nerq.toml")[0]["until"]) == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("demo", "--rule", "yankd", *NEEDED), "did you mean 'yanked'?"),
        (("demo", "--rule", "waiver-unused", *NEEDED), "which is about waivers"),
        (("demo", "--rule", "yanked", "--until", "2026-11-20", "--reason", "r"), "--until 2026-11-20 has passed"),
        (("demo", "--rule", "yanked", "--until", "soon", "--reason", "r"), "neither a date nor a number of days"),
        (("demo", "--rule", "yanked", "--until", "9" * 99, "--reason", "r"), "neither a date nor a number of days"),
        (("demo", "--rule", "yanked", "--until", "30d", "--reason", " "), "--reason: must be a text that is not empty"),
        (("demo", "--rule", "yanked", "--until", "30d"), "--reason"),
        (("demo", "--rule", "yanked", "--reason", "r"), "--until"),
        (("demo", *NEEDED), "neither a rule nor an advisory"),
        (("de mo", "--rule", "yanked", *NEEDED), "names no package"),
        (("*", "--rule", "yanked", *NEEDED), "NAME: matches almost every package"),
        (("demo", "--advisory", "x y", *NEEDED), "--advisory: must be the id of an advisory"),
        (("demo", "--rule", "yanked", "--version", "a b", *NEEDED), "--version: must be a version or a range"),
        (("pypi:demo", "--rule", "yanked", "--version", "1.24.*", *NEEDED), "nor a range of PyPI"),
        (("lodash==4.17.15", "--rule", "yanked", "--version", "<5", *NEEDED), "contradict each other"),
        (("npm:lodash@4.17.15", "--rule", "yanked", "--version", "<5", *NEEDED), "contradict each other"),
        (("lod*@4.17.15", "--rule", "yanked", *NEEDED), "names a version"),
        (("demo", "--rule", "yanked", "--until-fixed", *NEEDED), "needs an advisory"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(
    nerq: Nerq, project: Path, arguments: tuple[str, ...], message: str
) -> None:
    result = nerq("waive", *arguments)
    assert (result.status, result.out) == (2, "")
    assert message in result.err
    assert list(project.iterdir()) == []


def test_several_targets_are_one_waiver_each(nerq: Nerq, project: Path) -> None:
    options = ("--rule", "score-below-threshold", "--advisory", "CVE-2026-1")
    assert nerq("waive", "demo", *options, *NEEDED).status == 0
    assert [entry.get("rule") or entry["advisory"] for entry in waivers(project / "nerq.toml")] == [
        "score-below-threshold",
        "CVE-2026-1",
    ]


def test_a_waiver_of_the_same_is_noted(nerq: Nerq, project: Path) -> None:
    for _ in range(2):
        result = nerq("waive", "demo", "--rule", "yanked", *NEEDED)
    assert result.status == 0
    assert "note: nerq.toml:1 has a waiver of the same, until 2027-01-31" in result.err
    assert len(waivers(project / "nerq.toml")) == 2


def test_settings_with_mistakes_are_not_touched(nerq: Nerq, project: Path) -> None:
    (project / "nerq.toml").write_text("treshold = 1\n")
    result = nerq("waive", "demo", "--rule", "yanked", *NEEDED)
    assert result.status == 2
    assert (project / "nerq.toml").read_text() == "treshold = 1\n"


def test_settings_that_cannot_be_edited_are_not_touched(nerq: Nerq, project: Path) -> None:
    text = "[tool]\nnerq.threshold = 5\n[tool.black]\nx = 1\n"
    (project / "pyproject.toml").write_text(text)
    result = nerq("waive", "demo", "--rule", "yanked", *NEEDED)
    assert result.status == 2
    assert "write its settings below a header [tool.nerq]" in result.err
    assert (project / "pyproject.toml").read_text() == text


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_without_permission_is_an_error(nerq: Nerq, project: Path) -> None:
    project.chmod(0o500)
    result = nerq("waive", "demo", "--rule", "yanked", *NEEDED)
    project.chmod(0o700)
    assert result.status == 2


def test_a_failure_to_write_leaves_the_file_as_it_was(
    nerq: Nerq, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "nerq.toml").write_text("threshold = 70\n")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", fail)
    result = nerq("waive", "demo", "--rule", "yanked", *NEEDED)
    assert (result.status, result.out) == (2, "")
    assert "cannot be written: No space left on device" in result.err
    assert [path.read_text() for path in project.iterdir()] == ["threshold = 70\n"]
