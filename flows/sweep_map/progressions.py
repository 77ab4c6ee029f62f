"""Values at equal steps: a range, a number of values between two ends, and powers of ten.

All is computed in whole numbers over a common denominator, and divided last, so that steps of 0.1 come to 0.3 and not to
0.30000000000000004, and the millionth value is as exact as the first.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import ceil, lcm
from typing import Annotated

from pydantic import Field, ValidationError, ValidatorFunctionWrapHandler, field_validator, model_validator

from flows.sweep_map.form import Count, Form, Number, Values

_LARGEST = 308  # power of ten that a float can hold

Spaced = Annotated[tuple[Number, Number, Count], Field(strict=False)]  # first, last, how many


class Range(Values, Form):
    """``{"start": 0, "stop": 10, "step": 2}``: as Python's range, without the stop; the step may be a fraction, or negative."""

    start: Number = 0
    stop: Number
    step: Number = 1

    @model_validator(mode="after")
    def _has_values(self) -> Range:
        if self.step == 0:
            raise ValueError("must have a step other than 0")
        if self.size() < 1:
            raise ValueError(f"has no values: from {self.start} to {self.stop} in steps of {self.step}")
        return self

    def size(self) -> int:
        return ceil((_exact(self.stop) - _exact(self.start)) / _exact(self.step))

    def values(self) -> Iterator[int | float]:
        numerators, denominator = _progression(_exact(self.start), _exact(self.step), self.size())
        if isinstance(self.start, int) and isinstance(self.step, int):
            return numerators
        return (numerator / denominator for numerator in numerators)


class Linspace(Values, Form):
    """``{"linspace": [first, last, count]}``: so many values at equal distances, both ends included."""

    linspace: Spaced

    @field_validator("linspace", mode="wrap")
    @classmethod
    def _explained(cls, written: object, check: ValidatorFunctionWrapHandler) -> Spaced:
        return _checked(written, check, "takes [first, last, count], both ends included, such as [0, 1, 11]")

    def size(self) -> int:
        return self.linspace[2]

    def values(self) -> Iterator[float]:
        numerators, denominator = _between(*self.linspace)
        return (numerator / denominator for numerator in numerators)


class Logspace(Values, Form):
    """``{"logspace": [first, last, count]}``: powers of ten whose exponents are at equal distances, both ends included."""

    logspace: Spaced

    @field_validator("logspace", mode="wrap")
    @classmethod
    def _explained(cls, written: object, check: ValidatorFunctionWrapHandler) -> Spaced:
        exponents = _checked(written, check, "takes [first exponent, last exponent, count] of powers of ten, such as [-3, 2, 6]")
        if max(exponents[0], exponents[1]) > _LARGEST:
            raise ValueError(f"can't have an exponent greater than {_LARGEST}")
        return exponents

    def size(self) -> int:
        return self.logspace[2]

    def values(self) -> Iterator[float]:
        numerators, denominator = _between(*self.logspace)
        return (_power_of_ten(numerator, denominator) for numerator in numerators)


def _power_of_ten(numerator: int, denominator: int) -> float:
    """Ten to the power of a fraction; a whole power is the number as it is written, which C's pow is not always."""
    whole, rest = divmod(numerator, denominator)
    return 10.0 ** (numerator / denominator) if rest else float(f"1e{whole}")


def _exact(number: float) -> Fraction:
    """The number as it is written in decimal."""
    return Fraction(repr(number))


def _between(first: float, last: float, count: int) -> tuple[Iterator[int], int]:
    return _progression(_exact(first), (_exact(last) - _exact(first)) / max(1, count - 1), count)


def _progression(first: Fraction, step: Fraction, count: int) -> tuple[Iterator[int], int]:
    """Numerators, and the denominator that they have in common."""
    denominator = lcm(first.denominator, step.denominator)
    start, stride = int(first * denominator), int(step * denominator)
    return (start + number * stride for number in range(count)), denominator


def _checked(written: object, check: ValidatorFunctionWrapHandler, explanation: str) -> Spaced:
    try:
        return check(written)
    except ValidationError as error:
        raise ValueError(explanation) from error
