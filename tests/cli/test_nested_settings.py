"""Settings below the root of a scan that the root allows: obeyed where they are stricter, in their directory alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

AS_OF = ("--as-of", "2026-11-21")
Nerq = Callable[..., Any]


@pytest.fixture(autouse=True)
def repository(registry: Any, services: Any, project: Path) -> Path:
    """A repository with two parts that depend on the same package, which has an advisory of medium severity."""
    registry.most_used()
    registry.pypi("demo", "1.0", "2.0")
    registry.pypi("other", "1.0")
    affected = {"package": {"ecosystem": "PyPI", "name": "demo"}}
    affected["ranges"] = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.0"}]}]  # type: ignore[assignment]
    record: dict[str, Any] = {"aliases": ["CVE-2026-1"], "database_specific": {"severity": "MEDIUM"}}
    services.advisory("demo", "1.0", identifier="GHSA-1-1", **record)
    body = {"id": "GHSA-1-1", "modified": "2026-01-01T00:00:00Z", "published": "2026-01-01T00:00:00Z"}
    services.site.on("/osv/v1/vulns/GHSA-1-1", {"body": {**body, "affected": [affected], **record}})
    for folder in ("web", "jobs"):
        (project / folder).mkdir()
    (project / "web" / "requirements.txt").write_text("demo==1.0\n")
    (project / "jobs" / "requirements.txt").write_text("other==1.0\n")
    return project


def configure(project: Path, nested: str, *, root: str = "nested = true\nthreshold = 10\n") -> None:
    (project / "nerq.toml").write_text(root)
    (project / "web" / "nerq.toml").write_text(nested)


def scan(nerq: Nerq, *options: str) -> Any:
    return nerq("scan", *AS_OF, "--format", "json", *options)


def findings(result: Any) -> list[tuple[str, str, str]]:
    return [(finding["id"], finding["name"], finding["level"]) for finding in result.json["findings"]]


def notes(result: Any) -> list[str]:
    return [note for file in result.json["dependency_files"] for note in file["notes"]]


WARNING = ("vulnerability", "demo", "warn")


@pytest.mark.parametrize(
    ("nested", "expected"),
    [
        ("", [WARNING]),
        ("threshold = 99", [("score-below-threshold", "demo", "deny"), WARNING]),
        ('preset = "critical"\n[thresholds.packages]\ndemo = 99', [("score-below-threshold", "demo", "deny"), WARNING]),
        ("[thresholds.dimensions]\nsecurity = 100", [("score-below-threshold", "demo", "deny"), WARNING]),
        ('[rules.vulnerability]\nmedium = "deny"', [("vulnerability", "demo", "deny")]),
        ('rules.inactive = "warn"\n[rules.too-new]\nmin-age = "30000d"', [WARNING, ("too-new", "demo", "deny")]),
        ('[rules.licence]\ndeny = ["MIT"]', [WARNING, ("licence", "demo", "deny")]),
        # What is weaker, and what is about a run as a whole, has no effect.
        ("threshold = 1", [WARNING]),
        ('report-only = true\nexclude = ["*.txt"]\nprivate = ["demo"]\nno-dev = true', [WARNING]),
        ('[rules.vulnerability]\nmedium = "allow"', [WARNING]),
        ('rules.vulnerability = "allow"', [WARNING]),
        ('[[waivers]]\npackage = "demo"\nadvisory = "GHSA-1-1"\nreason = "r"\nuntil = 2027-01-31', [WARNING]),
    ],
)
def test_nested_settings_make_their_directory_stricter_and_nothing_else(
    nerq: Nerq, project: Path, nested: str, expected: list[tuple[str, str, str]]
) -> None:
    configure(project, nested)
    result = scan(nerq)
    assert findings(result) == expected
    assert result.status == any(level == "deny" for *_, level in expected)
    assert all(finding["waiver"] is None for finding in result.json["findings"])
    configure(project, nested, root="threshold = 10\n")
    ignored = scan(nerq)
    assert findings(ignored) == [WARNING]
    assert any("does not apply" in note for note in notes(ignored))


def test_what_is_obeyed_and_what_is_not_is_noted(nerq: Nerq, project: Path) -> None:
    configure(project, 'threshold = 99\nstrict = true\nrules.vulnerability = "warn"\n')
    result = scan(nerq)
    reason = "not stricter than the settings around it, or not for a directory to decide"
    assert notes(result) == [
        "web/nerq.toml makes the check of its directory stricter: threshold",
        f"web/nerq.toml: {reason}: strict, rules.vulnerability.level",
    ]


def test_settings_in_a_directory_without_dependency_files_are_for_those_below(nerq: Nerq, project: Path) -> None:
    configure(project, "")
    (project / "web" / "nerq.toml").unlink()
    for folder, points in (("a", 98), ("a/b", 99), ("a/c", 1)):
        (project / folder).mkdir()
        (project / folder / "nerq.toml").write_text(f"threshold = {points}")
    for folder in ("a/b", "a/c"):
        (project / folder / "requirements.txt").write_text("other==1.0\n")
    result = scan(nerq)
    [other] = [entry for entry in result.json["dependencies"] if entry["name"] == "other"]
    assert other["threshold"] == 99  # declared in three places: the strictest of them
    (project / "a" / "b" / "requirements.txt").write_text("demo==1.0\n")
    thresholds = {entry["name"]: entry["threshold"] for entry in scan(nerq).json["dependencies"]}
    assert thresholds == {"demo": 99, "other": 98}


def test_a_dependency_of_several_directories_is_judged_by_the_strictest(nerq: Nerq, project: Path) -> None:
    configure(project, '[rules.vulnerability]\nmedium = "deny"')
    (project / "jobs" / "requirements.txt").write_text("demo==1.0\n")
    assert findings(scan(nerq)) == [("vulnerability", "demo", "deny")]
    (project / "jobs" / "nerq.toml").write_text('rules.deprecated = "deny"')
    assert findings(scan(nerq)) == [("vulnerability", "demo", "deny")]


def test_nested_waivers_apply_where_the_root_says_so_and_to_their_directory_alone(nerq: Nerq, project: Path) -> None:
    waiver = '[[waivers]]\npackage = "demo"\nadvisory = "CVE-2026-1"\nreason = "r"\nuntil = 2027-01-31\n'
    deny = 'threshold = 10\n[rules.vulnerability]\nmedium = "deny"\n'
    configure(project, waiver, root=f'nested = "waivers"\n{deny}')
    result = scan(nerq)
    assert result.status == 0
    assert result.json["findings"][0]["waiver"]["location"]["path"] == "web/nerq.toml"
    assert "1 waived by web/nerq.toml" in result.json["exit"]["reason"]
    assert "nested = waivers" in result.err
    assert notes(result) == ["1 waiver in web/nerq.toml applies there"]
    (project / "jobs" / "requirements.txt").write_text("demo==1.0\n")
    assert scan(nerq).status == 1  # used elsewhere as well
    configure(project, waiver, root=f"nested = true\n{deny}")
    (project / "jobs" / "requirements.txt").write_text("other==1.0\n")
    refused = scan(nerq)
    assert refused.status == 1
    assert any(note.endswith("waivers") for note in notes(refused))


def test_a_mistake_in_settings_that_are_obeyed_is_an_error(nerq: Nerq, project: Path) -> None:
    configure(project, "treshold = 99")
    result = nerq("scan", *AS_OF)
    assert result.status == 2
    assert "web/nerq.toml" in result.err
    assert "did you mean 'threshold'?" in result.err
    assert nerq("scan", *AS_OF, "--no-config").status != 2


def test_a_recording_keeps_the_policy_of_directories(nerq: Nerq, project: Path, tmp_path: Path) -> None:
    configure(project, 'threshold = 99\n[[waivers]]\npackage="x"\nrule="yanked"\nreason="r"\nuntil=2027-01-31\n')
    file = str(tmp_path / "evidence.nerq")
    recorded = scan(nerq, "--record", file, "--record-private")
    assert recorded.status == 1
    replayed = nerq("scan", "--replay", file, "--format", "json")
    assert replayed.out == recorded.out
