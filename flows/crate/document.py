"""A crate as the bytes of its metadata file: a line for each entity."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from typing import Any, cast

from flows import json_file
from flows.crate.entities import Entity, references


def of(described: dict[str, Any], parts: Iterable[str], mentioned: Iterable[str], entities: Iterable[Entity]) -> bytes:
    """The JSON of a crate and of more entities; of two with one identifier the first stays.

    ``parts`` are the files and folders at the top, ``mentioned`` the actions. No more than one of the entities is in memory.
    """
    known = {entity["@id"] for entity in described["@graph"]}
    root = next(entity for entity in described["@graph"] if entity["@id"] == "./")
    root |= {"hasPart": references(parts), "mentions": references(mentioned)}
    text = io.BytesIO()
    text.write(f'{{"@context":{json.dumps(described["@context"])},\n"@graph":[\n'.encode())
    text.write(b",\n".join(map(_line, described["@graph"])))
    for entity in entities:
        if entity["@id"] not in known:
            text.write(b",\n" + _line(entity))
    text.write(b"\n]}\n")
    return text.getvalue()


def _line(entity: Entity) -> bytes:
    """A list of one as that one, and none for none, as RO-Crate recommends."""
    return json_file.line({name: _plain(given) for name, given in entity.items() if given != []})


def _plain(given: Any) -> Any:
    return cast(list[Any], given)[0] if isinstance(given, list) and len(cast(list[Any], given)) == 1 else cast(Any, given)
