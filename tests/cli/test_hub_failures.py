"""Whole scans of a project with models while the Hub fails, refuses, limits, or answers with hostile data."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from nerq_cli.methodology.models import MODELS
from tests.sources.huggingface.conftest import CARD, SHA, HubStandIn, build_model

if TYPE_CHECKING:
    from tests.conftest import Turn

Nerq = Callable[..., Any]
SCAN = ("scan", "--as-of", "2026-11-21", "--format", "json")
REPOSITORY = "/api/models/lumen/tiny-bert/revision/main"
CARD_PATH = f"/lumen/tiny-bert/resolve/{SHA}/README.md"
SOURCE = """\
from transformers import AutoModel, pipeline

model = AutoModel.from_pretrained("lumen/tiny-bert")
"""
#: Seconds for what hangs.
SHORT = "3"


@pytest.fixture
def hub(other_site: Any, project: Path, monkeypatch: pytest.MonkeyPatch) -> HubStandIn:
    """A Hub with the model that the project refers to."""
    stand_in = HubStandIn(other_site)
    stand_in.add_model("lumen/tiny-bert", card=CARD * 20, cardData={"license": "apache-2.0"})
    stand_in.organisations["lumen"] = {"name": "lumen", "isVerified": True, "numModels": 9, "numFollowers": 12}
    monkeypatch.setenv("NERQ_HF_URL", stand_in.url)
    (project / "app.py").write_text(SOURCE)
    return stand_in


def find_row(result: Any) -> dict[str, Any]:
    """Return the model in the report; there was no traceback."""
    assert "Traceback" not in result.err
    [row] = result.json["dependencies"]
    assert row["name"] == "lumen/tiny-bert"
    found: dict[str, Any] = row
    return found


def assert_unknown(nerq: Nerq, *options: str) -> dict[str, Any]:
    """Check that nothing is known about the model, in a lenient and in a strict run, and return its row."""
    strict = nerq(*SCAN, "--strict", *options)
    assert strict.status == 3, strict.err
    lenient = nerq(*SCAN, *options)
    assert lenient.status == 0, lenient.err
    for result in (strict, lenient):
        row = find_row(result)
        assert (row["state"], row["score"], row["version"]) == ("unknown", None, None)
        assert result.json["complete"] is False
        assert row["reasons"]
    return row


def test_a_model_that_a_file_refers_to_is_scored(nerq: Nerq, hub: HubStandIn) -> None:
    result = nerq(*SCAN, "--strict")
    row = find_row(result)
    assert (row["version"], row["requirement"], row["resolution"]) == (SHA, "", "range")
    assert row["score"] > 50
    assert row["locations"] == [{"path": "app.py", "line": 3}]
    count = len(hub.paths)
    again = nerq(*SCAN, "--strict")
    assert (again.json["dependencies"], len(hub.paths)) == (result.json["dependencies"], count)


@pytest.mark.parametrize(
    ("turn", "reason"),
    [
        ({"status": 401, "headers": {"X-Error-Code": "RepoNotFound"}, "body": {}}, "missing or private"),
        ({"status": 401, "headers": {"X-Error-Code": "GatedRepo"}, "body": {}}, "refuses it without a token"),
        ({"status": 403, "body": {}}, "the Hub refuses it (403)"),
        ({"status": 404, "body": {}}, "missing or private"),
        ({"status": 451, "body": {}}, "for legal reasons, or in this region (451)"),
        ({"status": 500, "body": {}}, "HTTP 500"),
        ({"status": 503, "body": b"<html>maintenance</html>"}, "HTTP 503"),
        ({"body": b"<html>not the Hub</html>"}, ""),
        ({"body": b'{"id": "lumen/tiny-bert", "sha": "'}, ""),
        ({"body": []}, ""),
        ({"body": b"[" * 100_000}, ""),
        ({"body": {"id": 7, "sha": {}}}, ""),
        ({"cut": 10, "body": {"id": "lumen/tiny-bert"}}, ""),
        ({"raw": b"nothing of HTTP\r\n\r\n"}, ""),
    ],
)
def test_an_answer_that_is_no_repository_leaves_it_unknown(
    nerq: Nerq, hub: HubStandIn, turn: Turn, reason: str
) -> None:
    hub.turns[REPOSITORY] = turn
    if "raw" in turn or "cut" in turn:
        hub.site.on(f"{REPOSITORY}?blobs=true&securityStatus=true", turn)
    row = assert_unknown(nerq)
    assert any(reason in text for text in row["reasons"]), row["reasons"]


def test_a_hub_that_hangs_leaves_the_model_unknown_within_the_time_limit(nerq: Nerq, hub: HubStandIn) -> None:
    hub.site.serve_all({"hang": True})
    started_at = time.monotonic()
    result = nerq(*SCAN, "--strict", "--timeout", SHORT)
    assert time.monotonic() - started_at < 8
    assert result.status == 3
    row = find_row(result)
    assert (row["state"], row["score"]) == ("unknown", None)


def test_a_hub_that_is_not_there_leaves_the_model_unknown(
    nerq: Nerq, hub: HubStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NERQ_HF_URL", "http://127.0.0.1:9")
    assert_unknown(nerq)
    assert hub.paths == []


def test_a_used_up_limit_leaves_the_model_unknown_and_is_not_waited_for_beyond_the_time(
    nerq: Nerq, hub: HubStandIn
) -> None:
    hub.quotas = {"api": 0, "resolvers": 0}
    started_at = time.monotonic()
    result = nerq(*SCAN, "--strict", "--timeout", SHORT)
    assert time.monotonic() - started_at < 8
    assert result.status == 3
    row = find_row(result)
    assert (row["state"], row["score"]) == ("unknown", None)
    assert len(hub.paths) <= 2


def test_a_short_limit_is_waited_for(nerq: Nerq, hub: HubStandIn) -> None:
    limited: Turn = {"status": 429, "headers": {"RateLimit": '"api";r=0;t=1', "Retry-After": "1"}, "body": {}}
    answer: Turn = {"body": hub.repositories["models", "lumen/tiny-bert"]}
    hub.site.on(f"{REPOSITORY}?blobs=true&securityStatus=true", limited, answer)
    assert find_row(nerq(*SCAN))["version"] == SHA


@pytest.mark.parametrize("status", [401, 403, 404, 500])
def test_without_its_card_a_model_is_never_better(nerq: Nerq, hub: HubStandIn, status: int) -> None:
    whole = find_row(nerq(*SCAN))
    hub.turns[CARD_PATH] = {"status": status, "body": b""}
    row = find_row(nerq(*SCAN, "--no-cache"))
    assert row["version"] == SHA
    unknown = {signal["id"] for signal in row["signals"] if signal["state"] == "unknown"}
    if status == 404:  # it has none
        assert row["score"] < whole["score"]
    else:
        assert "card" in unknown


@pytest.mark.parametrize(
    "card",
    [
        "---\n" + "a: [" * 50_000 + "\n---\n# Demo\n",
        "---\nlicense: [unclosed\n  : : :\n---\n# Demo\n",
        "---\na: &a [x,x,x,x,x,x,x,x,x,x]\n"
        + "".join(f"{chr(98 + n)}: &{chr(98 + n)} [{','.join([f'*{chr(97 + n)}'] * 10)}]\n" for n in range(20))
        + "---\n# Demo\n",
        "---\nlicense: !!python/object/apply:os.system ['touch hacked']\n---\n# Demo\n",
        "# Demo\n" + "<script>alert(1)</script>\x1b[31m\u202e\x00" * 30_000,
        "# " * 500_000,
        "---\n" * 200_000,
        "[" * 500_000 + "](" * 250_000,
    ],
    ids=["deep", "broken", "laughs", "tag", "markup", "headings", "rules", "brackets"],
)
def test_a_hostile_card_is_read_as_data(nerq: Nerq, hub: HubStandIn, project: Path, card: str) -> None:
    hub.cards["lumen/tiny-bert"] = card
    started_at = time.monotonic()
    result = nerq(*SCAN)
    seconds = time.monotonic() - started_at
    row = find_row(result)
    assert (row["version"], row["score"] is not None) == (SHA, True)
    assert seconds < 10
    assert not (project / "hacked").exists()
    for format_name in ("table", "markdown", "sarif", "cyclonedx"):
        shown = nerq("scan", "--as-of", "2026-11-21", "--format", format_name)
        assert "Traceback" not in shown.err
        assert "\x1b[31m" not in shown.out + shown.err
        assert "\u202e" not in shown.out


@pytest.mark.parametrize("command", [SCAN, ("check", "hf:lumen/tiny-bert", "--format", "json")])
def test_a_refresh_requests_everything_again_also_within_the_same_second(
    nerq: Nerq, hub: HubStandIn, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nerq_cli.application.session.time.time", lambda: 1_795_262_400.5)
    first = nerq(*command)
    paths = list(hub.paths)
    assert len(paths) == 3
    for number in (2, 3):
        assert nerq(*command, "--refresh").json["dependencies"] == first.json["dependencies"]
        assert sorted(hub.paths) == sorted(paths * number)
    assert nerq(*command).json["dependencies"] == first.json["dependencies"]
    assert len(hub.paths) == 9


def test_a_card_that_is_not_text_is_read(nerq: Nerq, hub: HubStandIn) -> None:
    hub.turns[CARD_PATH] = {"body": bytes(range(256)) * 400}
    assert find_row(nerq(*SCAN))["version"] == SHA


def test_without_network_what_is_kept_is_used_and_all_else_is_unknown(nerq: Nerq, hub: HubStandIn) -> None:
    row = assert_unknown(nerq, "--offline")
    assert any("offline" in reason for reason in row["reasons"])
    assert hub.paths == []
    online = find_row(nerq(*SCAN))
    count = len(hub.paths)
    assert find_row(nerq(*SCAN, "--offline")) == online
    assert len(hub.paths) == count


def test_a_name_that_is_private_is_not_sent(nerq: Nerq, hub: HubStandIn, project: Path) -> None:
    (project / "nerq.toml").write_text('private = ["lumen/*"]\n')
    result = nerq(*SCAN)
    assert "Traceback" not in result.err
    assert not any("lumen" in path for path in hub.paths)


def test_one_model_that_fails_does_not_touch_the_others(nerq: Nerq, hub: HubStandIn, project: Path) -> None:
    hub.add_model("lumen/other-bert")
    (project / "more.py").write_text(SOURCE.replace("lumen/tiny-bert", "lumen/other-bert"))
    hub.turns[REPOSITORY] = {"status": 500, "body": {}}
    rows = {row["name"]: row for row in nerq(*SCAN).json["dependencies"]}
    assert rows["lumen/tiny-bert"]["state"] == "unknown"
    assert rows["lumen/other-bert"]["version"] == SHA


# --- The cache of huggingface_hub -----------------------------------------------------------------------------------


@pytest.fixture
def cached(hub: HubStandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An older commit of the model in the cache of the Hub's client, which the Hub has as well."""
    commit = "b" * 40
    folder = tmp_path / "hub" / "models--lumen--tiny-bert"
    (folder / "snapshots" / commit).mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(commit)
    monkeypatch.setenv("HF_HUB_CACHE", str(folder.parent))
    answer = hub.repositories["models", "lumen/tiny-bert"] | {"sha": commit}
    hub.turns[f"/api/models/lumen/tiny-bert/revision/{commit}"] = {"body": answer}
    return commit


