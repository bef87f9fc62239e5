"""Python files: calls of loaders, found in the syntax tree."""

from __future__ import annotations

import ast
import re
import warnings
from collections import defaultdict
from collections.abc import Iterator
from fnmatch import fnmatchcase
from itertools import pairwise
from threading import Lock
from typing import Final, NamedTuple

from msgspec.structs import replace

from nerq_cli.inventory import Location
from nerq_cli.manifests.references.builder import ReferenceBuilder, UnreadableError
from nerq_cli.manifests.references.commands import find_variable, is_command, read_arguments, read_script
from nerq_cli.manifests.references.ids import (
    HubId,
    interpret,
    is_hosted,
    is_of_other_thing,
    parse_address,
    parse_id,
    parse_kernel_version,
)
from nerq_cli.manifests.references.known_names import (
    DATASET_BUILDERS,
    DATASETS,
    MODEL,
    NAMESPACES,
    SENTENCE_MODEL,
    SENTENCE_NAMESPACE,
    WHISPER_SIZES,
    is_known_namespace,
)
from nerq_cli.manifests.references.model import Certainty, Reference, ReferenceKind
from nerq_cli.manifests.references.python_values import (
    MODEL_ID_VARIABLE,
    CallSite,
    ModuleAnalysis,
    Scope,
    Value,
    dotted,
)
from nerq_cli.manifests.references.table import CALLS, Argument, CallPattern
from nerq_cli.manifests.references.words import split_words
from nerq_cli.patterns import compile_late

#: ``warnings.catch_warnings`` changes a setting of the process.
_WARNINGS_LOCK: Final = Lock()
_PYTHON_2: Final = compile_late(
    r"^[ \t]*(?:print[ \t]+[\"'\w]|exec[ \t]+[\"']|except[ \t]+[\w.]+[ \t]*,[ \t]*\w+[ \t]*:|raise[ \t]+\w+[ \t]*,)",
    re.MULTILINE,
)
_IS_PYTHON_2: Final = "is written for Python 2"
_REPOSITORY_TYPES: Final[dict[str, ReferenceKind]] = {
    "model": "model",
    "dataset": "dataset",
    "space": "space",
    "kernel": "kernel",
    "models": "model",
    "huggingface": "model",
    "spaces": "space",
}
#: Functions that call what they are given, with the position of the function.
_CALLERS: Final = {
    "partial": 0,
    "to_thread": 0,
    "submit": 0,
    "run_in_threadpool": 0,
    "run_sync": 0,
    "run_in_executor": 1,
    "lru_cache": 0,
}
#: Keywords whose value is a model of the Hub or a directory.
_MODEL_KEYWORDS: Final = frozenset({"model_name_or_path", "pretrained_model_name_or_path", "base_model_name_or_path"})
#: Methods that save a model to a directory.
_SAVERS: Final = frozenset({"save_pretrained", "save_model", "save_pretrained_merged", "save_to_disk"})
#: Functions whose first argument is a repository that they create, change or delete.
_FIRST_ARGUMENT_WRITERS: Final = frozenset(
    split_words(
        """
        create_repo delete_repo create_branch delete_branch create_tag delete_tag create_commit create_pull_request
        update_repo_settings update_repo_visibility upload_large_folder push_to_hub push_to_hub_merged push_to_hub_gguf
        push_to_hub_keras push_to_hub_fastai push_model_to_hub add_space_secret add_space_variable super_squash_history
        restart_space pause_space request_space_hardware save_to_hub export_to_hf_hub push_to_hf_hub
        """
    )
)
#: The same, also by a keyword only.
_WRITERS: Final = _FIRST_ARGUMENT_WRITERS | frozenset(
    split_words(
        """
        upload_file upload_folder move_repo delete_file delete_files delete_folder CommitScheduler metadata_update
        preupload_lfs_files comment_discussion create_discussion change_discussion_status merge_pull_request
        """
    )
)
#: Keywords with a repository to upload to, of any function.
_TARGET_KEYWORDS: Final = frozenset(
    split_words("hub_model_id hub_dataset_id hub_repo_id push_to_hub_model_id push_to_hub_repo_id output_repo_id to_id")
)
_PROCESS_FUNCTIONS: Final = frozenset(
    f"subprocess.{name}" for name in ("run", "call", "check_call", "check_output", "Popen", "getoutput")
) | {"os.system", "os.popen"}
#: Functions that show or compare a text.
_MESSAGE_FUNCTIONS: Final = frozenset(
    split_words(
        """
        print echo secho debug info warning warn error exception critical log write writelines markdown success
        fail skip exit append startswith endswith split join format add_argument argument option field rule
        emit code text panel panel.fit caption title header
        """
    )
)
#: Words in the names of functions that run commands.
_RUN_WORD: Final = compile_late(r"run|exec|cmd|command|launch|shell|system|popen|submit|spawn|ssh|start", re.IGNORECASE)
#: Longest text that is read as a command, in characters.
_MAX_COMMAND: Final = 10_000
#: Names of variables and keys that are about models.
_MODEL_WORD: Final = compile_late(
    r"(?:^|[_-])(?:model|checkpoint|repo_?id|hf|llm|embed\w*|tokenizer|lora|adapter)(?:$|[_\d-])", re.IGNORECASE
)
#: Names of constants and settings of which the value is an id, if its namespace is a known one.
_MODEL_NAME: Final = compile_late(
    r"(?:.*_)?(?:model|model_?id|model_?name|repo_?id|checkpoint|tokenizer|embedder|reranker|dataset|dataset_?(?:id|name))"
    r"(?:_(?:id|name|path|repo|name_or_path))?",
    re.IGNORECASE,
)
#: Names of dictionaries from names of any kind to ids.
_MODEL_TABLE: Final = compile_late(
    r"(?:\w+_)?(?:models?|model_(?:ids?|names?)|checkpoints?|repos?|repo_ids?)(?:_(?:map|mapping|registry|table|list|configs?"
    r"|ids?|names?|paths?|repos?|presets?|zoo|options|choices|by_\w+))?",
    re.IGNORECASE,
)
_DATASET_WORD: Final = compile_late(r"(?:^|[_-])datasets?(?:$|[_\d-])", re.IGNORECASE)


