"""The same records from OSV's dumps and from its API: what the database says is what a scan online says.

Needs the dumps: ``NERQ_TEST_OSV_DUMPS`` names a folder with ``PyPI/all.zip`` and ``npm/all.zip``. The stand-in for OSV
decides by itself which version is affected, by the evaluation algorithm of the OSV schema (ossf/osv-schema,
docs/schema.md) and nothing of the program under test.
"""

from __future__ import annotations

import json
import os
import re
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from packaging.version import InvalidVersion, Version

from nerq_cli.ecosystems import NPM, PYPI, EcosystemId
from nerq_cli.facts import AffectingAdvisory, Found
from nerq_cli.fetch.fetcher import HttpSettings
from nerq_cli.fetch.source import Endpoint
from nerq_cli.inventory import Package, Release
from nerq_cli.sources.advisories import local_database, osv
from nerq_cli.sources.advisories.osv_files import ReadStats, build_entries, read_advisories
from nerq_cli.store.advisory_db import AdvisoryDatabase, ImportInfo
from nerq_cli.vulnerabilities.matching import match_advisories

DUMPS = os.environ.get("NERQ_TEST_OSV_DUMPS", "")
NOW = 1_800_000_000
#: Versions looked at of one package.
_MOST = 25
ECOSYSTEMS: tuple[EcosystemId, ...] = (PYPI, NPM)
_SEMVER = re.compile(r"(\d+)\.(\d+)\.(\d+)(?:-([0-9A-Za-z.-]+))?(?:\+.*)?", re.ASCII)

pytestmark = pytest.mark.skipif(
    not all((Path(DUMPS) / one / "all.zip").is_file() for one in ECOSYSTEMS) or not DUMPS,
    reason="NERQ_TEST_OSV_DUMPS names no folder of dumps",
)

# --- OSV, as its schema has it ---------------------------------------------------------------------------------------


@lru_cache(maxsize=100_000)
def order(ecosystem: str, version: str) -> Any:
    """Return what orders a version; what is none comes before all that are."""
    if ecosystem == PYPI:
        try:
            return 1, Version(version)
        except InvalidVersion:
            return 0, version
    found = _SEMVER.fullmatch(version)
    if found is None:
        return 0, version
    words = tuple(
        (0, int(word), "") if word.isdigit() else (1, 0, word) for word in (found[4] or "").split(".") if word
    )
    return 1, int(found[1]), int(found[2]), int(found[3]), not words, words


