"""A payload that all runs on a cluster share: sent once, set up once, kept where it was set up.

It has a folder of its own beside those of the runs, named for its content. What is done there is done as in a run's folder, so
that it is begun once however many runs come at the same time, and goes on when the run that began it is cancelled.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import replace

from blocks.compute.resource import SharedPayload
from blocks.remote.session import RunnerSession
from blocks.scheduler import scripts
from blocks.scheduler.session import Cluster, SchedulerSession
from blocks.transport.transport import Transport
from blocks.tree import Entry
from blocks.work import Batch, BatchStatus

FOLDER = "payloads"
DIGITS = 20  # of the digest that tell payloads apart


class ClusterPayload(SchedulerSession, SharedPayload):
    """The payload of one digest; ``bootstrap.sh`` runs on the login node, or ``in_job``."""

    def __init__(self, transport: Transport, digest: str, scratch: str, cluster: Cluster) -> None:
        self._digest = digest[:DIGITS]
        super().__init__(transport, f"{FOLDER}/{self._digest}", scratch, cluster)

    def is_there(self) -> bool:
        return bool(self._ask(scripts.is_there(self._scratch, self._run)))

    @property
    def link(self) -> Entry:
        return Entry("payload", "link", target=f"../{FOLDER}/{self._digest}/payload")

    def deliver(self, tree: Iterable[Entry]) -> None:
        """Send it beside its place, and move it there at one stroke, unless another was quicker."""
        arriving = f"{FOLDER}/arriving-{secrets.token_hex(5)}"
        RunnerSession(self._transport, arriving, self._scratch).deliver(tree)
        self._ask(scripts.settle(self._scratch, arriving, self._run))

    def submit(self, batch: Batch, slots: int) -> None:
        if self._cluster.bootstrap_in_job:
            return super().submit(replace(batch, name=f"{batch.name}-{self._digest}"), slots)
        wanted = batch.job.over(self._cluster.job)
        begin = f'{scripts.setting(wanted)}cd "${{INPUT_DIR%/*}}" || exit\n'  # for the user's settings may go elsewhere
        orders = (replace(order, program=begin + order.program) for order in batch.tasks)
        return RunnerSession.submit(self, replace(batch, tasks=tuple(orders)), slots)

    def status(self, batches: list[str]) -> list[BatchStatus]:
        return super().status(batches) if self._cluster.bootstrap_in_job else RunnerSession.status(self, batches)

    def clean(self) -> None:
        return super().clean() if self._cluster.bootstrap_in_job else RunnerSession.clean(self)
