from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from nerq_cli.serve import shared_work
from nerq_cli.serve.shared_work import divide_work, hold_names, name_claim
from nerq_cli.store.claims import LocalClaims


class Worker:
    """Makes results, and stores them where all workers read."""

    def __init__(self, stored: dict[str, str], claims: LocalClaims) -> None:
        self._stored = stored
        self.claims = claims
        self.made: list[str] = []
        #: Set when it makes something; it goes on when the other one is.
        self.entered = threading.Event()
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    def find(self, *subjects: str) -> dict[str, str]:
        """Return the result for each subject, whose name is the part before ``@``."""
        names = {subject: subject.partition("@")[0] for subject in subjects}
        return divide_work(names, self.claims, self.read, self.make)

    def read(self, subjects: Sequence[str]) -> dict[str, str]:
        return {subject: self._stored[subject] for subject in subjects if subject in self._stored}

    def make(self, subjects: Sequence[str]) -> dict[str, str]:
        self.entered.set()
        assert self.may_go_on.wait(20)
        self.made += subjects
        results = {subject: f"about {subject}" for subject in subjects if subject != "lost"}
        self._stored.update(results)
        return results


@pytest.fixture
def workers() -> tuple[Worker, Worker]:
    """Two workers on one store."""
    stored: dict[str, str] = {}
    claims = LocalClaims()
    return Worker(stored, claims), Worker(stored, claims)


def start(worker: Worker, *subjects: str) -> tuple[threading.Thread, dict[str, str]]:
    """Let a worker find results in a thread, up to the moment that it makes them."""
    results: dict[str, str] = {}
    worker.may_go_on.clear()
    thread = threading.Thread(target=lambda: results.update(worker.find(*subjects)))
    thread.start()
    assert worker.entered.wait(20)
    return thread, results


def test_a_worker_reads_what_another_one_made_meanwhile(workers: tuple[Worker, Worker]) -> None:
    first, second = workers
    thread, results = start(first, "a", "b")
    release = threading.Timer(0.2, first.may_go_on.set)
    release.start()
    assert second.find("b", "c") == {"b": "about b", "c": "about c"}
    thread.join()
    release.join()
    assert results == {"a": "about a", "b": "about b"}
    assert (sorted(first.made), second.made) == (["a", "b"], ["c"])


def test_the_versions_of_a_package_are_made_one_after_the_other(workers: tuple[Worker, Worker]) -> None:
    first, second = workers
    thread, _ = start(first, "a@1")
    other = threading.Thread(target=second.find, args=("A@2",))
    other.start()
    assert not second.entered.wait(0.2)
    first.may_go_on.set()
    thread.join()
    other.join()
    assert (first.made, second.made) == (["a@1"], ["A@2"])


def test_what_is_not_stored_the_next_worker_makes_again(workers: tuple[Worker, Worker]) -> None:
    first, second = workers
    assert first.find("lost") == {}
    assert second.find("lost", "a") == {"a": "about a"}
    assert sorted(second.made) == ["a", "lost"]


def test_a_worker_that_fails_holds_nothing_any_more(workers: tuple[Worker, Worker]) -> None:
    first, second = workers

    def fail(_: Sequence[str]) -> dict[str, str]:
        raise ValueError("no space left")

    with pytest.raises(ValueError, match="no space left"):
        divide_work({"a": "a"}, first.claims, first.read, fail)
    assert second.find("a") == {"a": "about a"}


def test_a_worker_that_hangs_is_waited_for_only_so_long(
    workers: tuple[Worker, Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_work, "MAX_WAIT", 0.1)
    monkeypatch.setattr(shared_work, "_LOOK_INTERVAL", 0.05)
    first, second = workers
    thread, _ = start(first, "a")
    assert second.find("a") == {"a": "about a"}
    with hold_names(["a"], second.claims):
        assert second.made == ["a"]
    first.may_go_on.set()
    thread.join()


def test_names_are_held_while_a_document_is_made() -> None:
    claims = LocalClaims()
    with hold_names(["@scope/some_name", "other"], claims):
        assert claims.claim(["some-name", "other", "third"]) == {"third"}
    assert claims.claim(["some-name", "other"]) == {"some-name", "other"}


def test_a_document_waits_until_all_of_its_names_are_free() -> None:
    claims = LocalClaims()
    claims.claim(["b"])
    timer = threading.Timer(0.1, claims.release, (["b"],))
    timer.start()
    with hold_names(["a", "b"], claims):
        assert claims.claim(["a", "b"]) == set()
    timer.join()


@pytest.mark.parametrize(
    ("name", "key"),
    [("requests", "requests"), ("Some_Name.x", "some-name-x"), ("@scope/name", "name"), ("acme/Model-7B", "model-7b")],
)
def test_spellings_and_scopes_of_a_name_have_one_key(name: str, key: str) -> None:
    assert name_claim(name) == key
