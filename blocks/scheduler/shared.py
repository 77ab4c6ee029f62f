"""A payload that all runs on a cluster share: sent once, set up once, kept where it was set up.

It has a folder of its own beside those of the runs, named for its content. What is done there is done as in a run's folder, so
that it is begun once however many runs come at the same time, and goes on when the run that began it is cancelled.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import replace
from itertools import chain

from blocks.host_session import SharedPayload
from blocks.remote import scripts as runner_scripts
from blocks.remote.ends import parse_status
from blocks.remote.session import RunnerSession
from blocks.scheduler import job_script, scripts
from blocks.scheduler.session import Cluster, SchedulerSession
from blocks.transport.transport import Transport
from blocks.tree import Entry, file
from blocks.work import Batch, BatchStatus

FOLDER = "payloads"
DIGITS = 20  # of the digest that tell payloads apart


class ClusterPayload(SchedulerSession, SharedPayload):
    """The payload of one digest; ``bootstrap.sh`` runs on the login node, or in a job where the cluster has it so."""

    def __init__(self, transport: Transport, digest: str, scratch: str, cluster: Cluster) -> None:
        self._digest = digest[:DIGITS]
        self._seen = b""  # the word of the delivery that it is about
        super().__init__(transport, f"{FOLDER}/{self._digest}", scratch, cluster)

    def is_there(self) -> bool:
        self._seen = self.ask(scripts.word_of(self._scratch, self._run))
        return bool(self._seen)

    @property
    def link(self) -> Entry:
        return Entry("payload", "link", target=f"../{FOLDER}/{self._digest}/payload")

    def deliver(self, tree: Iterable[Entry]) -> str:
        """Send it beside its place, and move it there at one stroke, unless another was quicker."""
        arriving = f"{FOLDER}/arriving-{secrets.token_hex(5)}"
        word = file(scripts.WORD, arriving.encode())
        trouble = RunnerSession(self._transport, arriving, self._scratch).deliver(chain(tree, [word]))
        self._seen = self.ask(scripts.settle(self._scratch, arriving, self._run))
        return trouble

    def submit(self, batch: Batch, slots: int) -> None:
        if self._cluster.bootstrap_in_job:
            return super().submit(replace(batch, name=f"{batch.name}-{self._digest}"), slots)
        wanted = batch.job.over(self._cluster.job)
        begin = f'{job_script.setting(wanted)}cd "${{INPUT_DIR%/*}}" || exit\n'  # for the user's settings may go elsewhere
        orders = (replace(order, program=begin + order.program) for order in batch.tasks)
        return RunnerSession.submit(self, replace(batch, tasks=tuple(orders)), slots)

    def status(self, batches: list[str]) -> list[BatchStatus]:
        if self._cluster.bootstrap_in_job:
            return super().status(batches)
        answer = self.ask(runner_scripts.status(self._scratch, self._run, batches, anywhere=True))  # on any of the login nodes
        return parse_status(answer)

    def clean(self) -> None:
        """Remove what was seen to fail, unless it is set up, or another has come in its place by now."""
        is_set_up = f"batches/{runner_scripts.BOOTSTRAP}/done/0.0"
        if not self._seen or self.ask(scripts.word_of(self._scratch, self._run, unless=is_set_up)) != self._seen:
            return
        if self._cluster.bootstrap_in_job:
            super().clean()
        else:
            RunnerSession.clean(self)
