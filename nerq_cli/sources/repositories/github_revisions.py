"""GitHub: the commit that a revision leads to, and the files at the root of a repository at a commit.

Both are one request each, with or without a token. Names and revisions are untrusted: they are only ever an encoded
part of an address.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from nerq_cli.decoders import build_json_decoder_late
from nerq_cli.ecosystems import is_commit
from nerq_cli.errors import ResponseError
from nerq_cli.fetch.concurrency import INITIAL_CONCURRENCY
from nerq_cli.fetch.source import Endpoint, Request, Response, Source
from nerq_cli.github_facts import MAX_COMMITS, GithubFile, GithubFiles, GithubRevision
from nerq_cli.inventory import Release
from nerq_cli.sources import SOURCES
from nerq_cli.sources.text import clean_text, decode_json, parse_count, parse_timestamp
from nerq_cli.units import DAY, HOUR

_INFO: Final = SOURCES["github"]
#: Stands for the default branch.
HEAD: Final = "HEAD"
#: What is addressed by its commit never changes.
_FOR_GOOD: Final = 10 * 365 * DAY
_STOP_STATUSES: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS})
#: Longest name of a file, in characters; GitHub lists at most 1,000 files of a directory.
_MAX_NAME: Final = 300
_MAX_FILES: Final = 1_000
_ACCEPT: Final = "application/vnd.github+json"
_LIST_DECODER = build_json_decoder_late(list[dict[str, Any]])


class _RepositorySource:
    """What both sources have in common. Releases have a revision as their version."""

    label = _INFO.label
    max_age = _INFO.max_age
    absent_max_age = _INFO.absent_max_age
    probe = False
    cooldown = _INFO.cooldown
    time_limits = _INFO.time_limits
    stop_statuses = _STOP_STATUSES
    max_concurrency = INITIAL_CONCURRENCY


class _RevisionSource(_RepositorySource):
    """The commit of a branch, a tag or a commit; of the default branch its newest commits."""

    name = "github-revision"
    kind = GithubRevision
    limit = 8_000_000
    #: An empty repository; no commit of this name.
    extra_statuses = frozenset({HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY})

    def get_max_age(self, value: GithubRevision) -> int:
        """Return how long an answer is kept; one without a commit for an hour."""
        return self.max_age if value.commit else HOUR

    def requests(self, subjects: Sequence[Release], endpoint: Endpoint) -> Iterator[Request[Release]]:
        """Request one revision at a time."""
        for release in subjects:
            query = (
                f"per_page={MAX_COMMITS}"
                if release.version == HEAD
                else f"sha={quote(release.version, safe='')}&per_page=1"
            )
            url = f"{_build_url(release, endpoint)}/commits?{query}"
            yield Request(url=url, subjects=(release,), accept=_ACCEPT, endpoint=endpoint)

    def parse(self, request: Request[Release], response: Response) -> Iterator[tuple[Release, GithubRevision | None]]:
        """Read the commits.

        Raises:
            ResponseError: the answer is no list of commits.
        """
        [release] = request.subjects
        if response.status >= HTTPStatus.BAD_REQUEST:
            yield release, GithubRevision()
            return
        commits = decode_json(_LIST_DECODER, response.body)
        if not commits:
            yield release, GithubRevision()
            return
        commit = commits[0].get("sha")
        if not isinstance(commit, str) or not is_commit(commit):
            raise ResponseError("the answer names no commit")
        times = tuple(map(_read_time, commits[:MAX_COMMITS]))
        newest = times if release.version == HEAD and all(times) else ()
        yield release, GithubRevision(commit=commit.lower(), committed_at=times[0], newest=newest)


class _FilesSource(_RepositorySource):
    """The files at the root of a repository at a commit."""

    name = "github-files"
    kind = GithubFiles
    max_age = _FOR_GOOD
    limit = 8_000_000

    def requests(self, subjects: Sequence[Release], endpoint: Endpoint) -> Iterator[Request[Release]]:
        """Request one list at a time."""
        for release in subjects:
            url = f"{_build_url(release, endpoint)}/contents?ref={quote(release.version, safe='')}"
            yield Request(url=url, subjects=(release,), accept=_ACCEPT, endpoint=endpoint)

    def parse(self, request: Request[Release], response: Response) -> Iterator[tuple[Release, GithubFiles | None]]:
        """Read the list."""
        [release] = request.subjects
        if response.status >= HTTPStatus.BAD_REQUEST:
            yield release, None
            return
        entries = decode_json(_LIST_DECODER, response.body)[:_MAX_FILES]
        files = (
            GithubFile(name, parse_count(entry.get("size")), is_directory=entry.get("type") == "dir")
            for entry in entries
            if (name := clean_text(entry.get("name"), _MAX_NAME))
        )
        yield release, GithubFiles(tuple(files))


def _build_url(release: Release, endpoint: Endpoint) -> str:
    owner, _, name = release.package.name.partition("/")
    return f"{endpoint.url}/repos/{quote(owner, safe='')}/{quote(name, safe='')}"


def _read_time(commit: dict[str, Any]) -> int:
    details = commit.get("commit")
    committer = details.get("committer") if isinstance(details, dict) else None
    return parse_timestamp(committer.get("date")) if isinstance(committer, dict) else 0


REVISIONS: Final[Source[Release, GithubRevision]] = _RevisionSource()
FILES: Final[Source[Release, GithubFiles]] = _FilesSource()
