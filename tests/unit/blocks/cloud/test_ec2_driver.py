"""Where EC2 is, in which words requests are signed for it."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

import pytest
from pydantic import SecretStr

from blocks.cloud import ec2_launch
from blocks.cloud.calls import Account
from blocks.cloud.ec2_driver import AccessKey, EC2Place
from blocks.cloud.machine import Wish
from blocks.cloud.provider import MachineOrder
from blocks.errors import InvalidRequest, Refused, Unreachable

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


def an_order(**wish: Any) -> MachineOrder:
    asked = Wish(**{"image": "ami-1", "size": "t3.small", **wish})
    return MachineOrder("c0ffee", "machine-1", {"chiminey-run": "c0ffee"}, "#cloud-config\nBEGIN OPENSSH PRIVATE KEY\n", asked)


def test_what_a_machine_is_told_is_in_no_url(monkeypatch: pytest.MonkeyPatch) -> None:
    place = EC2Place.of("eu-central-2", "")
    requests: list[Any] = []

    def send(request: Any, **_: Any) -> Any:
        requests.append(request)
        raise ConnectionError

    driver = place.driver(KEY)
    driver.connection.connection.session.send = send
    monkeypatch.setattr("blocks.patience.DOUBT", 0.0)
    with pytest.raises(Unreachable):
        ec2_launch.launch(Account(place.name, lambda: driver), ec2_launch.order(an_order(), "ami-1"))

    assert requests[0].method == "POST"
    assert requests[0].url == "https://ec2.eu-central-2.amazonaws.com/"
    form = dict(parse_qsl(requests[0].body))
    assert (form["Action"], form["ImageId"]) == ("RunInstances", "ami-1")
    assert "PRIVATE KEY" in base64.b64decode(form["UserData"]).decode()
    assert (form["TagSpecification.1.ResourceType"], form["TagSpecification.2.ResourceType"]) == ("instance", "volume")


def test_more_than_ec2_takes_is_told_before_it_is_asked() -> None:
    with pytest.raises(Refused, match=r"user_data: EC2 takes 16384 bytes, .* it has 17000"):
        ec2_launch.order(replace(an_order(), user_data="x" * 17_000), "ami-1")


def test_a_machine_without_a_public_address_has_none_whatever_its_subnet_does() -> None:
    placed = ec2_launch.in_subnet("subnet-1", ["sg-1", "sg-2"], has_public_address=False)
    assert placed["NetworkInterface.1.AssociatePublicIpAddress"] == "false"
    assert placed["NetworkInterface.1.SecurityGroupId.2"] == "sg-2"


def test_without_a_network_groups_that_are_named_are_those_of_the_accounts_own() -> None:
    assert ec2_launch.in_the_accounts_network(["default", "sg-1", "ours"]) == {
        "SecurityGroupId.1": "sg-1",
        "SecurityGroup.1": "default",
        "SecurityGroup.2": "ours",
    }