class _Found(NamedTuple):
    """An id, with how sure the place and the value are."""

    value: Value
    line: int


def _build_index() -> dict[str, list[CallPattern]]:
    index: dict[str, list[CallPattern]] = defaultdict(list)
    for row in CALLS:
        for name in row.functions:
            rows = index[name.rpartition(".")[2]]
            if row not in rows:
                rows.append(row)
    return index


_INDEX: Final = _build_index()


#: Imports of the libraries of the table.
_IMPORT: Final = compile_late(
    rb"(?:from|import)[ \t]+(?:"
    + "|".join(
        sorted({re.escape(library.rstrip("*").partition(".")[0]) for row in CALLS for library in row.libraries})
    ).encode()
    + rb")"
)
#: Other words of files that refer to something.
_WORDS: Final = (
    b"from_pretrained",
    b"hf://",
    b"huggingface",
    b"hf.co/",
    b'"hf"',
    b"'hf'",
    b"hf download",
    b"vllm serve",
    b'"vllm"',
    b"'vllm'",
    b"llama-server",
    b"text-generation-launcher",
    b"text-embeddings-router",
    b"vllm.entrypoints",
    b"sglang.launch_server",
    b"HF_MODEL_ID",
    b"hf-hub:",
    b"hf_hub:",
    b"llama-cli",
    b"--hf-repo",
    b"mlx_lm.server",
)
#: Parts of these words, one of which a file with one of them has.
_WORD_PARTS: Final = (b"hf", b"hugging", b"from_pretrained", b"vllm", b"llama-", b"sglang", b"mlx_lm", b"text-", b"HF_")
#: A string with an id of a known publisher, as settings have it.
_KNOWN_ID: Final = compile_late(
    rb"""["'](?:""" + "|".join(sorted(map(re.escape, NAMESPACES))).encode() + rb""")/[\w.-]+["']"""
)
#: The end of a string with a slash, and its text before that: an end is quicker to find than a begin.
_ID_END: Final = compile_late(rb"""/[\w.@:{}%()/-]*["']""")
_ID_BEGIN: Final = compile_late(rb"[\w.{}:%()-]*")
#: Length of a slash and the end of the string, which is no path.
_SHORTEST_PATH: Final = 2
#: Longest text between the begin of a string and its first slash, in bytes.
_MAX_ID_BEGIN: Final = 200
#: Names of functions that take names without a slash, and the known ones of these.
_OTHER_ID_TEXT: Final = compile_late(
    rb"""WhisperModel|whisperx|hf download|huggingface-cli|vllm serve|hf://|huggingface\.co/|load_dataset"""
    rb"""|["'](?:distil|gpt2|bert-|roberta-|albert-|xlnet|xlm-|t5-|openai-gpt|camembert|ctrl|transfo-xl|all-|paraphrase-"""
    rb"""|multi-qa|msmarco|stsb-|nli-|gtr-|sentence-t5|clip-ViT|quora-|static-|LaBSE|allenai-|average_word|use-cmlm"""
    rb"""|facebook-dpr)"""
)
_PUBLISHERS: Final = frozenset(namespace.encode() for namespace in NAMESPACES)
#: Bytes before and behind the word ``import`` in which the name of the module is.
_IMPORT_REACH: Final = (120, 100)
#: An argument that is a constant, or a part of the settings, of another module.
_IMPORTED_VALUE: Final = compile_late(
    rb"[(=]\s*(?:(?:settings|config|cfg|conf|constants|consts)\.\w+|[A-Z0-9_]*(?:MODEL|REPO|DATASET|TOKENIZER)[A-Z0-9_]*)\s*[,)]"
)
#: Parts of the names of functions that files wrap in functions of their own, to which they pass an id.
_WRAPPED: Final = tuple(
    name.encode()
    for name in split_words(
        """
        from_pretrained pipeline( hf_hub_download snapshot_download load_dataset Transformer( CrossEncoder( LLM( Args(
        Client( get_kernel HuggingFace Embedding WhisperModel create_model completion Model( load_ Engine( from_model_id
        to_thread partial( subprocess from_hparams from_single_file Reranker( Ranker(
        """
    )
)
_BLOCK: Final = compile_late(rb"^(?=[^\s#)\]}\"'\\])", re.MULTILINE)
_BLOCK_NAME: Final = compile_late(rb"^(?:async[ \t]+)?(?:def|class)[ \t]+(\w+)", re.MULTILINE)
#: A line of a notebook for a shell or for IPython, in a file that was made from one.
_SHELL_LINE: Final = compile_late(rb"^([ \t]*)[!%]{1,2}([^\n]*)", re.MULTILINE)
_BLOCK_HEAD: Final = (b"def ", b"class ", b"async def ", b"@")
#: Smallest file of which blocks are left out, in bytes.
_MIN_PRUNED_SIZE: Final = 4_000


