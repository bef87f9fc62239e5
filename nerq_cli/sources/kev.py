"""KEV: the catalogue of vulnerabilities that CISA knows to be exploited. One file, read once a day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from nerq_cli.errors import AnswerError
from nerq_cli.facts import Fact
from nerq_cli.inventory import AdvisoryId
from nerq_cli.sources.gather import Gatherer
from nerq_cli.sources.question import Answer, Endpoint, Question
from nerq_cli.sources.services import RESTS, service
from nerq_cli.sources.text import clean, decoded, every, members

LABEL: Final = "CISA KEV"
URL: Final = "https://www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities.json"
#: CISA's own copy, for when its site turns unusual clients away (it answers 403).
MIRROR: Final = "https://raw.githubusercontent.com/cisagov/kev-data/develop/known_exploited_vulnerabilities.json"
VARIABLE: Final = "NERQ_KEV_URL"

CATALOGUE: Final = AdvisoryId(id="catalogue")
_DAY: Final = 86_400
_OK: Final = 200
_LONGEST: Final = 40


class Catalogue(msgspec.Struct, frozen=True):
    """The CVEs known to be exploited, and the version of the list."""

    cves: frozenset[str]
    version: str = ""


class _Entry(msgspec.Struct):
    cveID: str  # noqa: N815 - the file's spelling


class _File(msgspec.Struct):
    vulnerabilities: msgspec.Raw
    catalogVersion: Any = None  # noqa: N815 - the file's spelling
    count: Any = None


_ENTRY: Final = msgspec.json.Decoder(_Entry)
_FILE: Final = msgspec.json.Decoder(_File)


def endpoints(environ: Mapping[str, str]) -> tuple[Endpoint, ...]:
    """Return where the catalogue is: the place the environment names and no other, else CISA and its mirror."""
    first = service(environ, VARIABLE, URL)
    return (first, Endpoint(url=MIRROR)) if first.url == URL else (first,)


@dataclass(slots=True)
class Copies:
    """The catalogue, from the endpoint or else from the first of the mirrors that has it. Filed as the endpoint's."""

    mirrors: tuple[Endpoint, ...] = ()
    name: str = "kev"
    label: str = LABEL
    kind: type[Catalogue] = Catalogue
    fresh: int = _DAY
    absent_fresh: int = _DAY
    limit: int = 20_000_000
    probe: bool = False
    rests: int = RESTS

    def ask(self, about: Sequence[AdvisoryId], at: Endpoint) -> Iterator[Question[AdvisoryId]]:
        """Ask for the whole file."""
        yield Question(url=at.url, about=tuple(about), endpoint=at)

    def read(self, question: Question[AdvisoryId], answer: Answer) -> Iterator[tuple[AdvisoryId, Catalogue | None]]:
        """Pair the catalogue with what is in it; with nothing yet, where it makes no sense and there is a mirror.

        Raises:
            AnswerError: it is not there, not the catalogue, or not all of it.
        """
        try:
            catalogue = _catalogue(answer)
        except AnswerError:
            if self._mirror(question):
                return
            raise
        [subject] = question.about
        yield subject, catalogue

    def more(self, question: Question[AdvisoryId], answer: Answer) -> Sequence[Question[AdvisoryId]]:
        """Ask the next mirror where the answer makes no sense."""
        mirror = self._mirror(question)
        return mirror if mirror and not _makes_sense(answer) else ()

    def divide(self, question: Question[AdvisoryId], status: int) -> Sequence[Question[AdvisoryId]]:  # noqa: ARG002 - any failure will do
        """Ask the next mirror where there is no answer."""
        return self._mirror(question)

    def _mirror(self, question: Question[AdvisoryId]) -> tuple[Question[AdvisoryId], ...]:
        tried = self.mirrors.index(question.endpoint) + 1 if question.endpoint in self.mirrors else 0
        return tuple(Question(url=one.url, about=question.about, endpoint=one) for one in self.mirrors[tried:][:1])


def catalogue(gatherer: Gatherer, places: Sequence[Endpoint]) -> Fact[Catalogue]:
    """Return the catalogue, from the first of the places that has it. A miss means nothing where it is unknown.

    Raises:
        ConfigError: the proxy or the certificates that the environment names cannot be used.
    """
    first, *mirrors = places
    return gatherer.gather(Copies(tuple(mirrors)), [CATALOGUE], first)[CATALOGUE]


def _catalogue(answer: Answer) -> Catalogue:
    if answer.status != _OK:
        raise AnswerError(f"no catalogue there (HTTP {answer.status})")
    file = decoded(_FILE, answer.body)
    listed = members(file.vulnerabilities) or []
    entries = every(_ENTRY, file.vulnerabilities)
    if not listed or len(entries) != len(listed) or file.count not in (None, len(listed)):
        raise AnswerError("the catalogue is not complete")
    return Catalogue(frozenset(entry.cveID for entry in entries), clean(file.catalogVersion, _LONGEST))


def _makes_sense(answer: Answer) -> bool:
    try:
        _catalogue(answer)
    except AnswerError:
        return False
    return True
