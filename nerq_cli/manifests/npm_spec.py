"""npm's names, and what the right side of a dependency asks for: registry, repository, address, directory, workspace.

The forms are those of npm (npm-package-arg), Yarn (``patch:``, ``portal:``), pnpm and Bun (``workspace:``,
``catalog:``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias
from urllib.parse import unquote, urlsplit

from nerq_cli.manifests.origins import LOCAL, WORKSPACE, of_repository, of_url

#: Longest name the registry takes, in characters (validate-npm-package-name).
LONGEST_NAME: Final = 214

# encodeURIComponent leaves these characters alone.
_FRIENDLY: Final = r"[A-Za-z0-9_.!~*'()-]+"
_NAME = re.compile(rf"(?![._-]){_FRIENDLY}|@(?!\.){_FRIENDLY}/(?!\.){_FRIENDLY}")
_RESERVED: Final = frozenset({"node_modules", "favicon.ico"})

_PROTOCOL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):.*", re.DOTALL)
_PATH = re.compile(r"[./\\]|~[/\\]|[A-Za-z]:")
_ARCHIVE = re.compile(r"\.(?:tgz|tar\.gz|tar)$", re.IGNORECASE)
_SSH = re.compile(r"[^@/\s]+@[^:/\s]+:.+")
_SHORTHAND = re.compile(r"[^\s/@:#.~][^\s/@:#]*/[^\s/@:#]+(?:#.*)?")
# ssh://git@host:owner/name, where what follows the colon is no port; never where it may be a password.
_COLON_PATH = re.compile(r"^(ssh://(?:[^:/@]+@)?[^:/@]+):(?!\d+(?:/|$))(?!.*@)")
# What versions, ranges and dist-tags are written with, up to a length nobody needs.
_REGISTRY = re.compile(r"[\w.+*^~<>=|!'() \t-]{0,1000}", re.ASCII)
_BARE_RANGE = re.compile(r"[\^~<>=*][^@]*|v?\d+(?:\.[\dxX*]+)*(?:[-+][\w.+-]+)?(?:\s[^@]*)?|[xX]|latest|", re.ASCII)

_REPOSITORY_HOSTS: Final = frozenset({"github.com", "gitlab.com", "bitbucket.org", "gist.github.com", "git.sr.ht"})
#: How often one form may lead to another (``catalog:`` to ``patch:`` to ``npm:``).
_DETOURS: Final = 4
#: Longest piece of a text repeated in a reason, in characters.
_SHOWN: Final = 60

#: What says that a version stands in a catalog which this file has not.
_OF_CATALOG: Final = "catalog "
_NOT_LISTED: Final = ": not listed here"

#: Versions that a project keeps in one place: by the catalog's name, then the package's.
Catalogs: TypeAlias = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for: a package, and in what versions.

    ``skip`` says why the registry is not meant, ``wrong`` why nothing can be meant; both empty when it is.
    """

    name: str
    requirement: str = ""
    skip: str = ""
    wrong: str = ""


def wrong_with(name: str) -> str:
    """Return why no package can have this name, however old it is; empty when one can.

    The rules are those of validate-npm-package-name for packages that exist already, which may have capital letters.
    A scope may not begin with a dot either.
    """
    if not name:
        return "it is empty"
    if len(name) > LONGEST_NAME:
        return f"it is longer than {LONGEST_NAME} characters"
    if name.lower() in _RESERVED:
        return "it is reserved"
    if _NAME.fullmatch(name):
        return ""
    return "no name begins like this" if name[0] in "._-" else "it has characters that no name has"


def ask(name: str, text: str, catalogs: Catalogs) -> Asked:
    """Tell what is asked for under a name. Never raises."""
    for _ in range(_DETOURS):
        text = text.strip()
        if text.startswith("patch:"):  # Yarn: patch:name@range#file, the range percent-encoded
            name, text = _split(unquote(text.removeprefix("patch:").partition("#")[0]))
        elif text.startswith("catalog:"):
            catalog = text.removeprefix("catalog:").strip() or "default"
            listed = catalogs.get(catalog, {}).get(name)
            if listed is None:
                return Asked(name, skip=f"{_OF_CATALOG}{catalog[:_SHOWN]}{_NOT_LISTED}")
            text = listed
        else:
            return _asked(name, text)
    return Asked(name, wrong="one form leads to another without end")


