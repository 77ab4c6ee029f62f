"""Resources by name: Blocks that were saved, and what each can be used for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import BlockDocument
from prefect.exceptions import ObjectNotFound
from pydantic import ValidationError

from blocks.compute import KINDS as COMPUTE
from blocks.compute import ComputeResource, LocalCompute
from blocks.credentials import KINDS as CREDENTIALS
from blocks.credentials import CloudCredentials
from blocks.curation.dataverse import Dataverse
from blocks.curation.deposit import DepositResource
from blocks.curation.invenio import InvenioRDM, Zenodo
from blocks.curation.mytardis import MyTardis
from blocks.curation.resource import CurationResource
from blocks.errors import InvalidRequest, NotFound
from blocks.mistakes import mistakes
from blocks.resource import Resource
from blocks.storage import LocalStorage, ObjectStorage, SFTPStorage, StorageResource

STORAGE: tuple[type[StorageResource], ...] = (LocalStorage, SFTPStorage, ObjectStorage)

CURATION: tuple[type[CurationResource], ...] = (MyTardis,)
DEPOSIT: tuple[type[DepositResource], ...] = (Zenodo, InvenioRDM, Dataverse)

DEFAULT_OUTPUT = "./chiminey-output"

Wanted = TypeVar("Wanted", bound=Resource)


@dataclass(frozen=True)
class SavedResource:
    """A resource that was saved under a name."""

    name: str
    kind: str
    document: BlockDocument

    @property
    def credentials(self) -> UUID | None:
        """The id of the credentials that it uses, if it names any."""
        used = self.document.block_document_references.get("credentials")
        return UUID(str(used["block_document"]["id"])) if used else None

    @property
    def block(self) -> Resource:
        """The resource itself.

        Raises:
            InvalidRequest: what was saved can't be used; the Prefect UI saves whatever it is given.
        """
        try:
            return cast(Any, kinds()[self.kind])._from_block_document(self.document)
        except InvalidRequest as error:
            raise InvalidRequest(f"the resource {self.name!r} can't be used: {error}") from error
        except ValidationError as error:
            wrong = "; ".join(mistakes(error, "setting", list(kinds()[self.kind].model_fields)))
            raise InvalidRequest(
                f"the resource {self.name!r} can't be used: {wrong}; edit it under Blocks in the Prefect UI, or save it anew "
                f"with: chiminey resource add {self.kind} {self.name}"
            ) from error


def kinds() -> dict[str, type[Resource]]:
    """Every kind of resource, by the name it has on the command line."""
    compute: dict[str, type[Resource]] = {block.kind: block for block in COMPUTE}
    storage: dict[str, type[Resource]] = {
        block.kind if block.kind not in compute else f"{block.kind}-storage": block for block in STORAGE
    }
    curation: dict[str, type[Resource]] = {block.kind: block for block in (*CURATION, *DEPOSIT)}
    return compute | storage | {block.kind: block for block in CREDENTIALS} | curation


def saved() -> list[SavedResource]:
    """All saved resources, by name."""
    found: list[SavedResource] = []
    with get_client(sync_client=True) as client:
        for kind, block in kinds().items():
            slug = block.get_block_type_slug()
            try:
                client.read_block_type_by_slug(slug)
            except ObjectNotFound:  # nobody has saved one of this kind yet
                continue
            documents = client.read_block_documents_by_type(slug, include_secrets=True)
            found += [SavedResource(document.name, kind, document) for document in documents if document.name is not None]
    return sorted(found, key=lambda resource: resource.name)


def named(name: str) -> list[SavedResource]:
    """What is saved under this name: one resource, or, where it was saved in the Prefect UI, one of several kinds.

    Raises:
        NotFound: nothing.
    """
    resources = saved()
    found = [resource for resource in resources if resource.name == name]
    if not found:
        known = ", ".join(resource.name for resource in resources) or "none is saved yet"
        raise NotFound(f"there is no resource {name!r} (known: {known}); add it with: chiminey resource add KIND {name}")
    return found


def find(name: str) -> Resource:
    """The resource saved under this name.

    Raises:
        NotFound: there is none; InvalidRequest: there are several, or it can't be used.
    """
    found = named(name)
    if len(found) > 1:
        several = " and ".join(f"a {resource.kind}" for resource in found)
        raise InvalidRequest(f"{name!r} is {several} resource; change that under Blocks in the Prefect UI")
    return found[0].block


def require_name(name: str, kind: type[Resource]) -> None:
    """See that a resource of this kind can have the name.

    Raises:
        InvalidRequest: it is taken by another kind, or not allowed.
    """
    if not name or not all(character.isdigit() or character == "-" or "a" <= character <= "z" for character in name):
        raise InvalidRequest(f"{name!r} can't be the name of a resource; use lowercase letters, digits and dashes")
    for resource in saved():
        if resource.name == name and kinds()[resource.kind] is not kind:
            raise InvalidRequest(
                f"the name {name!r} is taken by a {resource.kind} resource; choose another, or remove that one first"
            )


def save(name: str, block: Resource) -> None:
    """Keep a resource under a name.

    Raises:
        InvalidRequest: it can't have it.
    """
    require_name(name, type(block))
    block.save(name, overwrite=True, _sync=True)  # pyright: ignore[reportCallIssue] -- added by Prefect's dispatch decorator


def remove(name: str) -> None:
    """Forget a resource.

    Raises:
        NotFound: there is none; InvalidRequest: others use it.
    """
    block = find(name)
    if users := users_of(name):
        raise InvalidRequest(
            f"{name!r} is used by {' and '.join(users)}, and stays; remove them first, or give them other credentials by saving "
            "them anew"
        )
    type(block).delete(name, _sync=True)  # pyright: ignore[reportCallIssue]


def users_of(name: str) -> list[str]:
    """The resources that use the credentials of this name."""
    own = {resource.document.id for resource in named(name) if issubclass(kinds()[resource.kind], CloudCredentials)}
    return [resource.name for resource in saved() if resource.credentials in own]


def load_credentials(name: str) -> CloudCredentials:
    """The credentials with this name.

    Raises:
        InvalidRequest: something else has this name; NotFound: nothing has.
    """
    return _of_class(CloudCredentials, name, "machines can't be made with it")


def load_compute(name: str | None) -> ComputeResource:
    """The compute resource with this name; without one, this machine.

    Raises:
        InvalidRequest: it is no compute resource; NotFound: there is none.
    """
    if name is None:
        return LocalCompute()
    return _of_class(ComputeResource, name, "tasks can't run there")


def load_curation(name: str) -> CurationResource:
    """The curation resource with this name.

    Raises:
        InvalidRequest: something else has this name; NotFound: nothing has.
    """
    found = _of_class(CurationResource, name, "runs can't be published there")
    if isinstance(found, DepositResource):
        raise InvalidRequest(f"{name!r} takes runs when they have ended, with: chiminey deposit RUN --to {name}")
    return found


def load_deposit(name: str) -> DepositResource:
    """The repository for deposits with this name; or the only one of this kind, where none has the name.

    Raises:
        InvalidRequest: something else has this name, or several are of this kind; NotFound: there is none.
    """
    resources = saved()
    kinds_of = [block.kind for block in DEPOSIT]
    if name in kinds_of and not any(resource.name == name for resource in resources):
        found = [resource for resource in resources if resource.kind == name]
        if len(found) == 1:
            return cast(DepositResource, found[0].block)
        if found:
            names = " and ".join(resource.name for resource in found)
            raise InvalidRequest(f"there are several resources of the kind {name}, {names}; name one of them with --to")
        raise NotFound(f"there is no {name} resource yet; add one with: chiminey resource add {name} NAME")
    return _of_class(DepositResource, name, f"deposits go to {', '.join(kinds_of)}")


def load_location(text: str) -> tuple[StorageResource, str]:
    """A location: ``<storage>/<path>``, or a path of this machine when absolute or starting with ``./``, ``../`` or ``~``.

    Raises:
        InvalidRequest: the resource is no storage; NotFound: there is none.
    """
    if text in (".", "..", "~") or text.startswith(("/", "./", "../", "~/")):
        return LocalStorage(path=str(Path(text).expanduser().resolve())), ""
    name, _, path = text.partition("/")
    try:
        storage = _of_class(StorageResource, name, "a location starts with the name of a storage resource")
    except NotFound as error:
        raise NotFound(f"{error}; for a folder of this machine write ./{text}") from error
    return storage, path


def _of_class(wanted: type[Wanted], name: str, consequence: str) -> Wanted:
    found = named(name)
    for resource in found:
        if issubclass(kinds()[resource.kind], wanted):
            return cast(Wanted, resource.block)
    raise InvalidRequest(f"{name!r} is {' and '.join(_purpose(kinds()[resource.kind]) for resource in found)}; {consequence}")


def _purpose(kind: type[Resource]) -> str:
    if issubclass(kind, CloudCredentials):
        return "the credentials of an account"
    if issubclass(kind, CurationResource):
        return "a curation resource"
    return f"a {'compute' if issubclass(kind, ComputeResource) else 'storage'} resource"
