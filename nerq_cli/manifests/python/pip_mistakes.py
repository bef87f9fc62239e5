"""Common mistakes in requirements files, each with a message and a hint."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from nerq_cli.manifests.python.pep508 import NotASpecifierError
from nerq_cli.manifests.syntax.text_document import CONTROL_CHARACTERS
from nerq_cli.patterns import compile_late

#: A package name with its extras.
NAME_PATTERN: Final = r"[A-Za-z0-9][A-Za-z0-9._-]*\s*(?:\[[^\]]*\]\s*)?"
#: A version range.
_VERSIONS_PATTERN: Final = r"\(?(?:[<>=!~]{1,3}\s*[^\s,;<>=!~]+\s*(?:,\s*)?)*\)?"
#: An environment variable, as pip expands it. It is not expanded here.
VARIABLE_PATTERN: Final = r"\$\{[A-Z0-9_]+\}"

_ONE_PER_LINE_HINT: Final = "write one requirement a line, and # before a comment"


class _Mistake(NamedTuple):
    """One kind of mistake; the group ``at`` of its pattern is its place."""

    pattern: re.Pattern[str]
    message: str
    hint: str


#: In this order: the first that matches is reported.
_COMMON_MISTAKES: Final = tuple(
    _Mistake(compile_late(pattern, re.IGNORECASE), message, hint)
    for pattern, message, hint in (
        (
            r"(?P<at><{7}|={7}|>{7}|\|{7})(?:\s|$)",
            "a merge conflict marker",
            "resolve the conflict and remove the markers",
        ),
        (
            rf"[^{CONTROL_CHARACTERS}]*(?P<at>[{CONTROL_CHARACTERS}])",
            "binary data, not text",
            "save it as plain text in UTF-8",
        ),
        (r"(?P<at>pip3? +install) ", "a command, not a requirement", "write only what follows 'pip install'"),
        (
            rf"[A-Za-z0-9._-]*(?P<at>{VARIABLE_PATTERN})",
            "the package name is in an environment variable, which is not read",
            "write the name itself",
        ),
        (r"(?P<at>['\"])", "quotes around a requirement", "remove them"),
        (r"(?P<at>@)", "a name does not begin with @", "npm packages belong in package.json"),
        (r"(?P<at>[<>=!~]+ *\d)", "the package name is missing before the version", "write name==version"),
        (
            r"[A-Za-z0-9._-]*(?P<at>[^\x00-\x7f])",
            "this letter is not allowed in a package name",
            "use ASCII letters and digits",
        ),
        (r"(?P<at>[^A-Za-z0-9])", "a requirement begins with the package name", ""),
        (r"[\w.+-]*(?P<at>@)\S+:", "an address without a scheme", "write git+ssh://git@host/path"),
        (r"[a-z][a-z0-9+.-]*://\S*(?P<at>\s)", "a space in an address", "write %20 for it"),
        (
            r"(?P<at>(?:git|ssh|hg|svn|bzr)://)",
            "not an address that pip supports",
            "write it as git+…, hg+…, svn+… or bzr+…",
        ),
        (rf"{NAME_PATTERN}(?P<at>=>)", "'=>' is not an operator", "did you mean >=?"),
        (rf"{NAME_PATTERN}(?P<at>=<)", "'=<' is not an operator", "did you mean <=?"),
        (rf"{NAME_PATTERN}(?P<at>=)(?!=)", "'=' is not an operator", "did you mean ==?"),
        (rf"{NAME_PATTERN}(?P<at>\^)", "'^' is not an operator here", "write >=1.2,<2 for ^1.2"),
        (rf"{NAME_PATTERN}(?P<at>~)(?!=)", "'~' is not an operator", "did you mean ~=?"),
        (rf"{NAME_PATTERN}[<>=!~]+\s*(?P<at>)(?:$|[;,])", "a version is missing here", "write name==version"),
        (r"[A-Za-z0-9._-]+\s*(?P<at>\[)[^\]]*$", "this bracket is not closed", "write name[extra]==version"),
        (
            rf"{NAME_PATTERN}{_VERSIONS_PATTERN}(?P<at>\[)",
            "extras come before the version",
            "write name[extra]==version",
        ),
        (r"[^;]*?(?P<at>\\)", "a backslash joins lines only as the last character of a line", "remove what follows it"),
        (
            rf"{NAME_PATTERN}(?<=\s)(?P<at>v?\d[\w.]*)$",
            "an operator is missing before the version",
            "did you mean ==?",
        ),
        (rf"{NAME_PATTERN}(?P<at>,)", "a comma is only allowed between versions", _ONE_PER_LINE_HINT),
        (
            rf"{NAME_PATTERN}{_VERSIONS_PATTERN}(?<=[\s,])(?P<at>\w)",
            "only a version or a marker may follow here",
            _ONE_PER_LINE_HINT,
        ),
    )
)


def detect_mistake(text: str) -> NotASpecifierError | None:
    """Return the error for a requirement with a common mistake, or None."""
    for pattern, message, hint in _COMMON_MISTAKES:
        match = pattern.match(text)
        if match:
            return NotASpecifierError(message, offset=match.start("at"), hint=hint)
    return None
