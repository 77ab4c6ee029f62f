"""``chiminey curate``: publishing a run in a repository when it has ended, or again."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blocks.errors import ChimineyError, InvalidRequest, Unverified
from blocks.patience import Unreached
from cli import answer, options, prefect

if TYPE_CHECKING:
    from flows.connector import SmartConnector
    from flows.ledger import Ledger, RunRecord


def curate(
    name: options.Run,
    to: Annotated[str | None, typer.Option(help="The repository; without it, the one that the run was asked for with.")] = None,
    experiment: options.Experiment = None,
    trust: Annotated[
        bool,
        typer.Option(
            "--trust",
            help="Use the run's own copy of its connector, though it is Python code of others, when the connector is not here.",
        ),
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Publish a run that has ended, or each run of a sweep. What is published already is not sent again."""
    from flows.ledger import Ledger

    ledger = Ledger()
    record = ledger.find(name)
    prefect.connect()
    if record.kind == "run":
        told: Any = _published(ledger, record, to, experiment, trust=trust)
    else:
        told = _each_published(ledger, record, to, experiment, trust=trust)
    if as_json:
        answer.give(told)


def _each_published(ledger: Ledger, sweep: RunRecord, to: str | None, experiment: str | None, *, trust: bool) -> dict[str, Any]:
    """Publish what can be of a sweep's runs.

    Raises:
        ChimineyError: the first that went wrong, when all that can be done is.
    """
    counts = ledger.counts()
    done: list[dict[str, Any]] = []
    wrong: list[ChimineyError] = []
    for child in ledger.children(sweep.id):
        if not counts.get(child.id, {}).get("completed"):
            continue
        try:
            done.append(_published(ledger, child, to, experiment, trust=trust))
        except ChimineyError as error:
            typer.echo(f"{child.name}: {error}", err=True)
            wrong.append(error)
            if isinstance(error, Unreached | Unverified):  # the others would find out the same, each after a while
                break
    if wrong:
        raise wrong[0]
    if not done:
        raise InvalidRequest(f"no run of {sweep.name} has completed anything yet, there is nothing to curate")
    return {"run_id": sweep.id, "name": sweep.name, "runs": done}


def _published(ledger: Ledger, record: RunRecord, to: str | None, experiment: str | None, *, trust: bool) -> dict[str, Any]:
    from cli.progress import Terminal
    from flows.curation import later

    connector = _connector(record, trust=trust)
    with Terminal(lambda: False) as terminal:
        publication = later.curate(ledger, record, connector, to, experiment, terminal)
    return {
        "run_id": record.id,
        "name": record.name,
        "curated": publication.url,
        "experiment": publication.identifier,
        "sent": publication.sent,
        "warnings": list(publication.warnings),
    }


def _connector(record: RunRecord, *, trust: bool) -> SmartConnector:
    """The connector of a run; where that is gone, or takes other inputs by now, the copy of it among the results.

    Raises:
        InvalidRequest: there is no copy either, or it is Python code of others that nobody said to ``trust``.
    """
    from connectors import load_again
    from connectors.of_crate import chosen
    from flows.crate.verification import require
    from flows.curation import folder

    try:
        return _fitting(load_again(record.connector, record.folder), record)
    except InvalidRequest:
        results = folder.of(record)
        with closing(results.storage):
            if results.crate is None:
                raise
            require(results.crate, "connector")
            choice = chosen(results.crate, None, trust=trust)
    typer.echo(f"{record.name}: {choice.why}", err=True)
    return choice.connector


def _fitting(connector: SmartConnector, record: RunRecord) -> SmartConnector:
    """The connector, if it still takes what the run was given. Raises InvalidRequest: it has changed since."""
    from flows.inputs import checked
    from flows.request import common_request

    try:
        checked(connector, common_request(record).inputs)
    except InvalidRequest as error:
        has_changed = f"the connector {connector.name} does not take what {record.name} was given any more"
        raise InvalidRequest(*(f"{has_changed}: {problem}" for problem in error.problems)) from error
    return connector
