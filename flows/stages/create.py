"""Create: hosts are made ready, and each is asked what it is like."""

from __future__ import annotations

from dataclasses import replace

from blocks.compute.resource import HostFacts
from blocks.errors import AuthenticationRefused, ChimineyError, HostKeyRefused
from blocks.host import Host
from flows.run import Run, on_all
from flows.stages.stage import Stage
from flows.state import RunState
from flows.validation import Proposal


class Create(Stage):
    """Makes hosts ready."""

    name = "create"
    retries = 1

    def input_valid(self, proposal: Proposal) -> list[str]:
        accepted = proposal.connector.compute
        if proposal.compute.kind in accepted:
            return proposal.compute.problems(proposal.connector.job, proposal.request.job)
        kind, name = proposal.compute.kind, proposal.connector.name
        return [f"{name} runs on {', '.join(accepted)}, not on a {kind} resource; choose another with --compute"]

    def is_triggered(self, state: RunState) -> bool:
        return state.configured and not state.created and state.ending is None

    def process(self, run: Run, state: RunState) -> None:
        hosts = run.compute.hosts_for(run.plan(state).count())
        answers = on_all(hosts, lambda host: run.session(host).probe(), run.control.check)
        for answer in answers.values():
            if isinstance(answer, (AuthenticationRefused, HostKeyRefused)):
                raise answer
        ready = {host: facts for host, facts in answers.items() if isinstance(facts, HostFacts)}
        if not ready:
            raise next(answer for answer in answers.values() if isinstance(answer, ChimineyError))
        for host in hosts:
            self._record(run, host, answers[host])

    def _record(self, run: Run, host: Host, answer: HostFacts | ChimineyError) -> None:
        if isinstance(answer, HostFacts):
            slots = host.slots or answer.slots
            processors = f"{answer.processors} processors, " if slots else ""
            run.lease.host(replace(host, slots=slots), "ready", f"{answer.system}, {processors}{answer.folder}")
            run.say("info", f"host {host.address}: {answer.system}{f', {slots} tasks at once' if slots else ''}")
        else:
            run.lease.host(host, "lost", str(answer))
            run.say("warning", f"host {host.address} is left out: {answer}")

    def output(self, state: RunState) -> RunState:
        return state.model_copy(update={"created": True})
