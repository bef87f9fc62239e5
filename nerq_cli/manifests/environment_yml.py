"""environment.yml: a conda environment, and what pip is to add to it.

conda's own packages are listed and never looked up; the ``pip:`` section holds lines of a requirements file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from nerq_cli.errors import Problem
from nerq_cli.inventory import PYPI, Declared, Location, Manifest
from nerq_cli.manifests import requirements
from nerq_cli.manifests.page import Page
from nerq_cli.manifests.pip_mistakes import shown

if TYPE_CHECKING:
    from yaml.nodes import MappingNode, Node, ScalarNode

NAME: Final = "environment.yml"
#: Why conda's packages are not scored.
CONDA: Final = "conda package: not scored"

_FILE: Final = re.compile(r"(?:environment(?:[-_.].*)?|conda)\.ya?ml")
#: Deepest nesting read, in levels; conda's files have three.
DEEPEST: Final = 50
#: A match specification of conda: channel, name, and what version and build it must be.
_SPECIFICATION: Final = re.compile(r"(?:[^\s:]{1,200}::)?([A-Za-z0-9_][\w.-]*)\s*((?:[=<>!~*\d\[ ].*)?)", re.ASCII)
#: One version, and the build of it.
_BUILD: Final = re.compile(r"==?\s*([\d][\w.!+]*)=[\w.]+")
_FILE_NAME: Final = re.compile(r"(?:[a-z]+://|[./~]).*?([A-Za-z0-9_][\w.-]*?)-([^-/]+)-[^-/]+\.(?:conda|tar\.bz2)")
_LONGEST: Final = 1_000
#: What people call environments for development, and those for one task of it.
_DEVELOPMENT: Final = frozenset({"dev", "devel", "develop", "development"})
_NAMED: Final = frozenset({"bench", "benchmark", "ci", "doc", "docs", "lint", "rtd", "test", "testing", "tests"})


def wants(path: PurePosixPath) -> bool:
    """Say whether this file describes a conda environment, by its name."""
    return _FILE.fullmatch(path.name.lower()) is not None


def read(text: str, path: str, *, constraint: bool = False, group: str = "") -> Manifest:
    """Read what a conda environment is made of. What is wrong with it is in ``problems``; nothing is raised.

    Without a ``group`` the file's name says which it is: ``environment-dev.yml`` is for development.
    """
    reading = _Reading(Page(text, path))
    reading.go_through()
    to = "constraint" if constraint else group or _group(path)
    by_pip = reading.by_pip(constraint=constraint, group=to)
    conda = tuple(replace(item, group=to) for item in reading.conda)
    return replace(
        by_pip,
        format=NAME,
        declared=tuple(sorted((*conda, *by_pip.declared), key=lambda item: item.location.line)),
        problems=tuple(sorted((*reading.page.problems, *by_pip.problems), key=lambda one: (one.line, one.column))),
        notes=reading.page.notes,
    )


def _group(path: str) -> str:
    """Return the group a file's name tells: what follows ``environment-``."""
    words = re.split(r"[^a-z0-9]+", PurePosixPath(path).stem.lower())[1:]
    named = next((word for word in words if word in _NAMED), "")
    return f"dev:{named}" if named else "dev" if _DEVELOPMENT.intersection(words) else "main"


