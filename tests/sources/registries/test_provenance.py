from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerq_cli.ecosystems import NPM, PYPI
from nerq_cli.errors import ResponseError
from nerq_cli.facts import Absent, Fact, Found, Unknown
from nerq_cli.fetch.run import FetchRun
from nerq_cli.fetch.source import Endpoint, Request, Response
from nerq_cli.inventory import Package, Release
from nerq_cli.sources.registries.provenance import (
    NPM_ATTESTATIONS,
    Provenance,
    collect_provenance,
    create_integrity_source,
)
from nerq_cli.store import MemoryCache

if TYPE_CHECKING:
    from tests.conftest import Site, Turn

OpenRun = Callable[..., FetchRun]

DEMO = Release(package=Package(ecosystem=PYPI, name="demo-lib"), version="2.0.3")
WHEEL = "demo_lib-2.0.3-py3-none-any.whl"
AT_PYPI = f"/integrity/demo-lib/2.0.3/{WHEEL}/provenance"
SCOPED = Release(package=Package(ecosystem=NPM, name="@acme/demo"), version="1.0.0")
AT_NPM = "/-/npm/v1/attestations/@acme%2Fdemo@1.0.0"
PUBLISH = "https://pypi.example/attestations/publish/v1"
SLSA_1, SLSA_0 = "https://slsa.dev/provenance/v1", "https://slsa.dev/provenance/v0.2"
NPM_PUBLISH = "https://github.com/npm/attestation/tree/main/specs/publish/v0.1"
ACME = Provenance("github.com/Acme/Demo", "GitHub")


def signed(subject: str, kind: str, predicate: object = None) -> str:
    statement = {"subject": [{"name": subject, "digest": {}}], "predicateType": kind, "predicate": predicate}
    return b64encode(json.dumps(statement).encode()).decode()


def bundle(
    kind: object = "GitHub", repository: object = "Acme/Demo", *, file: str = WHEEL, states: str = PUBLISH
) -> dict[str, Any]:
    attestation = {"version": 1, "envelope": {"statement": signed(file, states), "signature": "c2ln"}}
    return {"publisher": {"kind": kind, "repository": repository}, "attestations": [attestation]}


def integrity(*bundles: object) -> dict[str, Any]:
    return {"version": 1, "attestation_bundles": list(bundles)}


def workflow(repository: object) -> dict[str, Any]:
    return {"buildDefinition": {"externalParameters": {"workflow": {"repository": repository, "ref": "refs/tags/v1"}}}}


def attestation(
    predicate: object, *, kind: str = SLSA_1, states: str = "", subject: str = "pkg:npm/%40acme/demo@1.0.0"
) -> dict[str, Any]:
    payload = signed(subject, states or kind, predicate)
    return {"predicateType": kind, "bundle": {"dsseEnvelope": {"payload": payload, "payloadType": "x"}}}


def attestations(*members: object) -> dict[str, Any]:
    return {"attestations": [attestation({}, kind=NPM_PUBLISH), *members]}


def ask(run: FetchRun, releases: Mapping[Release, str], site: Site) -> dict[Release, Fact[Provenance]]:
    return collect_provenance(run, releases, pypi=Endpoint(url=site.url), npm=lambda _: Endpoint(url=site.url))


def of_pypi(open_run: OpenRun, site: Site, turn: Turn) -> Fact[Provenance]:
    site.on(AT_PYPI, turn)
    return ask(open_run(deadline_seconds=10.0), {DEMO: WHEEL}, site)[DEMO]


def of_npm(open_run: OpenRun, site: Site, turn: Turn) -> Fact[Provenance]:
    site.on(AT_NPM, turn)
    return ask(open_run(deadline_seconds=10.0), {SCOPED: ""}, site)[SCOPED]


def value(fact: Fact[Provenance]) -> Provenance:
    assert isinstance(fact, Found), fact
    return fact.value


# --- PyPI


@pytest.mark.parametrize(
    ("published", "said"),
    [
        (bundle(), ACME),
        (bundle(states=SLSA_1), ACME),
        (bundle("GitLab", "acme/tools/demo"), Provenance("gitlab.com/acme/tools/demo", "GitLab")),
        (bundle("Google", None), Provenance("", "Google")),
        (bundle("ActiveState", "acme/demo"), Provenance("", "ActiveState")),
        (bundle(file="Demo.Lib-2.0.3-py3-none-any.whl"), ACME),
    ],
)
def test_the_publisher_of_a_file_on_pypi_is_told(
    open_run: OpenRun, site: Site, published: dict[str, Any], said: Provenance
) -> None:
    fact = of_pypi(open_run, site, {"body": integrity(published)})
    assert value(fact) == said
    assert isinstance(fact, Found)
    assert fact.source == "PyPI"
    [asked] = site.requests
    assert asked.headers["accept"] == "application/vnd.pypi.integrity.v1+json"


