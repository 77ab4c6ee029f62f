"""What compute and storage resources have in common: Blocks that are chosen in the forms of the Prefect UI."""

from __future__ import annotations

import inspect
from abc import ABC
from typing import Any, ClassVar

from prefect.blocks.core import Block
from pydantic import GetJsonSchemaHandler


class Resource(Block, ABC):
    """A Block that a run can be given."""

    kind: ClassVar[str]

    @property
    def saved_name(self) -> str | None:
        """The name it is saved under; None for one that is not."""
        return self._block_document_name

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
        resolved["properties"] = {name: fields.pop(name) for name in cls.settings() if name in fields} | fields
        return schema
