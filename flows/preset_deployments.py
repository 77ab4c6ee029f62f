"""Presets in the Prefect UI: each is a deployment of the connector's flow, whose form is filled with what the preset has."""

from __future__ import annotations

from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentUpdate

from blocks.compute.resource import ComputeResource
from blocks.errors import ChimineyError, InvalidRequest
from flows import deployment, presets, references, resources
from flows.connector import SmartConnector
from flows.deployment_parameters import deployment_parameters
from flows.presets import Preset
from flows.request import ResourceReference


def offer(connector: SmartConnector, offered: list[Preset]) -> list[str]:
    """Make, or renew, the deployments of these presets, and take those of others away.

    Returns a sentence for each preset that no longer fits the connector, or that a resource is gone of; it has no deployment.
    """
    troubles: list[str] = []
    wanted: set[str] = set()
    with get_client(sync_client=True) as client:
        for preset in offered:
            try:
                parameters = _parameters(connector, preset)
            except ChimineyError as error:
                troubles.append(f"the preset {preset.name!r} of {connector.name} is not offered: {error}")
                continue
            name = f"{connector.name}-{preset.name}"
            entrypoint, tags = deployment.entrypoint(connector), [deployment.PRESET_TAG]
            identity = deployment.deploy(client, connector.flow, name, entrypoint, tags)
            # The server takes a reference to a resource in a second step only: a new deployment's parameters must be whole.
            client.update_deployment(identity, DeploymentUpdate(parameters=parameters))
            wanted.add(name)
        for each in deployment.of_presets(client, connector.name):
            if each.name not in wanted:
                client.delete_deployment(each.id)
    return troubles


def withdraw(preset: Preset) -> None:
    """Take the deployment of a preset away, if it has one."""
    with get_client(sync_client=True) as client:
        for each in deployment.of_presets(client, preset.connector):
            if each.name == f"{preset.connector}-{preset.name}":
                client.delete_deployment(each.id)


def _parameters(connector: SmartConnector, preset: Preset) -> dict[str, Any]:
    """What the form is filled with. Raises ChimineyError: the preset no longer fits, or what it refers to is gone."""
    request = preset.request
    presets.inputs(preset, connector, {})
    kind = references.load(request.compute, ComputeResource).kind
    if kind not in connector.compute:
        raise InvalidRequest(f"{connector.name} runs on {', '.join(connector.compute)}, not on a {kind} resource")
    places = {"compute": request.compute, "output": request.output.storage, "curation": request.curation}
    if request.input is not None:
        places["input"] = request.input.storage
    saved = {name: _chosen(place) for name, place in places.items() if place is not None and place.name}
    return {**deployment_parameters(request), **saved}


def _chosen(reference: ResourceReference) -> dict[str, Any]:
    """A saved resource as the form in the UI refers to it."""
    identity = resources.find(reference.name)._block_document_id  # pyright: ignore[reportPrivateUsage]
    return {"$ref": {"block_document_id": str(identity)}}
