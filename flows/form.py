"""The forms of the Prefect UI: the parameters of a connector's flow, built from its declaration."""

from __future__ import annotations

import functools
import inspect
from typing import Annotated, Any

from pydantic import Field

from blocks.job import JobRequest
from flows import resources
from flows.connector import SmartConnector
from flows.request import Reliability
from flows.result import RunResult

SWEEP_HELP = (  # in the forms of the Prefect UI, which show an editor for JSON
    'For example {"x": [1, 2, 3]}, {"x": {"start": 0, "stop": 10, "step": 2}}, {"x": {"linspace": [0, 1, 11]}}, '
    '{"x": {"logspace": [-3, 2, 6]}}, {"x": {"random": {"count": 10, "low": 0, "high": 1}}}, '
    '{"zip": {"x": [1, 2], "y": [3, 4]}}, {"csv": "points.csv"}. Several names: every value of one with every value of the other.'
)


def signature(connector: SmartConnector) -> inspect.Signature:
    """The parameters of the connector's flow, from which the form in the Prefect UI is made."""
    compute = functools.reduce(_either, [block for block in resources.COMPUTE if block.kind in connector.compute])
    storage = functools.reduce(_either, resources.STORAGE)
    curation = functools.reduce(_either, resources.CURATION)
    fields: dict[str, tuple[Any, Any]] = {
        "compute": (
            compute | None,
            form_field(None, "Compute resource", "Where the tasks run; with None, on the machine of the worker."),
        ),
        "input": (storage | None, form_field(None, "Input storage", "The storage that holds the input, if there is any.")),
        "input_path": (
            str,
            form_field("", "Input folder", "The input folder in that storage; each of its sub-folders is a start point."),
        ),
        "output": (
            storage | None,
            form_field(
                None, "Output storage", "Where results go; with None, the folder chiminey-output on the machine of the worker."
            ),
        ),
        "output_path": (str, form_field("", "Output folder", "The folder in that storage.")),
        "sweep": (
            dict[str, Any] | None,
            form_field(None, "Sweep", f"Values to sweep over; each point is a task. {SWEEP_HELP}"),
        ),
        "max_iterations": (
            Annotated[int, Field(ge=1)],  # where Prefect keeps the bound
            form_field(connector.max_iterations, "Iterations", "How often it iterates at most, if it does not converge."),
        ),
        "reliability": (Reliability, form_field(Reliability(), "Reliability", "How failures are handled.")),
        "cache": (
            bool,
            form_field(False, "Task cache", "Take the outputs of earlier runs for tasks that are computed from the same."),
        ),
        "curation": (
            curation | None,
            form_field(None, "Curation", "The repository that the run is published in when it has ended; with None, in none."),
        ),
        "experiment": (
            str,
            form_field("", "Experiment", "The number of an experiment there that the run goes into; empty for a new one."),
        ),
        "job": (
            JobRequest,
            form_field(
                JobRequest(),
                "Cluster job",
                "What a cluster's scheduler is asked for, for each job, over what the connector and the resource ask for; "
                "other resources have no scheduler.",
            ),
        ),
    }
    if connector.Inputs.model_fields:
        fields = {"inputs": (connector.Inputs, _default_inputs(connector)), **fields}
    parameters = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=field, annotation=annotation)
        for name, (annotation, field) in fields.items()
    ]
    return inspect.Signature(parameters, return_annotation=RunResult)


def form_field(default: Any, title: str, description: str) -> Any:
    """A parameter of the form. Prefect puts the parameter's own name over a plain ``title``."""
    return Field(default=default, description=description, json_schema_extra={"title": title})


def _either(left: Any, right: Any) -> Any:
    return left | right


def _default_inputs(connector: SmartConnector) -> Any:
    if any(info.is_required() for info in connector.Inputs.model_fields.values()):
        return form_field(..., "Inputs", connector.description)
    return form_field(connector.Inputs(), "Inputs", connector.description)
