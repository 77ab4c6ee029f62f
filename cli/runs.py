"""``chiminey jobs``, ``show``, ``cancel`` and ``reap``: what runs there are, and ending them."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import answer
from cli.options import Json, Run
from flows import cost
from flows.abandoned import is_abandoned

if TYPE_CHECKING:
    from flows.ledger import HostRecord, Ledger, RunRecord

_CANCEL_SECONDS = 120.0


def jobs(
    everything: Annotated[bool, typer.Option("--all", help="The runs of sweeps too, each in a line of its own.")] = False,
    as_json: Json = False,
) -> None:
    """List the runs and sweeps, the newest first."""
    from flows.ledger import Ledger

    ledger = Ledger()
    counts, machines = ledger.counts(), ledger.machines()
    rows = [_row(ledger, record, counts, machines) for record in (ledger.runs() if everything else ledger.top())]
    if as_json:
        answer.give(rows)
        return
    lines = [("name", "state", "tasks", "started", "took", "machines", "message"), *map(_cells, rows)]
    if not any(row["cost"] for row in rows):
        lines = [(*line[:5], line[6]) for line in lines]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]) - 1)]
    for *cells, message in lines if rows else []:
        typer.echo("  ".join([*(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)), message]).rstrip())
    if not rows:
        typer.echo("No run yet; 'chiminey run randnum' makes one.")


def show(name: Run, as_json: Json = False) -> None:
    """Show all that is known of a run."""
    from flows.ledger import Ledger

    ledger = Ledger()
    record = ledger.find(name)
    request = json.loads(record.request)
    failed = [task for task in ledger.tasks(record.id) if task.status == "failed"]
    counts, machines = ledger.counts(), ledger.machines()
    told: dict[str, Any] = {
        **_row(ledger, record, counts, machines),
        "request": request,
        "hosts": [asdict(host) for host in ledger.hosts(record.id)],
        "failed_tasks": [{"id": task.id, "reason": task.reason, "attempts": task.attempt} for task in failed],
        "runs": [_row(ledger, child, counts, machines) for child in ledger.children(record.id)],
        "curations": [asdict(curation) for curation in ledger.curations.of(record.id)],
        "history": ledger.history(record.id),
    }
    if as_json:
        answer.give(told)
    else:
        _tell(record, told)


def _tell(record: RunRecord, told: dict[str, Any]) -> None:
    asked = told["request"].get("run", told["request"])  # a sweep's has what its runs have in common
    typer.echo(f"{record.name}: {told['state']} {record.message}")
    typer.echo(f"compute: {reference(asked['compute'])}   output: {location(asked['output'])}/{record.name}")
    typer.echo(f"inputs: {json.dumps(asked['inputs'])}   sweep: {json.dumps(told['request']['sweep'])}")
    counted = ", ".join(f"{number} {state}" for state, number in told["tasks"].items()) or "none yet"
    typer.echo(f"{'points' if record.kind == 'sweep' else 'tasks'}: {counted}")
    for host in told["hosts"]:
        typer.echo(f"host {host['address'] or host['id']}: {host['status']} {host['note']}")
    if told["cost"]:
        typer.echo(f"machines: {cost.spoken(told['cost'])}")
    for task in told["failed_tasks"]:
        typer.echo(f"task {task['id']} failed after {task['attempts']} attempts: {task['reason']}")
    for curation in told["curations"]:
        typer.echo(f"{curation['repository']}: {curation['status']} {curation['url'] or curation['message']}".rstrip())
    for child in told["runs"]:
        typer.echo(f"{child['name']}: {child['state']} {child['message']}")
    for line in told["history"]:
        typer.echo(history_line(line))


def cancel(name: Run) -> None:
    """Stop a run, and remove what it left on its hosts."""
    from cli import prefect
    from flows.ledger import Ledger

    ledger = Ledger()
    record = ledger.find(name)
    prefect.connect()
    from connectors import load_again
    from flows import reaper

    typer.echo(reaper.cancel(ledger, record, load_again))
    deadline = time.monotonic() + _CANCEL_SECONDS
    while (now := ledger.find(record.id)).status == "running" and time.monotonic() < deadline:
        time.sleep(0.2)
    if record.status == "running":
        ended = now.status if now.status != "running" else "still ending; 'chiminey jobs' will tell"
        typer.echo(f"{record.name} is {ended}")


def reap(dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False) -> None:
    """Clean up after runs whose controller is gone, and remove machines that no living run has."""
    from cli import prefect
    from flows.ledger import Ledger

    prefect.connect()
    from connectors import load_again
    from flows import orphans, reaper

    ledger = Ledger()
    told = [*reaper.reap(ledger, load_again, dry_run=dry_run), *orphans.reap_saved(ledger, dry_run=dry_run)]
    typer.echo("\n".join(told) if told else "Nothing was left behind.")


def history_line(line: dict[str, Any]) -> str:
    """One line of a run's history, for people."""
    return f"{time.strftime('%H:%M:%S', time.localtime(line['at']))} {line['message']}"


def _row(
    ledger: Ledger, record: RunRecord, all_counts: dict[str, dict[str, int]], machines: dict[str, list[HostRecord]]
) -> dict[str, Any]:
    """One line of the list; of a sweep, the points are counted in the place of the tasks."""
    counts = _points(ledger, record) if record.kind == "sweep" else all_counts.get(record.id, {})
    interrupted = is_abandoned(ledger, record)
    return {
        "run_id": record.id,
        "name": record.name,
        "connector": record.connector,
        "kind": record.kind,
        "sweep": record.parent or None,
        "state": "interrupted" if interrupted else record.status,
        "tasks": {
            "total": sum(counts.values()),
            **{state: counts.get(state, 0) for state in ("completed", "failed", "running", "pending")},
        },
        "created": record.created,
        "seconds": (record.ended or time.time()) - record.created,
        "cost": cost.of(machines.get(record.id, ())),
        "message": "its controller is gone; 'chiminey resume' goes on" if interrupted else record.message,
    }


def _points(ledger: Ledger, sweep: RunRecord) -> dict[str, int]:
    """How many points are in each state that a task may be in."""
    states = ledger.statuses(sweep.id)
    counts = {state: states[state] for state in ("completed", "failed", "running")}
    return {**counts, "pending": json.loads(sweep.request)["points"] - sum(counts.values())}


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    tasks = f"{row['tasks']['completed']}/{row['tasks']['total']}"
    failed = f" ({row['tasks']['failed']} failed)" if row["tasks"]["failed"] else ""
    started = time.strftime("%Y-%m-%d %H:%M", time.localtime(row["created"]))
    message = " ".join(row["message"].split())[:100]
    return row["name"], row["state"], tasks + failed, started, _duration(row["seconds"]), cost.spoken(row["cost"]), message


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{rest:02}s" if minutes else f"{seconds:.1f}s"


def reference(reference: dict[str, Any]) -> str:
    """A resource of a request, for people."""
    return reference["name"] or reference["slug"]


def location(location: dict[str, Any]) -> str:
    """A folder of a storage, for people."""
    base = location["storage"]["name"] or location["storage"]["settings"].get("path", "")
    return f"{base}/{location['path']}".rstrip("/")
