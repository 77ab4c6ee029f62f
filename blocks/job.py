"""What a cluster's scheduler is asked for, for each job: by the Block, by the connector, and by the run, the later winning."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import ceil
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from blocks.duration import seconds_of
from blocks.errors import InvalidRequest
from blocks.mistakes import mistakes

_CLOCK = re.compile(r"(?:(\d+)-)?(\d+)(?::(\d{1,2}))?(?::(\d{1,2}))?")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)I?B?", re.IGNORECASE)
_POWERS = {"K": -1, "M": 0, "": 0, "G": 1, "T": 2}
_WORD = re.compile(r"[^\s'\"\\;&|<>`$]*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

Mail = Literal["begin", "end", "fail"]


def seconds(text: str) -> int:
    """A wall time in seconds: ``90m``, ``1h30m``, ``2d``, or as schedulers write it, ``1:30:00`` and ``2-00:00:00``.

    Raises:
        ValueError: it is neither.
    """
    text = text.strip().lower()
    if (duration := seconds_of(text)) is not None:
        return ceil(duration)
    match = _CLOCK.fullmatch(text)
    if match is None or (":" not in text and "-" not in text):
        raise ValueError(f"{text!r} is no wall time; write for instance 90m, 1h30m or 1:30:00")
    days, *parts = match.groups()
    numbers = [int(part) for part in parts if part is not None]
    if days is None and len(numbers) == 2:  # as Slurm and PBS read it: minutes and seconds
        numbers = [0, *numbers]
    hours, minutes, rest = (*numbers, 0, 0)[:3]
    return int(days or 0) * 86400 + hours * 3600 + minutes * 60 + rest


def clock(text: str) -> str:
    """A wall time as schedulers take it: ``1:30:00``.

    Raises:
        ValueError: it is no wall time.
    """
    minutes, rest = divmod(seconds(text), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def megabytes(text: str) -> int:
    """A size of memory in MiB, rounded up: ``2G``, ``500M``, ``1.5 GB``; a number alone is MB, as it is for schedulers.

    Raises:
        ValueError: it is no size.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no size of memory; write for instance 500M or 2G")
    return max(1, ceil(float(match[1]) * 1024.0 ** _POWERS[match[2].upper()]))


def _wall_time(text: str) -> str:
    if text and not seconds(text):
        raise ValueError("a wall time must be longer than nothing")
    return text


def _memory(text: str) -> str:
    if text:
        megabytes(text)
    return text


def _word(text: str) -> str:
    if not _WORD.fullmatch(text):
        raise ValueError(f"{text!r} can't be written into a job script; it may hold no space, quote, or sign of the shell's")
    return text


def _line(text: str) -> str:
    if "\n" in text:
        raise ValueError("it must be one line")
    return text


def _names(environment: dict[str, str]) -> dict[str, str]:
    for name in environment:
        if not _VARIABLE.fullmatch(name):
            raise ValueError(f"{name!r} can't be the name of an environment variable")
    return environment


Word = Annotated[str, AfterValidator(_word)]
Line = Annotated[str, AfterValidator(_line)]


