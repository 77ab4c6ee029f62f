"""Credentials that cloud resources refer to: kept once, and never a secret of theirs anywhere else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest
from prefect.blocks.core import Block
from prefect.client.orchestration import SyncPrefectClient, get_client
from pydantic import SecretStr

from blocks.compute import CloudCompute, UnixCompute
from blocks.credentials import CloudCredentials, EC2Credentials, LibcloudCredentials, OpenStackCredentials
from blocks.errors import InvalidRequest
from blocks.storage import ObjectStorage
from flows import references, resources

pytestmark = pytest.mark.prefect

SECRET = SecretStr("Open-Sesame-1")
ACCOUNTS: list[CloudCredentials] = [
    EC2Credentials(access_key="AKIA", secret_key=SECRET, region="eu-central-1"),
    EC2Credentials(profile="work"),
    OpenStackCredentials(auth_url="https://cloud.example:5000/v3", username="me", password=SECRET, project="lab"),
    OpenStackCredentials(cloud="campus"),
    LibcloudCredentials(provider_name="digitalocean", secret=SECRET, options={"region": "fra1"}),
]


def machines(credentials: CloudCredentials, **settings: Any) -> CloudCompute:
    return CloudCompute(credentials=cast(Any, credentials), image="debian-12", size="small", **settings)


def in_a_bucket(credentials: CloudCredentials) -> ObjectStorage:
    return ObjectStorage(bucket="results", credentials=cast(Any, credentials))


def saved(name: str, resource: Any) -> Any:
    resources.save(name, resource)
    return resource


@pytest.fixture
def client(embedded_server: None) -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as client:
        yield client
    for kind in (CloudCompute, CloudCredentials, UnixCompute):
        for resource in resources.saved():
            if issubclass(resources.kinds()[resource.kind], kind):
                resources.remove(resource.name)


@pytest.mark.parametrize("account", ACCOUNTS, ids=lambda account: account.describe())
def test_a_loaded_cloud_resource_has_the_credentials_that_it_was_saved_with(
    client: SyncPrefectClient, account: CloudCredentials
) -> None:
    saved("account", account)
    saved("vms", machines(resources.load_credentials("account")))
    (document,) = (each.document for each in resources.saved() if each.name == "vms")

    for loaded in (resources.load_compute("vms"), Block.load_from_ref(document.id, _sync=True)):  # pyright: ignore[reportCallIssue]
        found = cast(CloudCompute, loaded).credentials
        assert type(found) is type(account)
        assert dict(found) == dict(account)
        assert found.saved_name == "account"


def test_a_new_secret_holds_for_every_resource_that_uses_the_credentials(client: SyncPrefectClient) -> None:
    saved("aws", EC2Credentials(access_key="AKIA", secret_key=SecretStr("old")))
    saved("vms", machines(resources.load_credentials("aws")))
    saved("vms", resources.load_compute("vms"))

    saved("aws", EC2Credentials(access_key="AKIA", secret_key=SecretStr("new")))

    found = cast(CloudCompute, resources.load_compute("vms")).credentials
    assert cast(EC2Credentials, found).secret_key == SecretStr("new")


def test_a_run_refers_to_what_is_saved_and_keeps_no_secret(client: SyncPrefectClient) -> None:
    saved("aws", EC2Credentials(access_key="AKIA", secret_key=SECRET))
    unsaved = machines(resources.load_credentials("aws"))
    with pytest.raises(InvalidRequest, match="must be saved before it is used"):
        references.reference(unsaved)

    reference = references.reference(saved("vms", unsaved))
    assert (reference.name, reference.settings) == ("vms", {})
    with pytest.raises(InvalidRequest, match="must be saved before it is used"):
        references.reference(machines(OpenStackCredentials(cloud="campus"), key_seed=SECRET))


def test_a_resource_without_secrets_need_not_be_saved(client: SyncPrefectClient) -> None:
    for account in (EC2Credentials(profile="work"), OpenStackCredentials(cloud="campus"), LibcloudCredentials(provider_name="x")):
        reference = references.reference(machines(account, maximum=3))
        found = references.load(reference, CloudCompute)
        assert (type(found.credentials), found.maximum) == (type(account), 3)
        assert references.reference(found) == reference


def test_credentials_run_nothing_and_store_nothing(client: SyncPrefectClient) -> None:
    saved("campus", OpenStackCredentials(cloud="campus"))
    saved("lab", UnixCompute(hosts=["a.example"]))
    with pytest.raises(InvalidRequest, match=r"^'campus' is the credentials of an account; tasks can't run there$"):
        resources.load_compute("campus")
    with pytest.raises(InvalidRequest, match="'campus' is the credentials of an account; a location starts with"):
        resources.load_location("campus/results")
    with pytest.raises(InvalidRequest, match=r"^'lab' is a compute resource; machines can't be made with it$"):
        resources.load_credentials("lab")


def test_credentials_stay_while_they_are_used(client: SyncPrefectClient) -> None:
    saved("campus", OpenStackCredentials(cloud="campus"))
    for name in ("large", "small"):
        saved(name, machines(resources.load_credentials("campus")))
    with pytest.raises(InvalidRequest, match="'campus' is used by large and small, and stays"):
        resources.remove("campus")
    for name in ("large", "small", "campus"):
        resources.remove(name)
    assert not {"large", "small", "campus"} & {resource.name for resource in resources.saved()}


@pytest.mark.parametrize("kind", [machines, in_a_bucket])
def test_a_resource_whose_credentials_are_gone_says_so_and_uses_no_others(client: SyncPrefectClient, kind: Any) -> None:
    """The Prefect UI removes what is used without a word."""
    saved("aws", EC2Credentials(access_key="AKIA", secret_key=SECRET))
    block = saved("theirs", kind(resources.load_credentials("aws")))
    documents = {each.name: each.document for each in resources.saved()}
    client.delete_block_document(documents["aws"].id)

    told = rf"the credentials of this {block.kind} resource are gone; save it anew with: .* {block.kind} .*credentials="
    with pytest.raises(InvalidRequest, match=f"the resource 'theirs' can't be used: {told}"):
        resources.find("theirs")
    with pytest.raises(InvalidRequest, match=told):
        Block.load_from_ref(documents["theirs"].id, _sync=True)  # pyright: ignore[reportCallIssue] -- as for a run of the UI
    type(block).delete("theirs", _sync=True)


def test_settings_of_others_are_refused() -> None:
    with pytest.raises(ValueError, match="ec2 credentials have no cloud and no regoin"):
        EC2Credentials(regoin="eu-central-1", cloud="campus")  # pyright: ignore[reportCallIssue]
