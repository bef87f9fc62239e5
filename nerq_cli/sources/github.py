"""GitHub: fifty repositories to a GraphQL query where there is a token, and a few one by one where there is none.

Names of repositories come from strangers: they are only ever the value of a variable or an encoded part of a path.
A repository that is missing may as well be private, so its absence proves nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any, Final
from urllib.parse import quote

import msgspec

from nerq_cli.errors import AnswerError, ExhaustedError
from nerq_cli.facts import Absent, Fact, Unknown
from nerq_cli.inventory import NPM, PYPI, RepositoryId, normalise
from nerq_cli.sources.deps_dev import count
from nerq_cli.sources.gather import Gatherer
from nerq_cli.sources.question import Answer, Endpoint, Question, Source
from nerq_cli.sources.services import RESTS, repository_id, service
from nerq_cli.sources.text import LICENCE, SUMMARY, clean, decoded, instant

LABEL: Final = "GitHub"
URL: Final = "https://api.github.com"
VARIABLE: Final = "NERQ_GITHUB_URL"
#: Where a token may stand, as GitHub's own command line reads them (cli.github.com/manual/gh_help_environment).
TOKENS: Final = ("GITHUB_TOKEN", "GH_TOKEN")
#: Repositories in one query: its cost stays at one point, and its time under the 10 s that GitHub gives a query.
BATCH: Final = 50
#: Requests an hour without a token (docs.github.com, "Rate limits for the REST API").
ANONYMOUS: Final = 60
HOST: Final = "github.com/"
_DAY: Final = 24 * 3600
#: Days of commits counted, and how many days off that window may be when the answer is used.
WINDOW: Final = 90
_DRIFT: Final = 30
_TOO_SLOW: Final = frozenset({502, 504})
_REFUSALS: Final = frozenset({401, 403, 429})
_TAKEN_DOWN: Final = 451
_CLIENT_ERROR: Final = 400
#: Longest manifest whose name is read, in characters.
_MANIFEST: Final = 200_000
#: What is said of a repository that GitHub, in good health, does not find.
GONE: Final = Unknown("not reachable on GitHub (deleted, or private)", LABEL)
_ELSEWHERE: Final = Unknown("not on GitHub", LABEL)
_BEYOND: Final = Unknown("beyond the 60 requests an hour without a GITHUB_TOKEN", LABEL)

_QUERY: Final = """\
query(%s) {
%s
rateLimit { cost remaining resetAt }
}
fragment F on Repository {
  nameWithOwner isArchived isDisabled isFork createdAt pushedAt stargazerCount forkCount
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


class Hosted(msgspec.Struct, frozen=True, omit_defaults=True):
    """What GitHub says of a repository. Times are epoch seconds UTC; None = not read.

    ``name`` is its present one, also where it was asked for under an old one. ``packages`` are the names its own
    manifests give (``npm/demo``). ``since`` is where the 90 days begin in which ``commits`` were counted.
    """

    name: str
    archived: bool | None = None
    disabled: bool | None = None
    fork: bool | None = None
    stars: int | None = None
    forks: int | None = None
    licence: str = ""
    security_policy: bool | None = None
    open_issues: int | None = None
    open_items: int | None = None
    closed_items: int | None = None
    last_commit: int | None = None
    commits: int | None = None
    since: int = 0
    readme: int | None = None
    packages: tuple[str, ...] = ()
    taken_down: bool = False


def endpoint(environ: Mapping[str, str]) -> Endpoint:
    """Return where GitHub is asked, and with which token, if the environment holds one that can be sent."""
    bare = service(environ, VARIABLE, URL)
    token = next(filter(None, (environ.get(name, "").strip() for name in TOKENS)), "")
    if not bare.url or not token or not (token.isascii() and token.isprintable()):
        return bare
    # A keyed hash of 48 bits: enough to tell tokens apart, and it leads back to none.
    key = bare.url.encode()[: hashlib.blake2b.MAX_KEY_SIZE]
    identity = hashlib.blake2b(token.encode(), key=key, digest_size=6).hexdigest()
    return Endpoint(url=bare.url, headers={"Authorization": f"Bearer {token}"}, identity=identity)


# --- GraphQL -------------------------------------------------------------------------------------------------------


class _Error(msgspec.Struct):
    type: Any = None
    path: Any = None


class _Reply(msgspec.Struct):
    data: dict[str, Any] | None = None
    errors: list[_Error] = []


_REPLY = msgspec.json.Decoder(_Reply)
_JSON = msgspec.json.Decoder(dict[str, Any])


@dataclass(slots=True)
class _GraphQL:
    """Fifty repositories to a query. ``since`` is where the 90 days begin whose commits are counted."""

    since: int
    name: str = "github-graphql"
    label: str = LABEL
    kind: type[Hosted] = Hosted
    fresh: int = _DAY
    absent_fresh: int = _DAY
    limit: int = 25_000_000
    probe: bool = False
    rests: int = RESTS
    stops: frozenset[int] = _REFUSALS

    def ask(self, about: Sequence[RepositoryId], at: Endpoint) -> Iterator[Question[RepositoryId]]:
        """Ask about as many at once as GitHub answers in its time."""
        for start in range(0, len(about), BATCH):
            some = tuple(about[start : start + BATCH])
            body = self._body(some)
            yield Question(url=f"{at.url}/graphql", about=some, method="POST", body=body, endpoint=at)

    def divide(self, question: Question[RepositoryId], status: int) -> Sequence[Question[RepositoryId]]:
        """Ask in halves where GitHub ran out of its own time."""
        middle = len(question.about) // 2
        if status not in _TOO_SLOW or not middle:
            return ()
        halves = question.about[:middle], question.about[middle:]
        return [replace(question, about=half, body=self._body(half)) for half in halves]

    def read(self, question: Question[RepositoryId], answer: Answer) -> Iterator[tuple[RepositoryId, Hosted | None]]:
        """Read the repositories by their place in the query; null and NOT_FOUND say that one cannot be seen."""
        if answer.status >= _CLIENT_ERROR:
            raise AnswerError(f"no GraphQL there (HTTP {answer.status})")
        reply = decoded(_REPLY, answer.body)
        if any(error.type == "RATE_LIMITED" for error in reply.errors):
            raise ExhaustedError("the rate limit is reached")
        missing = {alias for error in reply.errors if (alias := _missing(error))}
        if reply.data is None:
            raise AnswerError("the query failed")
        for place, repository in enumerate(question.about):
            said = reply.data.get(f"r{place}")
            if isinstance(said, dict):
                yield repository, _hosted(said, repository, self.since)
            elif f"r{place}" in missing:
                yield repository, None

    def _body(self, about: Sequence[RepositoryId]) -> bytes:
        places = range(len(about))
        declared = ", ".join(["$since: GitTimestamp!", *(f"$o{i}: String!, $n{i}: String!" for i in places)])
        asked = "\n".join(f"r{i}: repository(owner: $o{i}, name: $n{i}) {{ ...F }}" for i in places)
        variables = {"since": f"{datetime.fromtimestamp(self.since, timezone.utc):%Y-%m-%dT%H:%M:%SZ}"}
        for place, repository in enumerate(about):
            variables[f"o{place}"], variables[f"n{place}"] = _owner_and_name(repository)
        return json.dumps({"query": _QUERY % (declared, asked), "variables": variables}).encode()


def _missing(error: _Error) -> str:
    """Return the alias of a repository that GitHub does not find."""
    found = error.type == "NOT_FOUND" and isinstance(error.path, list) and len(error.path) == 1
    return error.path[0] if found and isinstance(error.path[0], str) else ""


def _owner_and_name(repository: RepositoryId) -> tuple[str, str]:
    owner, _, name = (repository.spelling or repository.id).removeprefix(HOST).partition("/")
    return owner, name


def _hosted(said: Mapping[str, Any], repository: RepositoryId, since: int) -> Hosted:
    commit = _within(said, "defaultBranchRef", "target")
    issues, pulls = _total(said, "openIssues"), _total(said, "openPulls")
    return Hosted(
        name=_name(said.get("nameWithOwner"), repository),
        archived=_yes(said.get("isArchived")),
        disabled=_yes(said.get("isDisabled")),
        fork=_yes(said.get("isFork")),
        stars=count(said.get("stargazerCount")),
        forks=count(said.get("forkCount")),
        licence=clean(_within(said, "licenseInfo").get("spdxId"), LICENCE),
        security_policy=_yes(said.get("isSecurityPolicyEnabled")),
        open_issues=issues,
        open_items=_sum(issues, pulls),
        closed_items=_sum(_total(said, "closedIssues"), _total(said, "closedPulls")),
        last_commit=instant(commit.get("committedDate")) or None,
        commits=_total(commit, "history"),
        since=since,
        readme=count(_within(said, "readme").get("byteSize")),
        packages=_packages(_within(said, "npm").get("text"), _within(said, "python").get("text")),
    )


def _within(said: Mapping[str, Any], *path: str) -> dict[str, Any]:
    """Return the object at the end of a path; an empty one where there is none."""
    found: object = said
    for step in path:
        found = found.get(step) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def _total(said: Mapping[str, Any], field: str) -> int | None:
    return count(_within(said, field).get("totalCount"))


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other


def _yes(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _name(value: object, asked: RepositoryId) -> str:
    found = repository_id(f"{HOST}{value}") if isinstance(value, str) else None
    return found.spelling if found else asked.spelling or asked.id


def _packages(npm: object, python: object) -> tuple[str, ...]:
    """Return the names under which the manifests at the root of a repository publish it."""
    names = (_npm_name(npm), _python_name(python))
    return tuple(filter(None, names))


def _npm_name(text: object) -> str:
    try:
        manifest = _JSON.decode(text) if isinstance(text, str) and len(text) <= _MANIFEST else {}
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return ""
    name = clean(manifest.get("name"), SUMMARY)
    return f"npm/{normalise(NPM, name)}" if name else ""


def _python_name(text: object) -> str:
    import tomli

    try:
        manifest = tomli.loads(text) if isinstance(text, str) and len(text) <= _MANIFEST else {}
    except (tomli.TOMLDecodeError, ValueError, RecursionError):
        return ""
    tables = _within(manifest, "project"), _within(manifest, "tool", "poetry")
    name = next(filter(None, (clean(table.get("name"), SUMMARY) for table in tables)), "")
    return f"pypi/{normalise(PYPI, name)}" if name else ""


# --- REST ----------------------------------------------------------------------------------------------------------


class _Rest:
    """One repository to a request, for those who have no token. Its counts of issues include pull requests."""

    name = "github-rest"
    label = LABEL
    kind = Hosted
    fresh = _DAY
    absent_fresh = _DAY
    limit = 1_000_000
    probe = True
    rests = RESTS
    stops = _REFUSALS
    reads = frozenset({_TAKEN_DOWN})

    def ask(self, about: Sequence[RepositoryId], at: Endpoint) -> Iterator[Question[RepositoryId]]:
        """Ask about no more repositories than there are requests."""
        for repository in about[:ANONYMOUS]:
            owner, name = _owner_and_name(repository)
            url = f"{at.url}/repos/{quote(owner, safe='')}/{quote(name, safe='')}"
            accept = "application/vnd.github+json"
            yield Question(url=url, about=(repository,), accept=accept, endpoint=at)

    def read(self, question: Question[RepositoryId], answer: Answer) -> Iterator[tuple[RepositoryId, Hosted | None]]:
        """Read one repository."""
        [repository] = question.about
        if answer.status == _TAKEN_DOWN:
            yield repository, Hosted(name=repository.spelling or repository.id, taken_down=True)
            return
        if answer.status >= _CLIENT_ERROR:
            yield repository, None
            return
        said = decoded(_JSON, answer.body)
        if not isinstance(said.get("full_name"), str):
            raise AnswerError("the answer describes no repository")
        yield (
            repository,
            Hosted(
                name=_name(said["full_name"], repository),
                archived=_yes(said.get("archived")),
                disabled=_yes(said.get("disabled")),
                fork=_yes(said.get("fork")),
                stars=count(said.get("stargazers_count")),
                forks=count(said.get("forks_count")),
                licence=clean(_within(said, "license").get("spdx_id"), LICENCE),
                open_items=count(said.get("open_issues_count")),
            ),
        )


REST: Final[Source[RepositoryId, Hosted]] = _Rest()


def graphql(as_of: int) -> Source[RepositoryId, Hosted]:
    """Return the source that counts commits in the 90 days before a moment (whole UTC days)."""
    return _GraphQL(as_of // _DAY * _DAY - WINDOW * _DAY)


def repositories(
    gatherer: Gatherer, about: Sequence[RepositoryId], at: Endpoint, *, as_of: int
) -> dict[RepositoryId, Fact[Hosted]]:
    """Return what GitHub says of repositories: by GraphQL where the endpoint has a token, by REST otherwise."""
    ours = [repository for repository in about if repository.id.startswith(HOST)]
    source = graphql(as_of) if at.identity else REST
    facts = gatherer.gather(source, ours, at) if ours else {}
    return {repository: _told(facts.get(repository, _ELSEWHERE)) for repository in about}


def _told(fact: Fact[Hosted]) -> Fact[Hosted]:
    if isinstance(fact, Absent):
        return GONE
    return _BEYOND if isinstance(fact, Unknown) and fact.reason == "not asked" else fact


def commits_before(hosted: Hosted, as_of: int) -> int | None:
    """Return the commits of the last 90 days; None where they were counted for quite another moment."""
    begins = as_of - WINDOW * _DAY
    return hosted.commits if abs(hosted.since - begins) <= _DRIFT * _DAY else None
