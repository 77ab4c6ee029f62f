"""Writes the crate of a run that has done many tasks of four files: ``python -m tests.crate_writer FOLDER TASKS``.

Writes out the most memory that it held, in kB.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from blocks.compute import LocalCompute
from flows import ending, engine
from flows.crate import run_crate
from flows.stages.configure import Configure
from flows.state import RunState
from tests.engine import Lab
from tests.payloads import connector


def main() -> None:
    folder, tasks = Path(sys.argv[1]), int(sys.argv[2])
    lab = Lab(folder)
    proposal = lab.request(connector(folder / "connector", "true"), LocalCompute(), sweep={"n": {"start": 0, "stop": tasks}})
    record = lab.add(proposal)
    with engine.controlled(lab.ledger, record, proposal, lab.view) as run:
        stage = Configure()
        stage.process(run, RunState())
        state = stage.output(RunState())
        done = list(run.plan(state).tasks(1))
        for task in done:
            task.status, task.attempt, task.exit_code = "completed", 1, 0
        run.lease.add_tasks(done)
        names = [f"file-{number}.dat" for number in range(4)]
        run.lease.keep_files(
            {f"output_0/{task.id}": {f"{task.id}/{name}": (100, f"{task.id:064x}") for name in names} for task in done}
        )
        result = ending.outcome(run, state)
        del done
        run_crate.write(run, state, result)
    # Not what wait4 tells of a child: that counts the memory of the process that made it, too.
    sys.stdout.write(re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[0])


if __name__ == "__main__":
    main()
