"""``chiminey connectors``, ``new``, ``activate`` and ``deactivate``."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import answer
from cli.options import Json

if TYPE_CHECKING:
    from flows import SmartConnector

Names = Annotated[list[str], typer.Argument(metavar="NAME...", help="Connectors, or 'all'.")]


def connectors(as_json: Json = False) -> None:
    """List the connectors. Those that are broken are told with the reason."""
    from connectors import catalogue

    found = catalogue()
    if as_json:
        usable = [
            {"name": each.name, "description": each.description, "compute": list(each.compute)}
            for each in found.connectors.values()
        ]
        broken = [{"name": each.name, "file": str(each.file), "reason": each.reason} for each in found.broken]
        answer.give({"connectors": usable, "broken": broken})
        return
    for name, connector in found.connectors.items():
        typer.echo(f"{name:16} {connector.description}")
        for field, info in connector.Inputs.model_fields.items():
            default = "" if info.is_required() else f" [{_typed(info.get_default(call_default_factory=True))}]"
            typer.echo(f"{'':16}   {field}{default}  {info.description or info.title or ''}")
    for each in found.broken:
        typer.echo(f"{each.name} is broken: {each.reason} ({each.file})", err=True)


def _typed(default: object) -> object:
    """A default value, as one would type it."""
    return default.value if isinstance(default, Enum) else default


def new(
    name: Annotated[str, typer.Argument(help="The name of the connector.")],
    python: Annotated[bool, typer.Option("--python", help="Declare it in Python instead of TOML.")] = False,
    folder: Annotated[Path, typer.Option(help="Where its folder is made.")] = Path(),
) -> None:
    """Make a new connector that runs as it is."""
    from connectors.scaffold import scaffold

    target = scaffold(name, folder, python=python)
    typer.echo(f"{target} is made. Try it:\n  export CHIMINEY_PATH={target.parent}\n  chiminey run {name}")


def activate(names: Names) -> None:
    """Make connectors runnable from the Prefect UI."""
    from cli import prefect

    chosen = _chosen(names)
    prefect.connect()
    from flows import deployment, preset_deployments, presets
    from flows.ledger import Ledger

    ledger = Ledger()
    for connector in chosen:
        typer.echo(f"{connector.name} is the deployment {deployment.activate(connector)}")
        for trouble in preset_deployments.offer(connector, presets.saved(ledger, connector.name)):
            typer.echo(trouble, err=True)


def deactivate(names: Names) -> None:
    """Take connectors out of the Prefect UI. Their runs stay."""
    from cli import prefect

    prefect.connect()
    from flows import deployment

    for name in deployment.active() if names == ["all"] else names:
        deployment.deactivate(name)
        typer.echo(f"{name} is no longer a deployment")


def _chosen(names: list[str]) -> list[SmartConnector]:
    from connectors import catalogue, load

    return list(catalogue().connectors.values()) if names == ["all"] else [load(name) for name in names]
