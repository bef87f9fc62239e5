"""Add reviews to the file of a project, and take over those of other teams."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from contextlib import closing
from datetime import date
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from nerq_cli.config.document import REVIEW_FILE, find_review_file
from nerq_cli.config.edit import add_entry, update_entry
from nerq_cli.config.reviews import (
    MAX_BYTES,
    Import,
    ReviewFile,
    check_url,
    compute_digest,
    parse_reviews,
    read_import_content,
    read_name,
    read_own_reviews,
)
from nerq_cli.config.values import SettingError
from nerq_cli.errors import ConfigError, UsageError
from nerq_cli.policy.reviews import Review

#: Directory for the files that were fetched, beside the file of reviews.
IMPORT_DIRECTORY: Final = "nerq-reviews"
#: Seconds that an answer may take.
_TIMEOUT: Final = 30.0
_NEW_FILE: Final = "# Reviews of dependencies by people who sign for them: nerq review --help\nschema = 1\n"
_NOUN: Final = "file of reviews"


class ImportChange(msgspec.Struct, frozen=True, kw_only=True):
    """What an import changed."""

    entry: Import
    #: Reviews that the import had before, or not.
    added: tuple[Review, ...]
    removed: tuple[Review, ...]
    #: Whether the digest is the recorded one.
    is_same: bool
    #: Content of the files to write.
    files: Mapping[Path, bytes]


def locate_review_file(root: Path) -> Path:
    """Return the file of reviews of a project, which need not exist yet."""
    return find_review_file(root) or root / REVIEW_FILE


def find_author(directory: Path) -> str:
    """Return the name and the address that git is configured with; empty without them."""
    program = shutil.which("git")
    if program is None:
        return ""
    values = []
    for key in ("user.name", "user.email"):
        try:
            result = subprocess.run(  # noqa: S603 - git, with fixed arguments
                [program, "config", "--get", key],
                cwd=directory,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=10,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return ""
        values.append(result.stdout.decode(errors="replace").strip())
    name, address = values
    return f"{name} <{address}>" if name and address else name or address


def add_review(path: Path, entry: Mapping[str, Any], today: date) -> bytes:
    """Return the content of a file of reviews with one more review.

    Raises:
        ConfigError: the review or the file is not valid, or has that review.
        UsageError: the file cannot be read.
    """
    text = _read_text(path)
    before = _parse(path, text, today)
    new_text = add_entry(text, "reviews", entry, noun=_NOUN)
    if len(_parse(path, new_text, today)) == len(before):
        raise ConfigError(f"{path} has this review already")
    return new_text.encode()


def import_reviews(path: Path, source: str, name: str, digest: str, today: date) -> ImportChange:
    """Return what a file of another team adds to a file of reviews.

    Args:
        path: the file of reviews.
        source: path of a file, or an address that begins with ``https://``.
        name: name of the import; one of this name is replaced. Empty = that of the file.
        digest: SHA-256 that the file must have; empty accepts any.
        today: no review may have a later day.

    Raises:
        ConfigError: a file is not valid.
        UsageError: the file cannot be fetched or read, or has another digest.
    """
    url = source if "://" in source else ""
    try:
        name = read_name(name or PurePosixPath(source.partition("?")[0]).stem)
    except SettingError as error:
        raise UsageError(f"the name of the import {error}", hint="give one: --name TEAM") from error
    old = read_own_reviews(path, today) if path.exists() else ReviewFile(path=str(path))
    if url:
        content, target = _fetch(url), path.parent / IMPORT_DIRECTORY / f"{name}.toml"
    else:
        content, target = read_import_content(Path(source)), Path(source)
        if os.path.realpath(target) == os.path.realpath(path):
            raise UsageError(f"{source} is the file that would import it")
    found = compute_digest(content)
    wanted = digest.strip().lower().removeprefix("sha256:")
    if wanted and found != wanted:
        raise UsageError(f"{source} has the SHA-256 {found}, which is not the one that was given")
    reviews = set(map(_drop_origin, parse_reviews(target, content, today)))
    relative = Path(os.path.relpath(os.path.abspath(target), os.path.abspath(path.parent))).as_posix()  # noqa: PTH100 - links stay as they are named
    entry = Import(name=name, path=relative, sha256=found, url=url)
    values = {key: value for key, value in msgspec.structs.asdict(entry).items() if value}
    known = next((item for item in old.imports if item.name == name), None)
    before = set() if known is None else _read_known(path, known, today)
    text = _read_text(path)
    if known is None:
        text = add_entry(text, "imports", values, noun=_NOUN)
    else:
        text = update_entry(text, "imports", "name", values, noun=_NOUN)
    return ImportChange(
        entry=entry,
        added=tuple(sorted(reviews - before, key=_sort_key)),
        removed=tuple(sorted(before - reviews, key=_sort_key)),
        is_same=known is not None and known.sha256 == found,
        files={**({target: content} if url else {}), path: text.encode()},
    )


def _parse(path: Path, text: str, today: date) -> tuple[Review, ...]:
    return parse_reviews(path, text.encode("utf-8", "surrogateescape"), today)


def _read_known(path: Path, entry: Import, today: date) -> set[Review]:
    """Return the reviews of the file of an import as it is now; none if that is missing or not valid."""
    try:
        content = read_import_content(path.parent / entry.path)
        return set(map(_drop_origin, parse_reviews(Path(entry.path), content, today)))
    except ConfigError:
        return set()


def _drop_origin(review: Review) -> Review:
    return replace(review, origin="", location=None)


def _sort_key(review: Review) -> tuple[str, str, str]:
    return review.label, review.when, review.who


def _read_text(path: Path) -> str:
    """Return the text of a file of reviews; that of an empty one if it is not there."""
    try:
        return path.read_bytes().decode("utf-8", "surrogateescape") if path.exists() else _NEW_FILE
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error


def _fetch(url: str) -> bytes:
    """Return the file at an address.

    Raises:
        UsageError: the address is none that may be fetched, or there is no answer with such a file.
    """
    from nerq_cli import __version__
    from nerq_cli.fetch.http_client import HttpClient
    from nerq_cli.fetch.request_error import RequestError
    from nerq_cli.fetch.source import Endpoint, Request
    from nerq_cli.sources.registries.config.indexes import read_index_config

    try:
        check_url(url)
    except SettingError as error:
        raise UsageError(f"the address of the import {error}") from error
    bundles = read_index_config(os.environ, cwd=Path()).ca_bundles
    with closing(HttpClient(user_agent=f"nerq-cli/{__version__}", timeout=_TIMEOUT, ca_bundles=bundles)) as client:
        client.open_host(url)
        request: Request[Any] = Request(url=url, subjects=(), endpoint=Endpoint(url=url), accept="*/*")
        try:
            response = client.send_bounded(request, limit=MAX_BYTES, seconds=_TIMEOUT)
        except RequestError as error:
            raise UsageError(
                f"the reviews cannot be fetched: {error}", hint="what was recorded is unchanged"
            ) from error
    if response.status != HTTPStatus.OK:
        raise UsageError(
            f"the reviews cannot be fetched: status {response.status}", hint="what was recorded is unchanged"
        )
    return response.body
