"""A Python environment, read from the metadata that installers leave behind: dist-info and egg-info."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from nerq_cli.errors import Problem
from nerq_cli.inventory import PYPI, Location, Locked, Manifest, Need, Root, normalise
from nerq_cli.manifests.opening import CannotReadError, contents
from nerq_cli.manifests.origins import LOCAL, of_repository, of_url
from nerq_cli.manifests.pep508 import LONGEST, checked_marker

#: Why packages that conda put there are not scored.
CONDA: Final = "conda package: not scored"

#: Most packages read from one environment.
MOST: Final = 20_000
_LAYOUTS: Final = ("lib/*/site-packages", "lib/*/dist-packages", "Lib/site-packages", "lib64/*/site-packages")
_METADATA: Final = re.compile(r"(?P<name>.+?)-(?P<version>[^-]+)(?:-.+)?\.(?:dist-info|egg-info|egg)")
_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?", re.ASCII)
_VERSION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!+_-]{0,199}", re.ASCII)
_REQUIREMENT: Final = re.compile(r"\s*(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*(?P<rest>.*)", re.DOTALL)
_EXTRA: Final = re.compile(r"""\bextra\s*==\s*['"]([^'"]*)['"]|['"]([^'"]*)['"]\s*==\s*extra\b""")
_PYTHON: Final = re.compile(r"(?:python|pypy)(\d+\.\d+)")
_SYSTEM: Final = re.compile(r"(?im)^include-system-site-packages\s*=\s*true\s*$")
_CONFIGURED: Final = re.compile(r"(?im)^version(?:_info)?\s*=\s*(\d+\.\d+(?:\.\d+)?)")
_FEW: Final = 5


@dataclass(frozen=True, slots=True)
class _Distribution:
    """One installed distribution: its metadata, and the file they stand in."""

    folder: Path
    file: Path
    name: str
    version: str
    line: int
    requires: tuple[str, ...]
    skip: str
    requested: bool

    @property
    def normal(self) -> str:
        return normalise(PYPI, self.name)


def folders(path: Path) -> list[Path]:
    """Return the directories of an environment that packages lie in, each once; none when this is no environment."""
    if any(_is_metadata(name) for name in _names(path)) or path.name in ("site-packages", "dist-packages"):
        return [path] if path.is_dir() else []
    found: dict[str, Path] = {}
    for folder in (folder for layout in _LAYOUTS for folder in sorted(path.glob(layout)) if folder.is_dir()):
        found.setdefault(os.path.realpath(folder), folder)  # lib64 is often lib by another name
    return list(found.values())


def read(path: Path, folders: Iterable[Path], format_: str) -> Manifest:
    """Read the packages in these directories of one environment."""
    reading = _Reading(path)
    for folder in folders:
        reading.go_through(folder)
    return reading.result(format_)


class _Reading:
    """One environment while it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.found: dict[str, _Distribution] = {}
        self.again: list[_Distribution] = []
        self.problems: list[Problem] = []
        self.notes: list[str] = []
        self.environment = _environment(path)

    def go_through(self, folder: Path) -> None:
        """Read every distribution in a directory, the first of a name first."""
        names = sorted(name for name in _names(folder) if _is_metadata(name))
        left = [name for name in names if name.startswith("~")]
        if left:
            self.notes.append(f"{len(left)} left over from an interrupted installation: not listed ({left[0]})")
        for name in names:
            if len(self.found) + len(self.again) >= MOST:
                self._report(folder, f"more than {MOST:,} packages: the rest is not read")
                return
            one = None if name.startswith("~") else self._distribution(folder / name)
            if one is not None and one.normal in self.found:
                first = self.found[one.normal]
                if first.version != one.version:
                    self.again.append(one)
                    if first.folder.parent == one.folder.parent:  # elsewhere, the first is what is imported
                        self._report(one.file, f"{one.normal} is installed twice: {first.version} and {one.version}")
            elif one is not None:
                self.found[one.normal] = one

    def result(self, format_: str) -> Manifest:
        """Return what was read."""
        missing: dict[str, str] = {}
        locked = tuple(self._locked(one, missing) for one in (*self.found.values(), *self.again))
        requested = tuple(Need(to=one.normal) for one in self.found.values() if one.requested)
        notes = [*self.notes, *_about_missing(missing), *self._about_system()]
        return Manifest(
            path=_shown(self.path),
            format=format_,
            locked=locked,
            roots=(Root(needs=requested),) if requested else None,
            locals=tuple(sorted({one.package.name for one in locked if one.skip == LOCAL})),
            problems=tuple(self.problems),
            notes=tuple(notes),
        )

    def _distribution(self, folder: Path) -> _Distribution | None:
        """Read one distribution, from its metadata or, where those are broken, from what it is called."""
        file = _metadata_file(folder)
        if folder.name.endswith(".egg-link"):
            name = folder.name.removesuffix(".egg-link")
            return (
                _Distribution(folder, folder, name, "", 1, (), LOCAL, requested=True) if _NAME.fullmatch(name) else None
            )
        headers, wrong = _headers(file)
        named = _METADATA.fullmatch(folder.name)
        name = headers.first("name") or (named["name"] if named else "")
        version = headers.first("version") or (named["version"] if named else "")
        wrong = wrong or next((f"no {key} in it" for key in ("name", "version") if not headers.first(key)), "")
        if wrong:
            self._report(file, wrong, hint="reinstall the package")
        if not _NAME.fullmatch(name) or not _VERSION.fullmatch(version):
            if not wrong:
                self._report(file, f"no package: name {name[:60]!r}, version {version[:60]!r}", hint="reinstall it")
            return None
        requires = headers.all("requires-dist") or tuple(_egg_requires(folder))
        requested = (folder / "REQUESTED").exists()
        return _Distribution(folder, file, name, version, headers.line, requires, self._skip(folder), requested)

    def _skip(self, folder: Path) -> str:
        """Return why a distribution came from no index."""
        if _text(folder / "INSTALLER").strip() == "conda":
            return CONDA
        text = _text(folder / "direct_url.json")
        return self._origin(folder / "direct_url.json", text) if text else ""

    def _origin(self, file: Path, text: str) -> str:
        """Read where a distribution came from, as PEP 610 has it."""
        import json

        try:
            stated = json.loads(text)
        except (ValueError, RecursionError):
            stated = None
        if not isinstance(stated, dict) or not isinstance(stated.get("url"), str):
            self._report(file, "does not tell where the package came from", hint="reinstall the package")
            return "from an address that cannot be read"
        vcs = stated.get("vcs_info")
        if isinstance(vcs, dict):
            return of_repository(stated["url"], str(vcs.get("commit_id", "")), vcs=str(vcs.get("vcs", "git")))
        return LOCAL if "dir_info" in stated else of_url(stated["url"])

    def _locked(self, one: _Distribution, missing: dict[str, str]) -> Locked:
        first = self.found[one.normal] is one
        return Locked(
            key=one.normal if first else f"{one.normal}=={one.version} {one.folder.parent.as_posix()}",
            ecosystem=PYPI,
            name=one.normal,
            version=one.version,
            location=Location(path=_shown(one.file), line=one.line),
            needs=tuple(dict.fromkeys(self._needs(one, missing))),
            skip=one.skip,
        )

    def _needs(self, one: _Distribution, missing: dict[str, str]) -> Iterator[Need]:
        """Go through what a distribution needs here. What only an extra of it asks for is there or is not."""
        for text in one.requires:
            required = _REQUIREMENT.fullmatch(text)
            if required is None or len(text) > LONGEST:
                self._report(one.file, f"what it requires cannot be read: {text[:60]!r}")
                continue
            name = normalise(PYPI, required["name"])
            rest, semicolon, marker = required["rest"].partition(" ;" if "@" in required["rest"] else ";")
            extras = tuple(a or b for a, b in _EXTRA.findall(marker))
            if extras and name not in self.found:
                continue
            group = _asked_for(marker.strip(), extras, self.environment) if semicolon else "main"
            if group and name in self.found:
                yield Need(to=name, group=group, requirement=rest.strip().strip("()"))
            elif group:
                missing.setdefault(name, one.name)

    def _about_system(self) -> Iterator[str]:
        if _SYSTEM.search(_text(self.path / "pyvenv.cfg")):
            yield "packages of the system are used as well: not listed here"

    def _report(self, file: Path, message: str, *, hint: str = "") -> None:
        self.problems.append(Problem(path=_shown(file), message=message, hint=hint))


