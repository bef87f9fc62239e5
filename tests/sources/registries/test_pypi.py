from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from time import perf_counter
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nerq_cli.ecosystems import PYPI
from nerq_cli.errors import EndpointMissingError, ResponseError
from nerq_cli.evidence.merge import merge_pypi_metadata
from nerq_cli.facts import (
    ATTESTED,
    EMPTY,
    PARTLY_ATTESTED,
    PRERELEASE,
    SDIST,
    WHEEL,
    YANKED,
    Absent,
    AffectingAdvisory,
    Fact,
    Found,
    Merged,
    Metadata,
    Origin,
    PackageInfo,
    Unknown,
)
from nerq_cli.fetch.source import Endpoint, Request, Response
from nerq_cli.inventory import Package, Release
from nerq_cli.sources.registries.pypi import (
    PROJECT_JSON,
    RELEASE_JSON,
    SIMPLE_API,
    ProjectJson,
    SimpleListing,
    find_attested_file,
    merge_listings,
    merge_package_info,
    select_advisories,
)
from nerq_cli.sources.text import parse_timestamp

INDEX = Endpoint(url="https://pypi.example")
DEMO = Package(ecosystem=PYPI, name="demo-lib")
DEMO_1 = Release(package=DEMO, version="1.0.0")
NOON = 1_776_772_800  # 2026-04-21T12:00:00Z
NOT_ASKED = Unknown("not asked")
JSON = "application/vnd.pypi.simple.v1+json"


def file(name: str, *, hour: int = 12, **more: object) -> dict[str, object]:
    kind = "bdist_wheel" if name.endswith(".whl") else "sdist"
    time = f"2026-04-21T{hour:02}:00:00.000000Z"
    return {"filename": name, "packagetype": kind, "upload_time_iso_8601": time, "yanked": False, **more}


def link(name: str, *, hour: int = 12, **more: object) -> dict[str, object]:
    said = {key.replace("_", "-"): value for key, value in more.items()}
    return {"filename": name, "upload-time": f"2026-04-21T{hour:02}:00:00Z", "yanked": False, **said}


RELEASES: dict[str, object] = {
    "1.0.0": [file("demo_lib-1.0.0.tar.gz", hour=10, requires_python=">=3.7")],
    "2.0.3": [
        file("demo_lib-2.0.3-py3-none-any.whl", hour=12, requires_python=">=3.9"),
        file("demo_lib-2.0.3.tar.gz", hour=11, requires_python=">=3.9"),
    ],
}
INFO: dict[str, object] = {"name": "Demo_Lib", "version": "2.0.3", "summary": "Demo", "yanked": False}


def page_json(*, info: Mapping[str, object] | None = None, **more: object) -> dict[str, object]:
    return {"info": {**INFO, **(info or {})}, "releases": RELEASES, "vulnerabilities": [], **more}


def simple_json(*files: object, **more: object) -> dict[str, object]:
    return {"meta": {"api-version": "1.4"}, "name": "demo-lib", "files": list(files), **more}


def question(about: Package | Release) -> Request[Any]:
    return Request(url="https://pypi.example/asked", subjects=(about,), endpoint=INDEX)


def answer(document: object, *, status: int = 200, kind: str = "application/json") -> Response:
    return Response(status=status, body=json.dumps(document).encode(), content_type=kind)


def read_page(document: object, about: Package = DEMO) -> ProjectJson:
    [(subject, page)] = PROJECT_JSON.parse(question(about), answer(document))
    assert subject == about
    assert page is not None
    return page


def read_release(document: object) -> Metadata:
    [(_, said)] = RELEASE_JSON.parse(question(DEMO_1), answer(document))
    assert said is not None
    return said


def read_listing(document: object) -> SimpleListing:
    [(_, listing)] = SIMPLE_API.parse(question(DEMO), answer(document, kind=JSON))
    assert listing is not None
    return listing


def read_html(html: str, kind: str = "text/html; charset=utf-8") -> SimpleListing:
    [(_, listing)] = SIMPLE_API.parse(question(DEMO), Response(status=200, body=html.encode(), content_type=kind))
    assert listing is not None
    return listing


def described(**info: object) -> Metadata:
    return read_page(page_json(info=info)).metadata


def found(value: Any, seen: int = NOON) -> Found[Any]:
    return Found(value, "PyPI", seen)


def value(fact: Fact[Any]) -> Any:
    assert isinstance(fact, Found)
    return fact.value


# --- asking


def test_each_source_asks_for_one_thing_at_a_time() -> None:
    other = Package(ecosystem=PYPI, name="other")
    assert [one.url for one in PROJECT_JSON.requests([DEMO, other], INDEX)] == [
        "https://pypi.example/pypi/demo-lib/json",
        "https://pypi.example/pypi/other/json",
    ]
    epoch = Release(package=DEMO, version="1!2.0+local")
    assert [one.url for one in RELEASE_JSON.requests([epoch], INDEX)] == [
        "https://pypi.example/pypi/demo-lib/1%212.0%2Blocal/json"
    ]
    [simple] = SIMPLE_API.requests([DEMO], INDEX)
    assert simple.url == "https://pypi.example/simple/demo-lib/"
    assert simple.subjects == (DEMO,)


def test_the_simple_api_is_asked_for_json_first_and_html_as_a_last_resort() -> None:
    [simple] = SIMPLE_API.requests([DEMO], INDEX)
    first, *others = simple.accept.split(", ")
    assert first == JSON
    assert all(";q=0." in other for other in others)


