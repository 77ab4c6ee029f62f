"""What is wrong with a connector's declaration, before anybody runs it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import cast

from pydantic import ValidationError

from blocks.errors import InvalidRequest
from blocks.job import JobRequest
from blocks.kinds import COMPUTE
from flows import SmartConnector, payload, sweep_map

# Parameters of every run.
RESERVED = ("compute", "input", "input_path", "output", "output_path", "sweep", "max_iterations", "reliability", "job", "cache")
NAME_RULE = "a name begins with a letter and goes on with letters, digits, - and _, 64 at most"

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")


def is_name(name: str) -> bool:
    """Whether a connector may be called so: its name becomes part of folders, commands and Prefect entrypoints."""
    return _NAME.fullmatch(name) is not None


def problems(connector: SmartConnector) -> list[str]:
    """Why a connector can't be used, each in the words of whoever wrote it; empty when it can."""
    name = getattr(connector, "name", None)
    if not isinstance(name, str) or not is_name(name):
        return [f"the name {name!r} can't be used; {NAME_RULE}" if name is not None else f"it has no name; {NAME_RULE}"]
    return [
        *_kinds(connector),
        *_job(connector),
        *_inputs(connector),
        *_arguments(connector),
        *_program(connector),
        *_example(connector),
    ]


def _kinds(connector: SmartConnector) -> Iterator[str]:
    allowed = ", ".join(COMPUTE)
    if isinstance(connector.compute, str) or not connector.compute:
        yield f"compute must be a list of kinds of compute resource; allowed are {allowed}"
        return
    for kind in connector.compute:
        if kind not in COMPUTE:
            yield f"compute: there is no kind {kind!r} of compute resource; allowed are {allowed}"


def _job(connector: SmartConnector) -> Iterator[str]:
    if not isinstance(cast(object, connector.job), JobRequest):
        yield 'job must be a JobRequest, such as JobRequest(cpus=4, modules=["openmpi"])'


def _inputs(connector: SmartConnector) -> Iterator[str]:
    fields = connector.Inputs.model_fields
    for name in RESERVED:
        if name in fields:
            yield f"the input {name!r} needs another name, because every run has a parameter of that name"
    optional = {name: field for name, field in fields.items() if not field.is_required()}
    defaults = {name: field.get_default(call_default_factory=True, validated_data={}) for name, field in optional.items()}
    try:
        connector.Inputs.model_validate(defaults)
    except ValidationError as error:
        for detail in error.errors():
            if detail["type"] != "missing":
                place = ".".join(map(str, detail["loc"])) or "the inputs"
                yield f"the default of {place} can't be used: {detail['msg'].replace('Input should', 'it should')}"


def _arguments(connector: SmartConnector) -> Iterator[str]:
    if isinstance(connector.arguments, str):
        yield "arguments must be a list of names of inputs"
        return
    known = set(connector.Inputs.model_fields)
    unknown = [name for name in connector.arguments if name not in known]
    if unknown and not any(field.is_required() for field in connector.Inputs.model_fields.values()):
        try:  # a swept value may be an argument too
            known |= set(sweep_map.read(connector.internal_sweep(connector.Inputs(), 0), connector.folder).names())
        except InvalidRequest as error:
            yield from error.problems
            return
    for name in unknown:
        if name not in known:
            yield f"arguments: there is no input {name!r}; the inputs are: {', '.join(sorted(known)) or 'none'}"


def _program(connector: SmartConnector) -> Iterator[str]:
    if connector.payload is None and type(connector).run_task is SmartConnector.run_task:
        yield "it has neither a payload nor run_task; one of them has to say what is computed"
    yield from payload.problems(connector.payload_folder)


def _example(connector: SmartConnector) -> Iterator[str]:
    if connector.example_input is not None and not (connector.folder / connector.example_input).is_dir():
        yield f"example_input: the folder {connector.folder / connector.example_input} does not exist"
