"""Credentials for Amazon's EC2, and for clouds that speak its protocol."""

from __future__ import annotations

import configparser
import os
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, SecretStr

from blocks.credentials.credentials import CloudCredentials
from blocks.errors import InvalidRequest

if TYPE_CHECKING:
    from blocks.cloud.provider import Provider

_PROFILES = "~/.aws/credentials"  # AWS_SHARED_CREDENTIALS_FILE names another one, as for Amazon's own tools


class EC2Credentials(CloudCredentials):
    """An account at Amazon Web Services, by its access key, or by a profile of ``~/.aws/credentials``."""

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
        description=f"Of the file {_PROFILES} on the machine that runs the connector, in the place of an access key.",
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

        access_key, secret, token = self._keys()
        return EC2Provider(access_key, secret, token, self.region, self.endpoint)

    def _keys(self) -> tuple[str, SecretStr, SecretStr | None]:
        if self.profile:
            return _of_profile(self.profile)
        if not self.access_key or self.secret_key is None:
            raise InvalidRequest("the EC2 credentials have no access_key with its secret_key, and no profile; give one of both")
        return self.access_key, self.secret_key, self.session_token


def _of_profile(profile: str) -> tuple[str, SecretStr, SecretStr | None]:
    path = Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE", _PROFILES)).expanduser()
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(path.read_text(encoding="utf-8"))
        section = parser[profile]
        token = section.get("aws_session_token")
        return section["aws_access_key_id"], SecretStr(section["aws_secret_access_key"]), SecretStr(token) if token else None
    except OSError as error:
        raise InvalidRequest(f"the profile {profile!r} can't be looked up: {path} can't be read ({error.strerror})") from error
    except configparser.Error as error:
        raise InvalidRequest(f"the profile {profile!r} can't be looked up: {path} is not written as it should be") from error
    except KeyError as error:
        raise InvalidRequest(f"{path} has no profile {profile!r} with an access key and its secret") from error
