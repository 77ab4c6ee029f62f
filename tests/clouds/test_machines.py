"""The machines of a run at the provider: made once each, known by their tags, let in by their own keys, and gone in the end."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from pydantic import SecretStr

from blocks.cloud.ec2_driver import AccessKey, EC2Place
from blocks.credentials import EC2Credentials
from blocks.errors import AuthenticationRefused, CommandFailed, HostKeyRefused, InvalidRequest, Refused, RunCancelled, Unreachable
from blocks.job import JobRequest
from blocks.label import RunLabel
from tests.clouds.clouds import credentials, made, new_label, resource, wanted
from tests.servers.ec2 import EC2

pytestmark = pytest.mark.cloud


def problems(compute: object) -> list[str]:
    return compute.problems(JobRequest(), JobRequest())  # type: ignore[attr-defined]


def test_machines_are_ready_when_somebody_can_work_on_them(ec2: EC2, label: RunLabel) -> None:
    compute = resource(ec2)

    hosts = made(compute, label)

    assert [host.id for host in hosts] == ["machine-1", "machine-2", "machine-3"]
    facts = [compute.open(host, label.run).probe() for host in hosts]
    assert {each.folder for each in facts} == {"/root/.chiminey"}
    compute.destroy(label.run, hosts)
    assert ec2.left() == []


def test_there_are_never_more_machines_than_tasks_need(ec2: EC2, label: RunLabel) -> None:
    compute = resource(ec2, slots=4, minimum=2, maximum=3)

    assert [len(compute.hosts_for(tasks)) for tasks in (1, 4, 5, 8, 9, 500)] == [1, 1, 2, 2, 3, 3]
    assert len(resource(ec2, slots=0, size="t3.2xlarge").hosts_for(9)) == 2  # it has 8 processors


def test_everything_made_bears_the_tags_of_its_run(ec2: EC2, label: RunLabel) -> None:
    compute = resource(ec2, floating_pool="amazon", boot_limit=20)
    host = compute.make(wanted(compute)[0], label)
    with pytest.raises(CommandFailed, match="can't be reached over SSH"):  # nothing listens at this cloud's elastic addresses
        compute.ready(host, label, lambda: False)

    kinds = {"instance", "key-pair", "security-group", "volume", "elastic-ip"}
    left = [each for each in ec2.left() if each.kind in kinds]
    assert {each.kind for each in left} == kinds
    for each in left:
        assert each.tags["chiminey-run"] == label.run, each
        assert each.tags["chiminey-connector"] == "sample"
        assert each.tags["chiminey-owner"] == "somebody"
        assert each.tags["chiminey-expires"] > time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    assert compute.orphans("installation") == {label.run}
    assert compute.orphans("another") == set()
    compute.release(host, label.run)
    assert not [each for each in ec2.left() if each.kind == "elastic-ip"], "other machines of the run may need it"
    compute.destroy(label.run, [host])
    assert compute.orphans("installation") == set()


def test_a_machine_that_is_asked_for_again_is_the_same_one(ec2: EC2, label: RunLabel) -> None:
    hosts = wanted(resource(ec2))
    first = [resource(ec2).make(host, label) for host in hosts]

    again = [resource(ec2).make(host, label) for host in hosts]  # as another controller would

    assert [host.machine for host in again] == [host.machine for host in first]
    assert made(resource(ec2), label, again)[0].address
    resource(ec2).destroy(label.run, [])


def test_an_answer_that_is_lost_makes_no_second_machine(ec2: EC2, label: RunLabel) -> None:
    compute = resource(ec2)
    ec2.lose_answers("RunInstances")

    compute.make(wanted(compute)[0], label)

    assert Counter(each.kind for each in ec2.left())["instance"] == 1
    compute.destroy(label.run, [])


def test_a_machine_that_was_asked_for_and_is_not_listed_yet_may_be_asked_for_again(ec2: EC2, label: RunLabel) -> None:
    compute = resource(ec2)
    ec2.fail("IdempotentParameterMismatch", 400, action="RunInstances")
    (host, *_) = wanted(compute)

    with pytest.raises(Unreachable, match="does not list it yet"):
        compute.make(host, label)

    assert compute.make(host, label).machine
    compute.destroy(label.run, [])


@pytest.mark.parametrize(
    ("action", "code"),
    [
        ("AuthorizeSecurityGroupIngress", "InvalidGroup.NotFound"),
        ("RunInstances", "InvalidGroup.NotFound"),
        ("RunInstances", "InvalidKeyPair.NotFound"),
        ("CreateTags", "InvalidVolume.NotFound"),
    ],
)
def test_what_was_made_a_moment_ago_may_not_be_known_everywhere_yet(ec2: EC2, label: RunLabel, action: str, code: str) -> None:
    compute = resource(ec2)
    before = len(ec2.calls(action))
    ec2.fail(code, 400, action=action, times=2)

    (host,) = made(compute, label, wanted(compute)[:1])

    assert [call.outcome for call in ec2.calls(action)][before:] == [code, code, "done"]
    compute.destroy(label.run, [host])


def test_what_stays_unknown_is_told_in_the_end(ec2: EC2, label: RunLabel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blocks.cloud.ec2_lag.LAG_SECONDS", 0.5)
    ec2.fail("InvalidGroup.NotFound", 400, action="RunInstances", times=None)

    with pytest.raises(Refused, match=r"InvalidGroup\.NotFound"):
        resource(ec2).make(wanted(resource(ec2))[0], label)

    ec2.heal()
    resource(ec2).destroy(label.run, [])


def test_a_provider_that_is_busy_at_every_third_call_is_asked_again(ec2: EC2, label: RunLabel) -> None:
    compute = resource(ec2)
    ec2.fail("RequestLimitExceeded", 503, times=None, every=3)

    hosts = made(compute, label)
    compute.destroy(label.run, hosts)

    assert ec2.left() == []


def test_what_a_provider_has_no_capacity_for_is_told_in_its_own_words_and_at_once(ec2: EC2, label: RunLabel) -> None:
    compute = resource(ec2)
    ec2.limit_capacity(1)
    compute.make(wanted(compute)[0], label)

    with pytest.raises(Refused, match="InsufficientInstanceCapacity"):
        compute.make(wanted(compute)[1], label)

    assert [call.outcome for call in ec2.calls("RunInstances")][-1] == "InsufficientInstanceCapacity"
    compute.destroy(label.run, [])


def test_an_account_that_may_not_have_as_many_processors_is_told_where_to_ask_for_more(ec2: EC2, label: RunLabel) -> None:
    compute = resource(ec2)
    ec2.fail("VcpuLimitExceeded", 400, action="RunInstances")

    with pytest.raises(Refused, match=r"does not allow this account as many processors .* lower maximum, or ask Amazon for more"):
        compute.make(wanted(compute)[0], label)

    compute.destroy(label.run, [])


def test_machines_behind_jump_hosts_must_be_told_whom_to_let_in_before_any_is_made(ec2: EC2) -> None:
    behind = {"jump_hosts": ["me@gate.example.org"]}

    (told,) = problems(resource(ec2, **behind))
    assert told.startswith("ssh_from: machines are reached through jump hosts")
    with pytest.raises(InvalidRequest, match="ssh_from: "):
        resource(ec2, **behind).check()
    assert problems(resource(ec2, **behind, ssh_from=["192.0.2.7/32"])) == []
    assert problems(resource(ec2, **behind, security_groups=["default"])) == []


@pytest.mark.parametrize("state", ["pending", "running", "terminated"])
def test_a_machine_that_never_comes_up_is_given_up_after_the_boot_limit(ec2: EC2, label: RunLabel, state: str) -> None:
    compute = resource(ec2, boot_limit=3)
    ec2.fail_boots(state)  # type: ignore[arg-type]
    host = compute.make(wanted(compute)[0], label)

    with pytest.raises(CommandFailed, match=r"3 s after it was asked for|gave it up"):
        compute.ready(host, label, lambda: False)

    compute.release(host, label.run)
    assert [each for each in ec2.left() if each.kind == "instance"] == []
    compute.destroy(label.run, [])


def test_only_the_key_that_was_made_for_a_machine_is_trusted(ec2: EC2, label: RunLabel) -> None:
    compute = resource(ec2)
    host = made(compute, label, wanted(compute)[:1])[0]

    with pytest.raises(HostKeyRefused):
        compute.open(replace(host, id="machine-2"), label.run).probe()  # as if another machine had its address

    compute.destroy(label.run, [host])


def test_keys_come_from_the_seed_and_are_the_same_for_all_who_have_it(ec2: EC2, label: RunLabel, tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    seed = SecretStr("the same for all workers")
    host = made(resource(ec2, key_seed=seed), label, wanted(resource(ec2))[:1])[0]
    monkeypatch.setenv("CHIMINEY_HOME", str(tmp_path / "elsewhere"))

    assert resource(ec2, key_seed=seed).open(host, label.run).probe().processors
    with pytest.raises((HostKeyRefused, AuthenticationRefused)):
        resource(ec2).open(host, label.run).probe()

    resource(ec2).destroy(label.run, [host])


def test_what_is_being_made_when_a_run_is_cancelled_is_destroyed_too(ec2: EC2, label: RunLabel) -> None:
    compute = resource(ec2)
    hosts = wanted(compute)
    before = len(ec2.calls("RunInstances"))
    with ThreadPoolExecutor(4) as pool:
        making = [pool.submit(compute.make, host, label) for host in hosts]
        while len(ec2.calls("RunInstances")) == before:
            time.sleep(0.01)
        compute.destroy(label.run, hosts)
        for each in making:
            assert each.exception() is None or isinstance(each.exception(), RunCancelled)

    assert ec2.left() == []
    with pytest.raises(RunCancelled):
        compute.make(hosts[0], label)


def test_a_machine_that_turns_up_late_is_destroyed_by_who_comes_after_a_controller_that_died(
    ec2: EC2, label: RunLabel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blocks.cloud.fleet.UNSURE_SECONDS", 120.0)
    hosts = wanted(resource(ec2))[:1]
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(lambda: (time.sleep(2.0), resource(ec2).make(hosts[0], label)))
        resource(ec2).destroy(label.run, hosts)
        late.result()
        assert [each for each in ec2.left() if each.kind == "instance"] == []
    resource(ec2).destroy(label.run, [])  # the key pair and the group came late, too


@pytest.mark.parametrize("how", ["terminate", "cut_power", "reclaim"])
def test_the_fate_of_a_machine_that_is_lost_is_known_from_its_provider(ec2: EC2, label: RunLabel, how: str) -> None:
    compute = resource(ec2)
    lost, well = made(compute, label, wanted(compute)[:2])
    getattr(ec2, how)(lost.machine)

    fresh = resource(ec2)
    assert fresh.fate(lost, label.run).startswith("it is ")
    assert fresh.fate(well, label.run) == ""

    compute.destroy(label.run, [lost, well])


def test_two_runs_on_one_account_do_not_see_each_others_machines(ec2: EC2, label: RunLabel) -> None:
    mine, theirs = resource(ec2), resource(ec2)
    other = new_label()
    hosts = made(mine, label, wanted(mine)[:1])
    others = made(theirs, other, wanted(theirs)[:1])

    mine.destroy(label.run, hosts)

    assert theirs.open(others[0], other.run).probe().processors
    assert {each.tags["chiminey-run"] for each in ec2.left() if "chiminey-run" in each.tags} == {other.run}
    theirs.destroy(other.run, others)


def test_a_security_group_lets_in_this_machine_alone_unless_other_networks_are_named(ec2: EC2, label: RunLabel) -> None:
    compute = resource(ec2)
    compute.make(wanted(compute)[0], label)
    compute.destroy(label.run, [])
    opened = resource(ec2, ssh_from=["192.0.2.0/24", "2001:db8::/48"])
    other = new_label()
    opened.make(wanted(opened)[0], other)
    opened.destroy(other.run, [])

    rules = [call.parameters for call in ec2.calls("AuthorizeSecurityGroupIngress")][-3:]
    networks = [value for rule in rules for name, value in rule.items() if "CidrIp" in name]
    kinds = [name.split(".")[2] for rule in rules for name in rule if "CidrIp" in name]
    assert networks == ["127.0.0.1/32", "192.0.2.0/24", "2001:db8::/48"]
    assert kinds == ["IpRanges", "IpRanges", "Ipv6Ranges"]
    assert {rule["IpPermissions.1.FromPort"] for rule in rules} == {"22"}


def test_no_secret_of_the_account_or_the_login_is_told_to_machines_or_in_tags(ec2: EC2, label: RunLabel) -> None:
    compute = resource(ec2)
    hosts = made(compute, label, wanted(compute)[:1])

    told = str([call.parameters for call in ec2.calls("RunInstances")][-1]) + str(ec2.left())
    assert ec2.secret_key not in told
    seen = compute.open(hosts[0], label.run)
    assert seen.probe().processors
    compute.destroy(label.run, hosts)


def test_credentials_that_are_wrong_are_told_in_one_sentence(ec2: EC2, label: RunLabel) -> None:
    wrong = credentials(ec2, secret_key="not-the-secret")

    with pytest.raises(AuthenticationRefused, match="does not accept the credentials") as told:
        wrong.check()
    with pytest.raises(AuthenticationRefused):
        problems(resource(ec2, credentials=wrong))
    assert "not-the-secret" not in str(told.value)
    assert "\n" not in str(told.value)


def test_a_machine_watches_whether_it_is_used_also_after_it_was_started_again(ec2: EC2, label: RunLabel) -> None:
    compute = resource(ec2)
    (host,) = made(compute, label, wanted(compute)[:1])
    driver = EC2Place.of(ec2.region, f"http://{ec2.host}:{ec2.port}/").driver(
        AccessKey(ec2.access_key, SecretStr(ec2.secret_key))
    )

    def one_watchman() -> bool:
        deadline = time.monotonic() + 60
        while sum(line.endswith("/var/lib/chiminey/unattended") for line in ec2.processes()) != 1:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)  # a process that was just forked is not yet what it becomes
        return True

    assert one_watchman()
    driver.reboot_node(SimpleNamespace(id=host.machine))
    made(compute, label, [host])
    assert one_watchman()
    compute.destroy(label.run, [host])


def test_a_key_that_is_changed_while_a_run_goes_on_is_read_again(
    ec2: EC2, label: RunLabel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "aws-credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))

    def write(secret: str) -> None:
        file.write_text(f"[tests]\naws_access_key_id = {ec2.access_key}\naws_secret_access_key = {secret}\n")

    first = ec2.secret_key
    write(first)
    account = EC2Credentials(profile="tests", endpoint=f"http://{ec2.host}:{ec2.port}/")
    compute = resource(ec2, credentials=account)
    hosts = made(compute, label)
    ec2.change_key(ec2.access_key, "another-secret")
    try:
        with pytest.raises(AuthenticationRefused):
            problems(compute)
        file.unlink()
        with pytest.raises(AuthenticationRefused, match=r"there are no credentials for EC2 .* any more: the profile 'tests'"):
            problems(compute)
        write("another-secret")
        compute.destroy(label.run, hosts)
    finally:
        ec2.change_key(ec2.access_key, first)

    assert ec2.left() == []


@pytest.mark.parametrize("code", ["RequestExpired", "ExpiredToken"])
def test_credentials_that_have_expired_are_tried_once_more_and_no_oftener(ec2: EC2, code: str) -> None:
    compute = resource(ec2)
    assert problems(compute) == []
    ec2.fail(code, 400, times=1)
    assert problems(compute) == []

    ec2.fail(code, 400, times=2)
    with pytest.raises(AuthenticationRefused, match=code):
        problems(compute)


def test_whatever_there_is_not_is_told_at_once_before_anything_is_made(ec2: EC2, label: RunLabel) -> None:
    compute = resource(ec2, image="debian-99", size="t9.huge", zone="us-east-1z", network="lab", security_groups=["ours"])

    told = problems(compute)

    assert [sentence.partition(":")[0] for sentence in told] == ["image", "size", "zone", "network", "security_groups"]
    assert ec2.left() == []


@pytest.fixture
def lab(ec2: EC2) -> Iterator[dict[str, str]]:
    """A network with a private and a public subnet, and a group whose name another one has in the account's own network."""
    key = {"aws_access_key_id": ec2.access_key, "aws_secret_access_key": ec2.secret_key, "region_name": ec2.region}
    client: Any = boto3.client("ec2", endpoint_url=f"http://{ec2.host}:{ec2.port}/", **key)
    network = client.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    private, public = (
        client.create_subnet(VpcId=network, CidrBlock=f"10.9.{number}.0/24")["Subnet"]["SubnetId"] for number in (1, 2)
    )
    client.modify_subnet_attribute(SubnetId=public, MapPublicIpOnLaunch={"Value": True})
    other = client.create_security_group(GroupName="ours", Description="of no network in particular")["GroupId"]
    group = client.create_security_group(GroupName="ours", Description="of the lab", VpcId=network)["GroupId"]
    yield {"network": network, "private": private, "public": public, "group": group}
    for each in (other, group):
        client.delete_security_group(GroupId=each)
    for each in (private, public):
        client.delete_subnet(SubnetId=each)
    client.delete_vpc(VpcId=network)


