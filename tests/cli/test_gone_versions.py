"""What is known about a version counts although its registry does not list the version any more."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

AS_OF = ("--as-of", "2026-11-21")
Nerq = Callable[..., Any]


def build_malware(name: str, *versions: str, ecosystem: str = "npm") -> dict[str, Any]:
    return {
        "id": f"MAL-2026-{len(name)}",
        "modified": "2026-11-20T00:00:00Z",
        "published": "2026-11-01T00:00:00Z",
        "summary": f"Malicious code in {name}",
        "affected": [{"package": {"ecosystem": ecosystem, "name": name}, "versions": list(versions)}],
    }


@pytest.fixture
def import_records(nerq: Nerq, tmp_path: Path) -> Callable[..., None]:
    def take(*records: dict[str, Any]) -> None:
        folder = tmp_path / "records"
        folder.mkdir(exist_ok=True)
        for record in records:
            (folder / f"{record['id']}.json").write_text(json.dumps(record))
        assert nerq("db", "import", str(folder)).status == 0

    return take


def write_lock(project: Path, name: str, version: str) -> None:
    (project / "package.json").write_text(json.dumps({"name": "site", "dependencies": {name: f"^{version}"}}))
    lock = {
        "name": "site",
        "lockfileVersion": 3,
        "packages": {
            "": {"name": "site", "dependencies": {name: f"^{version}"}},
            f"node_modules/{name}": {"version": version},
        },
    }
    (project / "package-lock.json").write_text(json.dumps(lock))


def write_sbom(project: Path, name: str, version: str) -> None:
    component = {"type": "library", "name": name, "version": version, "purl": f"pkg:npm/{name}@{version}"}
    (project / "bom.cdx.json").write_text(
        json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.5", "components": [component]})
    )


def write_manifest(project: Path, name: str, requirement: str) -> None:
    (project / "package.json").write_text(json.dumps({"dependencies": {name: requirement}}))


WRITERS = {"pin": write_manifest, "lock": write_lock, "sbom": write_sbom}


@pytest.mark.parametrize("kind", sorted(WRITERS))
@pytest.mark.parametrize("threshold", ["70", "0"])
def test_removed_malware_fails_whatever_names_it_and_whatever_the_threshold(
    nerq: Nerq, registry: Any, services: Any, project: Path, import_records: Any, kind: str, threshold: str
) -> None:
    services.silent()
    registry.npm("left-scope", "3.7.1", "3.7.3")
    import_records(build_malware("left-scope", "3.7.2"))
    WRITERS[kind](project, "left-scope", "3.7.2")
    paths = ["bom.cdx.json"] if kind == "sbom" else []
    result = nerq("scan", *paths, *AS_OF, "--format", "json", "-t", threshold)
    [dependency] = result.json["dependencies"]
    assert (result.status, dependency["state"], dependency["score"]) == (1, "below", 0.0)
    assert [advisory["id"] for advisory in dependency["advisories"]] == ["MAL-2026-10"]
    assert [finding["id"] for finding in result.findings] == ["malicious"]
    assert any("not listed by the registry" in reason for reason in dependency["reasons"])
    printed = nerq("scan", *paths, *AS_OF, "-t", threshold)
    assert "nearest" not in printed.out
    assert "MAL-2026-10" in printed.out
    assert "1 malicious version" in printed.out
    card = nerq("check", "npm:left-scope@3.7.2", *AS_OF, "-t", threshold)
    for text in (printed.out, printed.err, card.out, card.err, result.json["exit"]["reason"]):
        assert "below 0" not in text
    assert "is malicious: " in card.out


def test_removed_malware_on_pypi_is_known_from_osv(nerq: Nerq, registry: Any, services: Any, project: Path) -> None:
    registry.pypi("ultra", "8.3.40", "8.3.43")
    services.advisory("ultra", "8.3.41", identifier="MAL-2024-9")
    (project / "requirements.txt").write_text("ultra==8.3.41\n")
    result = nerq("scan", *AS_OF, "--format", "json")
    [dependency] = result.json["dependencies"]
    assert (result.status, dependency["state"], dependency["score"]) == (1, "below", 0.0)
    checked = nerq("check", "ultra==8.3.41", *AS_OF)
    assert checked.status == 1
    assert "MAL-2024-9" in checked.out


@pytest.mark.parametrize(("requirement", "ecosystem"), [("~3.7.2", "npm"), ("==8.3.41.*", "PyPI")])
def test_a_range_that_only_removed_versions_satisfy_is_judged_by_them(
    nerq: Nerq, registry: Any, services: Any, project: Path, import_records: Any, requirement: str, ecosystem: str
) -> None:
    services.silent()
    if ecosystem == "npm":
        registry.npm("gone", "3.7.1", "4.0.0")
        write_manifest(project, "gone", requirement)
        import_records(build_malware("gone", "3.7.2"))
    else:
        registry.pypi("gone", "8.3.40", "8.4.0")
        (project / "requirements.txt").write_text(f"gone{requirement}\n")
        import_records(build_malware("gone", "8.3.41", ecosystem="PyPI"))
    result = nerq("scan", *AS_OF, "--format", "json")
    [dependency] = result.json["dependencies"]
    assert (result.status, dependency["state"], dependency["score"]) == (1, "below", 0.0)


def test_a_package_that_left_its_registry_keeps_its_malware_record(
    nerq: Nerq, registry: Any, project: Path, import_records: Any
) -> None:
    registry.most_used()
    import_records(build_malware("flatmap-streams", "0.1.1"))
    write_lock(project, "flatmap-streams", "0.1.1")
    result = nerq("scan", *AS_OF, "--format", "json")
    [dependency] = result.json["dependencies"]
    assert (result.status, dependency["state"], dependency["score"]) == (1, "below", 0.0)
    assert {finding["id"] for finding in result.findings} >= {"malicious"}


def test_an_advisory_caps_a_version_that_is_gone(nerq: Nerq, registry: Any, services: Any, project: Path) -> None:
    registry.pypi("demo", "1.0", "3.0")
    severity = {"database_specific": {"severity": "HIGH"}}
    services.advisory("demo", "2.0", identifier="GHSA-1", **severity)
    (project / "requirements.txt").write_text("demo==2.0\n")
    result = nerq("scan", *AS_OF, "--format", "json")
    [dependency] = result.json["dependencies"]
    assert (result.status, dependency["state"], dependency["score"]) == (1, "below", None)
    assert dependency["advisories"][0]["id"] == "GHSA-1"


def test_a_gone_version_without_a_record_is_unknown_and_a_lock_entry_is_no_typing_error(
    nerq: Nerq, registry: Any, project: Path
) -> None:
    registry.npm("left", "1.0.0", "1.2.0")
    write_lock(project, "left", "1.1.0")
    result = nerq("scan", *AS_OF, "--format", "json", "--strict")
    [dependency] = result.json["dependencies"]
    assert (result.status, dependency["state"]) == (3, "unknown")
    assert dependency["reasons"][0].startswith("version 1.1.0 is not listed by the registry")
    assert "nearest" not in nerq("scan", *AS_OF).out


def test_a_removed_version_is_named_as_such(nerq: Nerq, registry: Any, project: Path) -> None:
    registry.npm("left", "1.0.0", "1.2.0", removed=("1.1.0",))
    write_manifest(project, "left", "1.1.0")
    [dependency] = nerq("scan", *AS_OF, "--format", "json").json["dependencies"]
    assert dependency["reasons"][0] == "version 1.1.0 was removed from the registry"


def build_malicious_package(name: str, ecosystem: str = "npm") -> dict[str, Any]:
    """Return a record of a package of which every version is malicious."""
    record = build_malware(name, ecosystem=ecosystem)
    kind = "SEMVER" if ecosystem == "npm" else "ECOSYSTEM"
    record["affected"][0]["ranges"] = [{"type": kind, "events": [{"introduced": "0"}]}]
    return record


@pytest.mark.parametrize("listed", [(), ("0.0.1-security",), ("0.9.0", "3.0.0")])
@pytest.mark.parametrize("threshold", ["70", "0"])
def test_a_range_of_a_malicious_package_fails_although_no_version_satisfies_it(
    nerq: Nerq,
    registry: Any,
    services: Any,
    project: Path,
    import_records: Any,
    listed: tuple[str, ...],
    threshold: str,
) -> None:
    services.silent()
    registry.most_used()
    if listed:
        registry.npm("stealer", *listed)
    import_records(build_malicious_package("stealer"))
    write_manifest(project, "stealer", "^1.0.0")
    result = nerq("scan", *AS_OF, "--format", "json", "-t", threshold)
    [dependency] = result.json["dependencies"]
    assert (result.status, dependency["state"], dependency["score"]) == (1, "below", 0.0)
    assert [advisory["id"] for advisory in dependency["advisories"]] == ["MAL-2026-7"]
    assert "malicious" in {finding["id"] for finding in result.findings}
    printed = nerq("scan", *AS_OF, "-t", threshold)
    assert "MAL-2026-7" in printed.out
    assert "nearest" not in printed.out
    checked = nerq("check", "npm:stealer@^1.0.0", *AS_OF, "-t", threshold)
    assert checked.status == 1
    assert "MAL-2026-7" in checked.out


@pytest.mark.parametrize("requirement", ["==8.3.41.*", ">=8.3.41,<8.3.43"])
def test_a_range_that_only_removed_malware_satisfies_is_known_from_osv(
    nerq: Nerq, registry: Any, services: Any, project: Path, requirement: str
) -> None:
    registry.pypi("ultra", "8.3.40", "8.3.43")
    services.advisory("ultra", "8.3.41", identifier="MAL-2024-9")
    (project / "requirements.txt").write_text(f"ultra{requirement}\n")
    result = nerq("scan", *AS_OF, "--format", "json")
    [dependency] = result.json["dependencies"]
    assert (result.status, dependency["state"], dependency["version"]) == (1, "below", "8.3.41")
    assert [advisory["id"] for advisory in dependency["advisories"]] == ["MAL-2024-9"]


def test_a_range_of_a_package_that_left_its_registry_is_judged_by_the_version_a_record_names(
    nerq: Nerq, registry: Any, services: Any, project: Path, import_records: Any
) -> None:
    registry.most_used()
    import_records(build_malware("flatmap-streams", "0.1.1"))
    write_manifest(project, "flatmap-streams", "^0.1.0")
    result = nerq("scan", *AS_OF, "--format", "json")
    [dependency] = result.json["dependencies"]
    assert (result.status, dependency["state"], dependency["version"]) == (1, "below", "0.1.1")
    assert {finding["id"] for finding in result.findings} == {"malicious", "not-on-index"}
    assert not any(b"flatmap" in request.body for request in services.site.requests)


def test_an_advisory_about_a_removed_version_counts_for_a_range(
    nerq: Nerq, registry: Any, services: Any, project: Path, import_records: Any
) -> None:
    services.silent()
    registry.npm("left", "3.7.1", "4.0.0")
    record = {**build_malware("left", "3.7.2"), "id": "GHSA-1", "database_specific": {"severity": "HIGH"}}
    import_records(record)
    write_manifest(project, "left", "~3.7.2")
    result = nerq("scan", *AS_OF, "--format", "json")
    [dependency] = result.json["dependencies"]
    assert (result.status, dependency["state"], dependency["version"]) == (1, "below", "3.7.2")
    assert "nearest" not in nerq("scan", *AS_OF).out


@pytest.mark.parametrize("removed", [(), ("3.7.2", "3.7.4")])
@pytest.mark.parametrize(
    "others", [(), ({"id": "GHSA-1", "database_specific": {"severity": "CRITICAL"}},), ({"id": "GHSA-2"},)]
)
def test_of_several_removed_versions_a_range_is_judged_by_the_worst(
    nerq: Nerq,
    registry: Any,
    services: Any,
    project: Path,
    import_records: Any,
    removed: tuple[str, ...],
    others: tuple[dict[str, Any], ...],
) -> None:
    services.silent()
    registry.npm("left", "3.7.1", "4.0.0", removed=removed)
    import_records(build_malware("left", "3.7.2"), *({**build_malware("left", "3.7.3"), **other} for other in others))
    write_manifest(project, "left", "~3.7.2")
    result = nerq("scan", *AS_OF, "--format", "json")
    [dependency] = result.json["dependencies"]
    assert (result.status, dependency["state"], dependency["version"]) == (1, "below", "3.7.2")
    assert [advisory["id"] for advisory in dependency["advisories"]] == ["MAL-2026-4"]
    assert {finding["id"] for finding in result.findings} == {"malicious"}


def test_of_several_removed_versions_a_range_is_judged_by_the_worst_severity(
    nerq: Nerq, registry: Any, services: Any, project: Path, import_records: Any
) -> None:
    services.silent()
    registry.npm("left", "3.7.1", "4.0.0", removed=("3.7.5",))
    severities = {"3.7.2": "LOW", "3.7.3": "HIGH", "3.7.4": "MODERATE"}
    import_records(
        *(
            {**build_malware("left", version), "id": f"GHSA-{version}", "database_specific": {"severity": severity}}
            for version, severity in severities.items()
        )
    )
    write_manifest(project, "left", "~3.7.2")
    [dependency] = nerq("scan", *AS_OF, "--format", "json").json["dependencies"]
    assert dependency["version"] == "3.7.3"


@pytest.mark.parametrize("source", ["database", "OSV"])
@pytest.mark.parametrize("pin", ["2.0", "2.0.0"])
def test_a_pin_that_an_advisory_names_as_its_fix_is_no_typing_error(
    nerq: Nerq, registry: Any, services: Any, project: Path, import_records: Any, source: str, pin: str
) -> None:
    registry.pypi("demo", "1.0", "3.0")
    events = [{"introduced": "0"}, {"fixed": "2.0"}]
    affected = {"package": {"ecosystem": "PyPI", "name": "demo"}, "ranges": [{"type": "ECOSYSTEM", "events": events}]}
    if source == "OSV":
        services.advisory("demo", "1.0", identifier="GHSA-1", affected=[affected])
    else:
        services.silent()
        import_records({**build_malware("demo"), "id": "GHSA-1", "affected": [affected]})
    (project / "requirements.txt").write_text(f"demo=={pin}\n")
    [dependency] = nerq("scan", *AS_OF, "--format", "json").json["dependencies"]
    assert dependency["state"] == "unknown"
    assert "nearest" not in json.dumps(dependency)
    assert "nearest" not in nerq("check", f"demo=={pin}", *AS_OF).out
    (project / "requirements.txt").write_text("demo==2.5\n")
    assert "nearest" in json.dumps(nerq("scan", *AS_OF, "--format", "json").json["dependencies"])


def test_a_record_that_was_published_later_names_no_version(
    nerq: Nerq, registry: Any, services: Any, project: Path, import_records: Any
) -> None:
    services.silent()
    registry.npm("left", "3.7.1", "4.0.0")
    import_records(build_malware("left", "3.7.2"))
    write_manifest(project, "left", "~3.7.2")
    [dependency] = nerq("scan", "--as-of", "2026-10-25", "--format", "json").json["dependencies"]
    assert (dependency["state"], dependency["version"]) == ("unknown", None)
