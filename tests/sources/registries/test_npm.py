from __future__ import annotations

import json
import random
import tracemalloc
from contextlib import suppress
from time import perf_counter
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nerq_cli.ecosystems import NPM
from nerq_cli.errors import ResponseError
from nerq_cli.facts import (
    ATTESTED,
    DEPRECATED,
    INSTALL_HOOK,
    NEW_PUBLISHER,
    PRERELEASE,
    Absent,
    Found,
    Metadata,
    PackageInfo,
    Unknown,
)
from nerq_cli.fetch.source import Endpoint, Request, Response
from nerq_cli.inventory import Package, Release
from nerq_cli.sources.registries.npm import (
    PACKUMENT,
    VERSION_MANIFEST,
    Packument,
    check_dates,
    merge_metadata,
    read_package_info,
)
from nerq_cli.sources.text import clean_text

REGISTRY = Endpoint(url="https://npm.example")
DEMO = Package(ecosystem=NPM, name="demo")
DEMO_2 = Release(package=DEMO, version="2.0.0")
DAY = 86_400
MAY = 1_777_593_600  # 2026-05-01T00:00:00Z
NOT_ASKED = Unknown("not asked")


def manifest(version: str, **more: object) -> dict[str, object]:
    return {
        "name": "demo",
        "version": version,
        "license": "MIT",
        "repository": {"type": "git", "url": "git+https://github.com/acme/demo.git"},
        "dist": {"tarball": "https://npm.example/demo.tgz", "signatures": [{"keyid": "k", "sig": "s"}]},
        **more,
    }


def document(*manifests: dict[str, object], **more: object) -> dict[str, object]:
    versions = {str(one["version"]): one for one in manifests}
    return {
        "name": "demo",
        "dist-tags": {"latest": next(reversed(versions), "")},
        "time": {"created": "2020-01-01T00:00:00.000Z"} | dict.fromkeys(versions, "2026-05-01T00:00:00.000Z"),
        "maintainers": [{"name": "ann", "email": "ann@acme.example"}],
        "readme": "# Demo",
        "versions": versions,
        **more,
    }


def question(about: Package | Release) -> Request[Any]:
    return Request(url="https://npm.example/asked", subjects=(about,), endpoint=REGISTRY)


def read(said: object, status: int = 200) -> Packument | None:
    answer = Response(status=status, body=json.dumps(said).encode(), content_type="application/json")
    [(package, packument)] = PACKUMENT.parse(question(DEMO), answer)
    assert package == DEMO
    return packument


def fact(said: object) -> Found[Packument]:
    packument = read(said)
    assert packument is not None
    return Found(packument, "npm", MAY)


def project_of(said: object) -> PackageInfo:
    found = read_package_info(fact(said))
    assert isinstance(found, Found)
    return found.value


def described(said: object, version: str = "2.0.0") -> Metadata:
    found = merge_metadata(version, fact(said), NOT_ASKED)
    assert isinstance(found, Found)
    return found.value


def of(**more: object) -> Metadata:
    return described(document(manifest("2.0.0", **more)))


# --- asking


def test_the_slash_of_a_scope_is_encoded_and_its_at_is_not() -> None:
    scoped = Package(ecosystem=NPM, name="@acme/demo")
    [asked] = PACKUMENT.requests([scoped], REGISTRY)
    assert asked.url == "https://npm.example/@acme%2fdemo"
    assert asked.accept == "application/json"
    [one] = VERSION_MANIFEST.requests([Release(package=scoped, version="1.0.0+build")], REGISTRY)
    assert one.url == "https://npm.example/@acme%2fdemo/1.0.0%2Bbuild"


# --- the package


