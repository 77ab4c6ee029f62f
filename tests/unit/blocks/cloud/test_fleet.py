"""The end of a run's machines, at providers that take their time."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import pytest
from pydantic import SecretStr

from blocks.cloud import fleet
from blocks.cloud.fleet import Fleet, Terms
from blocks.cloud.machine import Machine, Wish
from blocks.host import Host


class Slow:
    """A provider of two machines that are there for so many looks after they were ended."""

    name = "Slow"

    def __init__(self, looks: int) -> None:
        self.ended: Counter[str] = Counter()
        self.looked = 0
        self._looks = looks

    def machines(self, run: str) -> list[Machine]:
        self._looks -= 1
        self.looked += 1
        return [Machine(id, run, f"machine-{id}", "failed") for id in ("i-1", "i-2")] if self._looks >= 0 else []

    def end(self, machine: Machine) -> bool:
        self.ended[machine.id] += 1
        return True

    def remove_rest(self, _run: str) -> list[str]:
        return []


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet, "POLL_SECONDS", 0.04)


def of(provider: Any) -> Fleet:
    terms = Terms(Wish("image", "size"), "root", (), None, (), "", 60.0, 0, 60.0, SecretStr("seed"))
    return Fleet("1f2e", provider, terms)


HOSTS = [Host("machine-i-1", "", 1, machine="i-1"), Host("machine-i-2", "", 1, machine="i-2")]


def test_a_machine_that_takes_long_to_go_is_ended_once() -> None:
    provider = Slow(looks=20)
    ending = of(provider)

    ending.release(HOSTS[0])
    ending.destroy(HOSTS)

    assert provider.ended == {"i-1": 1, "i-2": 1}


def test_it_is_ended_again_when_it_does_not_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet, "END_AGAIN_SECONDS", 0.1)
    provider = Slow(looks=30)

    began = time.monotonic()
    of(provider).destroy(HOSTS)
    took = time.monotonic() - began

    assert 2 <= provider.ended["i-1"] <= 2 + took / 0.1


class Late(Slow):
    """One that knows of its machines only some looks after it had answered that it made them, as Amazon's may."""

    def __init__(self, looks: int) -> None:
        super().__init__(looks)
        self._there: list[str] = []
        self._left = {"i-1", "i-2"}

    def machines(self, run: str) -> list[Machine]:
        self._looks -= 1
        self.looked += 1
        return [Machine(id, run, f"machine-{id}", "running") for id in sorted(self._left)] if self._looks < 0 else []

    def end(self, machine: Machine) -> bool:
        if self._looks >= 0:
            return False
        self._left.discard(machine.id)
        return super().end(machine)


def test_a_machine_that_its_provider_does_not_know_yet_is_ended_when_it_does() -> None:
    provider = Late(looks=5)

    of(provider).destroy(HOSTS)

    assert provider.ended == {"i-1": 1, "i-2": 1}


def test_machines_that_are_gone_for_good_are_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet, "UNSURE_SECONDS", 1.0)
    provider = Late(looks=10_000)

    of(provider).destroy(HOSTS)

    assert not provider.ended
    assert 1 < provider.looked < 100
