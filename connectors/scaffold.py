"""A new connector's folder, which runs as it is."""

from __future__ import annotations

import re
from pathlib import Path

from blocks.errors import InvalidRequest
from connectors.checks import NAME_RULE, is_name

_TOML = """\
name = "NAME"
description = "The sum of the numbers from 1 to count."
arguments = ["count"]  # what is appended to the command line of main.sh: $3, $4, ...

[inputs.count]
type = "integer"  # or: number, text, boolean, choice
default = 10
minimum = 1
title = "Count"
description = "How many numbers are added."

# [job]  # what each job is to get where it runs on a cluster
# memory = "500M"
# modules = ["openmpi"]
"""

_PYTHON = '''\
"""NAME: the sum of the numbers from 1 to count."""

from pydantic import BaseModel, ConfigDict, Field

from flows import SmartConnector


class Values(BaseModel):
    """What its users choose."""

    model_config = ConfigDict(extra="forbid")

    count: int = Field(default=10, ge=1, title="Count", description="How many numbers are added.")


class Connector(SmartConnector):
    """A payload, and one input."""

    name = "NAME"
    description = "The sum of the numbers from 1 to count."
    Inputs = Values
    arguments = ("count",)  # what is appended to the command line of main.sh: $3, $4, ...
'''

_MAIN = """\
# Computes one task. $1 is the folder of its input, $2 that of its output: everything written there is kept.
# $3 and on are the arguments that the connector names; all values of the task are in the JSON file $1/values.
count=$3
sum=0
number=1
while [ "$number" -le "$count" ]; do
    sum=$((sum + number))
    number=$((number + 1))
done
echo "$sum" >"$2/sum.txt"
"""

_README = """\
# NAME

Say here what it computes. The inputs are declared in `FILE`; `payload/process_payload/main.sh` is the computation;
`payload/bootstrap.sh`, if you add it, prepares a host once.

    export CHIMINEY_PATH="FOLDER"
    chiminey run NAME --set count=20
"""


def scaffold(name: str, folder: Path, python: bool) -> Path:
    """Make the connector ``name`` in a folder of its own below ``folder``, declared in TOML or in Python, and give its path.

    Raises:
        InvalidRequest: the name can't be used, or there is such a folder already, or it can't be made.
    """
    if not is_name(name):
        raise InvalidRequest(f"a connector can't be called {name!r}; {NAME_RULE}")
    target = folder.expanduser().resolve() / name
    file = "connector.py" if python else "connector.toml"
    texts = {file: _PYTHON if python else _TOML, "payload/process_payload/main.sh": _MAIN, "README.md": _README}
    try:
        target.mkdir(parents=True)
        words = {"NAME": name, "FILE": file, "FOLDER": str(target)}
        for path, text in texts.items():
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            filled = re.sub("|".join(words), lambda found: words[found[0]], text)
            (target / path).write_text(filled, encoding="utf-8")
    except FileExistsError as error:
        raise InvalidRequest(f"{error.filename} exists already; choose another name or folder") from error
    except OSError as error:
        raise InvalidRequest(f"the connector can't be made: {error.strerror} ({error.filename})") from error
    return target
