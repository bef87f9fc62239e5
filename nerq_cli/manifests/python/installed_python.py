"""An installed Python environment, read from the metadata of its packages (dist-info and egg-info)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final

import msgspec

from nerq_cli.ecosystems import PYPI, normalise_name
from nerq_cli.inventory import DependencyFile, Edge, Importer, Location, LockedPackage
from nerq_cli.manifests.package_source import LOCAL, LOCAL_FILE, repository_reason, url_reason
from nerq_cli.manifests.python.pep508 import MAX_LENGTH, validate_marker
from nerq_cli.manifests.read_file import CannotReadError, read_bytes
from nerq_cli.manifests.syntax.quote import quote_requirement, quote_text
from nerq_cli.patterns import compile_late
from nerq_cli.problem import Problem

#: Skip reason of packages that conda installed.
CONDA_REASON: Final = "conda package: not scored"

#: Most packages read from one environment.
MAX_PACKAGES: Final = 20_000
_LAYOUTS: Final = ("lib/*/site-packages", "lib/*/dist-packages", "Lib/site-packages", "lib64/*/site-packages")
_METADATA_NAME: Final = compile_late(r"(?P<name>.+?)-(?P<version>[^-]+)(?:-.+)?\.(?:dist-info|egg-info|egg)")
_NAME_PATTERN: Final = compile_late(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?", re.ASCII)
_VERSION_PATTERN: Final = compile_late(r"[A-Za-z0-9][A-Za-z0-9.!+_-]{0,199}", re.ASCII)
_REQUIREMENT_PATTERN: Final = compile_late(
    r"\s*(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*(?P<rest>.*)", re.DOTALL
)
_EXTRA_CLAUSE: Final = compile_late(r"""\bextra\s*==\s*['"]([^'"]*)['"]|['"]([^'"]*)['"]\s*==\s*extra\b""")
_PYTHON_FOLDER: Final = compile_late(r"(?:python|pypy)(\d+\.\d+)")
_SYSTEM_SITE_PACKAGES: Final = compile_late(r"(?im)^include-system-site-packages\s*=\s*true\s*$")
_PYVENV_VERSION: Final = compile_late(r"(?im)^version(?:_info)?\s*=\s*(\d+\.\d+(?:\.\d+)?)")
#: Most packages listed in a note.
_MAX_LISTED: Final = 5


class _Distribution(msgspec.Struct, frozen=True):
    """One installed distribution."""

    #: Its metadata directory.
    folder: Path
    #: Its metadata file.
    file: Path
    name: str
    version: str
    #: The line of the name in the metadata file.
    line: int
    #: The requirements, as written.
    requires: tuple[str, ...]
    #: Why it is not scored; empty if it is.
    skip: str
    #: Whether the user requested it, rather than another package (PEP 376).
    requested: bool

    @property
    def normalised_name(self) -> str:
        return normalise_name(PYPI, self.name)


def find_folders(path: Path) -> list[Path]:
    """Return the distinct directories of packages in an environment; none if this is not an environment."""
    if any(_is_metadata(name) for name in _list_names(path)) or path.name in ("site-packages", "dist-packages"):
        return [path] if path.is_dir() else []
    by_real_path: dict[str, Path] = {}
    for folder in (folder for layout in _LAYOUTS for folder in sorted(path.glob(layout)) if folder.is_dir()):
        by_real_path.setdefault(os.path.realpath(folder), folder)  # lib64 is often a link to lib
    return list(by_real_path.values())


def read(path: Path, folders: Iterable[Path], format_: str) -> DependencyFile:
    """Return the packages in these directories of one environment."""
    reader = _EnvironmentReader(path)
    for folder in folders:
        reader.read_folder(folder)
    return reader.build_result(format_)


class _EnvironmentReader:
    """Reads one environment."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.distributions: dict[str, _Distribution] = {}
        self.duplicates: list[_Distribution] = []
        self.problems: list[Problem] = []
        self.notes: list[str] = []
        self.environment = _detect_environment(path)

    def read_folder(self, folder: Path) -> None:
        """Read every distribution in a directory."""
        names = sorted(name for name in _list_names(folder) if _is_metadata(name))
        leftovers = [name for name in names if name.startswith("~")]
        if leftovers:
            self.notes.append(f"{len(leftovers)} left by an interrupted installation: not listed ({leftovers[0]})")
        for name in names:
            if len(self.distributions) + len(self.duplicates) >= MAX_PACKAGES:
                self._report_problem(folder, f"more than {MAX_PACKAGES:,} packages: the rest is not read")
                return
            distribution = None if name.startswith("~") else self._read_distribution(folder / name)
            if distribution is not None and distribution.normalised_name in self.distributions:
                original = self.distributions[distribution.normalised_name]
                if original.version != distribution.version:
                    self.duplicates.append(distribution)
                    if (
                        original.folder.parent == distribution.folder.parent
                    ):  # in another directory: the first one is imported
                        self._report_problem(
                            distribution.file,
                            f"{distribution.normalised_name} is installed twice: "
                            f"{original.version} and {distribution.version}",
                        )
            elif distribution is not None:
                self.distributions[distribution.normalised_name] = distribution

    def build_result(self, format_: str) -> DependencyFile:
        """Return the packages, problems and notes."""
        missing_packages: dict[str, str] = {}
        packages = tuple(
            self._make_package(package, missing_packages)
            for package in (*self.distributions.values(), *self.duplicates)
        )
        requested_edges = tuple(
            Edge(target=package.normalised_name) for package in self.distributions.values() if package.requested
        )
        notes = [*self.notes, *_note_missing(missing_packages), *self._note_system_packages()]
        return DependencyFile(
            path=_format_path(self.path),
            format=format_,
            locked_packages=packages,
            importers=(Importer(edges=requested_edges),) if requested_edges else None,
            local_names=tuple(
                sorted({package.package.name for package in packages if package.skip_reason in (LOCAL, LOCAL_FILE)})
            ),
            problems=tuple(self.problems),
            notes=tuple(notes),
        )

    def _read_distribution(self, folder: Path) -> _Distribution | None:
        """Return one distribution, from its metadata or, if they are broken, from the name of its directory."""
        file = _find_metadata_file(folder)
        if folder.name.endswith(".egg-link"):
            name = folder.name.removesuffix(".egg-link")
            return (
                _Distribution(folder, folder, name, "", 1, (), LOCAL, requested=True)
                if _NAME_PATTERN.fullmatch(name)
                else None
            )
        headers, error = _read_headers(file)
        match = _METADATA_NAME.fullmatch(folder.name)
        name = headers.get_first("name") or (match["name"] if match else "")
        version = headers.get_first("version") or (match["version"] if match else "")
        error = error or next((f"no {key} in it" for key in ("name", "version") if not headers.get_first(key)), "")
        if error:
            self._report_problem(file, error, hint="reinstall the package")
        if not _NAME_PATTERN.fullmatch(name) or not _VERSION_PATTERN.fullmatch(version):
            if not error:
                self._report_problem(file, f"not a package: {quote_text(name)}", hint="reinstall it")
            return None
        requires = headers.get_all("requires-dist") or tuple(_read_egg_requires(folder))
        requested = (folder / "REQUESTED").exists()
        return _Distribution(
            folder, file, name, version, headers.line, requires, self._find_skip_reason(folder), requested
        )

    def _find_skip_reason(self, folder: Path) -> str:
        """Return the skip reason of a distribution that did not come from an index."""
        if _read_text(folder / "INSTALLER").strip() == "conda":
            return CONDA_REASON
        text = _read_text(folder / "direct_url.json")
        return self._read_direct_url(folder / "direct_url.json", text) if text else ""

    def _read_direct_url(self, file: Path, text: str) -> str:
        """Return the skip reason of a direct_url.json (PEP 610)."""
        import json

        try:
            direct_url = json.loads(text)
        except (ValueError, RecursionError):
            direct_url = None
        if not isinstance(direct_url, dict) or not isinstance(direct_url.get("url"), str):
            self._report_problem(file, "the source of the package is missing", hint="reinstall the package")
            return "an unreadable address"
        vcs = direct_url.get("vcs_info")
        if isinstance(vcs, dict):
            return repository_reason(direct_url["url"], str(vcs.get("commit_id", "")), vcs=str(vcs.get("vcs", "git")))
        directory = direct_url.get("dir_info")
        if directory is None:
            return url_reason(direct_url["url"])
        return LOCAL if isinstance(directory, dict) and directory.get("editable") else LOCAL_FILE

    def _make_package(self, distribution: _Distribution, missing_packages: dict[str, str]) -> LockedPackage:
        is_first = self.distributions[distribution.normalised_name] is distribution
        return LockedPackage(
            key=distribution.normalised_name
            if is_first
            else f"{distribution.normalised_name}=={distribution.version} {distribution.folder.parent.as_posix()}",
            ecosystem=PYPI,
            name=distribution.normalised_name,
            version=distribution.version,
            location=Location(path=_format_path(distribution.file), line=distribution.line),
            edges=tuple(dict.fromkeys(self._find_edges(distribution, missing_packages))),
            skip_reason=distribution.skip,
        )

    def _find_edges(self, distribution: _Distribution, missing_packages: dict[str, str]) -> Iterator[Edge]:
        """Yield the edges of a distribution; a requirement of an extra that is not installed is left out."""
        for text in distribution.requires:
            match = _REQUIREMENT_PATTERN.fullmatch(text)
            if match is None or len(text) > MAX_LENGTH:
                self._report_problem(distribution.file, f"unreadable requirement: {quote_requirement(text)}")
                continue
            name = normalise_name(PYPI, match["name"])
            specifier, semicolon, marker = match["rest"].partition(" ;" if "@" in match["rest"] else ";")
            extras = tuple(a or b for a, b in _EXTRA_CLAUSE.findall(marker))
            if extras and name not in self.distributions:
                continue
            group = _select_group(marker.strip(), extras, self.environment) if semicolon else "main"
            if group and name in self.distributions:
                yield Edge(target=name, group=group, requirement=specifier.strip().strip("()"))
            elif group:
                missing_packages.setdefault(name, distribution.name)

    def _note_system_packages(self) -> Iterator[str]:
        if _SYSTEM_SITE_PACKAGES.search(_read_text(self.path / "pyvenv.cfg")):
            yield "packages of the system are used as well: not listed here"

    def _report_problem(self, file: Path, message: str, *, hint: str = "") -> None:
        # One damaged package leaves the others as they are.
        self.problems.append(Problem(path=_format_path(file), message=message, hint=hint, level="incomplete"))


