"""spice: what a circuit does to a signal, computed by ngspice."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from flows import SmartConnector


class CircuitInputs(BaseModel):
    """Values for the circuit's template, and the analysis."""

    model_config = ConfigDict(extra="forbid")

    resistance: float = Field(default=1000, gt=0, le=1e12, title="Resistance", description="In ohms.")
    capacitance: float = Field(default=1e-6, gt=0, le=1, title="Capacitance", description="In farads: 1e-6 is one microfarad.")
    analysis: Literal["ac", "tran"] = Field(
        default="ac", title="Analysis", description="ac: the response to each frequency; tran: the response to a step."
    )
    lowest_frequency: float = Field(default=1, gt=0, le=1e12, title="Lowest frequency", description="In hertz, for ac.")
    highest_frequency: float = Field(default=1e6, gt=0, le=1e12, title="Highest frequency", description="In hertz, for ac.")
    duration: float = Field(default=0.01, gt=0, le=1e6, title="Duration", description="In seconds, for tran.")

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if self.lowest_frequency >= self.highest_frequency:
            raise ValueError("the lowest frequency must be below the highest")
        return self


class Spice(SmartConnector):
    """One circuit for each start point: a netlist ``circuit.cir_template`` with a node called ``out``."""

    name = "spice"
    description = "The frequency response, or the step response, of a circuit, by ngspice."
    Inputs = CircuitInputs
    arguments = ("analysis", "lowest_frequency", "highest_frequency", "duration")
    needs_input = True
    example_input = "example_input"


spice = Spice()
