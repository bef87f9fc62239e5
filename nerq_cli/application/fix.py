"""Write the proposed versions into dependency files, and name what to run for lock files, which are never touched."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from nerq_cli.application.fix_conflicts import ConflictFinder, FindRequirements, Place, group_files
from nerq_cli.ecosystems import get_ecosystem
from nerq_cli.errors import UsageError
from nerq_cli.inventory import Declaration, DependencyFile, Location, Package
from nerq_cli.manifests.edit.edits import Change, Edit, Refusal, apply_edits
from nerq_cli.manifests.formats import FORMATS
from nerq_cli.manifests.read_file import CannotReadError, read_bytes
from nerq_cli.report.wording import describe_availability
from nerq_cli.resolve.lockfile import apply_lockfiles
from nerq_cli.resolve.resolver import CONSTRAINT_GROUP

if TYPE_CHECKING:
    from nerq_cli.report.model import Assessment

_FindEdits: TypeAlias = "Callable[[str, Iterable[Change]], Iterator[Edit | Refusal]]"

#: What became of a change: the lines that are edited, or why none is.
_Outcome: TypeAlias = "tuple[EditedLine, ...] | str"

_EDIT: Final = "nerq_cli.manifests.edit"
#: The module that edits each format.
EDITORS: Final[Mapping[str, str]] = {
    "requirements": f"{_EDIT}.requirements",
    "pyproject": f"{_EDIT}.pyproject",
    "package.json": f"{_EDIT}.package_json",
}
#: What updates one package in a lock file, by format: after its manifest was changed, and without that.
#: ``{names}`` stands for the packages, ``{each}`` for them with ``--upgrade-package`` before each.
_LOCK_COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "uv.lock": ("uv lock {each}", "uv lock {each}"),
    "poetry.lock": ("poetry update {names}", "poetry update {names}"),
    "pdm.lock": ("pdm update {names}", "pdm update {names}"),
    "Pipfile.lock": ("pipenv upgrade {names}", "pipenv upgrade {names}"),
    "pixi.lock": ("pixi update {names}", "pixi update {names}"),
    "package-lock.json": ("npm install", "npm update {names}"),
    "pnpm-lock.yaml": ("pnpm install", "pnpm update {names}"),
    "yarn.lock": ("yarn install", "yarn up {names}"),
    "bun.lock": ("bun install", "bun update {names}"),
    "deno.lock": ("deno install", "deno update {names}"),
}
_YARN_LOCK: Final = "yarn.lock"
#: Yarn 1, whose lock file has no importers, but patterns.
_YARN_CLASSIC_COMMANDS: Final = ("yarn install", "yarn upgrade {names}")
#: How a version of a package that others require is forced, by format of the lock file.
_OVERRIDES: Final[Mapping[str, str]] = {
    "uv.lock": 'override-dependencies = ["{name}>={version}"] under [tool.uv]',
    "poetry.lock": "poetry add {name}@^{version}",
    "pdm.lock": '{name} = "{version}" under [tool.pdm.resolution.overrides]',
    "package-lock.json": '"overrides": {{"{name}": "{version}"}} in package.json',
    "pnpm-lock.yaml": "{name}: {version} under overrides in pnpm-workspace.yaml",
    "yarn.lock": '"resolutions": {{"{name}": "{version}"}} in package.json',
    "bun.lock": '"overrides": {{"{name}": "{version}"}} in package.json',
}
#: Suffix of requirements files that are lock files, as Rye writes them.
_LOCK_SUFFIX: Final = ".lock"
_BOM: Final = "\ufeff"
#: Releases named whose requirements are not known.
_MAX_UNKNOWN: Final = 5
#: Names shown of those that require a package.
_MAX_PARENTS: Final = 3


class EditedLine(msgspec.Struct, frozen=True, kw_only=True):
    """One requirement that is changed."""

    location: Location
    old: str
    new: str


class PackageFix(msgspec.Struct, frozen=True, kw_only=True):
    """What is done about one dependency."""

    package: Package
    current: str
    #: Empty if no version is proposed.
    proposed: str
    edited: tuple[EditedLine, ...] = ()
    #: Whether a lock file is to be written for it.
    is_locked: bool = False
    #: What is left to the user, each with its place.
    left: tuple[tuple[Location | None, str], ...] = ()


class FileEdit(msgspec.Struct, frozen=True, kw_only=True):
    """The new content of one file."""

    #: As in locations.
    path: str
    old: bytes
    new: bytes
    #: Unified diff.
    diff: str


class FixPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a run would change, and what it would not."""

    fixes: tuple[PackageFix, ...]
    files: tuple[FileEdit, ...]
    #: Commands that write the lock files.
    commands: tuple[str, ...]
    #: Sentences about what is not known.
    notes: tuple[str, ...] = ()

    @property
    def has_rest(self) -> bool:
        """Whether something is left to the user."""
        return any(fix.left for fix in self.fixes)


