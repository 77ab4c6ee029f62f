"""A sweep of trivial tasks on a Slurm of this machine, beside arrays that are submitted by hand and fetched by one tar."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

from benchmarks import peers
from benchmarks.table import Row, seconds
from blocks.job import JobRequest
from tests.clusters.engine import slurm_compute
from tests.engine import Lab
from tests.payloads import connector
from tests.servers.farm import Farm
from tests.servers.slurm import Slurm

MAIN = 'echo "$RANDOM" >"$2/number"\n'
TASKS = 1000
MANY = 5000
SLOTS = 8  # elements of an array that loops


def rows(farm: Farm, folder: Path) -> Iterator[Row]:
    """An element for each task, tasks packed into a few elements, and more tasks than an array may have elements."""
    slurm = Slurm(farm(1)[0])
    slurm.start()
    try:
        yield from _rows(slurm, folder)
    finally:
        slurm.stop()


def _rows(slurm: Slurm, folder: Path) -> Iterator[Row]:
    attempts = count()

    def ours(tasks: int, packed: int) -> tuple[float, str]:
        slurm.reset()
        lab = Lab(folder / str(next(attempts)))
        sample = connector(folder / f"connector-{next(attempts)}", MAIN, job=JobRequest(tasks_per_job=packed))
        taken = seconds(lambda: lab.go(sample, slurm_compute(slurm.host), sweep={"n": list(range(tasks))}))
        asked = (
            f"{max(lab.round_trips.values())} round trips, {slurm.submissions()} arrays, {slurm.host.connections()} connection"
        )
        return taken, asked

    def by_hand(elements: int) -> float:
        slurm.reset()
        return seconds(lambda: peers.array(slurm.host, MAIN, TASKS, elements, folder / f"by-hand-{next(attempts)}"))

    array, loops = by_hand(TASKS), by_hand(SLOTS)
    unpacked, asked = ours(TASKS, 1)
    yield Row(f"{TASKS:,} tasks on Slurm, a job each", unpacked, "sbatch --array and tar, by hand", array, 1.2, note=asked)
    packed, asked = ours(TASKS, TASKS // SLOTS)
    yield Row(f"{TASKS:,} tasks on Slurm, packed", packed, "sbatch --array and tar, by hand", array, 0.1, note=asked)
    yield Row(f"{TASKS:,} tasks on Slurm, packed", packed, f"an array of {SLOTS} that loop, by hand", loops, 1.5)
    for packed_in in (1, MANY // SLOTS):
        taken, asked = ours(MANY, packed_in)
        yield Row(f"{MANY:,} tasks on Slurm, {packed_in} to a job", taken, f"{TASKS:,} by hand", array, note=asked)
