"""Runs on machines that are made for them, whatever happens to those, to providers and to controllers: nothing is left."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from blocks.compute.cloud import CloudCompute
from blocks.credentials import EC2Credentials
from blocks.errors import RunFailed
from blocks.storage import LocalStorage
from connectors import load
from flows import Reliability, reaper
from flows.ledger import RunRecord
from tests.clouds.clouds import resource
from tests.engine import Lab
from tests.meanwhile import when
from tests.payloads import connector
from tests.runs.test_kill_controller import start
from tests.servers.ec2 import EC2

pytestmark = [pytest.mark.cloud, pytest.mark.ssh]

ANSWER = 'echo "$CHIMINEY_TASK_ID" >"$2/answer"\n'
CLOUD: dict[str, Any] = {"compute": ("cloud",)}


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


@pytest.fixture
def compute(ec2: EC2, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CloudCompute:
    """Three machines at most. The secret stands in a file as Amazon's tools keep it, so that no Block needs to be saved."""
    return on(ec2, tmp_path, monkeypatch)


def on(ec2: EC2, folder: Path, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> CloudCompute:
    file = folder / "aws-credentials"
    file.write_text(f"[tests]\naws_access_key_id = {ec2.access_key}\naws_secret_access_key = {ec2.secret_key}\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    account = EC2Credentials(profile="tests", endpoint=f"http://{ec2.host}:{ec2.port}/")
    return resource(ec2, credentials=account, price=0.5, **settings)


def answers(lab: Lab, record: RunRecord) -> list[int]:
    return sorted(int(path.read_text()) for path in (lab.results / record.name / "output").glob("*/answer"))


def running(ec2: EC2) -> list[str]:
    return [each.id for each in ec2.left() if each.kind == "instance"]


def test_randnum_runs_there_as_it_does_anywhere(ec2: EC2, compute: CloudCompute, lab: Lab) -> None:
    result = lab.go(load("randnum"), compute)

    assert result.state == "completed"
    assert ec2.left() == []


def test_hrmc_iterates_on_machines_that_stay_from_one_iteration_to_the_next(ec2: EC2, compute: CloudCompute, lab: Lab) -> None:
    before, hrmc = len(ec2.calls("RunInstances")), load("hrmc")

    result = lab.go(hrmc, compute, input=LocalStorage(path=str(hrmc.folder / "example_input")), max_iterations=2)

    assert result.iterations == 2
    hosts = lab.ledger.hosts(result.run_id)
    assert len(ec2.calls("RunInstances")) - before == len(hosts) <= 3
    assert ec2.left() == []


def test_five_hundred_tasks_on_three_machines(ec2: EC2, compute: CloudCompute, lab: Lab, tmp_path: Path) -> None:
    before, began = len(ec2.calls()), time.monotonic()

    result = lab.go(connector(tmp_path / "c", ANSWER, **CLOUD), compute, sweep={"n": list(range(500))})

    took = time.monotonic() - began
    assert result.tasks.completed == 500
    assert len({task.host for task in lab.tasks(result)}) == 3
    assert len(ec2.calls()) - before < 100 + took  # of the provider's API, which grow with the time of a boot, and not with tasks
    assert ec2.left() == []


def test_what_it_cost_is_told(ec2: EC2, compute: CloudCompute, lab: Lab, tmp_path: Path) -> None:
    result = lab.go(connector(tmp_path / "c", "sleep 1\n" + ANSWER, **CLOUD), compute, sweep={"n": [1, 2, 3]})

    cost = json.loads((lab.folder(result) / "run.json").read_text())["cost"]
    seconds = cost["machine_seconds"]["t3.small"]
    assert seconds > 2 * 1.0  # two machines, for a task of a second each
    assert cost["price"] == pytest.approx(seconds / 3600 * 0.5, rel=0.01)


def test_a_machine_that_is_killed_mid_run_is_replaced(ec2: EC2, compute: CloudCompute, lab: Lab, tmp_path: Path) -> None:
    when(lambda: any(lab.results.glob("*/output_0/*/answer")), lambda: ec2.cut_power(running(ec2)[0]))

    result = lab.go(connector(tmp_path / "c", "sleep 1\n" + ANSWER, **CLOUD), compute, sweep={"n": list(range(80))})

    record = lab.ledger.runs()[0]
    assert result.tasks.completed == 80
    assert answers(lab, record) == list(range(1, 81))
    assert len(lab.ledger.hosts(record.id)) == 4
    assert ec2.left() == []


def test_idle_machines_do_not_wait_for_the_last_task(ec2: EC2, lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compute = on(ec2, tmp_path, monkeypatch, idle_limit=1)
    main = f'[ "$CHIMINEY_TASK_ID" != 1 ] || until [ -e ~/go ]; do sleep 0.1; done\n{ANSWER}'

    def released() -> int:
        return sum("is released: nothing is left for it to do" in text for text in lab.view.messages)

    def let_go() -> None:
        (run,) = lab.ledger.runs()
        busy = lab.ledger.tasks(run.id)[0].host
        (host,) = [each.host for each in lab.ledger.hosts(run.id) if each.id == busy]
        with closing(compute._fleet(run.id).transport(host)) as transport:
            transport.run("touch ~/go")

    when(lambda: released() == 2, let_go)

    result = lab.go(connector(tmp_path / "c", main, **CLOUD), compute, sweep={"n": list(range(6))})

    assert result.tasks.completed == 6
    assert len(lab.ledger.hosts(result.run_id)) == 3
    assert released() == 2
    assert ec2.left() == []


def test_a_bootstrap_that_fails_leaves_nothing(ec2: EC2, compute: CloudCompute, lab: Lab, tmp_path: Path) -> None:
    sample = connector(tmp_path / "c", ANSWER, bootstrap="echo no such package >&2; exit 7\n", **CLOUD)

    with pytest.raises(RunFailed, match=r"bootstrap.sh failed .* exit code 7: no such package"):
        lab.go(sample, compute)

    assert ec2.left() == []


def test_a_provider_that_answers_503_to_every_third_call(ec2: EC2, compute: CloudCompute, lab: Lab, tmp_path: Path) -> None:
    ec2.fail("ServiceUnavailable", 503, times=None, every=3)

    result = lab.go(connector(tmp_path / "c", ANSWER, **CLOUD), compute, sweep={"n": list(range(12))})

    assert result.tasks.completed == 12
    assert ec2.left() == []


def test_fewer_machines_than_asked_for_are_enough_above_the_minimum(
    ec2: EC2, compute: CloudCompute, lab: Lab, tmp_path: Path
) -> None:
    ec2.limit_capacity(1)

    result = lab.go(connector(tmp_path / "c", ANSWER, **CLOUD), compute, sweep={"n": list(range(12))})

    assert result.tasks.completed == 12
    assert ec2.left() == []


def test_fewer_machines_than_the_minimum_are_released_with_the_providers_words(
    ec2: EC2, lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ec2.limit_capacity(1)

    with pytest.raises(RunFailed, match=r"2 machines are needed, 1 could be made: .*InsufficientInstanceCapacity"):
        lab.go(
            connector(tmp_path / "c", ANSWER, **CLOUD),
            on(ec2, tmp_path, monkeypatch, minimum=2),
            sweep={"n": list(range(12))},
        )

    assert ec2.left() == []


def test_a_machine_that_never_boots_is_done_without(ec2: EC2, lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ec2.fail_boots("running")

    result = lab.go(
        connector(tmp_path / "c", ANSWER, **CLOUD),
        on(ec2, tmp_path, monkeypatch, boot_limit=40),
        sweep={"n": list(range(12))},
    )

    assert result.tasks.completed == 12
    assert ec2.left() == []


def test_two_runs_at_once_and_the_reaper_leaves_the_living_one_alone(
    ec2: EC2, compute: CloudCompute, lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = connector(tmp_path / "connector", "sleep 300\n" + ANSWER, **CLOUD)
    quick = connector(tmp_path / "another", "sleep 3\n" + ANSWER, **CLOUD)
    dead = lab.add(lab.request(slow, compute, sweep={"n": list(range(6))}))
    living = lab.add(proposal := lab.request(quick, on(ec2, tmp_path, monkeypatch), sweep={"n": list(range(36))}))
    controller = start(tmp_path, dead)
    reaped: list[str] = []

    def kill_and_reap() -> None:
        os.killpg(controller.pid, signal.SIGKILL)
        controller.wait()
        reaped.extend(reaper.reap(lab.ledger, lab.find))

    both = [dead.id, living.id]
    at_work = when(lambda: all(lab.ledger.task_counts(each).get("running") for each in both), kill_and_reap)
    while not lab.ledger.task_counts(dead.id).get("running"):
        assert controller.poll() is None, (tmp_path / "errors").read_text()[-2000:]
        time.sleep(0.05)

    result = lab.drive(living, proposal)

    at_work.join(250)
    assert [sentence.partition(":")[0] for sentence in reaped] == [dead.name]
    assert result.tasks.completed == 36
    assert {host.status for host in lab.ledger.hosts(dead.id)} == {"released"}
    assert ec2.left() == []


def kill_often(ec2: EC2, compute: CloudCompute, folder: Path, kills: int, seed: int) -> None:
    """Kill controllers of one run so often, at random moments from its first write on; then let one finish."""
    lab, chance = Lab(folder), random.Random(seed)
    sample = connector(folder / "connector", "sleep 1\n" + ANSWER, **CLOUD)
    record = lab.add(lab.request(sample, compute, sweep={"n": list(range(12))}))
    for _ in range(kills):
        controller = start(folder, record)
        while (owner := lab.ledger.run(record.id)) and owner.owner is None and controller.poll() is None:
            time.sleep(0.02)
        time.sleep(chance.uniform(0.0, 6.0))
        if controller.poll() is not None:
            break
        os.killpg(controller.pid, signal.SIGKILL)
        controller.wait()
    last = start(folder, record)
    assert last.wait(timeout=240) == 0, (folder / "errors").read_text()[-2000:]
    assert answers(lab, record) == list(range(1, 13))
    assert ec2.left() == []


@pytest.mark.parametrize("seed", [1, 2])
def test_a_run_whose_controller_is_killed_again_and_again_ends_with_nothing_left(
    ec2: EC2, compute: CloudCompute, tmp_path: Path, seed: int
) -> None:
    kill_often(ec2, compute, tmp_path, kills=2, seed=seed)


@pytest.mark.chaos
@pytest.mark.timeout(1800)
def test_twenty_controllers_are_killed_at_random_moments(ec2: EC2, compute: CloudCompute, tmp_path: Path) -> None:
    for seed in range(10):
        (tmp_path / str(seed)).mkdir()
        kill_often(ec2, compute, tmp_path / str(seed), kills=2, seed=seed)


@pytest.mark.parametrize("seconds", [0.3, 1.5, 4.0])
def test_a_run_whose_controller_was_killed_is_reaped_with_nothing_left(
    ec2: EC2, compute: CloudCompute, lab: Lab, tmp_path: Path, seconds: float
) -> None:
    sample = connector(tmp_path / "connector", "sleep 5\n" + ANSWER, **CLOUD)
    record = lab.add(lab.request(sample, compute, sweep={"n": list(range(12))}))
    before = len(ec2.calls())
    controller = start(tmp_path, record)
    while len(ec2.calls()) == before and controller.poll() is None:
        time.sleep(0.02)
    time.sleep(seconds)
    os.killpg(controller.pid, signal.SIGKILL)
    controller.wait()

    (told,) = reaper.reap(lab.ledger, lab.find)

    assert told.startswith(f"{record.name}: cleaned up")
    assert ec2.left() == []


def test_no_secret_is_in_what_a_run_keeps(ec2: EC2, compute: CloudCompute, lab: Lab, tmp_path: Path) -> None:
    result = lab.go(connector(tmp_path / "c", ANSWER, **CLOUD), compute, reliability=Reliability(maximum_retry=0))

    kept = b"".join(path.read_bytes() for path in (*lab.results.rglob("*"), *tmp_path.glob("ledger.db*")) if path.is_file())
    assert result.state == "completed"
    for secret in (ec2.secret_key, "PRIVATE KEY", (tmp_path / "home" / "cloud.secret").read_text()):
        assert secret.encode() not in kept
