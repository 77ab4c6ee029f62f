"""``chiminey sweep``: one run of a connector for each point of a map."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blocks.errors import AllAtOnce, InvalidRequest
from cli import answer, options, prefect, values
from cli.carry_out import Start, leave_behind, to_the_end
from cli.run import reliability

if TYPE_CHECKING:
    from flows.sweep_map import SweepMap


def sweep(
    name: options.Connector,
    sweep: Annotated[str, typer.Option(metavar="MAP", help="The sweep: '{\"x\": [1, 2]}', @FILE or -; each point is a run.")],
    compute: options.Compute = None,
    input: options.Input = None,
    output: options.Output = None,
    set_: options.Set = None,
    inputs: options.InputsFile = None,
    at_once: Annotated[int, typer.Option(min=1, help="How many runs at the same time, at most.")] = 4,
    by_workers: Annotated[bool, typer.Option("--by-workers", help="Spread the runs over the workers of the work pool.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print how many points there are, and the points.")] = False,
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
    """Run a connector once for each point of a sweep, and make one table of what came of it."""
    run_id = run_id or secrets.token_hex(5)
    handling = {
        "maximum_retry": max_retry,
        "reschedule_failed_processes": reschedule,
        "task_time_limit": task_time_limit,
        "stage_time_limit": stage_time_limit,
        "run_time_limit": run_time_limit,
        "on_timeout": on_timeout,
        "on_oom": on_oom,
    }

    def prepare() -> Start:
        from connectors import load
        from flows import presets
        from flows.inputs import texts
        from flows.ledger import Ledger

        connector = load(name)
        below = presets.find(Ledger(), preset, name) if preset is not None else None
        if below is not None and below.request.sweep is not None:
            raise InvalidRequest(f"the preset {preset!r} sweeps inside one run; it is for: chiminey run {name} --preset {preset}")
        with AllAtOnce() as attempt:
            given: dict[str, Any] = attempt(values.inputs, set_ or [], inputs, connector) or {}
            given = attempt(presets.inputs, below, connector, given) or given
            points = attempt(values.sweep, sweep, texts(connector))
            handled = attempt(reliability, handling, below)
            requested = attempt(values.job, job or [], below)
        assert points is not None
        prefect.connect()
        from flows.sweep.flow import call

        chosen: dict[str, Any] = {
            "sweep": points.model_dump(),
            "at_once": at_once,
            "by_workers": by_workers,
            "compute": compute,
            "input": input,
            "output": output,
            "max_iterations": max_iterations,
            "reliability": handled,
            "job": requested,
            "cache": cache,
            "curation": curate,
            "experiment": experiment,
        }
        return lambda views: call(connector, inputs=given, views=views, run_id=run_id, **presets.over(below, chosen))

    if dry_run:
        _tell_points(values.sweep(sweep), as_json)
    elif detach:
        leave_behind(run_id, name, as_json, (sweep, str(inputs)))
    else:
        to_the_end(prepare, run_id, as_json)


def _tell_points(sweep: SweepMap, as_json: bool) -> None:
    count = sweep.count()
    if as_json:
        answer.give({"count": count, "points": list(sweep.points())})
        return
    typer.echo(f"{count} {'point' if count == 1 else 'points'}")
    for point in sweep.points():
        typer.echo(json.dumps(point, ensure_ascii=False))
