"""``nerq scan --since``: real repositories, compared with the commit where HEAD left a reference."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nerq_cli.application.old_run import find_moved

AS_OF = ("--as-of", "2026-11-21")
Nerq = Callable[..., Any]
HIGH: dict[str, Any] = {"database_specific": {"severity": "HIGH"}}
GIT = shutil.which("git") or ""
pytestmark = pytest.mark.skipif(not GIT, reason="git is not installed")


def git(*arguments: str, data: bytes = b"") -> str:
    command = [GIT, *arguments]
    result = subprocess.run(command, input=data, check=True, capture_output=True, timeout=60)  # noqa: S603 - of the test
    return result.stdout.decode().strip()


def commit(message: str) -> None:
    git("add", "-A")
    git("commit", "-q", "-m", message)


@pytest.fixture(autouse=True)
def repository(project: Path, registry: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one commit on main."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "ann")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "ann@mail.example")
        monkeypatch.setenv(f"GIT_{role}_DATE", "2026-11-01T00:00:00Z")
    registry.most_used()
    registry.pypi("demo", "1.0", "2.0")
    registry.pypi("other", "1.0", "1.1")
    git("init", "-q", "-b", "main")
    (project / "requirements.txt").write_text("demo==1.0\nother==1.0\n")
    commit("first")
    return project


def scan(nerq: Nerq, *options: str, since: str = "main") -> Any:
    return nerq("scan", *AS_OF, "--since", since, "--format", "json", *options)


def changes(result: Any) -> list[tuple[str, str, str | None, str | None]]:
    return [
        (one["kind"], one["name"], one["version_before"], one["version_after"])
        for one in result.json["comparison"]["changes"]
    ]


def test_uncommitted_changes_are_compared_with_the_commit(nerq: Nerq, project: Path) -> None:
    assert changes(scan(nerq)) == []
    (project / "requirements.txt").write_text("demo==2.0\nother==1.0\n")
    result = scan(nerq)
    assert changes(result) == [("upgraded", "demo", "1.0", "2.0")]
    assert result.json["comparison"]["unchanged"] == 1
    head = git("rev-parse", "HEAD")
    assert result.json["comparison"]["baseline"] == f"main at {head[:9]}"


def test_only_what_is_new_fails(nerq: Nerq, project: Path, services: Any) -> None:
    services.advisory("demo", "1.0", identifier="GHSA-1", **HIGH)
    services.advisory("other", "1.1", identifier="GHSA-2", **HIGH)
    assert nerq("scan", *AS_OF).status == 1
    result = scan(nerq)
    assert result.status == 0
    assert {finding["change"] for finding in result.json["findings"]} == {"unchanged"}
    assert "nothing new or worse; 2 known, as before" in result.json["exit"]["reason"]
    table = nerq("scan", *AS_OF, "--since", "main").out
    assert "2 known" in table
    assert "✖" in next(line for line in table.splitlines() if " demo " in line)
    (project / "requirements.txt").write_text("demo==1.0\nother==1.1\n")
    result = scan(nerq)
    assert result.status == 1
    assert [(finding["name"], finding["change"]) for finding in result.json["findings"] if finding["advisory"]] == [
        ("demo", "unchanged"),
        ("other", "new"),
    ]


def test_the_score_has_the_signals_that_moved_it(nerq: Nerq, project: Path, services: Any) -> None:
    services.advisory("demo", "2.0", identifier="GHSA-1", **HIGH)
    (project / "requirements.txt").write_text("demo==2.0\nother==1.0\n")
    result = scan(nerq)
    [change] = result.json["comparison"]["changes"]
    assert change["score_before"] > change["score_after"]
    moved = {signal["id"]: signal for signal in change["signals"]}
    assert any(signal["value_after"] is not None for signal in moved.values())
    [cap] = change["caps"]
    assert cap["limit_before"] is None
    assert result.json["comparison"]["findings"]["new"] == len(result.json["findings"])
    table = " ".join(nerq("scan", *AS_OF, "--since", "main").out.split())
    assert f"↑ pypi:demo 1.0 → 2.0 score {change['score_before']:.1f} → {change['score_after']:.1f}" in table
    assert f"because cap {cap['id']} none → {cap['limit_after']:g}" in table


@pytest.mark.parametrize("width", [80, 120, 200])
def test_the_comparison_fits_the_width(
    nerq: Nerq, project: Path, registry: Any, services: Any, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    services.advisory("demo", "2.0", identifier="GHSA-1", **HIGH)
    registry.pypi("a-package-with-quite-a-long-name-as-some-have-them", "1.0")
    (project / "requirements.txt").write_text("demo==2.0\na-package-with-quite-a-long-name-as-some-have-them==1.0\n")
    lines = nerq("scan", *AS_OF, "--since", "main", "--all").out.splitlines()
    assert max(map(len, lines)) <= width
    assert any("- pypi:other 1.0" in line for line in lines)
    assert any("+ pypi:a-package" in line for line in lines)


def test_the_commit_is_where_head_left_the_branch(nerq: Nerq, project: Path) -> None:
    git("checkout", "-q", "-b", "topic")
    (project / "requirements.txt").write_text("demo==1.0\nother==1.1\n")
    commit("topic")
    git("checkout", "-q", "main")
    (project / "requirements.txt").write_text("demo==2.0\nother==1.0\n")
    commit("main goes on")
    git("checkout", "-q", "topic")
    assert changes(scan(nerq)) == [("upgraded", "other", "1.0", "1.1")]


def test_tags_and_abbreviated_ids_are_references(nerq: Nerq, project: Path) -> None:
    first = git("rev-parse", "HEAD")
    git("tag", "v1")
    (project / "requirements.txt").write_text("demo==2.0\n")
    commit("second")
    for since in ("v1", first[:8], "HEAD~1"):
        assert changes(scan(nerq, since=since)) == [
            ("upgraded", "demo", "1.0", "2.0"),
            ("removed", "other", "1.0", None),
        ]


def test_a_moved_file_and_a_directory_that_was_renamed_change_nothing(nerq: Nerq, project: Path, services: Any) -> None:
    services.advisory("demo", "1.0", identifier="GHSA-1", **HIGH)
    (project / "app").mkdir()
    git("mv", "requirements.txt", "app/requirements.txt")
    result = scan(nerq)
    assert changes(result) == []
    assert result.status == 0
    git("mv", "app", "service")
    assert changes(scan(nerq)) == []


def test_included_files_and_lock_files_are_read_from_git(nerq: Nerq, project: Path) -> None:
    (project / "requirements.txt").write_text("-r pins/common.list\n")
    (project / "pins").mkdir()
    (project / "pins" / "common.list").write_text("-r more.list\n")
    (project / "pins" / "more.list").write_text("demo==1.0\nother==1.0\n")
    commit("includes")
    (project / "pins" / "more.list").write_text("demo==2.0\nother==1.0\n")
    assert changes(scan(nerq, since="HEAD")) == [("upgraded", "demo", "1.0", "2.0")]


def test_a_subdirectory_is_compared_with_itself(nerq: Nerq, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "web").mkdir()
    (project / "web" / "requirements.txt").write_text("demo==1.0\n")
    commit("web")
    (project / "web" / "requirements.txt").write_text("demo==2.0\n")
    expected = [("upgraded", "demo", "1.0", "2.0")]
    assert changes(scan(nerq, "web", since="HEAD")) == expected
    assert changes(scan(nerq, "web/requirements.txt", since="HEAD")) == expected
    [change] = scan(nerq, since="HEAD").json["comparison"]["changes"]
    assert change["projects"] == ["web"]
    monkeypatch.chdir(project / "web")
    assert changes(scan(nerq, since="HEAD")) == expected
    monkeypatch.chdir(project.parent)
    assert changes(scan(nerq, "project/web", since="HEAD")) == expected
    assert changes(scan(nerq, str(project / "web"), since="HEAD")) == expected


def test_what_was_not_there_is_added(nerq: Nerq, project: Path) -> None:
    (project / "new").mkdir()
    (project / "new" / "requirements.txt").write_text("demo==1.0\n")
    result = scan(nerq, "new")
    assert changes(result) == [("added", "demo", None, "1.0")]
    assert "has nothing at new" in " ".join(result.json["comparison"]["notes"])


def test_both_sides_use_the_same_evidence_and_each_answer_is_requested_once(
    nerq: Nerq, project: Path, registry: Any, services: Any
) -> None:
    (project / "requirements.txt").write_text("demo==2.0\nother==1.0\n")
    for options in ((), ("--no-cache",)):
        registry.site.requests.clear()
        scan(nerq, *options)
        paths = [path for path in registry.paths if "demo" in path]
        assert paths, options
        assert len(paths) == len(set(paths)), options
    registry.site.requests.clear()
    services.site.requests.clear()
    scan(nerq)
    assert (registry.site.requests, services.site.requests) == ([], [])


def test_the_same_run_gives_the_same_bytes(nerq: Nerq, project: Path) -> None:
    (project / "requirements.txt").write_text("demo==2.0\nother==1.0\n")
    scan(nerq)
    assert scan(nerq, "--offline").out == scan(nerq, "--offline").out


def test_settings_that_accept_more_than_before_are_named(nerq: Nerq, project: Path) -> None:
    (project / "nerq.toml").write_text('threshold = 90\n[rules]\nunpinned = "deny"\n')
    commit("settings")
    (project / "nerq.toml").write_text('threshold = 80\nexclude = ["docs/"]\n')
    result = scan(nerq, since="HEAD")
    expected = "threshold 90 → 80; exclude + docs/; rules.unpinned deny → allow"
    assert expected in " ".join(result.json["comparison"]["notes"])
    assert expected in result.err
    assert expected in " ".join(nerq("scan", *AS_OF, "--since", "HEAD").out.split())
    (project / "nerq.toml").write_text('threshold = 95\n[rules]\nunpinned = "deny"\n')
    assert scan(nerq, since="HEAD").json["comparison"]["notes"] == []


WAIVER = '[[waivers]]\npackage = "demo"\nadvisory = "GHSA-1"\nreason = "r"\nuntil = 2026-12-{day:02}\n'


def test_a_waiver_that_a_change_adds_or_extends_is_named(nerq: Nerq, project: Path, services: Any) -> None:
    services.advisory("demo", "2.0", identifier="GHSA-1", **HIGH)
    (project / "requirements.txt").write_text("demo==2.0\nother==1.0\n")
    (project / "nerq.toml").write_text('[rules]\nscore-below-threshold = "allow"\n' + WAIVER.format(day=1))
    result = scan(nerq)
    assert result.status == 0
    assert "waivers + " in " ".join(result.json["comparison"]["notes"])
    commit("waiver")
    assert scan(nerq, since="HEAD").json["comparison"]["notes"] == []
    (project / "nerq.toml").write_text('[rules]\nscore-below-threshold = "allow"\n' + WAIVER.format(day=9))
    assert "waivers + " in " ".join(scan(nerq, since="HEAD").json["comparison"]["notes"])


def test_a_waiver_that_ends_fails_where_nothing_is_compared(nerq: Nerq, project: Path, services: Any) -> None:
    services.advisory("demo", "1.0", identifier="GHSA-1", **HIGH)
    (project / "nerq.toml").write_text('[rules]\nscore-below-threshold = "allow"\n' + WAIVER.format(day=1))
    commit("waiver")
    ended = ("--as-of", "2026-12-05", "--format", "json")
    result = nerq("scan", *ended)
    assert {one["id"] for one in result.json["findings"]} >= {"vulnerability", "waiver-expired"}
    result = nerq("scan", "--since", "HEAD", *ended)
    assert {one["change"] for one in result.json["findings"]} == {"unchanged"}


def test_settings_of_the_work_tree_judge_both_sides(nerq: Nerq, project: Path) -> None:
    (project / "nerq.toml").write_text("threshold = 99\n")
    result = scan(nerq)
    assert result.status == 0
    assert [finding["change"] for finding in result.json["findings"]] == ["unchanged", "unchanged"]


def test_age_rules_that_a_change_makes_contradict_are_new(nerq: Nerq, project: Path) -> None:
    def find(result: Any) -> list[str]:
        return [one["change"] for one in result.json["findings"] if one["id"] == "age-policy-mismatch"]

    (project / "uv.toml").write_text('exclude-newer = "soon"\n')
    assert find(scan(nerq)) == ["new"]
    commit("age rule")
    assert find(scan(nerq, since="HEAD")) == ["unchanged"]


def test_ignore_rules_do_not_apply_to_tracked_files(nerq: Nerq, project: Path) -> None:
    (project / "vendored").mkdir()
    (project / "vendored" / "requirements.txt").write_text("demo==2.0\n")
    commit("vendored")
    assert changes(scan(nerq, "--exclude", "vendored/", since="HEAD")) == []
    (project / ".git" / "info").mkdir(exist_ok=True)
    for file in (project / ".git" / "info" / "exclude", project / ".gitignore"):
        file.write_text("vendored/\n")
        assert changes(scan(nerq, since="HEAD")) == []
        (project / "vendored" / "requirements.txt").write_text("demo==1.0\n")
        assert [change[:2] for change in changes(scan(nerq, since="HEAD"))] == [("downgraded", "demo")]
        (project / "vendored" / "requirements.txt").write_text("demo==2.0\n")
        file.unlink()
    (project / ".gitignore").write_text("vendored/\n")
    git("rm", "-q", "-r", "--cached", "vendored")
    assert changes(scan(nerq, since="HEAD")) == [("removed", "demo", "2.0", None)]


def test_an_unknown_package_in_both_runs_is_known_and_the_run_is_not_complete(nerq: Nerq, project: Path) -> None:
    (project / "requirements.txt").write_text("demo @ git+https://git.example/demo@1a2b3c4\n")
    commit("git")
    result = scan(nerq, "--strict", since="HEAD")
    assert result.json["complete"] is False
    assert "not judged (as before)" in result.json["exit"]["reason"]
    (project / "requirements.txt").write_text("demo @ git+https://git.example/demo@5d6e7f8\n")
    assert scan(nerq, "--strict", since="HEAD").status == 3


def test_a_registry_that_does_not_answer_is_no_pass(nerq: Nerq, registry: Any) -> None:
    for path in list(registry.site.scripts):
        registry.site.on(path, {"status": 500})
    result = scan(nerq, "--strict")
    assert result.status == 3
    assert result.json["complete"] is False


# --- errors


def fail(nerq: Nerq, *options: str, since: str = "main") -> str:
    result = nerq("scan", *AS_OF, "--since", since, *options)
    assert result.status == 2, result
    assert result.out == ""
    assert "Traceback" not in result.err
    return str(result.err)


@pytest.mark.parametrize(
    "ref", ["nowhere", "", "--all", "-x", "main..HEAD", "a b", "refs/heads/*", "main:requirements.txt"]
)
def test_a_reference_that_is_no_commit_is_a_usage_error(nerq: Nerq, ref: str) -> None:
    assert "there is no commit" in fail(nerq, f"--since={ref}")


def test_outside_of_a_repository_is_a_usage_error(nerq: Nerq, project: Path) -> None:
    shutil.rmtree(project / ".git")
    assert "is in no git repository" in fail(nerq)


def test_without_git_the_error_names_the_alternative(nerq: Nerq, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    error = fail(nerq)
    assert "git, which is not installed" in error
    assert "--baseline" in error


def test_a_repository_without_a_commit_is_a_usage_error(nerq: Nerq, project: Path) -> None:
    shutil.rmtree(project / ".git")
    git("init", "-q", "-b", "main")
    assert "there is no commit 'main'" in fail(nerq)


def test_histories_without_a_common_commit_are_a_usage_error(nerq: Nerq) -> None:
    git("checkout", "-q", "--orphan", "alone")
    commit("alone")
    assert "no common ancestor" in fail(nerq)


def test_a_shallow_clone_is_explained(
    nerq: Nerq, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git("checkout", "-q", "-b", "topic")
    for number in range(3):
        (project / "requirements.txt").write_text(f"demo==1.0  # {number}\nother==1.0\n")
        commit(f"topic {number}")
    git("checkout", "-q", "main")
    (project / "more.txt").write_text("x")
    commit("main goes on")
    clone = tmp_path / "clone"
    git("clone", "-q", "--depth", "1", "--branch", "topic", f"file://{project}", str(clone))
    monkeypatch.chdir(clone)
    error = fail(nerq, since="origin/main")
    assert "this clone is shallow" in error
    assert "git fetch --unshallow origin +refs/heads/main:refs/remotes/origin/main" in error
    for ref in ("HEAD~1", "origin/main~1", "topic~2"):
        assert "git fetch --unshallow (with" in fail(nerq, since=ref)
    assert "git fetch --unshallow --tags origin '+refs/heads/*:refs/remotes/origin/*'" in fail(nerq, since="v1.0")
    git("fetch", "-q", "--depth", "1", "origin", "main:refs/remotes/origin/main")
    assert "git fetch --deepen=100" in fail(nerq, since="origin/main")
    git("fetch", "-q", "--unshallow", "origin", "+refs/heads/main:refs/remotes/origin/main")
    assert scan(nerq, since="origin/main").status == 0
    assert "there is origin/main" in fail(nerq, since="main")


def test_what_is_in_no_history_is_a_usage_error(nerq: Nerq, tmp_path: Path) -> None:
    assert "standard input is in no git history" in fail(nerq, "-")
    assert "installed packages are in no git history" in fail(nerq, "--env", str(tmp_path))
    outside = tmp_path / "outside.txt"
    outside.write_text("demo==1.0\n")
    assert "is outside of the repository" in fail(nerq, "requirements.txt", str(outside))


def test_options_that_contradict_each_other_are_usage_errors(nerq: Nerq) -> None:
    assert "--list and --since" in fail(nerq, "--list")
    assert "--since and --baseline" in fail(nerq, "--baseline", "x.json")


# --- a repository is untrusted


def test_no_program_of_the_repository_is_run(nerq: Nerq, project: Path, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\necho ran >> {mark}\n")
    program.chmod(0o755)
    (project / ".gitattributes").write_text("*.txt filter=evil diff=evil\n")
    commit("attributes")
    hooks = project / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("post-checkout", "reference-transaction", "post-index-change"):
        shutil.copy(program, hooks / name)
    for key, value in {
        "core.fsmonitor": str(program),
        "core.pager": str(program),
        "core.sshCommand": str(program),
        "core.hooksPath": str(hooks),
        "filter.evil.smudge": str(program),
        "filter.evil.clean": str(program),
        "diff.evil.textconv": str(program),
        "diff.external": str(program),
        "remote.origin.url": f"ext::{program}",
        "remote.origin.promisor": "true",
        "protocol.ext.allow": "always",
        "extensions.partialClone": "origin",
    }.items():
        git("config", key, value)
    mark.unlink(missing_ok=True)
    git("config", "core.repositoryFormatVersion", "1")
    (project / "requirements.txt").write_text("demo==2.0\nother==1.0\n")
    mark.unlink(missing_ok=True)
    assert changes(scan(nerq, since="HEAD")) == [("upgraded", "demo", "1.0", "2.0")]
    blob = git("-c", "core.fsmonitor=false", "rev-parse", "HEAD:requirements.txt")
    (project / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    mark.unlink(missing_ok=True)
    assert "this clone lacks the content of requirements.txt" in fail(nerq, since="HEAD")
    assert not mark.exists()


def test_the_work_tree_and_the_index_stay_as_they_are(nerq: Nerq, project: Path) -> None:
    (project / "requirements.txt").write_text("demo==2.0\n")
    index = (project / ".git" / "index").read_bytes()
    before = {path: path.stat().st_mtime_ns for path in project.rglob("*") if path.is_file()}
    scan(nerq)
    assert {path: path.stat().st_mtime_ns for path in project.rglob("*") if path.is_file()} == before
    assert (project / ".git" / "index").read_bytes() == index


def test_links_that_leave_the_repository_are_not_followed(nerq: Nerq, project: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("demo==2.0\n")
    (project / "requirements-dev.txt").symlink_to("../secret.txt")
    (project / "requirements-abs.txt").symlink_to(tmp_path / "secret.txt")
    (project / "requirements-in.txt").symlink_to("requirements.txt")
    commit("links")
    for name in ("requirements-dev.txt", "requirements-abs.txt"):
        (project / name).unlink()
    assert changes(scan(nerq, since="HEAD")) == []


def test_a_crafted_tree_writes_nothing_through_a_link(nerq: Nerq, project: Path, tmp_path: Path) -> None:
    target = tmp_path / "victim"
    target.mkdir()
    blob = git("rev-parse", "HEAD:requirements.txt")
    link = git("hash-object", "-w", "--stdin", data=str(target).encode())
    inner = git("mktree", data=f"100644 blob {blob}\trequirements.txt\n".encode())
    entries = ((b"120000", link), (b"40000", inner))
    raw = b"".join(mode + b" app\0" + bytes.fromhex(object_id) for mode, object_id in entries)
    tree = git("hash-object", "-w", "-t", "tree", "--literally", "--stdin", data=raw)
    crafted = git("commit-tree", tree, "-p", "HEAD", "-m", "crafted")
    git("update-ref", "refs/heads/main", crafted)
    assert nerq("scan", *AS_OF, "--since", "HEAD").status in (0, 1, 2)
    assert list(target.iterdir()) == []


def test_a_hook_of_git_may_run_the_scan(nerq: Nerq, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "requirements.txt").write_text("demo==2.0\nother==1.0\n")
    monkeypatch.setenv("GIT_DIR", ".git/nowhere")
    monkeypatch.setenv("GIT_INDEX_FILE", ".git/index.lock")
    assert changes(scan(nerq)) == [("upgraded", "demo", "1.0", "2.0")]


def test_a_submodule_is_named(nerq: Nerq, project: Path) -> None:
    head = git("rev-parse", "HEAD")
    git("update-index", "--add", "--cacheinfo", f"160000,{head},vendor/lib")
    git("commit", "-q", "-m", "submodule")
    notes = scan(nerq, since="HEAD").json["comparison"]["notes"]
    reason = "is not read from git, which lacks its commit: its dependencies count as new"
    assert notes == [f"the submodule vendor/lib {reason}"]


def test_a_submodule_is_read_from_its_own_objects(nerq: Nerq, project: Path, tmp_path: Path) -> None:
    library = tmp_path / "library"
    library.mkdir()

    def commit_library(text: str) -> None:
        (library / "requirements.txt").write_text(text)
        git("-C", str(library), "add", "-A")
        git("-C", str(library), "commit", "-q", "-m", "library")

    git("init", "-q", "-b", "main", str(library))
    commit_library("other==1.0\n")
    allow = ("-c", "protocol.file.allow=always")
    git(*allow, "submodule", "--quiet", "add", str(library), "vendor/lib")
    commit("submodule")
    git("checkout", "-q", "-b", "topic")
    commit_library("other==1.1\n")
    git(*allow, "-C", "vendor/lib", "pull", "-q")
    result = scan(nerq)
    assert not result.json["comparison"]["notes"]
    assert changes(result) == [("upgraded", "other", "1.0", "1.1")]
    git("submodule", "--quiet", "deinit", "-f", "vendor/lib")  # git keeps its objects in its own directory
    result = scan(nerq)
    assert not result.json["comparison"]["notes"]
    shutil.rmtree(project / ".git" / "modules")
    assert "vendor/lib" in scan(nerq).json["comparison"]["notes"][0]


def test_settings_of_a_directory_that_became_weaker_are_named(nerq: Nerq, repository: Path) -> None:
    (repository / "web").mkdir()
    (repository / "web" / "requirements.txt").write_text("other==1.0\n")
    (repository / "nerq.toml").write_text("nested = true\n")
    (repository / "web" / "nerq.toml").write_text('threshold = 75\nrules.yanked = "deny"\n')
    commit("stricter")
    git("checkout", "-q", "-b", "topic")
    (repository / "web" / "nerq.toml").write_text("threshold = 72\n")
    commit("weaker")
    notes = scan(nerq).json["comparison"]["notes"]
    assert any(
        note.startswith("the settings in web accept more than at main at ")
        and note.endswith("threshold 75 → 72; rules.yanked deny → allow")
        for note in notes
    )
    (repository / "nerq.toml").write_text("nested = false\n")
    notes = scan(nerq).json["comparison"]["notes"]
    assert any("nested true → false" in note for note in notes)
    assert any("the settings in web accept more" in note and "threshold 75 → 70" in note for note in notes)


def test_findings_of_a_renamed_file_are_as_before(nerq: Nerq, project: Path) -> None:
    (project / "nerq.toml").write_text('threshold = 0\nrules.unpinned = "deny"\nrules.age-policy-mismatch = "deny"\n')
    (project / "web").mkdir()
    (project / "web" / "requirements.txt").write_text("demo\n")
    (project / "web" / "package.json").write_text('{"name": "web", "overrides": {"x": "1"}}')
    lock = {"name": "web", "lockfileVersion": 3, "packages": {"": {"name": "web", "dependencies": {"x": "1"}}}}
    (project / "web" / "package-lock.json").write_text(json.dumps(lock))
    (project / "web" / "bunfig.toml").write_text("[install]\nminimumReleaseAge = 10080\n")
    commit("web")
    before = scan(nerq, since="HEAD")
    assert before.status == 0
    assert {finding["change"] for finding in before.json["findings"]} == {"unchanged"}
    git("mv", "web", "site")
    result = scan(nerq, since="HEAD")
    assert {finding["id"] for finding in result.json["findings"]} >= {"unpinned", "age-policy-mismatch"}
    assert len(result.json["findings"]) == len(before.json["findings"])
    assert {finding["change"] for finding in result.json["findings"]} == {"unchanged"}
    assert result.status == 0


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (["web/a.txt"], ["site/a.txt"], {"web/a.txt": "site/a.txt"}),
        (["a.txt"], ["b.txt"], {"a.txt": "b.txt"}),
        (["a.txt", "c.txt"], ["b.txt"], {}),
        (["web/a.txt"], ["site/b.txt"], {}),
        (["a.txt"], ["a.txt", "x/a.txt"], {}),
        (
            ["web/a/p.json", "web/b/p.json"],
            ["site/b/p.json", "site/a/p.json"],
            {"web/a/p.json": "site/a/p.json", "web/b/p.json": "site/b/p.json"},
        ),
    ],
)
def test_moved_files_are_found_by_their_names(old: list[str], new: list[str], expected: dict[str, str]) -> None:
    assert find_moved(old, new) == expected


def test_the_removal_of_the_last_dependency_file_passes(nerq: Nerq, project: Path) -> None:
    content = (project / "requirements.txt").read_text()
    (project / "requirements.txt").unlink()
    result = scan(nerq)
    assert result.status == 0
    assert changes(result) == [("removed", "demo", "1.0", None), ("removed", "other", "1.0", None)]
    assert result.json["exit"]["reason"] == "no dependency file is left"
    assert nerq("scan", *AS_OF).status == 4
    (project / "requirements.txt").write_text(content)
    assert nerq("scan", *AS_OF, "--since", "main", "--exclude", "requirements.txt").status == 4
    (project / ".gitignore").write_text("requirements.txt\n")
    git("rm", "-q", "--cached", "requirements.txt")
    assert nerq("scan", *AS_OF, "--since", "main").status == 4  # left out, not removed


def test_a_waiver_that_comes_with_its_package_resolves_nothing(nerq: Nerq, project: Path, services: Any) -> None:
    services.advisory("demo", "2.0", identifier="GHSA-1-1", **HIGH)
    (project / "requirements.txt").write_text("demo==2.0\nother==1.0\n")
    waiver = '[[waivers]]\npackage = "pypi:demo"\nreason = "r"\nuntil = 2027-01-31\nadvisory = "GHSA-1-1"\n'
    (project / "nerq.toml").write_text(f"threshold = 40\n{waiver}")
    result = scan(nerq)
    assert [finding["change"] for finding in result.json["findings"] if finding["waiver"] is None] == []
    assert result.json["comparison"]["findings"]["resolved"] == 0
    commit("with a waiver")
    git("branch", "-f", "base")
    (project / "requirements.txt").write_text("other==1.0\n")
    [finding] = scan(nerq, since="base").json["findings"]
    assert (finding["id"], finding["change"]) == ("waiver-unused", "new")
    commit("without the package")
    git("branch", "-f", "base")
    [finding] = scan(nerq, since="base").json["findings"]
    assert (finding["id"], finding["change"]) == ("waiver-unused", "unchanged")


def test_settings_that_were_removed_are_the_defaults(nerq: Nerq, project: Path) -> None:
    (project / "nerq.toml").write_text("threshold = 90\n")
    commit("settings")
    (project / "nerq.toml").unlink()
    warnings = scan(nerq, since="HEAD").json["warnings"]
    assert any(warning.startswith("the default settings accept more than at HEAD at ") for warning in warnings)


def test_a_score_that_is_not_known_is_no_state(nerq: Nerq, project: Path, registry: Any) -> None:
    (project / "requirements.txt").write_text("demo==3.0\nother==1.0\n")
    table = nerq("scan", *AS_OF, "--since", "main").out
    assert "→ no score (unknown)" in " ".join(table.split())
