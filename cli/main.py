"""The program ``chiminey``: its commands, and how every error is told."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from blocks.errors import ChimineyError, InvalidRequest, RunCancelled, unexpected
from cli import answer, catalogue, crate, curate, deposit, logs, presets, resources, run, runs, server, sweep


class _Command(TyperCommand):
    def get_params(self, ctx: typer.Context) -> list[Any]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return _settled(super().get_params(ctx))


class _Commands(TyperGroup):
    def get_params(self, ctx: typer.Context) -> list[Any]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return _settled(super().get_params(ctx))


def _settled(parameters: Iterable[Any]) -> list[Any]:
    """Flags without a counterpart are False when not given: typer would load pydantic, slower than itself, to look at a None."""
    settled = list(parameters)
    for parameter in settled:
        one_sided = getattr(parameter, "is_flag", False) and not parameter.secondary_opts
        if parameter.default is None and one_sided:
            parameter.default = False
    return settled


app = typer.Typer(
    name="chiminey",
    help="Run your program many times on computers that are not yours, and get the results back.",
    no_args_is_help=True,
    rich_markup_mode=None,  # what rich needs to show a help page takes longer to load than everything else
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command, function in {
    "run": run.run,
    "sweep": sweep.sweep,
    "resume": run.resume,
    "retry": run.retry,
    "rerun": crate.rerun,
    "verify": crate.verify,
    "jobs": runs.jobs,
    "show": runs.show,
    "logs": logs.logs,
    "cancel": runs.cancel,
    "reap": runs.reap,
    "curate": curate.curate,
    "deposit": deposit.deposit,
    "connectors": catalogue.connectors,
    "activate": catalogue.activate,
    "deactivate": catalogue.deactivate,
    "new": catalogue.new,
    "up": server.up,
    "down": server.down,
    "ui": server.ui,
}.items():
    app.command(command, cls=_Command)(function)
app.add_typer(resources.app, name="resource")
app.add_typer(presets.app, name="preset")


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"chiminey {version('chiminey')}")
        raise typer.Exit


@app.callback(cls=_Commands)
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error comes from.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")] = False,
) -> None:
    """Options of every command."""
    del version
    if debug:
        os.environ["CHIMINEY_DEBUG"] = "1"


def main() -> None:
    """The program: the command line, which this process ends with."""
    try:
        command_line()
    except SystemExit as leaving:
        if "prefect" in sys.modules:
            _leave_a_server_that_is_away(leaving)
        raise


def _leave_a_server_that_is_away(leaving: SystemExit) -> None:
    """Prefect would try for minutes to tell it what the ledger knows anyhow."""
    from blocks import server

    if not server.answers():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(leaving.code if isinstance(leaving.code, int) else 0)


def command_line() -> None:
    """Run the command that was typed; every error is a sentence and an exit code."""
    try:
        app(prog_name="chiminey")
    except ChimineyError as error:
        sys.exit(_tell(error))
    except KeyboardInterrupt:
        sys.exit(RunCancelled.exit_code)
    except Exception as error:  # ours to mend: the user gets a sentence, the traceback is one option away
        answer.give_error((unexpected(error),))
        if os.environ.get("CHIMINEY_DEBUG"):
            raise
        typer.echo(f"error: {unexpected(error)}", err=True)
        typer.echo("Run it again as 'chiminey --debug ...' to see where.", err=True)
        sys.exit(1)


def _tell(error: ChimineyError) -> int:
    if os.environ.get("CHIMINEY_DEBUG"):
        import traceback

        traceback.print_exception(error)
    sentences = error.problems if isinstance(error, InvalidRequest) else (str(error),)
    for sentence in sentences:
        typer.echo(f"error: {sentence}", err=True)
    answer.give_error(sentences)
    return error.exit_code


if __name__ == "__main__":
    main()
