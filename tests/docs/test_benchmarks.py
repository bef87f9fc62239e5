"""The stand-ins of the benchmarks answer as the services do, and with ``--real`` as much."""

from __future__ import annotations

import gzip
import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parents[2] / "docs" / "benchmarks"
MODULES = ("bodies", "registry", "services", "rounds", "run")
BULK = "/-/npm/v1/security/advisories/bulk"


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    registry = importlib.import_module("registry")
    registry.services = importlib.import_module("services")  # type: ignore[attr-defined]
    yield registry
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.fixture
def real(registry: ModuleType, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(sys.modules["bodies"], "real", True)
    return registry


def test_npm_audit_gets_the_advisories_of_the_packages_it_sends(registry: ModuleType) -> None:
    sent = gzip.compress(json.dumps({"module-00025": ["1.0.0"], "module-00026": ["1.0.0"]}).encode())
    status, _, body = registry.respond(BULK, {"content-encoding": "gzip"}, sent)
    assert status == 200
    assert {name: one["vulnerable_versions"] for name, [one] in json.loads(body).items()} == {"module-00025": "<4.9.0"}


def test_an_abbreviated_packument_is_served_to_whom_accepts_it(registry: ModuleType) -> None:
    headers = {"accept": "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8"}
    _, _, abbreviated = registry.respond("/module-00001", headers, b"")
    _, _, whole = registry.respond("/module-00001", {"accept": "application/json"}, b"")
    assert {"time", "readme"} & json.loads(abbreviated).keys() == set()
    assert json.loads(abbreviated)["versions"].keys() == json.loads(whole)["versions"].keys()


def test_small_bodies_are_sent_as_they_are(registry: ModuleType) -> None:
    _, fields, body = registry.respond("/pypi/package-00007/json", {"accept-encoding": "gzip"}, b"")
    assert b"Content-Encoding" not in fields
    assert json.loads(body)["info"]["name"] == "package-00007"


def test_a_version_with_an_advisory_lists_it_where_bodies_are_real(real: ModuleType) -> None:
    def list_ids(path: str) -> list[str]:
        return [one["id"] for one in json.loads(real.answer(path))["vulnerabilities"]]

    assert list_ids("/pypi/package-00003/4.8.0/json") == ["GHSA-package-00003"]
    assert list_ids("/pypi/package-00003/4.9.0/json") == list_ids("/pypi/package-00004/4.8.0/json") == []
    queries = [{"package": {"name": "package-00003"}, "version": version} for version in ("4.8.0", "4.9.0")]
    body = json.dumps({"queries": [*queries, {"package": {"name": "package-00003"}}]}).encode()
    _, _, sent = real.respond("/osv/v1/querybatch", {}, body)
    assert [bool(hits) for hits in json.loads(sent)["results"]] == [True, False, True]


def test_the_npm_packages_of_a_lock_file_require_each_other_as_their_packuments_state(
    real: ModuleType, tmp_path: Path
) -> None:
    rounds = importlib.import_module("rounds")
    packages = json.loads(Path(rounds.npm_lock(tmp_path, 600)).read_text())["packages"]
    required = {name for package in packages.values() for name in package.get("dependencies", {})}
    assert required == {name.removeprefix("node_modules/") for name in packages if name}
    for name in ("module-00007", "module-00100", "module-00599"):
        locked = packages[f"node_modules/{name}"]
        manifest = json.loads(real.answer(f"/{name}"))["versions"][locked["version"]]
        assert manifest["dependencies"] == locked["dependencies"]


def test_real_bodies_are_as_large_as_those_of_the_services(real: ModuleType) -> None:
    sizes = {name: len(real.answer(f"/{name}")) for name in ("module-00001", "module-00003", "module-00007")}
    assert 50_000 < sizes["module-00001"] < 150_000
    assert 400_000 < sizes["module-00003"] < 1_500_000
    assert 2_000_000 < sizes["module-00007"] < 10_000_000
    assert len(real.answer("/pypi/package-00007/json")) > 1_000_000
    record = json.loads(real.services.answer("/osv/v1/vulns/GHSA-package-00003")[1])
    assert 1_700 < len(json.dumps(record)) < 1_900


def test_real_bodies_are_compressed_for_whom_accepts_it(real: ModuleType) -> None:
    for path in ("/module-00003", "/osv/v1/vulns/GHSA-package-00003"):
        _, fields, packed = real.respond(path, {"accept-encoding": "gzip, br"}, b"")
        _, plain_fields, plain = real.respond(path, {}, b"")
        assert b"Content-Encoding: gzip" in fields
        assert b"Content-Encoding" not in plain_fields
        assert gzip.decompress(packed) == plain
        assert 2 < len(plain) / len(packed) < 12


def test_one_package_in_three_has_an_advisory(real: ModuleType) -> None:
    names = [f"module-{number:05}" for number in range(30)]
    _, _, body = real.respond(BULK, {}, json.dumps({key: ["1.0.0"] for key in names}).encode())
    assert len(json.loads(body)) == 10
