"""What a scientist declares: a smart connector is a subclass of :class:`SmartConnector` with a payload beside it.

A connector needs a name, a description and a payload. Everything else has a default: ``Inputs`` are the values that its users
choose, the hooks say how a run is swept and when it has converged, and any stage may be replaced.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict

from blocks.job import JobRequest
from blocks.kinds import COMPUTE
from blocks.selection import Selection
from flows.description import FinishedRun, Graph, StartPointSeen
from flows.iteration import Convergence, FinishedTask, Iteration, NextInput
from flows.request import Reliability
from flows.result_columns import mean

if TYPE_CHECKING:
    from prefect import Flow

    from blocks.compute.resource import ComputeResource
    from blocks.curation.experiment import ParameterSet
    from blocks.curation.resource import CurationResource
    from blocks.storage.resource import StorageResource
    from flows.result import RunResult
    from flows.stages.stage import Stage
    from flows.sweep import SweepResult


class Inputs(BaseModel):
    """The values that a connector's users choose: a pydantic model that makes the forms and the checks."""

    model_config = ConfigDict(extra="forbid")


class SmartConnector:
    """A program made ready to run anywhere.

    Example:
        A connector in a folder with ``payload/process_payload/main.sh``::

            class Area(SmartConnector):
                name = "area"
                description = "The area of a circle."

                class Inputs(Inputs):
                    radius: float = Field(default=1.0, gt=0, title="Radius", description="In metres.")

                arguments = ("radius",)
    """

    name: ClassVar[str]
    description: ClassVar[str] = ""
    Inputs: ClassVar[type[BaseModel]] = Inputs
    compute: ClassVar[Sequence[str]] = COMPUTE  # kinds of compute resource that it accepts
    arguments: ClassVar[Sequence[str]] = ()  # inputs that are appended to the command line of schedule.sh and main.sh
    payload: ClassVar[str | None] = "payload"  # its folder, relative to the connector's file; None: run_task gives the program
    needs_input: ClassVar[bool] = False  # it can't run without an input location
    example_input: ClassVar[str | None] = None  # a folder beside the payload that is the input when none is named
    files: ClassVar[Sequence[str]] = ()  # other files and folders of its own folder that it reads; they are kept with each run
    job: ClassVar[JobRequest] = JobRequest()  # what its tasks need of a cluster; the run may ask for other things
    hdfs: ClassVar[Sequence[str]] = ()  # moved on Hadoop: "input" into HDFS before main.sh, "output" from it afterwards
    include: ClassVar[Sequence[str]] = ()  # patterns of the output files that are kept; without any, all
    exclude: ClassVar[Sequence[str]] = ()  # patterns of the output files, such as scratch files, that stay behind on the host
    max_iterations: ClassVar[int] = 1  # unless the run asks for another number
    graphs: ClassVar[Sequence[Graph]] = ()  # that a repository draws of its runs
    stages: ClassVar[Mapping[str, type[Stage]]] = {}  # a stage's name and what takes its place

    @property
    def folder(self) -> Path:
        """The folder that the connector is declared in; the current one for a connector that is typed into an interpreter."""
        try:
            return Path(inspect.getfile(type(self))).resolve().parent
        except (OSError, TypeError):
            return Path.cwd()

    @property
    def payload_folder(self) -> Path | None:
        """Where its payload is; None for one that has only ``run_task``."""
        return self.folder / self.payload if self.payload is not None else None

    @property
    def on_hadoop(self) -> tuple[str, ...]:
        """What it wants of Hadoop: ``hdfs``, and the names of the places there as arguments before its own.

        Not these where its own would get other numbers than on the other kinds of resource that it runs on.
        """
        is_portable = bool(self.arguments) and not self.hdfs and set(self.compute) != {"hadoop"}
        return (*self.hdfs, *(() if is_portable else ("arguments",)))

    @property
    def selection(self) -> Selection:
        """Which files of a task's output are kept."""
        return Selection(tuple(self.include), tuple(self.exclude))

    def internal_sweep(self, inputs: Any, iteration: int) -> Mapping[str, Any]:
        """The tasks of one iteration, as a sweep map; each point becomes a task for each start point. By default one.

        Files that it names are relative to the connector's folder; name those in a sub-folder in ``files`` too. Draws need their
        seed, because a resumed run asks again.
        """
        del inputs, iteration
        return {}

    def run_task(self, inputs: Any, values: Mapping[str, Any]) -> str:
        """The text of ``main.sh`` for one task, for a connector without a payload; it gets the values of the task."""
        raise NotImplementedError

    def results(self, task: FinishedTask) -> Mapping[str, Any]:
        """The result columns of a task, for the hooks below, tables and plots. By default what it wrote into ``result.json``."""
        return task.reported

    def summary(self, iteration: Iteration) -> Mapping[str, Any]:
        """The result columns of a run, from its last iteration: its row in the table of a sweep.

        By default the results of its one task, or of several the mean of each result that is a number in all of them.
        """
        return mean([task.results for task in iteration.tasks])

    def transform(self, iteration: Iteration, next_input: NextInput) -> None:
        """Prepare the input of the next iteration from the outputs of this one. By default nothing."""

    def converged(self, iteration: Iteration) -> Convergence:
        """Whether this iteration was the last. By default it is."""
        del iteration
        return Convergence(done=True)

    def describe_run(self, run: FinishedRun) -> Iterable[ParameterSet]:
        """What a repository is told of a run, beside title and description. By default its graphs."""
        del run
        return [each.of_run() for each in self.graphs]

    def describe_input(self, start_point: StartPointSeen) -> Iterable[ParameterSet]:
        """What a repository is told of the dataset of a start point. By default nothing."""
        del start_point
        return []

    def describe_output(self, task: FinishedTask, iteration: int) -> Iterable[ParameterSet]:
        """What a repository is told of the dataset of a task's output. By default what it offers to the graphs of the run."""
        offered = (each.of_output(task, iteration) for each in self.graphs)
        return [each for each in offered if each is not None]

    def describe_final(self, task: FinishedTask, iteration: int) -> Iterable[ParameterSet]:
        """The same for the outputs of the last iteration, which are kept a second time, as the run's. By default nothing."""
        del task, iteration
        return []

    def describe_file(self, task: FinishedTask, path: str) -> Iterable[ParameterSet]:
        """What a repository is told of a file of a task's output. By default nothing."""
        del task, path
        return []

    @cached_property
    def flow(self) -> Flow[..., RunResult]:
        """The connector as a Prefect flow; ``await`` a call of it inside another async flow."""
        from flows.flow import connector_flow

        return connector_flow(self)

    @cached_property
    def sweep_flow(self) -> Flow[..., SweepResult]:
        """The sweeps of the connector as a Prefect flow."""
        from flows.sweep.flow import sweep_flow

        return sweep_flow(self)

    def __call__(  # noqa: PLR0913 -- one for each thing that is chosen at run time
        self,
        *,
        compute: ComputeResource | str | None = None,
        input: StorageResource | str | None = None,
        output: StorageResource | str | None = None,
        sweep: Mapping[str, Any] | None = None,
        max_iterations: int | None = None,
        reliability: Reliability | None = None,
        job: JobRequest | Mapping[str, Any] | None = None,
        cache: bool = False,
        curation: CurationResource | str | None = None,
        experiment: str = "",
        **inputs: Any,
    ) -> RunResult:
        """Run it here and now, as a Prefect flow, and give the result.

        Resources may be given as Blocks, or by name as on the command line. The call may stand in another, sync flow.

        Raises:
            InvalidRequest: something asked for can't be; every reason is in the message.
            RunFailed: no task succeeded.
        """
        from blocks import server

        server.ensure()
        server.connect()
        from flows.flow import call
        from flows.flow_call import run_here

        return run_here(
            call(
                self,
                compute=compute,
                input=input,
                output=output,
                sweep=sweep,
                max_iterations=max_iterations,
                reliability=reliability,
                job=job,
                cache=cache,
                curation=curation,
                experiment=experiment,
                inputs=inputs,
            )
        )

    def sweep_over(  # noqa: PLR0913 -- one for each thing that is chosen at run time
        self,
        sweep: Mapping[str, Any],
        *,
        at_once: int = 4,
        compute: ComputeResource | str | None = None,
        input: StorageResource | str | None = None,
        output: StorageResource | str | None = None,
        max_iterations: int | None = None,
        reliability: Reliability | None = None,
        job: JobRequest | Mapping[str, Any] | None = None,
        cache: bool = False,
        curation: CurationResource | str | None = None,
        experiment: str = "",
        **inputs: Any,
    ) -> SweepResult:
        """Run it once for each point of the map, at most ``at_once`` at the same time, and give the result of all.

        Raises:
            InvalidRequest: something asked for can't be; every reason is in the message.
            RunFailed: no point succeeded.
        """
        from blocks import server

        server.ensure()
        server.connect()
        from flows.flow_call import run_here
        from flows.sweep.flow import call

        return run_here(
            call(
                self,
                sweep=sweep,
                at_once=at_once,
                compute=compute,
                input=input,
                output=output,
                max_iterations=max_iterations,
                reliability=reliability,
                job=job,
                cache=cache,
                curation=curation,
                experiment=experiment,
                inputs=inputs,
            )
        )
