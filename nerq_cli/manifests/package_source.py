"""Where a package comes from: an index, a repository, a URL or a directory.

URLs are shown without user, password, query and fragment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import translate
from functools import lru_cache
from urllib.parse import urlsplit

import msgspec
from msgspec.structs import replace

from nerq_cli.ecosystems import PYPI, get_ecosystem, normalise_name
from nerq_cli.inventory import LOCAL_ARCHIVE, Declaration
from nerq_cli.patterns import compile_late

LOCAL = "local path"
WORKSPACE = "workspace member"
#: A file or directory by its absolute address.
LOCAL_FILE = "local file"
#: Start of the reason of an archive by its URL.
URL_PREFIX = "URL: "

#: Index of packages that pip and uv take from no index, where a file states it.
NO_INDEX = "--no-index"

#: Longest URL in a reason, in characters.
_MAX_LENGTH = 300
#: User and password of a URL, also with a slash in the password, and the values of its query.
_SECRET = compile_late(
    r"""(?<=://)(?:[^\s/"']*|[^\s/@:"']*:(?!\d+[/\s"'])[^\s"']*)(?=@)|(?<=[?&])[^\s"'#]*=[^\s"'#]*"""
)
_ARCHIVE_SUFFIX = compile_late(r"\.(?:whl|egg|zip|t[abglxz]+|tar(?:\.\w+)?)$", re.IGNORECASE)
_ABSOLUTE_PATH = compile_late(r"/|~|[A-Za-z][A-Za-z0-9+.-]*:|\$")
_VCS = frozenset({"git", "hg", "svn", "bzr"})


def strip_credentials(url: str) -> str:
    """Return a URL without user, password, query and fragment; only the scheme of a malformed one.

    Accepts the ``user@host:path`` form of SSH as well.
    """
    scheme, separator, _ = url.partition("://")
    if not separator:
        return re.sub(r"^[^/@]*@", "", re.split(r"[?#]", url, maxsplit=1)[0])
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises if part of a password with a slash is in its place
    except ValueError:
        return f"{scheme}://…"
    return f"{scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def get_server(url: str) -> str:
    """Return scheme, host and port of the URL of a file, without credentials."""
    return "/".join(strip_credentials(url).split("/")[:3])


def mask_secrets(text: str) -> str:
    """Return text with the secrets of its URLs replaced by stars, every character still at its place."""
    return _SECRET.sub(lambda secret: "*" * len(secret[0]), text)


def repository_reason(url: str, revision: str = "", *, vcs: str = "git") -> str:
    """Return the skip reason of a package from a repository: ``git: https://host/repository @ revision``."""
    reason = f"{vcs}: {strip_credentials(url)}"
    return (f"{reason} @ {revision}" if revision else reason)[:_MAX_LENGTH]


def url_reason(url: str) -> str:
    """Return the skip reason of a package from a URL: an archive, a repository or a directory."""
    vcs, plus, repository_url = url.partition("+")
    if plus and vcs.lower() in _VCS:
        address, _, revision = strip_credentials(repository_url).rpartition("@")
        return repository_reason(address or revision, revision if address else "", vcs=vcs.lower())
    if url.lower().startswith("file:///") and "${" not in url:
        return LOCAL_FILE  # somewhere on the machine: conda and pip freeze write packages of third parties so
    if "://" not in url or url.lower().startswith(("file:", "{")):
        return local_reason(url)
    return f"{URL_PREFIX}{strip_credentials(url)}"[:_MAX_LENGTH]


def local_reason(path: str) -> str:
    """Return the skip reason of a path in the project: of an archive by its suffix, else of a directory."""
    bare_path = re.split(r"[?#]", path, maxsplit=1)[0]
    return LOCAL_ARCHIVE if _ARCHIVE_SUFFIX.search(bare_path) else LOCAL


def find_directory(path: str) -> str:
    """Return a path in the project if it is relative and that of a directory; else nothing."""
    path = path.replace("\\", "/")
    return "" if _ABSOLUTE_PATH.match(path) or local_reason(path) != LOCAL else path


def join_markers(*markers: str) -> str:
    """Return one marker that holds where all given ones hold."""
    nonempty = [marker for marker in markers if marker]
    if len(nonempty) == 1:
        return nonempty[0]
    return " and ".join(f"({marker})" if " or " in marker else marker for marker in nonempty)


