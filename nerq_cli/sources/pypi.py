"""PyPI and the indexes that speak as it does: the project JSON, the JSON of one release, and the simple API.

Each answer becomes a small fact of its own; ``project``, ``metadata`` and ``advisories`` say what they mean together.
What PyPI answers is documented in pypi/warehouse (docs/user/api) and PEPs 503, 592, 691, 700, 740 and 792.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import msgspec
from msgspec import UNSET
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_version,
    parse_sdist_filename,
    parse_wheel_filename,
)

from nerq_cli.errors import AnswerError, EndpointMissingError
from nerq_cli.facts import (
    ATTESTED,
    EMPTY,
    PRERELEASE,
    SDIST,
    WHEEL,
    YANKED,
    Absent,
    Fact,
    Found,
    Metadata,
    Project,
    Unknown,
    Vulnerability,
)
from nerq_cli.inventory import PYPI, Package, Release, normalise
from nerq_cli.sources.pypi_info import Info, described, ownership, vulnerabilities
from nerq_cli.sources.question import Answer, Endpoint, Question, Source
from nerq_cli.sources.text import REASON, SPECIFIER, clean, decoded, every, instant, is_version, members, part
from nerq_cli.versions import is_prerelease, newest_first, same

_LABEL: Final = "PyPI"
_FRESH: Final = 6 * 3600
_ABSENT_FRESH: Final = 3600
#: Largest answer read. Projects with thousands of files come to some megabytes.
_LIMIT: Final = 25_000_000
_NOT_FOUND: Final = 404
_NOT_ALLOWED: Final = 405
_GONE: Final = 410


class Page(msgspec.Struct, frozen=True):
    """What the project JSON alone says: every version it lists, and the metadata of the one it shows.

    ``reasons`` gives, by version, why it was yanked, where a reason is stated.
    """

    project: Project
    metadata: Metadata
    reasons: dict[str, str] = {}


class Listing(msgspec.Struct, frozen=True):
    """What the simple API alone says: every version that has files, and the status of the project.

    ``attested`` tells one attested file of each version that has any: by its name, with ``*`` for the version, the
    rows of the versions that have such a file. Rows whose file is named as source archives usually are stand nowhere.
    None in answers kept from before this was read.
    """

    project: Project
    reasons: dict[str, str] = {}
    attested: dict[str, tuple[int, ...]] | None = None


# --- files and versions --------------------------------------------------------------------------------------------


class _File(msgspec.Struct):
    """A file as the JSON API describes it."""

    filename: Any = None
    packagetype: Any = None
    upload_time_iso_8601: Any = None
    upload_time: Any = None
    requires_python: Any = None
    yanked: Any = None
    yanked_reason: Any = None


class _Link(msgspec.Struct, rename="kebab"):
    """A file as the simple API describes it."""

    filename: Any = None
    upload_time: Any = None
    requires_python: Any = None
    yanked: Any = None
    provenance: Any = UNSET


class _Artefact(NamedTuple):
    """A file, whoever described it: ``flags`` of its own, and why it was yanked (None = it was not)."""

    published: int
    flags: int
    needs: str
    yanked: str | None


class _Row(NamedTuple):
    published: int
    flags: int
    needs: str
    reason: str = ""


_SDISTS: Final = (".tar.gz", ".zip", ".tar.bz2", ".tgz", ".tar.xz", ".tar.Z", ".tar")
_PACKAGE_TYPES: Final = {"bdist_wheel": WHEEL, "sdist": SDIST}


def _kind(filename: object, packagetype: object = None) -> int:
    if isinstance(packagetype, str) and packagetype:
        return _PACKAGE_TYPES.get(packagetype, 0)
    if not isinstance(filename, str):
        return 0
    return WHEEL if filename.endswith(".whl") else SDIST if filename.endswith(_SDISTS) else 0


def _yanked(value: object, reason: object = None) -> str | None:
    """Return why a file was yanked, None when it was not. A reason alone yanks, even an empty one (PEP 592)."""
    if isinstance(value, str):
        return clean(value, REASON)
    return clean(reason, REASON) if value is True else None


def _of_file(file: _File) -> _Artefact:
    return _Artefact(
        instant(file.upload_time_iso_8601) or instant(file.upload_time),
        _kind(file.filename, file.packagetype),
        clean(file.requires_python, SPECIFIER),
        _yanked(file.yanked, file.yanked_reason),
    )


def _of_link(link: _Link) -> _Artefact:
    attested = ATTESTED if isinstance(link.provenance, str) and link.provenance else 0
    return _Artefact(
        instant(link.upload_time),
        _kind(link.filename) | attested,
        clean(link.requires_python, SPECIFIER),
        _yanked(link.yanked),
    )


def _row(version: str, artefacts: Sequence[_Artefact], *, bare: int) -> _Row:
    """Return what the files of one version say about it; ``bare`` is the flag of one without any."""
    flags = (PRERELEASE if is_prerelease(PYPI, version) else 0) | (0 if artefacts else bare)
    for artefact in artefacts:
        flags |= artefact.flags
    yanked = bool(artefacts) and all(artefact.yanked is not None for artefact in artefacts)
    return _Row(
        min((artefact.published for artefact in artefacts if artefact.published), default=0),
        flags | (YANKED if yanked else 0),
        next((artefact.needs for artefact in artefacts if artefact.needs), ""),
        next((artefact.yanked for artefact in artefacts if artefact.yanked), "") if yanked else "",
    )


def _table(rows: Mapping[str, _Row], order: Iterable[str]) -> dict[str, Any]:
    """Return the columns of a project's version table."""
    versions = tuple(order)
    interpreters: dict[str, int] = {}
    needs = tuple(interpreters.setdefault(rows[version].needs, len(interpreters)) for version in versions)
    return {
        "versions": versions,
        "published": tuple(rows[version].published for version in versions),
        "flags": tuple(rows[version].flags for version in versions),
        "needs": needs,
        "interpreters": tuple(interpreters),
    }


