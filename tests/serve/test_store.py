from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from nerq_cli.application.session import Session, read_clock
from nerq_cli.application.settings import Settings
from nerq_cli.serve.answers import SOURCE
from nerq_cli.serve.service import Service, ServiceSettings
from nerq_cli.store import Row, Store
from nerq_cli.store.service_store import ServiceStore, open_service_store
from tests.cli.conftest import AS_OF, Registry
from tests.serve.conftest import Start

#: A moment long after this.
LATER = 2**40


@pytest.fixture
def store(tmp_path: Path) -> ServiceStore:
    """A store in a directory that is not that of the cache."""
    return open_service_store(str(tmp_path / "store"), now=1)


def test_responses_answers_and_history_are_in_the_store(
    start_service: Start, store: ServiceStore, registry: Registry, tmp_path: Path
) -> None:
    registry.pypi("demo", "1.0")
    settings = ServiceSettings(run=Settings(as_of=AS_OF))
    reply = start_service(Service(settings, store)).get("/v1/preflight", target="pypi:demo")
    assert reply.status == 200
    cache = store.open_cache()
    rows = cache.get_info().rows
    cache.close()
    assert rows["preflight"] == 1
    assert rows["pypi-json"] >= 1
    assert not list((tmp_path / "cache").glob("facts*"))


def test_a_second_service_on_the_store_asks_nothing(
    start_service: Start, store: ServiceStore, registry: Registry
) -> None:
    registry.pypi("demo", "1.0")
    settings = ServiceSettings(run=Settings(as_of=AS_OF))
    first = start_service(Service(settings, store)).get("/v1/preflight", target="pypi:demo")
    asked = len(registry.paths)
    assert start_service(Service(settings, store)).get("/v1/preflight", target="pypi:demo").body == first.body
    assert len(registry.paths) == asked


@pytest.mark.parametrize("is_shared", [False, True])
def test_old_rows_are_deleted_at_the_start(store: ServiceStore, *, is_shared: bool) -> None:
    now = read_clock()
    cache = store.open_cache()
    cache.put_many(SOURCE, "scope", {"old": Row(b"", 1, now - 10), "new": Row(b"", 1, LATER)})
    cache.put_many("pypi-json", "scope", {"old": Row(b"", 1, 2), "new": Row(b"", 1, now - 10)})

    async def run() -> None:
        service = Service(ServiceSettings(), store._replace(is_shared=is_shared))
        service.start()
        await service.close()

    asyncio.run(run())
    assert cache.get_many(SOURCE, "scope", ["old", "new"]).keys() == {"new"}
    # nerq cache prune deletes responses in a directory.
    assert cache.get_many("pypi-json", "scope", ["old", "new"]).keys() == ({"new"} if is_shared else {"old", "new"})
    cache.close()


def test_problems_of_a_store_are_not_told_to_clients(tmp_path: Path) -> None:
    class Broken(Store):
        @property
        def problem(self) -> str:
            return "cannot connect to the store postgresql://secret.example/nerq"

    def open_broken() -> Any:
        return Broken.open(tmp_path, now=1)

    with Session.open(Settings(), tmp_path) as session:
        session.open_cache = open_broken
        assert session.store.problem
        assert session.warnings == ()
