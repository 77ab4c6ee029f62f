"""The shell scripts that make up the remote protocol, one for each verb: each is one round trip to a host.

They need a POSIX shell and tar, and run in the login folder. ``runner.sh`` beside this file is what stays at work when
the connection is gone. A run's folder on a host, named ``<run id>.<host>`` where hosts may have their home in common::

    <scratch>/<run>/
        payload/  inputs/<start point>/  runner.sh      delivered once
        around.sh                                       where a kind of resource has one: started in place of main.sh, it calls it
        batches/<batch id>/                             made by one mkdir, so a batch is begun once however often it is sent
        batches/<batch id>/<task id>/                   a task's working folder
        batches/<batch id>/<name>                       a link to what payload/ has of that name beside process_payload/
        batches/<batch id>/done/<task id>.<exit code>   the marker that tells the truth about a task
"""

from __future__ import annotations

import re
from importlib import resources
from math import ceil
from shlex import quote

from blocks.remote.beating import BEATING
from blocks.remote.machine import KNOWN, TELL, only_here

RUNNER = resources.files("blocks.remote").joinpath("runner.sh").read_bytes()
AT_ONCE = 1000  # names in the arguments of one command
SILENT_RUNNER = 60  # seconds without a tick after which it is not the runner that has its process id
BEGINNING = 2  # minutes after which whoever was beginning a batch, and did nothing more, was ended with the host
BOOTSTRAP = "bootstrap"  # the batch that sets up the payload
COMPLETE = "complete"  # the last member of every stream that is sent: without it the stream was cut short
KEEP_GROUP = "[ ! -g . ] || find . -type d -exec chmod g+s {} +"  # what is in a folder of a group is the group's; tar undoes that


# What a batch's folder has of its own, so that nothing of a payload can stand for it.
_OF_BATCHES = (
    "claimed|done|timed|slot|left|tick*|stop|log|finished|runner|host|tasks|environment|reserve|probe.*|fetching|held|single.*"
    "|layout|names|elements|array.*|job.*|begin|refusal|submitting"
)


def at(scratch: str, *parts: str) -> str:
    """Change into a folder below the scratch folder, which ``~/`` or nothing before it puts in the login folder."""
    path = "/".join((scratch.removeprefix("~/"), *parts))
    return f'cd "$HOME" && cd {quote(path)}'


def folder_on(address: str, run: str) -> str:
    """The name of a run's folder on one of several hosts, which may all see what each of them has in its home."""
    return f"{run}.{re.sub('[^A-Za-z0-9.-]', '-', address)}"


def _run_id(run: str) -> str:
    return run.partition(".")[0]


def _mark(run: str) -> str:
    """What all processes of a run have in their environment, and no others; the id of one may begin with that of another."""
    return f"CHIMINEY_OF_RUN=/{_run_id(run)}/"


def beside(batch: str) -> str:
    """Show what a payload has beside ``process_payload`` beside the folders of its tasks too, where the original had it."""
    return f"""for entry in payload/*; do
    name=${{entry#payload/}}
    case $name in process_payload|{_OF_BATCHES}) continue ;; esac
    [ ! -e "$entry" ] || [ -e "batches/{batch}/$name" ] || ln -s "../../payload/$name" "batches/{batch}/$name" || exit
done"""


def probe(scratch: str) -> str:
    """Make the scratch folder and tell: its path, the processors that one may use, free kilobytes, the system; or that tar is missing."""
    return f"""
cd "$HOME" || exit
mkdir -p {quote(scratch.removeprefix("~/"))} && cd {quote(scratch.removeprefix("~/"))} || exit
command -v tar >/dev/null 2>&1 || {{ echo "there is no tar command; ask for the package tar to be installed" >&2; exit 1; }}
pwd
(unset OMP_NUM_THREADS OMP_THREAD_LIMIT; nproc 2>/dev/null) || getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1
df -Pk . | while read -r device size used free rest; do last=$free; echo "$last"; done | tail -n 1
uname -srm
"""


