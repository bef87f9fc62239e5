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

from nerq_cli.inventory import PYPI, Declared, Manifest, normalise
from nerq_cli.manifests.page import Page, beside, regrouped

NAME: Final = "setup.py"

#: The keywords that declare lists, and the group each stands for (setuptools' documentation, "Keywords").
GROUPS: Final[Mapping[str, str]] = {"install_requires": "main", "setup_requires": "build", "tests_require": "dev"}
EXTRAS: Final = "extras_require"

#: Longest file parsed, in characters: a syntax tree takes a hundred times the memory.
LONGEST: Final = 1_000_000
#: Most items of one value, and most characters of one text: sums of sums double with every line.
MOST: Final = 10_000
LONGEST_TEXT: Final = 100_000

#: Modules whose ``setup`` is meant; of a dotted name the last part.
_MODULES: Final = frozenset({"setuptools", "core", "skbuild"})
_CHANGING: Final = frozenset(
    {"add", "append", "clear", "discard", "extend", "insert", "pop", "popitem", "remove", "setdefault", "update"}
)
#: What only Python 2 understands.
_PYTHON_2: Final = re.compile(
    r"^[ \t]*(?:print[ \t]+[^=\s(.,]|print[ \t]*>>|exec[ \t]+[\"'\w]|raise[ \t]+[\w.]+[ \t]*,"
    r"|except[ \t]+[\w.]+[ \t]*,[ \t]*\w+[ \t]*:|except[ \t]*\([^()\n]*\)[ \t]*,[ \t]*\w+[ \t]*:)"
    r"|^[^#\n\"']*(?:<>|(?<![\w.])0[0-7]+\b)",
    re.MULTILINE,
)
_FEW: Final = 3


@dataclass(frozen=True, slots=True)
class _Text:
    """A string and the line it begins on; ``whole`` when each line of it is one of the file."""

    text: str
    line: int
    whole: bool = False


@dataclass(frozen=True, slots=True)
class _Many:
    """A list, and the lines where something was added to it that cannot be told."""

    items: tuple[_Text, ...] = ()
    missing: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class _Table:
    """A dictionary, and the lines where something was added to it that cannot be told."""

    items: Mapping[str, _Value]
    missing: tuple[int, ...] = ()


_Value: TypeAlias = "_Text | _Many | _Table"


class _DynamicError(Exception):
    """What a piece of the file amounts to is known only once it runs."""

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


def wants(path: PurePosixPath) -> bool:
    """Say whether this file is a setup.py."""
    return path.name == NAME


def read(text: str, path: str, *, constraint: bool = False, group: str = "") -> Manifest:
    """Read what a setup.py declares literally; ``notes`` tell what it computes. Nothing is raised, nothing executed.

    ``group`` takes the place of ``main`` where the file that includes this one says so.
    """
    page = Page(text, path)
    tree = _parsed(page)
    reading = _Reading(page, _Names(tree))
    declared = tuple(reading.declared(tree))
    return Manifest(
        path=path,
        format=NAME,
        declared=tuple(regrouped(item, group, constraint=constraint) for item in declared),
        constraint=constraint,
        locals=tuple(sorted({*reading.names, *beside(declared)} - {""})),
        problems=page.problems,
        notes=page.notes,
    )


def _parsed(page: Page) -> ast.Module:
    """Return the syntax tree; an empty one where there is none."""
    if len(page.text) > LONGEST:
        page.report(f"too large: a setup.py of more than {LONGEST:,} characters is not read", 0)
        return ast.Module([], [])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the scanned file, not about ours
            return ast.parse(page.text)
    except SyntaxError as error:
        old = _PYTHON_2.search(page.text)
        line = min(error.lineno or 0, len(page.lines))
        if old:
            line = page.text.count("\n", 0, old.end()) + 1
            page.note(f"written for Python 2 (line {line}): cannot be read without running it, nothing is listed here")
        else:
            version = ".".join(map(str, sys.version_info[:2]))
            page.report(f"not valid Python {version}: {error.msg}", line, column=error.offset or 0)
    except ValueError as error:  # null bytes
        page.report(f"not Python: {error}", 0)
    except (RecursionError, MemoryError):
        page.report("nested too deeply to be read", 0)
    return ast.Module([], [])