def test_only_the_release_json_is_tried_out_first() -> None:
    assert (PROJECT_JSON.probe, RELEASE_JSON.probe, SIMPLE_API.probe) == (False, True, False)


# --- the project JSON


def test_the_project_json_tells_versions_files_dates_and_interpreters() -> None:
    said = read_page(page_json()).package_info
    assert said == PackageInfo(
        name="demo-lib",
        versions=("2.0.3", "1.0.0"),
        published=(NOON - 3600, NOON - 7200),
        flags=(WHEEL | SDIST, SDIST),
        interpreter_indexes=(0, 1),
        interpreters=(">=3.9", ">=3.7"),
        tags={"latest": "2.0.3"},
    )


def test_the_newest_version_tells_whether_the_project_is_inactive() -> None:
    inactive = ["Development Status :: 7 - Inactive"]
    for classifiers, expected in ((inactive, True), ([], False), (None, None)):
        page = read_page(page_json(info={"classifiers": classifiers}))
        assert (page.package_info.inactive, page.metadata.inactive) == (expected, expected)


def test_a_version_whose_files_are_all_gone_is_empty() -> None:
    said = read_page(page_json(releases={**RELEASES, "1.5": []})).package_info
    assert dict(zip(said.versions, said.flags, strict=True))["1.5"] == EMPTY


def test_a_version_is_yanked_only_if_all_its_files_are() -> None:
    yanked = file("demo_lib-1.1.tar.gz", yanked=True, yanked_reason="broken \x1b[31mwheel")
    releases = {"1.0": [yanked, yanked], "1.1": [yanked, file("demo_lib-1.1-py3-none-any.whl")]}
    page = read_page(page_json(releases=releases))
    assert page.package_info.versions == ("1.1", "1.0")
    assert [bool(flags & YANKED) for flags in page.package_info.flags] == [False, True]
    assert page.yank_reasons == {"1.0": "broken wheel"}


def test_a_time_without_a_zone_is_utc() -> None:
    old = {"filename": "demo_lib-1.0.tar.gz", "upload_time": "2026-04-21T12:00:00"}
    assert read_page(page_json(releases={"1.0": [old]})).package_info.published == (NOON,)


TIMES = st.sampled_from(
    [
        "2026-04-21T12:00:00.000000Z",
        "2026-04-21T11:59:59.999999Z",
        "2026-04-20T12:00:00.000000Z",
        "2026-13-41T12:00:00.000000Z",
        "0026-04-21T12:00:00.000000Z",
        "2026-04-21 12:00:00.000000Z",
        "2026-04-21T12:00:00Z",
        "2026-04-21T12:00:00",
        "2026-04-21T12:00:00+02:00",
        "",
        None,
    ]
)
STATED_FILES = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "filename": st.sampled_from(["demo-1.0.tar.gz", "demo-1.0-py3-none-any.whl", "demo.exe", None]),
            "packagetype": st.sampled_from(["sdist", "bdist_wheel", "bdist_egg", None]),
            "upload_time_iso_8601": TIMES,
            "upload_time": TIMES,
            "requires_python": st.sampled_from([">=3.9", " >=3.8 ", "", None, 3]),
            "yanked": st.sampled_from([True, False, "broken", "", None]),
            "yanked_reason": st.sampled_from(["wrong", "", None]),
        },
    ),
    max_size=4,
)


@given(st.dictionaries(st.sampled_from(["1.0", "1.1", "2.0rc1"]), STATED_FILES, min_size=1))
def test_a_page_is_read_alike_at_once_and_part_by_part(releases: dict[str, list[dict[str, object]]]) -> None:
    page = read_page(page_json(releases=releases))
    parted = read_page(page_json(releases={**releases, "0.0.1": 7}))  # no list: each version is read alone
    info, parted_info = page.package_info, parted.package_info
    assert parted_info.versions == (*info.versions, "0.0.1")
    assert (parted_info.published[:-1], parted_info.flags[:-1]) == (info.published, info.flags)
    assert parted.yank_reasons == page.yank_reasons
    for version, published in zip(info.versions, info.published, strict=True):
        singles = [read_page(page_json(releases={version: [one]})).package_info for one in releases[version]]
        assert published == min(filter(None, (single.published[0] for single in singles)), default=0)


def test_the_dates_of_files_are_read_with_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[object] = []

    def parse(text: object) -> int:
        read.append(text)
        return parse_timestamp(text)

    monkeypatch.setattr("nerq_cli.sources.registries.pypi.parse_timestamp", parse)
    files = [file(f"demo_lib-1.0-cp3{n}-none-any.whl", hour=23 - n) for n in range(20)]
    assert read_page(page_json(releases={"1.0": files})).package_info.published == (NOON - 8 * 3_600,)
    assert not read


def test_prereleases_are_marked() -> None:
    assert read_page(page_json(releases={"3.0rc1": []})).package_info.flags == (PRERELEASE | EMPTY,)


def test_a_mirror_without_releases_still_tells_of_the_version_it_shows() -> None:
    document = page_json(urls=RELEASES["2.0.3"])
    del document["releases"]
    said = read_page(document).package_info
    assert said.versions == ("2.0.3",)
    assert said.flags == (WHEEL | SDIST,)


def test_publishers_are_counted_and_never_named() -> None:
    roles = [
        {"role": "Owner", "user": "ann"},
        {"role": "Maintainer", "user": "ann"},
        {"role": "Maintainer", "user": "bob"},
        {"role": "Owner"},
        "junk",
    ]
    said = read_page(page_json(ownership={"roles": roles, "organization": "acme"})).package_info
    assert (said.publishers, said.organisation, len(said.publisher_tags)) == (2, True, 3)
    assert b"ann" not in msgspec.msgpack.encode(said)
    alone = read_page(page_json(ownership={"roles": roles, "organization": None})).package_info
    assert (alone.publishers, alone.organisation) == (2, False)
    assert set(alone.publisher_tags) < set(said.publisher_tags)


