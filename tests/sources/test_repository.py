from __future__ import annotations

from nerq_cli.facts import Absent, Fact, Found, Metadata, Repository, Scorecard, Unknown
from nerq_cli.inventory import NPM, Package, RepositoryId
from nerq_cli.sources.deps_dev import Attestation, HostedProject, Related, Version
from nerq_cli.sources.github import GONE, Hosted
from nerq_cli.sources.repository import NONE_NAMED, lacks_scorecard, repository, scorecard, source

NOW = 1_800_000_000
DAY = 86_400
DEMO = Package(ecosystem=NPM, name="demo")
NO = Unknown("not asked")
NAMED = Found(Metadata(version="1", repository="https://github.com/Acme/Demo"), "npm", NOW)
ATTESTED = Found(Metadata(version="1", attested_repository="https://github.com/true/demo"), "PyPI", NOW)
PROVEN = Found(Version(attestations=(Attestation(verified=True, repository="github.com/true/demo"),)), "deps.dev", NOW)
PROJECT = Found(HostedProject(stars=7, open_issues=3), "deps.dev", NOW)
HOSTED = Hosted(name="github.com/Acme/Demo", stars=9, commits=4, since=NOW - 90 * DAY, archived=False)


def known(
    metadata: Fact[Metadata] = NAMED,
    version: Fact[Version] = NO,
    project: Fact[HostedProject] = NO,
    hosted: Fact[Hosted] = NO,
) -> Fact[Repository]:
    return repository(DEMO, metadata, version, project, hosted, as_of=NOW)


def on_github(hosted: Hosted) -> Found[Hosted]:
    return Found(hosted, "GitHub", NOW)


def value(fact: Fact[Repository]) -> Repository:
    assert isinstance(fact, Found), fact
    return fact.value


def test_provenance_goes_before_what_the_package_says_of_itself() -> None:
    assert source(NAMED, PROVEN) == RepositoryId(id="github.com/true/demo")
    assert source(ATTESTED, NO) == RepositoryId(id="github.com/true/demo")
    assert source(NAMED, NO) == RepositoryId(id="github.com/acme/demo")


def test_deps_dev_names_a_repository_where_the_registry_does_not() -> None:
    version = Version(related=(Related("github.com/acme/demo", "UNVERIFIED_METADATA", "SOURCE_REPO"),))
    assert source(Found(Metadata(version="1"), "npm", NOW), Found(version, "deps.dev", NOW)) is not None


def test_without_a_name_nothing_is_known() -> None:
    assert known(Absent("npm", NOW)) == NONE_NAMED


def test_a_repository_only_named_is_declared() -> None:
    assert value(known(project=PROJECT)) == Repository(
        "github.com/acme/demo", "declared", stars=7, open_issues=3, unread="GitHub: not asked"
    )


def test_proof_attests_even_when_nobody_describes_the_repository() -> None:
    assert value(known(version=PROVEN)) == Repository("github.com/true/demo", "attested", unread="GitHub: not asked")
    assert value(known(ATTESTED)).link == "attested"
    assert value(known(version=PROVEN, hosted=GONE)).link == "attested"


def test_a_repository_that_names_the_package_confirms_the_link() -> None:
    named = Hosted(name="github.com/Acme/Demo", packages=("npm/demo",))
    assert value(known(hosted=on_github(named))).link == "confirmed"
    assert value(known(hosted=on_github(HOSTED))).link == "declared"


def test_github_goes_first_and_deps_dev_fills_in() -> None:
    both = value(known(project=PROJECT, hosted=on_github(HOSTED)))
    assert (both.stars, both.open_issues, both.commits_90d, both.archived) == (9, 3, 4, False)
    assert value(known(project=PROJECT, hosted=on_github(Hosted(name="x")))).stars == 7


def test_a_link_that_leads_nowhere_is_dead() -> None:
    assert value(known(project=PROJECT, hosted=GONE)) == Repository("github.com/acme/demo", "dead")
    assert value(known(hosted=on_github(Hosted(name="x", taken_down=True)))).link == "dead"


def test_a_service_that_fails_kills_no_link() -> None:
    failed = Unknown("deps.dev: HTTP 500", "deps.dev")
    both = Unknown("deps.dev: HTTP 500; GitHub: HTTP 502", "deps.dev, GitHub")
    assert known(project=failed, hosted=Unknown("GitHub: HTTP 502", "GitHub")) == both
    assert known(project=Absent("deps.dev", NOW), hosted=Absent("GitHub", NOW)) == Unknown("nobody was asked")


def test_the_newer_scorecard_counts() -> None:
    def result(date: int) -> Scorecard:
        return Scorecard("github.com/acme/demo", date, {"License": 10})

    passed_on = Found(HostedProject(scorecard=result(5)), "deps.dev", NOW)
    newer, older = (Found(result(date), "OpenSSF Scorecard", NOW) for date in (6, 4))
    assert scorecard(passed_on, newer) is newer
    assert scorecard(passed_on, older) == Found(result(5), "deps.dev", NOW)
    assert scorecard(passed_on, NO) == Found(result(5), "deps.dev", NOW)
    assert scorecard(PROJECT, older) is older


def test_scorecard_itself_is_asked_only_for_what_deps_dev_lacks() -> None:
    assert lacks_scorecard(PROJECT)
    assert lacks_scorecard(NO)
    assert not lacks_scorecard(Found(HostedProject(scorecard=Scorecard("x", 1)), "deps.dev", NOW))
