from __future__ import annotations

import threading

from nerq_cli.store.claims import LocalClaims


def test_a_key_is_of_one_worker_at_a_time() -> None:
    claims = LocalClaims()
    assert claims.claim(["a", "b"]) == {"a", "b"}
    assert claims.claim(["b", "c"]) == {"c"}
    assert claims.wait(["a", "b"], 0.01) is False
    claims.release(["a"])
    assert claims.wait(["a", "b"], 0.01) is True
    assert claims.claim(["a", "b"]) == {"a"}


def test_a_worker_waits_until_another_releases() -> None:
    claims = LocalClaims()
    claims.claim(["a"])
    timer = threading.Timer(0.05, claims.release, (["a"],))
    timer.start()
    assert claims.wait(["a"], 20) is True
    timer.join()


def test_closing_releases_everything() -> None:
    claims = LocalClaims()
    claims.claim(["a"])
    claims.close()
    assert claims.wait(["a"], 0) is True
    assert claims.problem == ""
