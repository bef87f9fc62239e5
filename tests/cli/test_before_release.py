"""A moment before the release of a version: there was no such version to score."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import Registry, Result


@pytest.mark.parametrize("target", ["pypi:good==1.0", "npm:leaf@1.0.0"])
def test_a_version_has_no_score_before_its_release(
    nerq: Callable[..., Result], registry: Registry, target: str
) -> None:
    registry.pypi("good", "1.0", "1.1", "2.0")
    registry.npm("leaf", "1.0.0", "1.1.0", "2.0.0")
    registry.most_used()
    result = nerq("check", target, "--as-of", "2023-06-01", "-f", "json")
    [dependency] = result.json["dependencies"]
    assert dependency["score"] is None
    assert dependency["grade"] is None
    assert any("was not released by 2023-06-01: it is of 2024-10-20" in reason for reason in dependency["reasons"])
    assert not dependency["fix"]
    assert result.json["summary"]["unknown"] == 1
    text = nerq("report", target, "--as-of", "2023-06-01").out
    assert " 0 days" not in text
    assert "wait a few days" not in text


def test_a_version_is_scored_from_the_day_of_its_release(nerq: Callable[..., Result], registry: Registry) -> None:
    registry.pypi("good", "1.0", "1.1")
    registry.most_used()
    document: Any = nerq("check", "good==1.0", "--as-of", "2025-10-20", "-f", "json").json
    assert document["dependencies"][0]["score"] is not None
