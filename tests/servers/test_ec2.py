"""EC2 on the loopback device: what a user sees who comes in by libcloud and SSH, and what a test sees behind their back."""

from __future__ import annotations

import io
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import paramiko
import pytest
import requests
from libcloud.common.exceptions import BaseHTTPError
from libcloud.common.types import InvalidCredsError
from libcloud.compute.base import KeyPair, Node
from libcloud.compute.drivers.ec2 import EC2NodeDriver, IdempotentParamError
from libcloud.compute.providers import get_driver
from libcloud.compute.types import KeyPairDoesNotExistError, Provider

from tests.servers import loopback, process_table
from tests.servers.ec2 import EC2, Resource

pytestmark = pytest.mark.ssh

POOL = f"{loopback.CLOUDS}.4.0/29"  # six addresses
CLOUD_CONFIG = """#cloud-config
ssh_deletekeys: true
ssh_keys:
  ed25519_private: |
{private}
"""

OWNER = """
import sys, time
from pathlib import Path
from tests.servers import loopback
from tests.servers.ec2 import EC2
cloud = EC2(Path(sys.argv[1]), pool=f"{loopback.CLOUDS}.5.0/29")
cloud.start()
print(cloud.port, flush=True)
time.sleep(1000)
"""


@pytest.fixture(scope="module")
def standing_ec2(namespaces: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EC2]:
    cloud = EC2(tmp_path_factory.mktemp("ec2"), pool=POOL, instance_limit=5)
    cloud.start()
    yield cloud
    assert cloud._process
    its_own = process_table.descendants(cloud._process.pid)
    cloud.stop()
    assert its_own
    assert [program for pid in its_own if (program := process_table.program(pid))] == []
    assert cloud.processes() == []


@pytest.fixture
def ec2(standing_ec2: EC2) -> Iterator[EC2]:
    """An account without any fault or instance: an earlier test's are terminated."""
    yield standing_ec2
    standing_ec2.heal()
    for resource in standing_ec2.left():
        if resource.kind == "instance":
            standing_ec2.terminate(resource.id)


def connect(cloud: EC2, secret_key: str = EC2.secret_key, **options: Any) -> EC2NodeDriver:
    options = {"host": cloud.host, "port": cloud.port, "secure": False, "signature_version": "4"} | options
    driver = get_driver(Provider.EC2)(cloud.access_key, secret_key, region=cloud.region, **options)
    return cast("EC2NodeDriver", driver)


@pytest.fixture
def driver(ec2: EC2) -> EC2NodeDriver:
    return connect(ec2)


@pytest.fixture(scope="module")
def client_key(standing_ec2: EC2) -> paramiko.RSAKey:
    """The private half of the key pair ``mine``."""
    pair = cast("KeyPair", connect(standing_ec2).create_key_pair("mine"))
    return paramiko.RSAKey.from_private_key(io.StringIO(pair.private_key))


def create(driver: EC2NodeDriver, size: str = "t3.small", **options: Any) -> Any:
    (size_,) = [size_ for size_ in driver.list_sizes() if size_.id == size]
    return driver.create_node(name="node", size=size_, image=driver.get_image(EC2.image), **options)


