"""Grid Engine: Son of Grid Engine, and those of Univa and Altair, from 8.1 on: qsub(1), qstat(1), qacct(1), accounting(5).

How a job ended is told by the accounting file alone. What was deleted before it began is neither there nor in the queue.
A job that can't be begun, for its shell or its folder is not there, stays in the queue in an error state until somebody acts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import ceil

from blocks.job import JobRequest, megabytes, seconds
from blocks.scheduler.array import Array
from blocks.scheduler.dialect import QSUB_MAILS, Dialect, Element, Facts
from blocks.scheduler.gridengine_answers import elements

_FULL = re.compile(r"only \d+ jobs are allowed|submit a job with more than \d+ tasks")
_AWAY = re.compile(r"commlib error|unable to (send message to|contact) qmaster|can't get configuration|Connection refused")

# Print the queue if it holds any of the jobs. Their names are whole in XML only.
_QUEUE = """{
queue=$(qstat -xml -u "$(id -un)" 2>&1)
code=$?
if [ "$code" -ne 0 ]; then echo "$queue"; else
    for name in $names; do
        case $queue in (*"<JB_name>$name</JB_name>"*) echo "$queue"; break;; esac
    done
fi
[ "$code" -eq 0 ]
}"""

# Take what is in an error state out of the queue, with its reason, before another attempt may begin; then ask the accounts.
_HISTORY = """
qstat -u "$(id -un)" | awk '$5 ~ /E/ { print $1, $NF }' | while read -r id tasks; do
    case " $jobs " in (*" $id "*) ;; (*) continue;; esac
    qstat -j "$id" | sed -n "s/^error reason *\\([0-9]*\\):/error $id \\1:/p"
    qdel "$id" -t "$(echo "$tasks" | tr -d ' ')" >&2
