"""``nerq compliance``, whole, against a stand-in for the Hub and registries on loopback."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from nerq_cli.report.compliance import build_schema
from tests.cli.conftest import AS_OF, Registry, Result
from tests.conftest import Site
from tests.sources.huggingface.conftest import HubStandIn, build_model

Nerq = Callable[..., Result]
BASE_CARD = "# Base\n\n## Training data\n\n- web pages of many languages\n- code\n- books\n"
HOSTILE = (
    "---\nlicense: &a [*a, *a]\n---\n# \x1b[31mred\u202e\n\n::error::x\n\n## Limitations\n\n<b>TODO</b>\n"
    + "x" * 300_000
)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubStandIn]:
    """A stand-in for the Hub with a quantised model, its base and its dataset."""
    site = Site()
    stand_in = HubStandIn(site)
    data = {"license": "apache-2.0", "base_model": "org/base", "datasets": ["org/corpus"]}
    # As the Hub answers: it adds the relation as a tag, and `baseModels` is not in the answer.
    tags = ["license:apache-2.0", "base_model:org/base", "base_model:quantized:org/base"]
    stand_in.add_model("org/demo", cardData=data, card="# Demo\n", tags=tags)
    stand_in.add_model("org/base", card=BASE_CARD)
    stand_in.repositories["datasets", "org/corpus"] = build_model("org/corpus", cardData={"license": "cc-by-nc-4.0"})
    stand_in.organisations["org"] = {"name": "org", "isVerified": True}
    monkeypatch.setenv("NERQ_HF_URL", site.url)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    yield stand_in
    site.close()


def assess(nerq: Nerq, *arguments: str) -> Result:
    return nerq("compliance", *arguments, "--as-of", AS_OF, "-f", "json")


def test_a_model_has_keys_then_a_line_for_each_jurisdiction(hub: HubStandIn, nerq: Nerq) -> None:
    result = nerq("compliance", "hf:org/demo", "--as-of", AS_OF)
    assert result.status == 0
    assert result.err == ""
    assert result.out.index("licence declared") < result.out.index("European Union") < result.out.index("Argentina")
    short = nerq("compliance", "hf:org/demo", "--as-of", AS_OF, "--no-jurisdictions", "--offline")
    assert "European Union" not in short.out
    assert "licence declared" in short.out


def test_the_document_fits_the_printed_schema_and_is_the_same_each_time(hub: HubStandIn, nerq: Nerq) -> None:
    hub.add_model("org/other")
    result = assess(nerq, "hf:org/demo", "hf:org/other")
    schema = nerq("schema", "compliance").json
    assert schema == build_schema()
    jsonschema.validate(result.json, schema)
    assert [entry["target"] for entry in result.json["targets"]] == ["hf:org/demo", "hf:org/other"]
    assert len(result.json["targets"][0]["compliance"]["instruments"]["jurisdictions"]) == 52
    assert assess(nerq, "hf:org/demo", "hf:org/other", "--offline").out == result.out


def test_the_training_data_is_read(hub: HubStandIn, nerq: Nerq) -> None:
    (entry,) = assess(nerq, "hf:org/demo").json["targets"]
    assert [conflict["base"] for conflict in entry["compliance"]["licence"]["conflicts"]] == ["org/corpus"]


def test_a_quantised_model_has_a_part_of_what_the_card_of_its_base_has(hub: HubStandIn, nerq: Nerq) -> None:
    hub.repositories["models", "org/demo"]["cardData"].pop("datasets")
    (entry,) = assess(nerq, "hf:org/demo").json["targets"]
    keys = {key["key"]: key for key in entry["compliance"]["keys"]}
    assert keys["training_data_summary"]["inherited_from"] == "org/base"
    assert keys["training_data_summary"]["credit"] == 0.5
    assert keys["evaluation_results"]["state"] == "absent"


def test_a_dataset_and_a_space_are_read(hub: HubStandIn, nerq: Nerq) -> None:
    hub.repositories["spaces", "org/app"] = build_model("org/app", sdk="gradio", models=["org/base"])
    result = assess(nerq, "hf-dataset:org/corpus", "hf-space:org/app")
    assert [entry["compliance"]["kind"] for entry in result.json["targets"]] == ["dataset", "space"]


@pytest.mark.parametrize(
    ("name", "part"),
    [("org/gone", "missing or private"), ("org/gated", "card: "), ("org/long", "card: what is beyond 256 KiB")],
)
def test_what_is_not_read_fails_a_strict_run_only(hub: HubStandIn, nerq: Nerq, name: str, part: str) -> None:
    hub.add_model("org/gated", gated="manual", cardData={"license": "mit"})
    hub.add_model("org/long", card="# Demo\n\n" + "word " * 60_000)
    result = assess(nerq, f"hf:{name}")
    assert (result.status, result.json["complete"]) == (0, False)
    assert part in result.err
    assert result.json["targets"][0]["unread"]
    strict = assess(nerq, f"hf:{name}", "--strict")
    assert (strict.status, strict.json["exit"]["code"]) == (3, 3)
    assert part in strict.err


def test_files_that_were_not_listed_are_named(hub: HubStandIn, nerq: Nerq) -> None:
    hub.repositories["datasets", "org/large"] = build_model("org/large", siblings=None, cardData={"license": "mit"})
    hub.trees["org/large"] = [{"type": "file", "path": f"{number}.csv", "size": 1} for number in range(9)]
    hub.page_size = 2
    strict = assess(nerq, "hf-dataset:org/large", "--strict")
    assert strict.status == 3
    assert "files: the files were not all listed" in strict.json["targets"][0]["unread"]


def test_a_repository_without_the_revision_is_an_error(hub: HubStandIn, nerq: Nerq) -> None:
    result = assess(nerq, "hf:org/demo@v9", "hf:org/base")
    assert result.status == 2
    assert "no revision v9" in result.err
    assert [bool(entry["missing"]) for entry in result.json["targets"]] == [True, False]


def test_an_old_table_is_named(hub: HubStandIn, nerq: Nerq) -> None:
    result = nerq("compliance", "hf:org/demo", "--as-of", "2027-08-01", "-f", "json")
    assert "the table of jurisdictions was checked on" in result.err
    assert result.json["warnings"]
    assert assess(nerq, "hf:org/demo").json["warnings"] == []


def test_a_private_name_is_not_sent(hub: HubStandIn, nerq: Nerq, project: Path) -> None:
    (project / "nerq.toml").write_text('private = ["org/*"]\n', encoding="utf-8")
    result = assess(nerq, "hf:org/demo", "--strict")
    assert result.status == 3
    assert not hub.paths


@pytest.mark.parametrize("width", ["80", "200"])
def test_a_hostile_card_cannot_write_to_the_terminal(
    hub: HubStandIn, nerq: Nerq, monkeypatch: pytest.MonkeyPatch, width: str
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    hub.add_model("org/evil", card=HOSTILE, cardData={"license": "\x1b[2J::error::pwn"}, pipeline_tag="\x1b]0;x\x07")
    for text in (nerq("compliance", "hf:org/evil").out, nerq("compliance", "hf:org/evil", "-f", "json").out):
        assert not any(sign in text for sign in ("\x1b", "\u202e", "\\u001b"))
        assert not any(line.lstrip().startswith("::") for line in text.splitlines())
    assert max(map(len, nerq("compliance", "hf:org/evil").out.splitlines())) <= int(width)


def test_a_package_has_licence_and_data_handling_only(registry: Registry, nerq: Nerq) -> None:
    registry.pypi("acme", "1.0")
    registry.most_used()
    result = assess(nerq, "pypi:acme==1.0")
    (entry,) = result.json["targets"]
    compliance = entry["compliance"]
    rows = {row["id"]: row["state"] for row in compliance["licence"]["rows"]}
    assert (rows["declared"], rows["changelog"]) == ("present", "present")
    assert rows["security_contact"] == "unknown"
    assert (compliance["keys"], compliance["instruments"]) == ([], None)
    assert compliance["not_applicable"].startswith("AI instruments: not applicable")
    assert (result.status, result.json["complete"]) == (0, False)
    assert assess(nerq, "pypi:acme==1.0", "--strict").status == 0


def test_a_package_that_does_not_exist_is_an_error(registry: Registry, nerq: Nerq) -> None:
    registry.most_used()
    registry.site.on("/pypi/acme-gone/json", {"status": 404})
    registry.site.on("/simple/acme-gone/", {"status": 404})
    result = assess(nerq, "pypi:acme-gone")
    assert result.status == 2
    assert "no such package on PyPI" in result.err


def test_a_registry_that_fails_leaves_the_package_unknown(registry: Registry, nerq: Nerq) -> None:
    registry.site.on("/pypi/acme/json", {"status": 500})
    registry.site.on("/simple/acme/", {"status": 500})
    result = assess(nerq, "pypi:acme==1.0", "--strict", "--timeout", "2")
    assert result.status == 3
    assert result.json["targets"][0]["compliance"]["value"] is None


def test_an_ambiguous_name_is_refused(registry: Registry, nerq: Nerq) -> None:
    registry.pypi("acme", "1.0")
    registry.npm("acme", "1.0.0")
    result = assess(nerq, "acme")
    assert result.status == 2
    assert "nerq compliance pypi:acme   nerq compliance npm:acme" in result.err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["github:acme/.."],
        ["hf:../x"],
        ["hf:a/\x1b[0m"],
        ["hf:org/demo", "-o", "x.pdf"],
        ["hf:org/demo", "-o", "json=package.json"],
        ["hf:org/demo", "--for", "production"],
        ["hf:org/demo", "--as-of", "soon"],
    ],
)
def test_other_arguments_are_refused(nerq: Nerq, arguments: list[str]) -> None:
    result = nerq("compliance", *arguments)
    assert (result.status, result.out) == (2, "")
    assert "\x1b" not in result.err


def test_files_are_written_beside_stdout(hub: HubStandIn, nerq: Nerq, project: Path) -> None:
    result = nerq("compliance", "hf:org/demo", "-o", "a.json", "-o", "table=b", "--as-of", AS_OF)
    assert json.loads((project / "a.json").read_text(encoding="utf-8"))["exit"]["code"] == 0
    assert (project / "b").read_text(encoding="utf-8") == result.out


@pytest.mark.parametrize("options", [["config", "compliance"], ["unknown"]])
def test_one_known_schema_is_printed(nerq: Nerq, options: list[str]) -> None:
    assert nerq("schema", *options).status == 2


def test_a_model_in_the_cache_takes_no_request(hub: HubStandIn, nerq: Nerq) -> None:
    first: Any = assess(nerq, "hf:org/demo").json
    count = len(hub.paths)
    assert assess(nerq, "hf:org/demo").json == first
    assert len(hub.paths) == count
