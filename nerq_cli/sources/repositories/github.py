"""GitHub: fifty repositories in a GraphQL query with a token, and a few one by one without.

Repository names are untrusted: they are only ever the value of a variable or an encoded part of a path. A private
repository looks like a missing one, so absence proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

import msgspec
from msgspec.structs import replace

from nerq_cli.decoders import build_json_decoder_late
from nerq_cli.ecosystems import NPM, PYPI, normalise_name
from nerq_cli.errors import RateLimitError, ResponseError
from nerq_cli.facts import NOT_REQUESTED, Absent, Fact, Unknown
from nerq_cli.fetch.concurrency import INITIAL_CONCURRENCY
from nerq_cli.fetch.run import FetchRun
from nerq_cli.fetch.source import Endpoint, Request, Response, Source
from nerq_cli.fetch.time_budget import TimeLimits
from nerq_cli.github_facts import HostedRepository
from nerq_cli.inventory import RepositoryId
from nerq_cli.sources import SOURCES
from nerq_cli.sources.repository_url import parse_repository_id
from nerq_cli.sources.text import (
    MAX_LICENCE,
    MAX_SUMMARY,
    clean_text,
    clean_url,
    decode_json,
    parse_count,
    parse_timestamp,
)
from nerq_cli.units import DAY

_INFO: Final = SOURCES["github"]
LABEL: Final = _INFO.label
#: Repositories in one query: its cost stays at one point, and its time below GitHub's limit of 10 s.
MAX_REPOSITORIES: Final = 50
#: Requests an hour without a token (docs.github.com, "Rate limits for the REST API").
ANONYMOUS_LIMIT: Final = 60
HOST_PREFIX: Final = "github.com/"
#: Days of commits counted, and how many days that window may be off when the answer is used.
COMMIT_WINDOW_DAYS: Final = 90
_MAX_DRIFT_DAYS: Final = 30
_TIMEOUT_STATUSES: Final = frozenset({HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT})
_STOP_STATUSES: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS})
#: Longest manifest that is read for its name, in characters.
_MAX_MANIFEST_LENGTH: Final = 200_000
#: The fact of a repository that GitHub reports as missing.
NOT_REACHABLE: Final = Unknown("not reachable on GitHub (deleted, or private)", LABEL)
_NOT_ON_GITHUB: Final = Unknown("not on GitHub", LABEL)
#: Environment variable of the token.
TOKEN_VARIABLE: Final = _INFO.token_variables[0]
#: What is unknown about repositories that were requested without a token.
NEEDS_TOKEN: Final = Unknown(f"not read without a {TOKEN_VARIABLE}", LABEL, TOKEN_VARIABLE)
_RATE_LIMITED: Final = Unknown(f"beyond the 60 requests an hour without a {TOKEN_VARIABLE}", LABEL, TOKEN_VARIABLE)
#: How reasons name the statuses of a reached rate limit (docs.github.com, "Rate limits for the REST API").
_LIMIT_MARKS: Final = (f"({HTTPStatus.FORBIDDEN:d})", f"HTTP {HTTPStatus.TOO_MANY_REQUESTS:d}")

_QUERY: Final = """\
query(%s) {
%s
rateLimit { cost remaining resetAt }
}
fragment F on Repository {
  nameWithOwner isArchived isDisabled isFork isPrivate createdAt stargazerCount forkCount
  description homepageUrl owner { __typename }
  licenseInfo { spdxId } isSecurityPolicyEnabled
  openIssues: issues(states: OPEN) { totalCount }
  closedIssues: issues(states: CLOSED) { totalCount }
  openPulls: pullRequests(states: OPEN) { totalCount }
  closedPulls: pullRequests(states: [CLOSED, MERGED]) { totalCount }
  readme: object(expression: "HEAD:README.md") { ... on Blob { byteSize } }
  npm: object(expression: "HEAD:package.json") { ... on Blob { text } }
  python: object(expression: "HEAD:pyproject.toml") { ... on Blob { text } }
  defaultBranchRef { target { ... on Commit { committedDate history(since: $since) { totalCount } } } }
}"""


# --- GraphQL -------------------------------------------------------------------------------------------------------


class _GraphQLError(msgspec.Struct):
    type: Any = None
    path: Any = None


class _GraphQLResponse(msgspec.Struct):
    data: dict[str, Any] | None = None
    errors: list[_GraphQLError] = []


_GRAPHQL_DECODER = build_json_decoder_late(_GraphQLResponse)
_JSON_DECODER = build_json_decoder_late(dict[str, Any])


class _GraphQLSource(msgspec.Struct):
    """Fifty repositories in a query. ``since`` is the start of the 90 days whose commits are counted."""

    since: int
    name: str = "github-graphql"
    label: str = LABEL
    kind: type[HostedRepository] = HostedRepository
    max_age: int = _INFO.max_age
    absent_max_age: int = _INFO.absent_max_age
    limit: int = 25_000_000
    probe: bool = False
    cooldown: int = _INFO.cooldown
    time_limits: TimeLimits = _INFO.time_limits
    stop_statuses: frozenset[int] = _STOP_STATUSES
    max_concurrency: int = INITIAL_CONCURRENCY

    def requests(self, subjects: Sequence[RepositoryId], endpoint: Endpoint) -> Iterator[Request[RepositoryId]]:
        """Request as many repositories at once as GitHub answers within its time limit."""
        for start in range(0, len(subjects), MAX_REPOSITORIES):
            batch = tuple(subjects[start : start + MAX_REPOSITORIES])
            body = self._build_body(batch)
            yield Request(url=f"{endpoint.url}/graphql", subjects=batch, method="POST", body=body, endpoint=endpoint)

    def divide(self, request: Request[RepositoryId], status: int) -> Sequence[Request[RepositoryId]]:
        """Halve a query that exceeded GitHub's time limit."""
        middle = len(request.subjects) // 2
        if status not in _TIMEOUT_STATUSES or not middle:
            return ()
        halves = request.subjects[:middle], request.subjects[middle:]
        return [replace(request, subjects=half, body=self._build_body(half)) for half in halves]

    def parse(
        self, request: Request[RepositoryId], response: Response
    ) -> Iterator[tuple[RepositoryId, HostedRepository | None]]:
        """Read the repositories by their alias in the query; null with NOT_FOUND means missing or private."""
        if response.status >= HTTPStatus.BAD_REQUEST:
            raise ResponseError(f"no GraphQL there (HTTP {response.status})")
        document = decode_json(_GRAPHQL_DECODER, response.body)
        if any(error.type == "RATE_LIMITED" for error in document.errors):
            raise RateLimitError("the rate limit is reached")
        missing_aliases = {alias for error in document.errors if (alias := _get_missing_alias(error))}
        if document.data is None:
            raise ResponseError("the query failed")
        for index, repository in enumerate(request.subjects):
            repository_fields = document.data.get(f"r{index}")
            if isinstance(repository_fields, dict):
                yield repository, _build_hosted_repository(repository_fields, repository, self.since)
            elif f"r{index}" in missing_aliases:
                yield repository, None

    def _build_body(self, repositories: Sequence[RepositoryId]) -> bytes:
        indexes = range(len(repositories))
        declarations = ", ".join(["$since: GitTimestamp!", *(f"$o{i}: String!, $n{i}: String!" for i in indexes)])
        selections = "\n".join(f"r{i}: repository(owner: $o{i}, name: $n{i}) {{ ...F }}" for i in indexes)
        variables = {"since": f"{datetime.fromtimestamp(self.since, timezone.utc):%Y-%m-%dT%H:%M:%SZ}"}
        for index, repository in enumerate(repositories):
            variables[f"o{index}"], variables[f"n{index}"] = _split_owner_and_name(repository)
        import json  # only where there is a token

        return json.dumps({"query": _QUERY % (declarations, selections), "variables": variables}).encode()


