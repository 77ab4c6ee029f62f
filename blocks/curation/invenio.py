"""Deposits in repositories made with InvenioRDM, which Zenodo is one of.

The protocol is its REST API (https://inveniordm.docs.cern.ch/reference/rest_api_drafts_records/). Zenodo still has its older
deposit API too, but keeps it for old clients, and only there.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, MutableMapping
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import quote

from pydantic import Field, SecretStr

from blocks.curation.deposit import DepositResource, archive_name
from blocks.curation.deposit_file import DepositFile
from blocks.curation.experiment import Experiment
from blocks.curation.http import Address, document
from blocks.curation.invenio_metadata import metadata
from blocks.errors import CommandFailed, NotFound, ResourceError

# Zenodo answers what is only "application/json" in the form of its older API; files' addresses have no other.
ACCEPT = "application/vnd.inveniordm.v1+json, application/json;q=0.5"
INDEX_SECONDS = 5.0  # after which what was made is found by a search
_FOUND = 25  # the largest page that everybody may ask for


class InvenioRDM(DepositResource):
    """A repository made with InvenioRDM."""

    _block_type_name = "InvenioRDM"
    _block_type_slug = "chiminey-invenio"
    _description = "Keeps runs as drafts in a repository made with InvenioRDM."

    kind: ClassVar[str] = "invenio"

    publisher: str = Field(min_length=1, title="Publisher", description="As it is cited; most often the repository's own name.")

    def check(self) -> list[str]:
        """Make an empty draft, and throw it away."""
        self._api.ask("GET", "/api/user/records", params={"size": 1})  # some answer who may not write with words about cookies
        draft = document(self._api.ask("POST", "/api/records", repeat=False, json={"files": {"enabled": True}, "metadata": {}}))
        self._api.ask("DELETE", f"/api/records/{draft['id']}/draft", accept=(404,))
        return [f"{self.describe()} accepts the token, and drafts can be made there."]

    def problems(self, into: str) -> list[str]:
        wrong = super().problems(into)
        if into and not wrong and self._existing(into) is None:
            wrong.append(f"{self.describe()} has no draft {into} that the token may change; look at its address there")
        return wrong

    def _headers(self, token: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {token}", "Accept": ACCEPT}

    def _unfit(self, experiment: Experiment) -> list[str]:
        del experiment  # a draft may lack anything; what must be there before it is published is there always
        return []

    def _draft(self, experiment: Experiment, into: str, known: MutableMapping[str, str]) -> tuple[str, str, list[str]]:
        warnings: list[str] = []
        draft = self._given(into) if into else self._known(experiment.run, known)
        if draft is None:
            described, warnings = self._described(experiment)
            draft = self._api.insist(lambda: self._found_or_made(experiment.run, described, known))
        return draft["id"], draft["links"]["self_html"], [*warnings, *_complaints(draft)]

    def _described(self, experiment: Experiment) -> tuple[dict[str, Any], list[str]]:
        """The metadata of a draft, and what is left out: with an unknown license the whole draft would be refused."""
        if not experiment.license or self._has_license(experiment.license):
            return metadata(experiment, self.publisher), []
        words = f"{self.describe()} does not offer the license {experiment.license}; choose one in the draft"
        return metadata(replace(experiment, license=""), self.publisher), [words]

    def _has_license(self, spdx: str) -> bool:
        return self._api.ask("GET", f"/api/vocabularies/licenses/{quote(spdx.lower(), safe='')}", accept=(404,)).is_success

    def _given(self, into: str) -> dict[str, Any]:
        """The user's own draft, whose metadata stay as they are."""
        draft = self._existing(into)
        if draft is None:
            raise NotFound(f"{self.describe()} has no draft {into} that the token may change; look at its address there")
        if draft["is_published"]:
            raise self._published(into)
        if not draft["files"]["enabled"]:
            raise self._without_files(into)
        return draft

    def _known(self, run: str, known: Mapping[str, str]) -> dict[str, Any] | None:
        """The draft that was made before, unless somebody threw it away, or its number is another's.

        Raises:
            CommandFailed: it is published.
        """
        if "draft" not in known:
            return None
        number = known["draft"]
        for place in (_place(number), _record(number)):
            answer = self._api.ask("GET", place, accept=(403, 404, 410))
            if answer.is_success and self._is_of(run, found := document(answer), place):
                if found["is_published"]:  # be it that a draft was begun since to change its metadata
                    raise self._published(number)
                return found
        return None

    def _published(self, number: str) -> CommandFailed:
        return CommandFailed(f"the deposit is published already, in {self.describe()} as {number}, and stays as it is")

    def _without_files(self, number: str) -> CommandFailed:
        return CommandFailed(f"the draft {number} of {self.describe()} is marked as metadata only; allow files there, and repeat")

    def _is_of(self, run: str, found: Mapping[str, Any], place: str) -> bool:
        """Whether a draft, or a record, is a run's: its version, which people change, or its files say so."""
        if found["metadata"].get("version") == run:
            return True
        answer = self._api.ask("GET", f"{place}/files", accept=(403, 404))
        return answer.is_success and any(entry["key"] == archive_name(run) for entry in document(answer).get("entries", ()))

    def _found_or_made(self, run: str, described: Mapping[str, Any], known: MutableMapping[str, str]) -> dict[str, Any]:
        """The draft of a run. It is made only where none is found, in case that the answer to an earlier request was lost."""
        if "asked" in known:
            time.sleep(min(INDEX_SECONDS, max(0.0, float(known["asked"]) + INDEX_SECONDS - time.time())))
        if found := self._search(run):
            return found
        known["asked"] = str(time.time())
        asked = {"access": {"record": "public", "files": "public"}, "files": {"enabled": True}, "metadata": described}
        try:
            return document(self._api.ask("POST", "/api/records", repeat=False, json=asked))
        except ResourceError:
            known["asked"] = str(time.time())  # it may have been made at the very end of a long request
            raise

    def _search(self, run: str) -> dict[str, Any] | None:
        query = {"q": f'metadata.version:"{run}"', "size": _FOUND, "sort": "newest"}
        hits = document(self._api.ask("GET", "/api/user/records", repeat=False, params=query))["hits"]["hits"]
        drafts = (hit for hit in hits if not hit["is_published"] and hit["metadata"].get("version") == run)
        return next(drafts, None)

    def _existing(self, draft: str) -> dict[str, Any] | None:
        answer = self._api.ask("GET", _place(draft), accept=(403, 404, 410))
        return document(answer) if answer.is_success else None

    def _kept(self, draft: str, name: str) -> str | None:
        listing = document(self._api.ask("GET", f"{_place(draft)}/files", repeat=False))
        if not listing["enabled"]:
            raise self._without_files(draft)
        for entry in listing["entries"]:
            if entry["key"] == name:
                return entry["checksum"] if entry["status"] == "completed" else ""
        return None

    def _remove(self, draft: str, name: str) -> None:
        self._api.ask("DELETE", _file(draft, name), repeat=False, accept=(404,))

    def _send(self, draft: str, file: DepositFile) -> str:
        place = _file(draft, file.name)
        self._api.ask("POST", f"{_place(draft)}/files", repeat=False, json=[{"key": file.name}])
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(file.size)}
        self._api.ask("PUT", f"{place}/content", repeat=False, headers=headers, content=file.blocks)
        return self._committed(place)

    def _committed(self, place: str) -> str:
        return document(self._api.ask("POST", f"{place}/commit", repeat=False))["checksum"]

    def _arrived(self, draft: str, name: str) -> str:
        kept = self._kept(draft, name)
        if kept != "":
            return kept or ""
        try:
            return self._committed(_file(draft, name))
        except CommandFailed:  # its content is still on its way
            return ""


class Zenodo(InvenioRDM):
    """Zenodo, or its sandbox at https://sandbox.zenodo.org."""

    _block_type_name = "Zenodo"
    _block_type_slug = "chiminey-zenodo"
    _description = "Keeps runs as drafts in Zenodo."

    kind: ClassVar[str] = "zenodo"

    url: Address = Field(
        default="https://zenodo.org", title="Address", description="https://sandbox.zenodo.org is the place to try things in."
    )
    token: SecretStr | None = Field(
        default=None, title="Token", description="Under Applications in your account there, with the scope deposit:write."
    )
    publisher: str = Field(default="Zenodo", title="Publisher", description="As it is cited.")


def _record(number: str) -> str:
    return f"/api/records/{quote(number, safe='')}"


def _place(draft: str) -> str:
    return f"{_record(draft)}/draft"


def _file(draft: str, name: str) -> str:
    return f"{_place(draft)}/files/{quote(name, safe='')}"


def _complaints(draft: Mapping[str, Any]) -> list[str]:
    """What the repository did not take of the metadata; it keeps the draft without."""
    return [
        f"the repository says of {error['field'].removeprefix('metadata.')}: {' '.join(map(str, error['messages']))}"
        for error in draft.get("errors", ())
    ]
