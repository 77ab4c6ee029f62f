"""Prints the table: ``python -m benchmarks [topic...] [tasks...]``; all, and 100, 1,000 and 10,000 tasks, by default.

Where there are 10,000 tasks there are as many files, and one of 1 GB; otherwise as many as there are tasks, and one of 100 MB.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import chain
from pathlib import Path

from benchmarks import cluster, link, processes, staging, storages, tasks
from benchmarks.table import HEADER, Row
from tests.servers.farm import Farm

DEFAULT = [100, 1000, 10_000]  # tasks
LARGE, LESS = 1_000_000_000, 100_000_000  # bytes


def main() -> None:
    """Measure everything, and print each row as it comes."""
    numbers = [int(word) for word in sys.argv[1:] if word.isdigit()] or DEFAULT
    topics = [word for word in sys.argv[1:] if not word.isdigit()]
    print(f"{datetime.now():%Y-%m-%d}, {os.cpu_count()} processors, {platform.system()} {platform.release()}", end="")
    print(f", Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}\n\n{HEADER}")
    with tempfile.TemporaryDirectory(prefix="chiminey-bench") as name:
        folder = Path(name)
        (folder / "farm").mkdir()
        farm = Farm(folder / "farm")
        try:
            found = _topics(farm, numbers, folder)
            for row in chain.from_iterable(found[topic]() for topic in topics or found):
                print(row, flush=True)
        finally:
            farm.stop()


def _topics(farm: Farm, numbers: list[int], folder: Path) -> dict[str, Callable[[], Iterator[Row]]]:
    hosts = farm(4)
    small = max(numbers)
    large = LARGE if small >= max(DEFAULT) else LESS
    return {
        "tasks": lambda: tasks.rows(hosts, numbers, folder / "tasks"),
        "staging": lambda: staging.rows(hosts[0], folder / "staging", small, large),
        "storages": lambda: storages.rows(hosts[0], folder / "storages", small, large),
        "link": lambda: link.rows(farm.slow(link.SECONDS), folder / "link"),
        "cluster": lambda: cluster.rows(farm, folder / "cluster"),
        "processes": lambda: processes.rows(folder / "processes"),
    }


if __name__ == "__main__":
    main()
