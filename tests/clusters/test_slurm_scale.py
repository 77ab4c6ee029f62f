"""Hundreds of tasks on Slurm beside what somebody would do by hand, and what the login node has to bear of it."""

from __future__ import annotations

import time
from itertools import count
from pathlib import Path

import pytest

from benchmarks import peers
from benchmarks.table import best
from blocks.job import JobRequest
from tests.clusters.engine import slurm_compute
from tests.clusters.test_slurm import ANSWER, answers
from tests.engine import Lab
from tests.payloads import connector
from tests.servers.slurm import Slurm

pytestmark = [pytest.mark.cluster, pytest.mark.ssh, pytest.mark.scale, pytest.mark.slow]

TASKS = 400


def with_chiminey(slurm: Slurm, folder: Path, tasks: int, packed: int) -> Lab:
    """A run of so many tasks, of which so many are in each job."""
    lab = Lab(folder)
    sample = connector(folder / "c", ANSWER, job=JobRequest(tasks_per_job=packed))
    result = lab.go(sample, slurm_compute(slurm.host), sweep={"n": list(range(tasks))})
    assert len(answers(lab, result.name)) == tasks
    return lab


def test_an_array_takes_hardly_longer_than_by_hand_and_a_packed_one_a_part_of_it(slurm: Slurm, tmp_path: Path) -> None:
    numbers = count(1)

    def unpacked() -> None:
        before = slurm.submissions(), slurm.host.connections()
        began = time.monotonic()
        lab = with_chiminey(slurm, tmp_path / f"unpacked-{next(numbers)}", TASKS, packed=1)
        (asked,) = lab.round_trips.values()
        assert (slurm.submissions() - before[0], slurm.host.connections() - before[1]) == (1, 1)
        assert asked < 10 + 1.5 * (time.monotonic() - began)

    def by_hand() -> None:
        peers.array(slurm.host, ANSWER, TASKS, TASKS, tmp_path / f"by-hand-{next(numbers)}")

    def packed() -> None:
        with_chiminey(slurm, tmp_path / f"packed-{next(numbers)}", TASKS, packed=50)

    for act, enough in ((unpacked, 1.2), (packed, 0.5)):
        ours, theirs = best(act, by_hand, enough=enough)
        assert ours <= enough * theirs, f"{act.__name__} {ours:.1f} s, by hand {theirs:.1f} s"


@pytest.mark.parametrize("packed", [pytest.param(1, marks=pytest.mark.chaos), 4])
def test_more_tasks_than_an_array_may_have_elements_are_several_arrays(slurm: Slurm, tmp_path: Path, packed: int) -> None:
    lab = with_chiminey(slurm, tmp_path, 5000, packed)
    assert slurm.submissions() == (5 if packed == 1 else 2)
    assert slurm.host.connections() == 1
    assert {task.attempt for run in lab.ledger.runs() for task in lab.ledger.tasks(run.id)} == {1}
