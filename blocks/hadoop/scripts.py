"""The shell scripts for a Hadoop gateway: the files beside this one behind a resource's settings, then what is to be done.

All Hadoop's commands are asked in one script for each verb, since each of them takes a second or two to start.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from shlex import quote
from xml.sax.saxutils import escape

from blocks.remote.beating import BEATING
from blocks.remote.scripts import at

ANSWER_SECONDS = 60  # that HDFS or YARN have to answer a question
AWAY_SECONDS = 600  # that HDFS or YARN may be away, at the most, while a task needs them
TIDYING_SECONDS = 30  # that jobs have to tidy up after themselves, before all that still run are just ended
BEGIN_SECONDS = 120  # the same for a run that begins, with somebody waiting for it
_FILES = [resources.files("blocks.hadoop").joinpath(f"{name}.sh") for name in ("site", "configuration", "yarn", "run", "task")]
_FUNCTIONS = "".join(file.read_text(encoding="utf-8") for file in _FILES)
_SPARK = "spark."


@dataclass(frozen=True, slots=True)
class Site:
    """How Hadoop is reached from its gateway."""

    hadoop_home: str  # empty: hadoop is on the path
    spark_home: str
    base: str  # folder in HDFS; below the user's home folder there unless it starts with /
    queue: str  # of YARN; empty: the default one
    principal: str
    keytab: str  # on the gateway; empty: no Kerberos
    properties: Mapping[str, str] = field(default_factory=dict[str, str])  # of Hadoop, and of Spark where their names say so


def around(site: Site, run: str) -> str:
    """``around.sh``: what every task of a run is started by."""
    return f'{functions(site, run)}task "$@"\n'


def check(scratch: str, site: Site) -> str:
    """Print the versions of Hadoop and of Spark, if it is there, a line about the space in HDFS, and the state of the queue."""
    return _before(scratch, site, "check")


def find(scratch: str, site: Site) -> str:
    """Fail unless there is a Hadoop that starts, is set up for an HDFS, and lets the user in."""
    return _before(scratch, site, "find_hadoop")


def _before(scratch: str, site: Site, verb: str) -> str:
    """What needs no run, with a folder of its own for the ticket."""
    return f"""{functions(site, verb)}{at(scratch)} || exit
{BEATING}
folder=$PWD/{verb}-$$
(umask 077 && mkdir "$folder") || exit
({verb} "$folder")
code=$?
rm -rf "$folder"
exit "$code"
"""


def begin(scratch: str, site: Site, run: str) -> str:
    """Make the run's folder in HDFS."""
    return f"""{functions(site, run, BEGIN_SECONDS)}{at(scratch, run)} || exit
{BEATING}
site "$PWD" && begin_run "$PWD"
"""


def fence(scratch: str, site: Site, run: str, batches: list[str]) -> str:
    """Make sure that no application of these batches runs any more."""
    tags = ",".join(f"chiminey-{run}-{batch}" for batch in batches)
    return f"""{functions(site, run)}{at(scratch, run)} || exit
{BEATING}
site "$PWD" && end_applications {tags} || fail "applications of lost tasks may still run in YARN"
"""


def waiting(scratch: str, site: Site, run: str) -> str:
    """Print a line for each task whose application waits in YARN: the application's id and ``batch/task``."""
    return f'{functions(site, run)}{at(scratch, run)} || exit\n{BEATING}\nsite "$PWD" && waiting'


def end(scratch: str, site: Site, run: str) -> str:
    """Leave nothing of a run in YARN or HDFS; its folder on the gateway is there."""
    return f'{functions(site, run)}({at(scratch, run)} && end_run "$PWD") || exit'


def functions(site: Site, run: str, away: int = 0) -> str:
    """The shell functions behind the settings for a run."""
    spark = {name: value for name, value in site.properties.items() if name.startswith(_SPARK)}
    settings = {
        "run": run,
        "base": site.base.rstrip("/"),
        "queue": site.queue,
        "principal": site.principal,
        "properties": "".join(_property(name, value) for name, value in site.properties.items() if not name.startswith(_SPARK)),
        "spark_options": " ".join(_option(name, value) for name, value in spark.items()),
        "spark_lines": "\n".join(_line(name, value) for name, value in spark.items()),
        "answer": str(ANSWER_SECONDS),
        "away": str(away or AWAY_SECONDS),
        "tidying": str(TIDYING_SECONDS),
    }
    paths = {"hadoop_home": site.hadoop_home, "spark_home": site.spark_home, "keytab": site.keytab}
    lines = [f"{name}={quote(value)}\n" for name, value in settings.items()]
    return "".join([*lines, *(f"{name}={_placed(path)}\n" for name, path in paths.items()), _FUNCTIONS])


def _placed(path: str) -> str:
    """As the scratch folder's: below the login folder, unless it starts with /; or none."""
    return quote(path) if not path or path.startswith("/") else f'"$HOME"/{quote(path.removeprefix("~/"))}'


def _property(name: str, value: str) -> str:
    return f"<property><name>{escape(name)}</name><value>{escape(value)}</value></property>"


def _option(name: str, value: str) -> str:
    r"""As Spark's launcher splits ``SPARK_SUBMIT_OPTS``: quoted, with ``\`` before a quote or itself."""
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"-D{name}={quoted}"'


def _line(name: str, value: str) -> str:
    r"""As a properties file has it, in which ``\`` hides what follows."""
    escaped = value.replace("\\", "\\\\")
    return f"{name} {escaped}"
