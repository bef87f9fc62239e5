"""setup.py: the dependencies that it declares literally.

The file is parsed, never executed. What `literals` cannot evaluate is noted as dynamic.
"""

from __future__ import annotations

import ast
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

from msgspec.structs import replace

from nerq_cli.ecosystems import PYPI, normalise_name
from nerq_cli.inventory import Declaration, DependencyFile
from nerq_cli.manifests.python.declarations import SETUP_GROUPS, build_dependency_file, parse_line
from nerq_cli.manifests.python.dependency_groups import label_extra
from nerq_cli.manifests.python.literals import Evaluator, Text, Unknown, Value
from nerq_cli.manifests.syntax.text_document import TextDocument
from nerq_cli.patterns import compile_late

NAME: Final = "setup.py"

#: Longest file parsed, in characters: its syntax tree takes a hundred times the memory.
MAX_LENGTH: Final = 1_000_000
#: Modules that have a ``setup`` function; of a dotted name the last part.
_SETUP_MODULES: Final = frozenset({"setuptools", "core", "skbuild"})
#: Syntax that only Python 2 accepts.
_PYTHON_2_SYNTAX: Final = compile_late(
    r"""^[ \t]*(?:print[ \t]+[^=\s(.,]|print[ \t]*>>|exec[ \t]+["'\w]|raise[ \t]+[\w.]+[ \t]*,"""
    r"""|except\b[^:\n]*,[ \t]*\w+[ \t]*:)|^[^#\n"']*(?:<>|(?<![\w.])0[0-7]+\b)""",
    re.MULTILINE,
)
#: Most line numbers in a note.
_MAX_LISTED: Final = 3
_EXTRAS: Final = "extras_require"
_ARGUMENTS: Final = "setup(**…)"


def matches(path: PurePosixPath) -> bool:
    """Return whether this file is a setup.py."""
    return path.name == NAME


def read(text: str, path: str, *, constraint: bool = False, group: str = "") -> DependencyFile:
    """Return what a setup.py declares literally; ``group`` replaces ``main``. Never raises."""
    document = TextDocument(text, path)
    reader = _SetupReader(document, _parse_tree(document))
    dependency_file = build_dependency_file(
        document,
        NAME,
        reader.read_declarations(),
        group=group,
        constraint=constraint,
        own_names=reader.own_names,  # filled while the declarations are read
    )
    return replace(dependency_file, project_name=min(reader.own_names, default=""))


def _parse_tree(document: TextDocument) -> ast.Module:
    """Return the syntax tree; if the file cannot be parsed, an empty one, and add a problem or a note."""
    if len(document.text) > MAX_LENGTH:
        document.add_problem(f"too large: a setup.py of more than {MAX_LENGTH:,} characters is not read", 0)
        return ast.Module([], [])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they are about the scanned file
            return ast.parse(document.text)
    except SyntaxError as error:
        match = _PYTHON_2_SYNTAX.search(document.text)
        if match:
            line = document.text.count("\n", 0, match.end()) + 1
            document.add_note(f"written for Python 2 (line {line}): cannot be parsed, nothing is listed here")
        else:
            message = f"not valid Python {sys.version_info[0]}.{sys.version_info[1]}: {error.msg}"
            document.add_problem(message, min(error.lineno or 0, len(document.lines)), column=error.offset or 0)
    except (ValueError, RecursionError, MemoryError) as error:
        document.add_problem(f"cannot be parsed: {error or 'nested too deeply'}", 0)
    return ast.Module([], [])


class _SetupReader:
    """Reads the arguments of the calls of ``setup()``."""

    def __init__(self, document: TextDocument, tree: ast.Module) -> None:
        self.document = document
        self.tree = tree
        self.evaluator = Evaluator(tree)
        self.own_names: set[str] = set()

    def read_declarations(self) -> Iterator[Declaration]:
        """Yield the declarations of every call."""
        calls = _find_setup_calls(self.tree)
        if self.tree.body and not calls:
            self.document.add_note("setup() is not called here: nothing is listed")
        if len(calls) > 1:
            self.document.add_note(f"setup() is called {len(calls)} times: what any call declares is listed")
        for keyword in (keyword for call in calls for keyword in call.keywords):
            if keyword.arg in (None, "name", _EXTRAS, *SETUP_GROUPS):
                try:
                    value = self.evaluator.evaluate(keyword.value)
                except RecursionError:
                    value = Unknown(keyword.value.lineno)
                yield from self._read_keyword(keyword.arg or _ARGUMENTS, value)

    def _read_keyword(self, keyword: str, value: Value) -> Iterator[Declaration]:
        if keyword == "name":
            self.own_names |= {normalise_name(PYPI, value.text)} if isinstance(value, Text) else set()
        elif keyword in SETUP_GROUPS:
            yield from self._read_list(keyword, value, SETUP_GROUPS[keyword])
        elif keyword in (_EXTRAS, _ARGUMENTS):
            self._note_dynamic(keyword, value)
            for key, member in value.items() if isinstance(value, dict) else ():
                if isinstance(key, str) and keyword == _EXTRAS:
                    extra, _, marker = key.partition(":")
                    group = label_extra(extra.strip()) if extra.strip() else "main"
                    yield from self._read_list(f"{keyword}[{key[:60]!r}]", member, group, marker.strip())
                elif isinstance(key, str):
                    yield from self._read_keyword(key, member)

    def _read_list(self, keyword: str, value: Value, group: str, marker: str = "") -> Iterator[Declaration]:
        self._note_dynamic(keyword, value)
        items = [value] if isinstance(value, Text) else () if isinstance(value, Unknown) else value
        for item in items:
            for line, text in () if isinstance(item, Unknown) else _split_lines(item):
                if self.document.too_many_problems:
                    return
                declaration = parse_line(self.document, text, line, group, marker=marker)
                if declaration:
                    yield declaration

    def _note_dynamic(self, keyword: str, value: Value) -> None:
        """Add a note with the lines of what is unknown in a value."""
        unknowns = [value] if isinstance(value, Unknown) else [item for item in value if isinstance(item, Unknown)]
        lines = sorted({unknown.line for unknown in unknowns})
        if lines:
            numbers = ", ".join(map(str, lines[:_MAX_LISTED])) + (", …" if len(lines) > _MAX_LISTED else "")
            part = "dynamic:" if isinstance(value, Unknown) else "dynamic in part: the rest is"
            self.document.add_note(f"{keyword} is {part} not listed here (line{'s' * (len(lines) > 1)} {numbers})")


def _split_lines(item: Text | str) -> Iterator[tuple[int, str]]:
    """Yield the specifiers of a string with their line numbers: one a line without comments, as setuptools reads it."""
    text, first_line, is_multiline = Text(item, 0) if isinstance(item, str) else item
    for offset, line in enumerate(text.split("\n")):
        specifier = "" if line.lstrip().startswith("#") else line.partition(" #")[0].strip()
        if specifier:
            yield first_line + (offset if is_multiline else 0), specifier


def _find_setup_calls(tree: ast.Module) -> list[ast.Call]:
    """Return the calls of ``setup``, under any name it is imported as."""
    imports = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
    aliases = [alias for node in imports for alias in node.names if alias.asname]
    functions = {"setup", *(alias.asname for alias in aliases if alias.name == "setup")}
    modules = {alias.asname for alias in aliases if alias.name.rpartition(".")[2] in _SETUP_MODULES} | _SETUP_MODULES
    calls = []
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name)) if name in functions:
                calls.append(node)
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name) | ast.Attribute(attr=name), attr="setup")):
                calls += [node] if name in modules else []
    return calls
