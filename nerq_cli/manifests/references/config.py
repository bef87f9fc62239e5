"""Settings in YAML, JSON, TOML and ``.env`` files, and the metadata of model cards."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Final, TypeAlias

from nerq_cli.manifests.references import python
from nerq_cli.manifests.references.builder import ReferenceBuilder, UnreadableError
from nerq_cli.manifests.references.commands import REVISION_VARIABLE, Word, read_script, read_variable, read_words
from nerq_cli.manifests.references.ids import (
    HubId,
    interpret,
    is_about_models,
    is_model_name,
    is_of_other_thing,
    parse_address,
    parse_id,
    parse_kernel_version,
)
from nerq_cli.manifests.references.known_names import DATASETS, MODEL, is_known_namespace
from nerq_cli.manifests.references.model import TEMPLATE_NOTE, Certainty, ReferenceKind
from nerq_cli.manifests.references.table import KEYS, KeyPattern
from nerq_cli.manifests.references.words import split_words
from nerq_cli.manifests.syntax.yaml_document import MAX_DEPTH, MAX_EVENTS, YamlNode
from nerq_cli.patterns import compile_late

#: A value of a settings file with its line: text, a list of nodes or a mapping to nodes.
Node: TypeAlias = YamlNode
Members: TypeAlias = Mapping[str, YamlNode]

_KEYS: Final[dict[str, KeyPattern]] = {key: row for row in KEYS for key in row.keys}
#: Ends of keys whose value is a model if its publisher or its name is that of one.
_MODEL_ENDINGS: Final = ("_model", "_model_id", "_model_name", "_model_path", "_tokenizer", "_model_name_or_path")
#: Keys with one command, as text or as a list of words.
_COMMAND_KEYS: Final = frozenset({"command", "args", "entrypoint", "cmd", "arguments", "extraargs", "extra_args"})
#: Keys with lines of shell scripts.
_SCRIPT_KEYS: Final = frozenset(
    split_words(
        """
        run script before_script after_script cmds commands setup setup_commands inlinescript shell
        postcreatecommand bash steps scripts task entry onstart poststartcommand install build_commands
        """
    )
)
_VARIABLE_KEYS: Final = frozenset(
    split_words(
        """
        env environment env_vars variables envs environment_variables build_args build_arg containerenv
        remoteenv extraenv
        """
    )
)
#: Keys with a revision, and the start of the keys of which it is the revision.
_REVISION_KEYS: Final = (
    ("base_model_revision", "base_model"),
    ("tokenizer_revision", "tokenizer"),
    ("dataset_revision", "dataset"),
    ("adapter_revision", "adapter"),
    ("lora_revision", "lora"),
    ("model_revision_id", "model"),
    ("model_revision", "model"),
    ("model_revision", "pretrained_model"),
    ("hf_revision", ""),
    ("revision", ""),
)
#: Keys whose values name no repositories of the Hub, whatever is below.
_OTHER_KEYS: Final = frozenset(
    split_words(
        """
        uses image repository repositories repos homepage dependencies devdependencies license author url schema
        $schema paths files exclude include test tests
        """
    )
)
#: Keys of the model in the settings of a training run.
_TRAINED_MODEL_KEYS: Final = frozenset({"base_model", "model_name_or_path", "pretrained_model_name_or_path"})
#: Keys that settings of training runs have.
_TRAINING_KEYS: Final = frozenset(
    split_words(
        """
        micro_batch_size per_device_train_batch_size train_batch_size num_train_epochs num_epochs learning_rate
        gradient_accumulation_steps output_dir sequence_len finetuning_type lora_r lora_rank max_seq_length cutoff_len
        dataset_prepared_path optimizer lr_scheduler lr_scheduler_type warmup_steps warmup_ratio bf16 fp16 stage
        val_set_size adapter
        """
    )
)
#: Settings of a training run of which an id is one of the Hub.
_TRAINING_REFERENCES: Final = frozenset(
    split_words(
        """
        base_model base_model_config tokenizer_config model_name_or_path tokenizer_name_or_path processor_name_or_path
        adapter_name_or_path reward_model ref_model teacher_model draft_model dataset_name dataset_id dataset datasets
        train_dataset eval_dataset path pretraining_dataset test_datasets
        """
    )
)
#: Keys that descriptions of evaluation tasks have beside ``dataset_path``.
_TASK_KEYS: Final = frozenset({"task", "doc_to_text", "output_type", "test_split", "validation_split", "metric_list"})
#: Keys of the settings of anything: a repository of code, the model of a car.
_WEAK_KEYS: Final = frozenset({"model", "repo", "encoder", "backbone", "checkpoint"})
#: Parts of the names of keys beside a repository of the Hub, which is not one of code.
_HUB_WORD: Final = compile_late(
    r"(?:^|_)(?:hf(?:_|$)|hugging|gguf|model_?file|filename$|quant|repo_type|safetensors|(?:allow|ignore)_patterns)"
)
#: Keys with a mapping about one of the models of a program.
_ROLES: Final = frozenset(
    split_words(
        """
        actor base critic decoder discriminator draft encoder evaluator generator grader judge planner policy reader
        ref reference reward scorer student target teacher text_encoder transformer unet vae verifier
        """
    )
)
_CLUSTER_VARIABLE: Final = compile_late(r"\$\((\w+)\)")
_WORKFLOW_VARIABLE: Final = compile_late(r"\$\{\{\s*env\.(\w+)\s*\}\}")
_ENV_LINE: Final = compile_late(
    r"^[ \t]*(?:export[ \t]+|set[ \t]+)?([A-Za-z_]\w*)[ \t]*=[ \t]*(?:\"([^\"\n]*)\"|'([^'\n]*)'|([^\s#]*))",
    re.MULTILINE,
)
_FRONT_MATTER: Final = compile_late(r"\ufeff?---[ \t]*\r?\n(.*?)^---[ \t]*$", re.DOTALL | re.MULTILINE)
_TEMPLATE_LINE: Final = compile_late(
    r"^[ \t]*(?:-[ \t]+)?([A-Za-z_][\w-]*):[ \t]+[\"']?([^\s\"'{}#]+)[\"']?[ \t]*(?:#.*)?$", re.MULTILINE
)
_INI_LINE: Final = compile_late(
    r"^[ \t]*([A-Za-z_][\w-]*)[ \t]*[=:][ \t]*[\"']?([^\s\"'{}#;]+)[\"']?[ \t]*$", re.MULTILINE
)


def read_yaml(text: str, builder: ReferenceBuilder, *, is_compose: bool = False) -> None:
    """Add the references of a YAML stream.

    Raises:
        UnreadableError: it is not YAML.
    """
    try:
        documents = parse_yaml(text)
    except UnreadableError:
        if "{{" not in text and "{%" not in text:
            raise
        builder.note = TEMPLATE_NOTE
        _read_lines(_TEMPLATE_LINE, text, builder)
        return
    reader = SettingsReader(builder)
    for document in documents:
        if is_compose:
            read_compose_models(document, builder)
        reader.read(document, is_compose=is_compose)


def read_json(text: str, builder: ReferenceBuilder) -> None:
    """Add the references of a JSON text, which may have comments."""
    SettingsReader(builder).read(parse_json_nodes(text))


def read_toml(text: str, builder: ReferenceBuilder) -> None:
    """Add the references of a TOML text."""
    SettingsReader(builder).read(parse_toml(text))


def read_pyproject(text: str, builder: ReferenceBuilder) -> None:
    """Add the kernels and settings of a ``pyproject.toml``."""
    node = parse_toml(text)
    tool = members_of(members_of(node).get("tool"))
    kernels = members_of(members_of(tool.get("kernels")).get("dependencies"))
    for name, version in kernels.items():
        hub_id = parse_id(name, "kernel")
        if hub_id is None or "/" not in name:
            continue
        revision = parse_kernel_version(text_of(version))
        builder.add(hub_id, version.line, "kernels-dependencies", "certain", loader="kernels", revision=revision)
    reader = SettingsReader(builder)
    for name, table in tool.items():
        if name != "kernels":
            reader.read(table)


def read_ini(text: str, builder: ReferenceBuilder) -> None:
    """Add the references of an INI file."""
    _read_lines(_INI_LINE, text, builder)


def read_env(text: str, builder: ReferenceBuilder) -> None:
    """Add the references of a file of environment variables. Other variables are not kept."""
    for match in _ENV_LINE.finditer(text):
        value = next((part for part in match.groups()[1:] if part is not None), "")
        read_variable(match[1], value, text.count("\n", 0, match.start(1)) + 1, builder)


def read_adapter_config(text: str, builder: ReferenceBuilder) -> None:
    """Add the base model of an adapter in the project."""
    members = members_of(parse_json_nodes(text))
    base = members.get("base_model_name_or_path")
    hub_id = parse_id(text_of(base)) if base is not None else None
    if base is not None and hub_id is not None and ("/" in hub_id.name or MODEL.fullmatch(hub_id.name)):
        builder.add(
            hub_id, base.line, "adapter-config", "certain", loader="peft", revision=text_of(members.get("revision"))
        )


def read_card(text: str, builder: ReferenceBuilder) -> None:
    """Add what the front matter of a model card, dataset card or Space names."""
    match = _FRONT_MATTER.match(text)
    if match is None:
        return
    try:
        documents = parse_yaml("\n" + match[1])
    except UnreadableError:
        builder.note = "the front matter is not valid YAML"
        return
    for document in documents:
        members = members_of(document)
        for key, kind in (("base_model", "model"), ("models", "model"), ("datasets", "dataset")):
            node = members.get(key)
            if node is None:
                continue
            for item in node.data if isinstance(node.data, list) else [node]:
                hub_id = parse_id(text_of(item), kind)  # type: ignore[arg-type]
                known = hub_id is not None and (MODEL.fullmatch(hub_id.name) or hub_id.name in DATASETS)
                if hub_id is not None and ("/" in hub_id.name or known):
                    builder.add(hub_id, item.line, "card-metadata", "certain")


def read_kernels_lock(text: str, builder: ReferenceBuilder) -> None:
    """Add the entries of a ``kernels.lock``."""
    node = parse_json_nodes(text)
    if not isinstance(node.data, list):
        raise UnreadableError("is not a lock file of kernels")
    for entry in node.data:
        members = members_of(entry)
        # As kernels 0.17 and later write it, and as earlier releases did.
        dependency, lock = members_of(members.get("dependency")), members_of(members.get("lock"))
        repository = members.get("repo_id") or dependency.get("repo-id")
        hub_id = parse_id(text_of(repository), "kernel")
        if repository is not None and hub_id is not None:
            revision = text_of(members.get("sha") or lock.get("commit"))
            builder.add(hub_id, repository.line, "kernels-lock", "certain", loader="kernels", revision=revision)


def read_compose_models(document: Node, builder: ReferenceBuilder) -> None:
    """Add the models of a Compose file that an address of the Hub names; others are images of a registry."""
    top = members_of(document)
    candidates = [members_of(entry).get("model") for entry in members_of(top.get("models")).values()]
    for service in members_of(top.get("services")).values():
        provider = members_of(members_of(service).get("provider"))
        if text_of(provider.get("type")) == "model":
            candidates.append(members_of(provider.get("options")).get("model"))
    for node in candidates:
        hub_id = parse_address(text_of(node)) if node is not None else None
        if node is not None and hub_id is not None:
            builder.add(hub_id, node.line, "compose-models", "certain", loader="docker-model-runner")


class SettingsReader:
    """Walks through the nodes of a settings file."""

    def __init__(self, builder: ReferenceBuilder) -> None:
        self.builder = builder
        #: Whether the document has the settings of a training run, or describes an evaluation task.
        self.is_training = False
        self.is_task = False
        #: Whether a key at the top of the document, or the name of the file, is about models.
        self.is_about_models = False
        #: Environment variables of the document.
        self.variables: dict[str, tuple[str, bool]] = {}

    def read(self, node: Node, *, is_compose: bool = False) -> None:
        """Add the references of a document."""
        top = members_of(node)
        keys = {_normalise(key) for key in top}
        nested = {_normalise(key) for child in top.values() for key in members_of(child)}
        self.is_training = bool(keys & _TRAINED_MODEL_KEYS) and len((keys | nested) & _TRAINING_KEYS) > 1
        self.is_task = "dataset_path" in keys and bool(keys & _TASK_KEYS)
        stem = _normalise(PurePosixPath(self.builder.path).stem)
        self.is_about_models = is_about_models(keys - _WEAK_KEYS) or is_about_models([stem])
        self.variables = _find_variables(node)
        for key, child in top.items() if top else [("", node)]:
            if not (is_compose and key == "models"):
                self._read_node(key, child, node, is_compose=is_compose)

    def _read_node(self, key: str, node: Node, parent: Node, *, is_compose: bool) -> None:
        pending: list[tuple[str, Node, Node, str]] = [(key, node, parent, "")]
        while pending:
            key, node, parent, above = pending.pop()
            name = _normalise(key)
            if is_compose and name == "provider":
                continue
            if isinstance(node.data, str):
                self._read_text(name, node, members_of(parent), above)
            elif (name in _OTHER_KEYS and name not in {"url", "include", "test", "tests", "repository"}) or (
                name in _VARIABLE_KEYS and self._read_variables(node, parent)
            ):
                continue
            elif (
                name in _COMMAND_KEYS
                and isinstance(node.data, list)
                and all(isinstance(item.data, str) for item in node.data)
            ):
                self._read_command(name, node, members_of(parent))
            elif isinstance(node.data, list):
                pending += [(self._item_key(name, item), item, parent, name) for item in reversed(node.data)]
            elif isinstance(node.data, dict):
                if "_target_" in node.data:
                    self._read_target(node.data)
                elif name in {"dataset_mixer", "dataset_mix"}:
                    self._read_dataset_mixture(node.data)
                pending += [(child_key, child, node, name or above) for child_key, child in reversed(node.data.items())]

    def _read_target(self, members: Members) -> None:
        """Read the arguments of a function or class that Hydra calls."""
        target = text_of(members.get("_target_"))
        positional = members.get("_args_")
        for row in python.find_rows(target):
            nodes = [members[part] for part in row.argument if isinstance(part, str) and part in members]
            if not nodes and positional is not None and isinstance(positional.data, list) and 0 in row.argument:
                nodes = positional.data[:1]
            for node in nodes[:1]:
                hub_id = python.interpret_argument(text_of(node), row)
                if hub_id is not None:
                    revision = text_of(members.get("revision"))
                    self.builder.add(hub_id, node.line, row.id, row.certainty, loader=row.loader, revision=revision)
            return

    def _read_dataset_mixture(self, members: Members) -> None:
        """Read a mapping from datasets to their shares."""
        for name, node in members.items():
            hub_id = interpret(name, "dataset", "setting")
            if hub_id is not None:
                self.builder.add(hub_id, node.line, "key-dataset", "certain" if self.is_training else "likely")

    def _item_key(self, name: str, item: Node) -> str:
        if isinstance(item.data, str):
            return name
        row = _KEYS.get(name)
        return "datasets[]" if row is not None and row.kind == "dataset" else ""

    def _read_variables(self, node: Node, parent: Node) -> bool:
        """Read a mapping or list of environment variables."""
        image = text_of(members_of(parent).get("image"))
        revision = dict(_list_variables(node)).get(REVISION_VARIABLE, "")
        if isinstance(node.data, dict):
            for name, value in node.data.items():
                if isinstance(value.data, str):
                    self._read_variable(name, value.data, value.line, image, revision)
            return all(isinstance(value.data, str) for value in node.data.values())
        for item in node.data if isinstance(node.data, list) else ():
            if isinstance(item.data, str):
                name, equals, value_text = item.data.partition("=")
                if equals:
                    self._read_variable(name, value_text, item.line, image, revision)
            else:
                members = members_of(item)
                name, value_text = text_of(members.get("name")), text_of(members.get("value"))
                self._read_variable(name, value_text, item.line, image, revision)
        return True

    def _read_variable(self, name: str, value: str, line: int, image: str, revision: str) -> None:
        default = re.fullmatch(r"\$\{\w+:?-([^{}]+)\}", value)
        source = "" if default else image
        read_variable(name, default[1] if default else value, line, self.builder, source, revision=revision)

    def _read_command(self, name: str, node: Node, parent: Members) -> None:
        """Read the words of a command, with those of the image and the entry point before it."""
        if not isinstance(node.data, list):
            return
        words = [Word(item.data, item.line) for item in node.data if isinstance(item.data, str)]
        if name in {"command", "args"}:
            for key in ("entrypoint", "command"):
                before = parent.get(key)
                if before is not None and before is not node and key != name:
                    items = before.data if isinstance(before.data, list) else [before]
                    split = [
                        Word(part, 0) for item in items if isinstance(item.data, str) for part in item.data.split()
                    ]
                    words = [*split, *words]
        words = [part for word in words for part in _split_word(word)]
        words = [word._replace(text=_CLUSTER_VARIABLE.sub(self._expand, word.text)) for word in words]
        image = text_of(parent.get("image"))
        if text_of(members_of(parent.get("modelFormat")).get("name")) == "huggingface":
            image = "huggingfaceserver"
        if words and words[0].text.startswith("-") and image:
            words = [Word(image, 0), *words]
        if words:
            read_words([*words, *_list_revision(words, parent)], self.builder, image, self._read_python)

    def _expand(self, match: re.Match[str]) -> str:
        """Return the value of a variable of the document, if it has one; the text as it is otherwise."""
        return self.variables.get(match[1], (match[0], False))[0]

    def _read_python(self, code: str, line: int) -> None:
        read_python_code(code, line, self.builder)

    def _read_text(self, name: str, node: Node, parent: Members, above: str) -> None:
        text = node.data if isinstance(node.data, str) else ""
        if name in _COMMAND_KEYS or (name in _SCRIPT_KEYS or above in _SCRIPT_KEYS) or "\n" in text:
            is_command = name in _COMMAND_KEYS
            if is_command or " " in text.strip():
                image = text_of(parent.get("image"))
                prefix = f"{image} " if is_command and image and text.lstrip().startswith("-") else ""
                if is_command and image:
                    read_words(
                        [Word(f"{prefix}".strip() or "", node.line), *_split_text(text, node.line)]
                        if prefix
                        else _split_text(text, node.line),
                        self.builder,
                        image,
                        self._read_python,
                    )
                else:
                    read_script(
                        _WORKFLOW_VARIABLE.sub(r"${\1}", text),
                        node.line + ("\n" in text),
                        self.builder,
                        read_python=self._read_python,
                        variables=dict(self.variables),
                    )
                return
        if "hf://" in text[:12] or "://" in text or text.startswith(("hf.co/", "huggingface.co/")):
            self._read_address(name, node, text)
            return
        if name.endswith("[]"):
            return
        row = _KEYS.get(name) or (
            _KEYS["dataset"]
            if above in {"dataset[]", "datasets[]", "dataset", "datasets"} and name in {"path", "name", "id", "repo"}
            else None
        )
        if row is None and (name == "models" or (name in {"name", "id", "path"} and above in {*_KEYS, "models"})):
            row = _KEYS["model"] if is_known_namespace(text) else None  # a name of anything else too
        if row is None and name.endswith(_MODEL_ENDINGS) and is_model_name(HubId("model", text)):
            row = _KEYS["model"]
        if row is not None:
            self._read_setting(row, name, node, parent, above)

    def _read_setting(self, row: KeyPattern, name: str, node: Node, parent: Members, above: str) -> None:  # noqa: C901, PLR0912 - a rule for each key
        text = text_of(node)
        kind: ReferenceKind = row.kind
        if name in {"repo_id", "repo", "name"} and text_of(parent.get("repo_type")) in {"dataset", "space"}:
            kind = "dataset" if text_of(parent.get("repo_type")) == "dataset" else "space"
        if above == "dataset" and name in {"repo_id", "repo"}:
            kind = "dataset"
        around = {above, *(_normalise(key) for key in parent)} - {name}
        is_weak = name in _WEAK_KEYS and not is_about_models(around)
        if name == "repo" and any(map(_HUB_WORD.search, around)):
            is_weak = False
        if is_weak and name != "model":
            return
        hub_id = interpret(text, kind, "setting")
        certainty: Certainty = row.certainty
        if self.is_task and kind == "dataset":
            if name == "dataset_name":
                return  # a part of the dataset
            certainty = "certain"
        elif self.is_training and name in _TRAINING_REFERENCES and (hub_id is None or hub_id.kind != "hosted-model"):
            certainty = "certain"
        if above == "litellm_params" and name == "model":
            certainty = "certain"
        if hub_id is None and (above == "litellm_params" or certainty == "certain"):
            hub_id = (
                interpret(text, kind, "router") if above == "litellm_params" else _accept_known(parse_id(text, kind))
            )
        if hub_id is None:
            return
        is_other = is_of_other_thing((name, above)) or (
            name == "repo" and not self._is_hub_repository(hub_id, above, around)
        )
        pattern = row.id
        if above == "litellm_params":
            pattern = "litellm"
        elif hub_id.kind == "hosted-model":
            pattern = "router-id"
        elif certainty == "likely" and (is_other or (is_weak and not self._is_model_name(hub_id, above))):
            certainty = "possible"  # the model of a car, a printer, a phone; the repository of a program
        revision = next(
            (text_of(parent[key]) for key, start in _REVISION_KEYS if key in parent and name.startswith(start)), ""
        )
        trust = {"true": True, "True": True, "false": False, "False": False}.get(
            text_of(parent.get("trust_remote_code"))
        )
        self.builder.add(
            hub_id,
            node.line,
            pattern,
            certainty,
            revision=revision if "$" not in revision else "",
            trust_remote_code=trust,
        )

    def _is_hub_repository(self, hub_id: HubId, above: str, around: Iterable[str]) -> bool:
        """Whether a repository is one of the Hub by its name or the keys around it, and not one of code."""
        return is_model_name(hub_id) or is_about_models([above]) or any(map(_HUB_WORD.search, around))

    def _is_model_name(self, hub_id: HubId, above: str) -> bool:
        """Whether an id is that of a model by its publisher, its name, or what else the file is about.

        The latter counts for keys at the top, and for mappings about one of several models.
        """
        return is_model_name(hub_id) or (self.is_about_models and (not above or above in _ROLES))

    def _read_address(self, name: str, node: Node, text: str) -> None:
        hub_id = parse_address(text.strip())
        if hub_id is None:
            return
        if text.startswith("hf://"):
            self.builder.add(hub_id, node.line, "hub-uri", "certain")
        elif hub_id.is_file:
            self.builder.add(hub_id, node.line, "hub-file-url", "certain")
        elif name in _KEYS:
            self.builder.add(hub_id, node.line, _KEYS[name].id, "likely")
        else:
            self.builder.add(hub_id, node.line, "hub-url", "possible")


def read_python_code(code: str, line: int, builder: ReferenceBuilder) -> None:
    """Add the references of Python code in another file; code that cannot be parsed has none."""
    inner = ReferenceBuilder(builder.path)
    try:
        python.read_tree(python.parse(code), inner)
    except UnreadableError:
        return
    for reference in inner.finish().references:
        builder.add_reference(reference, line)


def _find_variables(node: Node) -> dict[str, tuple[str, bool]]:
    """Return the environment variables that a document sets; one with several values is none of them for certain."""
    variables: dict[str, tuple[str, bool]] = {}
    pending = [node]
    while pending:
        current = pending.pop()
        if isinstance(current.data, list):
            pending += current.data
        if not isinstance(current.data, dict):
            continue
        for key, child in current.data.items():
            pending.append(child)
            if _normalise(key) not in _VARIABLE_KEYS:
                continue
            for name, value in _list_variables(child):
                # those of a workflow cannot be set from outside
                is_certain = key == "env" and variables.get(name, (value, True))[0] == value
                variables[name] = value, is_certain
    return variables


def _list_revision(words: Sequence[Word], container: Members) -> list[Word]:
    """Return the option for the revision that a variable of a container states, if its command has none."""
    if not container.get("image") or any(word.text.partition("=")[0] == "--revision" for word in words):
        return []
    variables = [
        item for key in container if _normalise(key) in _VARIABLE_KEYS for item in _list_variables(container[key])
    ]
    revision = dict(variables).get(REVISION_VARIABLE)
    return [Word("--revision", 0), Word(revision, 0)] if revision else []


def _list_variables(node: Node) -> list[tuple[str, str]]:
    if isinstance(node.data, dict):
        return [(name, value.data) for name, value in node.data.items() if isinstance(value.data, str)]
    found = []
    for item in node.data if isinstance(node.data, list) else ():
        if isinstance(item.data, str):
            name, equals, value = item.data.partition("=")
            found += [(name, value)] if equals else []
        else:
            members = members_of(item)
            found.append((text_of(members.get("name")), text_of(members.get("value"))))
    return [(name, value) for name, value in found if name and value]


# Nodes ---------------------------------------------------------------------------------------------------------------


def text_of(node: Node | None) -> str:
    """Return the text of a node; empty if it has none."""
    return node.data if node is not None and isinstance(node.data, str) else ""


def members_of(node: Node | None) -> Members:
    """Return the members of a mapping; none if the node is none."""
    return node.data if node is not None and isinstance(node.data, dict) else {}


def parse_yaml(text: str) -> list[Node]:
    """Return the documents of a YAML stream, with nothing in place of aliases, so that no text can grow.

    Raises:
        UnreadableError: it is not YAML, or too deep or long.
    """
    import yaml

    try:
        return _build_nodes(yaml.parse(text, Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader)))
    except (yaml.YAMLError, UnicodeError, ValueError, RecursionError, MemoryError):
        raise UnreadableError("is not valid YAML") from None


def _build_nodes(events: Iterable[Any]) -> list[Node]:
    from yaml import events as kinds

    documents: list[Node] = []
    stack: list[tuple[list[Node], int, bool]] = [(documents, 0, False)]
    event: Any
    for count, event in enumerate(events):
        if count > MAX_EVENTS:
            raise UnreadableError("is too large to be read")
        if _is_event(event, kinds.ScalarEvent):
            stack[-1][0].append(Node(event.value, event.start_mark.line + 1))
        elif _is_event(event, kinds.AliasEvent):
            stack[-1][0].append(Node("", event.start_mark.line + 1))
        elif _is_event(event, kinds.MappingStartEvent, kinds.SequenceStartEvent):
            if len(stack) > MAX_DEPTH:
                raise UnreadableError("is nested too deeply")
            stack.append(([], event.start_mark.line + 1, _is_event(event, kinds.MappingStartEvent)))
        elif _is_event(event, kinds.MappingEndEvent, kinds.SequenceEndEvent):
            items, line, is_mapping = stack.pop()
            stack[-1][0].append(Node(_pair(items) if is_mapping else items, line))
    return documents


def _is_event(event: object, *kinds: type) -> bool:
    return isinstance(event, kinds)


def _pair(items: list[Node]) -> dict[str, Node]:
    return {
        key.data: Node(value.data, value.line if isinstance(value.data, str) and "\n" not in value.data else key.line)
        for key, value in zip(items[::2], items[1::2], strict=False)
        if isinstance(key.data, str)
    }


def parse_json_nodes(text: str) -> Node:
    """Return the nodes of a JSON text, which may have comments.

    Raises:
        UnreadableError: it is not JSON.
    """
    from nerq_cli.manifests.syntax.json_comments import strip_comments
    from nerq_cli.manifests.syntax.json_document import JsonNode, NotJsonError, parse_json
    from nerq_cli.manifests.syntax.problems import LineIndex

    text = text.removeprefix("\ufeff")
    try:
        root = parse_json(strip_comments(text))
    except (NotJsonError, RecursionError, ValueError):
        raise UnreadableError("is not valid JSON") from None
    index = LineIndex(text)

    def convert(node: JsonNode) -> Node:
        line = index.line_number(node.offset)
        if isinstance(node.data, dict):
            return Node({key: convert(child) for key, child in node.data.items()}, line)
        if isinstance(node.data, list):
            return Node([convert(child) for child in node.data], line)
        return Node(node.data if isinstance(node.data, str) else _write_scalar(node.data), line)

    return convert(root)


def parse_toml(text: str) -> Node:
    """Return the nodes of a TOML text.

    Raises:
        UnreadableError: it is not TOML.
    """
    import tomli

    from nerq_cli.manifests.syntax.problems import LineIndex
    from nerq_cli.manifests.syntax.toml_document import Position, locate_values

    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    try:
        data = tomli.loads(text)
    except (ValueError, RecursionError):
        raise UnreadableError("is not valid TOML") from None
    index = LineIndex(text)

    def convert(value: object, position: Position | None) -> Node:
        line = index.line_number(position.offset) if position is not None else 0
        children = position.children if position is not None else {}
        if isinstance(value, dict):
            return Node({str(key): convert(child, children.get(key)) for key, child in value.items()}, line)
        if isinstance(value, list):
            return Node([convert(child, children.get(number)) for number, child in enumerate(value)], line)
        return Node(value if isinstance(value, str) else _write_scalar(value), line)

    return convert(data, locate_values(text))


def _write_scalar(value: object) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _normalise(key: str) -> str:
    return key.lower().replace("-", "_").rpartition(".")[2]


def _split_text(text: str, line: int) -> list[Word]:
    from nerq_cli.manifests.references.commands import split_commands

    commands = list(split_commands(text, line, has_lines=False))
    return [word for command in commands for word in command]


def _split_word(word: Word) -> list[Word]:
    """Return the parts of a list item that holds an option with its value, or a whole command."""
    text = word.text
    if "\n" in text or (" " in text and not text.startswith("-")):
        return [word]
    if " " in text and re.match(r"--?[\w-]+ \S", text):
        return [Word(part, word.line) for part in text.split()]
    return [word]


def _accept_known(hub_id: HubId | None) -> HubId | None:
    if hub_id is None or "/" in hub_id.name:
        return hub_id
    return hub_id if MODEL.fullmatch(hub_id.name) or hub_id.name in DATASETS else None


def _read_lines(pattern: re.Pattern[str], text: str, builder: ReferenceBuilder) -> None:
    """Read lines with a key and a value, of a file whose structure is not read."""
    reader = SettingsReader(builder)
    for match in pattern.finditer(text):
        line = text.count("\n", 0, match.start(1)) + 1
        reader.read(Node({match[1]: Node(match[2], line)}, line))
