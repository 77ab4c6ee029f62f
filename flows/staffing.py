"""As many machines as the rest of an iteration's tasks takes: in the place of lost ones, or for more tasks than there were.

Only where hosts are made: of others there are as many as there are. Everything that waits for a provider or a machine does so in
a thread of its own, which is left behind when the iteration is over.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from math import inf
from typing import TypeVar

from blocks.errors import ChimineyError, LeaseLost, ResourceError
from blocks.host import Host
from flows import host_setup
from flows.dispatch import Dispatch
from flows.ledger import HostRecord
from flows.run import Run
from flows.state import RunState

Answer = TypeVar("Answer")

_CHANCES = 5  # of the provider, to say how many hosts there may be
_LONGEST_PAUSE = 60.0  # seconds between two attempts to make a machine where none is at work


class Staffing:
    """The machines to come of one iteration. Only the thread that looks after the crew uses it."""

    def __init__(self, run: Run, state: RunState, dispatch: Dispatch, hosts: Sequence[Host]) -> None:
        self.trouble = ""  # why there is no machine, in the words of the last that failed
        self._run = run
        self._state = state
        self._dispatch = dispatch
        self._stopped = threading.Event()
        self._elastic = True  # until the resource says that its hosts are there already
        self._review: Future[list[Host]] | None = None
        self._making: dict[Host, Future[Host]] = {}
        self._releasing: list[Future[None]] = []
        self._lost = 0  # hosts, when it was last seen whether any is missing
        self._failures = 0  # in a row
        self._again_at = inf  # when that is to be seen once more
        if dispatch.open > run.machines.allowance.tasks or len(hosts) < run.machines.allowance.most:
            self._again_at = 0.0
            dispatch.coming = int(any(host.is_machine for host in hosts))  # so that what is there does not take all

    def start(self, wanted: Iterable[Host], gone: Iterable[HostRecord]) -> None:
        """Go on with what a controller, or an iteration, before has left: machines that were wanted, and those that are lost."""
        for host in wanted:
            self._make(host)
        self._releasing += [
            _begun(lambda left=record: self._run.machines.release(left.host, left.note))
            for record in gone
            if record.host.is_machine
        ]

    def newcomers(self) -> list[Host]:
        """Machines that have come up and are set up since it was last asked; sees to it that missing ones are made."""
        for future in self._releasing:
            if future.done():
                future.result()
        arrived = [host for made in self._made() for host in self._came(made)]
        if self._review is not None and self._review.done():
            self._conclude(self._review)
        if self._review is None and self._is_due():
            self._lost, self._again_at = self._dispatch.lost_hosts, inf
            tasks = self._dispatch.open
            self._review = _begun(lambda: self._run.compute.hosts_for(tasks))
        if self._review is None:
            self._dispatch.coming = len(self._making)
        return arrived

    def is_hopeful(self) -> bool:
        """Whether another machine may come."""
        return bool(self._making) or (self._elastic and (self._review is not None or self._is_due() or self._again_at < inf))

    def stop(self) -> None:
        """Make no more; a machine that is not ready yet stays for whoever wants it, or for the end of the run."""
        self._stopped.set()
        self._run.machines.allowance.left += self._dispatch.idle_hosts

    def _is_due(self) -> bool:
        return self._elastic and (self._dispatch.lost_hosts != self._lost or time.monotonic() >= self._again_at)

    def _conclude(self, review: Future[list[Host]]) -> None:
        self._review = None
        try:
            hosts = review.result()
        except ResourceError as error:
            self._failed(f"nobody can say whether machines can be made: {error}")
            return
        new = [host for host in hosts if not host.address]
        self._elastic = bool(new)
        present = self._dispatch.hosts + len(self._making)
        retry = self._run.request.reliability.maximum_retry
        granted = self._run.machines.allowance.grant(self._dispatch.open, len(hosts), present, retry) if new else 0
        asked = self._run.machines.numbered(new[:granted])
        if asked:
            self._run.say("info", f"{' and '.join(host.id for host in asked)} {'is' if len(asked) == 1 else 'are'} being made")
        for host in asked:
            self._make(host)

    def _make(self, host: Host) -> None:
        self._making[host] = _begun(lambda: self._run.machines.bring_up(host, self._stopped.is_set, self._set_up))

    def _set_up(self, host: Host) -> None:
        host_setup.set_up(self._run, self._state, host, self._check)

    def _check(self) -> None:
        if self._stopped.is_set():
            raise ResourceError("nobody waits for this host any more")

    def _made(self) -> list[Host]:
        return [host for host, future in self._making.items() if future.done()]

    def _came(self, host: Host) -> list[Host]:
        """The machine; none when it did not come up, which is told."""
        try:
            arrived = self._making.pop(host).result()
        except LeaseLost:
            raise
        except ChimineyError as error:
            self._failed(f"{host.id} could not be made: {error}")
            return []
        self._failures = 0
        return [arrived]

    def _failed(self, trouble: str) -> None:
        """What is missing is missed only where nobody is left at work; else until another host is lost."""
        self.trouble = trouble
        self._run.say("warning", trouble)
        self._failures += 1
        if not self._dispatch.hosts and not self._making and self._failures <= _CHANCES:
            self._again_at = time.monotonic() + min(_LONGEST_PAUSE, 2.0**self._failures)


def _begun(act: Callable[[], Answer]) -> Future[Answer]:
    """Do something in a thread that nothing waits for at the end of the process."""
    future: Future[Answer] = Future()

    def work() -> None:
        try:
            future.set_result(act())
        except BaseException as error:  # noqa: BLE001 -- whoever asks for the result raises it
            future.set_exception(error)

    threading.Thread(target=work, name="staffing", daemon=True).start()
    return future
