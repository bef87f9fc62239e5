"""The policy rules about repositories of the Hugging Face Hub."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from nerq_cli.application.assess import ScanOptions
from nerq_cli.application.repositories import assess_repositories
from nerq_cli.config.waivers import read_package
from nerq_cli.ecosystems import HF_DATASET, HF_MODEL
from nerq_cli.facts import Absent, Unknown
from nerq_cli.hub_facts import NO_REVISION, CardMetadata, HubEvidence, HubScan
from nerq_cli.inventory import Declaration, Location, Package
from nerq_cli.policy.assessment import Assessment
from nerq_cli.policy.findings import Finding
from nerq_cli.policy.rules import RULES, RuleInput, find_findings
from nerq_cli.policy.settings import PolicySettings, find_package_pattern, list_named_packages
from tests.signals.models.conftest import HEADER, HEALTHY, NOW, PICKLE, SHA, change

DAY = 86_400
#: Without the one that finds everything that no person has reviewed.
EVERY_RULE = PolicySettings(levels={rule.id: "warn" for rule in RULES if rule.id != "reviewed"})


class Answers:
    def __init__(self, evidence: HubEvidence) -> None:
        self.evidence = evidence

    def collect_repositories(self, keys: Sequence[tuple[Package, str]]) -> dict[tuple[Package, str], HubEvidence]:
        return dict.fromkeys(keys, self.evidence)


def assess(evidence: HubEvidence = HEALTHY, revision: str = "", policy: PolicySettings = EVERY_RULE) -> Assessment:
    location = Location(path="app.py", line=3)
    declaration = Declaration(
        ecosystem=HF_MODEL, name="acme/demo-1b", requirement=revision, group="models", location=location
    )
    provider: Any = Answers(evidence)
    [assessment] = assess_repositories(
        [declaration], (), ScanOptions(as_of=NOW, threshold=70.0, policy=policy), provider
    )
    return assessment


def check(
    evidence: HubEvidence = HEALTHY, revision: str = "", policy: PolicySettings = EVERY_RULE
) -> dict[str, Finding]:
    rule_input = RuleInput(
        assessments=[assess(evidence, revision, policy)],
        dependency_files=(),
        as_of=NOW,
        threshold=70.0,
        settings=policy,
    )
    return {finding.id: finding for finding in find_findings(rule_input)}


def test_a_good_model_at_a_commit_has_no_finding_of_any_rule() -> None:
    assert check(revision=SHA) == {}


def test_an_unpinned_one_has_the_commit_to_paste() -> None:
    assert check()["unpinned"].text.endswith(f'pin it: revision="{SHA}"')
    assert check()["unpinned"].text.startswith("no revision, so that it is main:")
    assert check(revision="v1")["unpinned"].text.startswith("v1:")


def test_a_licence_is_compared_with_the_lists() -> None:
    accepting = replace(EVERY_RULE, allowed_licences=("permissive",))
    assert "licence" not in check(revision=SHA, policy=accepting)
    copyleft = change(card=replace(HEADER, licence=("agpl-3.0",)))
    assert "AGPL-3.0" in check(copyleft, SHA, accepting)["licence"].text


def test_one_without_a_licence_is_found_and_one_that_was_not_read_is_not_decided() -> None:
    assert check(change(card=replace(HEADER, licence=None)), SHA)["no-licence"].text == "no licence stated"
    unread = check(change(card=None, has_card_data=False), SHA)["no-licence"]
    assert unread.undecided


def test_a_virus_is_malicious_whatever_the_threshold() -> None:
    evidence = change(scans=(HubScan("model.bin", "unsafe", virus=True),), files=PICKLE)
    assert "malicious" in check(evidence, SHA, PolicySettings(package_thresholds={"hf:acme/*": 0.0}))


def test_the_age_is_that_of_the_last_change() -> None:
    young = change(modified_at=NOW - DAY)
    assert check(young, SHA)["too-new"].text.startswith("last changed 1 day ago")
    assert check(change(modified_at=0), SHA)["too-new"].undecided


def test_four_years_without_a_change_are_inactive() -> None:
    old = change(modified_at=NOW - 1_500 * DAY, created_at=NOW - 1_600 * DAY)
    assert check(old, SHA)["inactive"].text == "not changed for over four years"
    assert "inactive" not in check(change(modified_at=NOW - 1_400 * DAY, created_at=NOW - 1_600 * DAY), SHA)


def test_a_named_successor_deprecates() -> None:
    assert check(change(card=replace(HEADER, new_version="acme/demo-2b")), SHA)["deprecated"].text == (
        "its author names a successor"
    )
    assert check(change(card=None, has_card_data=False), SHA)["deprecated"].undecided


def test_a_name_like_a_well_known_one_is_a_lookalike() -> None:
    clone = change(id="someone/Qwen3-8B", author="someone", card=CardMetadata(licence=("mit",)))
    clone = replace(clone, owner=replace(clone.owner, value=replace(clone.owner.value, is_verified=False)))  # type: ignore[union-attr]
    assert "Qwen/Qwen3-8B" in check(clone, SHA)["lookalike"].text


def test_a_repository_that_is_not_there_and_a_commit_that_is_not_are_two_things() -> None:
    gone = HubEvidence(repository=Absent("Hugging Face", NOW, "the Hub has no such repository"))
    assert check(gone, SHA)["not-on-index"].text == "the Hugging Face Hub has no model of this name"
    no_commit = HubEvidence(repository=Absent("Hugging Face", NOW, f"{NO_REVISION} {SHA}"))
    found = check(no_commit, SHA)
    assert "not-on-index" not in found
    assert found["vanished"].text == f"the Hub does not have the commit {SHA}"


def test_what_could_not_be_read_is_not_decided_and_no_rule_asks_for_advisories() -> None:
    found = check(HubEvidence(repository=Unknown("missing or private", "Hugging Face", "HF_TOKEN")), SHA)
    assert "not-on-index" not in found
    assert "vulnerability" not in found
    assert all(finding.undecided for finding in found.values())
    assert {"inactive", "too-new", "no-licence", "deprecated", "vanished", "lookalike"} <= set(found)


def test_thresholds_of_packages_apply_to_repositories() -> None:
    strict = PolicySettings(package_thresholds={"hf:acme/*": 99.0})
    assert assess(policy=strict).state == "below"
    assert assess(policy=strict).threshold == 99.0
    assert assess(policy=PolicySettings(package_thresholds={"hf-dataset:acme/*": 99.0})).state == "ok"


@pytest.mark.parametrize(
    "pattern", ["hf:acme/demo", "huggingface:acme/demo", "hf-model:acme/demo", "hf:acme/*", "acme/*"]
)
def test_a_pattern_may_begin_with_any_prefix_of_a_target(pattern: str) -> None:
    assert read_package(pattern) == pattern
    assert find_package_pattern([pattern], Package(ecosystem=HF_MODEL, name="acme/demo")) == pattern
    dataset = Package(ecosystem=HF_DATASET, name="acme/demo")
    assert bool(find_package_pattern([pattern], dataset)) is (pattern == "acme/*")


def test_a_name_with_a_prefix_is_one_repository() -> None:
    assert list_named_packages("hf-dataset:acme/demo") == [Package(ecosystem=HF_DATASET, name="acme/demo")]
