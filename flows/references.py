"""How a run remembers which resources it was given, and finds them again."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, SecretStr

from blocks.errors import InvalidRequest, NotFound
from blocks.resource import Resource
from blocks.storage import StorageResource, joined
from flows.ledger import RunRecord
from flows.request import Location, ResourceReference, common_request
from flows.resources import kinds, named

Wanted = TypeVar("Wanted", bound=Resource)


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


def load(wanted: ResourceReference, purpose: type[Wanted]) -> Wanted:
    """The resource that a run was given for a purpose: to compute, as storage, to be published in.

    Raises:
        NotFound: it was removed since; InvalidRequest: it serves another purpose.
    """
    found = _found(wanted)
    if not isinstance(found, purpose):
        raise InvalidRequest(f"{wanted} is no {purpose.__name__}")
    return found


def _found(wanted: ResourceReference) -> Resource:
    for kind, block in kinds().items():
        if block.get_block_type_slug() != wanted.slug:
            continue
        if not wanted.name:
            return block(**wanted.settings)
        for resource in named(wanted.name):
            if resource.kind == kind:
                return resource.block
    raise NotFound(f"there is no resource {wanted} any more; save it again, and the run can be gone on with")


def results(record: RunRecord) -> tuple[StorageResource, str]:
    """Where the results of a run or sweep are: the storage, and the folder in it. Raises NotFound: as ``load``."""
    output = common_request(record).output
    return load(output.storage, StorageResource), joined(output.path, record.name)


def location(storage: StorageResource, path: str) -> Location:
    """A folder of a storage, as a run remembers it."""
    return Location(storage=reference(storage), path=path)
