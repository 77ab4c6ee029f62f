"""The reaper as a Prefect flow, for its deployment: run on a schedule, and by the server after a run that ended badly."""

from __future__ import annotations

import time
from typing import Any

from prefect import State, flow, get_run_logger
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.states import Cancelled, Completed, Failed

from flows import orphans, reaper
from flows.ledger import Ledger, RunRecord

GRACE = 180.0  # seconds after a run's end in which its own controller may still tell the server of it
_DOUBTFUL = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING, StateType.CRASHED]


@flow(name="chiminey reaper", persist_result=False)  # a name that the automations on connectors' flows do not match
def reap() -> None:
    """Remove what dead runs left on their hosts; runs that live are not touched."""
    logger = get_run_logger()
    ledger = Ledger()
    try:
        for sentence in (*reaper.reap(ledger), *orphans.reap_saved(ledger), *correct(ledger)):
            logger.info(sentence)
    finally:
        ledger.close()


def correct(ledger: Ledger) -> list[str]:
    """Tell the server how runs ended whose end it missed, being away itself; returns a sentence for each."""
    told: list[str] = []
    ours = FlowFilter(name=FlowFilterName(like_="chiminey-"))
    doubtful = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_DOUBTFUL)))
    with get_client(sync_client=True) as client:
        newest = FlowRunSort.EXPECTED_START_TIME_DESC
        for flow_run in client.read_flow_runs(flow_filter=ours, flow_run_filter=doubtful, sort=newest):
            record = ledger.of_flow_run(str(flow_run.id))
            if record is None or record.ended is None or time.time() - record.ended < GRACE:
                continue
            state = _state(record)
            if state is None or (flow_run.state_type == StateType.CRASHED and state.is_failed()):  # it says the same
                continue
            client.set_flow_run_state(flow_run.id, state, force=True)
            told.append(f"{record.name}: the server took it for {flow_run.state_name}, it is {record.status}")
    return told


def _state(record: RunRecord) -> State[Any] | None:
    match record.status:
        case "completed":
            return Completed(message=record.message)
        case "completed-with-failures":
            return Completed(name="CompletedWithFailures", message=record.message)
        case "cancelled":
            return Cancelled(message=record.message)
        case "failed":
            return Failed(message=record.message)
        case _:
            return None
