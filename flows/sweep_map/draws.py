"""Values drawn at random.

A seed stands for the same numbers on every machine and with every Python: only ``random.Random.random`` is used, which is
documented to repeat, and arithmetic that IEEE 754 defines to the last digit. (A logarithm only decides which draws are kept.)
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from random import Random
from typing import Annotated, Literal

from pydantic import Field, model_validator

from flows.sweep_map.form import Count, Form, Number, Values

_WIDTH = 1.7155277699214135  # 4 exp(-1/2) / sqrt(2)
_WIDEST = 2**53  # whole numbers that one random float can choose from

Seed = Annotated[int, Field(ge=0)]


class Uniform(Form):
    """Numbers that are equally likely between ``low`` and ``high``; with ``integers`` whole ones, without ``high``."""

    count: Count
    seed: Seed
    distribution: Literal["uniform"] = "uniform"
    low: Number = 0
    high: Number = 1
    integers: bool = False

    @model_validator(mode="after")
    def _bounds(self) -> Uniform:
        if not self.low < self.high:
            raise ValueError("must have a low that is less than high")
        if not math.isfinite(self.high - self.low):
            raise ValueError("has low and high too far apart")
        if self.integers and not (isinstance(self.low, int) and isinstance(self.high, int)):
            raise ValueError("must have whole numbers as low and high, because integers are drawn")
        if self.integers and self.high - self.low > _WIDEST:
            raise ValueError("must have low and high less than 2 to the power of 53 apart, because integers are drawn")
        return self

    def draw(self) -> Iterator[int | float]:
        """The numbers from the first on."""
        random = Random(self.seed).random
        low, width = self.low, self.high - self.low
        if self.integers:
            return (low + int(width * random()) for _ in range(self.count))
        return (low + width * random() for _ in range(self.count))


class Normal(Form):
    """Numbers of a normal distribution."""

    count: Count
    seed: Seed
    distribution: Literal["normal"]
    mean: Number = 0
    deviation: Annotated[Number, Field(gt=0)] = 1

    def draw(self) -> Iterator[float]:
        """The numbers from the first on, by the ratio of uniforms (Kinderman and Monahan, ACM TOMS 3:257, 1977)."""
        random = Random(self.seed).random
        drawn = 0
        while drawn < self.count:
            numerator, denominator = random() - 0.5, 1.0 - random()
            standard = _WIDTH * numerator / denominator
            if standard * standard / 4 <= -math.log(denominator):
                drawn += 1
                yield self.mean + self.deviation * standard


class Draws(Values, Form):
    """``{"random": {"count": 10, "low": 0, "high": 1, "seed": 42}}``."""

    random: Uniform | Normal

    def size(self) -> int:
        return self.random.count

    def values(self) -> Iterator[int | float]:
        return self.random.draw()
