"""Depositing what a run, or a sweep, has left: its whole folder, described by its crate and by what the user says besides."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any, cast

from blocks.curation.deposit import DepositResource
from blocks.curation.experiment import Author, Dataset, Experiment, Publication
from blocks.curation.signs import Say
from blocks.errors import InvalidRequest
from flows import author, resources
from flows.author import ORCID, SPDX
from flows.control import Control
from flows.curation import folder
from flows.curation.folder import ResultsFolder
from flows.ledger import CurationRecord, Ledger, RunRecord
from flows.request import common_request


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
        return _held(ledger, record, repository, into, experiment(record, results, description, words), say)
    finally:
        results.storage.close()
        repository.close()


def _held(ledger: Ledger, record: RunRecord, repository: DepositResource, into: str, told: Experiment, say: Say) -> Publication:
    """Publish it, while nobody else works on the run."""
    refusal = f"{record.name} is being worked on by another process; try again when that has ended"
    with ledger.held(record, refusal) as lease, closing(Control(lease)):
        made = repository.publish(told, into, ledger.curations.known(record.id, repository.place), say)
    ledger.curations.write(CurationRecord(record.id, repository.saved_name or repository.describe(), "done", url=made.url))
    return made


def experiment(record: RunRecord, results: ResultsFolder, description: str, words: Words) -> Experiment:
    """A run, or a sweep, as a repository is told of it; its files are read as they are asked for."""
    crate: Mapping[str, Mapping[str, Any]] = results.crate.entities if results.crate is not None else {}
    return Experiment(
        run=record.name,
        title=" ".join(words.title.split()) or f"{record.connector}: {record.name}",
        description=_description(record, description, crate),
        created=record.created,
        datasets=(Dataset("", results.files),),
        authors=words.authors or _authors(crate) or (author.author(),),
        keywords=(record.connector,),
        license=words.license or _license(crate),
    )


def _description(record: RunRecord, description: str, crate: Mapping[str, Mapping[str, Any]]) -> str:
    of_crate = crate.get("./", {}).get("description", "")
    told = description.strip() or of_crate or f"A {record.kind} of the connector {record.connector}."
    inputs = common_request(record).inputs
    return f"{told}\n\nWith {json.dumps(inputs, ensure_ascii=False)}." if inputs else told


def _authors(crate: Mapping[str, Mapping[str, Any]]) -> tuple[Author, ...]:
    told = crate.get("./", {}).get("author", [])
    references = cast(list[Any], told if isinstance(told, list) else [told])
    people = [crate.get(reference["@id"], {}) for reference in references]
    return tuple(
        Author(person["name"], orcid=person["@id"].removeprefix(ORCID) if person["@id"].startswith(ORCID) else "")
        for person in people
        if person.get("name")
    )


def _license(crate: Mapping[str, Mapping[str, Any]]) -> str:
    told: Any = crate.get("./", {}).get("license", "")
    name = str(cast(Any, told)["@id"]) if isinstance(told, dict) else str(told)
    return name.removeprefix(SPDX) if name.startswith(SPDX) else ""
