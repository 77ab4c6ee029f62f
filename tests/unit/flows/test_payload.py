"""What is found wrong with a payload before anything is sent."""

import os
from pathlib import Path

import pytest

from flows import payload


def problems(folder: Path, **scripts: bytes) -> list[str]:
    process = folder / "process_payload"
    process.mkdir()
    for name, text in {"main": b"true\n", **scripts}.items():
        (process / f"{name}.sh").write_bytes(text)
    return payload.problems(folder)


@pytest.mark.parametrize("first", ["#!/bin/sh", "#!/usr/bin/env bash", "#! /bin/bash -e", "#!/bin/dash", "# a comment", ""])
def test_a_shell_script_is_taken(tmp_path: Path, first: str) -> None:
    assert problems(tmp_path, main=f"{first}\ntrue\n".encode()) == []


@pytest.mark.parametrize("first", ["#!/usr/bin/env python3", "#!/usr/bin/perl -w", "#!/bin/tcsh"])
def test_a_script_for_another_interpreter_is_refused(tmp_path: Path, first: str) -> None:
    (problem,) = problems(tmp_path, main=f"{first}\nprint(1)\n".encode())
    assert problem.startswith(f"process_payload/main.sh begins with {first!r}, but it is started by bash or sh")


def test_a_script_that_is_not_started_by_us_may_be_anything(tmp_path: Path) -> None:
    assert problems(tmp_path, other=b"#!/usr/bin/python3\n") == []


def test_windows_line_ends_and_byte_order_marks_are_refused(tmp_path: Path) -> None:
    told = problems(tmp_path, main=b"\xef\xbb\xbftrue\n", schedule=b"true\r\n")
    assert [problem.split(",")[0] for problem in told] == [
        "process_payload/main.sh begins with a byte order mark",
        "process_payload/schedule.sh has Windows line ends",
    ]


def test_what_only_looks_like_a_script_is_told_or_passed_over(tmp_path: Path) -> None:
    for folder in ("bootstrap.sh", "tools.sh"):
        (tmp_path / folder).mkdir()
    (tmp_path / "gone.sh").symlink_to("/no/such/script")
    os.mkfifo(tmp_path / "pipe.sh")

    assert problems(tmp_path) == ["the payload's bootstrap.sh is no file; it must be a shell script"]


def test_a_link_out_of_the_payload_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "payload"
    folder.mkdir()
    (tmp_path / "library").write_text("")
    (folder / "inside").symlink_to("process_payload/main.sh")
    (folder / "system").symlink_to("/usr/bin/awk")
    (folder / "outside").symlink_to("../library")

    assert problems(folder) == [
        "the payload's outside is a link to ../library, which is not in the payload; put a copy in its place"
    ]


@pytest.mark.parametrize("name", ["stdout", "stderr", "chiminey_arguments"])
def test_a_name_that_the_platform_needs_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("")
    assert problems(tmp_path) == []
    (tmp_path / "process_payload" / name).write_text("")
    (problem,) = payload.problems(tmp_path)
    assert (
        problem == f"the payload's process_payload/{name} has a name that the platform needs beside main.sh; give it another one"
    )
