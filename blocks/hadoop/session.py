"""A session on a Hadoop gateway: a unix host's, whose tasks have something in HDFS and in YARN as well."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import replace
from itertools import chain

from blocks.errors import CommandFailed, ResourceError, Unreachable
from blocks.hadoop import scripts
from blocks.hadoop.scripts import Site
from blocks.host_session import HostFacts
from blocks.remote.scripts import clean
from blocks.remote.session import RunnerSession
from blocks.transport.transport import Transport
from blocks.tree import Entry, file
from blocks.work import Batch, BatchStatus

YARN_SECONDS = 60.0  # between two questions what waits, each of which is some seconds of work for the gateway
GRACE_SECONDS = 60  # that a task has to end its applications once its time is up


class HadoopSession(RunnerSession):
    """One run on one Hadoop cluster."""

    def __init__(self, transport: Transport, run: str, scratch: str, site: Site) -> None:
        super().__init__(transport, run, scratch)
        self._site = site
        self._waiting: dict[tuple[str, int], str] = {}
        self._asked_yarn = time.monotonic()

    def probe(self) -> HostFacts:
        found = super().probe()
        self.ask(scripts.find(self._scratch, self._site))
        return found

    def look(self) -> tuple[str, int, int, str]:
        """What is found there: the versions of Hadoop and perhaps Spark, bytes in HDFS and free of these, the state of the queue.

        Raises:
            CommandFailed: there is no Hadoop that the user may use; the message says why.
        """
        printed = self.ask(scripts.check(self._scratch, self._site)).decode("utf-8", "replace")
        try:
            hadoop, *spark, space, state = printed.splitlines()
            fields = space.split()
            parts = [number for number, field in enumerate(fields) if re.fullmatch(r"(\d+|NaN)%", field)]  # NaN: of no space
            used = max(parts)  # viewfs has more behind it
            return ", ".join([hadoop, *spark]), int(fields[used - 3]), int(fields[used - 1]), state
        except ValueError as error:
            raise CommandFailed(f"{self._transport.name}: Hadoop gave an answer that can't be understood: {printed!r}") from error

    def deliver(self, tree: Iterable[Entry]) -> str:
        trouble = super().deliver(chain([file("around.sh", scripts.around(self._site, self._run).encode())], tree))
        self.ask(scripts.begin(self._scratch, self._site, self._run))
        return trouble

    def submit(self, batch: Batch, slots: int) -> None:
        environment = {**batch.environment, "CHIMINEY_HADOOP": " ".join(batch.hadoop), "grace": str(GRACE_SECONDS)}
        super().submit(replace(batch, environment=environment), slots)

    def status(self, batches: list[str]) -> list[BatchStatus]:
        """The markers tell the truth about tasks; YARN, which is asked now and then, which of them wait for it."""
        statuses = super().status(batches)
        if any(status.alive for status in statuses) and time.monotonic() - self._asked_yarn >= YARN_SECONDS:
            self._waiting = self._waiting_tasks()
            self._asked_yarn = time.monotonic()
        return [self._with_queue(status) for status in statuses]

    def _waiting_tasks(self) -> dict[tuple[str, int], str]:
        """The application that waits, for each batch and task that has one."""
        try:
            printed = self.ask(scripts.waiting(self._scratch, self._site, self._run)).decode("utf-8", "replace")
        except ResourceError:  # YARN is away, which is no reason to forget the markers; and the gateway is asked again anyway
            return {}
        lines = [line.replace("/", " ").split() for line in printed.splitlines()]
        return {(batch, int(task)): application for application, batch, task in lines if task.isdigit()}

    def _with_queue(self, status: BatchStatus) -> BatchStatus:
        waiting = {task: application for (batch, task), application in self._waiting.items() if batch == status.batch}
        left = waiting.keys() - status.ended
        queue = ", ".join(sorted({waiting[task] for task in left}))
        return replace(status, waiting=frozenset(left), queue=f"YARN has not begun {queue}" if queue else "")

    def fence(self, batches: list[str]) -> list[BatchStatus]:
        statuses = super().fence(batches)
        try:
            self.ask(scripts.fence(self._scratch, self._site, self._run, batches))
        except CommandFailed as error:  # YARN is away: nobody may say yet that these tasks are over
            raise Unreachable(str(error)) from error
        return statuses

    def clean(self) -> None:
        self._stop_watching()
        self.ask_here(clean(self._scratch, self._run, scripts.end(self._scratch, self._site, self._run)))