def test_a_packument_tells_versions_dates_flags_and_engines() -> None:
    said = document(
        manifest("1.0.0", engines={"node": ">=14"}, deprecated="use 2"),
        manifest("2.0.0-rc.1", scripts={"postinstall": "node build.js"}),
        manifest("2.0.0", engines={"node": ">=18"}, dist={"attestations": {"url": "x"}}),
        time={"1.0.0": "2026-05-01T00:00:00.000Z", "2.0.0": "2026-05-02T00:00:00.000Z", "2.0.0-rc.1": 7},
    )
    package = project_of(said)
    assert package.publisher_tags
    assert msgspec.structs.replace(package, publisher_tags=()) == PackageInfo(
        name="demo",
        versions=("2.0.0", "2.0.0-rc.1", "1.0.0"),
        published=(MAY + DAY, 0, MAY),
        flags=(ATTESTED, PRERELEASE | INSTALL_HOOK, DEPRECATED),
        interpreter_indexes=(0, 1, 2),
        interpreters=(">=18", "", ">=14"),
        tags={"latest": "2.0.0"},
        status="active",
        publishers=1,
        has_attestation_data=True,
        has_hook_data=True,
    )


@pytest.mark.parametrize(
    ("maintainers", "publishers"),
    [
        ([{"name": "ann"}, {"name": "bob"}, {"name": "ann"}], 2),
        (["ann <ann@acme.example>", "bob", 7, {"email": "x"}, {"name": " "}], 2),
        ([], 0),
        ("ann", None),
        (None, None),
    ],
)
def test_maintainers_are_counted_where_they_are_stated(maintainers: object, publishers: int | None) -> None:
    said = project_of(document(manifest("1.0.0"), maintainers=maintainers))
    assert said.publishers == publishers
    assert len(said.publisher_tags) == (publishers or 0)


def user(name: str, **more: object) -> dict[str, object]:
    return {"name": name, "email": f"{name}@mail.example", **more}


def test_the_first_version_by_an_account_is_marked() -> None:
    users = {
        "1.0.0": user("ann"),
        "1.1.0": user("ann"),
        "1.2.0": user("eve"),
        "1.0.1": user("ann"),
        "2.0.0": user("eve"),
    }
    times = {version: f"2026-0{month}-01T00:00:00.000Z" for month, version in enumerate(users, 1)}
    package_info = project_of(document(*(manifest(v, _npmUser=users[v]) for v in users), time=times))
    assert package_info.has_publisher_data
    marked = [v for v, flags in zip(package_info.versions, package_info.flags, strict=True) if flags & NEW_PUBLISHER]
    assert marked == ["1.2.0"]


@pytest.mark.parametrize(
    ("npm_user", "is_marked"),
    [
        (user("eve"), True),
        (user("ann"), False),
        (user("GitHub Actions", trustedPublisher={"id": "github"}), False),
        ({}, False),
        ("eve", False),
        (None, False),
    ],
)
def test_a_new_publisher_is_an_account_that_never_published_before(npm_user: object, *, is_marked: bool) -> None:
    times = {"1.0.0": "2026-01-01T00:00:00.000Z", "2.0.0": "2026-02-01T00:00:00.000Z"}
    package_info = project_of(
        document(manifest("1.0.0", _npmUser=user("ann")), manifest("2.0.0", _npmUser=npm_user), time=times)
    )
    assert (bool(package_info.flags[0] & NEW_PUBLISHER), package_info.has_publisher_data) == (is_marked, True)


def test_without_accounts_no_publisher_is_new() -> None:
    package_info = project_of(document(manifest("1.0.0"), manifest("2.0.0")))
    assert not package_info.has_publisher_data
    assert not any(flags & NEW_PUBLISHER for flags in package_info.flags)


def test_a_mirror_that_drops_signatures_does_not_state_attestations() -> None:
    assert not project_of(document(manifest("1.0.0", dist={"tarball": "x"}))).has_attestation_data
    assert not project_of(document(manifest("1.0.0", dist="junk"))).has_attestation_data
    assert project_of(document(manifest("1.0.0", dist={"signatures": []}))).has_attestation_data


def test_a_package_is_deprecated_when_its_latest_version_is() -> None:
    old = manifest("1.0.0", deprecated="old")
    assert project_of(document(old, manifest("2.0.0"))).status == "active"
    assert project_of(document(manifest("2.0.0"), old)).status == "deprecated"


def test_without_a_latest_tag_the_newest_final_version_decides() -> None:
    pre, old = manifest("3.0.0-rc.1"), manifest("2.0.0", deprecated="old")
    assert project_of(document(pre, old, **{"dist-tags": None})).status == "deprecated"
    assert project_of(document(pre, **{"dist-tags": {}})).status == "active"


