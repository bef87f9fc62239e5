"""Precision and recall on the corpus, per pattern."""

from __future__ import annotations

from collections import Counter

import pytest

from nerq_cli.manifests.references.find import find_references
from nerq_cli.manifests.references.model import Reference
from tests.manifests.references.conftest import Snippet, read_corpus

FOUND = read_corpus("found.txt")
LOOK_ALIKES = read_corpus("look_alikes.txt")


def find(snippet: Snippet) -> tuple[Reference, ...]:
    return find_references(snippet.path, snippet.text.encode()).references


def test_half_of_the_corpus_are_look_alikes() -> None:
    assert len(FOUND) + len(LOOK_ALIKES) >= 300
    assert len(LOOK_ALIKES) >= len(FOUND)


@pytest.mark.parametrize("snippet", FOUND, ids=lambda snippet: snippet.id)
def test_what_a_file_refers_to_is_found(snippet: Snippet) -> None:
    found = {(item.kind, item.name, item.certainty) for item in find(snippet) if item.certainty != "possible"}
    assert found == {(item.kind, item.name, item.certainty) for item in snippet.expected}
    revisions = {(item.name, item.revision) for item in find(snippet)}
    assert {(item.name, item.revision) for item in snippet.expected if item.revision} <= revisions


@pytest.mark.parametrize("snippet", LOOK_ALIKES, ids=lambda snippet: snippet.id)
def test_a_look_alike_is_no_reference(snippet: Snippet) -> None:
    assert [item for item in find(snippet) if item.certainty != "possible"] == []


def test_precision_and_recall_at_certain() -> None:
    right: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    expected_count = found_count = 0
    for snippet in (*FOUND, *LOOK_ALIKES):
        expected = {(item.kind, item.name) for item in snippet.expected if item.certainty == "certain"}
        found = {(item.kind, item.name): item.pattern for item in find(snippet) if item.certainty == "certain"}
        expected_count += len(expected)
        found_count += len(expected & found.keys())
        for key, pattern in found.items():
            (right if key in expected else wrong)[pattern] += 1
    for pattern in sorted(right | wrong):
        total = right[pattern] + wrong[pattern]
        print(f"{pattern:32} precision {right[pattern] / total:6.1%} of {total}")  # noqa: T201 - shown with -s
    precision = right.total() / (right.total() + wrong.total())
    recall = found_count / expected_count
    print(f"precision {precision:.1%}, recall {recall:.1%} of {expected_count}")  # noqa: T201 - as above
    assert precision >= 0.97
    assert recall >= 0.9
