"""Whether the entry of an MCP server holds a secret as text: in a variable, header, argument, assignment or URL.

Only the answer leaves this module. A secret is a value under a name that stands for one, the password of a URL, or a
text with the form of a known token; what a client fills in and what stands for a value to fill in is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from nerq_cli.manifests.mcp.launchers import VARIABLE, split_words
from nerq_cli.patterns import compile_late

if TYPE_CHECKING:
    from nerq_cli.manifests.mcp.nodes import Node

#: Names of variables, headers, options and parameters whose values are secrets.
_SECRET_NAME: Final = compile_late(
    r"(?:^|[_.-])(?:(?:api|access|secret|private|auth)?[_-]?key|(?:access|auth|api)?token|secret|pass(?:word|wd|phrase)?|pwd"
    r"|pat|authorization|bearer|credentials?|cookie)s?$"
)
#: A key alone may be that of a table or a map: its value must look like a secret as well.
_KEY: Final = compile_late(r"keys?$")
_QUALIFIED_KEY: Final = compile_late(r"(?:api|access|secret|private|auth)[_.-]?keys?$")
_CAMEL: Final = compile_late(r"(?<=[a-z])(?=[A-Z])")
#: Values that stand for a secret which is stated elsewhere, and numbers, words and paths that are none.
_NO_SECRET: Final = compile_late(
    r".*(?:your|xxx|\*\*\*|\.\.\.|changeme|replace|example|placeholder|todo).*"
    r"|(?:bearer|basic|token)?\s*|pass(?:word|wd)?|secret|token|(?:api)?[_-]?key|user(?:name)?|none|null|true|false|auto"
    r"|[\d.,]+|(?:~|\.{1,2})?[/\\].*|[a-z]:\\.*|input:.*|env:.*|file:.*",
    re.IGNORECASE | re.DOTALL,
)
#: The name of a variable in the place of a value.
_VARIABLE_NAME: Final = compile_late(r"[A-Z]+(?:_[A-Z]+)+", re.ASCII)
#: Tokens by the prefixes that their services document: GitHub, GitLab, Slack, OpenAI and Anthropic, Hugging Face, npm,
#: PyPI, AWS, Google, Stripe, and JSON Web Tokens.
_TOKEN: Final = compile_late(
    r"(?<![A-Za-z0-9])(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[abeoprs]-[\w-]{10,}"
    r"|sk-(?:ant-|proj-|or-)?[\w-]{16,}|hf_[A-Za-z0-9]{20,}|npm_[A-Za-z0-9]{20,}|pypi-[\w-]{16,}|(?:AKIA|ASIA)[A-Z0-9]{16}"
    r"|AIza[\w-]{30,}|[sr]k_live_\w{16,}|eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]+)",
    re.ASCII,
)
_LONG: Final = compile_late(r"(?=.*\d)(?=.*[A-Za-z])[A-Za-z0-9_=+~/-]{16,}", re.ASCII)
_USER: Final = compile_late(r"://([^\s/?#@:]*)(?::([^\s/?#@]*))?@")
_PARAMETER: Final = compile_late(r"[?&;#]([\w.-]{1,100})=([^&;#\s\"']*)")
_HEADER: Final = compile_late(r"([A-Za-z][\w-]{0,100}):\s*(\S.*)", re.DOTALL)
_ASSIGNMENT: Final = compile_late(r"(?:--?e(?:nv)?=?)?-{0,2}([A-Za-z_][\w.-]{0,100})=(.*)", re.DOTALL)
#: Keys under which a text is a command or its arguments.
_COMMAND_KEYS: Final = frozenset({"command", "cmd", "args", "arguments"})
#: Deepest nesting of an entry that is searched; longest text, in characters.
_MAX_DEPTH: Final = 6
_MAX_LENGTH: Final = 20_000


def holds_secret(entry: Node) -> bool:
    """Return whether the entry of a server holds a secret as text. Never raises."""
    return any(_search(entry, "", _MAX_DEPTH))


def _search(node: Node, name: str, depth: int) -> Iterator[bool]:
    if depth == 0:
        return
    if isinstance(node.data, str):
        text = node.data[:_MAX_LENGTH]
        yield is_secret(name, text) or _has_known_form(text)
        if name in _COMMAND_KEYS:
            yield _is_in_words(split_words(text))
        return
    words = [item.data[:_MAX_LENGTH] for item in node.items if isinstance(item.data, str)]
    yield _is_in_words(words)
    # A script of a shell is one word: sh -c "API_KEY=... npx server".
    yield from (_is_in_words(split_words(word)) for word in words if " " in word)
    stated = node.get_text("name", "key")
    yield bool(stated) and is_secret(stated.lstrip("-"), node.get_text("value", "default"))
    for key, member in node.members.items():
        if not (stated and key in {"name", "key"}):
            yield from _search(member, key, depth - 1)
    for item in node.items:
        yield from _search(item, "", depth - 1)


def _is_in_words(words: Sequence[str]) -> bool:
    """Return whether a secret is among the words of a command, or the value of an option."""
    for word, following in zip(words, [*words[1:], ""], strict=False):
        if _has_known_form(word):
            return True
        for pattern in (_ASSIGNMENT, _HEADER):
            pair = pattern.fullmatch(word)
            if pair and "://" not in pair[1] and is_secret(pair[1], pair[2]):
                return True
        is_option = word.startswith("-") and "=" not in word and not following.startswith("-")
        if is_option and not _ASSIGNMENT.fullmatch(following) and is_secret(word.lstrip("-"), following):
            return True
    return False


def _has_known_form(text: str) -> bool:
    """Return whether a text has a token of a known form, or a URL with a password or a secret parameter."""
    if _TOKEN.search(text) and not _is_stand_in(text):
        return True
    if "://" not in text:
        return False
    users = (
        (password and not _is_stand_in(password)) or (not password and _LONG.fullmatch(user))
        for user, password in _USER.findall(text)
    )
    return any(users) or any(is_secret(name, value) for name, value in _PARAMETER.findall(text))


def has_token(text: str) -> bool:
    """Return whether a text has a token of a known form."""
    return _TOKEN.search(text) is not None


def is_secret(name: str, value: str) -> bool:
    """Return whether a value under a name is a secret: by the name, unless the value stands for another one."""
    name, value = _CAMEL.sub("_", name).lower(), value.strip()
    if not _SECRET_NAME.search(name) or _is_stand_in(value) or _VARIABLE_NAME.fullmatch(value):
        return False
    is_bare = _KEY.search(name) and not _QUALIFIED_KEY.search(name)
    return not is_bare or _LONG.fullmatch(value) is not None


def _is_stand_in(value: str) -> bool:
    return VARIABLE.search(value) is not None or _NO_SECRET.fullmatch(value) is not None