def _reasons(rows: Mapping[str, _Row]) -> dict[str, str]:
    return {version: row.reason for version, row in rows.items() if row.reason}


def _is_about(package: Package, name: object) -> bool:
    """Whether an answer speaks of this package; one that names none is taken at its word."""
    return not isinstance(name, str) or normalise(PYPI, name) == package.name


# --- the project JSON and the release JSON -------------------------------------------------------------------------


class _Document(msgspec.Struct):
    info: Info
    releases: msgspec.Raw = msgspec.Raw()
    urls: msgspec.Raw = msgspec.Raw()
    vulnerabilities: msgspec.Raw = msgspec.Raw()
    ownership: Any = None


_DOCUMENT = msgspec.json.Decoder(_Document)
_PARTS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_FILE = msgspec.json.Decoder(_File)
_LINK = msgspec.json.Decoder(_Link)


def _releases(document: _Document) -> dict[str, _Row]:
    """Return a row for each version; for the version shown only, where a mirror leaves ``releases`` out."""
    releases = part(_PARTS, document.releases)
    if not releases and is_version(document.info.version):
        releases = {document.info.version: document.urls}
    return {version: _release(version, raw) for version, raw in (releases or {}).items() if is_version(version)}


def _release(version: str, raw: msgspec.Raw) -> _Row:
    files = [_of_file(file) for file in every(_FILE, raw)]
    return _row(version, files, bare=EMPTY if members(raw) == [] else 0)


class _ProjectJson:
    """The project JSON: the metadata of the newest version, who can publish, and every version with its files."""

    name = "pypi-json"
    label = _LABEL
    kind = Page
    fresh = _FRESH
    absent_fresh = _ABSENT_FRESH
    limit = _LIMIT
    probe = False

    def ask(self, about: Sequence[Package], at: Endpoint) -> Iterator[Question[Package]]:
        """Ask about one project at a time."""
        for package in about:
            yield Question(url=f"{at.url}/pypi/{package.path}/json", about=(package,), endpoint=at)

    def read(self, question: Question[Package], answer: Answer) -> Iterator[tuple[Package, Page | None]]:
        """Read one project; 404 means unknown, deleted or in quarantine."""
        [package] = question.about
        if answer.status in {_NOT_ALLOWED, _GONE}:
            raise EndpointMissingError("this index has no project JSON")
        yield package, None if answer.status == _NOT_FOUND else _page(package, decoded(_DOCUMENT, answer.body))


