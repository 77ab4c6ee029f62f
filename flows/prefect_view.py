"""A run in the Prefect UI: a progress bar, a table of tasks, log lines, a report.

What is to be shown is only noted by the threads that say it; one thread of its own sends it, at most once a second, so that ten
thousand tasks cost no more requests than ten. It also asks whether somebody has cancelled the flow run.
"""

from __future__ import annotations

import base64
import json
import logging
import threading
import time
from collections.abc import Sequence
from http.client import NOT_FOUND
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.client.schemas.objects import StateType
from prefect.exceptions import PrefectException

from flows import cost
from flows.cost import Cost
from flows.ledger import PayloadTask
from flows.result import RunResult
from flows.result_columns import Table
from flows.view import Level, Progress, View

SEND_SECONDS = 1.0
ASK_SECONDS = 3.0
ROWS = 1000  # of the table; a longer one is no help to a person

_STOPPED = (StateType.CANCELLING, StateType.CANCELLED, StateType.PAUSED)  # one that is suspended ends, and is gone on with later
_REFUSED = (400, 413, 422)  # of one thing alone, such as a table that is too large for what stands before the server

_LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class PrefectView(View):
    """One flow run."""

    def __init__(self, flow_run: UUID, name: str, logger: logging.Logger | logging.LoggerAdapter[Any]) -> None:
        self._flow_run = flow_run
        self._key = "".join(character if character.isalnum() else "-" for character in name.lower())
        self._logger = logger
        self._lock = threading.Lock()
        self._waiting: dict[str, tuple[str, Any, str]] = {}
        self._sent: dict[str, UUID] = {}
        self._cancelled = False
        self._asked = time.monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="prefect view", daemon=True)
        self._thread.start()

    def message(self, level: Level, text: str) -> None:
        self._logger.log(_LEVELS[level], text)

    def progress(self, progress: Progress) -> None:
        done = progress.completed + progress.failed
        iteration = f"iteration {progress.iteration + 1}: " if progress.unit == "tasks" else ""
        text = f"{iteration}{progress.completed} of {progress.total} {progress.unit} completed, {progress.failed} failed"
        if progress.queued:
            text += f", {progress.running} running, {progress.queue}"
        self._show(f"progress-{progress.iteration}", "progress", 100.0 * done / max(1, progress.total), text)

    def tasks(self, tasks: Sequence[PayloadTask]) -> None:
        rows = [
            {
                "task": task.id,
                "state": task.status,
                "attempt": task.attempt,
                "host": task.host,
                "exit code": task.exit_code,
                "reason": task.reason,
                "values": json.dumps(task.point, ensure_ascii=False),
            }
            for task in tasks[:ROWS]
        ]
        shown = f"the first {ROWS} of {len(tasks)} tasks" if len(tasks) > ROWS else "tasks"
        iteration = tasks[0].iteration if tasks else 0
        self._show(f"tasks-{iteration}", "table", json.dumps(rows), f"iteration {iteration + 1}: {shown}")

    def table(self, name: str, table: Table, picture: bytes | None) -> None:
        more = f", the first {ROWS} of {len(table.rows)} rows" if len(table.rows) > ROWS else ""
        self._show(name, "table", json.dumps(list(table.rows[:ROWS]), default=str), f"{name}{more}")
        if picture is not None:
            image = f"![{name}](data:image/png;base64,{base64.b64encode(picture).decode()})"
            self._show(f"{name}-plot", "markdown", image, f"{name}, plotted")

    def cancelled(self) -> bool:
        return self._cancelled

    def report(self, result: RunResult, spent: Cost | None) -> None:
        """Show how the run ended."""
        failures = "".join(f"\n- {message}" for message in result.messages)
        machines = f"| machines | {cost.spoken(spent)} |\n" if spent else ""
        curated = f"| curated | {result.curated} |\n" if result.curated else ""
        text = (
            f"# {result.name}: {result.state}\n\n"
            "| | |\n|---|---|\n"
            f"| tasks | {result.tasks.completed} of {result.tasks.total} completed, {result.tasks.failed} failed |\n"
            f"| iterations | {result.iterations} |\n| criterion | {'' if result.criterion is None else result.criterion} |\n"
            f"{machines}| output | `{result.output}` |\n{curated}{failures}\n"
        )
        self._show("report", "markdown", text, "How the run ended")

    def close(self) -> None:
        """Send what is waiting, and stop."""
        self._over.set()
        self._thread.join(timeout=10)

    def _show(self, name: str, kind: str, data: Any, description: str) -> None:
        with self._lock:
            self._waiting[name] = (kind, data, description)

    def _work(self) -> None:
        with get_client(sync_client=True) as client:
            while not self._over.wait(SEND_SECONDS):
                self._attempt(client)
            self._attempt(client)

    def _attempt(self, client: SyncPrefectClient) -> None:
        """The view must never be what ends a run: a server that is away is asked again a second later."""
        for act in (self._ask, self._send):
            try:
                act(client)
            except (httpx.HTTPError, PrefectException) as error:
                logging.getLogger("chiminey").debug("the Prefect server could not be told: %s", error)

    def _ask(self, client: SyncPrefectClient) -> None:
        if not self._over.is_set() and time.monotonic() - self._asked > ASK_SECONDS:
            self._asked = time.monotonic()
            state = client.read_flow_run(self._flow_run).state
            self._cancelled = state is not None and state.type in _STOPPED

    def _send(self, client: SyncPrefectClient) -> None:
        with self._lock:
            waiting = dict(self._waiting)
        for name, shown in waiting.items():
            kind, data, description = shown
            try:
                if name in self._sent:
                    client.update_artifact(self._sent[name], ArtifactUpdate(data=data, description=description))
                else:
                    artifact = ArtifactCreate(
                        key=f"{self._key}-{name}", type=kind, data=data, description=description, flow_run_id=self._flow_run
                    )
                    self._sent[name] = client.create_artifact(artifact).id
            except httpx.HTTPStatusError as error:
                if error.response.status_code == NOT_FOUND and name in self._sent:  # somebody has deleted it
                    del self._sent[name]
                    continue
                if error.response.status_code not in _REFUSED:
                    raise
                logging.getLogger("chiminey").debug("the Prefect server does not take %s: %s", name, error)
            with self._lock:
                if self._waiting.get(name) is shown:  # and not something newer
                    del self._waiting[name]