@pytest.mark.parametrize("ownership", [None, [], "ann", {}, {"roles": 3, "organization": 7}])
def test_missing_or_odd_ownership_is_not_stated(ownership: object) -> None:
    said = read_page(page_json(ownership=ownership)).package_info
    assert (said.publishers, said.organisation, said.publisher_tags) == (None, None, ())


def test_a_project_the_index_does_not_know_is_absent() -> None:
    assert list(PROJECT_JSON.parse(question(DEMO), Response(status=404, body=b""))) == [(DEMO, None)]


@pytest.mark.parametrize("status", [405, 410])
def test_an_index_without_project_json_says_so(status: int) -> None:
    with pytest.raises(EndpointMissingError):
        list(PROJECT_JSON.parse(question(DEMO), Response(status=status, body=b"")))


@pytest.mark.parametrize(
    "document",
    [
        [],
        {},
        {"info": []},
        {"info": {}},
        {"info": {"name": "demo-lib"}, "releases": {}},
        {"info": {"version": "1 \x1b"}, "releases": {"\x1b": []}},
        {"info": {"name": "another", "version": "1.0"}},
    ],
)
def test_a_document_about_something_else_is_an_answer_error(document: object) -> None:
    with pytest.raises(ResponseError):
        read_page(document)


# --- metadata


def test_metadata_that_is_not_there_is_not_stated() -> None:
    said = read_page({"info": {"version": "2.0.3"}}).metadata
    assert said == Metadata(version="2.0.3")


def test_metadata_that_is_null_is_stated_and_empty() -> None:
    empty = described(
        summary=None,
        keywords=None,
        classifiers=[],
        description=None,
        license=None,
        license_expression=None,
        project_urls=None,
        home_page=None,
        requires_python=None,
        yanked_reason=None,
    )
    assert empty == Metadata(
        version="2.0.3",
        summary=False,
        keywords=False,
        typed=False,
        required_interpreter="",
        python_classifiers=(),
        readme=0,
        documentation="",
        changelog="",
        homepage="",
        repository="",
        licence_expression="",
        licence_classifiers=(),
        licence_text="",
        inactive=False,
        yanked=False,
        advisories=(),
    )


def test_metadata_of_the_wrong_type_is_not_stated() -> None:
    junk = dict.fromkeys([*INFO, "description", "license", "project_urls", "home_page", "classifiers"], 7)
    said = read_page({"info": {**junk, "name": 7, "version": "2.0.3"}}).metadata
    assert said == Metadata(version="2.0.3")


def test_the_old_placeholder_counts_as_empty() -> None:
    old = described(summary="UNKNOWN", description=" UNKNOWN ", license="UNKNOWN", home_page="UNKNOWN")
    assert (old.summary, old.readme, old.licence_text, old.homepage) == (False, 0, "", "")


def test_classifiers_tell_types_pythons_licences_and_inactivity() -> None:
    said = described(
        classifiers=[
            "Typing :: Typed",
            "Programming Language :: Python :: 3",
            "Programming Language :: Python :: 3.10",
            "Programming Language :: Python :: 3.11",
            "License :: OSI Approved :: MIT License",
            "Development Status :: 7 - Inactive",
            7,
        ]
    )
    assert (said.typed, said.keywords, said.inactive) == (True, True, True)
    assert said.python_classifiers == ("3.10", "3.11")
    assert said.licence_classifiers == ("License :: OSI Approved :: MIT License",)


def test_long_texts_are_measured_or_cut() -> None:
    said = described(description="word " * 1000, license="licence text " * 100, requires_python=">=3.9")
    assert said.readme == 4999
    assert said.licence_text is not None
    assert len(said.licence_text) == 200
    assert said.required_interpreter == ">=3.9"


@pytest.mark.parametrize(
    ("urls", "home", "links"),
    [
        (
            {
                "Documentation": "https://demo.readthedocs.io",
                "Release Notes": "https://acme.example/news",
                "Homepage": "https://acme.example",
                "Source Code": "https://github.com/acme/demo/tree/main",
            },
            None,
            ("https://demo.readthedocs.io", "https://acme.example/news", "https://acme.example", "acme/demo"),
        ),
        (
            {
                "Read the Docs": "https://a.example/d",
                "What's New": "https://a.example/n",
                "GitHub": "git@github.com:a/b",
            },
            "",
            ("https://a.example/d", "https://a.example/n", "", "a/b"),
        ),
        ({"HOME-PAGE": "https://github.com/acme/demo"}, None, ("", "", "", "acme/demo")),
        ({}, "https://github.com/acme/demo.git", ("", "", "", "acme/demo")),
        (None, "https://github.com/acme", ("", "", "https://github.com/acme", "")),
        (
            {"Homepage": "https://demo.readthedocs.io/"},
            None,
            ("https://demo.readthedocs.io/", "", "https://demo.readthedocs.io/", ""),
        ),
        (
            {"Source": "https://github.com/acme/demo", "Homepage": "https://github.com/acme/demo#readme"},
            None,
            ("", "", "", "acme/demo"),
        ),
        ({"Source": ["junk"], "Docs": 7, "Homepage": None}, 7, ("", "", "", "")),
    ],
)
def test_links_are_known_by_their_labels(urls: object, home: object, links: tuple[str, str, str, str]) -> None:
    said = described(project_urls=urls, home_page=home)
    *others, source = links
    assert [said.documentation, said.changelog, said.homepage] == others
    assert said.repository == (f"https://github.com/{source}" if source else "")


