"""Components that SBOMs inside of installed distributions name (PEP 770), from the file to the exit status."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

AS_OF = ("--as-of", "2026-11-21")
Nerq = Callable[..., Any]


@pytest.fixture
def installed(registry: Any, project: Path) -> Path:
    registry.pypi("alpha", "1.0")
    info = project / ".venv" / "lib" / "python3.12" / "site-packages" / "alpha-1.0.dist-info"
    (info / "sboms").mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: alpha\nVersion: 1.0\n")
    purls = ("pkg:cargo/openssl@0.10.64", "pkg:cargo/libc@0.2.150", "pkg:rpm/almalinux/zlib@1.2.11")
    components = [{"type": "library", "name": "x", "bom-ref": purl, "purl": purl} for purl in purls]
    (info / "sboms" / "a.cdx.json").write_text(
        json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": components})
    )
    return project


def record_advisory(services: Any) -> None:
    affected = {
        "package": {"ecosystem": "crates.io", "name": "openssl"},
        "ranges": [{"type": "SEMVER", "events": [{"introduced": "0.9.0"}, {"fixed": "0.10.66"}]}],
    }
    services.advisory(
        "openssl",
        "0.10.64",
        identifier="GHSA-q445-7m23-qrmw",
        affected=[affected],
        database_specific={"severity": "CRITICAL"},
    )


def by_purl(result: Any) -> dict[str, Any]:
    return {entry["purl"]: entry for entry in result.json["dependencies"]}


def test_a_crate_with_an_advisory_fails_the_run_and_is_shown_under_its_distribution(
    nerq: Nerq, installed: Path, services: Any
) -> None:
    record_advisory(services)
    result = nerq("scan", "--env", *AS_OF, "--format", "json")
    entries = by_purl(result)
    assert result.status == 1, result.err
    openssl = entries["pkg:cargo/openssl@0.10.64"]
    assert (openssl["state"], openssl["via"]) == ("below", ["alpha"])
    assert [advisory["id"] for advisory in openssl["advisories"]] == ["GHSA-q445-7m23-qrmw"]
    assert openssl["skip_reason"] == "inside alpha 1.0: only its advisories are looked up"
    assert (entries["pkg:cargo/libc@0.2.150"]["state"], entries["pkg:rpm/almalinux/zlib@1.2.11"]["state"]) == (
        "skipped",
        "skipped",
    )
    assert entries["pkg:rpm/almalinux/zlib@1.2.11"]["skip_reason"] == "inside alpha 1.0: known, not checkable"


def test_without_an_advisory_the_distribution_alone_is_judged(nerq: Nerq, installed: Path) -> None:
    result = nerq("scan", "--env", *AS_OF, "--threshold", "0")
    assert result.status == 0, result.out


def test_an_answer_that_is_missing_leaves_the_crate_unjudged(nerq: Nerq, installed: Path, services: Any) -> None:
    services.silent()
    entries = by_purl(nerq("scan", "--env", *AS_OF, "--format", "json"))
    assert entries["pkg:cargo/openssl@0.10.64"]["state"] == "not-judged"


@pytest.mark.parametrize("pattern", ["alpha", "openssl"])
def test_components_of_what_is_private_are_not_sent(nerq: Nerq, installed: Path, services: Any, pattern: str) -> None:
    record_advisory(services)
    (installed / "nerq.toml").write_text(f'private = ["{pattern}"]\n')
    entries = by_purl(nerq("scan", "--env", *AS_OF, "--format", "json"))
    assert entries["pkg:cargo/openssl@0.10.64"]["skip_reason"] == "inside alpha 1.0: known, not checkable"
    bodies = " ".join(str(request.body) for request in services.site.requests)
    assert "openssl" not in bodies
