"""Recordings: a report is made again from one file, without a network and without the project."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nerq_cli.application import recording_file
from nerq_cli.facts import Absent, Found, LowerBound, Merged, Unknown
from nerq_cli.methodology.packages import PACKAGES

Nerq = Callable[..., Any]


@pytest.fixture
def scanned(project: Path, registry: Any, services: Any) -> Path:
    """A project with a sound, an advised and an unknown package, of both registries."""
    registry.most_used()
    registry.pypi("requests", "1.0", "2.0", "3.0")
    registry.pypi("flask", "1.0", "2.0")
    registry.npm("lodash", "1.0.0", "2.0.0")
    services.advisory("flask", "1.0", identifier="GHSA-aaaa-bbbb-cccc", aliases=["CVE-1999-0001"], summary="Bad")
    (project / "requirements.txt").write_text("requests==3.0\nflask==1.0\nnumpy>=1\n")
    (project / "package.json").write_text(json.dumps({"name": "shop", "dependencies": {"lodash": "2.0.0"}}))
    return project


def forget_everything(project: Path, registry: Any, services_site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the project, the cache and the network away."""
    for entry in list(project.iterdir()):
        if entry.suffix != ".nerq":
            entry.unlink()
    shutil.rmtree(project.parent / "cache")
    registry.site.requests.clear()
    services_site.requests.clear()
    for name in ("PYPI", "NPM", "OSV", "DEPS_DEV", "KEV"):
        monkeypatch.setenv(f"NERQ_{name}_URL", "http://127.0.0.1:9")


@pytest.mark.parametrize("options", [(), ("--threshold", "90", "--deny", "unpinned"), ("--as-of", "2026-06-01")])
def test_replay_gives_the_same_bytes_without_network_project_and_clock(
    scanned: Path,
    registry: Any,
    services_site: Any,
    nerq: Nerq,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
) -> None:
    recorded = nerq("scan", "-f", "json", "--record", "e.nerq", *options)
    assert "recorded: e.nerq; sha256" in recorded.err
    assert {item["name"] for item in recorded.json["dependencies"]} == {"requests", "flask", "numpy", "lodash"}
    forget_everything(scanned, registry, services_site, monkeypatch)
    monkeypatch.setattr("time.time", lambda: 4_000_000_000.0)
    replayed = nerq("scan", "--replay", "e.nerq", "-f", "json")
    assert replayed.out == recorded.out
    assert replayed.status == recorded.status
    assert not registry.site.requests
    assert not services_site.requests
    assert not (scanned.parent / "cache").exists()
    assert "differs" not in replayed.err


