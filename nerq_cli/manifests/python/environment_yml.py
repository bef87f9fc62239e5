"""environment.yml: the packages of a conda environment, and those that pip adds to it.

Packages of conda are listed and not scored; the ``pip:`` section has the lines of a requirements file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from nerq_cli.inventory import Declaration, DependencyFile, Location
from nerq_cli.manifests.python import requirements
from nerq_cli.manifests.python.conda_packages import make_conda_declaration, parse_file_url
from nerq_cli.manifests.syntax.quote import excerpt_line, quote_requirement, quote_text
from nerq_cli.manifests.syntax.text_document import TextDocument
from nerq_cli.patterns import compile_late
from nerq_cli.problem import Problem

if TYPE_CHECKING:
    from yaml.nodes import MappingNode, Node, ScalarNode

NAME: Final = "environment.yml"
_ENVIRONMENT_FILE: Final = compile_late(r"(?:environment(?:[-_.].*)?|conda|env)\.ya?ml")
#: Names that files of other tools have as well.
_AMBIGUOUS_NAMES: Final = ("env.yml", "env.yaml")
#: The list of a conda environment.
_DEPENDENCIES_KEY: Final = compile_late(r"^dependencies:", re.MULTILINE)
#: Deepest nesting read, in levels; files of conda have three.
MAX_DEPTH: Final = 50
#: A match specification of conda: channel, name, and the range of versions and builds.
_MATCH_SPEC: Final = compile_late(r"(?:[^\s:]{1,200}::)?([A-Za-z0-9_][\w.-]*)\s*((?:[=<>!~*\d\[ ].*)?)", re.ASCII)
_MAX_SPEC_LENGTH: Final = 1_000
#: Words in file names of environments for development, and for one task of it.
_DEVELOPMENT_WORDS: Final = frozenset({"dev", "devel", "develop", "development"})
_TASK_WORDS: Final = frozenset({"bench", "benchmark", "ci", "doc", "docs", "lint", "rtd", "test", "testing", "tests"})


def matches(path: PurePosixPath) -> bool:
    """Return whether this file describes a conda environment, by its name."""
    return _ENVIRONMENT_FILE.fullmatch(path.name.lower()) is not None


def read(text: str, path: str, *, constraint: bool = False, group: str = "") -> DependencyFile:
    """Return what a conda environment declares. Never raises.

    Without ``group``, the name of the file gives the group: ``environment-dev.yml`` is ``dev``.
    """
    document = TextDocument(text, path)
    if PurePosixPath(path).name in _AMBIGUOUS_NAMES and not _DEPENDENCIES_KEY.search(document.text):
        document.add_note("not a conda environment: it has no dependencies")
        return DependencyFile(path=path, format=NAME, constraint=constraint, notes=document.notes)
    reader = _EnvironmentReader(document)
    reader.read_dependencies()
    target_group = "constraint" if constraint else group or _guess_group(path)
    pip_file = reader.parse_pip_lines(constraint=constraint, group=target_group)
    conda_packages = tuple(replace(declaration, group=target_group) for declaration in reader.conda_packages)
    return replace(
        pip_file,
        format=NAME,
        declarations=tuple(
            sorted((*conda_packages, *pip_file.declarations), key=lambda declaration: declaration.location.line)
        ),
        problems=tuple(
            sorted((*reader.document.problems, *pip_file.problems), key=lambda problem: (problem.line, problem.column))
        ),
        notes=reader.document.notes,
    )


def _guess_group(path: str) -> str:
    """Return the group in the name of a file: what follows ``environment-``."""
    words = re.split(r"[^a-z0-9]+", PurePosixPath(path).stem.lower())[1:]
    task = next((word for word in words if word in _TASK_WORDS), "")
    return f"dev:{task}" if task else "dev" if _DEVELOPMENT_WORDS.intersection(words) else "main"


class _EnvironmentReader:
    """Reads one file: the packages of conda, and the lines for pip with their places."""

    def __init__(self, document: TextDocument) -> None:
        self.document = document
        self.conda_packages: list[Declaration] = []
        self._pip_lines: list[tuple[str, int, int]] = []
        self._list_ids: set[int] = set()

    def read_dependencies(self) -> None:
        """Read the list ``dependencies``."""
        from yaml.nodes import ScalarNode, SequenceNode

        root = self._compose_document()
        dependencies = None if root is None else self._map_members(root).get("dependencies")
        if dependencies is None or (isinstance(dependencies, ScalarNode) and dependencies.value in ("", "null", "~")):
            if root is not None:
                self.document.add_note("lists no dependencies")
        elif isinstance(dependencies, SequenceNode):
            for node in dependencies.value:
                if self.document.too_many_problems:
                    return
                self._read_item(node)
        else:
            self._report_problem("dependencies must be a list", dependencies)

    def parse_pip_lines(self, *, constraint: bool, group: str) -> DependencyFile:
        """Return what the lines for pip declare, with their places in this file."""
        text = "\n\n".join(
            line for line, _, _ in self._pip_lines
        )  # an empty line between two, so that no backslash joins them
        pip_file = requirements.read(text, self.document.path, constraint=constraint, group=group)
        return replace(
            pip_file,
            declarations=tuple(
                replace(
                    declaration,
                    location=Location(path=self.document.path, line=self._locate_line(declaration.location.line)[0]),
                )
                for declaration in pip_file.declarations
            ),
            includes=tuple(replace(include, line=self._locate_line(include.line)[0]) for include in pip_file.includes),
            problems=tuple(self._move_problem(problem) for problem in pip_file.problems),
        )

    def _locate_line(self, line: int) -> tuple[int, int]:
        """Return the line in this file, and the columns before its text, of a line of the text for pip."""
        _, number, column = self._pip_lines[min((line - 1) // 2, len(self._pip_lines) - 1)]
        return number, column

    def _move_problem(self, problem: Problem) -> Problem:
        line, column_offset = self._locate_line(problem.line)
        column = problem.column + column_offset if problem.column else 0
        return replace(problem, line=line, column=column, text=excerpt_line(self.document.lines[line - 1]))

    def _compose_document(self) -> MappingNode | None:
        """Return the root node of the document, or None and add a problem."""
        import yaml
        from yaml.nodes import MappingNode

        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        try:
            _check_depth(self.document.text, loader)
            root = yaml.compose(self.document.text, loader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
            line = min(line, len(self.document.lines))
            self.document.add_problem(f"not valid YAML: {error.problem or error.context}", line, column=column)
            return None
        except (yaml.YAMLError, ValueError) as error:
            self.document.add_problem(f"not valid YAML: {str(error).partition(chr(10))[0]}", 0)
            return None
        if isinstance(root, MappingNode):
            return root
        message = "the file is empty" if root is None else "not a conda environment: it has no keys"
        self.document.add_problem(
            message, root.start_mark.line + 1 if root else 0, hint="list the packages under dependencies:"
        )
        return None

    def _map_members(self, node: MappingNode) -> dict[str, Node]:
        members: dict[str, Node] = {}
        for key, value in node.value:
            name = key.value if isinstance(key.value, str) else ""
            if name in members:
                self._report_problem(f"{quote_text(name)} is here twice", key)
            members[name] = value
        return members

    def _read_item(self, node: Node) -> None:
        from yaml.nodes import MappingNode, ScalarNode

        if isinstance(node, ScalarNode):
            self._read_package(node)
        elif isinstance(node, MappingNode):
            for name, value in self._map_members(node).items():
                if name == "pip":
                    self._read_pip_section(value)
                else:
                    self._report_problem(
                        f"not a section of dependencies: {quote_text(name)}", value, hint="conda supports pip only"
                    )
        else:
            self._report_problem("a list in the list of dependencies", node, hint="remove the second dash")

    def _read_pip_section(self, node: Node) -> None:
        from yaml.nodes import ScalarNode, SequenceNode

        if isinstance(node, ScalarNode) and node.value in ("", "null", "~"):
            return
        if not isinstance(node, SequenceNode):
            self._report_problem("pip must be a list", node)
        elif id(node) not in self._list_ids:  # an alias of a list that was read
            self._list_ids.add(id(node))
            for item_node in node.value:
                if isinstance(item_node, ScalarNode):
                    self._pip_lines += _split_lines(item_node)
                else:
                    self._report_problem("an item for pip must be one line", item_node)

    def _read_package(self, node: ScalarNode) -> None:
        text = node.value.strip()
        file = parse_file_url(text) if len(text) <= _MAX_SPEC_LENGTH else None
        match = _MATCH_SPEC.fullmatch(text) if len(text) <= _MAX_SPEC_LENGTH else None
        if file is not None:
            name, requirement = file[0], f"=={file[1]}"
        elif match is not None:
            name, requirement = match[1], match[2].strip()
        else:
            self._report_problem(
                f"{quote_requirement(text)} is not a conda package", node, hint="write name=1.2 or name>=1.2"
            )
            return
        location = Location(path=self.document.path, line=node.start_mark.line + 1)
        self.conda_packages.append(make_conda_declaration(name, requirement, "main", location))

    def _report_problem(self, message: str, node: Node, *, hint: str = "") -> None:
        mark = node.start_mark
        self.document.add_problem(
            message, min(mark.line + 1, len(self.document.lines)), column=mark.column + 1, hint=hint
        )


def _split_lines(node: ScalarNode) -> Iterator[tuple[str, int, int]]:
    """Yield the lines of an item, each with its number and the columns before it."""
    line = node.start_mark.line + 1
    if node.style in ("|", ">"):
        for offset, text in enumerate(node.value.splitlines(), 1):
            yield text.strip(), line + offset, 0
    else:
        column_offset = node.start_mark.column + (1 if node.style in ("'", '"') else 0)
        yield " ".join(node.value.splitlines()), line, column_offset


def _check_depth(text: str, loader: Any) -> None:  # noqa: ANN401 - the two loaders have no common base
    """Check the nesting before the document is composed, which is recursive.

    Raises:
        ValueError: The document is nested too deeply.
    """
    import yaml
    from yaml.events import CollectionEndEvent, CollectionStartEvent

    depth = 0
    for event in yaml.parse(text, loader):
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise ValueError(f"nested more than {MAX_DEPTH} levels deep")
