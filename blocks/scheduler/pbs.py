"""OpenPBS and PBS Professional, from 13 on: qsub(1B), qstat(1B) and the User's Guide, https://openpbs.atlassian.net/wiki.

Of an array, ``qstat -t`` lists the elements with their states, in a line each; why they wait and when they are expected to
begin is in the full record of the array. Both are asked for: full records of all elements would be a hundred times as much.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from blocks.job import JobRequest, megabytes, seconds
from blocks.scheduler.array import Array
from blocks.scheduler.dialect import Dialect, Element, Facts, State
from blocks.work import Cause

Ends = Mapping[int, tuple[str, Cause]]  # exit codes that say what the scheduler did to a job: its word, and ours

_MOMENT = "%a %b %d %H:%M:%S %Y"  # as qstat prints a time, in the time zone that TZ says
_LARGEST_ARRAY = 10_000  # max_array_size, where the server says nothing else
_MAIL = {"begin": "b", "end": "e", "fail": "a"}
_RECORD = re.compile(r"Job Id:\s*(\d+(?:\[\d*\])?)\S*")
_ROW = re.compile(r"(\d+(?:\[\d*\])?)\S*\s+\S+\s+\S+\s+\S+\s+([A-Z])\s+\S+\s*")
_STATES: dict[str, State] = {
    **dict.fromkeys("QHWTMB", "pending"),
    **dict.fromkeys("RESU", "running"),
}
# Of a full record, the lines that are read here, with the lines that they go on in.
_SHORT = """awk '/^\\t/ { if (kept) print; next }
    { kept = /^Job Id|^ +(job_state|substate|exec_host|comment|[Ee]xit_status|estimated.start_time) = / } kept'"""
_ENDS: Ends = {
    -29: ("JOB_EXEC_KILL_WALLTIME", Cause.TIME),
    -28: ("JOB_EXEC_KILL_CPUT", Cause.TIME),
    -27: ("JOB_EXEC_KILL_MEM", Cause.MEMORY),
    -26: ("JOB_EXEC_KILL_VMEM", Cause.MEMORY),
    -20: ("JOB_EXEC_RERUN_MS_FAIL", Cause.NODE),
    256 + 15: ("ended by SIGTERM, as qdel does", Cause.CANCELLED),
}
_NEVER = "Can Never Run"
_DELETED = "91"  # the substate of a job that was ended by qdel, whether it ran or not


class OpenPBS(Dialect):
    """The words of OpenPBS and PBS Professional."""

    title = "PBS"
    index = "${PBS_ARRAY_INDEX:-1}"
    folder = 'cd "$PBS_O_WORKDIR"'
    longest_name = 15
    own_options = re.compile(r"-[ejorJN].*")

    def problems(self, job: JobRequest) -> list[str]:
        found = [*uneven(job, self.title)]
        if job.qos:
            found.append("PBS has no quality of service (qos); ask for the partition, PBS's queue, that stands for it")
        if job.constraint:
            found.append(
                "PBS has no constraint; leave constraint, nodes, tasks, cpus, memory and gpus empty, and write the whole request "
                "as a directive, such as -l select=1:ncpus=4:cpu_type=rome"
            )
        if job.reservation and job.partition:
            found.append("a reservation is a queue in PBS: give either partition or reservation, not both")
        return found

    def header(self, name: str, array: Array, job: JobRequest, at_once: int) -> list[str]:
        size = array.size
        options = [
            *head(name, job),
            *(["-r n"] if size == 1 else [f"-J 1-{size}{f'%{at_once}' if at_once else ''}"]),  # arrays are always rerunnable
            "-o /dev/null",
            "-j oe",
            *(f"-l {line}" for line in _select(job)),
            *([f"-P {job.account}"] if job.account else []),  # sites charge either the one or the other
            *([f"-q {job.reservation}"] if job.reservation else []),
            *job.directives,
        ]
        return [f"#PBS {option}" for option in options]

    def submit(self, script: str) -> str:
        return f'id=$(qsub {script}) && echo "${{id%%.*}}"'

    def find(self, name: str) -> str:
        return f'found=$(qselect -x -u "$(id -un)" -N {name}) && for id in $found; do echo "${{id%%.*}}"; break; done'

    def queue(self) -> str:
        return f"""{{
live=$({_live()}) && if [ -n "$live" ]; then
    qstat -t $live
    code=$?
    TZ=UTC0 qstat -f $live 2>/dev/null | {_SHORT}
    case $code in 0|35|153) ;; *) false ;; esac # 35: ended just now; 153: and is forgotten
fi
}}"""

    def history(self, *, accounting: bool) -> str:
        return f"qstat {'-x ' if accounting else ''}-t -f $jobs 2>/dev/null | {_SHORT}"

    def parse(self, printed: str) -> list[Element]:
        return list(elements(printed, _ENDS))

    def cancel(self, *, kill: bool) -> str:
        return f"qdel {'-W force ' if kill else ''}$({_live()})"

    def facts(self) -> str:
        queues = 'qstat -Q -f | grep -E "^Queue|resources_max.walltime|enabled"'
        return f'qstat -B -f; qmgr -c "print server"; {queues}'

    def read_facts(self, printed: str) -> Facts:
        found, notes = settings(printed)
        largest = int(found.get("max_array_size", _LARGEST_ARRAY))
        accounting = found.get("job_history_enable", "").lower() == "true"
        return Facts(f"PBS {found.get('pbs_version', '')}".strip(), largest, accounting, notes)

    def is_hopeless(self, reason: str) -> bool:
        return reason.startswith(_NEVER)

    def is_full(self, words: str) -> bool:
        return is_full(words)

    def is_away(self, words: str) -> bool:
        return is_away(words)


