"""What is wrong with given values, in sentences that hold no more of them than they need."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, ValidationError, model_validator

from blocks.mistakes import mistakes


class Range(BaseModel):
    low: int = 0
    secret: str = ""

    @model_validator(mode="after")
    def _is_one(self) -> Range:
        if self.low > 1:
            raise ValueError("low is too high")
        return self


def told(**given: object) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        Range.model_validate(given)
    return mistakes(caught.value, "setting", list(Range.model_fields))


def test_what_is_wrong_with_several_values_shows_none_of_them() -> None:
    assert told(low=2, secret="Open-Sesame-1") == ["low is too high"]


def test_a_long_value_is_cut() -> None:
    (sentence,) = told(low="x" * 5000)
    assert sentence == f"low: must be a whole number (got '{99 * 'x'}...)"
