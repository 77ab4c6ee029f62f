"""A controller in a process of its own that dies at a request to the store: ``LEDGER RUN FOLDER STORAGE [MOMENT WHEN]``.

MOMENT counts the requests that change something, from 1; WHEN says whether the store has that one: ``before`` or ``after``.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from botocore.httpsession import URLLib3Session  # pyright: ignore[reportMissingTypeStubs]
from pydantic import SecretStr

from blocks.compute import ComputeResource
from blocks.storage import ObjectStorage
from flows import Convergence, Iteration, NextInput, SmartConnector, engine, references
from flows.ledger import Ledger, RunRecord
from flows.proposal import Proposal
from flows.request import RunRequest
from flows.view import View
from tests.engine import patient_clean_up
from tests.payloads import connector
from tests.servers.swift import Swift

LARGE = 20_000_000  # bytes
MAIN = f"""
echo "$CHIMINEY_TASK_ID" >>"$HOME/begun"
mkdir "$2/deep"
: >"$2/nothing"
cp "$1/seed" "$2/deep/é seed"
echo "$CHIMINEY_TASK_ID" >"$2/answer"
if [ "$CHIMINEY_TASK_ID" = 2 ]; then head -c {LARGE} /dev/zero | tr '\\0' x >"$2/large"; fi
"""


def sample(folder: Path) -> SmartConnector:
    """Its second iteration goes on from the answer of the third task of the first."""

    def transform(_self: object, iteration: Iteration, next_input: NextInput) -> None:
        next_input.keep(iteration.tasks[2], {"answer": "seed"})

    return connector(folder, MAIN, transform=transform, converged=lambda _self, _iteration: Convergence(done=False))


def opened(request: RunRequest) -> ObjectStorage:
    """The storage of a request, with the key of all tests."""
    return ObjectStorage(**request.output.storage.settings, secret_key=SecretStr(Swift.key))


def proposal(record: RunRecord, folder: Path) -> Proposal:
    """What was asked for, with input and output in one bucket."""
    request = RunRequest.model_validate_json(record.request)
    storage = opened(request)
    return Proposal(request, sample(folder), references.load(request.compute, ComputeResource), storage, storage)


def die_at(moment: int, when: str) -> None:
    """Kill this process at that request, whichever thread sends it."""
    lock = threading.Lock()
    seen = 0

    def dying(send: Callable[..., Any]) -> Callable[..., Any]:
        def sent(client: object, request: Any, *given: Any, **more: Any) -> Any:
            nonlocal seen
            with lock:
                is_change = request.method in {"PUT", "POST", "DELETE"}
                seen += is_change
                is_last = is_change and seen == moment
            answer = None if is_last and when == "before" else send(client, request, *given, **more)
            if is_last:
                os.kill(os.getpid(), signal.SIGKILL)
            return answer

        return sent

    URLLib3Session.send = dying(URLLib3Session.send)
    httpx.Client.send = dying(httpx.Client.send)


def main() -> None:
    url, run, folder, *moment = sys.argv[1:]
    patient_clean_up(setattr)
    ledger = Ledger(url)
    record = ledger.run(run)
    assert record is not None
    if moment:
        die_at(int(moment[0]), moment[1])
    with engine.controlled(ledger, record, proposal(record, Path(folder)), View()) as controlled:
        engine.drive(controlled, engine.execute)


if __name__ == "__main__":
    main()