def plan_fixes(
    assessments: Iterable[Assessment],
    dependency_files: Sequence[DependencyFile],
    *,
    as_of: int,
    security_only: bool = False,
    python: str = "",
    find_requirements: FindRequirements = lambda _: {},
) -> FixPlan:
    """Return how the proposed versions get into the files. Files are read, and none is written.

    A new version goes into all declarations of a package that are installed together, or into none: of those in files
    that include each other. None is written that the requirements of another pinned package exclude.

    Args:
        assessments: the dependencies to fix.
        dependency_files: the files, each with what it declares, without the versions of lock files.
        as_of: the present (epoch seconds UTC).
        security_only: whether to leave alone what has no advisory.
        python: the Python version to install for; empty for the one that runs.
        find_requirements: what releases on PyPI require.
    """
    planner = _Planner(dependency_files)
    planned = [
        planner.plan(assessment, as_of)
        for assessment in assessments
        if _needs_fix(assessment) and (assessment.advisories or not security_only)
    ]
    finder = planner.create_finder(python, find_requirements)
    left: dict[Place, str] = {}
    while True:
        files, results = planner.edit_files(left)
        edited = {
            place: planner.changes[place].version for place, result in results.items() if not isinstance(result, str)
        }
        conflicts = {conflict.place: conflict.reason for conflict in finder.find(edited)}
        if not conflicts:
            break
        left.update(conflicts)
    finished = tuple(_finish(fix, places, results) for fix, places in planned)
    return FixPlan(
        fixes=finished,
        files=tuple(files),
        commands=tuple(planner.list_commands(finished)),
        notes=tuple(_describe_unknown(finder.unknown)),
    )


def _describe_unknown(releases: Sequence[str]) -> Iterator[str]:
    """Yield a sentence about releases whose requirements are not known."""
    if releases:
        shown = ", ".join(releases[:_MAX_UNKNOWN])
        more = f" and {len(releases) - _MAX_UNKNOWN} more" if len(releases) > _MAX_UNKNOWN else ""
        yield f"the new versions are not compared with what {shown}{more} may require: that is not known"


def _needs_fix(assessment: Assessment) -> bool:
    return not assessment.dependency.skip_reason and (assessment.state == "below" or bool(get_proposal(assessment)))


def get_proposal(assessment: Assessment) -> str:
    """Return the version to move to; empty if none is proposed."""
    if assessment.upgrade is not None:
        return assessment.upgrade.version
    return "" if " " in assessment.fix else assessment.fix


