"""Read and write the runs that later ones are compared with: baselines, and reports in JSON or HTML."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

import msgspec
from msgspec.structs import replace

from nerq_cli.decoders import build_json_decoder_late
from nerq_cli.ecosystems import EcosystemId
from nerq_cli.errors import UsageError
from nerq_cli.inventory import Location
from nerq_cli.manifests.discovery.gitignore import find_work_tree
from nerq_cli.policy import baseline
from nerq_cli.policy.baseline import (
    DirectoryOf,
    Record,
    RecordedAdvisory,
    RecordedDependency,
    RecordedFinding,
    RecordedScore,
)
from nerq_cli.policy.findings import Finding, Level

if TYPE_CHECKING:
    from nerq_cli.application.read_dependencies import Inputs
    from nerq_cli.application.session import Session
    from nerq_cli.inventory import DependencyFile
    from nerq_cli.report.model import Report

#: The file that ``nerq baseline`` writes in the scanned directory.
FILE_NAME: Final = "nerq-baseline.json"
#: Version of its format.
FORMAT_VERSION: Final = 1
#: Largest file that is read, in bytes: a report on 20,000 dependencies has half of it.
MAX_BYTES: Final = 256 * 1024 * 1024
_WRITE_HINT: Final = "nerq baseline writes one"
_INCOMPLETE_NOTE: Final = "not everything could be checked when {label} was written"

T = TypeVar("T")


class _Head(msgspec.Struct, frozen=True):
    """What kind of document it is, and of which version."""

    nerq_baseline: int = 0
    schema_version: int = 0
    list_only: bool = False


# --- The file of ``nerq baseline``


class _Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One dependency."""

    ecosystem: EcosystemId
    name: str
    version: str = ""
    projects: tuple[str, ...] = ("",)
    state: str = ""
    score: float | None = None
    #: Value and points of each signal.
    signals: Mapping[str, tuple[float | None, float]] = {}
    caps: Mapping[str, float] = {}
    advisories: tuple[RecordedAdvisory, ...] = ()
    methodology: str = ""


