"""MyTardis: a repository for experiments, their datasets and files."""

from __future__ import annotations

import base64
import threading
from collections.abc import MutableMapping
from typing import Annotated, ClassVar

from pydantic import Field, PrivateAttr, SecretStr, StringConstraints

from blocks.curation.experiment import Experiment, ParameterSet, Publication
from blocks.curation.graphs import PARAMETERS, SCHEMAS
from blocks.curation.http import Address, Repository
from blocks.curation.pasted import pasted, unfit
from blocks.curation.resource import CurationResource
from blocks.curation.signs import Say, Signs, unheard
from blocks.errors import AuthenticationRefused, InvalidRequest, NotFound
from blocks.mytardis.api import rows
from blocks.mytardis.publishing import Publishing, mistakes
from blocks.mytardis.schemas import Schemas

_CONNECTING = threading.Lock()


class MyTardis(CurationResource):
    """A MyTardis, version 4: an experiment for each run, with a dataset for each output."""

    _block_type_name = "MyTardis"
    _block_type_slug = "mytardis"
    _description = "Keeps what runs have made in a MyTardis, with what describes it."

    kind: ClassVar[str] = "mytardis"

    url: Address = Field(title="Address", description="Of its front page, such as https://mytardis.example.org.")
    username: Annotated[str, StringConstraints(strip_whitespace=True)] = Field(
        title="User name", description="The user whose experiments they become."
    )
    api_key: SecretStr | None = Field(
        default=None, title="API key", description="Of that user, or all that is in the file which MyTardis hands out."
    )
    password: SecretStr | None = Field(default=None, title="Password", description="In the place of an API key.")
    institution: str = Field(default="", title="Institution", description="Of new experiments; if empty, as the server has it.")
    schemas: str = Field(
        default="http://rmit.edu.au/schemas",
        title="Schemas",
        description="What the namespaces of schemas begin with that have no address of their own.",
    )
    authority_file: str = Field(
        default="",
        title="Certificate authority",
        description="A file with the certificate of who signed the server's, where that is no authority known everywhere.",
    )

    _server: Repository | None = PrivateAttr(default=None)

    @property
    def wanted_secrets(self) -> list[str]:
        return ["api_key"] if self.password is None else []

    def describe(self) -> str:
        return self.url

    def publish(self, experiment: Experiment, into: str, known: MutableMapping[str, str], say: Say = unheard) -> Publication:
        server = self._connected()
        schemas = Schemas(server, self.schemas)
        publishing = Publishing(server, schemas, self._user(), self.institution, known, Signs(say))
        identifier = publishing.publish(experiment, into)
        return Publication(
            identifier=identifier,
            url=f"{self.url}/experiment/view/{identifier}/",
            sent=publishing.sent,
            warnings=(*schemas.warnings, *publishing.warnings),
        )

    def problems(self, into: str) -> list[str]:
        self._user()
        return mistakes(self._connected(), into) if into else []

    def check(self) -> list[str]:
        self._user()
        schemas = Schemas(self._connected(), self.schemas)
        missing = [
            schemas.missing(ParameterSet(name, dict.fromkeys(PARAMETERS, "")), owner)
            for owner, name in SCHEMAS.items()
            if schemas.registered(name, owner) is None
        ]
        return [
            f"{self.url} accepts the credentials of {self.username}",
            f"whether {self.username} may add experiments, datasets and files, its administrator knows: the API can't be asked",
            *(f"graphs are left out until its administrator registers {each}" for each in missing),
        ]

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def _user(self) -> int:
        """The id of the user.

        Raises:
            AuthenticationRefused: the credentials are not theirs.
        """
        try:
            found = list(rows(self._connected(), "user", username=self.username))
        except NotFound as error:
            raise NotFound(f"{self.url} is no MyTardis: it has no API there; give the address of its front page") from error
        ours = [user["id"] for user in found if user.get("username") == self.username]
        if not ours:
            raise AuthenticationRefused(f"{self.url} does not know {self.username}; check the user name and the credentials")
        return ours[0]

    def _connected(self) -> Repository:
        with _CONNECTING:
            if self._server is None:
                headers = {"Authorization": self._authorization(), "Accept": "application/json"}
                secrets = [self._key(), *(key.get_secret_value() for key in (self.api_key, self.password) if key)]
                self._server = Repository(
                    self.saved_name or self.url,
                    f"{self.url}/api/v1/",
                    headers=headers,
                    secrets=secrets,
                    authority_file=self.authority_file,
                )
            return self._server

    def _key(self) -> str:
        """The API key; it may be given as in the file that MyTardis hands out, which says "ApiKey user:key"."""
        return pasted(self.api_key).removeprefix("ApiKey ").strip().removeprefix(f"{self.username}:")

    def _authorization(self) -> str:
        if key := self._key():
            if wrong := [*unfit(self.username, "the user name"), *unfit(key, "the API key")]:
                raise InvalidRequest(*wrong)
            return f"ApiKey {self.username}:{key}"
        if self.password is not None:
            given = f"{self.username}:{self.password.get_secret_value()}"
            return f"Basic {base64.b64encode(given.encode()).decode()}"
        raise InvalidRequest("the MyTardis resource has neither api_key nor password; save it anew with one of them")
