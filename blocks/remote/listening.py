"""The scripts that tell of a run for as long as somebody listens: how its tasks end, and what one of them prints."""

from __future__ import annotations

from blocks.remote.scripts import at


def watch(scratch: str, run: str) -> str:
    """Tell every end as it happens, and a dot at least once a second; ends by itself when nobody reads."""
    return f"""
{at(scratch, run)} || exit
echo $$ "$(uname -n)" >listener
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