def test_in_a_network_the_group_of_its_own_and_a_subnet_of_its_kind_are_taken(ec2: EC2, lab: dict[str, str]) -> None:
    for settings, subnet in (({}, lab["public"]), ({"private_address": True}, lab["private"])):
        compute = resource(ec2, network=lab["network"], security_groups=["ours"], **settings)
        assert problems(compute) == []
        run = new_label()
        compute.make(wanted(compute)[0], run)
        asked = ec2.calls("RunInstances")[-1].parameters
        compute.destroy(run.run, [])

        assert {value for value in asked.values() if value.startswith("subnet-")} == {subnet}
        assert {value for value in asked.values() if value.startswith("sg-")} == {lab["group"]}
        public = asked["NetworkInterface.1.AssociatePublicIpAddress"]
        assert public == ("false" if settings else "true"), "whatever the subnet does by itself"


UBUNTU = "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server"


@pytest.mark.parametrize(
    ("name", "image"),
    [
        (f"{UBUNTU}-20260301", "ami-0ab2404003"),
        (f"099720109477/{UBUNTU}-20260301", "ami-0ab2404003"),
        (f"099720109477/{UBUNTU}-*", "ami-0ab2404004"),
        (f"{UBUNTU}-*", "ami-0ab2404004"),
        ("136693071363/debian-12-amd64", EC2.image),
    ],
)
def test_an_image_is_the_newest_of_its_name_which_may_hold_slashes_and_begin_with_its_owner(
    ec2: EC2, label: RunLabel, name: str, image: str
) -> None:
    compute = resource(ec2, image=name)
    assert problems(compute) == []

    compute.make(wanted(compute)[0], label)

    assert ec2.calls("RunInstances")[-1].parameters["ImageId"] == image
    compute.destroy(label.run, [])


def test_an_image_of_another_owner_than_the_one_that_is_named_is_not_taken(ec2: EC2) -> None:
    (told,) = problems(resource(ec2, image=f"136693071363/{UBUNTU}-20260301"))
    assert told.startswith("image: ")


def test_a_provider_that_is_away_is_told_without_the_request(ec2: EC2, label: RunLabel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blocks.patience.DOUBT", 1.0)
    monkeypatch.setattr("blocks.patience.PATIENCE", 10_000.0)  # which is for providers that have answered before
    compute = resource(ec2, credentials=credentials(ec2, endpoint="http://127.0.0.1:9/"))

    with pytest.raises(Unreachable, match="can't be reached") as told:
        compute.make(replace(wanted(resource(ec2))[0]), label)

    assert "UserData" not in str(told.value)
    assert told.value.__cause__ is None
