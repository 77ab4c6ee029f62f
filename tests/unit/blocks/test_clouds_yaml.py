"""clouds.yaml, as OpenStack's own tools read it; what would be another login there is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from blocks.cloud.openstack_login import OpenStackLogin, Reference
from blocks.credentials import OpenStackCredentials
from blocks.errors import InvalidRequest

AUTH = {"auth_url": "https://cloud.example:5000/v3", "username": "me", "password": "secret", "project_name": "lab"}


@pytest.fixture
def login(tmp_path: Path) -> Any:
    """How to log in to the one cloud of a file, with settings of the credentials."""

    def read(auth: dict[str, Any] = AUTH, region: str = "", **entry: Any) -> OpenStackLogin:
        file = tmp_path / "clouds.yaml"
        file.write_text(yaml.safe_dump({"clouds": {"campus": {"auth": auth, **entry}}}))
        return OpenStackCredentials(cloud="campus", clouds_file=str(file), region=region).login()

    return read


def test_without_domains_both_are_the_one_that_every_cloud_has(login: Any) -> None:
    assert (login().user_domain, login().project_domain) == (Reference(name="Default"), Reference(id="default"))


def test_domains_are_those_of_user_and_project_or_of_both(login: Any) -> None:
    both = login(AUTH | {"domain_id": "a1"})
    assert (both.user_domain, both.project_domain) == (Reference(id="a1"), Reference(id="a1"))
    each = login(AUTH | {"user_domain_id": "a1", "project_domain_name": "labs"})
    assert (each.user_domain, each.project_domain) == (Reference(id="a1"), Reference(name="labs"))


def test_a_project_may_be_named_by_its_id_alone(login: Any) -> None:
    auth = {name: value for name, value in AUTH.items() if name != "project_name"}
    assert login(auth | {"project_id": "0815"}).project == Reference(id="0815")


@pytest.mark.parametrize(
    "entry", [{"regions": ["north"]}, {"regions": [{"name": "north", "values": {}}]}, {"region_name": "north"}]
)
def test_the_only_region_is_taken(login: Any, entry: dict[str, Any]) -> None:
    assert login(**entry).region == "north"


def test_of_several_regions_one_has_to_be_set(login: Any) -> None:
    with pytest.raises(InvalidRequest, match="has several regions; set region to one of them: north, south"):
        login(regions=["north", "south"])
    assert login(regions=["north", "south"], region="south").region == "south"


def test_certificates_and_interface_are_as_it_says(login: Any) -> None:
    told = login(cacert="/etc/own.pem", interface="internalURL")
    assert (told.authority_file, told.interface, told.verifies) == ("/etc/own.pem", "internal", True)
    assert not login(verify=False).verifies


@pytest.mark.parametrize(
    ("auth", "entry", "told"),
    [
        ({}, {"auth_type": "v3oidcpassword"}, "has the auth_type v3oidcpassword, which is not known here"),
        ({}, {"profile": "vexxhost"}, "has the profile vexxhost, which is not known here"),
        ({}, {"identity_api_version": 2}, "has an identity_api_version other than 3"),
        ({"trust_id": "1"}, {}, "has trust_id in auth, which is not known here"),
        ({"auth_url": None, "password": None}, {}, "has no auth_url and no password"),
        ({"application_credential_name": "c", "application_credential_secret": "s", "username": None}, {}, "has no username"),
    ],
)
def test_what_is_missing_or_means_something_else_is_told_by_its_name(
    login: Any, auth: dict[str, Any], entry: dict[str, Any], told: str
) -> None:
    with pytest.raises(InvalidRequest, match=told) as refusal:
        login(AUTH | auth, **entry)
    assert "secret," not in str(refusal.value)
