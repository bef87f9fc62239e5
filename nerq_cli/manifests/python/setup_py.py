"""setup.py: what can be told of it without running it.

The file is parsed, never executed. What stands there literally is listed: lists, tuples, dictionaries and strings,
names that are bound to such once, and sums of them. Everything else is noted as dynamic.
"""

from __future__ import annotations

import ast
import re
import sys
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final, TypeAlias

from nerq_cli.ecosystems import PYPI, normalise_name
from nerq_cli.inventory import Declaration, DependencyFile
from nerq_cli.manifests.python.declarations import build_dependency_file, parse_line
from nerq_cli.manifests.syntax.text_document import TextDocument

NAME: Final = "setup.py"

#: The keywords that declare lists, and the group each stands for (setuptools' documentation, "Keywords").
KEYWORD_GROUPS: Final[Mapping[str, str]] = {
    "install_requires": "main",
    "setup_requires": "build",
    "tests_require": "dev",
}
EXTRAS_KEYWORD: Final = "extras_require"

#: Longest file parsed, in characters: a syntax tree takes a hundred times the memory.
MAX_LENGTH: Final = 1_000_000
#: Most items of one value, and most characters of one text: sums of sums double with every line.
MAX_ITEMS: Final = 10_000
MAX_TEXT_LENGTH: Final = 100_000

#: Modules whose ``setup`` is meant; of a dotted name the last part.
_SETUP_MODULES: Final = frozenset({"setuptools", "core", "skbuild"})
_MUTATING_METHODS: Final = frozenset(
    {"add", "append", "clear", "discard", "extend", "insert", "pop", "popitem", "remove", "setdefault", "update"}
)
#: What only Python 2 understands.
_PYTHON_2_SYNTAX: Final = re.compile(
    r"^[ \t]*(?:print[ \t]+[^=\s(.,]|print[ \t]*>>|exec[ \t]+[\"'\w]|raise[ \t]+[\w.]+[ \t]*,"
    r"|except[ \t]+[\w.]+[ \t]*,[ \t]*\w+[ \t]*:|except[ \t]*\([^()\n]*\)[ \t]*,[ \t]*\w+[ \t]*:)"
    r"|^[^#\n\"']*(?:<>|(?<![\w.])0[0-7]+\b)",
    re.MULTILINE,
)
_MAX_LISTED: Final = 3


@dataclass(frozen=True, slots=True)
class _TextValue:
    """A string and the line it begins on; ``is_multiline`` when each line of it is one of the file."""

    text: str
    line: int
    is_multiline: bool = False


@dataclass(frozen=True, slots=True)
class _ListValue:
    """A list, and the lines where something was added to it that cannot be told."""

    items: tuple[_TextValue, ...] = ()
    dynamic_lines: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class _DictValue:
    """A dictionary, and the lines where something was added to it that cannot be told."""

    items: Mapping[str, _Value]
    dynamic_lines: tuple[int, ...] = ()


_Value: TypeAlias = "_TextValue | _ListValue | _DictValue"


class _DynamicError(Exception):
    """What a piece of the file amounts to is known only once it runs."""

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


def matches(path: PurePosixPath) -> bool:
    """Say whether this file is a setup.py."""
    return path.name == NAME


def read(text: str, path: str, *, constraint: bool = False, group: str = "") -> DependencyFile:
    """Read what a setup.py declares literally; ``notes`` tell what it computes. Nothing is raised, nothing executed.

    ``group`` takes the place of ``main`` where the file that includes this one says so.
    """
    document = TextDocument(text, path)
    tree = _parse_tree(document)
    reader = _SetupReader(document, _Evaluator(tree))
    declarations = list(reader.read_declarations(tree))
    return build_dependency_file(
        document, NAME, declarations, group=group, constraint=constraint, own_names=reader.own_names
    )


def _parse_tree(document: TextDocument) -> ast.Module:
    """Return the syntax tree; an empty one where there is none."""
    if len(document.text) > MAX_LENGTH:
        document.add_problem(f"too large: a setup.py of more than {MAX_LENGTH:,} characters is not read", 0)
        return ast.Module([], [])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the scanned file, not about ours
            return ast.parse(document.text)
    except SyntaxError as error:
        match = _PYTHON_2_SYNTAX.search(document.text)
        line = min(error.lineno or 0, len(document.lines))
        if match:
            line = document.text.count("\n", 0, match.end()) + 1
            document.add_note(
                f"written for Python 2 (line {line}): cannot be read without running it, nothing is listed here"
            )
        else:
            version = ".".join(map(str, sys.version_info[:2]))
            document.add_problem(f"not valid Python {version}: {error.msg}", line, column=error.offset or 0)
    except ValueError as error:  # null bytes
        document.add_problem(f"not Python: {error}", 0)
    except (RecursionError, MemoryError):
        document.add_problem("nested too deeply to be read", 0)
    return ast.Module([], [])


