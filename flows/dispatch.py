"""Handing out the tasks of an iteration to hosts, in chunks, and keeping count of how they end."""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from blocks.host import Host
from blocks.work import Cause, TaskEnd
from flows import attempts
from flows.chunks import next_chunk
from flows.ledger import PayloadTask
from flows.ledger.records import TaskStatus
from flows.run import Run
from flows.run_folder import TASKS_JSON
from flows.tally import Waiting, tally

SHOWN_FAILURES = 10  # told one by one; the rest are counted
TABLE_SECONDS = 5.0
BEGINNINGS = 2  # times that a host may leave no trace of a task, before that counts as an attempt


class Closed(Exception):
    """Something was to be written of tasks that nobody dispatches any more."""


class Dispatch:
    """The tasks of one iteration on their way. Shared by the threads that look after the hosts."""

    def __init__(self, run: Run, iteration: int, tasks: Sequence[PayloadTask], hosts: Sequence[Host]) -> None:
        self._run = run
        self._iteration = iteration
        self.tasks = {task.id: task for task in tasks}
        self._hosts = {host.id for host in hosts}
        self._lock = threading.RLock()
        self._queue = [task for task in tasks if task.status == "pending"]
        self._running: dict[str, dict[str, set[int]]] = {}  # by host and batch: asked at every step, so never counted anew
        self.open = sum(not task.is_over for task in tasks)  # tasks that have not come to their end
        self.lost_hosts = 0
        self.idle_hosts = 0  # that left, for there was nothing for them to do
        self.coming = 0  # machines that are being made, for whom some work is left
        self._over = threading.Condition(self._lock)
        self._is_closed = False
        for task in tasks:
            if task.status == "running":
                self._of(task).add(task.id)
        self._least = max(1, len(tasks) // (16 * max(1, len(hosts))))
        self.expected = run.ledger.task_seconds(run.connector.name)  # that a task is likely to take; 0: nothing is known
        self._untraced: Counter[int] = Counter()
        self._queued: dict[str, Waiting] = {}  # by host
        self._told = 0
        self._shown = 0.0
        self._listed = 0.0

    def close(self) -> None:
        """Let nobody write of these tasks or their hosts any more: who is still at work comes too late, the run has gone on."""
        with self._lock:
            self._is_closed = True

    def take(self, host: Host, slots: int) -> tuple[str, list[PayloadTask]] | None:
        """The next chunk for a host, written to the ledger as a batch that is about to be submitted; None when there is none."""
        with self._lock:
            sharing = len(self._hosts) + self.coming
            chunk = next_chunk(self._queue, host.id, sharing, self._least, slots, alone=len(self._hosts) == 1)
            if not chunk:
                return None
            taken = {task.id for task in chunk}
            self._queue = [task for task in self._queue if task.id not in taken]
            batch = f"{self._iteration}-{uuid.uuid4().hex[:12]}"
            for task in chunk:
                task.attempt += 1
                task.host, task.batch = host.id, batch
                self._move(task, "running")
                task.exit_code, task.reason = None, ""
            self._write(chunk)
            return batch, chunk

    def at_work(self, host: Host) -> dict[str, set[int]]:
        """The tasks that a host has been handed and that have not ended: ids by batch."""
        with self._lock:
            return {batch: set(tasks) for batch, tasks in self._running.get(host.id, {}).items() if tasks}

    def count(self, host: Host) -> int:
        """How many tasks that is."""
        with self._lock:
            return sum(map(len, self._running.get(host.id, {}).values()))

    def is_pending(self) -> bool:
        """Whether a task waits to be handed out."""
        return bool(self._queue)

    def is_waiting_for(self, end: TaskEnd) -> bool:
        """Whether this end is news: of the task's last attempt, and not yet counted."""
        task = self.tasks.get(end.task)
        return task is not None and task.status == "running" and task.batch == end.batch

    def completed(self, ends: Sequence[TaskEnd], results: Mapping[int, dict[str, Any]]) -> None:
        """These succeeded, their outputs are in place, and these are the results that they reported."""
        with self._lock:
            tasks = [self._ended(end) for end in ends if self.is_waiting_for(end)]
            for task in tasks:
                task.results = results.get(task.id, {})
                self._move(task, "completed")
            self._write(tasks)
        self.show()

    def failed(self, ends: Sequence[TaskEnd], reasons: dict[int, str]) -> None:
        """These ended with an error."""
        with self._lock:
            causes = {end.task: end.cause for end in ends}
            tasks = [self._ended(end) for end in ends if self.is_waiting_for(end)]
            for task in tasks:
                task.reason = reasons[task.id]
                self._again_or_not(task, causes.get(task.id), attempts.how(task, causes.get(task.id)))
            self._write(tasks)
        self.show()

    def lost(self, tasks: set[int], reason: str) -> None:
        """These vanished with their process or their host."""
        with self._lock:
            lost = [task for task in self.tasks.values() if task.id in tasks and task.status == "running"]
            for task in lost:
                task.reason = reason
                self._again_or_not(task, Cause.LOST, "lost")
            self._write(lost)
        self.show()

    def not_begun(self, tasks: set[int]) -> None:
        """These were handed out and never begun: they wait again, as if nothing had happened."""
        with self._lock:
            back = [task for task in self.tasks.values() if task.id in tasks and task.status == "running"]
            for task in back:
                self._move(task, "pending")
                task.attempt -= 1
                task.host = ""
            self._queue.extend(back)
            self._write(back)

    def untraced(self, tasks: set[int]) -> None:
        """Nothing of the batch of these was begun: they wait again, but not for ever, for it may be their own doing."""
        with self._lock:
            self._untraced.update(tasks)
            hopeless = {task for task in tasks if self._untraced[task] >= BEGINNINGS}
            self.not_begun(tasks - hopeless)
            self.lost(hopeless, "the host has no trace of it; it may have removed the folder around its own")

    def queued(self, host: Host, tasks: frozenset[int], note: str) -> None:
        """These of a host's tasks wait in its queue, for this reason."""
        with self._lock:
            self._queued[host.id] = (tasks, note)

    @property
    def hosts(self) -> int:
        """How many hosts are at work."""
        return len(self._hosts)

    def add(self, host: Host) -> None:
        """A host has come up that was not there at first."""
        with self._lock:
            self._hosts.add(host.id)

    def leave(self, host: Host) -> bool:
        """A host goes, if there is nothing for it to do; whether that is so."""
        with self._lock:
            if self._queue or self.count(host):
                return False
            self.idle_hosts += 1
            self._hosts.discard(host.id)
            return True

    def give_up(self, host: Host, reason: str) -> None:
        """A host is lost: what it had goes elsewhere."""
        with self._lock:  # for all of it: without its tasks, it would be the last host, and they lost for good
            self._check_open()
            tasks = {task for batch in self.at_work(host).values() for task in batch}
            self._run.say("warning", f"host {host.address} is lost ({reason}); {len(tasks)} of its tasks go elsewhere")
            self._run.lease.host(host, "lost", reason)
            self.lost(tasks, f"host {host.address} was lost")
            self.lost_hosts += 1
            self.coming += host.is_machine
            self._hosts.discard(host.id)
            self._queued.pop(host.id, None)

    def is_over(self) -> bool:
        """Every task has come to its end."""
        with self._lock:
            return not self.open

    def wait(self, seconds: float) -> None:
        """Until it is over, but not longer than so many seconds."""
        with self._over:
            self._over.wait_for(self.is_over, seconds)

    def is_stuck(self) -> bool:
        """There are tasks left and no host to run them."""
        with self._lock:
            return not self._hosts and not self.is_over()

    def show(self, *, now: bool = False) -> None:
        """Show the progress, at most once a second."""
        with self._lock:
            if not now and time.monotonic() - self._shown < 1.0:
                return
            self._shown = time.monotonic()
            progress = tally(self._iteration, self.tasks, self._queued.values())
            listed = now or self._shown - self._listed >= TABLE_SECONDS
            tasks = list(self.tasks.values())
        self._run.view.progress(progress)
        if listed:
            self._listed = self._shown
            self._run.view.tasks(tasks)

    def _write(self, tasks: Sequence[PayloadTask]) -> None:
        self._check_open()
        self._run.lease.update_tasks(tasks)

    def _check_open(self) -> None:
        if self._is_closed:
            raise Closed

    def _of(self, task: PayloadTask) -> set[int]:
        return self._running.setdefault(task.host, {}).setdefault(task.batch, set())

    def _move(self, task: PayloadTask, status: TaskStatus) -> None:
        self._of(task).discard(task.id)
        task.move(status)
        if status == "running":
            self._of(task).add(task.id)
        if task.is_over:
            self.open -= 1
            self._over.notify_all()

    def _ended(self, end: TaskEnd) -> PayloadTask:
        task = self.tasks[end.task]
        task.exit_code, task.started, task.ended = end.exit_code, end.started, end.ended
        return task

    def _again_or_not(self, task: PayloadTask, cause: Cause | None, how: str) -> None:
        again = attempts.is_another_due(self._run.request.reliability, task, cause)
        if again:
            self._move(task, "pending")
            self._queue.append(task)
        else:
            self._move(task, "failed")
        self._told += 1
        if self._told <= SHOWN_FAILURES:
            outcome = f"attempt {task.attempt + 1} follows" if again else "given up"
            self._run.say(
                "warning" if again else "error", f"task {task.id} failed on {task.host} ({how}), {outcome}: {task.reason}"
            )
        elif self._told == SHOWN_FAILURES + 1:
            self._run.say("warning", f"more tasks fail; their reasons are in {TASKS_JSON}")
