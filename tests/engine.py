"""Runs of the engine alone, without a Prefect server: what most end-to-end tests need."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from blocks.compute import ComputeResource, UnixCompute
from blocks.curation.resource import CurationResource
from blocks.job import JobRequest
from blocks.scheduler import ending
from blocks.storage import LocalStorage, StorageResource
from flows import engine, references
from flows.connector import SmartConnector
from flows.ledger import Ledger, RunRecord
from flows.ledger.records import PayloadTask
from flows.proposal import Proposal
from flows.request import Reliability, ResourceReference, RunRequest, plain
from flows.result import RunResult
from flows.run import Run
from flows.sweep_map import SweepMap
from flows.view import Level, View
from tests.servers.sshd import SSHD


class Recorder(View):
    """Keeps what a run says."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.stages: list[str] = []

    def message(self, level: Level, text: str) -> None:
        self.messages.append(text)

    def stage(self, name: str, iteration: int) -> None:
        self.stages.append(f"{name}-{iteration}")


class Lab:
    """A place for runs: a ledger and an output folder, both below a temporary folder."""

    def __init__(self, folder: Path, url: str | None = None) -> None:
        self.ledger = Ledger(url or f"sqlite:///{folder}/ledger.db")
        self.results = folder / "results"
        self.storage = LocalStorage(path=str(self.results))
        self.view = Recorder()
        self.round_trips: dict[str, int] = {}
        self._connectors: dict[str, SmartConnector] = {}

    def find(self, name: str, folder: str) -> SmartConnector:
        """The connector of a run, as it was asked for."""
        del folder
        return self._connectors[name]

    def request(  # noqa: PLR0913 -- one for each thing that is chosen at run time
        self,
        connector: SmartConnector,
        compute: ComputeResource,
        *,
        sweep: Mapping[str, Any] | None = None,
        inputs: Mapping[str, Any] | None = None,
        input: StorageResource | None = None,
        output: StorageResource | None = None,
        max_iterations: int | None = None,
        reliability: Reliability | None = None,
        cache: bool = False,
        job: JobRequest | None = None,
        curation: CurationResource | None = None,
        experiment: str = "",
    ) -> Proposal:
        """What is asked for; raises InvalidRequest when it can't be."""
        output = output or self.storage
        self._connectors[connector.name] = connector
        request = RunRequest(
            connector=connector.name,
            inputs=plain(connector.Inputs.model_validate(dict(inputs or {})).model_dump()),
            compute=references.reference(compute),
            output=references.location(output, ""),
            input=references.location(input, "") if input is not None else None,
            sweep=SweepMap(dict(sweep)) if sweep is not None else None,
            max_iterations=max_iterations or connector.max_iterations,
            reliability=reliability or Reliability(),
            cache=cache,
            job=job or JobRequest(),
            curation=_reference(curation) if curation is not None else None,
            experiment=experiment,
        )
        proposal = Proposal(request, connector, compute, input, output, curation)
        engine.validate(proposal)
        return proposal

    def add(self, proposal: Proposal) -> RunRecord:
        """Write the run to the ledger."""
        name = proposal.connector.name
        identity = secrets.token_hex(5)
        record = RunRecord(identity, f"{name}-{identity}", name, proposal.request.model_dump_json())
        self.ledger.add(record)
        return record

    def drive(self, record: RunRecord, proposal: Proposal) -> RunResult:
        """Take the run to its end, as a controller does, be it one that goes on with it."""
        record = self.ledger.run(record.id) or record
        with engine.controlled(self.ledger, record, proposal, self.view) as run:
            self.run: Run = run
            try:
                return engine.drive(run, engine.execute)
            finally:
                self.round_trips = run.round_trips()

    def go(self, connector: SmartConnector, compute: ComputeResource, **asked: Any) -> RunResult:
        """Ask and drive."""
        proposal = self.request(connector, compute, **asked)
        return self.drive(self.add(proposal), proposal)

    def folder(self, result: RunResult) -> Path:
        """Where the results of a run are."""
        return self.results / result.name

    def tasks(self, result: RunResult) -> list[PayloadTask]:
        """The tasks of a run as the ledger has them."""
        return self.ledger.tasks(result.run_id)


def _reference(curation: CurationResource) -> ResourceReference:
    """As if it was saved, which without a Prefect server it can't be."""
    return ResourceReference(slug=curation.get_block_type_slug(), name="lab")


def patient_clean_up(put: Callable[[object, str, object], None]) -> None:
    """What is left when the clean-up ends is what it leaves, however slow this machine is. ``put`` is ``setattr``, or as it."""
    put(ending, "ROUNDS", 150)
    put(ComputeResource, "cleaning", property(lambda _: 200.0))


def unix(*hosts: SSHD, **settings: Any) -> UnixCompute:
    """The hosts as one compute resource."""
    return UnixCompute(
        hosts=[f"{host.user}@{host.address}:{host.port}" for host in hosts],
        private_key_file=str(hosts[0].private_key),
        use_agent=False,
        host_keys=[host.host_key_line for host in hosts],
        **settings,
    )


def left_on(host: SSHD, seconds: float = 60.0) -> list[str]:
    """What still runs on a host, after giving a sleeping loop the time to notice that it is over."""
    deadline = time.monotonic() + seconds
    while (left := host.processes()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left
