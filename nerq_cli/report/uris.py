"""URIs in reports: of files of the project, and of pages elsewhere."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from nerq_cli.patterns import compile_late
from nerq_cli.report.sanitize import sanitize_text

#: Longest link, in characters. Browsers and code hosts refuse longer ones.
_MAX_LENGTH: Final = 2_000
#: An address on the web without user information. What may end a link in Markdown, HTML or a text is not in it.
_WEB_ADDRESS: Final = compile_late(
    r"https?://[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::\d{1,5})?(?:[/?#][A-Za-z0-9._~:/?#@!$&'*+,;=%-]*)?"
)
#: The start of an absolute path on Windows.
_DRIVE: Final = compile_late(r"[A-Za-z]:[/\\]")
_BAD_PERCENT: Final = compile_late(r"%(?![0-9A-Fa-f]{2})")


def is_file_path(path: str) -> bool:
    """Whether a location is in a file: standard input and the command line are not."""
    return bool(path) and not path.startswith("<")


def name_place(path: str) -> str:
    """Return a path, and a name for what is no file (``command line``), for formats that require one."""
    return sanitize_text(path.strip("<>")) or "unknown"


def is_absolute_path(path: str) -> bool:
    """Whether a path is absolute, on this system or on another one."""
    return path.startswith(("/", "\\")) or _DRIVE.match(path) is not None


def is_below_root(path: str) -> bool:
    """Whether a path is relative, and does not leave the directory that it is relative to."""
    return is_file_path(path) and not is_absolute_path(path) and ".." not in path.split("/")


def encode_path(path: str) -> str:
    """Return a path as a URI reference (RFC 3986): relative for a relative path."""
    text = sanitize_text(path.replace("\\", "/"))
    if _DRIVE.match(text):
        text = f"/{text}"
    return f"file://{quote(text, safe=_PATH_CHARACTERS)}" if text.startswith("/") else quote(text, safe=_SEGMENT)


#: Characters of a path that need no encoding; a colon would make a scheme of the first segment of a relative one.
_SEGMENT: Final = "/!$&'()*+,;=@"
_PATH_CHARACTERS: Final = f"{_SEGMENT}:"


def clean_link(url: str) -> str:
    """Return an address on the web that every format can hold as it is; empty for any other text."""
    text = url.strip()
    if len(text) > _MAX_LENGTH or not _WEB_ADDRESS.fullmatch(text) or _BAD_PERCENT.search(text):
        return ""
    return text
