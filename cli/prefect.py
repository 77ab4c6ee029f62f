"""Getting ready for what needs Prefect: a server to talk to, and no chatter of its own on the terminal."""

from __future__ import annotations

import logging
import os

import typer


def connect() -> None:
    """See that there is a Prefect server, starting the user's own if need be, and point this process at it."""
    from blocks import server

    hush()
    os.environ.setdefault(
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL"
    )  # its log goes to the server; we speak for ourselves
    logging.raiseExceptions = False  # nor does it tell that the server was away when it logged something
    if not server.configured() and server.running() is None:
        typer.echo("Starting your Prefect server; the first time this takes some 10 seconds.", err=True)
    server.ensure()
    server.connect()


def hush() -> None:
    """Keep off the terminal what libraries log without saying where: Python would print it there."""
    logging.getLogger().addHandler(logging.NullHandler())
