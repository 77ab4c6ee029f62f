"""A connector's payload folder: what is in it, what is wrong with it, and the tree that is sent to a host."""

from __future__ import annotations

import codecs
import os
import re
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from math import ceil
from pathlib import Path

from blocks.tree import Entry, walk
from blocks.work import ARGUMENTS

BOOTSTRAP = "bootstrap.sh"
SCHEDULE = "process_payload/schedule.sh"
MAIN = "process_payload/main.sh"
LIGHT = 4096  # bytes, as tar has them, up to which a program is sent with each task: less than a process that copies it costs

_TAKEN = {f"process_payload/{name}" for name in ("stdout", "stderr", ARGUMENTS)}
_SHELL = re.compile(r"\b(ba|da|k|z|a)?sh\b")


def problems(folder: Path | None) -> list[str]:
    """Why a payload can't be run, in the words of whoever wrote it."""
    if folder is None:
        return []
    if not folder.is_dir():
        return [f"the payload folder {folder} does not exist"]
    if not (folder / MAIN).is_file():
        return [f"the payload has no {MAIN}; it is the script that computes a task ({folder / MAIN})"]
    return [problem for path in sorted(folder.rglob("*")) for problem in _file_problems(folder, path)]


def _file_problems(folder: Path, path: Path) -> Iterator[str]:
    name = str(path.relative_to(folder))
    if path.is_symlink():
        target = path.readlink()
        if not target.is_absolute() and not path.resolve().is_relative_to(folder.resolve()):
            yield f"the payload's {name} is a link to {target}, which is not in the payload; put a copy in its place"
    if name in _TAKEN:
        yield f"the payload's {name} has a name that the platform needs beside main.sh; give it another one"
    if name in (BOOTSTRAP, SCHEDULE, MAIN) and path.exists() and not path.is_file():
        yield f"the payload's {name} is no file; it must be a shell script"
    if (path.is_dir() or path.is_file()) and not os.access(path, os.R_OK):
        yield f"the payload's {name} can't be read; please look at its permissions"
    elif path.is_file() and path.suffix == ".sh":
        yield from _script_problems(name, path.read_bytes(), name in (BOOTSTRAP, SCHEDULE, MAIN))


def _script_problems(name: str, text: bytes, is_started: bool) -> Iterator[str]:
    if b"\r\n" in text:
        yield f"{name} has Windows line ends, which a shell can't read; convert it with: dos2unix {name}"
    if text.startswith(codecs.BOM_UTF8):
        yield f"{name} begins with a byte order mark, which a shell can't read; save it as UTF-8 without one"
    first = text.partition(b"\n")[0].decode("utf-8", "replace").strip()
    if is_started and first.startswith("#!") and not _SHELL.search(first):
        yield (
            f"{name} begins with {first!r}, but it is started by bash or sh; "
            "put the program into a file of its own beside it, and call that from here"
        )


def tree(folder: Path | None) -> Iterator[Entry]:
    """The payload as hosts get it, below ``payload/``."""
    if folder is not None:
        yield from (entry.under("payload") for entry in walk(folder))


def light_program(folder: Path | None) -> tuple[Entry, ...]:
    """``main.sh`` and what is beside it, when it is so little that each task is sent its own; else nothing.

    Nothing either where ``bootstrap.sh`` may change it on the host.
    """
    if folder is None or has_bootstrap(folder):
        return ()
    program = list(walk((folder / MAIN).parent))
    if sum(tarfile.BLOCKSIZE * (1 + ceil(entry.size / tarfile.BLOCKSIZE)) for entry in program) > LIGHT:
        return ()
    return tuple(_read(entry) for entry in program)


def _read(entry: Entry) -> Entry:
    content = b"".join(entry.blocks())
    return replace(entry, content=content, size=len(content))


def has_bootstrap(folder: Path | None) -> bool:
    """Whether hosts are to be prepared before the first task."""
    return folder is not None and (folder / BOOTSTRAP).is_file()