def test_a_tag_that_points_nowhere_decides_nothing() -> None:
    said = project_of(document(manifest("1.0.0"), **{"dist-tags": {"latest": "9.9.9", "bad\x1b": "1.0.0", "x": 7}}))
    assert (said.status, said.tags) == ("active", {"latest": "9.9.9"})


@pytest.mark.parametrize("version", ["0.0.1-security", "0.0.2-security.1"])
def test_what_the_registry_removed_for_security_leaves_a_placeholder(version: str) -> None:
    assert project_of(document(manifest(version))).status == "security-holding"


@pytest.mark.parametrize(
    "said",
    [
        {"name": "demo", "time": {"unpublished": {"time": "2026-01-01T00:00:00Z", "versions": ["1.0.0"]}}},
        {"name": "demo", "versions": {}},
        {"name": "demo"},
        {"time": {"created": "2026-01-01T00:00:00Z"}},
        document(manifest("1.0.0"), time={"unpublished": {}}),
    ],
)
def test_a_package_without_versions_is_unpublished(said: object) -> None:
    assert project_of(said) == PackageInfo(name="demo", status="unpublished")
    assert isinstance(merge_metadata("1.0.0", fact(said), NOT_ASKED), Absent)


def test_an_unpublished_package_may_be_told_with_a_404() -> None:
    gone = read({"time": {"unpublished": {}}}, status=404)
    assert gone == Packument(PackageInfo(name="demo", status="unpublished"))


@pytest.mark.parametrize("status", [404, 410])
@pytest.mark.parametrize("said", [{"error": "Not found"}, [], {"time": 7}])
def test_a_package_that_is_not_found_is_absent(status: int, said: object) -> None:
    assert read(said, status=status) is None


def test_a_name_the_registry_does_not_take_is_not_absent() -> None:
    with pytest.raises(ResponseError):
        read({}, status=405)
    with pytest.raises(ResponseError):
        list(VERSION_MANIFEST.parse(question(DEMO_2), Response(status=405, body=b"")))


@pytest.mark.parametrize("said", [[], {}, {"error": "oops"}, {"name": "other", "versions": {}}, "x", None])
def test_a_document_about_something_else_is_an_answer_error(said: object) -> None:
    with pytest.raises(ResponseError):
        read(said)


def test_a_version_that_cannot_be_read_is_listed_all_the_same() -> None:
    said = document(manifest("1.0.0"))
    said["versions"] = {"1.0.0": "junk", "2.0.0": 7, "no version": {}}
    assert project_of(said).versions == ("2.0.0", "1.0.0")


# --- one version


@pytest.mark.parametrize(
    ("fields", "licence"),
    [
        ({"license": "MIT"}, "MIT"),
        ({"license": "(MIT OR Apache-2.0)"}, "(MIT OR Apache-2.0)"),
        ({"license": {"type": "BSD-3-Clause", "url": "https://acme.example"}}, "BSD-3-Clause"),
        (
            {"license": None, "licenses": [{"type": "MIT"}, {"type": "Apache-2.0"}, {"type": "MIT"}]},
            "MIT OR Apache-2.0",
        ),
        ({"license": None, "licenses": ["MIT", 7]}, "MIT"),
        ({"license": None, "licenses": {"type": "MIT"}}, "MIT"),
        ({"license": "SEE LICENSE IN\nfile \x1b[31m"}, "SEE LICENSE IN file"),
        ({"license": "UNLICENSED"}, "UNLICENSED"),
        ({"license": 7}, ""),
        ({"license": {"url": "https://acme.example"}}, ""),
    ],
)
def test_licences_come_in_many_shapes(fields: dict[str, object], licence: str) -> None:
    assert of(**fields).licence_expression == licence


