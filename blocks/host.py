"""A host: where tasks of a run run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Host:
    """A place where tasks run: this machine, a unix server, a cluster's login node, a VM."""

    id: str  # unique in the run, stable over restarts of the controller
    address: str  # what a session is opened to: "[user@]name[:port]"; empty: it has to be made first
    slots: int = 0  # tasks at once; 0: as many as it has processors, or of a cluster all, which then wait in its queue
    machine: str = ""  # the provider's id of a machine that was made for the run
    size: str = ""  # of such a machine, in the provider's words
    price: float = 0.0  # of an hour of it; 0: unknown

    @property
    def is_machine(self) -> bool:
        """Whether it was made for the run, or has to be."""
        return bool(self.machine) or not self.address
