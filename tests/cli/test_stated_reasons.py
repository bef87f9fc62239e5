"""Reasons, advice and hints state what is the case: the same in every format, and nothing that cures nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import AS_OF, Registry, Result, Services
from tests.conftest import Site
from tests.sources.huggingface.conftest import SHA, HubStandIn, build_model

Nerq = Callable[..., Result]
SCAN = ("scan", "--as-of", AS_OF)
FULL_CARD = """---
license: apache-2.0
---
# Demo

## Intended use
It is intended for assistants, for writing help and for research on language models by developers.

## Limitations
It may produce wrong statements, it was made mostly from English text, and it is not for medical decisions.

## Training data
- web pages

## Evaluation
| task | score |
|---|---|
| mmlu | 70.1 |
"""


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubStandIn]:
    """A stand-in for the Hub without repositories."""
    site = Site()
    monkeypatch.setenv("NERQ_HF_URL", site.url)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    yield HubStandIn(site)
    site.close()


def check(nerq: Nerq, *arguments: str) -> str:
    """Return the card as text, with its line breaks as spaces."""
    return " ".join(nerq("check", *arguments, "--as-of", AS_OF).out.split())


# --- why there is no verdict


@pytest.mark.parametrize("output", ["sarif", "markdown", "github", "gitlab-codequality", "junit", "json"])
def test_every_format_has_the_reason_of_the_table(
    registry: Registry, services: Services, nerq: Nerq, project: Path, output: str
) -> None:
    registry.pypi("x", "1.0", "2.0", description="")
    (project / "requirements.txt").write_text("x==1.0\n")
    services.silent()
    result = nerq(*SCAN, "-f", "json").json
    [finding] = [one for one in result["findings"] if one["id"] == "score-unknown"]
    assert finding["text"].startswith("advisories not checked: ")
    assert result["dependencies"][0]["reasons"][0] == finding["text"]
    assert "advisories not checked: " in nerq(*SCAN, "-f", output).out


def add_dataset(hub: HubStandIn, name: str, **fields: Any) -> None:
    hub.repositories["datasets", name] = build_model(name, siblings=[{"rfilename": "x.pkl", "size": 1}], **fields)
    hub.cards[f"datasets/{name}"] = FULL_CARD


def test_a_score_that_is_below_the_threshold_would_not_reach_it(hub: HubStandIn, nerq: Nerq) -> None:
    add_dataset(hub, "d/queued", cardData={"license": "mit"}, tags=[])
    hub.file_states["d/queued", "x.pkl"] = {"status": "queued"}
    target = ("hf-dataset:d/queued", "--as-of", AS_OF)
    [row] = nerq("check", *target, "-f", "json").json["dependencies"]
    low, high = row["score_range"]
    assert row["score"] < high
    for threshold, sentence in (
        (high, f"may score {low:.1f} to {high:.1f}, because the scan of its files is not known"),
        (row["score"], f"would reach {row['score']:g}, but the scan of its files is not known"),
    ):
        result = nerq("check", *target, "--threshold", str(threshold))
        assert sentence in " ".join(result.out.split())


# --- advice to pin


def load(project: Path, name: str, options: str = "") -> None:
    (project / "app.py").write_text(
        f'from transformers import AutoModel\n\nmodel = AutoModel.from_pretrained("{name}"{options})\n'
    )


@pytest.mark.parametrize(
    ("path", "text", "pin"),
    [
        ("app.py", 'from transformers import AutoModel\nAutoModel.from_pretrained("lumen/tiny")\n', 'revision="{}"'),
        (
            "web.ts",
            'import {{ pipeline }} from "@huggingface/transformers";\npipeline("x", "lumen/tiny");\n',
            'revision: "{}"',
        ),
        ("run.sh", "hf download lumen/tiny\n", "--revision {}"),
        ("Dockerfile", "FROM python:3.12\nRUN hf download lumen/tiny\n", "--revision {}"),
        (
            "docker-compose.yml",
            'services:\n  vllm:\n    image: vllm/vllm-openai:v1\n    command: ["--model", "lumen/tiny"]\n',
            "--revision {}",
        ),
        ("Modelfile", "FROM hf.co/lumen/tiny\n", "revision {}"),
    ],
)
def test_the_commit_to_paste_fits_the_file(
    hub: HubStandIn, nerq: Nerq, project: Path, path: str, text: str, pin: str
) -> None:
    hub.add_model("lumen/tiny", card=FULL_CARD)
    (project / path).write_text(text.replace("{{", "{").replace("}}", "}"))
    [row] = nerq(*SCAN, "-f", "json", "--threshold", "10").json["dependencies"]
    assert (row["state"], row["fix"]) == ("ok", f"pin it: {pin.format(SHA)}")


def find_fix(nerq: Nerq, *options: str) -> tuple[str, str | None]:
    """Return state and fix of the only dependency."""
    [row] = nerq(*SCAN, "-f", "json", "--no-cache", *options).json["dependencies"]
    return row["state"], row["fix"]


def test_pinning_is_advised_only_where_it_helps(hub: HubStandIn, nerq: Nerq, project: Path) -> None:
    pin = f'pin it: revision="{SHA}"'
    hub.add_model("lumen/tiny", card=FULL_CARD, config={"auto_map": {"AutoModel": "m.M"}})
    load(project, "lumen/tiny", ", trust_remote_code=True")
    assert find_fix(nerq) == ("below", pin)  # the cap is lifted
    hub.add_model("lumen/tiny", card=FULL_CARD)
    hub.users["lumen"] = {"user": "lumen", "numModels": 9, "numFollowers": 2}
    load(project, "lumen/tiny")
    score = nerq(*SCAN, "-f", "json", "--no-cache").json["dependencies"][0]["score_range"][1]
    assert find_fix(nerq, "--threshold", "10") == ("ok", pin)
    assert find_fix(nerq, "--threshold", f"{score + 0.1:.1f}") == ("below", pin)
    assert find_fix(nerq, "--threshold", "99") == ("below", None)


@pytest.mark.parametrize(
    "fields",
    [
        {"disabled": True},
        {"gated": "manual", "securityRepoStatus": None},
        {"id": "Qvven/Qwen3-4B-Instruct-2507", "author": "Qvven"},
    ],
)
def test_pinning_is_no_advice_for_what_it_does_not_settle(
    hub: HubStandIn, nerq: Nerq, project: Path, fields: dict[str, Any]
) -> None:
    name = fields.get("id", "lumen/tiny")
    hub.add_model(name, card=FULL_CARD, **fields)
    load(project, name)
    assert find_fix(nerq) == ("unknown", None)
    assert "pin it" not in nerq(*SCAN, "-f", "sarif").out
    assert "pin it" not in nerq("check", f"hf:{name}", "--as-of", AS_OF).out


# --- what is not known, and hints


@pytest.mark.parametrize(
    ("turn", "reason"),
    [
        ({"status": 500, "body": {}}, "HTTP 500"),
        ({"status": 200, "headers": {"Content-Type": "text/html"}, "body": b"<html>"}, "not the JSON"),
        ({"status": 307, "headers": {"Location": "http://127.0.0.1:9/x"}, "body": b""}, "redirects to"),
        ({"status": 451, "body": {}}, "in this region (451)"),
        ({"status": 403, "body": {}}, "the Hub refuses it (403)"),
    ],
)
def test_an_answer_is_not_called_unreachable(hub: HubStandIn, nerq: Nerq, turn: Any, reason: str) -> None:
    hub.turns["/api/models/lumen/tiny/revision/main"] = turn
    printed = check(nerq, "hf:lumen/tiny")
    assert "not reachable" not in printed
    assert reason in printed.partition("Not known 100% of the evidence")[2]


def test_the_card_of_a_disabled_repository_was_not_read(hub: HubStandIn, nerq: Nerq) -> None:
    hub.add_model("lumen/tiny", disabled=True)
    printed = check(nerq, "hf:lumen/tiny")
    assert "states no commit" not in printed
    assert "not read: the repository is disabled on the Hub" in printed


def test_an_outage_of_the_mcp_registry_is_nothing_to_accept(
    registry: Registry, nerq: Nerq, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NERQ_MCP_REGISTRY_URL", registry.site.url)
    registry.site.on("/v0.1/servers/acme%2Fx/versions/latest?include_deleted=true", {"status": 500, "body": {}})
    [hint] = nerq("check", "mcp:acme/x", "--as-of", AS_OF, "-f", "json").json["hints"]
    assert hint.startswith("1 MCP server is not judged: MCP registry: ")
    assert hint.endswith("Try again later")


def test_a_revision_that_does_not_exist_is_no_scan_that_is_missing(hub: HubStandIn, nerq: Nerq, project: Path) -> None:
    hub.repositories["kernels", "lumen/fast"] = build_model("lumen/fast", siblings=[])
    hub.branches["lumen/fast"] = {"main": SHA, "v1": "1" * 40}
    (project / "pyproject.toml").write_text('[tool.kernels.dependencies]\n"lumen/fast" = ">=2"\n')
    result = nerq(*SCAN, "-f", "json").json
    [row] = result["dependencies"]
    assert (row["state"], row["reasons"]) == ("unknown", ["the repository has no revision that meets >=2"])
    assert result["hints"] == []


def test_a_token_may_settle_what_is_missing_or_private(hub: HubStandIn, nerq: Nerq) -> None:
    hub.add_model("lumen/other")
    result = nerq("check", "hf:lumen/tiny", "--as-of", AS_OF, "-f", "json").json
    assert result["hints"] == ["a Hugging Face token (HF_TOKEN) may settle 1 unknown model"]


@pytest.mark.parametrize("kind", ["models", "datasets", "spaces"])
def test_a_file_that_the_hub_reports_is_no_proof(hub: HubStandIn, nerq: Nerq, kind: str) -> None:
    prefix = {"models": "hf", "datasets": "hf-dataset", "spaces": "hf-space"}[kind]
    virus = {"scansDone": True, "filesWithIssues": [{"path": "x.pkl", "level": "virus"}]}
    if kind == "models":
        hub.add_model("lumen/tiny", securityRepoStatus=virus)
    else:
        hub.repositories[kind, "lumen/tiny"] = build_model("lumen/tiny", siblings=[{"rfilename": "x.pkl", "size": 1}])
        hub.repositories[kind, "lumen/tiny"].pop("securityRepoStatus")
        hub.file_states["lumen/tiny", "x.pkl"] = {
            "status": "unsafe",
            "avScan": {"status": "unsafe", "virusFound": True, "virusNames": ["EICAR"]},
        }
    printed = check(nerq, f"{prefix}:lumen/tiny")
    assert "is reported as infected by the scanners of the Hub: virus found in x.pkl" in printed
    assert "is malicious" not in printed
    assert "installed" not in printed.partition("Signals")[0]


# --- rows and their order


def test_main_is_what_is_loaded_without_a_revision(hub: HubStandIn, nerq: Nerq, project: Path) -> None:
    hub.add_model("lumen/tiny", card=FULL_CARD)
    load(project, "lumen/tiny")
    (project / "run.sh").write_text("hf download lumen/tiny --revision main\nhf download lumen/tiny --revision v1\n")
    hub.branches["lumen/tiny"] = {"main": SHA, "v1": "1" * 40}
    rows = nerq(*SCAN, "-f", "json").json["dependencies"]
    places = {row["requirement"]: [place["path"] for place in row["locations"]] for row in rows}
    assert places == {"main": ["app.py", "run.sh"], "v1": ["run.sh"]}
    assert "floating: main" in nerq(*SCAN, "--explain", "lumen/tiny").out


def test_a_cap_is_named_before_what_costs_more_points(hub: HubStandIn, nerq: Nerq, project: Path) -> None:
    files = [{"rfilename": "pytorch_model.bin", "size": 3}]
    hub.add_model("lumen/tiny", siblings=files, card="", cardData=None, tags=[], downloads=3, likes=0, safetensors=None)
    hub.users["lumen"] = {"user": "lumen", "numModels": 9, "numFollowers": 2}
    load(project, "lumen/tiny")
    (project / "requirements.txt").write_text("torch==2.5.0\n")
    rows = nerq(*SCAN, "-f", "json").json["dependencies"]
    [row] = [row for row in rows if row["name"] == "lumen/tiny"]
    assert "pickle-loader" in [cap["id"] for cap in row["caps"]]
    assert row["reasons"][0].startswith("pytorch_model.bin is a pickle file, and torch 2.5.0")