@pytest.mark.parametrize(
    ("fields", "hooks"),
    [
        ({"scripts": {"test": "x", "prepare": "x"}}, ()),
        ({"scripts": {"postinstall": "node x", "preinstall": "node y"}}, ("preinstall", "postinstall")),
        ({"scripts": {"install": "node-gyp rebuild"}, "gypfile": True}, ("node-gyp",)),
        ({"scripts": {"install": "node-gyp rebuild", "postinstall": "x"}}, ("postinstall", "node-gyp")),
        ({"scripts": {"install": "node-gyp rebuild && curl x"}}, ("install",)),
        ({"scripts": {"install": "node x"}, "gypfile": True}, ("install",)),
        ({"gypfile": True}, ("node-gyp",)),
        ({"gypfile": False}, ()),
        ({"hasInstallScript": True}, ("install script",)),
        ({"hasInstallScript": True, "scripts": {"postinstall": "x"}}, ("postinstall",)),
        ({"scripts": {"install": " ", "postinstall": 7}}, ()),
        ({"scripts": "junk"}, ()),
    ],
)
def test_what_runs_at_installation_is_named(fields: dict[str, object], hooks: tuple[str, ...]) -> None:
    said = document(manifest("2.0.0", **fields))
    assert described(said).hooks == hooks
    assert project_of(said).flags == (INSTALL_HOOK if hooks else 0,)


@pytest.mark.parametrize(
    ("deprecated", "message"),
    [("use other", "use other"), (True, "no reason given"), ("", ""), (False, ""), (None, ""), ({}, "")],
)
def test_a_deprecation_carries_its_message(deprecated: object, message: str) -> None:
    assert of(deprecated=deprecated).deprecated == message


@pytest.mark.parametrize(
    ("fields", "links"),
    [
        ({"homepage": "https://acme.example"}, ("https://acme.example", "https://github.com/acme/demo")),
        ({"homepage": "https://github.com/acme/demo#readme"}, ("", "https://github.com/acme/demo")),
        ({"repository": "gitlab:acme/demo"}, ("", "https://gitlab.com/acme/demo")),
        ({"repository": "acme/demo", "homepage": 7}, ("", "https://github.com/acme/demo")),
        ({"repository": None, "homepage": "https://github.com/acme/demo"}, ("", "https://github.com/acme/demo")),
        ({"repository": {}, "homepage": "https://acme.example"}, ("https://acme.example", "")),
        ({"repository": ["junk"], "homepage": "javascript:x"}, ("", "")),
    ],
)
def test_a_homepage_is_apart_from_the_repository(fields: dict[str, object], links: tuple[str, str]) -> None:
    said = of(**fields)
    assert (said.homepage or "", said.repository) == links


@pytest.mark.parametrize(
    ("fields", "basics"),
    [
        ({"description": "A demo", "keywords": ["x"], "types": "x.d.ts"}, (True, True, True)),
        ({"description": " ", "keywords": "a,b", "typings": "x.d.ts"}, (False, True, True)),
        ({"description": 7, "keywords": [], "types": True}, (False, False, False)),
        ({}, (False, False, False)),
    ],
)
def test_basics_are_yes_or_no(fields: dict[str, object], basics: tuple[bool, bool, bool]) -> None:
    said = of(**fields)
    assert (said.summary, said.keywords, said.typed) == basics


@pytest.mark.parametrize(
    ("readme", "length"), [("# Demo", 6), ("", None), ("ERROR: No README data found!", None), (None, None), (7, None)]
)
def test_a_readme_the_registry_lost_is_not_an_empty_one(readme: object, length: int | None) -> None:
    assert described(document(manifest("2.0.0"), readme=readme)).readme == length


def test_a_readme_cut_through_a_character_is_measured() -> None:
    body = json.dumps(document(manifest("2.0.0"))).replace("# Demo", "# Demo \\ud83d").encode()
    [(_, packument)] = PACKUMENT.parse(question(DEMO), Response(status=200, body=body))
    assert packument is not None
    found = merge_metadata("2.0.0", Found(packument, "npm", MAY), NOT_ASKED)
    assert isinstance(found, Found)
    assert found.value.readme == 8


def test_what_the_short_form_leaves_out_is_not_stated() -> None:
    said = document(manifest("2.0.0", hasInstallScript=True))
    short = {"name": said["name"], "dist-tags": said["dist-tags"], "versions": said["versions"]}
    one = short["versions"]["2.0.0"]  # type: ignore[index] # a dict of dicts
    for key in ("license", "repository"):
        del one[key]
    assert described(short) == Metadata(
        version="2.0.0", required_interpreter="", deprecated="", hooks=("install script",), attested=False
    )
    assert project_of(short).published == (0,)
    assert project_of(short).publishers is None


