"""ObjectStorage by credentials: of OpenStack, whose Keystone knows where Swift is, and of EC2 with a profile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from blocks.credentials import EC2Credentials, OpenStackCredentials
from blocks.errors import AuthenticationRefused, CommandFailed, InvalidRequest
from blocks.storage import ObjectStorage
from tests.servers.keystone import Keystone
from tests.servers.swift import Swift
from tests.storage.object_storages import by_s3, by_swift


@pytest.fixture
def keystone(swift: Swift) -> Iterator[Keystone]:
    keystone = Keystone(swift)
    yield keystone
    keystone.stop()


def credentials(keystone: Keystone, password: str = Keystone.password, region: str = Keystone.region) -> OpenStackCredentials:
    return OpenStackCredentials(
        auth_url=keystone.auth_url,
        username=keystone.user,
        password=SecretStr(password),
        project=keystone.project,
        region=region,
    )


def test_the_object_store_of_the_region_is_used_and_one_login_serves_many_requests(keystone: Keystone, swift: Swift) -> None:
    bucket = by_swift(swift).bucket
    storage = ObjectStorage(protocol="swift", bucket=bucket, credentials=credentials(keystone))
    storage.write("a/b", b"1")
    assert storage.check()
    assert storage.read("a/b") == b"1"
    assert keystone.logins == 1
    assert storage.describe("a/b") == f"swift://{bucket}/a/b"


def test_a_wrong_password_and_a_region_without_object_store_are_told(keystone: Keystone) -> None:
    wrong = ObjectStorage(protocol="swift", bucket="b", credentials=credentials(keystone, "Open-Sesame-1"))
    with pytest.raises(AuthenticationRefused) as told:
        wrong.list("")
    assert "Sesame" not in str(told.value)
    with pytest.raises(CommandFailed, match="no object store in the region west"):
        ObjectStorage(protocol="swift", bucket="b", region="west", credentials=credentials(keystone)).list("")


def test_a_profile_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    with pytest.raises(AuthenticationRefused, match=r"no profile no-such-profile .* AWS_PROFILE"):
        ObjectStorage(endpoint="https://objects.example.org", bucket="box").list("")


def test_the_authority_file_of_credentials_must_hold_certificates(keystone: Keystone, tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("my notes")
    known = credentials(keystone).model_copy(update={"authority_file": str(tmp_path / "notes")})
    with pytest.raises(InvalidRequest, match=r"authority_file: .*/notes has no certificate"):
        ObjectStorage(protocol="swift", bucket="box", credentials=known).list("")


def test_a_profile_of_amazons_tools_is_used(swift: Swift, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "credentials"
    file.write_text(f"[lab]\naws_access_key_id = {swift.user}\naws_secret_access_key = {swift.key}\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    made = by_s3(swift)
    storage = ObjectStorage(endpoint=made.endpoint, bucket=made.bucket, credentials=EC2Credentials(profile="lab"))
    storage.write("a", b"1")
    assert storage.read("a") == b"1"
