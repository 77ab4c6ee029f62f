"""Create: hosts are made ready, and each is asked what it is like."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from blocks.errors import AuthenticationRefused, ChimineyError, HostKeyRefused, RunFailed
from blocks.host import Host
from blocks.host_session import HostFacts
from flows.all_hosts import on_all_hosts
from flows.proposal import Proposal
from flows.run import Run
from flows.stages.stage import Stage
from flows.state import RunState

Answers = Mapping[Host, Host | HostFacts | ChimineyError]  # a machine is admitted at once, other hosts when all have answered


class Create(Stage):
    """Makes hosts ready: those that are there already, and those that have to be made first."""

    name = "create"
    retries = 1

    def input_valid(self, proposal: Proposal) -> list[str]:
        accepted = proposal.connector.compute
        if proposal.compute.kind in accepted:
            return proposal.compute.problems(proposal.connector.job, proposal.request.job)
        kind, name = proposal.compute.kind, proposal.connector.name
        why = ", for its data goes through HDFS, which only hadoop resources have" if proposal.connector.hdfs else ""
        return [f"{name} runs on {', '.join(accepted)}, not on a {kind} resource{why}; choose another with --compute"]

    def is_triggered(self, state: RunState) -> bool:
        return state.configured and not state.created and state.ending is None

    def process(self, run: Run, state: RunState) -> None:
        tasks = self._open_tasks(run, state)
        asked = run.compute.hosts_for(tasks)
        there, known, new = self._sorted(run, asked)
        answers = self._made_ready(run, [*there, *known, *run.machines.numbered(new[len(known) :])])
        if gone := [host for host in known if isinstance(answers[host], ChimineyError)]:
            run.say("warning", f"{', '.join(host.id for host in gone)} can't be used any more, others are made in their place")
            answers = {host: answer for host, answer in answers.items() if host not in gone}
            answers |= self._made_ready(run, run.machines.numbered(new[: len(gone)]))
        self._judge(run, answers)
        for host, answer in answers.items():
            self._record(run, host, answer)
        ready = sum(not isinstance(answer, ChimineyError) for answer in answers.values())
        run.machines.allowance.begin(tasks, len(asked), ready)

    def output(self, state: RunState) -> RunState:
        return state.model_copy(update={"created": True})

    def _open_tasks(self, run: Run, state: RunState) -> int:
        """How many tasks there are to do: of a run that is resumed, those that it has not done."""
        if not state.scheduled:
            return run.plan(state).count()
        return max(1, sum(not task.is_over for task in run.ledger.tasks(run.id, state.iteration)))

    def _sorted(self, run: Run, asked: list[Host]) -> tuple[list[Host], list[Host], list[Host]]:
        """Hosts that are there, machines of a controller before this one, and what machines are asked for in all."""
        new = [host for host in asked if not host.address]
        known = [host for host in run.hosts("wanted", "ready") if host.is_machine] if new else []
        return [host for host in asked if host.address], known, new

    def _made_ready(self, run: Run, hosts: list[Host]) -> dict[Host, Host | HostFacts | ChimineyError]:
        left = threading.Event()
        try:
            return on_all_hosts(hosts, lambda host: self._make_ready(run, host, left.is_set), run.control.check)
        finally:
            left.set()

    def _make_ready(self, run: Run, host: Host, stopped: Callable[[], bool]) -> Host | HostFacts:
        return run.machines.bring_up(host, stopped) if host.is_machine else run.session(host).probe()

    def _judge(self, run: Run, answers: Answers) -> None:
        """Whether the run can go on with the hosts that are ready. Raises what speaks against it."""
        errors = {host: answer for host, answer in answers.items() if isinstance(answer, ChimineyError)}
        for host, error in errors.items():
            if isinstance(error, (AuthenticationRefused, HostKeyRefused)) and not host.is_machine:
                raise error
        ready, needed = len(answers) - len(errors), min(run.compute.quorum, len(answers))
        if ready >= needed:
            return
        if not any(host.is_machine for host in answers):
            raise next(iter(errors.values()))
        why = "; ".join(dict.fromkeys(map(str, errors.values())))
        raise RunFailed(f"{needed} {'machine is' if needed == 1 else 'machines are'} needed, {ready} could be made: {why}")

    def _record(self, run: Run, host: Host, answer: Host | HostFacts | ChimineyError) -> None:
        if isinstance(answer, HostFacts):
            run.admit(host, answer)
        elif isinstance(answer, ChimineyError):
            if not host.is_machine:
                run.lease.host(host, "lost", str(answer))
            run.say("warning", f"host {host.address or host.id} is left out: {answer}")
