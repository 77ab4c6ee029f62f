"""Values that are written out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pydantic import ConfigDict, RootModel, field_validator
from pydantic_core import to_jsonable_python

from flows.sweep_map.form import Values


class Listed(Values, RootModel[list[Any]]):
    """``[v1, v2]``: any JSON values."""

    model_config = ConfigDict(frozen=True)

    @field_validator("root")
    @classmethod
    def _as_json_keeps_them(cls, written: list[Any]) -> list[Any]:
        if not written:
            raise ValueError("has no values")
        return as_json_keeps_it(written)

    def size(self) -> int:
        return len(self.root)

    def values(self) -> Iterator[Any]:
        return iter(self.root)


def as_json_keeps_it(values: list[Any]) -> list[Any]:
    """The values as they come back from JSON, so that a resumed run computes with the same ones."""
    try:
        kept = to_jsonable_python(values)
        json.dumps(kept, allow_nan=False)
    except ValueError as error:  # PydanticSerializationError is one
        raise ValueError("must hold what JSON can hold, which has neither NaN nor infinity") from error
    return kept
