"""``chiminey preset``: what runs were asked for, kept under names, to be asked for again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blocks.errors import AllAtOnce, InvalidRequest
from cli import answer, options, values
from cli.run import reliability
from cli.runs import location, reference

if TYPE_CHECKING:
    from flows.presets import Preset

app = typer.Typer(help="Values of runs, kept under names.", no_args_is_help=True, rich_markup_mode=None)
Name = Annotated[str, typer.Argument(metavar="PRESET", help="The preset; 'last' is what the newest run was asked for.")]
Owner = Annotated[
    str | None, typer.Option("--connector", metavar="NAME", help="The connector, where several have a preset of this name.")
]


@app.command()
def save(
    name: Annotated[str, typer.Argument(metavar="PRESET", help="The name that it gets.")],
    run: Annotated[str | None, typer.Argument(metavar="[RUN]", help="The run or sweep whose values are kept.")] = None,
    connector: Annotated[str | None, typer.Option(metavar="NAME", help="The connector, when there is no run yet.")] = None,
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
) -> None:
    """Keep what a run was asked for under a name. Options win over what it was asked for."""
    from cli import prefect
    from connectors import load
    from flows import presets
    from flows.inputs import texts
    from flows.ledger import Ledger

    presets.check_name(name)
    ledger = Ledger()
    if run is not None:
        below: Preset | None = presets.Preset(run, presets.of_run(ledger, ledger.find(run)))
    else:
        below = presets.find(ledger, preset, connector) if preset is not None else None
    owner = connector or (below.connector if below is not None else "")
    if not owner or (run is not None and preset is not None) or (below is not None and owner != below.connector):
        raise InvalidRequest("say whose values are kept: those of a run, or with --connector NAME those of the options")
    chosen = load(owner)
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
        given: dict[str, Any] = attempt(values.inputs, set_ or [], inputs, chosen) or {}
        given = attempt(presets.inputs, below, chosen, given) or given
        points = attempt(values.sweep, sweep, texts(chosen)) if sweep is not None else None
        handled = attempt(reliability, handling, below)
        requested = attempt(values.job, job or [], below)
    prefect.connect()

    from flows import deployment, preset_deployments
    from flows.asked import prepared

    asked: dict[str, Any] = {
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
    _, request = prepared(chosen, inputs=given, **presets.over(below, asked))
    presets.save(ledger, name, request)
    typer.echo(f"the preset {name} of {owner} is saved; use it with: chiminey run {owner} --preset {name}", err=True)
    if owner in deployment.active():
        preset_deployments.offer(chosen, presets.saved(ledger, owner))
        typer.echo(f"in the browser it is the deployment chiminey-{owner}/{owner}-{name}", err=True)


@app.command("list")
def list_(
    connector: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Only those of this connector.")] = None,
    as_json: options.Json = False,
) -> None:
    """List the presets."""
    from flows import presets
    from flows.ledger import Ledger

    if connector is not None:
        from connectors import load

        load(connector)
    found = presets.every(Ledger(), connector)
    if as_json:
        answer.give([_object(preset) for preset in found])
        return
    for preset in found:
        typer.echo(f"{preset.connector:16} {preset.name:16} {json.dumps(preset.request.inputs, ensure_ascii=False)}")
    if not found:
        typer.echo("No preset yet; 'chiminey preset save PRESET RUN' makes one.")


@app.command()
def show(name: Name, connector: Owner = None, as_json: options.Json = False) -> None:
    """Show all that a preset asks for."""
    from flows import presets
    from flows.ledger import Ledger

    preset = presets.find(Ledger(), name, connector)
    told = _object(preset)
    if as_json:
        answer.give(told)
        return
    asked = told["request"]
    typer.echo(f"{preset.name}, a preset of {preset.connector}")
    typer.echo(f"inputs: {json.dumps(asked['inputs'], ensure_ascii=False)}   sweep: {json.dumps(asked['sweep'])}")
    given = f"   input: {location(asked['input'])}" if asked["input"] else ""
    typer.echo(f"compute: {reference(asked['compute'])}{given}   output: {location(asked['output'])}")
    handled = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in asked["reliability"].items())
    typer.echo(f"max iterations {asked['max_iterations']}, {handled}, cache {asked['cache']}")
    if asked["curation"]:
        within = f", in the experiment {asked['experiment']}" if asked["experiment"] else ""
        typer.echo(f"published in: {reference(asked['curation'])}{within}")
    if job := preset.request.job.model_dump(exclude_defaults=True):
        typer.echo(f"job: {json.dumps(job, ensure_ascii=False)}")


@app.command()
def delete(name: Name, connector: Owner = None) -> None:
    """Forget a preset, and take it out of the browser."""
    from blocks import server
    from flows import presets
    from flows.ledger import Ledger

    ledger = Ledger()
    preset = presets.find(ledger, name, connector)
    presets.remove(ledger, preset)
    if server.configured() or server.running() is not None:
        server.connect()
        from flows import preset_deployments

        preset_deployments.withdraw(preset)
    typer.echo(f"the preset {name} of {preset.connector} is deleted", err=True)


def _object(preset: Preset) -> dict[str, Any]:
    return {"name": preset.name, "connector": preset.connector, "request": preset.request.model_dump(mode="json")}
