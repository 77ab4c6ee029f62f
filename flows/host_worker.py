"""What looks after one host while tasks run: hands it work, hears of ends, brings outputs home, and notices when it is gone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from blocks.errors import QueueFull, Refused, ResourceError, Unreachable
from blocks.host import Host
from blocks.host_session import Watch
from blocks.work import Batch, Cause, TaskEnd, TaskOrder
from flows.collection import Abandoned, Collection
from flows.dispatch import Dispatch
from flows.idleness import Idleness
from flows.ledger import PayloadTask
from flows.plan import UNSENDABLE, Plan
from flows.reconciliation import reconciled
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
        self._stop = threading.Event()
        self._collection = Collection(run, dispatch, plan, state.iteration, self._session, self._stop)
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
        self._thread = threading.Thread(target=self._work, name=f"host {host.id}", daemon=True)

    def start(self) -> None:
        """Begin to look after the host."""
        self._thread.start()

    def stop(self) -> None:
        """Ask it to leave off; what runs on the host goes on."""
        self._stop.set()

    def is_at_work(self) -> bool:
        """Whether it has not left off yet."""
        return self._thread.is_alive()

    def hand_out(self) -> None:
        """Give the host its next chunk, when it will soon have nothing to do; one with a queue gets all there is."""
        if self._unsubmitted is not None:
            self._submit(self._unsubmitted)
        while not (self._unsubmitted or self._stop.is_set()) and (not self.host.slots or self._left() < 2 * self.host.slots):
            taken = self._dispatch.take(self.host, self.host.slots)
            if taken is None:
                return
            if (batch := self._batch(*taken)).tasks:
                self._submit(batch)

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
        """One step; False when the host is lost, or left off in the middle of it."""
        try:
            self._step()
        except Abandoned:
            return False
        except ResourceError as error:
            if self._stop.is_set():  # its connection or its folder was taken away under it, for the run is over
                return False
            if error not in (self._host_error, self._collection.host_error):  # the output storage's, not the host's
                raise
            if isinstance(error, Unreachable):
                return self._suspect(error)
            self._give_up(error)
            return False
        self._suspicion.clear()
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
        if self.host.is_machine:
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
            self._orders(batch, tasks),
            time_limit=self._plan.time_limit(first),
            program=self._run.light_program,
            name=self._run.name,
            job=self._run.request.job.over(self._run.connector.job),
            time_growth=first.time_growth,
            memory_growth=first.memory_growth,
            hadoop=self._run.connector.on_hadoop,
            expected=self._dispatch.expected,
        )

    def _orders(self, batch: str, tasks: Sequence[PayloadTask]) -> tuple[TaskOrder, ...]:
        """The tasks as they are sent; those that can't be are given up, with one write for all of them."""
        orders: list[TaskOrder] = []
        reasons: dict[int, str] = {}
        for task in tasks:
            try:
                orders.append(self._plan.order(task))
            except UNSENDABLE as error:
                reasons[task.id] = str(error)
        if reasons:
            self._dispatch.failed([TaskEnd(batch, task, None, cause=Cause.REFUSED) for task in reasons], reasons)
        return tuple(orders)

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
        ends = reconciled(self._session, self._dispatch, self.host)
        self._reconciled = time.monotonic()
        return ends

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
