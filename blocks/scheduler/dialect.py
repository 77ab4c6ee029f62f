"""What differs from one scheduler to the next: the head of a job script, and the commands that submit, ask and cancel.

Everything else, the arrays, the tasks in them and what becomes of them, is the same for all, and is in the modules beside this
one. A command is a piece of POSIX shell that runs on the login node as a part of a script, so that several questions cost one
round trip. It finds the jobs that it is about in the variables ``names`` and ``jobs`` (their ids), with blanks between them;
``commas`` is a function that prints its arguments with commas between them.
"""

from __future__ import annotations

import re
import signal
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal

from blocks.job import JobRequest
from blocks.scheduler.array import Array
from blocks.work import Cause

# Signals that may have been the scheduler's; the last two are notices that a limit is near, and end what does not catch them.
_SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGXCPU, signal.SIGUSR1, signal.SIGUSR2)
KILLED = frozenset(128 + number for number in _SIGNALS)  # exit codes, as shells give them, of what was ended so

QSUB_MAILS = {"begin": "b", "end": "e", "fail": "a"}  # letters that -m of qsub takes, as POSIX has it

State = Literal["pending", "running", "over"]


@dataclass(frozen=True, slots=True)
class Element:
    """What the scheduler says of one element of an array."""

    job: str  # the array's id, or its name
    index: int  # from 1; 0: every element of the array that nothing else is said of
    state: State
    reason: str = ""  # why it is pending, or in the scheduler's own word how it ended
    start: float = 0.0  # when the scheduler expects to begin it, seconds since the epoch; 0: it does not say
    node: str = ""  # where it runs, or ran
    cause: Cause | None = None  # how it ended, where that was not its own doing
    unbegun: bool = False  # this is so only if it never began


@dataclass(frozen=True, slots=True)
class Facts:
    """What a login node says of its cluster."""

    version: str  # the scheduler's name and version
    largest_array: int  # elements that an array may have
    accounting: bool  # it keeps a record of ended jobs
    notes: tuple[str, ...] = ()  # partitions and their limits, for people


class Dialect(ABC):
    """One scheduler."""

    title: ClassVar[str]  # for people
    command: ClassVar[str]  # by which jobs are submitted; the others are where it is
    index: ClassVar[str]  # shell, for the index of a job's element
    folder: ClassVar[str]  # shell, which changes into the folder that the job was submitted from
    longest_name: ClassVar[int]  # characters that the name of a job may have
    own_options: ClassVar[re.Pattern[str]] = re.compile(r"(?!)")  # what jobs are found by: no directive may give it
    note: ClassVar[str] = ""  # shell, which an element begins with in its batch's folder, where the scheduler needs it

    @abstractmethod
    def problems(self, job: JobRequest) -> list[str]:
        """What of a request this scheduler has no word for."""

    def misplaced(self, directives: Iterable[str]) -> list[str]:
        """What is wrong with directives, each a sentence."""
        found: list[str] = []
        for directive in directives:
            option = re.split(r"[\s=]", directive, maxsplit=1)[0]
            if option.startswith("#"):
                found.append(f"the directive {directive!r} must begin with its option; leave out {option}")
            elif self.own_options.fullmatch(option):
                found.append(f"the directive {directive!r} can't be given: jobs are made and found again by that option")
        return found

    @abstractmethod
    def header(self, name: str, array: Array, job: JobRequest, at_once: int) -> list[str]:
        """The head of a job script: an array of the indices 1 to ``array.size``, at most ``at_once`` of them at a time (0: all).

        What a job prints is appended to ``log/<number of the array>.<index>`` by the script; a scheduler that has something to
        say there is told so here.
        """

    @abstractmethod
    def submit(self, script: str) -> str:
        """Submit a script from the current folder, and print the job's id, and nothing of what sites print around it.

        Where there is no id in it, nothing is printed: the job is then looked for by its name.
        """

    @abstractmethod
    def find(self, name: str) -> str:
        """Print the id of the job with this name, waiting, running or lately ended; nothing when there is none.

        Must fail when the scheduler does not answer: the job would be submitted twice.
        """

    @abstractmethod
    def queue(self) -> str:
        """Print what is waiting or running of the jobs. Must fail when the scheduler does not answer."""

    @abstractmethod
    def history(self, *, accounting: bool) -> str:
        """Print how elements of the jobs ended, as far as it is still known."""

    @abstractmethod
    def parse(self, printed: str) -> list[Element]:
        """What ``queue`` or ``history`` printed; where both tell of an element, the first counts."""

    @abstractmethod
    def cancel(self, *, kill: bool) -> str:
        """End the jobs; ``kill``: without the time that they have to end by themselves."""

    def named(self, part: str) -> str:
        """Print the names of the user's waiting and running jobs in which a text occurs, where names are long enough for it."""
        del part
        return "true"

    @abstractmethod
    def facts(self) -> str:
        """Print what ``read_facts`` reads."""

    @abstractmethod
    def read_facts(self, printed: str) -> Facts:
        """What ``facts`` printed."""

    def blame(self, log: str) -> Cause | None:
        """What ended a job, as far as the scheduler wrote that into the job's output."""
        del log

    def is_hopeless(self, reason: str) -> bool:
        """Whether a job that waits for this reason will never begin."""
        del reason
        return False

    def may_pass(self, reason: str) -> bool:
        """Whether even that reason may pass, as when nodes are down for a while: it counts only once it has stood for minutes."""
        del reason
        return False

    def is_full(self, words: str) -> bool:
        """Whether a refusal says that there are too many jobs at present, so that a later submission may be taken."""
        del words
        return False

    def is_away(self, words: str) -> bool:
        """Whether an error says that the scheduler itself does not answer."""
        del words
        return False
