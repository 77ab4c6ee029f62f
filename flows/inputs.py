"""Checking a connector's inputs, in the words of whoever typed them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from blocks.errors import InvalidRequest
from blocks.mistakes import mistakes
from flows.connector import SmartConnector
from flows.sweep_map import SweepMap


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
        return connector.Inputs.model_validate({**left, **inputs})
    except ValidationError as error:
        raise InvalidRequest(*mistakes(error, "input", list(connector.Inputs.model_fields))) from error
