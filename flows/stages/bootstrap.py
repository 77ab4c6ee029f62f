"""Bootstrap: every host is set up."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from blocks.errors import RunCancelled
from blocks.host import Host
from flows import host_setup
from flows.all_hosts import leave_out_failed, on_all_hosts
from flows.run import Run
from flows.stages.stage import Stage
from flows.state import RunState


class Bootstrap(Stage):
    """Sets up the hosts. One that can't be is left out, as long as there are others."""

    name = "bootstrap"

    def is_triggered(self, state: RunState) -> bool:
        return state.created and not state.bootstrapped and state.ending is None

    def process(self, run: Run, state: RunState) -> None:
        leave_out_failed(run, self._set_up(run, state, run.hosts("ready")), "failed")

    def _set_up(self, run: Run, state: RunState, hosts: list[Host]) -> Mapping[Host, object]:
        left = threading.Event()

        def check() -> None:
            if left.is_set():  # nobody waits for it, and the host may have been released
                raise RunCancelled("the run is over, no host is set up for it any more")
            run.control.check()

        try:
            return on_all_hosts(hosts, lambda host: host_setup.set_up(run, state, host, check), run.control.check)
        finally:
            left.set()

    def output(self, state: RunState) -> RunState:
        return state.model_copy(update={"bootstrapped": True})
