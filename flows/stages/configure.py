"""Configure: the output location is prepared, and the input copied there as ``input_0``."""

from __future__ import annotations

import json

from blocks.errors import InvalidRequest
from flows import payload, start_points
from flows.plan import Plan
from flows.run import Run
from flows.stages.stage import Stage
from flows.state import RunState
from flows.validation import Proposal


class Configure(Stage):
    """Prepares the place where everything of the run is kept."""

    name = "configure"

    def __init__(self) -> None:
        self._start_points: tuple[str, ...] = ()

    def input_valid(self, proposal: Proposal) -> list[str]:
        connector, request = proposal.connector, proposal.request
        found = payload.problems(connector.payload_folder)
        if connector.needs_input and request.input is None:
            found.append(f"{connector.name} needs input; name its folder with --input <storage>/<path>")
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
        run.output_storage.write(f"{run.folder}/run.json", json.dumps(begun, indent=1).encode() + b"\n")
        if run.input_storage is None or run.request.input is None:
            return
        target = f"{run.folder}/input_0"
        if not run.output_storage.exists(target):
            run.output_storage.store(target, run.input_storage.tree(run.request.input.path))
        self._start_points = tuple(point.name for point in start_points.read(run.output_storage, target))

    def output(self, state: RunState) -> RunState:
        return state.model_copy(update={"configured": True, "start_points": self._start_points})
