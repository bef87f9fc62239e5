"""Where a package comes from when its file says so: another index, or no index at all.

Nothing here repeats a credential: addresses lose user, password, query and fragment before anybody sees them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import translate
from urllib.parse import urlsplit

from nerq_cli.inventory import PYPI, Declared, normalise

LOCAL = "local path"
WORKSPACE = "workspace member"

#: Longest address shown in a reason, in characters.
_LONGEST = 300
#: User and password of an address, also one with a slash in it, and the values of its query.
_SECRET = re.compile(r"""(?<=://)(?:[^\s/"']*|[^\s/@:"']*:(?!\d+[/\s"'])[^\s"']*)(?=@)|(?<=[?&])[^\s"'#]*=[^\s"'#]*""")
_VCS = frozenset({"git", "hg", "svn", "bzr"})


def without_credentials(url: str) -> str:
    """Return an address safe to show: no user, password, query or fragment; just the scheme of one that is malformed.

    Also takes the ``user@host:path`` form of SSH.
    """
    scheme, separator, _ = url.partition("://")
    if not separator:
        return re.sub(r"^[^/@]*@", "", re.split(r"[?#]", url, maxsplit=1)[0])
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises where a password with a slash in it ended up as one
    except ValueError:
        return f"{scheme}://…"
    return f"{scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def masked(text: str) -> str:
    """Return text with what may be secret in its addresses blotted out, every character still at its place."""
    return _SECRET.sub(lambda secret: "*" * len(secret[0]), text)


def of_repository(url: str, revision: str = "", *, vcs: str = "git") -> str:
    """Return the reason for a package taken from a repository: ``git: https://host/repository @ revision``."""
    shown = f"{vcs}: {without_credentials(url)}"
    return (f"{shown} @ {revision}" if revision else shown)[:_LONGEST]


def of_url(url: str) -> str:
    """Return the reason for a package taken from an address, be it a file, a repository or a directory."""
    vcs, plus, rest = url.partition("+")
    if plus and vcs.lower() in _VCS:
        address, _, revision = without_credentials(rest).rpartition("@")
        return of_repository(address or revision, revision if address else "", vcs=vcs.lower())
    if "://" not in url or url.lower().startswith(("file:", "{")):
        return LOCAL
    return f"URL: {without_credentials(url)}"[:_LONGEST]


def all_of(*markers: str) -> str:
    """Join markers that must all hold."""
    stated = [marker for marker in markers if marker]
    if len(stated) == 1:
        return stated[0]
    return " and ".join(f"({marker})" if " or " in marker else marker for marker in stated)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where one package comes from: an index, or for ``skip``'s reason from none. All empty: the public index.

    ``extra`` are further indexes that may have it. ``marker`` says in which environments this holds, ``group`` for
    which group of dependencies alone; empty where it always does.
    """

    index: str = ""
    extra: tuple[str, ...] = ()
    skip: str = ""
    marker: str = ""
    group: str = ""

    def given_to(self, item: Declared) -> Declared:
        """Return the item, coming from here."""
        marker = all_of(item.marker, self.marker)
        return replace(item, index=self.index, extra_indexes=self.extra, skip=self.skip, marker=marker)


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexes:
    """The package indexes a file names. ``default`` serves what names no other (empty: the public one).

    ``extra`` may serve anything as well; ``named`` are all that have a name (in lower case); ``bound`` are patterns
    of package names that come from one index only.
    """

    default: str = ""
    extra: tuple[str, ...] = ()
    named: Mapping[str, str] = field(default_factory=dict)
    bound: tuple[tuple[re.Pattern[str], str], ...] = ()

    @property
    def any(self) -> bool:
        """Whether anything may come from elsewhere than the public index without naming an index."""
        return bool(self.default or self.extra or self.bound)

    @property
    def anywhere(self) -> Origin:
        """Where packages come from that name no index."""
        return Origin(index=self.default, extra=self.extra)

    def called(self, name: str) -> Origin:
        """Return the index of that name. One defined elsewhere cannot be asked, and no other may be in its place."""
        url = self.named.get(name.lower())
        return Origin(skip=f"index {name[:_LONGEST]}, not defined in this file") if url is None else Origin(index=url)

    def of(self, package: str) -> Origin:
        """Return where a package (its normalised name) comes from that names no index itself."""
        return next((Origin(index=url) for names, url in self.bound if names.match(package)), self.anywhere)

    def __or__(self, other: Indexes) -> Indexes:
        return Indexes(
            default=self.default or other.default,
            extra=tuple(dict.fromkeys((*self.extra, *other.extra))),
            named={**other.named, **self.named},
            bound=(*self.bound, *other.bound),
        )


def pattern(glob: str) -> re.Pattern[str]:
    """Return a glob of package names, ready to match normalised ones."""
    return re.compile(translate(normalise(PYPI, glob)))


def place(items: Iterable[Declared], indexes: Indexes, origins: Mapping[str, Sequence[Origin]]) -> Iterator[Declared]:
    """Say of each item where it comes from; once for every origin that the file gives its package.

    ``origins`` are filed under normalised names. An item that states an address of its own keeps it.
    """
    for item in items:
        package = normalise(PYPI, item.name)
        stated = [origin for origin in origins.get(package, ()) if origin.group in ("", item.group)]
        if item.skip or not (stated or indexes.any):
            yield item
        else:
            yield from (origin.given_to(item) for origin in stated or [indexes.of(package)])
