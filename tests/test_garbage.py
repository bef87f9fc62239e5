from __future__ import annotations

import gc

import pytest

from nerq_cli.garbage import pause_garbage_collection


@pytest.mark.parametrize("was_enabled", [True, False])
def test_the_search_is_off_meanwhile_and_as_before_after_it(*, was_enabled: bool) -> None:
    before = gc.isenabled()
    try:
        gc.enable() if was_enabled else gc.disable()
        with pause_garbage_collection():
            assert not gc.isenabled()
        assert gc.isenabled() is was_enabled
    finally:
        gc.enable() if before else gc.disable()
