"""Presets: what a run of a connector was asked for, under a name, to be asked for again.

A preset is a request like that of a run: resources are referred to by the names they are saved under, so that it holds no secret.
``last`` is what the newest run of a connector was asked for; it is read from the runs, and kept nowhere else.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from blocks.errors import InvalidRequest
from flows.connector import SmartConnector
from flows.inputs import checked
from flows.ledger import Ledger, RunRecord
from flows.ledger.presets import LAST, PresetRecord
from flows.request import RunRequest, common_request

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_LONGEST = 64


@dataclass(frozen=True)
class Preset:
    """What is asked for under a name."""

    name: str
    request: RunRequest

    @property
    def connector(self) -> str:
        """Whose runs it is for."""
        return self.request.connector


def save(ledger: Ledger, name: str, request: RunRequest) -> Preset:
    """Keep a request under a name, in the place of an earlier one.

    Raises:
        InvalidRequest: a preset can't have this name.
    """
    check_name(name)
    ledger.presets.save(PresetRecord(request.connector, name, request.model_dump_json()))
    return Preset(name, request)


def check_name(name: str) -> None:
    """Raises InvalidRequest: a preset can't have this name."""
    _refuse_last(name)
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        raise InvalidRequest(
            f"a preset can't be called {name!r}; use lowercase letters and digits, with dashes between them, {_LONGEST} at most"
        )


def remove(ledger: Ledger, preset: Preset) -> None:
    """Forget a preset. Raises InvalidRequest for ``last``."""
    _refuse_last(preset.name)
    ledger.presets.remove(preset.connector, preset.name)


def every(ledger: Ledger, connector: str | None = None) -> list[Preset]:
    """The presets of a connector, or of all of them, with ``last`` first."""
    return [_preset(record) for record in ledger.presets.all() if connector in (None, record.connector)]


def saved(ledger: Ledger, connector: str) -> list[Preset]:
    """The presets of a connector that somebody named."""
    return [_preset(record) for record in ledger.presets.saved(connector)]


def find(ledger: Ledger, name: str, connector: str | None = None) -> Preset:
    """The preset of this name: of a connector, or of the only one that has such a preset.

    Raises:
        InvalidRequest: there is none, or there are several.
    """
    known = every(ledger, connector)
    found = [preset for preset in known if preset.name == name]
    if len(found) > 1:
        owners = ", ".join(preset.connector for preset in found)
        raise InvalidRequest(f"several connectors have a preset {name!r} ({owners}); say which one with --connector NAME")
    if not found:
        raise InvalidRequest(f"there is no preset {name!r}{f' of {connector}' if connector else ''}; {_advice(name, known)}")
    return found[0]


def of_run(ledger: Ledger, record: RunRecord) -> RunRequest:
    """What a run was asked for, as it can be asked for again; of a sweep, what its runs have in common, which is not the map.

    Raises:
        InvalidRequest: it is a point of a sweep that has values which no run can be asked for.
    """
    request = common_request(record)
    if not record.parent:
        return request
    if beyond := [name for name in request.point if name not in request.inputs]:
        raise InvalidRequest(
            f"{record.name} is a point of a sweep that varied {', '.join(beyond)}, which is no input of {request.connector};"
            " save the sweep itself"
        )
    sweep = ledger.run(record.parent)
    assert sweep is not None
    return request.model_copy(update={"point": {}, "output": common_request(sweep).output})


def inputs(preset: Preset | None, connector: SmartConnector, given: Mapping[str, Any]) -> dict[str, Any]:
    """The preset's inputs with those that are given over them.

    Raises:
        InvalidRequest: what the preset has no longer fits the connector; what is given is not judged.
    """
    if preset is None:
        return dict(given)
    merged = {**preset.request.inputs, **given}
    own = set(_problems(connector, given))
    if found := [problem for problem in _problems(connector, merged) if problem not in own]:
        raise InvalidRequest(*(f"{preset.name!r} no longer fits {connector.name}: {problem}" for problem in found))
    return merged


def over(preset: Preset | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """What is given of the things that are chosen at run time, and for what is None, what the preset has."""
    own = dict(preset.request) if preset is not None else {}
    if own.get("sweep") is not None:
        own["sweep"] = own["sweep"].model_dump()
    return {name: own.get(name) if value is None else value for name, value in given.items()}


def _problems(connector: SmartConnector, inputs: Mapping[str, Any]) -> tuple[str, ...]:
    try:
        checked(connector, inputs)
    except InvalidRequest as error:
        return error.problems
    return ()


def _preset(record: PresetRecord) -> Preset:
    return Preset(record.name, RunRequest.model_validate_json(record.request))


def _refuse_last(name: str) -> None:
    if name == LAST:
        raise InvalidRequest(f"the preset {LAST!r} is always what the newest run was asked for; choose another name")


def _advice(name: str, known: list[Preset]) -> str:
    names = list(dict.fromkeys(preset.name for preset in known))
    if close := difflib.get_close_matches(name, names, n=1):
        return f"did you mean {close[0]!r}?"
    return f"there are: {', '.join(names)}" if names else "save one with: chiminey preset save PRESET RUN"
