"""What is typed on the command line, as values."""

from __future__ import annotations

import json
import sys
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args, get_origin

from blocks.duration import seconds_of
from blocks.errors import AllAtOnce, InvalidRequest

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from blocks.job import JobRequest
    from flows.connector import SmartConnector
    from flows.presets import Preset
    from flows.sweep_map import SweepMap

JOB_ALIASES = {"queue": "partition", "project": "account"}  # what some schedulers call them


def assignments(pairs: Sequence[str], fields: Mapping[str, FieldInfo]) -> dict[str, Any]:
    """``key=value`` pairs; the value of a text field is text, any other that is JSON is taken as such, and all else is text.

    Raises:
        InvalidRequest: some are not of this form.
    """
    return {key: _typed(fields.get(key), text) for key, text in split(pairs).items()}


def _typed(field: FieldInfo | None, text: str) -> Any:
    from flows.inputs import is_text

    is_nothing = field is not None and text == "null" and type(None) in get_args(field.annotation)
    return text if field is not None and is_text(field.annotation) and not is_nothing else _value(text)


def split(pairs: Sequence[str]) -> dict[str, str]:
    """``key=value`` pairs, their values as they are typed.

    Raises:
        InvalidRequest: some are not of this form.
    """
    wrong = [pair for pair in pairs if "=" not in pair or pair.startswith("=")]
    if wrong:
        raise InvalidRequest(*(f"{pair!r} must be written as key=value" for pair in wrong))
    return {key: value for key, _, value in (pair.partition("=") for pair in pairs)}


def setting(field: FieldInfo, text: str) -> Any:
    """What is typed for a field of a model: text as it is, a list as JSON or with commas between its parts, all else as JSON."""
    from blocks.job import Line

    kind = field.annotation
    if str in (kind, *get_args(kind)) and get_origin(kind) not in (list, dict):
        return text
    value = _value(text)
    if get_origin(kind) is not list or isinstance(value, list):
        return cast(Any, value)
    return [text] if get_args(kind) == (Line,) else [part for part in text.split(",") if part]  # a line may hold commas


def job(pairs: Sequence[str], below: Preset | None) -> JobRequest:
    """What a cluster is asked for, as typed, and what is not, as the preset has it.

    Raises:
        InvalidRequest: every pair that is wrong.
    """
    from blocks.job import JobRequest

    fields = JobRequest.model_fields
    given = below.request.job.model_dump(exclude_defaults=True) if below is not None else {}
    with AllAtOnce() as attempt:
        for pair in pairs:
            for typed, text in (attempt(split, [pair]) or {}).items():
                key = JOB_ALIASES.get(typed, typed)
                given[key] = setting(fields[key], text) if key in fields else text
        asked = attempt(JobRequest.of, given)
    assert asked is not None
    return asked


def inputs(pairs: Sequence[str], file: Path | None, connector: SmartConnector) -> dict[str, Any]:
    """The inputs from a JSON file, and above them the pairs."""
    given: dict[str, Any] = {}
    if file is not None:
        given = _object(read(str(file)), f"the inputs file {file}")
    return {**given, **assignments(pairs, connector.Inputs.model_fields)}


def sweep(text: str, texts: Container[str] = ()) -> SweepMap:
    """A sweep map: JSON, or ``@file``, or ``-`` for standard input. Files that it names are relative to where it stands.

    Columns of CSV files with these names hold text, whatever it looks like.

    Raises:
        InvalidRequest: every mistake in it.
    """
    from flows import sweep_map

    folder, what = Path.cwd(), "the sweep map"
    if text == "-":
        text = sys.stdin.read()
    elif text.startswith("@"):
        folder, what, text = Path(text[1:]).parent, f"the sweep map {text[1:]}", read(text[1:])
    return sweep_map.given(_object(text, what), folder, texts)


def seconds(text: str) -> float:
    """A duration: ``90``, ``90s``, ``10m``, ``1h30m``, ``2d``."""
    text = text.strip()
    duration = seconds_of(f"{text}s" if text[-1:].isdigit() else text)
    if duration is None:
        raise InvalidRequest(f"{text!r} is no duration; write for instance 90s, 10m or 1h30m")
    return duration


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def read(name: str) -> str:
    """The text of a file. Raises InvalidRequest."""
    try:
        return Path(name).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InvalidRequest(f"{name} can't be read: {(error.strerror or str(error)).lower()}") from error
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{name} is no text in UTF-8") from error


def _object(text: str, what: str) -> dict[str, Any]:
    try:
        loaded = json.loads(text, object_pairs_hook=_unique)
    except ValueError as error:
        raise InvalidRequest(f"{what} is not JSON: {error}") from error
    if not isinstance(loaded, dict):
        raise InvalidRequest(f'{what} must be a JSON object, such as {{"name": [1, 2, 3]}}')
    return cast(dict[str, Any], loaded)


def _unique(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, in which the last of several members of one name would else win without a word."""
    unique = dict(members)
    if len(unique) < len(members):
        names = [name for name, _ in members]
        raise InvalidRequest(*(f"{name!r} occurs more than once" for name in unique if names.count(name) > 1))
    return unique
