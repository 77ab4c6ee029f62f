"""The options that commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Connector = Annotated[str, typer.Argument(metavar="NAME", help="The connector; 'chiminey connectors' lists them.")]
Run = Annotated[str, typer.Argument(metavar="RUN", help="The run's name, id, or the start of either.")]

Compute = Annotated[str | None, typer.Option(help="The compute resource; without it, this machine.")]
Input = Annotated[str | None, typer.Option(help="The input folder: STORAGE/PATH, or a path of this machine.")]
Output = Annotated[str | None, typer.Option(help="Where results go: STORAGE/PATH, or a path; else ./chiminey-output.")]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="An input; may be repeated.")]
InputsFile = Annotated[Path | None, typer.Option("--inputs", metavar="FILE.json", help="Inputs as a JSON object.")]
InternalSweep = Annotated[
    str | None, typer.Option(metavar="MAP", help="A sweep: '{\"x\": [1, 2]}', @FILE or -; each point is a task.")
]

MaxIterations = Annotated[int | None, typer.Option(min=1, help="How often it iterates at most; else as the connector has it.")]
MaxRetry = Annotated[int | None, typer.Option(min=0, help="How often a failed task is run again; else twice.")]
Reschedule = Annotated[bool | None, typer.Option("--reschedule/--no-reschedule", help="Run failed tasks again, or ignore them.")]
TaskTimeLimit = Annotated[str | None, typer.Option(metavar="TIME", help="Longest time for one task, such as 10m; 0 for none.")]
StageTimeLimit = Annotated[str | None, typer.Option(metavar="TIME", help="Longest time for one stage.")]
OnTimeout = Annotated[
    str | None,
    typer.Option(
        metavar="retry|more|fail", help="A task that ran out of time: run it again, with twice the time, or give it up."
    ),
]
OnOutOfMemory = Annotated[
    str | None,
    typer.Option(
        "--on-oom", metavar="retry|more|fail", help="The same for one that a cluster ended for its memory; else with more."
    ),
]
RunTimeLimit = Annotated[str | None, typer.Option(metavar="TIME", help="Longest time for the run.")]
Job = Annotated[
    list[str] | None,
    typer.Option(metavar="KEY=VALUE", help="What a cluster's scheduler is asked for, as partition=short; may be repeated."),
]
Cache = Annotated[
    bool | None,
    typer.Option("--cache/--no-cache", help="Take outputs of earlier runs for tasks computed from the same."),
]
Curate = Annotated[str | None, typer.Option(help="The repository that the run is published in when it has ended.")]
Experiment = Annotated[
    str | None, typer.Option(metavar="ID", help="The experiment there that it goes into; without it, a new one.")
]

Preset = Annotated[str | None, typer.Option(metavar="PRESET", help="Values to begin with; other options win over them.")]
Detach = Annotated[bool, typer.Option("--detach", help="Leave it running in the background.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]
RunId = Annotated[str | None, typer.Option(hidden=True)]
