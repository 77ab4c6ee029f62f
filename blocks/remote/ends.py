"""What a host says of its batches and of the ends of their tasks."""

from __future__ import annotations

import re
from collections.abc import Mapping

from blocks.work import BatchStatus, Cause, TaskEnd

_END = re.compile(r"(\S+) (\d+) (\d+|timeout) (\d+(?:\.\d+)?) (\d+(?:\.\d+)?)")


def parse_end(line: str) -> TaskEnd | None:
    """``batch task code started ended``, as the runner tells it; None for a dot, or for a batch that finished."""
    if (told := _END.fullmatch(line)) is None:
        return None
    batch, task, code, started, ended = told.groups()
    exit_code, cause = _code(code)
    return TaskEnd(batch, int(task), exit_code, float(started), float(ended), cause)


def parse_marker(batch: str, marker: str, times: Mapping[tuple[str, int], TaskEnd]) -> TaskEnd:
    """The name of a marker, ``task.code``, with the times that were told beside it."""
    task, _, code = marker.partition(".")
    known = times.get((batch, int(task)))
    exit_code, cause = _code(code)
    return TaskEnd(batch, int(task), exit_code, known.started if known else 0.0, known.ended if known else 0.0, cause)


def _code(text: str) -> tuple[int, Cause | None]:
    return (124, Cause.TIME) if text == "timeout" else (int(text), None)


def parse_status(output: bytes) -> list[BatchStatus]:
    """The markers decide; the ``ended`` lines only add the times."""
    alive: dict[str, bool] = {}
    claimed: dict[str, set[int]] = {}
    done: dict[str, list[str]] = {}
    times: dict[tuple[str, int], TaskEnd] = {}
    batch = ""
    for line in output.decode("ascii", "replace").splitlines():
        word, _, rest = line.partition(" ")
        if word == "batch":
            batch, _, state = rest.partition(" ")
            alive[batch], claimed[batch], done[batch] = state == "alive", set(), []
        elif word == "claimed":
            claimed[batch].add(int(rest))
        elif word == "done":
            done[batch].append(rest)
        elif (end := parse_end(line)) is not None:
            times[end.batch, end.task] = end
    return [
        BatchStatus(name, alive[name], tuple(parse_marker(name, each, times) for each in done[name]), frozenset(claimed[name]))
        for name in alive
    ]