def deliver(scratch: str, run: str, delivery: str, fetch: str = "") -> str:
    """Receive the payload, the inputs or both, and the runner; each takes the place of what stood there, whole or not at all.

    A payload that is set up, or just being set up, stays as it is. ``fetch`` is shell that fetches what the stream only tells
    of; where it ends the script, the rest is received by another one of the same ``delivery``. One that is received no more,
    for its connection broke, finds nothing of a later one.
    """
    folder = f"delivery-{delivery}"
    return f"""
cd "$HOME" && umask 077 && mkdir -p {quote(scratch.removeprefix("~/"))}/{run} && cd {quote(scratch.removeprefix("~/"))}/{run} || exit
{BEATING}
for old in delivery-*; do [ "$old" = {folder} ] || rm -rf "$old"; done
mkdir -p {folder} batches && cd {folder} || exit
tar xopf - || exit
[ -e {COMPLETE} ] || {{ echo "the connection broke while files were sent" >&2; exit 1; }}
rm {COMPLETE} || exit
{KEEP_GROUP}
{fetch}
cd .. && cd {folder} && cd .. || exit
[ ! -e batches/{BOOTSTRAP}/finished ] || [ -e batches/{BOOTSTRAP}/done/0.0 ] || rm -rf batches/{BOOTSTRAP}
[ ! -d batches/{BOOTSTRAP} ] || rm -rf {folder}/payload
for name in $(ls {folder}); do rm -rf "$name" && mv "{folder}/$name" . || exit; done && rmdir {folder} && true >>ended
"""


def submit(scratch: str, run: str, batch: str, slots: int, limit: float) -> str:
    """Receive a batch and begin it, unless it was begun before.

    Nobody else enters the run's folder; but what a task writes is as open as the user's own umask says, also in folders elsewhere.
    """
    return f"""
{at(scratch, run)} && mask=$(umask) && umask 077 || exit
[ ! -d batches/{batch} ] || exit 0
previous=-
[ ! -f last ] || read -r previous <last
{only_here('"$previous"')}
{BEATING}
arriving=arriving-{batch}-$$
mkdir "$arriving" && cd "$arriving" && tar xopf - && [ -e {COMPLETE} ] || {{
    code=$?; cd ..; rm -rf "$arriving"; echo "the batch did not arrive whole" >&2; exit $code; }}
{KEEP_GROUP}
cd ..
mkdir batches/{batch} 2>/dev/null || {{ rm -rf "$arriving"; exit 0; }}
ls "$arriving" | (cd "$arriving" && xargs -n {AT_ONCE} sh -c 'mv "$@" ../batches/{batch}/' sh) || exit
mkdir batches/{batch}/claimed batches/{batch}/slot batches/{batch}/left batches/{batch}/done batches/{batch}/timed || exit
date +%s >batches/{batch}/tick
{TELL} >batches/{batch}/host
[ -f "batches/$previous/runner" ] || previous=-
if command -v bash >/dev/null 2>&1; then shell=bash; else shell=sh; fi
detach=
command -v setsid >/dev/null 2>&1 && detach=setsid
trap '' HUP
umask "$mask"
{beside(batch)}
{_mark(run)} $detach "$shell" runner.sh {_run_id(run)} {batch} {slots} {ceil(limit)} "$previous" </dev/null >batches/{batch}/log 2>&1 &
echo $! >batches/{batch}/runner
echo {batch} >last
rmdir "$arriving"
"""


_STOP = """
stop() {
    for batch in $1; do
        [ -d "batches/$batch" ] || continue
        true >"batches/$batch/stop"
        ! is_of_another_boot "$batch" || continue
        for slot in "batches/$batch"/slot/*; do
            [ -e "$slot" ] && read -r id process began <"$slot" && [ "$id" != idle ] || continue
            kill -s "$2" -- "-$process" 2>/dev/null
        done
        [ "$2" = TERM ] || [ -e "batches/$batch/finished" ] || { # after its end the runner's number may be another process's
            read -r runner <"batches/$batch/runner" && kill -s KILL "$runner" && kill -s KILL -- "-$runner"
        } 2>/dev/null
    done
}
forget() { for batch in $1; do rm -f "batches/$batch/host"; done; }
"""


