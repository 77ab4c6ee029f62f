"""The worker in the background, which runs what is started from the web pages, by a schedule or by an automation.

A worker that is simply ended takes its flow runs with it, at once and without their clean-up, and leaves them *Running*
for ever. So it is drained first: nothing new is begun, what runs may end, and what does not end is cancelled, which lets it
tidy up, while the worker still stands. What a worker that was ended all the same has left is settled when the next one starts.
"""

from __future__ import annotations

import getpass
import os
import time
from contextlib import suppress
from pathlib import Path

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound
from prefect.settings import get_current_settings
from prefect.states import Cancelling, Crashed
from prefect.workers.process import ProcessWorker

from blocks.home import home
from blocks.process_start import began
from blocks.server import process, settings
from blocks.server.automations import FLOW_PREFIX
from blocks.server.process import Process

POOL = "chiminey"
_POLL = 2  # seconds between a worker's questions for work; Prefect's own 10 is a long wait after a click
_CLEAN_UP = 60.0  # seconds that cancelled runs have; Prefect itself ends them after 30
_STOP_LIMIT = 20.0  # seconds
_PAGE = 200  # of what a server gives at once
_BUSY = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]


def start() -> bool:
    """See that a worker serves the pool, on the server that this process uses; True when it was started now.

    Raises:
        ChimineyError: it ended at once; the message names its log.
    """
    with process.alone(settings.folder() / "worker.lock"):
        if running():
            return False
        open_pool()
        _crash_what_was_left()
        arguments = ["worker", "start", "--pool", POOL, "--type", "process", "--name", _name()]
        process.start(arguments, _environment(), settings.folder() / "worker.log", _record())
        return True


def running() -> Process | None:
    """The worker that was started from this home, if it is alive."""
    known = process.recall(_record())
    return known if known and known.alive else None


def stop(patience: float) -> list[str]:
    """Stop the worker, giving its flow runs so many seconds to end by themselves; the connectors' runs that it had to cancel.

    Raises:
        ChimineyError: it could not be ended.
    """
    with process.alone(settings.folder() / "worker.lock"):
        worker = running()
        if worker is None:
            return []
        cancelled: list[str] = []
        with suppress(httpx.TransportError), get_client(sync_client=True) as client:  # a server that is gone can't be asked
            cancelled = _drain(client, patience)
        try:
            worker.stop(_STOP_LIMIT)
        finally:
            with suppress(httpx.TransportError):
                open_pool()  # for the workers that others have
        return cancelled


def open_pool() -> None:
    """See that the pool is there and hands out work; deployments may name it before there is a worker."""
    with get_client(sync_client=True) as client:
        try:
            client.read_work_pool(POOL)
        except ObjectNotFound:
            template = ProcessWorker.get_default_base_job_template()
            client.create_work_pool(WorkPoolCreate(name=POOL, type=ProcessWorker.type, base_job_template=template))
        client.update_work_pool(POOL, WorkPoolUpdate(is_paused=False))


def _name() -> str:
    """What the server knows the worker by: several persons may have one on a machine."""
    return f"chiminey-{getpass.getuser()}-{os.uname().nodename}"


def _crash_what_was_left() -> None:
    """End the runs whose process went with the former worker; one that was starting has no heartbeat that could be missed.

    Until then they hold what they have of a concurrency limit: a reaper among them would keep all later ones waiting.
    """
    with get_client(sync_client=True) as client:
        for run in _busy(client):
            if not _has_process(run):
                client.set_flow_run_state(run.id, Crashed(message="its worker was ended, and it with it"))


def _has_process(run: FlowRun) -> bool:
    return run.infrastructure_pid is not None and began(int(run.infrastructure_pid)) is not None


def _drain(client: SyncPrefectClient, patience: float) -> list[str]:
    """Let what the worker runs end, then cancel what is left; the names of connectors' runs among the cancelled."""
    client.update_work_pool(POOL, WorkPoolUpdate(is_paused=True))
    left = _left(client, patience)
    for run in left:
        client.set_flow_run_state(run.id, Cancelling())
    if left:
        _left(client, _CLEAN_UP)
    return [run.name for run in left if client.read_flow(run.flow_id).name.startswith(FLOW_PREFIX)]


def _left(client: SyncPrefectClient, patience: float) -> list[FlowRun]:
    """What is still under way when all has ended, or after so many seconds."""
    deadline = time.monotonic() + patience
    while (left := _busy(client)) and time.monotonic() < deadline:
        time.sleep(1.0)
    return left


def _busy(client: SyncPrefectClient) -> list[FlowRun]:
    """What this worker has under way; on a server of several persons, others have theirs."""
    found: list[FlowRun] = []
    while not len(found) % _PAGE:
        page = client.read_flow_runs(
            flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_BUSY))),
            work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[POOL])),
            sort=FlowRunSort.ID_DESC,
            limit=_PAGE,
            offset=len(found),
        )
        if not page:
            break
        found += page
    return [run for run in found if run.labels.get("prefect.worker.name") == _name()]


def _environment() -> dict[str, str]:
    """This process's settings, wherever they came from: the worker stands in another folder and reads no file here."""
    current = get_current_settings().to_environment_variables(exclude_unset=True)
    return {
        **os.environ,
        **current,
        "CHIMINEY_HOME": str(home()),
        "PREFECT_WORKER_QUERY_SECONDS": str(_POLL),
        "PREFECT_LOGGING_COLORS": "false",
    }


def _record() -> Path:
    return home() / "server" / "worker.json"