def test_the_commit_in_the_cache_of_the_client_is_scored(nerq: Nerq, hub: HubStandIn, cached: str) -> None:
    row = find_row(nerq(*SCAN))
    assert (row["version"], row["requirement"], row["resolution"]) == (cached, "", "range")
    assert "version in use: the commit in the cache of huggingface_hub" in row["reasons"]
    assert cached in row["fix"]
    assert REPOSITORY not in hub.paths


def test_the_commit_in_the_cache_of_the_client_is_known_without_network(
    nerq: Nerq, hub: HubStandIn, cached: str
) -> None:
    row = find_row(nerq(*SCAN, "--offline", "--strict"))
    assert (row["version"], row["state"], row["score"]) == (cached, "unknown", None)
    listed = json.loads(nerq("scan", "--list", "--format", "json").out)
    assert [entry["version"] for entry in listed["dependencies"]] == [cached]
    assert hub.paths == []


def test_a_pinned_commit_and_a_target_do_not_depend_on_the_cache_of_the_client(
    nerq: Nerq, hub: HubStandIn, project: Path, cached: str
) -> None:
    (project / "app.py").write_text(
        f'from transformers import AutoModel\nAutoModel.from_pretrained("lumen/tiny-bert", revision="{SHA}")\n'
    )
    row = find_row(nerq(*SCAN))
    assert (row["version"], row["resolution"]) == (SHA, "pinned")
    [target] = nerq("check", "hf:lumen/tiny-bert", "--as-of", "2026-11-21", "--format", "json").json["dependencies"]
    assert target["version"] == SHA
    assert not any(cached in path for path in hub.paths)


