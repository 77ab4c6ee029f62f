"""What is written on everything that is made for a run, so that whoever finds it knows whose it is, and until when."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RunLabel:
    """The run that something is made for. The same for every controller of the run, however often it is asked for."""

    run: str  # its id
    name: str  # its name, for people
    connector: str
    owner: str  # who asked for it, for people
    installation: str  # id of the ledger that knows of it: nobody else may remove what bears it
    created: float  # when the run was; seconds since the epoch
