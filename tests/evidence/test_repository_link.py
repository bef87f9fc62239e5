from __future__ import annotations

from nerq_cli.ecosystems import NPM
from nerq_cli.evidence.merge import merge_repositories
from nerq_cli.evidence.repository_link import (
    NO_REPOSITORY,
    choose_repository,
    choose_scorecard,
    explain_no_repository,
)
from nerq_cli.facts import Absent, Fact, Found, Merged, Metadata, Origin, Repository, Scorecard, Unknown
from nerq_cli.github_facts import HostedRepository
from nerq_cli.inventory import Package, Release, RepositoryId
from nerq_cli.sources.deps_dev import NOT_INDEXED, Attestation, RelatedRepository, RepositoryInfo, VersionInfo
from nerq_cli.sources.repositories.github import NOT_REACHABLE

NOW = 1_800_000_000
DAY = 86_400
DEMO = Package(ecosystem=NPM, name="demo")
NO = Unknown("not asked")
NAMED = Found(Metadata(version="1", repository="https://github.com/Acme/Demo"), "npm", NOW)
ATTESTED = Found(Metadata(version="1", attested_repository="https://github.com/true/demo"), "PyPI", NOW)
PROVEN = Found(
    VersionInfo(attestations=(Attestation(verified=True, repository="github.com/true/demo"),)), "deps.dev", NOW
)
PROJECT = Found(RepositoryInfo(stars=7, open_issues=3), "deps.dev", NOW)
HOSTED = HostedRepository(name="github.com/Acme/Demo", stars=9, commits=4, since=NOW - 90 * DAY, archived=False)


def known(
    metadata: Fact[Metadata] = NAMED,
    version: Fact[VersionInfo] = NO,
    project: Fact[RepositoryInfo] = NO,
    hosted: Fact[HostedRepository] = NO,
) -> Fact[Repository]:
    release = Release(package=DEMO, version="1")
    repository_id = choose_repository(metadata, version)
    merged = merge_repositories(
        NOW,
        {release: metadata},
        {release: version},
        {release: repository_id},
        {} if repository_id is None else {repository_id: project},
        {} if repository_id is None else {repository_id: hosted},
    )
    return merged[release]


def on_github(hosted: HostedRepository) -> Found[HostedRepository]:
    return Found(hosted, "GitHub", NOW)


def value(fact: Fact[Repository]) -> Repository:
    assert isinstance(fact, Found), fact
    return fact.value


def test_provenance_goes_before_what_the_package_says_of_itself() -> None:
    assert choose_repository(NAMED, PROVEN) == RepositoryId(id="github.com/true/demo")
    assert choose_repository(ATTESTED, NO) == RepositoryId(id="github.com/true/demo")
    assert choose_repository(NAMED, NO) == RepositoryId(id="github.com/acme/demo")


def test_deps_dev_names_a_repository_where_the_registry_does_not() -> None:
    version = VersionInfo(related=(RelatedRepository("github.com/acme/demo", "UNVERIFIED_METADATA", "SOURCE_REPO"),))
    assert choose_repository(Found(Metadata(version="1"), "npm", NOW), Found(version, "deps.dev", NOW)) is not None


def test_without_a_name_nothing_is_known() -> None:
    assert known(Absent("npm", NOW)) == NO_REPOSITORY


def test_a_repository_only_named_is_declared() -> None:
    assert value(known(project=PROJECT)) == Repository(
        "github.com/acme/demo", "declared", stars=7, open_issues=3, unread_reason="GitHub: not asked", is_unread=True
    )


def test_proof_attests_even_when_nobody_describes_the_repository() -> None:
    assert value(known(version=PROVEN)) == Repository(
        "github.com/true/demo", "attested", unread_reason="GitHub: not asked", is_unread=True
    )
    assert value(known(ATTESTED)).link_status == "attested"
    assert value(known(version=PROVEN, hosted=NOT_REACHABLE)).link_status == "attested"


def test_a_repository_that_names_the_package_confirms_the_link() -> None:
    named = HostedRepository(name="github.com/Acme/Demo", packages=("npm/demo",))
    assert value(known(hosted=on_github(named))).link_status == "confirmed"
    assert value(known(hosted=on_github(HOSTED))).link_status == "declared"


def test_github_goes_first_and_deps_dev_fills_in() -> None:
    both = value(known(project=PROJECT, hosted=on_github(HOSTED)))
    assert (both.stars, both.open_issues, both.commits_90d, both.archived) == (9, 3, 4, False)
    assert value(known(project=PROJECT, hosted=on_github(HostedRepository(name="x")))).stars == 7


def test_a_field_that_deps_dev_fills_in_remembers_it() -> None:
    merged = known(project=PROJECT, hosted=on_github(HOSTED))
    assert isinstance(merged, Merged)
    assert (merged.source, merged.origins) == ("GitHub", {"open_issues": Origin("deps.dev", NOW)})


def test_a_link_that_leads_nowhere_is_dead() -> None:
    assert value(known(project=PROJECT, hosted=NOT_REACHABLE)) == Repository("github.com/acme/demo", "dead")
    assert value(known(hosted=on_github(HostedRepository(name="x", taken_down=True)))).link_status == "dead"


def test_a_service_that_fails_kills_no_link() -> None:
    failed = Unknown("deps.dev: HTTP 500", "deps.dev")
    both = Unknown("deps.dev: HTTP 500; GitHub: HTTP 502", "deps.dev, GitHub")
    assert known(project=failed, hosted=Unknown("GitHub: HTTP 502", "GitHub")) == both
    assert known(project=Absent("deps.dev", NOW), hosted=Absent("GitHub", NOW)) == Unknown("no code host was requested")


def test_the_newer_scorecard_counts() -> None:
    def result(date: int) -> Scorecard:
        return Scorecard("github.com/acme/demo", date, {"License": 10})

    passed_on = Found(RepositoryInfo(scorecard=result(5)), "deps.dev", NOW)
    newer, older = (Found(result(date), "OpenSSF Scorecard", NOW) for date in (6, 4))
    assert choose_scorecard(passed_on, newer) is newer
    assert choose_scorecard(passed_on, older) == Found(result(5), "deps.dev", NOW)
    assert choose_scorecard(passed_on, NO) == Found(result(5), "deps.dev", NOW)
    assert choose_scorecard(PROJECT, older) is older


def test_that_no_repository_is_named_is_known_only_where_deps_dev_was_read() -> None:
    assert explain_no_repository(Found(VersionInfo(), "deps.dev", NOW)) == NO_REPOSITORY
    assert explain_no_repository(NOT_INDEXED) == NO_REPOSITORY
    unread = explain_no_repository(Unknown("HTTP 500", "deps.dev"))
    assert unread == Unknown("no source repository is named by the registry, and deps.dev was not read", "deps.dev")
