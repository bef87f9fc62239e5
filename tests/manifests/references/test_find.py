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


@pytest.mark.parametrize(
    "cell",
    [
        "%time m = T.from_pretrained('acme/x')",
        "%timeit -n 1 -r1 T.from_pretrained('acme/x')",
        "out = %timeit -o T.from_pretrained('acme/x')",
        "%%timeit -n1 m = T.from_pretrained('acme/x')\nm(1)",
        "for _ in range(2):\n    %memit -r 1 T.from_pretrained('acme/x')",
        "%prun -l 5 -s cumulative T.from_pretrained('acme/x')",
        "%lprun -f T.forward T.from_pretrained('acme/x')",
        "%time\n%load_ext autoreload\n%time x ==\nT.from_pretrained('acme/x')",
        "%env NAME=acme/x\nT.from_pretrained(os.environ['NAME'])",
        "%env NAME acme/x\nT.from_pretrained(os.getenv('NAME', 'acme/y'))",
        "%time !hf download acme/x",
        "%run train.py --model_name_or_path acme/x",
        "%%writefile conf/train.yaml\nmodel_name_or_path: acme/x\n",
        "%%writefile src/app.py\nT.from_pretrained('acme/x')\n",
    ],
)
def test_magics_of_a_notebook_are_read(cell: str) -> None:
    cells = [{"cell_type": "code", "source": ["from transformers import AutoModel as T\n", "import os"]}]
    text = json.dumps({"cells": [*cells, {"cell_type": "code", "source": cell.splitlines(keepends=True)}]}, indent=1)
    reference = only("a.ipynb", text)
    assert (reference.name, reference.certainty) == ("acme/x", "certain")
    assert "acme/x" in text.splitlines()[reference.location.line - 1] or "os." in cell


@pytest.mark.parametrize(
    "cell", ["%who T.from_pretrained('acme/x')", "%%html\nT.from_pretrained('acme/x')", "%time x =="]
)
def test_other_magics_refer_to_nothing(cell: str) -> None:
    source = f"from transformers import AutoModel as T\n{cell}" if not cell.startswith("%%") else cell
    cells = [{"cell_type": "code", "source": source}, {"cell_type": "code", "source": "import transformers\nx = 'a/b'"}]
    found = find_references("a.ipynb", json.dumps({"cells": cells}).encode())
    assert (found.references, found.note) == ((), "")


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


def kinds(path: str, text: str) -> list[tuple[str, str]]:
    return [
        (item.kind, item.name)
        for item in find_references(path, text.encode()).references
        if item.certainty != "possible"
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            'import huggingface_hub as h\nh.snapshot_download(repo_id="microsoft/x", repo_type="dataset")',
            [("dataset", "microsoft/x")],
        ),
        (
            (
                "from huggingface_hub import snapshot_download\n"
                'REPO_ID = "microsoft/x"\nsnapshot_download(REPO_ID, repo_type="space")'
            ),
            [("space", "microsoft/x")],
        ),
        ('from tools import fetch\nfetch(repo_id="microsoft/x", repo_type="dataset")', [("dataset", "microsoft/x")]),
    ],
)
def test_the_kind_is_that_of_repo_type(text: str, expected: list[tuple[str, str]]) -> None:
    assert kinds("a.py", text) == expected


@pytest.mark.parametrize(
    "text",
    [
        'HfApi().create_repo(repo_id="microsoft/new", repo_type="space")',
        'HfApi().upload_folder(repo_id="microsoft/new", folder_path="out")',
        'REPO_ID = "microsoft/new"\nHfApi().upload_file(path_or_fileobj=b"", path_in_repo="a", repo_id=REPO_ID)',
        'MODEL_ID = "microsoft/new"\nmodel.push_to_hub(MODEL_ID)',
        'TrainingArguments(hub_model_id="microsoft/new")',
    ],
)
def test_a_repository_that_a_file_writes_is_no_dependency(text: str) -> None:
    assert kinds("a.py", f"from huggingface_hub import HfApi\n{text}\n") == []


def test_a_repository_that_is_loaded_and_written_is_a_dependency() -> None:
    text = (
        "from transformers import AutoModel\n"
        'model = AutoModel.from_pretrained("microsoft/x")\nmodel.push_to_hub("microsoft/x")\n'
    )
    assert kinds("a.py", text) == [("model", "microsoft/x")]


