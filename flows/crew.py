"""The hosts of a run at work on one iteration, each looked after by a thread."""

from __future__ import annotations

from blocks.errors import ResourceError, RunFailed
from blocks.host import Host
from flows.dispatch import Dispatch
from flows.host_worker import HostWorker
from flows.run import Run, on_all
from flows.staffing import Staffing
from flows.state import RunState


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
        answers = on_all(self._workers, lambda host: self._workers[host].hand_out(), self._run.control.check)
        for host, answer in answers.items():
            if isinstance(answer, ResourceError):
                self._run.view.message("warning", f"host {host.address} could not be given its first tasks: {answer}")
            elif answer is not None:
                raise answer

    def work(self) -> None:
        """Until every task has come to its end.

        Raises:
            RunFailed: tasks are left and no host to run them, or a time limit was passed; RunCancelled; LeaseLost.
        """
        gone = [record for record in self._run.ledger.hosts(self._run.id) if record.status in ("lost", "failed")]
        for record in gone:
            if self._dispatch.at_work(record.host):
                self._dispatch.give_up(record.host, record.note)
        self._dispatch.show(now=True)
        for worker in self._workers.values():
            worker.start()
        try:
            self._staffing.start(self._run.hosts("wanted"), gone)
            while not self._dispatch.is_over():
                self._dispatch.wait(0.1)
                self._run.control.check()
                self._dispatch.show()
                for host in self._staffing.newcomers():
                    self._take_on(host)
                self._check_workers()
        finally:
            self._staffing.stop()
            for worker in self._workers.values():
                worker.stop()
        self._dispatch.show(now=True)

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