class _SetupReader:
    """One setup.py: what its calls of ``setup()`` are given."""

    def __init__(self, document: TextDocument, evaluator: _Evaluator) -> None:
        self.document = document
        self.evaluate = evaluator
        self.own_names: set[str] = set()

    def read_declarations(self, tree: ast.Module) -> Iterator[Declaration]:
        """Go through what every call declares."""
        calls = list(_find_setup_calls(tree))
        if tree.body and not calls:
            self.document.add_note("setup() is not called here: nothing is listed")
        if len(calls) > 1:
            self.document.add_note(f"setup() is called {len(calls)} times: what any call declares is listed")
        for call in calls:
            for keyword, value in self._read_keywords(call):
                yield from self._read_keyword(keyword, value)

    def _read_keywords(self, call: ast.Call) -> Iterator[tuple[str, _Value]]:
        """Go through the keywords that matter; those in ``**name`` too, as far as they can be told."""
        for keyword in call.keywords:
            is_relevant = keyword.arg is None or keyword.arg in (*KEYWORD_GROUPS, EXTRAS_KEYWORD, "name")
            value = self._evaluate_keyword(keyword.arg or "setup(**…)", keyword.value) if is_relevant else None
            if keyword.arg is not None and value is not None:
                yield keyword.arg, value
            elif isinstance(value, _DictValue):
                self._note_dynamic("setup(**…)", value.dynamic_lines, whole=False)
                yield from value.items.items()

    def _read_keyword(self, keyword: str, value: _Value) -> Iterator[Declaration]:
        if keyword == "name" and isinstance(value, _TextValue):
            self.own_names.add(normalise_name(PYPI, value.text))
        elif keyword == EXTRAS_KEYWORD and isinstance(value, _DictValue):
            self._note_dynamic(keyword, value.dynamic_lines, whole=False)
            for extra, items in value.items.items():
                name, _, marker = extra.partition(":")
                group = f"extra:{normalise_name(PYPI, name.strip())}" if name.strip() else "main"
                yield from self._read_list(f"{keyword}[{extra[:60]!r}]", items, group, marker.strip())
        elif keyword in KEYWORD_GROUPS:
            yield from self._read_list(keyword, value, KEYWORD_GROUPS[keyword])

    def _read_list(self, keyword: str, value: _Value, group: str, marker: str = "") -> Iterator[Declaration]:
        items = _ListValue((value,)) if isinstance(value, _TextValue) else value
        if isinstance(items, _DictValue):
            items = _ListValue(tuple(_TextValue(key, 0) for key in items.items), items.dynamic_lines)
        self._note_dynamic(keyword, items.dynamic_lines, whole=False)
        for line, text in _split_lines(items.items):
            declaration = (
                None if self.document.too_many_problems else parse_line(self.document, text, line, group, marker=marker)
            )
            if declaration:
                yield declaration

    def _evaluate_keyword(self, keyword: str, node: ast.expr) -> _Value | None:
        if isinstance(node, ast.Constant) and node.value is None:
            return None
        try:
            return self.evaluate(node)
        except _DynamicError as error:
            if keyword != "name":
                self._note_dynamic(keyword, (error.line,), whole=True)
        except RecursionError:
            self._note_dynamic(keyword, (node.lineno,), whole=True)
        return None

    def _note_dynamic(self, keyword: str, lines: Sequence[int], *, whole: bool) -> None:
        if lines:
            numbers = ", ".join(map(str, sorted(set(lines))[:_MAX_LISTED])) + (
                ", …" if len(set(lines)) > _MAX_LISTED else ""
            )
            line_numbers = f"line{'s' * (len(set(lines)) > 1)} {numbers}"
            part = "dynamic: not listed here" if whole else "dynamic in part: the rest is not listed here"
            self.document.add_note(f"{keyword} is {part} ({line_numbers})")


def _split_lines(items: Iterable[_TextValue]) -> Iterator[tuple[int, str]]:
    """Go through the dependencies in texts, one a line, without comments, as setuptools takes them."""
    for item in items:
        for offset, line in enumerate(item.text.split("\n")):
            text = line.strip()
            text = "" if text.startswith("#") else text.partition(" #")[0].rstrip()
            if text:
                yield item.line + (offset if item.is_multiline else 0), text