def _page(package: Package, document: _Document) -> Page:
    info = document.info
    rows = _releases(document)
    if not rows or not _is_about(package, info.name):
        raise AnswerError("the project JSON describes another project, or no version")
    shown = info.version if is_version(info.version) else ""
    project = Project(
        name=package.name,
        tags={"latest": shown} if shown else {},
        **_table(rows, newest_first(PYPI, rows)),
        **ownership(document.ownership),
    )
    return Page(project, described(info, shown, vulnerabilities(document.vulnerabilities)), _reasons(rows))


class _ReleaseJson:
    """The JSON of one release: its metadata and its advisories. Asked only for versions the project JSON lists."""

    name = "pypi-release"
    label = _LABEL
    kind = Metadata
    fresh = _FRESH
    absent_fresh = _ABSENT_FRESH
    limit = _LIMIT
    probe = True

    def ask(self, about: Sequence[Release], at: Endpoint) -> Iterator[Question[Release]]:
        """Ask about one release at a time."""
        for release in about:
            url = f"{at.url}/pypi/{release.package.path}/{quote(release.version, safe='')}/json"
            yield Question(url=url, about=(release,), endpoint=at)

    def read(self, question: Question[Release], answer: Answer) -> Iterator[tuple[Release, Metadata | None]]:
        """Read one release. As it is known to exist, a server that does not find it has no such endpoint."""
        [release] = question.about
        if answer.status in {_NOT_FOUND, _NOT_ALLOWED, _GONE}:
            raise EndpointMissingError("this index has no JSON for single releases")
        document = decoded(_DOCUMENT, answer.body)
        version = document.info.version
        if not _is_about(release.package, document.info.name) or (
            isinstance(version, str) and not same(PYPI, version, release.version)
        ):
            raise AnswerError("the release JSON describes another release")
        yield release, described(document.info, release.version, vulnerabilities(document.vulnerabilities))


# --- the simple API ------------------------------------------------------------------------------------------------

_STATUSES: Final = frozenset({"active", "archived", "deprecated", "quarantined"})
_API = re.compile(r"1\.(\d{1,4})")
#: The version of the simple API that brought the status marker in (PEP 792).
_API_WITH_STATUS: Final = 4


class _Simple(msgspec.Struct, rename="kebab"):
    files: msgspec.Raw
    name: Any = None
    versions: Any = None
    meta: Any = None
    project_status: Any = None


_SIMPLE = msgspec.json.Decoder(_Simple)


def _status(stated: object, api: object) -> str | None:
    """Return the status of a project; an index that knows the marker and leaves it out means ``active``."""
    if isinstance(stated, str):
        return stated if stated in _STATUSES else None
    found = _API.fullmatch(api) if isinstance(api, str) else None
    return "active" if found and int(found[1]) >= _API_WITH_STATUS else None


def _listing(
    package: Package, links: Sequence[_Link], stated: Iterable[str], *, status: str | None, provenance: bool
) -> Listing:
    """Return what the links say of each version; ``stated`` versions are listed even if no link is theirs."""
    by_version: dict[str, list[_Link]] = {version: [] for version in stated}
    names = _FileNames(by_version)
    for link in links:
        by_version.setdefault(names.version(link.filename), []).append(link)
    bare = 0 if by_version.pop("", None) else EMPTY  # a file that nobody can place may be of any version
    rows = {version: _row(version, [_of_link(one) for one in own], bare=bare) for version, own in by_version.items()}
    project = Project(
        name=package.name, status=status, attestations_stated=provenance, **_table(rows, newest_first(PYPI, rows))
    )
    usual, attested = _usual(package.name), defaultdict[str, list[int]](list)
    for row, version in enumerate(project.versions):
        pattern = _attested(version, by_version[version], usual)
        if pattern is not None and pattern != usual:
            attested[pattern].append(row)
    return Listing(project, _reasons(rows), {pattern: tuple(own) for pattern, own in attested.items()})


