"""What decides: smart connectors, their stages, and the loop that runs them. Declaring a connector needs no more than this."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blocks.curation import ParameterSet
    from blocks.job import JobRequest
    from flows.connector import Inputs, SmartConnector
    from flows.description import FinishedRun, Graph, StartPointSeen
    from flows.iteration import Convergence, FinishedTask, Iteration, NextInput
    from flows.request import Reliability
    from flows.result import RunResult

_HOME = {
    "Convergence": "flows.iteration",
    "FinishedRun": "flows.description",
    "FinishedTask": "flows.iteration",
    "Graph": "flows.description",
    "Inputs": "flows.connector",
    "Iteration": "flows.iteration",
    "JobRequest": "blocks.job",
    "NextInput": "flows.iteration",
    "ParameterSet": "blocks.curation",
    "Reliability": "flows.request",
    "RunResult": "flows.result",
    "SmartConnector": "flows.connector",
    "StartPointSeen": "flows.description",
}

__all__ = [
    "Convergence",
    "FinishedRun",
    "FinishedTask",
    "Graph",
    "Inputs",
    "Iteration",
    "JobRequest",
    "NextInput",
    "ParameterSet",
    "Reliability",
    "RunResult",
    "SmartConnector",
    "StartPointSeen",
]


def __getattr__(name: str) -> Any:
    """The public names, imported when asked for: who only lists runs must not wait for Pydantic."""
    if name not in _HOME:
        raise AttributeError(f"module 'flows' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)
