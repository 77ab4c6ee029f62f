"""External sweeps: one run of a connector for each point of a map."""

from flows.sweep.outcome import SweepResult
from flows.sweep.sweep import Sweep

__all__ = ["Sweep", "SweepResult"]
