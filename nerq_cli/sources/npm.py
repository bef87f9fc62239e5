"""The npm registry and what speaks as it does: the packument of a package, and the manifest of one version.

What the registry answers is documented in npm/registry (docs/REGISTRY-API.md, docs/responses/package-metadata.md).
One packument answers for every version, so that neither a pin nor the version a range selects needs a second request.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import msgspec
from msgspec import UNSET

from nerq_cli.errors import AnswerError
from nerq_cli.facts import (
    ATTESTED,
    DEPRECATED,
    INSTALL_HOOK,
    PRERELEASE,
    Absent,
    Fact,
    Found,
    Metadata,
    Project,
    Unknown,
)
from nerq_cli.inventory import NPM, Package, Release
from nerq_cli.sources.question import Answer, Endpoint, Question, Source
from nerq_cli.sources.text import (
    LICENCE,
    REASON,
    SPECIFIER,
    SUMMARY,
    account_tag,
    apart_from,
    clean,
    decoded,
    forge_repository,
    instant,
    is_version,
    part,
    readme_length,
    repository,
    web_address,
)
from nerq_cli.versions import is_prerelease, newest_first

_LABEL: Final = "npm"
_FRESH: Final = 6 * 3600
_ABSENT_FRESH: Final = 3600
#: Largest answer read. Packuments of packages with thousands of versions pass 10 MB.
_LIMIT: Final = 25_000_000
_NOT_FOUND: Final = 404
_NOT_ALLOWED: Final = 405
_GONE: Final = 410
#: At most this many tags of publishing accounts are kept.
_TAGS: Final = 50
_LATEST: Final = "latest"


class Packument(msgspec.Struct, frozen=True):
    """What a packument says, folded: most versions of a package differ in nothing but their number.

    ``project`` is packed when its table of versions is long. ``variants`` are the different descriptions that its
    versions have (packed Metadata without a version), ``variant`` says for each version which one is its own.
    """

    project: Project | bytes
    variants: tuple[bytes, ...] = ()
    variant: tuple[int, ...] = ()


#: Packed projects longer than this are deflated, in bytes: it takes thousands of versions to save more than it costs.
_LONG: Final = 8_192
_PROJECT = msgspec.msgpack.Decoder(Project)
_METADATA = msgspec.msgpack.Decoder(Metadata)


def _folded(project: Project, described: Sequence[Metadata]) -> Packument:
    """Return the fact for a project and the description of each of its versions, in the same order."""
    variants: dict[Metadata, int] = {}
    variant = tuple(variants.setdefault(one, len(variants)) for one in described)
    packed = msgspec.msgpack.encode(project)
    return Packument(
        project if len(packed) <= _LONG else zlib.compress(packed),
        tuple(map(msgspec.msgpack.encode, variants)),
        variant,
    )


def _unfolded(packument: Packument) -> Project:
    held = packument.project
    return held if isinstance(held, Project) else _PROJECT.decode(zlib.decompress(held))


# --- one version ---------------------------------------------------------------------------------------------------


class _Dist(msgspec.Struct):
    attestations: Any = UNSET
    signatures: Any = UNSET


class _Manifest(msgspec.Struct):
    """The manifest of one version as far as it is read; ``UNSET`` where it lacks a key."""

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
    dist: msgspec.Raw = msgspec.Raw()


class _Alone(_Manifest):
    """A manifest that comes by itself; within a packument nobody reads who could publish each version."""

    maintainers: Any = UNSET


_MANIFEST = msgspec.json.Decoder(_Manifest)
_ALONE = msgspec.json.Decoder(_Alone)
_DIST = msgspec.json.Decoder(_Dist)

#: The scripts npm runs when a package is installed from the registry (npm documentation, "Life Cycle Scripts").
_HOOKS: Final = ("preinstall", "install", "postinstall")
_NATIVE: Final = "node-gyp"
#: What npm itself puts into ``scripts.install`` when a package ships a ``binding.gyp`` and no install script.
_IMPLICIT_BUILD: Final = "node-gyp rebuild"
_NO_README: Final = "ERROR: No README data found!"
_NO_MESSAGE: Final = "no reason given"


def _described(manifest: _Manifest, *, readme: int | None, whole: bool) -> Metadata:
    """Return what a manifest says, without its version; ``whole`` if a field it lacks was not declared either."""
    missing = "" if whole else None
    source = _repository(manifest.repository)
    homepage = web_address(manifest.homepage)
    if not source and homepage:
        source = forge_repository(homepage)
    return Metadata(
        version="",
        summary=_stated(manifest.description, whole=whole),
        keywords=_stated(manifest.keywords, whole=whole),
        typed=bool(clean(manifest.types, SUMMARY) or clean(manifest.typings, SUMMARY)) if whole else None,
        interpreter=_node(manifest.engines),
        readme=readme,
        homepage=missing if manifest.homepage is UNSET else apart_from(source, homepage),
        repository=source or (missing if manifest.repository is UNSET else ""),
        licence_expression=_licence(manifest) or (missing if manifest.license is UNSET else ""),
        deprecated=_deprecated(manifest.deprecated),
        hooks=_hooks(manifest),
    )


def _stated(value: object, *, whole: bool) -> bool | None:
    """Whether a text, or a list of them, says anything (mirrors may join keywords with commas)."""
    if value is UNSET:
        return False if whole else None
    return any(clean(one, SUMMARY) for one in (value if isinstance(value, list) else [value]))


def _node(engines: object) -> str:
    return clean(engines.get("node"), SPECIFIER) if isinstance(engines, dict) else ""


def _repository(value: object) -> str:
    return repository(value.get("url") if isinstance(value, dict) else value)


def _licence(manifest: _Manifest) -> str:
    """Return the licence expression; the old list of licences meant a choice among them."""
    if text := _one_licence(manifest.license):
        return text
    listed = manifest.licenses if isinstance(manifest.licenses, list) else [manifest.licenses]
    return clean(" OR ".join(dict.fromkeys(text for one in listed if (text := _one_licence(one)))), LICENCE)


def _one_licence(value: object) -> str:
    if isinstance(value, dict):
        value = value.get("type") or value.get("name")
    return clean(value, LICENCE)


def _deprecated(value: object) -> str:
    return _NO_MESSAGE if value is True else clean(value, REASON)


def _hooks(manifest: _Manifest) -> tuple[str, ...]:
    """Return what runs at installation, by name: the scripts, and ``node-gyp`` for a build npm starts by itself."""
    scripts = manifest.scripts if isinstance(manifest.scripts, dict) else {}
    commands = {hook: command for hook in _HOOKS if (command := clean(scripts.get(hook), SUMMARY))}
    if commands.get("install") == _IMPLICIT_BUILD or (manifest.gypfile is True and "install" not in commands):
        return (*(hook for hook in commands if hook != "install"), _NATIVE)
    return tuple(commands) or (("install script",) if manifest.hasInstallScript is True else ())


def _attested(dist: _Dist) -> bool | None:
    """Whether a version carries attestations; None where the registry does not pass on what it knows of signatures."""
    if isinstance(dist.attestations, dict) and dist.attestations:
        return True
    return None if dist.attestations is UNSET and dist.signatures is UNSET else False


def _readme(value: object) -> int | None:
    """Return its length; None when there is none, for the registry loses READMEs that packages do have."""
    text = value.strip() if isinstance(value, str) else ""
    return None if not text or text == _NO_README else readme_length(text)


# --- the packument -------------------------------------------------------------------------------------------------


class _Document(msgspec.Struct):
    name: Any = UNSET
    tags: Any = msgspec.field(name="dist-tags", default=None)
    time: Any = UNSET
    versions: msgspec.Raw = msgspec.Raw()
    maintainers: Any = UNSET
    readme: Any = UNSET


_DOCUMENT = msgspec.json.Decoder(_Document)
_VERSIONS = msgspec.json.Decoder(dict[str, msgspec.Raw])
#: Versions that the registry leaves in place of what it removed for security.
_HOLDING = re.compile(r"0\.0\.\d+-security(?:\.\d+)?")


class _Version(NamedTuple):
    flags: int
    described: Metadata
    #: Whether it carries attestations; None = not stated.
    attested: bool | None


_NOTHING: Final = _Manifest()


def _version(version: str, raw: msgspec.Raw, *, readme: int | None, whole: bool) -> _Version:
    manifest = part(_MANIFEST, raw) or _NOTHING
    described = _described(manifest, readme=readme, whole=whole)
    attested = _attested(part(_DIST, manifest.dist) or _Dist())
    flags = (
        (PRERELEASE if is_prerelease(NPM, version) else 0)
        | (DEPRECATED if described.deprecated else 0)
        | (INSTALL_HOOK if described.hooks else 0)
        | (ATTESTED if attested else 0)
    )
    return _Version(flags, described, attested)


def _packument(package: Package, document: _Document) -> Packument:
    times = document.time if isinstance(document.time, dict) else {}
    raws = {version: raw for version, raw in (part(_VERSIONS, document.versions) or {}).items() if is_version(version)}
    if not raws or "unpublished" in times:
        if document.name is UNSET and not times:
            raise AnswerError("the packument names neither a package nor a version")
        return Packument(Project(name=package.name, status="unpublished"))
    whole, readme = document.time is not UNSET, _readme(document.readme)
    order = tuple(newest_first(NPM, raws))
    versions = [_version(version, raws[version], readme=readme, whole=whole) for version in order]
    project = _project(package, document, times, order, versions)
    return _folded(project, [version.described for version in versions])


def _project(
    package: Package,
    document: _Document,
    times: Mapping[str, object],
    order: Sequence[str],
    versions: Sequence[_Version],
) -> Project:
    published = tuple(instant(times.get(version)) for version in order)
    flags = tuple(version.flags for version in versions)
    interpreters: dict[str, int] = {}
    needs = [version.described.interpreter or "" for version in versions]
    tags = _dist_tags(document.tags)
    publishers = _accounts(document.maintainers)
    return Project(
        name=package.name,
        versions=tuple(order),
        published=published,
        flags=flags,
        needs=tuple(interpreters.setdefault(need, len(interpreters)) for need in needs),
        interpreters=tuple(interpreters),
        tags=tags,
        status=_status(tags, order, flags),
        publishers=None if publishers is None else len(publishers),
        publisher_tags=tuple(account_tag("npm", account) for account in sorted(publishers or ()))[:_TAGS],
        attestations_stated=any(version.attested is not None for version in versions),
        hooks_stated=True,
        dates_doubt=doubt(order, published, flags),
    )


def _dist_tags(value: object) -> dict[str, str]:
    tags = value.items() if isinstance(value, dict) else ()
    return {tag: version for tag, version in tags if is_version(version) and tag.isprintable() and len(tag) <= SUMMARY}


def _status(tags: Mapping[str, str], order: Sequence[str], flags: Sequence[int]) -> str:
    """Return the status of a package: that of its latest version (the newest final one, where no tag says which)."""
    final = (version for version, flag in zip(order, flags, strict=True) if not flag & PRERELEASE)
    latest = tags.get(_LATEST) or next(final, order[0])
    if _HOLDING.fullmatch(latest):
        return "security-holding"
    return "deprecated" if latest in order and flags[order.index(latest)] & DEPRECATED else "active"


def _accounts(maintainers: object) -> set[str] | None:
    """Return the accounts that can publish, as objects or as ``name <address>``; None where they are not stated."""
    if not isinstance(maintainers, list):
        return None
    names = (one.get("name") if isinstance(one, dict) else one for one in maintainers)
    return {name.partition("<")[0].strip() for name in names if isinstance(name, str) and name.strip()}


# --- whether the dates can be believed -----------------------------------------------------------------------------

_DAY: Final = 86_400
#: Dates are doubted from this many contradictions on, and if they are at least this share of all steps.
_CONTRADICTIONS: Final = 2
_SHARE: Final = 0.1
_FINAL = re.compile(r"(\d{1,9})\.(\d{1,9})\.(\d{1,9})")


def doubt(order: Sequence[str], published: Sequence[int], flags: Sequence[int]) -> str:
    """Return why the dates cannot be believed, empty if they can.

    Compares each final version with the one before it in the same release line (1.2.3 with 1.2.2) and each line's
    first version with that of the line before (1.3.0 with 1.2.0; 2.0.0 with 1.0.0). Maintainers publish fixes for old
    lines after new lines have begun, but hardly ever a version before its predecessor in the same line: fewer than one
    step in ten is the other way round in honest histories, while dates in random order turn every second one. Less
    than a day counts as the same time, for the registry's oldest entries were imported in no order.
    """
    dates: dict[tuple[int, int, int], int] = {}
    for version, date, flag in zip(order, published, flags, strict=True):
        if date and not flag & PRERELEASE and (found := _FINAL.fullmatch(version)):
            dates[int(found[1]), int(found[2]), int(found[3])] = date
    steps = list(_steps(sorted(dates.items())))
    wrong = sum(later + _DAY < earlier for earlier, later in steps)
    if wrong < _CONTRADICTIONS or wrong < _SHARE * len(steps):
        return ""
    return f"its dates contradict the order of its versions ({wrong} of {len(steps)})"


def _steps(history: Sequence[tuple[tuple[int, int, int], int]]) -> Iterator[tuple[int, int]]:
    """Yield the dates of versions that came one after the other."""
    firsts: dict[tuple[int, ...], int] = {}
    for (before, earlier), (after, later) in pairwise(history):
        if before[:2] == after[:2]:
            yield earlier, later
    for version, date in history:
        for line in (version[:1], version[:2]):
            firsts.setdefault(line, date)
    for width in (1, 2):
        lines = [(line, date) for line, date in firsts.items() if len(line) == width]
        yield from ((a, b) for (one, a), (other, b) in pairwise(lines) if one[:-1] == other[:-1])


# --- the sources ---------------------------------------------------------------------------------------------------


def _address(package: Package, at: Endpoint) -> str:
    """Return the address of a package; npm itself leaves the @ of a scope and encodes its slash this way."""
    return f"{at.url}/{quote(package.name, safe='@/').replace('/', '%2f')}"


class _PackumentSource:
    """The packument in its full form: dates, maintainers, README, and the manifests of all versions."""

    name = "npm-packument"
    label = _LABEL
    kind = Packument
    fresh = _FRESH
    absent_fresh = _ABSENT_FRESH
    limit = _LIMIT
    probe = False

    def ask(self, about: Sequence[Package], at: Endpoint) -> Iterator[Question[Package]]:
        """Ask about one package at a time."""
        for package in about:
            yield Question(url=_address(package, at), about=(package,), endpoint=at)

    def read(self, question: Question[Package], answer: Answer) -> Iterator[tuple[Package, Packument | None]]:
        """Read one package. Some registries say 404 of a package that was unpublished, and when."""
        [package] = question.about
        if answer.status == _NOT_ALLOWED:
            raise AnswerError("the registry does not take this name")
        if answer.status in {_NOT_FOUND, _GONE}:
            yield package, _unpublished(package, answer.body)
            return
        document = decoded(_DOCUMENT, answer.body)
        _check(package, document.name)
        yield package, _packument(package, document)


def _unpublished(package: Package, body: bytes) -> Packument | None:
    document = part(_DOCUMENT, body)
    gone = document and isinstance(document.time, dict) and "unpublished" in document.time
    return Packument(Project(name=package.name, status="unpublished")) if gone else None


def _check(package: Package, name: object) -> None:
    if isinstance(name, str) and name != package.name:
        raise AnswerError("the answer is about another package")


class _ManifestSource:
    """The manifest of one version, for packages whose packument is too large or not on offer."""

    name = "npm-manifest"
    label = _LABEL
    kind = Metadata
    fresh = _FRESH
    absent_fresh = _ABSENT_FRESH
    limit = _LIMIT
    probe = False

    def ask(self, about: Sequence[Release], at: Endpoint) -> Iterator[Question[Release]]:
        """Ask about one version at a time."""
        for release in about:
            url = f"{_address(release.package, at)}/{quote(release.version, safe='')}"
            yield Question(url=url, about=(release,), endpoint=at)

    def read(self, question: Question[Release], answer: Answer) -> Iterator[tuple[Release, Metadata | None]]:
        """Read one version."""
        [release] = question.about
        if answer.status == _NOT_ALLOWED:
            raise AnswerError("the registry does not take this name")
        if answer.status in {_NOT_FOUND, _GONE}:
            yield release, None
            return
        manifest = decoded(_ALONE, answer.body)
        _check(release.package, manifest.name)
        if manifest.version != release.version:
            raise AnswerError("the manifest is of another version")
        accounts = _accounts(manifest.maintainers)
        said = msgspec.structs.replace(
            _described(manifest, readme=_readme(manifest.readme), whole=True),
            version=release.version,
            publishers=None if accounts is None else len(accounts),
            attested=_attested(part(_DIST, manifest.dist) or _Dist()),
        )
        yield release, said


class _NewestSource:
    """Which version installers take today: the manifest that the tag ``latest`` leads to."""

    name = "npm-latest"
    label = _LABEL
    kind = str
    fresh = _FRESH
    absent_fresh = _ABSENT_FRESH
    limit = _LIMIT
    probe = False

    def ask(self, about: Sequence[Package], at: Endpoint) -> Iterator[Question[Package]]:
        """Ask about one package at a time."""
        for package in about:
            yield Question(url=f"{_address(package, at)}/{_LATEST}", about=(package,), endpoint=at)

    def read(self, question: Question[Package], answer: Answer) -> Iterator[tuple[Package, str | None]]:
        """Read the number of the version."""
        [package] = question.about
        if answer.status == _NOT_ALLOWED:
            raise AnswerError("the registry does not take this name")
        if answer.status in {_NOT_FOUND, _GONE}:
            yield package, None
            return
        manifest = decoded(_MANIFEST, answer.body)
        _check(package, manifest.name)
        if not is_version(manifest.version):
            raise AnswerError("the manifest is of no version")
        yield package, manifest.version


PACKUMENT: Final[Source[Package, Packument]] = _PackumentSource()
MANIFEST: Final[Source[Release, Metadata]] = _ManifestSource()
NEWEST: Final[Source[Package, str]] = _NewestSource()


# --- what the answers mean together --------------------------------------------------------------------------------


def project(packument: Fact[Packument]) -> Fact[Project]:
    """Return what is known of the package."""
    if isinstance(packument, Found):
        return Found(_unfolded(packument.value), packument.source, packument.seen)
    return packument


def metadata(version: str, packument: Fact[Packument], manifest: Fact[Metadata]) -> Fact[Metadata]:
    """Return what is known of one version: what the packument says of it, or else its own manifest."""
    if not isinstance(packument, Found):
        better = isinstance(manifest, Found) or (isinstance(packument, Unknown) and isinstance(manifest, Absent))
        return manifest if better else packument
    versions = _unfolded(packument.value).versions
    if version not in versions:
        return Absent(packument.source, packument.seen, f"no version {version} is listed")
    packed = packument.value.variants[packument.value.variant[versions.index(version)]]
    described = msgspec.structs.replace(_METADATA.decode(packed), version=version)
    return Found(described, packument.source, packument.seen)
