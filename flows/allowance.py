"""How many machines a run may be given: as many as its tasks take, and a number of them in the place of lost ones."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Allowance:
    """What a controller has asked for in the run, over all iterations."""

    tasks: int = 0  # that hosts were last counted for
    first: int = 0  # hosts that were first asked for
    most: int = 0  # hosts that the run has had at once, or was to have
    left: int = 0  # machines that were let go for want of work, and may come back
    replaced: int = 0  # machines that were asked for in the place of lost ones

    def begin(self, tasks: int, asked: int, ready: int) -> None:
        """Note what the run begins with. What could not be made then is not taken for lost."""
        self.tasks, self.first, self.most = tasks, asked, ready

    def grant(self, tasks: int, wanted: int, present: int, maximum_retry: int) -> int:
        """How many machines may be made now, and note that they are.

        Args:
            tasks: that are left.
            wanted: the hosts that they take.
            present: the hosts that are at work or being made.
            maximum_retry: how often, in the mean, each of the first hosts may be replaced.
        """
        self.first = self.first or wanted
        missing = max(0, wanted - present)
        more = max(0, wanted - max(self.most, present))
        grown = min(missing, more + self.left)
        self.left -= max(0, grown - more)
        replacing = min(missing - grown, max(0, self.first * maximum_retry - self.replaced))
        self.replaced += replacing
        self.tasks, self.most = tasks, max(self.most, wanted)
        return grown + replacing
