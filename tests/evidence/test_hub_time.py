"""How long 100 models take, and how many requests they take of the Hub's anonymous limit."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from nerq_cli.evidence.hub_lookup import HubLookup
from nerq_cli.facts import Found
from nerq_cli.fetch.run import FetchRun
from nerq_cli.inventory import Package
from nerq_cli.sources.endpoints import read_endpoints
from tests.sources.huggingface.conftest import QUOTAS, HubStandIn

if TYPE_CHECKING:
    from tests.conftest import Site

COUNT = 100


def test_a_hundred_models_of_a_hundred_users_are_within_the_limit_and_quick(
    open_run: Callable[..., FetchRun], site: Site
) -> None:
    hub = HubStandIn(site)
    hub.delay = 0.1
    for number in range(COUNT):
        name = f"user{number}/model"
        hub.add_model(name, cardData={"license": "mit", "base_model": f"user{number}/base"})
        hub.add_model(f"user{number}/base")
        hub.users[f"user{number}"] = {"user": f"user{number}"}
    targets = [(Package(ecosystem="huggingface", name=f"user{number}/model"), "") for number in range(COUNT)]
    started_at = time.monotonic()
    evidence = HubLookup(open_run(deadline_seconds=30.0), read_endpoints({"HF_ENDPOINT": hub.url})).collect(targets)
    seconds = time.monotonic() - started_at
    assert all(isinstance(one.repository, Found) for one in evidence.values())
    assert all(isinstance(one.card, Found) and isinstance(one.owner, Found) for one in evidence.values())
    assert all(isinstance(fact, Found) for one in evidence.values() for fact in one.bases.values())
    assert hub.counts == {"api": 4 * COUNT, "resolvers": COUNT}
    assert hub.counts["api"] <= QUOTAS["api"]
    assert seconds < 8
