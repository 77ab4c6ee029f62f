"""lammps: a liquid at several temperatures, by molecular dynamics with LAMMPS."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from flows import SmartConnector


class LiquidInputs(BaseModel):
    """Values for the template ``in.lammps_template``, and the temperatures; in reduced units, as the example has them."""

    model_config = ConfigDict(extra="forbid")

    lowest_temperature: float = Field(
        default=0.8, gt=0, le=100, title="Lowest temperature", description="In reduced units: 1 is epsilon / k, 120 K for argon."
    )
    highest_temperature: float = Field(
        default=1.6, gt=0, le=100, title="Highest temperature", description="In reduced units; it is one of the temperatures."
    )
    temperatures: int = Field(
        default=5, ge=2, le=10_000, title="Temperatures", description="How many, evenly spaced; a task each."
    )
    density: float = Field(
        default=0.8442, gt=0, le=2, title="Density", description="Atoms in a cube of the edge sigma; a liquid has 0.6 to 0.9."
    )
    iseed: int = Field(default=42, ge=1, le=10**8, title="Random number seed", description="Of the first velocities.")

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if self.lowest_temperature >= self.highest_temperature:
            raise ValueError("the lowest temperature must be below the highest")
        return self


class Lammps(SmartConnector):
    """Its start points have a LAMMPS script ``in.lammps_template`` for one temperature."""

    name = "lammps"
    description = "Pressure, energy and diffusion of a liquid at several temperatures, by LAMMPS."
    Inputs = LiquidInputs
    needs_input = True
    example_input = "example_input"

    def internal_sweep(self, inputs: LiquidInputs, iteration: int) -> Mapping[str, Any]:
        """The temperatures, evenly spaced, both ends included."""
        del iteration
        step = (inputs.highest_temperature - inputs.lowest_temperature) / (inputs.temperatures - 1)
        return {"temperature": [round(inputs.lowest_temperature + step * number, 9) for number in range(inputs.temperatures)]}


lammps = Lammps()