class _Headers(msgspec.Struct, frozen=True):
    """The headers of a metadata file."""

    values: Mapping[str, tuple[str, ...]]
    #: The line of the name; 0 if there is none.
    line: int = 0

    def get_all(self, key: str) -> tuple[str, ...]:
        return self.values.get(key, ())

    def get_first(self, key: str) -> str:
        return next(iter(self.get_all(key)), "")


def _read_headers(file: Path) -> tuple[_Headers, str]:
    """Return name, version and requirements of a metadata file, and the error if it cannot be read."""
    try:
        data = read_bytes(file)
    except CannotReadError as error:
        return _Headers({}), str(error)
    values: dict[str, list[str]] = {}
    name_line = 0
    field_values: list[str] | None = None
    for line_number, line in enumerate(_take_header(data).decode("utf-8", "replace").splitlines(), 1):
        if line[:1] in (" ", "\t"):
            if field_values:
                field_values[-1] += f" {line.strip()}"
            continue
        key, colon, value = line.partition(":")
        key = key.strip().lower()
        field_values = values.setdefault(key, []) if colon and key in ("name", "version", "requires-dist") else None
        if field_values is not None:
            field_values.append(value.strip())
            name_line = name_line or (line_number if key == "name" else 0)
    return _Headers({key: tuple(value) for key, value in values.items()}, name_line), ""


