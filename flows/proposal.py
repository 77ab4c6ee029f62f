"""What a run is about to do, as the stages are asked about it before anything is sent or made."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from blocks.compute.resource import ComputeResource
from blocks.curation.resource import CurationResource
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
    curation: CurationResource | None = None

    @contextmanager
    def held(self) -> Generator[None]:
        """Use its storage and its repository; who else does, as another run of a sweep, keeps the connections."""
        with ExitStack() as holding:
            for resource in (self.input_storage, self.output_storage, self.curation):
                if resource is not None:
                    holding.enter_context(resource.held())
            yield
