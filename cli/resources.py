"""``chiminey resource``: what runs can name: computers, storage, repositories."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blocks.errors import AllAtOnce, ChimineyError, InvalidRequest
from blocks.kinds import COMPUTE, CREDENTIALS, CURATION, DEPOSIT
from cli import access, answer, settings
from cli.options import Json

if TYPE_CHECKING:
    from blocks.resource import Resource
    from flows.resources import SavedResource


app = typer.Typer(help="Compute, storage, repositories, credentials.", no_args_is_help=True, rich_markup_mode=None)
Name = Annotated[str, typer.Argument(help="The name it is saved under.")]


@app.command()
def add(  # noqa: PLR0913, PLR0917 -- one for each thing that may be said
    kind: Annotated[
        str,
        typer.Argument(
            help=f"{', '.join(COMPUTE)}, local-storage, sftp, object, {', '.join((*CURATION, *DEPOSIT, *CREDENTIALS))}."
        ),
    ],
    name: Name,
    pairs: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Such as host=me@login.example.org.")
    ] = None,
    password: Annotated[
        bool, typer.Option("--password", help="Ask for the password once, and install a key instead of keeping it.")
    ] = False,
    keep_password: Annotated[
        bool, typer.Option("--keep-password", help="Ask for the password and keep it, for hosts that take no key.")
    ] = False,
    passphrase: Annotated[bool, typer.Option("--passphrase", help="Ask for the passphrase of the private key.")] = False,
    secret: Annotated[
        list[str] | None,
        typer.Option(metavar="SETTING", help="Ask for this secret as well, such as session_token; can be given several times."),
    ] = None,
    accept_host_key: Annotated[
        bool, typer.Option("--accept-host-key", help="Trust the host key that is shown, from now on.")
    ] = False,
    no_check: Annotated[bool, typer.Option("--no-check", help="Save it without trying it.")] = False,
) -> None:
    """Save a resource, when it works."""
    from cli import prefect

    prefect.connect()
    from flows import resources

    kinds = resources.kinds()
    if kind not in kinds:
        raise InvalidRequest(f"there is no kind of resource {kind!r}; the kinds are {', '.join(kinds)}")
    with AllAtOnce() as attempt:
        attempt(resources.require_name, name, kinds[kind])
        block: Any = attempt(settings.resource, kinds[kind], pairs or [])
    if not access.destinations(block) and (password or keep_password or passphrase or accept_host_key):
        if (password or keep_password) and "password" in kinds[kind].settings():
            raise InvalidRequest(f"the password of a {kind} resource is kept, and asked for with --secret password")
        raise InvalidRequest(f"nobody logs in to a host with a {kind} resource; leave out what begins with --")
    settings.ask_for_secrets(block, secret or [])
    if passphrase:
        block.passphrase = access.ask("passphrase")
    if keep_password:
        block.password = access.ask("password")
    if password or accept_host_key or (not no_check and sys.stdin.isatty()):
        access.trust(block, accept_host_key)
    if password:
        access.exchange(block, name, access.ask("password"))
    try:
        if not no_check:
            _check(name, block)
        resources.save(name, block)
    except ChimineyError:
        typer.echo(f"{name} is not saved", err=True)
        if password:
            access.withdraw(block, name, force=True)
        raise
    typer.echo(f"{name} is saved")


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List the saved resources."""
    from cli import prefect

    prefect.connect()
    from flows import resources

    rows = [{"name": each.name, "kind": each.kind, "where": _where(each)} for each in resources.saved()]
    if as_json:
        answer.give(rows)
    for row in [] if as_json else rows:
        typer.echo(f"{row['name']:20} {row['kind']:14} {row['where']}")
    if not rows and not as_json:
        typer.echo("None is saved yet. For instance: chiminey resource add unix lab host=me@lab.example.org")


@app.command()
def show(name: Name) -> None:
    """Show the settings of a resource; secrets stay hidden."""
    for field, value in _settings(_found(name)).items():
        typer.echo(f"{field}: {value}")


@app.command()
def check(name: Annotated[str | None, typer.Argument(help="The resource; without it, all.")] = None) -> None:
    """Try resources, and say what was found."""
    from cli import prefect

    prefect.connect()
    from flows import resources

    worst = 0
    for each in resources.saved() if name is None else resources.named(name):
        try:
            _check(each.name, each.block)
        except ChimineyError as error:
            typer.echo(f"{each.name}: {error}", err=True)
            worst = max(worst, error.exit_code)
    if worst:
        raise typer.Exit(worst)


@app.command()
def remove(
    name: Name, force: Annotated[bool, typer.Option("--force", help="Also when its key can't be removed from the hosts.")] = False
) -> None:
    """Forget a resource, and remove the key that was installed for it."""
    block = _found(name)
    from blocks.transport.ssh_access import SSHAccess

    if isinstance(block, SSHAccess):
        access.withdraw(block, name, force)
    from flows import resources

    resources.remove(name)
    typer.echo(f"{name} is removed")


def _found(name: str) -> Resource:
    from cli import prefect

    prefect.connect()
    from flows import resources

    return resources.find(name)


def _check(name: str, block: Any) -> None:
    for line in block.check():
        typer.echo(f"{name}: {line}")


def _settings(block: Resource) -> dict[str, Any]:
    """Its settings, without the empty ones that are so by default; other resources by their names."""
    fields = type(block).model_fields
    told = [(name, getattr(block, name), fields[name].get_default(call_default_factory=True)) for name in type(block).settings()]
    return {name: getattr(value, "saved_name", value) for name, value, default in told if value or value != default}


def _where(saved: SavedResource) -> str:
    try:
        block: Any = saved.block
        return block.describe() if hasattr(block, "describe") else ", ".join(access.destinations(block)) or "this machine"
    except ChimineyError as error:
        return str(error)
