"""espresso: the total energy of a crystal by Quantum ESPRESSO, with a plane-wave cut-off and a k-point grid that suffice for it.

The cut-off is raised until the energy no longer changes, then the k-point grid is, with that cut-off.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from statistics import fmean
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from flows import Convergence, FinishedTask, Iteration, NextInput, SmartConnector

ENERGY = "energy_per_atom_ev"
CUTOFF, KPOINTS = "ecutwfc", "kpoints"  # values for the template
RAISED, ENERGY_BEFORE = "raised", "energy_before"  # values that say how a task came about: what was raised, and from which energy


class ConvergenceInputs(BaseModel):
    """Where cut-off and k-point grid begin, how they are raised, and when that is enough."""

    model_config = ConfigDict(extra="forbid")

    cutoff_start: float = Field(default=12, gt=0, le=1000, title="First cut-off", description="Of the plane waves, in rydberg.")
    cutoff_step: float = Field(default=4, gt=0, le=1000, title="Step of the cut-off", description="In rydberg.")
    kpoints_start: int = Field(
        default=2, ge=1, le=100, title="First k-point grid", description="So many points along each reciprocal axis."
    )
    kpoints_step: int = Field(default=2, ge=1, le=100, title="Step of the k-point grid", description="Points along each axis.")
    energy_threshold: float = Field(
        default=0.01,
        ge=0,
        allow_inf_nan=False,
        title="Energy threshold",
        description="Done when the total energy changes by no more; in electronvolt for each atom.",
    )


class Espresso(SmartConnector):
    """Its start points are crystals, each with an input ``pw.in_template`` of pw.x."""

    name = "espresso"
    description = "The total energy of a crystal, converged in plane-wave cut-off and k-points, by Quantum ESPRESSO."
    Inputs = ConvergenceInputs
    needs_input = True
    example_input = "example_input"
    max_iterations = 20

    def internal_sweep(self, inputs: ConvergenceInputs, iteration: int) -> Mapping[str, Any]:
        """The first cut-off and grid; later ones are in the start points, which ``transform`` writes."""
        return {CUTOFF: [inputs.cutoff_start], KPOINTS: [inputs.kpoints_start]} if iteration == 0 else {}

    def results(self, task: FinishedTask) -> Mapping[str, Any]:
        """What pw.x found, after what it was asked for."""
        return {"cutoff_ry": task.values[CUTOFF], KPOINTS: task.values[KPOINTS], **task.reported}

    def transform(self, iteration: Iteration, next_input: NextInput) -> None:
        """Raise the grid of a crystal whose cut-off is settled, else its cut-off."""
        inputs: ConvergenceInputs = iteration.inputs
        for task in iteration.tasks:
            raised = KPOINTS if task.values.get(RAISED) == KPOINTS or _settled(task, inputs) else CUTOFF
            step = inputs.kpoints_step if raised == KPOINTS else inputs.cutoff_step
            values = {raised: task.values[raised] + step, RAISED: raised, ENERGY_BEFORE: task.number(ENERGY)}
            next_input.keep(replace(task, values={**task.values, **values}), outputs={})

    def converged(self, iteration: Iteration) -> Convergence:
        """Done when raising the grid changed no crystal's energy by more than the threshold; of several, the mean is shown."""
        done = all(task.values.get(RAISED) == KPOINTS and _settled(task, iteration.inputs) for task in iteration.tasks)
        return Convergence(done=done, criterion=fmean(task.number(ENERGY) for task in iteration.tasks))


def _settled(task: FinishedTask, inputs: ConvergenceInputs) -> bool:
    before = task.values.get(ENERGY_BEFORE)
    return before is not None and abs(task.number(ENERGY) - before) <= inputs.energy_threshold


espresso = Espresso()