def may_refer(data: bytes) -> bool:
    """Whether a Python file may have a reference: it has a text like an id and a word about a library or models."""
    if _imports_library(data) or _has_word(data):
        return _has_id_text(data) or _IMPORTED_VALUE.search(data) is not None
    return any(namespace in _PUBLISHERS for namespace in _find_begins(data))


def _imports_library(data: bytes) -> bool:
    """Whether a file imports a library of the table. Each ``import`` is examined: much quicker than the whole text."""
    before, behind = _IMPORT_REACH
    position = data.find(b"import")
    while position >= 0:
        if _IMPORT.search(data, max(position - before, 0), position + behind) is not None:
            return True
        position = data.find(b"import", position + 6)
    return False


def _has_word(data: bytes) -> bool:
    return any(part in data for part in _WORD_PARTS) and any(word in data for word in _WORDS)


def _has_id_text(data: bytes) -> bool:
    """Whether a Python text has a string with the form of an id, or a function that takes other names."""
    return any(_ID_BEGIN.fullmatch(begin) for begin in _find_begins(data)) or _OTHER_ID_TEXT.search(data) is not None


def _find_begins(data: bytes) -> Iterator[bytes]:
    """Yield the texts between the begin and the first slash of strings with one."""
    for match in _ID_END.finditer(data):
        end = match.start()
        start = max(end - _MAX_ID_BEGIN, 0)
        quote = max(data.rfind(b'"', start, end), data.rfind(b"'", start, end))
        if quote >= 0 and (quote + 1 < end or match.end() > end + _SHORTEST_PATH):
            yield data[quote + 1 : end]


def may_refer_notebook(data: bytes) -> bool:
    """Whether a notebook may have a reference. Its strings are escaped, and it has commands without quotes."""
    return b"/" in data and (
        _imports_library(data)
        or _has_word(data)
        or any(word in data for word in (b"git clone", b"%env ", b"set_env "))
        or _KNOWN_ID.search(data) is not None
    )


def prune(data: bytes) -> bytes:
    """Return a Python text without the functions and classes that have no text like an id and call no loader.

    Lines keep their numbers. Parsing takes most of the time of a search, and few functions of a file matter.
    """
    if len(data) < _MIN_PRUNED_SIZE:
        return data
    kept: list[bytes] = []
    left_out: list[tuple[int, bytes]] = []
    names: set[bytes] = set()
    for block in _split_blocks(data):
        kept.append(block)
        if _is_needless(block):
            left_out.append((len(kept) - 1, block))
        elif (head := _BLOCK_NAME.search(block)) is not None:
            names.add(head[1])
    for index, block in left_out:
        if not any(name in block for name in names):
            kept[index] = b"\n" * block.count(b"\n")
    return b"".join(kept)


def _split_blocks(data: bytes) -> Iterator[bytes]:
    """Yield the statements that begin in the first column, decorators with what they decorate."""
    starts = [0, *(match.start() for match in _BLOCK.finditer(data)), len(data)]
    first = 0
    for start, end in pairwise(starts):
        if not data.startswith(b"@", start):
            yield data[first:end]
            first = end


def _is_needless(block: bytes) -> bool:
    """Whether a block is a function or class that can have no part in a reference by itself."""
    return (
        block.startswith(_BLOCK_HEAD)
        and not _has_id_text(block)
        and not any(name in block for name in _WRAPPED)
        and block.count(b'"""') % 2 == 0
        and block.count(b"'''") % 2 == 0
    )


def read(data: bytes, builder: ReferenceBuilder) -> None:
    """Add the references of a Python file; of one that is not valid those of the statements that are.

    Raises:
        UnreadableError: none of it can be parsed.
    """
    pruned = prune(data) if b"\0" not in data else data
    try:
        tree = parse(pruned)
    except UnreadableError:
        try:
            tree = parse(data)
        except UnreadableError as error:
            read_tree(_parse_parts(data, error, builder), builder)
            return
    read_tree(tree, builder)


def _parse_parts(data: bytes, error: UnreadableError, builder: ReferenceBuilder) -> ast.Module:
    """Return the syntax tree of a file without the lines for a shell and the statements that are not valid.

    Raises:
        UnreadableError: no statement is valid.
    """
    if b"\0" in data or str(error) == _IS_PYTHON_2:
        raise error
    for match in _SHELL_LINE.finditer(data):
        line = data.count(b"\n", 0, match.start(2)) + 1
        read_script(match[2].decode("utf-8", "replace"), line, builder, has_lines=False)
    text = _SHELL_LINE.sub(rb"\1pass", data)
    try:
        return parse(text)
    except UnreadableError:
        pass
    kept: list[bytes] = []
    has_valid = False
    for block in _join_blocks(text):
        is_valid = _has_statements(block)
        has_valid |= is_valid
        kept.append(block if is_valid else b"\n" * block.count(b"\n"))
    if not has_valid:
        raise error
    builder.note = f"{error}: only the valid statements of it were read"
    return parse(b"".join(kept))


