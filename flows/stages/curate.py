"""Curate: the run is published in a repository, when its hosts are released."""

from __future__ import annotations

from blocks.errors import ResourceError, Unreachable
from flows import curation
from flows.proposal import Proposal
from flows.run import Run
from flows.stages.stage import Stage
from flows.state import RunState


class Curate(Stage):
    """Publishes what was made, and what describes it. If it fails, the run has ended as it has, and this is done later."""

    name = "curate"
    is_left_at_once = True
    retries = 1  # a repository that is away was waited for already

    def input_valid(self, proposal: Proposal) -> list[str]:
        request = proposal.request
        if proposal.curation is None:
            return ["an experiment is one of a repository's; name that with --curate"] if request.experiment else []
        try:
            return proposal.curation.problems(request.experiment)
        except Unreachable:  # it may be back when the run has ended
            return []
        except ResourceError as error:
            return [str(error)]

    def is_triggered(self, state: RunState) -> bool:
        return state.destroyed and state.to_curate

    def process(self, run: Run, state: RunState) -> None:
        assert run.curation is not None
        curation.publish(run, state, run.curation, run.request.experiment)

    def output(self, state: RunState) -> RunState:
        return state.model_copy(update={"to_curate": False})
