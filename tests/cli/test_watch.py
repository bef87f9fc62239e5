"""``nerq watch``, whole, against registries on loopback."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from nerq_cli.report.pages.watch import build_schema
from tests.cli.conftest import Registry, Result, Services
from tests.sources.huggingface.conftest import CARD, HubStandIn

Nerq = Callable[..., Result]
HIGH = {"database_specific": {"severity": "HIGH"}}
SERVER = "io.github.acme/files"
SERVER_PATH = "/v0.1/servers/io.github.acme%2Ffiles/versions/latest?include_deleted=true"


class Watcher:
    """Runs passes over one project, without a cache, so that each one asks the stand-ins anew."""

    def __init__(self, nerq: Nerq, project: Path, registry: Registry) -> None:
        self.nerq = nerq
        self.project = project
        self.registry = registry
        self.state = project.parent / "state.json"

    def write(self, *lines: str) -> None:
        """Write the requirements of the project."""
        (self.project / "requirements.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def run(self, *options: str) -> Result:
        """Run one pass."""
        return self.nerq("watch", "--no-cache", "--state", str(self.state), *options)

    def show(self, *options: str) -> Any:
        """Return the JSON of one pass."""
        result = self.run("-f", "json", *options)
        assert result.out, result.err
        jsonschema.validate(result.json, build_schema())
        assert result.json["exit"]["code"] == result.status
        return result.json


def list_kinds(document: Any) -> list[tuple[str, str, str]]:
    """Return kind, effect and name of each change, but for new releases."""
    return [(item["kind"], item["effect"], item["name"]) for item in document["changes"] if item["kind"] != "release"]


@pytest.fixture
def watcher(registry: Registry, project: Path, nerq: Nerq) -> Watcher:
    registry.pypi("demo", "1.0", "2.0")
    registry.pypi("other", "1.0")
    registry.most_used()
    watcher = Watcher(nerq, project, registry)
    watcher.write("demo==2.0", "other==1.0")
    return watcher


def test_the_first_pass_compares_with_nothing_and_exits_as_the_project_demands(
    watcher: Watcher, services: Services
) -> None:
    services.advisory("demo", "2.0", identifier="GHSA-1", **HIGH)
    document = watcher.show()
    assert (document["exit"]["code"], document["last_pass"], document["changes"]) == (1, None, [])
    assert document["exit"]["reason"].startswith("first pass, nothing to compare with; ")
    assert {item["rule"] for item in document["findings"]} == {"vulnerability", "score-below-threshold"}
    assert {item["change"] for item in document["findings"]} == {None}
    again = watcher.show()
    assert (again["exit"]["code"], again["changes"], again["clean"]) == (0, [], False)
    assert again["exit"]["reason"].endswith("; 2 findings of earlier passes still open")
    assert {item["change"] for item in again["findings"]} == {"unchanged"}


def test_a_new_advisory_fails_once_and_its_withdrawal_clears(watcher: Watcher, services: Services) -> None:
    assert watcher.show()["clean"] is True
    services.advisory("demo", "2.0", identifier="GHSA-1", **HIGH)
    document = watcher.show()
    assert document["exit"]["code"] == 1
    assert list_kinds(document)[:2] == [("advisory-new", "worse", "demo"), ("score-fell", "worse", "demo")]
    [fell] = [item for item in document["changes"] if item["kind"] == "score-fell"]
    assert fell["points"] == pytest.approx(fell["score_after"] - fell["score_before"], abs=0.05)
    assert sum(move["points"] for move in fell["moves"]) == pytest.approx(fell["points"], abs=0.3)
    assert "known_advisories" in {move["id"] for move in fell["moves"]}
    assert watcher.show()["exit"]["code"] == 0
    services.affecting.clear()
    services.recorded.clear()
    document = watcher.show()
    assert list_kinds(document) == [("advisory-gone", "better", "demo"), ("score-rose", "better", "demo")]
    assert (document["exit"]["code"], document["clean"]) == (0, True)


def test_without_update_the_next_pass_shows_the_same(watcher: Watcher, services: Services) -> None:
    watcher.show()
    content = watcher.state.read_bytes()
    services.advisory("demo", "2.0", identifier="GHSA-1", **HIGH)
    first = watcher.show("--no-update")
    assert watcher.state.read_bytes() == content
    second = watcher.show("--no-update")
    assert first["changes"] == second["changes"] != []


def test_a_source_that_is_lost_and_regained_is_no_fall_no_rise_and_no_new_advisory(
    watcher: Watcher, services: Services
) -> None:
    services.advisory("demo", "2.0", identifier="GHSA-1", **HIGH)
    watcher.show()
    services.silent()
    lost = watcher.show()
    assert {(item["kind"], item["effect"]) for item in lost["changes"]} == {("source-lost", "uncertain")}
    assert (lost["exit"]["code"], lost["clean"], lost["complete"]) == (0, False, False)
    unchecked = [item for item in lost["findings"] if not item["checked"]]
    assert [item["rule"] for item in unchecked] == ["score-below-threshold", "vulnerability"]
    assert [item["advisory"] for item in unchecked] == [None, "GHSA-1"]
    assert watcher.show()["changes"] == []
    assert watcher.show("--strict")["exit"]["code"] == 3
    services.advisory("demo", "2.0", identifier="GHSA-2", **HIGH)
    services.speak()
    back = watcher.show()
    advisories = [item["advisory"] for item in back["changes"] if item["kind"] == "advisory-new"]
    assert advisories == ["GHSA-2"]
    assert back["exit"]["code"] == 1
    assert ("source-regained", "uncertain") in {(item["kind"], item["effect"]) for item in back["changes"]}
    assert not [item for item in back["changes"] if item["kind"] == "score-rose"]
    new = [item["advisory"] for item in back["findings"] if item["change"] == "new"]
    assert new == ["GHSA-2"]


def test_an_advisory_whose_record_is_not_read_again_stays_open(watcher: Watcher, services: Services) -> None:
    critical = {"database_specific": {"severity": "CRITICAL"}}
    services.advisory("demo", "2.0", identifier="GHSA-1", **critical)
    first = watcher.show()
    services.site.on("/osv/v1/vulns/GHSA-1", {"status": 500})
    for options in ((), ("--threshold", "50")):
        lost = watcher.show(*options)
        assert {item["effect"] for item in lost["changes"]} <= {"uncertain"}
        found = {item["rule"]: item for item in lost["findings"]}
        assert {*found} == {"vulnerability", "score-below-threshold"}
        assert (found["vulnerability"]["checked"], found["vulnerability"]["severity"]) == (False, "critical")
        assert lost["exit"]["code"] == 0
        assert lost["exit"]["reason"].endswith("; 2 findings of earlier passes still open")
    services.advisory("demo", "2.0", identifier="GHSA-1", **critical)
    back = watcher.show()
    assert {item["effect"] for item in back["changes"]} == {"uncertain"}
    assert (back["exit"]["code"], {item["change"] for item in back["findings"]}) == (0, {"unchanged"})
    assert {item["text"] for item in back["findings"]} == {item["text"] for item in first["findings"]}


def test_findings_that_could_not_be_checked_again_keep_their_texts_and_count(
    watcher: Watcher, services: Services
) -> None:
    services.advisory("demo", "2.0", identifier="GHSA-1", **HIGH)
    first = watcher.show()
    services.silent()
    lost = watcher.show()
    assert {item["text"] for item in lost["findings"]} == {item["text"] for item in first["findings"]}
    assert "of 70 points" in next(item["text"] for item in lost["findings"] if item["advisory"] is None)
    assert lost["exit"]["reason"].endswith("; 2 findings of earlier passes still open")


@pytest.mark.parametrize("form", ["table", "markdown", "html", "json"])
@pytest.mark.parametrize("path", ["/osv/v1/querybatch", "/epss"])
def test_what_was_not_checked_is_named(watcher: Watcher, services: Services, path: str, form: str) -> None:
    services.advisory("demo", "2.0", identifier="GHSA-1", aliases=["CVE-2026-1000"], **HIGH)
    name = "OSV" if "osv" in path else "EPSS"
    watcher.run()
    services.site.on(path, {"status": 404, "body": {}})
    text = " ".join(watcher.run("-f", form).out.split())
    assert f"{name}: " in text
    document = watcher.show()
    assert not document["complete"]
    assert [item for item in document["unchecked"] if item.startswith(name) and "404" in item]
    if name == "OSV":
        [text] = [item for item in document["unchecked"] if "other" in item]
        assert text.startswith("pypi:other 1.0: advisories not checked: ")


def test_nothing_is_named_where_everything_was_checked(watcher: Watcher) -> None:
    assert watcher.show()["unchecked"] == []


def test_what_the_files_of_the_project_decide_is_checked_without_sources(watcher: Watcher, services: Services) -> None:
    watcher.write("demo", "other==1.0")
    first = watcher.show("--deny", "unpinned")
    assert "unpinned" in {item["rule"] for item in first["findings"]}
    services.silent()
    watcher.write("demo==2.0", "other==1.0")
    assert "unpinned" not in {item["rule"] for item in watcher.show("--deny", "unpinned")["findings"]}


def test_a_severity_that_was_not_known_before_is_no_fall(watcher: Watcher, services: Services) -> None:
    services.advisory("demo", "2.0", identifier="GHSA-1", **HIGH)
    services.site.on("/osv/v1/vulns/GHSA-1", {"status": 500})
    watcher.show()
    services.advisory("demo", "2.0", identifier="GHSA-1", **HIGH)
    document = watcher.show()
    assert "vulnerability" in {item["rule"] for item in document["findings"] if item["change"] in ("new", "worse")}
    assert document["exit"]["code"] == 1


def test_a_yank_beside_a_source_that_is_back_is_a_fall_in_one_row(watcher: Watcher) -> None:
    watcher.registry.pypi("demo", "1.0", "2.0", license_expression=None, project_urls=None)
    watcher.show()
    watcher.registry.pypi(
        "demo", "1.0", "2.0", license_expression="MIT", yanked=True, project_urls={"Docs": "https://docs.example"}
    )
    document = watcher.show()
    rows = [item for item in document["changes"] if None not in (item["score_before"], item["score_after"])]
    assert [(item["kind"], item["effect"]) for item in rows] == [("score-fell", "worse")]
    assert rows[0]["score_after"] < rows[0]["score_before"]


def test_the_number_of_dependencies(watcher: Watcher) -> None:
    assert "2 dependencies, threshold 70" in watcher.run().out
    watcher.write("demo==2.0")
    assert "1 dependency, threshold 70" in watcher.run().out


def test_dependencies_releases_yanks_and_removed_names(watcher: Watcher) -> None:
    watcher.show()
    watcher.registry.pypi("demo", "1.0", "2.0", "2.1")
    watcher.registry.pypi("third", "1.0")
    watcher.write("demo==2.1", "third==1.0")
    document = watcher.show()
    found = {item["kind"]: item for item in document["changes"]}
    assert {"version", "added", "removed", "release"} <= {*found}
    assert (found["version"]["version_before"], found["version"]["version_after"]) == ("2.0", "2.1")
    assert (found["added"]["name"], found["removed"]["name"]) == ("third", "other")
    watcher.registry.pypi("demo", "1.0", "2.0", "2.1", yanked=True)
    document = watcher.show()
    assert ("yanked", "worse", "demo") in list_kinds(document)
    watcher.registry.pypi("demo", "1.0", "2.0", "2.1")
    assert ("yanked", "better", "demo") in list_kinds(watcher.show())
    watcher.registry.site.on("/simple/third/", {"status": 404, "body": {}})
    watcher.registry.site.on("/pypi/third/json", {"status": 404, "body": {}})
    document = watcher.show()
    assert ("name-vanished", "worse", "third") in list_kinds(document)
    assert document["exit"]["code"] == 1


def test_a_version_that_vanished_and_accounts_that_changed(watcher: Watcher) -> None:
    watcher.show()
    watcher.registry.pypi("other", "0.9")
    document = watcher.show()
    kinds = list_kinds(document)
    assert ("vanished", "worse", "other") in kinds
    assert ("release-gone", "worse", "other") in kinds
    ownership = {"roles": [{"role": "Owner", "user": "mallory"}], "organization": None}
    page = watcher.registry.page("demo", ("1.0", "2.0"), "2.0") | {"ownership": ownership}
    for path in ("/pypi/demo/json", "/pypi/demo/2.0/json"):
        watcher.registry.site.on(path, {"body": page})
    document = watcher.show()
    [accounts] = [item for item in document["changes"] if item["kind"] == "accounts"]
    assert (accounts["effect"], accounts["text"]) == ("worse", "accounts that can publish: 1 added, 3 removed")


def test_waivers_that_end(watcher: Watcher, project: Path) -> None:
    waiver = '[[waivers]]\npackage = "demo"\nrule = "unpinned"\nreason = "later"\nuntil = 2026-12-20\n'
    (project / "nerq.toml").write_text(waiver, encoding="utf-8")
    assert watcher.show("--as-of", "2026-11-21")["waivers"] == []
    document = watcher.show("--as-of", "2026-12-10")
    assert ("waiver-ends", "neutral", "demo, unpinned") in list_kinds(document)
    assert [item["days_left"] for item in document["waivers"]] == [10]
    again = watcher.show("--as-of", "2026-12-12")
    assert not [item for item in again["changes"] if item["kind"].startswith("waiver")]
    assert [item["days_left"] for item in again["waivers"]] == [8]
    ended = watcher.show("--as-of", "2026-12-21")
    assert ("waiver-ended", "worse", "demo, unpinned") in list_kinds(ended)
    assert "ended 1 day ago" in watcher.run("--as-of", "2026-12-21").out.replace("\n", " ")


def test_a_model_whose_branch_moved(
    watcher: Watcher, other_site: Any, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = HubStandIn(other_site)
    monkeypatch.setenv("NERQ_HF_URL", hub.url)
    hub.add_model("lumen/tiny-bert", card=CARD * 20, cardData={"license": "apache-2.0"})
    source = 'from transformers import AutoModel\n\nAutoModel.from_pretrained("lumen/tiny-bert")\n'
    (project / "app.py").write_text(source, encoding="utf-8")
    watcher.show()
    hub.add_model("lumen/tiny-bert", card=CARD * 20, cardData={"license": "apache-2.0"}, sha="b" * 40)
    document = watcher.show()
    [moved] = [item for item in document["changes"] if item["kind"] == "model-moved"]
    assert (moved["effect"], moved["version_after"]) == ("worse", "b" * 40)
    assert moved["text"] == "the branch has another commit"


def write_server(project: Path, *arguments: str, **other: object) -> None:
    server = {"command": "npx", "args": ["-y", *arguments], **other}
    (project / ".mcp.json").write_text(json.dumps({"mcpServers": {"files": server}}), encoding="utf-8")


def test_mcp_servers_and_their_registrations(watcher: Watcher, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = watcher.registry
    monkeypatch.setenv("NERQ_MCP_REGISTRY_URL", registry.site.url)
    registry.npm("files", "1.0.0", "1.1.0")

    def register(status: str) -> None:
        body = {
            "server": {"name": SERVER, "version": "1.0.0", "packages": []},
            "_meta": {"io.modelcontextprotocol.registry/official": {"status": status}},
        }
        registry.site.on(SERVER_PATH, {"body": body})

    for version in ("1.0.0", "1.1.0"):
        registry.site.on(f"/files/{version}", {"body": {"mcpName": SERVER}})
    register("active")
    watcher.show()
    write_server(project, "files@1.0.0")
    assert ("mcp-added", "neutral", "files") in list_kinds(watcher.show())
    write_server(project, "files@1.1.0", env={"TOKEN": "secret-value"})
    document = watcher.show()
    [changed] = [item for item in document["changes"] if item["kind"] == "mcp-changed"]
    assert "npm:files" in changed["text"]
    assert "variables none before, TOKEN now" in changed["text"]
    assert "secret-value" not in json.dumps(document) + watcher.state.read_text(encoding="utf-8")
    registry.site.on(SERVER_PATH, {"status": 500, "body": {}})
    unanswered = watcher.show()
    assert not [item for item in unanswered["changes"] if item["kind"] == "mcp-registry"]
    register("deleted")
    document = watcher.show()
    assert ("mcp-registry", "worse", SERVER) in list_kinds(document)


@pytest.mark.parametrize("status", [404, 500])
def test_dependencies_of_a_server_that_are_not_known_are_not_removed(
    watcher: Watcher, services: Services, project: Path, status: int
) -> None:
    path = "/deps_dev/v3/systems/pypi/packages/demo/versions/1.0:dependencies"
    nodes = [
        {"versionKey": {"system": "PYPI", "name": name, "version": "1.0"}, "relation": relation}
        for name, relation in (("demo", "SELF"), ("near", "DIRECT"))
    ]
    tree = {"body": {"nodes": nodes, "edges": [{"toNode": 1, "requirement": ">=1"}]}}
    watcher.registry.pypi("near", "1.0", "2.0")
    (project / "requirements.txt").unlink()
    server = {"command": "uvx", "args": ["demo==1.0"]}
    (project / ".mcp.json").write_text(json.dumps({"mcpServers": {"a": server}}), encoding="utf-8")
    services.site.on(path, tree)
    services.advisory("near", "1.0", identifier="GHSA-1", **HIGH)
    assert watcher.show()["dependencies"] == 2
    services.site.on(path, {"status": status, "body": {}})
    document = watcher.show()
    changes = [item for item in document["changes"] if item["name"] == "near"]
    assert [(item["kind"], item["effect"]) for item in changes] == [("source-lost", "uncertain")]
    assert {item["name"] for item in document["findings"] if not item["checked"]} == {"near"}
    services.site.on(path, tree)
    back = watcher.show()
    kinds = {item["kind"] for item in back["changes"] if item["name"] == "near"}
    assert kinds == {"source-regained"}
    assert back["exit"]["code"] == 0


def test_a_baseline_of_the_settings_accepts_what_it_has(
    watcher: Watcher, services: Services, project: Path, nerq: Nerq
) -> None:
    services.advisory("demo", "2.0", identifier="GHSA-1", **HIGH)
    assert nerq("baseline", "--cache-dir", str(project.parent / "another")).status == 0
    (project / "nerq.toml").write_text('baseline = "nerq-baseline.json"\n', encoding="utf-8")
    document = watcher.show()
    assert (document["exit"]["code"], document["clean"], document["findings"]) == (0, True, [])
    document = watcher.show()
    assert (document["exit"]["code"], document["clean"]) == (0, True)
    services.silent()
    assert watcher.show()["findings"] == []
    services.speak()
    services.advisory("other", "1.0", identifier="GHSA-2", **HIGH)
    document = watcher.show()
    assert document["exit"]["code"] == 1
    assert {item["name"] for item in document["findings"]} == {"other"}


def test_the_state_is_kept_in_the_cache_directory_for_each_project(watcher: Watcher, project: Path, nerq: Nerq) -> None:
    assert "First pass" in nerq("watch").out
    assert "Changes since" in nerq("watch").out
    [path] = (project.parent / "cache" / "watch").iterdir()
    assert str(project) not in path.read_text(encoding="utf-8")
    sub = project / "sub"
    sub.mkdir()
    (sub / "requirements.txt").write_text("demo==2.0\n", encoding="utf-8")
    assert "First pass" in nerq("watch", "sub").out
    refused = nerq("watch", "--no-cache")
    assert (refused.status, "--no-cache keeps no state" in refused.err) == (2, True)


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"{", "is damaged"),
        (b"\xff\xfe", "is damaged"),
        (b"[1]", "is damaged"),
        (b"[" * 100_000, "is damaged"),
        (b'{"nerq_watch": 1}', "is damaged"),
        (b'{"nerq_watch": 1, "as_of": 1, "dependencies": [{"name": 3}]}', "is damaged"),
        (b'{"nerq_watch": 1, "as_of": 0}', "is damaged"),
        (b'{"nerq_watch": 2, "as_of": "new"}', "was written by a newer version"),
        (b'{"name": "package.json of a project"}', "is no state of nerq watch"),
        (b'{"nerq_baseline": 1}', "is no state of nerq watch"),
    ],
)
def test_a_state_that_cannot_be_used_is_left_alone(watcher: Watcher, content: bytes, part: str) -> None:
    watcher.state.write_bytes(content)
    result = watcher.run()
    assert (result.status, result.out) == (2, "")
    assert part in result.err
    assert "Traceback" not in result.err
    assert watcher.state.read_bytes() == content


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_state_that_is_no_file_is_not_read(watcher: Watcher) -> None:
    os.mkfifo(watcher.state)
    result = watcher.run()
    assert (result.status, "is no regular file" in result.err) == (2, True)


def test_a_state_inside_of_the_project_adds_no_dependency(
    watcher: Watcher, other_site: Any, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = HubStandIn(other_site)
    monkeypatch.setenv("NERQ_HF_URL", hub.url)
    hub.add_model("lumen/tiny-bert", card=CARD * 20, cardData={"license": "apache-2.0"})
    source = 'from transformers import AutoModel\n\nAutoModel.from_pretrained("lumen/tiny-bert")\n'
    (project / "app.py").write_text(source, encoding="utf-8")
    watcher.state = project / "nerq-watch.json"
    count = watcher.show("-o", "nerq-watch.md", "-o", "result.json")["dependencies"]
    again = watcher.show("-o", "nerq-watch.md", "-o", "result.json")
    assert (again["dependencies"], again["changes"]) == (count, [])


def test_the_state_of_another_project_is_refused(watcher: Watcher) -> None:
    for name in ("a1", "a2", "a3", "b1", "b2", "b3"):
        watcher.registry.pypi(name, "1.0")
    watcher.write("a1==1.0", "a2==1.0", "a3==1.0")
    assert watcher.run().status == 0
    content = watcher.state.read_bytes()
    watcher.write("b1==1.0", "b2==1.0", "b3==1.0")
    result = watcher.run()
    assert (result.status, watcher.state.read_bytes()) == (2, content)
    assert "the state is that of another project" in result.err


def write_project(folder: Path, name: str, url: str) -> None:
    folder.mkdir()
    (folder / "requirements.txt").write_text("demo==2.0\n", encoding="utf-8")
    if name:
        (folder / "pyproject.toml").write_text(f'[project]\nname = "{name}"\nversion = "1"\n', encoding="utf-8")
    if url:
        (folder / ".git").mkdir()
        (folder / ".git" / "HEAD").write_text("ref: refs/heads/main\n", encoding="utf-8")
        config = f'[core]\n\tbare = false\n[remote "origin"]\n\turl = {url}\n\tfetch = +refs/heads/*\n'
        (folder / ".git" / "config").write_text(config, encoding="utf-8")


@pytest.mark.parametrize(
    ("first", "second", "status"),
    [
        (("ga", ""), ("gb", ""), 2),
        (("ga", ""), ("ga", ""), 0),
        (("ga", "https://git.example/acme/ga"), ("gb", "git@git.example:acme/GA.git"), 0),
        (("ga", "https://git.example/acme/ga"), ("gb", "https://git.example/acme/gb"), 2),
        (("ga", "https://git.example/acme/ga"), ("ga", "https://git.example/mallory/ga"), 0),
        (("", "https://git.example/acme/ga"), ("", "https://token@git.example/acme/gb.git"), 2),
        (("", "ssh://git@git.example:22/acme/ga"), ("", "https://token@mirror.example/acme/ga.git/"), 0),
        (("", ""), ("gb", ""), 0),
    ],
)
def test_a_project_is_known_by_its_repository_or_its_name(
    watcher: Watcher, project: Path, first: tuple[str, str], second: tuple[str, str], status: int
) -> None:
    (project / "requirements.txt").unlink()
    write_project(project / "one", *first)
    write_project(project / "two", *second)
    assert watcher.run("one").status == 0
    content = watcher.state.read_bytes()
    assert b"acme" not in content
    result = watcher.run("two")
    assert result.status == status, result.err
    if status:
        assert "the state is that of another project" in result.err
        assert watcher.state.read_bytes() == content


def test_the_name_of_a_package_of_npm_tells_projects_apart(watcher: Watcher, project: Path) -> None:
    for name in ("one", "two"):
        (project / name).mkdir()
        (project / name / "package.json").write_text(json.dumps({"name": name, "dependencies": {}}), encoding="utf-8")
        (project / name / "requirements.txt").write_text("demo==2.0\n", encoding="utf-8")
    assert watcher.run("one").status == 0
    result = watcher.run("two")
    assert (result.status, "of one, and not of two" in result.err) == (2, True)


def test_a_work_tree_has_the_address_of_its_repository(watcher: Watcher, project: Path) -> None:
    (project / "requirements.txt").unlink()
    write_project(project / "one", "", "https://git.example/acme/ga")
    write_project(project / "two", "", "")
    linked = project / "one" / ".git" / "worktrees" / "two"
    linked.mkdir(parents=True)
    (linked / "commondir").write_text("../..\n", encoding="utf-8")
    (project / "two" / ".git").write_text(f"gitdir: {linked}\n", encoding="utf-8")
    write_project(project / "three", "", "https://git.example/acme/gb")
    assert [watcher.run(name).status for name in ("one", "two", "three")] == [0, 0, 2]


def test_the_state_of_another_directory_of_the_repository_is_refused(watcher: Watcher, project: Path) -> None:
    (project / ".git").mkdir()
    (project / ".git" / "HEAD").write_text("ref: refs/heads/main\n", encoding="utf-8")
    for name in ("one", "two"):
        (project / name).mkdir()
        (project / name / "requirements.txt").write_text("demo==2.0\n", encoding="utf-8")
    assert watcher.run("one").status == 0
    result = watcher.run("two")
    assert result.status == 2
    assert "is the state of the directory one of the repository, and not of two" in result.err


def test_a_pass_before_the_last_one_is_refused(watcher: Watcher) -> None:
    assert watcher.run("--as-of", "2026-11-21").status == 0
    content = watcher.state.read_bytes()
    result = watcher.run("--as-of", "2026-11-20")
    assert (result.status, watcher.state.read_bytes()) == (2, content)


def test_a_project_that_cannot_be_read_leaves_the_state(watcher: Watcher, project: Path) -> None:
    watcher.show()
    content = watcher.state.read_bytes()
    watcher.write("demo==2.0", "=== nonsense ===")
    broken = watcher.run()
    assert (broken.status, watcher.state.read_bytes()) == (2, content)
    assert "requirements.txt:2" in broken.err
    (project / "requirements.txt").unlink()
    assert (watcher.run().status, watcher.state.read_bytes()) == (4, content)


def test_an_interrupted_write_leaves_the_last_state(watcher: Watcher, monkeypatch: pytest.MonkeyPatch) -> None:
    watcher.show()
    content = watcher.state.read_bytes()
    watcher.write("demo==2.0")

    def fail(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", fail)
        result = watcher.run()
    assert (result.status, watcher.state.read_bytes()) == (2, content)
    assert [path.name for path in watcher.state.parent.iterdir() if "state" in path.name] == ["state.json"]
    assert ("removed", "neutral", "other") in list_kinds(watcher.show())


def test_a_report_that_cannot_be_written_leaves_the_state(
    watcher: Watcher, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher.show()
    content = watcher.state.read_bytes()
    watcher.write("demo==2.0")
    replace = Path.replace

    def fail(self: Path, target: Path) -> Path:
        if target.suffix == ".md":
            raise OSError(28, "No space left on device")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", fail)
    result = watcher.run("-o", str(project / "watch.md"))
    assert (result.status, watcher.state.read_bytes()) == (2, content)


@pytest.mark.parametrize("name", ["requirements.txt", "nerq.toml"])
def test_the_state_overwrites_no_file_of_the_project(watcher: Watcher, project: Path, nerq: Nerq, name: str) -> None:
    (project / name).write_text("demo==2.0\n" if name == "requirements.txt" else "", encoding="utf-8")
    content = (project / name).read_bytes()
    assert nerq("watch", "--state", name).status == 2
    assert (project / name).read_bytes() == content


def test_one_file_is_not_both_state_and_report(watcher: Watcher, project: Path, nerq: Nerq) -> None:
    assert nerq("watch", "--state", "watch.json", "-o", "watch.json").status == 2
    assert not (project / "watch.json").exists()


@pytest.mark.parametrize("width", ["80", "120", "200"])
def test_text_keeps_to_the_width(
    watcher: Watcher, services: Services, monkeypatch: pytest.MonkeyPatch, width: str
) -> None:
    watcher.run()
    services.advisory("demo", "2.0", identifier="GHSA-1", **HIGH)
    watcher.registry.pypi("demo", "1.0", "2.0", "2.1", yanked=True)
    monkeypatch.setenv("COLUMNS", width)
    result = watcher.run()
    assert max(map(len, result.out.splitlines())) <= int(width)
    assert "exit 1: worse since the last pass: 1 below 70, 1 vulnerability" in result.out
    assert "exit 1" not in result.err


def test_same_evidence_gives_the_same_bytes(watcher: Watcher, services: Services) -> None:
    watcher.run("--as-of", "2026-11-21")
    first_state = watcher.state.read_bytes()
    services.advisory("demo", "2.0", identifier="GHSA-1", **HIGH)
    documents = [watcher.run("--as-of", "2026-11-22", "--no-update", "-f", "json").out for _ in range(2)]
    assert documents[0] == documents[1]
    watcher.state.unlink()
    services.affecting.clear()
    services.recorded.clear()
    watcher.run("--as-of", "2026-11-21")
    assert watcher.state.read_bytes() == first_state


def test_a_warm_pass_sends_nothing(watcher: Watcher, nerq: Nerq) -> None:
    nerq("watch")
    count = len(watcher.registry.paths)
    assert "nothing changed" in nerq("watch").out
    assert len(watcher.registry.paths) == count


def test_report_only_passes(watcher: Watcher, services: Services) -> None:
    watcher.show()
    services.advisory("demo", "2.0", identifier="GHSA-1", **HIGH)
    document = watcher.show("--report-only")
    assert document["exit"]["code"] == 0
    assert document["exit"]["reason"].startswith("report only: would exit 1: worse since the last pass")
    assert document["clean"] is False
