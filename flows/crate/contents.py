"""What is in a run's folder, with the checksums: as the ledger has them, and what it has not, as it is read from the storage."""

from __future__ import annotations

import re
from contextlib import suppress
from posixpath import dirname

from blocks.errors import NotFound
from blocks.storage.resource import StorageResource
from blocks.tree import file
from flows.connector_files import FOLDER
from flows.digest import Checksums, checksum
from flows.ledger import PayloadTask
from flows.run import Run

RECORDS = ("run.json", "tasks.json", "results.csv", "results.png", "criterion.csv", "criterion.png")

_ITERATION = re.compile(r"(input|output)_\d+")


def contents(run: Run, tasks: list[PayloadTask]) -> Checksums:
    """Every file of the run, by its path; not the crate's own metadata, nor the second names of the last outputs.

    Raises:
        ResourceError: the storage can't be read.
    """
    kept = run.ledger.files(run.id)
    files = {f"{dirname(place)}/{path}".lstrip("/"): found for place, listing in kept.items() for path, found in listing.items()}
    kept_whole = {name for name in (FOLDER, "input_0") if name in kept} | {f"output_{task.iteration}" for task in tasks}
    kept_whole -= {f"output_{task.iteration}" for task in tasks if task.status == "completed" and _place(task) not in kept}
    for name in run.output_storage.list(run.folder):
        if (name == FOLDER or _ITERATION.fullmatch(name)) and name not in kept_whole:
            with suppress(NotFound):  # some stores list folders of which nothing is left
                files = _read(run, name) | files
    return files | records(run.output_storage, run.folder)


def records(storage: StorageResource, folder: str) -> Checksums:
    """The files at the top of a folder of results, which are small: its records, tables and plots."""
    names = [name for name in storage.list(folder) if name in RECORDS]
    return {name: checksum(file(name, storage.read(f"{folder}/{name}"))) for name in names}


def _place(task: PayloadTask) -> str:
    return f"output_{task.iteration}/{task.id}"


def _read(run: Run, name: str) -> Checksums:
    """The files of a folder: inputs that the connector wrote for a later iteration, outputs whose record was lost."""
    return {
        f"{name}/{entry.path}": checksum(entry)
        for entry in run.output_storage.tree(f"{run.folder}/{name}")
        if entry.kind == "file"
    }