def _has_statements(text: bytes) -> bool:
    """Whether a text is valid and has a statement."""
    try:
        return bool(parse(text).body)
    except UnreadableError:
        return False


def _join_blocks(data: bytes) -> Iterator[bytes]:
    """Yield statements of the first level, with their further branches and whole strings of several lines."""
    pending = b""
    for block in _split_blocks(data):
        is_open = pending.count(b'"""') % 2 or pending.count(b"'''") % 2
        if pending and not is_open and not block.startswith((b"else", b"elif", b"except", b"finally")):
            yield pending
            pending = b""
        pending += block
    if pending:
        yield pending


def parse(source: bytes | str) -> ast.Module:
    """Return the syntax tree of a Python text.

    Raises:
        UnreadableError: it is no Python 3 that the running interpreter can parse.
    """
    try:
        with _WARNINGS_LOCK, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they are about the scanned file
            return ast.parse(source)
    except SyntaxError as error:
        text = source if isinstance(source, str) else source.decode("latin-1")
        if "\0" in text:
            raise UnreadableError("is not Python text: it has NUL characters, as UTF-16 has") from None
        if "encoding" in str(error.msg) or "decode" in str(error.msg) or "codec" in str(error.msg):
            raise UnreadableError("is not text in the encoding that it states") from None
        if _PYTHON_2.search(text):
            raise UnreadableError(_IS_PYTHON_2) from None
        raise UnreadableError(f"is not valid Python (line {error.lineno or 0})") from None
    except (ValueError, LookupError):
        raise UnreadableError("is not Python text") from None
    except (RecursionError, MemoryError):
        raise UnreadableError("is nested too deeply") from None


def read_tree(tree: ast.Module, builder: ReferenceBuilder) -> None:
    """Add the references of a syntax tree.

    Raises:
        UnreadableError: it is nested too deeply.
    """
    try:
        _PythonReader(ModuleAnalysis(tree), builder).read()
    except (RecursionError, MemoryError):
        raise UnreadableError("is nested too deeply") from None


