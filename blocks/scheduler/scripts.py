"""The shell scripts that a login node is asked to run: each is one round trip.

Beside what ``blocks.remote.scripts`` says there are::

    batches/<batch id>/layout           tasks, tasks of an element, elements of the largest array
    batches/<batch id>/names            of the arrays, as the scheduler is told them: number and name
    batches/<batch id>/array.<number>   the job script of an array
    batches/<batch id>/begin            what each job goes on with: sets up what its tasks find, and runs them
    batches/<batch id>/job.<number>     its id, once it was submitted
    batches/<batch id>/elements/<n>/    what the runner of an element keeps
    batches/<batch id>/log/<n>.<index>  what an element of an array printed beside its tasks
"""

from __future__ import annotations

from shlex import quote

from blocks.job import JobRequest
from blocks.remote.scripts import COMPLETE, at
from blocks.scheduler.array import Array, Layout
from blocks.scheduler.dialect import Dialect

SUBMITTING = 60  # seconds that an earlier attempt to submit, whose connection broke, may still take
STALLED = 2  # minutes after which an attempt to submit whose script has done nothing more was ended with its login node
LOG = 500  # bytes of what a job printed that are worth showing
KEPT = 90  # days that a payload stays ready after its last use

_MODULES = """command -v module >/dev/null 2>&1 || for file in /etc/profile.d/modules.sh /etc/profile.d/lmod.sh \\
    /usr/share/lmod/lmod/init/sh /usr/share/modules/init/sh "${MODULESHOME:-/nowhere}/init/sh"; do
    [ ! -r "$file" ] || command -v module >/dev/null 2>&1 || . "$file"
done
command -v module >/dev/null 2>&1 || { echo "there is no module command on this node, to load modules with" >&2; exit 125; }"""
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
exec "$shell" runner.sh {run} {batch} {slots} {int(limit)} - "elements/$CHIMINEY_ELEMENT"
"""


def setting(wanted: JobRequest) -> str:
    """What tasks find set up: the modules, the environment, and what the prologue does."""
    modules = [_MODULES, *(f"module load {quote(name)} || exit 125" for name in wanted.modules)] if wanted.modules else []
    exports = [f"export {name}={quote(value)}" for name, value in wanted.environment.items()]
    return "".join(f"{line}\n" for line in (*modules, *exports, wanted.prologue) if line)


def is_there(scratch: str, place: str) -> str:
    """Say yes when a payload is in its place; it is then in use."""
    return f"""
{at(scratch)} || exit
[ ! -d {place} ] || {{ touch {place} && echo yes; }}
"""


def settle(scratch: str, arriving: str, place: str) -> str:
    """Move a payload that has arrived to its place; one that is there stays."""
    return f"""
{at(scratch)} || exit
[ -d {place} ] || mv {arriving} {place} 2>/dev/null
rm -rf {arriving} {place}/{arriving.rpartition("/")[2]}
"""


def facts(scratch: str, dialect: Dialect) -> str:
    """What the scheduler says of itself. Payloads that nobody has used for long are removed on the way."""
    return f"""
{at(scratch)} || exit
[ ! -d payloads ] || find payloads -mindepth 1 -maxdepth 1 -mtime +{KEPT} -exec rm -rf {{}} + 2>/dev/null
{dialect.facts()}
"""


def submit(scratch: str, run: str, batch: str, dialect: Dialect, names: list[str]) -> str:
    """Receive a batch, unless it is there, and submit those of its arrays that have not been; says what came of each."""
    arrays = "\n".join(f"put {number} {name} || exit 0" for number, name in enumerate(names, start=1))
    return f"""
{at(scratch, run)} && umask 077 || exit
again=yes
[ -d batches/{batch} ] || {{
    again= arriving=arriving-{batch}-$$
    mkdir -p batches "$arriving" && cd "$arriving" && tar xopf - && [ -e {COMPLETE} ] || {{
        code=$?; cd ..; rm -rf "$arriving"; echo "the batch did not arrive whole" >&2; exit $code; }}
    rm {COMPLETE}; mkdir claimed done timed log elements && cd .. || exit
    mv "$arriving" batches/{batch} || exit
    [ ! -d "batches/{batch}/$arriving" ] || {{ rm -rf "batches/{batch}/$arriving"; again=yes; }}
}}
cd batches/{batch} || exit
put() {{
    [ ! -e "job.$1" ] || return 0
    [ ! -e stop ] || return 1
    touch submitting
    id=
    [ -z "$again" ] || id=$(find_job "$2" 2>refusal) || {{ echo "refused $1"; cat refusal; return 1; }}
    [ -n "$id" ] || id=$(submit_job "$1" 2>refusal) || {{ echo "refused $1"; cat refusal; give_back; return 1; }}
    echo "$id" >"job.$1.new" && mv "job.$1.new" "job.$1"
}}
give_back() {{ # what was not taken at all leaves no trace, for it may come again in another form
    for job in job.*; do [ ! -e "$job" ] || return 0; done
    cd ../.. && rm -rf batches/{batch}
}}
find_job() {{ {dialect.find('"$1"')}; }}
submit_job() {{ {dialect.submit('"array.$1"')}; }}
if ! mkdir submitting 2>/dev/null; then
    seconds=0
    while [ -d submitting ] && [ "$seconds" -lt {SUBMITTING} ]; do sleep 1; seconds=$((seconds + 1)); done
    again=yes
    mkdir -p submitting
