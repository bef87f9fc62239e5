"""The repository that published a version, as verified by its registry: PyPI's integrity API and npm's attestations.

Signatures are not verified again: a registry accepts an attestation only after it has verified the signature and the
publisher (PEP 740; npm documentation, "Generating provenance statements"). What is checked is that the response is
about the requested file or version.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote, unquote

import msgspec

from nerq_cli.decoders import build_json_decoder_late
from nerq_cli.errors import EndpointMissingError, ResponseError
from nerq_cli.facts import Fact, Unknown
from nerq_cli.fetch.run import FetchRun
from nerq_cli.fetch.source import Endpoint, Request, Response, Source
from nerq_cli.inventory import Package, Release
from nerq_cli.patterns import compile_late
from nerq_cli.sources import SOURCES
from nerq_cli.sources.repository_url import parse_repository_id
from nerq_cli.sources.text import clean_text, decode_json, decode_optional
from nerq_cli.units import DAY

#: An attestation is published with its file and never changes.
_MAX_AGE: Final = 30 * DAY
#: Largest body in bytes; one attestation has about ten thousand.
_MAX_BYTES: Final = 2_000_000
#: Longest kind of publisher that is kept, in characters.
_MAX_KIND_LENGTH: Final = 40
#: Host of the repositories of each kind of publisher. Other kinds state no repository.
_HOST_BY_KIND: Final = {"GitHub": "github.com", "GitLab": "gitlab.com"}
_KIND_BY_HOST: Final = {host: kind for kind, host in _HOST_BY_KIND.items()}
_NO_ATTESTED_FILE: Final = Unknown("no attested file of it is listed", SOURCES["pypi"].label)


class Provenance(msgspec.Struct, frozen=True, omit_defaults=True):
    """The publisher of a version, as verified by the registry."""

    #: ``github.com/owner/name``; empty if the publisher states none, or if attestations contradict each other.
    repository: str = ""
    #: Kind of publisher: "GitHub", "GitLab", "Google".
    kind: str = ""


# --- both: statements of the in-toto attestation framework -----------------------------------------------------------


class _Subject(msgspec.Struct):
    name: str


class _Statement(msgspec.Struct, rename="camel"):
    subject: list[_Subject]
    predicate_type: str
    predicate: Any = None


_STATEMENT_DECODER = build_json_decoder_late(_Statement)


def _decode_statement(encoded: str) -> _Statement:
    try:
        statement = decode_optional(_STATEMENT_DECODER, b64decode(encoded))
    except ValueError:
        statement = None
    if statement is None:
        raise ResponseError("an attestation cannot be read")
    return statement


def _merge_provenance(provenances: Iterable[Provenance]) -> Provenance:
    """Return the provenance of all attestations; empty if they contradict each other."""
    unique_provenances = set(provenances)
    return unique_provenances.pop() if len(unique_provenances) == 1 else Provenance()


def _normalise_repository(address: str) -> str:
    """Return the URL of a repository as ``github.com/owner/name``; empty for anything else."""
    repository = parse_repository_id(address)
    return repository.spelling if repository is not None and repository.spelling == address else ""


# --- PyPI ------------------------------------------------------------------------------------------------------------


class _Publisher(msgspec.Struct):
    kind: Any = None
    repository: Any = None


class _FileEnvelope(msgspec.Struct):
    statement: str


class _FileAttestation(msgspec.Struct):
    envelope: _FileEnvelope


class _Bundle(msgspec.Struct):
    publisher: _Publisher
    attestations: list[_FileAttestation]


class _IntegrityDocument(msgspec.Struct):
    attestation_bundles: list[_Bundle]


_INTEGRITY_DECODER = build_json_decoder_late(_IntegrityDocument)
#: Statements that PyPI accepts (PEP 740 and the documentation of PyPI about attestations).
_ACCEPTED_PREDICATES = compile_late(r"https://[^/\s]+/attestations/publish/v1|https://slsa\.dev/provenance/v1")


class _IntegritySource:
    """The provenance of one file of each release, named in ``files``."""

    name = "pypi-provenance"
    label = SOURCES["pypi"].label
    kind = Provenance
    max_age = _MAX_AGE
    absent_max_age = DAY
    limit = _MAX_BYTES
    probe = False
    extra_statuses = frozenset({HTTPStatus.FORBIDDEN})

    def __init__(self, files: Mapping[Release, str]) -> None:
        self._files = files

    def requests(self, subjects: Sequence[Release], endpoint: Endpoint) -> Iterator[Request[Release]]:
        """Yield one request for each file."""
        for release in subjects:
            version, file = (quote(text, safe="") for text in (release.version, self._files[release]))
            yield Request(
                url=f"{endpoint.url}/integrity/{release.package.url_segment}/{version}/{file}/provenance",
                subjects=(release,),
                accept="application/vnd.pypi.integrity.v1+json",
                endpoint=endpoint,
            )

    def parse(self, request: Request[Release], response: Response) -> Iterator[tuple[Release, Provenance | None]]:
        """Parse one release; an index with status 403 or 405 does not offer the endpoint."""
        [release] = request.subjects
        if response.status in {HTTPStatus.FORBIDDEN, HTTPStatus.METHOD_NOT_ALLOWED}:
            raise EndpointMissingError("this index has no provenance")
        if response.status >= HTTPStatus.BAD_REQUEST:
            yield release, None
            return
        bundles = decode_json(_INTEGRITY_DECODER, response.body).attestation_bundles
        provenances = [
            _read_publisher(bundle.publisher) for bundle in bundles if _covers_file(bundle, self._files[release])
        ]
        if bundles and not provenances:
            raise ResponseError("the attestations are of another file")
        yield release, _merge_provenance(provenances) if provenances else None


def _covers_file(bundle: _Bundle, filename: str) -> bool:
    statements = (_decode_statement(entry.envelope.statement) for entry in bundle.attestations)
    return any(
        _ACCEPTED_PREDICATES.fullmatch(statement.predicate_type)
        and any(_is_same_file(entry.name, filename) for entry in statement.subject)
        for statement in statements
    )


def _is_same_file(subject_name: str, filename: str) -> bool:
    """Whether two names are of the same file; publishers may spell name and version differently."""
    return subject_name == filename or (
        subject_name[-4:] == filename[-4:]
        and _parse_filename(subject_name) is not None
        and _parse_filename(subject_name) == _parse_filename(filename)
    )


def _parse_filename(filename: str) -> object:
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


def _read_publisher(publisher: _Publisher) -> Provenance:
    kind, repository = publisher.kind, publisher.repository
    host = _HOST_BY_KIND.get(kind) if isinstance(kind, str) else None
    has_repository = host is not None and isinstance(repository, str)
    return Provenance(
        _normalise_repository(f"{host}/{repository}") if has_repository else "", clean_text(kind, _MAX_KIND_LENGTH)
    )


# --- npm -------------------------------------------------------------------------------------------------------------


class _Envelope(msgspec.Struct, rename="camel"):
    payload: str


class _SigstoreBundle(msgspec.Struct, rename="camel"):
    dsse_envelope: _Envelope


class _Attestation(msgspec.Struct, rename="camel"):
    predicate_type: str
    bundle: msgspec.Raw = msgspec.Raw()


class _AttestationsDocument(msgspec.Struct):
    attestations: list[_Attestation]


_ATTESTATIONS_DECODER = build_json_decoder_late(_AttestationsDocument)
_SIGSTORE_DECODER = build_json_decoder_late(_SigstoreBundle)
#: Paths to the built repository in each form of SLSA provenance (slsa.dev/spec; build types of npm and GitLab).
_REPOSITORY_PATHS: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = {
    "https://slsa.dev/provenance/v0.2": (("invocation", "configSource", "uri"),),
    "https://slsa.dev/provenance/v1": (
        ("buildDefinition", "externalParameters", "workflow", "repository"),
        ("buildDefinition", "externalParameters", "source"),
    ),
}
#: A repository over https, optionally with a revision (SPDX download locations).
_BUILD_URI = compile_late(r"(?:git\+)?https://([^\s@?#]+?)(?:\.git)?/?(?:@\S*)?")


class _AttestationsSource:
    """The attestations of one version: that of npm about publishing, and the provenance of the build."""

    name = "npm-attestations"
    label = SOURCES["npm"].label
    kind = Provenance
    max_age = _MAX_AGE
    absent_max_age = DAY
    limit = _MAX_BYTES
    probe = False

    def requests(self, subjects: Sequence[Release], endpoint: Endpoint) -> Iterator[Request[Release]]:
        """Yield one request for each version."""
        for release in subjects:
            name = quote(release.package.name, safe="@")
            url = f"{endpoint.url}/-/npm/v1/attestations/{name}@{quote(release.version, safe='')}"
            yield Request(url=url, subjects=(release,), endpoint=endpoint)

    def parse(self, request: Request[Release], response: Response) -> Iterator[tuple[Release, Provenance | None]]:
        """Parse one version."""
        [release] = request.subjects
        if response.status == HTTPStatus.METHOD_NOT_ALLOWED:
            raise EndpointMissingError("this registry has no attestations")
        if response.status >= HTTPStatus.BAD_REQUEST:
            yield release, None
            return
        attestations = decode_json(_ATTESTATIONS_DECODER, response.body).attestations
        provenances = [
            _read_attestation(release, attestation)
            for attestation in attestations
            if attestation.predicate_type in _REPOSITORY_PATHS
        ]
        yield release, _merge_provenance(provenances) if provenances else None


def _read_attestation(release: Release, attestation: _Attestation) -> Provenance:
    statement = _decode_statement(decode_json(_SIGSTORE_DECODER, bytes(attestation.bundle)).dsse_envelope.payload)
    if statement.predicate_type != attestation.predicate_type:
        raise ResponseError("an attestation states something else than it is filed as")
    if unquote(release.purl) not in {unquote(subject.name) for subject in statement.subject}:
        raise ResponseError("an attestation is of another version")
    build_uris = (_read_path(statement.predicate, path) for path in _REPOSITORY_PATHS[statement.predicate_type])
    return _parse_build_uri(next(filter(None, build_uris), ""))


def _read_path(value: object, path: Iterable[str]) -> str:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""


def _parse_build_uri(build_uri: str) -> Provenance:
    match = _BUILD_URI.fullmatch(build_uri)
    repository = _normalise_repository(match[1]) if match else ""
    return Provenance(repository, _KIND_BY_HOST.get(repository.partition("/")[0], ""))


NPM_ATTESTATIONS: Final[Source[Release, Provenance]] = _AttestationsSource()


def create_integrity_source(files: Mapping[Release, str]) -> Source[Release, Provenance]:
    """Return the source for PyPI releases; ``files`` names one attested file of each."""
    return _IntegritySource(files)


def collect_provenance(
    run: FetchRun, releases: Mapping[Release, str], *, pypi: Endpoint, npm: Callable[[Package], Endpoint]
) -> dict[Release, Fact[Provenance]]:
    """Return the publisher of each release, as verified by its registry.

    Each release is one request, so only attested releases are worth it. ``releases`` names an attested file of each
    PyPI release (:func:`pypi.find_attested_file`; Unknown without one) and is empty for npm. ``npm`` returns the
    registry of a package.
    """
    files = {release: file for release, file in releases.items() if release.package.registry_api == "pypi" and file}
    plan: list[tuple[Source[Any, Any], Sequence[Release], Endpoint]] = []
    if files:
        plan.append((create_integrity_source(files), tuple(files), pypi))
    groups: dict[str, tuple[Endpoint, list[Release]]] = {}
    for release in releases:
        if release.package.registry_api == "npm":
            endpoint = npm(release.package)
            groups.setdefault(endpoint.scope, (endpoint, []))[1].append(release)
    plan += [(NPM_ATTESTATIONS, group, endpoint) for endpoint, group in groups.values()]
    facts = {release: fact for results in run.fetch_all(plan) for release, fact in results.items()}
    return {release: facts.get(release, _NO_ATTESTED_FILE) for release in releases}
