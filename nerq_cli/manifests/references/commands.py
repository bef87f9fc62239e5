"""Commands: programs with their arguments, in shell scripts, container files, workflows and notebooks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from nerq_cli.manifests.references.builder import ReferenceBuilder
from nerq_cli.manifests.references.ids import (
    HubId,
    interpret,
    is_about_models,
    is_id,
    is_model_name,
    is_of_other_thing,
    parse_address,
    parse_id,
)
from nerq_cli.manifests.references.known_names import DATASETS, MODEL
from nerq_cli.manifests.references.model import Certainty, ReferenceKind
from nerq_cli.manifests.references.table import COMMANDS, OPTIONS, VARIABLES, CommandPattern, VariablePattern
from nerq_cli.manifests.references.words import split_words
from nerq_cli.patterns import compile_late

#: Programs that start the one that follows.
_WRAPPERS: Final = frozenset(
    split_words(
        """
        sudo exec time nohup env uvx pipx poetry pipenv pdm hatch rye conda mamba micromamba run uv command
        builtin nice setsid stdbuf accelerate launch torchrun deepspeed srun xargs then do else if ! && { ( - @ tini
        dumb-init -- bash sh
        """
    )
)
#: Programs whose arguments are text.
_PRINTERS: Final = frozenset(
    split_words(
        """
        echo printf cat grep sed awk test [ [[ read logger say export: # // rm ls cd mkdir cp mv touch
        """
    )
)
_PYTHONS: Final = compile_late(r"(?:.*/)?(?:python|pypy)(?:3(?:\.\d+)?)?(?:\.exe)?|\$\{?PYTHON\}?")
_ASSIGNMENT: Final = compile_late(r"(?:export\s+|set\s+)?([A-Za-z_]\w*)=(.*)", re.DOTALL)
_VARIABLE: Final = compile_late(r"\$(?:([A-Za-z_]\w*)|\{(\w+)(?::?[-=]([^{}]*))?\})")
_ARRAY: Final = compile_late(
    r"^[ \t]*(?:declare -a |local |readonly |export )?([A-Za-z_]\w*)=\(([^()]*)\)", re.MULTILINE
)
_ARRAY_ITEM: Final = compile_late(r"#[^\n]*|\"([^\"\n]*)\"|'([^'\n]*)'|([^\s\"'#]+)")
_ARRAY_USE: Final = compile_late(r"\$\{(\w+)\[[@*]\]\}")
#: Most items of a list that commands are read with.
_MAX_ITEMS: Final = 50
_REPOSITORY_TYPES: Final[dict[str, ReferenceKind]] = {
    "model": "model",
    "models": "model",
    "dataset": "dataset",
    "datasets": "dataset",
    "space": "space",
    "spaces": "space",
    "kernel": "kernel",
}
_FETCHERS: Final = frozenset(
    split_words(
        """
        git curl wget aria2c axel pip pip3 uv hub gh apt ADD add fetch http https npx hfd hfdownloader
        """
    )
)

#: Environment variable with the revision of the model that a container serves.
REVISION_VARIABLE: Final = "REVISION"
#: An override of the setting of a model, with its value.
_OVERRIDE: Final = compile_late(
    r"[+~]*(?:[\w.]+\.)?(?:model\.(?:path|name|id|name_or_path)|(?:base_)?model_(?:path|name|id|name_or_path))=(\S+)"
)
#: Option that states the model, so that no other argument does.
_STATED_MODEL: Final = ("--model",)
#: Options with names and paths of adapters (``name=owner/name``), as many as follow.
_ADAPTER_OPTIONS: Final = frozenset({"--lora-modules", "--lora-adapters"})
#: Options with settings as JSON, in which ``model`` is an id.
_JSON_OPTIONS: Final = frozenset({"--speculative-config", "--speculative_config", "--speculative-token-config"})
#: Options of programs for anything.
_WEAK_OPTIONS: Final = frozenset({"--model", "--model-name", "--model_name", "--checkpoint", "--adapter", "--dataset"})
#: Programs to which a text in quotes is no command.
_MESSAGE_PROGRAMS: Final = frozenset(
    split_words("git gh die warn error info fail abort usage notify-send pkill pgrep curl log log_info msg")
)
#: Programs of the table whose name is a word of any text.
_COMMON_PROGRAMS: Final = frozenset(split_words("main server transformers llama"))


def _build_known_command() -> str:
    """Return a regular expression for the begin of a text that is a whole command of a program of the table."""
    programs = {
        " +".join(f"(?:{'|'.join(map(re.escape, alternatives))})" for alternatives in row.words[:2])
        for row in COMMANDS
        if _COMMON_PROGRAMS.isdisjoint(row.words[0])
    } | {"llama-(?:server|cli|embedding)"}
    start = (
        r"(?:[A-Z_][A-Z0-9_]*=\S* +)*(?:(?:uv +run|uvx|sudo|nohup|exec|env|time) +)*"
        r"(?:\S*python3? +-m +)?(?:[\w.~/-]*/)?"
    )
    return f"{start}(?:{'|'.join(sorted(programs))}) "


_KNOWN_COMMAND: Final = compile_late(_build_known_command())
_TRUST_FLAGS: Final = frozenset({"--trust-remote-code", "--trust_remote_code", "--trust-remote-code=True"})
#: Values of ``--load-format`` that read pickle files only (vLLM, SGLang).
_PICKLE_FORMATS: Final = frozenset({"pt", "npcache"})
_JSON_MODEL: Final = compile_late(r"[\"']model[\"']\s*:\s*[\"']([^\"'\s]+)[\"']")
#: Words before the address of a model of the Hub (``pull hf.co/owner/name``), whatever the program is.
_PULL_WORDS: Final = frozenset({"pull", "run", "create", "serve", "launch", "show"})
#: Programs that start containers.
_CONTAINER_PROGRAMS: Final = frozenset({"docker", "podman", "nerdctl"})
#: Longest text between the lines of a script that is read, in characters.
_MAX_HEREDOC: Final = 200_000
#: Files that scripts write.
_WRITTEN_FILE: Final = compile_late(
    r"(?:.*/)?(?:[\w.-]+\.(?:py|ya?ml|json|toml|js|mjs|ts|env)|Dockerfile[\w.-]*|Modelfile[\w.-]*|\.env[\w.]*)"
)

_TOKEN: Final = compile_late(
    r"""
      (?P<space>[ \t\r]+|\\\r?\n)
    | (?P<comment>(?<![^\s;&|(])\#[^\n]*)
    | (?P<newline>\n)
    | (?P<single>\$?'[^']*'?)
    | (?P<double>"(?:[^"\\]|\\.)*"?)
    | (?P<heredoc><<-?[ \t]*(?P<quote>['"]?)(?P<tag>[A-Za-z_]\w*)(?P=quote))
    | (?P<operator>&&|\|\||;;|[;&|(){}](?=\s|$|\)|;)|\||;|&|\((?!\()|\)|[<>]+&?\d?)
    | (?P<variable>\$\{[^{}\n]*\}|\$\([^()\n]*\))
    | (?P<word>\\.|[^\s'"\\;&|()<>$]+|.)
    """,
    re.VERBOSE | re.DOTALL,
)


class Word(NamedTuple):
    """One word of a command."""

    text: str
    line: int
    #: Whether it is written there, or stands for a variable that has one value.
    is_certain: bool = True


class Image(NamedTuple):
    """The container image that arguments are for; empty if there is none."""

    name: str = ""

    def fits(self, row: CommandPattern) -> bool:
        """Whether arguments of the image are those of a program."""
        return bool(self.name) and any(part in self.name for part in row.images)


def read_script(
    text: str,
    line: int,
    builder: ReferenceBuilder,
    *,
    has_lines: bool = True,
    read_python: Callable[[str, int], None] | None = None,
    variables: Mapping[str, tuple[str, bool]] | None = None,
    has_variable_references: bool = True,
) -> None:
    """Add the references of a shell script that begins at a line.

    Args:
        text: the script.
        line: its first line in the file.
        builder: collects the references.
        has_lines: whether each line of the text is one line of the file.
        read_python: reads Python code that a command holds (``python -c``).
        variables: values of variables that are set outside, and whether they can have no others.
        has_variable_references: whether assignments to names about models count.
    """
    interpreter = _Shell(builder, dict(variables or {}), read_python, has_variable_references=has_variable_references)
    interpreter.read_arrays(text)
    for command in split_commands(text, line, has_lines=has_lines, on_heredoc=interpreter.read_heredoc):
        interpreter.run(command)


def is_command(text: str) -> bool:
    """Whether a text is a whole command of a program of the table (``vllm serve owner/name``)."""
    return " " in text and _KNOWN_COMMAND.match(text.lstrip()) is not None


def read_arguments(words: Sequence[str], line: int, builder: ReferenceBuilder, image: str = "") -> None:
    """Add the references of a command given as a list of words."""
    _Shell(builder, {}, None).run([Word(word, line) for word in words], Image(image))


def read_words(
    words: Sequence[Word],
    builder: ReferenceBuilder,
    image: str = "",
    read_python: Callable[[str, int], None] | None = None,
) -> None:
    """Add the references of a command given as a list of words with their lines."""
    _Shell(builder, {}, read_python).run(list(words), Image(image))


def split_commands(  # noqa: C901, PLR0912
    text: str, line: int, *, has_lines: bool = True, on_heredoc: Callable[[list[Word], str, int], None] | None = None
) -> Iterator[list[Word]]:
    """Yield the commands of a shell script, each as its words without quotes."""
    words: list[Word] = []
    current: list[str] | None = None
    position = 0
    start = line
    pending_tags: list[str] = []
    literal = False
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            break
        position = match.end()
        kind = next(name for name in _KINDS if match.group(name) is not None)
        token = match.group()
        if kind in {"single", "double", "word", "variable"}:
            if current is None:
                current, start = [], line
            current.append(_unquote(kind, token))
            literal = literal or (kind == "single" and "$" in token)
        else:
            if current is not None:
                words.append(Word("".join(current), start, not literal))
                current, literal = None, False
            if kind == "heredoc":
                pending_tags.append(match["tag"])
            elif kind in {"newline", "operator"} and not (kind == "operator" and token[0] in "<>"):
                if kind == "newline" and pending_tags:
                    position = _skip_heredocs(text, position, pending_tags, words, line + 1, on_heredoc)
                    pending_tags = []
                    if has_lines:
                        line += text.count("\n", match.end(), position)
                if words:
                    yield words
                words = []
        if has_lines:
            line += token.count("\n")
    if current is not None:
        words.append(Word("".join(current), start, not literal))
    if words:
        yield words


_KINDS: Final = ("space", "comment", "newline", "single", "double", "heredoc", "operator", "variable", "word")


def _unquote(kind: str, token: str) -> str:
    if kind == "single":
        return token.lstrip("$")[1:].removesuffix("'")
    if kind == "double":
        return re.sub(r'\\(["\\$`\n])', lambda match: "" if match[1] == "\n" else match[1], token[1:].removesuffix('"'))
    return token[1:] if token.startswith("\\") and len(token) == 2 else token  # noqa: PLR2004


def _skip_heredocs(
    text: str,
    position: int,
    tags: list[str],
    words: list[Word],
    line: int,
    on_heredoc: Callable[[list[Word], str, int], None] | None,
) -> int:
    for tag in tags:
        end = re.compile(rf"^[ \t]*{re.escape(tag)}[ \t]*$", re.MULTILINE).search(text, position)
        body = text[position : end.start() if end else len(text)]
        if on_heredoc is not None:
            on_heredoc(words, body, line)
        next_position = end.end() + 1 if end else len(text)
        line += text.count("\n", position, next_position)
        position = next_position
    return position


class _Shell:
    """Follows the variables of a script and reads its commands."""

    def __init__(
        self,
        builder: ReferenceBuilder,
        variables: dict[str, tuple[str, bool]],
        read_python: Callable[[str, int], None] | None,
        *,
        has_variable_references: bool = True,
    ) -> None:
        self.builder = builder
        self.variables = variables
        #: Arrays, and variables of loops with the values that they take.
        self.lists: dict[str, list[str]] = {}
        self.read_python = read_python
        self.has_variable_references = has_variable_references

    def read_arrays(self, text: str) -> None:
        """Find the arrays of a script."""
        for match in _ARRAY.finditer(text) if "=(" in text else ():
            items = ("".join(filter(None, item.groups())) for item in _ARRAY_ITEM.finditer(match[2]))
            self.lists[match[1]] = [item for item in items if item][:_MAX_ITEMS]

    def _read_loop(self, words: list[Word]) -> bool:
        """Read the head of a loop (``for name in a b c``); return whether the command is one."""
        if len(words) < 4 or words[0].text != "for" or words[2].text != "in":  # noqa: PLR2004
            return False
        items: list[str] = []
        for word in words[3:]:
            use = _ARRAY_USE.fullmatch(word.text)
            items += self.lists.get(use[1], []) if use is not None else [word.text] if "$" not in word.text else []
        self.lists[words[1].text] = items[:_MAX_ITEMS]
        return True

    def read_heredoc(self, words: list[Word], body: str, line: int) -> None:
        """Read the text that a command receives, if it is an interpreter."""
        programs = [self._expand(word).text for word in words]
        if self.read_python is not None and any(_PYTHONS.fullmatch(program) for program in programs):
            self.read_python(body, line)
        elif (
            any(program in {"bash", "sh", "ssh", "sbatch", "RUN"} for program in programs) and len(body) <= _MAX_HEREDOC
        ):
            for command in split_commands(body, line):
                self.run(command)
        else:
            self._read_written_file(programs, body, line)

    def _read_written_file(self, words: Sequence[str], body: str, line: int) -> None:
        """Read the text that a command writes to a file or applies to a cluster, as a file of that name."""
        from nerq_cli.manifests.references.find import find_references

        name = next((word.rpartition("/")[2] for word in words[1:] if _WRITTEN_FILE.fullmatch(word)), "")
        if not name and words and words[0] in {"kubectl", "oc", "helm"}:
            name = "manifest.yaml"
        if not name or len(body) > _MAX_HEREDOC:
            return
        for reference in find_references(name, body.encode()).references:
            self.builder.add_reference(reference, line + reference.location.line - 1)

    def run(self, words: list[Word], image: Image = Image()) -> None:  # noqa: B008 - immutable
        """Add what one command refers to; in a loop, with each of its values."""
        if self._read_loop(words):
            return
        used = {
            match[1] or match[2]
            for word in words
            if "$" in word.text and self.lists
            for match in _VARIABLE.finditer(word.text)
        } & self.lists.keys()
        if not used:
            self._run_once(words, image)
            return
        name = min(used)
        items = self.lists.pop(name)
        for item in items:
            self.variables[name] = item, True
            self._run_once(words, image)
        self.lists[name] = items

    def _run_once(self, words: list[Word], image: Image) -> None:
        words = [self._expand(word) for word in words]
        while words and (match := _ASSIGNMENT.fullmatch(words[0].text)):
            self._assign(match[1], match[2], words[0])
            words = words[1:]
        if words and words[0].text in {"export", "declare", "local", "readonly", "typeset", "set", "setenv", "env"}:
            for word in words[1:]:
                match = _ASSIGNMENT.fullmatch(word.text)
                if match:
                    self._assign(match[1], match[2], word)
            if words[0].text != "env":
                return
        start = _find_program(words)
        if start == len(words) or words[start].text.rpartition("/")[2] in _PRINTERS:
            return
        if words[start].text in _CONTAINER_PROGRAMS and not image.name:
            image = _find_image(words[start:])
            self._read_container_variables(words[start:], image)
        self._read_program(words[start:], image)

    def _read_container_variables(self, words: list[Word], image: Image) -> None:
        """Add what the environment variables refer to that ``docker run -e NAME=value`` sets."""
        assignments: list[tuple[str, str, Word]] = []
        for index, word in enumerate(words):
            option, equals, value = word.text.partition("=")
            if option not in {"-e", "--env"}:
                continue
            item = word._replace(text=value) if equals else (words[index + 1] if index + 1 < len(words) else word)
            match = _ASSIGNMENT.fullmatch(item.text)
            if match is not None:
                assignments.append((match[1], match[2], item))
        revision = next((value for name, value, _ in assignments if name == REVISION_VARIABLE), "")
        for name, value, item in assignments:
            source = image.name if item.is_certain else ""
            read_variable(name, value, item.line, self.builder, source, revision=revision)

    def _assign(self, name: str, value: str, word: Word) -> None:
        is_certain = word.is_certain and (name not in self.variables or self.variables[name][0] == value)
        self.variables[name] = value, is_certain
        if self.has_variable_references:
            read_variable(name, value, word.line, self.builder)

    def _expand(self, word: Word) -> Word:
        """Return a word with the variables replaced that the script sets, or that have a default."""
        if "$" not in word.text:
            return word
        is_certain = word.is_certain

        def replace(match: re.Match[str]) -> str:
            nonlocal is_certain
            value, sure = self.variables.get(match[1] or match[2], (None, False))
            if value is None:
                value, sure = match[3], False
            is_certain = is_certain and sure
            return match[0] if value is None else value.strip("\"'")

        return Word(_VARIABLE.sub(replace, word.text), word.line, is_certain)

    def _read_program(self, words: list[Word], image: Image) -> None:
        program = words[0].text.rpartition("/")[2]
        if _PYTHONS.fullmatch(words[0].text) and len(words) > 2:  # noqa: PLR2004
            for index, word in enumerate(words[:-1]):
                if word.text in {"-c", "-ic"} and self.read_python is not None:
                    self.read_python(words[index + 1].text, words[index + 1].line)
                    return
        elif program in {"bash", "sh", "zsh", "/bin/sh"} and len(words) > 2 and words[1].text.endswith("c"):  # noqa: PLR2004
            for command in split_commands(words[2].text, words[2].line, has_lines=False):
                self.run(command, image)
            return
        rows = _find_rows(words, image)
        for row, arguments in rows:
            self._read_row(row, arguments)
        if not rows and program not in _MESSAGE_PROGRAMS:
            self._read_inner_commands(words, image)
        self._read_options(words, is_known=bool(rows))
        self._read_addresses(program, words)

    def _read_inner_commands(self, words: list[Word], image: Image) -> None:
        """Read the commands in quotes that a scheduler, a terminal or another machine runs."""
        for word in words[1:]:
            if is_command(word.text):
                for command in split_commands(word.text, word.line, has_lines=False):
                    self.run(command, image)

    def _read_row(self, row: CommandPattern, arguments: list[Word]) -> None:
        revision = _get_option(arguments, row.revision_options)
        kind_text = _get_option(arguments, row.kind_options)
        kind = _REPOSITORY_TYPES.get(kind_text, "model") if kind_text else row.kind
        filename = _get_option(arguments, row.filename_options)
        found: list[tuple[Word, HubId, str]] = []
        if row.takes_id and not _get_option(arguments, _STATED_MODEL):
            position = _find_positional(arguments, row)
            if position is not None:
                hub_id = _parse_argument(position.text, kind, row)
                if hub_id is not None:
                    found.append((position, hub_id, revision))
        for name, item in _list_values(arguments, row.options):
            hub_id = _parse_argument(item.text, kind, row)
            if hub_id is not None:
                stating = [(option,) for option in row.own_revisions.get(name, ())]
                own = next(filter(None, (_get_option(arguments, option) for option in stating)), "")
                found.append((item, hub_id, own if name in row.own_revisions else revision))
        trusts = any(word.text in _TRUST_FLAGS for word in arguments)
        refuses = _get_option(arguments, ("--load-format", "--load_format")) in _PICKLE_FORMATS
        for word, hub_id, stated in found:
            self.builder.add(
                hub_id,
                word.line,
                row.id,
                "certain" if word.is_certain else "likely",
                loader=row.loader,
                revision=stated if "$" not in stated else "",
                is_revision_known="$" not in stated,
                trust_remote_code=True if trusts else None,
                refuses_safetensors=refuses,
                filename=filename if "$" not in filename else "",
            )

    def _read_options(self, words: list[Word], *, is_known: bool) -> None:
        """Add the values of options that have a name about models, of any program."""
        if is_known:
            return
        revision = _get_option(words, ("--revision", "--model_revision", "--model-revision"))
        for index, word in enumerate(words):
            if not word.text.startswith("--"):
                if "pretrained=" in word.text:
                    self._read_model_arguments(word)
                else:
                    self._read_override(word)
                continue
            name, equals, value = word.text.partition("=")
            for row in OPTIONS:
                if name not in row.options:
                    continue
                item = word._replace(text=value) if equals else (words[index + 1] if index + 1 < len(words) else word)
                hub_id = interpret(item.text, row.kind, "setting")
                if hub_id is None and row.certainty == "certain":
                    hub_id = _accept_bare(parse_id(item.text, row.kind))
                if hub_id is not None:
                    certainty: Certainty = row.certainty if item.is_certain else "likely"
                    if name in _WEAK_OPTIONS and not is_model_name(hub_id) and not _is_about_models(words, name):
                        certainty = "possible"  # the model of a car
                    pattern = "router-id" if hub_id.kind == "hosted-model" else row.id
                    self.builder.add(
                        hub_id, item.line, pattern, certainty, revision=revision if "$" not in revision else ""
                    )

    def _read_override(self, word: Word) -> None:
        """Add the model of ``actor.model.path=owner/name``, which overrides a setting."""
        match = _OVERRIDE.fullmatch(word.text)
        hub_id = parse_id(match[1]) if match is not None else None
        if hub_id is not None and "/" in hub_id.name:
            self.builder.add(hub_id, word.line, "override-model-path", "certain" if word.is_certain else "likely")

    def _read_model_arguments(self, word: Word) -> None:
        """Add the model of ``pretrained=owner/name,revision=…`` (lm-eval)."""
        parts = dict(part.partition("=")[::2] for part in word.text.split(",") if "=" in part)
        hub_id = interpret(parts.get("pretrained", ""), "model", "setting") or _accept_bare(
            parse_id(parts.get("pretrained", ""))
        )
        if hub_id is not None:
            self.builder.add(
                hub_id,
                word.line,
                "option-model",
                "certain" if word.is_certain else "likely",
                loader="lm-eval",
                revision=parts.get("revision", ""),
                trust_remote_code={"True": True, "true": True, "False": False}.get(parts.get("trust_remote_code", "")),
            )

    def _read_addresses(self, program: str, words: list[Word]) -> None:
        for index, word in enumerate(words[1:]):
            text = word.text.removeprefix("git+")
            if text.startswith("hf.co/") and words[index].text in _PULL_WORDS and program.startswith("$"):
                hub_id = parse_address(text)
                if hub_id is not None:
                    self.builder.add(hub_id, word.line, "hub-url-command", "certain" if word.is_certain else "likely")
                continue
            text = text.partition("=")[2] if "=hf://" in text else text
            text = text.partition(" @ ")[2] or text
            if text.startswith("hf://"):
                hub_id = parse_address(text.partition(":/")[0] + ":/" + text.partition(":/")[2].partition(":")[0])
                if hub_id is not None:
                    self.builder.add(hub_id, word.line, "hub-uri", "certain" if word.is_certain else "likely")
            elif program in _FETCHERS and ("huggingface.co/" in text or "hf.co" in text):
                hub_id = parse_address(text)
                if (
                    hub_id is not None
                    and (hub_id.is_file or program == "git")
                    and "push" not in {item.text for item in words[:3]}
                    and "remote" not in {item.text for item in words[:3]}
                ):
                    self.builder.add(
                        hub_id, word.line, "hub-url-command", "certain" if word.is_certain else "likely", loader=program
                    )


def read_variable(
    name: str, value: str, line: int, builder: ReferenceBuilder, image: str = "", *, revision: str = ""
) -> None:
    """Add the reference of an environment variable, if its name and value fit.

    Args:
        name: Name of the variable.
        value: Its value.
        line: Line of the file.
        builder: Takes the reference.
        image: Container image whose program reads the variable; empty if there is none.
        revision: Revision that another variable of the container states.
    """
    value = value.strip().strip("\"'")
    address = parse_address(value) if "://" in value else None
    if address is not None and address.is_file:
        builder.add(address, line, "hub-file-url", "certain")
        return
    row = find_variable(name)
    hub_id = interpret(value, row.kind, "setting") if row is not None else None
    if row is None or hub_id is None:
        return
    is_served = bool(image) and any(Image(image).fits(command) for command in COMMANDS)
    if hub_id.kind == "hosted-model":
        builder.add(hub_id, line, "router-id", "likely")
    elif is_served and row.kind == "model":
        loader = next(command.loader for command in COMMANDS if Image(image).fits(command))
        builder.add(
            hub_id,
            line,
            "serving-image-variable",
            "certain",
            loader=loader,
            revision=revision if "$" not in revision else "",
            is_revision_known="$" not in revision,
        )
    else:
        certainty: Certainty = "possible" if is_of_other_thing([name.lower()]) else row.certainty
        builder.add(hub_id, line, row.id, certainty)


def find_variable(name: str) -> VariablePattern | None:
    """Return the row of an environment variable by its name; None if it is not about models."""
    return next((row for row in VARIABLES if re.fullmatch(row.expression, name.upper())), None)


def _find_program(words: Sequence[Word]) -> int:
    """Return the position of the program behind those that start it, and behind assignments."""
    index = 0
    while index < len(words):
        text = words[index].text
        if text.rpartition("/")[2] in {"bash", "sh"} and index + 1 < len(words) and words[index + 1].text.endswith("c"):
            return index
        if text in _WRAPPERS or _ASSIGNMENT.fullmatch(text) or (index and text.startswith("-")):
            index += 1
            continue
        if text.lstrip("@-") != text:
            return index
        return index
    return index


def _find_image(words: Sequence[Word]) -> Image:
    for word in words:
        if any(Image(word.text).fits(row) for row in COMMANDS):
            return Image(word.text)
    return Image()


def _find_rows(words: list[Word], image: Image) -> list[tuple[CommandPattern, list[Word]]]:
    """Return the rows of a command, each with the arguments behind its words."""
    texts = [word.text.rpartition("/")[2] if not word.text.startswith("-") else word.text for word in words]
    start = 0
    if _PYTHONS.fullmatch(words[0].text) and "-m" in texts[:6]:
        start = texts.index("-m") + 1
    elif texts[0] in {"uv", "docker", "podman", "kubectl", "compose"} and "model" not in texts[:2]:
        start = next(
            (
                index
                for index, text in enumerate(texts)
                if any(
                    text in row.words[0]
                    and len(text) > 2  # noqa: PLR2004
                    and text != texts[0]
                    and text not in {"main", "server", "transformers"}
                    for row in COMMANDS
                )
            ),
            0,
        )
    found = []
    for row in COMMANDS:
        size = len(row.words)
        if start < len(texts) and all(
            start + index < len(texts) and texts[start + index].lstrip("@") in alternatives
            for index, alternatives in enumerate(row.words)
        ):
            found.append((row, words[start + size :]))
    if not found and image.name:
        position = next((index for index, word in enumerate(words) if image.name in word.text), -1)
        found = [(row, words[position + 1 :]) for row in COMMANDS if image.fits(row)]
    return found


def _is_about_models(words: Sequence[Word], option: str) -> bool:
    """Whether the program or another option of a command is one for models."""
    names = (word.text.partition("=")[0] for word in words if word.text.startswith("-") or word is words[0])
    scripts = (
        word.text.rpartition("/")[2]
        for index, word in enumerate(words[:4])
        if not word.text.startswith("-") and words[index - 1].text != option
    )
    return is_about_models(
        part.strip("-").lower().replace("-", "_").replace(".", "_") for part in (*names, *scripts) if part != option
    )


def _list_values(arguments: Sequence[Word], options: tuple[str, ...]) -> Iterator[tuple[str, Word]]:
    """Yield the values of options that may be ids, each with the name of its option."""
    for index, word in enumerate(arguments):
        name, equals, value = word.text.partition("=")
        if name not in options:
            continue
        values = [word._replace(text=value)] if equals else list(arguments[index + 1 : index + 2])
        if name in _ADAPTER_OPTIONS:
            values = values if equals else _take_values(arguments[index + 1 :])
            values = [item._replace(text=item.text.rpartition("=")[2]) for item in values]
        elif name in _JSON_OPTIONS:
            values = [item._replace(text=match[1]) for item in values for match in _JSON_MODEL.finditer(item.text)]
        for item in values:
            yield name, item


def _take_values(arguments: Sequence[Word]) -> list[Word]:
    """Return the words up to the next option."""
    end = next((index for index, word in enumerate(arguments) if word.text.startswith("-")), len(arguments))
    return list(arguments[:end])


def _get_option(arguments: Sequence[Word], names: tuple[str, ...]) -> str:
    for index, word in enumerate(arguments):
        name, equals, value = word.text.partition("=")
        if name in names:
            return value if equals else (arguments[index + 1].text if index + 1 < len(arguments) else "")
    return ""


def _find_positional(arguments: Sequence[Word], row: CommandPattern) -> Word | None:
    """Return the first argument that is no option and no value of one."""
    values = {*row.value_options, *row.revision_options, *row.kind_options, *row.filename_options, *row.options}
    previous = ""
    behind_option: Word | None = None
    for word in arguments:
        before, previous = previous, word.text
        if word.text.startswith("-") or before in values:
            continue
        is_path = "/" in word.text or "$" in word.text
        is_value = before.startswith("--") and "=" not in before
        if is_value and not is_path:
            continue  # more likely the value of an option than a name without a namespace
        if not is_value and (is_path or is_id(word.text.partition(":")[0])):
            return word
        if is_value and behind_option is None:
            behind_option = word  # the value of the option, or an argument behind a flag
    return behind_option


def _parse_argument(text: str, kind: ReferenceKind, row: CommandPattern) -> HubId | None:
    if row.needs_address:
        for prefix in ("huggingface://", "hf://"):
            text = f"hf.co/{text.removeprefix(prefix)}" if text.startswith(prefix) else text
        return parse_address(text)
    name, _, tag = text.partition(":")
    if "://" in text:
        return parse_id(text, kind)
    hub_id = parse_id(name, kind) if tag else parse_id(text, kind)
    if hub_id is None:
        return None
    if tag and not hub_id.filename:
        hub_id = hub_id._replace(filename=tag)
    if "/" in hub_id.name or row.bare_names == "any":
        return hub_id
    return hub_id if row.bare_names == "models" and MODEL.fullmatch(hub_id.name) else None


def _accept_bare(hub_id: HubId | None) -> HubId | None:
    """Return an id if it has a namespace or is one of the known names without."""
    if hub_id is None or "/" in hub_id.name:
        return hub_id
    known = hub_id.name in DATASETS if hub_id.kind == "dataset" else MODEL.fullmatch(hub_id.name)
    return hub_id if known else None
