"""Recordings: one file with everything that a report was made from.

A recording is a ZIP archive of JSON documents, without dates, in a fixed order: the same run gives the same bytes.
Values stand under their SHA-256, and the manifest has the SHA-256 of every other document. A recording is untrusted
input: its sizes are bounded before anything is decoded, and every digest is compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias, TypeVar

import msgspec

from nerq_cli.application.assess import ScanOptions
from nerq_cli.errors import UsageError
from nerq_cli.facts import Origin
from nerq_cli.inventory import Declaration, DependencyFile
from nerq_cli.policy.rules.rule import ForeignOrigin
from nerq_cli.report.model import SourceStatus

if TYPE_CHECKING:
    from zipfile import ZipFile

T = TypeVar("T")

#: Editions of the layout: of a run by itself, and of one that is compared with another. A later one is refused.
SINGLE_FORMAT: Final = 1
FORMAT: Final = 2
#: Most bytes of the file, and of all documents in it.
MAX_FILE_BYTES: Final = 64 << 20
MAX_BYTES: Final = 256 << 20
#: Bytes of the end of a ZIP archive without a comment, its first bytes, and those of the larger form.
_END_LENGTH: Final = 22
_END: Final = b"PK\x05\x06"
_LARGE_END_LENGTH: Final = 20
_LARGE_END: Final = b"PK\x06\x07"
#: Most bytes of the list of members: there are four.
_MAX_LIST_BYTES: Final = 4_096
MANIFEST: Final = "manifest.json"
INPUTS: Final = "inputs.json"
ANSWERS: Final = "answers.json"
VALUES: Final = "values.json"
#: Date of all members: the first that a ZIP archive can state.
_DATE: Final = (1980, 1, 1, 0, 0, 0)
#: The last second of the year 9999, after which no date can be printed.
_LAST_MOMENT: Final = 253_402_300_799

#: Stands for the digest of a report that a recording cannot give again.
NO_DIGEST: Final = "0" * 64

Moment = Annotated[int, msgspec.Meta(ge=0, le=_LAST_MOMENT)]
Digest = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


#: The commands that record.
Command: TypeAlias = Literal["scan", "check"]
State: TypeAlias = Literal["found", "lower-bound", "absent", "unknown"]


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One answer that a run used: what is known about a package or a version."""

    #: What asked: ``packages``, ``releases``, ``records``, ``advisories``, ``local`` or ``repositories``.
    call: str
    ecosystem: str
    name: str
    #: Empty if it is about the package.
    version: str = ""
    #: Field of the evidence.
    field: str
    #: ``lower-bound``: there may be more than the value has.
    state: State
    #: Display name of the source; empty if none was involved.
    source: str = ""
    #: Epoch seconds UTC; 0 if unknown.
    retrieved_at: Moment = 0
    #: Why it is absent, unknown or a lower bound.
    reason: str = ""
    token: str = ""
    unevaluable: tuple[str, ...] = ()
    #: The sources of single fields, if several contributed; None if the answer is of one source.
    origins: dict[str, Origin] | None = None
    #: SHA-256 of the value; empty without one.
    sha256: str = ""


class RecordedEarlierRun(msgspec.Struct, frozen=True, kw_only=True):
    """The run that the recorded one is compared with."""

    #: As `baseline_files.encode_record` writes it.
    document: msgspec.Raw
    label: str
    notes: tuple[str, ...]
    #: The scanned directory, as in the locations.
    base: str


