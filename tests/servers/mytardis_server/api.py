"""The REST API over the rows, as a WSGI application: tastypie's manners, from ``recorded.txt``."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any
from urllib.parse import urlencode

from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Request, Response

from tests.servers.mytardis_server.rows import Broken, Refused, Row, Rows, User, address, number_in

LIMIT, MOST = 20, 1000  # rows of a list, unless asked for otherwise, and at most
SORRY = {"error_message": "Sorry, this request could not be processed. Please try again later."}
FILTERS = {  # by kind: the fields that a list can be filtered by; of other fields it is refused, what is no field is ignored
    "user": {"username"},
    "experiment": {"id", "title"},
    "dataset": {"id", "description", "directory", "experiments__id"},
    "dataset_file": {"filename", "directory", "directory__startswith", "dataset__id"},
    "schema": {"id", "namespace"},
    "parametername": {"schema__id"},
    "storagebox": set[str](),
    "location": set[str](),
    "experimentparameterset": set[str](),
    "datasetparameterset": set[str](),
}
ORDER = {"dataset_file": "filename", "parametername": "name"}
ORDERED_BY = {"experiment": {"id", "title"}, "dataset": {"id", "description"}, "dataset_file": {"id", "filename"}}
OTHER_VALUES = {"true": True, "false": False, "nil": None, "none": None}  # tastypie's, for these texts in a filter


class Api:
    """Answers requests. What it does to files can be made worse, by their names."""

    def __init__(self, rows: Rows, users: list[User]) -> None:
        self.rows = rows
        self.users = users
        self.most = 262_144_000  # bytes of a request that it reads
        self.garbled: set[str] = set()  # names of files of which another content arrives
        self._lists = 0
        self.refused: dict[str, int] = {}  # statuses by name of a file: answered once, with the row made all the same

    def __call__(self, request: Request) -> Response:
        try:
            return self._answer(request)
        except Refused as refused:
            return _json({"error": refused.error}, refused.status) if refused.error else _empty(refused.status)
        except Broken as broken:
            return _json(SORRY, broken.status)

    def _answer(self, request: Request) -> Response:
        if not request.path.endswith("/"):
            return _empty(301, {"Location": f"{request.path}/"})
        parts = request.path.removeprefix("/api/v1/").rstrip("/").split("/")
        if not request.path.startswith("/api/v1/") or parts[0] not in {*FILTERS, "replica"}:
            raise Refused(404)
        user = self._user(request)
        self.rows.settle()
        match request.method, parts:
            case "GET", _:
                return self._given(request, parts, user)
            case "POST", [kind]:
                return self._made(request, kind, user)
            case "DELETE", ["experiment", number]:
                del self.rows.table("experiment")[self._one("experiment", number, user)["id"]]
                answer = Response(status=204)
                answer.headers.remove("Content-Type")
                return answer
            case "PUT", ["experiment", number]:
                known = int(number) in self.rows.table("experiment")
                row = self.rows.add_experiment(user, _document(request.get_data()), int(number))
                return _json(row, 200 if known else 201, row["resource_uri"])
            case _:
                raise Refused(401)

    def _given(self, request: Request, parts: list[str], user: User | None) -> Response:
        match parts:
            case [kind]:
                return self._list(request, kind, user)
            case [kind, number]:
                return _json(self._one(kind, number, user))
            case ["dataset_file", number, "download"]:
                return self._download(number, user)
            case ["dataset_file", number, "verify"]:
                self.rows.verify(self._one("dataset_file", number, user)["id"])
                return _empty(200)
            case _:
                raise Refused(404)

    def _user(self, request: Request) -> User | None:
        """None is for anybody; wrong credentials are refused."""
        given = request.headers.get("Authorization")
        if given is None:
            return None
        method, _, secret = given.partition(" ")
        for user in self.users:
            if method == "ApiKey" and secret == f"{user.name}:{user.api_key}":
                return user
            if method == "Basic" and _decoded(secret) == f"{user.name}:{user.password}":
                return user
        raise Refused(401)

    def _list(self, request: Request, kind: str, user: User | None) -> Response:
        if kind == "replica":
            raise Broken
        found = self._users(user) if kind == "user" else list(self.rows.table(kind).values())
        found = [row for row in found if self.rows.may_see(user, kind, row)]
        for name, value in request.args.items():
            if name in ("limit", "offset", "format", "order_by"):
                continue
            if name in FILTERS[kind]:
                found = [row for row in found if _matches(row, name, value)]
            elif name.partition("__")[0] in {*(found[0] if found else ()), "md5sum", "size", "created_by", "mimetype"}:
                field = name.partition("__")[0]
                raise Refused(400, f"The '{field}' field does not allow filtering.")
        self._sort(found, kind, request.args.get("order_by", ""))
        if kind == "storagebox":
            found.reverse()
        return _json(_page(request, found))

    def _sort(self, found: list[Row], kind: str, by: str) -> None:
        """What comes first of equal ones is another with each request, as it may be in a database."""
        if by and by not in ORDERED_BY.get(kind, ()):
            raise Refused(400, f"The '{by}' field does not allow ordering.")
        self._lists += 1
        by = by or ORDER.get(kind, "id")
        found.sort(key=lambda row: row["id"], reverse=self._lists % 2 == 0)
        found.sort(key=lambda row: row[by])

    def _users(self, user: User | None) -> list[Row]:
        return [
            {
                "email": f"{each.name}@example.org",
                "first_name": each.name.capitalize(),
                "groups": [],
                "id": each.id,
                "last_name": "Lab",
                "resource_uri": address("user", each.id),
                "username": each.name,
            }
            for each in self.users
            if each == user
        ]

    def _one(self, kind: str, number: str, user: User | None) -> Row:
        if kind == "replica":
            raise Broken
        row = self.rows.table(kind).get(int(number)) if number.isdecimal() else None
        if row is None:
            raise Refused(404)
        if not self.rows.may_see(user, kind, row):
            raise Refused(401)
        return row

    def _download(self, number: str, user: User | None) -> Response:
        row = self.rows.table("dataset_file")[int(number)]
        if not self.rows.may_see(user, "dataset_file", row):
            raise Refused(403)
        if not any(replica["verified"] for replica in row["replicas"]):
            raise Refused(404)
        return Response(self.rows.contents[row["id"]], headers={"Content-Type": row["mimetype"]})

    def _made(self, request: Request, kind: str, user: User | None) -> Response:
        if kind == "dataset_file":
            return self._file_made(request, user)
        given = _document(request.get_data())
        match kind:
            case "experiment":
                row = self.rows.add_experiment(user, given)
                return _json(row, 201, row["resource_uri"])
            case "dataset":
                row = self.rows.add_dataset(user, given)
                return _json(row, 201, row["resource_uri"])
            case "experimentparameterset" | "datasetparameterset":
                owner = kind.removesuffix("parameterset")
                described = self.rows.table(owner).get(number_in(given[owner]))
                if described is None or not self.rows.may_see(user, owner, described):
                    raise Refused(401)
                self.rows.describe(owner, described, [given])
                return _empty(201, {"Location": described["parameter_sets"][-1]["resource_uri"]})
            case _:
                raise Broken

    def _file_made(self, request: Request, user: User | None) -> Response:
        content: bytes | None = None
        if request.mimetype == "multipart/form-data":
            if request.content_length is None or request.content_length > self.most or "json_data" not in request.form:
                raise Broken
            given = _document(request.form["json_data"].encode())
            content = request.files["attached_file"].read()
        else:
            given = _document(request.get_data())
        if content is not None and given["filename"] in self.garbled:
            content = bytes(each ^ 1 for each in content)
        row = self.rows.add_file(user, given, content)
        if (status := self.refused.pop(row["filename"], None)) is not None:
            raise Broken(status)
        staged = content is None and not given.get("replicas")
        body = f"/tmp/{row['replicas'][0]['uri']}" if staged else ""
        return _empty(201, {"Location": row["resource_uri"]}, body)


def _matches(row: Row, name: str, value: str) -> bool:
    field, _, lookup = name.partition("__")
    has = row[field]
    if lookup == "startswith":
        return str(has or "").startswith(value)
    if lookup == "id":
        return any(number_in(uri) == int(value) for uri in ([has] if isinstance(has, str) else has))
    wanted = OTHER_VALUES.get(value.lower(), value)
    return has is not None and str(has) == wanted


def _page(request: Request, found: list[Row]) -> dict[str, Any]:
    limit, offset = int(request.args.get("limit", LIMIT)), int(request.args.get("offset", 0))
    limit = min(limit or MOST, MOST)
    asked = {name: value for name, value in request.args.items() if name not in ("limit", "offset")}
    more = f"{request.path}?{urlencode({**asked, 'limit': limit, 'offset': offset + limit})}"
    less = f"{request.path}?{urlencode({**asked, 'limit': limit, 'offset': max(0, offset - limit)})}"
    meta = {
        "limit": limit,
        "next": more if offset + limit < len(found) else None,
        "offset": offset,
        "previous": less if offset else None,
        "total_count": len(found),
    }
    return {"meta": meta, "objects": found[offset : offset + limit]}


def _document(text: bytes) -> Row:
    try:
        return json.loads(text)
    except ValueError as error:
        raise Refused(400, "Request is not valid JSON.") from error


def _decoded(secret: str) -> str:
    try:
        return base64.b64decode(secret).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _json(document: Any, status: int = 200, location: str = "") -> Response:
    headers = {"Location": location} if location else {}
    return Response(json.dumps(document, sort_keys=True), status, headers, content_type="application/json")


def _empty(status: int, headers: dict[str, str] | None = None, body: str = "") -> Response:
    return Response(body, status, headers or {}, content_type="text/html; charset=utf-8")


def application(api: Api) -> Any:
    """For a server."""

    @Request.application
    def answer(request: Request) -> Response:
        try:
            answered = api(request)
        except HTTPException as error:
            return _json(SORRY, error.code or 500)
        answered.autocorrect_location_header = False
        if request.root_path:  # Django's addresses begin with where it is
            answered.set_data(answered.get_data().replace(b'"/api/v1/', f'"{request.root_path}/api/v1/'.encode()))
            if answered.location:
                answered.location = f"{request.root_path}{answered.location}"
        return answered

    return answer