fi
trap 'rmdir submitting 2>/dev/null' EXIT
{arrays}
"""


def layouts(scratch: str, run: str, batches: list[str]) -> str:
    """How batches were put into arrays, and which tasks they have."""
    return f"""
{at(scratch, run)} || exit
for batch in {" ".join(batches)}; do
    [ -f "batches/$batch/layout" ] || continue
    echo "batch $batch"
    cat "batches/$batch/layout"
    cut -d " " -f 1 "batches/$batch/tasks"
done
"""


_KNOWN = """
commas() { echo "$*" | tr ' ' ','; }
names= jobs=
know() {
    for batch in $1; do
        [ -f "batches/$batch/names" ] || continue
        while read -r number name; do
            [ ! -e "batches/$batch/job.$number" ] || { read -r id <"batches/$batch/job.$number" && jobs="$jobs $id"; }
            names="$names $name"
        done <"batches/$batch/names"
    done
    names=${names# } jobs=${jobs# }
}
"""


def status(scratch: str, run: str, batches: list[str], dialect: Dialect) -> str:
    """The markers of some batches, and what the queue says of their jobs, in one answer."""
    names = " ".join(batches)
    return f"""
{at(scratch, run)} || exit
{_status(names, dialect)}
"""


def _status(names: str, dialect: Dialect) -> str:
    return f"""{_KNOWN}
know "{names}"
queue=yes
[ -z "$names" ] || queue=$({dialect.queue()} 2>&1) || {{ echo "away"; echo "$queue" | tail -n 1; queue=away; }}
for batch in {names}; do
    if [ -d "batches/$batch" ] && cd "batches/$batch"; then
        state=ready
        [ ! -d submitting ] || [ "$(find submitting -prune -mmin +{STALLED})" ] || state=submitting
        [ ! -e stop ] || state=stopped
        echo "batch $batch $state"
        {{ true >done/.look && rm -f done/.look; }} 2>/dev/null # a network file system then looks anew
        ls claimed 2>/dev/null | sed 's/^/claimed /'
        ls done 2>/dev/null | sed 's/^/done /'
        [ ! -f names ] || while read -r number name; do echo "name $number $name"; done <names
        for job in job.*; do
            case $job in *.new|job.\\*) ;; *) read -r id <"$job" && echo "job ${{job#job.}} $id" ;; esac
        done
        cd ../..
    else
        echo "batch $batch unknown"
    fi
done
[ ! -f ended ] || cat ended
[ "$queue" = away ] || {{ echo queue; [ -z "$names" ] || echo "$queue"; }}"""


def history(
    scratch: str, run: str, batches: list[str], logs: list[tuple[str, int, int]], dialect: Dialect, *, accounting: bool
) -> str:
    """How elements of some batches ended, and the end of what some of them printed."""
    shown = "\n".join(
        f'echo "log {batch} {array} {index}"; tail -c {LOG} batches/{batch}/log/{array}.{index} 2>/dev/null | sed "s/^/|/"; echo'
        for batch, array, index in logs
    )
    return f"""
{at(scratch, run)} || exit
{_KNOWN}
know "{" ".join(batches)}"
{shown}
echo history
{dialect.history(accounting=accounting)}
true
"""


def _end(names: str, dialect: Dialect, rounds: int, others: str = "true") -> str:
    """No job of these batches begins any more, nor one of ``others``, which prints names; then wait until none of them runs."""
    return f"""{_KNOWN}
for batch in {names}; do mkdir -p "batches/$batch" && true >"batches/$batch/stop"; done
know "{names}"
others=$({others} 2>&1) || {{ echo "{dialect.title} does not answer: $(echo "$others" | tail -n 1)" >&2; exit 1; }}
names=$(for name in $names $others; do echo "$name"; done | sort -u)
names=$(echo $names)
round=0 said=
[ -z "$names" ] || said=$({{ {dialect.cancel(kill=False)}; }} 2>&1 >/dev/null | tail -n 1)
while [ -n "$names" ]; do
    queue=$({dialect.queue()} 2>&1) || {{ echo "{dialect.title} does not answer: $(echo "$queue" | tail -n 1)" >&2; exit 1; }}
    [ -n "$queue" ] || break
    [ "$round" -lt {rounds} ] || {{ echo "{dialect.title} has not ended its jobs yet: $jobs${{said:+ ($said)}}" >&2; exit 1; }}
    round=$((round + 1))
    [ $((round % 4)) -ne 3 ] ||
        said=$({{ {dialect.cancel(kill=True)}; {dialect.cancel(kill=False)}; }} 2>&1 >/dev/null | tail -n 1)
    sleep 1
done"""


def fence(scratch: str, run: str, batches: list[str], dialect: Dialect) -> str:
    """Make sure that no job of some batches runs any more, then give their status."""
    names = " ".join(batches)
    return f"""
{at(scratch, run)} || exit
{_end(names, dialect, 60)}
{_status(names, dialect)}
"""


def clean(scratch: str, run: str, dialect: Dialect) -> str:
    """End all jobs of a run, also when its folder was removed under them, and remove its folder."""
    others = dialect.named(f"{run.rpartition('/')[2]}.")
    return f"""
{at(scratch)} 2>/dev/null && mkdir -p {run} && cd {run} || exit 0
{_end("$(ls batches 2>/dev/null)", dialect, 15, others)}
{at(scratch)} || exit
round=0
until rm -rf {run} 2>/dev/null; do
    chmod -R u+rwX {run} 2>/dev/null
    [ "$round" -lt 5 ] || {{ rm -rf {run}; exit; }}
    round=$((round + 1))
    sleep 1
done
"""
