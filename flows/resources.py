"""Resources by name: how saved Blocks are found, and how a run remembers which ones it was given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import BlockDocument
from prefect.exceptions import ObjectNotFound
from pydantic import BaseModel, SecretStr, ValidationError

from blocks.compute import KINDS as COMPUTE
from blocks.compute import CloudCompute, ComputeResource, LocalCompute
from blocks.credentials import KINDS as CREDENTIALS
from blocks.credentials import CloudCredentials
from blocks.errors import InvalidRequest, NotFound
from blocks.mistakes import mistakes
from blocks.resource import Resource
from blocks.storage import LocalStorage, SFTPStorage, StorageResource
from flows.request import Location, ResourceReference

STORAGE: tuple[type[StorageResource], ...] = (LocalStorage, SFTPStorage)

DEFAULT_OUTPUT = "./chiminey-output"


@dataclass(frozen=True)
class SavedResource:
    """A resource that was saved under a name."""

    name: str
    kind: str
    document: BlockDocument

    @property
    def credentials(self) -> UUID | None:
        """The id of the credentials that it uses, if it makes machines."""
        used = self.document.block_document_references.get("credentials")
        return UUID(str(used["block_document"]["id"])) if used else None

    @property
    def block(self) -> Resource:
        """The resource itself.

        Raises:
            InvalidRequest: what was saved can't be used; the Prefect UI saves whatever it is given.
        """
        if self.kind == CloudCompute.kind and self.credentials is None:
            raise InvalidRequest(
                f"the resource {self.name!r} can't be used: its credentials are gone; save it anew with: "
                f"chiminey resource add {self.kind} {self.name} credentials=NAME ..."
            )
        try:
            return cast(Any, kinds()[self.kind])._from_block_document(self.document)
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
    return compute | storage | {block.kind: block for block in CREDENTIALS}


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


def save(name: str, block: Resource) -> None:
    """Keep a resource under a name.

    Raises:
        InvalidRequest: the name is taken by another kind, or not allowed.
    """
    if not name or not all(character.isdigit() or character == "-" or "a" <= character <= "z" for character in name):
        raise InvalidRequest(f"{name!r} can't be the name of a resource; use lowercase letters, digits and dashes")
    for resource in saved():
        if resource.name == name and kinds()[resource.kind] is not type(block):
            raise InvalidRequest(
                f"the name {name!r} is taken by a {resource.kind} resource; choose another, or remove that one first"
            )
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
    """The cloud resources whose machines are made with the credentials of this name."""
    own = {resource.document.id for resource in named(name) if issubclass(kinds()[resource.kind], CloudCredentials)}
    return [resource.name for resource in saved() if resource.credentials in own]


def load_credentials(name: str) -> CloudCredentials:
    """The credentials with this name.

    Raises:
        InvalidRequest: something else has this name; NotFound: nothing has.
    """
    return cast(CloudCredentials, _of_class(CloudCredentials, name, "machines can't be made with it"))


def load_compute(name: str | None) -> ComputeResource:
    """The compute resource with this name; without one, this machine.

    Raises:
        InvalidRequest: it is no compute resource; NotFound: there is none.
    """
    if name is None:
        return LocalCompute()
    return cast(ComputeResource, _of_class(ComputeResource, name, "tasks can't run there"))


def load_location(text: str) -> tuple[StorageResource, str]:
    """A location: ``<storage>/<path>``, or a path of this machine when absolute or starting with ``./``, ``../`` or ``~``.

    Raises:
        InvalidRequest: the resource is no storage; NotFound: there is none.
    """
    if text in (".", "..", "~") or text.startswith(("/", "./", "../", "~/")):
        return LocalStorage(path=str(Path(text).expanduser().resolve())), ""
    name, _, path = text.partition("/")
    storage = _of_class(StorageResource, name, "a location starts with the name of a storage resource")
    return cast(StorageResource, storage), path


def _of_class(wanted: type[Resource], name: str, consequence: str) -> Resource:
    found = named(name)
    for resource in found:
        if issubclass(kinds()[resource.kind], wanted):
            return resource.block
    raise InvalidRequest(f"{name!r} is {' and '.join(_purpose(kinds()[resource.kind]) for resource in found)}; {consequence}")


def _purpose(kind: type[Resource]) -> str:
    if issubclass(kind, CloudCredentials):
        return "the credentials of an account"
    return f"a {'compute' if issubclass(kind, ComputeResource) else 'storage'} resource"


def reference(block: Resource) -> ResourceReference:
    """How to find it again.

    Raises:
        InvalidRequest: it holds secrets and is not saved, so that nobody could go on with the run.
    """
    slug = block.get_block_type_slug()
    if block.saved_name:
        return ResourceReference(slug=slug, name=block.saved_name)
    if _holds_secrets(block):
        raise InvalidRequest("a resource with a secret must be saved before it is used: resource.save('name')")
    settings = block.model_dump(mode="json", exclude_defaults=True)
    return ResourceReference(
        slug=slug, settings={key: value for key, value in settings.items() if key in type(block).model_fields}
    )


def _holds_secrets(model: BaseModel) -> bool:
    """Whether a model, or one in it, has a secret."""
    return any(isinstance(value, SecretStr) or (isinstance(value, BaseModel) and _holds_secrets(value)) for _, value in model)


def load(wanted: ResourceReference) -> Resource:
    """The resource that a run was given.

    Raises:
        NotFound: it was removed since.
    """
    for kind, block in kinds().items():
        if block.get_block_type_slug() != wanted.slug:
            continue
        if not wanted.name:
            return block(**wanted.settings)
        for resource in named(wanted.name):
            if resource.kind == kind:
                return resource.block
    raise NotFound(f"there is no resource {wanted} any more; save it again, and the run can be gone on with")


def location(storage: StorageResource, path: str) -> Location:
    """A folder of a storage, as a run remembers it."""
    return Location(storage=reference(storage), path=path)
