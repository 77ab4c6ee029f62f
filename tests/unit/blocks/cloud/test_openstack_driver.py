"""Clouds that differ from the one that libcloud's driver was written on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import libcloud.security
import pytest
from libcloud.common.openstack_identity import OpenStackServiceCatalog
from pydantic import SecretStr

from blocks.cloud import openstack
from blocks.cloud.calls import Account
from blocks.cloud.openstack_login import OpenStackLogin, Reference
from blocks.cloud.openstack_network import addresses
from blocks.errors import InvalidRequest, Refused

SERVICES = {"compute": "nova-cells", "image": "Image Service", "network": ""}


def login(**settings: Any) -> OpenStackLogin:
    asked = {"user": Reference(name="me"), "project": Reference(name="lab")} | settings
    return OpenStackLogin("https://cloud.example:5000/v3", SecretStr("secret"), **asked)


def knowing(login: OpenStackLogin, regions: list[str], version: str = "") -> Any:
    """A driver that has read a catalogue, whose addresses have a version, or none."""
    catalogue = [
        {
            "type": kind,
            "name": name,
            "endpoints": [
                {"region": region, "interface": face, "url": f"https://{face}.{region}.example/{kind}{version}"}
                for region in regions
                for face in ("admin", "internal", "public")
            ],
        }
        for kind, name in SERVICES.items()
    ]
    driver = login.driver()
    for connection in (driver.connection, driver.image_connection, driver.network_connection):
        connection.service_catalog = OpenStackServiceCatalog(catalogue, "3.x_password")
    return driver


def test_services_are_found_by_their_types_whatever_they_are_called() -> None:
    driver = knowing(login(), ["Melbourne"])

    assert driver.connection.get_endpoint() == "https://public.Melbourne.example/compute"
    assert driver.image_connection.get_endpoint() == "https://public.Melbourne.example/image"
    assert driver.network_connection.get_endpoint() == "https://public.Melbourne.example/network"


@pytest.mark.parametrize("version", ["/v2", "/v2.0/"])
def test_a_version_that_libcloud_adds_itself_is_taken_off(version: str) -> None:
    driver = knowing(login(), ["Melbourne"], version)

    assert driver.connection.get_endpoint() == f"https://public.Melbourne.example/compute{version}"
    assert driver.image_connection.get_endpoint() == "https://public.Melbourne.example/image"
    assert driver.network_connection.get_endpoint() == "https://public.Melbourne.example/network"


def test_the_region_that_is_asked_for_is_taken_and_the_interface() -> None:
    driver = knowing(login(region="Sydney", interface="internal"), ["Melbourne", "Sydney"])

    assert driver.network_connection.get_endpoint() == "https://internal.Sydney.example/network"


def test_of_several_regions_one_has_to_be_chosen() -> None:
    with pytest.raises(InvalidRequest, match="several regions, choose one of them: Melbourne, Sydney"):
        knowing(login(), ["Sydney", "Melbourne"]).connection.get_endpoint()


def test_what_certificates_are_trusted_is_the_matter_of_one_login_alone() -> None:
    before = libcloud.security.CA_CERTS_PATH

    own, any_, plain = (login(**each).driver() for each in ({"authority_file": "/etc/own.pem"}, {"verifies": False}, {}))

    for part in ("connection", "image_connection", "network_connection"):
        assert getattr(own, part).connection.verification == "/etc/own.pem"
        assert getattr(any_, part).connection.verification is False
        assert getattr(plain, part).connection.verification is (before or True)
    keystone = own.connection.get_auth_class()
    keystone.connect()
    assert keystone.connection.verification == "/etc/own.pem"
    assert before == libcloud.security.CA_CERTS_PATH


def test_what_has_an_id_needs_no_domain() -> None:
    user = Reference(id="4711")

    assert login(user=user, project=Reference("0815", "lab")).words()["auth"] == {
        "identity": {"methods": ["password"], "password": {"user": {"id": "4711", "password": "secret"}}},
        "scope": {"project": {"id": "0815"}},
    }
    assert login(project_domain=Reference(name="labs")).words()["auth"]["scope"] == {
        "project": {"name": "lab", "domain": {"name": "labs"}}
    }


@pytest.mark.parametrize(
    ("words", "is_absent"),
    [
        ("Site: 404 Not Found The resource could not be found.", True),
        ("Site: 404 Not Found", True),
        ("Site: 409 Conflict Security Group 1a404bcd-2404-4404-8404-c404d404e404 in use.", False),
    ],
)
def test_what_is_in_use_is_not_absent_whatever_its_identifier_is(words: str, is_absent: bool) -> None:
    assert openstack._is_absent(Refused(words)) is is_absent  # pyright: ignore[reportPrivateUsage]


def test_a_site_without_floating_addresses_is_left_clean_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(_account: Account, call: Callable[[Any], Any]) -> Any:
        if call is addresses:
            raise Refused("Site: 404 Not Found The resource could not be found.")
        return []

    monkeypatch.setattr(Account, "carry_out", answer)
    monkeypatch.setattr(Account, "ask", lambda *_, **__: [])
    monkeypatch.setattr("blocks.cloud.openstack_group.OpenStackGroup.of", lambda *_: [])
    assert openstack.OpenStackProvider(login).remove_rest("c0ffee") == []
