"""The rows of a MyTardis, with the rules by which it lets them be made; what fails half-way stays behind, as in a real one.

From ``recorded.txt``, which has what a server of version 4.6 answered; fields that a list can be filtered by are those of its
``tardis_portal/api.py``.
"""

from __future__ import annotations

import hashlib
import itertools
import posixpath
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

Row = dict[str, Any]

EXPERIMENT, DATASET, DATAFILE = 1, 2, 3  # types of schemas
NUMERIC, STRING, LINK, DATETIME = 1, 2, 4, 6  # types of parameters
LONGEST_PART = 255  # bytes of a name on its disk
STORE = "local box at /srv/mytardis/store"
_SETS = {"experiment": "experimentparameterset", "dataset": "datasetparameterset", "datafile": "datafileparameterset"}


class Refused(Exception):
    """A status, and a body: words for one of its own, "" for an empty one."""

    def __init__(self, status: int, error: str = "") -> None:
        super().__init__(f"{status} {error}")
        self.status = status
        self.error = error


class Broken(Exception):
    """Something that its code did not foresee: 500, or 404 for what was looked up and is not there."""

    def __init__(self, status: int = 500) -> None:
        super().__init__(str(status))
        self.status = status


@dataclass(frozen=True)
class User:
    """Who may log in."""

    id: int
    name: str
    api_key: str
    password: str
    may_add: bool = True
    may_add_files: bool = True


def address(kind: str, number: int) -> str:
    return f"/api/v1/{kind}/{number}/"


def now() -> str:
    return datetime.now(UTC).replace(tzinfo=None).isoformat()


def number_in(text: str) -> int:
    return int(text.rstrip("/").rpartition("/")[2] or 0)


def _is_text(value: str) -> bool:
    """Whether a database takes it: PostgreSQL refuses half of a character, and a NUL."""
    return "\0" not in value and not any("\ud800" <= each <= "\udfff" for each in value)


