"""Resources that were saved, also in the Prefect UI, which checks nothing and knows no other kinds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import BlockDocumentCreate, BlockDocumentUpdate

from blocks.compute import UnixCompute
from blocks.errors import InvalidRequest, NotFound
from blocks.storage import SFTPStorage
from flows import resources

pytestmark = pytest.mark.prefect


@pytest.fixture
def client(embedded_server: None) -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as client:
        yield client


def damage(client: SyncPrefectClient, name: str) -> None:
    """Empty its list of hosts, as the UI does without a word."""
    document = client.read_block_document_by_name(name, "unix-compute", include_secrets=True)
    settings = BlockDocumentUpdate(data={**document.data, "hosts": []}, merge_existing_data=False)
    client.update_block_document(document.id, settings)


def test_one_that_can_not_be_used_is_named_with_the_reason_and_is_in_nobodys_way(client: SyncPrefectClient) -> None:
    resources.save("sound", UnixCompute(hosts=["a.example"]))
    resources.save("unsound", UnixCompute(hosts=["b.example"]))
    damage(client, "unsound")
    assert {"sound", "unsound"} <= {resource.name for resource in resources.saved()}
    assert resources.load_compute("sound") == resources.find("sound")
    with pytest.raises(InvalidRequest, match=r"'unsound' can't be used: hosts: .*resource add unix unsound"):
        resources.load_compute("unsound")
    resources.save("unsound", UnixCompute(hosts=["c.example"]))
    assert resources.load_compute("unsound").hosts_for(1)[0].address == "c.example"
    resources.remove("unsound")
    resources.remove("sound")


def test_a_compute_and_a_storage_resource_of_one_name_are_told_apart_by_what_they_are_for(client: SyncPrefectClient) -> None:
    resources.save("twin", UnixCompute(hosts=["a.example"]))
    storage = SFTPStorage(host="a.example", path="/data")
    type(storage).register_type_and_schema(_sync=True)  # pyright: ignore[reportCallIssue]
    kind = client.read_block_type_by_slug(SFTPStorage.get_block_type_slug())
    schema = client.get_most_recent_block_schema_for_block_type(kind.id)
    assert schema is not None
    document = BlockDocumentCreate(
        name="twin", data={"host": "a.example", "path": "/data"}, block_type_id=kind.id, block_schema_id=schema.id
    )
    made = client.create_block_document(document)

    assert isinstance(resources.load_compute("twin"), UnixCompute)
    assert isinstance(resources.load_location("twin/results")[0], SFTPStorage)
    with pytest.raises(InvalidRequest, match="'twin' is a unix and a sftp resource"):
        resources.find("twin")
    client.delete_block_document(made.id)
    resources.remove("twin")
    with pytest.raises(NotFound, match="'twin'"):
        resources.find("twin")


@pytest.mark.parametrize(
    ("kind", "first"),
    [
        ("unix", ["hosts", "slots", "scratch", "lost_after", "username"]),
        ("slurm", ["host", "at_once", "scratch"]),
        ("sftp", ["host", "path", "username"]),
        ("ec2", ["access_key", "secret_key"]),
        ("cloud", ["credentials", "image", "size", "minimum", "maximum"]),
        ("hadoop", ["host", "hadoop_home"]),
        ("object", ["bucket", "path", "protocol", "endpoint"]),
        ("dataverse", ["dataverse", "contact", "subject", "url", "token"]),
    ],
)
def test_the_form_of_a_resource_begins_with_its_own_settings(client: SyncPrefectClient, kind: str, first: list[str]) -> None:
    block = resources.kinds()[kind]
    block.register_type_and_schema(_sync=True)  # pyright: ignore[reportCallIssue]
    known = client.read_block_type_by_slug(block.get_block_type_slug())
    schema = client.get_most_recent_block_schema_for_block_type(known.id)
    assert schema is not None
    fields = schema.fields["properties"]
    shown = sorted(fields, key=lambda name: fields[name]["position"])
    assert shown[: len(first)] == first
    assert shown == block.settings()
    assert sorted(shown) == sorted(block.model_fields)
