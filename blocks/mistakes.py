"""What is wrong with given values, in sentences for whoever gave them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import ValidationError

_FEW = 10
_LONGEST = 100  # characters of what was given, which may be a whole file
_WORDS = {
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "list_type": 'must be a list, such as ["a", "b"]',
    "dict_type": 'must hold names and values, such as {"NAME": "value"}',
}


def mistakes(error: ValidationError, what: str, known: Sequence[str], place: str = "") -> list[str]:
    """Every reason of an error, each with the name of the value that it is about.

    Args:
        error: what checking the values raised.
        what: what a value is called in front of its name, such as input or setting.
        known: the names that there are.
        place: what is written in front of a name, such as ``job.``.
    """
    return [mistake(dict(detail), what, known, place) for detail in error.errors()]


def few(problems: Sequence[str], advice: str = "") -> list[str]:
    """As many of the reasons as a person reads, and how many more there are, with advice about these."""
    more = f"and {len(problems) - _FEW} more{f', {advice}' if advice else ''}"
    return [*problems[:_FEW], *([more] if len(problems) > _FEW else [])]


def mistake(detail: Mapping[str, Any], what: str, known: Sequence[str], place: str = "") -> str:
    """One of them."""
    name = ".".join(str(part) for part in detail["loc"] if part != "[key]")
    if detail["type"] == "extra_forbidden":
        return f"there is no {what} {name!r}; {suggestion(name, what, known)}"
    if detail["type"] == "missing":
        return f"the {what} {name!r} has no default; give it a value"
    plain = detail["msg"].removeprefix("Value error, ").replace("Input should", "must", 1)
    words = _WORDS.get(detail["type"], f"{plain[:1].lower()}{plain[1:]}")
    if not name:  # it is about several, and what was given is all of them, secrets too
        return f"{place}{words}"
    given = repr(detail["input"])
    if len(given) > _LONGEST:
        given = f"{given[:_LONGEST]}..."
    return f"{place}{name}: {words}" + ("" if given in words else f" (got {given})")


def suggestion(name: str, what: str, known: Sequence[str]) -> str:
    """What somebody may have meant by a name that is not known."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"the {what}s are: {', '.join(known) or 'none'}"