def test_the_old_documentation_field_counts_where_no_label_does() -> None:
    assert described(project_urls={}, docs_url="https://docs.example/demo").documentation == "https://docs.example/demo"


# --- advisories of the registry


def advisory(name: str, **more: object) -> dict[str, object]:
    return {"id": name, "aliases": [], "summary": None, "details": "Bad.", "fixed_in": [], "withdrawn": None, **more}


def test_advisories_that_stand_are_kept_and_withdrawn_ones_are_not() -> None:
    listed = [
        advisory("PYSEC-1", fixed_in=["2.1"], link="https://advisories.example/1", summary="Bad \x1b[31mthing"),
        advisory("PYSEC-2", withdrawn="2026-01-01T00:00:00Z"),
        advisory("MAL-2026-1"),
        advisory(""),
        "junk",
    ]
    assert read_page(page_json(vulnerabilities=listed)).metadata.advisories == (
        AffectingAdvisory(id="MAL-2026-1", summary="Bad.", malware=True),
        AffectingAdvisory(id="PYSEC-1", summary="Bad thing", fixed_in=("2.1",), link="https://advisories.example/1"),
    )


@given(st.permutations(["PYSEC-1", "GHSA-1", "CVE-1", "CVE-2"]))
def test_records_that_share_an_alias_are_one(order: list[str]) -> None:
    records = {
        "PYSEC-1": advisory("PYSEC-1", aliases=["CVE-1"], fixed_in=["2.1"]),
        "GHSA-1": advisory("GHSA-1", aliases=["CVE-1", 7], fixed_in=["2.1", "3.0"]),
        "CVE-1": advisory("CVE-1"),
        "CVE-2": advisory("CVE-2"),
    }
    listed = [records[name] for name in order]
    assert read_page(page_json(vulnerabilities=listed)).metadata.advisories == (
        AffectingAdvisory(id="CVE-1", aliases=("GHSA-1", "PYSEC-1"), summary="Bad.", fixed_in=("2.1", "3.0")),
        AffectingAdvisory(id="CVE-2", summary="Bad."),
    )


@pytest.mark.parametrize("vulnerabilities", [None, {}, "none"])
def test_a_list_of_advisories_that_is_none_is_not_an_empty_one(vulnerabilities: object) -> None:
    assert read_page(page_json(vulnerabilities=vulnerabilities)).metadata.advisories is None


# --- the release JSON


def test_the_release_json_describes_its_own_version() -> None:
    said = read_release({"info": {**INFO, "version": "1.0.0", "yanked": True, "yanked_reason": "oops"}})
    assert (said.version, said.yanked, said.yanked_reason, said.summary) == ("1.0.0", True, "oops", True)


def test_another_spelling_of_the_version_is_the_same_version() -> None:
    assert read_release({"info": {"version": "1.0"}}).version == "1.0.0"


@pytest.mark.parametrize("info", [{"version": "2.0.3"}, {"name": "another", "version": "1.0.0"}])
def test_the_json_of_another_release_is_an_answer_error(info: object) -> None:
    with pytest.raises(ResponseError):
        read_release({"info": info})


@pytest.mark.parametrize("status", [404, 405, 410])
def test_an_index_that_does_not_find_a_listed_release_lacks_the_endpoint(status: int) -> None:
    with pytest.raises(EndpointMissingError):
        list(RELEASE_JSON.parse(question(DEMO_1), Response(status=status, body=b"")))


# --- the simple API


def test_the_simple_json_tells_versions_dates_status_and_provenance() -> None:
    listing = read_listing(
        simple_json(
            link("demo_lib-2.0.3-py3-none-any.whl", provenance="https://pypi.example/p", requires_python=">=3.9"),
            link("demo_lib-2.0.3.tar.gz", hour=11, provenance=None),
            link("demo-lib-1.0.0.tar.gz", hour=10, yanked="security"),
            versions=["1.0.0", "2.0.3"],
        )
    )
    assert listing.package_info == PackageInfo(
        name="demo-lib",
        versions=("2.0.3", "1.0.0"),
        published=(NOON - 3600, NOON - 7200),
        flags=(WHEEL | SDIST | ATTESTED | PARTLY_ATTESTED, SDIST | YANKED),
        interpreter_indexes=(0, 1),
        interpreters=(">=3.9", ""),
        status="active",
        has_attestation_data=True,
    )
    assert listing.yank_reasons == {"1.0.0": "security"}


@pytest.mark.parametrize(
    ("yanked", "meant"), [(True, True), ("", True), ("why", True), (False, False), (None, False), (1, False)]
)
def test_a_reason_yanks_even_if_it_is_empty_and_null_does_not(yanked: object, meant: bool) -> None:  # noqa: FBT001 - a table
    [flags] = read_listing(simple_json(link("demo_lib-1.0.tar.gz", yanked=yanked))).package_info.flags
    assert bool(flags & YANKED) is meant


@pytest.mark.parametrize(
    ("stated", "version", "status"),
    [
        ({"status": "archived"}, "1.4", "archived"),
        ({"status": "quarantined"}, "1.0", "quarantined"),
        ({"status": "invented"}, "1.4", None),
        ({}, "1.4", "active"),
        (None, "1.4", "active"),
        (None, "1.10", "active"),
        (None, "1.3", None),
        (None, "2.0", None),
        ("archived", "1.4", "active"),
        (None, 1.4, None),
    ],
)
def test_an_index_that_knows_the_status_and_states_none_means_active(
    stated: object, version: object, status: str | None
) -> None:
    listing = read_listing({"meta": {"api-version": version}, "project-status": stated, "files": []})
    assert listing.package_info.status == status


