"""Hundreds of tasks on Slurm beside what somebody would do by hand, and what the login node has to bear of it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from benchmarks import peers
from blocks.job import JobRequest
from tests.clusters.engine import slurm_compute
from tests.clusters.test_slurm import ANSWER, answers
from tests.engine import Lab
from tests.payloads import connector
from tests.servers.slurm import Slurm

pytestmark = [pytest.mark.cluster, pytest.mark.ssh, pytest.mark.scale, pytest.mark.slow, pytest.mark.timeout(900)]


def with_chiminey(slurm: Slurm, folder: Path, tasks: int, packed: int) -> tuple[float, Lab]:
    """Seconds of so many tasks, of which so many are in each job."""
    lab = Lab(folder)
    sample = connector(folder / "c", ANSWER, job=JobRequest(tasks_per_job=packed))
    began = time.monotonic()
    result = lab.go(sample, slurm_compute(slurm.host), sweep={"n": list(range(tasks))})
    seconds = time.monotonic() - began
    assert len(answers(lab, result.name)) == tasks
    return seconds, lab


def test_an_array_takes_hardly_longer_than_by_hand_and_a_packed_one_a_part_of_it(slurm: Slurm, tmp_path: Path) -> None:
    unpacked, lab = with_chiminey(slurm, tmp_path / "unpacked", 400, packed=1)
    assert (slurm.submissions(), slurm.host.connections()) == (1, 1)
    asked = max(lab.round_trips.values())
    began = time.monotonic()
    peers.array(slurm.host, ANSWER, 400, 400, tmp_path / "by-hand")
    by_hand = time.monotonic() - began
    packed, _ = with_chiminey(slurm, tmp_path / "packed", 400, packed=50)
    figures = f"by hand {by_hand:.1f} s, unpacked {unpacked:.1f} s with {asked} round trips, packed {packed:.1f} s"
    assert unpacked < 1.2 * by_hand, figures
    assert packed < by_hand / 2, figures
    assert asked < 10 + 1.5 * unpacked, figures


@pytest.mark.parametrize("packed", [pytest.param(1, marks=pytest.mark.chaos), 4])
def test_more_tasks_than_an_array_may_have_elements_are_several_arrays(slurm: Slurm, tmp_path: Path, packed: int) -> None:
    _, lab = with_chiminey(slurm, tmp_path, 5000, packed)
    assert slurm.submissions() == (5 if packed == 1 else 2)
    assert slurm.host.connections() == 1
    assert {task.attempt for run in lab.ledger.runs() for task in lab.ledger.tasks(run.id)} == {1}