#: What the name of a file can be made of.
_FILE_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+!_-]{0,254}", re.ASCII)


def _usual(name: str) -> str:
    """Return how a project's source archives are named, with ``*`` for the version (PyPA, source distributions)."""
    return f"{name.replace('-', '_')}-*.tar.gz"


def _attested(version: str, links: Iterable[_Link], usual: str) -> str | None:
    """Return the name of an attested file: the usual one where it is among them. None without any, "" for no name."""
    names = [link.filename for link in links if isinstance(link.provenance, str) and link.provenance]
    if not names:
        return None
    patterns = {name.replace(version, "*", 1) for name in names if _FILE_NAME.fullmatch(name)}
    return usual if usual in patterns else min(patterns, key=lambda one: (len(one), one), default="")


def attested_file(version: str, simple: Fact[Listing]) -> str:
    """Return the name of a file of this version that carries attestations; empty when none is known."""
    if not isinstance(simple, Found) or simple.value.attested is None:
        return ""
    table = simple.value.project
    listed = version if version in table.versions else _spellings(table.versions).get(canonicalize_version(version))
    row = table.versions.index(listed) if listed is not None else -1
    if listed is None or not table.flags[row] & ATTESTED:
        return ""
    pattern = next((one for one, rows in simple.value.attested.items() if row in rows), _usual(table.name))
    return pattern.replace("*", listed)


class _FileNames:
    """Which version a file is of, as far as its name tells, spelled as the index spells that version."""

    def __init__(self, listed: Iterable[str]) -> None:
        self._listed = frozenset(listed)
        self._spelled: dict[str, str] | None = None
        self._seen: dict[str, str] = {}

    def version(self, filename: object) -> str:
        """Return the version; empty for a name that tells none, and for what is no name."""
        if not isinstance(filename, str):
            return ""
        raw = _raw_version(filename)
        if raw in self._listed:
            return raw
        if raw not in self._seen:
            self._seen[raw] = self._canonical(filename)
        return self._seen[raw]

    def _canonical(self, filename: str) -> str:
        try:
            parse = parse_wheel_filename if filename.endswith(".whl") else parse_sdist_filename
            version = str(parse(filename)[1])
        except (InvalidWheelFilename, InvalidSdistFilename, ValueError):
            return ""
        if self._spelled is None:
            self._spelled = _spellings(self._listed)
        return self._spelled.get(canonicalize_version(version), version if is_version(version) else "")


def _spellings(versions: Iterable[str]) -> dict[str, str]:
    """Return how each version is spelled, by its canonical form."""
    return {canonicalize_version(version): version for version in versions}


def _raw_version(filename: str) -> str:
    """Return what stands where the version belongs (binary and source distribution formats, PyPA)."""
    if filename.endswith((".whl", ".egg")):
        return next(iter(filename.split("-", 2)[1:2]), "").removesuffix(".egg")
    stem = next((filename[: -len(end)] for end in _SDISTS if filename.endswith(end)), "")
    return stem.rpartition("-")[2]


def _of_json(package: Package, body: bytes) -> Listing:
    document = decoded(_SIMPLE, body)
    links = every(_LINK, document.files)
    meta = document.meta if isinstance(document.meta, dict) else {}
    status = document.project_status
    if members(document.files) is None or not _is_about(package, document.name):
        raise AnswerError("the simple API describes another project, or no files")
    return _listing(
        package,
        links,
        (v for v in document.versions if is_version(v)) if isinstance(document.versions, list) else (),
        status=_status(status.get("status") if isinstance(status, dict) else None, meta.get("api-version")),
        provenance=any(link.provenance is not UNSET for link in links),
    )


