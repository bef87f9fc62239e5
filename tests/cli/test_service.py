"""Evidence that is looked up at a nerq service: the same report as one that is computed, with few requests."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from html import unescape
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from nerq_cli.application.service_answers import build_response, collect_documents
from nerq_cli.application.service_source import PATH, EvidenceQuery
from nerq_cli.application.session import Session, read_clock
from nerq_cli.application.settings import Settings
from nerq_cli.methodology.packages import PACKAGES
from tests.cli.conftest import AS_OF, Registry, Result, Services

Nerq = Callable[..., Result]


class Service:
    """A service on loopback, which collects what it is asked for from the registries of the tests."""

    def __init__(self, site: Any, folder: Path) -> None:
        self.site = site
        self.folder = folder
        self.queries: list[list[str]] = []
        self.leave_out: Callable[[dict[str, Any]], None] = lambda _: None
        site.on(PATH, self.answer)

    @property
    def url(self) -> str:
        return str(self.site.url)

    @property
    def headers(self) -> list[Any]:
        return [request.headers for request in self.site.requests]

    def answer(self, request: Any) -> dict[str, Any]:
        query = msgspec.json.decode(request.body, type=EvidenceQuery)
        self.queries.append(list(query.targets))
        now = read_clock()
        settings = Settings(cache_dir=self.folder / "cache", as_of=AS_OF if query.as_of else None)
        with Session.open(settings, self.folder) as session:
            session.uses_service = False
            rules, options = session.build_rules(()), session.build_scan_options()
            documents = collect_documents(query, query.targets, session.open_run(), rules, options, now)
        body = json.loads(build_response(query.targets, documents, now))
        self.leave_out(body)
        return {"body": json.dumps(body, separators=(",", ":")).encode()}


@pytest.fixture
def service(other_site: Any, tmp_path: Path) -> Service:
    folder = tmp_path / "service"
    folder.mkdir()
    return Service(other_site, folder)


@pytest.fixture
def scanned(registry: Registry, services: Services, project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with pins, a range, a package of npm and a version with an advisory; all names are public."""
    monkeypatch.setenv("NERQ_PUBLIC", "alpha,beta,gamma,delta")
    registry.most_used()
    registry.pypi("alpha", "1.0", "1.1", "2.0")
    registry.pypi("beta", "1.0", "1.5")
    registry.pypi("gamma", "3.0", "3.1")
    registry.npm("delta", "1.0.0", "1.1.0")
    services.advisory("gamma", "3.0", identifier="GHSA-gggg-gggg-gggg", database_specific={"severity": "CRITICAL"})
    (project / "requirements.txt").write_text("alpha==1.0\nbeta>=1.0,<1.5\ngamma==3.0\n")
    (project / "package.json").write_text(json.dumps({"name": "own", "dependencies": {"delta": "1.0.0"}}))
    return project


def drop_sources(value: Any) -> Any:
    """Return a report without what is about sources: their status, and when each answered."""
    if isinstance(value, dict):
        left_out = ("sources", "retrieved_at")
        return {key: drop_sources(entry) for key, entry in value.items() if key not in left_out}
    return [drop_sources(entry) for entry in value] if isinstance(value, list) else value


def test_report_is_that_of_a_scan_without_a_service(scanned: Path, service: Service, nerq: Nerq) -> None:
    computed = nerq("scan", "--format=json", "--as-of", AS_OF)
    looked_up = nerq("scan", "--format=json", "--as-of", AS_OF, "--no-cache", "--service", service.url)
    assert drop_sources(looked_up.json) == drop_sources(computed.json)
    assert looked_up.status == computed.status == 1


def scan(nerq: Nerq, *options: str) -> Result:
    return nerq("scan", "--format=json", "--as-of", AS_OF, "--no-cache", *options)


def count_warnings(result: Result) -> int:
    return len([text for text in result.json["warnings"] if text.startswith("nerq service: ")])


@pytest.fixture
def computed(scanned: Path, nerq: Nerq) -> Any:
    """The report without a service, without what is about sources."""
    return drop_sources(scan(nerq).json)


def test_two_requests_are_enough_for_ranges_and_upgrades(scanned: Path, service: Service, nerq: Nerq) -> None:
    result = scan(nerq, "--service", service.url)
    assert service.queries == [
        ["pkg:pypi/alpha@1.0", "pkg:pypi/beta", "pkg:pypi/gamma@3.0", "pkg:npm/delta@1.0.0"],
        ["pkg:pypi/beta@1.0"],
    ]
    assert result.json["sources"][0]["requests"] == 2