def test_what_the_full_form_leaves_out_was_not_declared() -> None:
    assert described(document({"name": "demo", "version": "2.0.0"}, readme=None)) == Metadata(
        version="2.0.0",
        summary=False,
        keywords=False,
        typed=False,
        required_interpreter="",
        homepage="",
        repository="",
        licence_expression="",
        deprecated="",
        hooks=(),
    )


def test_every_version_has_its_own_description() -> None:
    said = document(manifest("1.0.0", license="GPL-3.0-only"), manifest("1.1.0"), manifest("2.0.0"))
    assert described(said, "1.0.0").licence_expression == "GPL-3.0-only"
    assert described(said, "1.1.0").licence_expression == "MIT"
    packument = fact(said).value
    assert (len(packument.variants), packument.variant_indexes) == (2, (0, 0, 1))


def test_a_version_that_is_not_listed_is_absent() -> None:
    assert merge_metadata("9.9.9", fact(document(manifest("1.0.0"))), NOT_ASKED) == Absent(
        "npm", MAY, "no version 9.9.9 is listed"
    )


# --- the manifest of one version


def read_manifest(said: object, status: int = 200) -> Metadata | None:
    [(release, described)] = VERSION_MANIFEST.parse(
        question(DEMO_2), Response(status=status, body=json.dumps(said).encode())
    )
    assert release == DEMO_2
    return described


def test_a_manifest_says_what_the_packument_says_of_its_version() -> None:
    maintainers = [{"name": "ann"}, {"name": "bob"}]
    one = manifest("2.0.0", scripts={"install": "x"}, engines={"node": ">=18"}, maintainers=maintainers)
    packument = fact(document(one, manifest("1.0.0")))
    alone = read_manifest(one)
    assert alone is not None
    assert alone.publishers == 2
    assert merge_metadata("2.0.0", packument, NOT_ASKED, is_listed=False) == Found(alone, "npm", MAY)
    assert described(document(one)) == msgspec.structs.replace(alone, readme=len("# Demo"))


@pytest.mark.parametrize(
    ("dist", "attested"),
    [
        ({"attestations": {"url": "x"}}, True),
        ({"attestations": {"url": "x"}, "signatures": []}, True),
        ({"attestations": None, "signatures": []}, False),
        ({"attestations": "yes", "signatures": []}, False),
        ({"signatures": [{"keyid": "k"}]}, False),
        ({"shasum": "x"}, None),
        ({}, None),
        (None, None),
        ([], None),
    ],
)
def test_a_manifest_tells_of_attestations_where_the_registry_passes_on_signatures(
    dist: object, *, attested: bool | None
) -> None:
    said = read_manifest(manifest("2.0.0", dist=dist))
    assert said is not None
    assert said.attested is attested


@pytest.mark.parametrize(
    ("maintainers", "publishers"),
    [([{"name": "ann"}, "bob <bob@acme.example>", {"name": "ann"}], 2), ([], 0), ("ann", None), (None, None)],
)
def test_a_manifest_tells_how_many_could_publish(maintainers: object, publishers: int | None) -> None:
    said = read_manifest(manifest("2.0.0", maintainers=maintainers))
    assert said is not None
    assert said.publishers == publishers


def test_a_version_that_is_not_found_is_absent() -> None:
    assert read_manifest({}, status=404) is None


@pytest.mark.parametrize("said", [[], {}, manifest("1.0.0"), manifest("2.0.0", name="other")])
def test_the_manifest_of_another_version_is_an_answer_error(said: object) -> None:
    with pytest.raises(ResponseError):
        read_manifest(said)


def test_the_manifest_stands_in_for_a_packument_that_was_not_read() -> None:
    too_large, gone = Unknown("response larger than 25 MB"), Absent("npm", MAY)
    own = Found(Metadata(version="2.0.0"), "npm", MAY)
    assert merge_metadata("2.0.0", too_large, own) == own
    assert merge_metadata("2.0.0", too_large, gone) == gone
    assert merge_metadata("2.0.0", too_large, NOT_ASKED) == too_large
    assert merge_metadata("2.0.0", gone, NOT_ASKED) == gone
    assert read_package_info(too_large) == too_large


