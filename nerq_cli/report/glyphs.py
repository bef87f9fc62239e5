"""Signs of a text report, in Unicode and in ASCII."""

from __future__ import annotations

from typing import Final

import msgspec


class Glyphs(msgspec.Struct, frozen=True, kw_only=True):
    """The signs. Each state has its own, so that no information depends on colour."""

    ok: str
    below: str
    unknown: str
    not_judged: str
    added: str
    removed: str
    upgraded: str
    downgraded: str
    replaced: str
    rescored: str
    skipped: str
    dot: str
    arrow: str
    at_most: str
    bar_full: str
    bar_empty: str
    fork: str
    corner: str
    stem: str
    ellipsis: str
    #: Bars of a sparkline, lowest first.
    levels: str


UNICODE_GLYPHS: Final = Glyphs(
    ok="✔",
    below="✖",
    unknown="?",
    not_judged="!",
    added="+",
    removed="-",
    upgraded="↑",
    downgraded="↓",
    replaced="±",
    rescored="~",
    skipped="–",  # noqa: RUF001 - an en dash, as nothing else uses it
    dot="·",
    arrow="→",
    at_most="≤",
    bar_full="█",
    bar_empty="░",
    fork="├─ ",
    corner="└─ ",
    stem="│  ",
    ellipsis="…",
    levels="▁▂▃▄▅▆▇█",
)
ASCII_GLYPHS: Final = Glyphs(
    ok="+",
    below="x",
    unknown="?",
    not_judged="!",
    added="+",
    removed="-",
    upgraded="^",
    downgraded="v",
    replaced="*",
    rescored="~",
    skipped=".",
    dot="|",
    arrow="->",
    at_most="<=",
    bar_full="#",
    bar_empty=".",
    fork="|- ",
    corner="`- ",
    stem="|  ",
    ellipsis="...",
    levels="_.-:=+*#",
)
