"""What the page about one target states: each sentence from facts, none without."""

from __future__ import annotations

from typing import Any

import pytest

from nerq_cli import signals
from nerq_cli.ecosystems import PYPI
from nerq_cli.facts import AffectingAdvisory, Evidence
from nerq_cli.hub_facts import HubFile, HubScan
from nerq_cli.insight.guidance import Subject, build_guidance
from nerq_cli.insight.purpose import PURPOSES
from nerq_cli.insight.report_page import PageSubject, Version, list_concerns, list_takeaways, write_texts
from nerq_cli.methodology.packages import PACKAGES
from nerq_cli.scoring import Score, compute_score
from tests.signals.models.conftest import HEALTHY, NOW, PICKLE, SHA, change, score


def describe(result: Score | None, **fields: Any) -> PageSubject:
    subject = Subject(ecosystem="huggingface", name="acme/demo-1b", version=SHA)
    reason = fields.get("reason", "")
    guidance = {
        purpose: build_guidance(subject, result, purpose, reasons=[reason] if reason else []) for purpose in PURPOSES
    }
    defaults: dict[str, Any] = {
        "label": "demo 1",
        "name": "demo",
        "version": "1",
        "kind": "model",
        "as_of": NOW,
        "score": result,
        "reason": "",
        "threshold": 70.0,
        "advisories": (),
        "knows_advisories": True,
        "malware": "",
        "objections": (),
        "latest": "",
        "latest_released_at": 0,
        "releases_behind": None,
        "released_at": 0,
        "proposed": None,
        "newest": None,
        "guidance": guidance,
        "purpose": "production",
        "choice": None,
        "trend": None,
    }
    return PageSubject(**{**defaults, **fields})


def test_concerns_are_what_costs_points_and_no_more() -> None:
    result = score(change(files=PICKLE))
    concerns = [*list_concerns(describe(result))]
    lost = {part.spec.name: part.lost_points for part in result.parts if part.lost_points >= 0.5}
    costly = [concern for concern in concerns if concern.effect.startswith("costs ")]
    assert {concern.subject for concern in costly} <= lost.keys()
    assert [concern.points for concern in costly] == sorted((concern.points or 0 for concern in costly), reverse=True)
    assert all(concern.text for concern in concerns)


def test_a_cap_is_a_concern_in_place_of_its_signal() -> None:
    files = (*PICKLE, HubFile("model.safetensors"))
    result = score(change(files=files, scans=(HubScan("pytorch_model.bin", "unsafe"),)))
    first, *others = list_concerns(describe(result))
    assert first.effect.startswith("limits the score to 60")
    assert "file scan" not in {concern.subject for concern in others}
    assert f"The score of demo 1 is limited to 60: {first.text}." in [*list_takeaways(describe(result))]


def test_what_is_not_known_is_a_concern_with_its_reason() -> None:
    concerns = [*list_concerns(describe(score(change(scans_done=False))))]
    assert "file scan: scans not done" in [item.text for item in concerns if item.subject == "not known"]


def test_without_a_score_the_reason_is_all_there_is() -> None:
    texts = write_texts(describe(None, reason="no answer"))
    assert [concern.text for concern in texts.concerns] == ["no answer"]
    assert texts.takeaways == ("demo 1 has no score: no answer.",)
    assert [answer.id for answer in texts.answers] == ["safe", "licence"]


def test_objections_come_first() -> None:
    first = next(iter(list_concerns(describe(score(HEALTHY), objections=("rule: it is bad",)))))
    assert (first.text, first.effect) == ("rule: it is bad", "fails the gate")


def test_malware_is_to_be_removed() -> None:
    texts = [*list_takeaways(describe(score(HEALTHY), malware="MAL-2026-1", proposed=make_version("2")))]
    assert texts[0] == "demo 1 is malicious: MAL-2026-1."
    assert any(text.startswith("Remove demo 1") for text in texts)
    assert not any("move to" in text for text in texts)


def make_version(version: str, **fields: Any) -> Version:
    return Version(**{"version": version, "value": 91.0, "passes": True, **fields})


def test_the_version_to_move_to_has_its_score_and_what_it_fixes() -> None:
    version = make_version("2", fixed_advisories=("A-1", "A-2", "A-3", "A-4"))
    subject = describe(score(HEALTHY), proposed=version, latest="3", releases_behind=2)
    sentence = "From demo 1 move to 2, which scores 91.0, and is not affected by A-1, A-2, A-3 and 1 more."
    assert sentence in [*list_takeaways(subject)]
    answer = next(item.answer for item in write_texts(subject).answers if item.id == "version")
    assert answer.startswith("2, instead of 1: its score of 91.0 reaches 70. It is not affected by A-1")
    unscored = describe(score(HEALTHY), proposed=make_version("2", value=None, passes=False))
    assert "From demo 1 move to 2, which has no score." in [*list_takeaways(unscored)]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"latest": "1"}, "demo 1 is the newest."),
        ({"latest": "2", "releases_behind": 1}, "2 is the newest; demo 1 is 1 release behind it."),
        ({"latest": "2"}, "The newest stable version of demo is 2."),
    ],
)
def test_the_newest_version_is_named(fields: dict[str, Any], text: str) -> None:
    answers = {item.id: item.answer for item in write_texts(describe(score(HEALTHY), **fields)).answers}
    assert answers["version"] == text


def test_advisories_are_named_with_their_fix() -> None:
    advisories = tuple(
        AffectingAdvisory(id=f"A-{number}", severity="high", fixed_in=("2",) if number else ()) for number in range(7)
    )
    result = compute_score(PACKAGES, signals.measure_package(PACKAGES, PYPI, "1", Evidence(), NOW))
    texts = write_texts(describe(result, advisories=advisories, knows_advisories=False, reason="little is known"))
    answer = next(item.answer for item in texts.answers if item.id == "vulnerabilities")
    assert answer.startswith(
        "Yes: 7 known ones affect demo 1: A-0 (high, no fixed version named); A-1 (high, fixed in 2)"
    )
    assert "and 2 more." in answer
    assert "There may be more: " in answer


def test_everything_known_is_stated_as_that() -> None:
    answers = {item.id: item.answer for item in write_texts(describe(score(HEALTHY))).answers}
    assert answers["unknown"].startswith("All ")
    assert "is not known" not in " ".join(list_takeaways(describe(score(HEALTHY))))