# --- dates


def history(*versions: str, dates: list[int]) -> str:
    order = list(versions)
    return check_dates(order, [MAY + date * DAY for date in dates], [PRERELEASE if "-" in one else 0 for one in order])


def test_dates_in_random_order_are_doubted() -> None:
    versions = [f"0.{minor}.{patch}" for minor in range(10) for patch in range(3)]
    dates = list(range(len(versions)))
    random.Random(7).shuffle(dates)  # noqa: S311 - not for secrets
    assert "contradict the order of its versions (" in history(*versions, dates=dates)


def test_fixes_for_old_lines_after_new_ones_are_no_contradiction() -> None:
    versions = ["1.0.0", "1.0.1", "1.0.2", "1.1.0", "1.1.1", "2.0.0", "2.0.1", "1.1.2", "1.0.3"]
    assert history(*versions, dates=[0, 5, 50, 10, 45, 20, 30, 90, 95]) == ""


def test_one_contradiction_is_none_and_neither_are_a_few_in_many() -> None:
    assert history("1.0.0", "1.0.1", dates=[5, 0]) == ""
    versions = [f"1.0.{patch}" for patch in range(60)]
    dates = list(range(0, 120, 2))
    dates[10], dates[11], dates[30], dates[31] = dates[11], dates[10], dates[31], dates[30]
    assert history(*versions, dates=dates) == ""


def test_less_than_a_day_and_dates_not_stated_and_prereleases_contradict_nothing() -> None:
    hours = [MAY + 3, MAY + 2, MAY + 1, MAY]
    assert check_dates(["1.0.0", "1.0.1", "1.0.2", "1.0.3"], hours, [0] * 4) == ""
    assert check_dates(["1.0.0", "1.0.1", "1.0.2"], [MAY, 0, 0], [0] * 3) == ""
    assert history("1.0.0-a", "1.0.0-b", "1.0.0-c", "x", dates=[9, 5, 1, 0]) == ""


def test_doubt_reaches_the_project() -> None:
    manifests = [manifest(f"1.0.{patch}") for patch in range(4)]
    time = {f"1.0.{patch}": f"202{9 - patch}-01-01T00:00:00Z" for patch in range(4)}
    assert project_of(document(*manifests, time=time)).date_problem == (
        "its dates contradict the order of its versions (3 of 3)"
    )


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 9)), unique=True))
def test_a_history_in_order_is_never_doubted(numbers: list[tuple[int, int, int]]) -> None:
    versions = [".".join(map(str, one)) for one in sorted(numbers)]
    assert history(*versions, dates=list(range(len(versions)))) == ""


# --- size and speed


def large(count: int, padding: int) -> bytes:
    draw = random.Random(7)  # noqa: S311 - not for secrets
    manifests = [
        manifest(
            f"0.0.0-experimental-{draw.getrandbits(36):09x}-{20_200_101 + number}" if number % 10 else f"1.{number}.0",
            deprecated=f"use 1.{number}.0" if number % 500 == 0 else "",
            devDependencies={f"dependency-{place}": "^1.2.3" for place in range(40)},
            padding="x" * padding,
        )
        for number in range(count)
    ]
    return json.dumps(document(*manifests)).encode()


def test_two_thousand_versions_take_little_room_and_stay_exact() -> None:
    body = large(2_000, 0)
    [(_, packument)] = PACKUMENT.parse(question(DEMO), Response(status=200, body=body))
    stored = msgspec.msgpack.encode(packument)
    assert len(stored) < 60_000
    again = msgspec.msgpack.decode(stored, type=Packument)
    assert again == packument
    found = read_package_info(Found(again, "npm", MAY))
    assert isinstance(found, Found)
    assert set(found.value.versions) == set(json.loads(body)["versions"])


