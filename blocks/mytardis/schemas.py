"""Which parameter sets a MyTardis takes: those whose schema an administrator has registered, for the API can't do that."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from blocks.curation.experiment import ParameterSet
from blocks.curation.graphs import Owner
from blocks.curation.http import Repository
from blocks.mytardis.api import Row, rows, text

TYPES: dict[Owner, int] = {"experiment": 1, "dataset": 2, "datafile": 3}  # of schemas, in tardis_portal's models
_NUMERIC, _LINK, _DATETIME = 1, 4, 6  # of parameter names; links and times are read from a text, and given back as another one


@dataclass(frozen=True)
class FittingSet:
    """A parameter set as the API takes it, and its values as the API gives them back."""

    namespace: str
    parameters: tuple[tuple[str, str], ...]  # name and value
    values: tuple[str, ...]  # sorted; by them and the schema it is known again

    @property
    def document(self) -> dict[str, Any]:
        """For a request."""
        return {
            "schema": self.namespace,
            "parameters": [{"name": name, "value": value} for name, value in self.parameters],
        }


class Schemas:
    """The schemas of one server; those that are missing are told in ``warnings``."""

    def __init__(self, server: Repository, prefix: str) -> None:
        self.warnings: dict[str, None] = {}  # in order, each once
        self._server = server
        self._prefix = prefix.rstrip("/")
        self._found: dict[str, Row | None] = {}
        self._types: dict[int, dict[str, int]] = {}

    def namespace(self, schema: str) -> str:
        """The whole namespace of a schema."""
        return schema if "://" in schema else f"{self._prefix}/{schema}"

    def fitting(self, sets: Iterable[ParameterSet], owner: Owner) -> list[FittingSet]:
        """Those sets, and those of their parameters, that the server takes for an owner of this kind."""
        fitted: list[FittingSet] = []
        for each in sets:
            schema = self.registered(each.schema, owner)
            if schema is None:
                self._warn_of_schema(each, owner)
            else:
                fitted.append(self._fitted(each, schema))
        return fitted

    def registered(self, schema: str, owner: Owner) -> Row | None:
        """The schema as the server has it."""
        namespace = self.namespace(schema)
        if namespace not in self._found:
            found = [row for row in rows(self._server, "schema", namespace=namespace) if row["namespace"] == namespace]
            self._found[namespace] = found[0] if found else None
        row = self._found[namespace]
        return row if row is not None and row["type"] == TYPES[owner] else None

    def missing(self, each: ParameterSet, owner: Owner) -> str:
        """What to ask an administrator for."""
        named = ", ".join(f"{name} ({'text' if isinstance(value, str) else 'number'})" for name, value in each.parameters.items())
        having = f", with the parameters {named}" if named else ", without parameters"
        return f"the {owner} schema {self.namespace(each.schema)}{having}"

    def _warn_of_schema(self, each: ParameterSet, owner: Owner) -> None:
        self.warnings[
            f"{self._server.name} has no {owner} schema {self.namespace(each.schema)}, and what it would hold is left out; ask "
            f"its administrator to register {self.missing(each, owner)}"
        ] = None

    def _fitted(self, each: ParameterSet, schema: Row) -> FittingSet:
        types = self._parameter_types(schema["id"])
        parameters: list[tuple[str, str]] = []
        values: list[str] = []
        for name, value in each.parameters.items():
            if types.get(name) in (_LINK, _DATETIME):
                self.warnings[
                    f"the parameter {name} of {schema['namespace']} is a link or a time there, and left out; register it as text"
                ] = None
                continue
            if types.get(name) != _NUMERIC:
                parameters.append((name, text(str(value))))
                values.append(text(str(value)))
                continue
            number = _number(value)
            if number is None:
                self.warnings[
                    f"the parameter {name} of {schema['namespace']} has to be a number, and {str(value)[:40]!r} is left out"
                ] = None
            else:
                parameters.append((name, repr(number)))
                values.append(repr(number))
        return FittingSet(schema["namespace"], tuple(parameters), tuple(sorted(values)))

    def _parameter_types(self, schema: int) -> dict[str, int]:
        if schema not in self._types:
            known = rows(self._server, "parametername", schema__id=schema)
            self._types[schema] = {row["name"]: row["data_type"] for row in known}
        return self._types[schema]


def is_in(wanted: FittingSet, owner: Row) -> bool:
    """Whether an experiment, dataset or file has such a parameter set; apps of a server add to it what they draw of it."""
    return any(
        has["schema"]["namespace"] == wanted.namespace and not Counter(wanted.values) - Counter(map(_value, has["parameters"]))
        for has in owner["parameter_sets"]
    )


def _value(parameter: Row) -> str:
    if parameter["numerical_value"] is not None:
        return repr(float(parameter["numerical_value"]))
    return str(parameter["string_value"])


def _number(value: str | float) -> float | None:
    with suppress(ValueError):
        number = float(value)
        return number if math.isfinite(number) else None
    return None
