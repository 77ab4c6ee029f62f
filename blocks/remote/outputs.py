"""The script that sends outputs back, whatever tar the host has."""

from __future__ import annotations

from shlex import quote

from blocks.remote.beating import BEATING
from blocks.remote.scripts import at
from blocks.work import OUTPUT

_MAKE_READABLE = r'exec find "$@" \( -type d ! -perm -500 -o -type f ! -perm -400 \) -exec chmod u+rX {} \;'
_COPY = 'cp -p "$1" single.$$ && mv -f single.$$ "$1"'
_PART_NAMES = f'exec find "$@" -type f -links +1 -exec sh -c {quote(_COPY)} sh {{}} \\;'


def fetch(scratch: str, run: str, batch: str, first: str = "", leave_behind: str = "") -> str:
    """Send back the output folders and what was printed of the tasks whose ids come on standard input, as one tar stream.

    ``first`` is shell that is done before anything else in the batch's folder, ``leave_behind`` shell that removes from the
    output folders that it is given what is not to be sent. GNU tar sends a file of several names as often as it is named, and
    ends with 1 when a file changed meanwhile; for other tars each name gets a file of its own first, and any exit code but 0 is
    a failure. Some of them read no list of names, and can send no more than a command line has room for.
    """
    leaving = f"grep '/{OUTPUT}$' fetching | xargs sh -c {quote(leave_behind)} sh 2>/dev/null" if leave_behind else ""
    return f"""
{at(scratch, run, "batches", batch)} || exit
{first}
option=
tar --hard-dereference --help >/dev/null 2>&1 && option=--hard-dereference
while read -r id; do
    [ -r "$id" ] && [ -x "$id" ] || chmod u+rx "$id"
    if [ -L "$id/{OUTPUT}" ]; then echo "$id/{OUTPUT}/."
    elif [ -d "$id/{OUTPUT}" ]; then echo "$id/{OUTPUT}"; fi
    [ ! -s "$id/stdout" ] || echo "$id/stdout"
    [ ! -s "$id/stderr" ] || echo "$id/stderr"
done >fetching
{BEATING}
{leaving}
xargs sh -c {quote(_MAKE_READABLE)} sh <fetching 2>/dev/null
[ -n "$option" ] || [ ! -s fetching ] || xargs sh -c {quote(_PART_NAMES)} sh <fetching
{{ kill "$beating"; wait "$beating"; }} 2>/dev/null
true >nothing
[ -s fetching ] || echo nothing >fetching
if [ -n "$option" ] || echo nothing | tar cf - -T - >/dev/null 2>&1; then tar cf - $option -T fetching
else tar cf - $(cat fetching); fi
code=$?
[ -z "$option" ] || [ "$code" -ne 1 ] || code=0
exit $code
"""