def test_a_replay_does_not_read_the_cache_of_the_client(
    nerq: Nerq, tmp_path: Path, cached: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = str(tmp_path / "evidence.nerq")
    first = nerq(*SCAN, "--record", recording)
    assert find_row(first)["version"] == cached
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "none"))
    assert nerq("scan", "--replay", recording, "--format", "json").out == first.out


# --- Files that are not searched ------------------------------------------------------------------------------------

BROKEN = SOURCE + "def broken(:\n"
SKIPPED = {
    "broken.py": BROKEN.encode(),
    "deep/large.py": (SOURCE + "#" * (1 << 20)).encode(),
    "binary.py": SOURCE.encode() + b"\0",
    "minified.js": b'import { pipeline } from "@huggingface/transformers"; pipeline("a", "acme/b");' + b" " * 21_000,
}


def test_source_files_that_are_not_searched_leave_a_run_incomplete_and_are_named(
    nerq: Nerq, hub: HubStandIn, project: Path
) -> None:
    assert nerq(*SCAN, "--strict").status == 0
    (project / "deep").mkdir()
    for name, content in SKIPPED.items():
        (project / name).write_bytes(content)
    strict = nerq(*SCAN, "--strict")
    assert strict.status == 3
    assert "4 source files not searched for models, or not all of it" in strict.json["exit"]["reason"]
    lenient = nerq(*SCAN)
    assert lenient.status == 0
    for result in (strict, lenient):
        assert result.json["complete"] is False
        assert {error["path"] for error in result.json["errors"]} == set(SKIPPED)
    shown = nerq("scan", "--as-of", "2026-11-21", "-v")
    assert all(name in shown.out + shown.err for name in SKIPPED)
    left_out = [option for name in SKIPPED for option in ("--exclude", name)]
    assert nerq(*SCAN, "--strict", *left_out).status == 0


