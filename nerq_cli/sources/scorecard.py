"""OpenSSF Scorecard's own API, for repositories that deps.dev has no results of. Its data is CDLA-Permissive-2.0.

Repositories are filed as they were spelled when they were scanned (ossf/scorecard-webapp, app/server), and moved ones
are not followed: the given spelling is asked first, then the one in lower case.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote

import msgspec

from nerq_cli.errors import AnswerError
from nerq_cli.facts import Absent, Fact, Scorecard, Unknown
from nerq_cli.inventory import RepositoryId
from nerq_cli.sources.deps_dev import scorecard
from nerq_cli.sources.gather import Gatherer
from nerq_cli.sources.question import Answer, Endpoint, Question, Source
from nerq_cli.sources.services import RESTS, service
from nerq_cli.sources.text import decoded

LABEL: Final = "OpenSSF Scorecard"
URL: Final = "https://api.scorecard.dev"
VARIABLE: Final = "NERQ_SCORECARD_URL"
#: For ``nerq --about`` and the documentation.
ATTRIBUTION: Final = "Contains data from OpenSSF Scorecard, licensed under CDLA-Permissive-2.0."
#: Hosts it scans.
HOSTS: Final = frozenset({"github.com", "gitlab.com"})
_DAY: Final = 24 * 3600
NEVER: Final = Unknown("never scanned by Scorecard", LABEL)
_NOT_ITS_HOST: Final = Unknown("on a host that Scorecard does not scan", LABEL)
_JSON = msgspec.json.Decoder(dict[str, Any])


def endpoint(environ: Mapping[str, str]) -> Endpoint:
    """Return where Scorecard is asked."""
    return service(environ, VARIABLE, URL)


class _Source:
    """The results for one repository."""

    name = "scorecard"
    label = LABEL
    kind = Scorecard
    fresh = 7 * _DAY
    absent_fresh = _DAY
    limit = 2_000_000
    probe = False
    rests = RESTS

    def ask(self, about: Sequence[RepositoryId], at: Endpoint) -> Iterator[Question[RepositoryId]]:
        """Ask about one at a time."""
        for repository in about:
            url = _address(at, repository.spelling or repository.id)
            yield Question(url=url, about=(repository,), endpoint=at)

    def read(self, question: Question[RepositoryId], answer: Answer) -> Iterator[tuple[RepositoryId, Scorecard | None]]:
        """Read one repository; under its other spelling there may still be something."""
        [repository] = question.about
        if answer.status >= 400:  # noqa: PLR2004 - HTTP's client errors
            if question.url == _address(question.endpoint, repository.id):
                yield repository, None
            return
        found = scorecard(repository, decoded(_JSON, answer.body))
        if found is None:
            raise AnswerError("the answer holds no conclusive check")
        yield repository, found

    def more(self, question: Question[RepositoryId], answer: Answer) -> Iterator[Question[RepositoryId]]:
        """Ask again in lower case."""
        lower = _address(question.endpoint, question.about[0].id)
        if answer.status >= 400 and question.url != lower:  # noqa: PLR2004 - HTTP's client errors
            yield replace(question, url=lower)


def _address(at: Endpoint, spelling: str) -> str:
    return f"{at.url}/projects/{quote(spelling)}"


SCORECARD: Final[Source[RepositoryId, Scorecard]] = _Source()


def scorecards(
    gatherer: Gatherer, repositories: Sequence[RepositoryId], at: Endpoint
) -> dict[RepositoryId, Fact[Scorecard]]:
    """Return Scorecard's results for repositories; meant for those that deps.dev lacks, as each is a request."""
    scanned = [repository for repository in repositories if repository.id.partition("/")[0] in HOSTS]
    facts = gatherer.gather(SCORECARD, scanned, at) if scanned else {}
    told = {repository: facts.get(repository, _NOT_ITS_HOST) for repository in repositories}
    return {repository: NEVER if isinstance(fact, Absent) else fact for repository, fact in told.items()}
