"""What fails, hangs, dies or is cancelled on a real Hadoop: the truth is told, and nothing is left in HDFS or in YARN."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from blocks.errors import ResourceError, RunCancelled, RunFailed
from connectors.spark_wordcount.connector import SparkWordCount
from connectors.wordcount.connector import WordCount
from flows.request import Reliability
from tests.clusters.test_slurm import answers, until
from tests.clusters.test_slurm_faults import AtWork
from tests.engine import Lab
from tests.hadoop.site import ALL_AT_ONCE, GET, book, hadoop_compute, job, left_in, texts
from tests.meanwhile import when
from tests.payloads import connector
from tests.runs.test_kill_controller import owned_by, start
from tests.servers.hadoop import Hadoop
from tests.servers.sshd import SSHD

pytestmark = [pytest.mark.hadoop, pytest.mark.ssh, pytest.mark.slow, pytest.mark.timeout(900)]

ONCE = Reliability(maximum_retry=0)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def test_a_job_that_fails_in_its_mapper_is_told_in_yarns_words(hadoop: Hadoop, gateway: SSHD, lab: Lab, tmp_path: Path) -> None:
    sample = connector(tmp_path / "c", job("exit 3"))
    with pytest.raises(RunFailed, match=r"application_\d+_\d+: (Task failed task_\w+|Job failed as tasks failed)"):
        lab.go(sample, hadoop_compute(gateway), reliability=ONCE)
    assert left_in(hadoop, gateway) == []


def test_a_pattern_that_java_does_not_know_is_no_count_of_nothing(
    hadoop: Hadoop, gateway: SSHD, lab: Lab, tmp_path: Path
) -> None:
    compute = hadoop_compute(gateway, properties={"mapreduce.map.maxattempts": 1})
    with pytest.raises(RunFailed) as failure:
        lab.go(WordCount(), compute, input=texts(tmp_path / "i", "x"), inputs={"word_pattern": "(x"}, reliability=ONCE)
    assert "wordcount: word_pattern (x is no regular expression of Java's: Unclosed group" in str(failure.value)
    assert "(grep-search, MAPREDUCE): FINISHED, FAILED" in str(failure.value)
    assert left_in(hadoop, gateway) == []


def test_a_run_that_hdfs_refuses_leaves_nothing_for_the_reaper(hadoop: Hadoop, gateway: SSHD, lab: Lab, tmp_path: Path) -> None:
    compute = hadoop_compute(gateway, base="/mr-history/done/runs")
    proposal = lab.request(connector(tmp_path / "c", "true\n"), compute)
    record = lab.add(proposal)
    with pytest.raises(ResourceError, match=r"can't be used in HDFS: .*Permission denied"):
        lab.drive(record, proposal)
    assert [host.status for host in lab.ledger.hosts(record.id)] == ["released"]
    assert left_in(hadoop, gateway) == []


def test_a_job_that_main_sh_does_not_wait_for_is_waited_for_also_while_yarn_does_not_answer(
    hadoop: Hadoop, gateway: SSHD, lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seconds in {"scripts.ANSWER": 20, "session.YARN": 1.0}.items():
        monkeypatch.setattr(f"blocks.hadoop.{name}_SECONDS", seconds)
    monkeypatch.setattr("blocks.compute.hadoop.SILENCE_SECONDS", 15.0)
    main = job("sleep 3; exit 3", "-background")
    run = AtWork(lab, connector(tmp_path / "c", main), hadoop_compute(gateway), reliability=ONCE)
    until(lambda: hadoop.applications(states="RUNNING"))
    hadoop.freeze_resource_manager()
    try:
        words = gateway.home / ".chiminey"
        until(lambda: any("no answer came" in path.read_text() for path in words.glob("*/batches/*/1/yarn.words")))
    finally:
        hadoop.thaw_resource_manager()
    with pytest.raises(RunFailed, match="FAILED"):
        run.result()
    assert [message for message in lab.view.messages if "does not answer" in message] == []
    assert left_in(hadoop, gateway) == []


def test_a_cancel_ends_the_applications(hadoop: Hadoop, gateway: SSHD, lab: Lab, tmp_path: Path) -> None:
    proposal = lab.request(connector(tmp_path / "c", job("sleep 600")), hadoop_compute(gateway))
    record = lab.add(proposal)

    when(
        lambda: hadoop.applications(states="RUNNING", applicationTags=f"chiminey-{record.id}"),
        lambda: lab.ledger.request_cancel(record.id),
    )
    with pytest.raises(RunCancelled):
        lab.drive(record, proposal)
    assert left_in(hadoop, gateway) == []


def test_a_cancel_ends_an_application_of_spark(hadoop: Hadoop, gateway: SSHD, lab: Lab, tmp_path: Path) -> None:
    storage, _ = book(tmp_path / "input", 50_000_000)
    proposal = lab.request(SparkWordCount(), hadoop_compute(gateway), input=storage, inputs={"word_pattern": ALL_AT_ONCE})
    record = lab.add(proposal)

    when(
        lambda: hadoop.applications(states="RUNNING", applicationTags=f"chiminey-{record.id}"),
        lambda: lab.ledger.request_cancel(record.id),
    )
    with pytest.raises(RunCancelled):
        lab.drive(record, proposal)
    assert len(hadoop.applications(applicationTags=f"chiminey-{record.id}")) == 1
    assert left_in(hadoop, gateway) == []


def test_a_task_that_is_out_of_time_is_run_again_when_nothing_of_it_is_left(
    hadoop: Hadoop, gateway: SSHD, lab: Lab, tmp_path: Path
) -> None:
    look = 'yarn application -list -appStates ALL -appTags "chiminey-$CHIMINEY_RUN_ID" >"$2/applications"\n'
    look += 'hdfs dfs -ls -C "${4%/*}" >"$2/places"\n'
    main = f'[ "$CHIMINEY_ATTEMPT" = 1 ] || {{ {look}exit; }}\n{job("sleep 600")}'
    result = lab.go(
        connector(tmp_path / "c", main), hadoop_compute(gateway), reliability=Reliability(task_time_limit=90, on_timeout="retry")
    )
    output = lab.folder(result) / "output_0/1"
    (first,) = (line for line in (output / "applications").read_text().splitlines() if line.startswith("application_"))
    assert first.split("\t")[6].strip() == "KILLED"
    assert {Path(line).name for line in (output / "places").read_text().splitlines()} <= {"staging"}
    assert left_in(hadoop, gateway) == []


def test_a_killed_controller_costs_nothing(hadoop: Hadoop, gateway: SSHD, lab: Lab, tmp_path: Path) -> None:
    main = 'echo "$CHIMINEY_TASK_ID" >>"$HOME/begun"\n' + job("sleep 15; cat") + GET
    proposal = lab.request(connector(tmp_path / "connector", main), hadoop_compute(gateway))
    record = lab.add(proposal)
    controller = start(tmp_path, record)
    until(lambda: owned_by(lab, record, controller))
    until(lambda: hadoop.applications(states="RUNNING", applicationTags=f"chiminey-{record.id}"))
    os.killpg(controller.pid, signal.SIGKILL)
    controller.wait()
    gateway.kill_sessions()
    assert start(tmp_path, record).wait(timeout=600) == 0, (tmp_path / "errors").read_text()[-2000:]
    assert answers(lab, record.name) == {"1": "x"}
    assert (gateway.home / "begun").read_text() == "1\n"
    assert len(hadoop.applications(applicationTags=f"chiminey-{record.id}")) == 1
    assert left_in(hadoop, gateway) == []


def test_what_a_gateway_had_begun_before_it_was_started_anew_is_ended_before_it_is_run_again(
    hadoop: Hadoop, gateway: SSHD, lab: Lab, tmp_path: Path
) -> None:
    again = '[ "$CHIMINEY_ATTEMPT" = 1 ] || { echo again >"$2/answer"; exit; }\n'
    run = AtWork(lab, connector(tmp_path / "c", again + job("sleep 600")), hadoop_compute(gateway))
    (application,) = until(lambda: hadoop.applications(states="RUNNING"))
    gateway.restart()
    hadoop.make_gateway(gateway)
    assert answers(lab, run.result().name) == {"1": "again"}
    (ended,) = (each for each in hadoop.applications() if each["id"] == application["id"])
    assert ended["finalStatus"] == "KILLED"
    assert left_in(hadoop, gateway) == []


def test_a_data_node_that_dies_costs_nothing(hadoop: Hadoop, gateway: SSHD, lab: Lab, tmp_path: Path) -> None:
    run = AtWork(lab, connector(tmp_path / "c", job("sleep 15; cat") + GET), hadoop_compute(gateway))
    until(lambda: hadoop.applications(states="RUNNING"))
    hadoop.stop_data_node(1)
    try:
        assert answers(lab, run.result().name) == {"1": "x"}
    finally:
        hadoop.start_data_node(1)
        until(lambda: len(hadoop.live_data_nodes()) == hadoop.data_nodes)
    assert left_in(hadoop, gateway) == []