done 2>/dev/null
for id in $jobs; do
    if accounts=$(qacct -j "$id" 2>&1); then
        echo "$accounts" | grep -E '^(hostname|jobnumber|taskid|slots|failed|exit_status|ru_wallclock|maxvmem|category) '
    fi
    case $accounts in (*"job id $id not found"*|*jobnumber*) echo "others $id";; esac
    for job in $(grep -lx "$id" batches/*/job.* 2>/dev/null); do
        sed -n "s/^#\\$ -l /asked $id /p" "${job%/*}/array.${job##*.}"
    done
done"""

# To Grid Engine these two mean that the job is to be begun again, whatever -r says, or to be held; a prologue may end with them.
_PLAIN_EXIT = "trap 'case $? in 99|100) exit 125;; esac' EXIT"

_SUBMIT = """
if said=$(qsub -terse {script} 2>&1); then
    echo "$said" | sed -n 's/^\\([0-9][0-9]*\\)\\(\\.[-0-9:]*\\)\\{{0,1\\}}$/\\1/p' | tail -n 1
else
    echo "$said" | sed '/^Exiting/d' >&2
    case $said in (*"no suitable queues"*)
        qsub -w v {script} 2>&1 | sed -n 's/^Unable to run job: \\(Job .*\\)/\\1/p' | head -n 3 >&2;;
    esac
    false
fi"""


class GridEngine(Dialect):
    """Grid Engine's words."""

    title = "Grid Engine"
    command = "qsub"
    index = "${SGE_TASK_ID:-1}"
    folder = 'cd "$SGE_O_WORKDIR"'
    longest_name = 200
    own_options = re.compile(r"-(N|t|o|e|j|r|cwd|wd|sync|terse)")
    note = _PLAIN_EXIT

    def __init__(self, parallel_environment: str, memory_resource: str) -> None:
        """``parallel_environment`` is what jobs with several slots are run in; empty: there are none."""
        self._environment, self._memory = parallel_environment, memory_resource

    def problems(self, job: JobRequest) -> list[str]:
        found: list[str] = []
        if job.qos:
            found.append("Grid Engine has no quality of service (qos); ask for the partition, its queue, that stands for it")
        if job.constraint:
            found.append("Grid Engine has no constraint; ask for the resource with a directive, such as -l arch=lx-amd64")
        if _slots(job) > 1 and not self._environment:
            found.append(
                "nodes, tasks and cpus are slots of a parallel environment in Grid Engine: "
                "give its name (parallel_environment), one of those that qconf -spl prints"
            )
        if job.gpus and not job.gpus.isdigit():
            found.append("Grid Engine counts gpus and does not know their type; give a number, and the type with a directive")
        return found

    def header(self, name: str, array: Array, job: JobRequest, at_once: int) -> list[str]:
        options = [
            f"-N {name}",
            f"-t 1-{array.size}",
            *([f"-tc {at_once}"] if at_once else []),
            "-cwd",
            "-S /bin/sh",  # else it is the queue's, whatever the script's first line says
            "-o /dev/null",
            "-j y",
            "-r n",  # what is run again, and where, is decided by who sees all tasks
            "-w e",  # else what can't be satisfied waits for ever
            *self._request(job),
        ]
        return [f"#$ {option}" for option in options]

    def _request(self, job: JobRequest) -> Iterator[str]:
        slots = _slots(job)
        for option, value in (
            ("-q ", job.partition),
            ("-P ", job.account),
            (f"-pe {self._environment} ", slots if slots > 1 else 0),
            ("-l h_rt=", seconds(job.wall_time) if job.wall_time else 0),
            (f"-l {self._memory}=", _memory_of_a_slot(job)),
            ("-l gpu=", job.gpus),
            ("-l exclusive=", "true" if job.exclusive else ""),
            ("-ar ", job.reservation),
            ("-M ", job.mail),
            ("-m ", "".join(QSUB_MAILS[event] for event in job.mails)),
        ):
            if value:
                yield f"{option}{value}"
        yield from job.directives

    def submit(self, script: str) -> str:
        return _SUBMIT.format(script=script)

    def find(self, name: str) -> str:
        number = (
            f"awk -F'[<>]' -v name={name} '$2 == \"JB_job_number\" {{ id = $3 }} $2 == \"JB_name\" && $3 == name {{ print id }}'"
        )
        recorded = f"qacct -j {name} 2>/dev/null | awk '$1 == \"jobnumber\" {{ print $2 }}' | tail -n 1"
        return f"""
queue=$(qstat -xml -u "$(id -un)") || return
id=$(echo "$queue" | {number} | tail -n 1)
[ -n "$id" ] || id=$({recorded})
echo "$id\""""

    def queue(self) -> str:
        return _QUEUE

    def history(self, *, accounting: bool) -> str:
        del accounting  # the accounts are where the error states are told for good, if anywhere
        return _HISTORY

    def parse(self, printed: str) -> list[Element]:
        return list(elements(printed, self._memory))

    def cancel(self, *, kill: bool) -> str:
        return f"qdel {'-f ' if kill else ''}$names"

    def facts(self) -> str:
        return """
qstat -help | head -n 1
qconf -sconf | grep max_aj_tasks
echo "queues" $(qconf -sql)
echo "parallel environments" $(qconf -spl 2>/dev/null)
command -v qacct >/dev/null && echo accounts
"""

    def read_facts(self, printed: str) -> Facts:
        version, largest, accounting = self.title, 75_000, False
        notes: list[str] = []
        for number, line in enumerate(printed.strip().splitlines()):
            word, _, rest = line.partition(" ")
            if not number:
                version = f"Grid Engine ({line.strip()})"
            elif word == "max_aj_tasks":
                largest = int(rest) or largest
            elif word in ("queues", "parallel") and rest.removeprefix("environments").strip():
                names = rest.removeprefix("environments").split()
                notes.append(f"{'queues' if word == 'queues' else 'parallel environments'}: {', '.join(names)}")
            elif word == "accounts":
                accounting = True
        return Facts(version, largest, accounting, tuple(notes))

    def is_full(self, words: str) -> bool:
        return bool(_FULL.search(words))

    def is_away(self, words: str) -> bool:
        return bool(_AWAY.search(words))


def _slots(job: JobRequest) -> int:
    return max(1, job.processors, job.nodes)


def _memory_of_a_slot(job: JobRequest) -> str:
    """Grid Engine counts memory for each slot."""
    return f"{ceil(megabytes(job.memory) * max(1, job.nodes) / _slots(job))}M" if job.memory else ""