def test_provenance_is_stated_only_if_some_file_has_the_key() -> None:
    assert not read_listing(simple_json(link("demo_lib-1.0.tar.gz"))).package_info.has_attestation_data
    assert read_listing(simple_json(link("demo_lib-1.0.tar.gz", provenance=None))).package_info.has_attestation_data


@pytest.mark.parametrize(
    ("names", "chosen", "kept"),
    [
        (("demo_lib-1.0.tar.gz", "demo_lib-1.0-py3-none-any.whl"), "demo_lib-1.0.tar.gz", {}),
        (("demo_lib-1.0-py3-none-any.whl",), "demo_lib-1.0-py3-none-any.whl", {"demo_lib-*-py3-none-any.whl": (0,)}),
        (
            ("demo_lib-1.0-cp310-cp310-linux_x86_64.whl", "demo_lib-1.0-1-py3-none-any.whl"),
            "demo_lib-1.0-1-py3-none-any.whl",
            {"demo_lib-*-1-py3-none-any.whl": (0,)},
        ),
        (("demo_lib-1.0.zip",), "demo_lib-1.0.zip", {"demo_lib-*.zip": (0,)}),
        (("Demo.Lib-1.0.tar.gz",), "Demo.Lib-1.0.tar.gz", {"Demo.Lib-*.tar.gz": (0,)}),
        (("demo lib-1.0.tar.gz",), "", {"": (0,)}),
    ],
)
def test_one_attested_file_of_a_version_can_be_named(
    names: tuple[str, ...], chosen: str, kept: dict[str, tuple[int, ...]]
) -> None:
    plain = link("demo_lib-1.0-py2-none-any.whl", provenance=None)
    older = link("demo_lib-0.9.tar.gz", provenance=None)
    said = read_listing(simple_json(plain, older, *(link(name, provenance="https://pypi.example/p") for name in names)))
    assert said.attested_rows == kept
    assert find_attested_file("1.0", found(said)) == chosen
    assert find_attested_file("1.0.0", found(said)) == chosen
    assert find_attested_file("0.9", found(said)) == find_attested_file("2.0", found(said)) == ""


def test_no_attested_file_is_named_without_a_listing_or_by_one_kept_from_before() -> None:
    said = read_listing(simple_json(link("demo_lib-1.0.tar.gz", provenance="https://pypi.example/p")))
    before = json.loads(msgspec.json.encode(said))
    del before["attested_rows"]
    old = msgspec.json.decode(json.dumps(before), type=SimpleListing)
    assert find_attested_file("1.0", found(said)) == "demo_lib-1.0.tar.gz"
    assert find_attested_file("1.0", found(old)) == ""
    assert find_attested_file("1.0", Unknown("down")) == ""


@pytest.mark.parametrize("end", [".tar.gz", "-py3-none-any.whl", "-cp310-abi3-manylinux_2_17_x86_64.whl"])
def test_the_names_of_attested_files_hardly_add_to_what_is_kept(end: str) -> None:
    files = [link(f"demo_lib-1.{number}{end}", provenance="https://pypi.example/p") for number in range(500)]
    said = read_listing(simple_json(*files))
    assert find_attested_file("1.77", found(said)) == f"demo_lib-1.77{end}"
    bare = msgspec.structs.replace(said, attested_rows=None)
    assert len(msgspec.json.encode(said)) < 1.2 * len(msgspec.json.encode(bare))


def test_versions_of_an_older_simple_api_come_from_file_names() -> None:
    said = read_listing(
        simple_json(
            link("demo_lib-1.0-py3-none-any.whl"),
            link("demo-lib-1.1b1.tar.gz"),
            link("demo_lib-1.2-py3.9.egg"),
            link("demo-lib-1.3.win32-py2.7.exe"),
            link("demo_lib-not-a-version.whl"),
            link(7),  # type: ignore[arg-type] # junk
            "junk",
        )
    ).package_info
    assert said.versions == ("1.1b1", "1.0")
    assert said.flags == (SDIST | PRERELEASE, WHEEL)


def test_file_names_are_matched_with_versions_spelled_another_way() -> None:
    said = read_listing(
        simple_json(
            link("demo_lib-1.0-py3-none-any.whl"),
            link("demo_lib-1.0.tar.gz"),
            link("demo_lib-1.2-py3.9.egg", hour=11),
            versions=["1.0.0", "1.2", "3.0 \x1b", 7],
        )
    ).package_info
    assert said.versions == ("1.2", "1.0.0")
    assert said.flags == (0, WHEEL | SDIST)
    assert said.published == (NOON - 3600, NOON)


def test_a_listed_version_without_files_is_empty_unless_a_file_cannot_be_placed() -> None:
    assert read_listing(simple_json(versions=["1.0"])).package_info.flags == (EMPTY,)
    assert read_listing(simple_json(link("demo-lib-1.0.exe"), versions=["1.0"])).package_info.flags == (0,)


