"""``chiminey run``, ``resume`` and ``retry``."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blocks.errors import AllAtOnce, InvalidRequest
from blocks.mistakes import mistakes
from cli import options, prefect, values
from cli.carry_out import Start, leave_behind, to_the_end

if TYPE_CHECKING:
    from flows.ledger import RunRecord
    from flows.presets import Preset
    from flows.request import Reliability


def run(
    name: options.Connector,
    compute: options.Compute = None,
    input: options.Input = None,
    output: options.Output = None,
    set_: options.Set = None,
    inputs: options.InputsFile = None,
    sweep: options.InternalSweep = None,
    max_iterations: options.MaxIterations = None,
    max_retry: options.MaxRetry = None,
    reschedule: options.Reschedule = None,
    task_time_limit: options.TaskTimeLimit = None,
    stage_time_limit: options.StageTimeLimit = None,
    run_time_limit: options.RunTimeLimit = None,
    on_timeout: options.OnTimeout = None,
    on_oom: options.OnOutOfMemory = None,
    job: options.Job = None,
    cache: options.Cache = None,
    curate: options.Curate = None,
    experiment: options.Experiment = None,
    preset: options.Preset = None,
    detach: options.Detach = False,
    as_json: options.Json = False,
    run_id: options.RunId = None,
) -> None:
    """Run a connector and wait for its results."""
    run_id = run_id or secrets.token_hex(5)

    def prepare() -> Start:
        from connectors import load
        from flows import presets
        from flows.inputs import checked, texts
        from flows.ledger import Ledger

        connector = load(name)
        below = presets.find(Ledger(), preset, name) if preset is not None else None
        handling = {
            "maximum_retry": max_retry,
            "reschedule_failed_processes": reschedule,
            "task_time_limit": task_time_limit,
            "stage_time_limit": stage_time_limit,
            "run_time_limit": run_time_limit,
            "on_timeout": on_timeout,
            "on_oom": on_oom,
        }
        with AllAtOnce() as attempt:
            given: dict[str, Any] = attempt(values.inputs, set_ or [], inputs, connector) or {}
            given = attempt(presets.inputs, below, connector, given) or given
            points = attempt(values.sweep, sweep, texts(connector)) if sweep is not None else None
            attempt(checked, connector, given, points)
            handled = attempt(reliability, handling, below)
            requested = attempt(values.job, job or [], below)
        prefect.connect()
        from flows.flow import call

        chosen: dict[str, Any] = {
            "compute": compute,
            "input": input,
            "output": output,
            "sweep": points.model_dump() if points is not None else None,
            "max_iterations": max_iterations,
            "reliability": handled,
            "job": requested,
            "cache": cache,
            "curation": curate,
            "experiment": experiment,
        }
        return lambda views: call(connector, inputs=given, views=views, run_id=run_id, **presets.over(below, chosen))

    if detach:
        leave_behind(run_id, name, as_json, (sweep, str(inputs)))
    else:
        to_the_end(prepare, run_id, as_json)


def reliability(handling: Mapping[str, Any], below: Preset | None) -> Reliability:
    """How failures are handled, as typed, and where nothing is, as the preset has it.

    Raises:
        InvalidRequest: with everything of it that can't be.
    """
    given: dict[str, Any] = below.request.reliability.model_dump() if below is not None else {}
    with AllAtOnce() as attempt:
        for name, value in handling.items():
            read = attempt(values.seconds, value) if name.endswith("_time_limit") and value is not None else value
            given |= {name: read} if read is not None else {}
        handled = attempt(_reliability, given)
    assert handled is not None
    return handled


def _reliability(given: Mapping[str, Any]) -> Reliability:
    from pydantic import ValidationError

    from flows.request import Reliability

    try:
        return Reliability.model_validate(given)
    except ValidationError as error:
        raise InvalidRequest(*mistakes(error, "option", list(given))) from error


def resume(name: options.Run, as_json: options.Json = False) -> None:
    """Go on with a run that did not complete. What is done is not repeated."""

    def prepare() -> Start:
        from flows.ledger import Ledger
        from flows.retry import is_exhausted

        ledger = Ledger()
        record = ledger.find(name)
        if is_exhausted(ledger, record) and record.status == "completed":
            raise InvalidRequest(f"{record.name} is completed, there is nothing to resume")
        if is_exhausted(ledger, record):
            raise InvalidRequest(f"every task of {record.name} has ended; to run again what failed: chiminey retry {record.name}")
        return _onward(record)

    to_the_end(prepare, name, as_json)


def retry(
    name: options.Run,
    point: Annotated[list[int] | None, typer.Option(help="Of a sweep: only this point; may be repeated.")] = None,
    as_json: options.Json = False,
) -> None:
    """Run again what failed in a run or sweep that has ended, and only that."""

    def prepare() -> Start:
        from flows.ledger import Ledger
        from flows.retry import failed_runs, forgive

        ledger = Ledger()
        record = ledger.find(name)
        if point and record.kind != "sweep":
            raise InvalidRequest(f"{record.name} is no sweep and has no points")
        failed = failed_runs(ledger, record, point or ())
        if not failed:
            where = f"{record.name} at these points" if point else record.name
            raise InvalidRequest(f"nothing failed in {where}, there is nothing to retry")
        forgiven = sum(forgive(ledger, run) for run in failed)
        typer.echo(f"{forgiven} failed {'task is' if forgiven == 1 else 'tasks are'} run again", err=True)
        return _onward(record)

    to_the_end(prepare, name, as_json)


def _onward(record: RunRecord) -> Start:
    from connectors import load_again

    connector = load_again(record.connector, record.folder)
    prefect.connect()
    if record.kind == "sweep":
        from flows.sweep.flow import go_on

        return lambda views: go_on(connector, record, views)
    from flows import flow

    return lambda views: flow.resume(connector, record, views)
