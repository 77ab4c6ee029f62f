"""Connectors on a real Hadoop: HDFS and YARN behind a gateway."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from blocks.errors import InvalidRequest, ResourceError, RunCancelled
from blocks.storage import LocalStorage
from blocks.tree import file
from connectors.spark_wordcount.connector import SparkWordCount
from connectors.wordcount.connector import WordCount, WordCountConnector
from flows.connector import Inputs
from flows.iteration import Convergence, Iteration, NextInput
from tests.clusters.test_slurm import Watcher, until
from tests.clusters.test_slurm_faults import AtWork
from tests.engine import Lab, unix
from tests.hadoop.site import ALL_AT_ONCE, TEXT, book, hadoop_compute, job, left_in, texts
from tests.payloads import connector
from tests.servers.hadoop import Hadoop
from tests.servers.sshd import SSHD

pytestmark = [pytest.mark.hadoop, pytest.mark.ssh, pytest.mark.slow, pytest.mark.timeout(900)]

PATTERNS = ["foo|bar", "a b", "[$]x", "it's"]
COMPRESSING = {"mapreduce.output.fileoutputformat.compress": "true"}  # as many sites do


class Pattern(Inputs):
    """An input that is an argument."""

    pattern: str = "x"


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def counted(lab: Lab, name: str, task: int = 1) -> Counter[str]:
    """What a task has counted, by words."""
    (part,) = (path for path in (lab.results / name / "output_0" / str(task)).glob("part-*") if path.stat().st_size)
    pairs = (line.split("\t", 1) for line in part.read_text().splitlines())
    return Counter({word: int(count) for count, word in pairs})


@pytest.mark.parametrize("counter", [WordCount(), SparkWordCount()], ids=["mapreduce", "spark"])
def test_the_words_of_50_megabytes_are_counted_exactly(
    counter: WordCountConnector, hadoop: Hadoop, gateway: SSHD, lab: Lab, tmp_path: Path
) -> None:
    storage, text = book(tmp_path / "input", 50_000_000)
    compute = hadoop_compute(gateway, properties=COMPRESSING)
    result = lab.go(counter, compute, input=storage, inputs={"word_pattern": ALL_AT_ONCE})
    expected = Counter(re.findall(ALL_AT_ONCE, text))
    assert counted(lab, result.name) == expected
    (row,) = (lab.folder(result) / "results.csv").read_text().splitlines()[1:]
    assert str(expected.total()) in row.split(",")
    assert left_in(hadoop, gateway) == []


@pytest.mark.chaos  # some 460 MB come from PyPI
def test_spark_is_installed_where_the_gateway_has_none(hadoop: Hadoop, gateway: SSHD, lab: Lab, tmp_path: Path) -> None:
    storage, text = book(tmp_path / "input", 100_000)
    small = {f"spark.{who}.memory": "512m" for who in ("driver", "executor", "yarn.am")}
    compute = hadoop_compute(gateway, spark_home="", properties=small)
    result = lab.go(SparkWordCount(), compute, input=storage, inputs={"word_pattern": "[a-z]+"})
    assert counted(lab, result.name) == Counter(re.findall("[a-z]+", text))
    assert left_in(hadoop, gateway) == []
    assert [path.name for path in (gateway.home / ".cache/chiminey").iterdir()] == ["pyspark-4.0.5"]


def test_a_sweep_over_patterns_runs_at_the_same_time_and_leaves_nothing(
    hadoop: Hadoop, gateway: SSHD, lab: Lab, tmp_path: Path
) -> None:
    storage, text = book(tmp_path / "input", 20_000)
    sweep = {"word_pattern": PATTERNS}
    compute = hadoop_compute(gateway, properties=COMPRESSING)
    result = lab.go(WordCount(), compute, input=storage, inputs={"method": "streaming"}, sweep=sweep)
    tasks = lab.tasks(result)
    for task in tasks:
        assert counted(lab, result.name, task.id) == Counter(re.findall(task.point["word_pattern"], text))
    assert max(task.started for task in tasks) < min(task.ended for task in tasks)
    assert {task.attempt for task in tasks} == {1}
    assert left_in(hadoop, gateway) == []


def test_main_sh_gets_the_places_and_exactly_its_arguments(hadoop: Hadoop, gateway: SSHD, lab: Lab, tmp_path: Path) -> None:
    tell = 'printf "%s\\n" "$@" >"$2/arguments"\nenv >"$2/environment"\nhdfs dfs -ls "$4" >"$2/listing" || exit\n'
    sample = connector(tmp_path / "c", tell, arguments=("pattern",), Inputs=Pattern, hdfs=("input",))
    odd = ["foo|bar", "a b", "$x '", '"\\ * ä']
    compute = hadoop_compute(gateway, queue="other", properties={"mapreduce.job.priority": "LOW"})
    result = lab.go(sample, compute, input=texts(tmp_path / "i", "x"), sweep={"pattern": odd})
    home = compute.hadoop_home
    places: set[str] = set()
    for task in lab.tasks(result):
        output = lab.folder(result) / "output_0" / str(task.id)
        words = (output / "arguments").read_text().splitlines()
        assert words[:3] == ["smart_connector_input", "chiminey_output", home]
        assert words[5:] == [task.point["pattern"]]
        environment = (output / "environment").read_text().splitlines()
        assert {f"HADOOP_HOME={home}", f"HADOOP_INPUT={words[3]}", f"HADOOP_OUTPUT={words[4]}"} <= set(environment)
        assert TEXT in (output / "listing").read_text()
        assert "values" not in (output / "listing").read_text()
        places |= set(words[3:5])
    assert len(places) == 2 * len(odd)
    assert left_in(hadoop, gateway) == []


def test_progress_tells_what_waits_for_yarn(
    hadoop: Hadoop, gateway: SSHD, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blocks.hadoop.session.YARN_SECONDS", 5.0)
    lab = Watcher(tmp_path)
    large = {"yarn.app.mapreduce.am.resource.mb": "4000"}  # of which the cluster can't have two
    run = AtWork(lab, connector(tmp_path / "c", job("sleep 600")), hadoop_compute(gateway, properties=large), sweep={"n": [1, 2]})
    shown = until(lambda: next((each for each in lab.seen if each.queued == 1), None))
    assert re.fullmatch(r"YARN has not begun application_\d+_\d+", shown.note)
    lab.ledger.request_cancel(lab.run.id)
    with pytest.raises(RunCancelled):
        run.result()
    assert left_in(hadoop, gateway) == []


def test_iterations_run_as_everywhere(hadoop: Hadoop, gateway: SSHD, lab: Lab, tmp_path: Path) -> None:
    def converged(_self: object, iteration: Iteration) -> Convergence:
        return Convergence(done=iteration.index == 1)

    def transform(_self: object, iteration: Iteration, next_input: NextInput) -> None:
        next_input.add("texts", [file("n", f"{iteration.tasks[0].number('n') + 1:g}\n".encode())])

    main = 'hdfs dfs -cat "$4/n" | { read -r n; echo "{\\"n\\": $n}" >"$2/result.json"; }\n'
    (tmp_path / "i/texts").mkdir(parents=True)
    (tmp_path / "i/texts/n").write_text("1\n")
    sample = connector(tmp_path / "c", main, hdfs=("input",), converged=converged, transform=transform, max_iterations=5)
    result = lab.go(sample, hadoop_compute(gateway), input=LocalStorage(path=str(tmp_path / "i")))
    assert json.loads((lab.folder(result) / "output/2/result.json").read_text()) == {"n": 2}
    assert left_in(hadoop, gateway) == []


def test_wordcount_is_refused_where_there_is_no_hadoop(farm: object, sshd: SSHD, lab: Lab, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="wordcount runs on hadoop, not on a unix resource, for its data goes through HDFS"):
        lab.request(WordCount(), unix(sshd), input=texts(tmp_path / "i", "x"))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"hadoop_home": "/opt/hadoop"}, "there is no /opt/hadoop/bin/hadoop on this host"),
        ({"hadoop_home": ""}, "there is no hadoop command on this host; set hadoop_home"),
        ({"spark_home": "/opt/spark"}, "there is no /opt/spark/bin/spark-submit on this host"),
        ({"queue": "fast"}, "YARN's queue fast can't be used"),
        ({"base": "/mr-history/done/runs"}, "the folder /mr-history/done/runs can't be used in HDFS: .*Permission denied"),
    ],
)
def test_what_a_check_finds_wrong(settings: dict[str, str], sentence: str, hadoop: Hadoop, gateway: SSHD) -> None:
    with pytest.raises(ResourceError, match=sentence):
        hadoop_compute(gateway, **settings).check()


def test_a_check_tells_the_version_the_space_and_the_queue(hadoop: Hadoop, gateway: SSHD) -> None:
    (gateway.home / ".profile").write_text(f"export HADOOP_HOME={hadoop_compute(gateway).hadoop_home}\n")
    lines = hadoop_compute(gateway, hadoop_home="", queue="other").check()
    assert re.fullmatch(r"Hadoop \d+\.\d+\.\d+, Spark \d+\.\d+\.\d+: \d+\.\d GB free of \d+\.\d GB in HDFS", lines[1])
    assert lines[2] == "YARN's queue other is running"
