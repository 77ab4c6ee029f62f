"""The machines of a run: those of its hosts that are made for it, and have to be let go.

What is about to be asked for is in the ledger before it is, so that whoever goes on with the run finds it again.
"""

from __future__ import annotations

import getpass
import os
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from blocks.countdown import Countdown
from blocks.errors import ChimineyError, LeaseLost, ResourceError
from blocks.host import Host
from blocks.label import RunLabel
from flows.allowance import Allowance

if TYPE_CHECKING:
    from flows.run import Run

_NAME = "machine-"
_LOOK = 0.2  # seconds


class Machines:
    """The machines of one run in the hands of its controller."""

    def __init__(self, run: Run) -> None:
        self.allowance = Allowance()
        self._run = run
        self._in_hand: set[str] = set()  # hosts that a thread is bringing up
        self._left = threading.Condition()

    @cached_property
    def label(self) -> RunLabel:
        """What is written on everything that is made for the run."""
        run = self._run
        return RunLabel(run.id, run.name, run.connector.name, _person(), run.ledger.installation, run.created)

    def numbered(self, hosts: Iterable[Host]) -> list[Host]:
        """New hosts with ids that the run has never used, written down as wanted."""
        used = (record.id for record in self._run.ledger.hosts(self._run.id) if record.id.startswith(_NAME))
        last = max((int(each.removeprefix(_NAME)) for each in used), default=0)
        named = [replace(host, id=f"{_NAME}{number}") for number, host in enumerate(hosts, last + 1)]
        for host in named:
            self._run.lease.host(host, "wanted")
        return named

    def bring_up(self, host: Host, stopped: Callable[[], bool], set_up: Callable[[Host], None] = lambda _: None) -> Host:
        """Make a host that was written down, unless it is made; see it ready and set up. May be repeated.

        One that does not come up is released; when ``stopped``, it is left as it is, for whoever wants it or ends the run.

        Raises:
            ChimineyError: it did not come up, in the provider's words or its own.
        """
        with self._held(host):
            try:
                if not host.address:
                    host = self._run.compute.make(host, self.label)
                    self._run.lease.host(host, "wanted")
                    host = self._run.compute.ready(host, self.label, stopped)
                facts = self._run.session(host).probe()
                set_up(host)
            except LeaseLost:
                raise
            except ChimineyError as error:
                if not stopped():
                    self.release(host, str(error))
                raise
            if stopped():  # those who wait now may have other inputs for it
                raise ResourceError(f"nobody waits for {host.id} any more")
            return self._run.admit(host, facts)

    def release(self, host: Host, why: str) -> None:
        """Let one go before the run ends. One that the provider does not let go is left to the end of the run, or the reaper."""
        self._run.lease.host(host, "lost", why)  # before it is, so that nobody gives it work any more
        try:
            self._run.compute.release(host, self._run.id)
        except ResourceError as error:
            self._run.lease.host(host, "failed", f"{why}; not released: {error}")
            self._run.say("warning", f"{host.id} could not be released, the end of the run or 'chiminey reap' will: {error}")
        else:
            self._run.lease.host(host, "released", why)

    def settled(self, seconds: float) -> bool:
        """Wait for threads that still ask for machines, but not longer than so many seconds; whether none is left."""
        countdown = Countdown(seconds)
        with self._left:
            while self._in_hand and (left := countdown.left):
                self._left.wait(min(_LOOK, left))
            return not self._in_hand

    @contextmanager
    def _held(self, host: Host) -> Generator[None]:
        """One thread at a time brings a host up: that of an iteration before may not have left it yet."""
        with self._left:
            self._left.wait_for(lambda: host.id not in self._in_hand)
            self._in_hand.add(host.id)
        try:
            yield
        finally:
            with self._left:
                self._in_hand.discard(host.id)
                self._left.notify_all()


def _person() -> str:
    """Who runs this, by name where there is one."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may have a user without a name
        return str(os.getuid())
