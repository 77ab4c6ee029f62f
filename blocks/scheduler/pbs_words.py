"""What the schedulers of the PBS family have in common: options of qsub, and what its commands say."""

from __future__ import annotations

import re
from collections.abc import Iterator

from blocks.job import JobRequest, clock
from blocks.scheduler.dialect import QSUB_MAILS

# Of what qsub printed, the number of the job: sites print notices around it.
ID = r"""sed -n 's/^\([0-9][0-9]*\(\[]\)\{0,1\}\)\(\..*\)\{0,1\}$/\1/p' | tail -n 1"""


def head(name: str, job: JobRequest) -> Iterator[str]:
    """The options that PBS and Torque have in common."""
    yield f"-N {name}"
    yield "-S /bin/sh"  # else it is the user's login shell, whatever the script's first line says
    if job.partition:
        yield f"-q {job.partition}"
    if job.account:
        yield f"-A {job.account}"
    if job.wall_time:
        yield f"-l walltime={clock(job.wall_time)}"
    if job.mail:
        yield f"-M {job.mail}"
    yield f"-m {''.join(QSUB_MAILS[event] for event in job.mails) or 'n'}"  # else each job that is aborted writes one


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