@pytest.mark.parametrize(
    "published",
    [
        *(bundle("GitHub", named) for named in (None, 7, "", "acme", "acme/demo/tree/main", "../acme/demo", "a\n/b")),
        *(bundle("GitHub", named) for named in ("acme/demo@evil.example", "acme/demo?x", "a" * 300 + "/demo")),
        *map(bundle, (None, 7, ["GitHub"], "Git\x1b[31mHub", "github", "GitHub " * 50)),
    ],
)
def test_a_publisher_that_makes_no_sense_proves_no_repository(
    open_run: OpenRun, site: Site, published: dict[str, Any]
) -> None:
    said = value(of_pypi(open_run, site, {"body": integrity(published)}))
    assert not said.repository
    assert said.kind.isprintable()
    assert len(said.kind) <= 40


def test_attestations_that_contradict_each_other_prove_nothing(open_run: OpenRun, site: Site) -> None:
    twice = integrity(bundle(), bundle(repository="evil/demo"))
    assert value(of_pypi(open_run, site, {"body": twice})) == Provenance()


def test_an_attestation_of_another_file_does_not_speak_for_this_one(open_run: OpenRun, site: Site) -> None:
    foreign = bundle(repository="evil/demo", file="other-1.0.tar.gz")
    assert value(of_pypi(open_run, site, {"body": integrity(foreign, bundle())})) == ACME


@pytest.mark.parametrize(
    "turn",
    [
        {"body": integrity(bundle(file="demo_lib-2.0.4-py3-none-any.whl"))},
        {"body": integrity(bundle(file="demo_lib-2.0.3.tar.gz"))},
        {"body": integrity(bundle(file="no-wheel.whl"))},
        {"body": integrity(bundle(file=""))},
        {"body": integrity(bundle(states="https://acme.example/approved"))},
        {"body": integrity({**bundle(), "attestations": []})},
        {"body": integrity({**bundle(), "attestations": [{"envelope": {"statement": "e30="}}]})},
        {"body": integrity({**bundle(), "attestations": [{"envelope": {"statement": "é"}}]})},
        {"body": integrity({**bundle(), "attestations": [{"envelope": {"statement": "!"}}]})},
        {"body": integrity({"publisher": None})},
        {"body": {}},
        {"body": []},
        {"body": b"<html>"},
        {"body": b"[" * 100_000},
        {"body": b" " * 2_100_000},
        {"cut": 10, "body": integrity(bundle())},
        {"hang": True},
        {"raw": b"nonsense"},
        {"status": 401},
        {"status": 403},
        {"status": 405},
        {"status": 406},
        {"status": 500},
    ],
)
def test_an_index_that_is_not_well_leaves_provenance_unknown(open_run: OpenRun, site: Site, turn: Turn) -> None:
    assert isinstance(of_pypi(open_run, site, turn), Unknown)


@pytest.mark.parametrize("turn", [{"status": 404}, {"status": 410}, {"body": integrity()}])
def test_a_file_without_attestations_has_none(open_run: OpenRun, site: Site, turn: Turn) -> None:
    assert isinstance(of_pypi(open_run, site, turn), Absent)


def test_an_index_with_the_feature_switched_off_is_not_asked_again(open_run: OpenRun, site: Site) -> None:
    site.on(AT_PYPI, {"status": 403})
    store = MemoryCache()
    for _ in range(2):
        fact = ask(open_run(store), {DEMO: WHEEL}, site)[DEMO]
        assert isinstance(fact, Unknown)
        assert "this index has no provenance" in fact.reason
    assert len(site.requests) == 1


def test_a_release_without_a_file_name_is_unknown_and_not_asked_about(open_run: OpenRun, site: Site) -> None:
    assert ask(open_run(), {DEMO: ""}, site)[DEMO] == Unknown("no attested file of it is listed", "PyPI")
    assert not site.requests


def test_version_and_file_are_one_segment_of_the_address_each() -> None:
    odd = Release(package=DEMO.package, version="1!2.0+x")
    [asked] = create_integrity_source({odd: "a/../b c.whl"}).requests([odd], Endpoint(url="https://pypi.example"))
    assert asked.url == "https://pypi.example/integrity/demo-lib/1%212.0%2Bx/a%2F..%2Fb%20c.whl/provenance"


# --- npm


@pytest.mark.parametrize(
    ("member", "said"),
    [
        (attestation(workflow("https://github.com/Acme/Demo")), ACME),
        (
            attestation(
                {
                    "invocation": {
                        "configSource": {"uri": "git+https://github.com/Acme/Demo@refs/tags/@acme/demo@1.0.0"}
                    }
                },
                kind=SLSA_0,
            ),
            ACME,
        ),
        (
            attestation({"invocation": {"configSource": {"uri": "git+https://gitlab.com/a/b/demo.git"}}}, kind=SLSA_0),
            Provenance("gitlab.com/a/b/demo", "GitLab"),
        ),
        (
            attestation({"buildDefinition": {"externalParameters": {"source": "https://gitlab.com/a/demo"}}}),
            Provenance("gitlab.com/a/demo", "GitLab"),
        ),
        (attestation(workflow("https://git.acme.example/a/demo")), Provenance("git.acme.example/a/demo", "")),
        (attestation(workflow("https://github.com/Acme/Demo"), subject="pkg:npm/@acme/demo@1.0.0"), ACME),
    ],
)
def test_the_repository_that_built_an_npm_version_is_told(
    open_run: OpenRun, site: Site, member: object, said: Provenance
) -> None:
    fact = of_npm(open_run, site, {"body": attestations(member)})
    assert value(fact) == said
    assert isinstance(fact, Found)
    assert fact.source == "npm"


