"""``connector.toml``: a connector that is declared without a line of Python."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model

from blocks.errors import InvalidRequest
from blocks.job import JobRequest
from blocks.kinds import COMPUTE
from blocks.mistakes import mistake
from flows import Inputs, SmartConnector, connector_files, sweep_map

FILE = connector_files.DECLARATION

_TYPES: dict[str, type] = {"integer": int, "number": float, "text": str, "boolean": bool}


class DeclarationProblem(ValueError):
    """A ``connector.toml`` that can't be used; the message names the key and, where it is known, the line."""


class InputDeclaration(BaseModel):
    """The table ``[inputs.NAME]``."""

    model_config = ConfigDict(extra="forbid", strict=True)

    type: Literal["integer", "number", "text", "boolean", "choice"]
    default: Any = None
    title: str | None = None
    description: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    choices: list[str | int] = []


class Declaration(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str
    description: str = ""
    compute: list[str] = list(COMPUTE)
    arguments: list[str] = []
    payload: str = "payload"
    needs_input: bool = False
    example_input: str | None = None
    files: list[str] = []
    max_iterations: int = 1
    job: JobRequest = JobRequest()
    hdfs: list[str] = []
    include: list[str] = []
    exclude: list[str] = []
    inputs: dict[str, InputDeclaration] = {}
    sweep: dict[str, Any] = {}


class DeclaredConnector(SmartConnector):
    """A connector that was read from a ``connector.toml``."""

    declared_in: ClassVar[Path]
    sweep: ClassVar[Mapping[str, Any]] = {}

    @property
    def folder(self) -> Path:
        return self.declared_in

    def internal_sweep(self, inputs: Any, iteration: int) -> Mapping[str, Any]:
        del inputs, iteration
        return self.sweep


def read(folder: Path) -> SmartConnector:
    """The connector that a folder's ``connector.toml`` declares.

    Raises:
        DeclarationProblem: it is not TOML, or holds a key or a value that is not allowed.
    """
    text = _text(folder)
    declaration = _declaration(text)
    found: list[str] = []
    try:
        sweep_map.read(declaration.sweep, folder)
    except InvalidRequest as error:
        found += error.problems
    fields: dict[str, Any] = {}
    for name, declared in declaration.inputs.items():
        wrong = _problems(name, declared)
        found += [_at(text, ("inputs", name), problem) for problem in wrong]
        if not wrong:
            fields[name] = (_annotation(declared), ... if declared.default is None else declared.default)
    if found:
        raise DeclarationProblem("; ".join(found))
    return _connector(folder.resolve(), declaration, create_model("Inputs", __base__=Inputs, **fields))


def places(folder: Path) -> dict[str, list[str]]:
    """What a folder's ``connector.toml`` names, as paths from the folder, by the keys in it; nothing of it is read.

    Raises:
        DeclarationProblem: it is not TOML, or holds a key or a value that is not allowed.
    """
    declaration = _declaration(_text(folder))
    return {
        "payload": [declaration.payload],
        "example_input": [declaration.example_input] if declaration.example_input is not None else [],
        "files": declaration.files,
        "sweep": sweep_map.named_files(declaration.sweep),
    }


def _text(folder: Path) -> str:
    return (folder / FILE).read_text(encoding="utf-8-sig", errors="replace")


def _declaration(text: str) -> Declaration:
    try:
        return Declaration.model_validate(tomllib.loads(text))
    except ValidationError as error:
        raise DeclarationProblem("; ".join(_sentence(cast(dict[str, Any], detail), text) for detail in error.errors())) from error
    except tomllib.TOMLDecodeError as error:
        raise DeclarationProblem(f"it is not TOML: {error}") from error


def _connector(folder: Path, declaration: Declaration, inputs: type[BaseModel]) -> SmartConnector:
    files = [*declaration.files, *sweep_map.named_files(declaration.sweep)]
    settings = {**dict(declaration), "files": files, "Inputs": inputs, "declared_in": folder}
    del settings["inputs"]
    return type("Connector", (DeclaredConnector,), settings)()


def _annotation(declared: InputDeclaration) -> Any:
    if declared.type == "choice":
        annotation: Any = Literal[tuple(declared.choices)]
    else:
        annotation = _TYPES[declared.type]
    numeric: dict[str, Any] = {"ge": declared.minimum, "le": declared.maximum} if declared.type in {"integer", "number"} else {}
    if declared.type == "number":
        numeric["allow_inf_nan"] = False  # JSON, in which values travel, has neither
    return Annotated[annotation, Field(title=declared.title, description=declared.description, **numeric)]


def _problems(name: str, declared: InputDeclaration) -> list[str]:
    place = f"inputs.{name}"
    if not name.isidentifier() or name.startswith("_") or hasattr(Inputs, name):
        return [f"{place}: an input can't have this name; use letters, digits and _, such as 'my_{name.strip('_')}'"]
    if (declared.type == "choice") != bool(declared.choices):
        return [f'{place}.choices: a list such as ["a", "b"] goes with type = "choice", and only with it']
    bounds = [bound for bound in (declared.minimum, declared.maximum) if bound is not None]
    if bounds and declared.type not in {"integer", "number"}:
        return [f"{place}: minimum and maximum are allowed for the types integer and number only"]
    if bounds != sorted(bounds):
        return [f"{place}: minimum is greater than maximum"]
    return [] if declared.default is None else _default_problems(place, declared)


def _default_problems(place: str, declared: InputDeclaration) -> list[str]:
    try:
        TypeAdapter[Any](_annotation(declared)).validate_python(declared.default, strict=True)
    except ValidationError as error:
        return [f"{place}.default: {_must(detail['msg'])}" for detail in error.errors()]
    return []


def _sentence(detail: dict[str, Any], text: str) -> str:
    keys = tuple(str(key) for key in detail["loc"])
    place = ".".join(keys)
    table, within = keys[0], keys[1:]
    if table == "job" and within:
        return _at(text, keys, mistake({**detail, "loc": within}, "job setting", list(JobRequest.model_fields), "job."))
    if detail["type"] == "extra_forbidden":
        model = InputDeclaration if table == "inputs" else Declaration
        return _at(text, keys, f"there is no key {place}; allowed are {', '.join(model.model_fields)}")
    if detail["type"] == "missing":
        return f"the key {place} is missing"
    return _at(text, keys, f"{place}: {_must(detail['msg'])}")


def _must(message: str) -> str:
    return re.sub(r"valid dictionary or instance of \w+", "table", message.replace("Input should", "it must"))


def _at(text: str, keys: tuple[str, ...], sentence: str) -> str:
    """The sentence with the line on which the innermost of the keys is found."""
    table = ""
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[([^\[\]]+)\]", line)
        table = header[1].strip() if header else table
        key = "" if header else line.partition("=")[0].strip().strip("\"'")
        path = ".".join(part for part in (table, key) if part)
        if path == ".".join(keys):
            return f"line {number}: {sentence}"
    return sentence