def _get_missing_alias(error: _GraphQLError) -> str:
    """Return the alias of a repository that GitHub reports as missing."""
    is_missing = error.type == "NOT_FOUND" and isinstance(error.path, list) and len(error.path) == 1
    return error.path[0] if is_missing and isinstance(error.path[0], str) else ""


def _split_owner_and_name(repository: RepositoryId) -> tuple[str, str]:
    owner, _, name = (repository.spelling or repository.id).removeprefix(HOST_PREFIX).partition("/")
    return owner, name


def _build_hosted_repository(
    repository_fields: Mapping[str, Any], repository: RepositoryId, since: int
) -> HostedRepository:
    commit = _get_nested(repository_fields, "defaultBranchRef", "target")
    open_issues, open_pulls = (
        _get_total_count(repository_fields, "openIssues"),
        _get_total_count(repository_fields, "openPulls"),
    )
    return HostedRepository(
        name=_get_current_name(repository_fields.get("nameWithOwner"), repository),
        archived=_as_boolean(repository_fields.get("isArchived")),
        disabled=_as_boolean(repository_fields.get("isDisabled")),
        fork=_as_boolean(repository_fields.get("isFork")),
        stars=parse_count(repository_fields.get("stargazerCount")),
        forks=parse_count(repository_fields.get("forkCount")),
        licence=clean_text(_get_nested(repository_fields, "licenseInfo").get("spdxId"), MAX_LICENCE),
        security_policy=_as_boolean(repository_fields.get("isSecurityPolicyEnabled")),
        open_issues=open_issues,
        open_items=_add_counts(open_issues, open_pulls),
        closed_items=_add_counts(
            _get_total_count(repository_fields, "closedIssues"), _get_total_count(repository_fields, "closedPulls")
        ),
        last_commit=parse_timestamp(commit.get("committedDate")) or None,
        commits=_get_total_count(commit, "history"),
        since=since,
        readme=parse_count(_get_nested(repository_fields, "readme").get("byteSize")),
        packages=_list_packages(
            _get_nested(repository_fields, "npm").get("text"), _get_nested(repository_fields, "python").get("text")
        ),
        private=_as_boolean(repository_fields.get("isPrivate")),
        created_at=parse_timestamp(repository_fields.get("createdAt")) or None,
        is_organisation=_is_organisation(_get_nested(repository_fields, "owner").get("__typename")),
        description=_read_text(repository_fields, "description"),
        homepage=clean_url(repository_fields["homepageUrl"]) if "homepageUrl" in repository_fields else None,
    )


