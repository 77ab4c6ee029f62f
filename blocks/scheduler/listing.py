"""What a login node shows of some batches in one answer: their markers, and what is in the scheduler's queue."""

from __future__ import annotations

from dataclasses import dataclass, field

from blocks.remote.ends import parse_end, parse_marker
from blocks.scheduler.dialect import Dialect, Element
from blocks.work import TaskEnd


@dataclass(slots=True)
class Folder:
    """What a batch's folder shows."""

    state: str = "unknown"  # ready, submitting, stopped; unknown: there is none
    claimed: set[int] = field(default_factory=set[int])
    ends: dict[int, TaskEnd] = field(default_factory=dict[int, TaskEnd])  # by task: what its marker says
    jobs: dict[str, int] = field(default_factory=dict[str, int])  # the number of an array, by its id
    names: dict[str, int] = field(default_factory=dict[str, int])  # and by its name, whether it was submitted or not


@dataclass(slots=True)
class Listing:
    """One answer."""

    folders: dict[str, Folder]
    queue: list[Element] | None  # None: the scheduler did not answer
    words: str = ""  # what it said instead

    @classmethod
    def read(cls, text: str, dialect: Dialect) -> Listing:
        """From what ``scripts.status`` printed: the folders, the times that runners told, and last the queue."""
        lines = text.splitlines()
        answered = "queue" in lines
        last = lines.index("queue") if answered else len(lines)
        queue = dialect.parse("\n".join(lines[last + 1 :])) if answered else None
        listing = cls({}, queue)
        markers: list[tuple[str, str]] = []
        times: dict[tuple[str, int], TaskEnd] = {}
        batch, folder = "", Folder()
        for line in lines[:last]:
            word, _, rest = line.partition(" ")
            if word == "batch":
                batch, _, state = rest.partition(" ")
                folder = listing.folders[batch] = Folder(state)
            elif not listing.folders:
                listing.words = line
            elif word == "claimed":
                folder.claimed.add(int(rest))
            elif word == "done":
                markers.append((batch, rest))
            elif word == "job":
                number, _, job = rest.partition(" ")
                folder.jobs[job] = int(number)
            elif word == "name":
                number, _, array = rest.partition(" ")
                folder.names[array] = int(number)
            elif (end := parse_end(line)) is not None:
                times[end.batch, end.task] = end
        for name, marker in markers:
            end = parse_marker(name, marker, times)
            listing.folders[name].ends[end.task] = end
        return listing


def read_history(text: str) -> tuple[dict[tuple[str, int, int], str], str]:
    """What ``scripts.history`` printed: the ends of elements' output by batch, array and index; and the scheduler's part."""
    lines = text.splitlines()
    last = lines.index("history") if "history" in lines else len(lines)
    logs: dict[tuple[str, int, int], list[str]] = {}
    shown: list[str] = []
    for line in lines[:last]:
        if line.startswith("|"):
            shown.append(line[1:])
        elif line.startswith("log "):
            _, batch, array, index = line.split()
            shown = logs[batch, int(array), int(index)] = []
    return {place: " ".join(" ".join(said).split()) for place, said in logs.items()}, "\n".join(lines[last + 1 :])