def _take_header(data: bytes) -> bytes:
    """Return the part before the first empty line; the rest is the description."""
    ends = [end for end in (data.find(b"\n\n"), data.find(b"\n\r\n")) if end >= 0]
    return data[: min(ends)] if ends else data


def _read_egg_requires(folder: Path) -> Iterator[str]:
    """Yield the requirements in a requires.txt of setuptools, which has headings ``[extra:marker]``."""
    condition = ""
    file = folder / "requires.txt" if folder.suffix != ".egg" else folder / "EGG-INFO" / "requires.txt"
    for line in _read_text(file).splitlines() if folder.is_dir() else ():
        text = line.strip()
        if text.startswith("[") and text.endswith("]"):
            extra, _, marker = text[1:-1].partition(":")
            parts = [f"({marker})" if marker else "", f'extra == "{extra}"' if extra else ""]
            condition = " and ".join(filter(None, parts))
        elif text:
            yield f"{text} ; {condition}" if condition else text


def _find_metadata_file(folder: Path) -> Path:
    if folder.name.endswith(".dist-info"):
        return folder / "METADATA"
    if folder.name.endswith(".egg"):
        return folder / "EGG-INFO" / "PKG-INFO"
    return folder / "PKG-INFO" if folder.is_dir() else folder


def _select_group(marker: str, extras: tuple[str, ...], environment: tuple[tuple[str, str], ...]) -> str:
    """Return the group of a requirement here: ``main``, ``optional``, or empty if its marker is false."""
    if _evaluate_marker(marker, "", environment):
        return "main"
    return "optional" if any(_evaluate_marker(marker, extra, environment) for extra in extras) else ""


