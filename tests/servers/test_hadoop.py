"""Hadoop on the loopback device: what users of a gateway see, and what the servers are like."""

from __future__ import annotations

import shlex
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.servers.farm import Farm
from tests.servers.hadoop import HOME, Hadoop
from tests.servers.sshd import SSHD

pytestmark = [pytest.mark.hadoop, pytest.mark.slow]

EXAMPLES = HOME / "share/hadoop/mapreduce/hadoop-mapreduce-examples-3.4.2.jar"
STREAMING = HOME / "share/hadoop/tools/lib/hadoop-streaming-3.4.2.jar"
# Bash reads it for commands that come over SSH, too.
ENVIRONMENT = f"""
export HADOOP_HOME={HOME} HADOOP_CONF_DIR={HOME}/etc/hadoop SPARK_HOME={HOME}/spark/home
PATH=$HADOOP_HOME/bin:$SPARK_HOME/bin:$PATH
"""

WORD_COUNT = """
import sys
from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()
words = spark.sparkContext.textFile(sys.argv[1]).flatMap(str.split)
words.map(lambda word: (word, 1)).reduceByKey(lambda a, b: a + b).saveAsTextFile(sys.argv[2])
spark.stop()
"""


@pytest.fixture
def gateway(farm: Farm, hadoop: Hadoop) -> SSHD:
    """A host whose users find Hadoop by their environment."""
    (host,) = farm(1, bashrc=ENVIRONMENT)
    hadoop.make_gateway(host)
    (host.home / "words").write_text("to be or not to be\n")
    return host


