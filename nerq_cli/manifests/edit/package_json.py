"""Edits of package.json."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Final, NamedTuple

from nerq_cli.manifests.edit.edits import CannotEditError, Change, Edit, Refusal, try_edit
from nerq_cli.manifests.edit.ranges import rewrite_npm
from nerq_cli.manifests.npm.npm_spec import split_name
from nerq_cli.manifests.syntax.json_document import JsonNode, NotJsonError, parse_json

_SECTIONS: Final = ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies")
_PEERS: Final = "peerDependencies"
_ALIAS: Final = "npm:"
#: Protocols of specifiers without a version of their own, and where that is.
_ELSEWHERE: Final[Mapping[str, str]] = {
    "catalog:": "its version is in a catalog: change it there",
    "workspace:": "it is a member of the workspace",
    "patch:": "it is a patched package: make the patch anew for the other version",
}


class _Place(NamedTuple):
    """The specifier of one dependency."""

    name: str
    section: str
    #: Offset of the text in quotes.
    start: int
    text: str
    line: int


def find_edits(text: str, changes: Iterable[Change]) -> Iterator[Edit | Refusal]:
    """Yield an edit for each change, or why there is none."""
    places = list(_find_places(text))
    for change in changes:
        matching = [place for place in places if (place.name, place.line) == (change.name, change.line)]
        if not matching:
            yield Refusal(change=change, reason="it is not in a section that is written (overrides are left to you)")
        yield from (try_edit(change, partial(_make_edit, text, place, change)) for place in matching)


def _make_edit(text: str, place: _Place, change: Change) -> Edit:
    if place.section == _PEERS:
        raise CannotEditError("a peer dependency is what others install: its range is left to you")
    for protocol, reason in _ELSEWHERE.items():
        if place.text.startswith(protocol):
            raise CannotEditError(reason)
    if not text.startswith(place.text, place.start):
        raise CannotEditError("its version is written with escapes")
    prefix = ""
    if place.text.startswith(_ALIAS):
        name, at, _ = place.text.removeprefix(_ALIAS).rpartition("@")
        prefix = f"{_ALIAS}{name}{at}" if name else _ALIAS
    old = place.text.removeprefix(prefix)
    return Edit(start=place.start + len(prefix), old=old, new=rewrite_npm(old, change.version), change=change)


def _find_places(text: str) -> Iterator[_Place]:
    try:
        root = parse_json(text)
    except NotJsonError:
        return
    if not isinstance(root.data, dict):
        return
    for section in _SECTIONS:
        members = root.data.get(section)
        for key, member in members.data.items() if members is not None and isinstance(members.data, dict) else ():
            if isinstance(member.data, str):
                line = text.count("\n", 0, member.key_offset) + 1
                yield _Place(_read_name(key, member), section, member.offset + 1, member.data, line)


def _read_name(key: str, member: JsonNode) -> str:
    """Return the package that a member installs: of an alias, the one that it names."""
    specifier = str(member.data).strip()
    if not specifier.startswith(_ALIAS):
        return key
    name, _ = split_name(specifier.removeprefix(_ALIAS))
    return name if name.startswith("@") or (not name[:1].isdigit() and name[:1] not in "^~<>=*") else key
