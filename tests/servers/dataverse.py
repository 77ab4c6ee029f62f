"""Dataverse's native API on the loopback device, as far as depositing goes, and as strict.

Where its behaviour is from:

- routes, statuses and the envelope of answers (status, data, message): the Native API page of the guides;
- a dataset without title, description, subject, author and contact is refused, in the words of Dataverse's issue 8663;
- a zip is unpacked, one level deep: folders become sanitised labels, names that begin with a dot, and __MACOSX, are dropped;
  one of too many files is refused, by AddReplaceFileHelper.java, and a file that is too large: CreateNewDataFilesCommand.java,
  whose older version reads by Java's ZipInputStream, which takes no descriptor behind a file that is stored;
- a locked dataset is 403, and 400 when it is seen while a file is added; without HTTP, adding is 503: Datasets.java;
- what has the name of another file gets a number: IngestUtil.java. The checksum's type is a setting of the installation;
- a wrong token is 401, an unknown collection or dataset 404, what the user may not do 403: AbstractApiBean.java.
"""

from __future__ import annotations

import json
import re
import shutil
import struct
import zipfile
from itertools import count
from pathlib import Path
from typing import Any

from werkzeug.exceptions import (
    BadRequest,
    Forbidden,
    HTTPException,
    MethodNotAllowed,
    NotFound,
    ServiceUnavailable,
    Unauthorized,
    abort,
)
from werkzeug.formparser import MultiPartParser
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from tests.servers.repository import Repository

ALIAS = "lab"
INVALID = "(Invalid value:edu.harvard.iq.dataverse.DatasetField[ id=null ])"
LICENSES = [
    {"id": 1, "name": "CC0 1.0", "uri": "http://creativecommons.org/publicdomain/zero/1.0", "active": True},
    {"id": 2, "name": "CC BY 4.0", "uri": "http://creativecommons.org/licenses/by/4.0", "active": True},
]
_HAS_DESCRIPTOR, _STORED = 0x08, 0


