"""``chiminey logs``: what happened in a run, and what one of its tasks printed or prints."""

from __future__ import annotations

import json
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from blocks.errors import InvalidRequest, NotFound
from cli.options import Run
from cli.runs import history_line

if TYPE_CHECKING:
    from flows.ledger import Ledger, PayloadTask, RunRecord

_PAUSE = 0.5
_LONGEST_PAUSE = 10.0  # seconds


def logs(
    name: Run,
    task: Annotated[int | None, typer.Option(help="A task: what it printed, or prints now.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run, or the task, has ended.")] = False,
    stderr: Annotated[bool, typer.Option("--stderr", help="Of a task at work: what it prints on standard error.")] = False,
) -> None:
    """Show what happened in a run, or what one task printed."""
    from flows.ledger import Ledger

    ledger = Ledger()
    record = ledger.find(name)
    if task is not None and record.kind == "sweep":
        raise InvalidRequest(f"{record.name} is a sweep, and its runs have the tasks; 'chiminey show {record.name}' lists them")
    if task is None:
        _history(ledger, record, follow)
    else:
        _task(ledger, record, task, follow, "stderr" if stderr else "stdout")


def _history(ledger: Ledger, record: RunRecord, follow: bool) -> None:
    shown = 0
    while True:
        over = not follow or ledger.find(record.id).status != "running"
        lines = ledger.history(record.id)
        for line in lines[shown:]:
            typer.echo(history_line(line))
        shown = len(lines)
        if over:
            return
        time.sleep(_PAUSE)


def _task(ledger: Ledger, record: RunRecord, number: int, follow: bool, stream: str) -> None:
    task = _find(ledger, record, number, follow)
    if _needs_server(record):
        from cli import prefect

        prefect.connect()
    if task.status == "running":
        _live(ledger, record, task, follow, stream)
    else:
        _kept(record, task)


def _needs_server(record: RunRecord) -> bool:
    """Whether the run's resources are saved ones, which only the server knows."""
    request = json.loads(record.request)
    return bool(request["compute"]["name"] or request["output"]["storage"]["name"])


def _find(ledger: Ledger, record: RunRecord, number: int, follow: bool) -> PayloadTask:
    """The task, once it has begun; also one that was stopped with its run, and waits to be resumed."""
    while True:
        tasks = {task.id: task for task in ledger.tasks(record.id)}
        if number not in tasks and (tasks or not follow):
            raise InvalidRequest(f"{record.name} has no task {number}; its tasks are 1 to {len(tasks)}")
        if number in tasks and tasks[number].status != "pending":
            return tasks[number]
        if ledger.find(record.id).status != "running":
            if number in tasks and tasks[number].attempt:
                return tasks[number]
            raise InvalidRequest(f"task {number} did not begin before {record.name} ended")
        if not follow:
            raise InvalidRequest(f"task {number} has not begun yet; add --follow to wait for it")
        time.sleep(_PAUSE)


def _live(ledger: Ledger, record: RunRecord, task: PayloadTask, follow: bool, stream: str) -> None:
    """From the host, as it is printed; a task that is still on its way there is waited for, where it is to be followed."""
    from blocks.errors import CommandFailed

    pause = _PAUSE
    while True:
        try:
            return _tail(ledger, record, task, follow, stream)
        except CommandFailed as error:  # it is not there yet, or it has ended meanwhile, and its folder is gone
            words = str(error)
        task = next(each for each in ledger.tasks(record.id) if each.id == task.id)
        if task.is_over or ledger.find(record.id).status != "running":
            return _kept(record, task)
        if not follow:
            raise InvalidRequest(f"task {task.id} is on its way to its host; add --follow to wait for it ({words})")
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
        task = _find(ledger, record, task.id, follow)
        if task.status != "running":
            return _kept(record, task)


def _tail(ledger: Ledger, record: RunRecord, task: PayloadTask, follow: bool, stream: str) -> None:
    """What is printed on its host. Raises CommandFailed: it is not there."""
    from blocks.compute import ComputeResource
    from flows import references
    from flows.request import RunRequest

    compute = references.load(RunRequest.model_validate_json(record.request).compute, ComputeResource)
    host = next(each.host for each in ledger.hosts(record.id) if each.id == task.host)
    session = compute.open(host, record.id)
    heard = False
    try:
        for data in session.tail(task.batch, task.id, stream):
            if not data and not follow:  # nothing more for a second
                if not heard:
                    typer.echo(f"task {task.id} has printed nothing yet; it may wait in a queue", err=True)
                return
            heard = heard or bool(data)
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
    finally:
        session.close()


def _kept(record: RunRecord, task: PayloadTask) -> None:
    """From the output location."""
    if not task.is_over:
        raise NotFound(f"nothing is kept of what task {task.id} printed, for it was stopped with its run")
    from flows import references, run_folder

    storage, folder = references.results(record)
    _, printed, complained = run_folder.left_by(f"{folder}/{run_folder.place(task)}")
    try:
        for path, stream in ((printed, sys.stdout), (complained, sys.stderr)):
            with suppress(NotFound):  # it printed nothing there
                for block in storage.blocks(path):
                    stream.buffer.write(block)
                stream.flush()
    finally:
        storage.close()
