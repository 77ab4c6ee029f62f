"""Every connector as a Prefect flow: the entrypoint of ``my-connector`` is ``connectors.deployments.my_connector``.

That of its sweeps is ``connectors.deployments.my_connector__sweep``.

Only underscored names live here, so that no connector's name is hidden by one of this module's own.
"""

import typing as _typing

from blocks.errors import InvalidRequest as _InvalidRequest
from connectors import discovery as _discovery

_SWEEP = "__sweep"


def __getattr__(name: str) -> _typing.Any:
    """The flow of a connector. Raises AttributeError, which says what is wrong, for one that is unknown or broken."""
    if name.startswith("_"):
        raise AttributeError(name)
    for connector in _discovery.catalogue().connectors.values():
        if _discovery.attribute(connector.name) == name:
            return connector.flow
        if f"{_discovery.attribute(connector.name)}{_SWEEP}" == name:
            return connector.sweep_flow
    try:
        return _discovery.load(name.removesuffix(_SWEEP)).flow
    except _InvalidRequest as error:
        raise AttributeError(str(error)) from error