@dataclass(frozen=True, slots=True)
class _Headers:
    """The headers of a metadata file, and the line its name stands on."""

    values: Mapping[str, tuple[str, ...]]
    line: int = 0

    def all(self, key: str) -> tuple[str, ...]:
        return self.values.get(key, ())

    def first(self, key: str) -> str:
        return next(iter(self.all(key)), "")


def _headers(file: Path) -> tuple[_Headers, str]:
    """Return the headers that matter here, and why there are none."""
    try:
        data = contents(file)
    except CannotReadError as error:
        return _Headers({}), str(error)
    values: dict[str, list[str]] = {}
    number = 0
    current: list[str] | None = None
    for at, line in enumerate(_head(data).decode("utf-8", "replace").splitlines(), 1):
        if line[:1] in (" ", "\t"):
            if current:
                current[-1] += f" {line.strip()}"
            continue
        key, colon, value = line.partition(":")
        key = key.strip().lower()
        current = values.setdefault(key, []) if colon and key in ("name", "version", "requires-dist") else None
        if current is not None:
            current.append(value.strip())
            number = number or (at if key == "name" else 0)
    return _Headers({key: tuple(value) for key, value in values.items()}, number), ""


def _head(data: bytes) -> bytes:
    """Return what stands before the first empty line: the rest is the description."""
    ends = [end for end in (data.find(b"\n\n"), data.find(b"\n\r\n")) if end >= 0]
    return data[: min(ends)] if ends else data


