"""PyPI and compatible indexes: the project JSON, the JSON of one release, and the simple API.

Each answer is a fact of its own; ``merge_package_info`` and ``select_advisories`` combine them.
The responses are documented in pypi/warehouse (docs/user/api) and PEPs 503, 592, 691, 700, 740 and 792.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from http import HTTPStatus
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

from nerq_cli.decoders import build_json_decoder_late
from nerq_cli.ecosystems import PYPI, get_ecosystem, normalise_name
from nerq_cli.errors import EndpointMissingError, ResponseError
from nerq_cli.facts import (
    ATTESTED,
    EMPTY,
    PARTLY_ATTESTED,
    PRERELEASE,
    SDIST,
    WHEEL,
    YANKED,
    Absent,
    AffectingAdvisory,
    Fact,
    Found,
    Metadata,
    PackageInfo,
    Unknown,
)
from nerq_cli.fetch.concurrency import REGISTRY_CONCURRENCY
from nerq_cli.fetch.source import Endpoint, Request, Response, Source
from nerq_cli.inventory import Package, Release
from nerq_cli.patterns import compile_late
from nerq_cli.sources import SOURCES
from nerq_cli.sources.endpoints import get_public_registry_url, get_server
from nerq_cli.sources.registries.pypi_metadata import ReleaseInfo, read_advisories, read_metadata, read_ownership
from nerq_cli.sources.text import (
    MAX_REASON,
    MAX_SPECIFIER,
    clean_text,
    decode_json,
    decode_list,
    decode_optional,
    is_version,
    parse_timestamp,
    split_list,
    to_epoch_seconds,
)

_INFO: Final = SOURCES["pypi"]
#: Largest body in bytes. Projects with thousands of files have some megabytes.
_MAX_BYTES: Final = 25_000_000


class ProjectJson(msgspec.Struct, frozen=True):
    """The content of the project JSON."""

    #: All versions.
    package_info: PackageInfo
    #: Metadata of the version that it shows.
    metadata: Metadata
    #: Stated reasons of yanked versions, by version.
    yank_reasons: dict[str, str]

    def __post_init__(self) -> None:
        """Raise ``ValueError`` if the columns of the version table differ in length; called by decoders as well."""
        self.package_info.require_columns()


class SimpleListing(msgspec.Struct, frozen=True):
    """The content of the simple API."""

    #: Status, and all versions that have files.
    package_info: PackageInfo
    #: Stated reasons of yanked versions, by version.
    yank_reasons: dict[str, str] = {}
    #: Rows of versions by the name of their attested file, with ``*`` for the version; without those whose file has the
    #: usual name of source archives. None in stored answers that are older than this field.
    attested_rows: dict[str, tuple[int, ...]] | None = None
    #: Server that the index refers to for a project that it does not have; empty if it has it.
    referred_server: str = ""

    def __post_init__(self) -> None:
        """Raise ``ValueError`` if the columns of the version table differ in length; called by decoders as well."""
        self.package_info.require_columns()


# --- files and versions --------------------------------------------------------------------------------------------


class _JsonFile(msgspec.Struct, gc=False):
    """A file in the JSON API."""

    filename: Any = None
    packagetype: Any = None
    upload_time_iso_8601: Any = None
    upload_time: Any = None
    requires_python: Any = None
    yanked: Any = None
    yanked_reason: Any = None


class _DatedFile(msgspec.Struct, gc=False):
    """A file in the JSON API with a valid time; all files of real projects are."""

    filename: Any = None
    packagetype: Any = None
    upload_time_iso_8601: datetime | None = None
    upload_time: Any = None
    requires_python: Any = None
    yanked: Any = None
    yanked_reason: Any = None


class _SimpleFile(msgspec.Struct, rename="kebab"):
    """A file in the simple API."""

    filename: Any = None
    upload_time: Any = None
    requires_python: Any = None
    yanked: Any = None
    provenance: Any = UNSET


class _Artefact(NamedTuple):
    """A file of either API."""

    #: Epoch seconds (UTC).
    upload_time: int
    flags: int
    requires_python: str
    #: Why it was yanked; None = not yanked.
    yank_reason: str | None


class _VersionRow(NamedTuple):
    upload_time: int
    flags: int
    requires_python: str
    yank_reason: str = ""


_SDIST_SUFFIXES: Final = (".tar.gz", ".zip", ".tar.bz2", ".tgz", ".tar.xz", ".tar.Z", ".tar")
_PACKAGE_TYPES: Final = {"bdist_wheel": WHEEL, "sdist": SDIST}


def _classify_file(filename: object, packagetype: object = None) -> int:
    if isinstance(packagetype, str) and packagetype:
        return _PACKAGE_TYPES.get(packagetype, 0)
    if not isinstance(filename, str):
        return 0
    return WHEEL if filename.endswith(".whl") else SDIST if filename.endswith(_SDIST_SUFFIXES) else 0


def _read_yank_reason(value: object, reason: object = None) -> str | None:
    """Return why a file was yanked; None if it was not. A reason alone yanks, even an empty one (PEP 592)."""
    if isinstance(value, str):
        return clean_text(value, MAX_REASON)
    return clean_text(reason, MAX_REASON) if value is True else None


def _read_simple_file(file: _SimpleFile) -> _Artefact:
    attested_flag = ATTESTED if isinstance(file.provenance, str) and file.provenance else 0
    return _Artefact(
        parse_timestamp(file.upload_time),
        _classify_file(file.filename) | attested_flag,
        clean_text(file.requires_python, MAX_SPECIFIER),
        _read_yank_reason(file.yanked),
    )


def _build_row(version: str, artefacts: Sequence[_Artefact], *, empty_flag: int) -> _VersionRow:
    """Return the row of one version from its files; ``empty_flag`` is the flag of a version without files."""
    flags = (PRERELEASE if get_ecosystem(PYPI).is_prerelease(version) else 0) | (0 if artefacts else empty_flag)
    for artefact in artefacts:
        flags |= artefact.flags
    if flags & ATTESTED and not all(artefact.flags & ATTESTED for artefact in artefacts):
        flags |= PARTLY_ATTESTED
    is_yanked = bool(artefacts) and all(artefact.yank_reason is not None for artefact in artefacts)
    return _VersionRow(
        min((artefact.upload_time for artefact in artefacts if artefact.upload_time), default=0),
        flags | (YANKED if is_yanked else 0),
        next((artefact.requires_python for artefact in artefacts if artefact.requires_python), ""),
        next((artefact.yank_reason for artefact in artefacts if artefact.yank_reason), "") if is_yanked else "",
    )


def _build_columns(rows: Mapping[str, _VersionRow], order: Iterable[str]) -> dict[str, Any]:
    """Return the columns of the version table."""
    versions = tuple(order)
    interpreters: dict[str, int] = {}
    interpreter_indexes = tuple(
        interpreters.setdefault(rows[version].requires_python, len(interpreters)) for version in versions
    )
    return {
        "versions": versions,
        "published": tuple(rows[version].upload_time for version in versions),
        "flags": tuple(rows[version].flags for version in versions),
        "interpreter_indexes": interpreter_indexes,
        "interpreters": tuple(interpreters),
    }


def _collect_yank_reasons(rows: Mapping[str, _VersionRow]) -> dict[str, str]:
    return {version: row.yank_reason for version, row in rows.items() if row.yank_reason}


def _is_same_package(package: Package, name: object) -> bool:
    """Whether a response is about this package; true if it contains no name."""
    return not isinstance(name, str) or normalise_name(PYPI, name) == package.name


# --- the project JSON and the release JSON -------------------------------------------------------------------------


class _JsonDocument(msgspec.Struct):
    info: ReleaseInfo
    releases: msgspec.Raw = msgspec.Raw()
    urls: msgspec.Raw = msgspec.Raw()
    vulnerabilities: msgspec.Raw = msgspec.Raw()
    ownership: Any = None


_JSON_DECODER = build_json_decoder_late(_JsonDocument)
_RELEASES_DECODER = build_json_decoder_late(dict[str, list[_DatedFile]])
_RAW_RELEASES_DECODER = build_json_decoder_late(dict[str, msgspec.Raw])
_JSON_FILE_DECODER = build_json_decoder_late(_JsonFile)
_SIMPLE_FILE_DECODER = build_json_decoder_late(_SimpleFile)


def _read_releases(document: _JsonDocument) -> dict[str, _VersionRow]:
    """Return a row for each version; only for the version shown if a mirror omits ``releases``."""
    texts: dict[str, str] = {}
    files_by_version = decode_optional(_RELEASES_DECODER, document.releases)
    if files_by_version:
        return {
            version: _read_release(version, files, texts, empty_flag=EMPTY)
            for version, files in files_by_version.items()
            if is_version(version)
        }
    releases = decode_optional(_RAW_RELEASES_DECODER, document.releases)
    if not releases and is_version(document.info.version):
        releases = {document.info.version: document.urls}
    return {
        version: _read_release(
            version, [*decode_list(_JSON_FILE_DECODER, raw)], texts, empty_flag=EMPTY if split_list(raw) == [] else 0
        )
        for version, raw in (releases or {}).items()
        if is_version(version)
    }


def _read_release(
    version: str, files: Sequence[_JsonFile | _DatedFile], texts: dict[str, str], *, empty_flag: int
) -> _VersionRow:
    """Return the row of one version; ``texts`` keeps cleaned texts, as most versions have the same."""
    flags = (PRERELEASE if get_ecosystem(PYPI).is_prerelease(version) else 0) | (0 if files else empty_flag)
    requires_python, is_yanked = "", bool(files)
    for file in files:
        flags |= _classify_file(file.filename, file.packagetype)
        if is_yanked:
            is_yanked = file.yanked is True or isinstance(file.yanked, str)
        if not requires_python and isinstance(file.requires_python, str):
            if file.requires_python not in texts:
                texts[file.requires_python] = clean_text(file.requires_python, MAX_SPECIFIER)
            requires_python = texts[file.requires_python]
    if not is_yanked:
        return _VersionRow(_find_first_upload(files), flags, requires_python)
    reasons = (_read_yank_reason(file.yanked, file.yanked_reason) for file in files)
    return _VersionRow(_find_first_upload(files), flags | YANKED, requires_python, next(filter(None, reasons), ""))


def _find_first_upload(files: Sequence[_JsonFile | _DatedFile]) -> int:
    """Return when the first file was uploaded, in epoch seconds UTC; 0 if no file states it."""
    first: datetime | None = None
    with suppress(TypeError):  # times with and without a zone
        for file in files:
            time = file.upload_time_iso_8601
            if not isinstance(time, datetime):
                break
            if first is None or time < first:
                first = time
        else:
            if seconds := to_epoch_seconds(first):
                return seconds
    return min(filter(None, map(_read_upload_time, files)), default=0)


def _read_upload_time(file: _JsonFile | _DatedFile) -> int:
    time = file.upload_time_iso_8601
    stated = to_epoch_seconds(time) if isinstance(time, datetime) else parse_timestamp(time)
    return stated or parse_timestamp(file.upload_time)


class _ProjectJsonSource:
    """The project JSON: the metadata of the newest version, who can publish, and every version with its files."""

    name = "pypi-json"
    label = _INFO.label
    kind = ProjectJson
    max_age = _INFO.max_age
    absent_max_age = _INFO.absent_max_age
    limit = _MAX_BYTES
    probe = False
    initial_concurrency = REGISTRY_CONCURRENCY

    def requests(self, subjects: Sequence[Package], endpoint: Endpoint) -> Iterator[Request[Package]]:
        """Yield one request for each project."""
        for package in subjects:
            yield Request(url=f"{endpoint.url}/pypi/{package.url_segment}/json", subjects=(package,), endpoint=endpoint)

    def parse(self, request: Request[Package], response: Response) -> Iterator[tuple[Package, ProjectJson | None]]:
        """Parse one project; status 404 means unknown, deleted or in quarantine."""
        [package] = request.subjects
        if response.status in {HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.GONE}:
            raise EndpointMissingError("this index has no project JSON")
        yield (
            package,
            None
            if response.status == HTTPStatus.NOT_FOUND
            else _read_project_json(package, decode_json(_JSON_DECODER, response.body)),
        )


def _read_project_json(package: Package, document: _JsonDocument) -> ProjectJson:
    info = document.info
    rows = _read_releases(document)
    if not rows or not _is_same_package(package, info.name):
        raise ResponseError("the project JSON describes another project, or no version")
    shown_version = info.version if is_version(info.version) else ""
    metadata = read_metadata(info, shown_version, read_advisories(document.vulnerabilities))
    package_info = PackageInfo(
        name=package.name,
        tags={"latest": shown_version} if shown_version else {},
        inactive=metadata.inactive,
        **_build_columns(rows, get_ecosystem(PYPI).sort_newest_first(rows)),
        **read_ownership(document.ownership),
    )
    return ProjectJson(
        package_info,
        metadata,
        _collect_yank_reasons(rows),
    )


class _ReleaseJsonSource:
    """The JSON of one release: metadata and advisories. Requested only for versions in the project JSON."""

    name = "pypi-release"
    label = _INFO.label
    kind = Metadata
    max_age = _INFO.max_age
    absent_max_age = _INFO.absent_max_age
    limit = _MAX_BYTES
    probe = True
    initial_concurrency = REGISTRY_CONCURRENCY

    def requests(self, subjects: Sequence[Release], endpoint: Endpoint) -> Iterator[Request[Release]]:
        """Yield one request for each release."""
        for release in subjects:
            url = f"{endpoint.url}/pypi/{release.package.url_segment}/{quote(release.version, safe='')}/json"
            yield Request(url=url, subjects=(release,), endpoint=endpoint)

    def parse(self, request: Request[Release], response: Response) -> Iterator[tuple[Release, Metadata | None]]:
        """Parse one release. The release exists, so a server with status 404 does not offer the endpoint."""
        [release] = request.subjects
        if response.status in {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.GONE}:
            raise EndpointMissingError("this index has no JSON for single releases")
        document = decode_json(_JSON_DECODER, response.body)
        version = document.info.version
        if not _is_same_package(release.package, document.info.name) or (
            isinstance(version, str) and not get_ecosystem(PYPI).is_same_version(version, release.version)
        ):
            raise ResponseError("the release JSON describes another release")
        yield release, read_metadata(document.info, release.version, read_advisories(document.vulnerabilities))


# --- the simple API ------------------------------------------------------------------------------------------------

_STATUSES: Final = frozenset({"active", "archived", "deprecated", "quarantined"})
_API_VERSION = compile_late(r"1\.(\d{1,4})")
#: Minor version of the simple API that introduced the status marker (PEP 792).
_API_WITH_STATUS: Final = 4


class _SimpleDocument(msgspec.Struct, rename="kebab"):
    files: msgspec.Raw
    name: Any = None
    versions: Any = None
    meta: Any = None
    project_status: Any = None


_SIMPLE_DECODER = build_json_decoder_late(_SimpleDocument)


def _read_status(marker: object, api_version: object) -> str | None:
    """Return the status of a project; ``active`` if an index supports the marker and omits it."""
    if isinstance(marker, str):
        return marker if marker in _STATUSES else None
    match = _API_VERSION.fullmatch(api_version) if isinstance(api_version, str) else None
    return "active" if match and int(match[1]) >= _API_WITH_STATUS else None


def _build_listing(
    package: Package,
    files: Sequence[_SimpleFile],
    listed_versions: Iterable[str],
    *,
    status: str | None,
    has_provenance: bool,
) -> SimpleListing:
    """Return the listing of the files; ``listed_versions`` are included even without files."""
    by_version: dict[str, list[_SimpleFile]] = {version: [] for version in listed_versions}
    file_versions = _FileVersions(by_version)
    for file in files:
        by_version.setdefault(file_versions.find_version(file.filename), []).append(file)
    empty_flag = 0 if by_version.pop("", None) else EMPTY  # a file without a version may be of any version
    rows = {
        version: _build_row(version, [_read_simple_file(simple_file) for simple_file in group], empty_flag=empty_flag)
        for version, group in by_version.items()
    }
    package_info = PackageInfo(
        name=package.name,
        status=status,
        has_attestation_data=has_provenance,
        **_build_columns(rows, get_ecosystem(PYPI).sort_newest_first(rows)),
    )
    sdist_pattern, attested_rows = _build_sdist_pattern(package.name), defaultdict[str, list[int]](list)
    for row, version in enumerate(package_info.versions):
        pattern = _find_attested_pattern(version, by_version[version], sdist_pattern)
        if pattern is not None and pattern != sdist_pattern:
            attested_rows[pattern].append(row)
    return SimpleListing(
        package_info, _collect_yank_reasons(rows), {pattern: tuple(group) for pattern, group in attested_rows.items()}
    )


#: Valid names of files.
_FILE_NAME = compile_late(r"[0-9A-Za-z][0-9A-Za-z.+!_-]{0,254}", re.ASCII)


def _build_sdist_pattern(name: str) -> str:
    """Return the usual name of source archives, with ``*`` for the version (PyPA, source distributions)."""
    return f"{name.replace('-', '_')}-*.tar.gz"


def _find_attested_pattern(version: str, files: Iterable[_SimpleFile], sdist_pattern: str) -> str | None:
    """Return the name of an attested file, preferably the usual one; None without any, "" for no valid name."""
    names = [file.filename for file in files if isinstance(file.provenance, str) and file.provenance]
    if not names:
        return None
    patterns = {name.replace(version, "*", 1) for name in names if _FILE_NAME.fullmatch(name)}
    return (
        sdist_pattern
        if sdist_pattern in patterns
        else min(patterns, key=lambda pattern: (len(pattern), pattern), default="")
    )


def find_attested_file(version: str, simple: Fact[SimpleListing]) -> str:
    """Return the name of an attested file of this version; empty without one."""
    if not isinstance(simple, Found) or simple.value.attested_rows is None:
        return ""
    package_info = simple.value.package_info
    spelling = (
        version
        if version in package_info.versions
        else _map_spellings(package_info.versions).get(canonicalize_version(version))
    )
    row = package_info.versions.index(spelling) if spelling is not None else -1
    if spelling is None or not package_info.flags[row] & ATTESTED:
        return ""
    pattern = next(
        (candidate for candidate, rows in simple.value.attested_rows.items() if row in rows),
        _build_sdist_pattern(package_info.name),
    )
    return pattern.replace("*", spelling)


class _FileVersions:
    """Maps names of files to versions, in the spelling of the index."""

    def __init__(self, versions: Iterable[str]) -> None:
        self._versions = frozenset(versions)
        self._spellings: dict[str, str] | None = None
        self._cache: dict[str, str] = {}

    def find_version(self, filename: object) -> str:
        """Return the version; empty for a name without one, and for anything else."""
        if not isinstance(filename, str):
            return ""
        raw = _extract_version(filename)
        if raw in self._versions:
            return raw
        if raw not in self._cache:
            self._cache[raw] = self._parse_version(filename)
        return self._cache[raw]

    def _parse_version(self, filename: str) -> str:
        try:
            parse = parse_wheel_filename if filename.endswith(".whl") else parse_sdist_filename
            version = str(parse(filename)[1])
        except (InvalidWheelFilename, InvalidSdistFilename, ValueError):
            return ""
        if self._spellings is None:
            self._spellings = _map_spellings(self._versions)
        return self._spellings.get(canonicalize_version(version), version if is_version(version) else "")


def _map_spellings(versions: Iterable[str]) -> dict[str, str]:
    """Return the spelling of each version by its canonical form."""
    return {canonicalize_version(version): version for version in versions}


def _extract_version(filename: str) -> str:
    """Return the part of a filename that is the version (PyPA, binary and source distribution formats)."""
    if filename.endswith((".whl", ".egg")):
        return next(iter(filename.split("-", 2)[1:2]), "").removesuffix(".egg")
    stem = next((filename[: -len(suffix)] for suffix in _SDIST_SUFFIXES if filename.endswith(suffix)), "")
    return stem.rpartition("-")[2]


def _read_simple_json(package: Package, body: bytes) -> SimpleListing:
    document = decode_json(_SIMPLE_DECODER, body)
    files = decode_list(_SIMPLE_FILE_DECODER, document.files)
    meta = document.meta if isinstance(document.meta, dict) else {}
    status = document.project_status
    if split_list(document.files) is None or not _is_same_package(package, document.name):
        raise ResponseError("the simple API describes another project, or no files")
    return _build_listing(
        package,
        files,
        (version for version in document.versions if is_version(version))
        if isinstance(document.versions, list)
        else (),
        status=_read_status(status.get("status") if isinstance(status, dict) else None, meta.get("api-version")),
        has_provenance=any(file.provenance is not UNSET for file in files),
    )


def _read_simple_html(package: Package, body: bytes) -> SimpleListing:
    from nerq_cli.sources.registries.simple_html import read_page

    page = read_page(body.decode(errors="replace"))
    files = [
        _SimpleFile(anchor.filename, None, anchor.requires_python, anchor.yanked, anchor.provenance)
        for anchor in page.anchors
    ]
    api_version = page.meta_tags.get("pypi:repository-version")
    status = _read_status(page.meta_tags.get("pypi:project-status"), api_version)
    listing = _build_listing(package, files, (), status=status, has_provenance=page.has_provenance)
    if api_version is None and not listing.package_info.versions:
        raise ResponseError("the answer is a web page, but not one of a package index")
    return listing


#: Redirects; those to another server are not followed.
_REDIRECT_STATUSES: Final = frozenset(
    {
        HTTPStatus.MOVED_PERMANENTLY,
        HTTPStatus.FOUND,
        HTTPStatus.SEE_OTHER,
        HTTPStatus.TEMPORARY_REDIRECT,
        HTTPStatus.PERMANENT_REDIRECT,
    }
)


class _SimpleSource:
    """The simple API: dates, yanks, status and provenance of all files. A mirror may send the HTML form."""

    name = "pypi-simple"
    label = _INFO.label
    kind = SimpleListing
    max_age = _INFO.max_age
    absent_max_age = _INFO.absent_max_age
    limit = _MAX_BYTES
    probe = False
    initial_concurrency = REGISTRY_CONCURRENCY
    extra_statuses = _REDIRECT_STATUSES

    def requests(self, subjects: Sequence[Package], endpoint: Endpoint) -> Iterator[Request[Package]]:
        """Yield one request for each project, which prefers JSON to HTML."""
        accept = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
        for package in subjects:
            yield Request(
                url=f"{endpoint.simple_url}/{package.url_segment}/",
                subjects=(package,),
                accept=accept,
                endpoint=endpoint,
            )

    def parse(self, request: Request[Package], response: Response) -> Iterator[tuple[Package, SimpleListing | None]]:
        """Parse one project; a project in quarantine is listed without files."""
        [package] = request.subjects
        if response.status == HTTPStatus.METHOD_NOT_ALLOWED:
            raise EndpointMissingError("this index has no simple API")
        if response.location:
            yield package, _read_referral(package, response)
            return
        if response.status in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
            yield package, None
        elif _is_html(response):
            yield package, _read_simple_html(package, response.body)
        else:
            yield package, _read_simple_json(package, response.body)


def _read_referral(package: Package, response: Response) -> SimpleListing:
    """Return the listing of a project that an index refers to the public one for, as pypiserver does.

    Raises:
        ResponseError: it refers to another server, which is not followed.
    """
    server = get_server(response.location)
    if server != get_public_registry_url(PYPI):
        host = server.rpartition("/")[2] or "nowhere"
        raise ResponseError(f"redirects to {host}, which is not followed")
    return SimpleListing(PackageInfo(name=package.name), referred_server=server)


def _is_html(response: Response) -> bool:
    content_type = response.content_type.lower()
    return "html" in content_type or ("json" not in content_type and response.body.lstrip()[:1] == b"<")


#: In place of the project JSON of an index that does not offer it.
NO_PROJECT_JSON: Final = Unknown("this index has no project JSON", _INFO.label)

PROJECT_JSON: Final[Source[Package, ProjectJson]] = _ProjectJsonSource()
RELEASE_JSON: Final[Source[Release, Metadata]] = _ReleaseJsonSource()
SIMPLE_API: Final[Source[Package, SimpleListing]] = _SimpleSource()


# --- combined answers ----------------------------------------------------------------------------------------------


def merge_package_info(simple: Fact[SimpleListing], json: Fact[ProjectJson]) -> Fact[PackageInfo]:
    """Return the package info of both answers, or of one. A project that the simple API does not list is Absent.

    Only the simple API distinguishes a project in quarantine from one that does not exist.
    """
    if isinstance(simple, Found):
        if isinstance(json, Found):
            merged_info = _merge_tables(simple.value.package_info, json.value.package_info)
            return Found(merged_info, simple.source, min(simple.retrieved_at, json.retrieved_at))
        return Found(simple.value.package_info, simple.source, simple.retrieved_at)
    if isinstance(json, Found):
        return Found(json.value.package_info, json.source, json.retrieved_at)
    return simple


def _merge_tables(simple_info: PackageInfo, json_info: PackageInfo) -> PackageInfo:
    """Return the rows, status and provenance of the listing, completed from the project JSON."""
    changes = {
        "tags": json_info.tags,
        "publishers": json_info.publishers,
        "publisher_tags": json_info.publisher_tags,
        "organisation": json_info.organisation,
        "inactive": json_info.inactive,
    }
    if simple_info.versions != json_info.versions or 0 in simple_info.published:
        changes |= _merge_rows(simple_info, json_info)
    return msgspec.structs.replace(simple_info, **changes)


def merge_listings(listings: Sequence[SimpleListing]) -> SimpleListing:
    """Return one listing of the versions of all, as pip sees them; of a version in several the first one counts."""
    first = listings[0]
    if len(listings) == 1:
        return first
    rows: dict[str, _VersionRow] = {}
    reasons: dict[str, str] = {}
    spellings: dict[str, str] = {}
    for listing in listings:
        for version, row in _split_rows(listing.package_info).items():
            canonical = canonicalize_version(version)
            if canonical not in spellings:
                spellings[canonical] = version
                rows[version] = row
                reasons |= {version: listing.yank_reasons[version]} if version in listing.yank_reasons else {}
    package_info = PackageInfo(
        name=first.package_info.name,
        status=first.package_info.status,
        has_attestation_data=first.package_info.has_attestation_data,
        **_build_columns(rows, get_ecosystem(PYPI).sort_newest_first(rows)),
    )
    return SimpleListing(package_info, reasons, _move_attested_rows(first, package_info.versions))


def _move_attested_rows(listing: SimpleListing, versions: Sequence[str]) -> dict[str, tuple[int, ...]] | None:
    """Return the attested rows of a listing by the numbers that its versions have among ``versions``."""
    if listing.attested_rows is None:
        return None
    numbers = {version: number for number, version in enumerate(versions)}
    return {
        pattern: tuple(numbers[listing.package_info.versions[row]] for row in rows)
        for pattern, rows in listing.attested_rows.items()
    }


def _split_rows(package_info: PackageInfo) -> dict[str, _VersionRow]:
    requires_python = (package_info.interpreters[index] for index in package_info.interpreter_indexes)
    return dict(
        zip(
            package_info.versions,
            map(_VersionRow, package_info.published, package_info.flags, requires_python),
            strict=True,
        )
    )


def _merge_rows(simple_info: PackageInfo, json_info: PackageInfo) -> dict[str, Any]:
    """Return the columns of both tables; the HTML form has no dates, and other spellings of versions."""
    rows = _split_rows(json_info)
    simple_rows = _split_rows(simple_info)
    spellings = {} if simple_rows.keys() <= rows.keys() else _map_spellings(rows)
    for version, row in simple_rows.items():
        spelling = (
            version if version in rows or not spellings else spellings.get(canonicalize_version(version), version)
        )
        json_row = rows.get(spelling, row)
        has_files = row.flags & (WHEEL | SDIST)
        rows[spelling] = _VersionRow(
            row.upload_time or json_row.upload_time,
            row.flags if has_files else row.flags | json_row.flags,
            row.requires_python or json_row.requires_python,
        )
    return _build_columns(
        rows,
        json_info.versions if len(rows) == len(json_info.versions) else get_ecosystem(PYPI).sort_newest_first(rows),
    )


def read_row_metadata(version: str, fact: Fact[SimpleListing] | Fact[ProjectJson]) -> Found[Metadata] | None:
    """Return the metadata of a version in a table of versions; None if the table does not list it."""
    if not isinstance(fact, Found) or version not in fact.value.package_info.versions:
        return None
    package_info = fact.value.package_info
    index = package_info.versions.index(version)
    metadata = Metadata(
        version=version,
        required_interpreter=package_info.interpreters[package_info.interpreter_indexes[index]],
        yanked=bool(package_info.flags[index] & YANKED),
        yanked_reason=fact.value.yank_reasons.get(version, ""),
    )
    return Found(metadata, fact.source, fact.retrieved_at)


def explain_absence(version: str, simple: Fact[SimpleListing], json: Fact[ProjectJson]) -> Absent | Unknown:
    """Return why there is no metadata of a version."""
    package_info = merge_package_info(simple, json)
    if not isinstance(package_info, Found):
        return package_info
    if package_info.value.status == "quarantined":
        return Unknown("in quarantine: the index shows nothing of it", package_info.source)
    return Absent(package_info.source, package_info.retrieved_at, f"no version {version} is listed")


def select_advisories(
    version: str, json: Fact[ProjectJson], release: Fact[Metadata]
) -> Fact[tuple[AffectingAdvisory, ...]]:
    """Return the advisories that the index lists for this version.

    Those of the project JSON apply to the version that it shows only.
    """
    if isinstance(release, Found) and release.value.advisories is not None:
        return Found(release.value.advisories, release.source, release.retrieved_at)
    if isinstance(json, Found) and json.value.metadata.version == version:
        if json.value.metadata.advisories is not None:
            return Found(json.value.metadata.advisories, json.source, json.retrieved_at)
        return Unknown("this index lists no advisories", json.source)
    if isinstance(release, Found):
        return Unknown("this index lists no advisories", release.source)
    if isinstance(release, Unknown):
        return release if not isinstance(json, Unknown) else json
    return Unknown("the index was not requested for this version", _INFO.label)