class _Reading:
    """One setup.py: what its calls of ``setup()`` are given."""

    def __init__(self, page: Page, names: _Names) -> None:
        self.page = page
        self.evaluate = names
        self.names: set[str] = set()

    def declared(self, tree: ast.Module) -> Iterator[Declared]:
        """Go through what every call declares."""
        calls = list(_calls(tree))
        if tree.body and not calls:
            self.page.note("setup() is not called here: nothing is listed")
        if len(calls) > 1:
            self.page.note(f"setup() is called {len(calls)} times: what any call declares is listed")
        for call in calls:
            for keyword, value in self._keywords(call):
                yield from self._given(keyword, value)

    def _keywords(self, call: ast.Call) -> Iterator[tuple[str, _Value]]:
        """Go through the keywords that matter; those in ``**name`` too, as far as they can be told."""
        for keyword in call.keywords:
            wanted = keyword.arg is None or keyword.arg in (*GROUPS, EXTRAS, "name")
            value = self._value(keyword.arg or "setup(**…)", keyword.value) if wanted else None
            if keyword.arg is not None and value is not None:
                yield keyword.arg, value
            elif isinstance(value, _Table):
                self._note("setup(**…)", value.missing, whole=False)
                yield from value.items.items()

    def _given(self, keyword: str, value: _Value) -> Iterator[Declared]:
        if keyword == "name" and isinstance(value, _Text):
            self.names.add(normalise(PYPI, value.text))
        elif keyword == EXTRAS and isinstance(value, _Table):
            self._note(keyword, value.missing, whole=False)
            for extra, items in value.items.items():
                name, _, marker = extra.partition(":")
                group = f"extra:{normalise(PYPI, name.strip())}" if name.strip() else "main"
                yield from self._listed(f"{keyword}[{extra[:60]!r}]", items, group, marker.strip())
        elif keyword in GROUPS:
            yield from self._listed(keyword, value, GROUPS[keyword])

    def _listed(self, keyword: str, value: _Value, group: str, marker: str = "") -> Iterator[Declared]:
        items = _Many((value,)) if isinstance(value, _Text) else value
        if isinstance(items, _Table):
            items = _Many(tuple(_Text(key, 0) for key in items.items), items.missing)
        self._note(keyword, items.missing, whole=False)
        for line, text in _lines(items.items):
            item = None if self.page.hopeless else self.page.declare(text, line, group, marker=marker)
            if item:
                yield item

    def _value(self, keyword: str, node: ast.expr) -> _Value | None:
        if isinstance(node, ast.Constant) and node.value is None:
            return None
        try:
            return self.evaluate(node)
        except _DynamicError as error:
            if keyword != "name":
                self._note(keyword, (error.line,), whole=True)
        except RecursionError:
            self._note(keyword, (node.lineno,), whole=True)
        return None

    def _note(self, keyword: str, lines: Sequence[int], *, whole: bool) -> None:
        if lines:
            numbers = ", ".join(map(str, sorted(set(lines))[:_FEW])) + (", …" if len(set(lines)) > _FEW else "")
            which = f"line{'s' * (len(set(lines)) > 1)} {numbers}"
            part = "dynamic: not listed here" if whole else "dynamic in part: the rest is not listed here"
            self.page.note(f"{keyword} is {part} ({which})")


def _lines(items: Iterable[_Text]) -> Iterator[tuple[int, str]]:
    """Go through the dependencies in texts, one a line, without comments, as setuptools takes them."""
    for item in items:
        for offset, line in enumerate(item.text.split("\n")):
            text = line.strip()
            text = "" if text.startswith("#") else text.partition(" #")[0].rstrip()
            if text:
                yield item.line + (offset if item.whole else 0), text


