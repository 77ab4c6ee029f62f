"""Connectors and the reaper as deployments on the Prefect server, so that they can be run from the UI."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import timedelta
from http.client import CONFLICT
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from prefect import Flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate, DeploymentUpdate
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterTags, FlowFilter, FlowFilterName
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import IntervalSchedule
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

from blocks.errors import NotFound
from blocks.server.environment import HEARTBEAT
from blocks.server.worker import POOL
from flows import resources
from flows.connector import SmartConnector
from flows.sweep.flow import PREFIX

TAG = "chiminey"
SWEEP_TAG = "chiminey-sweep"
PRESET_TAG = "chiminey-preset"
REAP_EVERY = timedelta(minutes=10)
_HEARTBEATS, _PATH = "PREFECT_FLOWS_HEARTBEAT_FREQUENCY", "CHIMINEY_PATH"


def activate(connector: SmartConnector) -> str:
    """Make, or renew, the deployments of a connector and of its sweeps; returns the full name of the first."""
    with get_client(sync_client=True) as client:
        _register_blocks()
        deploy(client, connector.flow, connector.name, entrypoint(connector), [TAG])
        deploy(client, connector.sweep_flow, f"{PREFIX}{connector.name}", f"{entrypoint(connector)}__sweep", [SWEEP_TAG])
    return f"{connector.flow.name}/{connector.name}"


def entrypoint(connector: SmartConnector) -> str:
    """Where a worker finds the flow of a connector."""
    return f"connectors.deployments.{connector.name.replace('-', '_')}"


def deactivate(name: str) -> None:
    """Take the deployments of a connector away, with those of its sweeps and presets.

    Raises:
        NotFound: it has none.
    """
    with get_client(sync_client=True) as client:
        try:
            deployment = client.read_deployment_by_name(f"chiminey-{name}/{name}")
        except ObjectNotFound as error:
            raise NotFound(f"{name!r} is not active") from error
        client.delete_deployment(deployment.id)
        with suppress(ObjectNotFound):
            sweeps = client.read_deployment_by_name(f"chiminey-{PREFIX}{name}/{PREFIX}{name}")
            client.delete_deployment(sweeps.id)
        for each in of_presets(client, name):
            client.delete_deployment(each.id)


def of_presets(client: SyncPrefectClient, connector: str) -> list[DeploymentResponse]:
    """The deployments that are a connector's presets."""
    return client.read_deployments(
        flow_filter=FlowFilter(name=FlowFilterName(any_=[f"chiminey-{connector}"])),
        deployment_filter=DeploymentFilter(tags=DeploymentFilterTags(all_=[PRESET_TAG])),
    )


def active() -> list[str]:
    """The connectors that have a deployment."""
    with get_client(sync_client=True) as client:
        deployments = client.read_deployments(deployment_filter=DeploymentFilter(tags=DeploymentFilterTags(all_=[TAG])))
    return sorted(deployment.name for deployment in deployments)


def activate_reaper(reap: Flow[[], None]) -> UUID:
    """Make, or renew, the deployment of the reaper, with its schedule."""
    with get_client(sync_client=True) as client:
        return deploy(client, reap, "reaper", "connectors.reaper.reap", [], every=REAP_EVERY)


def deploy(
    client: SyncPrefectClient, flow: Flow[..., Any], name: str, entrypoint: str, tags: list[str], every: timedelta | None = None
) -> UUID:
    """Make, or renew, a deployment. Schedules, limits and defaults that it was given in the UI stay, as long as they fit."""
    try:
        present = client.read_deployment_by_name(f"{flow.name}/{name}")
    except ObjectNotFound:
        return _create(client, flow, name, entrypoint, tags, every)
    mine = {_HEARTBEATS, _PATH}
    theirs = {word: value for word, value in present.job_variables.get("env", {}).items() if word not in mine}
    update = DeploymentUpdate(
        entrypoint=entrypoint,
        description=flow.description,
        work_pool_name=POOL,
        work_queue_name=present.work_queue_name,
        tags=tags,
        parameter_openapi_schema=flow.parameters.model_dump_for_openapi(),  # pyright: ignore[reportArgumentType]
        job_variables={**present.job_variables, "env": {**theirs, **_environment()}},
    )
    try:
        client.update_deployment(present.id, update)
    except PrefectHTTPStatusError as error:
        if error.response.status_code != CONFLICT:
            raise
        plain: dict[str, Any] = {"parameters": {}, "job_variables": {"env": _environment()}}
        client.update_deployment(present.id, update.model_copy(update=plain))  # what was set no longer fits the connector
    return present.id


def _create(
    client: SyncPrefectClient, flow: Flow[..., Any], name: str, entrypoint: str, tags: list[str], every: timedelta | None
) -> UUID:
    schedules = [DeploymentScheduleCreate(schedule=IntervalSchedule(interval=every), active=True)] if every else []
    return client.create_deployment(
        flow_id=client.create_flow(flow),
        name=name,
        entrypoint=entrypoint,
        description=flow.description,
        work_pool_name=POOL,
        pull_steps=[],
        tags=tags,
        schedules=schedules,
        concurrency_limit=1 if every else None,
        parameter_openapi_schema=flow.parameters.model_dump_for_openapi(),
        enforce_parameter_schema=True,
        job_variables={"env": _environment()},
    )


def _environment() -> dict[str, str]:
    """What runs of a deployment have in their environment: home and ledger are the worker's own, whose URL may be secret."""
    environment = {_HEARTBEATS: str(HEARTBEAT)}
    if folders := os.environ.get(_PATH):
        absolute = [str(Path(folder).expanduser().absolute()) for folder in folders.split(os.pathsep) if folder]
        environment[_PATH] = os.pathsep.join(absolute)
    return environment


def _register_blocks() -> None:
    """Make the kinds of resource known to the server, so that the UI can make and choose them."""
    for block in resources.kinds().values():
        cast(Any, block).register_type_and_schema(_sync=True)
