"""Which repository published a version, as its registry verified it: PyPI's integrity API and npm's attestations.

Nothing is verified again here: a registry takes an attestation in only after it has checked the signature, and that it
comes from the publisher it names (PEP 740; npm documentation, "Generating provenance statements"). What is checked is
that an answer is about the file or the version asked about.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote, unquote

import msgspec

from nerq_cli.errors import AnswerError, EndpointMissingError
from nerq_cli.facts import Fact, Unknown
from nerq_cli.inventory import NPM, PYPI, Package, Release
from nerq_cli.sources.gather import Gatherer
from nerq_cli.sources.question import Answer, Endpoint, Question, Source
from nerq_cli.sources.services import repository_id
from nerq_cli.sources.text import clean, decoded, part

_DAY: Final = 24 * 3600
#: An attestation is published with its file and never changes.
_FRESH: Final = 30 * _DAY
#: Largest answer read, in bytes; one attestation comes to some ten thousand.
_LIMIT: Final = 2_000_000
_REFUSED: Final = 403
_NOT_ALLOWED: Final = 405
_ERROR: Final = 400
#: Longest name of a kind of publisher that is kept, in characters.
_KIND: Final = 40
#: Where the repositories of each kind of publisher are. Other kinds publish from no repository that they tell.
_HOSTS: Final = {"GitHub": "github.com", "GitLab": "gitlab.com"}
_KINDS: Final = {host: kind for kind, host in _HOSTS.items()}
_NO_FILE: Final = Unknown("no attested file of it is listed", "PyPI")


class Provenance(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who published a version, as its registry verified it.

    ``repository`` is spelled ``github.com/owner/name``; empty where the publisher is none that tells one, or where
    attestations contradict each other. ``kind`` is what sort of publisher it is: "GitHub", "GitLab", "Google".
    """

    repository: str = ""
    kind: str = ""


# --- what both have in common: statements of the in-toto attestation framework ---------------------------------------


class _Subject(msgspec.Struct):
    name: str


class _Statement(msgspec.Struct, rename="camel"):
    subject: list[_Subject]
    predicate_type: str
    predicate: Any = None


_STATEMENT = msgspec.json.Decoder(_Statement)


def _statement(encoded: str) -> _Statement:
    try:
        statement = part(_STATEMENT, b64decode(encoded))
    except ValueError:
        statement = None
    if statement is None:
        raise AnswerError("an attestation cannot be read")
    return statement


def _agreed(found: Iterable[Provenance]) -> Provenance:
    """Return what all attestations say; those that contradict each other prove nothing."""
    distinct = set(found)
    return distinct.pop() if len(distinct) == 1 else Provenance()


def _spelled(address: str) -> str:
    """Return a repository's address as facts spell it; empty unless it is exactly that."""
    known = repository_id(address)
    return known.spelling if known is not None and known.spelling == address else ""


# --- PyPI ------------------------------------------------------------------------------------------------------------


class _Publisher(msgspec.Struct):
    kind: Any = None
    repository: Any = None


class _Signed(msgspec.Struct):
    statement: str


class _FileAttestation(msgspec.Struct):
    envelope: _Signed


class _Bundle(msgspec.Struct):
    publisher: _Publisher
    attestations: list[_FileAttestation]


class _Integrity(msgspec.Struct):
    attestation_bundles: list[_Bundle]


_INTEGRITY = msgspec.json.Decoder(_Integrity)
#: The statements that PyPI takes in (PEP 740 and PyPI's documentation of attestations).
_TAKEN_IN = re.compile(r"https://[^/\s]+/attestations/publish/v1|https://slsa\.dev/provenance/v1")


class _IntegrityApi:
    """The provenance of one file of each release; ``files`` names the file to ask about."""

    name = "pypi-provenance"
    label = "PyPI"
    kind = Provenance
    fresh = _FRESH
    absent_fresh = _DAY
    limit = _LIMIT
    probe = False
    reads = frozenset({_REFUSED})

    def __init__(self, files: Mapping[Release, str]) -> None:
        self._files = files

    def ask(self, about: Sequence[Release], at: Endpoint) -> Iterator[Question[Release]]:
        """Ask about one file at a time."""
        for release in about:
            version, file = (quote(text, safe="") for text in (release.version, self._files[release]))
            yield Question(
                url=f"{at.url}/integrity/{release.package.path}/{version}/{file}/provenance",
                about=(release,),
                accept="application/vnd.pypi.integrity.v1+json",
                endpoint=at,
            )

    def read(self, question: Question[Release], answer: Answer) -> Iterator[tuple[Release, Provenance | None]]:
        """Read one release; an index that refuses has this switched off."""
        [release] = question.about
        if answer.status in {_REFUSED, _NOT_ALLOWED}:
            raise EndpointMissingError("this index does not tell about provenance")
        if answer.status >= _ERROR:
            yield release, None
            return
        bundles = decoded(_INTEGRITY, answer.body).attestation_bundles
        own = [_published(one.publisher) for one in bundles if _is_of(one, self._files[release])]
        if bundles and not own:
            raise AnswerError("the attestations are of another file")
        yield release, _agreed(own) if own else None


def _is_of(bundle: _Bundle, filename: str) -> bool:
    statements = (_statement(one.envelope.statement) for one in bundle.attestations)
    return any(
        _TAKEN_IN.fullmatch(statement.predicate_type)
        and any(_same_file(one.name, filename) for one in statement.subject)
        for statement in statements
    )


def _same_file(one: str, other: str) -> bool:
    """Whether two names are of the same file; publishers may spell name and version in their own way."""
    return one == other or (one[-4:] == other[-4:] and _parsed(one) is not None and _parsed(one) == _parsed(other))


