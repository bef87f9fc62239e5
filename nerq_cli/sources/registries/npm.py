"""npm registries: the packument of a package, and the manifest of one version.

The responses are documented in npm/registry (docs/REGISTRY-API.md, docs/responses/package-metadata.md). One packument
contains all versions, so that neither a pin nor the version that a range selects needs a second request.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from itertools import pairwise
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import msgspec
from msgspec import UNSET

from nerq_cli.decoders import build_json_decoder_late, build_msgpack_decoder_late
from nerq_cli.ecosystems import NPM, get_ecosystem
from nerq_cli.errors import ResponseError
from nerq_cli.facts import (
    ATTESTED,
    DEPRECATED,
    INSTALL_HOOK,
    NEW_PUBLISHER,
    PRERELEASE,
    Absent,
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
from nerq_cli.sources.text import (
    MAX_LICENCE,
    MAX_REASON,
    MAX_SPECIFIER,
    MAX_SUMMARY,
    clean_text,
    clean_url,
    decode_json,
    decode_optional,
    hash_account,
    is_version,
    measure_readme,
    parse_forge_url,
    parse_repository_url,
    parse_timestamp,
    select_homepage,
)
from nerq_cli.units import DAY

_INFO: Final = SOURCES["npm"]
#: Largest body in bytes. Packuments with thousands of versions have more than 10 MB.
_MAX_BYTES: Final = 25_000_000
#: Largest number of hashed publishing accounts that are kept.
_MAX_TAGS: Final = 50
_LATEST_TAG: Final = "latest"


class Packument(msgspec.Struct, frozen=True):
    """The content of a packument; equal metadata of several versions is stored once."""

    #: Encoded if the table of versions is long.
    package_info: PackageInfo | bytes
    #: The distinct metadata of the versions, encoded and without the version.
    variants: tuple[bytes, ...] = ()
    #: For each version, the index of its metadata in ``variants``.
    variant_indexes: tuple[int, ...] = ()
    #: README length of the package; see ``Metadata.readme``.
    readme: int | None = None

    def __post_init__(self) -> None:
        """Raise ``ValueError`` if the columns of the version table differ in length; called by decoders as well."""
        if isinstance(self.package_info, PackageInfo):
            self.package_info.require_columns()
            if self.variant_indexes and len(self.variant_indexes) != len(self.package_info.versions):
                raise ValueError("the metadata fit other versions")
        if self.variant_indexes and not 0 <= min(self.variant_indexes) <= max(self.variant_indexes) < len(
            self.variants
        ):
            raise ValueError("metadata of a version are missing")


#: Encoded package infos of more bytes are compressed; below that, compression costs more than it saves.
_COMPRESS_ABOVE: Final = 8_192
_PACKAGE_INFO_DECODER = build_msgpack_decoder_late(PackageInfo)
_METADATA_DECODER = build_msgpack_decoder_late(Metadata)


def _fold_packument(package_info: PackageInfo, metadata_by_row: Sequence[Metadata], readme: int | None) -> Packument:
    """Return the packument of a package and the metadata of its versions, both in the same order."""
    variants: dict[Metadata, int] = {}
    variant_indexes = tuple(variants.setdefault(metadata, len(variants)) for metadata in metadata_by_row)
    encoded = msgspec.msgpack.encode(package_info)
    return Packument(
        package_info if len(encoded) <= _COMPRESS_ABOVE else zlib.compress(encoded),
        tuple(map(msgspec.msgpack.encode, variants)),
        variant_indexes,
        readme,
    )


def _unfold_package_info(packument: Packument) -> PackageInfo:
    package_info = packument.package_info
    return (
        package_info
        if isinstance(package_info, PackageInfo)
        else _PACKAGE_INFO_DECODER.decode(zlib.decompress(package_info))
    )


# --- one version ---------------------------------------------------------------------------------------------------


class _Dist(msgspec.Struct):
    attestations: Any = UNSET
    signatures: Any = UNSET


class _VersionManifest(msgspec.Struct):
    """The fields of a manifest that are read; ``UNSET`` for a missing key."""

    name: Any = UNSET
    version: Any = UNSET
    description: Any = UNSET
    keywords: Any = UNSET
    license: Any = UNSET
    licenses: Any = UNSET
    repository: Any = UNSET
    homepage: Any = UNSET
    engines: Any = UNSET
    types: Any = UNSET
    typings: Any = UNSET
    scripts: Any = UNSET
    gypfile: Any = UNSET
    hasInstallScript: Any = UNSET  # noqa: N815 - the registry's spelling
    deprecated: Any = UNSET
    readme: Any = UNSET
    npm_user: Any = msgspec.field(name="_npmUser", default=UNSET)
    dist: msgspec.Raw = msgspec.Raw()
    maintainers: msgspec.Raw = msgspec.Raw()


_MANIFEST_DECODER = build_json_decoder_late(_VersionManifest)
_MAINTAINERS_DECODER = build_json_decoder_late(list[Any])
_DIST_DECODER = build_json_decoder_late(_Dist)

#: Scripts that npm runs when it installs a package from a registry (npm documentation, "Life Cycle Scripts").
_INSTALL_SCRIPTS: Final = ("preinstall", "install", "postinstall")
_NATIVE_BUILD: Final = "node-gyp"
#: The value that npm sets for ``scripts.install`` if a package contains ``binding.gyp`` and no install script.
_IMPLICIT_BUILD: Final = "node-gyp rebuild"
_README_PLACEHOLDER: Final = "ERROR: No README data found!"
_NO_REASON: Final = "no reason given"


def _read_metadata(manifest: _VersionManifest, *, publishers: int | None, is_complete: bool) -> Metadata:
    """Return the metadata of a manifest, without its version; with ``is_complete``, a missing field is empty."""
    default = "" if is_complete else None
    repository_url = _read_repository(manifest.repository)
    homepage = clean_url(manifest.homepage)
    if not repository_url and homepage:
        repository_url = parse_forge_url(homepage)
    return Metadata(
        version="",
        summary=_has_text(manifest.description, is_complete=is_complete),
        keywords=_has_text(manifest.keywords, is_complete=is_complete),
        typed=bool(clean_text(manifest.types, MAX_SUMMARY) or clean_text(manifest.typings, MAX_SUMMARY))
        if is_complete
        else None,
        required_interpreter=_read_node_range(manifest.engines),
        readme=_measure_readme(manifest.readme),
        homepage=default if manifest.homepage is UNSET else select_homepage(repository_url, homepage),
        repository=repository_url or (default if manifest.repository is UNSET else ""),
        licence_expression=_read_licence(manifest) or (default if manifest.license is UNSET else ""),
        deprecated=_read_deprecation(manifest.deprecated),
        hooks=_read_install_hooks(manifest),
        publishers=publishers,
        attested=_has_attestations(decode_optional(_DIST_DECODER, manifest.dist) or _Dist()),
    )


def _has_text(value: object, *, is_complete: bool) -> bool | None:
    """Whether a text or a list of texts is not empty (mirrors may join keywords with commas)."""
    if value is UNSET:
        return False if is_complete else None
    return any(clean_text(item, MAX_SUMMARY) for item in (value if isinstance(value, list) else [value]))


def _read_node_range(engines: object) -> str:
    return clean_text(engines.get("node"), MAX_SPECIFIER) if isinstance(engines, dict) else ""


def _read_repository(value: object) -> str:
    return parse_repository_url(value.get("url") if isinstance(value, dict) else value)


def _read_licence(manifest: _VersionManifest) -> str:
    """Return the licence expression; the old list of licences is a choice."""
    if text := _read_licence_entry(manifest.license):
        return text
    entries = manifest.licenses if isinstance(manifest.licenses, list) else [manifest.licenses]
    return clean_text(
        " OR ".join(dict.fromkeys(text for entry in entries if (text := _read_licence_entry(entry)))), MAX_LICENCE
    )


def _read_licence_entry(value: object) -> str:
    if isinstance(value, dict):
        value = value.get("type") or value.get("name")
    return clean_text(value, MAX_LICENCE)


def _read_deprecation(value: object) -> str:
    return _NO_REASON if value is True else clean_text(value, MAX_REASON)


def _read_install_hooks(manifest: _VersionManifest) -> tuple[str, ...]:
    """Return the names of what runs at installation: scripts, and ``node-gyp`` for a build that npm starts itself."""
    scripts = manifest.scripts if isinstance(manifest.scripts, dict) else {}
    commands = {hook: command for hook in _INSTALL_SCRIPTS if (command := clean_text(scripts.get(hook), MAX_SUMMARY))}
    if commands.get("install") == _IMPLICIT_BUILD or (manifest.gypfile is True and "install" not in commands):
        return (*(hook for hook in commands if hook != "install"), _NATIVE_BUILD)
    return tuple(commands) or (("install script",) if manifest.hasInstallScript is True else ())


def _has_attestations(dist: _Dist) -> bool | None:
    """Whether a version has attestations; None if the registry does not state signatures."""
    if isinstance(dist.attestations, dict) and dist.attestations:
        return True
    return None if dist.attestations is UNSET and dist.signatures is UNSET else False


def _measure_readme(value: object) -> int | None:
    """Return the length of a README; None without one, because the registry loses READMEs of packages."""
    text = value.strip() if isinstance(value, str) else ""
    return None if not text or text == _README_PLACEHOLDER else measure_readme(text)


# --- the packument -------------------------------------------------------------------------------------------------


class _PackumentDocument(msgspec.Struct):
    name: Any = UNSET
    tags: Any = msgspec.field(name="dist-tags", default=None)
    time: Any = UNSET
    versions: msgspec.Raw = msgspec.Raw()
    maintainers: Any = UNSET
    readme: Any = UNSET


_PACKUMENT_DECODER = build_json_decoder_late(_PackumentDocument)
_VERSIONS_DECODER = build_json_decoder_late(dict[str, msgspec.Raw])
#: Placeholder versions of packages that the registry removed for security.
_SECURITY_HOLDING = compile_late(r"0\.0\.\d+-security(?:\.\d+)?")


class _VersionRow(NamedTuple):
    flags: int
    metadata: Metadata
    #: The account that published it; None = not stated, or a trusted publisher.
    account: str | None


#: Values of the fields of a manifest that its metadata is not read from, or that are read apart from the others.
_OTHER_FIELDS: Final[dict[str, Any]] = {
    **dict.fromkeys(("name", "version", "npm_user"), UNSET),
    **dict.fromkeys(("dist", "maintainers"), msgspec.Raw()),
}


class _VersionReader:
    """Reads the versions of one packument. Most state the same, which is read once."""

    def __init__(self, *, is_complete: bool) -> None:
        self._is_complete = is_complete
        self._publisher_counts: dict[bytes, int | None] = {}
        self._metadata: dict[tuple[bytes, bytes, bool | None], Metadata] = {}

    def read(self, version: str, raw: msgspec.Raw) -> _VersionRow:
        """Read one version."""
        manifest = decode_optional(_MANIFEST_DECODER, raw) or _VersionManifest()
        metadata = self._read_metadata(manifest)
        flags = (
            (PRERELEASE if get_ecosystem(NPM).is_prerelease(version) else 0)
            | (DEPRECATED if metadata.deprecated else 0)
            | (INSTALL_HOOK if metadata.hooks else 0)
            | (ATTESTED if metadata.attested else 0)
        )
        return _VersionRow(flags, metadata, _read_publishing_account(manifest.npm_user))

    def _read_metadata(self, manifest: _VersionManifest) -> Metadata:
        maintainers = bytes(manifest.maintainers)
        if maintainers not in self._publisher_counts:
            self._publisher_counts[maintainers] = _count_maintainers(manifest.maintainers)
        publishers = self._publisher_counts[maintainers]
        attested = _has_attestations(decode_optional(_DIST_DECODER, manifest.dist) or _Dist())
        try:
            key = msgspec.json.encode(msgspec.structs.replace(manifest, **_OTHER_FIELDS)), maintainers, attested
        except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError):  # such as a number of 20 digits
            return _read_metadata(manifest, publishers=publishers, is_complete=self._is_complete)
        if key not in self._metadata:
            self._metadata[key] = _read_metadata(manifest, publishers=publishers, is_complete=self._is_complete)
        return self._metadata[key]


def _read_publishing_account(npm_user: object) -> str | None:
    """Return the account that published a version; None if not stated, or if a trusted publisher did."""
    if not isinstance(npm_user, dict) or npm_user.get("trustedPublisher"):
        return None
    name = npm_user.get("name")
    return name.strip() or None if isinstance(name, str) else None


def _find_new_publishers(timestamps: Sequence[int], rows: Sequence[_VersionRow]) -> set[int]:
    """Return the rows of versions that are the first one by their account; never the first version of the package."""
    known_accounts: set[str] = set()
    new_rows: set[int] = set()
    dated_rows = sorted((date, -row) for row, date in enumerate(timestamps) if date)
    for position, (_, negative_row) in enumerate(dated_rows):
        account = rows[-negative_row].account
        if account is not None and account not in known_accounts:
            known_accounts.add(account)
            if position:
                new_rows.add(-negative_row)
    return new_rows


def _read_packument(package: Package, document: _PackumentDocument) -> Packument:
    times = document.time if isinstance(document.time, dict) else {}
    raw_manifests = {
        version: raw
        for version, raw in (decode_optional(_VERSIONS_DECODER, document.versions) or {}).items()
        if is_version(version)
    }
    if not raw_manifests or "unpublished" in times:
        if document.name is UNSET and not times:
            raise ResponseError("the packument names neither a package nor a version")
        return Packument(PackageInfo(name=package.name, status="unpublished"))
    is_complete = document.time is not UNSET
    order = tuple(get_ecosystem(NPM).sort_newest_first(raw_manifests))
    reader = _VersionReader(is_complete=is_complete)
    rows = [reader.read(version, raw_manifests[version]) for version in order]
    package_info = _build_package_info(package, document, times, order, rows)
    return _fold_packument(package_info, [version.metadata for version in rows], _measure_readme(document.readme))


def _build_package_info(
    package: Package,
    document: _PackumentDocument,
    times: Mapping[str, object],
    order: Sequence[str],
    rows: Sequence[_VersionRow],
) -> PackageInfo:
    timestamps = tuple(parse_timestamp(times.get(version)) for version in order)
    new_publishers = _find_new_publishers(timestamps, rows)
    flags = tuple(version.flags | (NEW_PUBLISHER if row in new_publishers else 0) for row, version in enumerate(rows))
    interpreters: dict[str, int] = {}
    node_ranges = [version.metadata.required_interpreter or "" for version in rows]
    tags = _read_dist_tags(document.tags)
    publishers = _read_accounts(document.maintainers)
    return PackageInfo(
        name=package.name,
        versions=tuple(order),
        published=timestamps,
        flags=flags,
        interpreter_indexes=tuple(interpreters.setdefault(node_range, len(interpreters)) for node_range in node_ranges),
        interpreters=tuple(interpreters),
        tags=tags,
        status=_read_status(tags, order, flags),
        publishers=None if publishers is None else len(publishers),
        publisher_tags=tuple(hash_account("npm", account) for account in sorted(publishers or ()))[:_MAX_TAGS],
        has_attestation_data=any(version.metadata.attested is not None for version in rows),
        has_hook_data=True,
        has_publisher_data=any(version.account is not None for version in rows),
        date_problem=check_dates(order, timestamps, flags),
        removed=tuple(sorted(version for version in times.keys() - set(order) if is_version(version))),
    )


def _read_dist_tags(value: object) -> dict[str, str]:
    tags = value.items() if isinstance(value, dict) else ()
    return {
        tag: version for tag, version in tags if is_version(version) and tag.isprintable() and len(tag) <= MAX_SUMMARY
    }


def _read_status(tags: Mapping[str, str], order: Sequence[str], flags: Sequence[int]) -> str:
    """Return the status of the latest version; without that tag, of the newest final version."""
    final_versions = (version for version, flag in zip(order, flags, strict=True) if not flag & PRERELEASE)
    latest = tags.get(_LATEST_TAG) or next(final_versions, order[0])
    if _SECURITY_HOLDING.fullmatch(latest):
        return "security-holding"
    return "deprecated" if latest in order and flags[order.index(latest)] & DEPRECATED else "active"


def _count_maintainers(raw: msgspec.Raw) -> int | None:
    """Return the number of accounts in a list of maintainers; None if not stated."""
    maintainers = decode_optional(_MAINTAINERS_DECODER, raw)
    accounts = _read_accounts(maintainers)
    return None if accounts is None else len(accounts)


def _read_accounts(maintainers: object) -> set[str] | None:
    """Return the accounts that can publish, from objects or ``name <address>``; None if not stated."""
    if not isinstance(maintainers, list):
        return None
    names = (maintainer.get("name") if isinstance(maintainer, dict) else maintainer for maintainer in maintainers)
    return {name.partition("<")[0].strip() for name in names if isinstance(name, str) and name.strip()}


# --- plausibility of dates -----------------------------------------------------------------------------------------

#: Dates are implausible with at least so many contradictions, if these are at least ``_MIN_SHARE`` of all steps.
_MIN_CONTRADICTIONS: Final = 2
_MIN_SHARE: Final = 0.1
_FINAL_VERSION = compile_late(r"(\d{1,9})\.(\d{1,9})\.(\d{1,9})")


def check_dates(order: Sequence[str], timestamps: Sequence[int], flags: Sequence[int]) -> str:
    """Return why the dates are implausible; empty if they are not.

    Compares each final version with the one before it in the same release line (1.2.3 with 1.2.2) and each line's
    first version with that of the line before (1.3.0 with 1.2.0; 2.0.0 with 1.0.0). Maintainers publish fixes for old
    lines after the start of new ones, but rarely a version before its predecessor in the same line: fewer than one
    step in ten is reversed in real histories, and every second one with dates in random order. Less than a day counts
    as the same time, because the oldest entries of the registry were imported without an order.
    """
    dates: dict[tuple[int, int, int], int] = {}
    for version, date, flag in zip(order, timestamps, flags, strict=True):
        if date and not flag & PRERELEASE and (match := _FINAL_VERSION.fullmatch(version)):
            dates[int(match[1]), int(match[2]), int(match[3])] = date
    steps = list(_iter_date_steps(sorted(dates.items())))
    contradictions = sum(next_date + DAY < previous_date for previous_date, next_date in steps)
    if contradictions < _MIN_CONTRADICTIONS or contradictions < _MIN_SHARE * len(steps):
        return ""
    return f"its dates contradict the order of its versions ({contradictions} of {len(steps)})"


def _iter_date_steps(history: Sequence[tuple[tuple[int, int, int], int]]) -> Iterator[tuple[int, int]]:
    """Yield the dates of each version and its predecessor."""
    first_dates: dict[tuple[int, ...], int] = {}
    for (previous_version, previous_date), (next_version, next_date) in pairwise(history):
        if previous_version[:2] == next_version[:2]:
            yield previous_date, next_date
    for version, date in history:
        for line in (version[:1], version[:2]):
            first_dates.setdefault(line, date)
    for width in (1, 2):
        lines = [(line, date) for line, date in first_dates.items() if len(line) == width]
        yield from (
            (first_date, second_date)
            for (previous_line, first_date), (next_line, second_date) in pairwise(lines)
            if previous_line[:-1] == next_line[:-1]
        )


# --- the sources ---------------------------------------------------------------------------------------------------


def _build_package_url(package: Package, endpoint: Endpoint) -> str:
    """Return the URL of a package; like npm, it keeps the @ of a scope and encodes its slash."""
    return f"{endpoint.url}/{quote(package.name, safe='@/').replace('/', '%2f')}"


class _PackumentSource:
    """The packument in its full form: dates, maintainers, README, and the manifests of all versions."""

    name = "npm-packument"
    label = _INFO.label
    kind = Packument
    max_age = _INFO.max_age
    absent_max_age = _INFO.absent_max_age
    limit = _MAX_BYTES
    probe = False
    initial_concurrency = REGISTRY_CONCURRENCY

    def requests(self, subjects: Sequence[Package], endpoint: Endpoint) -> Iterator[Request[Package]]:
        """Yield one request for each package."""
        for package in subjects:
            yield Request(url=_build_package_url(package, endpoint), subjects=(package,), endpoint=endpoint)

    def parse(self, request: Request[Package], response: Response) -> Iterator[tuple[Package, Packument | None]]:
        """Parse one package. Some registries send the date of unpublishing with status 404."""
        [package] = request.subjects
        if response.status == HTTPStatus.METHOD_NOT_ALLOWED:
            raise ResponseError("the registry rejects this name")
        if response.status in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
            yield package, _read_unpublished(package, response.body)
            return
        document = decode_json(_PACKUMENT_DECODER, response.body)
        _check_name(package, document.name)
        yield package, _read_packument(package, document)


def _read_unpublished(package: Package, body: bytes) -> Packument | None:
    document = decode_optional(_PACKUMENT_DECODER, body)
    is_unpublished = document and isinstance(document.time, dict) and "unpublished" in document.time
    return Packument(PackageInfo(name=package.name, status="unpublished")) if is_unpublished else None


def _check_name(package: Package, name: object) -> None:
    if isinstance(name, str) and name != package.name:
        raise ResponseError("the answer is about another package")


class _VersionManifestSource:
    """The manifest of one version, for packages whose packument is too large or missing."""

    name = "npm-manifest"
    label = _INFO.label
    kind = Metadata
    max_age = _INFO.max_age
    absent_max_age = _INFO.absent_max_age
    limit = _MAX_BYTES
    probe = False
    initial_concurrency = REGISTRY_CONCURRENCY

    def requests(self, subjects: Sequence[Release], endpoint: Endpoint) -> Iterator[Request[Release]]:
        """Yield one request for each version."""
        for release in subjects:
            url = f"{_build_package_url(release.package, endpoint)}/{quote(release.version, safe='')}"
            yield Request(url=url, subjects=(release,), endpoint=endpoint)

    def parse(self, request: Request[Release], response: Response) -> Iterator[tuple[Release, Metadata | None]]:
        """Parse one version."""
        [release] = request.subjects
        if response.status == HTTPStatus.METHOD_NOT_ALLOWED:
            raise ResponseError("the registry rejects this name")
        if response.status in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
            yield release, None
            return
        manifest = decode_json(_MANIFEST_DECODER, response.body)
        _check_name(release.package, manifest.name)
        if manifest.version != release.version:
            raise ResponseError("the manifest is of another version")
        publishers = _count_maintainers(manifest.maintainers)
        metadata = _read_metadata(manifest, publishers=publishers, is_complete=True)
        yield release, msgspec.structs.replace(metadata, version=release.version)


class _LatestSource:
    """The version with the tag ``latest``, which installers choose by default."""

    name = "npm-latest"
    label = _INFO.label
    kind = str
    max_age = _INFO.max_age
    absent_max_age = _INFO.absent_max_age
    limit = _MAX_BYTES
    probe = False
    initial_concurrency = REGISTRY_CONCURRENCY

    def requests(self, subjects: Sequence[Package], endpoint: Endpoint) -> Iterator[Request[Package]]:
        """Yield one request for each package."""
        for package in subjects:
            yield Request(
                url=f"{_build_package_url(package, endpoint)}/{_LATEST_TAG}", subjects=(package,), endpoint=endpoint
            )

    def parse(self, request: Request[Package], response: Response) -> Iterator[tuple[Package, str | None]]:
        """Parse the version."""
        [package] = request.subjects
        if response.status == HTTPStatus.METHOD_NOT_ALLOWED:
            raise ResponseError("the registry rejects this name")
        if response.status in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
            yield package, None
            return
        manifest = decode_json(_MANIFEST_DECODER, response.body)
        _check_name(package, manifest.name)
        if not is_version(manifest.version):
            raise ResponseError("the manifest is of no version")
        yield package, manifest.version


PACKUMENT: Final[Source[Package, Packument]] = _PackumentSource()
VERSION_MANIFEST: Final[Source[Release, Metadata]] = _VersionManifestSource()
LATEST: Final[Source[Package, str]] = _LatestSource()


# --- combined answers ----------------------------------------------------------------------------------------------


def read_package_info(packument: Fact[Packument]) -> Fact[PackageInfo]:
    """Return the package info of a packument."""
    if isinstance(packument, Found):
        return Found(_unfold_package_info(packument.value), packument.source, packument.retrieved_at)
    return packument


def merge_metadata(
    version: str, packument: Fact[Packument], manifest: Fact[Metadata], *, is_listed: bool = True
) -> Fact[Metadata]:
    """Return the metadata of one version from the packument, or else from its own manifest.

    Without ``is_listed`` both give the same: what belongs to the whole package, its README, is left out.
    """
    if not isinstance(packument, Found):
        prefers_manifest = isinstance(manifest, Found) or (
            isinstance(packument, Unknown) and isinstance(manifest, Absent)
        )
        return manifest if prefers_manifest else packument
    versions = _unfold_package_info(packument.value).versions
    if version not in versions:
        return Absent(packument.source, packument.retrieved_at, f"no version {version} is listed")
    encoded = packument.value.variants[packument.value.variant_indexes[versions.index(version)]]
    version_metadata = msgspec.structs.replace(_METADATA_DECODER.decode(encoded), version=version)
    if is_listed and version_metadata.readme is None:
        version_metadata = msgspec.structs.replace(version_metadata, readme=packument.value.readme)
    return Found(version_metadata, packument.source, packument.retrieved_at)