def test_what_the_service_answers_is_not_asked_here(
    scanned: Path, service: Service, nerq: Nerq, registry: Registry
) -> None:
    scan(nerq, "--service", service.url)
    count = len(registry.paths)
    scan(nerq, "--service", service.url)
    assert len(registry.paths) == count


def test_more_dependencies_are_asked_about_a_thousand_at_a_time(
    project: Path, service: Service, nerq: Nerq, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NERQ_PUBLIC", "some-*")
    pins = [f"some-{number}==1.0" for number in range(2_500)]
    (project / "requirements.txt").write_text("\n".join(pins))
    service.site.on(PATH, lambda request: refuse_all(service, request))
    result = scan(nerq, "--service", service.url, "--service-only")
    assert [len(query) for query in service.queries] == [1_000, 1_000, 500]
    assert result.status == 3
    assert result.json["summary"]["unknown"] == 2_500


def refuse_all(service: Service, request: Any) -> dict[str, Any]:
    query = msgspec.json.decode(request.body, type=EvidenceQuery)
    service.queries.append(list(query.targets))
    targets = [{"target": target, "problem": {"status": 404, "detail": "no such name"}} for target in query.targets]
    return {"body": {**describe_service(), "targets": targets}}


def describe_service(**changes: Any) -> dict[str, Any]:
    methodologies = {PACKAGES.target: PACKAGES.version}
    return {"format": 1, "version": "1", "methodologies": methodologies, "as_of": 1, "oldest_answer": 0, **changes}


def test_private_names_stay_here(
    scanned: Path, service: Service, nerq: Nerq, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NERQ_PRIVATE", "acme-secret")
    registry.pypi("inhouse", "1.0")
    with (scanned / "requirements.txt").open("a") as file:
        file.write("acme-secret==1.0\ninhouse==1.0\nother @ https://files.example/hidden.zip\n")
    result = scan(nerq, "--service", service.url)
    sent = b"".join(request.body for request in service.site.requests)
    assert not [name for name in (b"secret", b"inhouse", b"other", b"hidden") if name in sent]
    states = {item["name"]: item["state"] for item in result.json["dependencies"]}
    assert states["inhouse"] == "ok"
    assert states["acme-secret"] == "skipped"


HTML = b"<html>a portal</html>"
#: Services of no use, by what they do.
USELESS: dict[str, dict[str, Any]] = {
    "an error": {"status": 500},
    "no route": {"status": 404, "body": {}},
    "no access": {"status": 401},
    "a redirect": {"status": 307, "headers": {"Location": "/elsewhere"}},
    "another page": {"body": HTML, "headers": {"Content-Type": "text/html"}},
    "an empty list": {"body": describe_service(targets=[])},
    "a list": {"body": []},
    "a later format": {"body": describe_service(format=2, targets={})},
    "another methodology": {"body": describe_service(methodologies={"packages": "9.9"}, targets=[])},
    "a moment out of range": {"body": describe_service(as_of=10**15, targets=[])},
    "a cut body": {"body": b'{"format":1,' + b" " * 100, "cut": 20},
    "nothing": {"raw": b""},
}


@pytest.mark.parametrize("turn", USELESS.values(), ids=USELESS)
def test_a_service_of_no_use_costs_a_warning(
    turn: dict[str, Any], scanned: Path, computed: Any, service: Service, nerq: Nerq
) -> None:
    service.site.on(PATH, turn)
    result = scan(nerq, "--service", service.url)
    report = drop_sources(result.json)
    assert count_warnings(result) == 1
    assert {**report, "warnings": []} == computed
    [source] = [source for source in result.json["sources"] if source["name"] == "nerq service"]
    assert (source["state"], source["fallback"]) == ("unavailable", "computation on this machine")


@pytest.mark.parametrize("turn", USELESS.values(), ids=USELESS)
def test_with_service_only_a_service_of_no_use_leaves_everything_unknown(
    turn: dict[str, Any], scanned: Path, service: Service, nerq: Nerq, registry: Registry
) -> None:
    service.site.on(PATH, turn)
    count = len(registry.paths)
    result = scan(nerq, "--service", service.url, "--service-only", "--no-strict")
    assert result.status == 3
    assert count_warnings(result) == 1
    assert {item["state"] for item in result.json["dependencies"]} == {"unknown"}
    assert len(registry.paths) == count


def test_a_service_that_hangs_takes_half_of_the_time(
    scanned: Path, computed: Any, service: Service, nerq: Nerq
) -> None:
    service.site.on(PATH, {"hang": True})
    result = scan(nerq, "--service", service.url, "--timeout", "8")
    assert count_warnings(result) == 1
    assert {**drop_sources(result.json), "warnings": []} == computed


def test_a_response_that_is_too_large_is_not_read(scanned: Path, computed: Any, service: Service, nerq: Nerq) -> None:
    service.site.on(PATH, {"raw": b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n{"})
    result = scan(nerq, "--service", service.url)
    assert "larger than" in next(text for text in result.json["warnings"] if "nerq service" in text)
    assert {**drop_sources(result.json), "warnings": []} == computed


def test_one_target_without_evidence_is_computed_here(
    scanned: Path, computed: Any, service: Service, nerq: Nerq
) -> None:
    def leave_out(document: dict[str, Any]) -> None:
        for entry in document["targets"]:
            if "alpha" in entry["target"]:
                entry.clear()
                entry.update(target="pkg:pypi/alpha@1.0", problem={"status": 500, "title": "failed"})

    service.leave_out = leave_out
    result = scan(nerq, "--service", service.url)
    assert {**drop_sources(result.json), "warnings": []} == computed
    assert count_warnings(result) == 1
    only = scan(nerq, "--service", service.url, "--service-only")
    assert {item["name"]: item["state"] for item in only.json["dependencies"]}["alpha"] == "unknown"
    assert "failed" in str([item["reasons"] for item in only.json["dependencies"] if item["name"] == "alpha"])


def test_evidence_without_advisories_is_collected_here(
    scanned: Path, computed: Any, service: Service, nerq: Nerq
) -> None:
    def hide(document: dict[str, Any]) -> None:
        for entry in document["targets"]:
            for answer in entry["answers"]:
                if answer["field"] == "advisories":
                    answer.pop("sha256", None)
                    answer.update(state="unknown", reason="OSV did not answer")

    service.leave_out = hide
    assert drop_sources(scan(nerq, "--service", service.url).json) == computed
    only = scan(nerq, "--service", service.url, "--service-only")
    assert only.status == 3


def test_an_upgrade_that_the_service_lacks_is_computed_here(scanned: Path, service: Service, nerq: Nerq) -> None:
    options = ("--threshold", "99")
    computed = drop_sources(scan(nerq, *options).json)

    def hide(document: dict[str, Any]) -> None:
        for entry in document["targets"]:
            version = entry["target"].rpartition("@")[2]
            entry["answers"] = [answer for answer in entry["answers"] if answer.get("version", version) == version]

    service.leave_out = hide
    assert drop_sources(scan(nerq, *options, "--service", service.url).json) == computed


def import_advisory(nerq: Nerq, folder: Path, name: str) -> None:
    affected = [{"package": {"ecosystem": "PyPI", "name": name}, "versions": ["1.0"]}]
    record = {"id": "ACME-2026-1", "modified": "2026-01-01T00:00:00Z", "published": "2026-01-01T00:00:00Z"}
    severity = {"database_specific": {"severity": "CRITICAL"}}
    (folder / "ACME-2026-1.json").write_text(json.dumps({**record, "affected": affected, **severity}))
    assert nerq("db", "import", str(folder / "ACME-2026-1.json")).status == 0


@pytest.mark.parametrize("options", [(), ("--service-only",)], ids=["computing", "service-only"])
def test_an_advisory_of_this_machine_counts_whatever_the_service_lists(
    options: tuple[str, ...], scanned: Path, service: Service, nerq: Nerq, tmp_path: Path
) -> None:
    import_advisory(nerq, tmp_path, "alpha")
    result = scan(nerq, "--service", service.url, *options)
    [alpha] = [item for item in result.json["dependencies"] if item["name"] == "alpha"]
    assert [item["id"] for item in alpha["advisories"]] == ["ACME-2026-1"]
    assert (alpha["state"], result.status) == ("below", 1)


def test_the_token_goes_to_the_service_of_the_user(
    scanned: Path, service: Service, nerq: Nerq, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NERQ_SERVICE_TOKEN", "sesame")
    monkeypatch.setenv("NERQ_SERVICE", service.url)
    scan(nerq)
    assert {headers["authorization"] for headers in service.headers} == {"Bearer sesame"}


def test_the_netrc_file_may_have_the_token(
    scanned: Path, service: Service, nerq: Nerq, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password sesame\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    scan(nerq, "--service", service.url)
    assert {headers["authorization"] for headers in service.headers} == {"Bearer sesame"}


def test_a_project_gets_no_token_and_its_service_is_a_weakening(
    scanned: Path, service: Service, nerq: Nerq, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password sesame\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("NERQ_SERVICE_TOKEN", "sesame")
    (scanned / "nerq.toml").write_text(f'service = "{service.url}"\n')
    refused = scan(nerq)
    assert (refused.status, service.queries) == (2, [])
    assert "has no encryption" in refused.err
    monkeypatch.setenv("NERQ_SERVICE_ALLOW_HTTP", "1")
    result = scan(nerq)
    assert service.queries
    assert not [headers for headers in service.headers if "authorization" in headers]
    [warning] = [text for text in result.json["warnings"] if "weakens the check" in text]
    assert f"service = {service.url}" in warning
    service.queries.clear()
    scan(nerq, "--no-config")
    assert not service.queries


@pytest.mark.parametrize("option", ["--service=", "--offline", "--refresh"])
def test_a_service_of_the_project_that_is_not_used_is_no_weakening(
    option: str, scanned: Path, service: Service, nerq: Nerq
) -> None:
    (scanned / "nerq.toml").write_text(f'service = "{service.url}"\nno-dev = true\n')
    result = nerq("scan", "--format=json", "--as-of", AS_OF, option)
    assert not service.queries
    assert [text for text in result.json["warnings"] if "weakens" in text] == [
        "nerq.toml weakens the check: no-dev = true"
    ]


def test_a_settings_file_that_the_user_names_gets_the_token(
    scanned: Path, service: Service, nerq: Nerq, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.toml").write_text(f'service = "{service.url}"\n')
    monkeypatch.setenv("NERQ_CONFIG", str(tmp_path / "mine.toml"))
    monkeypatch.setenv("NERQ_SERVICE_TOKEN", "sesame")
    scan(nerq)
    assert {headers["authorization"] for headers in service.headers} == {"Bearer sesame"}


def test_no_redirect_is_followed(scanned: Path, service: Service, nerq: Nerq, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NERQ_SERVICE_TOKEN", "sesame")
    service.site.on("/elsewhere", service.answer)
    service.site.on(PATH, {"status": 307, "headers": {"Location": f"{service.url}/elsewhere"}})
    result = scan(nerq, "--service", service.url)
    assert {request.path for request in service.site.requests} == {PATH}
    assert "is not followed" in str(result.json["warnings"])


def test_an_address_without_encryption_is_refused(scanned: Path, nerq: Nerq, monkeypatch: pytest.MonkeyPatch) -> None:
    result = scan(nerq, "--service", "http://nerq.example")
    assert result.status == 2
    assert "has no encryption" in result.err
    assert "Traceback" not in result.err
    monkeypatch.setenv("NERQ_SERVICE_ALLOW_HTTP", "1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    allowed = scan(nerq, "--service", "http://nerq.example", "--timeout", "4")
    assert allowed.status == 1
    assert count_warnings(allowed) == 1


@pytest.mark.parametrize(
    "address", ["nerq.example", "ftp://nerq.example", "https://", "https://me:pw@nerq.example", "https://n.example?x"]
)
def test_what_is_no_address_is_refused(address: str, scanned: Path, nerq: Nerq) -> None:
    result = scan(nerq, "--service", address)
    assert result.status == 2
    assert "--service must" in result.err
    assert "pw" not in result.err


@pytest.mark.parametrize("options", [("--service", ""), ("--offline",), ("--refresh",)], ids=["", "offline", "refresh"])
def test_options_that_ask_no_service(
    options: tuple[str, ...], scanned: Path, service: Service, nerq: Nerq, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NERQ_SERVICE", service.url)
    result = nerq("scan", "--format=json", "--as-of", AS_OF, *options)
    assert not service.queries
    assert not [source for source in result.json["sources"] if source["name"] == "nerq service"]


@pytest.mark.parametrize("more", [(), ("--refresh",), ("--offline",)], ids=["alone", "refresh", "offline"])
def test_service_only_needs_a_service_that_may_be_asked(more: tuple[str, ...], scanned: Path, nerq: Nerq) -> None:
    result = scan(nerq, "--service-only", *more)
    assert result.status == 2
    assert "--service-only" in result.err


def test_every_format_for_people_states_where_evidence_was_looked_up(
    scanned: Path, service: Service, nerq: Nerq
) -> None:
    files = [scanned / "report.md", scanned / "report.html"]
    options = [f"--output={file}" for file in files]
    result = nerq("scan", "--as-of", AS_OF, "--no-cache", "--service", service.url, *options)
    for text in (" ".join(result.out.split()), *(file.read_text() for file in files)):
        assert f"looked up at {service.url}: 5 of 5 packages and versions" in unescape(text).replace("<!-- -->", "")
        assert f"methodology {PACKAGES.version}" in text


def test_a_check_looks_up_as_well(scanned: Path, service: Service, nerq: Nerq) -> None:
    options = ("check", "pypi:alpha==1.0", "--format=json", "--as-of", AS_OF, "--no-cache")
    computed = nerq(*options)
    looked_up = nerq(*options, "--service", service.url)
    assert drop_sources(looked_up.json) == drop_sources(computed.json)
    assert service.queries == [["pkg:pypi/alpha@1.0"]]


def test_damaged_values_of_a_service_are_no_traceback(
    scanned: Path, computed: Any, service: Service, nerq: Nerq
) -> None:
    damages: list[Callable[[Any], Any]] = [
        lambda value: {**value, "versions": value["versions"][1:]} if "versions" in value else value,
        lambda value: {**value, "published": [10**14] * len(value["published"])} if "published" in value else value,
        lambda value: {**value, "published": [-5] * len(value["published"])} if "published" in value else value,
        lambda value: {**value, "readme": -1} if "readme" in value else value,
        lambda value: [{"id": "X", "severity": "odd"}] if value == [] else value,
        lambda _: None,
        lambda _: {},
        lambda _: [],
        lambda _: "text",
    ]
    for damage in damages:

        def spoil(document: dict[str, Any], damage: Callable[[Any], Any] = damage) -> None:
            for entry in document["targets"]:
                entry["values"] = {digest: damage(value) for digest, value in entry["values"].items()}

        service.leave_out = spoil
        result = scan(nerq, "--service", service.url)
        assert {**drop_sources(result.json), "warnings": []} == computed
        assert count_warnings(result) <= 1


def test_the_dependencies_of_a_server_are_looked_up(
    scanned: Path, services: Services, service: Service, registry: Registry, nerq: Nerq
) -> None:
    path = "/deps_dev/v3/systems/pypi/packages/alpha/versions/1.0:dependencies"
    keys = [("alpha", "SELF"), ("beta", "DIRECT")]
    nodes = [
        {"versionKey": {"system": "PYPI", "name": name, "version": "1.0"}, "relation": relation}
        for name, relation in keys
    ]
    services.site.on(path, {"body": {"nodes": nodes, "edges": [{"toNode": 1, "requirement": ""}]}})
    (scanned / ".mcp.json").write_text(json.dumps({"mcpServers": {"a": {"command": "uvx", "args": ["alpha==1.0"]}}}))
    computed = scan(nerq)
    looked_up = scan(nerq, "--service", service.url)
    assert drop_sources(looked_up.json) == drop_sources(computed.json)
    assert [request.path for request in services.site.requests].count(path) == 2
    assert service.queries[:2] == [["pkg:pypi/alpha@1.0"], ["pkg:pypi/alpha@1.0"]]


@pytest.mark.parametrize("options", [(), ("--service-only",)], ids=["computing", "service-only"])
def test_records_of_this_machine_count_for_a_version_that_is_gone(
    options: tuple[str, ...], scanned: Path, service: Service, services: Services, nerq: Nerq, tmp_path: Path
) -> None:
    (scanned / "requirements.txt").write_text("alpha==0.9\n")
    services.advisory("alpha", "0.9", identifier="GHSA-aaaa-aaaa-aaaa", database_specific={"severity": "LOW"})
    affected = [{"package": {"ecosystem": "PyPI", "name": "alpha"}, "versions": ["0.9"]}]
    record = {"id": "MAL-2026-9", "modified": "2026-01-01T00:00:00Z", "published": "2026-01-01T00:00:00Z"}
    (tmp_path / "MAL-2026-9.json").write_text(json.dumps({**record, "affected": affected}))
    before = scan(nerq, "--service", service.url, *options).json["dependencies"][0]
    assert [item["id"] for item in before["advisories"]] == ["GHSA-aaaa-aaaa-aaaa"]
    nerq("db", "import", str(tmp_path / "MAL-2026-9.json"))
    after = scan(nerq, "--service", service.url, *options).json["dependencies"][0]
    assert "MAL-2026-9" in [item["id"] for item in after["advisories"]]


def scan_with_cache(nerq: Nerq, service: Service, *options: str) -> Any:
    """Return the report of a scan whose cache is kept, and the status of the service in it."""
    report = nerq("scan", "--format=json", "--as-of", AS_OF, "--service", service.url, *options).json
    return report, next(source for source in report["sources"] if source["name"] == "nerq service")


def test_a_repeated_scan_sends_nothing_while_answers_are_fresh(
    scanned: Path, service: Service, nerq: Nerq, registry: Registry, services: Services
) -> None:
    first, asked = scan_with_cache(nerq, service)
    counts = len(service.queries), len(registry.paths), len(services.site.requests)
    second, kept = scan_with_cache(nerq, service)
    assert counts == (len(service.queries), len(registry.paths), len(services.site.requests))
    assert drop_sources(second) == drop_sources(first)
    assert (kept["requests"], kept["cached_subjects"]) == (0, asked["answered_subjects"])
    for key in ("address", "methodology", "oldest_response", "answered_subjects", "state"):
        assert kept[key] == asked[key], key
    people = nerq("scan", "--as-of", AS_OF, "--service", service.url)
    assert f"looked up at {service.url}: 5 of 5 packages and versions" in " ".join(people.out.split())


@pytest.mark.parametrize("seconds", [-1, 0, 30, 10**9])
def test_documents_are_kept_until_the_service_says_and_an_hour_at_most(
    seconds: int, scanned: Path, service: Service, nerq: Nerq, monkeypatch: pytest.MonkeyPatch
) -> None:
    def expire(document: dict[str, Any]) -> None:
        document["as_of"] = 1_000_000_000  # the clock of the service is wrong: only what it states itself counts
        for entry in document["targets"]:
            entry["expires_at"] = 1_000_000_000 + seconds

    service.leave_out = expire
    scan_with_cache(nerq, service)
    now = read_clock()
    asked_after = []
    for later in (0, 20, 40, 3_601):
        monkeypatch.setattr("nerq_cli.application.service_run.read_clock", lambda later=later: now + later)
        count = len(service.queries)
        service.site.on(PATH, {"status": 500})
        _, source = scan_with_cache(nerq, service)
        asked_after += [] if source["state"] == "ok" else [later]
        assert len(service.queries) == count
    assert asked_after == {-1: [0, 20, 40, 3_601], 0: [0, 20, 40, 3_601], 30: [40, 3_601]}.get(seconds, [3_601])


def test_documents_are_of_one_service_one_token_and_one_query(
    scanned: Path, service: Service, nerq: Nerq, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan_with_cache(nerq, service)
    variants: list[tuple[str, str, tuple[str, ...]]] = [
        ("one", service.url, ()),
        ("two", service.url, ()),
        ("", service.url.replace("127.0.0.1", "localhost"), ()),
        ("", service.url, ("--as-of", "2026-02-01")),
        ("", service.url, ("--with", "downloads")),
        ("", service.url, ("--no-cache",)),
    ]
    for token, address, options in variants:
        monkeypatch.setenv("NERQ_SERVICE_TOKEN", token)
        count = len(service.queries)
        nerq("scan", "--format=json", "--as-of", AS_OF, "--service", address, *options)
        assert len(service.queries) > count, (token, address, options)
        assert not token or service.headers[-1]["authorization"] == f"Bearer {token}"
    kept = b"".join(file.read_bytes() for file in Path(os.environ["NERQ_CACHE_DIR"]).rglob("*") if file.is_file())
    assert b"Bearer" not in kept


def test_refresh_asks_the_service_again_where_nothing_is_computed(scanned: Path, service: Service, nerq: Nerq) -> None:
    scan_with_cache(nerq, service, "--service-only")
    count = len(service.queries)
    scan_with_cache(nerq, service, "--service-only")
    assert len(service.queries) == count
    _, source = scan_with_cache(nerq, service, "--service-only", "--refresh")
    assert len(service.queries) == count + source["requests"] > count


def test_what_is_declared_private_is_not_read_from_kept_documents(
    scanned: Path, service: Service, nerq: Nerq, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan_with_cache(nerq, service)
    monkeypatch.setenv("NERQ_PRIVATE", "alpha")
    report, _ = scan_with_cache(nerq, service)
    assert {item["name"]: item["state"] for item in report["dependencies"]}["alpha"] == "skipped"


def test_damaged_documents_in_the_cache_are_asked_for_again(
    scanned: Path, computed: Any, service: Service, nerq: Nerq, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = {"call": "packages", "ecosystem": "PyPI", "name": "alpha", "field": "package_info", "state": "found"}
    no_value = {"target": "pkg:pypi/alpha@1.0", "answers": [{**answer, "sha256": "0" * 12}]}
    for content in (
        b"{",
        *map(msgspec.json.encode, ({"target": "pkg:pypi/other"}, {**no_value, "answers": [1]}, no_value)),
    ):
        with monkeypatch.context() as patch:
            name = "nerq_cli.application.service_documents.encode_document"
            patch.setattr(name, lambda _, content=content: content)
            scan_with_cache(nerq, service, "--service-only", "--refresh")
        count = len(service.queries)
        report, _ = scan_with_cache(nerq, service)
        assert len(service.queries) > count
        assert drop_sources(report) == computed


@pytest.mark.parametrize("spread", ["pypi", "npm"])
def test_a_name_on_no_index_is_a_finding_where_nothing_is_computed(
    spread: str, scanned: Path, service: Service, services: Services, nerq: Nerq, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NERQ_PUBLIC", "alpha,nope,never,malw")
    (scanned / "package.json").write_text(json.dumps({"name": "own", "dependencies": {}}))
    (scanned / "requirements.txt").write_text("")
    if spread == "npm":
        (scanned / "package.json").write_text(json.dumps({"name": "own", "dependencies": {"nope": "1.0.0"}}))
    else:
        (scanned / "requirements.txt").write_text("nope==1.0\nnever\nalpha==7.7\nmalw==1.0\n")
        services.advisory("malw", "1.0", identifier="MAL-2026-1")
    computed = scan(nerq)
    for options in ((), ("--service-only",)):
        for _ in range(2):  # asked, and from what is kept
            looked_up = nerq("scan", "--format=json", "--as-of", AS_OF, "--service", service.url, *options)
            # The exit reason names the advisories of this machine where they were used.
            assert {**drop_sources(looked_up.json), "exit": {}} == {**drop_sources(computed.json), "exit": {}}
            assert looked_up.status == computed.status == 1
    assert [item["id"] for item in computed.json["findings"]].count("not-on-index") >= 1


@pytest.mark.parametrize(
    "source",
    [
        "NERQ_SERVICE_TOKEN",
        pytest.param(
            "netrc",
            marks=pytest.mark.skipif(sys.version_info < (3, 11), reason="netrc of Python 3.10 reads no such passwords"),
        ),
    ],
)
@pytest.mark.parametrize("token", ["pässwort", "two\nlines", "a\x7fb"])
def test_a_token_that_cannot_be_sent_is_an_error(
    token: str,
    source: str,
    scanned: Path,
    service: Service,
    nerq: Nerq,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if source == "netrc":
        netrc = tmp_path / "netrc"
        netrc.write_text(f'machine 127.0.0.1 login me password "{token}"\n', encoding="utf-8")
        netrc.chmod(0o600)
        monkeypatch.setenv("NETRC", str(netrc))
    else:
        monkeypatch.setenv("NERQ_SERVICE_TOKEN", token)
    result = scan(nerq, "--service", service.url)
    assert (result.status, service.queries) == (2, [])
    assert source in result.err
    assert not [part for part in token.split() if part in result.err]
    assert scan(nerq, "--service", "").status == 1


@pytest.mark.parametrize("problem", [{"status": 503, "detail": "no answer"}, None], ids=["problem", "unreadable"])
@pytest.mark.parametrize("options", [(), ("--service-only",)], ids=["computing", "service-only"])
def test_a_service_that_fails_to_answer_each_target_is_stated(
    problem: Any, options: tuple[str, ...], scanned: Path, service: Service, nerq: Nerq
) -> None:
    def fail(document: dict[str, Any]) -> None:
        for entry in document["targets"]:
            if problem is None:
                entry["values"] = dict.fromkeys(entry["values"], "text")
            else:
                entry.update(problem=problem, answers=[], values={})

    service.leave_out = fail
    result = scan(nerq, "--service", service.url, *options)
    assert count_warnings(result) == 1
    [source] = [source for source in result.json["sources"] if source["name"] == "nerq service"]
    assert (source["state"], source["answered_subjects"]) == ("unavailable", 0)
    assert source["fallback"] == (None if options else "computation on this machine")
    assert ("no answer" if problem else "cannot be read") in source["reason"]
    people = " ".join(nerq("scan", "--as-of", AS_OF, "--no-cache", "--service", service.url, *options).out.split())
    assert "failed to answer" in people
    if problem:
        assert f"looked up at {service.url}: 0 of {source['subjects']} packages and versions" in people
        assert f"the rest is {'unknown' if options else 'computed here'}" in people


@pytest.mark.parametrize("options", [(), ("--service-only", "--no-strict")], ids=["computing", "service-only"])
@pytest.mark.parametrize("public", ["alpha,delta", "none"])
def test_packages_that_are_not_known_to_be_public_are_counted(
    public: str, options: tuple[str, ...], scanned: Path, service: Service, nerq: Nerq, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NERQ_PUBLIC", public)
    _, source = scan_with_cache(nerq, service, *options)
    asked_count = 2 if public == "alpha,delta" else 0
    assert (source["unsent_packages"], source["subjects"]) == (4 - asked_count, asked_count)
    assert source["state"] == ("ok" if asked_count else "not requested")
    people = " ".join(nerq("scan", "--as-of", AS_OF, "--service", service.url, *options).out.split())
    counts = "2 of 2 packages and versions" if asked_count else "nothing"
    assert f"looked up at {service.url}: {counts} ({4 - asked_count} packages are not sent, not known to" in people
    assert f"the rest is {'unknown' if options else 'computed here'}" in people
    assert bool(service.queries) == bool(asked_count)


@pytest.mark.parametrize("option", ["--timeout=60", "--no-cache"])
def test_a_fleet_asks_about_the_packages_of_all_projects_at_once(
    option: str, scanned: Path, service: Service, nerq: Nerq, tmp_path: Path
) -> None:
    folders = [tmp_path / f"repository-{number}" for number in range(3)]
    for number, folder in enumerate(folders):
        folder.mkdir()
        (folder / "requirements.txt").write_text(f"alpha==1.0\ngamma==3.{number % 2}\nbeta>=1.0,<1.5\n")
    options = ("--format=json", "--as-of", AS_OF, "--service", service.url, option)
    fleet = nerq("fleet", *map(str, folders), *options)
    assert len(service.queries) <= 4
    asked = [target for query in service.queries for target in query]
    assert len(asked) == len(set(asked))
    assert fleet.status == 1


def test_a_fleet_that_asks_again_asks_no_service(
    scanned: Path, service: Service, nerq: Nerq, registry: Registry, tmp_path: Path
) -> None:
    nerq("fleet", str(scanned), "--as-of", AS_OF, "--service", service.url, "--refresh")
    assert not service.queries
    assert registry.paths


def mutate(value: Any, choose: Random) -> Any:
    """Return a value with one change somewhere inside."""
    if isinstance(value, dict) and value:
        key = choose.choice(sorted(value))
        if choose.random() < 0.1:
            return {name: entry for name, entry in value.items() if name != key}
        return {**value, key: mutate(value[key], choose)}
    if isinstance(value, list) and value:
        index = choose.randrange(len(value))
        inside = [mutate(value[index], choose)] if choose.random() < 0.8 else [value[index]] * choose.choice([0, 2])
        return [*value[:index], *inside, *value[index + 1 :]]
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return choose.choice([0, 1, 10**6, 10**10, 99_999_999_999])
    return choose.choice(["", "x", "9.9.9", "high", "archived", "http://[x", "a" * 5_000]) if value else value


@pytest.mark.parametrize("seed", range(3))
def test_no_answer_of_a_service_breaks_a_scan(seed: int, scanned: Path, service: Service, nerq: Nerq) -> None:
    choose = Random(seed)  # noqa: S311 - the same damages in each run

    def spoil(document: dict[str, Any]) -> None:
        for entry in document["targets"]:
            part = choose.choice(["values", "answers"])
            entry[part] = mutate(mutate(entry[part], choose), choose)

    service.leave_out = spoil
    for options in ([], ["--service-only"]) * 3:
        result = scan(nerq, "--service", service.url, "--threshold", "95", *options)
        assert result.status in (1, 3), result.err