def _parsed(filename: str) -> object:
    from packaging.utils import (
        InvalidSdistFilename,
        InvalidWheelFilename,
        parse_sdist_filename,
        parse_wheel_filename,
    )

    try:
        return parse_wheel_filename(filename) if filename.endswith(".whl") else parse_sdist_filename(filename)
    except (InvalidSdistFilename, InvalidWheelFilename, ValueError):
        return None


def _published(publisher: _Publisher) -> Provenance:
    kind, named = publisher.kind, publisher.repository
    host = _HOSTS.get(kind) if isinstance(kind, str) else None
    known = host is not None and isinstance(named, str)
    return Provenance(_spelled(f"{host}/{named}") if known else "", clean(kind, _KIND))


# --- npm -------------------------------------------------------------------------------------------------------------


class _Envelope(msgspec.Struct, rename="camel"):
    payload: str


class _SigstoreBundle(msgspec.Struct, rename="camel"):
    dsse_envelope: _Envelope


class _Attestation(msgspec.Struct, rename="camel"):
    predicate_type: str
    bundle: msgspec.Raw = msgspec.Raw()


class _Attestations(msgspec.Struct):
    attestations: list[_Attestation]


_ATTESTATIONS = msgspec.json.Decoder(_Attestations)
_SIGSTORE = msgspec.json.Decoder(_SigstoreBundle)
#: Where each form of SLSA provenance names the repository that was built (slsa.dev/spec, and the build types of npm
#: and GitLab).
_BUILT_FROM: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = {
    "https://slsa.dev/provenance/v0.2": (("invocation", "configSource", "uri"),),
    "https://slsa.dev/provenance/v1": (
        ("buildDefinition", "externalParameters", "workflow", "repository"),
        ("buildDefinition", "externalParameters", "source"),
    ),
}
#: A repository over https, and perhaps the revision of it (SPDX download locations).
_BUILT = re.compile(r"(?:git\+)?https://([^\s@?#]+?)(?:\.git)?/?(?:@\S*)?")


class _AttestationsApi:
    """The attestations of one version: npm's own that it was published, and the provenance of the build."""

    name = "npm-attestations"
    label = "npm"
    kind = Provenance
    fresh = _FRESH
    absent_fresh = _DAY
    limit = _LIMIT
    probe = False

    def ask(self, about: Sequence[Release], at: Endpoint) -> Iterator[Question[Release]]:
        """Ask about one version at a time."""
        for release in about:
            name = quote(release.package.name, safe="@")
            url = f"{at.url}/-/npm/v1/attestations/{name}@{quote(release.version, safe='')}"
            yield Question(url=url, about=(release,), endpoint=at)

    def read(self, question: Question[Release], answer: Answer) -> Iterator[tuple[Release, Provenance | None]]:
        """Read one version."""
        [release] = question.about
        if answer.status == _NOT_ALLOWED:
            raise EndpointMissingError("this registry does not tell about attestations")
        if answer.status >= _ERROR:
            yield release, None
            return
        every = decoded(_ATTESTATIONS, answer.body).attestations
        found = [_built(release, one) for one in every if one.predicate_type in _BUILT_FROM]
        yield release, _agreed(found) if found else None


def _built(release: Release, attestation: _Attestation) -> Provenance:
    statement = _statement(decoded(_SIGSTORE, bytes(attestation.bundle)).dsse_envelope.payload)
    if statement.predicate_type != attestation.predicate_type:
        raise AnswerError("an attestation states something else than it is filed as")
    if unquote(release.purl) not in {unquote(one.name) for one in statement.subject}:
        raise AnswerError("an attestation is of another version")
    named = (_within(statement.predicate, path) for path in _BUILT_FROM[statement.predicate_type])
    return _from_address(next(filter(None, named), ""))


def _within(value: object, path: Iterable[str]) -> str:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""


def _from_address(address: str) -> Provenance:
    found = _BUILT.fullmatch(address)
    repository = _spelled(found[1]) if found else ""
    return Provenance(repository, _KINDS.get(repository.partition("/")[0], ""))


NPM_ATTESTATIONS: Final[Source[Release, Provenance]] = _AttestationsApi()


def pypi_integrity(files: Mapping[Release, str]) -> Source[Release, Provenance]:
    """Return the source for PyPI releases, of which ``files`` names one attested file each."""
    return _IntegrityApi(files)


def provenances(
    gatherer: Gatherer, releases: Mapping[Release, str], *, pypi: Endpoint, npm: Callable[[Package], Endpoint]
) -> dict[Release, Fact[Provenance]]:
    """Return who published each release, as verified by its registry.

    To be asked only of releases that are known to be attested, for each is a request. ``releases`` names an attested
    file of each PyPI release (see ``pypi.attested_file``; unknown without one), and nothing for npm. ``npm`` tells the
    registry of a package.
    """
    files = {release: file for release, file in releases.items() if release.package.ecosystem == PYPI and file}
    plan: list[tuple[Source[Any, Any], Sequence[Release], Endpoint]] = []
    if files:
        plan.append((pypi_integrity(files), tuple(files), pypi))
    at: dict[str, tuple[Endpoint, list[Release]]] = {}
    for release in releases:
        if release.package.ecosystem == NPM:
            endpoint = npm(release.package)
            at.setdefault(endpoint.scope, (endpoint, []))[1].append(release)
    plan += [(NPM_ATTESTATIONS, some, endpoint) for endpoint, some in at.values()]
    told = {release: fact for answer in gatherer.gather_all(plan) for release, fact in answer.items()}
    return {release: told.get(release, _NO_FILE) for release in releases}