def _of_html(package: Package, body: bytes) -> Listing:
    from nerq_cli.sources.index_page import read_page

    page = read_page(body.decode(errors="replace"))
    links = [
        _Link(anchor.filename, None, anchor.requires_python, anchor.yanked, anchor.provenance)
        for anchor in page.anchors
    ]
    api = page.marks.get("pypi:repository-version")
    status = _status(page.marks.get("pypi:project-status"), api)
    listing = _listing(package, links, (), status=status, provenance=page.provenance)
    if api is None and not listing.project.versions:
        raise AnswerError("the answer is a web page, but not one of a package index")
    return listing


class _SimpleApi:
    """The simple API: dates, yanks, status and provenance of everything. A mirror may answer with the HTML form."""

    name = "pypi-simple"
    label = _LABEL
    kind = Listing
    fresh = _FRESH
    absent_fresh = _ABSENT_FRESH
    limit = _LIMIT
    probe = False

    def ask(self, about: Sequence[Package], at: Endpoint) -> Iterator[Question[Package]]:
        """Ask about one project at a time, for JSON first and HTML otherwise."""
        accept = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
        for package in about:
            yield Question(url=f"{at.url}/simple/{package.path}/", about=(package,), accept=accept, endpoint=at)

    def read(self, question: Question[Package], answer: Answer) -> Iterator[tuple[Package, Listing | None]]:
        """Read one project; a project in quarantine is listed without files."""
        [package] = question.about
        if answer.status == _NOT_ALLOWED:
            raise EndpointMissingError("this index has no simple API")
        if answer.status in {_NOT_FOUND, _GONE}:
            yield package, None
        elif _is_html(answer):
            yield package, _of_html(package, answer.body)
        else:
            yield package, _of_json(package, answer.body)


def _is_html(answer: Answer) -> bool:
    kind = answer.content_type.lower()
    return "html" in kind or ("json" not in kind and answer.body.lstrip()[:1] == b"<")


PROJECT_JSON: Final[Source[Package, Page]] = _ProjectJson()
RELEASE_JSON: Final[Source[Release, Metadata]] = _ReleaseJson()
SIMPLE: Final[Source[Package, Listing]] = _SimpleApi()


# --- what the answers mean together --------------------------------------------------------------------------------


def project(simple: Fact[Listing], json: Fact[Page]) -> Fact[Project]:
    """Return what is known of the project. Whichever answered counts; absent is what the simple API does not list.

    The project JSON does not tell a project in quarantine from one that does not exist; the simple API does.
    """
    if isinstance(simple, Found):
        if isinstance(json, Found):
            both = _together(simple.value.project, json.value.project)
            return Found(both, simple.source, min(simple.seen, json.seen))
        return Found(simple.value.project, simple.source, simple.seen)
    if isinstance(json, Found):
        return Found(json.value.project, json.source, json.seen)
    return simple


def _together(listing: Project, page: Project) -> Project:
    """Return the listing's rows, status and provenance with what only the project JSON tells."""
    told = {
        "tags": page.tags,
        "publishers": page.publishers,
        "publisher_tags": page.publisher_tags,
        "organisation": page.organisation,
    }
    if listing.versions != page.versions or 0 in listing.published:
        told |= _union(listing, page)
    return msgspec.structs.replace(listing, **told)


def _rows(project: Project) -> dict[str, _Row]:
    needs = (project.interpreters[need] for need in project.needs)
    return dict(zip(project.versions, map(_Row, project.published, project.flags, needs), strict=True))


def _union(listing: Project, page: Project) -> dict[str, Any]:
    """Return the columns of both tables together; the HTML form has no dates and spells versions its own way."""
    rows = _rows(page)
    ours = _rows(listing)
    spelled = {} if ours.keys() <= rows.keys() else _spellings(rows)
    for version, row in ours.items():
        name = version if version in rows or not spelled else spelled.get(canonicalize_version(version), version)
        other = rows.get(name, row)
        has_files = row.flags & (WHEEL | SDIST)
        rows[name] = _Row(
            row.published or other.published,
            row.flags if has_files else row.flags | other.flags,
            row.needs or other.needs,
        )
    return _table(rows, page.versions if len(rows) == len(page.versions) else newest_first(PYPI, rows))


