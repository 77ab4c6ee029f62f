"""The runs of a sweep in the hands of workers: flow runs of the connector's deployment, looked after from here."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from math import inf
from typing import Any, TypeVar
from uuid import UUID

import httpx
from prefect import State
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType, FlowRunFilterTags
from prefect.client.schemas.objects import TERMINAL_STATES, StateType
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from prefect.states import Cancelling

from blocks.errors import InvalidRequest, LeaseLost, RunCancelled, RunFailed
from flows.deployment_parameters import deployment_parameters
from flows.flow import RUN_TAG, TAG
from flows.flow_call import BUSY, TELL_AGAIN
from flows.ledger import RunRecord, RunStatus, is_completed
from flows.ledger.owner import this_process
from flows.ledger.patience import patiently
from flows.request import RunRequest
from flows.sweep.sweep import LEAVE_SECONDS, Sweep
from flows.taking_up import heed_cancel
from flows.view import View

ASK_SECONDS = 2.0
Answer = TypeVar("Answer")
_AWAY = (*BUSY, 408, 500)  # answers of a server, or of what is before it, that may be another in a moment
# What was not asked for, where somebody may have given the deployment a default of it.
_NOTHING: dict[str, Any] = {
    "input": None,
    "input_path": "",
    "sweep": None,
    "curation": None,
    "experiment": "",
    "job": {},
    "compute": None,
}
_BAD = (StateType.FAILED, StateType.CRASHED, StateType.CANCELLED)


class ByWorkers:
    """Carries a run out by handing it to the work pool, and waits for its end."""

    def __init__(self, sweep: Sweep) -> None:
        self._sweep = sweep
        self._deployment = _deployment(sweep.record.connector)
        self._under_way = _under_way(sweep.record)
        self._has_told_of_waiting = False

    def __call__(self, child: RunRecord, view: View) -> None:
        """Raises RunFailed: it ended badly. RunCancelled: it did not begin."""
        try:
            with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: TELL_AGAIN}), get_client(sync_client=True) as client:
                self._carry_out(client, child, view)
        finally:
            if view.cancelled():
                self._is_stopped(child)

    def _carry_out(self, client: SyncPrefectClient, child: RunRecord, view: View) -> None:
        if self._waited_for(client, child, view) and self._is_done_with(child, view):
            return
        state = self._end_of(client, self._handed_out(client, child), child, view)
        self._waited_while_owned(child, view)  # a server that did not hear of a run for a while takes it for dead
        if self._is_done_with(child, view):
            return
        if state is None or state.type in _BAD:
            reason = "its flow run was deleted" if state is None else state.message or f"its flow run is {state.name}"
            if not patiently(lambda: self._sweep.ledger.hosts(child.id)):
                self._end_in_the_queue(child, "cancelled" if state is not None and state.is_cancelled() else "failed", reason)
            raise RunFailed(reason)

    def _is_done_with(self, child: RunRecord, view: View) -> bool:
        """Whether nothing more is to be done about it. Raises RunFailed: it ended badly."""
        known = patiently(lambda: self._sweep.ledger.run(child.id)) or child
        if view.cancelled() or is_completed(known.status):
            return True
        if known.status != "running":
            raise RunFailed(known.message)
        return False

    def _waited_for(self, client: SyncPrefectClient, child: RunRecord, view: View) -> bool:
        """Whether a controller before this one had handed it out, and it went on; it does no longer."""
        owned = self._waited_while_owned(child, view)
        flow_run = self._under_way.get(f"{RUN_TAG}{child.id}")
        if flow_run is not None:
            self._end_of(client, flow_run, child, view)
        return owned or flow_run is not None

    def _waited_while_owned(self, child: RunRecord, view: View) -> bool:
        """Wait while a controller is at work on it; whether there was one."""
        ledger, owned = self._sweep.ledger, False
        while patiently(lambda: ledger.is_owned(child)):
            owned = True
            if view.cancelled():
                ledger.request_cancel(child.id)
            time.sleep(ASK_SECONDS)
        return owned

    def _handed_out(self, client: SyncPrefectClient, child: RunRecord) -> UUID:
        """The flow run that is to carry it out. Raises RunCancelled: somebody cancelled it before."""
        asked_once = secrets.token_hex(8)  # a server that was away may have heard it all the same

        def hand_out() -> UUID:
            heed_cancel(self._sweep.ledger, child)
            return client.create_flow_run_from_deployment(
                self._deployment,
                name=child.name,
                parameters={**_NOTHING, **deployment_parameters(RunRequest.model_validate_json(child.request))},
                tags=[TAG, self._sweep.record.name, f"{RUN_TAG}{child.id}"],
                idempotency_key=asked_once,
            ).id

        flow_run = self._patiently(hand_out, child)
        try:
            heed_cancel(self._sweep.ledger, child)
        except RunCancelled:  # while the server was asked
            self._patiently(lambda: client.set_flow_run_state(flow_run, Cancelling()), child)
            raise
        return flow_run

    def _end_of(self, client: SyncPrefectClient, flow_run: UUID, child: RunRecord, view: View) -> State[Any] | None:
        """How a flow run ended, which a cancel of the sweep ends; None: somebody has deleted it."""
        with suppress(ObjectNotFound):
            return self._final_state(client, flow_run, child, view)
        return None

    def _final_state(self, client: SyncPrefectClient, flow_run: UUID, child: RunRecord, view: View) -> State[Any]:
        told = False
        while (state := self._patiently(lambda: client.read_flow_run(flow_run), child).state) is None or not state.is_final():
            if state is not None and state.name == "Late" and not self._has_told_of_waiting:
                self._has_told_of_waiting = True
                self._sweep.say("warning", f"no worker has begun {child.name} yet; is one up, with room beside the sweep's run?")
            if view.cancelled():
                self._is_stopped(child)
                if not told:
                    self._patiently(lambda: client.set_flow_run_state(flow_run, Cancelling()), child)
                    told = True
            time.sleep(ASK_SECONDS)
        return state

    def _patiently(self, ask: Callable[[], Answer], child: RunRecord) -> Answer:
        """Ask again for as long as the server is away; the workers go on without it, and hear of a cancel all the same."""
        deadline = inf
        while True:
            try:
                return ask()
            except (httpx.TransportError, httpx.HTTPStatusError) as error:
                if isinstance(error, httpx.HTTPStatusError) and error.response.status_code not in _AWAY:
                    raise
                if self._sweep.is_leaving():
                    deadline = min(deadline, time.monotonic() + LEAVE_SECONDS)
                    if self._is_stopped(child) or time.monotonic() >= deadline:
                        raise
                time.sleep(ASK_SECONDS)

    def _is_stopped(self, child: RunRecord) -> bool:
        """Whether a run is over; otherwise its controller is asked to stop, or where it has none yet, none will begin it."""
        ledger = self._sweep.ledger
        known = ledger.run(child.id)
        if known is None or known.status != "running":
            return True
        with suppress(LeaseLost):  # then the run is for another controller of the sweep to go on with
            self._sweep.lease.renew()
            if ledger.is_owned(known):
                ledger.request_cancel(child.id)
            elif not ledger.hosts(child.id):
                self._end_in_the_queue(child, "cancelled", "the run was cancelled")
        return False

    def _end_in_the_queue(self, child: RunRecord, status: RunStatus, message: str) -> None:
        """Write that a run is over that has not begun: a worker that takes it from the queue then lets it be."""
        lease = self._sweep.ledger.acquire(child.id, this_process())
        if lease is None:
            return
        known = self._sweep.ledger.run(child.id)
        if known is not None and known.status == "running":
            lease.end(status, message)
        lease.release()


def _under_way(sweep: RunRecord) -> dict[str, UUID]:
    """The flow runs that a controller before this one has handed out and that have not ended, by the tag with their run."""
    ours = FlowRunFilter(
        tags=FlowRunFilterTags(all_=[sweep.name]),
        state=FlowRunFilterState(type=FlowRunFilterStateType(not_any_=list(TERMINAL_STATES))),
    )
    with get_client(sync_client=True) as client:
        found = client.read_flow_runs(flow_run_filter=ours)  # no more than run at once
    return {tag: run.id for run in found for tag in run.tags if tag.startswith(RUN_TAG)}


def _deployment(connector: str) -> UUID:
    with get_client(sync_client=True) as client:
        try:
            return client.read_deployment_by_name(f"chiminey-{connector}/{connector}").id
        except ObjectNotFound as error:
            raise InvalidRequest(
                f"workers can run {connector!r} once it is a deployment; make it one with: chiminey activate {connector}"
            ) from error
