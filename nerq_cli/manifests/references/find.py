"""The references of one file: a table of readers by file name, and the check that a file can have any."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import import_module
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

import msgspec

from nerq_cli.manifests.references.words import split_words
from nerq_cli.patterns import compile_late

if TYPE_CHECKING:
    from nerq_cli.manifests.references.builder import ReferenceBuilder
    from nerq_cli.manifests.references.model import FileReferences

#: Largest source or settings file read, in bytes (1 MiB): larger ones are generated.
MAX_SOURCE_BYTES: Final = 1 << 20
#: Largest notebook read, in bytes (20 MiB), most of which are pictures that are stepped over.
MAX_NOTEBOOK_BYTES: Final = 20 << 20
#: Longest line of a script that is read, in characters; longer ones are minified.
_MAX_LINE: Final = 20_000
_POWERSHELL_CONTINUATION: Final = compile_late(r"`(\r?\n)")
_POWERSHELL_ASSIGNMENT: Final = compile_late(
    r"^([ \t]*)\$(?:env:|script:|global:)?(\w+)[ \t]*=[ \t]*[\"']([^\"'\n`$]*)[\"'][ \t]*$",
    re.MULTILINE | re.IGNORECASE,
)
_POWERSHELL_PARAMETER: Final = compile_late(r"\[[\w.]+\][ \t]*\$(\w+)[ \t]*=[ \t]*[\"']([^\"'\n`$]*)[\"']")
_MAKE_VARIABLE: Final = compile_late(r"\$\((\w+)\)")
_MAKE_ASSIGNMENT: Final = compile_late(r"^(\w+)[ \t]*(?:[:?]{0,2}=)[ \t]*(.*)$", re.MULTILINE)
#: Lock files and outputs of tools, which name packages and no models.
_OTHER_FILES: Final = frozenset(
    split_words(
        """
        package.json package-lock.json npm-shrinkwrap.json tsconfig.json composer.json composer.lock deno.json
        deno.lock pnpm-lock.yaml yarn.lock tokenizer.json vocab.json mkdocs.yml .pre-commit-config.yaml
        dependabot.yml renovate.json model.safetensors.index.json pytorch_model.bin.index.json
        """
    )
)


class ReaderRow(msgspec.Struct, frozen=True, kw_only=True):
    """One reader, and the files that it reads."""

    id: str
    #: Whether it reads a file, by its path with slashes, in lower case.
    matches: Callable[[str], bool]
    read: Callable[[bytes, ReferenceBuilder], None]
    #: Whether a file may have a reference, by its bytes. Most files have none, and are not parsed.
    may_refer: Callable[[bytes], bool] = bool
    #: Largest file read, in bytes.
    max_bytes: int = MAX_SOURCE_BYTES
    #: File names, for the documentation.
    files: str


def _late(module: str, name: str) -> Callable[..., Any]:
    """Return a function of a module of this folder, which is imported when it is called: many projects need few."""

    def call(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - those of the function
        return getattr(import_module(f"{__package__}.{module}"), name)(*arguments, **options)

    return call


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _has_suffix(*suffixes: str) -> Callable[[str], bool]:
    return lambda path: path.endswith(suffixes)


def _is_dockerfile(path: str) -> bool:
    name = _name(path)
    return name.startswith(("dockerfile", "containerfile")) or name.endswith((".dockerfile", ".containerfile"))


def _is_compose(path: str) -> bool:
    name = _name(path)
    return name.endswith((".yml", ".yaml")) and "compose" in name


def _is_env(path: str) -> bool:
    name = _name(path)
    return name.startswith(".env") or name.endswith(".env") or name == "env.example"


def _is_makefile(path: str) -> bool:
    return _name(path) in {"makefile", "gnumakefile", "justfile"} or path.endswith(".mk")


def _as_text(read: Callable[[str, ReferenceBuilder], None]) -> Callable[[bytes, ReferenceBuilder], None]:
    def read_text(data: bytes, builder: ReferenceBuilder) -> None:
        from nerq_cli.manifests.read_file import CannotReadError, decode_text
        from nerq_cli.manifests.references.builder import UnreadableError

        if b"\0" in data and not data.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise UnreadableError("is not text")
        try:
            text = decode_text(data)
        except CannotReadError as error:
            raise UnreadableError(str(error)) from None
        read(text, builder)

    return read_text


def _read_script(text: str, builder: ReferenceBuilder) -> None:
    from nerq_cli.manifests.references import javascript
    from nerq_cli.manifests.references.builder import UnreadableError

    if any(len(line) > _MAX_LINE for line in text.splitlines()):
        raise UnreadableError("is minified")
    javascript.read(text, builder)


def _read_shell(text: str, builder: ReferenceBuilder) -> None:
    from nerq_cli.manifests.references import config
    from nerq_cli.manifests.references.commands import read_script

    read_script(text, 1, builder, read_python=lambda code, line: config.read_python_code(code, line, builder))


def _read_powershell(text: str, builder: ReferenceBuilder) -> None:
    """Read the commands of a PowerShell script, with its variables and the defaults of its parameters."""
    from nerq_cli.manifests.references import config
    from nerq_cli.manifests.references.commands import read_script

    defaults = {match[1]: (match[2], False) for match in _POWERSHELL_PARAMETER.finditer(text)}
    script = _POWERSHELL_CONTINUATION.sub(r"\\\1", text)
    script = _POWERSHELL_ASSIGNMENT.sub(lambda match: f"{match[1]}{match[2]}='{match[3]}'", script)
    read_script(
        script,
        1,
        builder,
        read_python=lambda code, line: config.read_python_code(code, line, builder),
        variables=defaults,
    )


def _read_makefile(text: str, builder: ReferenceBuilder) -> None:
    """Read the recipes and variables of a makefile as a script."""
    lines = []
    for line in text.split("\n"):
        converted = line.lstrip("\t").lstrip("@-") if line.startswith("\t") else line
        lines.append(_MAKE_VARIABLE.sub(r"${\1}", converted.replace("$$", "$")))
    script = _MAKE_ASSIGNMENT.sub(
        lambda match: f"{match[1]}='{match[2].strip()}'" if "'" not in match[2] else match[0], "\n".join(lines)
    )
    _read_shell(script, builder)


def _read_compose(text: str, builder: ReferenceBuilder) -> None:
    from nerq_cli.manifests.references import config

    config.read_yaml(text, builder, is_compose=True)


def _may_set(data: bytes) -> bool:
    """Whether a settings file or script may have a reference: a text of the form of one and a word about models."""
    return (b"/" in data or _BARE_NAME.search(data) is not None) and _SETTING_WORD.search(data) is not None


#: Names without a namespace, by their begin, and the key of a dataset that may have one.
_BARE_NAME: Final = compile_late(rb"gpt2|bert-|t5-|albert-|xlnet-|xlm-|dataset_path")
_SETTING_WORD: Final = compile_late(
    rb"odel|hf|HF_|hugging|Hugging|repo_?id|okenizer|dapter|lora|llm|embed|eranker|ataset|encoder|kernels|space"
    rb"|transformers|diffusers|snapshot_download|ramalama|checkpoint|backbone|pretrained|MODEL|REPO|LLM|EMBED|RERANK|DATASET|CHECKPOINT|SPACE|TOKENIZER|LORA|ADAPTER",
    re.IGNORECASE,
)


#: Readers of files that hold data in the same formats.
_DATA_READERS: Final = frozenset({"json", "yaml", "toml", "ini", "page"})
#: Readers in the order in which a path is compared.
READERS: Final[tuple[ReaderRow, ...]] = (
    ReaderRow(
        id="python",
        matches=_has_suffix(".py", ".pyw", ".pyi"),
        read=_late("python", "read"),
        may_refer=_late("python", "may_refer"),
        files="`*.py`",
    ),
    ReaderRow(
        id="notebook",
        matches=_has_suffix(".ipynb"),
        read=_as_text(_late("notebook", "read")),
        may_refer=_late("python", "may_refer_notebook"),
        max_bytes=MAX_NOTEBOOK_BYTES,
        files="`*.ipynb`",
    ),
    ReaderRow(
        id="javascript",
        matches=lambda path: (
            path.endswith((".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".mts", ".cts"))
            and not path.endswith((".min.js", ".d.ts", ".min.mjs"))
        ),
        read=_as_text(_read_script),
        may_refer=_late("javascript", "may_refer"),
        files="`*.js`, `*.ts`, `*.jsx`, `*.tsx`, `*.mjs`, `*.cjs`, `*.mts`, `*.cts`",
    ),
    ReaderRow(
        id="page",
        matches=_has_suffix(".vue", ".svelte", ".html", ".htm", ".astro"),
        read=_as_text(_late("javascript", "read_page")),
        may_refer=_late("javascript", "may_refer"),
        files="`<script>` of `*.vue`, `*.svelte`, `*.html`, `*.astro`",
    ),
    ReaderRow(
        id="kernels-lock",
        matches=lambda path: _name(path) == "kernels.lock",
        read=_as_text(_late("config", "read_kernels_lock")),
        files="`kernels.lock`",
    ),
    ReaderRow(
        id="pyproject",
        matches=lambda path: _name(path) == "pyproject.toml",
        read=_as_text(_late("config", "read_pyproject")),
        may_refer=_may_set,
        files="`pyproject.toml`",
    ),
    ReaderRow(
        id="adapter-config",
        matches=lambda path: _name(path) == "adapter_config.json",
        read=_as_text(_late("config", "read_adapter_config")),
        files="`adapter_config.json`",
    ),
    ReaderRow(
        id="card",
        matches=lambda path: _name(path) == "readme.md",
        read=_as_text(_late("config", "read_card")),
        may_refer=lambda data: data.lstrip(b"\xef\xbb\xbf").startswith(b"---"),
        files="front matter of `README.md`",
    ),
    ReaderRow(
        id="dockerfile",
        matches=_is_dockerfile,
        read=_as_text(_late("containers", "read_dockerfile")),
        may_refer=_may_set,
        files="`Dockerfile*`, `Containerfile*`",
    ),
    ReaderRow(
        id="modelfile",
        matches=lambda path: _name(path).startswith("modelfile") or path.endswith(".modelfile"),
        read=_as_text(_late("containers", "read_modelfile")),
        files="`Modelfile*`",
    ),
    ReaderRow(
        id="compose",
        matches=_is_compose,
        read=_as_text(_read_compose),
        may_refer=_may_set,
        files="`*compose*.yaml`",
    ),
    ReaderRow(
        id="env",
        matches=_is_env,
        read=_as_text(_late("config", "read_env")),
        may_refer=_may_set,
        files="`.env*`, `*.env`",
    ),
    ReaderRow(
        id="shell",
        matches=_has_suffix(".sh", ".bash", ".zsh", ".ksh", ".slurm", ".sbatch", ".bat", ".cmd", "/procfile"),
        read=_as_text(_read_shell),
        may_refer=_may_set,
        files="`*.sh`, `*.bash`, `*.zsh`, `*.ksh`, `*.slurm`, `*.sbatch`, `*.bat`, `*.cmd`, `Procfile`",
    ),
    ReaderRow(
        id="powershell",
        matches=_has_suffix(".ps1", ".psm1"),
        read=_as_text(_read_powershell),
        may_refer=_may_set,
        files="`*.ps1`, `*.psm1`",
    ),
    ReaderRow(
        id="makefile",
        matches=_is_makefile,
        read=_as_text(_read_makefile),
        may_refer=_may_set,
        files="`Makefile`, `justfile`, `*.mk`",
    ),
    ReaderRow(
        id="yaml",
        matches=lambda path: path.endswith((".yml", ".yaml")) and _name(path) not in _OTHER_FILES,
        read=_as_text(_late("config", "read_yaml")),
        may_refer=_may_set,
        files="`*.yaml`, `*.yml` (workflows, Kubernetes, settings)",
    ),
    ReaderRow(
        id="json",
        matches=lambda path: path.endswith((".json", ".jsonc", ".json5")) and _name(path) not in _OTHER_FILES,
        read=_as_text(_late("config", "read_json")),
        may_refer=_may_set,
        files="`*.json`, `*.jsonc`",
    ),
    ReaderRow(
        id="toml",
        matches=_has_suffix(".toml"),
        read=_as_text(_late("config", "read_toml")),
        may_refer=_may_set,
        files="`*.toml`",
    ),
    ReaderRow(
        id="ini",
        matches=_has_suffix(".cfg", ".ini", ".conf"),
        read=_as_text(_late("config", "read_ini")),
        may_refer=_may_set,
        files="`*.cfg`, `*.ini`, `*.conf`",
    ),
)


def find_reader(path: str) -> ReaderRow | None:
    """Return the reader of a file by its path; None if files of the name are not read."""
    path = "/" + PurePosixPath(path).as_posix().lower()
    return next((row for row in READERS if row.matches(path)), None)


def has_reader(path: str) -> bool:
    """Whether a file is searched, by its path: what a walk of a project selects."""
    return find_reader(path) is not None


def has_markers(reader: ReaderRow, data: bytes) -> bool:
    """Whether a file may have a reference, by its bytes; text in two or four bytes a character may have one."""
    return reader.may_refer(data) or data.startswith((b"\xff\xfe", b"\xfe\xff"))


def find_references(path: str, data: bytes) -> FileReferences:
    """Return what a file refers to. Nothing is raised: a file that cannot be read has a note."""
    from nerq_cli.manifests.references.builder import ReferenceBuilder, UnreadableError
    from nerq_cli.manifests.references.model import FileReferences

    reader = find_reader(path)
    if reader is None or not has_markers(reader, data):
        return FileReferences(path=path)
    if len(data) > reader.max_bytes:
        return FileReferences(path=path, note=describe_size(reader))
    builder = ReferenceBuilder(path)
    try:
        reader.read(data, builder)
    except UnreadableError as error:
        return FileReferences(path=path, references=builder.finish().references, note=str(error))
    except (RecursionError, MemoryError):
        return FileReferences(path=path, references=builder.finish().references, note="is nested too deeply")
    return builder.finish()


def is_gap(reader: ReaderRow, note: str) -> bool:
    """Whether a file with a note may have references that were not found.

    Settings that are too large are data, and the values that fill a template are in other files.
    """
    from nerq_cli.manifests.references.model import TEMPLATE_NOTE

    return bool(note) and note != TEMPLATE_NOTE and (reader.id not in _DATA_READERS or note != describe_size(reader))


def describe_size(reader: ReaderRow) -> str:
    """Return the note of a file that is too large for its reader."""
    return f"is larger than {reader.max_bytes >> 20} MiB"
