"""What reaches out: resources and their credentials as Prefect Blocks, and the transports that they use."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blocks.compute import GridEngineCompute, LocalCompute, PBSCompute, SlurmCompute, UnixCompute
    from blocks.storage import LocalStorage, SFTPStorage

_HOME = {
    "GridEngineCompute": "blocks.compute",
    "LocalCompute": "blocks.compute",
    "PBSCompute": "blocks.compute",
    "SlurmCompute": "blocks.compute",
    "UnixCompute": "blocks.compute",
    "LocalStorage": "blocks.storage",
    "SFTPStorage": "blocks.storage",
}

__all__ = ["GridEngineCompute", "LocalCompute", "LocalStorage", "PBSCompute", "SFTPStorage", "SlurmCompute", "UnixCompute"]


def __getattr__(name: str) -> Any:
    """The Blocks, imported when asked for: each brings Prefect along, which takes seconds, and most modules here need none."""
    if name not in _HOME:
        raise AttributeError(f"module 'blocks' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
