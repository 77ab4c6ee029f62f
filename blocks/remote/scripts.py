"""The shell scripts that make up the remote protocol, one for each verb: each is one round trip to a host.

They need a POSIX shell and tar, and run in the login folder. ``runner.sh`` beside this file is what stays at work when
the connection is gone. A run's folder on a host::

    <scratch>/<run id>/
        payload/  inputs/<start point>/  runner.sh      delivered once
        batches/<batch id>/                             made by one mkdir, so a batch is begun once however often it is sent
        batches/<batch id>/<task id>/                   a task's working folder
        batches/<batch id>/done/<task id>.<exit code>   the marker that tells the truth about a task
"""

from __future__ import annotations

from importlib import resources
from shlex import quote

RUNNER = resources.files("blocks.remote").joinpath("runner.sh").read_bytes()
COMPLETE = "complete"  # the last member of every stream that is sent: without it the stream was cut short


def at(scratch: str, *parts: str) -> str:
    """Change into a folder below the scratch folder, which ``~/`` or nothing before it puts in the login folder."""
    path = "/".join((scratch.removeprefix("~/"), *parts))
    return f'cd "$HOME" && cd {quote(path)}'


def probe(scratch: str) -> str:
    """Make the scratch folder and tell: its path, processors, free kilobytes, whether tar and bash are there."""
    return f"""
cd "$HOME" || exit
mkdir -p {quote(scratch.removeprefix("~/"))} && cd {quote(scratch.removeprefix("~/"))} || exit
command -v tar >/dev/null 2>&1 || {{ echo "there is no tar command; ask for the package tar to be installed" >&2; exit 1; }}
pwd
getconf _NPROCESSORS_ONLN 2>/dev/null || nproc 2>/dev/null || echo 1
df -Pk . | while read -r device size used free rest; do last=$free; echo "$last"; done | tail -n 1
command -v bash || echo sh
uname -srm
"""


def deliver(scratch: str, run: str) -> str:
    """Receive the payload, the inputs or both, and the runner; each takes the place of what stood there, whole or not at all."""
    return f"""
cd "$HOME" && umask 077 && mkdir -p {quote(scratch.removeprefix("~/"))}/{run} && cd {quote(scratch.removeprefix("~/"))}/{run} || exit
rm -rf arriving && mkdir -p arriving batches && cd arriving || exit
tar xopf - || exit
[ -e {COMPLETE} ] || {{ echo "the connection broke while files were sent" >&2; exit 1; }}
rm {COMPLETE} && cd .. && for name in $(ls arriving); do rm -rf "$name" && mv "arriving/$name" . || exit; done && rmdir arriving && true >>ended
"""


def submit(scratch: str, run: str, batch: str, slots: int, limit: float) -> str:
    """Receive a batch and begin it, unless it was begun before."""
    return f"""
{at(scratch, run)} && umask 077 || exit
[ ! -d batches/{batch} ] || exit 0
arriving=arriving-{batch}-$$
mkdir "$arriving" && cd "$arriving" && tar xopf - && [ -e {COMPLETE} ] || {{
    code=$?; cd ..; rm -rf "$arriving"; echo "the batch did not arrive whole" >&2; exit $code; }}
cd ..
mkdir batches/{batch} 2>/dev/null || {{ rm -rf "$arriving"; exit 0; }}
mv "$arriving"/* batches/{batch}/ && rmdir "$arriving" || exit
mkdir batches/{batch}/claimed batches/{batch}/slot batches/{batch}/left batches/{batch}/done batches/{batch}/timed || exit
date +%s >batches/{batch}/tick
previous=-
[ ! -f last ] || read -r previous <last
[ -f "batches/$previous/runner" ] || previous=-
if command -v bash >/dev/null 2>&1; then shell=bash; else shell=sh; fi
detach=
command -v setsid >/dev/null 2>&1 && detach=setsid
trap '' HUP
CHIMINEY_RUN_ID={run} $detach "$shell" runner.sh {run} {batch} {slots} {int(limit)} "$previous" </dev/null >batches/{batch}/log 2>&1 &
echo $! >batches/{batch}/runner
echo {batch} >last
"""


_STOP = """
stop() {
    for batch in $1; do
        [ -d "batches/$batch" ] || continue
        true >"batches/$batch/stop"
        for slot in "batches/$batch"/slot/*; do
            [ -e "$slot" ] && read -r id process began <"$slot" && [ "$id" != idle ] || continue
            kill -s "$2" -- "-$process" 2>/dev/null
        done
        [ "$2" = TERM ] || { read -r runner <"batches/$batch/runner" && kill -s KILL "$runner" && kill -s KILL -- "-$runner"; } 2>/dev/null
    done
}
"""