def test_data_that_is_not_searched_is_listed_and_leaves_nothing_open(
    nerq: Nerq, hub: HubStandIn, project: Path
) -> None:
    (project / "rows.json").write_text('{"model": "a/b", "rows": "' + "x" * (1 << 20) + '"}')
    result = nerq(*SCAN, "--strict")
    assert (result.status, result.json["complete"]) == (0, True)
    [file] = [file for file in result.json["dependency_files"] if file["path"] == "rows.json"]
    assert file["notes"] == ["not searched for models, or not all of it: is larger than 1 MiB"]


def test_a_project_with_unreadable_sources_alone_has_nothing_to_scan(
    nerq: Nerq, hub: HubStandIn, project: Path
) -> None:
    for file in project.iterdir():
        file.unlink()
    (project / "broken.py").write_text("from transformers import (\n'acme/b'\n")
    result = nerq(*SCAN)
    assert result.status == 4
    assert result.json["warnings"] == [
        "broken.py: not searched for models, or not all of it: is not valid Python (line 1)"
    ]


def test_a_source_file_that_is_not_searched_stops_no_other_command(nerq: Nerq, hub: HubStandIn, project: Path) -> None:
    (project / "broken.py").write_text(BROKEN)
    assert nerq("why", "hf:lumen/tiny-bert").status == 0
    assert "broken.py" not in nerq("fix").err


