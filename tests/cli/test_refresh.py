"""Refreshing answers: a registry that says "not modified" sends next to nothing, and the report stays what it was."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Nerq = Callable[..., Any]
NOW = 1_795_262_400  # 2026-11-21T12:00:00Z
DAY = 86_400
SCAN = ("scan", "--as-of", "2026-11-21", "--format", "json")
TIMES = {"sources", "generated_at", "elapsed_seconds", "retrieved_at"}
MANIFESTS = {"requirements.txt": "demo==1.0\nother>=1\n", "package.json": '{"dependencies": {"left": "1.0.0"}}'}


class Validating:
    """Adds validators to what a site answers, and counts: requests by status, bytes of bodies."""

    def __init__(self, site: Any) -> None:
        self.statuses: Counter[int] = Counter()
        self.byte_count = 0
        for path, scripts in list(site.scripts.items()):
            site.on(path, lambda request, answer=scripts[0]: self._answer(request, answer))

    def _answer(self, request: Any, answer: Any) -> Any:
        body = json.dumps(answer["body"]).encode()
        etag = f'W/"{hashlib.sha256(body).hexdigest()[:16]}"'
        if request.headers.get("if-none-match") == etag:
            self.statuses[304] += 1
            return {"status": 304, "headers": {"ETag": etag}}
        self.statuses[200] += 1
        self.byte_count += len(body)
        return {"body": body, "headers": {**answer.get("headers", {}), "ETag": etag}}

    def take_counts(self) -> tuple[Counter[int], int]:
        """Return the counts since the last call."""
        counts = (self.statuses, self.byte_count)
        self.statuses, self.byte_count = Counter(), 0
        return counts


def strip(value: Any) -> Any:
    """Leave out what says when an answer was fetched, and from where."""
    if isinstance(value, dict):
        return {name: strip(part) for name, part in value.items() if name not in TIMES}
    return [strip(part) for part in value] if isinstance(value, list) else value


@pytest.fixture
def validating(registry: Any, project: Path) -> Validating:
    registry.pypi("demo", "1.0", "2.0")
    registry.pypi("other", "1.0", "1.5")
    registry.npm("left", "1.0.0", "1.1.0")
    registry.most_used()
    for name, content in MANIFESTS.items():
        (project / name).write_text(content)
    return Validating(registry.site)


def test_a_refresh_of_what_has_not_changed_transfers_no_body(nerq: Nerq, validating: Validating) -> None:
    first = nerq(*SCAN).json
    statuses, byte_count = validating.take_counts()
    assert statuses.keys() == {200}
    assert byte_count > 10_000
    again = nerq(*SCAN, "--refresh").json
    refreshed_statuses, refreshed_byte_count = validating.take_counts()
    assert refreshed_statuses == {304: statuses[200]}
    assert refreshed_byte_count == 0
    assert strip(again) == strip(first)


def test_expired_answers_are_renewed_for_their_whole_time(
    nerq: Nerq, validating: Validating, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day, expected_statuses in enumerate(({200}, {304}, {304})):
        monkeypatch.setattr("nerq_cli.application.session.time.time", lambda day=day: NOW + 1.5 * day * DAY)
        nerq(*SCAN)
        assert validating.take_counts()[0].keys() == expected_statuses
        nerq(*SCAN)
        assert validating.take_counts()[0].keys() == set()


def test_another_version_is_judged_by_what_was_not_modified(
    nerq: Nerq, validating: Validating, project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    nerq(*SCAN)
    (project / "requirements.txt").write_text("demo==2.0\nother==1.0\n")
    (project / "package.json").write_text('{"dependencies": {"left": "1.1.0"}}')
    refreshed = nerq(*SCAN, "--refresh").json
    assert validating.take_counts()[0][304] > 0
    monkeypatch.setenv("NERQ_CACHE_DIR", str(tmp_path / "another cache"))
    assert strip(refreshed) == strip(nerq(*SCAN).json)
