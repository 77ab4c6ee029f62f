"""Libcloud's driver for OpenStack, for clouds that differ from the one it was written on.

Libcloud looks for services by the names, and in the region, that a new installation has, scopes a login to a project by its name
alone, and trusts certificates for the whole process.
"""

from __future__ import annotations

import re
from typing import Any

from libcloud.common.openstack_identity import OpenStackIdentity_3_0_Connection
from libcloud.compute.drivers import openstack

from blocks.cloud.calls import TIMEOUT
from blocks.cloud.openstack_login import OpenStackLogin
from blocks.errors import InvalidRequest

_INTERFACES = {"public": "external"}  # as libcloud calls them, where it has a word of its own
_WHERE_MACHINES_ARE = "compute"

_Identity: Any = OpenStackIdentity_3_0_Connection
_Compute: Any = openstack.OpenStack_2_Connection
_Image: Any = openstack.OpenStack_2_ImageConnection
_Network: Any = openstack.OpenStack_2_NetworkConnection
_Driver: Any = openstack.OpenStack_2_NodeDriver
_VERSION = re.compile(r"/v\d+(?:\.\d+)?/?$")


class _TrustsAsTold:
    """A connection that verifies certificates as its login says, whatever others do."""

    driver: Any
    connection: Any

    def connect(self, *given: Any, **named: Any) -> None:
        super().connect(*given, **named)  # type: ignore[misc]
        login: OpenStackLogin = self.driver.login
        if login.authority_file:
            self.connection.ca_cert = login.authority_file
        if not login.verifies:
            self.connection.verify, self.connection.ca_cert = False, None


class _Keystone(_TrustsAsTold, _Identity):
    """Where somebody logs in."""

    def _get_auth_data(self) -> dict[str, Any]:
        return self.driver.login.words()


class _OfCatalogue(_TrustsAsTold):
    """A service, which is found in Keystone's catalogue by its type and region."""

    service_type: Any
    service_catalog: Any
    timeout: Any
    is_versioned = False  # whether libcloud puts the version of the API into each path, which some catalogues have as well
    _osa: Any

    def get_auth_class(self) -> Any:
        if self._osa is None:
            login: OpenStackLogin = self.driver.login
            keystone: Any = _Keystone
            self._osa = keystone(login.place, "", "", token_scope="unscoped", timeout=self.timeout, parent_conn=self)
        return self._osa

    def get_endpoint(self) -> str:
        login: OpenStackLogin = self.driver.login
        region = self._region(login)
        interface = _INTERFACES.get(login.interface, login.interface)
        for endpoint in self.service_catalog.get_endpoints(service_type=self.service_type):
            if endpoint.region == region and endpoint.endpoint_type == interface:
                return _VERSION.sub("", str(endpoint.url)) if self.is_versioned else str(endpoint.url)
        raise InvalidRequest(f"{login.place} offers no service of type {self.service_type!r} in the region {region}")

    def _region(self, login: OpenStackLogin) -> str:
        """The one that is asked for, or the only one. Raises InvalidRequest when that is none."""
        regions: list[str] = self.service_catalog.get_regions(service_type=_WHERE_MACHINES_ARE)
        if (login.region in regions) if login.region else len(regions) == 1:
            return login.region or regions[0]
        named = ", ".join(regions) or "none"
        if login.region:
            raise InvalidRequest(f"region: {login.place} has no region {login.region!r}; it has {named}")
        raise InvalidRequest(f"region: {login.place} has several regions, choose one of them: {named}")


class _Nova(_OfCatalogue, _Compute):
    """Servers."""


class _Glance(_OfCatalogue, _Image):
    """Images."""

    is_versioned = True


class _Neutron(_OfCatalogue, _Network):
    """Networks."""

    is_versioned = True


class OpenStackDriver(_Driver):
    """A driver for one login, which logs in when it is first asked something."""

    connectionCls = _Nova  # noqa: N815 -- libcloud's name
    image_connectionCls = _Glance  # noqa: N815
    network_connectionCls = _Neutron  # noqa: N815

    def __new__(cls, login: OpenStackLogin) -> OpenStackDriver:  # the parent's would choose among versions
        return object.__new__(cls)

    def __init__(self, login: OpenStackLogin) -> None:
        self.login = login
        parent: Any = super()
        parent.__init__(
            "",
            "",
            ex_force_auth_url=login.place,
            ex_force_auth_version="3.x_password",
            secure=login.auth_url.startswith("https"),
            timeout=TIMEOUT,
        )
