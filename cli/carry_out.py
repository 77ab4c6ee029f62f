"""Carrying out what was asked: here, to its end, or left behind in a process of its own. How it ended is told either way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Generator, Iterable
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import typer

from blocks.errors import ChimineyError, InvalidRequest, RunCancelled, unexpected
from blocks.interrupted import interrupted_later
from cli import answer

if TYPE_CHECKING:
    from pathlib import Path

    from flows.ledger import Ledger, RunRecord
    from flows.result import RunResult
    from flows.view import View

COMPLETED_WITH_FAILURES = 3
_DETACH_SECONDS = 120.0
_STOP_SECONDS = 30.0
_CANCEL_SECONDS = 200.0  # in which what begins all the same is cancelled; another Ctrl-C does not wait for that

Start = Callable[["list[View]"], Coroutine[Any, Any, "RunResult"]]


def to_the_end(prepare: Callable[[], Start], run: str, as_json: bool) -> None:
    """Run, show how it goes and how it ended, and leave with the exit code that says so. ``run`` is its id or name."""
    interrupted = _heed_interrupts(run)
    with _failures_told(run, as_json, begun=False):
        start = prepare()
    with _failures_told(run, as_json, begun=True):
        result = _shown(start, interrupted.is_set)
    if as_json:
        answer.give(result.model_dump_json())
    _summarise(result)
    if result.state == "completed-with-failures":
        raise typer.Exit(COMPLETED_WITH_FAILURES)


@contextmanager
def _failures_told(run: str, as_json: bool, *, begun: bool) -> Generator[None]:
    """Tell how far a run came that ended with an error; the error itself is told by the main program."""
    try:
        yield
    except typer.Exit:  # it is told already
        raise
    except ChimineyError as error:
        _tell_failure(run, error, as_json, begun)
        raise
    except KeyboardInterrupt:
        _tell_failure(run, RunCancelled("the run was interrupted before it began"), as_json, begun)
        raise
    except Exception as error:
        _tell_failure(run, ChimineyError(unexpected(error)), as_json, begun)
        raise


def _shown(start: Start, is_interrupted: Callable[[], bool]) -> RunResult:
    from cli.progress import Terminal
    from flows.flow_call import run_here

    with Terminal(is_interrupted) as terminal:
        return run_here(start([terminal]))


def _heed_interrupts(run_id: str) -> threading.Event:
    """The first Ctrl-C ends the run and cleans up; a second one leaves it as it is.

    Gives what is set by the first: the exception may be lost in a library that catches all, or in a callback.
    """
    interrupted = threading.Event()

    def interrupt(_number: int, _frame: object) -> None:
        if interrupted.is_set():
            typer.echo(f"\nLeft as it is; 'chiminey resume {run_id}' goes on with it.", err=True)
            os._exit(RunCancelled.exit_code)
        interrupted.set()
        typer.echo("\nStopping and cleaning up; press Ctrl-C again to leave it to 'chiminey resume'.", err=True)
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    return interrupted


def _tell_failure(run: str, error: ChimineyError, as_json: bool, begun: bool) -> None:
    from flows.result import failure

    result = failure(run, error)
    if as_json:
        answer.give(result.model_dump_json())
    if begun and result.name:
        onward = "'chiminey retry' runs again what failed" if result.tasks.failed else "'chiminey resume' goes on with it"
        typer.echo(f"{_summary(result)}; 'chiminey show {result.name}' tells more, {onward}", err=True)


def _summarise(result: RunResult) -> None:
    for message in result.messages:
        typer.echo(message, err=True)
    typer.echo(f"{_summary(result)}\nresults: {result.output}", err=True)
    if result.curated:
        typer.echo(f"curated: {result.curated}", err=True)


def _summary(result: RunResult) -> str:
    counted = f"{result.tasks.completed} of {result.tasks.total} {'task' if result.tasks.total == 1 else 'tasks'} completed"
    return f"{result.name}: {result.state.replace('-', ' ')}, {counted}"


def leave_behind(run_id: str, name: str, as_json: bool, standard_input: Iterable[str | None]) -> None:
    """The same command in a session of its own; back as soon as the run has begun, or has failed to."""
    with _failures_told(run_id, as_json, begun=False):
        if "-" in standard_input:
            raise InvalidRequest("what is detached can't read standard input; put the sweep map into a file and give @FILE")
        _leave_behind(run_id, name, as_json)


def _leave_behind(run_id: str, name: str, as_json: bool) -> None:
    from blocks.home import home
    from flows.ledger import Ledger

    log = home() / "logs" / f"{name}-{run_id}.log"
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    command = [
        sys.executable,
        "-P",  # no cli.py of the folder that the person happens to stand in
        "-m",
        "cli",
        *(word for word in sys.argv[1:] if word not in ("--detach", "--json")),
        "--run-id",
        run_id,
    ]
    ledger = Ledger()
    deadline = time.monotonic() + _DETACH_SECONDS
    process, record, interrupted = None, None, False
    try:
        with interrupted_later(), log.open("wb") as output:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
        while (record := ledger.run(run_id)) is None and time.monotonic() < deadline:
            if process.poll() is not None:
                _tell_failure(run_id, InvalidRequest(*_errors(log)), as_json, begun=False)
                raise typer.Exit(_failed_to_begin(log, process.returncode))
            time.sleep(0.1)
    except KeyboardInterrupt:
        if process is None:
            raise
        interrupted = True
    if record is None:
        record = _stopped(process, ledger, run_id, _CANCEL_SECONDS if interrupted else _STOP_SECONDS)
        if record is None and interrupted:
            raise KeyboardInterrupt
        if record is None:
            raise ChimineyError(f"the run has not begun after {_DETACH_SECONDS:.0f} seconds and was stopped; its log is {log}")
        if record.status == "cancelled":
            typer.echo("It had just begun, and is cancelled.", err=True)
        else:
            typer.echo(f"It had just begun; 'chiminey cancel {record.name}' makes sure that it ends.", err=True)
    if as_json:
        answer.give({"run_id": record.id, "name": record.name, "state": record.status})
    else:
        typer.echo(record.name)
    if interrupted or record.status == "cancelled":
        raise typer.Exit(RunCancelled.exit_code)


def _stopped(process: subprocess.Popen[bytes], ledger: Ledger, run_id: str, seconds: float) -> RunRecord | None:
    """End what was left behind, which a Ctrl-C in this terminal does not reach; gives the run if it has begun all the same."""
    process.send_signal(signal.SIGINT)
    with suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
        process.wait(seconds)
    if ledger.run(run_id) is None:
        process.kill()
        process.wait()
    return ledger.run(run_id)


def _errors(log: Path) -> list[str]:
    lines = log.read_text(errors="replace").splitlines()
    return [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]


def _failed_to_begin(log: Path, code: int) -> int:
    typer.echo(log.read_text(errors="replace").strip(), err=True)
    return code
