"""``run.json`` and ``tasks.json``: what is kept beside the results, for people and programs that have nothing else."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from blocks.errors import ChimineyError
from flows import cost, json_file
from flows.ledger import PayloadTask
from flows.result import RunResult
from flows.run import Run
from flows.state import RunState


def write(run: Run, state: RunState, result: RunResult) -> None:
    """Write both into the output location."""
    asked = run.request.model_dump(mode="json")
    hosts = run.ledger.hosts(run.id)
    spent = cost.of(hosts)
    told = run.ledger.history(run.id)
    document = {
        **result.model_dump(mode="json"),
        "created": run.created,
        "criteria": list(state.criteria),
        "request": asked,
        "hosts": [asdict(host) for host in hosts],
        **({"cost": spent} if spent else {}),
        "history": told,
    }
    run.output_storage.write(f"{run.folder}/run.json", json_file.content(document))
    tasks = run.ledger.tasks(run.id)
    values = _values(run, state, tasks)
    told_of_each = [_task(task, values.get(task.id, task.point)) for task in tasks]
    run.output_storage.write(f"{run.folder}/tasks.json", json_file.content(told_of_each))


def _values(run: Run, state: RunState, tasks: list[PayloadTask]) -> dict[int, dict[str, Any]]:
    """What the tasks of the last iteration computed with, where that is known.

    Those of earlier ones keep theirs in their output.
    """
    latest = [task for task in tasks if task.iteration == state.iteration]
    if not latest:  # the connector's sweep, or the input of the iteration, may be what ended the run
        return {}
    try:
        plan = run.plan(state)
    except ChimineyError:
        return {}
    return {task.id: plan.values(task) for task in latest}


def _task(task: PayloadTask, values: dict[str, Any]) -> dict[str, Any]:
    output = f"output_{task.iteration}/{task.id}" if task.status == "completed" else None
    return {
        "id": task.id,
        "iteration": task.iteration,
        "status": task.status,
        "attempts": task.attempt,
        "host": task.host,
        "exit_code": task.exit_code,
        "reason": task.reason,
        "started": task.started,
        "ended": task.ended,
        "values": values,
        "results": task.results,
        "output": output,
    }
