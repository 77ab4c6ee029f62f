"""The scripts on a login node that end jobs, and make sure that none begins any more."""

from __future__ import annotations

from blocks.remote.scripts import at
from blocks.scheduler import commands
from blocks.scheduler.dialect import Dialect
from blocks.scheduler.scripts import KNOWN, STALLED, markers_and_queue

ROUNDS = 15  # looks, a second apart, at whether the jobs of a run that is cleaned up have ended


def _end(names: str, dialect: Dialect, rounds: int, others: str = "true") -> str:
    """No job of these batches begins any more, nor one of ``others``, which prints names; then wait until none of them runs.

    Whoever is just submitting one has looked for the stop before, and the queue may not know of the job yet.
    """
    return f"""{KNOWN}
for batch in {names}; do mkdir -p "batches/$batch" && true >"batches/$batch/stop"; done
is_submitting() {{
    for batch in {names}; do
        [ ! -d "batches/$batch/submitting" ] || [ "$(find "batches/$batch/submitting" -prune -mmin +{STALLED})" ] || return 0
    done
    return 1
}}
round=0
again() {{ # unless the rounds are over; with what is in the way of the end
    [ "$round" -lt {rounds} ] || {{ echo "{dialect.title} $1" >&2; exit 1; }}
    round=$((round + 1))
    sleep 1
}}
until others=$({{ {others}; }} 2>&1); do again "does not answer: $(echo "$others" | tail -n 1)"; done
end() {{
    names= jobs= said=
    know "{names}"
    names=$(for name in $names $others; do echo "$name"; done | sort -u)
    names=$(echo $names)
    [ -z "$names" ] || said=$({{ {dialect.cancel(kill=False)}; }} 2>&1 >/dev/null | tail -n 1)
}}
end
if is_submitting; then
    while is_submitting; do again "is still taking a job"; done
    end
fi
while [ -n "$names" ]; do
    if queue=$({dialect.queue()} 2>&1); then
        [ -n "$queue" ] || break
        again "has not ended its jobs yet: $jobs${{said:+ ($said)}}"
    else
        again "does not answer: $(echo "$queue" | tail -n 1)"
    fi
    [ $((round % 4)) -ne 3 ] ||
        said=$({{ {dialect.cancel(kill=True)}; {dialect.cancel(kill=False)}; }} 2>&1 >/dev/null | tail -n 1)
done"""


def fence(scratch: str, run: str, batches: list[str], dialect: Dialect) -> str:
    """Make sure that no job of some batches runs any more, then give their status."""
    names = " ".join(batches)
    return f"""
{at(scratch, run)} || exit
{commands.find(dialect)}
{_end(names, dialect, 60)}
{markers_and_queue(names, dialect)}
"""


def clean(scratch: str, run: str, dialect: Dialect) -> str:
    """End all jobs of a run, also when its folder was removed under them, and remove its folder.

    A batch that is still arriving finds its stop when it is there.
    """
    others = dialect.named(f"{run.rpartition('/')[2]}.")
    batches = "$(ls batches 2>/dev/null; ls -d arriving-* 2>/dev/null | sed 's/^arriving-//; s/-[0-9]*$//')"
    return f"""
{at(scratch)} 2>/dev/null && mkdir -p {run} && cd {run} || exit 0
{commands.find(dialect)}
{_end(batches, dialect, ROUNDS, others)}
{at(scratch)} || exit
round=0
until rm -rf {run} 2>/dev/null; do
    chmod -R u+rwX {run} 2>/dev/null
    [ "$round" -lt 5 ] || {{ rm -rf {run}; exit; }}
    round=$((round + 1))
    sleep 1
done
"""
