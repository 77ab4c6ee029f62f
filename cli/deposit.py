"""``chiminey deposit``: a draft of what a run has left, in a repository that publishes data."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from blocks.errors import InvalidRequest
from cli import answer, options, prefect

if TYPE_CHECKING:
    from flows.ledger import RunRecord


def deposit(
    name: options.Run,
    to: Annotated[
        str,
        typer.Option(metavar="NAME", help="The repository; or zenodo, invenio or dataverse, where one of that kind is saved."),
    ],
    into: Annotated[str, typer.Option(metavar="ID", help="A draft there that it goes into; without it, a new one.")] = "",
    title: Annotated[str, typer.Option(help="The title; else the connector and the run.")] = "",
    author: Annotated[
        list[str] | None,
        typer.Option(metavar="'FAMILY, GIVEN; ORCID'", help="An author; may be repeated. Else as the crate has it."),
    ] = None,
    license: Annotated[str, typer.Option(metavar="SPDX", help="Such as CC-BY-4.0; else as the crate has it.")] = "",
    as_json: options.Json = False,
) -> None:
    """Make a draft of the folder of a run, or of a sweep, in a repository. It is looked at, and published, there."""
    from flows.ledger import Ledger

    ledger = Ledger()
    record = ledger.find(name)
    prefect.connect()
    from flows import deposit
    from flows.author import typed

    words = deposit.Words(title, tuple(map(typed, author or [])), license)
    made = deposit.deposit(ledger, record, _description(record), to, into, words, partial(typer.echo, err=True))
    for warning in made.warnings:
        typer.echo(warning, err=True)
    sent = f"{made.sent} {'file' if made.sent == 1 else 'files'} sent"
    typer.echo(f"{record.name}: {sent} to a draft; look at it, and publish it, at {made.url}", err=as_json)
    if as_json:
        answer.give({
            "run_id": record.id,
            "name": record.name,
            "draft": made.identifier,
            "url": made.url,
            "sent": made.sent,
            "warnings": list(made.warnings),
        })  # fmt: skip


def _description(record: RunRecord) -> str:
    """What the connector of a run says of itself; "" where that can't be loaded any more: the results tell it too."""
    from connectors import load_again

    try:
        return load_again(record.connector, record.folder).description
    except InvalidRequest:
        return ""