def _find_setup_calls(tree: ast.Module) -> Iterator[ast.Call]:
    """Go through the calls of ``setup``, under whatever name it was imported, from top to bottom."""
    nodes = list(ast.walk(tree))
    imports = [node for node in nodes if isinstance(node, ast.ImportFrom)]
    names = {alias.asname for node in imports for alias in node.names if alias.name == "setup" and alias.asname} | {
        "setup"
    }
    modules = _SETUP_MODULES | {
        alias.asname
        for node in nodes
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
        if alias.asname and alias.name.rpartition(".")[2] in _SETUP_MODULES
    }
    calls = (node for node in nodes if isinstance(node, ast.Call) and _is_setup_call(node.func, names, modules))
    yield from sorted(calls, key=lambda node: (node.lineno, node.col_offset))


def _is_setup_call(function: ast.expr, names: set[str], modules: frozenset[str]) -> bool:
    match function:
        case ast.Name(id=name):
            return name in names
        case ast.Attribute(value=ast.Name(id=module) | ast.Attribute(attr=module), attr="setup"):
            return module in modules
    return False


class _Evaluator:
    """The names of a file, and what expressions amount to that are made of them."""

    def __init__(self, tree: ast.Module) -> None:
        self._assigned_values: dict[str, ast.expr] = {}
        self._changed_lines: dict[str, list[int]] = {}
        self._values: dict[str, _Value | int] = {}
        self._pending_names: set[str] = set()
        binding_counts: Counter[str] = Counter()
        for node in ast.walk(tree):
            binding_counts.update(_find_bound_names(node))
            for name, value in _find_assignments(node):
                self._assigned_values[name] = value
            name = _find_changed_name(node)
            if name:
                self._changed_lines.setdefault(name, []).append(getattr(node, "lineno", 0))
        # x += [...] binds x again, yet leaves what was there
        targets = (node.target for node in ast.walk(tree) if isinstance(node, ast.AugAssign))
        repeat_counts = Counter(target.id for target in targets if isinstance(target, ast.Name))
        self._constant_names = {name for name, count in binding_counts.items() if count - repeat_counts[name] == 1}

    def __call__(self, node: ast.expr) -> _Value:  # noqa: PLR0911 - one for each kind of expression
        """Return what an expression amounts to.

        Raises:
            _DynamicError: that is known only when the file runs.
        """
        match node:
            case ast.Constant(value=str(text)):
                is_multiline = (node.end_lineno or node.lineno) - node.lineno == text.count("\n")
                return _TextValue(text, node.lineno, is_multiline)
            case ast.JoinedStr(values=parts):
                return self._evaluate_fstring(node, parts)
            case ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.Set(elts=parts):
                return self._evaluate_list(node, parts)
            case ast.Dict(keys=keys, values=values):
                return self._evaluate_dict(node, list(zip(keys, values, strict=True)))
            case ast.Call(func=ast.Name(id="dict"), args=[], keywords=keywords):
                members = [(_make_key(keyword), keyword.value) for keyword in keywords]
                return self._evaluate_dict(node, members)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return self._evaluate_sum(node, left, right)
            case ast.Name(id=name):
                return self._evaluate_name(node, name)
            case ast.Subscript(value=parent, slice=ast.Constant(value=str(key))):
                return self._get_member(node, self(parent), key)
        raise _DynamicError(node.lineno)

    def _try_evaluate(self, node: ast.expr) -> _Value | int:
        """Return what an expression amounts to, or the line of the part that cannot be told."""
        try:
            return self(node)
        except _DynamicError as error:
            return error.line

    def _evaluate_name(self, node: ast.Name, name: str) -> _Value:
        if name not in self._constant_names or name not in self._assigned_values or name in self._pending_names:
            raise _DynamicError(node.lineno)
        if name not in self._values:
            self._pending_names.add(name)
            self._values[name] = self._try_evaluate(self._assigned_values[name])
            self._pending_names.discard(name)
        value = self._values[name]
        if isinstance(value, int):
            raise _DynamicError(value)
        changed_lines = tuple(self._changed_lines.get(name, ()))
        if isinstance(value, _ListValue):
            return _ListValue(value.items, (*value.dynamic_lines, *changed_lines))
        if isinstance(value, _DictValue):
            return _DictValue(value.items, (*value.dynamic_lines, *changed_lines))
        if changed_lines:
            raise _DynamicError(changed_lines[0])
        return value

    def _evaluate_fstring(self, node: ast.JoinedStr, parts: Iterable[ast.expr]) -> _TextValue:
        pieces = []
        for part in parts:
            is_plain = isinstance(part, ast.FormattedValue) and part.conversion == -1 and part.format_spec is None
            value = self(part.value if is_plain and isinstance(part, ast.FormattedValue) else part)
            if not isinstance(value, _TextValue):
                raise _DynamicError(node.lineno)
            pieces.append(value.text)
        return self._make_text(node, "".join(pieces))

    def _make_text(self, node: ast.expr, text: str) -> _TextValue:
        if len(text) > MAX_TEXT_LENGTH:
            raise _DynamicError(node.lineno)
        return _TextValue(text, node.lineno)

    def _evaluate_list(self, node: ast.expr, elements: Iterable[ast.expr]) -> _ListValue:
        items: list[_TextValue] = []
        dynamic_lines: list[int] = []
        for element in elements:
            is_starred = isinstance(element, ast.Starred)
            value = self._try_evaluate(element.value if isinstance(element, ast.Starred) else element)
            if isinstance(value, _ListValue):
                items += value.items
                dynamic_lines += value.dynamic_lines
            elif isinstance(value, _TextValue) and not is_starred:
                items.append(value)
            else:
                dynamic_lines.append(value if isinstance(value, int) else element.lineno)
        return self._make_list(node, items, dynamic_lines)

    def _make_list(self, node: ast.expr, items: Sequence[_TextValue], dynamic_lines: Sequence[int]) -> _ListValue:
        if len(items) > MAX_ITEMS or len(dynamic_lines) > MAX_ITEMS:
            raise _DynamicError(node.lineno)
        return _ListValue(tuple(items), tuple(dynamic_lines))

    def _evaluate_dict(self, node: ast.expr, members: Iterable[tuple[ast.expr | None, ast.expr]]) -> _DictValue:
        items: dict[str, _Value] = {}
        dynamic_lines: list[int] = []
        for key, value in members:
            name = None if key is None else self._try_evaluate(key)
            member = self._try_evaluate(value)
            if isinstance(name, _TextValue) and not isinstance(member, int):
                items[name.text] = member
            elif key is None and isinstance(member, _DictValue):
                items.update(member.items)
                dynamic_lines += member.dynamic_lines
            else:
                dynamic_lines.append(member if isinstance(member, int) else value.lineno)
        if len(items) > MAX_ITEMS or len(dynamic_lines) > MAX_ITEMS:
            raise _DynamicError(node.lineno)
        return _DictValue(items, tuple(dynamic_lines))

    def _evaluate_sum(self, node: ast.expr, left: ast.expr, right: ast.expr) -> _Value:
        """Add two texts, or two lists; of a list and something unknown, the list is known."""
        first, second = self._try_evaluate(left), self._try_evaluate(right)
        if isinstance(first, _TextValue) and isinstance(second, _TextValue):
            return self._make_text(node, first.text + second.text)
        sides = [_ListValue(dynamic_lines=(side,)) if isinstance(side, int) else side for side in (first, second)]
        lists = [side for side in sides if isinstance(side, _ListValue)]
        if len(lists) < len(sides) or (isinstance(first, int) and isinstance(second, int)):
            raise _DynamicError(first if isinstance(first, int) else second if isinstance(second, int) else node.lineno)
        items = [item for list_value in lists for item in list_value.items]
        return self._make_list(node, items, [line for list_value in lists for line in list_value.dynamic_lines])

    def _get_member(self, node: ast.expr, parent: _Value, key: str) -> _Value:
        if not isinstance(parent, _DictValue) or parent.dynamic_lines or key not in parent.items:
            raise _DynamicError(node.lineno)
        return parent.items[key]


