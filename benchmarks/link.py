"""A host that is far away: what counts there is how often it is asked something."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.table import Row
from tests.engine import Lab, unix
from tests.payloads import connector
from tests.servers.sshd import SSHD

SECONDS = 0.1  # there and back


def rows(host: SSHD, folder: Path) -> Iterator[Row]:
    """Round trips of a thousand tasks beside those of ten."""
    few, many = _round_trips(host, folder, 10), _round_trips(host, folder, 1000)
    yield Row(f"round trips, 1,000 tasks {1000 * SECONDS:.0f} ms away", many, "10 tasks", few, 1.0, unit="")


def _round_trips(host: SSHD, folder: Path, tasks: int) -> int:
    lab = Lab(folder / f"link-{tasks}")
    sample = connector(folder / f"connector-link-{tasks}", 'echo 1 >"$2/number"\n')
    result = lab.go(sample, unix(host, slots=2), sweep={"n": list(range(tasks))})
    assert result.tasks.completed == tasks
    return max(lab.round_trips.values())
