"""A controller in a process of its own, to be killed while it publishes: ``LEDGER RUN CONNECTOR_FOLDER URL``."""

from __future__ import annotations

import sys
from pathlib import Path

from blocks.compute import LocalCompute
from blocks.curation.mytardis import MyTardis
from blocks.storage import StorageResource
from flows import engine, references
from flows.ledger import Ledger
from flows.proposal import Proposal
from flows.request import RunRequest
from flows.view import View
from tests.payloads import connector
from tests.servers.mytardis import ALICE


def main() -> None:
    ledger_url, run, folder, url = sys.argv[1:]
    main_script = Path(folder, "payload", "process_payload", "main.sh")
    ledger = Ledger(ledger_url)
    record = ledger.run(run)
    assert record is not None
    request = RunRequest.model_validate_json(record.request)
    output = references.load(request.output.storage, StorageResource)
    sample = connector(Path(folder), main_script.read_text())
    repository = MyTardis(url=url, username=ALICE.name, api_key=ALICE.api_key)
    proposal = Proposal(request, sample, LocalCompute(), None, output, repository)
    with engine.controlled(ledger, record, proposal, View()) as controlled:
        engine.drive(controlled, engine.execute)


if __name__ == "__main__":
    main()
