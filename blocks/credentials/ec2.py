"""Credentials for Amazon's EC2, and for clouds that speak its protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, cast

from pydantic import Field, SecretStr

from blocks.credentials.credentials import CloudCredentials
from blocks.errors import InvalidRequest

if TYPE_CHECKING:
    from blocks.cloud.provider import Provider


class EC2Credentials(CloudCredentials):
    """An account at Amazon Web Services, by its access key, or by a profile of Amazon's own tools."""

    _block_type_name = "EC2 Credentials"
    _block_type_slug = "ec2-credentials"
    kind: ClassVar[str] = "ec2"

    access_key: str = Field(default="", title="Access key", description="The id of the access key, such as AKIA...")
    secret_key: SecretStr | None = Field(default=None, title="Secret key", description="The secret that belongs to it.")
    session_token: SecretStr | None = Field(
        default=None, title="Session token", description="For credentials that hold for some hours only."
    )
    profile: str = Field(
        default="",
        title="Profile",
        description="Of ~/.aws/credentials or ~/.aws/config, on the machine that runs the connector, in place of an access key.",
    )
    region: str = Field(default="us-east-1", title="Region", description="Where machines are made, such as eu-central-1.")
    endpoint: str = Field(
        default="", title="Endpoint", description="The URL of the API, for clouds other than Amazon's that speak its protocol."
    )

    @property
    def wanted_secrets(self) -> list[str]:
        return ["secret_key"] if self.access_key and not self.profile else []

    def describe(self) -> str:
        return self.endpoint or self.region

    def provider(self) -> Provider:
        from blocks.cloud.ec2 import EC2Provider
        from blocks.cloud.ec2_driver import AccessKey, EC2Place

        self.login()  # what is missing is told at once
        return EC2Provider(lambda: AccessKey(*self.login()), EC2Place.of(self.region, self.endpoint))

    def login(self) -> tuple[str, SecretStr, SecretStr | None]:
        """The access key, its secret and the session token, wherever they are.

        Raises:
            InvalidRequest: there are none.
        """
        if self.profile:
            return _of_profile(self.profile)
        if not self.access_key or self.secret_key is None:
            raise InvalidRequest("the EC2 credentials have no access_key with its secret_key, and no profile; give one of both")
        return self.access_key, self.secret_key, self.session_token


def _of_profile(profile: str) -> tuple[str, SecretStr, SecretStr | None]:
    """What Amazon's own tools would use: keys, or what another program, a role or a single sign-on gives."""
    import botocore.session  # pyright: ignore[reportMissingTypeStubs]
    from botocore.exceptions import BotoCoreError, ClientError  # pyright: ignore[reportMissingTypeStubs]

    try:
        found = cast(Any, botocore.session).Session(profile=profile).get_credentials()
        keys = found.get_frozen_credentials() if found is not None else None
    except (BotoCoreError, ClientError) as error:
        words = " ".join(str(error).split())
        raise InvalidRequest(f"the profile {profile!r} can't be used, as Amazon's tools say: {words}") from error
    if keys is None:
        raise InvalidRequest(f"the profile {profile!r} has no access key, and nothing that gives one")
    return str(keys.access_key), SecretStr(keys.secret_key), SecretStr(keys.token) if keys.token else None