class _Planner:
    """Collects the changes of each file, then edits each file once."""

    def __init__(self, dependency_files: Sequence[DependencyFile]) -> None:
        self.dependency_files = dependency_files
        self.changes: dict[Place, Change] = {}
        self.lockfiles = [file for file in dependency_files if FORMATS[file.format].tool and file.locked_packages]
        #: The lock file of each manifest that has one, by path.
        self.lockfile_paths = {file.path: file.lockfile for file in apply_lockfiles(dependency_files) if file.lockfile}

    def plan(self, assessment: Assessment, as_of: int) -> tuple[PackageFix, list[Place]]:
        """Return the fix of one dependency and the places to change, and note the changes."""
        dependency = assessment.dependency
        proposal = get_proposal(assessment)
        fix = PackageFix(package=dependency.package, current=dependency.version or "", proposed=proposal)
        if not proposal:
            return _leave(fix, None, assessment.fix or "no newer version is known to be better"), []
        if reason := describe_availability(assessment, as_of):
            return _leave(fix, None, reason), []
        lockfile = self._find_lockfile(assessment)
        declared = list(self._find_declarations(assessment, proposal))
        if not declared:
            return self._plan_transitive(fix, assessment, lockfile), []
        places = []
        for file, declaration in declared:
            if file.format not in EDITORS:
                fix = _leave(fix, declaration.location, f"{file.format} is not written")
            elif file.path.endswith(_LOCK_SUFFIX):
                fix = _leave(fix, declaration.location, "it is a lock file: write it anew with the tool that wrote it")
            elif declaration.override_of:
                fix = _leave(fix, declaration.location, "an override is left to you")
            else:
                change = Change(name=dependency.package.name, version=proposal, line=declaration.location.line)
                places.append(self._add_change(file.path, change, dependency.package))
        return msgspec.structs.replace(fix, is_locked=lockfile is not None), places

    def _add_change(self, path: str, change: Change, package: Package) -> Place:
        """Note a change, and return its place; of two versions for one line the newer one counts."""
        place = Place(path, change.name, change.line)
        other = self.changes.get(place)
        if other is None or not get_ecosystem(package.ecosystem).is_at_least(other.version, change.version):
            self.changes[place] = change
        return place

    def create_finder(self, python: str, find_requirements: FindRequirements) -> ConflictFinder:
        """Return what finds conflicts among the files that are written by hand."""
        files = [file for file in self.dependency_files if file.format in EDITORS and not _is_generated(file)]
        return ConflictFinder(files, group_files(files, os.path.realpath), python, find_requirements)

    def _find_declarations(self, assessment: Assessment, proposal: str) -> Iterator[tuple[DependencyFile, Declaration]]:
        """Yield where a dependency is declared, and the constraints around that exclude its new version."""
        dependency = assessment.dependency
        locations = set(dependency.locations)
        paths = {location.path for location in locations}
        candidates = {
            declaration.location: (file, declaration)
            for file in self.dependency_files
            for declaration in file.declarations
            if declaration.package == dependency.package and not declaration.skip_reason
        }
        declared = {
            location: pair
            for location, pair in candidates.items()
            if pair[1].group != CONSTRAINT_GROUP
            and (location in locations or (dependency.direct and self.lockfile_paths.get(pair[0].path) in paths))
        }
        yield from declared.values()
        folders = {PurePosixPath(location.path).parent for location in declared or locations}
        for location, (file, declaration) in candidates.items():
            folder = PurePosixPath(location.path).parent
            is_near = any(folder.is_relative_to(other) or other.is_relative_to(folder) for other in folders)
            if declaration.group == CONSTRAINT_GROUP and is_near and _excludes_upgrade(declaration, proposal):
                yield file, declaration

    def _find_lockfile(self, assessment: Assessment) -> DependencyFile | None:
        """Return the lock file that has a dependency."""
        package = assessment.dependency.package
        paths = {location.path for location in assessment.dependency.locations}
        folders = [PurePosixPath(path).parent for path in paths]
        candidates = [
            file
            for file in self.lockfiles
            if any(locked.package == package for locked in file.locked_packages)
            and (
                file.path in paths or any(folder.is_relative_to(PurePosixPath(file.path).parent) for folder in folders)
            )
        ]
        return max(candidates, key=lambda file: len(file.path), default=None)

    def _plan_transitive(self, fix: PackageFix, assessment: Assessment, lockfile: DependencyFile | None) -> PackageFix:
        """Return the fix of a package that only others require: a lock file that has it, or what to change."""
        dependency, upgrade = assessment.dependency, assessment.upgrade
        in_range = upgrade is None or upgrade.in_range
        if lockfile is not None and in_range and lockfile.format in _LOCK_COMMANDS:
            return msgspec.structs.replace(fix, is_locked=True)
        parents = dependency.via or dependency.parents
        shown = ", ".join(parents[:_MAX_PARENTS]) + (" and others" if len(parents) > _MAX_PARENTS else "")
        reason = f"it comes with {shown}: move that" if parents else "it is required by other packages"
        override = _OVERRIDES.get(lockfile.format, "") if lockfile is not None else ""
        if override:
            reason += f", or override it: {override.format(name=dependency.package.name, version=fix.proposed)}"
        location = min(dependency.locations, default=None)
        return _leave(fix, location, reason)

    def edit_files(self, left: Mapping[Place, str]) -> tuple[list[FileEdit], dict[Place, _Outcome]]:
        """Return the new files, and what became of each change: the edited lines, or why there is none.

        ``left`` has the reasons of changes that are not made. Links to one file are one file.
        """
        files: list[FileEdit] = []
        results: dict[Place, _Outcome] = {place: reason for place, reason in left.items() if place in self.changes}
        for group in self._group_links():
            changes: dict[tuple[str, int], Change] = {}
            places: dict[Place, tuple[str, int]] = {}
            for file in group:
                for place, change in self.changes.items():
                    if place.path == file.path and place not in results:
                        places[place] = key = (change.name, change.line)
                        changes.setdefault(key, change)
            if changes:
                edit, outcome = _edit_file(group[0], list(changes.values()))
                files += [edit] if edit is not None else []
                for place, key in places.items():
                    if changes[key] in outcome:
                        results[place] = _move_lines(outcome[changes[key]], place.path)
        return files, results

    def _group_links(self) -> list[list[DependencyFile]]:
        """Return the files, those that are the same one together, a link after what it leads to."""
        groups: dict[str, list[DependencyFile]] = {}
        for file in self.dependency_files:
            if file.format in EDITORS:
                groups.setdefault(os.path.realpath(file.path), []).append(file)
        return [sorted(group, key=lambda file: os.path.islink(file.path)) for group in groups.values()]  # noqa: PTH114 - a path as text

    def list_commands(self, fixes: Sequence[PackageFix]) -> Iterator[str]:
        """Yield the command for each lock file that has a package to move."""
        edited_folders = {PurePosixPath(line.location.path).parent for fix in fixes for line in fix.edited}
        for lockfile in self.lockfiles:
            names = sorted(
                {
                    fix.package.name
                    for fix in fixes
                    if (fix.edited or (fix.is_locked and not fix.left))
                    and any(locked.package == fix.package for locked in lockfile.locked_packages)
                }
            )
            if not names:
                continue
            folder = PurePosixPath(lockfile.path).parent
            was_edited = any(edited.is_relative_to(folder) for edited in edited_folders)
            is_classic = lockfile.format == _YARN_LOCK and bool(lockfile.patterns)
            command = _YARN_CLASSIC_COMMANDS if is_classic else _LOCK_COMMANDS.get(lockfile.format)
            if command is None:
                yield f"write {lockfile.path} anew with the tool that wrote it"
                continue
            yield _format_command(command[0] if was_edited else command[1], names, folder)
            transitive = sorted({fix.package.name for fix in fixes if fix.package.name in names and not fix.edited})
            if was_edited and transitive and "{" not in command[0]:
                yield _format_command(command[1], transitive, folder)