def _egg_requires(folder: Path) -> Iterator[str]:
    """Go through requires.txt as setuptools writes it: under headings of the form ``[extra:marker]``."""
    condition = ""
    file = folder / "requires.txt" if folder.suffix != ".egg" else folder / "EGG-INFO" / "requires.txt"
    for line in _text(file).splitlines() if folder.is_dir() else ():
        text = line.strip()
        if text.startswith("[") and text.endswith("]"):
            extra, _, marker = text[1:-1].partition(":")
            parts = [f"({marker})" if marker else "", f'extra == "{extra}"' if extra else ""]
            condition = " and ".join(filter(None, parts))
        elif text:
            yield f"{text} ; {condition}" if condition else text


def _metadata_file(folder: Path) -> Path:
    if folder.name.endswith(".dist-info"):
        return folder / "METADATA"
    if folder.name.endswith(".egg"):
        return folder / "EGG-INFO" / "PKG-INFO"
    return folder / "PKG-INFO" if folder.is_dir() else folder


def _asked_for(marker: str, extras: tuple[str, ...], environment: tuple[tuple[str, str], ...]) -> str:
    """Return the group of a requirement that holds here: ``main``, ``optional``, or empty when it does not."""
    if _holds(marker, "", environment):
        return "main"
    return "optional" if any(_holds(marker, extra, environment) for extra in extras) else ""


@lru_cache(maxsize=4096)
def _holds(marker: str, extra: str, environment: tuple[tuple[str, str], ...]) -> bool:
    """Evaluate a marker. One that cannot be is taken to hold: the package is asked for somewhere."""
    from packaging.markers import Marker, UndefinedComparison, UndefinedEnvironmentName

    try:
        return Marker(checked_marker(marker)).evaluate({**dict(environment), "extra": extra})
    except (ValueError, UndefinedComparison, UndefinedEnvironmentName, RecursionError):
        return True


def _environment(path: Path) -> tuple[tuple[str, str], ...]:
    """Return what can be told of the environment's Python; this one's values stand for the rest."""
    full = next(iter(_CONFIGURED.findall(_text(path / "pyvenv.cfg"))), "")
    named = next(
        (found[1] for part in (path, *path.glob("lib/*"), path.parent) if (found := _PYTHON.fullmatch(part.name))), ""
    )
    full = full or named
    if not full:
        return ()
    return ("python_version", ".".join(full.split(".")[:2])), ("python_full_version", full)


def _about_missing(missing: Mapping[str, str]) -> Iterator[str]:
    if missing:
        listed = [f"{name} for {asking}" for name, asking in sorted(missing.items())[:_FEW]]
        yield f"{len(missing)} needed but not installed: {', '.join(listed)}{', …' if len(missing) > _FEW else ''}"


def _names(folder: Path) -> list[str]:
    try:
        return [entry.name for entry in os.scandir(folder)]
    except OSError:
        return []


def _is_metadata(name: str) -> bool:
    return name.endswith((".dist-info", ".egg-info", ".egg", ".egg-link"))


def _text(file: Path) -> str:
    """Return a small file's text; empty when there is none."""
    try:
        return contents(file).decode("utf-8", "replace")
    except CannotReadError:
        return ""


def _shown(path: Path) -> str:
    return os.fsencode(path.as_posix()).decode(errors="replace")
