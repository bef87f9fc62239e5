"""What the author of one release states about it: summary, author, keywords, and the digests of its files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from nerq_cli.decoders import build_json_decoder_late
from nerq_cli.ecosystems import NPM, PYPI, EcosystemId, get_ecosystem, normalise_name
from nerq_cli.errors import EndpointMissingError, ResponseError
from nerq_cli.facts import ReleaseFile, ReleaseProfile
from nerq_cli.fetch.source import Endpoint, Request, Response, Source
from nerq_cli.inventory import Release
from nerq_cli.patterns import compile_late
from nerq_cli.sources import SOURCES
from nerq_cli.sources.text import MAX_REASON, MAX_SUMMARY, clean_text, clean_url, decode_json

_INFO: Final = SOURCES["pypi"]
#: Largest body in bytes.
_MAX_BYTES: Final = 25_000_000
#: Items of a list that are kept, and files of a release; PyPI has releases with more than a hundred.
_MAX_ITEMS: Final = 12
_MAX_FILES: Final = 200
_DECODER = build_json_decoder_late(dict[str, Any])
_SHA256: Final = compile_late(r"[0-9a-f]{64}")
_INTEGRITY: Final = compile_late(r"sha512-[A-Za-z0-9+/=]{20,100}")
#: An e-mail address, with the brackets around it.
_EMAIL: Final = compile_late(r"<[^<>]{0,200}>|\([^()]{0,200}\)|[^\s<>,@]{1,80}@[^\s<>,@]{1,200}")
_AUTHORS: Final = ("author", "author_email", "maintainer", "maintainer_email")
_TOPICS: Final = ("Topic :: ", "Intended Audience :: ")
_STATUS: Final = "Development Status :: "
_ABSENT: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.GONE})


class _ProfileSource:
    """The profile of a release. A score does without it: only pages about one target have a use for it."""

    name = "release-profile"
    label = "release pages"
    kind = ReleaseProfile
    max_age = _INFO.max_age
    absent_max_age = _INFO.absent_max_age
    limit = _MAX_BYTES
    probe = True
    time_limits = _INFO.time_limits

    def requests(self, subjects: Sequence[Release], endpoint: Endpoint) -> Iterator[Request[Release]]:
        """Yield one request for each release."""
        for release in subjects:
            version = quote(release.version, safe="")
            if release.package.registry_api == "npm":
                url = f"{endpoint.url}/{release.package.url_segment}/{version}"
            else:
                url = f"{endpoint.url}/pypi/{release.package.url_segment}/{version}/json"
            yield Request(url=url, subjects=(release,), endpoint=endpoint)

    def parse(self, request: Request[Release], response: Response) -> Iterator[tuple[Release, ReleaseProfile | None]]:
        """Parse one release. The release exists, so a server with status 404 does not offer the endpoint."""
        [release] = request.subjects
        if response.status in _ABSENT:
            raise EndpointMissingError("this registry has no JSON for single releases")
        document = decode_json(_DECODER, response.body)
        is_npm = release.package.registry_api == "npm"
        info = document if is_npm else document.get("info")
        if not isinstance(info, dict) or not _is_about(info, release):
            raise ResponseError("the answer describes another release")
        yield release, _read_npm(info) if is_npm else _read_pypi(info, document.get("urls"))


class _ProjectProfileSource(_ProfileSource):
    """The same from the page of the project, for indexes without pages of releases: as another version states it."""

    name = "project-profile"
    probe = False

    def requests(self, subjects: Sequence[Release], endpoint: Endpoint) -> Iterator[Request[Release]]:
        """Yield one request for each release."""
        for release in subjects:
            url = f"{endpoint.url}/pypi/{release.package.url_segment}/json"
            yield Request(url=url, subjects=(release,), endpoint=endpoint)

    def parse(self, request: Request[Release], response: Response) -> Iterator[tuple[Release, ReleaseProfile | None]]:
        """Parse the page of a project; the files are those of the release."""
        [release] = request.subjects
        if response.status in _ABSENT:
            yield release, None
            return
        document = decode_json(_DECODER, response.body)
        info, releases = document.get("info"), document.get("releases")
        if not isinstance(info, dict) or normalise_name(PYPI, f"{info.get('name')}") != release.package.name:
            raise ResponseError("the answer describes another project")
        files = releases.get(release.version) if isinstance(releases, dict) else None
        yield release, _read_pypi(info, files)


RELEASE_PROFILE: Final[Source[Release, ReleaseProfile]] = _ProfileSource()
PROJECT_PROFILE: Final[Source[Release, ReleaseProfile]] = _ProjectProfileSource()


def _is_about(info: dict[str, Any], release: Release) -> bool:
    name, version = info.get("name"), info.get("version")
    if not isinstance(name, str) or not isinstance(version, str):
        return False
    ecosystem: EcosystemId = NPM if release.package.registry_api == "npm" else PYPI
    is_same = get_ecosystem(ecosystem).is_same_version(version, release.version)
    return normalise_name(ecosystem, name) == release.package.name and is_same


def _read_pypi(info: dict[str, Any], files: object) -> ReleaseProfile:
    classifiers = _read_list(info.get("classifiers"), limit=_MAX_FILES)
    requirements = info.get("requires_dist")
    statuses = [item.removeprefix(_STATUS) for item in classifiers if item.startswith(_STATUS)]
    keywords = clean_text(info.get("keywords"), MAX_REASON)
    return ReleaseProfile(
        version=clean_text(info.get("version"), MAX_SUMMARY),
        summary=_read_text(info.get("summary")),
        author=_read_author([info.get(key) for key in _AUTHORS]),
        keywords=_split_keywords(keywords),
        topics=tuple(item for item in classifiers if item.startswith(_TOPICS))[:_MAX_ITEMS],
        status=statuses[0].partition(" - ")[2] if statuses else "",
        files=tuple(_iter_files(files)),
        dependencies=sum("extra ==" not in f"{item}" for item in requirements)
        if isinstance(requirements, list)
        else (0 if requirements is None and "requires_dist" in info else None),
    )


def _split_keywords(text: str) -> tuple[str, ...]:
    separator = "," if "," in text else None
    return tuple(dict.fromkeys(filter(None, map(str.strip, text.split(separator)))))[:_MAX_ITEMS]


def _iter_files(files: object) -> Iterator[ReleaseFile]:
    for item in files[:_MAX_FILES] if isinstance(files, list) else ():
        name = clean_text(item.get("filename"), MAX_SUMMARY) if isinstance(item, dict) else ""
        if name:
            digests = item.get("digests")
            digest = clean_text(digests.get("sha256"), MAX_SUMMARY) if isinstance(digests, dict) else ""
            yield ReleaseFile(name, digest if _SHA256.fullmatch(digest) else "", clean_url(item.get("url")))


def _read_npm(info: dict[str, Any]) -> ReleaseProfile:
    dist = info.get("dist")
    integrity = clean_text(dist.get("integrity"), MAX_SUMMARY) if isinstance(dist, dict) else ""
    address = dist.get("tarball") if isinstance(dist, dict) else None
    name = clean_text(address, MAX_REASON).rpartition("/")[2] if isinstance(address, str) else ""
    digest = integrity if _INTEGRITY.fullmatch(integrity) else ""
    dependencies, stated = info.get("dependencies", {}), info.get("keywords")
    return ReleaseProfile(
        version=clean_text(info.get("version"), MAX_SUMMARY),
        summary=_read_text(info.get("description")),
        author=_read_author([info.get("author")]),
        keywords=_split_keywords(clean_text(stated, MAX_REASON))
        if isinstance(stated, str)
        else tuple(_read_list(stated, limit=_MAX_ITEMS)),
        files=(ReleaseFile(name, digest, clean_url(address)),) if name else (),
        dependencies=len(dependencies) if isinstance(dependencies, dict) else None,
    )


def _read_text(value: object) -> str:
    text = clean_text(value, MAX_REASON)
    return "" if text == "UNKNOWN" else text


def _read_author(values: Sequence[object]) -> str:
    """Return the first name of an author; of an object (npm) its name. Addresses of persons are left out."""
    texts = [_read_text(value.get("name") if isinstance(value, dict) else value) for value in values]
    names = (" ".join(_EMAIL.sub(" ", text).split()).strip(" ,") for text in texts)
    return next(filter(None, names), "")


def _read_list(value: object, *, limit: int) -> list[str]:
    items = value[:limit] if isinstance(value, list) else []
    return list(dict.fromkeys(filter(None, (clean_text(item, MAX_SUMMARY) for item in items))))
