"""Machines that are made for a run: as many as are needed, in the place of lost ones, and none that is left."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from blocks.errors import RunCancelled, RunFailed
from flows import Reliability, orphans, reaper
from flows.ledger.records import HostRecord
from flows.result import RunResult
from tests.elastic import ElasticCompute, Provider, register
from tests.engine import Lab
from tests.meanwhile import when
from tests.payloads import connector
from tests.runs.test_kill_controller import start
from tests.servers import loopback

pytestmark = pytest.mark.ssh

NUMBERED = 'echo "$CHIMINEY_TASK_ID" >"$2/answer"\n'
KINDS = {"compute": ("elastic",)}


@pytest.fixture
def provider(namespaces: None, tmp_path: Path) -> Iterator[Provider]:
    register()
    provider = Provider(tmp_path / "provider")
    provider.set_up()
    yield provider
    provider.clear()


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def elastic(provider: Provider, **settings: float) -> ElasticCompute:
    return ElasticCompute(provider=str(provider.folder), **{"slots": 2, "lost_after": 60, **settings})


def machines(lab: Lab) -> dict[str, HostRecord]:
    return {host.id: host for host in lab.ledger.hosts(lab.ledger.runs()[0].id)}


def statuses(lab: Lab) -> dict[str, str]:
    return {identity: host.status for identity, host in machines(lab).items()}


def outputs(lab: Lab, result: RunResult) -> list[int]:
    return sorted(int(path.read_text()) for path in (lab.folder(result) / "output").glob("*/answer"))


def last_run(lab: Lab) -> str:
    return lab.ledger.runs()[0].id


def gate(task: int) -> str:
    """The end of a payload: from this task on they wait, so that the run does not end before what is to happen in it."""
    return f'[ "$CHIMINEY_TASK_ID" -le {task} ] || until [ -e ~/go ]; do sleep 0.1; done\n'


def is_at_work(lab: Lab, host: str) -> bool:
    return lab.ledger.runs() != [] and any(task.host == host for task in lab.ledger.tasks(last_run(lab)))


def let_go(provider: Provider, gate: str = "go") -> None:
    """Let the tasks end that wait at a gate, on the machines that are there."""
    for machine in provider.living():
        (provider.home(machine) / gate).touch()


def released_for_want_of_work(lab: Lab) -> int:
    return sum("is released: nothing is left for it to do" in message for message in lab.view.messages)


def test_machines_are_made_used_and_released(provider: Provider, lab: Lab, tmp_path: Path) -> None:
    result = lab.go(connector(tmp_path / "c", NUMBERED, **KINDS), elastic(provider, maximum=3), sweep={"n": list(range(40))})

    assert outputs(lab, result) == list(range(1, 41))
    assert statuses(lab) == dict.fromkeys(("machine-1", "machine-2", "machine-3"), "released")
    assert len(provider.asked("make")) == 3
    assert provider.living() == []
    assert len({task.host for task in lab.tasks(result)}) == 3


def test_no_more_machines_are_made_than_tasks_need(provider: Provider, lab: Lab, tmp_path: Path) -> None:
    lab.go(connector(tmp_path / "c", NUMBERED, **KINDS), elastic(provider, maximum=3, tasks_each=10), sweep={"n": [1, 2]})

    assert len(provider.asked("make")) == 1
    assert len(provider.asked("hosts_for")) == 1, "the provider may have to be asked, which takes its time"


def test_with_fewer_than_all_the_run_goes_on(provider: Provider, lab: Lab, tmp_path: Path) -> None:
    provider.fault("make")

    result = lab.go(connector(tmp_path / "c", NUMBERED, **KINDS), elastic(provider, minimum=2), sweep={"n": list(range(9))})

    assert result.tasks.completed == 9
    assert sorted(statuses(lab).values()) == ["released"] * 3
    assert len(provider.asked("make")) == 3


def test_with_fewer_than_the_quorum_the_run_fails_in_the_providers_words(provider: Provider, lab: Lab, tmp_path: Path) -> None:
    provider.fault("make", 2, "quota exceeded: 1 of 1 cores are in use")

    with pytest.raises(RunFailed, match="2 machines are needed, 1 could be made: quota exceeded: 1 of 1 cores are in use"):
        lab.go(connector(tmp_path / "c", NUMBERED, **KINDS), elastic(provider, minimum=2), sweep={"n": [1, 2, 3]})

    assert provider.living() == []
    assert set(statuses(lab).values()) == {"released"}
    assert "quota exceeded" in "".join(host.note for host in machines(lab).values())


def test_a_machine_that_does_not_come_up_is_released_at_once(provider: Provider, lab: Lab, tmp_path: Path) -> None:
    provider.fault("ready", words="it did not boot within 300 s")

    lab.go(connector(tmp_path / "c", "sleep 1", **KINDS), elastic(provider), sweep={"n": [1, 2, 3]})

    (note,) = [host.note for host in machines(lab).values() if "boot" in host.note]
    assert note == "it did not boot within 300 s"
    assert any("is left out: it did not boot within 300 s" in message for message in lab.view.messages)
    assert len(provider.asked("release")) == 1


def test_a_killed_machine_is_replaced_and_each_output_is_there_once(provider: Provider, lab: Lab, tmp_path: Path) -> None:
    main = NUMBERED + 'hostname >"$2/host"; sleep 0.3\n' + gate(60)
    compute = elastic(provider, maximum=2)
    when(lambda: is_at_work(lab, "machine-3"), lambda: let_go(provider))
    when(
        lambda: lab.ledger.runs() != [] and lab.ledger.task_counts(last_run(lab)).get("completed", 0) > 4,
        lambda: provider.kill(provider.living()[0]),
    )

    result = lab.go(connector(tmp_path / "c", main, **KINDS), compute, sweep={"n": list(range(80))})

    assert (result.state, outputs(lab, result)) == ("completed", list(range(1, 81)))
    assert statuses(lab) == dict.fromkeys(("machine-1", "machine-2", "machine-3"), "released")
    assert machines(lab)["machine-1"].note == "lost: the machine was terminated"
    assert {task.host for task in lab.tasks(result)} >= {"machine-2", "machine-3"}
    assert provider.living() == []


def test_the_only_machine_is_replaced_too_and_set_up_like_the_first(provider: Provider, lab: Lab, tmp_path: Path) -> None:
    main = f'cat ~/set-up; echo "$CHIMINEY_TASK_ID" >"$2/answer"; sleep 0.3\n{gate(10)}'
    when(lambda: is_at_work(lab, "machine-2"), lambda: let_go(provider))
    when(
        lambda: lab.ledger.runs() != [] and lab.ledger.task_counts(last_run(lab)).get("completed", 0) > 2,
        lambda: provider.kill(provider.living()[0]),
    )

    result = lab.go(
        connector(tmp_path / "c", main, bootstrap="touch ~/set-up", **KINDS),
        elastic(provider, maximum=1),
        sweep={"n": list(range(20))},
    )

    assert outputs(lab, result) == list(range(1, 21))
    assert sorted(statuses(lab)) == ["machine-1", "machine-2"]


def test_a_machine_that_is_silent_is_released_so_that_it_can_not_come_back(provider: Provider, lab: Lab, tmp_path: Path) -> None:
    when(
        lambda: lab.ledger.runs() != [] and lab.ledger.task_counts(last_run(lab)).get("completed", 0) > 2,
        lambda: provider.freeze(provider.living()[0]),
    )
    when(lambda: is_at_work(lab, "machine-3"), lambda: let_go(provider))

    result = lab.go(
        connector(tmp_path / "c", f"{NUMBERED}sleep 0.3\n{gate(20)}", **KINDS),
        elastic(provider, maximum=2, lost_after=2),
        sweep={"n": list(range(30))},
    )

    assert outputs(lab, result) == list(range(1, 31))
    assert provider.asked("release") == [f"{result.run_id}/machine-1"]


def test_when_replacements_run_out_the_run_fails_and_says_why(provider: Provider, lab: Lab, tmp_path: Path) -> None:
    def kill_whatever_works() -> None:
        while len(provider.asked("started")) < 4 or provider.living():
            working = [machine for machine in provider.living() if (provider.home(machine) / "begun").exists()]
            for machine in working:
                provider.kill(machine)
            time.sleep(0.1)

    when(lambda: provider.living() != [], kill_whatever_works)

    # Whether a task is left that has not been lost twice depends on which of the four was handed most of them.
    with pytest.raises(RunFailed, match=r"no host is left to run the remaining tasks.*terminated|no task succeeded.* was lost"):
        lab.go(
            connector(tmp_path / "c", "touch ~/begun; sleep 600", **KINDS),
            elastic(provider, maximum=2, slots=1),
            sweep={"n": list(range(60))},
            reliability=Reliability(maximum_retry=1),
        )

    assert len(provider.asked("make")) == 4, "two at first, and each replaced once"
    assert set(statuses(lab).values()) == {"released"}


def test_a_replacement_that_can_not_be_made_is_told_in_the_providers_words(provider: Provider, lab: Lab, tmp_path: Path) -> None:
    def kill() -> None:
        provider.fault("make", 9, "no capacity in this zone")
        provider.kill(provider.living()[0])

    when(lambda: lab.ledger.runs() != [] and lab.ledger.task_counts(last_run(lab)).get("running", 0) > 0, kill)

    with pytest.raises(RunFailed, match=r"no host is left to run the remaining tasks .*no capacity in this zone"):
        lab.go(
            connector(tmp_path / "c", "sleep 600", **KINDS),
            elastic(provider, maximum=1),
            sweep={"n": [1]},
            reliability=Reliability(maximum_retry=1),
        )


def test_machines_with_nothing_to_do_are_released_while_one_long_task_goes_on(
    provider: Provider, lab: Lab, tmp_path: Path
) -> None:
    main = NUMBERED + '[ "$CHIMINEY_TASK_ID" != 1 ] || until [ -e ~/go ]; do sleep 0.1; done\n'
    when(lambda: released_for_want_of_work(lab) == 2, lambda: let_go(provider))

    result = lab.go(connector(tmp_path / "c", main, **KINDS), elastic(provider, idle_after=1), sweep={"n": [1, 2, 3]})

    assert outputs(lab, result) == [1, 2, 3]
    assert released_for_want_of_work(lab) == 2


def test_a_task_that_fails_after_the_others_left_is_run_again(provider: Provider, lab: Lab, tmp_path: Path) -> None:
    main = NUMBERED + '[ "$CHIMINEY_TASK_ID" != 1 ] || [ "$CHIMINEY_ATTEMPT" != 1 ] || { sleep 4; exit 3; }\n'

    result = lab.go(connector(tmp_path / "c", main, **KINDS), elastic(provider, idle_after=1), sweep={"n": [1, 2, 3]})

    assert (result.tasks.completed, lab.tasks(result)[0].attempt) == (3, 2)
    assert len(provider.asked("make")) == 3


def test_iterations_keep_their_machines(provider: Provider, lab: Lab, tmp_path: Path) -> None:
    result = lab.go(
        connector(tmp_path / "c", NUMBERED, max_iterations=3, converged=_never, **KINDS),
        elastic(provider, maximum=2),
        sweep={"n": [1, 2, 3, 4]},
    )

    assert result.iterations == 3
    assert len(provider.asked("make")) == 2
    assert len(provider.asked("hosts_for")) == 1


def test_an_iteration_with_more_tasks_gets_more_machines(provider: Provider, lab: Lab, tmp_path: Path) -> None:
    when(lambda: is_at_work(lab, "machine-2"), lambda: let_go(provider))
    sample = connector(
        tmp_path / "c",
        NUMBERED + gate(10),
        max_iterations=2,
        converged=_never,
        internal_sweep=lambda _self, _inputs, iteration: {"n": [1] if iteration == 0 else list(range(30))},
        **KINDS,
    )

    result = lab.go(sample, elastic(provider, maximum=2))

    assert result.tasks.completed == 31
    assert len(provider.asked("make")) == 2
    assert {task.host for task in lab.tasks(result) if task.iteration == 1} == {"machine-1", "machine-2"}


def test_machines_that_left_for_want_of_work_come_back_with_it_and_are_no_replacements(
    provider: Provider, lab: Lab, tmp_path: Path
) -> None:
    wait = 'until [ -e ~/go-"$CHIMINEY_ITERATION" ]; do sleep 0.1; done'
    main = f"{NUMBERED}case $CHIMINEY_ITERATION$CHIMINEY_TASK_ID in 01|1*) {wait} ;; esac\n"
    when(lambda: released_for_want_of_work(lab) == 1, lambda: let_go(provider, "go-0"))
    when(
        lambda: lab.ledger.runs() != [] and any(task.host == "machine-3" for task in lab.ledger.tasks(last_run(lab))),
        lambda: let_go(provider, "go-1"),
    )

    result = lab.go(
        connector(tmp_path / "c", main, max_iterations=2, converged=_never, **KINDS),
        elastic(provider, maximum=2, idle_after=0.05),
        sweep={"n": list(range(8))},
        reliability=Reliability(maximum_retry=0),
    )

    assert result.tasks.completed == 16
    assert len(provider.asked("make")) == 3
    assert {task.host for task in lab.tasks(result) if task.iteration == 1} >= {"machine-3"}


def _never(_self: object, _iteration: object):
    from flows import Convergence

    return Convergence(done=False)


@pytest.mark.parametrize("moment", ["make", "ready"], ids=["between intent and make", "between make and ready"])
def test_a_controller_that_resumes_adopts_what_was_asked_for(moment: str, provider: Provider, lab: Lab, tmp_path: Path) -> None:
    provider.delay(moment, 60)  # in which the controller is killed
    sample = connector(tmp_path / "connector", NUMBERED, **KINDS)
    proposal = lab.request(sample, elastic(provider, maximum=2), sweep={"n": [1, 2, 3, 4]})
    record = lab.add(proposal)
    controller = start(tmp_path, record)
    while len(provider.asked(moment)) < 2 and controller.poll() is None:
        time.sleep(0.05)
    assert controller.poll() is None, (tmp_path / "errors").read_text()[-2000:]
    os.killpg(controller.pid, signal.SIGKILL)
    controller.wait()
    assert statuses(lab) == {"machine-1": "wanted", "machine-2": "wanted"}
    provider.delay(moment, 0)

    result = lab.drive(record, proposal)

    assert outputs(lab, result) == [1, 2, 3, 4]
    assert sorted(provider.asked("started")) == [f"{record.id}/machine-1", f"{record.id}/machine-2"]
    assert provider.living() == []


def test_the_reaper_destroys_the_machines_of_a_dead_run_and_leaves_a_live_one_alone(
    provider: Provider, lab: Lab, tmp_path: Path
) -> None:
    sample = connector(tmp_path / "connector", "sleep 600", **KINDS)
    proposal = lab.request(sample, elastic(provider, maximum=2), sweep={"n": [1, 2]})
    dead, live = lab.add(proposal), lab.add(proposal)
    controllers = [start(tmp_path, record) for record in (dead, live)]
    while len(provider.living()) < 4:
        assert [each.poll() for each in controllers] == [None, None], (tmp_path / "errors").read_text()[-2000:]
        time.sleep(0.1)
    os.killpg(controllers[0].pid, signal.SIGKILL)
    controllers[0].wait()

    dry = reaper.reap(lab.ledger, lab.find, dry_run=True)
    assert len(dry) == 1
    assert "machine-1" in dry[0] or loopback.HOSTS in dry[0]
    assert len(provider.living()) == 4
    (told,) = reaper.reap(lab.ledger, lab.find)

    assert told == f"{dead.name}: cleaned up"
    assert [name.partition("/")[0] for name in provider.living()] == [live.id, live.id]
    lab.ledger.request_cancel(live.id)
    controllers[1].wait(timeout=240)
    assert provider.living() == []


def test_what_could_not_be_destroyed_is_told_and_reaped(provider: Provider, lab: Lab, tmp_path: Path) -> None:
    provider.fault("destroy", words="503 from the provider")

    result = lab.go(connector(tmp_path / "c", NUMBERED, **KINDS), elastic(provider, maximum=2), sweep={"n": [1, 2]})

    assert result.state == "completed"
    assert any("'chiminey reap' will remove them" in message for message in lab.view.messages)
    assert len(provider.living()) == 2
    assert set(statuses(lab).values()) == {"failed"}
    assert reaper.reap(lab.ledger, lab.find) == [f"{result.name}: cleaned up"]
    assert provider.living() == []
    assert lab.ledger.runs()[0].status == "completed"
    assert reaper.reap(lab.ledger, lab.find) == []


def test_a_cancel_while_machines_are_made_leaves_none(
    provider: Provider, lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.stages.destroy.SETTLE_SECONDS", 120)
    provider.delay("make", 3)
    when(lambda: provider.asked("make") != [], lambda: lab.ledger.request_cancel(last_run(lab)))

    with pytest.raises(RunCancelled):
        lab.go(connector(tmp_path / "c", NUMBERED, **KINDS), elastic(provider, maximum=2), sweep={"n": [1, 2]})

    assert provider.living() == []
    assert reaper.reap(lab.ledger, lab.find) == []


def test_a_machine_that_can_not_be_set_up_is_replaced(
    provider: Provider, lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.stages.destroy.SETTLE_SECONDS", 120)
    bootstrap = "case $(hostname) in n60) echo no such package >&2; exit 1;; esac\n"

    result = lab.go(
        connector(tmp_path / "c", NUMBERED + "sleep 1", bootstrap=bootstrap, **KINDS),
        elastic(provider, maximum=2),
        sweep={"n": list(range(12))},
    )

    assert result.tasks.completed == 12
    assert len(provider.asked("make")) == 3
    assert set(statuses(lab).values()) == {"released"}


def test_what_machines_cost_is_in_the_record_of_the_run(provider: Provider, lab: Lab, tmp_path: Path) -> None:
    result = lab.go(
        connector(tmp_path / "c", NUMBERED + "sleep 1", **KINDS), elastic(provider, maximum=2, price=3.6), sweep={"n": [1, 2]}
    )

    cost = json.loads((lab.folder(result) / "run.json").read_text())["cost"]
    seconds = sum(host.gone - host.asked for host in machines(lab).values())
    assert cost["machine_seconds"] == {"small": pytest.approx(seconds, abs=0.2)}
    assert cost["price"] == pytest.approx(seconds / 1000, abs=0.001)


def test_what_no_living_run_has_is_found_with_the_provider_and_removed(provider: Provider, lab: Lab, tmp_path: Path) -> None:
    sample = connector(tmp_path / "connector", "sleep 600", **KINDS)
    compute = elastic(provider, maximum=1)
    proposal = lab.request(sample, compute, sweep={"n": [1]})
    live = lab.add(proposal)
    controller = start(tmp_path, live)
    while not provider.living():
        assert controller.poll() is None, (tmp_path / "errors").read_text()[-2000:]
        time.sleep(0.1)
    ended = lab.go(connector(tmp_path / "c", NUMBERED, **KINDS), compute)
    for left in (f"{ended.run_id}/machine-7", "unknown/machine-1"):
        provider.make(left)
    new = lab.add(proposal)
    provider.make(f"{new.id}/machine-1")

    assert orphans.reap(lab.ledger, compute, dry_run=True) == [
        f"machines of run {name} are left" for _, name in sorted([(ended.run_id, ended.name), ("unknown", "unknown")])
    ]
    assert len(provider.living()) == 4
    assert orphans.reap(lab.ledger, compute) == [
        f"machines of run {name} are removed" for _, name in sorted([(ended.run_id, ended.name), ("unknown", "unknown")])
    ]

    assert provider.living() == sorted([f"{live.id}/machine-1", f"{new.id}/machine-1"])
    assert orphans.reap(lab.ledger, compute) == []
    lab.ledger.request_cancel(live.id)
    controller.wait(timeout=240)