def on(host: SSHD, command: str) -> subprocess.CompletedProcess[str]:
    """What became of a command that the host's user gave over SSH."""
    return subprocess.run([*ssh(host), command], check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def ssh(host: SSHD) -> list[str]:
    options = [f"UserKnownHostsFile={host.known_hosts}", "IdentitiesOnly=yes", "BatchMode=yes", "LogLevel=ERROR"]
    words = [word for option in options for word in ("-o", option)]
    return ["ssh", "-F", "none", *words, "-i", str(host.private_key), "-p", str(host.port), f"{host.user}@{host.address}"]


def answer(host: SSHD, command: str) -> str:
    """What a command prints that succeeds."""
    result = on(host, command)
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout


def wait_until(happens: Callable[[], object]) -> None:
    deadline = time.monotonic() + 120
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_a_file_goes_to_hdfs_and_comes_back_and_belongs_to_the_unix_user(gateway: SSHD, hadoop: Hadoop) -> None:
    answer(gateway, "hdfs dfs -put words words-1; hadoop fs -get words-1 back")
    assert (gateway.home / "back").read_text() == "to be or not to be\n"
    status = hadoop.status("/user/lab/words-1")
    assert (status["owner"], status["replication"]) == ("lab", 2)


def test_a_user_may_not_write_where_another_is_the_owner(gateway: SSHD) -> None:
    refused = on(gateway, "hdfs dfs -put words /user/")
    assert refused.returncode == 1
    assert "Permission denied: user=lab, access=WRITE" in refused.stderr


def test_an_example_of_mapreduce_runs_for_a_user_without_hadoop_in_the_environment(farm: Farm, hadoop: Hadoop) -> None:
    (host,) = farm(1)
    hadoop.make_gateway(host)
    (host.home / "words").write_text("to be or not to be\n")
    assert on(host, "hadoop version").returncode == 127
    program = f"{HOME}/bin/hadoop"
    commands = (
        f"{program} fs -put words words-2 && {program} jar {EXAMPLES} wordcount words-2 found && {program} fs -cat 'found/*'"
    )
    assert answer(host, commands).split() == ["be", "2", "not", "1", "or", "1", "to", "2"]


def test_streaming_runs_a_shell_mapper_and_reducer_in_a_queue_with_tags(gateway: SSHD, hadoop: Hadoop) -> None:
    (gateway.home / "mapper").write_text("#!/bin/sh\ntr ' ' '\\n'\n")
    (gateway.home / "reducer").write_text("#!/bin/sh\nuniq -c\n")
    job = f"hadoop jar {STREAMING} -D mapreduce.job.tags=counting -D mapreduce.job.queuename=other -files mapper,reducer"
    words = "-input words-3 -output counts -mapper 'sh mapper' -reducer 'sh reducer'"
    counts = answer(gateway, f"hdfs dfs -put words words-3 && {job} {words} >&2 && hdfs dfs -cat 'counts/part-*'")
    assert counts.split() == ["2", "be", "1", "not", "1", "or", "2", "to"]
    (application,) = hadoop.applications(applicationTags="counting")
    assert (application["user"], application["queue"], application["finalStatus"]) == ("lab", "root.other", "SUCCEEDED")


def test_the_status_of_an_application_says_why_its_mapper_failed(gateway: SSHD, hadoop: Hadoop) -> None:
    job = f"hadoop jar {STREAMING} -D mapreduce.job.tags=failing -D mapreduce.map.maxattempts=1"
    (gateway.home / "mapper").write_text("cat > /dev/null\nexit 3\n")  # one that leaves words unread may die of that instead
    result = on(
        gateway,
        f"hdfs dfs -put words words-4 && {job} -files mapper -input words-4 -output none -mapper 'sh mapper' -reducer cat",
    )
    assert result.returncode == 1, result.stderr[-3000:]
    (application,) = hadoop.applications(applicationTags="failing")
    status = answer(gateway, f"yarn application -status {application['id']}")
    assert "Final-State : FAILED" in status
    assert "Diagnostics : Task failed task_" in status
    logs = f"yarn logs -applicationId {application['id']}"  # which are there a moment after the end
    wait_until(lambda: "PipeMapRed.waitOutputThreads(): subprocess failed with code 3" in on(gateway, logs).stdout)


def test_a_running_job_is_killed_by_its_application_and_its_containers_end(gateway: SSHD, hadoop: Hadoop) -> None:
    job = f"hadoop jar {STREAMING} -D mapreduce.job.tags=sleeping -input words-5 -output none-2 -mapper 'sleep 271' -reducer cat"
    answer(gateway, "hdfs dfs -put words words-5")
    with subprocess.Popen(
        [*ssh(gateway), f"{job} 2> /dev/null"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    ) as submitter:
        wait_until(lambda: any(line.endswith("/sleep 271") for line in hadoop.processes()))
        (application,) = hadoop.applications(applicationTags="sleeping")
        answer(gateway, f"yarn application -kill {shlex.quote(application['id'])}")
        assert submitter.wait() != 0
    (application,) = hadoop.applications(applicationTags="sleeping")
    assert application["finalStatus"] == "KILLED"
    wait_until(lambda: not [line for line in hadoop.processes() if "sleep 271" in line or application["id"] in line])


@pytest.mark.parametrize("mode", ["client", "cluster"])
def test_spark_counts_words(gateway: SSHD, hadoop: Hadoop, mode: str) -> None:
    (gateway.home / "count.py").write_text(WORD_COUNT)
    submission = (
        f"spark-submit --master yarn --deploy-mode {mode} --conf spark.yarn.tags=spark-{mode} count.py words-{mode} out-{mode}"
    )
    counts = answer(gateway, f"hdfs dfs -put words words-{mode} && {submission} && hdfs dfs -cat 'out-{mode}/part-*'")
    assert sorted(counts.splitlines()) == ["('be', 2)", "('not', 1)", "('or', 1)", "('to', 2)"]
    (application,) = hadoop.applications(applicationTags=f"spark-{mode}")
    assert (application["applicationType"], application["user"], application["finalStatus"]) == ("SPARK", "lab", "SUCCEEDED")


def test_files_are_read_while_a_data_node_is_gone(gateway: SSHD, hadoop: Hadoop) -> None:
    answer(gateway, "hdfs dfs -put words words-6")
    hadoop.stop_data_node(1)
    try:
        assert answer(gateway, "hdfs dfs -cat words-6") == "to be or not to be\n"
        wait_until(lambda: len(hadoop.live_data_nodes()) == 1)
        assert answer(gateway, "hdfs dfs -put words words-7; hdfs dfs -cat words-7") == "to be or not to be\n"
    finally:
        hadoop.start_data_node(1)
    wait_until(lambda: len(hadoop.live_data_nodes()) == 2)


def test_nothing_is_left_of_a_cluster_that_has_stopped(namespaces: None, tmp_path: Path) -> None:
    cluster = Hadoop(tmp_path, data_nodes=1)
    cluster.start()
    ours = str(cluster.ports.name_node)
    assert cluster.files("/") == ["mr-history", "tmp", "user"]
    cluster.stop()
    assert cluster.processes() == []
    answers = subprocess.run(
        ["ss", "--listening", "--tcp", "--numeric", "--no-header"], check=True, capture_output=True, text=True
    )
    assert f":{ours} " not in answers.stdout
