"""The journal of a change of an object storage: what was broken off is taken back, and what was done stays."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import pytest

from blocks.errors import CommandFailed, ResourceError, Unreachable
from blocks.storage import ObjectStorage
from blocks.tree import file
from tests.servers.swift import Swift
from tests.storage.killed import killed_at
from tests.storage.object_storages import PROTOCOLS, raw_keys, uploads, with_settings
from tests.storage_contract import picture

WHILE_IT_APPEARS = {"s3": "7", "swift": "8"}  # the change at which one file is seen, and the other not
BEFORE_EITHER_APPEARS = {"s3": "6", "swift": "7"}  # the files are sent by two threads, of which either may be first
WHILE_IT_REPLACES = {"s3": "10", "swift": "11"}  # the same, where another one made room for them


@pytest.fixture(params=PROTOCOLS)
def storage(request: pytest.FixtureRequest, swift: Swift) -> Iterator[ObjectStorage]:
    storage = PROTOCOLS[request.param](swift)
    yield storage
    storage.close()


@pytest.mark.parametrize("place", ["results", "results/1/deep"])
def test_what_a_killed_process_was_writing_does_not_undo_what_is_written_above_or_below_it_later(
    storage: ObjectStorage, swift: Swift, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    killed_at(storage, swift, WHILE_IT_APPEARS[storage.protocol])

    storage.store(place, [file("1/deep/later", b"later"), file("other", b"")])
    assert storage.read(f"{place}/1/deep/later") == b"later"
    monkeypatch.setattr("blocks.storage.object_journal.ABANDONED", 0)
    storage.write("elsewhere", b"")
    assert storage.read(f"{place}/1/deep/later") == b"later"
    assert [key for key in raw_keys(storage, swift) if ".chiminey" in key] == []


@pytest.mark.parametrize("fault", [Unreachable("the store is away"), CommandFailed("no permission")])
def test_copies_that_can_not_be_removed_fail_nothing_and_go_with_the_next_landing(
    storage: ObjectStorage, swift: Swift, monkeypatch: pytest.MonkeyPatch, fault: ResourceError
) -> None:
    def refuse(delete: Callable[[], None], is_journal: bool) -> None:
        if not is_journal:
            raise fault
        delete()

    storage.store("t", [file("old", b"old"), file("both", b"old")])
    with monkeypatch.context() as broken:
        after_the_journal(storage, broken, refuse)
        storage.store("t", [file("both", b"new"), file("new", b"new")])
    assert {entry.path: entry.content for entry in storage.tree("t")} == {"both": b"new", "new": b"new"}
    assert [key for key in raw_keys(storage, swift) if ".chiminey" in key]

    storage.store("t", [file("last", b"")])
    assert storage.list("t") == ["last"]
    assert [key for key in raw_keys(storage, swift) if ".chiminey" in key] == []


@pytest.mark.parametrize("of_the_journal", [True, False])
@pytest.mark.parametrize("fault", [Unreachable("the answer was lost"), KeyboardInterrupt()])
def test_nothing_is_taken_back_once_the_journal_is_gone(
    storage: ObjectStorage, swift: Swift, monkeypatch: pytest.MonkeyPatch, fault: BaseException, of_the_journal: bool
) -> None:
    faults = iter([fault])

    def fail_once(delete: Callable[[], None], is_journal: bool) -> None:
        delete()
        if is_journal is of_the_journal:
            for each in faults:
                raise each

    storage.store("t", [file("old", b"old"), file("both", b"old")])
    with monkeypatch.context() as broken, suppress(Unreachable, KeyboardInterrupt):
        after_the_journal(storage, broken, fail_once)
        storage.store("t", [file("both", b"new"), file("new", b"new")])
    assert {entry.path: entry.content for entry in storage.tree("t")} == {"both": b"new", "new": b"new"}
    storage.store("t", [file("last", b"")])
    assert [key for key in raw_keys(storage, swift) if ".chiminey" in key] == []


def after_the_journal(
    storage: ObjectStorage, broken: pytest.MonkeyPatch, act: Callable[[Callable[[], None], bool], None]
) -> None:
    """Have ``act`` do what deletes a journal, and each deletion after it; it is told whether it is the journal's."""
    store = type(storage.object_store(storage.bucket))
    delete = store.delete
    is_over = False

    def deleting(self: Any, objects: Any) -> None:
        nonlocal is_over
        is_journal = any(each.key.endswith("/journal") for each in objects)
        is_over = is_over or is_journal
        if is_over:
            act(partial(delete, self, objects), is_journal)
        else:
            delete(self, objects)

    broken.setattr(store, "delete", deleting)


def test_what_a_killed_process_was_writing_is_taken_back_from_all_of_a_folder(storage: ObjectStorage, swift: Swift) -> None:
    storage.collect("results", [file("1/old", b"old")])
    killed_at(storage, swift, WHILE_IT_REPLACES[storage.protocol])
    successor = with_settings(storage)

    successor.recover("another")
    assert [key for key in raw_keys(storage, swift) if ".chiminey" in key]
    successor.recover("results")
    assert picture(storage.tree("results")).keys() == {"1", "1/old"}
    assert [key for key in raw_keys(storage, swift) if ".chiminey" in key] == []
    assert uploads(storage, swift) == []


def test_a_clock_of_this_machine_that_is_wrong_makes_nobody_seem_dead(
    storage: ObjectStorage, swift: Swift, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed_at(storage, swift, BEFORE_EITHER_APPEARS[storage.protocol])
    right = time.time
    monkeypatch.setattr(time, "time", lambda: right() + 7200)
    with_settings(storage).write("elsewhere", b"")
    assert [key for key in raw_keys(storage, swift) if key.endswith("/journal")]
    assert uploads(storage, swift)


def test_a_change_that_waits_for_one_large_file_is_seen_to_go_on(storage: ObjectStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blocks.storage.object_journal._REWRITTEN", 0.2)
    monkeypatch.setattr("blocks.storage.team.PAUSE", 0.1)
    store = type(storage.object_store(storage.bucket))
    put = store.put
    signs = threading.Semaphore(0)
    seen: list[bool] = []

    def putting(self: Any, key: str, content: bytes, metadata: Any) -> None:
        if key.endswith("/large"):
            seen.extend(signs.acquire(timeout=250) for _ in range(4))
        put(self, key, content, metadata)
        if key.endswith("/journal"):
            signs.release()

    monkeypatch.setattr(store, "put", putting)
    storage.store("t", [file("large", b""), file("small", b"")])
    assert seen == [True] * 4


def test_what_is_taken_back_is_seen_to_be_at_work(storage: ObjectStorage, swift: Swift, monkeypatch: pytest.MonkeyPatch) -> None:
    storage.collect("results", [file("1/old", b"old")])
    killed_at(storage, swift, WHILE_IT_REPLACES[storage.protocol])
    signs: list[str] = []
    store = type(storage.object_store(storage.bucket))
    put, copy = store.put, store.copy

    def copying(self: Any, source: Any, target: str) -> None:
        assert signs
        copy(self, source, target)

    monkeypatch.setattr(store, "put", lambda self, key, *given: (signs.append(key), put(self, key, *given)))
    monkeypatch.setattr(store, "copy", copying)
    with_settings(storage).recover("results")
    assert storage.read("results/1/old") == b"old"
