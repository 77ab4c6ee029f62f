"""A sign of life each second of a script on a host: one that says nothing for long counts as lost, whatever it is at work on."""

BEATING = """
(
    trap 'kill "$nap"; exit' TERM
    while :; do sleep 1 >/dev/null 2>&1 & nap=$!; wait "$nap"; echo >&2 || exit; done
) &
beating=$!
trap '{ kill "$beating"; wait "$beating"; } 2>/dev/null' EXIT
"""