def status(scratch: str, run: str, batches: list[str], *, fence: bool = False) -> str:
    """One listing of the markers of some batches. A fence first makes sure that nothing of theirs runs any more."""
    names = " ".join(batches)
    tombstones = (
        f'for batch in {names}; do mkdir "batches/$batch" 2>/dev/null; done'  # a batch still on its way can't begin any more
    )
    stop = f'{tombstones}\n{_STOP}\nstop "{names}" TERM; sleep 1; stop "{names}" KILL' if fence else ""
    return f"""
{at(scratch, run)} || exit
{stop}
now=$(date +%s)
for batch in {names}; do
    state=dead
    if [ -d "batches/$batch" ] && cd "batches/$batch"; then
        if [ ! -e finished ] && [ ! -e stop ] && read -r runner <runner && kill -0 "$runner" && read -r tick <tick; then
            [ $((now - tick)) -ge 60 ] || state=alive
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


def watch(scratch: str, run: str) -> str:
    """Tell every end as it happens, and a dot at least once a second; ends by itself when nobody reads."""
    return f"""
{at(scratch, run)} || exit
echo $$ >listener
exec 3<ended
short=0.1 quiet=0
sleep 0.01 2>/dev/null || short=1
while :; do
    while read -r line <&3; do echo "$line"; quiet=0; done
    quiet=$((quiet + 1))
    if [ "$quiet" -gt 10 ]; then echo . && sleep 1
    else [ "$quiet" -ne 1 ] || echo .; sleep "$short"; fi
done
"""


def fetch(scratch: str, run: str, batch: str) -> str:
    """Send back the output folders and what was printed of the tasks whose ids come on standard input, as one tar stream."""
    return f"""
{at(scratch, run, "batches", batch)} || exit
option=
tar --hard-dereference --help >/dev/null 2>&1 && option=--hard-dereference
while read -r id; do
    [ -r "$id" ] && [ -x "$id" ] || chmod u+rx "$id"
    if [ -L "$id/chiminey_output" ]; then echo "$id/chiminey_output/."
    elif [ -d "$id/chiminey_output" ]; then echo "$id/chiminey_output"; fi
    [ ! -s "$id/stdout" ] || echo "$id/stdout"
    [ ! -s "$id/stderr" ] || echo "$id/stderr"
done >fetching
xargs sh -c 'exec find "$@" \\( -type d ! -perm -500 -o -type f ! -perm -400 \\) -exec chmod u+rX {{}} \\;' sh <fetching 2>/dev/null
[ -s fetching ] || true >nothing
[ -s fetching ] || echo nothing >fetching
tar cf - $option -T fetching
code=$?
[ "$code" -ne 1 ] || code=0
exit $code
"""


def tail(scratch: str, run: str, batch: str, task: int, name: str) -> str:
    """What a task has printed so far, and goes on printing until it ends."""
    return f"""
{at(scratch, run, "batches", batch)} || exit
sleep 0.01 2>/dev/null && short=0.2 || short=1
until [ -e {task}/{name} ]; do
    [ -d {task} ] && [ ! -e stop ] || exit
    sleep "$short"
done
exec 3<{task}/{name} || exit
while :; do
    [ -d done ] && ended= || ended=yes
    for marker in done/{task}.*; do [ ! -e "$marker" ] || ended=yes; done
    cat <&3 || exit
    [ -z "$ended" ] || exit 0
    sleep "$short"
done
"""


def clean(scratch: str, run: str) -> str:
    """End every process of the run and remove its folder. Processes are known by their environment where /proc shows it."""
    folder = quote(scratch.removeprefix("~/"))
    return f"""
{_STOP}
mine() {{
    for file in $(grep -las 'CHIMINEY_RUN_ID={run}' /proc/[0-9]*/environ 2>/dev/null); do
        process=${{file#/proc/}}; echo "${{process%/environ}}"
    done
}}
{at(scratch, run)} 2>/dev/null && {{
    read -r listener <listener && kill "$listener"
    stop "$(ls batches)" TERM
}} 2>/dev/null
round=0 left=$(mine)
for process in $left; do kill -s TERM "$process" 2>/dev/null; done
while [ "$round" -lt 20 ] && [ -n "$left" ]; do
    sleep 0.1 2>/dev/null || sleep 1
    round=$((round + 1)) left=$(mine)
done
{at(scratch, run)} 2>/dev/null && stop "$(ls batches)" KILL 2>/dev/null
while [ "$round" -lt 25 ] && [ -n "$left" ]; do
    for process in $left; do kill -s KILL "$process" 2>/dev/null; done
    round=$((round + 1)) left=$(mine)
done
cd "$HOME" || exit
[ -d {folder}/{run} ] || exit 0
rm -rf {folder}/{run} 2>/dev/null || {{ chmod -R u+rwX {folder}/{run}; rm -rf {folder}/{run}; }}
"""