@pytest.mark.parametrize("call", ['torch.hub.load("pytorch/vision", "resnet18")', 'client.load("pytorch/vision")'])
def test_a_call_of_another_object_is_none_of_a_function_of_the_file(call: str) -> None:
    text = (
        "import torch\nfrom transformers import AutoModel\n"
        f"def load(model_id):\n    return AutoModel.from_pretrained(model_id)\n{call}\n"
    )
    assert kinds("a.py", text) == []


@pytest.mark.parametrize(("call", "found"), [("Loader().load", True), ("torch.hub.load", False)])
def test_a_method_is_called_on_an_object_that_no_import_provides(call: str, *, found: bool) -> None:
    text = (
        "import torch\nfrom transformers import AutoModel\n"
        "class Loader:\n    def load(self, model_id):\n        return AutoModel.from_pretrained(model_id)\n"
        f'{call}("acme/x")\n'
    )
    assert kinds("a.py", text) == ([("model", "acme/x")] if found else [])


@pytest.mark.parametrize(
    "name", ["openai/gpt-4o", "anthropic/claude-sonnet-4", "openrouter/auto", "google/gemini-2.5-pro", "a/b:free"]
)
@pytest.mark.parametrize(
    "call",
    ["InferenceClient(model={!r})", "InferenceClient({!r})", "InferenceClient().chat_completion([], model={!r})"],
)
def test_a_model_that_only_a_service_has_is_none_of_the_hub(name: str, call: str) -> None:
    text = f"from huggingface_hub import InferenceClient\n{call.format(name)}\n"
    assert kinds("a.py", text) == [("hosted-model", name)]


@pytest.mark.parametrize(
    "name",
    ["openai/gpt-oss-20b", "Snowflake/snowflake-arctic-embed-m", "databricks/dbrx-base", "cerebras/Cerebras-GPT"],
)
@pytest.mark.parametrize(
    ("path", "form"),
    [("a.py", "import transformers as t\nt.AutoModel.from_pretrained({!r})"), ("a.yaml", "model_id: {}")],
)
def test_a_namespace_of_the_hub_is_no_provider(name: str, path: str, form: str) -> None:
    assert kinds(path, form.format(name)) == [("model", name)]


def test_a_hosted_model_is_listed_once() -> None:
    text = (
        "from openai import OpenAI\n"
        'MODEL = "Qwen/Qwen2.5-7B-Instruct"\nclient = OpenAI(base_url="http://localhost:8000/v1")\n'
        "client.chat.completions.create(\n    model=MODEL,\n)\n"
    )
    assert kinds("a.py", text) == [("hosted-model", "Qwen/Qwen2.5-7B-Instruct")]


@pytest.mark.parametrize(
    ("expression", "name"),
    [
        ('"acme/%s" % X', "acme/m6"),
        ('"%s/%s" % ("acme", X)', "acme/m6"),
        ('"acme/%(x)s" % {"x": X}', "acme/m6"),
        ('"acme/{}".format(X)', "acme/m6"),
        ('"{1}/{0}".format(X, "acme")', "acme/m6"),
        ('"{org}/{x}".format(org="acme", x=X)', "acme/m6"),
    ],
)
def test_a_format_is_filled_with_constants(expression: str, name: str) -> None:
    text = f'from transformers import AutoModel\nX = "m6"\nAutoModel.from_pretrained({expression})\n'
    assert rows("a.py", text) == [(name, "", "certain")]


@pytest.mark.parametrize(
    "expression",
    [
        '"acme/%d" % X',
        '"acme/%s" % f()',
        '"acme/%s-%s" % X',
        '"acme/{}".format()',
        '"acme/{:>9}".format(X)',
        '"acme/{0.y}".format(X)',
    ],
)
def test_a_format_with_another_part_is_computed(expression: str) -> None:
    assert (
        rows("a.py", f'from transformers import AutoModel\nX = "m6"\nAutoModel.from_pretrained({expression})\n') == []
    )