def _calls(tree: ast.Module) -> Iterator[ast.Call]:
    """Go through the calls of ``setup``, under whatever name it was imported, from top to bottom."""
    nodes = list(ast.walk(tree))
    imports = [node for node in nodes if isinstance(node, ast.ImportFrom)]
    names = {one.asname for node in imports for one in node.names if one.name == "setup" and one.asname} | {"setup"}
    modules = _MODULES | {
        one.asname
        for node in nodes
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for one in node.names
        if one.asname and one.name.rpartition(".")[2] in _MODULES
    }
    calls = (node for node in nodes if isinstance(node, ast.Call) and _is_setup(node.func, names, modules))
    yield from sorted(calls, key=lambda node: (node.lineno, node.col_offset))


def _is_setup(function: ast.expr, names: set[str], modules: frozenset[str]) -> bool:
    match function:
        case ast.Name(id=name):
            return name in names
        case ast.Attribute(value=ast.Name(id=module) | ast.Attribute(attr=module), attr="setup"):
            return module in modules
    return False


class _Names:
    """The names of a file, and what expressions amount to that are made of them."""

    def __init__(self, tree: ast.Module) -> None:
        self._stated: dict[str, ast.expr] = {}
        self._changed: dict[str, list[int]] = {}
        self._known: dict[str, _Value | int] = {}
        self._open: set[str] = set()
        times: Counter[str] = Counter()
        for node in ast.walk(tree):
            times.update(_binds(node))
            for name, value in _states(node):
                self._stated[name] = value
            name = _changes(node)
            if name:
                self._changed.setdefault(name, []).append(getattr(node, "lineno", 0))
        # x += [...] binds x again, yet leaves what was there
        sums = (node.target for node in ast.walk(tree) if isinstance(node, ast.AugAssign))
        again = Counter(target.id for target in sums if isinstance(target, ast.Name))
        self._once = {name for name, count in times.items() if count - again[name] == 1}

    def __call__(self, node: ast.expr) -> _Value:  # noqa: PLR0911 - one for each kind of expression
        """Return what an expression amounts to.

        Raises:
            _DynamicError: that is known only when the file runs.
        """
        match node:
            case ast.Constant(value=str(text)):
                whole = (node.end_lineno or node.lineno) - node.lineno == text.count("\n")
                return _Text(text, node.lineno, whole)
            case ast.JoinedStr(values=parts):
                return self._formatted(node, parts)
            case ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.Set(elts=parts):
                return self._list(node, parts)
            case ast.Dict(keys=keys, values=values):
                return self._dict(node, list(zip(keys, values, strict=True)))
            case ast.Call(func=ast.Name(id="dict"), args=[], keywords=keywords):
                named = [(_literal(one), one.value) for one in keywords]
                return self._dict(node, named)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return self._sum(node, left, right)
            case ast.Name(id=name):
                return self._named(node, name)
            case ast.Subscript(value=holder, slice=ast.Constant(value=str(key))):
                return self._member(node, self(holder), key)
        raise _DynamicError(node.lineno)

    def _tried(self, node: ast.expr) -> _Value | int:
        """Return what an expression amounts to, or the line of the part that cannot be told."""
        try:
            return self(node)
        except _DynamicError as error:
            return error.line

    def _named(self, node: ast.Name, name: str) -> _Value:
        if name not in self._once or name not in self._stated or name in self._open:
            raise _DynamicError(node.lineno)
        if name not in self._known:
            self._open.add(name)
            self._known[name] = self._tried(self._stated[name])
            self._open.discard(name)
        value = self._known[name]
        if isinstance(value, int):
            raise _DynamicError(value)
        changed = tuple(self._changed.get(name, ()))
        if isinstance(value, _Many):
            return _Many(value.items, (*value.missing, *changed))
        if isinstance(value, _Table):
            return _Table(value.items, (*value.missing, *changed))
        if changed:
            raise _DynamicError(changed[0])
        return value

    def _formatted(self, node: ast.JoinedStr, parts: Iterable[ast.expr]) -> _Text:
        pieces = []
        for part in parts:
            plain = isinstance(part, ast.FormattedValue) and part.conversion == -1 and part.format_spec is None
            value = self(part.value if plain and isinstance(part, ast.FormattedValue) else part)
            if not isinstance(value, _Text):
                raise _DynamicError(node.lineno)
            pieces.append(value.text)
        return self._text(node, "".join(pieces))

    def _text(self, node: ast.expr, text: str) -> _Text:
        if len(text) > LONGEST_TEXT:
            raise _DynamicError(node.lineno)
        return _Text(text, node.lineno)

    def _list(self, node: ast.expr, elements: Iterable[ast.expr]) -> _Many:
        items: list[_Text] = []
        missing: list[int] = []
        for element in elements:
            spread = isinstance(element, ast.Starred)
            value = self._tried(element.value if isinstance(element, ast.Starred) else element)
            if isinstance(value, _Many):
                items += value.items
                missing += value.missing
            elif isinstance(value, _Text) and not spread:
                items.append(value)
            else:
                missing.append(value if isinstance(value, int) else element.lineno)
        return self._many(node, items, missing)

    def _many(self, node: ast.expr, items: Sequence[_Text], missing: Sequence[int]) -> _Many:
        if len(items) > MOST or len(missing) > MOST:
            raise _DynamicError(node.lineno)
        return _Many(tuple(items), tuple(missing))

    def _dict(self, node: ast.expr, members: Iterable[tuple[ast.expr | None, ast.expr]]) -> _Table:
        items: dict[str, _Value] = {}
        missing: list[int] = []
        for key, value in members:
            name = None if key is None else self._tried(key)
            held = self._tried(value)
            if isinstance(name, _Text) and not isinstance(held, int):
                items[name.text] = held
            elif key is None and isinstance(held, _Table):
                items.update(held.items)
                missing += held.missing
            else:
                missing.append(held if isinstance(held, int) else value.lineno)
        if len(items) > MOST or len(missing) > MOST:
            raise _DynamicError(node.lineno)
        return _Table(items, tuple(missing))

    def _sum(self, node: ast.expr, left: ast.expr, right: ast.expr) -> _Value:
        """Add two texts, or two lists; of a list and something unknown, the list is known."""
        first, second = self._tried(left), self._tried(right)
        if isinstance(first, _Text) and isinstance(second, _Text):
            return self._text(node, first.text + second.text)
        sides = [_Many(missing=(side,)) if isinstance(side, int) else side for side in (first, second)]
        lists = [side for side in sides if isinstance(side, _Many)]
        if len(lists) < len(sides) or (isinstance(first, int) and isinstance(second, int)):
            raise _DynamicError(first if isinstance(first, int) else second if isinstance(second, int) else node.lineno)
        items = [item for one in lists for item in one.items]
        return self._many(node, items, [line for one in lists for line in one.missing])

    def _member(self, node: ast.expr, holder: _Value, key: str) -> _Value:
        if not isinstance(holder, _Table) or holder.missing or key not in holder.items:
            raise _DynamicError(node.lineno)
        return holder.items[key]


