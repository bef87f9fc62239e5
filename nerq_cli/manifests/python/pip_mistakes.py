"""What people get wrong in requirements files, and how to say so without repeating a secret."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from nerq_cli.manifests.python.pep508 import NotASpecifierError
from nerq_cli.manifests.syntax.text_document import CONTROL_CHARACTERS

#: A package name and its extras, and a list of versions with their comparisons.
NAME_PATTERN: Final = r"[A-Za-z0-9][A-Za-z0-9._-]*\s*(?:\[[^\]]*\]\s*)?"
_VERSIONS_PATTERN: Final = r"\(?(?:[<>=!~]{1,3}\s*[^\s,;<>=!~]+\s*(?:,\s*)?)*\)?"
#: An environment variable as pip replaces it; here it stays.
VARIABLE_PATTERN: Final = r"\$\{[A-Z0-9_]+\}"

_ONE_PER_LINE_HINT: Final = "write one requirement a line, and # before a comment"


class _Mistake(NamedTuple):
    """One kind of mistake; the group ``at`` of its pattern is where it stands."""

    pattern: re.Pattern[str]
    message: str
    hint: str


#: The first that fits is reported.
_COMMON_MISTAKES: Final = tuple(
    _Mistake(re.compile(pattern, re.IGNORECASE), message, hint)
    for pattern, message, hint in (
        (
            r"(?P<at><{7}|={7}|>{7}|\|{7})(?:\s|$)",
            "a merge conflict marker: two versions of this file were never reconciled",
            "choose between the two versions and remove the markers",
        ),
        (
            rf"[^{CONTROL_CHARACTERS}]*(?P<at>[{CONTROL_CHARACTERS}])",
            "binary data, not text",
            "save it as plain text in UTF-8",
        ),
        (r"(?P<at>pip3? +install) ", "a command, not a requirement", "write only what follows 'pip install'"),
        (
            rf"[A-Za-z0-9._-]*(?P<at>{VARIABLE_PATTERN})",
            "the package's name is in an environment variable, which is not looked up",
            "write the name itself",
        ),
        (r"(?P<at>['\"])", "quotes around a requirement", "remove them"),
        (r"(?P<at>@)", "a name does not begin with @", "npm's packages belong in package.json"),
        (r"(?P<at>[<>=!~]+ *\d)", "the package's name is missing before the version", "write name==version"),
        (r"[A-Za-z0-9._-]*(?P<at>[^\x00-\x7f])", "a package's name has no such letter", "use ASCII letters and digits"),
        (r"(?P<at>[^A-Za-z0-9])", "a requirement begins with the package's name", ""),
        (r"[\w.+-]*(?P<at>@)\S+:", "an address without a scheme", "write git+ssh://git@host/path"),
        (r"[a-z][a-z0-9+.-]*://\S*(?P<at>\s)", "a space in an address", "write %20 for it"),
        (r"(?P<at>(?:git|ssh|hg|svn|bzr)://)", "not an address that pip knows", "write git+ or the like before it"),
        (rf"{NAME_PATTERN}(?P<at>=>)", "'=>' is no comparison", "did you mean >=?"),
        (rf"{NAME_PATTERN}(?P<at>=<)", "'=<' is no comparison", "did you mean <=?"),
        (rf"{NAME_PATTERN}(?P<at>=)(?!=)", "'=' is no comparison", "did you mean ==?"),
        (rf"{NAME_PATTERN}(?P<at>\^)", "'^' is no comparison here", "^1.2 is written >=1.2,<2"),
        (rf"{NAME_PATTERN}(?P<at>~)(?!=)", "'~' is no comparison", "did you mean ~=?"),
        (rf"{NAME_PATTERN}[<>=!~]+\s*(?P<at>)(?:$|[;,])", "a version is missing here", "write name==version"),
        (r"[A-Za-z0-9._-]+\s*(?P<at>\[)[^\]]*$", "this bracket is never closed", "write name[extra]==version"),
        (
            rf"{NAME_PATTERN}{_VERSIONS_PATTERN}(?P<at>\[)",
            "extras come before the version",
            "write name[extra]==version",
        ),
        (r"[^;]*?(?P<at>\\)", "a backslash joins lines only as a line's last character", "remove what follows it"),
        (
            rf"{NAME_PATTERN}(?<=\s)(?P<at>v?\d[\w.]*)$",
            "a comparison is missing before the version",
            "did you mean ==?",
        ),
        (rf"{NAME_PATTERN}(?P<at>,)", "a comma stands only between versions", _ONE_PER_LINE_HINT),
        (
            rf"{NAME_PATTERN}{_VERSIONS_PATTERN}(?<=[\s,])(?P<at>\w)",
            "nothing but a version or a marker may follow here",
            _ONE_PER_LINE_HINT,
        ),
    )
)


def detect_mistake(text: str) -> NotASpecifierError | None:
    """Return what is wrong with a requirement, if it is one of the mistakes people make."""
    for pattern, message, hint in _COMMON_MISTAKES:
        match = pattern.match(text)
        if match:
            return NotASpecifierError(message, offset=match.start("at"), hint=hint)
    return None