def awaits_catalog(skip: str) -> bool:
    """Say whether this reason for leaving a package out is that its version stands in a catalog kept elsewhere."""
    return skip.startswith(_OF_CATALOG) and skip.endswith(_NOT_LISTED)


def _asked(name: str, text: str) -> Asked:
    if _PATH.match(text):
        return _directory(name, text)
    protocol = _PROTOCOL.fullmatch(text)
    if protocol is not None:
        return _BY_PROTOCOL.get(protocol[1].lower(), _elsewhere)(name, text)
    if _SSH.fullmatch(text):
        return _repository(name, text)
    if _SHORTHAND.fullmatch(text):
        return _repository(name, f"github:{text}")
    if "/" in text or "\\" in text or _ARCHIVE.search(text):
        return _directory(name, text)
    return _in_registry(name, text, "it is neither a version, a range, a dist-tag nor an address")


def _split(text: str) -> tuple[str, str]:
    """Split ``name@range``; the name may begin with an at sign itself."""
    at = text.find("@", 1)
    return (text, "") if at < 0 else (text[:at], text[at + 1 :])


def _in_registry(name: str, text: str, otherwise: str) -> Asked:
    return Asked(name, text.strip()) if _REGISTRY.fullmatch(text) else Asked(name, wrong=otherwise)


def _directory(name: str, _text: str) -> Asked:
    return Asked(name, skip=LOCAL)


def _workspace(name: str, text: str) -> Asked:
    rest = text.partition(":")[2].strip()
    member, requirement = _split(rest)
    if requirement:  # workspace:member@range, under another name
        return Asked(member, requirement, skip=WORKSPACE)
    return Asked(name, "" if "/" in rest else rest, skip=WORKSPACE)


def _alias(name: str, text: str) -> Asked:
    rest = text.partition(":")[2].strip()
    real, requirement = (name, rest) if _BARE_RANGE.fullmatch(rest) else _split(rest)
    return _in_registry(real, requirement, "an alias has to name a package in the registry")


def _address(name: str, text: str) -> Asked:
    return _repository(name, text) if _is_repository(text) else Asked(name, skip=of_url(text))


def _is_repository(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    owner_and_name = parts.path.strip("/").count("/") == 1
    return parts.path.endswith(".git") or (parts.hostname in _REPOSITORY_HOSTS and owner_and_name)


def _repository(name: str, text: str) -> Asked:
    address, _, fragment = text.partition("#")
    revision, requirement = "", ""
    for part in fragment.split("::"):
        kind, colon, value = part.partition(":")
        if not colon:
            revision = part
        elif kind == "semver":
            requirement = unquote(value)
    shown = _COLON_PATH.sub(r"\1/", re.sub(r"^git\+", "", address, flags=re.IGNORECASE))
    requirement = requirement if _REGISTRY.fullmatch(requirement) else ""
    return Asked(name, requirement, skip=of_repository(shown, revision or requirement))


def _elsewhere(name: str, text: str) -> Asked:
    return Asked(name, skip=f"{text.partition(':')[0][:_SHOWN]}: not from the npm registry")


_BY_PROTOCOL: Final[Mapping[str, Callable[[str, str], Asked]]] = {
    **dict.fromkeys(("file", "link", "portal"), _directory),
    **dict.fromkeys(("http", "https"), _address),
    **dict.fromkeys(("github", "gitlab", "bitbucket", "gist"), _repository),
    **dict.fromkeys(
        ("git", "ssh", "git+ssh", "git+http", "git+https", "git+file", "git+rsync", "git+ftp"), _repository
    ),
    "npm": _alias,
    "workspace": _workspace,
}
