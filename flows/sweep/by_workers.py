"""The runs of a sweep in the hands of workers: flow runs of the connector's deployment, looked after from here."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelling

from blocks.errors import InvalidRequest, RunFailed
from flows.flow import RUN_TAG, TAG
from flows.ledger import RunRecord
from flows.parameters import parameters_of
from flows.request import RunRequest
from flows.sweep.sweep import Sweep
from flows.view import View

ASK_SECONDS = 2.0
Answer = TypeVar("Answer")
_BAD = (StateType.FAILED, StateType.CRASHED, StateType.CANCELLED)


class ByWorkers:
    """Carries a run out by handing it to the work pool, and waits for its end."""

    def __init__(self, sweep: Sweep) -> None:
        self._sweep = sweep
        self._deployment = _deployment(sweep.record.connector)

    def __call__(self, child: RunRecord, view: View) -> None:
        """Raises RunFailed: its flow run ended badly."""
        with get_client(sync_client=True) as client:
            asked_once = secrets.token_hex(8)  # a server that was away may have heard it all the same
            flow_run = self._patiently(
                lambda: client.create_flow_run_from_deployment(
                    self._deployment,
                    name=child.name,
                    parameters=parameters_of(RunRequest.model_validate_json(child.request)),
                    tags=[TAG, self._sweep.record.name, f"{RUN_TAG}{child.id}"],
                    idempotency_key=asked_once,
                )
            )
            cancelled = False
            while (state := self._patiently(lambda: client.read_flow_run(flow_run.id)).state) is None or not state.is_final():
                if view.cancelled() and not cancelled:
                    client.set_flow_run_state(flow_run.id, Cancelling())
                    cancelled = True
                time.sleep(ASK_SECONDS)
        if state.type in _BAD and not cancelled:
            raise RunFailed(state.message or f"its flow run is {state.name}")

    def _patiently(self, ask: Callable[[], Answer]) -> Answer:
        """Ask again for as long as the server is away; the workers go on without it."""
        while True:
            try:
                return ask()
            except httpx.TransportError:
                if self._sweep.is_leaving():
                    raise
                time.sleep(ASK_SECONDS)


def _deployment(connector: str) -> UUID:
    with get_client(sync_client=True) as client:
        try:
            return client.read_deployment_by_name(f"chiminey-{connector}/{connector}").id
        except ObjectNotFound as error:
            raise InvalidRequest(
                f"workers can run {connector!r} once it is a deployment; make it one with: chiminey activate {connector}"
            ) from error
