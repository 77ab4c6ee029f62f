"""How somebody logs in to an OpenStack cloud."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import libcloud.security
from libcloud.compute.providers import get_driver
from libcloud.compute.types import Provider as Driver
from pydantic import SecretStr

from blocks.cloud.calls import TIMEOUT


@dataclass(frozen=True, slots=True)
class OpenStackLogin:
    """A user with a password, or an application credential, at Keystone's version 3."""

    auth_url: str
    key: str  # the user's name, or the application credential's id
    secret: SecretStr
    is_application: bool
    project: str = ""
    user_domain: str = "Default"  # its name
    project_domain: str = "default"  # its id
    region: str = ""
    authority_file: str = ""  # certificates in PEM format

    @property
    def place(self) -> str:
        """The address without what every one has, for people."""
        return self.auth_url.rstrip("/").removesuffix("/v3")

    def driver(self) -> Any:
        """A driver of libcloud that logs in when it is first asked something."""
        if self.authority_file:
            libcloud.security.CA_CERTS_PATH = self.authority_file
        asked: dict[str, Any] = {"ex_force_auth_version": "3.x_appcred" if self.is_application else "3.x_password"}
        if not self.is_application:
            asked |= {"ex_tenant_name": self.project, "ex_domain_name": self.user_domain}
            asked["ex_tenant_domain_id"] = self.project_domain
        if self.region:
            asked["ex_force_service_region"] = self.region
        kind: Any = get_driver(Driver.OPENSTACK)
        return kind(
            self.key,
            self.secret.get_secret_value(),
            ex_force_auth_url=self.place,
            secure=self.auth_url.startswith("https"),
            api_version="2.2",  # older ones know nothing of Neutron
            timeout=TIMEOUT,
            **asked,
        )