def _get_nested(fields: Mapping[str, Any], *path: str) -> dict[str, Any]:
    """Return the object at the end of a path; an empty one when there is none."""
    value: object = fields
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def _get_total_count(fields: Mapping[str, Any], field: str) -> int | None:
    return parse_count(_get_nested(fields, field).get("totalCount"))


def _add_counts(issues: int | None, pulls: int | None) -> int | None:
    return None if issues is None or pulls is None else issues + pulls


def _as_boolean(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _is_organisation(kind: object) -> bool | None:
    return kind == "Organization" if isinstance(kind, str) else None


def _read_text(fields: Mapping[str, Any], field: str) -> str | None:
    """Return the text of a field; None if it is not in the answer."""
    return clean_text(fields[field], MAX_SUMMARY) if field in fields else None


def _get_current_name(value: object, requested: RepositoryId) -> str:
    repository = parse_repository_id(f"{HOST_PREFIX}{value}") if isinstance(value, str) else None
    return repository.spelling if repository else requested.spelling or requested.id


def _list_packages(npm: object, python: object) -> tuple[str, ...]:
    """Return the package names in the manifests at the root of a repository."""
    names = (_read_npm_name(npm), _read_python_name(python))
    return tuple(filter(None, names))


def _read_npm_name(text: object) -> str:
    try:
        package_json = _JSON_DECODER.decode(text) if isinstance(text, str) and len(text) <= _MAX_MANIFEST_LENGTH else {}
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return ""
    name = clean_text(package_json.get("name"), MAX_SUMMARY)
    return f"npm/{normalise_name(NPM, name)}" if name else ""


def _read_python_name(text: object) -> str:
    import tomli

    try:
        pyproject = tomli.loads(text) if isinstance(text, str) and len(text) <= _MAX_MANIFEST_LENGTH else {}
    except (tomli.TOMLDecodeError, ValueError, RecursionError):
        return ""
    tables = _get_nested(pyproject, "project"), _get_nested(pyproject, "tool", "poetry")
    name = next(filter(None, (clean_text(table.get("name"), MAX_SUMMARY) for table in tables)), "")
    return f"pypi/{normalise_name(PYPI, name)}" if name else ""


# --- REST ----------------------------------------------------------------------------------------------------------


class _RestSource:
    """One repository in a request, without a token. Its counts of issues include pull requests."""

    name = "github-rest"
    label = LABEL
    kind = HostedRepository
    max_age = _INFO.max_age
    absent_max_age = _INFO.absent_max_age
    limit = 1_000_000
    probe = False
    cooldown = _INFO.cooldown
    time_limits = _INFO.time_limits
    stop_statuses = _STOP_STATUSES
    max_concurrency = INITIAL_CONCURRENCY
    extra_statuses = frozenset({HTTPStatus.UNAVAILABLE_FOR_LEGAL_REASONS})

    def requests(self, subjects: Sequence[RepositoryId], endpoint: Endpoint) -> Iterator[Request[RepositoryId]]:
        """Request at most as many repositories as the rate limit allows."""
        for repository in subjects[:ANONYMOUS_LIMIT]:
            owner, name = _split_owner_and_name(repository)
            url = f"{endpoint.url}/repos/{quote(owner, safe='')}/{quote(name, safe='')}"
            accept = "application/vnd.github+json"
            yield Request(url=url, subjects=(repository,), accept=accept, endpoint=endpoint)

    def parse(
        self, request: Request[RepositoryId], response: Response
    ) -> Iterator[tuple[RepositoryId, HostedRepository | None]]:
        """Read one repository."""
        [repository] = request.subjects
        if response.status == HTTPStatus.UNAVAILABLE_FOR_LEGAL_REASONS:
            yield repository, HostedRepository(name=repository.spelling or repository.id, taken_down=True)
            return
        if response.status >= HTTPStatus.BAD_REQUEST:
            yield repository, None
            return
        repository_fields = decode_json(_JSON_DECODER, response.body)
        if not isinstance(repository_fields.get("full_name"), str):
            raise ResponseError("the answer describes no repository")
        yield (
            repository,
            HostedRepository(
                name=_get_current_name(repository_fields["full_name"], repository),
                archived=_as_boolean(repository_fields.get("archived")),
                disabled=_as_boolean(repository_fields.get("disabled")),
                fork=_as_boolean(repository_fields.get("fork")),
                stars=parse_count(repository_fields.get("stargazers_count")),
                forks=parse_count(repository_fields.get("forks_count")),
                licence=clean_text(_get_nested(repository_fields, "license").get("spdx_id"), MAX_LICENCE),
                open_items=parse_count(repository_fields.get("open_issues_count")),
                private=_as_boolean(repository_fields.get("private")),
                created_at=parse_timestamp(repository_fields.get("created_at")) or None,
                is_organisation=_is_organisation(_get_nested(repository_fields, "owner").get("type")),
                description=_read_text(repository_fields, "description"),
                homepage=clean_url(repository_fields["homepage"]) if "homepage" in repository_fields else None,
            ),
        )


REST_SOURCE: Final[Source[RepositoryId, HostedRepository]] = _RestSource()


def create_graphql_source(as_of: int) -> Source[RepositoryId, HostedRepository]:
    """Return the source that counts commits in the 90 days before a moment (whole UTC days)."""
    return _GraphQLSource(as_of // DAY * DAY - COMMIT_WINDOW_DAYS * DAY)


def fetch_repositories(
    run: FetchRun, subjects: Sequence[RepositoryId], endpoint: Endpoint, *, as_of: int
) -> dict[RepositoryId, Fact[HostedRepository]]:
    """Return facts about repositories: by GraphQL when the endpoint has a token, by REST otherwise."""
    github_repositories = [repository for repository in subjects if repository.id.startswith(HOST_PREFIX)]
    source = create_graphql_source(as_of) if endpoint.identity else REST_SOURCE
    facts = run.fetch(source, github_repositories, endpoint) if github_repositories else {}
    return {
        repository: _explain(facts.get(repository, _NOT_ON_GITHUB), is_anonymous=not endpoint.identity)
        for repository in subjects
    }


def _explain(fact: Fact[HostedRepository], *, is_anonymous: bool) -> Fact[HostedRepository]:
    """Return what an answer states about a repository; of an unknown one also whether a token would help."""
    if isinstance(fact, Absent):
        return NOT_REACHABLE
    if not isinstance(fact, Unknown) or not is_anonymous:
        return fact
    if fact.reason == NOT_REQUESTED.reason:
        return _RATE_LIMITED
    is_limited = any(mark in fact.reason for mark in _LIMIT_MARKS)
    return msgspec.structs.replace(fact, token=TOKEN_VARIABLE) if is_limited else fact


def is_anonymous_answer(hosted: HostedRepository) -> bool:
    """Whether a repository was read without a token: commits and issues were not counted then."""
    return not hosted.since and not hosted.taken_down


def get_recent_commits(hosted: HostedRepository, as_of: int) -> int | None:
    """Return the commits of the last 90 days; None when they were counted for another period."""
    window_start = as_of - COMMIT_WINDOW_DAYS * DAY
    return hosted.commits if abs(hosted.since - window_start) <= _MAX_DRIFT_DAYS * DAY else None
