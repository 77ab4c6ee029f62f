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

from blocks.remote.scripts import COMPLETE, KEEP_GROUP, at, beside
from blocks.scheduler import commands
from blocks.scheduler.dialect import Dialect
from blocks.scheduler.job_script import AGAIN

SUBMITTING = 60  # seconds that an earlier attempt to submit, whose connection broke, may still take
STALLED = 2  # minutes after which an attempt to submit whose script has done nothing more was ended with its login node
LOG = 500  # bytes of what a job printed that are worth showing
WORD = "delivery"  # the file of a payload that tells by which delivery it came
KEPT = 90  # days that a payload stays ready after its last use


def word_of(scratch: str, place: str, unless: str = "-") -> str:
    """Tell which delivery of a payload is in its place, and is in use then; nothing where none is, or has the file ``unless``."""
    return f"""
{at(scratch)} || exit
[ ! -e {place}/{WORD} ] || [ -e {place}/{unless} ] || {{ touch {place} && cat {place}/{WORD}; }}
"""


def settle(scratch: str, arriving: str, place: str) -> str:
    """Move a payload that has arrived to its place, where one that is there stays, and tell which one is there."""
    return f"""
{at(scratch)} || exit
[ -d {place} ] || mv {arriving} {place} 2>/dev/null
rm -rf {arriving} {place}/{arriving.rpartition("/")[2]}
cat {place}/{WORD}
"""


def facts(scratch: str, dialect: Dialect) -> str:
    """What the scheduler says of itself. Payloads that nobody has used for long are removed on the way."""
    return rf"""
{at(scratch)} || exit
[ ! -d payloads ] ||
    find payloads -mindepth 1 -maxdepth 1 \( -mtime +{KEPT} -o -name 'arriving-*' -mtime +1 \) -exec rm -rf {{}} + 2>/dev/null
{commands.need(dialect)}
{dialect.facts()}
"""


def submit(scratch: str, run: str, batch: str, dialect: Dialect, names: list[str]) -> str:
    """Receive a batch, unless it is there, and submit those of its arrays that have not been.

    Says which array was refused, or that it is unclear whether the scheduler has it, and why.
    """
    arrays = "\n".join(f"put {number} {name} || exit 0" for number, name in enumerate(names, start=1))
    return f"""
{at(scratch, run)} && mask=$(umask) && umask 077 || exit
again=yes
[ -d batches/{batch} ] || {{
    again= arriving=arriving-{batch}-$$
    mkdir -p batches "$arriving" && cd "$arriving" && tar xopf - && [ -e {COMPLETE} ] || {{
        code=$?; cd ..; rm -rf "$arriving"; echo "the batch did not arrive whole" >&2; exit $code; }}
    {KEEP_GROUP}
    rm {COMPLETE}; mkdir claimed done timed log elements && cd .. || exit
    mv "$arriving" batches/{batch} || exit
    [ ! -d "batches/{batch}/$arriving" ] || {{ rm -rf "batches/{batch}/$arriving"; again=yes; }}
}}
{beside(batch)}
cd batches/{batch} || exit
{commands.need(dialect)}
put() {{
    [ ! -e "job.$1" ] || return 0
    [ ! -e stop ] || return 1
    touch -c submitting
    id=
    [ -z "$again" ] || id=$(find_job "$2" 2>refusal) || {{ tell unclear "$1"; return 1; }}
    [ -n "$id" ] || id=$(umask "$mask" && submit_job "$1" 2>refusal) || {{ tell refused "$1"; return 1; }}
    [ -n "$id" ] || id=$(find_job "$2" 2>refusal) || {{ tell unclear "$1"; return 1; }} # it printed other things than an id
    [ -n "$id" ] || {{ echo "it printed no id, and knows no job of this name" >refusal; tell refused "$1"; return 1; }}
    echo "$id" >"job.$1.new" && mv "job.$1.new" "job.$1"
}}
tell() {{ echo "$1 $2"; cat refusal; }}
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


def give_back(scratch: str, run: str, batch: str) -> str:
    """Remove a batch of which no array was taken, for it may come again in another form."""
    return f"""
{at(scratch, run)} || exit
for job in batches/{batch}/job.*; do [ ! -e "$job" ] || exit 0; done
rm -rf batches/{batch}
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


# What the scheduler calls the jobs of batches.
KNOWN = """
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
{commands.find(dialect)}
{markers_and_queue(names, dialect)}
"""


def markers_and_queue(names: str, dialect: Dialect) -> str:
    """The same of batches that are named in shell, in the run's folder."""
    return f"""{KNOWN}
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
    shown = "\n".join(f"show {batch} {array} {index} batches/{batch}/log/{array}.{index}" for batch, array, index in logs)
    return f"""
{at(scratch, run)} || exit
{commands.find(dialect)}
{KNOWN}
know "{" ".join(batches)}"
show() {{
    echo "log $1 $2 $3"
    {{ sed -n '/^{AGAIN}$/{{p;q;}}' "$4"; tail -c {LOG} "$4"; }} 2>/dev/null | sed "s/^/|/"
    echo
}}
{shown}
echo history
{dialect.history(accounting=accounting)}
true
"""