class DataverseServer(Repository):
    """A repository with one collection, and one user.

    Attributes:
        datasets: by their persistent identifiers: id, version, files, state.
        size_limit: bytes of one file; none unless set.
        may_add: whether the user may add datasets.
        algorithm: of the checksums of files.
        zip_files_limit: files in a zip that is to be unpacked.
        locked: how often a change of a dataset is refused because of a lock, by its status.
        takes_files: whether files may be sent.
        can_remove: whether files can be removed.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.datasets: dict[str, dict[str, Any]] = {}
        self.size_limit = 0
        self.may_add = True
        self.algorithm = "MD5"
        self.zip_files_limit = 1000
        self.locked: list[int] = []
        self._is_locked = False
        self.takes_files = self.can_remove = True
        self._numbers = count(1)
        self._routes = Map([
            Rule("/api/users/:me", methods=["GET"], endpoint=self._me),
            Rule("/api/licenses", methods=["GET"], endpoint=self._licenses),
            Rule("/api/dataverses/<alias>", methods=["GET"], endpoint=self._collection),
            Rule("/api/dataverses/<alias>/userPermissions", methods=["GET"], endpoint=self._permissions),
            Rule("/api/dataverses/<alias>/contents", methods=["GET"], endpoint=self._contents),
            Rule("/api/dataverses/<alias>/datasets", methods=["POST"], endpoint=self._create),
            Rule("/api/datasets/:persistentId", methods=["GET"], endpoint=self._read),
            Rule("/api/datasets/:persistentId/versions/:draft/files", methods=["GET"], endpoint=self._files),
            Rule("/api/datasets/:persistentId/add", methods=["POST"], endpoint=self._add),
            Rule("/api/datasets/:persistentId/locks", methods=["GET"], endpoint=self._locks),
            Rule("/api/datasets/<int:number>/versions/:draft", methods=["GET"], endpoint=self._draft_of),
            Rule("/api/files/<int:number>", methods=["DELETE"], endpoint=self._delete),
        ])  # fmt: skip

    def content(self, persistent: str, label: str) -> Path:
        """Where a file's content is kept."""
        (entry,) = (entry for entry in self.datasets[persistent]["files"] if entry["label"] == label)
        return self.folder / str(entry["dataFile"]["id"])

    def labels(self, persistent: str) -> list[str]:
        return sorted(entry["label"] for entry in self.datasets[persistent]["files"])

    def answer(self, request: Request) -> Response:
        try:
            if request.headers.get("X-Dataverse-key") != self.token:
                raise Unauthorized(f"Bad api key '{request.headers.get('X-Dataverse-key')}'")  # so did the older ones
            act, given = self._routes.bind_to_environ(request.environ).match()
            if given.pop("alias", ALIAS) != ALIAS:
                raise NotFound("Can't find dataverse with identifier='nowhere'")
            return act(request, **given)
        except HTTPException as error:
            return _json({"status": "ERROR", "message": error.description}, error.code or 500)

    def _me(self, _request: Request) -> Response:
        return _ok({"id": 2, "identifier": "@fiona", "displayName": "Fiona Finch"})

    def _licenses(self, _request: Request) -> Response:
        return _ok(LICENSES)

    def _collection(self, _request: Request) -> Response:
        return _ok({"id": 1, "alias": ALIAS, "name": "The Lab"})

    def _permissions(self, _request: Request) -> Response:
        return _ok({"canAddDataset": self.may_add})

    def _contents(self, _request: Request) -> Response:
        shown: list[dict[str, Any]] = []
        for persistent, dataset in self.datasets.items():
            item = {"id": dataset["id"], "type": "dataset", "persistentUrl": f"https://doi.org/{persistent[4:]}"}
            shown.append({**item, **({"publicationDate": "2026-01-01"} if dataset["state"] == "RELEASED" else {})})
        return _ok(shown)

    def _create(self, request: Request) -> Response:
        if not self.may_add:
            raise Forbidden("User @fiona is not permitted to perform requested action.")
        given = request.get_json()["datasetVersion"]
        values = {field["typeName"]: field["value"] for field in given["metadataBlocks"]["citation"]["fields"]}
        missing = [
            f"{name} is required. {INVALID}"
            for name, path in {
                "Title": ("title",),
                "Description Text": ("dsDescription", "dsDescriptionValue"),
                "Subject": ("subject",),
                "Author Name": ("author", "authorName"),
                "Contact E-mail": ("datasetContact", "datasetContactEmail"),
            }.items()
            if not _filled(values, *path)
        ]
        if missing:
            raise BadRequest(f"Validation Failed: {', '.join(missing)}.")
        if "license" in given and given["license"]["name"] not in {license["name"] for license in LICENSES}:
            raise BadRequest("Error parsing Json: Invalid license")
        number = next(self._numbers)
        persistent = f"doi:10.5072/FK2/{number:06}"
        self.datasets[persistent] = {"id": number, "version": given, "files": [], "state": "DRAFT"}
        return _ok({"id": number, "persistentId": persistent}, 201)

    def _read(self, request: Request) -> Response:
        dataset = self._dataset(request)
        version = {**dataset["version"], "versionState": dataset["state"], "files": dataset["files"]}
        return _ok({"id": dataset["id"], "latestVersion": version})

    def _draft_of(self, _request: Request, number: int) -> Response:
        for persistent, dataset in self.datasets.items():
            if dataset["id"] == number and dataset["state"] == "DRAFT":
                return _ok({"datasetPersistentId": persistent, **dataset["version"], "files": dataset["files"]})
        raise NotFound(f"Dataset version :draft of dataset {number} not found")

    def _files(self, request: Request) -> Response:
        return _ok(self._dataset(request)["files"])

    def _add(self, request: Request) -> Response:
        dataset = self._dataset(request)
        if not self.takes_files:
            raise ServiceUnavailable("File upload via HTTP is not available for this installation of Dataverse.")
        number = next(self._numbers)
        body = self.received(request.stream, request.content_length or 0, f"arriving-{number}")
        boundary = request.mimetype_params["boundary"].encode()
        with body.open("rb") as stream:
            form, files = MultiPartParser().parse(stream, boundary, body.stat().st_size)
        body.unlink()
        self._heed_lock()
        about = json.loads(form["jsonData"])
        if "file" not in files:
            raise BadRequest("Failed to add file to dataset: no file")
        uploaded = self.folder / f"uploaded-{number}"
        files["file"].save(uploaded)
        files["file"].close()
        if self.size_limit and uploaded.stat().st_size > self.size_limit:
            raise BadRequest(f"This file size ({uploaded.stat().st_size} B) exceeds the size limit of {self.size_limit} B.")
        made = [self._kept(dataset, name, path, about) for name, path in self._unpacked(uploaded, files["file"].filename or "")]
        return _ok({"files": made})

    def _unpacked(self, path: Path, name: str) -> list[tuple[str, Path]]:
        if not zipfile.is_zipfile(path) or not _is_streamable(path):
            return [(name, path)]
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir() and _is_wanted(member.filename)]
            if len(members) > self.zip_files_limit:
                raise BadRequest(
                    f"The number of files in the zip archive is over the limit ({self.zip_files_limit}); please upload a zip "
                    "archive with fewer files, if you want them to be ingested as individual DataFiles."
                )
            found: list[tuple[str, Path]] = []
            for member in members:
                target = self.folder / f"unpacked-{next(self._numbers)}"
                with archive.open(member) as source, target.open("wb") as copy:
                    shutil.copyfileobj(source, copy)
                found.append((member.filename, target))
        return found

    def _kept(self, dataset: dict[str, Any], name: str, path: Path, about: dict[str, Any]) -> dict[str, Any]:
        number = next(self._numbers)
        path = path.rename(self.folder / str(number))
        directory, _, label = name.rpartition("/")
        taken = {entry["label"] for entry in dataset["files"]}
        stem, dot, suffix = label.rpartition(".")
        tries = (f"{stem}-{copy}{dot}{suffix}" for copy in count(1))
        label = label if label not in taken else next(each for each in tries if each not in taken)
        digits = self.stored(path, self.algorithm.replace("-", "").lower())
        file: dict[str, Any] = {"id": number, "filename": label, "filesize": path.stat().st_size}
        file["checksum"] = {"type": self.algorithm, "value": digits}
        entry = {"label": label, "description": about.get("description", ""), "dataFile": file}
        if directory:
            entry["directoryLabel"] = re.sub(r"[^A-Za-z0-9_ ./-]+", ".", directory)
        dataset["files"].append(entry)
        return entry

    def _heed_lock(self) -> None:
        if self.locked:
            words = {400: "Failed to add file to dataset.", 403: "Dataset cannot be edited due to dataset lock."}
            self._is_locked = True
            abort(status := self.locked.pop(), words[status])
        self._is_locked = False

    def _locks(self, _request: Request) -> Response:
        return _ok([{"lockType": "InReview"}] if self._is_locked else [])

    def _delete(self, _request: Request, number: int) -> Response:
        if not self.can_remove:
            raise MethodNotAllowed(["GET"])
        self._heed_lock()
        for dataset in self.datasets.values():
            kept = [entry for entry in dataset["files"] if entry["dataFile"]["id"] != number]
            if len(kept) < len(dataset["files"]):
                dataset["files"] = kept
                return _ok({"message": f"File with ID {number} has been deleted."})
        raise NotFound(f"File with ID {number} not found.")

    def _dataset(self, request: Request) -> dict[str, Any]:
        persistent = request.args.get("persistentId", "")
        if not re.match(r"(doi|hdl|perma):.", persistent):
            raise BadRequest(f"Bad dataset ID number: {persistent}.")
        if persistent not in self.datasets:
            raise NotFound(f"Dataset with Persistent ID {persistent} not found.")
        return self.datasets[persistent]


def _is_wanted(name: str) -> bool:
    return not name.startswith("__MACOSX/") and not name.rpartition("/")[2].startswith(".")


def _is_streamable(path: Path) -> bool:
    """Whether Java's ZipInputStream gets past its first file."""
    with path.open("rb") as file:
        _, _, flags, method = struct.unpack("<IHHH", file.read(10))
    return not (flags & _HAS_DESCRIPTOR and method == _STORED)


def _filled(values: dict[str, Any], name: str, part: str = "") -> bool:
    value = values.get(name)
    return bool(value) and (not part or bool(value[0].get(part, {}).get("value")))


def _ok(data: Any, status: int = 200) -> Response:
    return _json({"status": "OK", "data": data}, status)


def _json(told: Any, status: int = 200) -> Response:
    return Response(json.dumps(told), status, content_type="application/json")
