"""The stages, in the order in which they are asked whether they trigger."""

from collections.abc import Mapping

from flows.stages.bootstrap import Bootstrap
from flows.stages.configure import Configure
from flows.stages.converge import Converge
from flows.stages.create import Create
from flows.stages.curate import Curate
from flows.stages.destroy import Destroy
from flows.stages.execute import Execute
from flows.stages.schedule import Schedule
from flows.stages.stage import Stage
from flows.stages.transform import Transform
from flows.stages.wait import Wait

STAGES: tuple[type[Stage], ...] = (Configure, Create, Bootstrap, Schedule, Execute, Wait, Transform, Converge, Destroy, Curate)


def stages_with(replaced: Mapping[str, type[Stage]]) -> list[type[Stage]]:
    """The stages of a connector that replaces some of them by name."""
    return [replaced.get(stage.name, stage) for stage in STAGES]


__all__ = ["STAGES", "Stage", "stages_with"]
