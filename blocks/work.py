"""What travels between the stages and a compute resource: batches of tasks, and how tasks ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from blocks.job import JobRequest
from blocks.tree import Entry

INPUT = "smart_connector_input"  # names of the original platform: payloads may rely on them
ARGUMENTS = "chiminey_arguments"
OUTPUT = "chiminey_output"


class Cause(StrEnum):
    """What ended a task, where it was not the task itself."""

    TIME = "time limit"
    MEMORY = "out of memory"
    NODE = "node failure"
    PREEMPTED = "preempted"
    CANCELLED = "cancelled"  # by an operator, or by the user in the scheduler
    JOB = "job failed"  # before it came to its tasks: a module, the prologue
    REFUSED = "refused"  # by the scheduler, which will not take it later either
    LOST = "lost"  # nobody knows


@dataclass(frozen=True, slots=True)
class TaskOrder:
    """One task, as it is sent: everything that differs from one task of a batch to the next."""

    id: int
    attempt: int
    start: int  # number of the start point whose input folder it gets; -1: none
    files: tuple[Entry, ...] = ()  # rendered inputs and values, relative to its input folder
    arguments: tuple[str, ...] = ()  # appended to the command line of schedule.sh and main.sh
    program: str = ""  # the text of main.sh, where it is another for each task


@dataclass(frozen=True, slots=True)
class Batch:
    """Tasks that are handed to one host together. Its id is written to the ledger before it is submitted."""

    id: str
    iteration: int
    tasks: tuple[TaskOrder, ...]
    time_limit: float = 0  # seconds of one task; 0: none
    program: tuple[Entry, ...] = ()  # what each task finds in its working folder; empty: a copy of the payload that was delivered
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    name: str = ""  # of the run, for people
    job: JobRequest = field(default_factory=JobRequest)  # what a scheduler is asked for
    time_growth: int = 0  # how often the wall time is doubled, for its tasks ran out of it before
    memory_growth: int = 0
    hadoop: tuple[str, ...] = ()  # on Hadoop: "input" and "output" are moved to and from HDFS, "arguments" name the places there
    expected: float = 0.0  # seconds that a task is likely to take; 0: unknown


@dataclass(frozen=True, slots=True)
class TaskEnd:
    """How one task of a batch ended: what its marker says."""

    batch: str
    task: int
    exit_code: int | None  # None: the task did not come to say
    started: float = 0.0  # seconds since the epoch, by the host's clock; 0: unknown
    ended: float = 0.0
    cause: Cause | None = None
    words: str = ""  # how the scheduler puts it


@dataclass(frozen=True, slots=True)
class BatchStatus:
    """What one listing of a host says of one batch."""

    batch: str
    alive: bool  # its runner is still at work: tasks without a marker may yet end
    ends: tuple[TaskEnd, ...]
    started: frozenset[int] = frozenset()  # tasks that were begun, ended or not
    not_begun: frozenset[int] = frozenset()  # tasks that will not be begun any more, for their job ended before their turn
    untraced: frozenset[int] = frozenset()  # the same, of jobs that did not begin any
    waiting: frozenset[int] = frozenset()  # tasks whose job waits in a queue
    queue: str = ""  # why it waits, and until when that is likely to last

    @property
    def ended(self) -> frozenset[int]:
        """The tasks that have a marker."""
        return frozenset(end.task for end in self.ends)