@lru_cache(maxsize=4096)
def _evaluate_marker(marker: str, extra: str, environment: tuple[tuple[str, str], ...]) -> bool:
    """Return the value of a marker; True if it cannot be evaluated."""
    from packaging.markers import Marker, UndefinedComparison, UndefinedEnvironmentName

    try:
        return Marker(validate_marker(marker)).evaluate({**dict(environment), "extra": extra})
    except (ValueError, UndefinedComparison, UndefinedEnvironmentName, RecursionError):
        return True


def _detect_environment(path: Path) -> tuple[tuple[str, str], ...]:
    """Return the marker variables of the environment's Python that are certain; the others are those of this Python."""
    full_version = next(iter(_PYVENV_VERSION.findall(_read_text(path / "pyvenv.cfg"))), "")
    folder_version = next(
        (
            match[1]
            for part in (path, *path.glob("lib/*"), path.parent)
            if (match := _PYTHON_FOLDER.fullmatch(part.name))
        ),
        "",
    )
    full_version = full_version or folder_version
    if not full_version:
        return ()
    return ("python_version", ".".join(full_version.split(".")[:2])), ("python_full_version", full_version)


def _note_missing(missing_packages: Mapping[str, str]) -> Iterator[str]:
    if missing_packages:
        examples = [f"{name} for {requirer}" for name, requirer in sorted(missing_packages.items())[:_MAX_LISTED]]
        examples += ["…"] if len(missing_packages) > _MAX_LISTED else []
        yield f"{len(missing_packages)} needed but not installed: {', '.join(examples)}"


def _list_names(folder: Path) -> list[str]:
    try:
        return [entry.name for entry in os.scandir(folder)]
    except OSError:
        return []


def _is_metadata(name: str) -> bool:
    return name.endswith((".dist-info", ".egg-info", ".egg", ".egg-link"))


def _read_text(file: Path) -> str:
    """Return the text of a file; empty if it cannot be read."""
    try:
        return read_bytes(file).decode("utf-8", "replace")
    except CannotReadError:
        return ""


def _format_path(path: Path) -> str:
    return os.fsencode(path.as_posix()).decode(errors="replace")
