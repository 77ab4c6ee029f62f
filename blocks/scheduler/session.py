"""A session on the login node of a cluster: batches become job arrays, and the scheduler is asked about what has no marker."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from math import ceil

from blocks.errors import QueueFull, Refused, Unreachable
from blocks.host_session import HostFacts, SharedPayload, Watch
from blocks.job import JobFields, JobRequest, seconds
from blocks.remote.session import RunnerSession, batch_files, task_files, whole
from blocks.scheduler import ending, job_script, scripts
from blocks.scheduler.array import ArrangedBatch, Array, Layout, smaller, tasks_per_element, wall_time
from blocks.scheduler.dialect import Dialect, Facts
from blocks.scheduler.listing import Listing
from blocks.scheduler.truth import Verdicts
from blocks.transport.transport import Transport
from blocks.tree import Entry, file
from blocks.work import Batch, BatchStatus, Cause, TaskEnd

HOPELESS_AFTER = 600.0  # seconds for which a reason stands that is hopeless unless something comes back that is down
SHOWN_LOGS = 50  # of jobs whose tasks did not all end by themselves


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster, and how it is to be used."""

    dialect: Dialect
    job: JobFields  # what its jobs ask for, if neither the connector nor the run says otherwise
    at_once: int  # elements of an array that run at the same time, at most; 0: as the scheduler likes
    latency: float  # seconds after which what a node wrote can be seen on the login node
    bootstrap_in_job: bool


