"""Which programs are so small that each task is sent its own."""

from __future__ import annotations

from pathlib import Path

from flows.payload import light_program
from tests.payloads import connector


def names(folder: Path, **declared: object) -> list[str]:
    return [entry.path for entry in light_program(connector(folder, "exit 0\n", **declared).payload_folder)]


def test_a_small_program_goes_with_each_task(tmp_path: Path) -> None:
    assert names(tmp_path, schedule="exit 0\n", files={"lib/table": b"1\n"}) == ["lib", "lib/table", "main.sh", "schedule.sh"]


def test_it_is_read_once_so_that_all_tasks_get_the_same(tmp_path: Path) -> None:
    sample = connector(tmp_path, "exit 0\n")
    (program,) = light_program(sample.payload_folder)
    connector(tmp_path, "exit 1\n")
    assert b"".join(program.blocks()) == b"exit 0\n"


def test_a_large_program_does_not(tmp_path: Path) -> None:
    assert names(tmp_path, files={"table": bytes(5000)}) == []


def test_many_small_files_do_not(tmp_path: Path) -> None:
    assert names(tmp_path, files={f"table{number}": b"1\n" for number in range(5)}) == []


def test_a_program_that_bootstrap_may_change_does_not(tmp_path: Path) -> None:
    assert names(tmp_path, bootstrap="exit 0\n") == []
