"""Bootstrap: the payload and the inputs are sent to every host, and ``bootstrap.sh`` is run there once.

Where runs share a payload, as on a cluster, it is the first of them that sends it and sets it up, for all that come after.
"""

from __future__ import annotations

import time
from itertools import chain

from blocks.compute.resource import HostSession, SharedPayload
from blocks.errors import ChimineyError, CommandFailed, QueueFull, RunFailed
from blocks.host import Host
from blocks.work import Batch, TaskEnd, TaskOrder
from flows import digest, payload
from flows.run import Run, on_all
from flows.stages.stage import Stage
from flows.state import RunState

_BATCH = "bootstrap"
_PROGRAM = """cd ../../../payload || exit
[ -f bootstrap.sh ] || exit 0
if command -v bash >/dev/null 2>&1; then exec bash bootstrap.sh; else exec sh bootstrap.sh; fi
"""
_CHANCES = 3  # to set up what is shared, where another run may fail at it and take it away


class Bootstrap(Stage):
    """Sets up the hosts."""

    name = "bootstrap"

    def is_triggered(self, state: RunState) -> bool:
        return state.created and not state.bootstrapped and state.ending is None

    def process(self, run: Run, state: RunState) -> None:
        hosts = run.hosts("ready")
        answers = on_all(hosts, lambda host: self._set_up(run, state, host), run.control.check)
        failed = {host: answer for host, answer in answers.items() if isinstance(answer, ChimineyError)}
        if len(failed) == len(hosts):
            raise next(iter(failed.values()))
        for host, error in failed.items():
            run.lease.host(host, "failed", str(error))
            run.say("warning", f"host {host.address} is left out: {error}")

    def output(self, state: RunState) -> RunState:
        return state.model_copy(update={"bootstrapped": True})

    def _set_up(self, run: Run, state: RunState, host: Host) -> None:
        session = run.session(host)
        folder = run.connector.payload_folder
        shared = None if folder is None or run.light_program else session.shared(digest.of_tree(payload.tree(folder)))
        if shared is None:
            session.deliver(chain(payload.tree(folder), run.inputs(state)))
            if payload.has_bootstrap(folder):
                self._bootstrap(run, session, host)
        else:
            self._share(run, shared, host)
            session.deliver(chain([shared.link], run.inputs(state)))

    def _share(self, run: Run, shared: SharedPayload, host: Host) -> None:
        """Have the payload ready in the place that it has for all runs, by whichever run."""
        for chance in range(_CHANCES):
            if not shared.is_there():
                shared.deliver(payload.tree(run.connector.payload_folder))
            try:
                self._bootstrap(run, shared, host)
                break
            except RunFailed:
                shared.clean()  # so that the next run tries again
                raise
            except CommandFailed:
                shared.clean()
                if chance + 1 == _CHANCES:
                    raise

    def _bootstrap(self, run: Run, session: HostSession, host: Host) -> None:
        order = TaskOrder(0, 1, -1, program=_PROGRAM)
        job = run.request.job.over(run.connector.job)
        self._submit(run, session, Batch(_BATCH, 0, (order,), name=f"{run.connector.name}-bootstrap", job=job))
        end = self._await(run, session, host)
        if end.exit_code != 0:
            how = f"with exit code {end.exit_code}" if end.exit_code is not None else f"({end.words})"
            raise RunFailed(f"bootstrap.sh failed on {host.address} {how}: {_printed(session)}")

    def _submit(self, run: Run, session: HostSession, batch: Batch) -> None:
        """Begin it, as soon as there is room for it where it has to queue."""
        began = time.monotonic()
        told = False
        while True:
            try:
                session.submit(batch, 1)
                break
            except QueueFull as error:
                if not told:
                    run.say("warning", f"bootstrap.sh waits: {error}")
                told = True
            elapsed = time.monotonic() - began
            self._sleep(run, run.compute.pause(elapsed, elapsed))

    def _await(self, run: Run, session: HostSession, host: Host) -> TaskEnd:
        began = time.monotonic()
        while True:
            (status,) = session.status([_BATCH])
            if status.ends:
                return status.ends[0]
            if not status.alive:
                raise CommandFailed(f"{host.address}: bootstrap.sh vanished; was the host restarted?")
            elapsed = time.monotonic() - began
            self._sleep(run, run.compute.pause(elapsed, elapsed))

    def _sleep(self, run: Run, seconds: float) -> None:
        """In steps short enough for a cancel."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            run.control.check()
            time.sleep(min(0.5, left))


def _printed(session: HostSession) -> str:
    """What explains the failure: standard error, or else standard output."""
    printed = {entry.path: b"".join(entry.blocks()) for _, entry in session.fetch(_BATCH, [0]) if entry.kind == "file"}
    text = printed.get("stderr") or printed.get("stdout") or b"it printed nothing"
    return text.decode("utf-8", "replace").strip()[-1000:]
