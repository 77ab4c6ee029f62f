"""InvenioRDM's REST API on the loopback device, as far as depositing goes, and as strict.

Where its behaviour is from:

- routes, statuses and the shape of answers: docs-invenio-rdm, reference/rest_api_drafts_records.md;
- a draft is kept whatever is missing, and says so in ``errors``: the same, and invenio-app-rdm's issue 898, whose words are used;
- metadata, required when it is published: reference/metadata.md (resource type, creators, title, publication date);
- a file is begun once, has its content sent once and only while it is pending, and a second content removes the file altogether:
  invenio-records-resources, services/files/transfer/providers/local.py and components/content.py. Beginning it twice is the
  server's own error in the early versions (invenio-rdm-records' issue 498), 400 in later ones;
- a body without Content-Length is empty: werkzeug behind a server that does not say ``wsgi.input_terminated``, as uWSGI;
- a search finds what was made a moment ago only when the index has been refreshed: OpenSearch's refresh interval of a second;
- Zenodo has the form of its older API for whoever asks for application/json: zenodo-rdm's site/zenodo_rdm/legacy/resources.py;
- a license that is in no vocabulary is refused with the whole draft: invenio-records' relations, invenio-rdm-records' resources;
- size limits: invenio-files-rest checks Content-Length against the bucket's limit (FileSizeError, 400), nginx its own (413).
"""

from __future__ import annotations

import json
import re
import time
from itertools import count
from pathlib import Path
from typing import Any

from werkzeug.exceptions import BadRequest, Forbidden, HTTPException, NotAcceptable, NotFound, Unauthorized
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from tests.servers.repository import Repository

REFRESH_SECONDS = 1.0
LICENSES = {"cc-by-4.0", "cc0-1.0", "mit", "apache-2.0"}
REQUIRED = ("resource_type", "creators", "title", "publication_date")
VERSION = re.compile(r'metadata\.version:"(?P<version>[^"]*)"')