def test_listings_of_several_indexes_have_the_versions_of_all_and_the_first_one_counts() -> None:
    attested = {"provenance": "https://pypi.example/p"}
    one = read_listing(
        simple_json(
            link("demo_lib-1.0-py3-none-any.whl", hour=1),
            link("demo_lib-2.0-py3-none-any.whl", hour=2, **attested),
            versions=["1.0", "2.0"],
        )
    )
    two = read_listing(
        simple_json(
            link("demo_lib-2.0.0-py3-none-any.whl", hour=9),
            link("demo_lib-3.0-py3-none-any.whl", hour=3, yanked="broken"),
            versions=["2.0.0", "3.0"],
        )
    )
    merged = merge_listings([one, two])
    assert merged.package_info.versions == ("3.0", "2.0", "1.0")
    assert [time - NOON for time in merged.package_info.published] == [-9 * 3600, -10 * 3600, -11 * 3600]
    assert merged.yank_reasons == {"3.0": "broken"}
    assert find_attested_file("2.0", found(merged)) == "demo_lib-2.0-py3-none-any.whl"
    assert find_attested_file("3.0", found(merged)) == ""
    assert merge_listings([one]) == one


def test_an_index_that_is_no_registry_has_the_projects_below_its_own_address() -> None:
    index = Endpoint(url="https://pypi.example/root/dev/+simple", is_simple_index=True)
    [request] = SIMPLE_API.requests([DEMO], index)
    assert request.url == "https://pypi.example/root/dev/+simple/demo-lib/"


@pytest.mark.parametrize("document", [[], {}, {"files": {}}, {"files": None}, {"name": "another", "files": []}])
def test_a_listing_of_something_else_is_an_answer_error(document: object) -> None:
    with pytest.raises(ResponseError):
        read_listing(document)


@pytest.mark.parametrize("status", [404, 410])
def test_a_project_that_is_not_listed_is_absent(status: int) -> None:
    assert list(SIMPLE_API.parse(question(DEMO), Response(status=status, body=b""))) == [(DEMO, None)]


def test_an_index_without_a_simple_api_says_so() -> None:
    with pytest.raises(EndpointMissingError):
        list(SIMPLE_API.parse(question(DEMO), Response(status=405, body=b"")))


# --- the HTML form

HTML = """<!DOCTYPE html><html><head><meta name="pypi:repository-version" content="1.4">
<meta name="pypi:project-status" content="archived"><title>Links for demo-lib</title></head><body>
<a href="../../files/demo_lib-2.0.3-py3-none-any.whl#sha256=abc" data-requires-python="&gt;=3.9"
   data-provenance="https://pypi.example/p">demo_lib-2.0.3-py3-none-any.whl</a><br>
<a href="https://files.example/demo-lib-2.0.3.tar.gz?x=1">demo-lib-2.0.3.tar.gz</a>
<a href="/files/demo_lib-1.0%2Bcu1-py3-none-any.whl" data-yanked>demo_lib-1.0+cu1-py3-none-any.whl</a>
<a href="/files/demo-lib-0.9.tar.gz" data-yanked="bad build">demo-lib-0.9.tar.gz</a>
<a name="top">top</a></body></html>"""


def test_the_html_form_tells_all_but_dates() -> None:
    listing = read_html(HTML)
    assert listing.package_info == PackageInfo(
        name="demo-lib",
        versions=("2.0.3", "1.0+cu1", "0.9"),
        published=(0, 0, 0),
        flags=(WHEEL | SDIST | ATTESTED | PARTLY_ATTESTED, WHEEL | YANKED, SDIST | YANKED),
        interpreter_indexes=(0, 1, 1),
        interpreters=(">=3.9", ""),
        status="archived",
        has_attestation_data=True,
    )
    assert listing.yank_reasons == {"0.9": "bad build"}


def test_an_old_page_states_neither_status_nor_attestations() -> None:
    said = read_html('<a href="demo-lib-1.0.tar.gz">demo-lib-1.0.tar.gz</a>').package_info
    assert (said.status, said.has_attestation_data, said.versions) == (None, False, ("1.0",))


def test_html_is_recognised_without_a_content_type() -> None:
    assert read_html(HTML, kind="").package_info.status == "archived"


@pytest.mark.parametrize("page", ["<html><body>Please log in</body></html>", "", "<![broken", "<p>" * 1000])
def test_a_web_page_that_is_no_index_is_an_answer_error(page: str) -> None:
    with pytest.raises(ResponseError):
        read_html(page)


@pytest.mark.parametrize(
    "piece", ["<!--", "<a ", "<a href='", '<a x="', "<![CDATA[", "<!-- >", "<a\n/", "<a '><a \"", "&"]
)
def test_a_hostile_page_is_read_at_once(piece: str) -> None:
    started = perf_counter()
    with suppress(ResponseError):
        read_html(piece * 300_000)
    assert perf_counter() - started < 3


def test_what_is_commented_out_is_not_there_and_quotes_may_hold_anything() -> None:
    said = read_html("""<!-- <a href="demo-lib-9.0.tar.gz"> -->
        <A HREF='demo-lib-1.0.tar.gz' data-requires-python=">=3.9,<4">demo</A>""").package_info
    assert (said.versions, said.interpreters) == (("1.0",), (">=3.9,<4",))


# --- what the answers mean together


def test_both_answers_together_tell_everything() -> None:
    listing = read_listing(
        simple_json(link("demo_lib-2.0.3-py3-none-any.whl", provenance="x"), link("demo_lib-1.0.0.tar.gz", hour=10))
    )
    page = read_page(page_json(ownership={"roles": [{"user": "ann"}], "organization": None}))
    fact = merge_package_info(found(listing, NOON + 5), found(page, NOON))
    assert isinstance(fact, Found)
    assert fact.retrieved_at == NOON
    said = fact.value
    assert said.versions == ("2.0.3", "1.0.0")
    assert said.flags == (WHEEL | ATTESTED, SDIST)
    assert (said.status, said.publishers, said.tags) == ("active", 1, {"latest": "2.0.3"})


