"""The provenance of versions, and what changes between two of them."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from nerq_cli.facts import ATTESTED, NEW_PUBLISHER, PARTLY_ATTESTED, Metadata, PackageInfo
from nerq_cli.insight.provenance import (
    ProvenanceFacts,
    build_record,
    compare_versions,
    read_listed,
    read_version,
)

HOME = "github.com/acme/demo"
VERSIONS = ("3.0", "2.0", "1.0")


def facts(
    version: str, *flags: int, repository: str | None = None, declared: str | None = None, **fields: Any
) -> ProvenanceFacts:
    """Return the facts of a version of a package with the versions 3.0, 2.0 and 1.0, whose flags are these."""
    info = PackageInfo(
        name="demo",
        versions=VERSIONS,
        published=(3, 2, 1),
        flags=flags or (0, 0, 0),
        interpreter_indexes=(0, 0, 0),
        interpreters=("",),
        has_attestation_data=fields.pop("has_attestation_data", True),
        has_publisher_data=fields.pop("has_publisher_data", False),
        partial=fields.pop("partial", False),
    )
    metadata = Metadata(
        version=version,
        attested_repository=repository,
        repository=declared,
        previous_repository=fields.pop("previous", None),
        attested=fields.pop("attested", None),
    )
    given = {"lists_all": True, **fields}
    return ProvenanceFacts(version=version, info=info, metadata=metadata, repository=repository, **given)


@pytest.mark.parametrize(
    ("given", "state", "reason"),
    [
        (facts("3.0"), "none", "no attestation"),
        (facts("3.0", ATTESTED, 0, 0, repository=HOME), "full", f"attested by {HOME}, as verified by the registry"),
        (facts("3.0", ATTESTED, 0, 0, repository=HOME, declared=f"https://{HOME}.git"), "full", "attested by"),
        (
            facts("3.0", ATTESTED, 0, 0, repository=HOME, declared="git+https://www.GitHub.com/Acme/Demo/tree/main"),
            "full",
            "",
        ),
        (facts("3.0", ATTESTED, 0, 0, repository=HOME, declared="https://code.example/acme/demo"), "full", ""),
        (facts("3.0", ATTESTED, 0, 0, repository=HOME, declared="https://docs.example"), "full", ""),
        (
            facts("3.0", ATTESTED, 0, 0, repository="github.com/eve/demo", declared=f"https://{HOME}#readme"),
            "inconsistent",
            f"attested by github.com/eve/demo, while the package names {HOME}",
        ),
        (facts("3.0", ATTESTED | PARTLY_ATTESTED, 0, 0, repository=HOME), "partial", "some of its files are attested"),
        (facts("3.0", ATTESTED, 0, 0, repository=""), "partial", "by no repository, or by several"),
        (facts("3.0", ATTESTED, 0, 0), "attested", "by which repository was not read"),
        (facts("3.0", has_attestation_data=False), "unknown", "the registry does not list attestations"),
        (facts("3.0", has_attestation_data=False, attested=False), "none", "no attestation"),
        (facts("3.0", has_attestation_data=False, attested=True, repository=HOME), "full", ""),
        (facts("9.0"), "unknown", "the registry does not list attestations"),
        (ProvenanceFacts(version="1.0", info=None, metadata=None, reason="timeout"), "unknown", "timeout"),
    ],
)
def test_a_version_has_one_state_with_its_reason(given: ProvenanceFacts, state: str, reason: str) -> None:
    found = read_version(given)
    assert found.state == state
    assert reason in found.reason


@pytest.mark.parametrize(
    ("before", "after", "relation", "text"),
    [
        (facts("2.0"), facts("3.0"), "same", "neither is attested"),
        (facts("2.0"), facts("3.0", ATTESTED, 0, 0), "gained", "3.0 is attested, 2.0 is not"),
        (facts("2.0", 0, ATTESTED, 0), facts("3.0", 0, ATTESTED, 0), "lost", "2.0 is attested, 3.0 is not"),
        (
            facts("2.0", ATTESTED, ATTESTED, 0, repository=HOME),
            facts("3.0", ATTESTED, ATTESTED, 0, repository="github.com/Acme/Demo"),
            "same",
            "both are attested by github.com/Acme/Demo",
        ),
        (
            facts("2.0", ATTESTED, ATTESTED, 0, repository=HOME),
            facts("3.0", ATTESTED, ATTESTED, 0, repository="github.com/eve/demo"),
            "changed",
            f"3.0 is published from github.com/eve/demo, 2.0 from {HOME}",
        ),
        (
            facts("2.0", ATTESTED, ATTESTED, 0, repository=HOME),
            facts("3.0", ATTESTED, ATTESTED, 0),
            "unknown",
            "both are attested; whether by the same repository is not known",
        ),
        (facts("2.0", has_attestation_data=False), facts("3.0"), "unknown", "the provenance of 2.0 is not known"),
        (facts("2.0"), facts("3.0", has_attestation_data=False), "unknown", "the provenance of 3.0 is not known"),
    ],
)
def test_a_step_has_one_relation(before: ProvenanceFacts, after: ProvenanceFacts, relation: str, text: str) -> None:
    step = compare_versions(before, after)
    assert (step.before, step.after, step.relation) == (before.version, after.version, relation)
    assert text in step.text


def test_a_new_account_changes_the_publisher_between_versions() -> None:
    flags = 0, NEW_PUBLISHER, 0
    old, middle, new = (facts(version, *flags, has_publisher_data=True) for version in ("1.0", "2.0", "3.0"))
    assert compare_versions(old, new).relation == "changed"
    assert "published the version 2.0" in compare_versions(old, new).text
    assert compare_versions(middle, new).relation == "same"  # the account published both
    assert compare_versions(new, old).relation == "same"  # a step back leaves the account behind
    unread = facts("3.0", *flags)
    assert compare_versions(old, unread).relation == "same"


def test_a_lost_attestation_outweighs_a_new_account() -> None:
    flags = NEW_PUBLISHER, ATTESTED, 0
    step = compare_versions(*(facts(version, *flags, has_publisher_data=True) for version in ("2.0", "3.0")))
    assert step.relation == "lost"
    assert "an account that had published none before" in step.text


def test_the_record_has_the_version_before_and_the_proposed_one() -> None:
    used = facts("2.0", ATTESTED, 0, ATTESTED, previous="github.com/acme/old")
    record = build_record(used, "3.0")
    assert record.used.state == "none"
    assert record.previous is not None
    assert (record.previous.version, record.previous.repository) == ("1.0", "github.com/acme/old")
    assert record.step is not None
    assert record.step.relation == "lost"
    assert record.lost is True
    assert record.proposed is not None
    assert record.proposed.state == "attested"
    assert record.proposed_step is not None
    assert record.proposed_step.relation == "gained"
    whole = build_record(used, facts("3.0", ATTESTED, 0, ATTESTED, repository=HOME))
    assert whole.proposed is not None
    assert whole.proposed.state == "full"


def test_the_first_version_has_none_before() -> None:
    record = build_record(facts("1.0"))
    assert (record.previous, record.step, record.proposed, record.proposed_step) == (None, None, None, None)
    assert build_record(facts("9.0")).previous is None
    assert build_record(ProvenanceFacts(version="1.0", info=None, metadata=None)).lost is None


def test_a_list_of_some_attestations_leaves_the_others_unknown() -> None:
    some = replace(facts("2.0", 0, ATTESTED, 0), lists_all=False)
    assert read_listed(some, "3.0").state == "unknown"
    assert read_listed(some, "2.0").state == "attested"
    record = build_record(some, "3.0")
    assert record.previous is not None
    assert record.previous.state == "unknown"
    assert record.step is not None
    assert record.step.relation == "unknown"
    assert record.proposed is not None
    assert record.proposed.state == "unknown"
    read = build_record(replace(facts("2.0", 0, ATTESTED, 0, previous=""), lists_all=False))
    assert read.previous is not None
    assert read.previous.state == "none"


def test_a_publisher_is_new_by_account_or_by_repository() -> None:
    assert build_record(facts("3.0", NEW_PUBLISHER, 0, 0, has_publisher_data=True)).new_publisher is True
    assert build_record(facts("3.0", has_publisher_data=True)).new_publisher is False
    assert build_record(facts("3.0")).new_publisher is None
    moved = facts("3.0", ATTESTED, ATTESTED, 0, repository=HOME, previous="github.com/eve/demo")
    assert build_record(moved).new_publisher is True
    assert build_record(replace(moved, info=None)).new_publisher is None
