"""Reviews: what people who sign for it found in a version of a dependency. They never change a score."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Literal, NamedTuple, TypeAlias

import msgspec

from nerq_cli.ecosystems import get_prefix
from nerq_cli.inventory import Location, Package
from nerq_cli.policy.waivers import covers_version

#: ``ok``: may be used; ``concern``: with reservations, which the notes state; ``reject``: must not be used.
Verdict: TypeAlias = Literal["ok", "concern", "reject"]
#: Verdicts, the mildest first.
VERDICTS: Final[tuple[Verdict, ...]] = ("ok", "concern", "reject")


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """One review."""

    package: Package
    #: One version, or a range of versions of the ecosystem.
    version: str
    verdict: Verdict
    #: Who signs for it: a name, with an address or without one.
    who: str
    #: Day of the review (ISO 8601).
    when: str
    notes: str = ""
    #: Files of the package that were read; empty = all, or the changes since ``since``.
    files: tuple[str, ...] = ()
    #: Version whose differences to ``version`` were read; empty = the whole version was.
    since: str = ""
    #: Name of the file of another team that it comes from; empty for one of the project's own.
    origin: str = ""
    location: Location | None = None

    @property
    def label(self) -> str:
        """Return what was reviewed: ``pypi:requests 2.31.0``."""
        return f"{format_package(self.package)} {self.version}"

    @property
    def subject(self) -> tuple[Package, str, str, str]:
        """Return what a later review by the same person replaces it with: package, versions and person."""
        return self.package, self.version, self.since, self.who.casefold()


class ReviewResult(NamedTuple):
    """What the reviews of one version come to."""

    #: The strictest verdict of those that count; empty if none does.
    verdict: Verdict | Literal[""] = ""
    #: Those that are about the version, the strictest first; of each person the latest.
    reviews: tuple[Review, ...] = ()
    #: Why none counts; empty if one does.
    reason: str = ""


class ReviewIndex:
    """The reviews of a run by package."""

    def __init__(self, reviews: Iterable[Review], today: str) -> None:
        """Take the reviews up to a day (ISO 8601); of those of one person on the same versions the latest."""
        latest: dict[tuple[Package, str, str, str], Review] = {}
        for review in reviews:
            if review.when > today:
                continue
            known = latest.get(review.subject)
            if known is None or (known.when, VERDICTS.index(known.verdict)) <= (
                review.when,
                VERDICTS.index(review.verdict),
            ):
                latest[review.subject] = review
        self._by_package: dict[Package, list[Review]] = {}
        for review in latest.values():
            self._by_package.setdefault(review.package, []).append(review)

    def __contains__(self, package: Package) -> bool:
        """Whether there is any review of a package."""
        return package in self._by_package

    def decide(self, package: Package, version: str) -> ReviewResult:
        """Return what the reviews of a version of a package come to, which has some; an empty version is not known.

        A review of differences counts as ``ok`` only if the version that they begin at is ``ok`` itself; what it
        objects to counts in any case.
        """
        reviews = self._by_package.get(package, [])
        if not version:
            return ReviewResult(reason="the version in use is not known, and reviews are of versions")
        return self._decide(package, version, reviews, frozenset())

    def _decide(self, package: Package, version: str, reviews: Sequence[Review], seen: frozenset[str]) -> ReviewResult:
        about = [review for review in reviews if covers_version(package.ecosystem, review.version, version)]
        about.sort(key=lambda review: (-VERDICTS.index(review.verdict), review.when, review.who))
        if not about:
            others = sorted({review.version for review in reviews})
            shown = ", ".join(others[:3]) + ", …" * (len(others) > 3)  # noqa: PLR2004 - as many as a line holds
            return ReviewResult(reason=f"only other versions were reviewed: {shown}")
        if about[0].verdict != "ok":
            return ReviewResult(about[0].verdict, tuple(about))
        if any(not review.since for review in about):
            return ReviewResult("ok", tuple(about))
        for review in about:
            if review.since not in seen:
                begin = self._decide(package, review.since, reviews, seen | {version, review.since})
                if begin.verdict == "ok":
                    return ReviewResult("ok", tuple(about))
        begins = ", ".join(dict.fromkeys(review.since for review in about))
        return ReviewResult("", tuple(about), f"only its differences to {begins} were reviewed, and not that version")


def describe_review(review: Review) -> str:
    """Return a review as text: ``ok by Ann (2026-11-02, differences to 2.30.0): notes``."""
    details = [review.when]
    if review.since:
        details.append(f"differences to {review.since}")
    if review.files:
        details.append(f"{len(review.files)} {'file' if len(review.files) == 1 else 'files'} of it")
    if review.origin:
        details.append(f"from {review.origin}")
    who = review.who.partition("<")[0].strip() or review.who
    notes = f": {review.notes}" if review.notes else ""
    return f"{review.verdict} by {who} ({', '.join(details)}){notes}"


def format_package(package: Package) -> str:
    """Return a package as reviews name it: ``npm:lodash``."""
    return f"{get_prefix(package.ecosystem)}:{package.name}"