# --- Advice to pin --------------------------------------------------------------------------------------------------


def test_pinning_is_no_fix_of_a_repository_that_is_reported_as_unsafe(
    nerq: Nerq, hub: HubStandIn, project: Path
) -> None:
    (project / "nerq.toml").write_text('[rules]\nunpinned = "warn"\n')
    safe = nerq(*SCAN)
    assert find_row(safe)["fix"] == f'pin it: revision="{SHA}"'
    [finding] = [item for item in safe.json["findings"] if item["id"] == "unpinned"]
    assert "pin it" in finding["text"]
    report = {"scansDone": True, "filesWithIssues": [{"path": "model.safetensors", "level": "unsafe"}]}
    hub.add_model("lumen/tiny-bert", card=CARD * 20, cardData={"license": "apache-2.0"}, securityRepoStatus=report)
    unsafe = nerq(*SCAN, "--no-cache")
    row = find_row(unsafe)
    assert [cap["id"] for cap in row["caps"]] == ["unsafe"]
    assert row["fix"] is None
    [finding] = [item for item in unsafe.json["findings"] if item["id"] == "unpinned"]
    assert "pin it" not in finding["text"]
    assert "pin it" not in nerq("scan", "--as-of", "2026-11-21", "--no-cache", "--explain", "lumen/tiny-bert").out


# --- Renamed repositories -------------------------------------------------------------------------------------------


def test_a_renamed_repository_is_shown_under_its_new_name(nerq: Nerq, hub: HubStandIn, project: Path) -> None:
    hub.renamed["old/name"] = "lumen/tiny-bert"
    result = nerq("check", "hf:old/name", "--as-of", "2026-11-21", "--format", "json")
    row = find_row(result)
    assert row["purl"].startswith("pkg:huggingface/lumen/tiny-bert@")
    assert "renamed on the Hub: before old/name" in row["reasons"]
    assert "lumen/tiny-bert" in nerq("check", "hf:old/name", "--as-of", "2026-11-21").out
    (project / "old.py").write_text(SOURCE.replace("lumen/tiny-bert", "old/name"))
    row = find_row(nerq(*SCAN))
    assert {place["path"] for place in row["locations"]} == {"app.py", "old.py"}
    assert row["aliases"] == ["old/name"]


def test_a_renamed_repository_keeps_the_threshold_of_its_old_name(nerq: Nerq, hub: HubStandIn, project: Path) -> None:
    hub.renamed["old/name"] = "lumen/tiny-bert"
    (project / "app.py").write_text(SOURCE.replace("lumen/tiny-bert", "old/name"))
    assert nerq(*SCAN).status == 0
    (project / "nerq.toml").write_text('[thresholds.packages]\n"hf:old/name" = 99\n')
    assert nerq(*SCAN).status == 1


@pytest.mark.parametrize("name", ["old/name", "old/*", "lumen/tiny-bert"])
def test_a_waiver_of_a_renamed_repository_holds_under_its_old_name(
    nerq: Nerq, hub: HubStandIn, project: Path, name: str
) -> None:
    hub.renamed["old/name"] = "lumen/tiny-bert"
    (project / "app.py").write_text(SOURCE.replace("lumen/tiny-bert", "old/name"))
    strict = ("--threshold", "99")
    assert nerq(*SCAN, *strict).status == 1
    waive = ("waive", f"hf:{name}", "--rule", "score-below-threshold", "--until", "90d", "--reason", "known")
    assert nerq(*waive).status == 0
    result = nerq(*SCAN, *strict)
    assert result.status == 0, result.out
    assert "waiver-unused" not in [finding["id"] for finding in result.json["findings"]]


