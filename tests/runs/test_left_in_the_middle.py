"""What is in the middle of something when a run ends, or a stage is tried again: it leaves off, and spoils nothing."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterable
from itertools import count
from pathlib import Path
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun, State
from prefect.states import Cancelled, Cancelling

from blocks.errors import ChimineyError, CommandFailed, RunCancelled, Unreachable
from blocks.host import Host
from blocks.remote.session import RunnerSession, RunnerWatch
from blocks.storage import LocalStorage
from blocks.tree import Entry
from blocks.work import BatchStatus, TaskEnd
from flows import engine, reaper, records
from flows.control import Control
from flows.flow import clean_up
from flows.host_worker import HostWorker
from flows.ledger import Lease
from flows.ledger.records import HostStatus
from flows.request import Reliability
from flows.run import Run
from flows.stages.destroy import Destroy
from flows.stages.stage import Stage
from flows.state import RunState
from tests.engine import Lab, left_on, unix
from tests.meanwhile import when
from tests.payloads import connector
from tests.servers.farm import Farm
from tests.servers.sshd import SSHD
from tests.ssh.test_remote_protocol import program

pytestmark = pytest.mark.ssh

TAR = """#!/bin/sh
case "$*" in
    *fetching*)
        [ ! -e "$HOME/sends-half" ] || /bin/tar cf "$HOME/half" */chiminey_output/file
        true >"$HOME/fetching"
        while [ -e tasks ]; do sleep 0.01; done # until the folder is taken away
        [ ! -e "$HOME/half" ] || exec cat "$HOME/half" ;;
