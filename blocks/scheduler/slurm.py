"""Slurm, from 20.02 on: https://slurm.schedmd.com/sbatch.html, squeue.html, sacct.html and job_reason_codes.html."""

from __future__ import annotations

import re
from collections.abc import Iterator

from blocks.job import JobRequest, clock, megabytes
from blocks.scheduler.array import Array, indices
from blocks.scheduler.dialect import Dialect, Element, Facts
from blocks.scheduler.slurm_words import AWAY, CAUSES, DOUBTFUL, FULL, FULL_OF_JOBS, HOPELESS, LIMIT, NOT_LAUNCHED, STATES, WORDS
from blocks.work import Cause

_LARGEST_ARRAY = 1_000  # where it does not say
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
# Sites print notices around the id, and some leave the option for it out.
_ID = r"""sed -n 's/^Submitted batch job \([0-9]*\).*/\1/; s/^\([0-9][0-9]*\)\(;.*\)\{0,1\}$/\1/p' | tail -n 1"""
_MAIL = {"begin": "BEGIN", "end": "END", "fail": "FAIL"}


class Slurm(Dialect):
    """Slurm's words."""

    title = "Slurm"
    command = "sbatch"
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
        return f"""{_AS_WRITTEN.format(script=script)}
said=$(sbatch --parsable --chdir="$PWD" {script}) && echo "$said" | {_ID}"""

    def find(self, name: str) -> str:
        found = f'found=$(squeue -h -u "$(id -un)" --states=all --name={name} -o %F) && echo "$found" | sort -u | head -n 1'
        return f"{_PLAINLY}; {found}"

    def queue(self) -> str:
        return f'{_PLAINLY}; {_PLAIN} squeue -h -u "$(id -un)" --name="$(commas $names)" -o "{_FIELDS}"'

    def history(self, *, accounting: bool) -> str:
        """What could not be launched is taken out of the queue, before another attempt may begin."""
        ended = f"""{_PLAINLY}
known=$({_PLAIN} squeue -h -r -u "$(id -un)" --states=all --name="$(commas $names)" -o "{_FIELDS}")
echo "$known"
held=$(echo "$known" | awk -F '|' '{{ gsub(" ", "_", $4) }} $3 == "PENDING" && $4 == "{NOT_LAUNCHED}" {{ print $1 "_" $2 }}')
[ -z "$held" ] || scancel $held >/dev/null 2>&1"""
        return f'{ended}\n{_PLAIN} sacct -n -P -X -j "$(commas $jobs)" -o JobID,State,NodeList' if accounting else ended

    def parse(self, printed: str) -> list[Element]:
        return [element for line in printed.splitlines() for element in _elements(line)]

    def cancel(self, *, kill: bool) -> str:
        how = "--signal=KILL --full " if kill else ""
        return f'{_PLAINLY}; for name in $names; do scancel {how}-u "$(id -un)" --name="$name"; done'

    def named(self, part: str) -> str:
        return f'{_PLAINLY}; all=$(squeue -h -u "$(id -un)" -o %j) && echo "$all" | grep -F {part} | sort -u'

    def facts(self) -> str:
        settings = 'scontrol show config | grep -E "^(MaxArraySize|AccountingStorageType|SchedulerParameters)"'
        return f'{_PLAINLY}; squeue --version; {settings}; sinfo -h -o "%P|%a|%l|%D|%c|%m"'

    def read_facts(self, printed: str) -> Facts:
        version, accounting = "Slurm", False
        limits: list[int] = []
        notes: list[str] = []
        for line in printed.splitlines():
            key, _, value = (part.strip() for part in line.partition("="))
            if line.startswith("slurm"):
                version = f"Slurm {line.split()[-1]}"
            elif key == "MaxArraySize":
                limits.append(int(value) - 1)  # indices end one below it
            elif key == "SchedulerParameters" and (limit := re.search(r"max_array_tasks=(\d+)", value)):
                limits.append(int(limit[1]))
            elif key == "AccountingStorageType":
                accounting = value not in ("accounting_storage/none", "(null)")  # the latter from 23.11 on
            elif line.count("|") == 5:
                partition, up, limit, nodes, cpus, memory = line.split("|")
                notes.append(f"partition {partition}: {up}, at most {limit}, {nodes} nodes with {cpus} CPUs and {memory} MB")
        return Facts(version, max(1, min(limits, default=_LARGEST_ARRAY)), accounting, tuple(notes))

    def blame(self, log: str) -> Cause | None:
        return next((cause for words, cause in WORDS if words in log), None)

    def is_hopeless(self, reason: str) -> bool:
        return reason in HOPELESS or self.may_pass(reason)

    def may_pass(self, reason: str) -> bool:
        return reason in DOUBTFUL

    def is_full(self, words: str) -> bool:
        limits = LIMIT.findall(words)
        return any(map(FULL_OF_JOBS.search, limits)) if limits else bool(FULL.search(words))

    def is_away(self, words: str) -> bool:
        return bool(AWAY.search(words))


def _request(job: JobRequest) -> Iterator[str]:
    """The request as options of sbatch."""
    for option, value in (
        ("partition", job.partition),
        ("account", job.account),
        ("qos", job.qos),
        ("time", clock(job.wall_time) if job.wall_time else ""),
        ("nodes", job.nodes),
        ("ntasks", job.tasks),
        ("cpus-per-task", job.cpus),
        ("mem", f"{megabytes(job.memory)}M" if job.memory else ""),
        ("gpus", job.gpus),
        ("constraint", f'"{job.constraint}"' if job.constraint else ""),
        ("reservation", job.reservation),
        ("mail-user", job.mail),
        ("mail-type", ",".join(_MAIL[event] for event in job.mails)),
    ):
        if value:
            yield f"--{option}={value}"
    if job.exclusive:
        yield "--exclusive"
    yield from job.directives


def _elements(line: str) -> Iterator[Element]:
    """One line of squeue, which may stand for many pending elements, or of sacct."""
    match line.split("|"):
        case [job, elements, word, reason, start, node]:
            for index in indices(elements.partition("%")[0]):
                began = float(start) if start.isdigit() else 0.0
                yield _element(job, index, word, reason, began, node)
        case [job, word, node]:  # of sacct, which says "CANCELLED by 1000", and has a row for all that were cancelled waiting
            array, _, elements = job.partition("_")
            for index in indices(elements.strip("[]").partition("%")[0]):
                yield _element(array, index, word.split()[0], "", 0.0, "" if node == "None assigned" else node)
        case _:
            return


def _element(job: str, index: int, word: str, reason: str, start: float, node: str) -> Element:
    state = STATES.get(word, "running")
    if word in ("PENDING", "CANCELLED") and reason.replace(" ", "_") == NOT_LAUNCHED:
        return Element(job, index, "over", reason, cause=Cause.NODE)
    if state == "over":
        return Element(job, index, state, word, node=node, cause=CAUSES.get(word))
    return Element(job, index, state, reason if state == "pending" else "", start if state == "pending" else 0.0, node)
