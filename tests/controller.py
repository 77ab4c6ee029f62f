"""A controller in a process of its own, to be killed or weighed: ``python -m tests.controller LEDGER RUN CONNECTOR_FOLDER``.

Writes out the most memory that it held, in kB, when it has driven the run to its end.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from blocks.compute import ComputeResource
from blocks.storage import StorageResource
from flows import engine, references
from flows.ledger import Ledger
from flows.proposal import Proposal
from flows.request import RunRequest
from flows.view import View
from tests import elastic
from tests.engine import patient_clean_up
from tests.payloads import connector


def main() -> None:
    url, run_id, folder = sys.argv[1:]
    elastic.register()
    main_script = Path(folder, "payload", "process_payload", "main.sh")
    ledger = Ledger(url)
    record = ledger.run(run_id)
    assert record is not None
    request = RunRequest.model_validate_json(record.request)
    compute = references.load(request.compute, ComputeResource)
    output = references.load(request.output.storage, StorageResource)
    proposal = Proposal(request, connector(Path(folder), main_script.read_text()), compute, None, output)
    patient_clean_up(setattr)
    with engine.controlled(ledger, record, proposal, View()) as run:
        engine.drive(run, engine.execute)
    # Not what wait4 tells of a child: that counts the memory of the process that made it, too.
    sys.stdout.write(re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[0])


if __name__ == "__main__":
    main()
