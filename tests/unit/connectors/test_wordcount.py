"""What the connectors that count words refuse, and how their own programs count."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from pydantic import ValidationError

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