# --- Comparison with an earlier run ---------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["baseline", "json"])
def test_scores_by_another_methodology_of_models_are_not_compared(
    nerq: Nerq, hub: HubStandIn, project: Path, form: str
) -> None:
    assert hub.repositories
    earlier = project / "nerq-baseline.json"
    if form == "baseline":
        assert nerq("baseline", "--as-of", "2026-11-21").status == 0
    else:
        earlier.write_text(nerq(*SCAN).out)
    assert not any("not compared" in text for text in nerq(*SCAN, "--baseline", str(earlier)).json["warnings"])
    text = earlier.read_text()
    score = find_row(nerq(*SCAN))["score"]
    current = f"models {MODELS.version}"
    assert current in text
    earlier.write_text(text.replace(current, "models 0.9").replace(f'"score":{score}', '"score":12.0'))
    result = nerq(*SCAN, "--baseline", str(earlier))
    note = f"scores by methodology {current} are not compared: nerq-baseline.json has those by models 0.9"
    assert note in result.json["warnings"]
    assert result.json["comparison"]["changes"] == []


# --- Repositories whose scans the Hub does not state ----------------------------------------------------------------


CHECK = ("--as-of", "2026-11-21", "--format", "json", "--strict")
#: A card with the topics that a dataset, Space or kernel should have.
FULL_CARD = "---\nlicense: mit\nsource_datasets: original\n---\n# Demo\n\n" + "".join(
    f"## {heading}\n\n{'It is written in whole sentences for those who have to decide about it. ' * 8}\n\n"
    for heading in (
        "Summary",
        "Intended use",
        "Limitations",
        "Training data",
        "Data collection",
        "How to use",
        "Contact",
    )
)


def add_repositories(hub: HubStandIn) -> None:
    """Add a dataset with a pickle file, a Space with a program, and a kernel."""
    fields = {
        "cardData": {"license": "mit", "source_datasets": "original"},
        "models": ["lumen/tiny-bert"],
        "runtime": {"stage": "RUNNING"},
    }
    for kind, name in (("datasets", "lumen/rows"), ("spaces", "lumen/app")):
        files = [{"rfilename": path, "size": 9} for path in ("README.md", "app.py", "train.parquet", "train.csv")]
        hub.repositories[kind, name] = build_model(name, siblings=files, **fields)
        hub.cards[f"{kind}/{name}"] = FULL_CARD
    hub.repositories["kernels", "lumen/fast"] = {
        "id": "lumen/fast",
        "author": "lumen",
        "sha": SHA,
        "gated": False,
        "downloads": 5_000,
        "likes": 100,
        "lastModified": "2026-01-02T03:04:05.000Z",
    }
    hub.trees["lumen/fast"] = [{"type": "file", "path": f"build/torch/{name}", "size": 9} for name in ("a.so", "a.py")]
    hub.cards["kernels/lumen/fast"] = FULL_CARD


FILES_OF = {
    "hf-dataset:lumen/rows": "app.py",
    "hf-space:lumen/app": "app.py",
    "hf-kernel:lumen/fast": "build/torch/a.so",
}


@pytest.mark.parametrize("target", FILES_OF)
def test_a_repository_whose_files_are_scanned_passes_a_strict_run(nerq: Nerq, hub: HubStandIn, target: str) -> None:
    add_repositories(hub)
    result = nerq("check", target, *CHECK)
    assert result.status == 0, result.out
    [row] = result.json["dependencies"]
    [signal] = [signal for signal in row["signals"] if signal["id"] == "file_scan"]
    assert (signal["state"], signal["value"]) == ("known", 100)
    count = len(hub.paths)
    assert nerq("check", target, *CHECK).json["dependencies"] == result.json["dependencies"]
    assert len(hub.paths) == count


