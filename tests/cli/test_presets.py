"""Presets and the task cache from the command line, and the page about them, done as it is written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import ROOT, CommandLine

pytestmark = [pytest.mark.prefect, pytest.mark.slow]

BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture
def slow(chiminey: CommandLine) -> Iterator[Path]:
    """The declaration of the connector ``slow``, which is as it was afterwards."""
    declared = Path(chiminey.environment["CHIMINEY_PATH"]) / "slow" / "connector.toml"
    before = declared.read_text()
    yield declared
    declared.write_text(before)


def request(chiminey: CommandLine, *preset: str) -> dict[str, Any]:
    done = chiminey("preset", "show", *preset, "--json")
    assert done.code == 0, done.errors
    return done.object["request"]


def test_a_run_is_asked_for_again_by_name_and_options_win_one_by_one(chiminey: CommandLine, tmp_path: Path) -> None:
    asked = ("--set", "seconds=0", "--max-retry", "5", "--no-reschedule", "--task-time-limit", "10m", "--cache")
    first = chiminey("run", "slow", *asked, "--output", str(tmp_path), "--json").object
    saved = chiminey("preset", "save", "careful", first["name"])
    assert saved.code == 0, saved.errors

    again = chiminey("run", "slow", "--preset", "careful", "--reschedule", "--max-retry", "1", "--json")

    assert again.code == 0, again.errors
    assert again.object["output"].startswith(str(tmp_path))
    assert "1 of 1 tasks are taken from earlier runs" in again.errors
    kept, last = request(chiminey, "careful"), request(chiminey, "last", "--connector", "slow")
    assert kept["inputs"] == last["inputs"] == {"seconds": 0}
    assert kept["reliability"]["reschedule_failed_processes"] is False
    wins = {"maximum_retry": 1, "reschedule_failed_processes": True}
    assert last == {**kept, "reliability": {**kept["reliability"], **wins}}
    assert [(row["connector"], row["name"]) for row in chiminey("preset", "list", "slow", "--json").object] == [
        ("slow", "last"),
        ("slow", "careful"),
    ]
    assert chiminey("preset", "delete", "careful").code == 0
    assert chiminey("preset", "show", "careful").code == 2


def test_what_a_cluster_is_asked_for_is_kept_and_options_win_one_by_one(chiminey: CommandLine) -> None:
    assert chiminey("resource", "add", "slurm", "hpc", "host=me@127.0.0.1:9", "--no-check").code == 0
    asked = ("--compute", "hpc", "--job", "partition=short", "--job", "cpus=2", "--on-timeout", "more")
    assert chiminey("preset", "save", "small", "--connector", "randnum", *asked).code == 0
    assert '"partition": "short", "cpus": 2' in chiminey("preset", "show", "small").output

    assert chiminey("run", "randnum", "--preset", "small", "--job", "cpus=4", "--on-oom", "fail").code == 4, "nobody is there"

    last = request(chiminey, "last", "--connector", "randnum")
    assert (last["job"]["partition"], last["job"]["cpus"]) == ("short", 4)
    assert (last["reliability"]["on_timeout"], last["reliability"]["on_oom"]) == ("more", "fail")
    chiminey("preset", "delete", "small")
    chiminey("resource", "remove", "hpc")


def test_a_preset_that_no_longer_fits_names_the_inputs(chiminey: CommandLine, slow: Path) -> None:
    assert chiminey("preset", "save", "long", "--connector", "slow", "--set", "seconds=0").code == 0
    slow.write_text(slow.read_text().replace("minimum = 0", "minimum = 1"))

    done = chiminey("run", "slow", "--preset", "long", "--set", "secnods=2")

    assert done.code == 2
    assert "error: 'long' no longer fits slow: seconds: must be greater than or equal to 1 (got 0)" in done.errors
    assert "error: there is no input 'secnods'; did you mean 'seconds'?" in done.errors
    assert chiminey("run", "slow", "--preset", "long", "--set", "seconds=1").code == 0
    slow.write_text(slow.read_text().replace("seconds", "minutes"))
    assert "there is no input 'seconds'" in chiminey("run", "slow", "--preset", "long").errors
    chiminey("preset", "delete", "long")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["preset", "save", "last", "--connector", "randnum"], "choose another name"),
        (["preset", "save", "Big One", "--connector", "randnum"], "a preset can't be called 'Big One'"),
        (["preset", "save", "quick"], "say whose values are kept"),
        (["preset", "save", "quick", "--connector", "randnun"], "did you mean randnum?"),
        (["preset", "save", "quick", "--connector", "randnum", "--input", "/no/such"], "/no/such does not exist"),
        (["preset", "save", "quick", "nonesuch"], "there is no run 'nonesuch'"),
        (["preset", "list", "randnun"], "did you mean randnum?"),
        (["preset", "delete", "nonesuch"], "there is no preset 'nonesuch'"),
        (["run", "randnum", "--preset", "nonesuch"], "there is no preset 'nonesuch' of randnum"),
    ],
)
def test_what_can_not_be_is_one_sentence_and_exit_code_2(chiminey: CommandLine, words: list[str], told: str) -> None:
    done = chiminey(*words)

    assert (done.code, done.output) == (2, "")
    assert told in done.errors


def test_the_page_about_presets_and_the_cache_works(chiminey: CommandLine, tmp_path: Path) -> None:
    program = tmp_path / "chiminey"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m cli "$@"\n')
    program.chmod(0o755)
    environment = {**chiminey.environment, "PATH": f"{tmp_path}{os.pathsep}{chiminey.environment['PATH']}"}
    for block in BLOCK.findall((ROOT / "docs" / "presets-and-cache.md").read_text(encoding="utf-8")):
        for line in block.splitlines():
            command, _, error = line.partition("  # error: ")
            done = subprocess.run(
                ["sh", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=300
            )
            assert done.returncode == (2 if error else 0), f"{command}\n{done.stdout}\n{done.stderr}"
            assert error.partition(" ...")[0] in done.stderr

    kept = request(chiminey, "filters")
    assert (kept["inputs"]["resistance"], kept["reliability"]["maximum_retry"]) == (500, 3)
    assert len(list((tmp_path / "filters").glob("spice-*"))) == 3
    assert len(list((tmp_path / "filters").glob("sweep-spice-*"))) == 1
