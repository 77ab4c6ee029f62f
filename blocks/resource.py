"""What all resources have in common, credentials too: Blocks that are chosen in the forms of the Prefect UI."""

from __future__ import annotations

import inspect
import threading
from abc import ABC
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, ClassVar, Self, cast

from prefect.blocks.core import Block
from pydantic import (
    GetJsonSchemaHandler,
    SecretStr,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from blocks.errors import InvalidRequest

_NULL = {"type": "null"}
_TEXT_OR_NOTHING: tuple[Any, ...] = (str | None, SecretStr | None)
_holders = Counter[int]()  # of each resource that is held, by its identity
_holding = threading.Lock()


class Resource(Block, ABC):
    """A Block that a run can be given."""

    kind: ClassVar[str]

    @property
    def saved_name(self) -> str | None:
        """The name it is saved under; None for one that is not."""
        return self._block_document_name

    @contextmanager
    def held(self) -> Generator[None]:
        """Use it, perhaps beside others as the runs of a sweep do: its connections are closed when the last of them lets go."""
        with _holding:
            _holders[id(self)] += 1
        try:
            yield
        finally:
            with _holding:
                _holders[id(self)] -= 1
                if not _holders[id(self)]:
                    del _holders[id(self)]
                    self.close()

    def close(self) -> None:
        """Let go of connections; the next call makes new ones."""

    @classmethod
    def settings(cls) -> list[str]:
        """The names of its settings in the order in which they are shown: its own, then those of what it is made of."""
        own = (name for each in cls.__mro__ for name in inspect.get_annotations(each) if name in cls.model_fields)
        return list(dict.fromkeys(own))

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: GetJsonSchemaHandler, /) -> dict[str, Any]:
        """The schema, in the order of the forms, and closed: the server wants a value to be such a Block or a reference to one.

        Left open, and with a default for every field, it takes a reference for both at once and refuses the run.
        """
        schema = handler(core_schema)
        resolved = handler.resolve_ref_schema(schema)
        resolved["additionalProperties"] = False
        fields = resolved["properties"]
        for name in cls._may_be_empty():
            setting = fields[name]
            shape = next(each for each in setting.pop("anyOf") if each != _NULL)
            fields[name] = {key: value for key, value in setting.items() if key != "default"} | shape
        resolved["properties"] = {name: fields.pop(name) for name in cls.settings() if name in fields} | fields
        return schema

    @model_serializer(mode="wrap")
    def ser_model(self, handler: SerializerFunctionWrapHandler, info: SerializationInfo) -> Any:
        """As Prefect writes it, without the settings that are empty: the schema has no null for them."""
        written = super().ser_model(handler, info)
        for name in self._may_be_empty():
            if name in written and written[name] is None:
                del written[name]
        return written

    @model_validator(mode="before")
    @classmethod
    def _without_empty(cls, given: Any) -> Any:
        """What was left empty in a form is not given."""
        if not isinstance(given, dict):
            return given
        settings = cast(dict[str, Any], given)
        left_empty = {name for name in cls._may_be_empty() if settings.get(name) == ""}
        return {name: value for name, value in settings.items() if name not in left_empty}

    @classmethod
    def _may_be_empty(cls) -> list[str]:
        """The settings that are a text or nothing. In a form they are an empty line, and no choice between a text and "None"."""
        return [name for name, field in cls.model_fields.items() if field.annotation in _TEXT_OR_NOTHING]

    @classmethod
    def model_json_schema(cls, *arguments: Any, **options: Any) -> dict[str, Any]:
        """The same for the Prefect UI's page about Blocks, which sorts by numbers that Prefect gives in another order."""
        schema = super().model_json_schema(*arguments, **options)
        for block in (schema, *schema.get("definitions", {}).values()):
            if "block_type_slug" in block:
                for position, setting in enumerate(block.get("properties", {}).values()):
                    setting["position"] = position
        return schema

    @classmethod
    def model_validate(cls, obj: Any, **options: Any) -> Self:
        """What was saved, as Prefect reads it.

        Raises:
            InvalidRequest: the credentials that it was saved with were deleted, after which the server leaves the setting out;
                without them some resources would use the machine's own.
        """
        if "credentials" in cls.model_fields and "credentials" not in obj:
            raise InvalidRequest(
                f"the credentials of this {cls.kind} resource are gone; save it anew with: "
                f"chiminey resource add {cls.kind} RESOURCE credentials=NAME ..."
            )
        return super().model_validate(obj, **options)