def wait_until(happens: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 200
    while not (result := happens()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
    return result


def seen(driver: EC2NodeDriver, node: Node) -> Node:
    (found,) = driver.list_nodes(ex_node_ids=[node.id])
    return found


def wait_until_state(driver: EC2NodeDriver, node: Node, state: str) -> Node:
    wait_until(lambda: seen(driver, node).state == state)
    return seen(driver, node)


def answers_ssh(node: Node) -> bool:
    with suppress(OSError), socket.create_connection((node.public_ips[0], 22), timeout=1) as connection:
        return connection.recv(4) == b"SSH-"
    return False


def login(node: Node, key: paramiko.PKey, host_key: paramiko.PKey | None = None, user: str = "debian") -> paramiko.SSHClient:
    """A connection to a node, which must have the host key if there is one."""
    wait_until(lambda: answers_ssh(node))
    client = paramiko.SSHClient()
    if host_key:
        client.get_host_keys().add(node.public_ips[0], host_key.get_name(), host_key)
    else:
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    client.connect(node.public_ips[0], username=user, pkey=key, allow_agent=False, look_for_keys=False)
    return client


def output(client: paramiko.SSHClient, command: str) -> str:
    _, result, errors = client.exec_command(command)
    assert result.channel.recv_exit_status() == 0, errors.read()
    return result.read().decode().strip()


def injected_host_key(tmp_path: Path) -> tuple[paramiko.PKey, str]:
    """A new host key, and user data that gives it to a machine."""
    key = tmp_path / "host_key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    private = "".join(f"    {line}\n" for line in key.read_text().splitlines())
    return paramiko.Ed25519Key.from_private_key_file(str(key)), CLOUD_CONFIG.format(private=private)


def refusal(call: Callable[[], Any]) -> str:
    with pytest.raises(BaseHTTPError) as refused:
        call()
    return refused.value.message.partition(":")[0]


def test_a_node_has_the_host_key_that_was_injected_and_is_a_machine_of_its_own(
    driver: EC2NodeDriver, client_key: paramiko.PKey, tmp_path: Path
) -> None:
    host_key, user_data = injected_host_key(tmp_path)
    user_data += "write_files: [{path: /opt/data/greeting, content: hello, permissions: '0640'}]\n"
    user_data += "runcmd: [[touch, /root/ready], 'until [ -e /tmp/go ]; do sleep 0.1; done']\n"
    user_data += "users: [default, {name: ada, shell: /bin/sh}]\n"
    node = create(driver, ex_keyname="mine", ex_userdata=user_data)
    assert node.state in ("pending", "running")
    node = wait_until_state(driver, node, "running")
    assert node.public_ips == node.private_ips
    with login(node, client_key, host_key) as client:
        assert output(client, "cloud-init status; touch /tmp/go") == "status: running"
        assert output(client, "cloud-init status --wait").endswith("status: done")
        assert output(client, "whoami; hostname").split() == ["debian", f"ip-{node.public_ips[0].replace('.', '-')}"]
        assert output(client, "stat -c '%a %s' /opt/data/greeting; ls /home").split() == ["640", "5", "ada", "debian"]
        assert output(client, "ls /var/lib/cloud/instance/boot-finished; ps -e | grep -c python || true").split()[1] == "0"
    assert not Path("/opt/data/greeting").exists()
    assert host_key.get_base64() in driver.ex_get_console_output(node)["output"]


def test_root_is_told_who_may_log_in(driver: EC2NodeDriver, client_key: paramiko.PKey) -> None:
    node = create(driver, ex_keyname="mine")
    with login(wait_until_state(driver, node, "running"), client_key, user="root") as client:
        _, answer, _ = client.exec_command("true")
        assert answer.readline() == 'Please login as the user "debian" rather than the user "root".\n'


def test_a_script_as_user_data_runs_as_root_and_its_failure_is_seen(driver: EC2NodeDriver, client_key: paramiko.PKey) -> None:
    node = create(driver, ex_keyname="mine", ex_userdata="#!/bin/sh\nid -u\nexit 3\n")
    with login(wait_until_state(driver, node, "running"), client_key) as client:
        _, answer, _ = client.exec_command("cloud-init status --wait")
        assert answer.channel.recv_exit_status() == 1
        assert answer.read().decode().endswith("status: error\n")
    assert driver.ex_get_console_output(node)["output"].splitlines()[-1] == "0"


def test_terminating_kills_what_ran_there_and_frees_the_address(
    ec2: EC2, driver: EC2NodeDriver, client_key: paramiko.PKey
) -> None:
    node = wait_until_state(driver, create(driver, ex_keyname="mine"), "running")
    with login(node, client_key) as client:
        output(client, "setsid -f sleep 1234 > /dev/null 2>&1")
    wait_until(lambda: "sleep 1234" in ec2.processes())
    assert driver.destroy_node(node)
    assert ec2.processes() == []
    assert not answers_ssh(node)
    assert seen(driver, node).state == "terminated"
    assert wait_until_state(driver, create(driver), "running").public_ips == node.public_ips


def test_a_node_that_was_stopped_has_its_disk_and_key_when_it_starts_again(
    driver: EC2NodeDriver, client_key: paramiko.PKey, tmp_path: Path
) -> None:
    host_key, user_data = injected_host_key(tmp_path)
    node = wait_until_state(driver, create(driver, ex_keyname="mine", ex_userdata=user_data), "running")
    with login(node, client_key, host_key) as client:
        output(client, "cloud-init status --wait; echo kept > note")
    assert driver.stop_node(node)
    assert not answers_ssh(node)
    assert driver.start_node(node)
    wait_until_state(driver, node, "running")
    with login(node, client_key, host_key) as client:
        assert output(client, "cat note") == "kept"
    assert driver.reboot_node(node)
    with login(node, client_key, host_key) as client:
        assert output(client, "cat note") == "kept"


def test_tags_come_with_the_instance_and_find_it(ec2: EC2, driver: EC2NodeDriver) -> None:
    node = create(driver, ex_metadata={"run": "r1"})
    create(driver, ex_metadata={"run": "r2"})
    assert [found.id for found in driver.list_nodes(ex_filters={"tag:run": "r1"})] == [node.id]
    assert Resource("instance", node.id, {"Name": "node", "run": "r1"}) in ec2.left()
    assert driver.ex_create_tags(node, {"one": "1", "two": "2"})
    assert driver.ex_describe_tags(node) == {"Name": "node", "run": "r1", "one": "1", "two": "2"}
    assert driver.ex_delete_tags(node, {"one": "1"})
    assert "one" not in driver.ex_describe_tags(node)


def test_the_same_client_token_gives_the_same_instance(ec2: EC2, driver: EC2NodeDriver) -> None:
    first, again = create(driver, ex_clienttoken="t1"), create(driver, ex_clienttoken="t1")
    assert first.id == again.id
    with pytest.raises(IdempotentParamError):
        create(driver, size="t3.large", ex_clienttoken="t1")
    assert create(driver).id != create(driver).id
    assert [call.parameters.get("ClientToken") for call in ec2.calls("RunInstances")[-5:]] == ["t1", "t1", "t1", None, None]


def test_what_is_not_there_or_there_already_is_refused(driver: EC2NodeDriver, client_key: paramiko.PKey) -> None:
    node = create(driver)
    size, image = driver.list_sizes()[0], driver.get_image(EC2.image)
    image.id = "ami-00000000"
    with pytest.raises(KeyPairDoesNotExistError):
        create(driver, ex_keyname="nope")
    assert refusal(lambda: create(driver, ex_security_groups=["nope"])) == "InvalidGroup.NotFound"
    assert refusal(lambda: driver.create_node(name="node", size=size, image=image)).startswith("InvalidAMIID")
    image.id, size.id = EC2.image, "t9.nope"
    assert refusal(lambda: driver.create_node(name="node", size=size, image=image)) == "InvalidParameterValue"
    with pytest.raises(KeyPairDoesNotExistError):
        driver.get_key_pair("nope")
    assert driver.get_key_pair("mine").name == "mine"
    assert refusal(lambda: driver.create_key_pair("mine")) == "InvalidKeyPair.Duplicate"
    node.id = "i-00000000000000000"
    assert refusal(lambda: driver.destroy_node(node)) == "InvalidInstanceID.NotFound"


@pytest.mark.parametrize("words", ["a user's", "Zürich", ""])
def test_what_ec2_does_not_take_as_the_description_of_a_group_is_refused(driver: EC2NodeDriver, words: str) -> None:
    assert refusal(lambda: driver.ex_create_security_group("chiminey", words)) == "InvalidParameterValue"


def test_security_groups_have_rules_and_stay_while_they_are_used(ec2: EC2, driver: EC2NodeDriver) -> None:
    group = driver.ex_create_security_group("chiminey", "of a run")["group_id"]
    assert refusal(lambda: driver.ex_create_security_group("chiminey", "again")) == "InvalidGroup.Duplicate"
    assert driver.ex_authorize_security_group_ingress(group, 22, 22, cidr_ips=["127.0.0.1/32"])
    subnet = driver.ex_list_subnets()[0]
    node = create(driver, ex_subnet=subnet, ex_security_group_ids=[group])
    assert Resource("security-group", group, {}) in ec2.left()
    assert refusal(lambda: driver.ex_delete_security_group_by_id(group)) == "DependencyViolation"
    driver.destroy_node(node)
    assert driver.ex_delete_security_group_by_id(group)
    assert [resource for resource in ec2.left() if resource.kind == "security-group"] == []


def test_addresses_and_volumes_are_seen_as_long_as_they_are_there(ec2: EC2, driver: EC2NodeDriver) -> None:
    address = driver.ex_allocate_address()
    volume = driver.create_volume(8, "data", location=driver.list_locations()[0])
    assert {(resource.kind, resource.id) for resource in ec2.left()} >= {("elastic-ip", address.ip), ("volume", volume.id)}
    assert Resource("volume", volume.id, {"Name": "data"}) in ec2.left()
    node = create(driver)
    assert driver.attach_volume(node, volume, "/dev/sdf")
    assert driver.detach_volume(volume)
    driver.destroy_node(node)
    assert driver.ex_release_address(address)
    assert driver.destroy_volume(volume)
    assert {resource.kind for resource in ec2.left()} <= {"key-pair"}


def test_the_limit_of_the_account_is_told_and_kept(driver: EC2NodeDriver) -> None:
    assert driver.ex_get_limits()["resource"]["max-instances"] == 5
    nodes = create(driver, ex_mincount=1, ex_maxcount=3)
    assert len(nodes) == 3
    assert refusal(lambda: create(driver, ex_mincount=3, ex_maxcount=3)) == "InstanceLimitExceeded"
    assert len(create(driver, ex_mincount=1, ex_maxcount=10)) == 2
    assert refusal(lambda: create(driver)) == "InstanceLimitExceeded"
    driver.destroy_node(nodes[0])
    create(driver)


def test_a_provider_that_has_few_machines_gives_what_it_has(ec2: EC2, driver: EC2NodeDriver) -> None:
    ec2.limit_capacity(2)
    nodes = create(driver, ex_mincount=1, ex_maxcount=4)
    assert len(nodes) == 2
    assert refusal(lambda: create(driver)) == "InsufficientInstanceCapacity"
    driver.destroy_node(nodes[0])
    create(driver)


def test_the_pool_of_addresses_is_a_limit_too(driver: EC2NodeDriver) -> None:
    addresses = [driver.ex_allocate_address() for _ in range(4)]
    assert len(create(driver, ex_mincount=1, ex_maxcount=4)) == 2
    assert refusal(lambda: create(driver)) == "InsufficientFreeAddressesInSubnet"
    for address in addresses:
        driver.ex_release_address(address)
    create(driver)


def test_wrong_keys_are_not_validated(ec2: EC2) -> None:
    for driver in (connect(ec2, "wrong"), connect(ec2, signature_version="2")):
        with pytest.raises(InvalidCredsError):
            driver.list_nodes()
    assert [call.outcome for call in ec2.calls()[-2:]] == ["AuthFailure", "AuthFailure"]


def test_every_third_call_fails_whatever_it_is_until_healed(ec2: EC2, driver: EC2NodeDriver) -> None:
    ec2.fail("RequestLimitExceeded", 503, times=None, every=3)
    for _ in range(6):
        with suppress(BaseHTTPError):
            driver.list_nodes()
        with suppress(BaseHTTPError):
            driver.list_key_pairs()
    assert [call.outcome for call in ec2.calls()[-12:]] == ["done", "done", "RequestLimitExceeded"] * 4
    ec2.heal()
    for _ in range(3):
        driver.list_nodes()


def test_one_call_of_one_action_fails(ec2: EC2, driver: EC2NodeDriver) -> None:
    ec2.fail("InsufficientInstanceCapacity", 500, "RunInstances")
    assert refusal(lambda: create(driver)) == "InsufficientInstanceCapacity"
    create(driver)


def test_a_lost_answer_has_been_carried_out_and_is_found_by_its_token(ec2: EC2, driver: EC2NodeDriver) -> None:
    ec2.lose_answers("RunInstances")
    with pytest.raises(requests.ConnectionError):
        create(driver, ex_clienttoken="lost", ex_metadata={"run": "lost"})
    (left,) = [resource for resource in ec2.left() if resource.kind == "instance"]
    assert create(driver, ex_clienttoken="lost", ex_metadata={"run": "lost"}).id == left.id
    assert [call.outcome for call in ec2.calls("RunInstances")[-2:]] == ["lost", "done"]


def test_a_call_that_hangs_has_not_been_carried_out(ec2: EC2) -> None:
    driver = connect(ec2, timeout=1)
    ec2.hang("RunInstances")
    with pytest.raises(requests.ReadTimeout):
        create(driver)
    ec2.heal()
    assert [resource for resource in ec2.left() if resource.kind == "instance"] == []


def test_machines_that_never_boot(ec2: EC2, driver: EC2NodeDriver) -> None:
    for state in ("pending", "running", "terminated"):
        ec2.fail_boots(state)
    pending, silent, failed = (create(driver) for _ in range(3))
    healthy = wait_until_state(driver, create(driver), "running")
    wait_until(lambda: answers_ssh(healthy))
    wait_until_state(driver, failed, "terminated")
    assert seen(driver, pending).state == "pending"
    assert not answers_ssh(wait_until_state(driver, silent, "running"))


def test_what_befalls_machines_from_outside(ec2: EC2, driver: EC2NodeDriver) -> None:
    nodes = create(driver, ex_mincount=4, ex_maxcount=4, ex_spot=True)
    nodes = [wait_until_state(driver, node, "running") for node in nodes]
    for node in nodes:
        wait_until(lambda node=node: answers_ssh(node))
    ec2.terminate(nodes[0].id)
    ec2.cut_power(nodes[1].id)
    ec2.cut_power(nodes[2].id, "running")
    ec2.reclaim(nodes[3].id)
    assert [seen(driver, node).state for node in nodes] == ["terminated", "stopped", "running", "terminated"]
    assert not any(answers_ssh(node) for node in nodes)
    assert ec2.processes() == []
    assert seen(driver, nodes[3]).extra["reason"] == "Server.SpotInstanceTermination"


def test_the_cloud_ends_with_the_process_that_started_it(namespaces: None, tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", OWNER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout
        cloud = EC2(tmp_path)
        cloud.port = int(owner.stdout.readline())
        driver = connect(cloud)
        node = wait_until_state(driver, create(driver), "running")
        wait_until(lambda: answers_ssh(node))
        pids = process_table.descendants(owner.pid)
        assert any(process_table.command_line(pid).startswith("sshd: ") for pid in pids)
        owner.kill()
    wait_until(lambda: not any(process_table.program(pid) for pid in pids))