@pytest.mark.parametrize(
    "repository",
    [
        None,
        7,
        "",
        "github.com/acme/demo",
        "http://github.com/acme/demo",
        "https://github.com/acme",
        "https://user:secret@github.com/acme/demo",
        "https://github.com/../acme/demo",
        "https://github.com/acme/demo/tree/evil",
        "https://github.com/acme/demo?x=1",
        "https://evil\x1b[0m.example/a/b",
    ],
)
def test_a_build_that_names_no_plain_repository_proves_none(open_run: OpenRun, site: Site, repository: object) -> None:
    assert value(of_npm(open_run, site, {"body": attestations(attestation(workflow(repository)))})) == Provenance()


@pytest.mark.parametrize("predicate", [None, [], {}, {"buildDefinition": 7}, {"buildDefinition": {}}])
def test_a_predicate_of_another_shape_proves_none(open_run: OpenRun, site: Site, predicate: object) -> None:
    assert value(of_npm(open_run, site, {"body": attestations(attestation(predicate))})) == Provenance()


@pytest.mark.parametrize(
    "turn",
    [
        {"body": attestations(attestation(workflow("x"), subject="pkg:npm/%40acme/demo@1.0.1"))},
        {"body": attestations(attestation(workflow("x"), subject="pkg:npm/demo@1.0.0"))},
        {"body": attestations(attestation(workflow("x"), states=SLSA_0))},
        {"body": attestations(attestation(workflow("x"), states=NPM_PUBLISH))},
        {"body": attestations({"predicateType": SLSA_1})},
        {"body": attestations({"predicateType": SLSA_1, "bundle": {"messageSignature": {}}})},
        {"body": attestations({"predicateType": SLSA_1, "bundle": {"dsseEnvelope": {"payload": "%%"}}})},
        {"body": attestations({"predicateType": 7})},
        {"body": {"attestations": None}},
        {"body": []},
        {"body": b"<html>"},
        {"hang": True},
        {"status": 401},
        {"status": 403},
        {"status": 405},
        {"status": 406},
        {"status": 503},
    ],
)
def test_a_registry_that_is_not_well_leaves_provenance_unknown(open_run: OpenRun, site: Site, turn: Turn) -> None:
    assert isinstance(of_npm(open_run, site, turn), Unknown)


@pytest.mark.parametrize("turn", [{"status": 404}, {"status": 410}, {"body": attestations()}])
def test_a_version_without_provenance_has_none(open_run: OpenRun, site: Site, turn: Turn) -> None:
    assert isinstance(of_npm(open_run, site, turn), Absent)


# --- both


def test_each_registry_is_asked_at_its_own_address_and_once(open_run: OpenRun, site: Site, other_site: Site) -> None:
    plain = Release(package=Package(ecosystem=NPM, name="demo"), version="1.0.0")
    site.on(AT_PYPI, {"body": integrity(bundle())})
    site.on(AT_NPM, {"body": attestations(attestation(workflow("https://github.com/Acme/Demo")))})
    body = attestations(attestation(workflow("https://github.com/Acme/Demo"), subject="pkg:npm/demo@1.0.0"))
    other_site.on("/-/npm/v1/attestations/demo@1.0.0", {"body": body})
    store = MemoryCache()
    for _ in range(2):
        facts = collect_provenance(
            open_run(store),
            {DEMO: WHEEL, SCOPED: "", plain: ""},
            pypi=Endpoint(url=site.url),
            npm=lambda package: Endpoint(url=site.url if package == SCOPED.package else other_site.url),
        )
        assert list(facts) == [DEMO, SCOPED, plain]
        assert {value(fact) for fact in facts.values()} == {ACME}
    assert (len(site.requests), len(other_site.requests)) == (2, 1)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(JSON, st.sampled_from([SLSA_0, SLSA_1, PUBLISH]))
def test_any_statement_gives_a_value_or_a_reason(junk: Any, kind: str) -> None:
    at = Endpoint(url="https://registry.example")
    for source, release, body in (
        (
            create_integrity_source({DEMO: WHEEL}),
            DEMO,
            integrity({**bundle(states=kind), "publisher": {"repository": junk}}),
        ),
        (NPM_ATTESTATIONS, SCOPED, attestations(attestation(junk, kind=kind))),
        (NPM_ATTESTATIONS, SCOPED, junk),
    ):
        question: Request[Any] = Request(url=at.url, subjects=(release,), endpoint=at)
        with suppress(ResponseError):
            [(about, said)] = source.parse(question, Response(status=200, body=json.dumps(body).encode()))
            assert about == release
            assert said is None or isinstance(said, Provenance)
