"""The reaper as a Prefect flow, for its deployment: run on a schedule, and by the server after a run that ended badly."""

from __future__ import annotations

import time
from contextlib import closing
from typing import Any

from prefect import Flow, State, flow, get_run_logger
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.states import Cancelled, Completed, Failed
from prefect.types import DateTime

from flows import orphans, reaper
from flows.ledger import Ledger, RunRecord

NAME = "chiminey reaper"  # which the automations on connectors' flows do not match
GRACE = 180.0  # seconds after a run's end in which its own controller may still tell the server of it
_DOUBTFUL = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING, StateType.CRASHED]


def reaper_flow(find: reaper.Find) -> Flow[[], None]:
    """The flow, with all connectors that can be found."""

    def reap() -> None:
        """Remove what dead runs left on their hosts; runs that live are not touched."""
        logger = get_run_logger()
        with closing(Ledger()) as ledger:
            with get_client(sync_client=True) as client:
                spare_others(client)
            for sentence in (*reaper.reap(ledger, find), *correct(ledger), *orphans.reap_saved(ledger)):
                logger.info(sentence)

    return flow(name=NAME, persist_result=False)(reap)


def spare_others(client: SyncPrefectClient) -> None:
    """Cancel the reapings that are due and wait: one that begins now does the work of all. A burst of bad ends asks for many."""
    ours = FlowFilter(name=FlowFilterName(any_=[NAME]))
    due = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
        expected_start_time=FlowRunFilterExpectedStartTime(before_=DateTime.now("UTC")),
    )
    for waiting in client.read_flow_runs(flow_filter=ours, flow_run_filter=due):
        client.set_flow_run_state(waiting.id, Cancelled(message="another reaping does its work"))


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
