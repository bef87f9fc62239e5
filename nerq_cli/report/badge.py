"""Badges: an SVG of our own, and the JSON that shields.io reads from an address of yours. Both have a date in words."""

from __future__ import annotations

from typing import Final
from xml.sax.saxutils import escape

import msgspec

from nerq_cli.report.sanitize import defuse_json, sanitize_text
from nerq_cli.report.wording import format_date
from nerq_cli.units import DAY

#: Days after which a badge calls itself stale.
STALE_DAYS: Final = 30
#: Colours of grades on which white text has a contrast of 4.5 to 1 or more (WCAG 2.1, 1.4.3).
_COLORS: Final = {"A": "#1a7f37", "B": "#4d7a16", "C": "#8a6100", "D": "#b35900", "E": "#c4320a", "F": "#b42318"}
_UNKNOWN_COLOR: Final = "#6b6b6b"
_LABEL_COLOR: Final = "#3c3c3c"
#: Longest label and message, in characters.
_TEXT_LIMIT: Final = 80
#: Pixels: width of a character of Verdana at 11 px, on average, and of the space around a text.
_CHARACTER_WIDTH: Final = 6.8
_PADDING: Final = 12
#: Seconds that shields.io may keep the JSON.
_CACHE_SECONDS: Final = 86_400


class Badge(msgspec.Struct, frozen=True, kw_only=True):
    """What a badge shows."""

    #: What it is about: ``requests 2.31.0``.
    subject: str
    #: Score and grade, or why there is none.
    result: str
    #: Grade that colours it; None = grey.
    grade: str | None
    #: Moment of the score (epoch seconds UTC).
    as_of: int

    @property
    def label(self) -> str:
        """The left part."""
        return sanitize_text(f"nerq {self.subject}", _TEXT_LIMIT)

    @property
    def message(self) -> str:
        """The right part, with the date and how long it is good for."""
        result = sanitize_text(self.result, _TEXT_LIMIT)
        return f"{result} on {format_date(self.as_of)}, stale after {STALE_DAYS} days"

    @property
    def color(self) -> str:
        """The colour of the right part."""
        return _COLORS.get((self.grade or "")[:1], _UNKNOWN_COLOR)


class ShieldsEndpoint(msgspec.Struct, frozen=True):
    """The document of shields.io's endpoint badge."""

    schemaVersion: int  # noqa: N815 - names of shields.io
    label: str
    message: str
    color: str
    cacheSeconds: int  # noqa: N815 - see above


def render_svg(badge: Badge) -> bytes:
    """Return a badge as SVG in UTF-8: no script, no font and no request."""
    label, message = escape(badge.label), escape(badge.message)
    widths = [round(len(text) * _CHARACTER_WIDTH) for text in (badge.label, badge.message)]
    left, right = (width + _PADDING for width in widths)
    stale = format_date(badge.as_of + STALE_DAYS * DAY)
    title = f"{label}: {message}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img" '
        f'aria-labelledby="title">\n'
        f'<title id="title">{title}</title>\n'
        f"<desc>Made by nerq-cli. Stale after {stale}: run nerq badge again.</desc>\n"
        f'<rect width="{left}" height="20" fill="{_LABEL_COLOR}"/>\n'
        f'<rect x="{left}" width="{right}" height="20" fill="{badge.color}"/>\n'
        f'<g fill="#fff" font-family="Verdana,DejaVu Sans,Geneva,sans-serif" font-size="11">\n'
        f'<text x="{_PADDING // 2}" y="14" textLength="{widths[0]}">{label}</text>\n'
        f'<text x="{left + _PADDING // 2}" y="14" textLength="{widths[1]}">{message}</text>\n'
        f"</g>\n</svg>\n"
    ).encode()


def render_shields(badge: Badge) -> bytes:
    """Return a badge as the JSON that shields.io reads from an address."""
    document = ShieldsEndpoint(1, badge.label, badge.message, badge.color, _CACHE_SECONDS)
    return defuse_json(msgspec.json.format(msgspec.json.encode(document), indent=2)) + b"\n"
