"""What is wrong with a connector's declaration, before anybody runs it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from inspect import signature
from typing import Any, cast, get_args, get_origin

from pydantic import BaseModel, Secret, SecretBytes, SecretStr, ValidationError

from blocks.errors import InvalidRequest
from blocks.job import JobRequest
from blocks.kinds import COMPUTE
from flows import SmartConnector, connector_files, payload, sweep_map

_CALLS = (signature(SmartConnector.__call__), signature(SmartConnector.sweep_over))
_OF_EVERY_RUN = {"input_path", "output_path", *(name for call in _CALLS for name in call.parameters)} - {"inputs"}
NAME_RULE = (
    "a name begins with a letter and goes on with letters, digits, - and _, 64 at most; it does not begin with sweep- nor hold "
    "__sweep, as its sweeps are called"
)

_OUTSIDE = "is not in the connector's folder, which is kept with each run; put it, or a link to it, into"
_NAME = re.compile(r"(?!sweep-)(?!.*[-_]{2}sweep)[A-Za-z][A-Za-z0-9_-]{0,63}")


def is_name(name: str) -> bool:
    """Whether a connector may be called so: its name becomes part of folders, commands and Prefect entrypoints."""
    return _NAME.fullmatch(name) is not None


def problems(connector: SmartConnector, *, of_a_run: bool = False) -> list[str]:
    """Why a connector can't be used, each in the words of whoever wrote it; empty when it can.

    One that is kept of a run is without its example, and needs none: the run has its input.
    """
    name = getattr(connector, "name", None)
    if not isinstance(name, str) or not is_name(name):
        return [f"the name {name!r} can't be used; {NAME_RULE}" if name is not None else f"it has no name; {NAME_RULE}"]
    return [
        *_kinds(connector),
        *_job(connector),
        *_hdfs(connector),
        *_selection(connector),
        *_inputs(connector),
        *_arguments(connector),
        *_program(connector),
        *_files(connector),
        *_stages(connector),
        *(() if of_a_run else _example(connector)),
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


def _hdfs(connector: SmartConnector) -> Iterator[str]:
    if isinstance(connector.hdfs, str) or not set(connector.hdfs) <= {"input", "output"}:
        yield 'hdfs must be a list of what is moved to and from HDFS; allowed are "input" and "output"'
    elif connector.hdfs and "hadoop" not in connector.compute:
        yield "hdfs says what is moved to and from HDFS, but compute does not allow the kind hadoop, which alone has it"


def _selection(connector: SmartConnector) -> Iterator[str]:
    for name in ("include", "exclude"):
        if isinstance(getattr(connector, name), str):
            yield f'{name} must be a list of patterns, such as ["*.tmp"]'
            return
    yield from connector.selection.problems()


def _inputs(connector: SmartConnector) -> Iterator[str]:
    fields = connector.Inputs.model_fields
    for name in fields:
        if name in _OF_EVERY_RUN:
            yield f"the input {name!r} needs another name, because every run has a parameter of that name"
        if _is_secret(fields[name].annotation):
            yield (
                f"the input {name!r} is a secret, and inputs are kept beside the results for all to read; keep it in a file "
                "on the computer that computes, which only you can read, and let main.sh read it there"
            )
    optional = {name: field for name, field in fields.items() if not field.is_required()}
    defaults = {name: field.get_default(call_default_factory=True, validated_data={}) for name, field in optional.items()}
    try:
        connector.Inputs.model_validate(defaults)
    except ValidationError as error:
        for detail in error.errors():
            if detail["type"] != "missing":
                place = ".".join(map(str, detail["loc"])) or "the inputs"
                yield f"the default of {place} can't be used: {detail['msg'].replace('Input should', 'it should')}"


def _is_secret(annotation: Any, around: frozenset[type] = frozenset()) -> bool:
    """Whether values of a type are hidden, or hold what is; ``around`` are the models that it stands in."""
    kind: Any = get_origin(annotation) or annotation
    if isinstance(kind, type) and issubclass(kind, (Secret, SecretStr, SecretBytes)):
        return True
    if isinstance(kind, type) and issubclass(kind, BaseModel) and kind not in around:
        return any(_is_secret(field.annotation, around | {kind}) for field in kind.model_fields.values())
    return any(_is_secret(each, around) for each in get_args(annotation))


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
    folder, given = connector.folder, connector.payload
    if given is not None and connector_files.is_apart(connector) and not connector_files.within(folder, given):
        yield f"the payload {given!r} {_OUTSIDE} {folder}"
        return
    yield from payload.problems(connector.payload_folder)


def _files(connector: SmartConnector) -> Iterator[str]:
    if isinstance(connector.files, str):
        yield 'files must be a list of files and folders, such as ["tables"]'
        return
    folder = connector.folder
    for given in connector.files:
        if not connector_files.within(folder, given):
            yield f"{given!r}, which it reads, {_OUTSIDE} {folder}"
        elif not (folder / given).is_file() and not (folder / given).is_dir():
            yield f"files: {folder / given} does not exist"


def _stages(connector: SmartConnector) -> Iterator[str]:
    if not connector.stages:
        return
    from flows.stages import STAGES, Stage

    known = [stage.name for stage in STAGES]
    for name, stage in cast(Mapping[str, object], connector.stages).items():
        if name not in known:
            close = [f"did you mean {each!r}?" for each in get_close_matches(name, known, 1)]
            yield f"stages: there is no stage {name!r}; {close[0] if close else 'there are: ' + ', '.join(known)}"
        elif not isinstance(stage, type) or not issubclass(stage, Stage):
            yield f"stages: what takes the place of {name!r} must be a class, a subclass of one in flows.stages"
        elif getattr(stage, "name", None) != name:
            yield f"stages: {stage.__name__} takes the place of {name!r}, and its name is {getattr(stage, 'name', None)!r}"


def _example(connector: SmartConnector) -> Iterator[str]:
    if connector.example_input is not None and not (connector.folder / connector.example_input).is_dir():
        yield f"example_input: the folder {connector.folder / connector.example_input} does not exist"
