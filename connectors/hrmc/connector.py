"""hrmc: an atomic structure that explains a measured pair distribution, by Hybrid Reverse Monte Carlo.

Many fits start at random; the best ones are kept, and each is the start of further fits, until the best of an iteration is no
longer better than the best of the one before.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from blocks.curation import graph
from blocks.tree import file
from flows import (
    Convergence,
    FinishedRun,
    FinishedTask,
    Graph,
    Iteration,
    NextInput,
    ParameterSet,
    SmartConnector,
    StartPointSeen,
)

DISTANCE, COMPUTED, MEASURED = "hrmcdfile/r", "hrmcdfile/computed", "hrmcdfile/measured"  # keys of what gr.csv offers to graphs
RANDOM, FROM_STRUCTURE = 2, 1  # values of istart
TEMPERATURE = 300  # kelvin, of Monte Carlo
ANNEALING = (300, 700, 1100, 1500)  # kelvin, of simulated annealing


class FitInputs(BaseModel):
    """Values for the template ``HRMC.inp_template``, and how fits follow each other."""

    model_config = ConfigDict(extra="forbid")

    iseed: int = Field(
        default=42, ge=0, le=10**9, title="Random number seed", description="The same seed gives the same results."
    )
    pottype: Literal[0, 1] = Field(
        default=1, title="Potential", description="1: Lennard-Jones; 0: none, which is pure Reverse Monte Carlo."
    )
    optimisation_scheme: Literal["MC", "MCSA"] = Field(
        default="MC",
        title="Optimisation scheme",
        description="MC: Monte Carlo, several fits from each kept result; "
        "MCSA: Monte Carlo with simulated annealing, a fit at each of four temperatures.",
    )
    fanout_per_kept_result: int = Field(
        default=1, ge=1, le=10_000, title="Fan-out", description="Fits from each kept result, for MC; also at the beginning."
    )
    threshold: int = Field(default=1, ge=1, le=10_000, title="Kept results", description="The best so many go on.")
    error_threshold: float = Field(
        default=0.03,
        ge=0,
        allow_inf_nan=False,
        title="Error threshold",
        description="Done when the criterion falls by no more; it is the sum of (computed - measured)² over the rows of g(r).",
    )


class HRMC(SmartConnector):
    """Its start point has ``HRMC.inp_template`` and the measured ``input_gr.dat``."""

    name = "hrmc"
    description = "An atomic structure that fits a measured pair distribution g(r), by Hybrid Reverse Monte Carlo."
    Inputs = FitInputs
    needs_input = True
    example_input = "example_input"
    max_iterations = 10
    graphs = (Graph("hrmcexp", x="iteration", y="criterion"),)

    def internal_sweep(self, inputs: FitInputs, iteration: int) -> Mapping[str, Any]:
        """The fits from each start point. They differ by their ``run_counter``, which picks their random numbers."""
        if inputs.optimisation_scheme == "MC":
            fits, temperatures = inputs.fanout_per_kept_result, [TEMPERATURE]
        elif iteration == 0:
            fits, temperatures = len(ANNEALING) * inputs.threshold, [TEMPERATURE]
        else:
            fits, temperatures = 1, list(ANNEALING)
        return {
            "istart": [RANDOM if iteration == 0 else FROM_STRUCTURE],
            "temp": temperatures,
            "fit": list(range(1, fits + 1)),
        }

    def summary(self, iteration: Iteration) -> Mapping[str, Any]:
        """The results of the best fit."""
        return _best(iteration)[0].results

    def transform(self, iteration: Iteration, next_input: NextInput) -> None:
        """Keep the best structures, with an ``audit.txt`` that tells which they are."""
        audits: list[str] = []
        for task in _best(iteration):
            audits.append(f"Run {task.values['run_counter']} preserved (error {task.number('criterion'):.9g})\n")
            next_input.keep(task, {"xyz_final.xyz": "input_initial.xyz"}, [file("audit.txt", audits[-1].encode())])
        next_input.storage.write(f"{next_input.folder}/audit.txt", "".join(audits).encode())

    def converged(self, iteration: Iteration) -> Convergence:
        """Done when the best criterion did not rise, and fell by no more than the error threshold."""
        best = _best(iteration)[0].number("criterion")
        return iteration.settled(best, iteration.inputs.error_threshold, falling=True)

    def describe_run(self, run: FinishedRun) -> Iterable[ParameterSet]:
        """How it converged, and a tag by which experiments of hrmc are found."""
        return [ParameterSet("hrmcexp", {}), *super().describe_run(run)]

    def describe_input(self, start_point: StartPointSeen) -> Iterable[ParameterSet]:
        """A tag."""
        del start_point
        return [ParameterSet("hrmcdataset/input", {})]

    def describe_output(self, task: FinishedTask, iteration: int) -> Iterable[ParameterSet]:
        """A tag, the task's point in the graph of the run, and a graph of how well it fits."""
        return [ParameterSet("hrmcdataset/output", {}), *super().describe_output(task, iteration), _fit()]

    def describe_file(self, task: FinishedTask, path: str) -> Iterable[ParameterSet]:
        """The curves of the fit, from ``gr.csv``."""
        return [_curves(task)] if path == "gr.csv" else []


def _fit() -> ParameterSet:
    """A graph of the computed distribution beside the measured one."""
    curves = [(DISTANCE, COMPUTED), (DISTANCE, MEASURED)]
    return graph("dataset", "hrmcdset", axes=("r (angstrom)", "g(r)"), legends=("computed", "measured"), keys=curves)


def _curves(task: FinishedTask) -> ParameterSet:
    rows = [line.split(",") for line in task.read("gr.csv").decode().splitlines()[1:]]
    columns = [[float(cell) for cell in column] for column in zip(*rows, strict=True)]
    return graph("datafile", "hrmcdfile", values=dict(zip((DISTANCE, COMPUTED, MEASURED), columns, strict=True)))


def _best(iteration: Iteration) -> list[FinishedTask]:
    return iteration.best(iteration.inputs.threshold, "criterion")


hrmc = HRMC()
