"""How a resource comes to be let in by its hosts: their keys pinned, and a key of its own in the place of a password."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from blocks.errors import ChimineyError, CommandFailed, HostKeyUnknown, InvalidRequest, ResourceError

if TYPE_CHECKING:
    from pydantic import SecretStr

    from blocks.transport.transport import Transport


def trust(block: Any, accept: bool) -> None:
    """Pin the keys of hosts that are met for the first time, when the user says so. What else is wrong is found later."""
    for destination in destinations(block):
        while (unknown := _unknown(destination, block)) is not None:
            typer.echo(str(unknown), err=True)
            if not accept and not (sys.stdin.isatty() and typer.confirm("Trust it?", err=True)):
                raise InvalidRequest("no host key was accepted; add --accept-host-key to trust the one that is shown")
            block.host_keys = [*block.host_keys, unknown.line]
            typer.echo(f"{destination}: this key is trusted from now on", err=True)


def ask(what: str, *, around: str | None = "\r\n") -> SecretStr:
    """A secret, typed unseen; the next line of standard input when that is no terminal.

    Args:
        what: what it is, such as password.
        around: the characters at its ends that are none of it; None for blanks of every kind.

    Raises:
        InvalidRequest: there is none.
    """
    from pydantic import SecretStr

    if is_typed := sys.stdin.isatty():
        typed = str(typer.prompt(what.capitalize(), hide_input=True, err=True))
    else:
        typed = sys.stdin.readline()
    if not (secret := typed.strip(around)):
        raise InvalidRequest(f"there is no {what}" + ("" if is_typed else " on standard input; give it as a line"))
    return SecretStr(secret)


def exchange(block: Any, name: str, password: SecretStr) -> None:
    """Log in with the password, install a new key on every host, log in with it, and keep only the key.

    Raises:
        ResourceError: a host did not take it; the key is then on no host.
    """
    from blocks.transport import key_exchange

    private, public = key_exchange.new_key(f"chiminey {name}")
    by_password = block.model_copy(update={"password": password}).by_nothing_but(password=password)
    by_key = block.model_copy(update={"private_key": private, "password": None, "private_key_file": None}).by_nothing_but(
        private_key=private
    )
    done: list[str] = []
    try:
        for destination in destinations(block):
            done.append(destination)
            with _transport(destination, by_password) as transport:
                _install(transport, public)
            with _transport(destination, by_key) as transport:
                transport.run("true")
    except BaseException:
        for destination in done:
            _try_withdraw(destination, by_password, public)
        raise
    for destination in done:
        typer.echo(f"{destination}: a key is installed, the password is forgotten")
    block.private_key, block.password, block.private_key_file = private, None, None


def withdraw(block: Any, name: str, force: bool) -> None:
    """Remove the key that was installed for this resource from its hosts; one that the user brought stays.

    Raises:
        ResourceError: a host can't be reached, and ``force`` is not given.
    """
    from blocks.transport import key_exchange

    if block.private_key is None or block.passphrase is not None:  # ours are in the resource, and have no passphrase
        return
    public = key_exchange.public_line(block.private_key, f"chiminey {name}")
    for destination in destinations(block):
        trouble = _try_withdraw(destination, block, public)
        if trouble is not None and not force:
            raise ResourceError(
                f"The key could not be removed from {destination}, and {name} stays; "
                f"to forget it all the same, add --force. The reason: {trouble}"
            ) from trouble
        if trouble is not None:
            typer.echo(f"the key stays on {destination}: {trouble}", err=True)


def destinations(block: Any) -> list[str]:
    """The hosts of a resource; none for one on this machine."""
    return list(block.hosts) if hasattr(block, "hosts") else [block.host] if hasattr(block, "host") else []


def _unknown(destination: str, block: Any) -> HostKeyUnknown | None:
    """What is said of a host on the way whose key is not known; None when all are."""
    try:
        with _transport(destination, block) as transport:
            transport.run("true")
    except HostKeyUnknown as error:
        return error
    except ChimineyError:
        return None
    return None


def _install(transport: Transport, public: str) -> None:
    from blocks.transport import key_exchange

    try:
        key_exchange.install(transport, public)
    except CommandFailed as error:
        raise CommandFailed(
            f"{transport.name} let us in, but a key can't be installed there ({error}); "
            "have the key installed by its administrator, and give it as private_key_file"
        ) from error


def _try_withdraw(destination: str, block: Any, public: str) -> ChimineyError | None:
    from blocks.transport import key_exchange

    try:
        with _transport(destination, block) as transport:
            key_exchange.withdraw(transport, public)
    except ChimineyError as error:
        return error
    return None


@contextmanager
def _transport(destination: str, access: Any) -> Generator[Transport]:
    from blocks.transport.ssh import SSHTransport

    transport = SSHTransport(destination, access)
    try:
        yield transport
    finally:
        transport.close()
