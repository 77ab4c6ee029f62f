"""What looks after one host while tasks run: hands it work, hears of ends, brings outputs home, and notices when it is gone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from blocks.compute.resource import Watch
from blocks.errors import QueueFull, Refused, ResourceError, Unreachable
from blocks.host import Host
from blocks.work import Batch, Cause, TaskEnd
from flows.collection import Collection
from flows.dispatch import Dispatch
from flows.idleness import Idleness
from flows.ledger import PayloadTask
from flows.machines import is_machine
from flows.plan import Plan
from flows.run import Run
from flows.state import RunState
from flows.suspicion import Suspicion

Answer = TypeVar("Answer")

RECONCILE_SECONDS = 15.0  # how often the markers themselves are listed where ends are told


class HostWorker:
    """One host and its thread."""

    def __init__(self, run: Run, dispatch: Dispatch, plan: Plan, state: RunState, host: Host) -> None:
        self.host = host
        self.error: BaseException | None = None
        self._run = run
        self._dispatch = dispatch
        self._plan = plan
        self._iteration = state.iteration
        self._session = run.session(host)
        self._collection = Collection(run, dispatch, plan, state.iteration, self._session)
        is_last = state.iteration + 1 >= run.request.max_iterations
        self._idleness = Idleness(run.compute.idleness, is_last=is_last)
        self._watch: Watch | None = None
        self._ended: dict[int, TaskEnd] = {}
        self._host_error: ResourceError | None = None
        self._suspicion = Suspicion(run.compute, host, run.id)
        self._reconciled = 0.0 if dispatch.count(host) else time.monotonic()  # what another controller began has to be looked for
        self._collected = time.monotonic()
        self._began = time.monotonic()
        self._changed = self._began  # when it last had something new to tell
        self._unsubmitted: Batch | None = None  # that the host has not, or not all of it, as far as is known
        self._full = False  # its queue takes no more for the time being
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name=f"host {host.id}", daemon=True)

    def start(self) -> None:
        """Begin to look after the host."""
        self._thread.start()

    def stop(self) -> None:
        """Ask it to leave off; what runs on the host goes on."""
        self._stop.set()

    def hand_out(self) -> None:
        """Give the host its next chunk, when it will soon have nothing to do; one with a queue gets all there is."""
        if self._unsubmitted is not None:
            self._submit(self._unsubmitted)
        while self._unsubmitted is None and (not self.host.slots or self._left() < 2 * self.host.slots):
            taken = self._dispatch.take(self.host, self.host.slots)
            if taken is None:
                return
            self._submit(self._batch(*taken))

    def _work(self) -> None:
        try:
            while not self._stop.is_set() and not self._dispatch.is_over():
                if not self._guarded() or self._is_let_go():
                    return
        except BaseException as error:  # noqa: BLE001 -- the stage raises it
            self.error = error
        finally:
            if self._watch is not None:
                self._watch.close()

    def _guarded(self) -> bool:
        """One step; False when the host is lost."""
        try:
            self._step()
        except ResourceError as error:
            if error not in (self._host_error, self._collection.host_error):  # the output storage's, not the host's
                raise
            if isinstance(error, Unreachable):
                return self._suspect(error)
            self._give_up(error)
            return False
        self._suspicion.is_cleared()
        return True

    def _step(self) -> None:
        self._asked(self.hand_out)
        self._hear(self._asked(self._listen))
        if self._is_time_to_collect():
            self._collection.bring_home(self._ended.values())
            self._ended.clear()
            self._collected = time.monotonic()

    def _asked(self, act: Callable[[], Answer]) -> Answer:
        """Do something that talks to the host only, so that its errors are the host's."""
        try:
            return act()
        except ResourceError as error:
            self._host_error = error
            raise

    def _give_up(self, error: ResourceError) -> None:
        """The host answers, but can't go on (its disk is full): end what it still runs, so that nothing runs twice."""
        try:
            self._session.fence(list(self._dispatch.at_work(self.host)))
        except ResourceError as second:
            self._run.say("warning", f"host {self.host.address}: what it still runs could not be ended: {second}")
        self._lose(str(error))

    def _lose(self, reason: str) -> None:
        """The host is lost; a machine must not cost anything any more, nor come back."""
        self._dispatch.give_up(self.host, reason)
        if is_machine(self.host):
            self._run.machines.release(self.host, f"lost: {reason}")

    def _is_let_go(self) -> bool:
        """Whether the host is released, for nothing is left for it to do."""
        busy = self._dispatch.is_pending() or self._dispatch.count(self.host) > 0
        if not self._idleness.is_too_long(busy=busy) or not self._dispatch.leave(self.host):
            return False
        self._run.say("info", f"{self.host.id} is released: nothing is left for it to do")
        self._run.machines.release(self.host, "nothing was left for it to do")
        return True

    def _suspect(self, error: Unreachable) -> bool:
        """The host does not answer: try again, for as long as there is hope."""
        if self._stop.is_set():  # the connection was closed under it, for the run is over
            return False
        if self._suspicion.is_new:
            self._run.say("warning", f"host {self.host.address} does not answer, trying again: {error}")
        if verdict := self._suspicion.verdict(error):
            self._lose(verdict)
            return False
        if self._watch is not None:
            self._watch.close()
            self._watch = None
        self._reconciled = 0.0
        self._stop.wait(self._suspicion.pause())
        return True

    def _left(self) -> int:
        """How many tasks the host has that have not ended."""
        return self._dispatch.count(self.host) - len(self._ended)

    def _batch(self, batch: str, tasks: Sequence[PayloadTask]) -> Batch:
        first = tasks[0]  # which has its limits in common with the others
        return Batch(
            batch,
            self._iteration,
            tuple(self._plan.order(task) for task in tasks),
            time_limit=self._plan.time_limit(first),
            program=self._run.light_program,
            name=self._run.name,
            job=self._run.request.job.over(self._run.connector.job),
            time_growth=first.time_growth,
            memory_growth=first.memory_growth,
            expected=self._dispatch.expected,
        )

    def _submit(self, batch: Batch) -> None:
        """Hand a batch over; one that did not arrive, or not whole, is handed over again at the next step."""
        self._unsubmitted, self._changed = batch, time.monotonic()
        try:
            self._session.submit(batch, self.host.slots)
        except Refused as error:
            words = str(error)
            ends = [TaskEnd(batch.id, task.id, None, cause=Cause.REFUSED, words=words) for task in batch.tasks]
            self._dispatch.failed(ends, {task.id: words for task in batch.tasks})
        except QueueFull as error:
            if not self._full:
                self._run.say("warning", f"host {self.host.address}: {error}; what is left waits")
            self._full = True
            return
        self._unsubmitted, self._full = None, False

    def _listen(self) -> list[TaskEnd]:
        """What ended since the last time; comes back within about a second."""
        if not self._dispatch.count(self.host):
            self._stop.wait(0.2)
            return []
        if self._watch is None or self._watch.closed:
            self._watch = self._session.watch()
        if self._watch is not None and time.monotonic() - self._reconciled < RECONCILE_SECONDS:
            return self._watch.ends(0.2 if self._ended else 1.0)
        if self._watch is None and self._reconciled:
            now = time.monotonic()
            self._stop.wait(self._run.compute.pause(now - self._began, now - self._changed))
        ends = self._reconcile(self._dispatch.at_work(self.host))
        self._reconciled = time.monotonic()
        return ends

    def _reconcile(self, at_work: dict[str, set[int]]) -> list[TaskEnd]:
        """List the markers, and settle batches whose runner is gone."""
        statuses = self._session.status(list(at_work))
        for status in statuses:
            self._dispatch.not_begun(set(at_work[status.batch] & status.not_begun))
            self._dispatch.untraced(set(at_work[status.batch] & status.untraced))
        waiting = frozenset[int]().union(*(status.waiting for status in statuses))
        self._dispatch.queued(self.host, waiting, "; ".join(dict.fromkeys(status.queue for status in statuses if status.queue)))
        at_work = self._dispatch.at_work(self.host)
        gone = [
            status.batch
            for status in statuses
            if not status.alive and status.batch in at_work and not at_work[status.batch] <= status.ended
        ]
        fenced = {status.batch: status for status in self._session.fence(gone)} if gone else {}
        for batch in gone:
            status = fenced[batch]
            left = at_work[batch] - status.ended
            self._dispatch.lost(left & status.started, "its process is gone without having said how it ended")
            if status.started:
                self._dispatch.not_begun(left - status.started)
            else:
                self._dispatch.untraced(left)
        return [end for status in statuses for end in fenced.get(status.batch, status).ends]

    def _hear(self, ends: Iterable[TaskEnd]) -> None:
        news = {end.task: end for end in ends if end.task not in self._ended and self._dispatch.is_waiting_for(end)}
        if news:
            self._changed = time.monotonic()
        self._ended.update(news)

    def _is_time_to_collect(self) -> bool:
        """At once when the host has nothing left to do, else ever more rarely: fetches must not grow with the tasks."""
        if not self._ended:
            return False
        now = time.monotonic()
        return self._left() <= 0 or now - self._collected >= max(1.0, (now - self._began) / 5)