def test_versions_without_files_come_from_the_project_json() -> None:
    listing = read_listing(simple_json(link("demo_lib-2.0.3-py3-none-any.whl", requires_python=">=3.9")))
    page = read_page(page_json(releases={**RELEASES, "1.5": []}))
    said = value(merge_package_info(found(listing), found(page)))
    assert said.versions == ("2.0.3", "1.5", "1.0.0")
    assert said.flags == (WHEEL, EMPTY, SDIST)
    assert [said.interpreters[need] for need in said.interpreter_indexes] == [">=3.9", "", ">=3.7"]


def test_a_version_the_project_json_does_not_list_yet_is_put_in_its_place() -> None:
    listing = read_listing(simple_json(link("demo_lib-3.0.tar.gz"), link("demo_lib-1.0.0.tar.gz", hour=10)))
    said = value(merge_package_info(found(listing), found(read_page(page_json()))))
    assert said.versions == ("3.0", "2.0.3", "1.0.0")


def test_the_html_form_takes_dates_and_spellings_from_the_project_json() -> None:
    page = read_page(page_json(releases={"1.0.0": RELEASES["1.0.0"], "2.0.3": RELEASES["2.0.3"]}))
    listing = read_html('<a href="demo_lib-2.0.3.tar.gz"></a><a href="demo_lib-1.0.tar.gz"></a>')
    said = value(merge_package_info(found(listing), found(page)))
    assert said.versions == ("2.0.3", "1.0.0")
    assert said.published == (NOON - 3600, NOON - 7200)
    assert said.flags == (SDIST, SDIST)


ABSENT = Absent("PyPI", NOON)
DOWN = Unknown("HTTP 503")


def test_whichever_answered_counts() -> None:
    listing, page = read_listing(simple_json(link("demo_lib-1.0.tar.gz"))), read_page(page_json())
    for json_fact in (DOWN, ABSENT):
        assert value(merge_package_info(found(listing), json_fact)) == listing.package_info
    for simple_fact in (DOWN, ABSENT):
        assert value(merge_package_info(simple_fact, found(page))) == page.package_info


def test_a_project_is_absent_where_the_simple_api_does_not_list_it() -> None:
    assert merge_package_info(ABSENT, ABSENT) == ABSENT
    assert merge_package_info(ABSENT, DOWN) == ABSENT


def test_a_missing_project_json_alone_may_be_quarantine() -> None:
    assert merge_package_info(DOWN, ABSENT) == DOWN
    listing = read_listing({"meta": {"api-version": "1.4"}, "project-status": {"status": "quarantined"}, "files": []})
    assert value(merge_package_info(found(listing), ABSENT)).status == "quarantined"
    assert isinstance(merge_pypi_metadata("1.0", found(listing), ABSENT, NOT_ASKED), Unknown)


def test_metadata_is_that_of_the_release_asked_about() -> None:
    page = read_page(page_json())
    release = read_release({"info": {**INFO, "version": "1.0.0"}})
    assert value(merge_pypi_metadata("1.0.0", DOWN, found(page), found(release))) == release
    assert value(merge_pypi_metadata("2.0.3", DOWN, found(page), NOT_ASKED)) == page.metadata


def test_a_version_that_was_not_described_borrows_what_the_project_says_and_names_the_version_it_is_from() -> None:
    listing = read_listing(simple_json(link("demo_lib-1.0.0.tar.gz", yanked="bad", requires_python=">=3.7")))
    page = read_page(page_json())
    said = merge_pypi_metadata("1.0.0", found(listing), found(page), DOWN)
    assert isinstance(said, Found)
    assert said.source == f"PyPI (as of {page.metadata.version})"
    assert (said.value.version, said.value.readme) == ("1.0.0", page.metadata.readme)
    assert (said.value.yanked, said.value.yanked_reason, said.value.required_interpreter) == (True, "bad", ">=3.7")
    assert (said.value.advisories, said.value.attested_repository) == (None, None)


def test_metadata_of_a_listed_version_that_was_not_described_is_what_the_tables_say() -> None:
    listing = read_listing(simple_json(link("demo_lib-1.0.0.tar.gz", yanked="bad", requires_python=">=3.7")))
    said = merge_pypi_metadata("1.0.0", found(listing), DOWN, DOWN)
    assert value(said) == Metadata(version="1.0.0", required_interpreter=">=3.7", yanked=True, yanked_reason="bad")


def test_what_the_release_json_of_a_mirror_leaves_out_comes_from_the_tables() -> None:
    listing = read_listing(simple_json(link("demo_lib-1.0.0.tar.gz", yanked="bad", requires_python=">=3.7")))
    release = found(read_release({"info": {"summary": "Demo"}}), NOON - 5)
    said = merge_pypi_metadata("1.0.0", found(listing), DOWN, release)
    row = Origin("PyPI", NOON)
    assert said == Merged(
        Metadata(version="1.0.0", summary=True, required_interpreter=">=3.7", yanked=True, yanked_reason="bad"),
        "PyPI",
        NOON - 5,
        {"yanked": row, "yanked_reason": row, "required_interpreter": row},
    )
    assert merge_pypi_metadata("1.0.0", DOWN, DOWN, release) == release


