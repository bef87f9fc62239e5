"""Places, details and files that cannot be read."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nerq_cli.manifests.references.find import READERS, find_reader, find_references
from nerq_cli.manifests.references.model import FileReferences, Reference
from nerq_cli.manifests.references.table import PATTERN_IDS
from tests.manifests.references.conftest import read_corpus

CORPUS = (*read_corpus("found.txt"), *read_corpus("look_alikes.txt"))
PATHS = sorted({snippet.path for snippet in CORPUS})


def only(path: str, text: str) -> Reference:
    found = find_references(path, text.encode()).references
    assert len(found) == 1
    return found[0]


def test_details_of_a_call_are_kept() -> None:
    reference = only(
        "src/a.py",
        "from huggingface_hub import hf_hub_download\n\n"
        'p = hf_hub_download(\n    "acme/gguf", "q4.gguf", revision="v1")',
    )
    assert reference.location.path == "src/a.py"
    assert reference.location.line == 3
    assert (reference.revision, reference.filename, reference.loader) == ("v1", "q4.gguf", "huggingface_hub")


@pytest.mark.parametrize(("value", "expected"), [("True", True), ("False", False), ("flag()", None)])
def test_whether_remote_code_is_trusted(value: str, expected: object) -> None:
    text = f'from transformers import AutoModel\nAutoModel.from_pretrained("acme/x", trust_remote_code={value})\n'
    assert only("a.py", text).trust_remote_code is expected


def test_a_computed_revision_is_not_known() -> None:
    text = 'from transformers import AutoModel\nAutoModel.from_pretrained("acme/x", revision=args.revision)\n'
    reference = only("a.py", text)
    assert reference.revision == ""
    assert not reference.is_revision_known


def test_the_line_in_a_notebook_is_that_of_the_file() -> None:
    cells = [
        {"cell_type": "markdown", "source": ["text\n"]},
        {"cell_type": "code", "source": ["import transformers as t\n", "\n", "t.AutoModel.from_pretrained('acme/x')"]},
    ]
    text = json.dumps({"cells": cells}, indent=1)
    reference = only("a.ipynb", text)
    assert "acme/x" in text.splitlines()[reference.location.line - 1]


def test_the_line_in_settings_is_that_of_the_value() -> None:
    assert only("a.yaml", "llm:\n  size: 1\n  model: acme/x\n").location.line == 3
    assert only("a.json", '{"llm": {\n"size": 1,\n"model": "acme/x"}}').location.line == 3
    assert only("a.toml", '[llm]\nsize = 1\nmodel = "acme/x"\n').location.line == 3


def test_a_function_that_passes_a_name_on_is_followed_in_large_files() -> None:
    filler = "\n".join(f"def unused_{number}():\n    return {number}\n" for number in range(300))
    text = (
        "from transformers import AutoModel\n\ndef load(name):\n    return AutoModel.from_pretrained(name)\n\n"
        f'{filler}\ndef outer(name):\n    return load(name)\n\nouter("acme/x")\n'
    )
    assert only("a.py", text).name == "acme/x"


def test_a_secret_is_never_a_reference() -> None:
    found = find_references(".env", b"MODEL_ID=hf_abcdefghijklmnopqrstuvwxyz0123456789\n")
    assert "hf_abc" not in str(found)


@pytest.mark.parametrize(
    ("path", "data", "note"),
    [
        ("a.py", b"from transformers import x\nx = 'a/b'\nprint 'no'\n", "is written for Python 2"),
        ("a.py", b"from transformers import x\nx = 'a/b'\nx(\n", "is not valid Python (line 3)"),
        ("a.py", b"# -*- coding: klingon -*-\nfrom transformers import x\nx = 'a/b'\n", "states"),
        ("a.py", b"from transformers import x\nx = 'a/b\xff'\n", ""),
        ("a.py", b"from transformers import x\nx = 'a/b'\0\n", "not"),
        ("a.py", b"from transformers import x\nx = 'a/b'" + b"\ny = " + b"(" * 5000 + b")" * 5000, ""),
        ("a.py", b"import transformers\nx = 'a/b'" + b" + 'a/b'" * 20_000, ""),
        ("a.ipynb", b"{'transformers': from transformers import /", "is not valid JSON"),
        ("a.ipynb", b'["from transformers import x", "/"]', "is not a notebook"),
        ("a.yaml", b"model: [acme/x\n", "is not valid YAML"),
        ("a.yaml", b"model: acme/\xff\n", "is not UTF-8 text"),
        ("a.json", b'{"model": "acme/x"', "is not valid JSON"),
        ("a.json", b'{"model": "a/b", "x": ' + b"[" * 10_000, "is not valid JSON"),
        ("a.toml", b"model = acme/x", "is not valid TOML"),
        ("kernels.lock", b"{}", "is not a lock file of kernels"),
        ("a.js", b"import '@huggingface/transformers';" + b"x" * 30_000, "is minified"),
        ("a.py", b"from transformers import x\ny = 'a/b'\n" + b"#" * (1 << 20), "is larger than 1 MiB"),
    ],
)
def test_a_file_that_cannot_be_read_has_a_note(path: str, data: bytes, note: str) -> None:
    found = find_references(path, data)
    assert found.path == path
    assert note in found.note
    assert note == "" or found.note


def test_aliases_in_yaml_do_not_grow() -> None:
    levels = "".join(f"l{n}: &l{n} [*l{n - 1}, *l{n - 1}, *l{n - 1}]\n" for n in range(1, 40))
    found = find_references("a.yaml", f"l0: &l0 [x]\n{levels}model: acme/x\n".encode())
    assert [reference.name for reference in found.references] == ["acme/x"]


def test_every_pattern_has_an_id_of_its_own() -> None:
    assert len(set(PATTERN_IDS)) == len(PATTERN_IDS)
    for snippet in CORPUS:
        for reference in find_references(snippet.path, snippet.text.encode()).references:
            assert reference.pattern in PATTERN_IDS


def test_every_reader_reads_a_file_of_the_corpus() -> None:
    used = {reader.id for snippet in CORPUS if (reader := find_reader(snippet.path))}
    assert {row.id for row in READERS} - used <= {"ini"}


def test_an_ini_file_is_read_by_lines() -> None:
    assert only("setup.cfg", "[model]\nmodel_name = acme/x\n").certainty == "likely"


@settings(max_examples=200, deadline=None)
@given(path=st.sampled_from(PATHS), data=st.binary(max_size=300))
def test_nothing_is_raised_for_any_bytes(path: str, data: bytes) -> None:
    assert isinstance(find_references(path, b"transformers hf:// model / " + data), FileReferences)


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_nothing_is_raised_for_damaged_files(data: st.DataObject) -> None:
    snippet = data.draw(st.sampled_from(CORPUS))
    start = data.draw(st.integers(0, len(snippet.text)))
    end = data.draw(st.integers(start, len(snippet.text)))
    text = snippet.text[:start] + data.draw(st.text(max_size=20)) + snippet.text[end:]
    found = find_references(snippet.path, text.encode("utf-8", "surrogatepass"))
    for reference in found.references:
        assert reference.name.isprintable()
        assert reference.revision.isprintable()


COMMIT = "a" * 40


def rows(path: str, text: str) -> list[tuple[str, str, str]]:
    return [(item.name, item.revision, item.certainty) for item in find_references(path, text.encode()).references]


@pytest.mark.parametrize(
    ("head", "floating"),
    [
        ("import os\n", 'os.getenv("M", "acme/x")'),
        ('import dataclasses\n@dataclasses.dataclass\nclass Cfg:\n    m: str = "acme/x"\n', "Cfg.m"),
    ],
)
def test_a_likely_reference_of_another_revision_is_no_repetition(head: str, floating: str) -> None:
    text = (
        f"{head}from transformers import AutoModel\nAutoModel.from_pretrained({floating})\n"
        f'AutoModel.from_pretrained("acme/x", revision="{COMMIT}")\n'
    )
    assert rows("a.py", text) == [("acme/x", "", "likely"), ("acme/x", COMMIT, "certain")]


def test_a_likely_reference_that_runs_remote_code_is_no_repetition() -> None:
    text = (
        "import os\nfrom transformers import AutoModel\n"
        'AutoModel.from_pretrained("acme/x")\n'
        'AutoModel.from_pretrained(os.getenv("M", "acme/x"), trust_remote_code=True)\n'
    )
    found = find_references("a.py", text.encode()).references
    assert [(item.certainty, item.trust_remote_code) for item in found] == [("certain", None), ("likely", True)]


def test_a_likely_reference_of_the_same_revision_is_a_repetition() -> None:
    text = (
        "import os\nfrom transformers import AutoModel\n"
        'AutoModel.from_pretrained("acme/x")\nAutoModel.from_pretrained(os.getenv("M", "acme/x"))\n'
    )
    assert rows("a.py", text) == [("acme/x", "", "certain")]


def test_a_constant_is_no_load_of_its_own() -> None:
    text = (
        'from transformers import AutoModel\nMODEL_ID = "Qwen/Qwen3-4B"\n'
        f'AutoModel.from_pretrained(MODEL_ID, revision="{COMMIT}")\n'
    )
    assert rows("a.py", text) == [("Qwen/Qwen3-4B", COMMIT, "certain")]


def test_two_revisions_in_one_line_are_two_references() -> None:
    text = (
        "from transformers import AutoModel\n"
        f'a, b = AutoModel.from_pretrained("acme/x"), AutoModel.from_pretrained("acme/x", revision="{COMMIT}")\n'
    )
    assert rows("a.py", text) == [("acme/x", "", "certain"), ("acme/x", COMMIT, "certain")]


@pytest.mark.parametrize(
    ("call", "revisions"),
    [
        (f'transformers.AutoModel.from_pretrained("acme/x", code_revision="{COMMIT}")', {"acme/x": ""}),
        (f'vllm.LLM("acme/x", code_revision="{COMMIT}")', {"acme/x": ""}),
        (
            f'vllm.LLM("acme/x", tokenizer="acme/t", tokenizer_revision="{COMMIT}")',
            {"acme/x": "", "acme/t": COMMIT},
        ),
        (
            f'diffusers.DiffusionPipeline.from_pretrained("acme/x", custom_pipeline="acme/p", revision="{COMMIT}")',
            {"acme/x": COMMIT, "acme/p": ""},
        ),
    ],
)
def test_only_the_revision_of_the_weights_pins_them(call: str, revisions: dict[str, str]) -> None:
    found = rows("a.py", f"import {call.partition('.')[0]}\n{call}\n")
    assert {name: revision for name, revision, _ in found} == revisions
