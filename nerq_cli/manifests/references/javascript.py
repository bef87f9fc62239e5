"""JavaScript and TypeScript: calls of loaders, found in the tokens of the text."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Final, NamedTuple

from nerq_cli.manifests.references.builder import ReferenceBuilder
from nerq_cli.manifests.references.ids import HubId, interpret, parse_address
from nerq_cli.manifests.references.known_names import MODEL
from nerq_cli.manifests.references.model import Certainty, ReferenceKind
from nerq_cli.manifests.references.table import SCRIPT_FACTORIES, SCRIPTS, ScriptPattern
from nerq_cli.manifests.references.words import split_words
from nerq_cli.patterns import compile_late

#: Most tokens read of one file.
MAX_TOKENS: Final = 400_000
#: Longest argument list examined, in tokens.
_MAX_ARGUMENT_TOKENS: Final = 2_000
_MAX_DEPTH: Final = 8

_TOKEN: Final = compile_late(
    r"""
      (?P<space>[ \t\r\f\v\ufeff\u00a0]+)
    | (?P<newline>\n)
    | (?P<comment>//[^\n]*|/\*.*?(?:\*/|\Z))
    | (?P<string>"(?:[^"\\\n]|\\.)*"?|'(?:[^'\\\n]|\\.)*'?)
    | (?P<template>`(?:[^`\\]|\\.)*`?)
    | (?P<name>[A-Za-z_$][\w$]*)
    | (?P<number>\d[\w.]*)
    | (?P<mark>\?\?|\|\||&&|=>|\.\.\.|\?\.|[=!]==?|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_REGEX: Final = compile_late(r"/(?![*/])(?:[^/\\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/[a-z]*")
_BEFORE_REGEX: Final = frozenset(
    split_words(
        """
        ( , = : [ ! & | ? { } ; => && || ?? return typeof case in of
        """
    )
)
#: An import in a text that is evaluated, so that a compiler leaves it as it is.
_IMPORT_IN_TEXT: Final = compile_late(r"import\([\"']([^\"']{1,200})[\"']\)")
_SCRIPT_ELEMENT: Final = compile_late(r"<script\b[^>]*>(.*?)</script\s*>", re.DOTALL | re.IGNORECASE)
_CDN: Final = compile_late(r"https?://[^/]+/(?:npm/)?((?:@[\w.-]+/)?[\w.-]+)(?:@[^/]*)?(?:/.*)?")
_PACKAGE: Final = compile_late(
    "|".join(
        (
            *sorted({re.escape(package.rstrip("*")) for row in SCRIPTS for package in row.packages} - {"ai", "openai"}),
            *("hf://", "huggingface", "from_pretrained", "from ['\"]ai['\"]", "['\"]openai['\"]"),
        )
    ).encode()
)
_TYPES: Final[dict[str, ReferenceKind]] = {"model": "model", "dataset": "dataset", "space": "space", "kernel": "kernel"}
#: Marks that join a line to the one before or behind.
_CONTINUING: Final = frozenset(["??", "||", "&&", "?", ":", "+", ".", "?.", "(", "=>"])
#: Longest clause of an import, in tokens.
_MAX_CLAUSE: Final = 400
#: Longest text between ``class`` and its body, in tokens.
_MAX_CLASS_HEAD: Final = 60
#: Most classes of a file that are distinguished.
_MAX_CLASSES: Final = 200
_OPEN: Final = {"(": ")", "[": "]", "{": "}"}
_CLOSE: Final = frozenset(_OPEN.values())


class _Token(NamedTuple):
    kind: str
    #: Value of a string, text of any other token.
    text: str
    line: int


class _Value(NamedTuple):
    text: str
    is_certain: bool


def may_refer(data: bytes) -> bool:
    """Whether a script may have a reference, by the packages that it names."""
    return _PACKAGE.search(data) is not None


def read(text: str, builder: ReferenceBuilder) -> None:
    """Add the references of a script."""
    _ScriptReader(_tokenize(text), builder).read()


def read_page(text: str, builder: ReferenceBuilder) -> None:
    """Add the references of the scripts in an HTML page or a component file."""
    for match in _SCRIPT_ELEMENT.finditer(text):
        line = text.count("\n", 0, match.start(1)) + 1
        _ScriptReader(_tokenize(match[1], line), builder).read()


def _tokenize(text: str, line: int = 1) -> list[_Token]:
    tokens: list[_Token] = []
    position = 0
    while position < len(text) and len(tokens) < MAX_TOKENS:
        if (
            text[position] == "/"
            and (not tokens or tokens[-1].text in _BEFORE_REGEX)
            and text[position + 1 : position + 2] not in {"/", "*"}
        ):
            match = _REGEX.match(text, position)
            if match is not None:
                tokens.append(_Token("regex", "", line))
                position = match.end()
                continue
        match = _TOKEN.match(text, position)
        if match is None:
            break
        position = match.end()
        kind, token = match.lastgroup or "", match.group()
        if kind == "string":
            tokens.append(_Token("string", _unquote(token), line))
        elif kind == "template":
            has_parts = "${" in token
            tokens.append(
                _Token("template" if has_parts else "string", _unquote(token) if not has_parts else token, line)
            )
        elif kind in {"name", "number", "mark"}:
            tokens.append(_Token(kind, token, line))
        line += token.count("\n")
    return tokens


def _unquote(token: str) -> str:
    text = token[1:-1] if len(token) > 1 and token[-1] == token[0] else token[1:]
    return re.sub(r"\\(.)", r"\1", text) if "\\" in text else text


class _ScriptReader:
    def __init__(self, tokens: list[_Token], builder: ReferenceBuilder) -> None:
        self.tokens = tokens
        self.builder = builder
        #: What each imported name is: package and name in it.
        self.imports: dict[str, tuple[str, str]] = {}
        self.packages: set[str] = set()
        #: Positions of the values that are assigned to names, and to members of classes and objects.
        self.values: dict[str, list[int]] = defaultdict(list)
        self.properties: dict[str, list[int]] = defaultdict(list)
        #: Positions of values that are defaults of parameters or of members that a pattern takes.
        self.defaults: set[int] = set()
        #: Brackets of the bodies of classes, by name and by position with the end.
        self.classes: dict[str, int] = {}
        self.class_ends: dict[int, int] = {}
        #: Name of the object, or position of the class, that has a value of ``properties``; empty if it is not known.
        self.owners: dict[int, str | int] = {}

    def read(self) -> None:  # noqa: C901 - a branch for each form
        self._find_imports()
        self._find_classes()
        self._find_assignments()
        for index, token in enumerate(self.tokens):
            if token.kind == "name" and self._text(index + 1) == "(":
                self._read_call(index, index + 1)
            elif token.kind == "name" and self._text(index + 1) == "<":
                end = self._skip_type(index + 1)
                if end:
                    self._read_call(index, end)
            elif token.kind == "mark" and token.text == ")" and self._text(index + 1) == "(":
                made = self._find_factory(self._opening(index) - 1)
                if made is not None:
                    self._read_function(*made, [made[1]], index + 1)
            elif token.kind == "string" and ("://" in token.text):
                if self._text(index + 1) != "+":
                    self._read_address(token, index)
                elif "huggingface.co/" in token.text:
                    self._read_computed_address(index, self._end_of_value(index))
            elif token.kind == "template" and "huggingface.co/" in token.text:
                self._read_computed_address(index, index + 1)

    def _text(self, index: int) -> str:
        return self.tokens[index].text if 0 <= index < len(self.tokens) and self.tokens[index].kind != "string" else ""

    def _kind(self, index: int) -> str:
        return self.tokens[index].kind if 0 <= index < len(self.tokens) else ""

    def _skip_type(self, index: int) -> int:
        """Return the position of the bracket behind type arguments (``pipeline<'x'>(``); 0 if there are none."""
        for end in range(index + 1, min(index + 30, len(self.tokens))):
            text = self._text(end)
            if text == ">" and self._text(end + 1) == "(":
                return end + 1
            if text in {";", "{", "}", "=", "&&", "||"}:
                return 0
        return 0

    def _read_address(self, token: _Token, index: int, certainty: Certainty = "certain") -> None:
        hub_id = parse_address(token.text)
        if hub_id is None or self._text(index - 1) == "from":
            return
        if token.text.startswith("hf://"):
            self.builder.add(hub_id, token.line, "hub-uri", certainty)
        elif hub_id.is_file:
            self.builder.add(hub_id, token.line, "hub-file-url", certainty)
        else:
            self.builder.add(hub_id, token.line, "hub-url", "possible")

    def _read_computed_address(self, start: int, end: int) -> None:
        """Add an address that is a template or a concatenation, if its parts are those of the file."""
        for value in self._evaluate(start, end):
            token = _Token("string", value.text, self.tokens[start].line)
            self._read_address(token, start, "certain" if value.is_certain else "likely")

    # Names -----------------------------------------------------------------------------------------------------------

    def _find_imports(self) -> None:
        for index, token in enumerate(self.tokens):
            if token.kind != "string":
                continue
            before = self._text(index - 1)
            if "import(" in token.text and (inner := _IMPORT_IN_TEXT.search(token.text)) is not None:
                self.packages.add(_package_name(inner[1]))
                continue
            package = _package_name(token.text)
            if before == "from":
                self._read_import_clause(index - 2, package)
            elif before == "(" and self._text(index - 2) in {"require", "import"}:
                start = index - 3
                while self._text(start) in {"await", "("}:
                    start -= 1
                self.packages.add(package)
                if self._text(start) == "=":
                    self._read_import_clause(start - 1, package)
            elif before == "import":
                self.packages.add(package)

    def _read_import_clause(self, index: int, package: str) -> None:
        """Record the names before ``from`` or ``= require``."""
        self.packages.add(package)
        end = index
        while (
            index > 0
            and end - index < _MAX_CLAUSE
            and self._text(index) not in {"import", "const", "let", "var", "export", ";"}
        ):
            index -= 1
        names = [self.tokens[position].text for position in range(index + 1, end + 1) if self._kind(position) == "name"]
        texts = [self.tokens[position].text for position in range(index + 1, end + 1)]
        position = 0
        while position < len(texts):
            text = texts[position]
            if text in names and text not in {"as", "type"}:
                following = texts[position + 1 : position + 3]
                if len(following) == 2 and following[0] in {"as", ":"}:  # noqa: PLR2004
                    self.imports[following[1]] = package, text
                    position += 3
                    continue
                is_inside = "{" in texts[:position]
                is_whole = not is_inside or (position and texts[position - 1] == "as" and texts[position - 2] == "*")
                self.imports[text] = package, "*" if is_whole else text
            position += 1

    def _find_classes(self) -> None:
        opened: list[int] = []
        body = 0
        for index, token in enumerate(self.tokens):
            text = self._text(index)
            if token.kind == "name" and text == "class" and self._text(index - 1) not in {".", "?.", ":"}:
                head = range(index + 1, index + _MAX_CLASS_HEAD)
                body = next((position for position in head if self._text(position) == "{"), 0)
                if body and len(self.class_ends) < _MAX_CLASSES:
                    self.classes[self._text(index + 1)] = body
                    self.class_ends[body] = len(self.tokens)
            elif text == "{":
                opened.append(index)
            elif text == "}" and opened:
                start = opened.pop()
                if start in self.class_ends:
                    self.class_ends[start] = index

    def _find_class_at(self, index: int) -> int:
        """Return the body of the innermost class around a token; -1 if there is none."""
        return max((start for start, end in self.class_ends.items() if start < index < end), default=-1)

    def _find_owner(self, qualifier: str, index: int) -> str | int:
        """Return what ``qualifier.`` stands for at a token: the class for ``this``, or the name of an object."""
        return self._find_class_at(index) if qualifier == "this" else self.classes.get(qualifier, qualifier)

    def _find_assignments(self) -> None:  # noqa: C901 - a row for each form
        opened: list[tuple[int, str]] = []
        for index, token in enumerate(self.tokens):
            if token.kind == "mark" and token.text == "{":
                opened.append((index, self._find_literal_name(index)))
            elif token.kind == "mark" and token.text == "}" and opened:
                opened.pop()
            elif token.text == "=" and token.kind == "mark":
                position = index - 1
                name = self._find_assigned_name(position)
                if name:
                    is_member = self._text(name - 1) in {".", "static", "readonly", "private", "public", "protected"}
                    store = self.properties if is_member else self.values
                    store[self.tokens[name].text].append(index + 1)
                    if self._text(name - 1) == ".":
                        self.owners[index + 1] = self._find_owner(self._text(name - 2), index)
                    elif self._text(name - 1) not in {"const", "let", "var"}:
                        is_field = is_member or (opened and opened[-1][0] in self.class_ends)
                        self.owners[index + 1] = self._find_class_at(index) if is_field else ""
                    if not is_member and self._is_default(name):
                        self.defaults.add(index + 1)
                    if not is_member and self._text(name - 1) not in {"const", "let", "var"}:
                        self.properties[self.tokens[name].text].append(index + 1)
            elif (
                token.text == ":"
                and token.kind == "mark"
                and self._kind(index - 1) in {"name", "string"}
                and self._text(index - 2) in {"{", ","}
            ):
                self.properties[self.tokens[index - 1].text].append(index + 1)
                self.owners[index + 1] = opened[-1][1] if opened else ""

    def _find_literal_name(self, index: int) -> str:
        """Return the name that an object literal is assigned to, as a variable or as a member of another one."""
        if self._text(index - 1) == "=":
            name = self._find_assigned_name(index - 2)
            return self._text(name) if name else ""
        return self.tokens[index - 2].text if index > 1 and self._text(index - 1) == ":" else ""

    def _select_owned(self, qualifier: str, name: str, index: int) -> list[int]:
        """Return the values of ``qualifier.name``: those of the object, or those of objects that it may be."""
        positions = self.properties.get(name, [])
        owner = self._find_owner(qualifier, index)
        owned = [position for position in positions if self.owners.get(position, "") == owner]
        if owned:
            return owned
        if isinstance(owner, int) and owner >= 0:
            return [position for position in positions if self.owners.get(position, "") == ""]
        return [position for position in positions if not isinstance(self.owners.get(position, ""), int)]

    def _is_default(self, name: int) -> bool:
        """Whether ``name = value`` is a parameter with its default, or a member of a pattern with one."""
        if self._text(name - 1) not in {"{", ",", "(", "["}:
            return False
        depth = 0
        for index in range(name - 1, max(name - 200, -1), -1):
            text = self._text(index)
            if text in _CLOSE:
                depth += 1
            elif text in _OPEN and depth:
                depth -= 1
            elif text == "(":
                return True
            elif text in {"{", "["}:
                return self._text(index - 1) in {"const", "let", "var", ",", "(", ":"}
        return False

    def _find_assigned_name(self, position: int) -> int:
        """Return the position of the name before ``=``, behind which there may be a type (``model: string =``)."""
        if self._kind(position) != "name":
            return 0
        for start in range(position, max(position - 8, -1), -1):
            if self._text(start - 1) in {"const", "let", "var", "static", "readonly"} and self._kind(start) == "name":
                return start
            if self._text(start) in {";", "{", "}", ")", "="}:
                break
        return (
            position if self._text(position - 1) != ":" else (position - 2 if self._kind(position - 2) == "name" else 0)
        )

    # Values ----------------------------------------------------------------------------------------------------------

    def _evaluate(self, start: int, end: int, depth: int = 0) -> list[_Value]:  # noqa: C901, PLR0911
        """Return the strings that an expression may have."""
        if start >= end or depth > _MAX_DEPTH:
            return []
        for operator in ("??", "||"):
            split = self._find_operator(start, end, operator)
            if split:
                values = self._evaluate(start, split, depth + 1) + self._evaluate(split + 1, end, depth + 1)
                return [_Value(value.text, is_certain=False) for value in values]
        question = self._find_operator(start, end, "?")
        if question:
            colon = self._find_operator(question + 1, end, ":")
            if colon:
                values = self._evaluate(question + 1, colon, depth + 1) + self._evaluate(colon + 1, end, depth + 1)
                return [_Value(value.text, is_certain=False) for value in values]
        plus = self._find_operator(start, end, "+")
        if plus:
            left, right = self._evaluate(start, plus, depth + 1), self._evaluate(plus + 1, end, depth + 1)
            if len(left) == len(right) == 1:
                return [_Value(left[0].text + right[0].text, left[0].is_certain and right[0].is_certain)]
            return []
        if self._kind(start) == "string":
            return (
                [_Value(self.tokens[start].text, is_certain=True)]
                if end == start + 1 or self._text(start + 1) in {"as", "satisfies"}
                else []
            )
        if self._kind(start) == "template" and end == start + 1:
            return self._evaluate_template(self.tokens[start].text, depth)
        if self._kind(start) == "name":
            return self._evaluate_name(start, end, depth)
        return []

    def _evaluate_template(self, template: str, depth: int) -> list[_Value]:
        text = template.strip("`")
        is_certain = True
        for name in re.findall(r"\$\{\s*([A-Za-z_$][\w$]*)\s*\}", text):
            values = self._values_of(self.values.get(name, []), depth)
            if len(values) != 1:
                return []
            is_certain = is_certain and values[0].is_certain
            first, _, rest = text.partition("${")
            text = first + values[0].text + rest.partition("}")[2]
        return [] if "${" in text else [_Value(text, is_certain)]

    def _evaluate_name(self, start: int, end: int, depth: int) -> list[_Value]:
        names = [self.tokens[index].text for index in range(start, end) if self._kind(index) == "name"]
        marks = {self._text(index) for index in range(start, end) if self._kind(index) == "mark"}
        if marks - {".", "?.", "[", "]", "!"} or names[0] == "process":
            return []
        if end == start + 1 or self._text(start + 1) in {"as", "!"}:
            return self._values_of(self.values.get(names[0], []), depth)
        positions = self._select_owned(names[-2], names[-1], start) if len(names) > 1 else []
        if names[0] == "this" or "[" not in marks:
            values = self._values_of(positions, depth)
            return (
                values
                if names[0] == "this" or names[0][:1].isupper()
                else [_Value(value.text, is_certain=False) for value in values]
            )
        return self._values_of_object(names[0], depth)

    def _values_of(self, positions: Sequence[int], depth: int) -> list[_Value]:
        values = [
            value
            for position in positions[:20]
            for value in self._evaluate(position, self._end_of_value(position), depth + 1)
        ]
        if len(positions) > 1 or not self.defaults.isdisjoint(positions):
            values = [_Value(value.text, is_certain=False) for value in values]
        return list(dict.fromkeys(values))

    def _values_of_object(self, name: str, depth: int) -> list[_Value]:
        """Return the strings in an object literal that a name stands for."""
        values: list[_Value] = []
        for position in self.values.get(name, [])[:5]:
            if self._text(position) in {"{", "["}:
                values += [
                    _Value(token.text, is_certain=False)
                    for token in self.tokens[position : min(self._closing(position), position + 400)]
                    if token.kind == "string"
                ]
        return values if depth <= _MAX_DEPTH else []

    def _end_of_value(self, start: int) -> int:
        depth = 0
        for index in range(start, min(start + _MAX_ARGUMENT_TOKENS, len(self.tokens))):
            text = self._text(index)
            if text in _OPEN:
                depth += 1
            elif text in _CLOSE:
                if depth == 0:
                    return index
                depth -= 1
            elif depth == 0 and (
                text in {",", ";"}
                or (
                    index > start
                    and self.tokens[index].line > self.tokens[index - 1].line
                    and not self._continues(index)
                )
            ):
                return index
        return min(start + _MAX_ARGUMENT_TOKENS, len(self.tokens))

    def _continues(self, index: int) -> bool:
        return self._text(index) in _CONTINUING or self._text(index - 1) in {"=", *_CONTINUING}

    def _find_operator(self, start: int, end: int, operator: str) -> int:
        depth = 0
        for index in range(start, end):
            text = self._text(index)
            if text in _OPEN:
                depth += 1
            elif text in _CLOSE:
                depth -= 1
            elif depth == 0 and text == operator:
                return index
        return 0

    def _closing(self, start: int) -> int:
        """Return the position of the bracket that closes the one at ``start``."""
        depth = 0
        for index in range(start, min(start + _MAX_ARGUMENT_TOKENS, len(self.tokens))):
            text = self._text(index)
            depth += 1 if text in _OPEN else -1 if text in _CLOSE else 0
            if depth == 0:
                return index
        return min(start + _MAX_ARGUMENT_TOKENS, len(self.tokens))

    # Calls -----------------------------------------------------------------------------------------------------------

    def _read_call(self, index: int, bracket: int) -> None:
        names = self._dotted_name(index)
        package, origin = self.imports.get(names[0], ("", ""))
        function = (
            ".".join(names[1:]) if origin == "*" and len(names) > 1 else ".".join([origin or names[0], *names[1:]])
        )
        if not package and (made := self._find_made(index - 2 * (len(names) - 2), names[0])) is not None:
            package, origin = made
            function = ".".join([origin, *names[1:]])
        self._read_function(package, function, names, bracket)

    def _read_function(self, package: str, function: str, names: list[str], bracket: int) -> None:
        for row in SCRIPTS:
            if self._fits(row, package, function, names) and self._read_row(row, bracket):
                return

    def _find_made(self, index: int, name: str) -> tuple[str, str] | None:
        """Return the package and the function that the object of a call is, if a factory of the table made it."""
        if not name:  # a method of what the call before it returns
            return self._find_factory(self._opening(index - 2) - 1) if self._text(index - 2) == ")" else None
        positions = self.values.get(name, [])
        return self._find_factory(positions[0]) if len(positions) == 1 else None

    def _find_factory(self, index: int) -> tuple[str, str] | None:
        if index < 0 or self._text(index + 1) != "(":
            return None
        package, origin = self.imports.get(self._text(index), ("", ""))
        return (package, SCRIPT_FACTORIES[origin]) if origin in SCRIPT_FACTORIES else None

    def _opening(self, end: int) -> int:
        """Return the position of the bracket that ``end`` closes; 0 if it is too far away."""
        depth = 0
        for index in range(end, max(end - _MAX_ARGUMENT_TOKENS, -1), -1):
            text = self._text(index)
            depth += 1 if text in _CLOSE else -1 if text in _OPEN else 0
            if depth == 0:
                return index
        return 0

    def _dotted_name(self, index: int) -> list[str]:
        names = [self.tokens[index].text]
        while self._text(index - 1) in {".", "?."} and self._kind(index - 2) == "name":
            index -= 2
            names.insert(0, self.tokens[index].text)
        if self._text(index - 1) in {".", "?."}:
            names.insert(0, "")
        return names

    def _fits(self, row: ScriptPattern, package: str, function: str, names: list[str]) -> bool:
        last = names[-1]
        if not any(
            name in {function, last} or ("." in name and function.endswith(f".{name}")) for name in row.functions
        ):
            return False
        if package:
            return _fits_package(package, row.packages)
        # a method of an object, or a function that an import with await provides
        is_imported = any(_fits_package(item, row.packages) for item in self.packages)
        if is_imported:
            return True
        return last == "from_pretrained" and "from_pretrained" in row.functions

    def _read_row(self, row: ScriptPattern, bracket: int) -> bool:  # noqa: C901
        arguments = self._split_arguments(bracket)
        candidates: list[tuple[int, int]] = []
        if 0 <= row.position < len(arguments):
            candidates.append(arguments[row.position])
        options: dict[str, tuple[int, int]] = {}
        for start, end in arguments:
            if self._text(start) == "{":
                options.update(self._members(start, end))
        candidates += [options[key] for key in row.keys if key in options]
        kind = row.kind
        if "type" in options:
            kind = _TYPES.get(self._single(options["type"]), kind)
        repository = next(
            (options[key] for key in row.keys if key in options and self._text(options[key][0]) == "{"), None
        )
        if repository is not None:
            members = self._members(*repository)
            kind = _TYPES.get(self._single(members["type"]), kind) if "type" in members else kind
            candidates = [members["name"]] if "name" in members else []
        revision = self._single(options["revision"]) if "revision" in options else ""
        is_known = "revision" not in options or bool(revision)
        filename = next((self._single(options[key]) for key in ("path", "model_file_name") if key in options), "")
        added = False
        for start, end in candidates:
            for value in self._evaluate(start, end):
                text = value.text
                item_kind = kind
                for plural, single in (("datasets/", "dataset"), ("spaces/", "space")):
                    if row.id == "js-hub" and text.startswith(plural):
                        text, item_kind = text.removeprefix(plural), _TYPES[single]
                text = (
                    f"hf://{text.removeprefix('hf:')}"
                    if text.startswith("hf:") and not text.startswith("hf://")
                    else text
                )
                hub_id = interpret(text, item_kind, row.context)
                if hub_id is None or not (
                    "/" in hub_id.name or (row.has_bare_names and MODEL.fullmatch(hub_id.name) is not None)
                ):
                    continue
                certainty: Certainty = row.certainty if value.is_certain else "likely"
                self._add(row, hub_id, self.tokens[bracket].line, certainty, revision, filename, is_known=is_known)
                added = True
        return added

    def _add(
        self,
        row: ScriptPattern,
        hub_id: HubId,
        line: int,
        certainty: Certainty,
        revision: str,
        filename: str,
        *,
        is_known: bool,
    ) -> None:
        self.builder.add(
            hub_id,
            line,
            row.id,
            certainty,
            loader=row.loader,
            revision=revision,
            is_revision_known=is_known,
            filename=filename if filename.isprintable() else "",
        )

    def _single(self, bounds: tuple[int, int]) -> str:
        values = self._evaluate(*bounds)
        return values[0].text if len(values) == 1 and values[0].text.isprintable() else ""

    def _split_arguments(self, bracket: int) -> list[tuple[int, int]]:
        end = self._closing(bracket)
        arguments: list[tuple[int, int]] = []
        depth = 0
        start = bracket + 1
        for index in range(bracket + 1, end):
            text = self._text(index)
            depth += 1 if text in _OPEN else -1 if text in _CLOSE else 0
            if depth == 0 and text == ",":
                arguments.append((start, index))
                start = index + 1
        return [*arguments, (start, end)] if start < end else arguments

    def _members(self, start: int, end: int) -> dict[str, tuple[int, int]]:
        """Return the values of an object literal by key."""
        members: dict[str, tuple[int, int]] = {}
        for first, last in self._split_arguments(start):
            if self._kind(first) in {"name", "string"} and self._text(first + 1) == ":":
                members[self.tokens[first].text] = first + 2, last
            elif self._kind(first) == "name" and last == first + 1:
                members[self.tokens[first].text] = first, last
        return members if start < end else {}


def _package_name(specifier: str) -> str:
    """Return the package of a module specifier, also of a URL of a CDN."""
    specifier = specifier.removeprefix("npm:").removeprefix("jsr:")
    match = _CDN.fullmatch(specifier)
    if match is not None:
        return match[1]
    parts = specifier.split("/")
    name = "/".join(parts[:2]) if specifier.startswith("@") else parts[0]
    return (
        name
        if name.startswith("@") and name.count("@") == 1
        else name.partition("@")[0] or "@" + name[1:].partition("@")[0]
    )


def _fits_package(package: str, packages: tuple[str, ...]) -> bool:
    return any(package.startswith(name[:-1]) if name.endswith("*") else package == name for name in packages)
