from __future__ import annotations

from collections.abc import Sequence

import pytest

from nerq_cli.facts import Advisory
from nerq_cli.vulnerabilities.severity import (
    GHSA_LABEL,
    MAX_ALIASES,
    find_missing_aliases,
    rate_by_aliases,
)

CVSS = "CVSS 3.1 score 8.0"


def record(identifier: str, *aliases: str, severity: str = "unknown", malware: bool = False) -> Advisory:
    origin = GHSA_LABEL if identifier.startswith("GHSA-") else CVSS
    rated = severity != "unknown"
    return Advisory(
        identifier, aliases=aliases, severity=severity, severity_from=origin if rated else "", malware=malware
    )


def rate(advisory: Advisory, *others: Advisory) -> tuple[str, str]:
    by_id = {other.id: other for other in others}
    rated = rate_by_aliases(advisory, lambda identifier: [by_id[identifier]] if identifier in by_id else ())
    return rated.severity, rated.severity_from


def follow(advisory: Advisory, *others: Advisory) -> list[tuple[str, ...]]:
    """Return what is looked up in each round; ids without a record have none."""
    by_id = {other.id: other for other in others}
    found: dict[str, Sequence[Advisory]] = {}
    rounds = []
    while missing := find_missing_aliases(advisory, found.get):
        rounds.append(missing)
        found |= {identifier: [by_id[identifier]] if identifier in by_id else [] for identifier in missing}
    return rounds


@pytest.mark.parametrize(
    ("own", "others", "rating"),
    [
        (record("P-1", "CVE-1"), [], ("unknown", "")),
        (record("P-1", "CVE-1"), [record("CVE-1", severity="high")], ("high", "alias CVE-1")),
        # the reviewed label outweighs higher ones, that of the record itself too
        (
            record("P-1", "CVE-1", "GHSA-1"),
            [record("CVE-1", severity="critical"), record("GHSA-1", severity="medium")],
            ("medium", "alias GHSA-1"),
        ),
        (record("P-1", "GHSA-1", severity="critical"), [record("GHSA-1", severity="low")], ("low", "alias GHSA-1")),
        (record("GHSA-1", "CVE-1", severity="low"), [record("CVE-1", severity="critical")], ("low", GHSA_LABEL)),
        # of contradictory ones the highest
        (
            record("P-1", "CVE-1", "CVE-2"),
            [record("CVE-1", severity="low"), record("CVE-2", severity="high")],
            ("high", "alias CVE-2"),
        ),
        (record("GHSA-1", "GHSA-2", severity="low"), [record("GHSA-2", severity="high")], ("high", "alias GHSA-2")),
        (record("GHSA-2", "GHSA-1", severity="low"), [record("GHSA-1", severity="low")], ("low", GHSA_LABEL)),
        # an own severity outweighs those that nobody reviewed
        (record("P-1", "CVE-1", severity="low"), [record("CVE-1", severity="high")], ("low", CVSS)),
        # one step further, and no more
        (record("P-1", "A-1"), [record("A-1", "B-1"), record("B-1", severity="high")], ("high", "alias B-1")),
        (
            record("P-1", "A-1"),
            [record("A-1", "B-1"), record("B-1", "C-1"), record("C-1", severity="high")],
            ("unknown", ""),
        ),
        # a loop
        (record("P-1", "A-1"), [record("A-1", "P-1", "A-1")], ("unknown", "")),
        # malware is another matter
        (record("P-1", "GHSA-1"), [record("GHSA-1", severity="critical", malware=True)], ("unknown", "")),
        (record("MAL-1", "GHSA-1", malware=True), [record("GHSA-1", severity="high")], ("unknown", "")),
    ],
)
def test_a_record_takes_the_severity_of_its_aliases(
    own: Advisory, others: list[Advisory], rating: tuple[str, str]
) -> None:
    assert rate(own, *others) == rating


def test_a_withdrawn_alias_gives_no_severity() -> None:
    withdrawn = Advisory("CVE-1", severity="high", severity_from=CVSS, withdrawn=True)
    assert rate(record("P-1", "CVE-1"), withdrawn) == ("unknown", "")


def test_the_ids_of_the_aliases_become_ids_of_the_record() -> None:
    ghsa = record("GHSA-1", "P-1", "CVE-1", severity="high")
    rated = rate_by_aliases(record("P-1", "GHSA-1"), lambda identifier: [ghsa] if identifier == "GHSA-1" else ())
    assert rated.aliases == ("GHSA-1", "CVE-1")


def test_a_record_that_names_another_one_as_its_alias_rates_it() -> None:
    cve = record("CVE-1", "P-1", severity="high")
    rated = rate_by_aliases(record("P-1"), lambda identifier: [cve] if identifier == "P-1" else ())
    assert (rated.severity, rated.severity_from) == ("high", "alias CVE-1")


def test_reviewed_aliases_are_always_looked_up_and_the_others_without_a_severity() -> None:
    assert follow(record("P-1", "CVE-1", "GHSA-1", "B-1")) == [("GHSA-1", "CVE-1", "B-1")]
    assert follow(record("P-1", "CVE-1", "GHSA-1", severity="low")) == [("GHSA-1",)]
    assert follow(record("P-1", "A-1"), record("A-1", "GHSA-1", "CVE-1", severity="low")) == [("A-1",), ("GHSA-1",)]
    assert follow(record("P-1", "CVE-1", severity="low")) == []
    assert follow(record("GHSA-1", "CVE-1", severity="low")) == []
    assert follow(record("MAL-1", "GHSA-1", malware=True)) == []


def test_few_aliases_are_looked_up_and_each_once() -> None:
    many = [f"CVE-{number}" for number in range(9)]
    loop = [record(one, "P-1", *many, *(f"{one}-{number}" for number in range(9))) for one in many]
    first, second = follow(record("P-1", *many), *loop)
    assert len(first) == len(second) == MAX_ALIASES
    assert not {*first} & {*second}
