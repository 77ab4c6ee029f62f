"""Prints the table: ``python -m benchmarks [tasks...]``; by default 100, 1,000 and 10,000 tasks on four hosts."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from datetime import datetime
from itertools import chain
from pathlib import Path

from benchmarks import cluster, link, processes, staging, tasks
from benchmarks.table import HEADER, Row
from tests.servers.farm import Farm


def main() -> None:
    """Measure everything, and print each row as it comes."""
    numbers = [int(word) for word in sys.argv[1:]] or [100, 1000, 10_000]
    print(f"{datetime.now():%Y-%m-%d}, {os.cpu_count()} processors, {platform.system()} {platform.release()}", end="")
    print(f", Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}\n\n{HEADER}")
    with tempfile.TemporaryDirectory(prefix="chiminey-bench") as name:
        folder = Path(name)
        (folder / "farm").mkdir()
        farm = Farm(folder / "farm")
        try:
            for row in _rows(farm, numbers, folder):
                print(row, flush=True)
        finally:
            farm.stop()


def _rows(farm: Farm, numbers: list[int], folder: Path) -> Iterator[Row]:
    hosts = farm(4)
    yield from chain(
        tasks.rows(hosts, numbers, folder / "tasks"),
        staging.rows(hosts[0], folder / "staging"),
        link.rows(farm.slow(link.SECONDS), folder / "link"),
        cluster.rows(farm, folder / "cluster"),
        processes.rows(folder / "processes"),
    )


if __name__ == "__main__":
    main()
