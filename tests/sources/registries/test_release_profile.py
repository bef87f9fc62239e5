"""What the author of a release states, as the registries have it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nerq_cli.ecosystems import NPM, PYPI
from nerq_cli.facts import Absent, Fact, Found, ReleaseFile, ReleaseProfile, Unknown
from nerq_cli.fetch.fetcher import FetchRun
from nerq_cli.fetch.source import Endpoint
from nerq_cli.inventory import Package, Release
from nerq_cli.sources.registries.release_profile import PROJECT_PROFILE, RELEASE_PROFILE
from tests.conftest import Site, Turn

OpenRun = Callable[..., FetchRun]
DIGEST = "0" * 63 + "a"
RELEASE = Release(package=Package(ecosystem=PYPI, name="x"), version="1.0")
NPM_RELEASE = Release(package=Package(ecosystem=NPM, name="x"), version="1.0.0")


def fetch(run: FetchRun, site: Site, release: Release = RELEASE, *, of_project: bool = False) -> Fact[ReleaseProfile]:
    source = PROJECT_PROFILE if of_project else RELEASE_PROFILE
    return run.fetch(source, [release], Endpoint(url=site.url))[release]


def describe(**info: Any) -> dict[str, Any]:
    file = {"filename": "x-1.0-py3-none-any.whl", "digests": {"sha256": DIGEST}, "url": "https://files.example/x.whl"}
    return {"info": {"name": "X", "version": "1.0", **info}, "urls": [file], "releases": {"1.0": [file]}}


def test_a_release_of_pypi(open_run: OpenRun, site: Site) -> None:
    classifiers = ["Development Status :: 5 - Production/Stable", "Topic :: Internet", "Typing :: Typed"]
    body = describe(
        summary=" What  it is ",
        author="Ann Bee",
        keywords="a, b,a",
        classifiers=classifiers,
        requires_dist=["y>=1", "z; extra == 'more'"],
    )
    site.on("/pypi/x/1.0/json", {"body": body})
    fact = fetch(open_run(), site)
    assert isinstance(fact, Found)
    assert fact.value == ReleaseProfile(
        version="1.0",
        summary="What it is",
        author="Ann Bee",
        keywords=("a", "b"),
        topics=("Topic :: Internet",),
        status="Production/Stable",
        files=(ReleaseFile("x-1.0-py3-none-any.whl", DIGEST, "https://files.example/x.whl"),),
        dependencies=1,
    )


def test_a_release_of_npm(open_run: OpenRun, site: Site) -> None:
    integrity = "sha512-" + "A" * 86 + "=="
    body = {
        "name": "x",
        "version": "1.0.0",
        "description": "What it is",
        "author": {"name": "Bob", "email": "bob@mail.example"},
        "keywords": ["a", "b"],
        "dependencies": {"y": "1"},
        "dist": {"integrity": integrity, "tarball": "https://files.example/x/-/x-1.0.0.tgz"},
    }
    site.on("/x/1.0.0", {"body": body})
    fact = fetch(open_run(), site, NPM_RELEASE)
    assert isinstance(fact, Found)
    assert (fact.value.summary, fact.value.author, fact.value.keywords) == ("What it is", "Bob", ("a", "b"))
    assert fact.value.files == (ReleaseFile("x-1.0.0.tgz", integrity, "https://files.example/x/-/x-1.0.0.tgz"),)
    assert fact.value.dependencies == 1


@pytest.mark.parametrize(
    ("info", "author"),
    [
        ({"author": "Ann <ann@mail.example>"}, "Ann"),
        ({"author": "", "author_email": "Ann Bee <ann@mail.example>, Bob <bob@mail.example>"}, "Ann Bee , Bob"),
        ({"author_email": "ann@mail.example"}, ""),
        ({"author": "UNKNOWN", "maintainer": "Bob"}, "Bob"),
        ({"author": 5}, ""),
    ],
)
def test_addresses_of_persons_are_left_out(open_run: OpenRun, site: Site, info: dict[str, Any], author: str) -> None:
    site.on("/pypi/x/1.0/json", {"body": describe(**info)})
    fact = fetch(open_run(), site)
    assert isinstance(fact, Found)
    assert fact.value.author == author


def test_the_page_of_a_project_is_as_another_version_states_it(open_run: OpenRun, site: Site) -> None:
    site.on("/pypi/x/json", {"body": describe(version="2.0", summary="New")})
    fact = fetch(open_run(), site, of_project=True)
    assert isinstance(fact, Found)
    assert (fact.value.version, fact.value.summary) == ("2.0", "New")
    assert [file.digest for file in fact.value.files] == [DIGEST]
    site.on("/pypi/gone/json", {"status": 404})
    gone = Release(package=Package(ecosystem=PYPI, name="gone"), version="1.0")
    assert isinstance(fetch(open_run(), site, gone, of_project=True), Absent)


@pytest.mark.parametrize(
    "turn",
    [
        {"status": 404},
        {"body": b"<html>"},
        {"body": {}},
        {"body": {"info": 5}},
        {"body": {"info": {"name": "y", "version": "1.0"}}},
        {"body": {"info": {"name": "x", "version": "2.0"}}},
        {"body": []},
    ],
)
def test_an_answer_about_something_else_is_unknown(open_run: OpenRun, site: Site, turn: Turn) -> None:
    site.on("/pypi/x/1.0/json", turn)
    assert isinstance(fetch(open_run(deadline_seconds=1.0), site), Unknown)


@pytest.mark.parametrize(
    "fields",
    [
        {"classifiers": 5, "requires_dist": "y", "keywords": ["a"], "summary": {}},
        {"classifiers": [None, {}], "requires_dist": [None], "keywords": None, "summary": None},
    ],
)
@pytest.mark.parametrize("urls", [None, 5, [5], [{}], [{"filename": 1}], [{"filename": "x", "digests": {"sha256": 1}}]])
def test_fields_of_other_types_count_as_not_stated(
    open_run: OpenRun, site: Site, fields: dict[str, Any], urls: object
) -> None:
    site.on("/pypi/x/1.0/json", {"body": {**describe(**fields), "urls": urls}})
    fact = fetch(open_run(), site)
    assert isinstance(fact, Found)
    assert fact.value.summary == ""
    assert all(not file.digest for file in fact.value.files)
