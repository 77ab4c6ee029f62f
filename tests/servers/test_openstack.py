"""OpenStack on the loopback device: what libcloud's users see, and what the servers are like."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import paramiko
import pytest
import yaml
from libcloud.common.exceptions import BaseHTTPError
from libcloud.common.types import InvalidCredsError
from libcloud.compute.base import Node
from libcloud.compute.drivers.openstack import OpenStack_2_NodeDriver
from libcloud.compute.providers import get_driver
from libcloud.compute.types import Provider

from tests.servers.openstack import OpenStack
from tests.servers.sshd import make_key

pytestmark = pytest.mark.cloud

USER_DATA = """#cloud-config
ssh_keys:
  ed25519_private: |
{host_key}
write_files:
- path: /etc/chiminey/greeting
  content: hello
  permissions: '0600'
runcmd:
- until [ -e /tmp/go ]; do sleep 0.1; done
- [sh, -c, 'id -un > /etc/chiminey/who']
"""


def connect(openstack: OpenStack, version: str = "3.x_password", key: str = "", secret: str = "") -> OpenStack_2_NodeDriver:
    """Libcloud's driver, for the project's user unless told otherwise. Without ``api_version`` it would be one of 2012."""
    return get_driver(Provider.OPENSTACK)(
        key or openstack.user,
        secret or openstack.password,
        api_version="2.2",
        secure=False,
        ex_force_auth_url=openstack.auth_url.removesuffix("/v3"),  # libcloud appends it
        ex_force_auth_version=version,
        ex_force_service_region=openstack.region,
        ex_tenant_name=None if version.endswith("appcred") else openstack.project,
        ex_domain_name=openstack.domain,
    )


@pytest.fixture
def driver(openstack: OpenStack) -> OpenStack_2_NodeDriver:
    return connect(openstack)


@pytest.fixture
def private_key(driver: OpenStack_2_NodeDriver, tmp_path: Path) -> Path:
    """Of a key pair that the project knows as ``mine``."""
    make_key(tmp_path / "client")
    driver.import_key_pair_from_string("mine", (tmp_path / "client.pub").read_text())
    return tmp_path / "client"


def create(driver: OpenStack_2_NodeDriver, name: str, flavor: str = "m1.tiny", **options: object) -> Node:
    (image,) = driver.list_images()
    size = next(size for size in driver.list_sizes() if size.name == flavor)
    network = next(network for network in driver.ex_list_networks() if network.name == OpenStack.network)
    return driver.create_node(name, size, image, networks=[network], **options)


def wait_until(happens: Callable[[], object], seconds: float = 240.0) -> None:
    deadline = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.2)


def wait_for(driver: OpenStack_2_NodeDriver, node: Node, state: str) -> Node:
    """The node when it has the state that OpenStack names so. Libcloud's own wait does not end at a node in error."""
    wait_until(lambda: driver.ex_get_node_details(node.id).extra["vm_state"] in {state, "error"})
    node = driver.ex_get_node_details(node.id)
    assert node.extra["vm_state"] == state, node.extra["fault"]
    return node


def log_in(address: str, port: int, private_key: Path, host_key: Path) -> paramiko.SSHClient:
    """Log in as the image's user; a host key other than that one is refused."""
    client = paramiko.SSHClient()
    known = paramiko.Ed25519Key(filename=str(host_key))
    client.get_host_keys().add(address if port == 22 else f"[{address}]:{port}", known.get_name(), known)
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    who = {"username": OpenStack.default_user, "key_filename": str(private_key), "allow_agent": False, "look_for_keys": False}
    deadline = time.monotonic() + 240
    while True:
        try:
            client.connect(address, port, **who, timeout=10)
        except paramiko.ssh_exception.NoValidConnectionsError:
            assert time.monotonic() < deadline, "nobody answers"
            time.sleep(0.1)
        else:
            return client


def output(client: paramiko.SSHClient, command: str) -> str:
    _, out, _ = client.exec_command(command)
    return out.read().decode().strip()


def refuses(address: str, port: int) -> bool:
    with paramiko.SSHClient() as client:
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        try:
            client.connect(address, port, "nobody", password="", timeout=5, allow_agent=False, look_for_keys=False)
        except paramiko.ssh_exception.NoValidConnectionsError:
            return True
        except (paramiko.SSHException, EOFError):
            return False
    return False


