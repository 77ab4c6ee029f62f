"""Graphs as MyTardis draws them: parameter sets whose values are JSON.

A file offers values to the graphs of its dataset, and a dataset to those of its experiment; a graph names the keys of the values
that it draws against each other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from blocks.curation.experiment import ParameterSet
from blocks.finite import finite

Owner = Literal["experiment", "dataset", "datafile"]

SCHEMAS: dict[Owner, str] = {"experiment": "expgraph", "dataset": "dsetgraph", "datafile": "dfilegraph"}
PARAMETERS = ("graph_info", "name", "value_dict", "value_keys")


def graph(
    owner: Owner,
    name: str,
    *,
    axes: Sequence[str] = (),
    legends: Sequence[str] = (),
    values: Mapping[str, Any] | None = None,
    keys: Sequence[Sequence[str]] = (),
) -> ParameterSet:
    """A graph of an experiment, dataset or file, or the values that it offers to the graphs above it.

    Args:
        owner: what it belongs to.
        name: its own among the graphs of the owner.
        axes: what is written at the axes.
        legends: what is written at each curve.
        values: numbers, or lists of them, by key; null stands for one that is NaN or infinite, which JSON has not.
        keys: for each curve the keys of what is drawn, such as ``[["fit/r", "fit/g"]]``.
    """
    info = {"axes": list(axes), "legends": list(legends)} if axes or legends else {}
    contents = (info, name, dict(values or {}), [list(curve) for curve in keys])
    parameters = {
        key: content if isinstance(content, str) else json.dumps(finite(content), allow_nan=False)
        for key, content in zip(PARAMETERS, contents, strict=True)
    }
    return ParameterSet(SCHEMAS[owner], parameters)
