"""The same on a real OpenStack: Nova's servers, Neutron's groups and floating addresses, Keystone's two ways to log in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from blocks.compute.cloud import CloudCompute
from blocks.credentials import OpenStackCredentials
from blocks.errors import AuthenticationRefused, CommandFailed, Refused
from blocks.job import JobRequest
from blocks.label import RunLabel
from tests.clouds.clouds import made, new_label, wanted
from tests.engine import Lab
from tests.payloads import connector
from tests.servers.openstack import OpenStack

pytestmark = [pytest.mark.cloud, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHIMINEY_HOME", str(tmp_path / "home"))


def by_password(site: OpenStack, **changed: Any) -> OpenStackCredentials:
    settings: dict[str, Any] = {
        "auth_url": site.auth_url,
        "username": site.user,
        "password": SecretStr(site.password),
        "project": site.project,
        "region": site.region,
    }
    return OpenStackCredentials(**settings | changed)


def resource(site: OpenStack, **settings: Any) -> CloudCompute:
    asked: dict[str, Any] = {
        "credentials": by_password(site),
        "image": site.image,
        "size": "m1.small",
        "network": site.network,
        "slots": 2,
        "maximum": 2,
        "ssh_port": site.ssh_port,
    }
    return CloudCompute(**asked | settings)


def problems(compute: CloudCompute) -> list[str]:
    return compute.problems(JobRequest(), JobRequest())


@pytest.mark.parametrize("way", ["password", "application credential", "clouds.yaml", "clouds.yaml by credential"])
def test_whoever_logs_in_is_told_what_the_quota_leaves(openstack: OpenStack, way: str) -> None:
    secret = SecretStr(openstack.credential_secret)
    ways = {
        "password": by_password(openstack),
        "application credential": OpenStackCredentials(
            auth_url=openstack.auth_url, application_credential=openstack.credential_id, application_secret=secret
        ),
        "clouds.yaml": OpenStackCredentials(cloud="lab", clouds_file=str(openstack.clouds)),
        "clouds.yaml by credential": OpenStackCredentials(cloud="lab-application-credential", clouds_file=str(openstack.clouds)),
    }

    accepted, left = ways[way].check()

    assert accepted.endswith("accepts the credentials")
    assert "machines" in left


def test_a_wrong_password_is_told_in_one_sentence(openstack: OpenStack) -> None:
    wrong = by_password(openstack, password=SecretStr("not-the-password"))

    with pytest.raises(AuthenticationRefused, match="does not accept the credentials") as told:
        problems(resource(openstack, credentials=wrong))

    assert "not-the-password" not in str(told.value)


def test_whatever_there_is_not_is_told_at_once(openstack: OpenStack) -> None:
    compute = resource(openstack, image="debian-99", size="m9.huge", network="lan", security_groups=["ours"], floating_pool="sky")

    told = [sentence.partition(":")[0] for sentence in problems(compute)]

    assert sorted(told) == ["floating_pool", "image", "network", "security_groups", "size"]
    assert openstack.left() == {}


def test_a_quota_that_does_not_suffice_is_told_before_anything_is_made(openstack: OpenStack) -> None:
    openstack.limit_servers(1)

    (told,) = problems(resource(openstack, minimum=2))

    assert "2 machines are needed, and the quota of OpenStack" in told
    assert "1 of 1 machines" in told


def test_a_quota_that_others_have_used_up_is_told_in_novas_words(openstack: OpenStack, label: RunLabel) -> None:
    compute = resource(openstack)
    first, second = wanted(compute)
    openstack.limit_servers(1)
    first = compute.make(first, label)

    with pytest.raises(Refused, match="Quota exceeded for instances: Requested 1, but already used 1 of 1"):
        compute.make(second, label)

    compute.destroy(label.run, [first])
    assert openstack.left() == {}


def test_machines_are_made_once_worked_on_and_seen_off(openstack: OpenStack, label: RunLabel) -> None:
    compute = resource(openstack)
    hosts = made(compute, label)

    again = [resource(openstack).make(host, label).machine for host in hosts]
    facts = [compute.open(host, label.run).probe() for host in hosts]

    assert again == [host.machine for host in hosts]
    assert {each.folder for each in facts} == {"/root/.chiminey"}
    assert compute.orphans("installation") == {label.run}
    assert compute.orphans("another") == set()
    compute.destroy(label.run, hosts)
    assert openstack.left() == {}
    assert compute.orphans("installation") == set()


def test_a_floating_address_is_made_with_a_machine_and_goes_with_it(openstack: OpenStack, label: RunLabel) -> None:
    compute = resource(openstack, floating_pool=openstack.floating_network)
    (host,) = made(compute, label, wanted(compute)[:1])

    assert ".63." in host.address
    assert compute.open(host, label.run).probe().processors
    compute.destroy(label.run, [host])
    assert openstack.left() == {}


def test_what_nova_says_of_a_server_that_failed_is_told(openstack: OpenStack, label: RunLabel) -> None:
    compute = resource(openstack)
    openstack.fail("spawn")
    host = compute.make(wanted(compute)[0], label)

    with pytest.raises(CommandFailed, match="gave it up: its state is error: Exceeded maximum number of retries"):
        compute.ready(host, label, lambda: False)

    compute.destroy(label.run, [host])
    assert openstack.left() == {}


def test_two_runs_do_not_see_each_other_and_a_deleted_server_is_known_to_be_gone(openstack: OpenStack, label: RunLabel) -> None:
    other = new_label()
    (mine,) = made(resource(openstack), label, wanted(resource(openstack))[:1])
    theirs = made(resource(openstack), other, wanted(resource(openstack))[:1])

    resource(openstack).destroy(label.run, [mine])

    assert "knows no such machine" in resource(openstack).fate(mine, label.run)
    assert resource(openstack).fate(theirs[0], other.run) == ""
    assert resource(openstack).open(theirs[0], other.run).probe().processors
    resource(openstack).destroy(other.run, theirs)
    assert openstack.left() == {}


def test_a_server_without_power_is_no_loss_that_nova_knows_of(openstack: OpenStack, label: RunLabel) -> None:
    compute = resource(openstack)
    (host,) = made(compute, label, wanted(compute)[:1])

    openstack.cut_power(host.machine)

    assert openstack.processes(host.machine) == []
    assert resource(openstack).fate(host, label.run) == ""  # whether it is lost is for the patience of the run to say
    compute.destroy(label.run, [host])
    assert openstack.left() == {}


def test_a_run_is_carried_out_there_and_leaves_nothing(openstack: OpenStack, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    compute = resource(openstack, credentials=OpenStackCredentials(cloud="lab", clouds_file=str(openstack.clouds)))
    sample = connector(tmp_path / "c", 'echo "$CHIMINEY_TASK_ID" >"$2/answer"\n', compute=("cloud",))

    result = lab.go(sample, compute, sweep={"n": list(range(100))})

    assert result.tasks.completed == 100
    assert len({task.host for task in lab.tasks(result)}) == 2
    assert openstack.left() == {}
