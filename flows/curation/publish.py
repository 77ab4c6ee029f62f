"""Publishing a run in a repository, with what became of it in the ledger."""

from __future__ import annotations

from functools import partial

from blocks.curation.experiment import Publication
from blocks.curation.resource import CurationResource
from blocks.errors import ChimineyError, unexpected
from flows.curation.experiment import experiment
from flows.ledger import CurationRecord, Ledger
from flows.run import Run
from flows.state import RunState


def publish(run: Run, state: RunState, repository: CurationResource, into: str) -> Publication:
    """Keep in the repository what the run has made; what is there already is found, and not made again.

    Raises:
        ResourceError: the repository is away, or refuses; the same is done again later. LeaseLost.
    """
    name = repository.saved_name or repository.describe()
    curations = run.ledger.curations
    curations.write(CurationRecord(run.id, name, "pending"))
    try:
        known = curations.known(run.id, repository.place)
        publication = repository.publish(experiment(run, state), into, known, partial(run.view.message, "info"))
    except Exception as error:
        reason = str(error) if isinstance(error, ChimineyError) else unexpected(error)
        curations.write(CurationRecord(run.id, name, "failed", reason))
        raise
    for warning in publication.warnings:
        run.say("warning", warning)
    curations.write(CurationRecord(run.id, name, "done", url=publication.url))
    sent = f"{publication.sent} {'file' if publication.sent == 1 else 'files'} sent"
    run.say("info", f"curated as {publication.url}, {sent}")
    return publication


def undone(name: str, reason: str) -> str:
    """That a run could not be published, in a sentence."""
    return f"the run is not curated: {reason}; do it later with: chiminey curate {name}"


def troubles(ledger: Ledger, run: str, name: str) -> list[str]:
    """What speaks of repositories that do not have the whole run."""
    return [undone(name, each.message or "it was interrupted") for each in ledger.curations.of(run) if each.status != "done"]


def address(ledger: Ledger, run: str) -> str:
    """Where the repository that the run was published in last shows it; "" if it is in none."""
    return next((each.url for each in reversed(ledger.curations.of(run)) if each.status == "done"), "")
