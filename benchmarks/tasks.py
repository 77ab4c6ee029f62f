"""Trivial tasks on four SSH hosts, all outputs collected: the platform's own cost of a task."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from benchmarks import peers
from benchmarks.parsl_peer import installed, parsl
from benchmarks.table import Row, best, seconds
from tests.engine import Lab, unix
from tests.payloads import connector
from tests.servers.sshd import SSHD

MAIN = 'echo "$RANDOM" >"$2/number"\n'
MEMORY = 300.0  # MB that a controller may take, whatever the number of tasks


def rows(hosts: list[SSHD], numbers: list[int], folder: Path) -> Iterator[Row]:
    """For each number of tasks the comparisons; at the end how the cost grows, and the memory."""
    with installed() as site:
        yield from _rows(hosts, numbers, folder, site)


def _rows(hosts: list[SSHD], numbers: list[int], folder: Path, site: Path) -> Iterator[Row]:
    costs: dict[int, float] = {}
    for number in numbers:
        work = f"{number:,} trivial tasks on {len(hosts)} hosts"
        attempts = count()
        lab = Lab(folder / str(number))

        def ours(number: int = number, lab: Lab = lab, attempts: Iterator[int] = attempts) -> None:
            sample = connector(folder / f"connector-{number}-{next(attempts)}", MAIN)
            result = lab.go(sample, unix(*hosts, slots=2), sweep={"n": list(range(number))})
            assert result.tasks.completed == number

        def loops(number: int = number, attempts: Iterator[int] = attempts) -> None:
            peers.loops(hosts, MAIN, number, folder / f"loops-{number}-{next(attempts)}")

        fast, floor = best(ours, loops, times=1 if number > 1000 else 2)
        costs[number] = 1000 * fast / number
        asked = f"{max(lab.round_trips.values())} round trips to a host at most, {_stages(lab)} Prefect task runs"
        yield Row(work, fast, "one ssh per host that loops", floor, 1.5 if number >= 1000 else None, note=asked)
        if number <= 1000:
            taken = seconds(lambda number=number: peers.parallel(hosts, MAIN, number, folder / f"parallel-{number}"))
            yield Row(work, fast, "GNU parallel, shared connections", taken, 0.1 if number >= 1000 else None)
        taken = seconds(lambda number=number: parsl(site, hosts, MAIN, number, folder / f"parsl-{number}"))
        yield Row(work, fast, "Parsl, its workers started by ssh", taken, 1.0 if number >= 1000 else None)
    if len(costs) > 1:
        (few, *_, many) = sorted(costs)
        if 1000 in costs:
            few = 1000
        yield Row(f"cost of a task, of {many:,}", costs[many], f"of {few:,}", costs[few], 1.0, "ms")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    yield Row(f"memory of the controller, {max(numbers):,}", memory, "what it may take", MEMORY, 1.0, "MB")


def _stages(lab: Lab) -> int:
    """Each stage is one task run; destroy is executed without being announced."""
    announced = lab.view.stages
    return len(announced) // announced.count(announced[0]) + 1
