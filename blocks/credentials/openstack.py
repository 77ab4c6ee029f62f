"""Credentials for OpenStack clouds: a user's password, an application credential, or an entry of clouds.yaml."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

import yaml
from pydantic import Field, SecretStr

from blocks.credentials.credentials import CloudCredentials
from blocks.errors import InvalidRequest

if TYPE_CHECKING:
    from blocks.cloud.openstack_login import OpenStackLogin
    from blocks.cloud.provider import Provider

_CLOUDS = ("clouds.yaml", "~/.config/openstack/clouds.yaml", "/etc/openstack/clouds.yaml")  # where its own tools look


class OpenStackCredentials(CloudCredentials):
    """An account at an OpenStack cloud, by Keystone's version 3."""

    _block_type_name = "OpenStack Credentials"
    _block_type_slug = "openstack-credentials"
    kind: ClassVar[str] = "openstack"

    auth_url: str = Field(default="", title="Authentication URL", description="Keystone's, such as https://cloud.example:5000/v3")
    username: str = Field(default="", title="User name", description="Of a user with a password.")
    password: SecretStr | None = Field(default=None, title="Password", description="The password of the user.")
    project: str = Field(default="", title="Project", description="The project that machines are made in, by its name.")
    user_domain: str = Field(default="Default", title="User's domain", description="The domain of the user, by its name.")
    project_domain: str = Field(default="default", title="Project's domain", description="The domain of the project, by its id.")
    application_credential: str = Field(
        default="", title="Application credential", description="The id of an application credential, in the place of a user."
    )
    application_secret: SecretStr | None = Field(
        default=None, title="Application credential's secret", description="The secret that belongs to it."
    )
    region: str = Field(default="", title="Region", description="Where the cloud has several.")
    cloud: str = Field(
        default="",
        title="Cloud",
        description="The name of a cloud in clouds.yaml, on the machine that runs the connector, in the place of all above.",
    )
    clouds_file: str = Field(
        default="", title="clouds.yaml", description=f"Its path; if empty, the first there is of {', '.join(_CLOUDS)}."
    )
    authority_file: str = Field(
        default="", title="Certificate authority", description="The certificates by which the cloud's own one is verified."
    )

    @property
    def wanted_secrets(self) -> list[str]:
        if self.cloud:
            return []
        if self.application_credential:
            return ["application_secret"]
        return ["password"] if self.username else []

    def describe(self) -> str:
        return f"{self.cloud} of clouds.yaml" if self.cloud else self.auth_url

    def provider(self) -> Provider:
        from blocks.cloud.openstack import OpenStackProvider

        return OpenStackProvider(self._login())

    def _login(self) -> OpenStackLogin:
        from blocks.cloud.openstack_login import OpenStackLogin

        if self.cloud:
            return _of_cloud(self.cloud, self.clouds_file, self.region)
        missing = [] if self.auth_url else ["the OpenStack credentials have no auth_url; it is Keystone's address"]
        if self.application_credential and self.application_secret is not None:
            key, secret, application = self.application_credential, self.application_secret, True
        elif self.username and self.password is not None and self.project:
            key, secret, application = self.username, self.password, False
        else:
            missing.append(
                "the OpenStack credentials need username, password and project, or application_credential and "
                "application_secret, or the name of a cloud in clouds.yaml"
            )
            raise InvalidRequest(*missing)
        if missing:
            raise InvalidRequest(*missing)
        return OpenStackLogin(
            self.auth_url,
            key,
            secret,
            application,
            self.project,
            self.user_domain,
            self.project_domain,
            self.region,
            self.authority_file,
        )


def _of_cloud(cloud: str, file: str, region: str) -> OpenStackLogin:
    from blocks.cloud.openstack_login import OpenStackLogin

    path = _found(file)
    entry = _entry(path, cloud)
    auth = {str(name): str(value) for name, value in dict(entry.get("auth") or {}).items()}
    application = "application_credential_id" in auth
    names = ("application_credential_id", "application_credential_secret") if application else ("username", "password")
    absent = [name for name in ("auth_url", *names) if not auth.get(name)]
    if absent:
        raise InvalidRequest(f"the cloud {cloud!r} in {path} has no {' and no '.join(absent)}")
    return OpenStackLogin(
        auth["auth_url"],
        auth[names[0]],
        SecretStr(auth[names[1]]),
        application,
        auth.get("project_name", ""),
        auth.get("user_domain_name") or auth.get("domain_name") or "Default",
        auth.get("project_domain_id") or auth.get("domain_id") or "default",
        region or str(entry.get("region_name") or ""),
        str(entry.get("cacert") or ""),
    )


def _found(file: str) -> Path:
    configured = file or os.environ.get("OS_CLIENT_CONFIG_FILE", "")
    for path in (Path(each).expanduser() for each in ((configured,) if configured else _CLOUDS)):
        if path.is_file():
            return path
    raise InvalidRequest(f"there is no {configured or 'clouds.yaml'}; it would be {configured or ' or '.join(_CLOUDS)}")


def _entry(path: Path, cloud: str) -> Mapping[str, Any]:
    try:
        clouds = dict(yaml.safe_load(path.read_text(encoding="utf-8")).get("clouds") or {})
        secure = path.with_name("secure.yaml")
        secrets = dict(yaml.safe_load(secure.read_text(encoding="utf-8")).get("clouds") or {}) if secure.is_file() else {}
    except (OSError, yaml.YAMLError, AttributeError, TypeError, ValueError) as error:
        raise InvalidRequest(f"{path} can't be read as a clouds.yaml: {' '.join(str(error).split())[:200]}") from error
    if not isinstance(clouds.get(cloud), dict):
        raise InvalidRequest(f"{path} has no cloud {cloud!r}; it has {', '.join(map(str, clouds)) or 'none'}")
    entry = cast(dict[str, Any], clouds[cloud])
    hidden = cast(dict[str, Any], secrets.get(cloud) or {})
    return {**entry, "auth": {**dict(entry.get("auth") or {}), **dict(hidden.get("auth") or {})}}
