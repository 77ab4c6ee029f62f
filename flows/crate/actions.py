"""What happened in a run, as actions: the run as a whole, its iterations, its tasks; and the values that these were given."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Any

from flows.crate import workflow
from flows.crate.entities import Entity, exit_code_identifier, identifier, reference, references, value_identifier, when
from flows.crate.workflow import Told
from flows.ledger import PayloadTask
from flows.result import RunResult

RUN, ENGINE_RUN = "#run", "#engine-run"
COMPLETED, FAILED = "http://schema.org/CompletedActionStatus", "http://schema.org/FailedActionStatus"


def there(known: Container[str], *paths: str) -> list[str]:
    """The identifiers of those of these files, or folders with a slash at their end, that a crate knows."""
    return [name for name in map(identifier, paths) if name in known]


def of_task(told: Told, task: PayloadTask, values: Mapping[str, Any], start_point: str, known: Container[str]) -> Entity:
    """One execution of the program."""
    done = task.status == "completed"
    left = f"output_{task.iteration}/{task.id}" if done else f"failed_{task.iteration}/{task.id}.{task.attempt}"
    given = [value_identifier(name, value) for name, value in values.items()]
    begun_from = there(known, f"input_{task.iteration}/{start_point}/") if start_point else []
    return {
        "@id": task_identifier(task),
        "@type": "CreateAction",
        "name": f"task {task.id}",
        "description": f"task {task.id} of iteration {task.iteration + 1}{_attempts(task)}",
        "instrument": reference(workflow.tool(told)),
        "agent": reference(told.circumstances.agent),
        "object": references([*given, *begun_from]),
        "result": references(there(known, f"{left}/", f"{left}.stdout", f"{left}.stderr")),
        **when(task.started, task.ended),
        **({"location": reference(f"#host/{identifier(task.host)}")} if task.host else {}),
        **({"additionalProperty": reference(exit_code_identifier(task.exit_code))} if task.exit_code is not None else {}),
        **_ending(task),
    }


def of_iterations(tasks: Sequence[PayloadTask], step: str) -> Iterator[Entity]:
    """The iterations, each an execution of the workflow's one step."""
    for iteration in sorted({task.iteration for task in tasks}):
        own = [task for task in tasks if task.iteration == iteration]
        started = [task.started for task in own if task.started]
        ended = [task.ended for task in own if task.ended]
        yield {
            "@id": f"#iteration-{iteration + 1}",
            "@type": "ControlAction",
            "name": f"iteration {iteration + 1}",
            "instrument": reference(step),
            "object": references(map(task_identifier, own)),
            **when(min(started, default=0.0), max(ended, default=0.0)),
        }


def of_run(told: Told, result: RunResult, created: float, given: Iterable[str], results: Iterable[str]) -> Entity:
    """The whole, as one execution of the connector."""
    ending = {"actionStatus": COMPLETED}
    if not result.state.startswith("completed"):
        ending = {"actionStatus": FAILED, "error": "; ".join(result.messages) or result.state}
    return {
        "@id": RUN,
        "@type": "CreateAction",
        "name": result.name,
        "description": f"{result.state.replace('-', ' ')}; {result.parts}",
        "instrument": reference(workflow.main(told)),
        "agent": reference(told.circumstances.agent),
        "object": references(given),
        "result": references(results),
        **when(created, told.ended),
        **ending,
    }


def of_engine(run: Entity, engine: str, controls: Sequence[Entity]) -> list[Entity]:
    """What Chiminey did: it had the step executed, of which the run came; nothing where nothing was executed."""
    if not controls:
        return []
    return [
        {
            "@id": ENGINE_RUN,
            "@type": "OrganizeAction",
            "name": f"Chiminey's execution of {run['name']}",
            "instrument": reference(engine),
            "agent": run["agent"],
            "object": references(controls),
            "result": reference(run),
            "startTime": run["startTime"],
            "endTime": run["endTime"],
        }
    ]


def task_identifier(task: PayloadTask) -> str:
    """That of the action of a task."""
    return f"#task-{task.id}"


def _attempts(task: PayloadTask) -> str:
    if task.status == "completed" and not task.attempt:
        return f", {task.reason}"  # from which earlier run it was taken
    return f", after {task.attempt} attempts" if task.attempt > 1 else ""


def _ending(task: PayloadTask) -> dict[str, str]:
    if task.status == "completed":
        return {"actionStatus": COMPLETED}
    reason = task.failure if task.status == "failed" else "it was not run to its end, for the run was ended before"
    return {"actionStatus": FAILED, "error": reason}
