"""The same on a real OpenStack: Nova's servers, Neutron's groups and floating addresses, Keystone's two ways to log in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from pydantic import SecretStr

from blocks.compute.cloud import CloudCompute
from blocks.credentials import OpenStackCredentials
from blocks.errors import AuthenticationRefused, CommandFailed, InvalidRequest, Refused
from blocks.job import JobRequest
from blocks.label import RunLabel
from tests.clouds.clouds import made, new_label, wanted
from tests.engine import Lab
from tests.payloads import connector
from tests.servers.openstack import OpenStack

pytestmark = [pytest.mark.cloud, pytest.mark.slow]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHIMINEY_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("blocks.cloud.openstack.PLACING_LIMIT", 240.0)  # however slow this machine is


def by_password(site: OpenStack, **changed: Any) -> OpenStackCredentials:
    settings: dict[str, Any] = {
        "auth_url": site.auth_url,
        "username": site.user,
        "password": SecretStr(site.password),
        "project": site.project,
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


HORIZON = """
# This is a clouds.yaml file, which can be used by OpenStack tools as a source
# of configuration on how to connect to a cloud.
clouds:
  openstack:
    auth:
      auth_url: {auth_url}
      username: "{user}"
      project_id: {project_id}
      project_name: "{project}"
      user_domain_name: "Default"
    region_name: "{region}"
    interface: "public"
    identity_api_version: 3
"""


def test_the_clouds_yaml_that_horizon_offers_is_understood_as_it_is(openstack: OpenStack, tmp_path: Path) -> None:
    facts = {name: getattr(openstack, name) for name in ("auth_url", "user", "project", "project_id", "region")}
    (tmp_path / "clouds.yaml").write_text(HORIZON.format(**facts))
    (tmp_path / "secure.yaml").write_text(f"clouds: {{openstack: {{auth: {{password: {openstack.password}}}}}}}")

    accepted, left = OpenStackCredentials(cloud="openstack", clouds_file=str(tmp_path / "clouds.yaml")).check()

    assert accepted.endswith("accepts the credentials")
    assert "machines" in left


@pytest.mark.parametrize(
    "auth",
    [
        {"username": "guest", "password": "{password}", "project_name": "den", "domain_name": "researchers"},
        {
            "username": "guest",
            "password": "{password}",
            "user_domain_name": "researchers",
            "project_name": "{project}",
            "project_domain_id": "default",
        },
        {
            "application_credential_name": "chiminey",
            "application_credential_secret": "{credential_secret}",
            "username": "{user}",
            "user_domain_id": "default",
        },
    ],
)
def test_whoever_is_of_another_domain_or_names_a_credential_comes_in(
    openstack: OpenStack, tmp_path: Path, auth: dict[str, str]
) -> None:
    facts = {name: getattr(openstack, name) for name in ("password", "project", "user", "credential_secret")}
    told = {"auth_url": openstack.auth_url} | {name: value.format(**facts) for name, value in auth.items()}
    (tmp_path / "clouds.yaml").write_text(yaml.safe_dump({"clouds": {"lab": {"auth": told, "regions": [openstack.region]}}}))

    accepted, _ = OpenStackCredentials(cloud="lab", clouds_file=str(tmp_path / "clouds.yaml")).check()

    assert accepted.endswith("accepts the credentials")


def test_a_region_that_there_is_not_is_told_with_those_that_there_are(openstack: OpenStack) -> None:
    with pytest.raises(InvalidRequest, match=r"has no region 'Sydney'; it has Melbourne"):
        problems(resource(openstack, credentials=by_password(openstack, region="Sydney")))


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
    compute.release(host, label.run)
    assert "floating addresses" not in openstack.left()
    compute.destroy(label.run, [])
    assert openstack.left() == {}


@pytest.mark.parametrize("path", ["/v2.0/security-groups", "/v2.0/floatingips"])
def test_an_answer_of_neutron_that_is_lost_makes_nothing_twice(
    openstack: OpenStack, label: RunLabel, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    request, lost = requests.Session.request, []

    def lose(session: requests.Session, method: str, url: str, **given: Any) -> requests.Response:
        answer = request(session, method, url, **given)
        if method == "post" and url.endswith(path) and not lost:
            lost.append(url)
            raise requests.ConnectionError
        return answer

    monkeypatch.setattr(requests.Session, "request", lose)
    compute = resource(openstack, floating_pool=openstack.floating_network)
    (host,) = made(compute, label, wanted(compute)[:1])

    left = openstack.left()
    assert (len(lost), len(left["security groups"]), len(left["floating addresses"])) == (1, 1, 1)
    compute.destroy(label.run, [host])
    assert openstack.left() == {}


def test_networks_of_both_versions_of_ip_are_let_in(openstack: OpenStack, label: RunLabel) -> None:
    compute = resource(openstack, ssh_from=["127.0.0.0/8", "2001:db8::/48"])
    host = compute.make(wanted(compute)[0], label)

    driver: Any = by_password(openstack).login().driver()
    (group,) = (each for each in driver.ex_list_security_groups() if each.name == f"chiminey-{label.run}")
    assert {rule.ip_range for rule in group.rules} >= {"127.0.0.0/8", "2001:db8::/48"}
    compute.destroy(label.run, [host])
    assert openstack.left() == {}


def test_groups_of_the_same_name_are_no_obstacle_and_go_with_the_run(openstack: OpenStack, label: RunLabel) -> None:
    driver: Any = by_password(openstack).login().driver()
    for _ in range(2):
        driver.ex_create_security_group(f"chiminey-{label.run}", "of an earlier version, which had lost an answer")
    compute = resource(openstack)

    (host,) = made(compute, label, wanted(compute)[:1])

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


def test_a_machine_is_let_go_of_when_it_was_just_asked_for(
    openstack: OpenStack, label: RunLabel, monkeypatch: pytest.MonkeyPatch
) -> None:
    request, heard = requests.Session.request, list[tuple[str, str]]()

    def listen(session: requests.Session, method: str, url: str, **given: Any) -> requests.Response:
        answer = request(session, method, url, **given)
        if url.endswith(f"/servers/{host.machine}"):
            heard.append((method, answer.json().get("server", {}).get("hostId", "") if method == "get" else ""))
        return answer

    compute = resource(openstack)
    host = compute.make(wanted(compute)[0], label)
    monkeypatch.setattr(requests.Session, "request", listen)

    compute.destroy(label.run, [host])

    deleted = [method for method, _ in heard].index("delete")
    _, place = heard[deleted - 1]
    assert place  # Nova may leave a port behind when it deletes a server of which that is just being chosen
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
