"""Torque, from 4 on, and the commands in its likeness that Slurm has.

http://docs.adaptivecomputing.com/torque, qsub(1B), qstat(1B)

Torque lists the elements of an array with their indices when it is asked with ``-t``. Slurm's commands know no ``-t``, and give
every element that has begun a number of its own, which says nothing of its index: there, elements note their numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from blocks.job import JobRequest, megabytes
from blocks.scheduler.array import Array
from blocks.scheduler.dialect import Dialect, Element, Facts
from blocks.scheduler.pbs_qstat import Ends, elements
from blocks.scheduler.pbs_words import ID, head, is_away, is_full, processors, settings, uneven
from blocks.scheduler.slurm import Slurm
from blocks.work import Cause

_LARGEST_ARRAY = 1_000  # where the server says nothing else
_ENDS: Ends = {
    -12: ("JOB_EXEC_OVERLIMIT_CPUT", Cause.TIME),
    -11: ("JOB_EXEC_OVERLIMIT_WT", Cause.TIME),
    -10: ("JOB_EXEC_OVERLIMIT_MEM", Cause.MEMORY),
    256 + 15: ("ended by SIGTERM, as qdel does", Cause.CANCELLED),
}
# The user's jobs in the format that all versions share, in which the state is the tenth word. Torque names elements NAME-1, ...
_ALL = """awk -v names=" $names " -v jobs=" $jobs " '
    $1 ~ /^[0-9]/ {
        name = $4; sub(/-[0-9]*$/, "", name)
        job = $1; sub(/\\[[0-9]*\\]/, "[]", job); sub(/\\..*/, "", job)
        if (index(names, " " name " ") || index(jobs, " " job " ")) print $1, name, $10
    }'"""
_LIVE = f"{_ALL} | grep -v ' C$'"  # those that have ended are listed for some minutes
_WAITING = frozenset("QHWT")
_ROW = re.compile(r"(\d+)(?:\[(\d*)\])?\S* (\S+) ([A-Z])")


