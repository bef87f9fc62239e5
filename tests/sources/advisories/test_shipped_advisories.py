"""The advisories that are shipped: what their files hold, and what a scan takes from them."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from nerq_cli.ecosystems import ECOSYSTEMS, NPM, PYPI, Ecosystem
from nerq_cli.facts import Advisory, Found, LowerBound, Unknown
from nerq_cli.inventory import Package, Release
from nerq_cli.sources.advisories import shipped_advisories
from nerq_cli.sources.advisories.osv_record import parse_record
from nerq_cli.sources.advisories.shipped_advisories import ShippedAdvisories, write_edition
from nerq_cli.sources.advisories.shipped_editions import DATABASES, ShippedDatabase, read_editions
from nerq_cli.sources.advisories.stored_advisory import decode_advisories
from nerq_cli.vulnerabilities.matching import match_advisories

DATA = Path(shipped_advisories.__file__).with_name("data")
AS_OF = 1_790_000_000
MAX_BYTES = 1_500_000


def record(identifier: str, *versions: str, **fields: Any) -> Advisory:
    affected = {
        "package": {"ecosystem": "PyPI", "name": "demo"},
        "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "1.0"}, {"fixed": "2.0"}]}],
        "versions": list(versions),
    }
    times = {"modified": "2024-10-10T12:00:00Z", "published": "2024-10-01T00:00:00Z"}
    return parse_record(json.dumps({"id": identifier, **times, "affected": [affected], **fields}).encode())


def release(version: str, name: str = "demo") -> Release:
    return Release(package=Package(ecosystem=PYPI, name=name), version=version)


@pytest.fixture
def shipped(tmp_path: Path) -> Callable[..., ShippedAdvisories]:
    """Ship these records."""

    def ship(*records: Advisory) -> ShippedAdvisories:
        folder = tmp_path / f"edition-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()

        def read(ecosystem: Ecosystem) -> Iterable[Advisory]:
            return records if ecosystem.id == PYPI else ()

        write_edition(folder, read)
        return ShippedAdvisories(folder)

    return ship


def test_the_shipped_files_are_small_whole_and_of_databases_that_are_credited() -> None:
    shipped = ShippedAdvisories()
    assert sum(len(zlib.compress(path.read_bytes(), 9)) for path in DATA.glob("*.msgpack")) < MAX_BYTES
    for ecosystem in ECOSYSTEMS:
        records = shipped.load(ecosystem.id)
        edition = read_editions()[ecosystem.id]
        advisories = decode_advisories(records.records)
        prefixes = tuple(row.id_prefix for row in DATABASES if row.ecosystem == ecosystem.id)
        assert len(advisories) == edition.records > 0
        assert max(advisory.modified for advisory in advisories) == edition.newest
        assert all(advisory.id.startswith(prefixes) for advisory in advisories)


def test_known_holes_are_among_those_that_are_shipped() -> None:
    rows = {
        Release(package=Package(ecosystem=PYPI, name="jinja2"), version="2.10"): "PYSEC-2019-217",
        Release(package=Package(ecosystem=NPM, name="lodash"), version="4.17.15"): "NSWG-ECO-516",
    }
    findings = shipped_advisories.find_advisories(ShippedAdvisories(), rows, as_of=AS_OF)
    for row, identifier in rows.items():
        fact = findings[row].advisories
        assert isinstance(fact, LowerBound)
        assert identifier in {advisory.id for advisory in fact.value}


def test_equal_records_give_equal_files_in_any_order(tmp_path: Path) -> None:
    records = [record("PYSEC-2", severity=[{"type": "CVSS_V2", "score": "7.5"}]), record("PYSEC-1", aliases=["CVE-1"])]
    for name, rows in {"a": records, "b": records[::-1]}.items():
        (tmp_path / name).mkdir()
        write_edition(tmp_path / name, lambda _, rows=rows: rows)  # type: ignore[misc]
    written = [{path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in "ab"]
    assert written[0] == written[1]
    assert set(written[0]) == {"PyPI.msgpack", "npm.msgpack", "editions.json"}


def test_versions_that_a_range_contains_are_left_out_and_match_as_before(shipped: Any) -> None:
    full = record("PYSEC-1", "1.0", "1.5", "1.9.post1", "0.1", "not a version")
    edition = shipped(full)
    [kept] = decode_advisories(edition.find_by_packages([(PYPI, "demo")])[PYPI, "demo"])
    assert kept.affected[0].versions == ("0.1", "not a version")
    for version in ("0.1", "0.2", "1.0", "1.5", "1.9.post1", "2.0", "not a version", "1.5+local"):
        package = release(version).package
        assert match_advisories([kept], package, version) == match_advisories([full], package, version), version


def test_malware_records_keep_the_versions_they_name(shipped: Any) -> None:
    edition = shipped(record("MAL-1", "1.0", "1.5"))
    [kept] = decode_advisories(edition.find_by_packages([(PYPI, "demo")])[PYPI, "demo"])
    assert kept.affected[0].versions == ("1.0", "1.5")
    fact = shipped_advisories.find_advisories(edition, [release("3.0")], as_of=AS_OF)[release("3.0")]
    assert isinstance(fact.advisories, Unknown)
    assert isinstance(fact.history, Found)
    assert (fact.history.value.malicious_version, fact.history.value.old_advisories) == ("1.5", None)


def test_what_is_found_is_a_lower_bound_with_its_date_and_what_is_not_is_left_out(shipped: Any) -> None:
    edition = shipped(record("PYSEC-1"))
    rows = [release("1.5"), release("2.0"), release("1.5", "other")]
    findings = shipped_advisories.find_advisories(edition, rows, as_of=AS_OF)
    assert list(findings) == [release("1.5")]
    advisories, history = findings[release("1.5")]
    assert isinstance(advisories, LowerBound)
    assert (advisories.source, advisories.reason) == ("shipped advisories", "the shipped advisories are of 2024-10-10")
    assert isinstance(history, Unknown)


def test_even_an_edition_of_today_is_a_lower_bound(shipped: Any) -> None:
    edition = shipped(record("PYSEC-1", modified="2026-09-20T00:00:00Z"))
    findings = shipped_advisories.find_advisories(edition, [release("1.5")], as_of=AS_OF)
    assert isinstance(findings[release("1.5")].advisories, LowerBound)


def test_a_severity_comes_from_an_alias_that_is_shipped_too(shipped: Any) -> None:
    other = record("PYSEC-2", severity=[{"type": "CVSS_V3", "score": "9.8"}], aliases=["CVE-2024-1"])
    elsewhere = Advisory(**{**{name: getattr(other, name) for name in other.__struct_fields__}, "affected": ()})
    edition = shipped(record("PYSEC-1", aliases=["CVE-2024-1"]), elsewhere)
    fact = shipped_advisories.find_advisories(edition, [release("1.5")], as_of=AS_OF)[release("1.5")].advisories
    assert isinstance(fact, Found)
    assert [(advisory.id, advisory.severity) for advisory in fact.value] == [("PYSEC-1", "critical")]


def test_records_published_later_are_left_out(shipped: Any) -> None:
    edition = shipped(record("PYSEC-1"))
    assert not shipped_advisories.find_advisories(edition, [release("1.5")], as_of=AS_OF, known_until=1_700_000_000)
    assert not shipped_advisories.find_records(edition, [release("1").package], known_until=1_700_000_000)
    [fact] = shipped_advisories.find_records(edition, [release("1").package]).values()
    assert (fact.source, [advisory.id for advisory in fact.value]) == ("shipped advisories", ["PYSEC-1"])


@pytest.mark.parametrize("row", DATABASES, ids=lambda row: row.id_prefix)
def test_the_notice_names_each_database_that_is_shipped(row: ShippedDatabase) -> None:
    notice = (Path(__file__).parents[3] / "NOTICE").read_text(encoding="utf-8")
    assert row.credit.homepage in notice
    assert f"{row.id_prefix}..." in notice