def _is_generated(file: DependencyFile) -> bool:
    """Return whether another file decides what a requirements file has: a lock file, or one that a tool writes."""
    if file.path.endswith(_LOCK_SUFFIX):
        return True
    if file.format != "requirements":
        return False
    from nerq_cli.manifests.edit.requirements import find_generator

    try:
        return bool(find_generator(read_bytes(Path(file.path)).decode("utf-8", "replace")))
    except CannotReadError:
        return False


def _move_lines(outcome: _Outcome, path: str) -> _Outcome:
    """Return edited lines as those of another path of the same file."""
    if isinstance(outcome, str):
        return outcome
    return tuple(
        msgspec.structs.replace(line, location=msgspec.structs.replace(line.location, path=path)) for line in outcome
    )


def _finish(fix: PackageFix, places: Iterable[Place], results: Mapping[Place, _Outcome]) -> PackageFix:
    """Return the fix with what became of its changes."""
    edited: list[EditedLine] = []
    left = list(fix.left)
    for place in dict.fromkeys(places):
        result = results.get(place, ())
        if isinstance(result, str):
            left.append((Location(path=place.path, line=place.line), result))
            continue
        own = [line for line in result if fix.current and fix.current in line.old]  # of several on one line
        edited += own or result
    return msgspec.structs.replace(fix, edited=tuple(edited), left=tuple(left))


def _excludes_upgrade(constraint: Declaration, version: str) -> bool:
    """Return whether a constraint excludes a version that is newer than what it allows."""
    ecosystem = get_ecosystem(constraint.ecosystem)
    pin = ecosystem.parse_pin(constraint.requirement)
    is_newer = pin is None or not ecosystem.is_at_least(pin, version)
    return is_newer and not ecosystem.satisfies(constraint.requirement, version)


def _format_command(template: str, names: Sequence[str], folder: PurePosixPath) -> str:
    quoted = [shlex.quote(name) for name in names]
    command = template.format(names=" ".join(quoted), each=" ".join(f"--upgrade-package {name}" for name in quoted))
    return command if folder == PurePosixPath() else f"cd {shlex.quote(folder.as_posix())} && {command}"


def _leave(fix: PackageFix, location: Location | None, reason: str) -> PackageFix:
    return msgspec.structs.replace(fix, left=(*fix.left, (location, reason)))


