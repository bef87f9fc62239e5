"""Reviews in documents."""

from __future__ import annotations

import msgspec

from nerq_cli.policy.reviews import Review, format_package
from nerq_cli.report.sanitize import TEXT_LIMIT, sanitize_text


class ReviewDocument(msgspec.Struct, frozen=True, gc=False):
    """One review."""

    package: str
    version: str
    since: str | None
    verdict: str
    who: str
    when: str
    notes: str | None
    files: list[str]
    origin: str | None


def build_review(review: Review) -> ReviewDocument:
    """Return a review as a document has it."""
    return ReviewDocument(
        package=sanitize_text(format_package(review.package)),
        version=sanitize_text(review.version),
        since=sanitize_text(review.since) or None,
        verdict=review.verdict,
        who=sanitize_text(review.who),
        when=review.when,
        notes=sanitize_text(review.notes, TEXT_LIMIT) or None,
        files=[sanitize_text(file) for file in review.files],
        origin=review.origin or None,
    )
