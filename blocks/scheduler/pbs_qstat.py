"""What qstat of PBS and of Torque prints of jobs: rows of a table, and full records."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from blocks.job import megabytes, seconds
from blocks.scheduler.dialect import Element, State
from blocks.work import Cause

Ends = Mapping[int, tuple[str, Cause]]  # exit codes that say what the scheduler did to a job: its word, and ours

_MOMENT = "%a %b %d %H:%M:%S %Y"  # as qstat prints a time, in the time zone that TZ says
_RECORD = re.compile(r"Job Id:\s*(\d+(?:\[\d*\])?)\S*")
_ROW = re.compile(r"(\d+(?:\[\d*\])?)\S*\s+\S+\s+\S+\s+\S+\s+([A-Z])\s+\S+\s*")
_STATES: dict[str, State] = {
    **dict.fromkeys("QHWTMB", "pending"),
    **dict.fromkeys("RESU", "running"),
}
NEVER = "Can Never Run"
_HELD = re.compile(r"(?i)job (?:array )?held\b")
# By the server, whose administrator alone may release it.
GIVEN_UP = re.compile(r"(?i)job (?:array )?held\b.* (?:too many failed attempts|security breach)")
_LIMITS = (("walltime", Cause.TIME), ("mem", Cause.MEMORY))
_DELETED = "91"  # the substate of a job that was ended by qdel, whether it ran or not


def elements(printed: str, ends: Ends) -> Iterator[Element]:
    """What the tables and the full records of qstat say, taken together."""
    rows, full = _read(printed)
    for job, state in rows.items():
        array = f"{job.partition('[')[0]}[]" if "[" in job else job
        yield from _element(job, {**full.get(array, {}), "job_state": state}, ends)
    for job, record in full.items():
        if job not in rows and "job_state" in record:
            yield from _element(job, record, ends)


def _read(printed: str) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """The states in the rows of tables, and the attributes in full records, by id."""
    rows: dict[str, str] = {}
    full: dict[str, dict[str, str]] = {}
    record: dict[str, str] = {}
    key = ""
    for line in printed.splitlines():
        if begin := _RECORD.match(line):
            record = full[begin[1]] = {}
        elif line.startswith("\t") and key in record:
            record[key] += line[1:]
        elif line.startswith(" ") and " = " in line:
            key, _, value = (part.strip() for part in line.partition(" = "))
            key = key.lower()  # Exit_status, of Torque exit_status
            record[key] = value
        elif row := _ROW.fullmatch(line):
            rows[row[1]] = row[2]
    return rows, full


def _element(job: str, record: Mapping[str, str], ends: Ends) -> Iterator[Element]:
    """One element; nothing for an array as a whole, which ends well however its elements do."""
    number, _, rest = job.partition("[")
    if rest == "]":
        return
    array, index = (f"{number}[]", int(rest[:-1])) if rest else (number, 1)
    state = _STATES.get(record["job_state"], "over")
    node = record.get("exec_host", "").partition("/")[0]
    if state == "pending":
        yield Element(array, index, state, _reason(record), _moment(record.get("estimated.start_time", "")))
    elif state == "running":
        yield Element(array, index, state, node=node)
    else:
        word, cause = _end(record, ends)
        yield Element(array, index, state, word, node=node, cause=cause)


def _reason(record: Mapping[str, str]) -> str:
    """Why it waits. There are other comments, such as when an array began."""
    comment = record.get("comment", "")
    is_reason = comment.startswith(("Not Running", NEVER)) or _HELD.match(comment)
    return comment.removeprefix("Not Running: ") if is_reason else ""


def _end(record: Mapping[str, str], ends: Ends) -> tuple[str, Cause | None]:
    """How it ended: by the exit code that stands for that, which PBS gives to what it ended itself."""
    code, substate = record.get("exit_status", ""), record.get("substate", "")
    word, cause = ends.get(int(code), ("", None)) if code else ("", None)
    if substate == _DELETED:
        word, cause = word or "deleted", cause or Cause.CANCELLED
    elif cause is Cause.CANCELLED and (exceeded := _exceeded(record)):  # the same signal is sent at limits
        word, cause = exceeded
    elif cause is Cause.CANCELLED and substate:
        word, cause = "ended by SIGTERM", None
    status = f"Exit_status {code}" if code else ""
    return " ".join(filter(None, (status, f"({word})" if word and status else word))) or "ended", cause


def _exceeded(record: Mapping[str, str]) -> tuple[str, Cause] | None:
    """The limit that it reached, in a word and ours."""
    for name, cause in _LIMITS:
        used, asked = record.get(f"resources_used.{name}", ""), record.get(f"resource_list.{name}", "")
        if asked and _amount(used) >= _amount(asked) > 0:
            return f"ended by SIGTERM when {used} of {name} were used, of {asked}", cause
    return None


def _amount(text: str) -> int:
    """Seconds of a time, MiB of a size; 0 when nothing is said."""
    if ":" in text:
        return seconds(text)
    return megabytes(text) if re.fullmatch(r"\d+[kmgt]b", text) else 0


def _moment(text: str) -> float:
    """Seconds since the epoch; 0 when nothing is said, or ``UNKNOWN``."""
    try:
        return datetime.strptime(text, _MOMENT).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return 0.0
