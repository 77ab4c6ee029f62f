"""The shell scripts that run on a cluster's nodes: the job of an array, and what each of its elements goes on with."""

from __future__ import annotations

from math import ceil
from shlex import quote

from blocks.job import JobRequest
from blocks.scheduler.array import Array, Layout
from blocks.scheduler.dialect import Dialect

# Where a site's modules are is often set in its profile, which also sets PATH anew: what the job was given stays in that.
_MODULES = """command -v module >/dev/null 2>&1 || [ ! -r /etc/profile ] || {
    given=$PATH
    . /etc/profile >/dev/null 2>&1
    export PATH="$PATH:$given"
}
command -v module >/dev/null 2>&1 || for file in /etc/profile.d/modules.sh /etc/profile.d/lmod.sh \\
    /usr/share/lmod/lmod/init/sh /usr/share/modules/init/sh "${MODULESHOME:-/nowhere}/init/sh"; do
    [ ! -r "$file" ] || command -v module >/dev/null 2>&1 || . "$file"
done
command -v module >/dev/null 2>&1 || { echo "there is no module command on this node, to load modules with" >&2; exit 125; }"""
AGAIN = "the scheduler began this element anew"  # PBS does that with arrays, also after a preemption; what had begun is lost
_SHELL = "if command -v bash >/dev/null 2>&1; then shell=bash; else shell=sh; fi"


def job(dialect: Dialect, array: Array, layout: Layout, head: list[str]) -> str:
    """The job script of an array: each of its elements begins its share of the batch's tasks."""
    per = layout.per_element
    lines = [
        "#!/bin/sh",
        *head,
        f"{dialect.folder} || exit 125",
        f"index={dialect.index}",
        f'exec >>"log/{array.number}.$index" 2>&1 </dev/null',
        f"element=$(({array.offset} + index))",
        f'[ ! -d "elements/$element/slot" ] || echo "{AGAIN}"',
        'mkdir -p "elements/$element/slot" "elements/$element/left" || exit 125',
        f'sed -n "$(((element - 1) * {per} + 1)),$((element * {per}))p" tasks >"elements/$element/tasks" || exit 125',
        'export CHIMINEY_BATCH="$PWD" CHIMINEY_ELEMENT="$element"',
        _SHELL,
        'exec "$shell" ./begin',
    ]
    return "\n".join(lines) + "\n"


def begin(dialect: Dialect, run: str, batch: str, wanted: JobRequest, limit: float) -> str:
    """What an element goes on with in the users' shell: their settings, which may go elsewhere, and then the runner."""
    slots = max(1, wanted.tasks_at_once)
    return f"""{dialect.note}
{setting(wanted)}
cd "$CHIMINEY_BATCH/../.." || exit 125
{_SHELL}
exec "$shell" runner.sh {run} {batch} {slots} {ceil(limit)} - "elements/$CHIMINEY_ELEMENT"
"""


def setting(wanted: JobRequest) -> str:
    """What tasks find set up: the modules, the environment, and what the prologue does."""
    modules = [_MODULES, *(f"module load {quote(name)} || exit 125" for name in wanted.modules)] if wanted.modules else []
    exports = [f"export {name}={quote(value)}" for name, value in wanted.environment.items()]
    return "".join(f"{line}\n" for line in (*modules, *exports, wanted.prologue) if line)