class _PythonReader:
    def __init__(self, analysis: ModuleAnalysis, builder: ReferenceBuilder) -> None:
        self.analysis = analysis
        self.builder = builder
        #: Directories that the file saves models to, with the line.
        self.saved: dict[str, int] = {}
        #: Repositories that the file creates or uploads to: it does not depend on them.
        self.written: set[str] = set()
        #: Kinds of repositories that calls state (``repo_type``).
        self.kinds: dict[str, ReferenceKind] = {}
        #: Calls that return an environment variable or a default.
        self.environment: list[CallSite] = []

    def read(self) -> None:
        self._find_saved()
        self._find_written()
        for call in self.analysis.calls:
            self._read_call(call)
        for call in self.environment:
            self._read_default(call)
        self._read_texts()

    def _find_saved(self) -> None:
        """Find the directories that the file saves models to, from which it may load them again."""
        for node, scope in self.analysis.calls:
            function = node.func
            if isinstance(function, ast.Attribute) and function.attr in _SAVERS:
                argument = _get_argument(node, (0, "save_directory", "output_dir"))
            else:
                argument = _get_argument(node, ("output_dir",))
            for value in self.analysis.evaluate(argument, scope) if argument is not None else ():
                self.saved.setdefault(value.text, node.lineno)

    def _find_written(self) -> None:
        """Find the repositories that the file writes to, and the kinds that calls state."""
        for node, scope in self.analysis.calls:
            name = _last_name(node.func)
            is_writer = name in _WRITERS
            keywords = {keyword.arg for keyword in node.keywords}
            if not is_writer and keywords.isdisjoint(_TARGET_KEYWORDS) and "repo_type" not in keywords:
                continue
            written: Argument = ("repo_id", "to_id", 0 if name in _FIRST_ARGUMENT_WRITERS else "repo_id")
            for argument in (written,) if is_writer else tuple((keyword,) for keyword in _TARGET_KEYWORDS):
                self.written.update(found.value.text for found in self._find_values(argument, node, scope))
            kind = self._find_values(("repo_type",), node, scope)
            kinds = {_REPOSITORY_TYPES.get(found.value.text) for found in kind}
            if len(kinds) == 1 and (stated := kinds.pop()) is not None:
                for found in self._find_values(("repo_id", 0), node, scope):
                    self.kinds[found.value.text] = stated

    def _read_call(self, call: CallSite) -> None:
        node, scope = call
        origin = self.analysis.find_origin(node.func, scope)
        last = origin.rpartition(".")[2]
        if last in _CALLERS and len(node.args) > _CALLERS[last]:
            position = _CALLERS[last]
            node = ast.copy_location(ast.Call(node.args[position], node.args[position + 1 :], node.keywords), node)
            origin = self.analysis.find_origin(node.func, scope)
            last = origin.rpartition(".")[2]
        if (
            self.analysis.is_environment_reader(node.func, dotted(node.func))
            and len(node.args) + len(node.keywords) > 1
        ):
            self.environment.append(call)
            return
        if origin in _PROCESS_FUNCTIONS:
            self._read_command(node, scope)
            return
        if origin == f"?.{last}" and (forwarded := self.analysis.find_forwarded(last)) is not None:
            origin = self.analysis.find_origin(forwarded[0].func, forwarded[1])
            last = origin.rpartition(".")[2]
        for row in _INDEX.get(last, ()):
            if self._fits(row, origin) and self._read_row(row, node, scope, origin):
                return
        self._read_keywords(node, scope)
        if last.lower() not in _MESSAGE_FUNCTIONS and not last.endswith(("Error", "Exception", "Warning")):
            for argument in node.args:
                self._read_command_text(argument, scope, last)

    def _read_command_text(self, argument: ast.expr, scope: Scope, function: str) -> None:
        """Add what a command refers to that a function of any library is given, as a text or a list of words."""
        inner = ReferenceBuilder(self.builder.path)
        match argument:
            case ast.List(elts=[ast.Constant(value=str()), ast.Constant(value=str()), _, *_] as parts):
                values = [self.analysis.evaluate(part, scope) for part in parts]
                words = [found[0].text if len(found) == 1 else "$" for found in values]
                if is_command(" ".join(words)):
                    read_arguments(words, argument.lineno, inner)
            case ast.Constant(value=str() as text) if len(text) < _MAX_COMMAND and is_command(text):
                read_script(text, argument.lineno, inner, has_lines=False)
            case ast.JoinedStr(values=[ast.Constant(value=str() as begin), *_]) if is_command(begin):
                read_script(self.analysis.complete(argument, scope), argument.lineno, inner, has_lines=False)
            case ast.BinOp(left=ast.Constant(value=str() as begin), op=ast.Add()) if is_command(begin):
                read_script(self.analysis.complete(argument, scope), argument.lineno, inner, has_lines=False)
            case _:
                return
        runs = _RUN_WORD.search(function) is not None
        for found in inner.finish().references:
            certainty = _lower(found.certainty, is_certain=runs)
            self.builder.add_reference(replace(found, certainty=certainty), argument.lineno)

    def _read_keywords(self, node: ast.Call, scope: Scope) -> None:
        """Add the model of a call of any function that names its argument as the libraries of the Hub do."""
        for keyword in node.keywords:
            if keyword.arg not in _MODEL_KEYWORDS:
                continue
            for value in self.analysis.evaluate(keyword.value, scope):
                hub_id = parse_id(value.text)
                if hub_id is not None and "/" in hub_id.name and self.saved.get(value.text, node.lineno) >= node.lineno:
                    certainty = _lower("certain", is_certain=value.is_certain)
                    self.builder.add(hub_id, node.lineno, "keyword-model-name-or-path", certainty)

    def _fits(self, row: CallPattern, origin: str) -> bool:
        root, _, rest = origin.partition(".")
        tail = rest if row.libraries else origin
        if not any(_fits_name(tail, name) for name in row.functions):
            return False
        if not row.libraries:
            return not _fits_root(root, _OTHER_HUBS)
        if root == "?*":
            return any(_fits_root(module.partition(".")[0], row.libraries) for module in self.analysis.star_modules)
        if root == "?":
            return row.on_instances and any(_fits_root(name, row.libraries) for name in self.analysis.roots)
        if _fits_root(root, row.libraries):
            return True
        return (
            row.on_instances
            and "()" in origin
            and not root[:1].isalpha()
            and any(_fits_root(name, row.libraries) for name in self.analysis.roots)
        )

    def _read_row(self, row: CallPattern, node: ast.Call, scope: Scope, origin: str) -> bool:
        """Add what a call refers to; return whether the row applies, so that no other one is tried."""
        kind = self._find_kind(row, node, scope)
        if kind is None:
            return True
        filename = self._find_text(row.filename, node, scope)
        trust = self._find_flag("trust_remote_code", node, scope)
        refuses = self._find_flag("use_safetensors", node, scope) is False
        values = [(found, row.revision) for found in self._find_values(row.argument, node, scope)]
        for keyword in row.other_arguments:
            argument = row.own_revisions.get(keyword, row.revision)
            values += [(found, argument) for found in self._find_values((keyword,), node, scope)]
        loader = row.loader or ("" if origin.startswith(("?", ".")) else origin.partition(".")[0])
        if not values:
            self._read_imported(row, node, scope, kind, loader)
        applied = False
        for found, revision_argument in values:
            text = _strip_prefix(found.value.text, row.prefixes)
            if text is None:
                continue
            applied = True
            hub_id = _interpret(text, kind, row)
            if hub_id is None or self.saved.get(text, found.line) < found.line:
                continue
            certainty = _lower(row.certainty, is_certain=found.value.is_certain and self._is_sure(hub_id, row, origin))
            name, _, tag = hub_id.name.partition("@")
            revision, is_known = self._find_revision(revision_argument, node, scope)
            self.builder.add(
                hub_id._replace(name=name, revision=hub_id.revision or tag),
                found.line,
                row.id,
                certainty,
                loader=loader,
                revision=revision,
                is_revision_known=is_known,
                trust_remote_code=trust,
                refuses_safetensors=refuses,
                filename=filename,
            )
        return applied or not row.prefixes

    def _read_imported(self, row: CallPattern, node: ast.Call, scope: Scope, kind: ReferenceKind, loader: str) -> None:
        """Add a call that is given a value of another module, which the search looks up."""
        argument, owner = next(
            (found for part in row.argument if (found := self._find_argument(part, node, scope))[0] is not None),
            (None, scope),
        )
        if argument is None or not row.libraries:
            return
        revision, is_known = self._find_revision(row.revision, node, scope)
        for target in self.analysis.find_imported(argument, owner):
            if "." not in target.lstrip(".") or _fits_root(target.partition(".")[0], row.libraries):
                continue
            reference = Reference(
                location=Location(path=self.builder.path, line=node.lineno),
                kind=kind,
                name="",
                revision=revision if revision.isprintable() else "",
                is_revision_known=is_known and revision.isprintable(),
                certainty=row.certainty,
                pattern=row.id,
                loader=loader,
                trust_remote_code=self._find_flag("trust_remote_code", node, scope),
                refuses_safetensors=self._find_flag("use_safetensors", node, scope) is False,
                filename=self._find_text(row.filename, node, scope),
            )
            self.builder.add_imported(target, reference)

    def _is_sure(self, hub_id: HubId, row: CallPattern, origin: str) -> bool:
        if hub_id.is_address or hub_id.kind == "hosted-model":
            return True
        if "/" not in hub_id.name:
            return hub_id.kind != "dataset" or hub_id.name in DATASETS or "/" in hub_id.name
        if row.libraries:
            return True
        # a class of the project itself: sure if the file imports a library of the Hub or the class is imported
        return not origin.startswith("?") or bool(self.analysis.roots & _HUB_ROOTS)

    def _find_kind(self, row: CallPattern, node: ast.Call, scope: Scope) -> ReferenceKind | None:
        if not row.kind_argument:
            return row.kind
        argument = _get_argument(node, row.kind_argument)
        if argument is None or (isinstance(argument, ast.Constant) and argument.value is None):
            return None if row.needs_kind else row.kind
        values = self.analysis.evaluate(argument, scope)
        return _REPOSITORY_TYPES.get(values[0].text) if values else row.kind

    def _find_values(self, argument: Argument, node: ast.Call, scope: Scope) -> Iterator[_Found]:
        for part in argument:
            if isinstance(part, str) and "." in part:
                yield from self._find_member(part, node, scope)
                continue
            expression, owner = self._find_argument(part, node, scope)
            if expression is None:
                continue
            values = self.analysis.evaluate(expression, owner)
            if not values and isinstance(expression, (ast.List, ast.Tuple)):
                values = [value for item in expression.elts for value in self.analysis.evaluate(item, owner)]
            for value in values:
                yield _Found(value, node.lineno)
            if values or isinstance(part, int):
                return

    def _find_member(self, part: str, node: ast.Call, scope: Scope) -> Iterator[_Found]:
        """Yield the values of a key of an argument that is a dictionary (``api_params.model``)."""
        name, _, key = part.partition(".")
        expression = _get_argument(node, (int(name) if name.isdigit() else name,))
        if expression is None:
            return
        lookup = ast.copy_location(ast.Subscript(expression, ast.Constant(key), ast.Load()), node)
        for value in self.analysis.evaluate(lookup, scope):
            yield _Found(value, node.lineno)

    def _find_argument(self, part: int | str, node: ast.Call, scope: Scope) -> tuple[ast.expr | None, Scope]:
        """Return one argument of a call, also one that is unpacked, and the scope of its names."""
        argument = _get_argument(node, (part,))
        if argument is None and isinstance(part, str):
            return self._find_unpacked(part, node, scope)
        return argument, scope

    def _find_unpacked(self, name: str, node: ast.Call, scope: Scope) -> tuple[ast.expr | None, Scope]:
        """Return the value of a keyword in ``**arguments`` that are a dictionary of the file."""
        for keyword in node.keywords:
            if keyword.arg is None:
                lookup = ast.copy_location(ast.Subscript(keyword.value, ast.Constant(name), ast.Load()), node)
                for expression, owner in self.analysis.find_nodes(lookup, scope)[:1]:
                    return expression, owner
        return None, scope

    def _find_text(self, argument: Argument, node: ast.Call, scope: Scope) -> str:
        values = [found.value for found in self._find_values(argument, node, scope)] if argument else []
        text = values[0].text if len(values) == 1 else ""
        return text if text.isprintable() else ""

    def _find_revision(self, revision: Argument, node: ast.Call, scope: Scope) -> tuple[str, bool]:
        """Return the revision that a call states, and whether that is known."""
        for part in revision:
            if isinstance(part, str) and "." in part:
                values = [found.value for found in self._find_member(part, node, scope)]
                if len(values) == 1:
                    return values[0].text, True
                continue
            argument, owner = self._find_argument(part, node, scope)
            if argument is None:
                continue
            if isinstance(argument, ast.Constant) and argument.value is None:
                continue
            if isinstance(argument, ast.Constant) and isinstance(argument.value, int):
                return f"v{argument.value}", True
            texts = {value.text for value in self.analysis.evaluate(argument, owner)}
            if len(texts) == 1 and all(text.isprintable() for text in texts):
                return (parse_kernel_version(texts.pop()) if part == "version" else texts.pop()), True
            return "", False
        return "", True

    def _find_flag(self, name: str, node: ast.Call, scope: Scope) -> bool | None:
        argument = _get_argument(node, (name,))
        owner = scope
        if argument is None:
            argument, owner = self._find_unpacked(name, node, scope)
        if argument is None:
            return None
        nodes = self.analysis.find_nodes(argument, owner)
        flags = {item.value for item, _ in nodes if isinstance(item, ast.Constant) and isinstance(item.value, bool)}
        return flags.pop() if len(flags) == 1 and len(nodes) == 1 else None

    def _read_command(self, node: ast.Call, scope: Scope) -> None:
        """Add what a program refers to that the file starts."""
        argument = _get_argument(node, (0, "args"))
        if argument is None:
            return
        match argument:
            case ast.Call(func=ast.Attribute(value=ast.Constant(value=" "), attr="join"), args=[words_argument]):
                argument = words_argument
        nodes = self.analysis.find_nodes(argument, scope)
        if len(nodes) == 1 and isinstance(nodes[0][0], (ast.List, ast.Tuple)):
            words = []
            for part in nodes[0][0].elts:
                values = self.analysis.evaluate(part, nodes[0][1])
                is_interpreter = self.analysis.find_origin(part, nodes[0][1]) == "sys.executable"
                words.append("python" if is_interpreter else values[0].text if len(values) == 1 else "$")
            read_arguments(words, node.lineno, self.builder)
            return
        values = self.analysis.evaluate(argument, scope)
        for value in values:
            read_script(value.text, node.lineno, self.builder, has_lines=False)
        for part, owner in () if values else nodes:
            read_script(self.analysis.complete(part, owner), node.lineno, self.builder, has_lines=False)

    def _read_address(self, text: str, line: int, *, is_certain: bool = True) -> bool:
        """Add an address of the Hub; return whether the text is one."""
        hub_id = parse_address(text) if "://" in text else None
        if hub_id is None:
            return False
        if text.startswith("hf://"):
            self.builder.add(
                hub_id, line, "hub-uri", _lower("certain", is_certain=is_certain), loader="huggingface_hub"
            )
        elif hub_id.is_file:
            self.builder.add(hub_id, line, "hub-file-url", _lower("certain", is_certain=is_certain))
        else:
            self.builder.add(hub_id, line, "hub-url", "possible")
        return True

    def _read_texts(self) -> None:
        """Add addresses of the Hub, and strings near a word about models."""
        for node, scope in self.analysis.addresses:
            for value in self.analysis.evaluate(node, scope):
                self._read_address(value.text, node.lineno, is_certain=value.is_certain)
        for text, line, target in self.analysis.texts:
            names = target.split("\n")
            if self._read_address(text, line):
                continue
            if text.startswith(_TIMM_PREFIXES):
                self._read_prefixed(text, line, target)
                continue
            if names[-1] == MODEL_ID_VARIABLE:
                found = parse_id(text)
                if found is not None and ("/" in text or MODEL.fullmatch(text)):
                    self.builder.add(found, line, "variable-hf-model-id", "certain", loader="transformers")
                continue
            if target and "/" in text and "://" not in text:
                self._read_named(text, line, names)

    def _read_prefixed(self, text: str, line: int, target: str) -> None:
        """Add an id with the prefix of timm and open_clip (``hf-hub:owner/name``) that no call was given."""
        hub_id = parse_id((_strip_prefix(text, _TIMM_PREFIXES) or "").partition("@")[0])
        if hub_id is not None and "/" in hub_id.name and not self.builder.has(hub_id.name):
            self.builder.add(hub_id, line, "timm-prefix", "likely" if target else "possible", loader="timm")

    def _read_named(self, text: str, line: int, names: list[str]) -> None:
        """Add a string of the form of an id that a name about models has, or a dictionary with such a name."""
        name = next((item for item in reversed(names) if _MODEL_WORD.search(item) or _DATASET_WORD.search(item)), "")
        if not name:
            name = next((item for item in names if _MODEL_TABLE.fullmatch(item)), "")
            if not name or not is_known_namespace(text):
                return
        kind = self.kinds.get(text) or ("dataset" if _DATASET_WORD.search(name) else "model")
        if (kind != "dataset" and name == names[-1] and not _MODEL_WORD.search(name)) or is_hosted(text):
            return
        found = parse_id(text, kind)
        if found is None or text in self.written or self.builder.has(text):
            return
        is_named = (_MODEL_NAME if name == names[-1] else _MODEL_TABLE).fullmatch(name) is not None
        is_clear = is_known_namespace(text) and is_named and not is_of_other_thing([name.lower()])
        if is_clear and not self._is_for_services():
            self.builder.add(found, line, "model-constant", "likely")
        elif name == names[-1]:
            self.builder.add(found, line, "near-model-word", "possible")

    def _is_for_services(self) -> bool:
        """Whether the file calls services that have models under the ids of their publishers, and no library."""
        return bool(self.analysis.roots & _SERVICE_ROOTS) and not self.analysis.roots & _HUB_ROOTS

    def _read_default(self, call: CallSite) -> None:
        """Add the default of an environment variable with a name about models (``os.getenv("HF_MODEL_ID", …)``)."""
        names = self.analysis.evaluate(_get_argument(call.node, (0,)), call.scope)
        values = self.analysis.evaluate(_get_argument(call.node, (1, "default")), call.scope)
        if len(names) != 1 or len(values) != 1 or self.builder.has(values[0].text) or self._is_for_services():
            return
        row = find_variable(names[0].text)
        hub_id = interpret(values[0].text, row.kind, "setting") if row is not None else None
        if row is not None and hub_id is not None and hub_id.kind != "hosted-model":
            is_clear = names[0].text.startswith("HF_") or is_known_namespace(hub_id.name)
            self.builder.add(hub_id, call.node.lineno, row.id, "likely" if is_clear else "possible")


