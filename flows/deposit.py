"""Depositing what a run, or a sweep, has left: its whole folder, described by its crate and by what the user says besides."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass, replace

from blocks.curation.deposit import DepositResource
from blocks.curation.experiment import Author, Dataset, Experiment, Publication
from blocks.curation.signs import Say
from blocks.errors import InvalidRequest
from flows import author, resources
from flows.control import Control
from flows.curation import credits, folder
from flows.curation.credits import Entities
from flows.curation.folder import ResultsFolder
from flows.ledger import CurationRecord, Ledger, RunRecord
from flows.request import common_request
from flows.taking_up import let_leave


@dataclass(frozen=True)
class Words:
    """What a user says of a deposit; what is empty is as the crate has it."""

    title: str = ""
    authors: tuple[Author, ...] = ()
    license: str = ""  # its SPDX identifier


def deposit(ledger: Ledger, record: RunRecord, description: str, to: str, into: str, words: Words, say: Say) -> Publication:
    """Make a draft of everything in the folder of a run, or of a sweep, or go on with the one that was begun.

    Args:
        ledger: where the run is, and what repositories call what was made of it.
        record: the run, or the sweep.
        description: of its connector; "" if it has none, or nobody knows it any more.
        to: the name of the repository, or its kind.
        into: the identifier of a draft there that everything goes into; "" makes a new one.
        words: what the user says of it.
        say: is told how far it is.

    Raises:
        InvalidRequest: it has not ended, or something is missing. ResourceError: the repository is away, or refuses.
    """
    repository = resources.load_deposit(to)
    if record.status == "running":
        raise InvalidRequest(f"{record.name} has not ended yet; 'chiminey show {record.name}' tells how far it is")
    results = folder.of(record)
    try:
        if not results.storage.exists(results.path):
            raise InvalidRequest(f"{record.name} has left nothing in {results.storage.describe(results.path)}")
        made = _held(ledger, record, repository, into, experiment(record, results, description, words), say)
        is_of_crate = not into and not words.license
        return replace(made, warnings=(*made.warnings, *(credits.unknown_license(_entities(results)) if is_of_crate else [])))
    finally:
        results.storage.close()
        repository.close()


def _held(ledger: Ledger, record: RunRecord, repository: DepositResource, into: str, told: Experiment, say: Say) -> Publication:
    """Publish it, while nobody else works on the run."""
    refusal = f"{record.name} is being worked on by another process; try again when that has ended"
    let_leave(ledger, record)
    with ledger.held(record, refusal) as lease, closing(Control(lease)):
        made = repository.publish(told, into, ledger.curations.known(record.id, repository.place), say)
    ledger.curations.write(CurationRecord(record.id, repository.saved_name or repository.describe(), "done", url=made.url))
    return made


def experiment(record: RunRecord, results: ResultsFolder, description: str, words: Words) -> Experiment:
    """A run, or a sweep, as a repository is told of it; its files are read as they are asked for."""
    crate = _entities(results)
    return Experiment(
        run=record.name,
        title=" ".join(words.title.split()) or f"{record.connector}: {record.name}",
        description=_description(record, description, crate),
        created=record.created,
        datasets=(Dataset("", results.files),),
        authors=words.authors or credits.authors(crate) or (author.author(),),
        keywords=(record.connector,),
        license=words.license or credits.license(crate),
    )


def _entities(results: ResultsFolder) -> Entities:
    return results.crate.entities if results.crate is not None else {}


def _description(record: RunRecord, description: str, crate: Entities) -> str:
    told = description.strip() or credits.description(crate) or f"A {record.kind} of the connector {record.connector}."
    inputs = common_request(record).inputs
    return f"{told}\n\nWith {json.dumps(inputs, ensure_ascii=False)}." if inputs else told
