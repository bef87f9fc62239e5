"""``--as-of`` reports what was known at that moment: versions, advisories and what was exploited."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

Nerq = Callable[..., Any]


def publish(registry: Any, *versions: tuple[str, str, dict[str, Any]], name: str = "demo") -> None:
    """Publish an npm package: number, date and further fields of each version."""
    manifests = {
        number: {
            "name": name,
            "version": number,
            "license": "MIT",
            "_npmUser": {"name": "ann"},
            "dist": {"signatures": [{"keyid": "k"}]},
            **more,
        }
        for number, _, more in versions
    }
    packument = {
        "name": name,
        "dist-tags": {"latest": versions[-1][0]},
        "time": {number: f"{date}T08:00:00.000Z" for number, date, _ in versions},
        "maintainers": [{"name": "ann"}],
        "versions": manifests,
    }
    registry.site.on(f"/{name}", {"body": packument})
    for number, manifest in manifests.items():
        registry.site.on(f"/{name}/{number}", {"body": manifest})


def write(project: Path, requirement: str) -> None:
    (project / "package.json").write_text(json.dumps({"name": "app", "dependencies": {"demo": requirement}}))


def scan(nerq: Nerq, as_of: str, *more: str) -> Any:
    [dependency] = nerq("scan", "--as-of", as_of, "--format", "json", *more).json["dependencies"]
    return dependency


def caps(dependency: Any) -> list[str]:
    return [cap["id"] for cap in dependency["caps"]]


def get_signal(dependency: Any, identifier: str) -> Any:
    return next(signal for signal in dependency["signals"] if signal["id"] == identifier)


@pytest.mark.parametrize(
    ("as_of", "version"), [("2024-06-01", "1.0.0"), ("2025-06-01", "1.1.0"), ("2026-06-01", "1.2.0")]
)
def test_a_range_selects_the_newest_version_of_that_moment(
    nerq: Nerq, registry: Any, project: Path, as_of: str, version: str
) -> None:
    publish(registry, ("1.0.0", "2024-01-01", {}), ("1.1.0", "2025-01-01", {}), ("1.2.0", "2026-01-01", {}))
    write(project, "^1.0.0")
    dependency = scan(nerq, as_of)
    assert (dependency["version"], dependency["latest_version"]) == (version, version)


@pytest.mark.parametrize("requirement", ["1.0.0", "~1.0.0"])
def test_versions_published_later_are_not_newer_ones(
    nerq: Nerq, registry: Any, project: Path, requirement: str
) -> None:
    publish(registry, ("1.0.0", "2024-01-01", {}), ("2.0.0", "2026-01-01", {}))
    write(project, requirement)
    then, now = scan(nerq, "2025-01-01"), scan(nerq, "2026-06-01")
    assert (then["latest_version"], then["releases_behind"]) == ("1.0.0", 0)
    assert (now["latest_version"], now["releases_behind"]) == ("2.0.0", 1)


def test_a_new_install_script_is_seen_at_the_moment_it_was_new(nerq: Nerq, registry: Any, project: Path) -> None:
    hook = {"scripts": {"postinstall": "node x.js"}}
    publish(registry, ("1.0.0", "2023-01-01", {}), ("1.0.1", "2025-01-01", hook), ("1.0.2", "2025-03-01", hook))
    write(project, "1.0.1")
    assert "install-hook-new" in caps(scan(nerq, "2025-01-03"))
    assert "install-hook-new" not in caps(scan(nerq, "2026-01-03"))


def test_an_attestation_that_was_lost_is_seen_at_that_moment(nerq: Nerq, registry: Any, project: Path) -> None:
    attested = {"dist": {"signatures": [{"keyid": "k"}], "attestations": {"url": "x"}}}
    publish(registry, ("1.0.0", "2024-01-01", attested), ("1.0.1", "2025-01-01", {}))
    write(project, "1.0.1")
    assert "provenance-lost" in caps(scan(nerq, "2025-01-03"))


@pytest.mark.parametrize(
    ("as_of", "expected"),
    [("2026-02-01", []), ("2026-03-02", ["PYSEC-2026-7"]), ("2026-04-02", []), ("2026-11-01", [])],
)
def test_an_advisory_counts_from_its_publication_to_its_withdrawal(
    nerq: Nerq, registry: Any, services: Any, project: Path, as_of: str, expected: Sequence[str]
) -> None:
    registry.pypi("demo", "1.0", "2.0")
    dates = {"published": "2026-03-01T00:00:00Z", "withdrawn": "2026-04-01T00:00:00Z"}
    services.advisory("demo", "2.0", identifier="PYSEC-2026-7", **dates)
    (project / "requirements.txt").write_text("demo==2.0\n")
    assert [advisory["id"] for advisory in scan(nerq, as_of)["advisories"]] == expected


def test_an_advisory_that_the_index_lists_without_a_date_counts_from_its_publication(
    nerq: Nerq, registry: Any, services: Any, project: Path
) -> None:
    listed: dict[str, Any] = {
        "id": "PYSEC-2026-7",
        "aliases": [],
        "details": "x",
        "fixed_in": [],
        "link": "",
        "withdrawn": None,
    }
    registry.pypi("demo", "1.0", "2.0", vulnerabilities={"2.0": [listed]})
    services.advisory("demo", "2.0", identifier="PYSEC-2026-7", published="2026-03-01T00:00:00Z")
    (project / "requirements.txt").write_text("demo==2.0\n")
    assert scan(nerq, "2026-02-01")["advisories"] == []
    assert [advisory["id"] for advisory in scan(nerq, "2026-03-02")["advisories"]] == ["PYSEC-2026-7"]


def test_exploitation_counts_from_the_day_the_catalogue_lists_it(
    nerq: Nerq, registry: Any, services: Any, project: Path
) -> None:
    registry.pypi("demo", "1.0", "2.0")
    services.advisory("demo", "2.0", identifier="PYSEC-2026-7", aliases=["CVE-2026-7777"])
    entry = {"cveID": "CVE-2026-7777", "dateAdded": "2026-05-01"}
    services.site.on("/kev", {"body": {"catalogVersion": "1", "count": 1, "vulnerabilities": [entry]}})
    (project / "requirements.txt").write_text("demo==2.0\n")
    exploited = [scan(nerq, day)["advisories"][0]["known_exploited"] for day in ("2026-04-30", "2026-05-02")]
    assert exploited == [False, True]


@pytest.mark.parametrize("as_of", ["2024-02-01", "2025-01-02", "2025-06-01T12:00:00Z", "2026-11-21"])
@pytest.mark.parametrize("format_", ["json", "table"])
def test_the_same_evidence_and_moment_give_the_same_bytes(
    nerq: Nerq, registry: Any, project: Path, as_of: str, format_: str
) -> None:
    publish(registry, ("1.0.0", "2024-01-01", {}), ("1.1.0", "2025-01-01", {}), ("1.2.0", "2026-01-01", {}))
    write(project, "^1.0.0")
    nerq("scan", "--as-of", as_of)
    first, second = (
        re.sub(r"\d+\.\d s\n", "\n", nerq("scan", "--as-of", as_of, "--offline", "--format", format_).out)
        for _ in range(2)
    )
    assert first == second
    assert first
