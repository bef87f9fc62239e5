"""What deps.dev says of versions, in the words of the registries."""

from __future__ import annotations

import pytest

from nerq_cli.ecosystems import NPM
from nerq_cli.evidence.merge import (
    add_attestations,
    add_previous_repository,
    add_readme_sizes,
    build_partial_info,
    merge_metadata,
)
from nerq_cli.facts import (
    ATTESTED,
    DEPRECATED,
    NOT_REQUESTED,
    PRERELEASE,
    Absent,
    Fact,
    Found,
    Merged,
    Metadata,
    Origin,
    PackageInfo,
    Unknown,
)
from nerq_cli.github_facts import HostedRepository
from nerq_cli.inventory import Package, Release, RepositoryId
from nerq_cli.sources.deps_dev import LABEL, Attestation, RelatedRepository, VersionInfo
from nerq_cli.sources.registries.provenance import Provenance

LEFT = Package(ecosystem=NPM, name="left")
ATTESTED_BY = (Attestation(verified=True, repository="github.com/acme/left"),)
ATTESTED_VERSION = Found(VersionInfo(attestations=ATTESTED_BY), LABEL, 2)
DEPRECATED_VERSION = Found(VersionInfo(deprecated=True), LABEL, 2)


def test_a_project_in_part_has_the_versions_asked_about_newest_first() -> None:
    versions = {
        "1.0.0": Found(VersionInfo(published=1, deprecated=True), LABEL, 8),
        "2.0.0-rc.1": Found(VersionInfo(published=2), LABEL, 7),
        "2.0.0": Found(VersionInfo(published=3, attestations=ATTESTED_BY), LABEL, 9),
    }
    fact = build_partial_info(LEFT, versions, "2.0.0")
    project = fact.value
    assert (fact.source, fact.retrieved_at) == (LABEL, 7)
    assert project.versions == ("2.0.0", "2.0.0-rc.1", "1.0.0")
    assert project.published == (3, 2, 1)
    assert project.flags == (ATTESTED, PRERELEASE, DEPRECATED)
    assert (project.tags, project.status, project.newest_stable) == ({"latest": "2.0.0"}, "active", "2.0.0")
    assert project.partial
    assert project.has_attestation_data


def test_a_project_whose_newest_version_is_deprecated_is() -> None:
    assert build_partial_info(LEFT, {"1.0.0": DEPRECATED_VERSION}, "1.0.0").value.status == "deprecated"


@pytest.mark.parametrize("newest", ["", "2.0.0"])
def test_a_newest_version_of_which_nothing_is_known_is_not_named(newest: str) -> None:
    project = build_partial_info(LEFT, {"1.0.0": Found(VersionInfo(), LABEL, 7)}, newest).value
    assert (project.tags, project.status, project.newest_stable) == ({}, None, "")


def test_attestations_are_vouched_for_of_the_versions_asked_about() -> None:
    project = Found(PackageInfo(name="demo", versions=("2.0", "1.0"), flags=(0, 0)), "PyPI", 1)
    merged = add_attestations(project, {"2.0": ATTESTED_VERSION, "0.9": ATTESTED_VERSION})
    assert isinstance(merged, Merged)
    assert merged.value.flags == (ATTESTED, 0)
    assert merged.value.has_attestation_data
    assert (merged.source, merged.retrieved_at, merged.origins["flags"]) == ("PyPI", 1, Origin(LABEL, 2))


@pytest.mark.parametrize(
    ("own", "said", "status"),
    [
        (None, "archived", "archived"),
        (None, "quarantined", "quarantined"),
        (None, "something new", "active"),
        (None, "", "active"),
        ("deprecated", "archived", "deprecated"),
    ],
)
def test_the_state_of_a_project_is_the_registrys_or_else_what_deps_dev_passes_on(
    own: str | None, said: str, status: str
) -> None:
    project = Found(PackageInfo(name="demo", versions=("1.0",), flags=(0,), status=own), "PyPI", 1)
    merged = add_attestations(project, {"1.0": Found(VersionInfo(status=said), LABEL, 2)})
    assert isinstance(merged, Merged)
    assert merged.value.status == status
    assert merged.origins.get("status") == (None if own else Origin(LABEL, 2))


SAID = VersionInfo(
    licences=("MIT", "Apache-2.0 OR BSD-3-Clause", "non-standard"),
    deprecated=True,
    links=(
        ("HOMEPAGE", "https://one.example"),
        ("HOMEPAGE", "https://two.example"),
        ("DOCUMENTATION", "https://d.example"),
    ),
    related=(RelatedRepository("github.com/acme/left", "UNVERIFIED_METADATA", "SOURCE_REPO"),),
)


