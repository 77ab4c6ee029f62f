"""OpenPBS and PBS Professional, from 13 on: qsub(1B), qstat(1B) and the User's Guide, https://openpbs.atlassian.net/wiki.

Of an array, ``qstat -t`` lists the elements with their states, in a line each; why they wait and when they are expected to
begin is in the full record of the array. Both are asked for: full records of all elements would be a hundred times as much.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from blocks.job import JobRequest, megabytes
from blocks.scheduler.array import Array
from blocks.scheduler.dialect import Dialect, Element, Facts
from blocks.scheduler.job_script import AGAIN
from blocks.scheduler.pbs_qstat import GIVEN_UP, NEVER, Ends, elements
from blocks.scheduler.pbs_words import ID, head, is_away, is_full, processors, settings, uneven
from blocks.work import Cause

_LARGEST_ARRAY = 10_000  # max_array_size, where the server says nothing else
# Of a full record, the lines that are read here, with the lines that they go on in.
_SHORT = """awk '/^\\t/ { if (kept) print; next }
    { kept = /^Job Id|^ +(job_state|substate|exec_host|comment|[Ee]xit_status|estimated.start_time) = / ||
        /^ +(resources_used|Resource_List)\\.(walltime|mem) = / } kept'"""
_ENDS: Ends = {
    -29: ("JOB_EXEC_KILL_WALLTIME", Cause.TIME),
    -28: ("JOB_EXEC_KILL_CPUT", Cause.TIME),
    -27: ("JOB_EXEC_KILL_MEM", Cause.MEMORY),
    -26: ("JOB_EXEC_KILL_VMEM", Cause.MEMORY),
    -20: ("JOB_EXEC_RERUN_MS_FAIL", Cause.NODE),
    256 + 15: ("ended by SIGTERM, as qdel does", Cause.CANCELLED),
}


class OpenPBS(Dialect):
    """The words of OpenPBS and PBS Professional."""

    title = "PBS"
    command = "qsub"
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
            # Arrays are always rerunnable: where a site's default is another, they are refused unless they say so first.
            *(["-r n"] if size == 1 else ["-r y", f"-J 1-{size}{f'%{at_once}' if at_once else ''}"]),
            "-o /dev/null",
            "-j oe",
            *(f"-l {line}" for line in _select(job)),
            *([f"-P {job.account}"] if job.account else []),  # sites charge either the one or the other
            *([f"-q {job.reservation}"] if job.reservation else []),
            *job.directives,
        ]
        return [f"#PBS {option}" for option in options]

    def submit(self, script: str) -> str:
        return f'said=$(qsub {script}) && echo "$said" | {ID}'

    def find(self, name: str) -> str:
        """Also among those that have ended, where the server keeps them: else that question finds nothing, not even who lives."""
        asked = f'-u "$(id -un)" -N {name}'
        ended = f"$(qselect -x {asked} 2>/dev/null)"
        return f'found=$(qselect {asked}) && for id in $found {ended}; do echo "${{id%%.*}}"; break; done'

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

    def blame(self, log: str) -> Cause | None:
        return Cause.PREEMPTED if AGAIN in log else None

    def is_hopeless(self, reason: str) -> bool:
        return reason.startswith(NEVER) or bool(GIVEN_UP.match(reason))

    def may_pass(self, reason: str) -> bool:
        return True  # it is of the nodes that there are at present

    def is_full(self, words: str) -> bool:
        return is_full(words)

    def is_away(self, words: str) -> bool:
        return is_away(words)


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
