"""Slurm, from 20.02 on: https://slurm.schedmd.com/sbatch.html, squeue.html, sacct.html and job_reason_codes.html."""

from __future__ import annotations

import re
from collections.abc import Iterator

from blocks.job import JobRequest, megabytes, seconds
from blocks.scheduler.array import Array, indices
from blocks.scheduler.dialect import Dialect, Element, Facts, State
from blocks.work import Cause

_FIELDS = "%F|%K|%T|%r|%S|%N"
# Without the first, Slurm cuts a long list of indices short; the second makes expected starts seconds since the epoch.
_PLAIN = "SLURM_BITSTR_LEN=0 SLURM_TIME_FORMAT=%s"
# What users have set for commands of their own would hide jobs from these, or spare them.
_PLAINLY = (
    "unset $(env | sed -n -e 's/^\\(SQUEUE_[A-Z0-9_]*\\)=.*/\\1/p' -e 's/^\\(SACCT_[A-Z0-9_]*\\)=.*/\\1/p' "
    "-e 's/^\\(SCANCEL_[A-Z0-9_]*\\)=.*/\\1/p' -e 's/^\\(SINFO_[A-Z0-9_]*\\)=.*/\\1/p')"
)
# And for jobs of their own would make these another array, or win over what is asked for; the rest are the user's defaults.
_AS_WRITTEN = """for set in $(env | sed -n 's/^SBATCH_\\([A-Z0-9_]*\\)=.*/\\1/p'); do
    case $set in
        ACCOUNT|CONSTRAINT|GPUS|PARTITION|QOS|RESERVATION) option=$set ;;
        TIMELIMIT) option=time ;;
        MEM_PER_*) option=mem ;;
        ARRAY_INX|CLUSTERS|ERROR|INPUT|JOB_NAME|OPEN_MODE|OUTPUT|REQUEUE|WAIT) option= ;;
        *) continue ;;
    esac
    ! grep -q -i "^#SBATCH --$option" {script} || unset "SBATCH_$set"
done"""
_WORDS = (
    ("oom-kill", Cause.MEMORY),
    ("memory limit", Cause.MEMORY),
    ("DUE TO TIME LIMIT", Cause.TIME),
    ("DUE TO PREEMPTION", Cause.PREEMPTED),
    ("DUE TO NODE FAILURE", Cause.NODE),
)
_FULL = re.compile(r"(Max|Grp)Submit\w*Limit|job submit limit|temporarily unable to accept job|Resource temporarily unavailable")
_AWAY = re.compile(r"Unable to contact slurm controller|Socket timed out|Connection refused|Zero Bytes")
_MAIL = {"begin": "BEGIN", "end": "END", "fail": "FAIL"}
_STATES: dict[str, State] = {
    **dict.fromkeys(
        ("PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD"), "pending"
    ),
    **dict.fromkeys(("RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "RESIZING", "SIGNALING", "STAGE_OUT"), "running"),
}
_CAUSES = {
    "TIMEOUT": Cause.TIME,
    "DEADLINE": Cause.TIME,
    "OUT_OF_MEMORY": Cause.MEMORY,
    "NODE_FAIL": Cause.NODE,
    "BOOT_FAIL": Cause.NODE,
    "PREEMPTED": Cause.PREEMPTED,
    "CANCELLED": Cause.CANCELLED,
}

_HOPELESS = frozenset(
    {
        "PartitionTimeLimit",
        "PartitionNodeLimit",
        "PartitionConfig",
        "BadConstraints",
        "DependencyNeverSatisfied",
        "InvalidAccount",
        "InvalidQOS",
        "AssociationNotAllowed",
        "AccountNotAllowed",
        "QOSNotAllowed",
        "QOSMaxWallDurationPerJobLimit",
        "QOSMaxCpuPerJobLimit",
        "QOSMaxNodePerJobLimit",
        "QOSMaxMemoryPerJob",
        "QOSMinCpuNotSatisfied",
        "AssocMaxWallDurationPerJobLimit",
        "AssocMaxCpuPerJobLimit",
        "AssocMaxNodePerJobLimit",
        "AssocMaxMemPerJob",
        "launch failed requeued held",
    }
)


class Slurm(Dialect):
    """Slurm's words."""

    title = "Slurm"
    index = "${SLURM_ARRAY_TASK_ID:-1}"
    folder = 'cd "$SLURM_SUBMIT_DIR"'
    longest_name = 200
    own_options = re.compile(
        r"-[aeioDJMW].*|--(array|job-name|chdir|clusters|wait|wrap|output|error|input|open-mode|requeue|no-requeue|parsable|test-only)"
    )

    def problems(self, job: JobRequest) -> list[str]:
        del job
        return []

    def header(self, name: str, array: Array, job: JobRequest, at_once: int) -> list[str]:
        options = [
            f"--job-name={name}",
            f"--array=1-{array.size}{f'%{at_once}' if at_once else ''}",
            f"--output=log/{array.number}.%a",
            "--open-mode=append",
            "--no-requeue",  # what is run again, and where, is decided by who sees all tasks
            *_request(job),
        ]
        return [f"#SBATCH {option}" for option in options]

    def submit(self, script: str) -> str:
        return f'''{_AS_WRITTEN.format(script=script)}
id=$(sbatch --parsable --chdir="$PWD" {script}) && echo "${{id%%;*}}"'''

    def find(self, name: str) -> str:
        found = f'found=$(squeue -h -u "$(id -un)" --states=all --name={name} -o %F) && echo "$found" | sort -u | head -n 1'
        return f"{_PLAINLY}; {found}"

    def queue(self) -> str:
        return f'{_PLAINLY}; {_PLAIN} squeue -h -u "$(id -un)" --name="$(commas $names)" -o "{_FIELDS}"'

    def history(self, *, accounting: bool) -> str:
        ended = f'{_PLAINLY}; {_PLAIN} squeue -h -r -u "$(id -un)" --states=all --name="$(commas $names)" -o "{_FIELDS}"'
        return f'{ended}; sacct -n -P -X -j "$(commas $jobs)" -o JobID,State,NodeList' if accounting else ended

    def parse(self, printed: str) -> list[Element]:
        return [element for line in printed.splitlines() for element in _elements(line)]

    def cancel(self, *, kill: bool) -> str:
        how = "--signal=KILL --full " if kill else ""
        return f'{_PLAINLY}; for name in $names; do scancel {how}-u "$(id -un)" --name="$name"; done'

    def named(self, part: str) -> str:
        return f'{_PLAINLY}; all=$(squeue -h -u "$(id -un)" -o %j) && echo "$all" | grep -F {part} | sort -u'

    def facts(self) -> str:
        settings = 'scontrol show config | grep -E "^(MaxArraySize|AccountingStorageType)"'
        return f'{_PLAINLY}; squeue --version; {settings}; sinfo -h -o "%P|%a|%l|%D|%c|%m"'

    def read_facts(self, printed: str) -> Facts:
        version, largest, accounting = "Slurm", 1001, False
        notes: list[str] = []
        for line in printed.splitlines():
            key, _, value = (part.strip() for part in line.partition("="))
            if line.startswith("slurm"):
                version = f"Slurm {line.split()[-1]}"
            elif key == "MaxArraySize":
                largest = int(value)
            elif key == "AccountingStorageType":
                accounting = value != "accounting_storage/none"
            elif line.count("|") == 5:
                partition, up, limit, nodes, cpus, memory = line.split("|")
                notes.append(f"partition {partition}: {up}, at most {limit}, {nodes} nodes with {cpus} CPUs and {memory} MB")
        return Facts(version, max(1, largest - 1), accounting, tuple(notes))  # indices end one below MaxArraySize

    def blame(self, log: str) -> Cause | None:
        return next((cause for words, cause in _WORDS if words in log), None)

    def is_hopeless(self, reason: str) -> bool:
        return reason in _HOPELESS

    def is_full(self, words: str) -> bool:
        return bool(_FULL.search(words))

    def is_away(self, words: str) -> bool:
        return bool(_AWAY.search(words))


def _request(job: JobRequest) -> Iterator[str]:
    """The request as options of sbatch."""
    for option, value in (
        ("partition", job.partition),
        ("account", job.account),
        ("qos", job.qos),
        ("time", _time(job.wall_time)),
        ("nodes", job.nodes),
        ("ntasks", job.tasks),
        ("cpus-per-task", job.cpus),
        ("mem", f"{megabytes(job.memory)}M" if job.memory else ""),
        ("gpus", job.gpus),
        ("constraint", f'"{job.constraint}"' if job.constraint else ""),
        ("reservation", job.reservation),
        ("mail-user", job.mail),
        ("mail-type", ",".join(_MAIL[event] for event in job.mail_on or ["end", "fail"]) if job.mail else ""),
    ):
        if value:
            yield f"--{option}={value}"
    if job.exclusive:
        yield "--exclusive"
    yield from job.directives


def _time(wall_time: str) -> str:
    """Slurm counts in minutes and rounds up: below one, it is given one."""
    if not wall_time:
        return ""
    minutes, rest = divmod(seconds(wall_time), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def _elements(line: str) -> Iterator[Element]:
    """One line of squeue, which may stand for many pending elements, or of sacct."""
    match line.split("|"):
        case [job, elements, word, reason, start, node]:
            for index in indices(elements.partition("%")[0]):
                began = float(start) if start.isdigit() else 0.0
                yield _element(job, index, word, reason, began, node)
        case [job, word, node]:  # of sacct, which says "CANCELLED by 1000"
            array, _, index = job.partition("_")
            if index.isdigit():
                yield _element(array, int(index), word.split()[0], "", 0.0, node)
        case _:
            return


def _element(job: str, index: int, word: str, reason: str, start: float, node: str) -> Element:
    state = _STATES.get(word, "over")
    if state == "over":
        return Element(job, index, state, word, node=node, cause=_CAUSES.get(word))
    return Element(job, index, state, reason if state == "pending" else "", start if state == "pending" else 0.0, node)
