"""Which bucket, and who asks: the settings that every use of an object store needs."""

import os
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr

from blocks.credentials import EC2Credentials, OpenStackCredentials
from blocks.errors import InvalidRequest
from blocks.storage.object_store import ObjectStore
from blocks.tls import trusting

_DEFAULT_REGION = "us-east-1"  # what stores with one region only call it


class ObjectAccess(BaseModel):
    """How to reach a bucket."""

    protocol: Literal["s3", "swift"] = Field(
        default="s3", title="Protocol", description="s3, which most object stores speak, or swift for OpenStack Swift's own."
    )
    endpoint: str = Field(
        default="",
        title="Endpoint",
        description="The URL of the store; empty for Amazon's own. With swift, of its authentication, version 1.",
    )
    region: str = Field(
        default="", title="Region", description="Where the bucket is, such as eu-central-1, if the store has several."
    )
    access_key: str = Field(
        default="",
        title="Access key",
        description="Its id, or Swift's user, such as project:user. If empty, and without credentials, s3 uses what this machine "
        "has for Amazon's tools.",
    )
    secret_key: SecretStr | None = Field(
        default=None, title="Secret key", description="The secret that belongs to the access key."
    )
    session_token: SecretStr | None = Field(
        default=None, title="Session token", description="For access keys that hold for some hours only."
    )
    credentials: EC2Credentials | OpenStackCredentials | None = Field(
        default=None,
        title="Credentials",
        description="In the place of an access key: those of EC2 for s3, those of OpenStack for swift.",
    )
    authority_file: str = Field(
        default="", title="Certificate authority", description="The certificates by which the store's own one is verified."
    )
    addressing: Literal["path", "virtual"] = Field(
        default="path",
        title="Addressing",
        description="With an endpoint: whether it takes the bucket in the path of a URL, as most stores do, or (virtual) before "
        "the name of its host. Amazon's own is always asked the second way.",
    )

    direct: bool = Field(
        default=False,
        title="Direct",
        description="Let hosts send and fetch large files themselves, by addresses that are signed for an hour; they need curl "
        "and network for it.",
    )

    @property
    def wanted_secrets(self) -> list[str]:
        """The settings, all of them secrets, without which those that are given are of no use."""
        return ["secret_key"] if self.access_key else []

    def object_store(self, bucket: str) -> ObjectStore:
        """A bucket of the store. Nothing is sent before it is first asked for something.

        Raises:
            InvalidRequest: the settings don't hang together, each reason being told.
        """
        problems = [*self._mistakes(bucket), *self._mistakes_about_who()]
        if problems:
            raise InvalidRequest(*problems)
        return self._s3(bucket) if self.protocol == "s3" else self._swift(bucket)

    def _mistakes(self, bucket: str) -> list[str]:
        found: list[str] = []
        if not bucket or "/" in bucket:
            found.append(f"bucket: name the bucket, or the container, without a '/' (got {bucket!r})")
        try:
            address = urlsplit(self.endpoint)
            is_url = address.scheme in {"http", "https"} and bool(address.hostname) and address.port != 0
            if address.username or address.password:
                found.append("endpoint: leave the user and password out of the URL; they have settings of their own")
        except ValueError:  # its port, or a bracket
            is_url = False
        if self.endpoint and not is_url:
            found.append(f"endpoint: must be a URL such as https://objects.example.org (got {self.endpoint!r})")
        if self.authority_file:
            try:
                trusting(self.authority_file)
            except InvalidRequest as error:
                found += error.problems
        return found

    def _mistakes_about_who(self) -> list[str]:
        found: list[str] = []
        if self.access_key and self.credentials is not None:
            found.append("access_key: give either an access key or credentials, not both")
        if self.access_key and self.secret_key is None:
            found.append("secret_key: the access key is of no use without its secret; give it too")
        if not self.access_key and (self.secret_key is not None or self.session_token is not None):
            found.append("access_key: a secret is of no use without its access key; give it too")
        if self.protocol == "s3":
            if self.direct and not self.endpoint and not self._region():
                found.append("region: with direct, name the region of the bucket, for which addresses are signed")
            if isinstance(self.credentials, OpenStackCredentials):
                found.append("credentials: those of OpenStack are for protocol=swift; give those of EC2, or an access key")
            return found
        return [*found, *self._mistakes_about_swift()]

    def _mistakes_about_swift(self) -> list[str]:
        found: list[str] = []
        if isinstance(self.credentials, EC2Credentials):
            found.append("credentials: those of EC2 are for protocol=s3; give those of OpenStack, or a user as access_key")
        if self.direct:
            found.append("direct: only protocol=s3 has signed addresses; leave it out")
        if self.addressing == "virtual":
            found.append("addressing: only protocol=s3 has several; leave it out")
        if self.session_token is not None:
            found.append("session_token: only protocol=s3 has such; leave it out")
        if self.credentials is None and not self.access_key:
            found.append("access_key: name Swift's user, such as project:user, or give credentials")
        if self.credentials is None and not self.endpoint:
            found.append("endpoint: give the URL of Swift's authentication, such as https://swift.example.org/auth/v1.0")
        if self.credentials is not None and self.endpoint:
            found.append("endpoint: leave it out; Keystone knows where the object store is")
        return found

    def _s3(self, bucket: str) -> ObjectStore:
        from blocks.storage.object_s3 import S3Store  # takes a while to import
        from blocks.storage.object_s3_client import S3Client

        login: dict[str, Any] = {}
        if self.credentials is not None and isinstance(self.credentials, EC2Credentials):
            key, secret, token = self.credentials.login()
            login = _login(key, secret, token)
        elif self.access_key and self.secret_key is not None:
            login = _login(self.access_key, self.secret_key, self.session_token)
        region = self._region()
        if self.endpoint:
            login["endpoint_url"] = self.endpoint
            region = region or _DEFAULT_REGION
        if region:
            login["region_name"] = region
        if self.authority_file:
            login["verify"] = str(Path(self.authority_file).expanduser())
        addressing = self.addressing if self.endpoint else "virtual"  # in signed addresses, with the region
        return S3Store(S3Client(self.endpoint or "Amazon S3", bucket, addressing, **login))

    def _region(self) -> str:
        given = self.region or (self.credentials.region if self.credentials is not None else "")
        return given or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or ""

    def _swift(self, bucket: str) -> ObjectStore:
        from blocks.storage.object_swift import SwiftStore
        from blocks.storage.object_swift_client import SwiftClient, log_in_by_key, log_in_by_keystone

        trusted = str(Path(self.authority_file).expanduser()) if self.authority_file else ""
        if isinstance(self.credentials, OpenStackCredentials):
            login = self.credentials.login()
            client = SwiftClient(
                f"Swift of {login.place}", log_in_by_keystone(login, self.region), trusted or login.authority_file
            )
        else:
            secret = self.secret_key or SecretStr("")
            client = SwiftClient(self.endpoint, log_in_by_key(self.endpoint, self.access_key, secret), trusted)
        return SwiftStore(client, bucket)


def _login(key: str, secret: SecretStr, token: SecretStr | None) -> dict[str, Any]:
    given = {"aws_access_key_id": key, "aws_secret_access_key": secret.get_secret_value()}
    return given | ({"aws_session_token": token.get_secret_value()} if token is not None else {})