@pytest.mark.parametrize(
    ("size", "name"),
    [
        ("large-v3", "Systran/faster-whisper-large-v3"),
        ("tiny.en", "Systran/faster-whisper-tiny.en"),
        ("distil-large-v3", "Systran/faster-distil-whisper-large-v3"),
        ("turbo", "mobiuslabsgmbh/faster-whisper-large-v3-turbo"),
        ("acme/own", "acme/own"),
    ],
)
def test_a_size_of_faster_whisper_is_a_repository(size: str, name: str) -> None:
    assert rows("a.py", f"from faster_whisper import WhisperModel\nWhisperModel({size!r})\n") == [(name, "", "certain")]


SCRIPT = "import {pipeline} from '@huggingface/transformers';\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            (
                "class A { constructor() { this.model = 'acme/one'; }\nrun() { return pipeline('x', this.model); } }\n"
                "const cfg = {model: 'acme/two'};\nfunction f() { return pipeline('y', cfg.model); }\n"
            ),
            {"acme/one": 3, "acme/two": 5},
        ),
        (
            (
                "class A { model = 'acme/one';\nrun() { return pipeline('x', this.model); } }\n"
                "class B { model = 'acme/two';\nrun() { return pipeline('y', this.model); } }\n"
            ),
            {"acme/one": 3, "acme/two": 5},
        ),
        (
            (
                "const a = {model: 'acme/one'};\nconst b = {model: 'acme/two'};\n"
                "pipeline('x', a.model);\npipeline('x', b.model);\n"
            ),
            {"acme/one": 4, "acme/two": 5},
        ),
        (
            (
                "const c = {chat: {model: 'acme/one'}, embed: {model: 'acme/two'}};\n"
                "pipeline('x', c.chat.model);\npipeline('x', c.embed.model);\n"
            ),
            {"acme/one": 3, "acme/two": 4},
        ),
        (
            (
                "const settings = {model: 'acme/one'};\nfunction f(options) { return pipeline('x', options.model); }\n"
                "f(settings);\n"
            ),
            {"acme/one": 3},
        ),
    ],
)
def test_members_of_one_object_are_those_of_no_other_one(text: str, expected: dict[str, int]) -> None:
    found = find_references("a.js", (SCRIPT + text).encode()).references
    assert {item.name: item.location.line for item in found} == expected
    assert len(found) == len(expected)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.yaml", "repo: actions/checkout\n"),
        ("a.yaml", "github:\n  repo: actions/checkout\n"),
        ("a.yaml", "remote:\n  repo: acme/tool\n  branch: main\n"),
        ("a.yaml", "car: {model: ford/fiesta}\n"),
        ("a.json", '{"printer": {"vendor": "hp", "model": "hp/deskjet"}}'),
        ("a.toml", '[device]\nmodel = "acme/thermostat"\n'),
    ],
)
def test_a_key_of_anything_names_no_model(path: str, text: str) -> None:
    assert kinds(path, text) == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.yaml", "hf:\n  repo: acme/x\n"),
        ("a.yaml", "llm: {model: acme/x}\n"),
        ("a.yaml", "model: acme/x\ntemperature: 0.2\n"),
        ("models.yaml", "chat: {model: acme/x}\n"),
        ("llm.json", '{"model": "acme/x"}'),
    ],
)
def test_a_key_among_settings_for_models_names_one(path: str, text: str) -> None:
    assert kinds(path, text) == [("model", "acme/x")]


@pytest.mark.parametrize("name", ["Qwen/Qwen3-4B", "acme/law-7b", "acme/sentiment-bert", "acme/x-instruct"])
def test_a_name_that_models_have_is_one_under_any_key(name: str) -> None:
    assert kinds("a.yaml", f"x: {{model: {name}}}\n") == [("model", name)]


def test_a_revision_in_settings_is_that_of_its_own_key() -> None:
    text = (
        "model_name: acme/x\nbase_model: acme/base\ntokenizer: acme/t\n"
        f"base_model_revision: {COMMIT}\ntokenizer_revision: v1\n"
    )
    found = find_references("models.yaml", text.encode()).references
    assert {item.name: item.revision for item in found} == {"acme/x": "", "acme/base": COMMIT, "acme/t": "v1"}


@pytest.mark.parametrize(("value", "expected"), [("False", True), ("True", False), ("flag()", False)])
def test_whether_safetensors_are_refused(value: str, *, expected: bool) -> None:
    text = f'from transformers import AutoModel\nAutoModel.from_pretrained("acme/x", use_safetensors={value})\n'
    assert only("a.py", text).refuses_safetensors is expected
