"""Reviews: which of them are about a version, and what they come to."""

from __future__ import annotations

import pytest

from nerq_cli.inventory import Package
from nerq_cli.policy.reviews import Review, ReviewIndex, Verdict, describe_review

DEMO = Package(ecosystem="PyPI", name="demo")
LODASH = Package(ecosystem="npm", name="lodash")
MODEL = Package(ecosystem="huggingface", name="org/model")


def review(version: str, verdict: Verdict = "ok", who: str = "Ann", when: str = "2026-11-01", **more: object) -> Review:
    return Review(**{"package": DEMO, "version": version, "verdict": verdict, "who": who, "when": when, **more})  # type: ignore[arg-type]


def decide(*reviews: Review, version: str = "1.2") -> tuple[str, str]:
    index = ReviewIndex(reviews, "2026-11-21")
    result = index.decide(reviews[0].package, version)
    return result.verdict, result.reason


@pytest.mark.parametrize(
    ("text", "version", "expected"),
    [
        ("1.2", "1.2", "ok"),
        ("1.2", "1.2.0", "ok"),
        ("1.2", "1.2+cu118", "ok"),
        ("1.2", "1.20", ""),
        (">=1.2,<2", "1.9", "ok"),
        (">=1.2,<2", "2.0", ""),
        ("==1.*", "1.9", "ok"),
    ],
)
def test_a_review_is_of_a_version_or_of_a_range(text: str, version: str, expected: str) -> None:
    assert decide(review(text), version=version)[0] == expected


def test_ranges_are_those_of_the_ecosystem() -> None:
    assert decide(review("^4.17.0", package=LODASH), version="4.17.21")[0] == "ok"
    assert decide(review("^4.17.0", package=LODASH), version="5.0.0")[0] == ""


def test_revisions_of_models_are_compared_as_they_are() -> None:
    sha = "0123456789abcdef0123456789abcdef01234567"
    assert decide(review(sha, package=MODEL), version=sha)[0] == "ok"
    assert decide(review(sha, package=MODEL), version=sha[::-1])[0] == ""


def test_the_strictest_verdict_of_all_people_counts() -> None:
    ann, bob, eve = review("1.2"), review("1.2", "concern", "Bob"), review(">=1", "reject", "Eve")
    assert decide(ann, bob)[0] == "concern"
    assert decide(ann, bob, eve)[0] == decide(eve, bob, ann)[0] == "reject"


def test_a_later_review_of_the_same_person_replaces_the_earlier_one() -> None:
    first, second = review("1.2", "reject", when="2026-10-01"), review("1.2", "ok", when="2026-10-02")
    assert decide(first, second)[0] == decide(second, first)[0] == "ok"
    assert decide(first, review("1.2", "ok", "Bob", "2026-10-02"))[0] == "reject"
    assert decide(first, review("1.3", "ok", when="2026-10-02"))[0] == "reject"


def test_of_two_reviews_of_one_day_the_stricter_one_counts() -> None:
    both = review("1.2", "reject"), review("1.2", "ok")
    assert decide(*both)[0] == decide(*both[::-1])[0] == "reject"


def test_reviews_after_the_moment_of_the_run_do_not_count() -> None:
    assert DEMO not in ReviewIndex([review("1.2")], "2026-10-31")
    assert DEMO in ReviewIndex([review("1.2")], "2026-11-01")


def test_differences_count_only_if_their_beginning_was_reviewed() -> None:
    delta = review("1.2", since="1.1")
    assert decide(delta) == ("", "only its differences to 1.1 were reviewed, and not that version")
    assert decide(delta, review("1.1", who="Bob"))[0] == "ok"
    assert decide(delta, review("1.1", since="1.0"), review("1.0"))[0] == "ok"
    assert decide(delta, review("1.1", "concern", who="Bob"))[0] == ""


def test_differences_in_a_circle_are_no_review() -> None:
    assert decide(review("1.2", since="1.1"), review("1.1", since="1.2"))[0] == ""


def test_an_objection_to_differences_counts_in_any_case() -> None:
    assert decide(review("1.2", "reject", since="1.1"), review("1.2", who="Bob"))[0] == "reject"


def test_a_version_that_is_not_known_has_no_review() -> None:
    assert decide(review("1.2"), version="") == ("", "the version in use is not known, and reviews are of versions")
    assert decide(review("1.2"), version="3") == ("", "only other versions were reviewed: 1.2")


def test_a_review_in_words() -> None:
    text = describe_review(
        review("1.2", since="1.1", files=("a.py",), origin="platform", notes="read it", who="Ann <ann@acme.example>")
    )
    assert text == "ok by Ann (2026-11-01, differences to 1.1, 1 file of it, from platform): read it"