esac
exec /bin/tar "$@"
"""


def host_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("host ")]


def end_of_host_threads() -> None:
    for thread in host_threads():
        thread.join(250)


@pytest.mark.parametrize("arrives", ["nothing", "half"])
def test_tasks_whose_outputs_are_on_their_way_when_the_run_is_cancelled_are_neither_failed_nor_completed(
    farm: Farm, tmp_path: Path, arrives: str
) -> None:
    (host,) = farm(1, bashrc='PATH="$HOME/bin:$PATH"\n')
    program(host, "tar", TAR)
    if arrives == "half":  # as of a tar to which files that are removed under it are no failure
        (host.home / "sends-half").touch()
    lab = Lab(tmp_path)
    main = 'echo 1 >"$2/file"; echo 2 >"$2/other"\n'
    proposal = lab.request(connector(tmp_path, main), unix(host, slots=2), sweep={"n": [1, 2]})
    record = lab.add(proposal)
    when((host.home / "fetching").exists, lambda: lab.ledger.request_cancel(record.id))

    with pytest.raises(RunCancelled):
        lab.drive(record, proposal)
    end_of_host_threads()

    tasks = lab.ledger.tasks(record.id)
    assert [(task.status, task.attempt - task.forgiven) for task in tasks] == [("pending", 0)] * 2
    assert not list((lab.results / record.name).glob("*put_0/*")) + list((lab.results / record.name).glob("failed_0/*"))
    assert [each.status for each in lab.ledger.hosts(record.id)] == ["released"]
    assert not [text for text in lab.view.messages if "lost" in text or "failed" in text]


def test_an_interrupt_in_the_moment_in_which_hosts_begin_to_be_looked_after_ends_that_too(
    sshd: SSHD, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = HostWorker.start

    def interrupted(worker: HostWorker) -> None:
        start(worker)
        raise KeyboardInterrupt

    monkeypatch.setattr(HostWorker, "start", interrupted)
    lab = Lab(tmp_path)
    proposal = lab.request(connector(tmp_path, "sleep 600\n"), unix(sshd, slots=1))
    record = lab.add(proposal)

    with pytest.raises(KeyboardInterrupt):
        lab.drive(record, proposal)
    end_of_host_threads()

    assert [each.status for each in lab.ledger.hosts(record.id)] == ["released"]
    assert [task.status for task in lab.ledger.tasks(record.id)] == ["pending"]
    assert not [text for text in lab.view.messages if "lost" in text or "answer" in text]


@pytest.mark.parametrize("place", [(Destroy, "process"), (Control, "settle"), (records, "write")], ids=["let go", "end", "told"])
def test_a_ctrl_c_while_a_run_is_coming_to_its_end_breaks_nothing_off(
    place: tuple[object, str], sshd: SSHD, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    act = getattr(*place)

    def interrupted(*given: object) -> object:
        signal.raise_signal(signal.SIGINT)
        return act(*given)

    monkeypatch.setattr(*place, interrupted)
    lab = Lab(tmp_path)
    handler = signal.getsignal(signal.SIGINT)
    try:
        result = lab.go(connector(tmp_path, 'echo 1 >"$2/file"\n'), unix(sshd, slots=1))
    except KeyboardInterrupt:
        pytest.fail("the run was broken off")

    assert result.state == "completed"
    assert [each.status for each in lab.ledger.hosts(result.run_id)] == ["released"]
    assert (lab.folder(result) / "run.json").exists()
    assert signal.getsignal(signal.SIGINT) is handler


def test_a_ctrl_c_before_the_first_stage_is_heard_and_a_second_one_raised(
    sshd: SSHD, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin, process = Lease.begin, Destroy.process

    def interrupted(lease: Lease, flow_run: str) -> None:
        signal.raise_signal(signal.SIGINT)
        begin(lease, flow_run)

    def interrupted_again(stage: Destroy, run: Run, state: RunState) -> None:
        signal.raise_signal(signal.SIGINT)
        process(stage, run, state)

    monkeypatch.setattr(Lease, "begin", interrupted)
    lab = Lab(tmp_path)
    proposal = lab.request(connector(tmp_path, 'echo 1 >"$2/file"\n'), unix(sshd, slots=1))
    record = lab.add(proposal)
    with pytest.raises(RunCancelled, match="the run was interrupted"):
        lab.drive(record, proposal)
    ended = lab.ledger.find(record.id)
    assert (ended.status, ended.message, ended.owner) == ("cancelled", "the run was interrupted", None)

    monkeypatch.setattr(Destroy, "process", interrupted_again)
    with pytest.raises(KeyboardInterrupt):
        lab.drive(record, proposal)


def test_a_host_that_can_not_go_on_when_its_run_is_cancelled_is_no_lost_one(
    sshd: SSHD, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = Lab(tmp_path)
    proposal = lab.request(connector(tmp_path, "sleep 600\n"), unix(sshd, slots=1))
    record = lab.add(proposal)
    released, note = threading.Event(), Lease.host

    def refused(*_: object) -> None:
        lab.ledger.request_cancel(record.id)
        raise CommandFailed("its disk is full")

    def fence(*_: object) -> list[BatchStatus]:
        released.wait(250)
        return []

    def noted(lease: Lease, host: Host, status: HostStatus, text: str = "") -> None:
        note(lease, host, status, text)
        if status == "released":
            released.set()
            end_of_host_threads()

    monkeypatch.setattr(RunnerSession, "watch", refused)
    monkeypatch.setattr(RunnerSession, "fence", fence)
    monkeypatch.setattr(Lease, "host", noted)
    with pytest.raises(RunCancelled):
        lab.drive(record, proposal)

    assert [each.status for each in lab.ledger.hosts(record.id)] == ["released"]
    assert [task.status for task in lab.ledger.tasks(record.id)] == ["pending"]


def test_what_the_last_host_had_fails_before_the_run_is_given_up(
    sshd: SSHD, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note, ends = Lease.host, RunnerWatch.ends

    def slowly(lease: Lease, host: Host, status: HostStatus, text: str = "") -> None:
        if status == "lost":
            time.sleep(0.5)
        note(lease, host, status, text)

    def until_one_is_home(watch: RunnerWatch, seconds: float) -> list[TaskEnd]:
        if any(lab.results.glob("*/output_0/1/file")):
            raise CommandFailed("its disk is full")
        return ends(watch, seconds)

    monkeypatch.setattr(RunnerWatch, "ends", until_one_is_home)
    monkeypatch.setattr(Lease, "host", slowly)
    lab = Lab(tmp_path)
    main = '[ "$CHIMINEY_TASK_ID" = 1 ] || sleep 600\necho 1 >"$2/file"\n'
    once = Reliability(maximum_retry=0)
    result = lab.go(connector(tmp_path, main), unix(sshd, slots=2), sweep={"n": [1, 2]}, reliability=once)

    assert result.state == "completed-with-failures"
    assert left_on(sshd) == []


@pytest.mark.parametrize("state", [Cancelling(), Cancelled()], ids=str)  # a worker calls the hook before it says the latter
def test_what_a_controller_was_kept_from_cleaning_up_prefect_s_hook_does_at_once(
    sshd: SSHD, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: State
) -> None:
    def broken_off(_stage: Destroy, _run: Run, _state: RunState) -> None:
        raise KeyboardInterrupt

    monkeypatch.setenv("CHIMINEY_LEDGER", f"sqlite:///{tmp_path}/ledger.db")
    lab = Lab(tmp_path)
    sample = connector(tmp_path, 'echo 1 >"$2/file"\n')
    proposal = lab.request(sample, unix(sshd, slots=1))
    record = lab.add(proposal)
    flow_run = FlowRun(flow_id=uuid4())
    with monkeypatch.context() as patch, engine.controlled(lab.ledger, record, proposal, lab.view) as run:
        patch.setattr(Destroy, "process", broken_off)
        with pytest.raises(KeyboardInterrupt):
            engine.drive(run, engine.execute, str(flow_run.id))
    assert list(sshd.home.rglob(f"{record.id}*"))

    clean_up(sample, flow_run, state)

    assert lab.ledger.find(record.id).status == "cancelled"
    assert [each.status for each in lab.ledger.hosts(record.id)] == ["released"]
    assert not list(sshd.home.rglob(f"{record.id}*"))


def test_what_is_still_being_written_when_a_run_is_cancelled_is_put_right_by_who_goes_on_with_it(
    sshd: SSHD, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collect, is_writing, may_end = LocalStorage.collect, threading.Event(), threading.Event()
    recovered: list[bool] = []

    def slowly(storage: LocalStorage, parent: str, tree: Iterable[Entry]) -> list[str]:
        if "/output_" in parent:
            is_writing.set()
            may_end.wait(250)
        return collect(storage, parent, tree)

    monkeypatch.setattr(LocalStorage, "collect", slowly)
    monkeypatch.setattr(LocalStorage, "recover", lambda *_: recovered.append(is_writing.is_set() and not may_end.is_set()))
    lab = Lab(tmp_path)
    proposal = lab.request(connector(tmp_path, 'echo 1 >"$2/file"\n'), unix(sshd, slots=1))
    record = lab.add(proposal)
    when(is_writing.is_set, lambda: lab.ledger.request_cancel(record.id))
    with pytest.raises(RunCancelled):
        lab.drive(record, proposal)
    may_end.set()
    end_of_host_threads()
    result = lab.drive(record, proposal)

    assert (result.state, recovered) == ("completed", [False, False, False])


@pytest.fixture
def uneven_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    """The outputs of one host can't be kept the first time; those of another are long on their way then."""
    collect, lock, other_began = LocalStorage.collect, threading.Lock(), threading.Event()
    calls = count(1)

    def unevenly(storage: LocalStorage, parent: str, tree: Iterable[Entry]) -> list[str]:
        with lock:
            call = next(calls) if "/output_" in parent else 0
        if call == 1:
            other_began.wait(250)
            raise Unreachable("the storage is away")
        if call == 2:
            other_began.set()
            time.sleep(3)  # which it does not leave off in the middle of
        return collect(storage, parent, tree)

    monkeypatch.setattr(LocalStorage, "collect", unevenly)


