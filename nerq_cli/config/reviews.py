"""Read the reviews of a project: ``nerq-reviews.toml``, and the files of other teams that it names."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from nerq_cli.config.document import (
    REVIEW_FILE,
    ProblemCollector,
    TomlFile,
    build_error,
    display_path,
    parse_toml,
    read_toml_file,
)
from nerq_cli.config.entries import (
    TEXT_SCHEMA,
    EntryKey,
    EntryProblem,
    check_range,
    read_day,
    read_entry,
    read_text,
    read_word,
)
from nerq_cli.config.values import SettingError, suggest
from nerq_cli.ecosystems import ECOSYSTEMS, get_ecosystem, is_repository, normalise_name
from nerq_cli.inventory import Location, Package
from nerq_cli.patterns import compile_late
from nerq_cli.policy.reviews import VERDICTS, Review, format_package
from nerq_cli.policy.settings import PREFIXES, has_wildcards
from nerq_cli.problem import Problem

#: Version of the format.
FORMAT_VERSION: Final = 1
#: Largest file of reviews, in bytes.
MAX_BYTES: Final = 4 * 1024 * 1024
#: Days that the clocks of two places may be apart.
_CLOCK_SKEW: Final = timedelta(days=1)
_DIGEST: Final = compile_late(r"[0-9a-f]{64}")
_NAME: Final = compile_late(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_VERSION: Final = "schema"


class Import(msgspec.Struct, frozen=True, kw_only=True):
    """A file of reviews of another team."""

    name: str
    #: Relative to the directory of the file that names it.
    path: str
    #: SHA-256 of the file, in hexadecimal.
    sha256: str
    #: Address that it was fetched from; empty for a file that was only there.
    url: str = ""


class ReviewFile(msgspec.Struct, frozen=True, kw_only=True):
    """The reviews of a project."""

    #: As in messages.
    path: str
    #: Those of the project, then those of each import.
    reviews: tuple[Review, ...] = ()
    imports: tuple[Import, ...] = ()


def _read_package(value: object) -> Package:
    text = read_text(value)
    prefix, colon, name = text.partition(":")
    if not colon or prefix not in PREFIXES:
        hint = suggest(prefix, tuple(PREFIXES), "ecosystems") if colon else f'write "pypi:{text}" or "npm:{text}"'
        raise SettingError("must begin with an ecosystem", hint)
    if has_wildcards(name) or not name.strip():
        raise SettingError("must be the name of one package", 'write "pypi:requests" or "hf:Qwen/Qwen3-4B"')
    return Package(ecosystem=PREFIXES[prefix], name=normalise_name(PREFIXES[prefix], name.strip()))


def _read_texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise SettingError("must be a list of texts that is not empty")
    return tuple(map(read_text, value))


def _read_digest(value: object) -> str:
    text = read_text(value).lower().removeprefix("sha256:")
    if not _DIGEST.fullmatch(text):
        raise SettingError("must be 64 hexadecimal digits", "nerq review import records it")
    return text


def _read_path(value: object) -> str:
    text = read_text(value)
    if os.path.isabs(text) or "\\" in text or "\0" in text or PurePosixPath(text).suffix != ".toml":  # noqa: PTH117 - a text
        raise SettingError("must be the path of a .toml file relative to this file, with slashes")
    return text


def read_name(value: object) -> str:
    """Return the name of an import.

    Raises:
        SettingError: it is none.
    """
    text = read_text(value)
    if not _NAME.fullmatch(text):
        raise SettingError("must have letters, digits, dots and dashes only, at most 64")
    return text


def check_url(value: object) -> str:
    """Return the address of a file of reviews: of HTTPS, or of this machine.

    Raises:
        SettingError: it is none.
    """
    text = read_text(value)
    scheme, _, rest = text.partition("://")
    host = rest.partition("/")[0]
    is_local = scheme == "http" and host.rpartition(":")[0] in ("127.0.0.1", "[::1]", "localhost")
    if (scheme != "https" and not is_local) or not host or "@" in host:
        raise SettingError("must begin with https:// and have no credentials")
    return text


#: The keys of a review, in the order in which they are written.
REVIEW_KEYS: Final[Mapping[str, EntryKey]] = MappingProxyType(
    {
        "package": EntryKey(
            _read_package,
            "name of the package, with its ecosystem: `pypi:requests`, `hf:Qwen/Qwen3-4B`",
            {"type": "string", "pattern": "^[a-z-]+:\\S"},
            is_required=True,
            example='"pypi:requests"',
        ),
        "version": EntryKey(
            read_text, "version, or range of versions, that was reviewed", TEXT_SCHEMA, is_required=True
        ),
        "since": EntryKey(
            read_text, "version whose differences to `version` were read; without it the whole version was", TEXT_SCHEMA
        ),
        "verdict": EntryKey(
            read_word(VERDICTS, "verdicts"),
            "ok, concern or reject",
            {"enum": list(VERDICTS)},
            is_required=True,
            example='"ok"',
        ),
        "who": EntryKey(read_text, "who signs for it", TEXT_SCHEMA, is_required=True),
        "when": EntryKey(
            read_day,
            "day of the review",
            {"type": "string", "pattern": "^\\d{4}-\\d\\d-\\d\\d$"},
            is_required=True,
            example='"2026-11-02"',
        ),
        "notes": EntryKey(read_text, "what was found", TEXT_SCHEMA),
        "files": EntryKey(
            _read_texts,
            "files of the package that were read, if not all",
            {"type": "array", "minItems": 1, "items": TEXT_SCHEMA},
        ),
    }
)
#: The keys of an import.
IMPORT_KEYS: Final[Mapping[str, EntryKey]] = MappingProxyType(
    {
        "name": EntryKey(read_name, "name of the import", TEXT_SCHEMA, is_required=True),
        "path": EntryKey(_read_path, "the file, relative to this one", TEXT_SCHEMA, is_required=True),
        "sha256": EntryKey(
            _read_digest,
            "SHA-256 of the file",
            {"type": "string", "pattern": "^(?:sha256:)?[0-9A-Fa-f]{64}$"},
            is_required=True,
        ),
        "url": EntryKey(check_url, "address that it was fetched from", {"type": "string", "pattern": "^https?://"}),
    }
)
_TOP_KEYS: Final = (_VERSION, "reviews", "imports")


def read_reviews(path: Path, today: date) -> ReviewFile:
    """Return the reviews of a file and of its imports.

    Args:
        path: the file.
        today: no review has a later day; time zones apart.

    Raises:
        ConfigError: the file, or an import, is missing, malformed or of a newer format, a review is of the future, or
            an import is not the file whose digest is recorded; it lists all problems.
    """
    own = read_own_reviews(path, today)
    imported = (review for entry in own.imports for review in _read_import(path, entry, today))
    return replace(own, reviews=(*own.reviews, *imported))


def read_own_reviews(path: Path, today: date) -> ReviewFile:
    """Return the reviews of a file, and its imports unread.

    Raises:
        ConfigError: the file is missing, malformed or of a newer format, or a review is of the future.
    """
    file = read_toml_file(path, max_bytes=MAX_BYTES)
    if file is None:
        raise build_error(Problem(path=display_path(path), message="there is no such file"))
    reader = _Reader(file, today)
    reader.read()
    reader.check()
    return ReviewFile(path=display_path(path), reviews=tuple(reader.reviews), imports=tuple(reader.imports))


def parse_reviews(path: Path, content: bytes, today: date) -> tuple[Review, ...]:
    """Return the reviews of the content of another team's file; what it imports itself is left out.

    Raises:
        ConfigError: the content is malformed, or of a newer format.
    """
    reader = _Reader(TomlFile(path, content.decode("utf-8-sig", "surrogateescape")), today)
    reader.read()
    reader.check()
    return tuple(reader.reviews)


def read_import_content(path: Path) -> bytes:
    """Return the bytes of a file that is imported.

    Raises:
        ConfigError: it is no regular file, is too large or cannot be read.
    """
    shown = display_path(path)
    try:
        with path.open("rb") as file:
            is_regular = path.is_file()
            content = file.read(MAX_BYTES + 1) if is_regular else b""
    except OSError as error:
        raise build_error(Problem(path=shown, message=f"cannot be read: {error.strerror}")) from error
    if not is_regular:
        raise build_error(Problem(path=shown, message="is not a regular file"))
    if len(content) > MAX_BYTES:
        raise build_error(Problem(path=shown, message=f"is larger than {MAX_BYTES // 1024**2} MB"))
    return content


def compute_digest(content: bytes) -> str:
    """Return the SHA-256 of a file in hexadecimal; line ends, which git may convert, count as one character."""
    return hashlib.sha256(content.replace(b"\r\n", b"\n")).hexdigest()


def _read_import(path: Path, entry: Import, today: date) -> Iterator[Review]:
    target = Path(os.path.normpath(path.parent / entry.path))
    if not target.is_file():
        message = f"the import {entry.name} is not at {entry.path}"
        raise build_error(Problem(path=display_path(path), message=message, hint="commit it, or import it again"))
    content = read_import_content(target)
    if compute_digest(content) != entry.sha256:
        message = f"is not the file that was imported as {entry.name}: its SHA-256 is another one"
        hint = f"read what changed, then record it: nerq review import {entry.url or entry.path} --name {entry.name}"
        raise build_error(Problem(path=display_path(target), message=message, hint=hint))
    for review in parse_reviews(target, content, today):
        yield replace(review, origin=entry.name)


class _Reader(ProblemCollector):
    """Reads one file of reviews, and collects every problem."""

    def __init__(self, file: TomlFile, today: date) -> None:
        super().__init__(file)
        self._path = display_path(file.path)
        self._today = today
        self.reviews: list[Review] = []
        self.imports: list[Import] = []

    def read(self) -> None:
        """Read the file.

        Raises:
            ConfigError: it is not TOML, or has a newer format.
        """
        table = parse_toml(self._file)
        version = table.get(_VERSION, FORMAT_VERSION)
        if not isinstance(version, int) or isinstance(version, bool) or version < 1:
            self.add_problem((_VERSION,), f"{_VERSION} must be {FORMAT_VERSION}")
        elif version > FORMAT_VERSION:
            message = f"has format {version}, and this version of nerq reads {FORMAT_VERSION}"
            line = self.find_line((_VERSION,))
            raise build_error(Problem(path=self._path, line=line, message=message, hint="upgrade nerq-cli"))
        self.check_keys(table, _TOP_KEYS, (), "keys of a file of reviews")
        for parents, entry in self._list_entries(table, "reviews"):
            self._read_review(parents, entry)
        for parents, entry in self._list_entries(table, "imports"):
            self._read_import(parents, entry)

    def check(self) -> None:
        """Raise ConfigError if there is any problem."""
        if self.problems:
            raise build_error(*sorted(self.problems), noun="entries")

    def _list_entries(self, table: Mapping[str, Any], key: str) -> Iterator[tuple[tuple[str, str], dict[str, Any]]]:
        entries = table.get(key, [])
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            self.add_problem((key,), f"{key} must be an array of tables", f"write [[{key}]] above the keys of each")
            return
        yield from (((key, str(number)), entry) for number, entry in enumerate(entries))

    def _read_review(self, parents: tuple[str, str], entry: Mapping[str, Any]) -> None:
        self.check_keys(entry, tuple(REVIEW_KEYS), parents, "keys of a review")
        values, problems = read_entry(entry, REVIEW_KEYS, "review")
        problems += _check_review(values, self._today)
        self._add_problems(parents, problems)
        if problems:
            return
        location = Location(path=self._path, line=self.find_line(parents))
        review = Review(location=location, **values)
        if any(review == replace(other, location=location) for other in self.reviews):
            return  # the same twice, as a merge of two branches leaves it
        self.reviews.append(review)

    def _read_import(self, parents: tuple[str, str], entry: Mapping[str, Any]) -> None:
        self.check_keys(entry, tuple(IMPORT_KEYS), parents, "keys of an import")
        values, problems = read_entry(entry, IMPORT_KEYS, "import")
        if values.get("name") in [item.name for item in self.imports]:
            problems.append(EntryProblem("name", f"two imports have the name {values['name']}"))
        self._add_problems(parents, problems)
        if not problems:
            self.imports.append(Import(**values))

    def _add_problems(self, parents: tuple[str, str], problems: list[EntryProblem]) -> None:
        for problem in problems:
            self.add_problem((*parents, problem.key), problem.message, problem.hint)


def check_entry(entry: Mapping[str, object], today: date) -> list[EntryProblem]:
    """Return what is wrong with an entry of a review."""
    values, problems = read_entry(entry, REVIEW_KEYS, "review")
    return [*problems, *_check_review(values, today)]


def _check_review(values: Mapping[str, Any], today: date) -> Iterator[EntryProblem]:
    """Yield what is wrong with the values of a review beside each other."""
    if "when" in values and date.fromisoformat(values["when"]) - today > _CLOCK_SKEW:
        yield EntryProblem("when", f"reviews.when {values['when']} is a day of the future", f"today is {today}")
    if "package" in values and "version" in values:
        yield from _check_versions(values["package"], values["version"], values.get("since"))


def _check_versions(package: Package, version: str, since: str | None) -> Iterator[EntryProblem]:
    """Yield what is wrong with the version of a review, and with the one that its differences begin at."""
    yield from check_range("reviews.version", format_package(package), version)
    ecosystem = get_ecosystem(package.ecosystem)
    stated = {"version": version} if since is None else {"since": since, "version": version}
    if is_repository(package.ecosystem):
        for key, text in stated.items():
            if ecosystem.parse_pin(text) is None:
                message = f"reviews.{key} must be a whole commit: a branch or tag may be another one tomorrow"
                yield EntryProblem(key, message, "nerq check shows the commit")
    if since is None:
        return
    versions: dict[str, Any] = {key: ecosystem.parse_version(text) for key, text in stated.items()}
    for key, parsed in versions.items():
        if ecosystem in ECOSYSTEMS and parsed is None:
            yield EntryProblem(key, f"reviews.{key} must be one version where differences were read")
    if ecosystem.is_same_version(since, version):
        yield EntryProblem("since", "reviews.since is the version that was reviewed")
    elif None not in versions.values() and versions["since"] > versions["version"]:
        yield EntryProblem("since", "reviews.since must be an earlier version than the one that was reviewed")


def build_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a file of reviews."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": REVIEW_FILE,
        "type": "object",
        "additionalProperties": False,
        "properties": {
            _VERSION: {"const": FORMAT_VERSION, "description": "Version of the format."},
            **{
                name: {"type": "array", "items": _build_entry_schema(keys)}
                for name, keys in (("reviews", REVIEW_KEYS), ("imports", IMPORT_KEYS))
            },
        },
    }


def _build_entry_schema(keys: Mapping[str, EntryKey]) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [key for key, spec in keys.items() if spec.is_required],
        "properties": {
            key: {"description": spec.summary.replace("`", "").capitalize() + ".", **spec.schema}
            for key, spec in keys.items()
        },
    }