def _edit_file(file: DependencyFile, changes: Sequence[Change]) -> tuple[FileEdit | None, dict[Change, _Outcome]]:
    """Return the new content of a file, and what became of each change.

    The new text is read again: if it declares anything else than the old one, apart from the changes, nothing of it is
    used.
    """
    try:
        old = read_bytes(Path(file.path))
        text = old.decode("utf-8")
    except (CannotReadError, UnicodeDecodeError) as error:
        reason = str(error) if isinstance(error, CannotReadError) else "it is not UTF-8 text"
        return None, dict.fromkeys(changes, reason)
    mark = _BOM if text.startswith(_BOM) else ""
    body = text.removeprefix(_BOM)
    find_edits: _FindEdits = import_module(EDITORS[file.format]).find_edits
    edits: list[Edit] = []
    outcome: dict[Change, _Outcome] = {}
    for result in find_edits(body, changes):
        if isinstance(result, Refusal):
            outcome[result.change] = result.reason
        elif result.old != result.new:
            edits.append(result)
            location = Location(path=file.path, line=result.change.line)
            line = EditedLine(location=location, old=result.old, new=result.new)
            earlier = outcome.get(result.change, ())
            outcome[result.change] = earlier if isinstance(earlier, str) else (*earlier, line)
    edits = [edit for edit in edits if not isinstance(outcome[edit.change], str)]  # all of a line, or none
    if not edits:
        return None, outcome
    new_body = apply_edits(body, edits)
    if not _is_as_meant(file, body, new_body, edits):
        reason = "the change could not be verified: edit it yourself"
        return None, {change: value if isinstance(value, str) else reason for change, value in outcome.items()}
    new = (mark + new_body).encode()
    return FileEdit(
        path=file.path, old=old, new=new, diff=_make_diff(_follow_links(file.path), text, mark + new_body)
    ), outcome


def _is_as_meant(file: DependencyFile, old: str, new: str, edits: Sequence[Edit]) -> bool:
    """Return whether the new text declares what the old one does, and the new versions on the lines of the edits."""
    reader = FORMATS[file.format].reader
    before, after = (reader.read(text, file.path, constraint=file.constraint) for text in (old, new))
    versions = {(edit.change.name, edit.change.line): edit.change.version for edit in edits}
    if len(before.declarations) != len(after.declarations) or len(before.problems) != len(after.problems):
        return False
    for first, second in zip(before.declarations, after.declarations, strict=True):
        if first == second:
            continue
        version = versions.get((first.package.name, first.location.line))
        if version is None or msgspec.structs.replace(second, requirement=first.requirement) != first:
            return False
        if not get_ecosystem(second.ecosystem).satisfies(second.requirement, version):
            return False
    return True


def _follow_links(path: str) -> str:
    """Return the path of the file that a path leads to, as far as that is below the current directory."""
    directory = os.path.join(os.path.realpath(Path.cwd()), "")  # noqa: PTH118 - keeps the separator
    target = os.path.realpath(path)
    return Path(target[len(directory) :]).as_posix() if target.startswith(directory) else path


def _make_diff(path: str, old: str, new: str) -> str:
    """Return a unified diff that ``git apply`` and ``patch -p1`` read."""
    from difflib import unified_diff

    name = path.lstrip("/")
    old_lines, new_lines = (_split_lines(text) for text in (old, new))
    diff = unified_diff(old_lines, new_lines, f"a/{name}", f"b/{name}")
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in diff)


def _split_lines(text: str) -> list[str]:
    *lines, last = text.split("\n")
    return [*(f"{line}\n" for line in lines), *([last] if last else [])]


def write_files(files: Sequence[FileEdit], root: Path) -> None:
    """Write all files: each first beside its place; none is renamed unless all could be prepared.

    Raises:
        UsageError: a file has changed since it was read, leads out of the project, or cannot be written.
    """
    targets = [(edit, _find_target(edit, root)) for edit in files]
    temporaries: list[tuple[Path, Path]] = []
    try:
        for edit, target in targets:
            temporaries.append((_write_beside(edit, target), target))
        for temporary, target in temporaries:
            temporary.replace(target)
    except OSError as error:
        raise UsageError(f"{error.filename}: cannot be written: {error.strerror}") from error
    finally:
        for temporary, _ in temporaries:
            temporary.unlink(missing_ok=True)


def _find_target(edit: FileEdit, root: Path) -> Path:
    from nerq_cli.manifests.discovery.find import project_root

    path = Path(edit.path)
    target = Path(os.path.realpath(path))
    if path.is_symlink() and not target.is_relative_to(project_root(Path(os.path.realpath(root)))):
        raise UsageError(f"{edit.path} is a link that leads out of the project: nothing was written")
    try:
        current = read_bytes(target)
    except CannotReadError as error:
        raise UsageError(f"{edit.path}: {error}: nothing was written") from error
    if current != edit.old:
        raise UsageError(f"{edit.path} has changed since it was read: nothing was written", hint="run it again")
    return target


def _write_beside(edit: FileEdit, target: Path) -> Path:
    """Write the new content into a temporary file with the mode of the old one, and return its path."""
    import tempfile

    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(edit.new)
        Path(name).chmod(target.stat().st_mode & 0o7777)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
    return Path(name)