#: Libraries that load from hubs of their own.
_OTHER_HUBS: Final = split_words("modelscope* paddlenlp* paddle* mindformers* mindnlp* keras_nlp* keras_hub* gluonnlp*")
#: Clients of services that run models of many publishers.
_SERVICE_ROOTS: Final = frozenset(
    split_words("openai groq litellm together fireworks openrouter langchain_openai langchain_groq cerebras dspy")
)
#: Prefixes of ids of the Hub for timm and open_clip.
_TIMM_PREFIXES: Final = ("hf-hub:", "hf_hub:")
#: Modules whose import shows that a file loads from the Hub.
_HUB_ROOTS: Final = frozenset(
    split_words(
        """
        transformers diffusers huggingface_hub sentence_transformers peft datasets optimum accelerate trl timm
        safetensors torch
        """
    )
)


def _interpret(text: str, kind: ReferenceKind, row: CallPattern) -> HubId | None:
    if row.has_provider and not text.endswith(":free") and "://" not in text:  # the suffix of OpenRouter
        text = text.partition(":")[0]
    hub_id = (
        interpret(text.strip(), kind, row.context)
        if row.context != "hub" or not row.prefixes
        else parse_id(text.partition("@")[0], kind)
    )
    if hub_id is None:
        return None
    if row.prefixes and "@" in text:
        hub_id = hub_id._replace(revision=text.partition("@")[2])
    if "/" in hub_id.name or hub_id.is_address:
        return hub_id
    name = hub_id.name
    is_accepted = row.bare_names == "any"
    if hub_id.kind == "dataset":
        is_accepted |= name in DATASETS or (row.bare_names == "datasets" and _is_dataset_name(name))
    elif row.bare_names == "whisper-sizes" and name in WHISPER_SIZES:
        return hub_id._replace(name=WHISPER_SIZES[name])
    elif row.bare_names in {"models", "sentence-models"}:
        is_accepted |= MODEL.fullmatch(name) is not None
        if not is_accepted and row.bare_names == "sentence-models" and SENTENCE_MODEL.fullmatch(name):
            return hub_id._replace(name=f"{SENTENCE_NAMESPACE}/{name}")
    return hub_id if is_accepted else None