def metadata(version: str, simple: Fact[Listing], json: Fact[Page], release: Fact[Metadata]) -> Fact[Metadata]:
    """Return what is known of one version: its own answer, or that of the project if it shows this version.

    Many mirrors do not offer the pages of single releases. Then the project's page stands in for what a package says
    of itself in much the same words from release to release (README, links, licence); the source names the version it
    was read of. What belongs to one version alone (yanked, the Python it needs) comes from the tables of versions, or
    is not known.
    """
    whole: Found[Metadata] | None = None
    if isinstance(release, Found):
        whole = release
    elif isinstance(json, Found) and json.value.metadata.version == version:
        whole = Found(json.value.metadata, json.source, json.seen)
    if whole is None or whole.value.yanked is None:
        return _from_tables(version, simple, json, whole)
    return whole


def _from_tables(
    version: str, simple: Fact[Listing], json: Fact[Page], whole: Found[Metadata] | None
) -> Fact[Metadata]:
    """Return the metadata with what the tables say where it does not, or what they say alone."""
    listed = _listed(version, simple) or _listed(version, json)
    if listed is None:
        return whole or _why_none(version, simple, json)
    row = listed.value
    if whole is None:
        return _borrowed(json, listed) if isinstance(json, Found) else listed
    told = msgspec.structs.replace(
        whole.value,
        yanked=row.yanked,
        yanked_reason=row.yanked_reason,
        interpreter=row.interpreter if whole.value.interpreter is None else whole.value.interpreter,
    )
    return Found(told, whole.source, min(whole.seen, listed.seen))


def _borrowed(json: Found[Page], listed: Found[Metadata]) -> Found[Metadata]:
    """Return the metadata of the version that the project's page shows, as evidence about another one."""
    shown, row = json.value.metadata, listed.value
    told = msgspec.structs.replace(
        shown,
        version=row.version,
        interpreter=row.interpreter,
        yanked=row.yanked,
        yanked_reason=row.yanked_reason,
        attested_repository=None,
        vulnerabilities=None,
    )
    return Found(told, f"{json.source} (as of {shown.version})", min(json.seen, listed.seen))


def _listed(version: str, fact: Fact[Listing] | Fact[Page]) -> Found[Metadata] | None:
    """Return what a table of versions says of one; None when it does not list it."""
    if not isinstance(fact, Found) or version not in fact.value.project.versions:
        return None
    table = fact.value.project
    index = table.versions.index(version)
    told = Metadata(
        version=version,
        interpreter=table.interpreters[table.needs[index]],
        yanked=bool(table.flags[index] & YANKED),
        yanked_reason=fact.value.reasons.get(version, ""),
    )
    return Found(told, fact.source, fact.seen)


def _why_none(version: str, simple: Fact[Listing], json: Fact[Page]) -> Absent | Unknown:
    known = project(simple, json)
    if not isinstance(known, Found):
        return known
    if known.value.status == "quarantined":
        return Unknown("in quarantine: the index shows nothing of it", known.source)
    return Absent(known.source, known.seen, f"no version {version} is listed")


def advisories(version: str, json: Fact[Page], release: Fact[Metadata]) -> Fact[tuple[Vulnerability, ...]]:
    """Return the advisories the index lists for exactly this version.

    Those of the project JSON are about the version it shows and count for no other.
    """
    if isinstance(release, Found) and release.value.vulnerabilities is not None:
        return Found(release.value.vulnerabilities, release.source, release.seen)
    if isinstance(json, Found) and json.value.metadata.version == version:
        if json.value.metadata.vulnerabilities is not None:
            return Found(json.value.metadata.vulnerabilities, json.source, json.seen)
        return Unknown("this index lists no advisories", json.source)
    if isinstance(release, Found):
        return Unknown("this index lists no advisories", release.source)
    if isinstance(release, Unknown):
        return release if not isinstance(json, Unknown) else json
    return Unknown("the index was not asked about this version", _LABEL)
