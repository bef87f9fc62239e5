"""OpenSSF Scorecard's own API, for repositories without results at deps.dev. Its data is CDLA-Permissive-2.0.

Results are stored under the spelling at the time of the scan (ossf/scorecard-webapp, app/server), and renames are not
followed: the given spelling is requested first, then lower case.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final
from urllib.parse import quote

from msgspec.structs import replace

from nerq_cli.decoders import build_json_decoder_late
from nerq_cli.errors import ResponseError
from nerq_cli.facts import Absent, Fact, Scorecard, Unknown
from nerq_cli.fetch.concurrency import INITIAL_CONCURRENCY
from nerq_cli.fetch.run import FetchRun
from nerq_cli.fetch.source import Endpoint, Request, Response, Source
from nerq_cli.inventory import RepositoryId
from nerq_cli.sources import SOURCES
from nerq_cli.sources.scorecard_results import parse_scorecard
from nerq_cli.sources.text import decode_json

_INFO: Final = SOURCES["scorecard"]
LABEL: Final = _INFO.label
#: Code hosts that Scorecard scans.
SCANNED_HOSTS: Final = frozenset({"github.com", "gitlab.com"})
NEVER_SCANNED: Final = Unknown("never scanned by Scorecard", LABEL)
_HOST_NOT_SCANNED: Final = Unknown("on a host that Scorecard does not scan", LABEL)
_JSON_DECODER = build_json_decoder_late(dict[str, Any])


class _ScorecardSource:
    """The results for one repository."""

    name = "scorecard"
    label = LABEL
    kind = Scorecard
    max_age = _INFO.max_age
    absent_max_age = _INFO.absent_max_age
    limit = 2_000_000
    probe = False
    cooldown = _INFO.cooldown
    max_concurrency = INITIAL_CONCURRENCY
    time_limits = _INFO.time_limits

    def requests(self, subjects: Sequence[RepositoryId], endpoint: Endpoint) -> Iterator[Request[RepositoryId]]:
        """Request one repository at a time."""
        for repository in subjects:
            url = _build_url(endpoint, repository.spelling or repository.id)
            yield Request(url=url, subjects=(repository,), endpoint=endpoint)

    def parse(
        self, request: Request[RepositoryId], response: Response
    ) -> Iterator[tuple[RepositoryId, Scorecard | None]]:
        """Read one repository; a missing result may exist under the other spelling."""
        [repository] = request.subjects
        if response.status >= 400:  # noqa: PLR2004 - HTTP's client errors
            if request.url == _build_url(request.endpoint, repository.id):
                yield repository, None
            return
        result = parse_scorecard(repository, decode_json(_JSON_DECODER, response.body))
        if result is None:
            raise ResponseError("the answer holds no conclusive check")
        yield repository, result

    def request_more(self, request: Request[RepositoryId], response: Response) -> Iterator[Request[RepositoryId]]:
        """Request the same repository in lower case."""
        lowercase_url = _build_url(request.endpoint, request.subjects[0].id)
        if response.status >= 400 and request.url != lowercase_url:  # noqa: PLR2004 - HTTP's client errors
            yield replace(request, url=lowercase_url)


def _build_url(endpoint: Endpoint, spelling: str) -> str:
    return f"{endpoint.url}/projects/{quote(spelling)}"


SCORECARD_SOURCE: Final[Source[RepositoryId, Scorecard]] = _ScorecardSource()


def fetch_scorecards(
    run: FetchRun, repositories: Sequence[RepositoryId], endpoint: Endpoint
) -> dict[RepositoryId, Fact[Scorecard]]:
    """Return Scorecard results of repositories, one request each: for those without results at deps.dev."""
    scanned_repositories = [
        repository for repository in repositories if repository.id.partition("/")[0] in SCANNED_HOSTS
    ]
    facts = run.fetch(SCORECARD_SOURCE, scanned_repositories, endpoint) if scanned_repositories else {}
    repository_facts = {repository: facts.get(repository, _HOST_NOT_SCANNED) for repository in repositories}
    return {
        repository: NEVER_SCANNED if isinstance(fact, Absent) else fact for repository, fact in repository_facts.items()
    }
