"""setup.cfg: what setuptools' declarative configuration says a project depends on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Final, TypeAlias

from nerq_cli.inventory import PYPI, Declared, Include, Manifest, normalise
from nerq_cli.manifests.page import Page, beside, included, regrouped

NAME: Final = "setup.cfg"

#: The keys of ``[options]`` that declare dependencies, and the group each stands for (setuptools' documentation,
#: "Configuring setuptools using setup.cfg files").
GROUPS: Final[Mapping[str, str]] = {"install_requires": "main", "setup_requires": "build", "tests_require": "dev"}

_HEADER: Final = re.compile(r"\[(.+)\]")
_DELIMITER: Final = re.compile("[=:]")
_FILE: Final = "file:"
_EXTRAS: Final = "options.extras_require"

#: What a key is given: each line that says something, with its number. The first stands beside the key, or is empty.
_Value: TypeAlias = "list[tuple[int, str]]"


def wants(path: PurePosixPath) -> bool:
    """Say whether this file is a setup.cfg."""
    return path.name == NAME


def read(text: str, path: str, *, constraint: bool = False, group: str = "") -> Manifest:
    """Read what a setup.cfg declares. What is wrong with it is in ``problems``; nothing is raised.

    One without ``[options]`` configures other tools, and declares nothing. ``group`` takes the place of ``main``
    where the file that includes this one says so.
    """
    page = Page(text, path)
    sections = _sections(page)
    values = list(_values(sections))
    declared = tuple(item for to, value in values for item in _declared(page, value, to))
    includes = tuple(include for to, value in values for include in _includes(value, to))
    own = " ".join(text for _, text in sections.get("metadata", {}).get("name", ()))
    return Manifest(
        path=path,
        format=NAME,
        declared=tuple(regrouped(item, group, constraint=constraint) for item in declared),
        includes=tuple(included(include, group, constraint=constraint) for include in includes),
        constraint=constraint,
        locals=tuple(sorted({normalise(PYPI, own), *beside(declared)} - {""})),
        problems=page.problems,
        notes=page.notes,
    )


def _sections(page: Page) -> dict[str, dict[str, _Value]]:
    """Take the file apart as `configparser` does, which forgets the lines."""
    sections: dict[str, dict[str, _Value]] = {}
    section: dict[str, _Value] | None = None
    value: _Value | None = None
    depth = 0
    for number, line in enumerate(page.lines, 1):
        text = line.strip()
        if not text or text[0] in "#;":
            continue
        indent = len(line) - len(line.lstrip())
        if value is not None and indent > depth:
            value.append((number, text))
            continue
        depth = indent
        header = _HEADER.match(text)
        if header:
            section, value = _section(page, sections, header[1], number), None
        else:
            value = _option(page, section, text, number)
    return sections


def _section(page: Page, sections: dict[str, dict[str, _Value]], name: str, number: int) -> dict[str, _Value]:
    if name in sections:
        page.report(f"section [{name[:60]}] is here twice", number, hint="put everything under one heading")
    return sections.setdefault(name, {})


def _option(page: Page, section: dict[str, _Value] | None, text: str, number: int) -> _Value | None:
    delimiter = _DELIMITER.search(text)
    if section is None:
        page.report("this stands before the first [section]", number)
        return None
    if delimiter is None or not delimiter.start():
        page.report(
            "neither a [section] nor a key with a value", number, hint="indent what goes on from the line before"
        )
        return None
    key = text[: delimiter.start()].rstrip()
    if key in section:
        page.report(f"{key[:60]} is here twice", number)
    own: _Value = [(number, text[delimiter.end() :].strip())]
    section.setdefault(key, []).extend(own)
    return section[key]


def _values(sections: Mapping[str, Mapping[str, _Value]]) -> Iterator[tuple[str, _Value]]:
    """Go through all values that declare dependencies, each with its group."""
    for key, value in sections.get("options", {}).items():
        group = GROUPS.get(key.lower().replace("-", "_"))  # dashes are what setuptools took before release 78
        if group:
            yield group, value
    for extra, value in sections.get(_EXTRAS, {}).items():
        yield f"extra:{normalise(PYPI, extra)}", value


def _declared(page: Page, value: _Value, group: str) -> Iterator[Declared]:
    if _names_files(value):
        return
    for number, text in _items(value):
        if "%(" in text:
            page.note(f"what setup.cfg fills in from elsewhere is not listed here (line {number})")
        elif not text.startswith("#") and not page.hopeless:
            item = page.declare(text.partition(" #")[0].rstrip(), number, group)
            if item:
                yield item


def _items(value: Sequence[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Go through the items: one a line, or on a single line with semicolons between them."""
    for number, text in value:
        for item in text.split(";") if len(value) == 1 else [text]:
            if item.strip():
                yield number, item.strip()


def _names_files(value: _Value) -> bool:
    return next((text for _, text in value if text), "").startswith(_FILE)


def _includes(value: _Value, group: str) -> Iterator[Include]:
    """Go through the requirements files that take the place of a list."""
    if _names_files(value):
        for number, text in value:
            for file in filter(None, map(str.strip, text.removeprefix(_FILE).split(","))):
                yield Include(pattern=file, line=number, format="requirements", group=group)