def canonical(ecosystem: str, name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower() if ecosystem == PYPI else name


class Part:
    """What a record says of one package: the enumerated versions, and the events of each range in their order."""

    def __init__(self, ecosystem: str, part: Mapping[str, Any]) -> None:
        self.said = part
        self._enumerated = {order(ecosystem, one) for one in part.get("versions", ())}
        self._ranges = [
            seamless(
                sorted((place(ecosystem, kind, text), kind) for event in one["events"] for kind, text in event.items())
            )
            for one in part.get("ranges", ())
            if one["type"] in ("ECOSYSTEM", "SEMVER")
        ]

    def affects(self, at: Any) -> bool:
        return at in self._enumerated or any(in_range(events, at) for events in self._ranges)


def place(ecosystem: str, kind: str, text: str) -> Any:
    return (-1,) if kind == "introduced" and text == "0" else order(ecosystem, text)


def seamless(events: list[tuple[Any, str]]) -> list[tuple[Any, str]]:
    """Join a stretch that ends where the next begins; OSV enumerates that version (3.1.1 in PYSEC-2022-236)."""
    seams = [there for there, kind in events if kind == "fixed" and (there, "introduced") in events]
    return [one for one in events if one[0] not in seams]


def in_range(events: Sequence[tuple[Any, str]], at: Any) -> bool:
    vulnerable = False
    for there, kind in events:
        if kind == "introduced" and at >= there:
            vulnerable = True
        elif (kind == "fixed" and at >= there) or (kind == "last_affected" and at > there):
            vulnerable = False
    return vulnerable


class Osv:
    """All records, served on a loopback site as OSV serves them: withdrawn ones are in no list."""

    def __init__(self, site: Any) -> None:
        self.records: dict[str, dict[str, Any]] = {}
        self.parts: dict[tuple[str, str], list[tuple[dict[str, Any], Part]]] = defaultdict(list)
        for ecosystem in ECOSYSTEMS:
            with zipfile.ZipFile(Path(DUMPS) / ecosystem / "all.zip") as archive:
                for name in archive.namelist():
                    self._take(ecosystem, json.loads(archive.read(name)))
        site.on("/v1/querybatch", self._answer)
        for identifier, record in self.records.items():
            site.on(f"/v1/vulns/{identifier}", {"body": record})

    def _take(self, ecosystem: str, record: dict[str, Any]) -> None:
        self.records[record["id"]] = record
        for part in record.get("affected", ()):
            package = part.get("package", {})
            if package.get("ecosystem") == ecosystem and not record.get("withdrawn"):
                self.parts[ecosystem, canonical(ecosystem, package["name"])].append((record, Part(ecosystem, part)))

    def _answer(self, request: Any) -> dict[str, Any]:
        return {"body": {"results": [self._listed(query) for query in json.loads(request.body)["queries"]]}}

    def _listed(self, query: Mapping[str, Any]) -> dict[str, Any]:
        ecosystem, name = query["package"]["ecosystem"], query["package"]["name"]
        at = order(ecosystem, query["version"]) if "version" in query else None
        hits = {
            record["id"]: record["modified"]
            for record, part in self.parts[ecosystem, canonical(ecosystem, name)]
            if at is None or part.affects(at)
        }
        return {"vulns": [{"id": one, "modified": modified} for one, modified in sorted(hits.items())]} if hits else {}

    def releases(self, ecosystem: EcosystemId) -> Iterator[Release]:
        """Yield, for each package, versions around whatever its records name."""
        for (where, name), parts in sorted(self.parts.items(), key=lambda one: one[0]):
            if where == ecosystem:
                package = Package(ecosystem=ecosystem, name=name)
                texts = {text for _, part in parts for text in around(ecosystem, part.said)} | {"0.0.1", "9999.0.0"}
                known = sorted(text for text in texts if order(ecosystem, text)[0])
                some = known[:: len(known) // _MOST + 1]
                yield from (Release(package=package, version=text) for text in some)


def around(ecosystem: str, part: Mapping[str, Any]) -> Iterator[str]:
    versions = part.get("versions", [])
    yield from (*versions[:2], *versions[len(versions) // 2 :][:1], *versions[-2:])
    for one in part.get("ranges", ()):
        for event in one.get("events", ()):
            for text in event.values():
                if one["type"] != "GIT" and text != "0":
                    yield from (text, *beside(ecosystem, text))


def beside(ecosystem: str, text: str) -> Iterator[str]:
    """Yield the versions just below and just above."""
    found, at = order(ecosystem, text)[0], order(ecosystem, text)[1:]
    if not found:
        return
    if ecosystem == PYPI:
        [at] = at
        release = ".".join(map(str, at.release))
        epoch = f"{at.epoch}!" if at.epoch else ""
        yield from (f"{epoch}{release}{suffix}" for suffix in (".dev1", "a1", "rc1", "", ".post1", ".1", ".0"))
    else:
        major, minor, patch = at[:3]
        yield from (f"{major}.{minor}.{patch}{suffix}" for suffix in ("-0", "-rc.1", "", "+build.1"))
        yield f"{major}.{minor}.{patch + 1}"


# --- beside each other -----------------------------------------------------------------------------------------------


@pytest.fixture
def service(site: Any) -> Osv:
    return Osv(site)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[AdvisoryDatabase]:
    opened = AdvisoryDatabase.open(tmp_path, now=NOW)
    for ecosystem in ECOSYSTEMS:
        found = build_entries(read_advisories([Path(DUMPS) / ecosystem / "all.zip"], ReadStats()), {ecosystem})
        assert opened.replace_records(found, ImportInfo("dump", NOW, validator="1"), ecosystems=[ecosystem])
    yield opened
    opened.close()


def offline(database: AdvisoryDatabase, releases: Sequence[Release]) -> dict[Release, tuple[AffectingAdvisory, ...]]:
    said = local_database.find_advisories(database, dict.fromkeys(releases, (0, None)), as_of=NOW)
    return {release: one.advisories.value for release, one in said.items() if isinstance(one.advisories, Found)}


def without_aliases(found: Sequence[AffectingAdvisory]) -> tuple[AffectingAdvisory, ...]:
    return tuple(msgspec.structs.replace(one, aliases=()) for one in found)


@pytest.mark.parametrize("ecosystem", ECOSYSTEMS)
def test_the_database_and_osv_say_the_same_of_every_version(
    service: Osv, database: AdvisoryDatabase, site: Any, open_run: Callable[..., Any], ecosystem: EcosystemId
) -> None:
    """Record by record: the ids, how bad they are and who says so, what fixes them, the range in words, the links.

    Online only the records that affect a version are read, and those that another version of the same run needed. The
    other names of a vulnerability may therefore be fewer, where two records share a name that only they know.
    """
    releases = list(service.releases(ecosystem))
    kept = offline(database, releases)
    run = open_run(deadline_seconds=900.0, settings=HttpSettings(timeout=300.0, concurrency=2))
    packages = sorted({release.package for release in releases})
    known = osv.fetch_advisories(run, releases, packages, Endpoint(url=site.url))
    affected = 0
    for release in releases:
        affecting, recorded = known.affecting[release], known.recorded[release.package]
        assert isinstance(affecting, Found)
        assert isinstance(recorded, Found)
        alone = match_advisories(affecting.value, release.package, release.version)
        together = match_advisories([*affecting.value, *recorded.value], release.package, release.version)
        assert without_aliases(alone) == without_aliases(kept[release]), release.key
        assert together == kept[release], release.key
        affected += bool(alone)
    assert 0.2 < affected / len(releases) < 0.9
