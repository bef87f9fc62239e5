"""Where names of a Python file get their values, and the strings that an expression may have.

Nothing is executed. A name that is bound once to a literal has that value for certain; defaults of parameters, options,
settings and environment variables, and the values of a name that is bound several times, are likely ones.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from nerq_cli.manifests.references.words import split_words
from nerq_cli.patterns import compile_late

#: Most values of one expression.
MAX_VALUES: Final = 50
#: Longest chain of names that is followed.
MAX_DEPTH: Final = 12
#: Longest chain of names, and most bindings of one, that lead to an import.
_MAX_IMPORT_DEPTH: Final = 4
#: A line behind all others.
_BEHIND: Final = 1 << 30
#: Most expressions evaluated for one file.
MAX_STEPS: Final = 200_000

_FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_CONDITIONS: Final = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.Match)
#: Nodes without parts that matter.
_LEAVES: Final[frozenset[type]] = frozenset(
    {ast.Name, ast.Load, ast.Store, ast.Del, ast.Pass, ast.Break, ast.Continue, ast.Global, ast.Nonlocal, ast.arg}
    | {ast.alias, ast.And, ast.Or, *ast.operator.__subclasses__(), *ast.unaryop.__subclasses__()}
    | {*ast.cmpop.__subclasses__()}
)
#: Nodes that only have parts: nothing is recorded of them.
_PLAIN: Final[frozenset[type]] = frozenset(
    {ast.Attribute, ast.Subscript, ast.BoolOp, ast.UnaryOp, ast.Compare, ast.IfExp, ast.Tuple, ast.List}
    | {ast.Set, ast.Return, ast.FormattedValue, ast.Starred, ast.Slice, ast.Assert, ast.Raise}
    | {ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.Await, ast.Yield, ast.YieldFrom, ast.Module}
    | {ast.Try, ast.With, ast.AsyncWith, ast.Delete, ast.match_case}
)
#: Functions whose first string after the name of a variable is its default.
_ENVIRONMENT_READERS: Final = frozenset(
    {"os.getenv", "os.environ.get", "environ.get", "getenv", "decouple.config", "config", "env", "env.str", "env.get"}
    | {"get_env", "getenv_or", "os.environ.setdefault", "config.get", "get_env_var", "dotenv.get"}
)
#: Mapping of the environment variables, as programs write it.
_ENVIRONMENTS: Final = frozenset({"os.environ", "environ"})
#: Functions that describe a field or an option and take its default.
_FIELD_FUNCTIONS: Final = frozenset(
    split_words(
        """
        Field field Option Argument attrib ib Param Query Input HfArg
        """
    )
)
#: Methods of a function of a job system that call it with the same arguments.
_REMOTE_CALLS: Final = frozenset({"remote", "local", "spawn", "delay", "aio"})
#: Functions that give the items of their argument.
_SEQUENCE_FUNCTIONS: Final = frozenset({"list", "tuple", "sorted", "set", "tqdm", "reversed", "enumerate"})
#: Environment variable with the model of the containers of Hugging Face, and the key of it in their settings.
MODEL_ID_VARIABLE: Final = "HF_MODEL_ID"
#: Texts in addresses of the Hub.
_ADDRESS_MARKS: Final = ("huggingface.co/", "hf://", "hf.co/")
_STRING_METHODS: Final = frozenset({"strip", "lstrip", "rstrip"})
#: Places of a value in a format, and its name in the group.
_PERCENT: Final = compile_late(r"%(?:\((\w+)\))?s")
_BRACES: Final = compile_late(r"\{(\w*)\}")
#: Stands for an expression whose value is not known.
_COMPUTED: Final = ast.Constant(None)
_OPTION_DECORATORS: Final = frozenset({"option", "argument"})


class Value(NamedTuple):
    """One value that an expression may have."""

    text: str
    #: Whether it is the only one, and cannot be overridden.
    is_certain: bool


class Scope:
    """The names of a module, class or function."""

    def __init__(self, node: ast.AST, parent: Scope | None) -> None:
        self.node = node
        self.parent = parent
        self.bindings: dict[str, list[Binding]] = defaultdict(list)
        #: What methods of a class bind to attributes of their object.
        self.attributes: dict[str, list[Binding]] = defaultdict(list)

    @property
    def is_class(self) -> bool:
        """Whether it is the body of a class, whose names methods do not see."""
        return isinstance(self.node, ast.ClassDef)

    def enclosing_class(self) -> Scope | None:
        """Return the class that a function is a method of."""
        scope: Scope | None = self
        while scope is not None and not scope.is_class:
            scope = scope.parent
        return scope


class Binding(NamedTuple):
    """One place where a name gets a value."""

    line: int
    #: None if it is computed.
    value: ast.expr | None
    scope: Scope
    is_conditional: bool = False
    #: ``value``: the expression itself; ``item``: an item of it; ``default``: the default of a parameter;
    #: ``passed``: what a call in the file passes for a parameter; ``parameter``: a parameter without default;
    #: ``option``: the default of an option.
    role: str = "value"
    #: Position in each item, for a loop over tuples.
    part: int = -1
    #: Whether the name has a type annotation, as fields of data classes do.
    is_annotated: bool = False


class CallSite(NamedTuple):
    """One call, with the scope it is in."""

    node: ast.Call
    scope: Scope


class Text(NamedTuple):
    """One string in the file that is no docstring."""

    text: str
    line: int
    #: Names that it is assigned to, the outer ones first, each in a line: of a variable, then of keys in it.
    target: str


class ModuleAnalysis:
    """Scopes, imports, calls and strings of one module."""

    def __init__(self, tree: ast.Module) -> None:
        self.root = Scope(tree, None)
        self.calls: list[CallSite] = []
        self.texts: list[Text] = []
        #: Concatenations and f-strings with a part of an address of the Hub.
        self.addresses: list[tuple[ast.expr, Scope]] = []
        #: What each imported name stands for: ``transformers.AutoModel``.
        self.imports: dict[str, str] = {}
        #: First parts of all imported modules.
        self.roots: set[str] = set()
        self.star_modules: list[str] = []
        self._classes: dict[str, list[Scope]] = defaultdict(list)
        self._functions: dict[str, list[Scope]] = defaultdict(list)
        self._options: dict[str, list[Binding]] = defaultdict(list)
        self._object_attributes: dict[str, list[Binding]] = defaultdict(list)
        #: What the file sets environment variables to.
        self._environment: dict[str, list[Binding]] = defaultdict(list)
        self._returned: dict[str, str] = {}
        self._forwarded: dict[str, CallSite] | None = None
        self._calls_by_name: dict[str, list[CallSite]] | None = None
        self._steps = 0
        self._collect(tree)

    # What is in the file ---------------------------------------------------------------------------------------------

    def _collect(self, tree: ast.Module) -> None:
        pending: list[tuple[ast.AST, Scope, bool, str]] = [(tree, self.root, False, "")]
        while pending:
            node, scope, conditional, target = pending.pop()
            if type(node) in _PLAIN:
                pending += [(child, scope, conditional, target) for child in reversed(_find_children(node))]
                continue
            children = list(self._visit(node, scope, conditional=conditional, target=target))
            pending.extend(reversed(children))

    def _visit(  # noqa: C901, PLR0911, PLR0912
        self, node: ast.AST, scope: Scope, *, conditional: bool, target: str
    ) -> Iterator[tuple[ast.AST, Scope, bool, str]]:
        """Record one node, and yield its children with the scope and the assigned name that apply to them."""
        if isinstance(node, ast.Constant):
            if (
                isinstance(node.value, str)
                and 3 < len(node.value) < 400  # noqa: PLR2004
                and ("/" in node.value or target.endswith(MODEL_ID_VARIABLE))
            ):
                self.texts.append(Text(node.value, node.lineno, target))
            return
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            return  # a docstring
        if isinstance(node, (ast.JoinedStr, ast.BinOp)):
            for child in self._visit_concatenation(node, scope):
                yield child, scope, conditional, target
            return
        inner = scope
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            self._record_import(node)
            return
        if isinstance(node, _FUNCTIONS):
            inner = Scope(node, scope)
            self._record_function(node, inner, scope)
            for child in (*getattr(node, "decorator_list", ()), *node.args.defaults, *node.args.kw_defaults):
                if child is not None:
                    yield child, scope, conditional, target
            body = node.body if isinstance(node.body, list) else [node.body]
            for statement in body:
                yield statement, inner, False, ""
            return
        if isinstance(node, ast.ClassDef):
            inner = Scope(node, scope)
            self._classes[node.name].append(inner)
            scope.bindings[node.name].append(Binding(node.lineno, None, scope, conditional))
            conditional = False
            for child in (*node.decorator_list, *node.bases, *(keyword.value for keyword in node.keywords)):
                yield child, scope, conditional, target
            for statement in node.body:
                yield statement, inner, conditional, ""
            return
        if isinstance(node, ast.Call):
            self.calls.append(CallSite(node, scope))
            self._record_option(node, scope)
        else:
            target = self._record_assignment(node, scope, conditional=conditional) or target
        if isinstance(node, _CONDITIONS) and not (isinstance(node, ast.If) and _is_main_guard(node)):
            conditional = True
        if isinstance(node, ast.keyword) and node.arg:
            target = node.arg
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if key is not None:
                    yield key, inner, conditional, ""
                yield value, inner, conditional, _join_targets(target, _text_of(key))
            return
        for child in _find_children(node):
            yield child, inner, conditional, target

    def _visit_concatenation(self, node: ast.JoinedStr | ast.BinOp, scope: Scope) -> list[ast.AST]:
        """Record a text in parts if it may be an address of the Hub; return the parts that are no text."""
        parts = list(node.values) if isinstance(node, ast.JoinedStr) else _split_sum(node)
        if any(mark in _text_of(part) for part in parts for mark in _ADDRESS_MARKS):
            self.addresses.append((node, scope))
        elif isinstance(node, ast.BinOp):
            return [part for part in parts if type(part) not in _LEAVES]
        return [part for part in parts if not isinstance(part, (ast.Constant, ast.Name))]

    def _record_import(self, node: ast.Import | ast.ImportFrom) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                self.roots.add(alias.name.partition(".")[0])
                name = alias.asname or alias.name.partition(".")[0]
                self.imports[name] = alias.name if alias.asname else name
            return
        module = "." * node.level + (node.module or "")
        self.roots.add(module.partition(".")[0])
        for alias in node.names:
            if alias.name == "*":
                self.star_modules.append(module)
            else:
                self.imports[alias.asname or alias.name] = f"{module}.{alias.name}"

    def _record_function(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, inner: Scope, outer: Scope
    ) -> None:
        arguments = node.args
        positional = [*arguments.posonlyargs, *arguments.args]
        defaults: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults)) + list(
            arguments.defaults
        )
        for argument, default in (
            *zip(positional, defaults, strict=True),
            *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
        ):
            has_default = default is not None and not (isinstance(default, ast.Constant) and default.value is None)
            role = "default" if has_default else "parameter"
            inner.bindings[argument.arg].append(Binding(0, default, outer, role=role))
        for collected in (arguments.vararg, arguments.kwarg):
            if collected is not None:
                inner.bindings[collected.arg].append(Binding(0, None, outer))
        if isinstance(node, ast.Lambda):
            return
        self._functions[node.name].append(inner)
        outer.bindings[node.name].append(Binding(node.lineno, None, outer))
        for decorator in node.decorator_list:
            if isinstance(decorator, ast.Call) and _last_name(decorator.func) in _OPTION_DECORATORS:
                name, default = _read_option(decorator)
                if name and default is not None:
                    inner.bindings[name] = [Binding(0, default, outer, role="option")]

    def _record_option(self, node: ast.Call, scope: Scope) -> None:
        """Record the default of an option of argparse, optparse, absl or a similar parser."""
        function = _last_name(node.func)
        if function in {"add_argument", "add_option"}:
            name, default = _read_option(node)
        elif function in {"DEFINE_string", "DEFINE_enum"} and len(node.args) > 1:
            name, default = _text_of(node.args[0]), node.args[1]
        elif function == "set_defaults":
            for keyword in node.keywords:
                if keyword.arg:
                    self._options[keyword.arg].append(Binding(node.lineno, keyword.value, scope, role="option"))
            return
        else:
            return
        if name and default is not None:
            self._options[name].append(Binding(node.lineno, default, scope, role="option"))

    def _record_assignment(self, node: ast.AST, scope: Scope, *, conditional: bool) -> str:
        """Record what a statement binds; return the last name that it binds a value to."""
        name = ""
        match node:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    name = self._bind(target, value, node.lineno, scope, conditional=conditional) or name
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                name = self._bind(target, value, node.lineno, scope, conditional=conditional, is_annotated=True)
            case ast.NamedExpr(target=target, value=value):
                name = self._bind(target, value, node.lineno, scope, conditional=conditional)
            case ast.AugAssign(target=target):
                self._bind(target, None, node.lineno, scope, conditional=True)
            case ast.For(target=target, iter=iterable) | ast.AsyncFor(target=target, iter=iterable):
                self._bind_items(target, iterable, node.lineno, scope)
            case ast.comprehension(target=target, iter=iterable):
                self._bind_items(target, iterable, target.lineno, scope)
            case ast.withitem(optional_vars=ast.expr() as target, context_expr=value):
                self._bind(target, None, target.lineno, scope, conditional=conditional)
        return name

    def _bind(
        self,
        target: ast.expr,
        value: ast.expr | None,
        line: int,
        scope: Scope,
        *,
        conditional: bool,
        is_annotated: bool = False,
    ) -> str:
        binding = Binding(line, value, scope, conditional, is_annotated=is_annotated)
        match target:
            case ast.Name(id=name):
                scope.bindings[name].append(binding)
                return name
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name):
                owner = scope.enclosing_class()
                if owner is not None:
                    owner.attributes[name].append(binding)
                return name
            case ast.Attribute(attr=name):
                self._object_attributes[name].append(binding)
                return name
            case ast.Tuple(elts=targets) | ast.List(elts=targets):
                values: Sequence[ast.expr | None] = [None] * len(targets)
                if isinstance(value, (ast.Tuple, ast.List)) and len(value.elts) == len(targets):
                    values = value.elts
                for part, part_value in zip(targets, values, strict=True):
                    self._bind(part, part_value, line, scope, conditional=conditional)
            case ast.Subscript(value=mapping, slice=ast.Constant(value=str() as name)):
                self._object_attributes[name].append(binding)
                if dotted(mapping) in _ENVIRONMENTS:
                    self._environment[name].append(binding)
                return name
        return ""

    def _bind_items(self, target: ast.expr, iterable: ast.expr, line: int, scope: Scope) -> None:
        if isinstance(target, ast.Name):
            scope.bindings[target.id].append(Binding(line, iterable, scope, role="item"))
        elif isinstance(target, (ast.Tuple, ast.List)):
            for index, part in enumerate(target.elts):
                if isinstance(part, ast.Name):
                    scope.bindings[part.id].append(Binding(line, iterable, scope, role="item", part=index))

    # Names of functions ----------------------------------------------------------------------------------------------

    def find_origin(self, node: ast.expr, scope: Scope, depth: int = 0) -> str:  # noqa: PLR0911
        """Return the full name of a function or class (``transformers.AutoModel``); ``?`` for a root that is unknown.

        The object that a call returns is the name of its function with ``()``.
        """
        if depth > MAX_DEPTH:
            return "?"
        match node:
            case ast.Name(id=name):
                return self._find_name_origin(name, scope, node.lineno, depth)
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name):
                owner = scope.enclosing_class()
                bindings = (owner.attributes.get(name, []) + owner.bindings.get(name, [])) if owner else []
                return self._bound_origin(bindings, depth) or f"?.{name}"
            case ast.Attribute(value=value, attr=name):
                return f"{self.find_origin(value, scope, depth + 1)}.{name}"
            case ast.Call(func=function):
                origin = self.find_origin(function, scope, depth + 1)
                return (self._find_returned(origin[2:], depth) if origin.startswith("?.") else "") or f"{origin}()"
            case ast.Await(value=value):
                return self.find_origin(value, scope, depth + 1)
            case ast.IfExp(body=body):
                return self.find_origin(body, scope, depth + 1)
        return "?"

    def _find_returned(self, name: str, depth: int) -> str:
        """Return the full name of what the one function of the file with a name returns; empty if it is not known."""
        scopes = self._functions.get(name, ())
        if len(scopes) != 1:
            return ""
        if name not in self._returned:
            self._returned[name] = ""  # of a function that returns what it returns itself
            origins = {
                self.find_origin(returned.value, scopes[0], depth + 3)
                for returned in _find_returns(scopes[0].node)
                if returned.value is not None
            }
            if len(origins) == 1 and not min(origins).startswith("?"):
                self._returned[name] = origins.pop()
        return self._returned[name]

    def _find_name_origin(self, name: str, scope: Scope, line: int, depth: int) -> str:
        bindings = self._find_bindings(name, scope)
        if bindings:
            origin = self._bound_origin([item for item in bindings if item.line <= line] or bindings, depth)
            if origin:
                return origin
        if name in self.imports:
            return self.imports[name]
        if not bindings and name not in self._functions and name not in self._classes:
            return f"?*.{name}" if self.star_modules else f"?.{name}"
        return f"?.{name}"

    def _bound_origin(self, bindings: Sequence[Binding], depth: int) -> str:
        for binding in reversed(bindings):
            if (
                isinstance(binding.value, (ast.Name, ast.Attribute, ast.Call, ast.Await, ast.IfExp))
                and binding.role == "value"
            ):
                origin = self.find_origin(binding.value, binding.scope, depth + 3)
                if not origin.startswith("?"):
                    return origin
        return ""

    def _find_bindings(self, name: str, scope: Scope) -> list[Binding]:
        first: Scope | None = scope
        current: Scope | None = scope
        while current is not None:
            if name in current.bindings and (not current.is_class or current is first):
                return current.bindings[name]
            current = current.parent
        return []

    def find_forwarded(self, name: str) -> tuple[ast.Call, Scope] | None:
        """Return the call to which a function of the file hands all its arguments (``*args, **kwargs``)."""
        if self._forwarded is None:
            self._forwarded = {}
            for call in self.calls:
                function = call.scope.node
                if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)) and _hands_on(
                    call.node, function.args
                ):
                    self._forwarded.setdefault(function.name, call)
        return self._forwarded.get(name)

    # Values of expressions -------------------------------------------------------------------------------------------

    def evaluate(  # noqa: C901, PLR0911, PLR0912
        self, node: ast.expr | None, scope: Scope, depth: int = 0
    ) -> list[Value]:
        """Return the strings that an expression may have; empty if it is computed."""
        self._steps += 1
        if node is None or depth > MAX_DEPTH or self._steps > MAX_STEPS:
            return []
        match node:
            case ast.Constant(value=str() as text):
                return [Value(text, is_certain=True)]
            case ast.Name() | ast.Attribute():
                return self._evaluate_bindings(node, scope, depth)
            case ast.JoinedStr(values=parts):
                return self._concatenate(parts, scope, depth)
            case ast.FormattedValue(value=value, conversion=-1, format_spec=None):
                return self.evaluate(value, scope, depth + 1)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return self._concatenate([left, right], scope, depth)
            case ast.BinOp(left=ast.Constant(value=str() as template), op=ast.Mod(), right=right):
                return self._concatenate(_fill_percent(template, right), scope, depth)
            case ast.BoolOp(op=ast.Or(), values=operands):
                return _weaken(item for operand in operands for item in self.evaluate(operand, scope, depth + 1))
            case ast.IfExp(body=body, orelse=other):
                return _weaken([*self.evaluate(body, scope, depth + 1), *self.evaluate(other, scope, depth + 1)])
            case ast.NamedExpr(value=value) | ast.Await(value=value):
                return self.evaluate(value, scope, depth + 1)
            case ast.Subscript(value=mapping):
                if dotted(mapping) in _ENVIRONMENTS:
                    return self._evaluate_variable(_text_of(node.slice), depth)
                found = self.find_nodes(node, scope, depth + 1)
                values = [item for value, owner in found for item in self.evaluate(value, owner, depth + 1)]
                return values if len(found) == 1 else _weaken(values)
            case ast.Call():
                return self._evaluate_call(node, scope, depth)
        return []

    def complete(self, node: ast.expr, scope: Scope) -> str:
        """Return a text in parts with ``$_`` for those that are computed; empty if it is no such text."""
        match node:
            case ast.JoinedStr(values=parts):
                pass
            case ast.BinOp(op=ast.Add()):
                parts = _split_sum(node)
            case _:
                return ""
        values = [self.evaluate(part, scope, 1) for part in parts]
        return "".join(found[0].text if len(found) == 1 else "$_" for found in values)

    def find_imported(self, node: ast.expr, scope: Scope, depth: int = 0) -> Iterator[str]:
        """Yield the full names of values of other modules that an expression may stand for."""
        bindings: list[Binding] = []
        match node:
            case ast.Name(id=name):
                bindings = self._bindings_of_name(node, scope)[0]
                if not bindings and name in self.imports:
                    yield self.imports[name]
            case ast.Attribute(value=ast.Name(id="self" | "cls")):
                bindings = self._bindings_of(node, scope)[0]
            case ast.Attribute():
                root, _, rest = dotted(node).partition(".")
                if root in self.imports and not self._find_bindings(root, scope):
                    yield f"{self.imports[root]}.{rest}"
            case ast.BoolOp(op=ast.Or(), values=operands):
                bindings = [Binding(0, operand, scope) for operand in operands]
        for binding in bindings[:_MAX_IMPORT_DEPTH]:
            if binding.value is not None and binding.role != "item" and depth < _MAX_IMPORT_DEPTH:
                yield from self.find_imported(binding.value, binding.scope, depth + 1)

    def evaluate_name(self, name: str) -> list[Value]:
        """Return the strings that a name of the module, or an attribute of one, may have (``settings.model``)."""
        first, *attributes = name.split(".")
        node: ast.expr = ast.Name(first, ast.Load(), lineno=_BEHIND, col_offset=0)
        for attribute in attributes:
            node = ast.Attribute(node, attribute, ast.Load(), lineno=_BEHIND, col_offset=0)
        return self.evaluate(node, self.root)

    def _concatenate(self, parts: Sequence[ast.expr], scope: Scope, depth: int) -> list[Value]:
        result = [Value("", is_certain=True)]
        for part in parts:
            values = self.evaluate(part, scope, depth + 1)
            if not values or len(values) * len(result) > MAX_VALUES:
                return []
            result = [Value(a.text + b.text, a.is_certain and b.is_certain) for a in result for b in values]
            if len(result[0].text) > 1_000:  # noqa: PLR2004 - longer than any id
                return []
        return result

    def _evaluate_bindings(self, node: ast.Name | ast.Attribute, scope: Scope, depth: int) -> list[Value]:
        bindings, is_exact = self._bindings_of(node, scope)
        values: list[Value] = []
        is_single = len(bindings) == 1 and is_exact
        for binding in bindings[:MAX_VALUES]:
            found = self._evaluate_binding(binding, depth)
            # each item of a loop and what each call passes is used; of several values of a name only one is
            is_used = binding.role == "passed" or (is_single and binding.role in {"value", "item"})
            values += found if is_used else _weaken(found)
        return _unique(values)

    def _evaluate_binding(self, binding: Binding, depth: int) -> list[Value]:
        if binding.role == "item":
            nodes = self._find_items(binding, depth + 1)
            values = [item for node, owner in nodes for item in self.evaluate(node, owner, depth + 1)]
            return values if self._is_literal(binding.value, binding.scope, depth + 1) else _weaken(values)
        if binding.value is None:
            return []
        return self.evaluate(binding.value, binding.scope, depth + 1)

    def _is_literal(self, node: ast.expr | None, scope: Scope, depth: int) -> bool:
        """Whether a loop goes over a literal, or over a name that is bound once, to a literal."""
        match node:
            case ast.List() | ast.Tuple() | ast.Set() | ast.Dict():
                return True
            case ast.Call(func=ast.Attribute(value=value, attr="items" | "values" | "keys"), args=[]):
                return self._is_literal(value, scope, depth + 1)
            case ast.Call(func=ast.Name(id=name), args=[value, *_]) if name in _SEQUENCE_FUNCTIONS:
                return self._is_literal(value, scope, depth + 1)
            case ast.Name() if depth <= MAX_DEPTH:
                bindings, is_exact = self._bindings_of(node, scope)
                return (
                    len(bindings) == 1
                    and is_exact
                    and bindings[0].role in {"value", "passed"}
                    and self._is_literal(bindings[0].value, bindings[0].scope, depth + 1)
                )
        return False

    def _bindings_of(self, node: ast.Name | ast.Attribute, scope: Scope) -> tuple[list[Binding], bool]:
        """Return where a name or attribute gets its values, and whether it can have no others."""
        if isinstance(node, ast.Name):
            return self._bindings_of_name(node, scope)
        if isinstance(node.value, ast.Name):
            base = node.value.id
            owner = scope.enclosing_class() if base in {"self", "cls"} else None
            if owner is None and len(self._classes.get(base, ())) == 1:
                owner = self._classes[base][0]
            if owner is not None:
                bindings = [*owner.bindings.get(node.attr, ()), *owner.attributes.get(node.attr, ())]
                if bindings:
                    expanded = [item for binding in bindings for item in self._expand_parameter(binding)]
                    return expanded, len(expanded) == 1 and not expanded[0].is_annotated
                if base in {"self", "cls"}:
                    return [], False
        if (
            isinstance(node.value, ast.Name)
            and node.value.id in self.imports
            and node.value.id not in {"args", "config"}
        ):
            return [], False  # an attribute of another module
        bindings = [*self._options.get(node.attr, ()), *self._object_attributes.get(node.attr, ())]
        for scopes in self._classes.values():
            for class_scope in scopes:
                bindings += class_scope.bindings.get(node.attr, ())
                bindings += class_scope.attributes.get(node.attr, ())
        return bindings, False

    def _bindings_of_name(self, node: ast.Name, scope: Scope) -> tuple[list[Binding], bool]:
        bindings = self._find_bindings(node.id, scope)
        if scope.bindings.get(node.id) is bindings:  # bound here: what was bound last before this line
            earlier = [binding for binding in bindings if binding.line < node.lineno or binding.role != "value"]
            bindings = earlier or bindings
            for index in range(len(bindings) - 1, 0, -1):
                if not bindings[index].is_conditional and bindings[index].role == "value" and bindings[index].line:
                    bindings = bindings[index:]
                    break
        expanded = [item for binding in bindings for item in self._expand_parameter(binding, node.id, scope)]
        return expanded, len(expanded) == 1

    def _expand_parameter(self, binding: Binding, name: str = "", scope: Scope | None = None) -> list[Binding]:
        """Return what callers in the file pass for a parameter, with its default."""
        if binding.role not in {"parameter", "default"} or scope is None:
            return [binding]
        owner: Scope | None = scope
        while owner is not None and not (isinstance(owner.node, _FUNCTIONS) and name in owner.bindings):
            owner = owner.parent
        passed = list(self._find_passed(owner, name)) if owner is not None else []
        return passed if binding.role == "parameter" and passed else [binding, *passed]

    def _find_passed(self, function: Scope, name: str) -> Iterator[Binding]:
        node = function.node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return
        in_class = function.parent is not None and function.parent.is_class
        arguments = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args)]
        if in_class and arguments and not any(_last_name(item) == "staticmethod" for item in node.decorator_list):
            arguments = arguments[1:]
        position = arguments.index(name) if name in arguments else -1
        called = node.name
        if in_class and called == "__init__" and function.parent is not None:
            called = getattr(function.parent.node, "name", called)
        for call in [item for item in self._find_calls(called) if self._may_call(item, in_class=in_class)][:MAX_VALUES]:
            value = next((keyword.value for keyword in call.node.keywords if keyword.arg == name), None)
            if value is None and 0 <= position < len(call.node.args):
                value = call.node.args[position]
            if value is not None and not isinstance(value, ast.Starred):
                role = "passed" if self._is_call_of(call.node, called, in_class=in_class) else "default"
                yield Binding(call.node.lineno, value, call.scope, role=role)

    def _may_call(self, call: CallSite, *, in_class: bool) -> bool:
        """Whether a call by the name of a function or method of the file can be one of it.

        ``load(…)`` can be the function, ``torch.hub.load(…)`` of another module cannot; nor can that of an object,
        unless it is a method.
        """
        function = call.node.func
        if isinstance(function, ast.Attribute) and function.attr in _REMOTE_CALLS:
            function = function.value
        if not isinstance(function, ast.Attribute):
            return True
        return in_class and self.find_origin(function.value, call.scope).startswith("?")

    def _is_call_of(self, node: ast.Call, name: str, *, in_class: bool) -> bool:
        """Whether a call by the name of a function can be one of no other function."""
        function = node.func
        if isinstance(function, ast.Attribute) and function.attr in _REMOTE_CALLS:
            function = function.value
        if name in self.imports or len(self._functions.get(name, ())) + len(self._classes.get(name, ())) != 1:
            return False
        match function:
            case ast.Name():
                return True
            case ast.Attribute(value=ast.Name(id="self" | "cls")):
                return in_class
        return False

    def _find_calls(self, name: str) -> list[CallSite]:
        if self._calls_by_name is None:
            self._calls_by_name = defaultdict(list)
            for call in self.calls:
                function = call.node.func
                if isinstance(function, ast.Attribute) and function.attr in _REMOTE_CALLS:
                    function = function.value
                self._calls_by_name[_last_name(function)].append(call)
        return self._calls_by_name.get(name, [])

    def _evaluate_call(self, node: ast.Call, scope: Scope, depth: int) -> list[Value]:  # noqa: C901, PLR0911
        function = dotted(node.func)
        last = _last_name(node.func)
        default = _get_keyword(node, "default")
        if self.is_environment_reader(node.func, function):
            name = _text_of(_get_item(node.args, 0))
            values = self._evaluate_variable(name, depth) if name in self._environment else []
            return values or _weaken(self.evaluate(default or _get_item(node.args, 1), scope, depth + 1))
        if last in _FIELD_FUNCTIONS:
            return _weaken(self.evaluate(default or _get_item(node.args, 0), scope, depth + 1))
        if function == "getattr":
            return _weaken(self.evaluate(_get_item(node.args, 2), scope, depth + 1))
        if function in {"str", "cast", "typing.cast"} and node.args:
            return self.evaluate(node.args[-1], scope, depth + 1)
        if isinstance(node.func, ast.Attribute):
            if last == "format" and isinstance(node.func.value, ast.Constant):
                return self._concatenate(_fill_braces(_text_of(node.func.value), node), scope, depth)
            if last in _STRING_METHODS and not node.args:
                return [
                    Value(item.text.strip(), item.is_certain)
                    for item in self.evaluate(node.func.value, scope, depth + 1)
                ]
            if function in {"os.path.join", "posixpath.join"}:
                separated: list[ast.expr] = []
                for part in node.args:
                    separated += [ast.Constant("/"), part] if separated else [part]
                return self._concatenate(separated, scope, depth)
            if last in {"get", "pop"} and node.args:
                return self._evaluate_get(node, scope, depth)
            if last in {"selectbox", "radio", "text_input", "Dropdown", "Textbox"}:
                return self._evaluate_widget(node, scope, depth)
        return []

    def _evaluate_variable(self, name: str, depth: int) -> list[Value]:
        """Return what the file sets an environment variable to."""
        bindings = self._environment.get(name, [])[:MAX_VALUES]
        values = [item for binding in bindings for item in self._evaluate_binding(binding, depth + 1)]
        return values if len(bindings) == 1 and not bindings[0].is_conditional else _weaken(values)

    def is_environment_reader(self, node: ast.expr, function: str) -> bool:
        """Whether a function, by its name as written, returns the value of a variable or else a default."""
        if function in {"config.get", "env.get"}:
            return False
        if function in _ENVIRONMENT_READERS:
            return True
        root, _, rest = function.partition(".")
        origin = self.imports.get(root, "")
        return (
            bool(origin)
            and f"{origin}.{rest}".rstrip(".") in _ENVIRONMENT_READERS
            and isinstance(node, (ast.Name, ast.Attribute))
        )

    def _evaluate_get(self, node: ast.Call, scope: Scope, depth: int) -> list[Value]:
        """Return the values of ``mapping.get(key, default)``."""
        function = node.func
        values: list[Value] = []
        if isinstance(function, ast.Attribute):
            lookup = ast.Subscript(function.value, node.args[0], ast.Load(), lineno=node.lineno, col_offset=0)
            found = self.find_nodes(lookup, scope, depth + 1)
            values = [item for value, owner in found for item in self.evaluate(value, owner, depth + 1)]
        return _weaken([*values, *self.evaluate(_get_item(node.args, 1), scope, depth + 1)])

    def _evaluate_widget(self, node: ast.Call, scope: Scope, depth: int) -> list[Value]:
        """Return the choices of an element of a user interface."""
        values = self.evaluate(_get_keyword(node, "value") or _get_item(node.args, 1), scope, depth + 1)
        for choices in (_get_keyword(node, "options"), _get_keyword(node, "choices"), *node.args[:2]):
            if choices is not None:
                nodes = self._expand_collection(choices, scope, depth + 1)
                values += [item for part, owner in nodes for item in self.evaluate(part, owner, depth + 1)]
        return _weaken(values)

    # Parts of literals -----------------------------------------------------------------------------------------------

    def find_nodes(self, node: ast.expr, scope: Scope, depth: int = 0) -> list[tuple[ast.expr, Scope]]:
        """Return the expressions that a name, attribute or subscript stands for; the expression itself for others."""
        self._steps += 1
        if depth > MAX_DEPTH or self._steps > MAX_STEPS:
            return []
        match node:
            case ast.Name() | ast.Attribute():
                found: list[tuple[ast.expr, Scope]] = []
                for binding in self._bindings_of(node, scope)[0][:MAX_VALUES]:
                    if binding.role == "item":
                        found += self._find_items(binding, depth + 1)
                    elif binding.value is not None:
                        found += self.find_nodes(binding.value, binding.scope, depth + 1)
                return found[:MAX_VALUES]
            case ast.Subscript(value=value, slice=key):
                found = []
                for base, owner in self.find_nodes(value, scope, depth + 1):
                    found += [
                        part
                        for item in _select(base, key)
                        for part in (
                            self.find_nodes(item, owner, depth + 1)
                            if not isinstance(item, ast.Constant)
                            else [(item, owner)]
                        )
                    ]
                return found[:MAX_VALUES]
        return [(node, scope)]

    def _find_items(self, binding: Binding, depth: int) -> list[tuple[ast.expr, Scope]]:
        if binding.value is None:
            return []
        items: list[tuple[ast.expr, Scope]] = []
        for item, owner in self._expand_collection(binding.value, binding.scope, depth):
            if binding.part < 0:
                items.append((item, owner))
            elif isinstance(item, (ast.Tuple, ast.List)) and binding.part < len(item.elts):
                items.append((item.elts[binding.part], owner))
        return items[:MAX_VALUES]

    def _expand_collection(self, node: ast.expr, scope: Scope, depth: int) -> list[tuple[ast.expr, Scope]]:  # noqa: C901
        """Return the items that a loop over an expression gives."""
        if depth > MAX_DEPTH:
            return []
        part = ""
        if isinstance(node, ast.Call):
            function = _last_name(node.func)
            if isinstance(node.func, ast.Attribute) and function in {"items", "values", "keys"}:
                part, node = function, node.func.value
            elif function in _SEQUENCE_FUNCTIONS and node.args:
                inner = self._expand_collection(node.args[0], scope, depth + 1)
                if function != "enumerate":
                    return inner
                return [(ast.Tuple([ast.Constant(0), item], ast.Load()), owner) for item, owner in inner]
        items: list[tuple[ast.expr, Scope]] = []
        for base, owner in self.find_nodes(node, scope, depth + 1):
            match base:
                case ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.Set(elts=parts):
                    items += [(item, owner) for item in parts]
                case ast.Dict(keys=keys, values=values):
                    if part == "items":
                        items += [
                            (ast.Tuple([key, value], ast.Load()), owner)
                            for key, value in zip(keys, values, strict=True)
                            if key is not None
                        ]
                    elif part == "values":
                        items += [(value, owner) for value in values]
                    else:
                        items += [(key, owner) for key in keys if key is not None]
        return items[:MAX_VALUES]


def _select(base: ast.expr, key: ast.expr) -> list[ast.expr]:  # noqa: PLR0911
    """Return the parts of a literal that a subscript may select."""
    match base:
        case ast.Dict(keys=keys, values=values):
            if isinstance(key, ast.Constant):
                return [
                    value
                    for name, value in zip(keys, values, strict=True)
                    if isinstance(name, ast.Constant) and name.value == key.value
                ]
            return list(values)
        case ast.Call(func=ast.Name(id="dict"), keywords=keywords):
            if isinstance(key, ast.Constant):
                return [keyword.value for keyword in keywords if keyword.arg == key.value]
            return [keyword.value for keyword in keywords]
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            if isinstance(key, ast.Constant) and isinstance(key.value, int):
                return [parts[key.value]] if -len(parts) <= key.value < len(parts) else []
            return list(parts) if not isinstance(key, ast.Slice) else []
    return []


def _find_children(node: ast.AST) -> list[ast.AST]:
    """Return the parts of a node that may have calls, strings or bindings."""
    children: list[ast.AST] = []
    for name in node._fields:
        value = getattr(node, name, None)
        if isinstance(value, list):
            children += [item for item in value if type(item) not in _LEAVES and isinstance(item, ast.AST)]
        elif isinstance(value, ast.AST) and type(value) not in _LEAVES:
            children.append(value)
    return children


def _find_returns(function: ast.AST) -> list[ast.Return]:
    """Return the statements that return from a function, without those of functions in it."""
    found: list[ast.Return] = []
    pending: list[ast.AST] = [function]
    while pending:
        node = pending.pop()
        for name in ("body", "orelse", "finalbody", "handlers", "cases"):
            parts = getattr(node, name, ())
            for part in parts if isinstance(parts, list) else ():
                if isinstance(part, ast.Return):
                    found.append(part)
                elif not isinstance(part, (*_FUNCTIONS, ast.ClassDef, ast.Expr, ast.Assign)):
                    pending.append(part)
    return found


def _join_targets(target: str, key: str) -> str:
    return f"{target}\n{key}" if target and key else target or key


def _split_sum(node: ast.BinOp) -> list[ast.expr]:
    """Return the operands of a chain of the same operator from left to right."""
    parts: list[ast.expr] = []
    current: ast.expr = node
    while isinstance(current, ast.BinOp):
        parts.append(current.right)
        current = current.left
    return [current, *reversed(parts)]


def _fill_percent(template: str, values: ast.expr) -> list[ast.expr]:
    """Return the parts of ``template % values``; one that is computed if a part is not plain ``%s`` or ``%(name)s``."""
    items = list(values.elts) if isinstance(values, ast.Tuple) else [values]
    parts: list[ast.expr] = []
    for index, piece in enumerate(_PERCENT.split(template)):
        if index % 2 == 0:
            parts.append(ast.Constant(piece) if "%" not in piece else _COMPUTED)
        elif piece:
            selected = _select(values, ast.Constant(piece))
            parts.append(selected[0] if len(selected) == 1 else _COMPUTED)
        else:
            parts.append(items.pop(0) if items else _COMPUTED)
    return parts


def _fill_braces(template: str, call: ast.Call) -> list[ast.expr]:
    """Return the parts of ``template.format(…)``; one that is computed if a part is not plain ``{}`` or ``{name}``."""
    parts: list[ast.expr] = []
    position = 0
    for index, piece in enumerate(_BRACES.split(template)):
        if index % 2 == 0:
            parts.append(ast.Constant(piece) if "{" not in piece else _COMPUTED)
            continue
        if piece.isdigit() or not piece:
            value = _get_item(call.args, int(piece) if piece else position)
            position += 1
        else:
            value = _get_keyword(call, piece)
        parts.append(value if value is not None else _COMPUTED)
    return parts


def _hands_on(node: ast.Call, arguments: ast.arguments) -> bool:
    """Whether a call has all arguments of the function that it is in, and no others before them."""
    if arguments.vararg is None or arguments.kwarg is None or arguments.args or arguments.posonlyargs:
        return False
    match node.args:
        case [ast.Starred(value=ast.Name(id=name))] if name == arguments.vararg.arg:
            return any(
                keyword.arg is None and isinstance(keyword.value, ast.Name) and keyword.value.id == arguments.kwarg.arg
                for keyword in node.keywords
            )
    return False


def _is_main_guard(node: ast.If) -> bool:
    match node.test:
        case ast.Compare(left=ast.Name(id="__name__")):
            return True
    return False


def _text_of(node: ast.expr | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _last_name(node: ast.AST) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def dotted(node: ast.expr) -> str:
    """Return a name with its attributes as written; empty for other expressions."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


def _get_keyword(node: ast.Call, name: str) -> ast.expr | None:
    return next((keyword.value for keyword in node.keywords if keyword.arg == name), None)


def _get_item(items: Sequence[ast.expr], index: int) -> ast.expr | None:
    return items[index] if index < len(items) else None


def _read_option(node: ast.Call) -> tuple[str, ast.expr | None]:
    """Return the name that an option is stored under, and its default."""
    names = [_text_of(argument) for argument in node.args]
    destination = _get_keyword(node, "dest")
    long_name = next((name for name in names if name.startswith("--")), names[0] if names else "")
    name = _text_of(destination) if destination is not None else long_name.lstrip("-")
    plain = [name for name in names if name and not name.startswith("-")]
    if long_name.startswith("-") and plain and destination is None:  # click: the name of the parameter
        name = plain[0]
    return name.replace("-", "_"), _get_keyword(node, "default")


def _weaken(values: Iterable[Value]) -> list[Value]:
    """Return values as likely ones."""
    return [Value(value.text, is_certain=False) for value in values]


def _unique(values: list[Value]) -> list[Value]:
    return list(dict.fromkeys(values))[:MAX_VALUES]
