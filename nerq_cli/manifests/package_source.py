"""Where a package comes from when its file says so: another index, or no index at all.

Nothing here repeats a credential: addresses lose user, password, query and fragment before anybody sees them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import translate
from urllib.parse import urlsplit

from nerq_cli.ecosystems import PYPI, normalise_name
from nerq_cli.inventory import Declaration

LOCAL = "local path"
WORKSPACE = "workspace member"

#: Longest address shown in a reason, in characters.
_MAX_LENGTH = 300
#: User and password of an address, also one with a slash in it, and the values of its query.
_SECRET = re.compile(r"""(?<=://)(?:[^\s/"']*|[^\s/@:"']*:(?!\d+[/\s"'])[^\s"']*)(?=@)|(?<=[?&])[^\s"'#]*=[^\s"'#]*""")
_VCS = frozenset({"git", "hg", "svn", "bzr"})


def strip_credentials(url: str) -> str:
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


def mask_secrets(text: str) -> str:
    """Return text with what may be secret in its addresses blotted out, every character still at its place."""
    return _SECRET.sub(lambda secret: "*" * len(secret[0]), text)


def repository_reason(url: str, revision: str = "", *, vcs: str = "git") -> str:
    """Return the reason for a package taken from a repository: ``git: https://host/repository @ revision``."""
    reason = f"{vcs}: {strip_credentials(url)}"
    return (f"{reason} @ {revision}" if revision else reason)[:_MAX_LENGTH]


def url_reason(url: str) -> str:
    """Return the reason for a package taken from an address, be it a file, a repository or a directory."""
    vcs, plus, repository_url = url.partition("+")
    if plus and vcs.lower() in _VCS:
        address, _, revision = strip_credentials(repository_url).rpartition("@")
        return repository_reason(address or revision, revision if address else "", vcs=vcs.lower())
    if "://" not in url or url.lower().startswith(("file:", "{")):
        return LOCAL
    return f"URL: {strip_credentials(url)}"[:_MAX_LENGTH]


def join_markers(*markers: str) -> str:
    """Join markers that must all hold."""
    nonempty = [marker for marker in markers if marker]
    if len(nonempty) == 1:
        return nonempty[0]
    return " and ".join(f"({marker})" if " or " in marker else marker for marker in nonempty)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageSource:
    """Where one package comes from: an index, or for ``skip``'s reason from none. All empty: the public index.

    ``extra_indexes`` are further indexes that may have it. ``marker`` says in which environments this holds, ``group`` for
    which group of dependencies alone; empty where it always does.
    """

    index: str = ""
    extra_indexes: tuple[str, ...] = ()
    skip: str = ""
    marker: str = ""
    group: str = ""

    def apply_to(self, item: Declaration) -> Declaration:
        """Return the item, coming from here."""
        marker = join_markers(item.marker, self.marker)
        return replace(item, index=self.index, extra_indexes=self.extra_indexes, skip_reason=self.skip, marker=marker)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileIndexes:
    """The package indexes a file names. ``default`` serves what names no other (empty: the public one).

    ``extra_indexes`` may serve anything as well; ``by_name`` are all that have a name (in lower case); ``by_pattern`` are patterns
    of package names that come from one index only.
    """

    default: str = ""
    extra_indexes: tuple[str, ...] = ()
    by_name: Mapping[str, str] = field(default_factory=dict)
    by_pattern: tuple[tuple[re.Pattern[str], str], ...] = ()

    @property
    def changes_default(self) -> bool:
        """Whether anything may come from elsewhere than the public index without naming an index."""
        return bool(self.default or self.extra_indexes or self.by_pattern)

    @property
    def default_source(self) -> PackageSource:
        """Where packages come from that name no index."""
        return PackageSource(index=self.default, extra_indexes=self.extra_indexes)

    def source_named(self, name: str) -> PackageSource:
        """Return the index of that name. One defined elsewhere cannot be asked, and no other may be in its place."""
        url = self.by_name.get(name.lower())
        return (
            PackageSource(skip=f"index {name[:_MAX_LENGTH]}, not defined in this file")
            if url is None
            else PackageSource(index=url)
        )

    def source_for(self, package: str) -> PackageSource:
        """Return where a package (its normalised name) comes from that names no index itself."""
        return next(
            (PackageSource(index=url) for name_pattern, url in self.by_pattern if name_pattern.match(package)),
            self.default_source,
        )

    def __or__(self, other: FileIndexes) -> FileIndexes:
        return FileIndexes(
            default=self.default or other.default,
            extra_indexes=tuple(dict.fromkeys((*self.extra_indexes, *other.extra_indexes))),
            by_name={**other.by_name, **self.by_name},
            by_pattern=(*self.by_pattern, *other.by_pattern),
        )


def compile_name_glob(glob: str) -> re.Pattern[str]:
    """Return a glob of package names, ready to match normalised ones."""
    return re.compile(translate(normalise_name(PYPI, glob)))


def assign_sources(
    items: Iterable[Declaration], indexes: FileIndexes, sources: Mapping[str, Sequence[PackageSource]]
) -> Iterator[Declaration]:
    """Say of each item where it comes from; once for every origin that the file gives its package.

    ``sources`` are filed under normalised names. An item that states an address of its own keeps it.
    """
    for item in items:
        package = normalise_name(PYPI, item.name)
        own_sources = [source for source in sources.get(package, ()) if source.group in ("", item.group)]
        if item.skip_reason or not (own_sources or indexes.changes_default):
            yield item
        else:
            yield from (source.apply_to(item) for source in own_sources or [indexes.source_for(package)])