class Torque(Dialect):
    """The words of Torque."""

    title = "Torque"
    command = "qsub"
    index = "${PBS_ARRAYID:-${SLURM_ARRAY_TASK_ID:-1}}"
    folder = 'cd "${PBS_O_WORKDIR:-$SLURM_SUBMIT_DIR}"'
    longest_name = 15
    own_options = re.compile(r"-[ejortN].*")
    note = (
        '[ -z "${SLURM_ARRAY_JOB_ID-}" ] || '
        '{ mkdir -p "begun/$SLURM_JOB_NAME" && true >"begun/$SLURM_JOB_NAME/$SLURM_JOB_ID.$SLURM_ARRAY_TASK_ID"; } || exit 125'
    )

    def problems(self, job: JobRequest) -> list[str]:
        found = [*uneven(job, self.title)]
        if job.qos:
            found.append(
                "Torque has no quality of service (qos); where Moab or Maui schedules, write it as a directive, as -l qos=high"
            )
        if not re.fullmatch(r"[\w:]*", job.constraint):
            found.append(
                "a constraint of Torque's is a property of nodes, or several with colons between them, such as ib:bigmem"
            )
        if job.reservation:
            found.append(
                "Torque has no reservation; where Moab or Maui schedules, write it as a directive, such as -W x=FLAGS:ADVRES:name"
            )
        if job.exclusive:
            found.append("Torque has no word for exclusive; ask for all cpus of a node, or write the site's word as a directive")
        if job.memory and job.nodes > 1:
            found.append(
                "Torque counts the memory of a whole job or of each process, not of each node; leave memory empty, and write it "
                "as a directive, such as -l pmem=2gb"
            )
        return found

    def header(self, name: str, array: Array, job: JobRequest, at_once: int) -> list[str]:
        size = array.size
        options = [
            *head(name, job),
            "-r n",  # what is run again, and where, is decided by who sees all tasks
            *([f"-t 1-{size}{f'%{at_once}' if at_once else ''}"] if size > 1 else []),
            *(f"-l {line}" for line in _resources(job)),
            *job.directives,
        ]
        return [f"#PBS {option}" for option in options]

    def submit(self, script: str) -> str:
        """Where output goes is said here, for Slurm's qsub overrides what the script says of it, and complains on its output."""
        return f"""{{
script={script} output=/dev/null
! command -v sbatch >/dev/null || {{ # which writes there why it ended a job
    output=log/${{script#array.}}.1
    ! grep -q "^#PBS -t" "$script" || output=${{output%1}}%a
}}
said=$(SBATCH_OPEN_MODE=append qsub -o "$output" -j oe "$script") &&
    echo "$said" | {ID} || {{ echo "${{said##*output was:}}" >&2; false; }}
}}"""

    def find(self, name: str) -> str:
        return f"""{{
names={name} jobs=
all=$(qstat -u "$(id -un)") && echo "$all" | {_ALL} | sort -n | head -n 1 | sed "s/[. ].*//"
}}"""

    def queue(self) -> str:
        return f"""{{
case $jobs in *"["*) elements=-t ;; *) elements= ;; esac
all=$(qstat $elements -u "$(id -un)" 2>&1) || {{ echo "$all"; false; }} && if live=$(echo "$all" | {_LIVE}); then
    echo "$live"
    for name in $names; do
        for file in batches/*/begun/"$name"/*; do [ ! -e "$file" ] || echo "begun $name ${{file##*/}}"; done
    done
fi
}}"""

    def history(self, *, accounting: bool) -> str:
        kept = r"""awk '/^Job Id/ || /^ +(job_state|exit_status|exec_host|(resources_used|Resource_List)\.(walltime|mem)) = /'"""
        return f"qstat -f -t $jobs 2>/dev/null | {kept}" if accounting else "true"

    def parse(self, printed: str) -> list[Element]:
        found = list(elements(printed, _ENDS))
        begun: dict[str, dict[str, int]] = {}
        live: dict[str, dict[str, str]] = {}
        for line in printed.splitlines():
            if line.startswith("begun "):
                _, name, noted = line.split()
                job, _, index = noted.partition(".")
                begun.setdefault(name, {})[job] = int(index)
            elif row := _ROW.fullmatch(line):
                number, index, name, state = row.groups()
                if index:
                    found.append(Element(f"{number}[]", int(index), "pending" if state in _WAITING else "running"))
                else:
                    live.setdefault(name, {})[number] = state
        for name, states in live.items():
            found.extend(_numbered(name, states, begun.get(name, {})))
        return found

    def cancel(self, *, kill: bool) -> str:
        """``kill`` changes nothing: qdel kills by itself, when a job has had its time to end.

        Slurm's qdel takes the id of an array only, which may be that of an element that has ended. The ids of arrays are those of
        the elements that wait: they go first, for it takes one job after the other, and an element that ends lets another begin.
        """
        del kill
        return f'qdel $jobs $(qstat -u "$(id -un)" | {_ALL} | cut -d " " -f 1)'

    def facts(self) -> str:
        slurm = f"! command -v scontrol >/dev/null || {{ {Slurm().facts()}; }}"
        return f'{{ qstat -B -f; qmgr -c "print server"; qstat -Q -f; }} 2>/dev/null; {slurm}'

    def read_facts(self, printed: str) -> Facts:
        if re.search(r"^slurm", printed, re.MULTILINE):
            facts = Slurm().read_facts(printed)
            return replace(facts, version=f"{facts.version}, by Torque's commands", accounting=False)
        found, notes = settings(printed)
        largest = int(found.get("max_job_array_size", _LARGEST_ARRAY))
        return Facts(f"Torque {found.get('pbs_version', '')}".strip(), largest, int(found.get("keep_completed", 0)) > 0, notes)

    def blame(self, log: str) -> Cause | None:
        return Slurm().blame(log)

    def is_full(self, words: str) -> bool:
        return is_full(words) or Slurm().is_full(words)

    def is_away(self, words: str) -> bool:
        return is_away(words) or Slurm().is_away(words)


def _resources(job: JobRequest) -> Iterator[str]:
    """The request as nodes, with what is wanted of each, and memory."""
    parts = [str(max(1, job.nodes))]
    if job.processors:
        parts.append(f"ppn={processors(job)}")
    if job.gpus:
        parts.append(f"gpus={int(job.gpus) // max(1, job.nodes)}")
    if job.constraint:
        parts.append(job.constraint)
    if job.nodes or parts[1:]:
        yield f"nodes={':'.join(parts)}"
    if job.memory:
        yield f"mem={megabytes(job.memory)}mb"


def _numbered(name: str, states: dict[str, str], begun: dict[str, int]) -> Iterator[Element]:
    """The elements of a job that are listed by numbers of their own, one number for all that wait."""
    for number, index in begun.items():
        yield Element(name, index, "running" if number in states else "over")
    rest = [state for number, state in states.items() if number not in begun]
    if rest:
        yield Element(name, 0, "pending" if _WAITING.intersection(rest) else "running")
