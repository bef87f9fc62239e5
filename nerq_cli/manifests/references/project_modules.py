"""Values of other modules of the project that a file imports: constants and settings with an id."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from msgspec.structs import replace

from nerq_cli.manifests.read_file import CannotReadError, read_bytes
from nerq_cli.manifests.references import python
from nerq_cli.manifests.references.builder import UnreadableError
from nerq_cli.manifests.references.model import ImportedReference, Reference
from nerq_cli.manifests.references.python_values import ModuleAnalysis, Value

#: Most modules that are read for one search.
MAX_MODULES: Final = 500
#: Most names whose values are kept at a time.
MAX_NAMES: Final = 10_000
#: Largest module that is read, in bytes.
MAX_BYTES: Final = 1 << 20
#: Longest chain of modules that import a value from each other.
MAX_DEPTH: Final = 4


class ProjectModules:
    """Finds the values that modules of a project give to names. Nothing is imported or executed.

    What a file refers to is kept by the digest of its content alone: the modules that it imports are read anew for
    each search.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self._modules: dict[Path, ModuleAnalysis | None] = {}
        #: Values of full names, by the directory of the file that imports them.
        self._values: dict[tuple[str, Path], list[Value]] = {}

    def complete(self, imported: ImportedReference, file: Path) -> list[Reference]:
        """Return the references that a call has with the values of the module that it names."""
        row = python.find_row(imported.reference.pattern)
        if row is None:
            return []
        found = []
        for value in self._look_up(imported.target, file.resolve()):
            hub_id = python.interpret_argument(value.text, row, imported.reference.kind)
            if hub_id is not None:
                certainty = imported.reference.certainty
                found.append(
                    replace(
                        imported.reference,
                        kind=hub_id.kind,
                        name=hub_id.name,
                        revision=hub_id.revision or imported.reference.revision,
                        certainty="likely" if certainty == "certain" and not value.is_certain else certainty,
                    )
                )
        return found

    def _look_up(self, target: str, file: Path) -> list[Value]:
        key = target, file.parent
        if key not in self._values:
            if len(self._values) >= MAX_NAMES:
                self._values.clear()
            self._values[key] = self._find_values(target, file, 0)
        return self._values[key]

    def _find_values(self, target: str, file: Path, depth: int) -> list[Value]:
        """Return the values of a full name that a file imports."""
        if depth > MAX_DEPTH or not file.is_relative_to(self.root):
            return []
        level = len(target) - len(target.lstrip("."))
        parts = target.lstrip(".").split(".")
        for count in range(len(parts) - 1, -1 if level else 0, -1):
            module = self._find_module(parts[:count], file, level)
            if module is not None:
                return self._evaluate(module, ".".join(parts[count:]), depth)
        return []

    def _evaluate(self, module: Path, name: str, depth: int) -> list[Value]:
        analysis = self._read(module)
        if analysis is None:
            return []
        first, dot, rest = name.partition(".")
        if first in analysis.imports and not analysis.root.bindings.get(first):
            return self._find_values(f"{analysis.imports[first]}{dot}{rest}", module, depth + 1)
        return analysis.evaluate_name(name)

    def _find_module(self, parts: list[str], file: Path, level: int) -> Path | None:
        """Return the file of a module: beside the file that imports it, or in a directory above, up to the root."""
        if not all(part.isidentifier() for part in parts):
            return None
        directory = file.parent
        for _ in range(level - 1):
            directory = directory.parent
        while directory.is_relative_to(self.root):
            path = directory.joinpath(*parts)
            candidates = [path / "__init__.py"] if not parts else [path.with_suffix(".py"), path / "__init__.py"]
            for candidate in candidates:
                if candidate.is_file() and candidate.resolve().is_relative_to(self.root):
                    return candidate
            if level or directory == self.root:
                break
            directory = directory.parent
        return None

    def _read(self, module: Path) -> ModuleAnalysis | None:
        if module not in self._modules:
            if len(self._modules) >= MAX_MODULES:
                return None
            self._modules[module] = _analyse(module)
        return self._modules[module]


def _analyse(module: Path) -> ModuleAnalysis | None:
    """Return the names of a module; None if it cannot be read."""
    try:
        data = read_bytes(module)
        return ModuleAnalysis(python.parse(data)) if len(data) <= MAX_BYTES else None
    except (CannotReadError, UnreadableError, RecursionError, MemoryError):
        return None
