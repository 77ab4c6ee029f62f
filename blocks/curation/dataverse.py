"""Deposits in Dataverse, by its native API: https://guides.dataverse.org/en/latest/api/native-api.html."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any, ClassVar

from pydantic import Field, field_validator

from blocks.curation.dataverse_metadata import Subject, dataset, is_license, run_of
from blocks.curation.deposit import DepositResource, archive_name
from blocks.curation.deposit_file import MD5, DepositFile
from blocks.curation.experiment import Experiment
from blocks.curation.http import document
from blocks.curation.upload import Upload
from blocks.curation.wrapping import length, wrapped
from blocks.errors import AuthenticationRefused, CommandFailed, NotFound, Unreachable

_ZIP = "application/zip"
_WRAPPING = "wrapping.zip"  # the name of the outer one of two zips
_LATEST = 20  # datasets of a collection that may be the one whose making was not heard of
_DATASET = "/api/datasets/:persistentId"
_UNKNOWN_METHOD = 405
# Of AbstractApiBean.java, AddReplaceFileHelper.java and CreateNewDataFilesCommand.java, and Bundle.properties
_LOCKED, _NOT_ADDED = "dataset lock", "Failed to add file to dataset"
_TAKES_NO_FILES = "HTTP is not available for this installation"
_LIMITS_ZIPS = "files in the zip archive is over the limit"


class Dataverse(DepositResource):
    """A collection of a repository made with Dataverse.

    It unpacks what it is sent as a zip, and would rename folders and drop files on the way: the archive is sent as the one file
    of another zip, so that it stays whole.
    """

    _block_type_name = "Dataverse"
    _block_type_slug = "chiminey-dataverse"
    _description = "Keeps runs as draft datasets in a collection of a Dataverse repository."

    kind: ClassVar[str] = "dataverse"

    dataverse: str = Field(min_length=1, title="Collection", description="Its alias, the last part of its address.")
    contact: str = Field(title="Contact", description="An e-mail address, which Dataverse wants of each dataset.")
    subject: Subject = Field(default="Other", title="Subject", description="Which Dataverse wants of each dataset.")

    @field_validator("contact")
    @classmethod
    def _is_address(cls, contact: str) -> str:
        if "@" not in contact:
            raise ValueError("must be an e-mail address")
        return contact

    def describe(self) -> str:
        return f"{self.url}/dataverse/{self.dataverse}"

    def check(self) -> list[str]:
        """See who the token's user is, and what they may do in the collection."""
        user = self._data("GET", "/api/users/:me")["displayName"]
        collection = self._data("GET", f"/api/dataverses/{self.dataverse}")["name"]
        answer = self._api.ask("GET", f"/api/dataverses/{self.dataverse}/userPermissions", accept=(404, 405))
        if not answer.is_success:  # before version 6.5
            return [f"{self.url} knows {user} by the token, and has the collection {collection}."]
        if not document(answer)["data"]["canAddDataset"]:
            raise AuthenticationRefused(f"{user} may not add datasets to {collection}; ask its owner for that")
        return [f"{user} may add datasets to {collection}."]

    def problems(self, into: str) -> list[str]:
        wrong = super().problems(into)
        if into and not wrong:
            wrong += filter(None, [self._absence(into)])
        return wrong

    def _headers(self, token: str) -> dict[str, str]:
        return {"X-Dataverse-key": token}

    def _unfit(self, experiment: Experiment) -> list[str]:
        return [] if experiment.description.strip() else ["the deposit has no description, which Dataverse wants"]

    def _draft(self, experiment: Experiment, into: str, known: MutableMapping[str, str]) -> tuple[str, str, list[str]]:
        if into:
            if wrong := self._absence(into):
                raise NotFound(wrong)
            return into, self._page(into), []
        if "draft" in known and self._is_draft(known["draft"], experiment.run):
            return known["draft"], self._page(known["draft"]), []
        license = self._license(experiment.license)
        described = dataset(experiment, self.contact, self.subject, license)
        draft = self._api.insist(lambda: self._found(experiment.run) or self._made(described))
        return draft, self._page(draft), [] if license is not None else [self._without_license(experiment.license)]

    def _without_license(self, wanted: str) -> str:
        reason = f"{self.url} does not offer the license {wanted}" if wanted else "no license was given"
        return f"{reason}; choose one in the draft, which may have been given one that the repository prefers"

    def _absence(self, draft: str) -> str:
        return "" if self._is_draft(draft) else f"{self.url} has no dataset {draft}; it is like doi:10.5072/FK2/ABCDEF"

    def _page(self, draft: str) -> str:
        return f"{self.url}/dataset.xhtml?persistentId={draft}&version=DRAFT"

    def _is_draft(self, draft: str, run: str = "") -> bool:
        """Whether a dataset is there, and a run's where that matters; not, if somebody threw it away.

        Raises:
            CommandFailed: it is published.
        """
        absent = (400, 404, *((401, 403) if run else ()))  # 400: it is no such identifier at all; a run's may be another user's
        answer = self._api.ask("GET", _DATASET, params={"persistentId": draft}, accept=absent)
        version = document(answer)["data"]["latestVersion"] if answer.is_success else None
        if version is None or (run and not _is_of(run, version)):
            return False
        if version["versionState"] != "DRAFT":
            raise CommandFailed(f"the deposit is published already, in {self.url} as {draft}, and stays as it is")
        return True

    def _found(self, run: str) -> str | None:
        """The dataset of a run: of the latest in the collection that are not published, as the database has them at once.

        None where the user may add to a collection that is not published, but not see what is in it.
        """
        answer = self._api.ask("GET", f"/api/dataverses/{self.dataverse}/contents", repeat=False, accept=(401, 403))
        items: list[dict[str, Any]] = document(answer)["data"] if answer.is_success else []
        drafts = [item for item in items if item["type"] == "dataset" and "publicationDate" not in item]
        for item in sorted(drafts, key=lambda item: item["id"], reverse=True)[:_LATEST]:
            answer = self._api.ask("GET", f"/api/datasets/{item['id']}/versions/:draft", repeat=False, accept=(401, 403, 404))
            if answer.is_success and run_of(found := document(answer)["data"]) == run:
                return found["datasetPersistentId"]
        return None

    def _made(self, described: Mapping[str, Any]) -> str:
        place = f"/api/dataverses/{self.dataverse}/datasets"
        try:
            return self._data("POST", place, repeat=False, json=described)["persistentId"]
        except CommandFailed as error:
            raise CommandFailed(
                f"{error}; if it wants more than a run can tell, make a dataset there and name it with --into"
            ) from error

    def _license(self, spdx: str) -> Mapping[str, str] | None:
        if not spdx:
            return None
        answer = self._api.ask("GET", "/api/licenses", accept=(404,))  # which came with version 5.10
        offered: list[dict[str, str]] = document(answer)["data"] if answer.is_success else []
        return next((license for license in offered if is_license(license, spdx)), None)

    def _entry(self, draft: str, name: str) -> dict[str, Any] | None:
        """A file of the draft."""
        place = f"{_DATASET}/versions/:draft/files"
        files = self._data("GET", place, repeat=False, params={"persistentId": draft})
        return next((file for file in files if file["label"] == name and not file.get("directoryLabel")), None)

    def _kept(self, draft: str, name: str) -> str | None:
        entry = self._entry(draft, name)
        return None if entry is None else _checksum(entry)

    def _remove(self, draft: str, name: str) -> None:
        entry = self._entry(draft, name)
        if entry is not None:
            self._delete(draft, entry)

    def _delete(self, draft: str, entry: Mapping[str, Any]) -> None:
        place = f"/api/files/{entry['dataFile']['id']}"
        with self._unlocked(draft):
            answer = self._api.ask("DELETE", place, repeat=False, accept=(404, 405))
        if answer.status_code == _UNKNOWN_METHOD:  # before version 5.14
            raise CommandFailed(f"{self.url} has no way for programs to remove files; remove {entry['label']} there, and repeat")

    def _send(self, draft: str, file: DepositFile) -> str:
        is_archive = file.media_type == _ZIP
        name = _WRAPPING if is_archive else file.name
        size = length(file.name, file.size) if is_archive else file.size

        def content() -> Iterator[bytes]:
            return wrapped(file.name, file.size, file.blocks()) if is_archive else file.blocks()

        def form() -> dict[str, tuple[str, Upload, str]]:
            return {"file": (name, Upload(size, content), file.media_type)}

        about = {"jsonData": json.dumps({"description": _purpose(is_archive), "tabIngest": "false"})}
        with self._unlocked(draft):
            answer = self._data("POST", f"{_DATASET}/add", repeat=False, params={"persistentId": draft}, data=about, files=form)
        for entry in answer["files"]:
            if entry["label"] == file.name:
                return _checksum(entry)
        for entry in answer["files"]:
            self._delete(draft, entry)
        raise CommandFailed(f"{self.url} did not unpack the zip that it was sent; ask its people whether they limit the size")

    @contextmanager
    def _unlocked(self, draft: str) -> Generator[None]:
        """Take what it says of a change to a dataset that something else is changing for a fault that passes."""
        try:
            yield
        except (AuthenticationRefused, CommandFailed, Unreachable) as error:
            told = str(error)
            if _LOCKED in told or (_NOT_ADDED in told and self._is_locked(draft)):
                raise Unreachable(f"{self.url} lets nothing change the dataset, as while it is in review: {told}") from error
            if _TAKES_NO_FILES in told:
                raise CommandFailed(f"{self.url} takes no files over HTTP, and nothing can be deposited there: {told}") from error
            if _LIMITS_ZIPS in told:
                raise CommandFailed(f"{told} (what is sent travels in a zip; ask about its :ZipUploadFilesLimit)") from error
            raise

    def _is_locked(self, draft: str) -> bool:
        answer = self._api.ask("GET", f"{_DATASET}/locks", repeat=False, params={"persistentId": draft}, accept=(401, 403, 404))
        return answer.is_success and bool(document(answer)["data"])

    def _data(self, method: str, path: str, **asked: Any) -> Any:
        return document(self._api.ask(method, path, **asked))["data"]


def _is_of(run: str, version: Mapping[str, Any]) -> bool:
    """Whether a dataset is a run's: its other identifier, which people change, or its files say so."""
    return run_of(version) == run or any(file["label"] == archive_name(run) for file in version.get("files", ()))


def _checksum(entry: Mapping[str, Any]) -> str:
    """Of a file, which is by the algorithm that the repository chose."""
    file = entry["dataFile"]
    told = file.get("checksum") or {"type": MD5, "value": file["md5"]}
    return f"{told['type'].lower().replace('-', '')}:{told['value']}"


def _purpose(is_archive: bool) -> str:
    return "The run as it was stored, an RO-Crate" if is_archive else "What the archive holds, and how it was made"
