"""Dockerfiles and Modelfiles."""

from __future__ import annotations

import re
from typing import Final

from nerq_cli.manifests.references.builder import ReferenceBuilder
from nerq_cli.manifests.references.commands import (
    REVISION_VARIABLE,
    Word,
    read_script,
    read_variable,
    read_words,
    split_commands,
)
from nerq_cli.manifests.references.config import read_python_code
from nerq_cli.manifests.references.ids import parse_address
from nerq_cli.patterns import compile_late

_INSTRUCTION: Final = compile_late(r"[ \t]*([A-Za-z]+)[ \t]+(.*)", re.DOTALL)
_FLAG: Final = compile_late(r"(?:--[\w-]+=\S+[ \t]+)+")
_HEREDOC: Final = compile_late(r"<<-?[ \t]*['\"]?([A-Za-z_]\w*)['\"]?")
_PAIR: Final = compile_late(r"([A-Za-z_]\w*)=(\"(?:[^\"\\]|\\.)*\"|'[^']*'|\S*)")


def read_dockerfile(text: str, builder: ReferenceBuilder) -> None:  # noqa: C901, PLR0912
    """Add the references of a Dockerfile."""
    image = ""
    entry_point: list[Word] = []
    variables: dict[str, tuple[str, bool]] = {}

    def read_code(code: str, line: int) -> None:
        read_python_code(code, line, builder)

    instructions = _split_instructions(text)
    pairs = [pair for name, rest, _ in instructions if name == "ENV" for pair in _read_pairs(rest)]
    revision = dict(pairs).get(REVISION_VARIABLE, "")
    for name, rest, line in instructions:
        if name == "FROM":
            image, entry_point = rest.split()[0] if rest.split() else "", []
        elif name in {"ENV", "ARG"}:
            for key, value in _read_pairs(rest):
                variables[key] = value, name == "ENV"
                if name == "ENV" or value:
                    read_variable(key, value, line, builder, image, revision=revision)
        elif name == "RUN":
            read_script(
                _FLAG.sub("", rest, count=1) if rest.startswith("--") else rest,
                line,
                builder,
                read_python=read_code,
                variables=dict(variables),
                has_variable_references=False,
            )
        elif name in {"CMD", "ENTRYPOINT"}:
            words = _read_words(rest, line)
            words = [_expand(word, variables) for word in words]
            if name == "ENTRYPOINT":
                entry_point = words
            else:
                words = [*(word._replace(line=0) for word in entry_point), *words]
            if words and words[0].text.startswith("-"):
                words = [Word(image, 0), *words]
            read_words(words, builder, image, read_code)
        elif name == "ADD":
            for word in rest.split():
                hub_id = parse_address(word)
                if hub_id is not None and hub_id.is_file:
                    builder.add(hub_id, line, "hub-url-command", "certain", loader="docker")


def read_modelfile(text: str, builder: ReferenceBuilder) -> None:
    """Add the base and the adapter of a Modelfile, if an address of the Hub names them."""
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if len(words) > 1 and words[0].upper() in {"FROM", "ADAPTER"}:
            hub_id = parse_address(words[1].strip("\"'"))
            if hub_id is not None:
                builder.add(hub_id, number, "modelfile", "certain", loader="ollama")


def _split_instructions(text: str) -> list[tuple[str, str, int]]:
    """Return the instructions of a Dockerfile with their arguments and first lines."""
    lines = text.splitlines()
    instructions: list[tuple[str, str, int]] = []
    position = 0
    while position < len(lines):
        start = position
        line = lines[position]
        position += 1
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        parts = [line]
        while parts[-1].rstrip().endswith("\\") and position < len(lines):
            parts.append("" if lines[position].lstrip().startswith("#") else lines[position])
            if not parts[-1].strip():
                parts[-1] = "\\"
            position += 1
        for tag in _HEREDOC.findall("\n".join(parts)) if parts[0].lstrip()[:3].upper() in {"RUN", "COP"} else ():
            while position < len(lines) and lines[position].strip() != tag:
                parts.append(lines[position])
                position += 1
            if position < len(lines):
                parts.append(lines[position])
                position += 1
        match = _INSTRUCTION.match("\n".join(parts))
        if match is not None:
            rest = match[2]
            if match[1].upper() == "RUN" and (heredoc := _HEREDOC.match(rest)):
                rest = f"bash {rest}" if heredoc.end() == len(rest.partition("\n")[0]) else rest
            instructions.append((match[1].upper(), rest, start + 1))
    return instructions


def _read_pairs(rest: str) -> list[tuple[str, str]]:
    pairs = [(match[1], match[2].strip("\"'")) for match in _PAIR.finditer(rest)]
    if pairs:
        return pairs
    name, _, value = rest.partition(" ")
    return [(name, value.strip().strip("\"'"))] if value else []


def _read_words(rest: str, line: int) -> list[Word]:
    """Return the words of the exec form (a JSON array) or the shell form, each with its line."""
    if rest.lstrip().startswith("["):
        return [
            Word(match[1].replace('\\"', '"'), line + rest.count("\n", 0, match.start()))
            for match in re.finditer(r'"((?:[^"\\]|\\.)*)"', rest)
        ]
    commands = list(split_commands(rest, line))
    return commands[-1] if commands else []


def _expand(word: Word, variables: dict[str, tuple[str, bool]]) -> Word:
    def replace(match: re.Match[str]) -> str:
        return variables.get(match[1] or match[2], ("", False))[0] or match[0]

    if "$" not in word.text:
        return word
    return Word(re.sub(r"\$(?:(\w+)|\{(\w+)[^{}]*\})", replace, word.text), word.line, is_certain=False)