class SchedulerSession(RunnerSession):
    """One run on one cluster."""

    def __init__(self, transport: Transport, run: str, scratch: str, cluster: Cluster) -> None:
        super().__init__(transport, run, scratch)
        self._cluster, self._dialect = cluster, cluster.dialect
        self._known: Facts | None = None
        self._sizes: Iterator[int] | None = None  # of arrays to try, while the queue is full
        self._largest = 0  # elements of an array; 0: as many as the cluster takes
        self._batches: dict[str, ArrangedBatch] = {}
        self._refused: dict[str, str] = {}  # batches of which arrays wait to be submitted, and why
        self._doubted: dict[str, float] = {}  # batches, and since when they wait for what may never be
        self._missing: dict[tuple[str, int], float] = {}  # since when elements are gone that have not told all

    def probe(self) -> HostFacts:
        found = super().probe()
        facts = self._facts()
        system = f"{facts.version}, {'with' if facts.accounting else 'without'} accounting, on {found.system}"
        return replace(found, system=system, slots=0, notes=facts.notes)

    def shared(self, payload: str) -> SharedPayload | None:
        from blocks.scheduler.shared import ClusterPayload  # which is a session like this one

        return ClusterPayload(self._transport, payload, self._scratch, self._cluster)

    def watch(self) -> Watch | None:
        """Nothing: on a login node, nobody listens all the time."""
        return None

    def submit(self, batch: Batch, slots: int) -> None:
        wanted = batch.job.over(self._cluster.job)
        layout = self._layout(batch, wanted)
        asked = seconds(wanted.wall_time) if wanted.wall_time else 0
        rounds = ceil(min(layout.per_element, layout.tasks) / max(1, wanted.tasks_at_once))
        limit = wall_time(asked, batch.time_growth, batch.time_limit, rounds)
        wanted = wanted.grown(batch.memory_growth).model_copy(update={"wall_time": f"{limit}s" if limit else ""})
        names = {array: self._name(batch, array.number) for array in layout.arrays()}
        files = [
            file("layout", f"{layout.tasks} {layout.per_element} {layout.largest}\n".encode()),
            file("names", "".join(f"{array.number} {name}\n" for array, name in names.items()).encode()),
            file("begin", job_script.begin(self._dialect, self._run, batch.id, wanted, batch.time_limit).encode()),
            *(self._job(array, name, layout, wanted) for array, name in names.items()),
        ]
        script = scripts.submit(self._scratch, self._run, batch.id, self._dialect, list(names.values()))
        tasks = (entry for task in batch.tasks for entry in task_files(task, batch.program))
        self._judge(batch.id, self.ask(script, whole(batch_files(batch, wanted.container), files, tasks)))

    def _job(self, array: Array, name: str, layout: Layout, wanted: JobRequest) -> Entry:
        """The job script of an array."""
        head = self._dialect.header(name, array, wanted, self._cluster.at_once)
        return file(f"array.{array.number}", job_script.job(self._dialect, array, layout, head).encode())

    def _layout(self, batch: Batch, wanted: JobRequest) -> Layout:
        """As it was submitted in part, else with arrays as large as the cluster takes them."""
        if batch.id not in self._batches:
            length = seconds(wanted.job_length) if wanted.job_length else 0
            per = tasks_per_element(wanted.tasks_per_job, length, batch.expected, max(1, wanted.tasks_at_once))
            largest = self._largest or self._facts().largest_array
            self._batches[batch.id] = ArrangedBatch(
                Layout(len(batch.tasks), per, largest), tuple(task.id for task in batch.tasks)
            )
        return self._batches[batch.id].layout

    def _name(self, batch: Batch, array: int) -> str:
        """The name of an array in the scheduler, which tells it from all others."""
        full = f"{batch.name or self._run}.{batch.id}.{array}"
        if not full[0].isalpha():  # which not every scheduler takes
            full = f"c{full}"
        if len(full) <= self._dialect.longest_name:
            return full
        digest = sha256(f"{self._run}.{batch.id}.{array}".encode()).hexdigest()
        return f"c{digest}"[: self._dialect.longest_name]

    def _judge(self, batch: str, printed: bytes) -> None:
        """What came of a submission. Raises as the scheduler refused it."""
        text = printed.decode("utf-8", "replace").strip()
        if not text.startswith(("refused", "unclear")):
            self._refused.pop(batch, None)
            self._sizes, self._largest = None, 0
            return
        verdict, _, rest = text.partition("\n")
        words = " ".join(rest.split()) or "it gave no reason"
        if verdict.startswith("unclear") or self._dialect.is_away(words):  # it stays there: the next attempt looks for the job
            raise Unreachable(f"{self._dialect.title} on {self._transport.name} does not answer: {words}")
        if verdict == "refused 1":
            self.ask(scripts.give_back(self._scratch, self._run, batch))
            layout = self._batches.pop(batch).layout
            if not self._dialect.is_full(words):
                raise Refused(f"{self._dialect.title} refuses the job: {words}")
            self._sizes = self._sizes or smaller(min(layout.elements, layout.largest))
            self._largest = next(self._sizes)
        self._refused[batch] = f"{self._dialect.title} takes no more jobs for now: {words}"  # what it took before it takes again
        raise QueueFull(self._refused[batch])

    def status(self, batches: list[str]) -> list[BatchStatus]:
        return self._listed(batches, scripts.status(self._scratch, self._run, batches, self._dialect))

    def fence(self, batches: list[str]) -> list[BatchStatus]:
        return self._listed(batches, ending.fence(self._scratch, self._run, batches, self._dialect))

    def _listed(self, batches: list[str], script: str) -> list[BatchStatus]:
        self._learn([batch for batch in batches if batch not in self._batches])
        listing = Listing.read(self.ask(script).decode("utf-8", "replace"), self._dialect)
        verdicts = Verdicts(listing, self._batches, self._refused, self._dialect)
        if hopeless := self._hopeless({batch: verdicts.hopeless(batch) for batch in batches}):
            return self._listed_without(hopeless, batches)
        due = self._due(verdicts.unexplained())
        if due:
            told = self.ask(
                scripts.history(
                    self._scratch,
                    self._run,
                    sorted({batch for batch, _ in due}),
                    [(batch, *self._batches[batch].layout.place(element)) for batch, element in sorted(due)[:SHOWN_LOGS]],
                    self._dialect,
                    accounting=self._facts().accounting,
                )
            )
            verdicts.hear(due, told.decode("utf-8", "replace"))
        return [verdicts.status(batch) for batch in batches]

    def _hopeless(self, reasons: dict[str, str]) -> dict[str, str]:
        """Those of the batches whose reason to wait will not pass, or has not passed for long."""
        now = time.monotonic()
        found: dict[str, str] = {}
        for batch, reason in reasons.items():
            if not reason:
                self._doubted.pop(batch, None)
            elif now - self._doubted.setdefault(batch, now) >= HOPELESS_AFTER or not self._dialect.may_pass(reason):
                found[batch] = reason
        return found

    def _listed_without(self, hopeless: dict[str, str], batches: list[str]) -> list[BatchStatus]:
        """End the jobs that will never begin, before their users wait for them."""
        title = self._dialect.title
        statuses = {status.batch: status for status in self.fence(list(hopeless))}
        for batch, word in hopeless.items():
            known = statuses[batch]
            left = frozenset(self._batches[batch].tasks) - known.ended
            words = f"{title} would never begin its job: {word}"
            refused = tuple(TaskEnd(batch, task, None, cause=Cause.REFUSED, words=words) for task in sorted(left))
            statuses[batch] = BatchStatus(batch, False, (*known.ends, *refused), known.started)
        others = [batch for batch in batches if batch not in hopeless]
        return [*statuses.values(), *(self.status(others) if others else ())]

    def _due(self, unexplained: set[tuple[str, int]]) -> set[tuple[str, int]]:
        """Elements that are gone for so long that no marker of theirs can still be on its way."""
        now = time.monotonic()
        self._missing = {element: self._missing.get(element, now) for element in unexplained}
        return {element for element, since in self._missing.items() if now - since >= self._cluster.latency}

    def _learn(self, batches: list[str]) -> None:
        """How batches that another controller submitted were put into arrays."""
        if not batches:
            return
        text = self.ask(scripts.layouts(self._scratch, self._run, batches)).decode("ascii")
        for part in text.split("batch ")[1:]:
            name, layout, *tasks = part.splitlines()
            self._batches[name] = ArrangedBatch(Layout(*map(int, layout.split())), tuple(map(int, tasks)))

    def clean(self) -> None:
        self.ask(ending.clean(self._scratch, self._run, self._dialect))

    def _facts(self) -> Facts:
        if self._known is None:
            printed = self.ask(scripts.facts(self._scratch, self._dialect)).decode("utf-8", "replace")
            self._known = self._dialect.read_facts(printed)
        return self._known
