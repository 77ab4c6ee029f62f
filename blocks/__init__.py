"""What reaches out: resources and their credentials as Prefect Blocks, and the transports that they use."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blocks.compute import CloudCompute, GridEngineCompute, HadoopCompute, LocalCompute, PBSCompute, SlurmCompute, UnixCompute
    from blocks.credentials import EC2Credentials, LibcloudCredentials, OpenStackCredentials
    from blocks.curation.dataverse import Dataverse
    from blocks.curation.invenio import InvenioRDM, Zenodo
    from blocks.curation.mytardis import MyTardis
    from blocks.storage import LocalStorage, ObjectStorage, SFTPStorage

_HOME = {
    "CloudCompute": "blocks.compute",
    "GridEngineCompute": "blocks.compute",
    "HadoopCompute": "blocks.compute",
    "LocalCompute": "blocks.compute",
    "PBSCompute": "blocks.compute",
    "SlurmCompute": "blocks.compute",
    "UnixCompute": "blocks.compute",
    "EC2Credentials": "blocks.credentials",
    "LibcloudCredentials": "blocks.credentials",
    "OpenStackCredentials": "blocks.credentials",
    "Dataverse": "blocks.curation.dataverse",
    "InvenioRDM": "blocks.curation.invenio",
    "MyTardis": "blocks.curation.mytardis",
    "Zenodo": "blocks.curation.invenio",
    "LocalStorage": "blocks.storage",
    "ObjectStorage": "blocks.storage",
    "SFTPStorage": "blocks.storage",
}

__all__ = [
    "CloudCompute",
    "Dataverse",
    "EC2Credentials",
    "GridEngineCompute",
    "HadoopCompute",
    "InvenioRDM",
    "LibcloudCredentials",
    "LocalCompute",
    "LocalStorage",
    "MyTardis",
    "ObjectStorage",
    "OpenStackCredentials",
    "PBSCompute",
    "SFTPStorage",
    "SlurmCompute",
    "UnixCompute",
    "Zenodo",
]


def __getattr__(name: str) -> Any:
    """The Blocks, imported when asked for: each brings Prefect along, which takes seconds, and most modules here need none."""
    if name not in _HOME:
        raise AttributeError(f"module 'blocks' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