def test_replay_keeps_what_is_unknown(
    scanned: Path, registry: Any, services: Any, services_site: Any, nerq: Nerq, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.silent()
    registry.site.on("/pypi/requests/json", {"status": 503})
    recorded = nerq("scan", "-f", "json", "--record", "e.nerq", "--strict")
    assert recorded.json["complete"] is False
    forget_everything(scanned, registry, services_site, monkeypatch)
    replayed = nerq("scan", "--replay", "e.nerq", "-f", "json")
    assert (replayed.status, replayed.out) == (recorded.status, recorded.out)


def test_every_format_is_the_same(scanned: Path, nerq: Nerq) -> None:
    nerq("scan", "--record", "e.nerq", "-o", "a.md", "-o", "a.sarif", "-o", "a.csv")
    nerq("scan", "--replay", "e.nerq", "-o", "b.md", "-o", "b.sarif", "-o", "b.csv")
    for suffix in ("md", "sarif", "csv"):
        assert (scanned / f"a.{suffix}").read_bytes() == (scanned / f"b.{suffix}").read_bytes()


def test_a_replay_has_the_paths_of_the_repository_that_was_scanned(
    scanned: Path, nerq: Nerq, monkeypatch: pytest.MonkeyPatch
) -> None:
    (scanned.parent / ".git").mkdir()
    monkeypatch.setenv("HOME", str(scanned.parents[1] / "home"))
    monkeypatch.setenv("USERPROFILE", str(scanned.parents[1] / "home"))
    nerq("scan", "--record", "e.nerq", "-o", "a.sarif")
    assert f'"{scanned.name}/requirements.txt"' in (scanned / "a.sarif").read_text()
    elsewhere = scanned.parent / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    nerq("scan", "--replay", str(scanned / "e.nerq"), "-o", "b.sarif")
    assert (elsewhere / "b.sarif").read_bytes() == (scanned / "a.sarif").read_bytes()


def test_same_run_gives_the_same_recording(scanned: Path, nerq: Nerq) -> None:
    nerq("scan", "--as-of", "2026-11-21")
    nerq("scan", "--as-of", "2026-11-21", "--record", "a.nerq")
    nerq("scan", "--as-of", "2026-11-21", "--record", "b.nerq")
    assert (scanned / "a.nerq").read_bytes() == (scanned / "b.nerq").read_bytes()


@pytest.mark.parametrize("target", ["flask==1.0", "npm:lodash", "requests", "numpy"])
def test_a_check_is_replayed(
    scanned: Path, registry: Any, services_site: Any, nerq: Nerq, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    recorded = nerq("check", target, "-f", "json", "--record", "e.nerq")
    forget_everything(scanned, registry, services_site, monkeypatch)
    replayed = nerq("check", "--replay", "e.nerq", "-f", "json")
    assert (replayed.status, replayed.out) == (recorded.status, recorded.out)


def test_settings_and_waivers_are_replayed_without_their_file(
    scanned: Path, registry: Any, services_site: Any, nerq: Nerq, monkeypatch: pytest.MonkeyPatch
) -> None:
    (scanned / "nerq.toml").write_text(
        "threshold = 40\n[[waivers]]\npackage = 'flask'\nreason = 'unused'\n"
        "advisory = 'CVE-1999-0001'\nuntil = 2027-01-31\n"
    )
    recorded = nerq("scan", "-f", "json", "--as-of", "2026-11-21", "--record", "e.nerq")
    assert "unused" in recorded.out
    forget_everything(scanned, registry, services_site, monkeypatch)
    replayed = nerq("scan", "--replay", "e.nerq", "-f", "json")
    assert (replayed.status, replayed.out) == (recorded.status, recorded.out)


def read_documents(path: Path) -> dict[str, Any]:
    with zipfile.ZipFile(path) as archive:
        return {name: json.loads(archive.read(name)) for name in archive.namelist()}


def encode(document: Any) -> bytes:
    """Return JSON as a recording has it, so that the digests of its values stay right."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def write_documents(path: Path, documents: dict[str, Any], *, signed: bool = True) -> None:
    """Write a recording, by default with digests that fit."""
    contents = {name: encode(document) for name, document in documents.items()}
    if signed:
        digests = {name: sha256(content).hexdigest() for name, content in contents.items() if name != "manifest.json"}
        contents["manifest.json"] = encode({**documents["manifest.json"], "documents": digests})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)


def test_private_names_are_left_out_and_the_verdict_is_kept(
    scanned: Path, nerq: Nerq, registry: Any, services_site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (scanned / "requirements.txt").write_text("requests==3.0\nacme-secret==1.0\nacme-unheard==2.0\n")
    (scanned / "nerq.toml").write_text('private = ["acme-secret"]\n')
    recorded = nerq("scan", "-f", "json", "--record", "e.nerq", "--threshold", "1")
    assert recorded.status == 1  # acme-unheard is not on the index
    assert "without 2 private packages" in recorded.err
    with zipfile.ZipFile(scanned / "e.nerq") as archive:
        texts = [text for name in archive.namelist() for text in archive.read(name).split(b'"')]
    assert not [text for text in texts if b"acme-" in text or text == b"shop"]
    everything = nerq("scan", "-f", "json", "--record", "all.nerq", "--record-private", "--threshold", "1")
    forget_everything(scanned, registry, services_site, monkeypatch)
    replayed = nerq("scan", "--replay", "e.nerq", "-f", "json")
    assert replayed.status == 1
    assert replayed.json["complete"] is False
    assert "2 private packages left out of the recording" in replayed.json["exit"]["reason"]
    assert {item["name"] for item in replayed.json["dependencies"]} == {"requests", "lodash"}
    assert nerq("scan", "--replay", "all.nerq", "-f", "json").out == everything.out


def test_another_methodology_is_refused_unless_told_to_rescore(
    scanned: Path, nerq: Nerq, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = nerq("scan", "-f", "json", "--record", "e.nerq")
    documents = read_documents(scanned / "e.nerq")
    documents["manifest.json"]["methodology"] = "packages/0.1"
    write_documents(scanned / "old.nerq", documents)
    refused = nerq("scan", "--replay", "old.nerq", "-f", "json")
    assert (refused.status, refused.out) == (2, "")
    assert "packages/0.1" in refused.err
    assert PACKAGES.version in refused.err
    rescored = nerq("scan", "--replay", "old.nerq", "--rescore", "-f", "json")
    assert rescored.json["dependencies"] == recorded.json["dependencies"]
    assert "rescored" in rescored.err


def test_a_changed_number_is_seen(scanned: Path, nerq: Nerq) -> None:
    nerq("scan", "--record", "e.nerq")
    documents = read_documents(scanned / "e.nerq")
    documents["inputs.json"]["options"]["threshold"] = 1.0
    write_documents(scanned / "e.nerq", documents)
    assert "its digest differs" in nerq("scan", "--replay", "e.nerq").err


def _drop_values(documents: dict[str, Any]) -> None:
    documents["values.json"].clear()


def _claim_another_value(documents: dict[str, Any]) -> None:
    values = documents["values.json"]
    first, second = list(values)[:2]
    values[first] = values[second]


def _add_unknown_field(documents: dict[str, Any]) -> None:
    documents["answers.json"][0]["field"] = "__class__"


def _move_in_time(documents: dict[str, Any]) -> None:
    documents["inputs.json"]["options"]["as_of"] = documents["manifest.json"]["as_of"] = 10**30


def _let_times_differ(documents: dict[str, Any]) -> None:
    documents["manifest.json"]["as_of"] += 1


def _answer_from_the_future(documents: dict[str, Any]) -> None:
    for answer in documents["answers.json"]:
        answer["retrieved_at"] = 1 << 62


def _cut_versions(documents: dict[str, Any]) -> None:
    """Let the tuples about versions have different lengths, under a digest that fits."""
    values, answers = documents["values.json"], documents["answers.json"]
    for answer in answers:
        if answer["field"] == "package_info" and "sha256" in answer:
            value = {**values[answer["sha256"]], "published": [], "flags": [1] * 9}
            digest = sha256(encode(value)).hexdigest()
            values[digest], answer["sha256"] = value, digest


def _forget_documents(documents: dict[str, Any]) -> None:
    del documents["answers.json"]


def _use_a_later_layout(documents: dict[str, Any]) -> None:
    documents["manifest.json"]["format"] = 99


@pytest.mark.parametrize(
    "change",
    [
        _drop_values,
        _claim_another_value,
        _add_unknown_field,
        _move_in_time,
        _let_times_differ,
        _answer_from_the_future,
        _cut_versions,
        _forget_documents,
        _use_a_later_layout,
    ],
)
def test_a_hostile_recording_is_refused(scanned: Path, nerq: Nerq, change: Callable[[dict[str, Any]], None]) -> None:
    nerq("scan", "--record", "e.nerq")
    documents = read_documents(scanned / "e.nerq")
    change(documents)
    write_documents(scanned / "bad.nerq", documents)
    result = nerq("scan", "--replay", "bad.nerq", "-f", "json")
    assert (result.status, result.out) == (2, "")
    assert "bad.nerq" in result.err
    assert "internal error" not in result.err


def test_no_cut_and_no_flipped_byte_goes_unseen(scanned: Path, nerq: Nerq) -> None:
    nerq("scan", "--record", "e.nerq")
    content = (scanned / "e.nerq").read_bytes()
    expected = nerq("scan", "--replay", "e.nerq", "-f", "json").out
    for position in range(0, len(content), max(1, len(content) // 40)):
        flipped = bytearray(content)
        flipped[position] ^= 0x55
        for changed in (bytes(flipped), content[:position]):
            (scanned / "bad.nerq").write_bytes(changed)
            result = nerq("scan", "--replay", "bad.nerq", "-f", "json")
            assert (result.status == 2 and not result.out) or result.out == expected  # a byte that means nothing
            assert "internal error" not in result.err


def test_sizes_are_bounded_whatever_the_archive_states(
    project: Path, nerq: Nerq, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording_file, "MAX_BYTES", 1 << 20)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", b" " * (8 << 20))
    (project / "bomb.nerq").write_bytes(buffer.getvalue())
    result = nerq("scan", "--replay", "bomb.nerq")
    assert (result.status, "at most 1 MB" in result.err) == (2, True)
    monkeypatch.setattr(recording_file, "MAX_FILE_BYTES", 1 << 10)
    assert "at most 0 MB" in nerq("scan", "--replay", "bomb.nerq").err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["scan", "--replay", "e.nerq", "."], "a path"),
        (["scan", "--replay", "e.nerq", "--threshold", "5"], "--threshold"),
        (["scan", "--replay", "e.nerq", "--policy", "research"], "--policy"),
        (["scan", "--replay", "e.nerq", "--as-of", "2026-01-01"], "--as-of"),
        (["scan", "--replay", "e.nerq", "--record", "f.nerq"], "--record"),
        (["scan", "--replay", "e.nerq", "--since", "main"], "--since"),
        (["scan", "--record", "e.nerq", "--baseline", "old.json"], "old.json"),
        (["scan", "--rescore"], "--replay"),
        (["scan", "--record-private"], "--record"),
        (["scan", "--record", "e.nerq", "--list"], "--list"),
        (["scan", "--record", "r.json", "-o", "r.json"], "r.json"),
        (["scan", "--record", "none/e.nerq"], "does not exist"),
        (["scan", "--record", "requirements.txt"], "dependency file"),
        (["scan", "--replay", "none.nerq"], "none.nerq"),
        (["check", "--replay", "e.nerq", "flask"], "a package"),
        (["check"], "no target"),
        (["evidence", "show", "none.nerq"], "none.nerq"),
    ],
)
def test_contradictions_are_refused(project: Path, nerq: Nerq, arguments: list[str], text: str) -> None:
    (project / "requirements.txt").write_text("")
    result = nerq(*arguments)
    assert (result.status, text in result.err) == (2, True)
    assert not list(project.glob("*.nerq"))


def test_the_recording_of_a_check_is_none_of_a_scan(scanned: Path, nerq: Nerq) -> None:
    nerq("check", "flask==1.0", "--record", "e.nerq")
    result = nerq("scan", "--replay", "e.nerq")
    assert (result.status, "nerq check --replay e.nerq" in result.err) == (2, True)


def test_nothing_scored_is_not_recorded(project: Path, nerq: Nerq) -> None:
    result = nerq("scan", "--record", "e.nerq")
    assert (result.status, "nothing was scored" in result.err) == (4, True)
    assert not list(project.glob("*.nerq"))


def test_each_answer_is_shown_with_source_date_and_digest(scanned: Path, nerq: Nerq) -> None:
    recorded = nerq("scan", "-f", "json", "--record", "e.nerq")
    shown = nerq("evidence", "show", "e.nerq")
    assert shown.status == 0
    assert sha256((scanned / "e.nerq").read_bytes()).hexdigest() in shown.out
    assert sha256(recorded.out.encode()).hexdigest() in shown.out
    lines = nerq("evidence", "show", "e.nerq", "flask==1.0", "--content").out.splitlines()
    index = next(n for n, line in enumerate(lines) if "PyPI:flask@1.0  advisories  found  OSV" in line)
    value = lines[index + 1].strip()
    assert lines[index].endswith(sha256(value.encode()).hexdigest())
    assert json.loads(value)[0]["id"] == "GHSA-aaaa-bbbb-cccc"
    assert "127.0.0.1" not in shown.out
    missing = nerq("evidence", "show", "e.nerq", "flaks")
    assert (missing.status, "flask" in missing.err) == (2, True)


@pytest.mark.parametrize("kind", [Absent, Found, LowerBound, Merged, Unknown])
def test_every_field_of_a_fact_is_recorded(kind: type[msgspec.Struct]) -> None:
    assert {*kind.__struct_fields__} - {"value"} <= {*recording_file.Answer.__struct_fields__}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_another_compression_is_refused(scanned: Path, nerq: Nerq, method: int) -> None:
    nerq("scan", "--record", "e.nerq")
    with zipfile.ZipFile(scanned / "e.nerq") as old, zipfile.ZipFile(scanned / "bad.nerq", "w", method) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    result = nerq("scan", "--replay", "bad.nerq")
    assert (result.status, "another way" in result.err) == (2, True)


def test_a_long_list_of_members_is_not_read(project: Path, nerq: Nerq) -> None:
    with zipfile.ZipFile(project / "bad.nerq", "w") as archive:
        for number in range(100):
            archive.writestr(f"{number}.json", "")
    result = nerq("scan", "--replay", "bad.nerq")
    assert (result.status, "not a recording" in result.err) == (2, True)


@pytest.mark.parametrize("content", [b"", b"{}", b"PK", b"\0" * 1000, b"[" * 100_000])
def test_another_file_is_no_recording(project: Path, nerq: Nerq, content: bytes) -> None:
    (project / "bad.nerq").write_bytes(content)
    for command in (
        ["scan", "--replay", "bad.nerq"],
        ["check", "--replay", "bad.nerq"],
        ["evidence", "show", "bad.nerq"],
    ):
        result = nerq(*command)
        assert (result.status, "not a recording" in result.err) == (2, True)


def test_deep_nesting_is_refused(scanned: Path, nerq: Nerq) -> None:
    nerq("scan", "--record", "e.nerq")
    with zipfile.ZipFile(scanned / "e.nerq") as old:
        contents = {name: old.read(name) for name in old.namelist()}
    manifest = json.loads(contents["manifest.json"])
    contents["answers.json"] = b"[" * 100_000 + b"]" * 100_000
    manifest["documents"]["answers.json"] = sha256(contents["answers.json"]).hexdigest()
    contents["manifest.json"] = encode(manifest)
    with zipfile.ZipFile(scanned / "bad.nerq", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    result = nerq("scan", "--replay", "bad.nerq")
    assert (result.status, "damaged" in result.err) == (2, True)


def compare_replay(nerq: Nerq, *options: str) -> Any:
    """Record a comparison, and replay it without anything else; return the recorded result."""
    recorded = nerq("scan", "-f", "json", "--record", "e.nerq", "--record-private", *options)
    replayed = nerq("scan", "--replay", "e.nerq", "-f", "json")
    assert replayed.out == recorded.out
    assert replayed.status == recorded.status
    assert recorded.json["comparison"]["changes"]
    return recorded


def test_a_comparison_with_a_baseline_is_recorded(scanned: Path, nerq: Nerq) -> None:
    assert nerq("baseline", "-o", "old.json").status == 0
    (scanned / "requirements.txt").write_text("requests==1.0\nflask==1.0\n")
    recorded = compare_replay(nerq, "--baseline", "old.json")
    assert {finding["change"] for finding in recorded.json["findings"]} >= {"unchanged"}
    (scanned / "old.json").unlink()
    assert nerq("scan", "--replay", "e.nerq", "-f", "json").out == recorded.out
    assert nerq("evidence", "verify", "e.nerq").status == 0


@pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")
def test_a_comparison_with_a_commit_is_recorded(scanned: Path, nerq: Nerq) -> None:
    for command in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "first"]):
        git = ["git", "-c", "user.name=a", "-c", "user.email=a@mail.example", *command]
        subprocess.run(git, cwd=scanned, check=True)  # noqa: S603 - of the test
    (scanned / "requirements.txt").write_text("requests==1.0\nflask==1.0\n")
    recorded = compare_replay(nerq, "--since", "main")
    assert {change["kind"] for change in recorded.json["comparison"]["changes"]} == {"downgraded", "removed"}


def test_private_names_of_the_earlier_run_are_left_out(
    project: Path, registry: Any, nerq: Nerq, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.most_used()
    (project / "nerq.toml").write_text('private = ["secret-*"]\n')
    (project / "requirements.txt").write_text("secret-one==1.0\n")
    assert nerq("baseline", "-o", "old.json").status == 0
    (project / "requirements.txt").write_text("secret-two==1.0\n")
    nerq("scan", "--baseline", "old.json", "--record", "e.nerq")
    with zipfile.ZipFile(project / "e.nerq") as archive:
        assert not any(b"secret-one" in archive.read(name) for name in archive.namelist())
    assert "2 private packages" in nerq("evidence", "show", "e.nerq").out


def test_verify_compares_the_digests_and_the_report(scanned: Path, nerq: Nerq) -> None:
    nerq("scan", "-o", "report.json", "--record", "e.nerq", "--record-private")
    result = nerq("evidence", "verify", "e.nerq", "--report", "report.json")
    assert result.status == 0
    assert "which follows from the answers" in result.out
    assert "report.json is that report" in result.out
    (scanned / "report.json").write_text("{}")
    differs = nerq("evidence", "verify", "e.nerq", "--report", "report.json")
    assert (differs.status, "its digest differs" in differs.err) == (2, True)
    (scanned / "nerq.toml").write_text('private = ["flask"]\n')
    nerq("scan", "--record", "other.nerq")
    assert "private names are left out" in nerq("evidence", "verify", "other.nerq").err
