"""Versions to move to, and the age rules of the project and the user."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Nerq = Callable[..., Any]
#: Three days after the newest release of the registries.
AS_OF = ("--as-of", "2026-10-23T08:00:00Z")
HOLE = {"id": "PYSEC-2026-1", "aliases": [], "details": "A hole.", "fixed_in": ["2.0"], "link": "", "withdrawn": None}


@pytest.fixture
def hole(registry: Any) -> None:
    """A project whose version 1.0 has an advisory, which 2.0 fixes; 2.0 is three days old."""
    registry.pypi("demo", "1.0", "2.0", vulnerabilities={"1.0": [HOLE]})


def only(result: Any) -> Any:
    [dependency] = result.json["dependencies"]
    return dependency


def mismatch(result: Any) -> Any:
    [finding] = [finding for finding in result.json["findings"] if finding["id"] == "age-policy-mismatch"]
    return finding


def test_without_an_age_rule_the_report_has_no_word_about_ages(nerq: Nerq, hole: None, project: Path) -> None:
    (project / "requirements.txt").write_text("demo==1.0\n")
    one = only(nerq("scan", *AS_OF, "--format", "json"))
    assert one["fix"] == "2.0"
    assert not {"installable", "installable_at", "age_rules"} & one.keys()


def test_a_fix_younger_than_uv_allows_is_installable_later_or_today_with_a_line(
    nerq: Nerq, hole: None, project: Path
) -> None:
    (project / "pyproject.toml").write_text(
        '[project]\nname = "app"\nversion = "1"\ndependencies = ["demo==1.0"]\n\n[tool.uv]\nexclude-newer = "7 days"\n'
    )
    one = only(nerq("scan", *AS_OF, "--format", "json"))
    assert (one["installable"], one["installable_at"]) == ("later", "2026-10-27T08:00:00Z")
    [rule] = one["age_rules"]
    assert rule == {
        "tool": "uv",
        "setting": "exclude-newer",
        "value": "7 days",
        "location": {"path": "pyproject.toml", "line": 7},
        "override": 'exclude-newer-package = { demo = "2026-10-23T08:00:00Z" } under [tool.uv] in pyproject.toml',
    }
    table = nerq("scan", *AS_OF).out
    assert "2.0+" in table
    text = " ".join(table.split())
    assert "+ demo 2.0: installable in 4 days (exclude-newer = 7 days (pyproject.toml:7)), or today with:" in text
    card = " ".join(nerq("scan", *AS_OF, "--explain", "demo").out.split())
    assert "installable in 4 days" in card


def npm_hole(registry: Any, services: Any) -> None:
    """Let lodash 1.0.0 have an advisory that 2.0.0 fixes."""
    registry.npm("lodash", "1.0.0", "2.0.0")
    affected = {
        "package": {"ecosystem": "npm", "name": "lodash"},
        "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "2.0.0"}]}],
    }
    services.advisory("lodash", "1.0.0", identifier="GHSA-lodash", affected=[affected], summary="A hole.")


@pytest.mark.parametrize(
    ("name", "text", "manager", "override"),
    [
        (".npmrc", "min-release-age=7\n", "npm@11.12.0", "min-release-age-exclude[]=lodash in .npmrc"),
        (
            "pnpm-workspace.yaml",
            "minimumReleaseAge: 10080\n",
            "pnpm@11.0.0",
            'minimumReleaseAgeExclude: ["lodash@2.0.0"] in pnpm-workspace.yaml',
        ),
        (
            ".yarnrc.yml",
            "npmMinimalAgeGate: 7d\n",
            "yarn@4.18.0",
            'npmPreapprovedPackages: ["lodash@2.0.0"] in .yarnrc.yml',
        ),
        (
            "bunfig.toml",
            "[install]\nminimumReleaseAge = 604800\n",
            "bun@1.4.0",
            'minimumReleaseAgeExcludes = ["lodash@2.0.0"] under [install] in bunfig.toml',
        ),
    ],
)
def test_each_npm_tool_in_its_unit_with_the_line_that_lets_a_fix_through(
    nerq: Nerq, registry: Any, services: Any, project: Path, name: str, text: str, manager: str, override: str
) -> None:
    npm_hole(registry, services)
    manifest = {"name": "app", "packageManager": manager, "dependencies": {"lodash": "1.0.0"}}
    (project / "package.json").write_text(json.dumps(manifest))
    (project / name).write_text(text)
    one = only(nerq("scan", *AS_OF, "--format", "json"))
    assert (one["fix"], one["installable"], one["installable_at"]) == ("2.0.0", "later", "2026-10-27T08:00:00Z")
    assert [rule["override"] for rule in one["age_rules"]] == [override]


def test_the_default_of_pnpm_holds_without_a_setting(nerq: Nerq, registry: Any, services: Any, project: Path) -> None:
    npm_hole(registry, services)
    (project / "package.json").write_text('{"packageManager": "pnpm@11.0.0", "dependencies": {"lodash": "1.0.0"}}')
    soon = ("--as-of", "2026-10-20T12:00:00Z")
    one = only(nerq("scan", *soon, "--format", "json"))
    assert (one["installable"], one["installable_at"]) == ("later", "2026-10-21T08:00:00Z")
    text = " ".join(nerq("scan", *soon).out.split())
    assert "+ lodash 2.0.0: installable in 20 hours (the default of pnpm), or today with:" in text
    assert only(nerq("scan", *AS_OF, "--format", "json"))["installable"] == "now"


@pytest.mark.parametrize(
    ("variable", "files", "override"),
    [
        (
            "PIP_UPLOADED_PRIOR_TO",
            {"requirements.txt": "demo==1.0\n"},
            "pip install --uploaded-prior-to P0D demo==2.0",
        ),
        (
            "POETRY_SOLVER_MIN_RELEASE_AGE",
            {"pyproject.toml": '[tool.poetry]\nname = "x"\nversion = "1"\n[tool.poetry.dependencies]\ndemo = "1.0"\n'},
            "poetry config --local solver.min-release-age-exclude demo",
        ),
    ],
)
def test_pip_and_poetry_of_the_user(
    nerq: Nerq,
    hole: None,
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    files: dict[str, str],
    override: str,
) -> None:
    monkeypatch.setenv(variable, "P7D" if variable.startswith("PIP") else "7")
    for name, text in files.items():
        (project / name).write_text(text)
    one = only(nerq("scan", *AS_OF, "--format", "json"))
    assert (one["installable"], one["age_rules"][0]["override"]) == ("later", override)
    assert one["age_rules"][0]["location"] == {"path": "environment", "line": 0}


def test_of_the_versions_that_pass_one_that_may_be_installed_today_is_proposed(
    nerq: Nerq, registry: Any, project: Path
) -> None:
    """3.0 is the newest and three days old, 2.0 a year; 1.0 is yanked, which the newest version would mend."""
    registry.pypi("demo", "1.0", "2.0", "3.0")
    page = registry.page("demo", ("1.0", "2.0", "3.0"), "1.0", yanked=True)
    registry.site.on("/pypi/demo/1.0/json", {"body": page})
    (project / "requirements.txt").write_text("demo==1.0\n")
    assert only(nerq("scan", *AS_OF, "--format", "json"))["fix"] == "3.0"
    (project / "uv.toml").write_text('exclude-newer = "7 days"\n')
    one = only(nerq("scan", *AS_OF, "--format", "json"))
    assert (one["fix"], one["installable"], one["upgrade"]["passes"]) == ("2.0", "now", True)


def test_a_fixed_date_is_not_waited_for(nerq: Nerq, hole: None, project: Path) -> None:
    (project / "requirements.txt").write_text("demo==1.0\n")
    (project / "uv.toml").write_text('exclude-newer = "2026-10-01"\n')
    one = only(nerq("scan", *AS_OF, "--format", "json"))
    assert (one["installable"], one["installable_at"]) == ("never", None)
    assert "not installable while this date stands" in " ".join(nerq("scan", *AS_OF).out.split())


def test_a_rule_that_cannot_be_read_lets_nothing_through_and_is_reported(nerq: Nerq, hole: None, project: Path) -> None:
    (project / "requirements.txt").write_text("demo==1.0\n")
    (project / "uv.toml").write_text('exclude-newer = "soon"\n')
    result = nerq("scan", *AS_OF, "--format", "json")
    assert only(result)["installable"] == "unknown"
    finding = mismatch(result)
    assert finding["locations"] == [{"path": "uv.toml", "line": 1}]
    assert "2.0+?" in nerq("scan", *AS_OF).out


def test_a_release_date_that_is_not_known_is_not_old_enough(nerq: Nerq, registry: Any, project: Path) -> None:
    registry.pypi("demo", "1.0", "2.0", vulnerabilities={"1.0": [HOLE]})
    for turn in registry.site.scripts.values():
        for release in turn[0]["body"].get("releases", {}).values():
            for file in release:
                del file["upload_time_iso_8601"]
        for file in turn[0]["body"].get("files", []):
            del file["upload-time"]
    (project / "requirements.txt").write_text("demo==1.0\n")
    (project / "uv.toml").write_text('exclude-newer = "1 day"\n')
    result = nerq("scan", *AS_OF, "--format", "json")
    assert only(result)["installable"] == "unknown"
    assert nerq("fix", *AS_OF).out == ""


def test_a_mismatch_is_shown_and_fails_nothing(nerq: Nerq, registry: Any, project: Path) -> None:
    registry.npm("lodash", "1.0.0")
    (project / "package.json").write_text('{"packageManager": "pnpm@11.0.0", "dependencies": {"lodash": "1.0.0"}}')
    (project / "pnpm-workspace.yaml").write_text("packages: []\nminimumReleaseAge: 10080\n")
    (project / "renovate.json").write_text('{\n  "minimumReleaseAge": "3 days"\n}\n')
    (project / ".github").mkdir()
    (project / ".github/dependabot.yml").write_text(
        "version: 2\nupdates:\n- package-ecosystem: npm\n  directory: /\n  cooldown: {default-days: 30}\n"
    )
    result = nerq("scan", "--strict", "--threshold", "10", *AS_OF, "--format", "json")
    finding = mismatch(result)
    assert finding["locations"] == [{"path": "renovate.json", "line": 2}, {"path": "pnpm-workspace.yaml", "line": 2}]
    assert finding["text"] == (
        "Renovate proposes after 3 days what pnpm leaves out until 7 days after the release: "
        "minimumReleaseAge = 3 days (renovate.json:2), minimumReleaseAge = 10080 (pnpm-workspace.yaml:2)"
    )
    assert result.status == 0
    table = " ".join(nerq("scan", *AS_OF).out.split())
    assert "Renovate proposes after 3 days what pnpm leaves out until 7 days after the release" in table


def test_an_update_bot_holds_back_what_is_no_security_fix(nerq: Nerq, registry: Any, project: Path) -> None:
    registry.pypi("demo", "1.0", "2.0", vulnerabilities={"1.0": [HOLE]})
    (project / "requirements.txt").write_text("demo==1.0\n")
    (project / "renovate.json").write_text('{"minimumReleaseAge": "30 days"}\n')
    assert "installable" not in only(nerq("scan", *AS_OF, "--format", "json"))
    registry.pypi("demo", "1.0", "2.0", yanked=True)
    one = only(nerq("scan", *AS_OF, "--format", "json", "--no-cache"))
    assert (one["fix"], one["installable"], one["age_rules"][0]["tool"]) == ("2.0", "later", "Renovate")
    assert "or today with" not in nerq("scan", *AS_OF).out


def test_a_hostile_value_reaches_no_terminal_and_no_ci_system(nerq: Nerq, hole: None, project: Path) -> None:
    (project / "requirements.txt").write_text("demo==1.0\n")
    (project / "uv.toml").write_text('exclude-newer = "soon\\u001b[31m##[error]x"\n')
    for result in (nerq("scan", *AS_OF), nerq("scan", *AS_OF, "--format", "json"), nerq("fix", *AS_OF)):
        assert "soon" in result.out + result.err
        assert "\x1b" not in result.out + result.err
        assert "\\u001b" not in result.out + result.err
        assert "##[" not in result.out + result.err