def test_ten_megabytes_are_read_quickly_and_not_kept() -> None:
    answer = Response(status=200, body=large(3_000, 1_900))
    assert len(answer.body) > 10_000_000
    started = perf_counter()
    [(_, packument)] = PACKUMENT.parse(question(DEMO), answer)
    assert perf_counter() - started < 1  # a tenth of it on a quiet machine
    tracemalloc.start()
    again = list(PACKUMENT.parse(question(DEMO), answer))
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert again == [(DEMO, packument)]
    assert kept < 2_000_000


# --- what is hostile


def test_hostile_strings_do_not_reach_the_facts() -> None:
    evil = "\x1b]0;pwned\x07\u202e[red]" + "A" * 100_000
    fields = dict.fromkeys(["description", "license", "homepage", "deprecated", "types", "repository"], evil)
    one = manifest("1.0.0", **fields, engines={"node": evil}, scripts={"install": evil}, keywords=[evil])
    said = document(one, maintainers=[{"name": evil}], **{"dist-tags": {evil: "1.0.0", "latest": evil}})
    stored = msgspec.msgpack.encode(read(said))
    assert len(stored) < 5_000
    assert b"\x1b]" not in stored
    assert "\u202e".encode() not in stored


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=10), children, max_size=3),
    max_leaves=8,
)
FIELDS = ["license", "licenses", "repository", "homepage", "engines", "scripts", "deprecated", "dist", "keywords"]
MANIFESTS = JUNK | st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, JUNK) | {"version": st.just("2.0.0")})
DOCUMENTS = JUNK | st.fixed_dictionaries(
    {"name": st.just("demo")},
    optional={
        "versions": JUNK | st.dictionaries(st.sampled_from(["1.0.0", "2.0.0-rc.1", "3", "x y"]), MANIFESTS, max_size=4),
        "time": JUNK | st.dictionaries(st.sampled_from(["1.0.0", "unpublished"]), JUNK),
        "dist-tags": JUNK | st.dictionaries(st.text(max_size=5), JUNK | st.just("1.0.0")),
        "maintainers": JUNK,
        "readme": JUNK,
    },
)
BODIES = st.binary(max_size=50) | (DOCUMENTS | MANIFESTS).map(lambda said: json.dumps(said).encode())


@settings(max_examples=300)
@given(BODIES, st.sampled_from([200, 404, 405, 410]))
def test_only_foreseen_errors_leave_the_readers(body: bytes, status: int) -> None:
    answer = Response(status=status, body=body)
    with suppress(ResponseError):
        [(_, packument)] = PACKUMENT.parse(question(DEMO), answer)
        assert (
            packument is None or msgspec.msgpack.decode(msgspec.msgpack.encode(packument), type=Packument) == packument
        )
    with suppress(ResponseError):
        [(_, said)] = VERSION_MANIFEST.parse(question(DEMO_2), answer)
        assert said is None or msgspec.msgpack.decode(msgspec.msgpack.encode(said), type=Metadata) == said


STATED = st.sampled_from(["MIT", "ISC", "", None, 1, True, 1.0, 10**30, ["a"], {"type": "MIT"}, {"node": ">=18"}, {}])


@given(
    st.dictionaries(
        st.sampled_from(["1.0.0", "1.1.0", "2.0.0", "3.0.0-rc.1"]),
        st.fixed_dictionaries(
            {}, optional=dict.fromkeys([*FIELDS, "gypfile", "types", "readme", "maintainers", "_npmUser"], STATED)
        ),
        min_size=1,
    )
)
def test_versions_read_together_are_read_as_alone(versions: dict[str, dict[str, object]]) -> None:
    for version, stated in versions.items():
        together = described(document(versions=versions), version)
        assert together == described(document(versions={version: stated}), version)


def test_what_versions_state_alike_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    texts: list[object] = []

    def clean(value: object, limit: int) -> str:
        texts.append(value)
        return clean_text(value, limit)

    monkeypatch.setattr("nerq_cli.sources.registries.npm.clean_text", clean)
    manifests = [manifest(f"1.{n}.0", description="What it is") for n in range(50)]
    manifests.append(manifest("2.0.0", description="Something else"))
    project_of(document(*manifests))
    assert texts.count("What it is") == texts.count("Something else") == 1