class _FindingLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One finding."""

    id: str
    level: Level = "deny"
    undecided: bool = False
    package: str = ""
    version: str = ""
    advisory: str = ""
    severity: str = ""
    projects: tuple[str, ...] = ()
    text: str = ""


class _Baseline(msgspec.Struct, frozen=True, kw_only=True):
    methodology: str = ""
    complete: bool = True
    directory: str = "."
    directory_of: DirectoryOf = ""
    files: tuple[str, ...] = ()
    unscanned: tuple[str, ...] = ()
    dependencies: tuple[_Line, ...] = ()
    findings: tuple[_FindingLine, ...] = ()


def render_baseline(report: Report, *, base: str = "", root: Path | None = None, target: Path | None = None) -> bytes:
    """Return the baseline of a run as JSON: sorted, a line per dependency and per finding, without any moment.

    Args:
        report: the run.
        base: the scanned directory, as in the locations of the report.
        root: the scanned directory, for its place in the repository; None leaves that out.
        target: the file that is written, for its place relative to that outside of a repository.
    """
    record = baseline.record_run(report.dependencies, report.findings, report.methodology.version, base=base)
    dependencies = sorted({msgspec.json.encode(_build_line(dependency)) for dependency in record.dependencies})
    findings = sorted({msgspec.json.encode(_build_finding_line(finding)) for finding in record.findings})
    files = sorted({_relate(file.path, base) for file in report.dependency_files})
    place = {} if root is None else _describe_place(root, target)
    head = msgspec.json.encode({"nerq_baseline": FORMAT_VERSION, **place})[1:-1]
    parts = [
        head,
        b'"files":' + msgspec.json.encode(files),
        b'"methodology":' + msgspec.json.encode(record.methodology),
        b'"complete":' + msgspec.json.encode(report.complete),
        b'"dependencies":' + _join_lines(dependencies),
        b'"findings":' + _join_lines(findings),
    ]
    return b"{\n" + b",\n".join(parts) + b"\n}\n"


def encode_record(record: Record) -> bytes:
    """Return a run as the document that `decode_record` reads: in the format of a baseline, in its own order."""
    document = _Baseline(
        methodology=record.methodology,
        dependencies=tuple(map(_build_line, record.dependencies)),
        findings=tuple(map(_build_finding_line, record.findings)),
        unscanned=tuple(sorted(record.unscanned)),
    )
    return msgspec.json.encode(document)


def decode_record(content: bytes, label: str, notes: tuple[str, ...]) -> Record:
    """Return the run of a document that `encode_record` made.

    Raises:
        UsageError: the document is damaged.
    """
    record = _read_baseline(_decode(_BASELINE_DECODER, content, label), label)
    return replace(record, notes=notes)


def _relate(path: str, base: str) -> str:
    return path.removeprefix(f"{base}/") if base else path


def _describe_place(root: Path, target: Path | None) -> dict[str, str]:
    """Return where a scanned directory is: in its repository, else as seen from a file."""
    directory = Path(os.path.realpath(root))
    work_tree = find_work_tree(directory)
    if work_tree is not None:
        return {"directory": directory.relative_to(work_tree).as_posix(), "directory_of": "repository"}
    if target is None:
        return {}
    start = os.path.realpath(target.parent)
    return {"directory": Path(os.path.relpath(directory, start)).as_posix(), "directory_of": "file"}


def place_record(record: Record, path: Path, inputs: Inputs, files: Iterable[DependencyFile]) -> Record:
    """Return a recorded run as seen from the scanned directory, and what of it this run leaves out.

    A file that the run recorded, that is still there and that this run does not read, is left out.

    Args:
        record: the run.
        path: the file that records it.
        inputs: what this run scans.
        files: what this run reads.
    """
    scanned = Path(os.path.realpath(inputs.root))
    directory = _find_recorded_directory(record, path, scanned)
    read_paths = {os.path.realpath(file.path) for file in files}
    left_out = [
        file
        for file in record.files
        if os.path.isfile(full_path := os.path.join(directory, file))  # noqa: PTH113, PTH118 - thousands of files
        and os.path.realpath(full_path) not in read_paths
    ]
    if left_out:
        locations = (Location(path=file, line=0) for file in left_out)
        record = replace(record, unscanned=frozenset(baseline.find_projects(locations)))
    if len(inputs.paths) == 1 and directory != scanned:
        if scanned.is_relative_to(directory):
            record = baseline.relocate(record, scanned.relative_to(directory).as_posix())
        elif directory.is_relative_to(scanned):
            record = baseline.relocate(record, f"../{directory.relative_to(scanned).as_posix()}")
    if record.unscanned:
        note = f"some dependency files of {record.label} were not scanned: what they have is not removed or resolved"
        record = replace(record, notes=(*record.notes, note))
    return record


def _find_recorded_directory(record: Record, path: Path, scanned: Path) -> Path:
    """Return the directory that a recorded run scanned; of a moved file the one that is scanned now."""
    directory_of_file = Path(os.path.realpath(path)).parent
    if record.directory_of == "repository":
        work_tree = find_work_tree(scanned)
        return scanned if work_tree is None else Path(os.path.normpath(work_tree / record.directory))
    if record.directory_of == "file":
        directory = Path(os.path.normpath(directory_of_file / record.directory))
        return directory if any((directory / file).is_file() for file in record.files) else scanned
    # The paths in a report are relative to the directory where it was made: most likely where it is.
    current = Path(os.path.realpath(os.curdir))
    if current.is_relative_to(directory_of_file) and any((directory_of_file / file).is_file() for file in record.files):
        return directory_of_file
    return current


def _join_lines(lines: Sequence[bytes]) -> bytes:
    return b"[\n" + b",\n".join(lines) + b"\n]" if lines else b"[]"


def _build_line(dependency: RecordedDependency) -> _Line:
    parts = baseline.freeze_parts(dependency.parts)
    return _Line(
        ecosystem=dependency.ecosystem,
        name=dependency.name,
        version=dependency.version,
        projects=dependency.projects,
        state=dependency.state,
        score=dependency.score,
        signals=dict(parts.signals),
        caps=dict(parts.caps),
        advisories=dependency.advisories,
        methodology=dependency.methodology,
    )


def _build_finding_line(finding: RecordedFinding) -> _FindingLine:
    return _FindingLine(
        id=finding.rule,
        level=finding.level,
        undecided=finding.undecided,
        package=finding.package,
        version=finding.version,
        advisory=finding.advisory,
        severity=finding.severity,
        projects=finding.projects,
        text=finding.text,
    )


# --- The JSON report


class _Tool(msgspec.Struct, frozen=True):
    methodology: str


class _Location(msgspec.Struct, frozen=True):
    path: str


class _Cap(msgspec.Struct, frozen=True):
    id: str
    limit: float


class _Signal(msgspec.Struct, frozen=True):
    id: str
    state: str = "known"
    value: float | None = None
    contribution: float | None = None


class _Advisory(msgspec.Struct, frozen=True):
    id: str
    aliases: tuple[str, ...] = ()
    known_exploited: bool | None = None


class _Dependency(msgspec.Struct, frozen=True, kw_only=True):
    ecosystem: EcosystemId
    name: str
    version: str | None = None
    locations: tuple[_Location, ...] = ()
    state: str = ""
    score: float | None = None
    caps: tuple[_Cap, ...] = ()
    signals: tuple[_Signal, ...] = ()
    advisories: tuple[_Advisory, ...] = ()
    methodology: str | None = None


class _Finding(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    text: str = ""
    level: Level = "deny"
    undecided: bool = False
    purl: str | None = None
    version: str | None = None
    advisory: str | None = None
    severity: str | None = None
    locations: tuple[_Location, ...] = ()
    waiver: object = None


class _Report(msgspec.Struct, frozen=True, kw_only=True):
    tool: _Tool
    complete: bool = False
    dependency_files: tuple[_Location, ...] = ()
    dependencies: tuple[_Dependency, ...]
    findings: tuple[_Finding, ...]


_HEAD_DECODER: Final = build_json_decoder_late(_Head)
_BASELINE_DECODER: Final = build_json_decoder_late(_Baseline)
_REPORT_DECODER: Final = build_json_decoder_late(_Report)


class ChosenBaseline(NamedTuple):
    """A recorded run, and the file that records it."""

    record: Record
    path: Path

    def place(self, inputs: Inputs, files: Iterable[DependencyFile]) -> Record:
        """Return the run as seen from the scanned directory; the arguments are those of `place_record`."""
        return place_record(self.record, self.path, inputs, files)


def read_chosen_baseline(session: Session, chosen: str | None) -> ChosenBaseline | None:
    """Return the run that the user names, else the one that the settings name; None if neither does.

    A file that the settings of the scanned project name must be in their directory: a project could have other files of
    the machine read.

    Raises:
        UsageError: the file cannot be used.
    """
    path = find_chosen_baseline(session, chosen)
    return None if path is None else ChosenBaseline(read_baseline(path), path)


def find_chosen_baseline(session: Session, chosen: str | None) -> Path | None:
    """Return the file that `read_chosen_baseline` reads; None if there is none.

    Raises:
        UsageError: the settings name a file outside of their directory.
    """
    config = session.config
    if chosen is not None or not config.baseline:
        return Path(chosen) if chosen else None
    if not config.path or not config.values["baseline"].origin.startswith(config.path):
        return Path(config.baseline)
    directory = Path(config.path).parent
    path = directory / config.baseline
    real_directory = os.path.join(os.path.realpath(directory), "")  # noqa: PTH118 - keeps the separator
    if session.obeys_project and not os.path.realpath(path).startswith(real_directory):
        raise UsageError(
            f"{config.path}: the baseline must be in the directory of the settings file or below it",
            hint="name another file with --baseline",
        )
    return path


def read_baseline(path: Path) -> Record:
    """Return the run that a file records: a baseline, or a report in JSON (full or compact) or HTML.

    Raises:
        UsageError: the file cannot be read, is none of these, is damaged, too large, or of a newer version.
    """
    content = _read_file(path)
    label = path.name
    if content.lstrip()[:1] == b"<":
        content = _extract_report(content, label)
    return decode_baseline(content, label)


def decode_baseline(content: bytes, label: str) -> Record:
    """Return the run that a JSON document records.

    Raises:
        UsageError: it is no baseline and no report, or of a newer version, or damaged.
    """
    head = _decode(_HEAD_DECODER, content, label)
    from nerq_cli.report.formats.json import SCHEMA_VERSION

    for name, version, known in (
        ("baseline format", head.nerq_baseline, FORMAT_VERSION),
        ("schema", head.schema_version, SCHEMA_VERSION),
    ):
        if version > known:
            raise UsageError(
                f"{label} was written by a newer version of nerq-cli ({name} {version}; this one reads up to {known})",
                hint="update nerq-cli, or write the file again with this version",
            )
    if head.nerq_baseline > 0:
        return _read_baseline(_decode(_BASELINE_DECODER, content, label), label)
    if head.schema_version <= 0:
        raise UsageError(f"{label} is no report of nerq-cli and no baseline", hint=_WRITE_HINT)
    if head.list_only:
        raise UsageError(f"{label} only lists dependencies: nothing in it was scored", hint=_WRITE_HINT)
    return _read_report(_decode(_REPORT_DECODER, content, label), label)


def _read_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise UsageError(f"{path}: no such file to compare with", hint=_WRITE_HINT) from error
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise UsageError(f"{path} is larger than {MAX_BYTES >> 20} MB", hint=f"{_WRITE_HINT} that is much smaller")
    return content


def _extract_report(content: bytes, label: str) -> bytes:
    from nerq_cli.report.embedded import extract_report

    try:
        return extract_report(content)
    except ValueError as error:
        raise UsageError(f"{label} cannot be compared with: {error}", hint=_WRITE_HINT) from error


def _decode(decoder: msgspec.json.Decoder[T], content: bytes, label: str) -> T:
    try:
        return decoder.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # The text of the error names keys and positions, and no values.
        raise UsageError(f"{label} is damaged, or no report of nerq-cli: {error}", hint=_WRITE_HINT) from error


def _read_baseline(document: _Baseline, label: str) -> Record:
    return Record(
        methodology=document.methodology,
        dependencies=tuple(
            RecordedDependency(
                ecosystem=line.ecosystem,
                name=line.name,
                version=line.version,
                projects=line.projects,
                state=line.state,
                score=line.score,
                parts=RecordedScore(line.signals, line.caps) if line.signals or line.caps else None,
                advisories=line.advisories,
                methodology=line.methodology,
            )
            for line in document.dependencies
        ),
        findings=tuple(
            RecordedFinding(
                rule=line.id,
                level=line.level,
                undecided=line.undecided,
                package=line.package,
                version=line.version,
                advisory=line.advisory,
                severity=line.severity,
                projects=line.projects,
                text=line.text,
            )
            for line in document.findings
        ),
        label=label,
        notes=tuple(_describe_incomplete(label, complete=document.complete)),
        files=document.files,
        directory=document.directory,
        directory_of=document.directory_of,
        unscanned=frozenset(document.unscanned),
    )


def _read_report(document: _Report, label: str) -> Record:
    return Record(
        methodology=document.tool.methodology,
        dependencies=tuple(map(_read_dependency, document.dependencies)),
        findings=tuple(
            baseline.record_finding(_read_finding(finding)) for finding in document.findings if finding.waiver is None
        ),
        label=label,
        notes=tuple(_describe_incomplete(label, complete=document.complete)),
        files=tuple(file.path for file in document.dependency_files),
    )


def _describe_incomplete(label: str, *, complete: bool) -> Iterator[str]:
    if not complete:
        yield _INCOMPLETE_NOTE.format(label=label)


def _read_dependency(dependency: _Dependency) -> RecordedDependency:
    signals = {
        signal.id: (signal.value, signal.contribution or 0.0)
        for signal in dependency.signals
        if signal.state != "not_applicable"
    }
    caps = {cap.id: cap.limit for cap in dependency.caps}
    return RecordedDependency(
        ecosystem=dependency.ecosystem,
        name=dependency.name,
        version=dependency.version or "",
        projects=baseline.find_projects(_read_locations(dependency.locations)) or ("",),
        state=dependency.state,
        score=dependency.score,
        parts=RecordedScore(signals, caps) if signals or caps else None,
        advisories=tuple(
            RecordedAdvisory(tuple(sorted({advisory.id, *advisory.aliases})), bool(advisory.known_exploited))
            for advisory in dependency.advisories
        ),
        methodology=dependency.methodology or "",
    )


def _read_finding(finding: _Finding) -> Finding:
    return Finding(
        id=finding.id,
        text=finding.text,
        level=finding.level,
        undecided=finding.undecided,
        purl=finding.purl or "",
        version=finding.version or "",
        advisory=finding.advisory or "",
        severity=finding.severity or "",
        locations=_read_locations(finding.locations),
    )


def _read_locations(locations: Sequence[_Location]) -> tuple[Location, ...]:
    return tuple(Location(path=location.path, line=0) for location in locations)