@dataclass
class Rows:
    """All rows, by kind and id."""

    verification: float  # seconds until a file is looked at
    broken_off: set[str] = field(default_factory=set)  # names of files after whose description it fails, without their content
    has_own_checksums: bool = False  # COMPUTE_SHA512, with which what is told of a file's MD5 is put aside too
    tables: dict[str, dict[int, Row]] = field(default_factory=dict)
    contents: dict[int, bytes] = field(default_factory=dict)  # of files, by their id
    due: dict[int, float] = field(default_factory=dict)  # when a file is looked at, by its id
    counters: dict[str, Iterator[int]] = field(default_factory=dict)

    def table(self, kind: str) -> dict[int, Row]:
        return self.tables.setdefault(kind, {})

    def add(self, kind: str, row: Row, number: int | None = None) -> Row:
        if not all(_is_text(value) for value in row.values() if isinstance(value, str)):
            raise Broken
        number = number or next(self.counters.setdefault(kind, itertools.count(1)))
        row |= {"id": number, "resource_uri": address(kind, number)}
        self.table(kind)[number] = row
        return row

    def register(self, namespace: str, schema_type: int, name: str = "", **parameters: int) -> Row:
        """What an administrator does: a schema with its parameters, each with its type."""
        schema = self.add(
            "schema",
            {
                "hidden": False,
                "immutable": False,
                "name": name or namespace,
                "namespace": namespace,
                "subtype": None,
                "type": schema_type,
            },
        )
        for parameter, data_type in parameters.items():
            self._add_name(schema, parameter, data_type)
        return schema

    def _add_name(self, schema: Row, name: str, data_type: int) -> Row:
        row = {
            "choices": "",
            "comparison_type": 1,
            "data_type": data_type,
            "full_name": name.capitalize(),
            "immutable": False,
            "is_searchable": False,
            "name": name,
            "order": 9999,
            "schema": schema["resource_uri"],
            "units": "K" if name == "temperature" else "",
        }
        return self.add("parametername", row)

    def is_owner(self, user: User | None, experiment: Row) -> bool:
        return user is not None and user.id in experiment["owner_ids"]

    def may_see(self, user: User | None, kind: str, row: Row) -> bool:
        if kind == "experiment":
            return self.is_owner(user, row)
        if kind == "dataset":
            experiments = (self.table("experiment").get(number_in(uri)) for uri in row["experiments"])
            return any(self.is_owner(user, each) for each in experiments if each is not None)
        if kind == "dataset_file":
            return self.may_see(user, "dataset", self.table("dataset")[number_in(row["dataset"])])
        return True

    def add_experiment(self, user: User | None, given: Row, number: int | None = None) -> Row:
        if user is None:
            raise Broken
        if not user.may_add:
            raise Refused(401)
        row = {
            "approved": False,
            "authors": [],
            "created_by": address("user", user.id),
            "created_time": now(),
            "datafile_count": 0,
            "dataset_count": 0,
            "description": given.get("description", ""),
            "end_time": None,
            "experiment_size": 0,
            "handle": None,
            "institution_name": given.get("institution_name", "Monash University"),
            "is_publication": False,
            "locked": False,
            "owner_ids": [user.id],
            "parameter_sets": [],
            "public_access": 1,
            "start_time": None,
            "title": given.get("title", ""),
            "update_time": now(),
            "url": None,
        }
        experiment = self.add("experiment", row, number)
        self.describe("experiment", experiment, given.get("parameter_sets", []))
        return experiment

    def add_dataset(self, user: User | None, given: Row) -> Row:
        parents = [self.table("experiment").get(number_in(uri)) for uri in given["experiments"]]
        if user is None or not user.may_add or any(each is None or not self.is_owner(user, each) for each in parents):
            raise Refused(401)
        row = {
            "created_time": now(),
            "dataset_datafile_count": 0,
            "dataset_experiment_count": len(parents),
            "dataset_size": 0,
            "description": given["description"],
            "directory": given.get("directory"),
            "experiments": given["experiments"],
            "immutable": given.get("immutable", False),
            "instrument": None,
            "modified_time": now(),
            "parameter_sets": [],
        }
        dataset = self.add("dataset", row)
        self.describe("dataset", dataset, given.get("parameter_sets", []))
        return dataset

    def describe(self, owner: str, described: Row, sets: Iterable[Row]) -> None:
        """Add parameter sets. Of those before one that fails, all is there; of itself, what was read of it."""
        for given in sets:
            found = [each for each in self.table("schema").values() if each["namespace"] == given["schema"]]
            if not found:
                raise Broken(404)
            made = self.add(_SETS[owner], {owner: described["resource_uri"], "parameters": [], "schema": found[0]})
            described["parameter_sets"].append(made)
            for each in given["parameters"]:
                made["parameters"].append(self._parameter(owner, made, found[0], each))
            made["parameters"].sort(key=lambda each: self.table("parametername")[number_in(each["name"])]["name"])

    def _parameter(self, owner: str, made: Row, schema: Row, given: Row) -> Row:
        names = (each for each in self.table("parametername").values() if each["schema"] == schema["resource_uri"])
        name = next((each for each in names if each["name"] == given["name"]), None)
        name = name or self._add_name(schema, given["name"], STRING)
        try:
            number = float(given["value"]) if name["data_type"] == NUMERIC else None
            moment = datetime.fromisoformat(given["value"]).isoformat() if name["data_type"] == DATETIME else None
        except ValueError as error:
            raise Broken from error
        if name["data_type"] == LINK:  # wants an address of something that it knows
            raise Broken
        return self.add(
            f"{owner}parameter",
            {
                "datetime_value": moment,
                "link_id": None,
                "name": name["resource_uri"],
                "numerical_value": number,
                "parameterset": made["resource_uri"],
                "string_value": str(given["value"]) if number is None and moment is None else None,
                "value": None,
            },
        )

    def add_file(self, user: User | None, given: Row, content: bytes | None) -> Row:
        dataset = self.table("dataset").get(number_in(given["dataset"]))
        if dataset is None:
            raise Refused(400, f"Could not find the provided dataset object via resource URI '{given['dataset']}'.")
        if user is None or not user.may_add_files or not self.may_see(user, "dataset", dataset):
            raise Refused(401)
        directory = given.get("directory") or None  # a NullCharField
        alike = (each for each in self.table("dataset_file").values() if each["dataset"] == given["dataset"])
        if given.get("size") is None or (  # NOT NULL; and a key in which NULL equals nothing
            directory is not None
            and any((each["directory"], each["filename"]) == (directory, given["filename"]) for each in alike)
        ):
            raise Broken
        checksum = None if self.has_own_checksums else given.get("md5sum")
        checksum = checksum or hashlib.md5(content or b"").hexdigest()
        row = {
            "created_time": None,
            "datafile": None,
            "dataset": given["dataset"],
            "deleted": False,
            "deleted_time": None,
            "directory": directory,
            "filename": given["filename"],
            "md5sum": checksum,
            "mimetype": given.get("mimetype", ""),
            "modification_time": None,
            "parameter_sets": [],
            "replicas": [],
            "sha512sum": "",
            "size": int(given["size"]),
            "version": 1,
        }
        file = self.add("dataset_file", row)
        self.describe("datafile", file, given.get("parameter_sets", []))
        if file["filename"] in self.broken_off:
            raise Broken
        self._store(file, dataset, content)
        return file

    def _store(self, file: Row, dataset: Row, content: bytes | None) -> None:
        uri = posixpath.join(f"{dataset['description']}-{dataset['id']}", file["directory"] or "", file["filename"])
        escapes = posixpath.normpath(uri).partition("/")[0] != uri.partition("/")[0]
        replica = {
            "created_time": now(),
            "datafile": file["resource_uri"],
            "last_verified_time": now() if escapes else None,
            "location": STORE,
            "uri": None if escapes else uri,
            "verified": False,
        }
        file["replicas"].append(self.add("replica", replica))
        folders = [quote(part) for part in posixpath.dirname(uri).split("/")]
        if escapes or any(len(part.encode()) > LONGEST_PART for part in (*folders, file["filename"])):
            raise Broken
        if content is not None:
            self.contents[file["id"]] = content
            self.verify(file["id"])

    def verify(self, number: int) -> None:
        """Let a file be looked at, when its turn comes."""
        self.due[number] = time.monotonic() + self.verification

    def settle(self) -> None:
        """Look at the files whose turn has come."""
        for number, due in list(self.due.items()):
            if time.monotonic() >= due:
                del self.due[number]
                file, content = self.table("dataset_file")[number], self.contents[number]
                is_whole = (len(content), hashlib.md5(content).hexdigest()) == (file["size"], file["md5sum"])
                file["replicas"][0] |= {"verified": is_whole, "last_verified_time": now()}