def head(name: str, job: JobRequest) -> Iterator[str]:
    """The options that PBS and Torque have in common."""
    yield f"-N {name}"
    yield "-S /bin/sh"  # else it is the user's login shell, whatever the script's first line says
    if job.partition:
        yield f"-q {job.partition}"
    if job.account:
        yield f"-A {job.account}"
    if job.wall_time:
        minutes, rest = divmod(seconds(job.wall_time), 60)
        yield f"-l walltime={minutes // 60}:{minutes % 60:02}:{rest:02}"
    if job.mail:
        yield f"-M {job.mail}"
        yield f"-m {''.join(_MAIL[event] for event in job.mail_on or ['end', 'fail'])}"


def uneven(job: JobRequest, title: str) -> Iterator[str]:
    """What of a request can't be said for each of its nodes."""
    nodes = max(1, job.nodes)
    if job.tasks % nodes:
        yield f"{title} wants the same number of tasks on each node, and {job.tasks} can't be divided by {nodes} nodes"
    if job.gpus and not job.gpus.isdigit():
        yield f"{title} counts gpus and does not know their type; give a number, and ask for the type with a directive"
    elif job.gpus and int(job.gpus) % nodes:
        yield f"{title} wants the same number of gpus on each node, and {job.gpus} can't be divided by {nodes} nodes"


def processors(job: JobRequest) -> int:
    """Processors of each of its nodes."""
    return max(1, job.tasks // max(1, job.nodes)) * max(1, job.cpus)


def settings(printed: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """What ``qstat -B -f`` and ``qmgr`` say of the server, and a line for each queue of ``qstat -Q -f``."""
    server, _, queues = printed.partition("Queue:")
    found = dict(re.findall(r"^\s*(?:set server )?(\w+) = (.*?)\s*$", server, re.MULTILINE))
    notes: list[str] = []
    for text in f"Queue:{queues}".split("Queue:")[1:] if queues else ():
        name, *lines = text.splitlines()
        limits = [line.partition("=")[2].strip() for line in lines if "walltime" in line]
        closed = any("enabled = False" in line for line in lines)
        notes.append(f"queue {name.strip()}{', closed' if closed else ''}{''.join(f', at most {limit}' for limit in limits[:1])}")
    return found, tuple(notes)


def elements(printed: str, ends: Ends) -> Iterator[Element]:
    """What the tables and the full records of qstat say, taken together."""
    rows, full = _read(printed)
    for job, state in rows.items():
        array = f"{job.partition('[')[0]}[]" if "[" in job else job
        yield from _element(job, {**full.get(array, {}), "job_state": state}, ends)
    for job, record in full.items():
        if job not in rows and "job_state" in record:
            yield from _element(job, record, ends)


def is_full(words: str) -> bool:
    """Whether qsub says that there are too many jobs, or that the array is too large."""
    return bool(re.search(r"Maximum number of jobs|would exceed .*limit|Array job exceeds|array size", words))


def is_away(words: str) -> bool:
    """Whether a command says that the server does not answer."""
    return bool(
        re.search(
            r"cannot connect to|Connection (refused|timed out|reset)|Communication failure|No route to host|End of File", words
        )
    )


def _select(job: JobRequest) -> Iterator[str]:
    """The request as resources of chunks, of which each is on a node of its own."""
    nodes = max(1, job.nodes)
    parts = [str(nodes)]
    if job.processors:
        parts.append(f"ncpus={processors(job)}")
    if job.tasks:
        parts.append(f"mpiprocs={job.tasks // nodes}")
    if job.memory:
        parts.append(f"mem={megabytes(job.memory)}mb")
    if job.gpus:
        parts.append(f"ngpus={int(job.gpus) // nodes}")
    if job.nodes or parts[1:]:
        yield f"select={':'.join(parts)}"
    if place := [word for word, wanted in (("scatter", nodes > 1), ("excl", job.exclusive)) if wanted]:
        yield f"place={':'.join(place)}"


def _live() -> str:
    """Print the ids of the jobs that have not ended, by their names, which are known even if an id could not be written down."""
    return 'for name in $names; do qselect -u "$(id -un)" -N "$name" || exit; done'


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
    return comment.removeprefix("Not Running: ") if comment.startswith(("Not Running", _NEVER)) else ""


def _end(record: Mapping[str, str], ends: Ends) -> tuple[str, Cause | None]:
    """How it ended: by the exit code that stands for that, which PBS gives to what it ended itself."""
    code = record.get("exit_status", "")
    word, cause = ends.get(int(code), ("", None)) if code else ("", None)
    if cause is None and record.get("substate") == _DELETED:
        word, cause = "deleted", Cause.CANCELLED
    status = f"Exit_status {code}" if code else ""
    return " ".join(filter(None, (status, f"({word})" if word and status else word))) or "ended", cause


def _moment(text: str) -> float:
    """Seconds since the epoch; 0 when nothing is said."""
    return datetime.strptime(text, _MOMENT).replace(tzinfo=UTC).timestamp() if text else 0.0
