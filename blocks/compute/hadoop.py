"""A Hadoop cluster behind its gateway as a compute resource."""

from __future__ import annotations

import json
import re
from contextlib import closing
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from blocks.compute.resource import ComputeResource
from blocks.hadoop.scripts import Site
from blocks.hadoop.session import HadoopSession
from blocks.host import Host
from blocks.host_session import HostSession
from blocks.job import Word
from blocks.transport.ssh import SSHTransport
from blocks.transport.ssh_access import SSHAccess

_OWN = ("mapreduce.job.tags", "spark.yarn.tags", "yarn.app.mapreduce.am.staging-dir", "spark.yarn.stagingDir")
SILENCE_SECONDS = 120.0  # a command of Hadoop's says nothing for as long as it starts


def _folder(path: str) -> str:
    if not path.strip("/") or "//" in path or ".." in path.split("/"):
        raise ValueError(f"{path!r} can't be a folder for runs; write for instance chiminey, or /data/chiminey")
    if strange := sorted(set(re.sub(r"[\w./@+=~-]", "", path))):
        raise ValueError(
            f"{path!r} has {' '.join(map(repr, strange))} in it, which HDFS or MapReduce reads as a pattern or a list; "
            "use letters, digits and . _ - /"
        )
    return path


def _text(value: Any) -> Any:
    """As Hadoop writes numbers, and what is true or false."""
    return json.dumps(value) if isinstance(value, (bool, int, float)) else value


def _properties(given: dict[str, str]) -> dict[str, str]:
    if own := [name for name in given if name in _OWN]:
        raise ValueError(
            f"{', '.join(own)} can't be set: a run's applications, and what they leave, are known by it; leave it out"
        )
    return given


class HadoopCompute(ComputeResource, SSHAccess):  # pyright: ignore[reportIncompatibleMethodOverride] -- Prefect's Block
    """Runs tasks on a gateway from which they use a Hadoop cluster: HDFS for data, YARN for MapReduce and Spark."""

    _block_type_name = "Hadoop Compute"
    _block_type_slug = "hadoop-compute"
    kind: ClassVar[str] = "hadoop"

    host: str = Field(title="Gateway", description="As name, user@name, name:port or an alias of ~/.ssh/config.")
    hadoop_home: str = Field(
        default="",
        title="Hadoop home",
        description="The folder on the gateway that has bin/hadoop; if empty, hadoop is on the path.",
    )
    spark_home: str = Field(
        default="",
        title="Spark home",
        description="The folder on the gateway that has bin/spark-submit; if empty, it is on the path or not needed.",
    )
    base: Annotated[str, AfterValidator(_folder)] = Field(
        default="chiminey",
        title="HDFS folder",
        description="Where runs have their data in HDFS until they end; below your home folder there unless it starts with /.",
    )
    queue: Word = Field(default="", title="YARN queue", description="Where applications wait; if empty, the cluster's default.")
    properties: Annotated[dict[str, Annotated[str, BeforeValidator(_text)]], AfterValidator(_properties)] = Field(
        default={},
        title="Properties",
        description="Of Hadoop's configuration, such as mapreduce.map.memory.mb, and of Spark's, such as spark.executor.memory; "
        "they win over the gateway's own.",
    )
    principal: str = Field(default="", title="Kerberos principal", description="Such as me@EXAMPLE.ORG, where Kerberos is used.")
    keytab: str = Field(default="", title="Kerberos keytab", description="The path on the gateway of the file with its keys.")
    slots: int = Field(
        default=4, ge=1, title="Slots", description="Tasks at once; each has a client of Hadoop's running on the gateway."
    )
    scratch: str = Field(
        default=".chiminey",
        title="Scratch folder",
        description="Where tasks work on the gateway until they end; below the login folder unless it starts with /.",
    )
    lost_after: float = Field(
        default=3600.0,
        ge=0,
        title="Lost after",
        description="Seconds that the gateway may be unreachable before the run is given up; its applications go on meanwhile.",
    )

    @model_validator(mode="after")
    def _has_both(self) -> Self:
        if bool(self.principal) != bool(self.keytab):
            raise ValueError("principal and keytab belong together: Kerberos wants both, and without Kerberos there is neither")
        return self

    def hosts_for(self, tasks: int) -> list[Host]:
        return [Host(self.host, self.host, self.slots)]

    def open(self, host: Host, run: str) -> HostSession:
        return self._session(run)

    def _session(self, run: str) -> HadoopSession:
        transport = SSHTransport(self.host, self, SILENCE_SECONDS)
        site = Site(
            self.hadoop_home.rstrip("/"),
            self.spark_home.rstrip("/"),
            self.base,
            self.queue,
            self.principal,
            self.keytab,
            self.properties,
        )
        return HadoopSession(transport, run, self.scratch, site)

    def check(self) -> list[str]:
        with closing(self._session("check")) as session:
            facts = session.probe()
            version, size, free, state = session.look()
        return [
            f"{self.host}: {facts.described()}",
            f"{version}: {free / 1e9:.1f} GB free of {size / 1e9:.1f} GB in HDFS",
            f"YARN's queue {self.queue} is {state.lower()}" if self.queue else "YARN answers, and chooses the queue",
        ]

    @property
    def cleaning(self) -> float:
        """Longer than on other hosts: half a dozen commands of Hadoop's; what a cancel in the UI cuts short is reaped."""
        return 120.0

    @property
    def patience(self) -> float:
        return self.lost_after