class PackageSource(msgspec.Struct, frozen=True, kw_only=True):
    """The source of one package. All fields empty: the public index."""

    #: URL of the index.
    index: str = ""
    #: Name of an index that only the configuration of the user may define (uv).
    index_name: str = ""
    #: Further indexes that may have it.
    extra_indexes: tuple[str, ...] = ()
    #: Reason why it is on no index.
    skip: str = ""
    #: Directory of a local package, relative to that of the file; empty for any other, and for an absolute path.
    directory: str = ""
    #: Environments in which this source applies; empty means all.
    marker: str = ""
    #: Group of dependencies for which it applies; empty means all.
    group: str = ""
    #: Version by the file name of an archive or the tag of a repository, as a requirement.
    requirement: str = ""

    def apply_to(self, item: Declaration) -> Declaration:
        """Return the declaration with this source."""
        marker = join_markers(item.marker, self.marker)
        return replace(
            item,
            index=self.index,
            index_name=self.index_name,
            extra_indexes=self.extra_indexes,
            skip_reason=self.skip,
            marker=marker,
            requirement=self.requirement or item.requirement,
        )


class FileIndexes(msgspec.Struct, frozen=True, kw_only=True):
    """The package indexes that a file names."""

    #: Index of packages that name no other; empty means the public one.
    default: str = ""
    #: Indexes that may have any package as well.
    extra_indexes: tuple[str, ...] = ()
    #: URL by name, in lower case.
    by_name: Mapping[str, str] = {}
    #: Patterns of package names that come from one index only, with its URL.
    by_pattern: tuple[tuple[re.Pattern[str], str], ...] = ()

    @property
    def changes_default(self) -> bool:
        """Whether packages that name no index may come from another one than the public index."""
        return bool(self.default or self.extra_indexes or self.by_pattern)

    @property
    def default_source(self) -> PackageSource:
        """Source of packages that name no index."""
        return PackageSource(index=self.default, extra_indexes=self.extra_indexes)

    def source_named(self, name: str) -> PackageSource:
        """Return the index with a name; a source to skip if the file does not define it."""
        url = self.by_name.get(name.lower())
        return (
            PackageSource(skip=f"index {name[:_MAX_LENGTH]}, not defined in this file")
            if url is None
            else PackageSource(index=url)
        )

    def source_for(self, package: str) -> PackageSource:
        """Return the source of a package, by its normalised name, that names no index."""
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
    """Return the pattern of a glob, for normalised package names."""
    return re.compile(translate(normalise_name(PYPI, glob)))


def judge_by_files(index: str, file_urls: Iterable[str]) -> PackageSource:
    """Return the source of a package that a lock file takes from a Python index, given the URLs of its files.

    Files of the public index make the package a public one, whatever proxy of it the lock file names. Files on another
    server than that of the public index may be others than those that it has.
    """
    servers = {get_server(url) for url in file_urls if "://" in url}
    foreign_servers = sorted(server for server in servers if not is_public_server(server))
    if is_public_server(get_server(index)):
        return PackageSource(index=index, extra_indexes=tuple(foreign_servers))
    return PackageSource(index=index if foreign_servers or not servers else min(servers))


def judge_by_servers(file_urls: Iterable[str]) -> PackageSource:
    """Return the source of a package whose lock file names no index for it, by the servers of its files."""
    first, *others = sorted({get_server(url) for url in file_urls if "://" in url}) or [""]
    return PackageSource(index=first, extra_indexes=tuple(others))


@lru_cache(maxsize=1024)
def is_public_server(server: str) -> bool:
    """Return whether a server is that of the public Python index, or that of its files."""
    ecosystem = get_ecosystem(PYPI)
    return server == get_server(ecosystem.get_artefact_url()) or ecosystem.is_registry_url(server)


def assign_sources(
    items: Iterable[Declaration], indexes: FileIndexes, sources: Mapping[str, Sequence[PackageSource]]
) -> Iterator[Declaration]:
    """Yield each declaration with its source; once per source if the file gives several.

    ``sources`` are by normalised name. A declaration with a URL of its own keeps it.
    """
    for item in items:
        package = normalise_name(PYPI, item.name)
        own_sources = [source for source in sources.get(package, ()) if source.group in ("", item.group)]
        if item.skip_reason or not (own_sources or indexes.changes_default):
            yield item
        else:
            yield from (source.apply_to(item) for source in own_sources or [indexes.source_for(package)])
