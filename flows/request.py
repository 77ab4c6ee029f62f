"""What a run was asked to do: everything that is chosen at run time, as it is kept in the ledger and in ``run.json``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from blocks.job import JobRequest
from flows.sweep_map import SweepMap

if TYPE_CHECKING:
    from flows.ledger import RunRecord


class Reliability(BaseModel):
    """How failures are handled."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    maximum_retry: int = Field(
        default=2, ge=0, title="Maximum retry", description="How often a failed or lost task is run again before it is given up."
    )
    reschedule_failed_processes: bool = Field(
        default=True, title="Reschedule failed tasks", description="Switch off to ignore failures and finish sooner."
    )
    task_time_limit: float = Field(
        default=0, ge=0, title="Task time limit", description="Seconds that one task may take; 0 for no limit."
    )
    stage_time_limit: float = Field(
        default=0, ge=0, title="Stage time limit", description="Seconds that one stage may take; 0 for no limit."
    )
    on_timeout: Literal["retry", "more", "fail"] = Field(
        default="retry",
        title="On time-out",
        description="A task that ran out of time is run again (retry), run again with twice the time (more), or given up (fail).",
    )
    on_oom: Literal["retry", "more", "fail"] = Field(
        default="more",
        title="On out of memory",
        description="A task that a cluster ended for its memory is run again (retry), with twice the memory (more), or given up.",
    )
    run_time_limit: float = Field(
        default=0, ge=0, title="Run time limit", description="Seconds that the run may take; 0 for no limit."
    )


class ResourceReference(BaseModel):
    """How a resource is found again: by the name it is saved under, or by its settings, which then hold no secret."""

    model_config = ConfigDict(frozen=True)

    slug: str  # of its Block type
    name: str = ""  # it is saved under; empty: made from the settings
    settings: dict[str, Any] = Field(default_factory=dict[str, Any])

    def __str__(self) -> str:
        """For people."""
        return f"{self.slug}/{self.name}" if self.name else self.slug


class Location(BaseModel):
    """A folder of a storage resource."""

    model_config = ConfigDict(frozen=True)

    storage: ResourceReference
    path: str = ""


class RunRequest(BaseModel):
    """One run, as asked for."""

    model_config = ConfigDict(frozen=True)

    connector: str
    inputs: dict[str, Any]
    compute: ResourceReference
    output: Location
    input: Location | None = None
    point: dict[str, Any] = Field(default_factory=dict[str, Any])  # of the sweep that the run is a part of
    sweep: SweepMap | None = None  # an internal sweep that the user gave; it replaces the connector's own
    max_iterations: int = 1
    reliability: Reliability = Reliability()
    job: JobRequest = JobRequest()  # what a cluster's scheduler is asked for, over what connector and resource ask for
    curation: ResourceReference | None = None  # where it is published when it has ended
    experiment: str = ""  # the one there that it goes into; "" for a new one
    cache: bool = False  # outputs of earlier runs take the place of tasks that are computed from the same


class SweepRequest(BaseModel):
    """A sweep of runs, as asked for."""

    model_config = ConfigDict(frozen=True)

    run: RunRequest  # what all its runs have in common; their output goes into the sweep's folder
    sweep: SweepMap  # each point is a run
    points: int
    at_once: int
    by_workers: bool = False  # else in the sweep's own process


def common_request(record: RunRecord) -> RunRequest:
    """What a run was asked for; of a sweep, what each of its runs was."""
    if record.kind == "run":
        return RunRequest.model_validate_json(record.request)
    return SweepRequest.model_validate_json(record.request).run


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as JSON keeps them, so that a resumed run computes with the same ones."""
    return _Plain.model_validate({"values": dict(values)}).model_dump(mode="json")["values"]


class _Plain(BaseModel):
    values: dict[str, Any]