def test_a_server_is_what_its_user_data_say_at_its_fixed_and_at_its_floating_address(
    openstack: OpenStack, driver: OpenStack_2_NodeDriver, private_key: Path, tmp_path: Path
) -> None:
    host_key = tmp_path / "host"
    make_key(host_key)
    indented = "".join(f"    {line}\n" for line in host_key.read_text().splitlines())
    group = driver.ex_create_security_group("only-ssh", "for the test")
    driver.ex_create_security_group_rule(group, "tcp", 22, 22, cidr="127.0.0.1/32")
    node = create(
        driver,
        "first",
        ex_keyname="mine",
        ex_security_groups=[group],
        ex_metadata={"run": "42"},
        ex_userdata=USER_DATA.format(host_key=indented),
    )
    node = wait_for(driver, node, "active")
    assert node.extra["metadata"] == {"run": "42"}
    assert node.private_ips == []  # libcloud takes loopback addresses for public ones
    (address,) = node.public_ips

    with log_in(address, openstack.ssh_port, private_key, host_key) as client:
        assert output(client, "cloud-init status; touch /tmp/go") == "status: running"
        assert output(client, "cloud-init status --wait").endswith("status: done")
        assert output(client, "hostname; ls /var/lib/cloud/instance/boot-finished").split()[0] == "first"
        assert output(client, "cat /etc/chiminey/who; ls -l /etc/chiminey/greeting").startswith("root\n-rw------- 1 root root")
        output(client, "nohup sleep 1000 > /dev/null 2>&1 &")
    assert not Path("/etc/chiminey").exists()
    (public_key,) = re.findall(r"BEGIN SSH HOST KEY KEYS-----\n(.*)\n-----END", driver.ex_get_console_output(node)["output"])
    assert public_key.split()[1] == host_key.with_suffix(".pub").read_text().split()[1]
    assert any("sleep 1000" in line for line in openstack.processes(node.id))

    floating = driver.ex_create_floating_ip(OpenStack.floating_network)
    driver.ex_attach_floating_ip_to_node(node, floating)
    with log_in(floating.ip_address, openstack.ssh_port, private_key, host_key) as client:
        assert output(client, "hostname") == "first"
    wait_until(lambda: driver.ex_get_node_details(node.id).public_ips == [address, floating.ip_address])
    assert openstack.left() == {
        "servers": ["first"],
        "key pairs": ["mine"],
        "security groups": ["only-ssh"],
        "floating addresses": [floating.ip_address],
        "ports": [address],
    }

    driver.ex_detach_floating_ip_from_node(node, floating)
    assert refuses(floating.ip_address, openstack.ssh_port)
    driver.destroy_node(node)
    wait_until(lambda: not driver.list_nodes())
    assert openstack.processes(node.id) == []
    assert refuses(address, openstack.ssh_port)
    driver.ex_delete_floating_ip(floating)
    driver.delete_key_pair(driver.get_key_pair("mine"))
    driver.ex_delete_security_group(group)
    assert openstack.left() == {}


def test_a_server_that_is_stopped_keeps_its_disk_and_loses_its_processes(
    openstack: OpenStack, driver: OpenStack_2_NodeDriver, private_key: Path, tmp_path: Path
) -> None:
    host_key = tmp_path / "host"
    make_key(host_key)
    indented = "".join(f"    {line}\n" for line in host_key.read_text().splitlines())
    user_data = USER_DATA.format(host_key=indented)
    node = wait_for(driver, create(driver, "kept", ex_keyname="mine", ex_userdata=user_data), "active")
    (address,) = node.public_ips
    with log_in(address, openstack.ssh_port, private_key, host_key) as client:
        output(client, "echo kept > file; nohup sleep 1000 > /dev/null 2>&1 &")
    driver.stop_node(node)
    wait_for(driver, node, "stopped")
    assert openstack.processes(node.id) == []
    assert refuses(address, openstack.ssh_port)
    driver.start_node(node)
    wait_for(driver, node, "active")
    with log_in(address, openstack.ssh_port, private_key, host_key) as client:
        assert output(client, "cat file") == "kept"
    assert not any("sleep 1000" in line for line in openstack.processes(node.id))