@pytest.mark.usefixtures("uneven_storage")
def test_a_stage_that_is_tried_again_is_alone_with_its_hosts(hosts: list[SSHD], tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    at_work_at_the_retry: list[threading.Thread] = []

    def patiently(stage: Stage, run: Run, state: RunState) -> RunState:
        try:
            return engine.execute(stage, run, state)
        except ChimineyError as error:
            if not error.transient:
                raise
            at_work_at_the_retry.extend(host_threads())
            return engine.execute(stage, run, state)

    proposal = lab.request(connector(tmp_path, 'echo 1 >"$2/file"\n'), unix(*hosts[:2], slots=1), sweep={"n": [1, 2]})
    record = lab.add(proposal)
    with engine.controlled(lab.ledger, record, proposal, lab.view) as run:
        result = engine.drive(run, patiently)

    assert result.state == "completed"
    assert at_work_at_the_retry == []


def test_a_bootstrap_goes_on_while_its_connection_is_away(sshd: SSHD, tmp_path: Path) -> None:
    script = 'echo begun >>"$HOME/begun"; until [ -e "$HOME/go" ]; do sleep 0.1; done; echo built >process_payload/built\n'
    lab = Lab(tmp_path)
    sample = connector(tmp_path, 'cat built >"$2/answer"\n', bootstrap=script)

    def cut() -> None:  # one that is at rest is made anew without a word
        while not any("trying again" in text for text in lab.view.messages):
            sshd.kill_sessions()
            time.sleep(0.02)
        (sshd.home / "go").touch()

    when((sshd.home / "begun").exists, cut)
    result = lab.go(sample, unix(sshd, slots=1))

    assert result.state == "completed"
    assert (lab.folder(result) / "output_0" / "1" / "answer").read_text() == "built\n"
    assert (sshd.home / "begun").read_text() == "begun\n"
    assert left_on(sshd) == []


def test_a_run_that_ended_after_the_reaper_had_seen_it_stays_as_it_ended(sshd: SSHD, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    proposal = lab.request(connector(tmp_path, 'echo 1 >"$2/file"\n'), unix(sshd, slots=1))
    seen = lab.add(proposal)
    lab.drive(seen, proposal)
    kept = (lab.results / seen.name / "run.json").read_bytes()

    told = reaper.end(lab.ledger, seen, lab.find, "failed", "its controller is gone")

    assert told == "left alone, for it has gone on since it was looked at"
    ended = lab.ledger.find(seen.id)
    assert (ended.status, ended.owner) == ("completed", None)
    assert (lab.results / seen.name / "run.json").read_bytes() == kept
