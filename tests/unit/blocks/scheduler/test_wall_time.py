"""How long a job may take: as asked for, as its tasks need, and more of it after they ran out of it."""

from __future__ import annotations

import pytest

from blocks.scheduler.array import GRACE, MARGIN, wall_time


@pytest.mark.parametrize(
    ("asked", "growth", "limit", "seconds"),
    [
        (0, 0, 0, 0),
        (0, 0, 100, 2 * (100 + GRACE) + MARGIN),  # two tasks, one after the other
        (3600, 0, 0, 3600),
        (3600, 1, 0, 7200),
        (3600, 1, 4, 3600),  # the task was stopped at its own limit, of which the job has plenty
        (60, 1, 3600, 120),  # the job was over before the task's limit
    ],
)
def test_it_grows_as_far_as_the_tasks_can_need(asked: int, growth: int, limit: float, seconds: int) -> None:
    assert wall_time(asked, growth, limit, rounds=2) == seconds
