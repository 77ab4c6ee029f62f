"""The task cache: a task that is computed from the same as one that has completed takes that one's output instead of running.

Only runs that ask for it (``cache``) take part, in both ways: they alone pay for the digests, which are computed once per run for
the payload and once per iteration for the start points. The keys of a run are written to the ledger when its tasks are scheduled,
the digests of its outputs as they come home; that a task has completed is known there anyhow. So nothing has to be repeated by a
controller that resumes the run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Container, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import PurePosixPath

from blocks.errors import ResourceError
from blocks.selection import Selection
from blocks.storage import StorageResource
from blocks.storage.resource import joined
from blocks.tree import Entry
from blocks.work import TaskOrder
from flows import payload, references, run_folder
from flows.digest import Passing, of_tree
from flows.ledger import PayloadTask, RunRecord
from flows.plan import UNSENDABLE
from flows.request import common_request
from flows.run import Run
from flows.run_folder import left_by
from flows.state import RunState

_FORM = 2  # of keys; others are of an older version, and never found


def key(payload: str, start_point: str, order: TaskOrder, selection: Selection) -> str:
    """The digest of all that a task's output comes of: payload and start point as digests, the rest as it would be sent."""
    kept = [selection.include, selection.exclude]
    parts = [_FORM, payload, start_point, of_tree(order.files), list(order.arguments), order.program, kept]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def take(run: Run, state: RunState) -> None:
    """Let tasks of the iteration that wait take the outputs of earlier runs, and say how many did.

    What is gone, incomplete or can't be reached is not taken: such a task runs.
    """
    tasks = {task.id: task for task in run.ledger.tasks(run.id, state.iteration)}
    run.lease.keep_keys(_keys(run, state, [task for task in tasks.values() if task.status == "pending"]))
    for source in run.ledger.task_keys.sources(run.id):
        record = run.ledger.run(source)
        same = run.ledger.task_keys.same(run.id, source)
        if record is None or not same:
            continue
        try:
            _take_from(run, record, same, f"{run.folder}/{run_folder.outputs(state.iteration)}", tasks)
        except ResourceError as error:
            run.say("warning", f"outputs of {record.name} can't be taken: {error}")
    taken = sum(task.status == "completed" and task.attempt == 0 for task in tasks.values())
    if taken:
        run.say("info", f"{taken} of {len(tasks)} tasks are taken from earlier runs")


def keep(run: Run, seen: Passing, tasks: Iterable[int]) -> None:
    """Write the digests of outputs that passed on their way to the storage, and are there now."""
    if run.request.cache:
        run.lease.keep_outputs({task: _digest(seen, task) for task in tasks})


def _keys(run: Run, state: RunState, tasks: Iterable[PayloadTask]) -> dict[int, str]:
    sent = of_tree(payload.tree(run.connector.payload_folder))
    start_points = _start_points(run.inputs(state))
    plan = run.plan(state)
    keys: dict[int, str] = {}
    for task in tasks:
        with suppress(*UNSENDABLE):  # it fails when its turn comes
            keys[task.id] = key(sent, start_points.get(task.start_point, ""), plan.order(task), run.connector.selection)
    return keys


def _start_points(tree: Iterable[Entry]) -> dict[int, str]:
    """The digest of each start point by its number, from the tree that hosts get."""
    entries: dict[int, list[bytes]] = {}
    for entry in tree:
        number = int(entry.path.split("/")[1])
        entries.setdefault(number, []).append(of_tree([entry]).encode())  # read before the next is asked for
    return {number: hashlib.sha256(b"".join(sorted(found))).hexdigest() for number, found in entries.items()}


def _take_from(run: Run, source: RunRecord, same: dict[int, str], target: str, tasks: dict[int, PayloadTask]) -> None:
    """Copy what one earlier run has, and mark the tasks whose output is as it was then."""
    done = [task for task in run.ledger.tasks(source.id) if task.id in same]
    seen = Passing()
    with _storage(run, source) as (storage, folder):
        for iteration in sorted({task.iteration for task in done}):
            place = f"{folder}/{run_folder.outputs(iteration)}"
            if storage.exists(place):
                run.output_storage.collect(target, seen(_outputs(run, storage.tree(place), same)))
    digests = {task.id: _digest(seen, task.id) for task in done}
    for task in done:
        if digests[task.id] == same[task.id]:
            _complete(tasks[task.id], task, source.name)
        else:
            for path in left_by(str(task.id)):
                run.output_storage.remove(f"{target}/{path}")
    taken = {task: digest for task, digest in digests.items() if digest == same[task]}
    run.lease.keep_files({f"{PurePosixPath(target).name}/{task}": seen.files(*left_by(str(task))) for task in taken})
    run.lease.keep_outputs(taken)
    run.lease.update_tasks(task for task in tasks.values() if task.id in same)


@contextmanager
def _storage(run: Run, source: RunRecord) -> Generator[tuple[StorageResource, str]]:
    """Where the results of an earlier run are: the storage, and the folder in it."""
    output = common_request(source).output
    if output.storage == run.request.output.storage:
        yield run.output_storage, joined(output.path, source.name)
        return
    storage, folder = references.results(source)
    try:
        yield storage, folder
    finally:
        storage.close()


def _outputs(run: Run, tree: Iterable[Entry], wanted: Container[int]) -> Iterator[Entry]:
    """The outputs of the tasks that are wanted, with what these printed."""
    for entry in tree:
        run.control.check()
        task = entry.path.partition("/")[0].partition(".")[0]
        if task.isdigit() and int(task) in wanted:
            yield entry


def _complete(task: PayloadTask, earlier: PayloadTask, run: str) -> None:
    task.move("completed")
    task.exit_code, task.results = 0, earlier.results
    task.started, task.ended = earlier.started, earlier.ended
    task.reason = f"taken from task {earlier.id} of {run}"


def _digest(seen: Passing, task: int) -> str:
    return " ".join(seen.of(place) for place in left_by(str(task)))
