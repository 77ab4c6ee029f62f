"""Checking a connector's inputs, in the words of whoever typed them."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from pydantic import ValidationError

from blocks.errors import InvalidRequest
from blocks.mistakes import mistakes
from flows.connector import SmartConnector
from flows.sweep_map import SweepMap


def is_text(annotation: Any) -> bool:
    """Whether an input is text, whatever it looks like: 007 is no number there."""
    kinds = [kind for kind in get_args(annotation) if kind is not NoneType] if NoneType in get_args(annotation) else [annotation]
    return all(kind is str or _is_choice_of_texts(kind) for kind in kinds)


def _is_choice_of_texts(kind: Any) -> bool:
    return get_origin(kind) is Literal and all(isinstance(each, str) for each in get_args(kind))


def texts(connector: SmartConnector) -> list[str]:
    """The inputs that are text."""
    return [name for name, field in connector.Inputs.model_fields.items() if is_text(field.annotation)]


def checked(connector: SmartConnector, inputs: Mapping[str, Any], sweep: SweepMap | None = None) -> Any:
    """The inputs as the connector's model, with types and defaults.

    An input without a default may be left to the sweep: it then has the sweep's first value, which every task replaces.

    Raises:
        InvalidRequest: every reason that the model has, each naming the input.
    """
    firsts: dict[str, Any] = next(sweep.points()) if sweep is not None else {}
    required = {name for name, field in connector.Inputs.model_fields.items() if field.is_required()}
    left = {name: value for name, value in firsts.items() if name in required}
    try:
        model = connector.Inputs.model_validate({**left, **inputs})
    except ValidationError as error:
        raise InvalidRequest(*mistakes(error, "input", list(connector.Inputs.model_fields))) from error
    if endless := [name for name, value in model if not _is_finite(value)]:
        raise InvalidRequest(*(f"{name}: must be a finite number (got {getattr(model, name)})" for name in endless))
    return model


def _is_finite(value: Any) -> bool:
    """Whether JSON, in which runs are kept, has a value; of those in lists and the like nothing is said."""
    return not isinstance(value, float) or isfinite(value)