class Invenio(Repository):
    """A repository with one user.

    Attributes:
        drafts: by their ids: metadata, files, when it was made, whether it is published.
        size_limit: bytes of one file; none unless set.
        may_write: whether the token has the scope for it.
        without_files: ids of drafts that are metadata only.
        edited: ids of published drafts whose metadata are being edited, which have a draft again; its files are locked.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.drafts: dict[str, dict[str, Any]] = {}
        self.size_limit = 0
        self.may_write = True
        self.edited: set[str] = set()
        self.without_files: set[str] = set()
        self._is_native = False  # as the request that is being answered asks
        self._numbers = count(1)
        one = "/api/records/<id>"
        self._routes = Map([
            Rule("/api/records", methods=["POST"], endpoint=self._create),
            Rule("/api/vocabularies/licenses/<id>", methods=["GET"], endpoint=self._license),
            Rule("/api/user/records", methods=["GET"], endpoint=self._search),
            Rule(one, methods=["GET"], endpoint=self._record),
            Rule(f"{one}/files", methods=["GET"], endpoint=self._files_of_record),
            Rule(f"{one}/draft", methods=["GET"], endpoint=self._read),
            Rule(f"{one}/draft", methods=["DELETE"], endpoint=self._discard),
            Rule(f"{one}/draft/actions/publish", methods=["POST"], endpoint=self._publish),
            Rule(f"{one}/draft/files", methods=["GET"], endpoint=self._files),
            Rule(f"{one}/draft/files", methods=["POST"], endpoint=self._begin),
            Rule(f"{one}/draft/files/<key>", methods=["DELETE"], endpoint=self._delete),
            Rule(f"{one}/draft/files/<key>/content", methods=["PUT"], endpoint=self._content),
            Rule(f"{one}/draft/files/<key>/commit", methods=["POST"], endpoint=self._commit),
        ])  # fmt: skip

    def content(self, id: str, key: str) -> Path:
        """Where a file's content is kept."""
        return self.folder / id / key

    def answer(self, request: Request) -> Response:
        try:
            if request.headers.get("Authorization") != f"Bearer {self.token}":
                if request.method != "GET":  # which its protection against other sites' forms refuses first
                    raise BadRequest("Referer checking failed - no Referer.")
                raise Unauthorized("The server could not verify that you are authorized to access the URL requested.")
            if request.method != "GET" and not self.may_write:
                raise Forbidden("Permission denied.")
            act, given = self._routes.bind_to_environ(request.environ).match()
            self._is_native = "application/vnd.inveniordm.v1+json" in request.accept_mimetypes.values()
            if "/files" in request.path and "application/json" not in request.accept_mimetypes:
                raise NotAcceptable
            return act(request, **given)
        except HTTPException as error:
            return _json({"status": error.code, "message": error.description}, error.code or 500)

    def _create(self, request: Request) -> Response:
        given = request.get_json()
        if unknown := [right for right in given.get("metadata", {}).get("rights", []) if right.get("id") not in LICENSES]:
            raise BadRequest(f"Invalid value {unknown[0]['id']}.")
        id = f"abcde-{next(self._numbers):05}"
        metadata, errors = _loaded(given.get("metadata", {}))
        self.drafts[id] = {"metadata": metadata, "files": {}, "made": time.monotonic(), "is_published": False}
        return _json({**self._shown(id), **({"errors": errors} if errors else {})}, 201)

    def _search(self, request: Request) -> Response:
        found = VERSION.fullmatch(request.args.get("q", ""))
        wanted = found["version"] if found else None
        hits = [
            self._shown(id)
            for id, draft in self.drafts.items()
            if draft["made"] + REFRESH_SECONDS < time.monotonic() and wanted in (None, draft["metadata"].get("version"))
        ]
        return _json({"hits": {"hits": hits[: int(request.args.get("size", 10))], "total": len(hits)}})

    def _license(self, _request: Request, id: str) -> Response:
        if id not in LICENSES:
            raise NotFound("The persistent identifier does not exist.")
        return _json({"id": id})

    def _record(self, _request: Request, id: str) -> Response:
        if id not in self.drafts or not self.drafts[id]["is_published"]:
            raise NotFound("The persistent identifier is not registered.")
        return _json(self._shown(id))

    def _files_of_record(self, request: Request, id: str) -> Response:
        self._record(request, id)
        return _json({"enabled": True, "entries": list(self.drafts[id]["files"].values()), "order": []})

    def _read(self, _request: Request, id: str) -> Response:
        self._draft(id)
        return _json(self._shown(id))

    def _discard(self, _request: Request, id: str) -> Response:
        self._draft(id)
        del self.drafts[id]
        return Response(status=204)

    def _publish(self, _request: Request, id: str) -> Response:
        draft = self._draft(id)
        _, errors = _loaded(draft["metadata"])
        if errors or any(entry["status"] != "completed" for entry in draft["files"].values()):
            raise BadRequest("A validation error occurred.")
        draft["is_published"] = True
        return _json(self._shown(id), 202)

    def _files(self, _request: Request, id: str) -> Response:
        files = self._draft(id)["files"]
        if id in self.without_files:
            return _json({"enabled": False})
        return _json({"enabled": True, "entries": list(files.values()), "order": []})

    def _begin(self, request: Request, id: str) -> Response:
        files = self._draft(id)["files"]
        if id in self.edited:
            raise Forbidden("Permission denied.")
        for each in request.get_json():
            if each["key"] in files:
                raise BadRequest(f"File with key {each['key']} already exists.")
            files[each["key"]] = {"key": each["key"], "status": "pending", "metadata": None}
        return _json({"enabled": True, "entries": list(files.values())}, 201)

    def _content(self, request: Request, id: str, key: str) -> Response:
        entry = self._entry(id, key)
        if self.size_limit and (request.content_length or 0) > self.size_limit:
            raise BadRequest("File size limit exceeded.")
        if self.content(id, key).exists():
            del self._draft(id)["files"][key]
            self.content(id, key).unlink()
            raise BadRequest(f'File with key "{key}" is already committed.')
        waiting = self.received(request.stream, request.content_length or 0, f"arriving-{id}-{key}")
        self.content(id, key).parent.mkdir(exist_ok=True)
        waiting.rename(self.content(id, key))
        return _json(entry)

    def _commit(self, _request: Request, id: str, key: str) -> Response:
        entry = self._entry(id, key)
        if not self.content(id, key).exists():
            raise BadRequest("File upload is not completed.")
        path = self.content(id, key)
        entry.update(status="completed", checksum=f"md5:{self.stored(path, 'md5')}", size=float(path.stat().st_size))
        return _json(entry)

    def _delete(self, _request: Request, id: str, key: str) -> Response:
        if id in self.edited:
            raise Forbidden("Permission denied.")
        self._entry(id, key)
        del self._draft(id)["files"][key]
        self.content(id, key).unlink(missing_ok=True)
        return Response(status=204)

    def _draft(self, id: str) -> dict[str, Any]:
        if id not in self.drafts or (self.drafts[id]["is_published"] and id not in self.edited):
            raise NotFound("The persistent identifier does not exist.")
        return self.drafts[id]

    def _entry(self, id: str, key: str) -> dict[str, Any]:
        files = self._draft(id)["files"]
        if key not in files:
            raise NotFound(f"Record '{id}' has no file '{key}'.")
        return files[key]

    def _shown(self, id: str) -> dict[str, Any]:
        draft = self.drafts[id]
        if not self._is_native:
            return {"id": int(id.rpartition("-")[2]), "metadata": draft["metadata"], "state": "unsubmitted", "submitted": False}
        links = {"self": f"{self.url}/api/records/{id}/draft", "self_html": f"{self.url}/uploads/{id}"}
        return {
            "id": id,
            "is_published": draft["is_published"],
            "is_draft": not draft["is_published"],
            "metadata": draft["metadata"],
            "files": {"enabled": id not in self.without_files},
            "links": links,
            "pids": {},
        }


def _loaded(metadata: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What a draft keeps of metadata, and what is wrong with the rest."""
    errors = [
        {"field": f"metadata.{field}", "messages": ["Missing data for required field."]}
        for field in REQUIRED
        if not metadata.get(field)
    ]
    for number, creator in enumerate(metadata.get("creators", [])):
        person = creator["person_or_org"]
        if person.get("type") != "personal" or not person.get("family_name"):
            errors.append({"field": f"metadata.creators.{number}", "messages": ["Family name must be filled."]})
    return metadata, errors


def _json(told: Any, status: int = 200) -> Response:
    return Response(json.dumps(told), status, content_type="application/json")
