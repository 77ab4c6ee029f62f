"""SFTPStorage: the contract, on a server without a shell and on one with, and what is particular to SFTP."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import paramiko
import pytest
from paramiko import SFTPClient
from paramiko.sftp import CMD_READ
from pydantic import SecretStr

from blocks.errors import CommandFailed, HostKeyRefused, ResourceError, Unreachable
from blocks.storage import SFTPStorage
from blocks.storage.resource import INCOMING
from blocks.storage.sftp_sessions import AT_ONCE
from blocks.transport.ssh import SSHTransport
from blocks.tree import Entry, file
from tests.meanwhile import when
from tests.servers.farm import Farm
from tests.servers.plain_sftp import PlainSFTP
from tests.servers.sshd import SSHD
from tests.storage_contract import DAY, StorageContract, Zeros

pytestmark = pytest.mark.ssh


@pytest.fixture(scope="module")
def hosts(namespaces: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, SSHD]]:
    farm = Farm(tmp_path_factory.mktemp("sftp"), first=60)
    (plain,) = farm(1, config="ForceCommand internal-sftp")
    (shell,) = farm(1)
    yield {"without a shell": plain, "with a shell": shell}
    farm.stop()


@pytest.fixture(params=["without a shell", "with a shell"])
def host(request: pytest.FixtureRequest, hosts: dict[str, SSHD], monkeypatch: pytest.MonkeyPatch) -> SSHD:
    """One of them; where there is a shell, all but the first file of a tree are sent as a tar stream."""
    if request.param == "with a shell":
        monkeypatch.setattr("blocks.storage.sftp_landing.MANY", 2)
    hosts[request.param].reset()
    return hosts[request.param]


@pytest.fixture
def storage(host: SSHD) -> Iterator[SFTPStorage]:
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


def count_requests(patch: pytest.MonkeyPatch) -> list[object]:
    """What is asked of SFTP servers from now on, until the patch is undone."""
    requests = list[object]()
    asked = SFTPClient._async_request
    patch.setattr(SFTPClient, "_async_request", lambda self, *given: requests.append(given[1]) or asked(self, *given))
    return requests


class TestSFTPStorage(StorageContract):
    pass


def test_a_path_says_where_it_is(host: SSHD) -> None:
    where = f"sftp://lab@{host.address}:{host.port}"
    assert storage_on(host, ".").describe() == f"{where}/~"
    assert storage_on(host, ".").describe("a/b") == f"{where}/~/a/b"
    assert storage_on(host, "~/x").describe("a") == f"{where}/~/x/a"
    assert storage_on(host, "/data/").describe("a") == f"{where}/data/a"


def test_what_a_killed_writer_left_goes_and_what_had_made_room_for_it_comes_back(storage: SFTPStorage) -> None:
    storage.recover("run")
    storage.collect("run/output_0", [file("1/answer", b"new")])
    killed = f"{INCOMING}/killed"
    left = [file("new/1/answer", b"half"), file("old-1/answer", b"old"), file("old-2/answer", b"old")]
    storage.collect(f"run/output_0/{killed}", left)
    storage.collect(f"run/{killed}", [file("new/run.json", b"")])
    for others in (killed, f"another/{killed}", f"run/output_0/1/{killed}"):
        storage.collect(others, [file("new/1/answer", b"half")])

    storage.recover("run")
    assert storage.read("run/output_0/1/answer") == b"new"
    assert storage.read("run/output_0/2/answer") == b"old"
    assert not storage.exists(f"run/{INCOMING}")
    assert not storage.exists(f"run/output_0/{INCOMING}")
    assert all(storage.exists(f"{place}{killed}/new/1/answer") for place in ("", "another/", "run/output_0/1/"))


def test_a_leftover_that_can_not_be_removed_fails_nothing(storage: SFTPStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(_session: paramiko.SFTPClient, _path: object) -> None:
        raise OSError("Directory not empty")

    with monkeypatch.context() as nfs:
        nfs.setattr(paramiko.SFTPClient, "rmdir", busy)
        storage.store("t", [file("a", b"1")])
        storage.store("t", [file("a", b"2")])
    assert storage.list("") == ["t"]
    assert storage.read("t/a") == b"2"


def test_the_base_folder_is_made(host: SSHD) -> None:
    storage = storage_on(host, "made/when/needed")
    storage.write("x", b"1")
    assert (host.home / "made/when/needed/x").read_bytes() == b"1"
    storage.close()


@pytest.mark.parametrize("shell", [True, False])
def test_many_files_go_as_one_stream_where_there_is_a_shell(hosts: dict[str, SSHD], shell: bool) -> None:
    storage = storage_on(hosts["with a shell" if shell else "without a shell"])
    storage.write("warm", b"")
    commands = list[str]()
    opened = SSHTransport.open
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SSHTransport, "open", lambda self, script: commands.append(script) or opened(self, script))
        requests = count_requests(patch)
        for number in range(2):
            storage.store(f"many {number}", [file(f"{name % 7}/{name}", bytes(100)) for name in range(500)])
    assert len(storage.list("many 1/3")) == 71
    assert len(commands) == (2 if shell else 1)  # a server that has none is asked once
    assert (len(requests) < 1000) == shell
    storage.close()


def test_a_shell_that_stands_elsewhere_is_not_used(farm: Farm) -> None:
    (host,) = farm(1, sftp=False, config="Subsystem sftp internal-sftp -d /tmp\n")
    storage = storage_on(host)
    storage.store("many", [file(f"{number}", bytes(100)) for number in range(100)])
    assert len(storage.list("many")) == 100
    assert not (host.home / "base").exists()
    storage.close()


@contextmanager
def plain(folder: Path, **options: str) -> Generator[tuple[PlainSFTP, SFTPStorage]]:
    server = PlainSFTP(folder, **options)
    storage = SFTPStorage(
        host=server.address,
        username="lab",
        password=SecretStr("x"),
        host_keys=[server.host_key_line],
        use_agent=False,
        config_file="/dev/null",
    )
    yield server, storage
    storage.close()
    server.stop()


def test_a_server_that_takes_neither_permissions_nor_times_keeps_files_all_the_same(tmp_path: Path) -> None:
    with plain(tmp_path) as (server, storage):
        for content in (b"first", b"second"):
            files = (Entry(f"folder/{each}", "file", 0o600, DAY, len(content), content) for each in range(9))
            storage.store("tree", [Entry("folder", "folder", 0o750, DAY), *files])
            assert {path.read_bytes() for path in (tmp_path / "tree" / "folder").iterdir()} == {content}
        assert server.refused <= AT_ONCE  # those that were on their way when the first was refused


@pytest.mark.parametrize("version", ["plain", "OpenSSH_7.4"])
def test_no_part_of_a_large_file_is_asked_for_when_another_has_come(
    tmp_path: Path, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = os.urandom(6_000_000)
    (tmp_path / "large").write_bytes(content)
    waited = list[object]()
    asked = SFTPClient._request
    monkeypatch.setattr(SFTPClient, "_request", lambda self, kind, *given: waited.append(kind) or asked(self, kind, *given))
    with plain(tmp_path, version=version) as (_, storage):
        assert b"".join(block for entry in storage.tree("") for block in entry.blocks()) == content
    assert CMD_READ not in waited


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


def test_a_server_that_is_away_for_some_seconds_is_waited_for(host: SSHD, storage: SFTPStorage) -> None:
    storage.write("x", b"1")
    host.stop()
    time.sleep(1.0)  # so that the end of the connection has arrived
    when(lambda: storage.is_waited_for, host.start)
    storage.write("y", b"2")
    assert storage.list("") == ["x", "y"]
    assert not storage.is_waited_for


def test_a_server_that_was_never_there_is_doubted_soon(host: SSHD, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blocks.patience.DOUBT", 0.5)
    monkeypatch.setattr("blocks.patience.PATIENCE", 10_000.0)  # which is for servers that have answered before
    host.stop()
    storage = storage_on(host)
    with pytest.raises(Unreachable, match="refused the connection"):
        storage.list("")
    storage.close()


def test_a_server_that_comes_back_as_another_one_is_refused_at_once(
    host: SSHD, hosts: dict[str, SSHD], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blocks.patience.PATIENCE", 10_000.0)
    known_hosts = tmp_path / "known_hosts"
    shutil.copy(host.known_hosts, known_hosts)
    storage = storage_on(host).model_copy(update={"known_hosts": str(known_hosts)})
    storage.write("x", b"1")
    other = next(each for each in hosts.values() if each is not host).host_key_line.split()
    known_hosts.write_text(f"[{host.address}]:{host.port} {' '.join(other[1:])}\n")
    host.restart()
    with pytest.raises(HostKeyRefused):
        storage.list("")
    storage.close()


def test_a_server_that_goes_away_is_unreachable_and_mends(
    host: SSHD, storage: SFTPStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that only lost the connection between two requests would be asked anew, and nobody would notice."""
    monkeypatch.setattr("blocks.patience.PATIENCE", 0.0)
    monkeypatch.setattr("blocks.patience.DOUBT", 0.0)

    def cut() -> Iterator[Entry]:
        yield file("a", b"")
        host.stop()
        for number in range(1000):
            yield file(f"b{number}", b"")

    with pytest.raises(Unreachable):
        storage.store("t", cut())
    host.start()
    storage.write("x", b"again")
    assert storage.read("x") == b"again"
    assert storage.list("") == ["x"]


def test_a_wrong_key_is_refused_clearly(host: SSHD) -> None:
    storage = storage_on(host).model_copy(update={"private_key_file": "/nowhere"})
    with pytest.raises(ResourceError):
        storage.check()