def _literal(keyword: ast.keyword) -> ast.expr | None:
    """Return the name of a keyword as an expression; None for ``**``."""
    return ast.copy_location(ast.Constant(keyword.arg), keyword.value) if keyword.arg else None


def _binds(node: ast.AST) -> Iterator[str]:
    """Go through the names that a piece of syntax gives a value, or takes it from."""
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            yield name
        case ast.arg(arg=name) | ast.ExceptHandler(name=str(name)):
            yield name
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.alias(name=name, asname=other):
            yield other or name.partition(".")[0]
        case ast.Global(names=names) | ast.Nonlocal(names=names):
            yield from names
        case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
            yield name


def _states(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Go through the names that a statement gives this very value."""
    match node:
        case ast.Assign(targets=targets, value=value):
            yield from ((target.id, value) for target in targets if isinstance(target, ast.Name))
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
            yield name, value


def _changes(node: ast.AST) -> str:
    """Return the name of a list or dictionary that is changed here in its place; empty when none is."""
    match node:
        case ast.AugAssign(target=target):
            return _root(target)
        case ast.Call(func=ast.Attribute(value=holder, attr=method)) if method in _CHANGING:
            return _root(holder)
        case ast.Subscript(value=holder, ctx=ast.Store() | ast.Del()):
            return _root(holder)
    return ""


def _root(node: ast.expr) -> str:
    while isinstance(node, (ast.Subscript, ast.Attribute)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""
