"""Libcloud's driver for EC2, for every region of Amazon's, and for clouds that speak its protocol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

from libcloud.compute.providers import get_driver
from libcloud.compute.types import Provider as Driver
from pydantic import SecretStr

from blocks.cloud.calls import TIMEOUT
from blocks.errors import InvalidRequest
from blocks.mistakes import suggestion

_KNOWN = "us-east-1"  # to libcloud, which does not know the newer ones


@dataclass(frozen=True, slots=True)
class AccessKey:
    """Who somebody is to EC2."""

    id: str
    secret: SecretStr
    token: SecretStr | None = None  # of keys that hold for some hours only


@dataclass(frozen=True, slots=True)
class EC2Place:
    """Where an API is."""

    name: str  # for people
    region: str
    host: str
    port: int = 443
    is_secure: bool = True
    path: str = "/"
    is_amazons: bool = True

    @classmethod
    def of(cls, region: str, endpoint: str) -> EC2Place:
        """Amazon's in a region, or where the endpoint is, if one is given.

        Raises:
            InvalidRequest: there is no such region, or the endpoint is no URL.
        """
        return _elsewhere(region, endpoint) if endpoint else EC2Place(f"EC2 in {region}", region, _amazons(region))

    def driver(self, key: AccessKey) -> Any:
        """A driver that signs for the region."""
        kind: Any = get_driver(Driver.EC2)
        driver = kind(
            key.id,
            key.secret.get_secret_value(),
            region=_KNOWN,
            token=key.token.get_secret_value() if key.token else None,
            signature_version="4",
            timeout=TIMEOUT,
            host=self.host,
            port=self.port,
            secure=self.is_secure,
        )
        driver.region_name, driver.path = self.region, self.path
        return driver


def _elsewhere(region: str, endpoint: str) -> EC2Place:
    place = urlsplit(endpoint)
    if place.scheme not in ("http", "https") or not place.hostname:
        raise InvalidRequest(f"the endpoint {endpoint!r} is no URL, such as https://ec2.example.org:8773/")
    is_secure = place.scheme == "https"
    port = place.port or (443 if is_secure else 80)
    return EC2Place(f"EC2 at {place.netloc}", region, place.hostname, port, is_secure, place.path or "/", is_amazons=False)


def _amazons(region: str) -> str:
    """The host of a region, of whichever of Amazon's partitions."""
    import botocore.session  # pyright: ignore[reportMissingTypeStubs]

    partitions: list[Any] = cast(Any, botocore.session).get_session().get_data("endpoints")["partitions"]
    suffixes = {region: partition["dnsSuffix"] for partition in partitions for region in partition["regions"]}
    if region not in suffixes:
        raise InvalidRequest(f"there is no region {region!r}; {suggestion(region, 'region', sorted(suffixes))}")
    return f"ec2.{region}.{suffixes[region]}"
