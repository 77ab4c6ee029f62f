"""Who made what is in a crate, and under which licence, as its metadata say: ours, or what people have made of them since."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

from blocks.curation.experiment import Author
from flows.author import NO_LICENSE, ORCID, SPDX

Entities = Mapping[str, Mapping[str, Any]]

_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*")  # of a licence, https://spdx.github.io/spdx-spec/


def description(crate: Entities) -> str:
    """What it says of itself; "" for nothing."""
    told: object = crate.get("./", {}).get("description")
    return told if isinstance(told, str) else ""


def authors(crate: Entities) -> tuple[Author, ...]:
    """Those that have a name: of an entity, or told as text."""
    return tuple(found for each in _told(crate, "author") if (found := _author(each, crate)).name)


def license(crate: Entities) -> str:
    """The SPDX identifier of its licence; "" for none, or none that has one."""
    return next((identifier for each in _named(crate) if (identifier := _spdx(each))), "")


def unknown_license(crate: Entities) -> list[str]:
    """That its licence has no SPDX identifier, by which alone repositories know it, in a sentence."""
    named = [each for each in _named(crate) if each != NO_LICENSE]
    if not named or license(crate):
        return []
    return [
        f"the crate's licence, {named[0]}, is no SPDX identifier such as CC-BY-4.0, and the draft has none; give one with "
        "--license, or choose one in the draft"
    ]


def _author(told: Any, crate: Entities) -> Author:
    person = _entity(told, crate)
    name, identifier = person.get("name"), str(person.get("@id") or "")
    orcid = identifier.removeprefix(ORCID) if identifier.startswith(ORCID) else ""
    return Author(name.strip() if isinstance(name, str) else "", orcid=orcid)


def _entity(told: Any, crate: Entities) -> Mapping[str, Any]:
    if isinstance(told, str):
        return crate.get(told, {"name": told})
    members = cast(dict[str, Any], told) if isinstance(told, dict) else {}
    return crate.get(str(members.get("@id")), members)


def _named(crate: Entities) -> Iterator[str]:
    """Its licences, as they are called."""
    for each in _told(crate, "license"):
        name: Any = cast(dict[str, Any], each).get("@id") if isinstance(each, dict) else each
        if isinstance(name, str) and name.strip():
            yield name.strip()


def _spdx(name: str) -> str:
    identifier = name.replace("http:", "https:", 1).removeprefix(SPDX).removesuffix(".html")
    return identifier if _IDENTIFIER.fullmatch(identifier) else ""


def _told(crate: Entities, name: str) -> list[Any]:
    told: Any = crate.get("./", {}).get(name)
    return cast(list[Any], told) if isinstance(told, list) else [told]
