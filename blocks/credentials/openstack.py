"""Credentials for OpenStack clouds: a user's password, an application credential, or an entry of clouds.yaml."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, SecretStr

from blocks.cloud.openstack_login import OpenStackLogin, Reference
from blocks.credentials.clouds_yaml import PLACES, login_of
from blocks.credentials.credentials import CloudCredentials
from blocks.errors import InvalidRequest

if TYPE_CHECKING:
    from blocks.cloud.provider import Provider


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
    region: str = Field(default="", title="Region", description="Which of the cloud's; if empty, the only one.")
    cloud: str = Field(
        default="",
        title="Cloud",
        description="The name of a cloud in clouds.yaml, on the machine that runs the connector, in the place of all above.",
    )
    clouds_file: str = Field(
        default="", title="clouds.yaml", description=f"Its path; if empty, the first there is of {', '.join(PLACES)}."
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

        return OpenStackProvider(self.login)

    def login(self) -> OpenStackLogin:
        """How to log in, wherever that is written.

        Raises:
            InvalidRequest: it is not, or not whole, each reason being told.
        """
        if self.cloud:
            return login_of(self.cloud, self.clouds_file, self.region)
        missing = [] if self.auth_url else ["the OpenStack credentials have no auth_url; it is Keystone's address"]
        user = application = Reference()
        secret = None
        if self.application_credential and self.application_secret is not None:
            application, secret = Reference(id=self.application_credential), self.application_secret
        elif self.username and self.project:
            user, secret = Reference(name=self.username), self.password
        if secret is None:
            missing.append(
                "the OpenStack credentials need username, password and project, or application_credential and "
                "application_secret, or the name of a cloud in clouds.yaml"
            )
        if missing or secret is None:
            raise InvalidRequest(*missing)
        return OpenStackLogin(
            self.auth_url,
            secret,
            user,
            Reference(name=self.user_domain),
            Reference(name=self.project),
            Reference(id=self.project_domain),
            application,
            self.region,
            authority_file=self.authority_file,
        )
