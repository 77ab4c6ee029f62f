"""Publishing a run that has ended: because it was not asked for, or did not succeed, or in another repository."""

from __future__ import annotations

from blocks.compute import LocalCompute
from blocks.curation.experiment import Publication
from blocks.curation.resource import CurationResource
from blocks.errors import InvalidRequest
from blocks.storage.resource import StorageResource
from flows import ending, engine, references, resources
from flows.connector import SmartConnector
from flows.curation.publish import publish
from flows.ledger import Ledger, RunRecord
from flows.proposal import Proposal
from flows.request import RunRequest
from flows.state import RunState
from flows.view import View


def curate(
    ledger: Ledger, record: RunRecord, connector: SmartConnector, to: str | None, into: str | None, view: View
) -> Publication:
    """Publish it in this repository, else where the run was asked to be, and into this experiment, else that of the run.

    Raises:
        InvalidRequest: it has not ended, has nothing to publish, or there is no such place. ResourceError: it did not succeed.
    """
    request = RunRequest.model_validate_json(record.request)
    state = RunState.model_validate_json(record.state)
    if state.ending is None:
        raise InvalidRequest(f"{record.name} has not ended yet; 'chiminey show {record.name}' tells how far it is")
    if not ledger.task_counts(record.id).get("completed"):
        raise InvalidRequest(f"no task of {record.name} has completed, there is nothing to curate")
    repository, into = _place(request, to, into)
    if found := repository.problems(into):
        raise InvalidRequest(*found)
    output = references.load(request.output.storage, StorageResource)
    nothing_runs = LocalCompute()  # what the run had may be gone
    with engine.controlled(ledger, record, Proposal(request, connector, nothing_runs, None, output, repository), view) as run:
        publication = publish(run, state, repository, into)
        ending.keep_records(run, state, ending.outcome(run, state))
    return publication


def _place(request: RunRequest, to: str | None, into: str | None) -> tuple[CurationResource, str]:
    """The repository, and the experiment there; the one of the request belongs to the repository of the request."""
    asked = request.curation
    if to is not None:
        is_the_same = asked is not None and asked.name == to
        return resources.load_curation(to), into or (request.experiment if is_the_same else "")
    if asked is None:
        raise InvalidRequest("the run was not asked for with a repository; name one with --to NAME")
    return references.load(asked, CurationResource), into or request.experiment
