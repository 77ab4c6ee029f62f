"""Bootstrap: every host is set up."""

from __future__ import annotations

from blocks.errors import ChimineyError
from flows import host_setup
from flows.run import Run, on_all
from flows.stages.stage import Stage
from flows.state import RunState


class Bootstrap(Stage):
    """Sets up the hosts. One that can't be is left out, as long as there are others."""

    name = "bootstrap"

    def is_triggered(self, state: RunState) -> bool:
        return state.created and not state.bootstrapped and state.ending is None

    def process(self, run: Run, state: RunState) -> None:
        hosts = run.hosts("ready")
        answers = on_all(hosts, lambda host: host_setup.set_up(run, state, host, run.control.check), run.control.check)
        failed = {host: answer for host, answer in answers.items() if isinstance(answer, ChimineyError)}
        if len(failed) == len(hosts):
            raise next(iter(failed.values()))
        for host, error in failed.items():
            run.lease.host(host, "failed", str(error))
            run.say("warning", f"host {host.address} is left out: {error}")

    def output(self, state: RunState) -> RunState:
        return state.model_copy(update={"bootstrapped": True})