def test_an_application_credential_opens_the_same_project(openstack: OpenStack, driver: OpenStack_2_NodeDriver) -> None:
    by_credential = connect(openstack, "3.x_appcred", openstack.credential_id, openstack.credential_secret)
    node = create(by_credential, "shared")
    assert [other.id for other in driver.list_nodes()] == [node.id]
    clouds = yaml.safe_load(openstack.clouds.read_text())["clouds"]
    assert clouds["lab"]["auth"]["password"] == openstack.password
    assert clouds["lab-application-credential"]["auth"]["application_credential_id"] == openstack.credential_id


def test_a_wrong_password_is_refused(openstack: OpenStack) -> None:
    with pytest.raises(InvalidCredsError):
        connect(openstack, secret="wrong").list_nodes()


def test_a_server_too_many_is_refused_with_the_quota(openstack: OpenStack, driver: OpenStack_2_NodeDriver) -> None:
    openstack.limit_servers(1)
    create(driver, "first")
    with pytest.raises(BaseHTTPError) as refusal:
        create(driver, "second")
    assert refusal.value.code == 403
    assert "Quota exceeded for instances: Requested 1, but already used 1 of 1 instances" in str(refusal.value)
    assert openstack.left()["servers"] == ["first"]
    openstack.reset()
    assert openstack.left() == {}
    create(driver, "third")


def test_a_server_that_fits_on_no_host_is_in_error(driver: OpenStack_2_NodeDriver) -> None:
    node = wait_for(driver, create(driver, "huge", "m1.huge"), "error")
    assert node.extra["fault"]["message"] == "No valid host was found. "


def test_a_server_whose_hypervisor_fails_is_in_error_and_the_next_one_is_not(
    openstack: OpenStack, driver: OpenStack_2_NodeDriver
) -> None:
    openstack.fail("spawn")
    node = wait_for(driver, create(driver, "unlucky"), "error")
    assert node.extra["fault"]["code"] == 500
    assert "Exceeded maximum number of retries" in node.extra["fault"]["message"]
    wait_for(driver, create(driver, "lucky"), "active")


def test_a_server_that_never_boots_is_active_and_does_not_answer(openstack: OpenStack, driver: OpenStack_2_NodeDriver) -> None:
    openstack.fail("boot")
    node = wait_for(driver, create(driver, "mute"), "active")
    assert refuses(node.public_ips[0], openstack.ssh_port)
    assert openstack.processes(node.id) == []


def test_a_power_cut_ends_all_that_runs_and_the_server_stays_active(openstack: OpenStack, driver: OpenStack_2_NodeDriver) -> None:
    node = wait_for(driver, create(driver, "cut"), "active")
    wait_until(lambda: not refuses(node.public_ips[0], openstack.ssh_port))
    openstack.cut_power(node.id)
    wait_until(lambda: refuses(node.public_ips[0], openstack.ssh_port))
    assert openstack.processes(node.id) == []
    assert driver.ex_get_node_details(node.id).extra["vm_state"] == "active"


def test_servers_that_are_made_together_have_addresses_of_their_own(openstack: OpenStack, driver: OpenStack_2_NodeDriver) -> None:
    nodes = [create(driver, f"n{number}") for number in range(4)]
    addresses = [wait_for(driver, node, "active").public_ips[0] for node in nodes]
    assert len(set(addresses)) == 4
    for address in addresses:
        wait_until(lambda address=address: not refuses(address, openstack.ssh_port))


@pytest.mark.chaos  # another site has to be started for it
def test_a_site_that_stops_leaves_no_process(tmp_path: Path, standing_openstack: OpenStack) -> None:
    other = OpenStack(tmp_path / "other")
    other.start()
    try:
        assert other.auth_url != standing_openstack.auth_url
        node = wait_for(connect(other), create(connect(other), "left"), "active")
        wait_until(lambda: other.processes(node.id))
    finally:
        lines = other.all_processes()
        other.stop()
    assert len(lines) > 6
    assert other.all_processes() == []