class RecordedInputs(msgspec.Struct, frozen=True, kw_only=True):
    """What was judged, and how: the rest of what the report depends on."""

    options: ScanOptions
    #: Of a check one list for each target; of a scan one list.
    declarations: tuple[tuple[Declaration, ...], ...]
    #: Without their contents.
    dependency_files: tuple[DependencyFile, ...] = ()
    foreign_origins: tuple[ForeignOrigin, ...] = ()
    sources: tuple[SourceStatus, ...] = ()
    warnings: tuple[str, ...] = ()
    #: Whether no request was sent.
    offline: bool = False
    #: Directory of the run relative to the root of its git repository.
    directory: str = ""
    #: None if the run is compared with none.
    earlier: RecordedEarlierRun | None = None


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a recording is of, and the digests of its documents."""

    format: Annotated[int, msgspec.Meta(ge=1)]
    command: Command
    #: Version of nerq-cli.
    version: str
    methodology: str
    #: Moment of the report (epoch seconds UTC).
    as_of: Moment
    #: Data that are shipped with nerq-cli, by name: their date.
    shipped_data: dict[str, str]
    #: Number of packages whose names are private and that are not in the recording.
    left_out: Annotated[int, msgspec.Meta(ge=0)]
    exit: Annotated[int, msgspec.Meta(ge=0, le=4)]
    #: SHA-256 of the JSON report; ``NO_DIGEST`` if private names are left out, so that it cannot be made again.
    report_sha256: Digest
    #: SHA-256 of the other documents, by name.
    documents: dict[str, Digest]

    @property
    def has_report_digest(self) -> bool:
        """Whether the report that was printed can be made again."""
        return self.report_sha256 != NO_DIGEST


class Recording(msgspec.Struct, frozen=True, kw_only=True):
    """A recording in memory."""

    manifest: Manifest
    inputs: RecordedInputs
    answers: tuple[Answer, ...]
    #: JSON by its SHA-256.
    values: dict[str, bytes]
    #: SHA-256 of the whole file; empty before it is written.
    sha256: str = ""


def compute_sha256(content: bytes) -> str:
    """Return a SHA-256 in hexadecimal digits."""
    from hashlib import sha256

    return sha256(content).hexdigest()


def encode_recording(recording: Recording) -> bytes:
    """Return the content of the file.

    Raises:
        UsageError: it would be too large to be read again.
    """
    import io
    from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

    values = {digest: msgspec.Raw(value) for digest, value in sorted(recording.values.items())}
    documents = {
        INPUTS: _encode(recording.inputs),
        ANSWERS: _encode(recording.answers),
        VALUES: _encode(values),
    }
    if sum(map(len, documents.values())) > MAX_BYTES - _MAX_LIST_BYTES:
        raise UsageError(f"the documents of the recording would have more than {MAX_BYTES >> 20} MB")
    digests = {name: compute_sha256(content) for name, content in documents.items()}
    manifest = msgspec.structs.replace(recording.manifest, documents=digests)
    buffer = io.BytesIO()
    with ZipFile(buffer, "w", ZIP_DEFLATED) as archive:
        for name, content in {MANIFEST: _encode(manifest), **documents}.items():
            member = ZipInfo(name, _DATE)
            member.compress_type, member.create_system, member.external_attr = ZIP_DEFLATED, 3, 0o644 << 16
            archive.writestr(member, content)
    return buffer.getvalue()


def read_recording(path: Path) -> Recording:
    """Read a recording, and compare all digests in it.

    Raises:
        UsageError: the file cannot be read, is no recording, is too large or damaged, or is of a later edition.
    """
    import io
    import zlib
    from zipfile import BadZipFile, ZipFile

    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    if len(content) > MAX_FILE_BYTES:
        raise UsageError(f"{path}: a recording has at most {MAX_FILE_BYTES >> 20} MB")
    if not _is_small_archive(content):
        raise UsageError(f"{path} is not a recording of nerq-cli, or is cut", hint="nerq scan --record FILE writes one")
    try:
        with ZipFile(io.BytesIO(content)) as archive:
            recording = _read_documents(archive, path)
    except (
        BadZipFile,
        zlib.error,
        EOFError,
        KeyError,
        NotImplementedError,
        RuntimeError,
        OSError,
        ValueError,
    ) as error:
        raise _describe_damage(path, f"{error}") from error
    return msgspec.structs.replace(recording, sha256=compute_sha256(content))


def _is_small_archive(content: bytes) -> bool:
    """Whether the end of a file is that of a ZIP archive with a short list of members, which is read as a whole."""
    end = content[-_END_LENGTH:]
    is_large = content[-_END_LENGTH - _LARGE_END_LENGTH :].startswith(_LARGE_END)
    return end.startswith(_END) and not is_large and int.from_bytes(end[12:16], "little") <= _MAX_LIST_BYTES


def _read_documents(archive: ZipFile, path: Path) -> Recording:
    names = archive.namelist()
    expected = [MANIFEST, INPUTS, ANSWERS, VALUES]
    if MANIFEST not in names:
        raise UsageError(f"{path} is not a recording of nerq-cli", hint="nerq scan --record FILE writes one")
    left = MAX_BYTES
    contents: dict[str, bytes] = {}
    content = _read_member(archive, MANIFEST, left, path)
    _check_format(content, path)
    manifest = _decode(content, Manifest, path)
    if sorted(names) != sorted(expected) or sorted(manifest.documents) != sorted(expected[1:]):
        raise _describe_damage(path, "it has not the documents of a recording")
    for name in expected[1:]:
        left -= len(content)
        contents[name] = content = _read_member(archive, name, left, path)
        if compute_sha256(content) != manifest.documents[name]:
            raise _describe_damage(path, f"{name} has not the digest that the manifest states")
    values = {digest: bytes(value) for digest, value in _decode(contents[VALUES], dict[str, msgspec.Raw], path).items()}
    for digest, value in values.items():
        if compute_sha256(value) != digest:
            raise _describe_damage(path, f"a value has not the digest {digest[:12]}…")
    inputs = _decode(contents[INPUTS], RecordedInputs, path)
    if inputs.options.as_of != manifest.as_of:
        raise _describe_damage(path, "it states two moments")
    answers = _decode(contents[ANSWERS], tuple[Answer, ...], path)
    if any(answer.sha256 not in values for answer in answers if answer.sha256):
        raise _describe_damage(path, "an answer has no value")
    return Recording(manifest=manifest, inputs=inputs, answers=answers, values=values)


def _read_member(archive: ZipFile, name: str, limit: int, path: Path) -> bytes:
    """Return a document; what the archive states of its size is not believed."""
    from zipfile import ZIP_DEFLATED

    if archive.getinfo(name).compress_type != ZIP_DEFLATED:
        raise _describe_damage(path, f"{name} is compressed in another way")
    with archive.open(name) as member:
        content = member.read(limit + 1)
    if len(content) > limit:
        raise UsageError(f"{path}: the documents of a recording have at most {MAX_BYTES >> 20} MB")
    return content


class _Format(msgspec.Struct):
    format: int


def _check_format(content: bytes, path: Path) -> None:
    edition = _decode(content, _Format, path).format
    if edition > FORMAT:
        raise UsageError(
            f"{path}: this recording has the layout {edition}, and this version reads {FORMAT}",
            hint="a later version of nerq-cli reads it",
        )


def _decode(content: bytes, type_: type[T], path: Path) -> T:
    from nerq_cli.decoders import build_json_decoder

    try:
        return build_json_decoder(type_).decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _describe_damage(path, f"{error}") from error


def _describe_damage(path: Path, reason: str) -> UsageError:
    return UsageError(f"{path}: the recording is damaged: {reason}")


def _encode(document: object) -> bytes:
    return msgspec.json.encode(document, enc_hook=_encode_mapping)


def _encode_mapping(value: Any) -> Any:  # noqa: ANN401 - the protocol of msgspec
    if isinstance(value, Mapping):  # a view of a dictionary
        return dict(value)
    message = f"{type(value).__name__} is not recorded"
    raise NotImplementedError(message)
