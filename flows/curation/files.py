"""What is in a folder of results, as it is published: told at once, and read when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from blocks.curation.experiment import CuratedFile, ParameterSet
from blocks.storage.resource import StorageResource, joined
from blocks.tree import Entry
from flows import media_type
from flows.run import Run

Describe = Callable[[str], Iterable[ParameterSet]]


def files(run: Run, folder: str, describe: Describe = lambda _path: ()) -> Iterator[CuratedFile]:
    """The files below a folder of the run's results, with what describes each; folders and links are passed over."""
    for each in everything(run.output_storage, folder):
        if each.kind == "file":
            run.control.check()
            yield replace(each, parameter_sets=tuple(describe(each.path)))


def everything(storage: StorageResource, folder: str) -> Iterator[CuratedFile]:
    """The files, folders and links below a folder."""
    for entry in storage.tree(folder):
        yield link(entry.path, entry.target) if entry.kind == "link" else _plain(storage, folder, entry)


def link(path: str, target: str) -> CuratedFile:
    """A symbolic link."""
    content = target.encode("utf-8", "surrogateescape")
    return CuratedFile(path, len(content), lambda: iter([content]), kind="link", mode=0o777)


def _plain(storage: StorageResource, folder: str, entry: Entry) -> CuratedFile:
    is_at_hand = isinstance(entry.content, bytes | Path)  # else a stream, which could be read only once
    content = entry.blocks if is_at_hand else lambda: storage.blocks(joined(folder, entry.path))
    return CuratedFile(entry.path, entry.size, content, media_type.of(entry.path), kind=entry.kind, mode=entry.mode)
