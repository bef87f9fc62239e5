"""``nerq config show``, ``nerq init`` and ``nerq schema config``; and which setting outweighs which."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from nerq_cli.config.schema import build_schema

Nerq = Callable[..., Any]


@pytest.fixture(autouse=True)
def in_project(project: Path) -> Path:
    return project


def show(nerq: Nerq, *options: str) -> dict[str, tuple[Any, str]]:
    result = nerq("config", "show", "--format", "json", *options)
    assert result.status == 0, result.err
    return {entry["key"]: (entry["value"], entry["origin"]) for entry in result.json["settings"]}


def test_each_value_is_shown_with_where_it_comes_from(
    nerq: Nerq, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "nerq.toml").write_text('threshold = 60\ngroups = ["main"]\n[rules.licence]\nallow = ["MIT"]\n')
    monkeypatch.setenv("NERQ_TIMEOUT", "12")
    monkeypatch.setenv("CI", "true")
    settings = show(nerq, "--deny", "yanked", "--policy", "critical")
    assert settings["threshold"] == (80, "--policy (preset critical)")
    assert settings["preset"] == ("critical", "--policy")
    assert settings["groups"] == (["main"], "nerq.toml:2")
    assert settings["timeout"] == (12, "NERQ_TIMEOUT")
    assert settings["strict"] == (True, "CI")
    assert settings["rules.licence.allow"] == (["MIT"], "nerq.toml:4")
    assert settings["rules.licence.level"] == ("deny", "options of licence are set")
    assert settings["rules.yanked.level"] == ("deny", "--deny")
    assert settings["rules.malicious.level"] == ("deny", "default")
    assert settings["rules.vulnerability.only-fixable"] == (["medium", "low"], "default")
    table = nerq("config", "show").out
    assert "groups" in table
    assert any(line.split() == ["threshold", "60", "nerq.toml:1"] for line in table.splitlines())


def test_durations_have_their_unit(nerq: Nerq, project: Path) -> None:
    (project / "nerq.toml").write_text('[rules.too-new]\nmin-age = "P7D"\n')
    assert show(nerq)["rules.too-new.min-age"] == ("7d", "nerq.toml:2")
    (project / "nerq.toml").write_text("[rules.too-new]\nmin-age = 90\n")
    assert show(nerq)["rules.too-new.min-age"] == ("90m", "nerq.toml:2")


@pytest.mark.parametrize("options", [("--deny", "licence"), ("--warn", "licence"), ()])
def test_the_rule_about_licences_needs_a_list(nerq: Nerq, project: Path, options: tuple[str, ...]) -> None:
    (project / "nerq.toml").write_text("" if options else '[rules]\nlicence = "warn"\n')
    (project / "requirements.txt").write_text("demo==1.0\n")
    for command in ("scan", "config show"):
        result = nerq(*command.split(), *options)
        assert result.status == 2
        assert "the rule licence compares with lists, and there is none" in result.err
        assert (options[0] if options else "nerq.toml:2") in result.err
    (project / "nerq.toml").write_text('[rules.licence]\ndeny = ["GPL-*"]\n')
    assert nerq("config", "show", *options).status == 0


def test_an_option_outweighs_a_variable_and_a_variable_the_file(
    nerq: Nerq, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert show(nerq)["threshold"] == (70, "default")
    (project / "nerq.toml").write_text("threshold = 60\n")
    assert show(nerq)["threshold"] == (60, "nerq.toml:1")
    monkeypatch.setenv("NERQ_THRESHOLD", "65")
    assert show(nerq)["threshold"] == (65, "NERQ_THRESHOLD")
    assert show(nerq, "--threshold", "66")["threshold"] == (66, "--threshold")
    assert show(nerq, "--no-config")["threshold"] == (65, "NERQ_THRESHOLD")


def test_a_scan_obeys_the_same_order(nerq: Nerq, registry: Any, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry.pypi("demo", "1.0")
    (project / "requirements.txt").write_text("demo==1.0\n")
    (project / "dev.txt").write_text("")
    (project / "nerq.toml").write_text("threshold = 60\nstrict = true\nexclude = ['requirements.txt']\n")
    scan = ("scan", "--as-of", "2026-11-21", "--format", "json")
    monkeypatch.setenv("NERQ_THRESHOLD", "65")
    monkeypatch.setenv("NERQ_EXCLUDE", "dev.txt")
    monkeypatch.setenv("NERQ_STRICT", "false")
    report = nerq(*scan).json
    assert report["threshold"] == 65
    assert [file["path"] for file in report["dependency_files"]] == ["requirements.txt"]
    assert nerq(*scan, "--threshold", "66").json["threshold"] == 66
    monkeypatch.setenv("NERQ_GROUPS", "nope")
    failed = nerq(*scan)
    assert (failed.status, failed.out) == (2, "")
    assert "there is no group 'nope'" in failed.err
    assert nerq(*scan, "--group", "main").status in (0, 3)


def test_everything_wrong_in_file_and_variables_ends_with_status_2(
    nerq: Nerq, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "nerq.toml").write_text("treshold = 60\n[rules]\nyankd = 'deny'\n")
    for command in (("config", "show"), ("scan",), ("check", "pypi:demo")):
        result = nerq(*command)
        assert (result.status, result.out) == (2, "")
        assert "nerq.toml:1: there is no setting 'treshold'" in result.err
        assert "nerq.toml:3: there is no rule 'yankd'" in result.err
        assert "did you mean 'threshold'?" in result.err
    (project / "nerq.toml").unlink()
    monkeypatch.setenv("NERQ_THRESHOLD", "much")
    result = nerq("config", "show")
    assert result.status == 2
    assert "NERQ_THRESHOLD: threshold must be a number from 0 to 100" in result.err


def test_every_mistake_of_a_file_is_printed(nerq: Nerq, project: Path) -> None:
    names = [f"wrong{number}" for number in range(30)]
    (project / "nerq.toml").write_text("".join(f"{name} = 1\n" for name in names))
    for command in (("config", "show"), ("scan",), ("exploited",)):
        result = nerq(*command)
        assert result.status == 2
        assert [name for name in names if f"'{name}'" not in result.err] == []
    (project / "nerq.toml").write_text("".join(f"wrong{number} = 1\n" for number in range(80)))
    assert "30 more keys that are not known" in nerq("scan").err


def test_a_variable_with_a_typing_error_is_named(nerq: Nerq, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NERQ_TRESHOLD", "80")
    assert "did you mean NERQ_THRESHOLD?" in nerq("config", "show").err


def test_the_options_of_a_scan_are_shown_as_they_would_count(nerq: Nerq, project: Path) -> None:
    (project / "nerq.toml").write_text('exclude = ["vendor/"]\ngroups = ["main"]\n')
    settings = show(nerq, "--exclude", "docs/", "--group", "dev", "--no-dev")
    assert settings["exclude"] == (["vendor/", "docs/"], "nerq.toml:1, --exclude")
    assert settings["groups"] == (["dev"], "--group")
    assert settings["no-dev"] == (True, "--no-dev")


def test_a_file_cannot_write_to_the_terminal(nerq: Nerq, project: Path) -> None:
    text = 'groups = ["\\u001b[2J\\u202e"]\n[thresholds.packages]\n"\\u001b[2J" = 40\n'
    (project / "nerq.toml").write_text(text)
    for result in (nerq("config", "show"), nerq("config", "show", "--format", "json")):
        assert result.status == 0
        assert not {"\x1b", "\u202e"} & {*result.out, *result.err}
    assert "thresholds.packages." in nerq("config", "show").out


def test_a_format_that_is_not_there_is_a_usage_error(nerq: Nerq) -> None:
    assert nerq("config", "show", "--format", "xml").status == 2


def test_init_writes_a_file_in_which_nothing_is_set_and_never_overwrites_one(nerq: Nerq, project: Path) -> None:
    before = show(nerq)
    result = nerq("init")
    assert (result.status, result.out) == (0, "wrote nerq.toml\n")
    text = (project / "nerq.toml").read_text()
    assert all(not line or line.startswith("#") for line in text.splitlines())
    assert "threshold = 70" in text
    assert show(nerq) == before
    (project / "nerq.toml").write_text("threshold = 80\n")
    again = nerq("init")
    assert again.status == 2
    assert "is there already" in again.err
    assert (project / "nerq.toml").read_text() == "threshold = 80\n"


@pytest.mark.parametrize(
    ("name", "text"), [(".nerq.toml", ""), ("pyproject.toml", "[tool.nerq]\nthreshold = 80\n"), ("nerq.toml", "")]
)
def test_init_writes_nothing_beside_settings_that_it_would_outweigh(
    nerq: Nerq, project: Path, name: str, text: str
) -> None:
    (project / name).write_text(text)
    result = nerq("init")
    assert result.status == 2
    assert [path.name for path in project.iterdir()] == [name]


def test_init_takes_a_pyproject_of_others_for_none(nerq: Nerq, project: Path) -> None:
    (project / "pyproject.toml").write_text("[project]\nname = 'app'\n")
    assert nerq("init").status == 0


def test_init_records_findings_with_the_command_for_that(
    nerq: Nerq, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = ModuleType("nerq_cli.cli.baseline")
    source = (
        "from nerq_cli.cli.command import create_app\n"
        "app = create_app()\n"
        "@app.command()\n"
        "def baseline(path: str) -> None:\n"
        "    print(f'recorded {path}')\n"
    )
    exec(source, module.__dict__)  # noqa: S102 - the text above
    monkeypatch.setitem(sys.modules, module.__name__, module)
    assert nerq("init", "--no-baseline").out == "wrote nerq.toml\n"
    (project / "nerq.toml").unlink()
    assert nerq("init").out == "wrote nerq.toml\n"  # nobody is asked without a terminal
    (project / "nerq.toml").unlink()
    assert nerq("init", "--baseline").out == "wrote nerq.toml\nrecorded .\n"


def test_init_needs_a_directory(nerq: Nerq) -> None:
    result = nerq("init", "missing")
    assert result.status == 2
    assert "no such directory" in result.err


def test_the_schema_of_settings_is_printed_for_editors(nerq: Nerq) -> None:
    schema = json.loads(nerq("schema", "config").out)
    Draft202012Validator.check_schema(schema)
    assert schema == build_schema()
