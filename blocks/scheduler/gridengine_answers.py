"""What Grid Engine answers of jobs: the queue as XML, the reasons of those in an error state, and records of the accounts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import takewhile
from xml.etree import ElementTree

from blocks.errors import Unreachable
from blocks.job import megabytes, seconds
from blocks.scheduler.array import indices
from blocks.scheduler.dialect import KILLED, Element, State
from blocks.work import Cause

_ERROR = re.compile(
    r"error (\d+) (\d+): *(?:\d\S+ \d\S+ )?(?:\[\S+\]: )?(?:error: )?(.*)"
)  # a moment and process numbers before it
_LIMIT = 37  # these are codes of accounting(5), under "failed"
_KILLED = 100
_NOT_BEGINNABLE = frozenset({26, 27, 28})
_SIGNAL = 128  # a status above it tells a signal
_EVERY = 0  # the index of whatever nothing is said of


def elements(printed: str, memory_resource: str) -> Iterator[Element]:
    """What the queue says, or the error states and the accounts; jobs ask for their memory by this resource."""
    start = printed.find("<?xml")
    if start >= 0:
        yield from _queued(printed[start:])
    else:
        yield from _errors(printed)
        yield from _accounted(printed, memory_resource)


def _queued(text: str) -> Iterator[Element]:
    """What ``qstat -xml`` lists: each running element, and as one those of an array that wait for the same."""
    if "<!DOCTYPE" in text:  # which could define entities that grow without end
        raise Unreachable("qstat prints XML with a DOCTYPE, which Grid Engine never does; see what qstat is on the login node")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise Unreachable(f"what qstat prints is no XML ({error}); qstat -xml on the login node shows it") from error
    for job in root.iter("job_list"):
        word = job.findtext("state", "")
        state: State = "over" if "E" in word else "running" if job.get("state") == "running" else "pending"
        node = job.findtext("queue_name", "").partition("@")[2]
        reason = "" if word == "qw" or state == "running" else word
        for index in indices(job.findtext("tasks", "")):
            yield Element(job.findtext("JB_job_number", ""), index, state, reason, node=node)


def _errors(printed: str) -> Iterator[Element]:
    """Why elements could not be begun."""
    for line in takewhile(lambda line: line.startswith("error "), printed.splitlines()):
        if match := _ERROR.fullmatch(line):
            yield Element(match[1], int(match[2]), "over", f"Eqw ({match[3]})", cause=Cause.REFUSED)


def _accounted(printed: str, memory_resource: str) -> Iterator[Element]:
    """What the accounts say; of an element that was begun twice, the later time."""
    records: list[dict[str, str]] = []
    asked: dict[str, list[str]] = {}
    for line in printed.splitlines():
        word, _, rest = line.partition(" ")
        if word == "hostname":
            records.append({})
        if word == "asked":  # only Son of Grid Engine's accounts say what was asked for, in the category
            job, _, resource = rest.partition(" ")
            asked.setdefault(job, []).append(resource)
        elif word == "others":
            yield Element(rest, _EVERY, "over", "nothing, as of a deleted job,", cause=Cause.CANCELLED, unbegun=True)
        elif records:
            records[-1][word] = rest.strip()
    for record in reversed(records):
        if record.get("taskid", "").isdigit() and "exit_status" in record:
            yield _ended({"category": ",".join(asked.get(record["jobnumber"], ())), **record}, memory_resource)


def _ended(record: dict[str, str], memory_resource: str) -> Element:
    failed, status = int(record["failed"].split()[0]), int(record["exit_status"].split()[0])
    reason = f"failed {' '.join(record['failed'].split())}, exit_status {status}" if failed else f"exit_status {status}"
    cause: Cause | None = None
    if failed == _LIMIT:
        cause = Cause.MEMORY if _took_its_memory(record, memory_resource) else Cause.TIME
    elif failed == _KILLED:
        cause = _why_killed(record, status, memory_resource)
    elif failed:
        cause = Cause.REFUSED if failed in _NOT_BEGINNABLE else Cause.NODE
    return Element(record["jobnumber"], int(record["taskid"]), "over", reason, node=record["hostname"], cause=cause)


def _why_killed(record: dict[str, str], status: int, memory_resource: str) -> Cause | None:
    """Limits are also enforced where the job runs, by a signal as qdel sends it."""
    if status <= _SIGNAL:
        return None
    if _took_its_time(record):
        return Cause.TIME
    if _took_its_memory(record, memory_resource):
        return Cause.MEMORY
    return Cause.CANCELLED if status in KILLED else None


def _took_its_memory(record: dict[str, str], memory_resource: str) -> bool:
    """Grid Engine has one code for all limits: this one was it when as much was used as was asked for."""
    asked = re.search(rf"\b{re.escape(memory_resource)}=([^,\s]+)", record.get("category", ""))
    if asked is None:
        return False
    used = record["maxvmem"]
    bare = re.fullmatch(r"[\d.]+", used)  # Gridware's accounts have bytes
    return (float(used) / 1024**2 if bare else megabytes(used)) >= megabytes(asked[1]) * int(record["slots"])


def _took_its_time(record: dict[str, str]) -> bool:
    """Whether it ran for as long as was asked for; versions write the time with a unit, and with fractions."""
    used = re.match(r"\d+(?:\.\d+)?", record.get("ru_wallclock", ""))
    limits = re.findall(r"\b[hs]_rt=(\d+(?::\d+:\d+)?)(?![\d:])", record.get("category", ""))
    return used is not None and any(float(used[0]) >= (seconds(limit) if ":" in limit else int(limit)) for limit in limits)
