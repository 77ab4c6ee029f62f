"""What is said of an account at EC2 without asking it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest
from libcloud.common.types import InvalidCredsError
from pydantic import SecretStr

from blocks.cloud import own_address
from blocks.cloud.calls import Account
from blocks.cloud.ec2_driver import EC2Place
from blocks.cloud.ec2_group import EC2Group
from blocks.cloud.machine import Wish
from blocks.credentials import EC2Credentials
from blocks.errors import AuthenticationRefused, Refused


def test_amazon_is_not_asked_for_a_quota_that_has_no_meaning_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = EC2Credentials(access_key="AKIA1", secret_key=SecretStr("secret"), region="eu-central-2").provider()
    monkeypatch.setattr("blocks.cloud.ec2.query", lambda *_: pytest.fail("it was asked"))

    assert provider.quota() is None


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Whom this machine looked at to know its own address."""
    asked: list[str] = []

    def look(host: str, _port: int) -> str:
        asked.append(host)
        return "10.0.0.5/32"

    monkeypatch.setattr(own_address, "towards", look)
    monkeypatch.setattr(own_address, "beside", look)
    monkeypatch.setattr(own_address, "on_the_internet", lambda: look("the internet", 443))
    return asked


@pytest.fixture
def rules(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The networks that groups let in."""
    networks: list[str] = []

    def answer(_account: Any, _action: str, parameters: dict[str, str]) -> Any:
        networks.extend(value for name, value in parameters.items() if name.endswith("CidrIp"))
        return ElementTree.fromstring("<Response><groupId>sg-1</groupId></Response>")

    monkeypatch.setattr("blocks.cloud.ec2_group.query", answer)
    return networks


AMAZON, OTHER = EC2Place.of("eu-central-1", ""), EC2Place.of("lab", "https://ec2.example.org/")


@pytest.mark.parametrize(
    ("place", "settings", "seen_from"),
    [
        (AMAZON, {}, "the internet"),
        (AMAZON, {"private_address": True, "network": "lab"}, "10.0.3.1"),
        (AMAZON, {"private_address": True}, "ec2.eu-central-1.amazonaws.com"),
        (OTHER, {}, "ec2.example.org"),
    ],
)
def test_the_group_of_a_run_lets_in_this_machine_as_machines_see_it(
    told: list[str], rules: list[str], place: EC2Place, settings: dict[str, Any], seen_from: str
) -> None:
    wish = Wish("image", "size", **settings)
    subnet = SimpleNamespace(extra={"vpc_id": "vpc-1", "cidr_block": "10.0.3.0/24"}) if wish.network else None
    catalogue: Any = SimpleNamespace(subnet=lambda _: subnet)
    account: Any = SimpleNamespace(name="EC2")

    EC2Group(account, catalogue, place).make("1f2e", {}, wish)

    assert told == [seen_from]
    assert rules == ["10.0.0.5/32"]


def test_credentials_are_tried_also_where_there_is_no_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise AuthenticationRefused("EC2 does not accept the credentials")

    monkeypatch.setattr("blocks.cloud.calls.Account.ask", refused)
    with pytest.raises(AuthenticationRefused):
        EC2Credentials(access_key="AKIA1", secret_key=SecretStr("wrong"), region="eu-central-2").check()


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("AuthFailure: Not authorized for images: [ami-1]", Refused),
        ("OptInRequired: In order to use this AWS Marketplace product you need to accept terms", Refused),
        ("AuthFailure: AWS was not able to validate the provided access credentials", AuthenticationRefused),
    ],
)
def test_what_is_refused_of_an_image_is_no_word_on_the_credentials(words: str, kind: type[Exception]) -> None:
    account = Account("EC2", lambda: None)

    def fail(_driver: object) -> None:
        raise InvalidCredsError(words)

    with pytest.raises(kind, match=words.partition(":")[0]):
        account.carry_out(fail)
