"""Downloads a week, asked for only when the user wants them: both services soon refuse (HTTP 429), and then it is over.

npm counts up to 128 names at once, but each scoped one alone (npm/registry, docs/download-counts.md). pypistats counts
one at a time and asks not to be crawled (pypistats.org/api).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

import msgspec

from nerq_cli.errors import AnswerError
from nerq_cli.facts import Absent, Adoption, Fact, Unknown
from nerq_cli.inventory import NPM, PYPI, Package
from nerq_cli.sources.deps_dev import count
from nerq_cli.sources.gather import Gatherer
from nerq_cli.sources.question import Answer, Endpoint, Question, Source
from nerq_cli.sources.services import RESTS, service
from nerq_cli.sources.text import decoded

NPM_VARIABLE: Final = "NERQ_NPM_DOWNLOADS_URL"
PYPISTATS_VARIABLE: Final = "NERQ_PYPISTATS_URL"
PYPISTATS_URL: Final = "https://pypistats.org/api"
#: Unscoped names in one question (npm/registry, docs/download-counts.md).
BULK: Final = 128
_FRESH: Final = 24 * 3600
_TOO_MANY: Final = frozenset({429})
_CLIENT_ERROR: Final = 400
_NO_COUNT: Final = "no downloads are counted for this name"
_JSON = msgspec.json.Decoder(dict[str, Any])


def npm_endpoint(environ: Mapping[str, str]) -> Endpoint:
    """Return where npm's downloads are counted: beside its public registry, whichever registry is configured."""
    from nerq_cli.sources.addresses import Addresses

    return service(environ, NPM_VARIABLE, Addresses().npm.url.replace("://registry.", "://api.", 1) + "/downloads")


def pypistats_endpoint(environ: Mapping[str, str]) -> Endpoint:
    """Return where PyPI's downloads are counted."""
    return service(environ, PYPISTATS_VARIABLE, PYPISTATS_URL)


class _NpmSource:
    """Downloads of the last week from npm."""

    name = "npm-downloads"
    label = "npm downloads"
    kind = Adoption
    fresh = _FRESH
    absent_fresh = _FRESH
    limit = 1_000_000
    probe = True
    rests = RESTS
    stops = _TOO_MANY

    def ask(self, about: Sequence[Package], at: Endpoint) -> Iterator[Question[Package]]:
        """Ask in bulk first, for what comes later may be refused."""
        plain = [package for package in about if not package.name.startswith("@")]
        scoped = [(package,) for package in about if package.name.startswith("@")]
        for some in (*(tuple(plain[start : start + BULK]) for start in range(0, len(plain), BULK)), *scoped):
            names = ",".join(quote(package.name, safe="@/") for package in some)
            yield Question(url=f"{at.url}/point/last-week/{names}", about=some, endpoint=at)

    def read(self, question: Question[Package], answer: Answer) -> Iterator[tuple[Package, Adoption | None]]:
        """Read an object of counts by name, or a single count."""
        single = len(question.about) == 1
        if answer.status >= _CLIENT_ERROR:
            yield from ((package, None) for package in question.about if single)
            return
        said = decoded(_JSON, answer.body)
        for package in question.about:
            if single and "downloads" in said:
                yield package, _adoption(said)
            elif package.name in said:
                yield package, _adoption(said[package.name])


class _PypistatsSource:
    """Downloads of the last week from PyPI, as pypistats counts them (without mirrors)."""

    name = "pypistats"
    label = "pypistats"
    kind = Adoption
    fresh = _FRESH
    absent_fresh = _FRESH
    limit = 100_000
    probe = True
    rests = RESTS
    stops = _TOO_MANY

    def ask(self, about: Sequence[Package], at: Endpoint) -> Iterator[Question[Package]]:
        """Ask about one at a time."""
        for package in about:
            url = f"{at.url}/packages/{package.path}/recent?period=week"
            yield Question(url=url, about=(package,), endpoint=at)

    def read(self, question: Question[Package], answer: Answer) -> Iterator[tuple[Package, Adoption | None]]:
        """Read one count."""
        [package] = question.about
        if answer.status >= _CLIENT_ERROR:
            yield package, None
            return
        data = decoded(_JSON, answer.body).get("data")
        downloads = count(data.get("last_week")) if isinstance(data, dict) else None
        if downloads is None:
            raise AnswerError("the answer holds no count")
        yield package, Adoption(downloads=float(downloads))


def _adoption(said: object) -> Adoption | None:
    """Read a count; null says that none is kept under this name."""
    if said is None:
        return None
    downloads = count(said.get("downloads")) if isinstance(said, dict) else None
    if downloads is None:
        raise AnswerError("the answer holds no count")
    return Adoption(downloads=float(downloads))


NPM_DOWNLOADS: Final[Source[Package, Adoption]] = _NpmSource()
PYPISTATS: Final[Source[Package, Adoption]] = _PypistatsSource()


def counts(source: Source[Package, Adoption], package: Package) -> bool:
    """Whether a service counts downloads of this package's registry."""
    return package.ecosystem == (NPM if source is NPM_DOWNLOADS else PYPI)


def downloads(
    gatherer: Gatherer, packages: Sequence[Package], *, npm: Endpoint, pypistats: Endpoint
) -> dict[Package, Fact[Adoption]]:
    """Return how often packages are downloaded a week; unknown where nobody counts or a service would not say."""
    by_ecosystem = {
        ecosystem: [package for package in packages if package.ecosystem == ecosystem] for ecosystem in (NPM, PYPI)
    }
    answers = gatherer.gather_all([(NPM_DOWNLOADS, by_ecosystem[NPM], npm), (PYPISTATS, by_ecosystem[PYPI], pypistats)])
    return {
        package: Unknown(_NO_COUNT, fact.source) if isinstance(fact, Absent) else fact
        for answer in answers
        for package, fact in answer.items()
    }
