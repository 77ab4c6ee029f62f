"""What the forms of a sweep map's values have in common, and how their mistakes are told."""

from __future__ import annotations

import difflib
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError

from blocks.errors import InvalidRequest


class Values(ABC):
    """The values that a name takes, in order, made one at a time."""

    @abstractmethod
    def size(self) -> int:
        """How many there are; ``len()`` would stop at ``sys.maxsize``."""

    @abstractmethod
    def values(self) -> Iterator[Any]:
        """The values from the first on, the same at each call."""


class Form(BaseModel):
    """A JSON object of the grammar, with no other keys than its own. A validator's message goes on after the name of its key."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _number(value: object) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a number")
    if not abs(value) <= sys.float_info.max:  # also NaN
        raise ValueError("must be a number that is no larger than a float can be")
    return value


Number = Annotated[int | float, PlainValidator(_number)]  # a whole number stays one
Count = Annotated[int, Field(ge=1)]

AnyForm = TypeVar("AnyForm", bound=BaseModel)


def parsed(kind: type[AnyForm], name: str, written: object) -> AnyForm:
    """What was written for a name, as this form.

    Raises:
        InvalidRequest: every mistake in it, each as a sentence that names the key and the reason.
    """
    try:
        return kind.model_validate(written)
    except ValidationError as error:
        raise InvalidRequest(*(f"sweep: {name!r}: {_reason(kind, dict(detail))}" for detail in error.errors())) from error


def _reason(kind: type[BaseModel], detail: dict[str, Any]) -> str:
    key = str(detail["loc"][0]) if detail["loc"] else "it"
    match detail["type"]:
        case "missing":
            return f"{key} is missing"
        case "extra_forbidden":
            close = difflib.get_close_matches(key, kind.model_fields, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(kind.model_fields)}"
            return f"there is no {key}; {hint}"
        case "value_error":
            return f"{key} {detail['msg'].removeprefix('Value error, ')}"
        case "int_type" | "int_from_float":
            return f"{key} must be a whole number"
        case _:
            return f"{key} {detail['msg'].replace('Input should be a valid', 'must be a').replace('Input should', 'must')}"
