"""Publishing a run in a repository: what it is told of the run, how that went, and doing it later."""

from flows.curation.publish import address, publish, troubles, undone

__all__ = ["address", "publish", "troubles", "undone"]
