"""Pipfile.lock: the packages by category. Edges and direct dependencies are not in the file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import PurePosixPath
from typing import Final, cast

from msgspec.structs import replace

from nerq_cli.ecosystems import PYPI
from nerq_cli.inventory import LOCAL_ARCHIVE, DependencyFile, Location, LockedPackage
from nerq_cli.manifests import package_source
from nerq_cli.manifests.package_source import LOCAL, FileIndexes, mask_secrets
from nerq_cli.manifests.python import pipfile
from nerq_cli.manifests.python.pep508 import validate_marker
from nerq_cli.manifests.python.python_locks import is_package_name, is_version, split_extras
from nerq_cli.manifests.syntax.json_document import NotJsonError, parse_json
from nerq_cli.manifests.syntax.problems import LineIndex
from nerq_cli.manifests.syntax.quote import excerpt_line, quote_text, quote_version
from nerq_cli.manifests.syntax.toml_document import MAX_PROBLEMS
from nerq_cli.patterns import compile_late
from nerq_cli.problem import Problem, ProblemLevel

NAME: Final = "Pipfile.lock"

#: The version of the format that is read, the only one since 2017.
SPEC_VERSION: Final = 6
#: The categories that have another name in a Pipfile.
_PIPFILE_CATEGORIES: Final = {"default": "packages", "develop": "dev-packages"}
_TOKEN = compile_late(r'("[^"\\]*(?:\\.[^"\\]*)*")([ \t\r\n]*:)?|[\[{]|[\]}]', re.DOTALL)
#: The depth of the keys of categories, and of packages.
_CATEGORY_DEPTH, _PACKAGE_DEPTH = 1, 2


def matches(path: PurePosixPath) -> bool:
    """Return whether this file is a Pipfile.lock."""
    return path.name == NAME


def read(text: str, path: str, *, constraint: bool = False, group: str = "") -> DependencyFile:  # noqa: ARG001 - not included
    """Return the packages of a Pipfile.lock. Never raises."""
    reader = _PipfileLockReader(text, path)
    packages = tuple(_merge_categories(reader.read_packages()))
    return DependencyFile(
        path=path,
        format=NAME,
        locked_packages=packages,
        locked_filenames=("Pipfile",),
        constraint=constraint,
        local_names=tuple(
            sorted({package.package.name for package in packages if package.skip_reason in (LOCAL, LOCAL_ARCHIVE)})
        ),
        problems=tuple(sorted(reader.problems, key=lambda problem: (problem.line, problem.column))),
    )


def _merge_categories(locked_packages: Iterator[LockedPackage]) -> Iterator[LockedPackage]:
    """Yield each package once, with all its categories."""
    by_identity: dict[tuple[str, ...], LockedPackage] = {}
    key_counts: dict[str, int] = {}
    for package in locked_packages:
        identity = (package.package.name, package.version, package.skip_reason, package.index)
        previous_package = by_identity.get(identity)
        if previous_package is None:
            number = key_counts[package.key] = key_counts.get(package.key, 0) + 1
            by_identity[identity] = package if number == 1 else replace(package, key=f"{package.key}#{number}")
        else:
            by_identity[identity] = replace(
                previous_package, groups=tuple(dict.fromkeys((*previous_package.groups, *package.groups)))
            )
    yield from by_identity.values()


class _PipfileLockReader:
    """Reads one Pipfile.lock and collects its problems."""

    def __init__(self, text: str, path: str) -> None:
        self.text = text.removeprefix("\ufeff")
        self.path = path
        self.problems: dict[Problem, None] = {}
        self._lines = LineIndex(self.text)
        self._offsets: dict[tuple[str, ...], int] = {}
        self._root = self._parse_document()

    def read_packages(self) -> Iterator[LockedPackage]:
        """Yield the packages of all categories."""
        if not self._is_supported():
            return
        indexes = self._read_indexes(self._get_table(self._root, "_meta"))
        for category in self._root:
            if category != "_meta":
                packages = self._get_table(self._root, category)
                for name in packages:
                    package = self._make_package(category, name, self._get_table(packages, name, category), indexes)
                    if package is not None:
                        yield package

    def _parse_document(self) -> Mapping[str, object]:
        import msgspec

        try:
            value = msgspec.json.decode(self.text)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            self._report_json_error()
            return {}
        if not isinstance(value, dict):
            self._report_problem("the file must be an object", 0)
            return {}
        self._offsets = self._locate_keys()
        return value

    def _report_json_error(self) -> None:
        """Report why the text is not JSON, and where."""
        try:
            parse_json(self.text)
        except NotJsonError as error:
            self._report_problem(f"not valid JSON: {error}", error.offset, hint=error.hint)
        else:
            self._report_problem("not readable as JSON", 0)

    def _locate_keys(self) -> dict[tuple[str, ...], int]:
        """Return the offsets of the keys of categories and packages; report those that occur twice."""
        offsets: dict[tuple[str, ...], int] = {}
        depth, category = 0, ""
        for token in _TOKEN.finditer(self.text):
            character = token[0][0]
            if character in "[{":
                depth += 1
            elif character in "]}":
                depth -= 1
            elif token[2] and depth <= _PACKAGE_DEPTH:
                name = _decode_string(token[1])
                category = name if depth == _CATEGORY_DEPTH else category
                key = (name,) if depth == _CATEGORY_DEPTH else (category, name)
                if key in offsets:
                    first_line = self._lines.line_number(offsets[key])
                    self._report_problem(f"{quote_text(name)} is here twice, first on line {first_line}", token.start())
                offsets[key] = token.start()
        return offsets

    def _is_supported(self) -> bool:
        """Return whether the version of the format is supported; report if not."""
        if "_meta" not in self._root:
            if not self.problems:
                self._report_problem("no _meta: not a lock file of Pipenv", 0, hint="lock the project again")
            return False
        spec = self._get_table(self._root, "_meta").get("pipfile-spec")
        if spec != SPEC_VERSION:
            offset = self._find_offset("_meta", "pipfile-spec") or self._find_offset("_meta")
            self._report_problem(
                f"pipfile-spec {quote_version(str(spec))} is not supported",
                offset,
                hint=f"version {SPEC_VERSION} is supported",
            )
        return spec == SPEC_VERSION

    def _read_indexes(self, meta: Mapping[str, object]) -> FileIndexes:
        """Return the sources of the Pipfile: the first is the default."""
        sources = meta.get("sources")
        source_tables = [source for source in sources if isinstance(source, dict)] if isinstance(sources, list) else []
        named_urls = [
            (_get_text(source, "name").lower(), package_source.strip_credentials(_get_text(source, "url")))
            for source in source_tables
        ]
        return FileIndexes(default=named_urls[0][1] if named_urls else "", by_name=dict(named_urls))

    def _make_package(
        self, category: str, raw_name: str, entry: Mapping[str, object], indexes: FileIndexes
    ) -> LockedPackage | None:
        offset = self._find_offset(category, raw_name)
        name, _ = split_extras(raw_name)
        if not is_package_name(name):
            self._report_problem(f"{quote_text(raw_name)} cannot be the name of a package", offset)
            return None
        source = pipfile.read_source(partial(_get_text, entry), indexes)
        version = _get_text(entry, "version").lstrip("=")
        if version == "*" and not source.skip:
            # Pipenv could not resolve it where the file was made: it is for another platform.
            self._report_problem(
                f"{quote_text(raw_name)} has no version here: its version is open", offset, level="note"
            )
            return None
        if not (is_version(version) or (source.skip and not version)):
            error = "the version is not one version" if version else "no version"
            self._report_problem(f"{quote_text(raw_name)}: {error}", offset)
            return None
        marker = self._read_marker(entry, offset)
        return LockedPackage(
            key=f"{name}@{version}" if version else name,
            ecosystem=PYPI,
            name=name,
            version=version,
            location=Location(path=self.path, line=self._lines.line_number(offset)),
            groups=(pipfile.get_group(_PIPFILE_CATEGORIES.get(category, category)),),
            marker=marker,
            skip_reason=source.skip,
            index=source.index,
            has_hash=bool(entry.get("hashes")),
            directory=package_source.find_directory(_get_text(entry, "path")) if source.skip else "",
        )

    def _read_marker(self, entry: Mapping[str, object], offset: int) -> str:
        text = _get_text(entry, "markers")
        try:
            return validate_marker(text) if text else ""
        except ValueError as error:
            self._report_problem(f"not an environment marker: {error}", offset)
            return ""

    def _get_table(self, parent: Mapping[str, object], key: str, category: str = "") -> Mapping[str, object]:
        value = parent[key]
        if isinstance(value, dict):
            return value
        self._report_problem(f"{quote_text(key)} must be an object", self._find_offset(*filter(None, (category, key))))
        return {}

    def _find_offset(self, *key: str) -> int:
        return self._offsets.get(key, 0)

    def _report_problem(self, message: str, offset: int, *, hint: str = "", level: ProblemLevel = "error") -> None:
        if len(self.problems) >= MAX_PROBLEMS:
            return
        problem = Problem(
            path=self.path,
            line=self._lines.line_number(offset),
            column=self._lines.column_number(offset),
            message=mask_secrets(message),
            text=excerpt_line(self._lines.line_text(self._lines.line_number(offset))),
            hint=hint,
            level=level,
        )
        self.problems[problem] = None


def _get_text(entry: Mapping[str, object], key: str) -> str:
    value = entry.get(key)
    return value if isinstance(value, str) else ""


def _decode_string(string: str) -> str:
    """Return the value of a valid JSON string."""
    return cast("str", json.loads(string)) if "\\" in string else string[1:-1]
