"""Resources that several use at once: who lets go of one takes nothing from the others."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from blocks.storage import LocalStorage


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> list[LocalStorage]:
    """The storages that were closed, as often as they were."""
    closed = list[LocalStorage]()

    def close(storage: LocalStorage) -> None:
        closed.append(storage)

    monkeypatch.setattr(LocalStorage, "close", close)
    return closed


def test_connections_are_closed_when_the_last_lets_go(closed: list[LocalStorage]) -> None:
    storage, first, second = LocalStorage(path="/here"), ExitStack(), ExitStack()
    first.enter_context(storage.held())
    second.enter_context(storage.held())
    first.close()
    assert closed == []
    second.close()
    assert closed == [storage]


def test_it_can_be_held_again_afterwards(closed: list[LocalStorage]) -> None:
    storage = LocalStorage(path="/here")
    for _ in range(2):
        with storage.held():
            pass
    assert closed == [storage, storage]


def test_an_equal_resource_has_connections_of_its_own(closed: list[LocalStorage]) -> None:
    storage, equal = LocalStorage(path="/here"), LocalStorage(path="/here")
    with storage.held():
        with equal.held():
            pass
        assert [each is equal for each in closed] == [True]


def test_who_fails_lets_go_too(closed: list[LocalStorage]) -> None:
    storage = LocalStorage(path="/here")
    with pytest.raises(ValueError, match="no"), storage.held():
        raise ValueError("no")
    assert closed == [storage]