def test_what_the_registry_does_not_say_is_filled_in() -> None:
    fact = merge_metadata(Found(Metadata(version="1.0.0"), "npm", 1), Found(SAID, LABEL, 2))
    assert isinstance(fact, Found)
    told = fact.value
    assert (fact.source, fact.retrieved_at) == ("npm", 1)
    assert told.licence_expression == "MIT AND (Apache-2.0 OR BSD-3-Clause)"
    assert (told.homepage, told.documentation) == ("https://one.example", "https://d.example")
    assert (told.repository, told.deprecated) == ("https://github.com/acme/left", "no reason given")


def test_what_the_registry_says_stays() -> None:
    own = Metadata(
        version="1.0.0", homepage="", documentation="", repository="", deprecated="", licence_text="A licence of ours"
    )
    fact = Found(own, "npm", 1)
    assert merge_metadata(fact, Found(SAID, LABEL, 2)) is fact


def test_nothing_is_filled_into_what_was_not_found_nor_by_who_does_not_know() -> None:
    absent, known = Absent("npm", 1), Found(Metadata(version="1.0.0"), "npm", 1)
    assert merge_metadata(absent, Found(SAID, LABEL, 2)) is absent
    assert merge_metadata(known, Unknown("not indexed by deps.dev")) is known
    assert merge_metadata(known, Found(VersionInfo(licences=("non-standard",)), LABEL, 2)) is known


def test_each_field_of_merged_metadata_remembers_its_source() -> None:
    registry = Found(Metadata(version="1.0.0", homepage="https://own.example"), "npm", 1)
    merged = merge_metadata(
        registry, Found(SAID, LABEL, 2), Found(Provenance(repository="github.com/acme/left"), "npm", 3)
    )
    assert isinstance(merged, Merged)
    assert (merged.value.homepage, merged.value.attested_repository) == ("https://own.example", "github.com/acme/left")
    assert merged.origins == {
        "repository": Origin(LABEL, 2),
        "documentation": Origin(LABEL, 2),
        "deprecated": Origin(LABEL, 2),
        "licence_expression": Origin(LABEL, 2),
        "attested_repository": Origin("npm", 3),
    }


def test_a_later_merge_keeps_the_sources_of_an_earlier_one() -> None:
    release, repository = Release(package=LEFT, version="1.0.0"), RepositoryId(id="github.com/acme/left")
    merged = merge_metadata(Found(Metadata(version="1.0.0"), "npm", 1), Found(SAID, LABEL, 2))
    hosted = Found(HostedRepository(name="github.com/acme/left", readme=4_000), "GitHub", 3)
    fact = add_readme_sizes({release: merged}, {release: repository}, {repository: hosted})[release]
    assert isinstance(fact, Merged)
    assert (fact.value.readme, fact.origins["readme"]) == (4_000, Origin("GitHub", 3))
    assert fact.origins["licence_expression"] == Origin(LABEL, 2)


@pytest.mark.parametrize("metadata", [Absent("npm", 1), Found(Metadata(version="1.0.0", readme=10), "npm", 1)])
def test_the_readme_of_a_package_goes_before_that_of_its_repository(metadata: Fact[Metadata]) -> None:
    release, repository = Release(package=LEFT, version="1.0.0"), RepositoryId(id="github.com/acme/left")
    hosted = Found(HostedRepository(name="github.com/acme/left", readme=4_000), "GitHub", 3)
    assert add_readme_sizes({release: metadata}, {release: repository}, {repository: hosted}) == {release: metadata}


@pytest.mark.parametrize(
    ("publisher", "version", "expected"),
    [
        (Found(Provenance("github.com/acme/demo", "GitHub"), "PyPI", 5), NOT_REQUESTED, "github.com/acme/demo"),
        (Found(Provenance(), "PyPI", 5), ATTESTED_VERSION, ""),
        (NOT_REQUESTED, Found(VersionInfo(), LABEL, 7), ""),
        (NOT_REQUESTED, NOT_REQUESTED, None),
        (Unknown("HTTP 500"), NOT_REQUESTED, None),
    ],
)
def test_the_repository_of_the_version_before_is_what_was_verified(
    publisher: Fact[Provenance], version: Fact[VersionInfo], expected: str | None
) -> None:
    merged = add_previous_repository(Found(Metadata(version="2.0"), "PyPI", 1), publisher, version)
    assert isinstance(merged, Found)
    assert merged.value.previous_repository == expected