def status(scratch: str, run: str, batches: list[str], *, fence: bool = False, anywhere: bool = False) -> str:
    """One listing of the markers of some batches. A fence first makes sure that nothing of theirs runs any more.

    Where they may be ``anywhere``, on another machine that has its files in common with this one, the ticks alone tell which live.
    """
    names = " ".join(batches)
    tombstones = (
        f'for batch in {names}; do mkdir "batches/$batch" 2>/dev/null; done'  # a batch still on its way can't begin any more
    )
    stop = f'{tombstones}\n{_STOP}\nstop "{names}" TERM; sleep 1; stop "{names}" KILL; forget "{names}"' if fence else ""
    return f"""
{at(scratch, run)} || exit
{KNOWN if anywhere else only_here(names)}
{stop}
fresh() {{ read -r tick <tick && [ $(($(date +%s) - tick)) -lt {SILENT_RUNNER} ]; }}
for batch in {names}; do
    state=dead elsewhere=
    ! is_elsewhere "$batch" || elsewhere=yes
    if [ -d "batches/$batch" ] && cd "batches/$batch"; then
        beginning= # by another connection, which removes this last
        for arriving in "../../arriving-$batch"-*; do
            [ ! -d "$arriving" ] || [ "$(find "$arriving" -prune -mmin +{BEGINNING})" ] || beginning=yes
        done
        if [ -e finished ] || [ -e stop ]; then :
        elif [ "$beginning" ]; then state=alive
        elif [ "$elsewhere" ] || {{ read -r runner <runner && kill -0 "$runner"; }}; then
            round=0 # after a pause of the whole host the tick is old, and a runner that lives renews it within a second
            until fresh || [ "$round" -ge 5 ]; do round=$((round + 1)); sleep 1; done
            ! fresh || state=alive
        fi 2>/dev/null
        echo "batch $batch $state"
        ls claimed 2>/dev/null | sed 's/^/claimed /'
        ls done 2>/dev/null | sed 's/^/done /'
        cd ../..
    else
        echo "batch $batch unknown"
    fi
done
[ ! -f ended ] || cat ended
"""


def clean(scratch: str, run: str, elsewhere: str = "") -> str:
    """End every process of the run and remove its folder. Processes are known by their environment where /proc shows it.

    What a run has ``elsewhere`` than on the host is removed by a script of its own in between; if that fails, the folder stays.
    """
    folder = quote(scratch.removeprefix("~/"))
    return f"""
{BEATING}
{_STOP}
mine() {{
    for file in $(grep -las '{_mark(run)}' /proc/[0-9]*/environ 2>/dev/null); do
        process=${{file#/proc/}}; echo "${{process%/environ}}"
    done
}}
{at(scratch, run)} 2>/dev/null && {{
    {only_here("$(ls batches)")}
    read -r listener name <listener && [ "$name" = "$node" ] && kill "$listener"
    stop "$(ls batches)" TERM
}} 2>/dev/null
round=0 left=$(mine)
for process in $left; do kill -s TERM "$process" 2>/dev/null; done
while [ "$round" -lt 20 ] && [ -n "$left" ]; do
    sleep 0.1 2>/dev/null || sleep 1
    round=$((round + 1)) left=$(mine)
done
{at(scratch, run)} 2>/dev/null && {{ stop "$(ls batches)" KILL; forget "$(ls batches)"; }} 2>/dev/null
while [ "$round" -lt 25 ] && [ -n "$left" ]; do
    for process in $left; do kill -s KILL "$process" 2>/dev/null; done
    round=$((round + 1)) left=$(mine)
done
cd "$HOME" || exit
[ -d {folder}/{run} ] || exit 0
{elsewhere}
gone() {{ rm -rf {folder}/{run} 2>/dev/null || {{ chmod -R u+rwX {folder}/{run}; rm -rf {folder}/{run}; }}; }}
gone
code=$? left=$(mine) # of a batch that was just being submitted
[ -z "$left" ] || {{ for process in $left; do kill -s KILL "$process" 2>/dev/null; done; gone; code=$?; }}
exit $code
"""
