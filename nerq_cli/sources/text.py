"""Sanitise untrusted text for storage: JSON, prose, addresses, repositories, READMEs, times, versions, accounts.

Every function accepts any value. An invalid value counts as not stated.
"""

from __future__ import annotations

import re
from datetime import datetime, timezone
from functools import lru_cache
from typing import Final, TypeVar

import msgspec

from nerq_cli.decoders import build_json_decoder_late
from nerq_cli.errors import ResponseError
from nerq_cli.patterns import compile_late

T = TypeVar("T")

#: Longest summary, reason and licence text kept, in characters.
MAX_SUMMARY: Final = 200
MAX_REASON: Final = 300
MAX_LICENCE: Final = 200
#: Longest interpreter requirement kept (``requires_python``, ``engines.node``), in characters.
MAX_SPECIFIER: Final = 200
#: Longest address kept, in characters.
_MAX_URL: Final = 500
#: Characters of a README that are measured: npm's own limit, far above what any score needs.
_MAX_README: Final = 65_536
#: Largest count: larger integers do not fit into the 64 bits of the services' own formats, nor always into a float.
_MAX_COUNT: Final = 2**63 - 1

# --- JSON ----------------------------------------------------------------------------------------------------------

# An escaped backslash and a valid pair of surrogates are skipped; what remains is half a character.
_SURROGATES = compile_late(
    rb"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)


def decode_json(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """Decode a JSON body. Halves of characters in its strings (npm truncates READMEs inside them) are replaced.

    Raises:
        ResponseError: it is not JSON, or not of the expected shape.
    """
    body = _repair_encoding(body)
    try:
        try:
            return decoder.decode(body)
        except msgspec.MsgspecError:
            repaired = _replace_surrogates(body)  # a search of the whole body, which few need
            if repaired is body:
                raise
            return decoder.decode(repaired)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise ResponseError("the answer is not the JSON that the service documents") from error


def repair_unicode(body: bytes) -> bytes:
    """Return JSON whose strings are all valid Unicode, with U+FFFD for what is not."""
    return _replace_surrogates(_repair_encoding(body))


def _repair_encoding(body: bytes) -> bytes:
    """Return text in UTF-8, with U+FFFD for what is not."""
    if body.isascii():
        return body
    try:
        body.decode()
    except UnicodeDecodeError:
        return body.decode(errors="replace").encode()
    return body


def _replace_surrogates(body: bytes) -> bytes:
    """Return JSON without escaped halves of characters; the same object if it has no escaped surrogate."""
    if b"\\ud" in body or b"\\uD" in body:
        return _SURROGATES.sub(lambda match: rb"\ufffd" if match[1] else match[0], body)
    return body


def decode_optional(decoder: msgspec.json.Decoder[T], raw: msgspec.Raw | bytes) -> T | None:
    """Decode a part of a response; None when it is missing or of another shape."""
    try:
        return decoder.decode(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


_LIST_DECODER = build_json_decoder_late(list[msgspec.Raw])


def split_list(raw: msgspec.Raw | bytes) -> list[msgspec.Raw] | None:
    """Split a JSON list into its members; None when it is no list."""
    return decode_optional(_LIST_DECODER, raw)


def decode_list(decoder: msgspec.json.Decoder[T], raw: msgspec.Raw | bytes) -> list[T]:
    """Decode the members of a JSON list, leaving out those of another shape."""
    return [value for item in split_list(raw) or () if (value := decode_optional(decoder, item)) is not None]


# --- prose ---------------------------------------------------------------------------------------------------------

# ECMA-48: control sequences, then control strings (titles, links), then two-character escapes.
_ESCAPES = compile_late(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"
    r"|(?:\x1b[\]PX^_]|[\x9d\x90])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
)


def clean_text(value: object, limit: int) -> str:
    """Return printable text on one line, at most ``limit`` characters; empty for a value that is not text.

    Terminal escape sequences, control and format characters (bidirectional overrides and zero-width ones among them)
    and halves of characters are removed; white space is folded.
    """
    if not isinstance(value, str):
        return ""
    text = value.lstrip()[: 8 * limit]
    folded_text = " ".join(text[: limit + limit // 4].split())
    if len(folded_text) <= limit:
        folded_text = " ".join(text.split())
    if not folded_text.isprintable():  # it has more than white space to replace
        text = _ESCAPES.sub("", text)
        text = "".join(char if char.isprintable() else " " if char.isspace() else "" for char in text)
        folded_text = " ".join(text.split())
    return folded_text if len(folded_text) <= limit else f"{folded_text[: limit - 1].rstrip()}…"


# --- addresses -----------------------------------------------------------------------------------------------------

_WEB_URL = compile_late(
    r"(https?)://(?:[^\s/?#@]*@)?([a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::\d{1,5})?)((?:[/?#][^\s<>\"]*)?)", re.IGNORECASE
)
#: Most addresses: what the pattern above matches, in ASCII, without a user name or a port, and scheme and host in lower
#: case.
_CLEAN_URL = compile_late(r"https?://[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?:[/?#][!#-;=?-~]*)?", re.ASCII)


def clean_url(value: object) -> str:
    """Return an http(s) address without credentials; empty for anything else."""
    text = value.strip() if isinstance(value, str) else ""
    if len(text) <= _MAX_URL and _CLEAN_URL.fullmatch(text):
        return text
    match = _WEB_URL.fullmatch(text) if len(text) <= _MAX_URL and text.isprintable() else None
    return f"{match[1].lower()}://{match[2].lower()}{match[3]}" if match else ""


#: Hosts whose repositories are owner/name, followed by pages of the repository.
_OWNER_AND_NAME: Final = frozenset({"github.com", "bitbucket.org", "codeberg.org", "gitee.com", "git.sr.ht"})
_GITLAB: Final = "gitlab.com"
#: First segments of addresses on such hosts that name no owner.
NOT_OWNERS: Final = frozenset(
    {"about", "apps", "collections", "explore", "features", "login", "marketplace", "orgs", "search", "settings"}
    | {"site", "sponsors", "topics", "users"}
)
#: Pages of a repository, on any host.
_REPOSITORY_PAGES: Final = frozenset(
    {"-", "actions", "blob", "branches", "commits", "discussions", "issues", "merge_requests", "pull", "pulls", "raw"}
    | {"releases", "src", "tags", "tree", "wiki", "wikis"}
)
#: The shorthands of npm's package.json ("repository", npm documentation); bare owner/name means GitHub.
_SHORTHAND = compile_late(r"(?:(github|gitlab|bitbucket|gist):)?((?:[\w.-]+/)?[\w.-]+)(?:#.*)?", re.ASCII)
_SHORTHAND_HOSTS: Final = {
    None: "github.com",
    "github": "github.com",
    "gitlab": _GITLAB,
    "bitbucket": "bitbucket.org",
    "gist": "gist.github.com",
}
_CLONE_URL = compile_late(
    r"(?:(?:git\+)?(https?|ssh|git)://(?:[^\s/?#@]*@)?|[\w.-]+@)"
    r"([a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(:\d{1,5}(?=/|$))?[:/]*([^\s?#<>\"]*)(?:[?#]\S*)?",
    re.IGNORECASE | re.ASCII,
)


def parse_repository_url(value: object) -> str:
    """Return the https address of a repository, without ``.git`` or the page that a link points at.

    Web addresses, clone addresses (``git+ssh://…``, ``git@host:…``) and npm's shorthands (``acme/demo``) are read.
    Empty for anything else, and for pages of a known host that are no repository.
    """
    text = value.strip() if isinstance(value, str) else ""
    return _parse_repository_url(text) if len(text) <= _MAX_URL and text.isprintable() else ""


def parse_forge_url(value: object) -> str:
    """Return the repository of a web address on a host that contains only repositories."""
    url = parse_repository_url(clean_url(value))
    host = url.removeprefix("https://").partition("/")[0]
    return url if host in _OWNER_AND_NAME or host == _GITLAB else ""


def select_homepage(repository_url: str, homepage: str) -> str:
    """Return a homepage unless it is only a page of the repository."""
    return homepage if not repository_url or parse_repository_url(homepage) != repository_url else ""


@lru_cache(maxsize=512)
def _parse_repository_url(text: str) -> str:
    if shorthand := _SHORTHAND.fullmatch(text):
        return _build_repository_url(_SHORTHAND_HOSTS[shorthand[1]], shorthand[2])
    match = _CLONE_URL.fullmatch(text)
    if not match:
        return ""
    scheme, host, port, path = match.groups()
    is_web = (scheme or "").lower().startswith("http")
    return _build_repository_url(host.lower().removeprefix("www.") + (port or "" if is_web else ""), path)


def _build_repository_url(host: str, path: str) -> str:
    segments = [segment for segment in path.split("/") if segment not in {"", ".", ".."}]
    is_owner_host = host in _OWNER_AND_NAME
    end = next(
        (index for index, segment in enumerate(segments) if index > 1 and segment in _REPOSITORY_PAGES), len(segments)
    )
    segments = segments[: 2 if is_owner_host else end]
    if (is_owner_host or host == _GITLAB) and (len(segments) < 2 or segments[0] in NOT_OWNERS):  # noqa: PLR2004 - owner/name
        return ""
    return "/".join([f"https://{host}", *segments]).removesuffix(".git")


# --- READMEs -------------------------------------------------------------------------------------------------------

_FENCE = compile_late(r" {0,3}(`{3,}|~{3,})")
_RST_IMAGE = compile_late(r"\s*\.\. (?:\|[^|]*\| )?(?:image|figure)::")
_RST_OPTION = compile_late(r"\s+:[a-z-]+:")
# Each repetition stops at the next opening character, so that no pattern reads a character twice.
_IMAGE = compile_late(r"!\[[^\[\]]*\](?:\([^()]*\)|\[[^\[\]]*\])?")
_EMPTY_LINK = compile_late(r"\[\s*\](?:\([^()]*\)|\[[^\[\]]*\])")
_TAG = compile_late(r"</?[A-Za-z][^<>]*>")


def measure_readme(text: str) -> int:
    """Return the length of the prose, in characters: without badges and other images, HTML tags and fenced code.

    White space is folded. Only the first 65,536 characters are read.
    """
    lines = remove_comments(text[:_MAX_README]).splitlines()
    prose = "\n".join(_select_prose(lines))
    prose = _TAG.sub("", _EMPTY_LINK.sub("", _IMAGE.sub("", prose)))
    return len(" ".join(prose.split()))


def remove_comments(text: str) -> str:
    """Return HTML without its comments; an unclosed one extends to the end."""
    before_comment, *comments = text.split("<!--")
    return before_comment + "".join(comment.partition("-->")[2] for comment in comments)


def _select_prose(lines: list[str]) -> list[str]:
    """Return the lines outside fences and reStructuredText images."""
    prose_lines: list[str] = []
    fence, in_image = "", False
    for line in lines:
        fence_match = _FENCE.match(line)
        if fence:
            if fence_match and fence_match[1].startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
            continue
        in_image = bool(_RST_IMAGE.match(line)) or (in_image and bool(_RST_OPTION.match(line)))
        if fence_match:
            fence = fence_match[1]
        elif not in_image:
            prose_lines.append(line)
    return prose_lines


# --- moments -------------------------------------------------------------------------------------------------------


def parse_timestamp(value: object) -> int:
    """Return an RFC 3339 time as epoch seconds, read as UTC without a zone; 0 for an invalid one."""
    return to_epoch_seconds(parse_time(value))


def parse_time(value: object) -> datetime | None:
    """Return an RFC 3339 time; None for an invalid one."""
    if not isinstance(value, str) or not value:
        return None
    try:
        return msgspec.convert(value, datetime)
    except msgspec.ValidationError:
        return None


def to_epoch_seconds(time: datetime | None) -> int:
    """Return a time as epoch seconds, read as UTC without a zone; 0 for one before 1970, and for None."""
    if time is None:
        return 0
    return max(0, int((time if time.tzinfo else time.replace(tzinfo=timezone.utc)).timestamp()))


# --- versions ------------------------------------------------------------------------------------------------------

#: Characters of a version in either registry.
_VERSION = compile_late(r"[0-9A-Za-z][0-9A-Za-z.+!_-]{0,127}", re.ASCII)


def is_version(value: object) -> bool:
    """Whether this could be a version: letters, digits and ``.+!_-``, at most 128 characters."""
    return isinstance(value, str) and _VERSION.fullmatch(value) is not None


# --- people --------------------------------------------------------------------------------------------------------


def hash_account(registry: str, account: str) -> str:
    """Return a short irreversible tag for an account that can publish: 12 hexadecimal digits."""
    from hashlib import blake2b

    return blake2b(f"{registry}:{account}".encode(errors="replace"), digest_size=6).hexdigest()


def parse_count(value: object) -> int | None:
    """Return a count below 2^63, also from a string (protobuf-JSON writes such integers so); None for anything else."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:18])
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_COUNT else None
