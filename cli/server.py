"""``chiminey up``, ``down`` and ``ui``: the user's own Prefect server and worker."""

from __future__ import annotations

from typing import Annotated

import typer


def up() -> None:
    """Start the Prefect server and a worker. Every connector can then be run from the browser."""
    from cli import prefect

    prefect.connect()
    from blocks import server
    from blocks.server import automations, worker
    from connectors import catalogue
    from connectors.reaper import reap
    from flows import deployment, preset_deployments, presets
    from flows.ledger import Ledger

    worker.open_pool()
    found, ledger = catalogue(), Ledger()
    for connector in found.connectors.values():
        deployment.activate(connector)
        for trouble in preset_deployments.offer(connector, presets.saved(ledger, connector.name)):
            typer.echo(trouble, err=True)
    for broken in found.broken:
        typer.echo(f"{broken.name} is broken and left out: {broken.reason} ({broken.file})", err=True)
    automations.install(deployment.activate_reaper(reap))
    started = worker.start()
    typer.echo(f"{'Started' if started else 'Already up'}: {server.url()}")
    typer.echo(f"Connectors: {', '.join(found.connectors)}. 'chiminey ui' tells how to log in, 'chiminey down' stops it.")


def down(patience: Annotated[float, typer.Option(help="Seconds that runs are given to end by themselves.")] = 30.0) -> None:
    """Stop the worker and the server. Runs may end first."""
    from blocks import server
    from blocks.server import worker

    foreign = server.configured()
    if worker.running() is None and (foreign or server.running() is None):
        typer.echo("It is not up.")
        return
    server.connect()
    for name in worker.stop(patience):
        typer.echo(f"{name} was cancelled; 'chiminey resume' goes on with it")
    if foreign:
        typer.echo("The worker is stopped; the Prefect server in use is not ours to stop.")
        return
    server.stop()
    typer.echo("Stopped.")


def ui(open_: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False) -> None:
    """Tell where the UI is, and how to log in."""
    from cli import prefect

    prefect.connect()
    from blocks import server

    typer.echo(server.url())
    if not server.configured():
        typer.echo(f"password: {server.password()}")
    if open_:
        typer.launch(server.url())
