"""The REST API of MyTardis: lists in pages, and making things of which a repeat would make a second.

https://mytardis.readthedocs.io/en/latest/dev/api.html, and what a server of version 4.6 was seen to do: what it failed to make
may be there all the same, at least in part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from blocks.curation.http import Repository, document, misunderstood
from blocks.errors import AuthenticationRefused, CommandFailed, Unreachable

Row = dict[str, Any]

PAGE = 500  # rows asked for at once: for each page the server looks at all that the filters let through
_WORDS = {"dataset_file": "datafile", "experimentparameterset": "parameter set", "datasetparameterset": "parameter set"}
ATTEMPTS = 5  # at making one thing, each after the server was there to say that it does not have it


def rows(server: Repository, kind: str, **filters: str | int) -> Iterator[Row]:
    """All rows of a kind that the filters let through."""
    offset = 0
    while True:
        answer = document(server.ask("GET", f"{kind}/", params={**filters, "limit": PAGE, "offset": offset}))
        yield from answer["objects"]
        offset += len(answer["objects"])
        if answer["meta"]["next"] is None or not answer["objects"]:
            return


def row(server: Repository, kind: str, identifier: str) -> Row:
    """The row with this id. Raises NotFound; AuthenticationRefused: it is another user's."""
    return document(server.ask("GET", f"{kind}/{identifier}/"))


def made(server: Repository, kind: str, look: Callable[[], Row | None], given: Mapping[str, Any]) -> tuple[str, bool]:
    """Make something, or find it where that leaves open whether it was made: its address in the API, and whether it is new.

    Raises:
        CommandFailed, AuthenticationRefused, Unreachable: it is not there, and can't be made.
    """
    for attempt in range(ATTEMPTS):
        try:
            answer = server.ask("POST", f"{kind}/", repeat=False, **given)
        except (Unreachable, CommandFailed) as error:
            if (found := look()) is not None:
                return found["resource_uri"], False
            if not error.transient or attempt + 1 == ATTEMPTS:
                raise
        except AuthenticationRefused as error:
            raise AuthenticationRefused(
                f"{server.name} does not let your user make {_WORDS.get(kind, kind)}s; that takes the right to change the "
                "experiment, and the permissions to add and change experiments, datasets and datafiles; ask its administrator"
            ) from error
        else:
            if "location" not in answer.headers:
                raise misunderstood(answer, "it does not say where that is")
            return urlsplit(answer.headers["location"]).path, True
    raise AssertionError("unreachable")


def is_text(words: str) -> bool:
    """Whether it is text to a database, which takes neither half of a character, as in names that are not UTF-8, nor a NUL."""
    return words == text(words)


def text(words: str) -> str:
    """Words as a database takes them; what it does not is written out, as in other records of a run."""
    return words.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode()


def count(server: Repository, kind: str, **filters: str | int) -> int:
    """How many rows of a kind the filters let through."""
    return int(document(server.ask("GET", f"{kind}/", params={**filters, "limit": 1}))["meta"]["total_count"])


def identifier(address: str) -> str:
    """The id in the address of a row."""
    return address.rstrip("/").rpartition("/")[2]
