"""Scores from the cache are those that would be computed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace
from panel import panel

from nerq_cli.application import scores as module
from nerq_cli.application.scores import SOURCE, ScoreCache, score_releases
from nerq_cli.ecosystems import PYPI
from nerq_cli.facts import Evidence, Found
from nerq_cli.inventory import Package, Release
from nerq_cli.scoring import Breakdown, Score
from nerq_cli.scoring.breakdown import PackedBreakdown
from nerq_cli.store import Cache, MemoryCache, Row, Store
from nerq_cli.units import DAY

AS_OF = panel.AS_OF


def list_evidence(*settings: panel.Setting) -> dict[Release, Evidence]:
    return {
        Release(package=replace(row.package, name=f"{row.package.name}-{setting}"), version=row.version): (
            panel.build_evidence(row, setting)
        )
        for setting in settings
        for row in panel.read_panel()
    }


EVIDENCE = list_evidence("full", "recorded")


@pytest.fixture(params=["memory", "disk"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cache]:
    cache: Cache = MemoryCache() if request.param == "memory" else Store.open(tmp_path, now=AS_OF)
    yield cache
    cache.close()


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[Release]:
    """The releases whose score is computed from here on."""
    releases: list[Release] = []
    original = module.score_release

    def compute(release: Release, evidence: Evidence, as_of: int) -> Score:
        releases.append(release)
        return original(release, evidence, as_of)

    monkeypatch.setattr(module, "score_release", compute)
    return releases


def score(store: Cache, evidence: Mapping[Release, Evidence] = EVIDENCE, as_of: int = AS_OF) -> dict[Release, Score]:
    return ScoreCache(store, AS_OF).score_releases(evidence, as_of)


def encode(score: Score) -> bytes:
    return msgspec.json.encode(
        [
            *(getattr(score, field) for field in Score.__struct_fields__ if field not in ("methodology", "breakdown")),
            *(getattr(score.breakdown, field) for field in Breakdown.__struct_fields__),
        ]
    )


def test_a_score_that_is_read_has_the_bytes_of_one_that_is_computed(store: Cache, computed: list[Release]) -> None:
    expected = score_releases(EVIDENCE, AS_OF)
    computed.clear()
    assert score(store) == expected
    assert len(computed) == len(EVIDENCE)
    computed.clear()
    read = score(store, as_of=AS_OF // DAY * DAY)
    assert computed == []
    assert [*map(encode, read.values())] == [*map(encode, expected.values())]
    assert [type(value.value) for value in read.values()] == [type(value.value) for value in expected.values()]


def test_scores_in_little_memory_are_those_that_are_computed() -> None:
    expected = score_releases(EVIDENCE, AS_OF)
    compact = module.score_compactly(EVIDENCE, AS_OF)
    assert compact == expected
    assert all(isinstance(value.breakdown, PackedBreakdown) for value in compact.values())
    assert [*map(encode, compact.values())] == [*map(encode, expected.values())]


def test_scores_share_their_texts() -> None:
    texts = [text for value in module.score_compactly(EVIDENCE, AS_OF).values() for text in value.reason_texts]
    assert len(set(map(id, texts))) == len(set(texts)) < len(texts)


def test_another_fact_another_day_another_version_are_computed(store: Cache, computed: list[Release]) -> None:
    score(store)
    release = next(iter(EVIDENCE))
    facts = EVIDENCE[release]
    assert isinstance(facts.package_info, Found)
    later = replace(facts, package_info=replace(facts.package_info, retrieved_at=facts.package_info.retrieved_at + 1))
    computed.clear()
    score(store, {**EVIDENCE, release: later})
    assert computed == [release]
    computed.clear()
    other = Release(package=release.package, version=f"{release.version}.1")
    score(store, {**EVIDENCE, other: facts})
    assert computed == [other]
    computed.clear()
    score(store, as_of=AS_OF + DAY)
    assert len(computed) == len(EVIDENCE)


def test_a_row_that_cannot_be_read_is_computed_again(store: Cache, computed: list[Release]) -> None:
    expected = score(store)
    scope = f"{module.describe_code()}/{AS_OF // DAY}"
    keys = [module.compute_digest(release, facts) for release, facts in EVIDENCE.items()]
    rows = store.get_many(SOURCE, scope, keys)
    content = rows[keys[0]].value or b""
    damages = [b"", b"\x90", b"\xc1", msgspec.msgpack.encode([1, 2]), content[:-9] + b"x" + content[-8:], None]
    store.put_many(
        SOURCE, scope, {key: rows[key]._replace(value=damage) for key, damage in zip(keys, damages, strict=False)}
    )
    computed.clear()
    assert score(store) == expected
    assert computed == list(EVIDENCE)[: len(damages)]


def test_scores_of_earlier_days_are_deleted_and_facts_kept(store: Cache) -> None:
    score(store)
    store.put_many("pypi", "", {"pypi/a": Row(b"1", AS_OF, AS_OF)})
    count = store.get_info().rows[SOURCE]
    ScoreCache(store, AS_OF + 3 * DAY).score_releases(EVIDENCE, AS_OF + 3 * DAY)
    assert store.get_info().rows == {SOURCE: count, "pypi": 1}


def test_few_scores_are_not_kept(store: Cache) -> None:
    score(store, dict(list(EVIDENCE.items())[:3]))
    assert store.get_info().rows == {}


def test_a_digest_is_the_same_in_every_process() -> None:
    """Sets and dictionaries have another order in each process."""
    code = (
        "from application.test_scores import EVIDENCE, module\n"
        "print([module.compute_digest(*item) for item in EVIDENCE.items()])"
    )
    digests = {
        subprocess.run(  # noqa: S603
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1


def test_every_field_of_the_evidence_is_part_of_the_digest() -> None:
    release, facts = next(iter(EVIDENCE.items()))
    bare = Evidence()
    digests = {module.compute_digest(release, bare)}
    for field in Evidence.__struct_fields__:
        if getattr(facts, field) != getattr(bare, field):
            digests.add(module.compute_digest(release, replace(bare, **{field: getattr(facts, field)})))
    assert len(digests) > 4
    assert module.compute_digest(Release(package=Package(ecosystem=PYPI, name="x"), version="1"), bare) not in digests
