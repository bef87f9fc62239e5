"""Waivers and VEX documents as whole commands: what is waived, what is shown, and the exit status."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

AS_OF = ("--as-of", "2026-11-21")
Nerq = Callable[..., Any]
HIGH: dict[str, Any] = {"database_specific": {"severity": "HIGH"}}


def affect(services: Any, id_: str, *, fix: str = "2.0", **record: Any) -> None:
    package = {"package": {"ecosystem": "PyPI", "name": "demo"}}
    package["ranges"] = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": fix}]}]  # type: ignore[assignment]
    services.advisory("demo", "1.0", identifier=id_, **record)
    body = {"id": id_, "modified": "2026-01-01T00:00:00Z", "published": "2026-01-01T00:00:00Z"}
    services.site.on(f"/osv/v1/vulns/{id_}", {"body": {**body, "affected": [package], **record}})


@pytest.fixture(autouse=True)
def demo(registry: Any, services: Any, project: Path) -> Path:
    """A project whose one dependency has an advisory of high severity."""
    registry.most_used()
    registry.pypi("demo", "1.0", "2.0")
    affect(services, "GHSA-1-1", aliases=["CVE-2026-1"], **HIGH)
    (project / "requirements.txt").write_text("demo==1.0\n")
    return project


def waive(project: Path, *entries: str, more: str = "") -> None:
    text = "".join(f'[[waivers]]\npackage = "demo"\nreason = "not reachable"\n{entry}\n' for entry in entries)
    (project / "nerq.toml").write_text(f"threshold = 40\n{more}{text}")


def scan(nerq: Nerq, *options: str) -> Any:
    return nerq("scan", *AS_OF, "--format", "json", *options)


def rules(result: Any) -> list[str]:
    return [finding["id"] for finding in result.json["findings"]]


def test_a_waived_advisory_passes_and_stays_in_sight(nerq: Nerq, demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = scan(nerq, "--threshold", "40")
    assert before.status == 1
    waive(demo, 'advisory = "CVE-2026-1"\nuntil = 2027-01-31\nowner = "ann"')
    result = scan(nerq)
    [finding] = result.json["findings"]
    assert result.status == 0
    assert (finding["id"], finding["advisory"], finding["level"]) == ("vulnerability", "GHSA-1-1", "deny")
    assert finding["waiver"] == {
        "reason": "not reachable",
        "until": "2027-01-31",
        "owner": "ann",
        "location": {"path": "nerq.toml", "line": 2},
        "status": None,
        "justification": None,
        "author": None,
    }
    assert result.json["summary"]["waived"] == 1
    assert result.json["projects"][0]["summary"]["waived"] == 1
    assert "1 waived by nerq.toml" in result.json["exit"]["reason"]
    assert result.json["dependencies"] == before.json["dependencies"]  # neither score nor state changes
    monkeypatch.setenv("COLUMNS", "200")
    table = nerq("scan", *AS_OF)
    assert table.status == 0
    assert "1 waived" in table.out
    assert "waived until 2027-01-31 by ann: not reachable" in table.out
    row = next(line for line in table.out.splitlines() if " demo " in line and "waived until" in line)
    assert "GHSA-1-1 (high)" in row
    assert "1 waiver (demo, CVE-2026-1)" in table.err + table.out
    card = " ".join(nerq("check", "pypi:demo==1.0", *AS_OF).out.split())
    assert "waived until 2027-01-31 by ann: not reachable" in card
    assert nerq("scan", *AS_OF, "--no-config", "--threshold", "40").status == 1


def test_a_waived_row_is_in_a_long_table(nerq: Nerq, registry: Any, demo: Path) -> None:
    names = [f"calm{number}" for number in range(45)]
    for name in names:
        registry.pypi(name, "1.0")
    (demo / "requirements.txt").write_text("".join(f"{name}==1.0\n" for name in names))
    text = '[[waivers]]\npackage = "calm7"\nrule = "unpinned"\nreason = "r"\nuntil = 2027-01-01\n'
    (demo / "nerq.toml").write_text(f'[rules]\nunpinned = "deny"\n{text}')
    (demo / "requirements.txt").write_text(
        "".join(f"{name}==1.0\n" for name in names[:7]) + "calm7\n" + "".join(f"{name}==1.0\n" for name in names[8:])
    )
    table = nerq("scan", *AS_OF)
    assert table.status == 0
    assert "waived until 2027-01-01: r" in " ".join(table.out.split())
    assert any("calm7 " in line for line in table.out.splitlines())


def test_a_waiver_of_a_rule_waives_that_rule_alone(nerq: Nerq, demo: Path) -> None:
    waive(demo, 'rule = "score-below-threshold"\nuntil = 2027-01-31', more="")
    (demo / "nerq.toml").write_text((demo / "nerq.toml").read_text().replace("threshold = 40", "threshold = 99"))
    result = scan(nerq)
    assert result.status == 1
    assert {(finding["id"], finding["waiver"] is None) for finding in result.json["findings"]} == {
        ("score-below-threshold", False),
        ("vulnerability", True),
    }


def test_a_waiver_that_has_ended_fails_and_is_reported(nerq: Nerq, demo: Path) -> None:
    waive(demo, 'advisory = "GHSA-1-1"\nuntil = 2026-11-20')
    result = scan(nerq)
    assert (result.status, rules(result)) == (1, ["vulnerability", "waiver-expired"])
    assert all(finding["waiver"] is None for finding in result.json["findings"])
    expired = result.json["findings"][1]
    assert expired["level"] == "deny"
    assert expired["locations"] == [{"path": "nerq.toml", "line": 2}]
    assert expired["text"] == "the waiver of GHSA-1-1 ended on 2026-11-20: not reachable"
    table = " ".join(nerq("scan", *AS_OF).out.split())
    assert "demo nerq.toml:2 the waiver of GHSA-1-1 ended" in table
    waive(demo, 'advisory = "GHSA-1-1"\nuntil = 2026-11-21')  # its last day
    assert scan(nerq).status == 0


def test_a_waiver_that_ends_within_14_days_warns(nerq: Nerq, demo: Path) -> None:
    waive(demo, 'advisory = "GHSA-1-1"\nuntil = 2026-12-05')
    result = scan(nerq)
    assert (result.status, rules(result)) == (0, ["vulnerability", "waiver-expired"])
    assert result.json["findings"][1]["level"] == "warn"
    assert result.json["findings"][1]["text"] == "the waiver of GHSA-1-1 ends on 2026-12-05: not reachable"
    waive(demo, 'advisory = "GHSA-1-1"\nuntil = 2026-12-06')
    assert rules(scan(nerq)) == ["vulnerability"]


def test_an_unused_waiver_is_reported_unless_it_may_have_a_use(nerq: Nerq, services: Any, demo: Path) -> None:
    waive(demo, 'advisory = "GHSA-1-1"\nuntil = 2027-01-31', 'advisory = "GHSA-9-9"\nuntil = 2027-01-31')
    result = scan(nerq)
    assert (result.status, rules(result)) == (0, ["vulnerability", "waiver-unused"])
    assert result.json["findings"][1]["text"] == "no finding matches the waiver of GHSA-9-9"
    assert "1 warning: 1 unused waiver" in result.json["exit"]["reason"]
    assert scan(nerq, "--deny", "waiver-unused").status == 1
    for options in (("requirements.txt",), ("--group", "main"), ("--no-dev",), ("--exclude", "x/")):
        assert "waiver-unused" not in rules(scan(nerq, *options))
    assert "waiver-unused" not in rules(nerq("check", "pypi:demo==1.0", *AS_OF, "--format", "json"))
    services.silent()  # without advisories nothing is known about the use of a waiver
    assert "waiver-unused" not in rules(scan(nerq, "--no-cache"))


def test_until_fixed_ends_when_a_fix_can_be_installed(nerq: Nerq, registry: Any, demo: Path) -> None:
    entry = 'advisory = "GHSA-1-1"\nuntil = 2027-01-31\nuntil-fixed = true'
    waive(demo, entry)
    result = scan(nerq)
    assert (result.status, rules(result)) == (1, ["vulnerability", "waiver-expired"])
    assert result.json["findings"][1]["text"] == "the waiver of GHSA-1-1 ended: 2.0 fixes the advisory: not reachable"
    registry.pypi("demo", "1.0")  # the fix is recorded, and no version has it yet
    result = scan(nerq, "--no-cache")
    assert (result.status, rules(result)) == (0, ["vulnerability"])


@pytest.mark.parametrize(
    ("entry", "message", "line"),
    [
        ('rule = "yanked"\nuntil = 2027-01-01', "the waiver has no reason", 1),
        ('rule = "yanked"\nreason = "r"', "the waiver has no until", 1),
        ('rule = "yankt"\nuntil = 2027-01-01\nreason = "r"', "waivers.rule names no rule", 3),
        ('rule = "yanked"\nuntil = 2027-01-01\nreason = "r"\nreson = "r"', "there is no key 'waivers.reson'", 6),
    ],
)
def test_a_mistake_in_a_waiver_is_an_error_with_its_place(
    nerq: Nerq, demo: Path, entry: str, message: str, line: int
) -> None:
    (demo / "nerq.toml").write_text(f'[[waivers]]\npackage = "demo"\n{entry}\n')
    result = nerq("scan", *AS_OF)
    assert (result.status, result.out) == (2, "")
    assert f"nerq.toml:{line}: {message}" in result.err


def test_malware_needs_a_waiver_of_its_own(nerq: Nerq, services: Any, demo: Path) -> None:
    services.advisory("demo", "1.0", identifier="MAL-2026-1", summary="Malicious code in demo (PyPI)")
    until = "until = 2027-01-31"
    waive(demo, f'rule = "score-below-threshold"\n{until}', f'rule = "vulnerability"\n{until}')
    result = scan(nerq)
    assert result.status == 1
    [malicious] = [finding for finding in result.json["findings"] if finding["id"] == "malicious"]
    assert malicious["waiver"] is None
    waive(
        demo,
        f'rule = "score-below-threshold"\n{until}',
        f'rule = "vulnerability"\n{until}',
        f'rule = "malicious"\n{until}',
    )
    assert scan(nerq).status == 0
    waive(
        demo,
        f'rule = "score-below-threshold"\n{until}',
        f'rule = "vulnerability"\n{until}',
        f'advisory = "MAL-2026-1"\n{until}',
    )
    assert scan(nerq).status == 0


# --- VEX


def openvex(*statements: dict[str, Any]) -> str:
    return json.dumps(
        {
            "@context": "https://openvex.dev/ns/v0.2.0",
            "@id": "urn:example:1",
            "author": "Acme Security",
            "timestamp": "2026-01-01T00:00:00Z",
            "version": 1,
            "statements": list(statements),
        }
    )


STATEMENT = {
    "vulnerability": {"name": "CVE-2026-1"},
    "products": [{"@id": "pkg:pypi/demo@1.0"}],
    "status": "not_affected",
    "justification": "vulnerable_code_not_in_execute_path",
}


def test_a_vex_document_waives_with_its_justification_and_its_author(nerq: Nerq, demo: Path) -> None:
    (demo / "acme.openvex.json").write_text(openvex(STATEMENT))
    options = ("--threshold", "40", "--vex", "acme.openvex.json")
    result = scan(nerq, *options)
    [finding] = result.json["findings"]
    assert result.status == 0
    assert finding["waiver"] == {
        "reason": "vulnerable_code_not_in_execute_path",
        "until": None,
        "owner": None,
        "location": {"path": "acme.openvex.json", "line": 0},
        "status": "not_affected",
        "justification": "vulnerable_code_not_in_execute_path",
        "author": "Acme Security",
    }
    assert "1 waived by acme.openvex.json" in result.json["exit"]["reason"]
    table = " ".join(nerq("scan", *AS_OF, *options).out.split())
    assert "waived by Acme Security (acme.openvex.json): vulnerable_code_not_in_execute_path" in table


def test_a_vex_statement_on_a_part_of_a_product_applies_to_that_product_alone(nerq: Nerq, demo: Path) -> None:
    product = {"@id": "pkg:pypi/vendor-app@3.0.0", "subcomponents": [{"@id": "pkg:pypi/demo"}]}
    (demo / "a.json").write_text(openvex({**STATEMENT, "products": [product]}))
    options = ("--threshold", "40", "--vex", "a.json")
    result = scan(nerq, *options)
    assert result.status == 1
    assert [finding["waiver"] for finding in result.json["findings"]] == [None]
    [warning] = [warning for warning in result.json["warnings"] if "VEX" in warning]
    assert warning.startswith("1 VEX statement on parts of pkg:pypi/vendor-app@3.0.0 is not applied: that is not")
    named = scan(nerq, *options, "--vex-product", "pkg:pypi/vendor-app")
    assert named.status == 0
    assert not [warning for warning in named.json["warnings"] if "VEX" in warning]
    (demo / "pyproject.toml").write_text('[project]\nname = "Vendor_App"\nversion = "3.0"\ndependencies = []\n')
    assert scan(nerq, *options).status == 0
    (demo / "pyproject.toml").write_text('[project]\nname = "Vendor_App"\nversion = "3.1"\ndependencies = []\n')
    assert scan(nerq, *options).status == 1
    check = nerq("check", "demo==1.0", *AS_OF, *options)
    assert check.status == 1
    assert "--vex-product" in check.err + check.out
    assert nerq("check", "demo==1.0", *AS_OF, *options, "--vex-product", "pkg:pypi/vendor-app@3.0.0").status == 0


def test_a_cyclonedx_document_on_another_product_waives_nothing(nerq: Nerq, demo: Path) -> None:
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "metadata": {"component": {"type": "container", "bom-ref": "root", "name": "vendor-image", "version": "1"}},
        "components": [{"type": "library", "bom-ref": "r", "name": "demo", "purl": "pkg:pypi/demo@1.0"}],
        "vulnerabilities": [{"id": "CVE-2026-1", "analysis": {"state": "not_affected"}, "affects": [{"ref": "r"}]}],
    }
    (demo / "a.json").write_text(json.dumps(document))
    assert scan(nerq, "--threshold", "40", "--vex", "a.json").status == 1
    assert scan(nerq, "--threshold", "40", "--vex", "a.json", "--vex-product", "vendor-image").status == 0


@pytest.mark.parametrize("status", ["affected", "under_investigation"])
def test_a_vex_document_that_does_not_clear_waives_nothing(nerq: Nerq, demo: Path, status: str) -> None:
    (demo / "a.json").write_text(openvex({**STATEMENT, "status": status, "action_statement": "wait"}))
    assert scan(nerq, "--threshold", "40", "--vex", "a.json").status == 1


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"@context": "https://openvex.dev/ns/v0.2.0"}', openvex({"status": "x"})]
)
def test_a_malformed_vex_document_is_an_error_before_any_request(
    nerq: Nerq, demo: Path, registry: Any, text: str
) -> None:
    (demo / "a.json").write_text(text)
    result = nerq("scan", *AS_OF, "--vex", "a.json")
    assert (result.status, result.out) == (2, "")
    assert "a.json: " in result.err
    assert registry.paths == []


def test_a_vex_document_that_is_not_there_or_has_no_effect_is_named(nerq: Nerq, demo: Path) -> None:
    missing = nerq("scan", *AS_OF, "--vex", "none.json")
    assert missing.status == 2
    assert "--vex none.json: cannot be read" in missing.err
    (demo / "a.json").write_text(openvex({**STATEMENT, "products": [{"@id": "pkg:oci/app"}]}))
    result = scan(nerq, "--threshold", "40", "--vex", "a.json")
    assert result.status == 1
    assert "a.json has no effect" in result.err


def test_decisions_are_written_as_openvex_and_read_back(nerq: Nerq, demo: Path) -> None:
    entry = 'advisory = "GHSA-1-1"\nuntil = 2027-01-31\nowner = "ann"'
    waive(demo, entry)
    assert scan(nerq, "-o", "decisions.openvex.json").status == 0
    written = json.loads((demo / "decisions.openvex.json").read_text())
    [statement] = written["statements"]
    assert statement["status"] == "affected"
    assert statement["action_statement"] == "update to 2.0; accepted until 2027-01-31: not reachable"
    assert written["author"] == "ann"
    (demo / "nerq.toml").write_text("threshold = 40\n")
    assert scan(nerq, "--vex", "decisions.openvex.json").status == 1  # accepted, which is not cleared
    waive(demo, entry + '\nopenvex-justification = "vulnerable_code_not_present"')
    assert scan(nerq, "-o", "decisions.openvex.json").status == 0
    first = (demo / "decisions.openvex.json").read_bytes()
    assert scan(nerq, "-o", "decisions.openvex.json").status == 0
    assert (demo / "decisions.openvex.json").read_bytes() == first
    (demo / "nerq.toml").write_text("threshold = 40\n")
    assert scan(nerq, "--vex", "decisions.openvex.json").status == 0


def test_findings_about_a_file_are_waived_by_rule_and_path(
    nerq: Nerq, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "web").mkdir()
    (project / "web" / "package.json").write_text("{}")
    (project / "web" / "bunfig.toml").write_text("[install]\nminimumReleaseAge = 10080\n")  # minutes, not seconds
    settings = 'threshold = 0\nrules.vulnerability = "allow"\nrules.age-policy-mismatch = "deny"\n'
    (project / "nerq.toml").write_text(settings)
    failing = scan(nerq)
    assert (failing.status, rules(failing)) == (1, ["age-policy-mismatch"])
    written = nerq(
        "waive", "--path", "web/bunfig.toml", "--rule", "age-policy-mismatch", "--until", "30d", "--reason", "r"
    )
    assert written.status == 0
    assert "wrote to nerq.toml: web/bunfig.toml, age-policy-mismatch, until " in written.out
    today = ("--as-of", "2026-11-29")
    (project / "nerq.toml").write_text((project / "nerq.toml").read_text().replace("until = 2", "until = 9"))
    result = nerq("scan", *today, "--format", "json")
    assert (result.status, rules(result)) == (0, ["age-policy-mismatch"])
    assert result.json["findings"][0]["waiver"]["reason"] == "r"
    monkeypatch.chdir(project / "web")  # settings above, and paths below the directory that is scanned
    (project / "web" / "requirements.txt").write_text("demo==1.0\n")
    assert nerq("scan", *today).status == 0
    (project / "nerq.toml").write_text((project / "nerq.toml").read_text().replace("web/bunfig", "bunfig"))
    assert nerq("scan", *today).status == 1


def test_a_waiver_of_nothing_or_of_everything_is_an_error(nerq: Nerq) -> None:
    more = ("--rule", "lock-drift", "--until", "30d", "--reason", "r")
    assert "neither a package nor a file" in nerq("waive", *more).err
    for path in ("**", "../a", "!a"):
        assert nerq("waive", "--path", path, *more).status == 2
    assert nerq("waive", "--path", "a", "--advisory", "GHSA-1-1", "--until", "30d", "--reason", "r").status == 2


def test_until_fixed_does_not_end_before_age_rules_let_the_fix_be_installed(nerq: Nerq, demo: Path) -> None:
    waive(demo, 'advisory = "GHSA-1-1"\nuntil = 2027-01-31\nuntil-fixed = true')
    (demo / "uv.lock").write_text("version = 1\n")
    (demo / "uv.toml").write_text('exclude-newer = "60 days"\n')  # 2.0 is 32 days old
    result = scan(nerq)
    assert (result.status, rules(result)) == (0, ["vulnerability"])
    [dependency] = result.json["dependencies"]
    assert dependency["installable"] == "later"
    (demo / "uv.toml").write_text('exclude-newer = "30 days"\n')
    result = scan(nerq)
    assert (result.status, rules(result)) == (1, ["vulnerability", "waiver-expired"])
    (demo / "uv.toml").write_text('exclude-newer = "someday"\n')  # not known: the fix counts
    assert scan(nerq).status == 1


def scores_of(result: Any) -> tuple[float, float]:
    """Return the score in the finding about the threshold, and the one without the waived advisory."""
    [text] = [finding["text"] for finding in result.json["findings"] if finding["id"] == "score-below-threshold"]
    points, _, without = text.partition(" points; ")
    return float(points.split()[0]), float(without.split()[0])


def test_a_score_that_only_a_waived_advisory_takes_below_the_threshold_is_waived_with_it(
    nerq: Nerq, services: Any, demo: Path
) -> None:
    waive(demo, 'advisory = "CVE-2026-1"\nuntil = 2027-01-31')
    path = demo / "nerq.toml"
    settings = path.read_text()
    path.write_text(settings.replace("threshold = 40", "threshold = 99"))
    result = scan(nerq)
    with_advisory, without = scores_of(result)
    assert with_advisory < 70 < without < 99
    assert result.status == 1  # neither of the two scores passes
    assert [finding["waiver"] is None for finding in result.json["findings"]] == [True, False]
    path.write_text(settings.replace("threshold = 40", "threshold = 70"))
    result = scan(nerq)
    assert result.status == 0
    assert rules(result) == ["score-below-threshold", "vulnerability"]
    assert scores_of(result) == (with_advisory, without)
    assert all(finding["waiver"]["reason"] == "not reachable" for finding in result.json["findings"])
    assert result.json["dependencies"][0]["state"] == "below"  # the score itself stays
    assert "2 waived by nerq.toml" in result.json["exit"]["reason"]
    affect(services, "GHSA-2-2", **HIGH)  # another one, which nothing waives
    result = scan(nerq, "--no-cache")
    assert result.status == 1
    path.write_text(path.read_text().replace("2027-01-31", "2026-11-20"))  # the waiver has ended
    ended = scan(nerq)
    assert ended.status == 1
    assert "without the waived" not in ended.out
