"""What the public services are asked, and what they are never told."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from nerq_cli.ecosystems import NPM, PYPI
from nerq_cli.evidence.advisory_lookup import Position, fetch_osv_advisories
from nerq_cli.evidence.collect import RELEASE_STEPS
from nerq_cli.evidence.plan import Plan
from nerq_cli.evidence.registry_lookup import PackageFacts
from nerq_cli.evidence.service_lookup import (
    MAX_ANONYMOUS,
    NOT_SENT,
    ServiceLookup,
    fetch_downloads,
    fetch_findings,
    fetch_versions,
)
from nerq_cli.facts import AffectingAdvisory, Fact, Found, Merged, Metadata, Origin, Unknown
from nerq_cli.fetch.source import Endpoint
from nerq_cli.inventory import Package, Release
from nerq_cli.sources.advisories.osv import OsvAdvisories
from nerq_cli.sources.deps_dev import Attestation, VersionInfo
from nerq_cli.sources.endpoints import Endpoints, read_endpoints
from nerq_cli.units import NO_LIMIT

NOW = 1_800_000_000
SECRET = Package(ecosystem=NPM, name="@acme/secret-tool")
SECRET_RELEASE = Release(package=SECRET, version="1.0.0")
OPEN = Package(ecosystem=PYPI, name="demo")
OPEN_RELEASE = Release(package=OPEN, version="1.0")


@pytest.fixture
def services(site: Any, open_run: Callable[..., Any]) -> Callable[..., ServiceLookup]:
    """Services on the site, of which the user chose some, and no package but ``demo`` is public."""

    def build(*chosen: str, token: str = "") -> ServiceLookup:
        def at(path: str, identity: str = "") -> Endpoint:
            return Endpoint(url=f"{site.url}/{path}", identity=identity)

        paths = ("osv", "deps-dev", "scorecard", "epss", "kev", "npm-downloads", "pypistats")
        by_source = {path: (at(path),) for path in paths} | {"github": (at("github", token),)}
        where = Endpoints(by_source=by_source, configured=frozenset(chosen))
        return ServiceLookup(open_run(), where, is_public=lambda package: package == OPEN)

    return build


def described(repository: str) -> Fact[Metadata]:
    return Found(Metadata(version="1.0.0", repository=repository), "npm", NOW)


def sent(site: Any) -> str:
    return " ".join(f"{one.path} {one.body.decode()} {one.headers}" for one in site.requests)


def fetch_repositories(
    services: ServiceLookup, metadata: Mapping[Release, Fact[Metadata]], versions: Mapping[Release, Fact[VersionInfo]]
) -> dict[str, Any]:
    """Run the steps about repositories."""
    names = (
        *("repository_ids", "repository_info", "scorecards", "hosted_repositories"),
        *("repository", "scorecard", "metadata"),
    )
    inputs = {"services": services, "as_of": NOW, "package_metadata": metadata, "versions": versions}
    return Plan([step for step in RELEASE_STEPS if step.gives in names], inputs=inputs).run(inputs)


def add_exploitation(services: ServiceLookup, advisories: Mapping[Release, Fact[Any]]) -> Mapping[Release, Fact[Any]]:
    """Run the steps about exploitation."""
    names = ("cves", "exploited_cves", "exploit_probabilities", "advisories")
    inputs = {"services": services, "merged_advisories": advisories, "known_until": NO_LIMIT}
    plan = Plan([step for step in RELEASE_STEPS if step.gives in names], inputs=inputs)
    result: Mapping[Release, Fact[Any]] = plan.run(inputs)["advisories"]
    return result


def fetch_advisories(services: ServiceLookup, releases: Sequence[Release]) -> OsvAdvisories:
    return fetch_osv_advisories(services, NOW, NO_LIMIT, dict.fromkeys(releases, Position(0, None)))


def everything(services: ServiceLookup, release: Release, repository: str) -> list[Any]:
    """Ask all there is to ask about a release."""
    behind = fetch_repositories(services, {release: described(repository)}, {release: Unknown("not asked")})
    known = fetch_advisories(services, [release])
    return [
        fetch_versions(services, PackageFacts(), [release])[release],
        fetch_findings(services, [release])[release],
        known.affecting[release],
        known.recorded[release.package],
        behind["repository"][release],
        behind["scorecard"][release],
        fetch_downloads(services, [release], include_downloads=True)[release.package],
    ]


def test_a_private_name_is_sent_to_no_service_and_neither_is_its_repository(
    services: Callable[..., ServiceLookup], site: Any
) -> None:
    told = everything(services(), SECRET_RELEASE, "https://github.com/acme/secret-tool")
    assert told == [NOT_SENT] * len(told)
    assert site.requests == []


@pytest.mark.parametrize("source_id", ["osv", "deps-dev", "scorecard", "github", "npm-downloads"])
def test_a_private_name_is_sent_only_where_the_user_said_to_ask(
    services: Callable[..., ServiceLookup], site: Any, source_id: str
) -> None:
    everything(services(source_id), SECRET_RELEASE, "https://github.com/acme/secret-tool")
    assert site.requests
    assert {one.path.split("/")[1] for one in site.requests} == {source_id}


def test_a_public_name_beside_a_private_one_is_all_that_is_sent(
    services: Callable[..., ServiceLookup], site: Any
) -> None:
    ask = services()
    both = [SECRET_RELEASE, OPEN_RELEASE]
    fetch_versions(ask, PackageFacts(), both)
    fetch_findings(ask, both)
    fetch_advisories(ask, both)
    fetch_repositories(
        ask,
        {
            SECRET_RELEASE: described("https://github.com/acme/secret-tool"),
            OPEN_RELEASE: described("https://github.com/acme/demo"),
        },
        dict.fromkeys(both, Unknown("not asked")),
    )
    fetch_downloads(ask, both, include_downloads=True)
    assert "demo" in sent(site)
    assert "secret" not in sent(site)


def test_the_repository_that_a_private_package_was_proven_to_be_built_from_is_not_sent(
    services: Callable[..., ServiceLookup], site: Any
) -> None:
    built = VersionInfo(attestations=(Attestation(verified=True, repository="github.com/acme/secret-tool"),))
    behind = fetch_repositories(
        services(), {SECRET_RELEASE: described("")}, {SECRET_RELEASE: Found(built, "deps.dev", NOW)}
    )
    assert site.requests == []
    fact = behind["repository"][SECRET_RELEASE]
    assert isinstance(fact, Found)
    assert (fact.value.link_status, fact.value.stars) == ("attested", None)


def test_a_release_that_names_no_repository_costs_nothing(services: Callable[..., ServiceLookup], site: Any) -> None:
    behind = fetch_repositories(services(), {OPEN_RELEASE: described("")}, {OPEN_RELEASE: Unknown("not asked")})
    assert (
        behind["repository"][OPEN_RELEASE]
        == behind["scorecard"][OPEN_RELEASE]
        == Unknown("no source repository is named")
    )
    assert site.requests == []


def test_without_a_token_github_is_asked_about_few_repositories_or_none(
    services: Callable[..., ServiceLookup], site: Any
) -> None:
    releases = [Release(package=OPEN, version=f"{n}.0") for n in range(MAX_ANONYMOUS + 1)]
    metadata = {one: described(f"https://github.com/acme/demo-{one.version[:-2]}") for one in releases}
    versions: dict[Release, Fact[VersionInfo]] = dict.fromkeys(releases, Unknown("not asked"))
    behind = fetch_repositories(services(), metadata, versions)
    assert not [one for one in site.requests if one.path.startswith("/github/")]
    fact = behind["repository"][releases[0]]
    assert isinstance(fact, Unknown)
    assert "GITHUB_TOKEN" in fact.reason
    few = dict(list(metadata.items())[:MAX_ANONYMOUS])
    fetch_repositories(services(), few, versions)
    assert len([one for one in site.requests if one.path.startswith("/github/repos/")]) == MAX_ANONYMOUS


def test_a_readme_is_known_by_its_length_where_github_has_it(services: Callable[..., ServiceLookup], site: Any) -> None:
    repository = {"nameWithOwner": "acme/demo", "readme": {"byteSize": 4_000}}
    site.on("/github/graphql", {"body": {"data": {"r0": repository}}})
    ask = services(token="of-somebody")  # noqa: S106 - no token, but what tells one from another
    behind = fetch_repositories(
        ask, {OPEN_RELEASE: described("https://github.com/acme/demo")}, {OPEN_RELEASE: Unknown("not asked")}
    )
    fact = behind["metadata"][OPEN_RELEASE]
    assert isinstance(fact, Merged)
    assert (fact.value.readme, fact.origins) == (4_000, {"readme": Origin("GitHub", NOW)})


def test_where_nothing_is_affected_nobody_is_asked_what_is_exploited(
    services: Callable[..., ServiceLookup], site: Any
) -> None:
    clean: dict[Release, Fact[tuple[AffectingAdvisory, ...]]] = {
        OPEN_RELEASE: Found((), "OSV", NOW),
        SECRET_RELEASE: NOT_SENT,
    }
    assert add_exploitation(services(), clean) == clean
    assert site.requests == []


def test_what_kev_and_epss_say_reaches_each_vulnerability(services: Callable[..., ServiceLookup], site: Any) -> None:
    site.on("/kev", {"body": {"count": 1, "vulnerabilities": [{"cveID": "CVE-2026-0001"}]}})
    site.on(
        "/epss?cve=CVE-2026-0001&limit=1", {"body": {"total": 1, "data": [{"cve": "CVE-2026-0001", "epss": "0.2"}]}}
    )
    holes = (AffectingAdvisory(id="GHSA-1", aliases=("CVE-2026-0001",)),)
    fact = add_exploitation(services(), {OPEN_RELEASE: Found(holes, "OSV", NOW), SECRET_RELEASE: NOT_SENT})
    known = fact[OPEN_RELEASE]
    assert isinstance(known, Found)
    assert (known.value[0].epss, known.value[0].exploited) == (0.2, True)
    assert fact[SECRET_RELEASE] == NOT_SENT


def test_that_records_were_not_read_is_passed_on(services: Callable[..., ServiceLookup], site: Any) -> None:
    def lists(request: Any) -> dict[str, Any]:
        queries = json.loads(request.body)["queries"]
        found = {"vulns": [{"id": "GHSA-1", "modified": "2026-01-01T00:00:00Z"}]}
        return {"body": {"results": [{} if "version" in query else found for query in queries]}}

    site.on("/osv/v1/querybatch", lists)
    assert fetch_advisories(services(), [OPEN_RELEASE]).incomplete == {OPEN}


def test_an_address_counts_as_chosen_where_the_environment_gives_it() -> None:
    assert read_endpoints({}).configured == frozenset()
    given = {"NERQ_OSV_URL": "https://osv.example", "NERQ_GITHUB_URL": "https://git.example", "NERQ_EPSS_URL": " "}
    assert read_endpoints(given).configured == {"osv", "github"}