class JobFields(BaseModel):
    """The fields of a job request. What is empty, zero or false is left to the cluster's own defaults."""

    model_config = ConfigDict(coerce_numbers_to_str=True)  # so that memory may be 2000, and an environment variable 4

    partition: Word = Field(default="", title="Partition or queue", description="Where jobs wait for their turn.")
    account: Word = Field(default="", title="Account or project", description="Who is charged for the jobs.")
    qos: Word = Field(default="", title="Quality of service", description="Slurm's QOS.")
    wall_time: Annotated[str, AfterValidator(_wall_time)] = Field(
        default="", title="Wall time", description="The longest that a job may take, such as 90m, 1:30:00 or 2-00:00:00."
    )
    nodes: int = Field(default=0, ge=0, title="Nodes", description="Nodes of each job.")
    tasks: int = Field(default=0, ge=0, title="Ranks", description="MPI ranks of each job (--ntasks, mpiprocs).")
    cpus: int = Field(default=0, ge=0, title="CPUs", description="Processors of each job, or of each rank where there are ranks.")
    memory: Annotated[str, AfterValidator(_memory)] = Field(
        default="", title="Memory", description="Memory of each job on each of its nodes, such as 500M or 2G."
    )
    gpus: Word = Field(default="", title="GPUs", description="GPUs of each job: a number, or type:number such as a100:2.")
    constraint: Line = Field(default="", title="Constraint", description="Features that nodes must have.")
    reservation: Word = Field(default="", title="Reservation", description="The reservation that the jobs may use.")
    exclusive: bool = Field(default=False, title="Exclusive", description="Share nodes with no other job.")
    mail: Word = Field(default="", title="Mail", description="The address that the scheduler writes to.")
    mail_on: list[Mail] = Field(
        default=[], title="Mail on", description="When: begin, end, fail. If empty, at the end and on failure."
    )
    directives: list[Line] = Field(
        default=[],
        title="Directives",
        description="More options for the scheduler, each as it would stand in a job script, such as --licenses=abc:1.",
    )
    modules: list[Word] = Field(default=[], title="Modules", description="Environment modules to load, such as openmpi/4.1.")
    environment: Annotated[dict[str, str], AfterValidator(_names)] = Field(
        default={}, title="Environment", description="Environment variables to set in each job. No place for secrets."
    )
    prologue: str = Field(default="", title="Prologue", description="Lines of shell that run in each job before its tasks.")
    container: Word = Field(
        default="", title="Container", description="An Apptainer image, as a path or URL, in which schedule.sh and main.sh run."
    )
    tasks_per_job: int = Field(
        default=0, ge=0, title="Tasks per job", description="How many tasks each job runs; 0 for one, or as the job length says."
    )
    job_length: Annotated[str, AfterValidator(_wall_time)] = Field(
        default="",
        title="Job length",
        description="How long a job should take, such as 10m: as many tasks are put into it as earlier ones make likely.",
    )
    tasks_at_once: int = Field(
        default=0,
        ge=0,
        title="Tasks at once in a job",
        description="For jobs that are given more than one task needs; 0 for one.",
    )


class JobRequest(JobFields):
    """What each job of a cluster is to get. What is empty, zero or false is left to the connector, the resource, the cluster."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def of(cls, given: JobRequest | Mapping[str, Any]) -> JobRequest:
        """The request that somebody wrote as names and values.

        Raises:
            InvalidRequest: with everything that is wrong with it.
        """
        try:
            return given if isinstance(given, JobRequest) else cls.model_validate(dict(given))
        except ValidationError as error:
            raise InvalidRequest(*cls.mistakes(error)) from error

    @classmethod
    def mistakes(cls, error: ValidationError) -> list[str]:
        """What is wrong with a request, each a sentence."""
        return mistakes(error, "job setting", list(cls.model_fields), "job.")

    def over(self, lower: JobFields) -> JobRequest:
        """This request, and where it says nothing, the lower one. Environment variables of both count, directives add up."""
        own = {name: value for name in JobRequest.model_fields if (value := getattr(self, name))}
        beneath = {name: getattr(lower, name) for name in JobRequest.model_fields}
        both = {
            "environment": {**lower.environment, **self.environment},
            "directives": [*lower.directives, *self.directives],
        }
        return JobRequest.model_validate({**beneath, **own, **both})

    def grown(self, times: int) -> JobRequest:
        """The same with its memory doubled so many times."""
        if not self.memory or not times:
            return self
        return self.model_copy(update={"memory": f"{megabytes(self.memory) * 2**times}M"})

    @property
    def processors(self) -> int:
        """Processors of the whole job; 0 where it says nothing."""
        return max(1, self.tasks) * max(1, self.cpus) if self.tasks or self.cpus else 0

    @property
    def mails(self) -> list[Mail]:
        """When the scheduler writes a mail; never where it does not say to whom."""
        return self.mail_on or ["end", "fail"] if self.mail else []
