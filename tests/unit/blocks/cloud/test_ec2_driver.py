"""Where EC2 is, in which words requests are signed for it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr

from blocks.cloud.ec2_driver import AccessKey, EC2Place
from blocks.errors import InvalidRequest

KEY = AccessKey("AKIA1", SecretStr("secret"))


def sent(place: EC2Place) -> Any:
    """A request of the driver, which goes nowhere."""
    driver = place.driver(KEY)
    requests: list[Any] = []

    def send(request: Any, **_: Any) -> Any:
        requests.append(request)
        raise ConnectionError

    driver.connection.connection.session.send = send
    with pytest.raises(ConnectionError):
        driver.list_key_pairs()
    return requests[0]


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("us-east-1", "ec2.us-east-1.amazonaws.com"),
        ("eu-central-2", "ec2.eu-central-2.amazonaws.com"),
        ("us-gov-east-1", "ec2.us-gov-east-1.amazonaws.com"),
        ("ap-southeast-7", "ec2.ap-southeast-7.amazonaws.com"),
        ("cn-north-1", "ec2.cn-north-1.amazonaws.com.cn"),
    ],
)
def test_every_region_of_amazons_has_its_host_and_requests_are_signed_for_it(region: str, host: str) -> None:
    request = sent(EC2Place.of(region, ""))

    assert request.url.startswith(f"https://{host}/?")
    _, _, scope = request.headers["Authorization"].partition("Credential=AKIA1/")
    assert scope.split("/")[1:3] == [region, "ec2"]


def test_other_clouds_have_regions_of_any_name() -> None:
    request = sent(EC2Place.of("Melbourne", "https://ec2.example.org:8773/services/Cloud"))

    assert request.url.startswith("https://ec2.example.org:8773/services/Cloud?")
    assert "/Melbourne/ec2/" in request.headers["Authorization"]


def test_a_region_that_there_is_not_is_told_with_one_that_is_near() -> None:
    with pytest.raises(InvalidRequest, match="there is no region 'eu-centrall-2'; did you mean 'eu-central-2'"):
        EC2Place.of("eu-centrall-2", "")


def test_an_endpoint_that_is_no_url_is_told() -> None:
    with pytest.raises(InvalidRequest, match=r"the endpoint 'ec2\.example\.org' is no URL"):
        EC2Place.of("lab", "ec2.example.org")
