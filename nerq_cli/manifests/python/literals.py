"""The values of Python expressions that are made of literals, found without executing them.

Lists, tuples, sets, dictionaries and strings are evaluated, sums of them, names that are bound to them once, and what
``+=``, ``append`` and ``extend`` add to a list in the block of statements where its name is bound.
"""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, TypeAlias

#: Most items of a list or dictionary, and most characters of a string: a sum of sums doubles with every line.
MAX_ITEMS: Final = 10_000
MAX_TEXT_LENGTH: Final = 100_000
#: Most items and characters of all values of a file together; a value used twice counts twice.
MAX_SIZE: Final = 5_000_000

_MUTATING_METHODS: Final = frozenset(
    ("add", "append", "clear", "discard", "extend", "insert", "pop", "popitem", "remove", "setdefault", "update")
)


class Text(NamedTuple):
    """A string and its place."""

    text: str
    #: The line it begins on, from 1.
    line: int
    #: Whether each line of the text is one line of the file.
    is_multiline: bool = False


class Unknown(NamedTuple):
    """A value that is computed, or the key of such values in a dictionary."""

    line: int


Items: TypeAlias = "list[Text | Unknown]"
Members: TypeAlias = "dict[str | Unknown, Value]"
Value: TypeAlias = "Text | Unknown | Items | Members"


