"""Pipfile.lock: what Pipenv locked, category by category. It knows of no edges, nor what is direct."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Final, cast

from nerq_cli.errors import Problem
from nerq_cli.inventory import PYPI, Location, Locked, Manifest
from nerq_cli.manifests import origins, pipfile
from nerq_cli.manifests.json_document import Lines, NotJsonError, parse
from nerq_cli.manifests.origins import Indexes, Origin, masked
from nerq_cli.manifests.pep508 import checked_marker
from nerq_cli.manifests.python_locks import is_name, is_version, of_some_platforms, without_extras
from nerq_cli.manifests.toml_document import LONGEST_QUOTE, MOST_PROBLEMS, quoted

NAME: Final = "Pipfile.lock"

#: The version of the format that is read; Pipenv has written no other since 2017.
SPEC: Final = 6
#: What the categories are called that a Pipfile calls ``packages`` and ``dev-packages``.
_CATEGORIES: Final = {"default": "packages", "develop": "dev-packages"}
_VCS: Final = ("git", "hg", "svn", "bzr")
_TOKEN = re.compile(r'("[^"\\]*(?:\\.[^"\\]*)*")([ \t\r\n]*:)?|[\[{]|[\]}]', re.DOTALL)
#: How deep the keys of categories and of their packages lie.
_CATEGORY, _PACKAGE = 1, 2


def wants(path: PurePosixPath) -> bool:
    """Say whether this file is a Pipfile.lock."""
    return path.name == NAME


def read(text: str, path: str, *, constraint: bool = False, group: str = "") -> Manifest:  # noqa: ARG001 - not included
    """Read what Pipenv locked. What is wrong with the file is in ``problems``; nothing is raised."""
    reading = _Reading(text, path)
    found = tuple(_merged(reading.locked()))
    return Manifest(
        path=path,
        format=NAME,
        locked=found,
        locks=("Pipfile",),
        constraint=constraint,
        locals=tuple(sorted({one.package.name for one in found if one.skip == origins.LOCAL})),
        problems=tuple(sorted(reading.problems, key=lambda problem: (problem.line, problem.column))),
    )


def _merged(found: Iterator[Locked]) -> Iterator[Locked]:
    """Bring together what is in several categories at the same version."""
    packages: dict[tuple[str, ...], Locked] = {}
    keys: dict[str, int] = {}
    for one in found:
        identity = (one.package.name, one.version, one.skip, one.index)
        before = packages.get(identity)
        if before is None:
            number = keys[one.key] = keys.get(one.key, 0) + 1
            packages[identity] = one if number == 1 else replace(one, key=f"{one.key}#{number}")
        else:
            packages[identity] = replace(before, groups=tuple(dict.fromkeys((*before.groups, *one.groups))))
    yield from packages.values()


class _Reading:
    """One Pipfile.lock, and what was found wrong with it so far."""

    def __init__(self, text: str, path: str) -> None:
        self.text = text.removeprefix("\ufeff")
        self.path = path
        self.problems: dict[Problem, None] = {}
        self._lines = Lines(self.text)
        self._places: dict[tuple[str, ...], int] = {}
        self._root = self._document()

    def locked(self) -> Iterator[Locked]:
        """Go through the packages of all categories."""
        if not self._is_known():
            return
        indexes = self._indexes(self._table(self._root, "_meta"))
        for category in self._root:
            if category != "_meta":
                packages = self._table(self._root, category)
                for name in packages:
                    one = self._locked(category, name, self._table(packages, name, category), indexes)
                    if one is not None:
                        yield one

    def _document(self) -> Mapping[str, object]:
        import msgspec

        try:
            value = msgspec.json.decode(self.text)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            self._explain()
            return {}
        if not isinstance(value, dict):
            self._report("the file must be an object", 0)
            return {}
        self._places = self._located()
        return value

    def _explain(self) -> None:
        """Say why the text is no JSON, and where."""
        try:
            parse(self.text)
        except NotJsonError as error:
            self._report(f"not valid JSON: {error}", error.at, hint=error.hint)
        else:
            self._report("not readable as JSON", 0)

    def _located(self) -> dict[tuple[str, ...], int]:
        """Return where the keys of the categories and of their packages stand; those that occur twice are reported."""
        places: dict[tuple[str, ...], int] = {}
        depth, category = 0, ""
        for token in _TOKEN.finditer(self.text):
            mark = token[0][0]
            if mark in "[{":
                depth += 1
            elif mark in "]}":
                depth -= 1
            elif token[2] and depth <= _PACKAGE:
                name = _decoded(token[1])
                category = name if depth == _CATEGORY else category
                key = (name,) if depth == _CATEGORY else (category, name)
                if key in places:
                    first = self._lines.number(places[key])
                    self._report(f"{quoted(name)} is here twice, first on line {first}", token.start())
                places[key] = token.start()
        return places

    def _is_known(self) -> bool:
        """Say whether this is the version of the format that is read."""
        if "_meta" not in self._root:
            if not self.problems:
                self._report("no _meta: this is not a lock file of Pipenv's", 0, hint="lock the project again")
            return False
        spec = self._table(self._root, "_meta").get("pipfile-spec")
        if spec != SPEC:
            where = self._place("_meta", "pipfile-spec") or self._place("_meta")
            self._report(f"pipfile-spec {quoted(str(spec))} is not known", where, hint=f"version {SPEC} is read")
        return spec == SPEC

    def _indexes(self, meta: Mapping[str, object]) -> Indexes:
        """Read the sources of the Pipfile as they were: the first is for all that name no other."""
        sources = meta.get("sources")
        stated = [source for source in sources if isinstance(source, dict)] if isinstance(sources, list) else []
        urls = [(_text(source, "name").lower(), origins.without_credentials(_text(source, "url"))) for source in stated]
        return Indexes(default=urls[0][1] if urls else "", named=dict(urls))

    def _locked(self, category: str, written: str, entry: Mapping[str, object], indexes: Indexes) -> Locked | None:
        at = self._place(category, written)
        name, _ = without_extras(written)
        if not is_name(name):
            self._report(f"{quoted(written)} cannot be the name of a package", at)
            return None
        origin = _origin(entry, indexes)
        version = _text(entry, "version").lstrip("=")
        if not (is_version(version) or (origin.skip and not version)):
            what = f"{quoted(version)} is not one version" if version else "no version"
            self._report(f"{quoted(written)}: {what}", at)
            return None
        marker = self._marker(entry, at)
        return Locked(
            key=f"{name}@{version}" if version else name,
            ecosystem=PYPI,
            name=name,
            version=version,
            location=Location(path=self.path, line=self._lines.number(at)),
            groups=(pipfile.group_of(_CATEGORIES.get(category, category)),),
            optional=of_some_platforms(marker),
            marker=marker,
            skip=origin.skip,
            index=origin.index,
            hashed=bool(entry.get("hashes")),
        )

    def _marker(self, entry: Mapping[str, object], at: int) -> str:
        text = _text(entry, "markers")
        try:
            return checked_marker(text) if text else ""
        except ValueError as error:
            self._report(f"not an environment marker: {error}", at)
            return ""

    def _table(self, holder: Mapping[str, object], key: str, category: str = "") -> Mapping[str, object]:
        value = holder[key]
        if isinstance(value, dict):
            return value
        self._report(f"{quoted(key)} must be an object", self._place(*filter(None, (category, key))))
        return {}

    def _place(self, *key: str) -> int:
        return self._places.get(key, 0)

    def _report(self, message: str, at: int, *, hint: str = "") -> None:
        if len(self.problems) >= MOST_PROBLEMS:
            return
        text = self._lines.text(at)
        problem = Problem(
            path=self.path,
            line=self._lines.number(at),
            column=self._lines.column(at),
            message=masked(message),
            text=masked(text) if len(text) <= LONGEST_QUOTE else "",
            hint=hint,
        )
        self.problems[problem] = None


def _origin(entry: Mapping[str, object], indexes: Indexes) -> Origin:
    repository = next((key for key in _VCS if _text(entry, key)), "")
    if repository:
        return Origin(skip=origins.of_repository(_text(entry, repository), _text(entry, "ref"), vcs=repository))
    address = _text(entry, "file") or _text(entry, "url")
    if address:
        return Origin(skip=origins.of_url(address))
    if _text(entry, "path"):
        return Origin(skip=origins.LOCAL)
    return pipfile.source_of(_text(entry, "index"), indexes)


def _text(entry: Mapping[str, object], key: str) -> str:
    value = entry.get(key)
    return value if isinstance(value, str) else ""


def _decoded(string: str) -> str:
    """Return the text of a JSON string that is known to be valid."""
    return cast("str", json.loads(string)) if "\\" in string else string[1:-1]
