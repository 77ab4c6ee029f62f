"""SFTPStorage: the contract, on a server without a shell, and what is particular to SFTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from blocks.errors import CommandFailed, ResourceError, Unreachable
from blocks.storage import SFTPStorage
from blocks.tree import Entry, file
from tests.servers.farm import Farm
from tests.servers.sshd import SSHD
from tests.storage_contract import StorageContract, Zeros

pytestmark = pytest.mark.ssh


@pytest.fixture(scope="module")
def host(namespaces: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SSHD]:
    farm = Farm(tmp_path_factory.mktemp("sftp"), first=60)
    yield farm(1, config="ForceCommand internal-sftp")[0]
    farm.stop()


@pytest.fixture
def storage(host: SSHD) -> Iterator[SFTPStorage]:
    host.reset()
    storage = storage_on(host)
    yield storage
    storage.close()


def storage_on(host: SSHD, path: str = "base") -> SFTPStorage:
    return SFTPStorage(
        host=f"{host.address}:{host.port}",
        username=host.user,
        private_key_file=str(host.private_key),
        known_hosts=str(host.known_hosts),
        use_agent=False,
        config_file="/dev/null",
        path=path,
    )


class TestSFTPStorage(StorageContract):
    pass


def test_a_path_says_where_it_is(host: SSHD) -> None:
    where = f"sftp://lab@{host.address}:{host.port}"
    assert storage_on(host, ".").describe() == f"{where}/~"
    assert storage_on(host, ".").describe("a/b") == f"{where}/~/a/b"
    assert storage_on(host, "~/x").describe("a") == f"{where}/~/x/a"
    assert storage_on(host, "/data/").describe("a") == f"{where}/data/a"


def test_the_base_folder_is_made(host: SSHD) -> None:
    storage = storage_on(host, "made/when/needed")
    storage.write("x", b"1")
    assert (host.home / "made/when/needed/x").read_bytes() == b"1"
    storage.close()


def test_a_full_disk_is_named_and_left_clean(farm: Farm) -> None:
    host = farm(1)[0]
    host.limit_home(2_000_000)
    storage = storage_on(host)
    with pytest.raises(CommandFailed, match="disk"):
        storage.store("big", [Entry("zeros", "file", size=20_000_000, content=Zeros())])
    assert storage.list("") == []
    with pytest.raises(CommandFailed, match="disk"):
        storage.store("many", [file(f"{number}", bytes(100_000)) for number in range(100)])
    assert "many" not in storage.list("")
    storage.close()


def test_no_permission_is_named(host: SSHD) -> None:
    storage = storage_on(host, "/root/x")
    with pytest.raises(CommandFailed, match="permission"):
        storage.write("x", b"")
    storage.close()


def test_a_broken_connection_is_unreachable_and_mends(host: SSHD, storage: SFTPStorage) -> None:
    def cut() -> Iterator[Entry]:
        yield file("a", b"")
        host.kill_sessions()
        for number in range(1000):
            yield file(f"b{number}", b"")

    with pytest.raises(Unreachable):
        storage.store("t", cut())
    storage.write("x", b"again")
    assert storage.read("x") == b"again"
    assert storage.list("") == ["x"]


def test_a_wrong_key_is_refused_clearly(host: SSHD) -> None:
    storage = storage_on(host).model_copy(update={"private_key_file": "/nowhere"})
    with pytest.raises(ResourceError):
        storage.check()
