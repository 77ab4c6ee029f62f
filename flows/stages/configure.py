"""Configure: the output location is prepared, and connector and input are copied there."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

from blocks.errors import InvalidRequest, ResourceError, Unreachable
from blocks.tree import Entry, file, folder
from flows import connector_files, json_file, payload, run_folder, start_points
from flows.digest import Checksums, Passing
from flows.plan import Plan
from flows.proposal import Proposal
from flows.run import Run
from flows.stages.stage import Stage
from flows.state import RunState


class Configure(Stage):
    """Prepares the place where everything of the run is kept."""

    name = "configure"
    is_left_at_once = True

    def __init__(self) -> None:
        self._start_points: tuple[str, ...] = ()

    def input_valid(self, proposal: Proposal) -> list[str]:
        connector, request = proposal.connector, proposal.request
        found = payload.problems(connector.payload_folder)
        if connector.needs_input and request.input is None:
            found.append(f"{connector.name} needs input; name its folder with --input <storage>/<path>")
        found += _unusable(proposal) or _mixed(proposal)
        try:
            points = (
                start_points.read(proposal.input_storage, request.input.path)
                if proposal.input_storage is not None and request.input
                else []
            )
            return [*found, *Plan(connector, request, 0, points).problems()]
        except InvalidRequest as error:
            return [*found, *error.problems]

    def is_triggered(self, state: RunState) -> bool:
        return not state.configured and state.ending is None

    def process(self, run: Run, state: RunState) -> None:
        asked = run.request.model_dump(mode="json")
        begun = {"run_id": run.id, "name": run.name, "state": "running", "created": run.created, "request": asked}
        record = file(run_folder.RUN_JSON, json_file.content(begun))
        source = (entry.under(connector_files.FOLDER) for entry in connector_files.tree(run.connector))
        before = run.ledger.files_in(run.id, connector_files.FOLDER)
        kept = self._write(run, connector_files.FOLDER, chain([record, folder(connector_files.FOLDER)], source))
        if before and kept != before:
            run.say(
                "warning", f"the connector {run.connector.name} has changed since the run began; it goes on with what it is now"
            )
        if run.input_storage is None or run.request.input is None or state.iteration:
            self._start_points = state.start_points
            return
        inputs = run_folder.inputs(0)
        target = f"{run.folder}/{inputs}"
        if not run.output_storage.exists(target):
            given = (entry.under(inputs) for entry in run.input_storage.tree(run.request.input.path))
            self._write(run, inputs, chain([folder(inputs)], given))
        self._start_points = tuple(point.name for point in start_points.read(run.output_storage, target))

    def _write(self, run: Run, name: str, entries: Iterable[Entry]) -> Checksums:
        """Bring files into the run's folder, and keep the checksums of those in the folder of this name."""
        seen = Passing()
        run.output_storage.collect(run.folder, seen(entries))
        kept = seen.files(name)
        run.lease.keep_files({name: kept})
        return kept

    def output(self, state: RunState) -> RunState:
        return state.model_copy(update={"configured": True, "start_points": self._start_points})


def _unusable(proposal: Proposal) -> list[str]:
    """Why results can't be kept where they are wanted: whoever is there says so when asked for its base folder, one request."""
    storage, path = proposal.output_storage, proposal.request.output.path
    try:
        storage.describe(path)
        storage.exists("")
    except InvalidRequest as error:
        return list(error.problems)
    except Unreachable:  # it may be back when the run begins
        return []
    except ResourceError as error:
        return [f"results can't be kept there: {error}"]
    return []


def _mixed(proposal: Proposal) -> list[str]:
    """That results would be input of the next run: of each of their folders, the run would take it for a start point."""
    request = proposal.request
    if proposal.input_storage is None or request.input is None:
        return []
    given, results = proposal.input_storage.describe(request.input.path), proposal.output_storage.describe(request.output.path)
    if f"{results}/".startswith(f"{given}/"):
        return [f"the results would go into the input, {given}; name another folder with --output, or one inside it with --input"]
    return []
