"""What deps.dev says of versions, in the words of the registries."""

from __future__ import annotations

import pytest

from nerq_cli.ecosystems import NPM
from nerq_cli.evidence.merge import add_attestations, build_partial_info, fill_metadata
from nerq_cli.facts import ATTESTED, DEPRECATED, PRERELEASE, Absent, Found, Metadata, PackageInfo, Unknown
from nerq_cli.inventory import Package
from nerq_cli.sources.deps_dev import LABEL, Attestation, RelatedRepository, VersionInfo

LEFT = Package(ecosystem=NPM, name="left")
ATTESTED_BY = (Attestation(verified=True, repository="github.com/acme/left"),)


def test_a_project_in_part_has_the_versions_asked_about_newest_first() -> None:
    versions = {
        "1.0.0": VersionInfo(published=1, deprecated=True),
        "2.0.0-rc.1": VersionInfo(published=2),
        "2.0.0": VersionInfo(published=3, attestations=ATTESTED_BY),
    }
    fact = build_partial_info(LEFT, versions, "2.0.0", 7)
    project = fact.value
    assert (fact.source, fact.retrieved_at) == (LABEL, 7)
    assert project.versions == ("2.0.0", "2.0.0-rc.1", "1.0.0")
    assert project.published == (3, 2, 1)
    assert project.flags == (ATTESTED, PRERELEASE, DEPRECATED)
    assert (project.tags, project.status, project.newest_stable) == ({"latest": "2.0.0"}, "active", "2.0.0")
    assert project.partial
    assert project.has_attestation_data


def test_a_project_whose_newest_version_is_deprecated_is() -> None:
    assert build_partial_info(LEFT, {"1.0.0": VersionInfo(deprecated=True)}, "1.0.0", 7).value.status == "deprecated"


@pytest.mark.parametrize("newest", ["", "2.0.0"])
def test_a_newest_version_of_which_nothing_is_known_is_not_named(newest: str) -> None:
    project = build_partial_info(LEFT, {"1.0.0": VersionInfo()}, newest, 7).value
    assert (project.tags, project.status, project.newest_stable) == ({}, None, "")


def test_attestations_are_vouched_for_of_the_versions_asked_about() -> None:
    project = PackageInfo(name="demo", versions=("2.0", "1.0"), flags=(0, 0))
    told = add_attestations(
        project, {"2.0": VersionInfo(attestations=ATTESTED_BY), "0.9": VersionInfo(attestations=ATTESTED_BY)}
    )
    assert told.flags == (ATTESTED, 0)
    assert told.has_attestation_data


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
    project = PackageInfo(name="demo", versions=("1.0",), flags=(0,), status=own)
    assert add_attestations(project, {"1.0": VersionInfo(status=said)}).status == status


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
    fact = fill_metadata(Found(Metadata(version="1.0.0"), "npm", 1), Found(SAID, LABEL, 2))
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
    assert fill_metadata(fact, Found(SAID, LABEL, 2)) is fact


def test_nothing_is_filled_into_what_was_not_found_nor_by_who_does_not_know() -> None:
    absent, known = Absent("npm", 1), Found(Metadata(version="1.0.0"), "npm", 1)
    assert fill_metadata(absent, Found(SAID, LABEL, 2)) is absent
    assert fill_metadata(known, Unknown("not indexed by deps.dev")) is known
    assert fill_metadata(known, Found(VersionInfo(licences=("non-standard",)), LABEL, 2)) is known
