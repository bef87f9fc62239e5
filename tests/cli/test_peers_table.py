"""The script that makes the table of scores of other packages, against registries on loopback."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import msgspec
import pytest

from nerq_cli.application.session import Session
from nerq_cli.application.settings import Settings
from nerq_cli.ecosystems import NPM, PYPI
from nerq_cli.insight.peers import PeerTable
from nerq_cli.methodology.packages import PACKAGES
from tests.cli.conftest import Registry

SCRIPT = Path(__file__).parents[2] / "docs" / "benchmarks" / "make_peers.py"
TOPIC = "Topic :: Internet :: WWW/HTTP"

pytestmark = pytest.mark.skipif(not SCRIPT.exists(), reason="the documentation is not there")


@pytest.fixture
def script() -> ModuleType:
    spec = spec_from_file_location("make_peers", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_groups_of_30_have_their_sorted_scores(registry: Registry, script: ModuleType, tmp_path: Path) -> None:
    registry.most_used()
    names = [f"peer-{number}" for number in range(30)]
    for name in names:
        registry.pypi(name, "1.0", classifiers=[TOPIC, "Intended Audience :: Developers"], keywords="http, rare")
    registry.pypi("odd", "1.0", classifiers=["Topic :: Games"], keywords="rare")
    settings = Settings(no_config=True, cache_dir=tmp_path / "peers")
    with Session.open(settings, tmp_path) as session:
        wanted = {PYPI: [*names, "odd", "unheard"], NPM: []}
        table = script.build_table(wanted, session, 0.0, "2026-11-29")
    assert set(table.groups[PYPI]) == {TOPIC, "Topic :: Internet", "http", "rare"}
    assert {name: len(scores) for name, scores in table.groups[PYPI].items()} == {
        TOPIC: 30, "Topic :: Internet": 30, "http": 30, "rare": 31,
    }  # fmt: skip
    assert table.methodology == f"packages {PACKAGES.version}"
    assert "PyPI" in table.source
    assert 0 < table.coverage[0] <= table.coverage[1] <= 1
    assert msgspec.json.decode(msgspec.json.encode(table), type=PeerTable) == table


def test_the_names_are_those_of_the_shipped_lists(script: ModuleType) -> None:
    names = script.list_popular(PYPI, 300)
    assert len(names) == 300
    assert len(set(names)) == 300


def test_keywords_of_npm_that_are_one_text_are_read(registry: Registry, script: ModuleType, tmp_path: Path) -> None:
    registry.most_used()
    for name, keywords in (("one-text", "Modules, stdlib"), ("a-list", ["modules", "util"])):
        registry.npm(name, "1.0.0", keywords=keywords)
        registry.site.on(f"/{name}/1.0.0", {"body": {"name": name, "version": "1.0.0", "keywords": keywords}})
    with Session.open(Settings(no_config=True, cache_dir=tmp_path / "peers"), tmp_path) as session:
        found = [item[2] for item in script.score_packages({NPM: ["one-text", "a-list"]}, session, 0.0)]
    assert found == [("modules", "stdlib"), ("modules", "util")]