class Evaluator:
    """Evaluates expressions made of literals and of names that are bound once."""

    def __init__(self, tree: ast.Module) -> None:
        #: What each name is bound to, and the block of statements it is bound in.
        self._bindings: dict[str, tuple[ast.expr, int]] = {}
        self._binding_counts: Counter[str] = Counter()
        #: By name and position (line, column), the element added to a list there; unknown for any other change.
        self._changes: dict[str, dict[tuple[int, int], ast.expr | Unknown]] = defaultdict(dict)
        self._pending_names: set[str] = set()
        self._size = 0
        self._values: dict[ast.expr, Value] = {}
        blocks: dict[object, int] = {}
        for node in ast.walk(tree):  # parents come before children, and statements in their order
            for block in (field for _, field in ast.iter_fields(node) if isinstance(field, list)):
                blocks.update(dict.fromkeys(block, id(block)))
            self._binding_counts.update(_find_bound_names(node))
            self._record_statement(node, blocks.get(node, 0))

    def _record_statement(self, node: ast.AST, block: int) -> None:
        match node:
            case ast.Assign(targets=targets, value=value):
                for name in (target.id for target in targets if isinstance(target, ast.Name)):
                    self._bindings[name] = value, block
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                self._bindings[name] = value, block
            case ast.AugAssign(target=ast.Name(id=name) as target, op=ast.Add(), value=value):
                self._binding_counts[name] -= 1
                self._record_change(target, block, ast.Starred(value, ast.Load()))
            case ast.Expr(ast.Call(ast.Attribute(ast.Name() as target, "append"), [value])):
                self._record_change(target, block, value)
            case ast.Expr(ast.Call(ast.Attribute(ast.Name() as target, "extend"), [value])):
                self._record_change(target, block, ast.Starred(value, ast.Load()))
            case ast.Call(ast.Attribute(target, method)) if method in _MUTATING_METHODS:
                self._record_change(target, block)
            case ast.Subscript(target, ctx=ast.Store() | ast.Del()):
                self._record_change(target, block)

    def _record_change(self, target: ast.expr, block: int, element: ast.expr | None = None) -> None:
        while isinstance(target, (ast.Subscript, ast.Attribute)):
            target = target.value
        if isinstance(target, ast.Name):
            is_in_block = target.id in self._bindings and self._bindings[target.id][1] == block
            change = element if element and is_in_block else Unknown(target.lineno)
            self._changes[target.id].setdefault((target.lineno, target.col_offset), change)

    def evaluate(self, node: ast.expr) -> Value:
        """Return the value of an expression. Each node is evaluated once: sums of sums stay linear in time."""
        if node not in self._values:
            value = self._evaluate_node(node) if self._size < MAX_SIZE else Unknown(node.lineno)
            self._size += len(value.text if isinstance(value, Text) else value)
            self._values[node] = value
        return self._values[node]

    def _evaluate_node(self, node: ast.expr) -> Value:  # noqa: C901, PLR0911 - one for each kind of expression
        match node:
            case ast.Constant(value=str(text)):
                return Text(text, node.lineno, (node.end_lineno or node.lineno) - node.lineno == text.count("\n"))
            case ast.Constant(value=None):
                return []
            case ast.JoinedStr(values=parts):
                return _add_values(node, [Text("", node.lineno), *map(self.evaluate, parts)])
            case ast.FormattedValue(value=part, conversion=-1, format_spec=None):
                return self.evaluate(part)
            case ast.List(elts=elements) | ast.Tuple(elts=elements) | ast.Set(elts=elements):
                return self._evaluate_list(node, elements)
            case ast.Dict(keys=keys, values=values):
                names = (None if key is None else self.evaluate(key) for key in keys)
                return self._evaluate_dict(node, zip(names, values, strict=True))
            case ast.Call(func=ast.Name(id="dict"), args=[], keywords=keywords):
                names = (None if keyword.arg is None else Text(keyword.arg, keyword.lineno) for keyword in keywords)
                return self._evaluate_dict(node, zip(names, (keyword.value for keyword in keywords), strict=True))
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return _add_values(node, [self.evaluate(left), self.evaluate(right)])
            case ast.Name(id=name) if name in self._bindings and self._binding_counts[name] == 1:
                return self._evaluate_name(node, name)
            case ast.Subscript(value=parent, slice=ast.Constant(value=str(key))):
                members = self.evaluate(parent)
                if isinstance(members, dict) and key in members and not any(isinstance(m, Unknown) for m in members):
                    return members[key]
        return Unknown(node.lineno)

    def _evaluate_name(self, node: ast.Name, name: str) -> Value:
        """Return what a name is bound to, with what is added in the same block before; other changes are unknown."""
        if name in self._pending_names:
            return Unknown(node.lineno)
        self._pending_names.add(name)
        expression, _ = self._bindings[name]
        value, changes = self.evaluate(expression), self._changes[name]
        self._size += len(changes)
        if changes and isinstance(value, list):
            use = node.lineno, node.col_offset
            additions = [change if position < use else Unknown(position[0]) for position, change in changes.items()]
            value = self._evaluate_list(node, [ast.Starred(expression, ast.Load()), *additions])
        elif changes and isinstance(value, dict):
            value = {**value, **{Unknown(line): Unknown(line) for line, _ in changes}}
        elif changes and isinstance(value, Text):
            value = Unknown(node.lineno)
        self._pending_names.discard(name)
        return value

    def _evaluate_list(self, node: ast.expr, elements: Iterable[ast.expr | Unknown]) -> Value:
        items: Items = []
        for element in elements:
            expression = element.value if isinstance(element, ast.Starred) else element
            value = expression if isinstance(expression, Unknown) else self.evaluate(expression)
            if len(items) > MAX_ITEMS:
                return Unknown(node.lineno)
            if isinstance(value, list):
                items += value
            elif isinstance(value, Unknown) or (isinstance(value, Text) and expression is element):
                items.append(value)
            else:
                items.append(Unknown(getattr(expression, "lineno", 0)))
        return items if len(items) <= MAX_ITEMS else Unknown(node.lineno)

    def _evaluate_dict(self, node: ast.expr, members: Iterable[tuple[Value | None, ast.expr]]) -> Value:
        items: Members = {}
        for name, expression in members:
            value = self.evaluate(expression)
            if isinstance(name, Text) and not isinstance(value, Unknown):
                items[name.text] = value
            elif name is None and isinstance(value, dict):
                items.update(value)
            else:
                unknown = value if isinstance(value, Unknown) else Unknown(expression.lineno)
                items[unknown] = unknown
        return items if len(items) <= MAX_ITEMS else Unknown(node.lineno)


def _add_values(node: ast.expr, values: Sequence[Value]) -> Value:
    """Return the sum of strings, or of lists, where an unknown value becomes an unknown item."""
    texts = [value.text for value in values if isinstance(value, Text)]
    if len(texts) == len(values) and sum(map(len, texts)) <= MAX_TEXT_LENGTH:
        return Text("".join(texts), node.lineno)
    unknowns = [value for value in values if isinstance(value, Unknown)]
    lists = [value if isinstance(value, list) else [value] for value in values if isinstance(value, (list, Unknown))]
    if len(unknowns) < len(lists) == len(values) and sum(map(len, lists)) <= MAX_ITEMS:
        return [item for value in lists for item in value]
    return unknowns[0] if unknowns else Unknown(node.lineno)


def _find_bound_names(node: ast.AST) -> list[str]:
    """Return the names that a node binds, deletes or declares global."""
    match node:
        case ast.Name(ctx=ast.Load()) | ast.keyword():
            return []
        case ast.alias(name, alias):
            return [alias or name.partition(".")[0]]
    names = [getattr(node, field, None) for field in ("id", "name", "arg", "rest")] + getattr(node, "names", [])
    return [name for name in names if isinstance(name, str)]
