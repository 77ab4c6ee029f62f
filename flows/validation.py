"""What a run is about to do, as the stages are asked about it before anything is sent or made."""

from __future__ import annotations

from dataclasses import dataclass

from blocks.compute.resource import ComputeResource
from blocks.storage.resource import StorageResource
from flows.connector import SmartConnector
from flows.request import RunRequest


@dataclass(frozen=True)
class Proposal:
    """A request with the connector and the resources that it names."""

    request: RunRequest
    connector: SmartConnector
    compute: ComputeResource
    input_storage: StorageResource | None
    output_storage: StorageResource