@pytest.mark.parametrize("target", FILES_OF)
@pytest.mark.parametrize(
    ("state", "status", "reason"),
    [
        ({"status": "queued"}, 3, "that may hold code: 1 not done"),
        ({"status": "unscanned"}, 3, "that may hold code: 1 not done"),
        (None, 3, "that may hold code: 1 not read"),
        ({"status": "unsafe"}, 1, "is reported as unsafe"),
        ({"status": "safe", "avScan": {"status": "unsafe"}}, 1, "virus found in"),
    ],
)
def test_a_file_that_is_not_scanned_or_not_safe_fails_a_strict_run(
    nerq: Nerq, hub: HubStandIn, target: str, state: Any, status: int, reason: str
) -> None:
    add_repositories(hub)
    hub.file_states[target.partition(":")[2], FILES_OF[target]] = state
    result = nerq("check", target, *CHECK)
    assert result.status == status, result.out
    [row] = result.json["dependencies"]
    [signal] = [signal for signal in row["signals"] if signal["id"] == "file_scan"]
    assert reason in signal["reason"]


def test_a_range_of_versions_of_a_kernel_is_scored_and_has_the_commit_to_pin(
    nerq: Nerq, hub: HubStandIn, project: Path
) -> None:
    add_repositories(hub)
    hub.branches["lumen/fast"] = {"main": SHA, "v1": "1" * 40, "v2": "2" * 40}
    (project / "app.py").write_text('from kernels import get_kernel\nget_kernel("lumen/fast", version=">=1,<2")\n')
    (project / "pyproject.toml").write_text('[tool.kernels.dependencies]\n"lumen/fast" = "~=2.0"\n')
    rows = {row["requirement"]: row for row in nerq(*SCAN).json["dependencies"]}
    assert {requirement: row["version"] for requirement, row in rows.items()} == {">=1,<2": "1" * 40, "~=2.0": "2" * 40}
    pins = {requirement: row["fix"] for requirement, row in rows.items()}
    assert pins == {">=1,<2": f'pin it: revision="{"1" * 40}"', "~=2.0": f"pin it: revision {'2' * 40}"}
    for row in rows.values():
        assert row["score"] is not None
        [pinning] = [signal for signal in row["signals"] if signal["id"] == "pinning"]
        assert pinning["value"] == 40
    [target] = nerq("check", "hf-kernel:lumen/fast@>=1", *CHECK).json["dependencies"]
    assert (target["version"], target["requirement"]) == ("2" * 40, ">=1")
    missing = nerq("check", "hf-kernel:lumen/fast@~=7.0", *CHECK)
    assert missing.status == 2
    assert any("no revision that meets ~=7.0" in reason for reason in missing.json["dependencies"][0]["reasons"])


def test_a_dataset_without_scan_results_has_a_way_out(nerq: Nerq, hub: HubStandIn, project: Path) -> None:
    add_repositories(hub)
    hub.turns[f"/api/datasets/lumen/rows/paths-info/{SHA}"] = {"status": 404, "body": {}}
    (project / "app.py").write_text('from datasets import load_dataset\nload_dataset("lumen/rows")\n')
    strict = nerq(*SCAN, "--threshold", "50", "--strict")
    assert strict.status == 3, strict.out
    [hint] = [hint for hint in strict.json["hints"] if "not judged" in hint]
    command = hint.partition("nerq ")[2].split()
    assert command == [
        "waive",
        "hf-dataset:lumen/rows",
        "--rule",
        "score-unknown",
        "--until",
        "90d",
        "--reason",
        "TEXT",
    ]
    assert nerq(*command).status == 0
    assert nerq(*SCAN, "--threshold", "50", "--strict").status == 0
