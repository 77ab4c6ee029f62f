"""The hosts of a run at work on one iteration, each looked after by a thread."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager

from blocks.countdown import Countdown
from blocks.errors import ChimineyError, ResourceError, RunFailed
from blocks.host import Host
from flows.all_hosts import on_all_hosts
from flows.dispatch import Dispatch
from flows.host_worker import HostWorker
from flows.run import Run
from flows.staffing import Staffing
from flows.state import RunState

LEAVE_SECONDS = 2.0  # that are given to who is in the middle of something when a run ends before its time


class Crew:
    """All hosts and all tasks of one iteration. Made anew from the ledger by a controller that resumes a run."""

    def __init__(self, run: Run, state: RunState) -> None:
        self._run = run
        self._state = state
        hosts = run.hosts("ready")
        self._dispatch = Dispatch(run, state.iteration, run.ledger.tasks(run.id, state.iteration), hosts)
        self._staffing = Staffing(run, state, self._dispatch, hosts)
        self._workers = {host: self._worker(host) for host in hosts}

    def hand_out(self) -> None:
        """Give every host its first chunk. A host that does not answer is left for ``work`` to judge."""
        with self._left_when_interrupted():
            answers = on_all_hosts(self._workers, lambda host: self._workers[host].hand_out(), self._run.control.check)
        for host, answer in answers.items():
            if isinstance(answer, ResourceError):  # its worker tries again, and notes what comes of it
                self._run.view.message("warning", f"host {host.address} could not be given its first tasks: {answer}")
            elif answer is not None:
                raise answer

    def work(self) -> None:
        """Until every task has come to its end.

        Raises:
            RunFailed: tasks are left and no host to run them, or a time limit was passed; RunCancelled; LeaseLost.
        """
        with self._left_when_interrupted():
            self._see_to_the_end()
            self._dispatch.show(now=True)
        self._leave(0.0)

    def _see_to_the_end(self) -> None:
        gone = [record for record in self._run.ledger.hosts(self._run.id) if record.status in ("lost", "failed")]
        for record in gone:
            if self._dispatch.at_work(record.host):
                self._dispatch.give_up(record.host, record.note)
        self._dispatch.show(now=True)
        for worker in self._workers.values():
            worker.start()
        self._staffing.start(self._run.hosts("wanted"), gone)
        while not self._dispatch.is_over():
            self._dispatch.wait(0.1)
            self._run.control.check()
            self._dispatch.show()
            for host in self._staffing.newcomers():
                self._take_on(host)
            self._check_workers()

    @contextmanager
    def _left_when_interrupted(self) -> Generator[None]:
        """Whatever ends it, also a signal between any two steps: nobody may go on for a run that is over."""
        try:
            yield
        except BaseException as error:
            is_tried_again = isinstance(error, ChimineyError) and error.transient  # by a crew that must be alone with the hosts
            self._leave(float("inf") if is_tried_again else LEAVE_SECONDS)
            self._run.is_written_to |= self._is_at_work()
            raise

    def _leave(self, seconds: float) -> None:
        """Have all leave off, and wait so long at most for those in the middle of something; a cancel waits for nobody."""
        self._staffing.stop()
        for worker in self._workers.values():
            worker.stop()
        countdown = Countdown(seconds)
        try:
            while self._is_at_work() and countdown.left:
                if seconds > LEAVE_SECONDS:
                    self._run.control.check()
                time.sleep(0.02)
        finally:
            self._dispatch.close()

    def _is_at_work(self) -> bool:
        return any(worker.is_at_work() for worker in self._workers.values())

    def _worker(self, host: Host) -> HostWorker:
        return HostWorker(self._run, self._dispatch, self._run.plan(self._state), self._state, host)

    def _take_on(self, host: Host) -> None:
        self._dispatch.add(host)
        self._workers[host] = self._worker(host)
        self._workers[host].start()

    def _check_workers(self) -> None:
        for worker in self._workers.values():
            if worker.error is not None:
                raise worker.error
        if self._dispatch.is_stuck() and not self._staffing.is_hopeful():
            hosts = self._run.ledger.hosts(self._run.id)
            notes = "; ".join(f"{each.address or each.id}: {each.note}" for each in hosts if each.note)
            trouble = f"{self._staffing.trouble}; " if self._staffing.trouble else ""
            raise RunFailed(f"no host is left to run the remaining tasks ({trouble}{notes})")