class _Reading:
    """One file: conda's packages, and the lines for pip with the places they have here."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.conda: list[Declared] = []
        self._lines: list[tuple[str, int, int]] = []
        self._seen: set[int] = set()

    def go_through(self) -> None:
        """Read the list of dependencies."""
        from yaml.nodes import ScalarNode, SequenceNode

        root = self._composed()
        dependencies = None if root is None else self._members(root).get("dependencies")
        if dependencies is None or (isinstance(dependencies, ScalarNode) and dependencies.value in ("", "null", "~")):
            if root is not None:
                self.page.note("lists no dependencies")
        elif isinstance(dependencies, SequenceNode):
            for item in dependencies.value:
                if self.page.hopeless:
                    return
                self._item(item)
        else:
            self._report("dependencies must be a list", dependencies)

    def by_pip(self, *, constraint: bool, group: str) -> Manifest:
        """Return what the lines for pip say, each at its place in this file."""
        text = "\n\n".join(line for line, _, _ in self._lines)  # a free line, so that no backslash joins two
        read = requirements.read(text, self.page.path, constraint=constraint, group=group)
        return replace(
            read,
            declared=tuple(
                replace(item, location=Location(path=self.page.path, line=self._place(item.location.line)[0]))
                for item in read.declared
            ),
            includes=tuple(replace(include, line=self._place(include.line)[0]) for include in read.includes),
            problems=tuple(self._placed(problem) for problem in read.problems),
        )

    def _place(self, line: int) -> tuple[int, int]:
        """Return the line and the column before the text here, of a line that was handed to pip's reader."""
        _, number, column = self._lines[min((line - 1) // 2, len(self._lines) - 1)]
        return number, column

    def _placed(self, problem: Problem) -> Problem:
        line, before = self._place(problem.line)
        column = problem.column + before if problem.column else 0
        return replace(problem, line=line, column=column, text=shown(self.page.lines[line - 1], column))

    def _composed(self) -> MappingNode | None:
        """Return the document as YAML has it, with the places of everything in it."""
        import yaml
        from yaml.nodes import MappingNode

        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        try:
            _check_depth(self.page.text, loader)
            root = yaml.compose(self.page.text, loader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
            line = min(line, len(self.page.lines))
            self.page.report(f"not valid YAML: {error.problem or error.context}", line, column=column)
            return None
        except (yaml.YAMLError, ValueError) as error:
            self.page.report(f"not valid YAML: {str(error).partition(chr(10))[0]}", 0)
            return None
        if isinstance(root, MappingNode):
            return root
        what = "the file is empty" if root is None else "not a conda environment: it has no keys"
        self.page.report(what, root.start_mark.line + 1 if root else 0, hint="dependencies stand under dependencies:")
        return None

    def _members(self, node: MappingNode) -> dict[str, Node]:
        members: dict[str, Node] = {}
        for key, value in node.value:
            name = key.value if isinstance(key.value, str) else ""
            if name in members:
                self._report(f"{name[:60]} is here twice", key)
            members[name] = value
        return members

    def _item(self, node: Node) -> None:
        from yaml.nodes import MappingNode, ScalarNode

        if isinstance(node, ScalarNode):
            self._package(node)
        elif isinstance(node, MappingNode):
            for name, value in self._members(node).items():
                if name == "pip":
                    self._for_pip(value)
                else:
                    self._report(f"conda knows no section {name[:60]!r} in dependencies", value, hint="known is pip")
        else:
            self._report("a list in the list of dependencies", node, hint="remove the second dash")

    def _for_pip(self, node: Node) -> None:
        from yaml.nodes import ScalarNode, SequenceNode

        if isinstance(node, ScalarNode) and node.value in ("", "null", "~"):
            return
        if not isinstance(node, SequenceNode):
            self._report("pip must be a list", node)
        elif id(node) not in self._seen:  # an alias of a list adds nothing to it
            self._seen.add(id(node))
            for item in node.value:
                if isinstance(item, ScalarNode):
                    self._lines += _lines(item)
                else:
                    self._report("an item for pip must be one line", item)

    def _package(self, node: ScalarNode) -> None:
        text = node.value.strip()
        file = _FILE_NAME.fullmatch(text) if len(text) <= _LONGEST else None
        stated = file or (_SPECIFICATION.fullmatch(text) if len(text) <= _LONGEST else None)
        if stated is None:
            self._report(f"{text[:60]!r} is no package of conda's", node, hint="write name=1.2 or name>=1.2")
            return
        requirement = f"=={stated[2]}" if file else _exact(stated[2].strip())
        line = node.start_mark.line + 1
        self.conda.append(
            Declared(
                ecosystem=PYPI,
                name=stated[1],
                requirement=requirement,
                group="main",
                location=Location(path=self.page.path, line=line),
                skip=CONDA,
            )
        )

    def _report(self, message: str, node: Node, *, hint: str = "") -> None:
        mark = node.start_mark
        self.page.report(message, min(mark.line + 1, len(self.page.lines)), column=mark.column + 1, hint=hint)


def _exact(requirement: str) -> str:
    """Return a requirement as written, but that of one build as that of its version."""
    built = _BUILD.fullmatch(requirement)
    return f"=={built[1]}" if built else requirement


def _lines(node: ScalarNode) -> Iterator[tuple[str, int, int]]:
    """Go through the lines of an item: each with its number and the characters before it."""
    line = node.start_mark.line + 1
    if node.style in ("|", ">"):
        for offset, text in enumerate(node.value.splitlines(), 1):
            yield text.strip(), line + offset, 0
    else:
        before = node.start_mark.column + (1 if node.style in ("'", '"') else 0)
        yield " ".join(node.value.splitlines()), line, before


def _check_depth(text: str, loader: Any) -> None:  # noqa: ANN401 - one of two loaders without a common base
    """Refuse what is nested too deeply, before a recursive reader meets it.

    Raises:
        ValueError: it is.
    """
    import yaml
    from yaml.events import CollectionEndEvent, CollectionStartEvent

    depth = 0
    for event in yaml.parse(text, loader):
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if depth > DEEPEST:
            raise ValueError(f"nested more than {DEEPEST} levels deep")
