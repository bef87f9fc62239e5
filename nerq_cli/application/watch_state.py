"""The state that a pass of ``nerq watch`` leaves for the next one: a file of JSON, a line for each dependency."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta

from nerq_cli.application.project_identity import ProjectIdentity
from nerq_cli.decoders import build_json_decoder_late
from nerq_cli.errors import UsageError
from nerq_cli.insight.watch import Registration, Watched, WatchedServer
from nerq_cli.manifests.discovery.gitignore import find_work_tree
from nerq_cli.policy.baseline import RecordedFinding
from nerq_cli.policy.findings import Level

if TYPE_CHECKING:
    from nerq_cli.application.session import Session

#: Version of the format.
FORMAT_VERSION: Final = 1
#: Largest file that is read, in bytes: the state of 20,000 dependencies has a tenth of it.
MAX_BYTES: Final = 256 * 1024 * 1024
#: Directory of the states in the cache directory.
_DIRECTORY: Final = "watch"
_HINT: Final = "delete it to begin anew: the next pass has nothing to compare with"


class _Head(msgspec.Struct, frozen=True):
    nerq_watch: int = 0


class _FindingLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One finding."""

    rule: str
    level: Level = "deny"
    undecided: bool = False
    package: str = ""
    version: str = ""
    advisory: str = ""
    severity: str = ""
    projects: tuple[str, ...] = ()
    text: str = ""
    shown: str = ""


class WatchedFinding(RecordedFinding, frozen=True, gc=False, kw_only=True):
    """A finding as a pass keeps it."""

    #: Its text, for people; empty in a state of an earlier version.
    shown: str = ""


class WatchState(msgspec.Struct, frozen=True, kw_only=True):
    """A project at the last pass."""

    #: When that was (epoch seconds UTC).
    as_of: int
    #: The scanned directory relative to the root of its repository; None outside of one.
    directory: str | None = None
    #: Which project it is.
    project: ProjectIdentity = ProjectIdentity()
    #: Edition of the methodology of packages.
    methodology: str = ""
    #: Whether the dependencies of an MCP server were not known.
    unresolved: bool = False
    dependencies: tuple[Watched, ...] = ()
    #: Without those that waivers or a baseline of the settings accept.
    findings: tuple[WatchedFinding, ...] = ()
    #: Those that the baseline accepts.
    accepted: tuple[WatchedFinding, ...] = ()
    servers: tuple[WatchedServer, ...] = ()
    registrations: tuple[Registration, ...] = ()


class _Document(msgspec.Struct, frozen=True, kw_only=True):
    as_of: Annotated[int, Meta(gt=0)]
    directory: str | None = None
    project: ProjectIdentity = ProjectIdentity()
    methodology: str = ""
    unresolved: bool = False
    dependencies: tuple[Watched, ...] = ()
    findings: tuple[_FindingLine, ...] = ()
    accepted: tuple[_FindingLine, ...] = ()
    servers: tuple[WatchedServer, ...] = ()
    registrations: tuple[Registration, ...] = ()


_HEAD_DECODER: Final = build_json_decoder_late(_Head)
_DECODER: Final = build_json_decoder_late(_Document)


def find_state_path(session: Session, path: Path, chosen: Path | None) -> Path:
    """Return the file of the state of a scanned path: that which the user names, else one in the cache directory.

    Raises:
        UsageError: there is no cache directory, and the user names no file.
    """
    if chosen is not None:
        return chosen
    if session.settings.no_cache:
        raise UsageError("--no-cache keeps no state to compare with", hint="name a file: --state nerq-watch.json")
    from hashlib import blake2b

    from nerq_cli.store import get_default_directory

    name = blake2b(os.path.realpath(path).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
    return (session.settings.cache_dir or get_default_directory()) / _DIRECTORY / f"{name}.json"


def find_directory(root: Path) -> str | None:
    """Return a directory relative to the root of its git repository; None outside of one."""
    directory = Path(os.path.realpath(root))
    work_tree = find_work_tree(directory)
    return None if work_tree is None else directory.relative_to(work_tree).as_posix()


def read_state(path: Path, root: Path) -> WatchState | None:
    """Return the state in a file; None if there is no file yet.

    Raises:
        UsageError: the file cannot be read, is damaged, no state, of a newer version, or of another directory.
    """
    try:
        if path.exists() and not path.is_file():  # reading a pipe could wait forever
            raise UsageError(f"{path} is no regular file", hint="name another file with --state")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise UsageError(f"{path} is larger than {MAX_BYTES >> 20} MB", hint=_HINT)
    state = decode_state(content, f"{path}")
    directory = find_directory(root)
    if None not in (state.directory, directory) and state.directory != directory:
        raise UsageError(
            f"{path} is the state of the directory {state.directory} of the repository, and not of {directory}",
            hint="give each directory its own file",
        )
    return state


def decode_state(content: bytes, label: str) -> WatchState:
    """Return the state in a document.

    Raises:
        UsageError: it is damaged, no state, or of a newer version.
    """
    try:
        version = _HEAD_DECODER.decode(content).nerq_watch
        if version > FORMAT_VERSION:
            raise UsageError(
                f"{label} was written by a newer version of nerq-cli (format {version}; this one reads up to "
                f"{FORMAT_VERSION})",
                hint="update nerq-cli; the file is left as it is",
            )
        if version <= 0:
            raise UsageError(f"{label} is no state of nerq watch", hint="name another file; this one is left as it is")
        document = _DECODER.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # The text of the error names keys and positions, and no values.
        raise UsageError(f"{label} is damaged, or no state of nerq watch: {error}", hint=_HINT) from error
    return WatchState(
        as_of=document.as_of,
        directory=document.directory,
        project=document.project,
        methodology=document.methodology,
        unresolved=document.unresolved,
        dependencies=document.dependencies,
        findings=tuple(map(_read_line, document.findings)),
        accepted=tuple(map(_read_line, document.accepted)),
        servers=document.servers,
        registrations=document.registrations,
    )


def encode_state(state: WatchState) -> bytes:
    """Return a state as JSON: sorted, a line for each dependency and each finding, for small differences in git."""
    head = {
        "nerq_watch": FORMAT_VERSION,
        "as_of": state.as_of,
        "directory": state.directory,
        "project": state.project,
        "methodology": state.methodology,
        "unresolved": state.unresolved,
    }
    parts = [
        msgspec.json.encode(head)[1:-1],
        b'"dependencies":' + _join_lines(state.dependencies),
        b'"findings":' + _join_lines(list(map(_build_line, state.findings))),
        b'"accepted":' + _join_lines(list(map(_build_line, state.accepted))),
        b'"servers":' + _join_lines(state.servers),
        b'"registrations":' + _join_lines(state.registrations),
    ]
    return b"{\n" + b",\n".join(parts) + b"\n}\n"


def _read_line(line: _FindingLine) -> WatchedFinding:
    return WatchedFinding(**{name: getattr(line, name) for name in _FindingLine.__struct_fields__})


def _build_line(finding: WatchedFinding) -> _FindingLine:
    return _FindingLine(**{name: getattr(finding, name) for name in _FindingLine.__struct_fields__})


def _join_lines(items: Sequence[msgspec.Struct]) -> bytes:
    lines = sorted({msgspec.json.encode(item) for item in items})
    return b"[\n" + b",\n".join(lines) + b"\n]" if lines else b"[]"
