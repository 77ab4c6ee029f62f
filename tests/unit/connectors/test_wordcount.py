"""What the connectors that count words refuse, and how their own programs count."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from blocks.compute import HadoopCompute
from connectors.spark_wordcount.connector import SparkWordCount
from connectors.wordcount.connector import MapReduceInputs, WordCount, WordCountConnector

TEXT = 'Grüße, "foo" and a\tb\n' + "foo".join("x" * 3) + "\n"


def payload(connector: WordCountConnector, folder: Path) -> Path:
    """A task's folder, with a text in its input."""
    place = connector.payload_folder
    assert place is not None
    shutil.copytree(place / "process_payload", folder / "task")
    (folder / "task/in/texts").mkdir(parents=True)
    (folder / "task/in/texts/a.txt").write_text(TEXT)
    return folder / "task"


def counted(task: Path, pattern: str) -> dict[str, int]:
    """What mapper and reducer make of the text, in a locale without UTF-8."""
    (task / "pattern").write_bytes(pattern.encode())
    command = "python3 mapper.py <in/texts/a.txt | sort | python3 reducer.py"
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    printed = subprocess.run(["sh", "-c", command], cwd=task, env=environment, check=True, capture_output=True).stdout
    return {word: int(count) for count, word in (line.split("\t", 1) for line in printed.decode().splitlines())}


def test_the_programs_count_exactly_whatever_the_nodes_locale(tmp_path: Path) -> None:
    task = payload(WordCount(), tmp_path)
    assert counted(task, "foo|Grüße") == {"foo": 3, "Grüße": 1}
    assert counted(task, "a\tb") == {"a\tb": 1}


@pytest.mark.parametrize("connector", [WordCount(), SparkWordCount()], ids=["mapreduce", "spark"])
@pytest.mark.parametrize("name", ["_text", ".text", "_folder/text"])
def test_a_text_that_hadoop_would_pass_over_is_refused(connector: WordCountConnector, name: str, tmp_path: Path) -> None:
    task = payload(connector, tmp_path)
    (task / "in/texts" / name).parent.mkdir(exist_ok=True)
    (task / "in/texts" / name).touch()
    command = ["sh", "main.sh", "in", "out", "/nowhere", "/in", "/out", "x", "examples"]
    result = subprocess.run(command, cwd=task, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert f"rename or remove texts/{name.partition('/')[0]}" in result.stderr


def test_a_pattern_is_compiled_where_python_will() -> None:
    with pytest.raises(ValidationError, match=r"word_pattern '\(' is no regular expression of Python's: missing \)"):
        MapReduceInputs(word_pattern="(", method="streaming")
    assert MapReduceInputs(word_pattern=r"\p{Lu}", method="examples").word_pattern == r"\p{Lu}"


@pytest.mark.parametrize(("final", "code"), [("SUCCEEDED", 0), ("FAILED", 1), ("KILLED", 1)])
def test_the_example_program_is_not_believed_that_its_search_went_well(final: str, code: int, tmp_path: Path) -> None:
    task = payload(WordCount(), tmp_path)
    line = "application_1_000{number}\\tgrep\\tMAPREDUCE\\tme\\tdefault\\t  FINISHED\\t   {final}\\t100%%\\tN/A\\n"
    printed = line.format(number=1, final=final) + line.format(number=2, final="SUCCEEDED")
    programs = {
        "hadoop": "case $* in *=local*) echo Error: java.util.regex.PatternSyntaxException: Unclosed group >&2 ;; esac",
        "yarn": f"[ \"$6\" = tag ] && printf '{printed}'",
    }
    jar = tmp_path / "hadoop/share/hadoop/mapreduce/hadoop-mapreduce-examples-3.4.2.jar"
    jar.parent.mkdir(parents=True)
    jar.touch()
    for name, text in programs.items():
        (task / name).write_text(f"#!/bin/sh\n{text}\n")
        (task / name).chmod(0o755)
    command = ["sh", "-c", 'sh main.sh in out "$0" /in /out "(" examples', str(tmp_path / "hadoop")]
    environment = {"PATH": f"{task}:/usr/bin:/bin", "CHIMINEY_YARN_TAG": "tag", "HADOOP_SCRATCH": "/scratch"}
    result = subprocess.run(command, cwd=task, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == code
    told = "wordcount: word_pattern ( is no regular expression of Java's: Unclosed group\n"
    assert result.stderr == (told if code else "")


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ({"properties": {"mapreduce.job.tags": "mine"}}, "mapreduce.job.tags can't be set"),
        ({"properties": {"spark.yarn.stagingDir": "/x"}}, "spark.yarn.stagingDir can't be set"),
        ({"base": "a*b"}, "'a*b' has '*' in it"),
        ({"base": "a b,c"}, "'a b,c' has ' ' ',' in it"),
    ],
)
def test_settings_that_would_hide_what_a_run_has_are_refused(setting: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(told)):
        HadoopCompute(host="gateway", **setting)


def test_properties_may_be_numbers_and_truths() -> None:
    given: dict[str, Any] = {"mapreduce.map.memory.mb": 512, "mapreduce.map.speculative": True, "mapreduce.job.name": "x"}
    assert HadoopCompute(host="gateway", properties=given).properties == {
        "mapreduce.map.memory.mb": "512",
        "mapreduce.map.speculative": "true",
        "mapreduce.job.name": "x",
    }
