"""How somebody logs in to an OpenStack cloud."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr


@dataclass(frozen=True, slots=True)
class Reference:
    """What Keystone knows by an id, or by a name."""

    id: str = ""
    name: str = ""

    @property
    def is_given(self) -> bool:
        return bool(self.id or self.name)

    def told(self, domain: Reference | None = None) -> dict[str, Any]:
        """As Keystone wants it: an id holds in all domains, a name in one."""
        if self.id:
            return {"id": self.id}
        return {"name": self.name} | ({"domain": domain.told()} if domain is not None else {})


@dataclass(frozen=True, slots=True)
class OpenStackLogin:
    """A user with a password, or an application credential, at Keystone's version 3."""

    auth_url: str
    secret: SecretStr
    user: Reference = Reference()
    user_domain: Reference = Reference(name="Default")
    project: Reference = Reference()
    project_domain: Reference = Reference(id="default")
    application: Reference = Reference()  # an application credential, in whose place there is no project, nor often a user
    region: str = ""
    interface: str = "public"
    authority_file: str = ""  # certificates in PEM format
    verifies: bool = True  # the certificate of the cloud

    @property
    def place(self) -> str:
        """The address without what every one has, for people."""
        return self.auth_url.rstrip("/").removesuffix("/v3")

    def words(self) -> dict[str, Any]:
        """What Keystone is told, the secret with it."""
        secret = self.secret.get_secret_value()
        if self.application.is_given:
            credential: dict[str, Any] = self.application.told() | {"secret": secret}
            if not self.application.id:
                credential["user"] = self.user.told(self.user_domain)
            return {"auth": {"identity": {"methods": ["application_credential"], "application_credential": credential}}}
        user = self.user.told(self.user_domain) | {"password": secret}
        scope = {"project": self.project.told(self.project_domain)}
        return {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}

    def driver(self) -> Any:
        """A driver of libcloud that logs in when it is first asked something."""
        from blocks.cloud.openstack_driver import OpenStackDriver

        return OpenStackDriver(self)
