"""The files of one dataset on their way into a MyTardis.

It answers 201 to whatever it gets, also where size or checksum are not as they were told; only that a file's replica comes to be
``verified``, some time later, says that it is there. A row that was made can't be removed, and its name not be used again. Where
it does not take a file, as one of more bytes than it reads of any request, it says little more than that it is sorry.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from math import inf
from typing import Any
from urllib.parse import quote

from blocks.curation.experiment import CuratedFile
from blocks.curation.http import Repository
from blocks.curation.signs import Signs
from blocks.curation.upload import Upload, with_checksum
from blocks.errors import AuthenticationRefused, CommandFailed, NotFound, ResourceError, Unreachable, Unverified
from blocks.mytardis.api import Row, identifier, is_text, made, rows, text
from blocks.mytardis.schemas import Schemas

VERIFICATION = 600.0  # seconds in which the server looks at one file more at least; its queue may be long
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 10.0  # seconds between two questions
_REMINDER = 60.0  # seconds without a verdict, after which it is asked for each: without a queue the server has asked nobody
_LONGEST_DIRECTORY = 255  # characters, of tardis_portal's model
_LONGEST_PART = 255  # bytes of a name on the server's disk, which has those of folders percent-encoded
_NO_FILTER = {"true", "false", "nil", "none"}  # which tastypie takes for other values than these texts

Refuse = Callable[[str, ResourceError], None]  # told of a file that the server does not take, and why


class Sending:
    """What goes into one dataset, which may have some of it already unless it is new."""

    def __init__(self, server: Repository, schemas: Schemas, dataset: str, refuse: Refuse, *, is_new: bool) -> None:
        self.sent = 0
        self.expected: dict[str, tuple[int, str]] = {}  # size and MD5 of what has to be there, by path
        self.left_out: list[str] = []  # what the server can't take, with the reason
        self.refused = 0  # files that the server did not take, for reasons of its own
        self._refuse = refuse
        self._server = server
        self._schemas = schemas
        self._dataset = dataset
        self._there = {} if is_new else self._rows()

    def add(self, file: CuratedFile) -> None:
        """Send a file, unless it is there. Empty ones are passed over, as in the original."""
        directory, _, name = file.path.rpartition("/")
        if not file.size:
            return
        if not is_text(file.path):
            self.left_out.append(
                f"{text(file.path)} is left out, for its name is not UTF-8, and {self._server.name} takes no other"
            )
            return
        if _is_too_long(directory, name):
            self.left_out.append(f"{file.path} is left out, for its path is too long for {self._server.name}")
            return
        if "\\" in name:  # which Django's storage takes for a slash
            self.left_out.append(f"{file.path} is left out, for {self._server.name} takes no name with a backslash")
            return
        file, checksum = with_checksum(file)
        if file.path in self._there or self._send(file, checksum):
            self.expected[file.path] = file.size, checksum

    def spoilt(self, signs: Signs) -> list[str]:
        """Wait until the server has looked at all files, and give those that are not there as they should be.

        Raises:
            Unverified: it does not come to that; the same is asked again later.
        """
        unsure = set(self.expected)
        asked_again: dict[str, str] = {}  # files that seemed damaged, with the time of that verdict
        pause, until, before = _FIRST_PAUSE, time.monotonic() + VERIFICATION, len(unsure)
        remind = time.monotonic() + (_REMINDER if self.sent else 0.0)
        damaged: list[str] = []
        while unsure:
            asked = time.monotonic()
            there = self._rows()
            pause = max(pause, min(time.monotonic() - asked, _LONGEST_PAUSE))  # the server has to look at every row for it
            for path in sorted(unsure):
                verdict = self._verdict(path, there.get(path), asked_again.get(path))
                if verdict == "damaged" and path not in asked_again and self._verify(there[path]):
                    asked_again[path] = str(there[path]["replicas"][0]["last_verified_time"])
                elif verdict != "unknown":
                    unsure.discard(path)
                    damaged += [path] if verdict != "whole" else []
            if len(unsure) < before:
                until, before = time.monotonic() + VERIFICATION, len(unsure)
                remind = max(remind, time.monotonic() + _REMINDER)
            if unsure and time.monotonic() > remind:
                self._remind(there[path] for path in sorted(unsure) if path not in asked_again)
                until, remind = time.monotonic() + VERIFICATION, inf
            if unsure and time.monotonic() > until:
                raise Unverified(
                    f"{self._server.name} has not looked at {len(unsure)} files in {VERIFICATION:g} s; curate the run again "
                    "later, and if it never does, ask its people whether its queue (Celery) is at work"
                )
            if unsure:
                signs.how_far(f"{self._server.name} has yet to verify {len(unsure)} of the files that it was sent first")
                time.sleep(pause)
                pause = min(1.5 * pause, _LONGEST_PAUSE)
        return sorted(damaged)

    def _send(self, file: CuratedFile, checksum: str) -> bool:
        """Whether the server took it. Raises Unreachable: it is the server that is away."""
        directory, _, name = file.path.rpartition("/")
        document: dict[str, Any] = {
            "dataset": self._dataset,
            "filename": name,
            "directory": directory,
            "size": file.size,
            "md5sum": checksum,
            "mimetype": file.media_type,
            "parameter_sets": [each.document for each in self._schemas.fitting(file.parameter_sets, "datafile")],
        }
        form = {
            "data": {"json_data": json.dumps(document)},
            "files": lambda: {"attached_file": ("content", Upload(file.size, file.content), file.media_type)},
        }
        try:
            _, is_new = made(self._server, "dataset_file", lambda: self._look_for(file.path, name), form)
        except (CommandFailed, Unreachable) as error:
            if self._look_for(file.path, name) is not None:
                return True
            self.refused += 1
            self._refuse(file.path, error)
            return False
        self.sent += is_new
        return True

    def _look_for(self, path: str, name: str) -> Row | None:
        """A row that a request left, of which the answer was lost, or which failed; whether it is whole is seen later."""
        return self._rows(**({} if name.lower() in _NO_FILTER else {"filename": name})).get(path)

    def _rows(self, **filters: str) -> dict[str, Row]:
        """Rows by path. By itself the server sorts them by name, in which pages may have one twice and leave another out."""
        found = rows(self._server, "dataset_file", dataset__id=identifier(self._dataset), order_by="id", **filters)
        return {_path(each): each for each in found}

    def _verdict(self, path: str, there: Row | None, doubted: str | None) -> str:
        """Whether a file is whole, damaged or missing; unknown until the server has looked, after the verdict that was doubted.

        Its own verdict is not enough: there are those that reckon the checksum from what arrived.
        """
        if there is None or not there["replicas"] or (int(there["size"]), there["md5sum"]) != self.expected[path]:
            return "missing"
        if any(replica["verified"] for replica in there["replicas"]):
            return "whole"
        looked = there["replicas"][0]["last_verified_time"]
        return "unknown" if looked in (None, doubted) else "damaged"

    def _remind(self, unseen: Iterable[Row]) -> None:
        """Ask it to look at files, until it can't be asked: a server that lost its queue for a while has forgotten them."""
        with suppress(Unreachable):  # which its lists may say later too
            for each in unseen:
                if not self._verify(each):
                    return

    def _verify(self, there: Row) -> bool:
        """Ask it to look at a file; whether it is going to: its queue may be away, and who may only add files may not ask."""
        try:
            self._server.ask("GET", f"dataset_file/{there['id']}/verify/")
        except (AuthenticationRefused, CommandFailed, NotFound):
            return False
        return True


def _is_too_long(directory: str, name: str) -> bool:
    folders = directory.split("/")
    return (
        len(directory) > _LONGEST_DIRECTORY
        or len(name.encode()) > _LONGEST_PART
        or any(len(quote(folder)) > _LONGEST_PART for folder in folders)
    )


def _path(row: Row) -> str:
    directory = row["directory"] or ""
    return f"{directory}/{row['filename']}" if directory else str(row["filename"])
