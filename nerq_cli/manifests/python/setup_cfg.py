"""setup.cfg: the dependencies in the declarative configuration of setuptools."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Final, TypeAlias

from msgspec.structs import replace

from nerq_cli.ecosystems import PYPI, normalise_name
from nerq_cli.inventory import Declaration, DependencyFile, Include
from nerq_cli.manifests.python.declarations import SETUP_GROUPS, build_dependency_file, parse_line
from nerq_cli.manifests.python.dependency_groups import label_extra
from nerq_cli.manifests.syntax.quote import MAX_QUOTED_NAME, quote_text
from nerq_cli.manifests.syntax.text_document import TextDocument
from nerq_cli.patterns import compile_late

NAME: Final = "setup.cfg"

_SECTION_HEADER: Final = compile_late(r"\[(.+)\]")
_DELIMITER: Final = compile_late("[=:]")
_FILE_PREFIX: Final = "file:"
_EXTRAS_SECTION: Final = "options.extras_require"

#: The lines of a value that are not empty, with their numbers. The first is beside the key, and may be empty.
_NumberedLines: TypeAlias = "list[tuple[int, str]]"


def matches(path: PurePosixPath) -> bool:
    """Return whether this file is a setup.cfg."""
    return path.name == NAME


def read(text: str, path: str, *, constraint: bool = False, group: str = "") -> DependencyFile:
    """Return what a setup.cfg declares; ``group`` replaces ``main``. Never raises.

    A file without ``[options]`` declares nothing: it configures other tools.
    """
    document = TextDocument(text, path)
    sections = _parse_sections(document)
    values = list(_find_dependency_values(sections))
    own_name = normalise_name(PYPI, " ".join(text for _, text in sections.get("metadata", {}).get("name", ())))
    dependency_file = build_dependency_file(
        document,
        NAME,
        (
            declaration
            for value_group, value in values
            for declaration in _read_declarations(document, value, value_group)
        ),
        group=group,
        constraint=constraint,
        includes=(include for value_group, value in values for include in _read_includes(value, value_group)),
        own_names=(own_name,),
    )
    return replace(dependency_file, project_name=own_name)


def _parse_sections(document: TextDocument) -> dict[str, dict[str, _NumberedLines]]:
    """Return the values by section and key, as `configparser` reads them, but with line numbers."""
    sections: dict[str, dict[str, _NumberedLines]] = {}
    section: dict[str, _NumberedLines] | None = None
    value: _NumberedLines | None = None
    key_indent = 0
    for number, line in enumerate(document.lines, 1):
        text = line.strip()
        if not text or text[0] in "#;":
            continue
        indent = len(line) - len(line.lstrip())
        if value is not None and indent > key_indent:
            value.append((number, text))
            continue
        key_indent = indent
        header = _SECTION_HEADER.match(text)
        if header:
            section, value = _add_section(document, sections, header[1], number), None
        else:
            value = _add_option(document, section, text, number)
    return sections


def _add_section(
    document: TextDocument, sections: dict[str, dict[str, _NumberedLines]], name: str, number: int
) -> dict[str, _NumberedLines]:
    if name in sections:
        document.add_problem(f"section [{name[:MAX_QUOTED_NAME]}] is here twice", number, hint="merge the two sections")
    return sections.setdefault(name, {})


def _add_option(
    document: TextDocument, section: dict[str, _NumberedLines] | None, text: str, number: int
) -> _NumberedLines | None:
    delimiter = _DELIMITER.search(text)
    if section is None:
        document.add_problem("this stands before the first [section]", number)
        return None
    if delimiter is None or not delimiter.start():
        document.add_problem(
            "neither a [section] nor a key with a value", number, hint="indent the lines that continue a value"
        )
        return None
    key = text[: delimiter.start()].rstrip()
    if key in section:
        document.add_problem(f"{quote_text(key)} is here twice", number)
    lines: _NumberedLines = [(number, text[delimiter.end() :].strip())]
    section.setdefault(key, []).extend(lines)
    return section[key]


def _find_dependency_values(
    sections: Mapping[str, Mapping[str, _NumberedLines]],
) -> Iterator[tuple[str, _NumberedLines]]:
    """Yield the values that declare dependencies, each with its group."""
    for key, value in sections.get("options", {}).items():
        group = SETUP_GROUPS.get(key.lower().replace("-", "_"))  # setuptools accepted dashes before release 78
        if group:
            yield group, value
    for extra, value in sections.get(_EXTRAS_SECTION, {}).items():
        yield label_extra(extra), value


def _read_declarations(document: TextDocument, value: _NumberedLines, group: str) -> Iterator[Declaration]:
    if _is_file_reference(value):
        return
    for number, text in _split_items(value):
        if "%(" in text:
            document.add_note(f"interpolated values are not listed here (line {number})")
        elif not text.startswith("#") and not document.too_many_problems:
            declaration = parse_line(document, text.partition(" #")[0].rstrip(), number, group)
            if declaration:
                yield declaration


def _split_items(value: Sequence[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Yield the items of a value with their lines: one a line, or separated by semicolons on a single line."""
    for number, text in value:
        for item in text.split(";") if len(value) == 1 else [text]:
            if item.strip():
                yield number, item.strip()


def _is_file_reference(value: _NumberedLines) -> bool:
    return next((text for _, text in value if text), "").startswith(_FILE_PREFIX)


def _read_includes(value: _NumberedLines, group: str) -> Iterator[Include]:
    """Yield the requirements files that a value refers to instead of a list."""
    if _is_file_reference(value):
        for number, text in value:
            for file_name in filter(None, map(str.strip, text.removeprefix(_FILE_PREFIX).split(","))):
                yield Include(pattern=file_name, line=number, format="requirements", group=group)