def test_what_the_release_json_does_say_is_not_overruled() -> None:
    listing = read_listing(simple_json(link("demo_lib-1.0.0.tar.gz", requires_python=">=3.7")))
    release = found(read_release({"info": {"requires_python": ">=3.8"}}))
    assert value(merge_pypi_metadata("1.0.0", found(listing), DOWN, release)).required_interpreter == ">=3.8"


def test_a_version_that_nobody_lists_is_absent() -> None:
    page = found(read_page(page_json()))
    assert merge_pypi_metadata("9.9", DOWN, page, NOT_ASKED) == Absent("PyPI", NOON, "no version 9.9 is listed")


def test_nothing_answered_is_not_absence() -> None:
    assert merge_pypi_metadata("1.0", DOWN, DOWN, DOWN) == DOWN
    assert merge_pypi_metadata("1.0", ABSENT, ABSENT, NOT_ASKED) == ABSENT


LISTED = [advisory("PYSEC-1")]
RECORD = (AffectingAdvisory(id="PYSEC-1", summary="Bad."),)


def test_advisories_of_the_project_json_count_for_the_version_it_shows_only() -> None:
    page = found(read_page(page_json(vulnerabilities=LISTED)))
    assert value(select_advisories("2.0.3", page, NOT_ASKED)) == RECORD
    assert select_advisories("1.0.0", page, NOT_ASKED) == NOT_ASKED


def test_advisories_of_the_release_json_count_for_its_version() -> None:
    release = found(read_release({"info": {"version": "1.0.0"}, "vulnerabilities": LISTED}))
    assert value(select_advisories("1.0.0", found(read_page(page_json())), release)) == RECORD


def test_no_list_of_advisories_is_unknown_and_an_empty_one_is_not() -> None:
    bare = found(read_page(page_json(vulnerabilities=None)))
    assert value(select_advisories("2.0.3", found(read_page(page_json())), NOT_ASKED)) == ()
    assert isinstance(select_advisories("2.0.3", bare, NOT_ASKED), Unknown)
    assert isinstance(select_advisories("1.0.0", bare, found(read_release({"info": {}}))), Unknown)


def test_why_advisories_are_unknown_is_what_went_wrong_first() -> None:
    assert select_advisories("1.0.0", DOWN, NOT_ASKED) == DOWN
    assert select_advisories("1.0.0", found(read_page(page_json())), DOWN) == DOWN
    assert isinstance(select_advisories("1.0.0", ABSENT, ABSENT), Unknown)


# --- what is stored, and what is hostile


def test_facts_read_back_as_they_were_stored() -> None:
    page, listing = read_page(page_json(vulnerabilities=LISTED)), read_html(HTML)
    for fact in (page, listing):
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(fact), type=type(fact)) == fact


def test_hostile_strings_do_not_reach_the_facts() -> None:
    evil = "\x1b]0;pwned\x07\u202e[red]" + "A" * 1_000_000
    page = read_page(
        page_json(
            info={"summary": evil, "license": evil, "requires_python": evil, "home_page": evil, "classifiers": [evil]},
            releases={"1.0": [file("x.tar.gz", yanked=True, yanked_reason=evil)], evil: []},
            vulnerabilities=[advisory(evil, link=evil, aliases=[evil], fixed_in=[evil])],
        )
    )
    stored = msgspec.msgpack.encode(page)
    assert len(stored) < 5_000
    assert b"\x1b]" not in stored
    assert "\u202e".encode() not in stored


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=10), children, max_size=3),
    max_leaves=8,
)


def shaped(keys: list[str], members: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=dict.fromkeys(keys, members))


FILES = JUNK | st.lists(
    shaped(["filename", "yanked", "upload-time", "upload_time", "requires_python", "provenance", "packagetype"], JUNK)
    | JUNK,
    max_size=3,
)
ADVISORIES = JUNK | st.lists(shaped(["id", "aliases", "fixed_in", "summary", "link", "withdrawn"], JUNK), max_size=3)
DOCUMENTS = JUNK | st.fixed_dictionaries(
    {"info": shaped([*INFO, "classifiers", "project_urls", "home_page", "description", "keywords"], JUNK)},
    optional={
        "releases": JUNK | st.dictionaries(st.sampled_from(["1.0", "2.0rc1", "old one", "9" * 100]), FILES, max_size=3),
        "urls": FILES,
        "vulnerabilities": ADVISORIES,
        "ownership": JUNK | shaped(["roles", "organization"], JUNK),
    },
)
LISTINGS = JUNK | st.fixed_dictionaries(
    {"files": FILES}, optional={"versions": JUNK, "meta": JUNK, "project-status": JUNK, "name": JUNK}
)
BODIES = st.binary(max_size=50) | (DOCUMENTS | LISTINGS).map(lambda document: json.dumps(document).encode())


@settings(max_examples=300)
@given(BODIES, st.sampled_from(["application/json", "text/html", ""]), st.sampled_from([200, 404, 405, 410]))
def test_only_foreseen_errors_leave_the_readers(body: bytes, kind: str, status: int) -> None:
    for source, about in ((PROJECT_JSON, DEMO), (RELEASE_JSON, DEMO_1), (SIMPLE_API, DEMO)):
        try:
            [(_, said)] = source.parse(question(about), Response(status=status, body=body, content_type=kind))
        except (ResponseError, EndpointMissingError):
            continue
        assert said is None or msgspec.msgpack.decode(msgspec.msgpack.encode(said), type=source.kind) == said


@given(st.text(alphabet='<>!-[]"=/a&;# \n', max_size=200))
def test_only_an_answer_error_leaves_the_reader_of_pages(page: str) -> None:
    with suppress(ResponseError):
        read_html(page)