def find_row(row_id: str) -> CallPattern | None:
    """Return the row of a function by its id."""
    return next((row for row in CALLS if row.id == row_id), None)


def find_rows(name: str) -> Iterator[CallPattern]:
    """Yield the rows that fit the full name of a function (``transformers.AutoModel.from_pretrained``)."""
    root, _, tail = name.partition(".")
    for row in _INDEX.get(name.rpartition(".")[2], ()):
        if _fits_root(root, row.libraries) and any(_fits_name(tail, function) for function in row.functions):
            yield row


def interpret_argument(text: str, row: CallPattern, kind: ReferenceKind | None = None) -> HubId | None:
    """Return what the argument of a function refers to; None for a path, a placeholder or another text.

    ``kind`` is that of the call, if it is not that of the row.
    """
    stripped = _strip_prefix(text, row.prefixes)
    return None if stripped is None else _interpret(stripped, kind or row.kind, row)


def _is_dataset_name(name: str) -> bool:
    """Whether a name without a namespace may be one of a dataset, and not a format or a directory."""
    return name not in DATASET_BUILDERS and name.lower() not in _COMMON_DIRECTORIES and len(name) > 2  # noqa: PLR2004


_COMMON_DIRECTORIES: Final = frozenset(
    split_words(
        """
        data dataset datasets train test valid validation input output images audio files corpus raw processed
        folder dir path name my_dataset my-dataset dataset_name custom local image video tmp temp
        """
    )
)


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _strip_prefix(text: str, prefixes: tuple[str, ...]) -> str | None:
    if not prefixes:
        return text
    return next((text.removeprefix(prefix) for prefix in prefixes if text.startswith(prefix)), None)


def _lower(certainty: Certainty, *, is_certain: bool) -> Certainty:
    return certainty if is_certain else ("likely" if certainty == "certain" else certainty)


def _fits_root(root: str, libraries: tuple[str, ...]) -> bool:
    return any(
        root.startswith(library[:-1]) if library.endswith("*") else root == library.partition(".")[0]
        for library in libraries
    )


def _fits_name(origin: str, name: str) -> bool:
    """Whether the end of a full name fits a function, or a class and method, of the table."""
    count = name.count(".") + 1
    parts = origin.split(".")
    if len(parts) < count:
        return False
    if "()" not in name:
        return fnmatchcase(".".join(parts[-count:]).replace("()", ""), name)
    return ".".join(parts[-count:]) == name


def _get_argument(node: ast.Call, argument: Argument) -> ast.expr | None:
    """Return the first argument that a call has of those at the positions or with the keywords."""
    for part in argument:
        if isinstance(part, str):
            for keyword in node.keywords:
                if keyword.arg == part:
                    return keyword.value
        elif part < len(node.args) and not any(isinstance(item, ast.Starred) for item in node.args[: part + 1]):
            return node.args[part]
    return None