def _make_key(keyword: ast.keyword) -> ast.expr | None:
    """Return the name of a keyword as an expression; None for ``**``."""
    return ast.copy_location(ast.Constant(keyword.arg), keyword.value) if keyword.arg else None


def _find_bound_names(node: ast.AST) -> Iterator[str]:
    """Go through the names that a piece of syntax gives a value, or takes it from."""
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            yield name
        case ast.arg(arg=name) | ast.ExceptHandler(name=str(name)):
            yield name
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.alias(name=name, asname=alias):
            yield alias or name.partition(".")[0]
        case ast.Global(names=names) | ast.Nonlocal(names=names):
            yield from names
        case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
            yield name


def _find_assignments(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Go through the names that a statement gives this very value."""
    match node:
        case ast.Assign(targets=targets, value=value):
            yield from ((target.id, value) for target in targets if isinstance(target, ast.Name))
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
            yield name, value


def _find_changed_name(node: ast.AST) -> str:
    """Return the name of a list or dictionary that is changed here in its place; empty when none is."""
    match node:
        case ast.AugAssign(target=target):
            return _get_root_name(target)
        case ast.Call(func=ast.Attribute(value=parent, attr=method)) if method in _MUTATING_METHODS:
            return _get_root_name(parent)
        case ast.Subscript(value=parent, ctx=ast.Store() | ast.Del()):
            return _get_root_name(parent)
    return ""


def _get_root_name(node: ast.expr) -> str:
    while isinstance(node, (ast.Subscript, ast.Attribute)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""
