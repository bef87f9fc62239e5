"""What strangers wrote, made fit to keep: JSON, prose, addresses, repositories, READMEs, moments, versions, accounts.

Everything here takes any value at all. What cannot be used counts as not written.
"""

from __future__ import annotations

import re
from datetime import datetime, timezone
from functools import lru_cache
from hashlib import blake2b
from typing import Final, TypeVar

import msgspec

from nerq_cli.errors import AnswerError

T = TypeVar("T")

#: Longest summary, reason and licence text kept, in characters.
SUMMARY: Final = 200
REASON: Final = 300
LICENCE: Final = 200
#: Longest statement of wanted interpreters kept (``requires_python``, ``engines.node``), in characters.
SPECIFIER: Final = 200
#: Longest address kept, in characters; a longer one is no use to a reader.
_ADDRESS: Final = 500
#: How much of a README is measured, in characters: where npm cuts it off, far above what any score asks for.
_README: Final = 65_536

# --- JSON ----------------------------------------------------------------------------------------------------------

# An escaped backslash and a proper pair of surrogates are passed over; what remains is half a character.
_SURROGATES = re.compile(
    rb"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)


def decoded(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """Decode a JSON body; half characters in its strings (npm cuts READMEs through them) do not spoil the rest.

    Raises:
        AnswerError: it is not JSON, or not of the shape asked for.
    """
    try:
        return decoder.decode(mended(body))
    except (msgspec.MsgspecError, ValueError, RecursionError) as problem:
        raise AnswerError("the answer is not the JSON that the service documents") from problem


def mended(body: bytes) -> bytes:
    """Return JSON whose strings are all valid Unicode, with U+FFFD for what is not."""
    if not body.isascii():
        try:
            body.decode()
        except UnicodeDecodeError:
            body = body.decode(errors="replace").encode()
    if b"\\ud" in body or b"\\uD" in body:
        return _SURROGATES.sub(lambda found: rb"\ufffd" if found[1] else found[0], body)
    return body


def part(decoder: msgspec.json.Decoder[T], raw: msgspec.Raw | bytes) -> T | None:
    """Decode a part of an answer; None when there is none or it is of another shape."""
    try:
        return decoder.decode(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


_LIST = msgspec.json.Decoder(list[msgspec.Raw])


def members(raw: msgspec.Raw | bytes) -> list[msgspec.Raw] | None:
    """Split a JSON list into its members; None when it is no list."""
    return part(_LIST, raw)


def every(decoder: msgspec.json.Decoder[T], raw: msgspec.Raw | bytes) -> list[T]:
    """Decode the members of a JSON list, leaving out those of another shape."""
    return [value for member in members(raw) or () if (value := part(decoder, member)) is not None]


# --- prose ---------------------------------------------------------------------------------------------------------

# ECMA-48: control sequences, then control strings (titles, links), then two-character escapes.
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"
    r"|(?:\x1b[\]PX^_]|[\x9d\x90])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
)


def clean(value: object, limit: int) -> str:
    """Return printable text on one line, at most ``limit`` characters; nothing for what is not text.

    Terminal escape sequences, control and format characters (bidirectional overrides and zero-width ones among them)
    and halves of characters are left out; white space is folded.
    """
    if not isinstance(value, str):
        return ""
    text = value.lstrip()[: 8 * limit]
    if not (text.isascii() and text.isprintable()):
        text = _ESCAPES.sub("", text)
        text = "".join(c if c.isprintable() else " " if c.isspace() else "" for c in text)
    text = " ".join(text.split())
    return text if len(text) <= limit else f"{text[: limit - 1].rstrip()}…"


# --- addresses -----------------------------------------------------------------------------------------------------

_WEB = re.compile(
    r"(https?)://(?:[^\s/?#@]*@)?([a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::\d{1,5})?)((?:[/?#][^\s<>\"]*)?)", re.IGNORECASE
)


def web_address(value: object) -> str:
    """Return an http(s) address without credentials; nothing for anything else."""
    text = value.strip() if isinstance(value, str) else ""
    found = _WEB.fullmatch(text) if len(text) <= _ADDRESS and text.isprintable() else None
    return f"{found[1].lower()}://{found[2].lower()}{found[3]}" if found else ""


#: Hosts whose repositories are owner/name, and what follows is a page of one.
_OWNER_AND_NAME: Final = frozenset({"github.com", "bitbucket.org", "codeberg.org", "gitee.com", "git.sr.ht"})
_GITLAB: Final = "gitlab.com"
#: First segments of addresses on such hosts that name no owner.
_NOT_OWNERS: Final = frozenset(
    {"about", "apps", "collections", "explore", "features", "login", "marketplace", "orgs", "search", "settings"}
    | {"site", "sponsors", "topics", "users"}
)
#: Pages of a repository, on any host.
_PAGES: Final = frozenset(
    {"-", "actions", "blob", "branches", "commits", "discussions", "issues", "merge_requests", "pull", "pulls", "raw"}
    | {"releases", "src", "tags", "tree", "wiki", "wikis"}
)
#: The shorthands of npm's package.json ("repository", npm documentation); bare owner/name means GitHub.
_SHORTHAND = re.compile(r"(?:(github|gitlab|bitbucket|gist):)?((?:[\w.-]+/)?[\w.-]+)(?:#.*)?", re.ASCII)
_SHORTHAND_HOSTS: Final = {
    None: "github.com",
    "github": "github.com",
    "gitlab": _GITLAB,
    "bitbucket": "bitbucket.org",
    "gist": "gist.github.com",
}
_CLONE = re.compile(
    r"(?:(?:git\+)?(https?|ssh|git)://(?:[^\s/?#@]*@)?|[\w.-]+@)"
    r"([a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(:\d{1,5}(?=/|$))?[:/]*([^\s?#<>\"]*)(?:[?#]\S*)?",
    re.IGNORECASE | re.ASCII,
)


def repository(value: object) -> str:
    """Return the https address of the repository meant, without ``.git`` or the page of it that a link points at.

    Web addresses, clone addresses (``git+ssh://…``, ``git@host:…``) and npm's shorthands (``acme/demo``) are
    understood. Nothing for anything else, and for pages of a known host that are no repository.
    """
    text = value.strip() if isinstance(value, str) else ""
    return _repository(text) if len(text) <= _ADDRESS and text.isprintable() else ""


def forge_repository(value: object) -> str:
    """Return the repository a web address names, if it is on a host that has nothing but repositories."""
    address = repository(web_address(value))
    host = address.removeprefix("https://").partition("/")[0]
    return address if host in _OWNER_AND_NAME or host == _GITLAB else ""


def apart_from(source: str, homepage: str) -> str:
    """Return a homepage unless it is no more than a page of the repository."""
    return homepage if not source or repository(homepage) != source else ""


@lru_cache(maxsize=512)
def _repository(text: str) -> str:
    if short := _SHORTHAND.fullmatch(text):
        return _located(_SHORTHAND_HOSTS[short[1]], short[2])
    found = _CLONE.fullmatch(text)
    if not found:
        return ""
    scheme, host, port, path = found.groups()
    web = (scheme or "").lower().startswith("http")
    return _located(host.lower().removeprefix("www.") + (port or "" if web else ""), path)


def _located(host: str, path: str) -> str:
    segments = [segment for segment in path.split("/") if segment not in {"", ".", ".."}]
    owned = host in _OWNER_AND_NAME
    end = next((place for place, segment in enumerate(segments) if place > 1 and segment in _PAGES), len(segments))
    segments = segments[: 2 if owned else end]
    if (owned or host == _GITLAB) and (len(segments) < 2 or segments[0] in _NOT_OWNERS):  # noqa: PLR2004 - owner/name
        return ""
    return "/".join([f"https://{host}", *segments]).removesuffix(".git")


# --- READMEs -------------------------------------------------------------------------------------------------------

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_RST_IMAGE = re.compile(r"\s*\.\. (?:\|[^|]*\| )?(?:image|figure)::")
_RST_OPTION = re.compile(r"\s+:[a-z-]+:")
# Each run stops at the next opening character, so that none of these looks at a character twice.
_IMAGE = re.compile(r"!\[[^\[\]]*\](?:\([^()]*\)|\[[^\[\]]*\])?")
_EMPTY_LINK = re.compile(r"\[\s*\](?:\([^()]*\)|\[[^\[\]]*\])")
_TAG = re.compile(r"</?[A-Za-z][^<>]*>")


def readme_length(text: str) -> int:
    """Return how much there is to read, in characters: without badges and other images, HTML tags and fenced code.

    White space is folded. Only the first 65,536 characters are looked at.
    """
    lines = without_comments(text[:_README]).splitlines()
    prose = "\n".join(_prose(lines))
    prose = _TAG.sub("", _EMPTY_LINK.sub("", _IMAGE.sub("", prose)))
    return len(" ".join(prose.split()))


def without_comments(text: str) -> str:
    """Return HTML without its comments; one that is never closed goes on to the end."""
    first, *rest = text.split("<!--")
    return first + "".join(after.partition("-->")[2] for after in rest)


def _prose(lines: list[str]) -> list[str]:
    """Return the lines outside fences and reStructuredText images."""
    kept: list[str] = []
    fence, image = "", False
    for line in lines:
        mark = _FENCE.match(line)
        if fence:
            if mark and mark[1].startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
            continue
        image = bool(_RST_IMAGE.match(line)) or (image and bool(_RST_OPTION.match(line)))
        if mark:
            fence = mark[1]
        elif not image:
            kept.append(line)
    return kept


# --- moments -------------------------------------------------------------------------------------------------------


def instant(value: object) -> int:
    """Return an RFC 3339 time as epoch seconds, read as UTC where it names no zone; 0 for what is none."""
    if not isinstance(value, str):
        return 0
    try:
        moment = msgspec.convert(value, datetime)
    except msgspec.ValidationError:
        return 0
    return max(0, int((moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()))


# --- versions ------------------------------------------------------------------------------------------------------

#: What a version of either ecosystem can be made of, as the registries file it.
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+!_-]{0,127}", re.ASCII)


def is_version(value: object) -> bool:
    """Whether this could be a version: letters, digits and ``.+!_-``, at most 128 characters."""
    return isinstance(value, str) and _VERSION.fullmatch(value) is not None


# --- people --------------------------------------------------------------------------------------------------------


def account_tag(registry: str, account: str) -> str:
    """Return a short irreversible tag for an account that can publish: 12 hexadecimal digits."""
    return blake2b(f"{registry}:{account}".encode(errors="replace"), digest_size=6).hexdigest()
