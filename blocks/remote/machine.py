"""Which machine a batch was begun on: a name may stand for several, whose files are the same and whose processes are not.

A machine is known by its boot, where it tells that, for its name may change; after a boot by its name.
"""

from __future__ import annotations

from blocks.errors import Unreachable

_BOOT = "{ cat /proc/sys/kernel/random/boot_id || sysctl -n kern.bootsessionuuid || echo -; } 2>/dev/null"
TELL = f"{{ uname -n; {_BOOT}; }}"  # shell whose output is kept as ``host`` of a batch, until nothing of it runs any more
_ELSEWHERE = "elsewhere "


# Shell functions. Of another boot of this machine nothing runs any more, and its numbers may be other processes' by now.
KNOWN = f"""
node=$(uname -n) boot=$({_BOOT})
read_host() {{ [ -f "batches/$1/host" ] && {{ read -r name && read -r booted; }} <"batches/$1/host"; }}
is_same_boot() {{ [ "$boot" != - ] && [ "$boot" = "$booted" ]; }}
is_elsewhere() {{
    [ ! -e "batches/$1/finished" ] && read_host "$1" && [ "${{name%%.*}}" != "${{node%%.*}}" ] && ! is_same_boot
}}
is_of_another_boot() {{ read_host "$1" && [ "$boot" != - ] && [ "$booted" != - ] && ! is_same_boot; }}
"""


def only_here(batches: str) -> str:
    """Shell that ends the script, for :func:`heed`, where one of some batches may still run on another machine."""
    return f"""{KNOWN}
for batch in {batches}; do
    ! is_elsewhere "$batch" || {{ echo "{_ELSEWHERE}$node $name"; exit 0; }}
done
"""


def heed(answer: bytes, address: str) -> None:
    """See that a script with :func:`only_here` was not ended.

    Raises:
        Unreachable: the batch is on another machine.
    """
    text = answer.decode("utf-8", "replace")
    if text.startswith(_ELSEWHERE):
        here, there = text.removeprefix(_ELSEWHERE).split()
        raise Unreachable(f"{address} is {here} now, but its tasks were begun on {there}; please name {there} as the host.")
