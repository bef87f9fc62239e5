"""Jupyter notebooks: the code cells as one Python text, with shell lines and cells. Outputs are not read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from nerq_cli.manifests.references import python
from nerq_cli.manifests.references.builder import ReferenceBuilder, UnreadableError
from nerq_cli.manifests.references.commands import read_script, read_variable
from nerq_cli.manifests.syntax.json_document import JsonReader, NotJsonError
from nerq_cli.manifests.syntax.problems import LineIndex
from nerq_cli.patterns import compile_late

#: A line that the notebook passes to a shell, or to the notebook itself.
_MAGIC: Final = compile_late(r"^(?P<indent>[ \t]*)(?:[\w.]+[ \t]*=[ \t]*)?(?P<mark>%%|!!|[!%?])(?P<rest>.*)$")
_SHELL_CELLS: Final = frozenset({"bash", "sh", "script", "shell", "zsh"})
_PYTHON_CELLS: Final = frozenset(
    {"time", "timeit", "capture", "prun", "python", "python3", "debug", "memit", "wandb", "py"}
)
#: Magics that write the cell to a file.
_FILE_CELLS: Final = frozenset({"writefile", "file"})
#: Magics that set an environment variable (``%env NAME=value``, ``%env NAME value``).
_VARIABLE_MAGICS: Final = frozenset({"env", "set_env"})
_SHELL_MAGICS: Final = frozenset({"sx", "system", "sc"})
#: Magics of a line that run a statement, and the letters of their options with a value.
_STATEMENT_MAGICS: Final = {
    "time": "",
    "timeit": "nrpv",
    "prun": "lsTD",
    "memit": "rti",
    "mprun": "fT",
    "lprun": "fmDTsu",
    "heat": "o",
    "snakeviz": "f",
    "scalene": "",
    "pyinstrument": "",
}
_OPTION: Final = compile_late(r"--?(?P<letter>\w)(?P<value>[\w.-]*)(?:\s+|$)")
_WRITTEN_FILE: Final = compile_late(
    r"[\w./-]+\.(?:ya?ml|json|toml|js|mjs|ts|env)|(?:[\w./-]*/)?(?:Dockerfile|Modelfile|\.env)[\w.-]*"
)


class _Cell(NamedTuple):
    lines: list[str]
    #: Line of the file for each line of the cell.
    numbers: list[int]


def read(text: str, builder: ReferenceBuilder) -> None:
    """Add the references of a notebook.

    Raises:
        UnreadableError: it is no notebook, or none of its cells can be parsed.
    """
    try:
        cells = list(_find_cells(text))
    except NotJsonError:
        raise UnreadableError("is not valid JSON") from None
    except RecursionError:
        raise UnreadableError("is nested too deeply") from None
    code = [prepared for cell in cells if (prepared := _prepare(cell, builder))]
    try:
        tree = python.parse(_join(code))
    except UnreadableError:
        code = [cell for cell in code if _is_valid("\n".join(cell.lines))]
        builder.note = "some cells cannot be parsed"
        tree = python.parse(_join(code))
    numbers = [number for cell in code for number in (*cell.numbers, cell.numbers[-1] if cell.numbers else 0)]
    lines = ReferenceBuilder(builder.path)
    python.read_tree(tree, lines)
    for reference in lines.finish().references:
        line = reference.location.line
        builder.add_reference(reference, numbers[line - 1] if 0 < line <= len(numbers) else 0)


def _join(cells: list[_Cell]) -> str:
    return "\n".join("\n".join([*cell.lines, ""]) for cell in cells)


def _find_cells(text: str) -> Iterator[_Cell]:
    """Yield the code cells."""
    reader = JsonReader(text)
    index = LineIndex(text)
    if not reader.in_object:
        raise UnreadableError("is not a notebook")
    for key, _ in reader.iter_members():
        if key == "worksheets":  # format 3
            raise UnreadableError("is a notebook of format 3 or older")
        if key != "cells":
            reader.skip_value()
            continue
        for _ in reader.iter_items():
            cell = _read_cell(reader, index)
            if cell is not None:
                yield cell


def _read_cell(reader: JsonReader, index: LineIndex) -> _Cell | None:
    kind: object = ""
    lines: list[str] = []
    numbers: list[int] = []
    for key, offset in reader.iter_members():
        if key == "cell_type":
            kind = reader.read_value()
        elif key == "source":
            node = reader.read_node()
            items = node.data if isinstance(node.data, list) else [node]
            pieces = [(item.data, index.line_number(item.offset)) for item in items if isinstance(item.data, str)]
            for part, number in pieces:
                for piece in part.split("\n") if isinstance(node.data, str) else part.removesuffix("\n").split("\n"):
                    lines.append(piece)
                    numbers.append(number)
        else:
            reader.skip_value()
        _ = offset
    return _Cell(lines, numbers) if kind == "code" else None


def _prepare(cell: _Cell, builder: ReferenceBuilder) -> _Cell | None:  # noqa: C901 - one branch for each kind of cell
    """Return the Python lines of a cell, and read its shell lines; None if it is in another language."""
    lines = list(cell.lines)
    first = next((index for index, line in enumerate(lines) if line.strip()), -1)
    if first >= 0 and lines[first].startswith("%%"):
        words = lines[first][2:].split()
        name = words[0] if words else ""
        if name in _SHELL_CELLS:
            for index in range(first + 1):
                lines[index] = ""
            _read_shell(lines, cell.numbers, builder)
            return None
        if name in _FILE_CELLS and words[-1].endswith(".sh"):
            _read_shell(lines[first + 1 :], cell.numbers[first + 1 :], builder)
            return None
        if name in _FILE_CELLS and _WRITTEN_FILE.fullmatch(words[-1]):
            _read_file(words[-1], lines[first + 1 :], cell.numbers[first + 1 :], builder)
            return None
        if name not in _PYTHON_CELLS and not (name in _FILE_CELLS and words[-1].endswith(".py")):
            return None
        statement = (
            _skip_options(name, lines[first].lstrip()[2:].partition(" ")[2]) if name in _STATEMENT_MAGICS else ""
        )
        lines[first] = statement if _is_valid(statement) else ""
    position = 0
    while position < len(lines):
        match = _MAGIC.match(lines[position])
        end = position + 1
        if match is not None and not (match["mark"] == "%" and not re.match(r"[\w]", match["rest"])):
            while lines[end - 1].endswith("\\") and end < len(lines):
                end += 1
            statement = _read_magic(match, lines[position:end], cell.numbers[position], builder) or "pass"
            lines[position] = f"{match['indent']}{statement}"
            for index in range(position + 1, end):
                lines[index] = ""
        position = end
    return _Cell(lines, cell.numbers)


def _read_magic(match: re.Match[str], lines: list[str], number: int, builder: ReferenceBuilder) -> str:
    """Read a line that is passed to a shell or to the notebook; return the Python statement that it runs, if any."""
    command = "\n".join([match["rest"], *lines[1:]])
    if match["mark"] == "%":
        name, _, rest = command.partition(" ")
        if name in _VARIABLE_MAGICS:
            variable, _, value = rest.strip().replace(" ", "=", "=" not in rest).partition("=")
            read_variable(variable, value, number, builder)
            return f"os.environ[{variable.strip()!r}] = {value.strip()!r}" if value else ""
        if name in _STATEMENT_MAGICS:
            text = _skip_options(name, rest.replace("\\\n", " "))
            if not text.startswith("!"):
                return text if _is_valid(text) else ""
            rest = text
        elif name == "run":
            rest = f"python {rest}"
        elif name not in _SHELL_MAGICS:
            return ""
        command = rest
    if match["mark"] != "?":
        read_script(command.lstrip("!"), number, builder, has_lines=False)
    return ""


def _skip_options(name: str, text: str) -> str:
    """Return what a magic runs: its text behind the options."""
    text = text.strip()
    while (option := _OPTION.match(text)) is not None:
        text = text[option.end() :]
        if option["letter"] in _STATEMENT_MAGICS[name] and not option["value"]:
            text = text.partition(" ")[2].lstrip()
    return text


def _is_valid(text: str) -> bool:
    try:
        python.parse(text)
    except UnreadableError:
        return False
    return True


def _read_file(name: str, lines: list[str], numbers: list[int], builder: ReferenceBuilder) -> None:
    """Read a cell that is written to a file, as a file of that name."""
    from nerq_cli.manifests.references.find import find_references

    for reference in find_references(name, "\n".join(lines).encode()).references:
        line = reference.location.line
        builder.add_reference(reference, numbers[line - 1] if 0 < line <= len(numbers) else 0)


def _read_shell(lines: list[str], numbers: list[int], builder: ReferenceBuilder) -> None:
    inner = ReferenceBuilder(builder.path)
    read_script("\n".join(lines), 1, inner)
    for reference in inner.finish().references:
        builder.add_reference(reference, numbers[reference.location.line - 1])
