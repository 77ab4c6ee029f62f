"""Setting a host up: the payload and the inputs are sent to it, and ``bootstrap.sh`` is run there once.

Where runs share a payload, as on a cluster, it is the first of them that sends it and sets it up, for all that come after.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from blocks.errors import CommandFailed, QueueFull, RunFailed, Unreachable
from blocks.host import Host
from blocks.host_session import HostSession, SharedPayload
from blocks.remote.scripts import BOOTSTRAP
from blocks.selection import Selection
from blocks.work import Batch, TaskEnd, TaskOrder
from flows import digest, payload
from flows.run import Run
from flows.state import RunState
from flows.suspicion import Suspicion

Answer = TypeVar("Answer")

_PROGRAM = """cd ../../../payload || exit
[ -f bootstrap.sh ] || exit 0
if command -v bash >/dev/null 2>&1; then exec bash bootstrap.sh; else exec sh bootstrap.sh; fi
"""
_CHANCES = 3  # to set up what is shared, where another run may fail at it and take it away


def set_up(run: Run, state: RunState, host: Host, check: Callable[[], None]) -> None:
    """Make a host ready for the tasks of the current iteration; ``check``, asked while it waits, raises what ends that.

    Raises:
        RunFailed: ``bootstrap.sh`` ended with an error; ResourceError: of the host.
    """
    folder = run.connector.payload_folder
    session = run.session(host)
    shared = None if folder is None or run.light_program else session.shared(digest.of_tree(payload.tree(folder)))
    check()
    if shared is None:
        run.deliver(host, state, payload.tree(folder))
        if payload.has_bootstrap(folder):
            _Bootstrap(run, session, host, check).run()
    else:
        _share(run, shared, host, check)
        check()
        run.deliver(host, state, [shared.link])


def _share(run: Run, shared: SharedPayload, host: Host, check: Callable[[], None]) -> None:
    """Have the payload ready in the place that it has for all runs, by whichever run."""
    for chance in range(_CHANCES):
        check()
        try:
            if not shared.is_there():
                shared.deliver(payload.tree(run.connector.payload_folder))
            _Bootstrap(run, shared, host, check).run()
            break
        except RunFailed:
            with suppress(Unreachable):  # then the next run sees it fail as well, before one tries again
                shared.clean()
            raise
        except CommandFailed:
            shared.clean()
            if chance + 1 == _CHANCES:
                raise


class _Bootstrap:
    """One execution of ``bootstrap.sh``."""

    def __init__(self, run: Run, session: HostSession, host: Host, check: Callable[[], None]) -> None:
        self._run = run
        self._session = session
        self._host = host
        self._check = check
        self._suspicion = Suspicion(run.compute, host, run.id)

    def run(self) -> None:
        """From its submission to its end. Raises RunFailed when that is a bad one."""
        order = TaskOrder(0, 1, -1, program=_PROGRAM)
        job = self._run.request.job.over(self._run.connector.job)
        self._submit(Batch(BOOTSTRAP, 0, (order,), name=f"{self._run.connector.name}-bootstrap", job=job))
        end = self._await()
        if end.exit_code != 0:
            how = f"with exit code {end.exit_code}" if end.exit_code is not None else f"({end.words})"
            raise RunFailed(f"bootstrap.sh failed on {self._host.address} {how}: {_printed(self._session)}")

    def _submit(self, batch: Batch) -> None:
        """Begin it, as soon as there is room for it where it has to queue."""
        began = time.monotonic()
        told = False
        while True:
            self._check()
            try:
                self._asked(lambda: self._session.submit(batch, 1))
                break
            except QueueFull as error:
                if not told:
                    self._run.say("warning", f"bootstrap.sh waits: {error}")
                told = True
            self._pause(began)

    def _await(self) -> TaskEnd:
        began = time.monotonic()
        while True:
            (status,) = self._asked(lambda: self._session.status([BOOTSTRAP]))
            if status.ends:
                return status.ends[0]
            if not status.alive:
                raise CommandFailed(f"{self._host.address}: bootstrap.sh vanished; was the host restarted?")
            self._pause(began)

    def _asked(self, ask: Callable[[], Answer]) -> Answer:
        """What the host answers, if need be later: bootstrap.sh goes on without the connection."""
        while True:
            try:
                answer = ask()
            except Unreachable as error:
                self._bear(error)
            else:
                self._suspicion.clear()
                return answer

    def _bear(self, error: Unreachable) -> None:
        if self._suspicion.is_new:
            self._run.say("warning", f"host {self._host.address} does not answer, trying again: {error}")
        if words := self._suspicion.verdict(error):
            raise RunFailed(f"host {self._host.address} was lost while it was set up: {words}") from error
        self._rest(self._suspicion.pause())

    def _pause(self, began: float) -> None:
        """In steps short enough for a cancel."""
        elapsed = time.monotonic() - began
        self._rest(self._run.compute.pause(elapsed, elapsed))

    def _rest(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._check()
            time.sleep(min(0.5, left))


def _printed(session: HostSession) -> str:
    """What explains the failure: standard error, or else standard output."""
    printed = {
        entry.path: b"".join(entry.blocks()) for _, entry in session.fetch(BOOTSTRAP, [0], Selection()) if entry.kind == "file"
    }
    text = printed.get("stderr") or printed.get("stdout") or b"it printed nothing"
    return text.decode("utf-8", "replace").strip()[-1000:]
